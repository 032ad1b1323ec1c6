// SPDX-License-Identifier: GPL-2.0
/*
 * mnstream: bulk transfers with checksums over parallel streams.
 *
 * Each stream has a connection to mnpuppet ("duplex"), made by connect() or
 * accepted, a sender and a receiver. The sender sends pattern bytes in pieces
 * of random size by a random call, then the end of stream; the receiver
 * checks every byte that arrives, read the same way, and at the end the
 * peer's account of what it got. Seeds differ per stream, so that bytes of
 * one cannot pass for another's.
 *
 * --io block gives each sender and receiver a thread and blocking calls, or
 * several threads that take turns; --io epoll (the default) one edge-triggered
 * loop for all. --records has threads that do not take turns, each of which
 * sends or receives whole records; its streams are made by connect().
 *
 * At the end a line for each side says what was done: how many calls, how many
 * the thread made that made the fewest, how many jobs one thread submitted and
 * another saw the end of, or how often a loop found the pipeline full, and the
 * most bytes that an ordinary call, a direct one and a job moved; and of records
 * how many calls began while another of their direction was being made. Two
 * numbers are of sending and of receiving.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "stream.h"

static struct stream_options options = {
	.send = 64 << 20, .recv = 64 << 20, .streams = 1, .max = 262144,
	.threads = 2, .buffers = 8,
};

static int usage(void)
{
	fprintf(stderr,
		"usage: mnstream [options]\n"
		TESTED_USAGE
		"  -n, --streams N          parallel streams (1)\n"
		"  -s, --send BYTES         sent by all streams together (64M)\n"
		"  -r, --recv BYTES         received together (64M)\n"
		"      --each               these are for each stream\n"
		"      --side connect|accept|both   who makes it (both, in turn)\n"
		"      --io epoll|block     one loop, or threads of each stream\n"
		"      --threads N          of each, half of them each way (2)\n"
		"      --records            of --size, by threads that do not take turns\n"
		"      --size N             all calls of this size, not random\n"
		"      --max N              largest random size (256K)\n"
		"      --sendfile           send by sendfile()\n"
		"      --direct N           N of 4 sends are direct, from registered memory\n"
		"      --async N            N of 4 sends are asynchronous jobs\n"
		"      --recv-direct N      N of 4 receives are direct\n"
		"      --recv-async N       N of 4 receives are asynchronous jobs\n"
		"      --buffers N          each way, and so jobs at a time; fewer if large (8)\n"
		"      --seed N             repeat a run\n"
		"      --bound SECONDS      give up after this time (600)\n"
		"BYTES and N take K, M, G.\n");
	return 2;
}

static uint64_t number(const char *text)
{
	char *rest;
	uint64_t n = strtoull(text, &rest, 0);

	switch (*rest) {
	case 'G':
		n <<= 10;
		/* fallthrough */
	case 'M':
		n <<= 10;
		/* fallthrough */
	case 'K':
		n <<= 10;
	}
	return n;
}

static bool open_connect(struct stream *streams)
{
	unsigned int i;

	for (i = 0; i < options.streams; i++) {
		struct stream *s = &streams[i];

		if (options.records)
			s->fd = peer_open("echo");
		else
			s->fd = peer_open("duplex %llu %llu",
					  (unsigned long long)s->recv,
					  (unsigned long long)s->seed);
		if (s->fd < 0) {
			fprintf(stderr, "mnstream: connect: %m\n");
			return false;
		}
	}
	return true;
}

/* Which stream an accepted connection is: the caller's port tells. */
static bool accept_stream(int listener, struct stream *s, unsigned int port)
{
	char line[256], host[ADDR_TEXT], from[ADDR_TEXT];
	unsigned int called = 0, from_port = 0;
	socklen_t len = sizeof(union addr);
	union addr addr;

	if (peer_ask(line, sizeof(line), "call %s %u 1 -- duplex %llu %llu",
		     addr_text(&tested.local[tested.v6], host), port,
		     (unsigned long long)s->recv, (unsigned long long)s->seed) ||
	    sscanf(line, "called=%u failed=%*u err=%*d addr=%63s port=%u",
		   &called, from, &from_port) != 3 || called != 1) {
		fprintf(stderr, "mnstream: call: %m: %s\n", line);
		return false;
	}
	if (!wait_fd(listener, POLLIN, 20000))
		return false;
	s->fd = accept(listener, &addr.sa, &len);
	if (s->fd < 0 || addr_port(&addr) != from_port) {
		fprintf(stderr, "mnstream: accept: %m, port %u wanted %u\n",
			addr_port(&addr), from_port);
		return false;
	}
	return true;
}

