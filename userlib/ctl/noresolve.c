// SPDX-License-Identifier: GPL-2.0
/*
 * The static tool resolves no names.
 *
 * libnl refers to libc's lookups of hosts and protocols for functions that are
 * not used here. In a static program libc would bring its resolver for them,
 * which in turn wants the libraries of the very libc it was built with. These
 * take their place.
 */
#ifdef MEMNET_STATIC
#include <netdb.h>
#include <stddef.h>

int getaddrinfo(const char *restrict node, const char *restrict service,
		const struct addrinfo *restrict hints, struct addrinfo **restrict res)
{
	(void)node;
	(void)service;
	(void)hints;
	*res = NULL;
	return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *res)
{
	(void)res;
}

struct protoent *getprotobyname(const char *name)
{
	(void)name;
	return NULL;
}

struct protoent *getprotobynumber(int number)
{
	(void)number;
	return NULL;
}
#endif
