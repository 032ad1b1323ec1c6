// SPDX-License-Identifier: GPL-2.0
/*
 * What accepted sockets have of their listeners.
 *
 * TCP makes a child when the handshake is over, with the options the listener has at that moment;
 * accept() may come much later. The node's child is made so, and on the host a child that comes
 * gets a reference to what its listener hands down. That is never changed: each option that is set
 * while the socket listens makes a new one. A listener for which there is no memory to do so hands
 * down what it has when accept() is called.
 *
 * What was set since the socket listens may not have been on the node in time for its child, so it
 * is told to the child when it is accepted: what it says is what the node does.
 */
#include <linux/slab.h>

#include "memnet.h"
#include "option.h"

/* Flags of struct sock that a child inherits, whether or not the node is told. */
#define INHERITED_FLAGS	(BIT(SOCK_LINGER) | BIT(SOCK_DBG) | BIT(SOCK_BROADCAST) |		\
			 BIT(SOCK_NOFCS) | BIT(SOCK_RXQ_OVFL) | BIT(SOCK_FILTER_LOCKED) |	\
			 BIT(SOCK_SELECT_ERR_QUEUE) | BIT(SOCK_RCVMARK) | BIT(SOCK_URGINLINE) |	\
			 BIT(SOCK_ZEROCOPY) | BIT(SOCK_LOCALROUTE))

/* Options of SOL_SOCKET, as struct sock has them. */
struct of_socket {
	unsigned long	flags;
	long		lingertime;
	long		rcvtimeo;
	long		sndtimeo;
	int		sndbuf;
	int		rcvbuf;
	int		rcvlowat;
	u8		userlocks;
	u8		reuse;
	u8		reuseport;
	u8		ipv6only;
	u8		no_check_tx;
	u8		txrehash;
	u32		mark;
	unsigned long	max_pacing_rate;
};

/**
 * struct memnet_inherited - what a listener hands down; not changed once made
 * @refs:	the listener's endpoint, and each of its children that nobody has accepted
 * @socket:	options of SOL_SOCKET
 * @opt:	memnet_sock.opt
 * @opt_set:	memnet_sock.opt_set
 * @changed:	bit i: the child is to be told @opt[i]
 */
struct memnet_inherited {
	refcount_t		refs;
	struct of_socket	socket;
	int			opt[MEMNET_OPT_END];
	u64			opt_set;
	u64			changed;
};

static void take_flags(struct sock *to, unsigned long flags)
{
	to->sk_flags = (to->sk_flags & ~INHERITED_FLAGS) | (flags & INHERITED_FLAGS);
}

/**
 * memnet_copy_flags() - options of SOL_SOCKET that a child inherits and nobody is told
 * @to: the socket that gets them
 * @from: the socket that has them
 */
void memnet_copy_flags(struct sock *to, const struct sock *from)
{
	take_flags(to, from->sk_flags);
	to->sk_lingertime = from->sk_lingertime;
	to->sk_no_check_tx = from->sk_no_check_tx;
	WRITE_ONCE(to->sk_max_pacing_rate, READ_ONCE(from->sk_max_pacing_rate));
	WRITE_ONCE(to->sk_txrehash, READ_ONCE(from->sk_txrehash));
}

static void read_socket(struct of_socket *s, const struct sock *sk)
{
	s->flags = sk->sk_flags;
	s->lingertime = sk->sk_lingertime;
	s->rcvtimeo = sk->sk_rcvtimeo;
	s->sndtimeo = sk->sk_sndtimeo;
	s->sndbuf = sk->sk_sndbuf;
	s->rcvbuf = sk->sk_rcvbuf;
	s->rcvlowat = sk->sk_rcvlowat;
	s->userlocks = sk->sk_userlocks;
	s->reuse = sk->sk_reuse;
	s->reuseport = sk->sk_reuseport;
	s->ipv6only = sk->sk_ipv6only;
	s->no_check_tx = sk->sk_no_check_tx;
	s->max_pacing_rate = READ_ONCE(sk->sk_max_pacing_rate);
	s->txrehash = READ_ONCE(sk->sk_txrehash);
	s->mark = READ_ONCE(sk->sk_mark);
}

