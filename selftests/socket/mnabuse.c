// SPDX-License-Identifier: GPL-2.0
/*
 * mnabuse: /dev/memnet with arguments nobody means.
 *
 *	mnabuse [options] [--calls N] [--seed N]
 *
 * Four threads call it N times in all (100000; 0: until killed), with contexts, sockets, regions and result words they
 * share, right, wrong and just beside; and by io_uring, each with a ring of its own, which is closed with whatever waits in it.
 * Memory is unmapped, remapped and written to meanwhile, descriptors are closed, children are forked and die; every thread is
 * interrupted many times a second, so that nothing waits for ever. Prints what the calls said, and what the rings; exit status
 * 0 if each came back.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/memnet.h>

#include "net.h"
#include "pattern.h"
#include "peer.h"
#include "tested.h"

#define THREADS 4
#define CONTEXTS 3
#define SOCKETS 12
#define BLOCKS 8
#define BLOCK (1UL << 20)
#define STUCK_MS 60000
#define TICK_NS 20000000
#define ENTRIES 16	/* of a ring */

static _Atomic int contexts[CONTEXTS], sockets[SOCKETS], events[CONTEXTS];
static char *blocks[BLOCKS];
static _Atomic uint64_t regions[64];	/* context and number */
static _Atomic unsigned int next_region;
static unsigned long calls = 100000;
static _Atomic unsigned long made;
static unsigned long long seed;

/* What is mapped of a ring is gone with it. */
struct ring {
	int fd;			/* 0 for none */
	bool polled;		/* a kernel thread submits */
	struct io_uring_params p;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
	uint64_t told;		/* read from contexts */
};

static struct worker {
	pthread_t thread;
	uint64_t random;
	_Atomic long since;
	const char *_Atomic call;
	unsigned int context;	/* which is most likely meant */
	unsigned long said[4096], rings_said[4096];
	struct memnet_op ops[16384];	/* few are filled in: a count may lie */
	struct ring ring;
} workers[THREADS];

static uint64_t below(struct worker *w, uint64_t n)
{
	return random_range(&w->random, 0, n - 1);
}

static bool one_in(struct worker *w, unsigned int n)
{
	return !below(w, n);
}

/* Numbers at which things break. */
static uint64_t odd(struct worker *w)
{
	static const uint64_t edges[] = { 0, 1, 7, 8, 40, 4095, 4096, 65535, 65536, 0x7fffffff, 0x80000000,
					  0xffffffff, 1ULL << 40, (1ULL << 40) + 1, 1ULL << 47, ~0ULL >> 1, 1ULL << 63 };
	uint64_t x = edges[below(w, sizeof(edges) / sizeof(edges[0]))];

	switch (below(w, 4)) {
	case 0:
		return random_next(&w->random);
	case 1:
		return x + below(w, 3) - 1;
	case 2:
		return -x;
	default:
		return x;
	}
}

static int context(struct worker *w)
{
	if (one_in(w, 10))
		w->context = below(w, CONTEXTS);
	return one_in(w, 100) ? (int)odd(w) : contexts[w->context];
}

static int sock(struct worker *w)
{
	return one_in(w, 50) ? (int)odd(w) : sockets[below(w, SOCKETS)];
}

static uint32_t region(struct worker *w)
{
	uint64_t r = regions[below(w, 64)];

	w->context = r >> 32;
	return one_in(w, 20) ? odd(w) : r;
}

static uint64_t address(struct worker *w)
{
	if (one_in(w, 10))
		return odd(w);
	return (uintptr_t)blocks[below(w, BLOCKS)] + (one_in(w, 2) ? below(w, BLOCK) : 4096 * below(w, BLOCK / 4096));
}

static uint64_t length(struct worker *w)
{
	return one_in(w, 10) ? odd(w) : one_in(w, 2) ? below(w, 5000) : below(w, BLOCK);
}

static uint32_t size(struct worker *w, size_t right)
{
	return one_in(w, 20) ? odd(w) : right;
}

static uint32_t flags(struct worker *w, uint32_t known)
{
	return one_in(w, 20) ? odd(w) : random_next(&w->random) & known;
}

static uint32_t reserved(struct worker *w)
{
	return one_in(w, 50) ? odd(w) : 0;
}

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

/* What a call said; ioctls are made with the structure at its end of a page, or at no address at all. */
static long call(struct worker *w, const char *name, unsigned long number, void *arg)
{
	long ret;

	w->since = now();
	w->call = name;
	ret = ioctl(context(w), one_in(w, 100) ? odd(w) : number, one_in(w, 50) ? (void *)address(w) : arg);
	ret = ret < 0 ? errno : 0;
	w->call = NULL;
	w->said[ret < 4096 ? ret : 4095]++;
	return ret;
}

