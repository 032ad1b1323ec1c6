// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers that come back.
 *
 * What payload waits in, before it is sent and after it has come, is an empty buffer with pages:
 * of each message one is taken and one is given back, always of the same size. A channel keeps
 * some, and so spares the allocator's work and the clearing of it all. They are ours alone: no
 * network device and no protocol ever had them, and nobody clones them.
 */
#include <linux/skbuff.h>

#include "core.h"

#define KEPT_BUFFERS	64

/**
 * memnet_buffers_open() - from now on a channel keeps buffers
 * @ch: channel
 */
void memnet_buffers_open(struct memnet_channel *ch)
{
	spin_lock_bh(&ch->buffers.queue.lock);
	ch->buffers.open = true;
	spin_unlock_bh(&ch->buffers.queue.lock);
}

/**
 * memnet_buffers_close() - let go of them all; what is put from now on is freed
 * @ch: channel
 */
void memnet_buffers_close(struct memnet_channel *ch)
{
	spin_lock_bh(&ch->buffers.queue.lock);
	ch->buffers.open = false;
	spin_unlock_bh(&ch->buffers.queue.lock);
	skb_queue_purge(&ch->buffers.queue);
}

/**
 * memnet_buffer_get() - an empty buffer
 * @ch: channel
 * @gfp: how to allocate
 *
 * Return: the buffer, with some linear room, or NULL.
 */
struct sk_buff *memnet_buffer_get(struct memnet_channel *ch, gfp_t gfp)
{
	struct sk_buff *skb = NULL;

	if (!skb_queue_empty_lockless(&ch->buffers.queue)) {
		spin_lock_bh(&ch->buffers.queue.lock);
		skb = __skb_dequeue(&ch->buffers.queue);
		spin_unlock_bh(&ch->buffers.queue.lock);
	}
	if (skb)
		return skb;
	skb = alloc_skb(0, gfp);
	if (skb)
		WRITE_ONCE(ch->buffers.room, skb_end_offset(skb));
	return skb;
}
EXPORT_SYMBOL_GPL(memnet_buffer_get);

/* As it was when it was made. Not if it is of another size, or in any way another one. */
static bool reset(struct sk_buff *skb, u32 room)
{
	if (skb_end_offset(skb) != room || skb_shared(skb) || skb->cloned || skb->sk ||
	    skb_pfmemalloc(skb) || skb_has_frag_list(skb) || skb_zcopy(skb))
		return false;
	skb->len = 0;
	skb->data_len = 0;
	skb->truesize = SKB_TRUESIZE(room);
	skb->data = skb->head;
	skb_reset_tail_pointer(skb);
	skb->ip_summed = CHECKSUM_NONE;
	memset(skb->cb, 0, sizeof(skb->cb));
	return true;
}

/**
 * memnet_buffer_put() - give a buffer back
 * @ch: channel
 * @skb: of memnet_buffer_get() or as if it were, without a destructor, without fragments
 */
void memnet_buffer_put(struct memnet_channel *ch, struct sk_buff *skb)
{
	if (reset(skb, READ_ONCE(ch->buffers.room))) {
		spin_lock_bh(&ch->buffers.queue.lock);
		if (ch->buffers.open && skb_queue_len(&ch->buffers.queue) < KEPT_BUFFERS) {
			__skb_queue_tail(&ch->buffers.queue, skb);
			skb = NULL;
		}
		spin_unlock_bh(&ch->buffers.queue.lock);
	}
	consume_skb(skb);
}
EXPORT_SYMBOL_GPL(memnet_buffer_put);
