// SPDX-License-Identifier: GPL-2.0
/*
 * Asynchronous sends: from checked ops to jobs (job.c) in a socket's outgoing queue.
 *
 * Those a program submits together for one socket become a batch, which is queued under one lock,
 * as far as the socket may have so many; where it may have none the caller waits for its first one
 * under way, with the socket unlocked, or is refused. An op that is wrong ends the batch before it.
 * One alone, for which nothing has to be made or waited for, is queued at once.
 *
 * Locks: lock_sock() of the socket, or for one alone lock_sock_fast(), with BH off; inside it the
 * endpoint's for what job.c keeps.
 */
#include <linux/file.h>
#include <linux/sched/signal.h>
#include <net/sock.h>

#include "job.h"
#include "transmit.h"

/* How many more jobs the socket may have; the first of those under way is waited for if none. */
static u32 turns(struct memnet_endpoint *ep, bool wait)
{
	struct memnet_job *job;
	u32 n;

	spin_lock_bh(&ep->lock);
	memnet_jobs_refresh(ep);
	n = MEMNET_JOBS_UNDER_WAY - min(ep->tx.n_jobs, MEMNET_JOBS_UNDER_WAY);
	if (!n && wait) {
		list_for_each_entry(job, &ep->tx.jobs, node)
			if (job->outcome.ctx)
				break;
		memnet_job_wait_for(ep, job);
		memnet_transmit(ep);
	}
	spin_unlock_bh(&ep->lock);
	return n;
}

static int sleep_for_turn(struct sock *sk, struct memnet_endpoint *ep, struct memnet_context *ctx,
			  long *timeo)
{
	DEFINE_WAIT(wait);
	int ret = 0;

	for (;;) {
		prepare_to_wait(&ctx->wait, &wait, TASK_INTERRUPTIBLE);
		if (turns(ep, true) || READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN)
			break;
		if (!*timeo)
			ret = -EAGAIN;
		else if (signal_pending(current))
			ret = sock_intr_errno(*timeo);
		if (ret)
			break;
		*timeo = schedule_timeout(*timeo);
	}
	finish_wait(&ctx->wait, &wait);
	return ret;
}

/* Waits until the socket may have another job; it is locked, and unlocked meanwhile. */
static int wait_for_turn(struct sock *sk, struct memnet_context *ctx, long *timeo)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	int ret;

	for (;;) {
		if (turns(ep, false))
			return 0;
		if (!*timeo)
			return -EAGAIN;
		memnet_endpoint_get(ep);
		release_sock(sk);
		ret = sleep_for_turn(sk, ep, ctx, timeo);
		lock_sock(sk);
		memnet_endpoint_put(ep);
		if (ret)
			return ret;
		if (memnet_sk(sk)->ep != ep || sk->sk_shutdown & SEND_SHUTDOWN)
			return -EPIPE;
	}
}

/**
 * memnet_send_jobs_shut() - a socket sends nothing more: who waits for a turn waits in vain
 * @ep: its endpoint; that, or the socket, is locked
 */
void memnet_send_jobs_shut(struct memnet_endpoint *ep)
{
	if (ep->area)
		wake_up_all(&ep->area->ctx->wait);
}

/* Jobs of one socket, before they are queued. */
struct batch {
	struct memnet_job *jobs[MEMNET_SUBMIT_BATCH];
	u64 ends[MEMNET_SUBMIT_BATCH];	/* from @start */
	u64 start;			/* where in the stream the first starts, once queued */
	unsigned int n;
};

/* The job of an op becomes the batch's next; @map is taken over, or put. */
static int batch_add(struct batch *b, struct memnet_context *ctx,
		     const struct memnet_submission *s, struct memnet_region_map *map)
{
	struct memnet_job *job = memnet_job_async(ctx, s, map, GFP_KERNEL);

	if (!job)
		return -ENOMEM;
	b->ends[b->n] = (b->n ? b->ends[b->n - 1] : 0) + s->op.len;
	b->jobs[b->n++] = job;
	return 0;
}

/* How many more jobs the socket may have, or -EPIPE. The endpoint is locked. */
static int room(struct sock *sk, struct memnet_endpoint *ep)
{
	if (ep->state == TCP_CLOSE || ep->gone || sk->sk_shutdown & SEND_SHUTDOWN)
		return -EPIPE;
	memnet_jobs_refresh(ep);
	return MEMNET_JOBS_UNDER_WAY - min(ep->tx.n_jobs, MEMNET_JOBS_UNDER_WAY);
}

