// SPDX-License-Identifier: GPL-2.0
/*
 * Socket options.
 *
 * SOL_SOCKET options are kept and read by the core, in struct sock. Those that mean something
 * here are a whitelist; kernels before 6.7 do not ask. What the node must know (addresses that
 * may be shared, keepalive) is compared and copied before bind, listen and connect, keepalive
 * also at once. TCP and IP options are a whitelist: each has its bounds, checked here as TCP
 * checks them so that they cannot fail on the node; the value is kept on the host, answers
 * getsockopt(), and is copied to the node without an answer. Options set before the socket has an
 * endpoint are copied when it gets one. On a connection TCP_NODELAY and TCP_CORK go in stream
 * order, as messages of the queue; of more than MAX_QUEUED that wait there only the last value
 * goes, behind everything. All others overtake the stream, whose peer may not read: they are bits
 * of tx.options, and it is the value of the moment that is sent. All else is ENOPROTOOPT.
 *
 * A delegated socket has all options that its native socket has.
 */
#include <linux/bpf.h>
#include <linux/tcp.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "memnet.h"

#define MAX_QUEUED 64 /* TCP_NODELAY and TCP_CORK among the payload that waits, as on the node */

/* The options the node has a copy of. */
static const struct option {
	int level, name;
	int min, max;
	int deflt;	/* while nobody has set it */
	int family;	/* AF_UNSPEC, or the only family that has it */
	bool flag;	/* any non-zero value is 1 */
} options[MEMNET_OPT_END] = {
	[MEMNET_OPT_NODELAY] = { SOL_TCP, TCP_NODELAY, INT_MIN, INT_MAX, 0, AF_UNSPEC, true },
	[MEMNET_OPT_CORK] = { SOL_TCP, TCP_CORK, INT_MIN, INT_MAX, 0, AF_UNSPEC, true },
	[MEMNET_OPT_QUICKACK] = { SOL_TCP, TCP_QUICKACK, INT_MIN, INT_MAX, 1, AF_UNSPEC, true },
	[MEMNET_OPT_KEEPIDLE] = { SOL_TCP, TCP_KEEPIDLE, 1, MAX_TCP_KEEPIDLE,
				  TCP_KEEPALIVE_TIME / HZ },
	[MEMNET_OPT_KEEPINTVL] = { SOL_TCP, TCP_KEEPINTVL, 1, MAX_TCP_KEEPINTVL,
				   TCP_KEEPALIVE_INTVL / HZ },
	[MEMNET_OPT_KEEPCNT] = { SOL_TCP, TCP_KEEPCNT, 1, MAX_TCP_KEEPCNT, TCP_KEEPALIVE_PROBES },
	[MEMNET_OPT_USER_TIMEOUT] = { SOL_TCP, TCP_USER_TIMEOUT, 0, INT_MAX, 0 },
	[MEMNET_OPT_DEFER_ACCEPT] = { SOL_TCP, TCP_DEFER_ACCEPT, 0, INT_MAX, 0 },
	[MEMNET_OPT_SYNCNT] = { SOL_TCP, TCP_SYNCNT, 1, MAX_TCP_SYNCNT, TCP_SYN_RETRIES },
	[MEMNET_OPT_LINGER2] = { SOL_TCP, TCP_LINGER2, -1, 120, TCP_FIN_TIMEOUT / HZ },
	[MEMNET_OPT_TOS] = { SOL_IP, IP_TOS, 0, 255, 0 },
	[MEMNET_OPT_TTL] = { SOL_IP, IP_TTL, 1, 255, IPDEFTTL },
	[MEMNET_OPT_V6ONLY] = { SOL_IPV6, IPV6_V6ONLY, INT_MIN, INT_MAX, 0, AF_INET6, true },
	[MEMNET_OPT_HOPS] = { SOL_IPV6, IPV6_UNICAST_HOPS, -1, 255, IPV6_DEFAULT_HOPLIMIT,
			      AF_INET6 },
	[MEMNET_OPT_TCLASS] = { SOL_IPV6, IPV6_TCLASS, -1, 255, 0, AF_INET6 },
};

