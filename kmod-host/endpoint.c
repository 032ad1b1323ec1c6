// SPDX-License-Identifier: GPL-2.0
/*
 * Endpoints: what a socket is on the node.
 *
 * An endpoint of the host's half is opened by the first bind, listen or connect on the channel
 * then chosen; one of the node's half appears with NEW_CONNECTION, waits on its listener's
 * queue with the bytes that came meanwhile, and gets its socket in accept(). It leaves the
 * table with CLOSED, the node's answer to our CLOSE, or when its link dies. A closed socket
 * whose bytes have not left yet lives on as an orphan, bounded by a timer.
 *
 * Messages come in softirq (or, when memory was short, from the channel's worker). They take
 * the endpoint's lock, never the socket's, so they do not care what a process is doing with it;
 * the socket's fields that softirq writes (sk_state, sk_shutdown, sk_err) are written under the
 * endpoint's lock.
 *
 * When a link dies every endpoint gets ECONNRESET; only listeners survive, without a channel,
 * until the link worker has set them up again (memnet_listener_restore()).
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "memnet.h"

#define S(state) BIT(TCP_##state)

static const u32 allowed[TCP_MAX_STATES] = {
	[TCP_CLOSE]		= S(LISTEN) | S(SYN_SENT) | S(ESTABLISHED),
	[TCP_LISTEN]		= S(CLOSE),
	[TCP_SYN_SENT]		= S(ESTABLISHED) | S(CLOSE),
	[TCP_ESTABLISHED]	= S(FIN_WAIT1) | S(CLOSE_WAIT) | S(CLOSE),
	[TCP_FIN_WAIT1]		= S(CLOSING) | S(CLOSE),
	[TCP_CLOSE_WAIT]	= S(LAST_ACK) | S(CLOSE),
	[TCP_CLOSING]		= S(CLOSE),
	[TCP_LAST_ACK]		= S(CLOSE),
};

static struct kmem_cache *cache;

unsigned long memnet_max_pages;
#define UNREAD_WINDOW	65536	/* what may come before anything is read, as with TCP's defaults */

static atomic_long_t extra;	/* bytes of all windows beyond the initial ones */

/* Makes a window larger unless all endpoints together have their share. */
static void window_set(struct memnet_endpoint *ep, u32 window)
{
	long more = (long)window - ep->rx.window;

	if (more <= 0)
		return;
	if (atomic_long_add_return(more, &extra) / PAGE_SIZE > READ_ONCE(memnet_max_pages))
		atomic_long_sub(more, &extra);
	else
		ep->rx.window = window;
}

/*
 * The node used all it had and the application reads: let the node have more. What is beyond the
 * initial window is charged when given, since a grant cannot be taken back. Who does not read
 * gets no more than TCP would hold for it, so that bytes wait where they do least harm: at the
 * peer.
 */
static void window_grow(struct memnet_endpoint *ep)
{
	if (ep->rx.received != ep->rx.limit)
		return;
	if (ep->rx.window >= UNREAD_WINDOW && ep->rx.copied - ep->rx.grown < ep->rx.window / 2)
		return;
	ep->rx.grown = ep->rx.copied;
	window_set(ep, min(ep->rx.window * 2, ep->rx.max_window));
}

/**
 * memnet_endpoint_change_state() - the one place where an endpoint's state changes
 * @ep: endpoint, locked
 * @next: TCP_*
 *
 * Return: false if there is no such move; the state then stays.
 */
bool memnet_endpoint_change_state(struct memnet_endpoint *ep, u8 next)
{
	lockdep_assert_held(&ep->lock);
	if (!(allowed[ep->state] & BIT(next)))
		return false;
	WRITE_ONCE(ep->state, next);
	if (ep->sk)	/* pairs with memnet_poll(): what the state tells is in place */
		smp_store_release(&ep->sk->sk_state, next);
	return true;
}

/**
 * memnet_endpoint_wake() - tell the socket
 * @ep: endpoint, locked
 * @why: MEMNET_WAKE_*
 */
