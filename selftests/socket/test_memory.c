// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of sockets is charged to the memory cgroup of the process that made
 * or accepted them, given back, and bounded by what the group may have.
 */
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cgroup.h"
#include "fixture.h"
#include "proof.h"

#define PAGE 4096L
#define LITTLE (4 * PAGE)	/* what may be left with nothing to hold */
#define MB 1048576

/* The counters are summed up now and then. */
static void await_charge(long least, long most)
{
	long until = now_ms() + LONG_MS, is;

	while (is = cgroup_number("memory.stat", "sock"), is < least || is > most) {
		if (now_ms() > until)
			FAIL("%ld bytes charged, not %ld to %ld", is, least, most);
		nap_ms(20);
	}
}

/* More than anybody else holds for this machine. */
static size_t fill_long(int fd)
{
	set_int(fd, SOL_SOCKET, SO_SNDBUF, MB);
	return fill(fd);
}

static void send_charged(void)
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 wait=1 tag=%s", peer_tag(tag));
	size_t sent;

	await_charge(0, LITTLE);
	sent = fill_long(fd);
	await_charge(16 * PAGE, LONG_MAX);
	go(tag, "");
	expect_sunk(fd, sent);
	await_charge(0, LITTLE);
}

TEST(memory_sent, "process.cgroup.memory")
{
	in_cgroup("memory", send_charged);
}

static void receive_charged(void)
{
	int fd = meet("source 40000 4 end=hold");

	await_charge(40000, LONG_MAX);
	recv_pattern(fd, 4, 0, 40000);
	await_charge(0, LITTLE);
}

TEST(memory_received, "process.cgroup.memory")
{
	in_cgroup("memory", receive_charged);
}

/* What a closed socket still has to send is charged until it is sent. */
static void close_charged(void)
{
	char tag[PEER_TAG];
	int fd = meet("sink check=1 reply=0 wait=1 tag=%s", peer_tag(tag));

	fill_long(fd);
	proof_look_all();
	OK(close(fd));
	await_charge(16 * PAGE, LONG_MAX);
	go(tag, "");
	await_charge(0, 0);
}

TEST(memory_closed, "process.cgroup.memory")
{
	in_cgroup("memory", close_charged);
}

/* Unread bytes go with the socket. */
static void drop_charged(void)
{
	int fd = meet("source 40000 4 end=hold");

	await_charge(40000, LONG_MAX);
	proof_look_all();
	OK(close(fd));
	await_charge(0, 0);
}

TEST(memory_unread, "process.cgroup.memory")
{
	in_cgroup("memory", drop_charged);
}

static void accept_charged(void *arg)
{
	int fd;

	cgroup_join();
	await_charge(0, 0);
	fd = accept_one(*(int *)arg);
	await_charge(40000, LONG_MAX);
	recv_pattern(fd, 4, 0, 40000);
	await_charge(0, LITTLE);
}

TEST(memory_accepted, "process.cgroup.memory.accept")
{
	unsigned int port;
	int fd = listener(&port);

	cgroup_make("memory");
	call(port, "source 40000 4 end=hold");
	nap_ms(200);	/* they come, for nobody yet */
	wait_for(child(accept_charged, &fd));
	cgroup_end();
}

/* Fills the group to its limit with pages that the kernel may drop. */
static void fill_group(size_t limit)
{
	size_t chunk = MB, len = 2 * limit, at;
	char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		FAIL("mmap() of %zu bytes: %m", len);
	for (at = 0; at < len; at += chunk) {
		memset(mem + at, 1, chunk);
		OK(madvise(mem + at, chunk, MADV_FREE));
	}
	if (cgroup_number("memory.events", "max") < 1)
		FAIL("the group has not come to its limit");
}

static void move_when_full(void)
{
	int fd;

	cgroup_write("memory.max", "16777216");
	fill_group(16 * MB);
	fd = meet("sink check=1");
	send_pattern(fd, 1, 0, 4 * MB);
	expect_sunk(fd, 4 * MB);
	fill_group(16 * MB);
	fd = meet("source 4000000 4");
	recv_pattern(fd, 4, 0, 4000000);
	expect_eof(fd);
	EQ(cgroup_number("memory.events", "oom_kill"), 0);
}

TEST(memory_full, "process.cgroup.memory.full")
{
	in_cgroup("memory", move_when_full);
}
