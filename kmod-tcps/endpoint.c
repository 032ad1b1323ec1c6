// SPDX-License-Identifier: GPL-2.0
/*
 * Endpoints: a socket of a host, known on its channel by index and generation.
 *
 * The host opens those of its half of the indices, the accept pump makes those of ours.
 * tcps_endpoint_run() is an endpoint's turn in its channel's worker: requests, the end of
 * connecting, closing, the pumps, and then what is owed to the host. After CLOSE the endpoint
 * lives until CLOSED is sent, and leaves the table around that: an index of the host's half
 * before, because the host may use it again at once, one of ours afterwards, because we may.
 *
 * An endpoint may begin as the heir of another one, which ends with that: the native socket, with
 * the port and the options it has, goes from one to the other in the heir's first turn.
 *
 * References: one of the table, one of the heir until its first turn, one each of the ready, the
 * stalled and the starved list. receive() finds an endpoint under RCU and needs none. What an
 * endpoint holds is returned by tcps_endpoint_purge(), in the worker or when the session ends; the
 * last reference only frees memory.
 */
#include <linux/slab.h>
#include <net/tcp.h>

#include "tcps.h"

/* Endpoints that are gone for the host and not yet for us. */
#define GRACE 256

static struct kmem_cache *cache;

static const u16 allowed[] = {
	[TCPS_NEW] = BIT(TCPS_IDLE) | BIT(TCPS_CONNECTED) | BIT(TCPS_GONE),
	[TCPS_IDLE] = BIT(TCPS_LISTENING) | BIT(TCPS_CONNECTING) | BIT(TCPS_CLOSED) |
		      BIT(TCPS_GONE),
	[TCPS_LISTENING] = BIT(TCPS_CLOSED) | BIT(TCPS_GONE),
	[TCPS_CONNECTING] = BIT(TCPS_IDLE) | BIT(TCPS_CONNECTED) | BIT(TCPS_CLOSED) |
			    BIT(TCPS_GONE),
	[TCPS_CONNECTED] = BIT(TCPS_DEAD) | BIT(TCPS_CLOSING) | BIT(TCPS_CLOSED) | BIT(TCPS_GONE),
	[TCPS_DEAD] = BIT(TCPS_CLOSED) | BIT(TCPS_GONE),
	[TCPS_CLOSING] = BIT(TCPS_LINGERING) | BIT(TCPS_CLOSED) | BIT(TCPS_GONE),
	[TCPS_LINGERING] = BIT(TCPS_CLOSED) | BIT(TCPS_GONE),
	[TCPS_CLOSED] = BIT(TCPS_GONE),
	[TCPS_GONE] = 0,
};

static bool is_orphan(enum tcps_endpoint_state state)
{
	return state == TCPS_CLOSING || state == TCPS_LINGERING;
}

/**
 * tcps_endpoint_change_state() - the only place where an endpoint changes state
 * @ep: endpoint; called in its channel's worker, or when that is halted
 * @next: new state
 */
void tcps_endpoint_change_state(struct tcps_endpoint *ep, enum tcps_endpoint_state next)
{
	if (WARN_ON_ONCE(!(allowed[ep->state] & BIT(next))))
		return;
	if (is_orphan(next) && !is_orphan(ep->state))
		memnet_stat_inc(MEMNET_STAT_TCPS_ORPHANS);
	else if (!is_orphan(next) && is_orphan(ep->state))
		memnet_stat_dec(MEMNET_STAT_TCPS_ORPHANS);
	WRITE_ONCE(ep->state, next);
}

static void timer_event(struct timer_list *t)
{
	tcps_kick(container_of(t, struct tcps_endpoint, timer), TCPS_EV_TIMER);
}

/**
 * tcps_endpoint_alloc() - make an endpoint that is not on the table yet
 * @tc: channel
 * @gfp: how to allocate
 *
 * Return: the endpoint with one reference, or NULL.
 */
struct tcps_endpoint *tcps_endpoint_alloc(struct tcps_channel *tc, gfp_t gfp)
{
	struct tcps_endpoint *ep = kmem_cache_zalloc(cache, gfp | __GFP_NOWARN);

