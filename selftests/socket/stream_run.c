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
 *
 * With --records they do not take turns, so that calls of one direction are in
 * the kernel at the same time. Every call moves a record, all of the same
 * size, to an echo and back. A record says whose it is and which one: it must
 * come whole and once, and to who has had others of that sender, the later
 * ones later.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* ---- records ---- */

#define RECORD_BUFFERS 4	/* of a thread */
#define RECORD_SLACK 4096	/* a record begins anywhere in the first bytes of its buffer */

/* How a record begins; the rest is the stream of its sender, whose seed nobody else has. */
struct record {
	uint32_t sender, number;
};

/* The calls of one direction. */
struct crowd {
	_Atomic unsigned int inside;
	_Atomic uint64_t overlaps;
};

struct records {
	struct stream *stream;
	unsigned int senders;
	uint32_t count;			/* of each */
	_Atomic uint8_t *seen;		/* those that came */
	_Atomic int64_t left;		/* that nobody is about to receive */
	struct crowd sending, receiving;
};

struct hand {
	pthread_t thread;
	struct records *all;
	unsigned int number;		/* of its direction */
	uint64_t random;
	char *mem;
	memnet_region region;
	struct buffer buffers[RECORD_BUFFERS];
	uint32_t *next;			/* a receiver's: no earlier one of each sender may come */
};

static void enter(struct crowd *c)
{
	if (atomic_fetch_add(&c->inside, 1))
		c->overlaps++;
}

static void leave(struct crowd *c)
{
	c->inside--;
}

/* Whoever sleeps on the socket is to see it as well. */
static bool hand_failed(struct hand *h, const char *why)
{
	stream_failed(h->all->stream, why);
	shutdown(h->all->stream->fd, SHUT_RDWR);
	return false;
}

static size_t record_size(const struct hand *h)
{
	return h->all->stream->options->size;
}

/* Somewhere in a buffer; where. */
static char *record_place(struct hand *h, unsigned int i)
{
	struct buffer *b = &h->buffers[i];

	b->offset = i * (record_size(h) + RECORD_SLACK) + random_range(&h->random, 0, RECORD_SLACK);
	b->job = 0;
	return h->mem + b->offset;
}

static uint64_t record_seed(const struct records *all, uint32_t sender)
{
	return all->stream->seed * 1000 + sender;
}

static void record_make(struct hand *h, char *to, uint32_t number)
{
	struct record r = { h->number, number };

	memcpy(to, &r, sizeof(r));
	pattern_fill(record_seed(h->all, h->number), (uint64_t)number * record_size(h),
		     to + sizeof(r), record_size(h) - sizeof(r));
}

/* What has come, and is wiped. */
static bool record_check(struct hand *h, char *at)
{
	struct records *all = h->all;
	struct record r;
	bool good;

	errno = 0;
	memcpy(&r, at, sizeof(r));
	if (r.sender >= all->senders || r.number >= all->count)
		return hand_failed(h, "what came is no record");
	good = pattern_check(record_seed(all, r.sender), (uint64_t)r.number * record_size(h),
			     at + sizeof(r), record_size(h) - sizeof(r)) < 0;
	if (!good)
		return hand_failed(h, "a record came with wrong bytes");
	if (atomic_exchange(&all->seen[(size_t)r.sender * all->count + r.number], 1))
		return hand_failed(h, "a record came twice");
	if (r.number < h->next[r.sender])
		return hand_failed(h, "a record came behind a later one");
	h->next[r.sender] = r.number + 1;
	memset(at, 0xee, record_size(h));
	return true;
}

/* The end of a buffer's job, with the bytes of a record. */
static bool record_over(struct hand *h, struct buffer *b)
{
	ssize_t n;

	if (memnet_job_wait(stream_context(), b->job, NULL, &n))
		return hand_failed(h, "a job's end");
	b->job = 0;
	errno = n < 0 ? (int)-n : EPROTO;
	return n == (ssize_t)record_size(h) || hand_failed(h, "job");
}

static bool send_record(struct hand *h, uint32_t number)
{
	const struct stream_options *o = h->all->stream->options;
	struct buffer *b = &h->buffers[number % RECORD_BUFFERS];
	size_t size = record_size(h);
	bool good;
	char *at;

	if (b->job) {
		at = h->mem + b->offset;
		if (!record_over(h, b))
			return false;
		memset(at, 0xee, size);
	}
	at = record_place(h, number % RECORD_BUFFERS);
	record_make(h, at, number);
	enter(&h->all->sending);
	if (random_next(&h->random) % (o->direct + o->async) < o->direct) {
		good = memnet_send_direct(stream_context(), h->all->stream->fd, h->region, b->offset,
					  size, MEMNET_DIRECT_NOSIGNAL) == (ssize_t)size;
		memset(at, 0xee, size);
	} else {
		good = !memnet_async_send(stream_context(), h->all->stream->fd, h->region,
					  b->offset, size, 0, &b->job);
	}
	leave(&h->all->sending);
	return good || hand_failed(h, "a record was not sent");
}

