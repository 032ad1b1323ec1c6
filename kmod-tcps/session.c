// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions: a host being served.
 *
 * The request for channel 0 begins a session, those for further channels join it by host id,
 * nonce and address. When channel 0 is up, that is, when the host has proved the secret, older
 * sessions of the same host on this listener are ended first, completely, so that their ports are
 * free; only then are endpoints served. A request that never comes so far cannot harm the session
 * that is. Channels that are not up ten seconds after they were asked for end the session.
 *
 * A host may have several links to us, each a session. How many is bounded for each address, so
 * that no host takes the place of all others; and so, more tightly, are those that have not come
 * up yet, each of which holds the buffers of its channels.
 *
 * The same host is the same id at the same address, for an id is easily guessed, and every host
 * knows the secret. An id that is in service at another address is refused; who has moved gets in
 * when its old session's heartbeat is lost.
 *
 * Any failure of one channel ends the session: tcps_session_end() remembers the first reason and
 * queues the end work, which halts the workers, stops the channels (no message comes any more),
 * resets every native socket, and frees all. Hosts that are still there are told the reason.
 *
 * Locks: tcps_mutex guards the list, and who of one id becomes UP; session.lock state, channels and
 * domain. The end work runs
 * once; it alone takes down. Nothing waits for a session while it holds a lock, except for its
 * end while holding none.
 */
#include <linux/cpumask.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "tcps.h"

#define DEADLINE (10 * HZ) /* for a channel to come up */

/* Sessions of one address and listener, and how many of them may not have been UP yet. */
#define MAX_OF_ADDRESS 8
#define MAX_STARTING 4

LIST_HEAD(tcps_sessions);

static const u8 allowed[] = {
	[TCPS_SESSION_STARTING] = BIT(TCPS_SESSION_UP) | BIT(TCPS_SESSION_ENDING),
	[TCPS_SESSION_UP] = BIT(TCPS_SESSION_ENDING),
	[TCPS_SESSION_ENDING] = BIT(TCPS_SESSION_DEAD),
	[TCPS_SESSION_DEAD] = 0,
};

static bool session_change_state(struct tcps_session *s, enum tcps_session_state next)
{
	lockdep_assert_held(&s->lock);
	if (!(allowed[s->state] & BIT(next)))
		return false;
	WRITE_ONCE(s->state, next);
	return true;
}

/**
 * tcps_same_host() - whether two addresses are one host's; the port does not count
 * @a: address
 * @b: address
 */
bool tcps_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((struct sockaddr_in *)b)->sin_addr.s_addr;
	return ipv6_addr_equal(&((struct sockaddr_in6 *)a)->sin6_addr,
			       &((struct sockaddr_in6 *)b)->sin6_addr);
}

/**
 * tcps_session_put() - drop a reference; the last frees a dead session
 * @s: session
 */
void tcps_session_put(struct tcps_session *s)
{
	if (!refcount_dec_and_test(&s->refs))
		return;
	tcps_listener_put(s->listener);
	mutex_destroy(&s->lock);
	memnet_stat_dec(MEMNET_STAT_TCPS_SESSIONS);
	kfree(s);
}

/* ---- the channels' calls ---- */

static void channel_up(struct memnet_channel *ch)
{
	struct tcps_channel *tc = ch->owner;

	if (!ch->number)
		queue_work(tcps_session_wq, &tc->session->up);
	else
		tcps_channel_queue(tc);
}

static void channel_failed(struct memnet_channel *ch)
{
	struct tcps_channel *tc = ch->owner;

	tcps_session_end(tc->session, ch->life.reason ?: WIRE_REASON_TRANSPORT);
}

static const struct memnet_channel_ops channel_ops = {
	.receive = tcps_receive,
	.up = channel_up,
	.failed = channel_failed,
};

/* ---- life ---- */

static bool is_serving(const struct tcps_session *s)
{
	return READ_ONCE(s->state) == TCPS_SESSION_UP && !READ_ONCE(s->reason);
}

/*
 * A session of the same id that has to be gone before this one can be served: an older one of the
 * same host, or any that is ending. @reason tells why it cannot be served at all, else 0.
 */
static struct tcps_session *find_obstacle(struct tcps_session *s, u32 *reason)
{
	struct tcps_session *other, *obstacle = NULL;
	bool passed = false;

