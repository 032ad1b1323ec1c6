// SPDX-License-Identifier: GPL-2.0
/* wire_check(), what is common to all messages: opcode, direction, length, flags, index. */
#include "oracle.h"
#include "test.h"

/* From the side that may send it; both sides where both may. */
static void judge(const struct rule *rule, const struct wire_msg *msg, u32 bytes, bool good)
{
	int want = good ? 0 : -EPROTO;

	if (rule->host)
		EQ(wire_check(msg, bytes, true), want);
	if (rule->node)
		EQ(wire_check(msg, bytes, false), want);
}

TEST(every_opcode_has_a_rule)
{
	EQ(nr_rules, WIRE_OPCODE_END - 1);
	for (unsigned int i = 0; i < nr_rules; i++)
		EQ(rules[i].opcode, i + 1);
}

TEST(valid_forms_are_accepted)
{
	const struct rule *rule;
	struct wire_msg msg;

	for EACH_RULE(rule) {
		note("%s", rule->name);
		make_valid(&msg, rule);
		judge(rule, &msg, WIRE_SLOT, true);
	}
}

TEST(wrong_direction)
{
	const struct rule *rule;
	struct wire_msg msg;

	for EACH_RULE(rule) {
		note("%s", rule->name);
		make_valid(&msg, rule);
		EQ(wire_check(&msg, WIRE_SLOT, true), rule->host ? 0 : -EPROTO);
		EQ(wire_check(&msg, WIRE_SLOT, false), rule->node ? 0 : -EPROTO);
	}
}

TEST(unknown_opcodes)
{
	struct wire_msg msg;
	int op, endpoint;

	for (op = 0; op < 256; op++) {
		if (rule_of(op))
			continue;
		for (endpoint = 0; endpoint < 2; endpoint++) {
			note("opcode %d", op);
			wire_init(&msg, op, endpoint, 0);
			EQ(wire_check(&msg, WIRE_SLOT, true), -EPROTO);
			EQ(wire_check(&msg, WIRE_SLOT, false), -EPROTO);
		}
	}
}

TEST(too_short)
{
	const struct rule *rule;
	struct wire_msg msg;
	u32 bytes;

	for EACH_RULE(rule) {
		make_valid(&msg, rule);
		for (bytes = 0; bytes < WIRE_SLOT; bytes++) {
			note("%s of %u bytes", rule->name, bytes);
			msg.hdr.len = 0;
			judge(rule, &msg, bytes, false);
			msg.hdr.len = cpu_to_le32(bytes - WIRE_SLOT);
			judge(rule, &msg, bytes, false);
		}
	}
}

TEST(length_that_did_not_arrive)
{
	static const u32 len[] = { 1, 127, 128, WIRE_MAX_PAYLOAD, WIRE_MAX_PAYLOAD + 1,
				   0x7fffffff, 0x80000000, 0xffffff80, 0xffffffff };
	const struct rule *rule;
	struct wire_msg msg;
	unsigned int i;

	for EACH_RULE(rule) {
		make_valid(&msg, rule);
		for (i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
			note("%s that says %u", rule->name, len[i]);
			msg.hdr.len = cpu_to_le32(len[i]);
			judge(rule, &msg, WIRE_SLOT, false);
			judge(rule, &msg, WIRE_SLOT + len[i] - 1, false);
			judge(rule, &msg, WIRE_SLOT + len[i] + 1, false);
			msg.hdr.len = 0;
			note("%s with %u unsaid", rule->name, len[i]);
			judge(rule, &msg, WIRE_SLOT + len[i], false);
		}
	}
}

