// SPDX-License-Identifier: GPL-2.0
/*
 * Regions: memory a program has registered, pinned and mapped for the device of a link.
 *
 * A region is pinned once, when it is registered, and charged to RLIMIT_MEMLOCK of the process
 * that registers it. For a link it is mapped when it is first used there; the mapping, an
 * address for each page, lasts until the region or the link goes. Both are counted: a job holds
 * the mapping it sends from, the mapping holds the region, so memory that was deregistered, or
 * whose process is dead, stays pinned until the device has let go of it, and no longer.
 *
 * To be received to, a region is registered in chunks, each with a key of its own, when the first
 * job for it comes; the node may write to the whole chunk, as far as it belongs to the region,
 * until it is deregistered and no job is under way that receives to it.
 *
 * Where the pages come from does not matter afterwards: what is sent is what they contain when
 * the device reads them, as with MSG_ZEROCOPY. After fork() they are the parent's as long as it
 * does not write (pinned pages are copied for the child at fork).
 *
 * Locks: maps_mutex for making and ending mappings, outside of map.lock for its keys and of
 * region.lock for the list of a region's. The last reference to a mapping may be dropped in
 * softirq, so ending it is left to a work queue, but for those nobody uses when their region is
 * deregistered; a region's is dropped in process context. A mapping that was used lately is found
 * by its region's number under RCU alone (struct memnet_recent).
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>

#include "region.h"

static DEFINE_MUTEX(maps_mutex);
static LIST_HEAD(maps);		/* all that are mapped, under maps_mutex */
static struct workqueue_struct *wq;

/**
 * memnet_region_put() - drop a reference
 * @region: region; the last reference unpins it
 */
void memnet_region_put(struct memnet_region *region)
{
	if (!refcount_dec_and_test(&region->refs))
		return;
	unpin_user_pages_dirty_lock(region->pages, region->npages, region->write);
	account_locked_vm(region->mm, region->npages, false);
	memnet_stat_add(MEMNET_STAT_HOST_PINNED, -(long)region->npages);
	memnet_stat_dec(MEMNET_STAT_HOST_REGIONS);
	mmdrop(region->mm);
	kvfree(region->pages);
	kfree_rcu(region, rcu);
}

static int pin(struct memnet_region *region, unsigned long addr)
{
	unsigned int flags = FOLL_LONGTERM | (region->write ? FOLL_WRITE : MEMNET_PIN_READ);
	unsigned long done = 0;
	int ret;

	while (done < region->npages) {
		ret = pin_user_pages_fast(addr + done * PAGE_SIZE,
					  min_t(unsigned long, region->npages - done, INT_MAX / 2),
					  flags, region->pages + done);
		if (ret <= 0) {
			unpin_user_pages(region->pages, done);
			return ret ?: -EFAULT;
		}
		done += ret;
	}
	return 0;
}

/**
 * memnet_region_create() - pin memory of the calling process
 * @recent: of the context it is to be in
 * @addr: first byte
 * @len: bytes
 * @write: may be received to
 *
 * Return: the region with one reference, or an ERR_PTR: -EINVAL for nothing or too much, -ENOMEM
 * also beyond RLIMIT_MEMLOCK, -EFAULT where no memory is.
 */
