// SPDX-License-Identifier: GPL-2.0
/*
 * connect(AF_UNSPEC): what it undoes, what it leaves behind, and what a
 * connection that ended before its second connect() answers.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static int undo(int fd)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	return connect(fd, &none, sizeof(none));
}

static int reach(int fd, unsigned int port)
{
	return connect(fd, &peer_at(port)->sa, addr_len(peer_at(port)));
}

static unsigned int puppet_port(void)
{
	return addr_port(&tested.peer[tested.v6]);
}

static void no_connection(int fd)
{
	union addr addr;
	socklen_t len = sizeof(addr);
	char byte;

	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	EQ(wait_fd(fd, POLLIN | POLLOUT | POLLRDHUP, 0), POLLOUT | POLLHUP);
	FAILS(recv(fd, &byte, 1, 0), ENOTCONN);
	FAILS(send(fd, "a", 1, MSG_NOSIGNAL), EPIPE);
	FAILS(getpeername(fd, &addr.sa, &len), ENOTCONN);
}

TEST_BOTH(disconnect_error, "connect.unspec.error")
{
	char tag[PEER_TAG];
	int fd = meet("echo tag=%s", peer_tag(tag));

	OK(undo(fd));
	EQ(wait_fd(fd, POLLIN | POLLOUT | POLLRDHUP, 0),
	   POLLOUT | POLLHUP | POLLERR);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
	no_connection(fd);
	EQ(stat_of(tag).err, ECONNRESET);
}

TEST_BOTH(disconnect_then_recv, "connect.unspec.error")
{
	int fd = meet("source 10 4 end=hold");
	char byte;

	await_bytes(fd, 10);
	OK(undo(fd));
	FAILS(recv(fd, &byte, 1, 0), ECONNRESET);
	no_connection(fd);
}

TEST_BOTH(disconnect_then_send, "connect.unspec.error")
{
	int fd = meet("echo");

	count_sigpipe();
	OK(undo(fd));
	FAILS(send(fd, "a", 1, 0), ECONNRESET);
	EQ(pipes, 0);
	no_connection(fd);
}

/* It stays whatever the socket becomes; only who listens is not told of it. */
TEST(disconnect_then_bind, "connect.unspec.error")
{
	int fd = meet("echo");
	union addr addr;

	OK(undo(fd));
	addr_any(&addr, tested.v6, 0);
	OK(bind(fd, &addr.sa, addr_len(&addr)));
	EQ(wait_fd(fd, POLLIN | POLLOUT | POLLRDHUP, 0),
	   POLLOUT | POLLHUP | POLLERR);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
}

TEST(disconnect_then_listen, "connect.unspec.error")
{
	int fd = meet("echo");

	OK(undo(fd));
	OK(listen(fd, 4));
	OK(fcntl(fd, F_SETFL, O_NONBLOCK));
	EQ(wait_fd(fd, POLLIN | POLLOUT | POLLRDHUP, 0), 0);
	FAILS(accept(fd, NULL, NULL), EAGAIN);
	FAILS(send(fd, "a", 1, MSG_NOSIGNAL), ECONNRESET);
	FAILS(send(fd, "a", 1, MSG_NOSIGNAL), EPIPE);
	call(port_of(fd), "echo");
	EQ(wait_fd(fd, POLLIN, LONG_MS), POLLIN);
	OK(close(accept_one(fd)));
}

TEST(disconnect_then_connect, "connect.unspec")
{
	int fd = dial("echo");

	OK(undo(fd));
	OK(peer_open_on(fd, "echo"));
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	send_pattern(fd, 1, 0, 100);
	recv_pattern(fd, 1, 0, 100);
}

TEST(disconnect_refused, "connect.unspec.refused")
{
	int hold, fd = fresh_nonblock();
	unsigned int port = closed_port(&hold);

	FAILS(reach(fd, port), EINPROGRESS);
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) & POLLERR);
	OK(undo(fd));
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	no_connection(fd);
}

TEST(disconnect_connecting, "connect.unspec.in-progress")
{
	char tag[PEER_TAG];
	int hold, fd = fresh_nonblock();
	unsigned int port = full_port(&hold, peer_tag(tag));

	FAILS(reach(fd, port), EINPROGRESS);
	OK(undo(fd));
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
	no_connection(fd);
}

TEST(disconnect_listener, "connect.unspec.listener")
{
	unsigned int port;
	int fd = listener(&port);

	OK(undo(fd));
	no_connection(fd);
	FAILS(accept(fd, NULL, NULL), EINVAL);
	OK(listen(fd, 1));
}

