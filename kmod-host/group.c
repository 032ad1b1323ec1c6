// SPDX-License-Identifier: GPL-2.0
/*
 * Who may make AF_MEMNET sockets: the members of a range of groups, for each network namespace.
 *
 * net.memnet.group_range is read, written and obeyed as net.ipv4.ping_group_range is (net/ipv4): it
 * is in the ids of whoever reads or writes it, a range that ends before it begins has nobody in it,
 * and root has no privilege. At first everybody is in it. Sockets that there are stay.
 *
 * Locks: lock for both ends of the range at once, process context.
 */
#include <linux/cred.h>
#include <linux/seqlock.h>
#include <linux/sysctl.h>
#include <linux/user_namespace.h>
#include <net/netns/generic.h>

#include "memnet.h"

/**
 * struct group_net - of a network namespace
 * @lock:	@first and @last
 * @first:	first group that may
 * @last:	last one
 * @table:	net.memnet, and an empty entry behind it
 * @header:	its registration
 */
struct group_net {
	seqlock_t		lock;		/* first, last */
	kgid_t			first;
	kgid_t			last;
	struct ctl_table	table[2];
	struct ctl_table_header	*header;
};

static unsigned int group_net_id;
static unsigned long least, most = UINT_MAX - 1;

static void read_range(struct group_net *gn, kgid_t *first, kgid_t *last)
{
	unsigned int seq;

	do {
		seq = read_seqbegin(&gn->lock);
		*first = gn->first;
		*last = gn->last;
	} while (read_seqretry(&gn->lock, seq));
}

static int write_range(struct group_net *gn, const unsigned long *id)
{
	kgid_t first = make_kgid(current_user_ns(), id[0]);
	kgid_t last = make_kgid(current_user_ns(), id[1]);

	if (!gid_valid(first) || !gid_valid(last))
		return -EINVAL;
	/* Ids of a user namespace need not be in the order of those beneath. */
	if (id[1] < id[0] || gid_lt(last, first)) {
		first = KGIDT_INIT(1);
		last = KGIDT_INIT(0);
	}
	write_seqlock(&gn->lock);
	gn->first = first;
	gn->last = last;
	write_sequnlock(&gn->lock);
	return 0;
}

static int group_range(memnet_ctl_table *table, int write, void *buffer, size_t *len, loff_t *pos)
{
	struct group_net *gn = table->data;
	unsigned long id[2];
	struct ctl_table both = {
		.data = id,
		.maxlen = sizeof(id),
		.mode = table->mode,
		.extra1 = &least,
		.extra2 = &most,
	};
	kgid_t first, last;
	int ret;

	read_range(gn, &first, &last);
	id[0] = from_kgid_munged(current_user_ns(), first);
	id[1] = from_kgid_munged(current_user_ns(), last);
	ret = proc_doulongvec_minmax(&both, write, buffer, len, pos);
	return !ret && write ? write_range(gn, id) : ret;
}

/**
 * memnet_group_may() - may the current task make sockets of the family
 * @net: in this namespace
 */
bool memnet_group_may(struct net *net)
{
	const struct group_info *groups = current_cred()->group_info;
	kgid_t first, last, gid = current_egid();
	int i;

	read_range(net_generic(net, group_net_id), &first, &last);
	for (i = 0; gid_lt(gid, first) || gid_gt(gid, last); gid = groups->gid[i++])
		if (i == groups->ngroups)
			return false;
	return true;
}

static int __net_init group_net_init(struct net *net)
{
	struct group_net *gn = net_generic(net, group_net_id);

	seqlock_init(&gn->lock);
	gn->first = KGIDT_INIT(0);
	gn->last = KGIDT_INIT(UINT_MAX - 1);
	gn->table[0] = (struct ctl_table){
		.procname = "group_range",
		.data = gn,
		.maxlen = 2 * sizeof(unsigned long),
		.mode = 0644,
		.proc_handler = group_range,
	};
	gn->header = register_net_sysctl_sz(net, "net/memnet", gn->table, 1);
	return gn->header || !IS_ENABLED(CONFIG_SYSCTL) ? 0 : -ENOMEM;
}

static void __net_exit group_net_exit(struct net *net)
{
	struct group_net *gn = net_generic(net, group_net_id);

	if (gn->header)
		unregister_net_sysctl_table(gn->header);
}

static struct pernet_operations group_net_ops = {
	.init	= group_net_init,
	.exit	= group_net_exit,
	.id	= &group_net_id,
	.size	= sizeof(struct group_net),
};

/**
 * memnet_group_init() - everybody may
 *
 * Return: 0 or a negative errno.
 */
int memnet_group_init(void)
{
	return register_pernet_subsys(&group_net_ops);
}

/**
 * memnet_group_exit() - clean up; nobody makes sockets any more
 */
void memnet_group_exit(void)
{
	unregister_pernet_subsys(&group_net_ops);
}
