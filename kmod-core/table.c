// SPDX-License-Identifier: GPL-2.0
/*
 * Tables of endpoints: an index leads to one in a few instructions, since every message asks.
 *
 * An array as long as the channel's window table, which has an entry for each of them as well. An
 * index is taken, by its number or as the next that is free in our half, before what it leads to is
 * stored, and so storing cannot fail. Taken ones are bits, so that those who walk over a table that
 * is nearly empty are soon through.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "core.h"

/**
 * memnet_table_init() - an empty table
 * @table: table
 * @size: of the channel's window table
 * @from: first index memnet_table_reserve() may take
 * @to: end of these
 *
 * Return: 0 or -ENOMEM.
 */
int memnet_table_init(struct memnet_table *table, u32 size, u32 from, u32 to)
{
	spin_lock_init(&table->lock);
	table->size = size;
	table->from = from;
	table->to = to;
	table->next = from;
	table->entry = kvcalloc(size, sizeof(*table->entry), GFP_KERNEL);
	table->taken = bitmap_zalloc(size, GFP_KERNEL);
	if (table->entry && table->taken)
		return 0;
	memnet_table_destroy(table);
	return -ENOMEM;
}
EXPORT_SYMBOL_GPL(memnet_table_init);

/**
 * memnet_table_destroy() - free a table in which nobody looks any more
 * @table: table
 */
void memnet_table_destroy(struct memnet_table *table)
{
	kvfree(table->entry);
	bitmap_free(table->taken);
}
EXPORT_SYMBOL_GPL(memnet_table_destroy);

/**
 * memnet_table_is_empty() - whether no index is taken
 * @table: table
 */
bool memnet_table_is_empty(const struct memnet_table *table)
{
	return bitmap_empty(table->taken, table->size);
}
EXPORT_SYMBOL_GPL(memnet_table_is_empty);

/**
 * memnet_table_reserve() - take an index of our half
 * @table: table
 * @index: which; the one that was free for the longest, more or less
 *
 * Return: 0, or -EBUSY if none is free.
 */
int memnet_table_reserve(struct memnet_table *table, u32 *index)
{
	u32 i;

	spin_lock_bh(&table->lock);
	i = find_next_zero_bit(table->taken, table->to, table->next);
	if (i >= table->to)
		i = find_next_zero_bit(table->taken, table->to, table->from);
	if (i < table->to) {
		set_bit(i, table->taken);
		table->next = i + 1;
	}
	spin_unlock_bh(&table->lock);
	*index = i;
	return i < table->to ? 0 : -EBUSY;
}
EXPORT_SYMBOL_GPL(memnet_table_reserve);

/**
 * memnet_table_store() - let an index lead to something
 * @table: table
 * @index: taken, and the caller's
 * @entry: found from now on
 */
void memnet_table_store(struct memnet_table *table, u32 index, void *entry)
{
	rcu_assign_pointer(table->entry[index], entry);
}
EXPORT_SYMBOL_GPL(memnet_table_store);

/**
 * memnet_table_insert() - take an index, and let it lead to something
 * @table: table
 * @index: which
 * @entry: found from now on
 *
 * Return: 0, or -EBUSY if it is taken, or is none.
 */
int memnet_table_insert(struct memnet_table *table, u32 index, void *entry)
{
	int ret = -EBUSY;

	spin_lock_bh(&table->lock);
	if (index < table->size && !test_and_set_bit(index, table->taken)) {
		memnet_table_store(table, index, entry);
		ret = 0;
	}
	spin_unlock_bh(&table->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(memnet_table_insert);

/**
 * memnet_table_erase() - an index leads to nothing, and may be taken again
 * @table: table
 * @index: taken; what it led to is still looked at under RCU
 */
void memnet_table_erase(struct memnet_table *table, u32 index)
{
	spin_lock_bh(&table->lock);
	RCU_INIT_POINTER(table->entry[index], NULL);
	clear_bit(index, table->taken);
	spin_unlock_bh(&table->lock);
}
EXPORT_SYMBOL_GPL(memnet_table_erase);

/**
 * memnet_table_next() - walk over a table
 * @table: table
 * @index: where to begin; then where it was found
 *
 * Return: the first from there on, which lives as long as the caller is in RCU's read side, or
 * sees to it otherwise; or NULL.
 */
void *memnet_table_next(const struct memnet_table *table, u32 *index)
{
	u32 i = *index;
	void *entry;

	for (; (i = find_next_bit(table->taken, table->size, i)) < table->size; i++) {
		entry = rcu_dereference_raw(table->entry[i]);
		if (!entry)
			continue;
		*index = i;
		return entry;
	}
	return NULL;
}
EXPORT_SYMBOL_GPL(memnet_table_next);
