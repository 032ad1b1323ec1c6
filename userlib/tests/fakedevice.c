// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/memnet for test-man.sh: preloaded, it answers where the kernel would. Sockets are native ones, for the family that it
 * tells is AF_INET. There is one context.
 *
 * A thread is the node: every millisecond it does what it can, without waiting, of the oldest job of each socket and
 * direction. A job that has sent all its bytes is over by the counter of its socket, any other by its result word.
 * A command of io_uring is done when liburing submits it, and a NOP in its place has the result.
 */
#include <dlfcn.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/memnet.h>
#if __has_include(<liburing.h>)
#include <liburing.h>
#define HAVE_URING 1
#endif

#define REGIONS 16
#define SOCKETS 64
#define JOBS	512

struct job {
	struct memnet_op op;
	uint64_t done;
	bool cancelled;
};

static struct memnet_register regions[REGIONS];	/* number 1 is the first; of no bytes: none */
static int context = -1, events = -1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* the following */
static struct job jobs[JOBS];					/* under way, oldest first */
static unsigned int n_jobs;
static uint64_t positions[SOCKETS];				/* bytes that jobs were to send */
static uint64_t *results, *counters;

static char *place(uint32_t region, uint64_t offset, uint64_t len, bool write)
{
	const struct memnet_register *r = &regions[region - 1];

	if (!region || region > REGIONS || !r->len)
		errno = ENOENT;
	else if (write && !(r->flags & MEMNET_REGION_RECV))
		errno = EACCES;
	else if (offset > r->len || len > r->len - offset)
		errno = EINVAL;
	else
		return (char *)(uintptr_t)r->addr + offset;
	return NULL;
}

static void over(const struct job *j, int error)
{
	if (j->op.opcode == MEMNET_OP_SEND && j->done == j->op.len)
		__atomic_store_n(&counters[j->op.counter], htole64(j->op.end), __ATOMIC_RELEASE);
	else
		__atomic_store_n(&results[j->op.result], MEMNET_RESULT_OVER | (uint64_t)error << 48 | j->done,
				 __ATOMIC_RELEASE);
	if (j->op.flags & MEMNET_OP_NOTIFY) {
		eventfd_write(context, 1);
		if (events >= 0)
			eventfd_write(events, 1);
	}
}

/* Whether it is over by what can be done without waiting. */
static bool get_on(struct job *j)
{
	bool sends = j->op.opcode == MEMNET_OP_SEND;
	char *at = place(j->op.region, j->op.offset, j->op.len, !sends);
	ssize_t n;

	if (!at) {
		over(j, ECANCELED);
		return true;
	}
	if (sends)
		n = send(j->op.fd, at + j->done, j->op.len - j->done, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = recv(j->op.fd, at + j->done, j->op.len - j->done, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN) {
		if (j->cancelled)
			over(j, ECANCELED);
		return j->cancelled;
	}
	if (n > 0)
		j->done += (uint64_t)n;
	if (n <= 0 || j->done == j->op.len || (!sends && !(j->op.flags & MEMNET_OP_WAITALL))) {
		over(j, n < 0 ? errno : 0);
		return true;
	}
	return false;
}

static bool is_first(unsigned int i)
{
	unsigned int k;

	for (k = 0; k < i; k++)
		if (jobs[k].op.fd == jobs[i].op.fd && jobs[k].op.opcode == jobs[i].op.opcode)
			return false;
	return true;
}

static void *node(void *unused)
{
	unsigned int i;

	(void)unused;
	for (;;) {
		usleep(1000);
		pthread_mutex_lock(&lock);
		for (i = 0; i < n_jobs;)
			if (is_first(i) && get_on(&jobs[i]))
				memmove(&jobs[i], &jobs[i + 1], (--n_jobs - i) * sizeof(jobs[0]));
			else
				i++;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static int refusal(const struct memnet_op *op)
{
	int type;

	if (op->opcode != MEMNET_OP_SEND && op->opcode != MEMNET_OP_RECV)
		return EINVAL;
	if (!place(op->region, op->offset, op->len, op->opcode == MEMNET_OP_RECV))
		return errno;
	if (getsockopt(op->fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){ sizeof(type) }))
		return errno;
	return op->fd >= SOCKETS || n_jobs == JOBS ? EAGAIN : 0;
}

/* How many were taken, or a negative errno. */
static int submit(struct memnet_op *ops, unsigned int n)
{
	unsigned int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < n; i++) {
		struct memnet_op *op = &ops[i];

		op->error = (uint32_t)refusal(op);
		if (op->error)
			break;
		op->counter = MEMNET_NO_COUNTER;
		if (op->opcode == MEMNET_OP_SEND) {
			op->counter = (uint32_t)op->fd;
			op->end = 1ULL << 48 | (positions[op->fd] += op->len);
		}
		__atomic_store_n(&results[op->result], 0, __ATOMIC_RELAXED);
		jobs[n_jobs++] = (struct job){ .op = *op };
	}
	pthread_mutex_unlock(&lock);
	return i || !n ? (int)i : -(int)ops[0].error;
}

static bool is_over(const struct memnet_job_ref *r)
{
	uint64_t word;

	if (__atomic_load_n(&results[r->result], __ATOMIC_ACQUIRE) & MEMNET_RESULT_OVER)
		return true;
	if (r->counter == MEMNET_NO_COUNTER)
		return false;
	word = le64toh(__atomic_load_n(&counters[r->counter], __ATOMIC_ACQUIRE));
	return word >> 48 == r->end >> 48 && word >= r->end;
}

static int wait_for(struct memnet_wait *w)
{
	const struct memnet_job_ref *refs = (struct memnet_job_ref *)(uintptr_t)w->jobs;
	struct timespec now;
	unsigned int i;

	for (;;) {
		for (w->done = 0, i = 0; i < w->count; i++)
			w->done += is_over(&refs[i]);
		if (w->done >= (w->flags & MEMNET_WAIT_ALL ? w->count : 1))
			return 0;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (w->timeout >= 0 && now.tv_sec * 1000000000LL + now.tv_nsec >= w->timeout)
			return ETIME;
		usleep(1000);
	}
}

static int cancel(const struct memnet_cancel *c)
{
	int ret = ENOENT;
	unsigned int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < n_jobs; i++)
		if (jobs[i].op.result == c->result && jobs[i].op.fd == c->fd) {
			ret = jobs[i].op.opcode == MEMNET_OP_SEND ? EBUSY : 0;
			jobs[i].cancelled = !ret;
		}
	pthread_mutex_unlock(&lock);
	return ret;
}

