/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire format of MemNet, version 4: every message, its fields and its bounds.
 *
 * All integers are little-endian and all structures have a fixed, asserted size. A message is
 * one RDMA SEND: a header of WIRE_SLOT bytes (common part and body of the opcode) and up to
 * WIRE_MAX_PAYLOAD bytes of payload, which land in the first and the following scatter entries
 * of the receive work request. Documentation/protocol.rst tells what the messages mean; this
 * header also compiles in user space, for the unit tests and for foreign peers.
 */
#ifndef MEMNET_WIRE_H
#define MEMNET_WIRE_H

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/types.h>
#include <linux/string.h>
#include <asm/byteorder.h>
#else
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
#define cpu_to_le16(x) ((__le16)htole16(x))
#define cpu_to_le32(x) ((__le32)htole32(x))
#define cpu_to_le64(x) ((__le64)htole64(x))
#define le16_to_cpu(x) le16toh((__u16)(x))
#define le32_to_cpu(x) le32toh((__u32)(x))
#define le64_to_cpu(x) le64toh((__u64)(x))
#endif

#define WIRE_MAGIC		0x54454e4dU	/* "MNET" */
#define WIRE_VERSION		4
#define WIRE_SLOT		128		/* bytes of the header slot: scatter entry 0 */
#define WIRE_PAGE		4096		/* unit of the payload's scatter entries */
#define WIRE_MAX_PAYLOAD	16384		/* bytes of payload in one message */
#define WIRE_MAX_CHANNELS	8
#define WIRE_MIN_SLOTS		64		/* endpoints of a channel, both halves */
#define WIRE_MAX_SLOTS		65536		/* those of all channels together */
#define WIRE_MIN_DEPTH		8		/* receive work requests a side must post */
#define WIRE_MAX_DEPTH		8192
#define WIRE_OPT_MAX		64		/* bytes of a socket option's value */
#define WIRE_OPT_READ		1024		/* of one that is read */
#define WIRE_MAC		32		/* HMAC-SHA-256 */
#define WIRE_DEFAULT_PORT	7471
#define WIRE_INITIAL_WINDOW	16384		/* bytes either side may send on a new connection */

/**
 * enum wire_opcode - what a message says
 * @WIRE_HELLO:		first message of a channel, both ways: window table and proof of the
 *		shared secret
 * @WIRE_GOODBYE:	last message of a channel: the sender ends the session, with a reason
 * @WIRE_CREDIT:	nothing but the header's grant
 * @WIRE_OPEN:		host: an endpoint begins, perhaps another one's heir; no answer (a failure
 *		answers the next request)
 * @WIRE_BIND:		host: request, bind to a local address; REPLY carries the real one
 * @WIRE_LISTEN:	host: request, start or change listening
 * @WIRE_CONNECT:	host: request; REPLY when established or failed
 * @WIRE_SETOPT:	host: set an option, TCP_NODELAY and TCP_CORK in stream order unless
 *			asked to REPLY, TLS_TX always
 * @WIRE_QUERY:		host: request, ask for a value of the native socket
 * @WIRE_ACCEPTED:	host: so many children of a listener were collected
 * @WIRE_CLOSE:		host: last message of an endpoint without an heir
 * @WIRE_REPLY:		node: answer to CONNECT or to the endpoint's one other outstanding request
 * @WIRE_NEW_CONNECTION: node: first message of a child, on the child's own channel
 * @WIRE_RESET:		node: the native socket has an error; bytes up to a position still follow
 * @WIRE_URGENT:	node: where urgent data is in the stream, before it comes
 * @WIRE_FINISHED:	node: both directions have ended in order, and TCP is through with them
 * @WIRE_CLOSED:	node: last message of an endpoint, answers CLOSE
 * @WIRE_DATA:		both: bytes of the stream and/or its end
 * @WIRE_WINDOW:	both: the window word as a message, answers WANT_WINDOW
 * @WIRE_WANT_WINDOW:	both: the sender ran dry and asks for a WINDOW when there is more
 * @WIRE_WANT_TAKEN:	host: asks for a WINDOW when TCP has taken all bytes up to a position
 * @WIRE_RECV_JOB:	host: memory for the bytes that come next, to be written by RDMA
 * @WIRE_RECV_CANCEL:	host: a receive job is to be over
 * @WIRE_RECV_DONE:	node: a receive job is over
 * @WIRE_GETOPT:	host: request, read an option of the native socket; it is REPLY's payload
 * @WIRE_OPCODE_END:	how many there are
 */
