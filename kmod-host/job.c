// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs: bytes of registered memory that are sent in place (paper, 4.3 and 5.1).
 *
 * A job stands in its endpoint's outgoing queue among buffers of ordinary calls, so all keep the
 * stream's order, and its messages gather straight from the region; jobs behind one another share
 * a message. It is over when the node's TCP has taken its last byte, which the node tells by the
 * consumed position it publishes anyway. Who waits is told by a WINDOW message: the last message
 * of a job, which no other job follows then, asks for it (WIRE_F_TELL), unless the node has been
 * asked about a position already. The node remembers the one it was asked for last; the first
 * that somebody waits for is asked for when another was answered or lies behind it (WANT_TAKEN).
 * An asynchronous one that nothing stands before is posted past the queue (memnet_job_post()).
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
 * Jobs that are no more are used again by the context they were of, as far as it keeps them.
 *
 * All fields are under the endpoint's lock.
 */
#include <linux/slab.h>
#include <net/sock.h>

#include "job.h"
#include "transmit.h"

static struct kmem_cache *cache;

/**
 * memnet_job_put() - drop a reference
 * @job: job
 */
void memnet_job_put(struct memnet_job *job)
{
	struct memnet_context *ctx = job->outcome.ctx;

	if (!refcount_dec_and_test(&job->refs))
		return;
	memnet_region_map_put(job->map);
	memnet_stat_dec(MEMNET_STAT_HOST_JOBS);
	if (ctx && atomic_read(&ctx->spares) < MEMNET_JOBS_SPARE) {
		atomic_inc(&ctx->spares);
		llist_add(&job->spare, &ctx->spare);
	} else {
		kmem_cache_free(cache, job);
	}
	if (ctx)
		memnet_context_put(ctx);
}

static void job_left(struct memnet_hold *hold)
{
	struct memnet_job *job = container_of(hold, struct memnet_job, hold);

	if (job->direct)
		complete_all(&job->left);
	memnet_job_put(job);
}

/**
 * memnet_jobs_free() - free what is kept
 * @ctx: context that nobody has any more
 */
void memnet_jobs_free(struct memnet_context *ctx)
{
	struct memnet_job *job, *next;

	llist_for_each_entry_safe(job, next, llist_del_all(&ctx->spare), spare)
		kmem_cache_free(cache, job);
}

static struct memnet_job *job_take(struct memnet_context *ctx, gfp_t gfp)
{
	struct llist_node *node;

	spin_lock(&ctx->spare_lock);
	node = llist_del_first(&ctx->spare);
	spin_unlock(&ctx->spare_lock);
	if (!node)
		return kmem_cache_alloc(cache, gfp | __GFP_ACCOUNT);
	atomic_dec(&ctx->spares);
	return container_of(node, struct memnet_job, spare);
}

/* A new or a used job becomes one for these bytes; @map is taken over. */
static void job_init(struct memnet_job *job, struct memnet_region_map *map, u64 offset, u64 len,
		     bool more)
{
	refcount_set(&job->refs, 2);
	refcount_set(&job->hold.refs, 1);
	job->hold.next = NULL;
	job->hold.release = job_left;
	job->entry.kind = MEMNET_ENTRY_JOB;
	job->entry.more = more;
	job->map = map;
	job->offset = offset;
	job->len = len;
	job->taken = 0;
	job->waited = false;
	job->direct = false;
	memnet_stat_inc(MEMNET_STAT_HOST_JOBS);
}

