// SPDX-License-Identifier: GPL-2.0
/*
 * Requests of the host: bind, listen, connect, options, queries.
 *
 * They wait on in.control in the order they came and are done in the channel's worker; none waits
 * for the network. What the policy allows is done under the credentials of the endpoint's owner,
 * so the kernel's own checks apply. A request is answered by an answer in the endpoint, which
 * flush.c sends; the next request waits until it is sent.
 *
 * CONNECT is the exception: its answer has a place of its own and comes when the connection is
 * established or has failed; until then other requests go on. An endpoint whose CONNECT failed is
 * as it was before.
 */
#include <linux/cred.h>
#include <net/tcp.h>

#include "tcps.h"

static void answer(struct tcps_endpoint *ep, const struct wire_msg *msg, int error, u64 value)
{
	ep->answer = (struct tcps_answer){ .seq = le16_to_cpu(msg->hdr.seq),
					   .error = error,
					   .value = value };
	ep->owed |= TCPS_OWE_REPLY;
}

static void answer_connect(struct tcps_endpoint *ep, int error)
{
	/* The port of an attempt that failed is told, too. */
	if (error && ep->sock)
		tcps_native_name(ep->sock, &ep->local, false);
	ep->connect.error = error;
	ep->owed |= TCPS_OWE_CONNECT_REPLY;
}

/*
 * An address with a scope ties the socket to a device, and does so for good, though the call fails.
 * That would let it share a port with what is tied to another one.
 */
static void unscope(struct tcps_endpoint *ep)
{
	if (READ_ONCE(ep->sock->sk->sk_bound_dev_if) != ep->bound_dev)
		sock_bindtoindex(ep->sock->sk, ep->bound_dev, true);
}

static int do_bind(struct tcps_endpoint *ep, const struct wire_bind *bind)
{
	const struct cred *cred = ep->owner->cred, *own = NULL, *old;
	struct net *net = sock_net(ep->sock->sk);
	u16 port = ntohs(bind->addr.port);
	struct sockaddr_storage addr;
	int len = tcps_addr_from_wire(&bind->addr, &addr);
	int ret;

	if (len < 0)
		return len;
	if (ep->refused)
		return -EOPNOTSUPP;
	ret = tcps_policy_bind(&addr);
	if (ret)
		return ret;
	if (le32_to_cpu(bind->flags) & WIRE_BIND_PRIVILEGED &&
	    tcps_policy_privileged(&ep->tc->session->listener->cfg, bind->addr.port)) {
		own = tcps_owner_capable(ep->owner, CAP_NET_BIND_SERVICE);
		if (!own)
			return -ENOMEM;
		cred = own;
	}
	/* Below 1024 the list decides, whatever the node lets its own users have. */
	if (!own && port && (port < PROT_SOCK || inet_port_requires_bind_service(net, port))) {
		memnet_stat_inc(MEMNET_STAT_TCPS_DENIED);
		return -EACCES;
	}
	ep->bound_dev = READ_ONCE(ep->sock->sk->sk_bound_dev_if);
	old = override_creds(cred);
	ret = kernel_bind(ep->sock, (memnet_sockaddr *)&addr, len);
	revert_creds(old);
	if (ret)
		unscope(ep);
	if (own)
		put_cred(own);
	if (!ret)
		ret = tcps_native_name(ep->sock, &ep->local, false);
	return ret;
}

static int do_listen(struct tcps_endpoint *ep, u32 backlog)
{
	u32 max = READ_ONCE(sock_net(ep->sock->sk)->core.sysctl_somaxconn);
	const struct cred *old;
	int ret;

	if (ep->refused)
		return -EOPNOTSUPP;
	backlog = min(backlog, max);
	old = override_creds(ep->owner->cred);
	ret = kernel_listen(ep->sock, backlog);
	revert_creds(old);
	if (!ret)
		ret = tcps_native_name(ep->sock, &ep->local, false);
	if (ret)
		return ret;
	ep->listen.backlog = backlog;
	ep->listen.quota = max(backlog, 1U);
	if (ep->state == TCPS_LISTENING)
		return 0;
	ret = tcps_policy_listen_add(ep);
	if (ret) {
		/* Not known as ours, it would be out of reach for hosts: stop listening again. */
		kernel_sock_shutdown(ep->sock, SHUT_RD);
		return ret;
	}
	tcps_endpoint_change_state(ep, TCPS_LISTENING);
	memnet_stat_inc(MEMNET_STAT_TCPS_LISTENS);
	return 0;
}

