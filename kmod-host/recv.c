// SPDX-License-Identifier: GPL-2.0
/*
 * Receiving on a connected socket, poll and the ioctls.
 *
 * Payload lies on the endpoint's receive queue, page by page as it arrived. It is copied once,
 * outside the endpoint's lock: only the holder of lock_sock() takes buffers off the queue, and a
 * buffer under a reader may only grow. Reading opens the node's window again.
 *
 * Errors and their order are those of tcp_recvmsg().
 */
#include <linux/sockios.h>
#include <asm/ioctls.h>
#include <net/inet_common.h>
#include <net/tcp.h>

#include "ktls.h"
#include "transmit.h"

/* Bytes that can be read at once. */
static u64 readable(struct memnet_endpoint *ep)
{
	u64 bytes;

	if (memnet_ktls_is_special(ep)) {
		spin_lock_bh(&ep->lock);
		bytes = memnet_ktls_ahead(ep, 0);
		if (!ep->rx.held && !ep->rx.record_open)
			bytes = ep->rx.received - ep->rx.copied;
		spin_unlock_bh(&ep->lock);
		return bytes;
	}
	if (list_empty_careful(&ep->rx.jobs))
		return READ_ONCE(ep->rx.received) - READ_ONCE(ep->rx.copied);
	/* What has just come may be a job's. */
	spin_lock_bh(&ep->lock);
	bytes = ep->rx.received - ep->rx.copied;
	spin_unlock_bh(&ep->lock);
	return bytes;
}

/* The stream has ended, in order or by a reset, and all of it has come. */
static bool at_end(struct memnet_endpoint *ep)
{
	return READ_ONCE(ep->rx.fin) || (READ_ONCE(ep->state) == TCP_CLOSE &&
					 READ_ONCE(ep->rx.received) >= READ_ONCE(ep->rx.end));
}

/**
 * memnet_set_peek_off() - proto_ops.set_peek_off
 * @sk: socket
 * @offset: where MSG_PEEK begins, counted from what is unread; -1: at its beginning
 *
 * Return: 0, or -EOPNOTSUPP where TCP has no such thing (before 6.10).
 */
int memnet_set_peek_off(struct sock *sk, int offset)
{
	return inet_stream_ops.set_peek_off ? sk_set_peek_off(sk, offset) : -EOPNOTSUPP;
}

/**
 * memnet_set_rcvlowat() - proto_ops.set_rcvlowat
 * @sk: socket, locked
 * @bytes: how much poll() and recv() wait for
 *
 * As tcp_set_rcvlowat(): not more than can be buffered, and who waits is told if what is there is
 * enough now.
 *
 * Return: 0.
 */
int memnet_set_rcvlowat(struct sock *sk, int bytes)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	int cap = sk->sk_userlocks & SOCK_RCVBUF_LOCK ? sk->sk_rcvbuf :
			READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_rmem[2]);

	WRITE_ONCE(sk->sk_rcvlowat, min(bytes, cap / 2) ?: 1);
	if (ep) {
		spin_lock_bh(&ep->lock);
		if (ep->connected && memnet_rcv_window_enough(ep, sk))
			memnet_endpoint_wake(ep, MEMNET_WAKE_READ);
		spin_unlock_bh(&ep->lock);
	}
	return 0;
}

/*
 * Copies @len bytes at @offset of what a buffer has in pages; returns how many it could. Not by
 * copy_page_to_iter(), which before 6.5 gives the page itself to a pipe.
 */
static size_t copy_pages(const struct sk_buff *skb, u32 offset, struct iov_iter *to, u32 len)
{
	const skb_frag_t *frag = skb_shinfo(skb)->frags;
	size_t copied = 0, done;
	u32 n;

	while (offset >= skb_frag_size(frag))
		offset -= skb_frag_size(frag++);
	for (; copied < len; frag++) {
		n = min_t(u32, len - copied, skb_frag_size(frag) - offset);
		done = _copy_to_iter(skb_frag_address(frag) + offset, n, to);
		copied += done;
		if (done < n)
			break;
		offset = 0;
	}
	return copied;
}

/*
 * Copies @len bytes at @offset of a buffer that memnet_rx_enqueue() made: all of it is linear or
 * all of it lies in pages, for as long as it is queued. Not skb_copy_datagram_msg(): to tell the
 * two apart it takes data_len from len, and what arrives meanwhile changes one after the other.
 */
