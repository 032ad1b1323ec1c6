// SPDX-License-Identifier: GPL-2.0
/*
 * Attacks of a node on a host, on what messages mean: answers, streams, resets, windows, jobs that
 * there are none of, children; and a node that answers nothing or grants nothing. Those on memory
 * that the host has registered are in as_node_memory.c; all are run and judged here.
 *
 * The host has sockets that come and go (mnhostile --victim). An attack takes one that is in the
 * state it needs. A session that is to live serves the next attack, after it was seen to work; any
 * other ends with its attack, and the host connects again.
 */
#include <errno.h>

#include "attack.h"

static struct wire_msg about(const struct guest *g, enum wire_opcode op)
{
	struct wire_msg msg;

	wire_init(&msg, op, g ? g->index : 1, g ? g->gen : 0);
	return msg;
}

static int with_guest(struct peer *p, enum guest_state state, enum wire_opcode op, int times)
{
	struct guest *g = node_guest(p, state, NODE_MS);
	struct wire_msg msg = about(g, op);

	msg.reset.error = cpu_to_le32(op == WIRE_RESET ? 104 : 0);
	while (g && times--)
		if (peer_say(p, &msg, 0))
			return p->dead ? 0 : -1;
	return g ? 0 : -1;
}

static int data(struct peer *p, enum guest_state state, int pos, u32 len, u8 flags, int times)
{
	struct guest *g = node_guest(p, state, NODE_MS);
	struct wire_msg msg;

	while (g && times--) {
		msg = about(g, WIRE_DATA);
		msg.hdr.pos = cpu_to_le64(g->out + pos);
		msg.hdr.flags = flags;
		if (peer_say(p, &msg, len))
			return p->dead ? 0 : -1;
		g->out += len;
	}
	return g ? 0 : -1;
}

static int say_data(struct peer *p, const struct wire_data *data, u8 flags)
{
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);
	struct wire_msg msg;

	if (!g)
		return -1;
	msg = about(g, WIRE_DATA);
	msg.hdr.pos = cpu_to_le64(g->out);
	msg.hdr.flags = flags;
	msg.data = *data;
	return peer_say(p, &msg, 2) && !p->dead ? -1 : 0;
}

/* Of a TLS record, though nobody has asked for any; with what only hosts set, or have. */
ATTACK(record, say_data(p, &(struct wire_data){ .record = 21 }, 0))
ATTACK(nodelay, say_data(p, &(struct wire_data){ .nodelay = 1 }, 0))
ATTACK(counter, say_data(p, &(struct wire_data){ .key = cpu_to_le32(1) }, 0))
ATTACK(counter_written, say_data(p, &(struct wire_data){ .key = cpu_to_le32(1) }, WIRE_F_COUNT))

ATTACK(reply_unasked, with_guest(p, CONNECTED, WIRE_REPLY, 1))

static int reply_other_seq(struct peer *p)
{
	struct guest *g;
	struct wire_msg msg;

	node_of(p)->hold_connect = true;
	g = node_guest(p, CONNECTING, NODE_MS);
	msg = about(g, WIRE_REPLY);
	if (!g)
		return -1;
	msg.hdr.seq = cpu_to_le16(g->seq + 1);
	return peer_say(p, &msg, 0);
}

/* As payload, to who asked for none: CONNECT. */
static int reply_payload(struct peer *p, u32 len)
{
	struct guest *g;
	struct wire_msg msg;

	node_of(p)->hold_connect = true;
	g = node_guest(p, CONNECTING, NODE_MS);
	msg = about(g, WIRE_REPLY);
	if (!g)
		return -1;
	msg.hdr.seq = cpu_to_le16(g->seq);
	return peer_say(p, &msg, len);
}

ATTACK(reply_with_payload, reply_payload(p, 4))
ATTACK(reply_with_much, reply_payload(p, WIRE_OPT_READ + 1))

