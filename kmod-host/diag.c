// SPDX-License-Identifier: GPL-2.0
/*
 * sock_diag for the family, see uapi/linux/memnet_diag.h: sockets by netlink, as ss asks for those
 * of other families, and their end by an administrator, as of ss -K.
 *
 * A dump keeps a walk's cursor (sockets.c) in the callback, so between two buffers nothing is held
 * but the module. What the node's TCP knows of a connection is not asked for here.
 *
 * Destroying is tcp_abort(): the connection is reset at once and the program told ECONNABORTED, by
 * the call it sleeps in or by its next one; what has come may still be read. It holds lock_sock()
 * as any call on the socket.
 */
#include <linux/module.h>
#include <linux/sock_diag.h>
#include <linux/memnet_diag.h>
#include <net/netlink.h>

#include "memnet.h"

/* ---- showing ---- */

static void put_address(const struct sockaddr_storage *ss, __be32 *addr, __be16 *port)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

	/* Both families have the port in the same place. */
	*port = in->sin_port;
	if (ss->ss_family == AF_INET6)
		memcpy(addr, &in6->sin6_addr, sizeof(in6->sin6_addr));
	else
		*addr = in->sin_addr.s_addr;
}

/* As put_u64() of memnet_core: attributes of 64 bits, aligned. */
static bool put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, MEMNET_DIAG_PAD);
}

static int put_socket(struct sk_buff *skb, u32 portid, const struct nlmsghdr *request, int flags,
		      const struct memnet_nl_socket_info *s, struct user_namespace *user_ns)
{
	struct memnet_diag_endpoint endpoint = {
		.channel = s->channel,
		.id = s->id,
		.generation = s->generation,
	};
	struct memnet_diag_msg *msg;
	struct nlmsghdr *nlh;

	nlh = nlmsg_put(skb, portid, request->nlmsg_seq, request->nlmsg_type, sizeof(*msg), flags);
	if (!nlh)
		return -EMSGSIZE;
	msg = nlmsg_data(nlh);
	memset(msg, 0, sizeof(*msg));
	msg->family = s->local.ss_family;
	msg->state = s->state;
	msg->served = s->served;
	put_address(&s->local, msg->id.idiag_src, &msg->id.idiag_sport);
	put_address(&s->remote, msg->id.idiag_dst, &msg->id.idiag_dport);
	msg->id.idiag_cookie[0] = s->cookie;
	msg->id.idiag_cookie[1] = s->cookie >> 32;
	msg->rqueue = min_t(u64, s->rx_queue, U32_MAX);
	msg->wqueue = min_t(u64, s->tx_queue, U32_MAX);
	msg->uid = from_kuid_munged(user_ns, make_kuid(&init_user_ns, s->uid));
	msg->inode = s->inode;
	if ((s->link[0] && nla_put_string(skb, MEMNET_DIAG_LINK, s->link)) ||
	    (s->served == MEMNET_SERVED_OFFLOADED &&
	     nla_put(skb, MEMNET_DIAG_ENDPOINT, sizeof(endpoint), &endpoint)) ||
	    put_u64(skb, MEMNET_DIAG_RX_BYTES, s->rx_bytes) ||
	    put_u64(skb, MEMNET_DIAG_TX_BYTES, s->tx_bytes) ||
	    put_u64(skb, MEMNET_DIAG_PAGES, s->pages) ||
	    nla_put_u32(skb, MEMNET_DIAG_JOBS, s->jobs) ||
	    (s->error && nla_put_u32(skb, MEMNET_DIAG_ERROR, s->error))) {
		nlmsg_cancel(skb, nlh);
		return -EMSGSIZE;
	}
	nlmsg_end(skb, nlh);
	return 0;
}

static int diag_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	const struct memnet_diag_req *req = nlmsg_data(cb->nlh);
	struct net *net = sock_net(skb->sk);
	u64 cursor[MEMNET_NL_CURSOR];
	struct memnet_nl_socket_info *s;
	int ret;

	BUILD_BUG_ON(sizeof(cursor) > sizeof(cb->ctx));
	s = kmalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	for (;;) {
		memcpy(cursor, cb->ctx, sizeof(cursor));
		memset(s, 0, sizeof(*s));
		if (!memnet_sockets_next(net, cursor, s))
			break;
		if (req->states & BIT(s->state)) {
			ret = put_socket(skb, NETLINK_CB(cb->skb).portid, cb->nlh, NLM_F_MULTI, s,
					 sk_user_ns(NETLINK_CB(cb->skb).sk));
			if (ret)
				break;
		}
		memcpy(cb->ctx, cursor, sizeof(cursor));
	}
	kfree(s);
	return skb->len;
}

