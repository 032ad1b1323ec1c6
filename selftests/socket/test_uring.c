// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring on a socket: every operation it has for one, and how what waits in the ring ends.
 */
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fixture.h"
#include "uring_fixture.h"

static int do_connect(int fd, const union addr *to)
{
	struct io_uring_sqe sqe = entry(IORING_OP_CONNECT, fd, to, 0);

	sqe.off = addr_len(to);
	return ring_do(&ring, &sqe);
}

/* ---- connect and accept ---- */

TEST(uring_connect, "uring.connect")
{
	const union addr *peer = &tested.peer[tested.v6];
	int fd = fresh();

	ring_begin(false);
	EQ(do_connect(fd, peer), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	OK(write_all(fd, "echo\n", 5));
	echo_by_ring(fd, 3);
	EQ(do_connect(fd, peer), -EISCONN);
}

TEST(uring_connect_refused, "uring.connect")
{
	int hold, fd = fresh();
	unsigned int port = closed_port(&hold);

	ring_begin(false);
	EQ(do_connect(fd, peer_at(port)), -ECONNREFUSED);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	/* and it can be tried again */
	EQ(do_connect(fd, &tested.peer[tested.v6]), 0);
	OK(write_all(fd, "echo\n", 5));
	echo_by_ring(fd, 3);
}

TEST(uring_connect_cancelled, "uring.connect")
{
	struct io_uring_sqe sqe;
	int hold, fd = fresh_nonblock();
	const union addr *to = peer_at(full_port(&hold, NULL));

	ring_begin(false);
	set_nonblock(fd, false);
	sqe = entry(IORING_OP_CONNECT, fd, to, 0);
	sqe.off = addr_len(to);
	submit(&sqe, 1);
	expect_waiting();
	cancel(1);
	/* it goes on connecting, as after a signal */
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	set_nonblock(fd, true);
	FAILS(connect(fd, &to->sa, addr_len(to)), EALREADY);
}

TEST(uring_accept, "uring.accept")
{
	union addr addr, name;
	socklen_t len = sizeof(addr), name_len = sizeof(name);
	struct io_uring_sqe sqe;
	unsigned int port;
	int fd = listener(&port);
	int conn;

	ring_begin(false);
	sqe = entry(IORING_OP_ACCEPT, fd, &addr, 0);
	sqe.addr2 = (uintptr_t)&len;
	sqe.accept_flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
	submit(&sqe, 1);
	expect_waiting();
	call(port, "echo");
	conn = result_of(1);
	CHECK(conn >= 0);
	CHECK(fcntl(conn, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(conn, F_GETFD) & FD_CLOEXEC);
	OK(getpeername(conn, &name.sa, &name_len));
	EQ(len, name_len);
	EQ(addr_port(&addr), addr_port(&name));
	CHECK(addr_same_host(&addr, &name));
	set_nonblock(conn, false);
	echo_by_ring(conn, 4);

	/* one that is there already; then, whatever the listener does otherwise, the ring waits */
	set_nonblock(fd, true);
	call(port, "echo");
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	sqe = entry(IORING_OP_ACCEPT, fd, NULL, 0);
	conn = ring_do(&ring, &sqe);
	CHECK(conn >= 0);
	echo_by_ring(conn, 5);
	submit(&sqe, 2);
	expect_waiting();
	call(port, "echo");
	conn = result_of(2);
	CHECK(conn >= 0);
	CHECK(!(fcntl(conn, F_GETFL) & O_NONBLOCK));
}

TEST(uring_accept_ended, "uring.accept")
{
	struct io_uring_sqe sqe;
	unsigned int port;
	int fd = listener(&port);

	ring_begin(false);
	sqe = entry(IORING_OP_ACCEPT, fd, NULL, 0);
	submit(&sqe, 1);
	expect_waiting();
	cancel(1);
	submit(&sqe, 2);
	expect_waiting();
	OK(shutdown(fd, SHUT_RD));
	EQ(result_of(2), -EINVAL);
	EQ(ring_do(&ring, &sqe), -EINVAL);
}

/* ---- data ---- */

TEST_BOTH(uring_echo, "uring.send.recv")
{
	int fd = meet("echo");
	struct io_uring_sqe sqe;
	char buf[100], out[100];
	unsigned int seed;

	ring_begin(false);
	for (seed = 0; seed < 20; seed++)
		echo_by_ring(fd, seed);
	/* a receive that comes first, even if the socket does not block; read and write */
	set_nonblock(fd, true);
	sqe = entry(IORING_OP_RECV, fd, buf, sizeof(buf));
	submit(&sqe, 1);
	expect_waiting();
	pattern_fill(7, 0, out, sizeof(out));
	EQ(write(fd, out, 30), 30);
	EQ(result_of(1), 30);
	EQ(pattern_check(7, 0, buf, 30), -1);
	sqe = entry(IORING_OP_WRITE, fd, out + 30, 70);
	sqe.off = -1ULL;
	EQ(ring_do(&ring, &sqe), 70);
	await_bytes(fd, 70);
	sqe = entry(IORING_OP_READ, fd, buf, sizeof(buf));
	sqe.off = -1ULL;
	EQ(ring_do(&ring, &sqe), 70);
	EQ(pattern_check(7, 30, buf, 70), -1);
}

/* The same, submitted by a thread of the kernel's. */
TEST_BOTH(uring_echo_polled, "uring.sqpoll")
{
	int fd = meet("echo");
	unsigned int seed;

	ring_begin(true);
	for (seed = 0; seed < 20; seed++)
		echo_by_ring(fd, seed);
}

TEST_BOTH(uring_refused, "uring.send.recv")
{
	char byte;
	int fd = meet("echo");

	ring_begin(false);
	EQ(do_data(IORING_OP_SEND, fresh(), "x", 1, 0), -EPIPE);
	EQ(do_data(IORING_OP_RECV, fresh(), &byte, 1, 0), -ENOTCONN);
	EQ(do_data(IORING_OP_SEND, fd, bad_memory(), 10, 0), -EFAULT);
	EQ(do_data(IORING_OP_RECV, fd, &byte, 1, MSG_DONTWAIT), -EAGAIN);
	OK(shutdown(fd, SHUT_WR));
	/* without a signal, which would kill */
	EQ(do_data(IORING_OP_SEND, fd, "x", 1, 0), -EPIPE);
}

TEST_BOTH(uring_waitall, "uring.waitall")
{
	char tag[PEER_TAG];
	int fd = meet("source 100 4 end=hold tag=%s", peer_tag(tag));
	struct io_uring_sqe sqe;
	static char buf[300];

	ring_begin(false);
	await_bytes(fd, 100);
	sqe = entry(IORING_OP_RECV, fd, buf, 200);
	sqe.msg_flags = MSG_WAITALL;
	submit(&sqe, 1);
	expect_waiting();
	go(tag, "more=150");
	EQ(result_of(1), 200);
	EQ(pattern_check(4, 0, buf, 200), -1);
	/* the end of the stream ends the wait */
	submit(&sqe, 2);
	expect_waiting();
	go(tag, "end=fin");
	EQ(result_of(2), 50);
	EQ(pattern_check(4, 200, buf, 50), -1);
	EQ(ring_do(&ring, &sqe), 0);
}

/* More than the peer's window takes: it waits in the ring until the peer reads. */
TEST_BOTH(uring_send_waits, "uring.send.recv")
{
	static char buf[20000000];
	char tag[PEER_TAG];
	int fd = meet("sink check=1 wait=1 tag=%s", peer_tag(tag));
	struct io_uring_sqe sqe;

	ring_begin(false);
	pattern_fill(1, 0, buf, sizeof(buf));
	sqe = entry(IORING_OP_SEND, fd, buf, sizeof(buf));
	sqe.msg_flags = MSG_WAITALL;
	submit(&sqe, 1);
	expect_waiting();
	go(tag, "");
	EQ(result_of(1), sizeof(buf));
	expect_sunk(fd, sizeof(buf));
}

TEST_BOTH(uring_messages, "uring.messages")
{
	char out[3000], in[3000];
	struct iovec iov[3] = { { out, 1 }, { out + 1, 1499 }, { out + 1500, 1500 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };
	int fd = meet("echo");
	struct io_uring_sqe sqe;

	ring_begin(false);
	pattern_fill(5, 0, out, sizeof(out));
	EQ(do_data(IORING_OP_SENDMSG, fd, &msg, 1, 0), 3000);
	iov[0].iov_base = in;
	iov[1].iov_base = in + 1;
	iov[2].iov_base = in + 1500;
	sqe = entry(IORING_OP_RECVMSG, fd, &msg, 1);
	sqe.msg_flags = MSG_WAITALL;
	EQ(ring_do(&ring, &sqe), 3000);
	EQ(pattern_check(5, 0, in, 3000), -1);
	EQ(msg.msg_namelen, 0);
	EQ(msg.msg_controllen, 0);

	/* vectors */
	iov[0].iov_base = out;
	iov[1].iov_base = out + 1;
	iov[2].iov_base = out + 1500;
	sqe = entry(IORING_OP_WRITEV, fd, iov, 3);
	sqe.off = -1ULL;
	EQ(ring_do(&ring, &sqe), 3000);
	await_bytes(fd, 3000);
	memset(in, 0, sizeof(in));
	iov[0].iov_base = in;
	iov[1].iov_base = in + 1;
	iov[2].iov_base = in + 1500;
	sqe = entry(IORING_OP_READV, fd, iov, 3);
	sqe.off = -1ULL;
	EQ(ring_do(&ring, &sqe), 3000);
	EQ(pattern_check(5, 0, in, 3000), -1);
	/* and a receive that waits, then is told of the reset */
	msg.msg_iovlen = 1;
	iov[0].iov_len = sizeof(in);
	sqe = entry(IORING_OP_RECVMSG, fd, &msg, 1);
	submit(&sqe, 1);
	expect_waiting();
	EQ(write(fd, out, 10), 10);
	EQ(result_of(1), 10);
}

TEST_BOTH(uring_reset, "uring.send.recv")
{
	char tag[PEER_TAG], byte;
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	struct io_uring_sqe sqe;

	ring_begin(false);
	sqe = entry(IORING_OP_RECV, fd, &byte, 1);
	submit(&sqe, 1);
	expect_waiting();
	go(tag, "");
	EQ(result_of(1), -ECONNRESET);
	EQ(do_data(IORING_OP_RECV, fd, &byte, 1, 0), 0);
	EQ(do_data(IORING_OP_SEND, fd, "x", 1, 0), -EPIPE);
}

/* The completion says whether there is more to read. */
TEST_BOTH(uring_more_to_read, "uring.nonempty")
{
	char tag[PEER_TAG], buf[100];
	int fd = meet("source 100 4 end=hold tag=%s", peer_tag(tag));
	struct io_uring_sqe sqe;
	struct io_uring_cqe cqe;

	ring_begin(false);
	await_bytes(fd, 100);
	sqe = entry(IORING_OP_RECV, fd, buf, 60);
	submit(&sqe, 1);
	cqe = next_of(1);
	EQ(cqe.res, 60);
	EQ(cqe.flags & IORING_CQE_F_SOCK_NONEMPTY, IORING_CQE_F_SOCK_NONEMPTY);
	submit(&sqe, 2);
	cqe = next_of(2);
	EQ(cqe.res, 40);
	EQ(cqe.flags & IORING_CQE_F_SOCK_NONEMPTY, 0);
	/* the end of the stream is something to read */
	go(tag, "more=10 end=fin");
	CHECK(wait_fd(fd, POLLRDHUP, LONG_MS) & POLLRDHUP);
	submit(&sqe, 3);
	cqe = next_of(3);
	EQ(cqe.res, 10);
	EQ(cqe.flags & IORING_CQE_F_SOCK_NONEMPTY, IORING_CQE_F_SOCK_NONEMPTY);
}

TEST(uring_more_to_accept, "uring.nonempty")
{
	struct io_uring_sqe sqe;
	struct io_uring_cqe cqe;
	unsigned int port;
	int fd = listener(&port);

	ring_begin(false);
	/* it is as old as these */
	if (!(ring.features & IORING_FEAT_RECVSEND_BUNDLE))
		SKIP("this kernel's io_uring does not say that more wait");
	/* no other way to know that both are here */
	call_many(port, 2, "echo");
	nap_ms(SHORT_MS);
	sqe = entry(IORING_OP_ACCEPT, fd, NULL, 0);
	submit(&sqe, 1);
	cqe = next_of(1);
	CHECK(cqe.res >= 0);
	EQ(cqe.flags & IORING_CQE_F_SOCK_NONEMPTY, IORING_CQE_F_SOCK_NONEMPTY);
	submit(&sqe, 2);
	cqe = next_of(2);
	CHECK(cqe.res >= 0);
	EQ(cqe.flags & IORING_CQE_F_SOCK_NONEMPTY, 0);
}

/* ---- poll ---- */

TEST_BOTH(uring_poll, "uring.poll")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 4 end=hold wait=1 tag=%s", peer_tag(tag));
	struct io_uring_sqe sqe;

	ring_begin(false);
	sqe = entry(IORING_OP_POLL_ADD, fd, NULL, 0);
	sqe.poll32_events = POLLOUT;
	EQ(ring_do(&ring, &sqe), POLLOUT);
	sqe.poll32_events = POLLIN | POLLRDHUP;
	submit(&sqe, 1);
	expect_waiting();
	go(tag, "");
	EQ(result_of(1), POLLIN);
	recv_pattern(fd, 4, 0, 10);
	submit(&sqe, 2);
	expect_waiting();
	go(tag, "end=fin");
	EQ(result_of(2), POLLIN | POLLRDHUP);
}

/* ---- queues ---- */

static int queued(int fd, unsigned int what)
{
	struct io_uring_sqe sqe = entry(IORING_OP_URING_CMD, fd, NULL, 0);

	sqe.cmd_op = what;
	return ring_do(&ring, &sqe);
}

static void begin_asking(bool polled)
{
	int fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	ring_begin(polled);
	if (queued(fd, RING_SIOCINQ) == -EOPNOTSUPP)
		SKIP("this kernel's io_uring asks no sockets");
	OK(close(fd));
}

static void await_acknowledged(int fd)
{
	long until = now_ms() + LONG_MS;
	int bytes;

	while ((bytes = queued(fd, RING_SIOCOUTQ))) {
		CHECK(bytes > 0);
		CHECK(now_ms() < until);
		nap_ms(5);
	}
}

TEST_BOTH(uring_inq, "uring.queued")
{
	int fd = meet("source 1000 4");

	begin_asking(false);
	await_bytes(fd, 1000);
	EQ(queued(fd, RING_SIOCINQ), 1000);
	recv_pattern(fd, 4, 0, 300);
	EQ(queued(fd, RING_SIOCINQ), 700);
	recv_pattern(fd, 4, 300, 700);
	expect_eof(fd);
	EQ(queued(fd, RING_SIOCINQ), 0);
	EQ(queued(fd, RING_UNKNOWN), -EOPNOTSUPP);
}

static void outq(bool polled)
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 wait=1 tag=%s", peer_tag(tag)), bytes;
	size_t sent;

	begin_asking(polled);
	await_acknowledged(fd);
	sent = fill(fd);
	/* it has its fill, and the peer's TCP acknowledges no more */
	OK(ioctl(fd, SIOCOUTQ, &bytes));
	CHECK(bytes > 0);
	EQ(queued(fd, RING_SIOCOUTQ), bytes);
	go(tag, "");
	await_acknowledged(fd);
	expect_sunk(fd, sent);
}

TEST_BOTH(uring_outq, "uring.queued")
{
	outq(false);
}

TEST_BOTH(uring_outq_polled, "uring.queued")
{
	outq(true);
}

/* Many in turn with sends, each where it is what has been sent before it that is asked of. */
TEST_BOTH(uring_outq_many, "uring.queued")
{
	struct io_uring_sqe ask, send;
	int fd = meet("sink check=1"), i;
	struct io_uring_cqe cqe;
	char out[32];

	begin_asking(false);
	await_acknowledged(fd);	/* what the peer was told */
	pattern_fill(1, 0, out, sizeof(out));
	ask = entry(IORING_OP_URING_CMD, fd, NULL, 0);
	ask.cmd_op = RING_SIOCOUTQ;
	ask.flags = IOSQE_IO_LINK;
	for (i = 0; i < 32; i++) {
		send = entry(IORING_OP_SEND, fd, out + i, 1);
		send.flags = IOSQE_IO_LINK;
		ring_add(&ring, &send, 1);
		if (i == 31)
			ask.flags = 0;
		ring_add(&ring, &ask, 2);
	}
	CHECK(ring_enter(&ring));
	for (i = 0; i < 64; i++) {
		CHECK(ring_next(&ring, RING_WAIT_MS, &cqe));
		if (cqe.user_data == 1)
			EQ(cqe.res, 1);
		else
			CHECK(cqe.res >= 0 && cqe.res <= 32);
	}
	await_acknowledged(fd);
	expect_sunk(fd, sizeof(out));
}

TEST(uring_queued_states, "uring.queued")
{
	unsigned int port;
	int fd = fresh();

	begin_asking(false);
	EQ(queued(fd, RING_SIOCINQ), 0);
	EQ(queued(fd, RING_SIOCOUTQ), 0);
	fd = listener(&port);
	EQ(queued(fd, RING_SIOCINQ), -EINVAL);
	EQ(queued(fd, RING_SIOCOUTQ), -EINVAL);
}

TEST_BOTH(uring_queued_reset, "uring.queued")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));

	begin_asking(false);
	go(tag, "");
	await_error(fd);
	EQ(queued(fd, RING_SIOCINQ), 0);
	EQ(queued(fd, RING_SIOCOUTQ), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
}

