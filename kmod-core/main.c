// SPDX-License-Identifier: GPL-2.0
/*
 * memnet_core.ko: parameters, the work queue of all channels, load and unload.
 *
 * What cannot be meant fails the load and says so.
 */
#include <linux/module.h>

#include "core.h"
#include "netlink.h"

unsigned int memnet_rx_depth = 256;
module_param_named(rx_depth, memnet_rx_depth, uint, 0444);
MODULE_PARM_DESC(rx_depth, "Receive work requests of a channel, 16 KiB each, 8 to 8192 (default 256)");

#define TX_DEPTH_MIN	32

unsigned int memnet_tx_depth = 256;
module_param_named(tx_depth, memnet_tx_depth, uint, 0444);
MODULE_PARM_DESC(tx_depth,
		 "Send work requests of a channel, 32 to 8192, rounded down to a power of two (default 256)");

unsigned int memnet_rnr_retry = 7;
module_param_named(rnr_retry, memnet_rnr_retry, uint, 0444);
MODULE_PARM_DESC(rnr_retry, "Receiver-not-ready retries, 0 to 7 (default 7: for ever; 0: fatal)");

struct workqueue_struct *memnet_wq;

static bool param_ok(const char *name, unsigned int value, unsigned int min, unsigned int max)
{
	if (value >= min && value <= max)
		return true;
	pr_err("memnet_core: %s=%u is not %u to %u\n", name, value, min, max);
	return false;
}

static int __init core_init(void)
{
	int ret;

	if (!param_ok("rx_depth", memnet_rx_depth, WIRE_MIN_DEPTH, WIRE_MAX_DEPTH) ||
	    !param_ok("tx_depth", memnet_tx_depth, TX_DEPTH_MIN, WIRE_MAX_DEPTH) ||
	    !param_ok("rnr_retry", memnet_rnr_retry, 0, 7))
		return -EINVAL;
	memnet_wq = alloc_workqueue("memnet", WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_PERCPU, 0);
	if (!memnet_wq)
		return -ENOMEM;
	ret = memnet_netlink_init();
	if (ret)
		destroy_workqueue(memnet_wq);
	return ret;
}

static void __exit core_exit(void)
{
	memnet_netlink_exit();
	memnet_cm_retire_exit();
	destroy_workqueue(memnet_wq);
	rcu_barrier();
}

module_init(core_init);
module_exit(core_exit);
MODULE_DESCRIPTION("MemNet core: channels over RDMA");
MODULE_LICENSE("GPL");
