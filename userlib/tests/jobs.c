// SPDX-License-Identifier: GPL-2.0
/*
 * jobs CHECK: records and looks of asynchronous jobs, without a kernel. Says what it saw.
 *
 *	threads		eight at a time submit and look: nobody gets a record another holds
 *	full		all records are taken, then given back, then taken again
 *	twice		a descriptor is good for one result
 *	fork		parent and children submit: the same, for the kernel's words are theirs together
 *	several		waiting for any of them, and for all
 *	strict		what is refused, and what is not touched
 *	spin		how often it pays to look
 *	looks		waiting by looking: how often, at what, and when the kernel is asked
 *	eventfd		who is told of ends, and who is not any more
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Takes all jobs; each is over at once, with as many bytes as its result word's number. */
static int fake_ioctl(int fd, unsigned long number, void *arg);
/* Gets on with each look at a result word: what the node does meanwhile takes a number of looks, not a time. */
static void fake_node(const uint64_t *word);
#define ioctl fake_ioctl
#define __atomic_load_n(word, order) (fake_node(word), __atomic_load_n(word, order))
#include "../direct.c"
#include "../job.c"
#undef __atomic_load_n
#undef ioctl

#define THREADS 8
#define ROUNDS 100000

static struct memnet_context ctx;
static uint64_t *results, *counters;
static uint32_t counter = MEMNET_NO_COUNTER;	/* another: jobs are under way until it has passed their @end */
static uint64_t end;
static int told = -1;				/* eventfd */
static unsigned int asked;			/* to wait */
static struct {
	unsigned int looks;			/* at results */
	unsigned int every;			/* after so many something happens */
	void (*happens)(void);			/* NULL: nothing is counted */
} node;
static struct {
	_Atomic bool held[MEMNET_JOBS_MAX];
	_Atomic unsigned int mistakes;
} *kernel;	/* one for all processes */

/* A job that is not over never will be, but for what somebody waits for who has time. */
static int fake_wait(struct memnet_wait *w)
{
	const struct memnet_job_ref *refs = (struct memnet_job_ref *)(uintptr_t)w->jobs;
	uint32_t want = w->flags & MEMNET_WAIT_ALL ? w->count : 1;

	asked++;
	if (w->count > 1) {
		printf("asked to wait for %u of %u\n", want, w->count);
		for (w->done = 0; w->done < want; w->done++)
			results[refs[w->done].result] = MEMNET_RESULT_OVER | refs[w->done].result;
		return 0;
	}
	printf("asked to wait %s\n", w->timeout < 0 ? "for ever" : !w->timeout ? "not at all" :
	       w->timeout == INT64_MAX ? "longer than can be" : "until then");
	errno = ETIME;
	return -1;
}

static int fake_eventfd(const struct memnet_eventfd *e)
{
	if (e->size != sizeof(*e) || e->fd < -1) {
		errno = EINVAL;
		return -1;
	}
	if (e->fd >= 0 && fcntl(e->fd, F_GETFD) < 0)
		return -1;
	told = e->fd;
	return 0;
}

static void fake_node(const uint64_t *word)
{
	if (!node.happens || word < ctx.results || word >= ctx.results + MEMNET_JOBS_MAX)
		return;
	if (++node.looks % node.every == 0)
		node.happens();
}

static int fake_ioctl(int fd, unsigned long number, void *arg)
{
	struct memnet_submit *s = arg;
	struct memnet_op *ops;

	if (fd == ctx.fd && number == MEMNET_IOC_WAIT)
		return fake_wait(arg);
	if (fd == ctx.fd && number == MEMNET_IOC_EVENTFD)
		return fake_eventfd(arg);
	if (fd != ctx.fd || number != MEMNET_IOC_SUBMIT)
		return -1;
	ops = (struct memnet_op *)(uintptr_t)s->ops;
	for (s->done = 0; s->done < s->count; s->done++) {
		struct memnet_op *op = &ops[s->done];

		if (op->result >= MEMNET_JOBS_MAX || atomic_exchange(&kernel->held[op->result], true))
			kernel->mistakes++;
		op->counter = counter;
		op->end = end += op->len;
		__atomic_store_n(&results[op->result], counter == MEMNET_NO_COUNTER ? MEMNET_RESULT_OVER | op->result : 0,
				 __ATOMIC_RELEASE);
		if (op->flags & MEMNET_OP_NOTIFY && told >= 0 && eventfd_write(told, 1))
			kernel->mistakes++;
	}
	return 0;
}

