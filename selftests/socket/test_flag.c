// SPDX-License-Identifier: GPL-2.0
/*
 * Flags, timeouts and signals on data calls: MSG_DONTWAIT, MSG_PEEK,
 * MSG_WAITALL, MSG_TRUNC, MSG_NOSIGNAL, O_NONBLOCK, SO_RCVTIMEO, SO_SNDTIMEO,
 * SO_RCVLOWAT, and interrupted calls.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

TEST_BOTH(flag_dontwait_recv, "msg.dontwait")
{
	int fd = meet("echo");
	char byte;

	FAILS(recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
	FAILS(recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK), EAGAIN);
	FAILS(recv(fd, &byte, 1, MSG_DONTWAIT | MSG_WAITALL), EAGAIN);
	send_pattern(fd, 1, 0, 1);
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	EQ(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
	FAILS(recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
}

TEST_BOTH(flag_nonblock_recv, "nonblock")
{
	int fd = meet("echo");
	char buf[10];

	set_nonblock(fd, true);
	FAILS(recv(fd, buf, 1, 0), EAGAIN);
	FAILS(read(fd, buf, 1), EAGAIN);
	send_pattern(fd, 1, 0, 5);
	await_bytes(fd, 5);
	EQ(read(fd, buf, 10), 5);
	FAILS(read(fd, buf, 1), EAGAIN);
}

/* Full, then drained: no byte lost, none sent that was not accepted. */
TEST_BOTH(flag_dontwait_send, "msg.dontwait", "nonblock")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 wait=1 tag=%s", peer_tag(tag));
	size_t sent = fill(fd);
	char byte = 0;

	FAILS(send(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
	set_nonblock(fd, true);
	FAILS(write(fd, &byte, 1), EAGAIN);
	go(tag, "");
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) & POLLOUT);
	set_nonblock(fd, false);
	send_pattern(fd, 1, sent, 100000);
	expect_sunk(fd, sent + 100000);
}

/* A blocking send() of much, while the peer takes its time. */
TEST_BOTH(flag_blocking_send, "block.send")
{
	static char buf[400000];
	int fd = meet("slow-read 65536 2 check=1");
	int i;

	for (i = 0; i < 5; i++) {
		pattern_fill(1, i * sizeof(buf), buf, sizeof(buf));
		EQ(send(fd, buf, sizeof(buf), 0), sizeof(buf));
	}
	expect_sunk(fd, 5 * sizeof(buf));
}

TEST_BOTH(flag_peek, "msg.peek")
{
	int fd = meet("source 200 4");
	char buf[200];

	await_bytes(fd, 200);
	EQ(recv(fd, buf, 50, MSG_PEEK), 50);
	EQ(pattern_check(4, 0, buf, 50), -1);
	EQ(recv(fd, buf, 200, MSG_PEEK), 200);
	EQ(pattern_check(4, 0, buf, 200), -1);
	recv_pattern(fd, 4, 0, 150);
	EQ(recv(fd, buf, 200, MSG_PEEK), 50);
	EQ(pattern_check(4, 150, buf, 50), -1);
	recv_pattern(fd, 4, 150, 50);
	EQ(recv(fd, buf, 200, MSG_PEEK), 0);
	expect_eof(fd);
}

TEST_BOTH(flag_peek_large, "msg.peek")
{
	static char buf[300000];
	int fd = meet("source 300000 4");
	size_t n;

	/* with MSG_WAITALL it would wait for more than there is room for */
	await_bytes(fd, 30000);
	n = OK(recv(fd, buf, sizeof(buf), MSG_PEEK));
	CHECK(n >= 30000);
	EQ(pattern_check(4, 0, buf, n), -1);
	recv_pattern(fd, 4, 0, sizeof(buf));
	expect_eof(fd);
}

TEST_BOTH(flag_peek_waitall, "msg.peek.waitall")
{
	int fd = meet("piece 600 100 20 4");
	char buf[600];

	EQ(recv(fd, buf, 600, MSG_PEEK | MSG_WAITALL), 600);
	EQ(pattern_check(4, 0, buf, 600), -1);
	recv_pattern(fd, 4, 0, 600);
	EQ(recv(fd, buf, 600, MSG_PEEK | MSG_WAITALL), 0);
}

