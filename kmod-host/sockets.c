// SPDX-License-Identifier: GPL-2.0
/*
 * All sockets of a namespace, for who looks from outside: netlink.c, proc.c and diag.c.
 *
 * A socket is listed under its cookie from socket() or accept() until it is closed, whatever
 * becomes of it: fresh, bound, listening, connected, delegated to a native socket. What the node
 * has for no socket - a connection nobody has accepted; an orphan, left by a closed socket -
 * stands in the tables of the links' channels. A walk looks there first, and then at the sockets
 * that were listed when it began. So what stays as it is gets seen once, nothing is seen twice, and
 * a walk ends however fast sockets are made.
 *
 * Locks: socket_list.lock (BH), inside lock_sock(), with listeners_lock, endpoint.lock or
 * sk_callback_lock inside. What there is to tell of a socket is gathered under it. So who is on the
 * list is there as a whole: neither it nor a native socket it is delegated to goes before it is
 * off the list. In a socket's life that is two turns with the lock, and none to send or receive.
 */
#include <linux/sock_diag.h>
#include <net/ipv6.h>
#include <net/netns/generic.h>
#include <net/tcp.h>

#include "job.h"
#include "transmit.h"

#define BUCKETS 1024

/**
 * struct socket_list - of a namespace
 * @lock:	(BH) all of it, and memnet_sock.born and .listed of its sockets
 * @births:	sockets listed so far
 * @by_cookie:	in each bucket the youngest is the first
 */
struct socket_list {
	spinlock_t		lock;		/* all of it, and what lists a socket */
	u64			births;
	struct hlist_head	by_cookie[BUCKETS];
};

static unsigned int list_id;

static struct socket_list *list_of(const struct net *net)
{
	return net_generic(net, list_id);
}

/* Where a walk is; begins as zeroes. */
enum {
	WHERE,	/* link << 40 | channel << 32 | index of those without a socket, then SOCKETS */
	FROM,	/* bucket << BORN_BITS | where it was met last: who was born before is the next */
	BORN,	/* one more than the births when it began */
};

#define BORN_BITS 48

#define SOCKETS U64_MAX

static u64 cookie_of(struct sock *sk)
{
	u32 half[2];

	sock_diag_save_cookie(sk, half);
	return (u64)half[1] << 32 | half[0];
}

static struct hlist_head *bucket_of(struct socket_list *list, u64 cookie)
{
	/* Cookies are handed out one after another. */
	return &list->by_cookie[cookie % BUCKETS];
}

/**
 * memnet_socket_list() - a socket is to be seen
 * @sk: socket that user space is about to have; a connection it was made for is attached
 */
void memnet_socket_list(struct sock *sk)
{
	struct socket_list *list = list_of(sock_net(sk));
	u64 cookie = cookie_of(sk);

	spin_lock_bh(&list->lock);
	memnet_sk(sk)->born = ++list->births;
	hlist_add_head(&memnet_sk(sk)->listed, bucket_of(list, cookie));
	spin_unlock_bh(&list->lock);
}

/**
 * memnet_socket_unlist() - a socket is not to be seen any more
 * @sk: socket, closed but for its native socket; it need not be listed
 */
void memnet_socket_unlist(struct sock *sk)
{
	struct socket_list *list = list_of(sock_net(sk));

	spin_lock_bh(&list->lock);
	hlist_del_init(&memnet_sk(sk)->listed);
	memnet_sk(sk)->born = 0;
	spin_unlock_bh(&list->lock);
}

/* ---- what there is to tell ---- */

static void put_address(struct sockaddr_storage *ss, u16 family, __be32 addr,
			const struct in6_addr *addr6, __be16 port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *in = (struct sockaddr_in *)ss;

	ss->ss_family = family;
	/* Both families have the port in the same place. */
	in->sin_port = port;
	if (family == AF_INET6)
		in6->sin6_addr = *addr6;
	else
		in->sin_addr.s_addr = addr;
}

