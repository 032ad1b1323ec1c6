// SPDX-License-Identifier: GPL-2.0
/*
 * bind(): ports and addresses, who may have them, and every bad argument.
 * Two sockets on one port are test_reuse.c's.
 */
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static int bind_to(int fd, const union addr *addr)
{
	return bind(fd, &addr->sa, addr_len(addr));
}

static const union addr *any_at(unsigned int port)
{
	static union addr addr;

	addr_any(&addr, tested.v6, port);
	return &addr;
}

TEST(bind_port_zero, "bind.port-zero")
{
	int a = fresh(), b = fresh();
	union addr addr;
	socklen_t len = sizeof(addr);

	OK(bind_to(a, any_at(0)));
	OK(bind_to(b, any_at(0)));
	CHECK(port_of(a));
	CHECK(port_of(b));
	CHECK(port_of(a) != port_of(b));
	OK(getsockname(a, &addr.sa, &len));
	EQ(len, addr_len(any_at(0)));
	EQ(addr.sa.sa_family, tested.v6 ? AF_INET6 : AF_INET);
	CHECK(addr_is_any(&addr));
}

TEST(bind_local_address, "bind.address")
{
	int fd = fresh();
	union addr addr;
	socklen_t len = sizeof(addr);

	OK(bind_to(fd, local_at(0)));
	OK(getsockname(fd, &addr.sa, &len));
	CHECK(addr_same_host(&addr, local_at(0)));
	CHECK(addr_port(&addr));
}

/* close() frees the port before it returns, as far as anyone can tell */
TEST(bind_port_again, "bind.free-after-close")
{
	unsigned int port;
	int fd = fresh();
	int i;

	OK(bind_to(fd, any_at(0)));
	port = port_of(fd);
	for (i = 0; i < 20; i++) {
		OK(close(fd));
		fd = fresh();
		OK(bind_to(fd, any_at(port)));
		EQ(port_of(fd), port);
		if (i & 1)
			OK(listen(fd, 1));
	}
}

static void move_to(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* where there is one processor it stays there */
	sched_setaffinity(0, sizeof(set), &set);
}

/* and on another processor, too */
TEST(bind_port_again_elsewhere, "bind.free-after-close")
{
	unsigned int port, i;
	int fd = fresh();

	OK(bind_to(fd, any_at(0)));
	port = port_of(fd);
	for (i = 0; i < 200; i++) {
		if (i % 3 == 0)
			OK(listen(fd, 1));
		OK(close(fd));
		move_to(i % 2);
		fd = fresh();
		OK(bind_to(fd, any_at(port)));
		EQ(port_of(fd), port);
	}
}

TEST(bind_twice, "bind.multiple")
{
	int fd = fresh();

	OK(bind_to(fd, any_at(0)));
	FAILS(bind_to(fd, any_at(0)), EINVAL);
	FAILS(bind_to(fd, local_at(0)), EINVAL);
}

TEST(bind_in_use, "bind.in-use")
{
	unsigned int port;
	int taken = listener(&port);
	int fd = fresh();

	FAILS(bind_to(fd, any_at(port)), EADDRINUSE);
	FAILS(bind_to(fd, local_at(port)), EADDRINUSE);
	/* and it is as good as new */
	OK(bind_to(fd, any_at(0)));
	OK(listen(fd, 1));
	OK(close(taken));
}

TEST(bind_in_use_not_listening, "bind.in-use")
{
	int a = fresh(), b = fresh();

	OK(bind_to(a, any_at(0)));
	FAILS(bind_to(b, any_at(port_of(a))), EADDRINUSE);
}

TEST(bind_foreign_address, "bind.foreign")
{
	int fd = fresh();
	union addr addr;

	CHECK(addr_parse(&addr, tested.v6 ? "2001:db8:77::77" : "192.0.2.77",
			 0));
	FAILS(bind_to(fd, &addr), EADDRNOTAVAIL);
	/* on one machine the peer's address is ours too */
	if (!addr_same_host(peer_at(0), local_at(0)))
		FAILS(bind_to(fd, peer_at(0)), EADDRNOTAVAIL);
	OK(bind_to(fd, local_at(0)));
}

