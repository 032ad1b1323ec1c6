// SPDX-License-Identifier: GPL-2.0
/* Attacks of a host on a node: options that it sets and reads. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "attack.h"

static int options(struct peer *p)
{
	static const u32 levels[] = { SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6, 255,
				      0xffffffff };
	static const u32 values[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };
	u32 index = host_connected(p), i, name, set = 0;

	for (i = 0; i < ATTACKS(levels); i++) {
		for (name = 0; name < 80; name++) {
			int ret = host_option(p, index, levels[i], name, values[name % 5], 4, ASKS);

			if (ret < 0)
				return -1;
			set += !ret;
			if (host_option(p, index, levels[i], name, values[i % 5], name % 65, 0))
				return -1;
		}
	}
	remark("%u of 480 options could be set", set);
	return host_option(p, index, SOL_SOCKET, SO_REUSEADDR, 1, 0, ASKS) > 0 &&
	       host_option(p, index, SOL_SOCKET, SO_BINDTODEVICE, 1, 4, ASKS) > 0 &&
	       host_option(p, index, SOL_SOCKET, SO_MARK, 1, 4, ASKS) > 0 &&
	       host_option(p, index, IPPROTO_TCP, TCP_REPAIR, 1, 4, ASKS) > 0 &&
	       host_option(p, index, IPPROTO_TCP, TCP_ULP, 1, 4, ASKS) > 0 ? 0 : -1;
}

/* What a host says of its caller is no capability here, and no class. */
static int options_vouched(struct peer *p)
{
	static const struct {
		u32 level, name, value, len;
		int error;
	} tries[] = {
		{ SOL_SOCKET, SO_MARK, 1, 4, ENOPROTOOPT },
		{ SOL_SOCKET, SO_PRIORITY, 7, 4, EPERM },
		{ SOL_SOCKET, SO_PRIORITY, -1, 4, EPERM },
		{ SOL_SOCKET, SO_DONTROUTE, 1, 4, ENOPROTOOPT },
		{ SOL_SOCKET, SO_BINDTOIFINDEX, 1, 4, ENOPROTOOPT },
		{ SOL_SOCKET, SO_BINDTODEVICE, 0x6f6c, 16, ENOPROTOOPT },	/* lo */
		{ IPPROTO_IP, IP_FREEBIND, 1, 4, ENOPROTOOPT },
		{ IPPROTO_IP, IP_TRANSPARENT, 1, 4, ENOPROTOOPT },
		{ SOL_SOCKET, SO_SNDBUFFORCE, 1 << 20, 4, ENOPROTOOPT },
		{ IPPROTO_TCP, TCP_REPAIR, 1, 4, ENOPROTOOPT },
	};
	u32 indices[] = { host_open(p, 0), host_listening(p), host_connected(p) };
	unsigned int i, t;
	struct inbound in;

	for (i = 0; i < ATTACKS(indices); i++)
		for (t = 0; t < ATTACKS(tries); t++)
			if (!indices[i] ||
			    host_option(p, indices[i], tries[t].level, tries[t].name,
					tries[t].value, tries[t].len, BOTH) != tries[t].error)
				return -1;
	/* Who counts on what was refused gets no further. */
	if (host_option(p, indices[0], IPPROTO_IP, IP_FREEBIND, 1, 4, VOUCHES))
		return -1;
	return host_request(p, WIRE_BIND, indices[0], &in) == EOPNOTSUPP &&
	       host_request(p, WIRE_CONNECT, indices[0], &in) == EOPNOTSUPP &&
	       host_request(p, WIRE_LISTEN, indices[0], &in) == EOPNOTSUPP ? 0 : -1;
}

