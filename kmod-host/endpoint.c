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
 * The socket's fields that softirq writes too (sk_state, sk_shutdown, sk_err) are written under
 * the endpoint's lock.
 *
 * When a link dies every endpoint gets ECONNRESET; only listeners survive, without a channel,
 * until one has set them up again (listener.c).
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "context.h"
#include "memory.h"
#include "trace.h"
#include "transmit.h"

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
	trace_memnet_endpoint_state(ep->lc ? ep->lc->ch : NULL, ep->index, ep->gen, ep->state,
				    next);
	WRITE_ONCE(ep->state, next);
	/* As tcp_set_state(): a port nobody asked for is given back. */
	if (next == TCP_CLOSE && ep->sk && !(ep->sk->sk_userlocks & SOCK_BINDPORT_LOCK))
		WRITE_ONCE(inet_sk(ep->sk)->inet_num, 0);
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
	memnet_rcv_window_end(ep);
	memnet_area_unbind(ep);
	__skb_queue_purge(&ep->rx.queue);
	memnet_memory_detach(ep);
	WARN_ON_ONCE(!list_empty(&ep->tx.queue) || !list_empty(&ep->tx.jobs));
	WARN_ON_ONCE(!list_empty(&ep->rx.jobs));
	kfree_skb(ep->request.skb);
	memnet_inherited_put(ep->listener.inherited);
	memnet_inherited_put(ep->inherited);
	if (ep->lc) {
		atomic_dec(&ep->lc->link->endpoints);
		memnet_lc_put(ep->lc);
	}
	memnet_stat_dec(MEMNET_STAT_HOST_ENDPOINTS);
	call_rcu(&ep->rcu, endpoint_free);
}

/**
 * memnet_endpoint_gone() - nobody hears from this endpoint any more: off the table
 * @ep: endpoint, not locked
 */
void memnet_endpoint_gone(struct memnet_endpoint *ep)
{
	struct list_head drop;
	struct link_channel *lc;
	bool first;

	INIT_LIST_HEAD(&drop);
	spin_lock_bh(&ep->lock);
	first = !ep->gone;
	/* Who finds it no longer closing finds it counted. */
	if (first && ep->lc)
		atomic_inc(&ep->lc->link->closed);
	ep->gone = true;
	/* What was queued since it died. */
	memnet_transmit_release(ep, &drop);
	memnet_request_fail(ep, -ECONNRESET);
	memnet_jobs_fail(ep, ECONNRESET);
	if (first) {	/* a lingering close waits for it, and who wants its port */
		memnet_endpoint_wake(ep, MEMNET_WAKE_STATE);
		wake_up_all(&ep->request.wait);
	}
	lc = ep->lc;
	spin_unlock_bh(&ep->lock);
	memnet_transmit_purge(&drop);
	if (!first)
		return;
	if (lc) {
		memnet_table_erase(&lc->endpoints, ep->index);
		if (ep->index < lc->ch->cfg.slots / 2)
			atomic_dec(&lc->opened);
		module_put(THIS_MODULE);
	}
	memnet_cork_end(ep);
	if (timer_delete(&ep->orphan)) {
		memnet_stat_dec(MEMNET_STAT_HOST_ORPHANS);
		memnet_endpoint_put(ep);
	}
	memnet_endpoint_put(ep);
}

