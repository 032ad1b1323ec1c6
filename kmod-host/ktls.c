// SPDX-License-Identifier: GPL-2.0
/*
 * kTLS: sockets whose bytes the node encrypts and decrypts.
 *
 * TCP_ULP "tls", TLS_TX and TLS_RX are the node's to judge, whose answer is setsockopt()'s; keys go
 * there, and are not kept here. TLS_TX goes in its place among what is sent.
 *
 * TLS_RX tells the node up to where the application has read. What is behind that has perhaps come
 * and is not to be read any more: until the answer is here it is held back (rx.held), and then
 * either dropped, for it comes again decrypted, or given free. Between TCP_ULP and TLS_RX the
 * node's TCP keeps what is unread, so it is told at once when all that came has been read
 * (rx.telling).
 *
 * A record that is not of application's data has its type. The node sends nothing behind one before
 * it has been read, so there is at most one, at the end of the receive queue: rx.record from
 * rx.record_at on. It is delivered whole (rx.record_open: not all of it has come), and never
 * together with anything else. In the other direction one that is sent is a buffer of its own, or
 * several, and nothing is sent behind one before TCP has taken it (transmit.c).
 *
 * Locks: endpoint.lock, but for what is said otherwise.
 */
#include <linux/tcp.h>
#include <linux/tls.h>
#include <net/tcp.h>

#include "ktls.h"

static int ask_node(struct sock *sk, int level, int name, const void *value, u32 len)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	struct memnet_answer answer = {};
	struct wire_msg msg;
	int ret;

	wire_init(&msg, WIRE_SETOPT, 0, 0);
	msg.hdr.flags = WIRE_F_REPLY;
	msg.setopt.level = cpu_to_le32(level);
	msg.setopt.name = cpu_to_le32(name);
	msg.setopt.len = cpu_to_le32(len);
	memcpy(msg.setopt.value, value, len);
	ret = memnet_request(sk, ep, &msg,
			     !READ_ONCE(ep->connected) || (level == SOL_TLS && name == TLS_TX),
			     &answer);
	memzero_explicit(&msg, sizeof(msg));
	return ret == -ENETDOWN || ret == -ECONNRESET || ret == -ECONNABORTED ? -ENOTCONN : ret;
}

/**
 * memnet_ktls_set_ulp() - setsockopt(TCP_ULP)
 * @sk: socket, not locked
 * @value: name
 * @len: its size
 *
 * Return: 0 or a negative errno; -ENOENT also where the node does not let hosts have it.
 */
int memnet_ktls_set_ulp(struct sock *sk, sockptr_t value, unsigned int len)
{
	struct memnet_sock *mn = memnet_sk(sk);
	char name[TCP_ULP_NAME_MAX];
	int ret;

	if (len < 1)
		return -EINVAL;
	ret = strncpy_from_sockptr(name, value, min_t(unsigned int, sizeof(name) - 1, len));
	if (ret < 0)
		return -EFAULT;
	name[ret] = 0;
	lock_sock(sk);
	/* It may have become native while this call waited for the lock. */
	if (mn->delegated)
		ret = mn->native->ops->setsockopt(mn->native, SOL_TCP, TCP_ULP,
						  KERNEL_SOCKPTR(name), strlen(name) + 1);
	else if (strcmp(name, "tls"))
		ret = -ENOENT;
	else if (memnet_has_ktls(mn, MEMNET_KTLS_ULP))
		ret = -EEXIST;
	else if (!mn->ep || !READ_ONCE(mn->ep->lc))
		ret = -ENOTCONN;
	else
		ret = ask_node(sk, SOL_TCP, TCP_ULP, name, sizeof("tls"));
	release_sock(sk);
	return ret;
}

static int set_crypto(struct sock *sk, int name, sockptr_t value, unsigned int len)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	u8 bit = name == TLS_TX ? MEMNET_KTLS_TX : MEMNET_KTLS_RX;
	union {
		struct tls_crypto_info info;
		__le16 wire[2];
		u8 bytes[WIRE_OPT_MAX];
	} crypto;
	struct tls_crypto_info info;
	int ret;

	if (sockptr_is_null(value) || len < sizeof(info))
		return -EINVAL;
	if (READ_ONCE(ep->ktls) & bit)
		return -EBUSY;
	if (len > sizeof(crypto))
		return -EINVAL;
	if (bit == MEMNET_KTLS_RX && !list_empty_careful(&ep->rx.jobs))
		return -EBUSY;
	ret = -EFAULT;
	if (copy_from_sockptr(&crypto, value, len))
		goto out;
	info = crypto.info;
	crypto.wire[0] = cpu_to_le16(info.version);
	crypto.wire[1] = cpu_to_le16(info.cipher_type);
	ret = ask_node(sk, SOL_TLS, name, &crypto, len);
