// SPDX-License-Identifier: GPL-2.0
/*
 * Listening sockets and the links they listen through.
 *
 * A listener is on its link's list. When the link has died and is up again, its listeners are set
 * up again on the new session; those of a link that was deleted, or by then serves their namespace
 * no longer, wait without a link for the next one that does. One whose port is taken on the node is
 * tried again every second: it may be taken by what is left of the last session.
 *
 * Locks: listeners_lock (BH, inside lock_sock(), nothing inside it) for all lists of listeners
 * and for memnet_sock.link.
 */
#include "memnet.h"

static DEFINE_SPINLOCK(listeners_lock);
static LIST_HEAD(homeless);	/* listeners without a link */

/* The listener is @link's from now on, or nobody's; returns its former link, to be put. */
static struct memnet_link *move(struct memnet_sock *mn, struct memnet_link *link)
{
	struct memnet_link *former = mn->link;

	lockdep_assert_held(&listeners_lock);
	if (link)
		refcount_inc(&link->refs);
	mn->link = link;
	list_move_tail(&mn->link_node, link ? &link->listeners : &homeless);
	return former;
}

/**
 * memnet_listener_enlist() - a socket listens through a link
 * @mn: socket, locked
 * @link: link
 */
void memnet_listener_enlist(struct memnet_sock *mn, struct memnet_link *link)
{
	struct memnet_link *former;

	spin_lock_bh(&listeners_lock);
	if (list_empty(&mn->link_node))
		sock_hold(&mn->inet.sk);
	former = move(mn, READ_ONCE(link->deleted) ? NULL : link);
	spin_unlock_bh(&listeners_lock);
	if (former)
		memnet_link_put(former);
}

/**
 * memnet_listener_leave() - a socket listens no longer
 * @mn: socket, locked
 */
void memnet_listener_leave(struct memnet_sock *mn)
{
	struct memnet_link *former;
	bool listed;

	spin_lock_bh(&listeners_lock);
	listed = !list_empty(&mn->link_node);
	list_del_init(&mn->link_node);
	former = mn->link;
	mn->link = NULL;
	spin_unlock_bh(&listeners_lock);
	if (former)
		memnet_link_put(former);
	if (listed)
		sock_put(&mn->inet.sk);
}

/**
 * memnet_listener_link() - the link a socket listens through
 * @mn: socket
 *
 * Return: the link with a reference, or NULL.
 */
struct memnet_link *memnet_listener_link(struct memnet_sock *mn)
{
	struct memnet_link *link;

	spin_lock_bh(&listeners_lock);
	link = mn->link;
	if (link)
		refcount_inc(&link->refs);
	spin_unlock_bh(&listeners_lock);
	return link;
}

/* Takes in those without a link that this one serves. */
static void take_in(struct memnet_link *link)
{
	struct memnet_sock *mn, *next;

	spin_lock_bh(&listeners_lock);
	if (!READ_ONCE(link->deleted))
		list_for_each_entry_safe(mn, next, &homeless, link_node)
			if (net_eq(sock_net(&mn->inet.sk), READ_ONCE(link->served)))
				move(mn, link);
	spin_unlock_bh(&listeners_lock);
}

/**
 * memnet_listeners_restore() - the listeners of a link get theirs on the node back
 * @link: link that is up, or just was
 *
 * This waits for the node. Return: whether some are to be tried again.
 */
bool memnet_listeners_restore(struct memnet_link *link)
{
	struct memnet_link *former = NULL;
	struct memnet_sock *mn;
	bool evicted = false, again = false;
	LIST_HEAD(todo);
	int ret;

	take_in(link);
	spin_lock_bh(&listeners_lock);
	list_splice_init(&link->listeners, &todo);
	while (!list_empty(&todo)) {
		mn = list_first_entry(&todo, struct memnet_sock, link_node);
		list_move_tail(&mn->link_node, &link->listeners);
		sock_hold(&mn->inet.sk);
		spin_unlock_bh(&listeners_lock);
		ret = memnet_listener_restore(mn, link);
		again |= ret == -EADDRINUSE;
		spin_lock_bh(&listeners_lock);
		if (ret == -ENETDOWN && mn->link == link &&
		    !net_eq(sock_net(&mn->inet.sk), READ_ONCE(link->served)))
			former = move(mn, NULL);
		spin_unlock_bh(&listeners_lock);
		sock_put(&mn->inet.sk);
		if (former)
			memnet_link_put(former);
		evicted |= !!former;
		former = NULL;
		spin_lock_bh(&listeners_lock);
	}
	spin_unlock_bh(&listeners_lock);
	/* One that serves them may have come up, and looked, a moment ago. */
	if (evicted)
		memnet_links_offer();
	return again;
}

/**
 * memnet_listeners_evict() - a link is gone for good
 * @link: link, deleted; memnet_listeners_restore() does not run for it and will not
 */
void memnet_listeners_evict(struct memnet_link *link)
{
	struct memnet_sock *mn, *next;

	spin_lock_bh(&listeners_lock);
	/* The caller has a reference of its own, so none of these is the last. */
	list_for_each_entry_safe(mn, next, &link->listeners, link_node)
		memnet_link_put(move(mn, NULL));
	spin_unlock_bh(&listeners_lock);
}
