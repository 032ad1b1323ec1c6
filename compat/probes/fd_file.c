// SPDX-License-Identifier: GPL-2.0
/* The file of a struct fd is asked for (6.12). */
#include <linux/file.h>

struct file *probe(struct fd f)
{
	return fd_file(f);
}
