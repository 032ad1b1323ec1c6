// SPDX-License-Identifier: GPL-2.0
/*
 * mnhostile: a peer that does what no peer should.
 *
 *	mnhostile --as-host NODE [--target ADDR:PORT]	attacks on a node, as TAP
 *	mnhostile --requests NODE			connection requests, as TAP
 *	mnhostile --as-node ADDR			attacks on the host that connects, as TAP
 *	mnhostile --answers ADDR			answers to its request, as TAP
 *	... --random COUNT [--seed S] [--wild PERMILLE]	random messages instead
 *	mnhostile --victim SECONDS [--family F] [--until FILE]	sockets for an evil node to attack
 *
 * NODE and ADDR are IP addresses with or without :PORT (IPv6 in brackets).
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "attack.h"

#define DEFAULT_SLOTS	1024

struct terms terms = { .host_id = 0xbad, .slots = DEFAULT_SLOTS };
struct wire_addr target;
const char *only;

static void usage(void)
{
	fprintf(stderr,
		"usage: mnhostile --as-host|--requests NODE [--target ADDR:PORT] [options]\n"
		"       mnhostile --as-node|--answers ADDR [options]\n"
		"       mnhostile --victim SECONDS [--family F] [--until FILE]\n"
		"options: --random COUNT, --seed S, --wild PERMILLE, --only TEXT,\n"
		"         --from ADDR, --host-id ID, --secret TEXT, --slots N\n");
	exit(2);
}

static void parse(const char *text, struct sockaddr_storage *to)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, *found;
	char copy[100], port[10] = "7471", *colon = strrchr(text, ':'), *address = copy;

	snprintf(copy, sizeof(copy), "%s", text);
	if (*text == '[') {
		char *end = strchr(copy, ']');

		if (!end)
			usage();
		if (end[1] == ':')
			snprintf(port, sizeof(port), "%s", end + 2);
		*end = 0;
		address++;
	} else if (colon && strchr(text, ':') == colon) {
		snprintf(port, sizeof(port), "%s", colon + 1);
		copy[colon - text] = 0;
	}
	if (getaddrinfo(address, port, &hints, &found))
		usage();
	memcpy(to, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
}

static void parse_target(const char *text)
{
	struct sockaddr_storage to;
	struct sockaddr_in6 *in6 = (void *)&to;
	struct sockaddr_in *in = (void *)&to;

	parse(text, &to);
	target = (struct wire_addr){ .family = cpu_to_le16(to.ss_family == AF_INET ? 4 : 6),
				     .port = in->sin_port };
	if (to.ss_family == AF_INET)
		memcpy(target.addr, &in->sin_addr, 4);
	else
		memcpy(target.addr, &in6->sin6_addr, 16);
}

int main(int argc, char **argv)
{
	enum { AS_HOST = 1, REQUESTS, AS_NODE, ANSWERS, VICTIM, TARGET, RANDOM, SEED, WILD, ONLY,
	       FROM, HOST_ID, SECRET, FAMILY, UNTIL, SLOTS };
	static const struct option options[] = {
		{ "as-host", required_argument, NULL, AS_HOST },
		{ "requests", required_argument, NULL, REQUESTS },
		{ "as-node", required_argument, NULL, AS_NODE },
		{ "answers", required_argument, NULL, ANSWERS },
		{ "victim", required_argument, NULL, VICTIM },
		{ "target", required_argument, NULL, TARGET },
		{ "random", required_argument, NULL, RANDOM },
		{ "seed", required_argument, NULL, SEED },
		{ "wild", required_argument, NULL, WILD },
		{ "only", required_argument, NULL, ONLY },
		{ "from", required_argument, NULL, FROM },
		{ "host-id", required_argument, NULL, HOST_ID },
		{ "secret", required_argument, NULL, SECRET },
		{ "family", required_argument, NULL, FAMILY },
		{ "until", required_argument, NULL, UNTIL },
		{ "slots", required_argument, NULL, SLOTS },
		{ NULL, 0, NULL, 0 },
	};
	unsigned int seconds = 0, permille = 8;
	const char *until = NULL;
	unsigned long count = 0;
	u64 seed = time(NULL);
	int option, mode = 0, family = 25;

	parse_target("203.0.113.9:80");
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case AS_HOST:
		case REQUESTS:
		case AS_NODE:
		case ANSWERS:
			mode = option;
			parse(optarg, &terms.to);
			break;
		case VICTIM:
			mode = option;
			seconds = atoi(optarg);
			break;
		case TARGET:
			parse_target(optarg);
			break;
		case RANDOM:
			count = strtoul(optarg, NULL, 0);
			break;
		case SEED:
			seed = strtoull(optarg, NULL, 0);
			break;
		case WILD:
			permille = atoi(optarg);
			break;
		case ONLY:
			only = optarg;
			break;
		case FROM:
			parse(optarg, &terms.from);
			((struct sockaddr_in *)&terms.from)->sin_port = 0;
			break;
		case HOST_ID:
			terms.host_id = strtoull(optarg, NULL, 0);
			break;
		case SECRET:
			terms.secret = optarg;
			break;
		case UNTIL:
			until = optarg;
			break;
		case FAMILY:
			family = atoi(optarg);
			break;
		case SLOTS:
			terms.slots = atoi(optarg);
			break;
		default:
			usage();
		}
	}
	switch (mode) {
	case AS_HOST:
		if (count)
			return random_host(count, seed, permille);
		attack_node();
		break;
	case REQUESTS:
		attack_requests();
		break;
	case AS_NODE:
		if (count)
			return random_node(peer_listen(&terms), count, seed, permille);
		attack_host(peer_listen(&terms));
		break;
	case ANSWERS:
		attack_answers(peer_listen(&terms));
		break;
	case VICTIM:
		return victim(family, seconds, until);
	default:
		usage();
	}
	return report_end();
}
