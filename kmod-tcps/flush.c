// SPDX-License-Identifier: GPL-2.0
/*
 * Messages an endpoint owes its host.
 *
 * Everything an endpoint has to say is a bit of ep->owed with its values in the endpoint, or
 * payload on rx.pending, until it is posted; so nothing is allocated for a message and a refused
 * one is simply owed further. tcps_endpoint_flush() sends all of it in one batch and in the order
 * the protocol asks for: NEW_CONNECTION first, answers before the payload they allow, CLOSED
 * last. Refused for credits, room or memory, the endpoint is stalled and comes again.
 *
 * Runs in the channel's worker. Locks: the channel's tx.lock.
 */
#include <net/tcp.h>

#include "tcps.h"

static void make(struct tcps_endpoint *ep, struct wire_msg *msg, enum wire_opcode opcode)
{
	wire_init(msg, opcode, ep->index, ep->gen);
}

static void make_answer(struct tcps_endpoint *ep, struct wire_msg *msg,
			const struct tcps_answer *answer)
{
	make(ep, msg, WIRE_REPLY);
	msg->hdr.seq = cpu_to_le16(answer->seq);
	msg->reply.error = cpu_to_le32(-answer->error);
	msg->reply.value = cpu_to_le64(answer->value);
	if (answer == &ep->connect || !answer->error)
		msg->reply.local = ep->local;
	if (answer->error)
		return;
	if (ep->state == TCPS_CONNECTED || ep->state == TCPS_DEAD)
		msg->reply.peer = ep->peer;
}

static void make_new_connection(struct tcps_endpoint *ep, struct wire_msg *msg)
{
	make(ep, msg, WIRE_NEW_CONNECTION);
	msg->conn.listener = cpu_to_le32(ep->conn.listener);
	msg->conn.listener_gen = cpu_to_le16(ep->conn.listener_gen);
	msg->conn.listener_channel = cpu_to_le16(ep->conn.listener_channel);
	msg->conn.local = ep->local;
	msg->conn.peer = ep->peer;
}

static void make_window(struct tcps_endpoint *ep, struct wire_msg *msg)
{
	make(ep, msg, WIRE_WINDOW);
	msg->window.limit = wire_word(ep->gen, ep->in.limit);
	msg->window.consumed = wire_word(ep->gen, ep->tx.taken);
}

/* In a batch. */
static int send(struct tcps_endpoint *ep, struct wire_msg *msg, struct sk_buff *skb, u32 offset,
		u32 len, u32 owed)
{
	int ret = memnet_tx_queue(ep->tc->ch, msg, skb, offset, len, 0);

	if (ret)
		return ret;
	ep->owed &= ~owed;
	ep->tc->tx_messages++;
	ep->tc->tx_bytes += len;
	return 0;
}

static int send_payload(struct tcps_endpoint *ep, struct sk_buff *skb, const struct tcps_cb *cb,
			u32 len, bool fin)
{
	struct wire_msg msg;

	make(ep, &msg, WIRE_DATA);
	msg.hdr.pos = cpu_to_le64(ep->rx.pos);
	msg.hdr.flags = fin ? WIRE_F_FIN : 0;
	msg.data.record = cb->record;
	if (cb->record && (cb->more || len < cb->len))
		msg.hdr.flags |= WIRE_F_MORE;
	return send(ep, &msg, skb, cb->offset, len, fin ? TCPS_OWE_FIN : 0);
}

static int place(struct tcps_endpoint *ep, struct sk_buff *skb, const struct tcps_cb *cb, u32 len)
{
	int ret = memnet_tx_queue_place(ep->tc->ch, skb, cb->offset, len, cb->addr, cb->key);

	if (!ret)
		ep->tc->tx_bytes += len;
	return ret;
}

/*
 * Payload, what is to be known of jobs behind it, and the end of the stream with the last of it
 * or alone.
 */