void memnet_endpoint_wake(struct memnet_endpoint *ep, unsigned int why)
{
	struct sock *sk = ep->sk;

	lockdep_assert_held(&ep->lock);
	if (!sk)
		return;
	if (why & MEMNET_WAKE_READ)
		sk->sk_data_ready(sk);
	if (why & MEMNET_WAKE_WRITE)
		sk->sk_write_space(sk);
	if (why & MEMNET_WAKE_STATE)
		sk->sk_state_change(sk);
	if (why & MEMNET_WAKE_ERROR)
		sk_error_report(sk);
}

static void endpoint_free(struct rcu_head *rcu)
{
	struct memnet_endpoint *ep = container_of(rcu, struct memnet_endpoint, rcu);

	kmem_cache_free(cache, ep);
}

/**
 * memnet_endpoint_put() - drop a reference; the last frees the endpoint
 * @ep: endpoint, not locked
 */
void memnet_endpoint_put(struct memnet_endpoint *ep)
{
	if (!refcount_dec_and_test(&ep->refs))
		return;
	memnet_stat_add(MEMNET_STAT_PAGES_HELD, -(long)ep->rx.pages);
	atomic_long_sub(ep->rx.window - WIRE_INITIAL_WINDOW, &extra);
	__skb_queue_purge(&ep->rx.queue);
	WARN_ON_ONCE(!skb_queue_empty(&ep->tx.queue));
	kfree_skb(ep->request.skb);
	if (ep->lc) {
		atomic_dec(&ep->lc->link->endpoints);
		memnet_lc_put(ep->lc);
	}
	memnet_stat_dec(MEMNET_STAT_HOST_ENDPOINTS);
	call_rcu(&ep->rcu, endpoint_free);
}

/* Nobody hears from this endpoint any more: off the table. Called without the lock; once. */
static void endpoint_gone(struct memnet_endpoint *ep)
{
	struct link_channel *lc;
	bool first;

	spin_lock_bh(&ep->lock);
	first = !ep->gone;
	ep->gone = true;
	lc = ep->lc;
	spin_unlock_bh(&ep->lock);
	if (!first)
		return;
	if (lc) {
		xa_erase_bh(&lc->endpoints, ep->index);
		module_put(THIS_MODULE);
	}
	if (timer_delete(&ep->orphan)) {
		memnet_stat_dec(MEMNET_STAT_HOST_ORPHANS);
		memnet_endpoint_put(ep);
	}
	memnet_endpoint_put(ep);
}

static void orphan_expired(struct timer_list *timer)
{
	struct memnet_endpoint *ep = container_of(timer, struct memnet_endpoint, orphan);
	struct sk_buff_head drop;

	__skb_queue_head_init(&drop);
	spin_lock_bh(&ep->lock);
	if (!ep->tx.close_sent) {
		ep->tx.close_flags = WIRE_F_ABORT;
		memnet_transmit_release(ep, &drop);
		memnet_transmit(ep);
	}
	spin_unlock_bh(&ep->lock);
	__skb_queue_purge(&drop);
	memnet_stat_dec(MEMNET_STAT_HOST_ORPHANS);
	memnet_endpoint_put(ep);
}

/**
 * memnet_endpoint_create() - make an endpoint that is on no channel
 * @gfp: how to allocate
 *
 * Return: the endpoint with one reference, or NULL.
 */
struct memnet_endpoint *memnet_endpoint_create(gfp_t gfp)
{
	struct memnet_endpoint *ep;

	ep = kmem_cache_zalloc(cache, gfp);
	if (!ep)
		return NULL;
	spin_lock_init(&ep->lock);
	ep->state = TCP_CLOSE;
	__skb_queue_head_init(&ep->tx.queue);
	__skb_queue_head_init(&ep->rx.queue);
	init_waitqueue_head(&ep->request.wait);
	INIT_LIST_HEAD(&ep->listener.queue);
	INIT_LIST_HEAD(&ep->node);
	timer_setup(&ep->orphan, orphan_expired, 0);
	memnet_transmit_init(ep);
	ep->rx.window = WIRE_INITIAL_WINDOW;
	ep->rx.max_window = MEMNET_MAX_WINDOW;
	refcount_set(&ep->refs, 1);
	memnet_stat_inc(MEMNET_STAT_HOST_ENDPOINTS);
	return ep;
}

