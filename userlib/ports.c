// SPDX-License-Identifier: LGPL-2.1
/*
 * Lists of ports, for everything on the user side that takes one.
 *
 * A list is ranges separated by commas, a range is a port or two with a dash
 * between; blanks may surround either. An empty text is an empty list. The
 * kernel takes a fixed number of ranges, so a longer list is an error here.
 * Uses no locale and no memory but the caller's: the preload parses with it.
 */
#include "ports.h"

static const char *skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* A port at *p, which is moved behind it; 0 if there is none. */
static unsigned int parse_port(const char **p)
{
	unsigned int port = 0;

	*p = skip_blanks(*p);
	while (**p >= '0' && **p <= '9') {
		port = port * 10 + (unsigned int)(**p - '0');
		if (port > 65535)
			return 0;
		(*p)++;
	}
	return port;
}

/**
 * ports_parse() - read a list of ports
 * @text: the list
 * @out: the ranges
 * @max: room in @out
 * @where: on error, the place in @text it was found at
 * @why: on error, what is wrong there
 *
 * Return: the number of ranges, or -1.
 */
int ports_parse(const char *text, struct memnet_port_range *out, int max,
		const char **where, const char **why)
{
	const char *p = skip_blanks(text);
	unsigned int first, last;
	int n = 0;

	if (!*p)
		return 0;
	for (;;) {
		*where = skip_blanks(p);
		first = parse_port(&p);
		if (!first) {
			*why = "a port is a number from 1 to 65535";
			return -1;
		}
		last = first;
		p = skip_blanks(p);
		if (*p == '-') {
			p++;
			*where = skip_blanks(p);
			last = parse_port(&p);
			if (!last) {
				*why = "a port is a number from 1 to 65535";
				return -1;
			}
			if (last < first) {
				*why = "the range ends before it begins";
				return -1;
			}
			p = skip_blanks(p);
		}
		if (*p && *p != ',') {
			*where = p;
			*why = "a comma belongs between two ports";
			return -1;
		}
		if (n == max) {
			*why = "there are too many ranges";
			return -1;
		}
		out[n].first = (__u16)first;
		out[n].last = (__u16)last;
		n++;
		if (!*p)
			return n;
		p++;
	}
}
