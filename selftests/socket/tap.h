/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The harness: a test is a function that returns, or fails, or skips, in a
 * process of its own and within a bound of time.
 *
 *	TEST(bind_twice) { ... }	once
 *	TEST_BOTH(recv_peek) { ... }	once on a connection that was made by
 *					connect(), once (".accepted") on one
 *					that was accepted; meet() does that
 *	TEST_FOR(name, ONLY_V6, 0)	with flags, and seconds if not the usual
 *
 * Each may be followed by what it proves, ids of the file rows:
 *
 *	TEST(bind_twice, "bind.twice", "bind.errors") { ... }
 */
#ifndef MN_TAP_H
#define MN_TAP_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#define ONLY_V4		1
#define ONLY_V6		2
#define ACCEPTED	4
/* What a memnet run is to show of the test's sockets; without: some are served by a node */
#define LOCAL		8	/* none comes so far as to need one */
#define LOOPBACK	16	/* some are delegated to this machine's TCP, by design */
/* Says nothing about TCP: not run natively, and no proof of a row by itself */
#define ONLY_MEMNET	32

struct test {
	const char *name;
	void (*run)(void);
	unsigned int flags;
	unsigned int bound;	/* seconds, 0: the usual */
	const char * const *rows;	/* ended by NULL */
};

#define TEST_ENTRY(id, text, function, with, seconds, ...) \
	static const char * const rows_##id[] = { \
		__VA_ARGS__ __VA_OPT__(,) NULL \
	}; \
	static const struct test entry_##id = { \
		.name = text, .run = function, .flags = with, \
		.bound = seconds, .rows = rows_##id, \
	}; \
	static const struct test * const pointer_##id \
	__attribute__((section("mn_tests"), used, no_reorder)) = &entry_##id

#define TEST_FOR(id, with, seconds, ...) \
	static void run_##id(void); \
	TEST_ENTRY(id, #id, run_##id, with, seconds, ##__VA_ARGS__); \
	static void run_##id(void)

#define TEST_BOTH_FOR(id, with, seconds, ...) \
	static void run_##id(void); \
	TEST_ENTRY(id, #id, run_##id, with, seconds, ##__VA_ARGS__); \
	TEST_ENTRY(id##_accepted, #id ".accepted", run_##id, \
		   (with) | ACCEPTED, seconds, ##__VA_ARGS__); \
	static void run_##id(void)

#define TEST(id, ...) TEST_FOR(id, 0, 0, ##__VA_ARGS__)
#define TEST_BOTH(id, ...) TEST_BOTH_FOR(id, 0, 0, ##__VA_ARGS__)

extern const struct test *tap_current;

/* Runs those whose name contains @pattern; the number that failed. */
int tap_run(const char *pattern, unsigned int skip_flags, unsigned int bound);
void tap_list(const char *pattern);
/* A line a test, parted by tabs: name, flags in words, rows. */
void tap_rows(const char *pattern);

void tap_fail(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void tap_skip(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
void tap_note(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

long long tap_ok(const char *file, int line, const char *what, long long got);
void tap_error(const char *file, int line, const char *what, long long got,
	       int err, int want);
void tap_equal(const char *file, int line, const char *what, long long got,
	       long long want);

#define FAIL(...) tap_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...) tap_skip(__VA_ARGS__)

#define CHECK(what) \
	do { \
		if (!(what)) \
			FAIL("%s", #what); \
	} while (0)

/* A call that must not return -1; its value. */
#define OK(call) tap_ok(__FILE__, __LINE__, #call, (call))

/* A call that must return -1 with this errno. */
#define FAILS(call, want) \
	do { \
		long long got_ = (call); \
		tap_error(__FILE__, __LINE__, #call, got_, errno, want); \
	} while (0)

#define EQ(got, want) tap_equal(__FILE__, __LINE__, #got, (got), (want))

#endif
