// SPDX-License-Identifier: GPL-2.0
/*
 * What an endpoint sends, and when.
 *
 * tx.queue holds, in stream order, buffers of data, whole messages (options, requests) and jobs,
 * which send from registered memory; tx.fin and tx.close come after it. memnet_transmit() sends
 * as much as the node's window, the peer's credits and the send ring allow, in one batch,
 * together with what else is due: a request out of order, ACCEPTED, window words. It is called,
 * with the endpoint locked, by whoever adds something, unless that may wait for more (cork.c), and
 * by the channel when it can send again (the waiter).
 *
 * TCP_NODELAY goes in the header of the payload it comes before; where nothing was sent yet it
 * waits for that, since there is nothing to push.
 *
 * The window is read from the table, where the node writes it without a word. A sender that has
 * run dry asks once (WANT_WINDOW) and the node answers with WINDOW when there is more; pollers
 * and sleepers that wait for room ask as well (memnet_transmit_want()), after a look whether there
 * is some that nobody was told of (memnet_transmit_look()).
 *
 * A data buffer (sndbuf.c) may be extended while nothing of it has been sent. One that nothing
 * stands before does not see the queue at all (memnet_transmit_post()).
 */
#include "context.h"
#include "job.h"
#include "transmit.h"

/* options that go behind the payload */
#define ORDERED		(BIT_ULL(MEMNET_OPT_NODELAY) | BIT_ULL(MEMNET_OPT_CORK))

/**
 * memnet_transmit_control() - make a queue entry of a message
 * @ep: endpoint
 * @msg: the message; index and generation are filled in when it is sent
 * @gfp: how to allocate
 *
 * Return: the entry or NULL.
 */
struct sk_buff *memnet_transmit_control(struct memnet_endpoint *ep, struct wire_msg *msg, gfp_t gfp)
{
	struct sk_buff *skb = alloc_skb(sizeof(*msg), gfp);

	if (!skb)
		return NULL;
	skb_put_data(skb, msg, sizeof(*msg));
	*memnet_cb(skb) = (struct memnet_cb){ .entry.kind = MEMNET_ENTRY_CONTROL };
	return skb;
}

/*
 * The node's TCP has taken so much; it is the peer who wrote that, what cannot be is not believed.
 * Whoever looks may find the room another one sleeps for, and nobody else will tell.
 */
static void consumed_is(struct memnet_endpoint *ep, u64 consumed)
{
	if (consumed <= ep->tx.sent)
		ep->tx.consumed = consumed;
	if (ep->tx.want && ep->sk && memnet_sndbuf_writable(ep, ep->sk)) {
		ep->tx.want = false;
		memnet_endpoint_wake(ep, MEMNET_WAKE_WRITE);
	}
}

/**
 * memnet_transmit_refresh() - look what the node has published
 * @ep: endpoint, locked, on a channel
 */
void memnet_transmit_refresh(struct memnet_endpoint *ep)
{
	u64 limit = ep->tx.limit, consumed = ep->tx.consumed;

	lockdep_assert_held(&ep->lock);
	memnet_window_read(ep->lc->ch, ep->index, ep->gen, &limit, &consumed);
	if (ep->area)
		consumed = memnet_counter_read(ep, consumed);
	if (limit > ep->tx.limit)
		ep->tx.asked = 0;
	ep->tx.limit = limit;
	consumed_is(ep, consumed);
}

/**
 * memnet_transmit_count() - look at its counter alone
 * @ep: endpoint, locked, with a counter
 */
void memnet_transmit_count(struct memnet_endpoint *ep)
{
	lockdep_assert_held(&ep->lock);
	consumed_is(ep, memnet_counter_read(ep, ep->tx.consumed));
}

/**
 * memnet_transmit_message() - queue a message about an endpoint
 * @ep: endpoint, locked, in a batch
 * @opcode: which
 * @msg: with its body
 *
 * Return: as memnet_tx_queue().
 */
int memnet_transmit_message(struct memnet_endpoint *ep, enum wire_opcode opcode,
			    struct wire_msg *msg)
{
	int ret;

