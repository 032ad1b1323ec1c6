// SPDX-License-Identifier: GPL-2.0
/*
 * What sockets hold, charged as TCP's is: to the memory cgroup of who made the socket, or accepted
 * it.
 *
 * The core finds the group when it makes a struct sock (sk_memcg), and none for the root group's:
 * then nothing here is done. An endpoint has one socket that pays for it, the first it is given,
 * and keeps it to its own end: outgoing buffers may outlive close(). What it pays for is counted
 * in memnet_sock.held, with no lock: outgoing buffers until the device has let go of them, and
 * what has come and was not read. What the group was charged for it is sk_forward_alloc, in whole
 * pages, which the owner of the socket's lock changes; so do the core's own functions.
 *
 * A call that sends pays beforehand, where the group may reclaim for it; when it cannot, the socket
 * has what it may always have (sndbuf.c) and waits for its own buffers. What has come is charged
 * whatever the limit, as sk_forced_mem_schedule(), since the node was told that it may come; while
 * a group is under pressure the node is told so of less (rcv_window.c).
 *
 * The two are brought together when the socket is unlocked and when bytes have come. A little too
 * much may be wanted again at once, and where buffers are freed any socket's lock may be held: that
 * is given back by a work a moment later.
 */
#include <linux/sched/mm.h>

#include "memory.h"

#define SLACK		65536		/* bytes that may stay charged for that moment */
#define SETTLE_DELAY	(HZ / 10)

/* All sockets' pages, for /proc/net/protocols; the bound of all is max_pages, not these. */
static atomic_long_t allocated;
static DEFINE_PER_CPU(int, allocated_here);
static unsigned long pressure;
static long limits[3] = { LONG_MAX, LONG_MAX, LONG_MAX };

static LLIST_HEAD(unsettled);	/* of memnet_sock.unsettled, held */

/* No charge fails with the flag, but by version 1 of cgroups. */
static void charge_anyway(struct sock *sk, int bytes)
{
	unsigned int flags = memalloc_noreclaim_save();

	__sk_mem_schedule(sk, bytes, SK_MEM_RECV);
	memalloc_noreclaim_restore(flags);
}

/* What is to be charged. */
static int due(const struct sock *sk)
{
	int held = atomic_read(&memnet_sk(sk)->held);

	return max_t(int, PAGE_ALIGN(held), READ_ONCE(sk->sk_reserved_mem));
}

/* What is charged beyond that. */
static int surplus(const struct sock *sk)
{
	return READ_ONCE(sk->sk_forward_alloc) - due(sk);
}

/* It may be wanted again at once. */
static bool can_wait(const struct sock *sk, int more)
{
	return more > 0 && more < SLACK && atomic_read(&memnet_sk(sk)->held);
}

/* The caller owns the socket's lock. */
static void settle(struct sock *sk)
{
	int more = surplus(sk);

	if (more < 0)
		charge_anyway(sk, -more);
	else if (more)
		__sk_mem_reclaim(sk, more);
}

static void settle_unowned(struct sock *sk)
{
	spin_lock_bh(&sk->sk_lock.slock);
	if (!sock_owned_by_user(sk))	/* else who has it sees to it as it lets go */
		settle(sk);
	spin_unlock_bh(&sk->sk_lock.slock);
}

static void settle_work(struct work_struct *work)
{
	struct llist_node *list = llist_del_all(&unsettled);
	struct memnet_sock *mn, *next;

	llist_for_each_entry_safe(mn, next, list, unsettled) {
		struct sock *sk = &mn->inet.sk;

		smp_store_mb(mn->settling, 0);	/* on the list again is who finds it 0 */
		settle_unowned(sk);
		sock_put(sk);
	}
}

static DECLARE_DELAYED_WORK(work, settle_work);

static void settle_later(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);

	if (READ_ONCE(mn->settling) || cmpxchg(&mn->settling, 0, 1))
		return;
	sock_hold(sk);
	if (llist_add(&mn->unsettled, &unsettled))
		queue_delayed_work(system_wq, &work, SETTLE_DELAY);
}

/**
 * memnet_memory_account() - proto.release_cb: the socket is about to be unlocked
 * @sk: socket, owned
 */
void memnet_memory_account(struct sock *sk)
{
	int more;

	if (!memnet_memory_pays(sk))
		return;
	more = surplus(sk);
	if (can_wait(sk, more))
		settle_later(sk);
	else if (more)
		settle(sk);
}

