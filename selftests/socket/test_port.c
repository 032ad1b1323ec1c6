// SPDX-License-Identifier: GPL-2.0
/*
 * Ports: one that was asked for stays the socket's until it is closed, whatever
 * becomes of its connections; one that was not is given back with them.
 */
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

static int bind_port(int fd, unsigned int port)
{
	union addr addr;

	addr_any(&addr, tested.v6, port);
	return bind(fd, &addr.sa, addr_len(&addr));
}

static unsigned int puppet_port(void)
{
	return addr_port(&tested.peer[tested.v6]);
}

/* A socket bound to a port by its number, which nobody else has. */
static int with_port(unsigned int *port)
{
	int fd = fresh();

	OK(bind_port(fd, 0));
	*port = port_of(fd);
	OK(close(fd));
	fd = fresh();
	OK(bind_port(fd, *port));
	return fd;
}

static void is_kept(int fd, unsigned int port)
{
	int other = fresh();

	FAILS(bind_port(other, port), EADDRINUSE);
	OK(close(other));
	EQ(port_of(fd), port);
	FAILS(bind_port(fd, 0), EINVAL);
}

static void talks(int fd)
{
	OK(peer_open_on(fd, "echo"));
	send_pattern(fd, 1, 0, 3000);
	recv_pattern(fd, 1, 0, 3000);
}

static void listens(int fd, unsigned int port)
{
	OK(listen(fd, 4));
	EQ(port_of(fd), port);
	call(port, "echo");
	OK(close(accept_one(fd)));
}

TEST(port_kept_disconnected, "bind.kept")
{
	unsigned int port;
	int fd = with_port(&port);
	char tag[PEER_TAG];
	int i;

	for (i = 0; i < 3; i++) {
		OK(peer_open_on(fd, "echo tag=%s", peer_tag(tag)));
		send_pattern(fd, 1, 0, 3000);
		recv_pattern(fd, 1, 0, 3000);
		OK(undo(fd));
		is_kept(fd, port);
		EQ(stat_of(tag).err, ECONNRESET);
		EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
	}
	listens(fd, port);
}

/* What the peer has sent by then is not the next connection's. */
TEST(port_kept_unread, "bind.kept")
{
	unsigned int port;
	int fd = with_port(&port);

	OK(peer_open_on(fd, "source 50000 4 end=hold"));
	await_bytes(fd, 1000);
	OK(undo(fd));
	is_kept(fd, port);
	talks(fd);
	is_kept(fd, port);
}

TEST(port_kept_refused, "bind.kept")
{
	unsigned int port, closed;
	int fd = with_port(&port);
	int hold;

	closed = closed_port(&hold);
	FAILS(reach(fd, closed), ECONNREFUSED);
	is_kept(fd, port);
	set_nonblock(fd, true);
	FAILS(reach(fd, closed), EINPROGRESS);
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) & POLLERR);
	is_kept(fd, port);
	OK(undo(fd));
	is_kept(fd, port);
	set_nonblock(fd, false);
	talks(fd);
}

TEST(port_kept_in_progress, "bind.kept")
{
	unsigned int port, full;
	int fd = with_port(&port);
	int hold;

	full = full_port(&hold, NULL);
	set_nonblock(fd, true);
	FAILS(reach(fd, full), EINPROGRESS);
	OK(undo(fd));
	is_kept(fd, port);
	set_nonblock(fd, false);
	talks(fd);
}

TEST(port_kept_reset, "bind.kept")
{
	unsigned int port;
	int fd = with_port(&port);
	char byte;

	OK(peer_open_on(fd, "rst"));
	FAILS(recv(fd, &byte, 1, 0), ECONNRESET);
	is_kept(fd, port);
	OK(undo(fd));
	is_kept(fd, port);
	talks(fd);
}

TEST(port_kept_listener, "bind.kept")
{
	unsigned int port;
	int fd = with_port(&port);

	/* past the connections that were accepted there */
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	listens(fd, port);
	OK(shutdown(fd, SHUT_RD));
	is_kept(fd, port);
	listens(fd, port);
	OK(undo(fd));
	is_kept(fd, port);
	listens(fd, port);
	OK(undo(fd));
	talks(fd);
}

/* Who waits in a listener's queue goes with its listening. */
TEST(port_kept_listener_queue, "bind.kept")
{
	unsigned int port;
	int fd = with_port(&port);
	char tag[PEER_TAG];

	OK(listen(fd, 4));
	call(port, "echo tag=%s", peer_tag(tag));
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	OK(undo(fd));
	EQ(stat_of(tag).err, ECONNRESET);
	is_kept(fd, port);
	listens(fd, port);
}

/*
 * A port that TCP chose goes with the connection; its number is still told.
 * It may have been that of an older connection as well, to elsewhere, which
 * keeps it for a minute.
 */
TEST(port_given_back, "bind.given-back")
{
	int tries, got = -1;

	for (tries = 0; got && tries < 10; tries++) {
		int fd = dial("echo"), other = fresh();
		unsigned int port = port_of(fd);

		OK(undo(fd));
		EQ(port_of(fd), port);
		got = bind_port(other, port);
		if (got) {
			EQ(errno, EADDRINUSE);
			continue;
		}
		OK(bind_port(fd, 0));
		CHECK(port_of(fd) != port);
	}
	OK(got);
}

TEST(port_given_back_reset, "bind.given-back")
{
	int fd = dial("rst");
	unsigned int port;
	char byte;

	FAILS(recv(fd, &byte, 1, 0), ECONNRESET);
	OK(bind_port(fd, 0));
	port = port_of(fd);
	FAILS(bind_port(fd, 0), EINVAL);
	FAILS(reach(fd, puppet_port()), EISCONN);
	OK(undo(fd));
	EQ(port_of(fd), port);
	talks(fd);
	EQ(port_of(fd), port);
}

/* What has come stays to be read. */
TEST(port_given_back_finished, "bind.given-back")
{
	char tag[PEER_TAG];
	int fd = dial("source 100 4 tag=%s", peer_tag(tag));
	int end;

	await_bytes(fd, 100);
	OK(shutdown(fd, SHUT_WR));
	EQ(stat_of(tag).eof, 1);
	for (end = now_ms() + LONG_MS; now_ms() < end; nap_ms(2)) {
		if (!bind_port(fd, 0))
			break;
		EQ(errno, EINVAL);
	}
	CHECK(now_ms() < end);
	recv_pattern(fd, 4, 0, 100);
	expect_eof(fd);
	FAILS(reach(fd, puppet_port()), EISCONN);
}

TEST(port_given_back_refused, "bind.given-back")
{
	int hold, fd = fresh();
	unsigned int closed = closed_port(&hold);

	FAILS(reach(fd, closed), ECONNREFUSED);
	CHECK(port_of(fd));
	OK(bind_port(fd, 0));
	FAILS(reach(fd, closed), ECONNREFUSED);
	OK(bind_port(fd, 0));
	talks(fd);
}