static void do_register(struct worker *w)
{
	struct memnet_register arg = { size(w, sizeof(arg)), flags(w, 1), address(w), length(w), 0, reserved(w) };

	if (!call(w, "register", MEMNET_IOC_REGISTER, &arg))
		regions[next_region++ % 64] = (uint64_t)w->context << 32 | arg.region;
}

static void do_deregister(struct worker *w)
{
	struct memnet_deregister arg = { size(w, sizeof(arg)), region(w) };

	call(w, "deregister", MEMNET_IOC_DEREGISTER, &arg);
}

static void do_direct(struct worker *w)
{
	bool recv = one_in(w, 2);
	struct memnet_direct arg = {
		.size = size(w, sizeof(arg)),
		.flags = flags(w, recv ? 0x1c : 0x7) | (recv ? 0 : one_in(w, 50) ? 0 : MEMNET_DIRECT_NOSIGNAL),
		.fd = sock(w),
		.region = region(w),
		.offset = one_in(w, 2) ? 0 : length(w),
		.len = length(w),
	};

	call(w, recv ? "recv_direct" : "send_direct", recv ? MEMNET_IOC_RECV_DIRECT : MEMNET_IOC_SEND_DIRECT, &arg);
}

/* A ring may still be at those that were there before. */
static void fill_ops(struct worker *w)
{
	int fd = sock(w);
	unsigned int i;

	for (i = 0; i < 40; i++)
		w->ops[i] = (struct memnet_op){
			.opcode = one_in(w, 50) ? odd(w) : 1 + below(w, 2),
			.flags = flags(w, 7),
			.fd = one_in(w, 10) ? sock(w) : fd,
			.region = region(w),
			.result = one_in(w, 20) ? odd(w) : below(w, 1000),
			.offset = one_in(w, 2) ? 0 : length(w),
			.len = length(w),
		};
}

static void do_submit(struct worker *w)
{
	struct memnet_submit arg = {
		.size = size(w, sizeof(arg)),
		.count = one_in(w, 20) ? odd(w) : below(w, 40) + 1,
		.ops = one_in(w, 20) ? address(w) : (uintptr_t)w->ops,
		.reserved = reserved(w),
	};

	fill_ops(w);
	call(w, "submit", MEMNET_IOC_SUBMIT, &arg);
}

static void do_wait(struct worker *w)
{
	struct memnet_job_ref refs[16];
	struct memnet_wait arg = {
		.size = size(w, sizeof(arg)),
		.flags = flags(w, 1),
		.jobs = one_in(w, 20) ? address(w) : (uintptr_t)refs,
		.count = one_in(w, 20) ? odd(w) : below(w, 16) + 1,
		.timeout = one_in(w, 5) ? (int64_t)odd(w) : (int64_t)(now() * 1000000 + below(w, 30000000)),
	};
	unsigned int i;

	for (i = 0; i < 16; i++)
		refs[i] = (struct memnet_job_ref){ one_in(w, 20) ? odd(w) : below(w, 1000),
						   one_in(w, 5) ? odd(w) : below(w, 16), odd(w) };
	call(w, "wait", MEMNET_IOC_WAIT, &arg);
}

static void do_cancel(struct worker *w)
{
	struct memnet_cancel arg = { size(w, sizeof(arg)), sock(w), one_in(w, 20) ? odd(w) : below(w, 1000),
				     reserved(w) };

	call(w, "cancel", MEMNET_IOC_CANCEL, &arg);
}

static void do_eventfd(struct worker *w)
{
	struct memnet_eventfd arg = { size(w, sizeof(arg)), one_in(w, 20) ? (int)odd(w) : one_in(w, 4) ? -1 :
				      events[below(w, CONTEXTS)] };

	call(w, "eventfd", MEMNET_IOC_EVENTFD, &arg);
}

/* ---- io_uring ---- */

static unsigned int *word(char *map, unsigned int offset)
{
	return (unsigned int *)(map + offset);
}

static size_t sq_bytes(const struct ring *r)
{
	return r->p.sq_off.array + r->p.sq_entries * sizeof(unsigned int);
}

static size_t cq_bytes(const struct ring *r)
{
	return r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe);
}

static size_t sqe_bytes(const struct ring *r)
{
	return r->p.sq_entries * sizeof(struct io_uring_sqe);
}

static void unmap(void *at, size_t bytes)
{
	if (at && at != MAP_FAILED)
		munmap(at, bytes);
}

