// SPDX-License-Identifier: GPL-2.0
/* proto_ops.splice_eof: what announced more by itself is over (6.5, and stable kernels before). */
#include <linux/net.h>

const struct proto_ops ops = { .splice_eof = NULL };
