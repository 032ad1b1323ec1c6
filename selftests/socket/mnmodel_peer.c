// SPDX-License-Identifier: GPL-2.0
/*
 * The other ends: mnpuppet, told by one control connection a process, and the
 * barriers behind which there is only one answer.
 *
 * The other end of a connection reads what comes and compares it, sends and
 * ends only when told. It outlives our end (end=stay), so that its result can
 * be asked for: it has read every byte, and no other.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mnmodel.h"
#include "pattern.h"
#include "tested.h"

static int control = -1, full_hold = -1, closed_hold = -1;
static unsigned int full, closed;

static void broken(const char *what)
{
	printf("mnmodel: %s: %m\n", what);
	fflush(stdout);
	shared->failed = true;
	_exit(2);
}

static unsigned int held_port(int *hold, const char *words)
{
	unsigned int port = 0;
	char line[128] = "";

	*hold = peer_open("%s", words);
	if (*hold < 0 || read_line(*hold, line, sizeof(line), PEER_MS) ||
	    sscanf(line, "port=%u", &port) != 1)
		broken(words);
	return port;
}

void peer_begin(void)
{
	control = peer_open("control");
	if (control < 0)
		broken("control");
	full = held_port(&full_hold, "full");
	closed = held_port(&closed_hold, "closed");
}

void peer_finish(void)
{
	close(control);
	close(full_hold);
	close(closed_hold);
}

unsigned int peer_full(void)
{
	return full;
}

unsigned int peer_closed(void)
{
	return closed;
}

/* One line, and the one that answers it. */
static void ask(char *line, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void ask(char *line, size_t size, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, size, format, args);
	va_end(args);
	line[n++] = '\n';
	if (write_all(control, line, n) ||
	    read_line(control, line, size, MODEL_BOUND * 1000))
		broken("control");
}

static void other_new(struct slot *slot, struct other *other)
{
	memset(other, 0, sizeof(*other));
	other->is = true;
	peer_tag(other->tag);
	other->rx_seed = pick(slot, 1, 1 << 30);
	other->tx_seed = pick(slot, 1, 1 << 30);
}

static int words_of(const struct other *other, char *line, size_t size)
{
	return snprintf(line, size, "source 0 %llu end=stay check=%llu tag=%s",
			(unsigned long long)other->rx_seed,
			(unsigned long long)other->tx_seed, other->tag);
}

int peer_line(struct slot *slot, struct other *other, char *line, size_t size)
{
	int n;

	other_new(slot, other);
	n = words_of(other, line, size);
	line[n++] = '\n';
	return n;
}

void peer_call(struct slot *slot)
{
	struct waiting *w = &slot->queue[slot->queued];
	char words[200], line[256], host[ADDR_TEXT], from[ADDR_TEXT];
	unsigned int called = 0, failed = 0, err = 0;

	other_new(slot, &w->other);
	words_of(&w->other, words, sizeof(words));
	if (peer_ask(line, sizeof(line), "call %s %u 1 -- %s",
		     addr_text(&tested.local[tested.v6], host), slot->s.port,
		     words))
		broken("call");
	if (sscanf(line, "called=%u failed=%u err=%u addr=%63s port=%u", &called,
		   &failed, &err, from, &w->port) != 5 || called != 1)
		differ(slot, "a peer's connect(): %s", line);
	slot_log(slot, "peer connects");
	memcpy(w->options, slot->options, sizeof(w->options));
	w->linger = slot->linger;
	slot->queued++;
	if (!(wait_fd(socket_of[slot->number], POLLIN, MODEL_BOUND * 1000) &
	      POLLIN))
		differ(slot, "poll() does not tell of a connection");
}

void peer_tell(struct slot *slot, const char *words)
{
	char line[256];

	slot_log(slot, "peer: %s", words);
	ask(line, sizeof(line), "go %s %s", slot->other.tag, words);
	if (strcmp(line, "ok"))
		differ(slot, "the peer is %s", line);
}

struct result peer_until(struct slot *slot, struct other *other, const char *what)
{
	struct result result;
	char line[256];

