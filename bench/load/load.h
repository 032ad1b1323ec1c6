/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mnsend and mnrecv share: the command line, one connection to mnpuppet, and jobs.
 *
 *	PROGRAM [options] [--on CPU] CALL SIZE COUNT [BATCH [PAUSE [MS]]]
 *
 * COUNT pieces of SIZE bytes by one of the program's calls. What stays the same for any COUNT -
 * the connection, the memory, the end - is no matter to who takes the difference of two counts.
 * At the end the program says "slept=N": how often it was put to sleep from the first piece to
 * the last.
 */
#ifndef MN_LOAD_H
#define MN_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memnet.h"

#define BATCH_MAX	16

enum memory { PLAIN, REGISTERED, REGISTERED_RECV };

struct load {
	const struct program *program;
	const struct call *call;
	int fd;
	char *buffer;		/* slots of size bytes each */
	size_t size;
	unsigned int slots;
	unsigned long count;
	unsigned int batch;	/* jobs of one system call */
	unsigned long pause;	/* counted to for each piece */
	unsigned int ms;	/* the peer's pieces are that far apart, 0: not at all */
	struct memnet_context *ctx;
	memnet_region region;
};

struct call {
	const char *name;
	bool (*run)(struct load *l);
	enum memory memory;
	bool jobs;		/* each under way has a slot of its own */
	bool alone;		/* no peer has a part in it */
};

struct program {
	const char *name;
	const struct call *calls;	/* the last has no name */
	int (*open)(struct load *l);	/* a connection to a peer that does the other half */
	bool (*complete)(struct load *l);	/* nothing is missing */
};

int load_main(const struct program *program, int argc, char **argv);

/* Says what errno means; false. */
bool failed(struct load *l, const char *what);
void count_to(unsigned long n);

/*
 * Jobs of @opcode (MEMNET_OP_SEND or RECV) for all pieces, l->batch of them with one system call;
 * when 64 of them or 1 MiB is under way it waits until the older half is over.
 */
bool by_jobs(struct load *l, unsigned int opcode, unsigned int flags);
/* How many are under way at most. */
unsigned int jobs_max(const struct load *l);

#endif
