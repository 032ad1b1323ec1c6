// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink, the outgoing half: what a module told becomes attributes.
 *
 * Owned here: the order and the conditions of attributes in answers. Every function returns true if
 * the message did not fit; the caller then drops the whole message, so nothing is undone here. A
 * secret never leaves: of it only the fact that there is one is told. No state, no locks.
 */
#include <net/netlink.h>

#include "netlink_msg.h"

static_assert(MEMNET_A_LINK_PAD == 1 && MEMNET_A_TCPS_PAD == 1 && MEMNET_A_SESSION_PAD == 1 &&
	      MEMNET_A_SOCKET_PAD == 1 && MEMNET_A_STAT_PAD == 1 && MEMNET_A_COUNTERS_PAD == 1);

static bool put_u64(struct sk_buff *skb, int attr, u64 value)
{
	/* attribute 1 is the padding of every set */
	return nla_put_u64_64bit(skb, attr, value, 1);
}

/* Types of the attributes that an address goes into, 0 for those that are not wanted. */
struct addr_types {
	int addr4;
	int addr6;
	int scope;
	int port;
};

static bool put_addr(struct sk_buff *skb, const struct sockaddr_storage *ss,
		     const struct addr_types *t)
{
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *sin = (const struct sockaddr_in *)ss;
	bool full;

	switch (ss->ss_family) {
	case AF_INET:
		full = nla_put_in_addr(skb, t->addr4, sin->sin_addr.s_addr);
		break;
	case AF_INET6:
		full = nla_put_in6_addr(skb, t->addr6, &sin6->sin6_addr) ||
		       (t->scope && sin6->sin6_scope_id &&
			nla_put_u32(skb, t->scope, sin6->sin6_scope_id));
		break;
	default:
		return false;
	}
	/* both families have the port in the same place */
	return full || (t->port && nla_put_u16(skb, t->port, ntohs(sin->sin_port)));
}

static bool put_counters(struct sk_buff *skb, int attr, const struct memnet_nl_counters *c)
{
	struct nlattr *nest = nla_nest_start(skb, attr);

	if (!nest ||
	    put_u64(skb, MEMNET_A_COUNTERS_TX_BYTES, c->tx_bytes) ||
	    put_u64(skb, MEMNET_A_COUNTERS_RX_BYTES, c->rx_bytes) ||
	    put_u64(skb, MEMNET_A_COUNTERS_TX_MESSAGES, c->tx_messages) ||
	    put_u64(skb, MEMNET_A_COUNTERS_RX_MESSAGES, c->rx_messages) ||
	    put_u64(skb, MEMNET_A_COUNTERS_CREDIT_STALLS, c->credit_stalls) ||
	    put_u64(skb, MEMNET_A_COUNTERS_WINDOW_STALLS, c->window_stalls) ||
	    put_u64(skb, MEMNET_A_COUNTERS_RECONNECTS, c->reconnects))
		return true;
	nla_nest_end(skb, nest);
	return false;
}

/**
 * memnet_nl_put_link() - tell of a link
 * @skb: the answer
 * @l: what to tell
 *
 * Return: true if it does not fit.
 */
bool memnet_nl_put_link(struct sk_buff *skb, const struct memnet_nl_link_info *l)
{
	static const struct addr_types types = {
		.addr4 = MEMNET_A_LINK_ADDR4,
		.addr6 = MEMNET_A_LINK_ADDR6,
		.scope = MEMNET_A_LINK_SCOPE_ID,
		.port = MEMNET_A_LINK_PORT,
	};

	return nla_put_string(skb, MEMNET_A_LINK_NAME, l->cfg.name) ||
	       put_addr(skb, &l->cfg.addr, &types) ||
	       nla_put_u32(skb, MEMNET_A_LINK_CHANNELS, l->cfg.channels) ||
	       put_u64(skb, MEMNET_A_LINK_HOST_ID, l->cfg.host_id) ||
	       nla_put_u32(skb, MEMNET_A_LINK_HEARTBEAT_MS, l->cfg.heartbeat_ms) ||
	       nla_put_u32(skb, MEMNET_A_LINK_STATE, l->state) ||
	       (l->reason[0] && nla_put_string(skb, MEMNET_A_LINK_LAST_REASON, l->reason)) ||
	       nla_put_u32(skb, MEMNET_A_LINK_CHANNELS_UP, l->channels_up) ||
	       put_u64(skb, MEMNET_A_LINK_FEATURES, l->features) ||
	       nla_put_u32(skb, MEMNET_A_LINK_VERSION, l->version) ||
	       put_u64(skb, MEMNET_A_LINK_TRANSPORT_NETNS, l->transport_netns) ||
	       put_u64(skb, MEMNET_A_LINK_SERVED_NETNS, l->served_netns) ||
	       (l->cfg.secret.len && nla_put_flag(skb, MEMNET_A_LINK_HAS_SECRET)) ||
	       nla_put_u32(skb, MEMNET_A_LINK_SOCKETS, l->sockets) ||
	       put_counters(skb, MEMNET_A_LINK_COUNTERS, &l->counters);
}

