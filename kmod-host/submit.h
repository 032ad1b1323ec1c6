/* SPDX-License-Identifier: GPL-2.0 */
/* Jobs as a program submits them, see submit.c. */
#ifndef MEMNET_SUBMIT_H
#define MEMNET_SUBMIT_H

#include <linux/memnet.h>

struct memnet_context;
struct memnet_region;

/**
 * struct memnet_submission - an op that was checked
 * @op:		private copy, without what is told in it
 * @region:	held, with the bytes of @op; NULL before the first
 * @number:	of @region
 * @word:	result word
 * @nonblock:	who submits does not wait, whatever the socket's way
 */
struct memnet_submission {
	struct memnet_op	op;
	struct memnet_region	*region;
	u32			number;
	u64			*word;
	bool			nonblock;
};

int memnet_submission_get(struct memnet_context *ctx, struct memnet_submission *s,
			  struct memnet_op __user *at);
void memnet_submission_tell(struct memnet_op __user *at, u64 end, u32 counter);
int memnet_submit(struct memnet_context *ctx, struct memnet_op __user *ops, u32 count,
		  bool nonblock, u32 *done);

/* uring.c */
struct io_uring_cmd;

int memnet_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);

#endif /* MEMNET_SUBMIT_H */
