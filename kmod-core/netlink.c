// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: the family "memnet", specified in Documentation/netlink/specs/memnet.yaml.
 *
 * Owned here: the operations, and the two modules that answer them (netlink.h). netlink_parse.c
 * reads requests and netlink_put.c writes answers.
 *
 * A change: genl checks the attributes against the policy, they are parsed into a configuration,
 * and the module is called. A dump walks one or more sources; its only state is the number of the
 * source and that source's cursor, so between two buffers no lock and no reference is held, and a
 * module may come and go: its entries then appear or are missing. A module that is not there is
 * -EOPNOTSUPP with a message, in a dump only if none of its sources is there.
 *
 * Who may: making links and services needs CAP_NET_ADMIN in the initial user namespace, for it
 * commits kernel memory that is charged to nobody and speaks to a node in the name of the machine.
 * Moving a link to a namespace is less and needs CAP_NET_ADMIN over both ends. Anyone may look.
 *
 * Locks: provider.sem, read around every call, write to register. It is taken below genl's own
 * cb_lock (the family has parallel_ops, so genl_mutex is not held) and above every lock of the
 * provider. Nothing else here has shared state.
 */
#include <linux/capability.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/netlink.h>
#include <net/sock.h>

#include "netlink_msg.h"

static struct genl_family memnet_family;

/* ---- providers ---- */

/* A module that answers; @ops is written under @sem. */
struct provider {
	struct rw_semaphore sem;
	const void *ops;
};

static struct provider host_provider = { .sem = __RWSEM_INITIALIZER(host_provider.sem) };
static struct provider tcps_provider = { .sem = __RWSEM_INITIALIZER(tcps_provider.sem) };

#define HOST_MISSING "memnet.ko is not loaded"
#define TCPS_MISSING "memnet_tcps.ko is not loaded"

static int provider_set(struct provider *p, const void *ops)
{
	int err = 0;

	down_write(&p->sem);
	if (p->ops)
		err = -EBUSY;
	else
		p->ops = ops;
	up_write(&p->sem);
	return err;
}

static void provider_clear(struct provider *p)
{
	down_write(&p->sem);
	p->ops = NULL;
	up_write(&p->sem);
}

/**
 * memnet_nl_register_host() - memnet.ko is ready to answer
 * @ops: operations, all set; last step of the module's init
 *
 * Return: 0 or -EBUSY.
 */
int memnet_nl_register_host(const struct memnet_nl_host_ops *ops)
{
	return provider_set(&host_provider, ops);
}
EXPORT_SYMBOL_GPL(memnet_nl_register_host);

/**
 * memnet_nl_unregister_host() - memnet.ko is leaving
 *
 * Sleeps until no operation is under way; none begins later.
 */
void memnet_nl_unregister_host(void)
{
	provider_clear(&host_provider);
}
EXPORT_SYMBOL_GPL(memnet_nl_unregister_host);

/**
 * memnet_nl_register_tcps() - memnet_tcps.ko is ready to answer
 * @ops: operations, all set; last step of the module's init
 *
 * Return: 0 or -EBUSY.
 */
int memnet_nl_register_tcps(const struct memnet_nl_tcps_ops *ops)
{
	return provider_set(&tcps_provider, ops);
}
EXPORT_SYMBOL_GPL(memnet_nl_register_tcps);

/**
 * memnet_nl_unregister_tcps() - memnet_tcps.ko is leaving
 *
 * Sleeps until no operation is under way; none begins later.
 */
void memnet_nl_unregister_tcps(void)
{
	provider_clear(&tcps_provider);
}
EXPORT_SYMBOL_GPL(memnet_nl_unregister_tcps);

/* The operations with the semaphore held for reading, or NULL with neither. */
static const struct memnet_nl_host_ops *host_get(struct netlink_ext_ack *extack)
{
	down_read(&host_provider.sem);
	if (host_provider.ops)
		return host_provider.ops;
	up_read(&host_provider.sem);
	NL_SET_ERR_MSG(extack, HOST_MISSING);
	return NULL;
}

static void host_put(void)
{
	up_read(&host_provider.sem);
}

