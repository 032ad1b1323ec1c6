// SPDX-License-Identifier: GPL-2.0
/*
 * The receive queue of a channel.
 *
 * Each receive work request scatters into a header slot and then into fresh pages, so that
 * payload lands page-aligned. On completion the header is copied and checked once, its grant is
 * credited, and the owner's receive() gets the message. It takes the pages it wants
 * (memnet_rx_enqueue()); they are replaced, by those of earlier messages where nobody has them any
 * more (pages.c), the request is posted again, and one more credit is owed to the peer, granted
 * with the next message or, when half is owed, by a message of its own. A page handed on is not
 * given to the device again while anybody has it.
 *
 * When memory is short nothing is lost: a message whose receiver says -ENOMEM waits on
 * rx.deferred and all later ones behind it, a request without pages waits on rx.starving; the
 * worker serves both with GFP_KERNEL. The peer meanwhile runs out of credits.
 *
 * Locks: rx.lock (BH) guards the lists, rx.deferring and the reserve; it is not held while the
 * owner is called. The completion handler (softirq, one at a time) owns dispatching while
 * rx.deferring is false, the worker while it is true. Only the handler sets it, so that it may see
 * without the lock that it is false.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "core.h"
#include "trace.h"

#define RESERVE_PAGES	64
#define KEPT_PAGES	512	/* to be used again, at most */
#define STARVING_DELAY	(HZ / 50)

static void rx_queue_work(struct memnet_channel *ch)
{
	queue_work_on(ch->cfg.cpu, memnet_wq, &ch->rx.work);
}

static struct page *reserve_pop(struct memnet_channel *ch)
{
	struct page *page = NULL;

	spin_lock_bh(&ch->rx.lock);
	if (ch->rx.reserve_len)
		page = ch->rx.reserve[--ch->rx.reserve_len];
	spin_unlock_bh(&ch->rx.lock);
	if (READ_ONCE(ch->rx.reserve_len) < RESERVE_PAGES / 4)
		rx_queue_work(ch);
	return page ?: alloc_page(GFP_ATOMIC | __GFP_NOWARN);
}

/* Gives the request the pages it lacks; -ENOMEM leaves it as complete as possible. */
static int rx_fill(struct memnet_rx *rx, gfp_t gfp)
{
	struct page *kept[MEMNET_RX_PAGES] __uninitialized;
	struct memnet_channel *ch = rx->ch;
	unsigned int i, lacks = 0, n;

	for (i = 0; i < MEMNET_RX_PAGES; i++)
		lacks += !rx->pages[i];
	if (!lacks)
		return 0;
	n = memnet_pages_get(&ch->rx.pages, kept, lacks);
	for (i = 0; i < MEMNET_RX_PAGES; i++) {
		struct page *page;

		if (rx->pages[i])
			continue;
		if (n)
			page = kept[--n];
		else
			page = gfpflags_allow_blocking(gfp) ? alloc_page(gfp) : reserve_pop(ch);
		if (!page)
			return -ENOMEM;
		rx->dma[i] =
			ib_dma_map_page(ch->rdma.dev, page, 0, MEMNET_RX_CHUNK, DMA_FROM_DEVICE);
		if (ib_dma_mapping_error(ch->rdma.dev, rx->dma[i])) {
			__free_page(page);
			while (n)
				__free_page(kept[--n]);
			return -ENOMEM;
		}
		rx->pages[i] = page;
		rx->sge[i + 1].addr = rx->dma[i];
	}
	return 0;
}

static int rx_post(struct memnet_rx *rx)
{
	const struct ib_recv_wr *bad;
	struct ib_recv_wr wr = {
		.wr_cqe = &rx->cqe,
		.sg_list = rx->sge,
		.num_sge = 1 + MEMNET_RX_PAGES,
	};

	return ib_post_recv(rx->ch->rdma.qp, &wr, &bad);
}

