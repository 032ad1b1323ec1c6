// SPDX-License-Identifier: GPL-2.0
/*
 * Options that are integers: their values, their bounds, and what the node knows of them.
 *
 * One table. Options of SOL_SOCKET are kept by the core in struct sock; for them memnet_sock.opt
 * says what the node was told, which is compared before bind, listen and connect, and when one was
 * set (kernels before 6.7 do not say so). All others are kept here; their bounds are TCP's and are
 * checked here, so that they cannot fail on the node, and most are told to it without an answer.
 * Those that only the calls here obey, or that have no effect on TCP, are only kept. What is read
 * while nobody has set an option, and what TCP itself changes, is asked where TCP is (sockopt.c).
 *
 * Options set before the socket has an endpoint are told when it gets one. On a connection
 * TCP_NODELAY and TCP_CORK go in stream order, as messages of the queue (or, TCP_CORK, not at all:
 * cork.c); of more than MAX_QUEUED
 * that wait there only the last value goes, behind everything. All others overtake the stream,
 * whose peer may not read: they are bits of tx.options, and it is the value of the moment that is
 * sent.
 *
 * What children have of their listeners is in inherit.c. For it, what was set since a socket
 * listens is noted (memnet_sock.changed).
 *
 * All under lock_sock().
 */
#include <linux/bpf.h>
#include <linux/tcp.h>
#include <net/inet_ecn.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/tcp.h>

#include "memnet.h"
#include "option.h"
#include "transmit.h"

#define MAX_QUEUED 64 /* TCP_NODELAY and TCP_CORK among the payload that waits, as on the node */

#define FLAG	0x01	/* any value but 0 is 1 */
#define KEPT	0x02	/* the node is not told */
#define EMPTY	0x04	/* a value that is too short is 0 */
#define ALONE	0x08	/* is not inherited */
#define SYSTEM	0x10	/* @deflt stands for a value that only TCP knows */
#define LIVE	0x20	/* only TCP knows what is to be read */
#define ZERO	0x40	/* reads 0, whatever was set */
#define OPEN	0x80	/* OPEN says it */
#define EXACT	0x100	/* a value that is too long is an error, too */

/*
 * @min, @max: bounds; @deflt: while nobody has set it; @family: AF_UNSPEC, or the only one that has
 * it. Of SOL_SOCKET only the names are used.
 */
