// SPDX-License-Identifier: GPL-2.0
/*
 * The table of deliberate differences; the only place for them.
 */
#include <stdio.h>
#include <string.h>

#include "differences.h"
#include "tap.h"
#include "tested.h"

static const struct {
	const char *key;
	const char *memnet;
	const char *reason;
} table[] = {
	{ "datagram",
	  "socket(SOCK_DGRAM or SOCK_RAW) fails with ESOCKTNOSUPPORT",
	  "only TCP is offloaded; the native families have UDP and raw IP" },
	{ "protocol-number",
	  "the protocol argument is the IP version; 2 is EPROTONOSUPPORT",
	  "one family serves both versions, as AF_SMC does" },
	{ "so-protocol",
	  "SO_PROTOCOL is not IPPROTO_TCP",
	  "core kernel code would take the socket for a tcp_sock" },
	{ "timestamps",
	  "a control message that asks for time stamps is EINVAL",
	  "the packets are the node's, and so would their times be" },
	{ "zerocopy",
	  "SO_ZEROCOPY is refused",
	  "core allows it for IPPROTO_TCP only; sends gather pages anyway" },
	{ "uring-zerocopy",
	  "IORING_OP_SEND_ZC and _SENDMSG_ZC fail with EOPNOTSUPP",
	  "a send copies, or gathers the pages that splice() gives" },
	{ "bindtodevice",
	  "SO_BINDTODEVICE is refused, or what follows it",
	  "the host's devices are not where the traffic goes" },
	{ "segments",
	  "bytes of two sends may share a segment, even with TCP_NODELAY",
	  "the node gives TCP at once all that has come meanwhile" },
	{ "name-while-connecting",
	  "getsockname() has no port until the connection is made",
	  "the node chooses it, and tells with the answer to connect" },
	{ "native-for-good",
	  "a socket that was refused by loopback can connect to loopback only",
	  "it has become a native socket, which it stays" },
	{ "options",
	  "an option that is not carried fails with ENOPROTOOPT",
	  "nothing is reported done that was not done" },
};

bool differs(const char *key)
{
	unsigned int i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(table[i].key, key))
			return tested.memnet;
	FAIL("'%s' is not in the table of differences", key);
}

void differences_print(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		printf("%s\n\tmemnet: %s\n\treason: %s\n", table[i].key,
		       table[i].memnet, table[i].reason);
}