static void orphan_expired(struct timer_list *timer)
{
	struct memnet_endpoint *ep = container_of(timer, struct memnet_endpoint, orphan);
	struct list_head drop;

	INIT_LIST_HEAD(&drop);
	spin_lock_bh(&ep->lock);
	if (!ep->tx.close_sent) {
		ep->tx.close_flags = WIRE_F_ABORT;
		memnet_transmit_release(ep, &drop);
		memnet_transmit(ep);
	}
	spin_unlock_bh(&ep->lock);
	memnet_transmit_purge(&drop);
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
	__skb_queue_head_init(&ep->rx.queue);
	init_waitqueue_head(&ep->request.wait);
	INIT_LIST_HEAD(&ep->listener.queue);
	INIT_LIST_HEAD(&ep->node);
	INIT_LIST_HEAD(&ep->rx.jobs);
	INIT_LIST_HEAD(&ep->lost_node);
	timer_setup(&ep->orphan, orphan_expired, 0);
	memnet_cork_init(ep);
	memnet_transmit_init(ep);
	memnet_rcv_window_init(ep);
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
	u32 index;
	int ret;

	/* Reserved first: in the table, the endpoint must be complete, for the link may die. */
	if (memnet_table_reserve(&lc->endpoints, &index)) {
		memnet_lc_put(lc);
		return -ENOBUFS;
	}
	__module_get(THIS_MODULE); /* the caller's socket holds it */
	atomic_inc(&lc->link->endpoints);
	atomic_inc(&lc->opened);
	refcount_inc(&lc->refs);	/* the link's end may take the endpoint's */
	spin_lock_bh(&ep->lock);
	ep->index = index;
	ep->gen = ++lc->gens[index];
	ep->gone = false;
	ep->dying = false;
	ep->listener.collected = 0;	/* of a former life, which no node knows of */
	ep->lc = lc;
	spin_unlock_bh(&ep->lock);
	memnet_endpoint_get(ep);
	memnet_table_store(&lc->endpoints, index, ep);
	/* The link may have died before the endpoint was on its table. */
	ret = 0;
	if (!memnet_channel_is_up(lc->ch)) {
		memnet_endpoint_kill(ep, lc, ENETDOWN);
		ret = -ENETDOWN;
	}
	memnet_lc_put(lc);
	return ret;
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
	WRITE_ONCE(ep->net_cookie, sock_net(sk)->net_cookie);
	memnet_memory_attach(ep, sk);
	memnet_rcv_window_bound(ep, READ_ONCE(sk->sk_rcvbuf));
	sk->sk_state = ep->state;
	if (ep->error)	/* else what the socket has before it is opened stays, as with TCP */
		sk->sk_err = ep->error;
	ep->error = 0;
	if (ep->connected)
		sk_incoming_cpu_update(sk);
	if (ep->connected && ep->state == TCP_CLOSE) {
		sk->sk_shutdown = SHUTDOWN_MASK;
		WRITE_ONCE(inet_sk(sk)->inet_num, 0);	/* as where its state changes */
	} else if (ep->rx.fin) {
		sk->sk_shutdown |= RCV_SHUTDOWN;
	}
	spin_unlock_bh(&ep->lock);
}

/**
 * memnet_endpoint_dead() - the connection is over: state, error, waiters
 * @ep: endpoint, locked
 * @error: positive errno for the socket
 * @drop: takes what was queued, to be purged without the lock
 *
 * The socket reads what has come; nothing is sent any more.
 */
