// SPDX-License-Identifier: GPL-2.0
/*
 * RDMA writes and registrations: what goes into the send queue and is no message.
 *
 * A write tells the peer nothing, so it needs no credit.
 *
 * Locks: tx.lock, as tx.c; memnet_tx_register() and memnet_tx_settle() take it themselves and sleep
 * without it.
 */
#include "tx.h"

/**
 * memnet_tx_queue_write() - queue an RDMA write
 * @ch: channel, in a batch
 * @dma: mapped source, which must live as long as the channel
 * @len: its length; 0 for a marker
 * @addr: remote address
 * @key: remote key
 * @flags: MEMNET_TX_*
 *
 * Return: 0, -EAGAIN or -ENOTCONN.
 */
int memnet_tx_queue_write(struct memnet_channel *ch, u64 dma, u32 len, u64 addr, u32 key,
			  unsigned int flags)
{
	struct memnet_tx *tx;

	lockdep_assert_held(&ch->tx.lock);
	if (ch->tx.stopped)
		return -ENOTCONN;
	if (!memnet_tx_has_room(ch, flags & MEMNET_TX_RESERVE ? RESERVE_DRAIN : RESERVE_GRANT))
		return -EAGAIN;
	tx = memnet_tx_next(ch, IB_WR_RDMA_WRITE, flags);
	tx->wr.rdma.remote_addr = addr;
	tx->wr.rdma.rkey = key;
	if (len) {
		tx->sge[0] = (struct ib_sge){ .addr = dma, .length = len,
					      .lkey = ch->rdma.domain->pd->local_dma_lkey };
		tx->wr.send.num_sge = 1;
	}
	return 0;
}

/**
 * memnet_tx_queue_place() - queue an RDMA write of a part of a buffer
 * @ch: channel, in a batch
 * @skb: buffer; one reference is taken over on success
 * @offset: where to start in it
 * @len: bytes, not more than memnet_tx_fit() said
 * @addr: remote address
 * @key: remote key
 *
 * It needs no credit, and tells the peer nothing.
 *
 * Return: 0; -EAGAIN for lack of room; -ENOTCONN when the channel is down; -ENOMEM.
 */
int memnet_tx_queue_place(struct memnet_channel *ch, struct sk_buff *skb, u32 offset, u32 len,
			  u64 addr, u32 key)
{
	struct memnet_segment seg[MEMNET_TX_SGE] __uninitialized;
	struct memnet_tx *tx;
	u32 nr = 0;

	lockdep_assert_held(&ch->tx.lock);
	if (ch->tx.stopped)
		return -ENOTCONN;
	if (!memnet_tx_has_room(ch, RESERVE_GRANT))
		return -EAGAIN;
	if (WARN_ON_ONCE(memnet_tx_segments(skb, offset, len, seg, ch->tx.max_sge - 1, &nr) != len))
		return -EINVAL;
	tx = &ch->tx.ring[ch->tx.head & (ch->tx.depth - 1)];
	if (memnet_tx_map(ch, tx, seg, nr)) {
		memnet_tx_unmap(ch, tx);
		return -ENOMEM;
	}
	memnet_tx_next(ch, IB_WR_RDMA_WRITE, 0);
	tx->wr.rdma.remote_addr = addr;
	tx->wr.rdma.rkey = key;
	tx->wr.send.sg_list = &tx->sge[1];
	tx->wr.send.num_sge = nr;
	tx->skb = skb;
	memnet_stat_add(MEMNET_STAT_BYTES_PLACED, len);
	return 0;
}
EXPORT_SYMBOL_GPL(memnet_tx_queue_place);

/**
 * memnet_tx_queue_reg() - queue the registration of a memory region
 * @ch: channel, in a batch
 * @mr: the region, mapped; its key is changed
 * @access: IB_ACCESS_*
 * @hold: released when it is complete, or NULL
 * @flags: MEMNET_TX_*
 *
 * Return: 0, -EAGAIN or -ENOTCONN.
 */
int memnet_tx_queue_reg(struct memnet_channel *ch, struct ib_mr *mr, int access,
			struct memnet_hold *hold, unsigned int flags)
{
	struct memnet_tx *tx;

