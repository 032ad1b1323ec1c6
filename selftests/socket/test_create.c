// SPDX-License-Identifier: GPL-2.0
/*
 * socket() and socketpair(): what can be created, with which flags, and what
 * a new socket says about itself.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "differences.h"
#include "fixture.h"

TEST_FOR(create_stream, LOCAL, 0, "identity")
{
	int fd = fresh();
	struct stat st;

	EQ(get_int(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	EQ(get_int(fd, SOL_SOCKET, SO_DOMAIN), tested.v6 ? AF_INET6 : AF_INET);
	EQ(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	if (differs("so-protocol"))
		CHECK(get_int(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP);
	else
		EQ(get_int(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	OK(fstat(fd, &st));
	CHECK(S_ISSOCK(st.st_mode));
	OK(close(fd));
}

TEST_FOR(create_flags, LOCAL, 0, "socket.flags")
{
	int fd = OK(tested_socket(SOCK_NONBLOCK | SOCK_CLOEXEC));

	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	fd = OK(tested_socket(0));
	CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK(!(fcntl(fd, F_GETFD) & FD_CLOEXEC));
}

TEST_FOR(create_type, LOCAL, 0, "socket.type")
{
	int protocol = tested.memnet ? tested.v6 : 0;

	FAILS(tested_socket_raw(tested.v6, SOCK_RDM, protocol),
	      ESOCKTNOSUPPORT);
	FAILS(tested_socket_raw(tested.v6, SOCK_SEQPACKET, protocol),
	      ESOCKTNOSUPPORT);
	FAILS(tested_socket_raw(tested.v6, 77, protocol), EINVAL);
	FAILS(tested_socket_raw(tested.v6, SOCK_STREAM | 0x100000, protocol),
	      EINVAL);
	if (differs("datagram")) {
		FAILS(tested_socket_raw(tested.v6, SOCK_DGRAM, protocol),
		      ESOCKTNOSUPPORT);
		FAILS(tested_socket_raw(tested.v6, SOCK_RAW, protocol),
		      ESOCKTNOSUPPORT);
	} else {
		OK(tested_socket_raw(tested.v6, SOCK_DGRAM, 0));
	}
}

TEST_FOR(create_protocol, LOCAL, 0, "socket.protocol")
{
	FAILS(tested_socket_raw(tested.v6, SOCK_STREAM, 77), EPROTONOSUPPORT);
	if (differs("protocol-number"))
		FAILS(tested_socket_raw(tested.v6, SOCK_STREAM, 2),
		      EPROTONOSUPPORT);
}

TEST_FOR(create_pair, LOCAL, 0, "socketpair")
{
	int protocol = tested.memnet ? tested.v6 : 0;
	int family = tested.memnet ? tested.family :
		     tested.v6 ? AF_INET6 : AF_INET;
	int pair[2];

	FAILS(socketpair(family, SOCK_STREAM, protocol, pair), EOPNOTSUPP);
}

TEST_FOR(create_many, LOCAL, 0, "socket.stream")
{
	int fds[500];
	int i, round;

	for (round = 0; round < 4; round++) {
		for (i = 0; i < 500; i++)
			fds[i] = fresh();
		for (i = 0; i < 500; i++)
			OK(close(fds[i]));
	}
}

TEST_FOR(create_descriptor_limit, LOCAL, 0, "process.nofile")
{
	struct rlimit limit;
	int i;

	OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 16;
	OK(setrlimit(RLIMIT_NOFILE, &limit));
	for (i = 0; i < 16; i++)
		if (tested_socket(0) < 0)
			break;
	EQ(errno, EMFILE);
	CHECK(i < 16);
}

TEST(create_without_privilege, "process.unprivileged")
{
	int fd;

	become_nobody();
	fd = OK(peer_open("echo"));
	send_pattern(fd, 3, 0, 100);
	recv_pattern(fd, 3, 0, 100);
}
