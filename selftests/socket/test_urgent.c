// SPDX-License-Identifier: GPL-2.0
/*
 * Urgent data: a peer may always send some, and the stream around it must
 * arrive. Sending and seeing it is a deliberate difference.
 */
#include <unistd.h>

#include "differences.h"
#include "fixture.h"

/* The urgent byte is not in the stream; nothing else is missing. */
TEST_BOTH(urgent_stream_goes_on)
{
	int fd = meet("urgent 5000 4");

	recv_pattern(fd, 4, 0, 10000);
	expect_eof(fd);
}

TEST_BOTH(urgent_large)
{
	int fd = meet("urgent 1000000 4");

	recv_pattern(fd, 4, 0, 2000000);
	expect_eof(fd);
}

/* First of all bytes, and last of all. */
TEST_BOTH(urgent_at_the_ends)
{
	int fd = meet("source 1000 4 urg=0");

	recv_pattern(fd, 4, 0, 1000);
	expect_eof(fd);
	fd = meet("source 1000 4 urg=1000");
	recv_pattern(fd, 4, 0, 1000);
	expect_eof(fd);
}

/* Where a new connection's window ends (WIRE_INITIAL_WINDOW), and nothing but the end after it. */
TEST_BOTH(urgent_at_a_dry_window)
{
	char tag[PEER_TAG];
	int fd = meet("source 16384 4 urg=16384 tag=%s", peer_tag(tag));

	await_bytes(fd, 16384);
	nap_ms(SHORT_MS);
	recv_pattern(fd, 4, 0, 16384);
	expect_eof(fd);
}

/* Not read at once: the rest must not be stuck behind it. */
TEST_BOTH(urgent_read_late)
{
	char tag[PEER_TAG];
	int fd = meet("source 3000 4 urg=1000 end=hold tag=%s", peer_tag(tag));

	nap_ms(SHORT_MS);
	recv_pattern(fd, 4, 0, 3000);
	go(tag, "more=1000");
	recv_pattern(fd, 4, 3000, 1000);
	go(tag, "end=fin");
	expect_eof(fd);
}

/* One connection with urgent data stops no other. */
TEST_BOTH(urgent_others_go_on)
{
	int stuck = meet("source 100000 4 urg=10 end=hold");
	int fd = meet("source 500000 5");

	recv_pattern(fd, 5, 0, 500000);
	expect_eof(fd);
	recv_pattern(stuck, 4, 0, 100000);
}

TEST_BOTH(urgent_send)
{
	int fd = meet("sink check=1");

	send_pattern(fd, 1, 0, 10);
	if (differs("oob"))
		FAILS(send(fd, "!", 1, MSG_OOB), EOPNOTSUPP);
	else
		EQ(send(fd, "!", 1, MSG_OOB), 1);
	send_pattern(fd, 1, 10, 10);
	OK(shutdown(fd, SHUT_WR));
	EQ(answer_of(fd).in, 20);
}

TEST_BOTH(urgent_recv)
{
	int fd = meet("echo");
	char byte;

	if (differs("oob"))
		FAILS(recv(fd, &byte, 1, MSG_OOB), EOPNOTSUPP);
	else
		FAILS(recv(fd, &byte, 1, MSG_OOB), EINVAL);
}

TEST_BOTH(urgent_seen)
{
	int fd = meet("source 1000 4 urg=500 end=hold");
	char byte;

	if (differs("oob")) {
		recv_pattern(fd, 4, 0, 1000);
		EQ(wait_fd(fd, POLLPRI, SHORT_MS), 0);
		return;
	}
	CHECK(wait_fd(fd, POLLPRI, LONG_MS) & POLLPRI);
	EQ(recv(fd, &byte, 1, MSG_OOB), 1);
	EQ(byte, '!');
	recv_pattern(fd, 4, 0, 1000);
}
