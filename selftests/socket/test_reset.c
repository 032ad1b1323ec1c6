// SPDX-License-Identifier: GPL-2.0
/*
 * Ends of connections: close() clean, with unread data, with every kind of
 * linger, and resets by the peer at every moment.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static void set_linger(int fd, int on, int seconds)
{
	struct linger linger = { on, seconds };

	OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
}

TEST_BOTH(close_delivers, "close")
{
	char tag[PEER_TAG];
	int fd = meet("sink reply=0 check=1 wait=1 tag=%s", peer_tag(tag));
	size_t sent = fill(fd);
	struct result result;

	OK(close(fd));
	go(tag, "");
	result = stat_of(tag);
	EQ(result.in, sent);
	EQ(result.bad, -1);
	EQ(result.eof, 1);
	EQ(result.err, 0);
}

TEST_BOTH(close_small, "close")
{
	char tag[PEER_TAG];
	int fd = meet("sink reply=0 check=1 tag=%s", peer_tag(tag));
	struct result result;

	send_pattern(fd, 1, 0, 1);
	OK(close(fd));
	result = stat_of(tag);
	EQ(result.in, 1);
	EQ(result.eof, 1);
	EQ(result.err, 0);
}

/* Unread data: the peer is told that it did not arrive. */
TEST_BOTH(close_unread, "close.unread")
{
	char tag[PEER_TAG];
	int fd = meet("source 100 1 end=hold tag=%s", peer_tag(tag));

	await_bytes(fd, 100);
	OK(close(fd));
	EQ(stat_of(tag).err, ECONNRESET);
}

TEST_BOTH(close_partly_read, "close.unread")
{
	char tag[PEER_TAG];
	int fd = meet("source 100 1 end=hold tag=%s", peer_tag(tag));

	await_bytes(fd, 100);
	recv_pattern(fd, 1, 0, 99);
	OK(close(fd));
	EQ(stat_of(tag).err, ECONNRESET);
}

/* More is under way than a window holds. */
TEST_BOTH(close_in_flood, "close.unread")
{
	char tag[PEER_TAG];
	int fd = meet("source 50000000 1 tag=%s", peer_tag(tag));
	struct result result;

	recv_pattern(fd, 1, 0, 100000);
	OK(close(fd));
	result = stat_of(tag);
	CHECK(result.err == ECONNRESET || result.err == EPIPE);
	CHECK(result.out < 50000000);
}

/* Data that arrives after close() is answered with a reset, too. */
TEST_BOTH(close_then_data, "close.then-data")
{
	char tag[PEER_TAG];
	int fd = meet("source 100 1 end=hold read=none wait=1 tag=%s",
		      peer_tag(tag));
	struct result result;
	long until = now_ms() + LONG_MS;

	OK(close(fd));
	/* the first bytes may be away before the reset is back */
	while (!peer_go(tag, "more=100 wait=0") && now_ms() < until)
		nap_ms(5);
	result = stat_of(tag);
	CHECK(!result.running);
	CHECK(result.err == ECONNRESET || result.err == EPIPE || result.eof);
}

TEST_BOTH(close_linger_zero, "close.linger-zero")
{
	char tag[PEER_TAG];
	int fd = meet("sink tag=%s", peer_tag(tag));

	send_pattern(fd, 1, 0, 10);
	set_linger(fd, 1, 0);
	OK(close(fd));
	EQ(stat_of(tag).err, ECONNRESET);
}

/* Even what is queued is thrown away. */
TEST_BOTH(close_linger_zero_queued, "close.linger-zero")
{
	char tag[PEER_TAG];
	int fd = meet("sink wait=1 tag=%s", peer_tag(tag));
	struct result result;

	fill(fd);
	set_linger(fd, 1, 0);
	OK(close(fd));
	result = stat_of(tag);
	EQ(result.err, ECONNRESET);
}