out:
	memzero_explicit(&crypto, sizeof(crypto));
	if (!ret)
		ep->crypto[name == TLS_RX] = info;
	return ret;
}

/* The version the keys that have been set are of, 0 for none. */
static u16 version(const struct memnet_endpoint *ep)
{
	return ep->crypto[0].version ?: ep->crypto[1].version;
}

/* Of the value what comes first is looked at, what follows has to be zero. */
static int copy_flag(struct memnet_endpoint *ep, int name, sockptr_t value, unsigned int len,
		     u32 *flag)
{
	int ret;

	if (name == TLS_RX_EXPECT_NO_PAD && version(ep) != TLS_1_3_VERSION)
		return -EINVAL;
	if (sockptr_is_null(value) || len < sizeof(*flag) ||
	    (name == TLS_TX_ZEROCOPY_RO && len != sizeof(*flag)))
		return -EINVAL;
	if (copy_from_sockptr(flag, value, sizeof(*flag)))
		return -EFAULT;
	if (*flag > 1)
		return -EINVAL;
	ret = check_zeroed_sockptr(value, sizeof(*flag), len - sizeof(*flag));
	if (ret < 1)
		return ret ?: -EINVAL;
	return name == TLS_RX_EXPECT_NO_PAD && !(READ_ONCE(ep->ktls) & MEMNET_KTLS_RX) ? -EINVAL :
											 0;
}

static int set_flag(struct sock *sk, int name, sockptr_t value, unsigned int len)
{
	u8 bit = name == TLS_TX_ZEROCOPY_RO ? MEMNET_KTLS_ZEROCOPY : MEMNET_KTLS_NO_PAD;
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	__le32 wire;
	u32 flag;
	int ret;

	ret = copy_flag(ep, name, value, len, &flag);
	if (ret)
		return ret;
	wire = cpu_to_le32(flag);
	ret = ask_node(sk, SOL_TLS, name, &wire, sizeof(wire));
	if (ret)
		return ret;
	spin_lock_bh(&ep->lock);
	WRITE_ONCE(ep->ktls, flag ? ep->ktls | bit : ep->ktls & ~bit);
	spin_unlock_bh(&ep->lock);
	return 0;
}

/**
 * memnet_ktls_set() - setsockopt(SOL_TLS)
 * @sk: socket, not locked
 * @name: option
 * @value: value
 * @len: its size
 *
 * Return: 0 or a negative errno.
 */
int memnet_ktls_set(struct sock *sk, int name, sockptr_t value, unsigned int len)
{
	struct memnet_sock *mn = memnet_sk(sk);
	int ret = -ENOPROTOOPT;

	lock_sock(sk);
	if (!memnet_has_ktls(mn, MEMNET_KTLS_ULP))
		;
	else if (name == TLS_TX || name == TLS_RX)
		ret = set_crypto(sk, name, value, len);
	else if (name == TLS_TX_ZEROCOPY_RO || name == TLS_RX_EXPECT_NO_PAD)
		ret = set_flag(sk, name, value, len);
	release_sock(sk);
	return ret;
}

/**
 * memnet_ktls_get_ulp() - getsockopt(TCP_ULP)
 * @sk: socket, not locked
 * @value: where the name goes
 * @len: its size
 * @room: room for it
 *
 * Return: 0 or -EFAULT.
 */
int memnet_ktls_get_ulp(struct sock *sk, char __user *value, int __user *len, int room)
{
	static const char name[TCP_ULP_NAME_MAX] = "tls";
	bool has;

	lock_sock(sk);
	has = memnet_has_ktls(memnet_sk(sk), MEMNET_KTLS_ULP);
	release_sock(sk);
	room = has ? min_t(int, room, sizeof(name)) : 0;
	return put_user(room, len) || copy_to_user(value, name, room) ? -EFAULT : 0;
}

/* Version and cipher; keys are not told. */
static int get_crypto(struct sock *sk, int name, char __user *value, int __user *len)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct tls_crypto_info info = {};
	int room, ret = 0;

	if (get_user(room, len))
		return -EFAULT;
	if (!value || room < (int)sizeof(info))
		return -EINVAL;
	lock_sock(sk);
	if (!memnet_has_ktls(mn, name == TLS_TX ? MEMNET_KTLS_TX : MEMNET_KTLS_RX))
		ret = -EBUSY;
	else
		info = mn->ep->crypto[name == TLS_RX];
	release_sock(sk);
	if (!ret && room != sizeof(info))
		ret = -EOPNOTSUPP;
	return ret ?: copy_to_user(value, &info, sizeof(info)) ? -EFAULT : 0;
}

