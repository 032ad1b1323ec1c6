// SPDX-License-Identifier: GPL-2.0
/*
 * Sending registered memory by a call that returns when the node's TCP has taken it (paper, 5.1).
 *
 * It is a job (job.c) whose caller waits for its end. A call that ends before, by a signal or
 * SO_SNDTIMEO, takes back what was not sent.
 *
 * Locks: lock_sock() while the job is queued; it waits without.
 */
#include <net/sock.h>

#include "job.h"
#include "transmit.h"

/*
 * The memory may be used again when the device has read what was sent. That takes no longer than
 * the link lives; who is killed uses it no more, and the job's mapping keeps it pinned.
 */
static void wait_until_left(struct memnet_endpoint *ep, struct memnet_job *job)
{
	memnet_tx_flush(ep->lc->ch);
	wait_for_completion_killable(&job->left);
}

static int send_locked(struct sock *sk, struct memnet_region *region, u64 offset, u64 len,
		       bool more, long *timeo, struct memnet_job **result)
{
	struct memnet_region_map *map;
	struct memnet_endpoint *ep;
	struct memnet_job *job;
	int ret;

	if (sk->sk_state == TCP_SYN_SENT) {
		ret = memnet_wait_connected(sk, timeo);
		if (ret)
			return ret;
	}
	ep = memnet_sk(sk)->ep;
	if (!ep || !ep->connected || sk->sk_err || sk->sk_shutdown & SEND_SHUTDOWN)
		return -EPIPE;
	map = memnet_region_map(region, ep->lc->ch);
	if (IS_ERR(map))
		return PTR_ERR(map) == -ENETDOWN ? -EPIPE : PTR_ERR(map);
	job = memnet_job_direct(map, offset, len, more);
	if (!job) {
		memnet_region_map_put(map);
		return -ENOMEM;
	}
	ret = memnet_job_queue(sk, ep, job);
	if (!ret)
		*result = job;
	return ret;
}

/**
 * memnet_send_direct() - send registered memory and wait until the node's TCP has taken it
 * @sock: an offloaded socket
 * @region: region
 * @offset: first byte in it
 * @len: bytes, within the region and not 0
 * @flags: MSG_NOSIGNAL, MSG_MORE
 * @done: bytes sent, where the return is 0
 *
 * It waits also on a non-blocking socket, for there would be no telling when the memory may be used
 * again. A signal, SO_SNDTIMEO or an error ends the call with what was sent.
 *
 * Return: 0 when something was sent, else a negative errno as sendmsg().
 */
int memnet_send_direct(struct socket *sock, struct memnet_region *region, u64 offset, u64 len,
		       unsigned int flags, u64 *done)
{
	struct sock *sk = sock->sk;
	struct memnet_endpoint *ep;
	struct memnet_job *job = NULL;
	long timeo, left;
	int ret;

	lock_sock(sk);
	timeo = sock_sndtimeo(sk, false);
	ret = -EOPNOTSUPP;
	if (!memnet_sk(sk)->delegated)
		ret = send_locked(sk, region, offset, len, flags & MSG_MORE, &timeo, &job);
	ep = memnet_sk(sk)->ep;
	if (!ret)
		memnet_endpoint_get(ep);
	else
		ret = sk_stream_error(sk, flags, ret);
	release_sock(sk);
	if (ret)
		return ret;
	left = wait_for_completion_interruptible_timeout(&job->finished, timeo);
	if (left > 0) {
		*done = job->taken;
		/* Those that were not taken may still lie in the queue pair. */
		if (*done < job->len)
			wait_until_left(ep, job);
	} else {
		*done = memnet_job_interrupt(ep, job);
		wait_until_left(ep, job);
	}
	if (!*done) {
		lock_sock(sk);
		if (left > 0)
			ret = sk_stream_error(sk, flags, -EPIPE);
		else
			ret = left ? sock_intr_errno(timeo) : -EAGAIN;
		release_sock(sk);
	}
	memnet_job_put(job);
	memnet_transmit_reap(ep);
	memnet_endpoint_put(ep);
	return ret;
}
