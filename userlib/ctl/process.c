// SPDX-License-Identifier: GPL-2.0
/*
 * Whose sockets: the processes that have one open, by the inodes of /proc/PID/fd.
 *
 * All processes are looked through once, into a table sorted by inode. What may
 * not be looked at is left out: who is not root sees his own.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

static struct holder {
	unsigned long long inode;
	int pid;
	int fd;
	char name[32];
} *holders;

static size_t n_holders, room;

static void add(unsigned long long inode, int pid, int fd, const char *name)
{
	struct holder *h;

	if (n_holders == room) {
		room = room ? 2 * room : 256;
		holders = realloc(holders, room * sizeof(*holders));
		if (!holders)
			fail("out of memory");
	}
	h = &holders[n_holders++];
	h->inode = inode;
	h->pid = pid;
	h->fd = fd;
	snprintf(h->name, sizeof(h->name), "%s", name);
}

static void read_name(int proc, int pid, char *name, size_t size)
{
	char path[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%d/comm", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : read(fd, name, size - 1);
	if (fd >= 0)
		close(fd);
	name[len > 0 ? len : 0] = 0;
	name[strcspn(name, "\n")] = 0;
}

static void look_through(int proc, int pid)
{
	char path[64], text[64], name[32];
	unsigned long long inode;
	struct dirent *entry;
	ssize_t len;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%d/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	name[0] = 0;
	while ((entry = readdir(dir))) {
		len = readlinkat(fd, entry->d_name, text, sizeof(text) - 1);
		text[len > 0 ? len : 0] = 0;
		if (sscanf(text, "socket:[%llu]", &inode) != 1)
			continue;
		if (!name[0])
			read_name(proc, pid, name, sizeof(name));
		add(inode, pid, atoi(entry->d_name), name);
	}
	closedir(dir);
}

static int by_inode(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid - y->pid;
	return x->fd - y->fd;
}

static void look(void)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	if (!dir)
		fail("cannot read /proc");
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			look_through(dirfd(dir), atoi(entry->d_name));
	closedir(dir);
	qsort(holders, n_holders, sizeof(*holders), by_inode);
}

static json_t *holders_of(unsigned long long inode)
{
	json_t *list = json_array();
	size_t low = 0, high = n_holders, i;

	while (low < high) {
		i = (low + high) / 2;
		if (holders[i].inode < inode)
			low = i + 1;
		else
			high = i;
	}
	for (i = low; inode && i < n_holders && holders[i].inode == inode; i++)
		/* a name need not be UTF-8 */
		json_array_append_new(list, json_pack("{s:o, s:i, s:i}", "name",
						      json_string(holders[i].name) ?:
						      json_string("?"),
						      "pid", holders[i].pid, "fd", holders[i].fd));
	return list;
}

/**
 * processes_add() - say of sockets whose they are
 * @rows: as decode_socket() made them; each gets a list "processes"
 */
void processes_add(json_t *rows)
{
	json_t *row;
	size_t i;

	look();
	json_array_foreach(rows, i, row)
		json_object_set_new(row, "processes",
				    holders_of((unsigned long long)json_integer_value(
					json_object_get(row, "inode"))));
}