TEST(payload)
{
	static const u32 len[] = { 1, 2, WIRE_OPT_READ, WIRE_OPT_READ + 1, 4095, 4096, 4097,
				   WIRE_MAX_PAYLOAD - 1, WIRE_MAX_PAYLOAD };
	const struct rule *rule;
	struct wire_msg msg;
	unsigned int i;

	for EACH_RULE(rule) {
		make_valid(&msg, rule);
		for (i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
			note("%s with %u", rule->name, len[i]);
			msg.hdr.len = cpu_to_le32(len[i]);
			judge(rule, &msg, WIRE_SLOT + len[i],
			      rule->payload && (rule->opcode == WIRE_DATA ||
						len[i] <= WIRE_OPT_READ));
		}
		note("%s with too much", rule->name);
		msg.hdr.len = cpu_to_le32(WIRE_MAX_PAYLOAD + 1);
		judge(rule, &msg, WIRE_SLOT + WIRE_MAX_PAYLOAD + 1, false);
		msg.hdr.len = cpu_to_le32(0xffffffff - WIRE_SLOT);
		judge(rule, &msg, 0xffffffff, false);
	}
}

TEST(flags)
{
	const struct rule *rule;
	struct wire_msg msg;
	int flags;

	for EACH_RULE(rule) {
		make_valid(&msg, rule);
		/* what the last byte is needs a byte */
		if (rule->payload)
			msg.hdr.len = cpu_to_le32(1);
		for (flags = 0; flags < 256; flags++) {
			note("%s with flags %#x", rule->name, flags);
			msg.hdr.flags = flags;
			if (rule->host)
				EQ(wire_check(&msg, WIRE_SLOT + rule->payload, true),
				   flags & ~rule->flags ? -EPROTO : 0);
			if (rule->node)
				EQ(wire_check(&msg, WIRE_SLOT + rule->payload, false),
				   flags & ~rule->flags || flags & 0xe0 ? -EPROTO : 0);
		}
	}
}

TEST(urgent_is_a_byte)
{
	struct wire_msg msg;

	make_valid(&msg, rule_of(WIRE_DATA));
	msg.hdr.flags = WIRE_F_URGENT;
	EQ(wire_check(&msg, WIRE_SLOT, true), -EPROTO);
	msg.hdr.flags |= WIRE_F_FIN;
	EQ(wire_check(&msg, WIRE_SLOT, true), -EPROTO);
	msg.hdr.len = cpu_to_le32(1);
	EQ(wire_check(&msg, WIRE_SLOT + 1, true), 0);
}

TEST(index_zero_is_the_channel)
{
	static const u32 index[] = { 1, 2, 0xff, 0x100, 0xffff, 0x10000, 0x80000000, 0xffffffff };
	const struct rule *rule;
	struct wire_msg msg;
	unsigned int i;

	for EACH_RULE(rule) {
		make_valid(&msg, rule);
		note("%s about index 0", rule->name);
		msg.hdr.index = 0;
		judge(rule, &msg, WIRE_SLOT, !rule->endpoint);
		for (i = 0; i < sizeof(index) / sizeof(index[0]); i++) {
			note("%s about index %u", rule->name, index[i]);
			msg.hdr.index = cpu_to_le32(index[i]);
			judge(rule, &msg, WIRE_SLOT, rule->endpoint);
		}
	}
}

/* Grant, generation, number and position are judged where there is somebody to compare with. */
TEST(free_fields_of_the_header)
{
	const struct rule *rule;
	struct wire_msg msg;

	for EACH_RULE(rule) {
		note("%s", rule->name);
		make_valid(&msg, rule);
		msg.hdr.grant = cpu_to_le16(0xffff);
		msg.hdr.gen = cpu_to_le16(0xffff);
		msg.hdr.seq = cpu_to_le16(0xffff);
		msg.hdr.pos = cpu_to_le64(~0ULL);
		judge(rule, &msg, WIRE_SLOT, true);
	}
}

TEST(init)
{
	struct wire_msg msg, want;

	memset(&msg, 0xff, sizeof(msg));
	wire_init(&msg, WIRE_DATA, 0x01020304, 0x0506);
	memset(&want, 0, sizeof(want));
	memcpy(&want, (u8[]){ WIRE_DATA, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 6, 5 }, 14);
	CHECK(!memcmp(&msg, &want, sizeof(msg)));
}
