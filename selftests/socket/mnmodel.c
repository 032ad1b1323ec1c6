// SPDX-License-Identifier: GPL-2.0
/*
 * mnmodel: all calls at random, beside a model of what TCP answers.
 *
 *	mnmodel [options] [--seconds N] [--seed N]
 *
 * Eight processes use two hundred sockets for N seconds (60): a socket is used
 * by one of them at a time, by a child of it for some calls, and handed to
 * another now and then. What each call answers is compared with the model
 * (mnmodel_rules.c). What cannot be known, because the peer's bytes, FIN or
 * RST are under way, may be the one or the other; behind a barrier
 * (mnmodel_peer.c) there is one answer.
 *
 * At the end all are closed, and each peer has read what was sent. Exit status
 * 0: no answer differed, and each operation was done. Otherwise the first
 * difference is printed with the last calls of its socket; the seed, printed
 * first, repeats what each socket does (--seed, or MEMNET_SEED). With
 * --differences N it goes on, without the sockets that differed, until N.
 */
#include <errno.h>
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mnmodel.h"
#include "pattern.h"
#include "tested.h"

struct shared *shared;
unsigned int process;
int socket_of[MODEL_SOCKETS];
int inbox[MODEL_PROCESSES][2];
volatile int pipes;
bool is_child;

static unsigned int handed, forked;	/* their places in shared->calls */
static uint64_t random_state;		/* for which slot is next */

static int usage(void)
{
	fprintf(stderr, "usage: mnmodel [options]\n" TESTED_USAGE
		"      --seconds N              how long (60)\n"
		"      --seed N                 repeat a run (or MEMNET_SEED)\n"
		"      --differences N          how many to look for (1)\n");
	return 2;
}

uint64_t pick(struct slot *slot, uint64_t low, uint64_t high)
{
	return random_range(&slot->random, low, high);
}

bool chance(struct slot *slot, unsigned int one_in)
{
	return !pick(slot, 0, one_in - 1);
}

static void count_pipe(int sig)
{
	(void)sig;
	pipes++;
}

static struct slot *current;
static sigjmp_buf back;

void abandon(void)
{
	struct slot *slot = current;
	int fd = socket_of[slot->number];

	if (shared->failed)
		_exit(1);
	alarm(0);
	if (fd >= 0)
		close(fd);
	socket_of[slot->number] = -1;
	slot->open = false;
	siglongjmp(back, 1);
}

static void out_of_time(int sig)
{
	(void)sig;
	/* a barrier may be under way: no more of this process */
	is_child = true;
	if (current)
		differ(current, "a call, or what should follow it, takes for ever");
	_exit(2);
}

/* --- a socket in other hands --- */