static int option_flags(struct peer *p)
{
	u32 index = host_open(p, 0);
	struct inbound in;
	struct wire_msg msg;

	wire_init(&msg, WIRE_SETOPT, index, 1);
	msg.hdr.flags = WIRE_F_REPLY;
	msg.setopt.level = cpu_to_le32(SOL_SOCKET);
	msg.setopt.name = cpu_to_le32(SO_KEEPALIVE);
	msg.setopt.len = cpu_to_le32(4);
	msg.setopt.flags = cpu_to_le32(2);
	return host_ask(p, &msg, index, &in) == -1 ? 0 : -1;
}

/* A value of so many bytes 0xff; the answer's errno. */
static int option_bytes(struct peer *p, u32 index, u32 level, u32 name, u32 len)
{
	struct inbound in;
	struct wire_msg msg;

	wire_init(&msg, WIRE_SETOPT, index, 1);
	msg.hdr.flags = WIRE_F_REPLY;
	msg.setopt.level = cpu_to_le32(level);
	msg.setopt.name = cpu_to_le32(name);
	msg.setopt.len = cpu_to_le32(len);
	memset(msg.setopt.value, 0xff, sizeof(msg.setopt.value));
	return host_ask(p, &msg, index, &in);
}

/* Options that TCP judges, of all sizes: which are right for each, and what is said then. */
static int option_sizes(struct peer *p)
{
	static const struct {
		u32 level, name;
		u8 size[2];
		int answer;
	} judged[] = {
		{ IPPROTO_TCP, TCP_CONGESTION, { 16 }, ENOENT },
		{ IPPROTO_TCP, TCP_FASTOPEN_KEY, { 16, 32 }, 0 },
		{ IPPROTO_TCP, TCP_WINDOW_CLAMP, { 4 }, 0 },
		{ IPPROTO_TCP, TCP_FASTOPEN, { 4 }, EINVAL },
		{ IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, { 4 }, EINVAL },
		{ IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, { 4 }, ENOPROTOOPT },
		{ SOL_SOCKET, SO_MAX_PACING_RATE, { 8 }, 0 },
	};
	u32 index = host_connected(p), len, i;

	for (i = 0; i < ATTACKS(judged); i++) {
		for (len = 0; len <= WIRE_OPT_MAX; len++) {
			bool right = len && (len == judged[i].size[0] || len == judged[i].size[1]);
			int ret = option_bytes(p, index, judged[i].level, judged[i].name, len);

			if (ret == (right ? judged[i].answer : EINVAL))
				continue;
			remark("level %u, name %u: %u bytes gave %d", judged[i].level,
			       judged[i].name, len, ret);
			return -1;
		}
	}
	return 0;
}

/* Of one byte more than a value may have it is not asked what it would be. */
static int key_too_long(struct peer *p)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_SETOPT, host_connected(p), 1);
	msg.setopt.level = cpu_to_le32(IPPROTO_TCP);
	msg.setopt.name = cpu_to_le32(TCP_FASTOPEN_KEY);
	msg.setopt.len = cpu_to_le32(WIRE_OPT_MAX + 1);
	return peer_say(p, &msg, 0);
}

/* Three choices, each made both ways, on a socket that has them. */
static int preferences_against_each_other(struct peer *p)
{
	u32 index = host_next_index();
	struct wire_msg msg;

	wire_init(&msg, WIRE_OPEN, index, 1);
	msg.open.flags = cpu_to_le32(WIRE_OPEN_V6);
	if (peer_say(p, &msg, 0))
		return -1;
	return option_bytes(p, index, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, 4) == EINVAL &&
	       option_bytes(p, index, IPPROTO_TCP, TCP_FASTOPEN, 4) == EINVAL &&
	       option_bytes(p, index, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 4) == EINVAL &&
	       !host_close(p, index) ? 0 : -1;
}

