/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The harness: TEST(name) { ... } defines and registers a test, CHECK(condition) and EQ(got, want)
 * judge. A failed check is told with its place and what note() said last, and the test goes on.
 */
#ifndef UNIT_TEST_H
#define UNIT_TEST_H

#include <stdbool.h>
#include <stdint.h>

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

#define TEST(id)								\
	static void run_##id(void);						\
	static struct test test_##id = { .name = #id, .run = run_##id };	\
	__attribute__((constructor)) static void add_##id(void)			\
	{									\
		test_add(&test_##id);						\
	}									\
	static void run_##id(void)

#define CHECK(condition) test_check(__FILE__, __LINE__, #condition, condition)
#define EQ(got, want) test_equal(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))

void test_add(struct test *test);
int test_run_all(void);
void test_check(const char *file, int line, const char *what, bool true_);
void test_equal(const char *file, int line, const char *what, long long got, long long want);
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
unsigned int test_failures(void);

/* options of the program */
extern uint64_t random_seed;
extern unsigned long random_count;

#endif /* UNIT_TEST_H */
