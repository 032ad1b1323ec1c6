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
 * When the host's time is over CLOSED says ETIMEDOUT, and what is left goes on without the host,
 * off the table but on the channel's list of orphans. An orphan is bounded by orphan_s: who is
 * late is reset.
 *
 * Runs in the channel's worker; the timer only kicks.
 */
#include <net/tcp.h>

#include "tcps.h"

#define LINGER_MAX_MS (3600 * MSEC_PER_SEC)

/**
 * tcps_close_finish() - let go of the native socket of an endpoint the host has closed
 * @ep: endpoint
 * @abort: reset the connection
 * @error: errno CLOSED is to carry, positive, unless it has told another before
 */
void tcps_close_finish(struct tcps_endpoint *ep, bool abort, int error)
{
	bool owed = ep->owed & TCPS_OWE_CLOSED;

	tcps_native_release(ep, abort);
	tcps_endpoint_purge(ep);
	tcps_rx_purge(ep);
	timer_shutdown_sync(&ep->timer);
	tcps_endpoint_change_state(ep, TCPS_CLOSED);
	ep->owed = 0;
	if (ep->told) {
		tcps_endpoint_unlist(ep);
		return;
	}
	ep->owed = TCPS_OWE_CLOSED;
	if (!owed)
		ep->closed_error = error;
}

/* Whether the host still waits for CLOSED. */
static bool is_lingering(const struct tcps_endpoint *ep)
{
	return ep->in.close_flags & WIRE_F_LINGER && !ep->told && !(ep->owed & TCPS_OWE_CLOSED);
}

/* The host's linger time is over: CLOSED says so, what is left is sent in the background. */
static void linger_over(struct tcps_endpoint *ep)
{
	if (ep->state == TCPS_LINGERING) {
		tcps_close_finish(ep, false, ETIMEDOUT);
		return;
	}
	__skb_queue_purge(&ep->rx.over);
	ep->owed = TCPS_OWE_CLOSED;
	ep->closed_error = ETIMEDOUT;
	mod_timer(&ep->timer, jiffies + READ_ONCE(tcps_orphan_s) * HZ);
}

/* Where the application has read all that was sent. */
static u32 unread(struct tcps_endpoint *ep)
{
	struct sock *sk = ep->sock->sk;
	u32 bytes;

	lock_sock(sk);
	tcps_ktls_eat(ep, ep->rx.read);
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
		tcps_close_finish(ep, flags & WIRE_F_ABORT || ep->state == TCPS_DEAD, 0);
		return;
	}
	if (flags & WIRE_F_ABORT || consumed < ep->rx.read || unread(ep)) {
		/* What was sent before may have reached the peer by now, had TCP been here. */
		tcps_tx_pump(ep);
		tcps_close_finish(ep, true, 0);
		return;
	}
	tcps_endpoint_change_state(ep, TCPS_CLOSING);
	ep->owed &= TCPS_OWE_COUNT;
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
		tcps_close_finish(ep, true, error);
	} else if (events & TCPS_EV_TIMER) {
		if (is_lingering(ep))
			linger_over(ep);
		else
			tcps_close_finish(ep, true, ETIMEDOUT);
	} else if (ep->state == TCPS_CLOSING && unread(ep)) {
		tcps_close_finish(ep, true, ECONNRESET); /* nobody will read what comes now */
	} else if (ep->state == TCPS_CLOSING && tcps_tx_drained(ep)) {
		if (!is_lingering(ep)) {
			tcps_close_finish(ep, false, 0);
			return;
		}
		tcps_endpoint_change_state(ep, TCPS_LINGERING);
		kernel_sock_shutdown(ep->sock, SHUT_RDWR);
	}
	if (ep->state == TCPS_LINGERING && is_acknowledged(sk))
		tcps_close_finish(ep, false, 0);
}
