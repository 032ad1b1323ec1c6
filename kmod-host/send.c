// SPDX-License-Identifier: GPL-2.0
/*
 * Sending on a connected socket.
 *
 * Bytes are copied once, into page fragments of the last buffer of the outgoing queue or of a new
 * one; a buffer holds at most one message's payload. sendfile and splice put references to the
 * pages there instead, and so does MSG_ZEROCOPY (zerocopy.c). Then the queue is transmitted as far
 * as window and credits go - a buffer before which nothing stands does not even enter it -, and the
 * call returns; it sleeps only while the send buffer is full.
 *
 * Errors and their order are those of tcp_sendmsg().
 */
#include <linux/highmem.h>
#include <net/tcp.h>

#include "ktls.h"
#include "memory.h"
#include "transmit.h"

/* The socket is unlocked meanwhile, and another thread may have taken its endpoint: -EPIPE. */
static int wait_for_room(struct sock *sk, long *timeo)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int ret = 0;

	/* Who waits has what comes next told by events; mostly there is room already. */
	memnet_transmit_look(ep);
	if (memnet_sndbuf_writable(ep, sk))
		return 0;
	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
	if (!*timeo) {
		set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		memnet_transmit_want(ep);
		if (!memnet_sndbuf_writable(ep, sk))
			return -EAGAIN;
		sk_clear_bit(SOCKWQ_ASYNC_NOSPACE, sk);
		return 0;
	}
	memnet_endpoint_get(ep);
	add_wait_queue(sk_sleep(sk), &wait);
	for (;;) {
		set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		memnet_transmit_want(ep);
		if (memnet_sndbuf_writable(ep, sk)) {
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
	if (last->kind != MEMNET_ENTRY_DATA || last->record ||
	    (ep->tx.offset && list_is_first(&last->node, &ep->tx.queue)))
		return NULL;
	skb = memnet_entry_skb(last);
	if (skb->len >= WIRE_MAX_PAYLOAD || skb_shinfo(skb)->nr_frags == MAX_SKB_FRAGS ||
	    skb_zcopy(skb))
		return NULL;
	return skb;
}

/*
 * Takes the buffer to extend off the queue, or makes one. Off the queue it belongs to the
 * caller alone; tail_put() brings it back. Nobody but the holder of lock_sock() adds to the
 * queue, so the order is kept, and one that is empty stays so.
 */
static struct sk_buff *tail_get(struct memnet_endpoint *ep, gfp_t gfp)
{
	struct sk_buff *skb = NULL;

	if (!list_empty(&ep->tx.queue)) {
		spin_lock_bh(&ep->lock);
		skb = tail_buffer(ep);
		if (skb)
			list_del(&memnet_cb(skb)->entry.node);
		spin_unlock_bh(&ep->lock);
	}
	return skb ?: memnet_sndbuf_alloc(ep, gfp);
}

/* More is announced, by this call or by TCP_CORK. */
static bool may_wait(const struct memnet_endpoint *ep, struct sk_buff *skb, bool more)
{
	return (more || (ep->sk && memnet_sk(ep->sk)->opt[MEMNET_OPT_CORK])) && !skb_zcopy(skb);
}

/* Returns false when the connection has died meanwhile; the buffer is then gone. */
static bool tail_put(struct memnet_endpoint *ep, struct sk_buff *skb, u32 added, bool more,
		     bool urgent, u8 record)
{
	bool ok, now;

	memnet_cb(skb)->entry.more = more && !record;
	memnet_cb(skb)->entry.record = record;
	spin_lock_bh(&ep->lock);
	ok = ep->state != TCP_CLOSE && !ep->gone;
	if (ok && skb->len) {
		WRITE_ONCE(ep->tx.end, ep->tx.end + added);
		now = !may_wait(ep, skb, more) || urgent || !memnet_cork_wait(ep);
		if (!now || urgent || record || !memnet_transmit_post(ep, skb, more)) {
			list_add_tail(&memnet_cb(skb)->entry.node, &ep->tx.queue);
			if (unlikely(urgent))
				ep->tx.urgent = ep->tx.end;
			if (now)
				memnet_transmit(ep);
		}
		skb = NULL;
	}
	spin_unlock_bh(&ep->lock);
	kfree_skb(skb);
	return ok;
}

/* As skb_page_frag_refill(), but a page that is full is used again when it has been sent. */
static bool refill(struct memnet_pages *again, struct page_frag *pfrag, gfp_t gfp)
{
	if (pfrag->page && pfrag->offset + 32 > pfrag->size && page_ref_count(pfrag->page) > 1) {
		memnet_pages_put(again, pfrag->page);
		if (!memnet_pages_get(again, &pfrag->page, 1))
			pfrag->page = NULL;
		pfrag->offset = 0;
		pfrag->size = PAGE_SIZE << MEMNET_TX_ORDER;
	}
	return skb_page_frag_refill(32U, pfrag, gfp);
}

/* Copies from the user into page fragments of @skb; returns bytes or a negative errno. */
static int fill_copy(struct sock *sk, struct sk_buff *skb, struct msghdr *msg, size_t len)
{
	struct memnet_channel *ch = memnet_cb(skb)->ep->lc->ch;
	struct page_frag *pfrag = sk_page_frag(sk);
	int i = skb_shinfo(skb)->nr_frags, copy;
	bool merge;
	void *to;

	if (!refill(&ch->tx.pages, pfrag, sk->sk_allocation))
		return -ENOMEM;
	merge = i && skb_can_coalesce(skb, i, pfrag->page, pfrag->offset);
	if (!merge && i == MAX_SKB_FRAGS)
		return 0;
	copy = min_t(size_t, len, pfrag->size - pfrag->offset);
	/* No high memory, and contiguous: not page by page, as copy_page_from_iter() does it. */
	to = page_address(pfrag->page) + pfrag->offset;
	if (_copy_from_iter(to, copy, &msg->msg_iter) != copy)
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
	memnet_sndbuf_charge(skb, copy);
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
		memnet_sndbuf_charge(skb, n);
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

/* One piece of the message; returns bytes, 0 if no more fit, or a negative errno. */
static int fill(struct sock *sk, struct sk_buff *skb, struct msghdr *msg, size_t len,
		struct ubuf_info *told)
{
	if (unlikely(told))
		return memnet_zerocopy_fill(skb, msg, len, told);
	if (msg->msg_flags & MSG_SPLICE_PAGES)
		return fill_splice(sk, skb, msg, len);
	return fill_copy(sk, skb, msg, len);
}

/* Without a copy if there is something @told in the end. */
static int send_locked(struct sock *sk, struct msghdr *msg, struct ubuf_info *told)
{
	long timeo = sock_sndtimeo(sk, msg->msg_flags & MSG_DONTWAIT);
	struct memnet_sock *mn = memnet_sk(sk);
	bool more = msg->msg_flags & MSG_MORE;
	struct memnet_endpoint *ep;
	bool fresh = !!told;
	size_t sent = 0;
	u8 record = 0;
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
	if (memnet_has_ktls(mn, MEMNET_KTLS_TX)) {
		ret = memnet_ktls_send(msg, &record);
		if (ret)
			goto out;
		fresh = fresh || record;
	} else if (msg->msg_controllen) {
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
		memnet_memory_prepay(sk, msg_data_left(msg));
		if (!memnet_sndbuf_writable(ep, sk)) {
			ret = wait_for_room(sk, &timeo);
			if (ret)
				goto out;
			continue;
		}
		skb = fresh ? memnet_sndbuf_alloc(ep, sk->sk_allocation) :
			      tail_get(ep, sk->sk_allocation);
		ret = -ENOMEM;
		if (!skb)
			goto out;
		/* Fill the buffer to its end; several fragments if need be. */
		do {
			room = min_t(size_t, msg_data_left(msg), WIRE_MAX_PAYLOAD - skb->len);
			ret = fill(sk, skb, msg, room, told);
			if (ret > 0)
				added += ret;
		} while (ret > 0 && msg_data_left(msg) && skb->len < WIRE_MAX_PAYLOAD);
		sent += added;
		if (!tail_put(ep, skb, added, more || msg_data_left(msg),
			      msg->msg_flags & MSG_OOB && !msg_data_left(msg), record)) {
			ret = -EPIPE;
			goto out;
		}
		if (ret < 0)
			goto out;
		ret = -EMSGSIZE;
		if (!added && fresh)
			goto out;
		/* The last one takes no more, though it looks as if: net.core.max_skb_frags. */
		fresh = !added || told || record;
	}
	return sent;
out:
	if (sent)
		return sent;
	/* As tls_sw_sendmsg(), which leaves it to be told again. */
	if (ret == -EPIPE && sk->sk_err && memnet_has_ktls(mn, MEMNET_KTLS_TX))
		return -sk->sk_err;
	return sk_stream_error(sk, msg->msg_flags, ret);
}

static int send_zerocopy(struct sock *sk, struct msghdr *msg, size_t len)
{
	struct ubuf_info *told;
	int ret = memnet_zerocopy_begin(sk, msg, len, &told);

	if (ret)
		return sk_stream_error(sk, msg->msg_flags, ret);
	ret = send_locked(sk, msg, told);
	memnet_zerocopy_end(msg, told, ret);
	return ret;
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
	if (mn->delegated)
		ret = -EPIPE;
	else if (unlikely(msg->msg_flags & MSG_ZEROCOPY))
		ret = send_zerocopy(sk, msg, len);
	else
		ret = send_locked(sk, msg, NULL);
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
	memnet_memory_prepay(sk, size);
	while (!sk->sk_err && !(sk->sk_shutdown & SEND_SHUTDOWN) &&
	       !memnet_sndbuf_writable(ep, sk)) {
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
		if (!tail_put(ep, skb, 0, true, false, 0)) {
			ret = -EPIPE;
			goto out;
		}
		skb = memnet_sndbuf_alloc(ep, sk->sk_allocation);
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
	memnet_sndbuf_charge(skb, size);
	memnet_stat_add(MEMNET_STAT_HOST_SPLICED, size);
	ret = tail_put(ep, skb, size, more, flags & MSG_OOB, 0) ? size : -EPIPE;
out:
	if (ret < 0)
		ret = sk_stream_error(sk, flags, ret);
	release_sock(sk);
	return ret;
}
#endif
