// SPDX-License-Identifier: GPL-2.0
/*
 * A host that keeps the rules: sessions, and what endpoints are opened, asked and closed with.
 */
#include <stdlib.h>

#include "attack.h"

static struct peer channels[2];
static u32 next_index;

/* An index of the host's half that this session has not had. */
u32 host_next_index(void)
{
	return next_index++;
}

int session_open(struct session *s, unsigned int n)
{
	u64 nonce = now_ms() << 20 | (rand() & 0xfffff) | 1;
	unsigned int i;

	for (i = 0; i < n; i++)
		channels[i].with = n > 1 ? &channels[!i] : NULL;
	for (i = 0; i < n; i++) {
		struct wire_cm_req req = peer_request(&terms, nonce, i, n);

		if (peer_connect(&channels[i], &terms, &req, sizeof(req)) ||
		    peer_hello(&channels[i])) {
			remark("channel %u does not come up: %s", i,
			       wire_reason_name(channels[i].refused));
			peer_close(&channels[i]);
			while (i--)
				peer_close(&channels[i]);
			return -1;
		}
	}
	s->main = &channels[0];
	s->witness = n > 1 ? &channels[1] : NULL;
	next_index = 1;
	return 0;
}

void session_close(struct session *s)
{
	peer_close(s->main);
	if (s->witness)
		peer_close(s->witness);
}

/* Keeps both channels alive while something takes long. */
void host_pump(int ms)
{
	u64 end = now_ms() + ms;
	unsigned int i;

	do {
		for (i = 0; i < 2; i++)
			if (channels[i].up && !channels[i].dead)
				peer_pump(&channels[i], ms ? 5 : 0);
	} while (now_ms() < end);
}

/* Waits for children on both channels; how many came on each. */
void host_children(unsigned int wanted, int ms, unsigned int got[2])
{
	u64 end = now_ms() + ms;
	struct inbound in;
	unsigned int i;

	got[0] = 0;
	got[1] = 0;
	while (got[0] + got[1] < wanted && now_ms() < end && !channels[0].dead) {
		host_pump(10);
		for (i = 0; i < 2; i++)
			while (peer_take(&channels[i], &in, 0))
				got[i] += in.msg.hdr.opcode == WIRE_NEW_CONNECTION;
	}
}

u32 host_open(struct peer *p, u32 index)
{
	struct wire_msg msg;

	if (!index)
		index = host_next_index();
	wire_init(&msg, WIRE_OPEN, index, 1);
	msg.open.uid = cpu_to_le32(1001);
	return peer_say(p, &msg, 0) ? 0 : index;
}

/* Sends a request and waits for its answer; the answer's errno, or -1. */
int host_ask(struct peer *p, struct wire_msg *msg, u32 index, struct inbound *reply)
{
	static u16 seq;
	u64 end = now_ms() + HOST_MS;

	host_pump(0);
	msg->hdr.index = cpu_to_le32(index);
	msg->hdr.gen = cpu_to_le16(1);
	msg->hdr.seq = cpu_to_le16(++seq);
	if (peer_say(p, msg, 0))
		return -1;
	while (peer_find(p, WIRE_REPLY, index, reply, end - now_ms()))
		if (le16_to_cpu(reply->msg.hdr.seq) == seq)
			return le32_to_cpu(reply->msg.reply.error);
	return -1;
}

int host_request(struct peer *p, enum wire_opcode op, u32 index, struct inbound *reply)
{
	struct wire_msg msg;

	wire_init(&msg, op, index, 1);
	switch (op) {
	case WIRE_BIND:
		msg.bind.addr.family = cpu_to_le16(4);
		break;
	case WIRE_LISTEN:
		msg.listen.backlog = cpu_to_le32(10);
		break;
	case WIRE_CONNECT:
		msg.connect.addr = target;
		break;
	default:
		msg.ask.what = cpu_to_le32(WIRE_QUERY_OUTQ);
	}
	return host_ask(p, &msg, index, reply);
}

u32 host_connected(struct peer *p)
{
	u32 index = host_open(p, 0);
	struct inbound in;

	return index && !host_request(p, WIRE_CONNECT, index, &in) ? index : 0;
}

u32 host_listening(struct peer *p)
{
	u32 index = host_open(p, 0);
	struct inbound in;

	if (!index || host_request(p, WIRE_BIND, index, &in) ||
	    host_request(p, WIRE_LISTEN, index, &in))
		return 0;
	return index;
}

int host_say(struct peer *p, enum wire_opcode op, u32 index)
{
	struct wire_msg msg;

	wire_init(&msg, op, index, 1);
	return index ? peer_say(p, &msg, 0) : -1;
}

int host_data(struct peer *p, u32 index, u64 pos, u32 len, u8 flags)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_DATA, index, 1);
	msg.hdr.pos = cpu_to_le64(pos);
	msg.hdr.flags = flags;
	return index ? peer_say(p, &msg, len) : -1;
}

int host_close(struct peer *p, u32 index)
{
	struct inbound in;

	host_pump(0);
	if (host_say(p, WIRE_CLOSE, index))
		return -1;
	return peer_find(p, WIRE_CLOSED, index, &in, HOST_MS) ? 0 : -1;
}

/* Whether the node still serves us. */
bool host_works(struct peer *p)
{
	u32 index = host_open(p, 0);
	struct inbound in;

	return index && host_request(p, WIRE_QUERY, index, &in) == 0 && !host_close(p, index);
}

/* The answer's errno, or 0 without one; -1 when it could not be said. */
int host_option(struct peer *p, u32 index, u32 level, u32 name, u32 value, u32 len, int how)
{
	struct inbound in;
	struct wire_msg msg;
	__le32 wire = cpu_to_le32(value);

	wire_init(&msg, WIRE_SETOPT, index, 1);
	msg.setopt.level = cpu_to_le32(level);
	msg.setopt.name = cpu_to_le32(name);
	msg.setopt.len = cpu_to_le32(len);
	msg.setopt.flags = cpu_to_le32(how & VOUCHES ? WIRE_SETOPT_VOUCHED : 0);
	memcpy(msg.setopt.value, &wire, sizeof(wire));
	if (!(how & ASKS))
		return peer_say(p, &msg, 0);
	msg.hdr.flags = WIRE_F_REPLY;
	return host_ask(p, &msg, index, &in);
}
