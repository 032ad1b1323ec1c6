// SPDX-License-Identifier: GPL-2.0
/*
 * Who makes the steps of the streams: one edge-triggered loop for all, or
 * threads of each stream.
 *
 * In the loop a stream goes on until both its calls would block. To be fair
 * each turn is bounded, and a stream that could go on is visited again. A
 * stream that waits for a job is visited when any job has ended; the loop
 * itself never waits for one. Only a direct send keeps it, as it does on every
 * socket, until the node's TCP has taken all; the peer reads whatever we do.
 *
 * The threads of one direction take turns, a step each, so that each makes
 * calls on the socket, and one waits for the jobs that another submitted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "stream.h"

/* Steps until both would block, but not too many; whether more is to be done. */
static bool visit(struct stream *s)
{
	bool sent = true, received = true;
	int budget = 16;

	s->waits = false;
	while (budget-- && (sent || received)) {
		sent = sent && stream_send(s);
		received = received && stream_recv(s);
	}
	return sent || received;
}

static void watch(int ep, int fd, uint32_t events, uint32_t number)
{
	struct epoll_event event = { .events = events, .data.u32 = number };

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event)) {
		perror("mnstream: epoll");
		exit(2);
	}
}

/* Sleeps, if there is nothing to do, until there is; false: there is nothing for too long. */
static bool wait_events(int ep, struct stream *streams, bool *hot, unsigned int count, bool busy)
{
	struct epoll_event events[64];
	int n = epoll_wait(ep, events, 64, busy ? 0 : 60000);
	uint64_t ended;
	unsigned int i;

	if (!n && !busy)
		return false;
	while (n-- > 0) {
		if (events[n].data.u32 < count) {
			hot[events[n].data.u32] = true;
			continue;
		}
		/* Read before looking: what ends afterwards makes it readable again. */
		if (read(stream_jobs_fd(), &ended, sizeof(ended)) < 0)
			continue;
		for (i = 0; i < count; i++)
			hot[i] |= streams[i].waits;
	}
	return true;
}

void stream_run_epoll(struct stream *streams, unsigned int count)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	bool *hot = calloc(count, sizeof(*hot));
	unsigned int over = 0, i;
	bool busy;

	for (i = 0; i < count; i++) {
		set_nonblock(streams[i].fd, true);
		watch(ep, streams[i].fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, i);
		hot[i] = true;
	}
	if (stream_jobs_fd() >= 0)
		watch(ep, stream_jobs_fd(), EPOLLIN, count);
	for (;;) {
		busy = false;
		over = 0;
		for (i = 0; i < count; i++) {
			hot[i] = hot[i] && visit(&streams[i]);
			busy |= hot[i];
			over += stream_over(&streams[i]);
		}
		if (over == count)
			break;
		if (!wait_events(ep, streams, hot, count, busy)) {
			errno = 0;
			for (i = 0; i < count; i++)
				if (!stream_over(&streams[i]))
					stream_failed(&streams[i], "no event for 60 s");
			break;
		}
	}
	free(hot);
	close(ep);
}

/* ---- threads ---- */

/* Of one direction of a stream. */
struct turns {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int whose;
};

struct worker {
	pthread_t thread;
	struct stream *stream;
	struct turns *turns;
	unsigned int number;		/* of its direction */
	bool (*step)(struct stream *s);
	uint64_t steps;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct turns *t = w->turns;
	bool more = true;

	while (more) {
		pthread_mutex_lock(&t->lock);
		while (t->whose != w->number)
			pthread_cond_wait(&t->changed, &t->lock);
		more = w->step(w->stream);
		w->steps += more;
		t->whose = (t->whose + 1) % (w->stream->options->threads / 2);
		pthread_cond_broadcast(&t->changed);
		pthread_mutex_unlock(&t->lock);
	}
	return NULL;
}

/* Where there was enough for all, each thread did some, or the run was not what it says. */
static void count_steps(struct stream *s, const struct worker *w, unsigned int each)
{
	uint64_t least = w[0].steps, all = 0;
	unsigned int i;

	for (i = 0; i < each; i++) {
		all += w[i].steps;
		if (w[i].steps < least)
			least = w[i].steps;
	}
	if (all < 2 * each)
		return;
	errno = 0;
	if (!least)
		stream_failed(s, "a thread made no call");
	if (least < s->least)
		s->least = least;
}

void stream_run_threads(struct stream *streams, unsigned int count)
{
	unsigned int each = streams->options->threads / 2;
	struct worker *workers = calloc(2 * count * each, sizeof(*workers));
	struct turns *turns = calloc(2 * count, sizeof(*turns));
	pthread_attr_t attr;
	unsigned int i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (i = 0; i < 2 * count; i++) {
		pthread_mutex_init(&turns[i].lock, NULL);
		pthread_cond_init(&turns[i].changed, NULL);
	}
	for (i = 0; i < 2 * count * each; i++) {
		struct worker *w = &workers[i];

		w->turns = &turns[i / each];
		w->stream = &streams[i / each / 2];
		w->step = i / each % 2 ? stream_recv : stream_send;
		w->number = i % each;
		if (pthread_create(&w->thread, &attr, work, w)) {
			fprintf(stderr, "mnstream: no thread\n");
			exit(2);
		}
	}
	for (i = 0; i < 2 * count * each; i++)
		pthread_join(workers[i].thread, NULL);
	for (i = 0; i < 2 * count; i++)
		count_steps(&streams[i / 2], &workers[i * each], each);
	free(turns);
	free(workers);
}
