// SPDX-License-Identifier: GPL-2.0
/*
 * The command line, the connection and the memory of mnsend and mnrecv; see load.h.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "load.h"
#include "processor.h"
#include "tested.h"

bool failed(struct load *l, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", l->program->name, what, strerror(errno));
	return false;
}

void count_to(unsigned long n)
{
	while (n--)
		__asm__ volatile ("" : "+r"(n));
}

/* Switches to another process because there was nothing to do. */
static long slept(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw;
}

static bool set_up(struct load *l)
{
	size_t len;
	int ret = 0;

	l->slots = l->call->jobs ? jobs_max(l) : 1;
	len = l->slots * l->size;
	l->buffer = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (l->buffer == MAP_FAILED)
		return failed(l, "mmap");
	if (l->call->memory == PLAIN)
		return true;
	l->ctx = memnet_context_open();
	if (!l->ctx)
		return failed(l, "memnet_context_open");
	if (l->call->memory == REGISTERED)
		ret = memnet_register_mem(l->ctx, l->buffer, len, &l->region);
	else
		ret = memnet_register_recv(l->ctx, l->buffer, len, &l->region);
	return !ret || failed(l, "registering memory");
}

static bool connected(struct load *l)
{
	l->fd = l->program->open(l);
	if (l->fd < 0 || setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)))
		return failed(l, "connect");
	return true;
}

static bool operate(struct load *l)
{
	long before;

	if (!processor_enter())
		return failed(l, "processor");
	before = slept();
	if (!l->call->run(l))
		return false;
	before = slept() - before;
	if (!processor_leave())
		return failed(l, "processor");
	printf("slept=%ld\n", before);
	return true;
}

static bool run(struct load *l)
{
	return set_up(l) && connected(l) && operate(l) && l->program->complete(l);
}

static const struct call *call_of(const struct program *program, const char *name)
{
	const struct call *call;

	for (call = program->calls; call->name; call++)
		if (!strcmp(call->name, name))
			return call;
	return NULL;
}

static int usage(const struct program *program)
{
	const struct call *call;

	fprintf(stderr, "usage: %s [options] CALL SIZE COUNT [BATCH [PAUSE [MS]]]\nCALL:",
		program->name);
	for (call = program->calls; call->name; call++)
		fprintf(stderr, " %s", call->name);
	fprintf(stderr, "\n" TESTED_USAGE PROCESSOR_USAGE);
	return 2;
}

int load_main(const struct program *program, int argc, char **argv)
{
	static const struct option options[] = { TESTED_OPTIONS, PROCESSOR_OPTION, { NULL } };
	struct load l = { .program = program, .batch = 1 };
	int opt;

	while ((opt = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (opt == 'O')
			processor = atoi(optarg);
		else if (!tested_option(opt, optarg))
			return usage(program);
	argc -= optind;
	argv += optind;
	if (argc < 3 || argc > 6)
		return usage(program);
	l.call = call_of(program, argv[0]);
	l.size = strtoul(argv[1], NULL, 0);
	l.count = strtoul(argv[2], NULL, 0);
	if (argc > 3)
		l.batch = strtoul(argv[3], NULL, 0);
	if (argc > 4)
		l.pause = strtoul(argv[4], NULL, 0);
	if (argc > 5)
		l.ms = strtoul(argv[5], NULL, 0);
	if (!l.call || !l.size || !l.count || !l.batch || l.batch > BATCH_MAX)
		return usage(program);
	if (l.call->alone)
		return !operate(&l);
	if (!tested_complete(program->name))
		return 2;
	return !run(&l);
}
