// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring without liburing; see uring.h.
 *
 * Entries are given to the kernel in the order of the ring, so the array of indexes is that of
 * the entries themselves. Completions are waited for by poll(), which leaves the ring's own wait
 * to the tests that want it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net.h"
#include "uring.h"

static void *ring_map(int fd, size_t size, off_t what)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	return map == MAP_FAILED ? NULL : map;
}

bool ring_open(struct ring *r, bool polled)
{
	struct io_uring_params p = {
		.flags = polled ? IORING_SETUP_SQPOLL : 0,
		.sq_thread_idle = 50,
	};
	char *sq, *cq;

	r->fd = (int)syscall(SYS_io_uring_setup, RING_ENTRIES, &p);
	if (r->fd < 0)
		return false;
	r->polled = polled;
	r->features = p.features;
	r->added = 0;
	r->sq_size = p.sq_off.array + p.sq_entries * sizeof(unsigned int);
	r->cq_size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	r->sqes_size = p.sq_entries * sizeof(struct io_uring_sqe);
	sq = ring_map(r->fd, r->sq_size, IORING_OFF_SQ_RING);
	cq = ring_map(r->fd, r->cq_size, IORING_OFF_CQ_RING);
	r->sqes = ring_map(r->fd, r->sqes_size, IORING_OFF_SQES);
	if (!sq || !cq || !r->sqes)
		return false;
	r->sq = sq;
	r->cq = cq;
	r->sq_tail = (unsigned int *)(sq + p.sq_off.tail);
	r->sq_mask = (unsigned int *)(sq + p.sq_off.ring_mask);
	r->sq_flags = (unsigned int *)(sq + p.sq_off.flags);
	r->sq_array = (unsigned int *)(sq + p.sq_off.array);
	r->cq_head = (unsigned int *)(cq + p.cq_off.head);
	r->cq_tail = (unsigned int *)(cq + p.cq_off.tail);
	r->cq_mask = (unsigned int *)(cq + p.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	return true;
}

/* The ring lives while it is mapped: what waits in it, too. */
void ring_close(struct ring *r)
{
	munmap(r->sqes, r->sqes_size);
	munmap(r->cq, r->cq_size);
	munmap(r->sq, r->sq_size);
	close(r->fd);
}

bool ring_knows(const struct ring *r, unsigned int opcode)
{
	struct io_uring_probe *probe;
	bool known = false;

	probe = calloc(1, sizeof(*probe) + 256 * sizeof(probe->ops[0]));
	if (probe && !syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_PROBE, probe, 256))
		known = opcode <= probe->last_op &&
			probe->ops[opcode].flags & IO_URING_OP_SUPPORTED;
	free(probe);
	return known;
}

void ring_add(struct ring *r, const struct io_uring_sqe *sqe, uint64_t mark)
{
	unsigned int tail = *r->sq_tail, i = tail & *r->sq_mask;

	r->sqes[i] = *sqe;
	r->sqes[i].user_data = mark;
	r->sq_array[i] = i;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	r->added++;
}

bool ring_enter(struct ring *r)
{
	unsigned int n = r->added;

	r->added = 0;
	if (!r->polled)
		return syscall(SYS_io_uring_enter, r->fd, n, 0, 0, NULL, 0) == n;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(r->sq_flags, __ATOMIC_RELAXED) & IORING_SQ_NEED_WAKEUP)
		return !syscall(SYS_io_uring_enter, r->fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);
	return true;
}

bool ring_submit(struct ring *r, const struct io_uring_sqe *sqe, uint64_t mark)
{
	ring_add(r, sqe, mark);
	return ring_enter(r);
}

bool ring_next(struct ring *r, int ms, struct io_uring_cqe *cqe)
{
	long end = now_ms() + ms;
	unsigned int head = *r->cq_head;

	while (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE)) {
		if (now_ms() > end)
			return false;
		wait_fd(r->fd, POLLIN, 50);
	}
	*cqe = r->cqes[head & *r->cq_mask];
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}

int ring_do(struct ring *r, const struct io_uring_sqe *sqe)
{
	static uint64_t mark = 1000;
	struct io_uring_cqe cqe;

	if (!ring_submit(r, sqe, ++mark) || !ring_next(r, RING_WAIT_MS, &cqe) ||
	    cqe.user_data != mark)
		return -ETIME;
	return cqe.res;
}