static int get_flag(struct sock *sk, int name, char __user *value, int __user *len)
{
	struct memnet_sock *mn = memnet_sk(sk);
	bool pad = name == TLS_RX_EXPECT_NO_PAD, can = true;
	int room, flag;

	lock_sock(sk);
	flag = memnet_has_ktls(mn, pad ? MEMNET_KTLS_NO_PAD : MEMNET_KTLS_ZEROCOPY);
	if (pad)
		can = memnet_has_ktls(mn, MEMNET_KTLS_RX) && version(mn->ep) == TLS_1_3_VERSION;
	release_sock(sk);
	if (!can)
		return -EINVAL;
	if (get_user(room, len))
		return -EFAULT;
	if (room < (int)sizeof(flag) || (!pad && room != sizeof(flag)))
		return -EINVAL;
	return put_user((int)sizeof(flag), len) || copy_to_user(value, &flag, sizeof(flag)) ?
		       -EFAULT : 0;
}

/**
 * memnet_ktls_get() - getsockopt(SOL_TLS)
 * @sk: socket, not locked
 * @name: option
 * @value: where the value goes
 * @len: room there
 *
 * Return: 0 or a negative errno.
 */
int memnet_ktls_get(struct sock *sk, int name, char __user *value, int __user *len)
{
	bool has;

	lock_sock(sk);
	has = memnet_has_ktls(memnet_sk(sk), MEMNET_KTLS_ULP);
	release_sock(sk);
	if (!has)
		return sk->sk_family == AF_INET6 ? -ENOPROTOOPT : -EOPNOTSUPP;
	switch (name) {
	case TLS_TX:
	case TLS_RX:
		return get_crypto(sk, name, value, len);
	case TLS_TX_ZEROCOPY_RO:
	case TLS_RX_EXPECT_NO_PAD:
		return get_flag(sk, name, value, len);
	default:
		return -ENOPROTOOPT;
	}
}

/**
 * memnet_ktls_keep() - a socket without its endpoint still has what TCP cannot take from it
 * @sk: socket, locked, without an endpoint
 * @old: the one it had, of a connection that is over
 *
 * It has the options and no stream, as TLS behind the end of one. Without memory for that it is an
 * ordinary socket.
 */
void memnet_ktls_keep(struct sock *sk, const struct memnet_endpoint *old)
{
	struct memnet_endpoint *ep = memnet_endpoint_create(GFP_KERNEL);

	if (!ep)
		return;
	ep->ktls = old->ktls;
	memcpy(ep->crypto, old->crypto, sizeof(ep->crypto));
	memnet_endpoint_attach(ep, sk);
	WRITE_ONCE(memnet_sk(sk)->ep, ep);
}

/**
 * memnet_ktls_begin() - a request is about to be sent
 * @ep: endpoint, locked
 * @msg: the request; TLS_RX has its position filled in
 */
void memnet_ktls_begin(struct memnet_endpoint *ep, struct wire_msg *msg)
{
	u32 level = le32_to_cpu(msg->setopt.level), name = le32_to_cpu(msg->setopt.name);

	lockdep_assert_held(&ep->lock);
	ep->request.ktls = 0;
	if (msg->hdr.opcode != WIRE_SETOPT)
		return;
	if (level == SOL_TCP && name == TCP_ULP) {
		ep->request.ktls = MEMNET_KTLS_ULP;
		ep->rx.telling = !(ep->ktls & MEMNET_KTLS_RX);
	} else if (level == SOL_TLS && name == TLS_TX) {
		ep->request.ktls = MEMNET_KTLS_TX;
	} else if (level == SOL_TLS && name == TLS_RX) {
		ep->request.ktls = MEMNET_KTLS_RX;
		WRITE_ONCE(ep->rx.held, true);
		msg->hdr.pos = cpu_to_le64(ep->rx.copied + ep->rx.placed);
	}
}

/* What came and was not read comes again, decrypted. */
static void drop_unread(struct memnet_endpoint *ep)
{
	struct sk_buff_head done;

	__skb_queue_head_init(&done);
	memnet_rcv_window_take(ep, ep->rx.received - ep->rx.copied, &done);
	__skb_queue_purge(&done);
	memnet_rcv_window_open(ep);
}

/**
 * memnet_ktls_answered() - the request that has to do with it was answered, or has failed
 * @ep: endpoint, locked
 * @error: negative errno or 0
 */
void memnet_ktls_answered(struct memnet_endpoint *ep, int error)
{
	u8 what = ep->request.ktls;

	lockdep_assert_held(&ep->lock);
	ep->request.ktls = 0;
	if (!error)
		WRITE_ONCE(ep->ktls, ep->ktls | what);
	ep->rx.telling = (ep->ktls & (MEMNET_KTLS_ULP | MEMNET_KTLS_RX)) == MEMNET_KTLS_ULP;
	if (what != MEMNET_KTLS_RX)
		return;
	WRITE_ONCE(ep->rx.held, false);
	if (!error)
		drop_unread(ep);
	memnet_endpoint_wake(ep, MEMNET_WAKE_READ);
}