/**
 * memnet_endpoint_open() - give an endpoint an index of the host's half
 * @ep: endpoint without a channel; under lock_sock() of its socket
 * @lc: channel; the reference is taken over
 *
 * Return: 0 or a negative errno.
 */
int memnet_endpoint_open(struct memnet_endpoint *ep, struct link_channel *lc)
{
	struct xa_limit half = XA_LIMIT(1, lc->ch->cfg.slots / 2 - 1);
	u32 index;
	int ret;

	/* Reserved first: in the table, the endpoint must be complete, for the link may die. */
	ret = xa_alloc_cyclic_bh(&lc->endpoints, &index, NULL, half, &lc->next, GFP_KERNEL);
	if (ret < 0) {
		memnet_lc_put(lc);
		return ret == -EBUSY ? -ENOBUFS : ret;
	}
	__module_get(THIS_MODULE); /* the caller's socket holds it */
	atomic_inc(&lc->link->endpoints);
	spin_lock_bh(&ep->lock);
	ep->index = index;
	ep->gen = ++lc->gens[index];
	ep->gone = false;
	ep->lc = lc;
	spin_unlock_bh(&ep->lock);
	memnet_endpoint_get(ep);
	xa_store_bh(&lc->endpoints, index, ep, GFP_KERNEL);
	/* The link may have died before the endpoint was on its table. */
	if (!memnet_channel_is_up(lc->ch)) {
		memnet_endpoint_kill(ep, ENETDOWN);
		return -ENETDOWN;
	}
	return 0;
}

/**
 * memnet_endpoint_attach() - give an endpoint its socket
 * @ep: endpoint
 * @sk: socket, locked or not yet known to anybody
 */
void memnet_endpoint_attach(struct memnet_endpoint *ep, struct sock *sk)
{
	spin_lock_bh(&ep->lock);
	ep->sk = sk;
	ep->rx.max_window =
		clamp_t(u32, READ_ONCE(sk->sk_rcvbuf), WIRE_INITIAL_WINDOW, MEMNET_MAX_WINDOW);
	sk->sk_state = ep->state;
	sk->sk_err = ep->error;
	ep->error = 0;
	if (ep->connected && ep->state == TCP_CLOSE)
		sk->sk_shutdown = SHUTDOWN_MASK;
	else if (ep->rx.fin)
		sk->sk_shutdown |= RCV_SHUTDOWN;
	spin_unlock_bh(&ep->lock);
}

/*
 * The connection is over: state, error, waiters. The socket reads what has come; nothing is sent
 * any more.
 */
static void endpoint_dead(struct memnet_endpoint *ep, int error, struct sk_buff_head *drop)
{
	bool connected = ep->state != TCP_CLOSE;

	lockdep_assert_held(&ep->lock);
	memnet_endpoint_change_state(ep, TCP_CLOSE);
	memnet_transmit_release(ep, drop);
	if (ep->sk && connected) {
		WRITE_ONCE(ep->sk->sk_err, error);
		WRITE_ONCE(ep->sk->sk_shutdown, SHUTDOWN_MASK);
	} else if (connected) {
		ep->error = error;
	}
	memnet_request_fail(ep, -error);
	memnet_endpoint_wake(ep, MEMNET_WAKE_STATE | MEMNET_WAKE_WRITE |
					 (connected ? MEMNET_WAKE_ERROR : 0));
}

/**
 * memnet_endpoint_kill() - the endpoint's link is dead
 * @ep: endpoint, not locked
 * @error: positive errno for the socket
 *
 * A listener stays a listener, without a channel and without its queue.
 */
