// SPDX-License-Identifier: GPL-2.0
/*
 * Every option of every level there is, on two sockets of this machine: the one under test and a
 * native one, which says what is right. What setsockopt() answers, what getsockopt() answers after
 * it, and what is done with too little or too much room are compared.
 *
 * What is not the same has to be in the table below, and has to be other: one that is there without
 * need fails, too.
 */
#include <netinet/in.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "differences.h"
#include "fixture.h"

#define ROOM 64
#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52
#endif

/* How one that is in the table differs. */
#define ABSENT	0x1	/* is refused with ENOPROTOOPT, as if the kernel had never heard of it */
#define LIVE	0x2	/* what is read is of the moment: only whether it can be read is compared */
#define UNSET	0x4	/* is read as something else as long as nobody has set it */
#define UNTRIED	0x8	/* other tests are about it */
#define CONFIG	0x20	/* may not differ: by chance, or the kernel was built without it */
#define BOUND	0x10	/* refuses with EPERM, to root as well, what TCP lets root have */
#define CLASS	0x40	/* is so only where the node does not allow its class */
#define DEVICE	0x80	/* where it does, other tests are about it */

static const struct {
	int level, first, last;
	int how;
} others[] = {
	{ SOL_SOCKET, SO_ERROR, SO_ERROR, UNTRIED },
	{ SOL_SOCKET, SO_DONTROUTE, SO_DONTROUTE, ABSENT | CLASS },
	{ SOL_SOCKET, SO_SNDBUF, SO_RCVBUF, UNSET },
	{ SOL_SOCKET, SO_PRIORITY, SO_PRIORITY, BOUND | CLASS },
	{ SOL_SOCKET, SO_OOBINLINE, SO_OOBINLINE, UNTRIED },
	{ SOL_SOCKET, SO_RCVLOWAT, SO_RCVLOWAT, UNTRIED },
	{ SOL_SOCKET, SO_BINDTODEVICE, SO_BINDTODEVICE, ABSENT | DEVICE },
	{ SOL_SOCKET, SO_ATTACH_FILTER, SO_DETACH_FILTER, ABSENT },
	{ SOL_SOCKET, 29, 29, ABSENT },			/* SO_TIMESTAMP_OLD */
	{ SOL_SOCKET, 35, 35, ABSENT },			/* SO_TIMESTAMPNS_OLD */
	{ SOL_SOCKET, SO_MARK, SO_MARK, ABSENT | CLASS },
	{ SOL_SOCKET, 37, 37, ABSENT },			/* SO_TIMESTAMPING_OLD */
	{ SOL_SOCKET, SO_PROTOCOL, SO_PROTOCOL, LIVE },
	{ SOL_SOCKET, SO_WIFI_STATUS, SO_PEEK_OFF, UNTRIED },
	{ SOL_SOCKET, SO_BUSY_POLL, SO_BUSY_POLL, ABSENT },
	{ SOL_SOCKET, SO_INCOMING_CPU, SO_INCOMING_CPU, UNTRIED },
	{ SOL_SOCKET, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF, ABSENT },
	{ SOL_SOCKET, SO_MEMINFO, SO_COOKIE, LIVE },
	{ SOL_SOCKET, SO_TXTIME, SO_TXTIME, ABSENT },
	{ SOL_SOCKET, SO_BINDTOIFINDEX, SO_BINDTOIFINDEX, ABSENT | DEVICE },
	{ SOL_SOCKET, 63, 65, ABSENT },			/* time stamps, _NEW */
	{ SOL_SOCKET, 68, 70, ABSENT },			/* SO_DETACH_REUSEPORT_BPF, busy polling */
	{ SOL_SOCKET, 73, 73, ABSENT },			/* SO_RESERVE_MEM */
	{ SOL_SOCKET, 80, 80, ABSENT },			/* SO_DEVMEM_DONTNEED */
	{ IPPROTO_TCP, TCP_INFO, TCP_INFO, LIVE | CONFIG },
	{ IPPROTO_TCP, TCP_CONGESTION, TCP_CONGESTION, UNTRIED },
	{ IPPROTO_TCP, TCP_MD5SIG, TCP_MD5SIG, ABSENT },
	{ IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OPTIONS, ABSENT },
	{ IPPROTO_TCP, TCP_TIMESTAMP, TCP_TIMESTAMP, LIVE | CONFIG },
	{ IPPROTO_TCP, TCP_REPAIR_WINDOW, TCP_REPAIR_WINDOW, ABSENT },
	{ IPPROTO_TCP, TCP_ULP, TCP_ULP, UNTRIED },
	{ IPPROTO_TCP, TCP_MD5SIG_EXT, TCP_MD5SIG_EXT, ABSENT },
	{ IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, TCP_ZEROCOPY_RECEIVE, ABSENT },
	{ IPPROTO_TCP, 38, 42, ABSENT | CONFIG },	/* TCP_AO_* */
	{ IPPROTO_IP, IP_OPTIONS, IP_OPTIONS, ABSENT },
	{ IPPROTO_IP, IP_PKTINFO, IP_PKTOPTIONS, ABSENT },
	{ IPPROTO_IP, IP_RECVERR, IP_RECVTOS, ABSENT },
	{ IPPROTO_IP, IP_FREEBIND, IP_FREEBIND, ABSENT | CLASS },
	{ IPPROTO_IP, IP_IPSEC_POLICY, IP_XFRM_POLICY, ABSENT },
	{ IPPROTO_IP, IP_TRANSPARENT, IP_TRANSPARENT, ABSENT | CLASS },
	{ IPPROTO_IP, 26, 26, ABSENT },			/* IP_RECVERR_RFC4884 */
	{ IPPROTO_IP, 37, 48, ABSENT },			/* memberships of sources and MCAST_* */
	{ IPPROTO_IP, IP_UNICAST_IF, IP_UNICAST_IF, ABSENT },
	{ IPPROTO_IPV6, IPV6_ADDRFORM, 6, ABSENT },	/* and options of received headers */
	{ IPPROTO_IPV6, 8, 8, ABSENT },			/* IPV6_2292HOPLIMIT */
	{ IPPROTO_IPV6, 11, 11, ABSENT },		/* IPV6_FLOWINFO */
	{ IPPROTO_IPV6, IPV6_MTU, IPV6_RECVERR, ABSENT },
	{ IPPROTO_IPV6, 27, 28, ABSENT },		/* anycast */
	{ IPPROTO_IPV6, 31, 35, ABSENT },		/* RECVERR_RFC4884, flow labels, policies */
	{ IPPROTO_IPV6, 42, 51, ABSENT },		/* MCAST_*, packet information, hop limit */
	{ IPPROTO_IPV6, 53, 59, ABSENT },		/* headers */
	{ IPPROTO_IPV6, 61, 61, ABSENT },		/* IPV6_PATHMTU */
	{ IPPROTO_IPV6, 66, 66, ABSENT },		/* IPV6_RECVTCLASS */
	{ IPPROTO_IPV6, 74, 74, ABSENT },		/* IPV6_RECVORIGDSTADDR */
	{ IPPROTO_IPV6, IPV6_TRANSPARENT, IPV6_TRANSPARENT, ABSENT | CLASS },
	{ IPPROTO_IPV6, 76, 76, ABSENT },		/* IPV6_UNICAST_IF */
	{ IPPROTO_IPV6, 78, 78, ABSENT | CLASS },	/* IPV6_FREEBIND */
};

