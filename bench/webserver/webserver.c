// SPDX-License-Identifier: MIT
/*
 * A web server for files in memory, in four builds: over the host's TCP, over MemNet, with direct sends, with asynchronous ones
 * (respond.h). It is what the MemNet paper measures (section 6.1), and shows how a program uses libmemnet.
 *
 *	webserver [-l ADDRESS] [-p PORT] [-t WORKERS] FOLDER
 *
 * HTTP/1.0 and 1.1 with persistent connections and pipelining; GET. Each worker is a thread with an epoll of its own,
 * and all of them accept from one listening socket. Connections are edge-triggered: a worker reads until there is nothing left
 * or no more responses may be under way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "respond.h"

#define EVENTS 64

struct worker {
	pthread_t thread;
	int epoll;
	int event;		/* respond_worker_start()'s */
	void *private;
	struct connection *spare;	/* of those that are closed, to be used again */
};

static int listener;
static char accept_mark;		/* what an event is about, where it is no connection: */
static char event_mark;

void **worker_private(struct worker *w)
{
	return &w->private;
}

void worker_free(struct worker *w, struct connection *c)
{
	c->next = w->spare;
	w->spare = c;
}

static struct connection *worker_take(struct worker *w)
{
	struct connection *c = w->spare;

	if (!c)
		c = malloc(sizeof(*c));
	else
		w->spare = c->next;
	if (c)
		memset(c, 0, offsetof(struct connection, pending));
	return c;
}

static void close_connection(struct worker *w, struct connection *c)
{
	close(c->fd);
	if (respond_close(w, c))
		worker_free(w, c);
}

/* One request at the beginning of what came: its length, 0 if it is not complete, -1 if it is none. */
static ssize_t parse(const struct connection *c, const struct file **file, bool *last)
{
	const char *end, *at = c->request, *path, *line, *colon;

	end = memmem(c->request, c->request_len, "\r\n\r\n", 4);
	if (!end)
		return c->request_len == sizeof(c->request) ? -1 : 0;
	if (strncmp(at, "GET ", 4))
		return -1;
	path = at + 4;
	at = memchr(path, ' ', (size_t)(end - path));
	if (!at || *path != '/' || end - at < 9 || strncmp(at + 1, "HTTP/1.", 7))
		return -1;
	*file = cache_find(path, (size_t)(at - path));
	if (!*file)
		*file = cache_not_found;
	*last = at[8] == '0';	/* a client that wants it kept would have to be told that it is */
	for (line = at; (line = memmem(line, (size_t)(end - line), "\r\n", 2)); ) {
		line += 2;
		if (strncasecmp(line, "connection", 10))
			continue;
		colon = memchr(line, ':', (size_t)(end - line));
		if (!colon)
			continue;
		for (colon++; *colon == ' '; colon++)
			;
		if (!strncasecmp(colon, "close", 5))
			*last = true;
	}
	return end + 4 - c->request;
}

/* Answers what has come, as far as responses may be under way. */
static enum respond answer(struct worker *w, struct connection *c)
{
	const struct file *file;
	enum respond sent;
	bool last, more;
	ssize_t n;

	do {
		more = true;
		while (!c->ending && !c->full) {
			n = parse(c, &file, &last);
			more = n;
			if (!more)
				break;
			if (n < 0) {
				file = cache_bad_request;
				last = true;
				n = (ssize_t)c->request_len;
			}
			if (respond(w, c, file) == RESPOND_FAILED)
				return RESPOND_FAILED;
			c->ending = last;
			c->request_len -= (size_t)n;
			memmove(c->request, c->request + n, c->request_len);
		}
		sent = respond_flush(w, c);
		/* Again, where it was full and is no more. */
	} while (sent == RESPOND_SENT && more && !c->ending);
	return sent;
}

static void serve(struct worker *w, struct connection *c)
{
	enum respond sent = RESPOND_SENT;
	ssize_t n;

	for (;;) {
		/* What an earlier turn left, then what there is to read. */
		if (c->request_len || c->n)
			sent = answer(w, c);
		if (sent == RESPOND_FAILED || (c->ending && sent == RESPOND_SENT))
			goto end;
		if (c->full || c->ending)
			return;
		n = recv(c->fd, c->request + c->request_len, sizeof(c->request) - c->request_len, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			goto end;
		c->request_len += (size_t)n;
	}
end:
	close_connection(w, c);
}

void worker_resume(struct worker *w, struct connection *c)
{
	serve(w, c);
}

static void take(struct worker *w)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
	struct connection *c;
	int fd, one = 1;

	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c = worker_take(w);
	event.data.ptr = c;
	if (!c || epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event)) {
		close(fd);
		if (c)
			worker_free(w, c);
		return;
	}
	c->fd = fd;
}

static void *work(void *arg)
{
	struct epoll_event events[EVENTS];
	struct worker *w = arg;
	bool ends;
	int i, n;

	for (;;) {
		n = epoll_wait(w->epoll, events, EVENTS, -1);
		ends = false;
		for (i = 0; i < n; i++) {
			void *what = events[i].data.ptr;

			if (what == &accept_mark)
				take(w);
			else if (what == &event_mark)
				ends = true;
			else
				serve(w, what);
		}
		/* Last, for it may close connections that the other events are about. */
		if (ends)
			respond_event(w);
	}
	return NULL;
}

static bool start(struct worker *w)
{
	struct epoll_event accepts = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &accept_mark };
	struct epoll_event ends = { .events = EPOLLIN, .data.ptr = &event_mark };

	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->event = respond_worker_start(w);
	return w->epoll >= 0 && !epoll_ctl(w->epoll, EPOLL_CTL_ADD, listener, &accepts) &&
	       (w->event < 0 || !epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->event, &ends)) &&
	       !pthread_create(&w->thread, NULL, work, w);
}

static bool listen_at(const char *address, unsigned int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1, family = respond_family();

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1) {
		fprintf(stderr, "%s is no IPv4 address\n", address);
		return false;
	}
	listener = family < 0 ? -1 : socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 1024)) {
		perror("listening");
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	const char *address = "0.0.0.0";
	unsigned int port = 8080, n = 4, i;
	struct worker *workers;
	int opt;

	while ((opt = getopt(argc, argv, "l:p:t:")) != -1) {
		if (opt == 'l')
			address = optarg;
		else if (opt == 'p')
			port = (unsigned int)atoi(optarg);
		else if (opt == 't')
			n = (unsigned int)atoi(optarg);
		else
			optind = argc + 1;
	}
	if (optind != argc - 1 || !port || port > 65535 || !n || n > 1024) {
		fprintf(stderr, "usage: webserver [-l ADDRESS] [-p PORT] [-t WORKERS] FOLDER\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	workers = calloc(n, sizeof(*workers));
	if (!workers || !cache_load(argv[optind]) || !respond_start() || !listen_at(address, port))
		return 1;
	for (i = 0; i < n; i++) {
		if (!start(&workers[i])) {
			perror("starting a worker");
			return 1;
		}
	}
	printf("serving %s at %s:%u with %u workers\n", argv[optind], address, port, n);
	fflush(stdout);
	pthread_join(workers[0].thread, NULL);
	return 0;
}
