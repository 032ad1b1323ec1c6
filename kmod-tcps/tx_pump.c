// SPDX-License-Identifier: GPL-2.0
/*
 * Tx pump: bytes of the host to TCP, and the window the host gets for them.
 *
 * Payload waits on in.queue as pages. The pump takes buffers off it only to give them to TCP at
 * once, so that while TCP takes nothing small payloads gather in the last page of the queue.
 * Pages go to TCP by reference; payload up to the copybreak is copied, since TCP accounts bytes
 * and would hold a page for each. What TCP does not take stays in tx.sending with its offset, and
 * sk_write_space() resumes. An option in the queue is set between the payload before and after
 * it, TCP_NODELAY that came with payload before that; the host's FIN is shut down when all before
 * it is taken. A TLS record that is not of application's data goes alone; nothing comes behind one
 * before it is taken. An urgent byte goes alone, for TCP puts the mark behind whatever it takes of
 * a call; of several that wait the last one counts, as in TCP's own queue.
 *
 * The window: the host may send up to in.limit. As TCP takes bytes the limit moves to tx.taken +
 * tx.window, published when enough has opened, by an RDMA write that interrupts nobody, or by
 * WINDOW where the host has asked. The window doubles when the host ran dry while TCP was taking
 * bytes. What it has beyond the initial one is charged when given (session.extra, tcps_extra), for
 * a grant cannot be taken back; when that, the pages held and the messages that wait pass their
 * limits it is not renewed beyond 4 KiB. Then the limit stands still for a while, and a host that
 * asks is told what TCP has taken: it may be its send buffer that is full.
 *
 * A host that waits for TCP to take what it sent (WIRE_F_TELL, WANT_TAKEN) is told by WINDOW as
 * soon as that position is passed.
 *
 * While it waits without asking (WIRE_F_COUNT) its counter is written whenever TCP has taken
 * something, once a turn.
 *
 * Runs in the channel's worker; endpoint.lock for in.*.
 */
#include <linux/bvec.h>
#include <linux/tcp.h>
#include <net/tcp.h>

#include "tcps.h"

#define BATCH_PAGES 16
#define BUDGET 8 /* batches in one turn */
#define MIN_WINDOW 4096
#define PUBLISH_STEP 16384

static bool is_small(const struct sk_buff *skb)
{
	return skb->len <= READ_ONCE(tcps_copybreak);
}

/* More payload waits; what comes before an option was pushed when the option was set. */
static bool payload_follows(const struct tcps_endpoint *ep)
{
	const struct sk_buff *skb = skb_peek(&ep->in.queue);

	lockdep_assert_held(&ep->lock);
	return skb && !TCPS_CB(skb)->marker;
}

/*
 * Moves a batch from the queue to tx.sending: a marker alone, or buffers alike up to BATCH_PAGES
 * pages.
 */
static bool take_batch(struct tcps_endpoint *ep, bool *more)
{
	struct sk_buff *skb;
	int pages = 0;
	bool small;

	spin_lock_bh(&ep->lock);
	skb = skb_peek(&ep->in.queue);
	if (skb && TCPS_CB(skb)->marker) {
		__skb_unlink(skb, &ep->in.queue);
		__skb_queue_tail(&ep->tx.sending, skb);
		ep->in.markers--;
		skb = NULL;
	} else if (skb) {
		small = is_small(skb);
	}
	while (skb && !TCPS_CB(skb)->marker && is_small(skb) == small) {
		pages += skb_shinfo(skb)->nr_frags;
		if (pages > BATCH_PAGES && !skb_queue_empty(&ep->tx.sending))
			break;
		__skb_unlink(skb, &ep->in.queue);
		__skb_queue_tail(&ep->tx.sending, skb);
		skb = skb_peek(&ep->in.queue);
	}
	*more = payload_follows(ep);
	spin_unlock_bh(&ep->lock);
	return !skb_queue_empty(&ep->tx.sending);
}

/* Cuts pages to @len bytes of them, not 0; how many they are then. */
static int bvecs_of(struct bio_vec *bvec, size_t len)
{
	int n = 0;

	while (len > bvec[n].bv_len)
		len -= bvec[n++].bv_len;
	bvec[n].bv_len = len;
	return n + 1;
}

/* A record that is not of application's data. */
static int send_record(struct socket *sock, struct bio_vec *bvec, int n, size_t len, int flags,
		       u8 record)
{
	struct msghdr msg = { .msg_flags = flags & ~MSG_MORE };
	union {
		struct cmsghdr head;
		u8 bytes[CMSG_SPACE(1)];
	} control;

	tcps_ktls_control(&msg, &control, record);
	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, bvec, n, len);
	return sock_sendmsg(sock, &msg);
}

