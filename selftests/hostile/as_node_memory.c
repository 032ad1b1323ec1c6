// SPDX-License-Identifier: GPL-2.0
/*
 * Attacks of a node on memory that a host has registered: the regions that the victims receive to
 * (landing.c) and the pages of their counters.
 *
 * A node may write to a region while that is registered, from its first byte to its last, and to
 * any word of a page of counters. It may read nothing, add to nothing, and write nowhere else nor
 * afterwards. That is what it tries here; besides it says of jobs what is not so, never ends them,
 * and posts no receive for the messages that a registration stands behind.
 *
 * An attack waits for a victim that is where it can be hurt: the host tells of jobs and counters,
 * as any host does, and the victim tells how far it is with its region (LANDING_*). What the host's
 * device refuses is seen here, and so is what could be read; the victims look for what was written
 * where nothing may be.
 */
#include <string.h>

#include "attack.h"

#define LANDING_MS	40000	/* a landing of every kind has been made by then */

/* ---- regions, and the jobs that receive to them ------------------------------------------ */

/* An endpoint with a job under way, of whose landing these bits are so. */
static struct guest *with_landing(struct peer *p, unsigned int mask, unsigned int bits)
{
	struct node *node = node_of(p);
	u64 end = now_ms() + LANDING_MS;
	unsigned int i;

	node->hold_jobs = true;
	while (!p->dead && now_ms() < end) {
		for (i = 0; i < NODE_MAX; i++)
			if (node->guests[i].state != FREE && node->guests[i].has_job &&
			    (node->guests[i].landing & mask) == bits)
				return &node->guests[i];
		node_serve(p, 5);
	}
	return NULL;
}

static struct guest *with_job(struct peer *p)
{
	return with_landing(p, 0, 0);
}

/* Writes to the host's memory, beginning @skip bytes from where a job's begins. */
static int place(struct peer *p, const struct guest *g, long long skip, u32 len, u32 key_change)
{
	static u8 bytes[4096];

	memset(bytes, 0xee, sizeof(bytes));
	return peer_raw(p, &(struct shot){ IBV_WR_RDMA_WRITE, bytes, len,
					   le64_to_cpu(g->job.addr) + skip,
					   le32_to_cpu(g->job.key) + key_change });
}

static int job_by_the_rules(struct peer *p)
{
	struct guest *g = with_job(p);

	return g ? place(p, g, 0, 3000, 0) ?: node_job_done(p, g, 3000) : -1;
}

static int job_out_of_place(struct peer *p, long long skip, u32 len, u32 key_change)
{
	struct guest *g = with_job(p);

	return g ? place(p, g, skip, len, key_change) : -1;
}

/* Where a key begins and ends: a byte within, and the job goes on by the rules. */
static int job_within(struct peer *p, long long skip)
{
	struct guest *g = with_job(p);

	return g ? place(p, g, skip, 1, 0) ?: node_job_done(p, g, 0) : -1;
}

/* The region begins 100 bytes before the job's memory, and ends 64900 behind its beginning. */
ATTACK(job_first_of_region, job_within(p, -100))
ATTACK(job_last_of_region, job_within(p, 64899))
ATTACK(job_just_before_region, job_out_of_place(p, -101, 1, 0))
ATTACK(job_just_behind_region, job_out_of_place(p, 64900, 1, 0))
ATTACK(job_before_region, job_out_of_place(p, -101, 1000, 0))
ATTACK(job_behind_region, job_out_of_place(p, 63901, 1000, 0))
ATTACK(job_far_away, job_out_of_place(p, 1 << 20, 1000, 0))
ATTACK(job_other_key, job_out_of_place(p, 0, 1000, 1))
ATTACK(job_other_region, job_out_of_place(p, 0, 1000, 256))

/*
 * Reads @len bytes of the host's memory. Whatever becomes of the session, nothing of them may be
 * here afterwards; the victims' are not zero.
 */
static int spy(struct peer *p, u64 addr, u32 key, u32 len)
{
	static const u8 nothing[4096];
	const u8 *read;

	if (peer_raw(p, &(struct shot){ IBV_WR_RDMA_READ, nothing, len, addr, key }))
		return -1;
	read = p->shot;
	peer_dies(p, PEER_PATIENCE);
	return memcmp(read, nothing, len) ? WRONG : 0;
}

static int job_read(struct peer *p)
{
	struct guest *g = with_job(p);

	return g ? spy(p, le64_to_cpu(g->job.addr), le32_to_cpu(g->job.key), 1000) : -1;
}