static int find(const struct sock *sk, int level, int name)
{
	int i;

	for (i = 0; i < MEMNET_OPT_END; i++) {
		const struct option *o = &options[i];

		if (o->level == level && o->name == name &&
		    (!o->family || o->family == sk->sk_family))
			return i;
	}
	return -ENOPROTOOPT;
}

/**
 * memnet_option() - level and name of an option
 * @i: enum memnet_opt
 * @level: result
 * @name: result
 */
void memnet_option(int i, int *level, int *name)
{
	*level = options[i].level;
	*name = options[i].name;
}

static void make_message(struct wire_msg *msg, int level, int name, int value)
{
	__le32 wire = cpu_to_le32(value);

	wire_init(msg, WIRE_SETOPT, 0, 0);
	msg->setopt.level = cpu_to_le32(level);
	msg->setopt.name = cpu_to_le32(name);
	msg->setopt.len = cpu_to_le32(sizeof(wire));
	memcpy(msg->setopt.value, &wire, sizeof(wire));
}

static int post_value(struct memnet_endpoint *ep, int level, int name, int value)
{
	struct wire_msg msg;

	make_message(&msg, level, name, value);
	return memnet_post(ep, &msg, GFP_KERNEL);
}

/**
 * memnet_option_message() - the message that tells the node an option
 * @sk: socket; its endpoint's lock is held
 * @i: enum memnet_opt, or MEMNET_OPT_END for SO_KEEPALIVE
 * @msg: result
 */
void memnet_option_message(struct sock *sk, int i, struct wire_msg *msg)
{
	const struct memnet_sock *mn = memnet_sk(sk);

	if (i == MEMNET_OPT_END)
		make_message(msg, SOL_SOCKET, SO_KEEPALIVE, READ_ONCE(mn->synced.keepalive));
	else
		make_message(msg, options[i].level, options[i].name, READ_ONCE(mn->opt[i]));
}

/* An option of an endpoint has changed; the socket has the value. */
static int tell(struct memnet_endpoint *ep, int i, int level, int name, int value, gfp_t gfp)
{
	bool ordered = i == MEMNET_OPT_NODELAY || i == MEMNET_OPT_CORK;
	bool full = READ_ONCE(ep->tx.n_controls) >= MAX_QUEUED;
	struct wire_msg msg;

	make_message(&msg, level, name, value);
	if (READ_ONCE(ep->connected) && (full || !ordered)) {
		memnet_transmit_option(ep, i, &msg);
		return 0;
	}
	if (full && memnet_transmit_replace(ep, &msg))
		return 0;
	return memnet_post(ep, &msg, gfp);
}

static int sync_flag(struct memnet_endpoint *ep, int name, bool value, bool *synced)
{
	int ret = post_value(ep, SOL_SOCKET, name, value);

	if (!ret)
		*synced = value;
	return ret;
}

/**
 * memnet_sync_options() - tell the node the options it does not know yet
 * @sk: socket, locked
 * @ep: its endpoint
 * @all: the endpoint is new: it knows none
 *
 * Return: 0 or -ENOMEM.
 */
int memnet_sync_options(struct sock *sk, struct memnet_endpoint *ep, bool all)
{
	struct memnet_sock *mn = memnet_sk(sk);
	bool keepalive = sock_flag(sk, SOCK_KEEPOPEN);
	int i, ret = 0;

	if (all)
		memset(&mn->synced, 0, sizeof(mn->synced));
	if (mn->synced.reuse != !!sk->sk_reuse)
		ret = sync_flag(ep, SO_REUSEADDR, sk->sk_reuse, &mn->synced.reuse);
	if (!ret && mn->synced.reuseport != !!sk->sk_reuseport)
		ret = sync_flag(ep, SO_REUSEPORT, sk->sk_reuseport, &mn->synced.reuseport);
	if (!ret && mn->synced.keepalive != keepalive)
		ret = sync_flag(ep, SO_KEEPALIVE, keepalive, &mn->synced.keepalive);
	for (i = 0; all && !ret && i < MEMNET_OPT_END; i++)
		if (mn->opt_set & BIT(i))
			ret = post_value(ep, options[i].level, options[i].name, mn->opt[i]);
	return ret;
}