#ifdef MEMNET_HAVE_splice_pages
static int send_bvec(struct socket *sock, struct bio_vec *bvec, int n, size_t len, int flags,
		     bool copy)
{
	struct msghdr msg = { .msg_flags = flags | (copy ? 0 : MSG_SPLICE_PAGES) };

	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, bvec, n, len);
	return sock_sendmsg(sock, &msg);
}
#else
static int send_bvec(struct socket *sock, struct bio_vec *bvec, int n, size_t len, int flags,
		     bool copy)
{
	struct msghdr msg = { .msg_flags = flags };
	int i, ret, done = 0;

	if (copy) {
		iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, bvec, n, len);
		return sock_sendmsg(sock, &msg);
	}
	for (i = 0; i < n; i++) {
		ret = kernel_sendpage(sock, bvec[i].bv_page, bvec[i].bv_offset, bvec[i].bv_len,
				      i < n - 1 ? flags | MSG_MORE | MSG_SENDPAGE_NOTLAST : flags);
		if (ret < 0)
			return done ?: ret;
		done += ret;
		if (ret < bvec[i].bv_len)
			break;
	}
	return done;
}
#endif

/* Bytes before the urgent one, or that one, may go in one call; sets MSG_OOB for it. */
static size_t up_to_mark(struct tcps_endpoint *ep, size_t len, int *flags)
{
	u64 urgent;

	spin_lock_bh(&ep->lock);
	urgent = ep->in.urgent;
	if (urgent <= ep->tx.taken)
		ep->in.urgent = 0;
	spin_unlock_bh(&ep->lock);
	if (urgent <= ep->tx.taken || ep->tx.taken + len < urgent)
		return len;
	if (urgent == ep->tx.taken + 1) {
		*flags = (*flags & ~MSG_MORE) | MSG_OOB;
		return 1;
	}
	return urgent - ep->tx.taken - 1;
}

/* Bytes before the record that came last, or of it, may go in one call; which is in @record. */
static size_t up_to_record(struct tcps_endpoint *ep, size_t len, u8 *record)
{
	size_t before;

	spin_lock_bh(&ep->lock);
	before = ep->in.record_at > ep->tx.taken ? ep->in.record_at - ep->tx.taken : 0;
	if (!before)
		*record = ep->in.record;
	spin_unlock_bh(&ep->lock);
	return before ? min(len, before) : len;
}

/* TCP has taken more: with all of a record the host may go on behind it. */
static void pass_record(struct tcps_endpoint *ep)
{
	spin_lock_bh(&ep->lock);
	if (ep->tx.taken >= ep->in.record_end)
		ep->in.record = 0;
	spin_unlock_bh(&ep->lock);
}

/* Gives tx.sending, a batch of payload, to TCP; returns bytes taken or a negative errno. */
static int send_batch(struct tcps_endpoint *ep, bool more)
{
	bool copy = is_small(skb_peek(&ep->tx.sending));
	int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	struct bio_vec bvec[BATCH_PAGES];
	struct sk_buff *skb;
	size_t len = 0;
	u8 record = 0;
	int n = 0;

	skb_queue_walk(&ep->tx.sending, skb)
	{
		u32 skip = TCPS_CB(skb)->offset;
		int i;

		if (TCPS_CB(skb)->nodelay) {
			TCPS_CB(skb)->nodelay = false;
			tcp_sock_set_nodelay(ep->sock->sk);
		}
		for (i = 0; i < skb_shinfo(skb)->nr_frags && n < BATCH_PAGES; i++) {
			const skb_frag_t *frag = &skb_shinfo(skb)->frags[i];
			u32 size = skb_frag_size(frag);

			if (skip >= size) {
				skip -= size;
				continue;
			}
			bvec_set_page(&bvec[n], skb_frag_page(frag), size - skip,
				      skb_frag_off(frag) + skip);
			len += bvec[n++].bv_len;
			skip = 0;
		}
	}
	if (more || TCPS_CB(skb_peek_tail(&ep->tx.sending))->more)
		flags |= MSG_MORE;
	if (unlikely(READ_ONCE(ep->in.urgent))) {
		len = up_to_mark(ep, len, &flags);
		n = bvecs_of(bvec, len);
	}
	if (unlikely(READ_ONCE(ep->in.record))) {
		len = up_to_record(ep, len, &record);
		n = bvecs_of(bvec, len);
	}
	if (unlikely(record))
		n = send_record(ep->sock, bvec, n, len, flags, record);
	else
		n = send_bvec(ep->sock, bvec, n, len, flags, copy);
	if (n > 0)
		memnet_stat_add(copy ? MEMNET_STAT_TCPS_TX_COPIED : MEMNET_STAT_TCPS_TX_SPLICED, n);
	return n;
}

