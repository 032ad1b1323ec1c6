// SPDX-License-Identifier: GPL-2.0
/*
 * Loopback stays this machine's own, whatever the family: a socket under test
 * reaches a native listener here, and a native client reaches ours.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "differences.h"
#include "fixture.h"

static const union addr *loopback(unsigned int port)
{
	static union addr addr;

	CHECK(addr_parse(&addr, tested.v6 ? "::1" : "127.0.0.1", port));
	return &addr;
}

static const union addr *any_at(unsigned int port)
{
	static union addr addr;

	addr_any(&addr, tested.v6, port);
	return &addr;
}

static int native(void)
{
	return OK(socket(tested.v6 ? AF_INET6 : AF_INET,
			 SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int bind_to(int fd, const union addr *addr)
{
	return bind(fd, &addr->sa, addr_len(addr));
}

static int connect_to(int fd, const union addr *addr)
{
	return connect(fd, &addr->sa, addr_len(addr));
}

static void talk(int a, int b)
{
	send_pattern(a, 1, 0, 3000);
	recv_pattern(b, 1, 0, 3000);
	send_pattern(b, 2, 0, 3000);
	recv_pattern(a, 2, 0, 3000);
}

TEST_FOR(loopback_connect, LOOPBACK, 0, "loopback.connect")
{
	union addr addr;
	socklen_t len = sizeof(addr);
	int server = native(), fd = fresh(), conn;

	OK(bind_to(server, loopback(0)));
	OK(listen(server, 4));
	OK(connect_to(fd, loopback(port_of(server))));
	conn = accept_one(server);
	talk(fd, conn);
	OK(getpeername(fd, &addr.sa, &len));
	CHECK(addr_same_host(&addr, loopback(0)));
	EQ(addr_port(&addr), port_of(server));
	OK(shutdown(fd, SHUT_WR));
	expect_eof(conn);
	OK(close(conn));
	expect_eof(fd);
}

/* listen() called again is heard on loopback, too. */
TEST_FOR(loopback_backlog_raised, LOOPBACK, 0, "loopback.any")
{
	int server = fresh(), conn[20];
	unsigned int i;

	OK(bind_to(server, any_at(0)));
	OK(listen(server, 1));
	OK(listen(server, 64));
	for (i = 0; i < 20; i++) {
		conn[i] = native();
		OK(connect_to(conn[i], loopback(port_of(server))));
	}
	for (i = 0; i < 20; i++)
		OK(close(accept_one(server)));
}

/* A socket whose connect() to elsewhere failed is as good as new. */
TEST_FOR(loopback_after_a_refusal, LOOPBACK, 0, "loopback.after-refusal")
{
	int server = native(), fd = fresh(), hold;
	unsigned int port = closed_port(&hold);

	OK(bind_to(server, loopback(0)));
	OK(listen(server, 4));
	FAILS(connect_to(fd, peer_at(port)), ECONNREFUSED);
	OK(connect_to(fd, loopback(port_of(server))));
	talk(fd, accept_one(server));
}

/* A listener for both versions is one for both loopbacks, unless it is not to be. */
TEST_FOR(loopback_of_both_versions, ONLY_V6 | LOOPBACK, 0, "loopback.versions")
{
	int server = fresh(), only = fresh(), one = 1, fd;
	union addr v4;

	OK(bind_to(server, any_at(0)));
	OK(listen(server, 4));
	fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CHECK(addr_parse(&v4, "127.0.0.1", port_of(server)));
	OK(connect_to(fd, &v4));
	talk(fd, accept_one(server));
	fd = native();
	OK(connect_to(fd, loopback(port_of(server))));
	talk(fd, accept_one(server));

	OK(setsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)));
	OK(bind_to(only, any_at(0)));
	OK(listen(only, 4));
	fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CHECK(addr_parse(&v4, "127.0.0.1", port_of(only)));
	FAILS(connect_to(fd, &v4), ECONNREFUSED);
}

static volatile int ios;

static void on_io(int sig)
{
	(void)sig;
	ios++;
}