/* Its result is its own; then it is nobody's. */
static void finish(memnet_job job)
{
	uint32_t id = (uint32_t)job;
	ssize_t result = -1;

	atomic_store(&kernel->held[id], false);
	if (memnet_job_done(&ctx, job, &result) != 1 || result != id)
		kernel->mistakes++;
}

static void *submitter(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg, i, n, k;
	struct memnet_op ops[64];
	memnet_job jobs[64];

	memset(ops, 0, sizeof(ops));
	for (i = 0; i < ROUNDS / THREADS; i++) {
		n = 1 + (unsigned int)rand_r(&seed) % 64;
		if (memnet_submit(&ctx, ops, n, jobs) != (int)n)
			kernel->mistakes++;
		for (k = n; k; k--)	/* backwards, so that the list's order changes */
			finish(jobs[k - 1]);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t thread[THREADS];
	uintptr_t i;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, submitter, (void *)(i + 1)))
			kernel->mistakes++;
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	printf("%u records used\n", ctx.jobs->fresh <= 64 * THREADS ? 0 : ctx.jobs->fresh);
}

static void full(void)
{
	static memnet_job jobs[MEMNET_JOBS_MAX];
	struct memnet_op ops[64];
	unsigned int n, round;
	int got;

	memset(ops, 0, sizeof(ops));
	for (round = 0; round < 2; round++) {
		for (n = 0; n < MEMNET_JOBS_MAX; n += (unsigned int)got) {
			got = memnet_submit(&ctx, ops, 61, jobs + n);
			if (got <= 0)
				break;
		}
		got = memnet_submit(&ctx, ops, 1, &(memnet_job){ 0 });
		printf("%u taken, then %d %s\n", n, got, strerror(errno));
		while (n)
			finish(jobs[--n]);
	}
}

static void refused(const char *what, int ret)
{
	printf("%s: %d %s\n", what, ret, strerror(errno));
}

static void twice(void)
{
	struct memnet_op op = { .opcode = MEMNET_OP_SEND };
	memnet_job job, next;
	ssize_t result;

	memnet_submit(&ctx, &op, 1, &job);
	finish(job);
	refused("again", memnet_job_done(&ctx, job, &result));
	memnet_submit(&ctx, &op, 1, &next);
	printf("%s record, %s descriptor\n", (uint32_t)job == (uint32_t)next ? "same" : "another",
	       job == next ? "same" : "another");
	refused("wait for it", memnet_job_wait(&ctx, job, NULL, &result));
	refused("none", memnet_job_done(&ctx, 0, &result));
	finish(next);
}

static void strict(void)
{
	struct timespec past = { .tv_sec = -1 }, boot = { 0 }, late = { .tv_sec = INT64_MAX / 10 };
	struct memnet_batch b = { .n = 0 };
	struct memnet_op op = { .opcode = MEMNET_OP_SEND };
	memnet_job job, none;
	ssize_t result;

	errno = E2BIG;
	memnet_submit(&ctx, &op, 1, &job);
	refused("a job", errno == E2BIG ? 0 : -1);
	refused("flags", memnet_async_send(&ctx, 3, 1, 0, 1, 0x10000, &none));
	refused("flags of receiving", memnet_async_recv(&ctx, 3, 1, 0, 1, 0x10000, &none));
	memnet_batch_send(&b, 3, 1, 0, 1, 0x10000);
	printf("flags in a batch: %#x\n", b.ops[0].flags);
	results[(uint32_t)job] = 0;		/* as if it were under way */
	refused("a time before all", memnet_job_wait(&ctx, job, &past, &result));
	refused("the first of all", memnet_job_wait(&ctx, job, &boot, &result));
	refused("a time beyond all", memnet_job_wait(&ctx, job, &late, &result));
	refused("for ever", memnet_job_wait(&ctx, job, NULL, &result));
	results[(uint32_t)job] = MEMNET_RESULT_OVER | (uint32_t)job;
	finish(job);
}

