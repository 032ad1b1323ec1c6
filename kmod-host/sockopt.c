// SPDX-License-Identifier: GPL-2.0
/*
 * setsockopt() and getsockopt().
 *
 * SOL_SOCKET is the core's (sock_level.c). Of TCP, IP and IPv6 an option is one of the table of
 * option.c; or one that TCP judges (judged.c); or one of the few of which TCP, too, only says that
 * they cannot be set, with a value that never changes; or it is ENOPROTOOPT. Arguments are looked
 * at in the order in which the kernel looks at them, which is another one for each level.
 *
 * A delegated socket has all options that its native socket has. One without an endpoint that is
 * asked for what only TCP knows asks a native socket that is made for it, and has its options.
 */
#include <linux/tcp.h>
#include <net/ipv6.h>

#include "ktls.h"
#include "option.h"

static int set_native_ports(struct memnet_sock *mn, sockptr_t value, unsigned int len)
{
	struct memnet_port_range *ranges = NULL;
	unsigned int n = len / sizeof(*ranges), i;
	int ret = 0;

	if (len % sizeof(*ranges) || n > MEMNET_NATIVE_PORTS_MAX)
		return -EINVAL;
	if (n) {
		ranges = kmalloc_array(n, sizeof(*ranges), GFP_KERNEL);
		if (!ranges)
			return -ENOMEM;
		if (copy_from_sockptr(ranges, value, len))
			ret = -EFAULT;
	}
	for (i = 0; !ret && i < n; i++)
		if (!ranges[i].first || ranges[i].last < ranges[i].first)
			ret = -EINVAL;
	if (ret) {
		kfree(ranges);
		return ret;
	}
	lock_sock(&mn->inet.sk);
	swap(mn->native_ports, ranges);
	mn->n_native_ports = n;
	release_sock(&mn->inet.sk);
	kfree(ranges);
	return 0;
}

#define NUMBER	-1	/* the port number, as it is the protocol of raw sockets */
#define NOTHING	-2

#ifdef MEMNET_HAVE_router_alert_read
#define ROUTER_ALERT 0
#else
#define ROUTER_ALERT NOTHING
#endif

/*
 * What cannot be set, and how that is said. @len: with that only a value of this size at least;
 * @value: what is read, or NUMBER, or NOTHING where it cannot be; @unread: the value that is set is
 * not looked at.
 */
static const struct constant {
	int level, name;
	int error;
	unsigned int len;
	int value;
	int family;
	bool unread;
} constants[] = {
#ifdef TCP_IS_MPTCP
	{ SOL_TCP, TCP_IS_MPTCP, -ENOPROTOOPT, 4, 0 },
#endif
	{ SOL_TCP, TCP_TIMESTAMP, -EPERM, 4, NOTHING },
	{ SOL_IP, IP_HDRINCL, -ENOPROTOOPT, 0, 0 },
	{ SOL_IP, IP_NODEFRAG, -ENOPROTOOPT, 0, 0 },
	{ SOL_IP, IP_ROUTER_ALERT, -EINVAL, 0, ROUTER_ALERT },
	{ SOL_IP, IP_RECVFRAGSIZE, -EINVAL, 0, 0 },
	{ SOL_IP, IP_MULTICAST_IF, -EINVAL, 0, 0, 0, true },
	{ SOL_IP, IP_MULTICAST_TTL, -EINVAL, 0, 1 },
	{ SOL_IP, IP_PROTOCOL, -ENOPROTOOPT, 0, NUMBER, 0, true },
	{ SOL_IPV6, IPV6_MULTICAST_IF, -ENOPROTOOPT, 0, 0, AF_INET6 },
	{ SOL_IPV6, IPV6_MULTICAST_HOPS, -ENOPROTOOPT, 0, IPV6_DEFAULT_MCASTHOPS, AF_INET6 },
	{ SOL_IPV6, IPV6_ROUTER_ALERT, -ENOPROTOOPT, 4, ROUTER_ALERT, AF_INET6 },
};

/*
 * What only TCP knows, set or not. @raw: it is not an integer; @own: without the node nothing else
 * will do; @here: a native socket that has been told the same says the same, and no secret of the
 * node's.
 */
