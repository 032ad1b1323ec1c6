// SPDX-License-Identifier: GPL-2.0
/*
 * Sending and receiving on a connected socket, poll and the ioctls.
 *
 * send: bytes are copied once, into page fragments of the last buffer of the outgoing queue or
 * of a new one; a buffer holds at most one message's payload. sendfile and splice put
 * references to the pages there instead. Then the queue is transmitted as far as window and
 * credits go, and the call returns; it sleeps only while the send buffer is full.
 *
 * recv: payload lies on the endpoint's receive queue, page by page as it arrived. It is copied
 * once, outside the endpoint's lock: only the holder of lock_sock() takes buffers off the
 * queue, and a buffer under a reader may only grow. Reading opens the node's window again.
 *
 * Errors and their order are those of tcp_sendmsg() and tcp_recvmsg().
 */
#include <linux/highmem.h>
#include <linux/sockios.h>
#include <asm/ioctls.h>
#include <net/inet_common.h>
#include <net/tcp.h>

#include "memnet.h"

/* ---- send ---- */

/* The socket is unlocked meanwhile, and another thread may have taken its endpoint: -EPIPE. */
static int wait_for_room(struct sock *sk, long *timeo)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int ret = 0;

	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
	if (!*timeo) {
		set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		memnet_transmit_want(ep);
		if (!memnet_transmit_writable(ep, sk))
			return -EAGAIN;
		sk_clear_bit(SOCKWQ_ASYNC_NOSPACE, sk);
		return 0;
	}
	memnet_endpoint_get(ep);
	add_wait_queue(sk_sleep(sk), &wait);
	for (;;) {
		set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		memnet_transmit_want(ep);
		if (memnet_transmit_writable(ep, sk)) {
			sk_clear_bit(SOCKWQ_ASYNC_NOSPACE, sk);
			break;
		}
		if (sk->sk_err || sk->sk_shutdown & SEND_SHUTDOWN)
			break;
		ret = -EAGAIN;
		if (!*timeo)
			break;
		ret = sock_intr_errno(*timeo);
		if (signal_pending(current))
			break;
		ret = 0;
		release_sock(sk);
		*timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, *timeo);
		lock_sock(sk);
		ret = -EPIPE;
		if (memnet_sk(sk)->ep != ep)
			break;
		ret = 0;
	}
	remove_wait_queue(sk_sleep(sk), &wait);
	memnet_endpoint_put(ep);
	return ret;
}

/**
 * memnet_wait_connected() - wait for a connection to be made
 * @sk: socket, locked, connecting; unlocked while waiting
 * @timeo: jiffies, reduced
 *
 * Return: 0 or a negative errno.
 */
int memnet_wait_connected(struct sock *sk, long *timeo)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int ret = 0;

	add_wait_queue(sk_sleep(sk), &wait);
	while (sk->sk_state == TCP_SYN_SENT && !sk->sk_err) {
		ret = -EAGAIN;
		if (!*timeo)
			break;
		ret = sock_intr_errno(*timeo);
		if (signal_pending(current))
			break;
		ret = 0;
		release_sock(sk);
		*timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, *timeo);
		lock_sock(sk);
	}
	remove_wait_queue(sk_sleep(sk), &wait);
	if (!ret && memnet_sk(sk)->ep)
		memnet_endpoint_settle(memnet_sk(sk)->ep);
	if (!ret && sk->sk_err)
		ret = sock_error(sk);
	if (!ret && !(memnet_sk(sk)->ep && memnet_sk(sk)->ep->connected))
		ret = -EPIPE;
	return ret;
}

/* The last buffer of the queue, if more may be added to it: nothing of it was sent. */
static struct sk_buff *tail_buffer(struct memnet_endpoint *ep)
{
	struct memnet_entry *last;
	struct sk_buff *skb;

	if (list_empty(&ep->tx.queue))
		return NULL;
	last = list_last_entry(&ep->tx.queue, struct memnet_entry, node);
	if (last->kind != MEMNET_ENTRY_DATA ||
	    (ep->tx.offset && list_is_first(&last->node, &ep->tx.queue)))
		return NULL;
	skb = memnet_entry_skb(last);
	if (skb->len >= WIRE_MAX_PAYLOAD || skb_shinfo(skb)->nr_frags == MAX_SKB_FRAGS)
		return NULL;
	return skb;
}

/*
 * Takes the buffer to extend off the queue, or makes one. Off the queue it belongs to the
 * caller alone; tail_put() brings it back. Nobody but the holder of lock_sock() adds to the
 * queue, so the order is kept.
 */
static struct sk_buff *tail_get(struct memnet_endpoint *ep, gfp_t gfp)
{
	struct sk_buff *skb;

