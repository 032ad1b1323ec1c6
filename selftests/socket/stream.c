// SPDX-License-Identifier: GPL-2.0
/*
 * One bulk stream: each step is one system call of a random kind and size.
 * The same steps serve blocking threads and the epoll loop.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "stream.h"

#define SLACK 8192	/* what is registered is used from anywhere in the first bytes */

static int file = -1;		/* --sendfile: the whole stream to send */
static struct memnet_context *context;	/* --direct */

bool stream_prepare(const struct stream_options *options)
{
	char buf[65536];
	uint64_t pos = 0;

	if (options->direct || options->async || options->recv_direct || options->recv_async) {
		context = memnet_context_open();
		if (!context)
			fprintf(stderr, "mnstream: /dev/memnet: %m\n");
		return context;
	}
	if (!options->sendfile)
		return true;
	file = memfd_create("mnstream", MFD_CLOEXEC);
	while (file >= 0 && pos < options->send) {
		size_t n = options->send - pos;

		if (n > sizeof(buf))
			n = sizeof(buf);
		pattern_fill(options->seed + 1, pos, buf, n);
		if (write(file, buf, n) != (ssize_t)n)
			break;
		pos += n;
	}
	if (file < 0 || pos < options->send) {
		fprintf(stderr, "mnstream: no room for the file: %m\n");
		return false;
	}
	return true;
}

void stream_init(struct stream *s, const struct stream_options *options,
		 unsigned int index)
{
	size_t registered = STREAM_BUFFERS * (options->max + SLACK);

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->options = options;
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
	if (options->direct || options->async) {
		s->registered = malloc(registered);
		if (!s->registered ||
		    memnet_register_mem(context, s->registered, registered, &s->region))
			s->why = "no region to send from";
	}
	if (options->recv_direct || options->recv_async) {
		s->landing = malloc(registered);
		if (!s->landing ||
		    memnet_register_recv(context, s->landing, registered, &s->landing_region))
			s->why = "no region to receive to";
	}
}

void stream_exit(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->region)
		memnet_deregister_mem(context, s->region);
	if (s->landing_region)
		memnet_deregister_mem(context, s->landing_region);
	free(s->registered);
	free(s->landing);
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

static bool failed(struct stream *s, const char *why)
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

/* The job of a buffer is over, with all its bytes; the buffer may be written to again. */
static bool job_over(struct stream *s, unsigned int i)
{
	size_t each = s->options->max + SLACK;
	ssize_t result;

	if (!s->jobs[i])
		return true;
	if (random_next(&s->send_random) % 2)
		while (!memnet_job_done(context, s->jobs[i], &result))
			sched_yield();
	else if (memnet_job_wait(context, s->jobs[i], NULL, &result))
		return false;
	s->jobs[i] = 0;
	memset(s->registered + i * each, 0xee, each);
	errno = result < 0 ? -result : EPROTO;
	return result == (ssize_t)s->job_len[i];
}

static ssize_t send_direct(struct stream *s, size_t size)
{
	unsigned int i = s->next_job++ % STREAM_BUFFERS;
	size_t offset = i * (s->options->max + SLACK) + random_range(&s->send_random, 0, SLACK);
	ssize_t n;

	if (!job_over(s, i))
		return -1;
	memcpy(s->registered + offset, s->out, size);
	n = memnet_send_direct(context, s->fd, s->region, offset, size,
			       MEMNET_DIRECT_NOSIGNAL | MEMNET_DIRECT_COPY);
	/* It has been sent: nobody looks at it any more. */
	memset(s->registered + offset, 0xee, size);
	return n;
}

static ssize_t send_async(struct stream *s, size_t size)
{
	unsigned int i = s->next_job++ % STREAM_BUFFERS;
	size_t offset = i * (s->options->max + SLACK) + random_range(&s->send_random, 0, SLACK);

	if (!job_over(s, i))
		return -1;
	memcpy(s->registered + offset, s->out, size);
	s->job_len[i] = size;
	return memnet_async_send(context, s->fd, s->region, offset, size, 0, &s->jobs[i]) ? -1 :
		(ssize_t)size;
}

static ssize_t send_some(struct stream *s, size_t size)
{
	unsigned int kind;

	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov };
	off_t offset = s->sent;

	if (s->options->sendfile)
		return sendfile(s->fd, file, &offset, size);
	kind = random_next(&s->send_random) % 4;
	if (kind < s->options->direct)
		return send_direct(s, size);
	if (kind < s->options->direct + s->options->async)
		return send_async(s, size);
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

