// SPDX-License-Identifier: GPL-2.0
/*
 * The processor that is measured; see processor.h.
 */
#include <sched.h>

#include "processor.h"

int processor = -1;
static cpu_set_t before;

bool processor_enter(void)
{
	cpu_set_t there;

	if (processor < 0)
		return true;
	CPU_ZERO(&there);
	CPU_SET(processor, &there);
	return !sched_getaffinity(0, sizeof(before), &before) &&
	       !sched_setaffinity(0, sizeof(there), &there);
}

bool processor_leave(void)
{
	return processor < 0 || !sched_setaffinity(0, sizeof(before), &before);
}
