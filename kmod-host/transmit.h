/* SPDX-License-Identifier: GPL-2.0 */
/* What is sent, and when, for those who add something to it. */
#ifndef MEMNET_TRANSMIT_H
#define MEMNET_TRANSMIT_H

#include "memnet.h"

/* sndbuf.c */
int memnet_sndbuf_start(void);
void memnet_sndbuf_end(void);
struct sk_buff *memnet_sndbuf_alloc(struct memnet_endpoint *ep, gfp_t gfp);
void memnet_sndbuf_sent(struct memnet_channel *ch, struct sk_buff *skb);
void memnet_sndbuf_charge(struct sk_buff *skb, u32 bytes);
bool memnet_sndbuf_writable(struct memnet_endpoint *ep, struct sock *sk);
u32 memnet_sndbuf_untaken_max(struct sock *sk);

/* cork.c */
void memnet_cork_init(struct memnet_endpoint *ep);
void memnet_cork_end(struct memnet_endpoint *ep);
bool memnet_cork_wait(struct memnet_endpoint *ep);
bool memnet_cork_set(struct memnet_endpoint *ep, bool on);

/* transmit.c */
void memnet_transmit_init(struct memnet_endpoint *ep);
int memnet_transmit_message(struct memnet_endpoint *ep, enum wire_opcode opcode,
			    struct wire_msg *msg);
struct sk_buff *memnet_transmit_control(struct memnet_endpoint *ep, struct wire_msg *msg,
					gfp_t gfp);
void memnet_transmit_collected(struct memnet_endpoint *ep, u32 n);
void memnet_transmit_add(struct memnet_endpoint *ep, struct sk_buff *skb);
bool memnet_transmit_nodelay(struct memnet_endpoint *ep);
void memnet_transmit_option(struct memnet_endpoint *ep, int i, const struct wire_msg *msg);
bool memnet_transmit_replace(struct memnet_endpoint *ep, const struct wire_msg *msg);
void memnet_transmit_push(struct memnet_endpoint *ep);
void memnet_transmit(struct memnet_endpoint *ep);
bool memnet_transmit_post(struct memnet_endpoint *ep, struct sk_buff *skb, bool more);

/*
 * TCP_NODELAY was set and not told yet: the next payload says it as well. The endpoint is locked.
 */
static inline bool memnet_nodelay_due(const struct memnet_endpoint *ep)
{
	return ep->tx.options & BIT_ULL(MEMNET_OPT_NODELAY) && ep->sk &&
	       memnet_sk(ep->sk)->opt[MEMNET_OPT_NODELAY];
}

/*
 * Whether memnet_transmit() would find nothing to send for a connection but what payload says as
 * well, so that its next bytes may go past the queue. The endpoint is locked.
 */
static inline bool memnet_transmit_idle(const struct memnet_endpoint *ep)
{
	return list_empty(&ep->tx.queue) && !ep->tx.n_waited &&
	       (!ep->tx.options || (ep->tx.options == BIT_ULL(MEMNET_OPT_NODELAY) &&
				    memnet_nodelay_due(ep))) &&
	       !ep->tx.cork_due && ep->tx.record_end <= ep->tx.consumed &&
	       !ep->request.skb && !ep->rx.tell && !ep->rx.jobs_due && !ep->rx.publish &&
	       !ep->tx.fin && !ep->tx.close && !ep->tx.want && !ep->tx.waiting && ep->lc;
}

void memnet_transmit_reap(struct memnet_endpoint *ep);
void memnet_transmit_look(struct memnet_endpoint *ep);
void memnet_transmit_release(struct memnet_endpoint *ep, struct list_head *drop);
void memnet_transmit_purge(struct list_head *drop);
void memnet_transmit_want(struct memnet_endpoint *ep);
void memnet_transmit_refresh(struct memnet_endpoint *ep);
void memnet_transmit_count(struct memnet_endpoint *ep);

#endif /* MEMNET_TRANSMIT_H */
