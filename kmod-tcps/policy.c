// SPDX-License-Identifier: GPL-2.0
/*
 * What hosts may do here, whatever they say.
 *
 * Who may connect: the listener's allow-list. Local addresses: any of the node's but loopback,
 * which does not exist for hosts (EADDRNOTAVAIL); foreign ones where IP_FREEBIND or IP_TRANSPARENT
 * is allowed. Ports below 1024: those of the listener's list,
 * for callers the host vouches for. Remote addresses: loopback is out of reach (EACCES); the
 * node's own addresses answer ECONNREFUSED, unless an endpoint of ours listens there (a host may
 * well talk to another host's listener, or its own) or allow_local is set. Options: the whitelist
 * below; what is not in it gets ENOPROTOOPT, as does what is of a class that the listener's
 * administrator has not allowed (of priorities, EPERM).
 *
 * Options of most classes choose the table that routes a socket's packets. The addresses of the
 * node are then others, perhaps, than those looked at here, so of its own ones such a socket
 * reaches none; and while it connects its route, which has been looked at, does not change.
 *
 * The listeners that are ours are kept in a hash by port, under listening_lock.
 */
#include <linux/hashtable.h>
#include <linux/inetdevice.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/tls.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/ip6_fib.h>
#include <net/route.h>
#include <net/tcp.h>

#include "tcps.h"

/* ---- who may connect ---- */

static bool prefix_match(const struct memnet_nl_prefix *p, const struct sockaddr_storage *addr)
{
	const struct in6_addr *in6 = &((const struct sockaddr_in6 *)addr)->sin6_addr;
	__be32 in = ((const struct sockaddr_in *)addr)->sin_addr.s_addr;
	bool v4 = addr->ss_family == AF_INET;

	if (addr->ss_family == AF_INET6 && ipv6_addr_v4mapped(in6)) {
		in = in6->s6_addr32[3];
		v4 = true;
	}
	if (p->family == AF_INET)
		return v4 && !((in ^ p->in.s_addr) & inet_make_mask(p->length));
	return !v4 && addr->ss_family == AF_INET6 && ipv6_prefix_equal(in6, &p->in6, p->length);
}

/**
 * tcps_policy_host() - whether a host may connect from an address
 * @cfg: terms of the listener
 * @addr: the address
 */
bool tcps_policy_host(const struct memnet_nl_tcps_cfg *cfg, const struct sockaddr_storage *addr)
{
	u32 i;

	for (i = 0; i < cfg->n_allow; i++)
		if (prefix_match(&cfg->allow[i], addr))
			return true;
	return false;
}

/**
 * tcps_policy_privileged() - whether a vouched-for caller may bind a port below 1024
 * @cfg: terms of the listener
 * @port: the port
 */
bool tcps_policy_privileged(const struct memnet_nl_tcps_cfg *cfg, __be16 port)
{
	u16 p = ntohs(port);
	u32 i;

	for (i = 0; i < cfg->n_privileged; i++)
		if (p >= cfg->privileged[i].first && p <= cfg->privileged[i].last)
			return true;
	return false;
}

/**
 * tcps_policy_class() - whether programs of a host may set options of a class
 * @s: the host's session
 * @class: the class
 */
bool tcps_policy_class(const struct tcps_session *s, enum memnet_option_class class)
{
	return s->listener->cfg.options & class;
}

/* ---- addresses ---- */

/**
 * struct target - an address without the wrapping
 * @v4:		it is an IPv4 address, mapped ones included
 * @in:		then this
 * @in6:	else this
 * @port:	port
 * @scope:	device it is on, of an IPv6 address that needs one
 */
struct target {
	bool v4;
	__be32 in;
	struct in6_addr in6;
	__be16 port;
	u32 scope;
};

static struct target target_of(const struct sockaddr_storage *addr)
{
	const struct sockaddr_in6 *in6 = (const void *)addr;
	const struct sockaddr_in *in = (const void *)addr;
	struct target t = {};

