// SPDX-License-Identifier: GPL-2.0
/*
 * What io_uring's tests are made of; see uring_fixture.h.
 */
#include "fixture.h"
#include "uring_fixture.h"

#define CANCEL 900	/* the mark of what cancels */

struct ring ring;

void ring_begin(bool polled)
{
	if (ring_open(&ring, polled))
		return;
	if (errno == ENOSYS || errno == EPERM)
		SKIP("no io_uring here");
	FAIL("io_uring_setup: %s", errno_name(errno));
}

void ring_needs(unsigned int opcode, const char *name)
{
	if (!ring_knows(&ring, opcode))
		SKIP("this kernel's io_uring has no %s", name);
}

struct io_uring_sqe entry(unsigned int opcode, int fd, const void *addr, size_t len)
{
	struct io_uring_sqe sqe = {
		.opcode = (uint8_t)opcode,
		.fd = fd,
		.len = (uint32_t)len,
	};

	sqe.addr = (uintptr_t)addr;
	return sqe;
}

void submit(const struct io_uring_sqe *sqe, uint64_t mark)
{
	CHECK(ring_submit(&ring, sqe, mark));
}

struct io_uring_cqe next_of(uint64_t mark)
{
	struct io_uring_cqe cqe;

	CHECK(ring_next(&ring, RING_WAIT_MS, &cqe));
	EQ(cqe.user_data, mark);
	return cqe;
}

int result_of(uint64_t mark)
{
	return next_of(mark).res;
}

void expect_waiting(void)
{
	struct io_uring_cqe cqe;

	if (ring_next(&ring, 20, &cqe))
		FAIL("%lld came back with %d", (long long)cqe.user_data, cqe.res);
}

void cancel(uint64_t mark)
{
	struct io_uring_sqe sqe = entry(IORING_OP_ASYNC_CANCEL, -1, NULL, 0);
	struct io_uring_cqe cqe;
	int i;

	sqe.addr = mark;
	submit(&sqe, CANCEL);
	for (i = 0; i < 2; i++) {
		CHECK(ring_next(&ring, RING_WAIT_MS, &cqe));
		if (cqe.user_data == CANCEL) {
			CHECK(!cqe.res || cqe.res == -EALREADY);
			continue;
		}
		EQ(cqe.user_data, mark);
		CHECK(cqe.res == -ECANCELED || cqe.res == -EINTR);
		EQ(cqe.flags & IORING_CQE_F_MORE, 0);
	}
}

int do_data(unsigned int opcode, int fd, const void *buf, size_t len, int flags)
{
	struct io_uring_sqe sqe = entry(opcode, fd, buf, len);

	sqe.msg_flags = (uint32_t)flags;
	return ring_do(&ring, &sqe);
}

void echo_by_ring(int fd, unsigned int seed)
{
	char out[3000], in[3000];

	pattern_fill(seed, 0, out, sizeof(out));
	EQ(do_data(IORING_OP_SEND, fd, out, sizeof(out), 0), sizeof(out));
	EQ(do_data(IORING_OP_RECV, fd, in, sizeof(in), MSG_WAITALL), sizeof(in));
	EQ(pattern_check(seed, 0, in, sizeof(in)), -1);
}