static void several(void)
{
	struct memnet_op ops[4] = { { .opcode = MEMNET_OP_SEND } };
	memnet_job jobs[4], none[2] = { 0 };
	unsigned int i;

	memnet_submit(&ctx, ops, 4, jobs);
	printf("all are over: %d\n", memnet_jobs_wait(&ctx, jobs, 4, MEMNET_WAIT_ALL, NULL));
	for (i = 0; i < 4; i++)
		results[(uint32_t)jobs[i]] = 0;		/* as if it were under way */
	printf("any is over: %d\n", memnet_jobs_wait(&ctx, jobs, 4, 0, NULL));
	printf("one was: %d\n", memnet_jobs_wait(&ctx, jobs, 4, 0, NULL));
	printf("then all are: %d\n", memnet_jobs_wait(&ctx, jobs, 4, MEMNET_WAIT_ALL, NULL));
	for (i = 0; i < 4; i++)
		finish(jobs[i]);
	refused("of nobody", memnet_jobs_wait(&ctx, jobs, 4, 0, NULL));
	refused("of none", memnet_jobs_wait(&ctx, none, 2, 0, NULL));
	refused("for none", memnet_jobs_wait(&ctx, jobs, 0, 0, NULL));
	refused("for too many", memnet_jobs_wait(&ctx, jobs, MEMNET_WAIT_MAX + 1, 0, NULL));
}

/* Some jobs are under way meanwhile, and one was given back before. */
static void forked(void)
{
	struct memnet_op ops[64];
	memnet_job before[64];
	pid_t children[THREADS];
	int i, status = -1;

	memset(ops, 0, sizeof(ops));
	memnet_submit(&ctx, ops, 64, before);
	finish(before[9]);
	for (i = 0; i < THREADS; i++) {
		children[i] = fork();
		if (!children[i]) {
			submitter((void *)(uintptr_t)(i + 1));
			_exit(0);
		}
	}
	submitter((void *)(uintptr_t)(THREADS + 1));
	for (i = 0; i < THREADS; i++)
		if (children[i] < 0 || waitpid(children[i], &status, 0) < 0 || status)
			kernel->mistakes++;
	for (i = 0; i < 64; i++)
		if (i != 9)
			finish(before[i]);
	printf("%u records used\n", ctx.jobs->fresh <= 64 * (THREADS + 2) ? 0 : ctx.jobs->fresh);
}

/* What io_uring is given, and what becomes of the records by its answers. */
static void ring(void)
{
	static const int answers[] = { 10, 3, 0, -EPIPE, 11 };
	struct memnet_uring_submit arg;
	struct memnet_op ops[10];
	memnet_job jobs[10];
	unsigned int i, k;
	int got;

	memset(ops, 0, sizeof(ops));
	for (i = 0; i < 5; i++) {
		got = memnet_uring_prepare(&ctx, ops, 10, &arg);
		if (got != 10 || arg.count != 10 || arg.ops != (uintptr_t)ops || arg.reserved)
			kernel->mistakes++;
		for (k = 0; k < 10; k++) {
			ops[k].counter = MEMNET_NO_COUNTER;
			results[ops[k].result] = MEMNET_RESULT_OVER | ops[k].result;
		}
		got = memnet_uring_submitted(&ctx, ops, 10, answers[i], jobs);
		printf("%d: %d %s\n", answers[i], got, got < 0 ? strerror(errno) : "");
		for (k = 0; (int)k < got; k++)
			finish(jobs[k]);
		if (got < 0 && errno == EINVAL)	/* they are still the caller's */
			memnet_uring_submitted(&ctx, ops, 10, 0, jobs);
	}
	printf("%u records used\n", ctx.jobs->fresh <= 10 ? 0 : ctx.jobs->fresh);
	refused("none", memnet_uring_prepare(&ctx, ops, 0, &arg));
}

