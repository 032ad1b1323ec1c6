// SPDX-License-Identifier: GPL-2.0
/* How long a namespace's table of sysctls is, is said, not read from it (6.6). */
#include <linux/sysctl.h>
#include <net/net_namespace.h>

struct ctl_table_header *probe(struct net *net, struct ctl_table *table)
{
	return register_net_sysctl_sz(net, "net/memnet", table, 1);
}
