// SPDX-License-Identifier: GPL-2.0
/*
 * Options of which TCP knows more than was set, and options that do something: to what is sent, to
 * what is received, to what a listener's children are.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "differences.h"
#include "fixture.h"

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	OK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	CHECK(len > offsetof(struct tcp_info, tcpi_bytes_acked));
	return info;
}

#define ESTABLISHED	1
#define SYN_SENT	2
#define CLOSED		7
#define LISTENING	10

TEST_FOR(option_info_fresh, LOCAL, 0, "option.tcp-info")
{
	struct tcp_info info = info_of(fresh());

	EQ(info.tcpi_state, CLOSED);
	EQ(info.tcpi_bytes_acked, 0);
}

TEST_BOTH(option_info_counts, "option.tcp-info")
{
	int fd = meet("echo");
	struct tcp_info info;

	send_pattern(fd, 1, 0, 5000);
	recv_pattern(fd, 1, 0, 5000);
	info = info_of(fd);
	EQ(info.tcpi_state, ESTABLISHED);
	/* what came back acknowledges what went: these, who dials a line before, and the SYN */
	CHECK(info.tcpi_bytes_acked >= 5000 && info.tcpi_bytes_acked <= 5100);
	EQ(info.tcpi_bytes_received, 5000);
	CHECK(info.tcpi_snd_mss >= 500 && info.tcpi_rtt);
}

TEST_BOTH(option_info_room, "option.tcp-info")
{
	unsigned char value[400];
	int fd = meet("echo");
	socklen_t len = 1;

	memset(value, 0xee, sizeof(value));
	OK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, value, &len));
	EQ(len, 1);
	EQ(value[0], ESTABLISHED);
	EQ(value[1], 0xee);
	len = sizeof(value);
	OK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, value, &len));
	CHECK(len >= 200 && len < sizeof(value));
	EQ(value[len], 0xee);
	len = 8;
	FAILS(getsockopt(fd, IPPROTO_TCP, TCP_INFO, bad_memory(), &len), EFAULT);
	len = -1;
	FAILS(getsockopt(fd, IPPROTO_TCP, TCP_INFO, value, &len), EINVAL);
}

/* The answer to connect() may take for ever; nothing else waits for it. */
TEST(option_info_connecting, "option.tcp-info")
{
	int fd = fresh_nonblock(), hold;
	char tag[PEER_TAG];
	unsigned int port = full_port(&hold, peer_tag(tag));

	FAILS(connect(fd, &peer_at(port)->sa, addr_len(peer_at(port))), EINPROGRESS);
	EQ(info_of(fd).tcpi_state, SYN_SENT);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	EQ(get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE), 77);
	CHECK(get_int(fd, IPPROTO_TCP, TCP_KEEPINTVL) > 0);
	EQ(info_of(fd).tcpi_state, SYN_SENT);
	OK(close(hold));
}

TEST(option_info_backlog, "option.tcp-info")
{
	unsigned int port;
	int fd = listener(&port);

	EQ(info_of(fd).tcpi_state, LISTENING);
	EQ(info_of(fd).tcpi_unacked, 0);
	EQ(info_of(fd).tcpi_sacked, 128);
	call(port, "echo");
	call(port, "echo");
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	nap_ms(SHORT_MS);
	EQ(info_of(fd).tcpi_unacked, 2);
	EQ(info_of(fd).tcpi_sacked, 128);
	OK(close(accept_one(fd)));
	EQ(info_of(fd).tcpi_unacked, 1);
}

/* Of a connection it is the segments' size, of none what was set. */
TEST(option_maxseg, "option.maxseg")
{
	int fd = fresh();

	set_int(fd, IPPROTO_TCP, TCP_MAXSEG, 700);
	EQ(get_int(fd, IPPROTO_TCP, TCP_MAXSEG), 700);
	OK(peer_open_on(fd, "echo"));
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
	CHECK(get_int(fd, IPPROTO_TCP, TCP_MAXSEG) >= 600);
	CHECK(get_int(fd, IPPROTO_TCP, TCP_MAXSEG) <= 700);
	EQ(info_of(fd).tcpi_snd_mss, get_int(fd, IPPROTO_TCP, TCP_MAXSEG));
}

TEST_BOTH(option_mtu, "option.mtu")
{
	int fd = meet("echo");

	CHECK(get_int(fd, IPPROTO_IP, IP_MTU) >= 1280);
}

TEST_FOR(option_mtu_unconnected, LOCAL, 0, "option.mtu")
{
	socklen_t len = sizeof(int);
	int value;

	FAILS(getsockopt(fresh(), IPPROTO_IP, IP_MTU, &value, &len), ENOTCONN);
}

