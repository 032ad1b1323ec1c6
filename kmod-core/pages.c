// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that come back.
 *
 * A page that the allocator gives is cleared first (CONFIG_INIT_ON_ALLOC_DEFAULT_ON), which for a
 * message of some KiB is more work than all the rest. So what a channel has used goes round: who
 * is done with a page puts it behind the others, with a reference, whoever may still read it - a
 * send that is not complete, TCP, which sends it again -, and who needs one takes the oldest, if
 * nobody else has that by now. Else there is none, and the allocator is asked.
 *
 * Nobody sees what an earlier user left in a page: only what was written into it since is ever
 * read. As the fragments of a page of skb_page_frag_refill(), which is used again alike.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "core.h"

/**
 * memnet_pages_init() - prepare a ring that holds nothing
 * @pages: ring
 * @order: of each page
 */
void memnet_pages_init(struct memnet_pages *pages, unsigned int order)
{
	spin_lock_init(&pages->lock);
	pages->order = order;
}

/**
 * memnet_pages_setup() - from now on it holds pages
 * @pages: ring
 * @size: how many at most, a power of two
 *
 * Return: 0 or -ENOMEM.
 */
int memnet_pages_setup(struct memnet_pages *pages, u32 size)
{
	pages->size = size;
	pages->page = kvcalloc(size, sizeof(*pages->page), GFP_KERNEL);
	return pages->page ? 0 : -ENOMEM;
}

/**
 * memnet_pages_teardown() - let go of all pages; what is put from now on is freed
 * @pages: ring
 */
void memnet_pages_teardown(struct memnet_pages *pages)
{
	struct page **page = pages->page;

	if (!page)
		return;
	spin_lock_bh(&pages->lock);
	pages->page = NULL;
	spin_unlock_bh(&pages->lock);
	while (pages->tail != pages->head)
		put_page(page[pages->tail++ & (pages->size - 1)]);
	kvfree(page);
}

static bool is_wanted(const struct memnet_pages *pages, struct page *page)
{
	return compound_order(page) == pages->order && !page_is_pfmemalloc(page);
}

/* Returns what is to be freed instead: the page, or one that gave way to it; or NULL. */
static struct page *put_locked(struct memnet_pages *pages, struct page *page)
{
	struct page *old = NULL;

	lockdep_assert_held(&pages->lock);
	if (!pages->page || !is_wanted(pages, page))
		return page;
	if (pages->head - pages->tail == pages->size)
		old = pages->page[pages->tail++ & (pages->size - 1)];
	pages->page[pages->head++ & (pages->size - 1)] = page;
	return old;
}

/**
 * memnet_pages_put() - a page is to be used again
 * @pages: ring
 * @page: page; a reference is taken over
 */
void memnet_pages_put(struct memnet_pages *pages, struct page *page)
{
	spin_lock_bh(&pages->lock);
	page = put_locked(pages, page);
	spin_unlock_bh(&pages->lock);
	if (page)
		put_page(page);
}
EXPORT_SYMBOL_GPL(memnet_pages_put);

/**
 * memnet_pages_get() - take pages that nobody else has
 * @pages: ring
 * @page: where to
 * @want: how many
 *
 * Return: how many there were, each with one reference.
 */
u32 memnet_pages_get(struct memnet_pages *pages, struct page **page, u32 want)
{
	struct page *oldest;
	u32 n = 0;

	if (READ_ONCE(pages->head) == READ_ONCE(pages->tail))
		return 0;
	spin_lock_bh(&pages->lock);
	while (n < want && pages->page && pages->head != pages->tail) {
		oldest = pages->page[pages->tail & (pages->size - 1)];
		if (page_ref_count(oldest) > 1)
			break;
		page[n++] = oldest;
		pages->tail++;
	}
	spin_unlock_bh(&pages->lock);
	return n;
}
EXPORT_SYMBOL_GPL(memnet_pages_get);

/**
 * memnet_pages_recycle() - free a received buffer, which with its pages is to be used again
 * @ch: the channel it came by
 * @skb: buffer, nobody else's
 */
void memnet_pages_recycle(struct memnet_channel *ch, struct sk_buff *skb)
{
	struct skb_shared_info *info = skb_shinfo(skb);
	struct page *old[MAX_SKB_FRAGS] __uninitialized;
	u32 i, n = 0;

	if (info->nr_frags) {
		spin_lock_bh(&ch->rx.pages.lock);
		for (i = 0; i < info->nr_frags; i++) {
			old[n] = put_locked(&ch->rx.pages, skb_frag_page(&info->frags[i]));
			n += !!old[n];
		}
		spin_unlock_bh(&ch->rx.pages.lock);
		while (n)
			put_page(old[--n]);
	}
	info->nr_frags = 0;
	skb->len -= skb->data_len;
	skb->data_len = 0;
	memnet_buffer_put(ch, skb);
}
EXPORT_SYMBOL_GPL(memnet_pages_recycle);
