// SPDX-License-Identifier: GPL-2.0
/*
 * listen(): what a listener is, its backlog, its end, and what it is not.
 */
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "differences.h"
#include "fixture.h"

TEST(listen_unbound, "listen.unbound")
{
	int fd = fresh();
	unsigned int port;

	OK(listen(fd, 4));
	port = port_of(fd);
	CHECK(port);
	call(port, "echo");
	fd = accept_one(fd);
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

TEST(listen_local_address, "listen")
{
	int fd = fresh();

	OK(bind(fd, &local_at(0)->sa, addr_len(local_at(0))));
	OK(listen(fd, 4));
	call(port_of(fd), "echo");
	OK(close(accept_one(fd)));
}

TEST(listen_again, "listen.again")
{
	unsigned int port;
	int fd = listener(&port);

	OK(listen(fd, 1));
	OK(listen(fd, 64));
	EQ(port_of(fd), port);
	call(port, "echo");
	OK(close(accept_one(fd)));
}

/* The right to a low port is asked for by bind(), of who calls that. */
TEST(listen_without_privilege, "process.drop-privilege")
{
	int fd = fresh();
	union addr addr;

	if (geteuid())
		SKIP("nothing to lose");
	addr_any(&addr, tested.v6, tested.v6 ? 86 : 85);
	OK(bind(fd, &addr.sa, addr_len(&addr)));
	become_nobody();
	OK(listen(fd, 4));
	call(port_of(fd), "echo");
	OK(close(accept_one(fd)));
}

TEST(listen_connected, "listen.connected")
{
	int fd = dial("echo");

	FAILS(listen(fd, 4), EINVAL);
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

TEST(listen_flag, "identity.listener")
{
	int fd = fresh();

	OK(listen(fd, 4));
	EQ(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
}

TEST(listen_zero_backlog, "listen.backlog.least")
{
	unsigned int port;
	int fd = listener(&port);

	OK(listen(fd, 0));
	call(port, "echo");
	OK(close(accept_one(fd)));
}

/* A backlog of N holds N connections that nobody accepts yet. */
TEST(listen_backlog_holds, "listen.backlog")
{
	unsigned int port;
	int fd = listener(&port);
	int i;

	OK(listen(fd, 16));
	call_many(port, 16, "source 10 5");
	for (i = 0; i < 16; i++) {
		int conn = accept_one(fd);

		recv_pattern(conn, 5, 0, 10);
		expect_eof(conn);
		OK(close(conn));
	}
}

/* Has the peer connect, and tells where its answer will come. */
static int knock(unsigned int port)
{
	char host[ADDR_TEXT];

	return OK(peer_open("call %s %u 1 -- echo", addr_text(local_at(0), host), port));
}

static bool answered(int call, long ms)
{
	unsigned int called = 0;
	char line[256];

	if (!wait_fd(call, POLLIN, ms))
		return false;
	OK(read_line(call, line, sizeof(line), LONG_MS));
	EQ(sscanf(line, "called=%u", &called), 1);
	EQ(called, 1);
	return true;
}

/* As many as there can be. */
TEST(listen_negative_backlog, "listen.backlog.least")
{
	unsigned int port;
	int fd = listener(&port), i;

	OK(listen(fd, -1));
	for (i = 0; i < 20; i++)
		CHECK(answered(knock(port), LONG_MS));
	OK(close(accept_one(fd)));
}

static void let_in(int fd)
{
	int conn = accept_one(fd);

	send_pattern(conn, 1, 0, 10);
	recv_pattern(conn, 1, 0, 10);
	OK(close(conn));
}

/* What a peer does not hear of at once it asks for again after a second. */
#define NO_ANSWER_MS 700

/*
 * A backlog of N holds N + 1, and no more; for each that is accepted another one may come. Who had
 * no answer gets one then.
 */
static void holds(int backlog)
{
	unsigned int port;
	int fd = listener(&port), late, i;

	OK(listen(fd, backlog));
	for (i = 0; i < backlog + 1; i++)
		CHECK(answered(knock(port), LONG_MS));
	late = knock(port);
	CHECK(!answered(late, NO_ANSWER_MS));
	let_in(fd);
	CHECK(answered(late, LONG_MS));
	let_in(fd);
	let_in(fd);
	CHECK(answered(knock(port), LONG_MS));
	CHECK(answered(knock(port), LONG_MS));
	late = knock(port);
	CHECK(!answered(late, NO_ANSWER_MS));
	for (i = 0; i < backlog + 1; i++)
		let_in(fd);
	CHECK(answered(late, LONG_MS));
	let_in(fd);
	EQ(wait_fd(fd, POLLIN, 0), 0);
	OK(close(fd));
}

/* One waits, or two: then nobody is answered. */
TEST(listen_backlog_limit_zero, "listen.backlog.least")
{
	int waiting = differs("backlog-zero") ? 2 : 1, late, i;
	unsigned int port;
	int fd = listener(&port);

	OK(listen(fd, 0));
	for (i = 0; i < waiting; i++)
		CHECK(answered(knock(port), LONG_MS));
	late = knock(port);
	CHECK(!answered(late, NO_ANSWER_MS));
	for (i = 0; i < waiting; i++)
		let_in(fd);
	CHECK(answered(late, LONG_MS));
	let_in(fd);
	EQ(wait_fd(fd, POLLIN, 0), 0);
}

TEST(listen_backlog_limit, "listen.backlog.limit")
{
	holds(1);
	holds(4);
}

TEST(listen_backlog_limit_many, "listen.backlog.limit")
{
	holds(31);
}

/* By listen() again. */
TEST(listen_backlog_limit_changed, "listen.backlog.limit", "listen.again")
{
	unsigned int port;
	int fd = listener(&port), late, i;

	OK(listen(fd, 2));
	for (i = 0; i < 3; i++)
		CHECK(answered(knock(port), LONG_MS));
	OK(listen(fd, 4));
	CHECK(answered(knock(port), LONG_MS));
	CHECK(answered(knock(port), LONG_MS));
	late = knock(port);
	CHECK(!answered(late, NO_ANSWER_MS));
	/* of those that wait none is lost */
	OK(listen(fd, 1));
	for (i = 0; i < 3; i++)
		let_in(fd);
	CHECK(!answered(late, LONG_MS / 4));
	let_in(fd);
	CHECK(answered(late, LONG_MS));
	let_in(fd);
	let_in(fd);
}

static void overflow(void *arg)
{
	unsigned int *port = arg;
	char line[256], host[ADDR_TEXT];

	OK(peer_ask(line, sizeof(line), "call %s %u 5 -- source 10 5",
		    addr_text(local_at(0), host), *port));
}

/*
 * What is beyond it waits, or is forgotten (with SYN cookies the peer may
 * believe in a connection that this side dropped), but it harms nobody.
 */
TEST(listen_backlog_overflows, "listen.backlog.overflow")
{
	unsigned int port;
	int fd = listener(&port);
	int accepted = 0;
	pid_t pid;

	OK(listen(fd, 1));
	pid = child(overflow, &port);
	nap_ms(SHORT_MS);
	while (wait_fd(fd, POLLIN, accepted < 2 ? LONG_MS : 500)) {
		int conn = OK(accept(fd, NULL, NULL));

		recv_pattern(conn, 5, 0, 10);
		expect_eof(conn);
		OK(close(conn));
		accepted++;
	}
	CHECK(accepted >= 2 && accepted <= 5);
	wait_for(pid);
	OK(listen(fd, 16));
	call(port, "echo");
	fd = accept_one(fd);
	OK(close(fd));
}

TEST(listen_close_refuses, "listen.close")
{
	unsigned int port;
	int fd = listener(&port);
	char line[256], host[ADDR_TEXT];

	call(port, "echo");
	OK(close(accept_one(fd)));
	OK(close(fd));
	OK(peer_ask(line, sizeof(line), "call %s %u 1 -- echo",
		    addr_text(local_at(0), host), port));
	EQ(sscanf(line, "called=0 failed=1 err=%d", &fd), 1);
	EQ(fd, ECONNREFUSED);
}

/* Children nobody accepted are reset. */
TEST(listen_close_queued, "listen.close.queued")
{
	char tag[PEER_TAG], tag2[PEER_TAG];
	unsigned int port;
	int fd = listener(&port);

	call(port, "echo tag=%s", peer_tag(tag));
	call(port, "source 1000 4 tag=%s", peer_tag(tag2));
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	OK(close(fd));
	EQ(stat_of(tag).err, ECONNRESET);
	EQ(stat_of(tag2).err, ECONNRESET);
}

TEST(listen_shutdown, "listen.shutdown")
{
	unsigned int port;
	int fd = listener(&port);
	union addr addr;

	/* a port that was asked for by number: only that is kept */
	OK(close(fd));
	fd = fresh();
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	addr_any(&addr, tested.v6, port);
	OK(bind(fd, &addr.sa, addr_len(&addr)));
	OK(listen(fd, 4));

	OK(shutdown(fd, SHUT_WR));
	call(port, "echo");
	OK(close(accept_one(fd)));
	OK(shutdown(fd, SHUT_RD));
	FAILS(accept(fd, NULL, NULL), EINVAL);
	EQ(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
	/* it can listen again */
	OK(listen(fd, 4));
	EQ(port_of(fd), port);
	call(port, "echo");
	OK(close(accept_one(fd)));
}

TEST(listen_is_no_connection, "listen.is-no-connection")
{
	unsigned int port;
	int fd = listener(&port);
	union addr addr;
	socklen_t len = sizeof(addr);
	char byte = 0;

	FAILS(connect(fd, &peer_at(1)->sa, addr_len(peer_at(1))), EISCONN);
	FAILS(recv(fd, &byte, 1, MSG_DONTWAIT), ENOTCONN);
	FAILS(recv(fd, &byte, 1, 0), ENOTCONN);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	FAILS(getpeername(fd, &addr.sa, &len), ENOTCONN);
	call(port, "echo");
	OK(close(accept_one(fd)));
}

TEST(listen_poll, "poll.listen")
{
	unsigned int port;
	int fd = listener(&port);
	short all = POLLIN | POLLOUT | POLLPRI | POLLRDNORM | POLLRDHUP;

	EQ(wait_fd(fd, all, 0), 0);
	call(port, "echo");
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	EQ(wait_fd(fd, all, LONG_MS), POLLIN | POLLRDNORM);
	OK(close(accept_one(fd)));
	EQ(wait_fd(fd, all, 0), 0);
}

/* An accepted socket has its listener's options. */
TEST(listen_inherited_options, "listen.inherit")
{
	struct linger linger = { 1, 7 }, got;
	socklen_t len = sizeof(got);
	unsigned int port;
	int fd = listener(&port);
	int conn;

	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, SOL_SOCKET, SO_RCVBUF, 40000);
	set_int(fd, SOL_SOCKET, SO_SNDBUF, 30000);
	set_int(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, 1);
	OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	set_timeout(fd, SO_RCVTIMEO, 5000);
	call(port, "echo");
	conn = accept_one(fd);
	EQ(get_int(conn, SOL_SOCKET, SO_KEEPALIVE), 1);
	EQ(get_int(conn, SOL_SOCKET, SO_RCVBUF), 80000);
	EQ(get_int(conn, SOL_SOCKET, SO_SNDBUF), 60000);
	EQ(get_int(conn, IPPROTO_TCP, 1), 1);
	OK(getsockopt(conn, SOL_SOCKET, SO_LINGER, &got, &len));
	EQ(got.l_onoff, 1);
	EQ(got.l_linger, 7);
	send_pattern(conn, 1, 0, 10);
	recv_pattern(conn, 1, 0, 10);
}

/* A connection has the options of the moment it was made, however late it is accepted. */
TEST(listen_inherited_then, "listen.inherit.then")
{
	struct linger linger = { 1, 7 }, got;
	socklen_t len = sizeof(got);
	unsigned int port;
	int fd = listener(&port);
	int conn;

	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 5);
	call(port, "echo");
	EQ(wait_fd(fd, POLLIN, LONG_MS), POLLIN);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 9);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 12345);
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	conn = accept_one(fd);
	EQ(get_int(conn, IPPROTO_TCP, TCP_KEEPCNT), 5);
	EQ(get_int(conn, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	EQ(get_int(conn, IPPROTO_TCP, TCP_NODELAY), 0);
	send_pattern(conn, 1, 0, 10);
	recv_pattern(conn, 1, 0, 10);

	if (family_sees_socket_options()) {
		call(port, "echo");
		EQ(wait_fd(fd, POLLIN, LONG_MS), POLLIN);
		set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 1000);
		set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
		set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1);
		OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger,
			      sizeof(linger)));
		conn = accept_one(fd);
		EQ(get_int(conn, IPPROTO_TCP, TCP_KEEPCNT), 9);
		EQ(get_int(conn, IPPROTO_TCP, TCP_NODELAY), 1);
		EQ(get_int(conn, SOL_SOCKET, SO_RCVLOWAT), 1);
		EQ(get_int(conn, SOL_SOCKET, SO_KEEPALIVE), 0);
		EQ(get_int(conn, SOL_SOCKET, SO_OOBINLINE), 0);
		OK(getsockopt(conn, SOL_SOCKET, SO_LINGER, &got, &len));
		EQ(got.l_onoff, 0);
	}
	call(port, "echo");
	conn = accept_one(fd);
	EQ(get_int(conn, IPPROTO_TCP, TCP_USER_TIMEOUT), 12345);
	if (family_sees_socket_options()) {
		EQ(get_int(conn, SOL_SOCKET, SO_RCVLOWAT), 1000);
		EQ(get_int(conn, SOL_SOCKET, SO_KEEPALIVE), 1);
	}
}
