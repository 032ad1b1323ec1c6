// SPDX-License-Identifier: GPL-2.0
/*
 * Messages that say something to the node, and requests that wait for what it answers.
 *
 * memnet_post() queues a message in stream order and returns at once. memnet_request() sends a
 * request and sleeps, killable, with the socket unlocked, until REPLY comes or the endpoint
 * dies. An endpoint has one request at a time, and CONNECT besides, which nobody waits for here and
 * which may take long; who was killed while waiting leaves it busy, and the next one waits for that
 * answer first. The answer is put where its asker is, since by the time that one looks another
 * thread's request may have been answered. RESET ends a request, whose answer may come yet. All
 * fields are under the endpoint's lock.
 */
#include "ktls.h"
#include "transmit.h"

/**
 * memnet_post_control() - say something that has no answer, in stream order
 * @ep: endpoint, not locked
 * @skb: of memnet_transmit_control(); taken over
 */
void memnet_post_control(struct memnet_endpoint *ep, struct sk_buff *skb)
{
	spin_lock_bh(&ep->lock);
	if (!ep->lc || ep->gone) {
		spin_unlock_bh(&ep->lock);
		kfree_skb(skb);
		return;
	}
	memnet_transmit_add(ep, skb);
	memnet_transmit(ep);
	spin_unlock_bh(&ep->lock);
}

/**
 * memnet_post() - make a message and say it
 * @ep: endpoint, not locked
 * @msg: message
 * @gfp: how to allocate
 *
 * Return: 0 or -ENOMEM.
 */
int memnet_post(struct memnet_endpoint *ep, struct wire_msg *msg, gfp_t gfp)
{
	struct sk_buff *skb = memnet_transmit_control(ep, msg, gfp);

	if (!skb)
		return -ENOMEM;
	memnet_post_control(ep, skb);
	return 0;
}

static void wipe(struct sk_buff *skb)
{
	memzero_explicit(skb->data, skb->len);
}

/**
 * memnet_request_start() - send a request
 * @ep: endpoint, not locked
 * @msg: request
 * @ordered: in stream order, else at once
 * @answer: where the answer goes, or NULL, as always for CONNECT
 *
 * Return: 0; -EALREADY when another is outstanding; -ENETDOWN; -ENOMEM.
 */
int memnet_request_start(struct memnet_endpoint *ep, struct wire_msg *msg, bool ordered,
			 struct memnet_answer *answer)
{
	bool connect = msg->hdr.opcode == WIRE_CONNECT;
	struct sk_buff *skb;
	int ret = 0;

	skb = memnet_transmit_control(ep, msg, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	if (memnet_is_secret(msg))
		skb->destructor = wipe;
	spin_lock_bh(&ep->lock);
	if (connect ? ep->request.connecting : ep->request.busy) {
		ret = -EALREADY;
	} else if (!ep->lc || ep->gone || ep->dying) {
		ret = -ENETDOWN;
	} else {
		((struct wire_msg *)skb->data)->hdr.seq = cpu_to_le16(++ep->request.last);
		if (connect) {
			ep->request.connect_seq = ep->request.last;
			ep->request.connecting = true;
		} else {
			ep->request.seq = ep->request.last;
			WRITE_ONCE(ep->request.busy, true);
			ep->request.answer = answer;
			ep->request.room = msg->hdr.opcode == WIRE_GETOPT ?
						   le32_to_cpu(msg->getopt.room) : 0;
			memnet_ktls_begin(ep, (struct wire_msg *)skb->data);
		}
		if (ordered)
			memnet_transmit_add(ep, skb);
		else
			ep->request.skb = skb;
		memnet_transmit(ep);
		skb = NULL;
	}
	spin_unlock_bh(&ep->lock);
	kfree_skb(skb);
	return ret;
}

/* For who was told @ret by memnet_request_start(). */
static bool may_go_on(const struct memnet_endpoint *ep, const struct memnet_answer *answer, int ret)
{
	if (ret)
		return !READ_ONCE(ep->request.busy);
	return smp_load_acquire(&answer->done); /* pairs with finish() */
}

/* Nobody waits for it any more. */
static void forget(struct memnet_endpoint *ep, const struct memnet_answer *answer)
{
	spin_lock_bh(&ep->lock);
	if (ep->request.answer == answer)
		ep->request.answer = NULL;
	spin_unlock_bh(&ep->lock);
}

/**
 * memnet_request() - send a request and wait for its answer
 * @sk: socket, locked; unlocked while waiting
 * @ep: its endpoint
 * @msg: request
 * @ordered: in stream order, else at once
 * @answer: the answer, if 0 is returned
 *
 * Return: 0 or the node's negative errno; -ENETDOWN or -ECONNRESET without a link; -EINTR when
 * killed; -ECONNABORTED when the socket has another endpoint or none by then.
 */
int memnet_request(struct sock *sk, struct memnet_endpoint *ep, struct wire_msg *msg, bool ordered,
		   struct memnet_answer *answer)
{
	int ret;

