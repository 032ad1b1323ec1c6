// SPDX-License-Identifier: GPL-2.0
/*
 * connect(): made, refused, in progress, interrupted, timed out, undone.
 *
 * The slow cases use a listener of mnpuppet whose backlog is full, so that
 * SYNs vanish until the test lets it accept; then the next SYN, about a second
 * later, gets through.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "differences.h"
#include "fixture.h"

static int connect_to(int fd, const union addr *addr)
{
	return connect(fd, &addr->sa, addr_len(addr));
}

/* The connection to a drained full_port() is a command line away from echo. */
static void echo_works(int fd)
{
	OK(write_all(fd, "echo\n", 5));
	send_pattern(fd, 9, 0, 1000);
	recv_pattern(fd, 9, 0, 1000);
}

static const union addr *puppet(void)
{
	return &tested.peer[tested.v6];
}

TEST(connect_blocking, "connect")
{
	union addr addr;
	socklen_t len = sizeof(addr);
	int fd = fresh();

	OK(connect_to(fd, puppet()));
	OK(getpeername(fd, &addr.sa, &len));
	EQ(len, addr_len(puppet()));
	EQ(addr_port(&addr), addr_port(puppet()));
	CHECK(addr_same_host(&addr, puppet()));
	echo_works(fd);
}

TEST(connect_refused, "connect.refused")
{
	int hold, fd = fresh();
	unsigned int port = closed_port(&hold);

	FAILS(connect_to(fd, peer_at(port)), ECONNREFUSED);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	FAILS(connect_to(fd, peer_at(port)), ECONNREFUSED);
	/* the same socket may try another */
	OK(connect_to(fd, puppet()));
	echo_works(fd);
}

/* Nothing is left of it. */
TEST(connect_refused_then_listen, "connect.refused")
{
	int hold, fd = fresh();
	unsigned int port = closed_port(&hold);
	union addr addr;
	socklen_t len = sizeof(addr);

	FAILS(connect_to(fd, peer_at(port)), ECONNREFUSED);
	OK(listen(fd, 4));
	FAILS(getpeername(fd, &addr.sa, &len), ENOTCONN);
	call(port_of(fd), "echo");
	OK(close(accept_one(fd)));
}

TEST(connect_connected, "connect.connected")
{
	int fd = dial("echo");

	FAILS(connect_to(fd, puppet()), EISCONN);
	send_pattern(fd, 9, 0, 10);
	recv_pattern(fd, 9, 0, 10);
}

TEST(connect_nonblock, "connect.nonblock")
{
	int fd = fresh_nonblock();

	FAILS(connect_to(fd, puppet()), EINPROGRESS);
	EQ(wait_fd(fd, POLLOUT, LONG_MS), POLLOUT);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	/* the first to ask is told of success, later ones that it is old */
	OK(connect_to(fd, puppet()));
	FAILS(connect_to(fd, puppet()), EISCONN);
	echo_works(fd);
}

TEST(connect_nonblock_refused, "connect.nonblock.refused")
{
	int hold, fd = fresh_nonblock();
	unsigned int port = closed_port(&hold);

	FAILS(connect_to(fd, peer_at(port)), EINPROGRESS);
	EQ(wait_fd(fd, POLLOUT | POLLIN, LONG_MS),
	   POLLOUT | POLLIN | POLLERR | POLLHUP);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
}

/* Asking by connect() instead of SO_ERROR */
TEST(connect_nonblock_refused_again, "connect.nonblock.refused")
{
	int hold, fd = fresh_nonblock();
	unsigned int port = closed_port(&hold);

	FAILS(connect_to(fd, peer_at(port)), EINPROGRESS);
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) & POLLERR);
	FAILS(connect_to(fd, peer_at(port)), ECONNREFUSED);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	/* and it is a new socket again */
	FAILS(connect_to(fd, puppet()), EINPROGRESS);
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) == POLLOUT);
	echo_works(fd);
}

/* Asking by send() or recv(): each takes the error away. */
TEST(connect_nonblock_refused_io, "connect.nonblock.refused")
{
	int hold, fd = fresh_nonblock();
	unsigned int port = closed_port(&hold);
	char byte = 0;

	FAILS(connect_to(fd, peer_at(port)), EINPROGRESS);
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) & POLLERR);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), ECONNREFUSED);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	EQ(recv(fd, &byte, 1, 0), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);

	fd = fresh_nonblock();
	FAILS(connect_to(fd, peer_at(port)), EINPROGRESS);
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) & POLLERR);
	FAILS(recv(fd, &byte, 1, 0), ECONNREFUSED);
	EQ(recv(fd, &byte, 1, 0), 0);
}