static int send_data(struct tcps_endpoint *ep)
{
	struct memnet_channel *ch = ep->tc->ch;
	struct wire_msg msg;
	struct sk_buff *skb;
	int ret;

	while ((skb = skb_peek(&ep->rx.pending))) {
		struct tcps_cb *cb = TCPS_CB(skb);
		u32 len = memnet_tx_fit(ch, skb, cb->offset, cb->len);
		bool last = len == cb->len;
		bool fin = last && skb_queue_len(&ep->rx.pending) == 1 && !cb->placed &&
			   ep->owed & TCPS_OWE_FIN;

		if (WARN_ON_ONCE(!len))
			return -EINVAL;
		if (last)
			__skb_unlink(skb, &ep->rx.pending);
		else
			skb_get(skb); /* our own clone: one reference for each message */
		if (cb->placed)
			ret = place(ep, skb, cb, len);
		else
			ret = send_payload(ep, skb, cb, len, fin);
		if (ret) {
			if (last)
				__skb_queue_head(&ep->rx.pending, skb);
			else
				refcount_dec(&skb->users);
			return ret;
		}
		ep->rx.pos += len;
		ep->tc->unsent -= len;
		ep->rx.fin |= fin;
		if (!last) {
			cb->offset += len;
			cb->addr += len;
			cb->len -= len;
		}
	}
	while ((skb = skb_peek(&ep->rx.over))) {
		tcps_recv_job_done(ep, skb, &msg);
		ret = send(ep, &msg, NULL, 0, 0, 0);
		if (ret)
			return ret;
		__skb_unlink(skb, &ep->rx.over);
		consume_skb(skb);
		tcps_kick(ep, TCPS_EV_DATA);
	}
	if (!(ep->owed & TCPS_OWE_FIN))
		return 0;
	make(ep, &msg, WIRE_DATA);
	msg.hdr.pos = cpu_to_le64(ep->rx.pos);
	msg.hdr.flags = WIRE_F_FIN;
	ret = send(ep, &msg, NULL, 0, 0, TCPS_OWE_FIN);
	if (!ret)
		ep->rx.fin = true;
	return ret;
}

static int send_reset(struct tcps_endpoint *ep)
{
	struct wire_msg msg;

	make(ep, &msg, WIRE_RESET);
	if (ep->rx.ended && !ep->rx.fin)
		msg.hdr.flags = WIRE_F_FIN;
	msg.reset.error = cpu_to_le32(ep->reset_error);
	msg.reset.end = cpu_to_le64(ep->rx.end);
	msg.reset.taken = cpu_to_le64(ep->tx.taken);
	return send(ep, &msg, NULL, 0, 0, TCPS_OWE_RESET);
}

/* In a batch: all but CLOSED. */
static int send_all(struct tcps_endpoint *ep)
{
	struct wire_msg msg;
	int ret = 0;

	if (ep->owed & TCPS_OWE_NEW_CONNECTION) {
		make_new_connection(ep, &msg);
		ret = send(ep, &msg, NULL, 0, 0, TCPS_OWE_NEW_CONNECTION);
	}
	if (!ret && ep->owed & TCPS_OWE_CONNECT_REPLY) {
		make_answer(ep, &msg, &ep->connect);
		ret = send(ep, &msg, NULL, 0, 0, TCPS_OWE_CONNECT_REPLY);
	}
	if (!ret && ep->owed & TCPS_OWE_REPLY) {
		struct sk_buff *skb = ep->answer.skb;

		make_answer(ep, &msg, &ep->answer);
		ret = send(ep, &msg, skb, 0, skb ? skb->len : 0, TCPS_OWE_REPLY);
		if (!ret)
			ep->answer.skb = NULL;
	}
	if (!ret && ep->owed & TCPS_OWE_URGENT) {
		make(ep, &msg, WIRE_URGENT);
		msg.hdr.pos = cpu_to_le64(ep->rx.urg_pos);
		msg.urgent.valid = !!(ep->rx.urg & TCP_URG_VALID);
		msg.urgent.byte = msg.urgent.valid ? ep->rx.urg : 0;
		ret = send(ep, &msg, NULL, 0, 0, TCPS_OWE_URGENT);
	}
	/* A reset does not wait for payload before it, but for the end of the stream or a job. */
	if (!ret && ep->owed & TCPS_OWE_RESET && !(ep->owed & TCPS_OWE_FIN) &&
	    skb_queue_empty(&ep->rx.over))
		ret = send_reset(ep);
	if (!ret)
		ret = send_data(ep);
	if (!ret && ep->owed & TCPS_OWE_RESET)
		ret = send_reset(ep);
	if (!ret && ep->owed & TCPS_OWE_FINISHED) {
		make(ep, &msg, WIRE_FINISHED);
		msg.finished.taken = cpu_to_le64(ep->tx.taken);
		ret = send(ep, &msg, NULL, 0, 0, TCPS_OWE_FINISHED);
	}
	if (!ret && ep->owed & TCPS_OWE_WANT) {
		make(ep, &msg, WIRE_WANT_WINDOW);
		msg.want.limit = cpu_to_le64(ep->rx.want);
		ret = send(ep, &msg, NULL, 0, 0, TCPS_OWE_WANT);
	}
	if (!ret && ep->owed & TCPS_OWE_WINDOW) {
		make_window(ep, &msg);
		ret = send(ep, &msg, NULL, 0, 0, TCPS_OWE_WINDOW);
	}
	return ret;
}

