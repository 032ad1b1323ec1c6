// SPDX-License-Identifier: GPL-2.0
/*
 * AF_MEMNET: creation, names, bind, listen, accept, connect, shutdown, close.
 *
 * The family's number is only a door: inside, sockets are AF_INET or AF_INET6 with protocol
 * IPPROTO_MEMNET, so that core code (SO_REUSEPORT, cgroup hooks, SO_DOMAIN) treats them as what
 * they are. A socket is local until bind, listen or connect needs the node; then it chooses a
 * channel, opens an endpoint there, tells the options set so far and sends the request.
 * Loopback addresses and ports the user excluded never go to the node: the socket then gets a
 * native socket inside and delegates every call to it (native.c); a listener on the wildcard
 * address has both.
 *
 * sk_state is the endpoint's (endpoint.c). sock->state follows inet_stream_connect():
 * SS_CONNECTING while a connect is pending, so that the next call knows. All calls hold
 * lock_sock(), which waits for the node release.
 *
 * A listening socket whose link died keeps its place: memnet_listener_restore() opens a new
 * endpoint with the address the old one really had. If the node refuses, the socket gets the
 * error.
 */
#include <linux/slab.h>
#include <net/ipv6.h>
#include <net/inet_common.h>
#include <net/tcp.h>

#include "memnet.h"

unsigned int memnet_family_number = AF_MEMNET;

static struct lock_class_key slock_key, lock_key;

/* ---- names ---- */

static int sockaddr_to_wire(const struct sockaddr *addr, int len, struct wire_addr *wire)
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

static int memnet_getname(struct socket *sock, struct sockaddr *addr, int peer)
{
	struct memnet_sock *mn = memnet_sk(sock->sk);

	if (mn->delegated)
		return mn->native->ops->getname(mn->native, addr, peer);
	return sock->sk->sk_family == AF_INET6 ? inet6_getname(sock, addr, peer) :
						 inet_getname(sock, addr, peer);
}

/* ---- creation ---- */

/*
 * Wakes writers when there is room; called under the endpoint's lock, or by whoever freed
 * something.
 */
static void memnet_write_space(struct sock *sk)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	struct socket_wq *wq;

	if (ep && ep->state != TCP_CLOSE && !memnet_transmit_writable(ep, sk))
		return;
	rcu_read_lock();
	wq = rcu_dereference(sk->sk_wq);
	if (wq && test_bit(SOCKWQ_ASYNC_NOSPACE, &wq->flags) |
			  test_bit(SOCK_NOSPACE, &sk->sk_socket->flags)) {
		clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		if (skwq_has_sleeper(wq))
			wake_up_interruptible_poll(&wq->wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
		if (wq->fasync_list && !(sk->sk_shutdown & SEND_SHUTDOWN))
			sock_wake_async(wq, SOCK_WAKE_SPACE, POLL_OUT);
	}
	rcu_read_unlock();
}

static void memnet_destruct(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);

	kfree(mn->native_ports);
	memnet_stat_dec(MEMNET_STAT_HOST_SOCKETS);
}

struct proto memnet_prot = {
	.name		= "MEMNET",
	.owner		= THIS_MODULE,
	.obj_size	= sizeof(struct memnet_sock),
	.keepalive	= memnet_keepalive,
};

struct proto memnet6_prot = {
	.name		= "MEMNETv6",
	.owner		= THIS_MODULE,
	.obj_size	= sizeof(struct memnet6_sock),
#ifdef MEMNET_HAVE_ipv6_pinfo_offset
	.ipv6_pinfo_offset = offsetof(struct memnet6_sock, inet6),
#endif
	.keepalive	= memnet_keepalive,
};

/**
 * memnet_sock_alloc() - make an unconnected socket
 * @net: its namespace
 * @sock: what user space holds
 * @family: AF_INET or AF_INET6
 * @gfp: how to allocate
 * @kern: made for the kernel
 *
 * Return: the socket or NULL.
 */