/* A name that only loading a module would make known. */
static int option_module(struct peer *p)
{
	static const char names[][16] = { "vegas", "westwood", "highspeed", "dctcp" };
	u32 index = host_connected(p), i;
	struct inbound in;
	struct wire_msg msg;

	for (i = 0; i < ATTACKS(names); i++) {
		wire_init(&msg, WIRE_SETOPT, index, 1);
		msg.hdr.flags = WIRE_F_REPLY;
		msg.setopt.level = cpu_to_le32(IPPROTO_TCP);
		msg.setopt.name = cpu_to_le32(TCP_CONGESTION);
		msg.setopt.len = cpu_to_le32(16);
		memcpy(msg.setopt.value, names[i], sizeof(names[i]));
		if (host_ask(p, &msg, index, &in) != ENOENT)
			return -1;
	}
	return 0;
}

static int option_too_long(struct peer *p)
{
	u32 index = host_open(p, 0);

	return host_option(p, index, SOL_SOCKET, SO_KEEPALIVE, 1, WIRE_OPT_MAX + 1, 0);
}

/* Many options whose place in the stream matters, and nobody who takes the stream. */
static int option_flood(struct peer *p)
{
	u32 index = host_connected(p), i;

	for (i = 0; i < 1000; i++)
		if (host_option(p, index, IPPROTO_TCP, i % 2 ? TCP_CORK : TCP_NODELAY, i, 4, 0))
			return -1;
	return index ? 0 : -1;
}

/* Whatever can be asked for, of what is there and of what is not. */
static int read_all(struct peer *p)
{
	static const u32 levels[] = { SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6, 255,
				      0xffffffff };
	static const u32 rooms[] = { 0, 1, 4, WIRE_OPT_READ };
	u32 indices[] = { host_open(p, 0), host_listening(p), host_connected(p) };
	unsigned int i, l, name;
	struct wire_msg msg;
	struct inbound in;
	int read = 0, ret;

	for (i = 0; i < sizeof(indices) / sizeof(indices[0]); i++)
		for (l = 0; l < sizeof(levels) / sizeof(levels[0]); l++)
			for (name = 0; name < 90; name++) {
				wire_init(&msg, WIRE_GETOPT, indices[i], 1);
				msg.getopt.level = cpu_to_le32(levels[l]);
				msg.getopt.name = cpu_to_le32(name);
				msg.getopt.room = cpu_to_le32(rooms[name % 4]);
				ret = host_ask(p, &msg, indices[i], &in);
				if (ret < 0 || in.len > rooms[name % 4] || (ret && in.len))
					return -1;
				read += !ret;
			}
	remark("%d options could be read", read);
	return read >= 20 ? 0 : -1;
}

static int read_too_much(struct peer *p)
{
	u32 index = host_connected(p);
	struct wire_msg msg;

	wire_init(&msg, WIRE_GETOPT, index, 1);
	msg.getopt.level = cpu_to_le32(IPPROTO_TCP);
	msg.getopt.name = cpu_to_le32(TCP_INFO);
	msg.getopt.room = cpu_to_le32(WIRE_OPT_READ + 1);
	return index ? peer_say(p, &msg, 0) : -1;
}

/* Many values at once, that nobody takes. */
static int read_flood(struct peer *p)
{
	u32 index = host_connected(p);
	struct wire_msg msg;
	int i;

	p->stingy = true;
	for (i = 0; i < 60; i++) {
		wire_init(&msg, WIRE_GETOPT, index, 1);
		msg.getopt.level = cpu_to_le32(IPPROTO_TCP);
		msg.getopt.name = cpu_to_le32(TCP_INFO);
		msg.getopt.room = cpu_to_le32(WIRE_OPT_READ);
		if (peer_say(p, &msg, 0))
			return p->dead ? 0 : -1;
	}
	return 0;
}

static int bind_to(struct peer *p, u32 index, const char *text, u32 flags)
{
	struct inbound in;
	struct wire_msg msg;

	wire_init(&msg, WIRE_BIND, index, 1);
	msg.bind.addr.family = cpu_to_le16(4);
	msg.bind.addr.port = htons(flags ? 81 : 5556);
	inet_pton(AF_INET, text, msg.bind.addr.addr);
	msg.bind.flags = cpu_to_le32(flags);
	return host_ask(p, &msg, index, &in);
}

