// SPDX-License-Identifier: GPL-2.0
/*
 * Receive jobs: bytes that land in registered memory.
 *
 * Jobs of an endpoint stand in rx.jobs in the order in which they are to have the stream. The node
 * is told of each (RECV_JOB), writes what comes into its memory by RDMA and says when it is over
 * (RECV_DONE); it alone decides that, so a job is cancelled by asking. What the node had sent
 * before it knew of the job is on its way as DATA or in rx.queue already. It is copied, by fill(),
 * to the first jobs that are not full, so that while there are any the queue is empty. Who gets a
 * byte is the same as on the node: all DATA before the RECV_DONE of a job is that job's, as far as
 * there is room.
 *
 * A job the node was not told of is over as soon as it has bytes, or is full, where it is to be
 * filled whole. One key stands for a chunk of a region only: a job that is to be filled whole
 * beyond that is told to the node in pieces, the next when the one before is over; a job after it
 * waits until its last piece is told. Other jobs end with the chunk.
 *
 * Windows count bytes of DATA. Stream positions on the wire are those and rx.placed, what was
 * written.
 *
 * After RESET, and after CLOSED, the node writes no more, and jobs are the host's alone again.
 * When the link dies it may, until the queue pair is gone: then jobs the node knew of end
 * (memnet_endpoint_stopped()).
 *
 * All fields are under the endpoint's lock.
 */
#include <linux/slab.h>
#include <linux/sched/signal.h>
#include <net/sock.h>

#include "job.h"
#include "ktls.h"
#include "transmit.h"

/**
 * struct memnet_recv_job - memory for bytes of a connection
 * @outcome:	of an asynchronous job
 * @node:	on rx.jobs until it is over
 * @map:	where it lies, held; NULL when it is over
 * @offset:	first byte in the region
 * @len:	bytes
 * @filled:	bytes that have come
 * @piece:	end of the piece that the node was told of last
 * @id:		on the wire
 * @all:	it is to be filled whole
 * @sent:	the node knows of a piece that is not over
 * @cancel:	it is to be over
 * @asked:	the node knows that
 * @why:	what is said then where nothing has come: positive errno, or 0
 * @error:	errno, positive, where nothing has come; once over
 * @finished:	completed when it is over
 * @refs:	rx.jobs, who waits
 */
struct memnet_recv_job {
	struct memnet_outcome		outcome;
	struct list_head		node;
	struct memnet_region_map	*map;
	u64				offset;
	u64				len;
	u64				filled;
	u64				piece;
	u32				id;
	bool				all;
	bool				sent;
	bool				cancel;
	bool				asked;
	int				why;
	int				error;
	struct completion		finished;
	refcount_t			refs;
};

static struct kmem_cache *cache;

static void job_put(struct memnet_recv_job *job)
{
	if (!refcount_dec_and_test(&job->refs))
		return;
	memnet_outcome_put(&job->outcome);
	memnet_stat_dec(MEMNET_STAT_HOST_JOBS);
	kmem_cache_free(cache, job);
}

static struct memnet_recv_job *first(struct memnet_endpoint *ep)
{
	return list_first_entry_or_null(&ep->rx.jobs, struct memnet_recv_job, node);
}

static void finish(struct memnet_endpoint *ep, struct memnet_recv_job *job, int error)
{
	/* What came after close() was thrown away. */
	if (ep->tx.close) {
		job->filled = 0;
		error = ECANCELED;
	}
	job->error = job->filled ? 0 : error;
	list_del_init(&job->node);
	WRITE_ONCE(ep->rx.n_jobs, ep->rx.n_jobs - 1);
	if (ep->rx.n_jobs == MEMNET_JOBS_UNDER_WAY - 1)
		memnet_endpoint_wake(ep, MEMNET_WAKE_READ);
	ep->rx.in_flight -= job->sent;
	/* Before anybody knows: who deregisters then must find the keys unused. */
	memnet_region_dismiss(job->map);
	memnet_region_map_put(job->map);
	job->map = NULL;
	memnet_outcome_write(&job->outcome, job->filled, job->error);
	complete_all(&job->finished);
	job_put(job);
}

