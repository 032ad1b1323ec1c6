// SPDX-License-Identifier: GPL-2.0
/* A cgroup's program for addresses may change their length (6.7). */
#include <linux/bpf-cgroup.h>
#include <linux/net.h>

#ifdef CONFIG_CGROUP_BPF
int probe(struct sock *sk, int *len)
{
	return __cgroup_bpf_run_filter_sock_addr(sk, NULL, len, CGROUP_INET4_BIND, NULL, NULL);
}
#endif
