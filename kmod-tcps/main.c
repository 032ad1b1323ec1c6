// SPDX-License-Identifier: GPL-2.0
/*
 * memnet_tcps.ko: parameters, load and unload.
 *
 * `insmod memnet_tcps.ko listen=ADDR[:PORT] allow=CIDR[,CIDR]` is a node; memnetctl can do the
 * same later and in other network namespaces. What is malformed fails the load; an address that
 * is not there (yet) is tried until it is.
 *
 * Unloading unregisters from netlink first, then ends listeners, then sessions, telling their
 * hosts.
 */
#include <linux/inet.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/slab.h>

#include "tcps.h"

static char *listen;
module_param(listen, charp, 0444);
MODULE_PARM_DESC(listen, "Address to serve hosts on: ADDR, ADDR:PORT or [ADDR]:PORT");

static char *allow[MEMNET_PREFIXES_MAX];
static int n_allow;
module_param_array(allow, charp, &n_allow, 0444);
MODULE_PARM_DESC(allow, "Where hosts may connect from: ADDR/BITS, several separated by commas");

static char *secret;
module_param(secret, charp, 0);
MODULE_PARM_DESC(secret, "Shared secret that hosts have to prove they know, 16 to 64 characters");

static char *privileged[MEMNET_PORT_RANGES_MAX];
static int n_privileged;
module_param_array(privileged, charp, &n_privileged, 0444);
MODULE_PARM_DESC(privileged,
		 "Ports below 1024 hosts may bind for privileged callers: FIRST-LAST,PORT (default: all)");

/* In the order of the bits. */
static const char *const class_names[] = {
	"prio", "mark", "route", "device", "freebind", "transparent", "tls",
};

static_assert(BIT(ARRAY_SIZE(class_names)) - 1 == MEMNET_OPTION_CLASS_MASK);

static char *options[ARRAY_SIZE(class_names)];
static int n_options;
module_param_array(options, charp, &n_options, 0444);
MODULE_PARM_DESC(options,
		 "Classes of socket options hosts may set: prio,mark,route,device,freebind,transparent,tls (default: none)");

unsigned int tcps_heartbeat_ms = 5000;
module_param_named(heartbeat_ms, tcps_heartbeat_ms, uint, 0444);
MODULE_PARM_DESC(heartbeat_ms, "Time of silence after which a link is dead, 100 to 600000 (default 5000)");