static bool differed[sizeof(others) / sizeof(others[0])];

static int find(int level, int name)
{
	unsigned int i;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (others[i].level == level && name >= others[i].first && name <= others[i].last)
			return i;
	return -1;
}

/* How it differs in this run. */
static int how_of(int at)
{
	if (at < 0)
		return 0;
	if (tested.classes && others[at].how & CLASS)
		return 0;
	return tested.classes && others[at].how & DEVICE ? UNTRIED : others[at].how;
}

/* What a call said. */
struct outcome {
	int error;
	socklen_t len;
	unsigned char value[ROOM];
};

static struct outcome set(int fd, int level, int name, const void *value, socklen_t len)
{
	struct outcome out = { 0 };

	if (setsockopt(fd, level, name, value, len))
		out.error = errno;
	return out;
}

static struct outcome get(int fd, int level, int name, socklen_t room)
{
	struct outcome out = { .len = room };

	if (getsockopt(fd, level, name, out.value, &out.len))
		out.error = errno;
	return out;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
	return a->error == b->error && (a->error || (a->len == b->len &&
						     !memcmp(a->value, b->value, ROOM)));
}

/* Two sockets: the one under test and the native one. */
struct pair {
	int ours, native;
	int wrong;	/* answers that were */
};

static struct pair make_pair(void)
{
	return (struct pair){ .ours = fresh(),
			      .native = OK(socket(tested.v6 ? AF_INET6 : AF_INET,
						  SOCK_STREAM | SOCK_CLOEXEC, 0)) };
}

static void drop_pair(struct pair *p)
{
	close(p->ours);
	close(p->native);
}

static const char *text(const struct outcome *out, char *buffer)
{
	if (out->error)
		snprintf(buffer, 64, "%s", errno_name(out->error));
	else
		snprintf(buffer, 64, "%d bytes %02x%02x%02x%02x", (int)out->len, out->value[0],
			 out->value[1], out->value[2], out->value[3]);
	return buffer;
}

