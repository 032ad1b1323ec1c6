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
	[MEMNET_STAT_MSG_SENT] = { "core", "messages_sent" },
	[MEMNET_STAT_MSG_RECEIVED] = { "core", "messages_received" },
	[MEMNET_STAT_BYTES_SENT] = { "core", "bytes_sent" },
	[MEMNET_STAT_BYTES_RECEIVED] = { "core", "bytes_received" },
	[MEMNET_STAT_SEGMENTS_SENT] = { "core", "segments_sent" },
	[MEMNET_STAT_BYTES_PLACED] = { "core", "bytes_placed" },
	[MEMNET_STAT_POSTS] = { "core", "send_posts" },
	[MEMNET_STAT_SIGNALLED] = { "core", "send_signalled" },
	[MEMNET_STAT_SEND_EVENTS] = { "core", "send_events" },
	[MEMNET_STAT_WINDOW_WRITES] = { "core", "window_writes" },
	[MEMNET_STAT_CREDIT_ONLY] = { "core", "credit_messages" },
	[MEMNET_STAT_CREDIT_STALLS] = { "core", "credit_stalls" },
	[MEMNET_STAT_RX_DEFERRED] = { "core", "rx_deferred" },
	[MEMNET_STAT_RX_STARVED] = { "core", "rx_starved" },
	[MEMNET_STAT_TAIL_COPIED] = { "core", "tail_copied_bytes" },
	[MEMNET_STAT_PAGES_HELD] = { "core", "pages_held" },
	[MEMNET_STAT_PROTOCOL_ERRORS] = { "core", "protocol_errors" },
	[MEMNET_STAT_STALE] = { "core", "stale_messages" },
	[MEMNET_STAT_CHANNELS] = { "core", "channels" },
	[MEMNET_STAT_HOST_SOCKETS] = { "host", "sockets" },
	[MEMNET_STAT_HOST_ENDPOINTS] = { "host", "endpoints" },
	[MEMNET_STAT_HOST_ORPHANS] = { "host", "orphans" },
	[MEMNET_STAT_HOST_CONNECTS] = { "host", "connects" },
	[MEMNET_STAT_HOST_ACCEPTS] = { "host", "accepts" },
	[MEMNET_STAT_HOST_LISTENS] = { "host", "listens" },
	[MEMNET_STAT_HOST_NATIVE] = { "host", "native_delegations" },
	[MEMNET_STAT_HOST_COPIED_IN] = { "host", "copied_from_user_bytes" },
	[MEMNET_STAT_HOST_COPIED_OUT] = { "host", "copied_to_user_bytes" },
	[MEMNET_STAT_HOST_SPLICED] = { "host", "spliced_bytes" },
	[MEMNET_STAT_HOST_DIRECT] = { "host", "direct_bytes" },
	[MEMNET_STAT_HOST_PLACED] = { "host", "direct_received_bytes" },
	[MEMNET_STAT_HOST_COPIED_REGION] = { "host", "copied_to_region_bytes" },
	[MEMNET_STAT_HOST_REGIONS] = { "host", "regions" },
	[MEMNET_STAT_HOST_PINNED] = { "host", "pinned_pages" },
	[MEMNET_STAT_HOST_JOBS] = { "host", "jobs" },
	[MEMNET_STAT_HOST_JOB_WAKEUPS] = { "host", "job_wakeups" },
	[MEMNET_STAT_HOST_LINK_DEATHS] = { "host", "link_deaths" },
	[MEMNET_STAT_TCPS_SESSIONS] = { "tcps", "sessions" },
	[MEMNET_STAT_TCPS_ENDPOINTS] = { "tcps", "endpoints" },
	[MEMNET_STAT_TCPS_ORPHANS] = { "tcps", "orphans" },
	[MEMNET_STAT_TCPS_CONNECTS] = { "tcps", "connects" },
	[MEMNET_STAT_TCPS_ACCEPTS] = { "tcps", "accepts" },
	[MEMNET_STAT_TCPS_LISTENS] = { "tcps", "listens" },
	[MEMNET_STAT_TCPS_TX_SPLICED] = { "tcps", "tx_spliced_bytes" },
	[MEMNET_STAT_TCPS_TX_COPIED] = { "tcps", "tx_copied_bytes" },
	[MEMNET_STAT_TCPS_RX_FRAGMENTS] = { "tcps", "rx_fragment_bytes" },
	[MEMNET_STAT_TCPS_RX_COPIED] = { "tcps", "rx_copied_bytes" },
	[MEMNET_STAT_TCPS_DENIED] = { "tcps", "policy_denials" },
	[MEMNET_STAT_TCPS_REFUSED] = { "tcps", "hosts_refused" },
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
