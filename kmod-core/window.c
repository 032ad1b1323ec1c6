// SPDX-License-Identifier: GPL-2.0
/*
 * The window table of a channel.
 *
 * Each side owns a table with one slot for each endpoint (struct wire_window). The peer writes
 * the slots by RDMA and interrupts nobody; we look when we want to send. What we tell the peer
 * is first put into the shadow table, which has the same layout, and then written from there,
 * so a request that is still queued may carry a newer value than when it was posted: values
 * only grow, and a reader keeps the largest. Slot 0 belongs to no endpoint, it carries the
 * heartbeat.
 *
 * A word carries the generation of its endpoint, and generations come round. So a slot of ours is
 * zeroed at the first message of a life, whoever sends it: the peer's writes of the life before
 * came with that life's last messages, those of the new one follow this message.
 *
 * The table is registered as one memory region, whose key only this peer learns; the region
 * goes before the pages do. No locks: words are written and read whole. Who may publish a slot
 * is serialised by its endpoint's lock.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "core.h"

#define SLOTS_PER_PAGE	(PAGE_SIZE / sizeof(struct wire_window))

static u64 shadow_dma(struct memnet_channel *ch, u32 index)
{
	return ch->win.shadow_dma[index / SLOTS_PER_PAGE] +
	       index % SLOTS_PER_PAGE * sizeof(struct wire_window);
}

static int map_shadow(struct memnet_channel *ch)
{
	struct ib_device *dev = ch->rdma.dev;
	u32 i;

	ch->win.shadow_dma = kcalloc(ch->win.npages, sizeof(u64), GFP_KERNEL);
	if (!ch->win.shadow_dma)
		return -ENOMEM;
	for (i = 0; i < ch->win.npages; i++) {
		struct page *page = vmalloc_to_page((void *)ch->win.shadow + i * PAGE_SIZE);
		u64 dma = ib_dma_map_page(dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);

		if (ib_dma_mapping_error(dev, dma)) {
			while (i--)
				ib_dma_unmap_page(dev, ch->win.shadow_dma[i], PAGE_SIZE,
						  DMA_TO_DEVICE);
			kfree(ch->win.shadow_dma);
			ch->win.shadow_dma = NULL;
			return -ENOMEM;
		}
		ch->win.shadow_dma[i] = dma;
	}
	return 0;
}

static void unmap_shadow(struct memnet_channel *ch)
{
	u32 i;

	if (!ch->win.shadow_dma)
		return;
	for (i = 0; i < ch->win.npages; i++)
		ib_dma_unmap_page(ch->rdma.dev, ch->win.shadow_dma[i], PAGE_SIZE, DMA_TO_DEVICE);
	kfree(ch->win.shadow_dma);
	ch->win.shadow_dma = NULL;
}

static int map_table(struct memnet_channel *ch)
{
	struct page **pages;
	u32 i;
	int ret;

	pages = kcalloc(ch->win.npages, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	for (i = 0; i < ch->win.npages; i++)
		pages[i] = vmalloc_to_page((void *)ch->win.table + i * PAGE_SIZE);
	ret = sg_alloc_table_from_pages(&ch->win.sgt, pages, ch->win.npages, 0,
					(size_t)ch->win.npages * PAGE_SIZE, GFP_KERNEL);
	kfree(pages);
	if (ret)
		return ret;
	ret = ib_dma_map_sgtable_attrs(ch->rdma.dev, &ch->win.sgt, DMA_FROM_DEVICE, 0);
	if (ret)
		sg_free_table(&ch->win.sgt);
	return ret;
}

static void unmap_table(struct memnet_channel *ch)
{
	if (!ch->win.sgt.sgl)
		return;
	ib_dma_unmap_sgtable_attrs(ch->rdma.dev, &ch->win.sgt, DMA_FROM_DEVICE, 0);
	sg_free_table(&ch->win.sgt);
	ch->win.sgt.sgl = NULL;
}

/**
 * memnet_window_setup() - make both tables and the memory region
 * @ch: channel; rdma.dev and rdma.domain are set
 *
 * Return: 0 or a negative errno; on failure memnet_window_teardown() cleans up.
 */
int memnet_window_setup(struct memnet_channel *ch)
{
	size_t size = PAGE_ALIGN((size_t)ch->cfg.slots * sizeof(struct wire_window));
	struct ib_mr *mr;
	int ret;

	ch->win.npages = size / PAGE_SIZE;
	if (ch->win.npages > ch->rdma.dev->attrs.max_fast_reg_page_list_len)
		return -EOPNOTSUPP;
	ch->win.table = vzalloc(size);
	ch->win.shadow = vzalloc(size);
	if (!ch->win.table || !ch->win.shadow)
		return -ENOMEM;
	ret = map_shadow(ch);
	if (ret)
		return ret;
	ret = map_table(ch);
	if (ret)
		return ret;
	mr = ib_alloc_mr(ch->rdma.domain->pd, IB_MR_TYPE_MEM_REG, ch->win.npages);
	if (IS_ERR(mr))
		return PTR_ERR(mr);
	ch->win.mr = mr;
	ret = ib_map_mr_sg(mr, ch->win.sgt.sgl, ch->win.sgt.nents, NULL, PAGE_SIZE);
	if (ret != ch->win.sgt.nents)
		return ret < 0 ? ret : -EINVAL;
	return 0;
}