static int add_to(struct peer *p, u64 addr, u32 key)
{
	static const u8 old[8];

	return peer_raw(p, &(struct shot){ IBV_WR_ATOMIC_FETCH_AND_ADD, old, sizeof(old),
					   (addr + 7) & ~7ULL, key });
}

static int job_atomic(struct peer *p)
{
	struct guest *g = with_job(p);

	return g ? add_to(p, le64_to_cpu(g->job.addr), le32_to_cpu(g->job.key)) : -1;
}

static int job_done_with(struct peer *p, u32 more, u32 other_id, int times)
{
	struct guest *g = with_job(p);
	u32 len;

	if (!g)
		return -1;
	len = more ? le32_to_cpu(g->job.len) + more : 0;
	g->job.id = cpu_to_le32(le32_to_cpu(g->job.id) + other_id);
	while (times--)
		if (node_job_done(p, g, len))
			return p->dead ? 0 : -1;
	return 0;
}

ATTACK(job_done_too_much, job_done_with(p, 1, 0, 1))
ATTACK(job_done_far_too_much, job_done_with(p, WIRE_RECV_MAX - 100000, 0, 1))
ATTACK(job_done_other, job_done_with(p, 0, 1, 1))
ATTACK(job_done_twice, job_done_with(p, 0, 0, 2))

static int job_done_elsewhere(struct peer *p)
{
	struct guest *g = with_job(p);

	if (!g)
		return -1;
	g->out++;
	return node_job_done(p, g, 10);
}

/* Whether an endpoint is still the one it was, and not closed. */
static bool same(const struct guest *g, const struct guest *old)
{
	return g->index == old->index && g->gen == old->gen && g->state == old->state;
}

/* Waits until the host has closed a socket. */
static bool is_closed(struct peer *p, const struct guest *g)
{
	const struct guest old = *g;
	u64 end = now_ms() + NODE_MS;

	while (!p->dead && now_ms() < end && same(g, &old))
		node_serve(p, 5);
	return !p->dead && !same(g, &old);
}

/* It ends a job by the rules, waits until the host has closed the socket, and writes again. */
static int job_afterwards(struct peer *p)
{
	struct guest *g = with_job(p);
	struct guest old;

	if (!g || node_job_done(p, g, 0))
		return -1;
	old = *g;
	return is_closed(p, g) ? place(p, &old, 0, 1000, 0) : -1;
}

/* Waits until a region is gone; whether its job was over before, and its socket is open. */
static bool is_gone(struct peer *p, const struct guest *g)
{
	const struct guest old = *g;
	u64 end = now_ms() + NODE_MS;

	while (!p->dead && now_ms() < end && same(g, &old)) {
		if (g->landing & LANDING_GONE)
			return g->landing & LANDING_OVER;
		node_serve(p, 5);
	}
	return false;
}

/* The same while the socket is open: the region is gone, and the host has said so. */
static int job_of_the_past(struct peer *p, unsigned int mask, unsigned int bits)
{
	u64 end = now_ms() + LANDING_MS;
	struct guest *g, old;

	while (!p->dead && now_ms() < end) {
		g = with_landing(p, mask | LANDING_RECV, bits | LANDING_RECV);
		if (!g || node_job_done(p, g, 0))
			return -1;
		old = *g;
		if (is_gone(p, g))
			return place(p, &old, 0, 1000, 0);
	}
	return -1;
}

#define KIND (LANDING_OWN | LANDING_SENDS | LANDING_SENT)
ATTACK(job_of_the_past_plain, job_of_the_past(p, KIND, 0))
ATTACK(job_of_the_past_sent, job_of_the_past(p, KIND, LANDING_SENDS | LANDING_SENT))
ATTACK(job_of_a_closed_context, job_of_the_past(p, LANDING_OWN, LANDING_OWN))

/* What is sent from the region is never taken, as far as the host knows. */
static int job_of_the_past_sending(struct peer *p)
{
	node_of(p)->hold_taken = true;
	return job_of_the_past(p, KIND, LANDING_SENDS);
}

/* The host's cancelling is not answered, nor is its closing. */
static int job_never_over(struct peer *p)
{
	if (!with_job(p))
		return -1;
	node_serve(p, 1000);
	return 0;
}

/* Until the host deletes the link: whoever runs this kills the victims meanwhile. */
static int job_kept(struct peer *p)
{
	if (!with_job(p))
		return -1;
	node_of(p)->hold_close = true;
	remark("the job is kept");
	node_serve(p, 120000);
	return p->dead ? 0 : -1;
}