	ask(line, sizeof(line), "until %s %s %d", other->tag, what,
	    MODEL_BOUND * 500);
	if (result_parse(&result, line))
		differ(slot, "the peer is %s, not %s", line, what);
	if (result.bad >= 0)
		differ(slot, "the peer: byte %lld is wrong",
		       (long long)result.bad);
	if (!strcmp(what, "over") && result.running)
		differ(slot, "the peer is not over: %s", line);
	if (!strcmp(what, "eof") && !result.eof)
		differ(slot, "the peer has no end of stream: %s", line);
	if (!result.running)
		other->over = true;
	return result;
}

void peer_drained(struct slot *slot)
{
	struct other *other = &slot->other;
	struct result result;
	char what[40];

	if (!is_stream(slot) || other->over || other->reset)
		return;
	if (other->stopped)
		peer_tell(slot, "read=all");
	other->stopped = false;
	snprintf(what, sizeof(what), "in=%llu", (unsigned long long)slot->s.tx);
	result = peer_until(slot, other, what);
	if (result.in != slot->s.tx)
		differ(slot, "the peer has read %llu bytes of %llu, errno %s",
		       (unsigned long long)result.in,
		       (unsigned long long)slot->s.tx, errno_name(result.err));
	other->seen = result.in;
}

/* What arrives must; how long it takes is not what is tested. */
static void await_bytes(struct slot *slot)
{
	int fd = socket_of[slot->number], there = 0;
	int want = slot->s.told - slot->s.rx;
	long until = now_ms() + MODEL_BOUND * 1000;

	while (!ioctl(fd, SIOCINQ, &there) && there < want && now_ms() < until)
		nap_ms(1);
	if (there != want)
		differ(slot, "%d bytes have come, the peer sent %d", there, want);
}

static void await_events(struct slot *slot, int events, const char *what)
{
	long until = now_ms() + MODEL_BOUND * 1000;

	while ((wait_fd(socket_of[slot->number], events, 0) & events) != events) {
		if (now_ms() > until)
			differ(slot, "poll() does not tell of %s", what);
		nap_ms(1);
	}
}

/* Both ends have closed: no connection, some time after the last of them. */
static void await_over(struct slot *slot)
{
	long until = now_ms() + MODEL_BOUND * 1000;
	union addr addr;
	socklen_t len;

	for (;;) {
		len = sizeof(addr);
		if (getpeername(socket_of[slot->number], &addr.sa, &len))
			return;
		if (now_ms() > until)
			differ(slot, "both ends have closed, and getpeername() tells of a peer");
		nap_ms(1);
	}
}

void settle(struct slot *slot)
{
	struct state *s = &slot->s;
	bool rst = s->rst_told, fin = s->fin_told;

	if (s->sure != s->told)
		await_bytes(slot);
	if (rst)
		await_events(slot, POLLHUP, "a reset");
	else if (fin)
		await_events(slot, POLLRDHUP, "the peer's end");
	rule_arrive(s);
	if (s->tcp == CLOSED && slot->other.is)
		await_over(slot);
}

void peer_over(struct slot *slot, struct other *other, uint64_t tx, int err)
{
	bool known = other->seen == tx;
	struct result result;

	if (!err && !other->over) {
		if (other->stopped)
			peer_tell(slot, "read=all");
		other->stopped = false;
		result = peer_until(slot, other, "eof");
		if (result.running)
			peer_tell(slot, "end=close");
	}
	result = peer_until(slot, other, "over");
	if (result.in > tx || (known && result.in != tx))
		differ(slot, "the peer has read %llu bytes of %llu",
		       (unsigned long long)result.in, (unsigned long long)tx);
	if (result.sum != pattern_sum(other->tx_seed, result.in))
		differ(slot, "the peer's checksum of %llu bytes is wrong",
		       (unsigned long long)result.in);
	if (err >= 0 && result.err != err)
		differ(slot, "the peer's errno is %s, not %s",
		       answer_text(-result.err), answer_text(-err));
	if (!err && (result.in != tx || !result.eof))
		differ(slot, "the peer has read %llu bytes of %llu, eof=%d",
		       (unsigned long long)result.in, (unsigned long long)tx,
		       result.eof);
}

void queue_over(struct slot *slot)
{
	unsigned int i;

	for (i = 0; i < slot->queued; i++)
		peer_over(slot, &slot->queue[i].other, 0, ECONNRESET);
	slot->queued = 0;
}