/* A child that came before is not another one for what its listener is told. */
TEST(option_set_before_accept, "listen.inherit")
{
	unsigned int port;
	int fd = listener(&port);

	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 99);
	call(port, "echo");
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
	fd = accept_one(fd);
	EQ(get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE), 99);
	EQ(get_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

TEST(option_inherited_flags, "listen.inherit")
{
	static const int names[] = { SO_BROADCAST, SO_RXQ_OVFL, SO_SELECT_ERR_QUEUE, SO_KEEPALIVE,
				     SO_REUSEADDR, SO_RCVMARK };
	unsigned int port, i;
	int fd = fresh();

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		set_int(fd, SOL_SOCKET, names[i], 1);
	set_int(fd, SOL_SOCKET, SO_PRIORITY, 4);
	OK(listen(fd, 4));
	port = port_of(fd);
	call(port, "echo");
	fd = accept_one(fd);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		EQ(get_int(fd, SOL_SOCKET, names[i]), 1);
	EQ(get_int(fd, SOL_SOCKET, SO_PRIORITY), 0);
}

/* Who wants little unsent is stopped early. */
TEST(option_notsent_limits, "option.notsent-lowat")
{
	int small = fresh(), large = fresh();
	size_t few, many;

	set_int(small, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 8192);
	OK(peer_open_on(small, "never-read"));
	OK(peer_open_on(large, "never-read"));
	few = fill(small);
	many = fill(large);
	if (few >= many)
		FAIL("took %zu bytes with 8 KiB, %zu with all", few, many);
}

static void set_congestion(int fd, const char *name)
{
	OK(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, strlen(name)));
}

static void expect_congestion(int fd, const char *name)
{
	char got[64] = { 0 };
	socklen_t len = sizeof(got);

	OK(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, got, &len));
	EQ(len, 16);
	if (strcmp(got, name))
		FAIL("'%s' is in use, not '%s'", got, name);
}

TEST_BOTH(option_congestion, "option.congestion")
{
	int fd = meet("echo");

	expect_congestion(fd, "cubic");
	set_congestion(fd, "reno");
	expect_congestion(fd, "reno");
	send_pattern(fd, 1, 0, 5000);
	recv_pattern(fd, 1, 0, 5000);
	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nonesuch", 8), ENOENT);
	expect_congestion(fd, "reno");
}

/* It holds on the socket's connection, and on the next one. */
TEST(option_congestion_fresh, "option.congestion")
{
	union addr none = { .sa.sa_family = AF_UNSPEC };
	int fd = fresh();

	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nonesuch", 8), ENOENT);
	expect_congestion(fd, "cubic");
	set_congestion(fd, "reno");
	expect_congestion(fd, "reno");
	OK(peer_open_on(fd, "echo"));
	expect_congestion(fd, "reno");
	OK(connect(fd, &none.sa, sizeof(none)));
	expect_congestion(fd, "reno");
	OK(peer_open_on(fd, "echo"));
	expect_congestion(fd, "reno");
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

TEST(option_congestion_arguments, "option.congestion")
{
	char got[16] = { 0 };
	socklen_t len = 3;
	int fd = fresh();

	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 0), EINVAL);
	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, bad_memory(), 4), EFAULT);
	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "ren", 3), ENOENT);
	OK(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno\0and what follows", 22));
	expect_congestion(fd, "reno");
	OK(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, got, &len));
	EQ(len, 3);
	CHECK(!memcmp(got, "ren", 4));
	len = 16;
	FAILS(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, bad_memory(), &len), EFAULT);
	len = -1;
	FAILS(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, got, &len), EINVAL);
}

/* A socket of which the node was asked can still become one of loopback, and has what was set. */
TEST_FOR(option_congestion_loopback, LOOPBACK, 0, "option.congestion")
{
	int server = fresh(), fd = fresh();
	union addr addr;

	CHECK(addr_parse(&addr, tested.v6 ? "::1" : "127.0.0.1", 0));
	set_congestion(server, "reno");
	OK(bind(server, &addr.sa, addr_len(&addr)));
	OK(listen(server, 1));
	addr_set_port(&addr, port_of(server));
	OK(connect(fd, &addr.sa, addr_len(&addr)));
	expect_congestion(fd, "cubic");
	set_congestion(fd, "reno");
	expect_congestion(fd, "reno");
	expect_congestion(accept_one(server), "reno");
}