enum wire_opcode {
	WIRE_HELLO = 1,
	WIRE_GOODBYE,
	WIRE_CREDIT,
	WIRE_OPEN,
	WIRE_BIND,
	WIRE_LISTEN,
	WIRE_CONNECT,
	WIRE_SETOPT,
	WIRE_QUERY,
	WIRE_ACCEPTED,
	WIRE_CLOSE,
	WIRE_REPLY,
	WIRE_NEW_CONNECTION,
	WIRE_RESET,
	WIRE_URGENT,
	WIRE_FINISHED,
	WIRE_CLOSED,
	WIRE_DATA,
	WIRE_WINDOW,
	WIRE_WANT_WINDOW,
	WIRE_WANT_TAKEN,
	WIRE_RECV_JOB,
	WIRE_RECV_CANCEL,
	WIRE_RECV_DONE,
	WIRE_GETOPT,
	WIRE_OPCODE_END,
};

/* flags of struct wire_hdr; each opcode allows its own, see wire_check() */
#define WIRE_F_FIN	0x01	/* DATA: the stream ends after this payload; RESET: at its end */
#define WIRE_F_MORE	0x02	/* DATA: the application announced more (MSG_MORE) */
#define WIRE_F_REPLY	0x04	/* SETOPT: answer with REPLY */
#define WIRE_F_ABORT	0x08	/* CLOSE: reset the connection */
#define WIRE_F_LINGER	0x10	/* CLOSE: answer when the peer has everything, or in time */
#define WIRE_F_TELL	0x20	/* DATA of a host: as WANT_TAKEN for the end of this payload */
#define WIRE_F_COUNT	0x40	/* DATA of a host: write the counter when this payload is taken */
#define WIRE_F_URGENT	0x80	/* DATA of a host: the payload's last byte is urgent */

/**
 * struct wire_hdr - common part of every message
 * @opcode: enum wire_opcode
 * @flags: WIRE_F_*
 * @grant: credits: receive work requests posted since the last grant
 * @len: bytes of payload after the header slot
 * @index: endpoint on this channel, 0 for messages about the channel
 * @gen: generation of @index
 * @seq: number of a request, echoed by its REPLY
 * @pos: DATA: stream position of the payload's first byte; RECV_JOB: of the memory's first byte;
 *	RECV_DONE: of the first byte that was written by RDMA; URGENT: of the urgent byte; SETOPT of
 *	TLS_RX: the one up to which the application has read
 */
struct wire_hdr {
	u8	opcode;
	u8	flags;
	__le16	grant;
	__le32	len;
	__le32	index;
	__le16	gen;
	__le16	seq;
	__le64	pos;
};

/**
 * struct wire_addr - an Internet address
 * @family: 0 (none), 4 or 6
 * @port: network byte order, as in struct sockaddr_in
 * @scope: IPv6 scope id
 * @addr: 4 or 16 bytes, the rest zero
 */
struct wire_addr {
	__le16	family;
	__be16	port;
	__le32	scope;
	u8	addr[16];
};

struct wire_hello {
	__le64	table_addr;	/* the window table as an RDMA address */
	__le32	table_key;
	__le32	slots;		/* its size, as agreed at connection time */
	u8	mac[WIRE_MAC];	/* zero where no secret is set */
};

struct wire_goodbye {
	__le32	reason;		/* enum wire_reason */
};

#define WIRE_OPEN_V6		0x01	/* the native socket is AF_INET6 */
#define WIRE_OPEN_V6ONLY	0x02	/* and for IPv6 only, as by IPV6_V6ONLY */
#define WIRE_OPEN_HEIR		0x04	/* has the native socket of @from, which this closes */
struct wire_open {
	__le32	uid;		/* owner of the socket on the host, in the initial user namespace */
	__le32	flags;
	__le32	from;		/* with HEIR: an endpoint, else 0 */
	__le16	from_gen;	/* its generation */
	__le16	reserved;
};

#define WIRE_BIND_PRIVILEGED	0x01	/* the caller may bind to ports below 1024, says the host */
struct wire_bind {
	struct wire_addr addr;
	__le32	flags;
	__le32	reserved;
};

struct wire_listen {
	__le32	backlog;
	__le32	reserved;
};

struct wire_connect {
	struct wire_addr addr;
};