static void ring_close(struct worker *w)
{
	struct ring *r = &w->ring;

	if (!r->fd)
		return;
	unmap(r->sq, sq_bytes(r));
	unmap(r->cq, cq_bytes(r));
	unmap(r->sqes, sqe_bytes(r));
	w->since = now();
	w->call = "close of a ring";
	close(r->fd);
	w->call = NULL;
	r->fd = 0;
}

static bool ring_open(struct worker *w)
{
	struct ring *r = &w->ring;
	int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;

	*r = (struct ring){ .polled = one_in(w, 8) };
	r->p.flags = r->polled ? IORING_SETUP_SQPOLL : 0;
	r->p.sq_thread_idle = 20;
	r->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &r->p);
	if (r->fd < 0) {
		w->rings_said[errno]++;
		r->fd = 0;
		return false;
	}
	r->sq = mmap(NULL, sq_bytes(r), prot, flags, r->fd, IORING_OFF_SQ_RING);
	r->cq = mmap(NULL, cq_bytes(r), prot, flags, r->fd, IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, sqe_bytes(r), prot, flags, r->fd, IORING_OFF_SQES);
	if (r->sq != MAP_FAILED && r->cq != MAP_FAILED && (void *)r->sqes != MAP_FAILED)
		return true;
	ring_close(w);
	return false;
}

/* Mostly a submission; now and then what waits for a context, or ends what others do in the ring. */
static void fill_sqe(struct worker *w, struct io_uring_sqe *sqe)
{
	struct memnet_uring_submit arg = {
		.ops = one_in(w, 20) ? address(w) : (uintptr_t)w->ops,
		.count = one_in(w, 20) ? odd(w) : below(w, 40) + 1,
		.reserved = reserved(w),
	};

	*sqe = (struct io_uring_sqe){ .fd = context(w), .user_data = below(w, ENTRIES) };
	if (one_in(w, 3))
		sqe->flags = IOSQE_ASYNC;
	switch (below(w, 8)) {
	case 0:
		sqe->opcode = IORING_OP_POLL_ADD;
		sqe->poll32_events = POLLIN;
		break;
	case 1:
		sqe->opcode = IORING_OP_READ;
		sqe->addr = (uintptr_t)&w->ring.told;
		sqe->len = one_in(w, 10) ? (uint32_t)below(w, 9) : 8;
		sqe->off = -1ULL;
		break;
	case 2:
		sqe->opcode = IORING_OP_ASYNC_CANCEL;
		sqe->fd = -1;
		sqe->addr = below(w, ENTRIES);
		sqe->cancel_flags = one_in(w, 4) ? IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL : 0;
		break;
	default:
		sqe->opcode = IORING_OP_URING_CMD;
		sqe->cmd_op = one_in(w, 50) ? (uint32_t)odd(w) :
			      one_in(w, 50) ? MEMNET_IOC_SUBMIT : MEMNET_URING_SUBMIT;
		/* its place is in the entry, behind what has a type */
		memcpy((char *)sqe + offsetof(struct io_uring_sqe, cmd), &arg, sizeof(arg));
	}
}

/* What the ring says is counted; what it has not said when it is closed nobody hears. */
static void ring_reap(struct worker *w)
{
	struct ring *r = &w->ring;
	unsigned int head = *word(r->cq, r->p.cq_off.head);
	unsigned int tail = __atomic_load_n(word(r->cq, r->p.cq_off.tail), __ATOMIC_ACQUIRE);
	struct io_uring_cqe *cqes = (struct io_uring_cqe *)(r->cq + r->p.cq_off.cqes);

	for (; head != tail; head++) {
		int res = cqes[head & (r->p.cq_entries - 1)].res;

		w->rings_said[res >= 0 ? 0 : res > -4096 ? -res : 4095]++;
	}
	__atomic_store_n(word(r->cq, r->p.cq_off.head), head, __ATOMIC_RELEASE);
}

static void do_uring(struct worker *w)
{
	struct ring *r = &w->ring;
	unsigned int head, tail, mask, n = (unsigned int)below(w, 4) + 1, added = 0;

	if (r->fd && one_in(w, 50))
		ring_close(w);
	if (!r->fd && !ring_open(w))
		return;
	fill_ops(w);
	mask = r->p.sq_entries - 1;
	tail = *word(r->sq, r->p.sq_off.tail);
	head = __atomic_load_n(word(r->sq, r->p.sq_off.head), __ATOMIC_ACQUIRE);
	for (; added < n && tail - head < r->p.sq_entries; added++, tail++) {
		fill_sqe(w, &r->sqes[tail & mask]);
		word(r->sq, r->p.sq_off.array)[tail & mask] = tail & mask;
	}
	__atomic_store_n(word(r->sq, r->p.sq_off.tail), tail, __ATOMIC_RELEASE);
	w->since = now();
	w->call = "io_uring_enter";
	if (syscall(SYS_io_uring_enter, r->fd, tail - head, one_in(w, 4),
		    IORING_ENTER_GETEVENTS | (r->polled ? IORING_ENTER_SQ_WAKEUP : 0), NULL, 0) < 0)
		w->said[errno]++;
	else
		w->said[0]++;
	w->call = NULL;
	ring_reap(w);
}

