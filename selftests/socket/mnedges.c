// SPDX-License-Identifier: GPL-2.0
/*
 * mnedges: is any wake-up lost, by edge-triggered epoll?
 *
 *	mnedges [options] [--events N] [--seed S] [--stall SECONDS]
 *
 * Pairs of threads have sixteen sockets each, to echoes. The writer has a set of them for EPOLLOUT,
 * the reader another for EPOLLIN. A socket's turn goes round: the writer sends a burst, mostly of
 * some bytes, now and then of more than its send buffer takes, in short writes until EAGAIN; the
 * reader reads in short pieces until EAGAIN and checks every byte; with the last one of the burst
 * the turn is the writer's again. Bursts of all sockets are under way together, but of each socket
 * one at a time. So each event is acted on, and each byte is waited for by one who has been told
 * that there was none: a socket with bytes under way on which nothing moves any more was not told
 * of something. That is printed with what poll() says of it, and the seed.
 *
 * Threads look every now and then whether it is over, but do nothing else then: what is late is not
 * found by chance. Exit status 0: so many events came, and all bytes came back.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "net.h"
#include "pattern.h"
#include "peer.h"
#include "tested.h"

#define PAIRS	8
#define EACH	16	/* sockets of a pair */
#define BATCH	8	/* events taken at a time, at most */
#define PIECE	9000	/* bytes of a call, at most */

/* @want is the writer's, @got the reader's; the turn says which of them may change. */
struct edge {
	int fd;
	uint64_t seed;		/* of its bytes */
	bool turn;		/* the writer's; passed with the last byte of a burst */
	uint64_t want;		/* where the burst ends */
	uint64_t sent, got;
	long moved;		/* ms, when a byte was sent or came last */
	unsigned int in, out;	/* the latest events that its sets told of */
};

struct pair {
	struct edge edges[EACH];
	int wake;		/* eventfd: a turn was passed */
	int in, out;		/* the sets */
	uint64_t seed;		/* of the writer's choices; the reader's is next to it */
	bool done;		/* the writer has ended: no more bursts */
	pthread_t writer, reader;
};

static struct pair pairs[PAIRS];
static uint64_t events, bursts, bytes, full;
static bool over;	/* no more bursts */

#define GET(what) __atomic_load_n(&(what), __ATOMIC_ACQUIRE)
#define SET(what, to) __atomic_store_n(&(what), to, __ATOMIC_RELEASE)
#define COUNT(what, n) __atomic_fetch_add(&(what), n, __ATOMIC_RELAXED)

/*
 * A guest's clock is a device, and reading it costs as much as a call of the socket. This one is as
 * old as the last tick.
 */
static long tick_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * 1000L + ts.tv_nsec / 1000000;
}

static void die(const struct edge *e, const char *what)
{
	fprintf(stderr, "mnedges: socket %d: %s: %m\n", e->fd, what);
	exit(1);
}

static void watch(int ep, int fd, uint32_t what, struct edge *e)
{
	struct epoll_event event = { .events = what | EPOLLET, .data.ptr = e };

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event)) {
		perror("mnedges: epoll_ctl");
		exit(1);
	}
}

/* ---- the writer ---- */

