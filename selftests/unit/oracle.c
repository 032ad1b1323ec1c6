// SPDX-License-Identifier: GPL-2.0
/*
 * The rules as Documentation/protocol.rst and wire.h tell them, in another form than wire.c has
 * them, and messages that keep them.
 */
#include "oracle.h"

#define FAM_NONE	0
#define FAM_V4		4
#define FAM_V6		6
#define MAX_ERRNO	4095

const struct rule rules[] = {
	/*                                        host   node   endp.  payl.  flags */
	{ WIRE_HELLO,		"HELLO",	  true,	 true,	false, false, 0 },
	{ WIRE_GOODBYE,		"GOODBYE",	  true,	 true,	false, false, 0 },
	{ WIRE_CREDIT,		"CREDIT",	  true,	 true,	false, false, 0 },
	{ WIRE_OPEN,		"OPEN",		  true,	 false,	true,  false, 0 },
	{ WIRE_BIND,		"BIND",		  true,	 false,	true,  false, 0 },
	{ WIRE_LISTEN,		"LISTEN",	  true,	 false,	true,  false, 0 },
	{ WIRE_CONNECT,		"CONNECT",	  true,	 false,	true,  false, 0 },
	{ WIRE_SETOPT,		"SETOPT",	  true,	 false,	true,  false, 0x04 },
	{ WIRE_QUERY,		"QUERY",	  true,	 false,	true,  false, 0 },
	{ WIRE_ACCEPTED,	"ACCEPTED",	  true,	 false,	true,  false, 0 },
	{ WIRE_CLOSE,		"CLOSE",	  true,	 false,	true,  false, 0x18 },
	{ WIRE_REPLY,		"REPLY",	  false, true,	true,  true,  0 },
	{ WIRE_NEW_CONNECTION,	"NEW_CONNECTION", false, true,	true,  false, 0 },
	{ WIRE_RESET,		"RESET",	  false, true,	true,  false, 0x01 },
	{ WIRE_URGENT,		"URGENT",	  false, true,	true,  false, 0 },
	{ WIRE_FINISHED,	"FINISHED",	  false, true,	true,  false, 0 },
	{ WIRE_CLOSED,		"CLOSED",	  false, true,	true,  false, 0 },
	{ WIRE_DATA,		"DATA",		  true,	 true,	true,  true,  0xe3 },
	{ WIRE_WINDOW,		"WINDOW",	  true,	 true,	true,  false, 0 },
	{ WIRE_WANT_WINDOW,	"WANT_WINDOW",	  true,	 true,	true,  false, 0 },
	{ WIRE_WANT_TAKEN,	"WANT_TAKEN",	  true,	 false,	true,  false, 0 },
	{ WIRE_RECV_JOB,	"RECV_JOB",	  true,	 false,	true,  false, 0 },
	{ WIRE_RECV_CANCEL,	"RECV_CANCEL",	  true,	 false,	true,  false, 0 },
	{ WIRE_RECV_DONE,	"RECV_DONE",	  false, true,	true,  false, 0 },
	{ WIRE_GETOPT,		"GETOPT",	  true,	 false,	true,  false, 0 },
};

const unsigned int nr_rules = sizeof(rules) / sizeof(rules[0]);

const struct rule *rule_of(u8 opcode)
{
	const struct rule *rule;

	for EACH_RULE(rule)
		if (rule->opcode == opcode)
			return rule;
	return NULL;
}

bool oracle_addr(const struct wire_addr *addr)
{
	unsigned int family = le16_to_cpu(addr->family), i;

	if (family == FAM_V4)
		for (i = 4; i < sizeof(addr->addr); i++)
			if (addr->addr[i])
				return false;
	return family == FAM_NONE || family == FAM_V4 || family == FAM_V6;
}

