// SPDX-License-Identifier: GPL-2.0
/*
 * mnblock: one thread in each call that can block, until the path dies.
 *
 *	mnblock [options] [--only NAME]
 *
 * Prints "blocked N" once every thread sleeps in its call; whoever runs it
 * then kills the other side. Each call that returns is told at once:
 *
 *	returned call=recv ret=-1 errno=ECONNRESET events=0x0 at=94012 state=ok
 *
 * with the machine's uptime in ms (-1: it has not), which whoever kills can
 * compare with his own. A call that is to return but has not when SIGTERM
 * comes is "state=hung"; accept(), whose listener survives, may go on waiting
 * ("state=waiting"). Exit status 0: nothing hung and every call that returned
 * had an error to tell (or an event, for poll and its like). It exits as soon
 * as all that must return have.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "net.h"
#include "peer.h"
#include "tested.h"

#define MUCH (64 << 20)

struct call {
	const char *name;
	const char *words;	/* for the peer; NULL: no connection needed */
	void (*run)(struct call *c);
	bool may_wait;		/* need not return */
	bool may_succeed;	/* close() tells no error */

	int fd;
	volatile pid_t tid;
	volatile bool done;
	ssize_t ret;
	int err;
	unsigned int events;
	long at;
};

static char *memory;
static union addr full;

static void run_recv(struct call *c)
{
	char byte;

	c->ret = recv(c->fd, &byte, 1, 0);
}

static void run_recv_timeout(struct call *c)
{
	struct timeval tv = { 3600, 0 };
	char byte;

	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	c->ret = recv(c->fd, &byte, 1, 0);
}

static void run_waitall(struct call *c)
{
	char buf[100];

	c->ret = recv(c->fd, buf, sizeof(buf), MSG_WAITALL);
	/* the bytes it had count; the error is the next call's */
	if (c->ret > 0)
		c->ret = recv(c->fd, buf, sizeof(buf), MSG_WAITALL);
}

static void run_splice(struct call *c)
{
	int pair[2];

	if (!pipe(pair))
		c->ret = splice(c->fd, NULL, pair[1], NULL, 4096, 0);
}

static void run_send(struct call *c)
{
	c->ret = send(c->fd, memory, MUCH, MSG_NOSIGNAL);
	if (c->ret > 0)
		c->ret = send(c->fd, memory, MUCH, MSG_NOSIGNAL);
}

static void run_sendfile(struct call *c)
{
	int file = memfd_create("mnblock", MFD_CLOEXEC);

	if (file < 0 || ftruncate(file, MUCH))
		return;
	do
		c->ret = sendfile(c->fd, file, NULL, MUCH);
	while (c->ret > 0);
}

static void run_poll(struct call *c)
{
	struct pollfd pfd = { .fd = c->fd, .events = POLLIN };

	c->ret = poll(&pfd, 1, -1);
	c->events = pfd.revents;
}

/* Waits for nothing but errors. */
static void run_poll_none(struct call *c)
{
	struct pollfd pfd = { .fd = c->fd };

	c->ret = poll(&pfd, 1, -1);
	c->events = pfd.revents;
}

static void run_select(struct call *c)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(c->fd, &in);
	c->ret = select(c->fd + 1, &in, NULL, NULL, NULL);
	c->events = FD_ISSET(c->fd, &in) ? POLLIN : 0;
}

static void run_epoll(struct call *c)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &event);
	c->ret = epoll_wait(ep, &event, 1, -1);
	c->events = event.events;
}

