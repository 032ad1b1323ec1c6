// SPDX-License-Identifier: GPL-2.0
/*
 * The send queue of a channel.
 *
 * The send ring holds one entry for each work request in posting order: messages (SEND), and RDMA
 * writes and registrations (tx_write.c). An RC queue pair completes in order, so one signalled
 * entry stands for all before it and the ring needs two free-running counters, no free list. Every
 * quarter of the ring is signalled, an entry that somebody waits for, and one of each few that hold
 * much of a socket's memory: its next send finds that free, and nobody has to be interrupted.
 *
 * A sender calls memnet_tx_begin(), queues any number of requests, and memnet_tx_commit() posts
 * them as one chain. A message needs a credit (a receive request of the peer) and an entry; the
 * last credit and the last entries are kept for grants of credits and for the marker that
 * drains the queue. Who gets -EAGAIN registers as a waiter; it is called again when a grant or
 * a completion came.
 *
 * Completions are polled by senders, while something signalled is under way (tx.signals). The
 * completion queue raises an event only when someone waits; the event's work frees what was sent
 * and runs the waiters. An event may be spent on an earlier completion than the one that is waited
 * for: the work asks for the next one until that has come (tx.notify_to). Buffers leave through
 * tx.done and are freed outside of all locks, because freeing may wake their socket.
 *
 * Payload is a buffer, mapped for one request (tx_gather.c), or memory that its owner has mapped
 * (struct memnet_hold), a reference to which each request has until it is complete.
 *
 * Locks: everything here is under tx.lock (BH), which nests inside the endpoint locks of the
 * owner. Nothing is posted once tx.stopped is set.
 */
#include <linux/slab.h>

#include "trace.h"
#include "tx.h"

#define KEPT_PAGES	64	/* of MEMNET_TX_ORDER, to be used again, at most */

static void tx_nop_done(struct ib_cq *cq, struct ib_wc *wc)
{
}

static u32 tx_free(const struct memnet_channel *ch)
{
	return ch->tx.depth - memnet_tx_used(ch);
}

static void tx_wipe(struct memnet_channel *ch, struct memnet_tx *tx)
{
	ib_dma_sync_single_for_cpu(ch->rdma.dev, tx->msg_dma, WIRE_SLOT, DMA_TO_DEVICE);
	memzero_explicit(tx->msg, WIRE_SLOT);
	ib_dma_sync_single_for_device(ch->rdma.dev, tx->msg_dma, WIRE_SLOT, DMA_TO_DEVICE);
	tx->secret = false;
}

static void tx_release(struct memnet_channel *ch, struct memnet_tx *tx)
{
	struct memnet_hold *hold, *next;

	if (unlikely(tx->secret))
		tx_wipe(ch, tx);
	if (tx->nr_sge)
		memnet_tx_unmap(ch, tx);
	if (tx->skb) {
		if (skb_unref(tx->skb))
			__skb_queue_tail(&ch->tx.done, tx->skb);
		tx->skb = NULL;
	}
	for (hold = tx->hold; tx->nr_hold; hold = next, tx->nr_hold--) {
		next = hold->next;
		memnet_hold_put(hold);
	}
}

/* Everything up to and including entry @pos is complete. */
static void tx_complete(struct memnet_channel *ch, struct memnet_tx *last)
{
	u32 mask = ch->tx.depth - 1;
	struct memnet_tx *tx;

	do {
		if (ch->tx.tail == ch->tx.head)
			return;
		tx = &ch->tx.ring[ch->tx.tail & mask];
		tx_release(ch, tx);
		ch->tx.tail++;
	} while (tx != last);
}

/* Returns false when a completion reported an error. */
static bool tx_poll(struct memnet_channel *ch)
{
	struct ib_wc wc[8] __uninitialized;
	bool ok = true;
	int i, n;

	lockdep_assert_held(&ch->tx.lock);
	/* In time an error also shows up in the asynchronous handler and the receive queue. */
	if (!ch->tx.signals && !ch->tx.stopped)
		return true;
	do {
		n = ib_poll_cq(ch->rdma.send_cq, ARRAY_SIZE(wc), wc);
		for (i = 0; i < n; i++) {
			tx_complete(ch, container_of(wc[i].wr_cqe, struct memnet_tx, cqe));
			/*
			 * After an error those that were not signalled complete, too. Not before
			 * what was sent is where memnet_tx_reap() looks.
			 */
			if (wc[i].status == IB_WC_SUCCESS) {
				WRITE_ONCE(ch->tx.signals, ch->tx.signals - 1);
			} else {
				memnet_channel_wc_error(ch, "send", &wc[i]);
				ok = false;
			}
		}
	} while (n == ARRAY_SIZE(wc));
	return ok;
}