struct sock *memnet_sock_alloc(struct net *net, struct socket *sock, int family, gfp_t gfp,
			       int kern)
{
	struct proto *prot = family == AF_INET6 ? &memnet6_prot : &memnet_prot;
	struct sock *sk = sk_alloc(net, family, gfp, prot, kern);
	struct memnet_sock *mn = memnet_sk(sk);

	if (!sk)
		return NULL;
	sock_init_data(sock, sk);
	sock_lock_init_class_and_name(sk, "slock-AF_MEMNET", &slock_key, "sk_lock-AF_MEMNET",
				      &lock_key);
	sk->sk_protocol = IPPROTO_MEMNET;
	sk->sk_destruct = memnet_destruct;
	sk->sk_write_space = memnet_write_space;
	if (family == AF_INET6)
		inet_sk(sk)->pinet6 = &((struct memnet6_sock *)sk)->inet6;
	INIT_LIST_HEAD(&mn->link_node);
	memnet_stat_inc(MEMNET_STAT_HOST_SOCKETS);
	return sk;
}

static int memnet_create(struct net *net, struct socket *sock, int protocol, int kern)
{
	if (sock->type != SOCK_STREAM)
		return -ESOCKTNOSUPPORT;
	if (protocol != MEMNET_PROTO_IPV4 && protocol != MEMNET_PROTO_IPV6)
		return -EPROTONOSUPPORT;
	sock->ops = &memnet_stream_ops;
	sock->state = SS_UNCONNECTED;
	if (!memnet_sock_alloc(net, sock, protocol == MEMNET_PROTO_IPV6 ? AF_INET6 : AF_INET,
			       GFP_KERNEL, kern))
		return -ENOMEM;
	return 0;
}

/* ---- towards the node ---- */

static int request_bind(struct sock *sk, struct memnet_endpoint *ep, const struct wire_addr *addr)
{
	bool privileged = ns_capable(sock_net(sk)->user_ns, CAP_NET_BIND_SERVICE);
	struct wire_msg msg;
	int ret;

	wire_init(&msg, WIRE_BIND, 0, 0);
	msg.bind.addr = *addr;
	msg.bind.flags = cpu_to_le32(privileged ? WIRE_BIND_PRIVILEGED : 0);
	ret = memnet_request(sk, ep, &msg, true);
	if (!ret) {
		ep->local = ep->request.local;
		memnet_set_names(sk, &ep->local, NULL);
	}
	return ret;
}

/*
 * Makes sure that the socket has an endpoint on a channel; one that lost its channel is bound
 * again.
 */
static int ensure_open(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep = mn->ep;
	struct link_channel *lc;
	struct wire_msg msg;
	int ret;

	if (ep && ep->lc)
		return 0;
	lc = memnet_link_choose(sock_net(sk));
	if (!lc)
		return -ENETDOWN;
	if (!ep) {
		ep = memnet_endpoint_create(GFP_KERNEL);
		if (!ep) {
			memnet_lc_put(lc);
			return -ENOMEM;
		}
		memnet_endpoint_attach(ep, sk);
		WRITE_ONCE(mn->ep, ep);
	}
	ret = memnet_endpoint_open(ep, lc);
	if (ret)
		return ret;
	wire_init(&msg, WIRE_OPEN, 0, 0);
	msg.open.uid = cpu_to_le32(from_kuid_munged(&init_user_ns, sock_i_uid(sk)));
	msg.open.flags = cpu_to_le32(sk->sk_family == AF_INET6 ? WIRE_OPEN_V6 : 0);
	ret = memnet_post(ep, &msg) ?: memnet_sync_options(sk, ep, true);
	if (!ret && ep->local.family)
		ret = request_bind(sk, ep, &ep->local);
	return ret;
}