/* The result word is the job's. The endpoint is locked. */
static void begin(struct memnet_job *job)
{
	WRITE_ONCE(*job->outcome.word, job->outcome.serial);
	/* Its region is gone: nobody will ask when it is over. */
	job->waited |= READ_ONCE(job->map->region->retired);
}

/*
 * All in one batch. Returns how many were queued, none if the socket has as many as it may, or
 * -EPIPE.
 */
static int batch_queue(struct sock *sk, struct memnet_endpoint *ep, struct batch *b)
{
	int i, n;

	spin_lock_bh(&ep->lock);
	n = min_t(int, b->n, room(sk, ep));
	b->start = ep->tx.end;
	for (i = 0; i < n; i++) {
		struct memnet_job *job = b->jobs[i];

		begin(job);
		job->entry.more |= i < n - 1;
		memnet_job_append(ep, job);
	}
	if (n > 0)
		memnet_transmit(ep);
	spin_unlock_bh(&ep->lock);
	return n;
}

/* Waits until at least one can be queued. Returns how many were, or a negative errno. */
static int batch_submit(struct sock *sk, struct memnet_context *ctx, struct memnet_endpoint *ep,
			struct batch *b, long *timeo)
{
	unsigned int i;
	int n, ret = 0;

	for (;;) {
		n = batch_queue(sk, ep, b);
		if (n)
			break;
		ret = wait_for_turn(sk, ctx, timeo);
		if (ret)
			break;
	}
	for (i = max(n, 0); i < b->n; i++)
		memnet_job_discard(b->jobs[i]);
	return ret ?: n;
}

/* Whether the socket takes jobs of the context. */
static int ready(struct memnet_context *ctx, struct sock *sk, long *timeo)
{
	struct memnet_endpoint *ep;
	int ret;

	if (memnet_sk(sk)->delegated)
		return -EOPNOTSUPP;
	if (sk->sk_state == TCP_SYN_SENT) {
		ret = memnet_wait_connected(sk, timeo);
		if (ret)
			return ret;
	}
	ep = memnet_sk(sk)->ep;
	if (!ep || !ep->connected || sk->sk_err || sk->sk_shutdown & SEND_SHUTDOWN)
		return -EPIPE;
	if (!ep->area || ep->area->ctx != ctx) {
		ret = memnet_area_bind(ctx, ep);
		if (ret)
			return ret == -ENETDOWN ? -EPIPE : ret;
	}
	memnet_transmit_reap(ep);
	return 0;
}

/* What an op needs is made if it is not there yet. */
static int batch_make(struct batch *b, struct memnet_context *ctx, struct memnet_endpoint *ep,
		      const struct memnet_submission *s)
{
	struct memnet_region_map *map;

	if (b->n && b->jobs[b->n - 1]->map->region == s->region) {
		map = b->jobs[b->n - 1]->map;
		refcount_inc(&map->refs);
	} else {
		map = memnet_region_map(s->region, ep->lc->ch);
		if (IS_ERR(map))
			return PTR_ERR(map) == -ENETDOWN ? -EPIPE : PTR_ERR(map);
	}
	return batch_add(b, ctx, s, map);
}

/* Makes jobs of the first op and of those like it that follow. What is wrong with one ends it. */
static int batch_fill(struct batch *b, struct memnet_context *ctx, struct memnet_endpoint *ep,
		      struct memnet_op __user *at, struct memnet_submission *s, unsigned int n)
{
	int fd = s->op.fd, ret;

	do {
		ret = batch_make(b, ctx, ep, s);
	} while (!ret && b->n < n && !memnet_submission_get(ctx, s, at + b->n) &&
		 s->op.opcode == MEMNET_OP_SEND && s->op.fd == fd);
	return b->n ? 0 : ret;
}

static int submit_locked(struct memnet_context *ctx, struct sock *sk, bool nonblock,
			 struct memnet_op __user *at, struct memnet_submission *s, unsigned int n)
{
	struct batch b __uninitialized;
	long timeo = sock_sndtimeo(sk, nonblock);
	struct memnet_endpoint *ep;
	int i, taken, ret;
	u64 end;