static int copy_buffer(const struct sk_buff *skb, u32 offset, struct msghdr *msg, u32 len)
{
	struct iov_iter *to = &msg->msg_iter;
	size_t copied;

	if (skb_shinfo(skb)->nr_frags)
		copied = copy_pages(skb, offset, to, len);
	else
		copied = copy_to_iter(skb->data + offset, len, to);
	if (likely(copied == len))
		return 0;
	iov_iter_revert(to, copied);
	return -EFAULT;
}

/*
 * Copies up to @len bytes from position @skip of what is unread, but not past the mark of urgent
 * data, nor from one TLS record to one of another type. Returns bytes or a negative errno.
 */
static int copy_out(struct memnet_endpoint *ep, struct msghdr *msg, u32 skip, u32 len, bool trunc)
{
	struct sk_buff *skb, *next;
	u32 offset, n;
	int copied = 0;

	spin_lock_bh(&ep->lock);
	if (unlikely(ep->rx.urg)) {
		u32 ahead = memnet_urgent_ahead(ep, skip);

		/* Who stands at it has stopped there, and goes on if it is in line. */
		if (ahead || !sock_flag(ep->sk, SOCK_URGINLINE))
			len = min(len, ahead);
	}
	if (memnet_ktls_is_special(ep))
		len = min_t(u64, len, memnet_ktls_ahead(ep, skip));
	skip += ep->rx.offset;
	skb = skb_peek(&ep->rx.queue);
	while (skb && skip >= skb->len) {
		skip -= skb->len;
		skb = skb_peek_next(skb, &ep->rx.queue);
	}
	offset = skip;
	while (skb && len) {
		n = min(len, skb->len - offset);
		spin_unlock_bh(&ep->lock);
		if (!trunc && copy_buffer(skb, offset, msg, n))
			return copied ?: -EFAULT;
		copied += n;
		len -= n;
		offset += n;
		spin_lock_bh(&ep->lock);
		next = offset < skb->len ? skb : skb_peek_next(skb, &ep->rx.queue);
		if (next != skb)
			offset = 0;
		skb = next;
	}
	spin_unlock_bh(&ep->lock);
	return copied;
}

/* Nothing more will come; after a reset the rest of the stream may still be on its way. */
static bool has_ended(struct sock *sk, struct memnet_endpoint *ep)
{
	if (sk->sk_state == TCP_CLOSE)
		return at_end(ep);
	return sk->sk_err || sk->sk_shutdown & RCV_SHUTDOWN;
}

