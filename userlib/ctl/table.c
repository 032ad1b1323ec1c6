// SPDX-License-Identifier: GPL-2.0
/*
 * What people read: tables with aligned columns, and lists of "key: value".
 *
 * A table is laid out in two walks over its rows, one to measure and one to
 * print; a cell is made anew for each, so no text is kept. The last column is
 * not padded.
 */
#include <stdio.h>
#include <string.h>

#include "ctl.h"

#define COLUMNS_MAX 24

/**
 * table_print() - print rows under a head
 * @rows: array of objects
 * @columns: the columns
 * @n: number of them
 */
void table_print(const json_t *rows, const struct column *columns, size_t n)
{
	int width[COLUMNS_MAX];
	char text[CELL_SIZE];
	size_t i, c;
	json_t *row;
	int len;

	for (c = 0; c < n; c++)
		width[c] = (int)strlen(columns[c].title);
	json_array_foreach(rows, i, row) {
		for (c = 0; c < n; c++) {
			columns[c].cell(row, text, sizeof(text));
			len = (int)strlen(text);
			if (len > width[c])
				width[c] = len;
		}
	}
	for (c = 0; c < n; c++)
		printf("%s%*s", c ? "  " : "",
		       columns[c].right ? width[c] : c + 1 < n ? -width[c] : 0, columns[c].title);
	putchar('\n');
	json_array_foreach(rows, i, row) {
		for (c = 0; c < n; c++) {
			columns[c].cell(row, text, sizeof(text));
			printf("%s%*s", c ? "  " : "",
			       columns[c].right ? width[c] : c + 1 < n ? -width[c] : 0, text);
		}
		putchar('\n');
	}
}

static void value_print(const json_t *value)
{
	size_t i;
	json_t *entry;

	switch (json_typeof(value)) {
	case JSON_STRING:
		fputs(json_string_value(value), stdout);
		break;
	case JSON_INTEGER:
		printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_TRUE:
		fputs("yes", stdout);
		break;
	case JSON_FALSE:
		fputs("no", stdout);
		break;
	case JSON_ARRAY:
		json_array_foreach(value, i, entry) {
			if (i)
				fputs(", ", stdout);
			value_print(entry);
		}
		break;
	default:
		break;
	}
}

/**
 * list_print() - print an object, a line for each member
 * @object: the object
 * @indent: columns to leave free
 */
void list_print(const json_t *object, int indent)
{
	const char *key, *p;
	json_t *value;
	int width = 0;

	json_object_foreach((json_t *)object, key, value)
		if ((int)strlen(key) > width)
			width = (int)strlen(key);
	json_object_foreach((json_t *)object, key, value) {
		printf("%*s", indent, "");
		for (p = key; *p; p++)
			putchar(*p == '_' ? ' ' : *p);
		if (json_is_object(value)) {
			putchar('\n');
			list_print(value, indent + 2);
			continue;
		}
		printf("%*s  ", width - (int)strlen(key), "");
		value_print(value);
		putchar('\n');
	}
}
