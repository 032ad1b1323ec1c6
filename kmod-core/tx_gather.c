// SPDX-License-Identifier: GPL-2.0
/*
 * What a request sends of a buffer: its pieces, mapped for the device.
 *
 * Locks: tx.lock for the entry that is mapped or unmapped; cutting a buffer needs none.
 */
#include "tx.h"

/**
 * memnet_tx_segments() - cut a piece of a buffer into segments
 * @skb: buffer
 * @offset: where the piece starts
 * @len: bytes
 * @seg: result
 * @max: room in @seg
 * @nr: how many are used, before and afterwards
 *
 * Return: bytes covered, @len unless @seg is full.
 */
u32 memnet_tx_segments(struct sk_buff *skb, u32 offset, u32 len, struct memnet_segment *seg,
		       u32 max, u32 *nr)
{
	u32 head = skb_headlen(skb), done = 0, size;
	struct sk_buff *sub;
	int i;

	if (offset < head && len && *nr < max) {
		size = min(len, head - offset);
		seg[(*nr)++] = (struct memnet_segment){ .data = skb->data + offset, .len = size };
		done = size;
		offset += size;
	}
	offset -= min(offset, head);
	for (i = 0; i < skb_shinfo(skb)->nr_frags && done < len; i++) {
		const skb_frag_t *frag = &skb_shinfo(skb)->frags[i];

		size = skb_frag_size(frag);
		if (offset >= size) {
			offset -= size;
			continue;
		}
		if (*nr == max)
			return done;
		size = min(len - done, size - offset);
		seg[(*nr)++] = (struct memnet_segment){
			.page = skb_frag_page(frag),
			.offset = skb_frag_off(frag) + offset,
			.len = size,
		};
		done += size;
		offset = 0;
	}
	skb_walk_frags(skb, sub) {
		if (done == len)
			break;
		if (offset >= sub->len) {
			offset -= sub->len;
			continue;
		}
		size = min(len - done, sub->len - offset);
		offset = memnet_tx_segments(sub, offset, size, seg, max, nr);
		done += offset;
		if (offset != size)
			break;
		offset = 0;
	}
	return done;
}

/**
 * memnet_tx_fit() - how much of a buffer one message can carry
 * @ch: channel
 * @skb: buffer
 * @offset: where to start
 * @len: how much there is
 *
 * Return: bytes from @offset on that fit in one message's payload and gather list.
 */
u32 memnet_tx_fit(struct memnet_channel *ch, struct sk_buff *skb, u32 offset, u32 len)
{
	struct memnet_segment seg[MEMNET_TX_SGE] __uninitialized;
	u32 max = ch->tx.max_sge - 1, nr = 0;

	len = min_t(u32, len, WIRE_MAX_PAYLOAD);
	if (!skb_has_frag_list(skb) && skb_shinfo(skb)->nr_frags + !!skb_headlen(skb) <= max)
		return len;
	return memnet_tx_segments(skb, offset, len, seg, max, &nr);
}
EXPORT_SYMBOL_GPL(memnet_tx_fit);

/**
 * memnet_tx_map() - map segments for a request
 * @ch: channel
 * @tx: entry the request is in
 * @seg: segments
 * @nr: how many
 *
 * Return: 0, or -ENOMEM: then memnet_tx_unmap() undoes what was done.
 */
int memnet_tx_map(struct memnet_channel *ch, struct memnet_tx *tx,
		  const struct memnet_segment *seg, u32 nr)
{
	struct ib_device *dev = ch->rdma.dev;
	u64 dma;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (seg[i].page)
			dma = ib_dma_map_page(dev, seg[i].page, seg[i].offset, seg[i].len,
					      DMA_TO_DEVICE);
		else
			dma = ib_dma_map_single(dev, seg[i].data, seg[i].len, DMA_TO_DEVICE);
		if (ib_dma_mapping_error(dev, dma))
			return -ENOMEM;
		if (seg[i].page)
			__set_bit(i + 1, &tx->frag_map);
		tx->sge[i + 1] = (struct ib_sge){ .addr = dma, .length = seg[i].len,
						  .lkey = ch->rdma.domain->pd->local_dma_lkey };
		tx->nr_sge = i + 2;
	}
	return 0;
}

/**
 * memnet_tx_unmap() - the request is complete, or never was posted
 * @ch: channel
 * @tx: its entry
 */
void memnet_tx_unmap(struct memnet_channel *ch, struct memnet_tx *tx)
{
	struct ib_device *dev = ch->rdma.dev;
	unsigned int i;

	for (i = 1; i < tx->nr_sge; i++) {
		if (test_bit(i, &tx->frag_map))
			ib_dma_unmap_page(dev, tx->sge[i].addr, tx->sge[i].length, DMA_TO_DEVICE);
		else
			ib_dma_unmap_single(dev, tx->sge[i].addr, tx->sge[i].length, DMA_TO_DEVICE);
	}
	tx->nr_sge = 0;
	tx->frag_map = 0;
}
