// SPDX-License-Identifier: GPL-2.0
/*
 * The engine that carries out a plan on one connection.
 *
 * Every event or timer runs stream_ready(): read what the plan wants read,
 * send what it wants sent, see whether the connection is over, then tell
 * epoll what to wait for. Reading and sending have a budget, so that one
 * connection cannot keep the others from their turn. Bytes the socket did not
 * take (echo, answers) wait in c->pending; pattern bytes need no buffer, they
 * are made again from their position.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "puppet.h"

#define PIECE 65536
#define BUDGET 16

static char scratch[PIECE];

unsigned int stream_segs(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return 0;
	return info.tcpi_data_segs_in;
}

static bool fail(struct conn *c, int err)
{
	c->err = err;
	conn_end(c, false);
	return false;
}

bool stream_say(struct conn *c, const char *text, size_t len)
{
	size_t held = c->pending_to - c->pending_from;

	if (held + len > c->pending_size) {
		char *more = malloc(held + len);

		if (!more)
			return fail(c, ENOMEM);
		memcpy(more, c->pending + c->pending_from, held);
		free(c->pending);
		c->pending = more;
		c->pending_size = held + len;
	} else {
		memmove(c->pending, c->pending + c->pending_from, held);
	}
	c->pending_from = 0;
	c->pending_to = held + len;
	memcpy(c->pending + held, text, len);
	return stream_send(c);
}

/* An echo that waits for more. */
static bool held(const struct conn *c)
{
	return c->plan.late && c->pending && c->next_write > now_ms();
}

