// SPDX-License-Identifier: LGPL-2.1
/*
 * Buffers of one size in one region. Those that were given back last are given out first, for their
 * bytes are most likely still in the processor's cache.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "memnet.h"

#define LINE 64	/* buffers do not share cache lines */

struct memnet_pool {
	struct memnet_context *ctx;
	memnet_region region;
	char *memory;
	size_t len;		/* of @memory */
	size_t size;		/* of a buffer, rounded up */
	size_t count;
	pthread_mutex_t lock;	/* the following */
	bool *given;		/* by number: somebody has it; behind @free */
	size_t n;		/* of @free */
	size_t free[];		/* numbers of free buffers */
};

struct memnet_pool *memnet_pool_create(struct memnet_context *ctx, size_t count, size_t size,
				       unsigned int flags)
{
	struct memnet_pool *pool;
	size_t i;
	int err;

	if (flags & ~MEMNET_REGION_RECV || !count || !size || size > SIZE_MAX - LINE || count > SIZE_MAX / 4 / sizeof(size_t) ||
	    (size + LINE - 1) / LINE * LINE > SIZE_MAX / count) {
		errno = EINVAL;
		return NULL;
	}
	pool = calloc(1, sizeof(*pool) + count * (sizeof(size_t) + sizeof(bool)));
	if (!pool)
		return NULL;
	pool->given = (bool *)&pool->free[count];
	pool->ctx = ctx;
	pool->count = count;
	pool->size = (size + LINE - 1) / LINE * LINE;
	pool->len = count * pool->size;
	pool->memory = mmap(NULL, pool->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pool->memory == MAP_FAILED)
		goto free;
	if (flags & MEMNET_REGION_RECV ?
		    memnet_register_recv(ctx, pool->memory, pool->len, &pool->region) :
		    memnet_register_mem(ctx, pool->memory, pool->len, &pool->region))
		goto unmap;
	pthread_mutex_init(&pool->lock, NULL);
	for (i = 0; i < count; i++)
		pool->free[pool->n++] = count - 1 - i;
	return pool;
unmap:
	err = errno;
	munmap(pool->memory, pool->len);
	errno = err;
free:
	err = errno;
	free(pool);
	errno = err;
	return NULL;
}

void memnet_pool_destroy(struct memnet_pool *pool)
{
	if (!pool)
		return;
	memnet_deregister_mem(pool->ctx, pool->region);
	munmap(pool->memory, pool->len);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

memnet_region memnet_pool_region(const struct memnet_pool *pool)
{
	return pool->region;
}

void *memnet_pool_get(struct memnet_pool *pool, size_t *offset)
{
	size_t i;

	pthread_mutex_lock(&pool->lock);
	if (!pool->n) {
		pthread_mutex_unlock(&pool->lock);
		errno = ENOBUFS;
		return NULL;
	}
	i = pool->free[--pool->n];
	pool->given[i] = true;
	pthread_mutex_unlock(&pool->lock);
	*offset = i * pool->size;
	return pool->memory + *offset;
}

int memnet_pool_put(struct memnet_pool *pool, void *buffer)
{
	size_t at = (size_t)((char *)buffer - pool->memory), i = at / pool->size;
	bool mine = (char *)buffer >= pool->memory && at < pool->len && !(at % pool->size);

	pthread_mutex_lock(&pool->lock);
	mine = mine && pool->given[i];
	if (mine) {
		pool->given[i] = false;
		pool->free[pool->n++] = i;
	}
	pthread_mutex_unlock(&pool->lock);
	if (mine)
		return 0;
	errno = EINVAL;
	return -1;
}
