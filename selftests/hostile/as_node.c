// SPDX-License-Identifier: GPL-2.0
/*
 * Attacks of a node on a host. The host has sockets that come and go (mnhostile --victim).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attack.h"

#define MS	10000
#define LANDING_MS	40000	/* a landing of every kind has been made by then */

static struct wire_msg about(const struct guest *g, enum wire_opcode op)
{
	struct wire_msg msg;

	wire_init(&msg, op, g ? g->index : 1, g ? g->gen : 0);
	return msg;
}

static int with_guest(struct peer *p, enum guest_state state, enum wire_opcode op, int times)
{
	struct guest *g = node_guest(p, state, MS);
	struct wire_msg msg = about(g, op);

	msg.reset.error = cpu_to_le32(op == WIRE_RESET ? 104 : 0);
	while (g && times--)
		if (peer_say(p, &msg, 0))
			return p->dead ? 0 : -1;
	return g ? 0 : -1;
}

static int data(struct peer *p, enum guest_state state, int pos, u32 len, u8 flags, int times)
{
	struct guest *g = node_guest(p, state, MS);
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

ATTACK(reply_unasked, with_guest(p, CONNECTED, WIRE_REPLY, 1))

static int reply_other_seq(struct peer *p)
{
	struct guest *g;
	struct wire_msg msg;

	node_of(p)->hold_connect = true;
	g = node_guest(p, CONNECTING, MS);
	msg = about(g, WIRE_REPLY);
	if (!g)
		return -1;
	msg.hdr.seq = cpu_to_le16(g->seq + 1);
	return peer_say(p, &msg, 0);
}

static int reply_twice(struct peer *p)
{
	struct guest *g;
	struct wire_msg msg;
	u16 seq;

	node_of(p)->hold_connect = true;
	g = node_guest(p, CONNECTING, MS);
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
	g = node_guest(p, CONNECTING, MS);
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
ATTACK(reset_twice, with_guest(p, CONNECTED, WIRE_RESET, 2))
ATTACK(reset_listener, with_guest(p, LISTENING, WIRE_RESET, 1))
ATTACK(want_taken, with_guest(p, CONNECTED, WIRE_WANT_TAKEN, 1))
ATTACK(counter, with_guest(p, CONNECTED, WIRE_COUNTER, 1))
ATTACK(recv_job, with_guest(p, CONNECTED, WIRE_RECV_JOB, 1))
ATTACK(recv_cancel, with_guest(p, CONNECTED, WIRE_RECV_CANCEL, 1))
ATTACK(recv_done, with_guest(p, CONNECTED, WIRE_RECV_DONE, 1))
ATTACK(recv_done_listener, with_guest(p, LISTENING, WIRE_RECV_DONE, 1))

/* An endpoint with a job under way, of whose landing these bits are so. */
static struct guest *with_landing(struct peer *p, unsigned int mask, unsigned int bits)
{
	struct node *node = node_of(p);
	u64 end = now_ms() + LANDING_MS;
	unsigned int i;

	node->hold_jobs = true;
	while (!p->dead && now_ms() < end) {
		for (i = 0; i < NODE_MAX; i++)
			if (node->guests[i].state != FREE && node->guests[i].has_job &&
			    (node->guests[i].landing & mask) == bits)
				return &node->guests[i];
		node_serve(p, 5);
	}
	return NULL;
}

static struct guest *with_job(struct peer *p)
{
	return with_landing(p, 0, 0);
}

/* Writes to the host's memory, beginning @skip bytes from where a job's begins. */
static int place(struct peer *p, const struct guest *g, long long skip, u32 len, u32 key_change)
{
	static u8 bytes[4096];

	memset(bytes, 0xee, sizeof(bytes));
	return peer_raw(p, &(struct shot){ IBV_WR_RDMA_WRITE, bytes, len,
					   le64_to_cpu(g->job.addr) + skip,
					   le32_to_cpu(g->job.key) + key_change });
}

static int job_by_the_rules(struct peer *p)
{
	struct guest *g = with_job(p);

	return g ? place(p, g, 0, 3000, 0) ?: node_job_done(p, g, 3000) : -1;
}

static int job_out_of_place(struct peer *p, long long skip, u32 len, u32 key_change)
{
	struct guest *g = with_job(p);

	return g ? place(p, g, skip, len, key_change) : -1;
}

/* Where a key begins and ends: a byte within, and the job goes on by the rules. */
static int job_within(struct peer *p, long long skip)
{
	struct guest *g = with_job(p);

	return g ? place(p, g, skip, 1, 0) ?: node_job_done(p, g, 0) : -1;
}

/* The region begins 100 bytes before the job's memory, and ends 64900 behind its beginning. */
ATTACK(job_first_of_region, job_within(p, -100))
ATTACK(job_last_of_region, job_within(p, 64899))
ATTACK(job_just_before_region, job_out_of_place(p, -101, 1, 0))
ATTACK(job_just_behind_region, job_out_of_place(p, 64900, 1, 0))
ATTACK(job_before_region, job_out_of_place(p, -101, 1000, 0))
ATTACK(job_behind_region, job_out_of_place(p, 63901, 1000, 0))
ATTACK(job_far_away, job_out_of_place(p, 1 << 20, 1000, 0))
ATTACK(job_other_key, job_out_of_place(p, 0, 1000, 1))
ATTACK(job_other_region, job_out_of_place(p, 0, 1000, 256))

/*
 * Reads @len bytes of the host's memory. Whatever becomes of the session, nothing of them may be
 * here afterwards; the victims' are not zero.
 */
static int spy(struct peer *p, u64 addr, u32 key, u32 len)
{
	static const u8 nothing[4096];
	const u8 *read;

	if (peer_raw(p, &(struct shot){ IBV_WR_RDMA_READ, nothing, len, addr, key }))
		return -1;
	read = p->shot;
	peer_dies(p, PEER_PATIENCE);
	return memcmp(read, nothing, len) ? WRONG : 0;
}

static int job_read(struct peer *p)
{
	struct guest *g = with_job(p);

	return g ? spy(p, le64_to_cpu(g->job.addr), le32_to_cpu(g->job.key), 1000) : -1;
}

static int add_to(struct peer *p, u64 addr, u32 key)
{
	static const u8 old[8];

	return peer_raw(p, &(struct shot){ IBV_WR_ATOMIC_FETCH_AND_ADD, old, sizeof(old),
					   (addr + 7) & ~7ULL, key });
}

static int job_atomic(struct peer *p)
{
	struct guest *g = with_job(p);

	return g ? add_to(p, le64_to_cpu(g->job.addr), le32_to_cpu(g->job.key)) : -1;
}

static int job_done_with(struct peer *p, u32 more, u32 other_id, int times)
{
	struct guest *g = with_job(p);
	u32 len;

	if (!g)
		return -1;
	len = more ? le32_to_cpu(g->job.len) + more : 0;
	g->job.id = cpu_to_le32(le32_to_cpu(g->job.id) + other_id);
	while (times--)
		if (node_job_done(p, g, len))
			return p->dead ? 0 : -1;
	return 0;
}

ATTACK(job_done_too_much, job_done_with(p, 1, 0, 1))
ATTACK(job_done_far_too_much, job_done_with(p, WIRE_RECV_MAX - 100000, 0, 1))
ATTACK(job_done_other, job_done_with(p, 0, 1, 1))
ATTACK(job_done_twice, job_done_with(p, 0, 0, 2))

static int job_done_elsewhere(struct peer *p)
{
	struct guest *g = with_job(p);

	if (!g)
		return -1;
	g->out++;
	return node_job_done(p, g, 10);
}

/* Whether an endpoint is still the one it was, and not closed. */
static bool same(const struct guest *g, const struct guest *old)
{
	return g->index == old->index && g->gen == old->gen && g->state == old->state;
}

/* Waits until the host has closed a socket. */
static bool is_closed(struct peer *p, const struct guest *g)
{
	const struct guest old = *g;
	u64 end = now_ms() + MS;

	while (!p->dead && now_ms() < end && same(g, &old))
		node_serve(p, 5);
	return !p->dead && !same(g, &old);
}

/* It ends a job by the rules, waits until the host has closed the socket, and writes again. */
static int job_afterwards(struct peer *p)
{
	struct guest *g = with_job(p);
	struct guest old;

	if (!g || node_job_done(p, g, 0))
		return -1;
	old = *g;
	return is_closed(p, g) ? place(p, &old, 0, 1000, 0) : -1;
}

/* Waits until a region is gone; whether its job was over before, and its socket is open. */
static bool is_gone(struct peer *p, const struct guest *g)
{
	const struct guest old = *g;
	u64 end = now_ms() + MS;

	while (!p->dead && now_ms() < end && same(g, &old)) {
		if (g->landing & LANDING_GONE)
			return g->landing & LANDING_OVER;
		node_serve(p, 5);
	}
	return false;
}

/* The same while the socket is open: the region is gone, and the host has said so. */
static int job_of_the_past(struct peer *p, unsigned int mask, unsigned int bits)
{
	u64 end = now_ms() + LANDING_MS;
	struct guest *g, old;

	while (!p->dead && now_ms() < end) {
		g = with_landing(p, mask | LANDING_RECV, bits | LANDING_RECV);
		if (!g || node_job_done(p, g, 0))
			return -1;
		old = *g;
		if (is_gone(p, g))
			return place(p, &old, 0, 1000, 0);
	}
	return -1;
}

#define KIND (LANDING_OWN | LANDING_SENDS | LANDING_SENT)
ATTACK(job_of_the_past_plain, job_of_the_past(p, KIND, 0))
ATTACK(job_of_the_past_sent, job_of_the_past(p, KIND, LANDING_SENDS | LANDING_SENT))
ATTACK(job_of_a_closed_context, job_of_the_past(p, LANDING_OWN, LANDING_OWN))

/* What is sent from the region is never taken, as far as the host knows. */
static int job_of_the_past_sending(struct peer *p)
{
	node_of(p)->hold_taken = true;
	return job_of_the_past(p, KIND, LANDING_SENDS);
}

/* ---- counters: a page of words of 8 bytes ------------------------------------------------ */

static bool is_open(const struct guest *g)
{
	return g->state == CONNECTED || g->state == CHILD;
}

/* An endpoint with a counter, of whose landing these bits are so. */
static struct guest *with_counter(struct peer *p, unsigned int mask, unsigned int bits)
{
	struct node *node = node_of(p);
	u64 end = now_ms() + LANDING_MS;
	unsigned int i;

	while (!p->dead && now_ms() < end) {
		for (i = 0; i < NODE_MAX; i++)
			if (is_open(&node->guests[i]) && node->guests[i].has_counter &&
			    (node->guests[i].landing & mask) == bits)
				return &node->guests[i];
		node_serve(p, 5);
	}
	return NULL;
}

static u64 counter_page(const struct guest *g)
{
	return le64_to_cpu(g->counter.addr) & ~4095ULL;
}

static int count(struct peer *p, const struct guest *g, u64 addr, const void *words, u32 len)
{
	return peer_raw(p, &(struct shot){ IBV_WR_RDMA_WRITE, words, len, addr,
					   le32_to_cpu(g->counter.key) });
}

static int counter_absurd(struct peer *p)
{
	struct guest *g = with_counter(p, 0, 0);
	__le64 words[] = { 0, ~0ULL, 0, 0, 0 };
	unsigned int i;

	if (!g)
		return -1;
	words[2] = wire_word(g->gen, 1ULL << 46);
	words[3] = wire_word(g->gen, ~0ULL);
	words[4] = wire_word(g->gen + 1, g->in);
	for (i = 0; i < ATTACKS(words); i++) {
		if (count(p, g, le64_to_cpu(g->counter.addr), &words[i], sizeof(words[i])))
			return -1;
		node_serve(p, 20);
	}
	return 0;
}

/* From its first byte to its last, those of other sockets among them. */
static int counters_garbage(struct peer *p)
{
	struct guest *g = with_counter(p, 0, 0);
	unsigned int i, round;
	u8 garbage[4096];

	for (round = 0; g && round < 3; round++) {
		for (i = 0; i < sizeof(garbage); i++)
			garbage[i] = round == 0 ? 0xff : i * 37 + round;
		if (count(p, g, counter_page(g), garbage, sizeof(garbage)))
			return -1;
	}
	return g ? 0 : -1;
}

static int counter_out_of_place(struct peer *p, long long skip)
{
	struct guest *g = with_counter(p, 0, 0);
	__le64 word = 0;

	return g ? count(p, g, counter_page(g) + skip, &word, sizeof(word)) : -1;
}

ATTACK(counter_before_page, counter_out_of_place(p, -8))
ATTACK(counter_across_end, counter_out_of_place(p, 4092))
ATTACK(counter_behind_page, counter_out_of_place(p, 4096))

static int counter_read(struct peer *p)
{
	struct guest *g = with_counter(p, 0, 0);

	return g ? spy(p, counter_page(g), le32_to_cpu(g->counter.key), 4096) : -1;
}

static int counter_atomic(struct peer *p)
{
	struct guest *g = with_counter(p, 0, 0);

	return g ? add_to(p, le64_to_cpu(g->counter.addr), le32_to_cpu(g->counter.key)) : -1;
}

/*
 * The page is the host's own again when its context and its last socket are gone, which may be a
 * moment after the node has heard of it; until then nobody minds what is written there.
 */
static int counter_afterwards(struct peer *p)
{
	const unsigned int bits = LANDING_OWN | LANDING_GONE;
	struct guest *g = with_counter(p, bits, bits);
	u64 end = now_ms() + MS;
	__le64 word = 0;
	struct guest old;

	if (!g)
		return -1;
	old = *g;
	if (!is_closed(p, g))
		return -1;
	while (!p->dead && now_ms() < end) {
		if (count(p, &old, le64_to_cpu(old.counter.addr), &word, sizeof(word)))
			return p->dead ? 0 : -1;
		node_serve(p, 200);
	}
	return 0;
}

/* The host's cancelling is not answered, nor is its closing. */
static int job_never_over(struct peer *p)
{
	if (!with_job(p))
		return -1;
	node_serve(p, 1000);
	return 0;
}

ATTACK(data_tell, data(p, CONNECTED, 0, 10, WIRE_F_TELL, 1))
ATTACK(want_listener, with_guest(p, LISTENING, WIRE_WANT_WINDOW, 1))

static int reset_zero(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, MS);
	struct wire_msg msg = about(g, WIRE_RESET);

	return g ? peer_say(p, &msg, 0) : -1;
}

static int reset_behind(struct peer *p)
{
	struct guest *g;
	struct wire_msg msg;

	if (data(p, CONNECTED, 0, 100, 0, 1))
		return -1;
	g = node_guest(p, CONNECTED, MS);
	msg = about(g, WIRE_RESET);
	if (!g || g->out < 100)
		return -1;
	msg.reset.error = cpu_to_le32(104);
	msg.reset.end = cpu_to_le64(1);
	return peer_say(p, &msg, 0);
}

static int data_after_reset_end(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, MS);
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
	struct guest *g = node_guest(p, CONNECTED, MS);
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
	struct guest *g = node_guest(p, CONNECTED, MS);
	struct wire_msg msg = about(g, WIRE_RESET);

	if (!g)
		return -1;
	msg.reset.error = cpu_to_le32(4095);
	msg.reset.end = cpu_to_le64(~0ULL);
	g->state = CLOSED;	/* nothing more of it; its CLOSE goes unanswered */
	return peer_say(p, &msg, 0);
}

