/* SPDX-License-Identifier: GPL-2.0 */
/* Registered memory, see region.c. */
#ifndef MEMNET_REGION_H
#define MEMNET_REGION_H

#include "core.h"

#define MEMNET_REGION_MAX	BIT_ULL(38)	/* bytes of a region */

struct mm_struct;

#define MEMNET_RECENT		8

struct memnet_region_map;

/**
 * struct memnet_recent - mappings of a context's regions that were used lately
 * @map:	by the region's number; read under RCU, written under the region's lock while the
 *		mapping can be found, and gone from here when it cannot
 */
struct memnet_recent {
	struct memnet_region_map __rcu	*map[MEMNET_RECENT];
};

/**
 * struct memnet_region - memory of a program, pinned
 * @refs:	the context's table, each mapping, and calls that look at it
 * @mm:		charged for it; its memory descriptor is held, its memory is not
 * @first:	offset of the first byte in the first page
 * @len:	bytes
 * @number:	in its context; set before it is found there
 * @recent:	of its context; used until it is deregistered
 * @npages:	pages
 * @pages:	the pages, pinned
 * @lock:	guards @maps; taken alone or under the mutex of all mappings
 * @maps:	mappings that can be found
 * @write:	may be written to
 * @retired:	deregistered: no new mappings; under that mutex
 * @rcu:	it is looked up under RCU
 */
struct memnet_region {
	refcount_t		refs;
	struct mm_struct	*mm;
	u32			first;
	u64			len;
	u32			number;
	struct memnet_recent	*recent;
	unsigned long		npages;
	struct page		**pages;
	spinlock_t		lock;		/* maps */
	struct list_head	maps;
	bool			write;
	bool			retired;
	struct rcu_head		rcu;
};

#define MEMNET_CHUNK_PAGES 512	/* at most; what one key stands for */

/**
 * struct memnet_region_map - a region as the device of a link sees it
 * @refs:	the region's list and each job
 * @region:	the region, held
 * @domain:	the link's, while mapped
 * @node:	on the region's list
 * @all:	on the list of all, while mapped
 * @sgt:	the mapping
 * @dma:	address of each page
 * @chunk:	pages in a chunk, what one key can stand for
 * @chunks:	how many chunks
 * @lock:	guards @mrs; inside the mutex of all mappings
 * @mrs:	registration of each chunk that was received to, or NULL
 * @receivers:	jobs that receive to it, and the region as long as it is registered: when they are
 *		gone the keys are, though something may still be sent from it
 * @revoke:	ends the keys
 * @free:	ends it
 * @rcu:	it is looked up under RCU
 */
struct memnet_region_map {
	refcount_t		refs;
	struct memnet_region	*region;
	struct memnet_domain	*domain;
	struct list_head	node;
	struct list_head	all;
	struct sg_table		sgt;
	u64			*dma;
	u32			chunk;
	u32			chunks;
	struct mutex		lock;		/* mrs */
	struct ib_mr		**mrs;
	refcount_t		receivers;
	struct work_struct	revoke;
	struct work_struct	free;
	struct rcu_head		rcu;
};

/* Whether a region has these bytes. */
static inline bool memnet_region_has(const struct memnet_region *region, u64 offset, u64 len)
{
	return len && offset < region->len && len <= region->len - offset;
}

int memnet_regions_init(void);
void memnet_regions_exit(void);
struct memnet_region *memnet_region_create(struct memnet_recent *recent, u64 addr, u64 len,
					   bool write);
void memnet_region_retire(struct memnet_region *region);
bool memnet_regions_linger(const struct memnet_domain *domain);
void memnet_regions_settle(void);
void memnet_region_put(struct memnet_region *region);
struct memnet_region_map *memnet_region_map(struct memnet_region *region,
					    struct memnet_channel *ch);
struct memnet_region_map *memnet_region_recent(struct memnet_recent *recent, u32 number,
					       const struct memnet_channel *ch);
void memnet_region_map_put(struct memnet_region_map *map);
void memnet_regions_lost(const struct memnet_domain *domain);
int memnet_region_admit(struct memnet_region_map *map, struct memnet_channel *ch, u64 offset,
			u64 len);
void memnet_region_dismiss(struct memnet_region_map *map);
u64 memnet_region_room(const struct memnet_region_map *map, u64 offset);
u32 memnet_region_key(const struct memnet_region_map *map, u64 offset, u64 len, u64 *addr,
		      u32 *key);
void memnet_region_sync(const struct memnet_region_map *map, u64 offset, u32 len);
int memnet_region_copy(const struct memnet_region *region, u64 offset, struct sk_buff *skb,
		       u32 from, u32 len);
u32 memnet_region_gather(const struct memnet_region_map *map, u64 offset, u32 len,
			 struct ib_sge *sge, u32 max, u32 *nr);

#endif /* MEMNET_REGION_H */
