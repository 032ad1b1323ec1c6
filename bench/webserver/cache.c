// SPDX-License-Identifier: MIT
/* The files, read once at the start. */
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"

#define HEADER_MAX	256
#define AREA_MAX	(1UL << 40)
#define FILES_MAX	65536
#define HASH		(2 * FILES_MAX)

char *cache_area;
size_t cache_size;
const struct file *cache_not_found, *cache_bad_request;

static struct file files[FILES_MAX];
static unsigned int nr_files;
static struct file *hash[HASH];
static size_t area_len, folder_len;

static unsigned int hash_of(const char *path, size_t len)
{
	unsigned int h = 2166136261U;

	while (len--)
		h = (h ^ (unsigned char)*path++) * 16777619U;
	return h % HASH;
}

static const char *type_of(const char *path)
{
	static const char *const types[][2] = {
		{ ".html", "text/html" }, { ".css", "text/css" }, { ".js", "text/javascript" },
		{ ".txt", "text/plain" }, { ".png", "image/png" }, { ".jpg", "image/jpeg" },
	};
	const char *dot = strrchr(path, '.');
	unsigned int i;

	for (i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(dot, types[i][0]))
			return types[i][1];
	return "application/octet-stream";
}

/*
 * Room for a response at the end of the area, with its header written. The header does for both versions: an
 * HTTP/1.0 client takes the end of the connection for the end of the response, as it is.
 */
static struct file *add(const char *path, const char *status, size_t len)
{
	struct file *f = &files[nr_files];
	int header;

	if (nr_files == FILES_MAX || area_len + HEADER_MAX + len > cache_size)
		return NULL;
	header = snprintf(cache_area + area_len, HEADER_MAX,
			  "HTTP/1.1 %s\r\nServer: memnet-webserver\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
			  status, type_of(path), len);
	f->path = strdup(path);
	if (!f->path)
		return NULL;
	f->offset = area_len;
	f->header = (size_t)header;
	f->len = f->header + len;
	area_len += (f->len + 63) & ~63UL;
	nr_files++;
	return f;
}

static int put(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	const char *path = name + folder_len;
	struct file *f;
	size_t got = 0;
	unsigned int h;
	int fd;

	(void)ftw;
	if (flag != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	f = add(path, "200 OK", (size_t)st->st_size);
	fd = open(name, O_RDONLY);
	if (!f || fd < 0)
		return -1;
	while (got < (size_t)st->st_size) {
		ssize_t n = read(fd, cache_area + f->offset + f->header + got, (size_t)st->st_size - got);

		if (n <= 0)
			return -1;
		got += (size_t)n;
	}
	close(fd);
	for (h = hash_of(path, strlen(path)); hash[h]; h = (h + 1) % HASH)
		;
	hash[h] = f;
	return 0;
}

static int measure(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)name;
	(void)ftw;
	if (flag == FTW_F && S_ISREG(st->st_mode))
		cache_size += (size_t)st->st_size + HEADER_MAX + 64;
	return cache_size > AREA_MAX ? -1 : 0;
}

static const struct file *error_page(const char *status, const char *text)
{
	struct file *f = add("/error.txt", status, strlen(text));

	if (f)
		memcpy(cache_area + f->offset + f->header, text, strlen(text));
	return f;
}

bool cache_load(const char *folder)
{
	folder_len = strlen(folder);
	while (folder_len && folder[folder_len - 1] == '/')
		folder_len--;
	cache_size = 4096;
	if (nftw(folder, measure, 16, FTW_PHYS)) {
		perror(folder);
		return false;
	}
	cache_area = mmap(NULL, cache_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (cache_area == MAP_FAILED) {
		perror("memory for the files");
		return false;
	}
	cache_not_found = error_page("404 Not Found", "Not found.\n");
	cache_bad_request = error_page("400 Bad Request", "Bad request.\n");
	if (nftw(folder, put, 16, FTW_PHYS) || !cache_not_found || !cache_bad_request) {
		fprintf(stderr, "%s: the files could not be read, or changed meanwhile\n", folder);
		return false;
	}
	return true;
}

const struct file *cache_find(const char *path, size_t len)
{
	static const char index[] = "/index.html";
	unsigned int h;

	if (len == 1 && path[0] == '/') {
		path = index;
		len = sizeof(index) - 1;
	}
	for (h = hash_of(path, len); hash[h]; h = (h + 1) % HASH)
		if (!strncmp(hash[h]->path, path, len) && !hash[h]->path[len])
			return hash[h];
	return NULL;
}
