// SPDX-License-Identifier: GPL-2.0
/*
 * Areas: pages of counters that the node writes and a program reads.
 *
 * A socket's first asynchronous job binds it to the job's context. It gets a counter there: a
 * word in a page that the context shows to user space and that is registered for the link, so
 * that the node can write to it what its TCP has taken of the socket's bytes. The first DATA that
 * asks for it (WIRE_F_COUNT) tells the node where. A page belongs to one context and one link: who
 * has its key can write nothing else. A program sees its own sockets' counters only.
 *
 * A counter is in use as long as its endpoint lives, because until then the node may write to it;
 * so a page stays registered until the last of them is gone, also when its context is closed, or
 * until the link is. A page whose link died serves another link once no endpoint uses it.
 *
 * Locks: context.lock for making one; area.registering, then areas_mutex for whose it is;
 * area.lock (BH) for the slots and for whether there may be new ones. An area's last reference may
 * go in softirq, so it is freed by a work item.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>

#include "job.h"

static DEFINE_MUTEX(areas_mutex);
static LIST_HEAD(areas);	/* those with a link, under areas_mutex */
static struct workqueue_struct *wq;

/* From now on there are slots for this link, or no more of them for any. */
static void serve(struct memnet_area *area, struct memnet_domain *domain)
{
	spin_lock_bh(&area->lock);
	area->serves = domain;
	spin_unlock_bh(&area->lock);
}

/* The link lets go of the page. */
static void unregister(struct memnet_area *area)
{
	struct ib_device *dev = area->domain->pd->device;

	lockdep_assert_held(&areas_mutex);
	serve(area, NULL);
	ib_dereg_mr(area->mr);
	ib_dma_unmap_sg(dev, &area->sg, 1, DMA_FROM_DEVICE);
	list_del(&area->all);
	area->domain = NULL;
}

static void area_free(struct work_struct *work)
{
	struct memnet_area *area = container_of(work, struct memnet_area, free);

	mutex_lock(&areas_mutex);
	if (area->domain)
		unregister(area);
	mutex_unlock(&areas_mutex);
	memnet_context_put(area->ctx);
	free_page((unsigned long)area->counters);
	kfree(area);
}

/**
 * memnet_area_put() - drop a reference
 * @area: area
 */
void memnet_area_put(struct memnet_area *area)
{
	if (refcount_dec_and_test(&area->refs))
		queue_work(wq, &area->free);
}

static struct memnet_area *area_create(struct memnet_context *ctx, u32 number)
{
	struct memnet_area *area = kzalloc(sizeof(*area), GFP_KERNEL_ACCOUNT);

	if (!area)
		return NULL;
	area->counters = (__le64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!area->counters) {
		kfree(area);
		return NULL;
	}
	refcount_set(&area->refs, 1);
	refcount_inc(&ctx->refs);
	area->ctx = ctx;
	area->number = number;
	spin_lock_init(&area->lock);
	mutex_init(&area->registering);
	INIT_WORK(&area->free, area_free);
	return area;
}

/*
 * Registers the page for the link of a channel, and waits until that is so: as long as the link
 * lives if its node does not want us to go on. Only area.registering is held meanwhile, so that
 * nobody waits but who wants a counter in this page.
 */
static int area_register(struct memnet_area *area, struct memnet_channel *ch)
{
	struct memnet_domain *domain = area->domain;
	struct ib_device *dev = domain->pd->device;
	int ret;

	lockdep_assert_held(&area->registering);
	sg_init_one(&area->sg, area->counters, PAGE_SIZE);
	if (ib_dma_map_sg(dev, &area->sg, 1, DMA_FROM_DEVICE) != 1)
		return -ENOMEM;
	area->mr = ib_alloc_mr(domain->pd, IB_MR_TYPE_MEM_REG, 1);
	if (IS_ERR(area->mr)) {
		ret = PTR_ERR(area->mr);
		goto unmap;
	}
	ret = ib_map_mr_sg(area->mr, &area->sg, 1, NULL, PAGE_SIZE);
	if (ret != 1) {
		ret = ret < 0 ? ret : -EINVAL;
		goto dereg;
	}
	ret = memnet_tx_register(ch, area->mr, IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE);
	if (ret)
		goto dereg;
	area->addr = area->mr->iova;
	area->key = area->mr->rkey;
	serve(area, domain);
	return 0;
dereg:
	ib_dereg_mr(area->mr);
unmap:
	ib_dma_unmap_sg(dev, &area->sg, 1, DMA_FROM_DEVICE);
	return ret == -ENOTCONN ? -ENETDOWN : ret;
}