TEST_FOR(disconnect_fresh, LOCAL, 0, "connect.unspec.new")
{
	int fd = fresh();

	OK(undo(fd));
	no_connection(fd);
}

/* Half-closed it is still a connection; when both have closed it is none. */
TEST_BOTH(disconnect_half_closed, "connect.unspec.error")
{
	int fd = meet("never-read end=stay");

	OK(shutdown(fd, SHUT_WR));
	OK(undo(fd));
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
	no_connection(fd);
}

TEST_BOTH(disconnect_both_closed, "shutdown.finished")
{
	char tag[PEER_TAG];
	int fd = meet("fin-first tag=%s", peer_tag(tag));

	expect_eof(fd);
	OK(shutdown(fd, SHUT_WR));
	EQ(stat_of(tag).eof, 1);
	OK(undo(fd));
	no_connection(fd);
	EQ(stat_of(tag).err, 0);
}

/* Made and reset before the program asks again: connect() tells, once. */
TEST(disconnect_by_reset_before_second_connect, "connect.nonblock.reset")
{
	unsigned int port = puppet_port();
	int fd = fresh_nonblock();
	char tag[PEER_TAG];
	char line[100];
	int len;

	FAILS(reach(fd, port), EINPROGRESS);
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) & POLLOUT);
	len = snprintf(line, sizeof(line), "rst tag=%s\n", peer_tag(tag));
	EQ(send(fd, line, len, 0), len);
	CHECK(wait_fd(fd, 0, LONG_MS) & POLLERR);
	FAILS(reach(fd, port), ECONNRESET);
	no_connection(fd);
	FAILS(reach(fd, port), EINPROGRESS);
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) & POLLOUT);
	OK(reach(fd, port));
	FAILS(reach(fd, port), EISCONN);
}

/* A port is given back by the end of a connection, and there was none. */
TEST(disconnect_bound, "connect.unspec.new")
{
	union addr addr, again;
	socklen_t len = sizeof(addr);
	int fd = fresh();

	addr_any(&addr, tested.v6, 0);
	OK(bind(fd, &addr.sa, addr_len(&addr)));
	OK(getsockname(fd, &addr.sa, &len));
	OK(undo(fd));
	len = sizeof(again);
	OK(getsockname(fd, &again.sa, &len));
	EQ(addr_port(&again), addr_port(&addr));
	FAILS(bind(fd, &addr.sa, addr_len(&addr)), EINVAL);
	OK(reach(fd, puppet_port()));
}

/* The port went with the connection, which nobody had accepted yet. */
TEST(disconnect_accepted_after_reset, "connect.unspec.reset-before-accept")
{
	char tag[PEER_TAG];
	union addr addr;
	unsigned int port;
	int fd = listener(&port);
	int conn;

	call(port, "rst tag=%s", peer_tag(tag));
	stat_of(tag);
	nap_ms(SHORT_MS);
	conn = accept_one(fd);
	OK(undo(conn));
	EQ(get_int(conn, SOL_SOCKET, SO_ERROR), ECONNRESET);
	no_connection(conn);
	addr_any(&addr, tested.v6, 0);
	OK(bind(conn, &addr.sa, addr_len(&addr)));
	OK(reach(conn, puppet_port()));
	/* and nobody else lost theirs by it */
	call(port, "echo");
	OK(close(accept_one(fd)));
}

/* Bound after its end, one that came keeps the port when what it was is undone. */
TEST(disconnect_accepted_and_bound, "connect.unspec.bound-after-end")
{
	union addr addr, again;
	socklen_t len = sizeof(addr);
	unsigned int port;
	int fd = listener(&port);
	int conn;
	char byte;

	call(port, "rst");
	conn = accept_one(fd);
	FAILS(recv(conn, &byte, 1, 0), ECONNRESET);
	addr_any(&addr, tested.v6, 0);
	OK(bind(conn, &addr.sa, addr_len(&addr)));
	OK(getsockname(conn, &addr.sa, &len));
	OK(undo(conn));
	len = sizeof(again);
	OK(getsockname(conn, &again.sa, &len));
	EQ(addr_port(&again), addr_port(&addr));
	FAILS(bind(conn, &addr.sa, addr_len(&addr)), EINVAL);
	OK(reach(conn, puppet_port()));
	call(port, "echo");
	OK(close(accept_one(fd)));
}
