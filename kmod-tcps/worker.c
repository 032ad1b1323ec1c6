// SPDX-License-Identifier: GPL-2.0
/*
 * A channel's worker.
 *
 * Whoever notices that an endpoint has something to do calls tcps_kick(), from any context: it
 * notes what happened and puts the endpoint on the channel's ready list, once, with a reference.
 * The work runs every endpoint on the list for one bounded turn; one with more to do kicks itself
 * and comes again behind the others.
 *
 * An endpoint that cannot send is stalled: it keeps what it owes and waits on the worker's own
 * list. When credits, room or memory come, stalled endpoints run again in the order they stalled,
 * until the channel is dry once more.
 *
 * Locks: the ready list is lock-free, everything else belongs to the work. A halted channel's
 * work does nothing; what is still put on the list is dropped by tcps_channel_drain() after every
 * native socket is gone.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "tcps.h"

#define NO_MEMORY_DELAY (HZ / 50)

/**
 * tcps_channel_queue() - let the worker run
 * @tc: channel
 */
void tcps_channel_queue(struct tcps_channel *tc)
{
	queue_work_on(tc->ch->cfg.cpu, tcps_wq, &tc->work);
}

/**
 * tcps_kick() - an endpoint has something to do
 * @ep: endpoint, referenced
 * @events: TCPS_EV_*
 */
void tcps_kick(struct tcps_endpoint *ep, int events)
{
	if (atomic_fetch_or(events | TCPS_EV_QUEUED, &ep->events) & TCPS_EV_QUEUED)
		return;
	refcount_inc(&ep->refs);
	llist_add(&ep->ready, &ep->tc->ready);
	tcps_channel_queue(ep->tc);
}

static void resumed(struct tcps_channel *tc)
{
	set_bit(TCPS_CHANNEL_RESUMED, &tc->flags);
	tcps_channel_queue(tc);
}

static void waiter_resume(struct memnet_waiter *w)
{
	resumed(container_of(w, struct tcps_channel, waiter));
}

static void retry_timer(struct timer_list *t)
{
	resumed(container_of(t, struct tcps_channel, retry));
}

/**
 * tcps_stall() - an endpoint could not do what it has to
 * @ep: endpoint; called in its channel's worker
 * @err: -EAGAIN for lack of credits or room; -ENOMEM; -EBUSY where others of the channel have too
 *	much unsent, until they have not; anything else means that the channel is down, and the
 *	end of the session will find the endpoint here
 */
void tcps_stall(struct tcps_endpoint *ep, int err)
{
	struct tcps_channel *tc = ep->tc;

	if (list_empty(&ep->stalled)) {
		refcount_inc(&ep->refs);
		list_add_tail(&ep->stalled, &tc->stalled);
	}
	if (err == -ENOMEM) {
		mod_timer(&tc->retry, jiffies + NO_MEMORY_DELAY);
	} else if (err == -EAGAIN) {
		if (!tc->dry)
			tc->credit_stalls++;
		tc->dry = true;
		memnet_tx_wait(tc->ch, &tc->waiter);
	} else if (err == -EBUSY) {
		tc->busy = true;
	}
}

static void run(struct tcps_endpoint *ep, int events)
{
	tcps_endpoint_run(ep, events);
	tcps_endpoint_put(ep);
	cond_resched();
}

static void run_stalled(struct tcps_channel *tc)
{
	struct tcps_endpoint *ep;
	LIST_HEAD(stalled);

	tc->dry = false;
	list_splice_init(&tc->stalled, &stalled);
	while (!tc->dry && !list_empty(&stalled)) {
		ep = list_first_entry(&stalled, struct tcps_endpoint, stalled);
		list_del_init(&ep->stalled);
		run(ep, TCPS_EV_AGAIN);
	}
	/* Those who had no turn stay in front of the one who found the channel dry. */
	list_splice(&stalled, &tc->stalled);
}