/* Frees what TCP took. */
static void advance(struct tcps_endpoint *ep, u32 taken)
{
	struct sk_buff *skb;

	ep->tx.taken += taken;
	if (unlikely(READ_ONCE(ep->in.record)))
		pass_record(ep);
	while (taken) {
		u32 left;

		skb = skb_peek(&ep->tx.sending);
		left = skb->len - TCPS_CB(skb)->offset;
		if (taken < left) {
			TCPS_CB(skb)->offset += taken;
			return;
		}
		taken -= left;
		__skb_unlink(skb, &ep->tx.sending);
		tcps_skb_free(ep, skb);
	}
}

/* Returns false if it has to wait until an answer is sent. */
static bool set_marked_option(struct tcps_endpoint *ep)
{
	struct sk_buff *skb = skb_peek(&ep->tx.sending);

	if (!tcps_control_ordered(ep, (const struct wire_msg *)skb->data))
		return false;
	__skb_unlink(skb, &ep->tx.sending);
	tcps_skb_free(ep, skb);
	return true;
}

/* Values that found the queue full of markers. */
static void set_late_options(struct tcps_endpoint *ep)
{
	static const u32 names[] = { TCP_NODELAY, TCP_CORK };
	struct wire_setopt opt = { .level = cpu_to_le32(SOL_TCP),
				   .len = cpu_to_le32(sizeof(__le32)) };
	__le32 value[2];
	unsigned int i;
	u8 late;

	if (!READ_ONCE(ep->in.late))
		return;
	spin_lock_bh(&ep->lock);
	late = ep->in.late;
	ep->in.late = 0;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		value[i] = cpu_to_le32(ep->in.late_value[i]);
	spin_unlock_bh(&ep->lock);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(late & BIT(i)))
			continue;
		opt.name = cpu_to_le32(names[i]);
		memcpy(opt.value, &value[i], sizeof(value[i]));
		tcps_control_option(ep, &opt, false);
	}
}

/**
 * tcps_tx_drained() - whether TCP has taken all the host sent
 * @ep: endpoint
 */
bool tcps_tx_drained(struct tcps_endpoint *ep)
{
	bool empty;

	spin_lock_bh(&ep->lock);
	empty = skb_queue_empty(&ep->in.queue) && skb_queue_empty(&ep->tx.sending);
	spin_unlock_bh(&ep->lock);
	return empty;
}

/**
 * tcps_tx_pump() - give TCP what the host sent
 * @ep: endpoint
 */
void tcps_tx_pump(struct tcps_endpoint *ep)
{
	int budget = BUDGET, ret;
	bool more = false;

	if (!ep->sock || ep->state == TCPS_DEAD || ep->state >= TCPS_LINGERING)
		return;
	for (;;) {
		if (skb_queue_empty(&ep->tx.sending)) {
			if (!take_batch(ep, &more))
				break;
		} else {
			spin_lock_bh(&ep->lock);
			more = payload_follows(ep);
			spin_unlock_bh(&ep->lock);
		}
		if (TCPS_CB(skb_peek(&ep->tx.sending))->marker) {
			if (!set_marked_option(ep))
				break;
			continue;
		}
		if (!budget--) {
			tcps_kick(ep, TCPS_EV_AGAIN);
			break;
		}
		ret = send_batch(ep, more);
		if (ret > 0) {
			advance(ep, ret);
			continue;
		}
		if (ret == -EAGAIN) {
			/*
			 * TCP has set SOCK_NOSPACE and will call back, unless it is not this
			 * socket's buffer that is full but the memory of all.
			 */
			if (sk_stream_is_writeable(ep->sock->sk))
				tcps_stall(ep, -ENOMEM);
			break;
		}
		tcps_endpoint_died(ep, ret ? -ret : EPIPE);
		return;
	}
	if (tcps_tx_drained(ep)) {
		set_late_options(ep);
		if (READ_ONCE(ep->in.fin) && !ep->tx.shut && ep->state == TCPS_CONNECTED) {
			ep->tx.shut = true;
			kernel_sock_shutdown(ep->sock, SHUT_WR);
		}
	}
	tcps_tx_window(ep);
}

/* ---- the window ---- */

static long charged(long pages, long messages, long extra)
{
	return pages + messages / TCPS_MESSAGES_PER_PAGE + extra / (long)PAGE_SIZE;
}

static long charged_to_all(void)
{
	return charged(atomic_long_read(&tcps_pages), atomic_long_read(&tcps_messages),
		       atomic_long_read(&tcps_extra));
}