	msg->hdr.opcode = opcode;
	msg->hdr.index = cpu_to_le32(ep->index);
	msg->hdr.gen = cpu_to_le16(ep->gen);
	ret = memnet_tx_queue(ep->lc->ch, msg, NULL, 0, 0, 0);
	if (!ret)
		ep->lc->moved.tx_messages++;
	return ret;
}

static int send_control(struct memnet_endpoint *ep, struct sk_buff *skb)
{
	struct wire_msg *msg = (struct wire_msg *)skb->data;

	return memnet_transmit_message(ep, msg->hdr.opcode, msg);
}

/*
 * Where much of the socket's memory is under way the next send is to find it free. Who waits for
 * room has asked for an event of what was sent by then (memnet_transmit_want()), and is told of
 * what others send meanwhile.
 */
static unsigned int when_told(const struct memnet_endpoint *ep)
{
	const struct sock *sk = ep->sk;

	if (!sk || atomic_read(&ep->wmem) <= READ_ONCE(sk->sk_sndbuf) / 4)
		return 0;
	return sk->sk_socket && test_bit(SOCK_NOSPACE, &sk->sk_socket->flags) ? MEMNET_TX_NOTIFY :
										MEMNET_TX_SOON;
}

/* The next @len bytes, at most, of a buffer; returns how many or a negative errno. */
static int send_buffer(struct memnet_endpoint *ep, struct sk_buff *skb, struct wire_msg *msg,
		       u32 len, u8 flags)
{
	unsigned int told = when_told(ep);
	bool whole;
	int ret;

	len = memnet_tx_fit(ep->lc->ch, skb, ep->tx.offset, len);
	whole = ep->tx.offset + len == skb->len;
	/* Who waits for its own memory may send nothing meanwhile. */
	if (unlikely(skb_zcopy(skb)))
		told = whole ? MEMNET_TX_NOTIFY : 0;
	if (whole)
		msg->hdr.flags |= flags;
	else
		msg->hdr.flags |= WIRE_F_MORE;
	if (unlikely(ep->tx.urgent == ep->tx.sent + len))
		msg->hdr.flags |= WIRE_F_URGENT;
	if (!whole)
		skb_get(skb);
	ret = memnet_tx_queue(ep->lc->ch, msg, skb, ep->tx.offset, len, told);
	if (ret && !whole)
		refcount_dec(&skb->users);
	return ret ?: len;
}

static u64 entry_len(struct memnet_entry *entry)
{
	if (entry->kind == MEMNET_ENTRY_JOB)
		return memnet_entry_job(entry)->len;
	return memnet_entry_skb(entry)->len;
}

/* An option behind it would have pushed what was sent before. */
static bool payload_follows(const struct memnet_endpoint *ep, const struct memnet_entry *entry)
{
	return !list_is_last(&entry->node, &ep->tx.queue) &&
	       list_next_entry(entry, node)->kind != MEMNET_ENTRY_CONTROL;
}

/* Nothing is sent behind a record before TCP has taken it, which the node tells. */
static bool has_to_wait(struct memnet_endpoint *ep)
{
	if (likely(ep->tx.record_end <= ep->tx.consumed))
		return false;
	memnet_transmit_refresh(ep);
	return ep->tx.record_end > ep->tx.consumed;
}

/* Somebody who waits for a job has asked for another position since. */
static bool record_untold(const struct memnet_endpoint *ep, struct wire_msg *msg)
{
	if (likely(ep->tx.record_end <= ep->tx.consumed) || ep->tx.tell)
		return false;
	memset(msg, 0, sizeof(*msg));
	msg->taken.pos = cpu_to_le64(ep->tx.record_end);
	return true;
}

static void mark_record(struct memnet_endpoint *ep, const struct memnet_entry *entry,
			struct wire_msg *msg)
{
	msg->data.record = entry->record;
	msg->hdr.flags |= WIRE_F_TELL;
}

/* While nothing was sent there is nothing to push: no message for that alone. */
static u64 untold_yet(const struct memnet_endpoint *ep)
{
	return !ep->tx.sent && memnet_nodelay_due(ep) ? BIT_ULL(MEMNET_OPT_NODELAY) : 0;
}

