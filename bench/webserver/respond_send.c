// SPDX-License-Identifier: MIT
/* Responses by the calls every socket has: what a socket does not take at once waits for EPOLLOUT. */
#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "respond.h"

#ifdef USE_MEMNET
#include "memnet.h"
#endif

int respond_family(void)
{
#ifdef USE_MEMNET
	return memnet_family();
#else
	return AF_INET;
#endif
}

bool respond_start(void)
{
	return true;
}

int respond_worker_start(struct worker *w)
{
	(void)w;
	return -1;
}

bool respond_close(struct worker *w, struct connection *c)
{
	(void)w;
	(void)c;
	return true;
}

void respond_event(struct worker *w)
{
	(void)w;
}

enum respond respond(struct worker *w, struct connection *c, const struct file *f)
{
	(void)w;
	c->pending[(c->first + c->n++) % PIPELINE] = (struct pending){ .file = f };
	c->full = c->n == PIPELINE;
	return RESPOND_LATER;
}

/* All that is pending, in as few calls as possible. */
enum respond respond_flush(struct worker *w, struct connection *c)
{
	struct iovec iov[PIPELINE];
	struct msghdr msg = { .msg_iov = iov };
	unsigned int i;
	ssize_t n;

	(void)w;
	while (c->n) {
		for (i = 0; i < c->n; i++) {
			struct pending *p = &c->pending[(c->first + i) % PIPELINE];

			iov[i].iov_base = cache_area + p->file->offset + p->sent;
			iov[i].iov_len = p->file->len - p->sent;
		}
		msg.msg_iovlen = c->n;
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN ? RESPOND_LATER : RESPOND_FAILED;
		while (n) {
			struct pending *p = &c->pending[c->first];
			size_t left = p->file->len - p->sent;

			if ((size_t)n < left) {
				p->sent += (size_t)n;
				break;
			}
			n -= (ssize_t)left;
			c->first = (c->first + 1) % PIPELINE;
			c->n--;
		}
	}
	c->full = false;
	return RESPOND_SENT;
}

enum respond respond_ready(struct worker *w, struct connection *c)
{
	return respond_flush(w, c);
}
