// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes in and out: every call that moves them, sizes from nothing to much,
 * vectors, bad memory, and sockets that are not connected.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fixture.h"

TEST_BOTH(io_echo, "send.recv")
{
	static const size_t sizes[] = { 1, 2, 7, 64, 1023, 1024, 1025, 4095,
					4096, 4097, 16384, 65537, 200000 };
	int fd = meet("echo");
	size_t pos = 0;
	unsigned int i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		send_pattern(fd, 1, pos, sizes[i]);
		recv_pattern(fd, 1, pos, sizes[i]);
		pos += sizes[i];
	}
}

TEST_BOTH(io_source, "send.recv")
{
	int fd = meet("source 3000000 17");

	recv_pattern(fd, 17, 0, 3000000);
	expect_eof(fd);
}

TEST_BOTH(io_sink, "send.recv")
{
	int fd = meet("sink check=1");
	struct result result;

	send_pattern(fd, 1, 0, 3000000);
	OK(shutdown(fd, SHUT_WR));
	result = answer_of(fd);
	EQ(result.in, 3000000);
	EQ(result.bad, -1);
	CHECK(result.sum == pattern_sum(1, 3000000));
	expect_eof(fd);
}

static void *send_much(void *arg)
{
	int *fd = arg;

	send_pattern(*fd, 31, 0, 3000000);
	OK(shutdown(*fd, SHUT_WR));
	return NULL;
}

TEST_BOTH(io_both_ways, "send.recv")
{
	int fd = meet("duplex 3000000 30");
	struct result result;
	pthread_t thread;

	OK(-pthread_create(&thread, NULL, send_much, &fd));
	recv_pattern(fd, 30, 0, 3000000);
	result = answer_of(fd);
	EQ(result.in, 3000000);
	EQ(result.bad, -1);
	OK(-pthread_join(thread, NULL));
}

TEST_BOTH(io_small_writes, "send.recv")
{
	int fd = meet("sink check=1");
	uint64_t state = 77;
	size_t pos = 0;
	char buf[8];
	int i;

	for (i = 0; i < 3000; i++) {
		size_t n = random_range(&state, 1, 7);

		pattern_fill(1, pos, buf, n);
		EQ(write(fd, buf, n), n);
		pos += n;
	}
	OK(shutdown(fd, SHUT_WR));
	EQ(answer_of(fd).bad, -1);
}

TEST_BOTH(io_small_reads, "send.recv")
{
	int fd = meet("source 5000 8");
	size_t pos = 0;
	char buf[3];

	for (;;) {
		ssize_t n = OK(read(fd, buf, 1 + pos % 3));

		if (!n)
			break;
		EQ(pattern_check(8, pos, buf, n), -1);
		pos += n;
	}
	EQ(pos, 5000);
}

TEST_BOTH(io_vectors, "send.vector")
{
	int fd = meet("echo");
	char out[3000], in[3000];
	struct iovec iov[4] = {
		{ out, 1 }, { out + 1, 0 }, { out + 1, 1499 },
		{ out + 1500, 1500 },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 4 };
	size_t done = 0;

	pattern_fill(5, 0, out, sizeof(out));
	EQ(writev(fd, iov, 4), 3000);
	iov[0].iov_base = in;
	iov[1].iov_base = in + 1;
	iov[2].iov_base = in + 1;
	iov[3].iov_base = in + 1500;
	await_bytes(fd, 3000);
	EQ(readv(fd, iov, 4), 3000);
	EQ(pattern_check(5, 0, in, 3000), -1);

	iov[0].iov_base = out;
	iov[1].iov_base = out + 1;
	iov[2].iov_base = out + 1;
	iov[3].iov_base = out + 1500;
	EQ(sendmsg(fd, &msg, 0), 3000);
	iov[0].iov_base = in;
	iov[1].iov_base = in + 1;
	iov[2].iov_base = in + 1;
	iov[3].iov_base = in + 1500;
	memset(in, 0, sizeof(in));
	await_bytes(fd, 3000);
	done = OK(recvmsg(fd, &msg, 0));
	EQ(done, 3000);
	EQ(pattern_check(5, 0, in, 3000), -1);
}

