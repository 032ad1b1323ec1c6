// SPDX-License-Identifier: GPL-2.0
/*
 * memnet.ko: parameters, load and unload. What cannot be meant fails the load and says so.
 *
 * Every endpoint on a channel holds the module, orphans included, and so do every socket (struct
 * proto_ops.owner) and every open /dev/memnet: it can be unloaded when there is none; then the
 * links go.
 */
#include <linux/module.h>
#include <linux/netlink.h>
#include <net/net_namespace.h>

#include "context.h"
#include "region.h"

module_param_named(family, memnet_family_number, uint, 0444);
MODULE_PARM_DESC(family, "Number of the address family (default 25; autoload knows only that)");

static char *tcps;
module_param(tcps, charp, 0444);
MODULE_PARM_DESC(tcps, "Node to connect to at load: ADDRESS[:PORT] or [ADDRESS]:PORT, link tcps0");

static unsigned int channels;
module_param(channels, uint, 0444);
MODULE_PARM_DESC(channels, "Channels of that link (default: one for each CPU, at most 8)");

module_param_named(max_pages, memnet_max_pages, ulong, 0644);
MODULE_PARM_DESC(max_pages, "Pages that receive windows may grow to together, and that unsent bytes may fill (default 1/8 of memory)");

static char *secret;
module_param(secret, charp, 0);
MODULE_PARM_DESC(secret, "Shared secret of that link, as text");

static int parse_link(struct memnet_nl_link_cfg *cfg)
{
	struct netlink_ext_ack extack = {};
	int ret;

	strscpy(cfg->name, "tcps0", sizeof(cfg->name));
	ret = memnet_nl_parse_addr_text(tcps, false, &cfg->addr, &extack);
	if (ret) {
		pr_err("memnet: tcps=%s: %s\n", tcps, extack._msg);
		return ret;
	}
	if (channels > WIRE_MAX_CHANNELS) {
		pr_err("memnet: channels=%u is more than %u\n", channels, WIRE_MAX_CHANNELS);
		return -EINVAL;
	}
	cfg->channels = channels;
	if (secret) {
		cfg->secret.len = strlen(secret);
		if (cfg->secret.len < MEMNET_SECRET_MIN || cfg->secret.len > MEMNET_SECRET_MAX) {
			pr_err("memnet: a secret has %d to %d characters\n", MEMNET_SECRET_MIN,
			       MEMNET_SECRET_MAX);
			return -EINVAL;
		}
		memcpy(cfg->secret.key, secret, cfg->secret.len);
	}
	return 0;
}

static int __init host_init(void)
{
	struct memnet_nl_link_cfg *cfg = NULL;
	int ret;

	if (!memnet_family_number) {
		pr_err("memnet: family=0 is no address family's number\n");
		return -EINVAL;
	}
	if (!tcps && (channels || secret)) {
		pr_err("memnet: %s= is of the link that tcps= makes, and there is none\n",
		       channels ? "channels" : "secret");
		return -EINVAL;
	}
	if (tcps) {
		cfg = kzalloc(sizeof(*cfg), GFP_KERNEL);
		if (!cfg)
			return -ENOMEM;
		ret = parse_link(cfg);
		if (ret)
			goto free;
	}
	ret = memnet_endpoints_init();
	if (ret)
		goto free;
	ret = memnet_jobs_init();
	if (ret)
		goto endpoints;
	ret = memnet_recv_jobs_init();
	if (ret)
		goto jobs;
	ret = memnet_regions_init();
	if (ret)
		goto recv_jobs;
	ret = memnet_areas_init();
	if (ret)
		goto regions;
	ret = memnet_links_init();
	if (ret)
		goto areas;
	ret = memnet_group_init();
	if (ret)
		goto links;
	ret = memnet_sockets_init();
	if (ret)
		goto group;
	ret = memnet_family_init();
	if (ret) {
		pr_err("memnet: address family %u is not to be had: error %d\n",
		       memnet_family_number, ret);
		goto sockets;
	}
	ret = memnet_host_netlink_init();
	if (ret)
		goto family;
	ret = memnet_proc_init();
	if (ret)
		goto netlink;
	ret = memnet_context_init();
	if (ret)
		goto proc;
	if (cfg) {
		ret = memnet_link_add(&init_net, cfg, NULL);
		if (ret)
			goto context;
	}
	ret = memnet_diag_init();
	if (ret)
		goto context;
	kfree_sensitive(cfg);
	return 0;
context:
	memnet_context_exit();
proc:
	memnet_proc_exit();
netlink:
	memnet_host_netlink_exit();
family:
	memnet_family_exit();
sockets:
	memnet_sockets_exit();
group:
	memnet_group_exit();
links:
	memnet_links_exit();
areas:
	memnet_areas_exit();
regions:
	memnet_regions_exit();
recv_jobs:
	memnet_recv_jobs_exit();
jobs:
	memnet_jobs_exit();
endpoints:
	memnet_endpoints_exit();
free:
	kfree_sensitive(cfg);
	return ret;
}

static void __exit host_exit(void)
{
	memnet_diag_exit();
	memnet_context_exit();
	memnet_proc_exit();
	memnet_host_netlink_exit();
	memnet_family_exit();
	memnet_sockets_exit();
	memnet_group_exit();
	memnet_links_exit();
	memnet_areas_exit();
	memnet_regions_exit();
	memnet_recv_jobs_exit();
	memnet_jobs_exit();
	memnet_endpoints_exit();
}

module_init(host_init);
module_exit(host_exit);
MODULE_DESCRIPTION("MemNet host: sockets served by an offload node");
MODULE_LICENSE("GPL");
MODULE_ALIAS_NETPROTO(AF_MEMNET);