static void run_linger(struct call *c)
{
	struct linger linger = { 1, 3600 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	while (send(c->fd, memory, 65536, MSG_DONTWAIT | MSG_NOSIGNAL) > 0 ||
	       wait_fd(c->fd, POLLOUT, 300))
		;
	c->ret = close(c->fd);
}

static void run_connect(struct call *c)
{
	c->fd = tested_socket(SOCK_CLOEXEC);
	c->ret = connect(c->fd, &full.sa, addr_len(&full));
}

static void run_connect_poll(struct call *c)
{
	c->fd = tested_socket(SOCK_CLOEXEC | SOCK_NONBLOCK);
	connect(c->fd, &full.sa, addr_len(&full));
	c->ret = 0;
	while (!c->events)
		c->events = wait_fd(c->fd, POLLOUT, 3600000);
	c->ret = 1;
}

static void run_accept(struct call *c)
{
	c->fd = tested_socket(SOCK_CLOEXEC);
	listen(c->fd, 4);
	c->ret = accept(c->fd, NULL, NULL);
}

static struct call calls[] = {
	{ "recv", "echo", run_recv },
	{ "recv-timeout", "echo", run_recv_timeout },
	{ "recv-waitall", "source 50 1 end=hold", run_waitall },
	{ "splice", "echo", run_splice },
	{ "send", "never-read", run_send },
	{ "sendfile", "never-read", run_sendfile },
	{ "poll", "echo", run_poll },
	{ "poll-nothing", "echo", run_poll_none },
	{ "select", "echo", run_select },
	{ "epoll", "echo", run_epoll },
	{ "close-linger", "never-read", run_linger, .may_succeed = true },
	{ "connect", NULL, run_connect },
	{ "connect-poll", NULL, run_connect_poll },
	{ "accept", NULL, run_accept, .may_wait = true },
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

static void *thread(void *arg)
{
	struct call *c = arg;

	c->ret = -2;
	c->tid = gettid();
	c->run(c);
	c->err = c->ret == -1 ? errno : 0;
	c->at = now_ms();
	c->done = true;
	return NULL;
}

static bool asleep(const struct call *c)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", c->tid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state == 'S';
}

/* Long enough asleep that it is in the call and not on the way there. */
static bool all_blocked(const char *only)
{
	long until = now_ms() + 30000;
	int rounds = 0;
	unsigned int i;

	while (rounds < 20) {
		bool good = true;

		for (i = 0; i < CALLS; i++) {
			if (only && strcmp(only, calls[i].name))
				continue;
			if (calls[i].done) {
				fprintf(stderr, "mnblock: %s did not block: %zd %s\n",
					calls[i].name, calls[i].ret,
					errno_name(calls[i].err));
				return false;
			}
			good = good && calls[i].tid && asleep(&calls[i]);
		}
		rounds = good ? rounds + 1 : 0;
		if (now_ms() > until) {
			fprintf(stderr, "mnblock: not all block\n");
			return false;
		}
		nap_ms(50);
	}
	return true;
}

/* "ok" if it told of the failure, else what is wrong. */
static const char *verdict(const struct call *c)
{
	if (!c->done)
		return c->may_wait ? "waiting" : "hung";
	if (c->events)
		return "ok";
	if (c->ret == -1 || (c->may_succeed && !c->ret))
		return "ok";
	return "no-error";
}

/* SIGTERM, which no thread sees, ends a nap and all that follow. */
static bool nap_until(const sigset_t *end)
{
	static const struct timespec nap = { .tv_nsec = 10000000 };

	return sigtimedwait(end, NULL, &nap) == SIGTERM;
}

static int watch(const char *only, const sigset_t *end)
{
	bool told[CALLS] = { false };
	long start = now_ms();
	unsigned int i, left, bad = 0;
	bool over = false;

	do {
		left = 0;
		for (i = 0; i < CALLS; i++) {
			struct call *c = &calls[i];

			if (told[i] || (only && strcmp(only, c->name)))
				continue;
			if (!c->done && !over) {
				left += !c->may_wait;
				continue;
			}
			told[i] = true;
			bad += !strcmp(verdict(c), "hung") ||
			       !strcmp(verdict(c), "no-error");
			printf("returned call=%s ret=%zd errno=%s events=%#x at=%ld state=%s\n",
			       c->name, c->ret, errno_name(c->err), c->events,
			       c->done ? c->at : -1, verdict(c));
			fflush(stdout);
		}
		over = over || nap_until(end);
	} while (left);
	for (i = 0; i < CALLS; i++)
		if (!told[i] && !(only && strcmp(only, calls[i].name)))
			printf("returned call=%s ret=%zd errno=%s events=%#x at=%ld state=%s\n",
			       calls[i].name, calls[i].ret,
			       errno_name(calls[i].err), calls[i].events, -1L,
			       verdict(&calls[i]));
	printf("end bad=%u ms=%ld\n", bad, now_ms() - start);
	fflush(stdout);
	return bad ? 1 : 0;
}

static bool prepare(const char *only)
{
	unsigned int i, port = 0;
	pthread_t ignored;
	char line[64];
	int hold;

	memory = calloc(1, MUCH);
	hold = peer_open("full");
	if (!memory || hold < 0 || read_line(hold, line, sizeof(line), 20000) ||
	    sscanf(line, "port=%u", &port) != 1)
		return false;
	full = tested.peer[tested.v6];
	addr_set_port(&full, port);
	for (i = 0; i < CALLS; i++) {
		struct call *c = &calls[i];

		if (only && strcmp(only, c->name))
			continue;
		if (c->words) {
			c->fd = peer_open("%s", c->words);
			if (c->fd < 0)
				return false;
		}
		if (pthread_create(&ignored, NULL, thread, c))
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		TESTED_OPTIONS,
		{ "only", required_argument, NULL, 'o' },
		{ 0 }
	};
	const char *only = NULL;
	unsigned int i, count = 0;
	sigset_t end;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'o') {
			only = optarg;
		} else if (!tested_option(opt, optarg)) {
			fprintf(stderr, "usage: mnblock [options] [--only NAME]\n"
				TESTED_USAGE);
			return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &end, NULL);
	if (!tested_complete("mnblock"))
		return 2;
	if (!prepare(only)) {
		fprintf(stderr, "mnblock: %m\n");
		return 2;
	}
	if (!all_blocked(only))
		_exit(2);
	for (i = 0; i < CALLS; i++)
		count += !only || !strcmp(only, calls[i].name);
	printf("blocked %u\n", count);
	fflush(stdout);
	ret = watch(only, &end);
	/* not exit(): hung threads must not be waited for */
	_exit(ret);
}
