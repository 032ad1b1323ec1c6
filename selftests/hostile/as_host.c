// SPDX-License-Identifier: GPL-2.0
/* Attacks of a host on a node, on what messages mean: endpoints, requests, streams. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "attack.h"

#define BEYOND_ALL	(64U << 20)	/* bytes: more than all buffers on the way */

/* ---- endpoints --------------------------------------------------------------------------- */

ATTACK(open_their_half, host_say(p, WIRE_OPEN, p->slots / 2))
ATTACK(open_last, host_say(p, WIRE_OPEN, p->slots - 1))
ATTACK(open_twice, host_say(p, WIRE_OPEN, host_open(p, 0)))
ATTACK(bind_unopened, host_say(p, WIRE_BIND, 20))
ATTACK(data_unopened, host_data(p, 20, 0, 10, 0))
ATTACK(close_unopened, host_say(p, WIRE_CLOSE, 20))
ATTACK(window_unopened, host_say(p, WIRE_WINDOW, 20))
ATTACK(want_unopened, host_say(p, WIRE_WANT_WINDOW, p->slots - 1))
ATTACK(accepted_unopened, host_say(p, WIRE_ACCEPTED, 20))

static int close_twice(struct peer *p)
{
	u32 index = host_open(p, 0);

	return host_say(p, WIRE_CLOSE, index) ?: host_say(p, WIRE_CLOSE, index);
}

static int close_again(struct peer *p)
{
	u32 index = host_open(p, 0);

	return host_close(p, index) ?: host_say(p, WIRE_CLOSE, index);
}

static int data_after_close(struct peer *p)
{
	u32 index = host_connected(p);

	return host_say(p, WIRE_CLOSE, index) ?: host_data(p, index, 0, 10, 0);
}

static int reopen_at_once(struct peer *p)
{
	u32 index = host_connected(p);

	return host_say(p, WIRE_CLOSE, index) ?: host_say(p, WIRE_OPEN, index);
}

/* An heir of an endpoint; 0 when it cannot be said. */
static u32 open_heir(struct peer *p, u32 from, u16 gen)
{
	u32 index = host_next_index();
	struct wire_msg msg;

	wire_init(&msg, WIRE_OPEN, index, 1);
	msg.open.uid = cpu_to_le32(1001);
	msg.open.flags = cpu_to_le32(WIRE_OPEN_HEIR);
	msg.open.from = cpu_to_le32(from);
	msg.open.from_gen = cpu_to_le16(gen);
	return peer_say(p, &msg, 0) ? 0 : index;
}

ATTACK(heir_of_nobody, open_heir(p, host_next_index(), 1) ? 0 : -1)
ATTACK(heir_of_their_half, open_heir(p, p->slots / 2, 1) ? 0 : -1)
ATTACK(heir_out_of_reach, open_heir(p, ~0U, 1) ? 0 : -1)
ATTACK(heir_of_former_life, open_heir(p, host_connected(p), 0) ? 0 : -1)
ATTACK(heir_unnamed, open_heir(p, 0, 0) ? 0 : -1)

static int heir_after_close(struct peer *p)
{
	u32 index = host_connected(p);

	return host_say(p, WIRE_CLOSE, index) ?: open_heir(p, index, 1) ? 0 : -1;
}

static int two_heirs(struct peer *p)
{
	u32 index = host_connected(p);

	return open_heir(p, index, 1) && open_heir(p, index, 1) ? 0 : -1;
}

static int data_after_heir(struct peer *p)
{
	u32 index = host_connected(p);

	return open_heir(p, index, 1) ? host_data(p, index, 0, 10, 0) : -1;
}

/* Each takes over from the one before, which may not have had its turn yet. */
static int heirs_in_a_row(struct peer *p)
{
	u32 index = host_connected(p), i, heir;
	struct inbound in;

	for (i = 0; i < 20; i++) {
		heir = open_heir(p, index, 1);
		if (!heir || !peer_find(p, WIRE_CLOSED, index, &in, HOST_MS))
			return -1;
		index = heir;
	}
	return host_request(p, WIRE_CONNECT, index, &in) || host_close(p, index) ? -1 : 0;
}

static int heirs_at_once(struct peer *p)
{
	u32 index = host_connected(p), i;

	for (i = 0; index && i < 20; i++)
		index = open_heir(p, index, 1);
	return index ? 0 : -1;
}

