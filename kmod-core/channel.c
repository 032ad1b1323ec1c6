// SPDX-License-Identifier: GPL-2.0
/*
 * Life of a channel.
 *
 * alloc -> setup (queue pair, buffers, receives posted) -> connect.c connects or accepts ->
 * start (registers the window table, sends HELLO) -> up, when the peer's HELLO has come -> fail
 * (once, from any context, for the first reason) -> stop (process context: queue pair to error,
 * drained, everything returned in reverse order) -> detach (the id goes to retire.c) -> put.
 *
 * While a channel is up its worker writes a heartbeat into slot 0 of the peer's window table
 * MEMNET_BEATS times in the agreed period and looks at its own slot 0: this needs no credit and
 * proves that the peer's worker runs. All but one of these parts without a change, and without a
 * message, in which we looked as often as the peer should have written, are the peer's death: a
 * machine that stood still with all its guests, and then finds that time has passed, has to look
 * again.
 *
 * life.lock (BH) guards state, reason and the HELLO flag and is taken last. The owner must not
 * use a channel after memnet_channel_stop() except to detach and put it; sending on a failed one
 * returns -ENOTCONN.
 */
#include <crypto/algapi.h>
#include <linux/slab.h>

#include "core.h"
#include "trace.h"

static const u8 allowed[] = {
	[MEMNET_CH_NEW]		= BIT(MEMNET_CH_SETUP) | BIT(MEMNET_CH_FAILED),
	[MEMNET_CH_SETUP]	= BIT(MEMNET_CH_HELLO) | BIT(MEMNET_CH_FAILED),
	[MEMNET_CH_HELLO]	= BIT(MEMNET_CH_UP) | BIT(MEMNET_CH_FAILED),
	[MEMNET_CH_UP]		= BIT(MEMNET_CH_FAILED),
	[MEMNET_CH_FAILED]	= BIT(MEMNET_CH_STOPPED),
	[MEMNET_CH_STOPPED]	= 0,
};

static bool change_state(struct memnet_channel *ch, enum memnet_channel_state next)
{
	lockdep_assert_held(&ch->life.lock);
	if (!(allowed[ch->life.state] & BIT(next)))
		return false;
	trace_memnet_channel_state(ch, next);
	WRITE_ONCE(ch->life.state, next);
	return true;
}

/**
 * memnet_domain_create() - make a link's protection domain
 * @dev: device
 *
 * Return: the domain with one reference, or an ERR_PTR.
 */
struct memnet_domain *memnet_domain_create(struct ib_device *dev)
{
	struct memnet_domain *domain = kzalloc(sizeof(*domain), GFP_KERNEL);
	struct ib_pd *pd;

	if (!domain)
		return ERR_PTR(-ENOMEM);
	pd = ib_alloc_pd(dev, 0);
	if (IS_ERR(pd)) {
		kfree(domain);
		return ERR_CAST(pd);
	}
	domain->pd = pd;
	refcount_set(&domain->refs, 1);
	return domain;
}

/**
 * memnet_domain_put() - drop a reference; the last returns the domain
 * @domain: the domain or NULL
 */
void memnet_domain_put(struct memnet_domain *domain)
{
	if (!domain || !refcount_dec_and_test(&domain->refs))
		return;
	ib_dealloc_pd(domain->pd);
	kfree(domain);
}
EXPORT_SYMBOL_GPL(memnet_domain_put);

/*
 * In the agreed period. A peer is dead after one look less without a sign of life: the last may
 * have come a beat before its end and been seen a look later, so that is known within the period.
 */
