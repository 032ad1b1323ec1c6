// SPDX-License-Identifier: GPL-2.0
/*
 * A socket is a file: dup, fork, exec, SCM_RIGHTS, /proc, and who closes it
 * last.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

TEST_BOTH(descriptor_dup, "process.dup")
{
	char tag[PEER_TAG];
	int fd = meet("echo tag=%s", peer_tag(tag));
	int copy = OK(dup(fd));

	send_pattern(fd, 1, 0, 10);
	recv_pattern(copy, 1, 0, 5);
	OK(close(fd));
	/* the connection lives while one of them does */
	send_pattern(copy, 1, 10, 10);
	recv_pattern(copy, 1, 5, 15);
	set_nonblock(copy, true);
	fd = OK(fcntl(copy, F_DUPFD_CLOEXEC, 100));
	CHECK(fd >= 100);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	OK(close(copy));
	OK(close(fd));
	EQ(stat_of(tag).eof, 1);
}

static void echo_twice(void *arg)
{
	int *fd = arg;

	send_pattern(*fd, 1, 0, 1000);
	recv_pattern(*fd, 1, 0, 1000);
}

TEST_BOTH(descriptor_fork, "process.fork")
{
	char tag[PEER_TAG];
	int fd = meet("echo tag=%s", peer_tag(tag));

	wait_for(child(echo_twice, &fd));
	echo_twice(&fd);
	OK(close(fd));
	EQ(stat_of(tag).in, 2000);
}

static void hold(void *arg)
{
	int *fd = arg;
	char byte;

	/* until the parent says so */
	CHECK(read(fd[1], &byte, 1) == 0);
	send_pattern(fd[0], 1, 0, 10);
	recv_pattern(fd[0], 1, 0, 10);
}

TEST_BOTH(descriptor_parent_closes, "process.fork")
{
	char tag[PEER_TAG];
	int fd[3];
	pid_t pid;

	fd[0] = meet("echo tag=%s", peer_tag(tag));
	OK(pipe(fd + 1));
	OK(fcntl(fd[2], F_SETFD, FD_CLOEXEC));
	pid = fork();
	OK(pid);
	if (!pid) {
		close(fd[2]);
		hold(fd);
		_exit(0);
	}
	OK(close(fd[0]));
	OK(close(fd[2]));
	wait_for(pid);
	EQ(stat_of(tag).in, 10);
}

TEST(descriptor_listener_in_child, "process.listener")
{
	unsigned int port;
	int fd = listener(&port);
	pid_t pid = fork();

	OK(pid);
	if (!pid) {
		int conn = accept_one(fd);

		close(fd);
		echo_twice(&conn);
		_exit(0);
	}
	OK(close(fd));
	call(port, "echo");
	wait_for(pid);
}

TEST_BOTH(descriptor_passed, "process.scm-rights")
{
	char tag[PEER_TAG];
	int pair[2], fd;
	pid_t pid;

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = fork();
	OK(pid);
	if (!pid) {
		fd = receive_descriptor(pair[1]);
		echo_twice(&fd);
		_exit(0);
	}
	fd = meet("echo tag=%s", peer_tag(tag));
	send_descriptor(pair[0], fd);
	OK(close(fd));
	wait_for(pid);
	EQ(stat_of(tag).in, 1000);
}

/* In flight when its last holder closes: it ends with the message. */
TEST_BOTH(descriptor_lost_on_the_way, "process.scm-rights.lost")
{
	char tag[PEER_TAG];
	int fd = meet("echo tag=%s", peer_tag(tag));
	int pair[2];

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	send_descriptor(pair[0], fd);
	OK(close(fd));
	OK(close(pair[0]));
	OK(close(pair[1]));
	EQ(stat_of(tag).eof, 1);
}

TEST_BOTH(descriptor_exec, "process.exec")
{
	char tag[PEER_TAG], number[16], buf[4];
	int fd = meet("echo tag=%s", peer_tag(tag));
	pid_t pid;

	OK(fcntl(fd, F_SETFD, 0));
	snprintf(number, sizeof(number), "%d", fd);
	pid = fork();
	OK(pid);
	if (!pid) {
		execl("/proc/self/exe", "mnsock", "--exec-helper", number,
		      NULL);
		_exit(1);
	}
	wait_for(pid);
	EQ(read_all(fd, buf, 4), 4);
	CHECK(!memcmp(buf, "exec", 4));
	/* close-on-exec is kept as well */
	OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
	pid = fork();
	OK(pid);
	if (!pid) {
		execl("/proc/self/exe", "mnsock", "--exec-helper", number,
		      NULL);
		_exit(2);
	}
	OK(waitpid(pid, (int *)buf, 0));
	EQ(WEXITSTATUS(*(int *)buf), 1);
	OK(close(fd));
	EQ(stat_of(tag).in, 4);
}

TEST_BOTH(descriptor_proc, "proc.fd")
{
	int fd = meet("echo");
	char path[32], link[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = OK(readlink(path, link, sizeof(link) - 1));
	link[n] = 0;
	CHECK(!strncmp(link, "socket:[", 8));
	FAILS(open(path, O_RDWR), ENXIO);
}

TEST_BOTH(descriptor_stdio, "stdio")
{
	int fd = meet("echo");
	FILE *file = fdopen(fd, "r+");
	char line[32];

	CHECK(file);
	fprintf(file, "a line\n");
	fflush(file);
	CHECK(fgets(line, sizeof(line), file));
	CHECK(!strcmp(line, "a line\n"));
	fclose(file);
}
