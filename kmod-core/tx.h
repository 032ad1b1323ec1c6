/* SPDX-License-Identifier: GPL-2.0 */
/* The send queue of a channel for those who add to it: tx.c, tx_write.c, tx_gather.c. */
#ifndef MEMNET_TX_H
#define MEMNET_TX_H

#include "core.h"

#define RESERVE_DRAIN	1	/* the entry of the marker that drains the queue */
#define RESERVE_GRANT	5	/* entries only grants, heartbeats and markers may use */
#define SOON		4	/* entries of which one is signalled, by MEMNET_TX_SOON */

/**
 * struct memnet_segment - a piece of a buffer that is contiguous for the device
 * @page:	where it is, or NULL for @data
 * @data:	where it is
 * @offset:	in @page
 * @len:	bytes
 */
struct memnet_segment {
	struct page *page;
	void *data;
	u32 offset;
	u32 len;
};

/* tx_gather.c */
u32 memnet_tx_segments(struct sk_buff *skb, u32 offset, u32 len, struct memnet_segment *seg,
		       u32 max, u32 *nr);
int memnet_tx_map(struct memnet_channel *ch, struct memnet_tx *tx,
		  const struct memnet_segment *seg, u32 nr);
void memnet_tx_unmap(struct memnet_channel *ch, struct memnet_tx *tx);

/* tx.c */
bool memnet_tx_make_room(struct memnet_channel *ch, u32 reserve);

/* Entries that are in use, until it is known that their request is complete. */
static inline u32 memnet_tx_used(const struct memnet_channel *ch)
{
	return ch->tx.head - ch->tx.tail;
}

/* Whether there are entries left but for @reserve; in a batch. */
static inline bool memnet_tx_has_room(struct memnet_channel *ch, u32 reserve)
{
	u32 free = ch->tx.depth - memnet_tx_used(ch);

	return free > max(reserve, ch->tx.depth / 2) || memnet_tx_make_room(ch, reserve);
}

/* Whoever waits wants to hear when all entries so far are complete; the last one is signalled. */
static inline void memnet_tx_notify(struct memnet_channel *ch)
{
	ch->tx.notify = true;
	ch->tx.notify_to = ch->tx.head;
}

/* The next entry, linked to the chain; the caller has checked that there is room. */
static inline struct memnet_tx *memnet_tx_next(struct memnet_channel *ch,
					       enum ib_wr_opcode opcode, unsigned int flags)
{
	struct memnet_tx *tx = &ch->tx.ring[ch->tx.head++ & (ch->tx.depth - 1)];
	struct ib_send_wr *wr = &tx->wr.send;

	/* What belongs to the opcode alone is set by who asks for it. */
	*wr = (struct ib_send_wr){ .wr_cqe = &tx->cqe, .sg_list = tx->sge, .opcode = opcode };
	if (++ch->tx.unsignalled >= (flags & MEMNET_TX_SOON ? SOON : ch->tx.depth / 4) ||
	    flags & MEMNET_TX_NOTIFY) {
		wr->send_flags = IB_SEND_SIGNALED;
		ch->tx.unsignalled = 0;
		ch->tx.signals++;
		memnet_stat_inc(MEMNET_STAT_SIGNALLED);
	}
	if (flags & MEMNET_TX_NOTIFY)
		memnet_tx_notify(ch);
	if (ch->tx.chain_last)
		ch->tx.chain_last->next = wr;
	else
		ch->tx.chain = wr;
	ch->tx.chain_last = wr;
	return tx;
}

#endif /* MEMNET_TX_H */