#define WIRE_SETOPT_VOUCHED	0x01	/* the caller has the capability TCP wants, says the host */
struct wire_setopt {
	__le32	level;
	__le32	name;
	__le32	len;
	__le32	flags;
	u8	value[WIRE_OPT_MAX];
};

struct wire_getopt {
	__le32	level;
	__le32	name;
	__le32	room;		/* bytes of payload the answer may have */
	__le32	reserved;
};

/**
 * enum wire_query - what QUERY may ask
 * @WIRE_QUERY_OUTQ: bytes the node holds that the peer has not acknowledged
 * @WIRE_QUERY_UNSENT: those of them that have not been sent
 * @WIRE_QUERY_END: how many there are
 */
enum wire_query {
	WIRE_QUERY_OUTQ = 1,
	WIRE_QUERY_UNSENT,
	WIRE_QUERY_END,
};

struct wire_ask {
	__le32	what;		/* enum wire_query */
	__le32	reserved;
};

struct wire_accepted {
	__le32	count;
	__le32	reserved;
};

struct wire_close {
	__le64	consumed;	/* stream position up to which the application has read */
	__le32	linger_ms;
	__le32	reserved;
};

struct wire_reply {
	__le32	error;		/* positive errno or 0 */
	__le32	reserved;
	__le64	value;
	struct wire_addr local;
	struct wire_addr peer;
};

struct wire_new_connection {
	__le32	listener;	/* index of the listening endpoint */
	__le16	listener_gen;
	__le16	listener_channel;
	struct wire_addr local;
	struct wire_addr peer;
};

#define WIRE_END_LATER	(~0ULL)	/* TLS: it is not known yet, and another RESET will tell */
struct wire_reset {
	__le32	error;		/* positive errno */
	__le32	reserved;
	__le64	end;		/* the stream ends at this position */
	__le64	taken;		/* position up to which TCP took what the host sent */
};

struct wire_urgent {
	u8	valid;		/* it has come, and is */
	u8	byte;
	__le16	reserved;
	__le32	reserved2;
};

struct wire_finished {
	__le64	taken;		/* as in RESET: all that was sent */
};

struct wire_closed {
	__le32	error;
	__le32	reserved;
	__le64	taken;		/* as in RESET */
};

#define WIRE_RECORD_DATA	23	/* TLS: a record of application's data; travels as 0 */
struct wire_data {
	u8	record;		/* kTLS: type of the record the payload is of */
	u8	nodelay;	/* of a host: 1: TCP_NODELAY is set before it */
	u8	reserved[2];
	__le32	key;		/* of a host, with WIRE_F_COUNT, once: of the counter; 0: none */
	__le64	addr;		/* where that is: 8 bytes, aligned */
};

/**
 * struct wire_window - a window slot: as a message, and as an entry of the window table
 * @limit: generation << 48 | position up to which the reader of this word may send
 * @consumed: generation << 48 | position up to which the writer has passed the bytes on
 */
struct wire_window {
	__le64	limit;
	__le64	consumed;
};

struct wire_want {
	__le64	limit;		/* the last limit the asker has seen, a plain position */
};

struct wire_taken {
	__le64	pos;		/* the end of what is waited for, a plain position */
};

#define WIRE_RECV_ALL	0x1	/* over when the memory is full, not with the first bytes */
#define WIRE_RECV_NEXT	0x2	/* begins where the job before ends; pos is not valid */
#define WIRE_RECV_MAX	0x40000000	/* bytes */
#define WIRE_RECV_JOBS	16	/* of an endpoint, at a time */

struct wire_recv_job {
	__le64	addr;
	__le32	key;
	__le32	len;
	__le32	id;		/* the host's; not used twice at a time */
	__le32	flags;		/* WIRE_RECV_* */
};

struct wire_recv_cancel {
	__le32	id;
	__le32	reserved;
};

struct wire_recv_done {
	__le32	id;
	__le32	len;		/* bytes written by RDMA; those before came as DATA */
};

/* A header slot: the common part and the body of the opcode. */
struct wire_msg {
	struct wire_hdr hdr;
	union {
		struct wire_hello hello;
		struct wire_goodbye goodbye;
		struct wire_open open;
		struct wire_bind bind;
		struct wire_listen listen;
		struct wire_connect connect;
		struct wire_setopt setopt;
		struct wire_getopt getopt;
		struct wire_ask ask;
		struct wire_accepted accepted;
		struct wire_close close;
		struct wire_reply reply;
		struct wire_new_connection conn;
		struct wire_reset reset;
		struct wire_urgent urgent;
		struct wire_finished finished;
		struct wire_closed closed;
		struct wire_data data;
		struct wire_window window;
		struct wire_want want;
		struct wire_taken taken;
		struct wire_recv_job job;
		struct wire_recv_cancel cancel;
		struct wire_recv_done done;
		u8 body[WIRE_SLOT - sizeof(struct wire_hdr)];
	};
};

