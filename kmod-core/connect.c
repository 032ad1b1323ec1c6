// SPDX-License-Identifier: GPL-2.0
/*
 * Connecting and accepting of channels by rdma_cm.
 *
 * The host connects from its link's worker: address, route, queue pair, connection request with
 * who it is (struct wire_cm_req), then HELLO. The node accepts from its listener's worker,
 * answering with its own depth and a challenge (struct wire_cm_rep); it starts to talk when the
 * connection is established. Every wait is bounded, and a failing channel ends it.
 *
 * The rdma_cm handler runs under the id's handler lock and only records progress or fails the
 * channel. It never asks rdma_cm to destroy the id: the channel owns it and gives it to
 * memnet_cm_retire() in memnet_channel_detach().
 */
#include <linux/random.h>
#include <rdma/ib_cm.h>

#include "core.h"

#define STEP_MS		3000	/* bound of each step of connecting */

static int cm_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct memnet_channel *ch = id->context;
	struct wire_cm_rep rep;
	int ret;

	switch (event->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		complete(&ch->cm.done);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		if (!ch->cfg.host_side) {
			queue_work(memnet_wq, &ch->cm.start);
			break;
		}
		ret = wire_check_rep(event->param.conn.private_data,
				     event->param.conn.private_data_len, &rep);
		if (ret) {
			memnet_channel_fail(ch, ret == -EPROTO ? WIRE_REASON_MALFORMED :
								 WIRE_REASON_VERSION);
			break;
		}
		ch->tx.credits = le16_to_cpu(rep.depth);
		ch->cfg.who.node_challenge = le64_to_cpu(rep.challenge);
		ch->cfg.heartbeat_ms = le32_to_cpu(rep.heartbeat_ms);
		if (!ch->cfg.secret_len && le32_to_cpu(rep.features) & WIRE_FEATURE_SECRET)
			memnet_channel_fail(ch, WIRE_REASON_SECRET);
		complete(&ch->cm.done);
		break;
	case RDMA_CM_EVENT_REJECTED:
		memnet_channel_fail(ch, event->status == IB_CM_REJ_INVALID_SERVICE_ID ?
						WIRE_REASON_NO_SERVICE :
						wire_check_rej(event->param.conn.private_data,
							       event->param.conn.private_data_len));
		break;
	case RDMA_CM_EVENT_ADDR_ERROR:
	case RDMA_CM_EVENT_ROUTE_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
		memnet_channel_fail(ch, WIRE_REASON_UNREACHABLE);
		break;
	case RDMA_CM_EVENT_CONNECT_ERROR:
		memnet_channel_fail(ch, WIRE_REASON_TRANSPORT);
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
		memnet_channel_fail(ch, WIRE_REASON_DISCONNECTED);
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		ch->cm.removed = true;
		memnet_channel_fail(ch, WIRE_REASON_DEVICE);
		break;
	default:
		break;
	}
	return 0;
}

/* The next step's event, or -ETIMEDOUT, or -ECONNRESET when the channel failed. */
static int cm_wait(struct memnet_channel *ch)
{
	if (!wait_for_completion_timeout(&ch->cm.done, msecs_to_jiffies(STEP_MS))) {
		memnet_channel_fail(ch, WIRE_REASON_UNREACHABLE);
		return -ETIMEDOUT;
	}
	return ch->cm.status;
}

static int cm_connect(struct memnet_channel *ch)
{
	struct wire_cm_req req = {
		.magic		= cpu_to_le32(WIRE_MAGIC),
		.version	= cpu_to_le16(WIRE_VERSION),
		.channel	= ch->cfg.who.channel,
		.channels	= ch->cfg.who.channels,
		.features	= cpu_to_le32(ch->cfg.secret_len ? WIRE_FEATURE_SECRET : 0),
		.depth		= cpu_to_le16(ch->rx.depth),
		.slots		= cpu_to_le32(ch->cfg.slots),
		.host_id	= cpu_to_le64(ch->cfg.who.host_id),
		.boot_id	= cpu_to_le64(ch->cfg.who.boot_id),
		.nonce		= cpu_to_le64(ch->cfg.who.nonce),
		.challenge	= cpu_to_le64(ch->cfg.who.host_challenge),
	};
	struct rdma_conn_param param = {
		.private_data		= &req,
		.private_data_len	= sizeof(req),
		.retry_count		= 7,
		.rnr_retry_count	= memnet_rnr_retry,
	};

	if (memnet_cm_is_mute(ch->rdma.id)) {
		memnet_channel_fail(ch, WIRE_REASON_UNREACHABLE);
		return -ENETDOWN;
	}
	ch->cm.talked = true;
	return rdma_connect(ch->rdma.id, &param);
}

/*
 * Soft-RoCE puts off its timer for what was lost whenever something is sent (reset_retry_timer() in
 * drivers/infiniband/sw/rxe). A heartbeat must not always be in time for that: what was lost twice
 * would never be sent again. (A host does not know yet how often the node wants to hear of it.)
 */
static void help_timer(const struct memnet_channel *ch, struct rdma_cm_id *id)
{
	u32 beat_us = ch->cfg.heartbeat_ms * 1000 / MEMNET_BEATS;

	/* two thirds of a beat at most, in units of 4.096 microseconds, as a power of 2 */
	if (memnet_is_soft_roce(id->device))
		rdma_set_ack_timeout(id, ilog2(max(beat_us / 6, 1U)));
}

