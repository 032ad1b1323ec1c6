// SPDX-License-Identifier: GPL-2.0
/*
 * The language mnpuppet speaks: one line per connection, "NAME words...".
 *
 * About this connection. Positional words first, then any key=value:
 *
 *	echo			send back what arrives, until end of stream
 *	sink			read all; at end of stream answer the result
 *	source N SEED		send N pattern bytes, FIN, read to the end
 *	flood N SEED		the same, but never read, and hold the end open
 *	duplex N SEED		send N bytes of SEED while checking that SEED+1
 *				arrives; at end of stream answer the result
 *	piece N SIZE MS SEED	source in pieces of SIZE, MS apart
 *	slow-read CHUNK MS	sink that reads CHUNK bytes every MS
 *	never-read		hold the connection, read nothing
 *	rst-after N		read N bytes, then reset
 *	close-after N		read N bytes, then close
 *	data-rst N SEED		send N bytes, wait until acknowledged, reset
 *	fin-first		FIN at once, read to the end
 *	urgent N SEED		N bytes, one urgent byte, N bytes, FIN
 *	segs			sink that says "ready" first and counts segments
 *	idle			echo
 *	close | rst		end it at once
 *	http			GET /N answers N pattern bytes of seed N;
 *				keeps the connection open between requests
 *
 *	read=all|none|echo  end=auto|fin|rst|close|hold|stay  send=N  more=N
 *	seed=S  check=S  after=N then=rst|close|fin  urg=N  piece=N  chunk=N
 *	ms=N  reply=0|1  ready=0|1  tag=TAG  wait=0|1  urg-more=N  oob=1  late=MS
 *
 * late=MS: an echo waits that long for what follows its first byte.
 *
 * end=stay keeps it open behind the other's end of stream, until "go" says
 * how it ends.
 *
 * wait=1 does nothing until "go TAG". TAG names the connection for these:
 *
 *	go TAG [key=value...]	apply more words and let it run: "ok"
 *	stat TAG [MS]		its result, waiting up to MS (5000) for its end
 *	info			"from=ADDR port=PORT" as seen from here
 *	call ADDR|- PORT COUNT [par=N] [seq=1] [report=1] -- NAME words...
 *				make COUNT connections to ADDR (-: to whoever
 *				asks) that do NAME; answers
 *				"called=.. failed=.. err=.. addr=.. port=.."
 *	full [tag=TAG]		a listener whose backlog is full: "port=PORT";
 *				"go TAG" lets it accept
 *	closed			a port where nobody listens: "port=PORT"
 *	control			lines until its end, each answered in turn:
 *		go TAG key=value...	"ok", or "gone" at once
 *		until TAG in=N|eof|here|over MS
 *				the result when it is over, or "running" and the
 *				result when it has read so much, has seen the end
 *				of the stream, has come, or the time is up
 *
 * A result is "in=.. out=.. sum=.. bad=.. err=.. eof=.. segs=.. oob=..": bytes
 * read and sent, checksum of those read, first byte that was not as expected
 * (or -1), errno, end of stream seen, segments, urgent bytes (with oob=1).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "puppet.h"

static const struct {
	const char *name;
	const char *keys;	/* what it means */
	const char *words[4];	/* keys of its positional words */
} behaviours[] = {
	{ "echo",	"read=echo" },
	{ "idle",	"read=echo" },
	{ "sink",	"read=all reply=1" },
	{ "source",	"read=all end=fin", { "send", "seed" } },
	{ "flood",	"read=none end=hold", { "send", "seed" } },
	{ "duplex",	"read=all reply=1", { "send", "seed+check" } },
	{ "piece",	"read=all end=fin", { "send", "piece", "ms", "seed" } },
	{ "slow-read",	"read=all reply=1", { "chunk", "ms" } },
	{ "never-read",	"read=none end=hold" },
	{ "rst-after",	"read=all end=hold then=rst", { "after" } },
	{ "close-after", "read=all end=hold then=close", { "after" } },
	{ "data-rst",	"read=all end=rst", { "send", "seed" } },
	{ "fin-first",	"read=all end=fin" },
	{ "urgent",	"read=all end=fin", { "urg+send", "seed" } },
	{ "segs",	"read=all reply=1 ready=1" },
	{ "close",	"end=close" },
	{ "rst",	"end=rst" },
	{ "http",	"http=1" },
};

static bool ending_parse(enum ending *end, const char *word)
{
	static const char * const names[] = {
		[END_AUTO] = "auto", [END_FIN] = "fin", [END_RST] = "rst",
		[END_CLOSE] = "close", [END_HOLD] = "hold",
		[END_STAY] = "stay",
	};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(names[i], word)) {
			*end = i;
			return true;
		}
	}
	return false;
}

static bool read_parse(enum read_mode *mode, const char *word)
{
	if (!strcmp(word, "all"))
		*mode = READ_ALL;
	else if (!strcmp(word, "none"))
		*mode = READ_NONE;
	else if (!strcmp(word, "echo"))
		*mode = READ_ECHO;
	else
		return false;
	return true;
}

