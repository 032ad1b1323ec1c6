// SPDX-License-Identifier: GPL-2.0
/*
 * Messages and flags at their edges: sendmmsg() and recvmmsg() that end in the middle, calls that
 * move nothing, memory that is bad half-way, flags together.
 */
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

struct messages {
	struct mmsghdr mm[4];
	struct iovec iov[4];
	char buf[4][100];
};

/* Four messages of @len bytes each. */
static void messages(struct messages *m, size_t len)
{
	int i;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < 4; i++) {
		m->iov[i].iov_base = m->buf[i];
		m->iov[i].iov_len = len;
		m->mm[i].msg_hdr.msg_iov = &m->iov[i];
		m->mm[i].msg_hdr.msg_iovlen = 1;
	}
}

TEST_BOTH(message_none, "send.mmsg")
{
	int fd = meet("source 100 4 end=hold");
	struct messages m;

	messages(&m, 100);
	await_bytes(fd, 100);
	EQ(sendmmsg(fd, m.mm, 0, 0), 0);
	EQ(recvmmsg(fd, m.mm, 0, 0, NULL), 0);
	FAILS(sendmmsg(fd, bad_memory(), 1, 0), EFAULT);
	FAILS(recvmmsg(fd, bad_memory(), 1, 0, NULL), EFAULT);
	FAILS(sendmmsg(999, m.mm, 1, 0), EBADF);
	recv_pattern(fd, 4, 0, 100);
}

/* The first that fails ends it; only when nothing was sent is that an error. */
TEST_BOTH(message_send_fails, "send.mmsg")
{
	int fd = meet("sink");
	struct messages m;

	messages(&m, 100);
	m.iov[1].iov_base = bad_memory();
	EQ(sendmmsg(fd, m.mm, 4, 0), 1);
	EQ(m.mm[0].msg_len, 100);
	FAILS(sendmmsg(fd, m.mm + 1, 3, 0), EFAULT);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	OK(shutdown(fd, SHUT_WR));
	count_sigpipe();
	FAILS(sendmmsg(fd, m.mm, 4, 0), EPIPE);
	EQ(pipes, 1);
	FAILS(sendmmsg(fd, m.mm, 4, MSG_NOSIGNAL), EPIPE);
	EQ(pipes, 1);
	EQ(answer_of(fd).in, 100);
	messages(&m, 100);
	FAILS(sendmmsg(fresh(), m.mm, 4, MSG_NOSIGNAL), EPIPE);
}

/* One that goes in part is the last. */
TEST_BOTH(message_send_in_part, "send.mmsg")
{
	static char much[20000000];
	char tag[PEER_TAG];
	int fd = meet("sink wait=1 tag=%s", peer_tag(tag));
	struct messages m;

	messages(&m, 100);
	m.iov[1].iov_base = much;
	m.iov[1].iov_len = sizeof(much);
	EQ(sendmmsg(fd, m.mm, 4, MSG_DONTWAIT), 2);
	EQ(m.mm[0].msg_len, 100);
	CHECK(m.mm[1].msg_len < sizeof(much));
	go(tag, "");
	OK(shutdown(fd, SHUT_WR));
	EQ(answer_of(fd).in, 100 + m.mm[1].msg_len);
}

/* What there is, then no more; the error that follows is kept for the next call. */
TEST_BOTH(message_recv_in_part, "send.mmsg")
{
	char tag[PEER_TAG], byte;
	int fd = meet("source 100 4 end=hold tag=%s", peer_tag(tag));
	struct messages m;

	messages(&m, 60);
	await_bytes(fd, 100);
	EQ(recvmmsg(fd, m.mm, 4, MSG_DONTWAIT, NULL), 2);
	EQ(m.mm[0].msg_len, 60);
	EQ(m.mm[1].msg_len, 40);
	FAILS(recvmmsg(fd, m.mm, 4, MSG_DONTWAIT, NULL), EAGAIN);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);

	go(tag, "more=100");
	await_bytes(fd, 100);
	m.iov[1].iov_base = bad_memory();
	EQ(recvmmsg(fd, m.mm, 4, 0, NULL), 1);
	EQ(m.mm[0].msg_len, 60);
	EQ(pattern_check(4, 100, m.buf[0], 60), -1);
	/* it comes before what there is to read, though not for others than recvmmsg() */
	recv_pattern(fd, 4, 160, 20);
	FAILS(recvmmsg(fd, m.mm, 4, 0, NULL), EFAULT);
	recv_pattern(fd, 4, 180, 20);
	FAILS(recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
}

