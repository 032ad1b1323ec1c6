// SPDX-License-Identifier: GPL-2.0
/*
 * Messages of the host, judged and queued.
 *
 * tcps_receive() runs in softirq, or in the channel's receive work when memory was short, one
 * message at a time. It finds the endpoint under RCU, checks what wire_check() could not (does
 * the endpoint exist, does the position follow, was so much granted), queues, and kicks the
 * endpoint. Nothing here touches a native socket. -EPROTO ends the session; -ENOMEM, always
 * before any effect, has the message come again.
 *
 * Payload and the options whose place in the stream matters go to in.queue, those that are to be
 * answered only while there is a stream; other requests to
 * in.control, which TCP's back-pressure does not hold up; what concerns windows, quotas and CLOSE
 * is noted at once. What an endpoint can have us hold is bounded: payload by the limit it was
 * granted; requests by MAX_REQUESTS, since a correct host has one outstanding beside CONNECT;
 * unanswered options among them by their number, for a new value replaces the one that waits unless
 * a request stands between the two; options on in.queue by MAX_MARKERS, after which, or while
 * memory is short, only the last value is kept, to be set when the queue is empty.
 *
 * That is still a lot for a host with all its endpoints: every message that waits is charged to its
 * session, from make_marker() until the buffer is freed, and a session with more of them than fit
 * into the pages it may hold is ended.
 *
 * Locks: endpoint.lock.
 */
#include <linux/tcp.h>

#include "tcps.h"

#define LATE_NODELAY BIT(0) /* in.late */
#define LATE_CORK BIT(1)
#define MAX_REQUESTS 8
#define MAX_MARKERS 64
#define FEW_MESSAGES 16384 /* of a session, whatever its pages */

/* Counts pages held, or no longer held where negative; endpoint.lock is held. */
static void hold_pages(struct tcps_endpoint *ep, int pages)
{
	memnet_stat_add(MEMNET_STAT_PAGES_HELD, pages);
	atomic_long_add(pages, &tcps_pages);
	atomic_long_add(pages, &ep->tc->session->pages);
	WRITE_ONCE(ep->in.pages, ep->in.pages + pages);
}

/**
 * tcps_skb_free() - free a buffer that was on in.queue or in.control
 * @ep: its endpoint
 * @skb: the buffer
 */
void tcps_skb_free(struct tcps_endpoint *ep, struct sk_buff *skb)
{
	int pages = skb_shinfo(skb)->nr_frags;

	if (pages) {
		spin_lock_bh(&ep->lock);
		hold_pages(ep, -pages);
		spin_unlock_bh(&ep->lock);
	}
	memnet_pages_recycle(ep->tc->ch, skb);
}

/* A correct host says it once. */
static int receive_counter(struct tcps_endpoint *ep, const struct wire_data *data)
{
	if (ep->in.counter_key)
		return -EPROTO;
	ep->in.counter_addr = le64_to_cpu(data->addr);
	ep->in.counter_key = le32_to_cpu(data->key);
	return 0;
}

static int receive_data(struct tcps_endpoint *ep, struct memnet_rx *rx)
{
	u64 pos = le64_to_cpu(rx->msg.hdr.pos);
	unsigned int copied, pages;
	struct tcps_cb *cb;

	if (!ep->in.open || ep->in.fin || pos != ep->in.pos || rx->len > ep->in.limit - pos ||
	    (!rx->len && !(rx->msg.hdr.flags & WIRE_F_FIN)) || (rx->len && ep->in.record))
		return -EPROTO;
	if (rx->msg.data.key && receive_counter(ep, &rx->msg.data))
		return -EPROTO;
	if (unlikely(rx->msg.data.record) && !ep->in.dead) {
		ep->in.record_at = pos;
		ep->in.record_end = pos + rx->len;
		WRITE_ONCE(ep->in.record, rx->msg.data.record);
	}
	ep->in.pos += rx->len;
	ep->in.fin = rx->msg.hdr.flags & WIRE_F_FIN;
	if (rx->msg.hdr.flags & WIRE_F_TELL)
		ep->in.tell = ep->in.pos;
	if (rx->msg.hdr.flags & WIRE_F_COUNT)
		ep->in.count = ep->in.pos;
	if (rx->msg.hdr.flags & WIRE_F_URGENT)
		ep->in.urgent = ep->in.pos;
	if (ep->in.dead || !rx->len)
		return 0;
	pages = memnet_rx_enqueue(rx, &ep->in.queue, &copied);
	if (pages) {
		memset(TCPS_CB(skb_peek_tail(&ep->in.queue)), 0, sizeof(struct tcps_cb));
		hold_pages(ep, pages);
	}
	cb = TCPS_CB(skb_peek_tail(&ep->in.queue));
	cb->more = rx->msg.hdr.flags & WIRE_F_MORE;
	if (rx->msg.data.nodelay) {
		/* What waits before it in its buffer is only sent the sooner. */
		cb->nodelay = true;
		ep->in.late &= ~LATE_NODELAY;
	}
	return 0;
}

