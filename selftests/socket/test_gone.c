// SPDX-License-Identifier: GPL-2.0
/*
 * Ends that overtake something: a connection that is gone when it is accepted, descriptors that
 * another thread closes under a call, a lingering close that is cut short, a process that exits.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"

#define IN (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)
#define EVERY (IN | OUT | POLLPRI | POLLRDHUP)

/* ---- accepted too late ---- */

/* accept() tells who it was, though getpeername() does not any more. */
TEST(gone_before_accept, "accept.peer-gone")
{
	union addr addr, mine;
	socklen_t len = sizeof(addr);
	char line[256], host[ADDR_TEXT], tag[PEER_TAG], byte;
	unsigned int port, from = 0;
	int fd = listener(&port);
	int conn;

	OK(peer_ask(line, sizeof(line), "call %s %u 1 -- rst tag=%s",
		    addr_text(local_at(0), host), port, peer_tag(tag)));
	EQ(sscanf(line, "called=1 failed=0 err=0 addr=%63s port=%u", host, &from), 2);
	stat_of(tag);
	CHECK(wait_fd(fd, POLLIN, LONG_MS) & POLLIN);
	nap_ms(20);
	conn = OK(accept(fd, &addr.sa, &len));
	EQ(len, addr_len(local_at(0)));
	EQ(addr_port(&addr), from);
	CHECK(addr_parse(&mine, host, 0));
	CHECK(addr_same_host(&addr, &mine));

	await_error(conn);
	EQ(wait_fd(conn, EVERY, 0), IN | OUT | POLLRDHUP | POLLHUP | POLLERR);
	len = sizeof(addr);
	FAILS(getpeername(conn, &addr.sa, &len), ENOTCONN);
	len = sizeof(mine);
	OK(getsockname(conn, &mine.sa, &len));
	EQ(addr_port(&mine), port);
	FAILS(shutdown(conn, SHUT_RDWR), ENOTCONN);
	EQ(get_int(conn, SOL_SOCKET, SO_ERROR), ECONNRESET);
	EQ(get_int(conn, SOL_SOCKET, SO_ERROR), 0);
	EQ(wait_fd(conn, EVERY, 0), IN | OUT | POLLRDHUP | POLLHUP);
	EQ(recv(conn, &byte, 1, 0), 0);
	FAILS(send(conn, &byte, 1, MSG_NOSIGNAL), EPIPE);
}

/* One that the peer has finished is a connection still. */
TEST(gone_half_before_accept, "accept.peer-gone")
{
	union addr addr;
	socklen_t len = sizeof(addr);
	unsigned int port;
	int fd = listener(&port);
	int conn;

	call(port, "fin-first");
	conn = accept_one(fd);
	CHECK(wait_fd(conn, POLLRDHUP, LONG_MS) & POLLRDHUP);
	EQ(wait_fd(conn, EVERY, 0), IN | OUT | POLLRDHUP);
	OK(getpeername(conn, &addr.sa, &len));
	EQ(get_int(conn, SOL_SOCKET, SO_ERROR), 0);
	send_pattern(conn, 1, 0, 100);
	expect_eof(conn);
}

/* ---- closed by another thread ---- */

struct call {
	int fd;
	volatile pid_t tid;
	ssize_t got;
	int err;
	pthread_t thread;
};

static void begin(struct call *c, void *(*run)(void *))
{
	OK(-pthread_create(&c->thread, NULL, run, c));
	while (!c->tid)
		nap_ms(1);
	await_sleep(getpid(), c->tid);
}

static void end(struct call *c)
{
	OK(-pthread_join(c->thread, NULL));
}

static void *sends(void *arg)
{
	static char buf[20000000];
	struct call *c = arg;

	pattern_fill(1, 0, buf, sizeof(buf));
	c->tid = gettid();
	c->got = send(c->fd, buf, sizeof(buf), MSG_NOSIGNAL);
	c->err = errno;
	return NULL;
}

/* The call goes on; when it is over the socket is closed, in order. */
TEST_BOTH(gone_under_send, "thread.close")
{
	char tag[PEER_TAG];
	struct call c = { .fd = meet("sink check=1 reply=0 wait=1 tag=%s", peer_tag(tag)) };
	struct result result;

	begin(&c, sends);
	OK(close(c.fd));
	go(tag, "");
	end(&c);
	EQ(c.got, 20000000);
	result = stat_of(tag);
	EQ(result.in, 20000000);
	EQ(result.bad, -1);
	EQ(result.eof, 1);
	EQ(result.err, 0);
}

static void *connects(void *arg)
{
	struct call *c = arg;
	int hold;
	const union addr *to = peer_at(full_port(&hold, NULL));

	c->tid = gettid();
	c->got = connect(c->fd, &to->sa, addr_len(to));
	c->err = errno;
	return NULL;
}

TEST(gone_under_connect, "thread.close")
{
	struct call c = { .fd = fresh() };
	int copy;

	set_timeout(c.fd, SO_SNDTIMEO, 300);
	begin(&c, connects);
	OK(close(c.fd));
	/* its number is free at once, for another file */
	copy = OK(dup(0));
	EQ(copy, c.fd);
	end(&c);
	EQ(c.got, -1);
	EQ(c.err, EINPROGRESS);
}

static void *accepts(void *arg)
{
	struct call *c = arg;

	c->tid = gettid();
	c->got = accept(c->fd, NULL, NULL);
	c->err = errno;
	return NULL;
}

