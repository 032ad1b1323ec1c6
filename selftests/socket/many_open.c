// SPDX-License-Identifier: GPL-2.0
/*
 * Making many connections, by connect() or by being called, a few at a time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "many.h"

bool many_failed(const char *what)
{
	fprintf(stderr, "mnmany: %s: %s\n", what, errno_name(errno));
	return false;
}

static void set_buffers(int fd)
{
	int value = many.sndbuf;

	if (many.sndbuf)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value));
	value = many.rcvbuf;
	if (many.rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value));
}

/* Starts one; its descriptor, or -1. */
static int start(void)
{
	const union addr *peer = &tested.peer[tested.v6];
	int fd = tested_socket(SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -1;
	set_buffers(fd);
	if (connect(fd, &peer->sa, addr_len(peer)) && errno != EINPROGRESS) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

/* Waits for one to be connected and tells it what to do. */
static bool finish(int fd, const char *words)
{
	socklen_t len = sizeof(int);
	char line[256];
	int err = 0;
	int n;

	if (!wait_fd(fd, POLLOUT, 60000)) {
		errno = ETIMEDOUT;
		return false;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) || err) {
		errno = err;
		return false;
	}
	set_nonblock(fd, false);
	n = snprintf(line, sizeof(line), "%s\n", words);
	return !write_all(fd, line, n);
}

static unsigned int open_connect(int *fds, unsigned int count,
				 const char *words)
{
	unsigned int started = 0, done = 0;

	while (done < count) {
		while (started < count && started < done + many.par) {
			fds[started] = start();
			if (fds[started] < 0) {
				many_failed("connect");
				count = started;
				break;
			}
			started++;
		}
		if (done == count)
			break;
		if (!finish(fds[done], words)) {
			many_failed("connecting");
			many_close(fds + done, started - done);
			break;
		}
		done++;
	}
	return done;
}

static pid_t call_us(unsigned int port, unsigned int count, const char *words)
{
	char line[256], host[ADDR_TEXT];
	pid_t pid = fork();
	unsigned int called = 0;

	if (pid)
		return pid;
	if (peer_ask(line, sizeof(line), "call %s %u %u par=%u -- %s",
		     addr_text(&tested.local[tested.v6], host), port, count,
		     many.par, words))
		_exit(1);
	sscanf(line, "called=%u", &called);
	_exit(called != count);
}

static unsigned int open_accept(int *fds, unsigned int count,
				const char *words)
{
	int listener = tested_socket(SOCK_CLOEXEC);
	socklen_t len = sizeof(union addr);
	unsigned int done = 0;
	union addr addr;
	int status;
	pid_t pid;

	addr_any(&addr, tested.v6, 0);
	set_buffers(listener);
	if (listener < 0 || bind(listener, &addr.sa, addr_len(&addr)) ||
	    listen(listener, 4096) || getsockname(listener, &addr.sa, &len)) {
		many_failed("listen");
		return 0;
	}
	pid = call_us(addr_port(&addr), count, words);
	while (done < count) {
		if (!wait_fd(listener, POLLIN, 60000)) {
			errno = ETIMEDOUT;
			many_failed("waiting for calls");
			break;
		}
		fds[done] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fds[done] < 0) {
			many_failed("accept");
			break;
		}
		done++;
	}
	close(listener);
	waitpid(pid, &status, 0);
	if (done == count && status)
		fprintf(stderr, "mnmany: the peer made fewer calls\n");
	return done;
}

unsigned int many_open(int *fds, unsigned int count, const char *words)
{
	return many.accepted ? open_accept(fds, count, words) :
			       open_connect(fds, count, words);
}

void many_close(int *fds, unsigned int count)
{
	while (count--)
		close(*fds++);
}

void many_hold(const char *what)
{
	printf("holding %s\n", what);
	fflush(stdout);
	nap_ms(many.hold * 1000L);
}

bool many_exchange(int fd, uint64_t seed, size_t len)
{
	char out[16384], in[16384];
	size_t pos = 0;

	while (pos < len) {
		size_t n = len - pos < sizeof(out) ? len - pos : sizeof(out);

		pattern_fill(seed, pos, out, n);
		if (write_all(fd, out, n))
			return many_failed("send");
		if (read_all(fd, in, n) != (ssize_t)n)
			return many_failed("recv");
		if (memcmp(out, in, n)) {
			fprintf(stderr, "mnmany: wrong bytes came back\n");
			return false;
		}
		pos += n;
	}
	return true;
}

bool many_alive(void)
{
	int fd = peer_open("echo");
	bool good;

	if (fd < 0)
		return many_failed("a new connection");
	good = many_exchange(fd, 99, 10000);
	close(fd);
	return good;
}
