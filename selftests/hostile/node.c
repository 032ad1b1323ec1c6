// SPDX-License-Identifier: GPL-2.0
/*
 * A node that keeps the rules, without any network behind it: it accepts what hosts ask for.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "attack.h"

#define GRANT	65536

struct node *node_of(struct peer *p)
{
	return p->context;
}

struct wire_addr node_address(u8 last, u16 port)
{
	return (struct wire_addr){ .family = cpu_to_le16(4), .port = htons(port),
				   .addr = { 203, 0, 113, last } };
}

static struct guest *find(struct peer *p, u32 index)
{
	struct node *node = node_of(p);
	unsigned int i;

	for (i = 0; i < NODE_MAX; i++)
		if (node->guests[i].state != FREE && node->guests[i].index == index)
			return &node->guests[i];
	return NULL;
}

static struct guest *add(struct peer *p, u32 index, u16 gen)
{
	struct node *node = node_of(p);
	unsigned int i;

	for (i = 0; i < NODE_MAX; i++) {
		if (node->guests[i].state == FREE) {
			node->guests[i] = (struct guest){ .index = index, .gen = gen,
							  .state = OPENED };
			return &node->guests[i];
		}
	}
	return NULL;
}

void node_start(struct peer *p, struct rdma_cm_id *listener)
{
	struct node *node = node_of(p);

	if (!node)
		node = calloc(1, sizeof(*node));
	if (!node)
		die("no memory");
	memset(node->guests, 0, sizeof(node->guests));
	node->hold_connect = false;
	node->hold_option = 0;
	node->hold_close = false;
	node->hold_jobs = false;
	node->hold_taken = false;
	node->next_child = 0;
	node->listener = listener;
	if (!node->say)
		node->say = peer_say;
	p->context = node;
}

/* Waits for the host and makes a session with it. */
int node_open(struct peer *p, int ms)
{
	struct node *node = node_of(p);
	struct wire_cm_rep rep;

	node_start(p, node->listener);
	if (peer_await(p, node->listener, &terms, ms))
		return -1;
	rep = peer_reply(p);
	if (peer_accept(p, &rep, sizeof(rep)) || peer_hello(p)) {
		peer_close(p);
		return -1;
	}
	return 0;
}

void node_close(struct peer *p)
{
	peer_close(p);
}

int node_answer(struct peer *p, struct guest *g, u32 error)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_REPLY, g->index, g->gen);
	msg.hdr.seq = cpu_to_le16(g->seq);
	msg.reply.error = cpu_to_le32(error);
	msg.reply.local = node_address(1, 4000 + g->index);
	if (g->asked == WIRE_CONNECT) {
		msg.reply.peer = node_address(2, 80);
		if (!error) {
			g->state = CONNECTED;
			g->in_limit = WIRE_INITIAL_WINDOW;
			g->out_limit = WIRE_INITIAL_WINDOW;
		}
	} else if (g->asked == WIRE_LISTEN && !error) {
		g->state = LISTENING;
	}
	g->asked = 0;
	return node_of(p)->say(p, &msg, 0);
}

int node_push_child(struct peer *p, u32 listener, u16 gen)
{
	struct node *node = node_of(p);
	u32 index = p->slots / 2 + node->next_child++ % (p->slots / 2);
	struct guest *g = add(p, index, ++node->child_gen), *at = find(p, listener);
	struct wire_msg msg;

	if (!g)
		return -1;
	if (at && at->gen == gen)
		at->children++;
	g->state = CHILD;
	g->in_limit = WIRE_INITIAL_WINDOW;
	g->out_limit = WIRE_INITIAL_WINDOW;
	wire_init(&msg, WIRE_NEW_CONNECTION, index, g->gen);
	msg.conn.listener = cpu_to_le32(listener);
	msg.conn.listener_gen = cpu_to_le16(gen);
	msg.conn.local = node_address(1, 80);
	msg.conn.peer = node_address(3, 5000 + index % 1000);
	return node->say(p, &msg, 0);
}

/* The next one comes; of those there was no room for, none in their place. */
static void handle_accepted(struct peer *p, struct guest *g, u32 count)
{
	g->children -= count < g->children ? count : g->children;
	if (g->children < g->backlog)
		node_push_child(p, g->index, g->gen);
}

static void handle_close(struct peer *p, struct guest *g)
{
	struct wire_msg msg;

	if (node_of(p)->hold_close) {
		g->state = CLOSED;
		return;
	}
	wire_init(&msg, WIRE_CLOSED, g->index, g->gen);
	g->state = FREE;
	node_of(p)->say(p, &msg, 0);
}

int node_job_done(struct peer *p, struct guest *g, u32 len)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_RECV_DONE, g->index, g->gen);
	msg.hdr.pos = cpu_to_le64(g->out);
	msg.done.id = g->job.id;
	msg.done.len = cpu_to_le32(len);
	g->has_job = false;
	return node_of(p)->say(p, &msg, 0);
}

static void handle_want(struct peer *p, struct guest *g)
{
	struct wire_msg msg;

	g->in_limit = g->in + GRANT;
	wire_init(&msg, WIRE_WINDOW, g->index, g->gen);
	msg.window.limit = wire_word(g->gen, g->in_limit);
	msg.window.consumed = wire_word(g->gen, g->in);
	node_of(p)->say(p, &msg, 0);
}

