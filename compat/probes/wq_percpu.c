// SPDX-License-Identifier: GPL-2.0
/* Work queues are told to be per CPU by a flag of their own (7.x). */
#include <linux/workqueue.h>

int probe(void)
{
	return WQ_PERCPU;
}