/* Parameters that have bounds, at load time and later. */
#define BOUNDED(name, min, max)									\
	static int set_##name(const char *value, const struct kernel_param *kp)			\
	{											\
		return param_set_uint_minmax(value, kp, min, max);				\
	}											\
	static const struct kernel_param_ops ops_##name = { .set = set_##name,			\
							    .get = param_get_uint };		\
	module_param_cb(name, &ops_##name, &tcps_##name, 0644)

unsigned int tcps_max_sessions = 64;
BOUNDED(max_sessions, 1, UINT_MAX);
MODULE_PARM_DESC(max_sessions,
		 "Sessions at a time on one address, one for each link of a host (default 64)");

unsigned int tcps_max_endpoints;
module_param_named(max_endpoints, tcps_max_endpoints, uint, 0644);
MODULE_PARM_DESC(max_endpoints,
		 "Sockets of a host (default: 65536, or one for each 8 pages of memory)");

unsigned long tcps_max_pages;
module_param_named(max_pages, tcps_max_pages, ulong, 0644);
MODULE_PARM_DESC(max_pages,
		 "Pages held for all hosts above which windows shrink (default: 1/8 of memory)");

unsigned int tcps_max_window = 256 * 1024;
BOUNDED(max_window, 4096, 1 << 30);
MODULE_PARM_DESC(max_window, "Bytes a host may send ahead on one socket (default 262144)");

unsigned int tcps_copybreak = 1024;
module_param_named(copybreak, tcps_copybreak, uint, 0644);
MODULE_PARM_DESC(copybreak,
		 "Payloads up to this size are copied, larger ones passed on as pages (default 1024)");

unsigned int tcps_orphan_s = 60;
BOUNDED(orphan_s, 0, 86400);
MODULE_PARM_DESC(orphan_s, "Seconds a closed socket may take to send what is queued (default 60)");

bool tcps_allow_local;
module_param_named(allow_local, tcps_allow_local, bool, 0644);
MODULE_PARM_DESC(allow_local, "Hosts may connect to services of the node itself (default N)");

struct workqueue_struct *tcps_wq;
struct workqueue_struct *tcps_session_wq, *tcps_end_wq;
atomic_long_t tcps_pages;
atomic_long_t tcps_messages;
atomic_long_t tcps_extra;

static int parse_prefix(const char *text, struct memnet_nl_prefix *p)
{
	struct netlink_ext_ack extack = {};
	unsigned int bits;
	const char *end;
	int ret;

	if (in4_pton(text, -1, (u8 *)&p->in, '/', &end)) {
		p->family = AF_INET;
		bits = 32;
	} else if (in6_pton(text, -1, (u8 *)&p->in6, '/', &end)) {
		p->family = AF_INET6;
		bits = 128;
	} else {
		goto malformed;
	}
	if (*end && (*end != '/' || kstrtouint(end + 1, 10, &bits)))
		goto malformed;
	p->length = min(bits, 255U);
	ret = memnet_nl_check_prefix(p, &extack);
	if (ret)
		pr_err("memnet_tcps: allow=%s: %s\n", text, extack._msg);
	return ret;

malformed:
	pr_err("memnet_tcps: allow=%s is not an address with an optional /length\n", text);
	return -EINVAL;
}

static int parse_range(const char *text, struct memnet_port_range *r)
{
	const char *dash = strchr(text, '-');
	char first[8] = {};
	int ret;

	if (dash) {
		if (dash - text >= sizeof(first))
			return -EINVAL;
		memcpy(first, text, dash - text);
		ret = kstrtou16(first, 10, &r->first) ?: kstrtou16(dash + 1, 10, &r->last);
	} else {
		ret = kstrtou16(text, 10, &r->first);
		r->last = r->first;
	}
	if (ret || !r->first || r->first > r->last)
		return -EINVAL;
	return 0;
}

static int parse_class(const char *text, u32 *classes)
{
	int i = match_string(class_names, ARRAY_SIZE(class_names), text);

	if (i < 0)
		return i;
	*classes |= BIT(i);
	return 0;
}

static int parse_params(struct memnet_nl_tcps_cfg *cfg)
{
	struct netlink_ext_ack extack = {};
	int i, ret;

	ret = memnet_nl_parse_addr_text(listen, true, &cfg->addr, &extack);
	if (ret) {
		pr_err("memnet_tcps: listen=%s: %s\n", listen, extack._msg);
		return ret;
	}
	if (!n_allow) {
		pr_err("memnet_tcps: listen= needs allow=CIDR[,CIDR], where hosts are\n");
		return -EINVAL;
	}
	for (i = 0; i < n_allow; i++) {
		ret = parse_prefix(allow[i], &cfg->allow[i]);
		if (ret)
			return ret;
	}
	cfg->n_allow = n_allow;
	for (i = 0; i < n_privileged; i++) {
		ret = parse_range(privileged[i], &cfg->privileged[i]);
		if (ret) {
			pr_err("memnet_tcps: privileged=%s is not a port or a range of ports\n",
			       privileged[i]);
			return ret;
		}
	}
	cfg->n_privileged = n_privileged;
	if (!n_privileged) {
		cfg->privileged[0] = (struct memnet_port_range){ .first = 1, .last = 1023 };
		cfg->n_privileged = 1;
	}
	for (i = 0; i < n_options; i++) {
		ret = parse_class(options[i], &cfg->options);
		if (ret) {
			pr_err("memnet_tcps: options=%s is not a class of options\n", options[i]);
			return ret;
		}
	}
	if (secret) {
		cfg->secret.len = strlen(secret);
		if (cfg->secret.len < MEMNET_SECRET_MIN || cfg->secret.len > MEMNET_SECRET_MAX) {
			pr_err("memnet_tcps: a secret has %d to %d characters\n", MEMNET_SECRET_MIN,
			       MEMNET_SECRET_MAX);
			return -EINVAL;
		}
		memcpy(cfg->secret.key, secret, cfg->secret.len);
	}
	return 0;
}

static int listen_by_params(void)
{
	struct memnet_nl_tcps_cfg *cfg;
	int ret;

	if (!listen) {
		if (!n_allow && !secret && !n_privileged && !n_options)
			return 0;
		pr_err("memnet_tcps: %s= is of the address that listen= serves on, and there is none\n",
		       n_allow ? "allow" : secret ? "secret" : n_options ? "options" :
									    "privileged");
		return -EINVAL;
	}
	cfg = kzalloc(sizeof(*cfg), GFP_KERNEL);
	if (!cfg)
		return -ENOMEM;
	ret = parse_params(cfg) ?: tcps_listener_create(&init_net, cfg, true);
	kfree_sensitive(cfg);
	return ret;
}

static int __init tcps_init(void)
{
	int ret;

	if (tcps_heartbeat_ms < MEMNET_HEARTBEAT_MIN || tcps_heartbeat_ms > MEMNET_HEARTBEAT_MAX) {
		pr_err("memnet_tcps: heartbeat_ms=%u is not %u to %u\n", tcps_heartbeat_ms,
		       MEMNET_HEARTBEAT_MIN, MEMNET_HEARTBEAT_MAX);
		return -EINVAL;
	}
	if (!tcps_max_pages)
		tcps_max_pages = totalram_pages() / 8;
	/* A native socket takes about a page. */
	if (!tcps_max_endpoints)
		tcps_max_endpoints = min(totalram_pages() / 8, (unsigned long)WIRE_MAX_SLOTS);
	ret = tcps_endpoint_init();
	if (ret)
		return ret;
	tcps_cred_init();
	ret = -ENOMEM;
	/* A worker with many endpoints does not keep the CPU's other work waiting. */
	tcps_wq = alloc_workqueue("memnet_tcps",
				  WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_CPU_INTENSIVE | WQ_PERCPU, 0);
	if (!tcps_wq)
		goto err_cred;
	tcps_session_wq = alloc_workqueue("memnet_tcps_session", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!tcps_session_wq)
		goto err_wq;
	/* Sessions that begin wait for others to end: those do not stand in line behind them. */
	tcps_end_wq = alloc_workqueue("memnet_tcps_end", WQ_MEM_RECLAIM | WQ_UNBOUND,
				      WQ_MAX_ACTIVE);
	if (!tcps_end_wq)
		goto err_session_wq;
	ret = memnet_nl_register_tcps(&tcps_nl_ops);
	if (ret)
		goto err_end_wq;
	ret = listen_by_params();
	if (ret)
		goto err_netlink;
	return 0;

err_netlink:
	memnet_nl_unregister_tcps();
	tcps_listener_destroy_all(WIRE_REASON_UNLOAD);
err_end_wq:
	destroy_workqueue(tcps_end_wq);
err_session_wq:
	destroy_workqueue(tcps_session_wq);
err_wq:
	destroy_workqueue(tcps_wq);
err_cred:
	tcps_cred_exit();
	tcps_endpoint_exit();
	return ret;
}

static void __exit tcps_exit(void)
{
	memnet_nl_unregister_tcps();
	tcps_listener_destroy_all(WIRE_REASON_UNLOAD);
	destroy_workqueue(tcps_end_wq);
	destroy_workqueue(tcps_session_wq);
	destroy_workqueue(tcps_wq);
	tcps_cred_exit();
	tcps_endpoint_exit();
}

module_init(tcps_init);
module_exit(tcps_exit);
MODULE_DESCRIPTION("MemNet node: TCP sockets on behalf of hosts");
MODULE_LICENSE("GPL");
MODULE_SOFTDEP("pre: ipv6");
