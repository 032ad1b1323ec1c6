// SPDX-License-Identifier: GPL-2.0
/*
 * Pipes beside sockets, where test_splice.c ends: tee(), pipes that are full or empty, nothing to
 * move, ends that are gone.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fixture.h"

#define SIZE 20000	/* less than a pipe holds, in any pieces */

static int in_pipe(int fd)
{
	int bytes;

	OK(ioctl(fd, FIONREAD, &bytes));
	return bytes;
}

/* Pattern bytes into the pipe, until it takes no more of them. */
static int fill_pipe(int fd)
{
	char buf[4096];
	int total = 0;

	set_nonblock(fd, true);
	for (;;) {
		pattern_fill(1, total, buf, sizeof(buf));
		if (write(fd, buf, sizeof(buf)) < 0)
			break;
		total += sizeof(buf);
	}
	EQ(errno, EAGAIN);
	set_nonblock(fd, false);
	return total;
}

static void splice_all(int from, int to, size_t len)
{
	while (len) {
		ssize_t n = OK(splice(from, NULL, to, NULL, len, 0));

		CHECK(n > 0);
		len -= n;
	}
}

/* The same bytes to two peers. */
TEST_BOTH(pipe_tee_to_two, "splice.tee")
{
	int first = meet("sink check=1"), second = meet("sink check=1");
	char buf[SIZE];
	int from[2], copy[2];

	OK(pipe(from));
	OK(pipe(copy));
	pattern_fill(1, 0, buf, sizeof(buf));
	EQ(write(from[1], buf, sizeof(buf)), sizeof(buf));
	EQ(tee(from[0], copy[1], sizeof(buf), 0), sizeof(buf));
	EQ(in_pipe(from[0]), sizeof(buf));
	splice_all(from[0], first, sizeof(buf));
	splice_all(copy[0], second, sizeof(buf));
	expect_sunk(first, sizeof(buf));
	expect_sunk(second, sizeof(buf));
}

/* What came from a socket, kept and passed on. */
TEST_BOTH(pipe_tee_of_received, "splice.tee")
{
	int fd = meet("source 20000 1"), to = meet("sink check=1");
	int from[2], copy[2];
	size_t got = 0;
	char buf[SIZE];

	OK(pipe(from));
	OK(pipe(copy));
	while (got < SIZE) {
		ssize_t n = OK(splice(fd, NULL, from[1], NULL, SIZE - got, 0));

		CHECK(n > 0);
		EQ(tee(from[0], copy[1], n, 0), n);
		splice_all(copy[0], to, n);
		EQ(read(from[0], buf, n), n);
		EQ(pattern_check(1, got, buf, n), -1);
		got += n;
	}
	expect_sunk(to, SIZE);
	/* tee() is for pipes */
	FAILS(tee(fd, copy[1], 10, 0), EINVAL);
	FAILS(tee(from[0], fd, 10, 0), EINVAL);
}

TEST_BOTH(pipe_nothing, "splice.zero")
{
	int fd = meet("source 10 1 end=hold"), file;
	int pair[2];

	OK(pipe(pair));
	await_bytes(fd, 10);
	EQ(splice(fd, NULL, pair[1], NULL, 0, 0), 0);
	EQ(splice(pair[0], NULL, fd, NULL, 0, 0), 0);
	file = OK(memfd_create("mnsock", MFD_CLOEXEC));
	EQ(sendfile(fd, file, NULL, 0), 0);
	EQ(sendfile(fd, file, NULL, 10), 0);
	EQ(splice(fresh(), NULL, pair[1], NULL, 0, 0), 0);
	recv_pattern(fd, 1, 0, 10);
}

/* A hole in a file is zeroes. */
TEST_BOTH(pipe_file_with_hole, "sendfile")
{
	int fd = meet("echo");
	int file = OK(memfd_create("mnsock", MFD_CLOEXEC));
	off_t offset = 3L << 30;
	char buf[100];
	int i;

	OK(ftruncate(file, offset + 100));
	EQ(sendfile(fd, file, &offset, 200), 100);
	EQ(offset, (3L << 30) + 100);
	EQ(read_all(fd, buf, 100), 100);
	for (i = 0; i < 100; i++)
		EQ(buf[i], 0);
}

