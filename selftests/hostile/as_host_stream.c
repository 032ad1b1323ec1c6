// SPDX-License-Identifier: GPL-2.0
/* Attacks of a host on a node: data, windows, and the ends of streams. */
#include "attack.h"

#define BEYOND_ALL	(64U << 20)	/* bytes: more than all buffers on the way */

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

static int nodelay(struct peer *p, u32 len, u8 value)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_DATA, host_connected(p), 1);
	msg.hdr.flags = len ? 0 : WIRE_F_FIN;
	msg.data.nodelay = value;
	return msg.hdr.index ? peer_say(p, &msg, len) : -1;
}

ATTACK(nodelay_with_payload, nodelay(p, 100, 1))
ATTACK(nodelay_of_nothing, nodelay(p, 0, 1))
ATTACK(nodelay_twice, nodelay(p, 100, 2))

ATTACK(want_taken_unconnected, want_taken(p, host_open(p, 0), 0))
ATTACK(want_taken_unsent, want_taken(p, host_connected(p), 1))

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

const struct attack stream_attacks[] = {
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
	{ "DATA of a record, unencrypted", record_unencrypted, LIVES },
	{ "DATA of a record of nothing", record_of_nothing, DIES },
	{ "DATA of a record, urgent", record_urgent, DIES },
	{ "DATA with TCP_NODELAY", nodelay_with_payload, LIVES },
	{ "DATA with TCP_NODELAY and nothing else", nodelay_of_nothing, DIES },
	{ "DATA with TCP_NODELAY of 2", nodelay_twice, DIES },
	{ "WANT_WINDOW unconnected", want_unconnected, LIVES },
	{ "connections left alone", connect_many, LIVES },
};

const unsigned int nr_stream_attacks = ATTACKS(stream_attacks);
