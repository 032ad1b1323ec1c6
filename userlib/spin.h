/* SPDX-License-Identifier: LGPL-2.1 */
/*
 * How often memnet_job_wait() and memnet_jobs_wait() look before they sleep.
 *
 * Looking is worth it where the end comes soon. So who waits looks about twice as often as it took
 * lately, at most as often as the program allows; where that did not help it soon hardly looks at
 * all, but for every SPIN_PROBE-th wait, which goes to the limit and learns of better times.
 */
#ifndef SPIN_H
#define SPIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SPIN_LEAST 16	/* looks, unless the program allows fewer */
#define SPIN_PROBE 16

/* Several threads may share one: what they lose of each other's news does no harm. */
struct spin {
	uint32_t max;			/* 0: do not look, sleep */
	_Atomic uint32_t usual;		/* looks it took lately */
	_Atomic uint32_t waits;
};

static inline uint32_t spin_limit(struct spin *s)
{
	uint32_t usual = atomic_load_explicit(&s->usual, memory_order_relaxed);
	uint32_t waits = atomic_fetch_add_explicit(&s->waits, 1, memory_order_relaxed);
	uint64_t limit = 2ULL * usual + SPIN_LEAST;

	return waits % SPIN_PROBE == 0 || limit > s->max ? s->max : (uint32_t)limit;
}

/* What came of it: the end was seen at this look, or not at all. */
static inline void spin_learn(struct spin *s, uint32_t looks, bool seen)
{
	uint32_t usual = atomic_load_explicit(&s->usual, memory_order_relaxed);

	if (!seen)
		usual -= usual / 4 + (usual % 4 != 0);
	else if (looks > usual)
		usual = looks;
	else
		usual -= (usual - looks) / 8;
	atomic_store_explicit(&s->usual, usual, memory_order_relaxed);
}

#endif
