// SPDX-License-Identifier: GPL-2.0
/*
 * mnrequests: requests on one of many connections to mnpuppet, and connections that come and go.
 *
 *	mnrequests [options] [--accept] [--size BYTES] keep PATH
 *	mnrequests [options] [--on CPU] connect COUNT
 *	mnrequests [options] [--on CPU] accept COUNT
 *
 * keep: holds connections, all in one epoll, and does what it is told by lines in the FIFO PATH.in,
 * one at a time, each answered in PATH.out when it is done, by "slept=N":
 *
 *	open N		until there are N connections, with a request on each; --accept: the peer
 *			calls
 *	ask N [M]	N requests, each on a connection that chance chooses: SIZE bytes (200) are
 *			sent, waited for in the epoll, and received; M (1) are under way, on
 *			neighbours, before any of them is waited for
 *
 * An answer that does not begin with "slept=" says what went wrong. It ends with the line "end", or
 * after --bound SECONDS (600).
 *
 * connect: COUNT connections one after another, made and closed. accept: the peer calls as often,
 * each time when the last connection is over, which is accepted and closed. Nothing is sent on
 * them.
 *
 * With --plain it does what librspreload knows: sockets block and have no flags, and there is one
 * connection, which is waited for by poll(). --domain: sockets of that family. --late: the peer
 * answers that many ms after it has got the first byte of a request.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "many.h"
#include "processor.h"

#define MOST		20000
#define LARGEST		65536
#define MOST_AT_ONCE	64

struct many_options many = { .par = 64, .program = "mnrequests" };

static int fds[MOST];
static unsigned int opened;
static int epoll = -1;
static bool plain;
static int domain;
static unsigned int late;
static size_t size = 200;
static unsigned int chance = 2463534242;
static char sent[LARGEST], received[LARGEST];

static bool failed(const char *what)
{
	fprintf(stderr, "mnrequests: %s: %s\n", what, strerror(errno));
	return false;
}

static long slept(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw;
}

/* George Marsaglia's xorshift: the same in every run. */
static unsigned int next_chance(void)
{
	chance ^= chance << 13;
	chance ^= chance >> 17;
	chance ^= chance << 5;
	return chance;
}

static int connected(void)
{
	const union addr *peer = &tested.peer[tested.v6];
	int fd;

	if (plain)
		fd = socket(domain ? domain : tested_family(false), SOCK_STREAM, 0);
	else
		fd = tested_socket(SOCK_CLOEXEC);
	if (fd < 0 || connect(fd, &peer->sa, addr_len(peer)))
		failed("connect");
	else
		return fd;
	close(fd);
	return -1;
}

static bool wait_for(int fd)
{
	struct epoll_event event = { .data.fd = fd };
	int n;

	n = plain ? wait_fd(fd, POLLIN, 60000) : epoll_wait(epoll, &event, 1, 60000);
	errno = n ? EIO : ETIMEDOUT;
	return (n > 0 && event.data.fd == fd) || failed("waiting for the answer");
}

static bool request(int fd)
{
	size_t got;
	ssize_t n;

	sent[0]++;
	if (write_all(fd, sent, size))
		return failed("send");
	for (got = 0; got < size; got += n) {
		if (!wait_for(fd))
			return false;
		n = recv(fd, received + got, size - got, 0);
		if (n <= 0)
			return failed("recv");
	}
	errno = EIO;
	return !memcmp(sent, received, size) || failed("the answer");
}