static void tx_arm(struct memnet_channel *ch)
{
	if (ib_req_notify_cq(ch->rdma.send_cq, IB_CQ_NEXT_COMP | IB_CQ_REPORT_MISSED_EVENTS) > 0)
		queue_work_on(ch->cfg.cpu, memnet_wq, &ch->tx.work);
}

/**
 * memnet_tx_begin() - begin a batch
 * @ch: channel
 *
 * Takes tx.lock; memnet_tx_commit() must follow soon, without sleeping in between. For who has
 * disabled BH, as everybody does who has an endpoint locked; for others there is
 * memnet_tx_begin_bh().
 */
void memnet_tx_begin(struct memnet_channel *ch)
	__acquires(&ch->tx.lock)
{
	spin_lock(&ch->tx.lock);
}
EXPORT_SYMBOL_GPL(memnet_tx_begin);

/**
 * memnet_tx_make_room() - look for entries that are complete
 * @ch: channel, in a batch
 * @reserve: how many must stay
 *
 * Return: whether there are more than that.
 */
bool memnet_tx_make_room(struct memnet_channel *ch, u32 reserve)
{
	tx_poll(ch);
	return tx_free(ch) > reserve;
}

/* Whether a message may be queued now. */
static int tx_admit(struct memnet_channel *ch, const struct wire_msg *msg)
{
	bool grant = msg->hdr.opcode == WIRE_CREDIT || msg->hdr.opcode == WIRE_GOODBYE;

	lockdep_assert_held(&ch->tx.lock);
	if (ch->tx.stopped)
		return -ENOTCONN;
	if (ch->tx.credits < (grant ? 1 : 2) ||
	    !memnet_tx_has_room(ch, grant ? RESERVE_DRAIN : RESERVE_GRANT))
		return -EAGAIN;
	return 0;
}

/* The next entry becomes this message; its payload, @nr entries of the gather list, is in place. */
static struct memnet_tx *tx_message(struct memnet_channel *ch, struct wire_msg *msg, u32 nr,
				    u32 len, unsigned int flags)
{
	bool secret = memnet_is_secret(msg);
	struct memnet_tx *tx;

	/* It is complete at once only if somebody waits for it. */
	tx = memnet_tx_next(ch, IB_WR_SEND, secret ? flags | MEMNET_TX_NOTIFY : flags);
	tx->secret = secret;
	ch->tx.credits--;
	msg->hdr.grant = cpu_to_le16(memnet_rx_take_owed(ch));
	msg->hdr.len = cpu_to_le32(len);
	ib_dma_sync_single_for_cpu(ch->rdma.dev, tx->msg_dma, WIRE_SLOT, DMA_TO_DEVICE);
	wire_copy(tx->msg, msg);
	ib_dma_sync_single_for_device(ch->rdma.dev, tx->msg_dma, WIRE_SLOT, DMA_TO_DEVICE);
	tx->sge[0] = (struct ib_sge){ .addr = tx->msg_dma, .length = WIRE_SLOT,
				      .lkey = ch->rdma.domain->pd->local_dma_lkey };
	tx->wr.send.num_sge = nr + 1;
	memnet_stat_inc(MEMNET_STAT_MSG_SENT);
	memnet_stat_add(MEMNET_STAT_BYTES_SENT, len);
	memnet_stat_add(MEMNET_STAT_SEGMENTS_SENT, nr);
	trace_memnet_message_sent(ch, msg, len);
	return tx;
}

/**
 * memnet_tx_queue() - queue a message
 * @ch: channel, in a batch
 * @msg: the message; its grant and length are filled in
 * @skb: payload or NULL; one reference is taken over on success
 * @offset: payload starts here
 * @len: bytes of payload, not more than memnet_tx_fit() said
 * @flags: MEMNET_TX_*
 *
 * Return: 0; -EAGAIN for lack of credits or room; -ENOTCONN when the channel is down; -ENOMEM.
 */