static bool send_pending(struct conn *c)
{
	if (held(c)) {
		conn_wake_in(c, c->next_write - now_ms());
		return true;
	}
	while (c->pending_from < c->pending_to) {
		ssize_t n = send(c->fd, c->pending + c->pending_from,
				 c->pending_to - c->pending_from,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			return fail(c, errno);
		c->pending_from += n;
	}
	free(c->pending);
	c->pending = NULL;
	c->pending_size = 0;
	c->pending_from = 0;
	c->pending_to = 0;
	return true;
}

/* How much of the pattern may go now; 0: wait for c->next_write. */
static size_t send_size(struct conn *c)
{
	uint64_t left = c->plan.send - c->out;
	size_t size = PIECE;

	if (c->plan.piece) {
		long wait = c->next_write - now_ms();

		if (wait > 0) {
			conn_wake_in(c, wait);
			return 0;
		}
		size = c->plan.piece < PIECE ? c->plan.piece : PIECE;
	}
	if (c->plan.has_urg && !c->urg_sent && c->out < c->plan.urg &&
	    c->plan.urg - c->out < size)
		size = c->plan.urg - c->out;
	return size < left ? size : left;
}

bool stream_send(struct conn *c)
{
	int budget = BUDGET;

	if (!send_pending(c))
		return false;
	while (!c->pending && budget--) {
		size_t size;
		ssize_t n;

		if (c->plan.has_urg && !c->urg_sent && c->out == c->plan.urg) {
			n = send(c->fd, "!", 1, MSG_OOB | MSG_NOSIGNAL);
			if (n < 0 && errno == EAGAIN)
				return true;
			if (n < 0)
				return fail(c, errno);
			if (c->plan.urg_more) {
				c->plan.urg_more--;
				continue;
			}
			c->urg_sent = true;
		}
		if (c->out >= c->plan.send)
			return true;
		size = send_size(c);
		if (!size)
			return true;
		pattern_fill(c->plan.seed, c->out, scratch, size);
		n = send(c->fd, scratch, size, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			return fail(c, errno);
		c->out += n;
		if (c->plan.piece)
			c->next_write = now_ms() + c->plan.ms;
	}
	return true;
}

static void took(struct conn *c, const char *buf, size_t len)
{
	if (c->plan.check && c->bad < 0) {
		long bad = pattern_check(c->plan.check_seed, c->in, buf, len);

		if (bad >= 0)
			c->bad = c->in + bad;
	}
	sum_add(&c->sum, buf, len);
	c->in += len;
}

/* How much may be read now. */
static size_t read_size(struct conn *c)
{
	size_t size = PIECE;

	if (c->eof || c->plan.read == READ_NONE ||
	    (c->plan.read == READ_ECHO && c->pending && !held(c)))
		return 0;
	if (c->plan.chunk) {
		long wait = c->next_read - now_ms();

		if (wait > 0) {
			conn_wake_in(c, wait);
			return 0;
		}
		size = c->plan.chunk < PIECE ? c->plan.chunk : PIECE;
	}
	if (c->plan.has_after) {
		if (c->in >= c->plan.after)
			return 0;
		if (c->plan.after - c->in < size)
			size = c->plan.after - c->in;
	}
	return size;
}

static bool stream_read(struct conn *c)
{
	int budget = BUDGET;

	while (budget--) {
		size_t size = read_size(c);
		ssize_t n;

		if (!size)
			return true;
		if (c->plan.oob && recv(c->fd, scratch, 1, MSG_OOB) == 1)
			c->oob++;
		n = recv(c->fd, scratch, size, 0);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			return fail(c, errno);
		if (!n) {
			c->eof = true;
			return true;
		}
		took(c, scratch, n);
		if (c->plan.chunk)
			c->next_read = now_ms() + c->plan.ms;
		if (c->plan.read == READ_ECHO) {
			c->out += n;
			c->plan.send = c->out;
			if (c->plan.late && !c->pending)
				c->next_write = now_ms() + c->plan.late;
			if (!stream_say(c, scratch, n))
				return false;
		}
	}
	return true;
}

/* The reset must not overtake what was sent: wait for the peer's ACK. */
static bool all_acknowledged(struct conn *c)
{
	int queued = 0;

	if (ioctl(c->fd, SIOCOUTQ, &queued) || !queued)
		return true;
	conn_wake_in(c, 2);
	return false;
}

static bool finish(struct conn *c, enum ending end)
{
	switch (end) {
	case END_RST:
		if (!all_acknowledged(c))
			return true;
		conn_end(c, true);
		return false;
	case END_CLOSE:
		conn_end(c, false);
		return false;
	case END_FIN:
		if (!c->ended)
			shutdown(c->fd, SHUT_WR);
		c->ended = true;
		return true;
	default:
		return true;
	}
}

/* False when the connection is gone. */
static bool stream_end(struct conn *c)
{
	bool sent = c->out >= c->plan.send && !c->pending &&
		    (!c->plan.has_urg || c->urg_sent);

	if (c->plan.has_after && c->in >= c->plan.after)
		return finish(c, c->plan.then);
	if (!sent)
		return true;
	if (!finish(c, c->plan.end))
		return false;
	/* a reset may wait for the peer's ACK yet */
	if (!c->eof || c->plan.end == END_STAY || c->plan.end == END_RST)
		return true;
	if (c->plan.reply && !c->replied) {
		char text[256];
		size_t len;

		result_text(c, text, sizeof(text) - 1);
		len = strlen(text);
		text[len++] = '\n';
		c->replied = true;
		if (!stream_say(c, text, len))
			return false;
		if (c->pending)
			return true;
	}
	conn_end(c, false);
	return false;
}

static void stream_ready(struct conn *c, uint32_t events)
{
	uint32_t want = 0;

	if (c->plan.wait || c->plan.read == READ_NONE ||
	    (c->eof && (c->plan.end == END_STAY || c->plan.end == END_RST))) {
		int err = 0;
		socklen_t len = sizeof(err);

		if (events & (EPOLLERR | EPOLLHUP)) {
			getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
			fail(c, err);
			return;
		}
		if (c->plan.wait) {
			conn_want(c, 0);
			return;
		}
		if (events & EPOLLRDHUP && c->plan.end != END_STAY)
			c->eof = true;
	}
	if (!stream_send(c) || !stream_read(c) || !stream_send(c) ||
	    !stream_end(c))
		return;

	if (c->plan.read == READ_NONE) {
		if (!c->eof && c->plan.end != END_STAY)
			want |= EPOLLRDHUP;
	} else if (read_size(c)) {
		want |= EPOLLIN | (c->plan.oob ? EPOLLPRI : 0);
	}
	if ((c->pending && !held(c)) || (c->out < c->plan.send && send_size(c)) ||
	    (c->plan.has_urg && !c->urg_sent))
		want |= EPOLLOUT;
	conn_want(c, want);
}

void stream_go(struct conn *c)
{
	c->plan.wait = false;
	stream_ready(c, 0);
}

void stream_start(struct conn *c)
{
	if (c->plan.http) {
		http_start(c);
		return;
	}
	c->ready = stream_ready;
	c->segs_base = stream_segs(c->fd);
	if (c->plan.ready && !stream_say(c, "ready\n", 6))
		return;
	stream_ready(c, 0);
}
