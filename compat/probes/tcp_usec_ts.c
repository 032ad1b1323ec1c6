// SPDX-License-Identifier: GPL-2.0
/* Time stamps of TCP may count microseconds (6.7). */
#include <net/tcp.h>

u32 probe(const struct tcp_sock *tp)
{
	return tcp_clock_ts(tp->tcp_usec_ts);
}
