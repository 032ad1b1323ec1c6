// SPDX-License-Identifier: GPL-2.0
/* A library that makes a socket before the preload's constructor has run, for test-preload.sh. */
#include <sys/socket.h>
#include <unistd.h>

__attribute__((constructor)) static void early(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd >= 0)
		close(fd);
}