TEST_FOR(uring_queued_loopback, LOOPBACK, 0, "uring.queued")
{
	int server = fresh(), fd = fresh(), conn;
	union addr addr;

	begin_asking(false);
	CHECK(addr_parse(&addr, tested.v6 ? "::1" : "127.0.0.1", 0));
	OK(bind(server, &addr.sa, addr_len(&addr)));
	OK(listen(server, 1));
	addr_set_port(&addr, port_of(server));
	OK(connect(fd, &addr.sa, addr_len(&addr)));
	conn = accept_one(server);
	send_pattern(fd, 1, 0, 1000);
	await_bytes(conn, 1000);
	EQ(queued(conn, RING_SIOCINQ), 1000);
	await_acknowledged(fd);
}

/* ---- splice, shutdown, close ---- */

static int do_splice(int from, int to, size_t len)
{
	struct io_uring_sqe sqe = entry(IORING_OP_SPLICE, to, NULL, len);

	sqe.off = -1ULL;
	sqe.splice_off_in = -1ULL;
	sqe.splice_fd_in = from;
	return ring_do(&ring, &sqe);
}

TEST_BOTH(uring_splice, "uring.splice")
{
	int fd = meet("echo");
	char buf[3000];
	int pair[2];

	ring_begin(false);
	OK(pipe(pair));
	pattern_fill(8, 0, buf, sizeof(buf));
	EQ(write(pair[1], buf, sizeof(buf)), sizeof(buf));
	EQ(do_splice(pair[0], fd, sizeof(buf)), sizeof(buf));
	await_bytes(fd, sizeof(buf));
	EQ(do_splice(fd, pair[1], sizeof(buf)), sizeof(buf));
	EQ(read(pair[0], buf, sizeof(buf)), sizeof(buf));
	EQ(pattern_check(8, 0, buf, sizeof(buf)), -1);
	OK(shutdown(fd, SHUT_WR));
	EQ(do_splice(fd, pair[1], 100), 0);
	EQ(write(pair[1], buf, 1), 1);
	EQ(do_splice(pair[0], fd, 1), -EPIPE);
}

