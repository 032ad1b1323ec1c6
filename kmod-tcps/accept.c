// SPDX-License-Identifier: GPL-2.0
/*
 * Accept pump: connections of native listeners become endpoints as they come.
 *
 * A listener has at most its quota of children pushed that its program has not collected;
 * ACCEPTED makes room. A child is an endpoint of the node's half, on the channel with the fewest,
 * and its first message is NEW_CONNECTION. Index and memory are taken before kernel_accept(), so
 * that no connection is accepted only to be dropped; where there are none the connection waits in
 * TCP's own queue, and the listener on its session's starved list, or, while the node holds too
 * much, for the next look.
 *
 * TCP lets so many wait in its queue as the backlog says, and one more. Those at the host wait,
 * too, so the native listener's backlog is what they leave of it; that one more has its place.
 *
 * Runs in the listener's worker. The child is complete before it is stored in the table and
 * kicked; from then on it is its own channel's worker's. Its socket calls back before that, while
 * nobody would find it there: until it is stored it counts as being on the ready list, so that
 * kicks only leave their bits.
 */
#include <linux/cred.h>
#include <net/inet_connection_sock.h>

#include "tcps.h"

#define BUDGET 16 /* children in one turn */

/* Makes an accepted socket the endpoint's and hands the endpoint to its own worker. */
static void child_start(struct tcps_endpoint *ep, struct tcps_endpoint *child, struct socket *sock)
{
	struct tcps_channel *tc = child->tc;

	child->v6 = ep->v6;
	child->uid = ep->uid;
	child->rx.fixed = ep->rx.fixed;
	child->steered = ep->steered;
	if (ep->steered & MEMNET_OPTION_CLASS_DEVICE)
		child->bound_dev = READ_ONCE(ep->sock->sk->sk_bound_dev_if);
	child->conn.listener = ep->index;
	child->conn.listener_gen = ep->gen;
	child->conn.listener_channel = ep->tc->ch->number;
	tcps_endpoint_change_state(child, TCPS_CONNECTED);
	tcps_endpoint_grant(child);
	child->owed = TCPS_OWE_NEW_CONNECTION;
	/* Once it may run it may go; this reference lets us kick it. */
	refcount_inc(&child->refs);
	atomic_set(&child->events, TCPS_EV_QUEUED);
	tcps_native_adopt(child, sock, &ep->saved);
	memnet_table_store(&tc->endpoints, child->index, child);
	/* Who kicks from here on, and so speaks of it to the host, finds it stored. */
	atomic_fetch_andnot_release(TCPS_EV_QUEUED, &child->events);
	tcps_kick(child, TCPS_EV_DATA | TCPS_EV_STATE);
	tcps_endpoint_put(child);
	memnet_stat_inc(MEMNET_STAT_TCPS_ACCEPTS);
}

static bool take_quota(struct tcps_endpoint *ep, int n)
{
	bool room;

	spin_lock_bh(&ep->lock);
	room = n < 0 || ep->listen.children < ep->listen.quota;
	if (room)
		ep->listen.children += n;
	spin_unlock_bh(&ep->lock);
	return room;
}

/* Between a child's two queues TCP may let one more in than there is room for; none is refused. */
static void set_room(struct tcps_endpoint *ep)
{
	struct sock *sk = ep->sock->sk;
	u32 room;

	spin_lock_bh(&ep->lock);
	room = ep->listen.backlog - min(ep->listen.backlog, ep->listen.children);
	spin_unlock_bh(&ep->lock);
	if (READ_ONCE(sk->sk_max_ack_backlog) != room)
		WRITE_ONCE(sk->sk_max_ack_backlog, room);
}

/* One whose peer's port is 0 has no name: nobody can be told of it. */
static int names(struct tcps_endpoint *child, struct socket *sock)
{
	return tcps_native_name(sock, &child->local, false) ?:
	       tcps_native_name(sock, &child->peer, true);
}

/* Accepts one connection; false when there is nothing more to do now. */
static bool accept_one(struct tcps_endpoint *ep)
{
	struct tcps_session *s = ep->tc->session;
	int freed = atomic_read_acquire(&s->freed);
	struct tcps_endpoint *child;
	const struct cred *old;
	struct socket *sock;
	int ret;

	if (!tcps_admits(s)) {
		take_quota(ep, -1);
		tcps_stall(ep, -ENOMEM);
		return false;
	}
	child = tcps_endpoint_reserve(s);
	if (IS_ERR(child)) {
		take_quota(ep, -1);
		if (PTR_ERR(child) == -ENFILE)
			tcps_endpoint_starve(ep, freed);
		else
			tcps_stall(ep, -ENOMEM);
		return false;
	}
	child->owner = tcps_owner_get(s, ep->owner->uid);
	if (IS_ERR(child->owner)) {
		ret = PTR_ERR(child->owner);
		child->owner = NULL;
	} else {
		old = override_creds(ep->owner->cred);
		ret = kernel_accept(ep->sock, &sock, O_NONBLOCK);
		revert_creds(old);
	}
	if (!ret && names(child, sock)) {
		sock_no_linger(sock->sk);
		sock_release(sock);
		ret = -ECONNABORTED;
	}
	if (!ret) {
		child_start(ep, child, sock);
		return true;
	}
	if (child->owner)
		tcps_owner_put(child->owner);
	child->owner = NULL;
	tcps_endpoint_unlist(child);
	take_quota(ep, -1);
	if (ret == -ECONNABORTED)
		return true;
	if (ret != -EAGAIN)
		tcps_stall(ep, -ENOMEM);
	return false;
}

/**
 * tcps_accept_pump() - accept what came
 * @ep: listening endpoint
 */
void tcps_accept_pump(struct tcps_endpoint *ep)
{
	int budget = BUDGET;

	set_room(ep);
	while (!reqsk_queue_empty(&inet_csk(ep->sock->sk)->icsk_accept_queue)) {
		if (!budget--) {
			tcps_kick(ep, TCPS_EV_DATA);
			return;
		}
		if (!take_quota(ep, 1) || !accept_one(ep))
			return;
		set_room(ep);
	}
}