void memnet_endpoint_kill(struct memnet_endpoint *ep, int error)
{
	struct memnet_endpoint *child;
	struct sk_buff_head drop;
	struct link_channel *lc;

	__skb_queue_head_init(&drop);
	spin_lock_bh(&ep->lock);
	if (ep->rx.end > ep->rx.received || !ep->rx.end)
		ep->rx.end = ep->rx.received;
	if (ep->state == TCP_LISTEN) {
		memnet_transmit_release(ep, &drop);
		memnet_request_fail(ep, -error);
	} else {
		endpoint_dead(ep, error, &drop);
	}
	spin_unlock_bh(&ep->lock);
	__skb_queue_purge(&drop);

	while ((child = memnet_endpoint_next_child(ep)))
		memnet_endpoint_put(child);
	lc = ep->lc;
	memnet_endpoint_get(ep);
	if (lc && memnet_tx_unwait(lc->ch, &ep->waiter)) {
		spin_lock_bh(&ep->lock);
		ep->tx.waiting = false;
		spin_unlock_bh(&ep->lock);
		memnet_endpoint_put(ep);
	}
	endpoint_gone(ep);
	spin_lock_bh(&ep->lock);
	/* What never was connected may be opened again, on another channel. */
	if (!ep->connected && ep->lc) {
		atomic_dec(&ep->lc->link->endpoints);
		ep->lc = NULL;
	} else {
		lc = NULL;
	}
	spin_unlock_bh(&ep->lock);
	if (lc)
		memnet_lc_put(lc);
	memnet_endpoint_put(ep);
}

/**
 * memnet_endpoint_lost() - all endpoints of a dead channel
 * @lc: channel, stopped
 */
void memnet_endpoint_lost(struct link_channel *lc)
{
	struct memnet_endpoint *ep;
	unsigned long index;

	xa_for_each(&lc->endpoints, index, ep) {
		rcu_read_lock();
		ep = xa_load(&lc->endpoints, index);
		if (ep && !refcount_inc_not_zero(&ep->refs))
			ep = NULL;
		rcu_read_unlock();
		if (!ep)
			continue;
		memnet_endpoint_kill(ep, ECONNRESET);
		memnet_endpoint_put(ep);
	}
}

/**
 * memnet_endpoint_next_child() - take the oldest child from a listener's queue
 * @ep: listening endpoint, not locked
 *
 * Return: the child with the queue's reference, or NULL.
 */
struct memnet_endpoint *memnet_endpoint_next_child(struct memnet_endpoint *ep)
{
	struct memnet_endpoint *child;

	spin_lock_bh(&ep->lock);
	child = list_first_entry_or_null(&ep->listener.queue, struct memnet_endpoint, node);
	if (child) {
		list_del_init(&child->node);
		WRITE_ONCE(ep->listener.queued, ep->listener.queued - 1);
		ep->listener.collected++;
		if (ep->lc)
			memnet_transmit(ep);
	}
	spin_unlock_bh(&ep->lock);
	return child;
}

/**
 * memnet_endpoint_close() - the socket is closed, or nobody wants this child
 * @ep: endpoint, not locked
 * @flags: WIRE_F_ABORT or WIRE_F_LINGER
 * @linger_ms: with WIRE_F_LINGER
 *
 * What is queued is sent first, unless the connection is aborted. The caller keeps its reference.
 */
void memnet_endpoint_close(struct memnet_endpoint *ep, u32 flags, u32 linger_ms)
{
	struct memnet_endpoint *child;
	struct sk_buff_head drop;

	__skb_queue_head_init(&drop);
	spin_lock_bh(&ep->lock);
	ep->listener.backlog = 0;
	if (ep->state == TCP_LISTEN)
		memnet_endpoint_change_state(ep, TCP_CLOSE);
	ep->tx.close = true;
	ep->tx.close_flags = flags;
	ep->tx.linger_ms = linger_ms;
	if (flags & WIRE_F_ABORT)
		memnet_transmit_release(ep, &drop);
	if (!ep->gone && ep->lc) {
		memnet_transmit(ep);
		if (!ep->gone) {
			refcount_inc(&ep->refs);
			memnet_stat_inc(MEMNET_STAT_HOST_ORPHANS);
			mod_timer(&ep->orphan,
				  jiffies + msecs_to_jiffies(MEMNET_ORPHAN_MS + linger_ms));
		}
	}
	spin_unlock_bh(&ep->lock);
	__skb_queue_purge(&drop);
	while ((child = memnet_endpoint_next_child(ep))) {
		memnet_endpoint_close(child, WIRE_F_ABORT, 0);
		memnet_endpoint_put(child);
	}
}

/* Bytes may still arrive: after a reset those before its position, which need window as well. */
static bool more_to_come(const struct memnet_endpoint *ep)
{
	return !ep->rx.fin && (ep->state != TCP_CLOSE || ep->rx.received < ep->rx.end);
}

