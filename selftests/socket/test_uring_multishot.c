// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring's operations that answer more than once: accept, receive into provided buffers, poll.
 *
 * Every completion but the last says that there will be more (IORING_CQE_F_MORE).
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"
#include "uring_fixture.h"

TEST(uring_accept_multishot, "uring.accept.multishot")
{
	struct io_uring_sqe sqe;
	struct io_uring_cqe cqe;
	unsigned int port;
	int fd = listener(&port);
	int conn[20];
	int i;

	ring_begin(false);
	sqe = entry(IORING_OP_ACCEPT, fd, NULL, 0);
	sqe.ioprio = IORING_ACCEPT_MULTISHOT;
	/* some are there before it, some come later */
	call_many(port, 7, "echo");
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	submit(&sqe, 1);
	call_many(port, 13, "echo");
	for (i = 0; i < 20; i++) {
		cqe = next_of(1);
		conn[i] = cqe.res;
		CHECK(conn[i] >= 0);
		CHECK(cqe.flags & IORING_CQE_F_MORE);
	}
	expect_waiting();
	cancel(1);
	for (i = 0; i < 20; i++)
		send_pattern(conn[i], i, 0, 50);
	for (i = 0; i < 20; i++)
		recv_pattern(conn[i], i, 0, 50);
	/* the listener is as it was */
	call(port, "echo");
	echo_by_ring(accept_one(fd), 6);
}

TEST(uring_accept_multishot_ends, "uring.accept.multishot")
{
	struct io_uring_sqe sqe;
	struct io_uring_cqe cqe;
	struct rlimit limit;
	unsigned int port;
	int fd = listener(&port);
	int top;

	ring_begin(false);
	sqe = entry(IORING_OP_ACCEPT, fd, NULL, 0);
	sqe.ioprio = IORING_ACCEPT_MULTISHOT;
	submit(&sqe, 1);
	expect_waiting();
	OK(shutdown(fd, SHUT_RD));
	cqe = next_of(1);
	EQ(cqe.res, -EINVAL);
	EQ(cqe.flags & IORING_CQE_F_MORE, 0);
	OK(close(fd));

	/* no descriptor is left */
	fd = listener(&port);
	call(port, "source 10 6");
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	top = OK(dup(fd));
	OK(close(top));
	OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = top;
	OK(setrlimit(RLIMIT_NOFILE, &limit));
	sqe.fd = fd;
	submit(&sqe, 2);
	cqe = next_of(2);
	EQ(cqe.res, -EMFILE);
	EQ(cqe.flags & IORING_CQE_F_MORE, 0);
	limit.rlim_cur = 64;
	OK(setrlimit(RLIMIT_NOFILE, &limit));
	recv_pattern(accept_one(fd), 6, 0, 10);
}

/* ---- provided buffers ---- */

#define BUFS 8
#define BUF_SIZE 100
#define GROUP 5

struct bufs {
	struct io_uring_buf_ring *ring;
	char memory[BUFS][BUF_SIZE];
};

static void bufs_give(struct bufs *bufs, unsigned int id)
{
	unsigned int tail = bufs->ring->tail;
	/* not ->bufs[], which the header puts elsewhere in some versions */
	struct io_uring_buf *buf = (struct io_uring_buf *)bufs->ring + tail % BUFS;

	buf->addr = (uintptr_t)bufs->memory[id];
	buf->len = BUF_SIZE;
	buf->bid = (uint16_t)id;
	__atomic_store_n(&bufs->ring->tail, (uint16_t)(tail + 1), __ATOMIC_RELEASE);
}

static void bufs_open(struct bufs *bufs)
{
	struct io_uring_buf_reg reg = { .ring_entries = BUFS, .bgid = GROUP };
	unsigned int i;

	bufs->ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(bufs->ring != MAP_FAILED);
	reg.ring_addr = (uintptr_t)bufs->ring;
	if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_PBUF_RING, &reg, 1)) {
		EQ(errno, EINVAL);
		SKIP("this kernel's io_uring has no rings of buffers");
	}
	for (i = 0; i < BUFS; i++)
		bufs_give(bufs, i);
}

static struct io_uring_sqe recv_many(int fd)
{
	struct io_uring_sqe sqe = entry(IORING_OP_RECV, fd, NULL, 0);

	sqe.ioprio = IORING_RECV_MULTISHOT;
	sqe.flags = IOSQE_BUFFER_SELECT;
	sqe.buf_group = GROUP;
	return sqe;
}

/* The buffer a completion is about, whose bytes are those of @pos. */
static unsigned int buf_of(const struct bufs *bufs, const struct io_uring_cqe *cqe, size_t pos)
{
	unsigned int id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

	CHECK(cqe->flags & IORING_CQE_F_BUFFER);
	CHECK(id < BUFS && cqe->res <= BUF_SIZE);
	EQ(pattern_check(4, pos, bufs->memory[id], (size_t)cqe->res), -1);
	return id;
}

