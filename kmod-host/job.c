// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs: bytes of registered memory that are sent in place (paper, 4.3 and 5.1).
 *
 * A job stands in its endpoint's outgoing queue among buffers of ordinary calls, so all keep the
 * stream's order, and its messages gather straight from the region. It is over when the node's
 * TCP has taken its last byte, which the node tells by the consumed position it publishes
 * anyway. Who waits is told by a WINDOW message: the last message of a job asks for it
 * (WIRE_F_TELL), unless the node has been asked about a position already; then the next one is
 * asked for when that is answered (WANT_TAKEN). So the node remembers one position for each
 * endpoint.
 *
 * The memory may be used again when the job is over, or, where it was interrupted, when the
 * device has read what was sent (job.left): what had not been sent is cut off the stream, and the
 * positions behind it move.
 *
 * An asynchronous job is the same without anybody who waits. The node writes the consumed position
 * into a counter that the program can read (area.c), so the job is over without a message, a
 * wake-up or a system call. The kernel notices when it next has to do with the socket, and then
 * writes the job's result word; before it does, the counter says all. Only when someone waits in
 * the kernel is the node asked to tell.
 *
 * All fields are under the endpoint's lock.
 */
#include <linux/slab.h>
#include <linux/sched/signal.h>
#include <net/sock.h>

#include "job.h"

static struct kmem_cache *cache;

static void job_put(struct memnet_job *job)
{
	if (!refcount_dec_and_test(&job->refs))
		return;
	memnet_region_map_put(job->map);
	memnet_outcome_put(&job->outcome);
	memnet_stat_dec(MEMNET_STAT_HOST_JOBS);
	kmem_cache_free(cache, job);
}

static void job_left(struct memnet_hold *hold)
{
	struct memnet_job *job = container_of(hold, struct memnet_job, hold);

	complete_all(&job->left);
	job_put(job);
}

static struct memnet_job *job_alloc(struct memnet_region_map *map, u64 offset, u64 len)
{
	struct memnet_job *job = kmem_cache_zalloc(cache, GFP_KERNEL_ACCOUNT);

	if (!job)
		return NULL;
	refcount_set(&job->refs, 3);
	refcount_set(&job->hold.refs, 1);
	job->hold.release = job_left;
	job->entry.kind = MEMNET_ENTRY_JOB;
	init_completion(&job->left);
	init_completion(&job->finished);
	job->map = map;
	job->offset = offset;
	job->len = len;
	memnet_stat_inc(MEMNET_STAT_HOST_JOBS);
	return job;
}

/* The job leaves the endpoint's list. */
static void job_finish(struct memnet_endpoint *ep, struct memnet_job *job, u64 taken, int error)
{
	job->taken = taken;
	list_del_init(&job->node);
	ep->tx.n_jobs -= !!job->outcome.ctx;
	ep->tx.n_waited -= job->waited;
	memnet_outcome_write(&job->outcome, taken, error);
	complete_all(&job->finished);
	job_put(job);
}

static u64 job_start(const struct memnet_job *job)
{
	return job->end - job->len;
}

/**
 * memnet_jobs_taken() - the node has said what TCP has taken
 * @ep: endpoint, locked
 */
void memnet_jobs_taken(struct memnet_endpoint *ep)
{
	struct memnet_job *job, *next;

	lockdep_assert_held(&ep->lock);
	if (ep->tx.tell && ep->tx.consumed >= ep->tx.tell)
		ep->tx.tell = 0;
	list_for_each_entry_safe(job, next, &ep->tx.jobs, node) {
		if (job->end > ep->tx.consumed)
			break;
		job_finish(ep, job, job->len, 0);
	}
}

/**
 * memnet_jobs_fail() - nothing more will be taken
 * @ep: endpoint, locked
 * @error: positive errno
 */
void memnet_jobs_fail(struct memnet_endpoint *ep, int error)
{
	struct memnet_job *job, *next;
	u64 taken;

	lockdep_assert_held(&ep->lock);
	if (list_empty(&ep->tx.jobs))
		return;
	memnet_transmit_refresh(ep);
	list_for_each_entry_safe(job, next, &ep->tx.jobs, node) {
		taken = clamp_t(s64, ep->tx.consumed - job_start(job), 0, job->len);
		job_finish(ep, job, taken, taken < job->len ? error : 0);
	}
}

