// SPDX-License-Identifier: LGPL-2.1
/*
 * The number of the socket family.
 *
 * The module says it in a parameter, read anew at each call: the module may be
 * loaded, or loaded again with another number, while a program runs. Whoever
 * calls often keeps the answer. No state, no locks, and no stdio, for the
 * preload calls this in whatever context a program calls socket().
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include "memnet.h"

#define FAMILY_FILE "/sys/module/memnet/parameters/family"

/* A number on a line of its own, or -1. */
static int parse_family(const char *text, ssize_t len)
{
	int family = 0;
	ssize_t i;

	for (i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		family = family * 10 + text[i] - '0';
		if (family > 255)
			return -1;
	}
	if (!i || (i < len && text[i] != '\n'))
		return -1;
	return family;
}

int memnet_family(void)
{
	char text[16];
	ssize_t len;
	int fd, err, family;

	fd = open(FAMILY_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOENT)
			errno = EAFNOSUPPORT;
		return -1;
	}
	do {
		len = read(fd, text, sizeof(text));
	} while (len < 0 && errno == EINTR);
	err = errno;
	close(fd);
	if (len < 0) {
		errno = err;
		return -1;
	}

	family = parse_family(text, len);
	if (family < 0)
		errno = EPROTO;
	return family;
}