	if (!ep)
		return NULL;
	ep->tc = tc;
	refcount_set(&ep->refs, 1);
	spin_lock_init(&ep->lock);
	__skb_queue_head_init(&ep->in.queue);
	__skb_queue_head_init(&ep->in.control);
	__skb_queue_head_init(&ep->in.jobs);
	__skb_queue_head_init(&ep->tx.sending);
	__skb_queue_head_init(&ep->rx.pending);
	__skb_queue_head_init(&ep->rx.over);
	INIT_LIST_HEAD(&ep->stalled);
	INIT_LIST_HEAD(&ep->orphan);
	INIT_LIST_HEAD(&ep->starved);
	timer_setup(&ep->timer, timer_event, 0);
	atomic_inc(&tc->count);
	atomic_inc(&tc->session->endpoints);
	memnet_stat_inc(MEMNET_STAT_TCPS_ENDPOINTS);
	return ep;
}

static void free_rcu(struct rcu_head *rcu)
{
	kmem_cache_free(cache, container_of(rcu, struct tcps_endpoint, rcu));
}

/**
 * tcps_endpoint_put() - drop a reference
 * @ep: endpoint
 */
void tcps_endpoint_put(struct tcps_endpoint *ep)
{
	if (!refcount_dec_and_test(&ep->refs))
		return;
	WARN_ON_ONCE(ep->sock || ep->in.pages);
	kfree_skb(ep->answer.skb);
	call_rcu(&ep->rcu, free_rcu);
}

/* There is a place for a child again: listeners that wait for one may go on. */
static void feed_starved(struct tcps_session *s)
{
	struct tcps_endpoint *ep, *next;

	/* Who goes on the list after we looked, looks at the count after that. */
	atomic_inc_return(&s->freed);
	if (list_empty(&s->starved))
		return;
	spin_lock_bh(&s->starved_lock);
	list_for_each_entry_safe(ep, next, &s->starved, starved) {
		list_del_init(&ep->starved);
		tcps_kick(ep, TCPS_EV_DATA);
		tcps_endpoint_put(ep);
	}
	spin_unlock_bh(&s->starved_lock);
}

/**
 * tcps_endpoint_starve() - a listener waits until there is a place for a child
 * @ep: listener
 * @freed: session.freed, from before it found that there is none
 */
void tcps_endpoint_starve(struct tcps_endpoint *ep, int freed)
{
	struct tcps_session *s = ep->tc->session;

	spin_lock_bh(&s->starved_lock);
	if (list_empty(&ep->starved)) {
		refcount_inc(&ep->refs);
		list_add_tail(&ep->starved, &s->starved);
	}
	spin_unlock_bh(&s->starved_lock);
	smp_mb(); /* pairs with the atomic of feed_starved() */
	if (atomic_read(&s->freed) != freed)
		tcps_kick(ep, TCPS_EV_DATA);
}

static void unstarve(struct tcps_endpoint *ep)
{
	struct tcps_session *s = ep->tc->session;
	bool put = false;

	if (list_empty(&ep->starved))
		return;
	spin_lock_bh(&s->starved_lock);
	if (!list_empty(&ep->starved)) {
		list_del_init(&ep->starved);
		put = true;
	}
	spin_unlock_bh(&s->starved_lock);
	if (put)
		tcps_endpoint_put(ep);
}

/* Drops what tcps_endpoint_alloc() gave. */
static void forget(struct tcps_endpoint *ep)
{
	atomic_dec(&ep->tc->count);
	atomic_dec(&ep->tc->session->endpoints);
	memnet_stat_dec(MEMNET_STAT_TCPS_ENDPOINTS);
	tcps_endpoint_put(ep);
}

/*
 * A correct host has no more: max_endpoints with a native socket, and without one at most its half
 * of the indices of all channels, to be refused by the first request or closed and not yet told.
 */
