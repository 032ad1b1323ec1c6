// SPDX-License-Identifier: GPL-2.0
/* The protocol in one file, as small as it can be; see peer.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"
#include "sha256.h"

#define STEP_MS		5000
#define RECV		0x10000		/* in wr_id: a receive request */
#define BEAT_MS		400
#define READS		1		/* RDMA reads and atomics under way */

u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "mnhostile: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(2);
}

static u64 random64(void)
{
	u64 value;

	if (getrandom(&value, sizeof(value), 0) != sizeof(value))
		die("no random numbers");
	return value;
}

/* ---- resources --------------------------------------------------------------------------- */

static struct rdma_event_channel *event_channel(void)
{
	struct rdma_event_channel *events = rdma_create_event_channel();

	if (!events)
		die("no rdma_cm here: %s", strerror(errno));
	fcntl(events->fd, F_SETFL, O_NONBLOCK);
	return events;
}

static void post_recv(struct peer *p, unsigned int i)
{
	struct ibv_sge sge = { .addr = (uintptr_t)(p->in + i * PEER_BYTES), .length = PEER_BYTES,
			       .lkey = p->mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = RECV | i, .sg_list = &sge, .num_sge = 1 }, *bad;

	if (ibv_post_recv(p->qp, &wr, &bad))
		p->dead = true;
	p->posted++;
}

static void make_resources(struct peer *p)
{
	struct ibv_context *verbs = p->id->verbs;
	size_t bytes = 2 * PEER_DEPTH * PEER_BYTES, table = p->slots * sizeof(*p->table);
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
		.cap = { .max_send_wr = PEER_DEPTH, .max_recv_wr = PEER_DEPTH,
			 .max_send_sge = 1, .max_recv_sge = 1 },
	};
	unsigned int i;

	p->pd = ibv_alloc_pd(verbs);
	p->completions = ibv_create_comp_channel(verbs);
	if (!p->pd || !p->completions)
		die("no verbs resources: %s", strerror(errno));
	fcntl(p->completions->fd, F_SETFL, O_NONBLOCK);
	p->cq = ibv_create_cq(verbs, 2 * PEER_DEPTH + 2, NULL, p->completions, 0);
	p->in = aligned_alloc(4096, bytes);
	p->out = p->in + bytes / 2;
	p->table = aligned_alloc(4096, (table + 4095) / 4096 * 4096);
	if (!p->cq || !p->in || !p->table)
		die("no memory");
	memset(p->in, 0, bytes);
	memset(p->table, 0, table);
	p->mr = ibv_reg_mr(p->pd, p->in, bytes, IBV_ACCESS_LOCAL_WRITE);
	p->table_mr = ibv_reg_mr(p->pd, p->table, table,
				 IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	if (!p->mr || !p->table_mr)
		die("cannot register memory: %s", strerror(errno));
	attr.send_cq = p->cq;
	attr.recv_cq = p->cq;
	if (rdma_create_qp(p->id, p->pd, &attr))
		die("cannot create a queue pair: %s", strerror(errno));
	p->qp = p->id->qp;
	p->receives = PEER_DEPTH;
	for (i = 0; i < PEER_DEPTH; i++)
		post_recv(p, i);
}

/*
 * The host's queue pair is made ready here and not by rdma_cm, which would have it read as many
 * words at a time as the node's answer allows: none. Who is hostile reads all the same.
 */
static int establish(struct peer *p)
{
	static const enum ibv_qp_state states[] = { IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS };
	unsigned int i;
	int mask;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		struct ibv_qp_attr attr = { .qp_state = states[i] };

		if (rdma_init_qp_attr(p->id, &attr, &mask))
			return -1;
		attr.max_rd_atomic = READS;
		if (ibv_modify_qp(p->qp, &attr, mask))
			return -1;
	}
	if (rdma_establish(p->id))
		return -1;
	p->id->qp = p->qp;
	return 0;
}

static void reset(struct peer *p, bool as_host, const struct terms *t)
{
	bool (*hook)(struct peer *p, const struct wire_msg *msg, u32 len) = p->hook;
	struct peer *with = p->with;
	void *context = p->context;

	memset(p, 0, sizeof(*p));
	p->hook = hook;
	p->context = context;
	p->with = with;
	p->as_host = as_host;
	p->goodbye = -1;
	p->event = -1;
	p->slots = t->slots;
	p->secret = t->secret;
	p->events = event_channel();
}