/**
 * memnet_window_register() - queue the registration of the table
 * @ch: channel, connected, in a batch
 *
 * Return: 0, -EAGAIN or -ENOTCONN.
 */
int memnet_window_register(struct memnet_channel *ch)
{
	return memnet_tx_queue_reg(ch, ch->win.mr, IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE,
				   NULL, 0);
}

/**
 * memnet_window_teardown() - return the region and the tables; the queue pair is gone
 * @ch: channel
 */
void memnet_window_teardown(struct memnet_channel *ch)
{
	struct wire_window *table = ch->win.table;

	if (ch->win.mr)
		ib_dereg_mr(ch->win.mr);
	ch->win.mr = NULL;
	WRITE_ONCE(ch->win.table, NULL);
	if (table)
		synchronize_rcu();
	unmap_table(ch);
	unmap_shadow(ch);
	vfree(table);
	vfree(ch->win.shadow);
	ch->win.shadow = NULL;
}

/**
 * memnet_window_forget() - a new life of an index begins
 * @ch: channel
 * @index: endpoint, below cfg.slots
 *
 * What the peer has written for an earlier life of the same generation is not to be believed.
 */
void memnet_window_forget(struct memnet_channel *ch, u32 index)
{
	struct wire_window *slot;

	rcu_read_lock();
	slot = READ_ONCE(ch->win.table);
	if (slot) {
		WRITE_ONCE(slot[index].limit, 0);
		WRITE_ONCE(slot[index].consumed, 0);
	}
	rcu_read_unlock();
}

/**
 * memnet_window_read() - what the peer has published for an endpoint
 * @ch: channel, not yet stopped
 * @index: endpoint, below cfg.slots
 * @gen: its generation
 * @limit: raised to the position up to which we may send
 * @consumed: raised to the position up to which the peer has passed our bytes on
 */
void memnet_window_read(struct memnet_channel *ch, u32 index, u16 gen, u64 *limit, u64 *consumed)
{
	struct wire_window *slot;

	/* The table goes when the channel stops, which may be now. */
	rcu_read_lock();
	slot = READ_ONCE(ch->win.table);
	if (slot) {
		*limit = wire_word_advance(READ_ONCE(slot[index].limit), gen, *limit);
		*consumed = wire_word_advance(READ_ONCE(slot[index].consumed), gen, *consumed);
	}
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(memnet_window_read);

/**
 * memnet_window_publish() - tell the peer about an endpoint's window
 * @ch: channel
 * @index: endpoint, below cfg.slots
 * @gen: its generation
 * @limit: position up to which the peer may send
 * @consumed: position up to which the peer's bytes were passed on
 *
 * Return: 0; -EAGAIN: the value stands in the shadow, the write is to be tried again; -ENOTCONN.
 */
int memnet_window_publish(struct memnet_channel *ch, u32 index, u16 gen, u64 limit, u64 consumed)
{
	int ret;

	memnet_tx_begin_bh(ch);
	if (ch->tx.stopped) {
		ret = -ENOTCONN;
	} else {
		unsigned int flags = index ? 0 : MEMNET_TX_NOTIFY | MEMNET_TX_RESERVE;
		u64 dma = shadow_dma(ch, index);

		WRITE_ONCE(ch->win.shadow[index].limit, wire_word(gen, limit));
		WRITE_ONCE(ch->win.shadow[index].consumed, wire_word(gen, consumed));
		ib_dma_sync_single_for_device(ch->rdma.dev, dma, sizeof(struct wire_window),
					      DMA_TO_DEVICE);
		ret = memnet_tx_queue_write(ch, dma, sizeof(struct wire_window),
					    ch->win.peer_addr +
						    (u64)index * sizeof(struct wire_window),
					    ch->win.peer_key, flags);
	}
	memnet_tx_commit_bh(ch);
	if (!ret)
		memnet_stat_inc(MEMNET_STAT_WINDOW_WRITES);
	return ret;
}
EXPORT_SYMBOL_GPL(memnet_window_publish);

/**
 * memnet_window_count() - tell the peer in a counter of its own how far its bytes were passed on
 * @ch: channel
 * @index: endpoint, below cfg.slots
 * @gen: its generation
 * @consumed: position
 * @addr: the counter
 * @key: its key
 *
 * Return: 0, -EAGAIN or -ENOTCONN.
 */
int memnet_window_count(struct memnet_channel *ch, u32 index, u16 gen, u64 consumed, u64 addr,
			u32 key)
{
	int ret = -ENOTCONN;

	memnet_tx_begin_bh(ch);
	if (!ch->tx.stopped) {
		u64 dma = shadow_dma(ch, index) + offsetof(struct wire_window, consumed);

		WRITE_ONCE(ch->win.shadow[index].consumed, wire_word(gen, consumed));
		ib_dma_sync_single_for_device(ch->rdma.dev, dma, sizeof(__le64), DMA_TO_DEVICE);
		ret = memnet_tx_queue_write(ch, dma, sizeof(__le64), addr, key, 0);
	}
	memnet_tx_commit_bh(ch);
	if (!ret)
		memnet_stat_inc(MEMNET_STAT_WINDOW_WRITES);
	return ret;
}
EXPORT_SYMBOL_GPL(memnet_window_count);
