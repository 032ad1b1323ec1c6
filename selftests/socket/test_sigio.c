// SPDX-License-Identifier: GPL-2.0
/*
 * O_ASYNC: a signal for each event that poll() would report, with the
 * descriptor and the event in it (F_SETSIG).
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define SIGNAL (SIGRTMIN + 2)	/* one that is queued */

static void watch_for(int fd, int type, pid_t who)
{
	struct f_owner_ex owner = { type, who };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGNAL);
	OK(sigprocmask(SIG_BLOCK, &set, NULL));
	OK(fcntl(fd, F_SETSIG, SIGNAL));
	OK(fcntl(fd, F_SETOWN_EX, &owner));
	OK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
}

static void watch(int fd)
{
	watch_for(fd, F_OWNER_PID, getpid());
}

/* The next signal about @fd; its si_code, 0 if there is none for @ms. */
static int signal_of(int fd, long ms, long *band)
{
	struct timespec limit = { ms / 1000, ms % 1000 * 1000000 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGNAL);
	if (sigtimedwait(&set, &info, &limit) < 0)
		return 0;
	EQ(info.si_fd, fd);
	if (band)
		*band = info.si_band;
	return info.si_code;
}

/* Until one that says @code comes. */
static long expect(int fd, int code)
{
	long band;
	int got;

	do {
		got = signal_of(fd, LONG_MS, &band);
		if (!got)
			FAIL("no signal with code %d", code);
	} while (got != code);
	return band;
}

static void drain(int fd)
{
	while (signal_of(fd, 0, NULL))
		;
}

TEST_BOTH(sigio_data, "sigio")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 4 end=hold wait=1 tag=%s", peer_tag(tag));

	watch(fd);
	EQ(signal_of(fd, 0, NULL), 0);
	go(tag, "");
	EQ(expect(fd, POLL_IN), POLLIN | POLLRDNORM);
	await_bytes(fd, 10);
}

TEST_BOTH(sigio_low_water, "sigio.rcvlowat")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 4 end=hold wait=1 tag=%s", peer_tag(tag));

	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 100);
	watch(fd);
	go(tag, "");
	await_bytes(fd, 10);
	EQ(signal_of(fd, SHORT_MS, NULL), 0);
	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 10);
	expect(fd, POLL_IN);
	drain(fd);
	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 100);
	go(tag, "more=90");
	expect(fd, POLL_IN);
}

/* Nobody asked for room but by EAGAIN. */
TEST_BOTH(sigio_room, "sigio.out")
{
	char tag[PEER_TAG];
	int fd = meet("sink wait=1 tag=%s", peer_tag(tag));

	OK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
	watch(fd);
	/* TCP may make room by itself: it is the last refusal that counts. */
	do {
		fill(fd);
		drain(fd);
	} while (send(fd, "a", 1, 0) > 0);
	EQ(errno, EAGAIN);
	go(tag, "");
	EQ(expect(fd, POLL_OUT), POLLOUT | POLLWRNORM | POLLWRBAND);
	CHECK(send(fd, "a", 1, 0) == 1);
}

TEST(sigio_connected, "sigio.connect")
{
	unsigned int port = addr_port(&tested.peer[tested.v6]);
	int fd = fresh_nonblock();

	watch(fd);
	FAILS(connect(fd, &peer_at(port)->sa, addr_len(peer_at(port))),
	      EINPROGRESS);
	expect(fd, POLL_OUT);
	EQ(wait_fd(fd, POLLOUT, 0), POLLOUT);
}

TEST(sigio_refused, "sigio.connect")
{
	int hold, fd = fresh_nonblock();
	unsigned int port = closed_port(&hold);

	watch(fd);
	FAILS(connect(fd, &peer_at(port)->sa, addr_len(peer_at(port))),
	      EINPROGRESS);
	expect(fd, POLL_ERR);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
}

TEST_BOTH(sigio_end, "sigio.hup")
{
	char tag[PEER_TAG];
	int fd = meet("fin-first wait=1 tag=%s", peer_tag(tag));

	watch(fd);
	go(tag, "");
	expect(fd, POLL_IN);
	expect_eof(fd);
}

TEST_BOTH(sigio_both_ends, "sigio.hup")
{
	char tag[PEER_TAG];
	int fd = meet("fin-first wait=1 tag=%s", peer_tag(tag));

	OK(shutdown(fd, SHUT_WR));
	watch(fd);
	go(tag, "");
	expect(fd, POLL_HUP);
	expect_eof(fd);
}

TEST_BOTH(sigio_reset, "sigio.err")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));

	watch(fd);
	go(tag, "");
	expect(fd, POLL_ERR);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
}

TEST(sigio_child, "sigio.listen")
{
	unsigned int port;
	int fd = listener(&port);

	watch(fd);
	call(port, "echo");
	expect(fd, POLL_IN);
	accept_one(fd);
}

TEST_BOTH(sigio_thread, "sigio.owner")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 4 end=hold wait=1 tag=%s", peer_tag(tag));

	watch_for(fd, F_OWNER_TID, gettid());
	go(tag, "");
	expect(fd, POLL_IN);
}

/* Who sleeps in recv() is told by that. */
static void *read_ten(void *arg)
{
	int fd = *(int *)arg;
	char buf[10];

	EQ(recv(fd, buf, 10, MSG_WAITALL), 10);
	return NULL;
}

TEST_BOTH(sigio_not_for_sleeper, "sigio")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 4 end=hold wait=1 tag=%s", peer_tag(tag));
	pthread_t thread;

	watch(fd);
	EQ(pthread_create(&thread, NULL, read_ten, &fd), 0);
	nap_ms(SHORT_MS / 3);
	go(tag, "");
	EQ(pthread_join(thread, NULL), 0);
	EQ(signal_of(fd, SHORT_MS / 3, NULL), 0);
}

TEST_BOTH(sigio_off, "sigio")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 4 end=hold wait=1 tag=%s", peer_tag(tag));

	watch(fd);
	OK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_ASYNC));
	go(tag, "");
	await_bytes(fd, 10);
	EQ(signal_of(fd, 0, NULL), 0);
}
