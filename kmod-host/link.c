// SPDX-License-Identifier: GPL-2.0
/*
 * Links: one host-node association with its channels.
 *
 * A link's work item is the only one that connects it and takes it down. It connects all
 * channels ahead of use; when the last is up sockets may choose one (memnet_link_choose()) and
 * listeners that outlived the former session are set up again (listener.c). When a channel fails,
 * the work takes the whole session down: endpoints killed, channels stopped, registered memory
 * unmapped; then, after a back-off, it connects anew. link_channels are never reused, so an
 * endpoint of the old session cannot meet the new one.
 *
 * Locks: links_mutex for adding and deleting; link.lock (BH, nests inside lock_sock(), outside
 * tx.lock) for state and the arrays. The list is walked under RCU.
 */
#include <linux/cpumask.h>
#include <linux/hash.h>
#include <linux/jhash.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <net/net_namespace.h>

#include "context.h"
#include "region.h"
#include "trace.h"

#define BACKOFF_MIN_MS	100
#define BACKOFF_MAX_MS	3000
#define HEARTBEAT_MS	5000	/* until the node has said its own */

LIST_HEAD(memnet_links);
static DEFINE_MUTEX(links_mutex);
static u64 boot_id;

#define S(state) BIT(MEMNET_LINK_STATE_##state)

static const u8 allowed[] = {
	[MEMNET_LINK_STATE_DOWN]	= S(CONNECTING),
	[MEMNET_LINK_STATE_CONNECTING]	= S(UP) | S(FAILED) | S(DOWN),
	[MEMNET_LINK_STATE_UP]		= S(CONNECTING) | S(DOWN),
	[MEMNET_LINK_STATE_FAILED]	= S(CONNECTING) | S(UP) | S(DOWN),
};

static void link_change_state(struct memnet_link *link, enum memnet_link_state next)
{
	lockdep_assert_held(&link->lock);
	if (!(allowed[link->state] & BIT(next)))
		return;
	trace_memnet_link_state(link->cfg.name, link->state, next);
	WRITE_ONCE(link->state, next);
}

/**
 * memnet_link_put() - drop a reference
 * @link: link
 */
void memnet_link_put(struct memnet_link *link)
{
	if (!refcount_dec_and_test(&link->refs))
		return;
	put_net(link->transport);
	memzero_explicit(&link->cfg.secret, sizeof(link->cfg.secret));
	kfree_rcu(link, rcu);
}

/**
 * memnet_lc_put() - drop a reference to a link's channel
 * @lc: the channel
 */
void memnet_lc_put(struct link_channel *lc)
{
	struct memnet_link *link = lc->link;

	if (!refcount_dec_and_test(&lc->refs))
		return;
	memnet_table_destroy(&lc->endpoints);
	memnet_channel_put(lc->ch);
	kvfree(lc->gens);
	kfree(lc);
	memnet_link_put(link);
}

/* Endpoints of a channel: as many as the window table of all of them together affords. */
static u32 slots_of(u32 channels)
{
	return max_t(u32, WIRE_MAX_SLOTS / roundup_pow_of_two(channels), WIRE_MIN_SLOTS);
}

/*
 * The same for a link of that name whenever the machine boots, so that its node knows it again.
 * What tells namespaces apart lasts as long as they.
 */
static u64 id_salt(const struct memnet_link *link)
{
	u32 seed = net_eq(link->transport, &init_net) ? 0 : link->transport->ns.inum;

	return jhash(link->cfg.name, strlen(link->cfg.name), seed) * GOLDEN_RATIO_64;
}

static struct link_channel *lc_create(struct memnet_link *link, unsigned int number)
{
	struct memnet_channel_config cfg = {
		.host_side	= true,
		.cpu		= cpumask_local_spread(number % num_online_cpus(), NUMA_NO_NODE),
		.slots		= slots_of(link->n_channels),
		.heartbeat_ms	= HEARTBEAT_MS,
		.who		= link->who,
		.id_salt	= id_salt(link),
		.secret_len	= link->cfg.secret.len,
	};
	struct link_channel *lc = kzalloc(sizeof(*lc), GFP_KERNEL);
	int ret;

