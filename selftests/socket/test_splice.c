// SPDX-License-Identifier: GPL-2.0
/*
 * sendfile(), splice(), vmsplice() and tee-less proxying: files and pipes
 * joined to sockets, in both directions.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fixture.h"

/* A file of @len pattern bytes of seed 1, in page cache or on tmpfs. */
static int file_of(size_t len)
{
	char name[] = "/tmp/mnsock-XXXXXX";
	int fd = mkstemp(name);

	if (fd < 0)
		fd = OK(memfd_create("mnsock", MFD_CLOEXEC));
	else
		OK(unlink(name));
	CHECK(pattern_write(fd, 1, len));
	OK(lseek(fd, 0, SEEK_SET));
	return fd;
}

TEST_BOTH(splice_sendfile, "sendfile")
{
	int fd = meet("sink check=1");
	int file = file_of(300001);
	size_t sent = 0;

	while (sent < 300001) {
		ssize_t n = OK(sendfile(fd, file, NULL, 300001 - sent));

		CHECK(n > 0);
		sent += n;
		EQ(lseek(file, 0, SEEK_CUR), sent);
	}
	EQ(sendfile(fd, file, NULL, 100), 0);
	expect_sunk(fd, 300001);
}

TEST_BOTH(splice_sendfile_offset, "sendfile")
{
	int fd = meet("sink");
	int file = file_of(10000);
	struct result result;
	off_t offset = 4000;
	char buf[3000];
	struct sum sum;

	EQ(sendfile(fd, file, &offset, 3000), 3000);
	EQ(offset, 7000);
	EQ(lseek(file, 0, SEEK_CUR), 0);
	/* beyond the end: what is there */
	EQ(sendfile(fd, file, &offset, 100000), 3000);
	EQ(offset, 10000);
	EQ(sendfile(fd, file, &offset, 100000), 0);
	offset = 20000;
	EQ(sendfile(fd, file, &offset, 10), 0);
	OK(shutdown(fd, SHUT_WR));
	result = answer_of(fd);
	EQ(result.in, 6000);
	sum_init(&sum);
	pattern_fill(1, 4000, buf, 3000);
	sum_add(&sum, buf, 3000);
	pattern_fill(1, 7000, buf, 3000);
	sum_add(&sum, buf, 3000);
	CHECK(result.sum == sum_end(&sum));
}

TEST_BOTH(splice_sendfile_large, "sendfile")
{
	int fd = meet("sink check=1");
	int file = file_of(5000000);
	size_t sent = 0;

	while (sent < 5000000)
		sent += OK(sendfile(fd, file, NULL, 5000000 - sent));
	expect_sunk(fd, 5000000);
}

/* Every alignment of both ends, on the byte. */
TEST_BOTH(splice_sendfile_unaligned, "sendfile")
{
	int fd = meet("sink check=1");
	int file = file_of(200000);
	size_t sent = 0;
	size_t size = 1;

	while (sent < 200000) {
		size_t n = size < 200000 - sent ? size : 200000 - sent;

		sent += OK(sendfile(fd, file, NULL, n));
		size = (size * 3 + 1) % 9001 + 1;
	}
	expect_sunk(fd, 200000);
}

/* As a web server does: header with MSG_MORE, then the file, many times. */
TEST_BOTH(splice_sendfile_after_header, "sendfile.header")
{
	int fd = meet("sink check=1");
	int file = file_of(50 * 1033);
	off_t offset = 0;
	char head[33];
	int i;

	for (i = 0; i < 50; i++) {
		pattern_fill(1, offset, head, sizeof(head));
		EQ(send(fd, head, sizeof(head), MSG_MORE), sizeof(head));
		offset += sizeof(head);
		EQ(sendfile(fd, file, &offset, 1000), 1000);
	}
	expect_sunk(fd, 50 * 1033);
}

