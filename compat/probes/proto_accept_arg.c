// SPDX-License-Identifier: GPL-2.0
/* proto_ops.accept takes one structure (6.10). */
#include <linux/net.h>
#include <net/sock.h>

static int accept(struct socket *sock, struct socket *newsock, struct proto_accept_arg *arg)
{
	return arg->flags;
}

const struct proto_ops ops = { .accept = accept };