/* One message of what is at the head of the queue. Returns 1 when the window is dry. */
static int send_data(struct memnet_endpoint *ep, struct memnet_entry *entry)
{
	u64 left = entry_len(entry) - ep->tx.offset;
	u32 len = min3(left, ep->tx.limit - ep->tx.sent, (u64)WIRE_MAX_PAYLOAD);
	bool last = list_is_last(&entry->node, &ep->tx.queue);
	struct wire_msg msg __uninitialized;
	u64 from = ep->tx.sent;
	u8 flags;
	int ret;

	/* A record that is not of data may be cut, but an alert is not. */
	if (!len || (unlikely(entry->record) && len < min_t(u64, left, WIRE_PAGE)))
		return 1;
	wire_init_data(&msg, ep->index, ep->gen);
	msg.hdr.pos = cpu_to_le64(ep->tx.sent);
	msg.data.nodelay = memnet_nodelay_due(ep);
	if (entry->kind == MEMNET_ENTRY_JOB) {
		ret = memnet_jobs_transmit(ep, &msg, min_t(u64, ep->tx.limit - from,
							   WIRE_MAX_PAYLOAD));
		goto out;
	}
	if (unlikely(ep->tx.urgent))
		len = min_t(u64, len, ep->tx.urgent - from);
	flags = last && ep->tx.fin ? WIRE_F_FIN :
		payload_follows(ep, entry) || entry->more ? WIRE_F_MORE : 0;
	if (unlikely(entry->record))
		mark_record(ep, entry, &msg);
	ret = send_buffer(ep, memnet_entry_skb(entry), &msg, len, flags);
	if (ret < 0)
		return ret;
	ep->tx.sent += ret;
	if (unlikely(msg.data.record)) {
		ep->tx.record_end = ep->tx.sent;
		ep->tx.tell = ep->tx.sent;
	}
	ep->tx.offset += ret;
	if (unlikely(ep->tx.urgent == ep->tx.sent))
		ep->tx.urgent = 0;
	if (ret == left) {
		list_del(&entry->node);
		ep->tx.offset = 0;
		if (last && ep->tx.fin)
			ep->tx.fin_sent = true;
	}
	ret = 0;
out:
	if (!ret) {
		if (msg.data.nodelay)
			ep->tx.options &= ~BIT_ULL(MEMNET_OPT_NODELAY);
		ep->tx.held = msg.hdr.flags & WIRE_F_MORE;
		ep->lc->moved.tx_messages++;
		ep->lc->moved.tx_bytes += ep->tx.sent - from;
	}
	return ret;
}

/**
 * memnet_transmit_post() - send a buffer that nothing stands before, past the queue
 * @ep: endpoint of a connection, locked
 * @skb: buffer, not in the queue, all of it counted by tx.end; no more is said of it than @more
 * @more: more is announced
 *
 * The usual case of what memnet_transmit() does of it in the queue, in less time.
 *
 * Return: whether it was, and was taken over; if not, it has to be queued.
 */
bool memnet_transmit_post(struct memnet_endpoint *ep, struct sk_buff *skb, bool more)
{
	struct memnet_channel *ch;
	struct wire_msg msg __uninitialized;
	u32 len = skb->len;
	int ret;

	lockdep_assert_held(&ep->lock);
	if (!memnet_transmit_idle(ep) || unlikely(ep->tx.urgent) || unlikely(skb_zcopy(skb)))
		return false;
	if (len > ep->tx.limit - ep->tx.sent) {
		memnet_transmit_refresh(ep);
		if (len > ep->tx.limit - ep->tx.sent)
			return false;
	}
	ch = ep->lc->ch;
	if (memnet_tx_fit(ch, skb, 0, len) < len)
		return false;
	wire_init_data(&msg, ep->index, ep->gen);
	msg.hdr.pos = cpu_to_le64(ep->tx.sent);
	msg.hdr.flags = more ? WIRE_F_MORE : 0;
	msg.data.nodelay = memnet_nodelay_due(ep);
	memnet_tx_begin(ch);
	ret = memnet_tx_queue(ch, &msg, skb, 0, len, when_told(ep));
	memnet_tx_commit(ch);
	if (ret)
		return false;
	ep->tx.sent += len;
	ep->tx.options = 0;
	ep->tx.held = more;
	ep->lc->moved.tx_messages++;
	ep->lc->moved.tx_bytes += len;
	return true;
}

