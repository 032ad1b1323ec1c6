// SPDX-License-Identifier: GPL-2.0
/* Pinning private memory to read it may leave the program with a copy (before 6.2). */
#include <linux/mm.h>

bool probe(struct page *page)
{
	return gup_must_unshare(0, page);
}