/* The job leaves the endpoint's list. */
static void job_finish(struct memnet_endpoint *ep, struct memnet_job *job, u64 taken, int error)
{
	job->taken = taken;
	list_del_init(&job->node);
	ep->tx.n_jobs -= !!job->outcome.ctx;
	ep->tx.n_waited -= job->waited;
	memnet_outcome_write(&job->outcome, taken, error);
	if (job->direct)
		complete_all(&job->finished);
	memnet_job_put(job);
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
 *
 * While the device may still read their memory they go on (memnet_endpoint_stopped()).
 */
void memnet_jobs_fail(struct memnet_endpoint *ep, int error)
{
	struct memnet_job *job, *next;
	u64 taken;

	lockdep_assert_held(&ep->lock);
	if (list_empty(&ep->tx.jobs) || ep->lost)
		return;
	memnet_transmit_refresh(ep);
	list_for_each_entry_safe(job, next, &ep->tx.jobs, node) {
		taken = clamp_t(s64, ep->tx.consumed - job_start(job), 0, job->len);
		job_finish(ep, job, taken, taken < job->len ? error : 0);
	}
}

/* All of a job has been sent; what the message is to say for it. */
static u8 job_sent(struct memnet_endpoint *ep, struct memnet_job *job)
{
	u8 flags = job->outcome.ctx ? WIRE_F_COUNT : 0;
	const struct memnet_entry *next;

	list_del(&job->entry.node);
	ep->tx.offset = 0;
	if (job->waited && !ep->tx.tell) {
		ep->tx.tell = job->end;
		flags |= WIRE_F_TELL;
	}
	next = list_first_entry_or_null(&ep->tx.queue, struct memnet_entry, node);
	if (job->entry.more || (next && next->kind != MEMNET_ENTRY_CONTROL))
		return flags | WIRE_F_MORE;
	if (!ep->tx.fin || next)
		return flags;
	ep->tx.fin_sent = true;
	return flags | WIRE_F_FIN;
}

/* Whether another job follows, in the queue and in the message. */
static bool another_follows(struct memnet_endpoint *ep, const struct memnet_job *job)
{
	const struct memnet_entry *next;

	next = list_first_entry_or_null(&ep->tx.queue, struct memnet_entry, node);
	return next && next->kind == MEMNET_ENTRY_JOB && !job->waited;
}

/**
 * memnet_jobs_transmit() - queue a message of the jobs at the head of the queue
 * @ep: endpoint, locked, in a batch
 * @msg: the message, DATA
 * @room: bytes, at most and not 0
 *
 * Return: 0, or a negative errno as memnet_tx_gather().
 */
int memnet_jobs_transmit(struct memnet_endpoint *ep, struct wire_msg *msg, u32 room)
{
	struct memnet_channel *ch = ep->lc->ch;
	u32 max = ch->tx.max_sge - 1, nr = 0, sent = 0, len, n;
	struct memnet_hold *first = NULL, *last = NULL;
	u8 flags = 0, holds = 0;
	struct memnet_job *job;
	struct ib_sge *sge;
	u64 left;

	sge = memnet_tx_gather(ch, msg);
	if (IS_ERR(sge))
		return PTR_ERR(sge);
	do {
		job = memnet_entry_job(list_first_entry(&ep->tx.queue, struct memnet_entry, node));
		left = job->len - ep->tx.offset;
		len = memnet_region_gather(job->map, job->offset + ep->tx.offset,
					   min_t(u64, left, room - sent), sge + nr, max - nr, &n);
		nr += n;
		sent += len;
		if (last)
			last->next = &job->hold;
		else
			first = &job->hold;
		last = &job->hold;
		holds++;
		if (len < left) {
			refcount_inc(&job->hold.refs);
			ep->tx.offset += len;
			flags |= WIRE_F_MORE;
			break;
		}
		flags = (flags & WIRE_F_COUNT) | job_sent(ep, job);
	} while (sent < room && nr < max && another_follows(ep, job));
	msg->hdr.flags = flags;
	if (flags & WIRE_F_COUNT && unlikely(ep->tx.counter_due))
		memnet_counter_name(ep, &msg->data);
	memnet_tx_queue_gathered(ch, msg, nr, sent, first, holds);
	ep->tx.sent += sent;
	memnet_stat_add(MEMNET_STAT_HOST_DIRECT, sent);
	return 0;
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

	if (!ep->tx.n_waited)
		return false;
	list_for_each_entry(job, &ep->tx.jobs, node)
		if (job->waited)
			break;
	/* One that is not sent whole asks by itself. */
	if (job->end > ep->tx.sent || (ep->tx.tell && ep->tx.tell <= job->end))
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

/**
 * memnet_job_async() - make a job nobody waits for
 * @ctx: context it is of
 * @s: what it is to do
 * @map: what is sent from; taken over, or put without memory
 * @gfp: how to allocate
 *
 * Return: the job, to be posted, appended or discarded, or NULL.
 */
struct memnet_job *memnet_job_async(struct memnet_context *ctx, const struct memnet_submission *s,
				    struct memnet_region_map *map, gfp_t gfp)
{
	struct memnet_job *job = job_take(ctx, gfp);

	if (!job) {
		memnet_region_map_put(map);
		return NULL;
	}
	job_init(job, map, s->op.offset, s->op.len, s->op.flags & MEMNET_OP_MORE);
	memnet_outcome_init(&job->outcome, ctx, s->word, s->op.flags & MEMNET_OP_NOTIFY);
	job->waited = job->outcome.notify;
	return job;
}

/**
 * memnet_job_discard() - a job was not queued
 * @job: job
 */
void memnet_job_discard(struct memnet_job *job)
{
	memnet_hold_put(&job->hold);
	memnet_job_put(job);
}

/**
 * memnet_job_append() - queue a job; memnet_transmit() is to follow
 * @ep: endpoint, locked
 * @job: job
 */
void memnet_job_append(struct memnet_endpoint *ep, struct memnet_job *job)
{
	job->end = ep->tx.end + job->len;
	WRITE_ONCE(ep->tx.end, job->end);
	list_add_tail(&job->entry.node, &ep->tx.queue);
	list_add_tail(&job->node, &ep->tx.jobs);
	ep->tx.n_jobs += !!job->outcome.ctx;
	ep->tx.n_waited += job->waited;
	/* Who sleeps for memory may now have to wait for the node as well, and has not asked it. */
	if (ep->sk && ep->sk->sk_socket && test_bit(SOCK_NOSPACE, &ep->sk->sk_socket->flags))
		ep->tx.want = true;
}

/* A message of a job that nothing stands before; returns how many bytes, or 0. In a batch. */
static u32 post_piece(struct memnet_endpoint *ep, struct memnet_job *job, u64 done)
{
	u32 left = job->len - done, len, nr;
	struct link_channel *lc = ep->lc;
	struct memnet_channel *ch = lc->ch;
	struct wire_msg msg __uninitialized;
	struct ib_sge *sge;

	wire_init_data(&msg, ep->index, ep->gen);
	msg.hdr.pos = cpu_to_le64(ep->tx.sent + done);
	sge = memnet_tx_gather(ch, &msg);
	if (IS_ERR(sge))
		return 0;
	len = memnet_region_gather(job->map, job->offset + done, min_t(u32, left, WIRE_MAX_PAYLOAD),
				   sge, ch->tx.max_sge - 1, &nr);
	if (len == left) {
		msg.hdr.flags = WIRE_F_COUNT | (job->entry.more ? WIRE_F_MORE : 0);
		if (unlikely(ep->tx.counter_due))
			memnet_counter_name(ep, &msg.data);
	} else {
		msg.hdr.flags = WIRE_F_MORE;
		refcount_inc(&job->hold.refs);
	}
	if (unlikely(ep->tx.options)) {
		msg.data.nodelay = 1;
		ep->tx.options = 0;
	}
	memnet_tx_queue_gathered(ch, &msg, nr, len, &job->hold, 1);
	lc->moved.tx_messages++;
	return len;
}

/**
 * memnet_job_post() - send a job that nothing stands before, and that the window has room for
 * @ep: endpoint of a connection, locked, on a channel
 * @job: job
 *
 * The usual case of memnet_job_append() and memnet_transmit(), in less time. What the peer's
 * credits do not suffice for is queued.
 *
 * Return: whether it was; if not, the caller goes the usual way.
 */
bool memnet_job_post(struct memnet_endpoint *ep, struct memnet_job *job)
{
	struct link_channel *lc = ep->lc;
	u64 done = 0;
	u32 len;

	lockdep_assert_held(&ep->lock);
	if (!memnet_transmit_idle(ep) || job->waited)
		return false;
	if (job->len > ep->tx.limit - ep->tx.sent) {
		memnet_transmit_refresh(ep);
		if (job->len > ep->tx.limit - ep->tx.sent)
			return false;
	}
	memnet_tx_begin(lc->ch);
	do {
		len = post_piece(ep, job, done);
		done += len;
	} while (len && done < job->len);
	memnet_tx_commit(lc->ch);
	ep->tx.sent += done;
	lc->moved.tx_bytes += done;
	memnet_stat_add(MEMNET_STAT_HOST_DIRECT, done);
	if (done < job->len) {
		memnet_job_append(ep, job);
		ep->tx.offset = done;
		if (done)
			ep->tx.held = true;
		memnet_transmit(ep);
		return true;
	}
	job->end = ep->tx.end + job->len;
	WRITE_ONCE(ep->tx.end, job->end);
	list_add_tail(&job->node, &ep->tx.jobs);
	ep->tx.n_jobs++;
	ep->tx.held = job->entry.more;
	return true;
}

/**
 * memnet_job_direct() - make a job for a caller who waits
 * @map: what is sent from; taken over on success
 * @offset: first byte in the region
 * @len: bytes
 * @more: the caller announces more
 *
 * Return: the job with the caller's reference, or NULL. Only memnet_job_queue() may follow.
 */
struct memnet_job *memnet_job_direct(struct memnet_region_map *map, u64 offset, u64 len, bool more)
{
	struct memnet_job *job = kmem_cache_alloc(cache, GFP_KERNEL_ACCOUNT);

	if (!job)
		return NULL;
	job_init(job, map, offset, len, more);
	job->outcome = (struct memnet_outcome){ .ctx = NULL };
	refcount_inc(&job->refs);
	job->direct = true;
	init_completion(&job->left);
	init_completion(&job->finished);
	job->waited = true;
	return job;
}

/**
 * memnet_job_queue() - queue it, and send what can be sent
 * @sk: the endpoint's socket, locked
 * @ep: endpoint, not locked
 * @job: job
 *
 * Return: 0; -EPIPE when nothing is sent any more, and then the job is gone.
 */
int memnet_job_queue(struct sock *sk, struct memnet_endpoint *ep, struct memnet_job *job)
{
	bool ok;

	spin_lock_bh(&ep->lock);
	ok = ep->state != TCP_CLOSE && !ep->gone && !(sk->sk_shutdown & SEND_SHUTDOWN);
	if (ok) {
		memnet_job_append(ep, job);
		memnet_transmit(ep);
	}
	spin_unlock_bh(&ep->lock);
	if (ok)
		return 0;
	memnet_job_discard(job);
	memnet_job_put(job);
	return -EPIPE;
}

/**
 * memnet_job_interrupt() - nobody waits for its end any more
 * @ep: endpoint, not locked
 * @job: job
 *
 * What was not sent is cut off.
 *
 * Return: bytes that were sent, or will be.
 */
u64 memnet_job_interrupt(struct memnet_endpoint *ep, struct memnet_job *job)
{
	u64 sent;

	spin_lock_bh(&ep->lock);
	sent = job_cut(ep, job);
	if (!list_empty(&job->node))
		job_finish(ep, job, sent, EINTR);
	memnet_transmit(ep);
	spin_unlock_bh(&ep->lock);
	return sent;
}

/**
 * memnet_jobs_refresh() - finish the jobs whose bytes have been taken
 * @ep: endpoint, locked
 */
void memnet_jobs_refresh(struct memnet_endpoint *ep)
{
	lockdep_assert_held(&ep->lock);
	if (list_empty(&ep->tx.jobs) || !ep->lc)
		return;
	if (ep->area)
		memnet_transmit_count(ep);
	else
		memnet_transmit_refresh(ep);
	memnet_jobs_taken(ep);
}

/**
 * memnet_job_wait_for() - somebody waits for a job; memnet_transmit() is to follow
 * @ep: endpoint, locked
 * @job: job
 */
void memnet_job_wait_for(struct memnet_endpoint *ep, struct memnet_job *job)
{
	lockdep_assert_held(&ep->lock);
	if (job->waited)
		return;
	job->waited = true;
	ep->tx.n_waited++;
}

/**
 * memnet_jobs_collect() - finish the jobs whose bytes have been taken
 * @ep: endpoint, not locked
 * @region: this is deregistered; NULL: all are
 *
 * What is still under way and sends from it will be finished as soon as it is taken, so that it
 * holds no memory longer than it must.
 */
void memnet_jobs_collect(struct memnet_endpoint *ep, const struct memnet_region *region)
{
	struct memnet_job *job;

	spin_lock_bh(&ep->lock);
	memnet_jobs_refresh(ep);
	list_for_each_entry(job, &ep->tx.jobs, node)
		if (!region || job->map->region == region)
			memnet_job_wait_for(ep, job);
	memnet_transmit(ep);
	spin_unlock_bh(&ep->lock);
}

/**
 * memnet_job_arm() - somebody is about to wait for a job
 * @ep: endpoint, not locked
 * @end: as the program knows it
 *
 * When it is over its result word is written, and the waiters of its context are woken, if
 * memnet_jobs_ask() follows.
 */
void memnet_job_arm(struct memnet_endpoint *ep, u64 end)
{
	struct memnet_job *job;

	spin_lock_bh(&ep->lock);
	memnet_jobs_refresh(ep);
	list_for_each_entry(job, &ep->tx.jobs, node) {
		if (job->outcome.ctx && le64_to_cpu(wire_word(ep->gen, job->end)) == end) {
			memnet_job_wait_for(ep, job);
			break;
		}
	}
	spin_unlock_bh(&ep->lock);
}

/**
 * memnet_jobs_ask() - ask the node about those that somebody waits for
 * @ep: endpoint, not locked
 */
void memnet_jobs_ask(struct memnet_endpoint *ep)
{
	spin_lock_bh(&ep->lock);
	memnet_transmit(ep);
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
	memnet_jobs_refresh(ep);
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
