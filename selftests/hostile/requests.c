// SPDX-License-Identifier: GPL-2.0
/*
 * Connection requests that no host makes, many of them and half-open ones; and answers to a host's
 * request that no node gives.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "attack.h"

#define HALF_OPEN	200
#define HALF_TAKEN	4		/* sessions of one address that may be under way */
#define DEADLINE_MS	10000		/* the node waits so long for a channel to come up */
#define PROMPT_MS	2500		/* sooner than by any deadline of the other side */

static u64 nonce;

#define CHANGE(id, what, statement)	\
	static void id(what)		\
	{				\
		statement;		\
	}

static struct wire_cm_req good(u8 channel, u8 channels)
{
	return peer_request(&terms, nonce, channel, channels);
}

/* A request is made; whether it is answered as it should be. 0 wants it accepted. */
static void try(const char *name, const void *data, size_t len, int want)
{
	static struct peer p;
	int ret;

	if (!wanted(name))
		return;
	ret = peer_connect(&p, &terms, data, len);
	report(want ? ret && p.refused == want : !ret, name, "%s",
	       ret ? wire_reason_name(p.refused) : "accepted");
	peer_close(&p);
}

#define MALFORMED(what, change)								\
	do {										\
		struct wire_cm_req req = good(0, 1);					\
											\
		change;									\
		try("request with " what, &req, sizeof(req), WIRE_REASON_MALFORMED);	\
	} while (0)

static void malformed_requests(void)
{
	struct wire_cm_req req = good(0, 1);

	try("request without data", NULL, 0, WIRE_REASON_MALFORMED);
	try("request of 1 byte", &req, 1, WIRE_REASON_MALFORMED);
	try("request cut before the nonce", &req, 40, WIRE_REASON_MALFORMED);
	MALFORMED("another magic", req.magic ^= cpu_to_le32(0x100));
	MALFORMED("no channels", req.channels = 0);
	MALFORMED("9 channels", req.channels = 9);
	MALFORMED("255 channels", req.channels = 255);
	MALFORMED("channel 1 of 1", req.channel = 1);
	MALFORMED("channel 255", req.channel = 255);
	MALFORMED("depth 0", req.depth = 0);
	MALFORMED("depth 7", req.depth = cpu_to_le16(7));
	MALFORMED("depth 8193", req.depth = cpu_to_le16(8193));
	MALFORMED("depth 65535", req.depth = cpu_to_le16(65535));
	MALFORMED("no slots", req.slots = 0);
	MALFORMED("32 slots", req.slots = cpu_to_le32(32));
	MALFORMED("65 slots", req.slots = cpu_to_le32(65));
	MALFORMED("131072 slots", req.slots = cpu_to_le32(131072));
	MALFORMED("2^31 slots", req.slots = cpu_to_le32(1U << 31));
	MALFORMED("4294967295 slots", req.slots = cpu_to_le32(0xffffffff));
	MALFORMED("tables for 65536 sockets twice",
		  req.channels = 2; req.slots = cpu_to_le32(65536));
	MALFORMED("no host id", req.host_id = 0);
	MALFORMED("no nonce", req.nonce = 0);
	req.version = cpu_to_le16(WIRE_VERSION + 1);
	try("request of another version", &req, sizeof(req), WIRE_REASON_VERSION);
	req.version = cpu_to_le16(0);
	try("request of version 0", &req, sizeof(req), WIRE_REASON_VERSION);
	req = good(0, 1);
	req.features ^= cpu_to_le32(WIRE_FEATURE_SECRET);
	try("request that differs about the secret", &req, sizeof(req), WIRE_REASON_SECRET);
	req = good(1, 2);
	try("channel 1 of no session", &req, sizeof(req), WIRE_REASON_SESSION);
}

