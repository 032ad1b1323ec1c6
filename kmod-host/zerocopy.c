// SPDX-License-Identifier: GPL-2.0
/*
 * Sending without a copy: MSG_ZEROCOPY, and the sends of io_uring that are like it.
 *
 * RDMA reads the caller's own pages, which buffers of the outgoing queue refer to. Such a buffer is
 * of one call, nothing is ever added to it, and it holds a reference to what is to be told in the
 * end: a struct ubuf_info, of the socket's error queue or of a ring. That is told when the last
 * buffer is freed, which is when its send is complete - nothing reads the memory any more, and
 * nothing will be sent again -, or it was never sent and never will be: the connection or its link
 * has died. So every call is told of, once, in the order of the stream. Nothing here copies, so
 * nothing says that it did (SO_EE_CODE_ZEROCOPY_COPIED).
 *
 * Send completions are polled by senders. Who waits to be told does not send, so each such buffer
 * asks for an event (transmit.c).
 *
 * Numbers, limits (optmem_max, RLIMIT_MEMLOCK) and the error queue are the core's, as TCP's. What
 * has not been told holds the socket, closed or not, and with it the module.
 *
 * Locks: lock_sock() while a call takes its number; endpoint.lock to look at the queue.
 */
#include <net/inet_common.h>

#include "transmit.h"

/* What the last buffer of the queue is to tell, with a reference; a call may join it. */
static struct ubuf_info *told_last(struct memnet_endpoint *ep)
{
	struct ubuf_info *told = NULL;
	struct memnet_entry *last;

	spin_lock_bh(&ep->lock);
	if (!list_empty(&ep->tx.queue)) {
		last = list_last_entry(&ep->tx.queue, struct memnet_entry, node);
		if (last->kind == MEMNET_ENTRY_DATA)
			told = skb_zcopy(memnet_entry_skb(last));
		if (told)
			net_zcopy_get(told);
	}
	spin_unlock_bh(&ep->lock);
	return told;
}

/**
 * memnet_zerocopy_begin() - a call with MSG_ZEROCOPY begins
 * @sk: socket, locked
 * @msg: what to send
 * @len: bytes
 * @told: what is to be told, with the caller's reference; NULL if the bytes are to be copied, since
 *	nobody has set SO_ZEROCOPY or there are none
 *
 * Return: 0 or -ENOBUFS.
 */
int memnet_zerocopy_begin(struct sock *sk, const struct msghdr *msg, size_t len,
			  struct ubuf_info **told)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	struct ubuf_info *last;

	*told = NULL;
	if (!len)
		return 0;
	if (msg->msg_ubuf) {
		*told = msg->msg_ubuf;
		return 0;
	}
	if (!sock_flag(sk, SOCK_ZEROCOPY))
		return 0;
	last = ep ? told_last(ep) : NULL;
	if (last) {
		*told = msg_zerocopy_realloc(sk, len, last);
		net_zcopy_put(last);
	}
	/* A ring's cannot be joined. */
	if (!*told)
		*told = msg_zerocopy_realloc(sk, len, NULL);
	return *told ? 0 : -ENOBUFS;
}

/**
 * memnet_zerocopy_end() - the call is over
 * @msg: what was to be sent
 * @told: of memnet_zerocopy_begin(); a ring's is the ring's
 * @sent: bytes, or a negative errno: then its number is the next one's
 */
void memnet_zerocopy_end(const struct msghdr *msg, struct ubuf_info *told, int sent)
{
	if (!told || told == msg->msg_ubuf)
		return;
	if (sent > 0)
		net_zcopy_put(told);
	else
		net_zcopy_put_abort(told, true);
}

/* Puts references to up to @len bytes into @skb; returns bytes or -EFAULT. */
static ssize_t refer(struct sk_buff *skb, struct iov_iter *from, size_t len)
{
	struct page *pages[MAX_SKB_FRAGS] __uninitialized, *head;
	int i = skb_shinfo(skb)->nr_frags, n = 0;
	size_t start, offset, left, size;
	ssize_t got;

	got = iov_iter_get_pages2(from, pages, len, MAX_SKB_FRAGS - i, &start);
	if (got <= 0)
		return -EFAULT;
	skb->len += got;
	skb->data_len += got;
	skb->truesize += PAGE_ALIGN(start + got);
	for (left = got; left; left -= size, start = 0, n++) {
		size = min_t(size_t, left, PAGE_SIZE - start);
		head = compound_head(pages[n]);
		offset = start + ((pages[n] - head) << PAGE_SHIFT);
		if (skb_can_coalesce(skb, i, head, offset)) {
			skb_frag_size_add(&skb_shinfo(skb)->frags[i - 1], size);
			put_page(head);
		} else {
			skb_fill_page_desc_noacc(skb, i++, head, offset, size);
		}
	}
	return got;
}

/**
 * memnet_zerocopy_fill() - put references to the caller's pages into a buffer
 * @skb: buffer, the caller's alone, with nothing in it but what this function put there
 * @msg: what to send
 * @len: bytes, at most
 * @told: what is to be told when the buffer is freed
 *
 * Return: bytes, 0 if no more fit, or a negative errno: then there is nothing in it.
 */
int memnet_zerocopy_fill(struct sk_buff *skb, struct msghdr *msg, size_t len,
			 struct ubuf_info *told)
{
	u32 truesize = skb->truesize;
	size_t done = 0;
	ssize_t n;

	if (skb_zcopy(skb))
		return 0;
	while (done < len && skb_shinfo(skb)->nr_frags < MAX_SKB_FRAGS) {
		n = refer(skb, &msg->msg_iter, len - done);
		if (n < 0) {
			iov_iter_revert(&msg->msg_iter, done);
			return pskb_trim(skb, 0) ?: n;
		}
		done += n;
	}
	skb_zcopy_set(skb, told, NULL);
	memnet_sndbuf_charge(skb, skb->truesize - truesize);
	memnet_stat_add(MEMNET_STAT_HOST_SPLICED, done);
	return done;
}

/**
 * memnet_recv_error() - receive with MSG_ERRQUEUE
 * @sock: socket
 * @msg: where to
 * @len: bytes
 * @flags: MSG_*
 *
 * A delegated socket may have been connected through a node before.
 *
 * Return: as inet_recv_error(), which does not wait: -EAGAIN if there is nothing.
 */
int memnet_recv_error(struct socket *sock, struct msghdr *msg, size_t len, int flags)
{
	struct memnet_sock *mn = memnet_sk(sock->sk);
	int addr_len = 0, ret;

	if (memnet_delegated(mn) && skb_queue_empty_lockless(&sock->sk->sk_error_queue))
		return mn->native->ops->recvmsg(mn->native, msg, len, flags);
	ret = inet_recv_error(sock->sk, msg, len, &addr_len);
	if (ret >= 0)
		msg->msg_namelen = addr_len;
	return ret;
}
