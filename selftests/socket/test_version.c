// SPDX-License-Identifier: GPL-2.0
/*
 * IPv6 sockets and IPv4: mapped addresses, IPV6_V6ONLY, and ports that the
 * two versions share. Needs the peer's IPv4 address beside its IPv6 one.
 */
#include <stdio.h>
#include <unistd.h>

#include "fixture.h"

#define TEST_V6(name, ...) TEST_FOR(name, ONLY_V6, 0, ##__VA_ARGS__)

static const union addr *mapped_peer(void)
{
	static union addr addr;

	if (!tested.have[0])
		SKIP("no IPv4 peer was given");
	addr_map(&addr, &tested.peer[0]);
	return &addr;
}

/* Has the peer connect to our IPv4 address. */
static int call_v4(unsigned int port)
{
	char line[256], host[ADDR_TEXT];
	int failed = 0, err = -1;

	OK(peer_ask(line, sizeof(line), "call %s %u 1 -- echo",
		    addr_text(&tested.local[0], host), port));
	EQ(sscanf(line, "called=%*d failed=%d err=%d", &failed, &err), 2);
	return failed ? err : 0;
}

TEST_V6(version_mapped_connect, "ipv6.mapped.connect")
{
	const union addr *to = mapped_peer();
	union addr addr, want;
	socklen_t len = sizeof(addr);
	int fd = fresh();

	OK(connect(fd, &to->sa, addr_len(to)));
	OK(write_all(fd, "echo\n", 5));
	send_pattern(fd, 1, 0, 100);
	recv_pattern(fd, 1, 0, 100);
	EQ(get_int(fd, SOL_SOCKET, SO_DOMAIN), AF_INET6);
	OK(getpeername(fd, &addr.sa, &len));
	EQ(len, sizeof(addr.in6));
	CHECK(addr_same_host(&addr, to));
	OK(getsockname(fd, &addr.sa, &len));
	addr_map(&want, &tested.local[0]);
	CHECK(addr_same_host(&addr, &want));
}

TEST_V6(version_mapped_bind, "ipv6.mapped.bind")
{
	union addr addr;
	socklen_t len = sizeof(addr);
	unsigned int port;
	int fd = fresh();

	mapped_peer();
	addr_map(&addr, &tested.local[0]);
	OK(bind(fd, &addr.sa, sizeof(addr.in6)));
	OK(listen(fd, 4));
	port = port_of(fd);
	EQ(call_v4(port), 0);
	fd = OK(accept(fd, &addr.sa, &len));
	EQ(addr.sa.sa_family, AF_INET6);
	CHECK(IN6_IS_ADDR_V4MAPPED(&addr.in6.sin6_addr));
}

TEST_V6(version_any_accepts_both, "ipv6.both")
{
	union addr addr, want;
	socklen_t len = sizeof(addr);
	unsigned int port;
	int fd, conn;

	mapped_peer();
	fd = listener(&port);
	EQ(call_v4(port), 0);
	conn = OK(accept(fd, &addr.sa, &len));
	EQ(len, sizeof(addr.in6));
	CHECK(IN6_IS_ADDR_V4MAPPED(&addr.in6.sin6_addr));
	len = sizeof(addr);
	OK(getsockname(conn, &addr.sa, &len));
	addr_map(&want, &tested.local[0]);
	CHECK(addr_same_host(&addr, &want));
	send_pattern(conn, 1, 0, 100);
	recv_pattern(conn, 1, 0, 100);
	len = sizeof(addr);
	call(port, "echo");
	OK(accept(fd, &addr.sa, &len));
	CHECK(!IN6_IS_ADDR_V4MAPPED(&addr.in6.sin6_addr));
}

TEST_V6(version_any_takes_both_ports, "ipv6.both")
{
	unsigned int port;
	int fd, four;
	union addr addr;

	mapped_peer();
	fd = listener(&port);
	four = OK(tested_socket_version(false, 0));
	addr_any(&addr, false, port);
	FAILS(bind(four, &addr.sa, sizeof(addr.in)), EADDRINUSE);
	OK(close(fd));
	OK(bind(four, &addr.sa, sizeof(addr.in)));
}

TEST_V6(version_only, "ipv6.v6only")
{
	/* not one that the system gives to others, such as the run for IPv4 beside */
	const unsigned int port = 30436;
	int fd = fresh(), four;
	union addr addr;

	mapped_peer();
	set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	addr_any(&addr, true, port);
	OK(bind(fd, &addr.sa, addr_len(&addr)));
	OK(listen(fd, 4));
	EQ(call_v4(port), ECONNREFUSED);
	call(port, "echo");
	OK(close(accept_one(fd)));
	/* the port of the other version is free */
	four = OK(tested_socket_version(false, 0));
	set_int(four, SOL_SOCKET, SO_REUSEADDR, 1);
	addr_any(&addr, false, port);
	OK(bind(four, &addr.sa, sizeof(addr.in)));
	OK(listen(four, 4));
	EQ(call_v4(port), 0);
	OK(close(accept_one(four)));
}

TEST_V6(version_only_mapped, "ipv6.v6only")
{
	const union addr *to = mapped_peer();
	union addr addr;
	int fd = fresh();

	set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	FAILS(connect(fd, &to->sa, addr_len(to)), ENETUNREACH);
	addr_map(&addr, &tested.local[0]);
	addr_set_port(&addr, 0);
	FAILS(bind(fd, &addr.sa, sizeof(addr.in6)), EINVAL);
	OK(peer_open_on(fd, "echo"));
}

TEST_V6(version_link_local_needs_scope, "ipv6.link-local")
{
	int fd = fresh();
	union addr addr;

	CHECK(addr_parse(&addr, "fe80::77", 80));
	FAILS(connect(fd, &addr.sa, addr_len(&addr)), EINVAL);
	addr_set_port(&addr, 0);
	FAILS(bind(fd, &addr.sa, addr_len(&addr)), EINVAL);
}

TEST_V6(version_inherited_only, "ipv6.v6only")
{
	int fd = fresh();
	union addr addr;

	set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	addr_any(&addr, true, 0);
	OK(bind(fd, &addr.sa, addr_len(&addr)));
	OK(listen(fd, 4));
	call(port_of(fd), "echo");
	EQ(get_int(accept_one(fd), IPPROTO_IPV6, IPV6_V6ONLY), 1);
}

/* The length is looked at first. */
TEST_FOR(version_short_address, ONLY_V6 | LOCAL, 0, "connect.address")
{
	union addr addr;
	int fd = fresh();

	addr_any(&addr, false, 80);
	FAILS(bind(fd, &addr.sa, sizeof(addr.in)), EINVAL);
	FAILS(connect(fd, &addr.sa, sizeof(addr.in)), EINVAL);
	FAILS(bind(fd, &addr.sa, sizeof(addr.in6)), EAFNOSUPPORT);
	FAILS(connect(fd, &addr.sa, sizeof(addr.in6)), EAFNOSUPPORT);
}