struct memnet_region *memnet_region_create(struct memnet_recent *recent, u64 addr, u64 len,
					   bool write)
{
	struct memnet_region *region;
	u64 last;
	int ret;

	if (!len || len > MEMNET_REGION_MAX || check_add_overflow(addr, len - 1, &last) ||
	    last > ULONG_MAX)
		return ERR_PTR(-EINVAL);
	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return ERR_PTR(-ENOMEM);
	refcount_set(&region->refs, 1);
	spin_lock_init(&region->lock);
	INIT_LIST_HEAD(&region->maps);
	region->first = offset_in_page(addr);
	region->len = len;
	region->recent = recent;
	region->npages = (last >> PAGE_SHIFT) - (addr >> PAGE_SHIFT) + 1;
	region->mm = current->mm;
	region->write = write;
	ret = account_locked_vm(region->mm, region->npages, true);
	if (ret)
		goto free;
	region->pages = kvcalloc(region->npages, sizeof(*region->pages),
				 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	ret = -ENOMEM;
	if (!region->pages)
		goto unaccount;
	ret = pin(region, addr & PAGE_MASK);
	if (ret)
		goto unaccount;
	mmgrab(region->mm);
	memnet_stat_inc(MEMNET_STAT_HOST_REGIONS);
	memnet_stat_add(MEMNET_STAT_HOST_PINNED, region->npages);
	return region;
unaccount:
	account_locked_vm(region->mm, region->npages, false);
free:
	kvfree(region->pages);
	kfree(region);
	return ERR_PTR(ret);
}

/* ---- mappings ---- */

static enum dma_data_direction direction(const struct memnet_region *region)
{
	return region->write ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
}

/* The node writes to it no more. */
static void revoke(struct memnet_region_map *map)
{
	u32 i;

	mutex_lock(&map->lock);
	for (i = 0; map->mrs && i < map->chunks; i++)
		if (map->mrs[i])
			ib_dereg_mr(map->mrs[i]);
	kvfree(map->mrs);
	map->mrs = NULL;
	mutex_unlock(&map->lock);
}

static void revoke_work(struct work_struct *work)
{
	struct memnet_region_map *map = container_of(work, struct memnet_region_map, revoke);

	revoke(map);
	memnet_region_map_put(map);
}

/* The device lets go of the memory; whoever still holds the mapping sends nothing any more. */
static void unmap(struct memnet_region_map *map)
{
	lockdep_assert_held(&maps_mutex);
	list_del_init(&map->all);
	revoke(map);
	ib_dma_unmap_sgtable_attrs(map->domain->pd->device, &map->sgt, direction(map->region), 0);
	sg_free_table(&map->sgt);
}

/* Nobody has it any more. */
static void map_free(struct memnet_region_map *map)
{
	lockdep_assert_held(&maps_mutex);
	if (!list_empty(&map->all))
		unmap(map);
	kvfree(map->dma);
	kfree_rcu(map, rcu);
}

static void map_work(struct work_struct *work)
{
	struct memnet_region_map *map = container_of(work, struct memnet_region_map, free);
	struct memnet_region *region = map->region;

	mutex_lock(&maps_mutex);
	map_free(map);
	mutex_unlock(&maps_mutex);
	memnet_region_put(region);
}

/**
 * memnet_region_map_put() - drop a reference
 * @map: mapping
 */
void memnet_region_map_put(struct memnet_region_map *map)
{
	if (refcount_dec_and_test(&map->refs))
		queue_work(wq, &map->free);
}

/* Where a region's mapping is, if it was used lately. Used as long as it is not deregistered. */
static struct memnet_region_map __rcu **recent_slot(struct memnet_region *region)
{
	return &region->recent->map[region->number % MEMNET_RECENT];
}

/* Nobody finds it any more; returns whether anybody did, and so the region's reference. */
static bool unlist(struct memnet_region_map *map)
{
	struct memnet_region *region = map->region;
	bool listed;

	spin_lock(&region->lock);
	listed = !list_empty(&map->node);
	list_del_init(&map->node);
	/* Of others that have the place one may be lost, which is then looked for. */
	if (listed && rcu_access_pointer(*recent_slot(region)) == map)
		RCU_INIT_POINTER(*recent_slot(region), NULL);
	spin_unlock(&region->lock);
	return listed;
}

/**
 * memnet_region_recent() - a region's mapping for a link, if it was used lately
 * @recent: of the context
 * @number: of the region
 * @ch: a channel of the link, held
 *
 * Any context.
 *
 * Return: the mapping with a reference, or NULL: memnet_region_map() may find it.
 */
struct memnet_region_map *memnet_region_recent(struct memnet_recent *recent, u32 number,
					       const struct memnet_channel *ch)
{
	struct memnet_region_map *map;

	rcu_read_lock();
	map = rcu_dereference(recent->map[number % MEMNET_RECENT]);
	/* As in memnet_region_map(), a domain that is stale is one over which nothing is sent. */
	if (map && (map->region->number != number || map->domain != READ_ONCE(ch->rdma.domain) ||
		    !refcount_inc_not_zero(&map->refs)))
		map = NULL;
	rcu_read_unlock();
	return map;
}

static struct memnet_region_map *find(struct memnet_region *region,
				      const struct memnet_domain *domain)
{
	struct memnet_region_map *map, *found = NULL;

	spin_lock(&region->lock);
	list_for_each_entry(map, &region->maps, node) {
		if (map->domain != domain)
			continue;
		refcount_inc(&map->refs);
		found = map;
		rcu_assign_pointer(*recent_slot(region), map);
		break;
	}
	spin_unlock(&region->lock);
	return found;
}

static int map_pages(struct memnet_region_map *map)
{
	struct memnet_region *region = map->region;
	struct ib_device *dev = map->domain->pd->device;
	struct scatterlist *sg;
	unsigned long i = 0;
	unsigned int n, size;
	int ret;

	map->dma = kvcalloc(region->npages, sizeof(*map->dma), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!map->dma)
		return -ENOMEM;
	ret = sg_alloc_table_from_pages_segment(&map->sgt, region->pages, region->npages, 0,
						(size_t)region->npages << PAGE_SHIFT,
						ib_dma_max_seg_size(dev), GFP_KERNEL);
	if (ret)
		return ret;
	ret = ib_dma_map_sgtable_attrs(dev, &map->sgt, direction(region), 0);
	if (ret) {
		sg_free_table(&map->sgt);
		return ret;
	}
	/* Whole pages were mapped, so all segments are. */
	for_each_sgtable_dma_sg(&map->sgt, sg, n)
		for (size = 0; size < sg_dma_len(sg); size += PAGE_SIZE)
			map->dma[i++] = sg_dma_address(sg) + size;
	return 0;
}

/**
 * memnet_region_map() - a region's mapping for a link
 * @region: region
 * @ch: a channel of the link, held
 *
 * Return: the mapping with a reference, or an ERR_PTR: -ENETDOWN when the link is down, -ENOENT
 * when the region was just deregistered, -ENOMEM.
 */
struct memnet_region_map *memnet_region_map(struct memnet_region *region,
					    struct memnet_channel *ch)
{
	struct memnet_region_map *map;
	struct memnet_domain *domain;
	int ret;

	/* Its pointer may be stale only when the channel is down, and then nothing is sent. */
	map = find(region, READ_ONCE(ch->rdma.domain));
	if (map)
		return map;
	map = kzalloc(sizeof(*map), GFP_KERNEL_ACCOUNT);
	if (!map)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&maps_mutex);
	/* A link's channels fail before its mappings end, under this mutex. */
	domain = READ_ONCE(ch->rdma.domain);
	ret = region->retired ? -ENOENT : -ENETDOWN;
	if (domain && memnet_channel_is_up(ch) && !region->retired) {
		struct memnet_region_map *other = find(region, domain);

		if (other) {
			mutex_unlock(&maps_mutex);
			kfree(map);
			return other;
		}
		map->region = region;
		map->domain = domain;
		mutex_init(&map->lock);
		map->chunk = min_t(u32, map->domain->pd->device->attrs.max_fast_reg_page_list_len,
				   MEMNET_CHUNK_PAGES);
		map->chunks = DIV_ROUND_UP(region->npages, map->chunk);
		ret = map_pages(map);
	}
	if (ret) {
		mutex_unlock(&maps_mutex);
		kvfree(map->dma);
		kfree(map);
		return ERR_PTR(ret);
	}
	INIT_WORK(&map->free, map_work);
	INIT_WORK(&map->revoke, revoke_work);
	refcount_set(&map->receivers, 1);
	refcount_set(&map->refs, 2);	/* the region's list, and the caller's */
	refcount_inc(&region->refs);
	list_add(&map->all, &maps);
	spin_lock(&region->lock);
	list_add(&map->node, &region->maps);
	spin_unlock(&region->lock);
	mutex_unlock(&maps_mutex);
	return map;
}