/* Posts the request again and grants what is owed, where that is half of all. */
static void rx_repost(struct memnet_rx *rx, gfp_t gfp)
{
	struct memnet_channel *ch = rx->ch;

	if (READ_ONCE(ch->life.state) >= MEMNET_CH_FAILED)
		return;
	if (rx_fill(rx, gfp)) {
		memnet_stat_inc(MEMNET_STAT_RX_STARVED);
		spin_lock_bh(&ch->rx.lock);
		list_add_tail(&rx->node, &ch->rx.starving);
		spin_unlock_bh(&ch->rx.lock);
		rx_queue_work(ch);
		return;
	}
	if (rx_post(rx)) {
		memnet_channel_fail(ch, WIRE_REASON_TRANSPORT);
		return;
	}
	atomic_inc(&ch->rx.owed);
	memnet_rx_grant(ch);
}

/**
 * memnet_rx_grant() - grant what is owed to the peer, where that is half of all
 * @ch: channel
 *
 * When the send ring is full this is called again as soon as it is not: the peer may have nothing
 * left to make us try once more. Where credits are lacking, the message that brings some does.
 */
void memnet_rx_grant(struct memnet_channel *ch)
{
	struct wire_msg msg;
	int ret;

	if (atomic_read(&ch->rx.owed) < ch->rx.depth / 2 || !memnet_channel_is_up(ch))
		return;
	wire_init(&msg, WIRE_CREDIT, 0, 0);
	ret = memnet_tx_send(ch, &msg);
	if (!ret)
		memnet_stat_inc(MEMNET_STAT_CREDIT_ONLY);
	else if (ret == -EAGAIN && READ_ONCE(ch->tx.credits))
		memnet_tx_flush(ch);
}

/**
 * memnet_rx_take_owed() - credits to grant with the message about to be sent
 * @ch: channel
 */
u32 memnet_rx_take_owed(struct memnet_channel *ch)
{
	return atomic_xchg(&ch->rx.owed, 0);
}

/* Hands a checked message to whom it concerns. */
static int rx_dispatch(struct memnet_rx *rx, gfp_t gfp)
{
	struct memnet_channel *ch = rx->ch;
	u32 reason;

	switch (rx->msg.hdr.opcode) {
	case WIRE_HELLO:
		memnet_channel_hello(ch, &rx->msg);
		return 0;
	case WIRE_GOODBYE:
		reason = le32_to_cpu(rx->msg.goodbye.reason);
		memnet_channel_fail(ch, reason && reason < WIRE_REASON_WIRE_END ?
						reason : WIRE_REASON_DISCONNECTED);
		return 0;
	case WIRE_CREDIT:
		return 0;
	}
	if (!memnet_channel_is_up(ch) && !memnet_channel_come_up(ch))
		return READ_ONCE(ch->life.state) < MEMNET_CH_UP ? -EPROTO : 0;
	if (le32_to_cpu(rx->msg.hdr.index) >= ch->cfg.slots)
		return -EPROTO;
	if (wire_begins(rx->msg.hdr.opcode))
		memnet_window_forget(ch, le32_to_cpu(rx->msg.hdr.index));
	if (rx->len && !ch->rx.spare) {
		ch->rx.spare = memnet_buffer_get(ch, gfp | __GFP_NOWARN);
		if (!ch->rx.spare)
			return -ENOMEM;
	}
	return ch->ops->receive(ch, rx, gfp);
}

/* The header slot, and the copy of it. */
static void rx_wipe(struct memnet_rx *rx)
{
	struct ib_device *dev = rx->ch->rdma.dev;

	ib_dma_sync_single_for_cpu(dev, rx->slot_dma, WIRE_SLOT, DMA_FROM_DEVICE);
	memzero_explicit(rx->slot, WIRE_SLOT);
	ib_dma_sync_single_for_device(dev, rx->slot_dma, WIRE_SLOT, DMA_FROM_DEVICE);
	memzero_explicit(&rx->msg, sizeof(rx->msg));
}