/* As getsockname() and getpeername() have it, of a socket of ours or a native one. */
static void fill_names(const struct sock *sk, struct memnet_nl_socket_info *out)
{
	const struct inet_sock *inet = inet_sk(sk);

	put_address(&out->local, sk->sk_family, inet->inet_rcv_saddr, &sk->sk_v6_rcv_saddr,
		    inet->inet_sport);
	if (inet->inet_dport)
		put_address(&out->remote, sk->sk_family, inet->inet_daddr, &sk->sk_v6_daddr,
			    inet->inet_dport);
}

/* As tcp_diag_get_info(). */
static void fill_native(const struct sock *nsk, struct memnet_nl_socket_info *out)
{
	const struct tcp_sock *tp = tcp_sk(nsk);
	u32 written = READ_ONCE(tp->write_seq);

	out->served = MEMNET_SERVED_NATIVE;
	out->state = inet_sk_state_load(nsk);
	fill_names(nsk, out);
	if (out->state == TCP_LISTEN) {
		out->rx_queue = READ_ONCE(nsk->sk_ack_backlog);
		out->tx_queue = READ_ONCE(nsk->sk_max_ack_backlog);
	} else if (out->state != TCP_CLOSE) {
		out->rx_queue = max_t(int, READ_ONCE(tp->rcv_nxt) - READ_ONCE(tp->copied_seq), 0);
		out->tx_queue = written - READ_ONCE(tp->snd_una);
		out->rx_bytes = max_t(s64, READ_ONCE(tp->bytes_received) - out->rx_queue, 0);
		out->tx_bytes = READ_ONCE(tp->bytes_sent) - READ_ONCE(tp->bytes_retrans) +
				(u32)(written - READ_ONCE(tp->snd_nxt));
	}
}

/* What is left of a connection after close() is ending, whether the node has been told or not. */
static u8 state_of(const struct memnet_endpoint *ep)
{
	if (ep->tx.close && ep->state == TCP_ESTABLISHED)
		return TCP_FIN_WAIT1;
	if (ep->tx.close && ep->state == TCP_CLOSE_WAIT)
		return TCP_LAST_ACK;
	return ep->state;
}

static void fill_endpoint(struct memnet_endpoint *ep, struct memnet_nl_socket_info *out)
{
	struct memnet_job *job;

	lockdep_assert_held(&ep->lock);
	if (ep->lc && !ep->gone)
		memnet_transmit_refresh(ep);
	out->state = state_of(ep);
	out->rx_queue = ep->rx.received - ep->rx.copied;
	out->tx_queue = ep->tx.end - ep->tx.consumed;
	out->pages = ep->rx.pages + DIV_ROUND_UP(atomic_read(&ep->wmem), PAGE_SIZE);
	out->rx_bytes = ep->rx.copied + ep->rx.placed;
	out->tx_bytes = ep->tx.end;
	out->jobs = ep->rx.n_jobs;
	list_for_each_entry(job, &ep->tx.jobs, node)
		out->jobs++;
	if (ep->lc) {
		out->served = MEMNET_SERVED_OFFLOADED;
		out->channel = ep->lc->ch->number;
		out->id = ep->index;
		out->generation = ep->gen;
		strscpy(out->link, ep->lc->link->cfg.name, sizeof(out->link));
	}
}

/* Instead of bytes, as tcp_diag_get_info(). Its link may be down. */
static void fill_listener(struct sock *sk, u32 queued, struct memnet_nl_socket_info *out)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct socket *loopback = READ_ONCE(mn->native);
	struct memnet_link *link;

	if (loopback)
		queued += READ_ONCE(loopback->sk->sk_ack_backlog);
	out->rx_queue = queued;
	out->tx_queue = READ_ONCE(sk->sk_max_ack_backlog);
	if (out->link[0])
		return;
	link = memnet_listener_link(mn);
	if (link) {
		strscpy(out->link, link->cfg.name, sizeof(out->link));
		memnet_link_put(link);
	}
}

