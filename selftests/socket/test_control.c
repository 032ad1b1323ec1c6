// SPDX-License-Identifier: GPL-2.0
/*
 * Control messages beside the bytes: what TCP does not know is an error, what
 * is another family's or level's is ignored.
 */
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "differences.h"
#include "fixture.h"

static ssize_t send_with(int fd, int level, int type, const void *data,
			 size_t len)
{
	union {
		struct cmsghdr head;
		char room[128];
	} control = { 0 };
	struct iovec bytes = { "a", 1 };
	struct msghdr msg = {
		.msg_iov = &bytes, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = CMSG_SPACE(len),
	};

	control.head.cmsg_level = level;
	control.head.cmsg_type = type;
	control.head.cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(&control.head), data, len);
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

TEST_BOTH(control_unknown, "send.control")
{
	int fd = meet("echo"), value = 1;

	FAILS(send_with(fd, SOL_SOCKET, 9999, &value, sizeof(value)), EINVAL);
	EQ(send_with(fd, IPPROTO_TCP, 9999, &value, sizeof(value)), 1);
	await_bytes(fd, 1);
}

TEST_BOTH(control_descriptor, "send.control")
{
	int fd = meet("echo"), value = 0;

	EQ(send_with(fd, SOL_SOCKET, SCM_RIGHTS, &value, sizeof(value)), 1);
	await_bytes(fd, 1);
}

TEST_BOTH(control_malformed, "send.control")
{
	int fd = meet("echo");
	char room[64] = { 0 };
	struct iovec bytes = { "a", 1 };
	struct msghdr msg = {
		.msg_iov = &bytes, .msg_iovlen = 1,
		.msg_control = room, .msg_controllen = sizeof(struct cmsghdr),
	};

	((struct cmsghdr *)room)->cmsg_len = 1;
	FAILS(sendmsg(fd, &msg, 0), EINVAL);
	((struct cmsghdr *)room)->cmsg_len = 1000;
	FAILS(sendmsg(fd, &msg, 0), EINVAL);
	EQ(send(fd, "a", 1, 0), 1);
	await_bytes(fd, 1);
}

TEST_BOTH(control_mark, "send.control")
{
	int fd = meet("echo");
	unsigned int mark = 7;

	EQ(send_with(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 1);
	FAILS(send_with(fd, SOL_SOCKET, SO_MARK, &mark, 1), EINVAL);
	become_nobody();
	FAILS(send_with(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), EINVAL);
}

TEST_BOTH(control_time, "send.control.timestamps")
{
	unsigned long long when = 1;
	unsigned int what = SOF_TIMESTAMPING_TX_SOFTWARE;
	int fd = meet("echo");

	FAILS(send_with(fd, SOL_SOCKET, SCM_TXTIME, &when, sizeof(when)), EINVAL);
	if (differs("timestamps"))
		FAILS(send_with(fd, SOL_SOCKET, SO_TIMESTAMPING, &what,
				sizeof(what)), EINVAL);
	else
		EQ(send_with(fd, SOL_SOCKET, SO_TIMESTAMPING, &what,
			     sizeof(what)), 1);
}

/* The socket's state is the first thing that is wrong. */
TEST_BOTH(control_after_shutdown, "send.control")
{
	int fd = meet("echo"), value = 1;

	OK(shutdown(fd, SHUT_WR));
	FAILS(send_with(fd, SOL_SOCKET, 9999, &value, sizeof(value)), EPIPE);
}