/**
 * memnet_endpoint_consumed() - the application has read
 * @ep: endpoint, not locked; its socket locked
 * @bytes: how many
 * @done: buffers read to their end, for the caller to free
 *
 * Opens the node's window again, at least by a quarter of it at a time.
 */
void memnet_endpoint_consumed(struct memnet_endpoint *ep, u32 bytes, struct sk_buff_head *done)
{
	struct sk_buff *skb;
	u64 limit;

	spin_lock_bh(&ep->lock);
	ep->rx.copied += bytes;
	bytes += ep->rx.offset;
	while ((skb = skb_peek(&ep->rx.queue)) && bytes >= skb->len) {
		bytes -= skb->len;
		ep->rx.pages -= skb_shinfo(skb)->nr_frags;
		memnet_stat_add(MEMNET_STAT_PAGES_HELD, -(long)skb_shinfo(skb)->nr_frags);
		__skb_unlink(skb, &ep->rx.queue);
		__skb_queue_tail(done, skb);
	}
	ep->rx.offset = bytes;
	limit = ep->rx.copied + ep->rx.window;
	if (limit >= ep->rx.limit + min_t(u32, WIRE_INITIAL_WINDOW, ep->rx.window / 2) &&
	    more_to_come(ep)) {
		window_grow(ep);
		ep->rx.limit = ep->rx.copied + ep->rx.window;
		ep->rx.tell = ep->rx.peer_wants;
		ep->rx.publish = !ep->rx.tell;
		memnet_transmit(ep);
	}
	spin_unlock_bh(&ep->lock);
}

/**
 * memnet_endpoint_need() - the application waits for so many bytes without reading them
 * @ep: endpoint, not locked
 * @bytes: by SO_RCVLOWAT, or to be peeked at
 *
 * Return: whether so many can come; else those that are there are all there is room for.
 */
bool memnet_endpoint_need(struct memnet_endpoint *ep, u32 bytes)
{
	bool room = true;

	spin_lock_bh(&ep->lock);
	if (ep->connected && more_to_come(ep) && ep->rx.copied + bytes > ep->rx.limit) {
		window_set(ep, min(roundup_pow_of_two(bytes), ep->rx.max_window));
		if (ep->rx.copied + ep->rx.window > ep->rx.limit) {
			ep->rx.limit = ep->rx.copied + ep->rx.window;
			ep->rx.tell = ep->rx.peer_wants;
			ep->rx.publish = !ep->rx.tell;
			memnet_transmit(ep);
		}
		room = ep->rx.received < ep->rx.limit;
	}
	spin_unlock_bh(&ep->lock);
	return room;
}

/* ---- messages ---- */

static int receive_data(struct memnet_endpoint *ep, struct memnet_rx *rx)
{
	bool fin = rx->msg.hdr.flags & WIRE_F_FIN;
	unsigned int copied, pages;

	if (!ep->connected || (!rx->len && !fin) || ep->rx.fin)
		return -EPROTO;
	if (le64_to_cpu(rx->msg.hdr.pos) != ep->rx.received ||
	    rx->len > ep->rx.limit - ep->rx.received)
		return -EPROTO;
	if (ep->rx.end && ep->rx.received + rx->len > ep->rx.end)
		return -EPROTO;
	ep->rx.received += rx->len;
	if (rx->len && !ep->tx.close) {
		pages = memnet_rx_enqueue(rx, &ep->rx.queue, &copied);
		ep->rx.pages += pages;
		memnet_stat_add(MEMNET_STAT_PAGES_HELD, pages);
	}
	if (fin) {
		ep->rx.fin = true;
		if (ep->sk)
			WRITE_ONCE(ep->sk->sk_shutdown, ep->sk->sk_shutdown | RCV_SHUTDOWN);
		memnet_endpoint_change_state(ep, ep->state == TCP_FIN_WAIT1 ? TCP_CLOSING :
									      TCP_CLOSE_WAIT);
	}
	memnet_endpoint_wake(ep, MEMNET_WAKE_READ | (fin ? MEMNET_WAKE_STATE : 0));
	return 0;
}

static int receive_reset(struct memnet_endpoint *ep, const struct wire_msg *msg,
			 struct sk_buff_head *drop)
{
	u64 end = le64_to_cpu(msg->reset.end);

