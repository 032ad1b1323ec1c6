// SPDX-License-Identifier: GPL-2.0
/*
 * The first word to the node: bind and listen.
 *
 * A socket is local until bind, listen or connect needs the node; memnet_open() then chooses a
 * channel, opens an endpoint there and tells the options set so far. Loopback addresses and
 * ports the user excluded never go to the node (native.c); a listener on the wildcard address
 * has both an endpoint and a native socket on loopback, whose port is reserved by bind(). That does
 * not listen where the first is tied to a device of the node.
 *
 * A listening socket whose link died keeps its place: memnet_listener_restore(), called from
 * listener.c, opens a new endpoint with the address the old one really had. If the node
 * refuses, the socket gets the error, of a port in use at the tenth try. So does a socket that is
 * only bound, at its next call.
 *
 * All under lock_sock(), which waits for the node release.
 *
 * The cgroup's programs are asked where inet_bind() asks them; about what stays native, there.
 */
#include <linux/bpf-cgroup.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "transmit.h"

/**
 * memnet_bound_elsewhere() - is the socket tied to a device of the host
 * @sk: socket
 *
 * SO_BINDTODEVICE names a device the node knows nothing of.
 */
bool memnet_bound_elsewhere(struct sock *sk)
{
	return READ_ONCE(sk->sk_bound_dev_if);
}

static bool may_bind_low(struct sock *sk)
{
	return ns_capable(sock_net(sk)->user_ns, CAP_NET_BIND_SERVICE);
}

/* BIND or LISTEN, whose answer tells the address. */
static int request_address(struct sock *sk, struct memnet_endpoint *ep, struct wire_msg *msg)
{
	struct memnet_answer answer;
	int ret;

	ret = memnet_request(sk, ep, msg, true, &answer);
	if (!ret) {
		ep->local = answer.local;
		memnet_set_names(sk, &ep->local, NULL);
	}
	return ret;
}

/* The endpoint's link, with a reference, or NULL. */
static struct memnet_link *link_of(struct memnet_endpoint *ep)
{
	struct memnet_link *link = NULL;

	spin_lock_bh(&ep->lock);
	if (ep->lc) {
		link = ep->lc->link;
		refcount_inc(&link->refs);
	}
	spin_unlock_bh(&ep->lock);
	return link;
}

/* A port that is in use for good may see sockets come and go, or the next one be in use, too. */
#define MAX_TURNS 8

/* Waits, with the socket unlocked, until an endpoint that is being closed is gone. */
static int wait_gone(struct sock *sk, struct memnet_endpoint *ep, struct memnet_endpoint *closing)
{
	int ret;

	release_sock(sk);
	ret = wait_event_killable(closing->request.wait, READ_ONCE(closing->gone));
	lock_sock(sk);
	if (ret)
		return -EINTR;
	return memnet_sk(sk)->ep == ep ? 0 : -ECONNABORTED;
}

/*
 * Who has closed a socket counts on having its port back. But its CLOSE may go by another channel
 * than this BIND or LISTEN, or wait there for its turn, and come later: then there is an endpoint
 * to be closed when the request is refused, or one has gone since it was sent.
 */
static int in_turn(struct sock *sk, struct memnet_endpoint *ep, struct wire_msg *msg, __be16 port)
{
	struct memnet_link *link = link_of(ep);
	struct memnet_endpoint *closing;
	int closed, tries, ret;

	if (!link)
		return -ENETDOWN;
	for (tries = 0; tries < MAX_TURNS; tries++) {
		closed = atomic_read(&link->closed);
		ret = request_address(sk, ep, msg);
		if (ret != -EADDRINUSE || !port)
			break;
		closing = memnet_endpoint_closing(link, port);
		if (!closing && atomic_read(&link->closed) == closed)
			break;
		if (!closing)
			continue;
		ret = wait_gone(sk, ep, closing);
		memnet_endpoint_put(closing);
		if (ret)
			break;
	}
	memnet_link_put(link);
	return ret;
}