/**
 * memnet_regions_lost() - end the mappings of a link
 * @domain: its domain; all its channels are stopped
 */
void memnet_regions_lost(const struct memnet_domain *domain)
{
	struct memnet_region_map *map, *tmp;

	mutex_lock(&maps_mutex);
	list_for_each_entry_safe(map, tmp, &maps, all) {
		if (map->domain != domain)
			continue;
		unmap(map);
		if (unlist(map))
			memnet_region_map_put(map);
	}
	mutex_unlock(&maps_mutex);
}

/**
 * memnet_region_retire() - the region is deregistered
 * @region: region
 *
 * What is under way ends as usual, on its own references. Where nothing is received to it, the
 * region's keys are dead when this returns; where nothing is sent from it, either, its memory is
 * the caller's reference alone.
 */
void memnet_region_retire(struct memnet_region *region)
{
	struct memnet_region_map *map, *tmp;

	mutex_lock(&maps_mutex);
	WRITE_ONCE(region->retired, true); /* see send_job.c, begin() */
	list_for_each_entry_safe(map, tmp, &region->maps, node) {
		if (!unlist(map))
			continue;
		if (refcount_dec_and_test(&map->receivers))
			revoke(map);
		if (!refcount_dec_and_test(&map->refs))
			continue;
		map_free(map);
		memnet_region_put(region);	/* not the last */
	}
	mutex_unlock(&maps_mutex);
}

/**
 * memnet_regions_linger() - whether memory of the caller is pinned that it has deregistered
 * @domain: the link that is to let go of it
 */