/* SIGIO, of a connection and of a listener. */
TEST_FOR(loopback_sigio, LOOPBACK, 0, "loopback.sigio")
{
	int server = fresh(), client = native(), fd;
	long until;

	signal(SIGIO, on_io);
	OK(bind_to(server, any_at(0)));
	OK(listen(server, 4));
	OK(fcntl(server, F_SETOWN, getpid()));
	OK(fcntl(server, F_SETFL, O_ASYNC));
	OK(connect_to(client, loopback(port_of(server))));
	for (until = now_ms() + LONG_MS; !ios && now_ms() < until;)
		nap_ms(5);
	CHECK(ios);
	fd = accept_one(server);
	OK(fcntl(server, F_SETFL, 0));
	OK(fcntl(fd, F_SETOWN, getpid()));
	OK(fcntl(fd, F_SETFL, O_ASYNC));
	ios = 0;
	EQ(send(client, "x", 1, 0), 1);
	for (until = now_ms() + LONG_MS; !ios && now_ms() < until;)
		nap_ms(5);
	CHECK(ios);
}

TEST_FOR(loopback_connect_refused, LOOPBACK, 0, "loopback.refused")
{
	int held = native(), fd = fresh();

	OK(bind_to(held, loopback(0)));
	FAILS(connect_to(fd, loopback(port_of(held))), ECONNREFUSED);
	if (differs("native-for-good"))
		return;
	OK(peer_open_on(fd, "echo"));
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

/* No event and no error that a call has answered already. */
static void no_error(int fd)
{
	EQ(wait_fd(fd, 0, 0) & POLLERR, 0);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
}

/* The error of a connect() is told once: by it ... */
TEST_FOR(loopback_refusal_by_connect, LOOPBACK, 0, "loopback.refused.once")
{
	int server = native(), fd = fresh();

	OK(bind_to(server, loopback(0)));
	FAILS(connect_to(fd, loopback(port_of(server))), ECONNREFUSED);
	no_error(fd);
	FAILS(connect_to(fd, loopback(port_of(server))), ECONNREFUSED);
	OK(listen(server, 4));
	OK(connect_to(fd, loopback(port_of(server))));
	no_error(fd);
	talk(fd, accept_one(server));
	no_error(fd);
}

/* ... or by SO_ERROR. */
TEST_FOR(loopback_refusal_by_option, LOOPBACK, 0, "loopback.refused.once")
{
	int server = native(), fd = fresh_nonblock();

	OK(bind_to(server, loopback(0)));
	FAILS(connect_to(fd, loopback(port_of(server))), EINPROGRESS);
	await_error(fd);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	no_error(fd);
	FAILS(connect_to(fd, loopback(port_of(server))), ECONNABORTED);
	no_error(fd);
	OK(listen(server, 4));
	if (connect_to(fd, loopback(port_of(server))))
		EQ(errno, EINPROGRESS);
	CHECK(wait_fd(fd, POLLOUT, LONG_MS));
	no_error(fd);
	set_nonblock(fd, false);
	talk(fd, accept_one(server));
}

static void connect_and_reset(int *fd)
{
	struct linger linger = { 1, 0 };
	int server = native(), conn;

	*fd = fresh();
	OK(bind_to(server, loopback(0)));
	OK(listen(server, 4));
	OK(connect_to(*fd, loopback(port_of(server))));
	conn = accept_one(server);
	OK(setsockopt(conn, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	OK(close(conn));
	OK(close(server));
	await_error(*fd);
}

TEST_FOR(loopback_reset_by_call, LOOPBACK, 0, "loopback.reset")
{
	char byte = 0;
	int fd;

	connect_and_reset(&fd);
	FAILS(recv(fd, &byte, 1, 0), ECONNRESET);
	no_error(fd);
	EQ(recv(fd, &byte, 1, 0), 0);
	connect_and_reset(&fd);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), ECONNRESET);
	no_error(fd);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
}

TEST_FOR(loopback_reset_by_option, LOOPBACK, 0, "loopback.reset")
{
	char byte = 0;
	int fd;

	connect_and_reset(&fd);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
	no_error(fd);
	EQ(recv(fd, &byte, 1, 0), 0);
	FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	no_error(fd);
}

/* Already in an event loop, with options set, when it turns out to be local */
TEST_FOR(loopback_connect_in_epoll, LOOPBACK, 0, "loopback.epoll")
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int server = native(), fd = fresh_nonblock(), conn;
	int ep = OK(epoll_create1(0));
	uint32_t got = 0;

	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	OK(epoll_wait(ep, &event, 1, 0));
	OK(bind_to(server, loopback(0)));
	OK(listen(server, 4));
	if (connect_to(fd, loopback(port_of(server))))
		EQ(errno, EINPROGRESS);
	conn = accept_one(server);
	while (!(got & EPOLLOUT)) {
		EQ(epoll_wait(ep, &event, 1, LONG_MS), 1);
		got = event.events;
	}
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	send_pattern(conn, 1, 0, 10);
	while (!(got & EPOLLIN)) {
		EQ(epoll_wait(ep, &event, 1, LONG_MS), 1);
		got = event.events;
	}
	recv_pattern(fd, 1, 0, 10);
}