/* Ends the endpoint of a socket that goes on without it. */
static void drop_endpoint(struct sock *sk, u32 flags)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep = mn->ep;

	if (!ep)
		return;
	memnet_link_listener_del(mn);
	spin_lock_bh(&ep->lock);
	ep->sk = NULL;
	spin_unlock_bh(&ep->lock);
	WRITE_ONCE(mn->ep, NULL);
	memnet_endpoint_close(ep, flags, 0);
	memnet_endpoint_put(ep);
	/* Pairs with memnet_poll(): what the state tells is in place. */
	smp_store_release(&sk->sk_state, TCP_CLOSE);
}

static bool bound_elsewhere(struct sock *sk)
{
	/* SO_BINDTODEVICE names a device of the host, which the node knows nothing of. */
	return READ_ONCE(sk->sk_bound_dev_if);
}

static int check_address(struct sock *sk, const struct sockaddr *addr, int len)
{
	if (len < offsetofend(struct sockaddr, sa_family))
		return -EINVAL;
	if (sk->sk_family == AF_INET) {
		if (len < sizeof(struct sockaddr_in))
			return -EINVAL;
		return addr->sa_family == AF_INET ? 0 : -EAFNOSUPPORT;
	}
	if (addr->sa_family == AF_INET)	/* as inet6_bind() and tcp_v6_connect() do not */
		return -EAFNOSUPPORT;
	if (len < SIN6_LEN_RFC2133)
		return -EINVAL;
	return addr->sa_family == AF_INET6 ? 0 : -EAFNOSUPPORT;
}

static int memnet_bind(struct socket *sock, memnet_sockaddr *uaddr, int len)
{
	struct sockaddr *addr = (struct sockaddr *)uaddr;
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	struct wire_addr wire;
	u16 port;
	int ret;

	if (sk->sk_family == AF_INET && len >= sizeof(struct sockaddr_in) &&
	    addr->sa_family == AF_UNSPEC) {
		/* As inet_bind(): AF_UNSPEC is forgiven for the wildcard address. */
		if (((struct sockaddr_in *)addr)->sin_addr.s_addr != htonl(INADDR_ANY))
			return -EAFNOSUPPORT;
		((struct sockaddr_in *)addr)->sin_family = AF_INET;
	}
	ret = check_address(sk, addr, len) ?: sockaddr_to_wire(addr, len, &wire);
	if (ret)
		return ret;
	lock_sock(sk);
	port = ntohs(wire.port);
	if (mn->delegated) {
		ret = mn->native->ops->bind(mn->native, uaddr, len);
		goto out;
	}
	if (sk->sk_state != TCP_CLOSE || inet_sk(sk)->inet_num) {
		ret = -EINVAL;
		goto out;
	}
	if (port && inet_port_requires_bind_service(sock_net(sk), port) &&
	    !ns_capable(sock_net(sk)->user_ns, CAP_NET_BIND_SERVICE)) {
		ret = -EACCES;
		goto out;
	}
	if (memnet_native_address(addr, sk->sk_family) || memnet_native_port(mn, wire.port)) {
		ret = memnet_native_delegate(sk) ?: mn->native->ops->bind(mn->native, uaddr, len);
		goto out;
	}
	ret = bound_elsewhere(sk) ? -EOPNOTSUPP :
	      ensure_open(sk)	  ?:
				    request_bind(sk, mn->ep, &wire);
	if (!ret && inet_sk(sk)->inet_num)
		sk->sk_userlocks |= SOCK_BINDADDR_LOCK | SOCK_BINDPORT_LOCK;
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
	ret = memnet_request(sk, ep, &msg, true);
	if (!ret) {
		ep->local = ep->request.local;
		memnet_set_names(sk, &ep->local, NULL);
	}
	return ret;
}

static bool wildcard(const struct sock *sk)
{
	if (sk->sk_family == AF_INET6)
		return ipv6_addr_any(&sk->sk_v6_rcv_saddr);
	return !inet_sk(sk)->inet_rcv_saddr;
}

