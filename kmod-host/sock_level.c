// SPDX-License-Identifier: GPL-2.0
/*
 * Setting options of SOL_SOCKET.
 *
 * They are kept and read by the core, in struct sock. Those that mean something here, or nothing to
 * TCP either, are a whitelist; kernels before 6.7 do not ask. Where the node's TCP must know (who
 * may share an address, buffer sizes, priority) option.c compares and tells, and of its pace
 * judged.c. What the node's administrator allows by class is judged.c's, too, which asks the node
 * first. A delegated socket has all options that its native socket has; an offloaded listener
 * passes them on to the one it has on loopback.
 */
#include "memnet.h"
#include "option.h"
#include "transmit.h"

/* Is an option, with this value, the node's administrator's to allow? */
static bool by_class(int name, int value)
{
	switch (name) {
	case SO_PRIORITY:
		return value < 0 || value > TC_PRIO_INTERACTIVE;
	case SO_MARK:
	case SO_DONTROUTE:
	case SO_BINDTODEVICE:
	case SO_BINDTOIFINDEX:
		return true;
	}
	return false;
}

/*
 * Does an option do here what it does for TCP? Filters and time stamps would be the host's, where
 * no packets are; hints for the host's stack have nothing to hint at.
 */
static bool carried(int name)
{
	switch (name) {
	case SO_REUSEADDR:	/* the node is told */
	case SO_REUSEPORT:
	case SO_KEEPALIVE:
	case SO_SNDBUF:		/* and the calls here obey */
	case SO_SNDBUFFORCE:
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
	case SO_BUF_LOCK:
	case SO_PRIORITY:
	case SO_TXREHASH:
	case SO_CNX_ADVICE:
	case SO_MAX_PACING_RATE:
	case SO_RCVLOWAT:	/* the calls here obey */
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
	case SO_PASSCRED:
	case SO_PASSSEC:
	case SO_PASSPIDFD:
	case SO_RXQ_OVFL:
	case SO_NOFCS:
	case SO_LOCK_FILTER:
	case SO_SELECT_ERR_QUEUE:
	case SO_RCVMARK:
	case SO_ZEROCOPY:	/* zerocopy.c */
		return true;
	}
	return false;
}

/* The core takes a value before it looks for the name. */
static int check(int name, sockptr_t value, unsigned int len, int *number)
{
	*number = 0;
	if (name == SO_BINDTODEVICE)
		return 0;
	if (len < sizeof(*number))
		return -EINVAL;
	if (copy_from_sockptr(number, value, sizeof(*number)))
		return -EFAULT;
	return carried(name) || by_class(name, *number) ? 0 : -ENOPROTOOPT;
}

static bool is_size(int name)
{
	return name == SO_SNDBUF || name == SO_SNDBUFFORCE || name == SO_RCVBUF ||
	       name == SO_RCVBUFFORCE;
}

/* The core has set it. */
static void apply(struct socket *sock, int name, int number)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);

	lock_sock(sk);
	memnet_tell_changes(sk);
	if (name == SO_CNX_ADVICE && number == 1)
		memnet_option_advise(sk);
	if (mn->ep && sk->sk_state == TCP_LISTEN)
		memnet_bequeath(sk);
	if (mn->ep && is_size(name)) {
		spin_lock_bh(&mn->ep->lock);
		memnet_rcv_window_bound(mn->ep, sk->sk_rcvbuf);
		spin_unlock_bh(&mn->ep->lock);
		/* Who waits for room may now wait for what nobody has asked. */
		if (test_bit(SOCK_NOSPACE, &sock->flags))
			memnet_transmit_want(mn->ep);
	}
	release_sock(sk);
}

/* For getsockopt(), which asks the outer socket; what that cannot have is copied. */
static void copy_outside(struct memnet_sock *mn, struct socket *sock, int name, sockptr_t value,
			 unsigned int len)
{
	if (name == SO_ZEROCOPY)
		sock_valbool_flag(sock->sk, SOCK_ZEROCOPY,
				  sock_flag(mn->native->sk, SOCK_ZEROCOPY));
	else
		sock_setsockopt(sock, SOL_SOCKET, name, value, len);
}

/* The core allows it for TCP alone, to judge by the protocol's number. */
static int set_zerocopy(struct sock *sk, sockptr_t value)
{
	int v;

	if (copy_from_sockptr(&v, value, sizeof(v)))
		return -EFAULT;
	if (v < 0 || v > 1)
		return -EINVAL;
	lock_sock(sk);
	sock_valbool_flag(sk, SOCK_ZEROCOPY, v);
	release_sock(sk);
	return 0;
}

/**
 * memnet_set_socket() - set an option of SOL_SOCKET, on kernels that let a family see it (compat.h)
 * @sock: socket
 * @name: name
 * @value: value
 * @len: its size
 *
 * Return: 0 or a negative errno as sock_setsockopt().
 */
int memnet_set_socket(struct socket *sock, int name, sockptr_t value, unsigned int len)
{
	struct memnet_sock *mn = memnet_sk(sock->sk);
	int number, ret;

	if (memnet_delegated(mn)) {
		ret = sock_setsockopt(mn->native, SOL_SOCKET, name, value, len);
		if (!ret)
			copy_outside(mn, sock, name, value, len);
		return ret;
	}
	ret = check(name, value, len, &number);
	if (!ret && by_class(name, number)) {
		ret = memnet_judged_set(sock->sk, memnet_judged_find(SOL_SOCKET, name), value, len,
					number);
		if (!ret)
			apply(sock, name, number);
		return ret;
	}
	if (!ret)
		ret = name == SO_ZEROCOPY ? set_zerocopy(sock->sk, value) :
					    sock_setsockopt(sock, SOL_SOCKET, name, value, len);
	if (ret)
		return ret;
	lock_sock(sock->sk);
	/* The one on loopback shares its port whatever is asked for. */
	if (mn->native && !mn->delegated && name != SO_REUSEADDR)
		sock_setsockopt(mn->native, SOL_SOCKET, name, value, len);
	release_sock(sock->sk);
	apply(sock, name, number);
	return name == SO_MAX_PACING_RATE ? memnet_judged_pace(sock->sk) : 0;
}
