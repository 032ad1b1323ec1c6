/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A cgroup of a test's own: made, and gone with the test's processes.
 */
#ifndef MN_GROUP_H
#define MN_GROUP_H

/* SKIPs where no groups can be made, or not with this controller (NULL: with none). */
void group_make(const char *controller);
/* The group's directory. */
int group_directory(void);
void group_write(const char *file, const char *value);
/* The number in a line "key number" of a file. */
long group_number(const char *file, const char *key);
/* This process joins it. */
void group_join(void);
/* When no process is in it any more. */
void group_end(void);
/* All that: @run in a process in a group. */
void in_group(const char *controller, void (*run)(void));

#endif
