/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where AF_MEMNET is meant to behave other than native TCP. A test may expect
 * something else of it only through differs(), with a key of the table.
 */
#ifndef MN_DIFFERENCES_H
#define MN_DIFFERENCES_H

#include <stdbool.h>

/*
 * False for native; for memnet true, or the test fails: no such key. Asking is
 * making use of it, and is noted: where the families do the same, do not ask.
 */
bool differs(const char *key);
/* Its key, in the order of the table; NULL beyond its end. */
const char *difference_key(unsigned int place);
void differences_print(void);

#endif
