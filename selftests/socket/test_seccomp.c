// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that may not make all system calls: a socket they have goes on with those that are
 * left, and what is forbidden fails as the filter says, having done nothing.
 *
 * What a filter hits gives ENOTNAM, which no call of a socket's gives by itself.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define CALLS 16
/* Ended by the number of read(), which is 0 and always allowed. */
#define NUMBERS(...) (const int []){ __VA_ARGS__, SYS_read }

#define REFUSED (SECCOMP_RET_ERRNO | ENOTNAM)

/* By what the kernel says of a filter that is nowhere. */
static void needs_seccomp(void)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) && errno == EINVAL)
		SKIP("no seccomp");
}

static void install(struct sock_filter *filter, unsigned short len)
{
	struct sock_fprog program = { .len = len, .filter = filter };

	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void filter_calls(const int *calls, unsigned int hit, unsigned int miss)
{
	struct sock_filter filter[2 * CALLS + 4] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	unsigned short n = 3;

	for (; *calls != SYS_read; calls++) {
		CHECK(n < 2 * CALLS);
		filter[n++] = (struct sock_filter)
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)*calls, 0, 1);
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, hit);
	}
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, miss);
	install(filter, n);
}

static void allow(const int *calls)
{
	filter_calls(calls, SECCOMP_RET_ALLOW, REFUSED);
}

static void forbid(const int *calls)
{
	filter_calls(calls, REFUSED, SECCOMP_RET_ALLOW);
}

/* By write() and read() alone, and no others. */
static void plain_echo(int fd, unsigned int seed)
{
	char out[1000], in[1000];
	size_t have = 0;
	ssize_t n;

	pattern_fill(seed, 0, out, sizeof(out));
	EQ(write(fd, out, sizeof(out)), sizeof(out));
	while (have < sizeof(in)) {
		n = OK(read(fd, in + have, sizeof(in) - have));
		CHECK(n);
		have += (size_t)n;
	}
	EQ(pattern_check(seed, 0, in, sizeof(in)), -1);
}

static void only_reads_and_writes(void *arg)
{
	const union addr *peer = &tested.peer[tested.v6];
	int fd = *(int *)arg, value = 1;
	char byte = 0;

	allow(NUMBERS(SYS_write, SYS_close, SYS_exit_group, SYS_rt_sigreturn));
	plain_echo(fd, 1);
	FAILS(send(fd, &byte, 1, 0), ENOTNAM);
	FAILS(recv(fd, &byte, 1, MSG_DONTWAIT), ENOTNAM);
	FAILS(shutdown(fd, SHUT_RDWR), ENOTNAM);
	FAILS(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)), ENOTNAM);
	FAILS(connect(fd, &peer->sa, addr_len(peer)), ENOTNAM);
	FAILS(tested_socket(0), ENOTNAM);
	plain_echo(fd, 2);
	OK(close(fd));
	FAILS(read(fd, &byte, 1), EBADF);
}

TEST_BOTH(seccomp_connection, "process.seccomp")
{
	char tag[PEER_TAG];
	int fd;

	needs_seccomp();
	peer_tag(tag);
	fd = meet("echo tag=%s", tag);
	wait_for(child(only_reads_and_writes, &fd));
	/* nothing of what was forbidden has come to it */
	EQ(get_int(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	plain_echo(fd, 3);
	OK(close(fd));
	EQ(stat_of(tag).in, 3000);
}

static void only_accepts(void *arg)
{
	int fd = *(int *)arg, conn;

	allow(NUMBERS(SYS_write, SYS_poll, SYS_clock_gettime, SYS_accept4, SYS_close,
		      SYS_exit_group, SYS_rt_sigreturn));
	CHECK(wait_fd(fd, POLLIN, LONG_MS) & POLLIN);
	FAILS(accept(fd, NULL, NULL), ENOTNAM);
	conn = OK(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
	plain_echo(conn, 1);
	FAILS(listen(fd, 1), ENOTNAM);
	OK(close(conn));
	/* one that waits in the call until there is one */
	conn = OK(accept4(fd, NULL, NULL, 0));
	plain_echo(conn, 2);
}

TEST(seccomp_listener, "process.seccomp")
{
	unsigned int port;
	int fd;
	pid_t pid;

	needs_seccomp();
	fd = listener(&port);
	pid = child(only_accepts, &fd);
	call(port, "echo");
	call(port, "echo");
	wait_for(pid);
}

/* ---- what makes sockets ---- */

static void family_forbidden(void *arg)
{
	unsigned int family = (unsigned int)tested_family(tested.v6);
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, family, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, REFUSED),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	int fd = *(int *)arg, other;

	install(filter, sizeof(filter) / sizeof(filter[0]));
	FAILS(tested_socket(0), ENOTNAM);
	FAILS(tested_socket(SOCK_CLOEXEC | SOCK_NONBLOCK), ENOTNAM);
	other = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(close(other));
	/* what there is may do all */
	OK(peer_open_on(fd, "echo"));
	plain_echo(fd, 1);
	FAILS(tested_socket(0), ENOTNAM);
}

TEST(seccomp_family, "process.seccomp")
{
	int fd;

	needs_seccomp();
	fd = fresh();
	wait_for(child(family_forbidden, &fd));
	plain_echo(fd, 2);
	plain_echo(dial("echo"), 3);
}

static void connect_forbidden(void *arg)
{
	const union addr *peer = &tested.peer[tested.v6];
	int fd = *(int *)arg;

	forbid(NUMBERS(SYS_connect));
	FAILS(connect(fd, &peer->sa, addr_len(peer)), ENOTNAM);
	set_nonblock(fd, true);
	FAILS(connect(fd, &peer->sa, addr_len(peer)), ENOTNAM);
	set_nonblock(fd, false);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	FAILS(connect(fresh(), &peer->sa, addr_len(peer)), ENOTNAM);
}

TEST(seccomp_connect, "process.seccomp")
{
	int fd;

	needs_seccomp();
	fd = fresh();
	wait_for(child(connect_forbidden, &fd));
	/* it is as new */
	OK(peer_open_on(fd, "echo"));
	plain_echo(fd, 1);
}

/* ---- the strict mode ---- */

/* What else it calls kills it. */
static pid_t strict(int fd, bool closes)
{
	pid_t pid = OK(fork());

	if (pid)
		return pid;
	alarm(25);
	OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	plain_echo(fd, 1);
	if (closes)
		close(fd);
	plain_echo(fd, 2);
	/* _exit() is another call */
	syscall(SYS_exit, 0);
	return -1;
}

TEST_BOTH(seccomp_strict, "process.seccomp")
{
	char tag[PEER_TAG];
	int fd, status;
	pid_t pid;

	needs_seccomp();
	peer_tag(tag);
	fd = meet("echo tag=%s", tag);
	wait_for(strict(fd, false));
	plain_echo(fd, 3);
	/* one that is killed for a call holds nothing any more */
	pid = strict(fd, true);
	OK(close(fd));
	EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
	EQ(WTERMSIG(status), SIGKILL);
	EQ(stat_of(tag).in, 4000);
}
