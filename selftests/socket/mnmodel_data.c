// SPDX-License-Identifier: GPL-2.0
/*
 * The operations that send and receive, by every call that can, and those the
 * peer is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mnmodel.h"
#include "pattern.h"

#define MOST	65536
#define STOPPED_MOST 300000	/* sent ahead of a peer that does not read */
#define WIPED	0xee

static char buf[MOST + 1];

static int fd_of(const struct slot *slot)
{
	return socket_of[slot->number];
}

static long answer_of(long ret)
{
	return ret < 0 ? -errno : ret;
}

static bool always(struct slot *slot)
{
	return slot->open;
}

/* --- sent --- */

static bool may_send(struct slot *slot)
{
	return slot->open && slot->s.tx - slot->other.seen < STOPPED_MOST;
}

/* Bytes where they go, and a size a piece of code may like less than others. */
static size_t bytes_to_send(struct slot *slot)
{
	size_t len = chance(slot, 12) ? 0 : pick(slot, 1, 3000);

	if (slot->other.stopped && chance(slot, 2))
		len = pick(slot, 10000, MOST);
	pattern_fill(slot->other.tx_seed, slot->s.tx, buf, len);
	return len;
}

static void sent(struct slot *slot, const char *what, long got, size_t len)
{
	char text[64];

	snprintf(text, sizeof(text), "%s, %zu bytes", what, len);
	check_send(slot, text, got, len);
	if (got > 0)
		__atomic_fetch_add(&shared->sent, got, __ATOMIC_RELAXED);
}

/* Two or three pieces, one of which may be empty. */
static int in_pieces(struct slot *slot, struct iovec *iov, size_t len)
{
	size_t first = pick(slot, 0, len), second = pick(slot, 0, len - first);

	iov[0] = (struct iovec){ buf, first };
	iov[1] = (struct iovec){ buf + first, second };
	iov[2] = (struct iovec){ buf + first + second, len - first - second };
	return 3;
}

static void signals_are(struct slot *slot, int before, bool expected)
{
	if (pipes - before != expected)
		differ(slot, "%d SIGPIPE", pipes - before);
}

static void send_flags(struct slot *slot)
{
	int flags = chance(slot, 2) ? MSG_NOSIGNAL : 0, before = pipes;
	size_t len = bytes_to_send(slot);
	long got;

	if (chance(slot, 2))
		flags |= MSG_DONTWAIT;
	if (chance(slot, 8))
		flags |= MSG_MORE;
	got = answer_of(send(fd_of(slot), buf, len, flags));
	sent(slot, flags & MSG_MORE ? "send(MSG_MORE)" : "send()", got, len);
	signals_are(slot, before, got == -EPIPE && !(flags & MSG_NOSIGNAL));
}

static void send_write(struct slot *slot)
{
	size_t len = bytes_to_send(slot);
	int before = pipes;
	long got;

	/* a write() of nothing is not the socket's */
	if (!len)
		return;
	got = answer_of(write(fd_of(slot), buf, len));
	sent(slot, "write()", got, len);
	signals_are(slot, before, got == -EPIPE);
}

static void send_writev(struct slot *slot)
{
	size_t len = bytes_to_send(slot);
	struct iovec iov[3];
	int before = pipes;
	long got;

	if (!len)
		return;
	got = answer_of(writev(fd_of(slot), iov, in_pieces(slot, iov, len)));
	sent(slot, "writev()", got, len);
	signals_are(slot, before, got == -EPIPE);
}

static void send_message(struct slot *slot)
{
	size_t len = bytes_to_send(slot);
	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov };

	msg.msg_iovlen = in_pieces(slot, iov, len);
	sent(slot, "sendmsg()", answer_of(sendmsg(fd_of(slot), &msg, MSG_NOSIGNAL)), len);
}

/* The error of the second is nobody's when the first has gone. */
static void send_messages(struct slot *slot)
{
	size_t len = pick(slot, 2, 1000), first = pick(slot, 1, len - 1);
	struct iovec iov[2] = { { buf, first }, { buf + first, len - first } };
	struct mmsghdr all[2] = {
		{ .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } },
	};
	long got, want, second;

	peer_drained(slot);
	settle(slot);
	pattern_fill(slot->other.tx_seed, slot->s.tx, buf, len);
	got = answer_of(sendmmsg(fd_of(slot), all, 2, MSG_NOSIGNAL));
	want = rule_send(&slot->s, first);
	if (want > 0) {
		second = rule_send(&slot->s, len - first);
		want = second > 0 ? 2 : 1;
	}
	check_is(slot, "sendmmsg() of two", got, want);
}