static int request_bind(struct sock *sk, struct memnet_endpoint *ep, const struct wire_addr *addr,
			bool privileged)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_BIND, 0, 0);
	msg.bind.addr = *addr;
	msg.bind.flags = cpu_to_le32(privileged ? WIRE_BIND_PRIVILEGED : 0);
	return in_turn(sk, ep, &msg, addr->port);
}

/* @old: whose heir the endpoint is to be, of the same channel, or NULL */
static struct sk_buff *make_open(struct sock *sk, struct memnet_endpoint *ep,
				 struct memnet_endpoint *old)
{
	struct wire_msg msg;
	u32 flags = 0;

	wire_init(&msg, WIRE_OPEN, 0, 0);
	msg.open.uid = cpu_to_le32(from_kuid_munged(&init_user_ns, sock_i_uid(sk)));
	if (sk->sk_family == AF_INET6)
		flags = WIRE_OPEN_V6 | (sk->sk_ipv6only ? WIRE_OPEN_V6ONLY : 0);
	if (old) {
		flags |= WIRE_OPEN_HEIR;
		msg.open.from = cpu_to_le32(old->index);
		msg.open.from_gen = cpu_to_le16(old->gen);
	}
	msg.open.flags = cpu_to_le32(flags);
	return memnet_transmit_control(ep, &msg, GFP_KERNEL);
}

/* Gives the socket an endpoint on a channel, whose reference is taken over. */
static int open_on(struct sock *sk, struct link_channel *lc)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep = mn->ep;
	struct sk_buff *skb;
	int ret;

	if (!ep) {
		ep = memnet_endpoint_create(GFP_KERNEL);
		if (!ep)
			goto no_memory;
		memnet_endpoint_attach(ep, sk);
		WRITE_ONCE(mn->ep, ep);
	}
	/* Made first: the node must have heard of an endpoint before it hears anything of it. */
	skb = make_open(sk, ep, NULL);
	if (!skb)
		goto no_memory;
	mn->unready = true;
	ret = memnet_endpoint_open(ep, lc);
	if (ret)
		kfree_skb(skb);
	else
		memnet_post_control(ep, skb);
	return ret;
no_memory:
	memnet_lc_put(lc);
	return -ENOMEM;
}

/* The node is told the options and the address there are. */
static int make_ready(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep = mn->ep;
	/* A listener comes back where it was, bound or not. */
	const struct wire_addr *local = ep->state == TCP_LISTEN ? &ep->local : &mn->bound;
	struct wire_addr addr = *local;
	int ret;

	ret = memnet_sync_options(sk, ep, true);
	if (ret)
		return ret;
	/* What another thread asks of it meanwhile comes after BIND. */
	mn->unready = false;
	if (addr.family)
		ret = request_bind(sk, ep, &addr, mn->privileged);
	if (ret && mn->ep == ep)
		mn->unready = true;
	return ret;
}

/**
 * memnet_open() - make sure that the socket has an endpoint on a channel
 * @sk: socket, locked
 *
 * One that lost its channel is bound again, as is one that could not be before. Return: 0,
 * -ENETDOWN without a link, or another negative errno.
 */
int memnet_open(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_link *link;
	struct link_channel *lc;
	int ret;

	if (!mn->ep || !READ_ONCE(mn->ep->lc)) {
		/* A listener's own link and no other: it will be there when that is up again. */
		link = memnet_listener_link(mn);
		lc = link ? memnet_link_pick(link, sock_net(sk)) : memnet_link_choose(sock_net(sk));
		if (link)
			memnet_link_put(link);
		if (!lc)
			return -ENETDOWN;
		ret = open_on(sk, lc);
		if (ret)
			return ret;
	}
	return mn->unready ? make_ready(sk) : 0;
}

