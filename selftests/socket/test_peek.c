// SPDX-License-Identifier: GPL-2.0
/*
 * SO_PEEK_OFF: where MSG_PEEK begins. TCP has it since 6.10.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

static void offset(int fd, int value)
{
	if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &value, sizeof(value))) {
		EQ(errno, EOPNOTSUPP);
		SKIP("TCP has no SO_PEEK_OFF here");
	}
	EQ(get_int(fd, SOL_SOCKET, SO_PEEK_OFF), value);
}

/* @len bytes are peeked at, or read, that are those from position @pos. */
static void get(int fd, size_t pos, size_t len, int flags)
{
	unsigned char buf[256];

	CHECK(len <= sizeof(buf));
	EQ(recv(fd, buf, len, flags), (ssize_t)len);
	EQ(pattern_check(4, pos, buf, len), -1);
}

TEST_BOTH(peek_offset_moves, "option.peek-off")
{
	int fd = meet("source 100 4 end=hold");

	offset(fd, 0);
	await_bytes(fd, 100);
	get(fd, 0, 10, MSG_PEEK);
	get(fd, 10, 10, MSG_PEEK);
	EQ(get_int(fd, SOL_SOCKET, SO_PEEK_OFF), 20);
	/* what is read comes from the front, and the rest moves there */
	get(fd, 0, 5, 0);
	EQ(get_int(fd, SOL_SOCKET, SO_PEEK_OFF), 15);
	get(fd, 20, 10, MSG_PEEK);
	get(fd, 5, 50, 0);
	EQ(get_int(fd, SOL_SOCKET, SO_PEEK_OFF), 0);
	get(fd, 55, 10, MSG_PEEK);
	get(fd, 65, 35, MSG_PEEK);
}

TEST_BOTH(peek_offset_off, "option.peek-off")
{
	int fd = meet("source 100 4 end=hold");

	offset(fd, 30);
	await_bytes(fd, 100);
	get(fd, 30, 10, MSG_PEEK);
	offset(fd, -1);
	get(fd, 0, 10, MSG_PEEK);
	get(fd, 0, 10, MSG_PEEK);
	EQ(get_int(fd, SOL_SOCKET, SO_PEEK_OFF), -1);
}

TEST_BOTH(peek_offset_beyond, "option.peek-off")
{
	char tag[PEER_TAG];
	int fd = meet("source 100 4 end=hold tag=%s", peer_tag(tag));
	char byte;

	offset(fd, 100);
	await_bytes(fd, 100);
	FAILS(recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
	go(tag, "more=50");
	get(fd, 100, 50, MSG_PEEK | MSG_WAITALL);
	get(fd, 0, 150, 0);
	EQ(get_int(fd, SOL_SOCKET, SO_PEEK_OFF), 0);
}

TEST_BOTH(peek_offset_at_end, "option.peek-off")
{
	int fd = meet("source 100 4");
	char byte;

	offset(fd, 50);
	await_bytes(fd, 100);
	get(fd, 50, 50, MSG_PEEK);
	EQ(recv(fd, &byte, 1, MSG_PEEK), 0);
	get(fd, 0, 100, 0);
	expect_eof(fd);
}

/* Over buffers, whose borders the offset is not to notice. */
TEST_BOTH(peek_offset_large, "option.peek-off")
{
	static unsigned char buf[40000];
	int fd = meet("source 40000 4 end=hold");
	int at;

	offset(fd, 0);
	await_bytes(fd, 40000);
	for (at = 0; at < 40000; at += 1000) {
		EQ(recv(fd, buf, 1000, MSG_PEEK), 1000);
		EQ(pattern_check(4, at, buf, 1000), -1);
	}
	recv_pattern(fd, 4, 0, 40000);
}

TEST(peek_offset_undone, "option.peek-off")
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = dial("echo");

	offset(fd, 10);
	OK(connect(fd, &none, sizeof(none)));
	EQ(get_int(fd, SOL_SOCKET, SO_PEEK_OFF), -1);
}
