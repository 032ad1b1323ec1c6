// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets that stay in the host's own TCP.
 *
 * A loopback or wildcard destination, a loopback bind address and ports the user excluded are
 * not the node's business. Since socket() comes before the destination is known, and programs
 * hand the descriptor to epoll before connect(), the AF_MEMNET socket keeps its descriptor and
 * gets a private native socket inside. From then on every call is delegated
 * (memnet_sock.delegated, which never changes back). A listener on the wildcard address is
 * offloaded and has a native socket on loopback besides, unless it is tied to a device of the node.
 *
 * Waiting needs no forwarding: the native socket wakes the outer socket's wait queue, since its
 * sk_wq is made to point there. Pollers and sleepers of both therefore meet on one queue.
 *
 * SO_ERROR is answered by the core, which looks at the outer socket only, calls by the native
 * one. So an error is copied outward, once, and remembered (native_error): when one of the two
 * is clear again, somebody has been told, and the other is cleared. That is looked after before
 * and after every call that answers with an error, and poll looks at the copy alone.
 *
 * Locks: lock_sock(outer) before lock_sock(native); made and released under the outer lock.
 * sk_callback_lock of the native socket for its callbacks and for copying errors.
 */
#include <linux/cred.h>
#include <linux/init_task.h>
#include <linux/sched/task.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "memnet.h"

/**
 * memnet_native_address() - is this a loopback address
 * @addr: sockaddr_in or sockaddr_in6, checked
 * @family: of the socket
 */
bool memnet_native_address(const struct sockaddr *addr, int family)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;

	if (addr->sa_family == AF_INET)
		return ipv4_is_loopback(((const struct sockaddr_in *)addr)->sin_addr.s_addr);
	return ipv6_addr_loopback(&in6->sin6_addr) ||
	       (ipv6_addr_v4mapped(&in6->sin6_addr) &&
		ipv4_is_loopback(in6->sin6_addr.s6_addr32[3]));
}

/**
 * memnet_native_port() - did the user exclude this port
 * @mn: socket, locked
 * @port: port, network byte order
 */
bool memnet_native_port(const struct memnet_sock *mn, __be16 port)
{
	u16 p = ntohs(port);
	u32 i;

	for (i = 0; i < mn->n_native_ports; i++)
		if (p >= mn->native_ports[i].first && p <= mn->native_ports[i].last)
			return true;
	return false;
}

static void copy_error(struct sock *nsk)
{
	struct memnet_sock *mn;
	struct sock *sk;
	int error;

	write_lock_bh(&nsk->sk_callback_lock);
	sk = __locked_read_sk_user_data_with_flags(nsk, 0);
	mn = memnet_sk(sk);
	error = READ_ONCE(nsk->sk_err);
	if (sk && error && error != mn->native_error) {
		WRITE_ONCE(mn->native_error, error);
		WRITE_ONCE(sk->sk_err, error);
	}
	write_unlock_bh(&nsk->sk_callback_lock);
}

static void native_error(struct sock *nsk)
{
	struct socket_wq *wq;

	copy_error(nsk);
	/* The default call: the queue woken is the outer socket's. */
	rcu_read_lock();
	wq = rcu_dereference(nsk->sk_wq);
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_poll(&wq->wait, EPOLLERR | EPOLLIN | EPOLLOUT);
	sk_wake_async(nsk, SOCK_WAKE_IO, POLL_ERR);
	rcu_read_unlock();
}

/* What sockets have before they are joined. */
static void (*usual_error)(struct sock *nsk);

/*
 * From now on @native wakes @sk's sleepers and pollers, and its errors are @sk's. The children
 * of a listener get its callback, but not the pointer: their errors are not the listener's.
 */
static void join(struct sock *sk, struct socket *native)
{
	struct sock *nsk = native->sk;

	/* Who wants SIGIO has told the outer socket, whose queue says whether anybody does. */
	lock_sock(nsk);
	sock_set_flag(nsk, SOCK_FASYNC);
	release_sock(nsk);
	write_lock_bh(&nsk->sk_callback_lock);
	rcu_assign_pointer(nsk->sk_wq, rcu_dereference_protected(sk->sk_wq, true));
	__rcu_assign_sk_user_data_with_flags(nsk, sk, SK_USER_DATA_NOCOPY);
	if (nsk->sk_error_report != native_error)	/* as a child has it from its listener */
		WRITE_ONCE(usual_error, nsk->sk_error_report);
	nsk->sk_error_report = native_error;
	memnet_sk(sk)->native_error = 0;
	write_unlock_bh(&nsk->sk_callback_lock);
	copy_error(nsk);	/* of a connection that died before it was accepted */
}