/* Options that are to go now, of those in @mask; a socket that is gone needs none. */
static int send_options(struct memnet_endpoint *ep, u64 mask)
{
	struct wire_msg msg __uninitialized;
	int ret, i;

	if (!ep->sk)
		ep->tx.options = 0;
	while (ep->tx.options & mask) {
		i = __ffs64(ep->tx.options & mask);
		memnet_option_message(ep->sk, i, &msg);
		ret = memnet_transmit_message(ep, WIRE_SETOPT, &msg);
		if (ret)
			return ret;
		ep->tx.options &= ~BIT_ULL(i);
	}
	return 0;
}

/* TCP_CORK was set before what is queued; the end of the stream pushes all the same. */
static int send_cork(struct memnet_endpoint *ep)
{
	int ret;

	if (ep->tx.close || ep->tx.fin) {
		ep->tx.cork_due = false;
		return 0;
	}
	ep->tx.options |= BIT_ULL(MEMNET_OPT_CORK);
	ret = send_options(ep, BIT_ULL(MEMNET_OPT_CORK));
	if (!ret)
		ep->tx.cork_due = false;
	return ret;
}

/* Returns 0 when nothing is left or the window is dry. */
static int send_queue(struct memnet_endpoint *ep)
{
	struct wire_msg msg __uninitialized;
	struct memnet_entry *entry;
	bool waits = false;
	int ret;

	if (unlikely(ep->tx.cork_due) && !list_empty(&ep->tx.queue)) {
		ret = send_cork(ep);
		if (ret)
			return ret;
	}
	while ((entry = list_first_entry_or_null(&ep->tx.queue, struct memnet_entry, node))) {
		waits = has_to_wait(ep);
		if (waits)
			break;
		if (entry->kind == MEMNET_ENTRY_CONTROL) {
			struct sk_buff *skb = memnet_entry_skb(entry);

			ret = send_control(ep, skb);
			if (ret)
				return ret;
			list_del(&entry->node);
			WRITE_ONCE(ep->tx.n_controls, ep->tx.n_controls - 1);
			kfree_skb(skb);
			continue;
		}
		if (ep->tx.limit - ep->tx.sent < entry_len(entry) - ep->tx.offset)
			memnet_transmit_refresh(ep);
		ret = send_data(ep, entry);
		if (ret == 1)
			break;
		if (ret)
			return ret;
	}
	if (!entry) {
		ret = send_options(ep, ORDERED & ~untold_yet(ep));
		if (ret)
			return ret;
	}
	if (!entry && ep->tx.fin && !ep->tx.fin_sent) {
		memset(&msg, 0, sizeof(msg));
		msg.hdr.flags = WIRE_F_FIN;
		msg.hdr.pos = cpu_to_le64(ep->tx.sent);
		ret = memnet_transmit_message(ep, WIRE_DATA, &msg);
		if (ret)
			return ret;
		ep->tx.fin_sent = true;
	}
	if (((entry && !waits) || ep->tx.want) && ep->tx.asked != ep->tx.limit + 1) {
		memset(&msg, 0, sizeof(msg));
		msg.want.limit = cpu_to_le64(ep->tx.limit);
		ret = memnet_transmit_message(ep, WIRE_WANT_WINDOW, &msg);
		if (ret)
			return ret;
		ep->lc->moved.window_stalls++;
		ep->tx.asked = ep->tx.limit + 1;
	}
	if (entry || !ep->tx.close || ep->tx.close_sent)
		return 0;
	memset(&msg, 0, sizeof(msg));
	msg.hdr.flags = ep->tx.close_flags;
	msg.close.consumed = cpu_to_le64(ep->rx.copied + ep->rx.placed);
	msg.close.linger_ms = cpu_to_le32(ep->tx.linger_ms);
	ret = memnet_transmit_message(ep, WIRE_CLOSE, &msg);
	if (!ret)
		ep->tx.close_sent = true;
	return ret;
}

