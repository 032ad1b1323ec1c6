/* SPDX-License-Identifier: LGPL-2.1 */
/* libmemnet: what programs that know of MemNet call. */
#ifndef MEMNET_H
#define MEMNET_H

#include <linux/memnet.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The number of the socket family, AF_MEMNET unless memnet.ko was loaded with
 * another one. -1 with errno EAFNOSUPPORT if the module is not loaded, or that
 * of the failure. The kernel loads the module for a socket of AF_MEMNET where
 * it may, so a program that gets EAFNOSUPPORT can still try that.
 *
 * Calls nothing that is not async-signal-safe.
 */
int memnet_family(void);

/*
 * A context holds registered memory. It is used by any number of threads, and
 * goes with all its regions when it is closed. NULL with errno: ENOENT where
 * memnet.ko is not loaded.
 */
struct memnet_context;
struct memnet_context *memnet_context_open(void);
void memnet_context_close(struct memnet_context *ctx);

/* A region, by its number in the context; 0 is none. */
typedef uint32_t memnet_region;

/*
 * Register @len bytes at @addr to be sent from. They are pinned and count
 * against RLIMIT_MEMLOCK. 0, or -1 with errno: ENOMEM beyond the limit, EFAULT
 * where no memory is, EINVAL for nothing, ENOSPC for too many regions.
 */
int memnet_register_mem(struct memnet_context *ctx, void *addr, size_t len,
			memnet_region *region);

/*
 * The region is not to be used any more; what is being sent from it is sent.
 * 0, or -1 with errno ENOENT.
 */
int memnet_deregister_mem(struct memnet_context *ctx, memnet_region region);

/*
 * Send @len bytes from @offset of a region, without copying, and wait until
 * the node's TCP has taken them; the memory may be used again then. Waits also
 * on a non-blocking socket. @flags are MEMNET_DIRECT_*.
 *
 * The number of bytes sent, less than @len only after a signal, SO_SNDTIMEO or
 * an error; -1 with errno as send(), and EOPNOTSUPP for a socket that is not
 * offloaded, unless MEMNET_DIRECT_COPY is given; ENOENT for no such region;
 * EINVAL for what is not within it.
 */
ssize_t memnet_send_direct(struct memnet_context *ctx, int fd, memnet_region region,
			   size_t offset, size_t len, unsigned int flags);

#ifdef __cplusplus
}
#endif

#endif /* MEMNET_H */
