// SPDX-License-Identifier: GPL-2.0
/*
 * Listeners: addresses hosts connect to.
 *
 * A listener has an rdma_cm id on its address. A connection request is judged in the rdma_cm
 * handler by what needs no waiting: its private data, the allow-list, whether there is room. Then
 * it is queued, a bounded number of them, and the listener's work makes it a channel of a session
 * (session.c), one after another. While it waits, its id reports to request_event(), which only
 * remembers that the peer is gone.
 *
 * When the device under the id goes away, or an address given at load time is not there yet, the
 * set-up work tries again, every second at first and every eight seconds at last, until it
 * succeeds or the listener is destroyed.
 *
 * An rdma_cm id holds its network namespace, so a namespace lives as long as a listener or a
 * session in it; taking down a namespace begins with `memnetctl tcps unlisten`.
 *
 * Locks: tcps_mutex guards the list of listeners; listener.lock the queue of requests. The id
 * belongs to the set-up work, and to who destroys the listener once that work is cancelled. We
 * never let rdma_cm destroy an id we kept.
 */
#include <linux/slab.h>
#include <net/addrconf.h>
#include <rdma/ib_addr.h>

#include "tcps.h"

#define MAX_WAITING 64 /* connection requests of one listener */
#define RETRY_MIN HZ
#define RETRY_MAX (8 * HZ)

/* guards both lists: listeners and sessions */
DEFINE_MUTEX(tcps_mutex);
LIST_HEAD(tcps_listeners);

/**
 * struct request - a connection request that waits for the listener's work
 * @node:	on the listener's list
 * @id:		its rdma_cm id
 * @req:	its checked private data
 * @gone:	the peer or the device went away meanwhile
 */
struct request {
	struct list_head node;
	struct rdma_cm_id *id;
	struct wire_cm_req req;
	bool gone;
};

static int request_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct request *request = id->context;

	switch (event->event) {
	case RDMA_CM_EVENT_CONNECT_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
	case RDMA_CM_EVENT_REJECTED:
	case RDMA_CM_EVENT_DISCONNECTED:
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		WRITE_ONCE(request->gone, true);
		break;
	default:
		break;
	}
	return 0;
}

/*
 * rdma_cm takes the address from what the peer says of itself. On RoCE, where a GID is an address,
 * it has to be the one our packets go to, so that who is not there never gets an answer. On other
 * fabrics the subnet manager and the allow-list have to be in step.
 */
static bool is_genuine(const struct rdma_cm_id *id)
{
	struct sockaddr_storage at = {};

	if (!rdma_protocol_roce(id->device, id->port_num))
		return true;
	rdma_gid2ip((struct sockaddr *)&at, &id->route.path_rec->dgid);
	return tcps_same_host(&at, &id->route.addr.dst_addr);
}

/* What can be said about a request at once; 0 to go on, else an enum wire_reason. */
static u32 judge(struct tcps_listener *l, struct rdma_cm_id *id, const struct rdma_cm_event *event,
		 struct wire_cm_req *req)
{
	const struct memnet_nl_tcps_cfg *cfg = &l->cfg;
	bool secret;

	switch (wire_check_req(event->param.conn.private_data, event->param.conn.private_data_len,
			       req)) {
	case 0:
		break;
	case -EPROTONOSUPPORT:
		return WIRE_REASON_VERSION;
	default:
		return WIRE_REASON_MALFORMED;
	}
	if (!is_genuine(id) || !tcps_policy_host(cfg, &id->route.addr.dst_addr))
		return WIRE_REASON_DENIED;
	secret = le32_to_cpu(req->features) & WIRE_FEATURE_SECRET;
	if (secret != !!cfg->secret.len)
		return WIRE_REASON_SECRET;
	if (cfg->max_channels && req->channels > cfg->max_channels)
		return WIRE_REASON_LOAD;
	return 0;
}

static void refuse(struct tcps_listener *l, struct rdma_cm_id *id, u32 reason)
{
	memnet_stat_inc(MEMNET_STAT_TCPS_REFUSED);
	atomic_long_inc(&l->refused);
	pr_info_ratelimited("memnet_tcps: refused a connection of %pISc: %s\n",
			    &id->route.addr.dst_addr, wire_reason_name(reason));
	memnet_cm_reject(id, reason);
}