	if (addr->ss_family == AF_INET) {
		t.v4 = true;
		t.in = in->sin_addr.s_addr;
		t.port = in->sin_port;
		return t;
	}
	t.port = in6->sin6_port;
	t.v4 = ipv6_addr_v4mapped(&in6->sin6_addr);
	if (t.v4)
		t.in = in6->sin6_addr.s6_addr32[3];
	else
		t.in6 = in6->sin6_addr;
	/* Of any other address it is just a number. */
	if (ipv6_addr_type(&in6->sin6_addr) & IPV6_ADDR_LINKLOCAL)
		t.scope = in6->sin6_scope_id;
	return t;
}

static bool is_loopback(const struct target *t)
{
	return t->v4 ? ipv4_is_loopback(t->in) : ipv6_addr_loopback(&t->in6);
}

static bool is_any(const struct target *t)
{
	return t->v4 ? ipv4_is_zeronet(t->in) : ipv6_addr_any(&t->in6);
}

static bool is_own(struct net *net, const struct target *t)
{
	bool own;

	if (t->v4) {
		/* VRFs have tables of their own. */
		rcu_read_lock();
		own = inet_addr_type(net, t->in) == RTN_LOCAL || __ip_dev_find(net, t->in, false);
		rcu_read_unlock();
		return own;
	}
	return ipv6_chk_addr(net, &t->in6, NULL, 0);
}

/**
 * tcps_policy_bind() - whether a host may bind to a local address
 * @addr: the address
 *
 * Return: 0 or -EADDRNOTAVAIL.
 */
int tcps_policy_bind(const struct sockaddr_storage *addr)
{
	struct target t = target_of(addr);

	if (!is_loopback(&t))
		return 0;
	memnet_stat_inc(MEMNET_STAT_TCPS_DENIED);
	return -EADDRNOTAVAIL;
}

/* ---- listeners of ours ---- */

/**
 * struct listening - a port an endpoint listens on
 * @node:	in the hash
 * @ep:		the endpoint; not referenced, it removes this when it closes
 * @net:	its namespace
 * @any:	at every address
 * @only_v6:	of IPv6
 * @dev:	but only for what comes by this device, if not 0
 * @at:		else at this one, and the port
 */
struct listening {
	struct hlist_node node;
	struct tcps_endpoint *ep;
	struct net *net;
	bool any;
	bool only_v6;
	u32 dev;
	struct target at;
};

static DEFINE_HASHTABLE(listening, 8);
static DEFINE_SPINLOCK(listening_lock);

/**
 * tcps_policy_listen_add() - an endpoint begins to listen: its address may be connected to
 * @ep: endpoint, ep->local is known
 *
 * Return: 0 or a negative errno.
 */
int tcps_policy_listen_add(struct tcps_endpoint *ep)
{
	struct listening *l = kmalloc(sizeof(*l), GFP_KERNEL);
	struct sockaddr_storage addr;
	int ret;

	if (!l)
		return -ENOMEM;
	ret = tcps_addr_from_wire(&ep->local, &addr);
	if (ret < 0) {
		kfree(l);
		return ret;
	}
	l->ep = ep;
	l->net = sock_net(ep->sock->sk);
	l->at = target_of(&addr);
	l->any = is_any(&l->at);
	l->only_v6 = ipv6_only_sock(ep->sock->sk);
	l->dev = READ_ONCE(ep->sock->sk->sk_bound_dev_if);
	spin_lock(&listening_lock);
	hash_add(listening, &l->node, (__force u16)l->at.port);
	spin_unlock(&listening_lock);
	return 0;
}

/**
 * tcps_policy_listen_del() - an endpoint no longer listens
 * @ep: endpoint
 */
void tcps_policy_listen_del(struct tcps_endpoint *ep)
{
	struct listening *l;

	spin_lock(&listening_lock);
	hash_for_each_possible(listening, l, node, (__force u16)ep->local.port) {
		if (l->ep == ep) {
			hash_del(&l->node);
			kfree(l);
			break;
		}
	}
	spin_unlock(&listening_lock);
}

