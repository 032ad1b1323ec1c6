// SPDX-License-Identifier: GPL-2.0
/*
 * The parts tests are made of; see fixture.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"
#include "proof.h"

volatile int ticks;
volatile int pipes;

static timer_t ticker;

int fresh(void)
{
	return OK(tested_socket(SOCK_CLOEXEC));
}

int fresh_nonblock(void)
{
	return OK(tested_socket(SOCK_CLOEXEC | SOCK_NONBLOCK));
}

unsigned int port_of(int fd)
{
	union addr addr;
	socklen_t len = sizeof(addr);

	OK(getsockname(fd, &addr.sa, &len));
	return addr_port(&addr);
}

int listener(unsigned int *port)
{
	int fd = fresh();
	union addr addr;

	addr_any(&addr, tested.v6, 0);
	OK(bind(fd, &addr.sa, addr_len(&addr)));
	OK(listen(fd, 128));
	*port = port_of(fd);
	CHECK(*port);
	proof_look(fd);
	return fd;
}

static void vcall(unsigned int port, unsigned int count, const char *words)
{
	unsigned int called = 0, failed = 0, err = 0;
	char line[256], host[ADDR_TEXT];

	OK(peer_ask(line, sizeof(line), "call %s %u %u -- %s",
		    addr_text(&tested.local[tested.v6], host), port, count,
		    words));
	if (sscanf(line, "called=%u failed=%u err=%u", &called, &failed,
		   &err) != 3 || failed || called != count)
		FAIL("call to port %u: %s", port, line);
}

void call_many(unsigned int port, unsigned int count, const char *format, ...)
{
	char words[256];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	vcall(port, count, words);
}

void call(unsigned int port, const char *format, ...)
{
	char words[256];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	vcall(port, 1, words);
}

int accept_one(int fd)
{
	int got;

	CHECK(wait_fd(fd, POLLIN, LONG_MS) & POLLIN);
	got = OK(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
	proof_look(got);
	return got;
}

static int receive_words(const char *words)
{
	unsigned int port;
	int fd = listener(&port);
	int got;

	vcall(port, 1, words);
	got = accept_one(fd);
	OK(close(fd));
	return got;
}

int receive(const char *format, ...)
{
	char words[256];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	return receive_words(words);
}

static int dial_words(const char *words)
{
	int fd = OK(peer_open("%s", words));

	proof_look(fd);
	return fd;
}

int dial(const char *format, ...)
{
	char words[256];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	return dial_words(words);
}

int meet(const char *format, ...)
{
	char words[256];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	if (tap_current->flags & ACCEPTED)
		return receive_words(words);
	return dial_words(words);
}

const union addr *peer_at(unsigned int port)
{
	static __thread union addr addr;

	addr = tested.peer[tested.v6];
	addr_set_port(&addr, port);
	return &addr;
}

const union addr *local_at(unsigned int port)
{
	static __thread union addr addr;

	addr = tested.local[tested.v6];
	addr_set_port(&addr, port);
	return &addr;
}

static unsigned int held_port(int *hold, const char *words)
{
	unsigned int port = 0;
	char line[128];

	*hold = OK(peer_open("%s", words));
	OK(read_line(*hold, line, sizeof(line), PEER_MS));
	if (sscanf(line, "port=%u", &port) != 1)
		FAIL("%s: %s", words, line);
	return port;
}

unsigned int full_port(int *hold, const char *tag)
{
	char words[64];

	snprintf(words, sizeof(words), "full %s%s", tag ? "tag=" : "",
		 tag ? tag : "");
	return held_port(hold, words);
}

unsigned int closed_port(int *hold)
{
	return held_port(hold, "closed");
}

struct result stat_of(const char *tag)
{
	struct result result;

	OK(peer_stat(tag, &result));
	return result;
}

void go(const char *tag, const char *words)
{
	OK(peer_go(tag, words));
}

struct result answer_of(int fd)
{
	struct result result;
	char line[256];

	OK(read_line(fd, line, sizeof(line), PEER_MS));
	OK(result_parse(&result, line));
	return result;
}

void expect_sunk(int fd, size_t len)
{
	struct result result;

	OK(shutdown(fd, SHUT_WR));
	result = answer_of(fd);
	EQ(result.in, len);
	EQ(result.bad, -1);
}

void send_pattern(int fd, unsigned int seed, size_t pos, size_t len)
{
	char buf[16384];

	while (len) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);

		pattern_fill(seed, pos, buf, n);
		OK(write_all(fd, buf, n));
		pos += n;
		len -= n;
	}
}

void recv_pattern(int fd, unsigned int seed, size_t pos, size_t len)
{
	char buf[16384];

	while (len) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);
		long bad;

		EQ(read_all(fd, buf, n), n);
		bad = pattern_check(seed, pos, buf, n);
		if (bad >= 0)
			FAIL("wrong byte at %zu", pos + bad);
		pos += n;
		len -= n;
	}
}

void expect_eof(int fd)
{
	char byte;

	EQ(read_all(fd, &byte, 1), 0);
}

size_t fill(int fd)
{
	static char buf[65536];
	size_t sent = 0;
	int quiet = 0;

	/* windows grow for a while: it is full when it stays full */
	while (quiet < 3) {
		ssize_t n;

		pattern_fill(1, sent, buf, sizeof(buf));
		n = send(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			sent += n;
			quiet = 0;
			continue;
		}
		if (n == 0)
			FAIL("send() = 0");
		if (errno != EAGAIN)
			FAIL("send() = -1 %s while filling", errno_name(errno));
		if (wait_fd(fd, POLLOUT, SHORT_MS))
			quiet = 0;
		else
			quiet++;
	}
	CHECK(sent);
	return sent;
}

