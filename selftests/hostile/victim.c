// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets for an evil node to attack: threads that connect, listen, send, receive and close, and
 * take any error. What must not happen is that a call never returns: who makes no progress for
 * half a minute is named. The longest call is named in any case.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attack.h"

#define THREADS		4
#define STUCK_MS	30000

static int family;
static u64 deadline;
static const char *until;		/* a file that ends it all */
static _Atomic bool enough;

static struct worker {
	pthread_t thread;
	const char *_Atomic call;
	_Atomic u64 since;
	_Atomic unsigned long rounds, errors;
	u64 longest;
	const char *longest_call;
} workers[THREADS];

/* It begins the next call, or, with NULL, none any more. */
static void calls(struct worker *w, const char *call)
{
	u64 now = now_ms();

	if (w->call && now - w->since > w->longest) {
		w->longest = now - w->since;
		w->longest_call = w->call;
	}
	w->since = now;
	w->call = call;
}

static int make(struct worker *w)
{
	struct timeval short_time = { .tv_usec = 300000 }, long_time = { .tv_sec = 2 };
	int fd;

	calls(w, "socket");
	fd = socket(family, SOCK_STREAM, 0);
	if (fd < 0) {
		w->errors++;
		usleep(50000);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &short_time, sizeof(short_time));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &long_time, sizeof(long_time));
	return fd;
}

static void finish(struct worker *w, int fd, unsigned int *seed)
{
	struct linger linger = { .l_onoff = rand_r(seed) % 3 == 0, .l_linger = rand_r(seed) % 2 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	calls(w, "close");
	close(fd);
}

static void talk(struct worker *w, int fd, unsigned int *seed)
{
	static const char text[40000];
	char buffer[20000];
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLOUT };

	calls(w, "send");
	send(fd, text, rand_r(seed) % sizeof(text), MSG_NOSIGNAL);
	if (rand_r(seed) % 2) {
		int value;
		socklen_t len = sizeof(value);

		calls(w, "getsockopt");
		getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &value, &len);
	}
	if (rand_r(seed) % 2) {
		calls(w, "setsockopt");
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	}
	calls(w, "poll");
	poll(&poll_fd, 1, 100);
	if (rand_r(seed) % 4) {
		const char *wrong;

		calls(w, "landing");
		wrong = landing_try(fd);
		if (wrong) {
			printf("%s\n", wrong);
			fflush(stdout);
			_exit(1);
		}
	}
	calls(w, "recv");
	if (recv(fd, buffer, sizeof(buffer), 0) < 0)
		w->errors++;
	if (rand_r(seed) % 3 == 0) {
		calls(w, "shutdown");
		shutdown(fd, SHUT_WR);
		calls(w, "recv");
		recv(fd, buffer, sizeof(buffer), 0);
	}
}

static void connect_once(struct worker *w, unsigned int *seed)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80) };
	int fd = make(w);

	if (fd < 0)
		return;
	inet_pton(AF_INET, "203.0.113.9", &to.sin_addr);
	calls(w, "connect");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		w->errors++;
		usleep(10000);
	} else {
		talk(w, fd, seed);
	}
	finish(w, fd, seed);
}

static void listen_once(struct worker *w, unsigned int *seed)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct pollfd poll_fd = { .events = POLLIN };
	int fd = make(w), child, i;

	if (fd < 0)
		return;
	calls(w, "bind");
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)))
		w->errors++;
	calls(w, "listen");
	if (listen(fd, 8)) {
		w->errors++;
		usleep(10000);
	}
	poll_fd.fd = fd;
	for (i = 0; i < 5; i++) {
		calls(w, "poll");
		if (poll(&poll_fd, 1, 200) <= 0)
			continue;
		calls(w, "accept");
		child = accept(fd, NULL, NULL);
		if (child < 0) {
			w->errors++;
			usleep(10000);
			continue;
		}
		struct timeval timeout = { .tv_usec = 300000 };

		setsockopt(child, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
		setsockopt(child, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
		talk(w, child, seed);
		finish(w, child, seed);
	}
	finish(w, fd, seed);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned int seed = w - workers + 1;

	while (now_ms() < deadline && !enough) {
		if ((w - workers) % 2)
			listen_once(w, &seed);
		else
			connect_once(w, &seed);
		w->rounds++;
	}
	calls(w, NULL);
	return NULL;
}

int victim(int number, unsigned int seconds, const char *file)
{
	const struct worker *longest = workers;
	unsigned long rounds = 0, errors = 0;
	bool running = true;
	unsigned int i;

	family = number;
	until = file;
	deadline = now_ms() + seconds * 1000ULL;
	if (!landing_start())
		die("no /dev/memnet");
	for (i = 0; i < THREADS; i++) {
		calls(&workers[i], "start");
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			die("no thread");
	}
	while (running) {
		running = false;
		usleep(200000);
		if (until && !access(until, F_OK))
			enough = true;
		for (i = 0; i < THREADS; i++) {
			const char *call = workers[i].call;

			running |= !!call;
			/* a sum: since may be later than the time we took */
			if (call && workers[i].since + STUCK_MS < now_ms()) {
				printf("stuck in %s()\n", call);
				fflush(stdout);
				_exit(1);
			}
		}
	}
	for (i = 0; i < THREADS; i++) {
		rounds += workers[i].rounds;
		errors += workers[i].errors;
		if (workers[i].longest > longest->longest)
			longest = &workers[i];
	}
	printf("%lu rounds, %lu errors, nothing stuck; the longest call was %s() of %llu ms\n",
	       rounds, errors, longest->longest_call ?: "no",
	       (unsigned long long)longest->longest);
	return 0;
}