/* Options set so far, as far as they mean something to a native socket. */
static void copy_options(struct sock *sk, struct socket *native)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct sock *nsk = native->sk;
	int level, name, i;

	lock_sock(nsk);
	nsk->sk_reuse = sk->sk_reuse;
	nsk->sk_reuseport = sk->sk_reuseport;
	memnet_copy_flags(nsk, sk);
	nsk->sk_mark = sk->sk_mark;
	if (sk->sk_userlocks & SOCK_SNDBUF_LOCK)
		nsk->sk_sndbuf = sk->sk_sndbuf;
	if (sk->sk_userlocks & SOCK_RCVBUF_LOCK)
		nsk->sk_rcvbuf = sk->sk_rcvbuf;
	nsk->sk_userlocks |= sk->sk_userlocks & (SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK);
	/* Numbers of MSG_ZEROCOPY go on. */
	atomic_set(&nsk->sk_zckey, atomic_read(&sk->sk_zckey));
	release_sock(nsk);
	if (sock_flag(sk, SOCK_KEEPOPEN))
		sock_set_keepalive(nsk);
	for (i = MEMNET_OPT_SOCKET_END; i < MEMNET_OPT_END; i++) {
		if (!(mn->opt_set & BIT_ULL(i)))
			continue;
		memnet_option(i, &level, &name);
		native->ops->setsockopt(native, level, name, KERNEL_SOCKPTR(&mn->opt[i]),
					sizeof(int));
	}
	/* IP_TOS has changed it. */
	WRITE_ONCE(nsk->sk_priority, READ_ONCE(sk->sk_priority));
}

/**
 * memnet_native_create() - make a native socket with the options that are integers
 * @sk: socket, locked
 * @native: result
 *
 * Return: 0 or a negative errno.
 */
int memnet_native_create(struct sock *sk, struct socket **native)
{
	int ret = sock_create_kern(sock_net(sk), sk->sk_family, SOCK_STREAM, IPPROTO_TCP, native);

	if (ret)
		return ret;
	/* TCP keeps it for a while once closed, with timers only if it holds its namespace. */
	sk_net_refcnt_upgrade((*native)->sk);
	(*native)->sk->sk_bound_dev_if = sk->sk_bound_dev_if;
	copy_options(sk, *native);
	return 0;
}

/**
 * memnet_native_delegate() - this socket stays native
 * @sk: socket, locked, not connected
 *
 * Return: 0 or a negative errno; -EADDRNOTAVAIL for one that is bound on a node.
 */
int memnet_native_delegate(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct socket *native;
	int ret;

	/* Bound on the node, destined to loopback: no machine has both addresses. */
	if (mn->bound.family)
		return -EADDRNOTAVAIL;
	/* Left by a connect() that failed. */
	memnet_drop_endpoint(sk, 0);
	ret = memnet_native_create(sk, &native);
	if (ret)
		return ret;
	memnet_judged_copy(sk, native);
	join(sk, native);
	/* Who sees the pointer sees what it points to. */
	smp_store_release(&mn->native, native);
	/* Who sees the flag sees the socket. */
	smp_store_release(&mn->delegated, true);
	memnet_native_begin(mn);
	memnet_stat_inc(MEMNET_STAT_HOST_NATIVE);
	return 0;
}

/*
 * Who listens on loopback besides was asked for its right to the port by bind(), and is who made
 * the socket; listen() may be called by another one.
 */
static struct cred *credentials(const struct sock *sk)
{
	struct cred *cred;

	cred = memnet_sk(sk)->privileged ? prepare_kernel_cred(&init_task) : prepare_creds();
	if (cred)
		cred->fsuid = sock_i_uid((struct sock *)sk);
	return cred;
}

/*
 * IPv4's loopback cannot be bound to together with IPv6's: a socket for both listens at every
 * address, but only to what comes by the loopback device. Where a native program has the port at
 * some address of this machine, IPv6's has to do, unless @whole.
 */
static int bind_at(struct socket *native, __be16 port, bool whole)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = port,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = port };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = port,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sock *nsk = native->sk;
	int ret = -EADDRINUSE;

	sock_set_reuseaddr(nsk);
	if (nsk->sk_family == AF_INET6) {
		if (!ipv6_only_sock(nsk)) {
			sock_bindtoindex(nsk, LOOPBACK_IFINDEX, true);
			ret = kernel_bind(native, (memnet_sockaddr *)&any, sizeof(any));
			if (ret)
				sock_bindtoindex(nsk, 0, true);
		}
		if (ret == -EADDRINUSE && (!whole || ipv6_only_sock(nsk)))
			ret = kernel_bind(native, (memnet_sockaddr *)&in6, sizeof(in6));
	} else {
		ret = kernel_bind(native, (memnet_sockaddr *)&in, sizeof(in));
	}
	return ret;
}