/**
 * memnet_job_transmit() - queue a message of a job
 * @ep: endpoint, locked, in a batch
 * @job: first in its queue
 * @msg: the message, DATA
 * @len: bytes, at most
 * @flags: of the message if it ends the job
 *
 * Return: bytes queued, or a negative errno as memnet_tx_queue_mapped().
 */
int memnet_job_transmit(struct memnet_endpoint *ep, struct memnet_job *job, struct wire_msg *msg,
			u32 len, u8 flags)
{
	struct memnet_channel *ch = ep->lc->ch;
	struct ib_sge sge[MEMNET_TX_SGE - 1];
	bool whole, tell;
	int ret;
	u32 nr;

	len = memnet_region_gather(job->map, job->offset + ep->tx.offset, len, sge,
				   ch->tx.max_sge - 1, &nr);
	whole = ep->tx.offset + len == job->len;
	tell = whole && job->waited && !ep->tx.tell;
	msg->hdr.flags |= (whole ? flags : WIRE_F_MORE) | (tell ? WIRE_F_TELL : 0) |
			  (whole && job->outcome.ctx ? WIRE_F_COUNT : 0);
	refcount_inc(&job->hold.refs);
	ret = memnet_tx_queue_mapped(ch, msg, sge, nr, &job->hold, 0);
	if (ret) {
		refcount_dec(&job->hold.refs);
		return ret;
	}
	if (tell)
		ep->tx.tell = job->end;
	memnet_stat_add(MEMNET_STAT_HOST_DIRECT, len);
	return len;
}

/**
 * memnet_job_untold() - somebody waits for a job the node does not know of
 * @ep: endpoint, locked
 * @msg: filled in for WANT_TAKEN
 *
 * Return: whether it is to be sent.
 */
bool memnet_job_untold(struct memnet_endpoint *ep, struct wire_msg *msg)
{
	struct memnet_job *job;

	if (!ep->tx.n_waited || ep->tx.tell)
		return false;
	list_for_each_entry(job, &ep->tx.jobs, node)
		if (job->waited)
			break;
	/* One that is not sent whole asks by itself. */
	if (job->end > ep->tx.sent)
		return false;
	memset(msg, 0, sizeof(*msg));
	msg->taken.pos = cpu_to_le64(job->end);
	return true;
}

/* What was not sent is cut off; returns what was. */
static u64 job_cut(struct memnet_endpoint *ep, struct memnet_job *job)
{
	struct memnet_job *later = job;
	u64 sent = 0, cut;

	if (list_empty(&job->node))
		return job->taken;
	if (job->end <= ep->tx.sent)
		return job->len;
	/* Off the queue already, with all behind it: the connection is being reset. */
	if (job->end > ep->tx.end)
		return clamp_t(s64, ep->tx.sent - job_start(job), 0, job->len);
	if (list_is_first(&job->entry.node, &ep->tx.queue)) {
		sent = ep->tx.offset;
		ep->tx.offset = 0;
	}
	list_del(&job->entry.node);
	cut = job->len - sent;
	job->len = sent;
	list_for_each_entry_from(later, &ep->tx.jobs, node) {
		later->end -= cut;
		/* Its counter will not pass the end its program knows: the result must tell. */
		if (later->outcome.ctx && !later->waited) {
			later->waited = true;
			ep->tx.n_waited++;
		}
	}
	WRITE_ONCE(ep->tx.end, ep->tx.end - cut);
	memnet_hold_put(&job->hold);
	return sent;
}

/*
 * The memory may be used again when the device has read what was sent. That takes no longer than
 * the link lives; who is killed uses it no more, and the job's mapping keeps it pinned.
 */
static void wait_until_left(struct memnet_endpoint *ep, struct memnet_job *job)
{
	memnet_tx_flush(ep->lc->ch);
	wait_for_completion_killable(&job->left);
}

/* Nobody waits for the job any more. */
static u64 job_interrupt(struct memnet_endpoint *ep, struct memnet_job *job)
{
	u64 sent;

	spin_lock_bh(&ep->lock);
	sent = job_cut(ep, job);
	if (!list_empty(&job->node))
		job_finish(ep, job, sent, EINTR);
	memnet_transmit(ep);
	spin_unlock_bh(&ep->lock);
	wait_until_left(ep, job);
	return sent;
}

static void job_append(struct memnet_endpoint *ep, struct memnet_job *job)
{
	job->end = ep->tx.end + job->len;
	WRITE_ONCE(ep->tx.end, job->end);
	list_add_tail(&job->entry.node, &ep->tx.queue);
	list_add_tail(&job->node, &ep->tx.jobs);
	ep->tx.n_jobs += !!job->outcome.ctx;
	ep->tx.n_waited += job->waited;
}

