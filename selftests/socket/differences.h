/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where AF_MEMNET is meant to behave other than native TCP. A test may expect
 * something else of it only through differs(), with a key of the table.
 */
#ifndef MN_DIFFERENCES_H
#define MN_DIFFERENCES_H

#include <stdbool.h>

/* False for native; for memnet true, or the test fails: no such key. */
bool differs(const char *key);
void differences_print(void);

#endif
