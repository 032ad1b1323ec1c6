// SPDX-License-Identifier: GPL-2.0
/*
 * accept(): children of a listener.
 *
 * The node pushes children as they come (endpoint.c queues them), so this is a local call. The
 * struct sock is made here, in the caller's context, for its memory cgroup and credentials; not
 * before it is seen that there is a child, where the caller would not wait for one. A listener on
 * the wildcard address also has a native socket on loopback, which wakes the same wait queue; its
 * children become delegated sockets.
 */
#include "memnet.h"

/* Or perhaps an error. */
static bool has_native_child(const struct memnet_sock *mn)
{
	const struct sock *sk = mn->native ? mn->native->sk : NULL;

	return sk && (sk->sk_state != TCP_LISTEN || inet_csk_listen_poll(sk));
}

static int take_native_child(struct sock *sk, struct socket **child)
{
	struct memnet_sock *mn = memnet_sk(sk);

	if (!has_native_child(mn))
		return -EAGAIN;
	return kernel_accept(mn->native, child, O_NONBLOCK);
}

/* Waits for a child of either kind; the socket is locked. */
static int wait_for_child(struct sock *sk, long timeo, struct memnet_endpoint **child,
			  struct socket **native)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int ret;

	/* One sleeper for each child; woken_wake_function() lets it allocate while it is queued. */
	add_wait_queue_exclusive(sk_sleep(sk), &wait);
	for (;;) {
		struct memnet_sock *mn = memnet_sk(sk);

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
		ret = mn->refused ? sock_error(sk) : 0;
		if (ret)
			break;
		ret = -EAGAIN;
		if (!timeo)
			break;
		ret = sock_intr_errno(timeo);
		if (signal_pending(current))
			break;
		release_sock(sk);
		timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, timeo);
		lock_sock(sk);
	}
	remove_wait_queue(sk_sleep(sk), &wait);
	return ret;
}

/* There is no child, and nothing else to be told: known before anything is made for one. */
static bool is_empty(const struct sock *sk)
{
	const struct memnet_sock *mn = memnet_sk(sk);

	if (!mn->delegated && (sk->sk_state != TCP_LISTEN || mn->refused ||
			       (mn->ep && READ_ONCE(mn->ep->listener.queued))))
		return false;
	return !has_native_child(mn);
}

/* Clears *@empty when another child waits; of a native listener's children that is not known. */
static int memnet_do_accept(struct socket *sock, struct socket *newsock, int flags, bool kern,
			    int *empty)
{
	struct sock *sk = sock->sk, *newsk;
	struct memnet_endpoint *child = NULL;
	struct socket *native = NULL;
	struct memnet_endpoint *ep;
	long timeo;
	int ret;

	lock_sock(sk);
	timeo = sock_rcvtimeo(sk, flags & O_NONBLOCK);
	ret = -EAGAIN;
	if (!timeo && is_empty(sk))
		goto out;
	ret = -ENOMEM;
	newsk = memnet_sock_alloc(sock_net(sk), NULL, sk->sk_family, GFP_KERNEL, kern);
	if (!newsk)
		goto out;
	ret = wait_for_child(sk, timeo, &child, &native);
	if (!ret)
		memnet_inherit_options(newsk, sk, child);
	ep = memnet_sk(sk)->ep;
	if (!ret && ep && READ_ONCE(ep->listener.queued))
		*empty = 0;
	release_sock(sk);
	if (ret) {
		sock_put(newsk);
		return ret;
	}
	lock_sock(newsk);
	sock_graft(newsk, newsock);
	newsock->state = SS_CONNECTED;
	memnet_custom_sockopt(newsock);
	set_bit(SOCK_SUPPORT_ZC, &newsock->flags);
	if (native) {
		memnet_native_adopt(newsk, native);
	} else {
		memnet_set_names(newsk, &child->local, &child->peer);
		memnet_sk(newsk)->ep = child;
		memnet_endpoint_attach(child, newsk);
		memnet_tell_child(newsk);
		memnet_stat_inc(MEMNET_STAT_HOST_ACCEPTS);
	}
	memnet_socket_list(newsk);
	release_sock(newsk);
	return 0;
out:
	release_sock(sk);
	return ret;
}

#ifdef MEMNET_HAVE_proto_accept_arg
/**
 * memnet_accept() - proto_ops.accept
 * @sock: listening socket
 * @newsock: to be filled
 * @arg: flags of accept4() and whether the kernel asks
 *
 * Return: 0 or a negative errno as inet_accept().
 */
int memnet_accept(struct socket *sock, struct socket *newsock, struct proto_accept_arg *arg)
{
	return memnet_do_accept(sock, newsock, arg->flags, arg->kern, &arg->is_empty);
}
#else
int memnet_accept(struct socket *sock, struct socket *newsock, int flags, bool kern)
{
	int empty;

	return memnet_do_accept(sock, newsock, flags, kern, &empty);
}
#endif