void peer_close(struct peer *p)
{
	if (p->id && p->connected)
		rdma_disconnect(p->id);
	if (p->qp)
		ibv_destroy_qp(p->qp);
	if (p->id)
		p->id->qp = NULL;
	if (p->mr)
		ibv_dereg_mr(p->mr);
	if (p->table_mr)
		ibv_dereg_mr(p->table_mr);
	if (p->cq)
		ibv_destroy_cq(p->cq);
	if (p->completions)
		ibv_destroy_comp_channel(p->completions);
	if (p->pd)
		ibv_dealloc_pd(p->pd);
	if (p->id)
		rdma_destroy_id(p->id);
	if (p->events)
		rdma_destroy_event_channel(p->events);
	free(p->in);
	free(p->table);
	p->id = NULL;
	p->qp = NULL;
	p->mr = NULL;
	p->table_mr = NULL;
	p->cq = NULL;
	p->completions = NULL;
	p->pd = NULL;
	p->events = NULL;
	p->in = NULL;
	p->table = NULL;
	p->up = false;
	p->connected = false;
	p->dead = true;
}

/* ---- what comes -------------------------------------------------------------------------- */

static void handle_event(struct peer *p, struct rdma_cm_event *event)
{
	const void *data = event->param.conn.private_data;
	u8 len = event->param.conn.private_data_len;

	p->event = event->event;
	switch (event->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		break;
	case RDMA_CM_EVENT_CONNECT_RESPONSE:
		if (establish(p)) {
			p->event = RDMA_CM_EVENT_CONNECT_ERROR;
			p->dead = true;
			break;
		}
		p->event = RDMA_CM_EVENT_ESTABLISHED;
		/* fallthrough */
	case RDMA_CM_EVENT_ESTABLISHED:
		p->connected = true;
		if (p->as_host) {
			if (wire_check_rep(data, len, &p->rep))
				die("the node's acceptance is malformed");
			p->credits = le16_to_cpu(p->rep.depth);
		}
		break;
	case RDMA_CM_EVENT_REJECTED:
		p->refused = wire_check_rej(data, len);
		p->dead = true;
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
	default:
		p->dead = true;
	}
}

static bool pump_events(struct peer *p)
{
	struct rdma_cm_event *event;
	bool any = false;

	while (p->events && !rdma_get_cm_event(p->events, &event)) {
		handle_event(p, event);
		rdma_ack_cm_event(event);
		any = true;
	}
	return any;
}

static void handle_message(struct peer *p, const struct wire_msg *msg, u32 bytes)
{
	u32 len = bytes - WIRE_SLOT;

	if (wire_check(msg, bytes, !p->as_host))
		die("the kernel sent a malformed %s of %u bytes", wire_opcode_name(msg->hdr.opcode),
		    bytes);
	p->received++;
	p->credits += le16_to_cpu(msg->hdr.grant);
	switch (msg->hdr.opcode) {
	case WIRE_HELLO:
		p->peer_addr = le64_to_cpu(msg->hello.table_addr);
		p->peer_key = le32_to_cpu(msg->hello.table_key);
		p->hello_seen = true;
		p->up = p->hello_sent;
		return;
	case WIRE_GOODBYE:
		p->goodbye = le32_to_cpu(msg->goodbye.reason);
		return;
	case WIRE_CREDIT:
		return;
	}
	if (p->hook && p->hook(p, msg, len))
		return;
	if (p->inbox_head - p->inbox_tail == PEER_INBOX)
		p->inbox_tail++;
	p->inbox[p->inbox_head++ % PEER_INBOX] = (struct inbound){ .msg = *msg, .len = len };
}

static void handle_completion(struct peer *p, const struct ibv_wc *wc)
{
	unsigned int i = wc->wr_id & ~RECV;

	if (!(wc->wr_id & RECV)) {
		p->busy[i] = false;
		if (wc->status != IBV_WC_SUCCESS)
			p->dead = true;
		if (!p->failure)
			p->failure = wc->status;
		return;
	}
	p->posted--;
	if (wc->status != IBV_WC_SUCCESS) {
		p->dead = true;
		return;
	}
	if (wc->byte_len < WIRE_SLOT)
		die("the kernel sent %u bytes", wc->byte_len);
	handle_message(p, (struct wire_msg *)(p->in + i * PEER_BYTES), wc->byte_len);
	if (p->dead)
		return;
	if (!p->deaf && p->posted < p->receives)
		post_recv(p, i);
	p->owed++;
}

static bool pump_completions(struct peer *p)
{
	struct ibv_wc wc[16];
	bool any = false;
	int n, i;

	while (p->cq && (n = ibv_poll_cq(p->cq, 16, wc)) > 0) {
		for (i = 0; i < n; i++)
			handle_completion(p, &wc[i]);
		any = true;
	}
	return any;
}

