// SPDX-License-Identifier: GPL-2.0
/*
 * accept() and accept4(): addresses, flags, and every way to wait or not.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"

TEST(accept_address, "accept.address")
{
	union addr addr, mine;
	socklen_t len = sizeof(addr), mine_len = sizeof(mine);
	char line[256], host[ADDR_TEXT];
	unsigned int port, from = 0;
	int fd = listener(&port);
	int conn;

	OK(peer_ask(line, sizeof(line), "call %s %u 1 -- echo",
		    addr_text(local_at(0), host), port));
	EQ(sscanf(line, "called=1 failed=0 err=0 addr=%63s port=%u", host,
		  &from), 2);
	memset(&addr, 0xff, sizeof(addr));
	conn = OK(accept(fd, &addr.sa, &len));
	EQ(len, addr_len(local_at(0)));
	EQ(addr_port(&addr), from);
	CHECK(addr_parse(&mine, host, 0));
	CHECK(addr_same_host(&addr, &mine));

	OK(getsockname(conn, &mine.sa, &mine_len));
	EQ(addr_port(&mine), port);
	CHECK(addr_same_host(&mine, local_at(0)));
	len = sizeof(addr);
	OK(getpeername(conn, &addr.sa, &len));
	EQ(addr_port(&addr), from);
}

TEST(accept_address_short, "accept.address")
{
	unsigned char addr[64];
	socklen_t len = 4;
	unsigned int port;
	int fd = listener(&port);

	call_many(port, 2, "echo");
	memset(addr, 0xee, sizeof(addr));
	OK(accept(fd, (struct sockaddr *)addr, &len));
	EQ(len, addr_len(local_at(0)));
	EQ(addr[4], 0xee);
	len = 0;
	OK(accept(fd, (struct sockaddr *)addr, &len));
	EQ(len, addr_len(local_at(0)));
}

TEST(accept_address_bad, "accept.fault")
{
	socklen_t len = sizeof(union addr);
	socklen_t negative = -1;
	union addr addr;
	unsigned int port;
	int fd = listener(&port);

	call_many(port, 3, "echo");
	FAILS(accept(fd, &addr.sa, &negative), EINVAL);
	FAILS(accept(fd, bad_memory(), &len), EFAULT);
	/* each of them cost a connection; the listener lives */
	OK(accept(fd, NULL, NULL));
	call(port, "echo");
	OK(accept(fd, NULL, NULL));
}