/* Copies what has come as DATA. */
static void fill(struct memnet_endpoint *ep)
{
	struct memnet_recv_job *job;
	struct sk_buff_head done;
	struct sk_buff *skb;
	u64 before = ep->rx.copied;
	u32 n;

	__skb_queue_head_init(&done);
	list_for_each_entry(job, &ep->rx.jobs, node) {
		while (job->filled < job->len && (skb = skb_peek(&ep->rx.queue))) {
			n = min_t(u64, job->len - job->filled, skb->len - ep->rx.offset);
			memnet_region_copy(job->map->region, job->offset + job->filled, skb,
					   ep->rx.offset, n);
			job->filled += n;
			memnet_rcv_window_take(ep, n, &done);
		}
	}
	if (ep->rx.copied == before)
		return;
	memnet_stat_add(MEMNET_STAT_HOST_COPIED_REGION, ep->rx.copied - before);
	memnet_rcv_window_open(ep);
	memnet_rcv_window_free(ep, &done);
}

/* The stream has ended, and all that the node had to say has come. */
static bool at_end(const struct memnet_endpoint *ep)
{
	return ep->rx.fin || (ep->state == TCP_CLOSE && ep->rx.received >= ep->rx.end);
}

/* Whether a job the node does not know of is over, being the first. */
static bool is_over(const struct memnet_endpoint *ep, const struct memnet_recv_job *job)
{
	return job->filled == job->len || (job->filled && !job->all) || at_end(ep) ||
	       job->cancel;
}

/**
 * memnet_recv_jobs_run() - bytes have come, or the end
 * @ep: endpoint, locked
 */
void memnet_recv_jobs_run(struct memnet_endpoint *ep)
{
	struct memnet_recv_job *job;

	lockdep_assert_held(&ep->lock);
	if (list_empty(&ep->rx.jobs))
		return;
	fill(ep);
	while ((job = first(ep)) && !job->sent && is_over(ep, job))
		finish(ep, job, job->cancel ? job->why : ep->rx.ended ? 0 : ep->rx.error);
	ep->rx.jobs_due = true;
}

/**
 * memnet_recv_jobs_forgotten() - RESET came: the node writes no more and tells nothing of jobs
 * @ep: endpoint, locked
 *
 * They end as the last bytes come.
 */
void memnet_recv_jobs_forgotten(struct memnet_endpoint *ep)
{
	struct memnet_recv_job *job;

	lockdep_assert_held(&ep->lock);
	list_for_each_entry(job, &ep->rx.jobs, node)
		job->sent = false;
	ep->rx.in_flight = 0;
}

/**
 * memnet_recv_jobs_end() - the node writes no more
 * @ep: endpoint, locked
 * @error: positive errno for jobs to which nothing has come
 */
void memnet_recv_jobs_end(struct memnet_endpoint *ep, int error)
{
	struct memnet_recv_job *job;

	lockdep_assert_held(&ep->lock);
	while ((job = first(ep)))
		finish(ep, job, error);
}

/* Tells the node of a piece, behind a job it knows of or NULL; as memnet_transmit_message(). */
static int send_piece(struct memnet_endpoint *ep, struct memnet_recv_job *job,
		      const struct memnet_recv_job *before)
{
	/*
	 * Behind a job that is not full it begins where that ends, which only the node knows. Else
	 * all that has come is somebody's, and it begins with what comes next.
	 */
	bool next = before && before->filled < before->piece;
	u64 from = next ? 0 : job->filled;
	struct wire_msg msg;
	u32 len, key;
	u64 addr;
	int ret;

	memset(&msg, 0, sizeof(msg));
	len = memnet_region_key(job->map, job->offset + from,
				job->len - from, &addr, &key);
	msg.hdr.pos = cpu_to_le64(ep->rx.received + ep->rx.placed);
	msg.job.addr = cpu_to_le64(addr);
	msg.job.key = cpu_to_le32(key);
	msg.job.len = cpu_to_le32(len);
	msg.job.id = cpu_to_le32(ep->rx.next_id);
	msg.job.flags = cpu_to_le32((job->all ? WIRE_RECV_ALL : 0) |
				    (next ? WIRE_RECV_NEXT : 0));
	ret = memnet_transmit_message(ep, WIRE_RECV_JOB, &msg);
	if (ret)
		return ret;
	job->id = ep->rx.next_id++;
	job->piece = from + len;
	job->sent = true;
	ep->rx.in_flight++;
	return 0;
}

static int send_cancel(struct memnet_endpoint *ep, struct memnet_recv_job *job)
{
	struct wire_msg msg;
	int ret;

	memset(&msg, 0, sizeof(msg));
	msg.cancel.id = cpu_to_le32(job->id);
	ret = memnet_transmit_message(ep, WIRE_RECV_CANCEL, &msg);
	if (!ret)
		job->asked = true;
	return ret;
}

/**
 * memnet_recv_jobs_transmit() - tell the node of jobs
 * @ep: endpoint, locked, in a batch
 *
 * Return: as memnet_transmit_message().
 */