/**
 * memnet_keepalive() - proto.keepalive: SO_KEEPALIVE is being set
 * @sk: socket, locked
 * @on: new value
 *
 * While the socket is neither connected nor listening this can wait for memnet_sync_options(). An
 * accepted one does not know what its listener's was when the node made the child.
 * Where a cgroup's program sets the option nothing may sleep: the node is told without, and a
 * native socket, which is on loopback, is not.
 */
void memnet_keepalive(struct sock *sk, int on)
{
	struct memnet_sock *mn = memnet_sk(sk);
	bool atomic = has_current_bpf_ctx(), was;

	if (mn->native && !atomic)
		memnet_native_setopt(mn, SOL_SOCKET, SO_KEEPALIVE, on);
	if (!mn->ep || sk->sk_state == TCP_CLOSE ||
	    (mn->synced.keepalive == !!on && !mn->ep->connected))
		return;
	was = mn->synced.keepalive;
	WRITE_ONCE(mn->synced.keepalive, !!on);
	if (tell(mn->ep, MEMNET_OPT_END, SOL_SOCKET, SO_KEEPALIVE, !!on,
		 atomic ? GFP_ATOMIC : GFP_KERNEL))
		mn->synced.keepalive = was;
}

/**
 * memnet_inherit_options() - an accepted socket has its listener's options
 * @sk: the new socket
 * @listener: locked
 *
 * The native child on the node has inherited the copies.
 */
void memnet_inherit_options(struct sock *sk, const struct sock *listener)
{
	const struct memnet_sock *from = memnet_sk(listener);
	struct memnet_sock *mn = memnet_sk(sk);

	sk->sk_sndbuf = listener->sk_sndbuf;
	sk->sk_rcvbuf = listener->sk_rcvbuf;
	sk->sk_userlocks = listener->sk_userlocks & (SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK);
	sk->sk_rcvlowat = listener->sk_rcvlowat;
	sk->sk_rcvtimeo = listener->sk_rcvtimeo;
	sk->sk_sndtimeo = listener->sk_sndtimeo;
	sk->sk_reuse = listener->sk_reuse;
	sk->sk_reuseport = listener->sk_reuseport;
	sk->sk_lingertime = listener->sk_lingertime;
	sock_valbool_flag(sk, SOCK_LINGER, sock_flag(listener, SOCK_LINGER));
	sock_valbool_flag(sk, SOCK_KEEPOPEN, sock_flag(listener, SOCK_KEEPOPEN));
	sock_valbool_flag(sk, SOCK_URGINLINE, sock_flag(listener, SOCK_URGINLINE));
	memcpy(mn->opt, from->opt, sizeof(mn->opt));
	mn->opt_set = from->opt_set;
	mn->synced = from->synced;
}

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

/*
 * Does a SOL_SOCKET option do here what it does for TCP? Devices, marks, priorities, filters and
 * time stamps would be the host's, where no packets are; hints for the host's stack have nothing to
 * hint at.
 */
static bool carried(int name)
{
	switch (name) {
	case SO_REUSEADDR:	/* the node is told */
	case SO_REUSEPORT:
	case SO_KEEPALIVE:
	case SO_SNDBUF:		/* the calls here obey */
	case SO_SNDBUFFORCE:
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
	case SO_RCVLOWAT:
	case SO_PEEK_OFF:
	case SO_OOBINLINE:
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
	case SO_LINGER:
	case SO_DEBUG:		/* nothing, as TCP */
	case SO_BROADCAST:
	case SO_NO_CHECK:
	case SO_BSDCOMPAT:
		return true;
	}
	return false;
}