TEST_BOTH(uring_shutdown, "uring.shutdown")
{
	int fd = meet("sink");
	struct io_uring_sqe sqe, recv;
	char byte;

	ring_begin(false);
	sqe = entry(IORING_OP_SHUTDOWN, fd, NULL, SHUT_WR);
	EQ(ring_do(&ring, &sqe), 0);
	EQ(answer_of(fd).in, 0);
	expect_eof(fd);
	sqe.fd = fresh();
	EQ(ring_do(&ring, &sqe), -ENOTCONN);

	/* what waits in the ring ends */
	fd = meet("never-read");
	recv = entry(IORING_OP_RECV, fd, &byte, 1);
	submit(&recv, 1);
	expect_waiting();
	OK(shutdown(fd, SHUT_RD));
	EQ(result_of(1), 0);
}

/* A ring keeps what waits in it open; then it is the last to close. */
TEST_BOTH(uring_close, "uring.close")
{
	char tag[PEER_TAG], buf[10];
	int fd = meet("source 10 4 end=hold wait=1 tag=%s", peer_tag(tag));
	struct io_uring_sqe sqe, recv;
	struct result result;

	ring_begin(false);
	recv = entry(IORING_OP_RECV, fd, buf, 10);
	submit(&recv, 1);
	expect_waiting();
	sqe = entry(IORING_OP_CLOSE, fd, NULL, 0);
	EQ(ring_do(&ring, &sqe), 0);
	FAILS(fcntl(fd, F_GETFD), EBADF);
	EQ(ring_do(&ring, &sqe), -EBADF);
	go(tag, "");
	EQ(result_of(1), 10);
	EQ(pattern_check(4, 0, buf, 10), -1);
	result = stat_of(tag);
	EQ(result.eof, 1);
	EQ(result.err, 0);
}