/* Returns -ENOMEM when the message has to wait. */
static int rx_process(struct memnet_rx *rx, gfp_t gfp)
{
	struct memnet_channel *ch = rx->ch;
	int ret = rx_dispatch(rx, gfp);

	if (ret == -ENOMEM)
		return ret;
	if (ret) {
		memnet_stat_inc(MEMNET_STAT_PROTOCOL_ERRORS);
		pr_warn_ratelimited("memnet: channel %u: bad %s message (%d), ending the session\n",
				    ch->number, wire_opcode_name(rx->msg.hdr.opcode), ret);
		memnet_channel_fail(ch, WIRE_REASON_PROTOCOL);
	}
	if (memnet_is_secret(&rx->msg))
		rx_wipe(rx);
	rx_repost(rx, gfp);
	return 0;
}

/* Takes a private copy of the header and judges it. */
static int rx_parse(struct memnet_rx *rx, const struct ib_wc *wc)
{
	struct memnet_channel *ch = rx->ch;

	if (wc->opcode != IB_WC_RECV || wc->wc_flags & (IB_WC_WITH_IMM | IB_WC_WITH_INVALIDATE) ||
	    wc->byte_len < WIRE_SLOT)
		return -EPROTO;
	ib_dma_sync_single_for_cpu(ch->rdma.dev, rx->slot_dma, WIRE_SLOT, DMA_FROM_DEVICE);
	wire_copy(&rx->msg, rx->slot);
	ib_dma_sync_single_for_device(ch->rdma.dev, rx->slot_dma, WIRE_SLOT, DMA_FROM_DEVICE);
	rx->len = wc->byte_len - WIRE_SLOT;
	return wire_check(&rx->msg, wc->byte_len, !ch->cfg.host_side);
}

/*
 * Behind messages that wait for the worker, where there are some. Nobody but who calls this begins
 * to wait, so where nobody does that stays so; and what the worker did before is done.
 */
static bool rx_defer(struct memnet_rx *rx)
{
	struct memnet_channel *ch = rx->ch;
	bool deferring;

	if (!smp_load_acquire(&ch->rx.deferring))	/* pairs with rx_work_deferred() */
		return false;
	spin_lock_bh(&ch->rx.lock);
	deferring = ch->rx.deferring;
	if (deferring)
		list_add_tail(&rx->node, &ch->rx.deferred);
	spin_unlock_bh(&ch->rx.lock);
	return deferring;
}

static void rx_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct memnet_rx *rx = container_of(wc->wr_cqe, struct memnet_rx, cqe);
	struct memnet_channel *ch = rx->ch;
	u16 grant;

	if (unlikely(wc->status != IB_WC_SUCCESS)) {
		memnet_channel_wc_error(ch, "receive", wc);
		memnet_channel_fail(ch, WIRE_REASON_TRANSPORT);
		return;
	}
	if (unlikely(rx_parse(rx, wc))) {
		memnet_stat_inc(MEMNET_STAT_PROTOCOL_ERRORS);
		pr_warn_ratelimited("memnet: channel %u: malformed message of %u bytes, session ends\n",
				    ch->number, wc->byte_len);
		memnet_channel_fail(ch, WIRE_REASON_PROTOCOL);
		return;
	}
	WRITE_ONCE(ch->rx.heard, jiffies);
	memnet_stat_inc(MEMNET_STAT_MSG_RECEIVED);
	memnet_stat_add(MEMNET_STAT_BYTES_RECEIVED, rx->len);
	trace_memnet_message_received(ch, &rx->msg, rx->len);
	grant = le16_to_cpu(rx->msg.hdr.grant);
	if (grant)
		memnet_tx_granted(ch, grant);

	if (rx_defer(rx) || !rx_process(rx, GFP_ATOMIC))
		return;
	memnet_stat_inc(MEMNET_STAT_RX_DEFERRED);
	spin_lock_bh(&ch->rx.lock);
	WRITE_ONCE(ch->rx.deferring, true);
	list_add(&rx->node, &ch->rx.deferred);
	spin_unlock_bh(&ch->rx.lock);
	rx_queue_work(ch);
}

/*
 * Dispatches deferred messages in order until none is left, or memory for one is missing: the work
 * is queued again then, and true returned.
 */
