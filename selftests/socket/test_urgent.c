// SPDX-License-Identifier: GPL-2.0
/*
 * Urgent data: one byte that stands out of the stream, which goes on around
 * it.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fixture.h"

/* The urgent byte is not in the stream; nothing else is missing. */
TEST_BOTH(urgent_stream_goes_on, "msg.oob.stream")
{
	int fd = meet("urgent 5000 4");

	recv_pattern(fd, 4, 0, 10000);
	expect_eof(fd);
}

TEST_BOTH(urgent_large, "msg.oob.stream")
{
	int fd = meet("urgent 1000000 4");

	recv_pattern(fd, 4, 0, 2000000);
	expect_eof(fd);
}

/* First of all bytes, and last of all. */
TEST_BOTH(urgent_at_the_ends, "msg.oob.stream")
{
	int fd = meet("source 1000 4 urg=0");

	recv_pattern(fd, 4, 0, 1000);
	expect_eof(fd);
	fd = meet("source 1000 4 urg=1000");
	recv_pattern(fd, 4, 0, 1000);
	expect_eof(fd);
}

/* Where a new connection's window ends (WIRE_INITIAL_WINDOW), and nothing but the end after it. */
TEST_BOTH(urgent_at_a_dry_window, "msg.oob.stream")
{
	char tag[PEER_TAG];
	int fd = meet("source 16384 4 urg=16384 tag=%s", peer_tag(tag));

	await_bytes(fd, 16384);
	nap_ms(SHORT_MS);
	recv_pattern(fd, 4, 0, 16384);
	expect_eof(fd);
}

/* Not read at once: the rest must not be stuck behind it. */
TEST_BOTH(urgent_read_late, "msg.oob.stream")
{
	char tag[PEER_TAG];
	int fd = meet("source 3000 4 urg=1000 end=hold tag=%s", peer_tag(tag));

	nap_ms(SHORT_MS);
	recv_pattern(fd, 4, 0, 3000);
	go(tag, "more=1000");
	recv_pattern(fd, 4, 3000, 1000);
	go(tag, "end=fin");
	expect_eof(fd);
}

/* One connection with urgent data stops no other. */
TEST_BOTH(urgent_others_go_on, "msg.oob.stream")
{
	int stuck = meet("source 100000 4 urg=10 end=hold");
	int fd = meet("source 500000 5");

	recv_pattern(fd, 5, 0, 500000);
	expect_eof(fd);
	recv_pattern(stuck, 4, 0, 100000);
}

TEST_BOTH(urgent_send, "msg.oob")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 oob=1 reply=0 tag=%s", peer_tag(tag));
	struct result result;

	send_pattern(fd, 1, 0, 10);
	EQ(send(fd, "!", 1, MSG_OOB), 1);
	send_pattern(fd, 1, 10, 10);
	OK(shutdown(fd, SHUT_WR));
	result = stat_of(tag);
	EQ(result.in, 20);
	EQ(result.bad, -1);
	EQ(result.oob, 1);
}

/* The last byte of what is sent is the urgent one. */
TEST_BOTH(urgent_send_last_byte, "msg.oob.send")
{
	static unsigned char buf[50001];
	char tag[PEER_TAG];
	int fd = meet("sink check=1 oob=1 reply=0 tag=%s", peer_tag(tag));
	struct result result;

	pattern_fill(1, 0, buf, 50000);
	EQ(send(fd, buf, 50001, MSG_OOB), 50001);
	OK(shutdown(fd, SHUT_WR));
	result = stat_of(tag);
	EQ(result.in, 50000);
	EQ(result.bad, -1);
	EQ(result.oob, 1);
}

TEST_BOTH(urgent_send_nothing, "msg.oob.send")
{
	char tag[PEER_TAG];
	int fd = meet("sink oob=1 reply=0 tag=%s", peer_tag(tag));

	EQ(send(fd, "", 0, MSG_OOB), 0);
	OK(shutdown(fd, SHUT_WR));
	EQ(stat_of(tag).oob, 0);
	FAILS(send(fd, "!", 1, MSG_OOB | MSG_NOSIGNAL), EPIPE);
}

