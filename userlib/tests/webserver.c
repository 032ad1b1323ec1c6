// SPDX-License-Identifier: GPL-2.0
/*
 * The web server with asynchronous responses (bench/webserver), without a kernel that has MemNet.
 *
 * Jobs are done at once, and over only when we say so. One worker, two connections: while it answers
 * the second, the jobs of the first end, all that may be under way, and its peer goes away. So one
 * batch of events has the context's first, whose handling closes the connection that the other is about.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "memnet.h"

static int watched_close(int fd);
int server_main(int argc, char **argv);
#define close(fd) watched_close(fd)
#define main server_main
#include "../../bench/webserver/webserver.c"
#undef main
#undef close

#define REQUEST "GET /f HTTP/1.1\r\n\r\n"

struct memnet_context {
	int fd;
};

static struct memnet_context context;
static char port[8];
static bool over;
static int full = -1;			/* connection whose last job tells of its end */
static _Atomic unsigned int mistakes;

int memnet_family(void)
{
	return AF_INET;
}

struct memnet_context *memnet_context_open(void)
{
	context.fd = eventfd(0, 0);
	return &context;
}

int memnet_context_fd(const struct memnet_context *ctx)
{
	return ctx->fd;
}

int memnet_register_mem(struct memnet_context *ctx, void *addr, size_t len, memnet_region *region)
{
	*region = 1;
	return !ctx || !addr || !len;
}

const char *memnet_strerror(int error)
{
	return strerror(error);
}

int memnet_batch_submit(struct memnet_context *ctx, struct memnet_batch *b, memnet_job *jobs)
{
	unsigned int i, n = b->n;

	for (i = 0; i < n; i++) {
		const struct memnet_op *op = &b->ops[i];

		mistakes += send(op->fd, (char *)cache_area + op->offset, op->len, 0) != (ssize_t)op->len;
		jobs[i] = i + 1;
		if (op->flags & MEMNET_OP_NOTIFY) {
			full = op->fd;
		} else if (full >= 0 && op->fd != full && !over) {
			over = true;
			mistakes += eventfd_write(ctx->fd, 1) != 0;
			shutdown(full, SHUT_RDWR);
		}
	}
	b->n = 0;
	return (int)n;
}

int memnet_job_done(struct memnet_context *ctx, memnet_job job, ssize_t *result)
{
	*result = 0;
	return ctx && job && over;
}

static int watched_close(int fd)
{
	int ret = close(fd);

	mistakes += ret != 0;
	return ret;
}

static void *run_server(void *folder)
{
	char *argv[] = { "webserver", "-l", "127.0.0.1", "-p", port, "-t", "1", folder, NULL };

	optind = 1;
	exit(server_main(8, argv));
}

static int client(unsigned int requests)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd, i;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (i = 0; i < 500; i++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (!connect(fd, (struct sockaddr *)&at, sizeof(at)))
			break;
		close(fd);
		usleep(10000);
	}
	while (requests--)
		mistakes += send(fd, REQUEST, strlen(REQUEST), 0) != (ssize_t)strlen(REQUEST);
	return fd;
}

/* So many answers, or the end. */
static unsigned int answers(int fd, unsigned int wanted)
{
	unsigned int n = 0;
	char line[4096];
	FILE *f = fdopen(fd, "r");

	while (n < wanted && f && fgets(line, sizeof(line), f))
		n += !strncmp(line, "HTTP/1.1 200", 12);
	return n;
}

int main(int argc, char **argv)
{
	pthread_t server;

	snprintf(port, sizeof(port), "%d", 20000 + getpid() % 10000);
	if (argc != 2 || pthread_create(&server, NULL, run_server, argv[1]))
		return 2;
	printf("%u answers, and the connection is full\n", answers(client(PIPELINE), PIPELINE));
	printf("%u answer meanwhile\n", answers(client(1), 1));
	printf("%u answer afterwards\n", answers(client(1), 1));
	printf("%u mistakes\n", mistakes);
	return !!mistakes;
}
