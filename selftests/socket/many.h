/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mnmany: sets of connections, and what is done with them.
 */
#ifndef MN_MANY_H
#define MN_MANY_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "net.h"
#include "pattern.h"
#include "peer.h"
#include "tested.h"

struct many_options {
	unsigned int count;
	uint64_t bytes;		/* per connection */
	unsigned int size;	/* of one write */
	unsigned int par;	/* connections being made at once */
	unsigned int hold;	/* seconds to keep what was set up */
	unsigned int sndbuf;	/* 0: as it is */
	unsigned int rcvbuf;
	bool accepted;
	const char *program;
};

extern struct many_options many;

/* Says what failed, with errno; always false. */
bool many_failed(const char *what);

/*
 * count connections whose other ends do @words, in @fds; the number made.
 * Failures are counted by errno and told in one line.
 */
unsigned int many_open(int *fds, unsigned int count, const char *words);
void many_close(int *fds, unsigned int count);
/* Prints "holding WHAT" and sleeps, so that memory can be looked at. */
void many_hold(const char *what);
/* A new connection echoes a few bytes: nobody is held up. */
bool many_alive(void);
/* One of them echoes @len pattern bytes of @seed. */
bool many_exchange(int fd, uint64_t seed, size_t len);

/* The modes; each prints one summary line and is true if all was well. */
bool many_idle(void);
bool many_short(void);
bool many_noread(void);
bool many_flood(void);
bool many_unread_peer(void);
bool many_urgent(void);

#endif