/*
 * Where the node allows all classes: without the host's word none that needs a capability; and with
 * it neither loopback, nor a port that is not listed, nor another device once there is one.
 */
int host_classes_allowed(struct peer *p)
{
	u32 index = host_open(p, 0), other = host_listening(p);

	return host_option(p, index, SOL_SOCKET, SO_MARK, 1, 4, ASKS) == EPERM &&
	       host_option(p, index, SOL_SOCKET, SO_PRIORITY, 7, 4, ASKS) == EPERM &&
	       host_option(p, index, IPPROTO_IP, IP_TRANSPARENT, 1, 4, ASKS) == EPERM &&
	       !host_option(p, index, SOL_SOCKET, SO_MARK, 1, 4, BOTH) &&
	       !host_option(p, index, SOL_SOCKET, SO_PRIORITY, 7, 4, BOTH) &&
	       !host_option(p, index, IPPROTO_IP, IP_TRANSPARENT, 1, 4, BOTH) &&
	       !host_option(p, index, IPPROTO_IP, IP_FREEBIND, 1, 4, BOTH) &&
	       !host_option(p, index, SOL_SOCKET, SO_BINDTOIFINDEX, 1, 4, BOTH) &&
	       !host_option(p, index, SOL_SOCKET, SO_BINDTOIFINDEX, 1, 4, BOTH) &&
	       !host_option(p, index, SOL_SOCKET, SO_BINDTODEVICE, 0x6f6c, 16, BOTH) &&
	       host_option(p, index, SOL_SOCKET, SO_BINDTOIFINDEX, 2, 4, BOTH) == EPERM &&
	       host_option(p, index, SOL_SOCKET, SO_BINDTOIFINDEX, 0, 4, BOTH) == EPERM &&
	       host_option(p, other, SOL_SOCKET, SO_BINDTOIFINDEX, 2, 4, BOTH) == EINVAL &&
	       bind_to(p, index, "127.0.0.1", 0) == EADDRNOTAVAIL &&
	       bind_to(p, index, "192.0.2.77", WIRE_BIND_PRIVILEGED) == EACCES &&
	       !bind_to(p, index, "192.0.2.77", 0) ? 0 : -1;
}

/* TLS, which nobody has allowed, answered or not, as it may or may not be. */
static int tls_options(struct peer *p)
{
	u32 index = host_connected(p), name, len;

	for (name = 0; name < 5; name++)
		for (len = 0; len <= WIRE_OPT_MAX; len++)
			if (option_bytes(p, index, 282, name, len) <= 0 ||
			    host_option(p, index, 282, name, 1, len, 0))
				return -1;
	return 0;
}

ATTACK(read_of_nobody, host_say(p, WIRE_GETOPT, 7))

const struct attack option_attacks[] = {
	{ "options of all kinds", options, LIVES },
	{ "options vouched for", options_vouched, LIVES },
	{ "SETOPT with an unknown flag", option_flags, WIRE_REASON_PROTOCOL },
	{ "option of 65 bytes", option_too_long, WIRE_REASON_PROTOCOL },
	{ "judged options of all sizes", option_sizes, LIVES },
	{ "key of 65 bytes", key_too_long, WIRE_REASON_PROTOCOL },
	{ "preferences against each other", preferences_against_each_other, LIVES },
	{ "TLS options without TLS", tls_options, LIVES },
	{ "names of modules", option_module, LIVES },
	{ "1000 options in the stream", option_flood, LIVES },
	{ "every option read", read_all, LIVES },
	{ "GETOPT with room for 1025 bytes", read_too_much, WIRE_REASON_PROTOCOL },
	{ "60 GETOPTs at once", read_flood, EITHER },
	{ "GETOPT of nobody", read_of_nobody, WIRE_REASON_PROTOCOL },
};

const unsigned int nr_option_attacks = ATTACKS(option_attacks);