/* @how: as the table has it; @where: for people. */
static void judge(struct pair *p, int level, int name, int how, bool reading, const char *where,
		  const struct outcome *ours, const struct outcome *native)
{
	char a[64], b[64];
	bool good = same(ours, native);

	if (good)
		return;
	if (how & UNSET && reading && differs("option-unset"))
		good = true;
	else if (how & LIVE && reading && !ours->error && !native->error)
		good = true;
	else if (how & BOUND && !geteuid() && differs("option-class"))
		good = reading || ours->error == EPERM;
	/* What nobody could set is read as such; of the core's, of every family. */
	else if (how & ABSENT && differs(how & CLASS ? "option-class" : "options"))
		good = ours->error == ENOPROTOOPT ||
		       (reading && (level == SOL_SOCKET || how & CLASS));
	if (good)
		return;
	tap_note("%d/%d %s: %s, TCP says %s", level, name, where, text(ours, a),
		 text(native, b));
	p->wrong++;
}

static const int values[] = { 0, 1, -1, 2, 3, 5, 19, 64, 127, 128, 200, 255, 256, 272, 1000, 40000,
			      1 << 20, 0x7fffffff, -2, -0x7fffffff - 1 };

static void compare_read(struct pair *p, int level, int name, int how, const char *where)
{
	static const int rooms[] = { 4, 0, 1, 2, 3, 8, ROOM, -1 };
	char at[96];
	unsigned int i;

	for (i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		struct outcome a = get(p->ours, level, name, rooms[i]);
		struct outcome b = get(p->native, level, name, rooms[i]);

		snprintf(at, sizeof(at), "read %s, room %d", where, rooms[i]);
		if (find(level, name) >= 0 && !same(&a, &b))
			differed[find(level, name)] = true;
		judge(p, level, name, how, true, at, &a, &b);
	}
}

static void compare_set(struct pair *p, int level, int name, int how, int value, socklen_t len)
{
	char at[96];
	struct outcome a, b;

	a = set(p->ours, level, name, &value, len);
	b = set(p->native, level, name, &value, len);
	snprintf(at, sizeof(at), "set %d, %d bytes", value, (int)len);
	if (find(level, name) >= 0 && !same(&a, &b))
		differed[find(level, name)] = true;
	judge(p, level, name, how, false, at, &a, &b);
	snprintf(at, sizeof(at), "after %d, %d bytes", value, (int)len);
	compare_read(p, level, name, b.error ? how : how & ~UNSET, at);
}

/* All of one option. */
static int compare_option(int level, int name)
{
	static const int lengths[] = { 0, 1, 2, 3, 5, 8, ROOM, -1 };
	char large[ROOM] = { 1 };
	int how = how_of(find(level, name));
	struct outcome a, b;
	unsigned int i;
	struct pair p;

	if (how & UNTRIED)
		return 0;
	p = make_pair();
	compare_read(&p, level, name, how, "at first");
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		compare_set(&p, level, name, how, values[i], sizeof(int));
	how &= ~UNSET;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char where[32];

		a = set(p.ours, level, name, large, lengths[i]);
		b = set(p.native, level, name, large, lengths[i]);
		snprintf(where, sizeof(where), "set %d bytes", lengths[i]);
		judge(&p, level, name, how, false, where, &a, &b);
		compare_read(&p, level, name, how, where);
	}
	a = set(p.ours, level, name, bad_memory(), sizeof(int));
	b = set(p.native, level, name, bad_memory(), sizeof(int));
	judge(&p, level, name, how, false, "set from nowhere", &a, &b);
	drop_pair(&p);
	return p.wrong;
}

/* These load modules, by what they are given as a name. */
static bool is_name(int level, int name)
{
	return level == IPPROTO_TCP && (name == TCP_CONGESTION || name == TCP_ULP);
}

static void compare_level(int level, int last)
{
	int name, wrong = 0;
	unsigned int i;

	for (name = 0; name <= last; name++)
		if (!is_name(level, name))
			wrong += compare_option(level, name);
	if (wrong)
		FAIL("%d answers are not TCP's", wrong);
	for (i = 0; differs("options") && i < sizeof(others) / sizeof(others[0]); i++)
		if (others[i].level == level && how_of(i) && !(how_of(i) & (UNTRIED | CONFIG)) &&
		    !differed[i] && !geteuid())
			FAIL("%d/%d is in the table, and does not differ", level, others[i].first);
}

TEST_FOR(option_table_socket, LOCAL, 0, "option.all.socket")
{
	if (!family_sees_socket_options() && differs("sol-socket"))
		SKIP("this kernel answers itself");
	compare_level(SOL_SOCKET, 90);
}

TEST_FOR(option_table_tcp, LOCAL, 0, "option.all.tcp")
{
	compare_level(IPPROTO_TCP, 60);
}

