// SPDX-License-Identifier: GPL-2.0
/*
 * A server of the HTTP kind on one connection: requests of header lines only,
 * answered in order. "GET /N" gets N pattern bytes of seed N.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "puppet.h"

static bool answer(struct conn *c, const char *request)
{
	char head[160];
	uint64_t size;
	int n;

	if (sscanf(request, "GET /%llu ", (unsigned long long *)&size) != 1) {
		c->plan.send = 0;
		c->plan.end = END_CLOSE;
		n = snprintf(head, sizeof(head),
			     "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n"
			     "Connection: close\r\n\r\n");
	} else {
		c->plan.send = size;
		c->plan.seed = size;
		n = snprintf(head, sizeof(head),
			     "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
			     (unsigned long long)size);
	}
	c->out = 0;
	return stream_say(c, head, n);
}

/* One request from c->line; true if there was one. */
static bool next_request(struct conn *c, char *request)
{
	char *end;
	size_t len;

	c->line[c->line_len] = 0;
	end = strstr(c->line, "\r\n\r\n");
	if (!end)
		return false;
	len = end + 4 - c->line;
	memcpy(request, c->line, len);
	request[len] = 0;
	c->line_len -= len;
	memmove(c->line, c->line + len, c->line_len);
	return true;
}

static void http_ready(struct conn *c, uint32_t events)
{
	char request[LINE_MAX_LEN];

	(void)events;
	for (;;) {
		ssize_t n;

		if (!stream_send(c))
			return;
		if (c->pending || c->out < c->plan.send) {
			conn_want(c, EPOLLOUT);
			return;
		}
		if (c->plan.end == END_CLOSE)
			break;
		if (next_request(c, request)) {
			if (!answer(c, request))
				return;
			continue;
		}
		n = recv(c->fd, c->line + c->line_len,
			 sizeof(c->line) - 1 - c->line_len, 0);
		if (n < 0 && errno == EAGAIN) {
			conn_want(c, EPOLLIN);
			return;
		}
		if (n <= 0) {
			c->eof = !n;
			c->err = n ? errno : 0;
			break;
		}
		c->in += n;
		c->line_len += n;
	}
	conn_end(c, false);
}

void http_start(struct conn *c)
{
	c->ready = http_ready;
	c->line_len = 0;
	http_ready(c, 0);
}