static void beat_work(struct work_struct *work)
{
	struct memnet_channel *ch =
		container_of(to_delayed_work(work), struct memnet_channel, life.beat);
	unsigned long beat = msecs_to_jiffies(ch->cfg.heartbeat_ms / MEMNET_BEATS), heard;
	u64 word = 0, unused = 0;
	bool late;

	if (!memnet_channel_is_up(ch))
		return;
	late = memnet_window_publish(ch, 0, 1, ch->life.beat_sent + 1, 0) == -EAGAIN;
	if (!late)
		ch->life.beat_sent++;
	word = ch->life.beat_seen;
	memnet_window_read(ch, 0, 1, &word, &unused);
	if (word != ch->life.beat_seen) {
		ch->life.beat_seen = word;
		ch->life.beat_at = jiffies;
		ch->life.silent = 0;
	}
	/* A heartbeat travels behind what was sent before: that is a sign of life as well. */
	heard = READ_ONCE(ch->rx.heard);
	if (time_before(ch->life.beat_at, heard)) {
		ch->life.beat_at = heard;
		ch->life.silent = 0;
	}
	/* The machine may have stood still, so neither looks nor time alone say it. */
	if (++ch->life.silent >= MEMNET_BEATS - 1 &&
	    time_after_eq(jiffies, ch->life.beat_at + (MEMNET_BEATS - 1) * beat)) {
		memnet_channel_fail(ch, WIRE_REASON_HEARTBEAT);
		return;
	}
	/* On whatever processor: a timer of one that has gone would never come. */
	queue_delayed_work(memnet_wq, &ch->life.beat, late ? max(beat / 5, 1UL) : beat);
}

static void start_work(struct work_struct *work)
{
	struct memnet_channel *ch = container_of(work, struct memnet_channel, cm.start);

	if (memnet_channel_start(ch))
		memnet_channel_fail(ch, WIRE_REASON_RESOURCES);
}

static void broke_work(struct work_struct *work)
{
	memnet_channel_fail(container_of(work, struct memnet_channel, life.broke),
			    WIRE_REASON_TRANSPORT);
}

/**
 * memnet_channel_alloc() - make a channel
 * @ops: the owner's calls
 * @owner: the owner's pointer
 * @cfg: how it is to be; copied
 *
 * Return: the channel with one reference, or NULL.
 */
struct memnet_channel *memnet_channel_alloc(const struct memnet_channel_ops *ops, void *owner,
					    const struct memnet_channel_config *cfg)
{
	struct memnet_channel *ch = kzalloc(sizeof(*ch), GFP_KERNEL);

	if (!ch)
		return NULL;
	refcount_set(&ch->refs, 1);
	ch->ops = ops;
	ch->owner = owner;
	ch->cfg = *cfg;
	ch->number = cfg->who.channel;
	memnet_tx_init(ch);
	memnet_rx_init(ch);
	spin_lock_init(&ch->life.lock);
	init_completion(&ch->life.up);
	init_completion(&ch->cm.done);
	INIT_DELAYED_WORK(&ch->life.beat, beat_work);
	INIT_WORK(&ch->cm.start, start_work);
	INIT_WORK(&ch->life.broke, broke_work);
	memnet_stat_inc(MEMNET_STAT_CHANNELS);
	return ch;
}
EXPORT_SYMBOL_GPL(memnet_channel_alloc);

/**
 * memnet_channel_put() - drop a reference; the last frees a stopped channel
 * @ch: channel
 */
void memnet_channel_put(struct memnet_channel *ch)
{
	if (!refcount_dec_and_test(&ch->refs))
		return;
	WARN_ON_ONCE(ch->rdma.qp);
	memzero_explicit(ch->cfg.secret, sizeof(ch->cfg.secret));
	memnet_stat_dec(MEMNET_STAT_CHANNELS);
	kfree_rcu(ch, rcu);
}
EXPORT_SYMBOL_GPL(memnet_channel_put);

/**
 * memnet_channel_broke() - the device says that a queue is broken
 * @ch: channel
 *
 * Any context, hard interrupts of some drivers included.
 */
void memnet_channel_broke(struct memnet_channel *ch)
{
	queue_work(memnet_wq, &ch->life.broke);
}

