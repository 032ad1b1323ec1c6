// SPDX-License-Identifier: GPL-2.0
/* A command of io_uring has its entry, not what is in it (6.6). */
#include <linux/io_uring/cmd.h>

const void *probe(struct io_uring_cmd *cmd)
{
	return io_uring_sqe_cmd(cmd->sqe);
}
