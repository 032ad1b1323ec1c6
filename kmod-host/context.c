// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/memnet: a context for each open file, with the regions registered through it.
 *
 * A context may be shared by threads, inherited by fork() and passed to other processes: a region
 * is known by its number there and stays the memory of the process that registered it. Closing
 * the file deregisters what is left; jobs under way go on. Everything user space passes is
 * checked here, and in submit.c; what an operation does is told in region.c, direct.c, copy.c,
 * job.c, send_job.c, recv_job.c, area.c and result.c.
 *
 * Results and counters are mapped read-only. The context outlives its file as long as jobs write
 * results and nodes write counters.
 *
 * Locks: context.regions.xa_lock (BH not needed) for the table, which is read under RCU; a region
 * found in it is held. context.lock for making pages.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "context.h"
#include "job.h"

/**
 * memnet_context_put() - drop a reference
 * @ctx: context
 */
void memnet_context_put(struct memnet_context *ctx)
{
	if (!refcount_dec_and_test(&ctx->refs))
		return;
	memnet_jobs_free(ctx);
	memnet_results_free(ctx);
	if (ctx->eventfd)
		eventfd_ctx_put(ctx->eventfd);
	kfree(ctx);
}

/**
 * memnet_context_region() - find a region
 * @ctx: context
 * @number: of it
 *
 * Return: the region with a reference, or NULL.
 */
struct memnet_region *memnet_context_region(struct memnet_context *ctx, u32 number)
{
	struct memnet_region *region;

	rcu_read_lock();
	region = xa_load(&ctx->regions, number);
	if (region && !refcount_inc_not_zero(&region->refs))
		region = NULL;
	rcu_read_unlock();
	return region;
}

/* The channel of that number among all of all links, with a reference, or NULL. */
static struct link_channel *channel_at(unsigned int number)
{
	struct link_channel *lc = NULL;
	struct memnet_link *link;
	unsigned int i;

	rcu_read_lock();
	list_for_each_entry_rcu(link, &memnet_links, list) {
		spin_lock_bh(&link->lock);
		for (i = 0; i < ARRAY_SIZE(link->lc) && !lc; i++)
			if (link->lc[i] && !number--)
				lc = link->lc[i];
		if (lc)
			refcount_inc(&lc->refs);
		spin_unlock_bh(&link->lock);
		if (lc)
			break;
	}
	rcu_read_unlock();
	return lc;
}

/*
 * A device lets go of what was sent when a later completion says so; until then the memory counts,
 * though its region is gone and its jobs are over. Who comes to the limit waits for that, on links
 * that have memory of his.
 */
static void settle(void)
{
	struct link_channel *lc;
	unsigned int i;

	for (i = 0; (lc = channel_at(i)); i++) {
		if (memnet_channel_is_up(lc->ch) &&
		    memnet_regions_linger(READ_ONCE(lc->ch->rdma.domain)))
			memnet_tx_settle(lc->ch);
		memnet_lc_put(lc);
	}
	memnet_regions_settle();
}

static struct memnet_region *region_create(struct memnet_context *ctx,
					   const struct memnet_register *arg)
{
	bool write = arg->flags & MEMNET_REGION_RECV;
	struct memnet_region *region;

	region = memnet_region_create(&ctx->recent, arg->addr, arg->len, write);
	if (region != ERR_PTR(-ENOMEM))
		return region;
	settle();
	return memnet_region_create(&ctx->recent, arg->addr, arg->len, write);
}

static long ioctl_register(struct memnet_context *ctx, struct memnet_register *arg)
{
	struct memnet_region *region;
	int ret;

	if (arg->flags & ~MEMNET_REGION_RECV || arg->reserved)
		return -EINVAL;
	region = region_create(ctx, arg);
	if (IS_ERR(region))
		return PTR_ERR(region);
	refcount_inc(&region->refs);	/* once it can be found it can be deregistered */
	ret = xa_alloc_cyclic(&ctx->regions, &region->number, region,
			      XA_LIMIT(1, MEMNET_REGIONS_MAX), &ctx->next_region,
			      GFP_KERNEL_ACCOUNT);
	if (ret < 0) {
		memnet_region_put(region);
		ret = ret == -EBUSY ? -ENOSPC : ret;
	} else {
		arg->region = region->number;
		ret = 0;
	}
	memnet_region_put(region);
	return ret;
}

