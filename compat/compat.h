/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What older kernels lack, given by the names of the newest. Included before every source file. Each
 * MEMNET_HAVE_<probe> says that compat/probes/<probe>.c compiles on this kernel; nothing here asks for a version.
 */
#ifndef MEMNET_COMPAT_H
#define MEMNET_COMPAT_H

#include <linux/workqueue.h>

#ifndef MEMNET_HAVE_wq_percpu
#define WQ_PERCPU 0	/* the default before it had a name */
#endif

/* the address of bind and connect */
#ifdef MEMNET_HAVE_sockaddr_unsized
#define memnet_sockaddr struct sockaddr_unsized
#else
#define memnet_sockaddr struct sockaddr
#endif

#endif /* MEMNET_COMPAT_H */
