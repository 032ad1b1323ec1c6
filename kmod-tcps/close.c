// SPDX-License-Identifier: GPL-2.0
/*
 * CLOSE, and what follows until CLOSED.
 *
 * ABORT, and bytes the application did not read, reset the connection at once, as tcp_close()
 * does. Else what the host sent before is given to TCP in the background (CLOSING). Then, without
 * LINGER, TCP is left alone with the rest, which is what close() does, and CLOSED is owed. With
 * LINGER both directions are shut and CLOSED waits until the peer has acknowledged everything
 * (LINGERING).
 *
 * Both are bounded: an orphan by orphan_s, a lingering one by the host's time. Who is late is
 * reset, with ETIMEDOUT.
 *
 * Runs in the channel's worker; the timer only kicks.
 */
#include <net/tcp.h>

#include "tcps.h"

#define LINGER_MAX_MS (3600 * MSEC_PER_SEC)

static void finish(struct tcps_endpoint *ep, bool abort, int error)
{
	tcps_native_release(ep, abort);
	tcps_endpoint_purge(ep);
	__skb_queue_purge(&ep->rx.pending);
	ep->closed_error = error;
	ep->owed = TCPS_OWE_CLOSED;
	tcps_endpoint_change_state(ep, TCPS_CLOSED);
}

static u32 unread(struct tcps_endpoint *ep)
{
	struct sock *sk = ep->sock->sk;
	u32 bytes;

	lock_sock(sk);
	bytes = tcps_native_unread(sk);
	release_sock(sk);
	return bytes;
}

/**
 * tcps_close_begin() - CLOSE came
 * @ep: endpoint that is not closing yet
 */
void tcps_close_begin(struct tcps_endpoint *ep)
{
	unsigned long time;
	u64 consumed;
	u32 linger_ms;
	u8 flags;

	spin_lock_bh(&ep->lock);
	consumed = ep->in.consumed;
	linger_ms = ep->in.linger_ms;
	flags = ep->in.close_flags;
	spin_unlock_bh(&ep->lock);

	if (consumed > ep->rx.pos) {
		memnet_stat_inc(MEMNET_STAT_PROTOCOL_ERRORS);
		memnet_channel_fail(ep->tc->ch, WIRE_REASON_PROTOCOL);
		return;
	}
	if (ep->state != TCPS_CONNECTED) {
		finish(ep, flags & WIRE_F_ABORT || ep->state == TCPS_DEAD, 0);
		return;
	}
	if (flags & WIRE_F_ABORT || consumed < ep->rx.read || unread(ep)) {
		finish(ep, true, 0);
		return;
	}
	tcps_endpoint_change_state(ep, TCPS_CLOSING);
	ep->owed = 0;
	if (flags & WIRE_F_LINGER)
		time = msecs_to_jiffies(min_t(u32, linger_ms, LINGER_MAX_MS));
	else
		time = READ_ONCE(tcps_orphan_s) * HZ;
	mod_timer(&ep->timer, jiffies + time);
}

/* Whether the peer has acknowledged everything, or nothing can be acknowledged any more. */
static bool is_acknowledged(const struct sock *sk)
{
	return !((1 << READ_ONCE(sk->sk_state)) & (TCPF_FIN_WAIT1 | TCPF_CLOSING | TCPF_LAST_ACK));
}

/**
 * tcps_close_progress() - an endpoint between CLOSE and CLOSED
 * @ep: closing or lingering endpoint
 * @events: TCPS_EV_*
 */
void tcps_close_progress(struct tcps_endpoint *ep, int events)
{
	struct sock *sk = ep->sock->sk;
	int error = 0;

	if (events & TCPS_EV_STATE)
		error = -sock_error(sk);
	if (error) {
		finish(ep, true, error);
	} else if (events & TCPS_EV_TIMER) {
		finish(ep, true, ETIMEDOUT);
	} else if (ep->state == TCPS_CLOSING && unread(ep)) {
		finish(ep, true, ECONNRESET); /* nobody will read what comes now */
	} else if (ep->state == TCPS_CLOSING && tcps_tx_drained(ep)) {
		if (!(ep->in.close_flags & WIRE_F_LINGER)) {
			finish(ep, false, 0);
			return;
		}
		tcps_endpoint_change_state(ep, TCPS_LINGERING);
		kernel_sock_shutdown(ep->sock, SHUT_RDWR);
	}
	if (ep->state == TCPS_LINGERING && is_acknowledged(sk))
		finish(ep, false, 0);
}