TEST_FOR(option_table_ip, LOCAL, 0, "option.all.ip")
{
	compare_level(IPPROTO_IP, 63);
}

TEST_FOR(option_table_ipv6, ONLY_V6 | LOCAL, 0, "option.all.ipv6")
{
	compare_level(IPPROTO_IPV6, 90);
}

/* What needs no privilege; what does is refused alike. */
TEST_FOR(option_table_nobody, LOCAL, 0, "option.unprivileged")
{
	if (geteuid())
		SKIP("nothing to lose");
	become_nobody();
	compare_level(IPPROTO_TCP, 60);
	compare_level(IPPROTO_IP, 63);
	if (tested.v6)
		compare_level(IPPROTO_IPV6, 90);
	if (family_sees_socket_options() || !differs("sol-socket"))
		compare_level(SOL_SOCKET, 90);
}

/* Levels there are not, and IPv6's of a socket that has none. */
TEST_FOR(option_table_levels, LOCAL, 0, "option.unknown")
{
	static const int levels[] = { 3, IPPROTO_UDP, 132, 255, 12345, -1 };
	unsigned int i;
	int wrong = 0;

	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		wrong += compare_option(levels[i], 1);
	if (!tested.v6)
		for (i = 1; i < 80; i++)
			wrong += compare_option(IPPROTO_IPV6, i);
	if (wrong)
		FAIL("%d answers are not TCP's", wrong);
}

/* ---- states ---- */

/* Both connected, the native one on loopback; or accepted. */
static struct pair connect_pair(void)
{
	bool accepted = tap_current->flags & ACCEPTED;
	struct pair p = { .ours = meet("echo") };
	int listening = OK(socket(tested.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	int fd = OK(socket(tested.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	union addr addr;

	CHECK(addr_parse(&addr, tested.v6 ? "::1" : "127.0.0.1", 0));
	OK(bind(listening, &addr.sa, addr_len(&addr)));
	OK(listen(listening, 1));
	addr_set_port(&addr, port_of(listening));
	OK(connect(fd, &addr.sa, addr_len(&addr)));
	p.native = accept_one(listening);
	if (!accepted) {
		int other = p.native;

		p.native = fd;
		fd = other;	/* stays open, and is nobody's */
	}
	return p;
}

static void listen_both(struct pair *p)
{
	OK(listen(p->ours, 4));
	OK(listen(p->native, 4));
}

/* Every integer of a level that is carried, in a state that sockets come to. */
static void compare_state(struct pair *p, int level, int last)
{
	int name, how, at;
	unsigned int i;

	for (name = 1; name <= last; name++) {
		at = find(level, name);
		how = how_of(at);
		if (is_name(level, name) || how & (ABSENT | UNTRIED | BOUND))
			continue;
		/* The path and TCP's mood are not those of loopback. */
		if ((level == IPPROTO_TCP && (name == TCP_MAXSEG || name == TCP_QUICKACK ||
					      name == TCP_WINDOW_CLAMP)) ||
		    (level == IPPROTO_IPV6 && name == IPV6_V6ONLY))
			how |= LIVE;
		/* Names, what a child has of its SYN, and of a route that TCP may not know at the moment. */
		if ((level == SOL_SOCKET && (name == SO_PROTOCOL || name == SO_PEERNAME)) ||
		    (level == IPPROTO_IP &&
		     (name == IP_PROTOCOL || name == IP_MULTICAST_TTL || name == IP_MTU)) ||
		    (level == IPPROTO_IPV6 && (name == IPV6_MULTICAST_IF || name == IPV6_MULTICAST_HOPS)))
			continue;
		if (!(how & UNSET))
			compare_read(p, level, name, how, "in this state");
		for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
			compare_set(p, level, name, how, values[i], sizeof(int));
	}
}

static void compare_states(struct pair p)
{
	if (family_sees_socket_options() || !differs("sol-socket"))
		compare_state(&p, SOL_SOCKET, 90);
	compare_state(&p, IPPROTO_TCP, 60);
	compare_state(&p, IPPROTO_IP, 63);
	if (tested.v6)
		compare_state(&p, IPPROTO_IPV6, 90);
	if (p.wrong)
		FAIL("%d answers are not TCP's", p.wrong);
}

TEST_BOTH(option_table_connected, "option.all.connected")
{
	compare_states(connect_pair());
}

TEST(option_table_bound, "option.all.connected")
{
	struct pair p = make_pair();
	union addr addr;

	addr_any(&addr, tested.v6, 0);
	OK(bind(p.ours, &addr.sa, addr_len(&addr)));
	OK(bind(p.native, &addr.sa, addr_len(&addr)));
	compare_states(p);
}

TEST(option_table_listening, "option.all.connected")
{
	struct pair p = make_pair();

	listen_both(&p);
	compare_states(p);
}
