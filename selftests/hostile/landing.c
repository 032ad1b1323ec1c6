// SPDX-License-Identifier: GPL-2.0
/*
 * Registered memory for an evil node to write to: it may write what it likes to a region while that
 * is registered, and nothing to what lies around it, nor afterwards.
 *
 * A landing registers a region, sends from it or not, receives to it, gives it back and looks. The
 * node is told of each step (LANDING_*), so that it can do its worst at the worst moment: it knows
 * of a region that is gone while the socket is still open.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "attack.h"
#include "memnet.h"

#define BLOCK (18 * 4096)
#define BEFORE 4200		/* the region does not begin with a page, nor end with one */
#define REGION 65000
#define AROUND 0xa5
#define AFTER 0x5a
#define WAIT_MS 300
#define OPEN_MS 200		/* a socket stays open after its region is gone */

static __thread u8 *memory;	/* of BLOCK bytes */
static __thread bool used;	/* was given back, and filled with AFTER */
static _Atomic unsigned int turn;	/* the kinds follow each other, so that none is long in coming */
static struct memnet_context *shared;

static bool is_all(const u8 *at, size_t len, u8 byte)
{
	while (len--)
		if (*at++ != byte)
			return false;
	return true;
}

/* NULL, or what was written that must not be. */
static const char *check(void)
{
	if (!is_all(memory, BEFORE, AROUND) ||
	    !is_all(memory + BEFORE + REGION, BLOCK - BEFORE - REGION, AROUND))
		return "memory beside a region was written to";
	if (used && !is_all(memory + BEFORE, REGION, AFTER))
		return "memory was written to after it was deregistered";
	return NULL;
}

static bool over_in(struct memnet_context *context, memnet_job job, int ms, ssize_t *n)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return !memnet_job_wait(context, job, &until, n);
}

bool landing_start(void)
{
	shared = memnet_context_open();
	return shared;
}

/* Options overtake the stream, and each of them is a message. Where the link is dead nobody hears. */
static void tell(int fd, unsigned int bits)
{
	static const int others[LANDING_MESSAGES] = { TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT,
						      TCP_LINGER2, TCP_USER_TIMEOUT };
	int value = LANDING + (int)bits;
	unsigned int i;

	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof(value));
	value = 60;
	for (i = 0; i < LANDING_MESSAGES; i++)
		setsockopt(fd, IPPROTO_TCP, others[i], &value, sizeof(value));
}

/* Sends a part of the region that nothing is received to; which bits are true then. */
static unsigned int leave(struct memnet_context *context, int fd, memnet_region region)
{
	memnet_job job;
	ssize_t n;

	if (memnet_async_send(context, fd, region, 40000, 1000, 0, &job))
		return 0;
	return LANDING_SENDS | (over_in(context, job, WAIT_MS, &n) ? LANDING_SENT : 0);
}

/* Whether no job is under way any more. */
static bool land(struct memnet_context *context, int fd, memnet_region region)
{
	memnet_job job;
	ssize_t n;

	return memnet_async_recv(context, fd, region, 100, 20000, MEMNET_OP_WAITALL, &job) ||
	       over_in(context, job, WAIT_MS, &n) ||
	       (!memnet_job_cancel(context, fd, job) && over_in(context, job, WAIT_MS, &n));
}

/* Receives to a region, or tries to; what is wrong is returned. */
const char *landing_try(int fd)
{
	unsigned int kind = atomic_fetch_add(&turn, 1) % 4, own = kind & 2 ? LANDING_OWN : 0, bits = own;
	struct memnet_context *context = own ? memnet_context_open() : shared;
	memnet_region region;
	const char *wrong;
	bool over;

	if (!memory) {
		memory = aligned_alloc(4096, BLOCK);
		memset(memory, AROUND, BLOCK);
		used = false;
	}
	wrong = check();
	if (wrong)
		return wrong;
	used = false;
	if (!context || memnet_register_recv(context, memory + BEFORE, REGION, &region))
		return "no region";
	if (kind & 1) {
		tell(fd, own | LANDING_SENDS);
		bits |= leave(context, fd, region);
	}
	tell(fd, bits | LANDING_RECV);
	over = land(context, fd, region);
	if (own)
		memnet_context_close(context);
	else
		memnet_deregister_mem(context, region);
	wrong = check();
	memset(memory + BEFORE, AFTER, REGION);
	used = true;
	tell(fd, bits | LANDING_GONE | (over ? LANDING_OVER : 0));
	/* Where the node does not say that the job is over the memory is its own. */
	if (!over) {
		memory = NULL;
		return wrong;
	}
	usleep(OPEN_MS * 1000);
	return wrong ? wrong : check();
}
