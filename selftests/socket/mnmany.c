// SPDX-License-Identifier: GPL-2.0
/*
 * mnmany: many connections, and peers that do not read.
 *
 * Every mode sets something up, holds it for --hold seconds (the line
 * "holding ..." tells a watcher to look at memory), checks that nothing was
 * lost and that a new connection still works, and ends with one line of
 * key=value words.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "many.h"

struct many_options many = {
	.count = 1000, .bytes = 100, .size = 300, .par = 64,
	.program = "mnmany",
};

static const struct {
	const char *name;
	bool (*run)(void);
	const char *words;
	const char *text;
} modes[] = {
	{ "idle", many_idle, "N",
	  "N connections at once, then --bytes echoed on each" },
	{ "short", many_short, "N",
	  "N connections one after another, --bytes echoed on each" },
	{ "noread", many_noread, "N",
	  "N peers flood us with --bytes each, we do not read until later" },
	{ "flood", many_flood, "N",
	  "we write up to --bytes to each of N peers that do not read" },
	{ "unread-peer", many_unread_peer, "BYTES SIZE",
	  "writes of SIZE to a peer that does not read, up to BYTES or EAGAIN" },
	{ "urgent", many_urgent, "N",
	  "N peers send an urgent byte among --bytes and stay" },
};

static int usage(void)
{
	unsigned int i;

	fprintf(stderr, "usage: mnmany [options] MODE ...\n");
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		fprintf(stderr, "  %s %s\n\t%s\n", modes[i].name,
			modes[i].words, modes[i].text);
	fprintf(stderr, "options:\n"
		TESTED_USAGE
		"      --side connect|accept    who makes them (connect)\n"
		"      --bytes BYTES        see above (100)\n"
		"      --size N             of one write (300)\n"
		"      --par N              being made at the same time (64)\n"
		"      --sndbuf N  --rcvbuf N   set on each connecting socket\n"
		"      --hold SECONDS       keep what was set up (0)\n"
		"      --bound SECONDS      give up after this time (600)\n"
		"Numbers take K, M, G.\n");
	return 2;
}

static uint64_t number(const char *text)
{
	char *rest;
	uint64_t n = strtoull(text, &rest, 0);

	switch (*rest) {
	case 'G':
		n <<= 10;
		/* fallthrough */
	case 'M':
		n <<= 10;
		/* fallthrough */
	case 'K':
		n <<= 10;
	}
	return n;
}

enum { SIDE = 1, BYTES, SIZE, PAR, SNDBUF, RCVBUF, HOLD, BOUND };

static int run_mode(int argc, char **argv)
{
	unsigned int i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (argc < 1 || strcmp(argv[0], modes[i].name))
			continue;
		if (modes[i].run == many_unread_peer) {
			if (argc != 3)
				return usage();
			many.bytes = number(argv[1]);
			many.size = number(argv[2]);
		} else {
			if (argc != 2)
				return usage();
			many.count = number(argv[1]);
		}
		if (!many.count || !many.size)
			return usage();
		if (!tested_complete("mnmany"))
			return 2;
		return modes[i].run() ? 0 : 1;
	}
	return usage();
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		TESTED_OPTIONS,
		{ "side", required_argument, NULL, SIDE },
		{ "bytes", required_argument, NULL, BYTES },
		{ "size", required_argument, NULL, SIZE },
		{ "par", required_argument, NULL, PAR },
		{ "sndbuf", required_argument, NULL, SNDBUF },
		{ "rcvbuf", required_argument, NULL, RCVBUF },
		{ "hold", required_argument, NULL, HOLD },
		{ "bound", required_argument, NULL, BOUND },
		{ 0 }
	};
	unsigned int bound = 600;
	int opt;

	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (opt) {
		case SIDE:
			many.accepted = !strcmp(optarg, "accept");
			break;
		case BYTES:
			many.bytes = number(optarg);
			break;
		case SIZE:
			many.size = number(optarg);
			break;
		case PAR:
			many.par = number(optarg);
			break;
		case SNDBUF:
			many.sndbuf = number(optarg);
			break;
		case RCVBUF:
			many.rcvbuf = number(optarg);
			break;
		case HOLD:
			many.hold = number(optarg);
			break;
		case BOUND:
			bound = number(optarg);
			break;
		default:
			if (!tested_option(opt, optarg))
				return usage();
		}
	}
	raise_fd_limit();
	alarm(bound);
	return run_mode(argc - optind, argv + optind);
}