TEST_BOTH(urgent_none, "msg.oob")
{
	int fd = meet("source 10 4 end=hold");
	char byte;

	FAILS(recv(fd, &byte, 1, MSG_OOB), EINVAL);
	await_bytes(fd, 10);
	FAILS(recv(fd, &byte, 1, MSG_OOB), EINVAL);
	EQ(wait_fd(fd, POLLPRI, 0), 0);
	recv_pattern(fd, 4, 0, 10);
	FAILS(recv(fd, &byte, 1, MSG_OOB), EINVAL);
}

TEST(urgent_none_unconnected, "msg.oob")
{
	unsigned int port;
	char byte;

	FAILS(recv(fresh(), &byte, 1, MSG_OOB), EINVAL);
	FAILS(recv(listener(&port), &byte, 1, MSG_OOB), ENOTCONN);
}

TEST_BOTH(urgent_recv, "msg.oob")
{
	int fd = meet("source 1000 4 urg=500 end=hold");
	char buf[4] = "";
	struct msghdr msg = { 0 };

	CHECK(wait_fd(fd, POLLPRI, LONG_MS) & POLLPRI);
	EQ(recv(fd, buf, 4, MSG_OOB | MSG_PEEK), 1);
	EQ(buf[0], '!');
	FAILS(recv(fd, bad_memory(), 4, MSG_OOB | MSG_PEEK), EFAULT);
	EQ(recvmsg(fd, &msg, MSG_OOB | MSG_PEEK), 0);
	EQ(msg.msg_flags & (MSG_OOB | MSG_TRUNC), MSG_OOB | MSG_TRUNC);
	buf[0] = 0;
	EQ(recv(fd, buf, 4, MSG_OOB), 1);
	EQ(buf[0], '!');
	EQ(wait_fd(fd, POLLPRI, 0), 0);
	FAILS(recv(fd, buf, 1, MSG_OOB), EINVAL);
	recv_pattern(fd, 4, 0, 1000);
}

static int at_mark(int fd)
{
	int value = -1;

	OK(ioctl(fd, SIOCATMARK, &value));
	return value;
}

static int unread(int fd)
{
	int value = -1;

	OK(ioctl(fd, FIONREAD, &value));
	return value;
}

/* recv() stops there, whether the byte was asked for or not. */
TEST_BOTH(urgent_mark, "msg.oob.mark")
{
	int fd = meet("source 1000 4 urg=500 end=hold");
	unsigned char buf[2000];

	CHECK(wait_fd(fd, POLLPRI, LONG_MS) & POLLPRI);
	EQ(at_mark(fd), 0);
	await_bytes(fd, 500);
	EQ(unread(fd), 500);
	EQ(recv(fd, buf, 2000, MSG_PEEK), 500);
	EQ(recv(fd, buf, 2000, MSG_WAITALL), 500);
	EQ(at_mark(fd), 1);
	EQ(unread(fd), 0);
	EQ(recv(fd, buf, 500, MSG_WAITALL | MSG_PEEK), 500);
	EQ(pattern_check(4, 500, buf, 500), -1);
	EQ(at_mark(fd), 1);
	EQ(recv(fd, buf, 500, MSG_WAITALL), 500);
	EQ(pattern_check(4, 500, buf, 500), -1);
	EQ(at_mark(fd), 0);
	EQ(wait_fd(fd, POLLPRI, 0), 0);
	FAILS(recv(fd, buf, 1, MSG_OOB), EINVAL);
}

TEST_BOTH(urgent_inline, "msg.oob.inline")
{
	int fd = meet("source 1000 4 urg=500 end=hold");
	unsigned char buf[2000];

	set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1);
	EQ(get_int(fd, SOL_SOCKET, SO_OOBINLINE), 1);
	CHECK(wait_fd(fd, POLLPRI, LONG_MS) & POLLPRI);
	FAILS(recv(fd, buf, 1, MSG_OOB), EINVAL);
	await_bytes(fd, 1001);
	EQ(recv(fd, buf, 2000, 0), 500);
	EQ(at_mark(fd), 1);
	EQ(recv(fd, buf, 501, MSG_WAITALL), 501);
	EQ(buf[0], '!');
	EQ(pattern_check(4, 500, buf + 1, 500), -1);
	EQ(at_mark(fd), 0);
}