static const struct memnet_nl_tcps_ops *tcps_get(struct netlink_ext_ack *extack)
{
	down_read(&tcps_provider.sem);
	if (tcps_provider.ops)
		return tcps_provider.ops;
	up_read(&tcps_provider.sem);
	NL_SET_ERR_MSG(extack, TCPS_MISSING);
	return NULL;
}

static void tcps_put(void)
{
	up_read(&tcps_provider.sem);
}

/* ---- changes ---- */

static int link_add(struct sk_buff *skb, struct genl_info *info)
{
	const struct memnet_nl_host_ops *ops;
	struct memnet_nl_link_cfg *cfg;
	int err;

	cfg = kzalloc(sizeof(*cfg), GFP_KERNEL);
	if (!cfg)
		return -ENOMEM;
	err = memnet_nl_parse_link(info->attrs, cfg, info->extack);
	if (err)
		goto out;

	err = -EOPNOTSUPP;
	ops = host_get(info->extack);
	if (ops) {
		err = ops->link_add(genl_info_net(info), cfg, info->extack);
		host_put();
	}
out:
	kfree_sensitive(cfg);
	return err;
}

static int link_del(struct sk_buff *skb, struct genl_info *info)
{
	const struct memnet_nl_host_ops *ops;
	char name[MEMNET_LINK_NAME_MAX + 1];
	int err;

	err = memnet_nl_parse_link_name(info->attrs[MEMNET_A_LINK_NAME], name, info->extack);
	if (err)
		return err;
	ops = host_get(info->extack);
	if (!ops)
		return -EOPNOTSUPP;
	err = ops->link_del(genl_info_net(info), name, info->extack);
	host_put();
	return err;
}

/* The namespace a request names, with a reference. */
static struct net *target_netns(struct genl_info *info)
{
	const struct nlattr *fd = info->attrs[MEMNET_A_LINK_NETNS_FD];
	const struct nlattr *pid = info->attrs[MEMNET_A_LINK_NETNS_PID];
	struct net *net;

	if (!fd == !pid) {
		GENL_SET_ERR_MSG(info, "a namespace is named by a descriptor or a process");
		return ERR_PTR(-EINVAL);
	}
	if (fd)
		net = get_net_ns_by_fd(nla_get_u32(fd));
	else
		net = get_net_ns_by_pid(nla_get_u32(pid));
	if (IS_ERR(net))
		NL_SET_ERR_MSG_ATTR(info->extack, fd ?: pid, "no such network namespace");
	return net;
}

static int link_set(struct sk_buff *skb, struct genl_info *info)
{
	const struct memnet_nl_host_ops *ops;
	char name[MEMNET_LINK_NAME_MAX + 1];
	struct net *target;
	int err;

	err = memnet_nl_parse_link_name(info->attrs[MEMNET_A_LINK_NAME], name, info->extack);
	if (err)
		return err;
	target = target_netns(info);
	if (IS_ERR(target))
		return PTR_ERR(target);

	if (!netlink_ns_capable(skb, target->user_ns, CAP_NET_ADMIN)) {
		GENL_SET_ERR_MSG(info, "no CAP_NET_ADMIN over the namespace to be served");
		err = -EPERM;
		goto out;
	}

	err = -EOPNOTSUPP;
	ops = host_get(info->extack);
	if (ops) {
		err = ops->link_set_netns(genl_info_net(info), name, target, info->extack);
		host_put();
	}
out:
	put_net(target);
	return err;
}

static int tcps_listen(struct sk_buff *skb, struct genl_info *info)
{
	const struct memnet_nl_tcps_ops *ops;
	struct memnet_nl_tcps_cfg *cfg;
	int err;

	cfg = kzalloc(sizeof(*cfg), GFP_KERNEL);
	if (!cfg)
		return -ENOMEM;
	err = memnet_nl_parse_tcps(info, cfg);
	if (err)
		goto out;

	err = -EOPNOTSUPP;
	ops = tcps_get(info->extack);
	if (ops) {
		err = ops->listen(genl_info_net(info), cfg, info->extack);
		tcps_put();
	}
out:
	kfree_sensitive(cfg);
	return err;
}