static u64 cookie_of(const struct memnet_diag_req *req)
{
	return (u64)req->cookie[1] << 32 | req->cookie[0];
}

static int diag_one(struct sk_buff *skb, const struct nlmsghdr *nlh)
{
	const struct memnet_diag_req *req = nlmsg_data(nlh);
	struct net *net = sock_net(skb->sk);
	struct memnet_nl_socket_info *s;
	struct sk_buff *reply = NULL;
	struct sock *sk;
	int ret = -ENOMEM;

	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (s)
		reply = nlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!reply)
		goto out;
	sk = memnet_sockets_find(net, cookie_of(req), s);
	ret = -ENOENT;
	if (sk) {
		sock_put(sk);
		ret = put_socket(reply, NETLINK_CB(skb).portid, nlh, 0, s,
				 sk_user_ns(NETLINK_CB(skb).sk));
	}
	if (ret)
		kfree_skb(reply);
	else
		ret = nlmsg_unicast(net->diag_nlsk, reply, NETLINK_CB(skb).portid);
out:
	kfree(s);
	return ret;
}

static int handle_dump(struct sk_buff *skb, struct nlmsghdr *nlh)
{
	struct netlink_dump_control control = { .dump = diag_dump };

	if (nlmsg_len(nlh) < sizeof(struct memnet_diag_req))
		return -EINVAL;
	if (!(nlh->nlmsg_flags & NLM_F_DUMP))
		return diag_one(skb, nlh);
	return netlink_dump_start(sock_net(skb->sk)->diag_nlsk, skb, nlh, &control);
}

/* ---- destroying ---- */

static int destroy_locked(struct sock *sk, int error)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct socket *sock = sk->sk_socket;
	socket_state state;
	struct sock *nsk;
	int ret;

	if (!sock)	/* closed meanwhile */
		return -ENOENT;
	if (mn->delegated) {
		nsk = mn->native->sk;
		ret = nsk->sk_prot->diag_destroy ? nsk->sk_prot->diag_destroy(nsk, error) :
						   -EOPNOTSUPP;
		if (!ret)	/* a listener has one of its own, for SO_ACCEPTCONN */
			smp_store_release(&sk->sk_state, TCP_CLOSE);
		return ret;
	}
	switch (sk->sk_state) {
	case TCP_CLOSE:
		return -ENOENT;
	case TCP_LISTEN:
	case TCP_SYN_SENT:
		/* connect() is to find how it has ended. */
		state = sock->state;
		memnet_disconnect(sock);
		sock->state = state;
		WRITE_ONCE(sk->sk_err, error);
		WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
		sk->sk_state_change(sk);
		sk_error_report(sk);
		return 0;
	default:
		return memnet_endpoint_abort(mn->ep, error);
	}
}

/**
 * memnet_diag_destroy() - proto.diag_destroy
 * @sk: socket
 * @error: positive errno for its program
 *
 * Return: 0, or -ENOENT for one that is not connected, nor listening.
 */
int memnet_diag_destroy(struct sock *sk, int error)
{
	int ret;

	lock_sock(sk);
	ret = destroy_locked(sk, error);
	release_sock(sk);
	return ret;
}

static int handle_destroy(struct sk_buff *skb, struct nlmsghdr *nlh)
{
	struct sock *sk;
	int ret;

	if (nlmsg_len(nlh) < sizeof(struct memnet_diag_req))
		return -EINVAL;
	sk = memnet_sockets_find(sock_net(skb->sk), cookie_of(nlmsg_data(nlh)), NULL);
	if (!sk)
		return -ENOENT;
	ret = sock_diag_destroy(sk, ECONNABORTED);
	sock_put(sk);
	return ret;
}

static struct sock_diag_handler handler = {
#ifdef MEMNET_HAVE_sock_diag_owner
	.owner		= THIS_MODULE,
#endif
	.dump		= handle_dump,
	.destroy	= handle_destroy,
};

/**
 * memnet_diag_init() - answer sock_diag; last of all, for it may be asked at once
 *
 * Return: 0 or -EBUSY.
 */
int memnet_diag_init(void)
{
	handler.family = memnet_family_number;
	return sock_diag_register(&handler);
}

/**
 * memnet_diag_exit() - answer no more; the module is not unloaded while it is asked
 */
void memnet_diag_exit(void)
{
	sock_diag_unregister(&handler);
}
