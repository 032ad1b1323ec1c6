// SPDX-License-Identifier: GPL-2.0
/*
 * Attacks of a host on a node by number: what the node would have to hold if nothing were bounded.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "attack.h"

/* Of endpoints without a socket, as many as there are indices: see kmod-tcps/endpoint.c. */
#define LIVES_ALLOWED (WIRE_MAX_SLOTS / 2)

/* As fast as the queue pair takes them: who wants to do harm does not care for credits. */
static int flood(struct peer *p, struct wire_msg *msg)
{
	static unsigned int count;

	if (++count % 64 == 0)
		host_pump(0);
	return peer_raw_msg(p, msg, WIRE_SLOT);
}

static int flood_option(struct peer *p, u32 index, u32 level, u32 name)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_SETOPT, index, 1);
	msg.setopt.level = cpu_to_le32(level);
	msg.setopt.name = cpu_to_le32(name);
	msg.setopt.len = cpu_to_le32(4);
	return flood(p, &msg);
}

/*
 * Answers cannot be sent for lack of credits, and behind the first that is owed everything waits:
 * requests, and between them options, of which each is another.
 */
static int hoard_requests(struct peer *p)
{
	static const u8 tcp[] = { TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_LINGER2,
				  TCP_DEFER_ACCEPT, TCP_WINDOW_CLAMP, TCP_QUICKACK,
				  TCP_USER_TIMEOUT, TCP_MAXSEG };
	static const u8 general[] = { SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE, SO_SNDBUF,
				      SO_RCVBUF };
	u32 index, sent = 0, i, j;
	struct wire_msg msg;

	p->stingy = true;
	for (index = host_next_index(); index < p->slots / 2; index++) {
		wire_init(&msg, WIRE_OPEN, index, 1);
		if (flood(p, &msg))
			goto out;
		for (i = 0; i < 8; i++) {
			wire_init(&msg, WIRE_QUERY, index, 1);
			msg.ask.what = cpu_to_le32(WIRE_QUERY_OUTQ);
			if (flood(p, &msg))
				goto out;
			for (j = 0; j < ATTACKS(tcp); j++, sent++)
				if (flood_option(p, index, IPPROTO_TCP, tcp[j]))
					goto out;
			for (j = 0; j < ATTACKS(general); j++, sent++)
				if (flood_option(p, index, SOL_SOCKET, general[j]))
					goto out;
		}
	}
out:
	remark("%u options sent", sent);
	return 0;
}

/* Where the node counts what TCP has taken of a connection: it needs no credit for that. */
static __le64 *counter_of(struct peer *p)
{
	return &p->table[p->slots - 1].consumed;
}

/* A connection whose first byte was sent. */
static u32 counted_connection(struct peer *p)
{
	u32 index = host_connected(p);
	struct wire_msg msg;

	wire_init(&msg, WIRE_DATA, index, 1);
	msg.hdr.flags = WIRE_F_COUNT;
	msg.data.addr = cpu_to_le64((uintptr_t)counter_of(p));
	msg.data.key = cpu_to_le32(p->table_mr->rkey);
	return index && !peer_say(p, &msg, 1) ? index : 0;
}

/* The node's worker has done what it was told before, for it goes in turns. */
static bool is_through(struct peer *p, u32 index, u64 pos)
{
	u64 end = now_ms() + HOST_MS;

	if (host_data(p, index, pos, 1, WIRE_F_COUNT))
		return false;
	while (__atomic_load_n(counter_of(p), __ATOMIC_RELAXED) != wire_word(1, pos + 1)) {
		if (p->dead || now_ms() >= end)
			return false;
		host_pump(10);
	}
	return true;
}

/*
 * CLOSED cannot be sent either, so every life of an index is one more endpoint for the node. It
 * ends this when there are more than a host may have, and no sooner.
 */
static int hoard_lives(struct peer *p)
{
	u32 connection = counted_connection(p), first = host_next_index(), index, lives = 0;
	struct wire_msg msg;
	u64 pos = 1;

	if (!connection)
		return WRONG;
	p->stingy = true;
	while (lives < LIVES_ALLOWED * 5 / 4) {
		for (index = first; index < p->slots / 2; index++, lives++) {
			wire_init(&msg, WIRE_OPEN, index, 1);
			if (flood(p, &msg))
				goto out;
			wire_init(&msg, WIRE_CLOSE, index, 1);
			if (flood(p, &msg))
				goto out;
		}
		/* An index that is opened too early would end it as well. */
		if (!is_through(p, connection, pos++))
			break;
	}
out:
	remark("%u lives, %u are allowed", lives, LIVES_ALLOWED);
	return lives >= LIVES_ALLOWED ? 0 : WRONG;
}