static int memnet_listen(struct socket *sock, int backlog)
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
	if (bound_elsewhere(sk)) {
		ret = -EOPNOTSUPP;
		goto out;
	}
	again = sk->sk_state == TCP_LISTEN;
	ret = ensure_open(sk);
	if (ret)
		goto out;
	ep = mn->ep;
	memnet_sync_options(sk, ep, false);
	sk->sk_max_ack_backlog = backlog;
	spin_lock_bh(&ep->lock);
	ep->listener.backlog = clamp(backlog, 1, SHRT_MAX);
	/* The node may push as soon as it listens, so this side listens first. */
	if (!again && !memnet_endpoint_change_state(ep, TCP_LISTEN))
		ret = -EINVAL;
	spin_unlock_bh(&ep->lock);
	if (!ret)
		ret = request_listen(sk, ep);
	if (!ret && !again && wildcard(sk))
		ret = memnet_native_listen_loopback(sk, backlog);
	if (!ret) {
		if (ep->lc)
			memnet_link_listener_add(mn, ep->lc->link);
		memnet_stat_inc(MEMNET_STAT_HOST_LISTENS);
	} else if (!again) {
		drop_endpoint(sk, WIRE_F_ABORT);
		inet_sk(sk)->inet_num = 0;
		inet_sk(sk)->inet_sport = 0;
	}
out:
	release_sock(sk);
	return ret;
}

/**
 * memnet_listener_restore() - set a listener up again on a new session
 * @mn: socket
 *
 * Return: 0 or a negative errno, which the socket has got as well.
 */
int memnet_listener_restore(struct memnet_sock *mn)
{
	struct sock *sk = &mn->inet.sk;
	struct memnet_endpoint *ep;
	int ret = 0;

	lock_sock(sk);
	ep = mn->ep;
	if (ep && ep->state == TCP_LISTEN && !ep->lc) {
		ret = ensure_open(sk) ?: request_listen(sk, ep);
		if (ret) {
			WRITE_ONCE(sk->sk_err, -ret);
			sk_error_report(sk);
			pr_warn_ratelimited("memnet: cannot listen on port %u again: error %d\n",
					    inet_sk(sk)->inet_num, ret);
		}
	}
	release_sock(sk);
	return ret;
}

/* ---- accept ---- */

static int take_native_child(struct sock *sk, struct socket **child)
{
	struct memnet_sock *mn = memnet_sk(sk);

	if (!mn->native)
		return -EAGAIN;
	return kernel_accept(mn->native, child, O_NONBLOCK);
}

/* Waits for a child of either kind; the socket is locked. */
static int wait_for_child(struct sock *sk, long timeo, struct memnet_endpoint **child,
			  struct socket **native)
{
	DEFINE_WAIT(wait);
	int ret;

	for (;;) {
		struct memnet_sock *mn = memnet_sk(sk);

		prepare_to_wait_exclusive(sk_sleep(sk), &wait, TASK_INTERRUPTIBLE);
		ret = -EINVAL;
		if (!mn->delegated && sk->sk_state != TCP_LISTEN)
			break;
		ret = 0;
		*child = mn->ep ? memnet_endpoint_next_child(mn->ep) : NULL;
		if (*child)
			break;
		ret = take_native_child(sk, native);
		if (ret != -EAGAIN)
			break;
		ret = sock_error(sk);
		if (ret)
			break;
		ret = -EAGAIN;
		if (!timeo)
			break;
		ret = sock_intr_errno(timeo);
		if (signal_pending(current))
			break;
		release_sock(sk);
		timeo = schedule_timeout(timeo);
		lock_sock(sk);
	}
	finish_wait(sk_sleep(sk), &wait);
	return ret;
}