static bool oracle_body(const struct wire_msg *msg)
{
	switch (msg->hdr.opcode) {
	case WIRE_OPEN:
		switch (le32_to_cpu(msg->open.flags)) {
		case 0:
		case 1:
		case 3:
			return msg->open.from == 0;
		case 4:
		case 5:
		case 7:
			return msg->open.from != 0;
		default:
			return false;
		}
	case WIRE_BIND:
		return le32_to_cpu(msg->bind.flags) <= 1 && msg->bind.addr.family &&
		       oracle_addr(&msg->bind.addr);
	case WIRE_CONNECT:
		return oracle_addr(&msg->connect.addr);
	case WIRE_SETOPT:
		return le32_to_cpu(msg->setopt.len) <= sizeof(msg->setopt.value) &&
		       le32_to_cpu(msg->setopt.flags) <= 1;
	case WIRE_GETOPT:
		return le32_to_cpu(msg->getopt.room) <= 1024;
	case WIRE_QUERY:
		return le32_to_cpu(msg->ask.what) == WIRE_QUERY_OUTQ ||
		       le32_to_cpu(msg->ask.what) == WIRE_QUERY_UNSENT;
	case WIRE_REPLY:
		return le32_to_cpu(msg->reply.error) <= MAX_ERRNO &&
		       le32_to_cpu(msg->hdr.len) <= (msg->reply.error ? 0 : 1024) &&
		       oracle_addr(&msg->reply.local) && oracle_addr(&msg->reply.peer);
	case WIRE_NEW_CONNECTION:
		return le16_to_cpu(msg->conn.listener_channel) < WIRE_MAX_CHANNELS &&
		       oracle_addr(&msg->conn.local) && msg->conn.local.family &&
		       oracle_addr(&msg->conn.peer) && msg->conn.peer.family;
	case WIRE_RECV_JOB:
		return le32_to_cpu(msg->job.len) >= 1 &&
		       le32_to_cpu(msg->job.len) <= 0x40000000 &&
		       (le64_to_cpu(msg->job.addr) + le32_to_cpu(msg->job.len) >=
			le64_to_cpu(msg->job.addr)) && le32_to_cpu(msg->job.flags) <= 3;
	case WIRE_RECV_DONE:
		return le32_to_cpu(msg->done.len) <= 0x40000000;
	case WIRE_RESET:
		return le32_to_cpu(msg->reset.error) >= 1 &&
		       le32_to_cpu(msg->reset.error) <= MAX_ERRNO;
	case WIRE_URGENT:
		return msg->urgent.valid <= 1;
	case WIRE_CLOSED:
		return le32_to_cpu(msg->closed.error) <= MAX_ERRNO;
	case WIRE_DATA:
		return (!msg->data.record || (msg->hdr.len && !(msg->hdr.flags & 0x80))) &&
		       (!msg->data.nodelay || (msg->hdr.len && msg->data.nodelay == 1)) &&
		       !(le64_to_cpu(msg->data.addr) & 7) &&
		       (msg->data.key ? (msg->hdr.flags & 0x40) != 0 : !msg->data.addr);
	default:
		return true;
	}
}

bool oracle_message(const struct wire_msg *msg, u32 bytes, bool from_host)
{
	const struct rule *rule = rule_of(msg->hdr.opcode);
	uint64_t len = le32_to_cpu(msg->hdr.len);

	return rule && (from_host ? rule->host : rule->node) &&
	       len + WIRE_SLOT == bytes &&
	       len <= (rule->payload ? WIRE_MAX_PAYLOAD : 0) &&
	       (msg->hdr.flags | rule->flags) == rule->flags &&
	       (from_host || !(msg->hdr.flags & 0xe0)) &&
	       (from_host || msg->hdr.opcode != WIRE_DATA ||
		(!msg->data.nodelay && !msg->data.key)) &&
	       (len || !(msg->hdr.flags & 0x80)) &&
	       (le32_to_cpu(msg->hdr.index) != 0) == rule->endpoint &&
	       oracle_body(msg);
}

static u64 number(const u8 *data, size_t at, unsigned int bytes)
{
	u64 value = 0;

	while (bytes--)
		value = value << 8 | data[at + bytes];
	return value;
}