/* The node has no sockets left for them, and no stream in which these options have their place. */
static int hoard_without_sockets(struct peer *p)
{
	u32 first = host_next_index(), last = p->slots / 2 - 2, index, i;
	struct inbound in;

	for (index = first; index < last; index++) {
		if (!host_open(p, index))
			return -1;
		for (i = 0; i < 40; i++)
			if (host_option(p, index, IPPROTO_TCP, i % 2 ? TCP_CORK : TCP_NODELAY, i,
					4, 0))
				return -1;
		host_pump(0);
	}
	if (host_request(p, WIRE_QUERY, last - 1, &in) != ENFILE)
		return -1;
	for (index = first; index < last; index++) {
		if (host_close(p, index))
			return -1;
		host_pump(0);
	}
	while (host_next_index() < last)
		;
	return 0;
}

static u32 listening_at(struct peer *p, u16 port, u32 backlog)
{
	u32 index = host_open(p, 0);
	struct inbound in;
	struct wire_msg msg;

	wire_init(&msg, WIRE_BIND, index, 1);
	msg.bind.addr.family = cpu_to_le16(4);
	msg.bind.addr.port = htons(port);
	if (!index || host_ask(p, &msg, index, &in))
		return 0;
	wire_init(&msg, WIRE_LISTEN, index, 1);
	msg.listen.backlog = cpu_to_le32(backlog);
	return host_ask(p, &msg, index, &in) ? 0 : index;
}

/*
 * More children than one channel has places for: 32 with --slots 64. They come to the channel with
 * fewer endpoints, which is channel 1 while all of ours are on channel 0, until it is full.
 */
static int children_of_one_peer(struct peer *p)
{
	unsigned int places = p->slots / 2, wanted = places * 3 / 2, got[2], i;

	for (i = 0; i < places - 3; i++)
		if (!host_open(p, 0))
			return -1;
	if (!listening_at(p, 7002, wanted))
		return -1;
	host_children(wanted, 4 * HOST_MS, got);
	remark("%u and %u children came", got[0], got[1]);
	return got[0] == wanted - places && got[1] == places ? 0 : -1;
}

/*
 * All places for children are taken, one by a child whose bytes TCP does not take. It is closed,
 * and when its linger time is over the node is done with it as far as we see: another one comes,
 * while the node goes on to send.
 */
static int place_of_an_orphan(struct peer *p)
{
	u32 child = p->slots / 2, sent = WIRE_INITIAL_WINDOW;
	unsigned int got[2];
	struct inbound in;
	struct wire_msg msg;

	if (!listening_at(p, 7002, 2 * p->slots))
		return -1;
	host_children(p->slots + 1, 2 * HOST_MS, got);
	remark("%u and %u children came", got[0], got[1]);
	if (got[0] + got[1] != p->slots)
		return -1;
	wire_init(&msg, WIRE_CLOSE, child, 1);
	msg.hdr.flags = WIRE_F_LINGER;
	msg.close.linger_ms = cpu_to_le32(200);
	if (host_option(p, child, SOL_SOCKET, SO_SNDBUF, 1, 4, 0) ||
	    host_data(p, child, 0, sent, 0) || peer_say(p, &msg, 0) ||
	    !peer_find(p, WIRE_CLOSED, child, &in, HOST_MS))
		return -1;
	remark("TCP took %u of %u bytes", (u32)le64_to_cpu(in.msg.closed.taken), sent);
	if (le32_to_cpu(in.msg.closed.error) != ETIMEDOUT ||
	    le64_to_cpu(in.msg.closed.taken) == sent)
		return -1;
	host_children(1, HOST_MS, got);
	return got[0] == 1 ? 0 : -1;
}

/*
 * Done only by name: for peers that connect and do not read, and for a listener with limits
 * (max-sockets 16 max-pages 1024, or one that allows options) and a target. Those that end the
 * session come first: they want all indices.
 */
const struct attack hoard_attacks[] = {
	{ "children of one peer", children_of_one_peer, LIVES },
	{ "child in the place of an orphan", place_of_an_orphan, LIVES },
	{ "classes of options that are allowed", host_classes_allowed, LIVES },
	{ "hoard of requests and options", hoard_requests, WIRE_REASON_LOAD },
	{ "hoard of lives", hoard_lives, WIRE_REASON_PROTOCOL },
	{ "hoard of options", hoard_without_sockets, LIVES },
};

const unsigned int nr_hoard_attacks = ATTACKS(hoard_attacks);
