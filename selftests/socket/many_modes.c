// SPDX-License-Identifier: GPL-2.0
/*
 * What mnmany does with its connections, mode by mode.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "many.h"

static const char *side(void)
{
	return many.accepted ? "accept" : "connect";
}

static int *descriptors(void)
{
	int *fds = calloc(many.count, sizeof(*fds));

	if (!fds)
		exit(2);
	return fds;
}

bool many_idle(void)
{
	int *fds = descriptors();
	unsigned int opened, i, good = 0;
	long start = now_ms();
	bool alive;

	opened = many_open(fds, many.count, "echo");
	many_hold("idle");
	alive = many_alive();
	for (i = 0; i < opened; i++)
		good += many_exchange(fds[i], i, many.bytes);
	many_close(fds, opened);
	printf("idle side=%s wanted=%u opened=%u exchanged=%u alive=%d ms=%ld\n",
	       side(), many.count, opened, good, alive, now_ms() - start);
	return opened == many.count && good == opened && alive;
}

static bool short_connect(unsigned int *good)
{
	unsigned int i;

	for (i = 0; i < many.count; i++) {
		int fd = peer_open("echo");

		if (fd < 0)
			return many_failed("connect");
		if (!many_exchange(fd, i, many.bytes))
			return false;
		if (close(fd))
			return many_failed("close");
		(*good)++;
	}
	return true;
}

/* The peer's calls come one at a time: each when the last has ended. */
static bool short_accept(unsigned int *good)
{
	int listener = tested_socket(SOCK_CLOEXEC);
	socklen_t len = sizeof(union addr);
	char host[ADDR_TEXT];
	union addr addr;
	bool done = false;
	int control;

	addr_any(&addr, tested.v6, 0);
	if (bind(listener, &addr.sa, addr_len(&addr)) || listen(listener, 16) ||
	    getsockname(listener, &addr.sa, &len))
		return many_failed("listen");
	control = peer_open("call %s %u %u seq=1 -- echo",
			    addr_text(&tested.local[tested.v6], host),
			    addr_port(&addr), many.count);
	if (control < 0)
		return many_failed("call");
	while (*good < many.count) {
		int fd;

		if (!wait_fd(listener, POLLIN, 60000)) {
			errno = ETIMEDOUT;
			many_failed("waiting for calls");
			goto out;
		}
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0) {
			many_failed("accept");
			goto out;
		}
		if (!many_exchange(fd, *good, many.bytes))
			goto out;
		close(fd);
		(*good)++;
	}
	done = true;
out:
	close(control);
	close(listener);
	return done;
}

bool many_short(void)
{
	long start = now_ms();
	unsigned int good = 0;
	bool done;

	done = many.accepted ? short_accept(&good) : short_connect(&good);
	many_hold("short");
	printf("short side=%s wanted=%u done=%u ms=%ld\n", side(), many.count,
	       good, now_ms() - start);
	return done;
}

/* Until no descriptor's count of queued bytes changes any more. */
static uint64_t settle(int *fds, unsigned int count, unsigned long request)
{
	uint64_t last = ~0ULL;
	int round;

	for (round = 0; round < 100; round++) {
		uint64_t total = 0;
		unsigned int i;

		for (i = 0; i < count; i++) {
			int queued = 0;

			if (!ioctl(fds[i], request, &queued))
				total += queued;
		}
		if (total == last)
			break;
		last = total;
		nap_ms(200);
	}
	return last;
}

/* Reads one stream to its end and checks it. */
static bool drain(int fd, uint64_t seed, uint64_t want)
{
	static char buf[65536];
	uint64_t got = 0;
	ssize_t n;

	while ((n = read_all(fd, buf, sizeof(buf))) > 0) {
		if (pattern_check(seed, got, buf, n) >= 0) {
			fprintf(stderr, "mnmany: a wrong byte after %llu\n",
				(unsigned long long)got);
			return false;
		}
		got += n;
		if (n < (ssize_t)sizeof(buf))
			break;
	}
	if (n < 0)
		return many_failed("recv");
	if (got != want) {
		fprintf(stderr, "mnmany: %llu bytes of %llu\n",
			(unsigned long long)got, (unsigned long long)want);
		return false;
	}
	return true;
}

bool many_noread(void)
{
	int *fds = descriptors();
	unsigned int opened, i, good = 0;
	long start = now_ms();
	uint64_t queued;
	char words[64];
	bool alive;

	snprintf(words, sizeof(words), "source %llu 7",
		 (unsigned long long)many.bytes);
	opened = many_open(fds, many.count, words);
	queued = settle(fds, opened, SIOCINQ);
	many_hold("noread");
	alive = many_alive();
	/* all in turn: the later ones wait longest and must not be harmed */
	for (i = 0; i < opened; i++)
		good += drain(fds[i], 7, many.bytes);
	many_close(fds, opened);
	printf("noread side=%s wanted=%u opened=%u bytes=%llu queued=%llu complete=%u alive=%d ms=%ld\n",
	       side(), many.count, opened, (unsigned long long)many.bytes,
	       (unsigned long long)queued, good, alive, now_ms() - start);
	return opened == many.count && good == opened && alive;
}