TEST(accept_flags, "accept.flags")
{
	unsigned int port;
	int fd = listener(&port);
	int conn;

	call_many(port, 4, "echo");
	conn = OK(accept4(fd, NULL, NULL, SOCK_NONBLOCK));
	CHECK(fcntl(conn, F_GETFL) & O_NONBLOCK);
	CHECK(!(fcntl(conn, F_GETFD) & FD_CLOEXEC));
	conn = OK(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
	CHECK(!(fcntl(conn, F_GETFL) & O_NONBLOCK));
	CHECK(fcntl(conn, F_GETFD) & FD_CLOEXEC);
	set_nonblock(fd, true);
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	conn = OK(accept(fd, NULL, NULL));
	CHECK(!(fcntl(conn, F_GETFL) & O_NONBLOCK));
	CHECK(!(fcntl(conn, F_GETFD) & FD_CLOEXEC));
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	conn = OK(accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
	CHECK(fcntl(conn, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(conn, F_GETFD) & FD_CLOEXEC);
}

TEST(accept_flags_bad, "accept.flags")
{
	unsigned int port;
	int fd = listener(&port);

	FAILS(accept4(fd, NULL, NULL, 0x40000000), EINVAL);
	FAILS(accept4(fd, NULL, NULL, 1), EINVAL);
}

TEST(accept_nonblock, "accept.nonblock")
{
	unsigned int port;
	int fd = listener(&port);

	set_nonblock(fd, true);
	FAILS(accept(fd, NULL, NULL), EAGAIN);
	call(port, "echo");
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	OK(accept(fd, NULL, NULL));
	FAILS(accept(fd, NULL, NULL), EAGAIN);
}

TEST(accept_not_listening, "accept.invalid")
{
	int fd = fresh();
	int conn = dial("echo");
	int pair[2];

	FAILS(accept(fd, NULL, NULL), EINVAL);
	FAILS(accept(conn, NULL, NULL), EINVAL);
	OK(bind(fd, &local_at(0)->sa, addr_len(local_at(0))));
	FAILS(accept(fd, NULL, NULL), EINVAL);
	OK(pipe(pair));
	FAILS(accept(pair[0], NULL, NULL), ENOTSOCK);
	FAILS(accept(999, NULL, NULL), EBADF);
}

TEST(accept_interrupted, "eintr.accept")
{
	unsigned int port;
	int fd = listener(&port);

	tick_start(50, 0);
	FAILS(accept(fd, NULL, NULL), EINTR);
	tick_stop();
	call(port, "echo");
	OK(accept(fd, NULL, NULL));
}

static void *call_later(void *arg)
{
	unsigned int *port = arg;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (ticks < 3)
		nap_ms(10);
	call(*port, "echo");
	return NULL;
}

TEST(accept_restarted, "eintr.accept")
{
	unsigned int port;
	int fd = listener(&port);
	pthread_t thread;

	OK(-pthread_create(&thread, NULL, call_later, &port));
	tick_start(50, SA_RESTART);
	OK(accept(fd, NULL, NULL));
	CHECK(ticks >= 3);
	tick_stop();
	OK(-pthread_join(thread, NULL));
}

TEST(accept_timeout, "rcvtimeo.accept")
{
	unsigned int port;
	int fd = listener(&port);
	long start = now_ms();

	set_timeout(fd, SO_RCVTIMEO, 200);
	FAILS(accept(fd, NULL, NULL), EAGAIN);
	CHECK(now_ms() - start >= 195);
	call(port, "echo");
	OK(accept(fd, NULL, NULL));
	/* with a timeout SA_RESTART does not restart */
	set_timeout(fd, SO_RCVTIMEO, 20000);
	tick_start(50, SA_RESTART);
	FAILS(accept(fd, NULL, NULL), EINTR);
}

TEST(accept_peer_reset, "accept.peer-reset")
{
	char tag[PEER_TAG];
	unsigned int port;
	int fd = listener(&port);
	int conn;
	char byte;

	call(port, "rst tag=%s", peer_tag(tag));
	stat_of(tag);
	conn = accept_one(fd);
	FAILS(recv(conn, &byte, 1, 0), ECONNRESET);
	EQ(recv(conn, &byte, 1, 0), 0);
}

TEST(accept_peer_finished, "accept.peer-finished")
{
	unsigned int port;
	int fd = listener(&port);
	int conn;

	call(port, "source 5000 6");
	nap_ms(20);
	conn = accept_one(fd);
	recv_pattern(conn, 6, 0, 5000);
	expect_eof(conn);
}

/* More than a window arrives before anyone accepts. */
TEST(accept_peer_floods, "accept.peer-floods")
{
	char tag[PEER_TAG];
	unsigned int port;
	int fd = listener(&port);
	int conn;

	call(port, "source 8000000 6 tag=%s", peer_tag(tag));
	nap_ms(SHORT_MS);
	conn = accept_one(fd);
	recv_pattern(conn, 6, 0, 8000000);
	expect_eof(conn);
	OK(close(conn));
	EQ(stat_of(tag).err, 0);
}

TEST(accept_descriptor_limit, "process.nofile")
{
	struct rlimit limit;
	unsigned int port;
	int fd = listener(&port);

	call(port, "source 10 6");
	OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = fd + 1;
	OK(setrlimit(RLIMIT_NOFILE, &limit));
	FAILS(accept(fd, NULL, NULL), EMFILE);
	limit.rlim_cur = 64;
	OK(setrlimit(RLIMIT_NOFILE, &limit));
	fd = OK(accept(fd, NULL, NULL));
	recv_pattern(fd, 6, 0, 10);
}

static void accept_two(void *arg)
{
	int *fd = arg;
	int i;

	for (i = 0; i < 2; i++) {
		int conn = OK(accept(*fd, NULL, NULL));

		send_pattern(conn, 1, 0, 100);
		recv_pattern(conn, 1, 0, 100);
		OK(close(conn));
	}
}

/* Workers of one server block in accept() on the same listener. */
TEST(accept_workers, "process.prefork")
{
	unsigned int port;
	int fd = listener(&port);
	pid_t pid[4];
	int i;

	for (i = 0; i < 4; i++)
		pid[i] = child(accept_two, &fd);
	for (i = 0; i < 8; i++)
		call(port, "echo");
	for (i = 0; i < 4; i++)
		wait_for(pid[i]);
}

TEST(accept_hundred, "accept.many")
{
	unsigned int port;
	int fd = listener(&port);
	int conn[100];
	int i;

	call_many(port, 100, "echo");
	for (i = 0; i < 100; i++)
		conn[i] = accept_one(fd);
	for (i = 0; i < 100; i++)
		send_pattern(conn[i], i, 0, 50);
	for (i = 0; i < 100; i++)
		recv_pattern(conn[i], i, 0, 50);
	set_nonblock(fd, true);
	FAILS(accept(fd, NULL, NULL), EAGAIN);
}

static void *accept_thread(void *arg)
{
	int *fd = arg;

	FAILS(accept(*fd, NULL, NULL), EINVAL);
	return NULL;
}

TEST(accept_woken_by_shutdown, "wake.shutdown")
{
	unsigned int port;
	int fd = listener(&port);
	pthread_t thread;

	OK(-pthread_create(&thread, NULL, accept_thread, &fd));
	nap_ms(SHORT_MS);
	OK(shutdown(fd, SHUT_RDWR));
	OK(-pthread_join(thread, NULL));
}