	lockdep_assert_held(&tcps_mutex);
	*reason = 0;
	list_for_each_entry(other, &tcps_sessions, node) {
		passed |= other == s;
		if (other == s || other->listener != s->listener || other->host_id != s->host_id)
			continue;
		if (!tcps_same_host(&other->addr, &s->addr)) {
			if (is_serving(other))
				*reason = WIRE_REASON_HOST_ID;
			else if (READ_ONCE(other->reason))
				obstacle = other;
		} else if (!passed) {
			obstacle = other;
		} else if (is_serving(other)) {
			*reason = WIRE_REASON_REPLACED;
		}
	}
	return obstacle;
}

static void serve(struct tcps_session *s)
{
	int i;

	lockdep_assert_held(&tcps_mutex);
	mutex_lock(&s->lock);
	if (session_change_state(s, TCPS_SESSION_UP)) {
		WRITE_ONCE(s->serving, true);
		for (i = 0; i < WIRE_MAX_CHANNELS; i++)
			if (s->channels[i])
				tcps_channel_queue(s->channels[i]);
		pr_info_ratelimited("memnet_tcps: session %u of host %016llx at %pISc is up\n",
				    s->number, s->host_id, &s->addr);
	}
	mutex_unlock(&s->lock);
}

static void up_work(struct work_struct *work)
{
	struct tcps_session *s = container_of(work, struct tcps_session, up);
	struct tcps_session *obstacle;
	u32 reason;

	do {
		mutex_lock(&tcps_mutex);
		obstacle = find_obstacle(s, &reason);
		if (reason)
			tcps_session_end(s, reason);
		/* Only those that live wait, and only for those that end: never for each other. */
		if (READ_ONCE(s->reason)) {
			obstacle = NULL;
		} else if (obstacle) {
			tcps_session_end(obstacle, WIRE_REASON_REPLACED);
			refcount_inc(&obstacle->refs);
		} else {
			serve(s);
		}
		mutex_unlock(&tcps_mutex);
		if (obstacle) {
			wait_for_completion(&obstacle->ended);
			tcps_session_put(obstacle);
		}
	} while (obstacle);
}

static void deadline_work(struct work_struct *work)
{
	struct tcps_session *s = container_of(to_delayed_work(work), struct tcps_session, deadline);
	bool late = false;
	int i;

	mutex_lock(&s->lock);
	for (i = 0; i < WIRE_MAX_CHANNELS; i++)
		if (s->channels[i] && !memnet_channel_is_up(s->channels[i]->ch))
			late = true;
	mutex_unlock(&s->lock);
	if (late)
		tcps_session_end(s, WIRE_REASON_TRANSPORT);
}

/* Whether a host can still be told why, without waiting for one that is not there. */
static bool is_polite(u32 reason)
{
	return reason == WIRE_REASON_ADMIN || reason == WIRE_REASON_UNLOAD ||
	       reason == WIRE_REASON_PROTOCOL || reason == WIRE_REASON_LOAD ||
	       reason == WIRE_REASON_HOST_ID;
}

static void end_work(struct work_struct *work)
{
	struct tcps_session *s = container_of(work, struct tcps_session, end);
	struct tcps_channel *tc;
	int i;

	mutex_lock(&s->lock);
	session_change_state(s, TCPS_SESSION_ENDING);
	mutex_unlock(&s->lock); /* from here on nobody adds channels */
	pr_info_ratelimited("memnet_tcps: session %u of host %016llx ends: %s\n", s->number,
			    s->host_id, wire_reason_name(s->reason));

	/*
	 * Nothing more is sent, so that a farewell finds room. Accept pumps reach into other
	 * channels: all workers halt before any endpoint goes.
	 */
	for (i = 0; i < WIRE_MAX_CHANNELS; i++)
		if (s->channels[i])
			tcps_channel_halt(s->channels[i]);
	for (i = 0; i < WIRE_MAX_CHANNELS; i++)
		if (s->channels[i] && is_polite(s->reason))
			memnet_channel_leave(s->channels[i]->ch, s->reason);
		else if (s->channels[i])
			memnet_channel_fail(s->channels[i]->ch, s->reason);
	for (i = 0; i < WIRE_MAX_CHANNELS; i++)
		if (s->channels[i])
			memnet_channel_stop(s->channels[i]->ch, s->reason);
	mutex_lock(&s->lock);
	memnet_domain_put(s->domain);
	s->domain = NULL;
	mutex_unlock(&s->lock);
	for (i = 0; i < WIRE_MAX_CHANNELS; i++)
		if (s->channels[i])
			memnet_channel_detach(s->channels[i]->ch);
	cancel_work_sync(&s->up);
	cancel_delayed_work_sync(&s->deadline);
	for (i = 0; i < WIRE_MAX_CHANNELS; i++)
		if (s->channels[i])
			tcps_channel_drain(s->channels[i]);
	/* netlink looks at channels under session.lock */
	mutex_lock(&s->lock);
	for (i = 0; i < WIRE_MAX_CHANNELS; i++) {
		tc = s->channels[i];
		s->channels[i] = NULL;
		if (tc)
			tcps_channel_free(tc);
	}
	session_change_state(s, TCPS_SESSION_DEAD);
	mutex_unlock(&s->lock);

	mutex_lock(&tcps_mutex);
	list_del(&s->node);
	mutex_unlock(&tcps_mutex);
	complete_all(&s->ended);
	tcps_session_put(s);
}

