// SPDX-License-Identifier: GPL-2.0
/*
 * mnlooks: bytes that are looked at as soon as the end of their job can be seen.
 *
 *	mnlooks [options] [--jobs N] [--seed N] [--bound SECONDS]
 *
 * N jobs (20000) receive 1 to 9000 bytes each from an echo: a hundred of them up to eight at a time,
 * the next hundred one by one. A single thread, kept on the last processor so that another can be
 * busy with them meanwhile, submits them, sends their bytes, and then does nothing but look at them,
 * one after another and again (memnet_job_done()): it neither waits nor yields. A buffer is wiped
 * before its job and compared when that is over, the last byte first, and what lies around it, too.
 *
 * An end counts as seen where two looks had nothing between them but others, the first found the job
 * under way and the second found it over: what tells of the end was then written while somebody
 * looked. Exit status 0: every byte was there, and a third of the ends were seen.
 */
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "memnet.h"
#include "pattern.h"
#include "peer.h"
#include "tested.h"

#define SLOTS	8
#define MOST	9000	/* bytes of a job */
#define ROOM	16384	/* of a slot: somewhere in it is the buffer */
#define WIPED	0xee
#define TURNS	100	/* jobs, before it is the other number at a time */

static struct slot {
	memnet_job job;
	size_t at, size;	/* in the slot's room */
	unsigned long spell;	/* in which it was seen under way last */
	unsigned char want[MOST];
} slots[SLOTS];

static unsigned char room[SLOTS][ROOM] __attribute__((aligned(4096)));

static struct memnet_context *ctx;
static memnet_region region;
static int fd;
static uint64_t seed, random_state, pos;
static unsigned long spell = 1;	/* looks with nothing between them */
static unsigned int seen;

static int usage(void)
{
	fprintf(stderr, "usage: mnlooks [options]\n" TESTED_USAGE
		"      --jobs N             how many (20000)\n"
		"      --seed N             repeat a run\n"
		"      --bound SECONDS      give up after this time (600)\n");
	return 2;
}

static void stay_on_last_processor(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((int)sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		perror("mnlooks: processor");
}

/* A job, and then its bytes on their way to it. */
static bool begin(unsigned int i)
{
	struct slot *s = &slots[i];

	spell++;
	s->spell = 0;
	s->size = random_range(&random_state, 1, MOST);
	s->at = random_range(&random_state, 1, ROOM - MOST - 1);
	pattern_fill(seed, pos, s->want, s->size);
	pos += s->size;
	memset(room[i], WIPED, ROOM);
	return !memnet_async_recv(ctx, fd, region, i * ROOM + s->at, s->size, MEMNET_OP_WAITALL,
				  &s->job) &&
	       !write_all(fd, s->want, s->size);
}

/* The last byte is the last that was written. */
static bool is_there(unsigned int i, ssize_t n)
{
	const volatile unsigned char *got = room[i];
	const struct slot *s = &slots[i];

	return n == (ssize_t)s->size && got[s->at + s->size - 1] == s->want[s->size - 1] &&
	       !memcmp(&room[i][s->at], s->want, s->size) && got[s->at - 1] == WIPED &&
	       got[s->at + s->size] == WIPED;
}

/* 1 if it is over, with its bytes; 0 if it is under way, or there is none. */
static int look(unsigned int i)
{
	struct slot *s = &slots[i];
	ssize_t n = 0;
	int ret;

	if (!s->job)
		return 0;
	ret = memnet_job_done(ctx, s->job, &n);
	if (!ret) {
		s->spell = spell;
		return 0;
	}
	if (ret < 0 || !is_there(i, n)) {
		printf("job of %zu bytes at %zu of slot %u: %d, %zd bytes, not what was sent\n", s->size,
		       s->at, i, ret, n);
		return -1;
	}
	seen += s->spell == spell;
	s->job = 0;
	return 1;
}

static bool run(unsigned int jobs)
{
	unsigned int begun = 0, over = 0, i;
	int ret;

	while (over < jobs) {
		for (i = 0; i < SLOTS; i++) {
			ret = look(i);
			if (ret < 0)
				return false;
			over += (unsigned int)ret;
		}
		/* When all have been looked at: what is done here is long. */
		for (i = 0; i < (begun / TURNS % 2 ? 1 : SLOTS) && begun < jobs; i++) {
			if (slots[i].job)
				continue;
			if (!begin(i)) {
				perror("mnlooks: submit");
				return false;
			}
			begun++;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		TESTED_OPTIONS,
		{ "jobs", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "bound", required_argument, NULL, 'b' },
		{ 0 }
	};
	unsigned int jobs = 20000, bound = 600;
	int opt, on = 1;
	bool good;

	if (getrandom(&seed, sizeof(seed), 0) < 0)
		seed = (uint64_t)now_ms();
	seed &= 0xffffffff;
	while ((opt = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (opt == 'n')
			jobs = (unsigned int)atoi(optarg);
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 'b')
			bound = (unsigned int)atoi(optarg);
		else if (!tested_option(opt, optarg))
			return usage();
	}
	if (optind < argc || !jobs || !tested_complete("mnlooks"))
		return usage();
	alarm(bound);
	random_state = seed;
	printf("# seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	ctx = memnet_context_open();
	if (!ctx || memnet_register_recv(ctx, room, sizeof(room), &region)) {
		perror("mnlooks: memory");
		return 1;
	}
	fd = peer_open("echo");
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))) {
		perror("mnlooks: connect");
		return 1;
	}
	stay_on_last_processor();
	good = run(jobs);
	printf("looks jobs=%u seen=%u bytes=%llu seed=%llu\n", jobs, seen, (unsigned long long)pos,
	       (unsigned long long)seed);
	return !good || seen < jobs / 3;
}