bool stream_send(struct stream *s)
{
	uint64_t left = s->send - s->sent;
	size_t size;
	ssize_t n;

	if (s->ended || s->why)
		return false;
	if (!left) {
		s->ended = true;
		for (unsigned int i = 0; i < STREAM_BUFFERS; i++)
			if (!job_over(s, i))
				return failed(s, "job");
		if (shutdown(s->fd, SHUT_WR))
			return failed(s, "shutdown");
		return false;
	}
	size = pick(s, &s->send_random);
	if (size > left)
		size = left;
	pattern_fill(s->seed + 1, s->sent, s->out, size);
	n = send_some(s, size);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0)
		return failed(s, "send");
	if (!n || (size_t)n > size)
		return failed(s, "send took an impossible number");
	sum_add(&s->sum, s->out, n);
	s->sent += n;
	s->writes++;
	return true;
}

/* What has landed is moved to where the other calls put it, and wiped. */
static ssize_t landed(struct stream *s, size_t offset, ssize_t n)
{
	if (n > 0) {
		memcpy(s->in, s->landing + offset, (size_t)n);
		memset(s->landing + offset, 0xee, (size_t)n);
	}
	return n;
}

static size_t landing_offset(struct stream *s, unsigned int i)
{
	return i * (s->options->max + SLACK) + random_range(&s->recv_random, 0, SLACK);
}

static ssize_t recv_direct(struct stream *s, size_t size)
{
	size_t offset = landing_offset(s, 0);
	bool whole = s->options->block && random_next(&s->recv_random) % 2;
	ssize_t n = memnet_recv_direct(context, s->fd, s->landing_region, offset, size,
				       MEMNET_DIRECT_COPY | (whole ? MEMNET_DIRECT_WAITALL : 0));

	if (whole && n > 0 && (size_t)n != size) {
		errno = EPROTO;
		return -1;
	}
	return landed(s, offset, n);
}

/*
 * One more job; or, behind others, an ordinary call, which gets what comes after them if that has come. What they all
 * could have is no more than what is left.
 */
static bool land(struct stream *s, size_t size)
{
	unsigned int i = (s->first_landing + s->n_landings) % STREAM_BUFFERS;
	struct landing *l = &s->landings[i];
	uint64_t left = s->recv - s->received;
	unsigned int k;
	ssize_t n;

	for (k = 0; k < s->n_landings; k++)
		left -= s->landings[(s->first_landing + k) % STREAM_BUFFERS].len;
	if (!left)
		return true;
	l->len = size < left ? size : left;
	l->offset = landing_offset(s, i);
	l->whole = random_next(&s->recv_random) % 2;
	l->job = 0;
	if (s->n_landings && random_next(&s->recv_random) % 4 == 0) {
		n = recv(s->fd, s->landing + l->offset, l->len, MSG_DONTWAIT);
		if (n <= 0)
			return !n || errno == EAGAIN;
		l->len = (size_t)n;
	} else if (memnet_async_recv(context, s->fd, s->landing_region, l->offset, l->len,
				     l->whole ? MEMNET_OP_WAITALL : 0, &l->job)) {
		return false;
	}
	s->n_landings++;
	return true;
}

/* The oldest job's bytes, with some more behind it. */
static ssize_t recv_async(struct stream *s, size_t size)
{
	unsigned int more = s->n_landings ? random_next(&s->recv_random) % 3 == 0 :
					    random_range(&s->recv_random, 1, STREAM_BUFFERS);
	struct landing *l;
	ssize_t n;

	while (more-- && s->n_landings < STREAM_BUFFERS) {
		if (!land(s, size))
			return -1;
		size = pick(s, &s->recv_random);
	}
	l = &s->landings[s->first_landing];
	s->first_landing = (s->first_landing + 1) % STREAM_BUFFERS;
	s->n_landings--;
	n = (ssize_t)l->len;
	if (l->job && random_next(&s->recv_random) % 2)
		while (!memnet_job_done(context, l->job, &n))
			sched_yield();
	else if (l->job && memnet_job_wait(context, l->job, NULL, &n))
		return -1;
	if (n < 0)
		errno = (int)-n;
	if (l->job && l->whole && n > 0 && (size_t)n != l->len)
		errno = EPROTO, n = -1;
	return landed(s, l->offset, n < 0 ? -1 : n);
}