/*
 * As long as the node is not told of children that were collected they take the places of others:
 * of few places none, and of many some while half of all are free.
 */
static bool collected_untold(const struct memnet_endpoint *ep)
{
	u32 few = min(ep->listener.backlog / 32, 32U);

	return ep->listener.collected && ep->state == TCP_LISTEN &&
	       (ep->listener.collected > few ||
		ep->listener.queued >= ep->listener.backlog / 2);
}

/* What does not keep the stream's order. */
static int send_aside(struct memnet_endpoint *ep)
{
	struct wire_msg msg __uninitialized;
	int ret;

	/* Who asks for an option that was set is to see it. */
	ret = send_options(ep, ~ORDERED);
	if (ret)
		return ret;
	if (ep->request.skb) {
		ret = send_control(ep, ep->request.skb);
		if (ret)
			return ret;
		if (ep->request.answer)
			ep->request.answer->sent = ep->tx.sent;
		kfree_skb(ep->request.skb);
		ep->request.skb = NULL;
	}
	if (ep->rx.tell) {
		memset(&msg, 0, sizeof(msg));
		msg.window.limit = wire_word(ep->gen, ep->rx.limit);
		msg.window.consumed = wire_word(ep->gen, ep->rx.copied);
		ret = memnet_transmit_message(ep, WIRE_WINDOW, &msg);
		if (ret)
			return ret;
		ep->rx.tell = false;
		ep->rx.peer_wants = false;
		ep->rx.publish = false;
	}
	ret = memnet_recv_jobs_transmit(ep);
	if (ret)
		return ret;
	if (memnet_job_untold(ep, &msg) || record_untold(ep, &msg)) {
		ret = memnet_transmit_message(ep, WIRE_WANT_TAKEN, &msg);
		if (ret)
			return ret;
		ep->tx.tell = le64_to_cpu(msg.taken.pos);
	}
	if (collected_untold(ep)) {
		memset(&msg, 0, sizeof(msg));
		msg.accepted.count = cpu_to_le32(ep->listener.collected);
		ret = memnet_transmit_message(ep, WIRE_ACCEPTED, &msg);
		if (ret)
			return ret;
		ep->listener.collected = 0;
	}
	return 0;
}

/**
 * memnet_transmit_collected() - a listener's queue has changed
 * @ep: listener, locked
 * @n: children that were collected, 0 where one has come
 */
void memnet_transmit_collected(struct memnet_endpoint *ep, u32 n)
{
	lockdep_assert_held(&ep->lock);
	ep->listener.collected += n;
	if (collected_untold(ep))
		memnet_transmit(ep);
}

/**
 * memnet_transmit_add() - a message's turn comes after all that is queued
 * @ep: endpoint, locked
 * @skb: of memnet_transmit_control(); taken over
 */
void memnet_transmit_add(struct memnet_endpoint *ep, struct sk_buff *skb)
{
	lockdep_assert_held(&ep->lock);
	list_add_tail(&memnet_cb(skb)->entry.node, &ep->tx.queue);
	WRITE_ONCE(ep->tx.n_controls, ep->tx.n_controls + 1);
}

static bool replace(struct memnet_endpoint *ep, const struct wire_msg *msg)
{
	struct memnet_entry *entry;
	struct wire_msg *queued;
	bool found = false;

	lockdep_assert_held(&ep->lock);
	if (!ep->tx.n_controls)
		return false;
	list_for_each_entry(entry, &ep->tx.queue, node) {
		if (entry->kind != MEMNET_ENTRY_CONTROL)
			continue;
		queued = (struct wire_msg *)memnet_entry_skb(entry)->data;
		if (queued->hdr.opcode != WIRE_SETOPT ||
		    queued->setopt.level != msg->setopt.level ||
		    queued->setopt.name != msg->setopt.name)
			continue;
		memcpy(queued->setopt.value, msg->setopt.value, sizeof(queued->setopt.value));
		found = true;
	}
	return found;
}

