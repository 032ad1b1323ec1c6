// SPDX-License-Identifier: GPL-2.0
/*
 * Messages from the node.
 *
 * They come in softirq (or, when memory was short, from the channel's worker). They take the
 * endpoint's lock, never the socket's, so they do not care what a process is doing with it. A
 * message that cannot be is answered with -EPROTO, and the core ends the link; one for an
 * endpoint that is gone is counted and dropped.
 */
#include "ktls.h"
#include "memory.h"
#include "transmit.h"

/*
 * As tcp_fin() and tcp_data_ready(): who waits for more than has come, by SO_RCVLOWAT, is told when
 * that is there, or when no more of it can come.
 */
static void wake_reader(struct memnet_endpoint *ep, bool fin)
{
	struct sock *sk = ep->sk;

	if (!sk)
		return;
	if (fin) {
		memnet_endpoint_wake(ep, MEMNET_WAKE_STATE);
		sk_wake_async(sk, SOCK_WAKE_WAITD,
			      sk->sk_shutdown == SHUTDOWN_MASK ? POLL_HUP : POLL_IN);
	}
	if (fin || memnet_rcv_window_enough(ep, sk))
		memnet_endpoint_wake(ep, MEMNET_WAKE_READ);
}

static void hold(struct memnet_endpoint *ep, unsigned int bytes)
{
	ep->rx.memory += bytes;
	memnet_memory_hold(ep, bytes);
}

static int receive_data(struct memnet_endpoint *ep, struct memnet_rx *rx)
{
	bool fin = rx->msg.hdr.flags & WIRE_F_FIN;
	unsigned int copied, pages;

	if (!ep->connected || (!rx->len && !fin) || ep->rx.fin || (fin && ep->rx.ended))
		return -EPROTO;
	if (le64_to_cpu(rx->msg.hdr.pos) != ep->rx.received + ep->rx.placed ||
	    rx->len > ep->rx.limit - ep->rx.received)
		return -EPROTO;
	if (ep->rx.end && ep->rx.received + rx->len > ep->rx.end)
		return -EPROTO;
	if (unlikely(rx->msg.data.record || ep->rx.record) && rx->len && memnet_ktls_come(ep, rx))
		return -EPROTO;
	ep->rx.received += rx->len;
	if (ep->sk)
		sk_incoming_cpu_update(ep->sk);
	if (rx->len && !ep->tx.close) {
		pages = memnet_rx_enqueue(rx, &ep->rx.queue, &copied);
		ep->rx.pages += pages;
		if (!copied)
			hold(ep, skb_peek_tail(&ep->rx.queue)->truesize);
		memnet_stat_add(MEMNET_STAT_PAGES_HELD, pages);
	}
	memnet_urgent_arrive(ep);
	if (fin) {
		ep->rx.fin = true;
		ep->rx.ended = true;
		if (ep->sk)
			WRITE_ONCE(ep->sk->sk_shutdown, ep->sk->sk_shutdown | RCV_SHUTDOWN);
		memnet_endpoint_change_state(ep, ep->state == TCP_FIN_WAIT1 ? TCP_CLOSING :
									      TCP_CLOSE_WAIT);
	}
	if (!list_empty(&ep->rx.jobs)) {
		memnet_recv_jobs_run(ep);
		memnet_transmit(ep);
		if (!fin && ep->state != TCP_CLOSE && skb_queue_empty(&ep->rx.queue))
			return 0;	/* nothing for who reads */
	}
	wake_reader(ep, fin);
	return 0;
}

/* The last word on what TCP took of what we sent; false if that cannot be. */
static bool node_took(struct memnet_endpoint *ep, __le64 taken)
{
	u64 pos = le64_to_cpu(taken);

	if (pos > ep->tx.sent)
		return false;
	ep->tx.consumed = max(ep->tx.consumed, pos);
	memnet_jobs_taken(ep);
	return true;
}

/* The end, which RESET has left open. */
static int receive_end(struct memnet_endpoint *ep, const struct wire_msg *msg, u64 end)
{
	if (end == WIRE_END_LATER)
		return -EPROTO;
	ep->rx.end = end - ep->rx.placed;
	if (msg->hdr.flags & WIRE_F_FIN)
		ep->rx.ended = true;
	memnet_endpoint_wake(ep, MEMNET_WAKE_READ);
	return 0;
}

static int receive_reset(struct memnet_endpoint *ep, const struct wire_msg *msg,
			 struct list_head *drop)
{
	u64 end = le64_to_cpu(msg->reset.end);

	if (!ep->connected || end < ep->rx.received + ep->rx.placed)
		return -EPROTO;
	if (unlikely(ep->rx.end == WIRE_END_LATER))
		return receive_end(ep, msg, end);
	if (ep->rx.end || !node_took(ep, msg->reset.taken) ||
	    (end == WIRE_END_LATER && !(ep->ktls & MEMNET_KTLS_RX)))
		return -EPROTO;
	/*
	 * Zero means "no reset" in rx.end: a stream that ends before its first byte has nothing
	 * to wait for.
	 */
	ep->rx.end = end == WIRE_END_LATER ? end : end - ep->rx.placed;
	if (msg->hdr.flags & WIRE_F_FIN)
		ep->rx.ended = true;
	memnet_recv_jobs_forgotten(ep);
	memnet_endpoint_dead(ep, memnet_errno(msg->reset.error), drop);
	/* Of a socket that was closed before, CLOSE may have waited behind what is dropped now. */
	memnet_transmit(ep);
	return 0;
}

