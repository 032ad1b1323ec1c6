// SPDX-License-Identifier: GPL-2.0
/*
 * Options that TCP judges: by what it has, or by the state it is in.
 *
 * With an endpoint it is the node's TCP that is asked, and its answer is setsockopt()'s. Without
 * one a native socket of this machine is, which is as new as this one, where that makes no
 * difference; where it does, as it does for the names of congestion control algorithms, the socket
 * gets its endpoint now, as by bind().
 *
 * What was accepted is kept, each option once, and set again on every endpoint and native socket
 * that the socket gets later. Nobody waits for what comes of that: another node, or the host, may
 * not have what the first one had. What an option is then is read where TCP is (sockopt.c).
 *
 * Some are the node's administrator's to allow, by class: the node refuses those of a class that is
 * not allowed as TCP does those it has never heard of. Where TCP wants a capability its caller has
 * to have it here, and the node is told that he has. Of SOL_SOCKET, which the core reads, the value
 * is in struct sock, too; but that of a device, which is the node's: the core would look for it
 * here.
 *
 * A value that is kept never changes, so that a child, which has its listener's on the node, has
 * them here by reference. memnet_sock.kept is under lock_sock().
 */
#include <linux/refcount.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "memnet.h"
#include "option.h"

#define ASK	0x1	/* only the node knows */
#define ALONE	0x2	/* is not inherited */
#define VOUCHED	0x4	/* the node is told that the caller may */
#define DEVICE	0x8	/* of the node: nothing here has it */

/**
 * enum judged_type - what a value is
 * @NUMBER:	an int
 * @FLAG:	an int of which any value but 0 is 1
 * @RATE:	an u64
 * @NAME:	text
 * @KEY:	one or two of TCP_FASTOPEN_KEY_LENGTH bytes
 * @IFNAME:	name of a device, cut where it is too long
 */
enum judged_type {
	NUMBER,
	FLAG,
	RATE,
	NAME,
	KEY,
	IFNAME,
};

static const struct judged {
	int level, name;
	enum judged_type type;
	u8 how;
} judged[MEMNET_JUDGED_END] = {
	[MEMNET_JUDGED_CONGESTION] = { SOL_TCP, TCP_CONGESTION, NAME, ASK },
	[MEMNET_JUDGED_WINDOW_CLAMP] = { SOL_TCP, TCP_WINDOW_CLAMP, NUMBER, ALONE },
	[MEMNET_JUDGED_FASTOPEN] = { SOL_TCP, TCP_FASTOPEN, NUMBER, ALONE },
	[MEMNET_JUDGED_NO_COOKIE] = { SOL_TCP, TCP_FASTOPEN_NO_COOKIE, NUMBER },
	[MEMNET_JUDGED_FASTOPEN_KEY] = { SOL_TCP, TCP_FASTOPEN_KEY, KEY, ALONE },
	[MEMNET_JUDGED_PREFERENCES] = { SOL_IPV6, IPV6_ADDR_PREFERENCES, NUMBER },
	[MEMNET_JUDGED_PACING] = { SOL_SOCKET, SO_MAX_PACING_RATE, RATE },
	[MEMNET_JUDGED_PRIORITY] = { SOL_SOCKET, SO_PRIORITY, NUMBER, ASK | ALONE | VOUCHED },
	[MEMNET_JUDGED_MARK] = { SOL_SOCKET, SO_MARK, NUMBER, ASK | VOUCHED },
	[MEMNET_JUDGED_DONTROUTE] = { SOL_SOCKET, SO_DONTROUTE, FLAG, ASK },
	[MEMNET_JUDGED_DEVICE] = { SOL_SOCKET, SO_BINDTODEVICE, IFNAME, ASK | DEVICE },
	[MEMNET_JUDGED_IFINDEX] = { SOL_SOCKET, SO_BINDTOIFINDEX, NUMBER, ASK | DEVICE },
	[MEMNET_JUDGED_FREEBIND] = { SOL_IP, IP_FREEBIND, FLAG, ASK },
	[MEMNET_JUDGED_TRANSPARENT] = { SOL_IP, IP_TRANSPARENT, FLAG, ASK | VOUCHED },
};