static const struct finding {
	int level, name;
	bool raw, own, here;
} findings[] = {
	{ SOL_TCP, TCP_INFO, true, true },
	{ SOL_TCP, TCP_CC_INFO, true, true },
	{ SOL_TCP, TCP_CONGESTION, true },
	{ SOL_TCP, TCP_SAVED_SYN, true, true },
	{ SOL_TCP, TCP_TIMESTAMP },
	{ SOL_TCP, TCP_WINDOW_CLAMP },
	{ SOL_TCP, TCP_FASTOPEN },
	{ SOL_TCP, TCP_FASTOPEN_NO_COOKIE },
	{ SOL_TCP, TCP_FASTOPEN_KEY, .here = true },
	{ SOL_IPV6, IPV6_ADDR_PREFERENCES, .here = true },
	{ SOL_IP, IP_MTU },
};

static const struct finding *find_finding(int level, int name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(findings); i++)
		if (findings[i].level == level && findings[i].name == name)
			return &findings[i];
	return NULL;
}

static const struct constant *find_constant(const struct sock *sk, int level, int name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(constants); i++) {
		const struct constant *c = &constants[i];

		if (c->level == level && c->name == name &&
		    (!c->family || c->family == sk->sk_family))
			return c;
	}
	return NULL;
}

/* Multicast is not for TCP, which says so for these two only. */
static int refuse_membership(int level, int name, unsigned int len)
{
	if (level == SOL_IP && (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP))
		return -EPROTO;
	if (level == SOL_IPV6 && (name == IPV6_ADD_MEMBERSHIP || name == IPV6_DROP_MEMBERSHIP))
		return len < sizeof(struct ipv6_mreq) ? -EINVAL : -EPROTO;
	return 0;
}

static int copy_int(sockptr_t from, unsigned int len, int *value)
{
	u8 byte;

	*value = 0;
	if (len >= sizeof(*value))
		return copy_from_sockptr(value, from, sizeof(*value)) ? -EFAULT : 0;
	if (!len)
		return 0;
	if (copy_from_sockptr(&byte, from, 1))
		return -EFAULT;
	*value = byte;
	return 0;
}

static bool is_integer(int name)
{
	return name != TCP_CONGESTION && name != TCP_ULP && name != TCP_FASTOPEN_KEY;
}

/* A value of a level, before its name is looked at; what is too short to be one is 0. */
static int copy_value(int level, int name, sockptr_t from, unsigned int len, int *value)
{
	*value = 0;
	switch (level) {
	case SOL_TCP:
		if (!is_integer(name))
			return 0;
		return len < sizeof(*value) ? -EINVAL : copy_int(from, len, value);
	case SOL_IPV6:
		return len < sizeof(*value) || sockptr_is_null(from) ? 0 :
								       copy_int(from, len, value);
	default:
		return 0;
	}
}

static int write_option(struct sock *sk, int level, int name, sockptr_t from, unsigned int len)
{
	const struct constant *c;
	int value, ret, i;

	ret = copy_value(level, name, from, len, &value) ?: refuse_membership(level, name, len);
	if (ret)
		return ret;
	if (level == SOL_TCP && name == TCP_ULP)
		return memnet_ktls_set_ulp(sk, from, len);
	i = memnet_judged_find(level, name);
	if (i >= 0 && level == SOL_IP)
		ret = copy_int(from, len, &value);
	/* A value that is too short to be one is an error only to whom it may be another one. */
	if (i >= 0)
		return ret ?: memnet_judged_set(sk, i, from,
						level == SOL_IPV6 && len < sizeof(value) ? 0 : len,
						value);
	i = memnet_option_find(sk, level, name);
	c = find_constant(sk, level, name);
	if (i < 0 && !c)
		return -ENOPROTOOPT;
	/* Options of IP may be single bytes. */
	if (level == SOL_IP && !(c && c->unread)) {
		ret = copy_int(from, len, &value);
		if (ret)
			return ret;
	}
	if (c)
		return len < c->len ? -EINVAL : c->error;
	if (!memnet_option_fits(i, len))
		return -EINVAL;
	lock_sock(sk);
	ret = memnet_option_set(sk, i, value);
	release_sock(sk);
	return ret;
}

