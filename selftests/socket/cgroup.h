/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A cgroup of a test's own: made, and gone with the test's processes.
 */
#ifndef MN_CGROUP_H
#define MN_CGROUP_H

/* SKIPs where no groups can be made, or not with this controller (NULL: with none). */
void cgroup_make(const char *controller);
/* The group's directory. */
int cgroup_directory(void);
void cgroup_write(const char *file, const char *value);
/* The number in a line "key number" of a file. */
long cgroup_number(const char *file, const char *key);
/* This process joins it. */
void cgroup_join(void);
/* When no process is in it any more. */
void cgroup_end(void);
/* All that: @run in a process in a group. */
void in_cgroup(const char *controller, void (*run)(void));

#endif
