// SPDX-License-Identifier: GPL-2.0
/*
 * What a test leaves beside its result; see proof.h.
 *
 * A socket is looked at when a fixture has made it, and again when its process
 * is through: by then a test that makes its own has bound or connected them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <linux/memnet.h>

#include "differences.h"
#include "proof.h"
#include "tested.h"

struct proof *proof;

void proof_init(void)
{
	proof = mmap(NULL, sizeof(*proof), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (proof == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
}

void proof_clear(void)
{
	memset(proof, 0, sizeof(*proof));
}

void proof_print(void)
{
	const char *key;
	unsigned int i;

	for (i = 0; (key = difference_key(i)); i++)
		if (proof->differs[i])
			printf("# uses differs %s\n", key);
	if (proof->offloaded)
		printf("# offloaded %u\n", proof->offloaded);
	if (proof->delegated)
		printf("# delegated %u\n", proof->delegated);
}

void proof_look(int fd)
{
	struct memnet_info info = { 0 };
	socklen_t len = sizeof(info);
	int err = errno;

	if (tested.memnet &&
	    !getsockopt(fd, SOL_MEMNET, MEMNET_INFO, &info, &len)) {
		if (info.flags & MEMNET_INFO_OFFLOADED)
			__atomic_fetch_add(&proof->offloaded, 1, __ATOMIC_RELAXED);
		if (info.flags & MEMNET_INFO_NATIVE)
			__atomic_fetch_add(&proof->delegated, 1, __ATOMIC_RELAXED);
	}
	errno = err;
}

void proof_look_all(void)
{
	int fd;

	/* no test has more open at its end */
	for (fd = 0; tested.memnet && fd < 1024; fd++)
		proof_look(fd);
}