/* All of it, however long that takes. */
static bool may_send_blocking(struct slot *slot)
{
	return slot->open && !slot->other.stopped && slot->s.tcp != SYN_SENT;
}

static void send_blocking(struct slot *slot)
{
	size_t len = bytes_to_send(slot);
	long got;

	if (chance(slot, 4)) {
		len = pick(slot, 1, MOST);
		pattern_fill(slot->other.tx_seed, slot->s.tx, buf, len);
	}
	set_nonblock(fd_of(slot), false);
	got = answer_of(send(fd_of(slot), buf, len, MSG_NOSIGNAL));
	set_nonblock(fd_of(slot), true);
	if (got == -EAGAIN || (got >= 0 && got < (long)len && !slot->s.rst_told))
		differ(slot, "send() blocking, %zu bytes = %s", len, answer_text(got));
	sent(slot, "send() blocking", got, len);
}

static void send_file(struct slot *slot)
{
	size_t len = bytes_to_send(slot);
	int file = memfd_create("mnmodel", MFD_CLOEXEC);
	off_t at = 0;
	long got;

	if (!len) {
		close(file);
		return;
	}
	if (file < 0 || write(file, buf, len) != (ssize_t)len)
		differ(slot, "no file: %m");
	got = answer_of(sendfile(fd_of(slot), file, &at, len));
	close(file);
	if (at != (got > 0 ? got : 0))
		differ(slot, "sendfile() = %s is at %lld", answer_text(got), (long long)at);
	sent(slot, "sendfile()", got, len);
}

static void send_splice(struct slot *slot)
{
	size_t len = pick(slot, 1, 3000);
	int ends[2];
	long got;

	pattern_fill(slot->other.tx_seed, slot->s.tx, buf, len);
	if (pipe2(ends, O_CLOEXEC) || write(ends[1], buf, len) != (ssize_t)len)
		differ(slot, "no pipe: %m");
	got = answer_of(splice(ends[0], NULL, fd_of(slot), NULL, len, SPLICE_F_NONBLOCK));
	close(ends[0]);
	close(ends[1]);
	sent(slot, "splice() to it", got, len);
}

/* --- received --- */

/* @n bytes are in buf, and behind them nothing. */
static void right_bytes(struct slot *slot, uint64_t pos, long n, size_t len)
{
	long bad;

	if (n > 0) {
		bad = pattern_check(slot->other.rx_seed, pos, buf, n);
		if (bad >= 0)
			differ(slot, "byte %llu is wrong",
			       (unsigned long long)pos + bad);
	}
	if (n < 0)
		n = 0;
	if (n <= (long)len && (unsigned char)buf[n] != WIPED)
		differ(slot, "a byte was written behind what was received");
}

static size_t room(struct slot *slot)
{
	size_t len = chance(slot, 12) ? 0 : pick(slot, 1, 5000);

	memset(buf, WIPED, len + 1);
	return len;
}

static void received(struct slot *slot, const char *what, long got, size_t len,
		     bool peek, bool part)
{
	uint64_t pos = slot->s.rx;
	char text[64];

	snprintf(text, sizeof(text), "%s, %zu bytes", what, len);
	check_recv(slot, text, got, len, peek, part);
	right_bytes(slot, pos, got, len);
	if (got > 0 && !peek)
		__atomic_fetch_add(&shared->received, got, __ATOMIC_RELAXED);
}

static void recv_flags(struct slot *slot)
{
	int flags = chance(slot, 2) ? MSG_DONTWAIT : 0;
	bool peek = chance(slot, 3);
	size_t len = room(slot);

	if (peek)
		flags |= MSG_PEEK;
	if (chance(slot, 4))
		flags |= MSG_WAITALL;
	received(slot, peek ? "recv(MSG_PEEK)" : "recv()",
		 answer_of(recv(fd_of(slot), buf, len, flags)), len, peek, false);
}

/* Nothing of it is written anywhere. */
static void recv_away(struct slot *slot)
{
	size_t len = room(slot);
	long got = answer_of(recv(fd_of(slot), buf, len, MSG_TRUNC));
	char text[64];

	snprintf(text, sizeof(text), "recv(MSG_TRUNC), %zu bytes", len);
	check_recv(slot, text, got, len, false, false);
	right_bytes(slot, 0, 0, len);
}

static void recv_read(struct slot *slot)
{
	size_t len = room(slot);

	if (len)
		received(slot, "read()", answer_of(read(fd_of(slot), buf, len)),
			 len, false, false);
}

static void recv_readv(struct slot *slot)
{
	size_t len = room(slot);
	struct iovec iov[3];

	if (len)
		received(slot, "readv()",
			 answer_of(readv(fd_of(slot), iov, in_pieces(slot, iov, len))),
			 len, false, false);
}

