// SPDX-License-Identifier: GPL-2.0
/* sendmsg with MSG_SPLICE_PAGES takes page references; sendpage is gone (6.5). */
#include <linux/net.h>
#include <linux/skbuff.h>

const struct proto_ops ops = { .mmap = NULL };

ssize_t probe(struct sk_buff *skb, struct iov_iter *iter)
{
	return skb_splice_from_iter(skb, iter, 1, GFP_KERNEL);
}
