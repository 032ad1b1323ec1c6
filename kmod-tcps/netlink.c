// SPDX-License-Identifier: GPL-2.0
/*
 * Answers to memnetctl: listeners, sessions, endpoints.
 *
 * Cursors are positions in an order that does not change: listeners by their place in the list,
 * sessions by number, endpoints by session, channel and index. Each call looks its entry up anew
 * under tcps_mutex, endpoints also under session.lock, which keeps the channels, and RCU. What an
 * endpoint's worker changes meanwhile is read as it is.
 */
#include <linux/tcp.h>
#include <net/tcp_states.h>

#include "tcps.h"

static int nl_listen(struct net *net, const struct memnet_nl_tcps_cfg *cfg,
		     struct netlink_ext_ack *extack)
{
	int ret = tcps_listener_create(net, cfg, false);

	switch (ret) {
	case -EADDRNOTAVAIL:
	case -ENODEV:
		NL_SET_ERR_MSG(extack, "no RDMA device at this address");
		break;
	case -EADDRINUSE:
		NL_SET_ERR_MSG(extack, "this address and port are being served");
		break;
	}
	return ret;
}

static int nl_unlisten(struct net *net, const struct sockaddr_storage *addr,
		       struct netlink_ext_ack *extack)
{
	int ret = tcps_listener_destroy(net, addr);

	if (ret == -ENOENT)
		NL_SET_ERR_MSG(extack, "this address and port are not being served");
	return ret;
}

static u32 count_sessions(const struct tcps_listener *l)
{
	struct tcps_session *s;
	u32 n = 0;

	list_for_each_entry(s, &tcps_sessions, node)
		if (s->listener == l)
			n++;
	return n;
}

static int nl_listener_next(struct net *net, u64 *cursor, struct memnet_nl_listener_info *out)
{
	struct tcps_listener *l;
	u64 i = 0;
	int ret = 0;

	mutex_lock(&tcps_mutex);
	list_for_each_entry(l, &tcps_listeners, node) {
		if (i++ < *cursor || !net_eq(l->net, net))
			continue;
		out->cfg = l->cfg;
		memzero_explicit(out->cfg.secret.key, sizeof(out->cfg.secret.key));
		out->sessions = count_sessions(l);
		out->refused = atomic_long_read(&l->refused);
		*cursor = i;
		ret = 1;
		break;
	}
	mutex_unlock(&tcps_mutex);
	return ret;
}

static enum memnet_session_state session_state(const struct tcps_session *s)
{
	switch (READ_ONCE(s->state)) {
	case TCPS_SESSION_STARTING:
		return MEMNET_SESSION_STATE_CONNECTING;
	case TCPS_SESSION_UP:
		return MEMNET_SESSION_STATE_UP;
	default:
		return MEMNET_SESSION_STATE_DEAD;
	}
}

/* With session.lock held. */
static void fill_session(struct tcps_session *s, struct memnet_nl_session_info *out)
{
	const struct sockaddr_storage *at = &s->listener->cfg.addr;
	int i;

	out->id = s->number;
	out->addr = s->addr;
	/* sin_port and sin6_port are in the same place */
	out->listen_port = ntohs(((const struct sockaddr_in *)at)->sin_port);
	((struct sockaddr_in *)&out->addr)->sin_port = 0;
	out->host_id = s->host_id;
	out->state = session_state(s);
	out->authenticated = s->listener->cfg.secret.len && s->state == TCPS_SESSION_UP;
	out->endpoints = atomic_read(&s->endpoints);
	out->version = WIRE_VERSION;
	out->pages = atomic_long_read(&s->pages);
	out->features = s->listener->cfg.secret.len ? WIRE_FEATURE_SECRET : 0;
	for (i = 0; i < WIRE_MAX_CHANNELS; i++) {
		const struct tcps_channel *tc = s->channels[i];

		if (!tc)
			continue;
		out->channels += memnet_channel_is_up(tc->ch);
		out->counters.tx_bytes += READ_ONCE(tc->tx_bytes);
		out->counters.rx_bytes += READ_ONCE(tc->rx_bytes);
		out->counters.tx_messages += READ_ONCE(tc->tx_messages);
		out->counters.rx_messages += READ_ONCE(tc->rx_messages);
		out->counters.credit_stalls += READ_ONCE(tc->credit_stalls);
		out->counters.window_stalls += READ_ONCE(tc->window_stalls);
	}
}

