/* SPDX-License-Identifier: GPL-2.0 */
/* Counters of all three modules, kept per CPU; `memnetctl stats` shows them. */
#ifndef MEMNET_STATS_H
#define MEMNET_STATS_H

#include <linux/percpu.h>
#include <linux/types.h>

/**
 * enum memnet_stat - what is counted
 * @MEMNET_STAT_MSG_SENT: messages posted
 * @MEMNET_STAT_MSG_RECEIVED: messages received
 * @MEMNET_STAT_BYTES_SENT: payload bytes posted
 * @MEMNET_STAT_BYTES_RECEIVED: payload bytes received
 * @MEMNET_STAT_SEGMENTS_SENT: gather entries of payload posted
 * @MEMNET_STAT_BYTES_PLACED: bytes written into the peer's memory by RDMA
 * @MEMNET_STAT_POSTS: ib_post_send calls
 * @MEMNET_STAT_SIGNALLED: signalled work requests
 * @MEMNET_STAT_SEND_EVENTS: events of send completion queues
 * @MEMNET_STAT_WINDOW_WRITES: window words, heartbeats and counters of jobs written to the peer
 * @MEMNET_STAT_CREDIT_ONLY: messages that carried only credits
 * @MEMNET_STAT_CREDIT_STALLS: sends that waited for credits or room
 * @MEMNET_STAT_RX_DEFERRED: messages that waited for memory
 * @MEMNET_STAT_RX_STARVED: receive requests that waited for pages
 * @MEMNET_STAT_TAIL_COPIED: bytes copied on arrival, into the tail of a page or a short buffer
 * @MEMNET_STAT_PAGES_HELD: gauge: received pages waiting in endpoints
 * @MEMNET_STAT_PROTOCOL_ERRORS: messages that ended a session
 * @MEMNET_STAT_STALE: messages for endpoints that are gone
 * @MEMNET_STAT_CHANNELS: gauge: channels
 * @MEMNET_STAT_HOST_SOCKETS: gauge: AF_MEMNET sockets
 * @MEMNET_STAT_HOST_ENDPOINTS: gauge: endpoints, orphans included
 * @MEMNET_STAT_HOST_ORPHANS: gauge: closed sockets still draining
 * @MEMNET_STAT_HOST_CONNECTS: connections opened through a node
 * @MEMNET_STAT_HOST_ACCEPTS: connections accepted through a node
 * @MEMNET_STAT_HOST_LISTENS: listeners set up on a node
 * @MEMNET_STAT_HOST_NATIVE: sockets delegated to the native stack
 * @MEMNET_STAT_HOST_COPIED_IN: bytes copied by send calls
 * @MEMNET_STAT_HOST_COPIED_OUT: bytes copied by receive calls
 * @MEMNET_STAT_HOST_SPLICED: bytes sent from page references, uncopied
 * @MEMNET_STAT_HOST_DIRECT: bytes sent from registered memory, uncopied
 * @MEMNET_STAT_HOST_PLACED: bytes received in registered memory, uncopied
 * @MEMNET_STAT_HOST_COPIED_REGION: bytes copied to registered memory
 * @MEMNET_STAT_HOST_REGIONS: gauge: registered regions, those that are still sent from included
 * @MEMNET_STAT_HOST_PINNED: gauge: their pages
 * @MEMNET_STAT_HOST_JOBS: gauge: direct transfers under way
 * @MEMNET_STAT_HOST_JOB_WAKEUPS: ends of jobs that woke somebody
 * @MEMNET_STAT_HOST_LINK_DEATHS: links that failed
 * @MEMNET_STAT_TCPS_SESSIONS: gauge: sessions
 * @MEMNET_STAT_TCPS_ENDPOINTS: gauge: endpoints
 * @MEMNET_STAT_TCPS_ORPHANS: gauge: endpoints that linger
 * @MEMNET_STAT_TCPS_CONNECTS: native connections opened
 * @MEMNET_STAT_TCPS_ACCEPTS: native connections accepted
 * @MEMNET_STAT_TCPS_LISTENS: native listeners
 * @MEMNET_STAT_TCPS_TX_SPLICED: bytes given to TCP as pages
 * @MEMNET_STAT_TCPS_TX_COPIED: bytes given to TCP by copy
 * @MEMNET_STAT_TCPS_RX_FRAGMENTS: bytes sent to a host from TCP's own buffers
 * @MEMNET_STAT_TCPS_RX_COPIED: bytes sent to a host by copy
 * @MEMNET_STAT_TCPS_DENIED: requests the policy refused
 * @MEMNET_STAT_TCPS_REFUSED: connection requests refused
 * @MEMNET_STAT_END: how many there are
 *
 * A gauge is also counted down; its sum over all CPUs is exact.
 */