	spin_lock_bh(&ep->lock);
	skb = tail_buffer(ep);
	if (skb)
		list_del(&memnet_cb(skb)->entry.node);
	spin_unlock_bh(&ep->lock);
	return skb ?: memnet_transmit_alloc(ep, 0, gfp);
}

/* Returns false when the connection has died meanwhile; the buffer is then gone. */
static bool tail_put(struct memnet_endpoint *ep, struct sk_buff *skb, u32 added, bool more,
		     bool urgent)
{
	bool ok;

	memnet_cb(skb)->entry.more = more;
	spin_lock_bh(&ep->lock);
	ok = ep->state != TCP_CLOSE && !ep->gone;
	if (ok && skb->len) {
		list_add_tail(&memnet_cb(skb)->entry.node, &ep->tx.queue);
		WRITE_ONCE(ep->tx.end, ep->tx.end + added);
		if (unlikely(urgent))
			ep->tx.urgent = ep->tx.end;
		/*
		 * Also with MSG_MORE: it is the node's TCP that corks, and that knows when to
		 * stop waiting.
		 */
		memnet_transmit(ep);
		skb = NULL;
	}
	spin_unlock_bh(&ep->lock);
	kfree_skb(skb);
	return ok;
}

/* Copies from the user into page fragments of @skb; returns bytes or a negative errno. */
static int fill_copy(struct sock *sk, struct sk_buff *skb, struct msghdr *msg, size_t len)
{
	struct page_frag *pfrag = sk_page_frag(sk);
	int i = skb_shinfo(skb)->nr_frags, copy;
	bool merge;

	if (!skb_page_frag_refill(32U, pfrag, sk->sk_allocation))
		return -ENOMEM;
	merge = i && skb_can_coalesce(skb, i, pfrag->page, pfrag->offset);
	if (!merge && i == MAX_SKB_FRAGS)
		return 0;
	copy = min_t(size_t, len, pfrag->size - pfrag->offset);
	if (copy_page_from_iter(pfrag->page, pfrag->offset, copy, &msg->msg_iter) != copy)
		return -EFAULT;
	if (merge) {
		skb_frag_size_add(&skb_shinfo(skb)->frags[i - 1], copy);
	} else {
		skb_fill_page_desc(skb, i, pfrag->page, pfrag->offset, copy);
		page_ref_inc(pfrag->page);
	}
	pfrag->offset += copy;
	skb->len += copy;
	skb->data_len += copy;
	skb->truesize += copy;
	memnet_transmit_charge(skb, copy);
	memnet_stat_add(MEMNET_STAT_HOST_COPIED_IN, copy);
	return copy;
}

/* Puts references to the caller's pages into @skb; returns bytes or a negative errno. */
static int fill_splice(struct sock *sk, struct sk_buff *skb, struct msghdr *msg, size_t len)
{
#ifdef MEMNET_HAVE_splice_pages
	ssize_t n;

	if (skb_shinfo(skb)->nr_frags == MAX_SKB_FRAGS)
		return 0;
	n = skb_splice_from_iter(skb, &msg->msg_iter, len, sk->sk_allocation);
	if (n == -EMSGSIZE)
		return 0;
	if (n > 0) {
		memnet_transmit_charge(skb, n);
		memnet_stat_add(MEMNET_STAT_HOST_SPLICED, n);
	}
	return n;
#else
	return -EOPNOTSUPP;
#endif
}

/*
 * As tcp_sendmsg_locked(): what is asked for here is an error if it cannot be done. Time stamps
 * would be of the node's packets.
 */
static int check_control(struct sock *sk, struct msghdr *msg)
{
	struct sockcm_cookie cookie = { .tsflags = 0 };

	if (sock_cmsg_send(sk, msg, &cookie) ||
	    cookie.tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK)
		return -EINVAL;
	return 0;
}

