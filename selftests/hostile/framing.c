// SPDX-License-Identifier: GPL-2.0
/* Attacks below the meaning of messages: lengths, opcodes, work requests, the window table. */
#include "attack.h"

/* A message that is right from this side and about nothing. */
static void harmless(struct wire_msg *msg)
{
	wire_init(msg, WIRE_CREDIT, 0, 0);
}

static int of_bytes(struct peer *p, u32 bytes, u32 len)
{
	struct wire_msg msg;

	harmless(&msg);
	msg.hdr.len = cpu_to_le32(len);
	return peer_raw_msg(p, &msg, bytes);
}

ATTACK(empty, of_bytes(p, 0, 0))
ATTACK(one_byte, of_bytes(p, 1, 0))
ATTACK(short_by_one, of_bytes(p, WIRE_SLOT - 1, 0))
ATTACK(short_wrapped, of_bytes(p, WIRE_SLOT - 1, 0xffffffff))
ATTACK(unsaid, of_bytes(p, WIRE_SLOT + 1, 0))
ATTACK(unsent, of_bytes(p, WIRE_SLOT, 1))
ATTACK(giant, of_bytes(p, WIRE_SLOT, 0xffffffff))
ATTACK(payload, of_bytes(p, WIRE_SLOT + 1, 1))
static int full_payload(struct peer *p)
{
	return of_bytes(p, WIRE_SLOT + WIRE_MAX_PAYLOAD, WIRE_MAX_PAYLOAD);
}

static int too_long(struct peer *p)
{
	return of_bytes(p, WIRE_SLOT + WIRE_MAX_PAYLOAD + 1, WIRE_MAX_PAYLOAD + 1);
}

static int opcode(struct peer *p, u8 op, u32 index)
{
	struct wire_msg msg;

	wire_init(&msg, op, index, 1);
	return peer_raw_msg(p, &msg, WIRE_SLOT);
}

ATTACK(opcode_0, opcode(p, 0, 0))
ATTACK(opcode_end, opcode(p, WIRE_OPCODE_END, 1))
ATTACK(opcode_255, opcode(p, 255, 1))
ATTACK(credit_of_endpoint, opcode(p, WIRE_CREDIT, 1))
ATTACK(data_of_channel, opcode(p, WIRE_DATA, 0))
ATTACK(beyond_table, opcode(p, WIRE_WINDOW, p->slots))
ATTACK(far_beyond_table, opcode(p, WIRE_WINDOW, 0xffffffff))

/* What the other side says. */
static int wrong(struct peer *p, u8 if_host, u8 if_node)
{
	struct wire_msg msg;

	wire_init(&msg, p->as_host ? if_host : if_node, p->as_host ? p->slots / 2 : 1, 1);
	msg.reset.error = cpu_to_le32(1);
	return peer_raw_msg(p, &msg, WIRE_SLOT);
}

ATTACK(wrong_way_1, wrong(p, WIRE_REPLY, WIRE_OPEN))
ATTACK(wrong_way_2, wrong(p, WIRE_RESET, WIRE_LISTEN))
ATTACK(wrong_way_3, wrong(p, WIRE_CLOSED, WIRE_CLOSE))
ATTACK(wrong_way_4, wrong(p, WIRE_NEW_CONNECTION, WIRE_SETOPT))

static int flags(struct peer *p)
{
	struct wire_msg msg;

	harmless(&msg);
	msg.hdr.flags = 0x80;
	return peer_raw_msg(p, &msg, WIRE_SLOT);
}

static int with(struct peer *p, enum ibv_wr_opcode op, u64 addr, u32 key, u32 len)
{
	struct wire_msg msg;

	harmless(&msg);
	return peer_raw(p, &(struct shot){ op, &msg, len, addr, key });
}

static u64 table_end(struct peer *p)
{
	/* The region ends with the page. */
	u64 bytes = p->slots * sizeof(struct wire_window);

	return p->peer_addr + (bytes + WIRE_PAGE - 1) / WIRE_PAGE * WIRE_PAGE;
}

