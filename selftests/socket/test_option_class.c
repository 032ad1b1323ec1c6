// SPDX-License-Identifier: GPL-2.0
/*
 * Options that a node's administrator allows by class, where none is allowed and, with --classes,
 * where all are; and options that choose ports and ways.
 */
#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "differences.h"
#include "fixture.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

/* Is what is of a class refused? */
static bool no_classes(void)
{
	return !tested.classes && differs("option-class");
}

/* An address that is no machine's. */
static union addr foreign(void)
{
	union addr addr;

	CHECK(addr_parse(&addr, tested.v6 ? "2001:db8::77" : "192.0.2.77", 0));
	return addr;
}

static union addr name_of(int fd)
{
	union addr addr = { 0 };
	socklen_t len = sizeof(addr);

	OK(getsockname(fd, &addr.sa, &len));
	return addr;
}

static int try_set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? errno : 0;
}

/* Binds to an address that is not there, by option @name of IP, or @name6 of IPv6. */
static void bind_elsewhere(int name, int name6)
{
	int level = tested.v6 ? IPPROTO_IPV6 : IPPROTO_IP, fd = fresh();
	union addr addr = foreign(), got;

	if (tested.v6)
		name = name6;
	FAILS(bind(fd, &addr.sa, addr_len(&addr)), EADDRNOTAVAIL);
	if (no_classes()) {
		EQ(try_set(fd, level, name, 1), ENOPROTOOPT);
		EQ(get_int(fd, level, name), 0);
		FAILS(bind(fd, &addr.sa, addr_len(&addr)), EADDRNOTAVAIL);
		return;
	}
	set_int(fd, level, name, 5);
	EQ(get_int(fd, level, name), 1);
	OK(bind(fd, &addr.sa, addr_len(&addr)));
	got = name_of(fd);
	CHECK(addr_same_host(&got, &addr));
	CHECK(port_of(fd));
	OK(listen(fd, 1));
	set_int(fd, level, name, 0);
	EQ(get_int(fd, level, name), 0);
}

TEST_FOR(option_freebind, 0, 0, "option.freebind")
{
	bind_elsewhere(IP_FREEBIND, 78 /* IPV6_FREEBIND */);
}

TEST_FOR(option_transparent, 0, 0, "option.transparent")
{
	if (geteuid())
		SKIP("needs root");
	bind_elsewhere(IP_TRANSPARENT, IPV6_TRANSPARENT);
}

/* One flag, by two names. */
TEST_FOR(option_freebind_names, ONLY_V6, 0, "option.freebind")
{
	int fd = fresh();

	OK(listen(fd, 1));
	if (no_classes()) {
		EQ(try_set(fd, IPPROTO_IP, IP_FREEBIND, 1), ENOPROTOOPT);
		EQ(get_int(fd, IPPROTO_IP, IP_FREEBIND), 0);
		return;
	}
	set_int(fd, IPPROTO_IP, IP_FREEBIND, 1);
	EQ(get_int(fd, IPPROTO_IPV6, 78 /* IPV6_FREEBIND */), 1);
	set_int(fd, IPPROTO_IPV6, 78, 0);
	EQ(get_int(fd, IPPROTO_IP, IP_FREEBIND), 0);
}

TEST_FOR(option_class_nobody, LOCAL, 0, "option.unprivileged")
{
	int fd = fresh();

	become_nobody();
	EQ(try_set(fd, IPPROTO_IP, IP_TRANSPARENT, 1), EPERM);
	EQ(try_set(fd, SOL_SOCKET, SO_MARK, 1), EPERM);
	EQ(try_set(fd, SOL_SOCKET, SO_PRIORITY, 7), EPERM);
	EQ(get_int(fd, IPPROTO_IP, IP_TRANSPARENT), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_MARK), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_PRIORITY), 0);
}

/* @kept by a listener's children? */
static void set_and_inherit(int name, int value, int error, bool kept)
{
	unsigned int port;
	int fd = listener(&port), conn;

	if (geteuid())
		SKIP("needs root");
	if (!family_sees_socket_options() && differs("sol-socket"))
		SKIP("this kernel answers itself");
	if (no_classes()) {
		EQ(try_set(fd, SOL_SOCKET, name, value), error);
		EQ(get_int(fd, SOL_SOCKET, name), 0);
		return;
	}
	set_int(fd, SOL_SOCKET, name, value);
	EQ(get_int(fd, SOL_SOCKET, name), value);
	call(port, "echo");
	conn = accept_one(fd);
	EQ(get_int(conn, SOL_SOCKET, name), kept ? value : 0);
	send_pattern(conn, 1, 0, 100);
	recv_pattern(conn, 1, 0, 100);
	set_int(conn, SOL_SOCKET, name, 0);
	EQ(get_int(conn, SOL_SOCKET, name), 0);
	EQ(get_int(fd, SOL_SOCKET, name), value);
}

