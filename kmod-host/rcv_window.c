// SPDX-License-Identifier: GPL-2.0
/*
 * The receive window: how far the node may send before the application has read.
 *
 * rx.limit is the position granted to the node; it never goes back, since a grant cannot be
 * taken back. It moves by a part of the window at a time, is published in the table with a
 * single write, or told in a WINDOW message to a node that asked (WANT_WINDOW).
 *
 * A window starts at WIRE_INITIAL_WINDOW and doubles when the node has used all of it and the
 * application reads. What is beyond the initial window is charged to one total (max_pages) when
 * it is given. Who does not read gets no more than TCP would hold for it, so that bytes wait
 * where they do least harm: at the peer. While the memory cgroup that is charged for them is under
 * pressure no window grows, and no more than the initial one is granted.
 */
#include <linux/log2.h>

#include "ktls.h"
#include "memory.h"
#include "transmit.h"

#define UNREAD_WINDOW	65536	/* what may come before anything is read, as with TCP's defaults */

static atomic_long_t extra;	/* bytes of all windows beyond the initial ones */

/* Makes a window larger unless all endpoints together have their share. */
static void enlarge(struct memnet_endpoint *ep, u32 window)
{
	long more = (long)window - ep->rx.window;

	if (more <= 0 || memnet_memory_pressed(ep))
		return;
	if (atomic_long_add_return(more, &extra) / PAGE_SIZE > READ_ONCE(memnet_max_pages))
		atomic_long_sub(more, &extra);
	else
		ep->rx.window = window;
}

/* The node used all it had: let it have more, if the application reads. */
static void grow(struct memnet_endpoint *ep)
{
	if (ep->rx.received != ep->rx.limit)
		return;
	if (ep->rx.window >= UNREAD_WINDOW && ep->rx.copied - ep->rx.grown < ep->rx.window / 2)
		return;
	ep->rx.grown = ep->rx.copied;
	enlarge(ep, min(ep->rx.window * 2, ep->rx.max_window));
}

/* Grants what the window allows; nobody knows of it until it is told or published. */
static void grant(struct memnet_endpoint *ep)
{
	u32 window = ep->rx.window;

	if (unlikely(memnet_memory_pressed(ep)))
		window = min_t(u32, window, WIRE_INITIAL_WINDOW);
	ep->rx.limit = max(ep->rx.limit, ep->rx.copied + window);
}

static void announce(struct memnet_endpoint *ep)
{
	ep->rx.tell = ep->rx.peer_wants || ep->rx.tell_due;
	ep->rx.tell_due = false;
	ep->rx.publish = !ep->rx.tell;
	memnet_transmit(ep);
}

/* Bytes may still arrive: after a reset those before its position, which need window as well. */
static bool more_to_come(const struct memnet_endpoint *ep)
{
	return !ep->rx.fin && (ep->state != TCP_CLOSE || ep->rx.received < ep->rx.end);
}

/**
 * memnet_rcv_window_init() - the window of a new endpoint
 * @ep: endpoint, not yet known to anybody
 */
void memnet_rcv_window_init(struct memnet_endpoint *ep)
{
	ep->rx.window = WIRE_INITIAL_WINDOW;
	ep->rx.max_window = MEMNET_MAX_WINDOW;
}

/**
 * memnet_rcv_window_end() - nothing is received any more
 * @ep: endpoint, without references
 */
void memnet_rcv_window_end(struct memnet_endpoint *ep)
{
	atomic_long_sub(ep->rx.window - WIRE_INITIAL_WINDOW, &extra);
}

/**
 * memnet_rcv_window_bound() - how large the window may become
 * @ep: endpoint, locked
 * @rcvbuf: bytes, the socket's receive buffer
 *
 * What is granted stays granted; of what is not, one that is too large gives back its part.
 */
void memnet_rcv_window_bound(struct memnet_endpoint *ep, int rcvbuf)
{
	lockdep_assert_held(&ep->lock);
	ep->rx.max_window = clamp(rcvbuf, WIRE_INITIAL_WINDOW, MEMNET_MAX_WINDOW);
	if (ep->rx.window > ep->rx.max_window) {
		atomic_long_sub(ep->rx.window - ep->rx.max_window, &extra);
		ep->rx.window = ep->rx.max_window;
	}
}

/**
 * memnet_rcv_window_take() - bytes at the head of the queue are taken
 * @ep: endpoint, locked
 * @bytes: how many
 * @done: takes the buffers taken to their end, for the caller to free
 */