static void send_burst(struct edge *e, uint64_t *seed)
{
	char buf[PIECE];

	while (e->sent < e->want) {
		size_t n = random_range(seed, 1, PIECE);
		ssize_t done;

		if (n > e->want - e->sent)
			n = e->want - e->sent;
		pattern_fill(e->seed, e->sent, buf, n);
		done = send(e->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (done < 0 && errno == EAGAIN) {
			COUNT(full, 1);
			return;
		}
		if (done <= 0)
			die(e, "send");
		SET(e->sent, e->sent + done);
		SET(e->moved, tick_ms());
	}
}

static void start_burst(struct edge *e, uint64_t *seed)
{
	uint64_t len = random_range(seed, 1, 16);

	if (!random_range(seed, 0, 63))
		len = random_range(seed, 1, 60000);
	SET(e->moved, tick_ms());
	SET(e->want, e->want + len);
	COUNT(bursts, 1);
	COUNT(bytes, len);
	send_burst(e, seed);
}

static void *writes(void *arg)
{
	struct epoll_event got[BATCH];
	struct pair *p = arg;
	uint64_t seed = p->seed, none;
	int i, j, n;

	while (!GET(over)) {
		n = epoll_wait(p->out, got, (int)random_range(&seed, 1, BATCH), 500);
		for (i = 0; i < n; i++) {
			struct edge *e = got[i].data.ptr;

			if (e) {
				e->out = got[i].events;
				COUNT(events, 1);
				send_burst(e, &seed);
				continue;
			}
			if (read(p->wake, &none, sizeof(none)) < 0)
				continue;
			for (j = 0; j < EACH; j++)
				if (__atomic_exchange_n(&p->edges[j].turn, false, __ATOMIC_ACQ_REL))
					start_burst(&p->edges[j], &seed);
		}
	}
	/* what is under way is finished */
	for (;;) {
		bool left = false;

		for (j = 0; j < EACH; j++)
			left |= p->edges[j].sent < p->edges[j].want;
		if (!left)
			break;
		n = epoll_wait(p->out, got, BATCH, 500);
		for (i = 0; i < n; i++)
			if (got[i].data.ptr)
				send_burst(got[i].data.ptr, &seed);
	}
	SET(p->done, true);
	return NULL;
}

/* ---- the reader ---- */

/* True when the turn is the writer's, who is to be woken for it. */
static bool read_burst(struct edge *e, uint64_t *seed)
{
	bool passed = false;
	char buf[PIECE];

	for (;;) {
		size_t n = random_range(seed, 0, 3) ? random_range(seed, 1, 20) : PIECE;
		ssize_t done = recv(e->fd, buf, n, MSG_DONTWAIT);

		if (done < 0 && errno == EAGAIN)
			return passed;
		if (done <= 0)
			die(e, "recv");
		if (pattern_check(e->seed, e->got, buf, (size_t)done) >= 0)
			die(e, "a wrong byte");
		SET(e->moved, tick_ms());
		SET(e->got, e->got + done);
		if (e->got == GET(e->want)) {
			SET(e->turn, true);
			passed = true;
		}
	}
}

/* No byte is under way, and none will be. */
static bool pair_over(const struct pair *p)
{
	int i;

	if (!GET(p->done))
		return false;
	for (i = 0; i < EACH; i++)
		if (GET(p->edges[i].got) != GET(p->edges[i].want))
			return false;
	return true;
}

static void *reads(void *arg)
{
	struct epoll_event got[BATCH];
	struct pair *p = arg;
	uint64_t seed = p->seed + 1, turns;
	int i, n;

	while (!pair_over(p)) {
		n = epoll_wait(p->in, got, (int)random_range(&seed, 1, BATCH), 500);
		for (i = 0, turns = 0; i < n; i++) {
			struct edge *e = got[i].data.ptr;

			e->in = got[i].events;
			COUNT(events, 1);
			turns += read_burst(e, &seed);
		}
		if (turns && write(p->wake, &turns, sizeof(turns)) != sizeof(turns)) {
			perror("mnedges: eventfd");
			exit(1);
		}
	}
	return NULL;
}

/* ---- the whole ---- */

static bool pair_open(struct pair *p, uint64_t seed)
{
	uint64_t one = 1;
	int i, size = 1;	/* the least there can be */

	p->seed = seed;
	p->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	p->in = epoll_create1(EPOLL_CLOEXEC);
	p->out = epoll_create1(EPOLL_CLOEXEC);
	if (p->wake < 0 || p->in < 0 || p->out < 0)
		return false;
	watch(p->out, p->wake, EPOLLIN, NULL);
	for (i = 0; i < EACH; i++) {
		struct edge *e = &p->edges[i];

		e->fd = peer_open("echo");
		if (e->fd < 0)
			return false;
		/* of half of them the send buffer is full soon */
		if (i & 1 && setsockopt(e->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)))
			return false;
		e->seed = seed + (uint64_t)i;
		e->turn = true;
		watch(p->out, e->fd, EPOLLOUT, e);
		watch(p->in, e->fd, EPOLLIN | EPOLLRDHUP, e);
	}
	return write(p->wake, &one, sizeof(one)) == sizeof(one);
}

