// SPDX-License-Identifier: GPL-2.0
/*
 * agent: a guest's PID 1 once init has set things up.  It runs shell commands for the lab.
 *
 * It talks over one virtio-serial port, in frames both ways: a 12-byte little-endian header
 * (kind, job, length) and a payload.
 *   to the guest:   'R' run the payload by sh -c as this job   'K' send the job's group a signal
 *   to the lab:     'H' hello (payload: uptime)   'O' output of a job   'X' the job's end (its code)
 *
 * Every job is a session of its own with its output in a pipe that is drained here, so any number
 * run side by side and a hung one holds up nothing.  A job ends when its shell ends; what its
 * descendants write later is still passed on.  When the port goes away the agent goes on reaping.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_JOBS 256
#define MAX_CMD (1 << 20)

struct frame {
	uint32_t kind, job, len;
};

struct job {
	uint32_t id;
	pid_t pid;		/* 0 once ended */
	int out;		/* -1 once everybody closed it */
	int used;
};

static struct job jobs[MAX_JOBS];
static int port = -1;

static void put(const void *p, size_t n)
{
	const char *c = p;

	while (n) {
		ssize_t r = write(port, c, n);

		if (r < 0) {
			if (errno == EINTR)
				continue;
			usleep(20000);	/* the lab is not there at the moment */
			continue;
		}
		c += r;
		n -= r;
	}
}

static void tell(char kind, uint32_t job, const void *p, uint32_t len)
{
	static char buf[sizeof(struct frame) + 32768];
	struct frame f = { kind, job, len };

	memcpy(buf, &f, sizeof(f));
	memcpy(buf + sizeof(f), p, len);
	put(buf, sizeof(f) + len);
}

static int get(void *p, size_t n)
{
	char *c = p;

	while (n) {
		ssize_t r = read(port, c, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		c += r;
		n -= r;
	}
	return 0;
}

static void run(uint32_t id, char *cmd)
{
	struct job *j = NULL;
	int p[2], code = 126;

	for (int i = 0; i < MAX_JOBS && !j; i++)
		if (!jobs[i].used)
			j = &jobs[i];
	if (!j || pipe2(p, O_CLOEXEC)) {
		tell('X', id, &code, sizeof(code));
		return;
	}
	fcntl(p[1], F_SETPIPE_SZ, 1 << 18);
	j->id = id;
	j->out = p[0];
	j->used = 1;
	j->pid = fork();
	if (j->pid == 0) {
		sigset_t none;
		int nul = open("/dev/null", O_RDONLY);

		setsid();
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(nul, 0);
		dup2(p[1], 1);
		dup2(p[1], 2);
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	close(p[1]);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
}

/* pass on what is in the job's pipe; bounded unless the job has ended */
static void drain(struct job *j, int all)
{
	static char buf[16384];

	for (int i = 0; j->out >= 0 && (all || i < 8); i++) {
		ssize_t r = read(j->out, buf, sizeof(buf));

		if (r > 0) {
			tell('O', j->id, buf, r);
		} else if (r == 0 || (errno != EAGAIN && errno != EINTR)) {
			close(j->out);
			j->out = -1;
		} else {
			break;
		}
	}
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < MAX_JOBS; i++) {
			struct job *j = &jobs[i];
			int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

			if (!j->used || j->pid != pid)
				continue;
			j->pid = 0;
			drain(j, 1);
			tell('X', j->id, &code, sizeof(code));
		}
	for (int i = 0; i < MAX_JOBS; i++)
		if (jobs[i].used && !jobs[i].pid && jobs[i].out < 0)
			jobs[i].used = 0;
}

static int request(void)
{
	static char cmd[MAX_CMD + 1];
	struct frame f;

	if (get(&f, sizeof(f)) || f.len > MAX_CMD || get(cmd, f.len))
		return -1;
	cmd[f.len] = 0;
	if (f.kind == 'R')
		run(f.job, cmd);
	else if (f.kind == 'K')
		for (int i = 0; i < MAX_JOBS; i++)
			if (jobs[i].used && jobs[i].id == f.job && jobs[i].pid)
				kill(-jobs[i].pid, atoi(cmd));
	return 0;
}

int main(int argc, char **argv)
{
	struct pollfd fds[MAX_JOBS + 2];
	struct job *who[MAX_JOBS + 2];
	char hello[64];
	sigset_t chld;
	int sfd, n;

	if (argc != 2)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	sfd = signalfd(-1, &chld, SFD_NONBLOCK | SFD_CLOEXEC);
	port = open(argv[1], O_RDWR | O_CLOEXEC);
	if (port < 0 || sfd < 0) {
		perror(argv[1]);
		return 1;
	}
	n = open("/proc/uptime", O_RDONLY | O_CLOEXEC);
	n = n < 0 ? 0 : read(n, hello, sizeof(hello));
	tell('H', 0, hello, n < 0 ? 0 : n);
	for (;;) {
		fds[0] = (struct pollfd){ .fd = port, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = sfd, .events = POLLIN };
		n = 2;
		for (int i = 0; i < MAX_JOBS; i++)
			if (jobs[i].used && jobs[i].out >= 0) {
				who[n] = &jobs[i];
				fds[n++] = (struct pollfd){ .fd = jobs[i].out, .events = POLLIN };
			}
		if (poll(fds, n, 1000) < 0)
			continue;
		for (int i = 2; i < n; i++)
			if (fds[i].revents)
				drain(who[i], 0);
		if (fds[1].revents) {
			struct signalfd_siginfo si[16];

			while (read(sfd, si, sizeof(si)) > 0)
				;
		}
		reap();
		if (fds[0].revents & POLLIN) {
			if (request())
				usleep(50000);
		} else if (fds[0].revents) {
			usleep(50000);	/* nobody at the other end */
		}
	}
}
