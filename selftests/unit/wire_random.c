// SPDX-License-Identifier: GPL-2.0
/*
 * A million messages and as much private data, random and mutated from valid ones: wire.c and the
 * oracle must agree on each, and the checked bytes lie at the end of an allocation of their size,
 * so that the sanitizer sees a read beyond.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oracle.h"
#include "test.h"

static uint64_t state;

static uint64_t random64(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
	return random64() % n;
}

static void fill(void *data, size_t len)
{
	u8 *p = data;

	while (len--)
		*p++ = random64();
}

/* Values at which code goes wrong. */
static u8 edge(void)
{
	static const u8 edges[] = { 0, 1, 2, 4, 6, 7, 8, 0x0f, 0x10, 0x40, 0x7f, 0x80, 0xfe, 0xff };

	return edges[below(sizeof(edges))];
}

static void mutate(void *data, size_t len)
{
	u8 *p = data;
	unsigned int n = below(4);

	while (n--)
		p[below(len)] = below(2) ? edge() : random64();
}

static u32 make_message(struct wire_msg *msg)
{
	u32 len = 0;

	switch (below(8)) {
	case 0:
		fill(msg, sizeof(*msg));
		break;
	case 1:
		fill(msg, sizeof(*msg));
		msg->hdr.opcode = below(WIRE_OPCODE_END + 1);
		msg->hdr.flags &= below(256);
		msg->hdr.index = cpu_to_le32(below(3));
		len = below(3) ? 0 : below(WIRE_MAX_PAYLOAD + 3);
		msg->hdr.len = cpu_to_le32(len);
		break;
	default:
		make_valid(msg, &rules[below(nr_rules)]);
		if (!below(4) || (msg->hdr.opcode == WIRE_DATA && below(2)))
			len = below(WIRE_MAX_PAYLOAD + 3);
		msg->hdr.len = cpu_to_le32(len);
		mutate(msg, below(2) ? sizeof(msg->hdr) : sizeof(*msg));
	}
	switch (below(16)) {
	case 0:
		return random64();
	case 1:
		return below(WIRE_SLOT + 2);
	default:
		return WIRE_SLOT + len;
	}
}

/* Whatever the oracle says: nothing that passes may be out of these bounds. */
static void judge_accepted(const struct wire_msg *msg, u32 bytes, bool from_host)
{
	const struct rule *rule = rule_of(msg->hdr.opcode);
	u32 len = le32_to_cpu(msg->hdr.len);

	CHECK(rule);
	if (!rule)
		return;
	CHECK(from_host ? rule->host : rule->node);
	CHECK(bytes >= WIRE_SLOT && bytes <= WIRE_SLOT + WIRE_MAX_PAYLOAD);
	CHECK(len == bytes - WIRE_SLOT);
	CHECK(!len || msg->hdr.opcode == WIRE_DATA ||
	      (msg->hdr.opcode == WIRE_REPLY && len <= WIRE_OPT_READ));
	CHECK(!(msg->hdr.flags & ~rule->flags));
	CHECK(rule->endpoint == !!msg->hdr.index);
}

TEST(random_messages)
{
	struct wire_msg *msg = malloc(sizeof(*msg)), before, copy;
	unsigned long i, accepted = 0;

	state = random_seed;
	printf("# seed %llu, %lu messages\n", (unsigned long long)random_seed, random_count);
	for (i = 0; i < random_count && !test_failures(); i++) {
		u32 bytes = make_message(msg);
		bool from_host = below(2);
		int ret;

		before = *msg;
		ret = wire_check(msg, bytes, from_host);
		note("message %lu (%s, %u bytes, from the %s)", i,
		     wire_opcode_name(msg->hdr.opcode), bytes, from_host ? "host" : "node");
		CHECK(ret == 0 || ret == -EPROTO);
		EQ(ret == 0, oracle_message(msg, bytes, from_host));
		/* What is copied is all that is judged. */
		fill(&copy, sizeof(copy));
		wire_copy(&copy, msg);
		EQ(ret, wire_check(&copy, bytes, from_host));
		CHECK(!memcmp(&before, msg, sizeof(before)));
		if (ret)
			continue;
		accepted++;
		judge_accepted(msg, bytes, from_host);
	}
	free(msg);
	printf("# %lu accepted\n", accepted);
	/* The test is worth something if both happen often. */
	note("accepted %lu", accepted);
	if (i >= 10000)
		CHECK(accepted > i / 10 && accepted < i / 10 * 9);
}

static size_t make_private(u8 **data)
{
	union {
		struct wire_cm_req req;
		struct wire_cm_rep rep;
		struct wire_cm_rej rej;
		u8 bytes[200];
	} u;
	size_t len;

	memset(&u, 0, sizeof(u));
	switch (below(4)) {
	case 0:
		u.req = valid_req();
		len = sizeof(u.req);
		break;
	case 1:
		u.rep = valid_rep();
		len = sizeof(u.rep);
		break;
	case 2:
		u.rej = (struct wire_cm_rej){ .magic = cpu_to_le32(WIRE_MAGIC),
					      .version = cpu_to_le16(WIRE_VERSION),
					      .reason = cpu_to_le16(below(20)) };
		len = sizeof(u.rej);
		break;
	default:
		len = below(sizeof(u)) + 1;
		fill(&u, len);
	}
	mutate(&u, len);
	if (!below(8))
		len = below(sizeof(u)) + 1;
	*data = malloc(len);
	memcpy(*data, &u, len);
	return len;
}

TEST(random_private_data)
{
	unsigned long i, accepted = 0;
	struct wire_cm_req req;
	struct wire_cm_rep rep;

	state = random_seed + 1;
	for (i = 0; i < random_count && !test_failures(); i++) {
		u8 *data;
		size_t len = make_private(&data);
		int reason;

		note("private data %lu (%zu bytes)", i, len);
		EQ(wire_check_req(data, len, &req), oracle_req(data, len));
		EQ(wire_check_rep(data, len, &rep), oracle_rep(data, len));
		reason = wire_check_rej(data, len);
		EQ(reason, oracle_rej(data, len));
		CHECK(reason > WIRE_REASON_NONE && reason < WIRE_REASON_WIRE_END);
		accepted += !oracle_req(data, len) || !oracle_rep(data, len);
		free(data);
	}
	printf("# %lu accepted\n", accepted);
}

/* A reader's position never falls, and never moves by half a round at once. */
TEST(random_words)
{
	u64 cur = 0, next;
	unsigned long i;

	state = random_seed + 2;
	for (i = 0; i < random_count && !test_failures(); i++) {
		u16 gen = below(4), word_gen = below(4);
		u64 ahead = random64() >> below(64);
		u64 pos = below(2) ? cur + ahead : cur - ahead;

		next = wire_word_advance(wire_word(word_gen, pos), gen, cur);
		note("word %lu: from %llu to %llu", i, (unsigned long long)cur,
		     (unsigned long long)next);
		CHECK(next - cur < 1ULL << (WIRE_POS_BITS - 1));
		CHECK(word_gen == gen || next == cur);
		CHECK(next == cur || !((next ^ pos) & WIRE_POS_MASK));
		cur = below(100) ? next : random64() >> below(64);
	}
}