static int other_generations(struct peer *p)
{
	static const u8 ops[] = { WIRE_SETOPT, WIRE_CLOSE, WIRE_WINDOW, WIRE_WANT_WINDOW,
				  WIRE_ACCEPTED, WIRE_DATA };
	u32 index = host_connected(p), i;
	struct wire_msg msg;

	for (i = 0; i < 3 * ATTACKS(ops); i++) {
		wire_init(&msg, ops[i % ATTACKS(ops)], index, i % 2 ? 0 : 0xffff - i);
		if (peer_say(p, &msg, msg.hdr.opcode == WIRE_DATA ? 100 : 0))
			return -1;
	}
	return index ? 0 : -1;
}

/* The same life over and over, with the same generation. */
static int replayed_lives(struct peer *p)
{
	u32 index = host_next_index(), i;

	for (i = 0; i < 300; i++)
		if (!host_open(p, index) || host_close(p, index))
			return -1;
	return 0;
}

static int all_indices(struct peer *p)
{
	struct wire_msg msg;
	u32 index;

	for (index = host_next_index(); index < p->slots / 2; index++) {
		wire_init(&msg, WIRE_OPEN, index, 1);
		if (peer_say(p, &msg, 0))
			return -1;
	}
	return host_say(p, WIRE_OPEN, 1);
}

/* ---- requests ---------------------------------------------------------------------------- */

static int requests_again(struct peer *p)
{
	u32 index = host_connected(p), listener = host_listening(p);
	struct inbound in;

	if (!index || !listener)
		return -1;
	if (host_request(p, WIRE_CONNECT, index, &in) <= 0 ||
	    host_request(p, WIRE_BIND, index, &in) <= 0 ||
	    host_request(p, WIRE_LISTEN, index, &in) <= 0 ||
	    host_request(p, WIRE_BIND, listener, &in) <= 0 ||
	    host_request(p, WIRE_CONNECT, listener, &in) <= 0)
		return -1;
	return host_request(p, WIRE_LISTEN, listener, &in);
}

static int many_requests_at_once(struct peer *p)
{
	u32 index = host_open(p, 0);
	struct wire_msg msg;
	int i;

	for (i = 0; i < 60; i++) {
		wire_init(&msg, WIRE_QUERY, index, 1);
		msg.ask.what = cpu_to_le32(WIRE_QUERY_OUTQ);
		if (peer_say(p, &msg, 0))
			return p->dead ? 0 : -1;
	}
	return 0;
}

/* The node may say two messages more and then nothing: it must hold the rest. */
static int answers_not_taken(struct peer *p)
{
	struct inbound in;
	struct wire_msg msg;
	int i, got = 0;
	u32 index;

	p->stingy = true;
	for (i = 0; i < 200; i++) {
		index = host_open(p, 0);
		wire_init(&msg, WIRE_QUERY, index, 1);
		msg.ask.what = cpu_to_le32(WIRE_QUERY_OUTQ);
		if (!index || peer_say(p, &msg, 0))
			return -1;
	}
	while (peer_find(p, WIRE_REPLY, 0, &in, 500))
		got++;
	remark("%d of 200 answers came without a grant", got);
	if (got > PEER_DEPTH)
		return -1;
	p->stingy = false;
	while (got < 200 && p->owed) {
		wire_init(&msg, WIRE_CREDIT, 0, 0);
		if (peer_say(p, &msg, 0))
			return -1;
		while (got < 200 && peer_find(p, WIRE_REPLY, 0, &in, 2000))
			got++;
	}
	return got == 200 ? 0 : -1;
}