/* The first session of @net with a number from @from on; with tcps_mutex held. */
static struct tcps_session *find_session(struct net *net, u32 from)
{
	struct tcps_session *s;

	lockdep_assert_held(&tcps_mutex);
	list_for_each_entry(s, &tcps_sessions, node)
		if (s->number >= from && net_eq(s->listener->net, net))
			return s;
	return NULL;
}

static int nl_session_next(struct net *net, u64 *cursor, struct memnet_nl_session_info *out)
{
	struct tcps_session *s;

	mutex_lock(&tcps_mutex);
	s = find_session(net, *cursor);
	if (s) {
		mutex_lock(&s->lock);
		fill_session(s, out);
		mutex_unlock(&s->lock);
		*cursor = s->number + 1ULL;
	}
	mutex_unlock(&tcps_mutex);
	return !!s;
}

static u8 tcp_state(const struct tcps_endpoint *ep)
{
	switch (READ_ONCE(ep->state)) {
	case TCPS_LISTENING:
		return TCP_LISTEN;
	case TCPS_CONNECTING:
		return TCP_SYN_SENT;
	case TCPS_CONNECTED:
		if (ep->tx.shut)
			return ep->rx.eof ? TCP_LAST_ACK : TCP_FIN_WAIT1;
		return ep->rx.eof ? TCP_CLOSE_WAIT : TCP_ESTABLISHED;
	case TCPS_CLOSING:
	case TCPS_LINGERING:
		return TCP_CLOSING;
	default:
		return TCP_CLOSE;
	}
}

/* Under RCU. */
static void fill_socket(struct tcps_endpoint *ep, struct memnet_nl_socket_info *out)
{
	out->session = ep->tc->session->number;
	out->channel = ep->tc->ch->number;
	out->id = ep->index;
	out->generation = ep->gen;
	out->state = tcp_state(ep);
	if (tcps_addr_from_wire(&ep->local, &out->local) < 0)
		out->local.ss_family = ep->v6 ? AF_INET6 : AF_INET;
	tcps_addr_from_wire(&ep->peer, &out->remote);
	out->uid = ep->uid;
	spin_lock_bh(&ep->lock);
	out->rx_queue = ep->rx.read - ep->rx.pos;
	out->tx_queue = ep->in.dead ? 0 : ep->in.pos - ep->tx.taken;
	out->pages = ep->in.pages;
	out->rx_bytes = ep->rx.pos;
	out->tx_bytes = ep->in.pos;
	spin_unlock_bh(&ep->lock);
}

#define CURSOR(session, channel, index) ((u64)(session) << 20 | (u64)(channel) << 17 | (index))

/* The first endpoint from channel @channel, index @index on; with session.lock held. */
static bool find_socket(struct tcps_session *s, u32 channel, u32 index, u64 *cursor,
			struct memnet_nl_socket_info *out)
{
	struct tcps_endpoint *ep;

	for (; channel < WIRE_MAX_CHANNELS; channel++, index = 0) {
		if (!s->channels[channel])
			continue;
		rcu_read_lock();
		ep = memnet_table_next(&s->channels[channel]->endpoints, &index);
		if (ep)
			fill_socket(ep, out);
		rcu_read_unlock();
		if (ep) {
			*cursor = CURSOR(s->number, channel, index + 1);
			return true;
		}
	}
	return false;
}

static int nl_socket_next(struct net *net, u64 *cursor, struct memnet_nl_socket_info *out)
{
	u32 number = *cursor >> 20, channel = *cursor >> 17 & 7;
	u32 index = *cursor & 0x1ffff;
	struct tcps_session *s;
	bool found = false;

	mutex_lock(&tcps_mutex);
	while (!found && (s = find_session(net, number))) {
		if (s->number != number) {
			channel = 0;
			index = 0;
		}
		mutex_lock(&s->lock);
		found = find_socket(s, channel, index, cursor, out);
		mutex_unlock(&s->lock);
		number = s->number + 1;
		channel = 0;
		index = 0;
	}
	mutex_unlock(&tcps_mutex);
	return found;
}

const struct memnet_nl_tcps_ops tcps_nl_ops = {
	.listen = nl_listen,
	.unlisten = nl_unlisten,
	.listener_next = nl_listener_next,
	.session_next = nl_session_next,
	.socket_next = nl_socket_next,
};
