// SPDX-License-Identifier: GPL-2.0
/* bind and connect take struct sockaddr_unsized (6.19). */
#include <linux/net.h>

static int bind(struct socket *sock, struct sockaddr_unsized *addr, int len)
{
	return len;
}

const struct proto_ops ops = { .bind = bind };
