// SPDX-License-Identifier: GPL-2.0
/*
 * mnuring: jobs by io_uring, without liburing.
 *
 *	mnuring [options] [--rounds N]
 *
 * A socket to an echo sends by jobs that are submitted by a command of the ring, and receives by
 * others; the ring's poll and read tell of their ends. Every byte is checked. Then what the command
 * refuses, and a socket whose peer never reads: what is too much for it is taken in part, then
 * waited for by the ring, and fails when the socket is shut; and a command that waits while
 * the program puts others in its place. All of it again with a kernel thread that submits
 * (IORING_SETUP_SQPOLL). Exit status 0: all was as it should be; 77: no io_uring here.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memnet.h"
#include "peer.h"
#include "tested.h"
#include "uring.h"

#define JOBS	16
#define SIZE	3000
#define FULL	256	/* jobs a socket may have under way */
#define SPACE	(JOBS * SIZE)

static struct memnet_context *ctx;
static const char *what = "start";

static struct io_uring_sqe command(unsigned int op, const struct memnet_uring_submit *arg)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_URING_CMD,
		.fd = memnet_context_fd(ctx),
		.cmd_op = op,
	};

	/* its place is in the entry, behind what has a type */
	memcpy((char *)&sqe + offsetof(struct io_uring_sqe, cmd), arg, sizeof(*arg));
	return sqe;
}

/* Jobs of @size bytes each, one behind another; how many were taken, or a negative errno. */
static int submit(struct ring *r, struct memnet_op *ops, unsigned int n, memnet_job *jobs)
{
	struct memnet_uring_submit arg;
	struct io_uring_sqe sqe;
	int count = memnet_uring_prepare(ctx, ops, n, &arg), ret;

	if (count != (int)n)
		return -EPROTO;
	sqe = command(MEMNET_URING_SUBMIT, &arg);
	ret = memnet_uring_submitted(ctx, ops, n, ring_do(r, &sqe), jobs);
	return ret < 0 ? -errno : ret;
}

static void fill_ops(struct memnet_op *ops, unsigned int n, unsigned int opcode, unsigned int flags,
		     int fd, memnet_region region, size_t size)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		ops[i] = (struct memnet_op){
			.opcode = (uint16_t)opcode,
			.flags = (uint16_t)flags,
			.fd = fd,
			.region = region,
			.offset = i * size,
			.len = size,
		};
}

/* Sleeps in the ring until @n jobs that tell of it have ended. */
static bool wait_ends(struct ring *r, unsigned int n)
{
	struct io_uring_sqe wait = {
		.opcode = IORING_OP_POLL_ADD,
		.fd = memnet_context_fd(ctx),
		.poll32_events = POLLIN,
	};
	struct io_uring_sqe take = {
		.opcode = IORING_OP_READ,
		.fd = memnet_context_fd(ctx),
		.len = 8,
		.off = -1ULL,
	};
	uint64_t ended;

	take.addr = (uintptr_t)&ended;
	while (n) {
		if (ring_do(r, &wait) != POLLIN || ring_do(r, &take) != 8 || ended > n)
			return false;
		n -= (unsigned int)ended;
	}
	return true;
}

static bool all_over(const memnet_job *jobs, unsigned int n, ssize_t want)
{
	unsigned int i;
	ssize_t got;

	for (i = 0; i < n; i++)
		if (memnet_job_done(ctx, jobs[i], &got) != 1 || got != want)
			return false;
	return true;
}