bool memnet_regions_linger(const struct memnet_domain *domain)
{
	struct memnet_region_map *map;
	bool found = false;

	mutex_lock(&maps_mutex);
	list_for_each_entry(map, &maps, all)
		found |= map->region->retired && map->region->mm == current->mm &&
			 map->domain == domain;
	mutex_unlock(&maps_mutex);
	return found;
}

/**
 * memnet_regions_settle() - wait until what nobody uses any more is unpinned
 */
void memnet_regions_settle(void)
{
	flush_workqueue(wq);
}

/* ---- receiving ---- */

/*
 * A list entry for each page, for a mapping's are as long as they could be made; of the first and
 * the last page of the region only what is in it.
 */
static int chunk_pages(struct memnet_region_map *map, u32 chunk, struct sg_table *sgt)
{
	const struct memnet_region *region = map->region;
	unsigned long first = (unsigned long)chunk * map->chunk;
	u32 n = min_t(unsigned long, region->npages - first, map->chunk), i, from, to;
	struct scatterlist *sg;
	int ret;

	ret = sg_alloc_table(sgt, n, GFP_KERNEL);
	if (ret)
		return ret;
	for_each_sgtable_sg(sgt, sg, i) {
		from = first + i ? 0 : region->first;
		to = PAGE_SIZE;
		if (first + i == region->npages - 1)
			to = offset_in_page(region->first + region->len - 1) + 1;
		sg_set_page(sg, region->pages[first + i], to - from, from);
		sg_dma_address(sg) = map->dma[first + i] + from;
		sg_dma_len(sg) = to - from;
	}
	sgt->nents = n;
	return 0;
}

/* Registers a chunk and waits until that is so, which takes no longer than the channel lives. */
static struct ib_mr *chunk_register(struct memnet_region_map *map, struct memnet_channel *ch,
				    u32 chunk)
{
	struct sg_table sgt;
	struct ib_mr *mr;
	int ret;

	ret = chunk_pages(map, chunk, &sgt);
	if (ret)
		return ERR_PTR(ret);
	mr = ib_alloc_mr(map->domain->pd, IB_MR_TYPE_MEM_REG, sgt.nents);
	if (IS_ERR(mr))
		goto out;
	ret = ib_map_mr_sg(mr, sgt.sgl, sgt.nents, NULL, PAGE_SIZE);
	if (ret != sgt.nents) {
		ret = ret < 0 ? ret : -EINVAL;
		goto dereg;
	}
	ret = memnet_tx_register(ch, mr, IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE);
	if (ret)
		goto dereg;
out:
	sg_free_table(&sgt);
	return mr;
dereg:
	ib_dereg_mr(mr);
	mr = ERR_PTR(ret);
	goto out;
}

/**
 * memnet_region_admit() - let the node write to a part of a region
 * @map: its mapping
 * @ch: a channel of the link, held
 * @offset: where the part starts
 * @len: bytes
 *
 * It may until the region is deregistered and memnet_region_dismiss() was called as often as this.
 *
 * Return: 0; -EACCES for a region that may not be written to; -ENOENT when it was just
 * deregistered; -ENETDOWN when the link is down; -ENOMEM.
 */
int memnet_region_admit(struct memnet_region_map *map, struct memnet_channel *ch, u64 offset,
			u64 len)
{
	u64 pos = map->region->first + offset;
	u32 chunk = (pos >> PAGE_SHIFT) / map->chunk;
	u32 last = ((pos + len - 1) >> PAGE_SHIFT) / map->chunk;
	struct ib_mr *mr;
	int ret = 0;

	if (!map->region->write)
		return -EACCES;
	if (!refcount_inc_not_zero(&map->receivers))
		return -ENOENT;
	mutex_lock(&map->lock);
	/* A link's channels fail before its mappings end, under this mutex. */
	if (!memnet_channel_is_up(ch))
		ret = -ENETDOWN;
	if (!ret && !map->mrs) {
		map->mrs = kvcalloc(map->chunks, sizeof(*map->mrs), GFP_KERNEL_ACCOUNT);
		ret = map->mrs ? 0 : -ENOMEM;
	}
	for (; !ret && chunk <= last; chunk++) {
		if (map->mrs[chunk])
			continue;
		mr = chunk_register(map, ch, chunk);
		if (IS_ERR(mr))
			ret = PTR_ERR(mr);
		else
			map->mrs[chunk] = mr;
	}
	mutex_unlock(&map->lock);
	if (ret)
		memnet_region_dismiss(map);
	return ret == -ENOTCONN ? -ENETDOWN : ret;
}

