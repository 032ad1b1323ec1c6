// SPDX-License-Identifier: GPL-2.0
/*
 * Threads on one socket: woken, raced, and sharing the work.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "fixture.h"

struct shared {
	int fd;
	volatile pid_t tid;
	ssize_t got;
	int err;
	char *tag;
};

static void begin(pthread_t *thread, void *(*run)(void *), void *arg)
{
	int err = pthread_create(thread, NULL, run, arg);

	if (err)
		FAIL("pthread_create: %s", errno_name(err));
}

static void end(pthread_t thread)
{
	int err = pthread_join(thread, NULL);

	if (err)
		FAIL("pthread_join: %s", errno_name(err));
}

static void await_blocked(struct shared *s)
{
	while (!s->tid)
		nap_ms(1);
	await_sleep(getpid(), s->tid);
}

static void *recv_one(void *arg)
{
	struct shared *s = arg;
	char byte;

	s->tid = gettid();
	s->got = recv(s->fd, &byte, 1, 0);
	s->err = errno;
	return NULL;
}

static void *send_much(void *arg)
{
	static char buf[30000000];
	struct shared *s = arg;

	s->tid = gettid();
	s->got = send(s->fd, buf, sizeof(buf), MSG_NOSIGNAL);
	s->err = errno;
	return NULL;
}

TEST_BOTH(thread_recv_woken_by_shutdown, "wake.shutdown")
{
	static const int hows[] = { SHUT_RD, SHUT_RDWR };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct shared s = { .fd = meet("never-read") };
		pthread_t thread;

		begin(&thread, recv_one, &s);
		await_blocked(&s);
		OK(shutdown(s.fd, hows[i]));
		end(thread);
		EQ(s.got, 0);
	}
}

TEST_BOTH(thread_send_woken_by_shutdown, "wake.shutdown")
{
	struct shared s = { .fd = meet("never-read") };
	pthread_t thread;

	begin(&thread, send_much, &s);
	await_blocked(&s);
	OK(shutdown(s.fd, SHUT_WR));
	end(thread);
	/* part was sent: that is the answer, the error comes next */
	CHECK(s.got > 0);
	FAILS(send(s.fd, "x", 1, MSG_NOSIGNAL), EPIPE);
}

/* The call in progress keeps the connection; its end closes it. */
TEST_BOTH(thread_recv_outlives_close, "thread.close")
{
	char tag[PEER_TAG];
	struct shared s = { 0 };
	struct result result;
	pthread_t thread;

	s.fd = meet("source 1 4 end=hold wait=1 tag=%s", peer_tag(tag));
	begin(&thread, recv_one, &s);
	await_blocked(&s);
	OK(close(s.fd));
	go(tag, "");
	end(thread);
	EQ(s.got, 1);
	result = stat_of(tag);
	EQ(result.running, 0);
	EQ(result.err, 0);
	EQ(result.eof, 1);
}

static void *poll_one(void *arg)
{
	struct shared *s = arg;

	s->tid = gettid();
	s->got = wait_fd(s->fd, POLLIN, LONG_MS);
	return NULL;
}

TEST_BOTH(thread_poll_woken_by_shutdown, "wake.shutdown")
{
	struct shared s = { .fd = meet("never-read") };
	pthread_t thread;

	begin(&thread, poll_one, &s);
	await_blocked(&s);
	OK(shutdown(s.fd, SHUT_RD));
	end(thread);
	CHECK(s.got & POLLIN);
}

#define RECORDS 2000
#define RECORD 16

static void *send_records(void *arg)
{
	struct shared *s = arg;
	char record[RECORD];
	int i;

	memset(record, 'a', sizeof(record));
	for (i = 0; i < RECORDS; i++)
		EQ(send(s->fd, record, RECORD, 0), RECORD);
	return NULL;
}

TEST_BOTH(thread_many_senders, "thread.send")
{
	struct shared s = { .fd = meet("sink") };
	pthread_t thread[4];
	int i;

	for (i = 0; i < 4; i++)
		begin(&thread[i], send_records, &s);
	for (i = 0; i < 4; i++)
		end(thread[i]);
	OK(shutdown(s.fd, SHUT_WR));
	EQ(answer_of(s.fd).in, 4 * RECORDS * RECORD);
}

/*
 * What one call writes is not torn by another thread's, as long as no call
 * has to wait for room (then native TCP lets others in): few and small.
 */
static void *send_large_record(void *arg)
{
	struct shared *s = arg;
	static __thread char record[1000];
	int i;

	memset(record, gettid() & 0x7f, sizeof(record));
	for (i = 0; i < 10; i++)
		EQ(send(s->fd, record, sizeof(record), 0), sizeof(record));
	return NULL;
}

static void *drain_records(void *arg)
{
	struct shared *s = arg;
	static char record[1000];
	int i, j;

	for (i = 0; i < 4 * 10; i++) {
		EQ(read_all(s->fd, record, sizeof(record)), sizeof(record));
		for (j = 1; j < (int)sizeof(record); j++)
			if (record[j] != record[0])
				FAIL("record %d torn at %d", i, j);
	}
	return NULL;
}