static void fill_socket(struct sock *sk, struct memnet_nl_socket_info *out)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep;
	u32 queued = 0;

	out->cookie = cookie_of(sk);
	out->uid = from_kuid_munged(&init_user_ns, sock_i_uid(sk));
	out->inode = sock_i_ino(sk);
	if (memnet_delegated(mn)) {
		fill_native(mn->native->sk, out);
		out->error = READ_ONCE(sk->sk_err);
		return;
	}
	out->state = TCP_CLOSE;
	/* The socket may lose its endpoint, and a listener its socket on loopback. */
	rcu_read_lock();
	ep = READ_ONCE(mn->ep);
	if (ep) {
		spin_lock_bh(&ep->lock);
		if (ep->sk == sk)
			fill_endpoint(ep, out);
		queued = ep->listener.queued;
		fill_names(sk, out);
		out->error = READ_ONCE(sk->sk_err);
		spin_unlock_bh(&ep->lock);
	} else {
		fill_names(sk, out);
		out->error = READ_ONCE(sk->sk_err);
	}
	if (out->state == TCP_LISTEN)
		fill_listener(sk, queued, out);
	rcu_read_unlock();
}

/* ---- walks ---- */

/* The youngest of a bucket that is older than @born. */
static struct sock *listed_before(struct socket_list *list, u32 bucket, u64 born)
{
	struct memnet_sock *mn;

	hlist_for_each_entry(mn, &list->by_cookie[bucket], listed)
		if (mn->born < born)
			return &mn->inet.sk;
	return NULL;
}

static bool listed_next(struct net *net, u64 *cursor, struct memnet_nl_socket_info *out)
{
	u64 met = cursor[FROM] & (BIT_ULL(BORN_BITS) - 1) ?: cursor[BORN];
	struct socket_list *list = list_of(net);
	u32 bucket = cursor[FROM] >> BORN_BITS;
	struct sock *sk = NULL;

	spin_lock_bh(&list->lock);
	for (; bucket < BUCKETS; bucket++, met = cursor[BORN]) {
		sk = listed_before(list, bucket, met);
		if (sk)
			break;
	}
	if (sk) {
		met = memnet_sk(sk)->born;
		fill_socket(sk, out);
	}
	spin_unlock_bh(&list->lock);
	cursor[FROM] = (u64)bucket << BORN_BITS | (sk ? met : 0);
	return sk;
}

/* One that never had a socket is of the namespace its link serves. */
static bool seen_from(const struct net *net, const struct memnet_endpoint *ep,
		      const struct memnet_link *link)
{
	return ep->net_cookie ? ep->net_cookie == net->net_cookie : net_eq(link->served, net);
}

static bool fill_ownerless(struct net *net, struct memnet_endpoint *ep,
			   struct memnet_nl_socket_info *out)
{
	bool found;

	if (READ_ONCE(ep->sk))
		return false;
	spin_lock_bh(&ep->lock);
	found = !ep->sk && ep->lc && !ep->gone && seen_from(net, ep, ep->lc->link);
	if (found) {
		fill_endpoint(ep, out);
		memnet_wire_to_sockaddr(&ep->local, &out->local);
		memnet_wire_to_sockaddr(&ep->peer, &out->remote);
		if (!out->local.ss_family)
			out->local.ss_family = AF_INET;
	}
	spin_unlock_bh(&ep->lock);
	return found;
}

/* The first endpoint of a channel without a socket, from @index on, which then is behind it. */
static bool find_ownerless(struct net *net, struct link_channel *lc, u32 *index,
			   struct memnet_nl_socket_info *out)
{
	struct memnet_endpoint *ep;
	bool found = false;

	rcu_read_lock();
	for (; !found && (ep = memnet_table_next(&lc->endpoints, index)); ++*index)
		found = fill_ownerless(net, ep, out);
	rcu_read_unlock();
	return found;
}

