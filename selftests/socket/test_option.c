// SPDX-License-Identifier: GPL-2.0
/*
 * Socket options: set, read back, refused, and wrong in every way; and that
 * TCP_CORK and MSG_MORE do what they are for.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "differences.h"
#include "fixture.h"

static void flag_option(int fd, int level, int name)
{
	EQ(get_int(fd, level, name), 0);
	set_int(fd, level, name, 1);
	EQ(get_int(fd, level, name), 1);
	set_int(fd, level, name, 0);
	EQ(get_int(fd, level, name), 0);
}

TEST_FOR(option_flags_fresh, LOCAL, 0, "option.keepalive", "option.nodelay",
	 "option.cork")
{
	int fd = fresh();

	flag_option(fd, SOL_SOCKET, SO_KEEPALIVE);
	flag_option(fd, IPPROTO_TCP, TCP_NODELAY);
	flag_option(fd, IPPROTO_TCP, TCP_CORK);
}

TEST_BOTH(option_flags_connected, "option.keepalive", "option.nodelay",
	  "option.cork")
{
	int fd = meet("echo");

	flag_option(fd, SOL_SOCKET, SO_KEEPALIVE);
	flag_option(fd, IPPROTO_TCP, TCP_NODELAY);
	flag_option(fd, IPPROTO_TCP, TCP_CORK);
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

TEST(option_survives_connect, "option.connect")
{
	int fd = fresh();

	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, SOL_SOCKET, SO_SNDBUF, 50000);
	OK(peer_open_on(fd, "echo"));
	EQ(get_int(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	EQ(get_int(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	EQ(get_int(fd, SOL_SOCKET, SO_SNDBUF), 100000);
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

TEST_BOTH(option_buffers, "option.buffers")
{
	int fd = meet("echo");

	set_int(fd, SOL_SOCKET, SO_SNDBUF, 40000);
	EQ(get_int(fd, SOL_SOCKET, SO_SNDBUF), 80000);
	set_int(fd, SOL_SOCKET, SO_RCVBUF, 40000);
	EQ(get_int(fd, SOL_SOCKET, SO_RCVBUF), 80000);
	/* floors, not errors */
	set_int(fd, SOL_SOCKET, SO_SNDBUF, 1);
	CHECK(get_int(fd, SOL_SOCKET, SO_SNDBUF) >= 2048);
	set_int(fd, SOL_SOCKET, SO_RCVBUF, 1);
	CHECK(get_int(fd, SOL_SOCKET, SO_RCVBUF) >= 1024);
	send_pattern(fd, 1, 0, 1000);
	recv_pattern(fd, 1, 0, 1000);
}

/* The smallest buffers are slow but lose nothing. */
TEST_BOTH(option_buffers_tiny, "option.buffers")
{
	int fd = meet("sink check=1");

	set_int(fd, SOL_SOCKET, SO_SNDBUF, 1);
	set_int(fd, SOL_SOCKET, SO_RCVBUF, 1);
	send_pattern(fd, 1, 0, 100000);
	OK(shutdown(fd, SHUT_WR));
	EQ(answer_of(fd).bad, -1);
	fd = fresh();
	set_int(fd, SOL_SOCKET, SO_RCVBUF, 1);
	OK(peer_open_on(fd, "source 15000 3"));
	recv_pattern(fd, 3, 0, 15000);
	expect_eof(fd);
}

/* A small SO_SNDBUF is what a peer that does not read costs us. */
TEST(option_send_buffer_limits, "option.buffers.limit")
{
	int small = fresh(), large = fresh();
	size_t few, many;

	set_int(small, SOL_SOCKET, SO_SNDBUF, 8192);
	set_int(large, SOL_SOCKET, SO_SNDBUF, 200000);
	OK(peer_open_on(small, "never-read"));
	OK(peer_open_on(large, "never-read"));
	few = fill(small);
	many = fill(large);
	if (few >= many)
		FAIL("took %zu bytes with 8 KiB, %zu with 200 kB", few, many);
}

