// SPDX-License-Identifier: GPL-2.0
/*
 * Native sockets that encrypt and decrypt: TCP_ULP "tls" and SOL_TLS.
 *
 * TLS_TX is set in its place in the stream (tx_pump.c), so that what the host sent before is not
 * encrypted. For TLS_RX TCP must still have every byte from the one on that the application reads
 * next, though the host has been sent some of them long ago. So with TCP_ULP the rx pump begins to
 * leave in TCP what it sends (rx.kept): it clones without reading, and what the host says that the
 * application has read is eaten. When TLS_RX comes, with the position up to which that is, the rest
 * is TLS's. What was sent before TCP_ULP and not read is lost to it: EBUSY.
 *
 * From then on the rx pump reads application's data by TLS's read_sock(), which stops at any other
 * record; that is read here, with its type.
 *
 * TLS puts callbacks of its own over ours, calls ours, and restores them in the end. When the
 * endpoint lets go of its socket ours are taken out there, too.
 *
 * Runs in the channel's worker.
 */
#include <linux/cred.h>
#include <net/tcp.h>

#include "tcps.h"

#ifdef MEMNET_HAVE_ktls

#include <net/tls.h>

static int set(struct tcps_endpoint *ep, u32 level, u32 name, void *value, u32 len)
{
	const struct cred *old;
	int ret;

	old = override_creds(ep->owner->cred);
	ret = ep->sock->ops->setsockopt(ep->sock, level, name, KERNEL_SOCKPTR(value), len);
	revert_creds(old);
	return ret;
}

/* Without a capability nobody loads a module for it. */
static int set_ulp(struct tcps_endpoint *ep, void *value, u32 len)
{
	int ret;

	if (len != sizeof("tls") || memcmp(value, "tls", len))
		return -ENOENT;
	ret = set(ep, SOL_TCP, TCP_ULP, value, len);
	if (ret)
		return ret;
	ep->ulp = true;
	ep->rx.eaten = ep->rx.read;
	ep->rx.kept = true;
	return 0;
}

/* Those that were cloned and not sent will not be. */
static void drop_pending(struct tcps_endpoint *ep)
{
	__skb_queue_purge(&ep->rx.pending);
	ep->tc->unsent -= ep->rx.read - ep->rx.pos;
	ep->rx.read = ep->rx.pos;
}

static int set_rx(struct tcps_endpoint *ep, u64 consumed, void *value, u32 len)
{
	struct sock *sk = ep->sock->sk;
	bool jobs = !skb_queue_empty_lockless(&ep->in.jobs) || !skb_queue_empty(&ep->rx.over);
	int ret;

	/* The end of what was sent has been told. */
	if (ep->state != TCPS_CONNECTED)
		return -ENOTCONN;
	if (!ep->rx.kept || jobs || consumed < ep->rx.eaten || consumed > ep->rx.pos)
		return -EBUSY;
	drop_pending(ep);
	lock_sock(sk);
	tcps_ktls_eat(ep, consumed);
	release_sock(sk);
	ret = set(ep, SOL_TLS, TLS_RX, value, len);
	/* There may be records already; if not there are bytes, as before. */
	tcps_kick(ep, TCPS_EV_DATA);
	if (ret)
		return ret;
	ep->rx.kept = false;
	ep->rx.tls = true;
	return 0;
}

/* One of the options of SOL_TLS that are integers. */
static int set_flag(struct tcps_endpoint *ep, const struct wire_setopt *opt)
{
	__le32 wire;
	int value;

	if (le32_to_cpu(opt->len) != sizeof(wire))
		return -EINVAL;
	memcpy(&wire, opt->value, sizeof(wire));
	value = le32_to_cpu(wire);
	return set(ep, SOL_TLS, le32_to_cpu(opt->name), &value, sizeof(value));
}

static int set_option(struct tcps_endpoint *ep, const struct wire_msg *msg)
{
	u32 level = le32_to_cpu(msg->setopt.level), name = le32_to_cpu(msg->setopt.name);
	u32 len = le32_to_cpu(msg->setopt.len);
	union {
		__le16 wire[2];
		struct tls_crypto_info info;
		u8 bytes[WIRE_OPT_MAX];
	} value;
	int ret;

	if (level == SOL_TLS && !ep->ulp)
		return -ENOPROTOOPT;
	if (level == SOL_TLS && (name == TLS_TX_ZEROCOPY_RO || name == TLS_RX_EXPECT_NO_PAD))
		return set_flag(ep, &msg->setopt);
	if (level == SOL_TLS && name != TLS_TX && name != TLS_RX)
		return -ENOPROTOOPT;
	memcpy(value.bytes, msg->setopt.value, sizeof(value.bytes));
	if (level == SOL_TCP)
		return set_ulp(ep, value.bytes, len);
	value.info.version = le16_to_cpu(value.wire[0]);
	value.info.cipher_type = le16_to_cpu(value.wire[1]);
	ret = name == TLS_TX ? set(ep, level, name, value.bytes, len) :
			       set_rx(ep, le64_to_cpu(msg->hdr.pos), value.bytes, len);
	memzero_explicit(&value, sizeof(value));
	return ret;
}

/**
 * tcps_ktls_restore() - an endpoint lets go of its socket
 * @sk: socket with TCP_ULP, its sk_callback_lock held
 * @ours: our callbacks
 * @saved: those it had before
 */
void tcps_ktls_restore(struct sock *sk, const struct tcps_callbacks *ours,
		       const struct tcps_callbacks *saved)
{
	struct tls_context *ctx = tls_get_ctx(sk);
	struct tls_sw_context_rx *rx;

	if (!ctx)
		return;
	if (ctx->sk_write_space == ours->write_space)
		WRITE_ONCE(ctx->sk_write_space, saved->write_space);
	rx = ctx->rx_conf == TLS_BASE ? NULL : tls_sw_ctx_rx(ctx);
	if (rx && rx->saved_data_ready == ours->data_ready)
		WRITE_ONCE(rx->saved_data_ready, saved->data_ready);
}