static bool rx_work_deferred(struct memnet_channel *ch)
{
	struct memnet_rx *rx;

	for (;;) {
		spin_lock_bh(&ch->rx.lock);
		rx = list_first_entry_or_null(&ch->rx.deferred, struct memnet_rx, node);
		if (rx)
			list_del_init(&rx->node);
		else
			/* after what was done for those before; see rx_defer() */
			smp_store_release(&ch->rx.deferring, false);
		spin_unlock_bh(&ch->rx.lock);
		if (!rx)
			return false;
		if (rx_process(rx, GFP_KERNEL)) {
			spin_lock_bh(&ch->rx.lock);
			list_add(&rx->node, &ch->rx.deferred);
			spin_unlock_bh(&ch->rx.lock);
			rx_queue_work(ch);
			return true;
		}
	}
}

static void rx_work(struct work_struct *work)
{
	struct memnet_channel *ch = container_of(work, struct memnet_channel, rx.work);
	struct memnet_rx *rx;
	bool deferring, starving;
	LIST_HEAD(list);

	while (READ_ONCE(ch->rx.reserve_len) < RESERVE_PAGES) {
		struct page *page = alloc_page(GFP_KERNEL | __GFP_NOWARN);

		if (!page)
			break;
		spin_lock_bh(&ch->rx.lock);
		if (ch->rx.reserve_len < RESERVE_PAGES) {
			ch->rx.reserve[ch->rx.reserve_len++] = page;
			page = NULL;
		}
		spin_unlock_bh(&ch->rx.lock);
		if (page)
			__free_page(page);
	}
	spin_lock_bh(&ch->rx.lock);
	list_splice_init(&ch->rx.starving, &list);
	spin_unlock_bh(&ch->rx.lock);
	while ((rx = list_first_entry_or_null(&list, struct memnet_rx, node))) {
		list_del_init(&rx->node);
		rx_repost(rx, GFP_KERNEL);
	}
	spin_lock_bh(&ch->rx.lock);
	deferring = ch->rx.deferring;
	starving = !list_empty(&ch->rx.starving);
	spin_unlock_bh(&ch->rx.lock);
	if (deferring)
		starving |= rx_work_deferred(ch);
	/* The work is queued again, and may not keep its CPU busy with that. */
	if (starving)
		schedule_timeout_uninterruptible(STARVING_DELAY);
}

/**
 * memnet_rx_copy() - copy the payload of a message that fits into a page
 * @rx: message with payload, in the owner's receive()
 * @to: where to
 */
void memnet_rx_copy(struct memnet_rx *rx, void *to)
{
	struct ib_device *dev = rx->ch->rdma.dev;

	ib_dma_sync_single_for_cpu(dev, rx->dma[0], rx->len, DMA_FROM_DEVICE);
	memcpy(to, page_address(rx->pages[0]), rx->len);
	ib_dma_sync_single_for_device(dev, rx->dma[0], rx->len, DMA_FROM_DEVICE);
}
EXPORT_SYMBOL_GPL(memnet_rx_copy);

/*
 * Copies a payload into the room that a buffer has by itself. On the host, where all that is done
 * with it is that it is read; the node hands pages on to TCP.
 */
static bool rx_copy_short(struct memnet_rx *rx, struct sk_buff *skb)
{
	if (!rx->ch->cfg.host_side || skb_is_nonlinear(skb) || rx->len > skb_tailroom(skb))
		return false;
	memnet_rx_copy(rx, skb_put(skb, rx->len));
	memnet_stat_add(MEMNET_STAT_TAIL_COPIED, rx->len);
	return true;
}

