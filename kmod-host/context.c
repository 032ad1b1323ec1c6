// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/memnet: a context for each open file, with the regions registered through it.
 *
 * A context may be shared by threads, inherited by fork() and passed to other processes: a region
 * is known by its number there and stays the memory of the process that registered it. Closing
 * the file deregisters what is left. Everything user space passes is checked here; what an
 * operation does is told in region.c and job.c.
 *
 * Locks: context.regions.xa_lock (BH not needed) for the table; a region found in it is held.
 */
#include <linux/bvec.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "job.h"

#define COPY_PAGES 16

/**
 * struct memnet_context - an open /dev/memnet
 * @regions:	by number
 * @next:	where the search for a free number goes on
 */
struct memnet_context {
	struct xarray	regions;
	u32		next;
};

static struct memnet_region *region_get(struct memnet_context *ctx, u32 number)
{
	struct memnet_region *region;

	xa_lock(&ctx->regions);
	region = xa_load(&ctx->regions, number);
	if (region)
		refcount_inc(&region->refs);
	xa_unlock(&ctx->regions);
	return region;
}

static long ioctl_register(struct memnet_context *ctx, struct memnet_register *arg)
{
	struct memnet_region *region;
	u32 number;
	int ret;

	if (arg->flags || arg->reserved)
		return -EINVAL;
	region = memnet_region_create(arg->addr, arg->len);
	if (IS_ERR(region))
		return PTR_ERR(region);
	ret = xa_alloc_cyclic(&ctx->regions, &number, region, XA_LIMIT(1, MEMNET_REGIONS_MAX),
			      &ctx->next, GFP_KERNEL_ACCOUNT);
	if (ret < 0) {
		memnet_region_put(region);
		return ret == -EBUSY ? -ENOSPC : ret;
	}
	arg->region = number;
	return 0;
}

static long deregister(struct memnet_context *ctx, u32 number)
{
	struct memnet_region *region = xa_erase(&ctx->regions, number);

	if (!region)
		return -ENOENT;
	memnet_region_retire(region);
	memnet_region_put(region);
	return 0;
}

/* For sockets that are not offloaded, if the caller agrees: an ordinary send. */
static int send_copying(struct socket *sock, struct memnet_region *region, u64 offset, u64 len,
			unsigned int flags, u64 *done)
{
	struct bio_vec bvec[COPY_PAGES];
	int ret = 0;

	*done = 0;
	while (*done < len) {
		u64 pos = region->first + offset + *done;
		u64 left = len - *done;
		struct msghdr msg = { .msg_flags = flags };
		size_t size = 0;
		int n;

		for (n = 0; n < COPY_PAGES && left; n++) {
			u32 part = min_t(u64, left, PAGE_SIZE - offset_in_page(pos));

			bvec_set_page(&bvec[n], region->pages[pos >> PAGE_SHIFT], part,
				      offset_in_page(pos));
			size += part;
			pos += part;
			left -= part;
		}
		if (left)
			msg.msg_flags |= MSG_MORE;
		iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, bvec, n, size);
		ret = sock_sendmsg(sock, &msg);
		if (ret <= 0)
			break;
		*done += ret;
	}
	return *done ? 0 : ret;
}

static long ioctl_send_direct(struct memnet_context *ctx, struct memnet_direct *arg)
{
	unsigned int flags = (arg->flags & MEMNET_DIRECT_NOSIGNAL ? MSG_NOSIGNAL : 0) |
			     (arg->flags & MEMNET_DIRECT_MORE ? MSG_MORE : 0);
	struct memnet_region *region;
	struct socket *sock;
	int ret;

	if (arg->flags & ~(MEMNET_DIRECT_NOSIGNAL | MEMNET_DIRECT_MORE | MEMNET_DIRECT_COPY))
		return -EINVAL;
	arg->done = 0;
	sock = sockfd_lookup(arg->fd, &ret);
	if (!sock)
		return ret;
	region = region_get(ctx, arg->region);
	ret = -ENOENT;
	if (!region)
		goto out;
	ret = -EINVAL;
	if (!arg->len || arg->offset >= region->len || arg->len > region->len - arg->offset)
		goto put;
	if (READ_ONCE(sock->ops) == &memnet_stream_ops && !memnet_sk(sock->sk)->delegated)
		ret = memnet_send_direct(sock, region, arg->offset, arg->len, flags, &arg->done);
	else if (arg->flags & MEMNET_DIRECT_COPY && sock->type == SOCK_STREAM)
		ret = send_copying(sock, region, arg->offset, arg->len, flags, &arg->done);
	else
		ret = -EOPNOTSUPP;
put:
	memnet_region_put(region);
out:
	sockfd_put(sock);
	return ret;
}

/* What all structures begin with, and the largest of them. */
union argument {
	u32 size;
	struct memnet_register reg;
	struct memnet_deregister dereg;
	struct memnet_direct direct;
};

static long context_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct memnet_context *ctx = file->private_data;
	void __user *user = (void __user *)arg;
	union argument u;
	size_t known;
	long ret;
	u32 size;

	switch (cmd) {
	case MEMNET_IOC_REGISTER:
		known = sizeof(u.reg);
		break;
	case MEMNET_IOC_DEREGISTER:
		known = sizeof(u.dereg);
		break;
	case MEMNET_IOC_SEND_DIRECT:
		known = sizeof(u.direct);
		break;
	default:
		return -ENOTTY;
	}
	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < known)	/* no older version of any of them exists */
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&u, known, user, size);
	if (ret)
		return ret;
	switch (cmd) {
	case MEMNET_IOC_REGISTER:
		ret = ioctl_register(ctx, &u.reg);
		break;
	case MEMNET_IOC_DEREGISTER:
		return deregister(ctx, u.dereg.region);
	default:
		ret = ioctl_send_direct(ctx, &u.direct);
	}
	if (ret || !copy_to_user(user, &u, known))
		return ret;
	/* Nobody knows the number. */
	if (cmd == MEMNET_IOC_REGISTER)
		deregister(ctx, u.reg.region);
	return -EFAULT;
}

static int context_open(struct inode *inode, struct file *file)
{
	struct memnet_context *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);

	if (!ctx)
		return -ENOMEM;
	xa_init_flags(&ctx->regions, XA_FLAGS_ALLOC1);
	ctx->next = 1;
	file->private_data = ctx;
	return stream_open(inode, file);
}

static int context_release(struct inode *inode, struct file *file)
{
	struct memnet_context *ctx = file->private_data;
	struct memnet_region *region;
	unsigned long number;

	xa_for_each(&ctx->regions, number, region) {
		memnet_region_retire(region);
		memnet_region_put(region);
	}
	xa_destroy(&ctx->regions);
	kfree(ctx);
	return 0;
}

static const struct file_operations context_ops = {
	.owner		= THIS_MODULE,
	.open		= context_open,
	.release	= context_release,
	.unlocked_ioctl	= context_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

/* Anybody may use it: what it gives is bounded by the limits of the process. */
static struct miscdevice device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "memnet",
	.fops	= &context_ops,
	.mode	= 0666,
};

/**
 * memnet_context_init() - make the device
 *
 * Return: 0 or a negative errno.
 */
int memnet_context_init(void)
{
	return misc_register(&device);
}

/**
 * memnet_context_exit() - remove the device; no context lives
 */
void memnet_context_exit(void)
{
	misc_deregister(&device);
}
