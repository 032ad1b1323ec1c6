// SPDX-License-Identifier: GPL-2.0
/*
 * mnrecv: one connection that receives; load.h has the command line.
 *
 * The pieces come from mnpuppet, as fast as they are taken; before each it counts to PAUSE (0), so
 * that the next has come by then. With MS the peer sends them one by one, that far apart, and each
 * is waited for. CALL is
 *
 *	recv		recv() with MSG_WAITALL
 *	direct		memnet_recv_direct() with MEMNET_DIRECT_WAITALL
 *	async		jobs with MEMNET_OP_WAITALL, BATCH (1, up to 16) submitted by one call
 *
 * The last piece must be what the peer's pattern has there, and the stream must end behind it.
 */
#include <errno.h>
#include <sys/socket.h>

#include "load.h"
#include "pattern.h"
#include "peer.h"

#define SEED	7

/* What a call gave is a piece. */
static bool whole(struct load *l, ssize_t n, const char *what)
{
	if (n >= 0)
		errno = EIO;
	return n == (ssize_t)l->size || failed(l, what);
}

static bool by_recv(struct load *l)
{
	unsigned long i;

	for (i = 0; i < l->count; i++) {
		count_to(l->pause);
		if (!whole(l, recv(l->fd, l->buffer, l->size, MSG_WAITALL), "recv"))
			return false;
	}
	return true;
}

static bool by_direct(struct load *l)
{
	unsigned long i;
	ssize_t n;

	for (i = 0; i < l->count; i++) {
		count_to(l->pause);
		n = memnet_recv_direct(l->ctx, l->fd, l->region, 0, l->size,
				       MEMNET_DIRECT_WAITALL);
		if (!whole(l, n, "memnet_recv_direct"))
			return false;
	}
	return true;
}

static bool by_async(struct load *l)
{
	return by_jobs(l, MEMNET_OP_RECV, MEMNET_OP_WAITALL);
}

static int source(struct load *l)
{
	unsigned long all = l->count * l->size;

	if (l->ms)
		return peer_open("piece %lu %zu %u %d", all, l->size, l->ms, SEED);
	return peer_open("source %lu %d", all, SEED);
}

static bool complete(struct load *l)
{
	unsigned long last = l->count - 1;
	const char *at = l->buffer + last % l->slots * l->size;
	char more;

	errno = EIO;
	if (pattern_check(SEED, last * l->size, at, l->size) >= 0)
		return failed(l, "the last piece");
	if (recv(l->fd, &more, 1, 0))
		return failed(l, "the end of the stream");
	return true;
}

int main(int argc, char **argv)
{
	static const struct call calls[] = {
		{ "recv", by_recv },
		{ "direct", by_direct, REGISTERED_RECV },
		{ "async", by_async, REGISTERED_RECV, .jobs = true },
		{ NULL }
	};
	static const struct program program = { "mnrecv", calls, source, complete };

	return load_main(&program, argc, argv);
}