/* Copies a payload into the free tail of the last page of @skb, if it fits there. */
static bool rx_copy_to_tail(struct memnet_rx *rx, struct sk_buff *skb)
{
	struct ib_device *dev = rx->ch->rdma.dev;
	skb_frag_t *frag;
	u32 end;

	if (!skb_shinfo(skb)->nr_frags || rx->len > PAGE_SIZE)
		return false;
	frag = &skb_shinfo(skb)->frags[skb_shinfo(skb)->nr_frags - 1];
	end = skb_frag_off(frag) + skb_frag_size(frag);
	if (end + rx->len > PAGE_SIZE)
		return false;
	ib_dma_sync_single_for_cpu(dev, rx->dma[0], rx->len, DMA_FROM_DEVICE);
	memcpy(page_address(skb_frag_page(frag)) + end, page_address(rx->pages[0]), rx->len);
	ib_dma_sync_single_for_device(dev, rx->dma[0], rx->len, DMA_FROM_DEVICE);
	skb_frag_size_add(frag, rx->len);
	skb->len += rx->len;
	skb->data_len += rx->len;
	memnet_stat_add(MEMNET_STAT_TAIL_COPIED, rx->len);
	return true;
}

/**
 * memnet_rx_enqueue() - put the payload of a message at the end of a queue
 * @rx: message with payload, in the owner's receive()
 * @queue: queue, locked by the caller; its last buffer, if any, was made here or has no page
 *   fragments
 * @tail_copied: bytes that were added to the last buffer
 *
 * Never fails. What fits into the free tail of the queue's last page is copied there, else the
 * pages themselves move to the queue, so that two neighbouring pages always hold more than one
 * page of payload. On the host what comes first into an empty queue is copied if it is short: a
 * request, mostly, that is read at once, and whose page would have to be replaced by another one.
 *
 * Return: number of pages added to the queue.
 */
unsigned int memnet_rx_enqueue(struct memnet_rx *rx, struct sk_buff_head *queue,
			       unsigned int *tail_copied)
{
	struct memnet_channel *ch = rx->ch;
	struct sk_buff *skb;
	u32 left = rx->len;
	unsigned int i;

	*tail_copied = 0;
	skb = skb_peek_tail(queue);
	if (skb && (rx_copy_short(rx, skb) || rx_copy_to_tail(rx, skb))) {
		*tail_copied = rx->len;
		return 0;
	}
	if (!skb && rx_copy_short(rx, ch->rx.spare))
		left = 0;
	skb = ch->rx.spare;
	ch->rx.spare = NULL;
	for (i = 0; left; i++) {
		u32 size = min_t(u32, left, MEMNET_RX_CHUNK);

		ib_dma_unmap_page(ch->rdma.dev, rx->dma[i], MEMNET_RX_CHUNK, DMA_FROM_DEVICE);
		__skb_fill_page_desc(skb, i, rx->pages[i], 0, size);
		rx->pages[i] = NULL;
		left -= size;
	}
	if (i) {
		skb_shinfo(skb)->nr_frags = i;
		skb->len += rx->len;
		skb->data_len += rx->len;
		skb->truesize += i * PAGE_SIZE;
	}
	__skb_queue_tail(queue, skb);
	return i;
}
EXPORT_SYMBOL_GPL(memnet_rx_enqueue);

/**
 * memnet_rx_init() - prepare the fields of the receive queue
 * @ch: channel
 */
void memnet_rx_init(struct memnet_channel *ch)
{
	spin_lock_init(&ch->rx.lock);
	INIT_LIST_HEAD(&ch->rx.deferred);
	INIT_LIST_HEAD(&ch->rx.starving);
	INIT_WORK(&ch->rx.work, rx_work);
	memnet_pages_init(&ch->rx.pages, 0);
	skb_queue_head_init(&ch->buffers.queue);
}

/**
 * memnet_rx_setup() - make the receive requests and their completion queue
 * @ch: channel; rdma.dev is set
 *
 * Return: 0 or a negative errno; on failure memnet_rx_teardown() cleans up.
 */