static int tcps_unlisten(struct sk_buff *skb, struct genl_info *info)
{
	const struct memnet_nl_tcps_ops *ops;
	struct sockaddr_storage addr = {};
	int err;

	err = memnet_nl_parse_tcps_addr(info->attrs, &addr, info->extack);
	if (err)
		return err;
	ops = tcps_get(info->extack);
	if (!ops)
		return -EOPNOTSUPP;
	err = ops->unlisten(genl_info_net(info), &addr, info->extack);
	tcps_put();
	return err;
}

/* ---- one link ---- */

static int find_link(struct net *net, const char *name, struct memnet_nl_link_info *out,
		     struct netlink_ext_ack *extack)
{
	const struct memnet_nl_host_ops *ops;
	u64 cursor[MEMNET_NL_CURSOR] = {};
	int ret;

	ops = host_get(extack);
	if (!ops)
		return -EOPNOTSUPP;
	do {
		memset(out, 0, sizeof(*out));
		ret = ops->link_next(net, cursor, out);
	} while (ret > 0 && strcmp(out->cfg.name, name));
	host_put();

	if (!ret) {
		NL_SET_ERR_MSG(extack, "no link of that name");
		return -ENOENT;
	}
	return ret < 0 ? ret : 0;
}

static int link_get(struct sk_buff *skb, struct genl_info *info)
{
	char name[MEMNET_LINK_NAME_MAX + 1];
	struct memnet_nl_link_info *link;
	struct sk_buff *reply;
	void *hdr;
	int err;

	err = memnet_nl_parse_link_name(info->attrs[MEMNET_A_LINK_NAME], name, info->extack);
	if (err)
		return err;
	link = kzalloc(sizeof(*link), GFP_KERNEL);
	if (!link)
		return -ENOMEM;
	err = find_link(genl_info_net(info), name, link, info->extack);
	if (err)
		goto out;

	err = -ENOMEM;
	reply = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!reply)
		goto out;
	hdr = genlmsg_put_reply(reply, info, &memnet_family, 0, MEMNET_CMD_LINK_GET);
	if (!hdr || memnet_nl_put_link(reply, link)) {
		nlmsg_free(reply);
		err = -EMSGSIZE;
		goto out;
	}
	genlmsg_end(reply, hdr);
	err = genlmsg_reply(reply, info);
out:
	kfree_sensitive(link);
	return err;
}

/* ---- dumps ---- */

union entry {
	struct memnet_nl_link_info link;
	struct memnet_nl_listener_info listener;
	struct memnet_nl_session_info session;
	struct memnet_nl_socket_info socket;
};

/* Where entries of a dump come from; @next is called with @provider's semaphore held. */
struct source {
	struct provider *provider;
	int (*next)(const void *ops, struct net *net, u64 *cursor, union entry *e);
	bool (*put)(struct sk_buff *skb, const union entry *e);
};

/* What a dump keeps in netlink_callback.ctx; begins as zeroes. */
struct dump_ctx {
	u64 cursor[MEMNET_NL_CURSOR];
	u32 source;
	bool begun;
};

/* In the dump itself and not in a start callback: not every kernel takes a message from those. */
static bool dump_has_attrs(struct netlink_callback *cb)
{
	if (!nlmsg_attrlen(cb->nlh, GENL_HDRLEN))
		return false;
	NL_SET_ERR_MSG(cb->extack, "a dump takes no attributes");
	return true;
}

static void *dump_put_header(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd)
{
	return genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &memnet_family,
			   NLM_F_MULTI, cmd);
}

static int dump_source(struct sk_buff *skb, struct netlink_callback *cb, const struct source *src,
		       u8 cmd, union entry *e)
{
	struct dump_ctx *ctx = (struct dump_ctx *)cb->ctx;
	struct net *net = sock_net(cb->skb->sk);
	u64 cursor[MEMNET_NL_CURSOR];
	void *hdr;
	int ret;

	memcpy(cursor, ctx->cursor, sizeof(cursor));
	for (;;) {
		memset(e, 0, sizeof(*e));
		ret = src->next(src->provider->ops, net, cursor, e);
		if (ret <= 0)
			return ret;
		hdr = dump_put_header(skb, cb, cmd);
		if (!hdr)
			return -EMSGSIZE;
		if (src->put(skb, e)) {
			genlmsg_cancel(skb, hdr);
			return -EMSGSIZE;
		}
		genlmsg_end(skb, hdr);
		memcpy(ctx->cursor, cursor, sizeof(cursor));
	}
}