static bool is_beyond(const struct tcps_session *s)
{
	return atomic_read(&s->endpoints) >=
	       (long)s->listener->cfg.max_endpoints + WIRE_MAX_SLOTS / 2 + GRACE;
}

/* Whose heir an endpoint is to be, with a reference, or NULL. */
static struct tcps_endpoint *find_testator(struct tcps_channel *tc, const struct wire_open *open)
{
	struct tcps_endpoint *from;

	rcu_read_lock();
	from = memnet_table_load(&tc->endpoints, le32_to_cpu(open->from));
	if (from && (from->gen != le16_to_cpu(open->from_gen) || READ_ONCE(from->in.closed) ||
		     !refcount_inc_not_zero(&from->refs)))
		from = NULL;
	rcu_read_unlock();
	return from;
}

static void forget_testator(struct tcps_endpoint *ep)
{
	if (ep->from)
		tcps_endpoint_put(ep->from);
	ep->from = NULL;
}

/**
 * tcps_endpoint_open() - OPEN came
 * @tc: channel
 * @msg: the message
 * @gfp: how to allocate
 *
 * Return: 0; -ENOMEM to be called again; -EPROTO.
 */
int tcps_endpoint_open(struct tcps_channel *tc, const struct wire_msg *msg, gfp_t gfp)
{
	bool heir = le32_to_cpu(msg->open.flags) & WIRE_OPEN_HEIR;
	u32 index = le32_to_cpu(msg->hdr.index);
	struct tcps_endpoint *ep, *from = NULL;

	if (index >= tc->ch->cfg.slots / 2 || is_beyond(tc->session))
		return -EPROTO;
	if (heir) {
		from = find_testator(tc, &msg->open);
		if (!from)
			return -EPROTO;
	}
	ep = tcps_endpoint_alloc(tc, gfp);
	if (!ep) {
		if (from)
			tcps_endpoint_put(from);
		return -ENOMEM;
	}
	ep->from = from;
	ep->index = index;
	ep->gen = le16_to_cpu(msg->hdr.gen);
	ep->uid = le32_to_cpu(msg->open.uid);
	ep->v6 = le32_to_cpu(msg->open.flags) & WIRE_OPEN_V6;
	ep->v6only = le32_to_cpu(msg->open.flags) & WIRE_OPEN_V6ONLY;
	if (memnet_table_insert(&tc->endpoints, index, ep)) {
		forget_testator(ep);
		forget(ep);
		feed_starved(tc->session); /* others may have counted it */
		return -EPROTO;
	}
	/* Nobody closes it before we return: messages come one at a time. */
	tcps_kick(ep, TCPS_EV_HOST);
	return 0;
}

/* The channel for a child: the least loaded; none of those in @full, by their numbers. */
static struct tcps_channel *pick_channel(struct tcps_session *s, unsigned int full)
{
	struct tcps_channel *best = NULL;
	int i;

	for (i = 0; i < WIRE_MAX_CHANNELS; i++) {
		struct tcps_channel *tc = READ_ONCE(s->channels[i]);

		if (!tc || full & BIT(i) || !memnet_channel_is_up(tc->ch))
			continue;
		if (!best || atomic_read(&tc->count) < atomic_read(&best->count))
			best = tc;
	}
	return best;
}

/**
 * tcps_endpoint_reserve() - make an endpoint of the node's half
 * @s: session
 *
 * Its index is taken, but nobody finds it before it is stored in the table.
 *
 * Return: the endpoint; -ENFILE when the host has as many as it may, or no index is free; -ENOMEM.
 */
struct tcps_endpoint *tcps_endpoint_reserve(struct tcps_session *s)
{
	struct tcps_channel *tc;
	struct tcps_endpoint *ep;
	unsigned int full = 0;
	u32 half;

	if (atomic_read(&s->endpoints) >= s->listener->cfg.max_endpoints)
		return ERR_PTR(-ENFILE);
	while ((tc = pick_channel(s, full))) {
		half = tc->ch->cfg.slots / 2;
		ep = tcps_endpoint_alloc(tc, GFP_KERNEL);
		if (!ep)
			return ERR_PTR(-ENOMEM);
		if (!memnet_table_reserve(&tc->endpoints, &ep->index)) {
			ep->gen = ++tc->gens[ep->index - half];
			return ep;
		}
		forget(ep);
		full |= BIT(tc->ch->number);
	}
	return ERR_PTR(-ENFILE);
}