/**
 * tcps_ktls_control() - the control message with which TLS is told, or tells, a record's type
 * @msg: where it goes
 * @buffer: CMSG_SPACE(1) bytes, aligned
 * @record: type, or 0 where TLS is to fill it in
 */
void tcps_ktls_control(struct msghdr *msg, void *buffer, u8 record)
{
	struct cmsghdr *control = buffer;

	memset(buffer, 0, CMSG_SPACE(1));
	if (record) {
		control->cmsg_level = SOL_TLS;
		control->cmsg_type = TLS_SET_RECORD_TYPE;
		control->cmsg_len = CMSG_LEN(1);
		*(u8 *)CMSG_DATA(control) = record;
	}
	msg->msg_control = buffer;
	msg->msg_controllen = CMSG_SPACE(1);
}

/**
 * tcps_ktls_push() - a record that has been begun is to be sent
 * @sock: socket with TCP_ULP
 */
void tcps_ktls_push(struct socket *sock)
{
	if (sock->ops->splice_eof)
		sock->ops->splice_eof(sock);
}

/**
 * tcps_ktls_record() - read what read_sock() has stopped at
 * @ep: endpoint that decrypts
 * @skb: takes the bytes; empty and linear
 * @room: bytes that the host may have
 *
 * Return: bytes; 0 at the end of the stream; -EAGAIN where there is nothing; another negative
 * errno.
 */
int tcps_ktls_record(struct tcps_endpoint *ep, struct sk_buff *skb, u32 room)
{
	union {
		struct cmsghdr head;
		u8 bytes[CMSG_SPACE(1)];
	} control;
	struct msghdr msg = {};
	struct kvec vec = { .iov_base = skb->data,
			    .iov_len = min_t(u32, room, skb_tailroom(skb)) };
	u8 type;
	int ret;

	tcps_ktls_control(&msg, &control, 0);
	ret = kernel_recvmsg(ep->sock, &msg, &vec, 1, vec.iov_len, MSG_DONTWAIT);
	if (ret <= 0)
		return ret;
	if (control.head.cmsg_level != SOL_TLS || control.head.cmsg_type != TLS_GET_RECORD_TYPE)
		return -EIO;
	type = *(u8 *)CMSG_DATA(&control.head);
	skb_put(skb, ret);
	TCPS_CB(skb)->len = ret;
	TCPS_CB(skb)->record = type == WIRE_RECORD_DATA ? 0 : type;
	TCPS_CB(skb)->more = !(msg.msg_flags & MSG_EOR);
	return ret;
}

#else

static int set_option(struct tcps_endpoint *ep, const struct wire_msg *msg)
{
	return le32_to_cpu(msg->setopt.level) == SOL_TCP ? -ENOENT : -ENOPROTOOPT;
}

void tcps_ktls_restore(struct sock *sk, const struct tcps_callbacks *ours,
		       const struct tcps_callbacks *saved)
{
}

void tcps_ktls_control(struct msghdr *msg, void *buffer, u8 record)
{
}

void tcps_ktls_push(struct socket *sock)
{
}

int tcps_ktls_record(struct tcps_endpoint *ep, struct sk_buff *skb, u32 room)
{
	return -EIO;
}

#endif

/**
 * tcps_ktls_option() - a host sets TCP_ULP, or an option of SOL_TLS
 * @ep: endpoint with a native socket
 * @msg: SETOPT
 *
 * Return: 0 or a negative errno: where the administrator does not let hosts have it, as on a kernel
 * without.
 */
int tcps_ktls_option(struct tcps_endpoint *ep, const struct wire_msg *msg)
{
	if (!tcps_policy_class(ep->tc->session, MEMNET_OPTION_CLASS_TLS))
		return le32_to_cpu(msg->setopt.level) == SOL_TCP ? -ENOENT : -ENOPROTOOPT;
	return set_option(ep, msg);
}

/**
 * tcps_ktls_eat() - the application has read
 * @ep: endpoint, its native socket locked
 * @pos: up to this position
 */
void tcps_ktls_eat(struct tcps_endpoint *ep, u64 pos)
{
	pos = min(pos, ep->rx.read);
	if (!ep->rx.kept || pos <= ep->rx.eaten)
		return;
	tcp_read_done(ep->sock->sk, pos - ep->rx.eaten);
	ep->rx.eaten = pos;
}

/**
 * tcps_ktls_peek() - as tcp_read_sock(), but TCP keeps what the actor takes
 * @ep: endpoint, its native socket locked; what was taken before is @ep->rx.eaten to @ep->rx.read
 * @desc: for the actor
 * @actor: takes bytes of a buffer
 */
void tcps_ktls_peek(struct tcps_endpoint *ep, read_descriptor_t *desc, sk_read_actor_t actor)
{
	struct sock *sk = ep->sock->sk;
	u32 seq = tcp_sk(sk)->copied_seq + (u32)(ep->rx.read - ep->rx.eaten);
	struct sk_buff *skb;
	u32 offset;
	int used;

	skb_queue_walk(&sk->sk_receive_queue, skb) {
		offset = seq - TCP_SKB_CB(skb)->seq;
		if (TCP_SKB_CB(skb)->tcp_flags & TCPHDR_SYN)
			offset--;
		if (offset >= skb->len)
			continue;
		used = actor(desc, skb, offset, skb->len - offset);
		if (used <= 0)
			break;
		seq += used;
		if (!desc->count)
			break;
	}
}