static void qp_event(struct ib_event *event, void *context)
{
	struct memnet_channel *ch = context;

	switch (event->event) {
	case IB_EVENT_COMM_EST:
		rdma_notify(ch->rdma.id, event->event);
		break;
	case IB_EVENT_SQ_DRAINED:
	case IB_EVENT_QP_LAST_WQE_REACHED:
		break;
	default:
		memnet_channel_broke(ch);
	}
}

static int create_qp(struct memnet_channel *ch)
{
	struct ib_qp_init_attr attr = {
		.event_handler	= qp_event,
		.qp_context	= ch,
		.send_cq	= ch->rdma.send_cq,
		.recv_cq	= ch->rdma.recv_cq,
		.sq_sig_type	= IB_SIGNAL_REQ_WR,
		.qp_type	= IB_QPT_RC,
		.cap = {
			.max_send_wr	= ch->tx.depth,
			.max_recv_wr	= ch->rx.depth + 1,	/* one for ib_drain_rq() */
			.max_send_sge	= ch->tx.max_sge,
			.max_recv_sge	= 1 + MEMNET_RX_PAGES,
		},
	};
	int ret = rdma_create_qp(ch->rdma.id, ch->rdma.domain->pd, &attr);

	if (!ret)
		ch->rdma.qp = ch->rdma.id->qp;
	return ret;
}

static void release_rdma(struct memnet_channel *ch)
{
	if (ch->rdma.qp)
		rdma_destroy_qp(ch->rdma.id);
	ch->rdma.qp = NULL;
	memnet_window_teardown(ch);
	memnet_rx_teardown(ch);
	memnet_tx_teardown(ch);
	memnet_domain_put(ch->rdma.domain);
	ch->rdma.domain = NULL;
}

/**
 * memnet_channel_setup() - give a channel its queue pair and buffers and post its receives
 * @ch: channel
 * @id: rdma_cm id with a device; owned by the channel from now on, also on failure
 * @domain: the link's protection domain; a reference is taken
 *
 * Return: 0 or a negative errno; memnet_channel_stop() and detach() clean up in both cases.
 */
int memnet_channel_setup(struct memnet_channel *ch, struct rdma_cm_id *id,
			 struct memnet_domain *domain)
{
	int ret;

	ch->rdma.id = id;
	ch->rdma.dev = id->device;
	if (domain->pd->device != id->device)
		return -EXDEV;
	refcount_inc(&domain->refs);
	ch->rdma.domain = domain;
	ret = memnet_tx_setup(ch) ?: memnet_rx_setup(ch) ?: memnet_window_setup(ch) ?:
	      create_qp(ch);
	if (ret)
		return ret;
	ret = memnet_rx_post_all(ch);
	if (ret)
		return ret;
	spin_lock_bh(&ch->life.lock);
	if (!change_state(ch, MEMNET_CH_SETUP))
		ret = -ECONNRESET;
	spin_unlock_bh(&ch->life.lock);
	return ret;
}

/*
 * Both HELLOs are through: the channel is in use. Called with life.lock held, returns with it
 * released.
 */
static void channel_up(struct memnet_channel *ch)
	__releases(&ch->life.lock)
{
	bool up = ch->life.hello_seen && change_state(ch, MEMNET_CH_UP);

	spin_unlock_bh(&ch->life.lock);
	if (!up)
		return;
	complete_all(&ch->life.up);
	ch->ops->up(ch);
	queue_delayed_work(memnet_wq, &ch->life.beat, 0);
}

/**
 * memnet_channel_start() - begin to talk on a connected queue pair
 * @ch: channel in MEMNET_CH_SETUP, connected, credits known
 *
 * Return: 0 or a negative errno.
 */
