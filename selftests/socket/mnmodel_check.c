// SPDX-License-Identifier: GPL-2.0
/*
 * An answer beside what the model allows: before what is under way arrives,
 * or after it. The state goes on from where the answer fits.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "mnmodel.h"

void check_is(struct slot *slot, const char *what, long got, long want)
{
	slot_log(slot, "%s = %s", what, answer_text(got));
	if (got != want)
		differ(slot, "%s = %s, allowed %s", what, answer_text(got),
		       answer_text(want));
}

void check(struct slot *slot, const char *what, long got, rule_run rule,
	   const void *arg)
{
	struct state before = slot->s, after = slot->s;
	long first, second;

	slot_log(slot, "%s = %s", what, answer_text(got));
	first = rule(&before, arg);
	if (got == first) {
		slot->s = before;
		return;
	}
	rule_arrive(&after);
	second = rule(&after, arg);
	if (got != second)
		differ(slot, "%s = %s, allowed %s or %s", what,
		       answer_text(got), answer_text(first),
		       answer_text(second));
	slot->s = after;
}

void check_recv(struct slot *slot, const char *what, long got, size_t len,
		bool peek, bool part)
{
	struct state before = slot->s, after = slot->s;
	long first, second, least;

	slot_log(slot, "%s = %s", what, answer_text(got));
	first = rule_recv(&before, len, peek);
	rule_arrive(&after);
	second = rule_recv(&after, len, peek);
	if (got == first) {
		slot->s = before;
		return;
	}
	if (got == second && got <= 0) {
		/* of nothing, there is some more to receive */
		if (after.sure == after.rx)
			slot->s = after;
		else if (slot->s.sure == slot->s.rx)
			slot->s.sure++;
		return;
	}
	least = part || first < 0 ? 1 : first;
	if (second <= 0 || got < least || got > second)
		differ(slot, "%s = %s, allowed %s%s to %s", what,
		       answer_text(got), answer_text(first),
		       part ? " or less" : "", answer_text(second));
	if (slot->s.sure < slot->s.rx + got)
		slot->s.sure = slot->s.rx + got;
	if (!peek)
		slot->s.rx += got;
}

/* What the peer has not read may fill the buffer, or not. */
static bool may_be_full(const struct slot *slot)
{
	return slot->s.tx - slot->other.seen > MODEL_ROOM;
}

void check_send(struct slot *slot, const char *what, long got, size_t len)
{
	struct state before = slot->s, after = slot->s;
	long first, second;

	slot_log(slot, "%s = %s", what, answer_text(got));
	first = rule_send(&before, len);
	rule_arrive(&after);
	second = rule_send(&after, len);
	if (got == first) {
		slot->s = before;
		return;
	}
	if (got == second) {
		slot->s = after;
		return;
	}
	if (len && first == (long)len && (slot->s.tx + len - slot->other.seen > MODEL_ROOM) &&
	    (got == -EAGAIN || (got > 0 && got < (long)len))) {
		if (got > 0)
			slot->s.tx += got;
		return;
	}
	differ(slot, "%s = %s, allowed %s or %s", what, answer_text(got),
	       answer_text(first), answer_text(second));
}

static const char *mask_text(long mask, char *text, size_t size)
{
	static const struct {
		long bit;
		const char *name;
	} names[] = {
		{ POLLIN, "IN" }, { POLLRDNORM, "RDNORM" },
		{ POLLRDHUP, "RDHUP" }, { POLLPRI, "PRI" },
		{ POLLOUT, "OUT" }, { POLLWRNORM, "WRNORM" },
		{ POLLERR, "ERR" }, { POLLHUP, "HUP" },
	};
	unsigned int i;
	size_t n = snprintf(text, size, "{");

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (mask & names[i].bit && n < size)
			n += snprintf(text + n, size - n, " %s", names[i].name);
	if (n < size)
		snprintf(text + n, size - n, " }");
	return text;
}

void check_poll(struct slot *slot, const char *what, long got)
{
	struct state before = slot->s, after = slot->s;
	char texts[3][80];
	long first, second, may = 0;

	first = rule_poll(&before, slot->options[0], slot->queued);
	rule_arrive(&after);
	second = rule_poll(&after, slot->options[0], slot->queued);
	if (may_be_full(slot) && !(slot->s.shut & SHUT_WRITE))
		may |= POLLOUT | POLLWRNORM;
	mask_text(got, texts[0], sizeof(texts[0]));
	mask_text(first, texts[1], sizeof(texts[1]));
	mask_text(second, texts[2], sizeof(texts[2]));
	slot_log(slot, "%s = %s", what, texts[0]);
	/* each bit as before or as after; a reset comes bit by bit */
	if (((got ^ first) & (got ^ second)) & ~may)
		differ(slot, "%s = %s, allowed %s or %s", what, texts[0],
		       texts[1], texts[2]);
	if (!((got ^ second) & ~may) && got & ~first & (POLLRDHUP | POLLHUP | POLLERR))
		slot->s = after;
	else if (got & ~first & POLLIN && slot->s.sure < slot->s.rx + slot->options[0])
		slot->s.sure = slot->s.rx + slot->options[0];
}
