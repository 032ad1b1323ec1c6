// SPDX-License-Identifier: GPL-2.0
/*
 * mnjobs: asynchronous sends whose ends are seen without a system call.
 *
 *	mnjobs [options] [--jobs N] [--size BYTES] [--loop|--wait]
 *
 * Submits N jobs (200) of some bytes each (100), and then forbids itself every system call but
 * read, write and _exit (strict seccomp, or it says that there is none): who makes another is
 * killed. What is left is memnet_job_done() until all are over, between two lines that say so. With
 * --loop it does not look, but is called back, by an event loop on which it sends N messages to an
 * echo and receives each again. With --wait it sleeps, for any of them until half are over and then
 * for all the others. Exit status 0: they were over, with all their bytes.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memnet.h"
#include "memnet_loop.h"
#include "peer.h"
#include "tested.h"

#define MAX_JOBS 256
#define MAX_SIZE 4096

static memnet_job jobs[MAX_JOBS];

static int usage(void)
{
	fprintf(stderr, "usage: mnjobs [options]\n" TESTED_USAGE
		"      --jobs N             how many, up to 256 (200)\n"
		"      --size BYTES         of each, up to 4096 (100)\n"
		"      --loop               be called back\n"
		"      --wait               sleep\n");
	return 2;
}

/* Each job has a buffer of its own. */
static bool submit(struct memnet_context *ctx, int fd, struct memnet_pool *pool, unsigned int count,
		   size_t size)
{
	memnet_region region = memnet_pool_region(pool);
	struct memnet_batch batch = { .n = 0 };
	unsigned int done = 0, i = 0;
	size_t offset;
	int taken;

	while (done < count) {
		while (i < count && batch.n < MEMNET_BATCH) {
			if (!memnet_pool_get(pool, &offset) ||
			    memnet_batch_send(&batch, fd, region, offset, size, 0))
				return false;
			i++;
		}
		taken = memnet_batch_submit(ctx, &batch, jobs + done);
		if (taken <= 0)
			return false;
		done += taken;
	}
	return true;
}

/* What a pool refuses. */
static bool pool_is_strict(struct memnet_context *ctx)
{
	struct memnet_pool *pool = memnet_pool_create(ctx, 2, 100, 0);
	size_t first, second, third;
	char *a, *b;

	if (!pool || memnet_pool_create(ctx, 0, 100, 0) || memnet_pool_create(ctx, 2, 0, 0) ||
	    memnet_pool_create(ctx, SIZE_MAX / 50, 100, 0) || memnet_pool_create(ctx, 2, 100, 2))
		return false;
	a = memnet_pool_get(pool, &first);
	b = memnet_pool_get(pool, &second);
	if (!a || !b || b - a != (ssize_t)(second - first) || b - a < 100 ||
	    memnet_pool_get(pool, &third) || errno != ENOBUFS ||
	    !memnet_pool_put(pool, a + 1) || !memnet_pool_put(pool, a - 4096) ||
	    memnet_pool_put(pool, b) || !memnet_pool_put(pool, b) || errno != EINVAL ||
	    memnet_pool_get(pool, &third) != b)
		return false;
	memnet_pool_destroy(pool);
	return true;
}

/* Between the two lines nothing may call the kernel. */
static void look(struct memnet_context *ctx, unsigned int count, size_t size)
{
	static const char begun[] = "looking\n", good[] = "all over\n", bad[] = "a job failed\n";
	unsigned int i;
	ssize_t n;
	int ret;

	if (write(1, begun, sizeof(begun) - 1) != sizeof(begun) - 1)
		syscall(SYS_exit, 1);
	for (i = 0; i < count; i++) {
		do
			ret = memnet_job_done(ctx, jobs[i], &n);
		while (!ret);
		if (ret < 0 || n != (ssize_t)size) {
			ret = write(1, bad, sizeof(bad) - 1);
			syscall(SYS_exit, 1);
		}
	}
	ret = write(1, good, sizeof(good) - 1);
	syscall(SYS_exit, ret != sizeof(good) - 1);
}

/* Those of @n that are over leave the list; how many are left, or -1 if one failed. */
static int drop(struct memnet_context *ctx, memnet_job *list, int n, size_t size)
{
	int i, left = 0;
	ssize_t sent;

	for (i = 0; i < n; i++) {
		switch (memnet_job_done(ctx, list[i], &sent)) {
		case 0:
			list[left++] = list[i];
			break;
		case 1:
			if (sent == (ssize_t)size)
				break;
			/* fallthrough */
		default:
			return -1;
		}
	}
	return left;
}