static int options(struct peer *p)
{
	static const u32 levels[] = { SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6, 255,
				      0xffffffff };
	static const u32 values[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };
	u32 index = host_connected(p), i, name, set = 0;

	for (i = 0; i < ATTACKS(levels); i++) {
		for (name = 0; name < 80; name++) {
			int ret = host_option(p, index, levels[i], name, values[name % 5], 4, true);

			if (ret < 0)
				return -1;
			set += !ret;
			if (host_option(p, index, levels[i], name, values[i % 5], name % 65, false))
				return -1;
		}
	}
	remark("%u of 480 options could be set", set);
	return host_option(p, index, SOL_SOCKET, SO_REUSEADDR, 1, 0, true) > 0 &&
	       host_option(p, index, SOL_SOCKET, SO_BINDTODEVICE, 1, 4, true) > 0 &&
	       host_option(p, index, SOL_SOCKET, SO_MARK, 1, 4, true) > 0 &&
	       host_option(p, index, IPPROTO_TCP, TCP_REPAIR, 1, 4, true) > 0 &&
	       host_option(p, index, IPPROTO_TCP, TCP_ULP, 1, 4, true) > 0 ? 0 : -1;
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

/* Names without an end and rates, of all sizes; one of them is right for each. */
static int option_sizes(struct peer *p)
{
	u32 index = host_connected(p), len;

	for (len = 0; len <= WIRE_OPT_MAX; len++) {
		int named = option_bytes(p, index, IPPROTO_TCP, TCP_CONGESTION, len);
		int paced = option_bytes(p, index, SOL_SOCKET, SO_MAX_PACING_RATE, len);

		if (named != (len == 16 ? ENOENT : EINVAL) || paced != (len == 8 ? 0 : EINVAL))
			return -1;
	}
	return 0;
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

	return host_option(p, index, SOL_SOCKET, SO_KEEPALIVE, 1, WIRE_OPT_MAX + 1, false);
}

/* Many options whose place in the stream matters, and nobody who takes the stream. */
static int option_flood(struct peer *p)
{
	u32 index = host_connected(p), i;

	for (i = 0; i < 1000; i++)
		if (host_option(p, index, IPPROTO_TCP, i % 2 ? TCP_CORK : TCP_NODELAY, i, 4, false))
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

ATTACK(read_of_nobody, host_say(p, WIRE_GETOPT, 7))

ATTACK(bad_query, host_say(p, WIRE_QUERY, host_open(p, 0)))

ATTACK(bind_nothing, host_say(p, WIRE_BIND, host_open(p, 0)))

static int refused(struct peer *p, enum wire_opcode op, u16 family, const char *text, u16 port)
{
	struct wire_addr addr = { .family = cpu_to_le16(family), .port = htons(port) };
	u32 index = host_open(p, 0);
	struct inbound in;
	struct wire_msg msg;
	int ret;

	inet_pton(family == 4 ? AF_INET : AF_INET6, text, addr.addr);
	wire_init(&msg, op, index, 1);
	if (op == WIRE_BIND)
		msg.bind.addr = addr;
	else
		msg.connect.addr = addr;
	ret = host_ask(p, &msg, index, &in);
	if (ret <= 0)
		remark("%s %s:%u gave %d", wire_opcode_name(op), text, port, ret);
	return ret > 0 ? 0 : -1;
}

static int out_of_reach(struct peer *p)
{
	return refused(p, WIRE_CONNECT, 4, "127.0.0.1", 22) ?:
	       refused(p, WIRE_CONNECT, 4, "127.9.9.9", 7471) ?:
	       refused(p, WIRE_CONNECT, 4, "0.0.0.0", 22) ?:
	       refused(p, WIRE_CONNECT, 4, "224.0.0.1", 22) ?:
	       refused(p, WIRE_CONNECT, 4, "255.255.255.255", 22) ?:
	       refused(p, WIRE_CONNECT, 6, "::1", 22) ?:
	       refused(p, WIRE_CONNECT, 6, "::ffff:127.0.0.1", 22) ?:
	       refused(p, WIRE_BIND, 4, "127.0.0.1", 5555) ?:
	       refused(p, WIRE_BIND, 4, "0.0.0.0", 22) ?:
	       refused(p, WIRE_BIND, 4, "203.0.113.1", 5555) ?:
	       refused(p, WIRE_BIND, 6, "::1", 5555);
}

static int privileged_bind(struct peer *p)
{
	u32 index = host_open(p, 0);
	struct inbound in;
	struct wire_msg msg;

	wire_init(&msg, WIRE_BIND, index, 1);
	msg.bind.addr.family = cpu_to_le16(4);
	msg.bind.flags = cpu_to_le32(2);
	return host_ask(p, &msg, index, &in) == -1 ? 0 : -1;
}

static int huge_backlog(struct peer *p)
{
	u32 index = host_listening(p);
	struct inbound in;
	struct wire_msg msg;

	wire_init(&msg, WIRE_LISTEN, index, 1);
	msg.listen.backlog = cpu_to_le32(0xffffffff);
	return index ? host_ask(p, &msg, index, &in) : -1;
}

static int accepted(struct peer *p, u32 index, u32 count)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_ACCEPTED, index, 1);
	msg.accepted.count = cpu_to_le32(count);
	return index ? peer_say(p, &msg, 0) : -1;
}

