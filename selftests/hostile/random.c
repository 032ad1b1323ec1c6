// SPDX-License-Identifier: GPL-2.0
/*
 * Random attacks: correct conversations whose messages are changed before they are sent.
 *
 * Most changes are mild: another value that the field may have. A few are wild: any byte, any
 * length, another work request, an earlier message again. About every second of these ends the
 * session, and a new one is what takes the time. Whether the peer takes a message or ends the
 * session is not judged here, only that it goes on serving whoever connects next.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "attack.h"

#define ENDPOINTS	48
#define HISTORY		64
#define MAX_FAILURES	40	/* sessions in a row that do not come up */

static u64 state;
static unsigned int wild_permille;
static unsigned long sent, mild, wild, deaths, sessions;

static u64 random64(void)
{
	u64 z = (state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static u32 below(u32 n)
{
	return random64() % n;
}

static bool one_in(u32 n)
{
	return !below(n);
}

/* ---- changing messages ------------------------------------------------------------------- */

static u64 odd_number(void)
{
	static const u64 odd[] = { 0, 1, 2, 7, 127, 128, 4095, 4096, 16384, 65535, 65536,
				   0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 47, 1ULL << 48,
				   1ULL << 63, ~0ULL };

	return one_in(2) ? odd[below(sizeof(odd) / sizeof(odd[0]))] : random64() >> below(64);
}

/* Fields that may have any value. */
static void change_mildly(struct wire_msg *msg)
{
	u64 x = odd_number();

	mild++;
	if (msg->hdr.opcode != WIRE_DATA && one_in(2))
		msg->hdr.pos = cpu_to_le64(x);
	if (one_in(50))
		msg->hdr.grant = cpu_to_le16(le16_to_cpu(msg->hdr.grant) + 1);
	switch (msg->hdr.opcode) {
	case WIRE_OPEN:
		msg->open.uid = cpu_to_le32(x);
		msg->open.flags = cpu_to_le32(below(2));
		break;
	case WIRE_BIND:
		msg->bind.addr.family = cpu_to_le16(one_in(2) ? 4 : 6);
		msg->bind.addr.port = one_in(2) ? x : 0;
		msg->bind.addr.scope = cpu_to_le32(one_in(4) ? x : 0);
		msg->bind.flags = cpu_to_le32(below(2));
		msg->bind.reserved = cpu_to_le32(x);
		if (one_in(4))
			memcpy(msg->bind.addr.addr, &x, 4);
		break;
	case WIRE_LISTEN:
		msg->listen.backlog = cpu_to_le32(x);
		msg->listen.reserved = cpu_to_le32(random64());
		break;
	case WIRE_SETOPT:
		msg->setopt.level = cpu_to_le32(below(4) ? below(50) : x);
		msg->setopt.name = cpu_to_le32(below(4) ? below(60) : x);
		msg->setopt.len = cpu_to_le32(below(WIRE_OPT_MAX + 1));
		msg->setopt.flags = cpu_to_le32(below(2));
		memcpy(msg->setopt.value, &x, sizeof(x));
		break;
	case WIRE_CLOSE:
		msg->hdr.flags = below(4) << 3;
		msg->close.linger_ms = cpu_to_le32(one_in(2) ? x : below(100));
		msg->close.reserved = cpu_to_le32(x);
		break;
	case WIRE_WINDOW:
		if (one_in(4))
			msg->window.limit = cpu_to_le64(random64());
		else
			msg->window.limit = cpu_to_le64(le64_to_cpu(msg->window.limit) + x % 9999);
		break;
	case WIRE_WANT_WINDOW:
		if (one_in(3))
			msg->want.limit = 0;
		break;
	case WIRE_WANT_TAKEN:
		msg->taken.pos = cpu_to_le64(one_in(10) ? x : 0);
		break;
	case WIRE_RECV_JOB:
		msg->hdr.pos = cpu_to_le64(one_in(20) ? x : 0);
		msg->job.addr = cpu_to_le64(x);
		msg->job.key = cpu_to_le32(x);
		msg->job.len = cpu_to_le32(one_in(2) ? below(100000) : x % WIRE_RECV_MAX + 1);
		msg->job.id = cpu_to_le32(below(20));
		msg->job.flags = cpu_to_le32(below(4));
		break;
	case WIRE_RECV_CANCEL:
	case WIRE_RECV_DONE:
		msg->done.id = cpu_to_le32(below(20));
		msg->done.len = cpu_to_le32(one_in(2) ? 0 : x % WIRE_RECV_MAX);
		break;
	case WIRE_REPLY:
		msg->reply.error = cpu_to_le32(one_in(100) ? below(4096) : 0);
		msg->reply.value = cpu_to_le64(x);
		msg->reply.reserved = cpu_to_le32(x);
		break;
	case WIRE_NEW_CONNECTION:
		if (one_in(3)) {
			msg->conn.listener = cpu_to_le32(x);
			msg->conn.listener_gen = cpu_to_le16(x);
			msg->conn.listener_channel = cpu_to_le16(below(WIRE_MAX_CHANNELS));
		}
		break;
	case WIRE_CLOSED:
		msg->closed.error = cpu_to_le32(below(4096));
		break;
	}
}

static struct inbound history[HISTORY];

/* Anything at all. */
static int send_wildly(struct peer *p, struct wire_msg *msg, u32 len)
{
	static const enum ibv_wr_opcode ops[] = { IBV_WR_SEND_WITH_IMM, IBV_WR_SEND_WITH_INV,
						  IBV_WR_RDMA_WRITE_WITH_IMM, IBV_WR_RDMA_WRITE,
						  IBV_WR_RDMA_READ };
	const struct inbound *old = &history[below(HISTORY)];
	u32 bytes = WIRE_SLOT + len, n = below(4) + 1;
	u8 *raw = (u8 *)msg;

	switch (below(10)) {
	case 0:
		bytes = below(WIRE_SLOT + WIRE_MAX_PAYLOAD + 200);
		break;
	case 1:
		return peer_raw(p, &(struct shot){ ops[below(ATTACKS(ops))], msg, WIRE_SLOT,
				p->peer_addr + (one_in(2) ? odd_number() : below(4096)),
				p->peer_key ^ (one_in(3) ? 1 : 0) });
	case 2:
		msg->hdr.gen = cpu_to_le16(odd_number());
		break;
	case 3:
		msg->hdr.index = cpu_to_le32(one_in(2) ? odd_number() : below(p->slots));
		break;
	case 4:
		msg->hdr.opcode = below(WIRE_OPCODE_END + 1);
		break;
	case 5:
		*msg = old->msg;
		bytes = WIRE_SLOT + old->len;
		break;
	case 6:
		while (n--)
			raw[below(sizeof(msg->hdr))] = odd_number();
		break;
	case 7:
		msg->hdr.pos = cpu_to_le64(odd_number());
		break;
	default:
		while (n--)
			raw[below(sizeof(*msg))] = odd_number();
	}
	return peer_raw_msg(p, msg, bytes);
}

static int transmit(struct peer *p, struct wire_msg *msg, u32 len)
{
	int ret;

	msg->hdr.len = cpu_to_le32(len);
	if (below(1000) < wild_permille) {
		ret = send_wildly(p, msg, len);
		wild += !ret;
	} else {
		if (below(4))
			change_mildly(msg);
		history[sent % HISTORY] = (struct inbound){ .msg = *msg, .len = len };
		ret = peer_say(p, msg, len);
	}
	sent += !ret;
	return ret;
}

/* What the table says of endpoints is the peer's to believe. */
static void write_table(struct peer *p)
{
	u32 index = 1 + below(p->slots - 1);

	if (one_in(2))
		index = 1 + below(ENDPOINTS);
	peer_write_word(p, index, cpu_to_le64(odd_number()), cpu_to_le64(odd_number()));
}

static void summary(const char *whom, u64 seed)
{
	printf("seed %llu: %lu messages to the %s, %lu changed mildly, %lu wildly; %lu sessions, "
	       "%lu died\n", (unsigned long long)seed, sent, whom, mild, wild, sessions, deaths);
	fflush(stdout);
}

static void start(u64 seed, unsigned int permille)
{
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	state = seed;
	wild_permille = permille;
}

/* ---- as a host --------------------------------------------------------------------------- */

/* Of our half by index; of the node's half as they come. */
static struct mine {
	u32 index;
	u16 gen, seq;
	u8 asked;
	enum { NONE, IDLE, LISTENS, TALKS, DEAD, CLOSING } is;
	bool fin;
	u64 out, limit, in;
	struct wire_addr local;
} mine[2 * ENDPOINTS];

static struct mine *find(u32 index)
{
	unsigned int i;

	for (i = 0; i < 2 * ENDPOINTS; i++)
		if (mine[i].index == index && mine[i].is != NONE)
			return &mine[i];
	return NULL;
}

static void add_child(const struct wire_msg *msg)
{
	unsigned int i;

	for (i = ENDPOINTS; i < 2 * ENDPOINTS; i++) {
		if (mine[i].is != NONE)
			continue;
		mine[i] = (struct mine){ .index = le32_to_cpu(msg->hdr.index),
					 .gen = le16_to_cpu(msg->hdr.gen), .is = TALKS,
					 .limit = WIRE_INITIAL_WINDOW };
		return;
	}
}

static bool hear(struct peer *p, const struct wire_msg *msg, u32 len)
{
	struct mine *m = find(le32_to_cpu(msg->hdr.index));
	bool well;

	(void)p;
	if (msg->hdr.opcode == WIRE_NEW_CONNECTION)
		add_child(msg);
	if (!m || m->gen != le16_to_cpu(msg->hdr.gen))
		return true;
	switch (msg->hdr.opcode) {
	case WIRE_REPLY:
		well = !msg->reply.error;
		if (m->asked == WIRE_LISTEN && well && m->is == IDLE) {
			m->is = LISTENS;
			m->local = msg->reply.local;
		} else if (m->asked == WIRE_CONNECT && well && m->is == IDLE) {
			m->is = TALKS;
			m->limit = WIRE_INITIAL_WINDOW;
		}
		m->asked = 0;
		break;
	case WIRE_DATA:
		m->in += len;
		break;
	case WIRE_WINDOW:
		m->limit = wire_word_advance(msg->window.limit, m->gen, m->limit);
		break;
	case WIRE_RESET:
		m->is = m->is == CLOSING ? CLOSING : DEAD;
		break;
	case WIRE_CLOSED:
		m->is = NONE;
		break;
	}
	return true;
}

static int ask_for(struct peer *p, struct mine *m, struct wire_msg *msg)
{
	struct mine *listener = &mine[below(ENDPOINTS)];

	switch (below(9)) {
	case 8:
		msg->hdr.opcode = WIRE_GETOPT;
		msg->getopt.level = cpu_to_le32(one_in(4) ? 41 : one_in(2) ? 6 : 0);
		msg->getopt.name = cpu_to_le32(below(80));
		msg->getopt.room = cpu_to_le32(below(WIRE_OPT_READ + 1));
		break;
	case 0:
		msg->hdr.opcode = WIRE_BIND;
		msg->bind.addr.family = cpu_to_le16(4);
		break;
	case 1:
	case 2:
		msg->hdr.opcode = WIRE_LISTEN;
		msg->listen.backlog = cpu_to_le32(8);
		break;
	case 3:
		msg->hdr.opcode = WIRE_QUERY;
		msg->ask.what = cpu_to_le32(WIRE_QUERY_OUTQ);
		break;
	case 4:
		msg->hdr.opcode = WIRE_SETOPT;
		msg->hdr.flags = WIRE_F_REPLY;
		msg->setopt.len = cpu_to_le32(4);
		break;
	default:
		msg->hdr.opcode = WIRE_CONNECT;
		msg->connect.addr = target;
		/* or to ourselves, by the node's outer address */
		if (listener->is == LISTENS && one_in(3))
			msg->connect.addr.port = listener->local.port;
	}
	m->asked = msg->hdr.opcode;
	msg->hdr.seq = cpu_to_le16(++m->seq);
	return transmit(p, msg, 0);
}

static int send_stream(struct peer *p, struct mine *m, struct wire_msg *msg)
{
	u32 room = m->limit - m->out < WIRE_MAX_PAYLOAD ? m->limit - m->out : WIRE_MAX_PAYLOAD;
	u32 len = room ? 1 + below(one_in(4) ? room : room < 300 ? room : 300) : 0;

	msg->hdr.opcode = WIRE_DATA;
	msg->hdr.pos = cpu_to_le64(m->out);
	if (one_in(60))
		msg->hdr.flags = WIRE_F_FIN;
	if (!len && !msg->hdr.flags) {
		msg->hdr.opcode = WIRE_WANT_WINDOW;
		msg->hdr.pos = 0;
		msg->want.limit = cpu_to_le64(m->limit);
		return transmit(p, msg, 0);
	}
	m->fin = msg->hdr.flags;
	m->out += len;
	return transmit(p, msg, len);
}

static int end(struct peer *p, struct mine *m, struct wire_msg *msg)
{
	msg->hdr.opcode = WIRE_CLOSE;
	msg->close.consumed = cpu_to_le64(one_in(2) ? m->in : 0);
	m->is = CLOSING;
	return transmit(p, msg, 0);
}

static int step_host(struct peer *p)
{
	struct mine *m = &mine[below(2 * ENDPOINTS)];
	struct wire_msg msg;

	if (one_in(20))
		write_table(p);
	if (m->is == NONE && m - mine < ENDPOINTS) {
		u16 gen = m->gen + 1;

		*m = (struct mine){ .index = m - mine + 1, .gen = gen, .is = IDLE };
		wire_init(&msg, WIRE_OPEN, m->index, m->gen);
		return transmit(p, &msg, 0);
	}
	if (m->is == NONE || m->is == CLOSING)
		return 0;
	wire_init(&msg, 0, m->index, m->gen);
	if (one_in(m->is == TALKS ? 40 : 15))
		return end(p, m, &msg);
	if (m->is != TALKS) {
		if (!m->asked && m->is != DEAD)
			return ask_for(p, m, &msg);
		return 0;
	}
	switch (below(8)) {
	case 0:
		msg.hdr.opcode = WIRE_WINDOW;
		msg.window.limit = wire_word(m->gen, m->in + 65536);
		msg.window.consumed = wire_word(m->gen, m->in);
		return transmit(p, &msg, 0);
	case 1:
		msg.hdr.opcode = WIRE_SETOPT;
		msg.setopt.len = cpu_to_le32(4);
		msg.setopt.level = cpu_to_le32(6);
		msg.setopt.name = cpu_to_le32(1 + 2 * below(2));
		return transmit(p, &msg, 0);
	default:
		return m->fin ? 0 : send_stream(p, m, &msg);
	}
}

int random_host(unsigned long count, u64 seed, unsigned int permille)
{
	unsigned int failures = 0;
	struct session s;
	u64 told = now_ms();

	start(seed, permille);
	while (sent < count) {
		if (session_open(&s, 1)) {
			if (++failures == MAX_FAILURES)
				die("the node takes no session any more");
			continue;
		}
		failures = 0;
		sessions++;
		memset(mine, 0, sizeof(mine));
		s.main->hook = hear;
		while (sent < count && !s.main->dead) {
			if (step_host(s.main) && !s.main->dead)
				break;
			peer_pump(s.main, 0);
		}
		deaths += s.main->dead;
		session_close(&s);
		if (now_ms() - told > 10000) {
			told = now_ms();
			summary("node", seed);
		}
	}
	summary("node", seed);
	return 0;
}

/* ---- as a node --------------------------------------------------------------------------- */

static int step_node(struct peer *p)
{
	struct node *node = p->context;
	struct guest *g = &node->guests[below(node->guests[16].state == FREE ? 16 : NODE_MAX)];
	struct wire_msg msg;
	u32 room;

	if (one_in(20))
		write_table(p);
	if (one_in(30))
		return node_push_child(p, 1 + below(64), below(8));
	if (g->state == LISTENING && one_in(4))
		return node_push_child(p, g->index, g->gen);
	if (g->state == FREE || g->state == CLOSED)
		return 0;
	wire_init(&msg, 0, g->index, g->gen);
	if (g->state == OPENED || g->state == LISTENING || g->state == CONNECTING) {
		/* of an old generation: dropped */
		msg.hdr.opcode = one_in(2) ? WIRE_CLOSED : WIRE_REPLY;
		msg.hdr.gen = cpu_to_le16(g->gen - 1);
		return transmit(p, &msg, 0);
	}
	room = g->out_limit - g->out < WIRE_MAX_PAYLOAD ? g->out_limit - g->out : WIRE_MAX_PAYLOAD;
	switch (g->fin_out || g->reset ? 7 : below(8)) {
	case 0:
		msg.hdr.opcode = WIRE_WANT_WINDOW;
		msg.want.limit = cpu_to_le64(g->out_limit);
		return transmit(p, &msg, 0);
	case 1:
		if (below(20))
			return 0;
		g->reset = true;
		msg.hdr.opcode = WIRE_RESET;
		msg.reset.error = cpu_to_le32(104);
		msg.reset.end = cpu_to_le64(g->out);
		return transmit(p, &msg, 0);
	case 2:
	case 7:
		msg.hdr.opcode = WIRE_WINDOW;
		msg.window.limit = wire_word(g->gen, g->in + 65536);
		msg.window.consumed = wire_word(g->gen, g->in);
		return transmit(p, &msg, 0);
	default:
		msg.hdr.opcode = WIRE_DATA;
		msg.hdr.pos = cpu_to_le64(g->out);
		g->fin_out = one_in(60);
		msg.hdr.flags = g->fin_out ? WIRE_F_FIN : 0;
		room = room ? 1 + below(room < 300 ? room : 300) : 0;
		if (!room && !g->fin_out)
			return 0;
		g->out += room;
		return transmit(p, &msg, room);
	}
}

int random_node(struct rdma_cm_id *listener, unsigned long count, u64 seed, unsigned int permille)
{
	static struct peer p;
	unsigned int failures = 0;
	u64 told = now_ms();
	struct node *node;

	start(seed, permille);
	node_start(&p, listener);
	node = p.context;
	node->say = transmit;
	while (sent < count) {
		unsigned long before = sent;
		u64 began = now_ms();

		if (node_open(&p, 20000)) {
			if (++failures == MAX_FAILURES)
				die("the host comes no more");
			continue;
		}
		failures = 0;
		sessions++;
		while (sent < count && !p.dead) {
			if (step_node(&p) && !p.dead)
				break;
			node_serve(&p, 0);
			/* Where the host's sockets have stopped there is little to say. */
			if (sent == before && now_ms() - began > 20000)
				break;
		}
		deaths += p.dead;
		node_close(&p);
		if (now_ms() - told > 10000) {
			told = now_ms();
			summary("host", seed);
		}
	}
	summary("host", seed);
	return 0;
}