/**
 * struct memnet_kept - the value of an option that was accepted
 * @refs:	sockets that have it
 * @len:	of @value
 * @value:	as TCP wants it
 */
struct memnet_kept {
	refcount_t refs;
	u32 len;
	union {
		int number;
		u64 rate;
		char text[TCP_CA_NAME_MAX];
		u8 key[TCP_FASTOPEN_KEY_BUF_LENGTH];
		char device[IFNAMSIZ];
	} value;
};

static_assert(sizeof_field(struct memnet_kept, value) <= WIRE_OPT_MAX);

static void put(struct memnet_kept *kept)
{
	if (kept && refcount_dec_and_test(&kept->refs))
		kfree_sensitive(kept);
}

/* As TCP takes it from the caller; integers have been looked at already. */
static int take(const struct judged *o, struct memnet_kept *kept, sockptr_t value, unsigned int len,
		int number)
{
	int ret;

	switch (o->type) {
	case RATE:	/* the core has it */
		return -ENOPROTOOPT;
	case NAME:
		if (len < 1)
			return -EINVAL;
		kept->len = sizeof(kept->value.text);
		ret = strncpy_from_sockptr(kept->value.text, value,
					   min_t(unsigned int, kept->len - 1, len));
		/* Not more than that is valid, and the rest has to be 0. */
		if (ret < 0)
			return -EFAULT;
		memset(kept->value.text + ret, 0, kept->len - ret);
		return 0;
	case KEY:
		if (len != TCP_FASTOPEN_KEY_LENGTH && len != TCP_FASTOPEN_KEY_BUF_LENGTH)
			return -EINVAL;
		kept->len = len;
		return copy_from_sockptr(kept->value.key, value, len) ? -EFAULT : 0;
	case IFNAME:
		kept->len = sizeof(kept->value.device);
		len = min_t(unsigned int, len, IFNAMSIZ - 1);
		return copy_from_sockptr(kept->value.device, value, len) ? -EFAULT : 0;
	case FLAG:
		if (!len)
			return -EINVAL;
		number = !!number;
		break;
	default:
		if (len < sizeof(number))
			return -EINVAL;
	}
	kept->len = sizeof(kept->value.number);
	kept->value.number = number;
	return 0;
}

/* The capability that TCP wants of its caller. */
static bool may(const struct sock *sk, int i, int number)
{
	struct user_namespace *ns = sock_net(sk)->user_ns;

	if (!(judged[i].how & VOUCHED) || (i == MEMNET_JUDGED_TRANSPARENT && !number))
		return true;
	return ns_capable(ns, CAP_NET_RAW) || ns_capable(ns, CAP_NET_ADMIN);
}

static void make_message(struct wire_msg *msg, int i, const struct memnet_kept *kept)
{
	__le32 number = cpu_to_le32(kept->value.number);
	__le64 rate = cpu_to_le64(kept->value.rate);

	wire_init(msg, WIRE_SETOPT, 0, 0);
	msg->setopt.level = cpu_to_le32(judged[i].level);
	msg->setopt.name = cpu_to_le32(judged[i].name);
	msg->setopt.len = cpu_to_le32(kept->len);
	if (judged[i].how & VOUCHED)
		msg->setopt.flags = cpu_to_le32(WIRE_SETOPT_VOUCHED);
	switch (judged[i].type) {
	case NAME:
	case KEY:
	case IFNAME:
		memcpy(msg->setopt.value, &kept->value, kept->len);
		break;
	case RATE:
		memcpy(msg->setopt.value, &rate, sizeof(rate));
		break;
	default:
		memcpy(msg->setopt.value, &number, sizeof(number));
	}
}