/* For any of them until no more than half are left, then for all. */
static bool wait_for(struct memnet_context *ctx, unsigned int count, size_t size)
{
	int left = (int)count, over, before, sleeps = 0;

	while (left > (int)count / 2) {
		over = memnet_jobs_wait(ctx, jobs, (unsigned int)left, 0, NULL);
		before = left;
		left = over < 1 ? -1 : drop(ctx, jobs, left, size);
		if (left < 0 || before - left < over)
			return false;
		sleeps++;
	}
	if (left && (memnet_jobs_wait(ctx, jobs, (unsigned int)left, MEMNET_WAIT_ALL, NULL) != left ||
		     drop(ctx, jobs, left, size)))
		return false;
	printf("waited %d times for any, and for the last %d\n", sleeps, left);
	return true;
}

/* ---- an event loop ---- */

static struct turn {
	struct memnet_loop loop;
	struct memnet_pool *pool;
	int fd;
	size_t size;
	unsigned int wanted, sent, received;
	size_t pos;		/* of the stream that comes back */
	bool bad;
} turn;

static void turn_receive(void);

static void was_sent(void *buffer, ssize_t result)
{
	turn.bad |= result != (ssize_t)turn.size || memnet_pool_put(turn.pool, buffer);
	turn.sent++;
}

static void was_received(void *buffer, ssize_t result)
{
	ssize_t i;

	/* message k is size bytes of k */
	for (i = 0; i < result; i++, turn.pos++)
		turn.bad |= ((unsigned char *)buffer)[i] != (unsigned char)(turn.pos / turn.size);
	turn.bad |= result <= 0 || memnet_pool_put(turn.pool, buffer);
	turn.received = turn.pos / turn.size;
	if (!turn.bad && turn.received < turn.wanted)
		turn_receive();
}

static void turn_receive(void)
{
	size_t offset;
	void *buffer = memnet_pool_get(turn.pool, &offset);

	turn.bad |= !buffer || memnet_loop_recv(&turn.loop, turn.fd, memnet_pool_region(turn.pool), offset,
						turn.size, was_received, buffer);
}

static bool run_loop(struct memnet_context *ctx, unsigned int count, size_t size)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	unsigned int begun = 0;
	size_t offset;
	void *buffer;

	turn.pool = memnet_pool_create(ctx, 16, size, MEMNET_REGION_RECV);
	turn.fd = peer_open("echo");
	turn.size = size;
	turn.wanted = count;
	if (!turn.pool || turn.fd < 0 || memnet_loop_init(&turn.loop, ctx) ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, memnet_loop_fd(&turn.loop), &event))
		return false;
	turn_receive();
	turn_receive();
	while (!turn.bad && (turn.sent < count || turn.received < count)) {
		while (begun < count && (buffer = memnet_pool_get(turn.pool, &offset))) {
			memset(buffer, (int)begun++, size);
			turn.bad |= memnet_loop_send(&turn.loop, turn.fd, memnet_pool_region(turn.pool), offset,
						     size, was_sent, buffer);
		}
		if (epoll_wait(epoll, &event, 1, 20000) != 1)
			return false;
		memnet_loop_dispatch(&turn.loop);
	}
	printf("called back for %u sent and %u received\n", turn.sent, turn.received);
	return !turn.bad;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		TESTED_OPTIONS,
		{ "jobs", required_argument, NULL, 'n' },
		{ "size", required_argument, NULL, 's' },
		{ "loop", no_argument, NULL, 'l' },
		{ "wait", no_argument, NULL, 'w' },
		{ 0 }
	};
	unsigned int count = 200;
	bool loop = false, wait = false;
	struct memnet_context *ctx;
	struct memnet_pool *pool;
	size_t size = 100;
	int opt, fd;

	while ((opt = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (opt == 'n')
			count = (unsigned int)atoi(optarg);
		else if (opt == 's')
			size = (size_t)atoi(optarg);
		else if (opt == 'l')
			loop = true;
		else if (opt == 'w')
			wait = true;
		else if (!tested_option(opt, optarg))
			return usage();
	}
	if (optind < argc || !count || count > MAX_JOBS || !size || size > MAX_SIZE ||
	    !tested_complete("mnjobs"))
		return usage();
	ctx = memnet_context_open();
	pool = ctx && pool_is_strict(ctx) ? memnet_pool_create(ctx, count, size, 0) : NULL;
	if (!pool) {
		perror("mnjobs: memory");
		return 1;
	}
	if (loop)
		return !run_loop(ctx, count, size);
	fd = peer_open("sink");
	if (fd < 0 || !submit(ctx, fd, pool, count, size)) {
		perror("mnjobs: submit");
		return 1;
	}
	if (wait)
		return !wait_for(ctx, count, size);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) {
		printf("no seccomp here\n");
		fflush(stdout);
	}
	look(ctx, count, size);
	return 1;
}