static long deregister(struct memnet_context *ctx, u32 number)
{
	struct memnet_region *region = xa_erase(&ctx->regions, number);

	if (!region)
		return -ENOENT;
	memnet_region_retire(region);
	memnet_areas_collect(ctx, region);
	memnet_region_put(region);
	return 0;
}

static int transfer(struct socket *sock, struct memnet_region *region, bool recv,
		    struct memnet_direct *arg)
{
	unsigned int flags = (arg->flags & MEMNET_DIRECT_NOSIGNAL ? MSG_NOSIGNAL : 0) |
			     (arg->flags & MEMNET_DIRECT_MORE ? MSG_MORE : 0) |
			     (arg->flags & MEMNET_DIRECT_WAITALL ? MSG_WAITALL : 0) |
			     (arg->flags & MEMNET_DIRECT_DONTWAIT ? MSG_DONTWAIT : 0);

	if (recv && sock->file && sock->file->f_flags & O_NONBLOCK)
		flags |= MSG_DONTWAIT;
	if (recv && !region->write)
		return -EACCES;
	if (READ_ONCE(sock->ops) == &memnet_stream_ops && !memnet_sk(sock->sk)->delegated) {
		if (recv)
			return memnet_recv_direct(sock, region, arg->offset, arg->len, flags,
						  &arg->done);
		return memnet_send_direct(sock, region, arg->offset, arg->len, flags, &arg->done);
	}
	if (arg->flags & MEMNET_DIRECT_COPY && sock->type == SOCK_STREAM)
		return memnet_copy(sock, region, recv, arg->offset, arg->len, flags, &arg->done);
	return -EOPNOTSUPP;
}

#define DIRECT_SEND (MEMNET_DIRECT_NOSIGNAL | MEMNET_DIRECT_MORE | MEMNET_DIRECT_COPY)
#define DIRECT_RECV (MEMNET_DIRECT_WAITALL | MEMNET_DIRECT_DONTWAIT | MEMNET_DIRECT_COPY)

static long ioctl_direct(struct memnet_context *ctx, struct memnet_direct *arg, bool recv)
{
	struct memnet_region *region;
	struct socket *sock;
	int ret;

	if (arg->flags & ~(recv ? DIRECT_RECV : DIRECT_SEND))
		return -EINVAL;
	arg->done = 0;
	sock = sockfd_lookup(arg->fd, &ret);
	if (!sock)
		return ret;
	region = memnet_context_region(ctx, arg->region);
	ret = -ENOENT;
	if (!region)
		goto out;
	ret = -EINVAL;
	if (memnet_region_has(region, arg->offset, arg->len))
		ret = transfer(sock, region, recv, arg);
	memnet_region_put(region);
out:
	sockfd_put(sock);
	return ret;
}

/* ---- asynchronous jobs ---- */

static long ioctl_wait(struct memnet_context *ctx, struct memnet_wait *arg)
{
	struct memnet_job_ref *refs;
	int ret;

	if (arg->flags & ~MEMNET_WAIT_ALL || !arg->count || arg->count > MEMNET_WAIT_MAX)
		return -EINVAL;
	refs = memdup_user(u64_to_user_ptr(arg->jobs), arg->count * sizeof(*refs));
	if (IS_ERR(refs))
		return PTR_ERR(refs);
	ret = memnet_results_wait(ctx, arg, refs);
	kfree(refs);
	return ret;
}

static long ioctl_cancel(struct memnet_context *ctx, const struct memnet_cancel *arg)
{
	struct memnet_endpoint *ep;
	struct socket *sock;
	struct sock *sk;
	u64 *word;
	int ret;

	if (arg->reserved || arg->result >= MEMNET_JOBS_MAX)
		return -EINVAL;
	word = memnet_result_word(ctx, arg->result);
	if (!word)
		return -ENOMEM;
	sock = sockfd_lookup(arg->fd, &ret);
	if (!sock)
		return ret;
	ret = -EOPNOTSUPP;
	if (READ_ONCE(sock->ops) == &memnet_stream_ops) {
		sk = sock->sk;
		lock_sock(sk);
		ep = memnet_sk(sk)->ep;
		ret = ep ? memnet_recv_job_cancel(ep, word) : -ENOENT;
		if (ep && ret == -ENOENT)
			ret = memnet_job_cancel(ep, word);
		release_sock(sk);
	}
	sockfd_put(sock);
	return ret;
}