/* ---- links and timeouts ---- */

TEST_BOTH(uring_links, "uring.links")
{
	char tag[PEER_TAG], out[100], in[100];
	int fd = meet("echo tag=%s", peer_tag(tag));
	struct io_uring_sqe sqe;

	ring_begin(false);
	pattern_fill(7, 0, out, sizeof(out));
	/* a short receive breaks the chain, so the socket is not closed */
	sqe = entry(IORING_OP_SEND, fd, out, 40);
	sqe.flags = IOSQE_IO_LINK;
	ring_add(&ring, &sqe, 1);
	sqe = entry(IORING_OP_RECV, fd, in, sizeof(in));
	sqe.flags = IOSQE_IO_LINK;
	sqe.msg_flags = MSG_WAITALL;
	ring_add(&ring, &sqe, 2);
	sqe = entry(IORING_OP_CLOSE, fd, NULL, 0);
	ring_add(&ring, &sqe, 3);
	CHECK(ring_enter(&ring));
	EQ(result_of(1), 40);
	expect_waiting();
	OK(shutdown(fd, SHUT_WR));
	EQ(result_of(2), 40);
	EQ(result_of(3), -ECANCELED);
	OK(fcntl(fd, F_GETFD));
	OK(close(fd));
	EQ(stat_of(tag).in, 40);

	/* whole, it goes on to the end */
	fd = meet("echo tag=%s", peer_tag(tag));
	sqe = entry(IORING_OP_SEND, fd, out, sizeof(out));
	sqe.flags = IOSQE_IO_LINK;
	ring_add(&ring, &sqe, 4);
	sqe = entry(IORING_OP_RECV, fd, in, sizeof(in));
	sqe.flags = IOSQE_IO_LINK;
	sqe.msg_flags = MSG_WAITALL;
	ring_add(&ring, &sqe, 5);
	sqe = entry(IORING_OP_CLOSE, fd, NULL, 0);
	ring_add(&ring, &sqe, 6);
	CHECK(ring_enter(&ring));
	EQ(result_of(4), 100);
	EQ(result_of(5), 100);
	EQ(result_of(6), 0);
	EQ(pattern_check(7, 0, in, sizeof(in)), -1);
	EQ(stat_of(tag).in, 100);
}

