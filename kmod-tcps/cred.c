// SPDX-License-Identifier: GPL-2.0
/*
 * Credentials that stand for a user of a host.
 *
 * Native sockets are made, bound, listened on and connected under credentials without any
 * capability and with a uid of their own for each (host, uid), so the kernel's checks do the
 * work: who may share a port by SO_REUSEPORT, which options need a privilege (of ports below 1024
 * the listener's list decides, of options its classes, control.c). These uids begin at 0x40000000
 * and mean nobody on the node. A host is an id at an address, as it is for sessions: who claims
 * another's id does not get its ports.
 *
 * An owner lives while endpoints use it, and for a while longer, so that a user keeps its uid; a
 * bounded number of unused ones is kept, the oldest goes first.
 *
 * Locks: owners_lock, a mutex.
 */
#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/random.h>
#include <linux/sched/task.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/xarray.h>
#include <linux/init_task.h>

#include "tcps.h"

#define UID_BASE 0x40000000U
#define UID_COUNT 0x3fffffffU
#define MAX_IDLE 1024

static DEFINE_HASHTABLE(owners, 12);
static siphash_key_t key; /* hosts choose what is hashed */
static DEFINE_XARRAY_ALLOC(numbers);
static DEFINE_MUTEX(owners_lock);
static LIST_HEAD(idle);
static unsigned int nr_idle;
static u32 next_number;

/* @cap: the only capability, or -1 */
static const struct cred *make_cred(kuid_t uid, int cap)
{
	struct cred *cred = prepare_kernel_cred(&init_task);

	if (!cred)
		return NULL;
	cred->uid = uid;
	cred->euid = uid;
	cred->suid = uid;
	cred->fsuid = uid;
	cred->gid = KGIDT_INIT(__kuid_val(uid));
	cred->egid = cred->gid;
	cred->sgid = cred->gid;
	cred->fsgid = cred->gid;
	cred->securebits = SECUREBITS_DEFAULT;
	cap_clear(cred->cap_inheritable);
	cap_clear(cred->cap_permitted);
	cap_clear(cred->cap_effective);
	cap_clear(cred->cap_ambient);
	cap_clear(cred->cap_bset);
	if (cap >= 0) {
		cap_raise(cred->cap_permitted, cap);
		cap_raise(cred->cap_effective, cap);
	}
	return cred;
}

static void free_owner(struct tcps_owner *owner)
{
	hash_del(&owner->node);
	xa_erase(&numbers, owner->number);
	put_cred(owner->cred);
	kfree(owner);
}

static u64 hash(const struct tcps_session *s, u32 uid)
{
	return siphash_2u64(s->host_id, uid, &key);
}

static struct tcps_owner *find(const struct tcps_session *s, u32 uid)
{
	struct tcps_owner *owner;

	hash_for_each_possible(owners, owner, node, hash(s, uid))
		if (owner->host_id == s->host_id && owner->uid == uid &&
		    tcps_same_host(&owner->addr, &s->addr))
			return owner;
	return NULL;
}

static struct tcps_owner *make_owner(const struct tcps_session *s, u32 uid)
{
	struct tcps_owner *owner = kzalloc(sizeof(*owner), GFP_KERNEL);

	if (!owner)
		return NULL;
	if (xa_alloc_cyclic(&numbers, &owner->number, owner, XA_LIMIT(0, UID_COUNT), &next_number,
			    GFP_KERNEL) < 0) {
		kfree(owner);
		return NULL;
	}
	owner->cred = make_cred(KUIDT_INIT(UID_BASE + owner->number), -1);
	if (!owner->cred) {
		xa_erase(&numbers, owner->number);
		kfree(owner);
		return NULL;
	}
	owner->host_id = s->host_id;
	owner->addr = s->addr;
	owner->uid = uid;
	INIT_LIST_HEAD(&owner->idle);
	hash_add(owners, &owner->node, hash(s, uid));
	return owner;
}

/**
 * tcps_owner_get() - who a user of a host is here
 * @s: the host's session
 * @uid: its uid there
 *
 * Return: the owner, to be returned by tcps_owner_put(), or an ERR_PTR.
 */
struct tcps_owner *tcps_owner_get(const struct tcps_session *s, u32 uid)
{
	struct tcps_owner *owner;

	mutex_lock(&owners_lock);
	owner = find(s, uid) ?: make_owner(s, uid);
	if (owner) {
		if (!owner->users++ && !list_empty(&owner->idle)) {
			list_del_init(&owner->idle);
			nr_idle--;
		}
	} else {
		owner = ERR_PTR(-ENOMEM);
	}
	mutex_unlock(&owners_lock);
	return owner;
}

/**
 * tcps_owner_put() - return an owner
 * @owner: the owner
 */
void tcps_owner_put(struct tcps_owner *owner)
{
	mutex_lock(&owners_lock);
	if (!--owner->users) {
		list_add_tail(&owner->idle, &idle);
		if (++nr_idle > MAX_IDLE) {
			owner = list_first_entry(&idle, struct tcps_owner, idle);
			list_del(&owner->idle);
			nr_idle--;
			free_owner(owner);
		}
	}
	mutex_unlock(&owners_lock);
}

/**
 * tcps_owner_capable() - an owner's credentials with a capability, for one call
 * @owner: the owner
 * @cap: CAP_NET_BIND_SERVICE for a port below 1024, CAP_NET_RAW for an option
 *
 * Return: the credentials, to be put, or NULL.
 */
const struct cred *tcps_owner_capable(const struct tcps_owner *owner, int cap)
{
	return make_cred(owner->cred->fsuid, cap);
}

/**
 * tcps_cred_init() - before the first host
 */
void tcps_cred_init(void)
{
	get_random_bytes(&key, sizeof(key));
}

/**
 * tcps_cred_exit() - all endpoints are gone
 */
void tcps_cred_exit(void)
{
	struct tcps_owner *owner, *next;

	list_for_each_entry_safe(owner, next, &idle, idle) {
		list_del(&owner->idle);
		free_owner(owner);
	}
	nr_idle = 0;
	xa_destroy(&numbers);
}