/* Makes a connection attempt undone; the socket stays bound as it was. */
static void disconnect(struct tcps_endpoint *ep)
{
	struct sockaddr_storage none = { .ss_family = AF_UNSPEC };

	kernel_connect(ep->sock, (memnet_sockaddr *)&none, sizeof(none), O_NONBLOCK);
	unscope(ep);
}

static int native_connect(struct tcps_endpoint *ep)
{
	const struct cred *old;
	struct sockaddr_storage addr;
	int len = tcps_addr_from_wire(&ep->peer, &addr);
	int ret;

	if (len < 0)
		return len;
	old = override_creds(ep->owner->cred);
	ret = kernel_connect(ep->sock, (memnet_sockaddr *)&addr, len, O_NONBLOCK);
	revert_creds(old);
	return ret;
}

static int do_connect(struct tcps_endpoint *ep, const struct wire_connect *connect)
{
	struct sockaddr_storage addr;
	int len = tcps_addr_from_wire(&connect->addr, &addr);
	int policy, ret;

	if (len < 0)
		return len;
	if (ep->refused)
		return -EOPNOTSUPP;
	policy = tcps_policy_connect(sock_net(ep->sock->sk), &addr, ep->steered);
	if (policy < 0)
		return policy;
	ep->peer = connect->addr;
	ep->bound_dev = READ_ONCE(ep->sock->sk->sk_bound_dev_if);
	ret = native_connect(ep);
	if (ret && ret != -EINPROGRESS) {
		unscope(ep);
		return ret;
	}
	/* Routes can lead back here for addresses that are not ours. */
	if (!policy && tcps_policy_is_local_route(ep->sock->sk)) {
		disconnect(ep);
		memnet_stat_inc(MEMNET_STAT_TCPS_DENIED);
		return -ECONNREFUSED;
	}
	return 0;
}

static void handle_connect(struct tcps_endpoint *ep, const struct wire_msg *msg)
{
	int ret = 0;

	switch (ep->state) {
	case TCPS_IDLE:
		break;
	case TCPS_CONNECTING:
		/* The answer to the first one is still to come; this one gets the other place. */
		answer(ep, msg, -EALREADY, 0);
		return;
	default:
		ret = -EISCONN;
	}
	ep->connect.seq = le16_to_cpu(msg->hdr.seq);
	if (!ret)
		ret = ep->sock ? do_connect(ep, &msg->connect) : ep->open_error;
	if (ret) {
		answer_connect(ep, ret);
		return;
	}
	tcps_endpoint_change_state(ep, TCPS_CONNECTING);
	/* It may be established already. */
	tcps_kick(ep, TCPS_EV_STATE);
}

/**
 * tcps_endpoint_grant() - the initial windows, in both directions
 * @ep: endpoint, about to be told its connection
 */
void tcps_endpoint_grant(struct tcps_endpoint *ep)
{
	ep->tx.window = WIRE_INITIAL_WINDOW;
	spin_lock_bh(&ep->lock);
	ep->in.limit = WIRE_INITIAL_WINDOW;
	ep->in.open = true;
	ep->rx.limit = WIRE_INITIAL_WINDOW;
	spin_unlock_bh(&ep->lock);
}

/**
 * tcps_connect_progress() - the state of a connecting socket changed
 * @ep: connecting endpoint
 *
 * Return: whether it is connected now.
 */
