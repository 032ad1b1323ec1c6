// SPDX-License-Identifier: GPL-2.0
/*
 * MEMNET_URING_SUBMIT: jobs submitted by io_uring, so that no system call of their own is made.
 *
 * io_uring first asks not to wait. Where a socket has as many jobs under way as it may, it is told
 * so for the first op, and asks again from a thread that waits; when some were taken that is the
 * result, as with a short write: to ask again would submit them twice.
 *
 * Locks: none of its own; io_uring's uring_lock is outside of all of ours.
 */
#include <linux/limits.h>
#ifdef MEMNET_HAVE_uring_cmd_sqe
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif

#include "context.h"
#include "submit.h"

/**
 * memnet_uring_cmd() - a command for the context
 * @cmd: the command; its argument may still be in memory that the program can write to
 * @issue_flags: of io_uring
 *
 * Return: -EIOCBQUEUED when it is completed, with the number of ops that were taken; -EAGAIN to be
 * called where it may wait; or why it is refused.
 */
int memnet_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	const struct memnet_uring_submit *arg = memnet_uring_argument(cmd);
	struct memnet_op __user *ops = u64_to_user_ptr(READ_ONCE(arg->ops));
	struct memnet_context *ctx = cmd->file->private_data;
	u32 count = READ_ONCE(arg->count), done;
	int ret;

	if (cmd->cmd_op != MEMNET_URING_SUBMIT)
		return -ENOTTY;
	if (!count || count > INT_MAX || READ_ONCE(arg->reserved))
		return -EINVAL;
	ret = memnet_submit(ctx, ops, count, issue_flags & IO_URING_F_NONBLOCK, &done);
	if (ret)
		return ret == -ERESTARTSYS ? -EINTR : ret;
	io_uring_cmd_done(cmd, done, 0, issue_flags);
	return -EIOCBQUEUED;
}