int memnet_tx_queue(struct memnet_channel *ch, struct wire_msg *msg, struct sk_buff *skb,
		    u32 offset, u32 len, unsigned int flags)
{
	struct memnet_segment seg[MEMNET_TX_SGE] __uninitialized;
	struct memnet_tx *tx;
	u32 nr = 0;
	int ret;

	ret = tx_admit(ch, msg);
	if (ret)
		return ret;
	if (skb && WARN_ON_ONCE(memnet_tx_segments(skb, offset, len, seg, ch->tx.max_sge - 1,
						   &nr) != len))
		return -EINVAL;
	tx = &ch->tx.ring[ch->tx.head & (ch->tx.depth - 1)];
	if (memnet_tx_map(ch, tx, seg, nr)) {
		memnet_tx_unmap(ch, tx);
		return -ENOMEM;
	}
	if (wire_begins(msg->hdr.opcode))
		memnet_window_forget(ch, le32_to_cpu(msg->hdr.index));
	tx_message(ch, msg, nr, len, flags);
	tx->skb = skb;
	return 0;
}
EXPORT_SYMBOL_GPL(memnet_tx_queue);

/**
 * memnet_tx_gather() - begin a message whose payload its owners have mapped
 * @ch: channel, in a batch
 * @msg: the message, for its opcode
 *
 * Return: tx.max_sge - 1 entries, of which the first are to be filled in with the addresses and
 * lengths of the payload, mapped for the channel's device, before memnet_tx_queue_gathered(); or
 * an ERR_PTR: -EAGAIN for lack of credits or room, -ENOTCONN when the channel is down.
 */
struct ib_sge *memnet_tx_gather(struct memnet_channel *ch, const struct wire_msg *msg)
{
	int ret = tx_admit(ch, msg);

	if (ret)
		return ERR_PTR(ret);
	return &ch->tx.ring[ch->tx.head & (ch->tx.depth - 1)].sge[1];
}
EXPORT_SYMBOL_GPL(memnet_tx_gather);

/**
 * memnet_tx_queue_gathered() - queue it
 * @ch: channel, still in the batch in which memnet_tx_gather() was called
 * @msg: the message; its grant and length are filled in
 * @nr: entries that were filled in
 * @len: their bytes
 * @hold: first owner; a reference to each is taken over
 * @nr_hold: owners
 */
void memnet_tx_queue_gathered(struct memnet_channel *ch, struct wire_msg *msg, u32 nr, u32 len,
			      struct memnet_hold *hold, u8 nr_hold)
{
	struct memnet_tx *tx = &ch->tx.ring[ch->tx.head & (ch->tx.depth - 1)];
	u32 key = ch->rdma.domain->pd->local_dma_lkey;
	struct ib_sge *sge = tx->sge + 1, *end = sge + nr;

	for (; sge < end; sge++) {
		ib_dma_sync_single_for_device(ch->rdma.dev, sge->addr, sge->length, DMA_TO_DEVICE);
		sge->lkey = key;
	}
	tx_message(ch, msg, nr, len, 0);
	tx->hold = hold;
	tx->nr_hold = nr_hold;
	/* so that not many more owners than entries wait for their release */
	ch->tx.unsignalled += nr_hold - 1;
}
EXPORT_SYMBOL_GPL(memnet_tx_queue_gathered);

/**
 * memnet_tx_commit() - post the batch
 * @ch: channel
 */
void memnet_tx_commit(struct memnet_channel *ch)
	__releases(&ch->tx.lock)
{
	const struct ib_send_wr *bad;
	bool failed = false;

	if (ch->tx.chain) {
		/*
		 * What was refused gets no completion; teardown releases the whole ring after
		 * the queue pair is gone.
		 */
		if (ib_post_send(ch->rdma.qp, ch->tx.chain, &bad)) {
			ch->tx.stopped = true;
			failed = true;
		}
		ch->tx.chain = NULL;
		ch->tx.chain_last = NULL;
		memnet_stat_inc(MEMNET_STAT_POSTS);
	}
	if (ch->tx.notify && !ch->tx.stopped) {
		ch->tx.notify = false;
		tx_arm(ch);
	}
	spin_unlock(&ch->tx.lock);
	if (failed)
		memnet_channel_fail(ch, WIRE_REASON_TRANSPORT);
}
EXPORT_SYMBOL_GPL(memnet_tx_commit);

/**
 * memnet_tx_begin_bh() - begin a batch and disable BH
 * @ch: channel
 *
 * memnet_tx_commit_bh() must follow.
 */
void memnet_tx_begin_bh(struct memnet_channel *ch)
{
	local_bh_disable();
	memnet_tx_begin(ch);
}
EXPORT_SYMBOL_GPL(memnet_tx_begin_bh);