/* Kept for whoever asks first. */
TEST_BOTH(message_recv_error_kept, "send.mmsg")
{
	char byte;
	int fd = meet("source 60 4 end=hold");
	struct messages m;

	messages(&m, 30);
	await_bytes(fd, 60);
	m.iov[1].iov_base = bad_memory();
	EQ(recvmmsg(fd, m.mm, 2, 0, NULL), 1);
	CHECK(wait_fd(fd, POLLIN, 0) & POLLERR);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EFAULT);
	EQ(send(fd, "x", 1, MSG_NOSIGNAL), 1);
	EQ(recvmmsg(fd, m.mm, 2, MSG_PEEK, NULL), 1);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), EFAULT);
	recv_pattern(fd, 4, 30, 30);
}

/* MSG_WAITFORONE waits for the first alone; at the end each message is of no bytes. */
TEST_BOTH(message_wait_for_one, "send.mmsg")
{
	char tag[PEER_TAG];
	int fd = meet("source 90 4 end=hold wait=1 tag=%s", peer_tag(tag));
	struct timespec time = { .tv_sec = 10 }, wrong = { .tv_nsec = -1 };
	struct messages m;
	pid_t pid = fork();
	int i;

	OK(pid);
	if (!pid) {
		alarm(25);
		nap_ms(20);
		go(tag, "");
		_exit(0);
	}
	messages(&m, 100);
	EQ(recvmmsg(fd, m.mm, 4, MSG_WAITFORONE, NULL), 1);
	EQ(m.mm[0].msg_len, 90);
	wait_for(pid);

	FAILS(recvmmsg(fd, m.mm, 4, MSG_DONTWAIT, &wrong), EINVAL);
	go(tag, "more=150 end=fin");
	await_bytes(fd, 150);
	CHECK(wait_fd(fd, POLLRDHUP, LONG_MS) & POLLRDHUP);
	EQ(recvmmsg(fd, m.mm, 4, 0, &time), 4);
	EQ(m.mm[0].msg_len, 100);
	EQ(m.mm[1].msg_len, 50);
	EQ(m.mm[2].msg_len, 0);
	CHECK(time.tv_sec < 10);
	time = (struct timespec){ 0 };
	/* it is looked at when a message has come */
	EQ(recvmmsg(fd, m.mm, 4, 0, &time), 1);
	for (i = 0; i < 4; i++)
		EQ(m.mm[i].msg_hdr.msg_flags & ~MSG_CMSG_CLOEXEC, 0);
}

/* No bytes, in every state a socket has. */
static void expect_nothing(const char *file, int line, int fd, int sends, int receives)
{
	struct iovec iov = { NULL, 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int got;

	got = send(fd, NULL, 0, MSG_NOSIGNAL | MSG_DONTWAIT) ? errno : 0;
	tap_equal(file, line, "send of nothing", got, sends);
	got = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) ? errno : 0;
	tap_equal(file, line, "sendmsg of nothing", got, sends);
	got = recv(fd, NULL, 0, MSG_DONTWAIT | MSG_PEEK) ? errno : 0;
	tap_equal(file, line, "recv of nothing, peeking", got, receives);
	got = recv(fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC) ? errno : 0;
	tap_equal(file, line, "recv of nothing, dropping", got, receives);
	got = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_WAITALL) ? errno : 0;
	tap_equal(file, line, "recvmsg of nothing", got, receives);
}

#define NOTHING(fd, sends, receives) expect_nothing(__FILE__, __LINE__, fd, sends, receives)

TEST(message_of_nothing, "send.zero")
{
	char tag[PEER_TAG], byte;
	unsigned int port;
	int hold, fd = fresh_nonblock();
	const union addr *to = peer_at(full_port(&hold, NULL));

	NOTHING(fd, EPIPE, ENOTCONN);
	FAILS(connect(fd, &to->sa, addr_len(to)), EINPROGRESS);
	NOTHING(fd, EAGAIN, EAGAIN);
	NOTHING(listener(&port), EPIPE, ENOTCONN);
	fd = dial("echo");
	NOTHING(fd, 0, EAGAIN);
	send_pattern(fd, 1, 0, 10);
	await_bytes(fd, 10);
	NOTHING(fd, 0, 0);
	recv_pattern(fd, 1, 0, 10);
	OK(shutdown(fd, SHUT_RD));
	NOTHING(fd, 0, 0);
	OK(shutdown(fd, SHUT_WR));
	NOTHING(fd, EPIPE, 0);
	fd = dial("fin-first");
	CHECK(wait_fd(fd, POLLRDHUP, LONG_MS) & POLLRDHUP);
	NOTHING(fd, 0, 0);

	/* an error is told to it, and is over then */
	fd = dial("rst wait=1 tag=%s", peer_tag(tag));
	go(tag, "");
	await_error(fd);
	FAILS(recv(fd, &byte, 0, 0), ECONNRESET);
	NOTHING(fd, EPIPE, 0);
	fd = dial("rst wait=1 tag=%s", peer_tag(tag));
	go(tag, "");
	await_error(fd);
	FAILS(send(fd, &byte, 0, MSG_NOSIGNAL), ECONNRESET);
	NOTHING(fd, EPIPE, 0);
}

