// SPDX-License-Identifier: LGPL-2.1
/*
 * Asynchronous jobs. Each job has a record here, found by its descriptor: the record's number and
 * a generation, so that a descriptor is not used again before its number has gone round 2^32
 * times. The number is that of the job's result word in the kernel, too.
 *
 * Whether a job is over is read from memory that the kernel and the node write, see
 * linux/memnet.h; nothing here calls the kernel but submitting and sleeping.
 *
 * Records that were given back are on a list without a lock. Its head counts its changes, so that
 * one that looks the same as before, but is not, is told apart.
 *
 * A child of fork() has the context's descriptor, and with it the result words, in common with its
 * parent; so the records and the list are in memory that they share, too.
 */
#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "context.h"

struct record {
	_Atomic uint32_t generation;	/* odd while the job is held */
	_Atomic uint32_t next;		/* on the list of those given back */
	uint32_t counter;
	uint64_t end;
	uint64_t len;
};

struct jobs {
	_Atomic uint64_t free;	/* first record given back, or MEMNET_JOBS_MAX; changes, << 32 */
	_Atomic uint32_t fresh;	/* records from here on were never used */
	struct record records[MEMNET_JOBS_MAX];
};

#define POS_MASK ((1ULL << 48) - 1)

int jobs_init(struct memnet_context *ctx)
{
	void *map;

	map = mmap(NULL, MEMNET_MAP_SIZE, PROT_READ, MAP_SHARED, ctx->fd, 0);
	if (map == MAP_FAILED)
		return -1;
	ctx->results = map;
	ctx->counters = (const uint64_t *)((const char *)map + MEMNET_MAP_COUNTERS);
	/* not touched before it is used */
	map = mmap(NULL, sizeof(struct jobs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		   -1, 0);
	if (map == MAP_FAILED) {
		munmap((void *)ctx->results, MEMNET_MAP_SIZE);
		return -1;
	}
	ctx->jobs = map;
	ctx->jobs->free = MEMNET_JOBS_MAX;
	return 0;
}

void jobs_exit(struct memnet_context *ctx)
{
	munmap(ctx->jobs, sizeof(struct jobs));
	munmap((void *)ctx->results, MEMNET_MAP_SIZE);
}

/* Up to @n records that were never used. */
static unsigned int take_fresh(struct memnet_context *ctx, uint32_t *ids, unsigned int n)
{
	uint32_t first = atomic_load_explicit(&ctx->jobs->fresh, memory_order_relaxed);
	unsigned int i;

	do {
		if (n > MEMNET_JOBS_MAX - first)
			n = MEMNET_JOBS_MAX - first;
	} while (!atomic_compare_exchange_weak_explicit(&ctx->jobs->fresh, &first, first + n,
							memory_order_relaxed,
							memory_order_relaxed));
	for (i = 0; i < n; i++)
		ids[i] = first + i;
	return n;
}

static uint64_t changed(uint64_t head, uint32_t id)
{
	return ((head >> 32) + 1) << 32 | id;
}

/* Up to @n records into @ids; how many there were. */
static unsigned int take(struct memnet_context *ctx, uint32_t *ids, unsigned int n)
{
	uint64_t head = atomic_load_explicit(&ctx->jobs->free, memory_order_acquire);
	unsigned int found;
	uint32_t id;

	do {
		/* What another takes meanwhile may lead anywhere on the list, but then it changes. */
		for (id = (uint32_t)head, found = 0; found < n && id < MEMNET_JOBS_MAX; found++) {
			ids[found] = id;
			id = atomic_load_explicit(&ctx->jobs->records[id].next, memory_order_relaxed);
		}
	} while (found && !atomic_compare_exchange_weak_explicit(&ctx->jobs->free, &head,
								 changed(head, id),
								 memory_order_acquire,
								 memory_order_acquire));
	return found < n ? found + take_fresh(ctx, ids + found, n - found) : n;
}

static void give(struct memnet_context *ctx, uint32_t id)
{
	uint64_t head = atomic_load_explicit(&ctx->jobs->free, memory_order_relaxed);

	do
		atomic_store_explicit(&ctx->jobs->records[id].next, (uint32_t)head, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&ctx->jobs->free, &head, changed(head, id),
						      memory_order_release, memory_order_relaxed));
}

static memnet_job hold(struct memnet_context *ctx, uint32_t id, const struct memnet_op *op)
{
	struct record *r = &ctx->jobs->records[id];
	uint32_t generation = atomic_load_explicit(&r->generation, memory_order_relaxed) + 1;

	r->counter = op->counter;
	r->end = op->end;
	r->len = op->len;
	atomic_store_explicit(&r->generation, generation, memory_order_release);
	return (uint64_t)generation << 32 | id;
}

static struct record *find(struct memnet_context *ctx, memnet_job job)
{
	uint32_t id = (uint32_t)job, generation = (uint32_t)(job >> 32);

	if (id < MEMNET_JOBS_MAX && generation % 2 &&
	    atomic_load_explicit(&ctx->jobs->records[id].generation, memory_order_acquire) == generation)
		return &ctx->jobs->records[id];
	errno = EINVAL;
	return NULL;
}