TEST(connect_in_progress, "connect.in-progress")
{
	int hold, fd = fresh_nonblock();
	unsigned int port = full_port(&hold, NULL);
	union addr addr;
	socklen_t len = sizeof(addr);
	char byte = 0;

	FAILS(connect_to(fd, peer_at(port)), EINPROGRESS);
	FAILS(connect_to(fd, peer_at(port)), EALREADY);
	EQ(wait_fd(fd, POLLOUT | POLLIN | POLLRDHUP, SHORT_MS), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EAGAIN);
	FAILS(recv(fd, &byte, 1, 0), EAGAIN);
	FAILS(getpeername(fd, &addr.sa, &len), ENOTCONN);
	FAILS(listen(fd, 1), EINVAL);
	if (!differs("name-while-connecting"))
		CHECK(port_of(fd));
	OK(close(fd));
}

/* Closed while it is being made: nothing remains of it. */
TEST(connect_abandoned, "connect.in-progress.close")
{
	int hold, i;
	unsigned int port = full_port(&hold, NULL);

	for (i = 0; i < 20; i++) {
		int fd = fresh_nonblock();

		FAILS(connect_to(fd, peer_at(port)), EINPROGRESS);
		OK(close(fd));
	}
	for (i = 0; i < 20; i++) {
		int fd = fresh_nonblock();

		FAILS(connect_to(fd, puppet()), EINPROGRESS);
		OK(close(fd));
	}
}

TEST(connect_interrupted, "eintr.connect")
{
	char tag[PEER_TAG];
	int hold, fd = fresh();
	unsigned int port = full_port(&hold, peer_tag(tag));

	tick_start(100, 0);
	FAILS(connect_to(fd, peer_at(port)), EINTR);
	tick_stop();
	set_nonblock(fd, true);
	FAILS(connect_to(fd, peer_at(port)), EALREADY);
	go(tag, "");
	EQ(wait_fd(fd, POLLOUT, 3 * LONG_MS), POLLOUT);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	echo_works(fd);
}

static void *drain_later(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (ticks < 3)
		nap_ms(10);
	go(arg, "");
	return NULL;
}

TEST(connect_restarted, "eintr.connect")
{
	char tag[PEER_TAG];
	int hold, fd = fresh();
	unsigned int port = full_port(&hold, peer_tag(tag));
	pthread_t thread;

	OK(-pthread_create(&thread, NULL, drain_later, tag));
	tick_start(50, SA_RESTART);
	OK(connect_to(fd, peer_at(port)));
	CHECK(ticks >= 3);
	tick_stop();
	OK(-pthread_join(thread, NULL));
	echo_works(fd);
}

/* A second, blocking connect() waits for the first. */
TEST(connect_waits_for_first, "connect.wait")
{
	char tag[PEER_TAG];
	int hold, fd = fresh_nonblock();
	unsigned int port = full_port(&hold, peer_tag(tag));

	FAILS(connect_to(fd, peer_at(port)), EINPROGRESS);
	set_nonblock(fd, false);
	go(tag, "");
	OK(connect_to(fd, peer_at(port)));
	echo_works(fd);
}

/* So does a blocking send(). */
TEST(connect_send_waits, "connect.wait")
{
	char tag[PEER_TAG];
	int hold, fd = fresh_nonblock();
	unsigned int port = full_port(&hold, peer_tag(tag));

	FAILS(connect_to(fd, peer_at(port)), EINPROGRESS);
	set_nonblock(fd, false);
	go(tag, "");
	EQ(send(fd, "echo\nabc", 8, 0), 8);
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
}

TEST(connect_timeout, "sndtimeo.connect")
{
	int hold, fd = fresh();
	unsigned int port = full_port(&hold, NULL);
	long start;

	set_timeout(fd, SO_SNDTIMEO, 300);
	start = now_ms();
	FAILS(connect_to(fd, peer_at(port)), EINPROGRESS);
	CHECK(now_ms() - start >= 295);
	start = now_ms();
	FAILS(connect_to(fd, peer_at(port)), EALREADY);
	CHECK(now_ms() - start >= 295);
}

static void connect_forever(void *arg)
{
	const union addr *addr = arg;

	connect_to(fresh(), addr);
}

