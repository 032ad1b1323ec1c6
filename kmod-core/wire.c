// SPDX-License-Identifier: GPL-2.0
/*
 * Checking of messages and connection data: pure functions, no state, no allocation, no lock.
 *
 * Everything a peer sends passes here exactly once, as a private copy. What passes has a known
 * opcode that this direction may carry, flags the opcode allows, a payload length that matches
 * what arrived, and fields within the bounds of wire.h; whether an endpoint exists and what it
 * may do is judged by the receiver. The file also compiles in user space, where the unit tests
 * exercise every message and every bound (selftests/unit).
 */
#include "wire.h"

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#else
#define EXPORT_SYMBOL_GPL(symbol) extern int export_##symbol
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif

#define FROM_HOST	0x01
#define FROM_NODE	0x02
#define PAYLOAD		0x04	/* may carry payload */
#define ENDPOINT	0x08	/* is about an endpoint */

static const struct {
	const char *name;
	u8 rules;
	u8 flags;
} opcodes[WIRE_OPCODE_END] = {
	[WIRE_HELLO] = { "HELLO", FROM_HOST | FROM_NODE, 0 },
	[WIRE_GOODBYE] = { "GOODBYE", FROM_HOST | FROM_NODE, 0 },
	[WIRE_CREDIT] = { "CREDIT", FROM_HOST | FROM_NODE, 0 },
	[WIRE_OPEN] = { "OPEN", FROM_HOST | ENDPOINT, 0 },
	[WIRE_BIND] = { "BIND", FROM_HOST | ENDPOINT, 0 },
	[WIRE_LISTEN] = { "LISTEN", FROM_HOST | ENDPOINT, 0 },
	[WIRE_CONNECT] = { "CONNECT", FROM_HOST | ENDPOINT, 0 },
	[WIRE_SETOPT] = { "SETOPT", FROM_HOST | ENDPOINT, WIRE_F_REPLY },
	[WIRE_QUERY] = { "QUERY", FROM_HOST | ENDPOINT, 0 },
	[WIRE_ACCEPTED] = { "ACCEPTED", FROM_HOST | ENDPOINT, 0 },
	[WIRE_CLOSE] = { "CLOSE", FROM_HOST | ENDPOINT, WIRE_F_ABORT | WIRE_F_LINGER },
	[WIRE_REPLY] = { "REPLY", FROM_NODE | ENDPOINT | PAYLOAD, 0 },
	[WIRE_NEW_CONNECTION] = { "NEW_CONNECTION", FROM_NODE | ENDPOINT, 0 },
	[WIRE_RESET] = { "RESET", FROM_NODE | ENDPOINT, WIRE_F_FIN },
	[WIRE_URGENT] = { "URGENT", FROM_NODE | ENDPOINT, 0 },
	[WIRE_FINISHED] = { "FINISHED", FROM_NODE | ENDPOINT, 0 },
	[WIRE_CLOSED] = { "CLOSED", FROM_NODE | ENDPOINT, 0 },
	[WIRE_DATA] = { "DATA", FROM_HOST | FROM_NODE | ENDPOINT | PAYLOAD,
			WIRE_F_FIN | WIRE_F_MORE | WIRE_F_TELL | WIRE_F_COUNT |
			WIRE_F_URGENT },
	[WIRE_WINDOW] = { "WINDOW", FROM_HOST | FROM_NODE | ENDPOINT, 0 },
	[WIRE_WANT_WINDOW] = { "WANT_WINDOW", FROM_HOST | FROM_NODE | ENDPOINT, 0 },
	[WIRE_WANT_TAKEN] = { "WANT_TAKEN", FROM_HOST | ENDPOINT, 0 },
	[WIRE_RECV_JOB] = { "RECV_JOB", FROM_HOST | ENDPOINT, 0 },
	[WIRE_RECV_CANCEL] = { "RECV_CANCEL", FROM_HOST | ENDPOINT, 0 },
	[WIRE_RECV_DONE] = { "RECV_DONE", FROM_NODE | ENDPOINT, 0 },
	[WIRE_GETOPT] = { "GETOPT", FROM_HOST | ENDPOINT, 0 },
};