bool tcps_connect_progress(struct tcps_endpoint *ep)
{
	int ret;

	if ((1 << READ_ONCE(ep->sock->sk->sk_state)) & (TCPF_SYN_SENT | TCPF_SYN_RECV))
		return false;
	/* As a program would, we learn the outcome from a second connect(). */
	ret = native_connect(ep);
	if (ret == -EINPROGRESS || ret == -EALREADY)
		return false;
	if (ret == -EISCONN)
		ret = 0;	/* the first one succeeded at once */
	if (!ret)
		ret = tcps_native_name(ep->sock, &ep->local, false) ?:
			      tcps_native_name(ep->sock, &ep->peer, true);
	answer_connect(ep, ret);
	if (ret) {
		disconnect(ep);
		tcps_endpoint_change_state(ep, TCPS_IDLE);
		return false;
	}
	tcps_endpoint_grant(ep);
	tcps_endpoint_change_state(ep, TCPS_CONNECTED);
	memnet_stat_inc(MEMNET_STAT_TCPS_CONNECTS);
	return true;
}

/* An option's value as the kernel takes it. */
union value {
	int number;
	unsigned long rate;
	u8 bytes[WIRE_OPT_MAX];
};

/* Those of 4 and of 8 bytes are integers, no others are. Returns its size here. */
static u32 from_wire(union value *host, const u8 *value, u32 len)
{
	__le32 number;
	__le64 rate;

	switch (len) {
	case sizeof(number):
		memcpy(&number, value, sizeof(number));
		host->number = le32_to_cpu(number);
		return sizeof(host->number);
	case sizeof(rate):
		memcpy(&rate, value, sizeof(rate));
		host->rate = min_t(u64, le64_to_cpu(rate), ULONG_MAX);
		return sizeof(host->rate);
	default:
		memcpy(host->bytes, value, len);
		return len;
	}
}

static int set_native(struct tcps_endpoint *ep, const struct cred *cred, u32 level, u32 name,
		      union value *value, u32 len)
{
	const struct cred *old = override_creds(cred);
	int ret;

	if (level == SOL_SOCKET)
		ret = sock_setsockopt(ep->sock, level, name, KERNEL_SOCKPTR(value), len);
	else
		ret = ep->sock->ops->setsockopt(ep->sock, level, name, KERNEL_SOCKPTR(value), len);
	revert_creds(old);
	return ret;
}

/* Is the native socket tied to the device already? Who has no capability may not say so again. */
static bool is_tied(const struct sock *sk, u32 name, union value *value)
{
	int dev = READ_ONCE(sk->sk_bound_dev_if);
	struct net_device *device;
	bool same;

	if (!dev || name == SO_BINDTOIFINDEX)
		return dev && value->number == dev;
	value->bytes[IFNAMSIZ - 1] = 0;
	rcu_read_lock();
	device = dev_get_by_name_rcu(sock_net(sk), value->bytes);
	same = device && device->ifindex == dev;
	rcu_read_unlock();
	return same;
}

/*
 * A device once and for all, and before the socket does anything: later it would be found where it
 * is not, and get what comes to somebody else. While it connects its route stays as it was found.
 */
static int may_steer(const struct tcps_endpoint *ep, u32 class)
{
	if (class == MEMNET_OPTION_CLASS_PRIO || ep->state == TCPS_IDLE)
		return 0;
	if (ep->state == TCPS_CONNECTING)
		return -EALREADY;
	return class == MEMNET_OPTION_CLASS_DEVICE ? -EINVAL : 0;
}