/**
 * memnet_drop_endpoint() - end the endpoint of a socket that goes on without it
 * @sk: socket, locked
 * @flags: WIRE_F_ABORT or 0
 */
void memnet_drop_endpoint(struct sock *sk, u32 flags)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep = mn->ep;

	if (!ep)
		return;
	memnet_listener_leave(mn);
	spin_lock_bh(&ep->lock);
	ep->sk = NULL;
	spin_unlock_bh(&ep->lock);
	WRITE_ONCE(mn->ep, NULL);
	memnet_endpoint_close(ep, flags, 0);
	memnet_endpoint_put(ep);
	/* Pairs with memnet_poll(): what the state tells is in place. */
	smp_store_release(&sk->sk_state, TCP_CLOSE);
	/* Who sleeps in a call for this endpoint is not told by it any more. */
	sk->sk_state_change(sk);
}

/* The channel the node knows an endpoint on that was not closed yet, with a reference, or NULL. */
static struct link_channel *lc_of(struct memnet_endpoint *ep)
{
	struct link_channel *lc = NULL;

	spin_lock_bh(&ep->lock);
	if (ep->lc && !ep->gone && !ep->dying && !ep->tx.close) {
		lc = ep->lc;
		refcount_inc(&lc->refs);
	}
	spin_unlock_bh(&ep->lock);
	return lc;
}

/* OPEN of @ep, which is on the same channel, is the last message of the socket's endpoint. */
static void replace_endpoint(struct sock *sk, struct memnet_endpoint *ep, struct sk_buff *open)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *old = mn->ep;

	memnet_listener_leave(mn);
	spin_lock_bh(&old->lock);
	old->sk = NULL;
	old->tx.close_sent = true;
	spin_unlock_bh(&old->lock);
	memnet_endpoint_attach(ep, sk);
	ep->local = mn->bound;
	WRITE_ONCE(mn->ep, ep);
	memnet_endpoint_close(old, WIRE_F_ABORT, 0);
	memnet_endpoint_put(old);
	memnet_post_control(ep, open);
	mn->unready = false;
}

/**
 * memnet_renew_endpoint() - end the connection of a socket that keeps its port, or its listening
 * @sk: socket, locked, bound to a port that was asked for
 *
 * A new endpoint takes over what the old one has on the node, so that nobody gets the port in
 * between. Where that cannot be, the socket is left without one, to be bound anew at its next call.
 */
void memnet_renew_endpoint(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep = NULL;
	struct sk_buff *open = NULL;
	struct link_channel *lc;

	if (!mn->ep)
		return;
	lc = lc_of(mn->ep);
	if (!lc)
		goto drop;
	ep = memnet_endpoint_create(GFP_KERNEL);
	if (ep)
		open = make_open(sk, ep, mn->ep);
	if (!open) {
		memnet_lc_put(lc);
		goto drop;
	}
	if (memnet_endpoint_open(ep, lc))
		goto drop;
	replace_endpoint(sk, ep, open);
	/* Pairs with memnet_poll(): what the state tells is in place. */
	smp_store_release(&sk->sk_state, TCP_CLOSE);
	sk->sk_state_change(sk);
	/* Some may have been on their way. */
	if (memnet_sync_options(sk, ep, true))
		memnet_drop_endpoint(sk, WIRE_F_ABORT);
	return;
drop:
	kfree_skb(open);
	if (ep)
		memnet_endpoint_put(ep);
	memnet_drop_endpoint(sk, WIRE_F_ABORT);
}

/* May refuse, change the address, and make the port a @privileged caller's. */
static int ask_cgroup(struct sock *sk, memnet_sockaddr *addr, int *len, bool *privileged)
{
	u32 flags = 0;
	int ret;

	if (sk->sk_family == AF_INET6)
		ret = memnet_cgroup_address(sk, addr, len, INET6_BIND, &flags);
	else
		ret = memnet_cgroup_address(sk, addr, len, INET4_BIND, &flags);
	if (flags & BPF_RET_BIND_NO_CAP_NET_BIND_SERVICE)
		*privileged = true;
	return ret;
}