static void *send_records(void *arg)
{
	struct hand *h = arg;
	unsigned int i;
	uint32_t n;

	for (n = 0; n < h->all->count; n++)
		if (!send_record(h, n))
			return NULL;
	for (i = 0; i < RECORD_BUFFERS; i++)
		if (h->buffers[i].job && !record_over(h, &h->buffers[i]))
			return NULL;
	return NULL;
}

/*
 * One more, by a job, or by a call behind the jobs under way: @used, of which the first is buffer
 * @first. They end before it does.
 */
static bool recv_record(struct hand *h, unsigned int *first, unsigned int *used)
{
	const struct stream_options *o = h->all->stream->options;
	unsigned int i = (*first + *used) % RECORD_BUFFERS;
	struct buffer *b = &h->buffers[i];
	size_t size = record_size(h);
	char *at = record_place(h, i);
	ssize_t n;

	if (random_next(&h->random) % (o->recv_direct + o->recv_async) >= o->recv_direct) {
		enter(&h->all->receiving);
		n = memnet_async_recv(stream_context(), h->all->stream->fd, h->region, b->offset,
				      size, MEMNET_OP_WAITALL, &b->job);
		leave(&h->all->receiving);
		++*used;
		return !n || hand_failed(h, "no job for a record");
	}
	enter(&h->all->receiving);
	n = memnet_recv_direct(stream_context(), h->all->stream->fd, h->region, b->offset, size,
			       MEMNET_DIRECT_WAITALL);
	leave(&h->all->receiving);
	if (n != (ssize_t)size)
		return hand_failed(h, "no whole record came");
	for (; *used; --*used, *first = (*first + 1) % RECORD_BUFFERS) {
		struct buffer *before = &h->buffers[*first];

		if (!record_over(h, before) || !record_check(h, h->mem + before->offset))
			return false;
	}
	return record_check(h, at);
}

static void *recv_records(void *arg)
{
	struct hand *h = arg;
	unsigned int first = 0, used = 0;
	bool more = true;

	while (more || used) {
		more = more && h->all->left-- > 0;
		if (more && !recv_record(h, &first, &used))
			return NULL;
		/* The oldest, when there is no room for another, or no other. */
		if (used == RECORD_BUFFERS || (used && !more)) {
			struct buffer *b = &h->buffers[first];

			if (!record_over(h, b) || !record_check(h, h->mem + b->offset))
				return NULL;
			first = (first + 1) % RECORD_BUFFERS;
			used--;
		}
	}
	return NULL;
}

static bool hand_make(struct hand *h, struct records *all, unsigned int number, bool sends)
{
	size_t len;

	h->all = all;
	h->number = number;
	h->random = all->stream->seed * 7 + 2 * number + sends;
	len = RECORD_BUFFERS * (record_size(h) + RECORD_SLACK);
	h->mem = malloc(len);
	h->next = calloc(all->senders, sizeof(*h->next));
	if (!h->mem || !h->next)
		return false;
	memset(h->mem, 0xee, len);
	return !(sends ? memnet_register_mem : memnet_register_recv)(stream_context(), h->mem, len,
							      &h->region);
}

static void hand_drop(struct hand *h)
{
	if (h->region)
		memnet_deregister_mem(stream_context(), h->region);
	free(h->mem);
	free(h->next);
}

/* All came, and nothing else; what was done. */
static void records_end(struct records *all)
{
	struct stream *s = all->stream;
	size_t n = (size_t)all->senders * all->count, i;
	char byte;

	s->overlaps[0] = all->sending.overlaps;
	s->overlaps[1] = all->receiving.overlaps;
	if (s->why)
		return;
	errno = 0;
	for (i = 0; i < n; i++)
		if (!all->seen[i])
			stream_failed(s, "a record did not come");
	if (shutdown(s->fd, SHUT_WR) || recv(s->fd, &byte, 1, 0))
		stream_failed(s, "no end behind the records");
	s->writes = n;
	s->reads = n;
	s->sent = n * s->options->size;
	s->received = s->sent;
	s->least = all->count;
}

void stream_run_records(struct stream *streams, unsigned int count)
{
	const struct stream_options *o = streams->options;
	unsigned int each = o->threads / 2, i;
	struct records *records = calloc(count, sizeof(*records));
	struct hand *hands = calloc(2 * count * each, sizeof(*hands));

	for (i = 0; i < count; i++) {
		struct records *all = &records[i];

		all->stream = &streams[i];
		all->senders = each;
		all->count = (uint32_t)(o->send / o->size / each);
		all->left = (int64_t)all->count * each;
		all->seen = calloc((size_t)all->count * each, 1);
	}
	for (i = 0; i < 2 * count * each; i++) {
		bool sends = i / each % 2 == 0;
		struct hand *h = &hands[i];

		if (!hand_make(h, &records[i / each / 2], i % each, sends) ||
		    pthread_create(&h->thread, NULL, sends ? send_records : recv_records, h)) {
			fprintf(stderr, "mnstream: no thread, or no memory for it: %m\n");
			exit(2);
		}
	}
	for (i = 0; i < 2 * count * each; i++)
		pthread_join(hands[i].thread, NULL);
	for (i = 0; i < count; i++) {
		records_end(&records[i]);
		free((void *)records[i].seen);
	}
	for (i = 0; i < 2 * count * each; i++)
		hand_drop(&hands[i]);
	free(records);
	free(hands);
}
