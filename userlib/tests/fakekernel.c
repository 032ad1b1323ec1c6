// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel with MemNet, for test-preload.sh: preloaded behind our preload, it
 * answers where the kernel would. A socket of AF_MEMNET is a native one that
 * says it is of IPPROTO_MEMNET; FAKE_ERRNO makes it fail with that number,
 * FAKE_OPTION makes the option fail. Calls are told on stderr.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <linux/memnet.h>

static char is_memnet[1024];

int socket(int domain, int type, int protocol)
{
	int (*real)(int, int, int) = dlsym(RTLD_NEXT, "socket");
	const char *fault = getenv("FAKE_ERRNO");
	int fd;

	if (domain != AF_MEMNET)
		return real(domain, type, protocol);
	fprintf(stderr, "fake: socket protocol %d\n", protocol);
	if (fault) {
		errno = atoi(fault);
		return -1;
	}
	fd = real(protocol == MEMNET_PROTO_IPV6 ? AF_INET6 : AF_INET, type, 0);
	if (fd >= 0)
		is_memnet[fd] = 1;
	return fd;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int (*real)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");
	const struct memnet_port_range *range = value;

	if (level != SOL_MEMNET)
		return real(fd, level, name, value, len);
	fprintf(stderr, "fake: option %d", name);
	for (; len >= sizeof(*range); len -= (socklen_t)sizeof(*range), range++)
		fprintf(stderr, " %u-%u", range->first, range->last);
	fputc('\n', stderr);
	if (getenv("FAKE_OPTION")) {
		errno = ENOPROTOOPT;
		return -1;
	}
	errno = 0;
	return 0;
}

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len)
{
	int (*real)(int, int, int, void *, socklen_t *) = dlsym(RTLD_NEXT, "getsockopt");
	int ret = real(fd, level, name, value, len);

	if (!ret && fd >= 0 && is_memnet[fd] && level == SOL_SOCKET && name == SO_PROTOCOL)
		*(unsigned char *)value = IPPROTO_MEMNET;
	return ret;
}
