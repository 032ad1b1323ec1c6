// SPDX-License-Identifier: GPL-2.0
/*
 * The harness of mnsock; see tap.h.
 *
 * Each test runs in a forked child that leads a process group and has an
 * alarm. The parent waits a little longer than that, then kills the group,
 * and if even that does not end the child (a call stuck in the kernel) says
 * so and goes on with the next one. Diagnostics are "# file:line: ..." lines
 * in front of the result; so is what proof.c has noted.
 */
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net.h"
#include "proof.h"
#include "tap.h"

#define GRACE_MS 3000
#define EXIT_FAILED 1
#define EXIT_SKIPPED 77

extern const struct test *__start_mn_tests[];
extern const struct test *__stop_mn_tests[];

const struct test *tap_current;

void tap_note(const char *format, ...)
{
	char text[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n >= (int)sizeof(text))
		n = sizeof(text) - 1;
	dprintf(STDOUT_FILENO, "# %.*s\n", n, text);
}

void tap_fail(const char *file, int line, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tap_note("%s:%d: %s", file, line, text);
	_exit(EXIT_FAILED);
}

void tap_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(proof->skip, sizeof(proof->skip), format, args);
	va_end(args);
	_exit(EXIT_SKIPPED);
}

long long tap_ok(const char *file, int line, const char *what, long long got)
{
	if (got == -1)
		tap_fail(file, line, "%s = -1 %s, wanted success", what,
			 errno_name(errno));
	return got;
}

void tap_error(const char *file, int line, const char *what, long long got,
	       int err, int want)
{
	char name[32];

	snprintf(name, sizeof(name), "%s", errno_name(want));
	if (got != -1)
		tap_fail(file, line, "%s = %lld, wanted -1 %s", what, got,
			 name);
	if (err != want)
		tap_fail(file, line, "%s = -1 %s, wanted -1 %s", what,
			 errno_name(err), name);
}

void tap_equal(const char *file, int line, const char *what, long long got,
	       long long want)
{
	int err = errno;

	if (got == want)
		return;
	if (got == -1)
		tap_fail(file, line, "%s = -1 (errno %s), wanted %lld", what,
			 errno_name(err), want);
	tap_fail(file, line, "%s = %lld, wanted %lld", what, got, want);
}

static void timed_out(int sig)
{
	(void)sig;
	dprintf(STDOUT_FILENO, "# out of time\n");
	_exit(EXIT_FAILED);
}

static void run_child(const struct test *test, unsigned int bound)
{
	setpgid(0, 0);
	signal(SIGALRM, timed_out);
	signal(SIGPIPE, SIG_DFL);
	tap_current = test;
	alarm(bound);
	test->run();
	proof_look_all();
	fflush(stdout);
	_exit(0);
}

/* The status, or -1 if the child would not die. */
static int wait_child(pid_t pid, long ms)
{
	long until = now_ms() + ms;
	bool killed = false;
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid || got < 0)
			return got < 0 ? 1 : status;
		if (now_ms() < until) {
			nap_ms(killed ? 20 : 1);
			continue;
		}
		if (killed)
			return -1;
		killed = true;
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
		until = now_ms() + GRACE_MS;
	}
}

static bool selected(const struct test *test, const char *pattern)
{
	if (pattern && strpbrk(pattern, "*?["))
		return !fnmatch(pattern, test->name, 0);
	return !pattern || strstr(test->name, pattern);
}

static bool run_one(const struct test *test, int number, unsigned int bound,
		    bool *skipped)
{
	const char *why = "";
	char signal_text[64];
	bool passed;
	pid_t pid;
	int status;

	if (test->bound)
		bound = test->bound > bound ? test->bound : bound;
	proof_clear();
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		printf("not ok %d %s # fork: %s\n", number, test->name,
		       errno_name(errno));
		return false;
	}
	if (!pid)
		run_child(test, bound);
	setpgid(pid, pid);
	status = wait_child(pid, bound * 1000L + GRACE_MS);
	/* whatever the test left running */
	kill(-pid, SIGKILL);

	passed = status >= 0 && WIFEXITED(status) && !WEXITSTATUS(status);
	*skipped = status >= 0 && WIFEXITED(status) &&
		   WEXITSTATUS(status) == EXIT_SKIPPED;
	if (status < 0) {
		why = " # stuck in the kernel, does not even die";
	} else if (WIFSIGNALED(status)) {
		snprintf(signal_text, sizeof(signal_text),
			 " # killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
		why = signal_text;
	}
	proof_print();
	if (*skipped)
		printf("ok %d %s # SKIP %s\n", number, test->name,
		       proof->skip);
	else
		printf("%sok %d %s%s\n", passed ? "" : "not ", number,
		       test->name, why);
	fflush(stdout);
	return passed || *skipped;
}

int tap_run(const char *pattern, unsigned int skip_flags, unsigned int bound)
{
	int passed = 0, failed = 0, skipped = 0, count = 0, number = 0;
	const struct test **test;

	proof_init();
	for (test = __start_mn_tests; test < __stop_mn_tests; test++)
		if (selected(*test, pattern) && !((*test)->flags & skip_flags))
			count++;
	printf("TAP version 13\n1..%d\n", count);
	for (test = __start_mn_tests; test < __stop_mn_tests; test++) {
		bool skip = false;

		if (!selected(*test, pattern) || (*test)->flags & skip_flags)
			continue;
		if (!run_one(*test, ++number, bound, &skip))
			failed++;
		else if (skip)
			skipped++;
		else
			passed++;
	}
	printf("# %d passed, %d failed, %d skipped\n", passed, failed,
	       skipped);
	return failed;
}

void tap_list(const char *pattern)
{
	const struct test **test;

	for (test = __start_mn_tests; test < __stop_mn_tests; test++)
		if (selected(*test, pattern))
			printf("%s%s\n", (*test)->name,
			       (*test)->flags & ONLY_V6 ? " (--v6 only)" :
			       (*test)->flags & ONLY_V4 ? " (not --v6)" : "");
}

void tap_rows(const char *pattern)
{
	static const struct {
		unsigned int flag;
		const char *word;
	} words[] = {
		{ ONLY_V4, "v4" }, { ONLY_V6, "v6" }, { ACCEPTED, "accepted" },
		{ LOCAL, "local" }, { LOOPBACK, "loopback" },
		{ ONLY_MEMNET, "memnet" },
	};
	const struct test **test;
	unsigned int i;

	for (test = __start_mn_tests; test < __stop_mn_tests; test++) {
		const char *gap = "";

		if (!selected(*test, pattern))
			continue;
		printf("%s\t", (*test)->name);
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (!((*test)->flags & words[i].flag))
				continue;
			printf("%s%s", gap, words[i].word);
			gap = " ";
		}
		for (i = 0; (*test)->rows[i]; i++)
			printf("%s%s", i ? " " : "\t", (*test)->rows[i]);
		printf("%s\n", i ? "" : "\t");
	}
}