static uint32_t settle(struct spin *s, uint32_t takes)
{
	uint32_t i, limit = 0;

	for (i = 0; i < 200; i++) {
		limit = spin_limit(s);
		spin_learn(s, takes < limit ? takes : limit, takes <= limit);
	}
	s->waits = 1;	/* not one that tries */
	return spin_limit(s);
}

static void spin(void)
{
	struct spin s = { .max = 1000 };

	printf("an end at 100 looks: %s\n", settle(&s, 100) >= 100 ? "seen" : "missed");
	printf("never: %u\n", settle(&s, UINT32_MAX));
	s.waits = SPIN_PROBE;
	printf("trying: %u\n", spin_limit(&s));
	printf("and soon again: %s\n", settle(&s, 300) >= 300 ? "seen" : "missed");
	printf("beyond the limit: %s\n", settle(&s, 2000) < 100 ? "given up" : "looked for");
	s.max = 5;
	printf("at most 5: %u\n", settle(&s, 3));
}

static memnet_job watched[4];
static unsigned int next;	/* of them to be over */
static uint32_t turn;		/* of the wait: the first goes to the limit */

static void nothing(void)
{
}

static void one_is_over(void)
{
	if (next < 4)
		results[(uint32_t)watched[next++]] = MEMNET_RESULT_OVER | 1;
}

static void counter_moves(void)
{
	counters[counter] += 10;
}

static void watch(unsigned int every, void (*happens)(void))
{
	asked = 0;
	ctx.spin.waits = turn;
	node.looks = 0;
	node.every = every;
	node.happens = happens;
}

static void saw(const char *what, int ret)
{
	node.happens = NULL;
	printf("%s: %d, asked %u times\n", what, ret, asked);
}

/* Four that are under way, of 10 bytes each, instead of those there were. */
static void four(void)
{
	struct memnet_op ops[4];
	unsigned int i;
	ssize_t result;

	for (i = 0; i < 4; i++) {
		if (!watched[i])
			continue;
		results[(uint32_t)watched[i]] = MEMNET_RESULT_OVER;
		kernel->held[(uint32_t)watched[i]] = false;
		memnet_job_done(&ctx, watched[i], &result);
	}
	memset(ops, 0, sizeof(ops));
	for (i = 0; i < 4; i++)
		ops[i].len = 10;
	counter = 9;
	end = counters[counter];
	next = 0;
	if (memnet_submit(&ctx, ops, 4, watched) != 4)
		kernel->mistakes++;
}

/* Waits for four that are not over until the kernel is asked; how often it was looked. */
static unsigned int looks_in_vain(unsigned int allowed, unsigned int flags)
{
	four();
	memnet_context_spin(&ctx, allowed);
	watch(UINT32_MAX, nothing);
	memnet_jobs_wait(&ctx, watched, 4, flags, NULL);
	node.happens = NULL;
	return node.looks;
}

static unsigned int looks_at_one(unsigned int allowed)
{
	ssize_t result;

	four();
	memnet_context_spin(&ctx, allowed);
	watch(UINT32_MAX, nothing);
	memnet_job_wait(&ctx, watched[0], NULL, &result);
	node.happens = NULL;
	return node.looks;
}

