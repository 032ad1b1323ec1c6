// SPDX-License-Identifier: GPL-2.0
/* ports LIST: what ports_parse() makes of it, for test-ports.sh. */
#include <stdio.h>

#include "ports.h"

int main(int argc, char **argv)
{
	struct memnet_port_range ranges[MEMNET_NATIVE_PORTS_MAX];
	const char *where, *why;
	int i, n;

	if (argc != 2)
		return 2;
	n = ports_parse(argv[1], ranges, MEMNET_NATIVE_PORTS_MAX, &where, &why);
	if (n < 0) {
		printf("%d: %s\n", (int)(where - argv[1]), why);
		return 1;
	}
	printf("%d:", n);
	for (i = 0; i < n; i++)
		printf(" %u-%u", ranges[i].first, ranges[i].last);
	putchar('\n');
	return 0;
}
