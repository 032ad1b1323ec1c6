// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses: as programs give them, as they travel, and what getsockname() and getpeername() say.
 *
 * Local addresses are the node's. The inet fields of the socket hold the names, so that core
 * code and cgroup hooks find them where they look; they are written with the socket locked, or
 * by the message that completes a connect.
 */
#include <net/inet_common.h>
#include <net/ipv6.h>

#include "memnet.h"

/**
 * memnet_sockaddr_to_wire() - an address for a message
 * @addr: sockaddr_in or sockaddr_in6
 * @len: its length
 * @wire: result
 *
 * Return: 0 or -EINVAL.
 */
int memnet_sockaddr_to_wire(const struct sockaddr *addr, int len, struct wire_addr *wire)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
	const struct sockaddr_in *in = (const struct sockaddr_in *)addr;

	memset(wire, 0, sizeof(*wire));
	if (addr->sa_family == AF_INET && len >= sizeof(*in)) {
		wire->family = cpu_to_le16(4);
		wire->port = in->sin_port;
		memcpy(wire->addr, &in->sin_addr, 4);
		return 0;
	}
	if (addr->sa_family == AF_INET6 && len >= SIN6_LEN_RFC2133) {
		wire->family = cpu_to_le16(6);
		wire->port = in6->sin6_port;
		memcpy(wire->addr, &in6->sin6_addr, 16);
		wire->scope = cpu_to_le32(len >= sizeof(*in6) ? in6->sin6_scope_id : 0);
		return 0;
	}
	return -EINVAL;
}

/**
 * memnet_wire_to_sockaddr() - an address as programs know it
 * @wire: address
 * @ss: result; family 0 for none
 */
void memnet_wire_to_sockaddr(const struct wire_addr *wire, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *in = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	if (wire->family == cpu_to_le16(4)) {
		in->sin_family = AF_INET;
		in->sin_port = wire->port;
		memcpy(&in->sin_addr, wire->addr, 4);
	} else if (wire->family == cpu_to_le16(6)) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = wire->port;
		memcpy(&in6->sin6_addr, wire->addr, 16);
		in6->sin6_scope_id = le32_to_cpu(wire->scope);
	}
}

static void to_in6(const struct wire_addr *wire, struct in6_addr *in6)
{
	if (wire->family == cpu_to_le16(4))
		ipv6_addr_set_v4mapped(*(const __be32 *)wire->addr, in6);
	else
		memcpy(in6, wire->addr, 16);
}

/**
 * memnet_set_names() - what getsockname() and getpeername() shall say
 * @sk: socket
 * @local: local address, or NULL to leave it
 * @peer: the peer's, or NULL
 */
void memnet_set_names(struct sock *sk, const struct wire_addr *local, const struct wire_addr *peer)
{
	struct inet_sock *inet = inet_sk(sk);

	if (local && local->family) {
		inet->inet_sport = local->port;
		inet->inet_num = ntohs(local->port);
		if (local->family == cpu_to_le16(4)) {
			memcpy(&inet->inet_rcv_saddr, local->addr, 4);
			inet->inet_saddr = inet->inet_rcv_saddr;
		}
		if (sk->sk_family == AF_INET6) {
			to_in6(local, &sk->sk_v6_rcv_saddr);
			inet6_sk(sk)->saddr = sk->sk_v6_rcv_saddr;
		}
	}
	if (peer && peer->family) {
		inet->inet_dport = peer->port;
		if (peer->family == cpu_to_le16(4))
			memcpy(&inet->inet_daddr, peer->addr, 4);
		if (sk->sk_family == AF_INET6)
			to_in6(peer, &sk->sk_v6_daddr);
	}
}

/**
 * memnet_getname() - proto_ops.getname
 * @sock: socket
 * @addr: result
 * @peer: the peer's, else the local one
 *
 * Return: length of the address or a negative errno.
 */
int memnet_getname(struct socket *sock, struct sockaddr *addr, int peer)
{
	struct memnet_sock *mn = memnet_sk(sock->sk);

	if (memnet_delegated(mn))
		return mn->native->ops->getname(mn->native, addr, peer);
	return sock->sk->sk_family == AF_INET6 ? inet6_getname(sock, addr, peer) :
						 inet_getname(sock, addr, peer);
}

/**
 * memnet_check_address() - may bind() or connect() be called with this
 * @sk: socket
 * @addr: address
 * @len: its length
 *
 * Return: 0, -EINVAL or -EAFNOSUPPORT.
 */
int memnet_check_address(struct sock *sk, const struct sockaddr *addr, int len)
{
	if (len < offsetofend(struct sockaddr, sa_family))
		return -EINVAL;
	if (sk->sk_family == AF_INET) {
		if (len < sizeof(struct sockaddr_in))
			return -EINVAL;
		return addr->sa_family == AF_INET ? 0 : -EAFNOSUPPORT;
	}
	if (len < SIN6_LEN_RFC2133)
		return -EINVAL;
	return addr->sa_family == AF_INET6 ? 0 : -EAFNOSUPPORT;
}
