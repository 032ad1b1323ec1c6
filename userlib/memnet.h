/* SPDX-License-Identifier: LGPL-2.1 */
/* libmemnet: what programs that know of MemNet call. */
#ifndef MEMNET_H
#define MEMNET_H

#include <linux/memnet.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The number of the socket family, AF_MEMNET unless memnet.ko was loaded with
 * another one. -1 with errno EAFNOSUPPORT if the module is not loaded, or that
 * of the failure. The kernel loads the module for a socket of AF_MEMNET where
 * it may, so a program that gets EAFNOSUPPORT can still try that.
 *
 * Calls nothing that is not async-signal-safe.
 */
int memnet_family(void);

/*
 * A context holds registered memory. It is used by any number of threads, and
 * goes with all its regions when it is closed. NULL with errno: ENOENT where
 * memnet.ko is not loaded.
 */
struct memnet_context;
struct memnet_context *memnet_context_open(void);
void memnet_context_close(struct memnet_context *ctx);

/*
 * The context's descriptor, for poll() and epoll: it is readable when a job with
 * MEMNET_OP_NOTIFY has ended; read() 8 bytes tells how many did since the last.
 */
int memnet_context_fd(const struct memnet_context *ctx);

/*
 * Have such ends signal an eventfd as well, instead of one set before; -1 for
 * none any more. 0, or -1 with errno EBADF or EINVAL.
 */
int memnet_context_eventfd(struct memnet_context *ctx, int fd);

/* A region, by its number in the context; 0 is none. */
typedef uint32_t memnet_region;

/*
 * Register @len bytes at @addr to be sent from. They are pinned and count
 * against RLIMIT_MEMLOCK. 0, or -1 with errno: ENOMEM beyond the limit, EFAULT
 * where no memory is, EINVAL for nothing, ENOSPC for too many regions.
 */
int memnet_register_mem(struct memnet_context *ctx, void *addr, size_t len,
			memnet_region *region);

/* The same for memory that may be received to, too. */
int memnet_register_recv(struct memnet_context *ctx, void *addr, size_t len,
			 memnet_region *region);

/*
 * The region is not to be used any more; what is being sent from it is sent.
 * 0, or -1 with errno ENOENT.
 */
int memnet_deregister_mem(struct memnet_context *ctx, memnet_region region);

/*
 * A pool: @count buffers of @size bytes each in one region, with MEMNET_REGION_RECV in
 * @flags to be received to, too. It is used by any number of threads. NULL with
 * errno as memnet_register_mem(), and EINVAL for other flags.
 */
struct memnet_pool;
struct memnet_pool *memnet_pool_create(struct memnet_context *ctx, size_t count, size_t size,
				       unsigned int flags);
void memnet_pool_destroy(struct memnet_pool *pool);
memnet_region memnet_pool_region(const struct memnet_pool *pool);

/*
 * A buffer nobody has, and its @offset in the region; NULL with errno ENOBUFS if
 * there is none. It is given back once, when no job uses it: 0, or -1 with EINVAL
 * for what is no buffer of the pool, or not given out.
 */
void *memnet_pool_get(struct memnet_pool *pool, size_t *offset);
int memnet_pool_put(struct memnet_pool *pool, void *buffer);

/*
 * Send @len bytes from @offset of a region, without copying, and wait until
 * the node's TCP has taken them; the memory may be used again then. Waits also
 * on a non-blocking socket. @flags are MEMNET_DIRECT_*.
 *
 * The number of bytes sent, less than @len only after a signal, SO_SNDTIMEO or
 * an error; -1 with errno as send(), and EOPNOTSUPP for a socket that is not
 * offloaded, unless MEMNET_DIRECT_COPY is given; ENOENT for no such region;
 * EINVAL for what is not within it.
 */
ssize_t memnet_send_direct(struct memnet_context *ctx, int fd, memnet_region region,
			   size_t offset, size_t len, unsigned int flags);

/*
 * Receive up to @len bytes to @offset of a region; what had not come before is
 * not copied. @flags are MEMNET_DIRECT_WAITALL, MEMNET_DIRECT_DONTWAIT and
 * MEMNET_DIRECT_COPY.
 *
 * The number of bytes, 0 at the end of the stream, as recv(); they may be fewer
 * than there are. -1 with errno as recv(), EACCES for a region that may not be
 * received to, and else as memnet_send_direct().
 */
ssize_t memnet_recv_direct(struct memnet_context *ctx, int fd, memnet_region region,
			   size_t offset, size_t len, unsigned int flags);

/*
 * A job under way, or over and not yet asked about. 0 is none. A descriptor is
 * held until memnet_job_done() or memnet_job_wait() has given its result.
 */
typedef uint64_t memnet_job;

/*
 * Send @len bytes from @offset of a region, without copying and without
 * waiting. @flags are MEMNET_OP_*. The memory must not be changed until the job
 * is over. Jobs and other calls on a socket keep their order.
 *
 * 0 with the job's descriptor in @job, or -1 with errno: as send(); EAGAIN where
 * a non-blocking socket has as many jobs under way as it may (a blocking one
 * waits, as long as SO_SNDTIMEO says); EBUSY for a socket whose jobs belong to another context; EOPNOTSUPP for
 * one that is not offloaded; ENOENT and EINVAL as memnet_send_direct().
 *
 * With MEMNET_OP_COPY a socket that is not offloaded is sent to, or received from, as by send() or
 * recv(), which copies and may wait; such a job is over when it was submitted.
 */
int memnet_async_send(struct memnet_context *ctx, int fd, memnet_region region, size_t offset,
		      size_t len, unsigned int flags, memnet_job *job);

