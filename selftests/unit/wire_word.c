// SPDX-License-Identifier: GPL-2.0
/* Window words: 16 bits of generation, 48 of position, which wraps; late and foreign ones. */
#include "oracle.h"
#include "test.h"

#define HALF	(1ULL << (WIRE_POS_BITS - 1))
#define WRAP	(1ULL << WIRE_POS_BITS)

TEST(word_layout)
{
	EQ(le64_to_cpu(wire_word(0, 0)), 0);
	EQ(le64_to_cpu(wire_word(0x1234, 0x56789abcdef0)), 0x123456789abcdef0);
	EQ(le64_to_cpu(wire_word(0xffff, WIRE_POS_MASK)), ~0ULL);
	/* Only the low 48 bits of a position travel. */
	EQ(le64_to_cpu(wire_word(1, WRAP)), 1ULL << 48);
	EQ(le64_to_cpu(wire_word(1, 0xabcd000000000007)), (1ULL << 48) + 7);
}

TEST(word_advances)
{
	EQ(wire_word_advance(wire_word(1, 0), 1, 0), 0);
	EQ(wire_word_advance(wire_word(1, 1), 1, 0), 1);
	EQ(wire_word_advance(wire_word(1, 16384), 1, 16384), 16384);
	EQ(wire_word_advance(wire_word(1, 16385), 1, 16384), 16385);
	EQ(wire_word_advance(wire_word(0xffff, 5), 0xffff, 0), 5);
	EQ(wire_word_advance(wire_word(0, 5), 0, 0), 5);
}

TEST(word_of_another_generation)
{
	unsigned int gen;

	for (gen = 0; gen < 0x10000; gen++) {
		note("generation %u", gen);
		EQ(wire_word_advance(wire_word(gen, 100), 7, 10), gen == 7 ? 100 : 10);
	}
}

TEST(word_that_comes_late)
{
	u64 cur = 1000000, back;

	for (back = 1; back < HALF; back = back * 3 + 1) {
		note("%llu back", (unsigned long long)back);
		EQ(wire_word_advance(wire_word(1, cur - back), 1, cur), cur);
	}
	/* In whatever order they come, the largest wins. */
	cur = 0;
	cur = wire_word_advance(wire_word(1, 300), 1, cur);
	cur = wire_word_advance(wire_word(1, 100), 1, cur);
	cur = wire_word_advance(wire_word(1, 200), 1, cur);
	EQ(cur, 300);
}

TEST(word_wraps)
{
	u64 cur = WRAP - 10;

	EQ(wire_word_advance(wire_word(1, WRAP - 1), 1, cur), WRAP - 1);
	EQ(wire_word_advance(wire_word(1, WRAP), 1, cur), WRAP);
	EQ(wire_word_advance(wire_word(1, WRAP + 5), 1, cur), WRAP + 5);
	/* late across the wrap */
	EQ(wire_word_advance(wire_word(1, WRAP - 1), 1, WRAP + 5), WRAP + 5);
	/* the second and the last time round */
	EQ(wire_word_advance(wire_word(1, 2 * WRAP + 3), 1, 2 * WRAP - 3), 2 * WRAP + 3);
	EQ(wire_word_advance(wire_word(1, 4), 1, 0xffffULL << 48), (0xffffULL << 48) + 4);
}

TEST(word_half_way_round)
{
	u64 cur;

	for (cur = 0; cur < 4 * WRAP; cur = cur * 5 + 12345) {
		note("at %llu", (unsigned long long)cur);
		EQ(wire_word_advance(wire_word(1, cur + HALF - 1), 1, cur), cur + HALF - 1);
		EQ(wire_word_advance(wire_word(1, cur + HALF), 1, cur), cur);
		EQ(wire_word_advance(wire_word(1, cur + HALF + 1), 1, cur), cur);
		EQ(wire_word_advance(wire_word(1, cur + WRAP - 1), 1, cur), cur);
	}
}
