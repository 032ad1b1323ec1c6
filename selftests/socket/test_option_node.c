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
	call(port, "echo");
	call(port, "echo");
	CHECK(wait_fd(fd, POLLIN, LONG_MS));
	nap_ms(SHORT_MS);
	EQ(info_of(fd).tcpi_unacked, 2);
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