static int ask_node(struct sock *sk, int i, const struct memnet_kept *kept)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	struct memnet_answer answer = {};
	struct wire_msg msg;

	make_message(&msg, i, kept);
	msg.hdr.flags = WIRE_F_REPLY;
	/* In the order of what was set before, until there is a connection with a stream. */
	return memnet_request(sk, ep, &msg, !READ_ONCE(ep->connected), &answer);
}

/* May the socket get an endpoint, or one that works again? */
static bool may_open(struct sock *sk)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;

	return sk->sk_state == TCP_CLOSE && !(ep && READ_ONCE(ep->connected));
}

/* The socket has an endpoint that a node knows. */
static bool is_known(const struct memnet_sock *mn)
{
	return mn->ep && READ_ONCE(mn->ep->lc);
}

static int set_native(struct socket *native, int i, struct memnet_kept *kept)
{
	sockptr_t value = KERNEL_SOCKPTR(&kept->value);
	unsigned long rate = kept->value.rate;

	if (judged[i].type == RATE)
		return sock_setsockopt(native, judged[i].level, judged[i].name,
				       KERNEL_SOCKPTR(&rate), sizeof(rate));
	if (judged[i].level == SOL_SOCKET)
		return sock_setsockopt(native, judged[i].level, judged[i].name, value, kept->len);
	return native->ops->setsockopt(native, judged[i].level, judged[i].name, value, kept->len);
}

/* A new native socket says what a new one on the node would. */
static int try_here(struct sock *sk, int i, struct memnet_kept *kept)
{
	struct socket *native;
	int ret;

	ret = memnet_native_create(sk, &native);
	if (ret)
		return ret;
	ret = set_native(native, i, kept);
	sock_release(native);
	return ret;
}

static int judge(struct sock *sk, int i, struct memnet_kept *kept)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *opened = NULL;
	int ret = 0;

	if (judged[i].how & ASK && may_open(sk)) {
		opened = mn->ep;
		ret = memnet_open(sk);
		opened = opened ? NULL : mn->ep;
	}
	if (!ret && !is_known(mn))
		ret = judged[i].how & ASK ? -ENETDOWN : try_here(sk, i, kept);
	else if (!ret)
		ret = ask_node(sk, i, kept);
	/* A reset has overtaken the answer; the node's socket is still there. */
	if (ret == -ECONNRESET && is_known(mn))
		ret = ask_node(sk, i, kept);
	/* Nothing came of it: the socket is new again, and leaves no trace on the node. */
	if (ret && opened && mn->ep == opened && may_open(sk) && !mn->bound.family)
		memnet_drop_endpoint(sk, 0);
	return ret;
}

/**
 * memnet_judged_find() - an option of the table
 * @level: level
 * @name: name
 *
 * Return: enum memnet_judged or -ENOPROTOOPT.
 */
int memnet_judged_find(int level, int name)
{
	int i;

	/* Other names of these. */
	if (level == SOL_IPV6 && name == IPV6_FREEBIND)
		return MEMNET_JUDGED_FREEBIND;
	if (level == SOL_IPV6 && name == IPV6_TRANSPARENT)
		return MEMNET_JUDGED_TRANSPARENT;
	for (i = 0; i < MEMNET_JUDGED_END; i++)
		if (judged[i].level == level && judged[i].name == name)
			return i;
	return -ENOPROTOOPT;
}

/*
 * IPV6_ADDR_PREFERENCES are three choices. A call leaves those as they were that it does not make,
 * but on kernels that have a mask of all it makes all.
 */
static int add_preferences(int before, int value)
{
#ifndef IPV6_PREFER_SRC_MASK
	static const int choices[] = {
		IPV6_PREFER_SRC_TMP | IPV6_PREFER_SRC_PUBLIC | IPV6_PREFER_SRC_PUBTMP_DEFAULT,
		IPV6_PREFER_SRC_COA | IPV6_PREFER_SRC_HOME,
		IPV6_PREFER_SRC_CGA | IPV6_PREFER_SRC_NONCGA,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(choices); i++)
		if (!(value & choices[i]))
			value |= before & choices[i];
#endif
	return value;
}