TEST_BOTH(thread_whole_writes, "thread.send")
{
	struct shared s = { .fd = meet("echo") };
	pthread_t thread[5];
	int i;

	begin(&thread[4], drain_records, &s);
	for (i = 0; i < 4; i++)
		begin(&thread[i], send_large_record, &s);
	for (i = 0; i < 5; i++)
		end(thread[i]);
}

static void *recv_part(void *arg)
{
	struct shared *s = arg;
	size_t total = 0;
	char buf[1000];
	ssize_t n;

	while ((n = OK(recv(s->fd, buf, sizeof(buf), 0))))
		total += n;
	return (void *)total;
}

TEST_BOTH(thread_many_receivers, "thread.recv")
{
	struct shared s = { .fd = meet("source 1000000 3") };
	pthread_t thread[4];
	size_t total = 0;
	int i;

	for (i = 0; i < 4; i++)
		begin(&thread[i], recv_part, &s);
	for (i = 0; i < 4; i++) {
		void *part;

		OK(-pthread_join(thread[i], &part));
		total += (size_t)part;
	}
	EQ(total, 1000000);
}

static void *send_stream(void *arg)
{
	struct shared *s = arg;

	send_pattern(s->fd, 1, 0, 2000000);
	OK(shutdown(s->fd, SHUT_WR));
	return NULL;
}

TEST_BOTH(thread_each_direction, "thread.directions")
{
	struct shared s = { .fd = meet("echo") };
	pthread_t thread;

	begin(&thread, send_stream, &s);
	recv_pattern(s.fd, 1, 0, 2000000);
	expect_eof(s.fd);
	end(thread);
}

/* Closed, shut down and used at once, again and again: no call hangs. */
static void *use_it(void *arg)
{
	struct shared *s = arg;
	char buf[100] = { 0 };
	int i;

	for (i = 0; i < 20; i++) {
		send(s->fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
		recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
	}
	return NULL;
}

TEST_BOTH(thread_races_close, "thread.close")
{
	int round;

	for (round = 0; round < 20; round++) {
		struct shared s = { .fd = meet("echo") };
		pthread_t thread[2];

		begin(&thread[0], use_it, &s);
		begin(&thread[1], use_it, &s);
		if (round & 1)
			shutdown(s.fd, SHUT_RDWR);
		OK(close(s.fd));
		end(thread[0]);
		end(thread[1]);
	}
}

static volatile bool watched;

static void *poll_always(void *arg)
{
	struct shared *s = arg;

	while (watched)
		wait_fd(s->fd, POLLIN, 0);
	return NULL;
}

static void *epoll_always(void *arg)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct shared *s = arg;
	int ep = OK(epoll_create1(EPOLL_CLOEXEC));

	while (watched) {
		OK(epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &event));
		OK(epoll_wait(ep, &event, 1, 0));
		OK(epoll_ctl(ep, EPOLL_CTL_DEL, s->fd, NULL));
	}
	return NULL;
}

/* A listener that comes and goes under the eyes of pollers, in each way there is to go. */
TEST(thread_polls_listener, "thread.listener")
{
	static const struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	struct shared s = { .fd = fresh() };
	pthread_t thread[2];
	int i;

	watched = true;
	begin(&thread[0], poll_always, &s);
	begin(&thread[1], epoll_always, &s);
	for (i = 0; i < 100; i++) {
		OK(listen(s.fd, 4));
		if (i & 1)
			OK(shutdown(s.fd, SHUT_RD));
		else
			OK(connect(s.fd, &unspec, sizeof(unspec)));
	}
	watched = false;
	end(thread[0]);
	end(thread[1]);
	OK(listen(s.fd, 4));
}

static void undo(int fd)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	OK(connect(fd, &none, sizeof(none)));
}

TEST_BOTH(thread_recv_disconnected, "wake.unspec")
{
	struct shared s = { .fd = meet("never-read") };
	pthread_t thread;

	begin(&thread, recv_one, &s);
	await_blocked(&s);
	undo(s.fd);
	end(thread);
	EQ(s.got, -1);
	EQ(s.err, EPIPE);
}

TEST_BOTH(thread_send_disconnected, "wake.unspec")
{
	struct shared s = { .fd = meet("never-read") };
	pthread_t thread;

	begin(&thread, send_much, &s);
	await_blocked(&s);
	undo(s.fd);
	end(thread);
	/* what the connection took before */
	CHECK(s.got > 0);
	EQ(get_int(s.fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
}

static void *connect_one(void *arg)
{
	const union addr *peer;
	struct shared *s = arg;

	peer = peer_at(atoi(s->tag));
	s->tid = gettid();
	s->got = connect(s->fd, &peer->sa, addr_len(peer));
	s->err = errno;
	return NULL;
}

TEST(thread_connect_disconnected, "wake.unspec")
{
	char port[16], tag[PEER_TAG];
	struct shared s = { .fd = fresh(), .tag = port };
	pthread_t thread;
	int hold;

	snprintf(port, sizeof(port), "%u", full_port(&hold, peer_tag(tag)));
	begin(&thread, connect_one, &s);
	await_blocked(&s);
	undo(s.fd);
	end(thread);
	EQ(s.got, -1);
	EQ(s.err, EPIPE);
}
