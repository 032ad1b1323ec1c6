// SPDX-License-Identifier: GPL-2.0
/*
 * Letting go of the rdma_cm ids of dead channels.
 *
 * That sends a message over the device's management queue pair, QP 1. On soft-RoCE a packet which
 * the network interface refuses breaks the queue pair it comes from (rxe_requester() in
 * drivers/infiniband/sw/rxe/rxe_req.c), also QP 1, and ib_mad does not put that right: nothing
 * connects over the device any more until somebody makes it anew. An interface that loses its
 * carrier or is set down refuses packets, and it is just then that channels die. So their ids are
 * kept until the interface can send, or the device goes.
 *
 * An id that is kept keeps its network namespace and its entry in the device's GID table.
 *
 * A work looks at those that wait every second, and at once when a device goes. An id on the list
 * is the list's; one taken off it is its taker's, who destroys it without a lock.
 */
#include <linux/netdevice.h>
#include <net/sch_generic.h>
#include <rdma/ib_cache.h>

#include "core.h"

/**
 * struct retired - an id that waits
 * @node: in retired_ids
 * @id: the id
 * @removed: its device goes, which waits for it; set by its handler
 */
struct retired {
	struct list_head	node;
	struct rdma_cm_id	*id;
	bool			removed;
};

static LIST_HEAD(retired_ids);
static DEFINE_MUTEX(retired_mutex);	/* both; taken inside of an id's handler lock */
static bool retired_ending;		/* the module goes: nothing waits */

static void retired_look(struct work_struct *work);
static DECLARE_DELAYED_WORK(retired_work, retired_look);

/**
 * memnet_cm_is_mute() - whether a message about an id would do harm
 * @id: id with a device
 *
 * Return: true on soft-RoCE while its network interface cannot send.
 */
bool memnet_cm_is_mute(const struct rdma_cm_id *id)
{
	const struct ib_gid_attr *attr = id->route.addr.dev_addr.sgid_attr;
	enum ib_port_state state;
	struct net_device *dev;
	bool mute;

	if (!memnet_is_soft_roce(id->device) || !attr)
		return false;
	/* Its port becomes active when the interface already has its routes. */
	if (ib_get_cached_port_state(id->device, id->port_num, &state) ||
	    state != IB_PORT_ACTIVE)
		return true;
	rcu_read_lock();
	dev = rdma_read_gid_attr_ndev_rcu(attr);
	mute = IS_ERR(dev) || !netif_running(dev) || !netif_carrier_ok(dev) ||
	       qdisc_tx_is_noop(dev);
	rcu_read_unlock();
	return mute;
}

/* Runs under the id's handler lock; never lets rdma_cm destroy the id. */
static int retired_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct retired *r = id->context;

	if (event->event == RDMA_CM_EVENT_DEVICE_REMOVAL) {
		WRITE_ONCE(r->removed, true);
		mod_delayed_work(system_unbound_wq, &retired_work, 0);
	}
	return 0;
}

static void retired_look(struct work_struct *work)
{
	struct retired *r, *next;
	LIST_HEAD(now);
	bool more;

	mutex_lock(&retired_mutex);
	list_for_each_entry_safe(r, next, &retired_ids, node)
		if (retired_ending || READ_ONCE(r->removed) || !memnet_cm_is_mute(r->id))
			list_move_tail(&r->node, &now);
	more = !list_empty(&retired_ids);
	mutex_unlock(&retired_mutex);
	/* Its handler may run until the id is destroyed. */
	list_for_each_entry_safe(r, next, &now, node) {
		rdma_destroy_id(r->id);
		kfree(r);
	}
	if (more)
		queue_delayed_work(system_unbound_wq, &retired_work, HZ);
}

/* Whether the id waits now. */
static bool retire(struct memnet_channel *ch, struct rdma_cm_id *id)
{
	struct retired *r;

	if (!ch->cm.talked || !memnet_cm_is_mute(id))
		return false;
	r = kzalloc(sizeof(*r), GFP_KERNEL);
	if (!r)
		return false;
	r->id = id;
	rdma_lock_handler(id);
	if (ch->cm.removed) { /* will not be told again */
		rdma_unlock_handler(id);
		kfree(r);
		return false;
	}
	id->context = r;
	id->event_handler = retired_event;
	mutex_lock(&retired_mutex);
	list_add_tail(&r->node, &retired_ids);
	mutex_unlock(&retired_mutex);
	rdma_unlock_handler(id);
	queue_delayed_work(system_unbound_wq, &retired_work, HZ);
	return true;
}

/**
 * memnet_cm_retire() - destroy the id of a stopped channel, now or later
 * @ch: channel; its queue pair is destroyed
 *
 * Process context. No handler of the channel runs afterwards.
 */
void memnet_cm_retire(struct memnet_channel *ch)
{
	struct rdma_cm_id *id = ch->rdma.id;

	ch->rdma.id = NULL;
	if (id && !retire(ch, id))
		rdma_destroy_id(id);
}

/**
 * memnet_cm_retire_exit() - destroy all that wait
 *
 * The module goes; no channel is left.
 */
void memnet_cm_retire_exit(void)
{
	mutex_lock(&retired_mutex);
	retired_ending = true;
	mutex_unlock(&retired_mutex);
	retired_look(&retired_work.work);
	/* No handler is left that might queue it, but one that ran meanwhile may have. */
	cancel_delayed_work_sync(&retired_work);
}