/**
 * memnet_setsockopt() - proto_ops.setsockopt
 * @sock: socket
 * @level: level
 * @name: name
 * @value: value
 * @len: its size
 *
 * Return: 0 or a negative errno.
 */
int memnet_setsockopt(struct socket *sock, int level, int name, sockptr_t value, unsigned int len)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);

	if (level == SOL_SOCKET)
		return memnet_set_socket(sock, name, value, len);
	if (level == SOL_MEMNET)
		return name == MEMNET_NATIVE_PORTS ? set_native_ports(mn, value, len) :
						     -ENOPROTOOPT;
	if (memnet_delegated(mn))
		return mn->native->ops->setsockopt(mn->native, level, name, value, len);
	if (level == SOL_TCP || level == SOL_IP ||
	    (level == SOL_IPV6 && sk->sk_family == AF_INET6))
		return write_option(sk, level, name, value, len);
	return level == SOL_TLS ? memnet_ktls_set(sk, name, value, len) : -ENOPROTOOPT;
}

static int get_info(struct sock *sk, char __user *value, int __user *len, int room)
{
	struct memnet_info info = { .version = MEMNET_INFO_VERSION, .size = sizeof(info) };
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep;

	lock_sock(sk);
	ep = mn->ep;
	info.state = sk->sk_state;
	if (mn->delegated)
		info.flags = MEMNET_INFO_NATIVE;
	if (ep) {
		spin_lock_bh(&ep->lock);
		if (ep->lc) {
			info.flags = MEMNET_INFO_OFFLOADED;
			info.channel = ep->lc->ch->number;
			info.id = ep->index;
			info.generation = ep->gen;
			strscpy(info.link, ep->lc->link->cfg.name, sizeof(info.link));
		}
		info.bytes_sent = ep->tx.end;
		info.bytes_received = ep->rx.copied + ep->rx.placed;
		spin_unlock_bh(&ep->lock);
	}
	release_sock(sk);
	room = min_t(int, room, sizeof(info));
	if (put_user(room, len) || copy_to_user(value, &info, room))
		return -EFAULT;
	return 0;
}

static int put_value(int level, int v, char __user *value, int __user *len, int room)
{
	u8 byte = v;

	if (level == SOL_IP && room > 0 && room < sizeof(v) && v >= 0 && v <= U8_MAX)
		return put_user(1, len) || put_user(byte, (u8 __user *)value) ? -EFAULT : 0;
	/* A negative one, which only IPv6 takes, is more than enough. */
	room = min_t(unsigned int, room, sizeof(v));
	return put_user(room, len) || copy_to_user(value, &v, room) ? -EFAULT : 0;
}

/* The node's word; its size or a negative errno. @size: of the whole value, where it is cut. */
static int ask_node(struct sock *sk, int level, int name, void *buffer, u32 room, u64 *size)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	struct memnet_answer answer = { .buffer = buffer };
	struct wire_msg msg;
	int ret;

	wire_init(&msg, WIRE_GETOPT, 0, 0);
	msg.getopt.level = cpu_to_le32(level);
	msg.getopt.name = cpu_to_le32(name);
	msg.getopt.room = cpu_to_le32(room);
	/* What was set before is in the stream's order until there is a connection. */
	ret = memnet_request(sk, ep, &msg, !READ_ONCE(ep->connected), &answer);
	*size = answer.value;
	return ret ?: answer.len;
}

/* Connections that nobody has accepted wait here, not on the node. */
static void count_children(struct sock *sk, struct tcp_info *info, u32 len)
{
	if (sk->sk_state == TCP_LISTEN && len >= offsetofend(struct tcp_info, tcpi_unacked))
		info->tcpi_unacked += READ_ONCE(memnet_sk(sk)->ep->listener.queued);
}