static void wrong_channels(void)
{
	struct wire_cm_req req;
	struct session s;

	if (!wanted("channel"))
		return;
	if (session_open(&s, 2)) {
		report(false, "session of two channels", "refused");
		return;
	}
	req = s.main->req;
	req.channel = 1;
	try("channel that is there", &req, sizeof(req), WIRE_REASON_SESSION);
	req.nonce ^= cpu_to_le64(1ULL << 40);
	try("channel with another nonce", &req, sizeof(req), WIRE_REASON_SESSION);
	req = s.main->req;
	req.channel = 1;
	req.channels = 3;
	try("channel of another number", &req, sizeof(req), WIRE_REASON_SESSION);
	req = s.main->req;
	req.channel = 1;
	req.host_id ^= cpu_to_le64(1);
	try("channel of another host", &req, sizeof(req), WIRE_REASON_SESSION);
	report(host_open(s.main, 0) && !s.main->dead && !s.witness->dead,
	       "session after wrong channels", "lives");
	session_close(&s);
}

/* The id of a host that is served (--host-id), from another address (--from). */
static void other_id(void)
{
	struct wire_cm_req req = good(0, 1);

	if (only)
		try("id of another host", &req, sizeof(req), WIRE_REASON_HOST_ID);
}

static int query(struct peer *p, u32 index)
{
	struct inbound in;
	struct wire_msg msg;

	wire_init(&msg, WIRE_QUERY, index, 1);
	msg.ask.what = cpu_to_le32(WIRE_QUERY_OUTQ);
	return host_ask(p, &msg, index, &in);
}

static bool serves(struct peer *p, u32 index)
{
	return host_open(p, index) && !query(p, index);
}

static bool starts(struct peer *p, const struct terms *t)
{
	struct wire_cm_req req = peer_request(t, ++nonce, 0, 1);

	return !peer_connect(p, t, &req, sizeof(req));
}

/* One id at two addresses, that of --from and our own: the first to be served has it. */
static void id_at_two_addresses(const char *name)
{
	static struct peer here, there, again;
	struct terms t = terms;
	bool ok;

	if (!wanted(name) || !terms.from.ss_family)
		return;
	t.from.ss_family = 0;
	ok = starts(&there, &terms) && starts(&here, &t) && !peer_hello(&here) && serves(&here, 1);
	/* It was asked for earlier, and proves itself later. */
	peer_hello(&there);
	ok = ok && peer_dies(&there, 4000) && there.goodbye == WIRE_REASON_HOST_ID &&
	     serves(&here, 2);
	report(ok, name, "%s", ok ? "the first is served" : "not the first alone is served");
	ok = starts(&again, &t) && !peer_hello(&again) && peer_dies(&here, 4000) &&
	     serves(&again, 1);
	report(ok, "id again at its address", "%s", ok ? "replaced" : "not replaced");
	peer_close(&here);
	peer_close(&there);
	peer_close(&again);
}

/* A correct session at the corners of what may be agreed. */
static void corner(const char *name, u32 slots, u16 depth)
{
	struct terms t = terms;
	static struct peer p;
	struct wire_cm_req req;
	int ret;

	if (!wanted(name))
		return;
	t.slots = slots;
	req = peer_request(&t, nonce, 0, 1);
	req.depth = cpu_to_le16(depth);
	ret = peer_connect(&p, &t, &req, sizeof(req)) ?: peer_hello(&p);
	/* The node says HELLO before it has judged ours. */
	if (!ret)
		ret = host_open(&p, 1) ? query(&p, 1) : -1;
	report(!ret, name, "%s", ret ? "refused" : "accepted");
	peer_close(&p);
}

CHANGE(no_hello, struct wire_msg *msg, msg->hdr.opcode = 0)
CHANGE(other_slots, struct wire_msg *msg, msg->hello.slots = cpu_to_le32(64))
CHANGE(other_mac, struct wire_msg *msg, msg->hello.mac[31] ^= 1)
CHANGE(open_first, struct wire_msg *msg, wire_init(msg, WIRE_OPEN, 1, 1))
CHANGE(data_first, struct wire_msg *msg, wire_init(msg, WIRE_DATA, 1, 1))
CHANGE(goodbye_first, struct wire_msg *msg, wire_init(msg, WIRE_GOODBYE, 0, 0))

/* Writes into nowhere: the node's own writes of windows will fail. */
static void other_table(struct wire_msg *msg)
{
	msg->hello.table_key = cpu_to_le32(le32_to_cpu(msg->hello.table_key) ^ 0x100);
}