/* Who waits for it is told what was taken: all that came. */
static void tell_taken(struct peer *p, struct guest *g)
{
	struct wire_msg msg;

	if (node_of(p)->hold_taken)
		return;
	wire_init(&msg, WIRE_WINDOW, g->index, g->gen);
	msg.window.limit = wire_word(g->gen, g->in_limit);
	msg.window.consumed = wire_word(g->gen, g->in);
	node_of(p)->say(p, &msg, 0);
}

/* What a message says of a victim's region, LANDING_*, or -1. */
int node_landing(const struct wire_msg *msg)
{
	__le32 value;
	u32 said;

	if (msg->hdr.opcode != WIRE_SETOPT || le32_to_cpu(msg->setopt.level) != IPPROTO_TCP ||
	    le32_to_cpu(msg->setopt.name) != TCP_KEEPIDLE)
		return -1;
	memcpy(&value, msg->setopt.value, sizeof(value));
	said = le32_to_cpu(value) - LANDING;
	return said <= LANDING_ALL ? (int)said : -1;
}

void node_handle(struct peer *p, const struct inbound *in)
{
	const struct wire_msg *msg = &in->msg;
	u32 index = le32_to_cpu(msg->hdr.index);
	struct guest *g = find(p, index);

	if (msg->hdr.opcode == WIRE_OPEN) {
		if (g)
			g->state = FREE;
		add(p, index, le16_to_cpu(msg->hdr.gen));
		return;
	}
	if (!g)
		return;
	if (node_landing(msg) >= 0)
		g->landing = node_landing(msg);
	switch (msg->hdr.opcode) {
	case WIRE_BIND:
	case WIRE_LISTEN:
	case WIRE_CONNECT:
	case WIRE_QUERY:
	case WIRE_GETOPT:
	case WIRE_SETOPT:
		if (msg->hdr.opcode == WIRE_SETOPT && !(msg->hdr.flags & WIRE_F_REPLY))
			break;
		g->seq = le16_to_cpu(msg->hdr.seq);
		g->asked = msg->hdr.opcode;
		if (g->asked == WIRE_LISTEN)
			g->backlog = le32_to_cpu(msg->listen.backlog);
		if (g->asked == WIRE_CONNECT)
			g->state = CONNECTING;
		if (!(g->asked == WIRE_CONNECT && node_of(p)->hold_connect) &&
		    g->asked != node_of(p)->hold_option)
			node_answer(p, g, 0);
		if (g->state == LISTENING)
			node_push_child(p, g->index, g->gen);
		break;
	case WIRE_DATA:
		g->in += in->len;
		g->fin_in |= msg->hdr.flags & WIRE_F_FIN;
		if (msg->data.key) {
			g->counter = msg->data;
			g->has_counter = true;
		}
		if (msg->hdr.flags & WIRE_F_TELL)
			tell_taken(p, g);
		break;
	case WIRE_WANT_TAKEN:
		tell_taken(p, g);
		break;
	case WIRE_WANT_WINDOW:
		handle_want(p, g);
		break;
	case WIRE_RECV_JOB:
		g->job = msg->job;
		g->has_job = true;
		break;
	case WIRE_RECV_CANCEL:
		if (g->has_job && g->job.id == msg->cancel.id && !node_of(p)->hold_jobs)
			node_job_done(p, g, 0);
		break;
	case WIRE_WINDOW:
		g->out_limit = wire_word_advance(msg->window.limit, g->gen, g->out_limit);
		break;
	case WIRE_ACCEPTED:
		handle_accepted(p, g, le32_to_cpu(msg->accepted.count));
		break;
	case WIRE_CLOSE:
		handle_close(p, g);
		break;
	}
}

/* Keeps the rules for a while. */
void node_serve(struct peer *p, int ms)
{
	u64 end = now_ms() + ms;
	struct inbound in;

	do {
		while (peer_take(p, &in, 0))
			node_handle(p, &in);
		if (p->dead)
			return;
		peer_pump(p, end > now_ms() ? end - now_ms() : 0);
	} while (now_ms() < end);
	while (peer_take(p, &in, 0))
		node_handle(p, &in);
}

/* An endpoint in this state, as soon as the host has one. */
struct guest *node_guest(struct peer *p, enum guest_state state, int ms)
{
	struct node *node = node_of(p);
	u64 end = now_ms() + ms;
	unsigned int i;

	while (!p->dead && now_ms() < end) {
		for (i = 0; i < NODE_MAX; i++)
			if (node->guests[i].state == state)
				return &node->guests[i];
		node_serve(p, 5);
	}
	return NULL;
}

/* Whether the host still answers: it closes a child nobody listens for. */
bool node_works(struct peer *p)
{
	struct node *node = node_of(p);
	u32 index = p->slots / 2 + node->next_child;
	u64 end = now_ms() + NODE_MS;
	struct guest *g;

	if (node_push_child(p, p->slots / 2 - 1, 0xdead))
		return false;
	while (!p->dead && now_ms() < end) {
		g = find(p, index);
		if (!g || g->state != CHILD)
			return true;
		node_serve(p, 5);
	}
	return false;
}
