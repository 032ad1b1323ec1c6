/* SPDX-License-Identifier: GPL-2.0 */
/* Direct transfers from registered memory, see job.c. */
#ifndef MEMNET_JOB_H
#define MEMNET_JOB_H

#include "context.h"
#include "region.h"
#include "submit.h"

#define MEMNET_JOBS_UNDER_WAY	256U	/* of a socket, asynchronous ones */
#define MEMNET_SUBMIT_BATCH	16U	/* ops handled at a time */
#define MEMNET_JOBS_SPARE	128	/* of a context */

/**
 * struct memnet_job - bytes of a region on their way to the node's TCP
 * @entry:	on the outgoing queue until all of it is posted
 * @hold:	the queue's reference, which goes with the message that has its last byte, and one
 *		for each message before; when they are gone the device has read the memory for the
 *		last time
 * @left:	completed then, if @direct
 * @node:	on the endpoint's list while it waits to be taken
 * @finished:	completed when it was taken whole, or never will be, if @direct
 * @map:	what is sent from, held
 * @offset:	first byte in the region
 * @len:	bytes; under the endpoint's lock, which may cut it
 * @end:	stream position after its last byte; under that lock
 * @taken:	bytes that TCP took, once @finished
 * @outcome:	of an asynchronous job
 * @waited:	somebody waits for it: the node is to tell; under the endpoint's lock
 * @direct:	a caller waits for it with a reference of its own
 * @refs:	@hold, the endpoint's list, that caller
 * @spare:	among those of the context that can be used again
 */
struct memnet_job {
	struct memnet_entry		entry;
	struct memnet_hold		hold;
	struct completion		left;
	struct list_head		node;
	struct completion		finished;
	struct memnet_region_map	*map;
	u64				offset;
	u64				len;
	u64				end;
	u64				taken;
	struct memnet_outcome		outcome;
	bool				waited;
	bool				direct;
	refcount_t			refs;
	struct llist_node		spare;
};

static inline struct memnet_job *memnet_entry_job(struct memnet_entry *entry)
{
	return container_of(entry, struct memnet_job, entry);
}

void memnet_job_put(struct memnet_job *job);
struct memnet_job *memnet_job_direct(struct memnet_region_map *map, u64 offset, u64 len, bool more);
int memnet_job_queue(struct sock *sk, struct memnet_endpoint *ep, struct memnet_job *job);
u64 memnet_job_interrupt(struct memnet_endpoint *ep, struct memnet_job *job);
int memnet_jobs_transmit(struct memnet_endpoint *ep, struct wire_msg *msg, u32 room);
bool memnet_job_untold(struct memnet_endpoint *ep, struct wire_msg *msg);
void memnet_job_arm(struct memnet_endpoint *ep, u64 end);
void memnet_jobs_ask(struct memnet_endpoint *ep);
void memnet_jobs_collect(struct memnet_endpoint *ep, const struct memnet_region *region);
void memnet_jobs_free(struct memnet_context *ctx);
int memnet_job_cancel(struct memnet_endpoint *ep, const u64 *word);
struct memnet_job *memnet_job_async(struct memnet_context *ctx, const struct memnet_submission *s,
				    struct memnet_region_map *map, gfp_t gfp);
void memnet_job_discard(struct memnet_job *job);
void memnet_job_append(struct memnet_endpoint *ep, struct memnet_job *job);
bool memnet_job_post(struct memnet_endpoint *ep, struct memnet_job *job);
void memnet_jobs_refresh(struct memnet_endpoint *ep);
void memnet_job_wait_for(struct memnet_endpoint *ep, struct memnet_job *job);

/* send_job.c */
bool memnet_submit_at_once(struct memnet_context *ctx, struct socket *sock,
			   struct memnet_op __user *at, const struct memnet_submission *s);
int memnet_submit_sends(struct memnet_context *ctx, struct socket *sock,
			struct memnet_op __user *at, struct memnet_submission *s,
			unsigned int n);

/* recv_job.c */
int memnet_submit_recv(struct memnet_context *ctx, struct socket *sock,
		       struct memnet_op __user *at, struct memnet_submission *s);
int memnet_recv_job_cancel(struct memnet_endpoint *ep, const u64 *word);
int memnet_recv_direct(struct socket *sock, struct memnet_region *region, u64 offset, u64 len,
		       unsigned int flags, u64 *done);

/* direct.c */
int memnet_send_direct(struct socket *sock, struct memnet_region *region, u64 offset, u64 len,
		       unsigned int flags, u64 *done);

/* copy.c */
int memnet_copy(struct socket *sock, struct memnet_region *region, bool recv, u64 offset, u64 len,
		unsigned int flags, u64 *done);
int memnet_submit_copy(struct memnet_context *ctx, struct socket *sock,
		       struct memnet_op __user *at, const struct memnet_submission *s);

#endif /* MEMNET_JOB_H */