static const char * const reasons[WIRE_REASON_END] = {
	[WIRE_REASON_NONE]		= "none",
	[WIRE_REASON_VERSION]		= "other protocol version",
	[WIRE_REASON_MALFORMED]		= "malformed connection data",
	[WIRE_REASON_DENIED]		= "host not allowed",
	[WIRE_REASON_SECRET]		= "shared secret missing or wrong",
	[WIRE_REASON_LOAD]		= "node at its limits",
	[WIRE_REASON_SESSION]		= "no such session",
	[WIRE_REASON_ADMIN]		= "removed by the administrator",
	[WIRE_REASON_UNLOAD]		= "module unloaded",
	[WIRE_REASON_REPLACED]		= "replaced by a new session of the same host",
	[WIRE_REASON_PROTOCOL]		= "protocol error",
	[WIRE_REASON_HEARTBEAT]		= "heartbeat lost",
	[WIRE_REASON_TRANSPORT]		= "queue pair failed",
	[WIRE_REASON_DISCONNECTED]	= "disconnected by the peer",
	[WIRE_REASON_DEVICE]		= "RDMA device removed",
	[WIRE_REASON_RESOURCES]		= "out of resources",
	[WIRE_REASON_HOST_ID]		= "host id in use at another address",
	[WIRE_REASON_NO_SERVICE]	= "nobody serves hosts there",
	[WIRE_REASON_UNREACHABLE]	= "node not reachable",
};

/**
 * wire_opcode_name() - name of an opcode for logs and traces
 * @opcode: any value
 */
const char *wire_opcode_name(u8 opcode)
{
	if (opcode >= ARRAY_SIZE(opcodes) || !opcodes[opcode].name)
		return "unknown";
	return opcodes[opcode].name;
}
EXPORT_SYMBOL_GPL(wire_opcode_name);

/**
 * wire_reason_name() - text of a reason for people
 * @reason: any value
 */
const char *wire_reason_name(unsigned int reason)
{
	if (reason >= ARRAY_SIZE(reasons) || !reasons[reason])
		return "unknown";
	return reasons[reason];
}
EXPORT_SYMBOL_GPL(wire_reason_name);

/**
 * wire_check_addr() - is this an address a message may carry
 * @addr: the address
 *
 * Return: 0, or -EPROTO.
 */
int wire_check_addr(const struct wire_addr *addr)
{
	static const u8 zero[12];

	switch (le16_to_cpu(addr->family)) {
	case 0:
	case 6:
		return 0;
	case 4:
		return memcmp(addr->addr + 4, zero, sizeof(zero)) ? -EPROTO : 0;
	default:
		return -EPROTO;
	}
}

static int check_errno(__le32 error)
{
	return le32_to_cpu(error) > 4095 ? -EPROTO : 0;
}

static int check_recv_job(const struct wire_recv_job *job)
{
	u32 len = le32_to_cpu(job->len);

	if (!len || len > WIRE_RECV_MAX || le64_to_cpu(job->addr) > ~0ULL - len)
		return -EPROTO;
	return le32_to_cpu(job->flags) & ~(WIRE_RECV_ALL | WIRE_RECV_NEXT) ? -EPROTO : 0;
}

static int check_open(const struct wire_open *open)
{
	u32 flags = le32_to_cpu(open->flags);

	if (flags & ~(WIRE_OPEN_V6 | WIRE_OPEN_V6ONLY | WIRE_OPEN_HEIR) ||
	    (flags & WIRE_OPEN_V6ONLY && !(flags & WIRE_OPEN_V6)))
		return -EPROTO;
	return !(flags & WIRE_OPEN_HEIR) != !open->from ? -EPROTO : 0;
}