static bool echo(struct ring *r, char *out, memnet_region from, char *in, memnet_region to,
		 unsigned int rounds)
{
	memnet_job sends[JOBS], receives[JOBS];
	struct memnet_op ops[JOBS];
	unsigned int i, round;
	int fd = peer_open("echo");

	if (fd < 0)
		return false;
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < SPACE; i++)
			out[i] = (char)(i * 7 + round + i / 251);
		memset(in, 0xee, SPACE);
		what = "receive jobs";
		fill_ops(ops, JOBS, MEMNET_OP_RECV, MEMNET_OP_WAITALL | MEMNET_OP_NOTIFY, fd, to,
			 SIZE);
		if (submit(r, ops, JOBS, receives) != JOBS)
			return false;
		what = "send jobs";
		fill_ops(ops, JOBS, MEMNET_OP_SEND, MEMNET_OP_NOTIFY, fd, from, SIZE);
		if (submit(r, ops, JOBS, sends) != JOBS)
			return false;
		what = "their ends";
		if (!wait_ends(r, 2 * JOBS) || !all_over(sends, JOBS, SIZE) ||
		    !all_over(receives, JOBS, SIZE))
			return false;
		what = "the bytes";
		if (memcmp(in, out, SPACE))
			return false;
	}
	close(fd);
	return true;
}

static bool refused(struct ring *r, memnet_region from)
{
	struct memnet_uring_submit none = { .count = 0 }, reserved = { .count = 1, .reserved = 1 };
	struct memnet_uring_submit nowhere = { .ops = 8, .count = 1 };
	struct memnet_op op;
	struct io_uring_sqe sqe;
	memnet_job job;

	what = "another command";
	sqe = command(MEMNET_IOC_SUBMIT, &nowhere);
	if (ring_do(r, &sqe) != -ENOTTY)
		return false;
	what = "no ops";
	sqe = command(MEMNET_URING_SUBMIT, &none);
	if (ring_do(r, &sqe) != -EINVAL)
		return false;
	what = "reserved";
	sqe = command(MEMNET_URING_SUBMIT, &reserved);
	if (ring_do(r, &sqe) != -EINVAL)
		return false;
	what = "ops where no memory is";
	sqe = command(MEMNET_URING_SUBMIT, &nowhere);
	if (ring_do(r, &sqe) != -EFAULT)
		return false;
	what = "no socket";
	fill_ops(&op, 1, MEMNET_OP_SEND, 0, r->fd, from, 1);
	return submit(r, &op, 1, &job) == -ENOTSOCK && op.error == ENOTSOCK;
}

/* Submits until a command waits, whose mark is the number of jobs taken before; that, or -1. */
static int fill_up(struct ring *r, int fd, struct memnet_op *ops, memnet_region from)
{
	struct memnet_uring_submit arg;
	struct io_uring_cqe cqe;
	struct io_uring_sqe sqe;
	memnet_job jobs[JOBS];
	int n, taken = 0;

	what = "jobs until no more fit";
	if (fd < 0)
		return -1;
	for (;;) {
		fill_ops(ops, JOBS, MEMNET_OP_SEND, 0, fd, from, SIZE);
		if (memnet_uring_prepare(ctx, ops, JOBS, &arg) != JOBS)
			return -1;
		sqe = command(MEMNET_URING_SUBMIT, &arg);
		if (!ring_submit(r, &sqe, (uint64_t)taken))
			return -1;
		if (!ring_next(r, taken < FULL ? RING_WAIT_MS : 1000, &cqe))
			break;
		n = memnet_uring_submitted(ctx, ops, JOBS, cqe.res, jobs);
		if (n <= 0 || cqe.user_data != (uint64_t)taken)
			return -1;
		taken += n;
	}
	what = "as many as there may be";
	return taken < FULL ? -1 : taken;
}

/*
 * A socket with as many jobs as it may have: the ring waits with the next, until it is shut. Some of
 * the command's may have gone by then, as the peer's TCP took them; those behind them fail.
 */
static bool full(struct ring *r, memnet_region from)
{
	static struct memnet_op ops[JOBS];	/* outlives the command */
	int fd = peer_open("never-read"), taken = fill_up(r, fd, ops, from), n;
	struct io_uring_cqe cqe;
	memnet_job jobs[JOBS];

	if (taken < 0)
		return false;
	what = "the end of waiting";
	if (shutdown(fd, SHUT_WR) || !ring_next(r, RING_WAIT_MS, &cqe) ||
	    cqe.user_data != (uint64_t)taken)
		return false;
	what = "the error of what waited";
	n = memnet_uring_submitted(ctx, ops, JOBS, cqe.res, jobs);
	if (n == JOBS)
		n = submit(r, ops, JOBS, jobs);
	if (n < 0 ? errno != EPIPE : !n || n == JOBS || ops[n].error != EPIPE)
		return false;
	close(fd);
	return true;
}