static void channel_work(struct work_struct *work)
{
	struct tcps_channel *tc = container_of(work, struct tcps_channel, work);
	struct tcps_endpoint *ep, *next;
	struct llist_node *list;

	if (READ_ONCE(tc->dead) || !READ_ONCE(tc->session->serving))
		return;
	if (test_and_clear_bit(TCPS_CHANNEL_RESUMED, &tc->flags))
		run_stalled(tc);
	list = llist_reverse_order(llist_del_all(&tc->ready));
	llist_for_each_entry_safe(ep, next, list, ready)
		run(ep, atomic_xchg(&ep->events, 0));
	/* What they waited for may have gone after they had looked. */
	if (tc->busy && tc->unsent <= TCPS_MAX_UNSENT) {
		tc->busy = false;
		resumed(tc);
	}
	memnet_tx_reap(tc->ch);
}

/**
 * tcps_channel_create() - make a channel of a session
 * @s: session
 * @cfg: how the channel is to be
 * @ops: the channel's calls
 *
 * Return: the channel, or NULL.
 */
struct tcps_channel *tcps_channel_create(struct tcps_session *s,
					 const struct memnet_channel_config *cfg,
					 const struct memnet_channel_ops *ops)
{
	struct tcps_channel *tc = kzalloc(sizeof(*tc), GFP_KERNEL);
	int ret;

	if (!tc)
		return NULL;
	tc->session = s;
	INIT_WORK(&tc->work, channel_work);
	init_llist_head(&tc->ready);
	INIT_LIST_HEAD(&tc->stalled);
	INIT_LIST_HEAD(&tc->orphans);
	INIT_LIST_HEAD(&tc->waiter.node);
	tc->waiter.resume = waiter_resume;
	timer_setup(&tc->retry, retry_timer, 0);
	ret = memnet_table_init(&tc->endpoints, cfg->slots, cfg->slots / 2, cfg->slots);
	tc->gens = kvcalloc(cfg->slots / 2, sizeof(*tc->gens), GFP_KERNEL);
	tc->ch = memnet_channel_alloc(ops, tc, cfg);
	if (!ret && tc->gens && tc->ch)
		return tc;
	if (tc->ch)
		memnet_channel_put(tc->ch);
	kvfree(tc->gens);
	if (!ret)
		memnet_table_destroy(&tc->endpoints);
	kfree(tc);
	return NULL;
}

/**
 * tcps_channel_free() - free a drained channel
 * @tc: channel
 */
void tcps_channel_free(struct tcps_channel *tc)
{
	WARN_ON_ONCE(!memnet_table_is_empty(&tc->endpoints));
	memnet_table_destroy(&tc->endpoints);
	memnet_channel_put(tc->ch);
	kvfree(tc->gens);
	kfree(tc);
}

/**
 * tcps_channel_halt() - let the worker do nothing any more
 * @tc: channel
 */
void tcps_channel_halt(struct tcps_channel *tc)
{
	WRITE_ONCE(tc->dead, true);
	cancel_work_sync(&tc->work);
	timer_shutdown_sync(&tc->retry);
}

/**
 * tcps_channel_drain() - free every endpoint of a halted channel
 * @tc: channel; it is stopped and all channels of the session are halted
 */
void tcps_channel_drain(struct tcps_channel *tc)
{
	struct tcps_endpoint *ep, *next;
	struct llist_node *list;
	u32 index = 0;

	for (; (ep = memnet_table_next(&tc->endpoints, &index)); index++) {
		tcps_endpoint_destroy(ep);
		cond_resched();
	}
	list_for_each_entry_safe(ep, next, &tc->orphans, orphan)
		tcps_endpoint_destroy(ep);
	/* No native socket is left that could kick. */
	cancel_work_sync(&tc->work);
	list_for_each_entry_safe(ep, next, &tc->stalled, stalled) {
		list_del_init(&ep->stalled);
		tcps_endpoint_destroy(ep);
		tcps_endpoint_put(ep);
	}
	list = llist_del_all(&tc->ready);
	llist_for_each_entry_safe(ep, next, list, ready) {
		tcps_endpoint_destroy(ep);
		tcps_endpoint_put(ep);
	}
}