TEST(option_mark, "option.mark")
{
	set_and_inherit(SO_MARK, 7, ENOPROTOOPT, true);
}

TEST(option_dont_route, "option.dontroute")
{
	set_and_inherit(SO_DONTROUTE, 1, ENOPROTOOPT, true);
}

TEST(option_priority, "option.priority")
{
	set_and_inherit(SO_PRIORITY, 19, EPERM, false);
}

/* ---- without a class ---- */

TEST(option_port_range, "option.port-range")
{
	int fd = fresh(), other = fresh();
	unsigned int port;
	union addr addr;

	EQ(try_set(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, 40007 << 16 | 40008), EINVAL);
	EQ(get_int(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE), 0);
	set_int(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, 40019 << 16 | 40000);
	EQ(get_int(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE), (int)(40019U << 16 | 40000));
	OK(peer_open_on(fd, "echo"));
	port = port_of(fd);
	CHECK(port >= 40000 && port <= 40019);
	set_int(other, IPPROTO_IP, IP_LOCAL_PORT_RANGE, 40039 << 16 | 40020);
	addr = *local_at(0);
	OK(bind(other, &addr.sa, addr_len(&addr)));
	port = port_of(other);
	CHECK(port >= 40020 && port <= 40039);
}

TEST(option_no_port, "option.no-port")
{
	union addr addr = *local_at(0), got;
	int fd = fresh();

	set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 5);
	EQ(get_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), 1);
	OK(bind(fd, &addr.sa, addr_len(&addr)));
	EQ(port_of(fd), 0);
	OK(peer_open_on(fd, "echo"));
	got = name_of(fd);
	CHECK(addr_same_host(&got, &addr));
	CHECK(port_of(fd));
	send_pattern(fd, 1, 0, 100);
	recv_pattern(fd, 1, 0, 100);
}

/* listen() chooses it, which is then that of every address. */
TEST_FOR(option_no_port_listen, LOOPBACK, 0, "option.no-port")
{
	int fd = fresh(), local, conn;
	union addr addr;

	set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	addr_any(&addr, tested.v6, 0);
	OK(bind(fd, &addr.sa, addr_len(&addr)));
	EQ(port_of(fd), 0);
	OK(listen(fd, 5));
	CHECK(port_of(fd));
	call(port_of(fd), "echo");
	conn = accept_one(fd);
	send_pattern(conn, 1, 0, 100);
	recv_pattern(conn, 1, 0, 100);
	local = OK(socket(tested.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CHECK(addr_parse(&addr, tested.v6 ? "::1" : "127.0.0.1", port_of(fd)));
	OK(connect(local, &addr.sa, addr_len(&addr)));
	conn = accept_one(fd);
	EQ(send(local, "x", 1, 0), 1);
	await_bytes(conn, 1);
}

TEST_BOTH(option_cnx_advice, "option.cnx-advice")
{
	int fd = meet("echo"), value;
	socklen_t len = sizeof(value);

	EQ(try_set(fd, SOL_SOCKET, SO_CNX_ADVICE, 0), 0);
	EQ(try_set(fd, SOL_SOCKET, SO_CNX_ADVICE, 1), 0);
	FAILS(getsockopt(fd, SOL_SOCKET, SO_CNX_ADVICE, &value, &len), ENOPROTOOPT);
	send_pattern(fd, 1, 0, 100);
	recv_pattern(fd, 1, 0, 100);
}

/* TCP's clock of milliseconds, of the machine and of the connection. */
TEST_BOTH(option_timestamp, "option.timestamp")
{
	long from, passed;
	int fd = meet("echo");
	unsigned int first, last;

	EQ(try_set(fd, IPPROTO_TCP, TCP_TIMESTAMP, 1), EPERM);
	from = now_ms();
	first = get_int(fd, IPPROTO_TCP, TCP_TIMESTAMP);
	nap_ms(300);
	last = get_int(fd, IPPROTO_TCP, TCP_TIMESTAMP);
	passed = now_ms() - from;
	/* the other machine's clock may be a little slower */
	CHECK(last - first >= 250 && (long)(last - first) <= passed + passed / 4 + 4);
}