static long charged_to(const struct tcps_session *s)
{
	return charged(atomic_long_read(&s->pages), atomic_read(&s->messages),
		       atomic_long_read(&s->extra));
}

/* A limit may be anything; several counters are not read at one moment. */
static bool is_more(long pages, u64 limit)
{
	return pages > 0 && (u64)pages > limit;
}

/**
 * tcps_under_pressure() - whether so much is held that a host is to get less
 * @s: the host's session
 */
bool tcps_under_pressure(const struct tcps_session *s)
{
	return is_more(charged_to_all(), READ_ONCE(tcps_max_pages)) ||
	       is_more(charged_to(s), s->listener->cfg.max_pages);
}

/**
 * tcps_admits() - whether there is memory for one more
 * @s: session that is to get an endpoint, or NULL for a new session
 *
 * The first windows of those that are in cannot be taken back, nor do small ones end what is held
 * already. So who comes when twice the limits are held has to wait, or is refused.
 */
bool tcps_admits(const struct tcps_session *s)
{
	return !is_more(charged_to_all() / 2, READ_ONCE(tcps_max_pages)) &&
	       !(s && is_more(charged_to(s) / 2, s->listener->cfg.max_pages));
}

static void set_window(struct tcps_endpoint *ep, u32 window)
{
	long old = max_t(u32, ep->tx.window, WIRE_INITIAL_WINDOW);
	long new = max_t(u32, window, WIRE_INITIAL_WINDOW);

	atomic_long_add(new - old, &tcps_extra);
	atomic_long_add(new - old, &ep->tc->session->extra);
	ep->tx.window = window;
}

/* The host looks at its counter, also for what it sent before it closed. */
static void count(struct tcps_endpoint *ep)
{
	spin_lock_bh(&ep->lock);
	if (ep->in.counter_key && ep->in.count > ep->tx.counted && ep->tx.taken > ep->tx.counted) {
		ep->tx.counted = ep->tx.taken;
		ep->owed |= TCPS_OWE_COUNT;
	}
	spin_unlock_bh(&ep->lock);
}

/**
 * tcps_tx_window() - let the host send more, if there is reason to
 * @ep: endpoint
 */
void tcps_tx_window(struct tcps_endpoint *ep)
{
	u64 limit, opened, step, news;
	bool empty;

	if (ep->state == TCPS_CONNECTED || (ep->state == TCPS_CLOSING && !ep->told &&
					    !(ep->owed & TCPS_OWE_CLOSED)))
		count(ep);
	if (ep->state != TCPS_CONNECTED || !ep->tx.window)
		return;
	if (tcps_under_pressure(ep->tc->session)) {
		if (ep->tx.window > MIN_WINDOW)
			set_window(ep, MIN_WINDOW);
	} else if (READ_ONCE(ep->in.grow) && ep->tx.taken - ep->tx.grown >= ep->tx.window / 2 &&
		   ep->tx.window < READ_ONCE(tcps_max_window)) {
		ep->tx.grown = ep->tx.taken;
		set_window(ep, min(ep->tx.window * 2, READ_ONCE(tcps_max_window)));
	}
	limit = ep->tx.taken + ep->tx.window;
	step = min_t(u32, PUBLISH_STEP, ep->tx.window / 2);

	spin_lock_bh(&ep->lock);
	ep->in.grow = false;
	if (ep->in.tell && ep->tx.taken >= ep->in.tell) {
		ep->in.tell = 0;
		ep->owed |= TCPS_OWE_WINDOW;
	}
	if (ep->in.fin || ep->in.closed) {
		ep->in.wanted = false;
		goto out;
	}
	empty = skb_queue_empty(&ep->in.queue) && skb_queue_empty(&ep->tx.sending);
	opened = limit > ep->in.limit ? limit - ep->in.limit : 0;
	news = ep->tx.taken - ep->tx.told;
	if (opened >= step || (opened && empty && ep->in.wanted)) {
		ep->in.limit = limit;
		ep->owed |= TCPS_OWE_PUBLISH;
	}
	if (ep->in.wanted &&
	    (ep->in.limit > ep->in.want || news >= PUBLISH_STEP || (news && empty))) {
		ep->in.wanted = false;
		ep->owed &= ~TCPS_OWE_PUBLISH; /* the message says it all */
		ep->owed |= TCPS_OWE_WINDOW;
	}
out:
	if (ep->owed & (TCPS_OWE_PUBLISH | TCPS_OWE_WINDOW))
		ep->tx.told = ep->tx.taken;
	spin_unlock_bh(&ep->lock);
}

/**
 * tcps_tx_window_release() - return what the window was charged
 * @ep: endpoint
 */
void tcps_tx_window_release(struct tcps_endpoint *ep)
{
	set_window(ep, 0);
}
