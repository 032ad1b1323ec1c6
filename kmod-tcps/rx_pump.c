// SPDX-License-Identifier: GPL-2.0
/*
 * Rx pump: bytes of TCP to the host.
 *
 * While the host's window allows, buffers are taken from the native socket by read_sock() under
 * its lock. The actor keeps a clone of each (TCP frees its buffer without looking at users) with
 * the part that is meant on rx.pending; flush.c sends them in place and the clone lives until the
 * send is complete. The first small piece of a turn goes like that too; small pieces after it are
 * copied together into one buffer, for each message costs a credit.
 *
 * Where the host has a receive job (recv_job.c) it has the bytes, whatever the window.
 *
 * Nothing is read while something is pending, the channel is dry, or much is pending for all of its
 * endpoints, so TCP's own window holds the sender back. When the host's window is dry it is asked
 * once, by WANT_WINDOW.
 *
 * TCP enlarges a receive buffer for a program that reads (tcp_rcv_space_adjust()), and takes the
 * pump for one. It may do so only while the pump takes all there is, so that the network is what
 * limits the stream, and when the application on the host has read as much as may wait there
 * unread. Else each connection whose program reads slowly or not at all would fill the node's TCP
 * memory, and a machine whose TCP is short of memory drops what it receives. A size the application
 * has set stays.
 *
 * read_sock() stops for ever at urgent data. Where the mark is next, and no byte before it,
 * recvmsg() reads on, for native sockets have SO_OOBINLINE. The host is told of the mark, by
 * URGENT, before anything is read that could be it, and again when its byte is there.
 *
 * With TCP_ULP "tls" (ktls.c) what is read first stays in TCP, too; the end of the stream is not
 * told before the application has read all of it, for then it may yet be decrypted. What is
 * decrypted comes by read_sock() as well, but for records that are not of application's data: they
 * have their type with them, and nothing is read behind one before the application has read it.
 *
 * The end of the stream is told from the socket's state, never from a read of nothing; that both
 * directions have ended, and TCP has let go of the socket, by FINISHED; an error by RESET, which
 * names the position up to which bytes still follow, because what came before the error can still
 * be read. Where these have to be decrypted that position is not known before they are, and then
 * told by another RESET.
 *
 * Runs in the channel's worker, whose field unsent is, too. Locks: lock_sock; endpoint.lock for
 * rx.limit.
 */
#include <net/tcp.h>

#include "tcps.h"

#define BUDGET 65536 /* bytes in one turn */
#define COPY_SIZE SKB_WITH_OVERHEAD(PAGE_SIZE)
#define READER 65536 /* bytes after which an application is one that reads */

/**
 * struct round - what the actor fills
 * @ep: endpoint
 * @job: whose the bytes are, NULL for the window
 * @failed: errno that stopped it
 */
struct round {
	struct tcps_endpoint *ep;
	struct sk_buff *job;
	int failed;
};

static struct sk_buff *copy_buffer(struct tcps_endpoint *ep, u32 size, gfp_t gfp)
{
	struct sk_buff *skb = alloc_skb(size, gfp | __GFP_NOWARN);

	if (!skb)
		return NULL;
	memset(TCPS_CB(skb), 0, sizeof(struct tcps_cb));
	__skb_queue_tail(&ep->rx.pending, skb);
	return skb;
}

/* Copies a small piece behind another one; -EAGAIN where it is not to be copied. */
static int copy_small(struct tcps_endpoint *ep, struct sk_buff *skb, u32 offset, u32 len)
{
	struct sk_buff *tail = skb_peek_tail(&ep->rx.pending);

	if (len > READ_ONCE(tcps_copybreak) || !tail)
		return -EAGAIN;
	if (!TCPS_CB(tail)->copied || skb_tailroom(tail) < len) {
		if (TCPS_CB(tail)->len > READ_ONCE(tcps_copybreak) && !TCPS_CB(tail)->copied)
			return -EAGAIN;
		tail = copy_buffer(ep, COPY_SIZE, GFP_ATOMIC);
		if (!tail)
			return -EAGAIN;
		TCPS_CB(tail)->copied = true;
	}
	if (skb_copy_bits(skb, offset, skb_put(tail, len), len))
		return -EFAULT;
	TCPS_CB(tail)->len += len;
	memnet_stat_add(MEMNET_STAT_TCPS_RX_COPIED, len);
	return 0;
}

