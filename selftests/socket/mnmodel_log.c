// SPDX-License-Identifier: GPL-2.0
/*
 * The last calls of each slot, and what is printed when one was answered
 * otherwise than TCP would.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mnmodel.h"

void slot_log(struct slot *slot, const char *format, ...)
{
	char *line = slot->log[slot->steps++ % MODEL_LOG];
	va_list args;
	int n;

	n = snprintf(line, sizeof(slot->log[0]), "[%u] ", process);
	va_start(args, format);
	vsnprintf(line + n, sizeof(slot->log[0]) - n, format, args);
	va_end(args);
}

const char *answer_text(long answer)
{
	static char texts[8][32];
	static unsigned int next;
	char *text = texts[next++ % 8];

	if (answer < 0)
		snprintf(text, 32, "-%s", errno_name(-answer));
	else
		snprintf(text, 32, "%ld", answer);
	return text;
}

void differ(struct slot *slot, const char *format, ...)
{
	static const char * const tcp[] = {
		"CLOSED", "LISTENING", "SYN_SENT", "ESTABLISHED", "FIN_SENT",
		"FIN_GOT",
	};
	static const char * const asked[] = {
		"UNCONNECTED", "CONNECTING", "CONNECTED", "DISCONNECTING",
	};
	const struct state *s = &slot->s;
	static char text[16384];
	size_t size = sizeof(text), n;
	unsigned int found;
	va_list args;
	uint64_t i;

	/* the first is what matters, if no more are asked for; the others end by themselves */
	found = __atomic_add_fetch(&shared->differences, 1, __ATOMIC_SEQ_CST);
	if (found >= shared->most)
		shared->failed = true;
	if (found > shared->most)
		_exit(1);
	n = snprintf(text, size, "difference: seed=%llu socket=%u life=%u process=%u: ",
		     (unsigned long long)shared->seed, slot->number, slot->life,
		     process);
	va_start(args, format);
	n += vsnprintf(text + n, size - n, format, args);
	va_end(args);
	n += snprintf(text + n, size - n,
		      "\n  state %s %s shut=%u err=%s done=%d port=%u ",
		      tcp[s->tcp], asked[s->asked], s->shut, errno_name(s->err),
		      s->done, s->port);
	n += snprintf(text + n, size - n,
		      "tx=%llu rx=%llu sure=%llu told=%llu%s%s\n",
		      (unsigned long long)s->tx,
		      (unsigned long long)s->rx, (unsigned long long)s->sure,
		      (unsigned long long)s->told, s->fin_told ? " fin" : "",
		      s->rst_told ? " rst" : "");
	n += snprintf(text + n, size - n, "  peer %s%s%s, read %llu\n  its last calls:\n",
		      slot->other.is ? slot->other.tag : "none",
		      slot->other.over ? " over" : "",
		      slot->other.stopped ? " stopped" : "",
		      (unsigned long long)slot->other.seen);
	i = slot->steps > MODEL_LOG ? slot->steps - MODEL_LOG : 0;
	for (; i < slot->steps; i++)
		n += snprintf(text + n, size - n, "    %s\n",
			      slot->log[i % MODEL_LOG]);
	if (write(STDOUT_FILENO, text, n) < 0)
		_exit(2);
	if (is_child || found == shared->most)
		_exit(1);
	abandon();
}