/**
 * memnet_memory_came() - bytes have come for an endpoint, or were taken
 * @sk: who pays for it; its lock is not held, nor an endpoint's
 */
void memnet_memory_came(struct sock *sk)
{
	int more = surplus(sk);

	if (can_wait(sk, more))
		settle_later(sk);
	else if (more)
		settle_unowned(sk);
}

/**
 * memnet_memory_freed() - a buffer was freed
 * @sk: who paid for it
 * @bytes: its size
 */
void memnet_memory_freed(struct sock *sk, int bytes)
{
	atomic_sub(bytes, &memnet_sk(sk)->held);
	smp_mb__after_atomic();	/* pairs with settle_work(), which looks at it later */
	if (surplus(sk) > 0)
		settle_later(sk);
}

/**
 * memnet_memory_attach() - an endpoint is given a socket
 * @ep: endpoint, locked
 * @sk: socket, owned or not yet known to anybody; settles as it is unlocked
 */
void memnet_memory_attach(struct memnet_endpoint *ep, struct sock *sk)
{
	lockdep_assert_held(&ep->lock);
	if (ep->payer || !memnet_memory_pays(sk))
		return;
	sock_hold(sk);
	atomic_add(ep->rx.memory, &memnet_sk(sk)->held);
	ep->payer = sk;
}

/**
 * memnet_memory_detach() - an endpoint ends
 * @ep: endpoint that nobody refers to; its outgoing buffers are gone
 */
void memnet_memory_detach(struct memnet_endpoint *ep)
{
	if (!ep->payer)
		return;
	/* Nobody else's, it gives back all it has paid as it ends. */
	if (refcount_read(&ep->payer->sk_refcnt) == 1)
		atomic_sub(ep->rx.memory, &memnet_sk(ep->payer)->held);
	else
		memnet_memory_freed(ep->payer, ep->rx.memory);
	sock_put(ep->payer);
}

/**
 * __memnet_memory_prepay() - have the group charged for what is about to be sent
 * @sk: socket that pays, with an endpoint, under lock_sock(); may sleep and reclaim
 * @bytes: how much; what there is no room for in the send buffer is not paid for
 *
 * When the group has no room for it, nor gets it, the socket is not writable before its own buffers
 * are freed.
 */
void __memnet_memory_prepay(struct sock *sk, size_t bytes)
{
	struct memnet_sock *mn = memnet_sk(sk);
	int room = READ_ONCE(sk->sk_sndbuf) - atomic_read(&mn->ep->wmem);
	int lacks;

	if (room <= 0)
		return;
	lacks = PAGE_ALIGN(atomic_read(&mn->held) + min_t(size_t, bytes, room)) -
		sk->sk_forward_alloc;
	WRITE_ONCE(mn->out_of_memory,
		   lacks > 0 && !__sk_mem_schedule(sk, lacks, SK_MEM_RECV));
}

/**
 * memnet_memory_pressed() - is the group of who pays for an endpoint short of memory
 * @ep: endpoint, locked
 *
 * Return: as for TCP's sockets there.
 */
bool memnet_memory_pressed(const struct memnet_endpoint *ep)
{
	return ep->payer && mem_cgroup_under_socket_pressure(ep->payer->sk_memcg);
}

/**
 * memnet_memory_destruct() - a socket ends
 * @sk: socket that nobody refers to
 */
void memnet_memory_destruct(struct sock *sk)
{
	WARN_ON_ONCE(atomic_read(&memnet_sk(sk)->held));
	sk->sk_reserved_mem = 0;
	if (sk->sk_forward_alloc)
		__sk_mem_reclaim(sk, sk->sk_forward_alloc);
}

/**
 * memnet_memory_init() - have the core account a protocol's sockets
 * @prot: the protocol, not yet registered
 */
void memnet_memory_init(struct proto *prot)
{
	prot->memory_allocated = &allocated;
	prot->per_cpu_fw_alloc = &allocated_here;
	prot->memory_pressure = &pressure;
	prot->sysctl_mem = limits;
	prot->release_cb = memnet_memory_account;
}

/**
 * memnet_memory_exit() - clean up; no socket lives
 */
void memnet_memory_exit(void)
{
	cancel_delayed_work_sync(&work);
}