	if (!ep->connected || ep->rx.end || end < ep->rx.received)
		return -EPROTO;
	/*
	 * Zero means "no reset" in rx.end: a stream that ends before its first byte has nothing
	 * to wait for.
	 */
	ep->rx.end = end;
	endpoint_dead(ep, le32_to_cpu(msg->reset.error), drop);
	return 0;
}

static int receive_window(struct memnet_endpoint *ep, const struct wire_msg *msg)
{
	if (!ep->connected)
		return -EPROTO;
	ep->tx.limit = wire_word_advance(msg->window.limit, ep->gen, ep->tx.limit);
	ep->tx.consumed = wire_word_advance(msg->window.consumed, ep->gen, ep->tx.consumed);
	if (ep->tx.consumed > ep->tx.sent)
		return -EPROTO;
	ep->tx.asked = 0;
	/* Who sleeps for room and has not got enough is to be told again. */
	if (!ep->sk || memnet_transmit_writable(ep, ep->sk))
		ep->tx.want = false;
	memnet_transmit(ep);
	memnet_endpoint_wake(ep, MEMNET_WAKE_WRITE);
	return 0;
}

static int receive_want(struct memnet_endpoint *ep, const struct wire_msg *msg)
{
	u64 seen = le64_to_cpu(msg->want.limit), limit;

	if (!ep->connected || seen > ep->rx.limit)
		return -EPROTO;
	if (!more_to_come(ep))
		return 0;
	window_grow(ep);
	limit = ep->rx.copied + ep->rx.window;
	if (limit > ep->rx.limit)
		ep->rx.limit = limit;
	ep->rx.peer_wants = true;
	if (ep->rx.limit > seen) {
		ep->rx.tell = true;
		memnet_transmit(ep);
	}
	return 0;
}

static void drop_children(struct memnet_endpoint *child)
{
	memnet_endpoint_close(child, WIRE_F_ABORT, 0);
}

static int receive_new_connection(struct link_channel *lc, const struct wire_msg *msg, gfp_t gfp)
{
	u32 index = le32_to_cpu(msg->hdr.index), listener_index = le32_to_cpu(msg->conn.listener);
	struct memnet_endpoint *ep, *listener = NULL;
	struct link_channel *listening;
	bool queued = false;
	int ret;

	if (index < lc->ch->cfg.slots / 2)
		return -EPROTO;
	ep = memnet_endpoint_create(gfp);
	if (!ep)
		return -ENOMEM;
	ep->index = index;
	ep->gen = le16_to_cpu(msg->hdr.gen);
	ep->local = msg->conn.local;
	ep->peer = msg->conn.peer;
	ep->connected = true;
	ep->tx.limit = WIRE_INITIAL_WINDOW;
	ep->rx.limit = WIRE_INITIAL_WINDOW;
	ep->state = TCP_ESTABLISHED;
	refcount_inc(&lc->refs);
	atomic_inc(&lc->link->endpoints);
	ep->lc = lc;
	refcount_inc(&ep->refs); /* the table's */
	ret = try_module_get(THIS_MODULE) ? 0 : -ENODEV;
	if (!ret) {
		ret = xa_insert_bh(&lc->endpoints, index, ep, gfp);
		if (ret)
			module_put(THIS_MODULE);
	}
	if (ret) {
		refcount_dec(&ep->refs);
		memnet_endpoint_put(ep);
		return ret == -ENOMEM ? ret : -EPROTO;
	}

	listening = memnet_link_channel(lc->link, le16_to_cpu(msg->conn.listener_channel));
	rcu_read_lock();
	if (listening && listener_index < listening->ch->cfg.slots / 2)
		listener = xa_load(&listening->endpoints, listener_index);
	if (listener && listener->gen == le16_to_cpu(msg->conn.listener_gen)) {
		spin_lock_bh(&listener->lock);
		if (listener->state == TCP_LISTEN &&
		    listener->listener.queued < max(listener->listener.backlog, 1U)) {
			refcount_inc(&ep->refs);
			list_add_tail(&ep->node, &listener->listener.queue);
			WRITE_ONCE(listener->listener.queued, listener->listener.queued + 1);
			memnet_endpoint_wake(listener, MEMNET_WAKE_READ);
			queued = true;
		}
		spin_unlock_bh(&listener->lock);
	}
	rcu_read_unlock();
	if (listening)
		memnet_lc_put(listening);
	if (!queued)
		drop_children(ep);
	memnet_endpoint_put(ep);
	return 0;
}