/* A new connection; returns non-zero to have rdma_cm destroy its id. */
static int connect_request(struct tcps_listener *l, struct rdma_cm_id *id,
			   const struct rdma_cm_event *event)
{
	struct wire_cm_req req;
	struct request *request;
	u32 reason = judge(l, id, event, &req);

	if (reason) {
		refuse(l, id, reason);
		return -ECONNREFUSED;
	}
	request = kzalloc(sizeof(*request), GFP_KERNEL);
	if (request) {
		request->id = id;
		request->req = req;
		spin_lock_bh(&l->lock);
		if (!l->closing && l->waiting < MAX_WAITING) {
			l->waiting++;
			list_add_tail(&request->node, &l->requests);
			id->context = request;
			id->event_handler = request_event;
			queue_work(tcps_session_wq, &l->accept);
			spin_unlock_bh(&l->lock);
			return 0;
		}
		spin_unlock_bh(&l->lock);
		kfree(request);
	}
	refuse(l, id, WIRE_REASON_LOAD);
	return -ECONNREFUSED;
}

static int listener_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct tcps_listener *l = id->context;

	switch (event->event) {
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		return connect_request(l, id, event);
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
	case RDMA_CM_EVENT_ADDR_CHANGE:
		spin_lock_bh(&l->lock);
		if (!l->closing)
			mod_delayed_work(tcps_session_wq, &l->setup, 0);
		spin_unlock_bh(&l->lock);
		return 0;
	default:
		return 0;
	}
}

static void accept_work(struct work_struct *work)
{
	struct tcps_listener *l = container_of(work, struct tcps_listener, accept);
	struct request *request;
	u32 reason;

	for (;;) {
		spin_lock_bh(&l->lock);
		request = list_first_entry_or_null(&l->requests, struct request, node);
		if (request) {
			list_del(&request->node);
			l->waiting--;
		}
		spin_unlock_bh(&l->lock);
		if (!request)
			return;
		reason = 0;
		if (READ_ONCE(request->gone)) {
			rdma_destroy_id(request->id);
		} else if (tcps_session_request(l, request->id, &request->req, &reason)) {
			refuse(l, request->id, reason);
			rdma_destroy_id(request->id);
		}
		kfree(request);
		cond_resched();
	}
}

static int setup(struct tcps_listener *l)
{
	struct rdma_cm_id *id = rdma_create_id(l->net, listener_event, l, RDMA_PS_TCP, IB_QPT_RC);
	int ret = 0;

	if (IS_ERR(id))
		return PTR_ERR(id);
	if (l->cfg.addr.ss_family == AF_INET6)
		ret = rdma_set_afonly(id, 1);
	ret = ret							  ?:
		      rdma_bind_addr(id, (struct sockaddr *)&l->cfg.addr) ?:
		      rdma_listen(id, MAX_WAITING);
	if (ret) {
		rdma_destroy_id(id);
		return ret;
	}
	l->id = id;
	l->delay = RETRY_MIN;
	pr_info("memnet_tcps: serving hosts on %pISpc\n", &l->cfg.addr);
	return 0;
}

static void setup_work(struct work_struct *work)
{
	struct tcps_listener *l = container_of(to_delayed_work(work), struct tcps_listener, setup);

	if (l->id) {
		pr_warn("memnet_tcps: lost the device under %pISpc\n", &l->cfg.addr);
		rdma_destroy_id(l->id);
		l->id = NULL;
	}
	if (!setup(l))
		return;
	queue_delayed_work(tcps_session_wq, &l->setup, l->delay);
	l->delay = min_t(unsigned long, l->delay * 2, RETRY_MAX);
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a6->sin6_port == b6->sin6_port && ipv6_addr_equal(&a6->sin6_addr, &b6->sin6_addr);
}

static struct tcps_listener *find(struct net *net, const struct sockaddr_storage *addr)
{
	struct tcps_listener *l;

	lockdep_assert_held(&tcps_mutex);
	list_for_each_entry(l, &tcps_listeners, node)
		if (net_eq(l->net, net) && same_address(&l->cfg.addr, addr))
			return l;
	return NULL;
}

/**
 * tcps_listener_put() - drop a reference; the last frees the listener
 * @l: listener
 */
void tcps_listener_put(struct tcps_listener *l)
{
	if (!refcount_dec_and_test(&l->refs))
		return;
	put_net_track(l->net, &l->tracker);
	kfree_sensitive(l);
}