/**
 * memnet_tx_commit_bh() - post the batch and enable BH
 * @ch: channel
 */
void memnet_tx_commit_bh(struct memnet_channel *ch)
{
	memnet_tx_commit(ch);
	local_bh_enable();
}
EXPORT_SYMBOL_GPL(memnet_tx_commit_bh);

/**
 * memnet_tx_send() - send one message without payload
 * @ch: channel
 * @msg: message
 *
 * Return: as memnet_tx_queue().
 */
int memnet_tx_send(struct memnet_channel *ch, struct wire_msg *msg)
{
	int ret;

	memnet_tx_begin_bh(ch);
	ret = memnet_tx_queue(ch, msg, NULL, 0, 0, 0);
	memnet_tx_commit_bh(ch);
	return ret;
}
EXPORT_SYMBOL_GPL(memnet_tx_send);

/* A completion for all that was posted so far, and an event for it. */
static void tx_mark(struct memnet_channel *ch)
{
	lockdep_assert_held(&ch->tx.lock);
	if (ch->tx.unsignalled &&
	    !memnet_tx_queue_write(ch, 0, 0, 0, 0, MEMNET_TX_NOTIFY | MEMNET_TX_RESERVE))
		return;
	/* A ring without an entry for the marker has signalled ones. */
	if (memnet_tx_used(ch))
		memnet_tx_notify(ch);
}

/**
 * memnet_tx_flush() - have everything sent so far completed without another send
 * @ch: channel
 *
 * To be called before anybody sleeps for buffers that only unsignalled requests hold.
 */
void memnet_tx_flush(struct memnet_channel *ch)
{
	memnet_tx_begin_bh(ch);
	if (!ch->tx.stopped) {
		tx_mark(ch);
		/* Who found them complete may not have been in a place to free them. */
		if (!skb_queue_empty(&ch->tx.done))
			queue_work_on(ch->cfg.cpu, memnet_wq, &ch->tx.work);
	}
	memnet_tx_commit_bh(ch);
}
EXPORT_SYMBOL_GPL(memnet_tx_flush);

/**
 * memnet_tx_wait() - be called when sending may work again
 * @ch: channel
 * @w: waiter; the caller keeps it alive until it was resumed or taken off
 *
 * Return: true if it was put on the list, false if it was on it.
 */
bool memnet_tx_wait(struct memnet_channel *ch, struct memnet_waiter *w)
{
	bool added = false;

	memnet_tx_begin_bh(ch);
	if (list_empty(&w->node)) {
		list_add_tail(&w->node, &ch->tx.waiters);
		added = true;
		memnet_stat_inc(MEMNET_STAT_CREDIT_STALLS);
	}
	/* What it waits for may have come since it was refused. */
	if (ch->tx.stopped || (ch->tx.credits >= 2 && tx_free(ch) > RESERVE_GRANT))
		queue_work_on(ch->cfg.cpu, memnet_wq, &ch->tx.work);
	else
		tx_mark(ch);
	memnet_tx_commit_bh(ch);
	return added;
}
EXPORT_SYMBOL_GPL(memnet_tx_wait);

/**
 * memnet_tx_unwait() - wait no longer
 * @ch: channel
 * @w: waiter
 *
 * Return: true if it was taken off the list; false if it was not on it: its resume call may
 * still be running.
 */
bool memnet_tx_unwait(struct memnet_channel *ch, struct memnet_waiter *w)
{
	bool removed = false;

	spin_lock_bh(&ch->tx.lock);
	if (!list_empty(&w->node)) {
		list_del_init(&w->node);
		removed = true;
	}
	spin_unlock_bh(&ch->tx.lock);
	return removed;
}
EXPORT_SYMBOL_GPL(memnet_tx_unwait);

/* One round over those who wait now; who is refused again queues up behind the others. */
static void tx_run_waiters(struct memnet_channel *ch)
{
	struct memnet_waiter *w, *last = NULL;

	memnet_tx_begin_bh(ch);
	if (!list_empty(&ch->tx.waiters))
		last = list_last_entry(&ch->tx.waiters, struct memnet_waiter, node);
	while (last && !list_empty(&ch->tx.waiters)) {
		if (!ch->tx.stopped &&
		    (ch->tx.credits < 2 || !memnet_tx_has_room(ch, RESERVE_GRANT))) {
			tx_mark(ch);
			break;
		}
		w = list_first_entry(&ch->tx.waiters, struct memnet_waiter, node);
		if (w == last)
			last = NULL;
		list_del_init(&w->node);
		memnet_tx_commit_bh(ch);
		w->resume(w);
		memnet_tx_begin_bh(ch);
	}
	memnet_tx_commit_bh(ch);
}

