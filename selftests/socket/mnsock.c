// SPDX-License-Identifier: GPL-2.0
/*
 * mnsock: every socket call with its errors, over native TCP or AF_MEMNET.
 *
 * The expectations are native TCP's: the native run proves the tests, the
 * memnet run proves the module. Where the two are meant to differ, the table
 * in differences.c says so. Tests live in test_*.c, by the noun they are
 * about; their names begin with it. Each says which rows of the file rows it
 * proves; selftests/conformance makes Documentation/conformance.rst of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "differences.h"
#include "tap.h"
#include "tested.h"

static int usage(void)
{
	fprintf(stderr,
		"usage: mnsock [options]\n"
		TESTED_USAGE
		"  -t, --test PATTERN       only tests whose name contains it, or\n"
		"                           with * or ? matches it\n"
		"  -b, --bound SECONDS      each test's time (60)\n"
		"  -l, --list               print the tests' names\n"
		"  --rows                   print what each test proves\n"
		"  --differences            print where memnet is to differ\n");
	return 2;
}

/* What test_descriptor.c runs to see a socket survive execve(). */
static int exec_helper(const char *number)
{
	int fd = atoi(number);

	return write(fd, "exec", 4) == 4 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		TESTED_OPTIONS,
		{ "test", required_argument, NULL, 't' },
		{ "bound", required_argument, NULL, 'b' },
		{ "list", no_argument, NULL, 'l' },
		{ "rows", no_argument, NULL, 'r' },
		{ "differences", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	const char *pattern = NULL;
	unsigned int bound = 60;
	void (*show)(const char *pattern) = NULL;
	unsigned int skip;
	int opt;

	if (argc == 3 && !strcmp(argv[1], "--exec-helper"))
		return exec_helper(argv[2]);
	while ((opt = getopt_long(argc, argv, "t:b:lh", options, NULL)) != -1) {
		switch (opt) {
		case 't':
			pattern = optarg;
			break;
		case 'b':
			bound = atoi(optarg);
			if (!bound)
				return usage();
			break;
		case 'l':
			show = tap_list;
			break;
		case 'r':
			show = tap_rows;
			break;
		case 'd':
			differences_print();
			return 0;
		default:
			if (!tested_option(opt, optarg))
				return usage();
		}
	}
	if (optind != argc)
		return usage();
	if (show) {
		show(pattern);
		return 0;
	}
	if (!tested_complete("mnsock"))
		return 2;
	printf("# %s IPv%d\n", tested.memnet ? "memnet" : "native",
	       tested.v6 ? 6 : 4);
	skip = (tested.v6 ? ONLY_V4 : ONLY_V6) |
	       (tested.memnet ? 0 : ONLY_MEMNET);
	return tap_run(pattern, skip, bound) ? 1 : 0;
}