/* The link after @n others, with a reference, or NULL. */
static struct memnet_link *nth_link(u32 n)
{
	struct memnet_link *link, *found = NULL;

	rcu_read_lock();
	list_for_each_entry_rcu(link, &memnet_links, list) {
		if (n--)
			continue;
		if (refcount_inc_not_zero(&link->refs))
			found = link;
		break;
	}
	rcu_read_unlock();
	return found;
}

static bool ownerless_next(struct net *net, u64 *where, struct memnet_nl_socket_info *out)
{
	u32 n = *where >> 40, channel = *where >> 32 & 0xff;
	u32 index = *where & U32_MAX;
	struct memnet_link *link;
	struct link_channel *lc;
	bool found = false;

	for (; !found && (link = nth_link(n)); n++, channel = 0) {
		for (; !found && channel < link->n_channels; channel++, index = 0) {
			lc = memnet_link_channel(link, channel);
			if (!lc)
				continue;
			found = find_ownerless(net, lc, &index, out);
			if (found)
				*where = (u64)n << 40 | (u64)channel << 32 | index;
			memnet_lc_put(lc);
		}
		memnet_link_put(link);
	}
	return found;
}

/**
 * memnet_sockets_next() - walk over the sockets of a namespace
 * @net: namespace
 * @cursor: MEMNET_NL_CURSOR numbers, zero at first
 * @out: what there is to tell of the next, zeroed before
 *
 * Process context. Return: false at the end.
 */
bool memnet_sockets_next(struct net *net, u64 *cursor, struct memnet_nl_socket_info *out)
{
	BUILD_BUG_ON(BORN >= MEMNET_NL_CURSOR);
	if (!cursor[BORN]) {
		spin_lock_bh(&list_of(net)->lock);
		cursor[BORN] = list_of(net)->births + 1;
		spin_unlock_bh(&list_of(net)->lock);
	}
	if (cursor[WHERE] != SOCKETS) {
		if (ownerless_next(net, &cursor[WHERE], out))
			return true;
		cursor[WHERE] = SOCKETS;
	}
	return listed_next(net, cursor, out);
}

/**
 * memnet_sockets_find() - the socket of a cookie
 * @net: namespace
 * @cookie: cookie
 * @out: NULL, or what there is to tell of it, zeroed before
 *
 * Return: the socket with a reference, or NULL.
 */
struct sock *memnet_sockets_find(struct net *net, u64 cookie, struct memnet_nl_socket_info *out)
{
	struct socket_list *list = list_of(net);
	struct sock *found = NULL;
	struct memnet_sock *mn;

	spin_lock_bh(&list->lock);
	hlist_for_each_entry(mn, bucket_of(list, cookie), listed) {
		if (cookie_of(&mn->inet.sk) == cookie) {
			found = &mn->inet.sk;
			sock_hold(found);
			break;
		}
	}
	if (found && out)
		fill_socket(found, out);
	spin_unlock_bh(&list->lock);
	return found;
}

static int __net_init list_net_init(struct net *net)
{
	spin_lock_init(&list_of(net)->lock);
	return 0;
}

static void __net_exit list_net_exit(struct net *net)
{
	int i;

	for (i = 0; i < BUCKETS; i++)
		WARN_ON_ONCE(!hlist_empty(&list_of(net)->by_cookie[i]));
}

static struct pernet_operations list_net_ops = {
	.init	= list_net_init,
	.exit	= list_net_exit,
	.id	= &list_id,
	.size	= sizeof(struct socket_list),
};

/**
 * memnet_sockets_init() - prepare
 *
 * Return: 0 or a negative errno.
 */
int memnet_sockets_init(void)
{
	return register_pernet_subsys(&list_net_ops);
}

/**
 * memnet_sockets_exit() - clean up; there is no socket, and nobody looks
 */
void memnet_sockets_exit(void)
{
	unregister_pernet_subsys(&list_net_ops);
}
