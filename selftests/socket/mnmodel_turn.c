// SPDX-License-Identifier: GPL-2.0
/*
 * Whose turn it is, and what is done: any operation the state of a slot
 * allows, each as often as its weight.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mnmodel.h"

static const struct op *op_at(unsigned int i)
{
	const struct op *op;

	for (op = life_ops; op->name; op++)
		if (!i--)
			return op;
	for (op = data_ops; op->name; op++)
		if (!i--)
			return op;
	return NULL;
}

unsigned int op_count(void)
{
	unsigned int n = 0;

	while (op_at(n))
		n++;
	return n;
}

const char *op_name(unsigned int i)
{
	return op_at(i)->name;
}

static unsigned int weight(const struct op *op, struct slot *slot, bool in_child)
{
	return op->may(slot) && !(in_child && op->opens) ? op->weight : 0;
}

void turn(struct slot *slot, bool in_child)
{
	unsigned int sum = 0, i, at;

	/* that it is over is told a moment after the last end */
	if (slot->open && slot->s.tcp == CLOSED && slot->other.is)
		settle(slot);
	for (i = 0; op_at(i); i++)
		sum += weight(op_at(i), slot, in_child);
	at = pick(slot, 0, sum - 1);
	for (i = 0; at >= weight(op_at(i), slot, in_child); i++)
		at -= weight(op_at(i), slot, in_child);
	alarm(2 * MODEL_BOUND);
	op_at(i)->run(slot);
	alarm(0);
	__atomic_fetch_add(&shared->calls[i], 1, __ATOMIC_RELAXED);
}
