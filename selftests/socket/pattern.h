/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bytes every test sends: a pseudo-random stream that is a pure function
 * of (seed, position), so that either side can produce or check any piece of
 * it without keeping it, and a running checksum over a stream of bytes.
 */
#ifndef MN_PATTERN_H
#define MN_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sum {
	uint64_t hash;
	uint64_t word;		/* bytes not yet folded in, lowest first */
	unsigned int fill;	/* how many of them */
	uint64_t len;
};

void pattern_fill(uint64_t seed, uint64_t pos, void *buf, size_t len);

/* Writes the first @len bytes of the stream to a file; false with errno. */
bool pattern_write(int fd, uint64_t seed, uint64_t len);

/* Index in @buf of the first byte that differs from the stream, or -1. */
long pattern_check(uint64_t seed, uint64_t pos, const void *buf, size_t len);

/* The checksum of the first @len bytes of the stream. */
uint64_t pattern_sum(uint64_t seed, uint64_t len);

void sum_init(struct sum *sum);
void sum_add(struct sum *sum, const void *buf, size_t len);
uint64_t sum_end(const struct sum *sum);

/* A small generator for sizes and choices; *state is advanced. */
uint64_t random_next(uint64_t *state);
/* Uniform enough in low..high, both included. */
uint64_t random_range(uint64_t *state, uint64_t low, uint64_t high);

#endif
