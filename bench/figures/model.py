# SPDX-License-Identifier: GPL-2.0
"""What the costs of figure 6 make of hosts and nodes with so many processors (host:node), all of one speed and kept busy.

throughput: of the web server as it is, as a share of what Reg TCP has on the host's processors alone.  The smaller of two limits: host's
processors by host's cost, node's processors by node's cost.

most: the largest share for any application, by Shivam and Chase ("On the elusive benefits of protocol offload"): that of one which works so
much more for each request that host and node are busy at once.

pays from: how much an application has to work for a request, besides what the web server does, so that the share is more than one.  With
less the node's processors are the limit, and the host by itself would serve more.

of all: throughput as a share of what Reg TCP would have if the node's processors were the host's.  Host and node together execute more
for a request than Reg TCP does, so this is less than one with any number of processors and for any application: offload pays where a
node's processors are cheaper than a host's, or cannot be used for the application, and not otherwise.

Costs are those of figure 6; the adapter has none.
"""
from bench import serving
from bench.figures import http10
from bench.record import Figure, of_runs

FIGURE = Figure("model", 9, "Throughput by processors of host and node", ("throughput", "most"))

RATIOS = ((1, 1), (1, 2), (2, 1), (4, 1))
UNIT = "of Reg TCP"


def throughput(hosts, nodes, host, node, work=0.0):
    """Requests for each instruction a processor executes."""
    return min(hosts / (host + work), nodes / node)


def gains(hosts, nodes, host, node, native):
    """{metric: (unit, value)} of so many processors, by costs on host and node and of Reg TCP."""
    now = throughput(hosts, nodes, host, node)
    balanced = hosts * node / nodes     # of host's work for a request, the application's included
    most = (native - host + max(balanced, host)) / max(balanced, host)
    found = {"throughput": (UNIT, now * native / hosts), "most": (UNIT, most), "of all": (UNIT, now * native / (hosts + nodes))}
    if host < native:       # else it never does
        found["pays from"] = "instructions", max(0.0, balanced - native)
    return found


def measure(bed, options):
    native = serving.costs(bed, options, serving.EXAMPLES[0], http10.FULL).host
    for system in serving.EXAMPLES[1:]:
        found = serving.costs(bed, options, system, http10.FULL)
        runs = [[cost.charged for cost in costs] for costs in zip(found.host, found.node, native)]
        for hosts, nodes in RATIOS:
            of = [gains(hosts, nodes, *run) for run in runs]
            for metric in [m for m in of[0] if all(m in g for g in of)]:
                unit = of[0][metric][0]
                yield of_runs(FIGURE.name, system.name, f"{hosts}:{nodes}", metric, unit, [g[metric][1] for g in of])
