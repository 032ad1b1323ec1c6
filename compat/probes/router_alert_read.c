// SPDX-License-Identifier: GPL-2.0
/* IP_ROUTER_ALERT and IPV6_ROUTER_ALERT can be read (6.6, with the flags' new place). */
#include <net/inet_sock.h>

int probe(void)
{
	return INET_FLAGS_RTALERT;
}
