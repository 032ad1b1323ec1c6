// SPDX-License-Identifier: GPL-2.0
/*
 * The table of deliberate differences; the only place for them.
 */
#include <stdio.h>
#include <string.h>

#include "differences.h"
#include "proof.h"
#include "tap.h"
#include "tested.h"

static const struct {
	const char *key;
	const char *memnet;
	const char *reason;
	/* those it is found on, of the lab's names; "": on all */
	const char *kernels;
	/*
	 * What of these kernels no module can get round: a file of the kernel's
	 * and a text in it, of linux-source-6.12 or the only kernel of the list.
	 * "": it is a choice of ours.
	 */
	const char *stands;
} table[] = {
	{ "datagram",
	  "socket(SOCK_DGRAM or SOCK_RAW) fails with ESOCKTNOSUPPORT",
	  "only TCP is offloaded; the native families have UDP and raw IP" },
	{ "protocol-number",
	  "the protocol argument is the IP version; 2 is EPROTONOSUPPORT",
	  "one family serves both versions, as AF_SMC does" },
	{ "so-protocol",
	  "SO_PROTOCOL is not IPPROTO_TCP",
	  "core kernel code would take the socket for a tcp_sock",
	  .stands = "include/net/sock.h: sk->sk_protocol == IPPROTO_TCP;" },
	{ "sol-socket",
	  "setsockopt(SOL_SOCKET) reports done what the kernel knows and the node does not",
	  "the kernel answers itself, and asks no family but MPTCP",
	  .kernels = "6.1",
	  .stands = "net/socket.c: sk->sk_protocol == IPPROTO_MPTCP" },
	{ "timestamps",
	  "a control message that asks for time stamps is EINVAL",
	  "the packets are the node's, and so would their times be" },
	{ "zerocopy",
	  "SO_ZEROCOPY is refused",
	  "the kernel allows it for IPPROTO_TCP alone, and does not ask the family",
	  .kernels = "6.1",
	  .stands = "net/core/sock.c: if (!(sk_is_tcp(sk) ||" },
	{ "bindtodevice",
	  "SO_BINDTODEVICE is refused, or what follows it; where its class is allowed it cannot be read",
	  "the devices are the node's, and what is read is the kernel's, which looks for them here" },
	{ "segments",
	  "bytes of two sends may share a segment, even with TCP_NODELAY",
	  "the node gives TCP at once all that has come meanwhile" },
	{ "name-while-connecting",
	  "getsockname() has no port until the connection is made",
	  "the node chooses it, and tells with the answer to connect" },
	{ "backlog-zero",
	  "listen() with a backlog of 0 lets two connections wait, not one",
	  "one is at the host, where accept() finds it, and TCP has always room for one" },
	{ "native-for-good",
	  "a socket that was refused by loopback can connect to loopback only",
	  "it has become a native socket, which it stays" },
	{ "option-unset",
	  "SO_SNDBUF, SO_RCVBUF: what is read before anybody has set it is not what TCP begins with",
	  "the sizes that TCP chooses are the node's" },
	{ "option-class",
	  "SO_MARK, SO_DONTROUTE, IP_FREEBIND, IP_TRANSPARENT fail with ENOPROTOOPT, SO_PRIORITY above 6 with EPERM for root, too, where the node does not allow their class",
	  "they reach beyond a connection of one's own, on a machine that is the node's" },
	{ "tls-kernel",
	  "TCP_ULP \"tls\": ENOENT",
	  "sockets of this kernel's tls cannot be read by those who serve others",
	  .kernels = "6.1",
	  .stands = "net/tls/tls_main.c: ops[TLS_BASE][TLS_SW  ].splice_read\t= tls_sw_splice_read;" },
	{ "tls-records",
	  "bytes of two sends may share a TLS record, and those of one may be cut; recv() of data has no MSG_EOR",
	  "the node gives TLS at once all that has come meanwhile, and sends on what is decrypted as bytes;"
	  " a record is not cut below 4096 bytes that has a type of its own" },
	{ "tls-shut",
	  "with TLS_TX send() after SHUT_WR fails with EPIPE, as without",
	  "nothing is reported done that was not done; TLS says that it was sent" },
	{ "tls-keys",
	  "getsockopt(TLS_TX, TLS_RX) tells version and cipher; with room for keys: EOPNOTSUPP",
	  "keys are sent to the node and to nobody else" },
	{ "options",
	  "an option that is not carried fails with ENOPROTOOPT",
	  "nothing is reported done that was not done" },
};

#define COUNT (sizeof(table) / sizeof(table[0]))

_Static_assert(COUNT <= PROOF_DIFFERENCES, "PROOF_DIFFERENCES is too small");

bool differs(const char *key)
{
	unsigned int i;

	for (i = 0; i < COUNT; i++) {
		if (strcmp(table[i].key, key))
			continue;
		if (tested.memnet)
			proof->differs[i] = 1;
		return tested.memnet;
	}
	FAIL("'%s' is not in the table of differences", key);
}

const char *difference_key(unsigned int place)
{
	return place < COUNT ? table[place].key : NULL;
}

static void line(const char *name, const char *text)
{
	if (text && *text)
		printf("\t%s: %s\n", name, text);
}

void differences_print(void)
{
	unsigned int i;

	for (i = 0; i < COUNT; i++) {
		printf("%s\n", table[i].key);
		line("memnet", table[i].memnet);
		line("reason", table[i].reason);
		line("kernels", table[i].kernels);
		line("stands", table[i].stands);
	}
}