static int dump(struct sk_buff *skb, struct netlink_callback *cb, const struct source *src,
		u32 n, u8 cmd, const char *missing)
{
	struct dump_ctx *ctx = (struct dump_ctx *)cb->ctx;
	bool found = ctx->begun;
	union entry *e;
	int err = 0;

	BUILD_BUG_ON(sizeof(*ctx) > sizeof(cb->ctx));

	if (dump_has_attrs(cb))
		return -EINVAL;

	e = kmalloc(sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	for (; ctx->source < n; ctx->source++, memset(ctx->cursor, 0, sizeof(ctx->cursor))) {
		struct provider *p = src[ctx->source].provider;

		down_read(&p->sem);
		if (p->ops) {
			found = true;
			err = dump_source(skb, cb, &src[ctx->source], cmd, e);
		}
		up_read(&p->sem);
		if (err)
			break;
	}
	kfree_sensitive(e);
	ctx->begun = true;

	if (!found) {
		if (cb->extack)
			cb->extack->_msg = missing;
		return -EOPNOTSUPP;
	}
	/* what has been put goes out first, an error comes back in the next call */
	return skb->len ? : err;
}

static int host_link_next(const void *ops, struct net *net, u64 *cursor, union entry *e)
{
	return ((const struct memnet_nl_host_ops *)ops)->link_next(net, cursor, &e->link);
}

static int host_socket_next(const void *ops, struct net *net, u64 *cursor, union entry *e)
{
	return ((const struct memnet_nl_host_ops *)ops)->socket_next(net, cursor, &e->socket);
}

static int tcps_listener_next(const void *ops, struct net *net, u64 *cursor, union entry *e)
{
	return ((const struct memnet_nl_tcps_ops *)ops)->listener_next(net, cursor, &e->listener);
}

static int tcps_session_next(const void *ops, struct net *net, u64 *cursor, union entry *e)
{
	return ((const struct memnet_nl_tcps_ops *)ops)->session_next(net, cursor, &e->session);
}

static int tcps_socket_next(const void *ops, struct net *net, u64 *cursor, union entry *e)
{
	return ((const struct memnet_nl_tcps_ops *)ops)->socket_next(net, cursor, &e->socket);
}

static bool host_link_put(struct sk_buff *skb, const union entry *e)
{
	return memnet_nl_put_link(skb, &e->link);
}

static bool tcps_listener_put(struct sk_buff *skb, const union entry *e)
{
	return memnet_nl_put_listener(skb, &e->listener);
}

static bool tcps_session_put(struct sk_buff *skb, const union entry *e)
{
	return memnet_nl_put_session(skb, &e->session);
}

static bool host_socket_put(struct sk_buff *skb, const union entry *e)
{
	return memnet_nl_put_socket(skb, &e->socket, MEMNET_ROLE_HOST);
}

static bool tcps_socket_put(struct sk_buff *skb, const union entry *e)
{
	return memnet_nl_put_socket(skb, &e->socket, MEMNET_ROLE_NODE);
}

static int link_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	static const struct source sources[] = {
		{ &host_provider, host_link_next, host_link_put },
	};

	return dump(skb, cb, sources, ARRAY_SIZE(sources), MEMNET_CMD_LINK_GET, HOST_MISSING);
}

static int tcps_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	static const struct source sources[] = {
		{ &tcps_provider, tcps_listener_next, tcps_listener_put },
	};

	return dump(skb, cb, sources, ARRAY_SIZE(sources), MEMNET_CMD_TCPS_GET, TCPS_MISSING);
}

