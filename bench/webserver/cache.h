/* SPDX-License-Identifier: MIT */
/*
 * The files the server serves, in memory: each with its response header before it, so that a response is one piece.
 * All lie in one area, which can be registered as a whole.
 */
#ifndef CACHE_H
#define CACHE_H

#include <stddef.h>

struct file {
	const char *path;	/* as in a request: "/index.html" */
	size_t offset;		/* of the response in the area */
	size_t header;		/* bytes of its header */
	size_t len;		/* bytes of it all */
};

extern char *cache_area;
extern size_t cache_size;

/* Reads all files below a folder; false, with a message, if that cannot be done. */
bool cache_load(const char *folder);
/* The file of a path of some length, or NULL; then cache_error is what to send. */
const struct file *cache_find(const char *path, size_t len);

extern const struct file *cache_not_found, *cache_bad_request;

#endif
