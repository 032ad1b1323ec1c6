// SPDX-License-Identifier: GPL-2.0
/* The harness; see test.h. Tests run in the order of their files and lines, in one process. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "test.h"

#define MAX_TOLD	20	/* failed checks of one test that are told */

static struct test *first, **last = &first;
static unsigned int failures;
static char context[256];

void test_add(struct test *test)
{
	*last = test;
	last = &test->next;
}

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(context, sizeof(context), format, args);
	va_end(args);
}

static bool fail(const char *file, int line)
{
	if (++failures > MAX_TOLD)
		return false;
	printf("# %s:%d: %s%s", file, line, context, *context ? ": " : "");
	return true;
}

void test_check(const char *file, int line, const char *what, bool true_)
{
	if (!true_ && fail(file, line))
		printf("%s is false\n", what);
}

void test_equal(const char *file, int line, const char *what, long long got, long long want)
{
	if (got != want && fail(file, line))
		printf("%s is %lld, not %lld\n", what, got, want);
}

unsigned int test_failures(void)
{
	return failures;
}

int test_run_all(void)
{
	unsigned int n = 0, failed = 0;
	struct test *test;

	printf("TAP version 13\n");
	for (test = first; test; test = test->next) {
		failures = 0;
		*context = 0;
		test->run();
		if (failures > MAX_TOLD)
			printf("# and %u more\n", failures - MAX_TOLD);
		printf("%s %u - wire %s\n", failures ? "not ok" : "ok", ++n, test->name);
		fflush(stdout);
		failed += !!failures;
	}
	printf("1..%u\n", n);
	return failed ? 1 : 0;
}