/* The listener is there for the one connection that is waited for. */
TEST(gone_under_accept, "thread.close")
{
	struct call c = { 0 };
	unsigned int port, called = 0, failed = 0;
	char line[256], host[ADDR_TEXT];

	c.fd = listener(&port);
	begin(&c, accepts);
	OK(close(c.fd));
	call(port, "echo");
	end(&c);
	CHECK(c.got >= 0);
	send_pattern((int)c.got, 1, 0, 100);
	recv_pattern((int)c.got, 1, 0, 100);
	addr_text(local_at(0), host);
	OK(peer_ask(line, sizeof(line), "call %s %u 1 -- echo", host, port));
	EQ(sscanf(line, "called=%u failed=%u", &called, &failed), 2);
	EQ(failed, 1);
}

static void *polls(void *arg)
{
	struct call *c = arg;

	c->tid = gettid();
	c->got = wait_fd(c->fd, POLLIN, LONG_MS);
	return NULL;
}

/*
 * poll() holds the file, too, but looks for its number again when it is woken; what nobody has
 * read resets the connection.
 */
TEST_BOTH(gone_under_poll, "thread.close")
{
	char tag[PEER_TAG];
	int fd = meet("source 1 4 end=hold wait=1 tag=%s", peer_tag(tag));
	struct call c = { .fd = OK(fcntl(fd, F_DUPFD_CLOEXEC, 100)) };	/* not used again */

	OK(close(fd));
	begin(&c, polls);
	OK(close(c.fd));
	go(tag, "");
	end(&c);
	EQ(c.got, POLLNVAL);
	EQ(stat_of(tag).err, ECONNRESET);
}

/* ---- lingering ---- */

static void set_linger(int fd, int seconds)
{
	struct linger linger = { 1, seconds };

	OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
}

/*
 * As much as the send buffer takes while the peer does not read: not so long that all windows have
 * grown, as fill(), since it is enough that not all of it can go.
 */
static size_t stuff(int fd)
{
	static char buf[65536];
	size_t sent = 0;
	ssize_t n;

	do {
		pattern_fill(1, sent, buf, sizeof(buf));
		n = send(fd, buf, sizeof(buf), MSG_DONTWAIT);
		sent += n > 0 ? n : 0;
	} while (n > 0 || wait_fd(fd, POLLOUT, 80));
	return sent;
}

static void expect_all(const char *tag, size_t sent)
{
	struct result result = stat_of(tag);

	EQ(result.in, sent);
	EQ(result.bad, -1);
	EQ(result.eof, 1);
	EQ(result.err, 0);
}

/* A signal ends the wait, and nothing else. */
TEST_BOTH(gone_linger_interrupted, "close.linger.interrupted")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 reply=0 wait=1 tag=%s", peer_tag(tag));
	size_t sent = stuff(fd);
	long start = now_ms();

	set_linger(fd, 1000);
	tick_start(30, SA_RESTART);
	OK(close(fd));
	tick_stop();
	CHECK(now_ms() - start >= 25);
	CHECK(ticks);
	go(tag, "");
	expect_all(tag, sent);
}

/* It waits for a socket that does not block, as well, until all was taken. */
TEST_BOTH(gone_linger_nonblock, "close.linger.interrupted")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 reply=0 wait=1 tag=%s", peer_tag(tag));
	/* how far the child is: it has closed its own, and said go */
	volatile int *at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	size_t sent = stuff(fd);
	pid_t pid;

	CHECK(at != MAP_FAILED);
	set_linger(fd, 1000);
	set_nonblock(fd, true);
	pid = fork();
	OK(pid);
	if (!pid) {
		alarm(25);
		OK(close(fd));
		*at = 1;
		nap_ms(50);
		*at = 2;
		go(tag, "");
		_exit(0);
	}
	while (*at < 1)
		nap_ms(1);
	OK(close(fd));
	EQ(*at, 2);
	expect_all(tag, sent);
	wait_for(pid);
}

/* What was not read resets it, so there is nothing to wait for. */
TEST_BOTH(gone_linger_unread, "close.unread")
{
	char tag[PEER_TAG];
	int fd = meet("source 100 4 end=hold tag=%s", peer_tag(tag));
	long start;

	await_bytes(fd, 100);
	set_linger(fd, 1000);
	start = now_ms();
	OK(close(fd));
	CHECK(now_ms() - start < LONG_MS);
	EQ(stat_of(tag).err, ECONNRESET);
}

struct exits {
	int fd;
	int seconds;
};

static void exits_with(void *arg)
{
	struct exits *e = arg;

	set_linger(e->fd, e->seconds);
}

/* An exit does not linger, but resets where a close would. */
TEST_BOTH(gone_linger_exit, "close.exit")
{
	char tag[PEER_TAG];
	struct exits e = {
		.fd = meet("sink check=1 reply=0 wait=1 tag=%s", peer_tag(tag)),
		.seconds = 1000,
	};
	size_t sent = stuff(e.fd);
	int gate[2];
	char byte;
	pid_t pid;

	OK(pipe(gate));
	pid = fork();
	OK(pid);
	if (!pid) {
		alarm(25);
		close(gate[1]);
		EQ(read(gate[0], &byte, 1), 0);	/* it has the last descriptor */
		exits_with(&e);
		_exit(0);
	}
	OK(close(e.fd));
	OK(close(gate[1]));
	wait_for(pid);
	go(tag, "");
	expect_all(tag, sent);

	e.fd = meet("echo tag=%s", peer_tag(tag));
	e.seconds = 0;
	pid = child(exits_with, &e);
	wait_for(pid);
	/* only the last to go */
	send_pattern(e.fd, 1, 0, 10);
	recv_pattern(e.fd, 1, 0, 10);
	pid = fork();
	OK(pid);
	if (!pid)
		pause();
	OK(close(e.fd));
	OK(kill(pid, SIGKILL));
	EQ(stat_of(tag).err, ECONNRESET);
}
