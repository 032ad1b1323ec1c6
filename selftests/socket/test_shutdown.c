// SPDX-License-Identifier: GPL-2.0
/*
 * shutdown() of either half, by us and by the peer.
 */
#include <unistd.h>

#include "fixture.h"

TEST_BOTH(shutdown_write, "shutdown.write")
{
	int fd = meet("sink check=1");
	char byte = 0;

	send_pattern(fd, 1, 0, 1000);
	OK(shutdown(fd, SHUT_WR));
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	/* the other half still works */
	EQ(answer_of(fd).in, 1000);
	expect_eof(fd);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
}

/* What is queued goes first, however much. */
TEST_BOTH(shutdown_write_after_much, "shutdown.write")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 wait=1 tag=%s", peer_tag(tag));
	size_t sent = fill(fd);
	struct result result;

	OK(shutdown(fd, SHUT_WR));
	go(tag, "");
	result = answer_of(fd);
	EQ(result.in, sent);
	EQ(result.bad, -1);
	EQ(result.eof, 1);
}

/* Data the peer sent before is there to read, then the end. */
TEST_BOTH(shutdown_read, "shutdown.read")
{
	int fd = meet("source 100 4 end=hold");
	char byte;

	await_bytes(fd, 100);
	OK(shutdown(fd, SHUT_RD));
	recv_pattern(fd, 4, 0, 100);
	EQ(recv(fd, &byte, 1, 0), 0);
	EQ(recv(fd, &byte, 1, 0), 0);
	EQ(send(fd, &byte, 1, 0), 1);
}

/* Nor does it keep the peer from sending, or us from reading that. */
TEST_BOTH(shutdown_read_then_data, "shutdown.read")
{
	char tag[PEER_TAG];
	int fd = meet("source 100 4 wait=1 tag=%s", peer_tag(tag));
	char byte;

	OK(shutdown(fd, SHUT_RD));
	EQ(recv(fd, &byte, 1, 0), 0);
	go(tag, "");
	await_bytes(fd, 100);
	recv_pattern(fd, 4, 0, 100);
	EQ(recv(fd, &byte, 1, 0), 0);
	OK(close(fd));
	EQ(stat_of(tag).err, 0);
}

TEST_BOTH(shutdown_both, "shutdown.both")
{
	char tag[PEER_TAG];
	int fd = meet("sink reply=0 tag=%s", peer_tag(tag));
	struct result result;
	char byte = 0;

	send_pattern(fd, 1, 0, 1000);
	OK(shutdown(fd, SHUT_RDWR));
	EQ(recv(fd, &byte, 1, 0), 0);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	result = stat_of(tag);
	EQ(result.in, 1000);
	EQ(result.eof, 1);
	EQ(result.err, 0);
}

TEST_BOTH(shutdown_halves_in_turn, "shutdown.both")
{
	char tag[PEER_TAG];
	int fd = meet("echo tag=%s", peer_tag(tag));

	OK(shutdown(fd, SHUT_RD));
	OK(shutdown(fd, SHUT_RD));
	send_pattern(fd, 1, 0, 10);
	OK(shutdown(fd, SHUT_WR));
	EQ(stat_of(tag).in, 10);
}

TEST_BOTH(shutdown_write_twice, "shutdown.again")
{
	int fd = meet("never-read wait=1");

	OK(shutdown(fd, SHUT_WR));
	OK(shutdown(fd, SHUT_WR));
}

TEST_FOR(shutdown_not_connected, LOCAL, 0, "shutdown.invalid")
{
	int fd = fresh();

	FAILS(shutdown(fd, SHUT_RD), ENOTCONN);
	FAILS(shutdown(fd, SHUT_WR), ENOTCONN);
	FAILS(shutdown(fd, SHUT_RDWR), ENOTCONN);
}