ATTACK(accepted_forged, accepted(p, host_listening(p), 1))
ATTACK(accepted_giant, accepted(p, host_listening(p), 0xffffffff))
ATTACK(accepted_nobody, accepted(p, host_connected(p), 1))
ATTACK(accepted_none, accepted(p, host_listening(p), 0))

/* ---- streams ----------------------------------------------------------------------------- */

static int data_unconnected(struct peer *p)
{
	return host_data(p, host_open(p, 0), 0, 10, 0);
}

ATTACK(data_on_listener, host_data(p, host_listening(p), 0, 10, 0))
ATTACK(data_gap, host_data(p, host_connected(p), 1, 10, 0))
ATTACK(data_minus_one, host_data(p, host_connected(p), ~0ULL, 10, 0))
ATTACK(data_nothing, host_data(p, host_connected(p), 0, 0, 0))

static int data_again(struct peer *p)
{
	u32 index = host_connected(p);

	return host_data(p, index, 0, 100, 0) ?: host_data(p, index, 0, 100, 0);
}

/*
 * The window opens as the target takes what was sent; but we take nothing of its echo, so there is
 * an end to that.
 */
static int data_beyond_window(struct peer *p)
{
	u32 index = host_connected(p);
	u64 pos;

	for (pos = 0; pos < BEYOND_ALL; pos += WIRE_MAX_PAYLOAD)
		if (host_data(p, index, pos, WIRE_MAX_PAYLOAD, 0))
			return -1;
	return 0;
}

static int data_one_beyond(struct peer *p)
{
	u32 index = host_connected(p);

	return host_data(p, index, 0, WIRE_INITIAL_WINDOW, 0) ?:
	       host_data(p, index, WIRE_INITIAL_WINDOW, 1, 0);
}

static int data_after_fin(struct peer *p)
{
	u32 index = host_connected(p);

	return host_data(p, index, 0, 10, WIRE_F_FIN) ?: host_data(p, index, 10, 10, 0);
}

static int fin_twice(struct peer *p)
{
	u32 index = host_connected(p);

	return host_data(p, index, 0, 0, WIRE_F_FIN) ?: host_data(p, index, 0, 0, WIRE_F_FIN);
}

static int window(struct peer *p, u32 index, __le64 limit, __le64 consumed)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_WINDOW, index, 1);
	msg.window = (struct wire_window){ limit, consumed };
	return index ? peer_say(p, &msg, 0) : -1;
}

static int windows_absurd(struct peer *p)
{
	u32 index = host_connected(p);

	return window(p, index, wire_word(2, 1 << 20), wire_word(2, 5)) ?:
	       window(p, index, wire_word(1, (1ULL << 47) - 1), 0) ?:
	       window(p, index, wire_word(1, 1), wire_word(1, 0)) ?:
	       window(p, index, wire_word(1, ~0ULL), wire_word(1, ~0ULL)) ?:
	       host_data(p, index, 0, 5000, 0) ?:
	       peer_write_word(p, index, wire_word(1, 1ULL << 46), 0) ?:
	       peer_write_word(p, index, 0, 0) ?:
	       peer_write_word(p, index, wire_word(7, 100), wire_word(7, 100));
}

/* What the host cannot have read. */
static int close_consumed(struct peer *p)
{
	u32 index = host_connected(p);
	struct wire_msg msg;

	wire_init(&msg, WIRE_CLOSE, index, 1);
	msg.close.consumed = cpu_to_le64(~0ULL);
	return index ? peer_say(p, &msg, 0) : -1;
}

static int close_lingering(struct peer *p)
{
	u32 index = host_connected(p);
	struct wire_msg msg;
	struct inbound in;

	wire_init(&msg, WIRE_CLOSE, index, 1);
	msg.hdr.flags = WIRE_F_ABORT | WIRE_F_LINGER;
	msg.close.linger_ms = cpu_to_le32(0xffffffff);
	if (!index || peer_say(p, &msg, 0) || !peer_find(p, WIRE_CLOSED, index, &in, HOST_MS))
		return -1;
	index = host_connected(p);
	wire_init(&msg, WIRE_CLOSE, index, 1);
	msg.hdr.flags = WIRE_F_LINGER;
	msg.close.linger_ms = cpu_to_le32(0xffffffff);
	return index ? peer_say(p, &msg, 0) : -1;
}