static int recv_locked(struct sock *sk, struct msghdr *msg, size_t len, int flags)
{
	long timeo = sock_rcvtimeo(sk, flags & MSG_DONTWAIT);
	int target = sock_rcvlowat(sk, flags & MSG_WAITALL, len);
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	u32 from = max(sk_peek_offset(sk, flags), 0);	/* where copying begins */
	unsigned int undone = memnet_sk(sk)->disconnects;
	struct sk_buff_head done;
	bool gone, waits = false;
	int ret = 0, copied = 0;
	u8 type = 0;

	if (sk->sk_state == TCP_LISTEN)
		return -ENOTCONN;
	if (!ep || (!ep->connected && sk->sk_state != TCP_SYN_SENT))
		return sock_error(sk) ?: sk->sk_shutdown & RCV_SHUTDOWN ? 0 : -ENOTCONN;
	__skb_queue_head_init(&done);
	for (;;) {
		if (unlikely(READ_ONCE(ep->rx.urg) || READ_ONCE(ep->rx.urg_old))) {
			if (!memnet_urgent_ahead(ep, from)) {
				if (copied)
					break;
				if (signal_pending(current)) {
					ret = timeo ? sock_intr_errno(timeo) : -EAGAIN;
					break;
				}
			}
			if (memnet_urgent_skips(sk, ep, from)) {
				if (flags & MSG_PEEK)
					from++;
				else
					memnet_rcv_window_consumed(ep, 1, &done);
				memnet_rcv_window_free(ep, &done);
			}
		}
		if (unlikely(READ_ONCE(ep->ktls) & MEMNET_KTLS_RX) && len) {
			ret = memnet_ktls_type(ep, msg, from, &type);
			if (ret)
				break;
		}
		ret = copy_out(ep, msg, from, len - copied, flags & MSG_TRUNC);
		if (ret > 0) {
			copied += ret;
			if (unlikely(type) && type != WIRE_RECORD_DATA) {
				target = 0;
				if (readable(ep) == from + ret)
					msg->msg_flags |= MSG_EOR;
			}
			if (flags & MSG_PEEK) {
				sk_peek_offset_fwd(sk, ret);
				from += ret;
			} else {
				sk_peek_offset_bwd(sk, ret);
				memnet_rcv_window_consumed(ep, ret, &done);
				memnet_rcv_window_free(ep, &done);
			}
			if (!(flags & MSG_TRUNC))
				memnet_stat_add(MEMNET_STAT_HOST_COPIED_OUT, ret);
		}
		if (ret < 0 || copied >= target || (!len && readable(ep) > from))
			break;
		if (ret > 0)
			continue;
		if (copied && (signal_pending(current) || !timeo))
			break;
		if (copied && has_ended(sk, ep)) {
			/* The last bytes may have come with the end, after we looked. */
			if (readable(ep) > from)
				continue;
			break;
		}
		if (!copied) {
			if (at_end(ep)) {
				if (readable(ep) > from)
					continue;
				memnet_endpoint_settle(ep);
				ret = READ_ONCE(ep->rx.ended) ? 0 : sock_error(sk);
				break;
			}
			if (sk->sk_shutdown & RCV_SHUTDOWN && sk->sk_state != TCP_CLOSE)
				break;
			if (sk->sk_err && sk->sk_state != TCP_CLOSE) {
				ret = sock_error(sk);
				break;
			}
			if (!timeo) {
				ret = -EAGAIN;
				break;
			}
			if (signal_pending(current)) {
				ret = sock_intr_errno(timeo);
				break;
			}
		}
		if (!waits) {	/* look again at everything that somebody may wake us for */
			add_wait_queue(sk_sleep(sk), &wait);
			waits = true;
			continue;
		}
		/* The window is opened as far as it may be; who wants more waits, as for TCP's. */
		if (flags & MSG_PEEK)
			memnet_rcv_window_need(ep, from + target - copied);
		memnet_endpoint_get(ep);
		release_sock(sk);
		sk_set_bit(SOCKWQ_ASYNC_WAITDATA, sk);
		if (readable(ep) <= from && !at_end(ep))
			timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, timeo);
		sk_clear_bit(SOCKWQ_ASYNC_WAITDATA, sk);
		lock_sock(sk);
		/* Another thread may have taken the socket's endpoint meanwhile. */
		gone = memnet_sk(sk)->ep != ep;
		memnet_endpoint_put(ep);
		if (memnet_sk(sk)->disconnects != undone)
			ret = -EPIPE;
		else if (gone)
			ret = copied ?: sock_error(sk) ?: -ENOTCONN;
		else
			continue;
		break;
	}
	if (waits)
		remove_wait_queue(sk_sleep(sk), &wait);
	return copied ?: ret;
}

/* As tcp_inq(): what can be read, up to the mark of urgent data. */
static u64 inq(struct sock *sk, struct memnet_endpoint *ep)
{
	u64 bytes = readable(ep);

	if (unlikely(READ_ONCE(ep->rx.urg)) && !sock_flag(sk, SOCK_URGINLINE))
		bytes = min_t(u64, bytes, memnet_urgent_ahead(ep, 0));
	return bytes;
}

/* As tcp_inq_hint(): what can be read next, of which the end of the stream is one. */
static int inq_hint(struct sock *sk, struct memnet_endpoint *ep)
{
	u64 bytes = ep ? inq(sk, ep) : 0;

	return bytes ? min_t(u64, bytes, INT_MAX) : ep && READ_ONCE(ep->rx.fin);
}

/**
 * memnet_recvmsg() - proto_ops.recvmsg
 * @sock: socket
 * @msg: where to
 * @len: bytes
 * @flags: MSG_*
 *
 * Return: bytes, 0 at the end of the stream, or a negative errno as tcp_recvmsg().
 */
