// SPDX-License-Identifier: GPL-2.0
/* Results as TAP. */
#include <stdarg.h>
#include <stdio.h>

#include "attack.h"

static unsigned int number, failed;

static void say(const char *format, va_list args)
{
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
}

void remark(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# ");
	say(format, args);
	va_end(args);
}

void report(bool ok, const char *name, const char *format, ...)
{
	va_list args;

	failed += !ok;
	va_start(args, format);
	printf("%s %u - %s # ", ok ? "ok" : "not ok", ++number, name);
	say(format, args);
	va_end(args);
}

int report_end(void)
{
	printf("1..%u\n", number);
	return failed ? 1 : 0;
}

bool wanted(const char *name)
{
	return !only || strstr(name, only);
}