/**
 * memnet_native_reserve() - have a port on loopback, too
 * @sk: socket, locked, bound on the node, not listening
 * @whole: not only at one of two loopback addresses
 *
 * No native program gets the port until memnet_native_unreserve(), and none has it. Nobody is
 * listening: that is memnet_native_listen_loopback(). Connections of listeners that are or were on
 * loopback do not stand in the way.
 *
 * Return: 0 or a negative errno, -EADDRINUSE if a native program has the port.
 */
int memnet_native_reserve(struct sock *sk, bool whole)
{
	struct memnet_sock *mn = memnet_sk(sk);
	const struct cred *old;
	struct socket *native;
	struct cred *own;
	int ret;

	own = credentials(sk);
	if (!own)
		return -ENOMEM;
	old = override_creds(own);
	ret = memnet_native_create(sk, &native);
	if (!ret) {
		ret = bind_at(native, inet_sk(sk)->inet_sport, whole);
		if (ret)
			sock_release(native);
	}
	revert_creds(old);
	put_cred(own);
	if (!ret) {
		memnet_native_unreserve(mn);
		mn->reserved = native;
	}
	return ret;
}

/**
 * memnet_native_unreserve() - let others have the port on loopback
 * @mn: socket, locked
 */
void memnet_native_unreserve(struct memnet_sock *mn)
{
	if (mn->reserved)
		sock_release(mn->reserved);
	mn->reserved = NULL;
}

/**
 * memnet_native_listen_loopback() - let local programs reach an offloaded wildcard listener
 * @sk: socket, locked, bound on the node
 * @backlog: as for listen()
 *
 * The port is reserved, or was to be had in none of several turns (bind.c). If it was the node that
 * chose it, that is nobody's mistake: the listener then goes without local programs, and the log
 * says so.
 *
 * Return: 0 or a negative errno, -EADDRINUSE if a native program has the port.
 */
int memnet_native_listen_loopback(struct sock *sk, int backlog)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct socket *native;
	int ret = 0;

	if (mn->native)
		return kernel_listen(mn->native, backlog);
	if (!mn->reserved)
		ret = memnet_native_reserve(sk, false);
	if (!ret) {
		native = mn->reserved;
		/* What was set since it was bound. */
		copy_options(sk, native);
		memnet_judged_copy(sk, native);
		sock_set_reuseaddr(native->sk);
		join(sk, native);
		ret = kernel_listen(native, backlog);
	}
	if (!ret) {
		mn->reserved = NULL;
		/* Who sees the pointer sees what it points to. */
		smp_store_release(&mn->native, native);
		return 0;
	}
	memnet_native_unreserve(mn);
	if (ret != -EADDRINUSE || sk->sk_userlocks & SOCK_BINDPORT_LOCK)
		return ret;
	pr_info_ratelimited("memnet: port %u, chosen by the node, is taken on loopback: no local access to its listener\n",
			    inet_sk(sk)->inet_num);
	return 0;
}

/**
 * memnet_native_begin() - before a call that waits or may answer with an error
 * @mn: delegated socket
 *
 * Copies what the core has changed in the outer socket since the last call: time-outs, and that
 * SO_ERROR was asked.
 */
void memnet_native_begin(struct memnet_sock *mn)
{
	struct sock *sk = &mn->inet.sk, *nsk = mn->native->sk;

	nsk->sk_rcvtimeo = READ_ONCE(sk->sk_rcvtimeo);
	nsk->sk_sndtimeo = READ_ONCE(sk->sk_sndtimeo);
	if (READ_ONCE(nsk->sk_rcvlowat) != READ_ONCE(sk->sk_rcvlowat))
		WRITE_ONCE(nsk->sk_rcvlowat, sk->sk_rcvlowat);
	if (likely(!READ_ONCE(mn->native_error)))
		return;
	write_lock_bh(&nsk->sk_callback_lock);
	if (mn->native_error && !READ_ONCE(sk->sk_err)) {
		cmpxchg(&nsk->sk_err, mn->native_error, 0);
		WRITE_ONCE(mn->native_error, 0);
	}
	write_unlock_bh(&nsk->sk_callback_lock);
}

/**
 * memnet_native_end() - after such a call: SO_ERROR is not to tell again what it has told
 * @mn: delegated socket
 */
void memnet_native_end(struct memnet_sock *mn)
{
	struct sock *sk = &mn->inet.sk, *nsk = mn->native->sk;

	if (likely(!READ_ONCE(mn->native_error)))
		return;
	write_lock_bh(&nsk->sk_callback_lock);
	if (mn->native_error && !READ_ONCE(nsk->sk_err)) {
		cmpxchg(&sk->sk_err, mn->native_error, 0);
		WRITE_ONCE(mn->native_error, 0);
	}
	write_unlock_bh(&nsk->sk_callback_lock);
}

