// SPDX-License-Identifier: GPL-2.0
/*
 * Receive jobs: memory of a host that the bytes which come next are written to.
 *
 * A host sends RECV_JOB with an address and a position, or "where the job before ends". Bytes
 * from that position on that went as DATA before the job was known stay DATA: the host copies
 * them. The rx pump gives what TCP has to the first job, past those, as RDMA writes from TCP's own
 * buffers, until the job is over: it is full, or, unless it is to be filled whole, has some and TCP
 * has no more; the stream has ended; or the host has cancelled it. Only we decide that, so both
 * sides agree on what the next byte is and where it goes. RECV_DONE follows the last write
 * on the same queue pair, and nothing is written for the job afterwards.
 *
 * While there is a job TCP is not read for the window. Bytes written for jobs are beside it:
 * limits count those of DATA.
 *
 * A job is a buffer that contains its message; in.jobs holds those not over, in order, rx.over
 * those whose RECV_DONE is owed. A dead connection ends none but the one under way: the host
 * knows by RESET, which comes after, that there will be no more.
 *
 * Runs in the channel's worker, but for tcps_recv_job_add() and tcps_recv_job_cancel(). Locks:
 * endpoint.lock for in.jobs and cancelled.
 */
#include "tcps.h"

/**
 * struct job_cb - control block of a job
 * @start:	stream position of its first byte, once @begun
 * @placed:	bytes read from TCP for it
 * @begun:	is or was the first one
 * @cancelled:	the host does not want it any more
 */
struct job_cb {
	u64	start;
	u64	placed;
	bool	begun;
	bool	cancelled;
};

static struct job_cb *job_cb(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct job_cb) > sizeof(skb->cb));
	return (struct job_cb *)skb->cb;
}

static const struct wire_recv_job *job_of(const struct sk_buff *skb)
{
	return &((const struct wire_msg *)skb->data)->job;
}

/**
 * tcps_recv_job_add() - RECV_JOB came
 * @ep: endpoint, locked
 * @marker: a copy of the message; taken over, and NULL then
 *
 * Return: 0 or -EPROTO.
 */
int tcps_recv_job_add(struct tcps_endpoint *ep, struct sk_buff **marker)
{
	lockdep_assert_held(&ep->lock);
	if (!ep->in.open || skb_queue_len(&ep->in.jobs) >= WIRE_RECV_JOBS)
		return -EPROTO;
	if (ep->in.dead)
		return 0;
	*job_cb(*marker) = (struct job_cb){};
	__skb_queue_tail(&ep->in.jobs, *marker);
	*marker = NULL;
	return 0;
}

/**
 * tcps_recv_job_cancel() - RECV_CANCEL came
 * @ep: endpoint, locked
 * @id: of the job; it may be over
 */
void tcps_recv_job_cancel(struct tcps_endpoint *ep, __le32 id)
{
	struct sk_buff *skb;

	lockdep_assert_held(&ep->lock);
	skb_queue_walk(&ep->in.jobs, skb) {
		if (job_of(skb)->id == id) {
			job_cb(skb)->cancelled = true;
			return;
		}
	}
}

static void over(struct tcps_endpoint *ep, struct sk_buff *skb)
{
	spin_lock_bh(&ep->lock);
	__skb_unlink(skb, &ep->in.jobs);
	spin_unlock_bh(&ep->lock);
	if (job_cb(skb)->begun)
		ep->rx.job_end = min(job_cb(skb)->start + le32_to_cpu(job_of(skb)->len),
				     ep->rx.read);
	__skb_queue_tail(&ep->rx.over, skb);
}

static u32 filled(const struct tcps_endpoint *ep, struct sk_buff *skb)
{
	return min_t(u64, le32_to_cpu(job_of(skb)->len), ep->rx.read - job_cb(skb)->start);
}

static bool is_over(const struct tcps_endpoint *ep, struct sk_buff *skb, bool more)
{
	u32 bytes = filled(ep, skb);

	if (bytes == le32_to_cpu(job_of(skb)->len) || ep->rx.eof)
		return true;
	return bytes && !more && !(le32_to_cpu(job_of(skb)->flags) & WIRE_RECV_ALL);
}

/* Marks the first job as begun; the first of the cancelled ones, or of all, is @skb. */
static struct sk_buff *look(struct tcps_endpoint *ep, struct sk_buff **cancelled)
{
	struct sk_buff *first, *skb;

