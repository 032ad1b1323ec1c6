# SPDX-License-Identifier: GPL-2.0
"""Where the processors' time goes at the load at which Reg TCP saturates: what host and node execute for one HTTP/1.0 request of 8 KiB,
as a share of what Reg TCP's host does.  What is left to 100 % is idle; a node that has more than that saturates first.

From the runs of figure 6.  The adapter is the processor that stands in for it, where soft-RoCE works, but for what it does where it is
asked to post and to poll.
"""
from bench import serving
from bench.figures import http10
from bench.record import Figure, middle, of_runs

FIGURE = Figure("cpu", 7, "Figure 7: processors, HTTP/1.0", ("adapter",), stacks=("processor",))

UNIT = "% of Reg TCP's processor"
PARTS = {
    "application": ("user space",),
    "system call and socket": ("system call and socket",),
    "memnet": ("memnet", "memnet_core", "memnet_tcps"),
    "posting and completion": ("rdma_rxe", "ib_core", "rdma_cm", "ib_cm", "steer"),
    "interrupts and waking": ("interrupts", "sleeping, waking, time", "work queues"),
    "copies": ("copies",),
    "TCP/IP": ("TCP/IP", "virtio_net", "virtio_pci", "virtio_ring", "net_failover", "failover"),
    "memory": ("memory",),
}
OF = {name: part for part, names in PARTS.items() for name in names}
OTHER = "locks and others"


def part(name):
    """Which part of a processor's time a part of a cost is, wherever it was executed."""
    return OF.get(name.split(",")[0], OF.get(name, OTHER))


def split(cost, whole):
    out = {}
    for name, n in cost.parts.items():
        out[part(name)] = out.get(part(name), 0) + 100 * n / whole
    return out


def measure(bed, options):
    whole = None
    for system in serving.EXAMPLES:
        found = serving.costs(bed, options, system, http10.FULL)
        whole = whole or serving.median(found.host)
        for where, costs in (("host", found.host), ("node", found.node)):
            if costs:
                yield from _records(f"{system.name}, {where}", costs, whole)


def _records(name, costs, whole):
    splits = [split(c, whole) for c in costs]
    runs = [sum(parts.values()) for parts in splits]
    yield of_runs(FIGURE.name, name, http10.FULL.name, "processor", UNIT, runs, parts=middle(runs, splits))
    yield of_runs(FIGURE.name, name, http10.FULL.name, "adapter", UNIT, [100 * c.standin / whole for c in costs])