/* Only an option that was read comes as payload. */
static int check_reply(const struct wire_reply *reply, u32 len)
{
	if (len > WIRE_OPT_READ || (len && reply->error))
		return -EPROTO;
	if (wire_check_addr(&reply->local) || wire_check_addr(&reply->peer))
		return -EPROTO;
	return check_errno(reply->error);
}

static int check_data(const struct wire_msg *msg)
{
	const struct wire_data *data = &msg->data;

	if (data->record && (!msg->hdr.len || msg->hdr.flags & WIRE_F_URGENT))
		return -EPROTO;
	if (data->nodelay > 1 || (data->nodelay && !msg->hdr.len))
		return -EPROTO;
	if (data->key ? !(msg->hdr.flags & WIRE_F_COUNT) : data->addr != 0)
		return -EPROTO;
	return le64_to_cpu(data->addr) % sizeof(__le64) ? -EPROTO : 0;
}

static int check_body(const struct wire_msg *msg)
{
	switch (msg->hdr.opcode) {
	case WIRE_OPEN:
		return check_open(&msg->open);
	case WIRE_BIND:
		if (le32_to_cpu(msg->bind.flags) & ~WIRE_BIND_PRIVILEGED || !msg->bind.addr.family)
			return -EPROTO;
		return wire_check_addr(&msg->bind.addr);
	case WIRE_CONNECT:
		return wire_check_addr(&msg->connect.addr);
	case WIRE_SETOPT:
		return le32_to_cpu(msg->setopt.len) > WIRE_OPT_MAX ||
		       le32_to_cpu(msg->setopt.flags) & ~WIRE_SETOPT_VOUCHED ? -EPROTO : 0;
	case WIRE_GETOPT:
		return le32_to_cpu(msg->getopt.room) > WIRE_OPT_READ ? -EPROTO : 0;
	case WIRE_QUERY:
		return !msg->ask.what || le32_to_cpu(msg->ask.what) >= WIRE_QUERY_END ? -EPROTO : 0;
	case WIRE_REPLY:
		return check_reply(&msg->reply, le32_to_cpu(msg->hdr.len));
	case WIRE_NEW_CONNECTION:
		if (le16_to_cpu(msg->conn.listener_channel) >= WIRE_MAX_CHANNELS ||
		    !msg->conn.local.family || !msg->conn.peer.family)
			return -EPROTO;
		return wire_check_addr(&msg->conn.local) ?: wire_check_addr(&msg->conn.peer);
	case WIRE_RECV_JOB:
		return check_recv_job(&msg->job);
	case WIRE_RECV_DONE:
		return le32_to_cpu(msg->done.len) > WIRE_RECV_MAX ? -EPROTO : 0;
	case WIRE_RESET:
		return !msg->reset.error ? -EPROTO : check_errno(msg->reset.error);
	case WIRE_URGENT:
		return msg->urgent.valid > 1 ? -EPROTO : 0;
	case WIRE_CLOSED:
		return check_errno(msg->closed.error);
	case WIRE_DATA:
		return check_data(msg);
	default:
		return 0;
	}
}

/**
 * wire_check() - judge a received message by itself
 * @msg: private copy of the header slot
 * @bytes: bytes that arrived, header slot included
 * @from_host: whether a host sent it
 *
 * Return: 0, or -EPROTO for a message no correct peer sends.
 */
int wire_check(const struct wire_msg *msg, u32 bytes, bool from_host)
{
	u8 op = msg->hdr.opcode;
	u32 len = le32_to_cpu(msg->hdr.len);
	u8 rules;

	if (bytes < WIRE_SLOT || len > WIRE_MAX_PAYLOAD || len != bytes - WIRE_SLOT)
		return -EPROTO;
	if (op >= ARRAY_SIZE(opcodes) || !opcodes[op].name)
		return -EPROTO;
	rules = opcodes[op].rules;
	if (!(rules & (from_host ? FROM_HOST : FROM_NODE)))
		return -EPROTO;
	if (msg->hdr.flags & ~opcodes[op].flags)
		return -EPROTO;
	if (msg->hdr.flags & (WIRE_F_TELL | WIRE_F_COUNT | WIRE_F_URGENT) && !from_host)
		return -EPROTO;
	if (msg->hdr.flags & WIRE_F_URGENT && !len)
		return -EPROTO;
	if (op == WIRE_DATA && msg->data.nodelay && !from_host)
		return -EPROTO;
	if (len && !(rules & PAYLOAD))
		return -EPROTO;
	if (!(rules & ENDPOINT) != !msg->hdr.index)
		return -EPROTO;
	return check_body(msg);
}

