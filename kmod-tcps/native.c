// SPDX-License-Identifier: GPL-2.0
/*
 * Native sockets: making and releasing them, and their callbacks.
 *
 * tcps_native_adopt() and detach() are the one pair that swaps and restores a socket's callbacks
 * and sk_user_data, under its sk_callback_lock; the callbacks take it for reading, so after
 * detach() none runs that knows the endpoint. They only kick. TLS may put its own over them
 * (ktls.c). Children of a listener inherit its callbacks, though not its sk_user_data, and are
 * quiet until they are adopted; what they restore in the end is what the listener saved.
 *
 * Sockets are made under their owner's credentials (cred.c) and hold their network namespace,
 * since TCP keeps them for a while after we let go.
 */
#include <linux/tcp.h>
#include <net/tcp.h>

#include "tcps.h"

static void kick_native(struct sock *sk, int events)
{
	struct tcps_endpoint *ep;

	read_lock_bh(&sk->sk_callback_lock);
	ep = __locked_read_sk_user_data_with_flags(sk, SK_USER_DATA_NOCOPY);
	if (ep)
		tcps_kick(ep, events);
	read_unlock_bh(&sk->sk_callback_lock);
}

static void data_ready(struct sock *sk)
{
	kick_native(sk, TCPS_EV_DATA);
}

static void state_change(struct sock *sk)
{
	kick_native(sk, TCPS_EV_STATE);
}

static void error_report(struct sock *sk)
{
	kick_native(sk, TCPS_EV_STATE);
}

static void write_space(struct sock *sk)
{
	struct tcps_endpoint *ep;

	read_lock_bh(&sk->sk_callback_lock);
	ep = __locked_read_sk_user_data_with_flags(sk, SK_USER_DATA_NOCOPY);
	if (ep && sk_stream_is_writeable(sk)) {
		clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		tcps_kick(ep, TCPS_EV_SPACE);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

/**
 * tcps_native_adopt() - make a native socket an endpoint's
 * @ep: endpoint without a socket
 * @sock: the socket
 * @saved: callbacks to be restored in the end; NULL: those it has
 */
void tcps_native_adopt(struct tcps_endpoint *ep, struct socket *sock,
		       const struct tcps_callbacks *saved)
{
	struct sock *sk = sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	if (saved) {
		ep->saved = *saved;
	} else {
		ep->saved = (struct tcps_callbacks){
			.data_ready = sk->sk_data_ready,
			.write_space = sk->sk_write_space,
			.state_change = sk->sk_state_change,
			.error_report = sk->sk_error_report,
		};
	}
	ep->sock = sock;
	sk->sk_data_ready = data_ready;
	sk->sk_write_space = write_space;
	sk->sk_state_change = state_change;
	sk->sk_error_report = error_report;
	__rcu_assign_sk_user_data_with_flags(sk, ep, SK_USER_DATA_NOCOPY);
	write_unlock_bh(&sk->sk_callback_lock);
}

static void detach(struct tcps_endpoint *ep)
{
	static const struct tcps_callbacks ours = { .data_ready = data_ready,
						    .write_space = write_space };
	struct sock *sk = ep->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	/* With TCP_ULP others may be in their place, which restore what they have found. */
	if (sk->sk_data_ready == data_ready)
		sk->sk_data_ready = ep->saved.data_ready;
	if (sk->sk_write_space == write_space)
		sk->sk_write_space = ep->saved.write_space;
	if (ep->ulp)
		tcps_ktls_restore(sk, &ours, &ep->saved);
	sk->sk_state_change = ep->saved.state_change;
	sk->sk_error_report = ep->saved.error_report;
	rcu_assign_sk_user_data(sk, NULL);
	write_unlock_bh(&sk->sk_callback_lock);
}

/**
 * tcps_native_create() - make the native socket of an opened endpoint
 * @ep: endpoint; called in its channel's worker
 *
 * Return: 0 or a negative errno.
 */
int tcps_native_create(struct tcps_endpoint *ep)
{
	struct tcps_session *s = ep->tc->session;
	const struct cred *old;
	struct socket *sock;
	int ret;

	if (atomic_read(&s->endpoints) > s->listener->cfg.max_endpoints)
		return -ENFILE;
	if (!tcps_admits(s))
		return -ENOBUFS;
	ep->owner = tcps_owner_get(s, ep->uid);
	if (IS_ERR(ep->owner)) {
		ret = PTR_ERR(ep->owner);
		ep->owner = NULL;
		return ret;
	}
	old = override_creds(ep->owner->cred);
	ret = sock_create_kern(s->listener->net, ep->v6 ? AF_INET6 : AF_INET, SOCK_STREAM,
			       IPPROTO_TCP, &sock);
	revert_creds(old);
	if (ret)
		return ret;
	sk_net_refcnt_upgrade(sock->sk);
	/* Urgent data stays in the stream, and its children's: the host leaves it out. */
	lock_sock(sock->sk);
	sock_set_flag(sock->sk, SOCK_URGINLINE);
	release_sock(sock->sk);
	sock->sk->sk_ipv6only = ep->v6only;	/* whatever is usual here */
	tcps_native_adopt(ep, sock, NULL);
	return 0;
}

/**
 * tcps_native_inherit() - make the native socket of an opened endpoint one that another had
 * @ep: endpoint; called in its channel's worker
 * @from: the other, of the same channel; its connection is reset, or it listens no longer
 *
 * As connect(AF_UNSPEC): what stays is a port that was asked for, and the options.
 *
 * Return: 0 or a negative errno.
 */
int tcps_native_inherit(struct tcps_endpoint *ep, struct tcps_endpoint *from)
{
	struct sockaddr_storage none = { .ss_family = AF_UNSPEC };
	struct socket *sock = from->sock;
	int ret;

	/* With TCP_ULP a connection has no way back. */
	if (!sock || from->ulp)
		return -ECONNRESET;
	/* What was tied to a device by the address it connected to, as in control.c. */
	if (from->state >= TCPS_CONNECTING && sock->sk->sk_bound_dev_if != from->bound_dev)
		sock_bindtoindex(sock->sk, from->bound_dev, true);
	detach(from);
	from->sock = NULL;
	ep->owner = from->owner;
	from->owner = NULL;
	ep->uid = from->uid;
	ep->v6 = from->v6;
	ep->v6only = from->v6only;
	ep->rx.fixed = from->rx.fixed;
	ep->steered = from->steered;
	ep->bound_dev = READ_ONCE(sock->sk->sk_bound_dev_if);
	ret = kernel_connect(sock, (memnet_sockaddr *)&none, sizeof(none), O_NONBLOCK);
	sock_error(sock->sk);
	tcps_native_adopt(ep, sock, NULL);
	return ret ?: tcps_native_name(sock, &ep->local, false);
}

/**
 * tcps_native_release() - let go of the native socket, if there is one
 * @ep: endpoint; called in its channel's worker, or when that is halted
 * @abort: reset the connection, else TCP sends what it holds in the background
 */
void tcps_native_release(struct tcps_endpoint *ep, bool abort)
{
	struct socket *sock = ep->sock;

	if (ep->state == TCPS_LISTENING)
		tcps_policy_listen_del(ep);
	if (sock) {
		detach(ep);
		ep->sock = NULL;
		if (abort)
			sock_no_linger(sock->sk);
		sock_release(sock);
	}
	if (ep->owner)
		tcps_owner_put(ep->owner);
	ep->owner = NULL;
}

/**
 * tcps_native_unread() - bytes that can still be read
 * @sk: connected socket, locked
 *
 * Unlike tcp_inq() this looks past an urgent byte, which is read in line (SO_OOBINLINE).
 */
u32 tcps_native_unread(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	u32 unread = tp->rcv_nxt - tp->copied_seq;

	if ((1 << sk->sk_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV | TCPF_LISTEN))
		return 0;
	return unread && sock_flag(sk, SOCK_DONE) ? unread - 1 : unread;
}

static void addr_to_wire(const struct sockaddr_storage *ss, struct wire_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)ss;

		addr->family = cpu_to_le16(4);
		addr->port = in->sin_port;
		memcpy(addr->addr, &in->sin_addr, sizeof(in->sin_addr));
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)ss;

		addr->family = cpu_to_le16(6);
		addr->port = in6->sin6_port;
		addr->scope = cpu_to_le32(in6->sin6_scope_id);
		memcpy(addr->addr, &in6->sin6_addr, sizeof(in6->sin6_addr));
	}
}

