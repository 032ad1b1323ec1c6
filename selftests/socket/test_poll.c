// SPDX-License-Identifier: GPL-2.0
/*
 * poll(), select() and epoll: which events are there, and when they wake.
 * Exact sets, since programs look at all of them.
 */
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include "fixture.h"

#define EVERY (POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM)

static int events_of(int fd)
{
	return wait_fd(fd, EVERY, 0);
}

/* Waits until all of @want are there, then compares the whole set. */
static void expect_events(const char *file, int line, int fd, int want)
{
	long until = now_ms() + LONG_MS;
	int got;

	do {
		got = events_of(fd);
		if ((got & want) == want)
			break;
		nap_ms(2);
	} while (now_ms() < until);
	if (got != want)
		tap_fail(file, line, "events %#x, wanted %#x", got, want);
}

#define EVENTS(fd, want) expect_events(__FILE__, __LINE__, fd, want)
#define IN (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)

TEST_FOR(poll_fresh, LOCAL, 0, "poll.new")
{
	EVENTS(fresh(), OUT | POLLHUP);
}

TEST_BOTH(poll_readable, "poll.in")
{
	int fd = meet("echo");

	EVENTS(fd, OUT);
	send_pattern(fd, 1, 0, 10);
	EVENTS(fd, OUT | IN);
	recv_pattern(fd, 1, 0, 9);
	EVENTS(fd, OUT | IN);
	recv_pattern(fd, 1, 9, 1);
	EVENTS(fd, OUT);
}

TEST_BOTH(poll_writable, "poll.out")
{
	char tag[PEER_TAG];
	int fd = meet("sink wait=1 tag=%s", peer_tag(tag));

	EVENTS(fd, OUT);
	fill(fd);
	EVENTS(fd, 0);
	go(tag, "");
	EVENTS(fd, OUT);
}

TEST_BOTH(poll_peer_finished, "poll.hup")
{
	int fd = meet("source 10 1");

	EVENTS(fd, OUT | IN | POLLRDHUP);
	recv_pattern(fd, 1, 0, 10);
	EVENTS(fd, OUT | IN | POLLRDHUP);
	expect_eof(fd);
	EVENTS(fd, OUT | IN | POLLRDHUP);
	OK(shutdown(fd, SHUT_WR));
	EVENTS(fd, OUT | IN | POLLRDHUP | POLLHUP);
}

TEST_BOTH(poll_we_finished, "poll.hup")
{
	int fd = meet("sink");

	OK(shutdown(fd, SHUT_WR));
	CHECK(wait_fd(fd, POLLIN, LONG_MS) & POLLIN);
	answer_of(fd);
	expect_eof(fd);
	EVENTS(fd, OUT | IN | POLLRDHUP | POLLHUP);
}

TEST_BOTH(poll_half_closed, "poll.hup")
{
	int fd = meet("never-read");

	OK(shutdown(fd, SHUT_RD));
	EVENTS(fd, OUT | IN | POLLRDHUP);
	fd = meet("sink read=none end=hold wait=1");
	OK(shutdown(fd, SHUT_WR));
	EVENTS(fd, OUT);
}

TEST_BOTH(poll_reset, "poll.err")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	char byte;

	go(tag, "");
	EVENTS(fd, OUT | IN | POLLRDHUP | POLLHUP | POLLERR);
	FAILS(recv(fd, &byte, 1, 0), ECONNRESET);
	EVENTS(fd, OUT | IN | POLLRDHUP | POLLHUP);
}

/* A poller asleep is woken by each of: data, end of stream, reset, room. */
static void expect_wake(const char *words, const char *more, short events,
			short want)
{
	char tag[PEER_TAG];
	int fd = meet("%s wait=1 tag=%s", words, peer_tag(tag));
	pid_t pid;
	int got;

	if (events & POLLOUT)
		fill(fd);
	pid = fork();
	OK(pid);
	if (!pid) {
		alarm(25);
		nap_ms(50);
		go(tag, more);
		_exit(0);
	}
	got = wait_fd(fd, events, LONG_MS);
	if ((got & want) != want)
		FAIL("%s: woke with %#x, wanted %#x", words, got, want);
	wait_for(pid);
}