/* An option that is the administrator's to allow. */
static int set_by_class(struct tcps_endpoint *ep, u32 class, const struct cred *cred, u32 level,
			u32 name, union value *value, u32 len)
{
	struct sock *sk = ep->sock->sk;
	int ret;

	if (!tcps_policy_class(ep->tc->session, class))
		return class == MEMNET_OPTION_CLASS_PRIO ? -EPERM : -ENOPROTOOPT;
	ret = may_steer(ep, class);
	if (ret)
		return ret;
	if (class != MEMNET_OPTION_CLASS_DEVICE || !is_tied(sk, name, value))
		ret = set_native(ep, cred, level, name, value, len);
	if (ret || class == MEMNET_OPTION_CLASS_PRIO)
		return ret;
	if (class == MEMNET_OPTION_CLASS_DEVICE)
		ep->bound_dev = READ_ONCE(sk->sk_bound_dev_if);
	if (class == MEMNET_OPTION_CLASS_DEVICE ? ep->bound_dev : value->number)
		ep->steered |= class;
	else if (class & (MEMNET_OPTION_CLASS_MARK | MEMNET_OPTION_CLASS_ROUTE))
		ep->steered &= ~class;	/* an address may have come of the others */
	return 0;
}

static int set_option(struct tcps_endpoint *ep, u32 class, const struct cred *cred, u32 level,
		      u32 name, union value *value, u32 len)
{
	int ret;

	if (class)
		return set_by_class(ep, class, cred, level, name, value, len);
	ret = set_native(ep, cred, level, name, value, len);
	if (!ret && level == SOL_SOCKET && (name == SO_RCVBUF || name == SO_BUF_LOCK))
		ep->rx.fixed = name == SO_RCVBUF || value->number & SOCK_RCVBUF_LOCK;
	return ret;
}

/**
 * tcps_control_option() - set an option of the native socket
 * @ep: endpoint
 * @opt: the option
 * @answered: the host is told what comes of it
 *
 * The host counts on having what it was allowed before: where it is not told that it has not, the
 * endpoint is of no use.
 *
 * Return: 0 or a negative errno.
 */
int tcps_control_option(struct tcps_endpoint *ep, const struct wire_setopt *opt, bool answered)
{
	u32 level = le32_to_cpu(opt->level), name = le32_to_cpu(opt->name);
	const struct cred *cred, *own = NULL;
	u32 len = le32_to_cpu(opt->len), class;
	union value value = {};
	bool unused, capable;
	int ret;

	ret = tcps_policy_option(level, name, len, &unused);
	if (ret)
		return ret;
	if (!ep->sock)
		return ep->open_error ?: -ECONNRESET;
	cred = ep->owner->cred;
	len = from_wire(&value, opt->value, len);
	class = tcps_policy_class_of(level, name, value.number, &capable);
	if (capable && le32_to_cpu(opt->flags) & WIRE_SETOPT_VOUCHED &&
	    tcps_policy_class(ep->tc->session, class)) {
		own = tcps_owner_capable(ep->owner, CAP_NET_RAW);
		if (!own)
			return -ENOMEM;
		cred = own;
	}
	ret = set_option(ep, class, cred, level, name, &value, len);
	if (own)
		put_cred(own);
	/* What announced more may be over: a record that waits for it is not to. */
	if (ep->ulp && level == SOL_TCP && name == TCP_CORK)
		tcps_ktls_push(ep->sock);
	if (!ret)
		ep->refused &= ~class;
	else if (!answered && ep->state == TCPS_IDLE)
		ep->refused |= class;
	return ret;
}

/*
 * Of the first @pos bytes of the host those that the peer has not acknowledged, or that were not
 * even sent; negative where it has acknowledged more by now.
 */
static u64 unacknowledged(struct tcps_endpoint *ep, u64 pos, bool unsent)
{
	const struct tcp_sock *tp = tcp_sk(ep->sock->sk);

	if (ep->state != TCPS_CONNECTED)
		return 0;
	return pos - ep->tx.taken + (READ_ONCE(tp->write_seq) -
			 (unsent ? READ_ONCE(tp->snd_nxt) : READ_ONCE(tp->snd_una)));
}

/* @size: of a value that may not be cut, for which there is not enough room. */
static int read_option(struct tcps_endpoint *ep, const struct wire_getopt *get,
		       struct sk_buff **skb, u64 *size)
{
	u32 room = le32_to_cpu(get->room);
	int ret;

