// SPDX-License-Identifier: GPL-2.0
/* The counters' storage and names. Written per CPU without locks; a reader sums all CPUs. */
#include <linux/cpumask.h>
#include <linux/export.h>

#include "stats.h"

DEFINE_PER_CPU(struct memnet_stats, memnet_stats);
EXPORT_PER_CPU_SYMBOL_GPL(memnet_stats);

static const struct {
	const char *group;
	const char *name;
} names[MEMNET_STAT_END] = {
#define X(id, group, name, text) [MEMNET_STAT_##id] = { group, name },
	MEMNET_STATS(X)
#undef X
};

/**
 * memnet_stat_read() - value of a counter over all CPUs
 * @which: the counter
 */
u64 memnet_stat_read(enum memnet_stat which)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu(memnet_stats, cpu).v[which];
	return sum;
}
EXPORT_SYMBOL_GPL(memnet_stat_read);

/**
 * memnet_stat_name() - its name, as tools print it
 * @which: the counter
 */
const char *memnet_stat_name(enum memnet_stat which)
{
	return names[which].name;
}
EXPORT_SYMBOL_GPL(memnet_stat_name);

/**
 * memnet_stat_group() - the module it belongs to: "core", "host" or "tcps"
 * @which: the counter
 */
const char *memnet_stat_group(enum memnet_stat which)
{
	return names[which].group;
}
EXPORT_SYMBOL_GPL(memnet_stat_group);