static bool is_same_option(const struct wire_msg *a, const struct wire_msg *b)
{
	return a->hdr.opcode == WIRE_SETOPT && !(a->hdr.flags & WIRE_F_REPLY) &&
	       a->setopt.level == b->setopt.level && a->setopt.name == b->setopt.name;
}

/* A new value replaces the one that waits, unless a request stands between them. */
static bool replace_option(struct tcps_endpoint *ep, const struct wire_msg *msg)
{
	struct sk_buff *skb;

	skb_queue_reverse_walk(&ep->in.control, skb)
	{
		struct wire_msg *queued = (struct wire_msg *)skb->data;

		if (is_same_option(queued, msg)) {
			*queued = *msg;
			return true;
		}
		if (queued->hdr.opcode != WIRE_SETOPT || queued->hdr.flags & WIRE_F_REPLY)
			return false;
	}
	return false;
}

static bool is_ktls(const struct wire_msg *msg)
{
	return msg->hdr.opcode == WIRE_SETOPT &&
	       tcps_is_ktls(le32_to_cpu(msg->setopt.level), le32_to_cpu(msg->setopt.name));
}

/*
 * An option whose place in the stream matters; takes @marker over and sets it to NULL, or does
 * without.
 */
static void receive_ordered(struct tcps_endpoint *ep, const struct wire_msg *msg,
			    struct sk_buff **marker)
{
	bool cork = le32_to_cpu(msg->setopt.name) == TCP_CORK;
	u8 late = cork ? LATE_CORK : LATE_NODELAY;
	__le32 value;

	if (ep->in.dead)
		return;
	if (ep->in.markers >= MAX_MARKERS || ep->in.late & late ||
	    tcps_under_pressure(ep->tc->session)) {
		memcpy(&value, msg->setopt.value, sizeof(value));
		ep->in.late_value[cork] = le32_to_cpu(value);
		ep->in.late |= late;
		return;
	}
	ep->in.markers++;
	__skb_queue_tail(&ep->in.queue, *marker);
	*marker = NULL;
}

static int receive_request(struct tcps_endpoint *ep, const struct wire_msg *msg,
			   struct sk_buff **marker, bool ordered)
{
	bool answered = msg->hdr.opcode != WIRE_SETOPT || msg->hdr.flags & WIRE_F_REPLY;
	bool in_stream = is_ktls(msg) && ordered && ep->in.open && !ep->in.dead;

	if (ordered && !answered) {
		receive_ordered(ep, msg, marker);
		return 0;
	}
	if (!answered && replace_option(ep, msg))
		return 0;
	if (answered) {
		if (ep->in.requests >= MAX_REQUESTS)
			return -EPROTO;
		ep->in.requests++;
	}
	if (in_stream)
		ep->in.markers++;
	__skb_queue_tail(in_stream ? &ep->in.queue : &ep->in.control, *marker);
	*marker = NULL;
	return 0;
}

static int receive_accepted(struct tcps_endpoint *ep, const struct wire_msg *msg)
{
	u32 count = le32_to_cpu(msg->accepted.count);

	if (count > ep->listen.children)
		return -EPROTO;
	ep->listen.children -= count;
	return 0;
}

static void receive_window(struct tcps_endpoint *ep, const struct wire_window *window)
{
	ep->rx.limit = wire_word_advance(window->limit, ep->gen, ep->rx.limit);
	ep->rx.consumed = wire_word_advance(window->consumed, ep->gen, ep->rx.consumed);
}

/* One that has not been answered is not forgotten for another: the host asks again if need be. */
static void receive_want(struct tcps_endpoint *ep, const struct wire_msg *msg)
{
	u64 limit = le64_to_cpu(msg->want.limit);

	ep->in.want = ep->in.wanted ? min(ep->in.want, limit) : limit;
	ep->in.wanted = !ep->in.dead;
	ep->in.grow = limit >= ep->in.limit;
}

static int receive_want_taken(struct tcps_endpoint *ep, const struct wire_msg *msg)
{
	u64 pos = le64_to_cpu(msg->taken.pos);

	if (!ep->in.open || pos > ep->in.pos)
		return -EPROTO;
	ep->in.tell = pos;
	return 0;
}

static void receive_close(struct tcps_endpoint *ep, const struct wire_msg *msg)
{
	ep->in.close_flags = msg->hdr.flags;
	ep->in.linger_ms = le32_to_cpu(msg->close.linger_ms);
	ep->in.consumed = le64_to_cpu(msg->close.consumed);
	WRITE_ONCE(ep->in.closed, true);
}