TEST_BOTH(splice_sendfile_nonblock, "sendfile.nonblock")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 wait=1 tag=%s", peer_tag(tag));
	int file = file_of(16 << 20);
	size_t sent = 0;
	int quiet = 0;
	off_t offset = 0;

	set_nonblock(fd, true);
	while (quiet < 3) {
		ssize_t n = sendfile(fd, file, &offset, (16 << 20) - sent);

		if (n < 0) {
			EQ(errno, EAGAIN);
			quiet = wait_fd(fd, POLLOUT, SHORT_MS) ? 0 : quiet + 1;
			continue;
		}
		CHECK(n > 0);
		sent += n;
		EQ(offset, sent);
	}
	go(tag, "");
	set_nonblock(fd, false);
	while (sent < 16 << 20)
		sent += OK(sendfile(fd, file, &offset, (16 << 20) - sent));
	expect_sunk(fd, 16 << 20);
}

TEST_FOR(splice_sendfile_not_connected, LOCAL, 0, "sendfile.errors")
{
	int file = file_of(1000);

	count_sigpipe();
	FAILS(sendfile(fresh(), file, NULL, 1000), EPIPE);
	EQ(lseek(file, 0, SEEK_CUR), 0);
}

TEST_BOTH(splice_sendfile_broken, "sendfile.errors")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	int file = file_of(1000);

	count_sigpipe();
	go(tag, "");
	await_error(fd);
	FAILS(sendfile(fd, file, NULL, 1000), ECONNRESET);
	EQ(pipes, 0);
	FAILS(sendfile(fd, file, NULL, 1000), EPIPE);
	EQ(pipes, 1);
	fd = meet("echo");
	OK(shutdown(fd, SHUT_WR));
	FAILS(sendfile(fd, file, NULL, 1000), EPIPE);
}

/* The pages are the file's: what is written later is not what was sent ... */
TEST_BOTH(splice_sendfile_then_truncate, "sendfile.truncate")
{
	int fd = meet("sink");
	int file = file_of(100000);
	size_t sent = 0;

	while (sent < 100000)
		sent += OK(sendfile(fd, file, NULL, 100000 - sent));
	/* ... or is, as natively; but the length is kept, and nobody dies */
	OK(ftruncate(file, 0));
	OK(close(file));
	OK(shutdown(fd, SHUT_WR));
	EQ(answer_of(fd).in, 100000);
}

TEST_BOTH(splice_file_to_socket, "splice.to-socket")
{
	int fd = meet("sink check=1");
	int file = file_of(300000);
	size_t sent = 0;
	int pair[2];

	OK(pipe(pair));
	while (sent < 300000) {
		ssize_t n = OK(splice(file, NULL, pair[1], NULL, 65536, 0));

		CHECK(n > 0);
		while (n) {
			ssize_t m = OK(splice(pair[0], NULL, fd, NULL, n,
					      SPLICE_F_MORE));

			CHECK(m > 0);
			n -= m;
			sent += m;
		}
	}
	expect_sunk(fd, 300000);
}

