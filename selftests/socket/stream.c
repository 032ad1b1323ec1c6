// SPDX-License-Identifier: GPL-2.0
/*
 * One bulk stream: each step is one system call of a random kind and size.
 * The same steps serve blocking threads and the epoll loop.
 *
 * Direct calls and jobs have registered memory, for each direction a ring of
 * buffers. A buffer that was sent, or whose bytes have been taken, is wiped, so
 * that what is read or written too late shows. The receiver's ring also says
 * in what order bytes that have landed follow each other.
 *
 * A step that cannot do anything now returns false with EAGAIN: the socket's
 * next event will tell, or, if the stream waits for one of its own jobs, the
 * context (stream_jobs_fd()).  With threads each step waits as long as it takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sched.h>
#include <unistd.h>

#include "stream.h"

#define SLACK 8192		/* what is registered is used from anywhere in the first bytes */
#define AREA (20 << 20)		/* bytes registered for a direction, or two buffers */

static int file = -1;		/* --sendfile: the whole stream to send */
static struct memnet_context *context;	/* --direct */

bool stream_prepare(const struct stream_options *options)
{
	if (options->direct || options->async || options->recv_direct || options->recv_async) {
		context = memnet_context_open();
		if (!context || fcntl(memnet_context_fd(context), F_SETFL, O_NONBLOCK)) {
			fprintf(stderr, "mnstream: /dev/memnet: %m\n");
			return false;
		}
		return true;
	}
	if (!options->sendfile)
		return true;
	file = memfd_create("mnstream", MFD_CLOEXEC);
	if (file < 0 || !pattern_write(file, options->seed + 1, options->send)) {
		fprintf(stderr, "mnstream: no room for the file: %m\n");
		return false;
	}
	return true;
}

/* The largest buffers fewer, so that a direction of a stream has about as much memory. */
static bool area_make(struct area *a, const struct stream_options *options,
		      int (*get)(struct memnet_context *, void *, size_t, memnet_region *))
{
	size_t each = options->max + SLACK;

	a->count = AREA / each < options->buffers ? AREA / each : options->buffers;
	if (a->count < 2)
		a->count = 2;
	a->buffers = calloc(a->count, sizeof(*a->buffers));
	a->mem = malloc(a->count * each);
	return a->buffers && a->mem && !get(context, a->mem, a->count * each, &a->region);
}

static void area_drop(struct area *a)
{
	if (a->region)
		memnet_deregister_mem(context, a->region);
	free(a->mem);
	free(a->buffers);
}

void stream_init(struct stream *s, const struct stream_options *options,
		 unsigned int index)
{
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->options = options;
	s->least = UINT64_MAX;
	/* with --sendfile one file serves all, so all are alike */
	s->seed = options->seed + (options->sendfile ? 0 : 2 * index);
	s->send = options->send;
	s->recv = options->recv;
	s->send_random = s->seed * 3 + 1;
	s->recv_random = s->seed * 5 + 2;
	sum_init(&s->sum);
	s->in = malloc(options->max);
	s->out = malloc(options->max);
	if (!s->in || !s->out)
		s->why = "no memory";
	if (options->records)
		return;		/* each thread has its own */
	if ((options->direct || options->async) &&
	    !area_make(&s->leaving, options, memnet_register_mem))
		stream_failed(s, "no region to send from");
	if ((options->recv_direct || options->recv_async) &&
	    !area_make(&s->landing, options, memnet_register_recv))
		stream_failed(s, "no region to receive to");
}

void stream_exit(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	area_drop(&s->leaving);
	area_drop(&s->landing);
	free(s->in);
	free(s->out);
}

/* Small, middling, page-shaped and large sizes; large ones move the bytes. */
static size_t pick(struct stream *s, uint64_t *random)
{
	size_t max = s->options->max;
	size_t size;

	if (s->options->size)
		return s->options->size;
	switch (random_next(random) % 8) {
	case 0:
		size = random_range(random, 1, 64);
		break;
	case 1:
		size = random_range(random, 1, 2000);
		break;
	case 2:
		size = 4096 * random_range(random, 1, 8);
		break;
	case 3:
	case 4:
		size = random_range(random, 1, 65536);
		break;
	default:
		size = random_range(random, 1, max);
	}
	return size < max ? size : max;
}

bool stream_failed(struct stream *s, const char *why)
{
	if (!s->why) {
		s->err = errno;
		s->why = why;
	}
	return false;
}