static void pump_duties(struct peer *p)
{
	struct wire_msg msg;

	if (!p->up || p->dead || p->silent)
		return;
	if (now_ms() - p->beat_at >= BEAT_MS) {
		p->beat_at = now_ms();
		peer_write_word(p, 0, wire_word(1, ++p->beat), 0);
	}
	if (!p->stingy && p->owed >= PEER_DEPTH / 2 && p->credits > 0) {
		wire_init(&msg, WIRE_CREDIT, 0, 0);
		peer_say(p, &msg, 0);
	}
}

/* An attack on one channel may take longer than the other's heartbeat. */
static void pump_other(struct peer *p)
{
	if (!p || !p->up || p->dead)
		return;
	pump_completions(p);
	pump_duties(p);
}

/* Does what there is to do, else waits for something; false: nothing in time. */
bool peer_pump(struct peer *p, int ms)
{
	u64 end = now_ms() + ms;
	struct pollfd fds[2];
	struct ibv_cq *cq;
	void *context;
	int left;

	for (;;) {
		bool any = pump_completions(p);

		any |= pump_events(p);
		pump_duties(p);
		pump_other(p->with);
		if (any || p->dead)
			return any;
		left = end - now_ms();
		if (left <= 0)
			return false;
		fds[0] = (struct pollfd){ .fd = p->events->fd, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = -1, .events = POLLIN };
		if (p->cq) {
			fds[1].fd = p->completions->fd;
			ibv_req_notify_cq(p->cq, 0);
			if (pump_completions(p))
				return true;
		}
		poll(fds, 2, left < BEAT_MS ? left : BEAT_MS);
		if (p->cq && !ibv_get_cq_event(p->completions, &cq, &context))
			ibv_ack_cq_events(cq, 1);
	}
}

bool peer_take(struct peer *p, struct inbound *in, int ms)
{
	u64 end = now_ms() + ms;

	while (p->inbox_head == p->inbox_tail) {
		if (p->dead || now_ms() >= end)
			return false;
		peer_pump(p, end - now_ms());
	}
	*in = p->inbox[p->inbox_tail++ % PEER_INBOX];
	return true;
}

/* The next message of this kind about this endpoint (0: any); others are dropped. */
bool peer_find(struct peer *p, u8 opcode, u32 index, struct inbound *in, int ms)
{
	u64 end = now_ms() + ms;

	while (now_ms() < end && peer_take(p, in, end - now_ms()))
		if (in->msg.hdr.opcode == opcode &&
		    (!index || le32_to_cpu(in->msg.hdr.index) == index))
			return true;
	return false;
}

bool peer_dies(struct peer *p, int ms)
{
	u64 end = now_ms() + ms;

	while (!p->dead && now_ms() < end)
		peer_pump(p, end - now_ms());
	return p->dead;
}

/*
 * The end of the connection may be known before that of the request that caused it: of every request
 * there is one, if only that it was flushed.
 */
bool peer_refused(struct peer *p)
{
	u64 end = now_ms() + STEP_MS;

	while (!p->failure && p->cq && now_ms() < end)
		pump_completions(p);
	return p->failure == IBV_WC_REM_ACCESS_ERR || p->failure == IBV_WC_REM_INV_REQ_ERR ||
	       p->failure == IBV_WC_REM_OP_ERR;
}

/* ---- connecting -------------------------------------------------------------------------- */

static int await(struct peer *p, int event)
{
	u64 end = now_ms() + STEP_MS;

	while (p->event != event && !p->dead && now_ms() < end)
		peer_pump(p, end - now_ms());
	return p->event == event && !p->dead ? 0 : -1;
}

struct wire_cm_req peer_request(const struct terms *t, u64 nonce, u8 channel, u8 channels)
{
	return (struct wire_cm_req){
		.magic = cpu_to_le32(WIRE_MAGIC), .version = cpu_to_le16(WIRE_VERSION),
		.channel = channel, .channels = channels,
		.features = cpu_to_le32(t->secret ? WIRE_FEATURE_SECRET : 0),
		.depth = cpu_to_le16(PEER_DEPTH), .slots = cpu_to_le32(t->slots),
		.host_id = cpu_to_le64(t->host_id), .boot_id = cpu_to_le64(1),
		.nonce = cpu_to_le64(nonce), .challenge = cpu_to_le64(random64()),
	};
}

