/* SPDX-License-Identifier: LGPL-2.1 */
/* libmemnet's insides: what a context holds. */
#ifndef CONTEXT_H
#define CONTEXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "memnet.h"
#include "spin.h"

struct record;

struct memnet_context {
	int fd;
	struct spin spin;	/* of job_wait */

	/* jobs: written by kernel and node */
	const uint64_t *results;
	const uint64_t *counters;

	struct record *records;
	_Atomic uint64_t free;	/* first record given back, or MEMNET_JOBS_MAX; changes, << 32 */
	_Atomic uint32_t fresh;	/* records from here on were never used */
};

int jobs_init(struct memnet_context *ctx);
void jobs_exit(struct memnet_context *ctx);

#endif