/* Takes no more requests; @reason is for those that wait. */
static void shut(struct tcps_listener *l, u32 reason)
{
	struct request *request, *next;

	spin_lock_bh(&l->lock);
	l->closing = true;
	spin_unlock_bh(&l->lock);
	cancel_delayed_work_sync(&l->setup);
	if (l->id)
		rdma_destroy_id(l->id);
	l->id = NULL;
	cancel_work_sync(&l->accept);
	list_for_each_entry_safe(request, next, &l->requests, node) {
		memnet_cm_reject(request->id, reason);
		rdma_destroy_id(request->id);
		kfree(request);
	}
}

/**
 * tcps_listener_create() - serve hosts on an address
 * @net: namespace
 * @cfg: address and terms; copied, with defaults filled in
 * @patient: try for ever where the address or its device is not there
 *
 * Return: 0 or a negative errno.
 */
int tcps_listener_create(struct net *net, const struct memnet_nl_tcps_cfg *cfg, bool patient)
{
	struct tcps_listener *l = kzalloc(sizeof(*l), GFP_KERNEL);
	int ret;

	if (!l)
		return -ENOMEM;
	refcount_set(&l->refs, 1);
	l->cfg = *cfg;
	if (!l->cfg.max_sessions)
		l->cfg.max_sessions = tcps_max_sessions;
	if (!l->cfg.max_channels)
		l->cfg.max_channels = WIRE_MAX_CHANNELS;
	if (!l->cfg.max_endpoints)
		l->cfg.max_endpoints = tcps_max_endpoints;
	if (!l->cfg.max_pages)
		l->cfg.max_pages = max(tcps_max_pages / 2, 1UL); /* it alone troubles no other */
	l->delay = RETRY_MIN;
	spin_lock_init(&l->lock);
	INIT_LIST_HEAD(&l->requests);
	INIT_WORK(&l->accept, accept_work);
	INIT_DELAYED_WORK(&l->setup, setup_work);
	l->net = get_net_track(net, &l->tracker, GFP_KERNEL);

	mutex_lock(&tcps_mutex);
	ret = find(net, &l->cfg.addr) ? -EADDRINUSE : setup(l);
	if (ret && ret != -EADDRINUSE && patient) {
		pr_warn("memnet_tcps: cannot serve hosts on %pISpc yet (%d), will keep trying\n",
			&l->cfg.addr, ret);
		queue_delayed_work(tcps_session_wq, &l->setup, l->delay);
		ret = 0;
	}
	if (!ret)
		list_add_tail(&l->node, &tcps_listeners);
	mutex_unlock(&tcps_mutex);
	if (ret) {
		/* Its device may have gone, and come, while it was being set up. */
		shut(l, WIRE_REASON_ADMIN);
		tcps_listener_put(l);
	}
	return ret;
}

/* Ends a listener that is off the list, and begins to end its sessions. */
static void destroy(struct tcps_listener *l, u32 reason)
{
	shut(l, reason);
	pr_info("memnet_tcps: no longer serving hosts on %pISpc\n", &l->cfg.addr);
	tcps_session_end_all(l, reason, reason == WIRE_REASON_UNLOAD);
	tcps_listener_put(l);
}

/**
 * tcps_listener_destroy() - stop serving hosts on an address
 * @net: namespace
 * @addr: address and port
 *
 * The sessions it admitted end in the background.
 *
 * Return: 0 or -ENOENT.
 */
int tcps_listener_destroy(struct net *net, const struct sockaddr_storage *addr)
{
	struct tcps_listener *l;

	mutex_lock(&tcps_mutex);
	l = find(net, addr);
	if (l)
		list_del(&l->node);
	mutex_unlock(&tcps_mutex);
	if (!l)
		return -ENOENT;
	destroy(l, WIRE_REASON_ADMIN);
	return 0;
}

/**
 * tcps_listener_destroy_all() - end all listeners, and wait for all sessions to end
 * @reason: enum wire_reason
 */
void tcps_listener_destroy_all(u32 reason)
{
	struct tcps_listener *l;

	for (;;) {
		mutex_lock(&tcps_mutex);
		l = list_first_entry_or_null(&tcps_listeners, struct tcps_listener, node);
		if (l)
			list_del(&l->node);
		mutex_unlock(&tcps_mutex);
		if (!l)
			break;
		destroy(l, reason);
	}
	tcps_session_end_all(NULL, reason, true);
}