/**
 * tcps_endpoint_hide() - let the index of a closed endpoint be used again
 * @ep: endpoint; called in its channel's worker, or when that is halted
 */
void tcps_endpoint_hide(struct tcps_endpoint *ep)
{
	if (ep->hidden)
		return;
	memnet_table_erase(&ep->tc->endpoints, ep->index);
	ep->hidden = true;
	if (!tcps_endpoint_is_hosts(ep))
		feed_starved(ep->tc->session);
}

/**
 * tcps_endpoint_unlist() - an endpoint is no more
 * @ep: endpoint; called in its channel's worker, or when that is halted, or before others
 *	can find it
 *
 * Drops the table's reference.
 */
void tcps_endpoint_unlist(struct tcps_endpoint *ep)
{
	struct tcps_session *s = ep->tc->session;

	struct sk_buff *skb;

	if (ep->state == TCPS_GONE)
		return;
	tcps_endpoint_hide(ep);
	list_del_init(&ep->orphan);
	unstarve(ep);
	/* Nobody adds requests any more, and nobody waits for answers. */
	while ((skb = __skb_dequeue(&ep->in.control)))
		consume_skb(skb);
	tcps_endpoint_change_state(ep, TCPS_GONE);
	forget(ep);
	feed_starved(s);
}

/* Those that wait for their turn in the stream. */
static u16 count_requests(const struct sk_buff_head *queue)
{
	const struct sk_buff *skb;
	u16 n = 0;

	skb_queue_walk(queue, skb)
		if (TCPS_CB(skb)->marker)
			n += !!(((const struct wire_msg *)skb->data)->hdr.flags & WIRE_F_REPLY);
	return n;
}

/**
 * tcps_endpoint_purge() - return all buffers and window
 * @ep: endpoint; called in its channel's worker, or when that is halted
 *
 * What the host still sends is dropped.
 */
void tcps_endpoint_purge(struct tcps_endpoint *ep)
{
	struct sk_buff_head list;
	struct sk_buff *skb;

	__skb_queue_head_init(&list);
	spin_lock_bh(&ep->lock);
	ep->in.dead = true;
	ep->in.wanted = false;
	ep->in.late = 0;
	ep->in.record = 0;
	ep->in.requests -= count_requests(&ep->in.queue) + count_requests(&ep->tx.sending);
	skb_queue_splice_init(&ep->in.queue, &list);
	skb_queue_splice_tail_init(&ep->in.jobs, &list);
	spin_unlock_bh(&ep->lock);
	skb_queue_splice_tail_init(&ep->tx.sending, &list);
	while ((skb = __skb_dequeue(&list)))
		tcps_skb_free(ep, skb);
	tcps_tx_window_release(ep);
}

/**
 * tcps_endpoint_destroy() - the session ends: reset the native socket and return everything
 * @ep: endpoint of a halted channel
 */
void tcps_endpoint_destroy(struct tcps_endpoint *ep)
{
	tcps_native_release(ep, true);
	timer_shutdown_sync(&ep->timer);
	tcps_endpoint_purge(ep);
	tcps_rx_purge(ep);
	forget_testator(ep);
	tcps_endpoint_unlist(ep);
}

/**
 * tcps_endpoint_died() - the native socket has an error
 * @ep: connected endpoint
 * @error: errno, positive
 */