/* A command that waits for another to wait no more, while the program uses its entry again. */
static bool recycled(struct ring *r, memnet_region from)
{
	static struct memnet_op ops[JOBS], last;
	struct io_uring_sqe sqe, nop = { .opcode = IORING_OP_NOP };
	unsigned int workers[2] = { 1, 1 };
	struct memnet_uring_submit arg;
	int fd, taken, i, results[2];
	struct io_uring_cqe cqe;
	memnet_job jobs[JOBS];
	char tag[PEER_TAG];

	what = "one worker";
	if (syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_IOWQ_MAX_WORKERS, workers, 2))
		return false;
	fd = peer_open("sink wait=1 tag=%s", peer_tag(tag));
	taken = fill_up(r, fd, ops, from);
	if (taken < 0)
		return false;
	what = "a command behind it";
	fill_ops(&last, 1, MEMNET_OP_SEND, 0, fd, from, 1);
	if (memnet_uring_prepare(ctx, &last, 1, &arg) != 1)
		return false;
	sqe = command(MEMNET_URING_SUBMIT, &arg);
	if (!ring_submit(r, &sqe, (uint64_t)taken + 1))
		return false;
	what = "others in its place";
	for (i = 0; i < RING_ENTRIES; i++)
		if (!ring_submit(r, &nop, 1000000) || !ring_next(r, RING_WAIT_MS, &cqe) ||
		    cqe.user_data != 1000000)
			return false;
	what = "both in the end";
	if (peer_go(tag, ""))
		return false;
	for (i = 0; i < 2; i++) {
		if (!ring_next(r, RING_WAIT_MS, &cqe) || cqe.user_data - (uint64_t)taken > 1)
			return false;
		results[cqe.user_data - (uint64_t)taken] = cqe.res;
	}
	if (memnet_uring_submitted(ctx, ops, JOBS, results[0], jobs) < 1 ||
	    memnet_uring_submitted(ctx, &last, 1, results[1], jobs) != 1)
		return false;
	close(fd);
	return true;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		TESTED_OPTIONS,
		{ "rounds", required_argument, NULL, 'r' },
		{ 0 }
	};
	memnet_region from, to;
	unsigned int rounds = 20;
	char *out, *in;
	struct ring r;
	int opt, i;

	while ((opt = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (opt == 'r') {
			rounds = (unsigned int)atoi(optarg);
		} else if (!tested_option(opt, optarg)) {
			fprintf(stderr, "usage: mnuring [options] [--rounds N]\n" TESTED_USAGE);
			return 2;
		}
	}
	if (!tested_complete("mnuring"))
		return 2;
	ctx = memnet_context_open();
	out = malloc(SPACE);
	in = malloc(SPACE);
	if (!ctx || !out || !in || memnet_register_mem(ctx, out, SPACE, &from) ||
	    memnet_register_recv(ctx, in, SPACE, &to)) {
		perror("mnuring: memory");
		return 1;
	}
	for (i = 0; i < 2; i++) {
		if (!ring_open(&r, i)) {
			perror("mnuring: io_uring");
			return errno == ENOSYS || errno == EPERM ? 77 : 1;
		}
		if (!echo(&r, out, from, in, to, rounds) || !refused(&r, from) || !full(&r, from) ||
		    !recycled(&r, from)) {
			fprintf(stderr, "mnuring: %s: %s: %m\n", i ? "polled" : "entered", what);
			return 1;
		}
		ring_close(&r);
	}
	printf("%u rounds of %d jobs each way, twice\n", rounds, JOBS);
	return 0;
}
