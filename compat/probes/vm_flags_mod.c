// SPDX-License-Identifier: GPL-2.0
/* A mapping's flags are changed by helpers (6.3). */
#include <linux/mm.h>

void probe(struct vm_area_struct *vma)
{
	vm_flags_mod(vma, VM_IO, VM_MAYWRITE);
}
