/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A channel of the MemNet protocol in user space, from either side: connection data, HELLO,
 * credits, heartbeat, messages. It keeps every rule until told otherwise; the peer_raw() calls
 * keep none.
 *
 * One thread; nothing happens but in peer_pump(), which the waiting calls use.
 */
#ifndef HOSTILE_PEER_H
#define HOSTILE_PEER_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include "wire.h"

#define PEER_DEPTH	64		/* receive and send requests */
#define PEER_BYTES	(WIRE_SLOT + WIRE_MAX_PAYLOAD + 4096)
#define PEER_INBOX	256
#define PEER_PATIENCE	8000		/* ms: longer than the heartbeat's five seconds */

/**
 * struct terms - how to connect
 * @to:		the node's address; as node: where to listen
 * @from:	own address, or family 0
 * @secret:	shared secret, or NULL
 * @host_id:	who we say we are
 * @slots:	entries of the window table
 */
struct terms {
	struct sockaddr_storage	to;
	struct sockaddr_storage	from;
	const char		*secret;
	u64			host_id;
	u32			slots;
};

struct inbound {
	struct wire_msg msg;
	u32 len;
};

/**
 * struct peer - a channel
 * @as_host:	we play the host, else the node
 * @silent:	no heartbeat, no grants of its own accord
 * @stingy:	grant nothing
 * @deaf:	post no receive request any more, whatever is granted
 * @receives:	how many there are to be, at most; @posted there are
 * @up:		both HELLOs are through
 * @dead:	the connection is over, or never was
 * @refused:	enum wire_reason of a refusal
 * @goodbye:	reason the peer's GOODBYE gave, -1 for none
 * @failure:	how the first of our requests failed, IBV_WC_SUCCESS for none; peer_refused()
 * @shot:	the bytes of the last request, and where what it reads lands
 * @with:	another channel of the session, or NULL; kept alive by whoever pumps this one
 * @hook:	called for every message; true: it need not go to the inbox
 */
struct peer {
	bool			as_host, silent, stingy, deaf, up, dead, connected;
	int			refused, goodbye;
	enum ibv_wc_status	failure;
	struct rdma_event_channel *events;
	struct rdma_cm_id	*id;
	int			event;		/* the last of rdma_cm, -1 for none */
	struct ibv_pd		*pd;
	struct ibv_qp		*qp;
	struct ibv_comp_channel	*completions;
	struct ibv_cq		*cq;
	struct ibv_mr		*mr, *table_mr;
	u8			*in, *out;
	const u8		*shot;
	bool			busy[PEER_DEPTH];
	unsigned int		receives, posted;
	struct wire_window	*table;
	u32			slots;

	struct wire_cm_req	req;
	struct wire_cm_rep	rep;
	const char		*secret;
	u64			peer_addr;
	u32			peer_key;
	int			credits, owed;
	u64			beat, beat_at;
	bool			hello_sent, hello_seen;

	struct inbound		inbox[PEER_INBOX];
	unsigned int		inbox_head, inbox_tail;
	unsigned long		received;
	struct peer		*with;
	bool			(*hook)(struct peer *p, const struct wire_msg *msg, u32 len);
	void			*context;
};

u64 now_ms(void);
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Host: connects with exactly this private data; 0, or -1 when refused or unreachable. */
int peer_connect(struct peer *p, const struct terms *t, const void *private_data, size_t len);
struct wire_cm_req peer_request(const struct terms *t, u64 nonce, u8 channel, u8 channels);
int peer_hello(struct peer *p);		/* sends ours, waits for theirs */

/* Node: a listening id, and what comes to it; @rep NULL: a correct one. */
struct rdma_cm_id *peer_listen(const struct terms *t);
int peer_await(struct peer *p, struct rdma_cm_id *listener, const struct terms *t, int ms);
int peer_accept(struct peer *p, const void *private_data, size_t len);
int peer_reject(struct peer *p, const void *private_data, size_t len);
struct wire_cm_rep peer_reply(const struct peer *p);

void peer_close(struct peer *p);

bool peer_pump(struct peer *p, int ms);
bool peer_take(struct peer *p, struct inbound *in, int ms);
bool peer_find(struct peer *p, u8 opcode, u32 index, struct inbound *in, int ms);
bool peer_dies(struct peer *p, int ms);
bool peer_refused(struct peer *p);	/* it died of a request that the other device refused */

void peer_make_hello(struct peer *p, struct wire_msg *msg);
int peer_say(struct peer *p, struct wire_msg *msg, u32 len);
int peer_write_word(struct peer *p, u32 index, __le64 limit, __le64 consumed);

/* A work request of any kind; @len bytes of @data, gathered from one buffer. */
struct shot {
	enum ibv_wr_opcode op;
	const void *data;
	u32 len;
	u64 addr;
	u32 key;
};

int peer_raw(struct peer *p, const struct shot *shot);
int peer_raw_msg(struct peer *p, const struct wire_msg *msg, u32 bytes);

#endif /* HOSTILE_PEER_H */