ATTACK(send_imm, with(p, IBV_WR_SEND_WITH_IMM, 0, 7, WIRE_SLOT))
static int write_imm(struct peer *p)
{
	return with(p, IBV_WR_RDMA_WRITE_WITH_IMM, p->peer_addr, p->peer_key, 16);
}

static int write_imm_empty(struct peer *p)
{
	return with(p, IBV_WR_RDMA_WRITE_WITH_IMM, 0, 0, 0);
}

static int send_inv_table(struct peer *p)
{
	return with(p, IBV_WR_SEND_WITH_INV, 0, p->peer_key, WIRE_SLOT);
}

static int send_inv_other(struct peer *p)
{
	return with(p, IBV_WR_SEND_WITH_INV, 0, p->peer_key ^ 0x100, WIRE_SLOT);
}

static int read_table(struct peer *p)
{
	return with(p, IBV_WR_RDMA_READ, p->peer_addr, p->peer_key, 16);
}

static int atomic(struct peer *p)
{
	return with(p, IBV_WR_ATOMIC_FETCH_AND_ADD, p->peer_addr, p->peer_key, 8);
}

static int write_before(struct peer *p)
{
	return with(p, IBV_WR_RDMA_WRITE, p->peer_addr - 16, p->peer_key, 16);
}

static int write_after(struct peer *p)
{
	return with(p, IBV_WR_RDMA_WRITE, table_end(p), p->peer_key, 16);
}

static int write_across(struct peer *p)
{
	return with(p, IBV_WR_RDMA_WRITE, table_end(p) - 8, p->peer_key, 16);
}

static int write_wrapped(struct peer *p)
{
	return with(p, IBV_WR_RDMA_WRITE, ~0ULL - 7, p->peer_key, 16);
}

static int write_key(struct peer *p)
{
	return with(p, IBV_WR_RDMA_WRITE, p->peer_addr, p->peer_key + 1, 16);
}

/* Every word of the table but the heartbeat's, at odd addresses and lengths, too. */
static int write_garbage(struct peer *p)
{
	u8 garbage[4096];
	u64 at, end = p->peer_addr + p->slots * sizeof(struct wire_window);
	unsigned int i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < sizeof(garbage); i++)
			garbage[i] = round == 0 ? 0xff : i * 37 + round;
		for (at = p->peer_addr + 16; at < end; at += sizeof(garbage)) {
			u32 len = end - at < sizeof(garbage) ? end - at : sizeof(garbage);
			struct shot shot = { IBV_WR_RDMA_WRITE, garbage, len, at, p->peer_key };

			if (peer_raw(p, &shot))
				return -1;
		}
	}
	return peer_raw(p, &(struct shot){ IBV_WR_RDMA_WRITE, garbage, 3, p->peer_addr + 21,
					   p->peer_key });
}

static int second_hello(struct peer *p)
{
	struct wire_msg msg;

	peer_make_hello(p, &msg);
	return peer_raw_msg(p, &msg, WIRE_SLOT);
}

static int grant(struct peer *p, u16 credits, unsigned int times)
{
	struct wire_msg msg;

	harmless(&msg);
	msg.hdr.grant = cpu_to_le16(credits);
	while (times--)
		if (peer_raw_msg(p, &msg, WIRE_SLOT))
			return -1;
	return 0;
}

ATTACK(grant_too_much, grant(p, 0xffff, 1))
ATTACK(grant_creeping, grant(p, 1000, 9))

/* More messages than there are receive requests: the transport holds them back. */
ATTACK(no_credits, grant(p, 0, 1500))

static int goodbye(struct peer *p, u32 reason)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_GOODBYE, 0, 0);
	msg.goodbye.reason = cpu_to_le32(reason);
	return peer_raw_msg(p, &msg, WIRE_SLOT);
}

ATTACK(goodbye_0, goodbye(p, WIRE_REASON_NONE))
ATTACK(goodbye_end, goodbye(p, WIRE_REASON_WIRE_END))
ATTACK(goodbye_max, goodbye(p, 0xffffffff))
static int goodbye_twice(struct peer *p)
{
	return goodbye(p, WIRE_REASON_SECRET) ?: goodbye(p, WIRE_REASON_ADMIN);
}

