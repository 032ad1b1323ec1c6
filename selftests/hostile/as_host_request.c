// SPDX-License-Identifier: GPL-2.0
/* Attacks of a host on a node: what it asks for, and children. */
#include <arpa/inet.h>

#include "attack.h"

static int requests_again(struct peer *p)
{
	u32 index = host_connected(p), listener = host_listening(p);
	struct inbound in;

	if (!index || !listener)
		return -1;
	if (host_request(p, WIRE_CONNECT, index, &in) <= 0 ||
	    host_request(p, WIRE_BIND, index, &in) <= 0 ||
	    host_request(p, WIRE_LISTEN, index, &in) <= 0 ||
	    host_request(p, WIRE_BIND, listener, &in) <= 0 ||
	    host_request(p, WIRE_CONNECT, listener, &in) <= 0)
		return -1;
	return host_request(p, WIRE_LISTEN, listener, &in);
}

static int many_requests_at_once(struct peer *p)
{
	u32 index = host_open(p, 0);
	struct wire_msg msg;
	int i;

	for (i = 0; i < 60; i++) {
		wire_init(&msg, WIRE_QUERY, index, 1);
		msg.ask.what = cpu_to_le32(WIRE_QUERY_OUTQ);
		if (peer_say(p, &msg, 0))
			return p->dead ? 0 : -1;
	}
	return 0;
}

/* The node may say two messages more and then nothing: it must hold the rest. */
static int answers_not_taken(struct peer *p)
{
	struct inbound in;
	struct wire_msg msg;
	int i, got = 0;
	u32 index;

	p->stingy = true;
	for (i = 0; i < 200; i++) {
		index = host_open(p, 0);
		wire_init(&msg, WIRE_QUERY, index, 1);
		msg.ask.what = cpu_to_le32(WIRE_QUERY_OUTQ);
		if (!index || peer_say(p, &msg, 0))
			return -1;
	}
	while (peer_find(p, WIRE_REPLY, 0, &in, 500))
		got++;
	remark("%d of 200 answers came without a grant", got);
	if (got > PEER_DEPTH)
		return -1;
	p->stingy = false;
	while (got < 200 && p->owed) {
		wire_init(&msg, WIRE_CREDIT, 0, 0);
		if (peer_say(p, &msg, 0))
			return -1;
		while (got < 200 && peer_find(p, WIRE_REPLY, 0, &in, 2000))
			got++;
	}
	return got == 200 ? 0 : -1;
}

ATTACK(bad_query, host_say(p, WIRE_QUERY, host_open(p, 0)))

ATTACK(bind_nothing, host_say(p, WIRE_BIND, host_open(p, 0)))

static int refused(struct peer *p, enum wire_opcode op, u16 family, const char *text, u16 port)
{
	struct wire_addr addr = { .family = cpu_to_le16(family), .port = htons(port) };
	u32 index = host_open(p, 0);
	struct inbound in;
	struct wire_msg msg;
	int ret;

	inet_pton(family == 4 ? AF_INET : AF_INET6, text, addr.addr);
	wire_init(&msg, op, index, 1);
	if (op == WIRE_BIND)
		msg.bind.addr = addr;
	else
		msg.connect.addr = addr;
	ret = host_ask(p, &msg, index, &in);
	if (ret <= 0)
		remark("%s %s:%u gave %d", wire_opcode_name(op), text, port, ret);
	return ret > 0 ? 0 : -1;
}

static int out_of_reach(struct peer *p)
{
	return refused(p, WIRE_CONNECT, 4, "127.0.0.1", 22) ?:
	       refused(p, WIRE_CONNECT, 4, "127.9.9.9", 7471) ?:
	       refused(p, WIRE_CONNECT, 4, "0.0.0.0", 22) ?:
	       refused(p, WIRE_CONNECT, 4, "224.0.0.1", 22) ?:
	       refused(p, WIRE_CONNECT, 4, "255.255.255.255", 22) ?:
	       refused(p, WIRE_CONNECT, 6, "::1", 22) ?:
	       refused(p, WIRE_CONNECT, 6, "::ffff:127.0.0.1", 22) ?:
	       refused(p, WIRE_BIND, 4, "127.0.0.1", 5555) ?:
	       refused(p, WIRE_BIND, 4, "0.0.0.0", 22) ?:
	       refused(p, WIRE_BIND, 4, "203.0.113.1", 5555) ?:
	       refused(p, WIRE_BIND, 6, "::1", 5555);
}

static int privileged_bind(struct peer *p)
{
	u32 index = host_open(p, 0);
	struct inbound in;
	struct wire_msg msg;

	wire_init(&msg, WIRE_BIND, index, 1);
	msg.bind.addr.family = cpu_to_le16(4);
	msg.bind.flags = cpu_to_le32(2);
	return host_ask(p, &msg, index, &in) == -1 ? 0 : -1;
}

static int huge_backlog(struct peer *p)
{
	u32 index = host_listening(p);
	struct inbound in;
	struct wire_msg msg;

	wire_init(&msg, WIRE_LISTEN, index, 1);
	msg.listen.backlog = cpu_to_le32(0xffffffff);
	return index ? host_ask(p, &msg, index, &in) : -1;
}

static int accepted(struct peer *p, u32 index, u32 count)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_ACCEPTED, index, 1);
	msg.accepted.count = cpu_to_le32(count);
	return index ? peer_say(p, &msg, 0) : -1;
}

ATTACK(accepted_forged, accepted(p, host_listening(p), 1))
ATTACK(accepted_giant, accepted(p, host_listening(p), 0xffffffff))
ATTACK(accepted_nobody, accepted(p, host_connected(p), 1))
ATTACK(accepted_none, accepted(p, host_listening(p), 0))

const struct attack request_attacks[] = {
	{ "requests replayed", requests_again, LIVES },
	{ "60 requests of one endpoint at once", many_requests_at_once, EITHER },
	{ "200 answers not taken", answers_not_taken, LIVES },
	{ "QUERY for nothing", bad_query, WIRE_REASON_PROTOCOL },
	{ "BIND to nothing", bind_nothing, WIRE_REASON_PROTOCOL },
	{ "BIND with an unknown flag", privileged_bind, WIRE_REASON_PROTOCOL },
	{ "addresses out of reach", out_of_reach, LIVES },
	{ "backlog of four billion", huge_backlog, LIVES },
	{ "ACCEPTED of no child", accepted_forged, WIRE_REASON_PROTOCOL },
	{ "ACCEPTED of four billion", accepted_giant, WIRE_REASON_PROTOCOL },
	{ "ACCEPTED of a connection", accepted_nobody, WIRE_REASON_PROTOCOL },
	{ "ACCEPTED of none", accepted_none, LIVES },
};

const unsigned int nr_request_attacks = ATTACKS(request_attacks);