/* Told when the byte is the next, and nothing else is there. */
TEST_BOTH(urgent_alone, "msg.oob.poll")
{
	char tag[PEER_TAG];
	int fd = meet("source 0 4 urg=0 end=hold tag=%s", peer_tag(tag));
	char byte;

	CHECK(wait_fd(fd, POLLPRI, LONG_MS) & POLLPRI);
	EQ(wait_fd(fd, POLLIN, 0), 0);
	EQ(at_mark(fd), 1);
	EQ(unread(fd), 0);
	FAILS(recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
	EQ(at_mark(fd), 0);
	FAILS(recv(fd, &byte, 1, MSG_OOB), EINVAL);
	go(tag, "more=10");
	recv_pattern(fd, 4, 0, 10);
}

/* A newer one takes the place of one nobody read, which is left out or not. */
TEST_BOTH(urgent_twice, "msg.oob.mark")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 4 urg=5 urg-more=1 end=hold tag=%s",
		      peer_tag(tag));
	unsigned char buf[100];
	int tries;

	/* until the second has come, the first is the mark */
	for (tries = 0; unread(fd) != 6 && tries < LONG_MS; tries++)
		nap_ms(1);
	EQ(recv(fd, buf, 11, MSG_WAITALL), 6);
	EQ(buf[5], '!');
	EQ(at_mark(fd), 1);
	EQ(recv(fd, buf, 5, MSG_WAITALL), 5);
	EQ(pattern_check(4, 5, buf, 5), -1);
}

TEST_BOTH(urgent_after_end, "msg.oob")
{
	int fd = meet("source 10 4 urg=10");
	char byte;

	CHECK(wait_fd(fd, POLLRDHUP, LONG_MS) & POLLRDHUP);
	EQ(recv(fd, &byte, 1, MSG_OOB), 1);
	EQ(byte, '!');
	recv_pattern(fd, 4, 0, 10);
	expect_eof(fd);
	FAILS(recv(fd, &byte, 1, MSG_OOB), EINVAL);
}

TEST_BOTH(urgent_closed_unread, "close.unread")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 4 urg=10 end=hold tag=%s", peer_tag(tag));

	CHECK(wait_fd(fd, POLLPRI, LONG_MS) & POLLPRI);
	recv_pattern(fd, 4, 0, 10);
	OK(close(fd));
	EQ(stat_of(tag).err, ECONNRESET);
}

static volatile int urgents;

static void count_urgent(int number)
{
	(void)number;
	urgents++;
}

TEST_BOTH(urgent_signal, "msg.oob.signal")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 4 urg=5 end=hold wait=1 tag=%s", peer_tag(tag));

	signal(SIGURG, count_urgent);
	OK(fcntl(fd, F_SETOWN, getpid()));
	go(tag, "");
	CHECK(wait_fd(fd, POLLPRI, LONG_MS) & POLLPRI);
	EQ(urgents, 1);
	recv_pattern(fd, 4, 0, 10);
	EQ(urgents, 1);
}

/* As a program that waits by select() sees it. */
TEST_BOTH(urgent_select, "msg.oob.poll")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 4 urg=5 end=hold wait=1 tag=%s", peer_tag(tag));
	struct timeval time = { LONG_MS / 1000, 0 };
	fd_set set;
	char byte;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	go(tag, "");
	EQ(select(fd + 1, NULL, NULL, &set, &time), 1);
	CHECK(FD_ISSET(fd, &set));
	EQ(recv(fd, &byte, 1, MSG_OOB), 1);
	time = (struct timeval){ 0 };
	FD_SET(fd, &set);
	EQ(select(fd + 1, NULL, NULL, &set, &time), 0);
}

TEST_BOTH(urgent_to_and_fro, "msg.oob.send")
{
	int fd = meet("echo");
	int i;

	for (i = 0; i < 50; i++) {
		send_pattern(fd, 1, 2 * i, 1);
		EQ(send(fd, "!", 1, MSG_OOB), 1);
		send_pattern(fd, 1, 2 * i + 1, 1);
		recv_pattern(fd, 1, 2 * i, 2);
	}
}