static bool open_accept(struct stream *streams)
{
	int listener = tested_socket(SOCK_CLOEXEC);
	socklen_t len = sizeof(union addr);
	bool good = false;
	union addr addr;
	unsigned int i;

	addr_any(&addr, tested.v6, 0);
	if (bind(listener, &addr.sa, addr_len(&addr)) || listen(listener, 64) ||
	    getsockname(listener, &addr.sa, &len)) {
		fprintf(stderr, "mnstream: listen: %m\n");
		goto out;
	}
	for (i = 0; i < options.streams; i++)
		if (!accept_stream(listener, &streams[i], addr_port(&addr)))
			goto out;
	good = true;
out:
	close(listener);
	return good;
}

/* What all streams did together. */
struct totals {
	unsigned long long sent, received, writes, reads, least, handed;
	unsigned long long send_full, recv_full, send_overlaps, recv_overlaps;
	unsigned long long sent_most[KINDS], received_most[KINDS];
};

static void count(struct totals *t, const struct stream *s)
{
	unsigned int i;

	t->sent += s->sent;
	t->received += s->received;
	t->writes += s->writes;
	t->reads += s->reads;
	t->handed += s->leaving.handed + s->landing.handed;
	t->send_full += s->leaving.full;
	t->recv_full += s->landing.full;
	t->send_overlaps += s->overlaps[0];
	t->recv_overlaps += s->overlaps[1];
	if (s->least < t->least)
		t->least = s->least;
	for (i = 0; i < KINDS; i++) {
		if (s->sent_most[i] > t->sent_most[i])
			t->sent_most[i] = s->sent_most[i];
		if (s->received_most[i] > t->received_most[i])
			t->received_most[i] = s->received_most[i];
	}
}

static void account(const struct totals *t, bool accepted, long ms, unsigned int bad)
{
	static const char * const kinds[KINDS] = { "ordinary", "direct", "job" };
	unsigned int i;

	printf("stream side=%s io=%s streams=%u sent=%llu received=%llu writes=%llu reads=%llu",
	       accepted ? "accept" : "connect", options.block ? "block" : "epoll", options.streams,
	       t->sent, t->received, t->writes, t->reads);
	if (options.block)
		printf(" threads=%u least=%llu handed=%llu", options.threads,
		       t->least < UINT64_MAX ? t->least : 0, t->handed);
	else
		printf(" full=%llu/%llu", t->send_full, t->recv_full);
	for (i = 0; i < KINDS; i++)
		printf(" %s=%llu/%llu", kinds[i], t->sent_most[i], t->received_most[i]);
	if (options.records)
		printf(" overlaps=%llu/%llu", t->send_overlaps, t->recv_overlaps);
	printf(" seed=%llu ms=%ld bad=%u\n", (unsigned long long)options.seed, ms, bad);
	fflush(stdout);
}

static int run(bool accepted)
{
	struct stream *streams = calloc(options.streams, sizeof(*streams));
	struct totals totals = { .least = UINT64_MAX };
	long start = now_ms();
	unsigned int i, bad = 0;

	for (i = 0; i < options.streams; i++)
		stream_init(&streams[i], &options, i);
	if (accepted ? !open_accept(streams) : !open_connect(streams))
		bad = options.streams;
	else if (options.records)
		stream_run_records(streams, options.streams);
	else if (options.block)
		stream_run_threads(streams, options.streams);
	else
		stream_run_epoll(streams, options.streams);
	for (i = 0; i < options.streams; i++) {
		struct stream *s = &streams[i];

		if (s->why || !(options.records || stream_verify(s))) {
			bad++;
			fprintf(stderr,
				"mnstream: stream %u: %s (%s), sent %llu of %llu, received %llu of %llu\n",
				i, s->why ? s->why : "never ran",
				errno_name(s->err), (unsigned long long)s->sent,
				(unsigned long long)s->send,
				(unsigned long long)s->received,
				(unsigned long long)s->recv);
		}
		count(&totals, s);
		stream_exit(s);
	}
	free(streams);
	account(&totals, accepted, now_ms() - start, bad);
	return bad;
}