static void table_at_the_end(struct wire_msg *msg)
{
	msg->hello.table_addr = cpu_to_le64(~0ULL);
}

static void say_hello(struct peer *p, void (*change)(struct wire_msg *msg))
{
	struct wire_msg msg;

	peer_make_hello(p, &msg);
	change(&msg);
	if (msg.hdr.opcode)
		peer_raw_msg(p, &msg, WIRE_SLOT);
}

/* Whether @p is given up in time; @witness, if there is one, stays alive meanwhile. */
static bool given_up(struct peer *p, struct peer *witness, int ms)
{
	u64 end = now_ms() + ms;

	while (!p->dead && now_ms() < end) {
		peer_pump(p, 10);
		if (witness)
			peer_pump(witness, 0);
	}
	return p->dead;
}

/*
 * What is said on @p once its request is accepted. The node gives up at once, or, where nothing is
 * said, when its ten seconds are over. It says why on @witness, a channel that is up, if there is
 * one; for some reasons, and so with @goodbye -1, it says nothing.
 */
static void try_hello(const char *name, struct peer *p, struct peer *witness,
		      void (*change)(struct wire_msg *msg), int goodbye)
{
	const char *told = "";
	u64 begin = now_ms();
	unsigned int took;
	bool ok;

	say_hello(p, change);
	if (change == no_hello)
		ok = !given_up(p, witness, DEADLINE_MS * 3 / 4) && given_up(p, witness, 8000);
	else
		ok = given_up(p, witness, PROMPT_MS);
	took = now_ms() - begin;
	if (witness) {
		ok = ok && peer_dies(witness, PROMPT_MS) && witness->goodbye == goodbye;
		told = witness->goodbye < 0 ? "nothing" : wire_reason_name(witness->goodbye);
	}
	report(ok, name, "%s after %u ms%s%s", p->dead ? "died" : "lives", took,
	       witness ? ", told: " : "", told);
}

/* On the first channel of a session, and on the second. */
static void hello(const char *name, void (*change)(struct wire_msg *msg), int goodbye)
{
	struct wire_cm_req req = good(0, 1);
	static struct peer p, first;

	if (!wanted(name))
		return;
	if (peer_connect(&p, &terms, &req, sizeof(req)))
		report(false, name, "refused: %s", wire_reason_name(p.refused));
	else
		try_hello(name, &p, NULL, change, 0);
	peer_close(&p);

	req = peer_request(&terms, ++nonce, 0, 2);
	if (peer_connect(&first, &terms, &req, sizeof(req)) || peer_hello(&first)) {
		report(false, name, "the first channel does not come up");
		peer_close(&first);
		return;
	}
	req = good(1, 2);
	if (peer_connect(&p, &terms, &req, sizeof(req)))
		report(false, name, "second channel refused: %s", wire_reason_name(p.refused));
	else
		try_hello(name, &p, &first, change, goodbye);
	peer_close(&p);
	peer_close(&first);
}

/* A request whose maker never goes on: the node answers, and nobody listens. */
struct half {
	struct rdma_event_channel *events;
	struct rdma_cm_id *id;
};

static bool next_event(struct half *half)
{
	struct rdma_cm_event *event;

	if (rdma_get_cm_event(half->events, &event))
		return false;
	rdma_ack_cm_event(event);
	return true;
}

static bool half_connect(struct half *half, const struct wire_cm_req *req)
{
	static u32 number = 0xabc000; /* none is used twice, nor that of a real queue pair */
	struct rdma_conn_param param = {
		.private_data = req, .private_data_len = sizeof(*req),
		.retry_count = 1, .rnr_retry_count = 7, .qp_num = number++,
	};

	half->id = NULL;
	half->events = rdma_create_event_channel();
	return half->events && !rdma_create_id(half->events, &half->id, NULL, RDMA_PS_TCP) &&
	       !rdma_resolve_addr(half->id, NULL, (struct sockaddr *)&terms.to, 2000) &&
	       next_event(half) && !rdma_resolve_route(half->id, 2000) && next_event(half) &&
	       !rdma_connect(half->id, &param);
}

