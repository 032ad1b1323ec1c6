// SPDX-License-Identifier: GPL-2.0
/*
 * For measurements only: completion events of soft-RoCE on a processor of choice.
 *
 * An adapter raises an event on the processor its completion vector belongs to. rdma_rxe calls the
 * completion handler wherever it happens to work, in the laboratory on the processor that stands
 * in for the adapter. This module stands between: what is called there wakes the chosen processor
 * by an interrupt, and the handler runs there, as it would with an adapter.
 *
 * It puts itself into the device's req_notify_cq, where each user of a completion queue comes by
 * before its first event, and is not meant to be unloaded.
 *
 * Whoever spreads his work over the processors is told the chosen one, too: the other one is the
 * adapter, and a machine has none such among its processors. There may be several chosen ones.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <rdma/ib_verbs.h>

static char *device = "rxe0";
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "RDMA device (default rxe0)");

static unsigned int cpu = 1;
module_param(cpu, uint, 0444);
MODULE_PARM_DESC(cpu, "processor that gets the events (default 1)");

static unsigned int last;
module_param(last, uint, 0444);
MODULE_PARM_DESC(last, "each vector's own processor, from cpu to this one (default: cpu gets all)");

#define QUEUES 64

/* A completion queue whose events we pass on; slots_lock guards adding. */
struct slot {
	struct ib_cq *cq;
	unsigned int target;
	ib_comp_handler handler;
	call_single_data_t csd;
};

static struct slot slots[QUEUES];
static DEFINE_SPINLOCK(slots_lock);
static struct ib_device *dev;
static int (*req_notify_cq)(struct ib_cq *cq, enum ib_cq_notify_flags flags);

static struct slot *slot_of(struct ib_cq *cq)
{
	unsigned int i;

	for (i = 0; i < QUEUES && slots[i].cq; i++)
		if (slots[i].cq == cq)
			return &slots[i];
	return i < QUEUES ? &slots[i] : NULL;
}

static void arrived(void *data)
{
	struct slot *slot = data;

	slot->handler(slot->cq, slot->cq->cq_context);
}

static void steered(struct ib_cq *cq, void *context)
{
	struct slot *slot = slot_of(cq);

	if (smp_processor_id() == slot->target)
		slot->handler(cq, context);
	else
		smp_call_function_single_async(slot->target, &slot->csd);
}

static int notify(struct ib_cq *cq, enum ib_cq_notify_flags flags)
{
	struct slot *slot;
	unsigned long irq;

	if (cq->comp_handler && cq->comp_handler != steered && !cq->uobject) {
		spin_lock_irqsave(&slots_lock, irq);
		slot = slot_of(cq);
		if (slot) {
			slot->handler = cq->comp_handler;
			slot->target = clamp(cq->comp_vector, cpu, max(cpu, last));
			INIT_CSD(&slot->csd, arrived, slot);
			slot->cq = cq;
			cq->comp_handler = steered;
		}
		spin_unlock_irqrestore(&slots_lock, irq);
		if (!slot)
			pr_warn_once("steer: more than %u completion queues\n", QUEUES);
	}
	return req_notify_cq(cq, flags);
}

/* The number among all processors, and then the one that has it among the chosen ones. */
static int asked(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	*(unsigned int *)instance->data = regs_get_kernel_argument(regs, 0);
	return 0;
}

static int spread(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	unsigned int number = *(unsigned int *)instance->data, n = max(cpu, last) - cpu + 1;

	regs_set_return_value(regs, cpu + (number + n - cpu % n) % n);
	return 0;
}

static struct kretprobe spread_probe = {
	.kp.symbol_name = "cpumask_local_spread",
	.entry_handler = asked,
	.handler = spread,
	.data_size = sizeof(unsigned int),
};

static int __init steer_init(void)
{
	int ret;

	if (!cpu_online(cpu) || !cpu_online(last))
		return -EINVAL;
	dev = ib_device_get_by_name(device, RDMA_DRIVER_RXE);
	if (!dev)
		return -ENODEV;
	ret = register_kretprobe(&spread_probe);
	if (ret) {
		ib_device_put(dev);
		return ret;
	}
	req_notify_cq = dev->ops.req_notify_cq;
	WRITE_ONCE(dev->ops.req_notify_cq, notify);
	return 0;
}
module_init(steer_init);

MODULE_DESCRIPTION("MemNet measurements: completion events on a chosen processor");
MODULE_LICENSE("GPL");