int memnet_recvmsg(struct socket *sock, struct msghdr *msg, size_t len, int flags)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	bool tell;
	int ret;

	if (unlikely(flags & MSG_ERRQUEUE))
		return memnet_recv_error(sock, msg, len, flags);
	if (memnet_delegated(mn)) {
		memnet_native_begin(mn);
		ret = mn->native->ops->recvmsg(mn->native, msg, len, flags);
		memnet_native_end(mn);
		return ret;
	}
	lock_sock(sk);
	ret = flags & MSG_OOB ? memnet_urgent_recv(sk, msg, len, flags) :
				recv_locked(sk, msg, len, flags);
	tell = ret >= 0 && mn->opt[MEMNET_OPT_INQ];
	if (ret >= 0 && (msg->msg_get_inq || tell))
		msg->msg_inq = inq_hint(sk, mn->ep);
	release_sock(sk);
	if (unlikely(tell))
		put_cmsg(msg, SOL_TCP, TCP_CM_INQ, sizeof(msg->msg_inq), &msg->msg_inq);
	return ret;
}

/* ---- poll and ioctl ---- */

/*
 * As tcp_stream_is_readable(): enough for SO_RCVLOWAT, or no room for more. An urgent byte that is
 * left out is none.
 */
static bool is_readable(struct sock *sk, struct memnet_endpoint *ep)
{
	u64 unread = readable(ep);
	int target;

	if (unlikely(READ_ONCE(ep->rx.urg)) && unread && memnet_urgent_skips(sk, ep, 0))
		unread--;
	if (!unread)
		return false;
	target = sock_rcvlowat(sk, 0, INT_MAX);
	return unread >= target || !memnet_rcv_window_need(ep, target);
}

static __poll_t poll_endpoint(struct sock *sk, struct socket *sock, struct memnet_endpoint *ep)
{
	u8 state = smp_load_acquire(&sk->sk_state);	/* pairs with change_state */
	u8 shutdown = READ_ONCE(sk->sk_shutdown);
	__poll_t mask = 0;

	if (state == TCP_LISTEN)
		return ep && READ_ONCE(ep->listener.queued) ? EPOLLIN | EPOLLRDNORM : 0;
	if (shutdown == SHUTDOWN_MASK || state == TCP_CLOSE)
		mask |= EPOLLHUP;
	if (shutdown & RCV_SHUTDOWN)
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (state == TCP_SYN_SENT || !ep)
		return mask | (state == TCP_CLOSE ? EPOLLOUT | EPOLLWRNORM : 0);
	if (ep->connected && is_readable(sk, ep))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (unlikely(READ_ONCE(ep->rx.urg) & TCP_URG_VALID))
		mask |= EPOLLPRI;
	if (shutdown & SEND_SHUTDOWN || state == TCP_CLOSE) {
		mask |= EPOLLOUT | EPOLLWRNORM;
	} else if (memnet_sndbuf_writable(ep, sk)) {
		mask |= EPOLLOUT | EPOLLWRNORM;
	} else {
		sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
		set_bit(SOCK_NOSPACE, &sock->flags);
		/*
		 * Orders with the room that a completion makes; memnet_transmit_want() asks for
		 * what the node has.
		 */
		smp_mb__after_atomic();
		memnet_transmit_want(ep);
		if (memnet_sndbuf_writable(ep, sk))
			mask |= EPOLLOUT | EPOLLWRNORM;
	}
	return mask;
}

/**
 * memnet_poll() - proto_ops.poll
 * @file: file
 * @sock: socket
 * @wait: poll table
 *
 * A native socket inside wakes this socket's wait queue (native.c), so there is one queue to
 * wait on.
 */
__poll_t memnet_poll(struct file *file, struct socket *sock, poll_table *wait)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep;
	struct socket *native;
	__poll_t mask = 0;
	bool delegated;

	sock_poll_wait(file, sock, wait);
	/*
	 * The socket may lose its endpoint and, as a listener, its native socket while we look;
	 * RCU keeps them.
	 */
	rcu_read_lock();
	delegated = memnet_delegated(mn);
	native = READ_ONCE(mn->native);
	if (native)
		mask |= memnet_native_poll(file, native);
	if (!delegated) {
		ep = READ_ONCE(mn->ep);
		mask |= poll_endpoint(sk, sock, ep);
		if (ep && mask & EPOLLHUP)
			memnet_endpoint_settle(ep);
	}
	rcu_read_unlock();
	/* A listener is not asked what it was before, as with TCP. */
	if ((READ_ONCE(sk->sk_err) || !skb_queue_empty_lockless(&sk->sk_error_queue)) &&
	    (READ_ONCE(sk->sk_state) != TCP_LISTEN || READ_ONCE(mn->refused)))
		mask |= EPOLLERR;
	return mask;
}

