// SPDX-License-Identifier: GPL-2.0
/*
 * mnjobs: asynchronous sends whose ends are seen without a system call.
 *
 *	mnjobs [options] [--jobs N] [--size BYTES]
 *
 * Submits N jobs (200) of some bytes each (100), and then forbids itself every system call but
 * read, write and _exit (strict seccomp): who makes another is killed. What is left is
 * memnet_job_done() until all are over. Exit status 0: they were, with all their bytes.
 */
#include <getopt.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memnet.h"
#include "peer.h"
#include "tested.h"

#define MAX_JOBS 256
#define MAX_SIZE 4096
#define BATCH 16

static memnet_job jobs[MAX_JOBS];

static int usage(void)
{
	fprintf(stderr, "usage: mnjobs [options]\n" TESTED_USAGE
		"      --jobs N             how many, up to 256 (200)\n"
		"      --size BYTES         of each, up to 4096 (100)\n");
	return 2;
}

static bool submit(struct memnet_context *ctx, int fd, memnet_region region, unsigned int count,
		   size_t size)
{
	struct memnet_op ops[BATCH];
	unsigned int i, n, done = 0;
	int taken;

	while (done < count) {
		n = count - done < BATCH ? count - done : BATCH;
		memset(ops, 0, sizeof(ops));
		for (i = 0; i < n; i++) {
			ops[i].opcode = MEMNET_OP_SEND;
			ops[i].fd = fd;
			ops[i].region = region;
			ops[i].offset = (done + i) % 100;
			ops[i].len = size;
		}
		taken = memnet_submit(ctx, ops, n, jobs + done);
		if (taken <= 0)
			return false;
		done += taken;
	}
	return true;
}

/* From here on nothing may call the kernel. */
static void look(struct memnet_context *ctx, unsigned int count, size_t size)
{
	static const char good[] = "all over\n", bad[] = "a job failed\n";
	unsigned int i;
	ssize_t n;
	int ret;

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

int main(int argc, char **argv)
{
	static const struct option known[] = {
		TESTED_OPTIONS,
		{ "jobs", required_argument, NULL, 'n' },
		{ "size", required_argument, NULL, 's' },
		{ 0 }
	};
	static char memory[MAX_SIZE + 100];
	unsigned int count = 200;
	struct memnet_context *ctx;
	memnet_region region;
	size_t size = 100;
	int opt, fd;

	while ((opt = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (opt == 'n')
			count = (unsigned int)atoi(optarg);
		else if (opt == 's')
			size = (size_t)atoi(optarg);
		else if (!tested_option(opt, optarg))
			return usage();
	}
	if (optind < argc || !count || count > MAX_JOBS || !size || size > MAX_SIZE ||
	    !tested_complete("mnjobs"))
		return usage();
	ctx = memnet_context_open();
	if (!ctx || memnet_register_mem(ctx, memory, sizeof(memory), &region)) {
		perror("mnjobs: memory");
		return 1;
	}
	fd = peer_open("sink");
	if (fd < 0 || !submit(ctx, fd, region, count, size)) {
		perror("mnjobs: submit");
		return 1;
	}
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) {
		perror("mnjobs: seccomp");
		return 1;
	}
	look(ctx, count, size);
	return 1;
}