static int split(struct iovec *iov, char *buf, size_t size, uint64_t *random)
{
	size_t first = random_range(random, 0, size);
	size_t second = random_range(random, 0, size - first);

	iov[0].iov_base = buf;
	iov[0].iov_len = first;
	iov[1].iov_base = buf + first;
	iov[1].iov_len = second;
	iov[2].iov_base = buf + first + second;
	iov[2].iov_len = size - first - second;
	return 3;
}

static bool again(struct stream *s)
{
	s->waits = true;
	errno = EAGAIN;
	return false;
}

/* The end of a buffer's job: some looks, and then asleep. A loop looks once, and comes back. */
static bool job_over(struct stream *s, struct area *a, struct buffer *b, uint64_t *random,
		     ssize_t *n)
{
	unsigned int looks = s->options->block ? random_next(random) % 64 : 1;
	int over = 0;

	while (looks-- && !over) {
		over = memnet_job_done(context, b->job, n);
		if (!over && s->options->block)
			sched_yield();
	}
	if (!over && !s->options->block)
		return again(s);
	if (over < 0 || (!over && memnet_job_wait(context, b->job, NULL, n)))
		return stream_failed(s, "a job's end");
	b->job = 0;
	a->handed += !pthread_equal(b->by, pthread_self());
	errno = *n < 0 ? (int)-*n : EPROTO;
	if (*n < 0 || (b->whole && *n && *n != (ssize_t)b->len))
		return stream_failed(s, "job");
	return true;
}

/* A buffer has a job, or a full pipeline has refused it. */
static bool job_begun(struct stream *s, struct area *a, struct buffer *b, int refused)
{
	if (!refused) {
		b->by = pthread_self();
		return true;
	}
	b->job = 0;
	if (errno != EAGAIN || s->options->block)
		return false;
	a->full++;
	return again(s);
}

static unsigned int job_flags(const struct stream *s)
{
	return s->options->block ? 0 : MEMNET_OP_NOTIFY;
}

/* Somewhere in a buffer of the ring. */
static struct buffer *choose(struct stream *s, struct area *a, unsigned int i, uint64_t *random)
{
	struct buffer *b = &a->buffers[i % a->count];

	b->offset = i % a->count * (s->options->max + SLACK) + random_range(random, 0, SLACK);
	return b;
}

/* The bytes of the buffer's job, if any, are sent, and it may be written to again. */
static bool job_sent(struct stream *s, struct buffer *b)
{
	ssize_t n;

	if (!b->job)
		return true;
	if (!job_over(s, &s->leaving, b, &s->send_random, &n))
		return false;
	memset(s->leaving.mem + b->offset, 0xee, b->len);
	errno = EPROTO;
	return n == (ssize_t)b->len || stream_failed(s, "a job sent too little");
}

/* The next buffer, filled. */
static struct buffer *leave(struct stream *s, size_t size)
{
	struct area *a = &s->leaving;
	struct buffer *b = &a->buffers[a->first];

	if (!job_sent(s, b))
		return NULL;
	choose(s, a, a->first, &s->send_random);
	b->len = size;
	b->whole = true;
	memcpy(a->mem + b->offset, s->out, size);
	return b;
}

static ssize_t send_direct(struct stream *s, size_t size)
{
	struct buffer *b = leave(s, size);
	struct area *a = &s->leaving;
	ssize_t n;

	if (!b)
		return -1;
	n = memnet_send_direct(context, s->fd, a->region, b->offset, size,
			       MEMNET_DIRECT_NOSIGNAL | MEMNET_DIRECT_COPY);
	/* It has been sent: nobody looks at it any more. */
	memset(a->mem + b->offset, 0xee, size);
	a->first = (a->first + 1) % a->count;
	return n;
}

static ssize_t send_async(struct stream *s, size_t size)
{
	struct buffer *b = leave(s, size);
	struct area *a = &s->leaving;
	int refused;

	if (!b)
		return -1;
	refused = memnet_async_send(context, s->fd, a->region, b->offset, size, job_flags(s),
				    &b->job);
	if (!job_begun(s, a, b, refused))
		return -1;
	a->first = (a->first + 1) % a->count;
	return (ssize_t)size;
}