static int ask_cgroup_again(struct sock *sk)
{
	if (sk->sk_family == AF_INET6)
		return BPF_CGROUP_RUN_PROG_INET6_POST_BIND(sk);
	return BPF_CGROUP_RUN_PROG_INET4_POST_BIND(sk);
}

static bool stays_native(struct sock *sk, const struct sockaddr *addr, const struct wire_addr *wire)
{
	return memnet_native_address(addr, sk->sk_family) ||
	       memnet_native_port(memnet_sk(sk), wire->port);
}

static bool wildcard(const struct sock *sk)
{
	if (sk->sk_family == AF_INET6)
		return ipv6_addr_any(&sk->sk_v6_rcv_saddr);
	return !inet_sk(sk)->inet_rcv_saddr;
}

/* Binds the endpoint, which is opened if need be and told the options. */
static int bind_on_node(struct sock *sk, const struct wire_addr *addr, bool privileged)
{
	struct memnet_sock *mn = memnet_sk(sk);
	int ret;

	memset(&mn->bound, 0, sizeof(mn->bound));
	ret = memnet_open(sk) ?: memnet_sync_options(sk, mn->ep, false) ?:
	      request_bind(sk, mn->ep, addr, privileged);
	if (ret)
		return ret;
	mn->bound = mn->ep->local;
	mn->privileged = privileged;
	return 0;
}

/* The socket is as before bind(), which may have been after the end of a connection. */
static void unbind(struct sock *sk)
{
	socket_state state = sk->sk_socket->state;
	u8 shutdown = sk->sk_shutdown;

	inet_sk(sk)->inet_num = 0;
	memnet_unconnect(sk->sk_socket);
	sk->sk_socket->state = state;
	WRITE_ONCE(sk->sk_shutdown, shutdown);
	inet_sk(sk)->inet_sport = 0;
}

/*
 * A wildcard address is loopback's, too. The node, where no port was asked for, knows nothing of
 * the ports that native programs have there: it is asked again, a few times.
 */
static int bind_everywhere(struct sock *sk, const struct wire_addr *addr, bool privileged)
{
	int turns, ret;

	for (turns = 1; ; turns++) {
		ret = bind_on_node(sk, addr, privileged);
		/* Who bound to no port yet (IP_BIND_ADDRESS_NO_PORT) has none on loopback. */
		if (ret || !wildcard(sk) || !inet_sk(sk)->inet_num)
			return ret;
		ret = memnet_native_reserve(sk, !addr->port && turns < MAX_TURNS);
		if (ret != -EADDRINUSE || addr->port)
			break;
		if (turns == MAX_TURNS)		/* see memnet_native_listen_loopback() */
			return 0;
		/* Should the next turn fail, nothing of this one is left. */
		unbind(sk);
	}
	if (ret)
		unbind(sk);
	return ret;
}

/* listen() on a socket that is not bound takes any port. */
static int bind_anywhere(struct sock *sk)
{
	struct wire_addr addr = {
		.family = cpu_to_le16(sk->sk_family == AF_INET6 ? 6 : 4),
	};

	return bind_everywhere(sk, &addr, false);
}

/**
 * memnet_bind() - proto_ops.bind
 * @sock: socket
 * @uaddr: address
 * @len: its length
 *
 * Return: 0 or a negative errno as inet_bind().
 */
