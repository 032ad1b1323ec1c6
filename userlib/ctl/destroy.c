// SPDX-License-Identifier: GPL-2.0
/*
 * The end of a socket by an administrator: SOCK_DESTROY of sock_diag(7), for
 * which the generic netlink of the other commands has no word.
 */
#include <linux/sock_diag.h>
#include <netlink/errno.h>

#include <linux/memnet_diag.h>

#include "ctl.h"
#include "memnet.h"

static struct nl_sock *sock;

static void connect_diag(void)
{
	int err;

	sock = nl_socket_alloc();
	if (!sock)
		fail("out of memory");
	err = nl_connect(sock, NETLINK_SOCK_DIAG);
	if (err)
		fail("socket kill: %s", nl_geterror(err));
}

/**
 * socket_destroy() - reset a socket's connection
 * @cookie: of the socket
 *
 * Return: false if there was nothing to reset any more.
 */
bool socket_destroy(uint64_t cookie)
{
	struct memnet_diag_req req = {
		.family = (uint8_t)memnet_family(),
		.cookie = { (uint32_t)cookie, (uint32_t)(cookie >> 32) },
	};
	struct nl_msg *msg;
	int err;

	if (!sock)
		connect_diag();
	msg = nlmsg_alloc_simple(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK);
	if (!msg || nlmsg_append(msg, &req, sizeof(req), NLMSG_ALIGNTO))
		fail("out of memory");
	err = nl_send_auto(sock, msg);
	nlmsg_free(msg);
	if (err >= 0)
		err = nl_wait_for_ack(sock);
	if (err == -NLE_PERM)
		fail("socket kill: this needs CAP_NET_ADMIN");
	if (err < 0 && err != -NLE_OBJ_NOTFOUND)
		fail("socket kill: %s", nl_geterror(err));
	return err >= 0;
}