void memnet_endpoint_dead(struct memnet_endpoint *ep, int error, struct list_head *drop)
{
	bool connected = ep->state != TCP_CLOSE;

	lockdep_assert_held(&ep->lock);
	memnet_endpoint_change_state(ep, TCP_CLOSE);
	memnet_transmit_release(ep, drop);
	memnet_jobs_fail(ep, error);
	ep->rx.error = error;
	memnet_recv_jobs_run(ep);
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
 * @lc: its channel there; nothing is done for one that has another by now
 * @error: positive errno for the socket
 *
 * A listener stays a listener, without a channel and without its queue.
 */
void memnet_endpoint_kill(struct memnet_endpoint *ep, struct link_channel *lc, int error)
{
	struct memnet_endpoint *child;
	struct list_head drop;

	INIT_LIST_HEAD(&drop);
	spin_lock_bh(&ep->lock);
	if (ep->lc != lc || ep->dying) {
		spin_unlock_bh(&ep->lock);
		return;
	}
	ep->dying = true;
	if (ep->rx.end > ep->rx.received || ep->state != TCP_CLOSE) {
		ep->rx.end = ep->rx.received;
		ep->rx.ended = ep->rx.fin; /* the rest of the stream is lost */
	}
	if (ep->rx.in_flight || !list_empty(&ep->tx.jobs)) {
		/* The device may still read their memory, and the node write to it. */
		ep->lost = true;
		memnet_endpoint_get(ep);
		list_add_tail(&ep->lost_node, &ep->lc->lost);
		memnet_send_jobs_shut(ep);
	}
	if (ep->state == TCP_LISTEN) {
		memnet_transmit_release(ep, &drop);
		memnet_request_fail(ep, -error);
	} else {
		memnet_endpoint_dead(ep, error, &drop);
	}
	spin_unlock_bh(&ep->lock);
	memnet_transmit_purge(&drop);

	memnet_endpoint_get(ep);
	if (memnet_tx_unwait(lc->ch, &ep->waiter)) {
		spin_lock_bh(&ep->lock);
		ep->tx.waiting = false;
		spin_unlock_bh(&ep->lock);
		memnet_endpoint_put(ep);
	}
	memnet_endpoint_gone(ep);
	/* Nobody adds children to one that is gone. */
	while ((child = memnet_endpoint_next_child(ep)))
		memnet_endpoint_put(child);
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
	u32 index = 0;

	for (;; index++) {
		rcu_read_lock();
		do {
			ep = memnet_table_next(&lc->endpoints, &index);
		} while (ep && !refcount_inc_not_zero(&ep->refs) && ++index);
		rcu_read_unlock();
		if (!ep)
			return;
		memnet_endpoint_kill(ep, lc, ECONNRESET);
		memnet_endpoint_put(ep);
	}
}

/**
 * memnet_endpoint_stopped() - the device has let go of what the endpoints of a dead channel sent
 * @lc: channel, stopped; memnet_endpoint_lost() was called
 *
 * Their jobs end.
 */
void memnet_endpoint_stopped(struct link_channel *lc)
{
	struct memnet_endpoint *ep, *next;

	list_for_each_entry_safe(ep, next, &lc->lost, lost_node) {
		list_del_init(&ep->lost_node);
		spin_lock_bh(&ep->lock);
		ep->lost = false;
		memnet_jobs_fail(ep, ECONNRESET);
		memnet_recv_jobs_end(ep, ECONNRESET);
		spin_unlock_bh(&ep->lock);
		memnet_endpoint_put(ep);
	}
}

static bool gives_port_back(struct memnet_endpoint *ep, __be16 port)
{
	bool ret;

	spin_lock_bh(&ep->lock);
	/* A connection that ends in order keeps its port, as everywhere. */
	ret = ep->tx.close && !ep->gone && ep->local.port == port &&
	      (!ep->connected || ep->tx.close_flags & WIRE_F_ABORT);
	spin_unlock_bh(&ep->lock);
	return ret;
}

static struct memnet_endpoint *find_closing(struct link_channel *lc, __be16 port)
{
	struct memnet_endpoint *ep;
	u32 index = 0;

	rcu_read_lock();
	for (; (ep = memnet_table_next(&lc->endpoints, &index)); index++)
		if (gives_port_back(ep, port) && refcount_inc_not_zero(&ep->refs))
			break;
	rcu_read_unlock();
	return ep;
}

/**
 * memnet_endpoint_closing() - an endpoint that gives a port back as soon as the node hears of it
 * @link: link
 * @port: the port
 *
 * Return: the endpoint with a reference, or NULL.
 */
struct memnet_endpoint *memnet_endpoint_closing(struct memnet_link *link, __be16 port)
{
	struct memnet_endpoint *ep = NULL;
	struct link_channel *lc;
	unsigned int i;

	for (i = 0; !ep && i < link->n_channels; i++) {
		lc = memnet_link_channel(link, i);
		if (!lc)
			continue;
		ep = find_closing(lc, port);
		memnet_lc_put(lc);
	}
	return ep;
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
		memnet_transmit_collected(ep, 1);
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
 * Of one that was aborted before nothing more is to be said.
 */
void memnet_endpoint_close(struct memnet_endpoint *ep, u32 flags, u32 linger_ms)
{
	struct memnet_endpoint *child;
	struct list_head drop;
	bool parent;

	INIT_LIST_HEAD(&drop);
	spin_lock_bh(&ep->lock);
	if (ep->tx.close) {
		spin_unlock_bh(&ep->lock);
		return;
	}
	ep->listener.backlog = 0;
	parent = !list_empty(&ep->listener.queue);
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
	memnet_transmit_purge(&drop);
	while (parent && (child = memnet_endpoint_next_child(ep))) {
		memnet_endpoint_close(child, WIRE_F_ABORT, 0);
		memnet_endpoint_put(child);
	}
}

/**
 * memnet_endpoint_abort() - reset a connection whose socket goes on without it
 * @ep: endpoint of a connection, not locked; under lock_sock() of its socket
 * @error: positive errno for the socket
 *
 * What has come is still to be read. Jobs and requests the node knows of end with CLOSED, which
 * says that it does nothing more for them. Return: 0, or -ENOENT for one that is dead.
 */
int memnet_endpoint_abort(struct memnet_endpoint *ep, int error)
{
	struct sock *sk = ep->sk;

	spin_lock_bh(&ep->lock);
	if (!memnet_endpoint_change_state(ep, TCP_CLOSE)) {
		spin_unlock_bh(&ep->lock);
		return -ENOENT;
	}
	ep->aborted = true;
	ep->rx.error = error;
	memnet_recv_jobs_run(ep);
	memnet_send_jobs_shut(ep);
	WRITE_ONCE(sk->sk_err, error);
	WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	memnet_endpoint_wake(ep, MEMNET_WAKE_STATE | MEMNET_WAKE_WRITE | MEMNET_WAKE_ERROR);
	spin_unlock_bh(&ep->lock);
	memnet_endpoint_close(ep, WIRE_F_ABORT, 0);
	return 0;
}

/**
 * memnet_endpoints_init() - prepare
 *
 * Return: 0 or -ENOMEM.
 */
int memnet_endpoints_init(void)
{
	if (!memnet_max_pages)
		memnet_max_pages = totalram_pages() / 8;
	cache = KMEM_CACHE(memnet_endpoint, SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT);
	if (!cache)
		return -ENOMEM;
	if (memnet_sndbuf_start()) {
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
	memnet_memory_exit();
	rcu_barrier();
	memnet_sndbuf_end();
	kmem_cache_destroy(cache);
}