static int window_consumed(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, MS);
	struct wire_msg msg = about(g, WIRE_WINDOW);

	if (!g)
		return -1;
	msg.window.limit = wire_word(g->gen, g->in_limit);
	msg.window.consumed = wire_word(g->gen, g->in + (1 << 20));
	return peer_say(p, &msg, 0);
}

static int windows_absurd(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, MS);
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
	struct guest *g = node_guest(p, CONNECTED, MS);
	struct wire_msg msg = about(g, WIRE_WANT_WINDOW);

	msg.want.limit = cpu_to_le64(~0ULL);
	return g ? peer_say(p, &msg, 0) : -1;
}

static int want_flood(struct peer *p)
{
	struct guest *g = node_guest(p, CONNECTED, MS);
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
	struct guest *g = node_guest(p, CONNECTED, MS);

	return g ? node_push_child(p, g->index, g->gen) : -1;
}

static int children_beyond_backlog(struct peer *p)
{
	struct guest *g = node_guest(p, LISTENING, MS);
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
	struct guest *g = node_guest(p, LISTENING, MS);
	u32 index = g ? g->index : 0, collected = 0;
	u16 gen = g ? g->gen : 0;
	u64 end = now_ms() + MS;
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

/* How long the other side waits before it tries again where there was no receive request. */
static void retry_after(struct peer *p, u8 code)
{
	struct ibv_qp_attr attr = { .min_rnr_timer = code };

	if (ibv_modify_qp(p->qp, &attr, IBV_QP_MIN_RNR_TIMER))
		die("cannot change the queue pair");
}

#define RETRY_5_MS	18
#define RETRY_655_MS	0
#define FEW		(LANDING_MESSAGES - 1)

static unsigned int deaf_mask, deaf_bits;

/* From the moment when a victim says so nothing is received but what is on its way to the FEW. */
static bool grow_deaf(struct peer *p, const struct wire_msg *msg, u32 len)
{
	int said = node_landing(msg);

	(void)len;
	if (p->deaf || said < 0 || (said & deaf_mask) != deaf_bits || p->posted > FEW)
		return false;
	p->deaf = true;
	retry_after(p, RETRY_655_MS);
	return false;
}

/*
 * Receives are granted that are not posted. A victim that says that it is about to have memory
 * registered says LANDING_MESSAGES more first: they take the last of those that there are, so the
 * registration stands behind a message that nobody takes. Heartbeats go on.
 */
static int no_receives(struct peer *p, unsigned int mask, unsigned int bits)
{
	u64 end = now_ms() + LANDING_MS;

	deaf_mask = mask;
	deaf_bits = bits;
	retry_after(p, RETRY_5_MS);
	p->receives = FEW;
	p->hook = grow_deaf;
	while (!p->dead && !p->deaf && now_ms() < end)
		node_serve(p, 5);
	p->hook = NULL;
	/* Dead before it was deaf, it died of something else. */
	return p->deaf ? 0 : p->dead ? WRONG : -1;
}

ATTACK(no_receives_for_region, no_receives(p, LANDING_RECV, LANDING_RECV))

/* The first counter of a context comes with a page. */
static int no_receives_for_counter(struct peer *p)
{
	return no_receives(p, LANDING_ALL, LANDING_OWN | LANDING_SENDS);
}

static int old_generations(struct peer *p)
{
	static const u8 ops[] = { WIRE_REPLY, WIRE_CLOSED, WIRE_WINDOW, WIRE_WANT_WINDOW,
				  WIRE_DATA };
	struct guest *g = node_guest(p, CONNECTED, MS);
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

static const struct attack attacks[] = {
	{ "REPLY nobody asked for", reply_unasked, DIES },
	{ "REPLY to another request", reply_other_seq, DIES },
	{ "REPLY twice", reply_twice, DIES },
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
	{ "RESET twice", reset_twice, EITHER },
	{ "RESET of a listener", reset_listener, DIES },
	{ "WANT_WINDOW of a listener", want_listener, DIES },
	{ "RESET without error", reset_zero, DIES },
	{ "RESET behind what came", reset_behind, DIES },
	{ "DATA beyond RESET's end", data_after_reset_end, DIES },
	{ "FIN after a RESET with FIN", fin_after_reset, DIES },
	{ "RESET far ahead", reset_far, LIVES },
	{ "WINDOW that has taken too much", window_consumed, DIES },
	{ "absurd windows", windows_absurd, LIVES },
	{ "WANT_WINDOW of more than was granted", want_too_much, DIES },
	{ "500 WANT_WINDOWs", want_flood, LIVES },
	{ "WANT_TAKEN of a node", want_taken, DIES },
	{ "COUNTER of a node", counter, DIES },
	{ "DATA of a node that asks to be told", data_tell, DIES },
	{ "a job by the rules", job_by_the_rules, LIVES },
	{ "the first byte of a job's region", job_first_of_region, LIVES },
	{ "the last byte of a job's region", job_last_of_region, LIVES },
	{ "the byte before a job's region", job_just_before_region, REFUSED },
	{ "the byte behind a job's region", job_just_behind_region, REFUSED },
	{ "read of a job's region", job_read, REFUSED },
	{ "atomic in a job's region", job_atomic, REFUSED },
	{ "a job's bytes before its region", job_before_region, REFUSED },
	{ "a job's bytes behind its region", job_behind_region, REFUSED },
	{ "a job's bytes a megabyte away", job_far_away, REFUSED },
	{ "a job's bytes by another key", job_other_key, REFUSED },
	{ "a job's bytes by the key of another region", job_other_region, REFUSED },
	{ "RECV_DONE of a byte too many", job_done_too_much, DIES },
	{ "RECV_DONE of a gigabyte", job_done_far_too_much, DIES },
	{ "RECV_DONE of another job", job_done_other, DIES },
	{ "RECV_DONE twice", job_done_twice, DIES },
	{ "RECV_DONE of another position", job_done_elsewhere, DIES },
	{ "a job's bytes after its region is gone", job_of_the_past_plain, REFUSED },
	{ "a job's bytes after its region, once sent from, is gone", job_of_the_past_sent, REFUSED },
	{ "a job's bytes after its region, sent from, is gone", job_of_the_past_sending, REFUSED },
	{ "a job's bytes after its context is closed", job_of_a_closed_context, REFUSED },
	{ "a job's bytes after its socket is closed", job_afterwards, REFUSED },
	{ "a counter that cannot be", counter_absurd, LIVES },
	{ "garbage all over the counters", counters_garbage, LIVES },
	{ "a counter before the page", counter_before_page, REFUSED },
	{ "a counter across the page's end", counter_across_end, REFUSED },
	{ "a counter behind the page", counter_behind_page, REFUSED },
	{ "read of the counters", counter_read, REFUSED },
	{ "atomic in the counters", counter_atomic, REFUSED },
	{ "a counter after its context and socket are gone", counter_afterwards, REFUSED },
	{ "a job that is never over", job_never_over, LIVES },
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
	{ "no receives are posted, a region waits", no_receives_for_region, DIES },
	{ "no receives are posted, a counter waits", no_receives_for_counter, DIES },
};

/* Until the host deletes the link: whoever runs this kills the victims meanwhile. */
static int job_kept(struct peer *p)
{
	if (!with_job(p))
		return -1;
	node_of(p)->hold_close = true;
	remark("the job is kept");
	node_serve(p, 120000);
	return p->dead ? 0 : -1;
}

/* done only by name */
static const struct attack by_name[] = {
	{ "a job that is kept", job_kept, DIES },
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
		refused = peer_refused(p);
		report(a->want == REFUSED ? refused : p->dead, a->name, "%s: %s",
		       p->dead ? "died" : "the session lives", ibv_wc_status_str(p->failure));
	}
}

static void run(struct peer *p, const struct attack *list, unsigned int n)
{
	bool open = false;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!wanted(list[i].name))
			continue;
		if (!open && node_open(p, 20000)) {
			report(false, list[i].name, "the host does not come");
			continue;
		}
		judge(p, &list[i], list[i].run(p));
		open = !p->dead && list[i].want == LIVES;
		if (!open)
			node_close(p);
	}
	if (open)
		node_close(p);
}

void attack_host(struct rdma_cm_id *listener)
{
	static struct peer p;

	node_start(&p, listener);
	run(&p, framing_attacks, nr_framing_attacks);
	run(&p, attacks, ATTACKS(attacks));
	if (only)
		run(&p, by_name, ATTACKS(by_name));
}