/**
 * memnet_region_dismiss() - one who was let write to a region has written
 * @map: its mapping, of which the caller has a reference
 */
void memnet_region_dismiss(struct memnet_region_map *map)
{
	if (!refcount_dec_and_test(&map->receivers))
		return;
	refcount_inc(&map->refs);
	queue_work(wq, &map->revoke);
}

/**
 * memnet_region_room() - how far a chunk goes
 * @map: mapping
 * @offset: in its region
 *
 * Return: bytes from @offset on that one key can stand for.
 */
u64 memnet_region_room(const struct memnet_region_map *map, u64 offset)
{
	u64 size = (u64)map->chunk << PAGE_SHIFT;

	return size - (map->region->first + offset) % size;
}

/**
 * memnet_region_key() - what the node needs to write to a region
 * @map: its mapping, which is not ended: the caller holds back the end of its link
 * @offset: where it is to write
 * @len: bytes; let in by memnet_region_admit()
 * @addr: result
 * @key: result
 *
 * Return: bytes for which the key is good, at most @len.
 */
u32 memnet_region_key(const struct memnet_region_map *map, u64 offset, u64 len, u64 *addr,
		      u32 *key)
{
	u64 size = (u64)map->chunk << PAGE_SHIFT, pos = map->region->first + offset;
	const struct ib_mr *mr = map->mrs[pos / size];

	/* The first key begins with the region's first byte. */
	*addr = mr->iova + pos % size - (pos < size ? map->region->first : 0);
	*key = mr->rkey;
	return min(len, size - pos % size);
}

/**
 * memnet_region_sync() - the node has written
 * @map: mapping
 * @offset: where in the region
 * @len: bytes
 *
 * To be called before the processor looks at them.
 */
void memnet_region_sync(const struct memnet_region_map *map, u64 offset, u32 len)
{
	struct ib_device *dev = map->domain->pd->device;
	u64 pos = map->region->first + offset;
	u32 size;

	for (; len; len -= size, pos += size) {
		size = min_t(u32, len, PAGE_SIZE - offset_in_page(pos));
		ib_dma_sync_single_for_cpu(dev, map->dma[pos >> PAGE_SHIFT] + offset_in_page(pos),
					   size, DMA_BIDIRECTIONAL);
	}
}

/**
 * memnet_region_copy() - copy bytes of a buffer into a region
 * @region: region
 * @offset: where to
 * @skb: buffer
 * @from: where from
 * @len: bytes
 *
 * Return: 0 or -EFAULT for bytes that @skb does not have.
 */
int memnet_region_copy(const struct memnet_region *region, u64 offset, struct sk_buff *skb,
		       u32 from, u32 len)
{
	u64 pos = region->first + offset;
	u32 size;
	void *to;
	int ret;

	for (; len; len -= size, pos += size, from += size) {
		size = min_t(u32, len, PAGE_SIZE - offset_in_page(pos));
		to = kmap_local_page(region->pages[pos >> PAGE_SHIFT]);
		ret = skb_copy_bits(skb, from, to + offset_in_page(pos), size);
		kunmap_local(to);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * memnet_region_gather() - cut a piece of a region into what the device can gather
 * @map: its mapping
 * @offset: where it starts in the region
 * @len: bytes
 * @sge: result, without keys
 * @max: room in @sge
 * @nr: how many were used
 *
 * Return: bytes covered, @len unless @sge is full.
 */
u32 memnet_region_gather(const struct memnet_region_map *map, u64 offset, u32 len,
			 struct ib_sge *sge, u32 max, u32 *nr)
{
	u64 pos = map->region->first + offset, addr, end = 0;
	const u64 *page = map->dma + (pos >> PAGE_SHIFT);
	u32 within = offset_in_page(pos), done = 0, n = 0, size;

	while (done < len) {
		addr = *page++ + within;
		size = min_t(u32, len - done, PAGE_SIZE - within);
		if (n && addr == end) {
			sge[n - 1].length += size;
		} else {
			if (n == max)
				break;
			sge[n].addr = addr;
			sge[n++].length = size;
		}
		end = addr + size;
		done += size;
		within = 0;
	}
	*nr = n;
	return done;
}

/**
 * memnet_regions_init() - prepare
 *
 * Return: 0 or -ENOMEM.
 */
int memnet_regions_init(void)
{
	wq = alloc_workqueue("memnet-region", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return wq ? 0 : -ENOMEM;
}

/**
 * memnet_regions_exit() - clean up; no context and no link lives
 */
void memnet_regions_exit(void)
{
	destroy_workqueue(wq);
}
