// SPDX-License-Identifier: GPL-2.0
/*
 * mnrounds: jobs one after another, for who counts what each of them costs.
 *
 *	mnrounds [options] [--size BYTES] [--landing] [--sleep] [--other|--own]
 *
 * Reads from its input how many jobs to do, a line at a time, does them on a socket to a sink, and
 * says that it has, and how often it slept meanwhile; 0 ends it. A job is submitted when the one
 * before is over, which is seen by looking. With --landing the socket is one to an echo: each job
 * that sends has one that receives the same bytes, submitted before it, and they are compared.
 * With --sleep it does not look but waits in the kernel. While a job is under way --other registers
 * memory that has nothing to do with it and deregisters that; --own deregisters the job's.
 *
 * Without these three nothing is allowed to it, once it says "ready", but to submit, read, write,
 * and ask how often it slept (a seccomp filter, or it says that there is none): who makes another
 * system call is killed. Exit status 0: the jobs were over, with all their bytes.
 */
#include <getopt.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memnet.h"
#include "pattern.h"
#include "peer.h"
#include "tested.h"

#define PAGE 4096

/* What is sent, what is received to, and what nobody asks for. */
static unsigned char memory[3][PAGE] __attribute__((aligned(PAGE)));

static struct {
	bool landing, sleep, other, own;
	size_t size;
} options = { .size = 1024 };

static struct memnet_context *ctx;
static memnet_region region;
static int fd;

static int usage(void)
{
	fprintf(stderr, "usage: mnrounds [options]\n" TESTED_USAGE
		"      --size BYTES         of each job, up to 4096 (1024)\n"
		"      --landing            receive what is sent\n"
		"      --sleep              for the end of each\n"
		"      --other              deregister other memory meanwhile\n"
		"      --own                deregister the job's memory meanwhile\n");
	return 2;
}

/* stdio would call the kernel for more than that. */
static void say(const char *text)
{
	size_t len = strlen(text);

	if (write(1, text, len) != (ssize_t)len)
		_exit(1);
}

/* A line with a number; 0 at the end of the input. */
static unsigned int read_number(void)
{
	unsigned int n = 0;
	char c;

	while (read(0, &c, 1) == 1 && c != '\n')
		n = 10 * n + (unsigned int)(c - '0');
	return n;
}

/* Switches to another process because there was nothing to do. */
static long slept(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw;
}

static bool confine(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 7, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrusage, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MEMNET_IOC_SUBMIT, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static bool is_over(memnet_job job)
{
	ssize_t n;
	int ret;

	if (options.sleep)
		ret = memnet_job_wait(ctx, job, NULL, &n) ? -1 : 1;
	else
		do
			ret = memnet_job_done(ctx, job, &n);
		while (!ret);
	return ret == 1 && n == (ssize_t)options.size;
}

/* The @number-th job, to its end. */
static bool one(unsigned int number)
{
	memnet_region from = region, other;
	memnet_job sent, landed = 0;

	pattern_fill(number, 0, memory[0], options.size);
	if (options.landing) {
		memset(memory[1], 0xee, options.size);
		if (memnet_async_recv(ctx, fd, region, PAGE, options.size, MEMNET_OP_WAITALL,
				      &landed))
			return false;
	}
	if (options.own && memnet_register_mem(ctx, memory[0], PAGE, &from))
		return false;
	if (memnet_async_send(ctx, fd, from, 0, options.size, 0, &sent))
		return false;
	if (options.other && (memnet_register_mem(ctx, memory[2], PAGE, &other) ||
			      memnet_deregister_mem(ctx, other)))
		return false;
	if (options.own && memnet_deregister_mem(ctx, from))
		return false;
	return is_over(sent) && (!options.landing || (is_over(landed) &&
						      !memcmp(memory[0], memory[1], options.size)));
}

static int rounds(void)
{
	unsigned int number = 0, n, i;
	char text[100];
	long before;

	while ((n = read_number())) {
		before = slept();
		for (i = 0; i < n; i++) {
			if (!one(number++)) {
				say("a job failed\n");
				return 1;
			}
		}
		snprintf(text, sizeof(text), "did %u jobs and slept %ld times\n", n,
			 slept() - before);
		say(text);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		TESTED_OPTIONS,
		{ "size", required_argument, NULL, 's' },
		{ "landing", no_argument, NULL, 'l' },
		{ "sleep", no_argument, NULL, 'w' },
		{ "other", no_argument, NULL, 'o' },
		{ "own", no_argument, NULL, 'm' },
		{ 0 }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (opt == 's')
			options.size = (size_t)atoi(optarg);
		else if (opt == 'l')
			options.landing = true;
		else if (opt == 'w')
			options.sleep = true;
		else if (opt == 'o')
			options.other = true;
		else if (opt == 'm')
			options.own = true;
		else if (!tested_option(opt, optarg))
			return usage();
	}
	if (optind < argc || !options.size || options.size > PAGE || !tested_complete("mnrounds"))
		return usage();
	ctx = memnet_context_open();
	/* So that they are pages of their own, and not the one of zeros. */
	memset(memory, 0xee, sizeof(memory));
	if (!ctx || (options.landing ? memnet_register_recv(ctx, memory, 2 * PAGE, &region) :
				       memnet_register_mem(ctx, memory, PAGE, &region))) {
		perror("mnrounds: memory");
		return 1;
	}
	fd = peer_open(options.landing ? "echo" : "sink");
	if (fd < 0) {
		perror("mnrounds: connect");
		return 1;
	}
	if (options.sleep || options.other || options.own || confine())
		say("ready\n");
	else
		say("ready, no seccomp here\n");
	_exit(rounds());
}
