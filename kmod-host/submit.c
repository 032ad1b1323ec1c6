// SPDX-License-Identifier: GPL-2.0
/*
 * MEMNET_IOC_SUBMIT and its like: from the ops of a program to jobs.
 *
 * Ops are copied and checked one by one, and only once; what job.c and recv_job.c get is the copy
 * and the region it names. One that cannot be written to is refused. Those that send on one socket,
 * one after another, are queued together, up to MEMNET_SUBMIT_BATCH. It ends at the first op that
 * is refused, or that a signal comes before.
 *
 * Locks: none of its own. Ops behind the first are read with the socket locked.
 */
#include <linux/file.h>
#include <linux/net.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "job.h"

/* Each field once, and none has an error yet. Returns false where no memory is. */
static bool read_op(struct memnet_op *op, struct memnet_op __user *at)
{
	if (!user_access_begin(at, sizeof(*at)))
		return false;
	unsafe_get_user(op->opcode, &at->opcode, fault);
	unsafe_get_user(op->flags, &at->flags, fault);
	unsafe_get_user(op->fd, &at->fd, fault);
	unsafe_get_user(op->region, &at->region, fault);
	unsafe_get_user(op->result, &at->result, fault);
	unsafe_get_user(op->offset, &at->offset, fault);
	unsafe_get_user(op->len, &at->len, fault);
	unsafe_put_user(0, &at->error, fault);
	user_access_end();
	return true;
fault:
	user_access_end();
	return false;
}

/* Copies an op, and checks what can be checked without its socket and region. */
static int take_op(struct memnet_context *ctx, struct memnet_submission *s,
		   struct memnet_op __user *at)
{
	const struct memnet_op *op = &s->op;
	unsigned int known;

	if (!read_op(&s->op, at))
		return -EFAULT;
	switch (op->opcode) {
	case MEMNET_OP_SEND:
		known = MEMNET_OP_MORE | MEMNET_OP_NOTIFY | MEMNET_OP_COPY;
		break;
	case MEMNET_OP_RECV:
		known = MEMNET_OP_WAITALL | MEMNET_OP_NOTIFY | MEMNET_OP_COPY;
		break;
	default:
		return -EINVAL;
	}
	if (op->flags & ~known || op->result >= MEMNET_JOBS_MAX)
		return -EINVAL;
	s->word = memnet_result_word(ctx, op->result);
	return s->word ? 0 : -ENOMEM;
}

/* Finds the region of an op, and checks that it has the bytes. */
static int take_region(struct memnet_context *ctx, struct memnet_submission *s)
{
	const struct memnet_op *op = &s->op;

	if (!s->region || s->number != op->region) {
		if (s->region)
			memnet_region_put(s->region);
		s->region = memnet_context_region(ctx, op->region);
		s->number = op->region;
	}
	if (!s->region)
		return -ENOENT;
	return memnet_region_has(s->region, op->offset, op->len) ? 0 : -EINVAL;
}

/**
 * memnet_submission_get() - copy and check an op
 * @ctx: context
 * @s: result; its region, that of the op before, is kept if it is the same
 * @at: the op
 *
 * Return: 0, or why it is refused: -EFAULT, -EINVAL, -ENOENT without such a region, -ENOMEM.
 */
int memnet_submission_get(struct memnet_context *ctx, struct memnet_submission *s,
			  struct memnet_op __user *at)
{
	return take_op(ctx, s, at) ?: take_region(ctx, s);
}

/**
 * memnet_submission_tell() - an op was taken
 * @at: the op
 * @end: what its counter is compared with
 * @counter: which counter
 *
 * It could be written to when it was checked: who changes that does not learn of the job.
 */
void memnet_submission_tell(struct memnet_op __user *at, u64 end, u32 counter)
{
	if (!user_write_access_begin(at, sizeof(*at)))
		return;
	unsafe_put_user(end, &at->end, fault);
	unsafe_put_user(counter, &at->counter, fault);
fault:
	user_write_access_end();
}

/* One op and those that go with it; returns how many were taken, or why the first was not. */
static int submit_some(struct memnet_context *ctx, struct memnet_op __user *at, u32 n,
		       bool nonblock)
{
	struct memnet_submission s __uninitialized;
	struct socket *sock;
	bool offloaded;
	struct fd f;
	int ret;

	s.region = NULL;
	s.nonblock = nonblock;
	ret = take_op(ctx, &s, at);
	if (ret)
		return ret;
	f = fdget(s.op.fd);
	if (!fd_file(f))
		return -EBADF;
	sock = sock_from_file(fd_file(f));
	ret = -ENOTSOCK;
	if (!sock)
		goto out;
	offloaded = READ_ONCE(sock->ops) == &memnet_stream_ops &&
		    !memnet_delegated(memnet_sk(sock->sk));
	ret = 1;
	if (offloaded && n == 1 && s.op.opcode == MEMNET_OP_SEND &&
	    memnet_submit_at_once(ctx, sock, at, &s))
		goto out;
	ret = take_region(ctx, &s);
	if (ret)
		goto put;
	if (!offloaded)
		ret = memnet_submit_copy(ctx, sock, at, &s);
	else if (s.op.opcode == MEMNET_OP_SEND)
		ret = memnet_submit_sends(ctx, sock, at, &s, min(n, MEMNET_SUBMIT_BATCH));
	else
		ret = memnet_submit_recv(ctx, sock, at, &s);
put:
	if (s.region)
		memnet_region_put(s.region);
out:
	fdput(f);
	return ret;
}

/**
 * memnet_submit() - submit jobs
 * @ctx: context
 * @ops: the ops
 * @count: how many, at least 1
 * @nonblock: do not wait where a socket has as many jobs as it may
 * @done: result: how many were taken
 *
 * Return: 0 when any was taken, else why the first was refused.
 */
int memnet_submit(struct memnet_context *ctx, struct memnet_op __user *ops, u32 count,
		  bool nonblock, u32 *done)
{
	int ret = 0;

	*done = 0;
	while (*done < count) {
		/* There is no limit to a count. */
		if (*done)
			cond_resched();
		ret = -EINTR;
		/* What io_uring has to tell its task is no signal. */
		if (!*done || !task_sigpending(current))
			ret = submit_some(ctx, ops + *done, count - *done, nonblock);
		if (ret < 0) {
			if (put_user(ret == -ERESTARTSYS ? EINTR : -ret, &ops[*done].error))
				ret = -EFAULT;
			break;
		}
		*done += ret;
	}
	return *done ? 0 : ret;
}