	lockdep_assert_held(&ch->tx.lock);
	if (ch->tx.stopped)
		return -ENOTCONN;
	/* What waiters wait for; of two entries one may come from the reserve. */
	if (!memnet_tx_has_room(ch, RESERVE_GRANT))
		return -EAGAIN;
	/*
	 * Soft-RoCE carries out a registration again when it sends again what was posted before it,
	 * finds the region registered and breaks the queue pair (req_retry(), rxe_reg_fast_mr() in
	 * drivers/infiniband/sw/rxe). An invalidation it does not begin before all in front of it
	 * is complete, so nothing is sent again that lies in front of the registration behind it;
	 * the key must be right for both.
	 */
	if (memnet_is_soft_roce(ch->rdma.dev)) {
		tx = memnet_tx_next(ch, IB_WR_LOCAL_INV, 0);
		tx->wr.send.ex.invalidate_rkey = mr->rkey;
	} else {
		ib_update_fast_reg_key(mr, ib_inc_rkey(mr->rkey));
	}
	tx = memnet_tx_next(ch, IB_WR_REG_MR, flags);
	tx->hold = hold;
	tx->nr_hold = !!hold;
	tx->wr.reg.mr = mr;
	tx->wr.reg.key = mr->rkey;
	tx->wr.reg.access = access;
	return 0;
}

/* A marker that is complete when all before it is. */
static int queue_marker(struct memnet_channel *ch, struct memnet_hold *hold)
{
	int ret = memnet_tx_queue_write(ch, 0, 0, 0, 0, MEMNET_TX_NOTIFY);
	struct memnet_tx *tx;

	if (ret)
		return ret;
	tx = &ch->tx.ring[(ch->tx.head - 1) & (ch->tx.depth - 1)];
	tx->hold = hold;
	tx->nr_hold = 1;
	return 0;
}

/**
 * struct turn - who waits for a work request
 * @hold:	of the work request
 * @waiter:	for room in the send ring
 * @done:	completed by either
 */
struct turn {
	struct memnet_hold hold;
	struct memnet_waiter waiter;
	struct completion done;
};

static void turn_over(struct memnet_hold *hold)
{
	complete(&container_of(hold, struct turn, hold)->done);
}

static void turn_come(struct memnet_waiter *w)
{
	complete(&container_of(w, struct turn, waiter)->done);
}

/*
 * What the queue pair has cannot be given up. But a peer that takes nothing for so long, though it
 * has promised to, is as good as silent.
 */
static void await_completion(struct memnet_channel *ch, struct turn *turn)
{
	if (wait_for_completion_timeout(&turn->done, msecs_to_jiffies(ch->cfg.heartbeat_ms)))
		return;
	memnet_channel_fail(ch, WIRE_REASON_HEARTBEAT);
	wait_for_completion(&turn->done);
}

/* A peer may take its time to grant what others wait for, too. Returns 0 or -EINTR. */
static int await_turn(struct memnet_channel *ch, struct turn *turn)
{
	memnet_tx_wait(ch, &turn->waiter);
	if (!wait_for_completion_killable(&turn->done))
		return 0;
	if (!memnet_tx_unwait(ch, &turn->waiter))
		wait_for_completion(&turn->done);
	return -EINTR;
}

/* Waits until a registration is complete, or, without @mr, a marker. */
static int queue_and_wait(struct memnet_channel *ch, struct ib_mr *mr, int access)
{
	struct turn turn = {
		.hold.release = turn_over,
		.waiter.resume = turn_come,
	};
	int ret;

	refcount_set(&turn.hold.refs, 1);
	INIT_LIST_HEAD(&turn.waiter.node);
	do {
		init_completion(&turn.done);
		memnet_tx_begin_bh(ch);
		ret = mr ? memnet_tx_queue_reg(ch, mr, access, &turn.hold, MEMNET_TX_NOTIFY) :
			   queue_marker(ch, &turn.hold);
		memnet_tx_commit_bh(ch);
		if (!ret)
			await_completion(ch, &turn);
		else if (ret != -EAGAIN || await_turn(ch, &turn))
			break;
	} while (ret);
	return ret == -EAGAIN ? -EINTR : ret;
}

/**
 * memnet_tx_register() - register a memory region and wait until that is done
 * @ch: channel
 * @mr: the region, mapped
 * @access: IB_ACCESS_*
 *
 * Process context. It takes no longer than the channel lives; when that has ended meanwhile the
 * region is of no use.
 *
 * Return: 0, -ENOTCONN, or -EINTR for who is killed while it waits for room.
 */
int memnet_tx_register(struct memnet_channel *ch, struct ib_mr *mr, int access)
{
	return queue_and_wait(ch, mr, access);
}
EXPORT_SYMBOL_GPL(memnet_tx_register);

/**
 * memnet_tx_settle() - wait until all that was sent so far is complete, and its owners released
 * @ch: channel that is or was up
 *
 * Process context. It takes no longer than the channel lives, and who is killed does not wait for
 * room.
 */
void memnet_tx_settle(struct memnet_channel *ch)
{
	queue_and_wait(ch, NULL, 0);
}
EXPORT_SYMBOL_GPL(memnet_tx_settle);