/* What the core reads, and what is known of the node. */
static void apply(struct sock *sk, int i, const struct memnet_kept *kept)
{
	switch (i) {
	case MEMNET_JUDGED_PRIORITY:
		WRITE_ONCE(sk->sk_priority, kept->value.number);
		memnet_sk(sk)->opt[MEMNET_OPT_PRIORITY] = kept->value.number;
		break;
	case MEMNET_JUDGED_MARK:
		WRITE_ONCE(sk->sk_mark, kept->value.number);
		break;
	case MEMNET_JUDGED_DONTROUTE:
		sock_valbool_flag(sk, SOCK_LOCALROUTE, kept->value.number);
		break;
	}
}

/**
 * memnet_judged_set() - set an option of the table
 * @sk: socket, not locked
 * @i: enum memnet_judged
 * @value: value
 * @len: its size
 * @number: the value, of an option that is an integer
 *
 * Waits for the node. Return: 0, what TCP says, -EPERM, -ENETDOWN without a link, -EINTR when
 * killed, or another negative errno.
 */
int memnet_judged_set(struct sock *sk, int i, sockptr_t value, unsigned int len, int number)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_kept *kept;
	int ret;

	if (!may(sk, i, number))
		return -EPERM;
	kept = kzalloc(sizeof(*kept), GFP_KERNEL);
	if (!kept)
		return -ENOMEM;
	refcount_set(&kept->refs, 1);
	ret = take(&judged[i], kept, value, len, number);
	if (ret) {
		put(kept);
		return ret;
	}
	lock_sock(sk);
	/* It may have become native while this call waited for the lock. */
	ret = mn->delegated ? set_native(mn->native, i, kept) : judge(sk, i, kept);
	if (!ret) {
		if (i == MEMNET_JUDGED_PREFERENCES && mn->kept[i])
			kept->value.number = add_preferences(mn->kept[i]->value.number,
							     kept->value.number);
		swap(mn->kept[i], kept);
		apply(sk, i, mn->kept[i]);
		/* The one on loopback does what it can, or what the socket became meanwhile. */
		if (mn->native && !(judged[i].how & DEVICE))
			set_native(mn->native, i, mn->kept[i]);
		/* Of a listen() that came between the node's answer and this. */
		if (!mn->delegated && memnet_judged_tied(mn))
			memnet_native_unlisten(mn);
	}
	release_sock(sk);
	put(kept);
	return ret;
}

/**
 * memnet_judged_get() - read an option of the table that only those set who ask for it
 * @mn: socket, locked
 * @i: enum memnet_judged, or negative
 * @value: result
 *
 * Return: false if it is read elsewhere.
 */
bool memnet_judged_get(const struct memnet_sock *mn, int i, int *value)
{
	if (i < 0 || judged[i].type != FLAG)
		return false;
	*value = mn->kept[i] ? mn->kept[i]->value.number : 0;
	return true;
}

/**
 * memnet_judged_tied() - is the socket tied to a device of the node
 * @mn: socket, locked
 *
 * Once it is it stays so. Nothing reaches it then by loopback.
 */
bool memnet_judged_tied(const struct memnet_sock *mn)
{
	const struct memnet_kept *name = mn->kept[MEMNET_JUDGED_DEVICE];
	const struct memnet_kept *index = mn->kept[MEMNET_JUDGED_IFINDEX];

	return (name && name->value.device[0]) || (index && index->value.number);
}

/* SO_MAX_PACING_RATE has changed, which the core keeps; returns 0 or -ENOMEM. */
static int note_pace(struct memnet_sock *mn, bool *changed)
{
	struct memnet_kept *was = mn->kept[MEMNET_JUDGED_PACING], *kept;
	unsigned long rate = READ_ONCE(mn->inet.sk.sk_max_pacing_rate);

	*changed = rate != (was ? was->value.rate : ULONG_MAX);
	if (!*changed)
		return 0;
	kept = kzalloc(sizeof(*kept), GFP_KERNEL);
	if (!kept)
		return -ENOMEM;
	refcount_set(&kept->refs, 1);
	kept->len = sizeof(kept->value.rate);
	kept->value.rate = rate;
	mn->kept[MEMNET_JUDGED_PACING] = kept;
	put(was);
	return 0;
}

