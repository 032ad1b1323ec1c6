// SPDX-License-Identifier: GPL-2.0
/*
 * kTLS where a connection ends, and where a record does.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "differences.h"
#include "fixture.h"
#include "ktls_fixture.h"

/* All that was sent has come to the other end. */
static void await_outq(int fd)
{
	long until = now_ms() + LONG_MS;
	int left = 1;

	while (left && now_ms() < until) {
		nap_ms(5);
		OK(ioctl(fd, SIOCOUTQ, &left));
	}
	EQ(left, 0);
}

static void reset_by(int fd)
{
	struct linger linger = { 1, 0 };

	OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	OK(close(fd));
}

/* What is not read yet has come, and then the connection is reset. */
static void reset_behind(int fd[2], size_t len)
{
	room = 200000;
	tls_pair(fd, TLS_1_3_VERSION);
	send_pattern(fd[0], 1, 0, len);
	await_outq(fd[0]);
	reset_by(fd[0]);
}

TEST(ktls_reset, "ktls.reset")
{
	char byte;
	int fd[2];

	reset_behind(fd, 150000);
	CHECK(wait_fd(fd[1], POLLERR, LONG_MS) & POLLERR);
	recv_pattern(fd[1], 1, 0, 150000);
	FAILS(recv(fd[1], &byte, 1, 0), ECONNRESET);
	expect_eof(fd[1]);
}

TEST(ktls_reset_small, "ktls.reset")
{
	char byte;
	int fd[2];

	reset_behind(fd, 1000);
	CHECK(wait_fd(fd[1], POLLERR, LONG_MS) & POLLERR);
	recv_pattern(fd[1], 1, 0, 1000);
	FAILS(recv(fd[1], &byte, 1, 0), ECONNRESET);
	expect_eof(fd[1]);
}

/* Behind a record of another type the rest waits until that is read. */
TEST(ktls_reset_record, "ktls.reset")
{
	unsigned char buf[100], type;
	int fd[2], told;

	tls_pair(fd, TLS_1_2_VERSION);
	send_pattern(fd[0], 1, 0, 100);
	send_record(fd[0], ALERT, "\1\0", 2);
	send_pattern(fd[0], 1, 100, 50000);
	await_outq(fd[0]);
	reset_by(fd[0]);
	CHECK(wait_fd(fd[1], POLLERR, LONG_MS) & POLLERR);
	recv_pattern(fd[1], 1, 0, 100);
	EQ(recv_record(fd[1], buf, sizeof(buf), 0, &type, &told), 2);
	EQ(type, ALERT);
	recv_pattern(fd[1], 1, 100, 50000);
	FAILS(recv(fd[1], buf, 1, 0), ECONNRESET);
	expect_eof(fd[1]);
}

/* Who sends is told first, each time, and what has come is still there. */
TEST(ktls_reset_send, "ktls.reset")
{
	char byte;
	int fd[2], i;

	reset_behind(fd, 150000);
	CHECK(wait_fd(fd[1], POLLERR, LONG_MS) & POLLERR);
	count_sigpipe();
	for (i = 0; i < 3; i++)
		FAILS(send(fd[1], "x", 1, 0), ECONNRESET);
	EQ(pipes, 0);
	recv_pattern(fd[1], 1, 0, 150000);
	FAILS(recv(fd[1], &byte, 1, 0), ECONNRESET);
	expect_eof(fd[1]);
}

TEST(ktls_shut_send, "ktls.send.shut")
{
	int fd[2];

	tls_pair(fd, TLS_1_2_VERSION);
	OK(shutdown(fd[1], SHUT_WR));
	if (differs("tls-shut"))
		FAILS(send(fd[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	else
		EQ(send(fd[1], "x", 1, MSG_NOSIGNAL), 1);
}

static void has_eor(int told, bool ends)
{
	if (ends && differs("tls-records"))
		ends = false;
	EQ(!!(told & MSG_EOR), ends);
}

TEST(ktls_eor, "ktls.eor")
{
	unsigned char buf[1000], type;
	int fd[2], told, i;

	tls_pair(fd, TLS_1_2_VERSION);
	pattern_fill(1, 0, buf, sizeof(buf));
	EQ(send(fd[0], buf, 100, MSG_EOR), 100);
	EQ(recv_record(fd[1], buf, sizeof(buf), 0, &type, &told), 100);
	EQ(type, DATA);
	has_eor(told, true);
	/* of one that is read in parts the last has it */
	EQ(send(fd[0], buf, 100, 0), 100);
	EQ(recv_record(fd[1], buf, 40, 0, &type, &told), 40);
	has_eor(told, false);
	EQ(recv_record(fd[1], buf, sizeof(buf), 0, &type, &told), 60);
	has_eor(told, true);
	/* and where one ends, whatever comes of the next */
	for (i = 0; i < 2; i++)
		EQ(send(fd[0], buf, 100, MSG_EOR), 100);
	await_outq(fd[0]);
	EQ(recv_record(fd[1], buf, 150, MSG_WAITALL, &type, &told), 150);
	has_eor(told, true);
	EQ(recv_record(fd[1], buf, sizeof(buf), 0, &type, &told), 50);
	has_eor(told, true);
}

/* A bind() that fails behind the end of a connection leaves no port behind. */
TEST(ktls_bind, "ktls.bind")
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	union addr addr;
	socklen_t len = 16;
	char name[16];
	unsigned int port;
	int fd[2], taken, other;

	ulp_pair(fd);
	reset_by(fd[1]);
	await_error(fd[0]);
	EQ(get_int(fd[0], SOL_SOCKET, SO_ERROR), ECONNRESET);
	/* one that is free for the wildcard address, and not for loopback's alone */
	taken = fresh();
	addr_any(&addr, tested.v6, 0);
	OK(bind(taken, &addr.sa, addr_len(&addr)));
	port = port_of(taken);
	OK(close(taken));
	taken = fresh();
	CHECK(addr_parse(&addr, tested.v6 ? "::1" : "127.0.0.1", port));
	OK(bind(taken, &addr.sa, addr_len(&addr)));
	addr_any(&addr, tested.v6, port);
	FAILS(bind(fd[0], &addr.sa, addr_len(&addr)), EADDRINUSE);
	OK(close(taken));
	other = fresh();
	OK(bind(other, &addr.sa, addr_len(&addr)));
	OK(close(other));
	OK(getsockopt(fd[0], IPPROTO_TCP, TCP_ULP, name, &len));
	EQ(len, 16);
	EQ(strcmp(name, "tls"), 0);
	FAILS(set_ulp(fd[0]), EEXIST);
	FAILS(connect(fd[0], &none, sizeof(none)), EOPNOTSUPP);
	expect_eof(fd[0]);
	OK(bind(fd[0], &addr.sa, addr_len(&addr)));
	EQ(port_of(fd[0]), port);
	FAILS(set_ulp(fd[0]), EEXIST);
	FAILS(listen(fd[0], 1), EINVAL);
	FAILS(connect(fd[0], &none, sizeof(none)), EOPNOTSUPP);
	other = fresh();
	FAILS(bind(other, &addr.sa, addr_len(&addr)), EADDRINUSE);
}
