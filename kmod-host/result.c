// SPDX-License-Identifier: GPL-2.0
/*
 * Results of jobs: words that a program reads, and who waits for them.
 *
 * A word holds the serial number of its job while that is under way, and then the result. The
 * program may have given it to another job as soon as it knew, from a counter, that the job is
 * over; so a result is only written where the job's own number stands.
 *
 * Locks: context.lock for making pages.
 */
#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/nsproxy.h>
#include <linux/sched/signal.h>
#include <linux/time_namespace.h>

#include "job.h"

/**
 * memnet_result_page() - make a page of the results, if there is none yet
 * @ctx: context
 * @number: which
 *
 * Return: the page, or NULL without memory.
 */
u64 *memnet_result_page(struct memnet_context *ctx, u32 number)
{
	u64 **page = &ctx->results[number];

	mutex_lock(&ctx->lock);
	if (!*page)
		/* zeroed before it is seen by who does without the lock */
		smp_store_release(page, (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT));
	mutex_unlock(&ctx->lock);
	return *page;
}

/**
 * memnet_results_free() - free the pages
 * @ctx: context that nobody has any more
 */
void memnet_results_free(struct memnet_context *ctx)
{
	u32 i;

	for (i = 0; i < MEMNET_RESULT_PAGES; i++)
		free_page((unsigned long)ctx->results[i]);
}

/**
 * memnet_outcome_write() - a job is over
 * @o: its outcome; of nobody if it has no context
 * @bytes: result
 * @error: positive errno, or 0
 */
void memnet_outcome_write(struct memnet_outcome *o, u64 bytes, int error)
{
	struct memnet_context *ctx = o->ctx;

	if (!ctx)
		return;
	/* After the bytes, and before the counter is another's, see linux/memnet.h. */
	cmpxchg(o->word, o->serial, MEMNET_RESULT_OVER | (u64)error << 48 | bytes);
	if (o->notify) {
		atomic64_inc(&ctx->finished);
		spin_lock_bh(&ctx->event_lock);
		if (ctx->eventfd)
			memnet_eventfd_signal(ctx->eventfd);
		spin_unlock_bh(&ctx->event_lock);
	}
	if (wq_has_sleeper(&ctx->wait)) {
		memnet_stat_inc(MEMNET_STAT_HOST_JOB_WAKEUPS);
		wake_up_all(&ctx->wait);
	}
}

/**
 * memnet_outcome_put() - the job is no more
 * @o: its outcome
 */
void memnet_outcome_put(struct memnet_outcome *o)
{
	if (o->ctx)
		memnet_context_put(o->ctx);
}

static bool is_over(struct memnet_context *ctx, const struct memnet_job_ref *ref)
{
	struct memnet_area *area = NULL;
	u64 end = ref->end, word;
	u64 *page;

	if (ref->counter < MEMNET_COUNTERS_MAX)
		area = READ_ONCE(ctx->areas[ref->counter / MEMNET_AREA_SLOTS]);
	if (area) {
		word = le64_to_cpu(READ_ONCE(area->counters[ref->counter % MEMNET_AREA_SLOTS]));
		if (word >> WIRE_POS_BITS == end >> WIRE_POS_BITS &&
		    ((word - end) & WIRE_POS_MASK) < 1ULL << (WIRE_POS_BITS - 1))
			return true;
	}
	smp_rmb();	/* see linux/memnet.h */
	page = ref->result < MEMNET_JOBS_MAX ?
		       READ_ONCE(ctx->results[ref->result / MEMNET_RESULT_WORDS]) : NULL;
	return page && READ_ONCE(page[ref->result % MEMNET_RESULT_WORDS]) & MEMNET_RESULT_OVER;
}

static u32 count_over(struct memnet_context *ctx, const struct memnet_job_ref *refs, u32 n)
{
	u32 over = 0;

	while (n--)
		over += is_over(ctx, &refs[n]);
	return over;
}

static void arm(struct memnet_context *ctx, const struct memnet_job_ref *refs, u32 n)
{
	struct memnet_endpoint *ep, *last = NULL;

	for (; n--; refs++) {
		ep = memnet_area_endpoint(ctx, refs->counter);
		if (!ep)
			continue;
		if (last && ep != last)
			memnet_jobs_ask(last);
		if (last)
			memnet_endpoint_put(last);
		last = ep;
		memnet_job_arm(ep, refs->end);
	}
	if (last) {
		memnet_jobs_ask(last);
		memnet_endpoint_put(last);
	}
}

/* The program's clock may be another one than the machine's. */
static ktime_t deadline(s64 timeout)
{
#ifdef CONFIG_TIME_NS
	ktime_t offset = timespec64_to_ktime(current->nsproxy->time_ns->offsets.monotonic);

	/* As do_timens_ktime_to_host(). */
	if (timeout < offset)
		return 0;
	if (offset < 0 && timeout > KTIME_MAX + offset)
		return KTIME_MAX;
	return timeout - offset;
#else
	return timeout;
#endif
}

/**
 * memnet_results_wait() - wait for jobs
 * @ctx: context
 * @arg: how; @arg->done is set
 * @refs: the jobs
 *
 * Return: 0, -ETIME or -ERESTARTSYS.
 */
int memnet_results_wait(struct memnet_context *ctx, struct memnet_wait *arg,
			const struct memnet_job_ref *refs)
{
	u32 want = arg->flags & MEMNET_WAIT_ALL ? arg->count : 1;
	ktime_t end;
	DEFINE_WAIT(wait);
	int ret = 0;

	arg->done = count_over(ctx, refs, arg->count);
	if (arg->done >= want)
		return 0;
	if (!arg->timeout)
		return -ETIME;
	end = arg->timeout < 0 ? 0 : deadline(arg->timeout);
	arm(ctx, refs, arg->count);
	for (;;) {
		prepare_to_wait(&ctx->wait, &wait, TASK_INTERRUPTIBLE);
		arg->done = count_over(ctx, refs, arg->count);
		if (arg->done >= want)
			ret = 0;
		else if (!ret && signal_pending(current))
			ret = -ERESTARTSYS;
		if (arg->done >= want || ret)
			break;
		if (!schedule_hrtimeout_range(arg->timeout < 0 ? NULL : &end, 0, HRTIMER_MODE_ABS))
			ret = -ETIME;	/* after a last look */
	}
	finish_wait(&ctx->wait, &wait);
	return ret;
}