/* Counter first, then result; the result counts if there is one. */
static bool is_over(struct memnet_context *ctx, const struct record *r, ssize_t *result)
{
	bool counts = r->counter != MEMNET_NO_COUNTER;
	uint64_t word = counts ? le64toh(__atomic_load_n(&ctx->counters[r->counter], __ATOMIC_ACQUIRE)) : 0;
	uint64_t done = __atomic_load_n(&ctx->results[r - ctx->jobs->records], __ATOMIC_ACQUIRE);

	if (done & MEMNET_RESULT_OVER) {
		*result = (ssize_t)MEMNET_RESULT_BYTES(done);
		if (!*result)
			*result = -(ssize_t)MEMNET_RESULT_ERROR(done);
		return true;
	}
	*result = (ssize_t)r->len;
	return counts && word >> 48 == r->end >> 48 && ((word - r->end) & POS_MASK) < 1ULL << 47;
}

/* The job is nobody's any more; -1 if that it was already. */
static int release(struct memnet_context *ctx, struct record *r, memnet_job job)
{
	uint32_t generation = (uint32_t)(job >> 32);

	if (!atomic_compare_exchange_strong_explicit(&r->generation, &generation, generation + 1,
						     memory_order_release, memory_order_relaxed)) {
		errno = EINVAL;
		return -1;
	}
	give(ctx, (uint32_t)(r - ctx->jobs->records));
	return 0;
}

/* Gives each op a record; how many have one, 0 with errno if none. */
static inline unsigned int prepare(struct memnet_context *ctx, struct memnet_op *ops,
				   unsigned int n)
{
	unsigned int got, i;
	uint32_t ids[64];

	if (n > sizeof(ids) / sizeof(ids[0]))
		n = sizeof(ids) / sizeof(ids[0]);
	got = take(ctx, ids, n);
	if (!got)
		errno = n ? EAGAIN : EINVAL;
	for (i = 0; i < got; i++)
		ops[i].result = ids[i];
	return got;
}

/* Of @n ops with a record the first @done were taken. */
static inline void submitted(struct memnet_context *ctx, const struct memnet_op *ops,
			     unsigned int n, unsigned int done, memnet_job *jobs)
{
	unsigned int i;

	for (i = 0; i < done; i++)
		jobs[i] = hold(ctx, ops[i].result, &ops[i]);
	for (; i < n; i++)
		give(ctx, ops[i].result);
}

int memnet_submit(struct memnet_context *ctx, struct memnet_op *ops, unsigned int n,
		  memnet_job *jobs)
{
	struct memnet_submit arg = { .size = sizeof(arg), .ops = (uintptr_t)ops };
	int err = 0;

	arg.count = prepare(ctx, ops, n);
	if (!arg.count)
		return -1;
	if (ioctl(ctx->fd, MEMNET_IOC_SUBMIT, &arg)) {
		err = errno;
		arg.done = 0;
	}
	submitted(ctx, ops, arg.count, arg.done, jobs);
	if (!err)
		return (int)arg.done;
	errno = err;
	return -1;
}

int memnet_uring_prepare(struct memnet_context *ctx, struct memnet_op *ops, unsigned int n,
			 struct memnet_uring_submit *arg)
{
	n = prepare(ctx, ops, n);
	if (!n)
		return -1;
	*arg = (struct memnet_uring_submit){ .ops = (uintptr_t)ops, .count = n };
	return (int)n;
}