/* The calls every socket has, among the others. */
static void do_ordinary(struct worker *w)
{
	char *at = blocks[below(w, BLOCKS)] + below(w, BLOCK / 2);
	size_t len = below(w, BLOCK / 2);
	ssize_t n;

	w->since = now();
	w->call = "send or recv";
	if (one_in(w, 2))
		n = send(sock(w), at, len, MSG_NOSIGNAL);
	else
		n = recv(sock(w), at, len, one_in(w, 3) ? MSG_WAITALL : 0);
	w->call = NULL;
	w->said[n < 0 ? errno : 0]++;
}

static void do_file(struct worker *w)
{
	size_t len = one_in(w, 3) ? odd(w) : MEMNET_MAP_SIZE;
	off_t offset = one_in(w, 5) ? 4096 * below(w, 200) : 0;
	char *map;
	char buf[16];
	int fd = context(w);
	struct pollfd polls[2] = { { fd, POLLIN }, { events[below(w, CONTEXTS)], POLLIN } };

	w->since = now();
	w->call = "read, poll or mmap";
	switch (below(w, 3)) {
	case 0:
		if (read(one_in(w, 4) ? polls[1].fd : fd, buf, below(w, 16)) < 0)
			w->said[errno]++;
		break;
	case 1:
		if (poll(polls, 2, (int)below(w, 50)) < 0)
			w->said[errno]++;
		break;
	default:
		map = mmap(NULL, len, PROT_READ | (one_in(w, 5) ? PROT_WRITE : 0),
			   one_in(w, 3) ? MAP_PRIVATE : MAP_SHARED, fd, offset);
		if (map != MAP_FAILED) {
			/* the kernel looks, which does not mind if there is nothing */
			if (access(map, F_OK))
				w->said[errno]++;
			munmap(map, len);
		}
	}
	w->call = NULL;
}