/* SOL_SOCKET, on kernels that let a family see it (compat.h). */
static int set_socket(struct socket *sock, int name, sockptr_t value, unsigned int len)
{
	struct memnet_sock *mn = memnet_sk(sock->sk);
	int ret;

	if (memnet_delegated(mn)) {
		ret = sock_setsockopt(mn->native, SOL_SOCKET, name, value, len);
		/* For getsockopt(), which asks the outer socket. */
		if (!ret)
			sock_setsockopt(sock, SOL_SOCKET, name, value, len);
		return ret;
	}
	if (!carried(name))
		return -ENOPROTOOPT;
	ret = sock_setsockopt(sock, SOL_SOCKET, name, value, len);
	if (!ret && (name == SO_SNDBUF || name == SO_SNDBUFFORCE)) {
		/* Who waits for room may now wait for what nobody has asked. */
		lock_sock(sock->sk);
		if (mn->ep && test_bit(SOCK_NOSPACE, &sock->flags))
			memnet_transmit_want(mn->ep);
		release_sock(sock->sk);
	}
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
 * Return: 0, -EINVAL, -EFAULT, -ENOPROTOOPT or -ENOMEM.
 */
int memnet_setsockopt(struct socket *sock, int level, int name, sockptr_t value, unsigned int len)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	const struct option *o;
	int i, v, was, ret = 0;
	u32 set;

	if (level == SOL_SOCKET)
		return set_socket(sock, name, value, len);
	if (level == SOL_MEMNET)
		return name == MEMNET_NATIVE_PORTS ? set_native_ports(mn, value, len) :
						     -ENOPROTOOPT;
	if (memnet_delegated(mn))
		return mn->native->ops->setsockopt(mn->native, level, name, value, len);
	i = find(sk, level, name);
	if (i < 0)
		return i;
	o = &options[i];
	if (level == SOL_IP && len >= 1 && len < sizeof(v)) {
		u8 byte;	/* IP options may be single bytes */

		if (copy_from_sockptr(&byte, value, 1))
			return -EFAULT;
		v = byte;
	} else if (len < sizeof(v)) {
		return -EINVAL;
	} else if (copy_from_sockptr(&v, value, sizeof(v))) {
		return -EFAULT;
	}
	if (v < o->min || v > o->max)
		return -EINVAL;
	if (o->flag)
		v = !!v;
	lock_sock(sk);
	if (i == MEMNET_OPT_V6ONLY && inet_sk(sk)->inet_num) {
		ret = -EINVAL;
	} else {
		was = mn->opt[i];
		set = mn->opt_set;
		WRITE_ONCE(mn->opt[i], v);
		mn->opt_set |= BIT(i);
		if (mn->ep)
			ret = tell(mn->ep, i, level, name, v, GFP_KERNEL);
		if (ret) {	/* the node has not heard of it */
			WRITE_ONCE(mn->opt[i], was);
			mn->opt_set = set;
		} else {
			if (i == MEMNET_OPT_V6ONLY)
				sk->sk_ipv6only = v;
			if (mn->native)
				memnet_native_setopt(mn, level, name, v);
		}
	}
	release_sock(sk);
	return ret;
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

/**
 * memnet_getsockopt() - proto_ops.getsockopt, all levels but SOL_SOCKET
 * @sock: socket
 * @level: level
 * @name: name
 * @value: where the value goes
 * @len: room there; its size on return
 *
 * Return: 0, -EINVAL, -EFAULT, or -ENOPROTOOPT.
 */
int memnet_getsockopt(struct socket *sock, int level, int name, char __user *value, int __user *len)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	int i, v, room;

	if (get_user(room, len))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (level == SOL_MEMNET)
		return name == MEMNET_INFO ? get_info(sk, value, len, room) : -ENOPROTOOPT;
	if (memnet_delegated(mn))
		return mn->native->ops->getsockopt(mn->native, level, name, value, len);
	i = find(sk, level, name);
	if (i < 0)
		return i;
	lock_sock(sk);
	v = mn->opt_set & BIT(i) ? mn->opt[i] : options[i].deflt;
	release_sock(sk);
	room = min_t(int, room, sizeof(v));
	if (put_user(room, len) || copy_to_user(value, &v, room))
		return -EFAULT;
	return 0;
}
