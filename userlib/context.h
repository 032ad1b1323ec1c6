/* SPDX-License-Identifier: LGPL-2.1 */
/* libmemnet's insides: what a context holds. */
#ifndef CONTEXT_H
#define CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "memnet.h"
#include "spin.h"

struct jobs;

struct memnet_context {
	int fd;
	struct spin spin;	/* of job_wait and jobs_wait */

	/* jobs: written by kernel and node */
	const uint64_t *results;
	const uint64_t *counters;

	struct jobs *jobs;	/* shared with children, as the context itself */
};

int jobs_init(struct memnet_context *ctx);
void jobs_exit(struct memnet_context *ctx);

#endif
