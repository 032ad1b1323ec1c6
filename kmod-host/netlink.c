// SPDX-License-Identifier: GPL-2.0
/* Links and sockets in the plain structures generic netlink (kmod-core/netlink.c) asks for. */
#include "memnet.h"

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

static int socket_next(struct net *net, u64 *cursor, struct memnet_nl_socket_info *out)
{
	return memnet_sockets_next(net, cursor, out);
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