	ret = ready(ctx, sk, &timeo);
	if (ret)
		return ret;
	ep = memnet_sk(sk)->ep;
	b.n = 0;
	ret = batch_fill(&b, ctx, ep, at, s, n);
	if (ret)
		return ret;
	taken = batch_submit(sk, ctx, ep, &b, &timeo);
	for (i = 0; i < taken; i++) {
		end = le64_to_cpu(wire_word(ep->gen, b.start + b.ends[i]));
		memnet_submission_tell(at + i, end, memnet_counter_number(ep));
	}
	return taken;
}

/* Whether the locked socket has all that its jobs need; gives it its counter if there is one. */
static bool is_set_up(struct memnet_context *ctx, struct sock *sk, struct memnet_endpoint *ep)
{
	if (!ep || !ep->connected || memnet_sk(sk)->delegated || sk->sk_err ||
	    sk->sk_shutdown & SEND_SHUTDOWN)
		return false;
	return ep->area ? ep->area->ctx == ctx : memnet_area_bind_at_once(ctx, ep);
}

/* Nothing here sleeps; BH are off. Returns whether the op was taken. */
static bool queue_at_once(struct memnet_context *ctx, struct sock *sk,
			  const struct memnet_submission *s, u64 *end, u32 *counter)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	struct memnet_region_map *map;
	struct memnet_job *job;
	bool taken;

	if (!is_set_up(ctx, sk, ep))
		return false;
	memnet_transmit_reap(ep);
	map = memnet_region_recent(&ctx->recent, s->op.region, ep->lc->ch);
	if (!map)
		return false;
	if (!memnet_region_has(map->region, s->op.offset, s->op.len)) {
		memnet_region_map_put(map);
		return false;
	}
	job = memnet_job_async(ctx, s, map, GFP_NOWAIT | __GFP_NOWARN);
	if (!job)
		return false;
	spin_lock(&ep->lock);
	taken = room(sk, ep) > 0;
	if (taken) {
		begin(job);
		if (!memnet_job_post(ep, job)) {
			memnet_job_append(ep, job);
			memnet_transmit(ep);
		}
		*end = le64_to_cpu(wire_word(ep->gen, ep->tx.end));
	}
	spin_unlock(&ep->lock);
	if (!taken)
		memnet_job_discard(job);
	else
		*counter = memnet_counter_number(ep);
	return taken;
}

/**
 * memnet_submit_at_once() - send registered memory, if nothing has to be made or waited for
 * @ctx: context
 * @sock: a socket of the family
 * @at: an op to send on this socket
 * @s: the op, checked but for its region
 *
 * This is what most calls come to. Anything else, and whatever is wrong, is left to
 * memnet_submit_sends().
 *
 * Return: whether it was taken.
 */
bool memnet_submit_at_once(struct memnet_context *ctx, struct socket *sock,
			   struct memnet_op __user *at, const struct memnet_submission *s)
{
	struct sock *sk = sock->sk;
	u32 counter;
	bool taken;
	u64 end;

	/* Another one has it, or had it, and BH are on. */
	if (lock_sock_fast(sk)) {
		unlock_sock_fast(sk, true);
		return false;
	}
	taken = queue_at_once(ctx, sk, s, &end, &counter);
	unlock_sock_fast(sk, false);
	if (taken)
		memnet_submission_tell(at, end, counter);
	return taken;
}

/**
 * memnet_submit_sends() - send registered memory without waiting
 * @ctx: context
 * @sock: a socket of the family
 * @at: ops, of which the first is to send on this socket
 * @s: that one, checked; used for those that follow
 * @n: how many there are, at most MEMNET_SUBMIT_BATCH
 *
 * Return: how many were taken, at least one, or a negative errno.
 */
int memnet_submit_sends(struct memnet_context *ctx, struct socket *sock,
			struct memnet_op __user *at, struct memnet_submission *s, unsigned int n)
{
	bool nonblock = s->nonblock || (sock->file && sock->file->f_flags & O_NONBLOCK);
	struct sock *sk = sock->sk;
	int ret;

	lock_sock(sk);
	ret = submit_locked(ctx, sk, nonblock, at, s, n);
	if (ret == -EPIPE)
		ret = sk_stream_error(sk, MSG_NOSIGNAL, ret);
	release_sock(sk);
	return ret;
}