/* An entry with a time to wait behind it; both results. */
static void do_in_time(struct io_uring_sqe sqe, long ms, int want, int want_timeout)
{
	struct __kernel_timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	struct io_uring_sqe timeout = entry(IORING_OP_LINK_TIMEOUT, -1, &time, 1);
	struct io_uring_cqe cqe;
	int i;

	sqe.flags |= IOSQE_IO_LINK;
	ring_add(&ring, &sqe, 1);
	ring_add(&ring, &timeout, 2);
	CHECK(ring_enter(&ring));
	for (i = 0; i < 2; i++) {
		CHECK(ring_next(&ring, RING_WAIT_MS, &cqe));
		EQ(cqe.res, cqe.user_data == 1 ? want : want_timeout);
	}
}

TEST_BOTH(uring_timeout, "uring.links")
{
	int fd = meet("echo");
	char buf[10];

	ring_begin(false);
	do_in_time(entry(IORING_OP_RECV, fd, buf, 10), 30, -ECANCELED, -ETIME);
	do_in_time(entry(IORING_OP_SEND, fd, "0123456789", 10), LONG_MS, 10, -ECANCELED);
	await_bytes(fd, 10);
	do_in_time(entry(IORING_OP_RECV, fd, buf, 10), LONG_MS, 10, -ECANCELED);
	/* what was given up takes nothing of what comes later */
	do_in_time(entry(IORING_OP_RECV, fd, buf, 10), 30, -ECANCELED, -ETIME);
	echo_by_ring(fd, 9);
}