/* The endpoint's counter, where the page serves its link and has a free slot. */
static bool take_slot(struct memnet_area *area, struct memnet_endpoint *ep)
{
	/* Large pages have room for more than a context may have. */
	unsigned long slot, end = min_t(size_t, MEMNET_AREA_SLOTS, MEMNET_COUNTERS_MAX);
	struct memnet_domain *domain = READ_ONCE(ep->lc->ch->rdma.domain);

	spin_lock_bh(&area->lock);
	slot = domain && area->serves == domain ? find_first_zero_bit(area->used, end) : end;
	if (slot < end) {
		__set_bit(slot, area->used);
		area->endpoints[slot] = ep;
	}
	spin_unlock_bh(&area->lock);
	if (slot >= end)
		return false;
	WRITE_ONCE(area->counters[slot], wire_word(ep->gen, 0));
	refcount_inc(&area->refs);
	ep->slot = slot;
	spin_lock_bh(&ep->lock);
	ep->area = area;
	ep->tx.counter_due = true;
	spin_unlock_bh(&ep->lock);
	return true;
}

static bool is_unused(struct memnet_area *area)
{
	bool unused;

	spin_lock_bh(&area->lock);
	unused = bitmap_empty(area->used, MEMNET_AREA_SLOTS);
	spin_unlock_bh(&area->lock);
	return unused;
}

static struct memnet_area *get_area(struct memnet_context *ctx, u32 number)
{
	struct memnet_area *area;

	mutex_lock(&ctx->lock);
	area = ctx->areas[number];
	if (!area) {
		area = area_create(ctx, number);
		/* complete before it is seen by who does without the lock */
		smp_store_release(&ctx->areas[number], area);
	}
	mutex_unlock(&ctx->lock);
	return area;
}

/* The area belongs to a link; from here on the link's end waits for what we do with it. */
static bool claim(struct memnet_area *area, struct memnet_channel *ch)
{
	struct memnet_domain *domain;
	bool up;

	mutex_lock(&areas_mutex);
	/* Channels fail before their link's areas go. */
	domain = READ_ONCE(ch->rdma.domain);
	up = domain && memnet_channel_is_up(ch);
	if (up) {
		area->domain = domain;
		list_add(&area->all, &areas);
	}
	mutex_unlock(&areas_mutex);
	return up;
}

static void disclaim(struct memnet_area *area)
{
	mutex_lock(&areas_mutex);
	area->domain = NULL;
	list_del(&area->all);
	mutex_unlock(&areas_mutex);
}

/* Gives the endpoint a slot in the area, if there is one for its link; 0, -ENOSPC, or worse. */
static int try_area(struct memnet_area *area, struct memnet_endpoint *ep)
{
	struct memnet_channel *ch = ep->lc->ch;
	int ret;

	lockdep_assert_held(&area->registering);
	if (!area->domain && is_unused(area)) {
		if (!claim(area, ch))
			return -ENETDOWN;
		ret = area_register(area, ch);
		if (ret) {
			disclaim(area);
			return ret;
		}
	}
	return take_slot(area, ep) ? 0 : -ENOSPC;
}

/**
 * memnet_area_bind_at_once() - give an endpoint its counter, if nothing has to be made for it
 * @ctx: context, open
 * @ep: connected endpoint without a counter; its socket locked
 *
 * Does not sleep.
 *
 * Return: whether it has one now; if not, memnet_area_bind() may find or make one.
 */
bool memnet_area_bind_at_once(struct memnet_context *ctx, struct memnet_endpoint *ep)
{
	struct memnet_area *area;
	u32 i;

	for (i = 0; i < MEMNET_AREAS; i++) {
		area = smp_load_acquire(&ctx->areas[i]);	/* pairs with get_area() */
		if (!area)
			break;
		if (take_slot(area, ep))
			return true;
	}
	return false;
}

/**
 * memnet_area_bind() - give an endpoint its counter in a context
 * @ctx: context
 * @ep: connected endpoint; its socket locked
 *
 * Return: 0; -EBUSY if it has one in another context; -ENETDOWN, -ENOSPC, -ENOMEM.
 */
int memnet_area_bind(struct memnet_context *ctx, struct memnet_endpoint *ep)
{
	struct memnet_area *area;
	int ret = -ENOSPC;
	u32 i;

	if (ep->area)
		return ep->area->ctx == ctx ? 0 : -EBUSY;
	for (i = 0; i < MEMNET_AREAS && ret == -ENOSPC; i++) {
		area = get_area(ctx, i);
		if (!area)
			return -ENOMEM;
		mutex_lock(&area->registering);
		ret = try_area(area, ep);
		mutex_unlock(&area->registering);
	}
	return ret;
}