static const struct option {
	int level, name;
	int min, max;
	int deflt;
	u8 family;
	u16 how;
} options[MEMNET_OPT_END] = {
	[MEMNET_OPT_REUSEADDR] = { SOL_SOCKET, SO_REUSEADDR },
	[MEMNET_OPT_REUSEPORT] = { SOL_SOCKET, SO_REUSEPORT },
	[MEMNET_OPT_KEEPALIVE] = { SOL_SOCKET, SO_KEEPALIVE },
	[MEMNET_OPT_SNDBUF] = { SOL_SOCKET, SO_SNDBUF },
	[MEMNET_OPT_RCVBUF] = { SOL_SOCKET, SO_RCVBUF },
	[MEMNET_OPT_BUF_LOCK] = { SOL_SOCKET, SO_BUF_LOCK },
	[MEMNET_OPT_TXREHASH] = { SOL_SOCKET, SO_TXREHASH },
	[MEMNET_OPT_PRIORITY] = { SOL_SOCKET, SO_PRIORITY },

	[MEMNET_OPT_NODELAY] = { SOL_TCP, TCP_NODELAY, INT_MIN, INT_MAX, 0, 0, FLAG },
	[MEMNET_OPT_CORK] = { SOL_TCP, TCP_CORK, INT_MIN, INT_MAX, 0, 0, FLAG },
	[MEMNET_OPT_QUICKACK] = { SOL_TCP, TCP_QUICKACK, INT_MIN, INT_MAX, 0, 0, LIVE | ALONE },
	[MEMNET_OPT_MAXSEG] = { SOL_TCP, TCP_MAXSEG, 0, MAX_TCP_WINDOW, 0, 0, LIVE },
	[MEMNET_OPT_KEEPIDLE] = { SOL_TCP, TCP_KEEPIDLE, 1, MAX_TCP_KEEPIDLE, 0, 0, SYSTEM },
	[MEMNET_OPT_KEEPINTVL] = { SOL_TCP, TCP_KEEPINTVL, 1, MAX_TCP_KEEPINTVL, 0, 0, SYSTEM },
	[MEMNET_OPT_KEEPCNT] = { SOL_TCP, TCP_KEEPCNT, 1, MAX_TCP_KEEPCNT, 0, 0, SYSTEM },
	[MEMNET_OPT_USER_TIMEOUT] = { SOL_TCP, TCP_USER_TIMEOUT, 0, INT_MAX },
	[MEMNET_OPT_DEFER_ACCEPT] = { SOL_TCP, TCP_DEFER_ACCEPT, INT_MIN, INT_MAX, 0, 0, ALONE },
	[MEMNET_OPT_SYNCNT] = { SOL_TCP, TCP_SYNCNT, 1, MAX_TCP_SYNCNT, 0, 0, SYSTEM },
	[MEMNET_OPT_LINGER2] = { SOL_TCP, TCP_LINGER2, INT_MIN, INT_MAX, 0, 0, SYSTEM },
	[MEMNET_OPT_NOTSENT_LOWAT] = { SOL_TCP, TCP_NOTSENT_LOWAT, INT_MIN, INT_MAX },
	[MEMNET_OPT_THIN_LINEAR] = { SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0, 1 },
	[MEMNET_OPT_SAVE_SYN] = { SOL_TCP, TCP_SAVE_SYN, 0, 2 },
	[MEMNET_OPT_TX_DELAY] = { SOL_TCP, TCP_TX_DELAY, INT_MIN, INT_MAX },
	[MEMNET_OPT_TOS] = { SOL_IP, IP_TOS, INT_MIN, INT_MAX, 0, 0, EMPTY },
	[MEMNET_OPT_TTL] = { SOL_IP, IP_TTL, -1, 255, -1, 0, SYSTEM },
	[MEMNET_OPT_MINTTL] = { SOL_IP, IP_MINTTL, 0, 255 },
	[MEMNET_OPT_MTU_DISCOVER] = { SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_PMTUDISC_OMIT,
				      -1, 0, SYSTEM | EMPTY },
	[MEMNET_OPT_V6ONLY] = { SOL_IPV6, IPV6_V6ONLY, INT_MIN, INT_MAX, 0, AF_INET6,
				FLAG | OPEN },
	[MEMNET_OPT_HOPS] = { SOL_IPV6, IPV6_UNICAST_HOPS, -1, 255, -1, AF_INET6, SYSTEM },
	[MEMNET_OPT_TCLASS] = { SOL_IPV6, IPV6_TCLASS, -1, 255, 0, AF_INET6 },
	[MEMNET_OPT_MINHOPS] = { SOL_IPV6, IPV6_MINHOPCOUNT, 0, 255, 0, AF_INET6 },
	[MEMNET_OPT_MTU_DISCOVER6] = { SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT,
				       IPV6_PMTUDISC_OMIT, IPV6_PMTUDISC_WANT, AF_INET6 },
	[MEMNET_OPT_AUTOFLOWLABEL] = { SOL_IPV6, IPV6_AUTOFLOWLABEL, INT_MIN, INT_MAX, -1,
				       AF_INET6, FLAG | SYSTEM | EMPTY },

	[MEMNET_OPT_NO_PORT] = { SOL_IP, IP_BIND_ADDRESS_NO_PORT, INT_MIN, INT_MAX, 0, 0,
				 FLAG | EMPTY },
	[MEMNET_OPT_PORT_RANGE] = { SOL_IP, IP_LOCAL_PORT_RANGE, INT_MIN, INT_MAX, 0, 0, EXACT },
	/* nothing that is kept: see memnet_option_advise() */
	[MEMNET_OPT_CNX_ADVICE] = { SOL_SOCKET, SO_CNX_ADVICE, 1, 1, 0, 0, ALONE },

	/* done here; a connect() of ours never has a cookie, with which TCP would wait for bytes */
	[MEMNET_OPT_FASTOPEN_CONNECT] = { SOL_TCP, TCP_FASTOPEN_CONNECT, 0, 1, 0, 0, KEPT },
	[MEMNET_OPT_INQ] = { SOL_TCP, TCP_INQ, 0, 1, 0, 0, KEPT },

	/* without effect on TCP */
	[MEMNET_OPT_THIN_DUPACK] = { SOL_TCP, TCP_THIN_DUPACK, 0, 1, 0, 0, KEPT | ZERO },
	[MEMNET_OPT_RECVOPTS] = { SOL_IP, IP_RECVOPTS, INT_MIN, INT_MAX, 0, 0,
				  FLAG | KEPT | EMPTY },
	[MEMNET_OPT_RETOPTS] = { SOL_IP, IP_RETOPTS, INT_MIN, INT_MAX, 0, 0, FLAG | KEPT | EMPTY },
	[MEMNET_OPT_PASSSEC] = { SOL_IP, IP_PASSSEC, INT_MIN, INT_MAX, 0, 0, FLAG | KEPT | EMPTY },
	[MEMNET_OPT_ORIGDSTADDR] = { SOL_IP, IP_RECVORIGDSTADDR, INT_MIN, INT_MAX, 0, 0,
				     FLAG | KEPT | EMPTY },
	[MEMNET_OPT_CHECKSUM] = { SOL_IP, IP_CHECKSUM, INT_MIN, INT_MAX, 0, 0,
				  FLAG | KEPT | EMPTY },
	[MEMNET_OPT_MC_LOOP] = { SOL_IP, IP_MULTICAST_LOOP, INT_MIN, INT_MAX, 1, 0, FLAG | KEPT },
	[MEMNET_OPT_MC_ALL] = { SOL_IP, IP_MULTICAST_ALL, 0, 1, 1, 0, KEPT },
	[MEMNET_OPT_MC_LOOP6] = { SOL_IPV6, IPV6_MULTICAST_LOOP, 0, 1, 1, AF_INET6, KEPT },
	[MEMNET_OPT_MC_ALL6] = { SOL_IPV6, IPV6_MULTICAST_ALL, INT_MIN, INT_MAX, 1, AF_INET6,
				 FLAG | KEPT },
	[MEMNET_OPT_RTALERT_ISOLATE] = { SOL_IPV6, IPV6_ROUTER_ALERT_ISOLATE, INT_MIN, INT_MAX, 0,
					 AF_INET6, FLAG | KEPT },
	[MEMNET_OPT_RECVPATHMTU] = { SOL_IPV6, IPV6_RECVPATHMTU, INT_MIN, INT_MAX, 0, AF_INET6,
				     FLAG | KEPT },
	[MEMNET_OPT_DONTFRAG] = { SOL_IPV6, IPV6_DONTFRAG, INT_MIN, INT_MAX, 0, AF_INET6,
				  FLAG | KEPT | EMPTY },
	[MEMNET_OPT_RECVFRAGSIZE6] = { SOL_IPV6, IPV6_RECVFRAGSIZE, INT_MIN, INT_MAX, 0, AF_INET6,
				       FLAG | KEPT | EMPTY },
};