	if (!lc)
		return NULL;
	cfg.who.channel = number;
	cfg.who.host_challenge = get_random_u64();
	memcpy(cfg.secret, link->cfg.secret.key, cfg.secret_len);
	INIT_LIST_HEAD(&lc->lost);
	ret = memnet_table_init(&lc->endpoints, cfg.slots, 1, cfg.slots / 2);
	lc->gens = kvcalloc(cfg.slots / 2, sizeof(*lc->gens), GFP_KERNEL);
	lc->ch = memnet_channel_alloc(&memnet_host_channel_ops, lc, &cfg);
	memzero_explicit(cfg.secret, sizeof(cfg.secret));
	if (ret || !lc->gens || !lc->ch) {
		if (lc->ch)
			memnet_channel_put(lc->ch);
		kvfree(lc->gens);
		if (!ret)
			memnet_table_destroy(&lc->endpoints);
		kfree(lc);
		return NULL;
	}
	refcount_inc(&link->refs);
	lc->link = link;
	refcount_set(&lc->refs, 1);
	return lc;
}

/**
 * memnet_link_count() - add up what a channel has moved
 * @sum: what is added to
 * @lc: the channel
 */
void memnet_link_count(struct memnet_nl_counters *sum, const struct link_channel *lc)
{
	sum->tx_bytes += READ_ONCE(lc->moved.tx_bytes);
	sum->rx_bytes += READ_ONCE(lc->moved.rx_bytes);
	sum->tx_messages += READ_ONCE(lc->moved.tx_messages);
	sum->rx_messages += READ_ONCE(lc->moved.rx_messages);
	sum->credit_stalls += READ_ONCE(lc->moved.credit_stalls);
	sum->window_stalls += READ_ONCE(lc->moved.window_stalls);
}

/*
 * Ends the session: nothing of it is left when this returns, but what closed sockets still refer
 * to. The node is told, unless the reason is that it does not answer.
 */
static void link_take_down(struct memnet_link *link, u32 reason)
{
	bool tell = reason != WIRE_REASON_DISCONNECTED;
	struct link_channel *lc[WIRE_MAX_CHANNELS];
	unsigned int i;
	bool was_up;

	spin_lock_bh(&link->lock);
	was_up = link->state == MEMNET_LINK_STATE_UP;
	if (was_up)
		link_change_state(link, MEMNET_LINK_STATE_CONNECTING);
	memcpy(lc, link->lc, sizeof(lc));
	memset(link->lc, 0, sizeof(link->lc));
	for (i = 0; i < ARRAY_SIZE(lc); i++)
		if (lc[i])
			memnet_link_count(&link->moved, lc[i]);
	for (i = 0; was_up && i < ARRAY_SIZE(lc); i++) {
		if (lc[i] && lc[i]->ch->life.reason) {
			link->reason = lc[i]->ch->life.reason;
			break;
		}
	}
	spin_unlock_bh(&link->lock);
	for (i = 0; i < ARRAY_SIZE(lc); i++)
		if (lc[i] && tell)
			memnet_channel_leave(lc[i]->ch, reason);
		else if (lc[i])
			memnet_channel_fail(lc[i]->ch, reason);
	/* All sockets hear at once; stopping a channel may take its time. */
	for (i = 0; i < ARRAY_SIZE(lc); i++)
		if (lc[i])
			memnet_endpoint_lost(lc[i]);
	for (i = 0; i < ARRAY_SIZE(lc); i++) {
		if (!lc[i])
			continue;
		memnet_channel_stop(lc[i]->ch, reason);
		/* Endpoints that were being opened meanwhile. */
		memnet_endpoint_lost(lc[i]);
		memnet_endpoint_stopped(lc[i]);
	}
	if (link->domain) {
		memnet_regions_lost(link->domain);
		memnet_areas_lost(link->domain);
	}
	memnet_domain_put(link->domain);
	link->domain = NULL;
	/* Nothing of the device is in use any more. */
	for (i = 0; i < ARRAY_SIZE(lc); i++) {
		if (!lc[i])
			continue;
		memnet_channel_detach(lc[i]->ch);
		memnet_lc_put(lc[i]);
	}
	if (was_up) {
		memnet_stat_inc(MEMNET_STAT_HOST_LINK_DEATHS);
		pr_info("memnet: link %s is down: %s\n", link->cfg.name,
			wire_reason_name(link->reason));
	}
	WRITE_ONCE(link->failed, false);
}

