// SPDX-License-Identifier: GPL-2.0
/*
 * mnrelay: what an offload node is in user space, as small as it can be.
 *
 *	mnrelay tcp|smc|rsocket ADDR PORT TO-ADDR TO-PORT
 *
 * Each connection to PORT of ADDR, which comes over TCP, over SMC or by rsockets, gets one of TCP
 * to TO-PORT of TO-ADDR, and a thread that carries bytes both ways until both have ended. It prints
 * "listening" when it does.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rdma/rsocket.h>

#include "net.h"

#ifndef AF_SMC
#define AF_SMC 43
#endif

#define PIECE	65536

/* How the side of the SAN is spoken to; the other one is always TCP. */
struct way {
	const char *name;
	int family;
	int (*socket)(int domain, int type, int protocol);
	int (*bind)(int fd, const struct sockaddr *addr, socklen_t len);
	int (*listen)(int fd, int backlog);
	int (*accept)(int fd, struct sockaddr *addr, socklen_t *len);
	ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
	ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
	int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t len);
	int (*shutdown)(int fd, int how);
	int (*close)(int fd);
	int (*poll)(struct pollfd *fds, nfds_t count, int ms);
};

static int accept_native(int fd, struct sockaddr *addr, socklen_t *len)
{
	return accept(fd, addr, len);
}

static int bind_native(int fd, const struct sockaddr *addr, socklen_t len)
{
	return bind(fd, addr, len);
}

static const struct way ways[] = {
	{ "tcp", AF_INET, socket, bind_native, listen, accept_native, recv, send, setsockopt,
	  shutdown, close, poll },
	{ "smc", AF_SMC, socket, bind_native, listen, accept_native, recv, send, setsockopt,
	  shutdown, close, poll },
	{ "rsocket", AF_INET, rsocket, rbind, rlisten, raccept, rrecv, rsend, rsetsockopt,
	  rshutdown, rclose, rpoll },
	{ NULL }
};

static const struct way *const tcp = &ways[0];
static const struct way *way;
static union addr to;

static bool failed(const char *what)
{
	fprintf(stderr, "mnrelay: %s: %s\n", what, strerror(errno));
	return false;
}

struct end {
	const struct way *way;
	int fd;
	bool over;		/* nothing more comes from here */
};

/* What is there, from one end to the other; false: the connection is broken. */
static bool carry(struct end *from, struct end *into, char *buf)
{
	ssize_t n = from->way->recv(from->fd, buf, PIECE, 0), done, one;

	if (n < 0)
		return false;
	if (!n) {
		from->over = true;
		return !into->way->shutdown(into->fd, SHUT_WR);
	}
	for (done = 0; done < n; done += one) {
		one = into->way->send(into->fd, buf + done, n - done, MSG_NOSIGNAL);
		if (one < 0)
			return false;
	}
	return true;
}

static void both_ways(struct end *ends)
{
	char *buf = malloc(PIECE);
	bool good = buf;
	int i;

	while (good && !(ends[0].over && ends[1].over)) {
		struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };

		for (i = 0; i < 2; i++)		/* what is over would be ready all the time */
			fds[i].fd = ends[i].over ? -1 : ends[i].fd;
		if (way->poll(fds, 2, -1) < 0)
			break;
		for (i = 0; good && i < 2; i++)
			if (fds[i].revents)
				good = carry(&ends[i], &ends[!i], buf);
	}
	free(buf);
}

static void *connection(void *arg)
{
	struct end ends[2] = { { way, (int)(long)arg }, { tcp, socket(AF_INET, SOCK_STREAM, 0) } };
	int on = 1;

	if (ends[1].fd < 0 || connect(ends[1].fd, &to.sa, addr_len(&to))) {
		failed("connect");
	} else {
		way->setsockopt(ends[0].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(ends[1].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		both_ways(ends);
	}
	close(ends[1].fd);
	way->close(ends[0].fd);
	return NULL;
}

static bool serve(const union addr *at)
{
	int listener = way->socket(way->family, SOCK_STREAM, 0);
	int on = 1, fd;
	pthread_t thread;

	if (listener < 0)
		return failed("socket");
	way->setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (way->bind(listener, &at->sa, addr_len(at)) || way->listen(listener, 64))
		return failed("listen");
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		fd = way->accept(listener, NULL, NULL);
		if (fd < 0)
			return failed("accept");
		if (pthread_create(&thread, NULL, connection, (void *)(long)fd)) {
			way->close(fd);
			continue;
		}
		pthread_detach(thread);
	}
}

int main(int argc, char **argv)
{
	union addr at;
	const struct way *w;

	for (w = ways; argc == 6 && w->name; w++)
		if (!strcmp(argv[1], w->name))
			way = w;
	if (!way || !addr_parse(&at, argv[2], atoi(argv[3])) ||
	    !addr_parse(&to, argv[4], atoi(argv[5]))) {
		fprintf(stderr, "usage: mnrelay tcp|smc|rsocket ADDR PORT TO-ADDR TO-PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	return !serve(&at);
}
