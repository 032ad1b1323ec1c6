// SPDX-License-Identifier: GPL-2.0
/*
 * "control": one connection on which many others are watched and told what to
 * do next, a line at a time; the answer comes before the next line is read.
 *
 * c->line holds the line that is being answered, c->line_len how much of it
 * has come, c->next_read the time to give up: 0 until all of it has.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "puppet.h"

#define LOOK_MS 2

static void answer(struct conn *c, const char *text)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	c->line_len = 0;
	c->next_read = 0;
	if (stream_say(c, line, n))
		conn_want(c, EPOLLIN);
}

/* "go TAG key=value..." */
static void go(struct conn *c, const char *tag, const char *words)
{
	struct conn *other = conn_by_tag(tag);
	const char *why = NULL;
	char copy[LINE_MAX_LEN];

	if (!other) {
		answer(c, "gone");
		return;
	}
	snprintf(copy, sizeof(copy), "%s", words);
	if (!plan_parse(&other->plan, copy, &why)) {
		answer(c, why);
		return;
	}
	stream_go(other);
	answer(c, "ok");
}

static bool is_reached(const struct conn *other, const char *what)
{
	if (!strncmp(what, "in=", 3))
		return other->in >= strtoull(what + 3, NULL, 10);
	if (!strcmp(what, "eof"))
		return other->eof;
	return !strcmp(what, "here");
}

/* "until TAG WHAT MS" */
static void until(struct conn *c, const char *tag, const char *what, long ms)
{
	const char *text = result_find(tag);
	struct conn *other = conn_by_tag(tag);
	char now[256];

	if (text) {
		answer(c, text);
		return;
	}
	if (!c->next_read)
		c->next_read = now_ms() + ms;
	if (!(other && is_reached(other, what)) && now_ms() < c->next_read) {
		conn_want(c, EPOLLRDHUP);
		conn_wake_in(c, LOOK_MS);
		return;
	}
	if (!other) {
		answer(c, "unknown");
		return;
	}
	strcpy(now, "running ");
	result_text(other, now + 8, sizeof(now) - 8);
	answer(c, now);
}

static void run_line(struct conn *c)
{
	char name[16] = "", tag[TAG_LEN] = "", what[64] = "";
	long ms = 5000;
	int words = 0;

	c->line[strcspn(c->line, "\n")] = 0;
	sscanf(c->line, "%15s %39s %n%63s %ld", name, tag, &words, what, &ms);
	if (!strcmp(name, "go"))
		go(c, tag, c->line + words);
	else if (!strcmp(name, "until"))
		until(c, tag, what, ms);
	else
		answer(c, "error unknown command");
}

static void control_ready(struct conn *c, uint32_t events)
{
	ssize_t n;

	if (events & (EPOLLERR | EPOLLHUP)) {
		conn_end(c, false);
		return;
	}
	if (!c->next_read) {
		n = recv(c->fd, c->line + c->line_len,
			 sizeof(c->line) - 1 - c->line_len, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			conn_end(c, false);
			return;
		}
		c->line_len += n;
		c->line[c->line_len] = 0;
		if (c->line[c->line_len - 1] != '\n')
			return;
	} else if (events & EPOLLRDHUP) {
		conn_end(c, false);
		return;
	}
	run_line(c);
}

void control_start(struct conn *c)
{
	memset(&c->plan, 0, sizeof(c->plan));
	c->ready = control_ready;
	c->line_len = 0;
	c->next_read = 0;
	conn_want(c, EPOLLIN);
}
