// SPDX-License-Identifier: GPL-2.0
/*
 * mnsend: one connection that sends; load.h has the command line.
 *
 * The pieces go to mnpuppet, which must have got them all, with TCP_NODELAY; after each it counts
 * to PAUSE (0), so that what it sent has left before the next. CALL is
 *
 *	send		send()
 *	zerocopy	send() with MSG_ZEROCOPY, the notifications read in between
 *	sendfile	sendfile() of a file in memory
 *	direct		memnet_send_direct()
 *	async		jobs, BATCH (1, up to 16) of them submitted by one call
 *	busy		nothing is sent: COUNT times SIZE is counted to
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/errqueue.h>

#include "load.h"
#include "net.h"
#include "pattern.h"
#include "peer.h"

static bool by_send(struct load *l)
{
	unsigned long i;

	for (i = 0; i < l->count; i++, count_to(l->pause))
		if (write_all(l->fd, l->buffer, l->size))
			return failed(l, "send");
	return true;
}

/* Reads what notifications there are; how many sends they end, or -1. */
static long notified(int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(struct sock_extended_err) + 128)];
		struct cmsghdr align;
	} control;
	struct sock_extended_err *err;
	struct msghdr msg = { .msg_control = &control, .msg_controllen = sizeof(control) };
	long n = 0;

	while (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0) {
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

		if (!c)
			return -1;
		err = (struct sock_extended_err *)CMSG_DATA(c);
		if (err->ee_errno || err->ee_origin != SO_EE_ORIGIN_ZEROCOPY)
			return -1;
		n += err->ee_data - err->ee_info + 1;
		msg.msg_controllen = sizeof(control);
	}
	return errno == EAGAIN ? n : -1;
}

static bool by_zerocopy(struct load *l)
{
	unsigned long i, sends = 0, ended = 0;
	int on = 1;
	ssize_t n;
	long got;
	size_t done;

	if (setsockopt(l->fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		return failed(l, "SO_ZEROCOPY");
	for (i = 0; i < l->count; i++, count_to(l->pause)) {
		for (done = 0; done < l->size; done += n, sends++) {
			n = send(l->fd, l->buffer + done, l->size - done, MSG_ZEROCOPY);
			if (n < 0)
				return failed(l, "send");
		}
		if (i % 16 == 15) {
			got = notified(l->fd);
			if (got < 0)
				return failed(l, "notification");
			ended += got;
		}
	}
	while (ended < sends) {
		got = notified(l->fd);
		if (got < 0 || (!got && !(wait_fd(l->fd, 0, 10000) & POLLERR)))
			return failed(l, "notification");
		ended += got;
	}
	return true;
}

static bool by_sendfile(struct load *l)
{
	int file = memfd_create("mnsend", MFD_CLOEXEC);
	unsigned long i;
	off_t offset;
	ssize_t n;

	if (file < 0 || !pattern_write(file, 1, l->size))
		return failed(l, "file");
	for (i = 0; i < l->count; i++, count_to(l->pause)) {
		for (offset = 0; (size_t)offset < l->size; ) {
			n = sendfile(l->fd, file, &offset, l->size - offset);
			if (n <= 0)
				return failed(l, "sendfile");
		}
	}
	close(file);
	return true;
}

static bool by_direct(struct load *l)
{
	unsigned long i;

	for (i = 0; i < l->count; i++, count_to(l->pause))
		if (memnet_send_direct(l->ctx, l->fd, l->region, 0, l->size, 0) != (ssize_t)l->size)
			return failed(l, "memnet_send_direct");
	return true;
}

static bool by_async(struct load *l)
{
	return by_jobs(l, MEMNET_OP_SEND, 0);
}

static bool by_nothing(struct load *l)
{
	unsigned long i;

	for (i = 0; i < l->count; i++)
		count_to(l->size);
	return true;
}

static int sink(struct load *l)
{
	(void)l;
	return peer_open("sink");
}

/* The peer has all of it. */
static bool complete(struct load *l)
{
	struct result result;
	char line[256];

	if (shutdown(l->fd, SHUT_WR) || read_line(l->fd, line, sizeof(line), 60000) < 0)
		return failed(l, "answer");
	errno = EIO;
	if (result_parse(&result, line) || result.in != l->count * l->size)
		return failed(l, "answer");
	return true;
}

int main(int argc, char **argv)
{
	static const struct call calls[] = {
		{ "send", by_send },
		{ "zerocopy", by_zerocopy },
		{ "sendfile", by_sendfile },
		{ "direct", by_direct, REGISTERED },
		{ "async", by_async, REGISTERED },
		{ "busy", by_nothing, .alone = true },
		{ NULL }
	};
	static const struct program program = { "mnsend", calls, sink, complete };

	return load_main(&program, argc, argv);
}