/* One that has asked for an option, or to set one, and @reply to it. */
static struct guest *guest_that_asks(struct peer *p, u8 opcode, struct wire_msg *reply)
{
	u64 end = now_ms() + NODE_MS;
	struct guest *g;

	node_of(p)->hold_option = opcode;
	while (now_ms() < end && !p->dead) {
		for (g = node_of(p)->guests; g < node_of(p)->guests + NODE_MAX; g++) {
			if (g->state == FREE || g->asked != opcode)
				continue;
			*reply = about(g, WIRE_REPLY);
			reply->hdr.seq = cpu_to_le16(g->seq);
			g->asked = 0;
			return g;
		}
		node_serve(p, 20);
	}
	return NULL;
}

/* Of an integer that the host has asked for. */
static int option_payload(struct peer *p, u32 error, u32 len)
{
	struct wire_msg msg;

	if (!guest_that_asks(p, WIRE_GETOPT, &msg))
		return -1;
	msg.reply.error = cpu_to_le32(error);
	return peer_say(p, &msg, len);
}

/* A node's answer may have been on its way when it found the connection reset. */
static int reply_after_reset(struct peer *p, int times)
{
	struct wire_msg msg, reply;
	struct guest *g = guest_that_asks(p, WIRE_GETOPT, &reply);

	if (!g)
		return -1;
	msg = about(g, WIRE_RESET);
	msg.reset.error = cpu_to_le32(104);
	msg.reset.end = cpu_to_le64(g->out);
	if (peer_say(p, &msg, 0))
		return -1;
	while (times--)
		if (peer_say(p, &reply, 4))
			return p->dead ? 0 : -1;
	return 0;
}

ATTACK(reply_late, reply_after_reset(p, 1))
ATTACK(reply_late_twice, reply_after_reset(p, 2))
ATTACK(option_too_long, option_payload(p, 0, 5))
ATTACK(option_failed_with_value, option_payload(p, 92, 4))
ATTACK(option_short, option_payload(p, 0, 3))
ATTACK(option_empty, option_payload(p, 0, 0))

/* To who sets one there is nothing but an errno, whatever that is. */
static int set_answered(struct peer *p, u32 error, u32 len)
{
	struct wire_msg msg;

	if (!guest_that_asks(p, WIRE_SETOPT, &msg))
		return -1;
	msg.reply.error = cpu_to_le32(error);
	msg.reply.value = cpu_to_le64(-1ULL);
	return peer_say(p, &msg, len);
}

ATTACK(set_with_payload, set_answered(p, 0, 1))
ATTACK(set_failed_oddly, set_answered(p, 4000, 0))
ATTACK(set_done, set_answered(p, 0, 0))

static int reply_twice(struct peer *p)
{
	struct guest *g;
	struct wire_msg msg;
	u16 seq;

	node_of(p)->hold_connect = true;
	g = node_guest(p, CONNECTING, NODE_MS);
	if (!g)
		return -1;
	seq = g->seq;
	node_answer(p, g, 0);
	msg = about(g, WIRE_REPLY);
	msg.hdr.seq = cpu_to_le16(seq);
	return peer_say(p, &msg, 0);
}

/* An errno that no node has a reason for, and that means something inside some kernels. */
static int refused_oddly(struct peer *p)
{
	struct guest *g;

	node_of(p)->hold_connect = true;
	g = node_guest(p, CONNECTING, NODE_MS);
	node_of(p)->hold_connect = false;
	if (!g)
		return -1;
	g->state = OPENED;
	return node_answer(p, g, EREMCHG);
}

static int reply_nobody(struct peer *p)
{
	struct wire_msg msg;
	u32 i;

	for (i = 1; i < 50; i++) {
		wire_init(&msg, WIRE_REPLY, p->slots / 2 - i, 77);
		if (peer_say(p, &msg, 0))
			return -1;
	}
	return 0;
}

static int data_unconnected(struct peer *p)
{
	node_of(p)->hold_connect = true;
	return data(p, CONNECTING, 0, 10, 0, 1);
}