/**
 * tcps_session_end() - a session is to end
 * @s: session
 * @reason: enum wire_reason; the first one counts
 *
 * Any context. The work is done in the background; session.ended tells when.
 */
void tcps_session_end(struct tcps_session *s, u32 reason)
{
	if (!cmpxchg(&s->reason, 0, reason))
		queue_work(tcps_end_wq, &s->end);
}

static bool has_channels(const struct tcps_session *s)
{
	unsigned int i;

	for (i = 0; i < WIRE_MAX_CHANNELS; i++)
		if (s->channels[i])
			return true;
	return false;
}

/**
 * tcps_session_end_all() - end the sessions of a listener
 * @l: listener, or NULL for all sessions
 * @reason: enum wire_reason
 * @wait: until they are gone
 */
void tcps_session_end_all(struct tcps_listener *l, u32 reason, bool wait)
{
	struct tcps_session *s, *found;

	do {
		found = NULL;
		mutex_lock(&tcps_mutex);
		list_for_each_entry(s, &tcps_sessions, node) {
			if (l && s->listener != l)
				continue;
			tcps_session_end(s, reason);
			found = s;
		}
		if (found)
			refcount_inc(&found->refs);
		mutex_unlock(&tcps_mutex);
		if (found && wait)
			wait_for_completion(&found->ended);
		if (found)
			tcps_session_put(found);
	} while (found && wait);
	if (wait) {
		flush_workqueue(tcps_end_wq);
		flush_workqueue(tcps_session_wq);
	}
}

/* ---- admission ---- */

static struct tcps_session *create(struct tcps_listener *l, const struct rdma_cm_id *id,
				   const struct wire_cm_req *req)
{
	static u32 counter; /* under tcps_mutex */
	struct tcps_session *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	refcount_set(&s->refs, 1);
	refcount_inc(&l->refs);
	s->listener = l;
	s->number = ++counter;
	s->host_id = le64_to_cpu(req->host_id);
	s->boot_id = le64_to_cpu(req->boot_id);
	s->nonce = le64_to_cpu(req->nonce);
	s->nr_channels = req->channels;
	s->addr = id->route.addr.dst_addr;
	mutex_init(&s->lock);
	INIT_WORK(&s->up, up_work);
	INIT_WORK(&s->end, end_work);
	INIT_DELAYED_WORK(&s->deadline, deadline_work);
	init_completion(&s->ended);
	spin_lock_init(&s->starved_lock);
	INIT_LIST_HEAD(&s->starved);
	memnet_stat_inc(MEMNET_STAT_TCPS_SESSIONS);
	return s;
}

/* Begins a session; returns it with a reference. */
static struct tcps_session *begin(struct tcps_listener *l, const struct rdma_cm_id *id,
				  const struct wire_cm_req *req, u32 *reason)
{
	unsigned int others = 0, of_address = 0, starting = 0;
	struct tcps_session *s, *new = NULL;

	*reason = WIRE_REASON_LOAD;
	mutex_lock(&tcps_mutex);
	list_for_each_entry(s, &tcps_sessions, node) {
		bool same_id = s->host_id == le64_to_cpu(req->host_id);
		bool same_addr = tcps_same_host(&s->addr, &id->route.addr.dst_addr);

		if (s->listener != l)
			continue;
		/* One that is being ended holds its memory until it is gone. */
		starting += same_addr && !READ_ONCE(s->serving);
		if (same_id && same_addr) {
			/* A host that tries again gives up what it began before. */
			if (READ_ONCE(s->state) == TCPS_SESSION_STARTING)
				tcps_session_end(s, WIRE_REASON_REPLACED);
			continue;
		}
		others++;
		of_address += same_addr;
		if (same_id && is_serving(s))
			*reason = WIRE_REASON_HOST_ID;
	}
	if (*reason != WIRE_REASON_HOST_ID && others < l->cfg.max_sessions &&
	    of_address < MAX_OF_ADDRESS && starting < MAX_STARTING && tcps_admits(NULL))
		new = create(l, id, req);
	if (new) {
		refcount_inc(&new->refs);
		list_add_tail(&new->node, &tcps_sessions);
	}
	mutex_unlock(&tcps_mutex);
	return new;
}

