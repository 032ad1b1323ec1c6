// SPDX-License-Identifier: GPL-2.0
/* A protocol says where its ipv6_pinfo lies (6.5). */
#include <net/sock.h>

const struct proto probe = { .ipv6_pinfo_offset = 1 };
