// SPDX-License-Identifier: GPL-2.0
/* Links and sockets in the plain structures generic netlink (kmod-core/netlink.c) asks for. */
#include "job.h"

static void fill_counters(const struct memnet_link *link, struct memnet_nl_link_info *out)
{
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

/* The cursor is link << 40 | channel << 32 | index. */
static int socket_next(struct net *net, u64 *cursor, struct memnet_nl_socket_info *out)
{
	u32 want_link = *cursor >> 40, want_channel = *cursor >> 32 & 0xff, n = 0, c;
	unsigned long index = *cursor & 0xffffffff;
	struct memnet_link *link;

	rcu_read_lock();
	list_for_each_entry_rcu(link, &memnet_links, list) {
		if (n++ < want_link || !net_eq(READ_ONCE(link->served), net))
			continue;
		for (c = n - 1 == want_link ? want_channel : 0; c < link->n_channels; c++) {
			struct link_channel *lc = memnet_link_channel(link, c);
			struct memnet_endpoint *ep = NULL;

			if (n - 1 != want_link || c != want_channel)
				index = 0;
			if (lc) {
				ep = xa_find(&lc->endpoints, &index, ULONG_MAX, XA_PRESENT);
				if (ep && !refcount_inc_not_zero(&ep->refs))
					ep = NULL;
			}
			if (ep) {
				fill_socket(ep, out);
				strscpy(out->link, link->cfg.name, sizeof(out->link));
				out->on_channel = true;
				out->channel = c;
				out->id = index;
				out->generation = ep->gen;
				*cursor = (u64)(n - 1) << 40 | (u64)c << 32 | (index + 1);
				rcu_read_unlock();
				memnet_endpoint_put(ep);
				memnet_lc_put(lc);
				return 1;
			}
			if (lc)
				memnet_lc_put(lc);
		}
	}
	rcu_read_unlock();
	return 0;
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