enum {
	EACH = 1, SIDE, IO, THREADS, RECORDS, SIZE, MAX, SENDFILE, SEND_DIRECT, SEND_ASYNC,
	RECV_DIRECT, RECV_ASYNC, BUFFERS, SEED, BOUND
};

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		TESTED_OPTIONS,
		{ "streams", required_argument, NULL, 'n' },
		{ "send", required_argument, NULL, 's' },
		{ "recv", required_argument, NULL, 'r' },
		{ "each", no_argument, NULL, EACH },
		{ "side", required_argument, NULL, SIDE },
		{ "io", required_argument, NULL, IO },
		{ "threads", required_argument, NULL, THREADS },
		{ "records", no_argument, NULL, RECORDS },
		{ "size", required_argument, NULL, SIZE },
		{ "max", required_argument, NULL, MAX },
		{ "sendfile", no_argument, NULL, SENDFILE },
		{ "direct", required_argument, NULL, SEND_DIRECT },
		{ "async", required_argument, NULL, SEND_ASYNC },
		{ "recv-direct", required_argument, NULL, RECV_DIRECT },
		{ "recv-async", required_argument, NULL, RECV_ASYNC },
		{ "buffers", required_argument, NULL, BUFFERS },
		{ "seed", required_argument, NULL, SEED },
		{ "bound", required_argument, NULL, BOUND },
		{ 0 }
	};
	bool connect_side = true, accept_side = true, each = false;
	unsigned int bound = 600;
	int opt, bad = 0;

	if (getrandom(&options.seed, sizeof(options.seed), 0) < 0)
		options.seed = now_ms();
	options.seed &= 0xffffffff;
	while ((opt = getopt_long(argc, argv, "n:s:r:", long_options,
				  NULL)) != -1) {
		switch (opt) {
		case 'n':
			options.streams = number(optarg);
			break;
		case 's':
			options.send = number(optarg);
			break;
		case 'r':
			options.recv = number(optarg);
			break;
		case EACH:
			each = true;
			break;
		case SIDE:
			connect_side = strcmp(optarg, "accept");
			accept_side = strcmp(optarg, "connect");
			break;
		case IO:
			options.block = !strcmp(optarg, "block");
			break;
		case THREADS:
			options.threads = (unsigned int)number(optarg);
			break;
		case RECORDS:
			options.records = true;
			break;
		case SIZE:
			options.size = number(optarg);
			break;
		case MAX:
			options.max = number(optarg);
			break;
		case SENDFILE:
			options.sendfile = true;
			break;
		case SEND_DIRECT:
			options.direct = (unsigned int)number(optarg);
			break;
		case SEND_ASYNC:
			options.async = (unsigned int)number(optarg);
			break;
		case RECV_DIRECT:
			options.recv_direct = (unsigned int)number(optarg);
			break;
		case RECV_ASYNC:
			options.recv_async = (unsigned int)number(optarg);
			break;
		case BUFFERS:
			options.buffers = (unsigned int)number(optarg);
			break;
		case SEED:
			options.seed = strtoull(optarg, NULL, 0);
			break;
		case BOUND:
			bound = number(optarg);
			break;
		default:
			if (!tested_option(opt, optarg))
				return usage();
		}
	}
	if (optind != argc || !options.streams || !options.max || !options.threads ||
	    options.threads % 2)
		return usage();
	if (options.records && (!options.block || options.size < 16 ||
				!(options.direct + options.async) ||
				!(options.recv_direct + options.recv_async)))
		return usage();
	if (options.records)
		accept_side = false;
	if (options.size > options.max)
		options.max = options.size;
	if (!each) {
		options.send /= options.streams;
		options.recv /= options.streams;
	}
	raise_fd_limit();
	alarm(bound);
	if (!tested_complete("mnstream") || !stream_prepare(&options))
		return 2;
	printf("# seed %llu\n", (unsigned long long)options.seed);
	fflush(stdout);
	if (connect_side)
		bad += run(false);
	if (accept_side)
		bad += run(true);
	return bad ? 1 : 0;
}