/*
 * Receive up to @len bytes to @offset of a region without waiting, as
 * memnet_recv_direct() would. @flags are MEMNET_OP_NOTIFY, MEMNET_OP_WAITALL and MEMNET_OP_COPY. The
 * memory must not be used until the job is over. Jobs that receive from a socket have its
 * stream in the order in which they were submitted, and other calls read what comes
 * after them.
 *
 * 0 with the job's descriptor in @job, or -1 with errno as recv() and as above.
 */
int memnet_async_recv(struct memnet_context *ctx, int fd, memnet_region region, size_t offset,
		      size_t len, unsigned int flags, memnet_job *job);

/*
 * Ask for a job to be over. 0: it will be, with the bytes it has or ECANCELED; its
 * descriptor is still held. -1 with errno ENOENT if it is not under way, EBUSY if it
 * sends and can not be stopped any more, EINVAL for what is no job.
 */
int memnet_job_cancel(struct memnet_context *ctx, int fd, memnet_job job);

/*
 * Submit up to 64 jobs with one system call; opcode, flags, fd, region, offset
 * and len of each are the caller's. How many were taken, from the first on, with
 * their descriptors in @jobs; -1 with errno if the first was refused.
 */
int memnet_submit(struct memnet_context *ctx, struct memnet_op *ops, unsigned int n,
		  memnet_job *jobs);

/*
 * The same by io_uring, without a system call of its own. memnet_uring_prepare() fills in
 * what the entry's cmd is to hold; the entry has opcode IORING_OP_URING_CMD, fd
 * memnet_context_fd() and cmd_op MEMNET_URING_SUBMIT:
 *
 *	struct memnet_uring_submit arg;
 *	int count = memnet_uring_prepare(ctx, ops, n, &arg);
 *
 *	memcpy(sqe->cmd, &arg, sizeof(arg));
 *
 * How many of @ops are in it, up to 64; -1 with errno EAGAIN when too many jobs are held.
 * @ops must stay until the completion, whose res memnet_uring_submitted() then turns into what
 * memnet_submit() returns; res may be short of count: the socket was full.
 */
int memnet_uring_prepare(struct memnet_context *ctx, struct memnet_op *ops, unsigned int n,
			 struct memnet_uring_submit *arg);
int memnet_uring_submitted(struct memnet_context *ctx, const struct memnet_op *ops,
			   unsigned int count, int res, memnet_job *jobs);

/* A batch: jobs that are gathered and then submitted with one system call. */
#define MEMNET_BATCH 64

struct memnet_batch {
	struct memnet_op ops[MEMNET_BATCH];
	unsigned int n;
};

static inline int memnet_batch_add(struct memnet_batch *b, unsigned int opcode, int fd,
				   memnet_region region, size_t offset, size_t len,
				   unsigned int flags)
{
	struct memnet_op *op = &b->ops[b->n];

	if (b->n == MEMNET_BATCH)
		return -1;
	memset(op, 0, sizeof(*op));
	op->opcode = (uint16_t)opcode;
	op->flags = flags <= 0xffff ? (uint16_t)flags : 0xffff;	/* refused when submitted */
	op->fd = fd;
	op->region = region;
	op->offset = offset;
	op->len = len;
	b->n++;
	return 0;
}

/* As memnet_async_send(), later; -1 when the batch is full. */
static inline int memnet_batch_send(struct memnet_batch *b, int fd, memnet_region region,
				    size_t offset, size_t len, unsigned int flags)
{
	return memnet_batch_add(b, MEMNET_OP_SEND, fd, region, offset, len, flags);
}

/* As memnet_async_recv(), later; -1 when the batch is full. */
static inline int memnet_batch_recv(struct memnet_batch *b, int fd, memnet_region region,
				    size_t offset, size_t len, unsigned int flags)
{
	return memnet_batch_add(b, MEMNET_OP_RECV, fd, region, offset, len, flags);
}

/*
 * Submit what was gathered; as memnet_submit(). The batch is empty afterwards
 * but for the jobs behind the last that was taken.
 */
int memnet_batch_submit(struct memnet_context *ctx, struct memnet_batch *b, memnet_job *jobs);

/*
 * What an errno of these calls means; a text that need not be freed, and is
 * good until the thread asks again.
 */
const char *memnet_strerror(int error);

/*
 * Whether a job is over; without a system call. 1 with the number of bytes sent
 * or received in @result, or a negative errno: the descriptor is given back. 0 if it is under
 * way; -1 with errno EINVAL for what is no job.
 */
int memnet_job_done(struct memnet_context *ctx, memnet_job job, ssize_t *result);

/*
 * Wait until a job is over, or until a time of CLOCK_MONOTONIC (NULL: for ever).
 * 0 with @result as above, the descriptor is given back; -1 with errno ETIME,
 * EINTR or EINVAL. A job is one thread's at a time to ask for.
 */
int memnet_job_wait(struct memnet_context *ctx, memnet_job job, const struct timespec *until,
		    ssize_t *result);

/*
 * Wait until any of @n jobs is over, or, with MEMNET_WAIT_ALL in @flags, until all are; at most
 * MEMNET_WAIT_MAX of them, and until a time as above. How many are over; they are still held, and
 * memnet_job_done() tells which and how. -1 with errno as above.
 */
int memnet_jobs_wait(struct memnet_context *ctx, const memnet_job *jobs, unsigned int n,
		     unsigned int flags, const struct timespec *until);

/*
 * How often memnet_job_wait() and memnet_jobs_wait() look, at most, before they sleep; 0 at first.
 * A look is at one job. They look less often where looking has not helped lately. To be set before
 * others use the context.
 */
void memnet_context_spin(struct memnet_context *ctx, unsigned int looks);

#ifdef __cplusplus
}
#endif

#endif /* MEMNET_H */
