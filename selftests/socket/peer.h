/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Talking to mnpuppet, over the family under test: on a host guest there is
 * no other way to it. puppet_command.c has the language.
 */
#ifndef MN_PEER_H
#define MN_PEER_H

#include <stddef.h>
#include <stdint.h>

#define PEER_TAG 40
#define PEER_MS 20000	/* longest wait for an answer */

struct result {
	int running;		/* it was not over when asked */
	uint64_t in, out;
	uint64_t sum;		/* of what it read */
	int64_t bad;
	int err;
	int eof;
	unsigned int segs;
	unsigned int oob;
};

/* A name no other connection has. */
const char *peer_tag(char *tag);

/* A connection that was told what to do, or -1 with errno. */
int peer_open(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same on a socket that exists. */
int peer_open_on(int fd, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Asks on a connection of its own; the line that came back, or -1. */
int peer_ask(char *line, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

int result_parse(struct result *result, const char *line);
/* The result of a tagged connection, waiting for its end. */
int peer_stat(const char *tag, struct result *result);
/* Lets a waiting one run; @words may be "". -1 with EPIPE: it is over. */
int peer_go(const char *tag, const char *words);

#endif
