// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl(): queue lengths, non-blocking mode, SIGIO, and unknown requests.
 */
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fixture.h"

static int queued(int fd, unsigned long request)
{
	int value = -1;

	OK(ioctl(fd, request, &value));
	return value;
}

TEST_BOTH(ioctl_inq, "ioctl.inq")
{
	int fd = meet("source 1000 4");

	await_bytes(fd, 1000);
	EQ(queued(fd, FIONREAD), 1000);
	recv_pattern(fd, 4, 0, 300);
	EQ(queued(fd, SIOCINQ), 700);
	recv_pattern(fd, 4, 300, 700);
	expect_eof(fd);
	EQ(queued(fd, FIONREAD), 0);
}

TEST_BOTH(ioctl_outq, "ioctl.outq")
{
	char tag[PEER_TAG];
	int fd = meet("sink wait=1 tag=%s", peer_tag(tag));
	long until = now_ms() + LONG_MS;

	/* the command is on its way */
	while (queued(fd, SIOCOUTQ)) {
		CHECK(now_ms() < until);
		nap_ms(5);
	}
	fill(fd);
	CHECK(queued(fd, SIOCOUTQ) > 0);
	CHECK(queued(fd, SIOCOUTQNSD) > 0);
	go(tag, "");
	/* 0 is: the peer has acknowledged everything */
	while (queued(fd, SIOCOUTQ)) {
		CHECK(now_ms() < until);
		nap_ms(5);
	}
	EQ(queued(fd, SIOCOUTQNSD), 0);
}

/* A peer that does not read still acknowledges what fits its window. */
TEST_BOTH(ioctl_outq_unread, "ioctl.outq")
{
	int fd = meet("never-read");
	long until = now_ms() + LONG_MS;

	send_pattern(fd, 1, 0, 1000);
	while (queued(fd, SIOCOUTQ)) {
		CHECK(now_ms() < until);
		nap_ms(5);
	}
}

TEST(ioctl_states, "ioctl.states")
{
	unsigned int port;
	int fd = listener(&port);
	int value;

	FAILS(ioctl(fd, SIOCINQ, &value), EINVAL);
	FAILS(ioctl(fd, SIOCOUTQ, &value), EINVAL);
	FAILS(ioctl(fd, SIOCOUTQNSD, &value), EINVAL);
	fd = fresh();
	EQ(queued(fd, SIOCINQ), 0);
	EQ(queued(fd, SIOCOUTQ), 0);
}

TEST_BOTH(ioctl_nonblock, "nonblock")
{
	int fd = meet("echo");
	int on = 1;
	char byte;

	OK(ioctl(fd, FIONBIO, &on));
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	FAILS(recv(fd, &byte, 1, 0), EAGAIN);
	on = 0;
	OK(ioctl(fd, FIONBIO, &on));
	CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
}

TEST_BOTH(ioctl_unknown, "ioctl.unknown")
{
	int fd = meet("echo");
	int value = 0;

	FAILS(ioctl(fd, 0xdead, &value), ENOTTY);
	FAILS(ioctl(fd, FIONREAD, bad_memory()), EFAULT);
	FAILS(ioctl(fd, SIOCOUTQ, bad_memory()), EFAULT);
}

/* O_ASYNC: data, and room to send, are told by a signal. */
TEST_BOTH(ioctl_sigio, "sigio")
{
	char tag[PEER_TAG];
	int fd = meet("source 10 4 end=hold wait=1 tag=%s", peer_tag(tag));
	struct timespec limit = { LONG_MS / 1000, 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	OK(sigprocmask(SIG_BLOCK, &set, NULL));
	OK(fcntl(fd, F_SETOWN, getpid()));
	OK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
	go(tag, "");
	EQ(sigtimedwait(&set, NULL, &limit), SIGIO);
	await_bytes(fd, 10);
}

/* About interfaces and routes the host's IP answers, as to any of its sockets. */
TEST_FOR(ioctl_interface, LOCAL, 0, "ioctl.interface")
{
	struct ifreq ifr = { .ifr_name = "lo" }, none = { .ifr_name = "none0" };
	int fd = tested_socket_version(false, 0);

	OK(fd);
	OK(ioctl(fd, SIOCGIFADDR, &ifr));
	EQ(((struct sockaddr_in *)&ifr.ifr_addr)->sin_addr.s_addr,
	   htonl(INADDR_LOOPBACK));
	OK(ioctl(fd, SIOCGIFFLAGS, &ifr));
	CHECK(ifr.ifr_flags & IFF_LOOPBACK);
	FAILS(ioctl(fd, SIOCGIFADDR, &none), ENODEV);
	become_nobody();
	FAILS(ioctl(fd, SIOCSIFADDR, &ifr), EPERM);
}

TEST_BOTH(ioctl_stamp, "ioctl.stamp")
{
	struct timeval when;
	int fd = meet("source 10 4 end=hold");

	FAILS(ioctl(fd, SIOCGSTAMP, &when), ENOENT);
	await_bytes(fd, 10);
}