static int window_unconnected(struct peer *p)
{
	node_of(p)->hold_connect = true;
	return with_guest(p, CONNECTING, WIRE_WINDOW, 1);
}

static int want_unconnected(struct peer *p)
{
	node_of(p)->hold_connect = true;
	return with_guest(p, CONNECTING, WIRE_WANT_WINDOW, 1);
}

static int reset_unconnected(struct peer *p)
{
	node_of(p)->hold_connect = true;
	return with_guest(p, CONNECTING, WIRE_RESET, 1);
}

ATTACK(data_on_listener, data(p, LISTENING, 0, 10, 0, 1))
ATTACK(data_gap, data(p, CONNECTED, 1, 10, 0, 1))
ATTACK(data_behind, data(p, CONNECTED, -1, 10, 0, 1))
ATTACK(data_nothing, data(p, CONNECTED, 0, 0, 0, 1))
ATTACK(data_beyond, data(p, CONNECTED, 0, 16384, 0, 100))
ATTACK(data_child_beyond, data(p, CHILD, 0, 16384, 0, 100))
ATTACK(fin_twice, data(p, CONNECTED, 0, 0, WIRE_F_FIN, 2))
ATTACK(data_after_fin, data(p, CONNECTED, 0, 10, WIRE_F_FIN, 2))
ATTACK(closed_unasked, with_guest(p, CONNECTED, WIRE_CLOSED, 1))
ATTACK(finished_listener, with_guest(p, LISTENING, WIRE_FINISHED, 1))
ATTACK(finished_early, with_guest(p, CONNECTED, WIRE_FINISHED, 1))
ATTACK(reset_twice, with_guest(p, CONNECTED, WIRE_RESET, 2))

/* URGENT at positions from what was sent; -1: an end of the list. */
static int urgent(struct peer *p, enum guest_state state, const int *at, u8 valid)
{
	struct guest *g = node_guest(p, state, NODE_MS);
	struct wire_msg msg;

	for (; g && *at >= 0; at++) {
		msg = about(g, WIRE_URGENT);
		msg.hdr.pos = cpu_to_le64(g->out + *at - 100);
		msg.urgent.valid = valid;
		msg.urgent.byte = '!';
		if (peer_say(p, &msg, 0))
			return p->dead ? 0 : -1;
	}
	return g ? 0 : -1;
}

ATTACK(urgent_listener, urgent(p, LISTENING, (int[]){ 100, -1 }, 1))
ATTACK(urgent_behind, urgent(p, CONNECTED, (int[]){ 99, -1 }, 1))
ATTACK(urgent_back, urgent(p, CONNECTED, (int[]){ 300, 200, -1 }, 1))
ATTACK(urgent_again, urgent(p, CONNECTED, (int[]){ 300, 300, -1 }, 1))
ATTACK(urgent_odd, urgent(p, CONNECTED, (int[]){ 300, -1 }, 2))
ATTACK(urgent_far, urgent(p, CONNECTED, (int[]){ 200, 0x7fffffff, -1 }, 0))

/* The host has ended nothing, or not heard of our end before that of the connection. */
static int finished_half(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);
	struct wire_msg msg = about(g, WIRE_DATA);

	if (!g)
		return -1;
	msg.hdr.pos = cpu_to_le64(g->out);
	msg.hdr.flags = WIRE_F_FIN;
	if (peer_say(p, &msg, 0))
		return -1;
	msg = about(g, WIRE_FINISHED);
	msg.finished.taken = cpu_to_le64(g->in);
	return peer_say(p, &msg, 0) && !p->dead ? -1 : 0;
}

ATTACK(reset_listener, with_guest(p, LISTENING, WIRE_RESET, 1))
ATTACK(want_taken, with_guest(p, CONNECTED, WIRE_WANT_TAKEN, 1))
ATTACK(recv_job, with_guest(p, CONNECTED, WIRE_RECV_JOB, 1))
ATTACK(recv_cancel, with_guest(p, CONNECTED, WIRE_RECV_CANCEL, 1))
ATTACK(recv_done_listener, with_guest(p, LISTENING, WIRE_RECV_DONE, 1))

