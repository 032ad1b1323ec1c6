// SPDX-License-Identifier: GPL-2.0
/* A family may see SOL_SOCKET options (6.7). */
#include <linux/net.h>

int probe(void)
{
	return SOCK_CUSTOM_SOCKOPT;
}