TEST(option_congestion_inherited, "option.congestion", "listen.inherit")
{
	unsigned int port;
	int fd = listener(&port);

	set_congestion(fd, "reno");
	expect_congestion(fd, "reno");
	call(port, "echo");
	fd = accept_one(fd);
	expect_congestion(fd, "reno");
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

/* Who comes by loopback to a listener at every address finds it, too. */
TEST_FOR(option_congestion_twin, LOOPBACK, 0, "option.congestion")
{
	int server = fresh(), fd = OK(socket(tested.v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
	union addr addr;

	set_congestion(server, "reno");
	OK(listen(server, 4));
	CHECK(addr_parse(&addr, tested.v6 ? "::1" : "127.0.0.1", port_of(server)));
	OK(connect(fd, &addr.sa, addr_len(&addr)));
	expect_congestion(accept_one(server), "reno");
	set_congestion(server, "cubic");
	OK(close(fd));
	fd = OK(socket(tested.v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
	OK(connect(fd, &addr.sa, addr_len(&addr)));
	expect_congestion(accept_one(server), "cubic");
}

TEST_BOTH(option_window_clamp, "option.window-clamp")
{
	int fd = meet("echo"), value = 0;

	set_int(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 30000);
	EQ(get_int(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP), 30000);
	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &value, sizeof(value)), EINVAL);
	EQ(get_int(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP), 30000);
	send_pattern(fd, 1, 0, 100000);
	recv_pattern(fd, 1, 0, 100000);
}

TEST(option_window_clamp_fresh, "option.window-clamp")
{
	int fd = fresh();

	set_int(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0);
	EQ(get_int(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP), 0);
	set_int(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 20000);
	EQ(get_int(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP), 20000);
	OK(peer_open_on(fd, "echo"));
	EQ(get_int(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP), 20000);
}

/* What the TCP that has the connection says. */
TEST_BOTH(option_pacing, "option.pacing")
{
	unsigned long long rate = 5ULL << 32;
	int fd = meet("echo");

	if (!family_sees_socket_options() && differs("sol-socket"))
		SKIP("this kernel answers itself");
	EQ(info_of(fd).tcpi_max_pacing_rate, -1ULL);
	set_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE, 1000000);
	EQ(get_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE), 1000000);
	EQ(info_of(fd).tcpi_max_pacing_rate, 1000000);
	OK(setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)));
	EQ(info_of(fd).tcpi_max_pacing_rate, rate);
	set_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE, -1);
	EQ(info_of(fd).tcpi_max_pacing_rate, -1ULL);
	send_pattern(fd, 1, 0, 5000);
	recv_pattern(fd, 1, 0, 5000);
}

TEST(option_pacing_fresh, "option.pacing")
{
	int fd = fresh();

	set_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE, 2000000);
	OK(peer_open_on(fd, "echo"));
	EQ(info_of(fd).tcpi_max_pacing_rate, 2000000);
}

TEST(option_pacing_inherited, "option.pacing", "listen.inherit")
{
	unsigned int port;
	int fd = fresh();

	set_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE, 3000000);
	OK(listen(fd, 4));
	port = port_of(fd);
	call(port, "echo");
	fd = accept_one(fd);
	EQ(get_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE), 3000000);
	EQ(info_of(fd).tcpi_max_pacing_rate, 3000000);
}

TEST(option_fastopen, "option.fastopen")
{
	int fd = fresh(), value = 7;
	unsigned int port;

	set_int(fd, IPPROTO_TCP, TCP_FASTOPEN, 5);
	set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	EQ(get_int(fd, IPPROTO_TCP, TCP_FASTOPEN), 5);
	OK(listen(fd, 4));
	port = port_of(fd);
	EQ(get_int(fd, IPPROTO_TCP, TCP_FASTOPEN), 5);
	EQ(get_int(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE), 1);
	set_int(fd, IPPROTO_TCP, TCP_FASTOPEN, 6);
	EQ(get_int(fd, IPPROTO_TCP, TCP_FASTOPEN), 6);
	call(port, "echo");
	fd = accept_one(fd);
	EQ(get_int(fd, IPPROTO_TCP, TCP_FASTOPEN), 0);
	EQ(get_int(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE), 1);
	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &value, sizeof(value)), EINVAL);
	value = 1;
	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &value, sizeof(value)), EINVAL);
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

TEST(option_fastopen_connect, "option.fastopen-connect")
{
	int fd = fresh(), value = 1;

	set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	OK(peer_open_on(fd, "echo"));
	EQ(get_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT), 1);
	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &value, sizeof(value)), EINVAL);
	send_pattern(fd, 1, 0, 5000);
	recv_pattern(fd, 1, 0, 5000);
}