static int silence(struct peer *p)
{
	p->silent = true;
	return 0;
}

static int beats_of_another_generation(struct peer *p)
{
	unsigned int i;

	p->silent = true;
	for (i = 1; i < 20 && !p->dead; i++) {
		peer_write_word(p, 0, wire_word(2, p->beat + i), 0);
		peer_pump(p, 10);
	}
	return 0;
}

const struct attack framing_attacks[] = {
	{ "message of 0 bytes", empty, WIRE_REASON_PROTOCOL },
	{ "message of 1 byte", one_byte, WIRE_REASON_PROTOCOL },
	{ "message a byte too short", short_by_one, WIRE_REASON_PROTOCOL },
	{ "short message that says -1", short_wrapped, WIRE_REASON_PROTOCOL },
	{ "payload it does not say", unsaid, WIRE_REASON_PROTOCOL },
	{ "payload it does not have", unsent, WIRE_REASON_PROTOCOL },
	{ "payload of 4 GiB", giant, WIRE_REASON_PROTOCOL },
	{ "payload of CREDIT", payload, WIRE_REASON_PROTOCOL },
	{ "16 KiB of payload of CREDIT", full_payload, WIRE_REASON_PROTOCOL },
	{ "message a byte too long", too_long, DIES },
	{ "opcode 0", opcode_0, WIRE_REASON_PROTOCOL },
	{ "first unknown opcode", opcode_end, WIRE_REASON_PROTOCOL },
	{ "opcode 255", opcode_255, WIRE_REASON_PROTOCOL },
	{ "CREDIT of an endpoint", credit_of_endpoint, WIRE_REASON_PROTOCOL },
	{ "DATA of the channel", data_of_channel, WIRE_REASON_PROTOCOL },
	{ "index just beyond the table", beyond_table, WIRE_REASON_PROTOCOL },
	{ "largest index", far_beyond_table, WIRE_REASON_PROTOCOL },
	{ "wrong direction, REPLY or OPEN", wrong_way_1, WIRE_REASON_PROTOCOL },
	{ "wrong direction, RESET or LISTEN", wrong_way_2, WIRE_REASON_PROTOCOL },
	{ "wrong direction, CLOSED or CLOSE", wrong_way_3, WIRE_REASON_PROTOCOL },
	{ "wrong direction, NEW_CONNECTION or SETOPT", wrong_way_4, WIRE_REASON_PROTOCOL },
	{ "unknown flag", flags, WIRE_REASON_PROTOCOL },
	{ "send with immediate", send_imm, WIRE_REASON_PROTOCOL },
	{ "write with immediate", write_imm, WIRE_REASON_PROTOCOL },
	{ "empty write with immediate", write_imm_empty, WIRE_REASON_PROTOCOL },
	{ "send that invalidates the table", send_inv_table, DIES },
	{ "send that invalidates another key", send_inv_other, DIES },
	{ "read of the table", read_table, REFUSED },
	{ "atomic in the table", atomic, REFUSED },
	{ "write before the table", write_before, REFUSED },
	{ "write after the table", write_after, REFUSED },
	{ "write across the table's end", write_across, REFUSED },
	{ "write across the end of memory", write_wrapped, DIES },
	{ "write with another key", write_key, REFUSED },
	{ "garbage all over the table", write_garbage, LIVES },
	{ "second HELLO", second_hello, WIRE_REASON_PROTOCOL },
	{ "grant of 65535", grant_too_much, WIRE_REASON_PROTOCOL },
	{ "grants beyond 8192 in all", grant_creeping, WIRE_REASON_PROTOCOL },
	{ "1500 messages without credits", no_credits, LIVES },
	{ "GOODBYE without reason", goodbye_0, DIES },
	{ "GOODBYE with the first unknown reason", goodbye_end, DIES },
	{ "GOODBYE with the largest reason", goodbye_max, DIES },
	{ "two GOODBYEs", goodbye_twice, DIES },
	{ "no heartbeat", silence, DIES },
	{ "heartbeat of another generation", beats_of_another_generation, DIES },
};

const unsigned int nr_framing_attacks = ATTACKS(framing_attacks);