/**
 * memnet_option_find() - an option of the table
 * @sk: socket
 * @level: level, not SOL_SOCKET
 * @name: name
 *
 * Return: enum memnet_opt or -ENOPROTOOPT.
 */
int memnet_option_find(const struct sock *sk, int level, int name)
{
	int i;

	for (i = MEMNET_OPT_SOCKET_END; i < MEMNET_OPT_END; i++) {
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

/**
 * memnet_option_fits() - is a value of this size none that is an error
 * @i: enum memnet_opt
 * @len: its size
 */
bool memnet_option_fits(int i, unsigned int len)
{
	if (options[i].how & EXACT)
		return len == sizeof(int);
	/* Options of IP may be single bytes. */
	return options[i].how & EMPTY || len >= (options[i].level == SOL_IP ? 1 : sizeof(int));
}

static void make_message(struct wire_msg *msg, int i, int value)
{
	__le32 wire = cpu_to_le32(value);

	wire_init(msg, WIRE_SETOPT, 0, 0);
	msg->setopt.level = cpu_to_le32(options[i].level);
	msg->setopt.name = cpu_to_le32(options[i].name);
	msg->setopt.len = cpu_to_le32(sizeof(wire));
	memcpy(msg->setopt.value, &wire, sizeof(wire));
}

/**
 * memnet_option_message() - the message that tells the node an option
 * @sk: socket; its endpoint's lock is held
 * @i: enum memnet_opt
 * @msg: result
 */
void memnet_option_message(struct sock *sk, int i, struct wire_msg *msg)
{
	make_message(msg, i, READ_ONCE(memnet_sk(sk)->opt[i]));
}

static bool ordered(int i)
{
	return i == MEMNET_OPT_NODELAY || i == MEMNET_OPT_CORK;
}

/* An option of an endpoint has changed; the socket has the value. */
static int tell(struct memnet_sock *mn, int i, int value, gfp_t gfp)
{
	struct memnet_endpoint *ep = mn->ep;
	bool full = READ_ONCE(ep->tx.n_controls) >= MAX_QUEUED;
	struct sk_buff *skb;
	struct wire_msg msg;

	if (mn->inet.sk.sk_state == TCP_LISTEN)
		mn->changed |= MEMNET_OPT_BIT(i);
	make_message(&msg, i, value);
	if (READ_ONCE(ep->connected) && (full || !ordered(i))) {
		memnet_transmit_option(ep, i, &msg);
		return 0;
	}
	if (i == MEMNET_OPT_CORK && READ_ONCE(ep->connected) && memnet_cork_set(ep, value))
		return 0;
	if (i == MEMNET_OPT_NODELAY && value && READ_ONCE(ep->connected) &&
	    memnet_transmit_nodelay(ep))
		return 0;
	if (full && memnet_transmit_replace(ep, &msg))
		return 0;
	skb = memnet_transmit_control(ep, &msg, gfp);
	if (!skb)
		return -ENOMEM;
	memnet_post_control(ep, skb);
	return 0;
}

/* What the core has. 0 as a size is one nobody has set; -1 is not to be told. */
static int socket_value(const struct sock *sk, int i)
{
	u32 priority;

	switch (i) {
	case MEMNET_OPT_REUSEADDR:
		return !!sk->sk_reuse;
	case MEMNET_OPT_REUSEPORT:
		return !!sk->sk_reuseport;
	case MEMNET_OPT_KEEPALIVE:
		return sock_flag(sk, SOCK_KEEPOPEN);
	case MEMNET_OPT_SNDBUF:
		return sk->sk_userlocks & SOCK_SNDBUF_LOCK ? sk->sk_sndbuf / 2 : -1;
	case MEMNET_OPT_RCVBUF:
		return sk->sk_userlocks & SOCK_RCVBUF_LOCK ? sk->sk_rcvbuf / 2 : -1;
	case MEMNET_OPT_BUF_LOCK:
		return sk->sk_userlocks & SOCK_BUF_LOCK_MASK;
	case MEMNET_OPT_TXREHASH:
		return READ_ONCE(sk->sk_txrehash) == SOCK_TXREHASH_DEFAULT ?
			       SOCK_TXREHASH_ENABLED : READ_ONCE(sk->sk_txrehash);
	default:
		priority = READ_ONCE(sk->sk_priority);
		return priority <= TC_PRIO_INTERACTIVE ? priority : -1;
	}
}

/* It goes to the node; what comes with it there is known, too. */
static void note(struct memnet_sock *mn, int i, int value)
{
	WRITE_ONCE(mn->opt[i], value);
	if (i == MEMNET_OPT_SNDBUF)
		mn->opt[MEMNET_OPT_BUF_LOCK] |= SOCK_SNDBUF_LOCK;
	else if (i == MEMNET_OPT_RCVBUF)
		mn->opt[MEMNET_OPT_BUF_LOCK] |= SOCK_RCVBUF_LOCK;
}

static bool untold(struct memnet_sock *mn, int i, int *value)
{
	*value = socket_value(&mn->inet.sk, i);
	return *value != -1 && *value != mn->opt[i];
}

/**
 * memnet_tell_changes() - an option of SOL_SOCKET may have been set
 * @sk: socket, locked
 *
 * Of an endpoint that is not ready memnet_sync_options() tells.
 */
void memnet_tell_changes(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);
	int i, value;

	if (!mn->ep || mn->unready || !READ_ONCE(mn->ep->lc))
		return;
	for (i = 0; i < MEMNET_OPT_SOCKET_END; i++) {
		if (!untold(mn, i, &value))
			continue;
		/* One without memory for it is told with the next one. */
		if (tell(mn, i, value, GFP_KERNEL))
			return;
		note(mn, i, value);
	}
}

static int post_value(struct memnet_endpoint *ep, int i, int value)
{
	struct wire_msg msg;

	make_message(&msg, i, value);
	return memnet_post(ep, &msg, GFP_KERNEL);
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
	int i, value, ret = 0;

	if (all) {
		memset(mn->opt, 0, MEMNET_OPT_SOCKET_END * sizeof(mn->opt[0]));
		mn->opt[MEMNET_OPT_TXREHASH] = SOCK_TXREHASH_ENABLED;
		mn->changed = 0;
	}
	for (i = MEMNET_OPT_SOCKET_END; all && !ret && i < MEMNET_OPT_END; i++)
		if (mn->opt_set & MEMNET_OPT_BIT(i) && !(options[i].how & (KEPT | OPEN)))
			ret = post_value(ep, i, mn->opt[i]);
	/* With IP_TOS goes a priority, and both IP_TOS and SO_PRIORITY were told in this order. */
	if (all && mn->opt_set & MEMNET_OPT_BIT(MEMNET_OPT_TOS))
		mn->opt[MEMNET_OPT_PRIORITY] = rt_tos2priority(mn->opt[MEMNET_OPT_TOS]);
	if (!ret)
		ret = memnet_judged_sync(sk, ep, all);
	for (i = 0; !ret && i < MEMNET_OPT_SOCKET_END; i++) {
		if (!untold(mn, i, &value))
			continue;
		ret = post_value(ep, i, value);
		if (!ret)
			note(mn, i, value);
	}
	return ret;
}

/**
 * memnet_init_options() - what a new socket has of its namespace
 * @sk: socket, not yet known to anybody
 */
void memnet_init_options(struct sock *sk)
{
	struct net *net = sock_net(sk);

	WRITE_ONCE(sk->sk_txrehash, READ_ONCE(net->core.sysctl_txrehash));
	if (sk->sk_family != AF_INET6)
		return;
	sk->sk_ipv6only = READ_ONCE(net->ipv6.sysctl.bindv6only);
	memnet_sk(sk)->opt[MEMNET_OPT_V6ONLY] = sk->sk_ipv6only;
	memnet_sk(sk)->opt_set = MEMNET_OPT_BIT(MEMNET_OPT_V6ONLY);
}

/**
 * memnet_keepalive() - proto.keepalive: SO_KEEPALIVE is being set
 * @sk: socket, locked
 * @on: new value
 *
 * While the socket is neither connected nor listening this can wait for memnet_sync_options().
 * Where a cgroup's program sets the option nothing may sleep: the node is told without, and a
 * native socket, which is on loopback, is not.
 */
void memnet_keepalive(struct sock *sk, int on)
{
	struct memnet_sock *mn = memnet_sk(sk);
	bool atomic = has_current_bpf_ctx();
	int was = mn->opt[MEMNET_OPT_KEEPALIVE];

	if (mn->native && !atomic)
		memnet_native_setopt(mn, SOL_SOCKET, SO_KEEPALIVE, on);
	if (!mn->ep || sk->sk_state == TCP_CLOSE || was == !!on)
		return;
	WRITE_ONCE(mn->opt[MEMNET_OPT_KEEPALIVE], !!on);
	if (tell(mn, MEMNET_OPT_KEEPALIVE, !!on, atomic ? GFP_ATOMIC : GFP_KERNEL))
		mn->opt[MEMNET_OPT_KEEPALIVE] = was;
}

/**
 * memnet_options_alone() - what a child does not inherit
 *
 * Return: bits of those options.
 */
u64 memnet_options_alone(void)
{
	u64 alone = MEMNET_OPT_BIT(MEMNET_OPT_PRIORITY);
	int i;

	for (i = MEMNET_OPT_SOCKET_END; i < MEMNET_OPT_END; i++)
		if (options[i].how & ALONE)
			alone |= MEMNET_OPT_BIT(i);
	return alone;
}

/**
 * memnet_tell_child() - tell the node what a child inherited later than there
 * @sk: accepted socket, locked, with its endpoint
 *
 * Nothing has been sent yet, so nothing has to be in its place.
 */
void memnet_tell_child(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct wire_msg msg;
	int i;

	for (i = 0; mn->changed && i < MEMNET_OPT_END; i++) {
		if (!(mn->changed & MEMNET_OPT_BIT(i)))
			continue;
		make_message(&msg, i, mn->opt[i]);
		memnet_transmit_option(mn->ep, i, &msg);
		mn->changed &= ~MEMNET_OPT_BIT(i);
	}
}

/* As TCP: so many seconds are that many retransmissions of SYN+ACK, which are so many seconds. */
static int round_seconds(int seconds)
{
	int timeout = TCP_TIMEOUT_INIT / HZ, period = timeout, n;

	if (seconds <= 0)
		return 0;
	for (n = 1; seconds > period && n < U8_MAX; n++) {
		timeout = min(timeout << 1, TCP_RTO_MAX / HZ);
		period += timeout;
	}
	return period;
}

/* The value as TCP keeps it, or an error. */
static int adjust(int i, int *value)
{
	const struct option *o = &options[i];
	int v = *value;

	if (v < o->min || v > o->max)
		return -EINVAL;
	if (o->how & FLAG)
		v = !!v;
	if (o->how & ZERO)
		v = 0;
	switch (i) {
	case MEMNET_OPT_TTL:
		if (!v)
			return -EINVAL;
		break;
	case MEMNET_OPT_MAXSEG:
		if (v && v < TCP_MIN_MSS)
			return -EINVAL;
		break;
	case MEMNET_OPT_PORT_RANGE:	/* the first one and the last one, if not 0 */
		if ((u16)v && (u32)v >> 16 && (u16)v > (u32)v >> 16)
			return -EINVAL;
		break;
	case MEMNET_OPT_LINGER2:
		v = clamp(v, -1, TCP_FIN_TIMEOUT_MAX / HZ);
		break;
	case MEMNET_OPT_DEFER_ACCEPT:
		v = round_seconds(v);
		break;
	case MEMNET_OPT_TCLASS:
		if (v == -1)
			v = 0;
		fallthrough;
	case MEMNET_OPT_TOS:	/* congestion bits are TCP's own */
		v &= 0xff & ~INET_ECN_MASK;
		break;
	}
	*value = v;
	return 0;
}

/* An option has a new value, which the node has been told. */
static void apply(struct sock *sk, int i, int was, int value)
{
	struct memnet_sock *mn = memnet_sk(sk);

	switch (i) {
	case MEMNET_OPT_V6ONLY:
		sk->sk_ipv6only = value;
		break;
	case MEMNET_OPT_TOS:
		if (value == was)
			break;
		WRITE_ONCE(sk->sk_priority, rt_tos2priority(value));
		mn->opt[MEMNET_OPT_PRIORITY] = sk->sk_priority;
		break;
	case MEMNET_OPT_NOTSENT_LOWAT:
		sk->sk_write_space(sk);
		if (mn->ep && test_bit(SOCK_NOSPACE, &sk->sk_socket->flags))
			memnet_transmit_want(mn->ep);
		break;
	}
}

/**
 * memnet_option_set() - set an option of the table
 * @sk: socket, locked
 * @i: enum memnet_opt
 * @value: value
 *
 * Return: 0, -EINVAL, -EOPNOTSUPP, or -ENOMEM if the node could not be told.
 */
int memnet_option_set(struct sock *sk, int i, int value)
{
	struct memnet_sock *mn = memnet_sk(sk);
	int was = mn->opt[i], ret;
	u64 set = mn->opt_set;

	ret = adjust(i, &value);
	if (ret)
		return ret;
	if (i == MEMNET_OPT_V6ONLY && inet_sk(sk)->inet_num)
		return -EINVAL;
	if (i == MEMNET_OPT_FASTOPEN_CONNECT) {
		if (!(READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_fastopen) & TFO_CLIENT_ENABLE))
			return -EOPNOTSUPP;
		if (sk->sk_state != TCP_CLOSE)
			return -EINVAL;
	}
	WRITE_ONCE(mn->opt[i], value);
	mn->opt_set |= MEMNET_OPT_BIT(i);
	if (mn->ep && !(options[i].how & KEPT))
		ret = tell(mn, i, value, GFP_KERNEL);
	if (ret) {	/* the node has not heard of it */
		WRITE_ONCE(mn->opt[i], was);
		mn->opt_set = set;
		return ret;
	}
	apply(sk, i, was, value);
	if (sk->sk_state == TCP_LISTEN)
		memnet_bequeath(sk);
	if (mn->native)
		memnet_native_setopt(mn, options[i].level, options[i].name, value);
	return 0;
}