/* Beyond what the receive buffer has room for: no end of waiting. */
TEST_BOTH(flag_peek_waitall_beyond, "msg.peek.waitall")
{
	static char buf[3000000];
	int fd = meet("source 3000000 4");
	ssize_t n;
	long start;

	set_int(fd, SOL_SOCKET, SO_RCVBUF, 100000);
	await_bytes(fd, 30000);
	set_timeout(fd, SO_RCVTIMEO, 1000);
	start = now_ms();
	n = OK(recv(fd, buf, sizeof(buf), MSG_PEEK | MSG_WAITALL));
	CHECK(now_ms() - start >= 995);
	CHECK(n >= 30000 && n < (ssize_t)sizeof(buf));
	EQ(pattern_check(4, 0, buf, n), -1);
	set_timeout(fd, SO_RCVTIMEO, 0);
	tick_start(100, 0);
	n = OK(recv(fd, buf, sizeof(buf), MSG_PEEK | MSG_WAITALL));
	tick_stop();
	CHECK(n >= 30000 && n < (ssize_t)sizeof(buf));
	recv_pattern(fd, 4, 0, sizeof(buf));
	expect_eof(fd);
}

/* what the end of the stream leaves of it is as much as there is */
TEST_BOTH(flag_peek_waitall_end, "msg.peek.waitall")
{
	int fd = meet("source 10 4");
	int lowat = 50;
	char buf[100];

	EQ(recv(fd, buf, 100, MSG_PEEK | MSG_WAITALL), 10);
	OK(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat)));
	EQ(recv(fd, buf, 100, MSG_PEEK), 10);
	recv_pattern(fd, 4, 0, 10);
	EQ(recv(fd, buf, 100, MSG_PEEK | MSG_WAITALL), 0);
}

TEST_BOTH(flag_waitall, "msg.waitall")
{
	int fd = meet("piece 1000 100 10 4");
	char buf[1000];

	EQ(recv(fd, buf, 900, MSG_WAITALL), 900);
	EQ(pattern_check(4, 0, buf, 900), -1);
	/* the end of the stream ends the wait */
	EQ(recv(fd, buf, 900, MSG_WAITALL), 100);
	EQ(recv(fd, buf, 900, MSG_WAITALL), 0);
}

TEST_BOTH(flag_waitall_large, "msg.waitall")
{
	static char buf[2000000];
	int fd = meet("source 2000000 4");

	EQ(recv(fd, buf, sizeof(buf), MSG_WAITALL), sizeof(buf));
	EQ(pattern_check(4, 0, buf, sizeof(buf)), -1);
}

TEST_BOTH(flag_waitall_nonblock, "msg.waitall")
{
	int fd = meet("source 100 4 end=hold");
	char buf[200];

	await_bytes(fd, 100);
	EQ(recv(fd, buf, 200, MSG_WAITALL | MSG_DONTWAIT), 100);
	FAILS(recv(fd, buf, 200, MSG_WAITALL | MSG_DONTWAIT), EAGAIN);
}

/* What was read before the signal, the timeout or the reset is not lost. */
TEST_BOTH(flag_waitall_cut_short, "msg.waitall")
{
	char tag[PEER_TAG];
	int fd = meet("source 100 4 end=hold tag=%s", peer_tag(tag));
	char buf[200];

	await_bytes(fd, 100);
	set_timeout(fd, SO_RCVTIMEO, 200);
	EQ(recv(fd, buf, 200, MSG_WAITALL), 100);
	FAILS(recv(fd, buf, 200, MSG_WAITALL), EAGAIN);
	set_timeout(fd, SO_RCVTIMEO, 0);
	go(tag, "more=100");
	await_bytes(fd, 100);
	tick_start(50, 0);
	EQ(recv(fd, buf, 200, MSG_WAITALL), 100);
	FAILS(recv(fd, buf, 200, MSG_WAITALL), EINTR);
	tick_stop();
}

/* On TCP, MSG_TRUNC throws away instead of copying. */
TEST_BOTH(flag_trunc, "msg.trunc")
{
	int fd = meet("source 200 4");
	char buf[100];

	await_bytes(fd, 200);
	memset(buf, 0x5a, sizeof(buf));
	EQ(recv(fd, buf, 100, MSG_TRUNC), 100);
	EQ(buf[0], 0x5a);
	EQ(buf[99], 0x5a);
	EQ(recv(fd, NULL, 30, MSG_TRUNC), 30);
	recv_pattern(fd, 4, 130, 70);
	expect_eof(fd);
}

TEST_BOTH(flag_nosignal, "msg.nosignal")
{
	int fd = meet("echo");
	char byte = 0;

	count_sigpipe();
	OK(shutdown(fd, SHUT_WR));
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	EQ(pipes, 0);
	FAILS(send(fd, &byte, 1, 0), EPIPE);
	EQ(pipes, 1);
	FAILS(write(fd, &byte, 1), EPIPE);
	EQ(pipes, 2);
}

static void write_after_shutdown(void *arg)
{
	int *fd = arg;

	signal(SIGPIPE, SIG_DFL);
	OK(shutdown(*fd, SHUT_WR));
	if (write(*fd, "x", 1) < 0)
		return;
}

