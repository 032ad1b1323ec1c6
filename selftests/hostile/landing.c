// SPDX-License-Identifier: GPL-2.0
/*
 * Registered memory for an evil node to write to: it may write what it likes to a region while that
 * is registered, and nothing to what lies around it, nor afterwards.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attack.h"
#include "memnet.h"

#define BLOCK (18 * 4096)
#define BEFORE 4200		/* the region does not begin with a page, nor end with one */
#define REGION 65000
#define AROUND 0xa5
#define AFTER 0x5a

static __thread u8 *memory;	/* of BLOCK bytes */
static __thread bool used;	/* was given back, and filled with AFTER */
static struct memnet_context *context;

static bool is_all(const u8 *at, size_t len, u8 byte)
{
	while (len--)
		if (*at++ != byte)
			return false;
	return true;
}

/* NULL, or what was written that must not be. */
static const char *check(void)
{
	if (!is_all(memory, BEFORE, AROUND) ||
	    !is_all(memory + BEFORE + REGION, BLOCK - BEFORE - REGION, AROUND))
		return "memory beside a region was written to";
	if (used && !is_all(memory + BEFORE, REGION, AFTER))
		return "memory was written to after it was deregistered";
	return NULL;
}

static bool over_in(memnet_job job, int ms, ssize_t *n)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return !memnet_job_wait(context, job, &until, n);
}

bool landing_start(void)
{
	context = memnet_context_open();
	return context;
}

/* Receives to a region, or tries to; what is wrong is returned. */
const char *landing_try(int fd)
{
	memnet_region region;
	const char *wrong;
	memnet_job job;
	ssize_t n;
	bool over;

	if (!memory) {
		memory = aligned_alloc(4096, BLOCK);
		memset(memory, AROUND, BLOCK);
		used = false;
	}
	wrong = check();
	if (wrong)
		return wrong;
	used = false;
	if (memnet_register_recv(context, memory + BEFORE, REGION, &region))
		return "no region";
	over = memnet_async_recv(context, fd, region, 100, 20000, MEMNET_OP_WAITALL, &job) ||
	       over_in(job, 300, &n) ||
	       (!memnet_job_cancel(context, fd, job) && over_in(job, 300, &n));
	memnet_deregister_mem(context, region);
	wrong = check();
	memset(memory + BEFORE, AFTER, REGION);
	used = true;
	/* Where the node does not say that the job is over the memory is its own. */
	if (!over)
		memory = NULL;
	return wrong;
}