static int job_queue(struct sock *sk, struct memnet_endpoint *ep, struct memnet_job *job)
{
	bool ok;

	spin_lock_bh(&ep->lock);
	ok = ep->state != TCP_CLOSE && !ep->gone && !(sk->sk_shutdown & SEND_SHUTDOWN);
	if (ok) {
		job_append(ep, job);
		memnet_transmit(ep);
	}
	spin_unlock_bh(&ep->lock);
	return ok ? 0 : -EPIPE;
}

static int send_locked(struct sock *sk, struct memnet_region *region, u64 offset, u64 len,
		       bool more, long *timeo, struct memnet_job **result)
{
	struct memnet_region_map *map;
	struct memnet_endpoint *ep;
	struct memnet_job *job;
	int ret;

	if (sk->sk_state == TCP_SYN_SENT) {
		ret = memnet_wait_connected(sk, timeo);
		if (ret)
			return ret;
	}
	ep = memnet_sk(sk)->ep;
	if (!ep || !ep->connected || sk->sk_err || sk->sk_shutdown & SEND_SHUTDOWN)
		return -EPIPE;
	map = memnet_region_map(region, ep->lc->ch);
	if (IS_ERR(map))
		return PTR_ERR(map) == -ENETDOWN ? -EPIPE : PTR_ERR(map);
	job = job_alloc(map, offset, len);
	if (!job) {
		memnet_region_map_put(map);
		return -ENOMEM;
	}
	job->entry.more = more;
	job->waited = true;
	ret = job_queue(sk, ep, job);
	if (ret) {
		memnet_hold_put(&job->hold);
		job_put(job);
		job_put(job);
		return ret;
	}
	*result = job;
	return 0;
}

/**
 * memnet_send_direct() - send registered memory and wait until the node's TCP has taken it
 * @sock: an offloaded socket
 * @region: region
 * @offset: first byte in it
 * @len: bytes, within the region and not 0
 * @flags: MSG_NOSIGNAL, MSG_MORE
 * @done: bytes sent, where the return is 0
 *
 * It waits also on a non-blocking socket, for there would be no telling when the memory may be used
 * again. A signal, SO_SNDTIMEO or an error ends the call with what was sent.
 *
 * Return: 0 when something was sent, else a negative errno as sendmsg().
 */
int memnet_send_direct(struct socket *sock, struct memnet_region *region, u64 offset, u64 len,
		       unsigned int flags, u64 *done)
{
	struct sock *sk = sock->sk;
	struct memnet_endpoint *ep;
	struct memnet_job *job = NULL;
	long timeo, left;
	int ret;

	lock_sock(sk);
	timeo = sock_sndtimeo(sk, false);
	ret = -EPIPE;
	if (!memnet_sk(sk)->delegated)
		ret = send_locked(sk, region, offset, len, flags & MSG_MORE, &timeo, &job);
	ep = memnet_sk(sk)->ep;
	if (!ret)
		memnet_endpoint_get(ep);
	else
		ret = sk_stream_error(sk, flags, ret);
	release_sock(sk);
	if (ret)
		return ret;
	left = wait_for_completion_interruptible_timeout(&job->finished, timeo);
	if (left > 0) {
		*done = job->taken;
		/* Those that were not taken may still lie in the queue pair. */
		if (*done < job->len)
			wait_until_left(ep, job);
	} else {
		*done = job_interrupt(ep, job);
	}
	if (!*done) {
		lock_sock(sk);
		if (left > 0)
			ret = sk_stream_error(sk, flags, -EPIPE);
		else
			ret = left ? sock_intr_errno(timeo) : -EAGAIN;
		release_sock(sk);
	}
	job_put(job);
	memnet_transmit_reap(ep);
	memnet_endpoint_put(ep);
	return ret;
}

/* ---- asynchronous jobs ---- */

/* Finishes the jobs whose bytes have been taken. */
static void collect(struct memnet_endpoint *ep)
{
	lockdep_assert_held(&ep->lock);
	if (list_empty(&ep->tx.jobs) || !ep->lc)
		return;
	memnet_transmit_refresh(ep);
	memnet_jobs_taken(ep);
}

static void wait_for(struct memnet_endpoint *ep, struct memnet_job *job)
{
	lockdep_assert_held(&ep->lock);
	if (job->waited)
		return;
	job->waited = true;
	ep->tx.n_waited++;
	memnet_transmit(ep);
}

