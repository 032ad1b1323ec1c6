/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Socket options: those of which the node has a copy, those that only have to be kept, those that
 * TCP judges, and what the files about them have of each other.
 */
#ifndef MEMNET_OPTION_H
#define MEMNET_OPTION_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/sockptr.h>
#include <linux/types.h>

struct memnet_endpoint;
struct memnet_sock;
struct sock;
struct socket;
struct wire_msg;

/* Options that are integers: an index into memnet_sock.opt; see option.c. */
enum memnet_opt {
	MEMNET_OPT_REUSEADDR,
	MEMNET_OPT_REUSEPORT,
	MEMNET_OPT_KEEPALIVE,
	MEMNET_OPT_SNDBUF,
	MEMNET_OPT_RCVBUF,
	MEMNET_OPT_BUF_LOCK,
	MEMNET_OPT_TXREHASH,
	MEMNET_OPT_PRIORITY,
	MEMNET_OPT_SOCKET_END,	/* those before are of SOL_SOCKET */
	MEMNET_OPT_NODELAY = MEMNET_OPT_SOCKET_END,
	MEMNET_OPT_CORK,
	MEMNET_OPT_QUICKACK,
	MEMNET_OPT_MAXSEG,
	MEMNET_OPT_KEEPIDLE,
	MEMNET_OPT_KEEPINTVL,
	MEMNET_OPT_KEEPCNT,
	MEMNET_OPT_USER_TIMEOUT,
	MEMNET_OPT_DEFER_ACCEPT,
	MEMNET_OPT_SYNCNT,
	MEMNET_OPT_LINGER2,
	MEMNET_OPT_NOTSENT_LOWAT,
	MEMNET_OPT_THIN_LINEAR,
	MEMNET_OPT_SAVE_SYN,
	MEMNET_OPT_TX_DELAY,
	MEMNET_OPT_TOS,
	MEMNET_OPT_TTL,
	MEMNET_OPT_MINTTL,
	MEMNET_OPT_MTU_DISCOVER,
	MEMNET_OPT_V6ONLY,
	MEMNET_OPT_HOPS,
	MEMNET_OPT_TCLASS,
	MEMNET_OPT_MINHOPS,
	MEMNET_OPT_MTU_DISCOVER6,
	MEMNET_OPT_AUTOFLOWLABEL,
	MEMNET_OPT_THIN_DUPACK,
	MEMNET_OPT_RECVOPTS,
	MEMNET_OPT_RETOPTS,
	MEMNET_OPT_PASSSEC,
	MEMNET_OPT_ORIGDSTADDR,
	MEMNET_OPT_CHECKSUM,
	MEMNET_OPT_MC_LOOP,
	MEMNET_OPT_MC_ALL,
	MEMNET_OPT_MC_LOOP6,
	MEMNET_OPT_MC_ALL6,
	MEMNET_OPT_RTALERT_ISOLATE,
	MEMNET_OPT_RECVPATHMTU,
	MEMNET_OPT_DONTFRAG,
	MEMNET_OPT_RECVFRAGSIZE6,
	MEMNET_OPT_FASTOPEN_CONNECT,
	MEMNET_OPT_INQ,
	MEMNET_OPT_NO_PORT,
	MEMNET_OPT_PORT_RANGE,
	MEMNET_OPT_CNX_ADVICE,
	MEMNET_OPT_END,
};

static_assert(MEMNET_OPT_END <= 64);	/* they are bits of a word, too */

/* Options that TCP may refuse: an index into memnet_sock.kept; see judged.c. */
enum memnet_judged {
	MEMNET_JUDGED_CONGESTION,
	MEMNET_JUDGED_WINDOW_CLAMP,
	MEMNET_JUDGED_FASTOPEN,
	MEMNET_JUDGED_NO_COOKIE,
	MEMNET_JUDGED_FASTOPEN_KEY,
	MEMNET_JUDGED_PREFERENCES,
	MEMNET_JUDGED_PACING,
	MEMNET_JUDGED_PRIORITY,
	MEMNET_JUDGED_MARK,
	MEMNET_JUDGED_DONTROUTE,
	MEMNET_JUDGED_DEVICE,
	MEMNET_JUDGED_IFINDEX,
	MEMNET_JUDGED_FREEBIND,
	MEMNET_JUDGED_TRANSPARENT,
	MEMNET_JUDGED_END,
};

#define MEMNET_OPT_BIT(i)	BIT_ULL(i)

/* option.c */
void memnet_init_options(struct sock *sk);
void memnet_keepalive(struct sock *sk, int on);
int memnet_sync_options(struct sock *sk, struct memnet_endpoint *ep, bool all);
void memnet_tell_child(struct sock *sk);
void memnet_option(int i, int *level, int *name);
void memnet_option_message(struct sock *sk, int i, struct wire_msg *msg);
int memnet_option_find(const struct sock *sk, int level, int name);
int memnet_option_set(struct sock *sk, int i, int value);
bool memnet_option_fits(int i, unsigned int len);
bool memnet_option_get(struct sock *sk, int i, int *value);
void memnet_option_advise(struct sock *sk);
void memnet_tell_changes(struct sock *sk);
u64 memnet_options_alone(void);

/* sock_level.c */
int memnet_set_socket(struct socket *sock, int name, sockptr_t value, unsigned int len);

/* judged.c */
int memnet_judged_find(int level, int name);
int memnet_judged_set(struct sock *sk, int i, sockptr_t value, unsigned int len, int number);
bool memnet_judged_get(const struct memnet_sock *mn, int i, int *value);
bool memnet_judged_tied(const struct memnet_sock *mn);
int memnet_judged_pace(struct sock *sk);
int memnet_judged_sync(struct sock *sk, struct memnet_endpoint *ep, bool all);
void memnet_judged_copy(struct sock *sk, struct socket *native);
void memnet_judged_inherit(struct memnet_sock *mn, const struct memnet_sock *from);
void memnet_judged_free(struct memnet_sock *mn);

#endif /* MEMNET_OPTION_H */