/* Connects all channels; what was made is in link->lc[] also after a failure. */
static int link_connect(struct memnet_link *link)
{
	struct link_channel *lc;
	unsigned int i;
	bool gone;
	int ret;

	link->who = (struct memnet_identity){
		.host_id	= link->cfg.host_id,
		.boot_id	= boot_id,
		.nonce		= get_random_u64() | 1,
		.channels	= link->n_channels,
	};
	for (i = 0; i < link->n_channels; i++) {
		lc = lc_create(link, i);
		if (!lc)
			return -ENOMEM;
		spin_lock_bh(&link->lock);
		gone = link->deleted;
		if (!gone)
			link->lc[i] = lc;
		spin_unlock_bh(&link->lock);
		if (gone) {
			memnet_lc_put(lc);
			return -EINTR;
		}
		ret = memnet_channel_connect(lc->ch, link->transport,
					     (struct sockaddr *)&link->cfg.addr, &link->domain);
		if (ret) {
			spin_lock_bh(&link->lock);
			link->reason = lc->ch->life.reason ?: WIRE_REASON_TRANSPORT;
			spin_unlock_bh(&link->lock);
			return ret;
		}
	}
	return 0;
}

/* Who deletes the link cancels the work afterwards. */
static void offer(struct memnet_link *link, unsigned long delay)
{
	spin_lock_bh(&link->lock);
	if (link->deleted || link->state != MEMNET_LINK_STATE_UP)
		; /* when it is up again it looks */
	else if (delay)
		queue_delayed_work(system_unbound_wq, &link->restore, delay);
	else
		mod_delayed_work(system_unbound_wq, &link->restore, 0);
	spin_unlock_bh(&link->lock);
}

/* It waits for the node, so it is not for link.work, which ends the wait when the link dies. */
static void restore_work(struct work_struct *work)
{
	struct memnet_link *link = container_of(to_delayed_work(work), struct memnet_link, restore);

	if (memnet_listeners_restore(link))
		offer(link, HZ);
}

/**
 * memnet_links_offer() - listeners may have lost their link: those that are up look for some
 */
void memnet_links_offer(void)
{
	struct memnet_link *link;

	rcu_read_lock();
	list_for_each_entry_rcu(link, &memnet_links, list)
		offer(link, 0);
	rcu_read_unlock();
}

/* What does not pass by itself; the state says so, and it is tried again all the same. */
static bool hopeless(u32 reason)
{
	return reason == WIRE_REASON_VERSION || reason == WIRE_REASON_DENIED ||
	       reason == WIRE_REASON_SECRET;
}

static void link_work(struct work_struct *work)
{
	struct memnet_link *link = container_of(to_delayed_work(work), struct memnet_link, work);
	unsigned long now = jiffies, delay;
	int ret;

	if (READ_ONCE(link->failed))
		link_take_down(link, WIRE_REASON_DISCONNECTED);
	if (READ_ONCE(link->deleted) || READ_ONCE(link->state) == MEMNET_LINK_STATE_UP)
		return;
	if (time_before(now, link->next_try)) {
		mod_delayed_work(system_unbound_wq, &link->work, link->next_try - now);
		return;
	}
	ret = link_connect(link);
	if (ret) {
		u32 reason = link->reason;

		if (!link->attempts && ret != -EINTR)
			pr_warn("memnet: link %s: cannot connect: %s (%d), trying again\n",
				link->cfg.name, wire_reason_name(reason), ret);
		link_take_down(link, WIRE_REASON_DISCONNECTED);
		delay = min(BACKOFF_MIN_MS << min(link->attempts, 6U), BACKOFF_MAX_MS);
		if (hopeless(reason))
			delay = BACKOFF_MAX_MS;
		delay = msecs_to_jiffies(delay);
		link->attempts++;
		spin_lock_bh(&link->lock);
		link_change_state(link, hopeless(reason) ? MEMNET_LINK_STATE_FAILED :
							   MEMNET_LINK_STATE_CONNECTING);
		spin_unlock_bh(&link->lock);
		link->next_try = jiffies + delay;
		if (!READ_ONCE(link->deleted))
			mod_delayed_work(system_unbound_wq, &link->work, delay);
		return;
	}
	if (link->attempts || link->reconnects)
		pr_info("memnet: link %s is up\n", link->cfg.name);
	link->reconnects++;
	link->attempts = 0;
	link->next_try = jiffies + msecs_to_jiffies(BACKOFF_MIN_MS);
	spin_lock_bh(&link->lock);
	link_change_state(link, MEMNET_LINK_STATE_UP);
	spin_unlock_bh(&link->lock);
	mod_delayed_work(system_unbound_wq, &link->restore, 0);
}

