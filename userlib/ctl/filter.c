// SPDX-License-Identifier: GPL-2.0
/*
 * Which sockets: the words behind "socket show" and "socket kill".
 *
 * A filter is read from the command line and asked about each row, as decode.c
 * made it, so it knows no attributes. What is said of different things must all
 * hold; of several states one. An address may be any of a prefix and may have a
 * port; IPv6 with a port stands in brackets.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl.h"

#define ADDRESS "an address is IPv4 or IPv6 in numbers, with :PORT or /LENGTH behind it"

/* The names of the table, and those by which ss(8) is asked. */
static const struct {
	const char *name;
	const char *shown;
} states[] = {
	{ "established", "ESTAB" }, { "estab", "ESTAB" }, { "syn-sent", "SYN-SENT" },
	{ "syn-recv", "SYN-RECV" }, { "fin-wait-1", "FIN-WAIT-1" },
	{ "fin-wait-2", "FIN-WAIT-2" }, { "time-wait", "TIME-WAIT" }, { "closed", "UNCONN" },
	{ "unconn", "UNCONN" }, { "close-wait", "CLOSE-WAIT" }, { "last-ack", "LAST-ACK" },
	{ "listening", "LISTEN" }, { "listen", "LISTEN" }, { "closing", "CLOSING" },
};

#define N_STATES (sizeof(states) / sizeof(states[0]))

static void add_state(struct words *w, struct filter *f, const char *name)
{
	size_t i;

	for (i = 0; i < N_STATES; i++)
		if (!strcasecmp(states[i].name, name))
			break;
	if (i == N_STATES)
		word_wrong(w, "a state is established, syn-sent, fin-wait-1, fin-wait-2, "
			      "close-wait, last-ack, closing, listening or closed");
	if (f->n_states == FILTER_STATES)
		word_wrong(w, "too many states");
	f->state[f->n_states++] = states[i].shown;
}

static long number_of(const char *text, long max)
{
	char *end;
	long value;

	if (*text < '0' || *text > '9')
		return -1;
	value = strtol(text, &end, 10);
	return *end || value > max ? -1 : value;
}

/* ADDR, ADDR:PORT, [ADDR]:PORT or ADDR/LENGTH */
static void read_address(struct words *w, struct filter_address *a, const char *word)
{
	const char *text = word, *rest = NULL;
	char addr[INET6_ADDRSTRLEN + 1] = "";
	size_t len;
	long value;

	if (a->family)
		word_wrong(w, "said before");
	if (*text == '[') {
		text++;
		len = strcspn(text, "]");
		rest = text[len] ? text + len + 1 : NULL;
	} else {
		len = strcspn(text, "/");
		/* One colon is a port's, more are of IPv6. */
		if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':'))
			len = strcspn(text, ":");
		rest = text + len;
	}
	if (!rest || len >= sizeof(addr))
		word_wrong(w, ADDRESS);
	memcpy(addr, text, len);
	a->family = inet_pton(AF_INET, addr, a->addr) == 1 ? AF_INET :
		    inet_pton(AF_INET6, addr, a->addr) == 1 ? AF_INET6 : 0;
	a->length = a->family == AF_INET ? 32 : 128;
	a->port = -1;
	if (!a->family)
		word_wrong(w, ADDRESS);
	if (*rest == ':') {
		value = number_of(rest + 1, 65535);
		if (value < 0)
			word_wrong_at(w, (size_t)(rest + 1 - word), "a port is 0 to 65535");
		a->port = (int)value;
	} else if (*rest == '/') {
		value = number_of(rest + 1, a->length);
		if (value < 0)
			word_wrong_at(w, (size_t)(rest + 1 - word),
				      a->family == AF_INET ? "the length is 0 to 32" :
							     "the length is 0 to 128");
		a->length = (unsigned int)value;
	} else if (*rest) {
		word_wrong(w, ADDRESS);
	}
}

static void once(const struct words *w, int64_t value)
{
	if (value >= 0)
		word_wrong(w, "said before");
}

/**
 * filter_read() - read a filter up to the end of the command line
 * @w: the command line
 * @f: the filter
 *
 * Return: whether there was any.
 */
bool filter_read(struct words *w, struct filter *f)
{
	bool any = word_peek(w);

	*f = (struct filter){ .sport = -1, .dport = -1, .uid = -1, .inode = -1 };
	while (word_peek(w)) {
		const char *word = word_take(w, "a filter");

		if (!strcmp(word, "state")) {
			add_state(w, f, word_take(w, "a state"));
		} else if (!strcmp(word, "listening")) {
			add_state(w, f, word);
		} else if (!strcmp(word, "src")) {
			read_address(w, &f->src, word_take(w, "an address"));
		} else if (!strcmp(word, "dst")) {
			read_address(w, &f->dst, word_take(w, "an address"));
		} else if (!strcmp(word, "sport")) {
			once(w, f->sport);
			f->sport = (int64_t)word_number(w, "a port", 0, 65535);
		} else if (!strcmp(word, "dport")) {
			once(w, f->dport);
			f->dport = (int64_t)word_number(w, "a port", 0, 65535);
		} else if (!strcmp(word, "link")) {
			if (f->link)
				word_wrong(w, "said before");
			f->link = word_take(w, "the name of a link");
		} else if (!strcmp(word, "uid")) {
			once(w, f->uid);
			f->uid = (int64_t)word_number(w, "a user id", 0, UINT32_MAX);
		} else if (!strcmp(word, "inode")) {
			once(w, f->inode);
			f->inode = (int64_t)word_number(w, "an inode", 1, INT64_MAX);
		} else {
			word_wrong(w, "no such filter; there are state, listening, src, dst, "
				      "sport, dport, link, uid, inode");
		}
	}
	return any;
}

static bool is_number(const json_t *row, const char *key, int64_t value)
{
	const json_t *member = json_object_get(row, key);

	return value < 0 || (member && json_integer_value(member) == value);
}

static bool is_address(const json_t *row, const char *addr_key, const char *port_key,
		       const struct filter_address *a)
{
	const char *text = json_string_value(json_object_get(row, addr_key));
	unsigned char addr[16], mask;
	unsigned int whole = a->length / 8;

	if (!a->family)
		return true;
	/* IPv4 as a socket for both has it */
	if (text && a->family == AF_INET && !strncmp(text, "::ffff:", 7))
		text += 7;
	if (!text || inet_pton(a->family, text, addr) != 1 || !is_number(row, port_key, a->port))
		return false;
	mask = (unsigned char)(0xff00 >> a->length % 8);
	return !memcmp(addr, a->addr, whole) &&
	       (whole == sizeof(addr) || !((addr[whole] ^ a->addr[whole]) & mask));
}

/**
 * filter_match() - whether a socket is meant
 * @f: the filter
 * @row: as decode_socket() made it
 */
bool filter_match(const struct filter *f, const json_t *row)
{
	const char *state = json_string_value(json_object_get(row, "state"));
	const char *link = json_string_value(json_object_get(row, "link"));
	size_t i;

	for (i = 0; i < f->n_states; i++)
		if (state && !strcmp(state, f->state[i]))
			break;
	if (f->n_states && i == f->n_states)
		return false;
	if (f->link && (!link || strcmp(link, f->link)))
		return false;
	return is_number(row, "local_port", f->sport) && is_number(row, "remote_port", f->dport) &&
	       is_number(row, "uid", f->uid) && is_number(row, "inode", f->inode) &&
	       is_address(row, "local_address", "local_port", &f->src) &&
	       is_address(row, "remote_address", "remote_port", &f->dst);
}
