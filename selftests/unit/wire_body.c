// SPDX-License-Identifier: GPL-2.0
/* wire_check(), the bodies: each field that has a bound, at the bound and beyond. */
#include "oracle.h"
#include "test.h"

static struct wire_msg msg;

static void start(enum wire_opcode opcode)
{
	make_valid(&msg, rule_of(opcode));
}

static void judge(bool good)
{
	EQ(wire_check(&msg, WIRE_SLOT, rule_of(msg.hdr.opcode)->host), good ? 0 : -EPROTO);
}

/* An address inside of the message: families, and what an IPv4 address leaves unused. */
static void judge_addr(struct wire_addr *addr, bool may_be_none)
{
	struct wire_addr before = *addr;
	unsigned int family, i;

	for (family = 0; family < 0x10000; family++) {
		note("%s, family %u", wire_opcode_name(msg.hdr.opcode), family);
		memset(addr, 0, sizeof(*addr));
		addr->family = cpu_to_le16(family);
		judge(family == 4 || family == 6 || (!family && may_be_none));
	}
	for (i = 0; i < sizeof(addr->addr); i++) {
		note("%s, IPv4 with byte %u", wire_opcode_name(msg.hdr.opcode), i);
		memset(addr, 0, sizeof(*addr));
		addr->family = cpu_to_le16(4);
		addr->port = 0xffff;
		addr->scope = cpu_to_le32(0xffffffff);
		addr->addr[i] = 1;
		judge(i < 4);
	}
	note("%s, IPv6", wire_opcode_name(msg.hdr.opcode));
	memset(addr, 0xff, sizeof(*addr));
	addr->family = cpu_to_le16(6);
	judge(true);
	*addr = before;
	note("%s", wire_opcode_name(msg.hdr.opcode));
	judge(true);
}

static void judge_errno(__le32 *error, bool may_be_zero)
{
	static const u32 bad[] = { 4096, 65535, 65536, 0x7fffffff, 0x80000000, 0xfffff001,
				   0xffffffff };
	u32 i;

	for (i = 0; i <= 4095; i++) {
		note("%s, error %u", wire_opcode_name(msg.hdr.opcode), i);
		*error = cpu_to_le32(i);
		judge(i || may_be_zero);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		note("%s, error %u", wire_opcode_name(msg.hdr.opcode), bad[i]);
		*error = cpu_to_le32(bad[i]);
		judge(false);
	}
	*error = cpu_to_le32(1);
}

static void judge_bits(__le32 *flags, u32 known)
{
	int bit;

	for (bit = 0; bit < 32; bit++) {
		note("%s, flag %#x", wire_opcode_name(msg.hdr.opcode), 1U << bit);
		*flags = cpu_to_le32(1U << bit);
		judge(known & 1U << bit);
	}
	*flags = cpu_to_le32(known);
	judge(true);
}

/* Every byte of these bodies may be anything: hello, goodbye and windows are judged elsewhere. */
TEST(bodies_without_bounds)
{
	static const u8 opcodes[] = { WIRE_HELLO, WIRE_GOODBYE, WIRE_CREDIT, WIRE_LISTEN,
				      WIRE_ACCEPTED, WIRE_CLOSE, WIRE_WINDOW,
				      WIRE_WANT_WINDOW, WIRE_WANT_TAKEN, WIRE_RECV_CANCEL };
	unsigned int i;

	for (i = 0; i < sizeof(opcodes); i++) {
		note("%s", wire_opcode_name(opcodes[i]));
		start(opcodes[i]);
		memset(msg.body, 0xff, sizeof(msg.body));
		judge(true);
	}
}

static void judge_recv_job(u64 addr, u32 len, bool good)
{
	note("job of %u bytes at %#llx", len, (unsigned long long)addr);
	msg.job.addr = cpu_to_le64(addr);
	msg.job.len = cpu_to_le32(len);
	judge(good);
}

TEST(recv_job)
{
	start(WIRE_RECV_JOB);
	msg.job.key = cpu_to_le32(0xffffffff);
	msg.job.id = cpu_to_le32(0xffffffff);
	judge_recv_job(0, 0, false);
	judge_recv_job(0, 1, true);
	judge_recv_job(0, 1U << 30, true);
	judge_recv_job(0, (1U << 30) + 1, false);
	judge_recv_job(0, 0xffffffff, false);
	judge_recv_job(0xffffffffffffffff, 1, false);
	judge_recv_job(0xfffffffffffffffe, 1, true);
	judge_recv_job(0xffffffffc0000000, 1U << 30, false);
	judge_recv_job(0xffffffffbfffffff, 1U << 30, true);
	judge_bits(&msg.job.flags, 3);
}