static int actor(read_descriptor_t *desc, struct sk_buff *skb, unsigned int offset, size_t len)
{
	struct round *round = desc->arg.data;
	struct tcps_endpoint *ep = round->ep;
	struct sk_buff *clone;
	int ret;

	len = min_t(size_t, len, desc->count);
	if (!len)
		return 0;
	if (unlikely(!skb_frags_readable(skb))) {
		round->failed = -EIO;
		return 0;
	}
	ret = round->job ? -EAGAIN : copy_small(ep, skb, offset, len);
	if (ret == -EAGAIN) {
		clone = skb_clone(skb, GFP_ATOMIC | __GFP_NOWARN);
		if (!clone) {
			round->failed = -ENOMEM;
			return 0;
		}
		*TCPS_CB(clone) = (struct tcps_cb){ .offset = offset, .len = len };
		if (round->job)
			tcps_recv_job_place(ep, round->job, TCPS_CB(clone));
		__skb_queue_tail(&ep->rx.pending, clone);
		memnet_stat_add(MEMNET_STAT_TCPS_RX_FRAGMENTS, len);
	} else if (ret) {
		round->failed = ret;
		return 0;
	}
	ep->rx.read += len;
	desc->count -= len;
	return len;
}

/* Whether the urgent byte is the next one to read. */
static bool at_mark(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	return tp->urg_data && tp->urg_seq == tp->copied_seq && tcps_native_unread(sk);
}

/* A mark that is ahead, or new to the host. The socket is locked. */
static void look_for_mark(struct tcps_endpoint *ep, const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	u64 pos;

	if (likely(!tp->urg_data) || before(tp->urg_seq, tp->copied_seq))
		return;
	pos = ep->rx.read + (tp->urg_seq - tp->copied_seq);
	if (ep->rx.urg && ep->rx.urg_pos == pos && ep->rx.urg == tp->urg_data)
		return;
	ep->rx.urg_pos = pos;
	ep->rx.urg = tp->urg_data;
	ep->owed |= TCPS_OWE_URGENT;
}