TEST_BOTH(poll_wakes, "poll.wake")
{
	expect_wake("source 10 1 end=hold", "", POLLIN, POLLIN);
	expect_wake("fin-first", "", POLLRDHUP, POLLRDHUP);
	expect_wake("fin-first", "", POLLIN, POLLIN);
	expect_wake("rst", "", 0, POLLERR | POLLHUP);
	expect_wake("sink", "", POLLOUT, POLLOUT);
}

TEST_BOTH(poll_select, "select")
{
	struct timeval none = { 0, 0 }, some = { LONG_MS / 1000, 0 };
	int fd = meet("echo");
	fd_set in, out, except;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	FD_SET(fd, &except);
	EQ(select(fd + 1, &in, &out, &except, &none), 1);
	CHECK(FD_ISSET(fd, &out));
	send_pattern(fd, 1, 0, 10);
	FD_SET(fd, &in);
	EQ(select(fd + 1, &in, NULL, NULL, &some), 1);
	CHECK(FD_ISSET(fd, &in));
}

static int epoll_with(int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	int ep = OK(epoll_create1(EPOLL_CLOEXEC));

	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	return ep;
}

static uint32_t epoll_events(int ep, int ms)
{
	struct epoll_event event = { 0 };
	int n = OK(epoll_wait(ep, &event, 1, ms));

	return n ? event.events : 0;
}

TEST_BOTH(poll_epoll_level, "epoll.level")
{
	int fd = meet("echo");
	int ep = epoll_with(fd, EPOLLIN);

	EQ(epoll_events(ep, SHORT_MS), 0);
	send_pattern(fd, 1, 0, 10);
	EQ(epoll_events(ep, LONG_MS), EPOLLIN);
	EQ(epoll_events(ep, 0), EPOLLIN);
	recv_pattern(fd, 1, 0, 5);
	EQ(epoll_events(ep, 0), EPOLLIN);
	recv_pattern(fd, 1, 5, 5);
	EQ(epoll_events(ep, 0), 0);
}

TEST_BOTH(poll_epoll_edge, "epoll.edge")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 1 end=hold wait=1 tag=%s", peer_tag(tag));
	int ep = epoll_with(fd, EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP);

	EQ(epoll_events(ep, LONG_MS), EPOLLOUT);
	EQ(epoll_events(ep, SHORT_MS), 0);
	go(tag, "");
	EQ(epoll_events(ep, LONG_MS) & EPOLLIN, EPOLLIN);
	/* unread, but nothing new */
	EQ(epoll_events(ep, SHORT_MS), 0);
	go(tag, "more=10");
	EQ(epoll_events(ep, LONG_MS) & EPOLLIN, EPOLLIN);
	recv_pattern(fd, 1, 0, 20);
	EQ(epoll_events(ep, SHORT_MS) & EPOLLIN, 0);
	go(tag, "end=fin");
	EQ(epoll_events(ep, LONG_MS) & (EPOLLIN | EPOLLRDHUP),
	   EPOLLIN | EPOLLRDHUP);
	EQ(epoll_events(ep, SHORT_MS), 0);
}

TEST_BOTH(poll_epoll_edge_writable, "epoll.edge.out")
{
	char tag[PEER_TAG];
	int fd = meet("sink wait=1 tag=%s", peer_tag(tag));
	int ep = epoll_with(fd, EPOLLOUT | EPOLLET);

	EQ(epoll_events(ep, LONG_MS), EPOLLOUT);
	fill(fd);
	while (epoll_events(ep, SHORT_MS))
		;
	go(tag, "");
	EQ(epoll_events(ep, LONG_MS), EPOLLOUT);
}

TEST_BOTH(poll_epoll_oneshot, "epoll.oneshot")
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };
	int fd = meet("echo");
	int ep = epoll_with(fd, EPOLLIN | EPOLLONESHOT);

	send_pattern(fd, 1, 0, 10);
	EQ(epoll_events(ep, LONG_MS), EPOLLIN);
	send_pattern(fd, 1, 10, 10);
	EQ(epoll_events(ep, SHORT_MS), 0);
	OK(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &event));
	EQ(epoll_events(ep, LONG_MS), EPOLLIN);
}