/* Lingering ends when the peer has everything. */
TEST_BOTH(close_linger_done, "close.linger")
{
	char tag[PEER_TAG];
	int fd = meet("slow-read 65536 1 check=1 reply=0 tag=%s",
		      peer_tag(tag));
	struct result result;

	set_linger(fd, 1, 25);
	send_pattern(fd, 1, 0, 2000000);
	OK(close(fd));
	result = stat_of(tag);
	EQ(result.in, 2000000);
	EQ(result.bad, -1);
	EQ(result.err, 0);
}

/* Or when the time is up; what is queued still goes. */
TEST_BOTH(close_linger_timeout, "close.linger")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 reply=0 wait=1 tag=%s", peer_tag(tag));
	size_t sent = fill(fd);
	struct result result;
	long start;

	set_linger(fd, 1, 1);
	start = now_ms();
	OK(close(fd));
	CHECK(now_ms() - start >= 990);
	go(tag, "");
	result = stat_of(tag);
	EQ(result.in, sent);
	EQ(result.bad, -1);
	EQ(result.err, 0);
}

/* A process that ends closes as close() does. */
static void send_and_exit(void *arg)
{
	int *fd = arg;

	send_pattern(*fd, 1, 0, 1000);
}

TEST_BOTH(close_by_exit, "close.exit")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 tag=%s", peer_tag(tag));
	pid_t pid = child(send_and_exit, &fd);
	struct result result;

	OK(close(fd));
	wait_for(pid);
	result = stat_of(tag);
	EQ(result.in, 1000);
	EQ(result.eof, 1);
	EQ(result.err, 0);
}

static void sleep_long(void *arg)
{
	(void)arg;
	nap_ms(20000);
}

TEST_BOTH(close_by_kill, "close.exit")
{
	char tag[PEER_TAG];
	int fd = meet("sink tag=%s", peer_tag(tag));
	pid_t pid = child(sleep_long, NULL);

	OK(close(fd));
	OK(kill(pid, SIGKILL));
	OK(waitpid(pid, NULL, 0));
	EQ(stat_of(tag).eof, 1);
}

TEST_BOTH(reset_recv, "reset.recv")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	char byte = 0;

	go(tag, "");
	FAILS(recv(fd, &byte, 1, 0), ECONNRESET);
	EQ(recv(fd, &byte, 1, 0), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	EQ(recv(fd, &byte, 1, 0), 0);
}

TEST_BOTH(reset_send, "reset.send")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	char byte = 0;

	count_sigpipe();
	go(tag, "");
	await_error(fd);
	FAILS(send(fd, &byte, 1, 0), ECONNRESET);
	EQ(pipes, 0);
	FAILS(send(fd, &byte, 1, 0), EPIPE);
	EQ(pipes, 1);
	EQ(recv(fd, &byte, 1, 0), 0);
}

TEST_BOTH(reset_so_error, "reset.so-error")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	union addr addr;
	socklen_t len = sizeof(addr);
	char byte = 0;

	go(tag, "");
	await_error(fd);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	EQ(recv(fd, &byte, 1, 0), 0);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	FAILS(getpeername(fd, &addr.sa, &len), ENOTCONN);
}

/* Bytes in front of the reset are there to read; the error comes after. */
TEST_BOTH(reset_after_data, "reset.after-data")
{
	int fd = meet("data-rst 1000 4");
	char byte;

	await_error(fd);
	recv_pattern(fd, 4, 0, 1000);
	FAILS(recv(fd, &byte, 1, 0), ECONNRESET);
	EQ(recv(fd, &byte, 1, 0), 0);
}

/* More than a window holds: what is on its way still fills the buffer. */
TEST_BOTH(reset_after_data_waitall, "reset.after-data")
{
	static char buf[40000];
	int fd = meet("data-rst 40000 4");
	char byte;

	await_error(fd);
	EQ(recv(fd, buf, sizeof(buf), MSG_WAITALL), (long long)sizeof(buf));
	FAILS(recv(fd, &byte, 1, 0), ECONNRESET);
}

