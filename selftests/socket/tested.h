/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The family under test and the addresses of a run, as told by the options
 * that all test programs share.
 */
#ifndef MN_TESTED_H
#define MN_TESTED_H

#include <getopt.h>
#include <stdbool.h>

#include "net.h"

#define AF_MEMNET_DEFAULT 25

struct tested {
	bool memnet;
	int family;		/* AF_MEMNET's number; unused for native */
	bool classes;		/* the node allows all classes of options */
	bool v6;		/* the version the run is about */
	bool have[2];		/* [v6]: addresses of that version are known */
	union addr peer[2];	/* mnpuppet, with its port */
	union addr local[2];	/* where peers reach our listeners */
};

extern struct tested tested;

#define TESTED_OPTIONS \
	{ "family", required_argument, NULL, 1000 }, \
	{ "peer", required_argument, NULL, 1001 }, \
	{ "peer-port", required_argument, NULL, 1002 }, \
	{ "local", required_argument, NULL, 1003 }, \
	{ "v6", no_argument, NULL, 1004 }, \
	{ "classes", no_argument, NULL, 1005 }

#define TESTED_USAGE \
	"  --family native|memnet   what socket() is called with (native)\n" \
	"  --peer ADDR              where mnpuppet is; once for each version\n" \
	"  --peer-port PORT         its port (4242)\n" \
	"  --local ADDR             where the peer reaches our listeners; once\n" \
	"                           for each version (default: asks mnpuppet)\n" \
	"  --v6                     IPv6\n" \
	"  --classes                the node allows options of all classes\n"

/* True if the option was one of these and good. */
bool tested_option(int opt, const char *arg);
/* After the last option: fills in defaults; false with a message. */
bool tested_complete(const char *program);

/* A stream socket of the family under test; @flags as for socket(). */
int tested_socket(int flags);
int tested_socket_version(bool v6, int flags);
/* The number that socket() is called with. */
int tested_family(bool v6);
/* socket() with everything free. */
int tested_socket_raw(bool v6, int type, int protocol);

#endif