TEST_BOTH(flag_sigpipe_kills, "msg.nosignal")
{
	int fd = meet("echo");
	pid_t pid = child(write_after_shutdown, &fd);
	int status;

	EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

TEST_BOTH(flag_recv_timeout, "rcvtimeo")
{
	int fd = meet("echo");
	char byte;
	long start = now_ms();

	set_timeout(fd, SO_RCVTIMEO, 200);
	FAILS(recv(fd, &byte, 1, 0), EAGAIN);
	CHECK(now_ms() - start >= 195);
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
	start = now_ms();
	FAILS(read(fd, &byte, 1), EAGAIN);
	CHECK(now_ms() - start >= 195);
}

TEST_BOTH(flag_send_timeout, "sndtimeo")
{
	static char buf[100000];
	char tag[PEER_TAG];
	int fd = meet("sink wait=1 tag=%s", peer_tag(tag));
	size_t sent = fill(fd);
	long start;

	set_timeout(fd, SO_SNDTIMEO, 200);
	start = now_ms();
	for (;;) {
		/* native buffers may take a little more at first */
		ssize_t n = send(fd, buf, sizeof(buf), 0);

		if (n < 0)
			break;
		CHECK((size_t)n <= sizeof(buf));
		sent += n;
	}
	EQ(errno, EAGAIN);
	CHECK(now_ms() - start >= 195);
	go(tag, "");
	OK(shutdown(fd, SHUT_WR));
	EQ(answer_of(fd).in, sent);
}

TEST_BOTH(flag_recv_interrupted, "eintr.recv")
{
	int fd = meet("echo");
	char byte;

	tick_start(50, 0);
	FAILS(recv(fd, &byte, 1, 0), EINTR);
	FAILS(read(fd, &byte, 1), EINTR);
	tick_stop();
	/* with a timeout, SA_RESTART does not restart */
	set_timeout(fd, SO_RCVTIMEO, 20000);
	tick_start(50, SA_RESTART);
	FAILS(recv(fd, &byte, 1, 0), EINTR);
	tick_stop();
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

static void *go_later(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (ticks < 3)
		nap_ms(10);
	go(arg, "");
	return NULL;
}

TEST_BOTH(flag_recv_restarted, "eintr.recv")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 4 wait=1 tag=%s", peer_tag(tag));
	pthread_t thread;
	char buf[10];

	OK(-pthread_create(&thread, NULL, go_later, tag));
	tick_start(50, SA_RESTART);
	EQ(recv(fd, buf, 10, 0), 10);
	CHECK(ticks >= 3);
	tick_stop();
	OK(-pthread_join(thread, NULL));
}

TEST_BOTH(flag_send_interrupted, "eintr.send")
{
	static char buf[100000];
	char tag[PEER_TAG];
	int fd = meet("sink wait=1 tag=%s", peer_tag(tag));
	size_t sent = fill(fd);

	tick_start(50, 0);
	for (;;) {
		ssize_t n = send(fd, buf, sizeof(buf), 0);

		if (n < 0)
			break;
		sent += n;
	}
	EQ(errno, EINTR);
	tick_stop();
	go(tag, "");
	OK(shutdown(fd, SHUT_WR));
	EQ(answer_of(fd).in, sent);
}

/* The signal finds part of it sent: that much is the answer. */
TEST_BOTH(flag_send_partial, "eintr.send")
{
	static char buf[20000000];
	char tag[PEER_TAG];
	int fd = meet("sink wait=1 tag=%s", peer_tag(tag));
	ssize_t n;

	tick_start(200, 0);
	n = OK(send(fd, buf, sizeof(buf), 0));
	tick_stop();
	CHECK(n > 0 && (size_t)n < sizeof(buf));
	go(tag, "");
	OK(shutdown(fd, SHUT_WR));
	EQ(answer_of(fd).in, n);
}

static void block_in_recv(void *arg)
{
	int *fd = arg;
	char byte;

	recv(*fd, &byte, 1, 0);
}

static void block_in_send(void *arg)
{
	static char buf[20000000];
	int *fd = arg;

	send(*fd, buf, sizeof(buf), 0);
}

static void kill_blocked(void (*run)(void *), int fd)
{
	pid_t pid = child(run, &fd);
	int status;

	await_sleep(pid, pid);
	OK(kill(pid, SIGKILL));
	EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST_BOTH(flag_killed_in_recv, "sigkill")
{
	int fd = meet("echo");

	kill_blocked(block_in_recv, fd);
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

TEST_BOTH(flag_killed_in_send, "sigkill")
{
	char tag[PEER_TAG];
	int fd = meet("sink wait=1 tag=%s", peer_tag(tag));

	kill_blocked(block_in_send, fd);
	go(tag, "");
	OK(shutdown(fd, SHUT_WR));
	CHECK(answer_of(fd).in > 0);
}

/* SO_RCVLOWAT: neither recv() nor poll() stirs below it. */
TEST_BOTH(flag_low_water, "rcvlowat")
{
	char tag[PEER_TAG];
	int fd = meet("source 50 4 end=hold tag=%s", peer_tag(tag));
	char buf[200];

	await_bytes(fd, 50);
	EQ(get_int(fd, SOL_SOCKET, SO_RCVLOWAT), 1);
	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 100);
	EQ(get_int(fd, SOL_SOCKET, SO_RCVLOWAT), 100);
	EQ(wait_fd(fd, POLLIN, SHORT_MS), 0);
	go(tag, "more=50");
	EQ(recv(fd, buf, 200, 0), 100);
	go(tag, "more=100");
	CHECK(wait_fd(fd, POLLIN, LONG_MS) & POLLIN);
	EQ(recv(fd, buf, 200, 0), 100);
}

TEST_BOTH(flag_unknown, "msg.unknown")
{
	int fd = meet("echo");
	char buf[4];

	/* SOCK_STREAM has no records: MSG_EOR and unknown ones are ignored */
	EQ(send(fd, "abcd", 4, MSG_EOR), 4);
	await_bytes(fd, 4);
	EQ(recv(fd, buf, 4, 0x00800000), 4);
}

struct waiter {
	int fd;
	volatile pid_t tid;
	uint32_t events;
};

static void *wait_readable(void *arg)
{
	struct epoll_event event;
	struct waiter *w = arg;

	w->tid = gettid();
	if (epoll_wait(w->fd, &event, 1, LONG_MS) == 1)
		w->events = event.events;
	return NULL;
}

/* What is there is enough as soon as less is asked for. */
TEST_BOTH(flag_low_water_lowered, "rcvlowat.lowered")
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int fd = meet("source 50 4 end=hold");
	struct waiter w = { .fd = OK(epoll_create1(0)) };
	pthread_t thread;

	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 100);
	await_bytes(fd, 50);
	OK(epoll_ctl(w.fd, EPOLL_CTL_ADD, fd, &event));
	EQ(pthread_create(&thread, NULL, wait_readable, &w), 0);
	while (!w.tid)
		nap_ms(1);
	await_sleep(getpid(), w.tid);
	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 50);
	EQ(pthread_join(thread, NULL), 0);
	EQ(w.events, EPOLLIN);
}