/* Whether the node has taken it. */
static bool half_answered(struct half *half)
{
	struct rdma_cm_event *event;
	bool answered = false;

	fcntl(half->events->fd, F_SETFL, O_NONBLOCK);
	while (!rdma_get_cm_event(half->events, &event)) {
		answered |= event->event == RDMA_CM_EVENT_CONNECT_RESPONSE;
		rdma_ack_cm_event(event);
	}
	return answered;
}

/*
 * Many of them. The node takes few from one address, and has given up those ten seconds later.
 * While they hang there others get in (--from), or are told that there is no room for this one.
 */
static void half_open(const char *name, unsigned int hosts, u8 channels)
{
	static struct half half[HALF_OPEN];
	unsigned int i, n = hosts * channels, made = 0, taken = 0, most;
	static struct peer p;
	struct terms t = terms;
	struct wire_cm_req req;
	u64 begin = now_ms();
	int ret;

	if (!wanted(name))
		return;
	for (i = 0; i < n; i++) {
		t.host_id = terms.host_id + 1000 + i / channels;
		req = peer_request(&t, nonce + i / channels, i % channels, channels);
		made += half_connect(&half[i], &req);
	}
	most = HALF_TAKEN * channels * (1 + (now_ms() - begin) / DEADLINE_MS);
	usleep(3000000);
	req = good(0, 1);
	ret = peer_connect(&p, &terms, &req, sizeof(req)) ?: peer_hello(&p);
	for (i = 0; i < n; i++)
		taken += half[i].events && half_answered(&half[i]);
	report(made == n && taken && taken <= most &&
	       (!ret || (!terms.from.ss_family && p.refused == WIRE_REASON_LOAD)), name,
	       "%u made, %u taken of at most %u; meanwhile %s", made, taken, most,
	       !ret ? "one got in" : p.refused ? wire_reason_name(p.refused) : "silence");
	peer_close(&p);
	for (i = 0; i < n; i++) {
		if (half[i].id)
			rdma_destroy_id(half[i].id);
		if (half[i].events)
			rdma_destroy_event_channel(half[i].events);
	}
}

/* Sessions that are begun and forgotten, of the same host and of others. */
static void churn(const char *name, bool others)
{
	struct terms t = terms;
	static struct peer p;
	unsigned int i, accepted = 0;

	if (!wanted(name))
		return;
	for (i = 0; i < 30; i++) {
		struct wire_cm_req req;

		t.host_id = terms.host_id + (others ? 2000 + i : 0);
		req = peer_request(&t, nonce + i, 0, 1);
		accepted += !peer_connect(&p, &t, &req, sizeof(req));
		peer_close(&p);
	}
	report(accepted > 0, name, "%u of 30 accepted", accepted);
}

void attack_requests(void)
{
	nonce = now_ms() << 20 | 1;
	malformed_requests();
	wrong_channels();
	other_id();
	id_at_two_addresses("id at two addresses");
	corner("smallest table and depth", 64, 8);
	corner("largest table and depth", 65536, 8192);
	hello("no HELLO", no_hello, -1);
	hello("HELLO with another table size", other_slots, WIRE_REASON_PROTOCOL);
	if (terms.secret)
		hello("HELLO with another proof", other_mac, -1);
	hello("OPEN instead of HELLO", open_first, WIRE_REASON_PROTOCOL);
	hello("DATA instead of HELLO", data_first, WIRE_REASON_PROTOCOL);
	hello("GOODBYE instead of HELLO", goodbye_first, -1);
	hello("HELLO with a key that is none", other_table, -1);
	hello("HELLO with a table at the end of memory", table_at_the_end, -1);
	churn("sessions begun and left", false);
	churn("sessions of many hosts begun and left", true);
	half_open("half-open requests of many hosts", 100, 1);
	half_open("half-open requests of all channels", 25, WIRE_MAX_CHANNELS);
}

/* ---- as node ----------------------------------------------------------------------------- */

/* Answers the next request so; the host must not come up, and must come again. */
static void answer(struct rdma_cm_id *listener, const char *name,
		   void (*change)(struct wire_cm_rep *rep), size_t len)
{
	static struct peer p;
	struct wire_cm_rep rep;

	if (!wanted(name))
		return;
	if (peer_await(&p, listener, &terms, 20000)) {
		report(false, name, "the host does not come");
		return;
	}
	rep = peer_reply(&p);
	if (change)
		change(&rep);
	peer_accept(&p, &rep, len);
	peer_dies(&p, PEER_PATIENCE);
	report(p.dead && !p.hello_seen, name, p.dead ? "given up" : "not noticed");
	peer_close(&p);
}