/* Asks the node, or without one a native socket that has the same options. */
static int read_found(struct sock *sk, int level, int name, const struct finding *f,
		      char __user *value, int __user *len, int room)
{
	bool raw = f && f->raw;
	struct memnet_sock *mn = memnet_sk(sk);
	bool once = name == TCP_SAVED_SYN && level == SOL_TCP;	/* and never cut */
	void *buffer;
	__le32 wire;
	u64 size;
	int ret;

	if (!mn->ep || (f && f->here))
		return memnet_native_getsockopt(sk, level, name, value, len);
	buffer = kmalloc(WIRE_OPT_READ, GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	ret = ask_node(sk, level, name, buffer,
		       once ? min(room, WIRE_OPT_READ) : raw ? WIRE_OPT_READ : sizeof(wire), &size);
	if (once && ret == -EINVAL && put_user((int)min_t(u64, size, WIRE_OPT_READ), len))
		ret = -EFAULT;
	/* What is usual here, where the node is not there, or does not say. */
	if (!(f && f->own) && (ret == -ENETDOWN || ret == -ECONNRESET || ret == -ECONNABORTED ||
			       ret == -ENOPROTOOPT)) {
		ret = memnet_native_getsockopt(sk, level, name, value, len);
	} else if (ret >= 0 && !raw) {
		memcpy(&wire, buffer, sizeof(wire));
		ret = ret == sizeof(wire) ?
			      put_value(level, le32_to_cpu(wire), value, len, room) : -EIO;
	} else if (ret >= 0) {
		if (name == TCP_INFO)
			count_children(sk, buffer, ret);
		room = min(room, ret);
		ret = put_user(room, len) || copy_to_user(value, buffer, room) ? -EFAULT : 0;
	}
	kfree(buffer);
	return ret;
}

static int read_option(struct sock *sk, int level, int name, char __user *value, int __user *len,
		       int room)
{
	const struct constant *c = find_constant(sk, level, name);
	const struct finding *f = find_finding(level, name);
	int i = memnet_option_find(sk, level, name), j = memnet_judged_find(level, name);
	bool known = !f;
	int ret = 0, v = 0;

	if (i < 0 && j < 0 && !c && !f)
		return -ENOPROTOOPT;
	if (c && c->value == NOTHING && !f)
		return -ENOPROTOOPT;
	lock_sock(sk);
	if (i >= 0)
		known = memnet_option_get(sk, i, &v);
	else if (memnet_judged_get(memnet_sk(sk), j, &v))
		known = true;
	else if (c)
		v = c->value == NUMBER ? inet_sk(sk)->inet_num : c->value;
	if (!known)
		ret = read_found(sk, level, name, f, value, len, room);
	release_sock(sk);
	if (!known)
		return ret;
	/* An address is not cut to a byte. */
	return put_value(name == IP_MULTICAST_IF ? SOL_TCP : level, v, value, len, room);
}

/**
 * memnet_getsockopt() - proto_ops.getsockopt, all levels but SOL_SOCKET
 * @sock: socket
 * @level: level
 * @name: name
 * @value: where the value goes
 * @len: room there; its size on return
 *
 * Return: 0 or a negative errno.
 */
int memnet_getsockopt(struct socket *sock, int level, int name, char __user *value, int __user *len)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	int room;

	if (level != SOL_MEMNET && memnet_delegated(mn))
		return mn->native->ops->getsockopt(mn->native, level, name, value, len);
	if (level == SOL_TLS)
		return memnet_ktls_get(sk, name, value, len);
	if (level != SOL_MEMNET && level != SOL_TCP && level != SOL_IP &&
	    (level != SOL_IPV6 || sk->sk_family != AF_INET6))
		return sk->sk_family == AF_INET6 ? -ENOPROTOOPT : -EOPNOTSUPP;
	if (get_user(room, len))
		return -EFAULT;
	if (room < 0 && level != SOL_IPV6)
		return -EINVAL;
	if (level == SOL_MEMNET)
		return name == MEMNET_INFO ? get_info(sk, value, len, room) : -ENOPROTOOPT;
	if (level == SOL_TCP && name == TCP_ULP)
		return memnet_ktls_get_ulp(sk, value, len, room);
	return read_option(sk, level, name, value, len, room);
}
