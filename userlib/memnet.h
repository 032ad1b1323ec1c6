/* SPDX-License-Identifier: LGPL-2.1 */
/* libmemnet: what programs that know of MemNet call. */
#ifndef MEMNET_H
#define MEMNET_H

#include <linux/memnet.h>

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

#ifdef __cplusplus
}
#endif

#endif /* MEMNET_H */
