// SPDX-License-Identifier: GPL-2.0
/* A kernel socket is made to hold its network namespace by a helper (6.14, stable trees too). */
#include <net/sock.h>

void probe(struct sock *sk)
{
	sk_net_refcnt_upgrade(sk);
}