static int send_closed(struct tcps_endpoint *ep)
{
	struct wire_msg msg;
	int ret;

	/* The host may open an endpoint of its half again as soon as it gets this. */
	if (tcps_endpoint_is_hosts(ep))
		tcps_endpoint_hide(ep);
	make(ep, &msg, WIRE_CLOSED);
	msg.closed.error = cpu_to_le32(ep->closed_error);
	msg.closed.taken = cpu_to_le64(ep->tx.taken);
	ret = memnet_tx_send(ep->tc->ch, &msg);
	if (ret)
		return ret;
	ep->owed &= ~TCPS_OWE_CLOSED;
	ep->told = true;
	ep->tc->tx_messages++;
	/* Nobody but the channel knows it any more. */
	tcps_endpoint_hide(ep);
	if (ep->state == TCPS_CLOSED)
		tcps_endpoint_unlist(ep);
	else
		list_add_tail(&ep->orphan, &ep->tc->orphans);
	return 0;
}

/**
 * tcps_endpoint_flush() - send what is owed
 * @ep: endpoint; called in its channel's worker
 */
void tcps_endpoint_flush(struct tcps_endpoint *ep)
{
	struct tcps_channel *tc = ep->tc;
	bool answered;
	int ret = 0;

	if (!ep->owed && skb_queue_empty(&ep->rx.pending) && skb_queue_empty(&ep->rx.over))
		return;
	/* Not after CLOSED, when the place may be somebody else's. */
	if (ep->owed & TCPS_OWE_COUNT) {
		ret = memnet_window_count(tc->ch, ep->index, ep->gen, ep->tx.taken,
					  ep->in.counter_addr, ep->in.counter_key);
		if (!ret)
			ep->owed &= ~TCPS_OWE_COUNT;
	}
	if (ep->owed & TCPS_OWE_CLOSED) {
		ret = ret ?: send_closed(ep);
		if (ret)
			tcps_stall(ep, ret);
		return;
	}
	answered = ep->owed & (TCPS_OWE_REPLY | TCPS_OWE_CONNECT_REPLY);
	if (!ret && (ep->owed & ~TCPS_OWE_PUBLISH || !skb_queue_empty(&ep->rx.pending) ||
		     !skb_queue_empty(&ep->rx.over))) {
		memnet_tx_begin_bh(tc->ch);
		ret = send_all(ep);
		memnet_tx_commit_bh(tc->ch);
	}
	if (ep->owed & TCPS_OWE_PUBLISH) {
		int err = memnet_window_publish(tc->ch, ep->index, ep->gen, ep->in.limit,
						ep->tx.taken);

		if (!err)
			ep->owed &= ~TCPS_OWE_PUBLISH;
		ret = ret ?: err;
	}
	if (ret)
		tcps_stall(ep, ret);
	else if (answered && (!skb_queue_empty_lockless(&ep->in.control) ||
			      !skb_queue_empty(&ep->tx.sending)))
		tcps_kick(ep, TCPS_EV_HOST);
}