static long ioctl_eventfd(struct memnet_context *ctx, const struct memnet_eventfd *arg)
{
	struct eventfd_ctx *eventfd = NULL;

	if (arg->fd < -1)
		return -EINVAL;
	if (arg->fd >= 0) {
		eventfd = eventfd_ctx_fdget(arg->fd);
		if (IS_ERR(eventfd))
			return PTR_ERR(eventfd);
	}
	spin_lock_bh(&ctx->event_lock);
	swap(ctx->eventfd, eventfd);
	spin_unlock_bh(&ctx->event_lock);
	if (eventfd)
		eventfd_ctx_put(eventfd);
	return 0;
}

/* How many jobs with MEMNET_OP_NOTIFY have finished since it was last read. */
static ssize_t context_read(struct file *file, char __user *user, size_t len, loff_t *pos)
{
	struct memnet_context *ctx = file->private_data;
	u64 n;

	if (len < sizeof(n))
		return -EINVAL;
	n = atomic64_xchg(&ctx->finished, 0);
	while (!n) {
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(ctx->wait, atomic64_read(&ctx->finished)))
			return -ERESTARTSYS;
		n = atomic64_xchg(&ctx->finished, 0);
	}
	return put_user(n, (u64 __user *)user) ?: sizeof(n);
}

static __poll_t context_poll(struct file *file, poll_table *wait)
{
	struct memnet_context *ctx = file->private_data;

	poll_wait(file, &ctx->wait, wait);
	smp_mb();	/* between joining the queue and looking, as wq_has_sleeper() expects */
	return atomic64_read(&ctx->finished) ? EPOLLIN | EPOLLRDNORM : 0;
}

static vm_fault_t context_fault(struct vm_fault *vmf)
{
	struct memnet_context *ctx = vmf->vma->vm_file->private_data;
	unsigned long i = vmf->pgoff;
	struct memnet_area *area;
	void *page = NULL;

	if (i < MEMNET_RESULT_PAGES) {
		page = memnet_result_word(ctx, i * MEMNET_RESULT_WORDS);
		if (!page)
			return VM_FAULT_OOM;
	} else if (i < MEMNET_RESULT_PAGES + MEMNET_AREAS) {
		area = READ_ONCE(ctx->areas[i - MEMNET_RESULT_PAGES]);
		page = area ? area->counters : NULL;
	}
	if (!page)
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(page);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct context_vm_ops = {
	.fault	= context_fault,
};

static int context_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_MAYWRITE);
	vma->vm_ops = &context_vm_ops;
	return 0;
}

/*
 * The argument of a call as the kernel knows it. All are of the first version, so nothing is
 * smaller; inline, because copies of a constant size cost least.
 */
static __always_inline int take_argument(void *arg, size_t known, const void __user *user)
{
	u32 size;

	if (get_user(size, (const u32 __user *)user))
		return -EFAULT;
	if (size == known)
		return copy_from_user(arg, user, known) ? -EFAULT : 0;
	if (size < known)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(arg, known, user, size);
}

static long call_register(struct memnet_context *ctx, struct memnet_register __user *user)
{
	struct memnet_register arg;
	long ret = take_argument(&arg, sizeof(arg), user) ?: ioctl_register(ctx, &arg);

	if (ret || !put_user(arg.region, &user->region))
		return ret;
	deregister(ctx, arg.region);	/* nobody knows the number */
	return -EFAULT;
}

static long call_direct(struct memnet_context *ctx, struct memnet_direct __user *user, bool recv)
{
	struct memnet_direct arg;
	long ret = take_argument(&arg, sizeof(arg), user) ?: ioctl_direct(ctx, &arg, recv);

	return ret ?: put_user(arg.done, &user->done);
}

/* The usual case of take_argument(), in less time; false for any other. */
static bool take_submit(struct memnet_submit *arg, struct memnet_submit __user *user)
{
	if (!user_access_begin(user, sizeof(*user)))
		return false;
	unsafe_get_user(arg->size, &user->size, fault);
	unsafe_get_user(arg->count, &user->count, fault);
	unsafe_get_user(arg->ops, &user->ops, fault);
	unsafe_get_user(arg->reserved, &user->reserved, fault);
	user_access_end();
	return arg->size == sizeof(*arg);
fault:
	user_access_end();
	return false;
}