/* With endpoint.lock held. */
static int receive_locked(struct tcps_endpoint *ep, struct memnet_rx *rx, struct sk_buff **marker,
			  bool ordered)
{
	if (ep->in.closed)
		return -EPROTO;
	switch (rx->msg.hdr.opcode) {
	case WIRE_DATA:
		return receive_data(ep, rx);
	case WIRE_QUERY:
		TCPS_CB(*marker)->addr = ep->in.pos;
		fallthrough;
	case WIRE_BIND:
	case WIRE_LISTEN:
	case WIRE_CONNECT:
	case WIRE_SETOPT:
	case WIRE_GETOPT:
		return receive_request(ep, &rx->msg, marker, ordered);
	case WIRE_ACCEPTED:
		return receive_accepted(ep, &rx->msg);
	case WIRE_WINDOW:
		receive_window(ep, &rx->msg.window);
		return 0;
	case WIRE_WANT_WINDOW:
		receive_want(ep, &rx->msg);
		return 0;
	case WIRE_RECV_JOB:
		return tcps_recv_job_add(ep, marker);
	case WIRE_RECV_CANCEL:
		tcps_recv_job_cancel(ep, rx->msg.cancel.id);
		return 0;
	case WIRE_WANT_TAKEN:
		return receive_want_taken(ep, &rx->msg);
	case WIRE_CLOSE:
		receive_close(ep, &rx->msg);
		return 0;
	default:
		return -EPROTO;
	}
}

static void marker_freed(struct sk_buff *skb)
{
	struct tcps_session *s = skb_shinfo(skb)->destructor_arg;

	if (memnet_is_secret((const struct wire_msg *)skb->data))
		memzero_explicit(skb->data, skb->len);
	atomic_dec(&s->messages);
	atomic_long_dec(&tcps_messages);
}

/* A copy of a message that has to wait, charged to the session until it is freed. */
static struct sk_buff *make_marker(struct tcps_session *s, const struct wire_msg *msg, gfp_t gfp)
{
	struct sk_buff *skb = alloc_skb(sizeof(*msg), gfp | __GFP_NOWARN);

	if (!skb)
		return NULL;
	skb_put_data(skb, msg, sizeof(*msg));
	memset(TCPS_CB(skb), 0, sizeof(struct tcps_cb));
	TCPS_CB(skb)->marker = true;
	atomic_inc(&s->messages);
	atomic_long_inc(&tcps_messages);
	skb_shinfo(skb)->destructor_arg = s;
	skb->destructor = marker_freed;
	return skb;
}

/* No host that grants credits and waits for answers has so many messages waiting. */
static bool is_hoarding(const struct tcps_session *s)
{
	unsigned long messages = atomic_read(&s->messages);

	if (messages < FEW_MESSAGES)
		return false;
	return messages / TCPS_MESSAGES_PER_PAGE > s->listener->cfg.max_pages ||
	       (unsigned long)atomic_long_read(&tcps_messages) / TCPS_MESSAGES_PER_PAGE >
		       READ_ONCE(tcps_max_pages);
}

/**
 * tcps_receive() - a message about an endpoint
 * @ch: channel
 * @rx: the message, checked by itself
 * @gfp: how to allocate
 *
 * Return: see &struct memnet_channel_ops.
 */
int tcps_receive(struct memnet_channel *ch, struct memnet_rx *rx, gfp_t gfp)
{
	struct tcps_channel *tc = ch->owner;
	const struct wire_msg *msg = &rx->msg;
	struct sk_buff *marker = NULL;
	struct tcps_endpoint *ep;
	bool ordered = false;
	int ret;

	tc->rx_messages++;
	switch (msg->hdr.opcode) {
	case WIRE_OPEN:
		return tcps_endpoint_open(tc, msg, gfp);
	case WIRE_SETOPT:
		ret = tcps_policy_option(le32_to_cpu(msg->setopt.level),
					 le32_to_cpu(msg->setopt.name),
					 le32_to_cpu(msg->setopt.len), &ordered);
		if ((ret || is_ktls(msg)) && !(msg->hdr.flags & WIRE_F_REPLY))
			return 0;
		fallthrough;
	case WIRE_BIND:
	case WIRE_LISTEN:
	case WIRE_CONNECT:
	case WIRE_QUERY:
	case WIRE_GETOPT:
	case WIRE_RECV_JOB:
		if (is_hoarding(tc->session)) {
			tcps_session_end(tc->session, WIRE_REASON_LOAD);
			return 0;
		}
		marker = make_marker(tc->session, msg, gfp);
		if (!marker)
			return -ENOMEM;
		break;
	default:
		break;
	}

	rcu_read_lock();
	ep = memnet_table_load(&tc->endpoints, le32_to_cpu(msg->hdr.index));
	if (!ep) {
		ret = -EPROTO;
	} else if (ep->gen != le16_to_cpu(msg->hdr.gen)) {
		memnet_stat_inc(MEMNET_STAT_STALE);
		ret = 0;
	} else {
		spin_lock_bh(&ep->lock);
		ret = receive_locked(ep, rx, &marker, ordered);
		/* With in.closed it may go at any moment after the lock, so kick before. */
		if (!ret)
			tcps_kick(ep, TCPS_EV_HOST);
		spin_unlock_bh(&ep->lock);
	}
	rcu_read_unlock();
	if (marker)
		kfree_skb(marker);
	tc->rx_bytes += rx->len;
	return ret;
}