int peer_connect(struct peer *p, const struct terms *t, const void *private_data, size_t len)
{
	struct sockaddr *from = t->from.ss_family ? (struct sockaddr *)&t->from : NULL;
	struct rdma_conn_param param = {
		.private_data = private_data, .private_data_len = len,
		.retry_count = 7, .rnr_retry_count = 7, .initiator_depth = READS,
	};

	reset(p, true, t);
	if (len >= sizeof(p->req))
		memcpy(&p->req, private_data, sizeof(p->req));
	if (rdma_create_id(p->events, &p->id, NULL, RDMA_PS_TCP))
		die("no rdma_cm id: %s", strerror(errno));
	if (rdma_resolve_addr(p->id, from, (struct sockaddr *)&t->to, STEP_MS) ||
	    await(p, RDMA_CM_EVENT_ADDR_RESOLVED) || rdma_resolve_route(p->id, STEP_MS) ||
	    await(p, RDMA_CM_EVENT_ROUTE_RESOLVED))
		die("no way to the node");
	make_resources(p);
	param.qp_num = p->qp->qp_num;
	p->id->qp = NULL;	/* see establish() */
	if (rdma_connect(p->id, &param))
		die("rdma_connect: %s", strerror(errno));
	return await(p, RDMA_CM_EVENT_ESTABLISHED);
}

struct rdma_cm_id *peer_listen(const struct terms *t)
{
	struct rdma_cm_id *listener;

	if (rdma_create_id(event_channel(), &listener, NULL, RDMA_PS_TCP) ||
	    rdma_bind_addr(listener, (struct sockaddr *)&t->to) || rdma_listen(listener, 64))
		die("cannot listen: %s", strerror(errno));
	return listener;
}

int peer_await(struct peer *p, struct rdma_cm_id *listener, const struct terms *t, int ms)
{
	u64 end = now_ms() + ms;
	struct rdma_cm_event *event;
	struct pollfd fd = { .fd = listener->channel->fd, .events = POLLIN };

	while (now_ms() < end) {
		if (rdma_get_cm_event(listener->channel, &event)) {
			poll(&fd, 1, end - now_ms());
			continue;
		}
		if (event->event != RDMA_CM_EVENT_CONNECT_REQUEST) {
			rdma_ack_cm_event(event);
			continue;
		}
		reset(p, false, t);
		p->id = event->id;
		if (wire_check_req(event->param.conn.private_data,
				   event->param.conn.private_data_len, &p->req))
			die("the host's request is malformed");
		p->slots = le32_to_cpu(p->req.slots);
		p->credits = le16_to_cpu(p->req.depth);
		rdma_ack_cm_event(event);
		if (rdma_migrate_id(p->id, p->events))
			die("rdma_migrate_id: %s", strerror(errno));
		return 0;
	}
	return -1;
}

struct wire_cm_rep peer_reply(const struct peer *p)
{
	return (struct wire_cm_rep){
		.magic = cpu_to_le32(WIRE_MAGIC), .version = cpu_to_le16(WIRE_VERSION),
		.depth = cpu_to_le16(PEER_DEPTH), .heartbeat_ms = cpu_to_le32(5000),
		.features = cpu_to_le32(p->secret ? WIRE_FEATURE_SECRET : 0),
		.challenge = cpu_to_le64(random64()),
	};
}

int peer_accept(struct peer *p, const void *private_data, size_t len)
{
	struct rdma_conn_param param = {
		.private_data = private_data, .private_data_len = len,
		.rnr_retry_count = 7, .initiator_depth = READS,
	};

	if (len >= sizeof(p->rep))
		memcpy(&p->rep, private_data, sizeof(p->rep));
	make_resources(p);
	if (rdma_accept(p->id, &param)) {
		p->dead = true;
		return -1;
	}
	return await(p, RDMA_CM_EVENT_ESTABLISHED);
}

int peer_reject(struct peer *p, const void *private_data, size_t len)
{
	int ret = rdma_reject(p->id, private_data, len);

	peer_close(p);
	return ret;
}

/* What kmod-core/auth.c computes. */
static void proof(const struct peer *p, bool host, u8 mac[WIRE_MAC])
{
	struct {
		char label[16];
		__le64 host_id, boot_id, nonce, host_challenge, node_challenge;
		u8 channel, channels, zero[6];
	} text = {
		.host_id = p->req.host_id, .boot_id = p->req.boot_id, .nonce = p->req.nonce,
		.host_challenge = p->req.challenge, .node_challenge = p->rep.challenge,
		.channel = p->req.channel, .channels = p->req.channels,
	};

	memset(mac, 0, WIRE_MAC);
	strcpy(text.label, host ? "memnet host" : "memnet node");
	if (p->secret)
		hmac_sha256(p->secret, strlen(p->secret), &text, sizeof(text), mac);
}

