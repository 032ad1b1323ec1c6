/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Sockets of MemNet by sock_diag(7): SOCK_DIAG_BY_FAMILY and SOCK_DESTROY of
 * NETLINK_SOCK_DIAG, with the family's number (AF_MEMNET, or the one memnet.ko
 * was loaded with) as sdiag_family.
 *
 * With NLM_F_DUMP the answer is all sockets of the namespace in one of the
 * states asked for, else the one with that cookie. SOCK_DESTROY is for the one
 * with that cookie and needs CAP_NET_ADMIN: its program gets ECONNABORTED, its
 * peer a reset.
 */
#ifndef _UAPI_LINUX_MEMNET_DIAG_H
#define _UAPI_LINUX_MEMNET_DIAG_H

#include <linux/types.h>
#include <linux/inet_diag.h>

/**
 * struct memnet_diag_req - request
 * @family: the family's number
 * @protocol: 0
 * @reserved: 0
 * @states: of a dump: bit n for state n of struct tcp_info, TCP_CLOSE for what
 *	is not connected
 * @cookie: of the one socket, as in struct inet_diag_sockid
 */
struct memnet_diag_req {
	__u8  family;
	__u8  protocol;
	__u16 reserved;
	__u32 states;
	__u32 cookie[2];
};

/**
 * struct memnet_diag_msg - answer, followed by attributes
 * @family: AF_INET or AF_INET6
 * @state: as in struct tcp_info
 * @served: enum memnet_served of linux/memnet_netlink.h
 * @reserved: 0
 * @id: addresses and ports, and the socket's cookie, which is 0 where there is
 *	none: of a connection nobody has accepted, or left by a closed socket
 * @rqueue: bytes unread; connections to be accepted, of a listener
 * @wqueue: bytes the node has not confirmed; the backlog, of a listener
 * @uid: owner
 * @inode: as in /proc/PID/fd; 0 where there is no socket
 */
struct memnet_diag_msg {
	__u8  family;
	__u8  state;
	__u8  served;
	__u8  reserved;
	struct inet_diag_sockid id;
	__u32 rqueue;
	__u32 wqueue;
	__u32 uid;
	__aligned_u64 inode;
};

/* Attributes */
enum {
	MEMNET_DIAG_UNSPEC,
	MEMNET_DIAG_PAD,
	MEMNET_DIAG_LINK,	/* string: the link's name, absent for none */
	MEMNET_DIAG_ENDPOINT,	/* struct memnet_diag_endpoint, absent for none */
	MEMNET_DIAG_RX_BYTES,	/* u64: given to the application */
	MEMNET_DIAG_TX_BYTES,	/* u64: taken from the application */
	MEMNET_DIAG_PAGES,	/* u64: held for the socket */
	MEMNET_DIAG_JOBS,	/* u32: transfers of registered memory not over */
	MEMNET_DIAG_ERROR,	/* u32: the errno SO_ERROR would tell, absent for 0 */
	__MEMNET_DIAG_MAX,
};

#define MEMNET_DIAG_MAX (__MEMNET_DIAG_MAX - 1)

/**
 * struct memnet_diag_endpoint - the socket's presence on the node
 * @channel: channel of the link
 * @id: index of the endpoint there
 * @generation: generation of that index
 */
struct memnet_diag_endpoint {
	__u32 channel;
	__u32 id;
	__u32 generation;
};

#endif /* _UAPI_LINUX_MEMNET_DIAG_H */