static struct memnet_link *link_find(struct net *net, const char *name)
{
	struct memnet_link *link;

	lockdep_assert_held(&links_mutex);
	list_for_each_entry(link, &memnet_links, list)
		if (net_eq(link->transport, net) && !strcmp(link->cfg.name, name))
			return link;
	return NULL;
}

/**
 * memnet_link_add() - make a link and begin to connect it
 * @net: namespace of its transport and of the sockets it serves
 * @cfg: configuration, checked
 * @extack: for what is wrong, or NULL
 *
 * Return: 0, -EEXIST or -ENOMEM.
 */
int memnet_link_add(struct net *net, const struct memnet_nl_link_cfg *cfg,
		    struct netlink_ext_ack *extack)
{
	struct memnet_link *link = kzalloc(sizeof(*link), GFP_KERNEL);

	if (!link)
		return -ENOMEM;
	link->cfg = *cfg;
	link->transport = get_net(net);
	link->served = net;
	link->n_channels = cfg->channels ?: min_t(u32, num_online_cpus(), WIRE_MAX_CHANNELS);
	spin_lock_init(&link->lock);
	link->state = MEMNET_LINK_STATE_CONNECTING;
	INIT_LIST_HEAD(&link->listeners);
	INIT_DELAYED_WORK(&link->work, link_work);
	INIT_DELAYED_WORK(&link->restore, restore_work);
	link->next_try = jiffies;
	refcount_set(&link->refs, 1);
	mutex_lock(&links_mutex);
	if (link_find(net, cfg->name)) {
		mutex_unlock(&links_mutex);
		NL_SET_ERR_MSG(extack, "a link of that name exists");
		memnet_link_put(link);
		return -EEXIST;
	}
	list_add_tail_rcu(&link->list, &memnet_links);
	mutex_unlock(&links_mutex);
	queue_delayed_work(system_unbound_wq, &link->work, 0);
	return 0;
}

static void link_delete(struct memnet_link *link, u32 reason)
{
	unsigned int i;

	lockdep_assert_held(&links_mutex);
	list_del_rcu(&link->list);
	/* A channel that is just being connected is not waited for, and no other begun. */
	spin_lock_bh(&link->lock);
	WRITE_ONCE(link->deleted, true);
	for (i = 0; i < ARRAY_SIZE(link->lc); i++)
		if (link->lc[i] && !memnet_channel_is_up(link->lc[i]->ch))
			memnet_channel_fail(link->lc[i]->ch, reason);
	spin_unlock_bh(&link->lock);
	cancel_delayed_work_sync(&link->work);
	link->reason = reason;
	link_take_down(link, reason);
	/* Channels that failed while they were stopped have queued the work once more. */
	cancel_delayed_work_sync(&link->work);
	cancel_delayed_work_sync(&link->restore);
	memnet_listeners_evict(link);
	memnet_links_offer();
	spin_lock_bh(&link->lock);
	link_change_state(link, MEMNET_LINK_STATE_DOWN);
	spin_unlock_bh(&link->lock);
	memnet_link_put(link);
}

/**
 * memnet_link_del() - take a link down for good
 * @net: namespace of its transport
 * @name: its name
 * @extack: for what is wrong, or NULL
 *
 * Its connections get ECONNRESET; listening sockets wait for another link. Return: 0 or -ENOENT.
 */
int memnet_link_del(struct net *net, const char *name, struct netlink_ext_ack *extack)
{
	struct memnet_link *link;
	int ret = -ENOENT;

	mutex_lock(&links_mutex);
	link = link_find(net, name);
	if (link) {
		link_delete(link, WIRE_REASON_ADMIN);
		ret = 0;
	} else {
		NL_SET_ERR_MSG(extack, "no link of that name");
	}
	mutex_unlock(&links_mutex);
	return ret;
}

/**
 * memnet_link_set_netns() - let a link serve another namespace's sockets
 * @net: namespace of its transport
 * @name: its name
 * @target: namespace to serve from now on
 * @extack: for what is wrong, or NULL
 *
 * Return: 0 or -ENOENT.
 */
