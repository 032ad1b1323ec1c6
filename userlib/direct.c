// SPDX-License-Identifier: LGPL-2.1
/* Registered memory and direct transfers: /dev/memnet for programs. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "context.h"

struct memnet_context *memnet_context_open(void)
{
	struct memnet_context *ctx = calloc(1, sizeof(*ctx));
	int err;

	if (!ctx)
		return NULL;
	ctx->fd = open("/dev/memnet", O_RDWR | O_CLOEXEC);
	if (ctx->fd >= 0 && !jobs_init(ctx))
		return ctx;
	err = errno;
	if (ctx->fd >= 0)
		close(ctx->fd);
	free(ctx);
	errno = err;
	return NULL;
}

void memnet_context_close(struct memnet_context *ctx)
{
	if (!ctx)
		return;
	jobs_exit(ctx);
	close(ctx->fd);
	free(ctx);
}

int memnet_context_fd(const struct memnet_context *ctx)
{
	return ctx->fd;
}

int memnet_context_eventfd(struct memnet_context *ctx, int fd)
{
	struct memnet_eventfd arg = { .size = sizeof(arg), .fd = fd };

	return ioctl(ctx->fd, MEMNET_IOC_EVENTFD, &arg);
}

static int register_mem(struct memnet_context *ctx, void *addr, size_t len, unsigned int flags,
			memnet_region *region)
{
	struct memnet_register arg = {
		.size = sizeof(arg),
		.flags = flags,
		.addr = (uintptr_t)addr,
		.len = len,
	};

	if (ioctl(ctx->fd, MEMNET_IOC_REGISTER, &arg))
		return -1;
	*region = arg.region;
	return 0;
}

int memnet_register_mem(struct memnet_context *ctx, void *addr, size_t len, memnet_region *region)
{
	return register_mem(ctx, addr, len, 0, region);
}

int memnet_register_recv(struct memnet_context *ctx, void *addr, size_t len,
			 memnet_region *region)
{
	return register_mem(ctx, addr, len, MEMNET_REGION_RECV, region);
}

int memnet_deregister_mem(struct memnet_context *ctx, memnet_region region)
{
	struct memnet_deregister arg = { .size = sizeof(arg), .region = region };

	return ioctl(ctx->fd, MEMNET_IOC_DEREGISTER, &arg);
}

static ssize_t direct(struct memnet_context *ctx, unsigned long call, int fd,
		      memnet_region region, size_t offset, size_t len, unsigned int flags)
{
	struct memnet_direct arg = {
		.size = sizeof(arg),
		.flags = flags,
		.fd = fd,
		.region = region,
		.offset = offset,
		.len = len,
	};

	if (ioctl(ctx->fd, call, &arg))
		return -1;
	return (ssize_t)arg.done;
}

ssize_t memnet_send_direct(struct memnet_context *ctx, int fd, memnet_region region,
			   size_t offset, size_t len, unsigned int flags)
{
	return direct(ctx, MEMNET_IOC_SEND_DIRECT, fd, region, offset, len, flags);
}

ssize_t memnet_recv_direct(struct memnet_context *ctx, int fd, memnet_region region,
			   size_t offset, size_t len, unsigned int flags)
{
	return direct(ctx, MEMNET_IOC_RECV_DIRECT, fd, region, offset, len, flags);
}