static int direct(struct memnet_direct *d, bool sends)
{
	char *at = place(d->region, d->offset, d->len, !sends);
	ssize_t n;

	if (!at)
		return errno;
	n = sends ? send(d->fd, at, d->len, MSG_NOSIGNAL) :
	    recv(d->fd, at, d->len, d->flags & MEMNET_DIRECT_WAITALL ? MSG_WAITALL : 0);
	d->done = n > 0 ? (uint64_t)n : 0;
	return n < 0 ? errno : 0;
}

static int register_region(struct memnet_register *r)
{
	for (r->region = 1; r->region <= REGIONS; r->region++)
		if (!regions[r->region - 1].len) {
			regions[r->region - 1] = *r;
			return 0;
		}
	return ENOSPC;
}

static int deregister(const struct memnet_deregister *d)
{
	if (!place(d->region, 0, 0, false))
		return errno;
	regions[d->region - 1].len = 0;
	return 0;
}

/* 0 or an errno. */
static int answer(unsigned long request, void *arg)
{
	struct memnet_submit *s = arg;
	int n;

	switch (request) {
	case MEMNET_IOC_REGISTER:
		return register_region(arg);
	case MEMNET_IOC_DEREGISTER:
		return deregister(arg);
	case MEMNET_IOC_SEND_DIRECT:
	case MEMNET_IOC_RECV_DIRECT:
		return direct(arg, request == MEMNET_IOC_SEND_DIRECT);
	case MEMNET_IOC_SUBMIT:
		n = submit((struct memnet_op *)(uintptr_t)s->ops, s->count);
		s->done = n < 0 ? 0 : (uint32_t)n;
		return n < 0 ? -n : 0;
	case MEMNET_IOC_WAIT:
		return wait_for(arg);
	case MEMNET_IOC_CANCEL:
		return cancel(arg);
	case MEMNET_IOC_EVENTFD:
		events = ((struct memnet_eventfd *)arg)->fd;
		return 0;
	default:
		return ENOTTY;
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (context < 0 || fd != context)
		return (int)syscall(SYS_ioctl, fd, request, arg);
	errno = answer(request, arg);
	return errno ? -1 : 0;
}

int open(const char *path, int flags, ...)
{
	unsigned int mode;
	pthread_t thread;
	va_list args;
	int fd;

	va_start(args, flags);
	mode = va_arg(args, unsigned int);
	va_end(args);
	if (!strcmp(path, "/sys/module/memnet/parameters/family")) {
		fd = memfd_create("family", 0);
		return write(fd, "2\n", 2) == 2 && !lseek(fd, 0, SEEK_SET) ? fd : -1;
	}
	if (strcmp(path, "/dev/memnet"))
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	fd = memfd_create("results", 0);
	if (ftruncate(fd, MEMNET_MAP_SIZE))
		return -1;
	results = mmap(NULL, MEMNET_MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	counters = results + MEMNET_MAP_COUNTERS / sizeof(*results);
	dup2(fd, SOCKETS);
	close(fd);
	context = eventfd(0, EFD_CLOEXEC);
	return pthread_create(&thread, NULL, node, NULL) ? -1 : context;
}

/* The context is an eventfd; what it maps is beside it. */
void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd >= 0 && fd == context ? SOCKETS : fd, offset);
}

#ifdef HAVE_URING
int io_uring_submit(struct io_uring *ring)
{
	int (*real)(struct io_uring *) = (int (*)(struct io_uring *))dlsym(RTLD_NEXT, "io_uring_submit");
	uint64_t mark = (uintptr_t)&mark, was = 0;
	struct memnet_uring_submit arg;
	unsigned int i;
	int res = 0, ret;

	for (i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++) {
		struct io_uring_sqe *sqe = &ring->sq.sqes[i & *ring->sq.kring_mask];

		if (sqe->opcode != IORING_OP_URING_CMD || sqe->fd != context || sqe->cmd_op != MEMNET_URING_SUBMIT)
			continue;
		memcpy(&arg, (char *)sqe + offsetof(struct io_uring_sqe, cmd), sizeof(arg));
		res = submit((struct memnet_op *)(uintptr_t)arg.ops, arg.count);
		was = sqe->user_data;
		memset(sqe, 0, sizeof(*sqe));
		sqe->opcode = IORING_OP_NOP;
		sqe->user_data = mark;
	}
	ret = real(ring);
	for (i = *ring->cq.khead; i != __atomic_load_n(ring->cq.ktail, __ATOMIC_ACQUIRE); i++) {
		struct io_uring_cqe *cqe = &ring->cq.cqes[i & *ring->cq.kring_mask];

		if (cqe->user_data == mark) {
			cqe->user_data = was;
			cqe->res = res;
		}
	}
	return ret;
}
#endif