TEST(bind_length, "bind.length")
{
	int fd = fresh();
	union addr addr = *any_at(0);

	FAILS(bind(fd, &addr.sa, 0), EINVAL);
	FAILS(bind(fd, &addr.sa, 2), EINVAL);
	FAILS(bind(fd, &addr.sa, tested.v6 ? 23 : 15), EINVAL);
	FAILS(bind(fd, &addr.sa, -1), EINVAL);
	FAILS(bind(fd, &addr.sa, 129), EINVAL);
	OK(bind(fd, &addr.sa, sizeof(addr)));
}

TEST_FOR(bind_length_old_sin6, ONLY_V6, 0, "bind.length")
{
	int fd = fresh();

	OK(bind(fd, &any_at(0)->sa, 24));
}

TEST_FOR(bind_bad_pointer, LOCAL, 0, "bind.fault")
{
	int fd = fresh();

	FAILS(bind(fd, bad_memory(), sizeof(union addr)), EFAULT);
}

TEST_FOR(bind_family, LOCAL, 0, "bind.family")
{
	int fd = fresh();
	union addr addr;

	addr_any(&addr, !tested.v6, 0);
	FAILS(bind(fd, &addr.sa, sizeof(addr)), EAFNOSUPPORT);
	addr = *any_at(0);
	addr.sa.sa_family = AF_UNIX;
	FAILS(bind(fd, &addr.sa, sizeof(addr)), EAFNOSUPPORT);
	addr.sa.sa_family = AF_MEMNET_DEFAULT;
	FAILS(bind(fd, &addr.sa, sizeof(addr)), EAFNOSUPPORT);
	addr = *local_at(0);
	addr.sa.sa_family = AF_UNSPEC;
	FAILS(bind(fd, &addr.sa, sizeof(addr)), EAFNOSUPPORT);
}

/* old programs forget the family; the kernel forgives 0.0.0.0 */
TEST_FOR(bind_family_forgotten, ONLY_V4, 0, "bind.family.forgotten")
{
	int fd = fresh();
	union addr addr = *any_at(0);

	addr.sa.sa_family = AF_UNSPEC;
	OK(bind(fd, &addr.sa, sizeof(addr.in)));
	CHECK(port_of(fd));
}

TEST(bind_privileged_port, "bind.privileged")
{
	const char *path = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
	FILE *file = fopen(path, "r");
	/* the runs of both IP versions may go side by side */
	int port = tested.v6 ? 84 : 83;
	int first = 1024;
	int fd;

	if (file) {
		if (fscanf(file, "%d", &first) != 1)
			first = 1024;
		fclose(file);
	}
	if (first <= port)
		SKIP("every port is free for all here");
	if (!geteuid()) {
		fd = fresh();
		OK(bind_to(fd, any_at(port)));
		OK(close(fd));
	}
	become_nobody();
	fd = fresh();
	FAILS(bind_to(fd, any_at(port)), EACCES);
	FAILS(bind_to(fd, local_at(port)), EACCES);
	OK(bind_to(fd, any_at(0)));
}

TEST(bind_after_connect, "bind.multiple")
{
	int fd = dial("echo");

	FAILS(bind_to(fd, any_at(0)), EINVAL);
}

TEST(bind_then_connect, "bind.connect")
{
	char line[128], host[ADDR_TEXT];
	unsigned int port, seen;
	int fd = fresh();
	union addr from;

	OK(bind_to(fd, local_at(0)));
	port = port_of(fd);
	OK(peer_open_on(fd, "info"));
	OK(read_line(fd, line, sizeof(line), PEER_MS));
	EQ(sscanf(line, "from=%63s port=%u", host, &seen), 2);
	EQ(seen, port);
	CHECK(addr_parse(&from, host, 0));
	CHECK(addr_same_host(&from, local_at(0)));
	EQ(port_of(fd), port);
}

TEST(bind_any_then_connect, "bind.connect")
{
	int fd = fresh();
	union addr addr;
	socklen_t len = sizeof(addr);
	unsigned int port;

	OK(bind_to(fd, any_at(0)));
	port = port_of(fd);
	OK(peer_open_on(fd, "echo"));
	OK(getsockname(fd, &addr.sa, &len));
	EQ(addr_port(&addr), port);
	CHECK(addr_same_host(&addr, local_at(0)));
}

TEST_FOR(bind_closed_descriptor, LOCAL, 0, "bind.fault")
{
	int fd = fresh();
	int pair[2];

	OK(close(fd));
	FAILS(bind_to(fd, any_at(0)), EBADF);
	OK(pipe(pair));
	FAILS(bind_to(pair[0], any_at(0)), ENOTSOCK);
}
