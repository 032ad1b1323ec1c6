// SPDX-License-Identifier: GPL-2.0
/*
 * The model of TCP: what a call answers in a state, and the state after it.
 *
 * Each rule is one call of the kernel's native TCP, read from its source and
 * proved by running it: mnmodel --family native. Only calls that do not wait
 * are here; one that waits answers what the rule says once all has arrived.
 */
#include <errno.h>
#include <poll.h>

#include "mnmodel.h"

/* The connection is none any more: tcp_done(). */
static void over(struct state *s)
{
	s->tcp = CLOSED;
	s->shut = SHUT_BOTH;
	s->port = 0;
}

bool rule_unsure(const struct state *s)
{
	return s->sure != s->told || s->fin_told || s->rst_told;
}

void rule_arrive(struct state *s)
{
	s->sure = s->told;
	if (s->fin_told) {
		s->done = true;
		s->shut |= SHUT_READ;
		if (s->tcp == FIN_SENT)
			over(s);
		else
			s->tcp = FIN_GOT;
	}
	if (s->rst_told && s->tcp != CLOSED) {
		s->err = s->tcp == FIN_GOT ? EPIPE : ECONNRESET;
		over(s);
	}
	s->fin_told = false;
	s->rst_told = false;
}

static long take_error(struct state *s)
{
	int err = s->err;

	s->err = 0;
	return -err;
}

long rule_recv(struct state *s, size_t len, bool peek)
{
	size_t there = s->sure - s->rx;

	if (s->tcp == LISTENING)
		return -ENOTCONN;
	if (there) {
		if (there > len)
			there = len;
		if (!peek)
			s->rx += there;
		return there;
	}
	if (s->done)
		return 0;
	if (s->err)
		return take_error(s);
	if (s->shut & SHUT_READ)
		return 0;
	return s->tcp == CLOSED ? -ENOTCONN : -EAGAIN;
}

long rule_send(struct state *s, size_t len)
{
	if (s->err)
		return take_error(s);
	if (s->tcp == SYN_SENT)
		return -EAGAIN;
	if ((s->tcp != ESTABLISHED && s->tcp != FIN_GOT) || s->shut & SHUT_WRITE)
		return -EPIPE;
	s->tx += len;
	return len;
}

long rule_poll(struct state *s, int low_water, bool child)
{
	long mask = 0;

	if (s->tcp == LISTENING)
		return child ? POLLIN | POLLRDNORM : 0;
	if (s->shut == SHUT_BOTH || s->tcp == CLOSED)
		mask |= POLLHUP;
	if (s->shut & SHUT_READ)
		mask |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (s->tcp != SYN_SENT) {
		if (s->sure - s->rx >= (uint64_t)low_water)
			mask |= POLLIN | POLLRDNORM;
		mask |= POLLOUT | POLLWRNORM;
	}
	if (s->err)
		mask |= POLLERR;
	return mask;
}

long rule_error(struct state *s)
{
	return -take_error(s);
}

long rule_inq(struct state *s)
{
	return s->tcp == LISTENING ? -EINVAL : (long)(s->sure - s->rx);
}

/* tcp_disconnect(); what is the peer's is the caller's to look after. */
long rule_disconnect(struct state *s)
{
	if (s->tcp != CLOSED) {
		if (s->tcp != LISTENING)
			s->err = ECONNRESET;
		s->port = 0;
	}
	s->tcp = CLOSED;
	s->asked = UNCONNECTED;
	s->shut = 0;
	s->done = false;
	s->rx = s->sure;
	s->told = s->sure;
	return 0;
}

/* -EINPROGRESS: a SYN is sent. */
long rule_connect(struct state *s)
{
	long ret;

	switch (s->asked) {
	case CONNECTED:
		return -EISCONN;
	case DISCONNECTING:
		return -EINVAL;
	case UNCONNECTED:
		if (s->tcp != CLOSED)
			return -EISCONN;
		s->tcp = SYN_SENT;
		s->asked = CONNECTING;
		s->err = 0;
		s->done = false;
		return -EINPROGRESS;
	case CONNECTING:
		break;
	}
	if (s->tcp == SYN_SENT)
		return -EALREADY;
	if (s->tcp == CLOSED) {
		ret = s->err ? take_error(s) : -ECONNABORTED;
		rule_disconnect(s);
		return ret;
	}
	s->asked = CONNECTED;
	return 0;
}

long rule_shutdown(struct state *s, int how)
{
	unsigned int bits = how + 1;

	if (s->asked == CONNECTING)
		s->asked = s->tcp == SYN_SENT || s->tcp == CLOSED ?
			   DISCONNECTING : CONNECTED;
	switch (s->tcp) {
	case CLOSED:
		s->shut |= bits;
		return -ENOTCONN;
	case LISTENING:
		if (bits & SHUT_READ)
			rule_disconnect(s);
		return 0;
	case SYN_SENT:
		return rule_disconnect(s);
	default:
		break;
	}
	s->shut |= bits;
	if (!(bits & SHUT_WRITE))
		return 0;
	if (s->tcp == ESTABLISHED)
		s->tcp = FIN_SENT;
	else if (s->tcp == FIN_GOT)
		over(s);
	return 0;
}

long rule_bind(struct state *s)
{
	return s->tcp != CLOSED || s->port ? -EINVAL : 0;
}

long rule_listen(struct state *s)
{
	if (s->asked != UNCONNECTED || (s->tcp != CLOSED && s->tcp != LISTENING))
		return -EINVAL;
	s->tcp = LISTENING;
	return 0;
}

long rule_peer_name(struct state *s)
{
	return s->tcp == CLOSED || s->tcp == SYN_SENT || s->tcp == LISTENING ?
	       -ENOTCONN : 0;
}