static int want(struct peer *p, u32 index, u64 limit)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_WANT_WINDOW, index, 1);
	msg.want.limit = cpu_to_le64(limit);
	return index ? peer_say(p, &msg, 0) : -1;
}

static int want_taken(struct peer *p, u32 index, u64 pos)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_WANT_TAKEN, index, 1);
	msg.taken.pos = cpu_to_le64(pos);
	return index ? peer_say(p, &msg, 0) : -1;
}

static int record(struct peer *p, u32 len, u8 flags)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_DATA, host_connected(p), 1);
	msg.hdr.flags = flags;
	msg.data.record = 21;
	return msg.hdr.index ? peer_say(p, &msg, len) : -1;
}

ATTACK(record_unencrypted, record(p, 100, WIRE_F_TELL))
ATTACK(record_of_nothing, record(p, 0, WIRE_F_FIN))
ATTACK(record_urgent, record(p, 100, WIRE_F_URGENT))

/* TLS, which nobody has allowed, answered or not, as it may or may not be. */
static int tls_options(struct peer *p)
{
	u32 index = host_connected(p), name, len;

	for (name = 0; name < 5; name++)
		for (len = 0; len <= WIRE_OPT_MAX; len++)
			if (option_bytes(p, index, 282, name, len) <= 0 ||
			    host_option(p, index, 282, name, 1, len, false))
				return -1;
	return 0;
}

ATTACK(want_taken_unconnected, want_taken(p, host_open(p, 0), 0))
ATTACK(want_taken_unsent, want_taken(p, host_connected(p), 1))

static int counter(struct peer *p, u32 index, u64 addr, u32 key, int times)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_COUNTER, index, 1);
	msg.counter.addr = cpu_to_le64(addr);
	msg.counter.key = cpu_to_le32(key);
	while (index && times--)
		if (peer_say(p, &msg, 0))
			return p->dead ? 0 : -1;
	return index ? 0 : -1;
}

ATTACK(counter_unconnected, counter(p, host_open(p, 0), 0, 1, 1))
ATTACK(counter_without_key, counter(p, host_connected(p), 0, 0, 1))
ATTACK(counter_askew, counter(p, host_connected(p), 4, 1, 1))
ATTACK(counter_twice, counter(p, host_connected(p), 0, 1, 2))

/* The node writes to what is not ours to give: the queue pair fails, and nothing else. */
static int counter_of_nobody(struct peer *p)
{
	u32 index = host_connected(p);

	return counter(p, index, 0xdead0000, 0x12345600, 1) ?:
	       host_data(p, index, 0, 1000, WIRE_F_COUNT);
}

static int recv_job(struct peer *p, u32 index, u64 pos, u32 flags, int times)
{
	struct wire_msg msg;
	int i;

	wire_init(&msg, WIRE_RECV_JOB, index, 1);
	msg.hdr.pos = cpu_to_le64(pos);
	msg.job.addr = cpu_to_le64(0xdead0000);
	msg.job.key = cpu_to_le32(0x12345600);
	msg.job.len = cpu_to_le32(WIRE_RECV_MAX);
	msg.job.flags = cpu_to_le32(flags);
	for (i = 0; index && i < times; i++) {
		msg.job.id = cpu_to_le32(i);
		if (peer_say(p, &msg, 0))
			return p->dead ? 0 : -1;
	}
	return index ? 0 : -1;
}

static int recv_cancel(struct peer *p, u32 index, u32 id)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_RECV_CANCEL, index, 1);
	msg.cancel.id = cpu_to_le32(id);
	return index ? peer_say(p, &msg, 0) : -1;
}

ATTACK(recv_job_unconnected, recv_job(p, host_open(p, 0), 0, 0, 1))
ATTACK(recv_job_on_listener, recv_job(p, host_listening(p), 0, 0, 1))
ATTACK(recv_job_ahead, recv_job(p, host_connected(p), 1, 0, 1))
ATTACK(recv_jobs_too_many, recv_job(p, host_connected(p), 0, WIRE_RECV_ALL, WIRE_RECV_JOBS + 1))
ATTACK(recv_cancel_nobody, recv_cancel(p, host_connected(p), 7))

