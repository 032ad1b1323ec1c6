// SPDX-License-Identifier: GPL-2.0
/* Names of opcodes and reasons: each has one, no two the same, any other value is "unknown". */
#include "oracle.h"
#include "test.h"

TEST(opcode_names)
{
	int op;

	for (op = 0; op < 256; op++) {
		note("opcode %d", op);
		CHECK(!strcmp(wire_opcode_name(op), rule_of(op) ? rule_of(op)->name : "unknown"));
	}
}

TEST(reason_names)
{
	static const unsigned int bad[] = { WIRE_REASON_END, 255, 256, 65536, 0x80000000,
					    0xffffffff };
	unsigned int i, j;

	for (i = 0; i < WIRE_REASON_END; i++) {
		note("reason %u", i);
		CHECK(strlen(wire_reason_name(i)) > 3);
		CHECK(strcmp(wire_reason_name(i), "unknown"));
		for (j = 0; j < i; j++)
			CHECK(strcmp(wire_reason_name(i), wire_reason_name(j)));
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		note("reason %u", bad[i]);
		CHECK(!strcmp(wire_reason_name(bad[i]), "unknown"));
	}
}
