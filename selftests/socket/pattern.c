// SPDX-License-Identifier: GPL-2.0
/*
 * The deterministic byte stream and its checksum; see pattern.h.
 *
 * Eight bytes of the stream are one mixed 64-bit word of (seed, index), so
 * making and checking cost a few instructions a byte even under emulation.
 */
#include <string.h>
#include <unistd.h>

#include "pattern.h"

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static uint64_t stream_word(uint64_t seed, uint64_t index)
{
	return mix(seed * 0xd1342543de82ef95ULL +
		   (index + 1) * 0x9e3779b97f4a7c15ULL);
}

void pattern_fill(uint64_t seed, uint64_t pos, void *buf, size_t len)
{
	unsigned char *to = buf;

	while (len) {
		uint64_t word = stream_word(seed, pos >> 3);
		unsigned int skip = pos & 7;
		size_t n = 8 - skip;

		if (n > len)
			n = len;
		if (n == 8) {
			memcpy(to, &word, 8);
		} else {
			word >>= 8 * skip;
			memcpy(to, &word, n);
		}
		to += n;
		pos += n;
		len -= n;
	}
}

bool pattern_write(int fd, uint64_t seed, uint64_t len)
{
	char buf[65536];
	uint64_t pos = 0;

	while (pos < len) {
		size_t n = len - pos < sizeof(buf) ? len - pos : sizeof(buf);

		pattern_fill(seed, pos, buf, n);
		if (write(fd, buf, n) != (ssize_t)n)
			return false;
		pos += n;
	}
	return true;
}

long pattern_check(uint64_t seed, uint64_t pos, const void *buf, size_t len)
{
	const unsigned char *from = buf;
	unsigned char want[1024];
	size_t done = 0;

	while (done < len) {
		size_t n = len - done;
		size_t i;

		if (n > sizeof(want))
			n = sizeof(want);
		pattern_fill(seed, pos + done, want, n);
		if (memcmp(want, from + done, n)) {
			for (i = 0; want[i] == from[done + i]; i++)
				;
			return done + i;
		}
		done += n;
	}
	return -1;
}

uint64_t pattern_sum(uint64_t seed, uint64_t len)
{
	unsigned char buf[4096];
	struct sum sum;
	uint64_t pos = 0;

	sum_init(&sum);
	while (pos < len) {
		size_t n = len - pos;

		if (n > sizeof(buf))
			n = sizeof(buf);
		pattern_fill(seed, pos, buf, n);
		sum_add(&sum, buf, n);
		pos += n;
	}
	return sum_end(&sum);
}

static void sum_word(struct sum *sum, uint64_t word)
{
	sum->hash = (sum->hash ^ word) * 0x9fb21c651e98df25ULL;
	sum->hash ^= sum->hash >> 29;
}

void sum_init(struct sum *sum)
{
	memset(sum, 0, sizeof(*sum));
	sum->hash = 0x2545f4914f6cdd1dULL;
}

void sum_add(struct sum *sum, const void *buf, size_t len)
{
	const unsigned char *from = buf;

	sum->len += len;
	while (len && sum->fill) {
		sum->word |= (uint64_t)*from++ << (8 * sum->fill);
		len--;
		if (++sum->fill == 8) {
			sum_word(sum, sum->word);
			sum->word = 0;
			sum->fill = 0;
		}
	}
	while (len >= 8) {
		uint64_t word;

		memcpy(&word, from, 8);
		sum_word(sum, word);
		from += 8;
		len -= 8;
	}
	while (len--)
		sum->word |= (uint64_t)*from++ << (8 * sum->fill++);
}

uint64_t sum_end(const struct sum *sum)
{
	struct sum copy = *sum;

	sum_word(&copy, copy.word);
	return mix(copy.hash ^ copy.len);
}

uint64_t random_next(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return mix(*state);
}

uint64_t random_range(uint64_t *state, uint64_t low, uint64_t high)
{
	return low + random_next(state) % (high - low + 1);
}
