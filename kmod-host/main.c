// SPDX-License-Identifier: GPL-2.0
/*
 * memnet.ko: parameters, load and unload.
 *
 * Every endpoint on a channel holds the module, orphans included, and every socket does (struct
 * proto_ops.owner), so it can only be unloaded when no socket lives; then the links go.
 */
#include <linux/inet.h>
#include <linux/module.h>
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
	const char *port = NULL, *addr = tcps;
	char copy[64];
	int ret;

	strscpy(cfg->name, "tcps0", sizeof(cfg->name));
	cfg->channels = channels;
	if (strscpy(copy, tcps, sizeof(copy)) < 0)
		return -EINVAL;
	if (copy[0] == '[') {
		char *end = strchr(copy, ']');

		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		*end = 0;
		addr = copy + 1;
		port = end[1] ? end + 2 : NULL;
	} else {
		char *colon = strchr(copy, ':');

		addr = copy;
		if (colon && colon == strrchr(copy, ':')) {
			*colon = 0;
			port = colon + 1;
		}
	}
	ret = inet_pton_with_scope(&init_net, AF_UNSPEC, addr,
				   port ?: __stringify(WIRE_DEFAULT_PORT), &cfg->addr);
	if (ret)
		return ret;
	/* the port lies at the same place in both families */
	if (channels > WIRE_MAX_CHANNELS || !((struct sockaddr_in *)&cfg->addr)->sin_port)
		return -EINVAL;
	if (secret) {
		cfg->secret.len = strlen(secret);
		if (cfg->secret.len < MEMNET_SECRET_MIN ||
		    cfg->secret.len > sizeof(cfg->secret.key))
			return -EINVAL;
		memcpy(cfg->secret.key, secret, cfg->secret.len);
	}
	return 0;
}

static int __init host_init(void)
{
	struct memnet_nl_link_cfg *cfg = NULL;
	int ret;

	if (tcps) {
		cfg = kzalloc(sizeof(*cfg), GFP_KERNEL);
		if (!cfg)
			return -ENOMEM;
		ret = parse_link(cfg);
		if (ret) {
			pr_err("memnet: parameters tcps=%s channels=%u: not a node's address, or secret or number of channels out of range\n",
			       tcps, channels);
			goto free;
		}
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
	ret = memnet_family_init();
	if (ret) {
		pr_err("memnet: address family %u is not to be had: error %d\n",
		       memnet_family_number, ret);
		goto links;
	}
	ret = memnet_host_netlink_init();
	if (ret)
		goto family;
	ret = memnet_context_init();
	if (ret)
		goto netlink;
	if (cfg) {
		ret = memnet_link_add(&init_net, cfg, NULL);
		if (ret)
			goto context;
		kfree_sensitive(cfg);
	}
	return 0;
context:
	memnet_context_exit();
netlink:
	memnet_host_netlink_exit();
family:
	memnet_family_exit();
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
	memnet_context_exit();
	memnet_host_netlink_exit();
	memnet_family_exit();
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
