/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the operations are executed that are measured, and nothing else: what starts and ends a
 * program is some hundred times what one of them costs, and never quite the same.
 */
#ifndef MN_PROCESSOR_H
#define MN_PROCESSOR_H

#include <stdbool.h>

/* Of the option --on; less than 0: wherever the program is. */
extern int processor;

#define PROCESSOR_OPTION	{ "on", required_argument, NULL, 'O' }
#define PROCESSOR_USAGE \
	"  --on CPU                 the processor that the operations are executed on\n"

/* False with errno if there is no such processor. */
bool processor_enter(void);
/* Back to where the program was before. */
bool processor_leave(void);

#endif