/**
 * wire_check_req() - take and judge the private data of a connection request
 * @data: as received
 * @len: its length; transports may pad with zeros
 * @req: the private copy
 *
 * Return: 0; -EPROTO if it is not MemNet or out of bounds; -EPROTONOSUPPORT for another
 * version, @req valid.
 */
int wire_check_req(const void *data, size_t len, struct wire_cm_req *req)
{
	u32 slots;
	u16 depth;

	if (!data || len < sizeof(*req))
		return -EPROTO;
	memcpy(req, data, sizeof(*req));
	if (le32_to_cpu(req->magic) != WIRE_MAGIC)
		return -EPROTO;
	if (le16_to_cpu(req->version) != WIRE_VERSION)
		return -EPROTONOSUPPORT;
	slots = le32_to_cpu(req->slots);
	depth = le16_to_cpu(req->depth);
	if (!req->channels || req->channels > WIRE_MAX_CHANNELS || req->channel >= req->channels)
		return -EPROTO;
	if (depth < WIRE_MIN_DEPTH || depth > WIRE_MAX_DEPTH)
		return -EPROTO;
	if (slots < WIRE_MIN_SLOTS || slots > WIRE_MAX_SLOTS / req->channels || slots & (slots - 1))
		return -EPROTO;
	if (!req->host_id || !req->nonce)
		return -EPROTO;
	return 0;
}
EXPORT_SYMBOL_GPL(wire_check_req);

/**
 * wire_check_rep() - take and judge the private data of an acceptance
 * @data: as received
 * @len: its length
 * @rep: the private copy
 *
 * Return: 0, -EPROTO, or -EPROTONOSUPPORT for another version.
 */
int wire_check_rep(const void *data, size_t len, struct wire_cm_rep *rep)
{
	u32 heartbeat;
	u16 depth;

	if (!data || len < sizeof(*rep))
		return -EPROTO;
	memcpy(rep, data, sizeof(*rep));
	if (le32_to_cpu(rep->magic) != WIRE_MAGIC)
		return -EPROTO;
	if (le16_to_cpu(rep->version) != WIRE_VERSION)
		return -EPROTONOSUPPORT;
	depth = le16_to_cpu(rep->depth);
	heartbeat = le32_to_cpu(rep->heartbeat_ms);
	if (depth < WIRE_MIN_DEPTH || depth > WIRE_MAX_DEPTH || heartbeat < 100 ||
	    heartbeat > 600000)
		return -EPROTO;
	return 0;
}

/**
 * wire_check_rej() - the reason of a refusal
 * @data: private data of the rejection, may be NULL
 * @len: its length
 *
 * Return: an enum wire_reason; WIRE_REASON_DISCONNECTED where the refusal is not MemNet's.
 */
int wire_check_rej(const void *data, size_t len)
{
	struct wire_cm_rej rej;
	u16 reason;

	if (!data || len < sizeof(rej))
		return WIRE_REASON_DISCONNECTED;
	memcpy(&rej, data, sizeof(rej));
	if (le32_to_cpu(rej.magic) != WIRE_MAGIC)
		return WIRE_REASON_DISCONNECTED;
	if (le16_to_cpu(rej.version) != WIRE_VERSION)
		return WIRE_REASON_VERSION;
	reason = le16_to_cpu(rej.reason);
	return reason && reason < WIRE_REASON_WIRE_END ? reason : WIRE_REASON_DISCONNECTED;
}