void peer_make_hello(struct peer *p, struct wire_msg *msg)
{
	wire_init(msg, WIRE_HELLO, 0, 0);
	msg->hello.table_addr = cpu_to_le64((uintptr_t)p->table);
	msg->hello.table_key = cpu_to_le32(p->table_mr->rkey);
	msg->hello.slots = cpu_to_le32(p->slots);
	proof(p, p->as_host, msg->hello.mac);
}

int peer_hello(struct peer *p)
{
	u64 end = now_ms() + STEP_MS;
	struct wire_msg msg;

	peer_make_hello(p, &msg);
	p->hello_sent = true;
	if (peer_say(p, &msg, 0))
		return -1;
	p->up = p->hello_seen;
	while (!p->up && !p->dead && now_ms() < end)
		peer_pump(p, end - now_ms());
	return p->up && !p->dead ? 0 : -1;
}

/* ---- sending ----------------------------------------------------------------------------- */

static int free_slot(struct peer *p)
{
	u64 end = now_ms() + STEP_MS;
	unsigned int i;

	while (!p->dead && now_ms() < end) {
		for (i = 0; i < PEER_DEPTH; i++)
			if (!p->busy[i])
				return i;
		if (!pump_completions(p)) {
			pump_events(p);
			usleep(200);
		}
	}
	return -1;
}

int peer_raw(struct peer *p, const struct shot *shot)
{
	int i = free_slot(p);
	struct ibv_sge sge;
	struct ibv_send_wr wr = { .opcode = shot->op, .sg_list = &sge,
				  .num_sge = shot->len ? 1 : 0 }, *bad;

	if (i < 0)
		return -1;
	wr.wr_id = i;
	sge = (struct ibv_sge){ .addr = (uintptr_t)(p->out + i * PEER_BYTES), .length = shot->len,
				.lkey = p->mr->lkey };
	if (shot->data && shot->len)
		memcpy(p->out + i * PEER_BYTES, shot->data, shot->len);
	switch (shot->op) {
	case IBV_WR_SEND_WITH_INV:
		wr.invalidate_rkey = shot->key;
		break;
	case IBV_WR_SEND_WITH_IMM:
		wr.imm_data = shot->key;
		break;
	case IBV_WR_SEND:
		break;
	case IBV_WR_ATOMIC_FETCH_AND_ADD:
	case IBV_WR_ATOMIC_CMP_AND_SWP:
		wr.wr.atomic.remote_addr = shot->addr;
		wr.wr.atomic.rkey = shot->key;
		wr.wr.atomic.compare_add = 1;
		break;
	default:
		wr.wr.rdma.remote_addr = shot->addr;
		wr.wr.rdma.rkey = shot->key;
	}
	if (ibv_post_send(p->qp, &wr, &bad)) {
		p->dead = true;
		return -1;
	}
	p->busy[i] = true;
	p->shot = p->out + i * PEER_BYTES;
	return 0;
}

/* A message as it is: no credit, no length, no grant is filled in; payload is a pattern. */
int peer_raw_msg(struct peer *p, const struct wire_msg *msg, u32 bytes)
{
	static u8 buffer[PEER_BYTES];
	u32 i;

	memcpy(buffer, msg, sizeof(*msg));
	for (i = sizeof(*msg); i < bytes && i < PEER_BYTES; i++)
		buffer[i] = i * 7;
	return peer_raw(p, &(struct shot){ IBV_WR_SEND, buffer, bytes });
}

/* A message by the rules; -1 when the channel died or gave no credits. */
int peer_say(struct peer *p, struct wire_msg *msg, u32 len)
{
	int least = msg->hdr.opcode == WIRE_CREDIT || msg->hdr.opcode == WIRE_GOODBYE ? 1 : 2;
	u64 end = now_ms() + STEP_MS;

	while (p->credits < least && !p->dead && now_ms() < end)
		peer_pump(p, end - now_ms());
	if (p->dead || p->credits < least)
		return -1;
	p->credits--;
	if (!p->stingy) {
		msg->hdr.grant = cpu_to_le16(p->owed);
		p->owed = 0;
	}
	msg->hdr.len = cpu_to_le32(len);
	return peer_raw_msg(p, msg, WIRE_SLOT + len);
}

int peer_write_word(struct peer *p, u32 index, __le64 limit, __le64 consumed)
{
	struct wire_window word = { .limit = limit, .consumed = consumed };

	return peer_raw(p, &(struct shot){ IBV_WR_RDMA_WRITE, &word, sizeof(word),
					   p->peer_addr + index * sizeof(word), p->peer_key });
}
