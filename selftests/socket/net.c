// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses, clocks and whole-buffer transfers; see net.h.
 *
 * Transfers wait with poll() for at most STALL_MS without progress and then
 * fail with ETIMEDOUT, so that no helper can hang a test.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

#define STALL_MS 60000

bool addr_parse(union addr *addr, const char *text, unsigned int port)
{
	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET, text, &addr->in.sin_addr) == 1)
		addr->sa.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &addr->in6.sin6_addr) == 1)
		addr->sa.sa_family = AF_INET6;
	else
		return false;
	addr_set_port(addr, port);
	return true;
}

void addr_any(union addr *addr, bool v6, unsigned int port)
{
	memset(addr, 0, sizeof(*addr));
	addr->sa.sa_family = v6 ? AF_INET6 : AF_INET;
	addr_set_port(addr, port);
}

void addr_map(union addr *addr, const union addr *v4)
{
	memset(addr, 0, sizeof(*addr));
	addr->in6.sin6_family = AF_INET6;
	addr->in6.sin6_port = v4->in.sin_port;
	addr->in6.sin6_addr.s6_addr[10] = 0xff;
	addr->in6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&addr->in6.sin6_addr.s6_addr[12], &v4->in.sin_addr, 4);
}

socklen_t addr_len(const union addr *addr)
{
	return addr->sa.sa_family == AF_INET6 ? sizeof(addr->in6) :
						sizeof(addr->in);
}

/* The port is at the same place in both. */
unsigned int addr_port(const union addr *addr)
{
	return ntohs(addr->in.sin_port);
}

void addr_set_port(union addr *addr, unsigned int port)
{
	addr->in.sin_port = htons(port);
}

bool addr_is_any(const union addr *addr)
{
	if (addr->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&addr->in6.sin6_addr);
	return addr->in.sin_addr.s_addr == htonl(INADDR_ANY);
}

bool addr_same_host(const union addr *a, const union addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr,
					  &b->in6.sin6_addr);
	return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
}

const char *addr_text(const union addr *addr, char *text)
{
	const void *host = addr->sa.sa_family == AF_INET6 ?
		(const void *)&addr->in6.sin6_addr : &addr->in.sin_addr;

	if (!inet_ntop(addr->sa.sa_family, host, text, ADDR_TEXT))
		snprintf(text, ADDR_TEXT, "family-%u", addr->sa.sa_family);
	return text;
}

long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000L + ts.tv_nsec / 1000000;
}

void nap_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

int wait_fd(int fd, short events, long ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	long until = now_ms() + ms;
	int n;

	do {
		long left = until - now_ms();

		n = poll(&pfd, 1, left < 0 ? 0 : left);
	} while (n < 0 && errno == EINTR);
	return n > 0 ? pfd.revents : 0;
}

static int wait_progress(int fd, short events)
{
	if (wait_fd(fd, events, STALL_MS))
		return 0;
	errno = ETIMEDOUT;
	return -1;
}

int write_all(int fd, const void *buf, size_t len)
{
	const char *from = buf;

	while (len) {
		ssize_t n = send(fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			if (wait_progress(fd, POLLOUT))
				return -1;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		from += n;
		len -= n;
	}
	return 0;
}

ssize_t read_all(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = recv(fd, (char *)buf + done, len - done,
				 MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			if (wait_progress(fd, POLLIN))
				return -1;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (!n)
			break;
		done += n;
	}
	return done;
}

int read_line(int fd, char *line, size_t size, long ms)
{
	long until = now_ms() + ms;
	size_t len = 0;

	while (len + 1 < size) {
		ssize_t n = recv(fd, line + len, 1, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			long left = until - now_ms();

			if (left <= 0 || !wait_fd(fd, POLLIN, left)) {
				errno = ETIMEDOUT;
				return -1;
			}
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (!n) {
			errno = EPIPE;
			return -1;
		}
		if (line[len] == '\n') {
			line[len] = 0;
			return 0;
		}
		len++;
	}
	errno = EMSGSIZE;
	return -1;
}

void set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

void raise_fd_limit(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		if (!geteuid() && limit.rlim_max < 65536)
			limit.rlim_max = 65536;
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

const char *errno_name(int err)
{
	static __thread char number[16];
	const char *name = err ? strerrorname_np(err) : "0";

	if (name)
		return name;
	snprintf(number, sizeof(number), "%d", err);
	return number;
}
