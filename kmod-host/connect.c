// SPDX-License-Identifier: GPL-2.0
/*
 * connect(), and connect(AF_UNSPEC) which undoes it.
 *
 * sock->state follows __inet_stream_connect(): SS_CONNECTING while the node has not answered,
 * so that the next call knows. The answer (request.c) moves sk_state, from softirq; a call that
 * was interrupted or did not want to wait finds it there. What connect(AF_UNSPEC) leaves behind,
 * and who it disturbs, is tcp_disconnect()'s choice. A loopback or wildcard destination
 * and excluded ports turn the socket into a delegated one (native.c), for good. The cgroup's
 * programs are asked about every other destination, and may change it, even into one of those.
 */
#include <linux/bpf-cgroup.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "ktls.h"

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
	u8 shutdown;
	int ret;

	wire_init(&msg, WIRE_CONNECT, 0, 0);
	ret = memnet_sockaddr_to_wire(addr, len, &msg.connect.addr);
	if (ret)
		return ret;
	if (memnet_bound_elsewhere(sk))
		return -EOPNOTSUPP;
	ret = memnet_open(sk);
	/* Without a link there is no way there at all, as for TCP without a route. */
	if (ret == -ENETDOWN && !memnet_link_serves(sock_net(sk)))
		ret = -ENETUNREACH;
	if (ret)
		return ret;
	ep = mn->ep;
	ret = memnet_sync_options(sk, ep, false);
	if (ret)
		return ret;
	memnet_set_names(sk, NULL, &msg.connect.addr);
	spin_lock_bh(&ep->lock);
	if (!memnet_endpoint_change_state(ep, TCP_SYN_SENT))
		ret = -EINVAL;
	spin_unlock_bh(&ep->lock);
	if (ret)
		return ret;
	/* What went before is not this connection's, but for what was shut down already. */
	WRITE_ONCE(sk->sk_err, 0);
	shutdown = sk->sk_shutdown;
	ret = memnet_request_start(ep, &msg, true, NULL);
	if (ret) {
		spin_lock_bh(&ep->lock);
		memnet_endpoint_change_state(ep, TCP_CLOSE);
		spin_unlock_bh(&ep->lock);
		/* The link's death may have told the socket, too. */
		WRITE_ONCE(sk->sk_err, 0);
		WRITE_ONCE(sk->sk_shutdown, shutdown);
	}
	return ret;
}

/*
 * A wildcard destination means this machine, as everywhere in Linux; that stays native like
 * loopback.
 */
static bool stays_native(struct sock *sk, const struct sockaddr *addr)
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

/* Will a disconnect of it be an error to who uses it? */
static bool leaves_reset(const struct sock *sk)
{
	const struct memnet_endpoint *ep = memnet_sk(sk)->ep;

	switch (sk->sk_state) {
	case TCP_CLOSE:
	case TCP_LISTEN:
		return false;
	case TCP_CLOSING:
	case TCP_LAST_ACK:	/* both ends are through, unless something has to be sent yet */
		return ep && READ_ONCE(ep->tx.end) != READ_ONCE(ep->tx.sent);
	}
	return true;
}

static void disconnect(struct socket *sock)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	bool bound = sk->sk_userlocks & SOCK_BINDPORT_LOCK ||
		     (sk->sk_state == TCP_CLOSE && inet_sk(sk)->inet_num);

	if (!mn->delegated)	/* by another thread, while this one waited for the node */
		memnet_native_unlisten(mn);
	if (leaves_reset(sk))
		WRITE_ONCE(sk->sk_err, ECONNRESET);
	if (!bound)
		memnet_drop_endpoint(sk, WIRE_F_ABORT);
	else if (mn->ep && (mn->ep->connected || mn->ep->state != TCP_CLOSE))
		memnet_renew_endpoint(sk);
	WRITE_ONCE(sk->sk_shutdown, 0);
	sk_set_peek_off(sk, -1);
	inet_sk(sk)->inet_dport = 0;
	inet_sk(sk)->inet_daddr = 0;
	memset(&sk->sk_v6_daddr, 0, sizeof(sk->sk_v6_daddr));
	if (!(sk->sk_userlocks & SOCK_BINDADDR_LOCK))
		inet_reset_saddr(sk);
	if (!bound) {
		mn->bound.port = 0;
		if (!(sk->sk_userlocks & SOCK_BINDADDR_LOCK))
			memset(&mn->bound, 0, sizeof(mn->bound));
		inet_sk(sk)->inet_num = 0;	/* getsockname() still tells the last one */
		memnet_native_unreserve(mn);
	}
	sock->state = SS_UNCONNECTED;
	sk_error_report(sk);
}

/**
 * memnet_disconnect() - back to an unconnected socket
 * @sock: socket, locked
 *
 * As tcp_disconnect(): a connection that was, or was being made, leaves ECONNRESET behind. The
 * socket stays bound where a port was asked for, or where it was bound after its connection's end.
 *
 * Return: 0, or -EOPNOTSUPP where TLS is in between.
 */
int memnet_disconnect(struct socket *sock)
{
	if (memnet_has_ktls(memnet_sk(sock->sk), MEMNET_KTLS_ULP))
		return -EOPNOTSUPP;
	disconnect(sock);
	return 0;
}

/**
 * memnet_unconnect() - the same, for who has TLS in between as well
 * @sock: socket, locked, of a connection that is over
 *
 * The node has nothing of it any more, yet to its program it is a socket with TLS.
 */
