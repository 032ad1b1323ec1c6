// SPDX-License-Identifier: GPL-2.0
/*
 * Sets of epoll that test_poll.c has not: one in another, several on a socket, what was there
 * before it was added, what EPOLL_CTL_MOD tells again, and how many are woken.
 */
#include <sys/epoll.h>
#include <unistd.h>

#include "fixture.h"

static void add(int ep, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
}

static void modify(int ep, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	OK(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &event));
}

static int set_of(int fd, uint32_t events)
{
	int ep = OK(epoll_create1(EPOLL_CLOEXEC));

	add(ep, fd, events);
	return ep;
}

/* What the set tells within the time. */
static uint32_t told(int ep, int ms)
{
	struct epoll_event event = { 0 };

	return OK(epoll_wait(ep, &event, 1, ms)) ? event.events : 0;
}

#define QUIET_MS 30	/* for what is not to be told */

/* A set is readable while it has something to tell; so is a set of that. */
TEST_BOTH(epoll_nested, "epoll.nested")
{
	int fd = meet("echo");
	int inner = set_of(fd, EPOLLIN), outer = set_of(inner, EPOLLIN);
	int edge = set_of(inner, EPOLLIN | EPOLLET);

	EQ(told(outer, QUIET_MS), 0);
	EQ(wait_fd(outer, POLLIN, 0), 0);
	send_pattern(fd, 1, 0, 10);
	EQ(told(outer, LONG_MS), EPOLLIN);
	EQ(told(outer, 0), EPOLLIN);
	EQ(told(edge, LONG_MS), EPOLLIN);
	EQ(told(edge, QUIET_MS), 0);
	EQ(wait_fd(outer, POLLIN, LONG_MS), POLLIN);
	EQ(told(inner, 0), EPOLLIN);
	recv_pattern(fd, 1, 0, 10);
	EQ(told(outer, 0), 0);
	EQ(wait_fd(outer, POLLIN, 0), 0);
	send_pattern(fd, 1, 10, 10);
	EQ(told(edge, LONG_MS), EPOLLIN);
	EQ(told(outer, 0), EPOLLIN);
	/* the socket goes, and with it what there is to tell */
	OK(close(fd));
	EQ(told(outer, 0), 0);
	EQ(told(inner, 0), 0);
}

/* Each set of a socket's is told of everything, in its own way. */
TEST_BOTH(epoll_two_sets, "epoll.two")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 1 end=hold wait=1 tag=%s", peer_tag(tag));
	int level = set_of(fd, EPOLLIN | EPOLLRDHUP);
	int edge = set_of(fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
	int once = set_of(fd, EPOLLIN | EPOLLONESHOT), hup = set_of(fd, EPOLLRDHUP);

	go(tag, "");
	EQ(told(level, LONG_MS), EPOLLIN);
	EQ(told(edge, LONG_MS), EPOLLIN);
	EQ(told(once, LONG_MS), EPOLLIN);
	EQ(told(level, 0), EPOLLIN);
	EQ(told(edge, QUIET_MS), 0);
	go(tag, "more=10");
	EQ(told(edge, LONG_MS), EPOLLIN);
	EQ(told(once, QUIET_MS), 0);
	recv_pattern(fd, 1, 0, 20);
	EQ(told(level, 0), 0);
	EQ(told(hup, 0), 0);
	go(tag, "end=fin");
	EQ(told(hup, LONG_MS), EPOLLRDHUP);
	EQ(told(level, LONG_MS), EPOLLIN | EPOLLRDHUP);
	EQ(told(edge, LONG_MS), EPOLLIN | EPOLLRDHUP);
	EQ(told(edge, QUIET_MS), 0);
	EQ(told(once, 0), 0);
}