static int session_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	static const struct source sources[] = {
		{ &tcps_provider, tcps_session_next, tcps_session_put },
	};

	return dump(skb, cb, sources, ARRAY_SIZE(sources), MEMNET_CMD_SESSION_GET, TCPS_MISSING);
}

static int socket_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	static const struct source sources[] = {
		{ &host_provider, host_socket_next, host_socket_put },
		{ &tcps_provider, tcps_socket_next, tcps_socket_put },
	};

	return dump(skb, cb, sources, ARRAY_SIZE(sources), MEMNET_CMD_SOCKET_GET,
		    "neither memnet.ko nor memnet_tcps.ko is loaded");
}

static int stats_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	u64 *which = ((struct dump_ctx *)cb->ctx)->cursor;
	void *hdr;

	if (dump_has_attrs(cb))
		return -EINVAL;
	for (; *which < MEMNET_STAT_END; ++*which) {
		hdr = dump_put_header(skb, cb, MEMNET_CMD_STATS_GET);
		if (!hdr)
			break;
		if (memnet_nl_put_stat(skb, *which)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
	}
	return skb->len;
}

/* ---- the family ---- */

/* An operation without a policy accepts no attributes. */
static const struct genl_ops memnet_ops[] = {
	{
		.cmd = MEMNET_CMD_LINK_ADD,
		.doit = link_add,
		.policy = memnet_nl_link_add_policy,
		.maxattr = NL_LINK_ADD_ATTRS,
		.flags = GENL_ADMIN_PERM,
	}, {
		.cmd = MEMNET_CMD_LINK_DEL,
		.doit = link_del,
		.policy = memnet_nl_link_name_policy,
		.maxattr = NL_LINK_NAME_ATTRS,
		.flags = GENL_ADMIN_PERM,
	}, {
		.cmd = MEMNET_CMD_LINK_GET,
		.doit = link_get,
		.dumpit = link_dump,
		.policy = memnet_nl_link_name_policy,
		.maxattr = NL_LINK_NAME_ATTRS,
	}, {
		.cmd = MEMNET_CMD_LINK_SET,
		.doit = link_set,
		.policy = memnet_nl_link_set_policy,
		.maxattr = NL_LINK_SET_ATTRS,
		.flags = GENL_UNS_ADMIN_PERM,
	}, {
		.cmd = MEMNET_CMD_TCPS_LISTEN,
		.doit = tcps_listen,
		.policy = memnet_nl_tcps_listen_policy,
		.maxattr = NL_TCPS_LISTEN_ATTRS,
		.flags = GENL_ADMIN_PERM,
	}, {
		.cmd = MEMNET_CMD_TCPS_UNLISTEN,
		.doit = tcps_unlisten,
		.policy = memnet_nl_tcps_unlisten_policy,
		.maxattr = NL_TCPS_UNLISTEN_ATTRS,
		.flags = GENL_ADMIN_PERM,
	}, {
		.cmd = MEMNET_CMD_TCPS_GET,
		.dumpit = tcps_dump,
	}, {
		.cmd = MEMNET_CMD_SESSION_GET,
		.dumpit = session_dump,
	}, {
		.cmd = MEMNET_CMD_SOCKET_GET,
		.dumpit = socket_dump,
	}, {
		.cmd = MEMNET_CMD_STATS_GET,
		.dumpit = stats_dump,
	},
};

static struct genl_family memnet_family __ro_after_init = {
	.name = MEMNET_FAMILY_NAME,
	.version = MEMNET_FAMILY_VERSION,
	.module = THIS_MODULE,
	.ops = memnet_ops,
	.n_ops = ARRAY_SIZE(memnet_ops),
	.netnsok = true,
	.parallel_ops = true,
};

/**
 * memnet_netlink_init() - register the family, in the core module's init
 *
 * Return: 0 or a negative errno.
 */
int __init memnet_netlink_init(void)
{
	return genl_register_family(&memnet_family);
}

/**
 * memnet_netlink_exit() - unregister the family; waits for requests under way
 *
 * No module is registered any more, for they all use this one.
 */
void memnet_netlink_exit(void)
{
	genl_unregister_family(&memnet_family);
}