static void hand_over(struct slot *slot)
{
	unsigned int to = pick(slot, 0, MODEL_PROCESSES - 1);
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { &slot->number, sizeof(slot->number) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	int fd = socket_of[slot->number];

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	slot_log(slot, "handed to process %u", to);
	slot->owner = -1;
	socket_of[slot->number] = -1;
	if (sendmsg(inbox[to][1], &msg, MSG_DONTWAIT) < 0) {
		/* it has enough */
		slot->owner = process;
		socket_of[slot->number] = fd;
		return;
	}
	close(fd);
	__atomic_fetch_add(&shared->calls[handed], 1, __ATOMIC_RELAXED);
}

static void take_over(void)
{
	unsigned int number;
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { &number, sizeof(number) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	for (;;) {
		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		if (recvmsg(inbox[process][0], &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) !=
		    sizeof(number))
			return;
		memcpy(&socket_of[number], CMSG_DATA(&control.header), sizeof(int));
		shared->slots[number].owner = process;
	}
}

/* A turn of a child, which has the descriptor as well and leaves it. */
static void turn_in_child(struct slot *slot)
{
	pid_t pid;
	int status;

	slot_log(slot, "in a child:");
	pid = fork();
	if (!pid) {
		is_child = true;
		turn(slot, true);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		differ(slot, "no child: %m");
	/* it has said what */
	if (status)
		abandon();
	__atomic_fetch_add(&shared->calls[forked], 1, __ATOMIC_RELAXED);
}

/* --- a process --- */

static struct slot *next_slot(void)
{
	unsigned int tries;

	for (tries = 0; tries < 20 * MODEL_PROCESSES; tries++) {
		unsigned int i = random_range(&random_state, 0, MODEL_SOCKETS - 1);

		if (shared->slots[i].owner == (int)process)
			return &shared->slots[i];
	}
	return NULL;
}

static void one(struct slot *slot)
{
	current = slot;
	if (sigsetjmp(back, 1))
		return;
	if (slot->open && chance(slot, 60))
		hand_over(slot);
	else if (slot->open && chance(slot, 100))
		turn_in_child(slot);
	else
		turn(slot, false);
	current = NULL;
}

static void end(void)
{
	unsigned int i;

	__atomic_fetch_add(&shared->ending, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&shared->ending, __ATOMIC_SEQ_CST) < MODEL_PROCESSES) {
		if (shared->failed)
			_exit(0);
		nap_ms(5);
	}
	take_over();
	for (i = 0; i < MODEL_SOCKETS; i++) {
		struct slot *slot = &shared->slots[i];

		if (slot->owner != (int)process || !slot->open)
			continue;
		current = slot;
		if (sigsetjmp(back, 1))
			continue;
		alarm(2 * MODEL_BOUND);
		slot_close(slot);
		alarm(0);
		current = NULL;
	}
}

static void run(void)
{
	unsigned int i;

	for (i = 0; i < MODEL_SOCKETS; i++)
		socket_of[i] = -1;
	random_state = shared->seed * MODEL_PROCESSES + process;
	peer_begin();
	while (now_ms() < shared->until) {
		struct slot *slot;

		if (shared->failed)
			_exit(0);
		take_over();
		slot = next_slot();
		if (slot)
			one(slot);
		else
			nap_ms(1);
	}
	end();
	peer_finish();
	_exit(0);
}

/* --- all of them --- */

static bool report(void)
{
	uint64_t sum = 0;
	bool all = true;
	unsigned int i;

	for (i = 0; i <= forked; i++) {
		const char *name = i == handed ? "handed-over" :
				   i == forked ? "in-child" : op_name(i);

		printf("%s=%llu%s", name, (unsigned long long)shared->calls[i],
		       i % 6 == 5 || i == forked ? "\n" : " ");
		sum += shared->calls[i];
		if (!shared->calls[i])
			all = false;
	}
	for (i = 0; i < MODEL_SOCKETS; i++)
		if (shared->slots[i].open)
			all = false;
	printf("mnmodel seed=%llu calls=%llu connections=%llu accepted=%llu ",
	       (unsigned long long)shared->seed, (unsigned long long)sum,
	       (unsigned long long)shared->connections,
	       (unsigned long long)shared->accepted);
	printf("sent=%llu received=%llu all=%d\n",
	       (unsigned long long)shared->sent,
	       (unsigned long long)shared->received, all);
	return all;
}

static void prepare(uint64_t seed, unsigned int seconds, unsigned int most)
{
	unsigned int i;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("mnmodel: memory");
		exit(2);
	}
	shared->seed = seed;
	shared->most = most;
	shared->until = now_ms() + seconds * 1000L;
	handed = op_count();
	forked = handed + 1;
	for (i = 0; i < MODEL_SOCKETS; i++) {
		struct slot *slot = &shared->slots[i];

		slot->number = i;
		slot->owner = i % MODEL_PROCESSES;
		slot->random = seed * 1000003 + i;
	}
	for (i = 0; i < MODEL_PROCESSES; i++) {
		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, inbox[i])) {
			perror("mnmodel: socketpair");
			exit(2);
		}
	}
}

static int run_all(void)
{
	pid_t pids[MODEL_PROCESSES];
	bool good = true;
	unsigned int i;

	fflush(stdout);
	for (process = 0; process < MODEL_PROCESSES; process++) {
		pids[process] = fork();
		if (!pids[process])
			run();
		if (pids[process] < 0)
			shared->failed = true;
	}
	for (i = 0; i < MODEL_PROCESSES; i++) {
		int status = 1;

		if (pids[i] > 0)
			waitpid(pids[i], &status, 0);
		if (status) {
			printf("process %u: status %#x\n", i, status);
			shared->failed = true;
			good = false;
		}
	}
	return report() && good && !shared->differences && !shared->failed ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		TESTED_OPTIONS,
		{ "seconds", required_argument, NULL, 1 },
		{ "seed", required_argument, NULL, 2 },
		{ "differences", required_argument, NULL, 3 },
		{ 0 }
	};
	const char *text = getenv("MEMNET_SEED");
	struct sigaction pipe_action = { .sa_handler = count_pipe };
	struct sigaction alarm_action = { .sa_handler = out_of_time };
	unsigned int seconds = 60, most = 1;
	uint64_t seed = 0;
	int opt;

	if (getrandom(&seed, 4, 0) < 0)
		seed = now_ms();
	if (text && *text)
		seed = strtoull(text, NULL, 0);
	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (opt == 1)
			seconds = atoi(optarg);
		else if (opt == 2)
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 3)
			most = atoi(optarg);
		else if (!tested_option(opt, optarg))
			return usage();
	}
	if (optind != argc || !tested_complete("mnmodel"))
		return usage();
	printf("seed=%llu\n", (unsigned long long)seed);
	sigaction(SIGPIPE, &pipe_action, NULL);
	sigaction(SIGALRM, &alarm_action, NULL);
	raise_fd_limit();
	prepare(seed, seconds, most);
	return run_all();
}