/* Reads on at the mark; the socket is not locked. Returns 0 or a negative errno. */
static int read_mark(struct tcps_endpoint *ep, struct sk_buff *job, u32 room)
{
	struct msghdr msg = {};
	struct sk_buff *skb;
	struct kvec vec;
	int ret;

	skb = copy_buffer(ep, COPY_SIZE, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	vec.iov_base = skb->data;
	vec.iov_len = min_t(u32, room, skb_tailroom(skb));
	ret = kernel_recvmsg(ep->sock, &msg, &vec, 1, vec.iov_len, MSG_DONTWAIT);
	if (ret <= 0) {
		__skb_unlink(skb, &ep->rx.pending);
		kfree_skb(skb);
		/* The socket's error is told here only. */
		return ret < 0 && ret != -EAGAIN && ret != -ENOTCONN ? ret : 0;
	}
	skb_put(skb, ret);
	TCPS_CB(skb)->len = ret;
	if (job)
		tcps_recv_job_place(ep, job, TCPS_CB(skb));
	ep->rx.read += ret;
	memnet_stat_add(MEMNET_STAT_TCPS_RX_COPIED, ret);
	return 0;
}

static u64 window_room(struct tcps_endpoint *ep)
{
	struct tcps_channel *tc = ep->tc;
	u64 limit;

	spin_lock_bh(&ep->lock);
	memnet_window_read(tc->ch, ep->index, ep->gen, &ep->rx.limit, &ep->rx.consumed);
	limit = ep->rx.limit;
	spin_unlock_bh(&ep->lock);
	return limit - (ep->rx.read - ep->rx.placed);
}

/* The host is to say when there is more room. */
static void want_window(struct tcps_endpoint *ep)
{
	u64 want = ep->rx.read - ep->rx.placed;

	ep->rx.blocked = true;
	if (ep->rx.want == want)
		return; /* asked, not answered */
	ep->rx.want = want;
	ep->owed |= TCPS_OWE_WANT;
	ep->tc->window_stalls++;
}

/* The position up to which the application has read, as far as we were told. */
static u64 read_by_application(const struct tcps_endpoint *ep)
{
	return ep->rx.consumed + ep->rx.placed;
}

/**
 * tcps_rx_unread() - is there more to be read
 * @ep: endpoint, its native socket locked
 *
 * Return: bytes, or, where they have to be decrypted, not 0 if there are any.
 */
u32 tcps_rx_unread(const struct tcps_endpoint *ep)
{
	struct sock *sk = ep->sock->sk;

	/* With the end behind it a part of a record counts: it is read to find that out. */
	if (ep->rx.tls)
		return sk_is_readable(sk) ||
		       (sk->sk_shutdown & RCV_SHUTDOWN && tcps_native_unread(sk));
	return tcps_native_unread(sk) - (ep->rx.kept ? (u32)(ep->rx.read - ep->rx.eaten) : 0);
}

/*
 * Decrypted data; returns 1 at the end of the stream, 0, or a negative errno: -EINVAL at a record
 * of another type. The socket is locked.
 */
static int read_tls(struct tcps_endpoint *ep, read_descriptor_t *desc, struct round *round)
{
	int ret = ep->sock->ops->read_sock(ep->sock->sk, desc, actor);

	if (ret > 0 || ret == -EAGAIN || round->failed)
		return 0;
	return ret ?: 1;
}

/* A record of another type; the socket is not locked. Returns as read_tls(). */
static int read_record(struct tcps_endpoint *ep, u32 room)
{
	struct sk_buff *skb = copy_buffer(ep, COPY_SIZE, GFP_KERNEL);
	int ret;

	if (!skb)
		return -ENOMEM;
	ret = tcps_ktls_record(ep, skb, room);
	if (ret <= 0) {
		__skb_unlink(skb, &ep->rx.pending);
		kfree_skb(skb);
		/* It was not a record that read_sock() has stopped at. */
		return ret == -EAGAIN ? -EINVAL : ret ?: 1;
	}
	ep->rx.read += ret;
	if (TCPS_CB(skb)->record && !TCPS_CB(skb)->more)
		ep->rx.record_end = ep->rx.read;
	memnet_stat_add(MEMNET_STAT_TCPS_RX_COPIED, ret);
	return 0;
}

/* What TCP has, for the host; the socket is locked. Returns as read_tls(). */
static int read_tcp(struct tcps_endpoint *ep, read_descriptor_t *desc, struct round *round)
{
	struct sock *sk = ep->sock->sk;
	int ret = 0;

	/* Jobs are written to at once, and urgent data is not TLS's. */
	if (ep->rx.kept && !round->job && !tcp_sk(sk)->urg_data) {
		if (desc->count)
			tcps_ktls_peek(ep, desc, actor);
		return 0;
	}
	tcps_ktls_eat(ep, ep->rx.read);
	if (ep->state == TCPS_CONNECTED)
		look_for_mark(ep, sk);
	if (desc->count)
		ep->sock->ops->read_sock(sk, desc, actor);
	if (desc->count && !round->failed && at_mark(sk)) {
		release_sock(sk);
		ret = read_mark(ep, round->job, desc->count);
		lock_sock(sk);
	}
	ep->rx.eaten = ep->rx.read;
	return ret;
}

/* Of a stream that was reset all is decrypted: RESET says now where it ends. */
static void tell_end(struct tcps_endpoint *ep)
{
	ep->rx.end = ep->rx.read;
	ep->owed |= TCPS_OWE_RESET;
}

/* The socket is locked. */
static void moderate(struct tcps_endpoint *ep, struct sock *sk)
{
	if (ep->rx.fixed)
		return;
	if (ep->rx.consumed + ep->rx.placed >= READER && !ep->rx.behind)
		sk->sk_userlocks &= ~SOCK_RCVBUF_LOCK;
	else
		sk->sk_userlocks |= SOCK_RCVBUF_LOCK;
}

/**
 * tcps_rx_purge() - the host gets no more
 * @ep: endpoint; called in its channel's worker, or when that is halted
 */
void tcps_rx_purge(struct tcps_endpoint *ep)
{
	ep->tc->unsent -= ep->rx.read - ep->rx.pos;
	ep->rx.read = ep->rx.pos;
	__skb_queue_purge(&ep->rx.pending);
	__skb_queue_purge(&ep->rx.over);
}

/**
 * tcps_rx_pump() - take from TCP what the host may have
 * @ep: endpoint that has or had a connection
 * @events: TCPS_EV_*
 */
void tcps_rx_pump(struct tcps_endpoint *ep, int events)
{
	struct round round = { .ep = ep };
	struct sock *sk = ep->sock->sk;
	read_descriptor_t desc = { .arg.data = &round };
	u64 room, before = ep->rx.read;
	bool over = false, finished, stop;
	u32 unread;
	int error, ret;

	if (!(events & (TCPS_EV_DATA | TCPS_EV_STATE | TCPS_EV_AGAIN) || ep->rx.blocked ||
	      ep->rx.kept || ep->rx.record_end || !skb_queue_empty_lockless(&ep->in.jobs)))
		return;
	if (!skb_queue_empty(&ep->rx.pending) || !skb_queue_empty(&ep->rx.over))
		return; /* stalled; comes again when it was sent */
	if (ep->tc->dry) {
		tcps_stall(ep, -EAGAIN);
		return;
	}
	if (ep->tc->unsent > TCPS_MAX_UNSENT) {
		tcps_stall(ep, -EBUSY);
		return;
	}
	error = tcps_recv_job_begin(ep, &round.job);
	if (round.job && ep->rx.tls)
		error = -EPROTO;
	if (error == -EPROTO) {
		memnet_stat_inc(MEMNET_STAT_PROTOCOL_ERRORS);
		memnet_channel_fail(ep->tc->ch, WIRE_REASON_PROTOCOL);
	}
	if (error)
		return;
	room = round.job ? tcps_recv_job_room(ep, round.job) : window_room(ep);
	if (read_by_application(ep) >= ep->rx.record_end)
		ep->rx.record_end = 0;
	stop = ep->rx.eof || ep->rx.record_end;
	desc.count = stop ? 0 : min_t(u64, room, BUDGET);
	ep->rx.blocked = false;

	lock_sock(sk);
	moderate(ep, sk);
	tcps_ktls_eat(ep, read_by_application(ep));
	ret = 0;
	if (!ep->rx.tls)
		ret = read_tcp(ep, &desc, &round);
	else if (desc.count)
		ret = read_tls(ep, &desc, &round);
	if (ret == -EINVAL && ep->rx.tls) {
		release_sock(sk);
		ret = read_record(ep, desc.count);
		lock_sock(sk);
	}
	if (ret < 0 && !round.failed)
		round.failed = ret;
	ep->tc->unsent += ep->rx.read - before;
	unread = tcps_rx_unread(ep);
	ep->rx.behind = unread;
	error = 0;
	if (ret == 1 || (!unread && !(ep->rx.kept && ep->rx.read != ep->rx.eaten) &&
			 (sk->sk_shutdown & RCV_SHUTDOWN || sk->sk_state == TCP_CLOSE)))
		ep->rx.eof = true;
	/* There is nothing behind what TLS cannot read. */
	if (ep->rx.tls && round.failed && round.failed != -ENOMEM)
		ep->rx.eof = true;
	if (ep->state == TCPS_CONNECTED)
		error = -sock_error(sk);
	finished = !error && ep->rx.eof && ep->tx.shut && sk->sk_state == TCP_CLOSE;
	release_sock(sk);

	if (round.failed && round.failed != -ENOMEM && !error)
		error = -round.failed;
	if (round.job)
		over = tcps_recv_job_end(ep, round.job, unread);
	if (error)
		tcps_endpoint_died(ep, error);
	if (ep->state == TCPS_DEAD && ep->rx.end == WIRE_END_LATER && ep->rx.eof)
		tell_end(ep);
	if (ep->rx.eof && !ep->rx.fin && ep->state == TCPS_CONNECTED)
		ep->owed |= TCPS_OWE_FIN;
	if (finished && !ep->rx.finished && ep->state == TCPS_CONNECTED) {
		ep->rx.finished = true;
		ep->owed |= TCPS_OWE_FINISHED;
	}
	if (round.failed == -ENOMEM)
		tcps_stall(ep, -ENOMEM);
	else if (unread && !round.job && !stop && room == ep->rx.read - before)
		want_window(ep);
	else if (unread && ep->rx.read != before && !over)
		tcps_kick(ep, TCPS_EV_DATA);
}