static struct memnet_endpoint *lookup(struct link_channel *lc, u32 index)
{
	struct memnet_endpoint *ep;

	rcu_read_lock();
	ep = xa_load(&lc->endpoints, index);
	if (ep && !refcount_inc_not_zero(&ep->refs))
		ep = NULL;
	rcu_read_unlock();
	return ep;
}

static int host_receive(struct memnet_channel *ch, struct memnet_rx *rx, gfp_t gfp)
{
	struct link_channel *lc = ch->owner;
	const struct wire_msg *msg = &rx->msg;
	struct memnet_endpoint *ep;
	struct sk_buff_head drop;
	bool closed = false;
	int ret;

	if (msg->hdr.opcode == WIRE_NEW_CONNECTION)
		return receive_new_connection(lc, msg, gfp);
	ep = lookup(lc, le32_to_cpu(msg->hdr.index));
	if (!ep || ep->gen != le16_to_cpu(msg->hdr.gen)) {
		memnet_stat_inc(MEMNET_STAT_STALE);
		if (ep)
			memnet_endpoint_put(ep);
		return 0;
	}
	__skb_queue_head_init(&drop);
	spin_lock_bh(&ep->lock);
	switch (msg->hdr.opcode) {
	case WIRE_DATA:
		ret = receive_data(ep, rx);
		break;
	case WIRE_REPLY:
		ret = ep->request.busy && ep->request.seq == le16_to_cpu(msg->hdr.seq) ? 0 :
											 -EPROTO;
		if (!ret)
			memnet_request_reply(ep, msg);
		break;
	case WIRE_RESET:
		ret = receive_reset(ep, msg, &drop);
		break;
	case WIRE_WINDOW:
		ret = receive_window(ep, msg);
		break;
	case WIRE_WANT_WINDOW:
		ret = receive_want(ep, msg);
		break;
	case WIRE_CLOSED:
		ret = ep->tx.close_sent ? 0 : -EPROTO;
		closed = !ret;
		if (closed) {
			ep->error = le32_to_cpu(msg->closed.error);
			memnet_endpoint_change_state(ep, TCP_CLOSE);
			memnet_request_fail(ep, -ECONNRESET);
		}
		break;
	default:
		ret = -EPROTO;
	}
	spin_unlock_bh(&ep->lock);
	__skb_queue_purge(&drop);
	if (closed) {
		endpoint_gone(ep);
		spin_lock_bh(&ep->lock);
		memnet_endpoint_wake(ep, MEMNET_WAKE_STATE);
		spin_unlock_bh(&ep->lock);
	}
	memnet_endpoint_put(ep);
	return ret;
}

static void host_up(struct memnet_channel *ch)
{
}

static void host_failed(struct memnet_channel *ch)
{
	struct link_channel *lc = ch->owner;

	WRITE_ONCE(lc->link->failed, true);
	mod_delayed_work(system_unbound_wq, &lc->link->work, 0);
}

const struct memnet_channel_ops memnet_host_channel_ops = {
	.receive	= host_receive,
	.up		= host_up,
	.failed		= host_failed,
};

/**
 * memnet_endpoints_init() - prepare
 *
 * Return: 0 or -ENOMEM.
 */
int memnet_endpoints_init(void)
{
	if (!memnet_max_pages)
		memnet_max_pages = totalram_pages() / 8;
	cache = KMEM_CACHE(memnet_endpoint, SLAB_HWCACHE_ALIGN);
	if (!cache)
		return -ENOMEM;
	if (memnet_transmit_start()) {
		kmem_cache_destroy(cache);
		return -ENOMEM;
	}
	return 0;
}

/**
 * memnet_endpoints_exit() - clean up; no endpoint lives
 */
void memnet_endpoints_exit(void)
{
	rcu_barrier();
	memnet_transmit_end();
	kmem_cache_destroy(cache);
}
