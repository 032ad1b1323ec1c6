/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mnpuppet's insides: one epoll loop, one struct conn for everything it holds.
 *
 * What a connection does is data, not code: struct conn's "what to do" group
 * is filled from key=value words (puppet_command.c) and carried out by one
 * engine (puppet_stream.c).
 */
#ifndef MN_PUPPET_H
#define MN_PUPPET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net.h"
#include "pattern.h"

#define LINE_MAX_LEN 512
#define TAG_LEN 40

enum read_mode { READ_ALL, READ_NONE, READ_ECHO };

/* What follows the last byte to send (or the last to read, with "after"). */
enum ending { END_AUTO, END_FIN, END_RST, END_CLOSE, END_HOLD, END_STAY };

struct plan {
	enum read_mode read;
	enum ending end;
	enum ending then;
	uint64_t send;		/* pattern bytes to send */
	uint64_t seed;
	bool check;		/* compare what arrives with check_seed */
	uint64_t check_seed;
	uint64_t after;		/* read this many, then do "then" */
	uint64_t urg;		/* one urgent byte in front of this position */
	uint64_t urg_more;	/* and as many behind it at once */
	bool has_after;
	bool has_urg;
	bool oob;		/* read urgent bytes, too, and count them */
	uint32_t piece;		/* send pieces of this size ... */
	uint32_t chunk;		/* read pieces of this size ... */
	uint32_t ms;		/* ... this far apart */
	uint32_t late;		/* echo that long, in ms, after the first byte */
	bool reply;		/* answer with the result at end of stream */
	bool ready;		/* say "ready" before anything else */
	bool wait;		/* do nothing until "go TAG" */
	bool http;
	char tag[TAG_LEN];
};

struct conn {
	struct conn *next, *prev;	/* all of them */
	int fd;
	uint32_t events;		/* what epoll was told */
	bool dead;			/* to be freed after this round */
	void (*ready)(struct conn *c, uint32_t events);
	long wake_at;			/* ms, 0: no timer */

	struct plan plan;

	/* how far it got */
	uint64_t in, out;
	struct sum sum;
	int64_t bad;			/* first wrong byte, or -1 */
	int err;
	unsigned int oob;		/* urgent bytes */
	bool eof, replied, ended, urg_sent;
	long next_read, next_write;
	unsigned int segs_base;
	char *pending;			/* bytes the socket did not take */
	size_t pending_from, pending_to, pending_size;

	char line[LINE_MAX_LEN];
	size_t line_len;

	/* calls made for somebody: puppet_call.c */
	struct conn *caller;
	struct calls *calls;
	int aux[2];			/* descriptors "full" and "closed" hold */
};

/* mnpuppet.c: the loop */
struct conn *conn_new(int fd, void (*ready)(struct conn *c, uint32_t events));
void conn_want(struct conn *c, uint32_t events);
void conn_wake_in(struct conn *c, long ms);
/* Records the result, then closes; with a reset when @reset. */
void conn_end(struct conn *c, bool reset);
struct conn *conn_first(void);
struct conn *conn_after(struct conn *c);
struct conn *conn_by_tag(const char *tag);
void listener_ready(struct conn *c, uint32_t events);

/* puppet_command.c: the line that says what to do */
void command_ready(struct conn *c, uint32_t events);
/* Words into a plan; false with a reason in @why. @words is cut up. */
bool plan_parse(struct plan *plan, char *words, const char **why);

/* puppet_stream.c: the engine */
void stream_start(struct conn *c);
void stream_go(struct conn *c);
bool stream_say(struct conn *c, const char *text, size_t len);
/* Pushes pending bytes and pattern; false if the connection is dead. */
bool stream_send(struct conn *c);
unsigned int stream_segs(int fd);

/* puppet_http.c */
void http_start(struct conn *c);

/* puppet_call.c: connections made, refused and swallowed on request */
void call_start(struct conn *c, char *words);
void call_over(struct conn *child);
void call_forget(struct conn *caller);
void full_start(struct conn *c);
void full_drain(struct conn *c);
void closed_start(struct conn *c);

/* puppet_result.c: what happened to tagged connections */
void result_text(const struct conn *c, char *text, size_t size);
void result_keep(const struct conn *c);
/* What is kept of a tag, or NULL. */
const char *result_find(const char *tag);
void stat_start(struct conn *c, char *words);
void go_start(struct conn *c, char *words);

/* puppet_control.c: many connections told what to do by one */
void control_start(struct conn *c);

#endif