ATTACK(data_tell, data(p, CONNECTED, 0, 10, WIRE_F_TELL, 1))
ATTACK(want_listener, with_guest(p, LISTENING, WIRE_WANT_WINDOW, 1))

/* A victim may have a job, of a small number. */
static int recv_done(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);
	struct wire_msg msg = about(g, WIRE_RECV_DONE);

	msg.done.id = cpu_to_le32(0xdead0000);
	return g ? peer_say(p, &msg, 0) : -1;
}

static int reset_zero(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);
	struct wire_msg msg = about(g, WIRE_RESET);

	return g ? peer_say(p, &msg, 0) : -1;
}

static int reset_behind(struct peer *p)
{
	struct guest *g;
	struct wire_msg msg;

	if (data(p, CONNECTED, 0, 100, 0, 1))
		return -1;
	g = node_guest(p, CONNECTED, NODE_MS);
	msg = about(g, WIRE_RESET);
	if (!g || g->out < 100)
		return -1;
	msg.reset.error = cpu_to_le32(104);
	msg.reset.end = cpu_to_le64(1);
	return peer_say(p, &msg, 0);
}

static int data_after_reset_end(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);
	struct wire_msg msg = about(g, WIRE_RESET);

	if (!g)
		return -1;
	msg.reset.error = cpu_to_le32(104);
	msg.reset.end = cpu_to_le64(g->out + 5);
	if (peer_say(p, &msg, 0))
		return -1;
	msg = about(g, WIRE_DATA);
	msg.hdr.pos = cpu_to_le64(g->out);
	return peer_say(p, &msg, 6);
}

static int fin_after_reset(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);
	struct wire_msg msg = about(g, WIRE_RESET);

	if (!g)
		return -1;
	msg.hdr.flags = WIRE_F_FIN;
	msg.reset.error = cpu_to_le32(32);
	msg.reset.end = cpu_to_le64(g->out);
	if (peer_say(p, &msg, 0))
		return -1;
	msg = about(g, WIRE_DATA);
	msg.hdr.flags = WIRE_F_FIN;
	msg.hdr.pos = cpu_to_le64(g->out);
	return peer_say(p, &msg, 0);
}

static int reset_far(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);
	struct wire_msg msg = about(g, WIRE_RESET);

	if (!g)
		return -1;
	msg.reset.error = cpu_to_le32(4095);
	msg.reset.end = cpu_to_le64(WIRE_END_LATER - 1);
	g->state = CLOSED;	/* nothing more of it; its CLOSE goes unanswered */
	return peer_say(p, &msg, 0);
}

/* Only what has to be decrypted ends nobody knows where. */
static int reset_open(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);
	struct wire_msg msg = about(g, WIRE_RESET);

	if (!g)
		return -1;
	msg.reset.error = cpu_to_le32(104);
	msg.reset.end = cpu_to_le64(WIRE_END_LATER);
	return peer_say(p, &msg, 0);
}

static int window_consumed(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);
	struct wire_msg msg = about(g, WIRE_WINDOW);

	if (!g)
		return -1;
	msg.window.limit = wire_word(g->gen, g->in_limit);
	msg.window.consumed = wire_word(g->gen, g->in + (1 << 20));
	return peer_say(p, &msg, 0);
}

static int windows_absurd(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);
	struct wire_msg msg = about(g, WIRE_WINDOW);

	if (!g)
		return -1;
	msg.window.limit = wire_word(g->gen, 1ULL << 46);
	if (peer_say(p, &msg, 0))
		return -1;
	msg.window.limit = wire_word(g->gen + 1, 0);
	msg.window.consumed = wire_word(g->gen + 1, ~0ULL);
	if (peer_say(p, &msg, 0))
		return -1;
	return peer_write_word(p, g->index, wire_word(g->gen, 1ULL << 47),
			       wire_word(g->gen, 1ULL << 40)) ?:
	       peer_write_word(p, g->index, 0, 0) ?:
	       peer_write_word(p, g->index + 1, ~0ULL, ~0ULL);
}