enum memnet_stat {
	MEMNET_STAT_MSG_SENT,
	MEMNET_STAT_MSG_RECEIVED,
	MEMNET_STAT_BYTES_SENT,
	MEMNET_STAT_BYTES_RECEIVED,
	MEMNET_STAT_SEGMENTS_SENT,
	MEMNET_STAT_BYTES_PLACED,
	MEMNET_STAT_POSTS,
	MEMNET_STAT_SIGNALLED,
	MEMNET_STAT_SEND_EVENTS,
	MEMNET_STAT_WINDOW_WRITES,
	MEMNET_STAT_CREDIT_ONLY,
	MEMNET_STAT_CREDIT_STALLS,
	MEMNET_STAT_RX_DEFERRED,
	MEMNET_STAT_RX_STARVED,
	MEMNET_STAT_TAIL_COPIED,
	MEMNET_STAT_PAGES_HELD,
	MEMNET_STAT_PROTOCOL_ERRORS,
	MEMNET_STAT_STALE,
	MEMNET_STAT_CHANNELS,
	MEMNET_STAT_HOST_SOCKETS,
	MEMNET_STAT_HOST_ENDPOINTS,
	MEMNET_STAT_HOST_ORPHANS,
	MEMNET_STAT_HOST_CONNECTS,
	MEMNET_STAT_HOST_ACCEPTS,
	MEMNET_STAT_HOST_LISTENS,
	MEMNET_STAT_HOST_NATIVE,
	MEMNET_STAT_HOST_COPIED_IN,
	MEMNET_STAT_HOST_COPIED_OUT,
	MEMNET_STAT_HOST_SPLICED,
	MEMNET_STAT_HOST_DIRECT,
	MEMNET_STAT_HOST_PLACED,
	MEMNET_STAT_HOST_COPIED_REGION,
	MEMNET_STAT_HOST_REGIONS,
	MEMNET_STAT_HOST_PINNED,
	MEMNET_STAT_HOST_JOBS,
	MEMNET_STAT_HOST_JOB_WAKEUPS,
	MEMNET_STAT_HOST_LINK_DEATHS,
	MEMNET_STAT_TCPS_SESSIONS,
	MEMNET_STAT_TCPS_ENDPOINTS,
	MEMNET_STAT_TCPS_ORPHANS,
	MEMNET_STAT_TCPS_CONNECTS,
	MEMNET_STAT_TCPS_ACCEPTS,
	MEMNET_STAT_TCPS_LISTENS,
	MEMNET_STAT_TCPS_TX_SPLICED,
	MEMNET_STAT_TCPS_TX_COPIED,
	MEMNET_STAT_TCPS_RX_FRAGMENTS,
	MEMNET_STAT_TCPS_RX_COPIED,
	MEMNET_STAT_TCPS_DENIED,
	MEMNET_STAT_TCPS_REFUSED,
	MEMNET_STAT_END,
};

/**
 * struct memnet_stats - the counters of one CPU
 * @v: by enum memnet_stat
 */
struct memnet_stats {
	u64 v[MEMNET_STAT_END];
};

DECLARE_PER_CPU(struct memnet_stats, memnet_stats);

static inline void memnet_stat_add(enum memnet_stat which, long n)
{
	this_cpu_add(memnet_stats.v[which], n);
}

static inline void memnet_stat_inc(enum memnet_stat which)
{
	this_cpu_inc(memnet_stats.v[which]);
}

static inline void memnet_stat_dec(enum memnet_stat which)
{
	this_cpu_dec(memnet_stats.v[which]);
}

u64 memnet_stat_read(enum memnet_stat which);
const char *memnet_stat_name(enum memnet_stat which);
const char *memnet_stat_group(enum memnet_stat which);

#endif /* MEMNET_STATS_H */