void tcps_endpoint_died(struct tcps_endpoint *ep, int error)
{
	struct sock *sk = ep->sock->sk;

	if (is_orphan(ep->state)) {
		tcps_close_finish(ep, true, error);
		return;
	}
	if (ep->state != TCPS_CONNECTED)
		return;
	tcps_endpoint_change_state(ep, TCPS_DEAD);
	ep->reset_error = error;
	lock_sock(sk);
	if (!ep->rx.tls)
		ep->rx.end = ep->rx.read + tcps_rx_unread(ep);
	else	/* how much there is when it is decrypted nobody knows */
		ep->rx.end = ep->rx.eof || !tcps_rx_unread(ep) ? ep->rx.read : WIRE_END_LATER;
	ep->rx.ended = sock_flag(sk, SOCK_DONE);
	release_sock(sk);
	if (ep->rx.end == WIRE_END_LATER)
		tcps_kick(ep, TCPS_EV_DATA);
	ep->owed |= TCPS_OWE_RESET;
	ep->owed &= ~(TCPS_OWE_WINDOW | TCPS_OWE_PUBLISH);
	tcps_recv_jobs_died(ep);
	tcps_endpoint_purge(ep);
}

/*
 * The first turn of an heir. A correct host has said nothing more of the other one, which was made
 * before and has had its first turn.
 */
static int inherit(struct tcps_endpoint *ep, struct tcps_endpoint *from)
{
	int ret;

	if (from->state == TCPS_NEW || from->state >= TCPS_CLOSING)
		return -ECONNRESET;
	spin_lock_bh(&from->lock);
	from->in.close_flags = WIRE_F_ABORT;
	WRITE_ONCE(from->in.closed, true);
	spin_unlock_bh(&from->lock);
	/* What was sent before may have reached the peer by now, had TCP been here. */
	tcps_tx_pump(from);
	ret = tcps_native_inherit(ep, from);
	tcps_close_finish(from, true, 0);
	/* It has CLOSED to say. */
	tcps_kick(from, TCPS_EV_HOST);
	return ret;
}

static void first_turn(struct tcps_endpoint *ep)
{
	ep->open_error = ep->from ? inherit(ep, ep->from) : tcps_native_create(ep);
	forget_testator(ep);
	if (ep->open_error)
		tcps_endpoint_purge(ep); /* nobody will take what waits for its turn */
	tcps_endpoint_change_state(ep, TCPS_IDLE);
}

/**
 * tcps_endpoint_run() - an endpoint's turn
 * @ep: endpoint; called in its channel's worker
 * @events: what happened, TCPS_EV_*
 */
void tcps_endpoint_run(struct tcps_endpoint *ep, int events)
{
	if (ep->state == TCPS_GONE)
		return;
	if (ep->state == TCPS_NEW)
		first_turn(ep);
	/* The rx pump begins with nothing pending. */
	if (events & TCPS_EV_AGAIN)
		tcps_endpoint_flush(ep);
	if (ep->state < TCPS_CLOSED) {
		if (events & (TCPS_EV_HOST | TCPS_EV_AGAIN))
			tcps_control_run(ep);
		if (ep->state == TCPS_CONNECTING && events & TCPS_EV_STATE &&
		    tcps_connect_progress(ep))
			events |= TCPS_EV_DATA;
		if (ep->state < TCPS_CLOSING && READ_ONCE(ep->in.closed))
			tcps_close_begin(ep);
		if (events & (TCPS_EV_HOST | TCPS_EV_SPACE | TCPS_EV_AGAIN))
			tcps_tx_pump(ep);
		if (ep->state == TCPS_LISTENING)
			tcps_accept_pump(ep);
		else if (ep->state == TCPS_CONNECTED || ep->state == TCPS_DEAD)
			tcps_rx_pump(ep, events);
		if (is_orphan(ep->state))
			tcps_close_progress(ep, events);
	}
	tcps_endpoint_flush(ep);
}

/**
 * tcps_endpoint_init() - prepare for endpoints
 *
 * Return: 0 or -ENOMEM.
 */
int tcps_endpoint_init(void)
{
	cache = KMEM_CACHE(tcps_endpoint, SLAB_HWCACHE_ALIGN);
	return cache ? 0 : -ENOMEM;
}

/**
 * tcps_endpoint_exit() - all endpoints are gone
 */
void tcps_endpoint_exit(void)
{
	rcu_barrier();
	kmem_cache_destroy(cache);
}