TEST_FOR(loopback_listener, LOOPBACK, 0, "loopback.listen")
{
	int fd = fresh(), client = native(), conn;
	union addr addr;
	socklen_t len = sizeof(addr);

	OK(bind_to(fd, loopback(0)));
	OK(listen(fd, 4));
	OK(connect_to(client, loopback(port_of(fd))));
	conn = OK(accept(fd, &addr.sa, &len));
	CHECK(addr_same_host(&addr, loopback(0)));
	EQ(addr_port(&addr), port_of(client));
	talk(conn, client);
}

/* A listener on any address serves the world and this machine. */
TEST_FOR(loopback_any_listener, LOOPBACK, 0, "loopback.any")
{
	unsigned int port;
	int fd = listener(&port);
	int client = native(), conn;

	OK(connect_to(client, loopback(port)));
	conn = accept_one(fd);
	talk(conn, client);
	call(port, "echo");
	conn = accept_one(fd);
	send_pattern(conn, 1, 0, 10);
	recv_pattern(conn, 1, 0, 10);
}

/* One that is reset before it is accepted has an error, its listener has not. */
TEST_FOR(loopback_reset_before_accept, LOOPBACK, 0, "loopback.reset")
{
	struct linger linger = { 1, 0 };
	int client = native(), conn;
	unsigned int port;
	int fd = listener(&port);

	OK(connect_to(client, loopback(port)));
	OK(setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	OK(close(client));
	CHECK(wait_fd(fd, POLLIN, LONG_MS) & POLLIN);
	no_error(fd);
	conn = accept_one(fd);
	EQ(get_int(conn, SOL_SOCKET, SO_ERROR), ECONNRESET);
	no_error(conn);
	no_error(fd);
}

/* What listens no more is not reached from this machine either, and goes on elsewhere. */
TEST_FOR(loopback_any_listener_undone, LOOPBACK, 0, "loopback.undone")
{
	static const struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	unsigned int port, other;
	int fd = listener(&port);
	int client, i;

	for (i = 0; i < 2; i++) {
		client = native();
		OK(connect_to(client, loopback(port)));
		OK(close(accept_one(fd)));
		OK(close(client));
		if (i)
			OK(shutdown(fd, SHUT_RD));
		else
			OK(connect(fd, &unspec, sizeof(unspec)));
		client = native();
		FAILS(connect_to(client, loopback(port)), ECONNREFUSED);
		OK(bind(fd, &any_at(0)->sa, addr_len(any_at(0))));
		OK(listen(fd, 4));
		other = port_of(fd);
		OK(connect_to(client, loopback(other)));
		talk(accept_one(fd), client);
		if (other != port)
			FAILS(connect_to(native(), loopback(port)), ECONNREFUSED);
		OK(close(client));
		port = other;
	}
}

TEST_FOR(loopback_both_ends, LOOPBACK, 0, "loopback.both-ends")
{
	unsigned int port;
	int fd = listener(&port);
	int client = fresh();

	OK(connect_to(client, loopback(port)));
	talk(client, accept_one(fd));
}

/* Ours is not the peer's: nobody outside reaches what is bound here. */
TEST_FOR(loopback_is_private, LOOPBACK, 0, "loopback.private")
{
	char line[256], host[ADDR_TEXT];
	int fd = fresh();

	if (addr_same_host(local_at(0), loopback(0)))
		SKIP("the peer is on this machine");
	OK(bind_to(fd, loopback(0)));
	OK(listen(fd, 4));
	OK(peer_ask(line, sizeof(line), "call %s %u 1 -- echo",
		    addr_text(local_at(0), host), port_of(fd)));
	CHECK(strstr(line, "called=0"));
}