int memnet_uring_submitted(struct memnet_context *ctx, const struct memnet_op *ops, unsigned int n,
			   int result, memnet_job *jobs)
{
	unsigned int done = result > 0 ? (unsigned int)result : 0;

	if (done > n) {
		errno = EINVAL;
		return -1;
	}
	submitted(ctx, ops, n, done, jobs);
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

int memnet_batch_submit(struct memnet_context *ctx, struct memnet_batch *b, memnet_job *jobs)
{
	int n = memnet_submit(ctx, b->ops, b->n, jobs);

	if (n > 0) {
		b->n -= (unsigned int)n;
		memmove(b->ops, b->ops + n, b->n * sizeof(b->ops[0]));
	}
	return n;
}

static int submit_one(struct memnet_context *ctx, uint16_t opcode, int fd, memnet_region region,
		      size_t offset, size_t len, unsigned int flags, memnet_job *job)
{
	struct memnet_op op = {
		.opcode = opcode,
		.flags = (uint16_t)flags,
		.fd = fd,
		.region = region,
		.offset = offset,
		.len = len,
	};
	struct memnet_submit arg = { .size = sizeof(arg), .count = 1, .ops = (uintptr_t)&op };

	if (flags > UINT16_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (!take(ctx, &op.result, 1)) {
		errno = EAGAIN;
		return -1;
	}
	if (ioctl(ctx->fd, MEMNET_IOC_SUBMIT, &arg)) {
		give(ctx, op.result);
		return -1;
	}
	*job = hold(ctx, op.result, &op);
	return 0;
}

int memnet_async_send(struct memnet_context *ctx, int fd, memnet_region region, size_t offset,
		      size_t len, unsigned int flags, memnet_job *job)
{
	return submit_one(ctx, MEMNET_OP_SEND, fd, region, offset, len, flags, job);
}

int memnet_async_recv(struct memnet_context *ctx, int fd, memnet_region region, size_t offset,
		      size_t len, unsigned int flags, memnet_job *job)
{
	return submit_one(ctx, MEMNET_OP_RECV, fd, region, offset, len, flags, job);
}

int memnet_job_cancel(struct memnet_context *ctx, int fd, memnet_job job)
{
	struct record *r = find(ctx, job);
	struct memnet_cancel arg = { .size = sizeof(arg), .fd = fd };

	if (!r)
		return -1;
	arg.result = (uint32_t)(r - ctx->jobs->records);
	return ioctl(ctx->fd, MEMNET_IOC_CANCEL, &arg);
}

int memnet_job_done(struct memnet_context *ctx, memnet_job job, ssize_t *result)
{
	struct record *r = find(ctx, job);

	if (!r)
		return -1;
	if (!is_over(ctx, r, result))
		return 0;
	return release(ctx, r, job) ?: 1;
}

/* As the kernel wants it; a time that is past, or never comes, may not fit. */
static int64_t deadline(const struct timespec *until)
{
	if (!until)
		return -1;
	if (until->tv_sec < 0)
		return 0;
	if (until->tv_sec >= INT64_MAX / 1000000000)
		return INT64_MAX;
	return until->tv_sec * 1000000000LL + until->tv_nsec;
}

static struct memnet_job_ref reference(struct memnet_context *ctx, const struct record *r)
{
	return (struct memnet_job_ref){
		.result = (uint32_t)(r - ctx->jobs->records),
		.counter = r->counter,
		.end = r->end,
	};
}

/*
 * Looks for a while until any of @n jobs is over, or with @all until all are. A look is at one job, however many there are:
 * what is allowed, and learnt, is the time they take.
 */
static bool look(struct memnet_context *ctx, const struct memnet_job_ref *refs, unsigned int n, bool all)
{
	uint32_t limit, looks;
	bool seen = false;
	unsigned int i = 0;
	ssize_t result;

	if (!ctx->spin.max)
		return false;
	limit = spin_limit(&ctx->spin);
	for (looks = 0; looks < limit && !seen; looks++) {
		bool over = is_over(ctx, &ctx->jobs->records[refs[i].result], &result);

		if (over == all)	/* to the next: the others want the same, or may have what this has not */
			i++;
		seen = all ? i == n : over;
		if (i == n)
			i = 0;
	}
	spin_learn(&ctx->spin, looks, seen);
	return seen;
}

int memnet_job_wait(struct memnet_context *ctx, memnet_job job, const struct timespec *until,
		    ssize_t *result)
{
	struct record *r = find(ctx, job);
	struct memnet_job_ref ref;
	struct memnet_wait arg = {
		.size = sizeof(arg),
		.jobs = (uintptr_t)&ref,
		.count = 1,
		.timeout = deadline(until),
	};

	if (!r)
		return -1;
	if (!is_over(ctx, r, result)) {
		ref = reference(ctx, r);
		if (!look(ctx, &ref, 1, false) && ioctl(ctx->fd, MEMNET_IOC_WAIT, &arg))
			return -1;
		if (!is_over(ctx, r, result)) {
			errno = EAGAIN;		/* cannot be */
			return -1;
		}
	}
	return release(ctx, r, job);
}

static unsigned int count_over(struct memnet_context *ctx, const struct memnet_job_ref *refs, unsigned int n)
{
	unsigned int i, over = 0;
	ssize_t result;

	for (i = 0; i < n; i++)
		over += is_over(ctx, &ctx->jobs->records[refs[i].result], &result);
	return over;
}

int memnet_jobs_wait(struct memnet_context *ctx, const memnet_job *jobs, unsigned int n,
		     unsigned int flags, const struct timespec *until)
{
	struct memnet_job_ref refs[MEMNET_WAIT_MAX];
	struct memnet_wait arg = {
		.size = sizeof(arg),
		.flags = flags,
		.jobs = (uintptr_t)refs,
		.count = n,
		.timeout = deadline(until),
	};
	bool all = flags & MEMNET_WAIT_ALL;
	unsigned int i, over;

	if (!n || n > MEMNET_WAIT_MAX || flags & ~MEMNET_WAIT_ALL) {
		errno = EINVAL;
		return -1;
	}
	for (i = 0; i < n; i++) {
		const struct record *r = find(ctx, jobs[i]);

		if (!r)
			return -1;
		refs[i] = reference(ctx, r);
	}
	over = count_over(ctx, refs, n);
	if (over < (all ? n : 1) && look(ctx, refs, n, all))
		over = count_over(ctx, refs, n);
	if (over >= (all ? n : 1))
		return (int)over;
	if (ioctl(ctx->fd, MEMNET_IOC_WAIT, &arg))
		return -1;
	return (int)arg.done;
}

void memnet_context_spin(struct memnet_context *ctx, unsigned int looks)
{
	ctx->spin.max = looks;
}