void memnet_unconnect(struct socket *sock)
{
	struct memnet_endpoint *old = memnet_sk(sock->sk)->ep;

	if (old)
		memnet_endpoint_get(old);
	disconnect(sock);
	if (!old)
		return;
	if (READ_ONCE(old->ktls) && !memnet_sk(sock->sk)->ep)
		memnet_ktls_keep(sock->sk, old);
	memnet_endpoint_put(old);
}

/* What connect(AF_UNSPEC) does to a socket that is new, or only bound. */
static int forget_shutdown(struct sock *sk)
{
	WRITE_ONCE(sk->sk_shutdown, 0);
	sk_set_peek_off(sk, -1);
	sk_error_report(sk);
	return 0;
}

static int ask_cgroup(struct sock *sk, memnet_sockaddr *addr, int *len)
{
	if (sk->sk_family == AF_INET6)
		return memnet_cgroup_address(sk, addr, len, INET6_CONNECT, NULL);
	return memnet_cgroup_address(sk, addr, len, INET4_CONNECT, NULL);
}

/* Sets @native, and does nothing more, when it is the native socket that is to connect. */
static int connect_locked(struct socket *sock, memnet_sockaddr *uaddr, int *ulen, int flags,
			  bool *native)
{
	struct sockaddr *addr = (struct sockaddr *)uaddr;
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	int ret, pending = -EALREADY;
	unsigned int undone;
	long timeo;

	*native = mn->delegated;
	if (*native)
		return 0;
	if (*ulen < offsetofend(struct sockaddr, sa_family))
		return -EINVAL;
	if (addr->sa_family == AF_UNSPEC) {
		mn->disconnects++;
		/* TCP gives a port back when a connection ends, not where there was none. */
		return sock->state == SS_UNCONNECTED && sk->sk_state == TCP_CLOSE ?
		       forget_shutdown(sk) : memnet_disconnect(sock);
	}
	switch (sock->state) {
	case SS_CONNECTED:
		return -EISCONN;
	case SS_CONNECTING:
		break;
	case SS_UNCONNECTED:
		if (sk->sk_state != TCP_CLOSE)
			return -EISCONN;
		ret = memnet_check_address(sk, addr, *ulen);
		if (!ret && !stays_native(sk, addr))
			ret = ask_cgroup(sk, uaddr, ulen) ?: memnet_check_address(sk, addr, *ulen);
		if (ret)
			return ret;
		if (stays_native(sk, addr)) {
			*native = true;
			return memnet_native_delegate(sk);
		}
		ret = start_connect(sk, addr, *ulen);
		if (ret)
			return ret;
		memnet_native_unreserve(mn);
		sock->state = SS_CONNECTING;
		pending = -EINPROGRESS;
		break;
	default:
		return -EINVAL;
	}
	timeo = sock_sndtimeo(sk, flags & O_NONBLOCK);
	/* However quick the node was: who does not wait learns of it as with TCP. */
	if (!timeo && pending == -EINPROGRESS)
		return pending;
	undone = mn->disconnects;
	timeo = wait_connected(sk, timeo);
	if (sk->sk_state == TCP_SYN_SENT) {
		if (!timeo)
			return pending;
		return sock_intr_errno(timeo);
	}
	if (mn->disconnects != undone)
		return -EPIPE;
	if (sk->sk_state == TCP_CLOSE) {
		if (mn->ep)
			memnet_endpoint_settle(mn->ep);
		ret = sock_error(sk) ?: -ECONNABORTED;
		if (mn->ep && mn->ep->connected)	/* and over again */
			memnet_disconnect(sock);
		inet_sk(sk)->inet_dport = 0;
		sock->state = SS_UNCONNECTED;
		WRITE_ONCE(sk->sk_shutdown, 0);
		return ret;
	}
	sock->state = SS_CONNECTED;
	return 0;
}

/**
 * memnet_connect() - proto_ops.connect
 * @sock: socket
 * @uaddr: address
 * @len: its length
 * @flags: O_NONBLOCK
 *
 * Return: 0 or a negative errno as inet_stream_connect().
 */
int memnet_connect(struct socket *sock, memnet_sockaddr *uaddr, int len, int flags)
{
	struct memnet_sock *mn = memnet_sk(sock->sk);
	bool native;
	int ret;

	lock_sock(sock->sk);
	ret = connect_locked(sock, uaddr, &len, flags, &native);
	release_sock(sock->sk);
	/* It has been decided that the socket is native: this does not change any more. */
	if (native && !ret) {
		memnet_native_begin(mn);
		ret = mn->native->ops->connect(mn->native, uaddr, len, flags);
		memnet_native_end(mn);
	}
	return ret;
}

/**
 * memnet_connect_to_send() - connect() by sendmsg(MSG_FASTOPEN)
 * @sock: socket
 * @msg: its name is where to
 *
 * As tcp_sendmsg_fastopen() with a peer that has given no cookie: what is sent follows the
 * handshake.
 *
 * Return: 0 when it is connected, or native and nothing was done; or a negative errno.
 */
int memnet_connect_to_send(struct socket *sock, struct msghdr *msg)
{
	int len = msg->msg_name ? msg->msg_namelen : 0, ret;
	struct sockaddr *addr = msg->msg_name;
	bool native;

	if (!(READ_ONCE(sock_net(sock->sk)->ipv4.sysctl_tcp_fastopen) & TFO_CLIENT_ENABLE) ||
	    (len >= offsetofend(struct sockaddr, sa_family) && addr->sa_family == AF_UNSPEC))
		return -EOPNOTSUPP;
	lock_sock(sock->sk);
	ret = connect_locked(sock, msg->msg_name, &len,
			     msg->msg_flags & MSG_DONTWAIT ? O_NONBLOCK : 0, &native);
	release_sock(sock->sk);
	return ret;
}
