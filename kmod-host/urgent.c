// SPDX-License-Identifier: GPL-2.0
/*
 * Urgent data, as TCP has it: one byte of the stream, the mark, that stands out.
 *
 * The node passes the stream on with the mark in its place, and says before where it is and, when
 * that has come, what (URGENT); a newer one takes its place. Here the byte is left out for who
 * reads, unless SO_OOBINLINE is set; recv(MSG_OOB) has it, POLLPRI and SIGURG tell of it, and
 * recv() stops at it. What is received to registered memory has it in line, always.
 *
 * rx.urg holds what tcp_sock.urg_data does: TCP_URG_NOTYET, TCP_URG_VALID with the byte, or
 * TCP_URG_READ; 0 when there is none, or it was read past. rx.urg_pos is its place, counted as on
 * the wire. Both are written under the endpoint's lock; they are set before the byte can be read.
 * Valid it is when it has come with the stream, too, as with TCP (rx.urg_due: it is to), unless
 * there is no room for what is before it.
 *
 * A byte that was the mark when a reader stood at it and a newer one came is left out as well, as
 * tcp_check_urg() does: rx.urg_old.
 */
#include <net/tcp.h>

#include "memnet.h"

static u64 read_so_far(const struct memnet_endpoint *ep)
{
	return ep->rx.copied + ep->rx.placed;
}

static void is_valid(struct memnet_endpoint *ep)
{
	WRITE_ONCE(ep->rx.urg, TCP_URG_VALID | ep->rx.urg_byte);
	memnet_endpoint_wake(ep, MEMNET_WAKE_READ);
}

/**
 * memnet_urgent_come() - URGENT came
 * @ep: endpoint, locked
 * @msg: the message
 *
 * Return: 0 or -EPROTO: it comes before what it is about, and goes only forward.
 */
int memnet_urgent_come(struct memnet_endpoint *ep, const struct wire_msg *msg)
{
	u64 pos = le64_to_cpu(msg->hdr.pos);
	struct sock *sk = ep->sk;

	lockdep_assert_held(&ep->lock);
	if (!ep->connected || ep->rx.fin || pos < ep->rx.received + ep->rx.placed ||
	    pos - (ep->rx.received + ep->rx.placed) > S32_MAX)	/* TCP's numbers end there */
		return -EPROTO;
	if (ep->rx.urg && (pos < ep->rx.urg_pos ||
			   (pos == ep->rx.urg_pos &&
			    (ep->rx.urg != TCP_URG_NOTYET || ep->rx.urg_due))))
		return -EPROTO;
	if (!ep->rx.urg || pos != ep->rx.urg_pos) {
		if (sk)
			sk_send_sigurg(sk);
		if (ep->rx.urg && ep->rx.urg_pos == read_so_far(ep) &&
		    ep->rx.received > ep->rx.copied)
			ep->rx.urg_old = ep->rx.urg_pos + 1;
	}
	WRITE_ONCE(ep->rx.urg_pos, pos);
	WRITE_ONCE(ep->rx.urg, TCP_URG_NOTYET);
	ep->rx.urg_byte = msg->urgent.byte;
	ep->rx.urg_due = msg->urgent.valid && pos - ep->rx.placed < ep->rx.limit;
	if (msg->urgent.valid && !ep->rx.urg_due)
		is_valid(ep);
	return 0;
}

/**
 * __memnet_urgent_arrive() - the urgent byte may have come with the stream
 * @ep: endpoint, locked; it is due
 */
void __memnet_urgent_arrive(struct memnet_endpoint *ep)
{
	lockdep_assert_held(&ep->lock);
	if (ep->rx.received + ep->rx.placed <= ep->rx.urg_pos)
		return;
	ep->rx.urg_due = false;
	is_valid(ep);
}

/**
 * __memnet_urgent_pass() - what has been read may be past the mark
 * @ep: endpoint, locked, with a mark
 */
void __memnet_urgent_pass(struct memnet_endpoint *ep)
{
	lockdep_assert_held(&ep->lock);
	if (read_so_far(ep) > ep->rx.urg_pos)
		WRITE_ONCE(ep->rx.urg, 0);
	if (read_so_far(ep) >= ep->rx.urg_old)
		ep->rx.urg_old = 0;
}

/**
 * memnet_urgent_ahead() - how far it is to the mark
 * @ep: endpoint, locked, or its socket is and a moment ago will do
 * @from: where reading is, counted from what is unread
 *
 * Return: bytes before the mark, 0 at it, U32_MAX where there is none ahead.
 */
u32 memnet_urgent_ahead(const struct memnet_endpoint *ep, u32 from)
{
	u64 pos = READ_ONCE(ep->rx.urg_pos), at = read_so_far(ep) + from;

	if (!READ_ONCE(ep->rx.urg) || pos < at)
		return U32_MAX;
	return min_t(u64, pos - at, U32_MAX);
}

/**
 * memnet_urgent_skips() - is the next byte one that is left out
 * @sk: socket, locked
 * @ep: its endpoint
 * @from: where reading is, counted from what is unread
 */
bool memnet_urgent_skips(struct sock *sk, struct memnet_endpoint *ep, u32 from)
{
	bool skips;

	if (sock_flag(sk, SOCK_URGINLINE))
		return false;
	spin_lock_bh(&ep->lock);
	skips = ep->rx.received - ep->rx.copied > from &&
		(!memnet_urgent_ahead(ep, from) ||
		 ep->rx.urg_old == read_so_far(ep) + from + 1);
	spin_unlock_bh(&ep->lock);
	return skips;
}

/**
 * memnet_urgent_at_mark() - SIOCATMARK
 * @ep: endpoint or NULL
 */
bool memnet_urgent_at_mark(const struct memnet_endpoint *ep)
{
	return ep && !memnet_urgent_ahead(ep, 0);
}

/**
 * memnet_urgent_recv() - recv(MSG_OOB)
 * @sk: socket, locked
 * @msg: where to
 * @len: bytes there
 * @flags: MSG_PEEK, MSG_TRUNC
 *
 * Never waits. Return: as tcp_recv_urg().
 */
int memnet_urgent_recv(struct sock *sk, struct msghdr *msg, size_t len, int flags)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	u16 state;
	char c;

	if (sk->sk_state == TCP_LISTEN)
		return -ENOTCONN;
	if (!ep || sock_flag(sk, SOCK_URGINLINE))
		return -EINVAL;
	spin_lock_bh(&ep->lock);
	state = ep->rx.urg;
	if (state & TCP_URG_VALID && !(flags & MSG_PEEK) &&
	    (sk->sk_state != TCP_CLOSE || ep->rx.ended))
		WRITE_ONCE(ep->rx.urg, TCP_URG_READ);
	spin_unlock_bh(&ep->lock);
	if (!state || state == TCP_URG_READ)
		return -EINVAL;
	if (sk->sk_state == TCP_CLOSE && !ep->rx.ended)
		return -ENOTCONN;
	if (!(state & TCP_URG_VALID))
		return sk->sk_state == TCP_CLOSE || sk->sk_shutdown & RCV_SHUTDOWN ? 0 : -EAGAIN;
	c = state;
	msg->msg_flags |= MSG_OOB;
	if (!len) {
		msg->msg_flags |= MSG_TRUNC;
		return 0;
	}
	if (!(flags & MSG_TRUNC) && memcpy_to_msg(msg, &c, 1))
		return -EFAULT;
	return 1;
}
