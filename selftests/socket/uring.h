/* SPDX-License-Identifier: GPL-2.0 */
/*
 * io_uring without liburing: a ring, its entries and completions, one at a time.
 */
#ifndef MN_URING_H
#define MN_URING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>

/* what the headers that the programs are built with do not know yet */
#ifndef IORING_RECVSEND_BUNDLE
#define IORING_RECVSEND_BUNDLE		(1U << 4)
#define IORING_FEAT_RECVSEND_BUNDLE	(1U << 14)
#endif

/* commands of IORING_OP_URING_CMD to a socket, of an enum there: SOCKET_URING_OP_* */
#define RING_SIOCINQ	0
#define RING_SIOCOUTQ	1
#define RING_UNKNOWN	99

#define RING_ENTRIES 64
#define RING_WAIT_MS 20000

struct ring {
	int fd;
	bool polled;		/* a kernel thread submits */
	unsigned int features;	/* IORING_FEAT_* of this kernel */
	unsigned int added;	/* entries that were not submitted yet */
	unsigned int *sq_tail, *sq_mask, *sq_flags, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	void *sq, *cq;		/* the mappings, with their sizes */
	size_t sq_size, cq_size, sqes_size;
};

/* RING_ENTRIES entries; with a kernel thread that submits if @polled. False with errno. */
bool ring_open(struct ring *r, bool polled);
void ring_close(struct ring *r);
/* This kernel has the operation. */
bool ring_knows(const struct ring *r, unsigned int opcode);

/* An entry, known by @mark, that ring_enter() submits with all others before it. */
void ring_add(struct ring *r, const struct io_uring_sqe *sqe, uint64_t mark);
bool ring_enter(struct ring *r);
/* Both. */
bool ring_submit(struct ring *r, const struct io_uring_sqe *sqe, uint64_t mark);
/* The next completion, if there is one within the time. */
bool ring_next(struct ring *r, int ms, struct io_uring_cqe *cqe);
/* An entry alone in the ring; its result, -ETIME if none came. */
int ring_do(struct ring *r, const struct io_uring_sqe *sqe);

#endif