/* Told to be over in any order, again and again: each is answered once. */
static int recv_jobs_cancelled(struct peer *p)
{
	u32 index = host_connected(p), i, j;
	struct inbound in;

	for (i = 0; i < 20; i++) {
		if (recv_job(p, index, 0, i % 4, WIRE_RECV_JOBS / 2))
			return -1;
		for (j = 0; j < WIRE_RECV_JOBS; j++)
			if (recv_cancel(p, index, (7 * j + i) % WIRE_RECV_JOBS))
				return -1;
		for (j = 0; j < WIRE_RECV_JOBS / 2; j++)
			if (!peer_find(p, WIRE_RECV_DONE, index, &in, HOST_MS) || in.msg.done.len)
				return -1;
	}
	return 0;
}

static int recv_jobs_closed(struct peer *p)
{
	u32 index = host_connected(p);

	return recv_job(p, index, 0, WIRE_RECV_NEXT, WIRE_RECV_JOBS) ?:
	       host_close(p, index);
}

static int want_taken_flood(struct peer *p)
{
	u32 index = host_connected(p), i;

	if (host_data(p, index, 0, 1000, WIRE_F_TELL))
		return -1;
	for (i = 0; i < 1000; i++)
		if (want_taken(p, index, i))
			return -1;
	return 0;
}

static int want_flood(struct peer *p)
{
	u32 index = host_connected(p), i;

	for (i = 0; i < 1000; i++)
		if (want(p, index, i % 3 ? i : ~0ULL))
			return -1;
	return 0;
}

/*
 * A window word of a life to come, written in another one before: the node must not believe it.
 * What comes back from the target is not more than the initial window, however much was sent.
 */
static int window_of_another_life(struct peer *p)
{
	u32 index = host_next_index(), sent = WIRE_INITIAL_WINDOW, got = 0;
	u64 end = now_ms() + HOST_MS;
	struct inbound in;
	struct wire_msg msg;

	wire_init(&msg, WIRE_OPEN, index, 2);
	if (peer_say(p, &msg, 0) || peer_write_word(p, index, wire_word(1, 1 << 20), 0))
		return -1;
	wire_init(&msg, WIRE_CLOSE, index, 2);
	if (peer_say(p, &msg, 0) || !peer_find(p, WIRE_CLOSED, index, &in, HOST_MS))
		return -1;
	if (!host_open(p, index) || host_request(p, WIRE_CONNECT, index, &in) ||
	    host_data(p, index, 0, sent, 0) || want(p, index, sent))
		return -1;
	while (now_ms() < end) {
		if (!peer_take(p, &in, 500)) {
			if (p->dead || got)
				break;
			continue;
		}
		if (in.msg.hdr.opcode == WIRE_DATA)
			got += in.len;
		if (in.msg.hdr.opcode != WIRE_WINDOW || sent > WIRE_INITIAL_WINDOW)
			continue;
		if (host_data(p, index, sent, WIRE_INITIAL_WINDOW, 0))
			return -1;
		sent += WIRE_INITIAL_WINDOW;
	}
	remark("%u bytes sent, %u came back", sent, got);
	return sent > WIRE_INITIAL_WINDOW && got <= WIRE_INITIAL_WINDOW ? 0 : -1;
}

static int want_unconnected(struct peer *p)
{
	return want(p, host_open(p, 0), 0) ?: want(p, host_listening(p), ~0ULL);
}

static int connect_many(struct peer *p)
{
	u32 i;

	for (i = 0; i < 20; i++) {
		u32 index = host_connected(p);

		if (host_data(p, index, 0, 3000, 0))
			return -1;
	}
	return 0;
}