static bool put_prefix(struct sk_buff *skb, const struct memnet_nl_prefix *p)
{
	struct nlattr *nest = nla_nest_start(skb, MEMNET_A_TCPS_ALLOW);

	if (!nest ||
	    (p->family == AF_INET ? nla_put_in_addr(skb, MEMNET_A_PREFIX_ADDR4, p->in.s_addr) :
				    nla_put_in6_addr(skb, MEMNET_A_PREFIX_ADDR6, &p->in6)) ||
	    nla_put_u8(skb, MEMNET_A_PREFIX_LENGTH, p->length))
		return true;
	nla_nest_end(skb, nest);
	return false;
}

static bool put_port_range(struct sk_buff *skb, const struct memnet_port_range *r)
{
	struct nlattr *nest = nla_nest_start(skb, MEMNET_A_TCPS_PRIVILEGED_PORTS);

	if (!nest ||
	    nla_put_u16(skb, MEMNET_A_PORT_RANGE_FIRST, r->first) ||
	    nla_put_u16(skb, MEMNET_A_PORT_RANGE_LAST, r->last))
		return true;
	nla_nest_end(skb, nest);
	return false;
}

/**
 * memnet_nl_put_listener() - tell of an address that is served
 * @skb: the answer
 * @l: what to tell
 *
 * Return: true if it does not fit.
 */
bool memnet_nl_put_listener(struct sk_buff *skb, const struct memnet_nl_listener_info *l)
{
	static const struct addr_types types = {
		.addr4 = MEMNET_A_TCPS_ADDR4,
		.addr6 = MEMNET_A_TCPS_ADDR6,
		.scope = MEMNET_A_TCPS_SCOPE_ID,
		.port = MEMNET_A_TCPS_PORT,
	};
	const struct memnet_nl_tcps_cfg *cfg = &l->cfg;
	u32 i;

	if (put_addr(skb, &cfg->addr, &types))
		return true;
	for (i = 0; i < cfg->n_allow; i++)
		if (put_prefix(skb, &cfg->allow[i]))
			return true;
	for (i = 0; i < cfg->n_privileged; i++)
		if (put_port_range(skb, &cfg->privileged[i]))
			return true;

	return (cfg->secret.len && nla_put_flag(skb, MEMNET_A_TCPS_HAS_SECRET)) ||
	       nla_put_u32(skb, MEMNET_A_TCPS_MAX_SESSIONS, cfg->max_sessions) ||
	       nla_put_u32(skb, MEMNET_A_TCPS_MAX_CHANNELS, cfg->max_channels) ||
	       nla_put_u32(skb, MEMNET_A_TCPS_MAX_ENDPOINTS, cfg->max_endpoints) ||
	       put_u64(skb, MEMNET_A_TCPS_MAX_PAGES, cfg->max_pages) ||
	       nla_put_u32(skb, MEMNET_A_TCPS_OPTIONS, cfg->options) ||
	       nla_put_u32(skb, MEMNET_A_TCPS_SESSIONS, l->sessions) ||
	       put_u64(skb, MEMNET_A_TCPS_REFUSED, l->refused);
}

/**
 * memnet_nl_put_session() - tell of a session
 * @skb: the answer
 * @s: what to tell
 *
 * Return: true if it does not fit.
 */
bool memnet_nl_put_session(struct sk_buff *skb, const struct memnet_nl_session_info *s)
{
	static const struct addr_types types = {
		.addr4 = MEMNET_A_SESSION_ADDR4,
		.addr6 = MEMNET_A_SESSION_ADDR6,
		.scope = MEMNET_A_SESSION_SCOPE_ID,
	};

	return nla_put_u32(skb, MEMNET_A_SESSION_ID, s->id) ||
	       put_addr(skb, &s->addr, &types) ||
	       nla_put_u16(skb, MEMNET_A_SESSION_PORT, s->listen_port) ||
	       put_u64(skb, MEMNET_A_SESSION_HOST_ID, s->host_id) ||
	       nla_put_u32(skb, MEMNET_A_SESSION_STATE, s->state) ||
	       (s->authenticated && nla_put_flag(skb, MEMNET_A_SESSION_AUTHENTICATED)) ||
	       nla_put_u32(skb, MEMNET_A_SESSION_CHANNELS, s->channels) ||
	       nla_put_u32(skb, MEMNET_A_SESSION_ENDPOINTS, s->endpoints) ||
	       put_u64(skb, MEMNET_A_SESSION_PAGES, s->pages) ||
	       put_u64(skb, MEMNET_A_SESSION_FEATURES, s->features) ||
	       nla_put_u32(skb, MEMNET_A_SESSION_VERSION, s->version) ||
	       put_counters(skb, MEMNET_A_SESSION_COUNTERS, &s->counters);
}