/**
 * memnet_jobs_collect() - finish the jobs whose bytes have been taken
 * @ep: endpoint, not locked
 *
 * What is still under way will be finished as soon as it is taken, so that it holds no memory
 * longer than it must.
 */
void memnet_jobs_collect(struct memnet_endpoint *ep)
{
	struct memnet_job *job;

	spin_lock_bh(&ep->lock);
	collect(ep);
	list_for_each_entry(job, &ep->tx.jobs, node)
		wait_for(ep, job);
	spin_unlock_bh(&ep->lock);
}

/**
 * memnet_job_arm() - somebody is about to wait for a job
 * @ep: endpoint, not locked
 * @end: as the program knows it
 *
 * When it is over its result word is written, and the waiters of its context are woken.
 */
void memnet_job_arm(struct memnet_endpoint *ep, u64 end)
{
	struct memnet_job *job;

	spin_lock_bh(&ep->lock);
	collect(ep);
	list_for_each_entry(job, &ep->tx.jobs, node) {
		if (job->outcome.ctx && le64_to_cpu(wire_word(ep->gen, job->end)) == end) {
			wait_for(ep, job);
			break;
		}
	}
	spin_unlock_bh(&ep->lock);
}

/**
 * memnet_job_cancel() - a job is to be over
 * @ep: endpoint, not locked
 * @word: its result word
 *
 * Return: 0; -EBUSY for one of which something was sent; -ENOENT where there is none.
 */
int memnet_job_cancel(struct memnet_endpoint *ep, const u64 *word)
{
	struct memnet_job *job;
	int ret = -ENOENT;

	spin_lock_bh(&ep->lock);
	collect(ep);
	list_for_each_entry(job, &ep->tx.jobs, node) {
		if (job->outcome.word != word)
			continue;
		ret = -EBUSY;
		if (job_start(job) >= ep->tx.sent) {
			job_cut(ep, job);
			job_finish(ep, job, 0, ECANCELED);
			memnet_transmit(ep);
			ret = 0;
		}
		break;
	}
	spin_unlock_bh(&ep->lock);
	return ret;
}

/* How many more jobs the socket may have; the first of those under way is waited for if none. */
static u32 turns(struct memnet_endpoint *ep, bool wait)
{
	struct memnet_job *job;
	u32 n;

	spin_lock_bh(&ep->lock);
	collect(ep);
	n = MEMNET_JOBS_UNDER_WAY - min(ep->tx.n_jobs, MEMNET_JOBS_UNDER_WAY);
	if (!n && wait) {
		list_for_each_entry(job, &ep->tx.jobs, node)
			if (job->outcome.ctx)
				break;
		wait_for(ep, job);
	}
	spin_unlock_bh(&ep->lock);
	return n;
}

static int sleep_for_turn(struct memnet_endpoint *ep, struct memnet_context *ctx)
{
	DEFINE_WAIT(wait);
	int ret = 0;

	for (;;) {
		prepare_to_wait(&ctx->wait, &wait, TASK_INTERRUPTIBLE);
		if (turns(ep, true))
			break;
		ret = -ERESTARTSYS;
		if (signal_pending(current))
			break;
		ret = 0;
		schedule();
	}
	finish_wait(&ctx->wait, &wait);
	return ret;
}

/*
 * Waits until the socket may have another job; it is locked, and unlocked meanwhile. Returns how
 * many it may have, or a negative errno.
 */
static int wait_for_turn(struct sock *sk, struct memnet_context *ctx, bool nonblock)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	int ret;

	for (;;) {
		ret = turns(ep, false);
		if (ret)
			return ret;
		if (nonblock)
			return -EAGAIN;
		memnet_endpoint_get(ep);
		release_sock(sk);
		ret = sleep_for_turn(ep, ctx);
		lock_sock(sk);
		memnet_endpoint_put(ep);
		if (ret)
			return ret;
		if (memnet_sk(sk)->ep != ep)
			return -EPIPE;
	}
}

static struct memnet_job *job_make(struct memnet_context *ctx, struct memnet_endpoint *ep,
				   const struct memnet_op *op, struct memnet_region *region,
				   u64 *result)
{
	struct memnet_region_map *map;
	struct memnet_job *job;

	map = memnet_region_map(region, ep->lc->ch);
	if (IS_ERR(map))
		return ERR_CAST(map);
	job = job_alloc(map, op->offset, op->len);
	if (!job) {
		memnet_region_map_put(map);
		return ERR_PTR(-ENOMEM);
	}
	memnet_outcome_init(&job->outcome, ctx, result, op->flags & MEMNET_OP_NOTIFY);
	job->waited = job->outcome.notify;
	return job;
}