/**
 * memnet_tx_reap() - poll completions and free what was sent
 * @ch: channel
 *
 * To be called without any endpoint lock, since freeing a buffer may wake its socket.
 */
void memnet_tx_reap(struct memnet_channel *ch)
{
	struct sk_buff_head done;
	struct sk_buff *skb;
	bool ok = true;

	if (!READ_ONCE(ch->tx.signals) && !READ_ONCE(ch->tx.stopped) &&
	    skb_queue_empty_lockless(&ch->tx.done))
		return;
	__skb_queue_head_init(&done);
	spin_lock_bh(&ch->tx.lock);
	if (ch->rdma.send_cq)
		ok = tx_poll(ch);
	skb_queue_splice_init(&ch->tx.done, &done);
	spin_unlock_bh(&ch->tx.lock);
	while ((skb = __skb_dequeue(&done))) {
		if (ch->ops->sent)
			ch->ops->sent(ch, skb);
		else
			__kfree_skb(skb);
	}
	if (!ok)
		memnet_channel_fail(ch, WIRE_REASON_TRANSPORT);
}
EXPORT_SYMBOL_GPL(memnet_tx_reap);

static void tx_work(struct work_struct *work)
{
	struct memnet_channel *ch = container_of(work, struct memnet_channel, tx.work);

	memnet_tx_reap(ch);
	tx_run_waiters(ch);
	memnet_rx_grant(ch);
	memnet_tx_reap(ch);
	memnet_tx_begin_bh(ch);
	if ((s32)(ch->tx.notify_to - ch->tx.tail) > 0)
		ch->tx.notify = true;
	memnet_tx_commit_bh(ch);
}

static void tx_event(struct ib_cq *cq, void *context)
{
	struct memnet_channel *ch = context;

	memnet_stat_inc(MEMNET_STAT_SEND_EVENTS);
	queue_work_on(ch->cfg.cpu, memnet_wq, &ch->tx.work);
}

static void tx_cq_error(struct ib_event *event, void *context)
{
	memnet_channel_broke(context);
}

/**
 * memnet_tx_granted() - the peer granted credits
 * @ch: channel
 * @credits: how many
 */
void memnet_tx_granted(struct memnet_channel *ch, u32 credits)
{
	bool run, bad;

	spin_lock_bh(&ch->tx.lock);
	ch->tx.credits += credits;
	bad = ch->tx.credits > WIRE_MAX_DEPTH;
	run = !list_empty(&ch->tx.waiters);
	spin_unlock_bh(&ch->tx.lock);
	if (bad)
		memnet_channel_fail(ch, WIRE_REASON_PROTOCOL);
	else if (run)
		tx_run_waiters(ch);
}

/**
 * memnet_tx_stop() - post nothing more
 * @ch: channel
 *
 * Waiters are resumed by the worker and find the channel down.
 */
void memnet_tx_stop(struct memnet_channel *ch)
{
	spin_lock_bh(&ch->tx.lock);
	ch->tx.stopped = true;
	spin_unlock_bh(&ch->tx.lock);
	queue_work_on(ch->cfg.cpu, memnet_wq, &ch->tx.work);
}

/**
 * memnet_tx_drain() - wait until the queue pair has let go of every send request
 * @ch: channel, stopped, its queue pair in the error state
 *
 * The marker completes after everything before it. If it does not in time the caller destroys
 * the queue pair, after which the device touches nothing either.
 */
void memnet_tx_drain(struct memnet_channel *ch)
{
	struct memnet_tx *tx;
	const struct ib_send_wr *bad;
	unsigned long end = jiffies + 5 * HZ;
	bool empty = false;

	spin_lock_bh(&ch->tx.lock);
	ch->tx.unsignalled = 0;
	tx = memnet_tx_next(ch, IB_WR_RDMA_WRITE, MEMNET_TX_NOTIFY);
	ch->tx.chain = NULL;
	ch->tx.chain_last = NULL;
	ch->tx.notify = false;
	if (ib_post_send(ch->rdma.qp, &tx->wr.send, &bad))
		end = jiffies;
	spin_unlock_bh(&ch->tx.lock);
	while (!empty && time_before(jiffies, end)) {
		spin_lock_bh(&ch->tx.lock);
		tx_poll(ch);
		empty = !memnet_tx_used(ch);
		spin_unlock_bh(&ch->tx.lock);
		if (!empty)
			schedule_timeout_uninterruptible(1);
	}
}