TEST(uring_timeout_connect, "uring.links")
{
	struct io_uring_sqe sqe;
	int hold, fd = fresh();
	const union addr *to = peer_at(full_port(&hold, NULL));
	unsigned int port;

	ring_begin(false);
	sqe = entry(IORING_OP_CONNECT, fd, to, 0);
	sqe.off = addr_len(to);
	do_in_time(sqe, 30, -ECANCELED, -ETIME);
	sqe = entry(IORING_OP_ACCEPT, listener(&port), NULL, 0);
	do_in_time(sqe, 30, -ECANCELED, -ETIME);
	call(port, "echo");
	echo_by_ring(ring_do(&ring, &sqe), 2);
}

/* ---- the ring's own end ---- */

TEST(uring_ends_with_all_waiting, "uring.end")
{
	static char much[20000000];
	char tag[2][PEER_TAG], byte;
	struct io_uring_sqe sqe;
	struct result result;
	int hold, fd[2], connecting = fresh(), i;
	unsigned int port;
	int listening = listener(&port);
	const union addr *to = peer_at(full_port(&hold, NULL));

	ring_begin(false);
	for (i = 0; i < 2; i++)
		fd[i] = dial("never-read wait=1 tag=%s", peer_tag(tag[i]));
	sqe = entry(IORING_OP_RECV, fd[0], &byte, 1);
	ring_add(&ring, &sqe, 1);
	sqe = entry(IORING_OP_POLL_ADD, fd[0], NULL, IORING_POLL_ADD_MULTI);
	sqe.poll32_events = POLLIN;
	ring_add(&ring, &sqe, 2);
	sqe = entry(IORING_OP_SEND, fd[1], much, sizeof(much));
	sqe.msg_flags = MSG_WAITALL;
	ring_add(&ring, &sqe, 3);
	sqe = entry(IORING_OP_ACCEPT, listening, NULL, 0);
	ring_add(&ring, &sqe, 4);
	sqe = entry(IORING_OP_CONNECT, connecting, to, 0);
	sqe.off = addr_len(to);
	ring_add(&ring, &sqe, 5);
	CHECK(ring_enter(&ring));
	expect_waiting();
	/* the ring holds the last reference to every one of them */
	for (i = 0; i < 2; i++)
		OK(close(fd[i]));
	OK(close(listening));
	OK(close(connecting));
	ring_close(&ring);
	for (i = 0; i < 2; i++)
		go(tag[i], "read=all end=fin");
	result = stat_of(tag[0]);
	EQ(result.eof, 1);
	EQ(result.err, 0);
	result = stat_of(tag[1]);
	EQ(result.eof, 1);
	CHECK(result.in > 0 && result.in < sizeof(much));
}