static void job_discard(struct memnet_job *job)
{
	memnet_hold_put(&job->hold);
	job_put(job);
	job_put(job);
}

/* All under one lock and in one batch; @jobs are taken over. */
static int jobs_queue(struct sock *sk, struct memnet_endpoint *ep, struct memnet_op *ops,
		      struct memnet_job **jobs, unsigned int n)
{
	unsigned int i;
	bool ok;

	spin_lock_bh(&ep->lock);
	ok = ep->state != TCP_CLOSE && !ep->gone && !(sk->sk_shutdown & SEND_SHUTDOWN);
	for (i = 0; ok && i < n; i++) {
		WRITE_ONCE(*jobs[i]->outcome.word, jobs[i]->outcome.serial);
		jobs[i]->entry.more = i < n - 1 || ops[i].flags & MEMNET_OP_MORE;
		job_append(ep, jobs[i]);
		ops[i].end = le64_to_cpu(wire_word(ep->gen, jobs[i]->end));
		ops[i].counter = memnet_counter_number(ep);
	}
	if (ok)
		memnet_transmit(ep);
	spin_unlock_bh(&ep->lock);
	for (i = 0; i < n; i++) {
		if (ok)
			job_put(jobs[i]);
		else
			job_discard(jobs[i]);
	}
	return ok ? n : -EPIPE;
}

static int submit_locked(struct memnet_context *ctx, struct sock *sk, bool nonblock,
			 struct memnet_op *ops, struct memnet_region **regions, u64 **results,
			 unsigned int n)
{
	struct memnet_job *jobs[MEMNET_SUBMIT_BATCH];
	struct memnet_endpoint *ep;
	unsigned int i;
	long timeo;
	int ret;

	if (memnet_sk(sk)->delegated)
		return -EOPNOTSUPP;
	if (sk->sk_state == TCP_SYN_SENT) {
		timeo = sock_sndtimeo(sk, nonblock);
		ret = memnet_wait_connected(sk, &timeo);
		if (ret)
			return ret;
	}
	ep = memnet_sk(sk)->ep;
	if (!ep || !ep->connected || sk->sk_err || sk->sk_shutdown & SEND_SHUTDOWN)
		return -EPIPE;
	ret = memnet_area_bind(ctx, ep);
	if (ret)
		return ret == -ENETDOWN ? -EPIPE : ret;
	memnet_transmit_reap(ep);
	ret = wait_for_turn(sk, ctx, nonblock);
	if (ret < 0)
		return ret;
	n = min3(n, (unsigned int)ret, MEMNET_SUBMIT_BATCH);
	for (i = 0; i < n; i++) {
		jobs[i] = job_make(ctx, ep, &ops[i], regions[i], results[i]);
		if (IS_ERR(jobs[i])) {
			ret = PTR_ERR(jobs[i]);
			if (!i)
				return ret == -ENETDOWN ? -EPIPE : ret;
			break;
		}
	}
	return jobs_queue(sk, ep, ops, jobs, i);
}

/**
 * memnet_submit_sends() - send registered memory without waiting
 * @ctx: context
 * @sock: a socket of the family
 * @ops: what to send; @end and @counter are filled in
 * @regions: held, with the bytes of each
 * @results: result word of each
 * @n: how many
 *
 * Return: how many were taken, at least one, or a negative errno.
 */
int memnet_submit_sends(struct memnet_context *ctx, struct socket *sock, struct memnet_op *ops,
			struct memnet_region **regions, u64 **results, unsigned int n)
{
	bool nonblock = sock->file && sock->file->f_flags & O_NONBLOCK;
	struct sock *sk = sock->sk;
	int ret;

	lock_sock(sk);
	ret = submit_locked(ctx, sk, nonblock, ops, regions, results, n);
	if (ret == -EPIPE)
		ret = sk_stream_error(sk, MSG_NOSIGNAL, ret);
	release_sock(sk);
	return ret;
}

/**
 * memnet_jobs_init() - prepare
 *
 * Return: 0 or -ENOMEM.
 */
int memnet_jobs_init(void)
{
	cache = KMEM_CACHE(memnet_job, 0);
	return cache ? 0 : -ENOMEM;
}

/**
 * memnet_jobs_exit() - clean up; no job lives
 */
void memnet_jobs_exit(void)
{
	kmem_cache_destroy(cache);
}