static bool is_ours(struct net *net, const struct target *t)
{
	struct listening *l;
	bool found = false;

	spin_lock(&listening_lock);
	hash_for_each_possible(listening, l, node, (__force u16)t->port) {
		if (l->at.port != t->port || !net_eq(l->net, net) || (l->dev && l->dev != t->scope))
			continue;
		/* A listener at :: takes IPv4 as well, unless it was told not to. */
		found = l->any ? l->at.v4 == t->v4 || (t->v4 && !l->only_v6) :
			t->v4  ? l->at.v4 && l->at.in == t->in :
				 !l->at.v4 && ipv6_addr_equal(&l->at.in6, &t->in6);
		if (found)
			break;
	}
	spin_unlock(&listening_lock);
	return found;
}

/**
 * tcps_policy_connect() - whether a host may connect to an address
 * @net: namespace
 * @addr: the address
 * @steered: by a socket with an option that chooses another way
 *
 * Return: 0; 1 for the node's own address, allowed; -EACCES or -ECONNREFUSED.
 */
int tcps_policy_connect(struct net *net, const struct sockaddr_storage *addr, bool steered)
{
	struct target t = target_of(addr);
	int ret;

	/* Connecting to nowhere in particular means loopback. */
	if (is_loopback(&t) || is_any(&t))
		ret = -EACCES;
	else if (!is_own(net, &t))
		ret = 0;
	else if (READ_ONCE(tcps_allow_local) || (!steered && is_ours(net, &t)))
		ret = 1;
	else
		ret = -ECONNREFUSED;
	if (ret < 0)
		memnet_stat_inc(MEMNET_STAT_TCPS_DENIED);
	return ret;
}

/**
 * tcps_policy_is_local_route() - whether a connecting socket's packets stay on the node
 * @sk: native socket
 */
bool tcps_policy_is_local_route(const struct sock *sk)
{
	struct dst_entry *dst;
	bool local = false;

	rcu_read_lock();
	dst = __sk_dst_get((struct sock *)sk);
	/* In a VRF the device is not the loopback one. */
	if (dst && dst->ops->family == AF_INET)
		local = container_of(dst, struct rtable, dst)->rt_flags & RTCF_LOCAL;
	else if (dst)
		local = container_of(dst, struct rt6_info, dst)->rt6i_flags & RTF_LOCAL;
	if (dst && dst->dev && dst->dev->flags & IFF_LOOPBACK)
		local = true;
	rcu_read_unlock();
	return local;
}

/* ---- options ---- */

/*
 * @ordered: the place in the stream matters; @size: bytes of a value that is not a 32-bit integer;
 * @twice: or twice as many; @class: it needs to be allowed; @capable: it needs a capability, for
 * which the host vouches. None is a way to what an owner's credentials do not have but those.
 */