TEST(recv_done)
{
	start(WIRE_RECV_DONE);
	msg.done.id = cpu_to_le32(0xffffffff);
	msg.done.len = cpu_to_le32(1U << 30);
	judge(true);
	msg.done.len = cpu_to_le32((1U << 30) + 1);
	judge(false);
}

TEST(open)
{
	int bit;

	start(WIRE_OPEN);
	msg.open.uid = cpu_to_le32(0xffffffff);
	msg.open.flags = cpu_to_le32(WIRE_OPEN_V6ONLY);
	judge(false);
	msg.open.flags = cpu_to_le32(WIRE_OPEN_V6ONLY | WIRE_OPEN_V6);
	judge(true);
	for (bit = 3; bit < 32; bit++) {
		note("flag %#x", 1U << bit);
		msg.open.flags = cpu_to_le32(1U << bit | WIRE_OPEN_V6);
		judge(false);
	}
	/* an heir is somebody's, and nobody else names one */
	msg.open.from = cpu_to_le32(1);
	msg.open.from_gen = cpu_to_le16(0xffff);
	msg.open.flags = cpu_to_le32(WIRE_OPEN_V6);
	judge(false);
	msg.open.flags = cpu_to_le32(WIRE_OPEN_V6 | WIRE_OPEN_HEIR);
	judge(true);
	msg.open.flags = cpu_to_le32(WIRE_OPEN_HEIR);
	judge(true);
	msg.open.flags = cpu_to_le32(WIRE_OPEN_V6ONLY | WIRE_OPEN_HEIR);
	judge(false);
	msg.open.flags = cpu_to_le32(WIRE_OPEN_HEIR);
	msg.open.from = 0;
	judge(false);
}

TEST(bind)
{
	start(WIRE_BIND);
	judge_bits(&msg.bind.flags, WIRE_BIND_PRIVILEGED);
	judge_addr(&msg.bind.addr, false);
}

TEST(connect)
{
	start(WIRE_CONNECT);
	/* The node answers for an address that says nothing. */
	judge_addr(&msg.connect.addr, true);
}

TEST(setopt)
{
	static const u32 bad[] = { WIRE_OPT_MAX + 1, 128, 0x10000, 0x80000000, 0xffffffff };
	u32 i;

	start(WIRE_SETOPT);
	msg.setopt.level = cpu_to_le32(0xffffffff);
	msg.setopt.name = cpu_to_le32(0xffffffff);
	for (i = 0; i <= WIRE_OPT_MAX; i++) {
		note("%u bytes", i);
		msg.setopt.len = cpu_to_le32(i);
		judge(true);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		note("%u bytes", bad[i]);
		msg.setopt.len = cpu_to_le32(bad[i]);
		judge(false);
	}
	msg.setopt.len = cpu_to_le32(4);
	judge_bits(&msg.setopt.flags, WIRE_SETOPT_VOUCHED);
}

TEST(getopt)
{
	static const u32 bad[] = { WIRE_OPT_READ + 1, 0x10000, 0x80000000, 0xffffffff };
	u32 i;

	start(WIRE_GETOPT);
	msg.getopt.level = cpu_to_le32(0xffffffff);
	msg.getopt.name = cpu_to_le32(0xffffffff);
	msg.getopt.reserved = cpu_to_le32(0xffffffff);
	for (i = 0; i <= WIRE_OPT_READ; i++) {
		note("room for %u bytes", i);
		msg.getopt.room = cpu_to_le32(i);
		judge(true);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		note("room for %u bytes", bad[i]);
		msg.getopt.room = cpu_to_le32(bad[i]);
		judge(false);
	}
}

/* Payload is an option that was read: not too long, and none of what failed. */
TEST(reply_with_payload)
{
	u32 len;

	for (len = 0; len <= WIRE_MAX_PAYLOAD; len++) {
		note("%u bytes", len);
		start(WIRE_REPLY);
		msg.hdr.len = cpu_to_le32(len);
		msg.reply.error = 0;
		EQ(wire_check(&msg, WIRE_SLOT + len, false), len <= WIRE_OPT_READ ? 0 : -EPROTO);
		msg.reply.error = cpu_to_le32(ENOPROTOOPT);
		EQ(wire_check(&msg, WIRE_SLOT + len, false), len ? -EPROTO : 0);
	}
}