TEST_BOTH(flag_low_water_bounds, "rcvlowat.limit")
{
	int fd = meet("echo");

	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 0);
	EQ(get_int(fd, SOL_SOCKET, SO_RCVLOWAT), 1);
	set_int(fd, SOL_SOCKET, SO_RCVBUF, 20000);
	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 1 << 30);
	EQ(get_int(fd, SOL_SOCKET, SO_RCVLOWAT), 20000);
	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, -1);
	EQ(get_int(fd, SOL_SOCKET, SO_RCVLOWAT), 20000);
}

/* Without a cookie the bytes follow the handshake. */
TEST(flag_fastopen, "msg.fastopen")
{
	unsigned int port = addr_port(&tested.peer[tested.v6]);
	const union addr *peer = peer_at(port);
	union addr none = { .sa.sa_family = AF_UNSPEC };
	int fd = fresh();

	EQ(sendto(fd, "echo\n", 5, MSG_FASTOPEN, &peer->sa, addr_len(peer)), 5);
	send_pattern(fd, 1, 0, 100);
	recv_pattern(fd, 1, 0, 100);
	FAILS(sendto(fd, "a", 1, MSG_FASTOPEN, &peer->sa, addr_len(peer)),
	      EISCONN);
	fd = fresh_nonblock();
	FAILS(sendto(fd, "echo\n", 5, MSG_FASTOPEN, &peer->sa, addr_len(peer)),
	      EINPROGRESS);
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) & POLLOUT);
	EQ(send(fd, "echo\n", 5, 0), 5);
	send_pattern(fd, 1, 0, 100);
	recv_pattern(fd, 1, 0, 100);
	fd = fresh();
	FAILS(send(fd, "a", 1, MSG_FASTOPEN), EINVAL);
	FAILS(sendto(fd, "a", 1, MSG_FASTOPEN, &none.sa, sizeof(none)),
	      EOPNOTSUPP);
	FAILS(sendto(fd, "a", 1, MSG_FASTOPEN, &peer->sa, 7), EINVAL);
}

TEST(flag_fastopen_refused, "msg.fastopen")
{
	int hold, fd = fresh();
	const union addr *peer = peer_at(closed_port(&hold));

	FAILS(sendto(fd, "a", 1, MSG_FASTOPEN, &peer->sa, addr_len(peer)),
	      ECONNREFUSED);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
}