void memnet_rcv_window_take(struct memnet_endpoint *ep, u32 bytes, struct sk_buff_head *done)
{
	struct sk_buff *skb;

	lockdep_assert_held(&ep->lock);
	ep->rx.copied += bytes;
	memnet_urgent_pass(ep);
	memnet_ktls_read(ep);
	bytes += ep->rx.offset;
	while ((skb = skb_peek(&ep->rx.queue)) && bytes >= skb->len) {
		bytes -= skb->len;
		ep->rx.pages -= skb_shinfo(skb)->nr_frags;
		memnet_stat_add(MEMNET_STAT_PAGES_HELD, -(long)skb_shinfo(skb)->nr_frags);
		ep->rx.memory -= skb->truesize;
		memnet_memory_hold(ep, -(int)skb->truesize);
		__skb_unlink(skb, &ep->rx.queue);
		__skb_queue_tail(done, skb);
	}
	ep->rx.offset = bytes;
}

/**
 * memnet_rcv_window_free() - free what was taken
 * @ep: endpoint, once connected
 * @done: buffers
 */
void memnet_rcv_window_free(struct memnet_endpoint *ep, struct sk_buff_head *done)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(done)))
		memnet_pages_recycle(ep->lc->ch, skb);
}

/* By how much the window is opened at a time: half of a small one, a quarter of a large one. */
static u32 step(const struct memnet_endpoint *ep)
{
	return max_t(u32, min_t(u32, WIRE_INITIAL_WINDOW, ep->rx.window / 2), ep->rx.window / 4);
}

/**
 * memnet_rcv_window_open() - bytes were taken
 * @ep: endpoint, locked
 *
 * Opens the node's window again, if that is worth it.
 */
void memnet_rcv_window_open(struct memnet_endpoint *ep)
{
	u64 limit = ep->rx.copied + ep->rx.window;

	lockdep_assert_held(&ep->lock);
	if ((limit >= ep->rx.limit + step(ep) ||
	     ep->rx.tell_due) && more_to_come(ep)) {
		grow(ep);
		grant(ep);
		announce(ep);
	}
}

/**
 * memnet_rcv_window_consumed() - the application has read
 * @ep: endpoint, not locked; its socket locked
 * @bytes: how many
 * @done: takes the buffers read to their end, for the caller to free
 */
void memnet_rcv_window_consumed(struct memnet_endpoint *ep, u32 bytes, struct sk_buff_head *done)
{
	spin_lock_bh(&ep->lock);
	memnet_rcv_window_take(ep, bytes, done);
	memnet_rcv_window_open(ep);
	spin_unlock_bh(&ep->lock);
}

/* Can so many bytes come before some are read? If not yet, the window is opened, if it may be. */
static bool can_come(struct memnet_endpoint *ep, u32 bytes)
{
	u64 limit = ep->rx.limit;

	if (!ep->connected || !more_to_come(ep) || ep->rx.copied + bytes <= limit)
		return true;
	enlarge(ep, min(roundup_pow_of_two(bytes), ep->rx.max_window));
	grant(ep);
	if (ep->rx.limit != limit)
		announce(ep);
	return ep->rx.received < ep->rx.limit;
}

/**
 * memnet_rcv_window_need() - the application waits for so many bytes without reading them
 * @ep: endpoint, not locked
 * @bytes: by SO_RCVLOWAT, or to be peeked at
 *
 * Return: whether so many can come; else those that are there are all there is room for.
 */
bool memnet_rcv_window_need(struct memnet_endpoint *ep, u32 bytes)
{
	bool room;

	spin_lock_bh(&ep->lock);
	room = can_come(ep, bytes);
	spin_unlock_bh(&ep->lock);
	return room;
}

/**
 * memnet_rcv_window_enough() - has as much come as SO_RCVLOWAT asks for
 * @ep: endpoint, locked
 * @sk: its socket
 *
 * As tcp_stream_is_readable(): what is there is enough, too, when there is no room for more.
 */
bool memnet_rcv_window_enough(struct memnet_endpoint *ep, struct sock *sk)
{
	u64 unread = ep->rx.received - ep->rx.copied;
	int target = sock_rcvlowat(sk, 0, INT_MAX);

	lockdep_assert_held(&ep->lock);
	return unread && (unread >= target || !can_come(ep, target));
}

/**
 * memnet_rcv_window_wanted() - the node has run dry and asks for more
 * @ep: endpoint, locked
 * @seen: the limit it knows
 *
 * Answered when there is more, now or later.
 *
 * Return: 0, or -EPROTO for a limit that was never granted.
 */
int memnet_rcv_window_wanted(struct memnet_endpoint *ep, u64 seen)
{
	lockdep_assert_held(&ep->lock);
	if (!ep->connected || seen > ep->rx.limit)
		return -EPROTO;
	if (!more_to_come(ep))
		return 0;
	grow(ep);
	grant(ep);
	ep->rx.peer_wants = true;
	if (ep->rx.limit > seen) {
		ep->rx.tell = true;
		memnet_transmit(ep);
	}
	return 0;
}