static void recv_message(struct slot *slot)
{
	bool peek = chance(slot, 3);
	size_t len = room(slot);
	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov };

	msg.msg_iovlen = in_pieces(slot, iov, len);
	received(slot, peek ? "recvmsg(MSG_PEEK)" : "recvmsg()",
		 answer_of(recvmsg(fd_of(slot), &msg, peek ? MSG_PEEK : 0)),
		 len, peek, false);
}

/* The error of the second is for the next call; a pending one comes before any byte. */
static void recv_messages(struct slot *slot)
{
	size_t len = pick(slot, 2, 5000), first = pick(slot, 1, len - 1);
	struct iovec iov[2] = { { buf, first }, { buf + first, len - first } };
	struct mmsghdr all[2] = {
		{ .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } },
	};
	long got, want, lens[2] = { 0, 0 };
	uint64_t pos;

	settle(slot);
	pos = slot->s.rx;
	memset(buf, WIPED, len + 1);
	got = answer_of(recvmmsg(fd_of(slot), all, 2, MSG_DONTWAIT, NULL));
	if (slot->s.err) {
		want = -rule_error(&slot->s);
	} else {
		want = lens[0] = rule_recv(&slot->s, first, false);
		if (want >= 0) {
			lens[1] = rule_recv(&slot->s, len - first, false);
			want = lens[1] < 0 ? 1 : 2;
		}
		if (want == 1 && lens[1] != -EAGAIN)
			slot->s.err = -lens[1];
	}
	check_is(slot, "recvmmsg() of two", got, want);
	if (want < 1)
		return;
	if (all[0].msg_len != lens[0] || (want == 2 && all[1].msg_len != lens[1]))
		differ(slot, "recvmmsg(): %u and %u bytes, not %ld and %ld",
		       all[0].msg_len, all[1].msg_len, lens[0], lens[1]);
	/* there is nothing for the second that would have gone into the first */
	right_bytes(slot, pos, lens[0] + (lens[1] > 0 ? lens[1] : 0), len);
}

static void recv_splice(struct slot *slot)
{
	size_t len = pick(slot, 1, 5000);
	int ends[2];
	long got;

	memset(buf, WIPED, len + 1);
	if (pipe2(ends, O_CLOEXEC))
		differ(slot, "no pipe: %m");
	got = answer_of(splice(fd_of(slot), NULL, ends[1], NULL, len, SPLICE_F_NONBLOCK));
	if (got > 0 && read(ends[0], buf, len) != got)
		differ(slot, "splice() = %ld has brought other than that", got);
	close(ends[0]);
	close(ends[1]);
	received(slot, "splice() from it", got, len, false, true);
}

/* Only where something will come, or is over. */
static bool may_recv_blocking(struct slot *slot)
{
	struct state after = slot->s;

	if (!slot->open)
		return false;
	rule_arrive(&after);
	return rule_recv(&after, 1, true) != -EAGAIN;
}

static void recv_blocking(struct slot *slot)
{
	bool all = chance(slot, 2);
	size_t len = pick(slot, 1, 5000);
	long got, want = -1;
	struct state after;
	uint64_t there;

	/*
	 * TCP wakes nobody for less than SO_RCVLOWAT, though the rest of what
	 * somebody waits for may be less.
	 */
	if (slot->options[0] > 1)
		settle(slot);
	after = slot->s;
	rule_arrive(&after);
	there = after.sure - after.rx;
	/* what it waits for is not more than will come, if there is no end */
	if (rule_recv(&after, MOST, false) > 0 && rule_recv(&after, 1, true) == -EAGAIN) {
		if (all && len > there)
			len = there;
		if (slot->options[0] > (int)there && len > there)
			len = there;
	}
	memset(buf, WIPED, len + 1);
	set_nonblock(fd_of(slot), false);
	got = answer_of(recv(fd_of(slot), buf, len, all ? MSG_WAITALL : 0));
	set_nonblock(fd_of(slot), true);
	/* nothing is waited for where we have said that we receive no more */
	if (all && there && !(slot->s.shut & SHUT_READ))
		want = len < there ? len : there;
	if (got == -EAGAIN || (want >= 0 && got != want))
		differ(slot, "recv(%s) blocking, %zu of %llu bytes = %s",
		       all ? "MSG_WAITALL" : "", len, (unsigned long long)there,
		       answer_text(got));
	received(slot, all ? "recv(MSG_WAITALL) blocking" : "recv() blocking",
		 got, len, false, false);
}

/* --- both --- */