static long call_submit(struct memnet_context *ctx, struct memnet_submit __user *user)
{
	struct memnet_submit arg __uninitialized;
	long ret = 0;

	if (!take_submit(&arg, user))
		ret = take_argument(&arg, sizeof(arg), user);
	if (!ret && (!arg.count || arg.reserved))
		ret = -EINVAL;
	if (!ret)
		ret = memnet_submit(ctx, u64_to_user_ptr(arg.ops), arg.count, false, &arg.done);
	return ret ?: put_user(arg.done, &user->done);
}

static long call_wait(struct memnet_context *ctx, struct memnet_wait __user *user)
{
	struct memnet_wait arg;
	long ret = take_argument(&arg, sizeof(arg), user) ?: ioctl_wait(ctx, &arg);

	return ret ?: put_user(arg.done, &user->done);
}

/* Apart, so that submitting does not pay for their arguments on the stack. */
static noinline long other_ioctl(struct memnet_context *ctx, unsigned int cmd, void __user *user)
{
	union {
		struct memnet_deregister dereg;
		struct memnet_cancel cancel;
		struct memnet_eventfd eventfd;
	} u;

	switch (cmd) {
	case MEMNET_IOC_WAIT:
		return call_wait(ctx, user);
	case MEMNET_IOC_SEND_DIRECT:
	case MEMNET_IOC_RECV_DIRECT:
		return call_direct(ctx, user, cmd == MEMNET_IOC_RECV_DIRECT);
	case MEMNET_IOC_REGISTER:
		return call_register(ctx, user);
	case MEMNET_IOC_DEREGISTER:
		return take_argument(&u.dereg, sizeof(u.dereg), user) ?:
		       deregister(ctx, u.dereg.region);
	case MEMNET_IOC_CANCEL:
		return take_argument(&u.cancel, sizeof(u.cancel), user) ?:
		       ioctl_cancel(ctx, &u.cancel);
	case MEMNET_IOC_EVENTFD:
		return take_argument(&u.eventfd, sizeof(u.eventfd), user) ?:
		       ioctl_eventfd(ctx, &u.eventfd);
	default:
		return -ENOTTY;
	}
}

static long context_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct memnet_context *ctx = file->private_data;
	void __user *user = (void __user *)arg;

	if (likely(cmd == MEMNET_IOC_SUBMIT))
		return call_submit(ctx, user);
	return other_ioctl(ctx, cmd, user);
}

static int context_open(struct inode *inode, struct file *file)
{
	struct memnet_context *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);

	if (!ctx)
		return -ENOMEM;
	xa_init_flags(&ctx->regions, XA_FLAGS_ALLOC1);
	ctx->next_region = 1;
	refcount_set(&ctx->refs, 1);
	mutex_init(&ctx->lock);
	init_waitqueue_head(&ctx->wait);
	spin_lock_init(&ctx->event_lock);
	init_llist_head(&ctx->spare);
	spin_lock_init(&ctx->spare_lock);
	file->private_data = ctx;
	return stream_open(inode, file);
}

static int context_release(struct inode *inode, struct file *file)
{
	struct memnet_context *ctx = file->private_data;
	struct memnet_region *region;
	unsigned long number;
	u32 i;

	xa_for_each(&ctx->regions, number, region) {
		memnet_region_retire(region);
		memnet_region_put(region);
	}
	xa_destroy(&ctx->regions);
	memnet_areas_collect(ctx, NULL);
	for (i = 0; i < MEMNET_AREAS && ctx->areas[i]; i++)
		memnet_area_put(ctx->areas[i]);
	memnet_context_put(ctx);
	return 0;
}

static const struct file_operations context_ops = {
	.owner		= THIS_MODULE,
	.open		= context_open,
	.release	= context_release,
	.read		= context_read,
	.poll		= context_poll,
	.mmap		= context_mmap,
	.unlocked_ioctl	= context_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.uring_cmd	= memnet_uring_cmd,
};

/* Anybody may use it: what it gives is bounded as that of verbs is, see direct.rst. */
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