/* What a node does not know of. */
static bool put_host_socket(struct sk_buff *skb, const struct memnet_nl_socket_info *s)
{
	return nla_put_u32(skb, MEMNET_A_SOCKET_SERVED, s->served) ||
	       (s->link[0] && nla_put_string(skb, MEMNET_A_SOCKET_LINK, s->link)) ||
	       (s->cookie && put_u64(skb, MEMNET_A_SOCKET_COOKIE, s->cookie)) ||
	       (s->error && nla_put_u32(skb, MEMNET_A_SOCKET_ERROR, s->error)) ||
	       nla_put_u32(skb, MEMNET_A_SOCKET_JOBS, s->jobs);
}

/**
 * memnet_nl_put_socket() - tell of a socket
 * @skb: the answer
 * @s: what to tell
 * @role: whose socket it is
 *
 * Return: true if it does not fit.
 */
bool memnet_nl_put_socket(struct sk_buff *skb, const struct memnet_nl_socket_info *s,
			  enum memnet_role role)
{
	static const struct addr_types local = {
		.addr4 = MEMNET_A_SOCKET_LOCAL_ADDR4,
		.addr6 = MEMNET_A_SOCKET_LOCAL_ADDR6,
		.port = MEMNET_A_SOCKET_LOCAL_PORT,
	};
	static const struct addr_types remote = {
		.addr4 = MEMNET_A_SOCKET_REMOTE_ADDR4,
		.addr6 = MEMNET_A_SOCKET_REMOTE_ADDR6,
		.port = MEMNET_A_SOCKET_REMOTE_PORT,
	};

	if (nla_put_u32(skb, MEMNET_A_SOCKET_ROLE, role))
		return true;
	if (role == MEMNET_ROLE_NODE ? nla_put_u32(skb, MEMNET_A_SOCKET_SESSION, s->session) :
				       put_host_socket(skb, s))
		return true;
	if ((role == MEMNET_ROLE_NODE || s->served == MEMNET_SERVED_OFFLOADED) &&
	    (nla_put_u32(skb, MEMNET_A_SOCKET_CHANNEL, s->channel) ||
	     nla_put_u32(skb, MEMNET_A_SOCKET_ID, s->id) ||
	     nla_put_u32(skb, MEMNET_A_SOCKET_GENERATION, s->generation)))
		return true;

	return nla_put_u8(skb, MEMNET_A_SOCKET_STATE, s->state) ||
	       nla_put_u16(skb, MEMNET_A_SOCKET_FAMILY, s->local.ss_family) ||
	       put_addr(skb, &s->local, &local) ||
	       put_addr(skb, &s->remote, &remote) ||
	       nla_put_u32(skb, MEMNET_A_SOCKET_UID, s->uid) ||
	       (s->inode && put_u64(skb, MEMNET_A_SOCKET_INODE, s->inode)) ||
	       put_u64(skb, MEMNET_A_SOCKET_RX_QUEUE, s->rx_queue) ||
	       put_u64(skb, MEMNET_A_SOCKET_TX_QUEUE, s->tx_queue) ||
	       put_u64(skb, MEMNET_A_SOCKET_PAGES, s->pages) ||
	       put_u64(skb, MEMNET_A_SOCKET_RX_BYTES, s->rx_bytes) ||
	       put_u64(skb, MEMNET_A_SOCKET_TX_BYTES, s->tx_bytes);
}

/**
 * memnet_nl_put_stat() - tell of a counter
 * @skb: the answer
 * @which: the counter
 *
 * Return: true if it does not fit.
 */
bool memnet_nl_put_stat(struct sk_buff *skb, enum memnet_stat which)
{
	return nla_put_string(skb, MEMNET_A_STAT_MODULE, memnet_stat_group(which)) ||
	       nla_put_string(skb, MEMNET_A_STAT_NAME, memnet_stat_name(which)) ||
	       put_u64(skb, MEMNET_A_STAT_VALUE, memnet_stat_read(which));
}
