// SPDX-License-Identifier: GPL-2.0
/*
 * Who a socket is: cookies, and what it says of the process at its other end, which is on another
 * machine.
 */
#include <stdint.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static uint64_t cookie(int fd, int name)
{
	socklen_t len = sizeof(uint64_t);
	uint64_t value = 0;

	OK(getsockopt(fd, SOL_SOCKET, name, &value, &len));
	EQ(len, sizeof(value));
	CHECK(value);
	return value;
}

static void expect_cookie(void *arg)
{
	uint64_t *want = arg;

	CHECK(cookie((int)want[1], SO_COOKIE) == want[0]);
}

/* One for each socket, for as long as it lives. */
TEST(identity_cookie, "identity.cookie")
{
	uint64_t of[4], args[2];
	unsigned int port, small = 0, i, j;
	int fd = fresh(), listening = listener(&port);
	socklen_t len = sizeof(small);
	int conn;

	of[0] = cookie(fd, SO_COOKIE);
	OK(connect(fd, &tested.peer[tested.v6].sa, addr_len(&tested.peer[tested.v6])));
	CHECK(cookie(fd, SO_COOKIE) == of[0]);
	CHECK(cookie(OK(dup(fd)), SO_COOKIE) == of[0]);
	args[0] = of[0];
	args[1] = (uint64_t)fd;
	wait_for(child(expect_cookie, args));
	call_many(port, 2, "echo");
	of[1] = cookie(listening, SO_COOKIE);
	conn = accept_one(listening);
	of[2] = cookie(conn, SO_COOKIE);
	of[3] = cookie(accept_one(listening), SO_COOKIE);
	for (i = 0; i < 4; i++)
		for (j = 0; j < i; j++)
			CHECK(of[i] != of[j]);
	OK(shutdown(conn, SHUT_RDWR));
	CHECK(cookie(conn, SO_COOKIE) == of[2]);
	FAILS(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &small, &len), EINVAL);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_COOKIE, of, 8), ENOPROTOOPT);
}

/* The same for every socket of the namespace, of whatever family. */
TEST(identity_namespace_cookie, "identity.cookie")
{
	int fd = fresh(), other = OK(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	unsigned int port, small = 0;
	socklen_t len = sizeof(small);
	int listening = listener(&port);
	uint64_t of;

	of = cookie(fd, SO_NETNS_COOKIE);
	CHECK(cookie(other, SO_NETNS_COOKIE) == of);
	CHECK(cookie(listening, SO_NETNS_COOKIE) == of);
	call(port, "echo");
	CHECK(cookie(accept_one(listening), SO_NETNS_COOKIE) == of);
	FAILS(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &small, &len), EINVAL);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &of, 8), ENOPROTOOPT);
}

/* Nothing is known of the peer's process. */
static void expect_no_process(int fd)
{
	struct ucred who = { 1, 2, 3 };
	socklen_t len = sizeof(who);
	char text[100];
	gid_t groups[10];

	OK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len));
	EQ(len, sizeof(who));
	EQ(who.pid, 0);
	EQ(who.uid, (uid_t)-1);
	EQ(who.gid, (gid_t)-1);
	len = sizeof(groups);
	FAILS(getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len), ENODATA);
	len = sizeof(text);
	FAILS(getsockopt(fd, SOL_SOCKET, SO_PEERSEC, text, &len), ENOPROTOOPT);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, sizeof(who)), ENOPROTOOPT);
}

TEST(identity_no_process, "identity.peer")
{
	unsigned int port;

	expect_no_process(fresh());
	expect_no_process(listener(&port));
	expect_no_process(dial("echo"));
	expect_no_process(receive("echo"));
}

/* SO_PEERNAME is getpeername() for who asks for no more than there is. */
TEST_BOTH(identity_peer_name, "identity.peer")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	socklen_t len, name_len = sizeof(union addr);
	union addr addr, name;

	OK(getpeername(fd, &name.sa, &name_len));
	len = name_len;
	memset(&addr, 0xee, sizeof(addr));
	OK(getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &addr, &len));
	EQ(len, name_len);
	CHECK(!memcmp(&addr, &name, len));
	len = sizeof(addr);
	FAILS(getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &addr, &len), EINVAL);
	len = 4;
	memset(&addr, 0xee, sizeof(addr));
	OK(getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &addr, &len));
	EQ(len, 4);
	CHECK(!memcmp(&addr, &name, 4));
	EQ(((unsigned char *)&addr)[4], 0xee);

	/* it remembers longer than getpeername() */
	go(tag, "");
	await_error(fd);
	FAILS(getpeername(fd, &addr.sa, &name_len), ENOTCONN);
	len = addr_len(&name);
	OK(getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &addr, &len));
	CHECK(!memcmp(&addr, &name, len));
}

TEST(identity_no_peer_name, "identity.peer")
{
	unsigned int port;
	union addr addr;
	socklen_t len = sizeof(struct sockaddr_in);

	FAILS(getsockopt(fresh(), SOL_SOCKET, SO_PEERNAME, &addr, &len), ENOTCONN);
	FAILS(getsockopt(listener(&port), SOL_SOCKET, SO_PEERNAME, &addr, &len), ENOTCONN);
}