/* What recvmsg() says is left, or -1. */
static int left(int fd, char *buffer, size_t len, int flags, ssize_t wanted)
{
	struct iovec iov = { buffer, len };
	char control[64];
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	int value;

	EQ(recvmsg(fd, &msg, flags), wanted);
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg)
		return -1;
	EQ(cmsg->cmsg_level, IPPROTO_TCP);
	EQ(cmsg->cmsg_type, TCP_CM_INQ);
	EQ(cmsg->cmsg_len, CMSG_LEN(sizeof(value)));
	CHECK(!CMSG_NXTHDR(&msg, cmsg));
	memcpy(&value, CMSG_DATA(cmsg), sizeof(value));
	return value;
}

TEST_BOTH(option_inq, "option.inq")
{
	char buffer[200];
	int fd = meet("echo");

	send_pattern(fd, 1, 0, 100);
	await_bytes(fd, 100);
	EQ(left(fd, buffer, 10, 0, 10), -1);
	set_int(fd, IPPROTO_TCP, TCP_INQ, 1);
	EQ(get_int(fd, IPPROTO_TCP, TCP_INQ), 1);
	EQ(left(fd, buffer, 10, 0, 10), 80);
	EQ(left(fd, buffer, 10, MSG_PEEK, 10), 80);
	EQ(left(fd, buffer, 80, 0, 80), 0);
	OK(shutdown(fd, SHUT_WR));
	/* the end is one of them */
	EQ(left(fd, buffer, 10, 0, 0), 1);
	set_int(fd, IPPROTO_TCP, TCP_INQ, 0);
	EQ(left(fd, buffer, 10, 0, 0), -1);
}

TEST(option_saved_syn, "option.saved-syn")
{
	unsigned char syn[300] = { 0 };
	socklen_t len = 10;
	unsigned int port;
	int fd = fresh(), conn;

	set_int(fd, IPPROTO_TCP, TCP_SAVE_SYN, 1);
	OK(listen(fd, 4));
	port = port_of(fd);
	call(port, "echo");
	conn = accept_one(fd);
	FAILS(getsockopt(conn, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len), EINVAL);
	CHECK(len >= 40 && len <= 160);
	OK(getsockopt(conn, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len));
	CHECK(len >= 40 && syn[0] >> 4 == (tested.v6 ? 6 : 4));
	CHECK(syn[tested.v6 ? 40 + 13 : 20 + 13] & 0x02);
	/* that was it */
	len = sizeof(syn);
	OK(getsockopt(conn, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len));
	EQ(len, 0);
	len = sizeof(syn);
	OK(getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len));
	EQ(len, 0);
}

/* A socket's own, that its children have not. */
TEST(option_fastopen_key, "option.fastopen")
{
	char key[40] = "here are 32 bytes, which is two.", got[40] = { 0 };
	int fd = fresh(), conn;
	socklen_t len = sizeof(got);
	unsigned int port;

	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 31), EINVAL);
	FAILS(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, bad_memory(), 16), EFAULT);
	OK(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 32));
	OK(listen(fd, 4));
	port = port_of(fd);
	OK(getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &len));
	EQ(len, 32);
	CHECK(!memcmp(got, key, 32));
	OK(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, key + 3, 16));
	len = sizeof(got);
	OK(getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &len));
	EQ(len, 16);
	CHECK(!memcmp(got, key + 3, 16));
	call(port, "echo");
	conn = accept_one(fd);
	memset(got, 0, sizeof(got));
	len = sizeof(got);
	OK(getsockopt(conn, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &len));
	CHECK(memcmp(got, key + 3, 16));
	send_pattern(conn, 1, 0, 10);
	recv_pattern(conn, 1, 0, 10);
}

#define SRC_TMP		0x0001
#define SRC_PUBLIC	0x0002
#define SRC_HOME	0x0400
#define PREFERENCES	72	/* IPV6_ADDR_PREFERENCES */

TEST_BOTH_FOR(option_preferences, ONLY_V6, 0, "option.preferences")
{
	int fd = meet("echo"), value = SRC_TMP | SRC_PUBLIC;

	set_int(fd, IPPROTO_IPV6, PREFERENCES, SRC_TMP);
	EQ(get_int(fd, IPPROTO_IPV6, PREFERENCES), SRC_TMP | SRC_HOME);
	FAILS(setsockopt(fd, IPPROTO_IPV6, PREFERENCES, &value, sizeof(value)), EINVAL);
	EQ(get_int(fd, IPPROTO_IPV6, PREFERENCES), SRC_TMP | SRC_HOME);
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}
