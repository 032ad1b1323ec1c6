/* SPDX-License-Identifier: GPL-2.0 */
/* Counters of all three modules, kept per CPU; `memnetctl stats` shows them. */
#ifndef MEMNET_STATS_H
#define MEMNET_STATS_H

#include <linux/percpu.h>
#include <linux/types.h>

/* name, group, what it counts. A gauge may also be counted down; its sum over all CPUs is exact. */
#define MEMNET_STATS(X)										\
	X(MSG_SENT,		"core", "messages_sent",	"messages posted")			\
	X(MSG_RECEIVED,		"core", "messages_received",	"messages received")			\
	X(BYTES_SENT,		"core", "bytes_sent",		"payload bytes posted")			\
	X(BYTES_RECEIVED,	"core", "bytes_received",	"payload bytes received")		\
	X(POSTS,		"core", "send_posts",		"ib_post_send calls")			\
	X(SIGNALLED,		"core", "send_signalled",	"signalled work requests")		\
	X(WINDOW_WRITES,	"core", "window_writes",	"window words written to the peer")	\
	X(CREDIT_ONLY,		"core", "credit_messages",	"messages that carried only credits")	\
	X(CREDIT_STALLS,	"core", "credit_stalls",	"sends that waited for credits or room")	\
	X(RX_DEFERRED,		"core", "rx_deferred",		"messages that waited for memory")	\
	X(RX_STARVED,		"core", "rx_starved",		"receive requests that waited for pages")	\
	X(TAIL_COPIED,		"core", "tail_copied_bytes",	"bytes copied into the tail of a page on arrival")	\
	X(PAGES_HELD,		"core", "pages_held",		"gauge: received pages waiting in endpoints")	\
	X(PROTOCOL_ERRORS,	"core", "protocol_errors",	"messages that ended a session")	\
	X(STALE,		"core", "stale_messages",	"messages for endpoints that are gone")	\
	X(CHANNELS,		"core", "channels",		"gauge: channels")			\
	X(HOST_SOCKETS,		"host", "sockets",		"gauge: AF_MEMNET sockets")		\
	X(HOST_ENDPOINTS,	"host", "endpoints",		"gauge: endpoints, orphans included")	\
	X(HOST_ORPHANS,		"host", "orphans",		"gauge: closed sockets still draining")	\
	X(HOST_CONNECTS,	"host", "connects",		"connections opened through a node")	\
	X(HOST_ACCEPTS,		"host", "accepts",		"connections accepted through a node")	\
	X(HOST_LISTENS,		"host", "listens",		"listeners set up on a node")		\
	X(HOST_NATIVE,		"host", "native_delegations",	"sockets delegated to the native stack")	\
	X(HOST_COPIED_IN,	"host", "copied_from_user_bytes", "bytes copied by send calls")	\
	X(HOST_COPIED_OUT,	"host", "copied_to_user_bytes",	"bytes copied by receive calls")	\
	X(HOST_SPLICED,		"host", "spliced_bytes",	"bytes sent from page references, uncopied")	\
	X(HOST_LINK_DEATHS,	"host", "link_deaths",		"links that failed")			\
	X(TCPS_SESSIONS,	"tcps", "sessions",		"gauge: sessions")			\
	X(TCPS_ENDPOINTS,	"tcps", "endpoints",		"gauge: endpoints")			\
	X(TCPS_ORPHANS,		"tcps", "orphans",		"gauge: endpoints that linger")		\
	X(TCPS_CONNECTS,	"tcps", "connects",		"native connections opened")		\
	X(TCPS_ACCEPTS,		"tcps", "accepts",		"native connections accepted")		\
	X(TCPS_LISTENS,		"tcps", "listens",		"native listeners")			\
	X(TCPS_TX_SPLICED,	"tcps", "tx_spliced_bytes",	"bytes given to TCP as pages")		\
	X(TCPS_TX_COPIED,	"tcps", "tx_copied_bytes",	"bytes given to TCP by copy")		\
	X(TCPS_RX_FRAGMENTS,	"tcps", "rx_fragment_bytes",	"bytes sent to a host from TCP's own buffers")	\
	X(TCPS_RX_COPIED,	"tcps", "rx_copied_bytes",	"bytes sent to a host by copy")		\
	X(TCPS_DENIED,		"tcps", "policy_denials",	"requests the policy refused")		\
	X(TCPS_REFUSED,		"tcps", "hosts_refused",	"connection requests refused")

enum memnet_stat {
#define X(id, group, name, text) MEMNET_STAT_##id,
	MEMNET_STATS(X)
#undef X
	MEMNET_STAT_END,
};

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
