// SPDX-License-Identifier: MIT
/*
 * Responses by memnet_send_direct(): the cache is registered memory, and nothing of it is copied on this machine. The call
 * returns when the node's TCP has the whole response, so a worker serves one slow client at a time: have more workers than
 * slow clients.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "memnet.h"
#include "respond.h"

static struct memnet_context *context;
static memnet_region region;

int respond_family(void)
{
	return memnet_family();
}

bool respond_start(void)
{
	context = memnet_context_open();
	if (!context || memnet_register_mem(context, cache_area, cache_size, &region)) {
		fprintf(stderr, "registering the cache: %s\n", memnet_strerror(errno));
		return false;
	}
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
	ssize_t n = memnet_send_direct(context, c->fd, region, f->offset, f->len, MEMNET_DIRECT_NOSIGNAL);

	(void)w;
	return n == (ssize_t)f->len ? RESPOND_SENT : RESPOND_FAILED;
}

enum respond respond_flush(struct worker *w, struct connection *c)
{
	(void)w;
	(void)c;
	return RESPOND_SENT;
}

enum respond respond_ready(struct worker *w, struct connection *c)
{
	return respond_flush(w, c);
}