/* The session a further channel belongs to, with a reference. */
static struct tcps_session *find(struct tcps_listener *l, const struct rdma_cm_id *id,
				 const struct wire_cm_req *req, u32 *reason)
{
	struct tcps_session *s, *found = NULL;

	mutex_lock(&tcps_mutex);
	list_for_each_entry(s, &tcps_sessions, node) {
		if (s->listener == l && s->host_id == le64_to_cpu(req->host_id) &&
		    s->nonce == le64_to_cpu(req->nonce) && s->nr_channels == req->channels &&
		    tcps_same_host(&s->addr, &id->route.addr.dst_addr)) {
			found = s;
			refcount_inc(&s->refs);
			break;
		}
	}
	mutex_unlock(&tcps_mutex);
	*reason = WIRE_REASON_SESSION;
	return found;
}

/* Returns non-zero when the id is still the caller's. */
static int add_channel(struct tcps_session *s, struct rdma_cm_id *id, const struct wire_cm_req *req,
		       u32 *reason)
{
	const struct memnet_nl_secret *secret = &s->listener->cfg.secret;
	struct memnet_channel_config cfg = {
		.cpu		= cpumask_local_spread(req->channel % num_online_cpus(),
						       NUMA_NO_NODE),
		.slots		= le32_to_cpu(req->slots),
		.heartbeat_ms	= tcps_heartbeat_ms,
		.secret_len	= secret->len,
		.who = {
			.host_id	= s->host_id,
			.boot_id	= le64_to_cpu(req->boot_id),
			.nonce		= s->nonce,
			.host_challenge	= le64_to_cpu(req->challenge),
			.channel	= req->channel,
			.channels	= req->channels,
		},
	};
	struct tcps_channel *tc;
	int ret = -EBUSY;

	memcpy(cfg.secret, secret->key, min(sizeof(cfg.secret), sizeof(secret->key)));
	mutex_lock(&s->lock);
	*reason = WIRE_REASON_SESSION;
	if (s->state > TCPS_SESSION_UP || s->channels[req->channel])
		goto out;
	*reason = WIRE_REASON_LOAD;
	tc = tcps_channel_create(s, &cfg, &channel_ops);
	if (!tc)
		goto out;
	ret = memnet_channel_accept(tc->ch, id, req, &s->domain);
	if (ret) {
		/* The id went with the channel, which the end work must not find. */
		pr_warn_ratelimited("memnet_tcps: cannot accept channel %u of %pISc (%d)\n",
				    req->channel, &s->addr, ret);
		memnet_channel_stop(tc->ch, WIRE_REASON_RESOURCES);
		if (!has_channels(s)) {
			memnet_domain_put(s->domain);
			s->domain = NULL;
		}
		memnet_channel_detach(tc->ch);
		tcps_channel_halt(tc);
		tcps_channel_drain(tc);
		tcps_channel_free(tc);
		tcps_session_end(s, WIRE_REASON_RESOURCES);
		ret = 0;
		goto out;
	}
	s->channels[req->channel] = tc;
	mod_delayed_work(tcps_session_wq, &s->deadline, DEADLINE);
out:
	mutex_unlock(&s->lock);
	memzero_explicit(&cfg, sizeof(cfg));
	return ret;
}

/**
 * tcps_session_request() - make a connection request a channel
 * @l: listener
 * @id: the request's rdma_cm id
 * @req: its checked private data
 * @reason: enum wire_reason of a refusal
 *
 * Return: 0 when the id was taken over; else a negative errno, to be refused by the caller.
 */
int tcps_session_request(struct tcps_listener *l, struct rdma_cm_id *id,
			 const struct wire_cm_req *req, u32 *reason)
{
	struct tcps_session *s = req->channel ? find(l, id, req, reason) :
						begin(l, id, req, reason);
	int ret;

	if (!s)
		return -ENOENT;
	ret = add_channel(s, id, req, reason);
	if (ret && !req->channel)
		tcps_session_end(s, WIRE_REASON_RESOURCES);
	tcps_session_put(s);
	return ret;
}