TEST_BOTH(option_linger, "option.linger")
{
	struct linger linger = { 1, 5 };
	socklen_t len = sizeof(linger);
	int fd = meet("echo");

	OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, len));
	memset(&linger, 0xff, sizeof(linger));
	OK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len));
	EQ(len, sizeof(linger));
	EQ(linger.l_onoff, 1);
	EQ(linger.l_linger, 5);
	linger.l_onoff = 0;
	OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, len));
	OK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len));
	EQ(linger.l_onoff, 0);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, 4), EINVAL);
}

TEST_BOTH(option_timeouts, "option.timeouts")
{
	struct timeval tv = { 3, 250000 }, got;
	socklen_t len = sizeof(got);
	int fd = meet("echo");

	OK(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &got, &len));
	EQ(got.tv_sec, 0);
	EQ(got.tv_usec, 0);
	OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	OK(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &got, &len));
	EQ(got.tv_sec, 3);
	CHECK(got.tv_usec >= 240000 && got.tv_usec <= 260000);
	OK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	OK(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &got, &len));
	EQ(got.tv_sec, 3);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, 4), EINVAL);
	tv.tv_usec = 1000000;
	FAILS(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), EDOM);
}

TEST_BOTH(option_error_clears, "option.error")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));

	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	go(tag, "");
	await_error(fd);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
}

TEST_BOTH(option_identity, "identity")
{
	int fd = meet("echo");

	EQ(get_int(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	EQ(get_int(fd, SOL_SOCKET, SO_DOMAIN), tested.v6 ? AF_INET6 : AF_INET);
	EQ(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
	if (differs("so-protocol"))
		CHECK(get_int(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP);
	else
		EQ(get_int(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
}

TEST_BOTH(option_read_only, "option.read-only")
{
	static const int names[] = { SO_TYPE, SO_DOMAIN, SO_PROTOCOL,
				     SO_ACCEPTCONN, SO_ERROR };
	int fd = meet("echo");
	int value = 1;
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		FAILS(setsockopt(fd, SOL_SOCKET, names[i], &value,
				 sizeof(value)), ENOPROTOOPT);
}

TEST_BOTH(option_unknown, "option.unknown")
{
	static const int levels[] = { SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP,
				      12345 };
	int value = 1;
	socklen_t len = sizeof(value);
	int fd = meet("echo");
	unsigned int i;

	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		FAILS(setsockopt(fd, levels[i], 9999, &value, sizeof(value)),
		      ENOPROTOOPT);
		if (levels[i] != 12345)
			FAILS(getsockopt(fd, levels[i], 9999, &value, &len),
			      ENOPROTOOPT);
	}
}

TEST_BOTH(option_size, "option.size")
{
	int fd = meet("echo");
	int value = 1;
	socklen_t len;

	FAILS(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, 3), EINVAL);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, 0), EINVAL);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, -1), EINVAL);
	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, 3), EINVAL);
	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, 0), EINVAL);
	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, -1), EINVAL);
	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, 1), EINVAL);
	len = -1;
	FAILS(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len), EINVAL);
	len = -1;
	FAILS(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), EINVAL);
	/* too much room is told, too little cut */
	len = 2;
	OK(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len));
	EQ(len, 2);
	len = 2;
	OK(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len));
	EQ(len, 2);
}

TEST_BOTH(option_bad_pointer, "option.fault")
{
	int fd = meet("echo");
	socklen_t len = 4;

	FAILS(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, bad_memory(), 4),
	      EFAULT);
	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, bad_memory(), 4),
	      EFAULT);
	FAILS(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, bad_memory(), &len),
	      EFAULT);
	FAILS(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, bad_memory(), &len),
	      EFAULT);
	FAILS(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &len, bad_memory()),
	      EFAULT);
}

/*
 * Options of the second rank: either they work, which is what they are read
 * back as, or they say that they do not exist.
 */