/**
 * memnet_option_advise() - SO_CNX_ADVICE: the way its packets take is bad, says the application
 * @sk: socket, locked
 *
 * It is advice for the moment, that of a connection.
 */
void memnet_option_advise(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);

	if (!mn->ep || !READ_ONCE(mn->ep->connected))
		return;
	WRITE_ONCE(mn->opt[MEMNET_OPT_CNX_ADVICE], 1);
	tell(mn, MEMNET_OPT_CNX_ADVICE, 1, GFP_KERNEL);
}

/**
 * memnet_option_get() - read an option of the table
 * @sk: socket, locked
 * @i: enum memnet_opt
 * @value: result
 *
 * Return: false if only TCP knows.
 */
bool memnet_option_get(struct sock *sk, int i, int *value)
{
	struct memnet_sock *mn = memnet_sk(sk);
	bool set = mn->opt_set & MEMNET_OPT_BIT(i);

	if (i == MEMNET_OPT_V6ONLY)
		*value = sk->sk_ipv6only;
	else if (i == MEMNET_OPT_MC_ALL && !set)
		*value = sk->sk_family == AF_INET;	/* IPv6 has its own */
	else
		*value = set ? mn->opt[i] : options[i].deflt;
	if (options[i].how & LIVE)
		return false;
	return !(options[i].how & SYSTEM) || *value != options[i].deflt;
}