static const struct attack attacks[] = {
	{ "OPEN in the node's half", open_their_half, WIRE_REASON_PROTOCOL },
	{ "OPEN of the last index", open_last, WIRE_REASON_PROTOCOL },
	{ "OPEN twice", open_twice, WIRE_REASON_PROTOCOL },
	{ "OPEN after CLOSE before CLOSED", reopen_at_once, EITHER },
	{ "heir of nobody", heir_of_nobody, WIRE_REASON_PROTOCOL },
	{ "heir of one of the node's half", heir_of_their_half, WIRE_REASON_PROTOCOL },
	{ "heir of one that cannot be", heir_out_of_reach, WIRE_REASON_PROTOCOL },
	{ "heir of a former life", heir_of_former_life, WIRE_REASON_PROTOCOL },
	{ "heir of none", heir_unnamed, WIRE_REASON_PROTOCOL },
	{ "heir of one that was closed", heir_after_close, WIRE_REASON_PROTOCOL },
	{ "two heirs of one", two_heirs, EITHER },
	{ "DATA of one that has an heir", data_after_heir, EITHER },
	{ "20 heirs, one after another", heirs_in_a_row, LIVES },
	{ "20 heirs at once", heirs_at_once, EITHER },
	{ "BIND of nobody", bind_unopened, WIRE_REASON_PROTOCOL },
	{ "DATA of nobody", data_unopened, WIRE_REASON_PROTOCOL },
	{ "CLOSE of nobody", close_unopened, WIRE_REASON_PROTOCOL },
	{ "WINDOW of nobody", window_unopened, WIRE_REASON_PROTOCOL },
	{ "WANT_WINDOW of no child", want_unopened, WIRE_REASON_PROTOCOL },
	{ "ACCEPTED of nobody", accepted_unopened, WIRE_REASON_PROTOCOL },
	{ "CLOSE twice", close_twice, WIRE_REASON_PROTOCOL },
	{ "CLOSE after CLOSED", close_again, WIRE_REASON_PROTOCOL },
	{ "DATA after CLOSE", data_after_close, WIRE_REASON_PROTOCOL },
	{ "other generations", other_generations, LIVES },
	{ "replayed lives", replayed_lives, LIVES },
	{ "every index of the host's half", all_indices, WIRE_REASON_PROTOCOL },
	{ "requests replayed", requests_again, LIVES },
	{ "60 requests of one endpoint at once", many_requests_at_once, EITHER },
	{ "200 answers not taken", answers_not_taken, LIVES },
	{ "options of all kinds", options, LIVES },
	{ "option of 65 bytes", option_too_long, WIRE_REASON_PROTOCOL },
	{ "names and rates of all sizes", option_sizes, LIVES },
	{ "names of modules", option_module, LIVES },
	{ "1000 options in the stream", option_flood, LIVES },
	{ "every option read", read_all, LIVES },
	{ "GETOPT with room for 1025 bytes", read_too_much, WIRE_REASON_PROTOCOL },
	{ "60 GETOPTs at once", read_flood, EITHER },
	{ "GETOPT of nobody", read_of_nobody, WIRE_REASON_PROTOCOL },
	{ "QUERY for nothing", bad_query, WIRE_REASON_PROTOCOL },
	{ "BIND to nothing", bind_nothing, WIRE_REASON_PROTOCOL },
	{ "BIND with an unknown flag", privileged_bind, WIRE_REASON_PROTOCOL },
	{ "addresses out of reach", out_of_reach, LIVES },
	{ "backlog of four billion", huge_backlog, LIVES },
	{ "ACCEPTED of no child", accepted_forged, WIRE_REASON_PROTOCOL },
	{ "ACCEPTED of four billion", accepted_giant, WIRE_REASON_PROTOCOL },
	{ "ACCEPTED of a connection", accepted_nobody, WIRE_REASON_PROTOCOL },
	{ "ACCEPTED of none", accepted_none, LIVES },
	{ "DATA unconnected", data_unconnected, WIRE_REASON_PROTOCOL },
	{ "DATA of a listener", data_on_listener, WIRE_REASON_PROTOCOL },
	{ "DATA with a gap", data_gap, WIRE_REASON_PROTOCOL },
	{ "DATA at -1", data_minus_one, WIRE_REASON_PROTOCOL },
	{ "DATA twice", data_again, WIRE_REASON_PROTOCOL },
	{ "DATA of nothing", data_nothing, WIRE_REASON_PROTOCOL },
	{ "DATA far beyond the window", data_beyond_window, WIRE_REASON_PROTOCOL },
	{ "DATA a byte beyond the window", data_one_beyond, EITHER },
	{ "DATA after FIN", data_after_fin, WIRE_REASON_PROTOCOL },
	{ "FIN twice", fin_twice, WIRE_REASON_PROTOCOL },
	{ "absurd windows", windows_absurd, LIVES },
	{ "window of another life", window_of_another_life, LIVES },
	{ "CLOSE that has read too much", close_consumed, WIRE_REASON_PROTOCOL },
	{ "CLOSE that lingers 49 days", close_lingering, LIVES },
	{ "1000 WANT_WINDOWs", want_flood, LIVES },
	{ "WANT_TAKEN before connected", want_taken_unconnected, WIRE_REASON_PROTOCOL },
	{ "WANT_TAKEN of what was not sent", want_taken_unsent, WIRE_REASON_PROTOCOL },
	{ "1000 WANT_TAKENs", want_taken_flood, LIVES },
	{ "COUNTER before connected", counter_unconnected, WIRE_REASON_PROTOCOL },
	{ "COUNTER without a key", counter_without_key, WIRE_REASON_PROTOCOL },
	{ "COUNTER at an odd place", counter_askew, WIRE_REASON_PROTOCOL },
	{ "COUNTER twice", counter_twice, WIRE_REASON_PROTOCOL },
	{ "COUNTER with a key of nobody", counter_of_nobody, DIES },
	{ "RECV_JOB before connected", recv_job_unconnected, WIRE_REASON_PROTOCOL },
	{ "RECV_JOB of a listener", recv_job_on_listener, WIRE_REASON_PROTOCOL },
	{ "RECV_JOB for what is not yet there", recv_job_ahead, WIRE_REASON_PROTOCOL },
	{ "a RECV_JOB too many", recv_jobs_too_many, WIRE_REASON_PROTOCOL },
	{ "RECV_CANCEL of no job", recv_cancel_nobody, LIVES },
	{ "TLS options without TLS", tls_options, LIVES },
	{ "DATA of a record, unencrypted", record_unencrypted, LIVES },
	{ "DATA of a record of nothing", record_of_nothing, DIES },
	{ "DATA of a record, urgent", record_urgent, DIES },
	{ "jobs cancelled in any order", recv_jobs_cancelled, LIVES },
	{ "CLOSE with jobs under way", recv_jobs_closed, LIVES },
	{ "WANT_WINDOW unconnected", want_unconnected, LIVES },
	{ "connections left alone", connect_many, LIVES },
};

