// SPDX-License-Identifier: GPL-2.0
/*
 * A cgroup (version 2) of a test's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "fixture.h"

#define ROOT "/sys/fs/cgroup"

static int directory = -1;
static char path[64];

static void write_to(int at, const char *file, const char *value)
{
	int fd = openat(at, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		FAIL("%s: writing %s: %m", file, value);
	close(fd);
}

void cgroup_make(const char *controller)
{
	char enable[32];

	if (geteuid())
		SKIP("needs root");
	if (access(ROOT "/cgroup.procs", W_OK))
		SKIP("no cgroup2 at " ROOT);
	if (controller) {
		snprintf(enable, sizeof(enable), "+%s", controller);
		write_to(AT_FDCWD, ROOT "/cgroup.subtree_control", enable);
	}
	snprintf(path, sizeof(path), ROOT "/mnsock-%d", getpid());
	OK(mkdir(path, 0755));
	directory = OK(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

int cgroup_directory(void)
{
	return directory;
}

void cgroup_write(const char *file, const char *value)
{
	write_to(directory, file, value);
}

long cgroup_number(const char *file, const char *key)
{
	int fd = OK(openat(directory, file, O_RDONLY | O_CLOEXEC));
	FILE *stream = fdopen(fd, "r");
	char name[64];
	long number;

	while (fscanf(stream, "%63s %ld", name, &number) == 2)
		if (!strcmp(name, key)) {
			fclose(stream);
			return number;
		}
	FAIL("%s has no %s", file, key);
}

void cgroup_join(void)
{
	cgroup_write("cgroup.procs", "0");
}

void cgroup_end(void)
{
	OK(close(directory));
	OK(rmdir(path));
}

static void in_child(void *arg)
{
	void (*run)(void) = *(void (**)(void))arg;

	cgroup_join();
	run();
}

void in_cgroup(const char *controller, void (*run)(void))
{
	cgroup_make(controller);
	wait_for(child(in_child, &run));
	cgroup_end();
}
