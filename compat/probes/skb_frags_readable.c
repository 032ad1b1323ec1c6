// SPDX-License-Identifier: GPL-2.0
/* Buffers may lie in a device's memory (6.12). */
#include <linux/skbuff.h>

bool probe(const struct sk_buff *skb)
{
	return skb_frags_readable(skb);
}