TEST_BOTH(shutdown_bad_how, "shutdown.invalid")
{
	int fd = meet("echo");

	FAILS(shutdown(fd, 3), EINVAL);
	FAILS(shutdown(fd, -1), EINVAL);
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

/* The peer's end comes first: reading is over, writing is not. */
TEST_BOTH(shutdown_by_peer, "shutdown.peer")
{
	char tag[PEER_TAG];
	int fd = meet("fin-first check=1 tag=%s", peer_tag(tag));
	struct result result;
	char byte;

	EQ(recv(fd, &byte, 1, 0), 0);
	EQ(recv(fd, &byte, 1, 0), 0);
	EQ(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	EQ(recv(fd, &byte, 1, MSG_PEEK), 0);
	send_pattern(fd, 1, 0, 500000);
	OK(close(fd));
	result = stat_of(tag);
	EQ(result.in, 500000);
	EQ(result.bad, -1);
	EQ(result.err, 0);
}

/* On a network with a delay the two FINs pass each other: test_distance.py. */
TEST_BOTH(shutdown_at_the_same_time, "shutdown.simultaneous")
{
	char tag[PEER_TAG];
	int fd = meet("fin-first tag=%s", peer_tag(tag));

	usleep(50000);
	OK(shutdown(fd, SHUT_WR));
	expect_eof(fd);
	EQ(stat_of(tag).err, 0);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
}

/* Both ends over: the connection is gone, and says so. */
TEST_BOTH(shutdown_when_gone, "shutdown.gone")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	char byte;

	go(tag, "");
	await_error(fd);
	FAILS(recv(fd, &byte, 1, 0), ECONNRESET);
	FAILS(shutdown(fd, SHUT_WR), ENOTCONN);
	FAILS(shutdown(fd, SHUT_RDWR), ENOTCONN);
}

/* When both have sent their FIN, and know it of each other, it is no connection any more. */
static void is_over(int fd)
{
	union addr addr;
	socklen_t len = sizeof(addr);
	int tries, ret = 0;
	char byte;

	for (tries = 0; !ret && tries < LONG_MS; tries++) {
		ret = getpeername(fd, &addr.sa, &len);
		nap_ms(1);
	}
	EQ(ret, -1);
	EQ(errno, ENOTCONN);
	OK(getsockname(fd, &addr.sa, &len));
	CHECK(addr_same_host(&addr, local_at(0)));
	EQ(wait_fd(fd, POLLIN | POLLOUT | POLLRDHUP, 0),
	   POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	FAILS(shutdown(fd, SHUT_WR), ENOTCONN);
	FAILS(shutdown(fd, SHUT_RD), ENOTCONN);
	EQ(recv(fd, &byte, 1, 0), 0);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	FAILS(listen(fd, 1), EINVAL);
	FAILS(connect(fd, &peer_at(80)->sa, addr_len(peer_at(80))), EISCONN);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
}

TEST_BOTH(shutdown_over_we_first, "shutdown.finished")
{
	int fd = meet("sink check=1");

	send_pattern(fd, 1, 0, 100000);
	OK(shutdown(fd, SHUT_WR));
	EQ(answer_of(fd).in, 100000);
	expect_eof(fd);
	is_over(fd);
}

TEST_BOTH(shutdown_over_peer_first, "shutdown.finished")
{
	char tag[PEER_TAG];
	int fd = meet("source 1000 4 tag=%s", peer_tag(tag));

	recv_pattern(fd, 4, 0, 1000);
	expect_eof(fd);
	send_pattern(fd, 1, 0, 100000);
	OK(shutdown(fd, SHUT_WR));
	is_over(fd);
	EQ(stat_of(tag).in, 100000);
}

/* What has not been read stays. */
TEST_BOTH(shutdown_over_unread, "shutdown.finished")
{
	int fd = meet("source 1000 4");
	union addr addr;
	socklen_t len = sizeof(addr);
	int tries;

	await_bytes(fd, 1000);
	OK(shutdown(fd, SHUT_WR));
	for (tries = 0; !getpeername(fd, &addr.sa, &len) && tries < LONG_MS;
	     tries++)
		nap_ms(1);
	recv_pattern(fd, 4, 0, 1000);
	expect_eof(fd);
	is_over(fd);
}

/* What was shut down before there was a connection stays so. */
TEST(shutdown_fresh, "shutdown.new")
{
	unsigned int port = addr_port(&tested.peer[tested.v6]);
	int fd = fresh();
	char byte;

	FAILS(shutdown(fd, SHUT_RD), ENOTCONN);
	EQ(wait_fd(fd, POLLIN | POLLOUT | POLLRDHUP, 0),
	   POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	EQ(recv(fd, &byte, 1, 0), 0);
	fd = fresh();
	FAILS(shutdown(fd, SHUT_WR), ENOTCONN);
	EQ(wait_fd(fd, POLLIN | POLLOUT | POLLRDHUP, 0), POLLOUT | POLLHUP);
	OK(connect(fd, &peer_at(port)->sa, addr_len(peer_at(port))));
	FAILS(send(fd, "a", 1, MSG_NOSIGNAL), EPIPE);
	EQ(wait_fd(fd, POLLIN | POLLOUT | POLLRDHUP, 0), POLLOUT);
}

/* shutdown() tells the socket that it is connected, if nobody has asked. */
TEST(shutdown_before_second_connect, "shutdown.in-progress")
{
	unsigned int port = addr_port(&tested.peer[tested.v6]);
	int fd = fresh_nonblock();

	FAILS(connect(fd, &peer_at(port)->sa, addr_len(peer_at(port))),
	      EINPROGRESS);
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) & POLLOUT);
	OK(shutdown(fd, SHUT_WR));
	FAILS(connect(fd, &peer_at(port)->sa, addr_len(peer_at(port))),
	      EISCONN);
}

TEST(shutdown_after_refusal, "shutdown.in-progress")
{
	unsigned int to = addr_port(&tested.peer[tested.v6]);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int hold, fd = fresh_nonblock();
	unsigned int port = closed_port(&hold);

	FAILS(connect(fd, &peer_at(port)->sa, addr_len(peer_at(port))),
	      EINPROGRESS);
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) & POLLERR);
	FAILS(shutdown(fd, SHUT_RDWR), ENOTCONN);
	FAILS(connect(fd, &peer_at(to)->sa, addr_len(peer_at(to))), EINVAL);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	OK(connect(fd, &none, sizeof(none)));
	FAILS(connect(fd, &peer_at(to)->sa, addr_len(peer_at(to))), EINPROGRESS);
	CHECK(wait_fd(fd, POLLOUT, LONG_MS) & POLLOUT);
	OK(connect(fd, &peer_at(to)->sa, addr_len(peer_at(to))));
}