int memnet_channel_start(struct memnet_channel *ch)
{
	struct wire_msg msg;
	bool ok;
	int ret;

	wire_init(&msg, WIRE_HELLO, 0, 0);
	ret = memnet_auth_proof(&ch->cfg, ch->cfg.host_side, msg.hello.mac);
	if (ret)
		return ret;
	ch->life.beat_at = jiffies;
	ch->rx.heard = jiffies;
	spin_lock_bh(&ch->life.lock);
	ok = change_state(ch, MEMNET_CH_HELLO);
	spin_unlock_bh(&ch->life.lock);
	if (!ok)
		return -ECONNRESET;
	memnet_tx_begin_bh(ch);
	/* Who fails it from here on stops it behind us. */
	ch->tx.stopped = READ_ONCE(ch->life.state) >= MEMNET_CH_FAILED;
	ret = memnet_window_register(ch);
	if (!ret) {
		msg.hello.table_addr = cpu_to_le64(ch->win.mr->iova);
		msg.hello.table_key = cpu_to_le32(ch->win.mr->rkey);
		msg.hello.slots = cpu_to_le32(ch->cfg.slots);
		ret = memnet_tx_queue(ch, &msg, NULL, 0, 0, 0);
	}
	memnet_tx_commit_bh(ch);
	if (ret)
		return ret;
	spin_lock_bh(&ch->life.lock);
	channel_up(ch);
	return 0;
}

/**
 * memnet_channel_hello() - the peer's HELLO came
 * @ch: channel
 * @msg: the message
 */
void memnet_channel_hello(struct memnet_channel *ch, const struct wire_msg *msg)
{
	u32 reason = 0;

	spin_lock_bh(&ch->life.lock);
	if (ch->life.hello_seen || le32_to_cpu(msg->hello.slots) != ch->cfg.slots)
		reason = WIRE_REASON_PROTOCOL;
	else if (ch->cfg.secret_len && crypto_memneq(msg->hello.mac, ch->life.proof, WIRE_MAC))
		reason = WIRE_REASON_SECRET;
	if (reason) {
		spin_unlock_bh(&ch->life.lock);
		memnet_channel_fail(ch, reason);
		return;
	}
	ch->win.peer_addr = le64_to_cpu(msg->hello.table_addr);
	ch->win.peer_key = le32_to_cpu(msg->hello.table_key);
	ch->life.hello_seen = true;
	if (ch->life.state == MEMNET_CH_HELLO)
		channel_up(ch);
	else
		spin_unlock_bh(&ch->life.lock);
}

/**
 * memnet_channel_come_up() - a message came that only a channel which is up may carry
 * @ch: channel
 *
 * The peer may have answered our HELLO before memnet_channel_start() had the time to take note of
 * having sent it.
 *
 * Return: whether the channel is up.
 */
bool memnet_channel_come_up(struct memnet_channel *ch)
{
	spin_lock_bh(&ch->life.lock);
	channel_up(ch);
	return memnet_channel_is_up(ch);
}

/**
 * memnet_channel_fail() - a channel is dead
 * @ch: channel
 * @reason: enum wire_reason; the first one counts
 *
 * Any context. Nothing is posted afterwards; the owner is told once, to stop the channel from
 * its worker.
 */
void memnet_channel_fail(struct memnet_channel *ch, u32 reason)
{
	bool first;

	spin_lock_bh(&ch->life.lock);
	first = change_state(ch, MEMNET_CH_FAILED);
	if (first)
		ch->life.reason = reason;
	spin_unlock_bh(&ch->life.lock);
	if (!first)
		return;
	memnet_tx_stop(ch);
	ch->cm.status = -ECONNRESET;
	complete(&ch->cm.done);
	complete_all(&ch->life.up);
	ch->ops->failed(ch);
}
EXPORT_SYMBOL_GPL(memnet_channel_fail);

/**
 * memnet_channel_wc_error() - a work request of a channel failed: say how
 * @ch: channel
 * @queue: its queue, for people
 * @wc: completion with an error
 *
 * Those that are only flushed were not the cause. The caller ends the channel.
 */
void memnet_channel_wc_error(const struct memnet_channel *ch, const char *queue,
			     const struct ib_wc *wc)
{
	if (wc->status != IB_WC_WR_FLUSH_ERR)
		pr_warn_ratelimited("memnet: channel %u: %s queue: %s (vendor %#x)\n",
				    ch->number, queue, ib_wc_status_msg(wc->status),
				    wc->vendor_err);
}