TEST_FOR(option_honest, LOCAL, 0, "option.tcp", "option.socket.others")
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_MAXSEG, 1000 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 33 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 34 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 5 },
		{ IPPROTO_TCP, TCP_SYNCNT, 4 },
		{ IPPROTO_TCP, TCP_LINGER2, 7 },
		{ IPPROTO_TCP, TCP_DEFER_ACCEPT, 3 },
		{ IPPROTO_TCP, TCP_WINDOW_CLAMP, 70000 },
		{ IPPROTO_TCP, TCP_QUICKACK, 1 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, 9000 },
		{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1 },
		{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, 20000 },
		{ IPPROTO_IP, IP_TOS, 0x10 },
		{ IPPROTO_IP, IP_TTL, 33 },
		{ IPPROTO_IP, IP_FREEBIND, 1 },
		{ IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT },
		{ SOL_SOCKET, SO_PRIORITY, 3 },
		{ SOL_SOCKET, SO_OOBINLINE, 1 },
		{ SOL_SOCKET, SO_RCVLOWAT, 5 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int fd = fresh();
		int got, value = options[i].value;

		if (setsockopt(fd, options[i].level, options[i].name, &value,
			       sizeof(value))) {
			if (!differs("options") || (errno != ENOPROTOOPT &&
						    errno != EOPNOTSUPP))
				FAIL("option %d/%d: %s", options[i].level,
				     options[i].name, errno_name(errno));
			continue;
		}
		got = get_int(fd, options[i].level, options[i].name);
		if (got != value && !(options[i].name == TCP_DEFER_ACCEPT &&
				      got >= value))
			FAIL("option %d/%d: set %d, got %d", options[i].level,
			     options[i].name, value, got);
		OK(close(fd));
	}
}

/* Options of SOL_SOCKET that are TCP's; SO_LINGER and time-outs are no ints, with own tests. */
static const struct {
	int name, value;
	int read, got;	/* the option that tells of it, 0: none */
	bool privileged;
} socket_options[] = {
	{ SO_REUSEADDR, 1, SO_REUSEADDR, 1 },
	{ SO_REUSEPORT, 1, SO_REUSEPORT, 1 },
	{ SO_KEEPALIVE, 1, SO_KEEPALIVE, 1 },
	{ SO_SNDBUF, 20000, SO_SNDBUF, 40000 },
	{ SO_RCVBUF, 20000, SO_RCVBUF, 40000 },
	{ SO_SNDBUFFORCE, 20000, SO_SNDBUF, 40000, true },
	{ SO_RCVBUFFORCE, 20000, SO_RCVBUF, 40000, true },
	{ SO_RCVLOWAT, 7, SO_RCVLOWAT, 7 },
	{ SO_PEEK_OFF, 7, SO_PEEK_OFF, 7 },
	{ SO_OOBINLINE, 1, SO_OOBINLINE, 1 },
	{ SO_PRIORITY, 3, SO_PRIORITY, 3 },
	{ SO_BUF_LOCK, 2, SO_BUF_LOCK, 2 },
	{ SO_TXREHASH, 0, SO_TXREHASH, 0 },
	{ SO_MAX_PACING_RATE, 100000, SO_MAX_PACING_RATE, 100000 },
	{ SO_CNX_ADVICE, 1, 0, 0 },
	/* nothing, for TCP as well */
	{ SO_DEBUG, 1, SO_DEBUG, 1, true },
	{ SO_BROADCAST, 1, SO_BROADCAST, 1 },
	{ SO_NO_CHECK, 1, SO_NO_CHECK, 1 },
	{ SO_BSDCOMPAT, 1, 0, 0 },
	{ SO_PASSCRED, 1, SO_PASSCRED, 1 },
	{ SO_PASSSEC, 1, SO_PASSSEC, 1 },
	{ SO_RXQ_OVFL, 1, SO_RXQ_OVFL, 1 },
	{ SO_NOFCS, 1, SO_NOFCS, 1 },
	{ SO_LOCK_FILTER, 1, SO_LOCK_FILTER, 1 },
	{ SO_SELECT_ERR_QUEUE, 1, SO_SELECT_ERR_QUEUE, 1 },
	{ SO_RCVMARK, 1, SO_RCVMARK, 1 },
};

static bool is_carried(int name)
{
	static const int others[] = { SO_LINGER, SO_RCVTIMEO_OLD, SO_RCVTIMEO_NEW, SO_SNDTIMEO_OLD,
				      SO_SNDTIMEO_NEW, SO_ZEROCOPY,
				      76 /* SO_PASSPIDFD */ };
	unsigned int i;

	for (i = 0; i < sizeof(socket_options) / sizeof(socket_options[0]); i++)
		if (socket_options[i].name == name)
			return true;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (others[i] == name)
			return true;
	return false;
}

