// SPDX-License-Identifier: GPL-2.0
/* The unit tests of the wire format as a program: options, then all tests as TAP. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "test.h"

uint64_t random_seed;
unsigned long random_count = 1000000;

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	if (getrandom(&random_seed, sizeof(random_seed), 0) != sizeof(random_seed))
		random_seed = 1;
	random_seed %= 1000000000;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			random_seed = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			random_count = strtoul(optarg, NULL, 0);
			break;
		default:
			fprintf(stderr, "usage: wire [--seed N] [--count N]\n");
			return 2;
		}
	}
	return test_run_all();
}
