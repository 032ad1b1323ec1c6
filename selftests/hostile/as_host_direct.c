// SPDX-License-Identifier: GPL-2.0
/* Attacks of a host on a node: jobs and counters, for which it names memory of its own. */
#include "attack.h"

static int counter(struct peer *p, u32 index, u64 addr, u32 key, u8 flags, int times)
{
	struct wire_msg msg;
	u64 pos = 0;

	wire_init(&msg, WIRE_DATA, index, 1);
	msg.hdr.flags = flags;
	msg.data.addr = cpu_to_le64(addr);
	msg.data.key = cpu_to_le32(key);
	for (; index && times--; pos += 1000) {
		msg.hdr.pos = cpu_to_le64(pos);
		if (peer_say(p, &msg, 1000))
			return p->dead ? 0 : -1;
	}
	return index ? 0 : -1;
}

ATTACK(counter_unconnected, counter(p, host_open(p, 0), 0, 1, WIRE_F_COUNT, 1))
ATTACK(counter_without_key, counter(p, host_connected(p), 8, 0, WIRE_F_COUNT, 1))
ATTACK(counter_without_flag, counter(p, host_connected(p), 0, 1, 0, 1))
ATTACK(counter_askew, counter(p, host_connected(p), 4, 1, WIRE_F_COUNT, 1))
/* The node writes to what is not ours to give: the queue pair fails, and nothing else. */
ATTACK(counter_of_nobody, counter(p, host_connected(p), 0xdead0000, 0x12345600, WIRE_F_COUNT, 1))

/* A place of ours, so that what ends it is the second time. */
static int counter_twice(struct peer *p)
{
	u64 addr = (uintptr_t)&p->table[p->slots - 1].consumed;

	return counter(p, host_connected(p), addr, p->table_mr->rkey, WIRE_F_COUNT, 2);
}

static int recv_job(struct peer *p, u32 index, u64 pos, u32 flags, int times)
{
	struct wire_msg msg;
	int i;

	wire_init(&msg, WIRE_RECV_JOB, index, 1);
	msg.hdr.pos = cpu_to_le64(pos);
	msg.job.addr = cpu_to_le64(0xdead0000);
	msg.job.key = cpu_to_le32(0x12345600);
	msg.job.len = cpu_to_le32(WIRE_RECV_MAX);
	msg.job.flags = cpu_to_le32(flags);
	for (i = 0; index && i < times; i++) {
		msg.job.id = cpu_to_le32(i);
		if (peer_say(p, &msg, 0))
			return p->dead ? 0 : -1;
	}
	return index ? 0 : -1;
}

static int recv_cancel(struct peer *p, u32 index, u32 id)
{
	struct wire_msg msg;

	wire_init(&msg, WIRE_RECV_CANCEL, index, 1);
	msg.cancel.id = cpu_to_le32(id);
	return index ? peer_say(p, &msg, 0) : -1;
}

ATTACK(recv_job_unconnected, recv_job(p, host_open(p, 0), 0, 0, 1))
ATTACK(recv_job_on_listener, recv_job(p, host_listening(p), 0, 0, 1))
ATTACK(recv_job_ahead, recv_job(p, host_connected(p), 1, 0, 1))
ATTACK(recv_jobs_too_many, recv_job(p, host_connected(p), 0, WIRE_RECV_ALL, WIRE_RECV_JOBS + 1))
ATTACK(recv_cancel_nobody, recv_cancel(p, host_connected(p), 7))

/* Told to be over in any order, again and again: each is answered once. */
static int recv_jobs_cancelled(struct peer *p)
{
	u32 index = host_connected(p), i, j;
	struct inbound in;

	for (i = 0; i < 20; i++) {
		if (recv_job(p, index, 0, i % 4, WIRE_RECV_JOBS / 2))
			return -1;
		for (j = 0; j < WIRE_RECV_JOBS; j++)
			if (recv_cancel(p, index, (7 * j + i) % WIRE_RECV_JOBS))
				return -1;
		for (j = 0; j < WIRE_RECV_JOBS / 2; j++)
			if (!peer_find(p, WIRE_RECV_DONE, index, &in, HOST_MS) || in.msg.done.len)
				return -1;
	}
	return 0;
}

static int recv_jobs_closed(struct peer *p)
{
	u32 index = host_connected(p);

	return recv_job(p, index, 0, WIRE_RECV_NEXT, WIRE_RECV_JOBS) ?:
	       host_close(p, index);
}

const struct attack direct_attacks[] = {
	{ "a counter before connected", counter_unconnected, WIRE_REASON_PROTOCOL },
	{ "a counter without a key", counter_without_key, WIRE_REASON_PROTOCOL },
	{ "a counter that is not to be written", counter_without_flag, WIRE_REASON_PROTOCOL },
	{ "a counter at an odd place", counter_askew, WIRE_REASON_PROTOCOL },
	{ "a counter twice", counter_twice, WIRE_REASON_PROTOCOL },
	{ "a counter with a key of nobody", counter_of_nobody, DIES },
	{ "RECV_JOB before connected", recv_job_unconnected, WIRE_REASON_PROTOCOL },
	{ "RECV_JOB of a listener", recv_job_on_listener, WIRE_REASON_PROTOCOL },
	{ "RECV_JOB for what is not yet there", recv_job_ahead, WIRE_REASON_PROTOCOL },
	{ "a RECV_JOB too many", recv_jobs_too_many, WIRE_REASON_PROTOCOL },
	{ "RECV_CANCEL of no job", recv_cancel_nobody, LIVES },
	{ "jobs cancelled in any order", recv_jobs_cancelled, LIVES },
	{ "CLOSE with jobs under way", recv_jobs_closed, LIVES },
};

const unsigned int nr_direct_attacks = ATTACKS(direct_attacks);