/* ---- running them ------------------------------------------------------------------------ */

static void judge(struct session *s, const struct attack *a, int ret)
{
	struct peer *p = s->main, *w = s->witness;
	bool refused;

	if (ret == WRONG) {
		report(false, a->name, "went otherwise");
		return;
	}
	if (a->want == LIVES) {
		bool ok = !ret && !p->dead && host_works(p);

		report(ok, a->name, "%s", ok ? "lives" : ret ? "could not do it" : "died");
		return;
	}
	if (a->want == EITHER) {
		peer_pump(p, 200);
		report(p->dead || host_works(p) || p->dead, a->name, p->dead ? "died" : "lives");
		return;
	}
	if (ret && !p->dead) {
		report(false, a->name, "could not do it");
		return;
	}
	if (!peer_dies(p, PEER_PATIENCE) || !peer_dies(w, PEER_PATIENCE)) {
		report(false, a->name, "the session lives");
		return;
	}
	refused = a->want == REFUSED && peer_refused(p);
	report(a->want == REFUSED ? refused : a->want == DIES || w->goodbye == a->want, a->name,
	       "died: %s, %s", ibv_wc_status_str(p->failure),
	       w->goodbye < 0 ? "disconnected" : wire_reason_name(w->goodbye));
}

static void run(const struct attack *list, unsigned int n)
{
	struct session s = { NULL, NULL };
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!wanted(list[i].name))
			continue;
		if (!s.main && session_open(&s, 2)) {
			report(false, list[i].name, "the node takes no session");
			return;
		}
		judge(&s, &list[i], list[i].run(s.main));
		if (s.main->dead || list[i].want != LIVES) {
			session_close(&s);
			s.main = NULL;
		}
	}
	if (s.main)
		session_close(&s);
}

void attack_node(void)
{
	run(framing_attacks, nr_framing_attacks);
	run(attacks, ATTACKS(attacks));
	if (only)
		run(hoard_attacks, nr_hoard_attacks);
}