/* But a send() in between takes the error. */
TEST_BOTH(reset_after_data_send, "reset.after-data")
{
	int fd = meet("data-rst 1000 4");
	char byte = 0;

	await_error(fd);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), ECONNRESET);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	recv_pattern(fd, 4, 0, 1000);
	EQ(recv(fd, &byte, 1, 0), 0);
}

/* The peer closed its half before: a reset is then a broken pipe. */
TEST_BOTH(reset_after_end, "reset.after-fin")
{
	char tag[PEER_TAG];
	int fd = meet("fin-first tag=%s", peer_tag(tag));
	char byte = 0;

	expect_eof(fd);
	go(tag, "end=rst");
	await_error(fd);
	EQ(recv(fd, &byte, 1, 0), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), EPIPE);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
}

/* The same before anything was read, of more than the node hands on unread: neither is lost. */
TEST_BOTH(reset_after_end_unread, "reset.after-fin")
{
	char tag[PEER_TAG];
	int fd = meet("source 90000 4 tag=%s", peer_tag(tag));
	char byte = 0;

	go(tag, "end=rst");
	await_error(fd);
	recv_pattern(fd, 4, 0, 90000);
	EQ(recv(fd, &byte, 1, 0), 0);
	EQ(recv(fd, &byte, 1, 0), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), EPIPE);
}

/* A peer that closed answers our data with a reset. */
TEST_BOTH(reset_by_sending, "reset.by-sending")
{
	char tag[PEER_TAG];
	int fd = meet("close tag=%s", peer_tag(tag));
	char byte = 0;

	stat_of(tag);
	expect_eof(fd);
	EQ(send(fd, &byte, 1, MSG_NOSIGNAL), 1);
	await_error(fd);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	EQ(recv(fd, &byte, 1, 0), 0);
}

static void *go_soon(void *arg)
{
	nap_ms(SHORT_MS);
	go(arg, "");
	return NULL;
}

TEST_BOTH(reset_wakes_recv, "wake.reset")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	pthread_t thread;
	char byte;

	OK(-pthread_create(&thread, NULL, go_soon, tag));
	FAILS(recv(fd, &byte, 1, 0), ECONNRESET);
	OK(-pthread_join(thread, NULL));
}

TEST_BOTH(reset_wakes_send, "wake.reset")
{
	static char buf[30000000];
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	pthread_t thread;
	ssize_t n;

	OK(-pthread_create(&thread, NULL, go_soon, tag));
	/* what was taken before counts, the error comes with the next */
	n = send(fd, buf, sizeof(buf), MSG_NOSIGNAL);
	if (n >= 0) {
		CHECK((size_t)n < sizeof(buf));
		n = send(fd, buf, sizeof(buf), MSG_NOSIGNAL);
	}
	EQ(n, -1);
	EQ(errno, ECONNRESET);
	OK(-pthread_join(thread, NULL));
}

/* Not woken, close() would last longer than the alarm leaves it. */
TEST_BOTH(reset_wakes_linger, "wake.reset")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	pthread_t thread;

	fill(fd);
	set_linger(fd, 1, 1000);
	OK(-pthread_create(&thread, NULL, go_soon, tag));
	alarm(40);
	OK(close(fd));
	OK(-pthread_join(thread, NULL));
}

/* Nobody hears of it any more; what was queued must not be kept for a peer that is gone. */
TEST_BOTH(reset_closed, "reset.closed")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));

	fill(fd);
	OK(close(fd));
	go(tag, "");
	EQ(stat_of(tag).running, 0);
}

TEST_BOTH(reset_after_bytes, "reset.so-error")
{
	char tag[PEER_TAG];
	int fd = meet("rst-after 100000 check=1 tag=%s", peer_tag(tag));
	struct result result;

	send_pattern(fd, 1, 0, 100000);
	await_error(fd);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
	result = stat_of(tag);
	EQ(result.in, 100000);
	EQ(result.bad, -1);
}