/**
 * memnet_transmit_replace() - values of an option that wait in the queue give way to a new one
 * @ep: endpoint, not locked
 * @msg: SETOPT
 *
 * Return: whether there was one.
 */
bool memnet_transmit_replace(struct memnet_endpoint *ep, const struct wire_msg *msg)
{
	bool found;

	spin_lock_bh(&ep->lock);
	found = replace(ep, msg);
	spin_unlock_bh(&ep->lock);
	return found;
}

/**
 * memnet_transmit_option() - the node is to have an option's value as it is when its turn comes
 * @ep: connected endpoint, not locked
 * @i: as of memnet_option_message()
 * @msg: what that says now
 */
void memnet_transmit_option(struct memnet_endpoint *ep, int i, const struct wire_msg *msg)
{
	spin_lock_bh(&ep->lock);
	if (!ep->gone && ep->state != TCP_CLOSE) {
		/* One that was set before may come later. */
		if (!(BIT_ULL(i) & ORDERED))
			replace(ep, msg);
		ep->tx.options |= BIT_ULL(i);
		memnet_transmit(ep);
	}
	spin_unlock_bh(&ep->lock);
}

/**
 * memnet_transmit_nodelay() - TCP_NODELAY was set
 * @ep: connected endpoint, not locked; the socket has the value
 *
 * Return: whether the first payload will say so; if not, a message has to.
 */
bool memnet_transmit_nodelay(struct memnet_endpoint *ep)
{
	bool ret;

	spin_lock_bh(&ep->lock);
	ret = !ep->tx.sent && list_empty(&ep->tx.queue) && !ep->gone && ep->state != TCP_CLOSE;
	if (ret)
		ep->tx.options |= BIT_ULL(MEMNET_OPT_NODELAY);
	spin_unlock_bh(&ep->lock);
	return ret;
}

/**
 * memnet_transmit_push() - no more follows what announced it
 * @ep: endpoint, not locked, of a socket that is not corked
 */
void memnet_transmit_push(struct memnet_endpoint *ep)
{
	struct memnet_entry *last = NULL;

	spin_lock_bh(&ep->lock);
	if (!list_empty(&ep->tx.queue))
		last = list_last_entry(&ep->tx.queue, struct memnet_entry, node);
	if (last) {
		if (last->kind == MEMNET_ENTRY_DATA)
			last->more = false;
		memnet_transmit(ep);
	} else if (ep->tx.held && ep->connected && !ep->gone && ep->state != TCP_CLOSE) {
		/* Corked it is not, and told so the node's TCP pushes. */
		ep->tx.held = false;
		ep->tx.options |= BIT_ULL(MEMNET_OPT_CORK);
		memnet_transmit(ep);
	}
	spin_unlock_bh(&ep->lock);
}

/**
 * memnet_transmit() - send what can be sent
 * @ep: endpoint, locked; must have been opened
 *
 * What cannot be sent now is sent when the channel says so.
 */
void memnet_transmit(struct memnet_endpoint *ep)
{
	struct memnet_channel *ch;
	int ret;

	lockdep_assert_held(&ep->lock);
	if (!ep->lc || ep->tx.close_sent || ep->gone)
		return;
	ch = ep->lc->ch;
	memnet_tx_begin(ch);
	ret = send_aside(ep);
	if (!ret)
		ret = send_queue(ep);
	if (ret == -EAGAIN)
		ep->lc->moved.credit_stalls++;
	memnet_tx_commit(ch);
	if (!ret && ep->rx.publish) {
		ret = memnet_window_publish(ch, ep->index, ep->gen, ep->rx.limit, ep->rx.copied);
		if (!ret)
			ep->rx.publish = false;
	}
	if (ret && ret != -ENOTCONN && !ep->tx.waiting) {
		ep->tx.waiting = true;
		memnet_endpoint_get(ep);
		memnet_tx_wait(ch, &ep->waiter);
	}
}