static int want_too_much(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);
	struct wire_msg msg = about(g, WIRE_WANT_WINDOW);

	msg.want.limit = cpu_to_le64(~0ULL);
	return g ? peer_say(p, &msg, 0) : -1;
}

static int want_flood(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);
	struct wire_msg msg = about(g, WIRE_WANT_WINDOW);
	int i;

	for (i = 0; g && i < 500; i++)
		if (peer_say(p, &msg, 0))
			return -1;
	return g ? 0 : -1;
}

static int child_in_their_half(struct peer *p)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_NEW_CONNECTION, 9, 1);
	msg.conn.local = node_address(1, 80);
	msg.conn.peer = node_address(2, 80);
	return peer_say(p, &msg, 0);
}

static int child_twice(struct peer *p)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_NEW_CONNECTION, p->slots - 1, 1);
	msg.conn.local = node_address(1, 80);
	msg.conn.peer = node_address(2, 80);
	return peer_say(p, &msg, 0) ?: peer_say(p, &msg, 0);
}

static int child_no_addresses(struct peer *p)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_NEW_CONNECTION, p->slots - 1, 1);
	return peer_say(p, &msg, 0);
}

static int children_of_nobody(struct peer *p)
{
	int i;

	for (i = 0; i < 300; i++) {
		if (node_push_child(p, 1 + i, i))
			return -1;
		if (i % 20 == 19)
			node_serve(p, 20);
	}
	return 0;
}

static int children_never_closed(struct peer *p)
{
	int i;

	node_of(p)->hold_close = true;
	for (i = 0; i < 400; i++) {
		if (node_push_child(p, 1 + i, i))
			return -1;
		if (i % 20 == 19)
			node_serve(p, 20);
	}
	node_serve(p, 200);
	node_of(p)->hold_close = false;
	return 0;
}

static int children_of_a_connection(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);

	return g ? node_push_child(p, g->index, g->gen) : -1;
}

static int children_beyond_backlog(struct peer *p)
{
	struct guest *g = node_guest(p, LISTENING, NODE_MS);
	u32 index = g ? g->index : 0;
	u16 gen = g ? g->gen : 0;
	int i;

	for (i = 0; g && i < 200; i++) {
		if (node_push_child(p, index, gen))
			return -1;
		if (i % 20 == 19)
			node_serve(p, 20);
	}
	return g ? 0 : -1;
}

/*
 * Those there is no room for are dropped; the node must hear that they no longer count, or it
 * would push fewer ever after. The victim itself accepts five at most.
 */
static int children_without_room(struct peer *p)
{
	struct guest *g = node_guest(p, LISTENING, NODE_MS);
	u32 index = g ? g->index : 0, collected = 0;
	u16 gen = g ? g->gen : 0;
	u64 end = now_ms() + NODE_MS;
	struct inbound in;
	int i;

	for (i = 0; g && i < 40; i++)
		if (node_push_child(p, index, gen))
			return -1;
	while (g && collected < 40 - 8 - 5 && now_ms() < end) {
		if (!peer_take(p, &in, 50))
			continue;
		if (in.msg.hdr.opcode == WIRE_ACCEPTED && le32_to_cpu(in.msg.hdr.index) == index)
			collected += le32_to_cpu(in.msg.accepted.count);
		else
			node_handle(p, &in);
		if (g->state != LISTENING)
			break;
	}
	return collected >= 40 - 8 - 5 ? 0 : -1;
}

static int nothing_is_answered(struct peer *p)
{
	node_of(p)->hold_connect = true;
	node_of(p)->hold_close = true;
	node_serve(p, 3000);
	return 0;
}

static int no_grants(struct peer *p)
{
	p->stingy = true;
	node_serve(p, 3000);
	p->stingy = false;
	return 0;
}