/* Writes until @limit bytes are taken, all told, or the socket is full. */
static bool write_until_full(int fd, uint64_t *sent, uint64_t limit)
{
	static char buf[65536];

	while (*sent < limit) {
		size_t size = many.size;
		ssize_t n;

		if (size > sizeof(buf))
			size = sizeof(buf);
		if (size > limit - *sent)
			size = limit - *sent;
		pattern_fill(1, *sent, buf, size);
		n = send(fd, buf, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return many_failed("send");
		*sent += n;
	}
	return true;
}

/* Full is what stays full: windows and buffers grow for a while. */
#define QUIET_ROUNDS 4
#define QUIET_MS 250

bool many_flood(void)
{
	uint64_t *sent = calloc(many.count, sizeof(*sent));
	uint64_t accepted = 0, before;
	unsigned int opened, i, full = 0;
	int *fds = descriptors();
	long start = now_ms();
	bool alive, good = true;
	int quiet = 0;

	opened = many_open(fds, many.count, "never-read");
	while (good && quiet < QUIET_ROUNDS) {
		before = accepted;
		accepted = 0;
		for (i = 0; good && i < opened; i++) {
			good = write_until_full(fds[i], &sent[i], many.bytes);
			accepted += sent[i];
		}
		quiet = accepted == before ? quiet + 1 : 0;
		nap_ms(QUIET_MS);
	}
	for (i = 0; i < opened; i++)
		full += sent[i] < many.bytes;
	many_hold("flood");
	alive = many_alive();
	many_close(fds, opened);
	free(sent);
	printf("flood side=%s wanted=%u opened=%u bytes=%llu accepted=%llu full=%u alive=%d ms=%ld\n",
	       side(), many.count, opened, (unsigned long long)many.bytes,
	       (unsigned long long)accepted, full, alive, now_ms() - start);
	return good && opened == many.count && alive;
}

bool many_unread_peer(void)
{
	char tag[PEER_TAG], words[96], line[256] = "";
	struct result result = { 0 };
	uint64_t accepted = 0, before;
	long start = now_ms();
	bool alive, good = true;
	int fd, quiet = 0;

	snprintf(words, sizeof(words), "sink check=1 wait=1 tag=%s",
		 peer_tag(tag));
	if (many_open(&fd, 1, words) != 1)
		return false;
	while (good && accepted < many.bytes && quiet < QUIET_ROUNDS) {
		before = accepted;
		good = write_until_full(fd, &accepted, many.bytes);
		quiet = accepted == before ? quiet + 1 : 0;
		if (good && accepted < many.bytes)
			wait_fd(fd, POLLOUT, QUIET_MS);
	}
	many_hold("unread-peer");
	alive = many_alive();
	/* let the peer read: what was accepted must arrive */
	good = good && !peer_go(tag, "") && !shutdown(fd, SHUT_WR) &&
	       !read_line(fd, line, sizeof(line), 60000) &&
	       !result_parse(&result, line);
	if (!good)
		many_failed("the peer's account");
	close(fd);
	printf("unread-peer side=%s bytes=%llu size=%u accepted=%llu full=%d arrived=%llu bad=%lld alive=%d ms=%ld\n",
	       side(), (unsigned long long)many.bytes, many.size,
	       (unsigned long long)accepted, accepted < many.bytes,
	       (unsigned long long)result.in, (long long)result.bad, alive,
	       now_ms() - start);
	return good && alive && accepted && result.in == accepted &&
	       result.bad < 0;
}

bool many_urgent(void)
{
	int *fds = descriptors();
	unsigned int opened, i, good = 0;
	long start = now_ms();
	char words[96];
	bool alive;

	snprintf(words, sizeof(words), "source %llu 7 urg=%llu",
		 (unsigned long long)many.bytes,
		 (unsigned long long)many.bytes / 2);
	opened = many_open(fds, many.count, words);
	many_hold("urgent");
	alive = many_alive();
	for (i = 0; i < opened; i++)
		good += drain(fds[i], 7, many.bytes);
	many_close(fds, opened);
	printf("urgent side=%s wanted=%u opened=%u bytes=%llu complete=%u alive=%d ms=%ld\n",
	       side(), many.count, opened, (unsigned long long)many.bytes,
	       good, alive, now_ms() - start);
	return opened == many.count && good == opened && alive;
}
