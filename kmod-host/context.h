/* SPDX-License-Identifier: GPL-2.0 */
/* An open /dev/memnet, see context.c; counters, see area.c; results, see result.c. */
#ifndef MEMNET_CONTEXT_H
#define MEMNET_CONTEXT_H

#include <linux/xarray.h>

#include "memnet.h"
#include "region.h"

#define MEMNET_AREA_SLOTS	(PAGE_SIZE / sizeof(__le64))
#define MEMNET_AREAS		DIV_ROUND_UP(MEMNET_COUNTERS_MAX, MEMNET_AREA_SLOTS)
#define MEMNET_RESULT_WORDS	(PAGE_SIZE / sizeof(u64))
#define MEMNET_RESULT_PAGES	(MEMNET_JOBS_MAX / MEMNET_RESULT_WORDS)

struct eventfd_ctx;
struct memnet_area;

/**
 * struct memnet_context - an open /dev/memnet
 * @refs:	the file, each area, each job
 * @regions:	by number; its own lock
 * @recent:	mappings of them that were used lately, see there
 * @next_region: where the search for a free number goes on; under that lock
 * @lock:	guards the making of @areas and @results; taken inside lock_sock()
 * @areas:	counters, page by page; set once, gone with the context
 * @results:	words of finished jobs, page by page; set once, gone with the context
 * @serial:	of the last job
 * @wait:	who waits for jobs, and polls
 * @finished:	jobs with MEMNET_OP_NOTIFY that have finished and were not read
 * @event_lock:	(BH) guards @eventfd; inside an endpoint's lock
 * @eventfd:	signalled by them as well, or NULL
 * @spare:	send jobs to be used again; added to from anywhere
 * @spares:	about how many
 * @spare_lock:	serializes who takes from @spare; process context
 */
struct memnet_context {
	refcount_t		refs;
	struct xarray		regions;
	struct memnet_recent	recent;
	u32			next_region;
	struct mutex		lock;		/* making of areas and results */
	struct memnet_area	*areas[MEMNET_AREAS];
	u64			*results[MEMNET_RESULT_PAGES];
	atomic64_t		serial;
	wait_queue_head_t	wait;
	atomic64_t		finished;
	spinlock_t		event_lock;	/* eventfd */
	struct eventfd_ctx	*eventfd;
	struct llist_head	spare;
	atomic_t		spares;
	spinlock_t		spare_lock;	/* taking from spare */
};

struct memnet_region;

void memnet_context_put(struct memnet_context *ctx);
struct memnet_region *memnet_context_region(struct memnet_context *ctx, u32 number);

/**
 * struct memnet_outcome - where the result of a job is to go
 * @ctx:	context, held; NULL where nobody will look
 * @word:	result word there
 * @serial:	what stands there while the job is under way
 * @notify:	its end makes the context readable
 */
struct memnet_outcome {
	struct memnet_context	*ctx;
	u64			*word;
	u64			serial;
	bool			notify;
};

/* result.c */
u64 *memnet_result_page(struct memnet_context *ctx, u32 number);
void memnet_results_free(struct memnet_context *ctx);
void memnet_outcome_write(struct memnet_outcome *o, u64 bytes, int error);
void memnet_outcome_put(struct memnet_outcome *o);

/* A word of the results, below MEMNET_JOBS_MAX; NULL without memory for its page. */
static inline u64 *memnet_result_word(struct memnet_context *ctx, u32 number)
{
	u64 *page = READ_ONCE(ctx->results[number / MEMNET_RESULT_WORDS]);

	if (unlikely(!page))
		page = memnet_result_page(ctx, number / MEMNET_RESULT_WORDS);
	return page ? page + number % MEMNET_RESULT_WORDS : NULL;
}

/* A job is to have one; the word is its own once it says so (@serial). */
static inline void memnet_outcome_init(struct memnet_outcome *o, struct memnet_context *ctx,
				       u64 *word, bool notify)
{
	refcount_inc(&ctx->refs);
	o->ctx = ctx;
	o->word = word;
	o->notify = notify;
	o->serial = atomic64_inc_return(&ctx->serial);
}

int memnet_results_wait(struct memnet_context *ctx, struct memnet_wait *arg,
			const struct memnet_job_ref *refs);

/**
 * struct memnet_area - a page of counters that the node writes
 * @refs:	the context, each endpoint with a counter in it
 * @ctx:	the context, held
 * @number:	of it in the context
 * @counters:	the page: wire_word() of what the node's TCP has taken, for each slot
 * @lock:	(BH) guards @used, @endpoints and @serves; inside an endpoint's lock
 * @used:	bit for each slot
 * @endpoints:	of each slot
 * @serves:	@domain once the page is registered for it, until it is not any more
 * @registering: held while it is registered, which may take as long as a link lives
 * @domain:	link whose node may write it; NULL before and after; under the mutex of all areas
 * @mr:		its registration, while there is a @domain
 * @addr:	of the page for the node; written before @serves is, while no slot is used
 * @key:	so that it may write there, likewise
 * @sg:		its mapping
 * @all:	on the list of all, while there is a @domain
 * @free:	frees it
 */
struct memnet_area {
	refcount_t		refs;
	struct memnet_context	*ctx;
	u32			number;
	__le64			*counters;
	spinlock_t		lock;		/* used, endpoints, serves */
	DECLARE_BITMAP(used, MEMNET_AREA_SLOTS);
	struct memnet_endpoint	*endpoints[MEMNET_AREA_SLOTS];
	struct memnet_domain	*serves;
	struct mutex		registering;	/* outside of the mutex of all areas */
	struct memnet_domain	*domain;
	struct ib_mr		*mr;
	u64			addr;
	u32			key;
	struct scatterlist	sg;
	struct list_head	all;
	struct work_struct	free;
};

/* area.c */
int memnet_areas_init(void);
void memnet_areas_exit(void);
void memnet_area_put(struct memnet_area *area);
bool memnet_area_bind_at_once(struct memnet_context *ctx, struct memnet_endpoint *ep);
int memnet_area_bind(struct memnet_context *ctx, struct memnet_endpoint *ep);
void memnet_counter_name(struct memnet_endpoint *ep, struct wire_data *data);
void memnet_area_unbind(struct memnet_endpoint *ep);
struct memnet_endpoint *memnet_area_endpoint(struct memnet_context *ctx, u32 counter);
void memnet_areas_collect(struct memnet_context *ctx, const struct memnet_region *region);
void memnet_areas_lost(const struct memnet_domain *domain);

static inline u32 memnet_counter_number(const struct memnet_endpoint *ep)
{
	return ep->area->number * MEMNET_AREA_SLOTS + ep->slot;
}

static inline u64 memnet_counter_read(const struct memnet_endpoint *ep, u64 cur)
{
	return wire_word_advance(READ_ONCE(ep->area->counters[ep->slot]), ep->gen, cur);
}

#endif /* MEMNET_CONTEXT_H */
