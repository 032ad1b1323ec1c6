// SPDX-License-Identifier: GPL-2.0
/*
 * MSG_ZEROCOPY: what is told, when, and that the memory is what the peer gets as long as it is not
 * told. Whether something was copied nevertheless is not compared: TCP does where it likes.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>	/* wants time.h */

#include "differences.h"
#include "fixture.h"

#define MUCH (8 << 20)	/* more than windows and buffers hold */

static void needs_zerocopy(void)
{
	if (!family_sees_socket_options() && differs("zerocopy"))
		SKIP("SO_ZEROCOPY is refused here");
}

static void ask(int fd)
{
	set_int(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
}

static char *memory(size_t len)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(map != MAP_FAILED);
	return map;
}

/* Pattern bytes of seed 1, from its beginning. */
static char *pattern(size_t len)
{
	char *map = memory(len);

	pattern_fill(1, 0, map, len);
	return map;
}

/* What the error queue has next: calls first..last; false if there is nothing. */
static bool told(int fd, unsigned int *first, unsigned int *last)
{
	char control[256], byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct sock_extended_err err;
	struct cmsghdr *cmsg;
	ssize_t n = recvmsg(fd, &msg, MSG_ERRQUEUE);

	if (n < 0 && errno == EAGAIN)
		return false;
	EQ(n, 0);
	CHECK(msg.msg_flags & MSG_ERRQUEUE);
	cmsg = CMSG_FIRSTHDR(&msg);
	CHECK(cmsg);
	EQ(cmsg->cmsg_level, tested.v6 ? SOL_IPV6 : SOL_IP);
	EQ(cmsg->cmsg_type, tested.v6 ? IPV6_RECVERR : IP_RECVERR);
	memcpy(&err, CMSG_DATA(cmsg), sizeof(err));
	EQ(err.ee_errno, 0);
	EQ(err.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
	EQ(err.ee_type, 0);
	EQ(err.ee_code & ~SO_EE_CODE_ZEROCOPY_COPIED, 0);
	*first = err.ee_info;
	*last = err.ee_data;
	return true;
}

/* The calls from @first on to the one before @end are told of, in order, each once. */
static void await_told(int fd, unsigned int first, unsigned int end)
{
	long until = now_ms() + LONG_MS;
	unsigned int from, to;

	while (first != end) {
		if (!told(fd, &from, &to)) {
			if (now_ms() > until)
				FAIL("call %u of %u is not told of", first, end);
			wait_fd(fd, 0, 50);
			continue;
		}
		EQ(from, first);
		CHECK(to - from < end - first);
		first = to + 1;
	}
}

/* The calls up to @end are told of, each once; in what order TCP's end has no rule. */
static void await_told_in_any_order(int fd, unsigned int end)
{
	long until = now_ms() + LONG_MS;
	unsigned int from, to, n = 0;
	bool *seen = calloc(end, sizeof(*seen));

	CHECK(seen);
	while (n < end) {
		if (!told(fd, &from, &to)) {
			if (now_ms() > until)
				FAIL("%u of %u calls are told of", n, end);
			wait_fd(fd, 0, 50);
			continue;
		}
		CHECK(from <= to && to < end);
		for (; from <= to; from++, n++) {
			CHECK(!seen[from]);
			seen[from] = true;
		}
	}
	free(seen);
}

static void nothing_told(int fd)
{
	unsigned int first, last;

	CHECK(!told(fd, &first, &last));
	EQ(wait_fd(fd, 0, 0) & POLLERR, 0);
}

/* Without waiting and until no more fits, each call at most @piece bytes; the calls. */
static unsigned int fill_without_copy(int fd, const char *map, size_t piece, size_t *sent)
{
	unsigned int calls = 0;
	int quiet = 0;

	/* so much that some of it waits here, not at the peer */
	set_int(fd, SOL_SOCKET, SO_SNDBUF, 1 << 20);
	while (quiet < 3) {
		ssize_t n = send(fd, map + *sent, piece, MSG_ZEROCOPY | MSG_DONTWAIT);

		if (n < 0) {
			EQ(errno, EAGAIN);
			quiet = wait_fd(fd, POLLOUT, SHORT_MS) & POLLOUT ? 0 : quiet + 1;
			continue;
		}
		CHECK(n > 0 && n <= (ssize_t)piece);
		*sent += n;
		calls++;
		CHECK(*sent + piece <= MUCH);
	}
	CHECK(calls);
	return calls;
}

/* ---- told ---- */

TEST_BOTH(zerocopy_told, "msg.zerocopy")
{
	char *map = pattern(400000);
	int fd = meet("sink check=1");
	size_t sent = 0, len = 1;
	unsigned int calls = 0;

	needs_zerocopy();
	ask(fd);
	while (sent < 400000) {
		if (len > 400000 - sent)
			len = 400000 - sent;
		EQ(send(fd, map + sent, len, MSG_ZEROCOPY), len);
		sent += len;
		calls++;
		len = (len * 3 + 7) % 50021;
	}
	await_told(fd, 0, calls);
	nothing_told(fd);
	expect_sunk(fd, sent);
}

/* The same memory for every call, spoilt as soon as it is free. */
TEST_BOTH(zerocopy_memory_is_free, "msg.zerocopy")
{
	int fd = meet("sink check=1");
	size_t sent = 0, len = 100;
	char *map = memory(50000);
	unsigned int calls;

	needs_zerocopy();
	ask(fd);
	for (calls = 0; calls < 40; calls++) {
		char *at = map + calls * 37 % 4096;

		pattern_fill(1, sent, at, len);
		EQ(send(fd, at, len, MSG_ZEROCOPY), len);
		sent += len;
		await_told(fd, calls, calls + 1);
		memset(map, 0x5a, 50000);
		len = (len * 5 + 1) % 45001 + 1;
	}
	expect_sunk(fd, sent);
}

/* What is gathered from many places, with copies before and behind that may be spoilt at once. */
TEST_BOTH(zerocopy_among_copies, "msg.zerocopy")
{
	int fd = meet("sink check=1");
	struct iovec iov[40];
	struct msghdr msg = { .msg_iov = iov };
	char *map = pattern(400000);
	char copy[3000];
	size_t sent = 0;
	unsigned int calls, i;

	needs_zerocopy();
	ask(fd);
	for (calls = 0; calls < 20; calls++) {
		size_t len = calls * 131 % sizeof(copy) + 1, whole = 0;

		memcpy(copy, map + sent, len);
		EQ(send(fd, copy, len, calls % 2 ? MSG_MORE : 0), len);
		memset(copy, 0x5a, len);
		sent += len;
		msg.msg_iovlen = calls % 40 + 1;
		for (i = 0; i < msg.msg_iovlen; i++) {
			iov[i].iov_base = map + sent + whole;
			iov[i].iov_len = (i * 977 + calls * 13) % 1500;
			whole += iov[i].iov_len;
		}
		/* no bytes, and nothing to be told */
		if (!whole) {
			iov[0].iov_len = 1;
			whole = 1;
		}
		EQ(sendmsg(fd, &msg, calls % 3 ? MSG_ZEROCOPY : MSG_ZEROCOPY | MSG_MORE), whole);
		sent += whole;
	}
	await_told(fd, 0, calls);
	expect_sunk(fd, sent);
}

TEST_BOTH(zerocopy_not_asked, "msg.zerocopy.ignored")
{
	int fd = meet("sink check=1");
	char buf[9000];
	size_t sent = 0;
	int on;

	/* a copy: it may be spoilt at once */
	for (; sent < 10 * sizeof(buf); sent += sizeof(buf)) {
		pattern_fill(1, sent, buf, sizeof(buf));
		EQ(send(fd, buf, sizeof(buf), MSG_ZEROCOPY), sizeof(buf));
		memset(buf, 0x5a, sizeof(buf));
	}
	nap_ms(20);
	nothing_told(fd);
	needs_zerocopy();
	for (on = 1; on < 6; on++) {
		set_int(fd, SOL_SOCKET, SO_ZEROCOPY, on % 2);
		EQ(get_int(fd, SOL_SOCKET, SO_ZEROCOPY), on % 2);
		pattern_fill(1, sent, buf, sizeof(buf));
		EQ(send(fd, buf, sizeof(buf), MSG_ZEROCOPY), sizeof(buf));
		if (on % 2)
			await_told(fd, on / 2, on / 2 + 1);
		memset(buf, 0x5a, sizeof(buf));
		sent += sizeof(buf);
		/* without the flag it is a copy all the same */
		pattern_fill(1, sent, buf, sizeof(buf));
		EQ(send(fd, buf, sizeof(buf), 0), sizeof(buf));
		memset(buf, 0x5a, sizeof(buf));
		sent += sizeof(buf);
	}
	nap_ms(20);
	nothing_told(fd);
	expect_sunk(fd, sent);
}

TEST_BOTH(zerocopy_nothing, "msg.zerocopy")
{
	int fd = meet("sink check=1");
	char *map = pattern(100);

	needs_zerocopy();
	ask(fd);
	EQ(send(fd, map, 0, MSG_ZEROCOPY), 0);
	nap_ms(20);
	/* though the socket blocks */
	nothing_told(fd);
	EQ(send(fd, map, 100, MSG_ZEROCOPY), 100);
	await_told(fd, 0, 1);
	expect_sunk(fd, 100);
}

TEST_BOTH(zerocopy_large, "msg.zerocopy")
{
	int fd = meet("sink check=1");
	char *map = pattern(3000000);

	needs_zerocopy();
	ask(fd);
	EQ(send(fd, map, 3000000, MSG_ZEROCOPY), 3000000);
	await_told(fd, 0, 1);
	nothing_told(fd);
	expect_sunk(fd, 3000000);
}

TEST_BOTH(zerocopy_nonblock, "msg.zerocopy.full")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 wait=1 tag=%s", peer_tag(tag));
	char *map = pattern(MUCH);
	unsigned int calls;
	size_t sent = 0;
	ssize_t n;

	needs_zerocopy();
	ask(fd);
	calls = fill_without_copy(fd, map, 50000, &sent);
	/* What fails takes no number; the peer's TCP may have made room for a little more. */
	while ((n = send(fd, map + sent, 1, MSG_ZEROCOPY | MSG_DONTWAIT)) > 0) {
		sent += n;
		calls++;
	}
	EQ(errno, EAGAIN);
	go(tag, "");
	EQ(send(fd, map + sent, 70001, MSG_ZEROCOPY), 70001);
	await_told(fd, 0, calls + 1);
	nothing_told(fd);
	expect_sunk(fd, sent + 70001);
}