TEST_BOTH(poll_epoll_reset, "epoll.err")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	int ep = epoll_with(fd, 0);

	EQ(epoll_events(ep, SHORT_MS), 0);
	go(tag, "");
	EQ(epoll_events(ep, LONG_MS), EPOLLERR | EPOLLHUP);
}

/* As event loops do: into epoll first, connected later. */
TEST(poll_epoll_before_connect, "epoll.connect")
{
	int fd = fresh_nonblock();
	int ep = epoll_with(fd, EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP);
	const union addr *peer = &tested.peer[tested.v6];
	uint32_t got;

	EQ(epoll_events(ep, 0), EPOLLOUT | EPOLLHUP);
	FAILS(connect(fd, &peer->sa, addr_len(peer)), EINPROGRESS);
	got = epoll_events(ep, LONG_MS);
	EQ(got, EPOLLOUT);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	OK(write_all(fd, "source 10 1\n", 12));
	do
		got = epoll_events(ep, LONG_MS);
	while (got && !(got & EPOLLIN));
	CHECK(got & EPOLLIN);
	recv_pattern(fd, 1, 0, 10);
}

TEST(poll_epoll_connect_refused, "epoll.connect.refused")
{
	int hold, fd = fresh_nonblock();
	unsigned int port = closed_port(&hold);
	int ep;

	FAILS(connect(fd, &peer_at(port)->sa, addr_len(peer_at(port))),
	      EINPROGRESS);
	ep = epoll_with(fd, EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP);
	EQ(epoll_events(ep, LONG_MS), EPOLLIN | EPOLLOUT | EPOLLRDHUP |
	   EPOLLERR | EPOLLHUP);
}

/* A server's loop: edge-triggered listener, accept until EAGAIN. */
TEST(poll_epoll_listener, "epoll.listen")
{
	unsigned int port;
	int fd = listener(&port);
	int ep = epoll_with(fd, EPOLLIN | EPOLLET);
	int left = 20;

	set_nonblock(fd, true);
	call_many(port, left, "echo");
	while (left) {
		EQ(epoll_events(ep, LONG_MS), EPOLLIN);
		while (accept(fd, NULL, NULL) >= 0)
			left--;
		EQ(errno, EAGAIN);
	}
	EQ(epoll_events(ep, SHORT_MS), 0);
	call(port, "echo");
	EQ(epoll_events(ep, LONG_MS), EPOLLIN);
}

static void accept_exclusive(void *arg)
{
	int *fd = arg;
	int ep = epoll_with(*fd, EPOLLIN | EPOLLEXCLUSIVE);
	int conn;

	for (;;) {
		EQ(epoll_events(ep, 20000), EPOLLIN);
		conn = accept(*fd, NULL, NULL);
		if (conn >= 0)
			break;
		EQ(errno, EAGAIN);
	}
	send_pattern(conn, 1, 0, 10);
	recv_pattern(conn, 1, 0, 10);
}

TEST(poll_epoll_exclusive, "epoll.exclusive")
{
	unsigned int port;
	int fd = listener(&port);
	pid_t pid[4];
	int i;

	set_nonblock(fd, true);
	for (i = 0; i < 4; i++)
		pid[i] = child(accept_exclusive, &fd);
	for (i = 0; i < 4; i++)
		call(port, "echo");
	for (i = 0; i < 4; i++)
		wait_for(pid[i]);
}

/* Closing takes it out of the set; a duplicate keeps it in. */
TEST_BOTH(poll_epoll_closed, "epoll.close")
{
	int fd = meet("echo");
	int ep = epoll_with(fd, EPOLLOUT);
	int copy = OK(dup(fd));

	EQ(epoll_events(ep, LONG_MS), EPOLLOUT);
	OK(close(fd));
	EQ(epoll_events(ep, LONG_MS), EPOLLOUT);
	OK(close(copy));
	EQ(epoll_events(ep, SHORT_MS), 0);
}
