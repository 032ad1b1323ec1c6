// SPDX-License-Identifier: GPL-2.0
/*
 * MEMNET_URING_SUBMIT: jobs submitted by io_uring, so that no system call of their own is made.
 *
 * io_uring first asks not to wait. Where a socket has as many jobs under way as it may, it is told
 * so for the first op, and asks again from a thread that waits; when some were taken that is the
 * result, as with a short write: to ask again would submit them twice. Asked again, the command is
 * what it was the first time (its pdu), since io_uring may still read it where the program has put
 * another one by then.
 *
 * Locks: none of its own; io_uring's uring_lock is outside of all of ours.
 */
#include <linux/limits.h>
#ifdef MEMNET_HAVE_uring_cmd_sqe
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif
#include <linux/io_uring_types.h>

#include "context.h"
#include "submit.h"

/* The command's argument, which the program may be able to write to, as it was at first. */
static void get_argument(struct io_uring_cmd *cmd, unsigned int issue_flags,
			 struct memnet_uring_submit *arg)
{
	BUILD_BUG_ON(sizeof(*arg) > sizeof(cmd->pdu));
	/* What did not go without waiting, or never was to. */
	if (!(issue_flags & IO_URING_F_NONBLOCK) &&
	    !(cmd_to_io_kiocb(cmd)->flags & REQ_F_FORCE_ASYNC)) {
		memcpy(arg, cmd->pdu, sizeof(*arg));
		return;
	}
	memcpy(arg, memnet_uring_argument(cmd), sizeof(*arg));
	barrier(); /* read once */
	memcpy(cmd->pdu, arg, sizeof(*arg));
}

/**
 * memnet_uring_cmd() - a command for the context
 * @cmd: the command
 * @issue_flags: of io_uring
 *
 * Return: -EIOCBQUEUED when it is completed, with the number of ops that were taken; -EAGAIN to be
 * called where it may wait; or why it is refused.
 */
int memnet_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct memnet_context *ctx = cmd->file->private_data;
	struct memnet_uring_submit arg;
	u32 done;
	int ret;

	if (cmd->cmd_op != MEMNET_URING_SUBMIT)
		return -ENOTTY;
	get_argument(cmd, issue_flags, &arg);
	if (!arg.count || arg.count > INT_MAX || arg.reserved)
		return -EINVAL;
	ret = memnet_submit(ctx, u64_to_user_ptr(arg.ops), arg.count,
			    issue_flags & IO_URING_F_NONBLOCK, &done);
	if (ret)
		return ret == -ERESTARTSYS ? -EINTR : ret;
	io_uring_cmd_done(cmd, done, 0, issue_flags);
	return -EIOCBQUEUED;
}