/* ---- counters: a page of words of 8 bytes ------------------------------------------------ */

static bool is_open(const struct guest *g)
{
	return g->state == CONNECTED || g->state == CHILD;
}

/* An endpoint with a counter, of whose landing these bits are so. */
static struct guest *with_counter(struct peer *p, unsigned int mask, unsigned int bits)
{
	struct node *node = node_of(p);
	u64 end = now_ms() + LANDING_MS;
	unsigned int i;

	while (!p->dead && now_ms() < end) {
		for (i = 0; i < NODE_MAX; i++)
			if (is_open(&node->guests[i]) && node->guests[i].has_counter &&
			    (node->guests[i].landing & mask) == bits)
				return &node->guests[i];
		node_serve(p, 5);
	}
	return NULL;
}

static u64 counter_page(const struct guest *g)
{
	return le64_to_cpu(g->counter.addr) & ~4095ULL;
}

static int count(struct peer *p, const struct guest *g, u64 addr, const void *words, u32 len)
{
	return peer_raw(p, &(struct shot){ IBV_WR_RDMA_WRITE, words, len, addr,
					   le32_to_cpu(g->counter.key) });
}

static int counter_absurd(struct peer *p)
{
	struct guest *g = with_counter(p, 0, 0);
	__le64 words[] = { 0, ~0ULL, 0, 0, 0 };
	unsigned int i;

	if (!g)
		return -1;
	words[2] = wire_word(g->gen, 1ULL << 46);
	words[3] = wire_word(g->gen, ~0ULL);
	words[4] = wire_word(g->gen + 1, g->in);
	for (i = 0; i < ATTACKS(words); i++) {
		if (count(p, g, le64_to_cpu(g->counter.addr), &words[i], sizeof(words[i])))
			return -1;
		node_serve(p, 20);
	}
	return 0;
}

/* From its first byte to its last, those of other sockets among them. */
static int counters_garbage(struct peer *p)
{
	struct guest *g = with_counter(p, 0, 0);
	unsigned int i, round;
	u8 garbage[4096];

	for (round = 0; g && round < 3; round++) {
		for (i = 0; i < sizeof(garbage); i++)
			garbage[i] = round == 0 ? 0xff : i * 37 + round;
		if (count(p, g, counter_page(g), garbage, sizeof(garbage)))
			return -1;
	}
	return g ? 0 : -1;
}

static int counter_out_of_place(struct peer *p, long long skip)
{
	struct guest *g = with_counter(p, 0, 0);
	__le64 word = 0;

	return g ? count(p, g, counter_page(g) + skip, &word, sizeof(word)) : -1;
}

ATTACK(counter_before_page, counter_out_of_place(p, -8))
ATTACK(counter_across_end, counter_out_of_place(p, 4092))
ATTACK(counter_behind_page, counter_out_of_place(p, 4096))

static int counter_read(struct peer *p)
{
	struct guest *g = with_counter(p, 0, 0);

	return g ? spy(p, counter_page(g), le32_to_cpu(g->counter.key), 4096) : -1;
}

static int counter_atomic(struct peer *p)
{
	struct guest *g = with_counter(p, 0, 0);

	return g ? add_to(p, le64_to_cpu(g->counter.addr), le32_to_cpu(g->counter.key)) : -1;
}

/*
 * The page is the host's own again when its context and its last socket are gone, which may be a
 * moment after the node has heard of it; until then nobody minds what is written there.
 */
static int counter_afterwards(struct peer *p)
{
	const unsigned int bits = LANDING_OWN | LANDING_GONE;
	struct guest *g = with_counter(p, bits, bits);
	u64 end = now_ms() + NODE_MS;
	__le64 word = 0;
	struct guest old;

	if (!g)
		return -1;
	old = *g;
	if (!is_closed(p, g))
		return -1;
	while (!p->dead && now_ms() < end) {
		if (count(p, &old, le64_to_cpu(old.counter.addr), &word, sizeof(word)))
			return p->dead ? 0 : -1;
		node_serve(p, 200);
	}
	return 0;
}

/* ---- registrations that wait ------------------------------------------------------------- */

/* How long the other side waits before it tries again where there was no receive request. */
static void retry_after(struct peer *p, u8 code)
{
	struct ibv_qp_attr attr = { .min_rnr_timer = code };

	if (ibv_modify_qp(p->qp, &attr, IBV_QP_MIN_RNR_TIMER))
		die("cannot change the queue pair");
}