TEST_BOTH(splice_memory_to_socket, "splice.vmsplice")
{
	int fd = meet("sink check=1");
	size_t sent = 0;
	char *map;
	int pair[2];

	map = mmap(NULL, 100000, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(map != MAP_FAILED);
	pattern_fill(1, 0, map, 100000);
	OK(pipe(pair));
	while (sent < 100000) {
		struct iovec iov = { map + sent, 100000 - sent };
		ssize_t n = OK(vmsplice(pair[1], &iov, 1, 0));

		while (n) {
			ssize_t m = OK(splice(pair[0], NULL, fd, NULL, n, 0));

			n -= m;
			sent += m;
		}
	}
	expect_sunk(fd, 100000);
}

TEST_BOTH(splice_socket_to_pipe, "splice.from-socket")
{
	int fd = meet("source 300000 4");
	size_t got = 0;
	char buf[65536];
	int pair[2];

	OK(pipe(pair));
	while (got < 300000) {
		ssize_t n = OK(splice(fd, NULL, pair[1], NULL, 65536, 0));

		CHECK(n > 0);
		while (n) {
			ssize_t m = OK(read(pair[0], buf, n));

			EQ(pattern_check(4, got, buf, m), -1);
			got += m;
			n -= m;
		}
	}
	EQ(splice(fd, NULL, pair[1], NULL, 65536, 0), 0);
}

/* Spliced and read in turns, in odd sizes. */
TEST_BOTH(splice_and_recv, "splice.recv")
{
	int fd = meet("source 100000 4");
	size_t got = 0, size = 1;
	char buf[8192];
	int pair[2];

	OK(pipe(pair));
	while (got < 100000) {
		ssize_t n;

		size = (size * 5 + 3) % 4999 + 1;
		n = OK(splice(fd, NULL, pair[1], NULL, size, 0));
		if (n)
			EQ(read(pair[0], buf, n), n);
		EQ(pattern_check(4, got, buf, n), -1);
		got += n;
		n = OK(recv(fd, buf, size, 0));
		EQ(pattern_check(4, got, buf, n), -1);
		got += n;
	}
	EQ(got, 100000);
}

TEST_BOTH(splice_socket_nonblock, "splice.nonblock")
{
	int fd = meet("echo");
	int pair[2];

	OK(pipe(pair));
	set_nonblock(fd, true);
	FAILS(splice(fd, NULL, pair[1], NULL, 100, SPLICE_F_NONBLOCK), EAGAIN);
	send_pattern(fd, 1, 0, 50);
	await_bytes(fd, 50);
	EQ(splice(fd, NULL, pair[1], NULL, 100, SPLICE_F_NONBLOCK), 50);
	FAILS(splice(fd, NULL, pair[1], NULL, 100, SPLICE_F_NONBLOCK), EAGAIN);
}

TEST_BOTH(splice_socket_timeout, "splice.nonblock")
{
	int fd = meet("echo");
	int pair[2];

	OK(pipe(pair));
	set_timeout(fd, SO_RCVTIMEO, 200);
	FAILS(splice(fd, NULL, pair[1], NULL, 100, 0), EAGAIN);
}

TEST_BOTH(splice_socket_to_file, "splice.from-socket")
{
	int fd = meet("source 100000 4");
	static char buf[100000];
	int file = file_of(0);
	size_t got = 0;
	int pair[2];

	OK(pipe(pair));
	for (;;) {
		ssize_t n = OK(splice(fd, NULL, pair[1], NULL, 65536, 0));

		if (!n)
			break;
		got += n;
		while (n)
			n -= OK(splice(pair[0], NULL, file, NULL, n, 0));
	}
	EQ(got, 100000);
	EQ(pread(file, buf, got, 0), got);
	EQ(pattern_check(4, 0, buf, got), -1);
}

/* A proxy: one socket's bytes into another without touching them. */
TEST_BOTH(splice_proxy, "splice.proxy")
{
	int from = meet("source 500000 1");
	int to = meet("sink check=1");
	int pair[2];

	OK(pipe(pair));
	for (;;) {
		ssize_t n = OK(splice(from, NULL, pair[1], NULL, 65536, 0));

		if (!n)
			break;
		while (n)
			n -= OK(splice(pair[0], NULL, to, NULL, n, 0));
	}
	expect_sunk(to, 500000);
}

TEST_FOR(splice_not_connected, LOCAL, 0, "splice.not-connected")
{
	int fd = fresh();
	int pair[2];

	OK(pipe(pair));
	FAILS(splice(fd, NULL, pair[1], NULL, 100, 0), ENOTCONN);
	count_sigpipe();
	EQ(write(pair[1], "abc", 3), 3);
	FAILS(splice(pair[0], NULL, fd, NULL, 3, 0), EPIPE);
}