static int init_proof(struct memnet_channel *ch)
{
	return memnet_auth_proof(&ch->cfg, !ch->cfg.host_side, ch->life.proof);
}

/**
 * memnet_channel_connect() - connect a new channel to a node
 * @ch: channel
 * @net: namespace of the transport
 * @dst: the node's address and port
 * @domain: the link's protection domain; made here where it is NULL
 *
 * Process context; every step is bounded. After a failure ch->life.reason may tell why;
 * memnet_channel_stop() cleans up in every case.
 *
 * Return: 0 when the channel is up, else a negative errno.
 */
int memnet_channel_connect(struct memnet_channel *ch, struct net *net, struct sockaddr *dst,
			   struct memnet_domain **domain)
{
	struct rdma_cm_id *id = rdma_create_id(net, cm_event, ch, RDMA_PS_TCP, IB_QPT_RC);
	int ret;

	if (IS_ERR(id))
		return PTR_ERR(id);
	ch->rdma.id = id;
	ret = rdma_resolve_addr(id, NULL, dst, STEP_MS);
	if (ret) /* there is no route: no event will tell */
		memnet_channel_fail(ch, WIRE_REASON_UNREACHABLE);
	ret = ret ?: cm_wait(ch) ?: rdma_resolve_route(id, STEP_MS) ?: cm_wait(ch);
	if (ret)
		return ret;
	/* A host that was given no identity has that of its adapter, another for each link. */
	if (!ch->cfg.who.host_id)
		ch->cfg.who.host_id = (be64_to_cpu(id->device->node_guid) ^ ch->cfg.id_salt) ?: 1;
	if (!*domain) {
		struct memnet_domain *new = memnet_domain_create(id->device);

		if (IS_ERR(new))
			return PTR_ERR(new);
		*domain = new;
	}
	help_timer(ch, id);
	ret = memnet_channel_setup(ch, id, *domain) ?: cm_connect(ch) ?: cm_wait(ch) ?:
	      init_proof(ch) ?: memnet_channel_start(ch);
	if (ret)
		return ret;
	if (!wait_for_completion_timeout(&ch->life.up, msecs_to_jiffies(STEP_MS)))
		return -ETIMEDOUT;
	return memnet_channel_is_up(ch) ? 0 : -ECONNRESET;
}
EXPORT_SYMBOL_GPL(memnet_channel_connect);

/**
 * memnet_channel_accept() - accept a host's connection request as a channel
 * @ch: new channel
 * @id: the request's rdma_cm id; the channel's from now on, also on failure
 * @req: its checked private data
 * @domain: the session's protection domain; made here where it is NULL
 *
 * Process context. The channel comes up later, ops->up() tells; memnet_channel_stop() cleans up
 * in every case.
 *
 * Return: 0 or a negative errno.
 */
int memnet_channel_accept(struct memnet_channel *ch, struct rdma_cm_id *id,
			  const struct wire_cm_req *req, struct memnet_domain **domain)
{
	struct wire_cm_rep rep = {
		.magic		= cpu_to_le32(WIRE_MAGIC),
		.version	= cpu_to_le16(WIRE_VERSION),
		.features	= cpu_to_le32(ch->cfg.secret_len ? WIRE_FEATURE_SECRET : 0),
		.heartbeat_ms	= cpu_to_le32(ch->cfg.heartbeat_ms),
	};
	struct rdma_conn_param param = {
		.private_data		= &rep,
		.private_data_len	= sizeof(rep),
		.retry_count		= 7,
		.rnr_retry_count	= memnet_rnr_retry,
	};
	int ret;

	ch->rdma.id = id;
	ch->cm.talked = true;
	if (!*domain) {
		struct memnet_domain *new = memnet_domain_create(id->device);

		if (IS_ERR(new))
			return PTR_ERR(new);
		*domain = new;
	}
	ch->cfg.who.node_challenge = get_random_u64();
	ret = init_proof(ch) ?: memnet_channel_setup(ch, id, *domain);
	if (ret)
		return ret;
	help_timer(ch, id);
	ch->tx.credits = le16_to_cpu(req->depth);
	rep.depth = cpu_to_le16(ch->rx.depth);
	rep.challenge = cpu_to_le64(ch->cfg.who.node_challenge);
	rdma_lock_handler(id);
	id->context = ch;
	id->event_handler = cm_event;
	ret = rdma_accept(id, &param);
	rdma_unlock_handler(id);
	return ret;
}
EXPORT_SYMBOL_GPL(memnet_channel_accept);

/**
 * memnet_cm_reject() - refuse a connection request
 * @id: the request's id; not destroyed
 * @reason: enum wire_reason
 */
void memnet_cm_reject(struct rdma_cm_id *id, u32 reason)
{
	struct wire_cm_rej rej = {
		.magic		= cpu_to_le32(WIRE_MAGIC),
		.version	= cpu_to_le16(WIRE_VERSION),
		.reason		= cpu_to_le16(reason),
	};

	rdma_reject(id, &rej, sizeof(rej), IB_CM_REJ_CONSUMER_DEFINED);
}
EXPORT_SYMBOL_GPL(memnet_cm_reject);