int memnet_recv_jobs_transmit(struct memnet_endpoint *ep)
{
	struct memnet_recv_job *job, *before = NULL;
	int ret = 0;

	if (!ep->rx.jobs_due || !ep->connected)
		return 0;
	list_for_each_entry(job, &ep->rx.jobs, node) {
		if (!job->sent && is_over(ep, job))
			break;	/* the node need not know of it: it ends when it is the first */
		if (!job->sent && ep->rx.in_flight < WIRE_RECV_JOBS && ep->state != TCP_CLOSE)
			ret = send_piece(ep, job, before);
		if (!ret && job->sent && job->cancel && !job->asked)
			ret = send_cancel(ep, job);
		if (ret)
			return ret;
		if (!job->sent || job->piece < job->len)
			break;	/* what follows waits for the rest of it */
		before = job;
	}
	ep->rx.jobs_due = false;
	return 0;
}

static struct memnet_recv_job *find(struct memnet_endpoint *ep, u32 id)
{
	struct memnet_recv_job *job;

	list_for_each_entry(job, &ep->rx.jobs, node)
		if (job->sent && job->id == id)
			return job;
	return NULL;
}

/**
 * memnet_recv_job_done() - RECV_DONE came
 * @ep: endpoint, locked
 * @msg: the message
 *
 * Return: 0 or -EPROTO.
 */
int memnet_recv_job_done(struct memnet_endpoint *ep, const struct wire_msg *msg)
{
	struct memnet_recv_job *job = find(ep, le32_to_cpu(msg->done.id));
	u32 len = le32_to_cpu(msg->done.len);

	lockdep_assert_held(&ep->lock);
	if (!job)
		return -EPROTO;
	if (job != first(ep)) {
		if (!job->cancel || len || job->filled)
			return -EPROTO;
		finish(ep, job, job->why);
		ep->rx.jobs_due = true;
		memnet_transmit(ep);
		return 0;
	}
	if (len && (job->filled + len > job->piece ||
		    le64_to_cpu(msg->hdr.pos) != ep->rx.received + ep->rx.placed))
		return -EPROTO;
	if (len)
		memnet_region_sync(job->map, job->offset + job->filled, len);
	job->filled += len;
	ep->rx.placed += len;
	memnet_urgent_arrive(ep);
	memnet_urgent_pass(ep);
	memnet_stat_add(MEMNET_STAT_HOST_PLACED, len);
	if (job->filled < job->piece || job->filled == job->len || !job->all || job->cancel) {
		finish(ep, job, job->why);
	} else {
		job->sent = false;
		ep->rx.in_flight--;
	}
	memnet_recv_jobs_run(ep);
	memnet_transmit(ep);
	return 0;
}

static void cancel(struct memnet_endpoint *ep, struct memnet_recv_job *job, int why)
{
	lockdep_assert_held(&ep->lock);
	if (list_empty(&job->node) || job->cancel)
		return;
	job->cancel = true;
	job->why = why;
	if (!job->sent) {
		finish(ep, job, why);
	} else {
		ep->rx.jobs_due = true;
		memnet_transmit(ep);
	}
}

/**
 * memnet_recv_jobs_cancel() - the application wants nothing more of the stream
 * @ep: endpoint, locked
 *
 * To its jobs that is the end of it.
 */
void memnet_recv_jobs_cancel(struct memnet_endpoint *ep)
{
	struct memnet_recv_job *job, *next;

	list_for_each_entry_safe_reverse(job, next, &ep->rx.jobs, node)
		cancel(ep, job, 0);
}

/**
 * memnet_recv_job_cancel() - a job is to be over
 * @ep: endpoint, not locked
 * @word: its result word
 *
 * Return: 0, or -ENOENT where there is none.
 */
int memnet_recv_job_cancel(struct memnet_endpoint *ep, const u64 *word)
{
	struct memnet_recv_job *job;
	int ret = -ENOENT;

	spin_lock_bh(&ep->lock);
	list_for_each_entry(job, &ep->rx.jobs, node) {
		if (job->outcome.word == word) {
			cancel(ep, job, ECANCELED);
			ret = 0;
			break;
		}
	}
	spin_unlock_bh(&ep->lock);
	return ret;
}