TEST(query)
{
	static const u32 bad[] = { 0, WIRE_QUERY_END, 3, 0x100, 0x10000, 0x1000000, 0xffffffff };
	unsigned int i;

	start(WIRE_QUERY);
	judge(true);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		note("%u", bad[i]);
		msg.ask.what = cpu_to_le32(bad[i]);
		judge(false);
	}
}

TEST(reply)
{
	start(WIRE_REPLY);
	msg.reply.value = cpu_to_le64(~0ULL);
	judge_errno(&msg.reply.error, true);
	judge_addr(&msg.reply.local, true);
	judge_addr(&msg.reply.peer, true);
}

TEST(new_connection)
{
	unsigned int channel;

	start(WIRE_NEW_CONNECTION);
	for (channel = 0; channel < 0x10000; channel++) {
		note("channel %u", channel);
		msg.conn.listener_channel = cpu_to_le16(channel);
		judge(channel < WIRE_MAX_CHANNELS);
	}
	msg.conn.listener_channel = 0;
	msg.conn.listener = cpu_to_le32(0xffffffff);
	msg.conn.listener_gen = cpu_to_le16(0xffff);
	judge_addr(&msg.conn.local, false);
	judge_addr(&msg.conn.peer, false);
}

TEST(reset)
{
	start(WIRE_RESET);
	msg.reset.end = cpu_to_le64(~0ULL);
	judge_errno(&msg.reset.error, false);
}

TEST(urgent)
{
	unsigned int valid;

	start(WIRE_URGENT);
	msg.hdr.pos = cpu_to_le64(~0ULL);
	msg.urgent.byte = 0xff;
	for (valid = 0; valid < 256; valid++) {
		msg.urgent.valid = valid;
		judge(valid <= 1);
	}
}

/* A record has bytes, and no urgent one. */
TEST(record)
{
	unsigned int type;

	start(WIRE_DATA);
	for (type = 0; type < 256; type++) {
		msg.data.record = type;
		judge(!type);
	}
}

/* An option has bytes it comes before, and is on. */
TEST(nodelay)
{
	unsigned int value;

	start(WIRE_DATA);
	for (value = 0; value < 256; value++) {
		msg.data.nodelay = value;
		judge(!value);
	}
	msg.hdr.len = cpu_to_le32(10);
	for (value = 0; value < 256; value++) {
		msg.data.nodelay = value;
		EQ(wire_check(&msg, WIRE_SLOT + 10, true), value <= 1 ? 0 : -EPROTO);
		EQ(wire_check(&msg, WIRE_SLOT + 10, false), !value ? 0 : -EPROTO);
	}
}

/* A host's, with what makes the node write it, and with a key. */
TEST(counter)
{
	u64 addr;

	start(WIRE_DATA);
	msg.data.key = cpu_to_le32(0xffffffff);
	for (addr = 0; addr < 16; addr++) {
		note("counter at %d", (int)addr);
		msg.data.addr = cpu_to_le64(0xfffffffffffffff0 | addr);
		msg.hdr.flags = 0;
		judge(false);
		msg.hdr.flags = WIRE_F_COUNT;
		EQ(wire_check(&msg, WIRE_SLOT, true), addr % 8 == 0 ? 0 : -EPROTO);
		EQ(wire_check(&msg, WIRE_SLOT, false), -EPROTO);
	}
	note("counter without a key");
	msg.data.key = 0;
	msg.data.addr = cpu_to_le64(8);
	EQ(wire_check(&msg, WIRE_SLOT, true), -EPROTO);
}

TEST(closed)
{
	start(WIRE_CLOSED);
	judge_errno(&msg.closed.error, true);
}

TEST(address)
{
	struct wire_addr addr = { .family = 0 };

	memset(addr.addr, 0xff, sizeof(addr.addr));
	EQ(wire_check_addr(&addr), 0);
	addr.family = cpu_to_le16(6);
	EQ(wire_check_addr(&addr), 0);
	addr.family = cpu_to_le16(4);
	EQ(wire_check_addr(&addr), -EPROTO);
	memset(addr.addr + 4, 0, 12);
	EQ(wire_check_addr(&addr), 0);
	addr.family = cpu_to_le16(4 << 8);
	EQ(wire_check_addr(&addr), -EPROTO);
	addr.family = cpu_to_le16(10);	/* AF_INET6 */
	EQ(wire_check_addr(&addr), -EPROTO);
}