static bool key_apply(struct plan *plan, const char *key, const char *word)
{
	char *rest;
	uint64_t n;

	if (!strcmp(key, "tag")) {
		snprintf(plan->tag, sizeof(plan->tag), "%s", word);
		return true;
	}
	if (!strcmp(key, "read"))
		return read_parse(&plan->read, word);
	if (!strcmp(key, "end"))
		return ending_parse(&plan->end, word);
	if (!strcmp(key, "then"))
		return ending_parse(&plan->then, word);

	errno = 0;
	n = strtoull(word, &rest, 0);
	if (errno || *rest || !*word)
		return false;
	if (!strcmp(key, "send")) {
		plan->send = n;
	} else if (!strcmp(key, "more")) {
		plan->send += n;
	} else if (!strcmp(key, "seed")) {
		plan->seed = n;
	} else if (!strcmp(key, "check")) {
		plan->check = true;
		plan->check_seed = n;
	} else if (!strcmp(key, "seed+check")) {
		plan->seed = n;
		plan->check = true;
		plan->check_seed = n + 1;
	} else if (!strcmp(key, "after")) {
		plan->has_after = true;
		plan->after = n;
	} else if (!strcmp(key, "urg")) {
		plan->has_urg = true;
		plan->urg = n;
	} else if (!strcmp(key, "urg-more")) {
		plan->urg_more = n;
	} else if (!strcmp(key, "oob")) {
		plan->oob = n;
	} else if (!strcmp(key, "urg+send")) {
		plan->has_urg = true;
		plan->urg = n;
		plan->send = 2 * n;
	} else if (!strcmp(key, "piece")) {
		plan->piece = n;
	} else if (!strcmp(key, "chunk")) {
		plan->chunk = n;
	} else if (!strcmp(key, "ms")) {
		plan->ms = n;
	} else if (!strcmp(key, "late")) {
		plan->late = n;
	} else if (!strcmp(key, "reply")) {
		plan->reply = n;
	} else if (!strcmp(key, "ready")) {
		plan->ready = n;
	} else if (!strcmp(key, "wait")) {
		plan->wait = n;
	} else if (!strcmp(key, "http")) {
		plan->http = n;
	} else {
		return false;
	}
	return true;
}

/* With @names, bare words take their key from there. */
static bool words_apply(struct plan *plan, char *words,
			const char * const *names, int count, const char **why)
{
	char *save = NULL;
	char *word;
	int i = 0;

	for (word = strtok_r(words, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		char *equal = strchr(word, '=');
		bool good;

		if (equal) {
			*equal = 0;
			good = key_apply(plan, word, equal + 1);
		} else {
			good = i < count && names[i] &&
			       key_apply(plan, names[i], word);
			i++;
		}
		if (!good) {
			*why = "bad word";
			return false;
		}
	}
	return true;
}

bool plan_parse(struct plan *plan, char *words, const char **why)
{
	size_t len = strcspn(words, " ");
	unsigned int i;
	char keys[64];

	/* only more words for a plan that exists */
	if (memchr(words, '=', len))
		return words_apply(plan, words, NULL, 0, why);
	for (i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		if (strlen(behaviours[i].name) != len ||
		    strncmp(behaviours[i].name, words, len))
			continue;
		memset(plan, 0, sizeof(*plan));
		snprintf(keys, sizeof(keys), "%s", behaviours[i].keys);
		return words_apply(plan, keys, NULL, 0, why) &&
		       words_apply(plan, words + len, behaviours[i].words, 4,
				   why);
	}
	*why = "unknown command";
	return false;
}

static void refuse(struct conn *c, const char *why)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "error %s\n", why);

	fprintf(stderr, "mnpuppet: %s: %s\n", why, c->line);
	if (send(c->fd, text, n, MSG_NOSIGNAL) < 0)
		c->err = errno;
	conn_end(c, false);
}

static void info_start(struct conn *c)
{
	char text[ADDR_TEXT + 32], host[ADDR_TEXT];
	union addr addr;
	socklen_t len = sizeof(addr);

	memset(&addr, 0, sizeof(addr));
	getpeername(c->fd, &addr.sa, &len);
	snprintf(text, sizeof(text), "from=%s port=%u\n",
		 addr_text(&addr, host), addr_port(&addr));
	stream_start(c);
	if (!c->dead)
		stream_say(c, text, strlen(text));
}

static void command_run(struct conn *c)
{
	const char *why = NULL;
	char words[LINE_MAX_LEN];
	char *rest;

	memcpy(words, c->line, c->line_len + 1);
	rest = words + strcspn(words, " ");
	if (*rest)
		*rest++ = 0;

	if (!strcmp(words, "call")) {
		call_start(c, rest);
	} else if (!strcmp(words, "stat")) {
		stat_start(c, rest);
	} else if (!strcmp(words, "go")) {
		go_start(c, rest);
	} else if (!strcmp(words, "info")) {
		info_start(c);
	} else if (!strcmp(words, "closed")) {
		closed_start(c);
	} else if (!strcmp(words, "control")) {
		control_start(c);
	} else if (!strcmp(words, "full")) {
		if (*rest && !plan_parse(&c->plan, rest, &why))
			refuse(c, why);
		else
			full_start(c);
	} else {
		memcpy(words, c->line, c->line_len + 1);
		if (!plan_parse(&c->plan, words, &why))
			refuse(c, why);
		else
			stream_start(c);
	}
}

/* Takes the line and not a byte more: what follows is the stream's. */
void command_ready(struct conn *c, uint32_t events)
{
	size_t room = sizeof(c->line) - 1 - c->line_len;
	char *end;
	ssize_t n;

	(void)events;
	n = recv(c->fd, c->line + c->line_len, room, MSG_PEEK);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_end(c, false);
		return;
	}
	end = memchr(c->line + c->line_len, '\n', n);
	if (end)
		n = end + 1 - (c->line + c->line_len);
	n = recv(c->fd, c->line + c->line_len, n, 0);
	if (n < 0) {
		conn_end(c, false);
		return;
	}
	c->line_len += n;
	if (end) {
		c->line[--c->line_len] = 0;
		command_run(c);
	} else if (c->line_len == sizeof(c->line) - 1) {
		c->line[c->line_len] = 0;
		refuse(c, "line too long");
	}
}
