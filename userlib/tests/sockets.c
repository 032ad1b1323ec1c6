// SPDX-License-Identifier: GPL-2.0
/*
 * sockets DOMAIN TYPE PROTOCOL: make a socket and say what it is, for
 * test-preload.sh. Numbers; the type may have flags. Prints "protocol P of D,
 * flags F", where F is c for close-on-exec and n for non-blocking, and whether
 * errno was left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -1 : value;
}

int main(int argc, char **argv)
{
	unsigned char narrow[2] = { 0xee, 0xee };
	socklen_t len = 1;
	int fd;

	if (argc != 4)
		return 2;
	errno = 77;
	fd = socket(atoi(argv[1]), (int)strtol(argv[2], NULL, 0), atoi(argv[3]));
	if (fd < 0) {
		printf("error %s\n", strerrorname_np(errno));
		return 1;
	}
	printf("protocol %d of %d, flags %s%s, errno %s\n", option(fd, SO_PROTOCOL),
	       option(fd, SO_DOMAIN), fcntl(fd, F_GETFD) & FD_CLOEXEC ? "c" : "",
	       fcntl(fd, F_GETFL) & O_NONBLOCK ? "n" : "", errno == 77 ? "kept" : "lost");
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, narrow, &len) || len != 1 || narrow[1] != 0xee)
		puts("narrow failed");
	else
		printf("narrow %d\n", narrow[0]);
	if (getsockopt(-1, SOL_SOCKET, SO_PROTOCOL, narrow, &len) != -1)
		puts("a bad descriptor is not noticed");
	else
		printf("a bad descriptor is %s\n", strerrorname_np(errno));
	return 0;
}
