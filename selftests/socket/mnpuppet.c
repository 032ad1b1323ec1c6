// SPDX-License-Identifier: GPL-2.0
/*
 * mnpuppet: the remote peer of the socket tests, a server on native TCP.
 *
 *	mnpuppet [-p PORT] [-b ADDR]... [-d] [-v]
 *
 * Listens on ADDR (several allowed; default 0.0.0.0 and ::) at PORT (4242),
 * prints "listening PORT" when it does, -d: then goes to the background.
 * Whoever connects sends one line saying what this connection, or another, is
 * to do; puppet_command.c has the language.
 *
 * This file owns the loop: one thread, level-triggered epoll, timers found by
 * walking the connections when one has a timer at all. A connection that ends
 * inside a round is freed after it, so that events of the same round that
 * name it find it marked dead.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "puppet.h"

static struct conn all = { .next = &all, .prev = &all };
static struct conn *graveyard;
static unsigned int timers;
static int loop_fd;
static bool verbose;

struct conn *conn_first(void)
{
	return all.next == &all ? NULL : all.next;
}

struct conn *conn_after(struct conn *c)
{
	return c->next == &all ? NULL : c->next;
}

struct conn *conn_by_tag(const char *tag)
{
	struct conn *c;

	for (c = conn_first(); c; c = conn_after(c))
		if (!c->dead && !strcmp(c->plan.tag, tag))
			return c;
	return NULL;
}

struct conn *conn_new(int fd, void (*ready)(struct conn *c, uint32_t events))
{
	struct epoll_event event = { 0 };
	struct conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->fd = fd;
	c->ready = ready;
	c->bad = -1;
	c->aux[0] = -1;
	c->aux[1] = -1;
	sum_init(&c->sum);
	event.data.ptr = c;
	if (epoll_ctl(loop_fd, EPOLL_CTL_ADD, fd, &event)) {
		close(fd);
		free(c);
		return NULL;
	}
	c->prev = all.prev;
	c->next = &all;
	all.prev->next = c;
	all.prev = c;
	return c;
}

void conn_want(struct conn *c, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = c };

	if (c->dead || c->events == events)
		return;
	c->events = events;
	epoll_ctl(loop_fd, EPOLL_CTL_MOD, c->fd, &event);
}

void conn_wake_in(struct conn *c, long ms)
{
	long at = now_ms() + ms;

	if (!c->wake_at)
		timers++;
	else if (c->wake_at < at)
		return;
	c->wake_at = at;
}

static void conn_sleep(struct conn *c)
{
	if (c->wake_at)
		timers--;
	c->wake_at = 0;
}

void conn_end(struct conn *c, bool reset)
{
	int i;

	if (c->dead)
		return;
	c->dead = true;
	conn_sleep(c);
	if (verbose) {
		char text[256];

		result_text(c, text, sizeof(text));
		fprintf(stderr, "end '%s' %s\n", c->plan.tag, text);
	}
	if (c->plan.tag[0])
		result_keep(c);
	if (reset) {
		struct linger linger = { .l_onoff = 1 };

		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger,
			   sizeof(linger));
	}
	/* by hand: a duplicate would keep a closed descriptor's entry alive */
	epoll_ctl(loop_fd, EPOLL_CTL_DEL, c->fd, NULL);
	close(c->fd);
	for (i = 0; i < 2; i++) {
		if (c->aux[i] < 0)
			continue;
		/* ends the listener that "full" became as well */
		shutdown(c->aux[i], SHUT_RDWR);
		close(c->aux[i]);
	}
	if (c->caller)
		call_over(c);
	if (c->calls)
		call_forget(c);
	c->prev->next = c->next;
	c->next->prev = c->prev;
	c->next = graveyard;
	graveyard = c;
}

static void bury(void)
{
	while (graveyard) {
		struct conn *c = graveyard;

		graveyard = c->next;
		free(c->pending);
		free(c->calls);
		free(c);
	}
}

void listener_ready(struct conn *listener, uint32_t events)
{
	int budget = 64;

	(void)events;
	while (budget--) {
		int fd = accept4(listener->fd, NULL, NULL,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct conn *c;

		if (fd < 0) {
			if (errno == EINVAL)
				conn_end(listener, false);
			return;
		}
		c = conn_new(fd, command_ready);
		if (c)
			conn_want(c, EPOLLIN);
	}
}

static long run_timers(void)
{
	struct conn *c, *next;
	long now = now_ms();
	long left = -1;

	if (!timers)
		return -1;
	for (c = conn_first(); c; c = next) {
		next = conn_after(c);
		if (c->wake_at && c->wake_at <= now) {
			conn_sleep(c);
			c->ready(c, 0);
			/* anything may have ended meanwhile: start over */
			return 0;
		}
		if (c->wake_at && (left < 0 || c->wake_at - now < left))
			left = c->wake_at - now;
	}
	return left;
}

static void run(void)
{
	struct epoll_event events[128];

	for (;;) {
		long left = run_timers();
		int n = epoll_wait(loop_fd, events, 128, left);
		int i;

		for (i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (!c->dead)
				c->ready(c, events[i].events);
		}
		bury();
	}
}

static bool listen_on(const char *host, unsigned int port)
{
	struct conn *c;
	union addr addr;
	int on = 1;
	int fd;

	if (!addr_parse(&addr, host, port)) {
		fprintf(stderr, "mnpuppet: %s: not an address\n", host);
		return false;
	}
	fd = socket(addr.sa.sa_family,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		goto failed;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (addr.sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &addr.sa, addr_len(&addr)) || listen(fd, 4096))
		goto failed;
	c = conn_new(fd, listener_ready);
	if (!c)
		return false;
	conn_want(c, EPOLLIN);
	return true;
failed:
	fprintf(stderr, "mnpuppet: cannot listen on %s port %u: %s\n", host,
		port, strerror(errno));
	if (fd >= 0)
		close(fd);
	return false;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: mnpuppet [-p PORT] [-b ADDR]... [-d] [-v]\n"
		"  -p PORT  listen there (4242)\n"
		"  -b ADDR  on this address only; may be given several times\n"
		"  -d       go to the background once it listens\n"
		"  -v       print every connection's result\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *hosts[16];
	unsigned int port = 4242;
	bool background = false;
	int count = 0;
	int opt, i;

	while ((opt = getopt(argc, argv, "p:b:dv")) != -1) {
		switch (opt) {
		case 'p':
			port = atoi(optarg);
			break;
		case 'b':
			if (count == 16)
				return usage();
			hosts[count++] = optarg;
			break;
		case 'd':
			background = true;
			break;
		case 'v':
			verbose = true;
			break;
		default:
			return usage();
		}
	}
	if (optind != argc || !port || port > 65535)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	raise_fd_limit();
	loop_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop_fd < 0) {
		perror("mnpuppet: epoll_create1");
		return 1;
	}
	for (i = 0; i < count; i++)
		if (!listen_on(hosts[i], port))
			return 1;
	if (!count) {
		if (!listen_on("0.0.0.0", port))
			return 1;
		/* a machine without IPv6 is still of use */
		listen_on("::", port);
	}
	printf("listening %u\n", port);
	fflush(stdout);
	if (background && daemon(0, verbose))
		return 1;
	run();
	return 0;
}
