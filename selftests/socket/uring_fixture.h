/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What io_uring's tests are made of: the one ring of a test, its entries, and completions that
 * are what was wanted. An entry's mark says which one a completion is of; the tests give small
 * numbers.
 */
#ifndef MN_URING_FIXTURE_H
#define MN_URING_FIXTURE_H

#include <stddef.h>

#include "uring.h"

extern struct ring ring;

/* Makes the ring; the test is skipped where there is none, or not this operation. */
void ring_begin(bool polled);
void ring_needs(unsigned int opcode, const char *name);

struct io_uring_sqe entry(unsigned int opcode, int fd, const void *addr, size_t len);
void submit(const struct io_uring_sqe *sqe, uint64_t mark);
/* The completion that comes next, which is of this entry; its result alone. */
struct io_uring_cqe next_of(uint64_t mark);
int result_of(uint64_t mark);
/* Nothing has completed. */
void expect_waiting(void);
/*
 * Ends what waits under this mark, which then says so. Both complete, in either order; one that a
 * worker of the ring was at is interrupted instead of cancelled.
 */
void cancel(uint64_t mark);

/* SEND or RECV alone in the ring; its result. */
int do_data(unsigned int opcode, int fd, const void *buf, size_t len, int flags);
/* Sends and receives 3000 bytes by the ring, on a connection to an echo. */
void echo_by_ring(int fd, unsigned int seed);

#endif