TEST_BOTH(uring_recv_multishot, "uring.recv.multishot")
{
	static struct bufs bufs;
	char tag[PEER_TAG];
	int fd = meet("source 100 4 end=hold tag=%s", peer_tag(tag));
	struct io_uring_sqe sqe = recv_many(fd);
	struct io_uring_cqe cqe;
	size_t pos = 0;
	int round;

	ring_begin(false);
	bufs_open(&bufs);
	submit(&sqe, 1);
	for (round = 0; round < 4; round++) {
		while (pos < 100 + 200 * (size_t)round) {
			cqe = next_of(1);
			CHECK(cqe.res > 0);
			CHECK(cqe.flags & IORING_CQE_F_MORE);
			bufs_give(&bufs, buf_of(&bufs, &cqe, pos));
			pos += (size_t)cqe.res;
		}
		expect_waiting();
		if (round < 3)
			go(tag, "more=200");
	}
	go(tag, "end=fin");
	cqe = next_of(1);
	EQ(cqe.res, 0);
	EQ(cqe.flags & IORING_CQE_F_MORE, 0);
	EQ(pos, 700);
}

TEST_BOTH(uring_recv_multishot_cancelled, "uring.recv.multishot")
{
	static struct bufs bufs;
	int fd = meet("echo");
	struct io_uring_sqe sqe = recv_many(fd);

	ring_begin(false);
	bufs_open(&bufs);
	submit(&sqe, 1);
	expect_waiting();
	cancel(1);
	echo_by_ring(fd, 9);
}

/* More than there are buffers: it ends with ENOBUFS, and goes on when there are some again. */
TEST_BOTH(uring_recv_multishot_refill, "uring.recv.multishot")
{
	static struct bufs bufs;
	int fd = meet("source 2050 4");
	struct io_uring_sqe sqe = recv_many(fd);
	unsigned int id, used = 0, rounds = 0;
	struct io_uring_cqe cqe;
	size_t pos = 0;

	ring_begin(false);
	bufs_open(&bufs);
	await_bytes(fd, 2050);
	submit(&sqe, 1);
	for (;;) {
		cqe = next_of(1);
		if (cqe.res == -ENOBUFS) {
			EQ(cqe.flags & IORING_CQE_F_MORE, 0);
			EQ(used, BUFS);
			while (used)
				bufs_give(&bufs, --used);
			rounds++;
			submit(&sqe, 1);
			continue;
		}
		if (cqe.res <= 0)
			break;
		id = buf_of(&bufs, &cqe, pos);
		EQ(id, rounds ? BUFS - 1 - used : used);
		CHECK(cqe.flags & IORING_CQE_F_MORE);
		pos += (size_t)cqe.res;
		used++;
	}
	EQ(cqe.res, 0);
	EQ(pos, 2050);
	EQ(rounds, 2);
}

/* Several buffers filled by one completion. */
TEST_BOTH(uring_recv_bundle, "uring.recv.bundle")
{
	static struct bufs bufs;
	int fd = meet("source 650 4");
	struct io_uring_sqe sqe = recv_many(fd);
	struct io_uring_cqe cqe, part;
	unsigned int id = 0, most = 0, n;
	size_t pos = 0;

	ring_begin(false);
	if (!(ring.features & IORING_FEAT_RECVSEND_BUNDLE))
		SKIP("this kernel's io_uring has no bundles");
	bufs_open(&bufs);
	await_bytes(fd, 650);
	sqe.ioprio |= IORING_RECVSEND_BUNDLE;
	submit(&sqe, 1);
	for (;;) {
		cqe = next_of(1);
		if (cqe.res <= 0)
			break;
		CHECK(cqe.flags & IORING_CQE_F_MORE);
		for (n = 0; cqe.res; n++) {
			part = cqe;
			part.res = cqe.res < BUF_SIZE ? cqe.res : BUF_SIZE;
			part.flags += n << IORING_CQE_BUFFER_SHIFT;
			EQ(buf_of(&bufs, &part, pos), id++);
			pos += (size_t)part.res;
			cqe.res -= part.res;
		}
		most = n > most ? n : most;
	}
	EQ(cqe.res, 0);
	EQ(pos, 650);
	CHECK(most > 1);
}

/* Once for each arrival, until it is cancelled. */
TEST_BOTH(uring_poll_multishot, "uring.poll.multishot")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 4 end=hold wait=1 tag=%s", peer_tag(tag));
	struct io_uring_sqe sqe;
	struct io_uring_cqe cqe;
	int i;

	ring_begin(false);
	sqe = entry(IORING_OP_POLL_ADD, fd, NULL, IORING_POLL_ADD_MULTI);
	sqe.poll32_events = POLLIN;
	submit(&sqe, 1);
	expect_waiting();
	for (i = 0; i < 3; i++) {
		go(tag, i ? "more=10" : "");
		cqe = next_of(1);
		EQ(cqe.res, POLLIN);
		CHECK(cqe.flags & IORING_CQE_F_MORE);
		/* unread, but nothing new */
		expect_waiting();
	}
	recv_pattern(fd, 4, 0, 30);
	expect_waiting();
	cancel(1);
	go(tag, "more=10");
	await_bytes(fd, 10);
	expect_waiting();
}
