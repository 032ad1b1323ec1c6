// SPDX-License-Identifier: GPL-2.0
/* A handler of sock_diag says whose it is, and is called without a lock (6.9, and stable trees). */
#include <linux/module.h>
#include <linux/sock_diag.h>

struct sock_diag_handler probe = { .owner = THIS_MODULE };