static ssize_t send_some(struct stream *s, size_t size, enum kind *kind)
{
	unsigned int choice;

	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov };
	off_t offset = s->sent;

	*kind = ORDINARY;
	if (s->options->sendfile)
		return sendfile(s->fd, file, &offset, size);
	choice = random_next(&s->send_random) % 4;
	if (choice < s->options->direct) {
		*kind = DIRECT;
		return send_direct(s, size);
	}
	if (choice < s->options->direct + s->options->async) {
		*kind = JOB;
		return send_async(s, size);
	}
	switch (random_next(&s->send_random) % 4) {
	case 0:
		return write(s->fd, s->out, size);
	case 1:
		split(iov, s->out, size, &s->send_random);
		return writev(s->fd, iov, 3);
	case 2:
		msg.msg_iovlen = split(iov, s->out, size, &s->send_random);
		return sendmsg(s->fd, &msg, MSG_NOSIGNAL);
	default:
		return send(s->fd, s->out, size, MSG_NOSIGNAL);
	}
}

static void note(uint64_t *most, enum kind kind, ssize_t n)
{
	if ((uint64_t)n > most[kind])
		most[kind] = (uint64_t)n;
}

/* What a call said that moved nothing. */
static bool nothing(struct stream *s, const char *what)
{
	return errno == EAGAIN && !s->options->block ? false : stream_failed(s, what);
}

/* All jobs are over, then the stream ends. */
static bool send_end(struct stream *s)
{
	unsigned int i;

	for (i = 0; i < s->leaving.count; i++)
		if (!job_sent(s, &s->leaving.buffers[(s->leaving.first + i) % s->leaving.count]))
			return false;
	s->ended = true;
	return shutdown(s->fd, SHUT_WR) ? stream_failed(s, "shutdown") : false;
}

bool stream_send(struct stream *s)
{
	uint64_t left = s->send - s->sent;
	enum kind kind;
	size_t size;
	ssize_t n;

	if (s->ended || s->why)
		return false;
	if (!left)
		return send_end(s);
	size = pick(s, &s->send_random);
	if (size > left)
		size = left;
	if (size > s->filled) {
		pattern_fill(s->seed + 1, s->sent + s->filled, s->out + s->filled,
			     size - s->filled);
		s->filled = size;
	}
	n = send_some(s, size, &kind);
	if (n < 0)
		return nothing(s, "send");
	if (!n || (size_t)n > size)
		return stream_failed(s, "send took an impossible number");
	note(s->sent_most, kind, n);
	sum_add(&s->sum, s->out, n);
	s->filled -= n;
	memmove(s->out, s->out + n, s->filled);
	s->sent += n;
	s->writes++;
	return true;
}

/* What has landed is moved to where the other calls put it, and wiped. */
static ssize_t landed(struct stream *s, size_t offset, ssize_t n)
{
	if (n > 0) {
		memcpy(s->in, s->landing.mem + offset, (size_t)n);
		memset(s->landing.mem + offset, 0xee, (size_t)n);
	}
	return n;
}

/* Whether a call is to wait for all its bytes; a loop's never does. */
static bool whole(struct stream *s)
{
	return s->options->block && random_next(&s->recv_random) % 2;
}

static ssize_t recv_direct(struct stream *s, size_t size)
{
	struct area *a = &s->landing;
	struct buffer *b = choose(s, a, a->first, &s->recv_random);
	bool all = whole(s);
	ssize_t n = memnet_recv_direct(context, s->fd, a->region, b->offset, size,
				       MEMNET_DIRECT_COPY | (all ? MEMNET_DIRECT_WAITALL : 0));

	if (all && n > 0 && (size_t)n != size) {
		errno = EPROTO;
		return -1;
	}
	return landed(s, b->offset, n);
}

/*
 * One more job, unless the pipeline is full; or, behind others, an ordinary call, which gets what
 * comes after them if that has come. What they all could have is no more than what is left.
 */