/* Both ends have closed, and each has what the other sent: TCP has nothing more to do. */
static int receive_finished(struct memnet_endpoint *ep, const struct wire_msg *msg)
{
	u64 taken = le64_to_cpu(msg->finished.taken);

	if (!ep->rx.fin || !ep->tx.fin_sent || taken != ep->tx.sent ||
	    !memnet_endpoint_change_state(ep, TCP_CLOSE))
		return -EPROTO;
	node_took(ep, msg->finished.taken);
	memnet_endpoint_wake(ep, MEMNET_WAKE_STATE);
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
	memnet_jobs_taken(ep);
	/* Who sleeps for room and has not got enough is to be told again. */
	if (!ep->sk || memnet_sndbuf_writable(ep, ep->sk))
		ep->tx.want = false;
	memnet_transmit(ep);
	memnet_endpoint_wake(ep, MEMNET_WAKE_WRITE);
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
		ret = memnet_table_insert(&lc->endpoints, index, ep);
		if (ret)
			module_put(THIS_MODULE);
	}
	if (ret) {
		refcount_dec(&ep->refs);
		memnet_endpoint_put(ep);
		return -EPROTO;
	}

	listening = memnet_link_channel(lc->link, le16_to_cpu(msg->conn.listener_channel));
	rcu_read_lock();
	if (listening && listener_index < listening->ch->cfg.slots / 2)
		listener = memnet_table_load(&listening->endpoints, listener_index);
	if (listener && listener->gen == le16_to_cpu(msg->conn.listener_gen)) {
		spin_lock_bh(&listener->lock);
		if (listener->state != TCP_LISTEN || listener->gone || listener->lc != listening) {
			/* what the node thinks of its queue does not matter any more */
		} else if (listener->listener.queued < max(listener->listener.backlog, 1U)) {
			refcount_inc(&ep->refs);
			memnet_inherit(ep, listener);
			list_add_tail(&ep->node, &listener->listener.queue);
			WRITE_ONCE(listener->listener.queued, listener->listener.queued + 1);
			memnet_endpoint_wake(listener, MEMNET_WAKE_READ);
			memnet_transmit_collected(listener, 0);
			queued = true;
		} else {
			/* On its way when listen() lowered the backlog: nobody will collect it. */
			memnet_transmit_collected(listener, 1);
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
	ep = memnet_table_load(&lc->endpoints, index);
	if (ep && !refcount_inc_not_zero(&ep->refs))
		ep = NULL;
	rcu_read_unlock();
	return ep;
}

/* What tells of the stream, to whom still has one. */
static bool of_stream(u8 opcode)
{
	return opcode == WIRE_DATA || opcode == WIRE_RESET || opcode == WIRE_FINISHED ||
	       opcode == WIRE_URGENT || opcode == WIRE_RECV_DONE;
}

static int host_receive(struct memnet_channel *ch, struct memnet_rx *rx, gfp_t gfp)
{
	struct link_channel *lc = ch->owner;
	const struct wire_msg *msg = &rx->msg;
	struct memnet_endpoint *ep;
	struct list_head drop;
	bool closed = false;
	int ret;

	WRITE_ONCE(lc->moved.rx_messages, lc->moved.rx_messages + 1);
	WRITE_ONCE(lc->moved.rx_bytes, lc->moved.rx_bytes + rx->len);
	if (msg->hdr.opcode == WIRE_NEW_CONNECTION)
		return receive_new_connection(lc, msg, gfp);
	ep = lookup(lc, le32_to_cpu(msg->hdr.index));
	if (!ep || ep->gen != le16_to_cpu(msg->hdr.gen)) {
		memnet_stat_inc(MEMNET_STAT_STALE);
		if (ep)
			memnet_endpoint_put(ep);
		return 0;
	}
	INIT_LIST_HEAD(&drop);
	spin_lock_bh(&ep->lock);
	/* The first two while we looked. */
	if (ep->dying || ep->gone || (ep->aborted && of_stream(msg->hdr.opcode))) {
		spin_unlock_bh(&ep->lock);
		memnet_endpoint_put(ep);
		return 0;
	}
	switch (msg->hdr.opcode) {
	case WIRE_DATA:
		ret = receive_data(ep, rx);
		break;
	case WIRE_REPLY:
		ret = memnet_request_reply(ep, rx);
		break;
	case WIRE_RESET:
		ret = receive_reset(ep, msg, &drop);
		break;
	case WIRE_URGENT:
		ret = memnet_urgent_come(ep, msg);
		break;
	case WIRE_FINISHED:
		ret = receive_finished(ep, msg);
		break;
	case WIRE_WINDOW:
		ret = receive_window(ep, msg);
		break;
	case WIRE_RECV_DONE:
		ret = memnet_recv_job_done(ep, msg);
		if (!ret)
			WRITE_ONCE(lc->moved.rx_bytes,
				   lc->moved.rx_bytes + le32_to_cpu(msg->done.len));
		break;
	case WIRE_WANT_WINDOW:
		ret = memnet_rcv_window_wanted(ep, le64_to_cpu(msg->want.limit));
		break;
	case WIRE_CLOSED:
		closed = ep->tx.close_sent && node_took(ep, msg->closed.taken);
		ret = closed ? 0 : -EPROTO;
		if (closed) {
			ep->error = memnet_errno(msg->closed.error);
			memnet_endpoint_change_state(ep, TCP_CLOSE);
			memnet_recv_jobs_end(ep, ECANCELED);
			memnet_request_fail(ep, -ECONNRESET);
		}
		break;
	default:
		ret = -EPROTO;
	}
	spin_unlock_bh(&ep->lock);
	memnet_transmit_purge(&drop);
	if (ep->payer)
		memnet_memory_came(ep->payer);
	if (closed)
		memnet_endpoint_gone(ep);
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
	.sent		= memnet_sndbuf_sent,
};
