// SPDX-License-Identifier: GPL-2.0
/* Links and sockets in the plain structures generic netlink (kmod-core/netlink.c) asks for. */
#include "job.h"

static void fill_counters(const struct memnet_link *link, struct memnet_nl_link_info *out)
{
	u32 i;

	out->counters = link->moved;
	for (i = 0; i < link->n_channels; i++)
		if (link->lc[i])
			memnet_link_count(&out->counters, link->lc[i]);
	out->counters.reconnects = link->reconnects ? link->reconnects - 1 : 0;
}

static int link_next(struct net *net, u64 *cursor, struct memnet_nl_link_info *out)
{
	struct memnet_link *link;
	unsigned int i;
	u64 n = 0;
	int ret = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(link, &memnet_links, list) {
		if (n++ < *cursor ||
		    (!net_eq(link->transport, net) && !net_eq(READ_ONCE(link->served), net)))
			continue;
		spin_lock_bh(&link->lock);
		out->cfg = link->cfg;
		out->cfg.host_id = link->who.host_id;
		out->cfg.channels = link->n_channels;
		out->state = link->state;
		if (link->reason)
			strscpy(out->reason, wire_reason_name(link->reason), sizeof(out->reason));
		for (i = 0; i < link->n_channels; i++) {
			if (!link->lc[i] || !memnet_channel_is_up(link->lc[i]->ch))
				continue;
			out->channels_up++;
			out->version = WIRE_VERSION;
			out->cfg.heartbeat_ms = link->lc[i]->ch->cfg.heartbeat_ms;
			out->cfg.host_id = link->lc[i]->ch->cfg.who.host_id;
		}
		out->features = link->cfg.secret.len ? WIRE_FEATURE_SECRET : 0;
		out->transport_netns = link->transport->net_cookie;
		out->served_netns = link->served->net_cookie;
		out->sockets = atomic_read(&link->endpoints);
		fill_counters(link, out);
		spin_unlock_bh(&link->lock);
		memzero_explicit(out->cfg.secret.key, sizeof(out->cfg.secret.key));
		ret = 1;
		break;
	}
	rcu_read_unlock();
	*cursor = n;
	return ret;
}

static void fill_socket(struct memnet_endpoint *ep, struct memnet_nl_socket_info *out)
{
	struct memnet_job *job;

	spin_lock_bh(&ep->lock);
	if (ep->lc && !ep->gone)
		memnet_transmit_refresh(ep);
	out->state = ep->state;
	memnet_wire_to_sockaddr(&ep->local, &out->local);
	memnet_wire_to_sockaddr(&ep->peer, &out->remote);
	if (!out->local.ss_family)
		out->local.ss_family = ep->sk ? ep->sk->sk_family : AF_INET;
	out->rx_queue = ep->rx.received - ep->rx.copied;
	out->tx_queue = ep->tx.end - ep->tx.consumed;
	out->pages = ep->rx.pages + DIV_ROUND_UP(atomic_read(&ep->wmem), PAGE_SIZE);
	out->rx_bytes = ep->rx.copied + ep->rx.placed;
	out->tx_bytes = ep->tx.end;
	out->jobs = ep->rx.n_jobs;
	list_for_each_entry(job, &ep->tx.jobs, node)
		out->jobs++;
	if (ep->sk) {
		out->uid = from_kuid_munged(&init_user_ns, sock_i_uid(ep->sk));
		out->inode = sock_i_ino(ep->sk);
	}
	spin_unlock_bh(&ep->lock);
}

static bool seen_from(struct net *net, const struct memnet_endpoint *ep,
		      const struct memnet_link *link)
{
	u64 cookie = READ_ONCE(ep->net_cookie);

	return cookie ? cookie == net->net_cookie : net_eq(link->served, net);
}

/* The first endpoint of a channel from an index on that @net may see, with a reference, or NULL. */
static struct memnet_endpoint *find_socket(struct net *net, struct memnet_link *link, u32 channel,
					   unsigned long *index)
{
	struct memnet_endpoint *ep = NULL;
	struct link_channel *lc;

	spin_lock_bh(&link->lock);
	lc = link->lc[channel];
	if (lc)
		ep = xa_find(&lc->endpoints, index, ULONG_MAX, XA_PRESENT);
	/* One that is just going is passed over. */
	while (ep && (!seen_from(net, ep, link) || !refcount_inc_not_zero(&ep->refs)))
		ep = xa_find_after(&lc->endpoints, index, ULONG_MAX, XA_PRESENT);
	spin_unlock_bh(&link->lock);
	return ep;
}

#define WAITING BIT_ULL(63)

/* The cursor is WAITING | their number. */
static int waiting_next(struct net *net, u64 *cursor, struct memnet_nl_socket_info *out)
{
	u32 n = *cursor & WAITING ? *cursor & U32_MAX : 0;
	struct memnet_endpoint *ep = memnet_listeners_waiting(net, n, out->link);

	if (!ep)
		return 0;
	fill_socket(ep, out);
	*cursor = WAITING | (n + 1);
	memnet_endpoint_put(ep);
	return 1;
}

/* The cursor is link << 40 | channel << 32 | index, and then that of waiting_next(). */
static int socket_next(struct net *net, u64 *cursor, struct memnet_nl_socket_info *out)
{
	u32 want_link = *cursor >> 40, channel = *cursor >> 32 & 0xff, n = 0;
	unsigned long index = *cursor & 0xffffffff;
	struct memnet_endpoint *ep = NULL;
	struct memnet_link *link;

	if (*cursor & WAITING)
		return waiting_next(net, cursor, out);
	rcu_read_lock();
	list_for_each_entry_rcu(link, &memnet_links, list) {
		if (n++ < want_link)
			continue;
		for (; !ep && channel < link->n_channels; channel++, index = 0) {
			ep = find_socket(net, link, channel, &index);
			if (!ep)
				continue;
			fill_socket(ep, out);
			strscpy(out->link, link->cfg.name, sizeof(out->link));
			out->channel = channel;
			out->id = index;
			out->generation = ep->gen;
			*cursor = (u64)(n - 1) << 40 | (u64)channel << 32 | (index + 1);
		}
		if (ep)
			break;
		channel = 0;
		index = 0;
	}
	rcu_read_unlock();
	if (!ep)
		return waiting_next(net, cursor, out);
	memnet_endpoint_put(ep);
	return 1;
}

static const struct memnet_nl_host_ops ops = {
	.link_add	= memnet_link_add,
	.link_del	= memnet_link_del,
	.link_set_netns	= memnet_link_set_netns,
	.link_next	= link_next,
	.socket_next	= socket_next,
};

/**
 * memnet_host_netlink_init() - answer generic netlink
 *
 * Return: 0 or a negative errno.
 */
int memnet_host_netlink_init(void)
{
	return memnet_nl_register_host(&ops);
}

/**
 * memnet_host_netlink_exit() - answer no more
 */
void memnet_host_netlink_exit(void)
{
	memnet_nl_unregister_host();
}