/* Small ones of which many wait: they are told of together, and not one twice. */
TEST_BOTH(zerocopy_many, "msg.zerocopy.full")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 wait=1 tag=%s", peer_tag(tag));
	char *map = pattern(MUCH);
	size_t sent = 0;
	unsigned int calls, i;

	needs_zerocopy();
	ask(fd);
	calls = fill_without_copy(fd, map, 30000, &sent);
	go(tag, "");
	for (i = 0; i < 500; i++, calls++, sent += 10)
		EQ(send(fd, map + sent, 10, MSG_ZEROCOPY), 10);
	await_told(fd, 0, calls);
	nothing_told(fd);
	expect_sunk(fd, sent);
}

/* ---- waiting ---- */

TEST_BOTH(zerocopy_poll, "msg.zerocopy.poll")
{
	int fd = meet("sink check=1"), ep = OK(epoll_create1(0));
	struct epoll_event event = { .events = EPOLLET };
	unsigned int first, last;
	char *map = pattern(20000);

	needs_zerocopy();
	ask(fd);
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	EQ(epoll_wait(ep, &event, 1, 0), 0);
	EQ(send(fd, map, 10000, MSG_ZEROCOPY), 10000);
	await_error(fd);
	EQ(epoll_wait(ep, &event, 1, LONG_MS), 1);
	CHECK(event.events & EPOLLERR);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	/* until it is read */
	CHECK(wait_fd(fd, 0, 0) & POLLERR);
	CHECK(told(fd, &first, &last));
	EQ(wait_fd(fd, POLLOUT, 0), POLLOUT);
	/* the next one is another edge */
	EQ(send(fd, map + 10000, 10000, MSG_ZEROCOPY), 10000);
	await_error(fd);
	EQ(epoll_wait(ep, &event, 1, LONG_MS), 1);
	CHECK(event.events & EPOLLERR);
	await_told(fd, 1, 2);
	expect_sunk(fd, 20000);
}

