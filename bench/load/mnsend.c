// SPDX-License-Identifier: GPL-2.0
/*
 * mnsend: one connection that sends.
 *
 *	mnsend [options] CALL SIZE COUNT [BATCH [PAUSE]]
 *
 * COUNT pieces of SIZE bytes to mnpuppet, which must have got them all, with TCP_NODELAY; after
 * each it counts to PAUSE (0), so that what it sent has left before the next. CALL is
 *
 *	send		send()
 *	zerocopy	send() with MSG_ZEROCOPY, the notifications read in between
 *	direct		memnet_send_direct()
 *	async		jobs, BATCH (1, up to 16) of them submitted by one call; when 64 of them or
 *			1 MiB is under way it waits until the older half is over
 *	busy		nothing is sent: COUNT times SIZE is counted to
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>

#include "memnet.h"
#include "peer.h"
#include "tested.h"

#define FLIGHT_BYTES	(1 << 20)
#define FLIGHT_MAX	64
#define FLIGHT_MIN	16

struct load {
	int fd;
	char *buffer;
	size_t size;
	unsigned long count;
	unsigned int batch;
	unsigned long pause;
	struct memnet_context *ctx;
	memnet_region region;
};

static bool failed(const char *what)
{
	fprintf(stderr, "mnsend: %s: %s\n", what, strerror(errno));
	return false;
}

static void count_to(unsigned long n)
{
	while (n--)
		__asm__ volatile ("" : "+r"(n));
}

static bool by_send(struct load *l)
{
	unsigned long i;

	for (i = 0; i < l->count; i++, count_to(l->pause))
		if (write_all(l->fd, l->buffer, l->size))
			return failed("send");
	return true;
}

/* Reads what notifications there are; how many sends they end, or -1. */
static long notified(int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(struct sock_extended_err) + 128)];
		struct cmsghdr align;
	} control;
	struct sock_extended_err *err;
	struct msghdr msg = { .msg_control = &control, .msg_controllen = sizeof(control) };
	long n = 0;

	while (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0) {
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

		if (!c)
			return -1;
		err = (struct sock_extended_err *)CMSG_DATA(c);
		if (err->ee_errno || err->ee_origin != SO_EE_ORIGIN_ZEROCOPY)
			return -1;
		n += err->ee_data - err->ee_info + 1;
		msg.msg_controllen = sizeof(control);
	}
	return errno == EAGAIN ? n : -1;
}

