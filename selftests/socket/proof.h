/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a test leaves beside its result, in memory that it shares with the
 * harness: why it was skipped, which differences it made use of, and where its
 * sockets were served. The harness prints it in front of the result as
 *
 *	# uses differs KEY
 *	# offloaded N
 *	# delegated N
 *
 * and selftests/conformance reads that. N is how often a socket was seen, not
 * how many there were.
 */
#ifndef MN_PROOF_H
#define MN_PROOF_H

#include <stdbool.h>

#define PROOF_DIFFERENCES 512

struct proof {
	char skip[256];
	unsigned int offloaded, delegated;	/* atomic: of all processes of a test */
	unsigned char differs[PROOF_DIFFERENCES];	/* by place in the table */
};

extern struct proof *proof;

void proof_init(void);
void proof_clear(void);
void proof_print(void);

/* Where is the socket served, if it is one of AF_MEMNET? Keeps errno. */
void proof_look(int fd);
/* The same of every open descriptor, when a process is through. */
void proof_look_all(void);

#endif