static_assert(sizeof(struct wire_hdr) == 24);
static_assert(sizeof(struct wire_addr) == 24);
static_assert(sizeof(struct wire_hello) == 48);
static_assert(sizeof(struct wire_goodbye) == 4);
static_assert(sizeof(struct wire_open) == 16);
static_assert(sizeof(struct wire_bind) == 32);
static_assert(sizeof(struct wire_listen) == 8);
static_assert(sizeof(struct wire_connect) == 24);
static_assert(sizeof(struct wire_setopt) == 80);
static_assert(sizeof(struct wire_getopt) == 16);
static_assert(sizeof(struct wire_ask) == 8);
static_assert(sizeof(struct wire_accepted) == 8);
static_assert(sizeof(struct wire_close) == 16);
static_assert(sizeof(struct wire_reply) == 64);
static_assert(sizeof(struct wire_new_connection) == 56);
static_assert(sizeof(struct wire_reset) == 24);
static_assert(sizeof(struct wire_closed) == 16);
static_assert(sizeof(struct wire_data) == 16);
static_assert(sizeof(struct wire_window) == 16);
static_assert(sizeof(struct wire_want) == 8);
static_assert(sizeof(struct wire_taken) == 8);
static_assert(sizeof(struct wire_recv_job) == 24);
static_assert(sizeof(struct wire_recv_cancel) == 8);
static_assert(sizeof(struct wire_recv_done) == 8);
static_assert(sizeof(struct wire_msg) == WIRE_SLOT);

/*
 * enum wire_reason - why a connection request was refused or a session ended
 */
enum wire_reason {
	WIRE_REASON_NONE,
	WIRE_REASON_VERSION,		/* no common protocol version */
	WIRE_REASON_MALFORMED,		/* connection data that cannot be */
	WIRE_REASON_DENIED,		/* not on the allow-list */
	WIRE_REASON_SECRET,		/* shared secret missing or wrong */
	WIRE_REASON_LOAD,		/* too many hosts or too little memory */
	WIRE_REASON_SESSION,		/* a channel of a session that is not there */
	WIRE_REASON_ADMIN,		/* the administrator removed the link or the service */
	WIRE_REASON_UNLOAD,		/* module unloaded */
	WIRE_REASON_REPLACED,		/* the same host began a new session */
	WIRE_REASON_PROTOCOL,		/* the peer broke the protocol */
	WIRE_REASON_HEARTBEAT,		/* the peer fell silent */
	WIRE_REASON_TRANSPORT,		/* the queue pair failed */
	WIRE_REASON_DISCONNECTED,	/* the peer disconnected */
	WIRE_REASON_DEVICE,		/* the RDMA device went away */
	WIRE_REASON_RESOURCES,		/* out of memory or of device resources */
	WIRE_REASON_HOST_ID,		/* the host id is that of a host at another address */
	WIRE_REASON_WIRE_END,		/* those before travel, those after do not */
	WIRE_REASON_NO_SERVICE = WIRE_REASON_WIRE_END,	/* nobody serves at that port */
	WIRE_REASON_UNREACHABLE,	/* no answer, or no way there */
	WIRE_REASON_END,
};

#define WIRE_FEATURE_SECRET	0x01	/* the sender has a shared secret and insists on it */

/**
 * struct wire_cm_req - private data of the host's connection request
 * @magic: WIRE_MAGIC
 * @version: WIRE_VERSION of the sender
 * @channel: number of this channel, from 0
 * @channels: channels of the session
 * @features: WIRE_FEATURE_*
 * @depth: receive work requests the host has posted: the node's first credits
 * @reserved: zero
 * @slots: entries of the window table, both halves together: a power of two, at least
 *	WIRE_MIN_SLOTS; with all channels not more than WIRE_MAX_SLOTS
 * @host_id: identity of the host, stable over reboots
 * @boot_id: changes with each boot
 * @nonce: names the session; all channels carry the same
 * @challenge: the node's proof is computed over it
 * @reserved2: zero
 */