static bool land(struct stream *s, size_t size)
{
	struct area *a = &s->landing;
	struct buffer *b = choose(s, a, a->first + a->used, &s->recv_random);
	uint64_t left = s->recv - s->received;
	unsigned int i, flags;
	int refused;
	ssize_t n;

	for (i = 0; i < a->used; i++)
		left -= a->buffers[(a->first + i) % a->count].len;
	if (!left)
		return true;
	b->len = size < left ? size : left;
	b->whole = random_next(&s->recv_random) % 2;
	b->job = 0;
	if (a->used && random_next(&s->recv_random) % 4 == 0) {
		n = recv(s->fd, a->mem + b->offset, b->len, MSG_DONTWAIT);
		if (n <= 0)
			return !n || errno == EAGAIN;
		b->len = (size_t)n;
	} else {
		flags = job_flags(s) | (b->whole ? MEMNET_OP_WAITALL : 0);
		refused = memnet_async_recv(context, s->fd, a->region, b->offset, b->len, flags,
					    &b->job);
		if (!job_begun(s, a, b, refused))
			return !s->options->block && errno == EAGAIN && a->used;
	}
	a->used++;
	return true;
}

/* The oldest job's bytes, with some more behind it. */
static ssize_t recv_async(struct stream *s, size_t size, enum kind *kind)
{
	struct area *a = &s->landing;
	unsigned int more = a->used ? random_next(&s->recv_random) % 3 == 0 :
				      random_range(&s->recv_random, 1, a->count);
	struct buffer *b = &a->buffers[a->first];
	ssize_t n;

	while (more-- && a->used < a->count) {
		if (!land(s, size))
			return -1;
		size = pick(s, &s->recv_random);
	}
	*kind = b->job ? JOB : ORDINARY;
	n = (ssize_t)b->len;
	if (b->job && !job_over(s, a, b, &s->recv_random, &n))
		return -1;
	a->first = (a->first + 1) % a->count;
	a->used--;
	return landed(s, b->offset, n);
}

static ssize_t recv_some(struct stream *s, size_t size, enum kind *kind)
{
	unsigned int choice = random_next(&s->recv_random) % 4;
	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov };

	if (s->landing.used || choice < s->options->recv_async)
		return recv_async(s, size, kind);
	if (choice < s->options->recv_async + s->options->recv_direct) {
		*kind = DIRECT;
		return recv_direct(s, size);
	}
	*kind = ORDINARY;
	switch (random_next(&s->recv_random) % 4) {
	case 0:
		return read(s->fd, s->in, size);
	case 1:
		split(iov, s->in, size, &s->recv_random);
		return readv(s->fd, iov, 3);
	case 2:
		msg.msg_iovlen = split(iov, s->in, size, &s->recv_random);
		return recvmsg(s->fd, &msg, whole(s) ? MSG_WAITALL : 0);
	default:
		return recv(s->fd, s->in, size, whole(s) ? MSG_WAITALL : 0);
	}
}

static bool recv_line(struct stream *s)
{
	ssize_t n = recv(s->fd, s->line + s->line_len,
			 sizeof(s->line) - 1 - s->line_len, 0);

	if (n < 0)
		return nothing(s, "recv at the end");
	if (!n)
		s->eof = true;
	s->line_len += n;
	return n;
}

bool stream_recv(struct stream *s)
{
	uint64_t left = s->recv - s->received;
	enum kind kind;
	size_t size;
	ssize_t n;

	if (s->eof || s->why)
		return false;
	if (!left)
		return recv_line(s);
	size = pick(s, &s->recv_random);
	if (size > left)
		size = left;
	n = recv_some(s, size, &kind);
	if (n < 0)
		return nothing(s, "recv");
	if (!n) {
		errno = 0;
		s->eof = true;
		return stream_failed(s, "end of stream too early");
	}
	if (pattern_check(s->seed, s->received, s->in, n) >= 0) {
		errno = 0;
		return stream_failed(s, "a wrong byte arrived");
	}
	note(s->received_most, kind, n);
	s->received += n;
	s->reads++;
	return true;
}

int stream_jobs_fd(void)
{
	return context ? memnet_context_fd(context) : -1;
}

struct memnet_context *stream_context(void)
{
	return context;
}

bool stream_over(const struct stream *s)
{
	return s->why || (s->ended && s->eof);
}

bool stream_verify(struct stream *s)
{
	struct result result;

	errno = 0;
	if (!s->ended || !s->eof || s->received != s->recv)
		return stream_failed(s, "not complete");
	s->line[s->line_len] = 0;
	if (result_parse(&result, s->line))
		return stream_failed(s, "no account from the peer");
	if (result.in != s->send)
		return stream_failed(s, "the peer got another number of bytes");
	if (result.bad >= 0 || result.sum != sum_end(&s->sum))
		return stream_failed(s, "the peer got wrong bytes");
	return true;
}