/**
 * tcps_addr_from_wire() - an address as the kernel wants it
 * @addr: checked by wire_check_addr()
 * @ss: result
 *
 * Return: its length, or -EAFNOSUPPORT where there is none.
 */
int tcps_addr_from_wire(const struct wire_addr *addr, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (addr->family == cpu_to_le16(4)) {
		struct sockaddr_in *in = (void *)ss;

		in->sin_family = AF_INET;
		in->sin_port = addr->port;
		memcpy(&in->sin_addr, addr->addr, sizeof(in->sin_addr));
		return sizeof(*in);
	}
	if (addr->family == cpu_to_le16(6)) {
		struct sockaddr_in6 *in6 = (void *)ss;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = addr->port;
		in6->sin6_scope_id = le32_to_cpu(addr->scope);
		memcpy(&in6->sin6_addr, addr->addr, sizeof(in6->sin6_addr));
		return sizeof(*in6);
	}
	return -EAFNOSUPPORT;
}

/**
 * tcps_native_name() - a native socket's address
 * @sock: socket
 * @addr: result
 * @peer: the other end's; that of a connection that is gone, too
 *
 * Return: 0 or a negative errno.
 */
int tcps_native_name(struct socket *sock, struct wire_addr *addr, bool peer)
{
	struct sockaddr_storage ss = {};
	int ret = sock->ops->getname(sock, (struct sockaddr *)&ss, peer ? 2 : 0);

	if (ret < 0)
		return ret;
	addr_to_wire(&ss, addr);
	return 0;
}