static int send_locked(struct sock *sk, struct msghdr *msg, size_t len)
{
	long timeo = sock_sndtimeo(sk, msg->msg_flags & MSG_DONTWAIT);
	struct memnet_sock *mn = memnet_sk(sk);
	bool more = msg->msg_flags & MSG_MORE;
	struct memnet_endpoint *ep;
	bool fresh = false;
	size_t sent = 0;
	int ret = 0;

	if (sk->sk_state == TCP_SYN_SENT) {
		ret = memnet_wait_connected(sk, &timeo);
		if (ret)
			goto out;
	}
	ep = mn->ep;
	ret = -EPIPE;
	if (!ep || !ep->connected)
		goto out;
	if (sk->sk_err || sk->sk_shutdown & SEND_SHUTDOWN)
		goto out;
	if (msg->msg_controllen) {
		ret = check_control(sk, msg);
		if (ret)
			goto out;
	}
	memnet_transmit_reap(ep);
	while (msg_data_left(msg)) {
		struct sk_buff *skb;
		size_t room;
		int added = 0;

		ret = -EPIPE;
		if (sk->sk_err || sk->sk_shutdown & SEND_SHUTDOWN)
			goto out;
		if (!memnet_transmit_writable(ep, sk)) {
			ret = wait_for_room(sk, &timeo);
			if (ret)
				goto out;
			continue;
		}
		skb = fresh ? memnet_transmit_alloc(ep, 0, sk->sk_allocation) :
			      tail_get(ep, sk->sk_allocation);
		ret = -ENOMEM;
		if (!skb)
			goto out;
		/* Fill the buffer to its end; several fragments if need be. */
		do {
			room = min_t(size_t, msg_data_left(msg), WIRE_MAX_PAYLOAD - skb->len);
			ret = msg->msg_flags & MSG_SPLICE_PAGES ? fill_splice(sk, skb, msg, room) :
								  fill_copy(sk, skb, msg, room);
			if (ret > 0)
				added += ret;
		} while (ret > 0 && msg_data_left(msg) && skb->len < WIRE_MAX_PAYLOAD);
		sent += added;
		if (!tail_put(ep, skb, added, more || msg_data_left(msg),
			      msg->msg_flags & MSG_OOB && !msg_data_left(msg))) {
			ret = -EPIPE;
			goto out;
		}
		if (ret < 0)
			goto out;
		ret = -EMSGSIZE;
		if (!added && fresh)
			goto out;
		/* The last one takes no more, though it looks as if: net.core.max_skb_frags. */
		fresh = !added;
	}
	return sent;
out:
	if (sent)
		return sent;
	return sk_stream_error(sk, msg->msg_flags, ret);
}

/**
 * memnet_sendmsg() - proto_ops.sendmsg
 * @sock: socket
 * @msg: what to send
 * @len: bytes
 *
 * Return: bytes taken, or a negative errno as tcp_sendmsg().
 */
int memnet_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	int ret;

	if (memnet_delegated(mn)) {
		memnet_native_begin(mn);
		ret = mn->native->ops->sendmsg(mn->native, msg, len);
		memnet_native_end(mn);
		return ret;
	}
	if (msg->msg_flags & MSG_FASTOPEN) {
		ret = memnet_connect_to_send(sock, msg);
		if (ret)
			return ret;
		if (memnet_delegated(mn))
			return memnet_sendmsg(sock, msg, len);
	}
	lock_sock(sk);
	ret = mn->delegated ? -EPIPE : send_locked(sk, msg, len);
	release_sock(sk);
	return ret;
}

#ifdef MEMNET_HAVE_splice_eof
/**
 * memnet_splice_eof() - proto_ops.splice_eof: what announced more by itself is over
 * @sock: socket
 */
void memnet_splice_eof(struct socket *sock)
{
	struct memnet_sock *mn = memnet_sk(sock->sk);

	if (memnet_delegated(mn)) {
		if (mn->native->ops->splice_eof)
			mn->native->ops->splice_eof(mn->native);
		return;
	}
	lock_sock(sock->sk);
	if (!mn->delegated && mn->ep && !mn->opt[MEMNET_OPT_CORK])
		memnet_transmit_push(mn->ep);
	release_sock(sock->sk);
}
#endif

#ifndef MEMNET_HAVE_splice_pages
/**
 * memnet_sendpage() - proto_ops.sendpage of kernels before MSG_SPLICE_PAGES
 * @sock: socket
 * @page: page to send from; referenced until it has been sent
 * @offset: first byte
 * @size: bytes
 * @flags: MSG_*
 *
 * Return: bytes taken, or a negative errno.
 */
ssize_t memnet_sendpage(struct socket *sock, struct page *page, int offset, size_t size, int flags)
{
	bool more = flags & (MSG_MORE | MSG_SENDPAGE_NOTLAST);
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep;
	struct sk_buff *skb;
	long timeo;
	int ret, i;

	if (memnet_delegated(mn)) {
		memnet_native_begin(mn);
		ret = kernel_sendpage(mn->native, page, offset, size, flags);
		memnet_native_end(mn);
		return ret;
	}
	if (!sendpage_ok(page))
		return sock_no_sendpage(sock, page, offset, size, flags);
	lock_sock(sk);
	timeo = sock_sndtimeo(sk, flags & MSG_DONTWAIT);
	ep = mn->ep;
	ret = -EPIPE;
	if (!ep || !ep->connected)
		goto out;
	memnet_transmit_reap(ep);
	while (!sk->sk_err && !(sk->sk_shutdown & SEND_SHUTDOWN) &&
	       !memnet_transmit_writable(ep, sk)) {
		ret = wait_for_room(sk, &timeo);
		if (ret)
			goto out;
	}
	ret = -EPIPE;
	if (sk->sk_err || sk->sk_shutdown & SEND_SHUTDOWN)
		goto out;
	skb = tail_get(ep, sk->sk_allocation);
	ret = -ENOMEM;
	if (!skb)
		goto out;
	i = skb_shinfo(skb)->nr_frags;
	if (i == MAX_SKB_FRAGS || skb->len + size > WIRE_MAX_PAYLOAD) {
		/* Full for this page: bring it back and begin another. */
		if (!tail_put(ep, skb, 0, true, false)) {
			ret = -EPIPE;
			goto out;
		}
		skb = memnet_transmit_alloc(ep, 0, sk->sk_allocation);
		ret = -ENOMEM;
		if (!skb)
			goto out;
		i = 0;
	}
	size = min_t(size_t, size, WIRE_MAX_PAYLOAD);
	get_page(page);
	skb_fill_page_desc(skb, i, page, offset, size);
	skb->len += size;
	skb->data_len += size;
	skb->truesize += size;
	memnet_transmit_charge(skb, size);
	memnet_stat_add(MEMNET_STAT_HOST_SPLICED, size);
	ret = tail_put(ep, skb, size, more, flags & MSG_OOB) ? size : -EPIPE;
out:
	if (ret < 0)
		ret = sk_stream_error(sk, flags, ret);
	release_sock(sk);
	return ret;
}
#endif