/**
 * memnet_judged_pace() - SO_MAX_PACING_RATE was set
 * @sk: socket, not locked
 *
 * TCP never refuses it. Return: 0 or -ENOMEM.
 */
int memnet_judged_pace(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_kept *kept;
	bool changed;
	int ret;

	lock_sock(sk);
	ret = note_pace(mn, &changed);
	if (!ret && changed && is_known(mn)) {
		kept = mn->kept[MEMNET_JUDGED_PACING];
		refcount_inc(&kept->refs);
		ret = ask_node(sk, MEMNET_JUDGED_PACING, kept) == -ENOMEM ? -ENOMEM : 0;
		put(kept);
	}
	release_sock(sk);
	return ret;
}

static int tell(struct memnet_sock *mn, struct memnet_endpoint *ep, int i)
{
	const struct memnet_kept *kept = mn->kept[i];
	struct wire_msg msg;
	int ret;

	/* Another one was set later, which the core had to see. */
	if (i == MEMNET_JUDGED_PRIORITY &&
	    READ_ONCE(mn->inet.sk.sk_priority) != kept->value.number)
		return 0;
	make_message(&msg, i, kept);
	ret = memnet_post(ep, &msg, GFP_KERNEL);
	if (!ret && i == MEMNET_JUDGED_PRIORITY)
		mn->opt[MEMNET_OPT_PRIORITY] = kept->value.number;
	return ret;
}

/**
 * memnet_judged_sync() - tell an endpoint what it does not know
 * @sk: socket, locked
 * @ep: its endpoint, without a connection
 * @all: it is new: what was accepted before it was
 *
 * Return: 0 or -ENOMEM.
 */
int memnet_judged_sync(struct sock *sk, struct memnet_endpoint *ep, bool all)
{
	struct memnet_sock *mn = memnet_sk(sk);
	bool changed;
	int i, ret;

	/* Kernels that do not say when it is set are asked now. */
	ret = note_pace(mn, &changed);
	if (!ret && changed && !all)
		ret = tell(mn, ep, MEMNET_JUDGED_PACING);
	for (i = 0; all && !ret && i < MEMNET_JUDGED_END; i++)
		if (mn->kept[i])
			ret = tell(mn, ep, i);
	return ret;
}

/**
 * memnet_judged_copy() - give a native socket what was accepted
 * @sk: socket, locked
 * @native: the native socket
 *
 * Under the caller's credentials: what needs a privilege, or loads a module, is the caller's to do.
 */
void memnet_judged_copy(struct sock *sk, struct socket *native)
{
	struct memnet_sock *mn = memnet_sk(sk);
	bool changed;
	int i;

	/* Without memory for it what was set before has to do. */
	note_pace(mn, &changed);
	for (i = 0; i < MEMNET_JUDGED_END; i++)
		if (mn->kept[i] && !(judged[i].how & DEVICE) && i != MEMNET_JUDGED_PRIORITY)
			set_native(native, i, mn->kept[i]);
}

/**
 * memnet_judged_inherit() - a child has its listener's
 * @mn: the child, not known to anybody yet
 * @from: its listener, locked
 */
void memnet_judged_inherit(struct memnet_sock *mn, const struct memnet_sock *from)
{
	int i;

	for (i = 0; i < MEMNET_JUDGED_END; i++) {
		if (!from->kept[i] || judged[i].how & ALONE)
			continue;
		refcount_inc(&from->kept[i]->refs);
		mn->kept[i] = from->kept[i];
	}
}

/**
 * memnet_judged_free() - a socket is gone
 * @mn: socket
 */
void memnet_judged_free(struct memnet_sock *mn)
{
	int i;

	for (i = 0; i < MEMNET_JUDGED_END; i++)
		put(mn->kept[i]);
}
