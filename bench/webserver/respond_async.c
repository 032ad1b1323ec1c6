// SPDX-License-Identifier: MIT
/*
 * Responses by asynchronous jobs: all that one read asked for go with one system call, and nobody waits for them. The cache
 * does not change, so a connection may even be closed while its responses are under way: they are sent nevertheless.
 *
 * A job's descriptor must be given back in the end. Jobs of a connection end in their order, so each has its own in a ring, and
 * looks at the oldest ones, without a system call, when it sends again; those of closed connections are looked at when another
 * is closed, the oldest first, until one is not over. A connection with PIPELINE responses under way is not read from; the last of them carries MEMNET_OP_NOTIFY, and
 * wakes the worker by the context's descriptor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memnet.h"
#include "respond.h"

struct async {
	struct memnet_context *context;
	memnet_region region;
	struct connection *full;
	struct connection *closed, **closed_end;
};

int respond_family(void)
{
	return memnet_family();
}

bool respond_start(void)
{
	return true;
}

/* Workers share nothing: each has a context, for which the pages are pinned. */
int respond_worker_start(struct worker *w)
{
	struct async *a = calloc(1, sizeof(*a));

	if (a)
		a->context = memnet_context_open();
	if (!a || !a->context || memnet_register_mem(a->context, cache_area, cache_size, &a->region)) {
		fprintf(stderr, "registering the cache: %s\n", memnet_strerror(errno));
		exit(1);
	}
	a->closed_end = &a->closed;
	*worker_private(w) = a;
	return memnet_context_fd(a->context);
}

/* Gives back what is over, oldest first. */
static void collect(struct async *a, struct connection *c)
{
	ssize_t n;

	while (c->jobs && memnet_job_done(a->context, c->job[c->first_job], &n)) {
		c->first_job = (c->first_job + 1) % PIPELINE;
		c->jobs--;
	}
}

enum respond respond(struct worker *w, struct connection *c, const struct file *f)
{
	if (!c->n)
		collect(*worker_private(w), c);
	c->pending[c->n++] = (struct pending){ .file = f };
	c->full = c->jobs + c->n == PIPELINE;
	return RESPOND_LATER;
}

static bool submit(struct async *a, struct connection *c)
{
	struct memnet_batch batch;
	memnet_job jobs[PIPELINE];
	unsigned int i;
	int n;

	batch.n = 0;
	for (i = 0; i < c->n; i++)
		memnet_batch_send(&batch, c->fd, a->region, c->pending[i].file->offset, c->pending[i].file->len,
				  c->full && i == c->n - 1 ? MEMNET_OP_NOTIFY : 0);
	while (batch.n) {
		n = memnet_batch_submit(a->context, &batch, jobs);
		if (n < 0)
			return false;
		for (i = 0; i < (unsigned int)n; i++)
			c->job[(c->first_job + c->jobs++) % PIPELINE] = jobs[i];
	}
	c->n = 0;
	return true;
}

enum respond respond_flush(struct worker *w, struct connection *c)
{
	struct async *a = *worker_private(w);

	if (!c->n)
		return c->full ? RESPOND_LATER : RESPOND_SENT;
	if (!submit(a, c))
		return RESPOND_FAILED;
	if (!c->full)
		return RESPOND_SENT;
	c->next = a->full;
	a->full = c;
	return RESPOND_LATER;
}

enum respond respond_ready(struct worker *w, struct connection *c)
{
	(void)w;
	return c->full ? RESPOND_LATER : RESPOND_SENT;
}

static void unlink_full(struct async *a, struct connection *c)
{
	struct connection **at;

	for (at = &a->full; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			return;
		}
	}
}

/* Its responses are sent all the same; the jobs are looked after until they are over. */
bool respond_close(struct worker *w, struct connection *c)
{
	struct async *a = *worker_private(w);
	struct connection *old;

	if (c->full)
		unlink_full(a, c);
	c->next = NULL;
	*a->closed_end = c;
	a->closed_end = &c->next;
	while ((old = a->closed)) {
		collect(a, old);
		if (old->jobs)
			break;
		a->closed = old->next;
		if (!a->closed)
			a->closed_end = &a->closed;
		worker_free(w, old);
	}
	return false;
}

void respond_event(struct worker *w)
{
	struct async *a = *worker_private(w);
	struct connection *c = a->full, *next;
	uint64_t ended;

	if (read(memnet_context_fd(a->context), &ended, sizeof(ended)) < 0)
		return;
	a->full = NULL;
	for (; c; c = next) {
		next = c->next;
		collect(a, c);
		if (c->jobs < PIPELINE) {
			c->full = false;
			worker_resume(w, c);
		} else {
			c->next = a->full;
			a->full = c;
		}
	}
}
