// SPDX-License-Identifier: GPL-2.0
/*
 * Two sockets on one port: SO_REUSEADDR, SO_REUSEPORT, and what a connection
 * that is gone leaves behind.
 */
#include <unistd.h>

#include "fixture.h"

static int bound_with(int option, const union addr *addr)
{
	int fd = fresh();

	if (option)
		set_int(fd, SOL_SOCKET, option, 1);
	OK(bind(fd, &addr->sa, addr_len(addr)));
	return fd;
}

static const union addr *any_at(unsigned int port)
{
	static union addr addr;

	addr_any(&addr, tested.v6, port);
	return &addr;
}

TEST(reuse_address_both, "reuse.address")
{
	int a = bound_with(SO_REUSEADDR, any_at(0));
	int b = bound_with(SO_REUSEADDR, any_at(port_of(a)));

	OK(listen(a, 4));
	FAILS(listen(b, 4), EADDRINUSE);
	OK(close(a));
	OK(listen(b, 4));
}

TEST(reuse_address_listening, "reuse.address")
{
	int a = bound_with(SO_REUSEADDR, any_at(0));
	int b = fresh();

	OK(listen(a, 4));
	set_int(b, SOL_SOCKET, SO_REUSEADDR, 1);
	FAILS(bind(b, &any_at(port_of(a))->sa, addr_len(any_at(0))),
	      EADDRINUSE);
}

TEST(reuse_address_one_sided, "reuse.address.one-sided")
{
	int a = bound_with(0, any_at(0));
	int b = fresh();

	set_int(b, SOL_SOCKET, SO_REUSEADDR, 1);
	FAILS(bind(b, &any_at(port_of(a))->sa, addr_len(any_at(0))),
	      EADDRINUSE);
}

/* A server restarts while a connection that it closed first is TIME_WAIT. */
TEST(reuse_address_time_wait, "reuse.address.time-wait")
{
	char tag[PEER_TAG];
	unsigned int port;
	int server, conn, again;

	server = bound_with(SO_REUSEADDR, any_at(0));
	port = port_of(server);
	OK(listen(server, 4));
	call(port, "echo tag=%s", peer_tag(tag));
	conn = accept_one(server);
	OK(close(conn));
	EQ(stat_of(tag).eof, 1);
	OK(close(server));

	again = fresh();
	FAILS(bind(again, &any_at(port)->sa, addr_len(any_at(port))),
	      EADDRINUSE);
	set_int(again, SOL_SOCKET, SO_REUSEADDR, 1);
	OK(bind(again, &any_at(port)->sa, addr_len(any_at(port))));
	OK(listen(again, 4));
	call(port, "echo");
	conn = accept_one(again);
	send_pattern(conn, 1, 0, 10);
	recv_pattern(conn, 1, 0, 10);
}

/* The same while the connection is open. */
TEST(reuse_address_connected, "reuse.address.connected")
{
	unsigned int port;
	int server, conn, again;

	server = bound_with(SO_REUSEADDR, any_at(0));
	port = port_of(server);
	OK(listen(server, 4));
	call(port, "echo");
	conn = accept_one(server);
	OK(close(server));

	again = bound_with(SO_REUSEADDR, any_at(port));
	OK(listen(again, 4));
	send_pattern(conn, 1, 0, 10);
	recv_pattern(conn, 1, 0, 10);
}

TEST(reuse_port_shares, "reuse.port")
{
	int a = bound_with(SO_REUSEPORT, any_at(0));
	unsigned int port = port_of(a);
	int b = bound_with(SO_REUSEPORT, any_at(port));
	int count[2] = { 0, 0 };
	int left = 64;

	OK(listen(a, 100));
	OK(listen(b, 100));
	call_many(port, left, "echo");
	while (left) {
		struct pollfd pfd[2] = {
			{ .fd = a, .events = POLLIN },
			{ .fd = b, .events = POLLIN },
		};
		int i;

		CHECK(poll(pfd, 2, LONG_MS) > 0);
		for (i = 0; i < 2; i++) {
			if (!pfd[i].revents)
				continue;
			OK(close(OK(accept(pfd[i].fd, NULL, NULL))));
			count[i]++;
			left--;
		}
	}
	/* all 64 on one side is one run in 2^63 */
	CHECK(count[0] && count[1]);
}

TEST(reuse_port_stranger, "reuse.port.refused")
{
	int a = bound_with(SO_REUSEPORT, any_at(0));
	int b = fresh();

	FAILS(bind(b, &any_at(port_of(a))->sa, addr_len(any_at(0))),
	      EADDRINUSE);
}

/* Another user's socket may not join the group. */
TEST(reuse_port_other_user, "reuse.port.refused")
{
	unsigned int port;
	int a, b;

	if (geteuid())
		SKIP("needs root");
	a = bound_with(SO_REUSEPORT, any_at(0));
	port = port_of(a);
	OK(listen(a, 4));
	become_nobody();
	b = fresh();
	set_int(b, SOL_SOCKET, SO_REUSEPORT, 1);
	FAILS(bind(b, &any_at(port)->sa, addr_len(any_at(port))), EADDRINUSE);
}

TEST(reuse_port_one_leaves, "reuse.port.leave")
{
	int a = bound_with(SO_REUSEPORT, any_at(0));
	unsigned int port = port_of(a);
	int b = bound_with(SO_REUSEPORT, any_at(port));
	int i;

	OK(listen(a, 16));
	OK(listen(b, 16));
	OK(close(a));
	call_many(port, 8, "echo");
	for (i = 0; i < 8; i++)
		OK(close(accept_one(b)));
}

TEST_FOR(reuse_get, LOCAL, 0, "option.reuse")
{
	int fd = fresh();

	EQ(get_int(fd, SOL_SOCKET, SO_REUSEADDR), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_REUSEPORT), 0);
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	EQ(get_int(fd, SOL_SOCKET, SO_REUSEADDR), 1);
	EQ(get_int(fd, SOL_SOCKET, SO_REUSEPORT), 1);
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 0);
	EQ(get_int(fd, SOL_SOCKET, SO_REUSEADDR), 0);
}
