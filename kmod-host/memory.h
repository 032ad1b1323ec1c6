/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that is charged to a group, for those who hold some for a socket. */
#ifndef MEMNET_MEMORY_H
#define MEMNET_MEMORY_H

#include <linux/memcontrol.h>

#include "memnet.h"

void memnet_memory_account(struct sock *sk);
void memnet_memory_came(struct sock *sk);
void memnet_memory_freed(struct sock *sk, int bytes);
void memnet_memory_attach(struct memnet_endpoint *ep, struct sock *sk);
void memnet_memory_detach(struct memnet_endpoint *ep);
void __memnet_memory_prepay(struct sock *sk, size_t bytes);
bool memnet_memory_pressed(const struct memnet_endpoint *ep);
void memnet_memory_destruct(struct sock *sk);
void memnet_memory_init(struct proto *prot);
void memnet_memory_exit(void);

/* Is a group charged for what a socket holds? */
static inline bool memnet_memory_pays(const struct sock *sk)
{
	return mem_cgroup_sockets_enabled && sk->sk_memcg;
}

/* So many bytes are about to be sent. The socket is locked; may sleep and reclaim. */
static inline void memnet_memory_prepay(struct sock *sk, size_t bytes)
{
	if (memnet_memory_pays(sk))
		__memnet_memory_prepay(sk, bytes);
}

/* An endpoint holds so many bytes more; who adds incoming ones has it locked. */
static inline void memnet_memory_hold(struct memnet_endpoint *ep, int bytes)
{
	if (ep->payer)
		atomic_add(bytes, &memnet_sk(ep->payer)->held);
}

#endif /* MEMNET_MEMORY_H */
