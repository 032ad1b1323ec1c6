// SPDX-License-Identifier: GPL-2.0
/*
 * What waits a moment for more to come with it.
 *
 * Of a program that says that more follows (TCP_CORK, MSG_MORE, the inner pieces of a sendfile)
 * the bytes are not sent at once, while they are fewer than a message holds: what follows joins
 * them in one buffer. It is the node's TCP that corks, with its own rules and its own patience;
 * here they only set out later, by some milliseconds at most, and whatever else calls
 * memnet_transmit() meanwhile sends them as well. So nobody else has to know of this: not the end
 * of the stream, not a message that keeps its order, not a job.
 *
 * TCP_CORK that is set while nothing is queued waits with them (tx.cork_due), since it only
 * matters to what follows. Cleared while all of that still waits it has never been set, and the
 * node hears of neither: a header, a file and the end of the cork are one message.
 */
#include "transmit.h"

#define PATIENCE	msecs_to_jiffies(4)

static void patience_ended(struct timer_list *timer)
{
	struct memnet_endpoint *ep = container_of(timer, struct memnet_endpoint, patience);

	spin_lock_bh(&ep->lock);
	ep->tx.patient = false;
	if (!list_empty(&ep->tx.queue))
		memnet_transmit(ep);
	spin_unlock_bh(&ep->lock);
	memnet_endpoint_put(ep);
}

/**
 * memnet_cork_init() - prepare an endpoint
 * @ep: endpoint
 */
void memnet_cork_init(struct memnet_endpoint *ep)
{
	timer_setup(&ep->patience, patience_ended, 0);
}

/**
 * memnet_cork_end() - an endpoint sends nothing any more
 * @ep: endpoint, gone, not locked
 */
void memnet_cork_end(struct memnet_endpoint *ep)
{
	if (timer_delete(&ep->patience))
		memnet_endpoint_put(ep);
}

/**
 * memnet_cork_wait() - may what is queued wait, since more follows
 * @ep: endpoint, locked
 *
 * Return: whether it may; it is sent in a moment then, by whomever.
 */
bool memnet_cork_wait(struct memnet_endpoint *ep)
{
	lockdep_assert_held(&ep->lock);
	if (ep->tx.end - ep->tx.sent >= WIRE_MAX_PAYLOAD || !ep->lc || ep->gone || ep->ktls)
		return false;
	if (!ep->tx.patient) {
		ep->tx.patient = true;
		memnet_endpoint_get(ep);
		mod_timer(&ep->patience, jiffies + PATIENCE);
	}
	return true;
}

/**
 * memnet_cork_set() - TCP_CORK has been set or cleared
 * @ep: connected endpoint, not locked; its socket is
 * @on: which
 *
 * Return: false if the node is to be told, in the order of the stream.
 */
bool memnet_cork_set(struct memnet_endpoint *ep, bool on)
{
	struct memnet_entry *last;
	bool done = false;

	spin_lock_bh(&ep->lock);
	if (ep->gone || ep->state == TCP_CLOSE || ep->ktls)
		goto out;
	if (on) {
		if (!list_empty(&ep->tx.queue) || ep->tx.options & MEMNET_OPT_BIT(MEMNET_OPT_CORK))
			goto out;
		ep->tx.cork_due = true;
		done = true;
	} else if (ep->tx.cork_due) {
		ep->tx.cork_due = false;
		ep->tx.options &= ~MEMNET_OPT_BIT(MEMNET_OPT_CORK);
		done = true;
		if (!list_empty(&ep->tx.queue)) {
			last = list_last_entry(&ep->tx.queue, struct memnet_entry, node);
			last->more = false;
			memnet_transmit(ep);
		}
	}
out:
	spin_unlock_bh(&ep->lock);
	return done;
}