static void lost(struct edge *e, long ms)
{
	int now = wait_fd(e->fd, POLLIN | POLLOUT | POLLRDHUP, 0), unread = -1, unsent = -1;

	ioctl(e->fd, SIOCINQ, &unread);
	ioctl(e->fd, SIOCOUTQ, &unsent);
	printf("lost: socket %d for %ld ms: burst to %llu, sent %llu, came back %llu; ", e->fd, ms,
	       (unsigned long long)GET(e->want), (unsigned long long)GET(e->sent),
	       (unsigned long long)GET(e->got));
	printf("poll %#x, unread %d, unsent %d; told in %#x, out %#x\n", (unsigned int)now, unread,
	       unsent, e->in, e->out);
}

/* True if bytes are under way somewhere that do not move. */
static bool stalled(long stall)
{
	bool any = false;
	int i, j;

	for (i = 0; i < PAIRS; i++) {
		for (j = 0; j < EACH; j++) {
			struct edge *e = &pairs[i].edges[j];
			long ms = tick_ms() - GET(e->moved);

			if (GET(e->got) == GET(e->want) || ms < stall)
				continue;
			lost(e, ms);
			any = true;
		}
	}
	return any;
}

static bool all_over(void)
{
	int i;

	for (i = 0; i < PAIRS; i++)
		if (!pair_over(&pairs[i]))
			return false;
	return true;
}

static int usage(void)
{
	fprintf(stderr, "usage: mnedges [options] [--events N] [--seed S] [--stall SECONDS]\n"
		TESTED_USAGE);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		TESTED_OPTIONS,
		{ "events", required_argument, NULL, 'e' },
		{ "seed", required_argument, NULL, 's' },
		{ "stall", required_argument, NULL, 't' },
		{ 0 }
	};
	uint64_t wanted = 20000, seed = (uint64_t)now_ms();
	long start, stall = 10000;
	int opt, i;

	while ((opt = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (opt == 'e')
			wanted = strtoull(optarg, NULL, 0);
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 't')
			stall = atol(optarg) * 1000;
		else if (!tested_option(opt, optarg))
			return usage();
	}
	if (optind != argc || !tested_complete("mnedges"))
		return usage();
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	for (i = 0; i < PAIRS; i++) {
		if (!pair_open(&pairs[i], seed + 1000 * (uint64_t)i)) {
			perror("mnedges: sockets");
			return 1;
		}
	}
	start = now_ms();
	for (i = 0; i < PAIRS; i++) {
		struct pair *p = &pairs[i];

		if (pthread_create(&p->writer, NULL, writes, p) ||
		    pthread_create(&p->reader, NULL, reads, p)) {
			fprintf(stderr, "mnedges: no thread\n");
			return 1;
		}
	}
	while (!all_over()) {
		nap_ms(50);
		if (GET(events) >= wanted)
			SET(over, true);
		if (stalled(stall))
			return 1;
	}
	for (i = 0; i < PAIRS; i++) {
		pthread_join(pairs[i].writer, NULL);
		pthread_join(pairs[i].reader, NULL);
	}
	printf("edges events=%llu bursts=%llu bytes=%llu full=%llu ms=%ld\n",
	       (unsigned long long)events, (unsigned long long)bursts, (unsigned long long)bytes,
	       (unsigned long long)full, now_ms() - start);
	return 0;
}