static int old_generations(struct peer *p)
{
	static const u8 ops[] = { WIRE_REPLY, WIRE_CLOSED, WIRE_WINDOW, WIRE_WANT_WINDOW,
				  WIRE_DATA };
	struct guest *g = node_guest(p, CONNECTED, NODE_MS);
	struct wire_msg msg;
	unsigned int i;

	for (i = 0; g && i < 50; i++) {
		msg = about(g, ops[i % ATTACKS(ops)]);
		msg.hdr.gen = cpu_to_le16(g->gen + 1 + i);
		if (peer_say(p, &msg, msg.hdr.opcode == WIRE_DATA ? 100 : 0))
			return -1;
	}
	return g ? 0 : -1;
}

/* In two lists, since those on memory come between them: see attack_host(). */
static const struct attack attacks[] = {
	{ "REPLY nobody asked for", reply_unasked, DIES },
	{ "REPLY to another request", reply_other_seq, DIES },
	{ "REPLY with payload to CONNECT", reply_with_payload, DIES },
	{ "REPLY with more payload than there is", reply_with_much, DIES },
	{ "option of 5 bytes for an integer", option_too_long, DIES },
	{ "option with a value and an error", option_failed_with_value, DIES },
	{ "option of 3 bytes for an integer", option_short, LIVES },
	{ "option of no bytes for an integer", option_empty, LIVES },
	{ "option set, with payload", set_with_payload, DIES },
	{ "option refused with errno 4000", set_failed_oddly, LIVES },
	{ "option set, with a value", set_done, LIVES },
	{ "REPLY twice", reply_twice, DIES },
	{ "REPLY after RESET", reply_late, LIVES },
	{ "REPLY after RESET, twice", reply_late_twice, DIES },
	{ "REPLY for nobody", reply_nobody, LIVES },
	{ "connect refused with EREMCHG", refused_oddly, LIVES },
	{ "DATA before connected", data_unconnected, DIES },
	{ "WINDOW before connected", window_unconnected, DIES },
	{ "WANT_WINDOW before connected", want_unconnected, DIES },
	{ "RESET before connected", reset_unconnected, DIES },
	{ "DATA for a listener", data_on_listener, DIES },
	{ "DATA with a gap", data_gap, DIES },
	{ "DATA from behind", data_behind, DIES },
	{ "DATA of nothing", data_nothing, DIES },
	{ "DATA beyond the window", data_beyond, DIES },
	{ "DATA of a child beyond the window", data_child_beyond, DIES },
	{ "FIN twice", fin_twice, DIES },
	{ "DATA after FIN", data_after_fin, DIES },
	{ "CLOSED nobody asked for", closed_unasked, DIES },
	{ "DATA of a record nobody decrypts", record, DIES },
	{ "DATA with TCP_NODELAY of a node", nodelay, DIES },
	{ "DATA with a counter of a node", counter, DIES },
	{ "DATA with a counter to be written of a node", counter_written, DIES },
	{ "URGENT of a listener", urgent_listener, DIES },
	{ "URGENT behind what was sent", urgent_behind, DIES },
	{ "URGENT that goes back", urgent_back, DIES },
	{ "URGENT twice", urgent_again, DIES },
	{ "URGENT neither there nor not", urgent_odd, DIES },
	{ "URGENT far ahead", urgent_far, LIVES },
	{ "FINISHED before anything has ended", finished_early, DIES },
	{ "FINISHED of one direction", finished_half, DIES },
	{ "FINISHED of a listener", finished_listener, DIES },
	{ "RESET twice", reset_twice, EITHER },
	{ "RESET of a listener", reset_listener, DIES },
	{ "WANT_WINDOW of a listener", want_listener, DIES },
	{ "RESET without error", reset_zero, DIES },
	{ "RESET behind what came", reset_behind, DIES },
	{ "DATA beyond RESET's end", data_after_reset_end, DIES },
	{ "FIN after a RESET with FIN", fin_after_reset, DIES },
	{ "RESET far ahead", reset_far, LIVES },
	{ "RESET that leaves the end open", reset_open, DIES },
	{ "WINDOW that has taken too much", window_consumed, DIES },
	{ "absurd windows", windows_absurd, LIVES },
	{ "WANT_WINDOW of more than was granted", want_too_much, DIES },
	{ "500 WANT_WINDOWs", want_flood, LIVES },
	{ "WANT_TAKEN of a node", want_taken, DIES },
	{ "DATA of a node that asks to be told", data_tell, DIES },
	{ "RECV_JOB of a node", recv_job, DIES },
	{ "RECV_CANCEL of a node", recv_cancel, DIES },
	{ "RECV_DONE for no job", recv_done, DIES },
	{ "RECV_DONE of a listener", recv_done_listener, DIES },
	{ "NEW_CONNECTION in the host's half", child_in_their_half, DIES },
	{ "NEW_CONNECTION twice", child_twice, DIES },
	{ "NEW_CONNECTION without addresses", child_no_addresses, DIES },
	{ "300 children of nobody", children_of_nobody, LIVES },
	{ "400 children never closed", children_never_closed, LIVES },
	{ "child of a connection", children_of_a_connection, LIVES },
	{ "children beyond the backlog", children_beyond_backlog, LIVES },
	{ "children there is no room for", children_without_room, LIVES },
	{ "other generations", old_generations, LIVES },
	{ "nothing is answered", nothing_is_answered, LIVES },
	{ "nothing is granted", no_grants, LIVES },
};

