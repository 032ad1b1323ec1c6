/* SPDX-License-Identifier: MIT */
/*
 * How a response is sent: the one thing in which the four servers differ.
 *
 *	respond_send.c		send() from the cache: webserver-tcp and webserver-memnet
 *	respond_direct.c	memnet_send_direct()
 *	respond_async.c		memnet_submit(), ends seen by memnet_job_done()
 */
#ifndef RESPOND_H
#define RESPOND_H

#include <stdbool.h>

#include "cache.h"

#define PIPELINE 32	/* responses of a connection that may be under way */

struct worker;

/* A connection, as the worker that serves it sees it. */
struct connection {
	int fd;
	bool ending;		/* to be closed when everything is sent */
	bool full;		/* no more responses for now */
	size_t request_len;

	/* respond_*.c */
	unsigned int first, n;			/* of pending */
	unsigned int first_job, jobs;		/* of job: under way, the oldest at first_job */
	struct connection *next;		/* full, or closed; or to be used again */

	/* what is not cleared for a new one */
	struct pending {
		const struct file *file;
		size_t sent;
	} pending[PIPELINE];
	unsigned long long job[PIPELINE];
	char request[8192];	/* what came and was not answered */
};

enum respond { RESPOND_FAILED = -1, RESPOND_SENT, RESPOND_LATER };

/* The socket family to listen with. */
int respond_family(void);
/* Once, when the cache is loaded; false with a message. */
bool respond_start(void);
/* Once in each worker; gives a descriptor to watch, or -1. */
int respond_worker_start(struct worker *w);
/* A response for a connection that is not full. */
enum respond respond(struct worker *w, struct connection *c, const struct file *f);
/* The requests of one read have all been answered. */
enum respond respond_flush(struct worker *w, struct connection *c);
/* The socket takes more. */
enum respond respond_ready(struct worker *w, struct connection *c);
/* The connection is closed; true if nothing of it is in use any more, else worker_free() follows. */
bool respond_close(struct worker *w, struct connection *c);
/* The worker's descriptor is readable. */
void respond_event(struct worker *w);

/* webserver.c: a connection is not full any more; and what respond_close() promised */
void worker_resume(struct worker *w, struct connection *c);
void worker_free(struct worker *w, struct connection *c);

/* Where a respond_*.c keeps what belongs to a worker. */
void **worker_private(struct worker *w);

#endif