static int ioctl_outq(struct sock *sk, enum wire_query what, bool wait, u64 *value)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	struct memnet_answer answer;
	struct wire_msg msg;
	int ret;

	*value = 0;
	if (sk->sk_state == TCP_LISTEN)
		return -EINVAL;
	if (!ep || !ep->connected || sk->sk_state == TCP_CLOSE)
		return 0;
	if (!wait)
		return -EAGAIN;
	wire_init(&msg, WIRE_QUERY, 0, 0);
	msg.ask.what = cpu_to_le32(what);
	memnet_endpoint_get(ep);
	ret = memnet_request(sk, ep, &msg, false, &answer);
	/* The connection died: of what the node's TCP had taken nobody will know more. */
	if (ret == -ECONNRESET || ret == -ENETDOWN) {
		*value = READ_ONCE(ep->tx.sent) - READ_ONCE(ep->tx.consumed);
		ret = 0;
	} else if (!ret) {
		*value = answer.value + (READ_ONCE(ep->tx.end) - answer.sent);
	}
	memnet_endpoint_put(ep);
	return ret;
}

/* Of a locked socket; -EAGAIN where only the node knows, for who does not @wait for it. */
static int ioctl_value(struct sock *sk, unsigned int cmd, bool wait, int *value)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	u64 bytes = 0;
	int ret = 0;

	switch (cmd) {
	case SIOCINQ:
		if (sk->sk_state == TCP_LISTEN)
			ret = -EINVAL;
		else if (ep && ep->connected)
			bytes = inq(sk, ep);
		break;
	case SIOCOUTQ:
		ret = ioctl_outq(sk, WIRE_QUERY_OUTQ, wait, &bytes);
		break;
	case SIOCOUTQNSD:
		ret = ioctl_outq(sk, WIRE_QUERY_UNSENT, wait, &bytes);
		break;
	case SIOCATMARK:
		bytes = memnet_urgent_at_mark(ep);
		break;
	default:
		ret = -ENOIOCTLCMD;
	}
	*value = min_t(u64, bytes, INT_MAX);
	return ret;
}

/**
 * memnet_ioctl() - proto_ops.ioctl
 * @sock: socket
 * @cmd: SIOCINQ (FIONREAD), SIOCOUTQ, SIOCOUTQNSD or SIOCATMARK; others, about interfaces and
 *	routes, are answered by the host's IP, as for any of its sockets
 * @arg: where the int goes
 *
 * Return: 0 or a negative errno.
 */
int memnet_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	int value, ret;

	if (memnet_delegated(mn))
		return mn->native->ops->ioctl(mn->native, cmd, arg);
	lock_sock(sk);
	ret = ioctl_value(sk, cmd, true, &value);
	release_sock(sk);
	if (ret == -ENOIOCTLCMD)
		return sk->sk_family == AF_INET6 ? inet6_ioctl(sock, cmd, arg) :
						   inet_ioctl(sock, cmd, arg);
	return ret ?: put_user(value, (int __user *)arg);
}

#ifdef MEMNET_HAVE_proto_ioctl_value
/*
 * A worker of a ring, where an entry goes that could not be done at once; it is the one thread that
 * io_uring lets sleep, and what it calls there it does not tell us.
 */
static bool may_wait(void)
{
	return current->flags & PF_IO_WORKER && current->worker_private;
}

/**
 * memnet_proto_ioctl() - proto.ioctl: SOCKET_URING_OP_SIOCINQ and SOCKET_URING_OP_SIOCOUTQ
 * @sk: socket
 * @cmd: as memnet_ioctl()
 * @value: result
 *
 * io_uring calls it with its ring locked, so the node is not waited for: for -EAGAIN it calls again
 * from a worker.
 *
 * Return: 0 or a negative errno, -ENOIOCTLCMD for what is not a protocol's.
 */
int memnet_proto_ioctl(struct sock *sk, int cmd, int *value)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct sock *native;
	int ret;

	if (memnet_delegated(mn)) {
		native = mn->native->sk;
		return READ_ONCE(native->sk_prot)->ioctl(native, cmd, value);
	}
	lock_sock(sk);
	ret = ioctl_value(sk, cmd, may_wait(), value);
	release_sock(sk);
	return ret;
}
#endif
