// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs in flight; see load.h.
 *
 * They are submitted ahead, and their ends are asked about late and many at a time, as by a program
 * that has other things to do. Jobs that receive land in slots one after another.
 */
#include <errno.h>
#include <string.h>

#include "load.h"

#define FLIGHT_BYTES	(1 << 20)
#define FLIGHT_MAX	64
#define FLIGHT_MIN	BATCH_MAX

/* The jobs under way, the oldest first. */
struct flight {
	memnet_job jobs[FLIGHT_MAX];
	unsigned int n;
};

unsigned int jobs_max(const struct load *l)
{
	size_t max = FLIGHT_BYTES / l->size;

	return max > FLIGHT_MAX ? FLIGHT_MAX : max < FLIGHT_MIN ? FLIGHT_MIN : max;
}

/* Each job has moved all. */
static bool moved_all(struct load *l, ssize_t result)
{
	errno = result < 0 ? -result : EIO;
	return result == (ssize_t)l->size || failed(l, "job");
}

/* Jobs end in order: when the last of the oldest @n is over, so are the others. */
static bool land(struct load *l, struct flight *f, unsigned int n)
{
	unsigned int i;
	ssize_t result;

	if (memnet_job_wait(l->ctx, f->jobs[n - 1], NULL, &result))
		return failed(l, "memnet_job_wait");
	if (!moved_all(l, result))
		return false;
	for (i = 0; i < n - 1; i++) {
		if (memnet_job_done(l->ctx, f->jobs[i], &result) != 1)
			return failed(l, "memnet_job_done");
		if (!moved_all(l, result))
			return false;
	}
	f->n -= n;
	memmove(f->jobs, f->jobs + n, f->n * sizeof(f->jobs[0]));
	return true;
}

static size_t slot(const struct load *l, unsigned long piece)
{
	return piece % l->slots * l->size;
}

static int submit_one(struct load *l, unsigned int opcode, unsigned int flags, unsigned long piece,
		      memnet_job *job)
{
	size_t offset = slot(l, piece);

	if (opcode == MEMNET_OP_SEND)
		return memnet_async_send(l->ctx, l->fd, l->region, offset, l->size, flags, job);
	return memnet_async_recv(l->ctx, l->fd, l->region, offset, l->size, flags, job);
}

/* Submits one job, or up to l->batch; how many were taken, or 0 having said why none was. */
static unsigned int submit(struct load *l, unsigned int opcode, unsigned int flags,
			   struct memnet_batch *batch, unsigned long piece, memnet_job *jobs)
{
	int taken;

	if (l->batch == 1) {
		if (!submit_one(l, opcode, flags, piece, jobs))
			return 1;
		failed(l, "job");
		return 0;
	}
	while (batch->n < l->batch && piece + batch->n < l->count)
		memnet_batch_add(batch, opcode, l->fd, l->region, slot(l, piece + batch->n),
				 l->size, flags);
	taken = memnet_batch_submit(l->ctx, batch, jobs);
	if (taken < 0)
		failed(l, "memnet_batch_submit");
	return taken < 0 ? 0 : taken;
}

bool by_jobs(struct load *l, unsigned int opcode, unsigned int flags)
{
	unsigned int max = jobs_max(l), taken;
	struct memnet_batch batch = { .n = 0 };
	struct flight f = { .n = 0 };
	unsigned long i;

	for (i = 0; i < l->count; i += taken) {
		while (f.n + l->batch > max)
			if (!land(l, &f, f.n < max / 2 ? f.n : max / 2))
				return false;
		taken = submit(l, opcode, flags, &batch, i, f.jobs + f.n);
		if (!taken)
			return false;
		f.n += taken;
		count_to(taken * l->pause);
	}
	return !f.n || land(l, &f, f.n);
}