static int memnet_do_accept(struct socket *sock, struct socket *newsock, int flags, bool kern)
{
	struct sock *sk = sock->sk, *newsk;
	struct memnet_endpoint *child = NULL;
	struct socket *native = NULL;
	int ret;

	newsk = memnet_sock_alloc(sock_net(sk), NULL, sk->sk_family, GFP_KERNEL, kern);
	if (!newsk)
		return -ENOMEM;
	lock_sock(sk);
	ret = wait_for_child(sk, sock_rcvtimeo(sk, flags & O_NONBLOCK), &child, &native);
	if (!ret)
		memnet_inherit_options(newsk, sk);
	release_sock(sk);
	if (ret) {
		sock_put(newsk);
		return ret;
	}
	lock_sock(newsk);
	sock_graft(newsk, newsock);
	newsock->state = SS_CONNECTED;
	if (native) {
		memnet_native_adopt(newsk, native);
	} else {
		memnet_set_names(newsk, &child->local, &child->peer);
		memnet_sk(newsk)->ep = child;
		memnet_endpoint_attach(child, newsk);
		memnet_stat_inc(MEMNET_STAT_HOST_ACCEPTS);
	}
	release_sock(newsk);
	return 0;
}

#ifdef MEMNET_HAVE_proto_accept_arg
static int memnet_accept(struct socket *sock, struct socket *newsock, struct proto_accept_arg *arg)
{
	return memnet_do_accept(sock, newsock, arg->flags, arg->kern);
}
#else
static int memnet_accept(struct socket *sock, struct socket *newsock, int flags, bool kern)
{
	return memnet_do_accept(sock, newsock, flags, kern);
}
#endif

/* ---- connect ---- */

static long wait_connected(struct sock *sk, long timeo)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);

	add_wait_queue(sk_sleep(sk), &wait);
	while (sk->sk_state == TCP_SYN_SENT && timeo && !signal_pending(current)) {
		release_sock(sk);
		timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, timeo);
		lock_sock(sk);
	}
	remove_wait_queue(sk_sleep(sk), &wait);
	return timeo;
}

static int start_connect(struct sock *sk, const struct sockaddr *addr, int len)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep;
	struct wire_msg msg;
	int ret;

	wire_init(&msg, WIRE_CONNECT, 0, 0);
	ret = sockaddr_to_wire(addr, len, &msg.connect.addr);
	if (ret)
		return ret;
	if (bound_elsewhere(sk))
		return -EOPNOTSUPP;
	ret = ensure_open(sk);
	if (ret)
		return ret;
	ep = mn->ep;
	memnet_sync_options(sk, ep, false);
	memnet_set_names(sk, NULL, &msg.connect.addr);
	spin_lock_bh(&ep->lock);
	if (!memnet_endpoint_change_state(ep, TCP_SYN_SENT))
		ret = -EINVAL;
	spin_unlock_bh(&ep->lock);
	if (ret)
		return ret;
	ret = memnet_request_start(ep, &msg, true);
	if (ret) {
		spin_lock_bh(&ep->lock);
		memnet_endpoint_change_state(ep, TCP_CLOSE);
		spin_unlock_bh(&ep->lock);
	}
	return ret;
}

/*
 * A wildcard destination means this machine, as everywhere in Linux; that stays native like
 * loopback.
 */
static bool stays_native(struct sock *sk, const struct sockaddr *addr, int len)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
	const struct sockaddr_in *in = (const struct sockaddr_in *)addr;

	if (addr->sa_family == AF_INET)
		return in->sin_addr.s_addr == htonl(INADDR_ANY) ||
		       memnet_native_address(addr, sk->sk_family) ||
		       memnet_native_port(memnet_sk(sk), in->sin_port);
	return ipv6_addr_any(&in6->sin6_addr) || memnet_native_address(addr, sk->sk_family) ||
	       memnet_native_port(memnet_sk(sk), in6->sin6_port);
}

static int disconnect(struct socket *sock)
{
	struct sock *sk = sock->sk;

	drop_endpoint(sk, WIRE_F_ABORT);
	sk->sk_shutdown = 0;
	sk->sk_err = 0;
	inet_sk(sk)->inet_dport = 0;
	inet_sk(sk)->inet_daddr = 0;
	memset(&sk->sk_v6_daddr, 0, sizeof(sk->sk_v6_daddr));
	inet_sk(sk)->inet_num = 0;
	inet_sk(sk)->inet_sport = 0;
	sock->state = SS_UNCONNECTED;
	return 0;
}