static void looking(void)
{
	memnet_job backwards[4];
	unsigned int i, none;
	ssize_t result;

	four();
	memnet_context_spin(&ctx, 1000);
	watch(100, one_is_over);
	saw("one, at look 100", memnet_job_wait(&ctx, watched[0], NULL, &result));
	four();
	watch(100, one_is_over);
	saw("any, at look 100", memnet_jobs_wait(&ctx, watched, 4, 0, NULL));
	watch(100, one_is_over);
	saw("all, by results", memnet_jobs_wait(&ctx, watched, 4, MEMNET_WAIT_ALL, NULL));
	four();
	for (i = 0; i < 4; i++)
		backwards[i] = watched[3 - i];
	watch(100, one_is_over);
	saw("any, the last of them", memnet_jobs_wait(&ctx, backwards, 4, 0, NULL));
	watch(100, one_is_over);
	saw("all, the last ones first", memnet_jobs_wait(&ctx, backwards, 4, MEMNET_WAIT_ALL, NULL));

	four();
	watch(50, counter_moves);
	saw("any, by their counter", memnet_jobs_wait(&ctx, watched, 4, 0, NULL));
	watch(50, counter_moves);
	saw("all, by their counter", memnet_jobs_wait(&ctx, watched, 4, MEMNET_WAIT_ALL, NULL));
	four();
	watch(50, counter_moves);
	saw("one, by its counter", memnet_job_wait(&ctx, watched[3], NULL, &result));
	printf("with %zd bytes\n", result);

	looks_in_vain(50, 0);
	saw("in vain", 0);
	none = looks_in_vain(0, 0);
	printf("any: %u looks more\n", looks_in_vain(50, 0) - none);
	none = looks_in_vain(0, MEMNET_WAIT_ALL);
	printf("all: %u looks more\n", looks_in_vain(50, MEMNET_WAIT_ALL) - none);
	none = looks_at_one(0);
	printf("one: %u looks more\n", looks_at_one(50) - none);
	none = looks_in_vain(0, 0);
	four();
	memnet_context_spin(&ctx, 1000);
	watch(200, one_is_over);
	memnet_jobs_wait(&ctx, watched, 4, 0, NULL);
	turn = 1;
	printf("lately of use: %u looks more\n", looks_in_vain(1000, 0) - none);
	turn = 0;
	for (i = 0; i < 40; i++)
		looks_in_vain(1000, 0);
	turn = 1;
	printf("lately in vain: %u looks more\n", looks_in_vain(1000, 0) - none);
	four();
}

static uint64_t times(int fd)
{
	eventfd_t n = 0;

	return eventfd_read(fd, &n) ? 0 : n;
}

static void notified(void)
{
	static const char *const who[] = { "nobody", "the first", "the second", "still the second", "nobody any more" };
	int first = eventfd(0, EFD_NONBLOCK), second = eventfd(0, EFD_NONBLOCK);
	struct memnet_op ops[3];
	memnet_job jobs[3];
	unsigned int i, round;

	memset(ops, 0, sizeof(ops));
	ops[0].flags = ops[2].flags = MEMNET_OP_NOTIFY;
	for (round = 0; round < 5; round++) {
		if (round == 1)
			refused("an eventfd", memnet_context_eventfd(&ctx, first));
		else if (round == 2)
			refused("another", memnet_context_eventfd(&ctx, second));
		else if (round == 3)
			refused("no descriptor", memnet_context_eventfd(&ctx, 12345));
		else if (round == 4)
			refused("none", memnet_context_eventfd(&ctx, -1));
		memnet_submit(&ctx, ops, 3, jobs);
		for (i = 0; i < 3; i++)
			finish(jobs[i]);
		printf("%s: %d and %d\n", who[round], (int)times(first), (int)times(second));
	}
	refused("a strange one", memnet_context_eventfd(&ctx, -2));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} checks[] = { { "threads", threads }, { "full", full }, { "twice", twice }, { "fork", forked }, { "ring", ring },
		     { "several", several }, { "strict", strict }, { "spin", spin },
		     { "looks", looking }, { "eventfd", notified } };
	unsigned int i;

	ctx.fd = memfd_create("jobs", 0);
	if (ctx.fd < 0 || ftruncate(ctx.fd, MEMNET_MAP_SIZE) || jobs_init(&ctx))
		return 2;
	results = mmap(NULL, MEMNET_MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ctx.fd, 0);
	counters = results + MEMNET_MAP_COUNTERS / sizeof(*results);
	kernel = mmap(NULL, sizeof(*kernel), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED || (void *)kernel == MAP_FAILED)
		return 2;
	for (i = 0; argc == 2 && i < sizeof(checks) / sizeof(checks[0]); i++)
		if (!strcmp(argv[1], checks[i].name))
			checks[i].run();
	jobs_exit(&ctx);
	printf("%u mistakes\n", kernel->mistakes);
	return kernel->mistakes ? 1 : 0;
}