/* By the byte: this also says where the fields lie. */
int oracle_req(const u8 *data, size_t len)
{
	u64 slots;

	if (!data || len < 56 || memcmp(data, "MNET", 4))
		return -EPROTO;
	if (number(data, 4, 2) != 4)
		return -EPROTONOSUPPORT;
	slots = number(data, 16, 4);
	if (data[7] < 1 || data[7] > 8 || data[6] >= data[7] ||		/* channels, channel */
	    number(data, 12, 2) < 8 || number(data, 12, 2) > 8192 ||	/* depth */
	    slots < 64 || slots * data[7] > 65536 || __builtin_popcountll(slots) != 1 ||
	    !number(data, 24, 8) || !number(data, 40, 8))		/* host id, nonce */
		return -EPROTO;
	return 0;
}

int oracle_rep(const u8 *data, size_t len)
{
	if (!data || len < 32 || memcmp(data, "MNET", 4))
		return -EPROTO;
	if (number(data, 4, 2) != 4)
		return -EPROTONOSUPPORT;
	if (number(data, 6, 2) < 8 || number(data, 6, 2) > 8192 ||		/* depth */
	    number(data, 12, 4) < 100 || number(data, 12, 4) > 600000)		/* heartbeat */
		return -EPROTO;
	return 0;
}

int oracle_rej(const u8 *data, size_t len)
{
	u64 reason;

	if (!data || len < 8 || memcmp(data, "MNET", 4))
		return WIRE_REASON_DISCONNECTED;
	if (number(data, 4, 2) != 4)
		return WIRE_REASON_VERSION;
	reason = number(data, 6, 2);
	return reason >= 1 && reason <= WIRE_REASON_HOST_ID ? reason : WIRE_REASON_DISCONNECTED;
}

static struct wire_addr v4(void)
{
	return (struct wire_addr){ .family = cpu_to_le16(FAM_V4), .port = 80,
				   .addr = { 10, 1, 2, 3 } };
}

static struct wire_addr v6(void)
{
	return (struct wire_addr){ .family = cpu_to_le16(FAM_V6), .port = 80,
				   .addr = { [0] = 0xfd, [15] = 1 } };
}

void make_valid(struct wire_msg *msg, const struct rule *rule)
{
	wire_init(msg, rule->opcode, rule->endpoint ? 7 : 0, rule->endpoint ? 3 : 0);
	switch (rule->opcode) {
	case WIRE_HELLO:
		msg->hello.slots = cpu_to_le32(WIRE_MIN_SLOTS);
		break;
	case WIRE_BIND:
		msg->bind.addr = v4();
		break;
	case WIRE_CONNECT:
		msg->connect.addr = v6();
		break;
	case WIRE_SETOPT:
		msg->setopt.len = cpu_to_le32(4);
		break;
	case WIRE_QUERY:
		msg->ask.what = cpu_to_le32(WIRE_QUERY_OUTQ);
		break;
	case WIRE_RECV_JOB:
		msg->job.addr = cpu_to_le64(0x1003);
		msg->job.len = cpu_to_le32(77);
		break;
	case WIRE_REPLY:
		msg->reply.local = v4();
		break;
	case WIRE_NEW_CONNECTION:
		msg->conn.listener = cpu_to_le32(5);
		msg->conn.local = v6();
		msg->conn.peer = v6();
		break;
	case WIRE_RESET:
		msg->reset.error = cpu_to_le32(ECONNRESET);
		break;
	default:
		break;
	}
}

struct wire_cm_req valid_req(void)
{
	return (struct wire_cm_req){
		.magic = cpu_to_le32(WIRE_MAGIC), .version = cpu_to_le16(WIRE_VERSION),
		.channel = 0, .channels = 1, .depth = cpu_to_le16(64),
		.slots = cpu_to_le32(1024), .host_id = cpu_to_le64(0x1234),
		.nonce = cpu_to_le64(0x5678),
	};
}

struct wire_cm_rep valid_rep(void)
{
	return (struct wire_cm_rep){
		.magic = cpu_to_le32(WIRE_MAGIC), .version = cpu_to_le16(WIRE_VERSION),
		.depth = cpu_to_le16(64), .heartbeat_ms = cpu_to_le32(5000),
	};
}