/**
 * memnet_counter_name() - tell the node where its counter is
 * @ep: endpoint with a counter the node does not know of; locked
 * @data: of a DATA with WIRE_F_COUNT that will be sent
 */
void memnet_counter_name(struct memnet_endpoint *ep, struct wire_data *data)
{
	const struct memnet_area *area = ep->area;

	lockdep_assert_held(&ep->lock);
	data->addr = cpu_to_le64(area->addr + ep->slot * sizeof(__le64));
	data->key = cpu_to_le32(area->key);
	ep->tx.counter_due = false;
}

/**
 * memnet_area_unbind() - the endpoint's counter is not written any more
 * @ep: endpoint that nobody else uses
 */
void memnet_area_unbind(struct memnet_endpoint *ep)
{
	struct memnet_area *area;

	spin_lock_bh(&ep->lock);
	area = ep->area;
	ep->area = NULL;
	spin_unlock_bh(&ep->lock);
	if (!area)
		return;
	spin_lock_bh(&area->lock);
	__clear_bit(ep->slot, area->used);
	area->endpoints[ep->slot] = NULL;
	spin_unlock_bh(&area->lock);
	memnet_area_put(area);
}

static struct memnet_endpoint *endpoint_get(struct memnet_area *area, u32 slot)
{
	struct memnet_endpoint *ep;

	spin_lock_bh(&area->lock);
	ep = area->endpoints[slot];
	if (ep && !refcount_inc_not_zero(&ep->refs))
		ep = NULL;
	spin_unlock_bh(&area->lock);
	return ep;
}

/**
 * memnet_area_endpoint() - who has a counter
 * @ctx: context
 * @counter: its number
 *
 * Return: the endpoint with a reference, or NULL.
 */
struct memnet_endpoint *memnet_area_endpoint(struct memnet_context *ctx, u32 counter)
{
	struct memnet_area *area = NULL;

	if (counter < MEMNET_COUNTERS_MAX)
		area = READ_ONCE(ctx->areas[counter / MEMNET_AREA_SLOTS]);
	return area ? endpoint_get(area, counter % MEMNET_AREA_SLOTS) : NULL;
}

/**
 * memnet_areas_collect() - finish all jobs of a context whose bytes have been taken
 * @ctx: context
 * @region: of those that send from this one the others soon; NULL: of all
 */
void memnet_areas_collect(struct memnet_context *ctx, const struct memnet_region *region)
{
	struct memnet_endpoint *ep;
	struct memnet_area *area;
	u32 i, slot;

	for (i = 0; i < MEMNET_AREAS; i++) {
		area = READ_ONCE(ctx->areas[i]);
		if (!area)
			break;
		for_each_set_bit(slot, area->used, MEMNET_AREA_SLOTS) {
			ep = endpoint_get(area, slot);
			if (!ep)
				continue;
			memnet_jobs_collect(ep, region);
			memnet_endpoint_put(ep);
		}
	}
}

/* One of a link's areas, held, or NULL; those whose last reference is just going are let go. */
static struct memnet_area *area_of(const struct memnet_domain *domain)
{
	struct memnet_area *area, *next, *found = NULL;

	mutex_lock(&areas_mutex);
	list_for_each_entry_safe(area, next, &areas, all) {
		if (area->domain != domain)
			continue;
		if (refcount_inc_not_zero(&area->refs)) {
			found = area;
			break;
		}
		unregister(area);
	}
	mutex_unlock(&areas_mutex);
	return found;
}

/**
 * memnet_areas_lost() - a link's node writes nothing any more
 * @domain: the link's; all its channels are stopped
 */
void memnet_areas_lost(const struct memnet_domain *domain)
{
	struct memnet_area *area;

	while ((area = area_of(domain))) {
		/* Not behind those who wait to register it for another link. */
		if (mutex_trylock(&area->registering)) {
			mutex_lock(&areas_mutex);
			if (area->domain == domain)
				unregister(area);
			mutex_unlock(&areas_mutex);
			mutex_unlock(&area->registering);
		} else {
			schedule_timeout_uninterruptible(1);
		}
		memnet_area_put(area);
	}
}

/**
 * memnet_areas_init() - prepare
 *
 * Return: 0 or -ENOMEM.
 */
int memnet_areas_init(void)
{
	wq = alloc_workqueue("memnet-area", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return wq ? 0 : -ENOMEM;
}

/**
 * memnet_areas_exit() - clean up; no context and no link lives
 */
void memnet_areas_exit(void)
{
	destroy_workqueue(wq);
}