int memnet_rx_setup(struct memnet_channel *ch)
{
	struct ib_device *dev = ch->rdma.dev;
	struct ib_cq *cq;
	u32 i;

	ch->rx.depth = min_t(u32, memnet_rx_depth, dev->attrs.max_qp_wr - 1);
	if (ch->rx.depth < WIRE_MIN_DEPTH || dev->attrs.max_recv_sge < 1 + MEMNET_RX_PAGES)
		return -EOPNOTSUPP;
	ch->rx.reserve = kcalloc(RESERVE_PAGES, sizeof(*ch->rx.reserve), GFP_KERNEL);
	ch->rx.ring = kvcalloc(ch->rx.depth, sizeof(*ch->rx.ring), GFP_KERNEL);
	if (!ch->rx.ring || !ch->rx.reserve || memnet_pages_setup(&ch->rx.pages, KEPT_PAGES))
		return -ENOMEM;
	memnet_buffers_open(ch);
	for (i = 0; i < ch->rx.depth; i++) {
		struct memnet_rx *rx = &ch->rx.ring[i];
		unsigned int p;

		rx->ch = ch;
		rx->cqe.done = rx_done;
		INIT_LIST_HEAD(&rx->node);
		rx->slot = kmalloc(WIRE_SLOT, GFP_KERNEL);
		if (!rx->slot)
			return -ENOMEM;
		rx->slot_dma = ib_dma_map_single(dev, rx->slot, WIRE_SLOT, DMA_FROM_DEVICE);
		if (ib_dma_mapping_error(dev, rx->slot_dma)) {
			kfree(rx->slot);
			rx->slot = NULL;
			return -ENOMEM;
		}
		for (p = 0; p <= MEMNET_RX_PAGES; p++) {
			rx->sge[p].lkey = ch->rdma.domain->pd->local_dma_lkey;
			rx->sge[p].length = p ? MEMNET_RX_CHUNK : WIRE_SLOT;
		}
		rx->sge[0].addr = rx->slot_dma;
		if (rx_fill(rx, GFP_KERNEL))
			return -ENOMEM;
	}
	cq = ib_alloc_cq(dev, ch, ch->rx.depth + 1, ch->cfg.cpu % dev->num_comp_vectors,
			 IB_POLL_SOFTIRQ);
	if (IS_ERR(cq))
		return PTR_ERR(cq);
	ch->rdma.recv_cq = cq;
	return 0;
}

/**
 * memnet_rx_post_all() - post every receive request, before connecting
 * @ch: channel
 *
 * Return: 0 or a negative errno.
 */
int memnet_rx_post_all(struct memnet_channel *ch)
{
	u32 i;
	int ret;

	for (i = 0; i < ch->rx.depth; i++) {
		ret = rx_post(&ch->rx.ring[i]);
		if (ret)
			return ret;
	}
	rx_queue_work(ch);
	return 0;
}

/**
 * memnet_rx_teardown() - return requests, pages and completion queue; the queue pair is gone
 * @ch: channel
 */
void memnet_rx_teardown(struct memnet_channel *ch)
{
	struct ib_device *dev = ch->rdma.dev;
	unsigned int p;
	u32 i;

	if (ch->rdma.recv_cq)
		ib_free_cq(ch->rdma.recv_cq);
	ch->rdma.recv_cq = NULL;
	cancel_work_sync(&ch->rx.work);
	for (i = 0; ch->rx.ring && i < ch->rx.depth && ch->rx.ring[i].slot; i++) {
		struct memnet_rx *rx = &ch->rx.ring[i];

		ib_dma_unmap_single(dev, rx->slot_dma, WIRE_SLOT, DMA_FROM_DEVICE);
		/* What came last was perhaps not looked at any more. */
		kfree_sensitive(rx->slot);
		for (p = 0; p < MEMNET_RX_PAGES; p++) {
			if (!rx->pages[p])
				continue;
			ib_dma_unmap_page(dev, rx->dma[p], MEMNET_RX_CHUNK, DMA_FROM_DEVICE);
			__free_page(rx->pages[p]);
		}
	}
	kvfree_sensitive(ch->rx.ring, ch->rx.depth * sizeof(*ch->rx.ring));
	ch->rx.ring = NULL;
	while (ch->rx.reserve && ch->rx.reserve_len)
		__free_page(ch->rx.reserve[--ch->rx.reserve_len]);
	kfree(ch->rx.reserve);
	ch->rx.reserve = NULL;
	memnet_pages_teardown(&ch->rx.pages);
	kfree_skb(ch->rx.spare);
	ch->rx.spare = NULL;
	memnet_buffers_close(ch);
}