/**
 * memnet_native_poll() - what the native socket is ready for
 * @file: outer file
 * @native: native socket, delegated to or under RCU
 *
 * Its error is copied to the outer socket, where the caller finds it.
 *
 * Return: events, EPOLLERR only for the error queue.
 */
__poll_t memnet_native_poll(struct file *file, struct socket *native)
{
	__poll_t mask = native->ops->poll(file, native, NULL);

	if (mask & EPOLLERR) {
		copy_error(native->sk);
		if (skb_queue_empty_lockless(&native->sk->sk_error_queue))
			mask &= ~EPOLLERR;
	}
	return mask;
}

/* The core reads the outer socket's: those of a connection older than its listener's. */
static void copy_back(struct sock *sk, const struct sock *nsk)
{
	int locks = nsk->sk_userlocks & SOCK_BUF_LOCK_MASK;

	memnet_copy_flags(sk, nsk);
	sock_valbool_flag(sk, SOCK_KEEPOPEN, sock_flag(nsk, SOCK_KEEPOPEN));
	sk->sk_userlocks = (sk->sk_userlocks & ~SOCK_BUF_LOCK_MASK) | locks;
	if (locks & SOCK_SNDBUF_LOCK)
		sk->sk_sndbuf = nsk->sk_sndbuf;
	if (locks & SOCK_RCVBUF_LOCK)
		sk->sk_rcvbuf = nsk->sk_rcvbuf;
}

/**
 * memnet_native_adopt() - an accepted native connection becomes a delegated socket
 * @sk: new socket, locked, grafted
 * @native: the connection
 */
void memnet_native_adopt(struct sock *sk, struct socket *native)
{
	struct memnet_sock *mn = memnet_sk(sk);

	join(sk, native);
	copy_back(sk, native->sk);
	/* Who sees the pointer sees what it points to. */
	smp_store_release(&mn->native, native);
	/* Who sees the flag sees the socket. */
	smp_store_release(&mn->delegated, true);
	memnet_stat_inc(MEMNET_STAT_HOST_NATIVE);
}

/**
 * memnet_native_setopt() - pass an option on
 * @mn: socket with a native one, locked
 * @level: level
 * @name: name
 * @value: value
 */
void memnet_native_setopt(struct memnet_sock *mn, int level, int name, int value)
{
	if (level == SOL_SOCKET)
		sock_setsockopt(mn->native, level, name, KERNEL_SOCKPTR(&value), sizeof(value));
	else
		mn->native->ops->setsockopt(mn->native, level, name, KERNEL_SOCKPTR(&value),
					    sizeof(value));
}

/**
 * memnet_native_getsockopt() - what a native socket with these options says
 * @sk: socket, locked
 * @level: level, not SOL_SOCKET
 * @name: name
 * @value: where the value goes
 * @len: room there; its size on return
 *
 * Return: 0 or a negative errno.
 */
int memnet_native_getsockopt(struct sock *sk, int level, int name, char __user *value,
			     int __user *len)
{
	struct socket *native;
	int ret;

	ret = memnet_native_create(sk, &native);
	if (ret)
		return ret;
	memnet_judged_copy(sk, native);
	ret = native->ops->getsockopt(native, level, name, value, len);
	sock_release(native);
	return ret;
}

/* Takes the native socket off; the caller releases it. */
static struct socket *leave(struct memnet_sock *mn)
{
	struct sock *sk = &mn->inet.sk, *nsk;
	struct socket *native = mn->native;

	if (!native)
		return NULL;
	nsk = native->sk;
	lock_sock(nsk);
	nsk->sk_lingertime = sk->sk_lingertime;
	sock_valbool_flag(nsk, SOCK_LINGER, sock_flag(sk, SOCK_LINGER));
	release_sock(nsk);
	write_lock_bh(&nsk->sk_callback_lock);
	rcu_assign_sk_user_data(nsk, NULL);
	/* It may live for a while as an orphan of TCP's, and we may not. */
	nsk->sk_error_report = usual_error;
	write_unlock_bh(&nsk->sk_callback_lock);
	WRITE_ONCE(mn->native, NULL);
	return native;
}

/**
 * memnet_native_unlisten() - nobody is to reach the socket on loopback any more
 * @mn: socket that goes on, locked, not delegated
 */
void memnet_native_unlisten(struct memnet_sock *mn)
{
	struct socket *native = leave(mn);

	if (!native)
		return;
	/* Pollers look at it. */
	synchronize_rcu();
	sock_release(native);
}

/**
 * memnet_native_release() - close the native sockets there are
 * @mn: socket that is being closed itself, locked; nobody polls it any more
 */
void memnet_native_release(struct memnet_sock *mn)
{
	struct socket *native = leave(mn);

	memnet_native_unreserve(mn);
	if (native)
		sock_release(native);
}