/**
 * memnet_channel_leave() - a channel is to end, and the peer to hear why
 * @ch: channel
 * @reason: enum wire_reason
 *
 * As memnet_channel_fail(), but what was posted still goes, GOODBYE behind it, and
 * memnet_channel_stop() gives the queue pair a moment to deliver it.
 */
void memnet_channel_leave(struct memnet_channel *ch, u32 reason)
{
	struct wire_msg msg;

	if (memnet_channel_is_up(ch)) {
		wire_init(&msg, WIRE_GOODBYE, 0, 0);
		msg.goodbye.reason = cpu_to_le32(reason);
		memnet_tx_begin_bh(ch);
		/* Where it is not to be had the peer learns from the disconnection. */
		if (!memnet_tx_queue(ch, &msg, NULL, 0, 0, MEMNET_TX_NOTIFY)) {
			ch->life.leaving = true;
			ch->life.leave_by = jiffies + HZ;
		}
		ch->tx.stopped = true;
		memnet_tx_commit_bh(ch);
	}
	memnet_channel_fail(ch, reason);
}
EXPORT_SYMBOL_GPL(memnet_channel_leave);

static void await_goodbye(struct memnet_channel *ch)
{
	while (ch->life.leaving && time_before(jiffies, ch->life.leave_by)) {
		memnet_tx_reap(ch);
		if (READ_ONCE(ch->tx.head) == READ_ONCE(ch->tx.tail))
			return;
		schedule_timeout_uninterruptible(1);
	}
}

/**
 * memnet_channel_stop() - end a channel and return what it holds
 * @ch: channel, not yet stopped; nobody else stops it at the same time
 * @reason: told to the peer, and the channel's own if it has none yet
 *
 * Process context, may take seconds. When it returns no call of the owner runs or will run, and
 * the device touches nothing of the channel's any more. memnet_channel_detach() must follow.
 */
void memnet_channel_stop(struct memnet_channel *ch, u32 reason)
{
	struct rdma_cm_id *id = ch->rdma.id;

	memnet_channel_leave(ch, reason);
	/* Who failed it before us may not have come to this yet. */
	memnet_tx_stop(ch);
	await_goodbye(ch);
	cancel_work_sync(&ch->cm.start);
	cancel_delayed_work_sync(&ch->life.beat);
	/* One that sleeps for memory would post to a queue pair that is gone. */
	cancel_work_sync(&ch->rx.work);
	if (ch->rdma.qp) {
		struct ib_qp_attr attr = { .qp_state = IB_QPS_ERR };

		if (!memnet_cm_is_mute(id))
			rdma_disconnect(id);
		ib_modify_qp(ch->rdma.qp, &attr, IB_QP_STATE);
		memnet_tx_drain(ch);
		ib_drain_rq(ch->rdma.qp);
	}
	release_rdma(ch);
}
EXPORT_SYMBOL_GPL(memnet_channel_stop);

/**
 * memnet_channel_detach() - let go of the device
 * @ch: stopped channel
 *
 * Process context. Device removal waits for this, so by now nothing of the device may be in use by
 * anybody: no domain, no registration, no mapping.
 */
void memnet_channel_detach(struct memnet_channel *ch)
{
	memnet_cm_retire(ch);
	/* What the last callbacks have queued. */
	cancel_work_sync(&ch->cm.start);
	cancel_work_sync(&ch->life.broke);
	cancel_delayed_work_sync(&ch->life.beat);
	cancel_work_sync(&ch->rx.work);
	flush_work(&ch->tx.work); /* somebody may have begun to wait */
	spin_lock_bh(&ch->life.lock);
	change_state(ch, MEMNET_CH_STOPPED);
	spin_unlock_bh(&ch->life.lock);
}
EXPORT_SYMBOL_GPL(memnet_channel_detach);