TEST_FOR(option_socket_carried, LOCAL, 0, "option.socket")
{
	unsigned int i;

	for (i = 0; i < sizeof(socket_options) / sizeof(socket_options[0]); i++) {
		int fd = fresh(), name = socket_options[i].name;

		if (socket_options[i].privileged && geteuid())
			continue;
		if (name == SO_PEEK_OFF && setsockopt(fd, SOL_SOCKET, name, &name, sizeof(name))) {
			EQ(errno, EOPNOTSUPP);	/* TCP's before 6.10 */
			continue;
		}
		set_int(fd, SOL_SOCKET, name, socket_options[i].value);
		if (socket_options[i].read)
			EQ(get_int(fd, SOL_SOCKET, socket_options[i].read), socket_options[i].got);
		OK(close(fd));
	}
}

/* Every other one would do nothing, and says so; also those that are yet to be invented. */
TEST_FOR(option_socket_refused, ONLY_MEMNET, 0, "option.socket.others")
{
	char value[64] = { 1 };
	int fd = fresh(), name;

	if (!family_sees_socket_options() && differs("sol-socket"))
		SKIP("this kernel answers itself");
	CHECK(differs("options"));
	if (tested.classes)
		SKIP("some are allowed");
	for (name = 1; name < 200; name++)
		if (!is_carried(name) &&
		    (!setsockopt(fd, SOL_SOCKET, name, value, 4) || errno != ENOPROTOOPT))
			FAIL("option %d is not refused", name);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 1), ENOPROTOOPT);
	/* so that reading tells the truth */
	EQ(get_int(fd, SOL_SOCKET, SO_PRIORITY), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_MARK), 0);
	OK(peer_open_on(fd, "echo"));
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

/* On loopback it is this machine's TCP that has them, and it has all. */
TEST_FOR(option_socket_loopback, LOOPBACK, 0, "option.socket.loopback")
{
	int server = OK(socket(tested.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	int fd = fresh(), conn;
	union addr addr;
	char byte;

	if (!family_sees_socket_options() && differs("sol-socket"))
		SKIP("this kernel answers itself");
	CHECK(addr_parse(&addr, tested.v6 ? "::1" : "127.0.0.1", 0));
	OK(bind(server, &addr.sa, addr_len(&addr)));
	OK(listen(server, 1));
	addr_set_port(&addr, port_of(server));
	OK(connect(fd, &addr.sa, addr_len(&addr)));
	conn = accept_one(server);
	set_int(fd, SOL_SOCKET, SO_PRIORITY, 3);
	EQ(get_int(fd, SOL_SOCKET, SO_PRIORITY), 3);
	set_int(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
	set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1);
	EQ(get_int(fd, SOL_SOCKET, SO_OOBINLINE), 1);
	EQ(send(conn, "u", 1, MSG_OOB), 1);
	EQ(recv(fd, &byte, 1, 0), 1);
	EQ(byte, 'u');
}

TEST_FOR(option_zerocopy, LOCAL, 0, "option.zerocopy")
{
	int fd = fresh();
	int on = 1, two = 2, minus = -1;

	EQ(get_int(fd, SOL_SOCKET, SO_ZEROCOPY), 0);
	if (!family_sees_socket_options() && differs("zerocopy")) {
		FAILS(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)), EOPNOTSUPP);
		return;
	}
	set_int(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
	EQ(get_int(fd, SOL_SOCKET, SO_ZEROCOPY), 1);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &two, sizeof(two)), EINVAL);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &minus, sizeof(minus)), EINVAL);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, 3), EINVAL);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, NULL, sizeof(on)), EFAULT);
	EQ(get_int(fd, SOL_SOCKET, SO_ZEROCOPY), 1);
	set_int(fd, SOL_SOCKET, SO_ZEROCOPY, 0);
	EQ(get_int(fd, SOL_SOCKET, SO_ZEROCOPY), 0);
}