/*
 * Soon, though nobody does anything meanwhile that would make it known by the way. A link's
 * heartbeat would: there is one in 833 ms, so that who waited for that would wait as long each time
 * but the first.
 */
TEST_BOTH(zerocopy_told_soon, "msg.zerocopy.poll")
{
	int fd = meet("sink check=1"), i, late = 0;
	char *map = pattern(9000);

	needs_zerocopy();
	ask(fd);
	for (i = 0; i < 9; i++) {
		struct pollfd error = { .fd = fd };
		long sent = now_ms();

		EQ(send(fd, map + 1000 * i, 1000, MSG_ZEROCOPY), 1000);
		EQ(poll(&error, 1, LONG_MS), 1);
		EQ(error.revents, POLLERR);
		late += now_ms() - sent > 400;
		await_told(fd, i, i + 1);
	}
	CHECK(late < 5);
	expect_sunk(fd, 9000);
}

/* ---- errors ---- */

TEST_BOTH(zerocopy_bad_memory, "msg.zerocopy.errors")
{
	int fd = meet("sink check=1");
	char *map = pattern(8192);

	needs_zerocopy();
	ask(fd);
	FAILS(send(fd, bad_memory(), 8192, MSG_ZEROCOPY), EFAULT);
	OK(mprotect(map + 4096, 4096, PROT_NONE));
	FAILS(send(fd, map, 8192, MSG_ZEROCOPY), EFAULT);
	nap_ms(20);
	nothing_told(fd);
	EQ(send(fd, map, 4096, MSG_ZEROCOPY), 4096);
	await_told(fd, 0, 1);
	nothing_told(fd);
	expect_sunk(fd, 4096);
}