/**
 * memnet_ktls_come() - DATA of a record that is not of application's data, or behind one
 * @ep: endpoint, locked; @rx->len is not counted yet
 * @rx: the message
 *
 * Return: 0 or -EPROTO.
 */
int memnet_ktls_come(struct memnet_endpoint *ep, const struct memnet_rx *rx)
{
	u8 record = rx->msg.data.record;

	lockdep_assert_held(&ep->lock);
	if (!(ep->ktls & MEMNET_KTLS_RX))
		return -EPROTO;
	if (ep->tx.close)	/* nobody will read it */
		return 0;
	if (ep->rx.record && (!ep->rx.record_open || record != ep->rx.record))
		return -EPROTO;
	if (!ep->rx.record)
		ep->rx.record_at = ep->rx.received;
	ep->rx.record_open = rx->msg.hdr.flags & WIRE_F_MORE;
	WRITE_ONCE(ep->rx.record, record);
	return 0;
}

/* For memnet_ktls_read(): the endpoint is locked. */
void __memnet_ktls_read(struct memnet_endpoint *ep)
{
	if (ep->rx.copied != ep->rx.received || (ep->rx.record && ep->rx.record_open))
		return;
	WRITE_ONCE(ep->rx.record, 0);
	ep->rx.tell_due = true;
}

/**
 * memnet_ktls_ahead() - bytes that can be read together
 * @ep: endpoint, locked
 * @from: at this position of what is unread
 */
u64 memnet_ktls_ahead(const struct memnet_endpoint *ep, u64 from)
{
	u64 at = ep->rx.copied + from;

	lockdep_assert_held(&ep->lock);
	if (ep->rx.held || at >= ep->rx.received)
		return 0;
	if (ep->rx.record && at < ep->rx.record_at)
		return ep->rx.record_at - at;
	return ep->rx.record && ep->rx.record_open ? 0 : ep->rx.received - at;
}

/**
 * memnet_ktls_type() - tell who reads the type of the record that is next
 * @ep: endpoint with TLS_RX, not locked; its socket locked
 * @msg: where it is told
 * @from: position of what is unread
 * @type: type of what was read so far, 0 for nothing
 *
 * Return: 0; 1 if it is of another type; -EIO if it is not of data and cannot be told.
 */
int memnet_ktls_type(struct memnet_endpoint *ep, struct msghdr *msg, u32 from, u8 *type)
{
	u8 next = WIRE_RECORD_DATA;
	bool any;
	int ret;

	spin_lock_bh(&ep->lock);
	any = memnet_ktls_ahead(ep, from);
	if (ep->rx.record && ep->rx.copied + from >= ep->rx.record_at)
		next = ep->rx.record;
	spin_unlock_bh(&ep->lock);
	if (!any || next == *type)
		return 0;
	if (*type)
		return 1;
	*type = next;
	ret = put_cmsg(msg, SOL_TLS, TLS_GET_RECORD_TYPE, sizeof(next), &next);
	return next != WIRE_RECORD_DATA && (ret || msg->msg_flags & MSG_CTRUNC) ? -EIO : 0;
}

/**
 * memnet_ktls_send() - what tls_sw_sendmsg() looks at first
 * @msg: what is sent
 * @record: type of the records it is to become, 0 for application's data
 *
 * Return: 0 or a negative errno.
 */
int memnet_ktls_send(struct msghdr *msg, u8 *record)
{
	static const unsigned int flags = MSG_MORE | MSG_DONTWAIT | MSG_NOSIGNAL |
#ifdef MEMNET_HAVE_splice_pages
					  MSG_SPLICE_PAGES | MSG_SENDPAGE_NOPOLICY |
#endif
					  MSG_CMSG_COMPAT | MSG_EOR;
	struct cmsghdr *control;
	bool found = false;

	*record = 0;
	if (msg->msg_flags & ~flags)
		return -EOPNOTSUPP;
	if (msg->msg_flags & MSG_MORE && msg->msg_flags & MSG_EOR)
		return -EINVAL;
	if (!msg->msg_controllen)
		return 0;
	for_each_cmsghdr(control, msg) {
		if (!CMSG_OK(msg, control))
			return -EINVAL;
		if (control->cmsg_level != SOL_TLS)
			continue;
		if (control->cmsg_type != TLS_SET_RECORD_TYPE ||
		    control->cmsg_len < CMSG_LEN(sizeof(*record)) || msg->msg_flags & MSG_MORE)
			return -EINVAL;
		*record = *(u8 *)CMSG_DATA(control);
		found = true;
	}
	if (*record == WIRE_RECORD_DATA)
		*record = 0;
	return found ? 0 : -EINVAL;
}