/* Its endpoint's socket is locked; one reference for rx.jobs and one for the caller. */
static struct memnet_recv_job *job_make(struct memnet_endpoint *ep, struct memnet_region *region,
					u64 offset, u64 len, bool all)
{
	struct memnet_region_map *map;
	struct memnet_recv_job *job;
	int ret;

	if (!region->write)
		return ERR_PTR(-EACCES);
	map = memnet_region_map(region, ep->lc->ch);
	if (IS_ERR(map))
		return ERR_CAST(map);
	/* Others end with the chunk. */
	ret = memnet_region_admit(map, ep->lc->ch, offset, all ? len : 1);
	if (ret)
		goto put;
	job = kmem_cache_zalloc(cache, GFP_KERNEL_ACCOUNT);
	ret = -ENOMEM;
	if (!job)
		goto dismiss;
	refcount_set(&job->refs, 2);
	init_completion(&job->finished);
	job->map = map;
	job->offset = offset;
	job->len = all ? len : min(len, memnet_region_room(map, offset));
	job->all = all;
	memnet_stat_inc(MEMNET_STAT_HOST_JOBS);
	return job;
dismiss:
	memnet_region_dismiss(map);
put:
	memnet_region_map_put(map);
	return ERR_PTR(ret);
}

/* The socket is locked, too. After shutdown(SHUT_RD) a job has what has come, and ends. */
static void job_add(struct sock *sk, struct memnet_endpoint *ep, struct memnet_recv_job *job)
{
	lockdep_assert_held(&ep->lock);
	list_add_tail(&job->node, &ep->rx.jobs);
	WRITE_ONCE(ep->rx.n_jobs, ep->rx.n_jobs + 1);
	memnet_recv_jobs_run(ep);
	if (sk->sk_shutdown & RCV_SHUTDOWN && !ep->rx.fin && ep->state != TCP_CLOSE)
		cancel(ep, job, 0);
}

/* A socket, locked, that jobs can be added to; returns 0 or a negative errno. */
static int check(struct sock *sk, long *timeo)
{
	struct memnet_endpoint *ep;
	int ret;

	if (memnet_sk(sk)->delegated)
		return -EOPNOTSUPP;
	if (sk->sk_state == TCP_SYN_SENT) {
		ret = memnet_wait_connected(sk, timeo);
		if (ret)
			return ret;
	}
	ep = memnet_sk(sk)->ep;
	if (!ep || !ep->connected || !ep->lc)
		return sock_error(sk) ?: -ENOTCONN;
	/* A record's type has no place there. */
	if (unlikely(READ_ONCE(ep->ktls) & MEMNET_KTLS_RX || READ_ONCE(ep->rx.held)))
		return -EOPNOTSUPP;
	return 0;
}

/* The link may be down, and bytes still there to be read: they are not had in this way. */
static int link_error(struct sock *sk, int ret)
{
	return ret == -ENETDOWN ? sock_error(sk) ?: -ECONNRESET : ret;
}

static int recv_locked(struct sock *sk, struct memnet_region *region, u64 offset, u64 len,
		       bool all, long *timeo, struct memnet_recv_job **result)
{
	struct memnet_recv_job *job;
	struct memnet_endpoint *ep;
	int ret;

	ret = check(sk, timeo);
	if (ret)
		return ret;
	ep = memnet_sk(sk)->ep;
	job = job_make(ep, region, offset, len, all);
	if (IS_ERR(job))
		return link_error(sk, PTR_ERR(job));
	spin_lock_bh(&ep->lock);
	job_add(sk, ep, job);
	if (!*timeo && !list_empty(&job->node) && !job->filled && !job->sent)
		finish(ep, job, EAGAIN);
	if (!list_empty(&job->node))
		memnet_transmit(ep);
	spin_unlock_bh(&ep->lock);
	*result = job;
	return 0;
}

/* Of a connection that is dead the socket's error, which is told once, as by recv(). */
static int error_of(struct sock *sk, struct memnet_endpoint *ep, const struct memnet_recv_job *job)
{
	if (memnet_sk(sk)->ep == ep && ep->connected && sk->sk_state == TCP_CLOSE && !job->cancel)
		return sock_error(sk);
	return sock_error(sk) ?: -job->error;
}

/**
 * memnet_recv_direct() - receive into registered memory and wait until bytes have come
 * @sock: an offloaded socket
 * @region: region that may be written to
 * @offset: first byte in it
 * @len: bytes, within the region and not 0
 * @flags: MSG_DONTWAIT, MSG_WAITALL
 * @done: bytes received, where the return is 0; 0 at the end of the stream
 *
 * Return: 0 or a negative errno as recvmsg().
 */