/* And what is read is nothing. */
static void bind_to_nodes_device(int fd)
{
	char name[16];
	socklen_t len = sizeof(name);

	FAILS(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "mn-none", 8), ENODEV);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, bad_memory(), 3), EFAULT);
	OK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	OK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	EQ(len, 0);
}

TEST_FOR(option_bind_to_device, LOCAL, 0, "option.bindtodevice")
{
	int fd = fresh();

	if (geteuid())
		SKIP("needs root");
	if (differs("bindtodevice")) {
		if (tested.classes && family_sees_socket_options())
			bind_to_nodes_device(fd);
		else if (family_sees_socket_options())
			FAILS(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), ENOPROTOOPT);
		else if (!setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3))
			FAILS(connect(fd, &peer_at(1)->sa, addr_len(peer_at(1))),
			      EOPNOTSUPP);
	} else {
		OK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	}
}

/*
 * Small writes held back arrive as one segment. The kernel lets go after
 * 200 ms, and this machine may be slow: one good try of ten is enough, while
 * without holding back no try in a row of ten is good.
 */
static bool one_segment(bool cork, bool more)
{
	int try;

	for (try = 0; try < 10; try++) {
		int fd = meet("segs check=1");
		struct result result;
		char line[16], byte;
		int i;

		OK(read_line(fd, line, sizeof(line), PEER_MS));
		CHECK(!strcmp(line, "ready"));
		set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		if (cork)
			set_int(fd, IPPROTO_TCP, TCP_CORK, 1);
		for (i = 0; i < 20; i++) {
			pattern_fill(1, i, &byte, 1);
			EQ(send(fd, &byte, 1, more && i < 19 ? MSG_MORE : 0),
			   1);
			if (!cork && !more)
				nap_ms(1);
		}
		if (cork)
			set_int(fd, IPPROTO_TCP, TCP_CORK, 0);
		nap_ms(10);
		OK(shutdown(fd, SHUT_WR));
		result = answer_of(fd);
		EQ(result.in, 20);
		EQ(result.bad, -1);
		OK(close(fd));
		if (result.segs == 1)
			return true;
	}
	return false;
}

TEST_BOTH(option_nodelay_sends, "option.nodelay.segments")
{
	bool one = one_segment(false, false);

	if (!differs("segments"))
		CHECK(!one);
}

TEST_BOTH(option_cork_holds, "option.cork")
{
	CHECK(one_segment(true, false));
}

TEST_BOTH(option_more_holds, "msg.more")
{
	CHECK(one_segment(false, true));
}

/* Corked bytes go at the end of the stream, and at close. */
TEST_BOTH(option_cork_and_end, "option.cork")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 reply=0 tag=%s", peer_tag(tag));

	set_int(fd, IPPROTO_TCP, TCP_CORK, 1);
	send_pattern(fd, 1, 0, 100);
	OK(close(fd));
	EQ(stat_of(tag).in, 100);
}

/* And after a while in any case. */
TEST_BOTH(option_cork_lets_go, "option.cork")
{
	int fd = meet("echo");

	set_int(fd, IPPROTO_TCP, TCP_CORK, 1);
	send_pattern(fd, 1, 0, 100);
	recv_pattern(fd, 1, 0, 100);
}

TEST_BOTH(option_more_lets_go, "msg.more")
{
	int fd = meet("echo");

	EQ(send(fd, "abc", 3, MSG_MORE), 3);
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
}

TEST_FOR(option_v6only, ONLY_V6, 0, "option.v6only")
{
	int fd = fresh();

	flag_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	OK(bind(fd, &local_at(0)->sa, addr_len(local_at(0))));
	FAILS(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, 4),
	      EINVAL);
	FAILS(setsockopt(fd, IPPROTO_IPV6, 9999, &(int){ 1 }, 4), ENOPROTOOPT);
}

TEST_BOTH(option_incoming_cpu, "option.incoming-cpu")
{
	int fd = meet("source 10 4 end=hold");

	await_bytes(fd, 10);
	CHECK(get_int(fd, SOL_SOCKET, SO_INCOMING_CPU) >= 0);
}