/* ---- receive ---- */

/* Bytes that can be read at once. */
static u64 readable(struct memnet_endpoint *ep)
{
	u64 bytes;

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
 * Copies up to @len bytes from position @skip of what is unread, but not past the mark of urgent
 * data. Returns bytes or a negative errno.
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
		if (!trunc && skb_copy_datagram_msg(skb, offset, msg, n))
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
	int ret = 0, copied = 0;
	bool gone;

	if (sk->sk_state == TCP_LISTEN)
		return -ENOTCONN;
	if (!ep || (!ep->connected && sk->sk_state != TCP_SYN_SENT))
		return sock_error(sk) ?: sk->sk_shutdown & RCV_SHUTDOWN ? 0 : -ENOTCONN;
	__skb_queue_head_init(&done);
	add_wait_queue(sk_sleep(sk), &wait);
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
				__skb_queue_purge(&done);
			}
		}
		ret = copy_out(ep, msg, from, len - copied, flags & MSG_TRUNC);
		if (ret > 0) {
			copied += ret;
			if (flags & MSG_PEEK) {
				sk_peek_offset_fwd(sk, ret);
				from += ret;
			} else {
				sk_peek_offset_bwd(sk, ret);
				memnet_rcv_window_consumed(ep, ret, &done);
				__skb_queue_purge(&done);
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
		/* As much as there will be before some of it is read. */
		if (flags & MSG_PEEK &&
		    !memnet_rcv_window_need(ep, from + target - copied) && copied) {
			if (readable(ep) > from)
				continue;
			break;
		}
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
	int ret;

	if (memnet_delegated(mn)) {
		memnet_native_begin(mn);
		ret = mn->native->ops->recvmsg(mn->native, msg, len, flags);
		memnet_native_end(mn);
		return ret;
	}
	if (flags & MSG_ERRQUEUE)
		return -EAGAIN;
	lock_sock(sk);
	ret = flags & MSG_OOB ? memnet_urgent_recv(sk, msg, len, flags) :
				recv_locked(sk, msg, len, flags);
	if (ret >= 0 && msg->msg_get_inq)
		msg->msg_inq = inq_hint(sk, mn->ep);
	release_sock(sk);
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
	} else if (memnet_transmit_writable(ep, sk)) {
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
		if (memnet_transmit_writable(ep, sk))
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
	if (READ_ONCE(sk->sk_err))
		mask |= EPOLLERR;
	return mask;
}

static int ioctl_outq(struct sock *sk, enum wire_query what, u64 *value)
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
	u64 value = 0;
	int ret = 0;

	if (memnet_delegated(mn))
		return mn->native->ops->ioctl(mn->native, cmd, arg);
	lock_sock(sk);
	switch (cmd) {
	case SIOCINQ:
		if (sk->sk_state == TCP_LISTEN)
			ret = -EINVAL;
		else if (mn->ep && mn->ep->connected)
			value = inq(sk, mn->ep);
		break;
	case SIOCOUTQ:
		ret = ioctl_outq(sk, WIRE_QUERY_OUTQ, &value);
		break;
	case SIOCOUTQNSD:
		ret = ioctl_outq(sk, WIRE_QUERY_UNSENT, &value);
		break;
	case SIOCATMARK:
		value = memnet_urgent_at_mark(mn->ep);
		break;
	default:
		release_sock(sk);
		return sk->sk_family == AF_INET6 ? inet6_ioctl(sock, cmd, arg) :
						   inet_ioctl(sock, cmd, arg);
	}
	release_sock(sk);
	return ret ?: put_user((int)min_t(u64, value, INT_MAX), (int __user *)arg);
}