	answer->done = false;
	memnet_endpoint_get(ep);
	do {
		ret = memnet_request_start(ep, msg, ordered, answer);
		if (ret && ret != -EALREADY)
			break;
		release_sock(sk);
		if (wait_event_killable(ep->request.wait, may_go_on(ep, answer, ret)))
			ret = -EINTR;
		lock_sock(sk);
	} while (ret == -EALREADY);
	if (ret == -EINTR)
		forget(ep, answer);
	if (!ret)
		ret = answer->error;
	/* Closed or disconnected meanwhile: the caller's endpoint is no longer the socket's. */
	if (!ret && memnet_sk(sk)->ep != ep)
		ret = -ECONNABORTED;
	memnet_endpoint_put(ep);
	return ret;
}

/* The end of connecting, good or bad. */
static void connected(struct memnet_endpoint *ep, const struct memnet_answer *answer)
{
	struct sock *sk = ep->sk;

	if (ep->state != TCP_SYN_SENT)
		return;
	if (answer->error) {
		memnet_endpoint_change_state(ep, TCP_CLOSE);
		if (sk) {
			/* As TCP's, which chose it before the attempt failed. */
			if (answer->local.port)
				inet_sk(sk)->inet_sport = answer->local.port;
			WRITE_ONCE(sk->sk_err, -answer->error);
			WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
		}
	} else {
		ep->connected = true;
		ep->local = answer->local;
		ep->peer = answer->peer;
		ep->tx.limit = WIRE_INITIAL_WINDOW;
		ep->rx.limit = WIRE_INITIAL_WINDOW;
		if (sk)
			memnet_set_names(sk, &ep->local, &ep->peer);
		memnet_endpoint_change_state(ep, TCP_ESTABLISHED);
		memnet_stat_inc(MEMNET_STAT_HOST_CONNECTS);
	}
	memnet_endpoint_wake(ep, MEMNET_WAKE_STATE | MEMNET_WAKE_WRITE |
					 (answer->error ? MEMNET_WAKE_ERROR : 0));
	if (sk && !answer->error)	/* as tcp_rcv_synsent_state_process() */
		sk_wake_async(sk, SOCK_WAKE_IO, POLL_OUT);
}

static void finish(struct memnet_endpoint *ep, const struct memnet_answer *answer)
{
	struct memnet_answer *to = ep->request.answer;

	ep->request.answer = NULL;
	if (unlikely(ep->request.ktls))
		memnet_ktls_answered(ep, answer->error);
	WRITE_ONCE(ep->request.busy, false);
	if (to) {
		to->error = answer->error;
		to->value = answer->value;
		to->len = answer->len;
		to->local = answer->local;
		to->peer = answer->peer;
		smp_store_release(&to->done, true); /* it may be gone from here on */
	}
	wake_up_all(&ep->request.wait);
}

/**
 * memnet_request_reply() - an answer came
 * @ep: endpoint, locked
 * @rx: REPLY
 *
 * Return: 0, or -EPROTO where it answers nothing or is more than was asked for.
 */
int memnet_request_reply(struct memnet_endpoint *ep, struct memnet_rx *rx)
{
	const struct wire_msg *msg = &rx->msg;
	struct memnet_answer answer = {
		.error = -memnet_errno(msg->reply.error),
		.value = le64_to_cpu(msg->reply.value),
		.len = rx->len,
		.local = msg->reply.local,
		.peer = msg->reply.peer,
	};
	u16 seq = le16_to_cpu(msg->hdr.seq);

	lockdep_assert_held(&ep->lock);
	if (ep->request.connecting && ep->request.connect_seq == seq && !rx->len) {
		ep->request.connecting = false;
		connected(ep, &answer);
		return 0;
	}
	/* RESET has overtaken it: for whoever asked there is none any more. */
	if (ep->request.late && ep->request.late_seq == seq) {
		ep->request.late = false;
		return 0;
	}
	if (!ep->request.busy || ep->request.seq != seq || rx->len > ep->request.room)
		return -EPROTO;
	/* Under the lock the asker does not go. */
	if (rx->len && ep->request.answer)
		memnet_rx_copy(rx, ep->request.answer->buffer);
	finish(ep, &answer);
	return 0;
}

/**
 * memnet_request_fail() - nobody waits for answers any more
 * @ep: endpoint, locked
 * @error: negative errno
 */
void memnet_request_fail(struct memnet_endpoint *ep, int error)
{
	struct memnet_answer answer = { .error = error };

	lockdep_assert_held(&ep->lock);
	if (ep->request.connecting) {
		ep->request.connecting = false;
		connected(ep, &answer);
	}
	if (ep->request.busy) {
		ep->request.late_seq = ep->request.seq;
		ep->request.late = true;
		finish(ep, &answer);
	}
}