int memnet_bind(struct socket *sock, memnet_sockaddr *uaddr, int len)
{
	struct sockaddr *addr = (struct sockaddr *)uaddr;
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	struct wire_addr wire;
	bool privileged;
	u16 port;
	int ret;

	if (sk->sk_family == AF_INET && len >= sizeof(struct sockaddr_in) &&
	    addr->sa_family == AF_UNSPEC) {
		/* As inet_bind(): AF_UNSPEC is forgiven for the wildcard address. */
		if (((struct sockaddr_in *)addr)->sin_addr.s_addr != htonl(INADDR_ANY))
			return -EAFNOSUPPORT;
		((struct sockaddr_in *)addr)->sin_family = AF_INET;
	}
	ret = memnet_check_address(sk, addr, len) ?: memnet_sockaddr_to_wire(addr, len, &wire);
	if (ret)
		return ret;
	lock_sock(sk);
	if (mn->delegated) {
		ret = mn->native->ops->bind(mn->native, uaddr, len);
		goto out;
	}
	if (sk->sk_state != TCP_CLOSE || inet_sk(sk)->inet_num) {
		ret = -EINVAL;
		goto out;
	}
	privileged = may_bind_low(sk);
	if (!stays_native(sk, addr, &wire)) {
		ret = ask_cgroup(sk, uaddr, &len, &privileged) ?:
		      memnet_check_address(sk, addr, len) ?:
		      memnet_sockaddr_to_wire(addr, len, &wire);
		if (ret)
			goto out;
	}
	port = ntohs(wire.port);
	if (port && inet_port_requires_bind_service(sock_net(sk), port) && !privileged) {
		ret = -EACCES;
		goto out;
	}
	/* What this namespace lets anybody have (ip_unprivileged_port_start) is vouched for. */
	privileged |= port && port < PROT_SOCK;
	if (stays_native(sk, addr, &wire)) {
		ret = memnet_native_delegate(sk) ?: mn->native->ops->bind(mn->native, uaddr, len);
		goto out;
	}
	ret = -EOPNOTSUPP;
	if (memnet_bound_elsewhere(sk))
		goto out;
	ret = bind_everywhere(sk, &wire, privileged);
	if (ret)
		goto out;
	ret = inet_sk(sk)->inet_num ? ask_cgroup_again(sk) : 0;
	if (ret) {
		unbind(sk);
		goto out;
	}
	if (!wildcard(sk))
		sk->sk_userlocks |= SOCK_BINDADDR_LOCK;
	/* As inet6_bind(), whose socket on the node has it by now. */
	if (sk->sk_family == AF_INET6 && !wildcard(sk) && !ipv6_addr_v4mapped(&sk->sk_v6_rcv_saddr))
		sk->sk_ipv6only = true;
	if (port)
		sk->sk_userlocks |= SOCK_BINDPORT_LOCK;
out:
	release_sock(sk);
	return ret;
}

static int request_listen(struct sock *sk, struct memnet_endpoint *ep)
{
	struct wire_msg msg;
	int ret;

	wire_init(&msg, WIRE_LISTEN, 0, 0);
	msg.listen.backlog = cpu_to_le32(ep->listener.backlog);
	ret = in_turn(sk, ep, &msg, ep->local.port);
	if (!ret)
		memnet_sk(sk)->in_use = 0;
	return ret;
}

/* The link is to set this listener up again when it comes back. */
static int enlist(struct memnet_sock *mn, struct memnet_endpoint *ep)
{
	struct memnet_link *link = link_of(ep);

	if (!link)
		return -ENETDOWN;
	memnet_listener_enlist(mn, link);
	memnet_link_put(link);
	return 0;
}

/**
 * memnet_listen() - proto_ops.listen
 * @sock: socket
 * @backlog: children nobody has accepted
 *
 * Return: 0 or a negative errno as inet_listen().
 */