/* Both versions' tests run as this user at once. */
TEST_BOTH(zerocopy_locked_memory, "msg.zerocopy.errors")
{
	const struct rlimit limit = { 10 * 4096, 10 * 4096 };
	int fd = meet("sink check=1");
	char *map = pattern(65536);
	unsigned int calls;

	needs_zerocopy();
	ask(fd);
	OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	become_nobody();
	for (calls = 0; calls < 30; calls++) {
		FAILS(send(fd, map, 65536, MSG_ZEROCOPY), ENOBUFS);
		EQ(send(fd, map + 100 * calls, 100, MSG_ZEROCOPY), 100);
		await_told(fd, calls, calls + 1);
	}
	EQ(send(fd, map + 100 * calls, 10000, 0), 10000);
	nothing_told(fd);
	expect_sunk(fd, 100 * calls + 10000);
}

TEST_FOR(zerocopy_not_connected, LOCAL, 0, "msg.zerocopy.errors")
{
	int fd = fresh();

	needs_zerocopy();
	ask(fd);
	count_sigpipe();
	FAILS(send(fd, "x", 1, MSG_ZEROCOPY), EPIPE);
	EQ(pipes, 1);
	nothing_told(fd);
}

/* ---- ends ---- */

TEST_BOTH(zerocopy_reset, "msg.zerocopy.end")
{
	char tag[PEER_TAG];
	int fd = meet("rst wait=1 tag=%s", peer_tag(tag));
	char *map = pattern(MUCH);
	unsigned int calls;
	size_t sent = 0;

	needs_zerocopy();
	ask(fd);
	calls = fill_without_copy(fd, map, 50000, &sent);
	go(tag, "");
	await_told_in_any_order(fd, calls);
	while (get_int(fd, SOL_SOCKET, SO_ERROR) != ECONNRESET)
		nap_ms(1);
	FAILS(send(fd, map, 1, MSG_ZEROCOPY | MSG_NOSIGNAL), EPIPE);
	nothing_told(fd);
}

