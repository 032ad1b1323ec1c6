/* SPDX-License-Identifier: LGPL-2.1 */
/*
 * Asynchronous jobs in an event loop: a callback for the end of each. Nothing but memnet.h is used, so
 * this is an example as well.
 *
 *	memnet_loop_init(&loop, ctx);
 *	epoll_ctl(epoll, EPOLL_CTL_ADD, memnet_loop_fd(&loop), &event);	// EPOLLIN
 *	memnet_loop_send(&loop, fd, region, offset, len, on_sent, argument);
 *	...
 *	memnet_loop_dispatch(&loop);		// when it is readable: calls back
 *
 * One thread uses a loop, and no other jobs of its context ask to be notified of. A job that ends before it
 * is waited for costs nothing but its callback: dispatching looks at all jobs without a system call, in the
 * order in which they were submitted.
 */
#ifndef MEMNET_LOOP_H
#define MEMNET_LOOP_H

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "memnet.h"

struct memnet_loop_job {
	memnet_job job;
	/* @result as memnet_job_done() tells it */
	void (*over)(void *argument, ssize_t result);
	void *argument;
	struct memnet_loop_job *next;
};

struct memnet_loop {
	struct memnet_context *ctx;
	struct memnet_loop_job *jobs;	/* under way, oldest first */
	struct memnet_loop_job **end;	/* where the next is to be put */
};

static inline int memnet_loop_init(struct memnet_loop *loop, struct memnet_context *ctx)
{
	int fd = memnet_context_fd(ctx);

	loop->ctx = ctx;
	loop->jobs = NULL;
	loop->end = &loop->jobs;
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static inline int memnet_loop_fd(const struct memnet_loop *loop)
{
	return memnet_context_fd(loop->ctx);
}

static inline int memnet_loop_submit(struct memnet_loop *loop, unsigned int opcode, int fd,
				     memnet_region region, size_t offset, size_t len,
				     void (*over)(void *argument, ssize_t result), void *argument)
{
	struct memnet_loop_job *j = (struct memnet_loop_job *)malloc(sizeof(*j));
	int ret = -1;

	if (!j)
		return -1;
	j->over = over;
	j->argument = argument;
	if (opcode == MEMNET_OP_SEND)
		ret = memnet_async_send(loop->ctx, fd, region, offset, len, MEMNET_OP_NOTIFY, &j->job);
	else
		ret = memnet_async_recv(loop->ctx, fd, region, offset, len, MEMNET_OP_NOTIFY, &j->job);
	if (ret) {
		free(j);
		return -1;
	}
	j->next = NULL;
	*loop->end = j;
	loop->end = &j->next;
	return 0;
}

static inline int memnet_loop_send(struct memnet_loop *loop, int fd, memnet_region region,
				   size_t offset, size_t len,
				   void (*over)(void *argument, ssize_t result), void *argument)
{
	return memnet_loop_submit(loop, MEMNET_OP_SEND, fd, region, offset, len, over, argument);
}

static inline int memnet_loop_recv(struct memnet_loop *loop, int fd, memnet_region region,
				   size_t offset, size_t len,
				   void (*over)(void *argument, ssize_t result), void *argument)
{
	return memnet_loop_submit(loop, MEMNET_OP_RECV, fd, region, offset, len, over, argument);
}

/* Calls back for every job that is over; callbacks may submit others. How many there were. */
static inline unsigned int memnet_loop_dispatch(struct memnet_loop *loop)
{
	struct memnet_loop_job *j = loop->jobs, *next, *kept = NULL, **at = &kept;
	unsigned int n = 0;
	uint64_t ended;
	ssize_t result;

	/* Read before looking: what ends afterwards makes it readable again. */
	if (read(memnet_loop_fd(loop), &ended, sizeof(ended)) < 0)
		ended = 0;
	loop->jobs = NULL;
	loop->end = &loop->jobs;
	for (; j; j = next) {
		next = j->next;
		if (memnet_job_done(loop->ctx, j->job, &result) == 1) {
			j->over(j->argument, result);
			free(j);
			n++;
		} else {
			*at = j;
			at = &j->next;
		}
	}
	/* Behind them what callbacks have submitted. */
	*at = loop->jobs;
	if (!loop->jobs)
		loop->end = at == &kept ? &loop->jobs : at;
	loop->jobs = kept;
	return n;
}

#endif /* MEMNET_LOOP_H */
