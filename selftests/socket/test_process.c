// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets that go from one process to another, and outlive the first; workers and threads on one
 * listener; a user namespace's root.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

static void echo(int fd, unsigned int seed)
{
	send_pattern(fd, seed, 0, 1000);
	recv_pattern(fd, seed, 0, 1000);
}

/* ---- taken from another ---- */

TEST(process_descriptor_taken, "process.pidfd-getfd")
{
	char tag[PEER_TAG], byte;
	int note[2], hold[2], number, pidfd, fd;
	pid_t pid;

	peer_tag(tag);
	OK(pipe(note));
	OK(pipe(hold));
	pid = OK(fork());
	if (!pid) {
		alarm(25);
		OK(close(hold[1]));
		fd = dial("echo tag=%s", tag);
		EQ(write(note[1], &fd, sizeof(fd)), sizeof(fd));
		EQ(read(hold[0], &byte, 1), 0);
		_exit(0);
	}
	EQ(read(note[0], &number, sizeof(number)), sizeof(number));
	pidfd = OK((int)syscall(SYS_pidfd_open, pid, 0));
	fd = OK((int)syscall(SYS_pidfd_getfd, pidfd, number, 0));
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	echo(fd, 1);
	/* it is the same socket, and lives on */
	OK(close(hold[1]));
	wait_for(pid);
	echo(fd, 2);
	FAILS((int)syscall(SYS_pidfd_getfd, pidfd, number, 0), ESRCH);
	OK(close(fd));
	EQ(stat_of(tag).in, 2000);
}

/* ---- passed on ---- */

/* The sender is nobody by then, and gone. */
TEST(process_sender_exits, "process.scm-rights.outlives")
{
	char tag[PEER_TAG];
	int pair[2], fd;
	pid_t pid;

	peer_tag(tag);
	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	pid = OK(fork());
	if (!pid) {
		alarm(25);
		fd = dial("echo tag=%s", tag);
		become_nobody();
		send_descriptor(pair[1], fd);
		send_descriptor(pair[1], fd);
		_exit(0);
	}
	wait_for(pid);
	/* both messages hold it */
	fd = receive_descriptor(pair[0]);
	echo(fd, 1);
	OK(close(fd));
	fd = receive_descriptor(pair[0]);
	echo(fd, 2);
	OK(close(fd));
	EQ(stat_of(tag).in, 2000);
}

TEST(process_listener_passed, "process.scm-rights")
{
	unsigned int port;
	int pair[2], fd, conn;
	pid_t pid;

	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	pid = OK(fork());
	if (!pid) {
		alarm(25);
		send_descriptor(pair[1], listener(&port));
		_exit(0);
	}
	wait_for(pid);
	fd = receive_descriptor(pair[0]);
	EQ(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
	port = port_of(fd);
	call_many(port, 2, "echo");
	conn = accept_one(fd);
	echo(conn, 1);
	/* on its way when nobody has it: connections that wait with it end */
	send_descriptor(pair[1], fd);
	OK(close(fd));
	fd = receive_descriptor(pair[0]);
	echo(accept_one(fd), 2);
	echo(conn, 3);
}

TEST(process_connecting_passed, "process.scm-rights")
{
	int pair[2], fd, hold;
	const union addr *peer = &tested.peer[tested.v6], *to;
	pid_t pid;

	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	pid = OK(fork());
	if (!pid) {
		alarm(25);
		fd = fresh_nonblock();
		FAILS(connect(fd, &peer->sa, addr_len(peer)), EINPROGRESS);
		send_descriptor(pair[1], fd);
		_exit(0);
	}
	wait_for(pid);
	fd = receive_descriptor(pair[0]);
	EQ(wait_fd(fd, POLLOUT, LONG_MS), POLLOUT);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	OK(write_all(fd, "echo\n", 5));
	echo(fd, 1);

	/* and one that goes on */
	to = peer_at(full_port(&hold, NULL));
	pid = OK(fork());
	if (!pid) {
		alarm(25);
		fd = fresh_nonblock();
		FAILS(connect(fd, &to->sa, addr_len(to)), EINPROGRESS);
		send_descriptor(pair[1], fd);
		_exit(0);
	}
	wait_for(pid);
	fd = receive_descriptor(pair[0]);
	EQ(wait_fd(fd, POLLOUT, 20), 0);
	FAILS(connect(fd, &to->sa, addr_len(to)), EALREADY);
}

/* ---- one listener for many ---- */

#define WORKERS 4

struct worker {
	pthread_t thread;
	int fd;
	int served;
};

static void *serves(void *arg)
{
	struct worker *w = arg;
	int conn, i;

	for (i = 0; i < 2; i++) {
		conn = OK(accept(w->fd, NULL, NULL));
		echo(conn, 1);
		OK(close(conn));
		w->served++;
	}
	return NULL;
}

TEST(process_threads_accept, "process.threads")
{
	static struct worker worker[WORKERS];
	unsigned int port;
	int fd = listener(&port);
	int i;

	for (i = 0; i < WORKERS; i++) {
		worker[i].fd = fd;
		OK(-pthread_create(&worker[i].thread, NULL, serves, &worker[i]));
	}
	call_many(port, 2 * WORKERS, "echo");
	for (i = 0; i < WORKERS; i++) {
		OK(-pthread_join(worker[i].thread, NULL));
		EQ(worker[i].served, 2);
	}
	set_nonblock(fd, true);
	FAILS(accept(fd, NULL, NULL), EAGAIN);
}

static void serve_one(void *arg)
{
	struct worker w = { .fd = *(int *)arg };
	int conn = OK(accept(w.fd, NULL, NULL));

	echo(conn, 1);
}

/* Of those who sleep in accept() one is killed; the others are woken, though not by that. */
TEST(process_worker_killed, "process.prefork")
{
	unsigned int port;
	int fd = listener(&port), status, i;
	pid_t pid[3];

	for (i = 0; i < 3; i++) {
		pid[i] = child(serve_one, &fd);
		await_sleep(pid[i], pid[i]);
	}
	OK(kill(pid[0], SIGKILL));
	EQ(waitpid(pid[0], &status, 0), pid[0]);
	CHECK(WIFSIGNALED(status));
	EQ(waitpid(pid[1], &status, WNOHANG), 0);
	call_many(port, 2, "echo");
	wait_for(pid[1]);
	wait_for(pid[2]);
}

/* ---- user namespaces ---- */

/* Who is root in a user namespace may do with the network what anybody may. */
TEST(process_root_of_another_namespace, "process.userns")
{
	int early = fresh(), fd;
	union addr addr;
	unsigned int port;

	if (unshare(CLONE_NEWUSER)) {
		CHECK(errno == EPERM || errno == EINVAL || errno == ENOSPC);
		SKIP("no user namespaces");
	}
	fd = open("/proc/self/uid_map", O_WRONLY);
	if (fd >= 0) {
		EQ(write(fd, "0 0 1", 5), 5);
		OK(close(fd));
		EQ(geteuid(), 0);
	}
	addr_any(&addr, tested.v6, tested.v6 ? 88 : 87);
	FAILS(bind(early, &addr.sa, addr_len(&addr)), EACCES);
	FAILS(bind(fresh(), &addr.sa, addr_len(&addr)), EACCES);
	/* as for anybody, all else goes */
	fd = listener(&port);
	call(port, "echo");
	echo(accept_one(fd), 1);
	echo(dial("echo"), 2);
}