static bool by_zerocopy(struct load *l)
{
	unsigned long i, sends = 0, ended = 0;
	int on = 1;
	ssize_t n;
	long got;
	size_t done;

	if (setsockopt(l->fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		return failed("SO_ZEROCOPY");
	for (i = 0; i < l->count; i++, count_to(l->pause)) {
		for (done = 0; done < l->size; done += n, sends++) {
			n = send(l->fd, l->buffer + done, l->size - done, MSG_ZEROCOPY);
			if (n < 0)
				return failed("send");
		}
		if (i % 16 == 15) {
			got = notified(l->fd);
			if (got < 0)
				return failed("notification");
			ended += got;
		}
	}
	while (ended < sends) {
		got = notified(l->fd);
		if (got < 0 || (!got && !(wait_fd(l->fd, 0, 10000) & POLLERR)))
			return failed("notification");
		ended += got;
	}
	return true;
}

static bool by_direct(struct load *l)
{
	unsigned long i;

	for (i = 0; i < l->count; i++, count_to(l->pause))
		if (memnet_send_direct(l->ctx, l->fd, l->region, 0, l->size, 0) != (ssize_t)l->size)
			return failed("memnet_send_direct");
	return true;
}

/* The jobs under way, the oldest first. */
struct flight {
	memnet_job jobs[FLIGHT_MAX];
	unsigned int n;
};

/* Each job has sent all. */
static bool sent_all(struct load *l, ssize_t result)
{
	errno = result < 0 ? -result : EIO;
	return result == (ssize_t)l->size || failed("job");
}

/* Jobs end in order: when the last of the oldest @n is over, so are the others. */
static bool land(struct load *l, struct flight *f, unsigned int n)
{
	unsigned int i;
	ssize_t result;

	if (memnet_job_wait(l->ctx, f->jobs[n - 1], NULL, &result))
		return failed("memnet_job_wait");
	if (!sent_all(l, result))
		return false;
	for (i = 0; i < n - 1; i++) {
		if (memnet_job_done(l->ctx, f->jobs[i], &result) != 1)
			return failed("memnet_job_done");
		if (!sent_all(l, result))
			return false;
	}
	f->n -= n;
	memmove(f->jobs, f->jobs + n, f->n * sizeof(f->jobs[0]));
	return true;
}

/* Submits one job, or up to l->batch; how many were taken, or 0 having said why none was. */
static unsigned int submit(struct load *l, struct memnet_batch *batch, unsigned long left, memnet_job *jobs)
{
	int taken;

	if (l->batch == 1) {
		if (!memnet_async_send(l->ctx, l->fd, l->region, 0, l->size, 0, jobs))
			return 1;
		failed("memnet_async_send");
		return 0;
	}
	while (batch->n < l->batch && batch->n < left)
		memnet_batch_send(batch, l->fd, l->region, 0, l->size, 0);
	taken = memnet_batch_submit(l->ctx, batch, jobs);
	if (taken < 0)
		failed("memnet_batch_submit");
	return taken < 0 ? 0 : taken;
}

static bool by_async(struct load *l)
{
	unsigned int max = FLIGHT_BYTES / l->size, taken;
	struct flight f = { .n = 0 };
	struct memnet_batch batch = { .n = 0 };
	unsigned long i;

	max = max > FLIGHT_MAX ? FLIGHT_MAX : max < FLIGHT_MIN ? FLIGHT_MIN : max;
	for (i = 0; i < l->count; i += taken) {
		while (f.n + l->batch > max)
			if (!land(l, &f, f.n < max / 2 ? f.n : max / 2))
				return false;
		taken = submit(l, &batch, l->count - i, f.jobs + f.n);
		if (!taken)
			return false;
		f.n += taken;
		count_to(taken * l->pause);
	}
	return !f.n || land(l, &f, f.n);
}

static bool by_nothing(struct load *l)
{
	unsigned long i;

	for (i = 0; i < l->count; i++)
		count_to(l->size);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(struct load *l);
	bool registered;
} calls[] = {
	{ "send", by_send },
	{ "zerocopy", by_zerocopy },
	{ "direct", by_direct, true },
	{ "async", by_async, true },
	{ "busy", by_nothing },
};

static bool set_up(struct load *l, bool registered)
{
	l->buffer = mmap(NULL, l->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (l->buffer == MAP_FAILED)
		return failed("mmap");
	if (!registered)
		return true;
	l->ctx = memnet_context_open();
	if (!l->ctx || memnet_register_mem(l->ctx, l->buffer, l->size, &l->region))
		return failed("memnet_register_mem");
	return true;
}

/* The peer has all of it. */
static bool complete(struct load *l)
{
	struct result result;
	char line[256];

	if (shutdown(l->fd, SHUT_WR) || read_line(l->fd, line, sizeof(line), 60000) < 0)
		return failed("answer");
	errno = EIO;
	if (result_parse(&result, line) || result.in != l->count * l->size)
		return failed("answer");
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { TESTED_OPTIONS, { NULL } };
	struct load l = { .batch = 1 };
	unsigned int i;
	int opt;

	while ((opt = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (!tested_option(opt, optarg))
			goto usage;
	argv += optind;
	argc -= optind;
	if (argc < 3 || argc > 5)
		goto usage;
	l.size = strtoul(argv[1], NULL, 0);
	l.count = strtoul(argv[2], NULL, 0);
	if (argc > 3)
		l.batch = strtoul(argv[3], NULL, 0);
	if (argc > 4)
		l.pause = strtoul(argv[4], NULL, 0);
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(argv[0], calls[i].name))
			break;
	if (i == sizeof(calls) / sizeof(calls[0]) || !l.size || !l.count || !l.batch ||
	    l.batch > FLIGHT_MIN)
		goto usage;
	if (calls[i].run == by_nothing)
		return !by_nothing(&l);
	if (!tested_complete("mnsend"))
		return 2;
	l.fd = peer_open("sink");
	if (l.fd < 0 || setsockopt(l.fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)))
		return !failed("connect");
	if (!set_up(&l, calls[i].registered) || !calls[i].run(&l) || !complete(&l))
		return 1;
	return 0;

usage:
	fprintf(stderr,
		"usage: mnsend [options] send|zerocopy|direct|async|busy SIZE COUNT [BATCH [PAUSE]]\n"
		TESTED_USAGE);
	return 2;
}