/* What is there already is told once to an edge-triggered set, too. */
TEST_BOTH(epoll_added_after, "epoll.added-after")
{
	int fd = meet("source 10 1");
	int ep = OK(epoll_create1(EPOLL_CLOEXEC));

	CHECK(wait_fd(fd, POLLRDHUP, LONG_MS) & POLLRDHUP);
	add(ep, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	EQ(told(ep, 0), EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	EQ(told(ep, QUIET_MS), 0);
	OK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	add(ep, fd, EPOLLIN | EPOLLET);
	EQ(told(ep, 0), EPOLLIN);
	recv_pattern(fd, 1, 0, 10);
	OK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	/* nothing but the end is left */
	add(ep, fd, EPOLLIN | EPOLLET | EPOLLONESHOT);
	EQ(told(ep, 0), EPOLLIN);
	EQ(told(ep, 0), 0);
}

TEST(epoll_listener_added_after, "epoll.added-after")
{
	unsigned int port;
	int fd = listener(&port);
	int ep = OK(epoll_create1(EPOLL_CLOEXEC));

	call(port, "echo");
	CHECK(wait_fd(fd, POLLIN, LONG_MS) & POLLIN);
	add(ep, fd, EPOLLIN | EPOLLET);
	EQ(told(ep, 0), EPOLLIN);
	EQ(told(ep, QUIET_MS), 0);
	modify(ep, fd, EPOLLIN | EPOLLET);
	EQ(told(ep, 0), EPOLLIN);
	OK(close(accept_one(fd)));
	modify(ep, fd, EPOLLIN | EPOLLET);
	EQ(told(ep, QUIET_MS), 0);
	call(port, "echo");
	EQ(told(ep, LONG_MS), EPOLLIN);
}

/* EPOLL_CTL_MOD looks at the socket anew, whatever was told before. */
TEST_BOTH(epoll_modified, "epoll.mod")
{
	char tag[PEER_TAG];
	int fd = meet("sink wait=1 tag=%s", peer_tag(tag));
	int ep = set_of(fd, EPOLLIN | EPOLLET);

	EQ(told(ep, 0), 0);
	modify(ep, fd, EPOLLOUT | EPOLLET);
	EQ(told(ep, 0), EPOLLOUT);
	EQ(told(ep, QUIET_MS), 0);
	modify(ep, fd, EPOLLOUT | EPOLLET);
	EQ(told(ep, 0), EPOLLOUT);
	modify(ep, fd, EPOLLOUT | EPOLLONESHOT);
	EQ(told(ep, 0), EPOLLOUT);
	EQ(told(ep, 0), 0);
	modify(ep, fd, EPOLLOUT | EPOLLONESHOT);
	EQ(told(ep, 0), EPOLLOUT);
	/* full: it is told of the room, though MOD came when there was none */
	fill(fd);
	modify(ep, fd, EPOLLIN | EPOLLOUT | EPOLLET);
	EQ(told(ep, QUIET_MS), 0);
	go(tag, "");
	EQ(told(ep, LONG_MS), EPOLLOUT);
	OK(shutdown(fd, SHUT_WR));
	answer_of(fd);
	expect_eof(fd);
	modify(ep, fd, EPOLLIN | EPOLLET);
	EQ(told(ep, 0), EPOLLIN | EPOLLHUP);
	/* the end of both ways is told to who wants nothing, too */
	modify(ep, fd, 0);
	EQ(told(ep, 0), EPOLLHUP);
}

TEST_BOTH(epoll_modified_unread, "epoll.mod")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 1 end=hold tag=%s", peer_tag(tag));
	int ep = set_of(fd, EPOLLIN | EPOLLET);

	EQ(told(ep, LONG_MS), EPOLLIN);
	EQ(told(ep, QUIET_MS), 0);
	modify(ep, fd, EPOLLIN | EPOLLET);
	EQ(told(ep, 0), EPOLLIN);
	modify(ep, fd, EPOLLIN | EPOLLONESHOT);
	EQ(told(ep, 0), EPOLLIN);
	go(tag, "more=10");
	await_bytes(fd, 20);
	EQ(told(ep, 0), 0);
	modify(ep, fd, EPOLLIN | EPOLLONESHOT);
	EQ(told(ep, 0), EPOLLIN);
	modify(ep, fd, EPOLLIN);
	EQ(told(ep, 0), EPOLLIN);
	EQ(told(ep, 0), EPOLLIN);
	recv_pattern(fd, 1, 0, 20);
	EQ(told(ep, 0), 0);
}

/* ---- EPOLLEXCLUSIVE ---- */

#define SLEEPERS 8

struct sleeper {
	int ep;
	volatile pid_t tid;
	pthread_t thread;
};

static int awake;

static void *sleeps(void *arg)
{
	struct sleeper *s = arg;

	s->tid = gettid();
	if (told(s->ep, LONG_MS) == EPOLLIN)
		__atomic_fetch_add(&awake, 1, __ATOMIC_RELAXED);
	return NULL;
}

static int count_awake(void)
{
	return __atomic_load_n(&awake, __ATOMIC_RELAXED);
}

/* So many are awake, and stay alone. */
static void expect_awake(int want)
{
	long until = now_ms() + LONG_MS;

	while (count_awake() < want && now_ms() < until)
		nap_ms(1);
	nap_ms(QUIET_MS);
	EQ(count_awake(), want);
}

/* As many are woken as connections come, of those who each have a set of their own. */
TEST(epoll_exclusive_counted, "epoll.exclusive")
{
	static struct sleeper sleeper[SLEEPERS];
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	unsigned int port;
	int fd = listener(&port);
	int i, all;

	for (i = 0; i < SLEEPERS; i++) {
		sleeper[i].ep = set_of(fd, EPOLLIN | EPOLLEXCLUSIVE);
		OK(-pthread_create(&sleeper[i].thread, NULL, sleeps, &sleeper[i]));
	}
	for (i = 0; i < SLEEPERS; i++) {
		while (!sleeper[i].tid)
			nap_ms(1);
		await_sleep(getpid(), sleeper[i].tid);
	}
	call(port, "echo");
	expect_awake(1);
	call(port, "echo");
	expect_awake(2);
	/* one that is not exclusive is told beside them */
	all = set_of(fd, EPOLLIN | EPOLLET);
	EQ(told(all, 0), EPOLLIN);
	call(port, "echo");
	EQ(told(all, LONG_MS), EPOLLIN);
	expect_awake(3);
	FAILS(epoll_ctl(sleeper[0].ep, EPOLL_CTL_MOD, fd, &event), EINVAL);
	for (i = 0; i < 3; i++)
		OK(close(accept_one(fd)));
	call_many(port, SLEEPERS - 3, "echo");
	for (i = 0; i < SLEEPERS; i++)
		OK(-pthread_join(sleeper[i].thread, NULL));
	EQ(count_awake(), SLEEPERS);
}