/* No room in the pipe: what the socket has stays there. */
TEST_BOTH(pipe_full, "splice.full")
{
	int fd = meet("source 1000 4 end=hold");
	int pair[2], full;
	static char buf[1 << 16];

	OK(pipe(pair));
	full = fill_pipe(pair[1]);
	await_bytes(fd, 1000);
	FAILS(splice(fd, NULL, pair[1], NULL, 1000, SPLICE_F_NONBLOCK), EAGAIN);
	EQ(in_pipe(pair[0]), full);
	EQ(read(pair[0], buf, 4096), 4096);
	CHECK(splice(fd, NULL, pair[1], NULL, 100, SPLICE_F_NONBLOCK) == 100);
	while (full > 4096)
		full -= OK(read(pair[0], buf, full - 4096));
	EQ(read(pair[0], buf, 200), 100);
	EQ(pattern_check(4, 0, buf, 100), -1);
	recv_pattern(fd, 4, 100, 900);
}

/* SPLICE_F_NONBLOCK is about the pipe: a socket with nothing to read is waited for. */
TEST_BOTH(pipe_nonblock_is_of_the_pipe, "splice.nonblock")
{
	int fd = meet("echo");
	long start = now_ms();
	int pair[2];

	OK(pipe(pair));
	set_timeout(fd, SO_RCVTIMEO, 60);
	FAILS(splice(fd, NULL, pair[1], NULL, 100, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK(now_ms() - start >= 55);
	/* and nothing is in it */
	FAILS(splice(pair[0], NULL, fd, NULL, 100, SPLICE_F_NONBLOCK), EAGAIN);
}

/* No room in the socket: what the pipe has stays there. */
TEST_BOTH(pipe_to_full_socket, "splice.full")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 wait=1 tag=%s", peer_tag(tag));
	size_t sent = fill(fd);
	char buf[100];
	int pair[2];

	OK(pipe(pair));
	pattern_fill(1, sent, buf, sizeof(buf));
	EQ(write(pair[1], buf, sizeof(buf)), sizeof(buf));
	set_nonblock(fd, true);
	FAILS(splice(pair[0], NULL, fd, NULL, sizeof(buf), 0), EAGAIN);
	EQ(in_pipe(pair[0]), sizeof(buf));
	set_nonblock(fd, false);
	go(tag, "");
	splice_all(pair[0], fd, sizeof(buf));
	expect_sunk(fd, sent + sizeof(buf));
}

TEST_BOTH(pipe_wrong_ends, "splice.invalid")
{
	int fd = meet("source 10 4 end=hold"), other = meet("echo");
	loff_t offset = 0;
	int pair[2];

	OK(pipe(pair));
	await_bytes(fd, 10);
	FAILS(splice(fd, &offset, pair[1], NULL, 10, 0), EINVAL);
	FAILS(splice(pair[0], NULL, fd, &offset, 10, 0), EINVAL);
	FAILS(splice(fd, NULL, other, NULL, 10, 0), EINVAL);
	FAILS(splice(fd, NULL, pair[0], NULL, 10, 0), EBADF);
	/* nobody reads the pipe */
	count_sigpipe();
	OK(close(pair[0]));
	FAILS(splice(fd, NULL, pair[1], NULL, 10, 0), EPIPE);
	EQ(pipes, 1);
	recv_pattern(fd, 4, 0, 10);
}

TEST_BOTH(pipe_from_socket_that_ended, "splice.from-socket")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	int pair[2];

	OK(pipe(pair));
	go(tag, "");
	await_error(fd);
	FAILS(splice(fd, NULL, pair[1], NULL, 10, 0), ECONNRESET);
	EQ(splice(fd, NULL, pair[1], NULL, 10, 0), 0);
	fd = meet("echo");
	OK(shutdown(fd, SHUT_RD));
	EQ(splice(fd, NULL, pair[1], NULL, 10, 0), 0);
}

/* Given pages are the pipe's; so are those of a caller who promises not to touch them. */
TEST_BOTH(pipe_gift, "splice.vmsplice")
{
	int fd = meet("sink check=1");
	size_t page = sysconf(_SC_PAGESIZE);
	struct iovec iov = { NULL, 4 * page };
	int pair[2];

	iov.iov_base = mmap(NULL, iov.iov_len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(iov.iov_base != MAP_FAILED);
	OK(pipe(pair));
	pattern_fill(1, 0, iov.iov_base, iov.iov_len);
	EQ(vmsplice(pair[1], &iov, 1, SPLICE_F_GIFT), iov.iov_len);
	splice_all(pair[0], fd, iov.iov_len);
	/* unmapped while they may be under way */
	OK(munmap(iov.iov_base, iov.iov_len));
	expect_sunk(fd, iov.iov_len);
}