TEST(io_vector_limits, "send.vector.limit")
{
	static struct iovec iov[1025];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 1024 };
	int fd = dial("echo");
	char buf[1025];
	int i;

	pattern_fill(5, 0, buf, sizeof(buf));
	for (i = 0; i < 1025; i++) {
		iov[i].iov_base = buf + i;
		iov[i].iov_len = 1;
	}
	EQ(writev(fd, iov, 1024), 1024);
	EQ(sendmsg(fd, &msg, 0), 1024);
	FAILS(writev(fd, iov, 1025), EINVAL);
	msg.msg_iovlen = 1025;
	FAILS(sendmsg(fd, &msg, 0), EMSGSIZE);
	FAILS(recvmsg(fd, &msg, 0), EMSGSIZE);
	recv_pattern(fd, 5, 0, 1024);
	recv_pattern(fd, 5, 0, 1024);
}

TEST_BOTH(io_messages, "send.mmsg")
{
	struct mmsghdr mm[4] = { 0 };
	struct iovec iov[4];
	int fd = meet("echo");
	char buf[400];
	int i;

	pattern_fill(6, 0, buf, sizeof(buf));
	for (i = 0; i < 4; i++) {
		iov[i].iov_base = buf + 100 * i;
		iov[i].iov_len = 100;
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
	}
	EQ(sendmmsg(fd, mm, 4, 0), 4);
	for (i = 0; i < 4; i++)
		EQ(mm[i].msg_len, 100);
	await_bytes(fd, 400);
	memset(buf, 0, sizeof(buf));
	EQ(recvmmsg(fd, mm, 4, 0, NULL), 4);
	EQ(pattern_check(6, 0, buf, 400), -1);
}

/* recvmsg() says nothing of names, control data or truncation. */
TEST_BOTH(io_message_header, "send.address")
{
	union addr addr;
	char buf[10], control[64];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = {
		.msg_name = &addr, .msg_namelen = sizeof(addr),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
		.msg_flags = ~0,
	};
	int fd = meet("source 20 4");

	EQ(recvmsg(fd, &msg, 0), 10);
	EQ(msg.msg_namelen, 0);
	EQ(msg.msg_controllen, 0);
	EQ(msg.msg_flags & ~MSG_CMSG_CLOEXEC, 0);
}

TEST(io_recvfrom_address, "send.address")
{
	union addr addr;
	socklen_t len = sizeof(addr);
	int fd = dial("source 20 4");
	char buf[20];

	EQ(recvfrom(fd, buf, 20, MSG_WAITALL, &addr.sa, &len), 20);
	EQ(len, 0);
}

TEST_BOTH(io_nothing, "send.zero")
{
	int fd = meet("echo");
	struct iovec iov = { NULL, 0 };
	char byte = 0;

	EQ(send(fd, &byte, 0, 0), 0);
	EQ(write(fd, &byte, 0), 0);
	EQ(writev(fd, &iov, 1), 0);
	EQ(writev(fd, &iov, 0), 0);
	EQ(read(fd, &byte, 0), 0);
	FAILS(recv(fd, &byte, 0, MSG_DONTWAIT), EAGAIN);
	EQ(wait_fd(fd, POLLIN, SHORT_MS), 0);
	send_pattern(fd, 4, 0, 10);
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	EQ(recv(fd, &byte, 0, 0), 0);
	EQ(recv(fd, &byte, 0, MSG_DONTWAIT), 0);
	EQ(read(fd, &byte, 0), 0);
	recv_pattern(fd, 4, 0, 10);
}