static const struct {
	u16 level, name;
	bool ordered;
	u8 size;
	bool twice;
	u8 class;
	bool capable;
} options[] = {
	{ SOL_SOCKET, SO_REUSEADDR },
	{ SOL_SOCKET, SO_REUSEPORT },
	{ SOL_SOCKET, SO_KEEPALIVE },
	{ SOL_SOCKET, SO_SNDBUF },
	{ SOL_SOCKET, SO_RCVBUF },
	{ SOL_SOCKET, SO_BUF_LOCK },
	{ SOL_SOCKET, SO_PRIORITY },	/* see tcps_policy_class_of() */
	{ SOL_SOCKET, SO_MARK, .class = MEMNET_OPTION_CLASS_MARK, .capable = true },
	{ SOL_SOCKET, SO_DONTROUTE, .class = MEMNET_OPTION_CLASS_ROUTE },
	{ SOL_SOCKET, SO_BINDTODEVICE, .size = IFNAMSIZ, .class = MEMNET_OPTION_CLASS_DEVICE },
	{ SOL_SOCKET, SO_BINDTOIFINDEX, .class = MEMNET_OPTION_CLASS_DEVICE },
	{ SOL_SOCKET, SO_TXREHASH },
	{ SOL_SOCKET, SO_CNX_ADVICE },
	{ SOL_SOCKET, SO_MAX_PACING_RATE, .size = sizeof(__le64) },
	{ SOL_TCP, TCP_NODELAY, true },
	{ SOL_TCP, TCP_CORK, true },
	{ SOL_TCP, TCP_MAXSEG },
	{ SOL_TCP, TCP_KEEPIDLE },
	{ SOL_TCP, TCP_KEEPINTVL },
	{ SOL_TCP, TCP_KEEPCNT },
	{ SOL_TCP, TCP_SYNCNT },
	{ SOL_TCP, TCP_LINGER2 },
	{ SOL_TCP, TCP_DEFER_ACCEPT },
	{ SOL_TCP, TCP_WINDOW_CLAMP },
	{ SOL_TCP, TCP_QUICKACK },
	{ SOL_TCP, TCP_USER_TIMEOUT },
	{ SOL_TCP, TCP_NOTSENT_LOWAT },
	{ SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS },
	{ SOL_TCP, TCP_SAVE_SYN },
	{ SOL_TCP, TCP_TX_DELAY },
	{ SOL_TCP, TCP_CONGESTION, .size = TCP_CA_NAME_MAX },
	{ SOL_TCP, TCP_FASTOPEN },
	{ SOL_TCP, TCP_FASTOPEN_NO_COOKIE },
	{ SOL_TCP, TCP_ULP, .size = sizeof("tls") },
	{ SOL_TCP, TCP_FASTOPEN_KEY, .size = TCP_FASTOPEN_KEY_LENGTH, .twice = true },
	{ SOL_IP, IP_TOS },
	{ SOL_IP, IP_TTL },
	{ SOL_IP, IP_MINTTL },
	{ SOL_IP, IP_MTU_DISCOVER },
	{ SOL_IP, IP_BIND_ADDRESS_NO_PORT },
	{ SOL_IP, IP_LOCAL_PORT_RANGE },
	{ SOL_IP, IP_FREEBIND, .class = MEMNET_OPTION_CLASS_FREEBIND },
	{ SOL_IP, IP_TRANSPARENT, .class = MEMNET_OPTION_CLASS_TRANSPARENT, .capable = true },
	{ SOL_IPV6, IPV6_V6ONLY },
	{ SOL_IPV6, IPV6_UNICAST_HOPS },
	{ SOL_IPV6, IPV6_TCLASS },
	{ SOL_IPV6, IPV6_MINHOPCOUNT },
	{ SOL_IPV6, IPV6_MTU_DISCOVER },
	{ SOL_IPV6, IPV6_AUTOFLOWLABEL },
	{ SOL_IPV6, IPV6_ADDR_PREFERENCES },
};

static int find_option(u32 level, u32 name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].level == level && options[i].name == name)
			return i;
	return -ENOPROTOOPT;
}

/**
 * tcps_policy_option() - whether a host may set an option
 * @level: level
 * @name: name
 * @len: bytes of its value
 * @ordered: whether its place in the stream matters
 *
 * Return: 0, -ENOPROTOOPT, or -EINVAL for a wrong length.
 */
int tcps_policy_option(u32 level, u32 name, u32 len, bool *ordered)
{
	int i = find_option(level, name);
	u32 size;

	/* Its values are of several sizes: TLS looks at them. */
	if (level == SOL_TLS) {
		*ordered = name == TLS_TX;
		return 0;
	}
	if (i < 0)
		return i;
	size = options[i].size ?: sizeof(__le32);
	if (len != size && !(options[i].twice && len == 2 * size))
		return -EINVAL;
	*ordered = options[i].ordered;
	return 0;
}

/**
 * tcps_policy_class_of() - the class an option is of
 * @level: level
 * @name: name, both of an option that a host may set
 * @value: of an option that is an integer
 * @capable: whether it needs a capability
 *
 * Return: enum memnet_option_class or 0.
 */
u32 tcps_policy_class_of(u32 level, u32 name, int value, bool *capable)
{
	int i = find_option(level, name);

	*capable = options[i].capable;
	if (level != SOL_SOCKET || name != SO_PRIORITY)
		return options[i].class;
	*capable = value < 0 || value > TC_PRIO_INTERACTIVE;
	return *capable ? MEMNET_OPTION_CLASS_PRIO : 0;
}