static void write_socket(struct sock *sk, const struct of_socket *s)
{
	take_flags(sk, s->flags);
	sock_valbool_flag(sk, SOCK_KEEPOPEN, !!(s->flags & BIT(SOCK_KEEPOPEN)));
	sk->sk_lingertime = s->lingertime;
	sk->sk_rcvtimeo = s->rcvtimeo;
	sk->sk_sndtimeo = s->sndtimeo;
	sk->sk_sndbuf = s->sndbuf;
	sk->sk_rcvbuf = s->rcvbuf;
	sk->sk_rcvlowat = s->rcvlowat;
	sk->sk_userlocks = s->userlocks & (SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK);
	sk->sk_reuse = s->reuse;
	sk->sk_reuseport = s->reuseport;
	sk->sk_ipv6only = s->ipv6only;
	sk->sk_no_check_tx = s->no_check_tx;
	WRITE_ONCE(sk->sk_max_pacing_rate, s->max_pacing_rate);
	WRITE_ONCE(sk->sk_txrehash, s->txrehash);
	WRITE_ONCE(sk->sk_mark, s->mark);
}

static void read_options(struct memnet_inherited *in, const struct sock *listener)
{
	const struct memnet_sock *mn = memnet_sk(listener);
	u64 alone = memnet_options_alone();
	int i;

	memcpy(in->opt, mn->opt, sizeof(in->opt));
	for (i = 0; i < MEMNET_OPT_END; i++)
		if (alone & MEMNET_OPT_BIT(i))
			in->opt[i] = 0;
	in->opt_set = mn->opt_set & ~alone;
	in->changed = mn->changed & ~alone;
}

/**
 * memnet_inherited_put() - one who holds what a listener hands down does so no longer
 * @in: that, or NULL
 */
void memnet_inherited_put(struct memnet_inherited *in)
{
	if (in && refcount_dec_and_test(&in->refs))
		kfree(in);
}

/**
 * memnet_bequeath() - children that come from now on have the options of this moment
 * @sk: socket that listens or is about to, locked, with its endpoint
 */
void memnet_bequeath(struct sock *sk)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	struct memnet_inherited *in = kmalloc(sizeof(*in), GFP_KERNEL);

	if (in) {
		refcount_set(&in->refs, 1);
		read_socket(&in->socket, sk);
		read_options(in, sk);
	}
	spin_lock_bh(&ep->lock);
	swap(ep->listener.inherited, in);
	spin_unlock_bh(&ep->lock);
	memnet_inherited_put(in);
}

/**
 * memnet_inherit() - a child has come
 * @child: its endpoint, not yet known to anybody
 * @listener: endpoint, locked
 */
void memnet_inherit(struct memnet_endpoint *child, struct memnet_endpoint *listener)
{
	lockdep_assert_held(&listener->lock);
	child->inherited = listener->listener.inherited;
	if (child->inherited)
		refcount_inc(&child->inherited->refs);
}

/**
 * memnet_inherit_options() - an accepted socket has what its listener handed down
 * @sk: the new socket
 * @listener: locked
 * @child: its endpoint, of which nobody else knows; NULL for a child on loopback
 */
void memnet_inherit_options(struct sock *sk, const struct sock *listener,
			    struct memnet_endpoint *child)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_inherited now, *in = child ? child->inherited : NULL;
	struct of_socket *socket = &now.socket;

	/* Where the core does not tell of its options, they are those of this moment. */
	read_socket(&now.socket, listener);
	if (!in) {
		in = &now;
		read_options(in, listener);
	}
#ifdef MEMNET_HAVE_custom_sockopt
	socket = &in->socket;
#endif
	write_socket(sk, socket);
	memcpy(mn->opt, in->opt, sizeof(mn->opt));
	mn->opt_set = in->opt_set;
	mn->changed = in->changed;
	memnet_judged_inherit(mn, memnet_sk(listener));
	if (in != &now) {
		child->inherited = NULL;
		memnet_inherited_put(in);
	}
}