static void resume(struct memnet_waiter *w)
{
	struct memnet_endpoint *ep = container_of(w, struct memnet_endpoint, waiter);

	spin_lock_bh(&ep->lock);
	ep->tx.waiting = false;
	memnet_transmit(ep);
	spin_unlock_bh(&ep->lock);
	memnet_endpoint_put(ep);
}

/**
 * memnet_transmit_init() - prepare an endpoint's outgoing side
 * @ep: endpoint
 */
void memnet_transmit_init(struct memnet_endpoint *ep)
{
	INIT_LIST_HEAD(&ep->tx.queue);
	INIT_LIST_HEAD(&ep->tx.jobs);
	INIT_LIST_HEAD(&ep->waiter.node);
	ep->waiter.resume = resume;
}

/**
 * memnet_transmit_reap() - free what has been sent
 * @ep: endpoint, not locked
 */
void memnet_transmit_reap(struct memnet_endpoint *ep)
{
	/* Once connected, an endpoint keeps its channel for life. */
	if (READ_ONCE(ep->connected))
		memnet_tx_reap(ep->lc->ch);
}

/**
 * memnet_transmit_look() - look for room: what has been sent, and what the node's TCP has taken
 * @ep: endpoint of a connection, not locked
 */
void memnet_transmit_look(struct memnet_endpoint *ep)
{
	memnet_transmit_reap(ep);
	spin_lock_bh(&ep->lock);
	if (ep->lc && !ep->gone && ep->state != TCP_CLOSE)
		memnet_transmit_refresh(ep);
	spin_unlock_bh(&ep->lock);
}

/**
 * memnet_transmit_release() - send nothing of what is queued
 * @ep: endpoint, locked
 * @drop: takes it, to be purged without the lock
 */
void memnet_transmit_release(struct memnet_endpoint *ep, struct list_head *drop)
{
	lockdep_assert_held(&ep->lock);
	list_splice_tail_init(&ep->tx.queue, drop);
	ep->tx.n_controls = 0;
	ep->tx.options = 0;
	ep->tx.cork_due = false;
	ep->tx.offset = 0;
	ep->tx.fin = false;
	ep->tx.urgent = 0;
	ep->tx.end = ep->tx.sent;
	if (ep->request.skb)
		list_add_tail(&memnet_cb(ep->request.skb)->entry.node, drop);
	ep->request.skb = NULL;
}

/**
 * memnet_transmit_purge() - free what will not be sent
 * @drop: list of entries
 */
void memnet_transmit_purge(struct list_head *drop)
{
	struct memnet_entry *entry, *next;

	list_for_each_entry_safe(entry, next, drop, node) {
		list_del(&entry->node);
		if (entry->kind == MEMNET_ENTRY_JOB)
			memnet_hold_put(&memnet_entry_job(entry)->hold);
		else
			kfree_skb(memnet_entry_skb(entry));
	}
}

/**
 * memnet_transmit_want() - somebody is about to wait for room
 * @ep: endpoint, not locked
 *
 * Makes sure that a completion or a WINDOW will come. The caller has set SOCK_NOSPACE and tests
 * again afterwards.
 */
void memnet_transmit_want(struct memnet_endpoint *ep)
{
	struct memnet_channel *ch = NULL;

	spin_lock_bh(&ep->lock);
	if (ep->lc && ep->sk && !ep->gone && ep->connected && ep->state != TCP_CLOSE) {
		memnet_transmit_refresh(ep);
		/* The room may be taken by what waits for more. */
		if (ep->tx.patient)
			memnet_transmit(ep);
		/* There may be some already, of what was not looked at. */
		if (memnet_sndbuf_writable(ep, ep->sk))
			goto out;
		if (ep->tx.end - ep->tx.consumed >= memnet_sndbuf_untaken_max(ep->sk)) {
			ep->tx.want = true;
			memnet_transmit(ep);
		}
		ch = ep->lc->ch;
	}
out:
	spin_unlock_bh(&ep->lock);
	if (ch)
		memnet_tx_flush(ch);
}
