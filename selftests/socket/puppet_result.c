// SPDX-License-Identifier: GPL-2.0
/*
 * What became of tagged connections, and the two commands that name one:
 * "stat" waits for its end and tells the result, "go" changes its plan.
 *
 * The connection a command names may not have arrived yet: both look again
 * every few milliseconds until their time is up. The last KEPT results are
 * kept; a tag is never used twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "puppet.h"

#define KEPT 4096
#define LOOK_MS 5
#define GO_MS 10000

static struct {
	char tag[TAG_LEN];
	char text[192];
} kept[KEPT];

static unsigned int kept_next;

void result_text(const struct conn *c, char *text, size_t size)
{
	snprintf(text, size,
		 "in=%llu out=%llu sum=%016llx bad=%lld err=%d eof=%d segs=%u oob=%u",
		 (unsigned long long)c->in, (unsigned long long)c->out,
		 (unsigned long long)sum_end(&c->sum), (long long)c->bad,
		 c->err, c->eof, stream_segs(c->fd) - c->segs_base,
		 c->oob);
}

void result_keep(const struct conn *c)
{
	memcpy(kept[kept_next].tag, c->plan.tag, TAG_LEN);
	result_text(c, kept[kept_next].text, sizeof(kept[0].text));
	kept_next = (kept_next + 1) % KEPT;
}

const char *result_find(const char *tag)
{
	unsigned int i;

	for (i = 0; *tag && i < KEPT; i++)
		if (!strcmp(kept[i].tag, tag))
			return kept[i].text;
	return NULL;
}

static void say_and_stay(struct conn *c, const char *text)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	memset(&c->plan, 0, sizeof(c->plan));
	stream_start(c);
	if (!c->dead)
		stream_say(c, line, n);
}

/* c->line holds the tag, c->next_read the time to give up. */
static void stat_ready(struct conn *c, uint32_t events)
{
	const char *text = result_find(c->line);
	char now[192];

	if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) {
		conn_end(c, false);
		return;
	}
	if (text) {
		say_and_stay(c, text);
	} else if (now_ms() >= c->next_read) {
		struct conn *other = conn_by_tag(c->line);

		if (!other) {
			say_and_stay(c, "unknown");
			return;
		}
		snprintf(now, sizeof(now), "running ");
		result_text(other, now + 8, sizeof(now) - 8);
		say_and_stay(c, now);
	} else {
		conn_want(c, EPOLLRDHUP);
		conn_wake_in(c, LOOK_MS);
	}
}

void stat_start(struct conn *c, char *words)
{
	long ms = 5000;
	char tag[TAG_LEN] = "";

	sscanf(words, "%39s %ld", tag, &ms);
	snprintf(c->line, sizeof(c->line), "%s", tag);
	c->next_read = now_ms() + ms;
	c->ready = stat_ready;
	stat_ready(c, 0);
}

/* c->line holds "TAG words". */
static void go_ready(struct conn *c, uint32_t events)
{
	char *rest = c->line + strcspn(c->line, " ");
	const char *why = NULL;
	char tag[TAG_LEN];
	struct conn *other;

	if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) {
		conn_end(c, false);
		return;
	}
	snprintf(tag, sizeof(tag), "%.*s", (int)(rest - c->line), c->line);
	other = conn_by_tag(tag);
	if (other) {
		rest += strspn(rest, " ");
		if (*rest && !plan_parse(&other->plan, rest, &why)) {
			say_and_stay(c, why);
			return;
		}
		if (other->aux[0] >= 0)
			full_drain(other);
		else
			stream_go(other);
		say_and_stay(c, "ok");
	} else if (result_find(tag) || now_ms() >= c->next_read) {
		say_and_stay(c, "gone");
	} else {
		conn_want(c, EPOLLRDHUP);
		conn_wake_in(c, LOOK_MS);
	}
}

void go_start(struct conn *c, char *words)
{
	memmove(c->line, words, strlen(words) + 1);
	c->next_read = now_ms() + GO_MS;
	c->ready = go_ready;
	go_ready(c, 0);
}