void await_error(int fd)
{
	long until = now_ms() + LONG_MS;

	while (!(wait_fd(fd, 0, 100) & POLLERR))
		if (now_ms() > until)
			FAIL("no POLLERR within %d ms", LONG_MS);
}

void await_bytes(int fd, int count)
{
	long until = now_ms() + LONG_MS;
	int there = 0;

	for (;;) {
		OK(ioctl(fd, SIOCINQ, &there));
		if (there >= count)
			return;
		if (now_ms() > until)
			FAIL("%d of %d bytes within %d ms", there, count,
			     LONG_MS);
		nap_ms(2);
	}
}

int get_int(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	OK(getsockopt(fd, level, name, &value, &len));
	EQ(len, sizeof(value));
	return value;
}

void set_int(int fd, int level, int name, int value)
{
	OK(setsockopt(fd, level, name, &value, sizeof(value)));
}

void set_timeout(int fd, int name, long ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	OK(setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)));
}

static void tick(int sig)
{
	(void)sig;
	ticks++;
}

void tick_start(long ms, int sa_flags)
{
	struct sigaction action = { .sa_handler = tick, .sa_flags = sa_flags };
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1,
	};
	struct itimerspec when = {
		.it_value.tv_nsec = ms * 1000000,
		.it_interval.tv_nsec = ms * 1000000,
	};

	OK(sigaction(SIGUSR1, &action, NULL));
	OK(timer_create(CLOCK_MONOTONIC, &event, &ticker));
	OK(timer_settime(ticker, 0, &when, NULL));
}

void tick_stop(void)
{
	OK(timer_delete(ticker));
}

static void count_pipe(int sig)
{
	(void)sig;
	pipes++;
}

void count_sigpipe(void)
{
	struct sigaction action = { .sa_handler = count_pipe };

	OK(sigaction(SIGPIPE, &action, NULL));
}

pid_t child(void (*run)(void *), void *arg)
{
	pid_t pid = OK(fork());

	if (!pid) {
		alarm(25);
		run(arg);
		proof_look_all();
		_exit(0);
	}
	return pid;
}

void wait_for(pid_t pid)
{
	int status;

	EQ(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		FAIL("child: status %#x", status);
}

void await_sleep(pid_t pid, pid_t tid)
{
	long until = now_ms() + LONG_MS;
	int asleep = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	while (asleep < 3) {
		FILE *file = fopen(path, "r");
		char state = 0;

		if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
			FAIL("%s: %m", path);
		fclose(file);
		asleep = state == 'S' ? asleep + 1 : 0;
		if (now_ms() > until)
			FAIL("%d does not sleep but is '%c'", tid, state);
		nap_ms(15);
	}
}

void *bad_memory(void)
{
	void *map = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	CHECK(map != MAP_FAILED);
	return map;
}

void become_nobody(void)
{
	if (geteuid())
		return;
	OK(setgroups(0, NULL));
	OK(setresgid(65534, 65534, 65534));
	OK(setresuid(65534, 65534, 65534));
}

bool family_sees_socket_options(void)
{
	int major = 0, minor = 0;
	struct utsname name;

	OK(uname(&name));
	CHECK(sscanf(name.release, "%d.%d", &major, &minor) == 2);
	return major > 6 || (major == 6 && minor >= 7);
}

void send_descriptor(int over, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { (char *)"x", 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	EQ(sendmsg(over, &msg, 0), 1);
}

int receive_descriptor(int over)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int fd;

	EQ(recvmsg(over, &msg, 0), 1);
	cmsg = CMSG_FIRSTHDR(&msg);
	CHECK(cmsg && cmsg->cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}
