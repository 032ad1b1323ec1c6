// SPDX-License-Identifier: GPL-2.0
/*
 * Registered memory and sockets that are not offloaded: ordinary calls, which copy.
 *
 * Only where the program agreed to it, by MEMNET_DIRECT_COPY or MEMNET_OP_COPY. A job is done when
 * it is submitted.
 */
#include <linux/bvec.h>
#include <linux/net.h>
#include <linux/socket.h>
#include <linux/uio.h>

#include "job.h"

#define COPY_PAGES 16

/* Pages of a region from @pos on; how many bytes of @len they hold. */
static size_t gather(struct bio_vec bvec[COPY_PAGES], int *n, struct memnet_region *region,
		     u64 pos, u64 len)
{
	size_t size = 0;

	for (*n = 0; *n < COPY_PAGES && size < len; (*n)++) {
		u32 part = min_t(u64, len - size, PAGE_SIZE - offset_in_page(pos));

		bvec_set_page(&bvec[*n], region->pages[pos >> PAGE_SHIFT], part,
			      offset_in_page(pos));
		size += part;
		pos += part;
	}
	return size;
}

/**
 * memnet_copy() - send or receive by the socket's own calls
 * @sock: a stream socket of any family
 * @region: region
 * @recv: receive; the region may be written to
 * @offset: first byte in it
 * @len: bytes, within the region and not 0
 * @flags: MSG_*
 * @done: result: bytes sent or received
 *
 * Return: 0 when there were any, or at the end of the stream, else a negative errno as those calls.
 */
int memnet_copy(struct socket *sock, struct memnet_region *region, bool recv, u64 offset, u64 len,
		unsigned int flags, u64 *done)
{
	struct bio_vec bvec[COPY_PAGES];
	size_t size;
	int n, ret;

	*done = 0;
	do {
		struct msghdr msg = { .msg_flags = flags };

		size = gather(bvec, &n, region, region->first + offset + *done, len - *done);
		if (!recv && size < len - *done)
			msg.msg_flags |= MSG_MORE;
		iov_iter_bvec(&msg.msg_iter, recv ? ITER_DEST : ITER_SOURCE, bvec, n, size);
		ret = recv ? sock_recvmsg(sock, &msg, flags) : sock_sendmsg(sock, &msg);
		if (ret <= 0)
			break;
		*done += ret;
	} while (*done < len && (!recv || flags & MSG_WAITALL));
	return *done ? 0 : ret;
}

/**
 * memnet_submit_copy() - an op on a socket that is not offloaded
 * @ctx: context
 * @sock: the socket
 * @at: the op
 * @s: the same, checked
 *
 * Return: 1, or a negative errno: -EOPNOTSUPP without MEMNET_OP_COPY.
 */
int memnet_submit_copy(struct memnet_context *ctx, struct socket *sock,
		       struct memnet_op __user *at, const struct memnet_submission *s)
{
	bool nonblock = s->nonblock || (sock->file && sock->file->f_flags & O_NONBLOCK);
	bool recv = s->op.opcode == MEMNET_OP_RECV;
	unsigned int flags = MSG_NOSIGNAL | (nonblock ? MSG_DONTWAIT : 0);
	struct memnet_outcome outcome;
	u64 done;
	int ret;

	if (!(s->op.flags & MEMNET_OP_COPY) || sock->type != SOCK_STREAM)
		return -EOPNOTSUPP;
	if (recv && !s->region->write)
		return -EACCES;
	if (s->op.flags & MEMNET_OP_MORE)
		flags |= MSG_MORE;
	if (s->op.flags & MEMNET_OP_WAITALL)
		flags |= MSG_WAITALL;
	ret = memnet_copy(sock, s->region, recv, s->op.offset, s->op.len, flags, &done);
	if (ret)
		return ret;
	memnet_outcome_init(&outcome, ctx, s->word, s->op.flags & MEMNET_OP_NOTIFY);
	WRITE_ONCE(*s->word, outcome.serial);
	memnet_outcome_write(&outcome, done, 0);
	memnet_outcome_put(&outcome);
	memnet_submission_tell(at, 0, MEMNET_NO_COUNTER);
	return 1;
}