int memnet_recv_direct(struct socket *sock, struct memnet_region *region, u64 offset, u64 len,
		       unsigned int flags, u64 *done)
{
	struct memnet_recv_job *job = NULL;
	struct sock *sk = sock->sk;
	struct memnet_endpoint *ep;
	long timeo, left;
	int ret;

	lock_sock(sk);
	timeo = sock_rcvtimeo(sk, flags & MSG_DONTWAIT);
	ret = recv_locked(sk, region, offset, len, flags & MSG_WAITALL, &timeo, &job);
	ep = memnet_sk(sk)->ep;
	if (job)
		memnet_endpoint_get(ep);
	release_sock(sk);
	if (!job)
		return ret;
	left = wait_for_completion_interruptible_timeout(&job->finished, timeo);
	if (left <= 0) {
		spin_lock_bh(&ep->lock);
		cancel(ep, job, ECANCELED);
		spin_unlock_bh(&ep->lock);
		/* The node answers, or the link dies; who is killed will not look. */
		wait_for_completion_killable(&job->finished);
	}
	*done = job->filled;
	ret = 0;
	if (!*done && job->error) {
		lock_sock(sk);
		if (left <= 0 && job->error == ECANCELED)
			ret = left ? sock_intr_errno(timeo) : -EAGAIN;
		else
			ret = job->error == EAGAIN ? -EAGAIN : error_of(sk, ep, job);
		release_sock(sk);
	}
	job_put(job);
	memnet_transmit_reap(ep);
	memnet_endpoint_put(ep);
	return ret;
}

/* Waits until the socket may have another job; it is locked, and unlocked meanwhile. */
static int wait_for_turn(struct sock *sk, long timeo)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	long left;

	while (READ_ONCE(ep->rx.n_jobs) >= MEMNET_JOBS_UNDER_WAY) {
		if (!timeo)
			return -EAGAIN;
		memnet_endpoint_get(ep);
		release_sock(sk);
		left = wait_event_interruptible_timeout(*sk_sleep(sk),
							READ_ONCE(memnet_sk(sk)->ep) != ep ||
							READ_ONCE(ep->rx.n_jobs) <
								MEMNET_JOBS_UNDER_WAY,
							timeo);
		lock_sock(sk);
		memnet_endpoint_put(ep);
		if (left < 0)
			return sock_intr_errno(timeo);
		if (memnet_sk(sk)->ep != ep)
			return -ENOTCONN;
		timeo = left;
	}
	return 0;
}

/**
 * memnet_submit_recv() - receive into registered memory without waiting
 * @ctx: context
 * @sock: a socket of the family
 * @at: an op that is to receive on it
 * @s: the same, checked
 *
 * Return: 1, or a negative errno.
 */
int memnet_submit_recv(struct memnet_context *ctx, struct socket *sock,
		       struct memnet_op __user *at, struct memnet_submission *s)
{
	bool nonblock = s->nonblock || (sock->file && sock->file->f_flags & O_NONBLOCK);
	struct memnet_recv_job *job;
	struct sock *sk = sock->sk;
	struct memnet_endpoint *ep;
	long timeo;
	int ret;

	lock_sock(sk);
	timeo = sock_rcvtimeo(sk, nonblock);
	ret = check(sk, &timeo);
	if (!ret)
		ret = wait_for_turn(sk, timeo);
	if (ret)
		goto out;
	ep = memnet_sk(sk)->ep;
	job = job_make(ep, s->region, s->op.offset, s->op.len, s->op.flags & MEMNET_OP_WAITALL);
	if (IS_ERR(job)) {
		ret = link_error(sk, PTR_ERR(job));
		goto out;
	}
	memnet_outcome_init(&job->outcome, ctx, s->word, s->op.flags & MEMNET_OP_NOTIFY);
	spin_lock_bh(&ep->lock);
	WRITE_ONCE(*s->word, job->outcome.serial);
	job_add(sk, ep, job);
	if (!list_empty(&job->node))
		memnet_transmit(ep);
	spin_unlock_bh(&ep->lock);
	memnet_transmit_reap(ep);
	job_put(job);
	memnet_submission_tell(at, 0, MEMNET_NO_COUNTER);
	ret = 1;
out:
	release_sock(sk);
	return ret;
}

/**
 * memnet_recv_jobs_init() - prepare
 *
 * Return: 0 or -ENOMEM.
 */
int memnet_recv_jobs_init(void)
{
	cache = KMEM_CACHE(memnet_recv_job, 0);
	return cache ? 0 : -ENOMEM;
}

/**
 * memnet_recv_jobs_exit() - clean up; no job lives
 */
void memnet_recv_jobs_exit(void)
{
	kmem_cache_destroy(cache);
}
