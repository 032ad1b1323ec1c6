// SPDX-License-Identifier: GPL-2.0
/*
 * Data buffers of what is to be sent, and whether there may be more of them.
 *
 * A buffer is charged to its endpoint (wmem) from its first bytes until the send completion has
 * released it; it is never freed under the endpoint's lock, since that wakes the writer. All
 * endpoints together are bounded by max_pages as well; beyond it a socket may hold MIN_SNDBUF.
 */
#include <linux/percpu_counter.h>

#include "memory.h"
#include "transmit.h"

#define TOTAL_BATCH	65536	/* bytes a CPU counts for itself */
#define MIN_SNDBUF	4096	/* what a socket may hold under pressure, as tcp_wmem[0] */

static struct percpu_counter total;	/* bytes charged to all endpoints */

static void charge(struct memnet_endpoint *ep, int bytes)
{
	atomic_add(bytes, &ep->wmem);
	memnet_memory_hold(ep, bytes);
	percpu_counter_add_batch(&total, bytes, TOTAL_BATCH);
}

static bool under_pressure(void)
{
	return (u64)percpu_counter_read_positive(&total) / PAGE_SIZE > READ_ONCE(memnet_max_pages);
}

/* All endpoints together hold their share, or the socket's group has no more. */
static bool is_short(struct sock *sk)
{
	return under_pressure() || READ_ONCE(memnet_sk(sk)->out_of_memory);
}

static void buffer_destruct(struct sk_buff *skb)
{
	struct memnet_endpoint *ep = memnet_cb(skb)->ep;
	int charged = memnet_cb(skb)->charged;

	atomic_sub(charged, &ep->wmem);
	percpu_counter_add_batch(&total, -charged, TOTAL_BATCH);
	if (ep->payer)
		memnet_memory_freed(ep->payer, charged);
	spin_lock_bh(&ep->lock);
	memnet_endpoint_wake(ep, MEMNET_WAKE_WRITE);
	spin_unlock_bh(&ep->lock);
	memnet_endpoint_put(ep);
}

/**
 * memnet_sndbuf_alloc() - make a data buffer
 * @ep: endpoint that will be charged for it, on a channel
 * @gfp: how to allocate
 *
 * Return: the buffer or NULL.
 */
struct sk_buff *memnet_sndbuf_alloc(struct memnet_endpoint *ep, gfp_t gfp)
{
	struct sk_buff *skb = memnet_buffer_get(ep->lc->ch, gfp);

	if (!skb)
		return NULL;
	/* Nobody on this machine needs a checksum of it. */
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	*memnet_cb(skb) = (struct memnet_cb){ .ep = memnet_endpoint_get(ep) };
	skb->destructor = buffer_destruct;
	return skb;
}

/**
 * memnet_sndbuf_sent() - struct memnet_channel_ops.sent
 * @ch: channel it was sent by
 * @skb: buffer
 */
void memnet_sndbuf_sent(struct memnet_channel *ch, struct sk_buff *skb)
{
	int i;

	if (skb->destructor != buffer_destruct || skb_zcopy(skb)) {
		__kfree_skb(skb);
		return;
	}
	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++)
		put_page(skb_frag_page(&skb_shinfo(skb)->frags[i]));
	skb_shinfo(skb)->nr_frags = 0;
	skb_orphan(skb);
	refcount_set(&skb->users, 1);
	memnet_buffer_put(ch, skb);
}

/**
 * memnet_sndbuf_charge() - charge more memory to a data buffer
 * @skb: buffer
 * @bytes: how much was added
 *
 * With its first bytes it is charged itself.
 */
void memnet_sndbuf_charge(struct sk_buff *skb, u32 bytes)
{
	if (!memnet_cb(skb)->charged)
		bytes += SKB_TRUESIZE(0);
	memnet_cb(skb)->charged += bytes;
	charge(memnet_cb(skb)->ep, bytes);
}

/**
 * memnet_sndbuf_untaken_max() - so many bytes TCP may not have taken yet
 * @sk: socket
 *
 * As the application wants it: 0 as TCP_NOTSENT_LOWAT says nothing.
 *
 * Return: bytes.
 */
u32 memnet_sndbuf_untaken_max(struct sock *sk)
{
	return min_t(u32, READ_ONCE(sk->sk_sndbuf) - 1U,
		     READ_ONCE(memnet_sk(sk)->opt[MEMNET_OPT_NOTSENT_LOWAT]) - 1U) + 1;
}

/**
 * memnet_sndbuf_writable() - may the application queue more
 * @ep: endpoint
 * @sk: its socket
 *
 * Two bounds, both the send buffer's size: memory not yet released by the send queue, and bytes
 * the node's TCP has not taken yet, of which the application may want less. When all endpoints
 * together hold their share, or the socket's group has no more memory, a socket that holds next to
 * nothing may still go on: what it waits for is then always its own.
 */
bool memnet_sndbuf_writable(struct memnet_endpoint *ep, struct sock *sk)
{
	int sndbuf = READ_ONCE(sk->sk_sndbuf), held = atomic_read(&ep->wmem);

	return held < sndbuf && (held < MIN_SNDBUF || !is_short(sk)) &&
	       READ_ONCE(ep->tx.end) - READ_ONCE(ep->tx.consumed) < memnet_sndbuf_untaken_max(sk);
}

/**
 * memnet_sndbuf_start() - prepare to send
 *
 * Return: 0 or -ENOMEM.
 */
int memnet_sndbuf_start(void)
{
	return percpu_counter_init(&total, 0, GFP_KERNEL);
}

/**
 * memnet_sndbuf_end() - clean up; no buffer lives
 */
void memnet_sndbuf_end(void)
{
	percpu_counter_destroy(&total);
}