#define RETRY_5_MS	18
#define RETRY_655_MS	0
#define FEW		(LANDING_MESSAGES - 1)

static unsigned int deaf_mask, deaf_bits;

/* From the moment when a victim says so nothing is received but what is on its way to the FEW. */
static bool grow_deaf(struct peer *p, const struct wire_msg *msg, u32 len)
{
	int said = node_landing(msg);

	(void)len;
	if (p->deaf || said < 0 || (said & deaf_mask) != deaf_bits || p->posted > FEW)
		return false;
	p->deaf = true;
	retry_after(p, RETRY_655_MS);
	return false;
}

/*
 * Receives are granted that are not posted. A victim that says that it is about to have memory
 * registered says LANDING_MESSAGES more first: they take the last of those that there are, so the
 * registration stands behind a message that nobody takes. Heartbeats go on.
 */
static int no_receives(struct peer *p, unsigned int mask, unsigned int bits)
{
	u64 end = now_ms() + LANDING_MS;

	deaf_mask = mask;
	deaf_bits = bits;
	retry_after(p, RETRY_5_MS);
	p->receives = FEW;
	p->hook = grow_deaf;
	while (!p->dead && !p->deaf && now_ms() < end)
		node_serve(p, 5);
	p->hook = NULL;
	/* Dead before it was deaf, it died of something else. */
	return p->deaf ? 0 : p->dead ? WRONG : -1;
}

ATTACK(no_receives_for_region, no_receives(p, LANDING_RECV, LANDING_RECV))

/* The first counter of a context comes with a page. */
static int no_receives_for_counter(struct peer *p)
{
	return no_receives(p, LANDING_ALL, LANDING_OWN | LANDING_SENDS);
}

const struct attack memory_attacks[] = {
	{ "a job by the rules", job_by_the_rules, LIVES },
	{ "the first byte of a job's region", job_first_of_region, LIVES },
	{ "the last byte of a job's region", job_last_of_region, LIVES },
	{ "the byte before a job's region", job_just_before_region, REFUSED },
	{ "the byte behind a job's region", job_just_behind_region, REFUSED },
	{ "read of a job's region", job_read, REFUSED },
	{ "atomic in a job's region", job_atomic, REFUSED },
	{ "a job's bytes before its region", job_before_region, REFUSED },
	{ "a job's bytes behind its region", job_behind_region, REFUSED },
	{ "a job's bytes a megabyte away", job_far_away, REFUSED },
	{ "a job's bytes by another key", job_other_key, REFUSED },
	{ "a job's bytes by the key of another region", job_other_region, REFUSED },
	{ "RECV_DONE of a byte too many", job_done_too_much, DIES },
	{ "RECV_DONE of a gigabyte", job_done_far_too_much, DIES },
	{ "RECV_DONE of another job", job_done_other, DIES },
	{ "RECV_DONE twice", job_done_twice, DIES },
	{ "RECV_DONE of another position", job_done_elsewhere, DIES },
	{ "a job's bytes after its region is gone", job_of_the_past_plain, REFUSED },
	{ "a job's bytes after its region, once sent from, is gone",
	  job_of_the_past_sent, REFUSED },
	{ "a job's bytes after its region, sent from, is gone", job_of_the_past_sending, REFUSED },
	{ "a job's bytes after its context is closed", job_of_a_closed_context, REFUSED },
	{ "a job's bytes after its socket is closed", job_afterwards, REFUSED },
	{ "a counter that cannot be", counter_absurd, LIVES },
	{ "garbage all over the counters", counters_garbage, LIVES },
	{ "a counter before the page", counter_before_page, REFUSED },
	{ "a counter across the page's end", counter_across_end, REFUSED },
	{ "a counter behind the page", counter_behind_page, REFUSED },
	{ "read of the counters", counter_read, REFUSED },
	{ "atomic in the counters", counter_atomic, REFUSED },
	{ "a counter after its context and socket are gone", counter_afterwards, REFUSED },
	{ "a job that is never over", job_never_over, LIVES },
	{ "no receives are posted, a region waits", no_receives_for_region, DIES },
	{ "no receives are posted, a counter waits", no_receives_for_counter, DIES },
};

const unsigned int nr_memory_attacks = ATTACKS(memory_attacks);

/* done only by name */
const struct attack kept_attacks[] = {
	{ "a job that is kept", job_kept, DIES },
};

const unsigned int nr_kept_attacks = ATTACKS(kept_attacks);