/* The memory under regions changes: written to, gone and back, read-only, shared with a file. */
static void do_memory(struct worker *w)
{
	char *block = blocks[below(w, BLOCKS)];
	int file;

	switch (below(w, 6)) {
	case 0:
		mmap(block, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 1:
		mmap(block, BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 2:
		mprotect(block, BLOCK / 2, PROT_READ);
		break;
	case 3:
		file = memfd_create("mnabuse", MFD_CLOEXEC);
		if (file >= 0 && !ftruncate(file, BLOCK / 2))
			mmap(block, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
		close(file);
		break;
	case 4:
		madvise(block, BLOCK, MADV_DONTNEED);
		break;
	default:
		/* by the kernel, which minds no fault */
		file = open("/dev/zero", O_RDONLY | O_CLOEXEC);
		if (read(file, block + below(w, BLOCK - 5000), 5000) < 0)
			w->said[errno]++;
		close(file);
	}
}

static void ticks(bool on)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(on ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
}

static int new_socket(unsigned int kind)
{
	static const char *const words[] = { "sink", "echo", "never-read", "source 3000000 7", "sink", "idle",
					     "data-rst 50000 7", "rst-after 100000" };
	/* closed with bytes that such a peer does not read, a connection would stay for a minute or two */
	struct linger linger = { .l_onoff = kind == 1 || kind == 2 || kind == 5 };
	struct timeval tv = { .tv_usec = 50000 };
	int fd = -1;

	ticks(false);
	if (kind < 8)
		fd = peer_open("%s", words[kind]);
	else if (kind == 8)
		fd = tested_socket(SOCK_CLOEXEC);
	else if (kind == 9)
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	else if (kind == 10)
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	else
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	ticks(true);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

/* Descriptors come and go, with whatever is under way. */
static void do_descriptor(struct worker *w)
{
	unsigned int i = below(w, SOCKETS);
	int old;

	if (one_in(w, 10)) {
		old = atomic_exchange(&contexts[below(w, CONTEXTS)], open("/dev/memnet", O_RDWR | O_CLOEXEC));
	} else if (one_in(w, 10)) {
		old = atomic_exchange(&events[below(w, CONTEXTS)], eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	} else if (one_in(w, 5)) {
		struct sockaddr none = { .sa_family = AF_UNSPEC };

		connect(sockets[i], &none, sizeof(none));
		return;
	} else if (one_in(w, 3)) {
		shutdown(sockets[i], (int)below(w, 3));
		return;
	} else if (one_in(w, 3)) {
		fcntl(sockets[i], F_SETFL, one_in(w, 2) ? O_NONBLOCK : 0);
		return;
	} else {
		old = atomic_exchange(&sockets[i], new_socket(i));
	}
	w->since = now();
	w->call = "close";
	close(old);
	w->call = NULL;
}

/* A child has everything, too; it writes to some of it, and dies. */
static void do_child(struct worker *w)
{
	pid_t child = fork();

	if (!child) {
		struct memnet_deregister arg = { sizeof(arg), region(w) };

		ioctl(contexts[0], MEMNET_IOC_DEREGISTER, &arg);
		if (one_in(w, 2))
			raise(SIGKILL);
		_exit(0);
	}
	w->since = now();
	w->call = "waiting for a child";
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	w->call = NULL;
}

static void *work(void *arg)
{
	static void (*const common[])(struct worker *w) = { do_register, do_deregister, do_direct, do_submit, do_submit,
							   do_wait, do_cancel, do_direct, do_ordinary, do_eventfd, do_uring };
	struct worker *w = arg;
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };
	struct itimerspec tick = { { 0, TICK_NS }, { 0, TICK_NS } };
	timer_t timer;

	event._sigev_un._tid = (int)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &tick, NULL)) {
		perror("mnabuse: timer");
		exit(1);
	}
	while (!calls || made++ < calls) {
		if (one_in(w, 20))
			do_memory(w);
		else if (one_in(w, 20))
			do_file(w);
		else if (one_in(w, 100))
			do_descriptor(w);
		else if (one_in(w, 2000))
			do_child(w);
		else
			common[below(w, sizeof(common) / sizeof(common[0]))](w);
	}
	ring_close(w);
	timer_delete(timer);
	return NULL;
}

static void tick(int number)
{
	(void)number;
}

/* Every thread must come back from every call, a little later than it is interrupted. */
static void watch(void)
{
	bool running = true;
	unsigned int i;

	while (running) {
		usleep(100000);
		running = !calls || made < calls + THREADS;
		for (i = 0; i < THREADS; i++) {
			const char *name = workers[i].call;

			if (name && now() - workers[i].since > STUCK_MS) {
				printf("stuck in %s\n", name);
				fflush(stdout);
				_exit(1);
			}
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		TESTED_OPTIONS,
		{ "calls", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ 0 }
	};
	struct sigaction action = { .sa_handler = tick };
	unsigned long total = 0, good = 0, rings = 0;
	unsigned int i, e;
	int opt;

	seed = (unsigned long long)time(NULL);
	while ((opt = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (opt == 'n') {
			calls = strtoul(optarg, NULL, 0);
		} else if (opt == 's') {
			seed = strtoull(optarg, NULL, 0);
		} else if (!tested_option(opt, optarg)) {
			fprintf(stderr, "usage: mnabuse [options]\n" TESTED_USAGE
				"      --calls N            100000; 0: until killed\n"
				"      --seed N             repeat a run\n");
			return 2;
		}
	}
	if (!tested_complete("mnabuse"))
		return 2;
	printf("seed %llu\n", seed);
	fflush(stdout);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGALRM, &action, NULL);
	for (i = 0; i < BLOCKS; i++)
		blocks[i] = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < CONTEXTS; i++) {
		contexts[i] = open("/dev/memnet", O_RDWR | O_CLOEXEC);
		events[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
	for (i = 0; i < SOCKETS; i++)
		sockets[i] = new_socket(i);
	for (i = 0; i < THREADS; i++) {
		workers[i].random = seed * THREADS + i + 1;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 1;
	}
	ticks(false);
	watch();
	for (i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		for (e = 0; e < 4096; e++)
			total += workers[i].said[e];
		good += workers[i].said[0];
		rings += workers[i].rings_said[0];
	}
	for (e = 1; e < 4096; e++) {
		unsigned long n = 0;

		for (i = 0; i < THREADS; i++)
			n += workers[i].rings_said[e];
		if (n)
			printf("%s=%lu ", errno_name((int)e), n);
	}
	printf("from the rings\ncalls=%lu good=%lu rings=%lu", total, good, rings);
	for (e = 1; e < 4096; e++) {
		unsigned long n = 0;

		for (i = 0; i < THREADS; i++)
			n += workers[i].said[e];
		if (n)
			printf(" %s=%lu", errno_name((int)e), n);
	}
	printf("\n");
	return 0;
}
