// SPDX-License-Identifier: GPL-2.0
/* eventfd_signal() adds one, and does not want to be told so (6.8). */
#include <linux/eventfd.h>

void probe(struct eventfd_ctx *ctx)
{
	eventfd_signal(ctx);
}
