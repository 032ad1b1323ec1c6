// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/net/memnet: the sockets of a namespace, a line each, for people and scripts.
 *
 * The lines are those of /proc/net/tcp in spirit: a number, the addresses, the state as a number
 * of include/net/tcp_states.h, the queues, whose it is. Addresses are written as people write them.
 * A reader keeps its place as a walk's cursor (sockets.c), so no lock and no reference is held
 * between two reads; who seeks back begins anew.
 */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>

#include "memnet.h"

/**
 * struct proc_walk - an open file
 * @p:		its namespace; first
 * @cursor:	behind @socket
 * @pos:	position in the file of @socket, 0 for the head
 * @socket:	the one at @pos, which may have to be shown again
 */
struct proc_walk {
	struct seq_net_private	p;
	u64			cursor[MEMNET_NL_CURSOR];
	loff_t			pos;
	struct memnet_nl_socket_info socket;
};

static void *proc_next(struct seq_file *seq, void *v, loff_t *pos)
{
	struct proc_walk *walk = seq->private;

	++*pos;
	walk->pos = *pos;
	memset(&walk->socket, 0, sizeof(walk->socket));
	return memnet_sockets_next(seq_file_net(seq), walk->cursor, &walk->socket) ? &walk->socket :
										     NULL;
}

static void *proc_start(struct seq_file *seq, loff_t *pos)
{
	struct proc_walk *walk = seq->private;
	void *v = SEQ_START_TOKEN;
	loff_t at = 0;

	if (*pos && *pos == walk->pos)
		return walk->socket.local.ss_family ? &walk->socket : NULL;
	if (*pos && *pos == walk->pos + 1) {
		at = walk->pos;
	} else {
		memset(walk->cursor, 0, sizeof(walk->cursor));
		walk->pos = 0;
	}
	while (v && at < *pos)
		v = proc_next(seq, v, &at);
	return v;
}

static void proc_stop(struct seq_file *seq, void *v)
{
}

static void show_address(struct seq_file *seq, const struct sockaddr_storage *ss, u16 family)
{
	const struct sockaddr_storage none = { .ss_family = family };
	char text[64];

	snprintf(text, sizeof(text), "%pISpc", ss->ss_family ? ss : &none);
	seq_printf(seq, " %-26s", text);
}

static int proc_show(struct seq_file *seq, void *v)
{
	static const char *const served[] = {
		[MEMNET_SERVED_UNDECIDED] = "-",
		[MEMNET_SERVED_OFFLOADED] = "offloaded",
		[MEMNET_SERVED_NATIVE] = "native",
	};
	const struct proc_walk *walk = seq->private;
	const struct memnet_nl_socket_info *s = v;
	kuid_t uid;

	if (v == SEQ_START_TOKEN) {
		seq_printf(seq, "  sl %-26s %-26s st %-17s %5s %10s %-9s link\n", "local_address",
			   "remote_address", "tx_queue:rx_queue", "uid", "inode", "served");
		return 0;
	}
	uid = make_kuid(&init_user_ns, s->uid);
	seq_printf(seq, "%4lld", walk->pos - 1);
	show_address(seq, &s->local, s->local.ss_family);
	show_address(seq, &s->remote, s->local.ss_family);
	seq_printf(seq, " %02X %08llX:%08llX %5u %10llu %-9s %s\n", s->state, s->tx_queue,
		   s->rx_queue, from_kuid_munged(seq_user_ns(seq), uid), s->inode,
		   served[s->served], s->link[0] ? s->link : "-");
	return 0;
}

static const struct seq_operations proc_ops = {
	.start	= proc_start,
	.next	= proc_next,
	.stop	= proc_stop,
	.show	= proc_show,
};

static int __net_init proc_net_init(struct net *net)
{
	if (!proc_create_net("memnet", 0444, net->proc_net, &proc_ops, sizeof(struct proc_walk)) &&
	    IS_ENABLED(CONFIG_PROC_FS))
		return -ENOMEM;
	return 0;
}

static void __net_exit proc_net_exit(struct net *net)
{
	remove_proc_entry("memnet", net->proc_net);
}

static struct pernet_operations proc_net_ops = {
	.init	= proc_net_init,
	.exit	= proc_net_exit,
};

/**
 * memnet_proc_init() - show the sockets
 *
 * Return: 0 or a negative errno.
 */
int memnet_proc_init(void)
{
	return register_pernet_subsys(&proc_net_ops);
}

/**
 * memnet_proc_exit() - show them no more; waits for who is reading
 */
void memnet_proc_exit(void)
{
	unregister_pernet_subsys(&proc_net_ops);
}
