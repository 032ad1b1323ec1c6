// SPDX-License-Identifier: GPL-2.0
/*
 * Talking to mnpuppet; see peer.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "net.h"
#include "peer.h"
#include "tested.h"

/* mnpuppet outlives guests, whose process numbers repeat: be random. */
const char *peer_tag(char *tag)
{
	static unsigned int count;
	unsigned int word = 0;

	if (getrandom(&word, sizeof(word), 0) < 0)
		word = now_ms();
	snprintf(tag, PEER_TAG, "t%x-%x-%u", (unsigned int)getpid(), word,
		 count++);
	return tag;
}

static int vopen_on(int fd, const char *format, va_list args)
{
	const union addr *peer = &tested.peer[tested.v6];
	char line[512];
	int n;

	n = vsnprintf(line, sizeof(line) - 1, format, args);
	line[n++] = '\n';
	if (connect(fd, &peer->sa, addr_len(peer)))
		return -1;
	return write_all(fd, line, n);
}

static int vopen(const char *format, va_list args)
{
	int fd = tested_socket(SOCK_CLOEXEC);

	if (fd >= 0 && vopen_on(fd, format, args)) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

int peer_open(const char *format, ...)
{
	va_list args;
	int fd;

	va_start(args, format);
	fd = vopen(format, args);
	va_end(args);
	return fd;
}

int peer_open_on(int fd, const char *format, ...)
{
	va_list args;
	int ret;

	va_start(args, format);
	ret = vopen_on(fd, format, args);
	va_end(args);
	return ret;
}

int peer_ask(char *line, size_t size, const char *format, ...)
{
	va_list args;
	int fd, ret, err;

	va_start(args, format);
	fd = vopen(format, args);
	va_end(args);
	if (fd < 0)
		return -1;
	ret = read_line(fd, line, size, PEER_MS);
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

int result_parse(struct result *result, const char *line)
{
	unsigned long long in, out, sum;
	long long bad;

	memset(result, 0, sizeof(*result));
	if (!strncmp(line, "running ", 8)) {
		result->running = 1;
		line += 8;
	}
	if (sscanf(line,
		   "in=%llu out=%llu sum=%llx bad=%lld err=%d eof=%d segs=%u oob=%u",
		   &in, &out, &sum, &bad, &result->err, &result->eof,
		   &result->segs, &result->oob) != 8) {
		errno = EPROTO;
		return -1;
	}
	result->in = in;
	result->out = out;
	result->sum = sum;
	result->bad = bad;
	return 0;
}

int peer_stat(const char *tag, struct result *result)
{
	char line[256];

	if (peer_ask(line, sizeof(line), "stat %s 10000", tag))
		return -1;
	return result_parse(result, line);
}

int peer_go(const char *tag, const char *words)
{
	char line[256];

	if (peer_ask(line, sizeof(line), "go %s %s", tag, words))
		return -1;
	if (!strcmp(line, "ok"))
		return 0;
	errno = strcmp(line, "gone") ? EPROTO : EPIPE;
	return -1;
}