/* Of a vector whose second half is bad nothing is taken. */
TEST_BOTH(message_bad_second_half, "recv.fault")
{
	int fd = meet("source 60 4 end=hold");
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	char buf[60];

	iov[0].iov_base = buf;
	iov[0].iov_len = 40;
	iov[1].iov_base = bad_memory();
	iov[1].iov_len = 40;
	await_bytes(fd, 60);
	FAILS(readv(fd, iov, 2), EFAULT);
	FAILS(recvmsg(fd, &msg, 0), EFAULT);
	FAILS(recvmsg(fd, &msg, MSG_PEEK), EFAULT);
	await_bytes(fd, 60);
	/* where the name or the control data would go does not matter: there are none */
	msg.msg_iovlen = 1;
	msg.msg_name = bad_memory();
	msg.msg_namelen = 100;
	msg.msg_control = bad_memory();
	msg.msg_controllen = 100;
	EQ(recvmsg(fd, &msg, 0), 40);
	EQ(msg.msg_namelen, 0);
	EQ(msg.msg_controllen, 0);
	EQ(pattern_check(4, 0, buf, 40), -1);
	/* nor does the memory that is not written to */
	EQ(recv(fd, bad_memory(), 10, MSG_TRUNC), 10);
	recv_pattern(fd, 4, 50, 10);
}

TEST_BOTH(message_peek_and_trunc, "msg.trunc")
{
	int fd = meet("source 60 4 end=hold");
	char buf[100];

	await_bytes(fd, 60);
	memset(buf, 0x5a, sizeof(buf));
	EQ(recv(fd, buf, 40, MSG_PEEK | MSG_TRUNC), 40);
	EQ(recv(fd, buf, 100, MSG_PEEK | MSG_TRUNC), 60);
	EQ(recv(fd, NULL, 100, MSG_PEEK | MSG_TRUNC), 60);
	EQ(buf[0], 0x5a);
	EQ(buf[59], 0x5a);
	recv_pattern(fd, 4, 0, 60);
	FAILS(recv(fd, buf, 100, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT), EAGAIN);
}

/* All that was asked for is all there need be, whatever SO_RCVLOWAT says. */
TEST_BOTH(message_waitall_and_low_water, "msg.waitall")
{
	char tag[PEER_TAG], buf[200];
	int fd = meet("source 150 4 end=hold tag=%s", peer_tag(tag));

	await_bytes(fd, 150);
	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 500);
	EQ(recv(fd, buf, 50, MSG_WAITALL), 50);
	/* less than the mark, but all of it */
	EQ(recv(fd, buf, 50, 0), 50);
	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 10);
	set_timeout(fd, SO_RCVTIMEO, 60);
	EQ(recv(fd, buf, 200, MSG_WAITALL), 50);
	EQ(pattern_check(4, 100, buf, 50), -1);
	go(tag, "more=5");
	await_bytes(fd, 5);
	/* below the mark: it waits in vain, and has them */
	EQ(recv(fd, buf, 200, 0), 5);
	FAILS(recv(fd, buf, 200, 0), EAGAIN);
}

/* Nothing is on the queue of errors, in any state, and nobody waits for it. */
static void expect_no_errors(int fd)
{
	char control[100], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct mmsghdr mm = { .msg_hdr = msg };

	FAILS(recvmsg(fd, &msg, MSG_ERRQUEUE), EAGAIN);
	FAILS(recv(fd, &byte, 1, MSG_ERRQUEUE | MSG_WAITALL), EAGAIN);
	FAILS(recvmmsg(fd, &mm, 1, MSG_ERRQUEUE, NULL), EAGAIN);
	EQ(wait_fd(fd, POLLPRI, 0) & POLLERR, 0);
}

TEST(message_no_queue_of_errors, "msg.errqueue")
{
	char tag[PEER_TAG];
	unsigned int port;
	int fd;

	expect_no_errors(fresh());
	expect_no_errors(listener(&port));
	fd = dial("echo");
	expect_no_errors(fd);
	send_pattern(fd, 1, 0, 10);
	await_bytes(fd, 10);
	expect_no_errors(fd);
	OK(shutdown(fd, SHUT_RDWR));
	expect_no_errors(fd);
	/* the error of the connection is not on it */
	fd = dial("rst wait=1 tag=%s", peer_tag(tag));
	go(tag, "");
	await_error(fd);
	FAILS(recv(fd, NULL, 0, MSG_ERRQUEUE), EAGAIN);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
	expect_no_errors(fd);
}