static void refuse(struct rdma_cm_id *listener, const char *name, u16 version, u16 reason,
		   size_t len)
{
	struct wire_cm_rej rej = { cpu_to_le32(WIRE_MAGIC), cpu_to_le16(version),
				   cpu_to_le16(reason) };
	static struct peer p;

	if (!wanted(name))
		return;
	if (peer_await(&p, listener, &terms, 20000)) {
		report(false, name, "the host does not come");
		return;
	}
	report(!peer_reject(&p, &rej, len), name, "refused");
}

static void answer_hello(struct rdma_cm_id *listener, const char *name,
			 void (*change)(struct wire_msg *msg))
{
	static struct peer p;
	struct wire_cm_rep rep;

	if (!wanted(name))
		return;
	if (peer_await(&p, listener, &terms, 20000)) {
		report(false, name, "the host does not come");
		return;
	}
	rep = peer_reply(&p);
	if (!peer_accept(&p, &rep, sizeof(rep))) {
		say_hello(&p, change);
		peer_dies(&p, change == no_hello ? 15000 : PROMPT_MS);
	}
	report(p.dead, name, p.dead ? "given up" : "not noticed");
	peer_close(&p);
}

CHANGE(rep_magic, struct wire_cm_rep *rep, rep->magic = 0)
CHANGE(rep_version, struct wire_cm_rep *rep, rep->version = cpu_to_le16(WIRE_VERSION + 1))
CHANGE(rep_depth, struct wire_cm_rep *rep, rep->depth = 0)
CHANGE(rep_depth_max, struct wire_cm_rep *rep, rep->depth = cpu_to_le16(0xffff))
CHANGE(rep_beat, struct wire_cm_rep *rep, rep->heartbeat_ms = cpu_to_le32(99))
CHANGE(rep_beat_max, struct wire_cm_rep *rep, rep->heartbeat_ms = cpu_to_le32(~0U))
CHANGE(rep_secret, struct wire_cm_rep *rep, rep->features = cpu_to_le32(1))

void attack_answers(struct rdma_cm_id *listener)
{
	answer(listener, "answer without data", NULL, 0);
	answer(listener, "answer with another magic", rep_magic, sizeof(struct wire_cm_rep));
	answer(listener, "answer of another version", rep_version, sizeof(struct wire_cm_rep));
	answer(listener, "answer with depth 0", rep_depth, sizeof(struct wire_cm_rep));
	answer(listener, "answer with depth 65535", rep_depth_max, sizeof(struct wire_cm_rep));
	answer(listener, "answer with heartbeat 99", rep_beat, sizeof(struct wire_cm_rep));
	answer(listener, "answer with heartbeat 2^32-1", rep_beat_max, sizeof(struct wire_cm_rep));
	if (!terms.secret)
		answer(listener, "answer that wants a secret", rep_secret,
		       sizeof(struct wire_cm_rep));
	refuse(listener, "refusal without data", WIRE_VERSION, 0, 0);
	refuse(listener, "refusal with reason 0", WIRE_VERSION, 0, 8);
	refuse(listener, "refusal with reason 65535", WIRE_VERSION, 0xffff, 8);
	refuse(listener, "refusal of another version", WIRE_VERSION + 1, 1, 8);
	refuse(listener, "refusal because of the secret", WIRE_VERSION, WIRE_REASON_SECRET, 8);
	answer_hello(listener, "no HELLO", no_hello);
	answer_hello(listener, "HELLO with another table size", other_slots);
	if (terms.secret)
		answer_hello(listener, "HELLO with another proof", other_mac);
	answer_hello(listener, "DATA instead of HELLO", data_first);
	answer_hello(listener, "GOODBYE instead of HELLO", goodbye_first);
	answer_hello(listener, "HELLO with a key that is none", other_table);
	answer_hello(listener, "HELLO with a table at the end of memory", table_at_the_end);
}