static bool open_until(unsigned int count)
{
	unsigned int more = count - opened;
	char words[32];
	int on = 1;

	errno = EINVAL;
	if (count < opened || count > (plain ? 1 : MOST - 100))
		return failed("open");
	snprintf(words, sizeof(words), "echo late=%u", late);
	if (!plain) {
		if (many_open(fds + opened, more, words) != more)
			return false;
	} else if (more) {
		fds[0] = connected();
		if (fds[0] < 0)
			return false;
		strcat(words, "\n");
		if (write_all(fds[0], words, strlen(words)))
			return failed("send");
	}
	for (; opened < count; opened++) {
		struct epoll_event event = { EPOLLIN, { .fd = fds[opened] } };

		if (setsockopt(fds[opened], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
		    (!plain && epoll_ctl(epoll, EPOLL_CTL_ADD, fds[opened], &event)))
			return failed("a new connection");
		if (!request(fds[opened]))
			return false;
	}
	return true;
}

/* A piece of an answer; how many bytes of it are still to come are with its connection in @left. */
static bool receive_piece(int fd, size_t *left)
{
	ssize_t n = recv(fd, received, *left, 0);

	errno = n < 0 ? errno : EIO;
	if (n <= 0 || memcmp(sent + size - *left, received, n))
		return failed("recv");
	*left -= n;
	return true;
}

/* @count requests on neighbours, all of them sent before any answer is looked for. */
static bool together(unsigned int count)
{
	static size_t left[MOST];	/* by descriptor: there are hardly more than connections */
	struct epoll_event events[MOST_AT_ONCE];
	unsigned int at = next_chance() % opened, i, open = count;
	int n;

	sent[0]++;
	for (i = 0; i < count; i++) {
		int fd = fds[(at + i) % opened];

		left[fd] = size;
		if (write_all(fd, sent, size))
			return failed("send");
	}
	while (open) {
		n = epoll_wait(epoll, events, MOST_AT_ONCE, 60000);
		errno = ETIMEDOUT;
		if (n <= 0)
			return failed("epoll_wait");
		while (n--) {
			int fd = events[n].data.fd;

			if (!receive_piece(fd, &left[fd]))
				return false;
			open -= !left[fd];
		}
	}
	return true;
}

static bool ask(unsigned int count, unsigned int at_once)
{
	unsigned int n;

	for (; count; count -= n) {
		n = count < at_once ? count : at_once;
		if (n == 1 ? !request(fds[next_chance() % opened]) : !together(n))
			return false;
	}
	return true;
}

/* A line; false: it says "end", or nothing that is known. */
static bool obey(const char *line, bool *good)
{
	unsigned int n, at_once = 1;

	*good = true;
	if (sscanf(line, "open %u", &n) == 1)
		*good = open_until(n);
	else if (sscanf(line, "ask %u %u", &n, &at_once) >= 1 && at_once &&
		 at_once <= MOST_AT_ONCE && at_once <= opened)
		*good = ask(n, at_once);
	else
		return false;
	return true;
}

static FILE *end_of(const char *path, const char *which, const char *mode)
{
	char name[256];
	FILE *file;

	snprintf(name, sizeof(name), "%s.%s", path, which);
	file = fopen(name, mode);
	if (!file)
		failed(name);
	return file;
}

static bool keep(const char *path)
{
	bool good = true, goes_on = true;
	char line[100];
	FILE *file;
	long before;

	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		return failed("epoll_create1");
	while (goes_on) {
		file = end_of(path, "in", "r");
		if (!file || !fgets(line, sizeof(line), file))
			return failed("a line");
		fclose(file);
		before = slept();
		goes_on = obey(line, &good) && good;
		before = slept() - before;
		file = end_of(path, "out", "w");
		if (!file)
			return false;
		if (good)
			fprintf(file, "slept=%ld\n", before);
		else
			fprintf(file, "mnrequests failed\n");
		fclose(file);
	}
	return good;
}

static bool by_connect(unsigned int count)
{
	int fd;

	while (count--) {
		fd = connected();
		if (fd < 0)
			return false;
		if (close(fd))
			return failed("close");
	}
	return true;
}

static bool by_accept(unsigned int count)
{
	int listener = tested_socket(SOCK_CLOEXEC);
	socklen_t len = sizeof(union addr);
	char host[ADDR_TEXT];
	union addr addr;
	int control, fd;

	addr_any(&addr, tested.v6, 0);
	if (listener < 0 || bind(listener, &addr.sa, addr_len(&addr)) || listen(listener, 16) ||
	    getsockname(listener, &addr.sa, &len))
		return failed("listen");
	control = peer_open("call %s %u %u seq=1 -- echo",
			    addr_text(&tested.local[tested.v6], host), addr_port(&addr), count);
	if (control < 0)
		return failed("call");
	while (count--) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return failed("accept");
		if (close(fd))
			return failed("close");
	}
	return true;
}

static bool one_by_one(const char *what, const char *count)
{
	bool accepts = !strcmp(what, "accept");
	long before;

	if (!processor_enter())
		return failed("processor");
	before = slept();
	if (!(accepts ? by_accept : by_connect)(strtoul(count, NULL, 0)))
		return false;
	before = slept() - before;
	if (!processor_leave())
		return failed("processor");
	printf("slept=%ld\n", before);
	return true;
}

static int usage(void)
{
	fprintf(stderr, "usage: mnrequests [options] keep PATH | connect COUNT | accept COUNT\n"
		TESTED_USAGE
		PROCESSOR_USAGE
		"      --accept             the peer makes those that are kept\n"
		"      --size BYTES         of a request, and of the answer (200)\n"
		"      --bound SECONDS      give up after this time (600)\n"
		"      --plain              nothing that librspreload does not know\n"
		"      --domain N           sockets of that family, with --plain\n"
		"      --late MS            the peer answers that much later (0)\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		TESTED_OPTIONS,
		PROCESSOR_OPTION,
		{ "accept", no_argument, NULL, 'a' },
		{ "size", required_argument, NULL, 's' },
		{ "bound", required_argument, NULL, 'b' },
		{ "plain", no_argument, NULL, 'p' },
		{ "domain", required_argument, NULL, 'd' },
		{ "late", required_argument, NULL, 'l' },
		{ NULL }
	};
	unsigned int bound = 600;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'a')
			many.accepted = true;
		else if (opt == 's')
			size = strtoul(optarg, NULL, 0);
		else if (opt == 'b')
			bound = strtoul(optarg, NULL, 0);
		else if (opt == 'p')
			plain = true;
		else if (opt == 'd')
			domain = atoi(optarg);
		else if (opt == 'l')
			late = strtoul(optarg, NULL, 0);
		else if (opt == 'O')
			processor = atoi(optarg);
		else if (!tested_option(opt, optarg))
			return usage();
	}
	argv += optind;
	if (argc - optind != 2 || !size || size > LARGEST)
		return usage();
	if (!tested_complete("mnrequests"))
		return 2;
	raise_fd_limit();
	alarm(bound);
	if (!strcmp(argv[0], "keep"))
		return !keep(argv[1]);
	if (!strcmp(argv[0], "connect") || !strcmp(argv[0], "accept"))
		return !one_by_one(argv[0], argv[1]);
	return usage();
}