static int connect_locked(struct socket *sock, struct sockaddr *addr, int len, int flags)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	long timeo;
	int ret;

	if (len < offsetofend(struct sockaddr, sa_family))
		return -EINVAL;
	if (addr->sa_family == AF_UNSPEC && !mn->delegated)
		return disconnect(sock);
	switch (sock->state) {
	case SS_CONNECTED:
		return -EISCONN;
	case SS_CONNECTING:
		break;
	case SS_UNCONNECTED:
		if (sk->sk_state != TCP_CLOSE)
			return -EISCONN;
		ret = check_address(sk, addr, len);
		if (ret)
			return ret;
		if (!mn->delegated && stays_native(sk, addr, len)) {
			ret = memnet_native_delegate(sk);
			if (ret)
				return ret;
		}
		if (mn->delegated)
			return -EREMCHG;
		ret = start_connect(sk, addr, len);
		if (ret)
			return ret;
		sock->state = SS_CONNECTING;
		if (flags & O_NONBLOCK)
			return -EINPROGRESS;
		goto wait;
	default:
		return -EINVAL;
	}
	if (sk->sk_state == TCP_SYN_SENT && flags & O_NONBLOCK)
		return -EALREADY;
wait:
	timeo = sock_sndtimeo(sk, flags & O_NONBLOCK);
	timeo = wait_connected(sk, timeo);
	if (sk->sk_state == TCP_SYN_SENT) {
		if (!timeo)
			return flags & O_NONBLOCK ? -EALREADY : -EINPROGRESS;
		return sock_intr_errno(timeo);
	}
	if (sk->sk_state == TCP_CLOSE && !(mn->ep && mn->ep->connected)) {
		sock->state = SS_UNCONNECTED;
		return sock_error(sk) ?: -ECONNABORTED;
	}
	sock->state = SS_CONNECTED;
	return 0;
}

static int memnet_connect(struct socket *sock, memnet_sockaddr *uaddr, int len, int flags)
{
	struct memnet_sock *mn = memnet_sk(sock->sk);
	int ret;

	lock_sock(sock->sk);
	ret = mn->delegated ? -EREMCHG : connect_locked(sock, (struct sockaddr *)uaddr, len, flags);
	if (ret == -EREMCHG)
		memnet_native_sync(mn);
	release_sock(sock->sk);
	/* It has been decided that the socket is native: this does not change any more. */
	if (ret == -EREMCHG)
		ret = mn->native->ops->connect(mn->native, uaddr, len, flags);
	return ret;
}

/* ---- the end ---- */

static int memnet_shutdown(struct socket *sock, int how)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep;
	int ret = 0;
	u8 next;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	how++;	/* RCV_SHUTDOWN, SEND_SHUTDOWN, both */
	if (mn->delegated)
		return mn->native->ops->shutdown(mn->native, how - 1);
	lock_sock(sk);
	ep = mn->ep;
	switch (sk->sk_state) {
	case TCP_CLOSE:
		ret = -ENOTCONN;
		/* Someone may sleep in a call that the end of the connection has not woken. */
		if (ep && ep->connected)
			WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | how);
		break;
	case TCP_LISTEN:
		if (how & RCV_SHUTDOWN) {
			memnet_native_release(mn);
			disconnect(sock);
		}
		break;
	case TCP_SYN_SENT:
		disconnect(sock);
		WRITE_ONCE(sk->sk_err, ECONNRESET);
		break;
	default:
		spin_lock_bh(&ep->lock);
		WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | how);
		if (how & SEND_SHUTDOWN && !ep->tx.fin) {
			ep->tx.fin = true;
			next = ep->state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT1;
			memnet_endpoint_change_state(ep, next);
			memnet_transmit(ep);
		}
		spin_unlock_bh(&ep->lock);
	}
	sk->sk_state_change(sk);
	release_sock(sk);
	return ret;
}