int memnet_listen(struct socket *sock, int backlog)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep;
	bool again;
	int ret;

	lock_sock(sk);
	if (mn->delegated) {
		ret = mn->native->ops->listen(mn->native, backlog);
		if (!ret)	/* for SO_ACCEPTCONN */
			smp_store_release(&sk->sk_state, TCP_LISTEN);
		goto out;
	}
	ret = -EINVAL;
	if (sock->state != SS_UNCONNECTED ||
	    (sk->sk_state != TCP_CLOSE && sk->sk_state != TCP_LISTEN))
		goto out;
	if (memnet_bound_elsewhere(sk)) {
		ret = -EOPNOTSUPP;
		goto out;
	}
	again = sk->sk_state == TCP_LISTEN;
	if (!again && !inet_sk(sk)->inet_num && !mn->bound.family)
		ret = bind_anywhere(sk);
	else
		ret = memnet_open(sk);
	if (ret)
		goto out;
	ep = mn->ep;
	ret = -EINVAL;
	if (!ep)	/* disconnected by another thread */
		goto out;
	ret = memnet_sync_options(sk, ep, false);
	if (ret)
		goto out;
	/* What is negative is as much as there can be. */
	sk->sk_max_ack_backlog = min_t(unsigned int, backlog, SHRT_MAX);
	memnet_bequeath(sk);
	WRITE_ONCE(mn->refused, false);
	spin_lock_bh(&ep->lock);
	ep->listener.backlog = max(sk->sk_max_ack_backlog, 1U);
	/* The node may push as soon as it listens, so this side listens first. */
	if (!again && !memnet_endpoint_change_state(ep, TCP_LISTEN))
		ret = -EINVAL;
	spin_unlock_bh(&ep->lock);
	/* On its link's list before it can be lost with its link. */
	if (!ret)
		ret = enlist(mn, ep);
	if (!ret)
		ret = request_listen(sk, ep);
	/* Who is tied to a device has the port on loopback, but is not to be reached there. */
	if (!ret && wildcard(sk) && !memnet_judged_tied(mn))
		ret = memnet_native_listen_loopback(sk, backlog);
	if (!ret)
		memnet_stat_inc(MEMNET_STAT_HOST_LISTENS);
	else if (!again && mn->ep == ep)	/* not another thread's */
		memnet_disconnect(sk->sk_socket);
out:
	release_sock(sk);
	return ret;
}

static int listen_again(struct sock *sk, struct memnet_endpoint *ep, struct memnet_link *link)
{
	struct link_channel *lc;
	int ret = 0;

	if (!READ_ONCE(ep->lc)) {
		lc = memnet_link_pick(link, sock_net(sk));
		ret = lc ? open_on(sk, lc) : -ENETDOWN;
	}
	if (!ret && memnet_sk(sk)->unready)
		ret = make_ready(sk);
	return ret ?: enlist(memnet_sk(sk), ep) ?: request_listen(sk, ep);
}

/* The port may be one that our last session still has: not an error before the tenth time. */
#define IN_USE_TRIES 10

/**
 * memnet_listener_restore() - set a listener up again on a new session
 * @mn: socket
 * @link: its link; no other will do, whose node could make this one's end wait
 *
 * Return: 0 or a negative errno, which the socket has got as well; -EADDRINUSE to be called again
 * a second later.
 */
int memnet_listener_restore(struct memnet_sock *mn, struct memnet_link *link)
{
	struct sock *sk = &mn->inet.sk;
	struct memnet_endpoint *ep;
	int ret = 0;

	lock_sock(sk);
	ep = mn->ep;
	if (ep && ep->state == TCP_LISTEN && (!ep->lc || mn->in_use)) {
		ret = listen_again(sk, ep, link);
		if (ret == -EADDRINUSE && mn->in_use < U8_MAX)
			mn->in_use++;
		/* Without a link it is tried again; the node's refusal is the socket's to know. */
		if (ret && ret != -ENETDOWN && ret != -ECONNRESET && ret != -ECONNABORTED &&
		    (ret != -EADDRINUSE || mn->in_use == IN_USE_TRIES)) {
			WRITE_ONCE(sk->sk_err, -ret);
			WRITE_ONCE(mn->refused, true);
			sk_error_report(sk);
			pr_warn_ratelimited("memnet: cannot listen on port %u again: error %d\n",
					    inet_sk(sk)->inet_num, ret);
		}
	}
	release_sock(sk);
	return ret;
}
