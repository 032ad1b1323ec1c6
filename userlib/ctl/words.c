// SPDX-License-Identifier: GPL-2.0
/*
 * The command line, word by word.
 *
 * Whoever parses takes words from the front. A word that does not fit ends the
 * program: the line is shown with the word marked, then what was wrong with it,
 * then the usage of the command as far as it is known:
 *
 *	memnetctl: link add l0 tcps 10.0.0.1 prot 5
 *	                                     ^^^^
 *	memnetctl: no such option; there are port, channels, ...
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

/**
 * word_peek() - the next word
 * @w: the command line
 *
 * Return: the word, or NULL at the end.
 */
const char *word_peek(const struct words *w)
{
	return w->word[w->next];
}

/* Show the line with @len characters marked, beginning @offset into word @at. */
static __attribute__((noreturn)) void wrong(const struct words *w, int at, size_t offset,
					    size_t len, const char *why)
{
	size_t column = offset;
	int i;

	fputs("memnetctl:", stderr);
	for (i = 0; w->word[i]; i++) {
		fprintf(stderr, " %s", w->word[i]);
		if (i < at)
			column += strlen(w->word[i]) + 1;
	}
	fprintf(stderr, "\nmemnetctl: %*s", (int)column, "");
	do {
		fputc('^', stderr);
	} while (len && --len);
	fprintf(stderr, "\nmemnetctl: %s\n", why);
	if (w->usage)
		fprintf(stderr, "usage: memnetctl [-j] %s\n", w->usage);
	exit(EXIT_USAGE);
}

/**
 * word_wrong_at() - the word just taken does not fit
 * @w: the command line
 * @offset: where in the word it is wrong
 * @why: what is wrong
 */
void word_wrong_at(const struct words *w, size_t offset, const char *why)
{
	int at = w->next - 1;

	wrong(w, at, offset, strlen(w->word[at]) - offset, why);
}

/**
 * word_wrong() - the word just taken does not fit
 * @w: the command line
 * @why: what is wrong
 */
void word_wrong(const struct words *w, const char *why)
{
	word_wrong_at(w, 0, why);
}

/**
 * word_take() - take the next word
 * @w: the command line
 * @what: what it stands for
 *
 * Return: the word.
 */
const char *word_take(struct words *w, const char *what)
{
	char why[256];

	if (!w->word[w->next]) {
		snprintf(why, sizeof(why), "%s is missing", what);
		wrong(w, w->next, 0, 1, why);
	}
	return w->word[w->next++];
}

/**
 * word_end() - there is to be no word left
 * @w: the command line
 */
void word_end(const struct words *w)
{
	if (w->word[w->next])
		wrong(w, w->next, 0, strlen(w->word[w->next]), "one word too many");
}

/**
 * word_number() - take a number
 * @w: the command line
 * @what: what it stands for
 * @min: least value
 * @max: largest value
 *
 * Return: the number.
 */
uint64_t word_number(struct words *w, const char *what, uint64_t min, uint64_t max)
{
	const char *word = word_take(w, what);
	unsigned long long value;
	char why[256];
	char *end;

	errno = 0;
	/* 010 is ten */
	value = strtoull(word, &end, word[0] == '0' && (word[1] | 0x20) == 'x' ? 16 : 10);
	if (*word < '0' || *word > '9' || *end || errno || value < min || value > max) {
		snprintf(why, sizeof(why), "%s is a number from %llu to %llu", what,
			 (unsigned long long)min, (unsigned long long)max);
		word_wrong(w, why);
	}
	return value;
}
