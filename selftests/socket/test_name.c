// SPDX-License-Identifier: GPL-2.0
/*
 * getsockname() and getpeername() in every state, and their bad arguments.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

TEST(name_fresh, "name.new")
{
	int fd = fresh();
	union addr addr;
	socklen_t len = sizeof(addr);

	memset(&addr, 0xff, sizeof(addr));
	OK(getsockname(fd, &addr.sa, &len));
	EQ(len, addr_len(local_at(0)));
	EQ(addr.sa.sa_family, local_at(0)->sa.sa_family);
	EQ(addr_port(&addr), 0);
	CHECK(addr_is_any(&addr));
	FAILS(getpeername(fd, &addr.sa, &len), ENOTCONN);
	OK(bind(fd, &local_at(0)->sa, addr_len(local_at(0))));
	FAILS(getpeername(fd, &addr.sa, &len), ENOTCONN);
}

/* We and the peer agree on who we are. */
TEST(name_connected, "name.connected")
{
	char line[128], host[ADDR_TEXT];
	union addr addr, seen;
	socklen_t len = sizeof(addr);
	unsigned int port;
	int fd = dial("info");

	OK(read_line(fd, line, sizeof(line), PEER_MS));
	EQ(sscanf(line, "from=%63s port=%u", host, &port), 2);
	CHECK(addr_parse(&seen, host, port));
	OK(getsockname(fd, &addr.sa, &len));
	EQ(len, addr_len(&seen));
	CHECK(addr_same_host(&addr, &seen));
	EQ(addr_port(&addr), port);
	if (tested.v6) {
		EQ(addr.in6.sin6_flowinfo, 0);
		EQ(addr.in6.sin6_scope_id, 0);
	}
	len = sizeof(addr);
	OK(getpeername(fd, &addr.sa, &len));
	EQ(len, addr_len(&seen));
	CHECK(addr_same_host(&addr, &tested.peer[tested.v6]));
	EQ(addr_port(&addr), addr_port(&tested.peer[tested.v6]));
}

TEST_BOTH(name_length, "name.length")
{
	unsigned char bytes[64];
	socklen_t len = 3;
	int fd = meet("echo");

	memset(bytes, 0xee, sizeof(bytes));
	OK(getsockname(fd, (struct sockaddr *)bytes, &len));
	EQ(len, addr_len(local_at(0)));
	EQ(bytes[3], 0xee);
	len = 0;
	OK(getpeername(fd, (struct sockaddr *)bytes, &len));
	EQ(len, addr_len(local_at(0)));
	EQ(bytes[3], 0xee);
	len = -1;
	FAILS(getsockname(fd, (struct sockaddr *)bytes, &len), EINVAL);
	len = -1;
	FAILS(getpeername(fd, (struct sockaddr *)bytes, &len), EINVAL);
}

TEST_BOTH(name_bad_pointer, "name.fault")
{
	socklen_t len = sizeof(union addr);
	union addr addr;
	int fd = meet("echo");

	FAILS(getsockname(fd, bad_memory(), &len), EFAULT);
	FAILS(getsockname(fd, &addr.sa, bad_memory()), EFAULT);
	FAILS(getpeername(fd, bad_memory(), &len), EFAULT);
	FAILS(getpeername(fd, &addr.sa, bad_memory()), EFAULT);
}

TEST_BOTH(name_after_ends, "name.ends")
{
	union addr addr;
	socklen_t len = sizeof(addr);
	char tag[PEER_TAG];
	int fd = meet("fin-first tag=%s", peer_tag(tag));

	expect_eof(fd);
	OK(getpeername(fd, &addr.sa, &len));
	CHECK(addr_same_host(&addr, peer_at(0)));
	OK(shutdown(fd, SHUT_WR));
	stat_of(tag);
	OK(getsockname(fd, &addr.sa, &len));
	CHECK(addr_same_host(&addr, local_at(0)));
}

TEST(name_after_refusal, "name.ends")
{
	union addr addr;
	socklen_t len = sizeof(addr);
	int hold, fd = fresh();
	unsigned int port = closed_port(&hold);

	FAILS(connect(fd, &peer_at(port)->sa, addr_len(peer_at(port))),
	      ECONNREFUSED);
	FAILS(getpeername(fd, &addr.sa, &len), ENOTCONN);
	OK(getsockname(fd, &addr.sa, &len));
}