/**
 * memnet_tx_setup() - make the send ring and its completion queue
 * @ch: channel; rdma.dev is set
 *
 * Return: 0 or a negative errno; on failure memnet_tx_teardown() cleans up.
 */
int memnet_tx_setup(struct memnet_channel *ch)
{
	struct ib_device *dev = ch->rdma.dev;
	struct ib_cq_init_attr attr = {
		.comp_vector = ch->cfg.cpu % dev->num_comp_vectors,
	};
	struct ib_cq *cq;
	u32 i;

	ch->tx.depth = rounddown_pow_of_two(min_t(u32, memnet_tx_depth, dev->attrs.max_qp_wr));
	ch->tx.depth = min_t(u32, ch->tx.depth, rounddown_pow_of_two(dev->attrs.max_cqe));
	ch->tx.max_sge = min_t(u32, MEMNET_TX_SGE, dev->attrs.max_send_sge);
	if (ch->tx.depth < WIRE_MIN_DEPTH || ch->tx.max_sge < 2)
		return -EOPNOTSUPP;
	ch->tx.ring = kvcalloc(ch->tx.depth, sizeof(*ch->tx.ring), GFP_KERNEL);
	if (!ch->tx.ring)
		return -ENOMEM;
	for (i = 0; i < ch->tx.depth; i++) {
		struct memnet_tx *tx = &ch->tx.ring[i];

		tx->cqe.done = tx_nop_done;
		/* what a message does not fill is sent as it is */
		tx->msg = kzalloc(WIRE_SLOT, GFP_KERNEL);
		if (!tx->msg)
			return -ENOMEM;
		tx->msg_dma = ib_dma_map_single(dev, tx->msg, WIRE_SLOT, DMA_TO_DEVICE);
		if (ib_dma_mapping_error(dev, tx->msg_dma)) {
			kfree(tx->msg);
			tx->msg = NULL;
			return -ENOMEM;
		}
	}
	if (memnet_pages_setup(&ch->tx.pages, KEPT_PAGES))
		return -ENOMEM;
	attr.cqe = ch->tx.depth;
	cq = ib_create_cq(dev, tx_event, tx_cq_error, ch, &attr);
	if (IS_ERR(cq))
		return PTR_ERR(cq);
	ch->rdma.send_cq = cq;
	return 0;
}

/**
 * memnet_tx_teardown() - return the send ring; the queue pair is gone
 * @ch: channel
 */
void memnet_tx_teardown(struct memnet_channel *ch)
{
	struct ib_cq *cq = ch->rdma.send_cq;
	u32 i;

	if (ch->tx.ring) {
		spin_lock_bh(&ch->tx.lock);
		ch->rdma.send_cq = NULL;
		while (memnet_tx_used(ch))
			tx_release(ch, &ch->tx.ring[ch->tx.tail++ & (ch->tx.depth - 1)]);
		spin_unlock_bh(&ch->tx.lock);
		memnet_tx_reap(ch);
		for (i = 0; i < ch->tx.depth && ch->tx.ring[i].msg; i++) {
			ib_dma_unmap_single(ch->rdma.dev, ch->tx.ring[i].msg_dma, WIRE_SLOT,
					    DMA_TO_DEVICE);
			kfree(ch->tx.ring[i].msg);
		}
		kvfree(ch->tx.ring);
		ch->tx.ring = NULL;
	}
	if (cq)
		ib_destroy_cq(cq);
	/* A last event may have queued the work again; it finds nothing to do but the waiters. */
	cancel_work_sync(&ch->tx.work);
	tx_run_waiters(ch);
	memnet_pages_teardown(&ch->tx.pages);
}

/**
 * memnet_tx_init() - prepare the fields of the send queue
 * @ch: channel
 */
void memnet_tx_init(struct memnet_channel *ch)
{
	spin_lock_init(&ch->tx.lock);
	INIT_LIST_HEAD(&ch->tx.waiters);
	__skb_queue_head_init(&ch->tx.done);
	INIT_WORK(&ch->tx.work, tx_work);
	memnet_pages_init(&ch->tx.pages, MEMNET_TX_ORDER);
	ch->tx.stopped = true;
}
