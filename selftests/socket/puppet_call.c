// SPDX-License-Identifier: GPL-2.0
/*
 * Connections mnpuppet makes, refuses or swallows on request.
 *
 * "call": the asking connection (the caller) owns a struct calls and keeps up
 * to "par" connections being made; with seq=1 the next is made when the last
 * is over, with report=1 the answer waits until all are over. A child knows
 * its caller until either of them ends.
 *
 * "full": a listener with backlog 0 and one connection in its queue: the
 * kernel drops every further SYN, so whoever connects waits, until "go" makes
 * it an ordinary listener. "closed": a bound port without a listener, so
 * nobody else gets it and every SYN is refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "puppet.h"

struct calls {
	union addr to;
	struct plan plan;
	unsigned int left;		/* still to make */
	unsigned int pending;		/* being made */
	unsigned int open;		/* made and not over */
	unsigned int par;
	bool seq, report, answered;
	unsigned int called, failed;
	int err;
	uint64_t in, out;
	unsigned int bad, broken;	/* children with wrong bytes, an errno */
	union addr local;		/* of the last one made */
};

static void answer(struct conn *caller)
{
	struct calls *k = caller->calls;
	char line[256], host[ADDR_TEXT];
	int n;

	n = snprintf(line, sizeof(line),
		     "called=%u failed=%u err=%d addr=%s port=%u in=%llu out=%llu bad=%u broken=%u\n",
		     k->called, k->failed, k->err,
		     addr_text(&k->local, host), addr_port(&k->local),
		     (unsigned long long)k->in, (unsigned long long)k->out,
		     k->bad, k->broken);
	k->answered = true;
	stream_start(caller);
	if (!caller->dead)
		stream_say(caller, line, n);
}

/* A child ended, connected or not. */
void call_over(struct conn *child)
{
	struct conn *caller = child->caller;
	struct calls *k = caller->calls;

	child->caller = NULL;
	k->open--;
	k->in += child->in;
	k->out += child->out;
	k->bad += child->bad >= 0;
	k->broken += !!child->err;
	/* not from here: the caller may be the one that is ending */
	if (!caller->dead && !k->answered)
		conn_wake_in(caller, 0);
}

void call_forget(struct conn *caller)
{
	struct conn *c;

	for (c = conn_first(); c; c = conn_after(c))
		if (c->caller == caller)
			c->caller = NULL;
}

static void child_ready(struct conn *c, uint32_t events)
{
	struct calls *k = c->caller ? c->caller->calls : NULL;
	socklen_t len = sizeof(c->err);

	(void)events;
	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &c->err, &len);
	if (k) {
		k->pending--;
		if (c->err) {
			k->failed++;
			k->err = c->err;
		} else {
			k->called++;
			len = sizeof(k->local);
			getsockname(c->fd, &k->local.sa, &len);
		}
		conn_wake_in(c->caller, 0);
	}
	if (c->err)
		conn_end(c, false);
	else
		stream_start(c);
}

static void call_one(struct conn *caller)
{
	struct calls *k = caller->calls;
	struct conn *c;
	int fd;

	k->left--;
	fd = socket(k->to.sa.sa_family,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, &k->to.sa, addr_len(&k->to)) &&
	    errno != EINPROGRESS) {
		k->err = errno;
		close(fd);
		fd = -1;
	} else if (fd < 0) {
		k->err = errno;
	}
	c = fd < 0 ? NULL : conn_new(fd, child_ready);
	if (!c) {
		k->failed++;
		return;
	}
	c->plan = k->plan;
	c->caller = caller;
	k->pending++;
	k->open++;
	conn_want(c, EPOLLOUT);
}

static void calls_step(struct conn *caller)
{
	struct calls *k = caller->calls;

	while (k->left && k->pending < k->par && !(k->seq && k->open))
		call_one(caller);
	if (k->answered || k->left || k->pending)
		return;
	if ((k->report || k->seq) && k->open)
		return;
	answer(caller);
}

static void caller_ready(struct conn *c, uint32_t events)
{
	if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))
		conn_end(c, false);
	else
		calls_step(c);
}

void call_start(struct conn *c, char *words)
{
	char *behaviour = strstr(words, "-- ");
	const char *why = "call: ADDR PORT COUNT ... -- NAME ...";
	unsigned int port = 0, count = 1;
	char host[ADDR_TEXT] = "";
	socklen_t len = sizeof(union addr);
	struct calls *k;

	k = calloc(1, sizeof(*k));
	c->calls = k;
	if (!k || !behaviour ||
	    sscanf(words, "%63s %u %u", host, &port, &count) < 2)
		goto bad;
	*behaviour = 0;
	if (!plan_parse(&k->plan, behaviour + 3, &why))
		goto bad;
	k->par = 16;
	if (strstr(words, " par="))
		k->par = atoi(strstr(words, " par=") + 5);
	k->seq = strstr(words, " seq=1");
	k->report = strstr(words, " report=1");
	k->left = count;
	if (!strcmp(host, "-"))
		getpeername(c->fd, &k->to.sa, &len);
	else if (!addr_parse(&k->to, host, 0))
		goto bad;
	addr_set_port(&k->to, port);
	c->ready = caller_ready;
	conn_want(c, EPOLLRDHUP);
	calls_step(c);
	return;
bad:
	free(c->calls);
	c->calls = NULL;
	stream_start(c);
	if (c->dead)
		return;
	if (stream_say(c, "error ", 6) && stream_say(c, why, strlen(why)))
		stream_say(c, "\n", 1);
}

static bool bind_beside(struct conn *c, int slot, union addr *addr)
{
	socklen_t len = sizeof(*addr);
	int fd;

	getsockname(c->fd, &addr->sa, &len);
	addr_set_port(addr, 0);
	fd = socket(addr->sa.sa_family,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	c->aux[slot] = fd;
	if (fd < 0 || bind(fd, &addr->sa, addr_len(addr)))
		return false;
	len = sizeof(*addr);
	return !getsockname(fd, &addr->sa, &len);
}

static void say_port(struct conn *c, bool good, const union addr *addr)
{
	char line[64];
	int n;

	n = good ? snprintf(line, sizeof(line), "port=%u\n", addr_port(addr)) :
		   snprintf(line, sizeof(line), "error %d\n", errno);
	stream_start(c);
	if (!c->dead)
		stream_say(c, line, n);
}

void full_start(struct conn *c)
{
	union addr addr;
	bool good;

	good = bind_beside(c, 0, &addr) && !listen(c->aux[0], 0);
	if (good) {
		/* on the same machine this is complete when it returns */
		c->aux[1] = socket(addr.sa.sa_family,
				   SOCK_STREAM | SOCK_CLOEXEC, 0);
		good = c->aux[1] >= 0 &&
		       !connect(c->aux[1], &addr.sa, addr_len(&addr));
	}
	say_port(c, good, &addr);
}

/* The listener lives on as a connection of its own, until the asker ends. */
void full_drain(struct conn *c)
{
	int fd = dup(c->aux[0]);
	struct conn *listener;

	if (fd < 0 || listen(fd, 128))
		return;
	listener = conn_new(fd, listener_ready);
	if (!listener)
		return;
	conn_want(listener, EPOLLIN);
}

void closed_start(struct conn *c)
{
	union addr addr;

	/* in the slot that "go" does not look at */
	say_port(c, bind_beside(c, 1, &addr), &addr);
}