	*skb = alloc_skb(WIRE_OPT_READ, GFP_KERNEL);
	if (!*skb)
		return -ENOBUFS;
	ret = tcps_getopt(ep, le32_to_cpu(get->level), le32_to_cpu(get->name), (*skb)->data,
			  &room);
	if (ret == -EINVAL)
		*size = room;
	if (ret > 0)
		skb_put(*skb, min_t(u32, ret, room));
	if (!(*skb)->len) {
		kfree_skb(*skb);
		*skb = NULL;
	}
	return min(ret, 0);
}

static int apply(struct tcps_endpoint *ep, const struct wire_msg *msg)
{
	if (tcps_is_ktls(le32_to_cpu(msg->setopt.level), le32_to_cpu(msg->setopt.name)))
		return tcps_ktls_option(ep, msg);
	return tcps_control_option(ep, &msg->setopt, msg->hdr.flags & WIRE_F_REPLY);
}

static void forget_request(struct tcps_endpoint *ep)
{
	spin_lock_bh(&ep->lock);
	ep->in.requests--;
	spin_unlock_bh(&ep->lock);
}

/**
 * tcps_control_ordered() - the turn of an option has come whose place in the stream matters
 * @ep: endpoint
 * @msg: SETOPT
 *
 * Return: false if its answer has to wait for another one to be sent.
 */
bool tcps_control_ordered(struct tcps_endpoint *ep, const struct wire_msg *msg)
{
	if (!(msg->hdr.flags & WIRE_F_REPLY)) {
		apply(ep, msg);
		return true;
	}
	if (ep->owed & (TCPS_OWE_REPLY | TCPS_OWE_CONNECT_REPLY))
		return false;
	forget_request(ep);
	answer(ep, msg, apply(ep, msg), 0);
	return true;
}

static void handle(struct tcps_endpoint *ep, const struct wire_msg *msg, u64 pos)
{
	struct sk_buff *skb = NULL;
	u64 value = 0;
	int ret;

	if (msg->hdr.opcode == WIRE_CONNECT) {
		handle_connect(ep, msg);
		return;
	}
	if (!ep->sock) {
		ret = ep->open_error ?: -ECONNRESET;
	} else {
		switch (msg->hdr.opcode) {
		case WIRE_BIND:
			ret = do_bind(ep, &msg->bind);
			break;
		case WIRE_LISTEN:
			ret = do_listen(ep, le32_to_cpu(msg->listen.backlog));
			break;
		case WIRE_GETOPT:
			ret = read_option(ep, &msg->getopt, &skb, &value);
			break;
		case WIRE_QUERY:
			value = unacknowledged(ep, pos,
					       le32_to_cpu(msg->ask.what) == WIRE_QUERY_UNSENT);
			ret = 0;
			break;
		default:
			ret = apply(ep, msg);
			if (!(msg->hdr.flags & WIRE_F_REPLY))
				return;
		}
	}
	if (msg->hdr.opcode != WIRE_SETOPT || msg->hdr.flags & WIRE_F_REPLY)
		answer(ep, msg, ret, value);
	ep->answer.skb = skb;
}

/**
 * tcps_control_run() - do the requests that wait, up to the first whose answer is to be sent
 * @ep: endpoint
 */
void tcps_control_run(struct tcps_endpoint *ep)
{
	struct sk_buff *skb;

	while (!(ep->owed & (TCPS_OWE_REPLY | TCPS_OWE_CONNECT_REPLY))) {
		const struct wire_msg *msg;

		spin_lock_bh(&ep->lock);
		skb = __skb_dequeue(&ep->in.control);
		if (skb) {
			msg = (const struct wire_msg *)skb->data;
			if (msg->hdr.opcode != WIRE_SETOPT || msg->hdr.flags & WIRE_F_REPLY)
				ep->in.requests--;
		}
		spin_unlock_bh(&ep->lock);
		if (!skb)
			return;
		handle(ep, msg, TCPS_CB(skb)->addr);
		tcps_skb_free(ep, skb);
	}
}