/* The pages are the connection's as long as it needs them. */
TEST_BOTH(zerocopy_close, "msg.zerocopy.end")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 wait=1 tag=%s", peer_tag(tag));
	char *map = pattern(MUCH);
	struct result result;
	size_t sent = 0;

	needs_zerocopy();
	ask(fd);
	fill_without_copy(fd, map, 50000, &sent);
	OK(close(fd));
	OK(munmap(map, MUCH));
	memset(pattern(MUCH), 0x5a, MUCH);
	go(tag, "");
	result = stat_of(tag);
	EQ(result.in, sent);
	EQ(result.bad, -1);
}

TEST_BOTH(zerocopy_abort, "msg.zerocopy.end")
{
	const struct linger linger = { 1, 0 };
	char tag[PEER_TAG];
	int fd = meet("sink check=1 wait=1 tag=%s", peer_tag(tag));
	char *map = pattern(MUCH);
	size_t sent = 0;

	needs_zerocopy();
	ask(fd);
	fill_without_copy(fd, map, 50000, &sent);
	OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	OK(close(fd));
	EQ(stat_of(tag).err, ECONNRESET);
}

static void has_the_pattern(void *map)
{
	EQ(pattern_check(1, 0, map, MUCH), -1);
}

/* Who writes to what both have since fork() writes to a copy; what is sent is what was there. */
TEST_BOTH(zerocopy_fork, "msg.zerocopy.end")
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 wait=1 tag=%s", peer_tag(tag));
	char *map = pattern(MUCH);
	unsigned int calls;
	size_t sent = 0;
	pid_t pid;

	needs_zerocopy();
	ask(fd);
	calls = fill_without_copy(fd, map, 50000, &sent);
	pid = child(has_the_pattern, map);
	memset(map, 0x5a, MUCH);
	wait_for(pid);
	go(tag, "");
	await_told(fd, 0, calls);
	expect_sunk(fd, sent);
}

/* ---- who has it ---- */

TEST(zerocopy_inherited, "option.zerocopy")
{
	char *map = pattern(1000);
	unsigned int port;
	int fd, conn;

	needs_zerocopy();
	fd = listener(&port);
	ask(fd);
	call(port, "sink check=1");
	conn = accept_one(fd);
	EQ(get_int(conn, SOL_SOCKET, SO_ZEROCOPY), 1);
	EQ(send(conn, map, 1000, MSG_ZEROCOPY), 1000);
	await_told(conn, 0, 1);
	expect_sunk(conn, 1000);
	set_int(fd, SOL_SOCKET, SO_ZEROCOPY, 0);
	call(port, "sink check=1");
	conn = accept_one(fd);
	EQ(get_int(conn, SOL_SOCKET, SO_ZEROCOPY), 0);
}

TEST_FOR(zerocopy_loopback, LOOPBACK, 0, "loopback.zerocopy")
{
	int server = fresh(), fd = fresh(), conn;
	char *map = pattern(30000);
	union addr addr;

	needs_zerocopy();
	CHECK(addr_parse(&addr, tested.v6 ? "::1" : "127.0.0.1", 0));
	OK(bind(server, &addr.sa, addr_len(&addr)));
	OK(listen(server, 1));
	ask(server);
	/* before it is known where it goes */
	ask(fd);
	addr_set_port(&addr, port_of(server));
	OK(connect(fd, &addr.sa, addr_len(&addr)));
	conn = accept_one(server);
	EQ(get_int(conn, SOL_SOCKET, SO_ZEROCOPY), 1);
	nothing_told(fd);
	EQ(send(fd, map, 30000, MSG_ZEROCOPY), 30000);
	recv_pattern(conn, 1, 0, 30000);
	await_error(fd);
	await_told(fd, 0, 1);
	nothing_told(fd);
	EQ(send(conn, map, 30000, MSG_ZEROCOPY), 30000);
	recv_pattern(fd, 1, 0, 30000);
	await_told(conn, 0, 1);
}
