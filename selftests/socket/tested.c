// SPDX-License-Identifier: GPL-2.0
/*
 * The family under test and the addresses of a run; see tested.h.
 *
 * The protocol argument of AF_MEMNET is the IP version; of the native
 * families it is 0, so that callers never see the difference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "peer.h"
#include "tested.h"

struct tested tested;

static unsigned int peer_port = 4242;
static bool have_local[2];

static int family_number(void)
{
	const char *path = "/sys/module/memnet/parameters/family";
	FILE *file = fopen(path, "r");
	int family = AF_MEMNET_DEFAULT;

	if (file) {
		if (fscanf(file, "%d", &family) != 1)
			family = AF_MEMNET_DEFAULT;
		fclose(file);
	}
	return family;
}

bool tested_option(int opt, const char *arg)
{
	union addr addr;
	bool v6;

	switch (opt) {
	case 1000:
		tested.memnet = !strcmp(arg, "memnet");
		return tested.memnet || !strcmp(arg, "native");
	case 1001:
	case 1003:
		if (!addr_parse(&addr, arg, 0))
			return false;
		v6 = addr.sa.sa_family == AF_INET6;
		if (opt == 1001) {
			tested.peer[v6] = addr;
			tested.have[v6] = true;
		} else {
			tested.local[v6] = addr;
			have_local[v6] = true;
		}
		return true;
	case 1002:
		peer_port = atoi(arg);
		return peer_port && peer_port < 65536;
	case 1004:
		tested.v6 = true;
		return true;
	case 1005:
		tested.classes = true;
		return true;
	}
	return false;
}

/* What the peer sees us as is where it will reach us. */
static bool ask_local(bool v6)
{
	char line[128], host[ADDR_TEXT];
	bool version = tested.v6;
	bool good;

	tested.v6 = v6;
	good = !peer_ask(line, sizeof(line), "info") &&
	       sscanf(line, "from=%63s", host) == 1 &&
	       addr_parse(&tested.local[v6], host, 0);
	tested.v6 = version;
	return good;
}

bool tested_complete(const char *program)
{
	static const char * const loopback[] = { "127.0.0.1", "::1" };
	int v;

	tested.family = family_number();
	if (!tested.memnet && !tested.have[0] && !tested.have[1]) {
		for (v = 0; v < 2; v++) {
			addr_parse(&tested.peer[v], loopback[v], 0);
			tested.have[v] = true;
		}
	}
	if (!tested.have[tested.v6]) {
		fprintf(stderr, "%s: --peer ADDR is missing for IPv%d\n",
			program, tested.v6 ? 6 : 4);
		return false;
	}
	for (v = 0; v < 2; v++) {
		if (!tested.have[v])
			continue;
		addr_set_port(&tested.peer[v], peer_port);
		if (!have_local[v] && !ask_local(v)) {
			if (v != tested.v6) {
				tested.have[v] = false;
				continue;
			}
			fprintf(stderr,
				"%s: no mnpuppet answers at port %u (%m)\n",
				program, peer_port);
			return false;
		}
	}
	return true;
}

int tested_family(bool v6)
{
	if (tested.memnet)
		return tested.family;
	return v6 ? AF_INET6 : AF_INET;
}

int tested_socket_raw(bool v6, int type, int protocol)
{
	return socket(tested_family(v6), type, protocol);
}

int tested_socket_version(bool v6, int flags)
{
	return tested_socket_raw(v6, SOCK_STREAM | flags,
				 tested.memnet ? v6 : 0);
}

int tested_socket(int flags)
{
	return tested_socket_version(tested.v6, flags);
}