static ssize_t recv_some(struct stream *s, size_t size)
{
	unsigned int kind = random_next(&s->recv_random) % 4;
	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov };

	if (s->n_landings || kind < s->options->recv_async)
		return recv_async(s, size);
	if (kind < s->options->recv_async + s->options->recv_direct)
		return recv_direct(s, size);
	switch (random_next(&s->recv_random) % 4) {
	case 0:
		return read(s->fd, s->in, size);
	case 1:
		split(iov, s->in, size, &s->recv_random);
		return readv(s->fd, iov, 3);
	case 2:
		msg.msg_iovlen = split(iov, s->in, size, &s->recv_random);
		return recvmsg(s->fd, &msg, 0);
	default:
		return recv(s->fd, s->in, size, 0);
	}
}

static bool recv_line(struct stream *s)
{
	ssize_t n = recv(s->fd, s->line + s->line_len,
			 sizeof(s->line) - 1 - s->line_len, 0);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0)
		return failed(s, "recv at the end");
	if (!n)
		s->eof = true;
	s->line_len += n;
	return n;
}

bool stream_recv(struct stream *s)
{
	uint64_t left = s->recv - s->received;
	size_t size;
	ssize_t n;

	if (s->eof || s->why)
		return false;
	if (!left)
		return recv_line(s);
	size = pick(s, &s->recv_random);
	if (size > left)
		size = left;
	n = recv_some(s, size);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0)
		return failed(s, "recv");
	if (!n) {
		errno = 0;
		s->eof = true;
		return failed(s, "end of stream too early");
	}
	if (pattern_check(s->seed, s->received, s->in, n) >= 0) {
		errno = 0;
		return failed(s, "a wrong byte arrived");
	}
	s->received += n;
	s->reads++;
	return true;
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
		return failed(s, "not complete");
	s->line[s->line_len] = 0;
	if (result_parse(&result, s->line))
		return failed(s, "no account from the peer");
	if (result.in != s->send)
		return failed(s, "the peer got another number of bytes");
	if (result.bad >= 0 || result.sum != sum_end(&s->sum))
		return failed(s, "the peer got wrong bytes");
	return true;
}

/*
 * Edge-triggered: a stream goes on until both its calls would block. To be
 * fair each turn is bounded, and a stream that could go on is visited again.
 */
void stream_run_epoll(struct stream *streams, unsigned int count)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	bool *hot = calloc(count, sizeof(*hot));
	unsigned int over = 0, i;

	for (i = 0; i < count; i++) {
		struct epoll_event event = {
			.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
			.data.u32 = i,
		};

		set_nonblock(streams[i].fd, true);
		epoll_ctl(ep, EPOLL_CTL_ADD, streams[i].fd, &event);
		hot[i] = true;
	}
	while (over < count) {
		struct epoll_event events[64];
		bool any = false;
		int n;

		over = 0;
		for (i = 0; i < count; i++) {
			struct stream *s = &streams[i];
			int budget = 16;
			bool sent = true, received = true;

			while (hot[i] && budget-- && (sent || received)) {
				sent = sent && stream_send(s);
				received = received && stream_recv(s);
			}
			hot[i] = hot[i] && (sent || received);
			any |= hot[i];
			over += stream_over(s);
		}
		if (over == count)
			break;
		n = epoll_wait(ep, events, 64, any ? 0 : 60000);
		if (!n && !any) {
			for (i = 0; i < count; i++)
				if (!stream_over(&streams[i]))
					failed(&streams[i], "no event for 60 s");
			break;
		}
		while (n-- > 0)
			hot[events[n].data.u32] = true;
	}
	free(hot);
	close(ep);
}

static void *sender(void *arg)
{
	struct stream *s = arg;

	while (stream_send(s))
		;
	return NULL;
}

static void *receiver(void *arg)
{
	struct stream *s = arg;

	while (stream_recv(s))
		;
	return NULL;
}

void stream_run_threads(struct stream *streams, unsigned int count)
{
	pthread_t *threads = calloc(2 * count, sizeof(*threads));
	pthread_attr_t attr;
	unsigned int i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (i = 0; i < count; i++) {
		if (pthread_create(&threads[2 * i], &attr, sender, &streams[i]) ||
		    pthread_create(&threads[2 * i + 1], &attr, receiver,
				   &streams[i])) {
			fprintf(stderr, "mnstream: no thread\n");
			exit(2);
		}
	}
	for (i = 0; i < 2 * count; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}
