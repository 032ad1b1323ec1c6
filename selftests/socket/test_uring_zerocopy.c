// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring without a copy: sends whose memory is free for other use when the ring says so.
 */
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fixture.h"
#include "uring_fixture.h"

/* The memory is free for other use when a second completion says so. */
static int result_without_copy(uint64_t mark)
{
	struct io_uring_cqe cqe = next_of(mark);
	int res = cqe.res;

	if (cqe.flags & IORING_CQE_F_MORE) {
		cqe = next_of(mark);
		CHECK(cqe.flags & IORING_CQE_F_NOTIF);
		EQ(cqe.flags & IORING_CQE_F_MORE, 0);
	} else {
		CHECK(res < 0);
	}
	return res;
}

static void begin_without_copy(void)
{
	ring_begin(false);
	ring_needs(IORING_OP_SEND_ZC, "IORING_OP_SEND_ZC");
}

TEST_BOTH(uring_zerocopy, "uring.zerocopy")
{
	static char out[50000];
	int fd = meet("sink check=1");
	size_t sent = 0, len = 20000;
	struct io_uring_sqe sqe;
	int i;

	begin_without_copy();
	for (i = 0; i < 30; i++) {
		pattern_fill(1, sent, out + i, len);
		sqe = entry(IORING_OP_SEND_ZC, fd, out + i, len);
		sqe.msg_flags = MSG_WAITALL;
		submit(&sqe, i);
		EQ(result_without_copy(i), len);
		memset(out, 0x5a, sizeof(out));
		sent += len;
		len = (len * 3 + 7) % 47001 + 1;
	}
	OK(shutdown(fd, SHUT_WR));
	EQ(answer_of(fd).bad, -1);
}

TEST_BOTH(uring_zerocopy_message, "uring.zerocopy")
{
	static char out[120000];
	int fd = meet("sink check=1");
	struct iovec iov[3] = { { out, 1 }, { out + 1, 69999 }, { out + 70000, 50000 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };
	struct io_uring_sqe sqe;

	begin_without_copy();
	ring_needs(IORING_OP_SENDMSG_ZC, "IORING_OP_SENDMSG_ZC");
	pattern_fill(1, 0, out, sizeof(out));
	sqe = entry(IORING_OP_SENDMSG_ZC, fd, &msg, 1);
	sqe.msg_flags = MSG_WAITALL;
	submit(&sqe, 1);
	EQ(result_without_copy(1), sizeof(out));
	memset(out, 0x5a, sizeof(out));
	expect_sunk(fd, sizeof(out));
}

/* Memory that the ring has registered, of which it keeps the pages itself. */
TEST_BOTH(uring_zerocopy_registered, "uring.zerocopy")
{
	static char out[200000];
	struct iovec iov = { out, sizeof(out) };
	int fd = meet("sink check=1");
	struct io_uring_sqe sqe;
	size_t sent = 0;
	int i;

	begin_without_copy();
	OK(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &iov, 1));
	for (i = 0; i < 10; i++) {
		size_t len = sizeof(out) - i * 1001;

		pattern_fill(1, sent, out + i * 1001, len);
		sqe = entry(IORING_OP_SEND_ZC, fd, out + i * 1001, len);
		sqe.msg_flags = MSG_WAITALL;
		sqe.ioprio = IORING_RECVSEND_FIXED_BUF;
		submit(&sqe, i);
		EQ(result_without_copy(i), len);
		memset(out, 0x5a, sizeof(out));
		sent += len;
		/* a copy behind it */
		pattern_fill(1, sent, out, 100);
		EQ(send(fd, out, 100, 0), 100);
		sent += 100;
	}
	OK(shutdown(fd, SHUT_WR));
	EQ(answer_of(fd).bad, -1);
}

/* A send that the peer's reset cuts short: what was told to come comes. */
TEST_BOTH(uring_zerocopy_reset, "uring.zerocopy.end")
{
	static char out[8 << 20];
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	struct io_uring_sqe sqe;
	int res;

	begin_without_copy();
	sqe = entry(IORING_OP_SEND_ZC, fd, out, sizeof(out));
	sqe.msg_flags = MSG_WAITALL;
	submit(&sqe, 1);
	expect_waiting();
	go(tag, "");
	res = result_without_copy(1);
	CHECK(res == -ECONNRESET || (res > 0 && res < (int)sizeof(out)));
	expect_waiting();
}

/* The descriptor and the memory go first. */
TEST_BOTH(uring_zerocopy_close, "uring.zerocopy.end")
{
	static char out[20000];
	char tag[PEER_TAG];
	int fd = meet("sink check=1 wait=1 tag=%s", peer_tag(tag));
	struct io_uring_sqe sqe;
	struct result result;
	int i;

	begin_without_copy();
	pattern_fill(1, 0, out, sizeof(out));
	for (i = 0; i < 4; i++) {
		sqe = entry(IORING_OP_SEND_ZC, fd, out + i * 5000, 5000);
		ring_add(&ring, &sqe, i);
	}
	CHECK(ring_enter(&ring));
	OK(close(fd));
	ring_close(&ring);
	go(tag, "");
	result = stat_of(tag);
	EQ(result.in, sizeof(out));
	EQ(result.bad, -1);
}