int memnet_link_set_netns(struct net *net, const char *name, struct net *target,
			  struct netlink_ext_ack *extack)
{
	struct memnet_link *link;
	int ret = -ENOENT;

	mutex_lock(&links_mutex);
	link = link_find(net, name);
	if (link) {
		spin_lock_bh(&link->lock);
		link->served = target;
		spin_unlock_bh(&link->lock);
		memnet_links_offer();
		ret = 0;
	} else {
		NL_SET_ERR_MSG(extack, "no link of that name");
	}
	mutex_unlock(&links_mutex);
	return ret;
}

/**
 * memnet_link_channel() - a channel of a link by its number
 * @link: link
 * @number: any value
 *
 * Return: the channel with a reference, or NULL.
 */
struct link_channel *memnet_link_channel(struct memnet_link *link, unsigned int number)
{
	struct link_channel *lc = NULL;

	spin_lock_bh(&link->lock);
	if (number < ARRAY_SIZE(link->lc))
		lc = link->lc[number];
	if (lc)
		refcount_inc(&lc->refs);
	spin_unlock_bh(&link->lock);
	return lc;
}

/**
 * memnet_link_pick() - a link's channel for a new endpoint
 * @link: link
 * @net: the socket's namespace
 *
 * Return: this CPU's channel, or, when all of its endpoints are in use, the one with the fewest,
 * with a reference; NULL unless the link is up and serves the namespace.
 */
struct link_channel *memnet_link_pick(struct memnet_link *link, struct net *net)
{
	struct link_channel *lc = NULL, *other;
	unsigned int i;

	spin_lock_bh(&link->lock);
	if (link->state == MEMNET_LINK_STATE_UP && net_eq(link->served, net))
		lc = link->lc[raw_smp_processor_id() % link->n_channels];
	if (lc && atomic_read(&lc->opened) >= lc->ch->cfg.slots / 2 - 1) {
		for (i = 0; i < link->n_channels; i++) {
			other = link->lc[i];
			if (atomic_read(&other->opened) < atomic_read(&lc->opened))
				lc = other;
		}
	}
	if (lc)
		refcount_inc(&lc->refs);
	spin_unlock_bh(&link->lock);
	return lc;
}

/**
 * memnet_link_choose() - a channel for a new endpoint
 * @net: the socket's namespace
 *
 * Return: a channel of the first link that is up and serves the namespace, with a reference, or
 * NULL.
 */
struct link_channel *memnet_link_choose(struct net *net)
{
	struct link_channel *lc = NULL;
	struct memnet_link *link;

	rcu_read_lock();
	list_for_each_entry_rcu(link, &memnet_links, list) {
		lc = memnet_link_pick(link, net);
		if (lc)
			break;
	}
	rcu_read_unlock();
	return lc;
}

/**
 * memnet_link_serves() - is there a link for a namespace, up or not
 * @net: the namespace
 */
bool memnet_link_serves(struct net *net)
{
	struct memnet_link *link;
	bool serves = false;

	rcu_read_lock();
	list_for_each_entry_rcu(link, &memnet_links, list) {
		serves = net_eq(READ_ONCE(link->served), net);
		if (serves)
			break;
	}
	rcu_read_unlock();
	return serves;
}

static void __net_exit links_net_exit(struct net *net)
{
	struct memnet_link *link;

	mutex_lock(&links_mutex);
	list_for_each_entry(link, &memnet_links, list) {
		spin_lock_bh(&link->lock);
		if (net_eq(link->served, net))
			link->served = link->transport;
		spin_unlock_bh(&link->lock);
	}
	memnet_links_offer();
	mutex_unlock(&links_mutex);
}

static struct pernet_operations links_net_ops = {
	.exit = links_net_exit,
};

/**
 * memnet_links_init() - prepare
 *
 * Return: 0 or a negative errno.
 */
int memnet_links_init(void)
{
	boot_id = get_random_u64();
	return register_pernet_subsys(&links_net_ops);
}

/**
 * memnet_links_exit() - delete all links; no socket lives
 */
void memnet_links_exit(void)
{
	struct memnet_link *link, *tmp;

	mutex_lock(&links_mutex);
	list_for_each_entry_safe(link, tmp, &memnet_links, list)
		link_delete(link, WIRE_REASON_UNLOAD);
	mutex_unlock(&links_mutex);
	unregister_pernet_subsys(&links_net_ops);
	rcu_barrier();
}