static void judge(struct peer *p, const struct attack *a, int ret)
{
	u64 end = now_ms() + PEER_PATIENCE;
	bool refused;

	if (ret == WRONG) {
		report(false, a->name, "went otherwise");
	} else if (a->want == LIVES) {
		bool ok = !ret && !p->dead && node_works(p);

		report(ok, a->name, "%s", ok ? "lives" : ret ? "could not do it" : "died");
	} else if (ret && !p->dead) {
		report(false, a->name, "could not do it");
	} else if (a->want == EITHER) {
		node_serve(p, 300);
		report(p->dead || node_works(p) || p->dead, a->name, p->dead ? "died" : "lives");
	} else {
		/* Whatever is said is a sign of life. */
		while (!p->dead && now_ms() < end) {
			if (p->silent)
				peer_dies(p, 100);
			else
				node_serve(p, 100);
		}
		refused = a->want == REFUSED && peer_refused(p);
		report(a->want == REFUSED ? refused : p->dead, a->name, "%s: %s",
		       p->dead ? "died" : "the session lives", ibv_wc_status_str(p->failure));
	}
}

struct attacks {
	const struct attack *list;
	unsigned int n;
};

/* A session that lives goes on in the next list. */
static void run(struct peer *p, const struct attacks *lists, unsigned int n)
{
	const struct attack *a;
	bool open = false;

	for (; n--; lists++) {
		for (a = lists->list; a < lists->list + lists->n; a++) {
			if (!wanted(a->name))
				continue;
			if (!open && node_open(p, 20000)) {
				report(false, a->name, "the host does not come");
				continue;
			}
			judge(p, a, a->run(p));
			open = !p->dead && a->want == LIVES;
			if (!open)
				node_close(p);
		}
	}
	if (open)
		node_close(p);
}

void attack_host(struct rdma_cm_id *listener)
{
	const struct attacks framing = { framing_attacks, nr_framing_attacks };
	const struct attacks of_a_node[] = {
		{ attacks, ATTACKS(attacks) },
		{ memory_attacks, nr_memory_attacks },
	};
	const struct attacks by_name = { kept_attacks, nr_kept_attacks };
	static struct peer p;

	node_start(&p, listener);
	run(&p, &framing, 1);
	run(&p, of_a_node, ATTACKS(of_a_node));
	if (only)
		run(&p, &by_name, 1);
}
