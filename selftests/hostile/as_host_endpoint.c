// SPDX-License-Identifier: GPL-2.0
/* Attacks of a host on a node: lives of endpoints, and of their heirs. */
#include "attack.h"

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

const struct attack endpoint_attacks[] = {
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
};

const unsigned int nr_endpoint_attacks = ATTACKS(endpoint_attacks);