	*cancelled = NULL;
	spin_lock_bh(&ep->lock);
	first = skb_peek(&ep->in.jobs);
	skb_queue_walk(&ep->in.jobs, skb) {
		if (job_cb(skb)->cancelled) {
			*cancelled = skb;
			break;
		}
	}
	spin_unlock_bh(&ep->lock);
	if (first && !job_cb(first)->begun) {
		struct wire_msg *msg = (struct wire_msg *)first->data;

		job_cb(first)->begun = true;
		job_cb(first)->start = le32_to_cpu(msg->job.flags) & WIRE_RECV_NEXT ?
					       ep->rx.job_end : le64_to_cpu(msg->hdr.pos);
	}
	return first;
}

/**
 * tcps_recv_job_begin() - the job that is to have what TCP has
 * @ep: endpoint with nothing pending and no RECV_DONE owed
 * @job: set to the job, or to NULL if there is none
 *
 * Return: 0; -EAGAIN if RECV_DONE is owed now; -EPROTO.
 */
int tcps_recv_job_begin(struct tcps_endpoint *ep, struct sk_buff **job)
{
	struct sk_buff *cancelled;

	*job = look(ep, &cancelled);
	if (!*job)
		return 0;
	if (job_cb(*job)->start > ep->rx.read)
		return -EPROTO;
	/*
	 * The first one first: one that is full hands on to the second. Whether TCP has more for
	 * one it has had bytes for is known at the end of a turn.
	 */
	if (is_over(ep, *job, job_cb(*job)->placed))
		over(ep, *job);
	else if (cancelled)
		over(ep, cancelled);
	else
		return 0;
	*job = NULL;
	return -EAGAIN;
}

/**
 * tcps_recv_job_room() - bytes a job can still have
 * @ep: endpoint
 * @job: its first job
 *
 * Return: bytes, not 0.
 */
u32 tcps_recv_job_room(const struct tcps_endpoint *ep, struct sk_buff *job)
{
	return le32_to_cpu(job_of(job)->len) - filled(ep, job);
}

/**
 * tcps_recv_job_place() - bytes read from TCP are a job's
 * @ep: endpoint; @ep->rx.read does not count them yet
 * @job: its first job
 * @cb: control block of the buffer with them, @cb->len set
 */
void tcps_recv_job_place(struct tcps_endpoint *ep, struct sk_buff *job, struct tcps_cb *cb)
{
	cb->placed = true;
	cb->addr = le64_to_cpu(job_of(job)->addr) + ep->rx.read - job_cb(job)->start;
	cb->key = le32_to_cpu(job_of(job)->key);
	job_cb(job)->placed += cb->len;
	ep->rx.placed += cb->len;
}

/**
 * tcps_recv_job_end() - a turn of reading for a job has ended
 * @ep: endpoint
 * @job: its first job
 * @more: TCP has more
 *
 * Return: whether the job is over.
 */
bool tcps_recv_job_end(struct tcps_endpoint *ep, struct sk_buff *job, bool more)
{
	if (!is_over(ep, job, more))
		return false;
	over(ep, job);
	return true;
}

/**
 * tcps_recv_job_done() - the message for a job that is over
 * @ep: endpoint
 * @skb: the job
 * @msg: filled in
 */
void tcps_recv_job_done(struct tcps_endpoint *ep, struct sk_buff *skb, struct wire_msg *msg)
{
	wire_init(msg, WIRE_RECV_DONE, ep->index, ep->gen);
	msg->hdr.pos = cpu_to_le64(ep->rx.pos - job_cb(skb)->placed);
	msg->done.id = job_of(skb)->id;
	msg->done.len = cpu_to_le32(job_cb(skb)->placed);
}

/**
 * tcps_recv_jobs_died() - the connection is dead
 * @ep: endpoint
 *
 * What was written is told, and nothing is written any more.
 */
void tcps_recv_jobs_died(struct tcps_endpoint *ep)
{
	struct sk_buff *skb;

	spin_lock_bh(&ep->lock);
	skb = skb_peek(&ep->in.jobs);
	spin_unlock_bh(&ep->lock);
	if (skb && job_cb(skb)->placed)
		over(ep, skb);
}