TEST(connect_killed, "sigkill")
{
	int hold, status;
	union addr addr = *peer_at(full_port(&hold, NULL));
	pid_t pid = child(connect_forever, &addr);

	await_sleep(pid, pid);
	OK(kill(pid, SIGKILL));
	EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
}

TEST(connect_shutdown_in_progress, "connect.in-progress.shutdown")
{
	int hold, fd = fresh_nonblock();
	unsigned int port = full_port(&hold, NULL);

	FAILS(connect_to(fd, peer_at(port)), EINPROGRESS);
	OK(shutdown(fd, SHUT_RDWR));
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) & POLLHUP);
	FAILS(send(fd, "x", 1, MSG_NOSIGNAL), ECONNRESET);
	FAILS(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
}

TEST(connect_bad_address, "connect.address")
{
	int fd = fresh();
	union addr addr = *puppet();

	FAILS(connect(fd, &addr.sa, 0), EINVAL);
	FAILS(connect(fd, &addr.sa, tested.v6 ? 23 : 15), EINVAL);
	FAILS(connect(fd, &addr.sa, -1), EINVAL);
	FAILS(connect(fd, &addr.sa, 129), EINVAL);
	FAILS(connect(fd, bad_memory(), 16), EFAULT);
	addr.sa.sa_family = AF_UNIX;
	FAILS(connect(fd, &addr.sa, sizeof(addr)), EAFNOSUPPORT);
	addr_any(&addr, !tested.v6, 80);
	FAILS(connect(fd, &addr.sa, sizeof(addr)), EAFNOSUPPORT);
	addr = *puppet();
	OK(connect(fd, &addr.sa, sizeof(addr)));
	echo_works(fd);
}

TEST(connect_multicast, "connect.unreachable")
{
	int fd = fresh();
	union addr addr;

	CHECK(addr_parse(&addr, tested.v6 ? "ff0e::77" : "224.0.1.77", 80));
	FAILS(connect_to(fd, &addr), ENETUNREACH);
	OK(connect_to(fd, puppet()));
	echo_works(fd);
}

TEST(connect_undone, "connect.unspec")
{
	union addr none = { .sa.sa_family = AF_UNSPEC };
	char tag[PEER_TAG];
	socklen_t len = sizeof(none);
	int fd = fresh();

	OK(connect(fd, &none.sa, sizeof(none.sa)));
	OK(peer_open_on(fd, "echo tag=%s", peer_tag(tag)));
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
	OK(connect(fd, &none.sa, sizeof(none.sa)));
	EQ(stat_of(tag).err, ECONNRESET);
	FAILS(getpeername(fd, &none.sa, &len), ENOTCONN);
	OK(connect_to(fd, puppet()));
	echo_works(fd);
}

/* To a listener of our own, by the address others use. */
TEST(connect_own_listener, "connect.own-listener")
{
	unsigned int port;
	int fd = listener(&port);
	int a = fresh_nonblock();
	int b;

	FAILS(connect_to(a, local_at(port)), EINPROGRESS);
	b = accept_one(fd);
	CHECK(wait_fd(a, POLLOUT, LONG_MS) & POLLOUT);
	send_pattern(a, 1, 0, 3000);
	recv_pattern(b, 1, 0, 3000);
	send_pattern(b, 2, 0, 3000);
	recv_pattern(a, 2, 0, 3000);
}

TEST(connect_one_after_another, "connect.many")
{
	int i;

	for (i = 0; i < 100; i++) {
		int fd = dial("echo");

		send_pattern(fd, i, 0, 100);
		recv_pattern(fd, i, 0, 100);
		OK(close(fd));
	}
}

TEST(connect_hundred, "connect.many")
{
	int fd[100];
	int i;

	for (i = 0; i < 100; i++) {
		fd[i] = fresh_nonblock();
		FAILS(connect_to(fd[i], puppet()), EINPROGRESS);
	}
	for (i = 0; i < 100; i++) {
		EQ(wait_fd(fd[i], POLLOUT, LONG_MS), POLLOUT);
		OK(write_all(fd[i], "echo\n", 5));
		send_pattern(fd[i], i, 0, 100);
	}
	for (i = 0; i < 100; i++)
		recv_pattern(fd[i], i, 0, 100);
}

TEST(connect_closed_at_once, "connect.peer-gone")
{
	int fd = dial("close");
	char byte;

	EQ(recv(fd, &byte, 1, 0), 0);
	fd = dial("rst");
	FAILS(recv(fd, &byte, 1, 0), ECONNRESET);
	EQ(recv(fd, &byte, 1, 0), 0);
}