struct wire_cm_req {
	__le32	magic;
	__le16	version;
	u8	channel;
	u8	channels;
	__le32	features;
	__le16	depth;
	__le16	reserved;
	__le32	slots;
	u8	reserved2[4];
	__le64	host_id;
	__le64	boot_id;
	__le64	nonce;
	__le64	challenge;
};

static_assert(sizeof(struct wire_cm_req) == 56); /* all that rdma_cm leaves of an InfiniBand REQ */

/* Private data of the node's acceptance. */
struct wire_cm_rep {
	__le32	magic;
	__le16	version;
	__le16	depth;		/* receive work requests the node has posted */
	__le32	features;
	__le32	heartbeat_ms;
	__le64	challenge;	/* the host's proof is computed over it */
	u8	reserved[8];
};

static_assert(sizeof(struct wire_cm_rep) == 32);

/* Private data of a refusal. */
struct wire_cm_rej {
	__le32	magic;
	__le16	version;
	__le16	reason;		/* enum wire_reason */
};

static_assert(sizeof(struct wire_cm_rej) == 8);

/* ---- window words: 16-bit generation | 48-bit position ---- */

#define WIRE_POS_BITS	48
#define WIRE_POS_MASK	((1ULL << WIRE_POS_BITS) - 1)

/**
 * wire_word() - make a window word
 * @gen: generation of the endpoint
 * @pos: stream position; its low 48 bits travel
 */
static inline __le64 wire_word(u16 gen, u64 pos)
{
	return cpu_to_le64((u64)gen << WIRE_POS_BITS | (pos & WIRE_POS_MASK));
}

/**
 * wire_word_advance() - the position a window word stands for
 * @word: as read from the table or a message
 * @gen: generation the reader expects
 * @cur: the largest position seen so far
 *
 * Words may arrive late and reordered: a word of another generation or one that is behind @cur
 * says nothing new.
 *
 * Return: the new position, never less than @cur.
 */
static inline u64 wire_word_advance(__le64 word, u16 gen, u64 cur)
{
	u64 w = le64_to_cpu(word);
	u64 ahead = (w - cur) & WIRE_POS_MASK;

	if (w >> WIRE_POS_BITS != gen || ahead >= 1ULL << (WIRE_POS_BITS - 1))
		return cur;
	return cur + ahead;
}

/**
 * wire_begins() - whether a message is the first of an endpoint's life
 * @opcode: its opcode
 */
static inline bool wire_begins(u8 opcode)
{
	return opcode == WIRE_OPEN || opcode == WIRE_NEW_CONNECTION;
}

int wire_check(const struct wire_msg *msg, u32 bytes, bool from_host);
int wire_check_addr(const struct wire_addr *addr);
int wire_check_req(const void *data, size_t len, struct wire_cm_req *req);
int wire_check_rep(const void *data, size_t len, struct wire_cm_rep *rep);
int wire_check_rej(const void *data, size_t len);
/**
 * wire_init() - begin a message
 * @msg: cleared and given its common part
 * @opcode: what it says
 * @index: endpoint, 0 for messages about the channel
 * @gen: generation of @index
 */
static inline void wire_init(struct wire_msg *msg, enum wire_opcode opcode, u32 index, u16 gen)
{
	memset(msg, 0, sizeof(*msg));
	msg->hdr.opcode = opcode;
	msg->hdr.index = cpu_to_le32(index);
	msg->hdr.gen = cpu_to_le16(gen);
}

/**
 * wire_init_data() - begin a DATA
 * @msg: its fields are cleared, what is behind them is not
 * @index: endpoint
 * @gen: generation of @index
 */
static inline void wire_init_data(struct wire_msg *msg, u32 index, u16 gen)
{
	msg->hdr = (struct wire_hdr){ .opcode = WIRE_DATA, .index = cpu_to_le32(index),
				      .gen = cpu_to_le16(gen) };
	msg->data = (struct wire_data){ .record = 0 };
}

/**
 * wire_copy() - copy what a message says
 * @to: where to; bytes that nobody looks at stay as they are
 * @from: message
 *
 * Of DATA, what most messages are, that is less than half.
 */
static inline void wire_copy(struct wire_msg *to, const struct wire_msg *from)
{
	to->hdr = from->hdr;
	if (to->hdr.opcode == WIRE_DATA)
		to->data = from->data;
	else
		memcpy(to->body, from->body, sizeof(to->body));
}

const char *wire_opcode_name(u8 opcode);
const char *wire_reason_name(unsigned int reason);

#endif /* MEMNET_WIRE_H */