TEST(io_not_connected, "send.not-connected")
{
	int fd = fresh();
	struct iovec iov = { (char *)"x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	char byte = 0;

	count_sigpipe();
	FAILS(recv(fd, &byte, 1, 0), ENOTCONN);
	FAILS(read(fd, &byte, 1), ENOTCONN);
	FAILS(recvmsg(fd, &msg, 0), ENOTCONN);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	EQ(pipes, 0);
	FAILS(send(fd, &byte, 1, 0), EPIPE);
	EQ(pipes, 1);
	FAILS(write(fd, &byte, 1), EPIPE);
	EQ(pipes, 2);
	FAILS(sendmsg(fd, &msg, MSG_NOSIGNAL), EPIPE);
	FAILS(sendto(fd, &byte, 1, MSG_NOSIGNAL, &peer_at(1)->sa,
		     addr_len(peer_at(1))), EPIPE);
	OK(bind(fd, &local_at(0)->sa, addr_len(local_at(0))));
	FAILS(recv(fd, &byte, 1, 0), ENOTCONN);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
}

/* An address on a connected socket is ignored. */
TEST_BOTH(io_sendto_connected, "send.address")
{
	int fd = meet("echo");

	EQ(sendto(fd, "abc", 3, 0, &peer_at(1)->sa, addr_len(peer_at(1))), 3);
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
}

TEST_BOTH(io_bad_memory_send, "send.fault")
{
	int fd = meet("sink check=1");
	struct iovec iov[2] = { { NULL, 0 }, { bad_memory(), 10 } };
	char buf[10];

	pattern_fill(1, 0, buf, 10);
	FAILS(send(fd, bad_memory(), 10, 0), EFAULT);
	FAILS(write(fd, bad_memory(), 40000), EFAULT);
	FAILS(writev(fd, iov, 2), EFAULT);
	FAILS(writev(fd, bad_memory(), 2), EFAULT);
	/* nothing of it was sent */
	EQ(send(fd, buf, 10, 0), 10);
	OK(shutdown(fd, SHUT_WR));
	EQ(answer_of(fd).in, 10);
}

/* Part good, part bad: what was said to be sent is what arrives. */
TEST_BOTH(io_bad_memory_half, "send.fault")
{
	int fd = meet("sink check=1");
	size_t page = sysconf(_SC_PAGESIZE);
	size_t sent = 0;
	char *map;
	int i;

	map = mmap(NULL, 17 * page, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(map != MAP_FAILED);
	OK(mprotect(map + 16 * page, page, PROT_NONE));
	for (i = 0; i < 17; i++) {
		size_t good = i * page + i;
		ssize_t n;

		if (good > 16 * page)
			good = 16 * page;
		pattern_fill(1, sent, map + 16 * page - good, good);
		n = send(fd, map + 16 * page - good, good + 10, 0);
		if (n < 0)
			EQ(errno, EFAULT);
		else
			CHECK((size_t)n <= good);
		sent += n > 0 ? n : 0;
	}
	expect_sunk(fd, sent);
}

/* A recv() that fails takes nothing away. */
TEST_BOTH(io_bad_memory_recv, "recv.fault")
{
	int fd = meet("source 100 4");
	struct iovec iov[2];
	char buf[40];

	await_bytes(fd, 100);
	FAILS(recv(fd, bad_memory(), 10, 0), EFAULT);
	FAILS(read(fd, bad_memory(), 10), EFAULT);
	FAILS(recv(fd, bad_memory(), 10, MSG_PEEK), EFAULT);
	iov[0].iov_base = buf;
	iov[0].iov_len = 40;
	iov[1].iov_base = bad_memory();
	iov[1].iov_len = 40;
	FAILS(recvmsg(fd, bad_memory(), 0), EFAULT);
	EQ(readv(fd, iov, 1), 40);
	EQ(pattern_check(4, 0, buf, 40), -1);
	recv_pattern(fd, 4, 40, 60);
	expect_eof(fd);
}

TEST_BOTH(io_no_file_position, "file.position")
{
	int fd = meet("source 100 4");
	char buf[10];

	FAILS(lseek(fd, 0, SEEK_CUR), ESPIPE);
	FAILS(pread(fd, buf, 10, 0), ESPIPE);
	FAILS(pwrite(fd, buf, 10, 0), ESPIPE);
	recv_pattern(fd, 4, 0, 100);
}

TEST_BOTH(io_http, "http")
{
	static const unsigned int sizes[] = { 0, 1, 1024, 8192, 1000000 };
	int fd = meet("http");
	unsigned int i;

	for (i = 0; i < 5; i++) {
		char head[256], line[256];
		int n;

		n = snprintf(head, sizeof(head),
			     "GET /%u HTTP/1.1\r\nHost: x\r\n\r\n", sizes[i]);
		OK(write_all(fd, head, n));
		OK(read_line(fd, line, sizeof(line), PEER_MS));
		CHECK(!strncmp(line, "HTTP/1.1 200", 12));
		OK(read_line(fd, line, sizeof(line), PEER_MS));
		EQ(atoi(line + 16), sizes[i]);
		OK(read_line(fd, line, sizeof(line), PEER_MS));
		recv_pattern(fd, sizes[i], 0, sizes[i]);
	}
}

TEST_BOTH(io_slow_pieces, "send.recv")
{
	int fd = meet("piece 1000 7 1 12");

	recv_pattern(fd, 12, 0, 1000);
	expect_eof(fd);
}
