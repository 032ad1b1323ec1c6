// SPDX-License-Identifier: GPL-2.0
/* A handler does not change the table of its sysctl (6.11). */
#include <linux/sysctl.h>

int probe_handler(const struct ctl_table *table, int write, void *buffer, size_t *len, loff_t *pos);

struct ctl_table probe = { .proc_handler = probe_handler };
