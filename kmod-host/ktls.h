/* SPDX-License-Identifier: GPL-2.0 */
/* kTLS, for those whom it concerns: who sets it, who sends, and who receives. */
#ifndef MEMNET_KTLS_H
#define MEMNET_KTLS_H

#include "memnet.h"

/**
 * enum memnet_ktls - what is set of kTLS, as bits
 * @MEMNET_KTLS_ULP:	TCP_ULP "tls"
 * @MEMNET_KTLS_TX:	TLS_TX
 * @MEMNET_KTLS_RX:	TLS_RX
 * @MEMNET_KTLS_ZEROCOPY: TLS_TX_ZEROCOPY_RO is 1
 * @MEMNET_KTLS_NO_PAD:	TLS_RX_EXPECT_NO_PAD is 1
 */
enum memnet_ktls {
	MEMNET_KTLS_ULP = 1,
	MEMNET_KTLS_TX = 2,
	MEMNET_KTLS_RX = 4,
	MEMNET_KTLS_ZEROCOPY = 8,
	MEMNET_KTLS_NO_PAD = 16,
};

int memnet_ktls_set_ulp(struct sock *sk, sockptr_t value, unsigned int len);
int memnet_ktls_set(struct sock *sk, int name, sockptr_t value, unsigned int len);
int memnet_ktls_get_ulp(struct sock *sk, char __user *value, int __user *len, int room);
int memnet_ktls_get(struct sock *sk, int name, char __user *value, int __user *len);
void memnet_ktls_keep(struct sock *sk, const struct memnet_endpoint *old);
void memnet_ktls_begin(struct memnet_endpoint *ep, struct wire_msg *msg);
void memnet_ktls_answered(struct memnet_endpoint *ep, int error);
int memnet_ktls_come(struct memnet_endpoint *ep, const struct memnet_rx *rx);
void __memnet_ktls_read(struct memnet_endpoint *ep);
u64 memnet_ktls_ahead(const struct memnet_endpoint *ep, u64 from);
int memnet_ktls_type(struct memnet_endpoint *ep, struct msghdr *msg, u32 from, u8 *type);
int memnet_ktls_send(struct msghdr *msg, u8 *record);

/* Not all that is unread can be read, or not at once. */
static inline bool memnet_ktls_is_special(const struct memnet_endpoint *ep)
{
	return unlikely(READ_ONCE(ep->rx.held) || READ_ONCE(ep->rx.record));
}

/* The socket is locked. */
static inline bool memnet_has_ktls(const struct memnet_sock *mn, u8 what)
{
	return unlikely(mn->ep && READ_ONCE(mn->ep->ktls) & what);
}

/* Called whenever rx.copied has grown. */
static inline void memnet_ktls_read(struct memnet_endpoint *ep)
{
	if (unlikely(ep->rx.telling || ep->rx.record))
		__memnet_ktls_read(ep);
}

#endif /* MEMNET_KTLS_H */