/* A child sleeps in recv() while we send, and while the peer is told to. */
static bool may_both(struct slot *slot)
{
	return slot->open && slot->s.tcp == ESTABLISHED && !slot->s.shut &&
	       !slot->s.fin_told && !slot->s.rst_told && !slot->other.stopped &&
	       slot->options[0] == 1;
}

static void recv_in_child(struct slot *slot, size_t len)
{
	uint64_t pos = slot->s.rx;
	long got;

	alarm(2 * MODEL_BOUND);
	memset(buf, WIPED, len + 1);
	got = answer_of(recv(fd_of(slot), buf, len, MSG_WAITALL));
	check_is(slot, "recv(MSG_WAITALL) in a child", got, len);
	right_bytes(slot, pos, got, len);
	_exit(0);
}

static void both(struct slot *slot)
{
	size_t more = pick(slot, 1, 4096), len = bytes_to_send(slot), there;
	char words[32];
	pid_t pid;
	long got;
	int status;

	settle(slot);
	there = slot->s.sure - slot->s.rx + more;
	set_nonblock(fd_of(slot), false);
	pid = fork();
	if (!pid)
		recv_in_child(slot, there);
	if (chance(slot, 2))
		nap_ms(1);
	snprintf(words, sizeof(words), "more=%zu", more);
	peer_tell(slot, words);
	got = answer_of(send(fd_of(slot), buf, len, MSG_NOSIGNAL));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		differ(slot, "a child did not receive");
	set_nonblock(fd_of(slot), true);
	slot->s.told += more;
	slot->s.sure = slot->s.told;
	slot->s.rx = slot->s.told;
	check_is(slot, "send() beside it", got, len);
	slot->s.tx += len;
}

/* --- the peer's --- */

/* It is there, and has not ended. */
static bool may_tell(struct slot *slot)
{
	return slot->open && is_stream(slot) && !slot->s.fin_told &&
	       !slot->s.rst_told;
}

static bool may_come(struct slot *slot)
{
	return may_tell(slot) && slot->s.tcp != FIN_GOT &&
	       slot->s.told - slot->s.rx < MODEL_UNREAD - 4096 &&
	       (slot->s.tcp != FIN_SENT || !(slot->s.shut & SHUT_READ));
}

static void come(struct slot *slot)
{
	unsigned int n = pick(slot, 1, 4096);
	char words[32];

	snprintf(words, sizeof(words), "more=%u", n);
	peer_tell(slot, words);
	slot->s.told += n;
	if (chance(slot, 2))
		settle(slot);
}

static bool may_finish(struct slot *slot)
{
	return may_tell(slot) && slot->s.tcp != FIN_GOT && !slot->other.stopped;
}

static void finish(struct slot *slot)
{
	peer_tell(slot, "end=fin");
	slot->s.fin_told = true;
	if (chance(slot, 2))
		settle(slot);
}

static void reset(struct slot *slot)
{
	peer_tell(slot, "end=rst");
	slot->s.rst_told = true;
	slot->other.reset = true;
	if (chance(slot, 2))
		settle(slot);
}

static bool may_stop(struct slot *slot)
{
	return may_tell(slot) && slot->s.tcp == ESTABLISHED &&
	       !(slot->s.shut & SHUT_WRITE);
}

static void stop(struct slot *slot)
{
	peer_tell(slot, "read=none");
	slot->other.stopped = true;
}

/* All that was sent is there. */
static void drain(struct slot *slot)
{
	peer_drained(slot);
}

const struct op data_ops[] = {
	{ "send", 25, may_send, send_flags },
	{ "write", 10, may_send, send_write },
	{ "writev", 10, may_send, send_writev },
	{ "sendmsg", 10, may_send, send_message },
	{ "sendmmsg", 6, always, send_messages },
	{ "send-blocking", 8, may_send_blocking, send_blocking },
	{ "sendfile", 6, may_send, send_file },
	{ "splice-to", 6, may_send, send_splice },
	{ "recv", 25, always, recv_flags },
	{ "recv-trunc", 4, always, recv_away },
	{ "read", 10, always, recv_read },
	{ "readv", 10, always, recv_readv },
	{ "recvmsg", 10, always, recv_message },
	{ "recvmmsg", 6, always, recv_messages },
	{ "both-ways", 2, may_both, both },
	{ "recv-blocking", 10, may_recv_blocking, recv_blocking },
	{ "splice-from", 6, always, recv_splice },
	{ "peer-sends", 40, may_come, come },
	{ "peer-ends", 4, may_finish, finish },
	{ "peer-resets", 3, may_tell, reset },
	{ "peer-stops", 4, may_stop, stop },
	{ "peer-has-all", 8, may_tell, drain },
	{ NULL }
};