/* Lingering close: waits until the node says CLOSED or the time is over. */
static void wait_closed(struct sock *sk, struct memnet_endpoint *ep, long timeo)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);

	add_wait_queue(sk_sleep(sk), &wait);
	while (!READ_ONCE(ep->gone) && timeo && !signal_pending(current)) {
		release_sock(sk);
		timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, timeo);
		lock_sock(sk);
	}
	remove_wait_queue(sk_sleep(sk), &wait);
}

static void close_endpoint(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep = mn->ep;
	long linger = sk->sk_lingertime;
	u32 flags = 0, ms = 0;

	if (!ep)
		return;
	memnet_link_listener_del(mn);
	if (ep->connected && ep->state != TCP_CLOSE) {
		if (!skb_queue_empty_lockless(&ep->rx.queue) ||
		    (sock_flag(sk, SOCK_LINGER) && !linger)) {
			flags = WIRE_F_ABORT;
		} else if (sock_flag(sk, SOCK_LINGER) && !(current->flags & PF_EXITING)) {
			flags = WIRE_F_LINGER;
			ms = min_t(long, linger, MEMNET_ORPHAN_MS / 1000 * HZ) * (1000 / HZ);
		}
	}
	memnet_endpoint_close(ep, flags, ms);
	if (flags == WIRE_F_LINGER)
		wait_closed(sk, ep, linger);
	spin_lock_bh(&ep->lock);
	ep->sk = NULL;
	spin_unlock_bh(&ep->lock);
	WRITE_ONCE(mn->ep, NULL);
	memnet_transmit_reap(ep);
	memnet_endpoint_put(ep);
}

static int memnet_release(struct socket *sock)
{
	struct sock *sk = sock->sk;

	if (!sk)
		return 0;
	sock_hold(sk);
	lock_sock(sk);
	WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	close_endpoint(sk);
	memnet_native_release(memnet_sk(sk));
	/* Pairs with memnet_poll(): what the state tells is in place. */
	smp_store_release(&sk->sk_state, TCP_CLOSE);
	sock_orphan(sk);
	sock->sk = NULL;
	release_sock(sk);
	sock_put(sk);
	sock_put(sk);
	return 0;
}

/* ---- registration ---- */

const struct proto_ops memnet_stream_ops = {
	.family		= PF_INET,
	.owner		= THIS_MODULE,
	.release	= memnet_release,
	.bind		= memnet_bind,
	.connect	= memnet_connect,
	.socketpair	= sock_no_socketpair,
	.accept		= memnet_accept,
	.getname	= memnet_getname,
	.poll		= memnet_poll,
	.ioctl		= memnet_ioctl,
	.listen		= memnet_listen,
	.shutdown	= memnet_shutdown,
	.setsockopt	= memnet_setsockopt,
	.getsockopt	= memnet_getsockopt,
	.sendmsg	= memnet_sendmsg,
	.recvmsg	= memnet_recvmsg,
	.mmap		= sock_no_mmap,
#ifndef MEMNET_HAVE_splice_pages
	.sendpage	= memnet_sendpage,
#endif
};

static struct net_proto_family family = {
	.create	= memnet_create,
	.owner	= THIS_MODULE,
};

/**
 * memnet_family_init() - open the door
 *
 * Return: 0 or a negative errno, -EEXIST if the number is taken.
 */
int memnet_family_init(void)
{
	int ret;

	ret = proto_register(&memnet_prot, 1);
	if (ret)
		return ret;
	ret = proto_register(&memnet6_prot, 1);
	if (ret)
		goto prot;
	family.family = memnet_family_number;
	ret = sock_register(&family);
	if (ret)
		goto prot6;
	return 0;
prot6:
	proto_unregister(&memnet6_prot);
prot:
	proto_unregister(&memnet_prot);
	return ret;
}

/**
 * memnet_family_exit() - close the door
 */
void memnet_family_exit(void)
{
	sock_unregister(memnet_family_number);
	proto_unregister(&memnet6_prot);
	proto_unregister(&memnet_prot);
}
