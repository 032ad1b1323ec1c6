# SPDX-License-Identifier: GPL-2.0
"""Bytes of kernel memory for each idle connection, on each side: what so many connections more take, by their number.  Each has
carried a request and its answer, and is in an epoll.

Objects of a slab count with their share of its pages; "pages" are what no slab, program or cache has.  A socket of any kind has
a file and its entry in the epoll: what is left without them is the socket's, which is what a target is for.  The node's sockets
have no file; the connection's own TCP socket is part of what is counted there.
"""
import time

from bench.kept import Kept
from bench.record import Figure, middle, of_runs
from selftests.cases import offload

FIGURE = Figure("memory", 10, "Memory of an idle connection", ("memory", "without the file"))

NODE = "memnet, node"
FEW, MANY = 200, 1700
REPEATS = 3     # a run hardly differs from another one
AT_MOST = 2560
FILE = {"filp", "dentry", "sock_inode_cache", "eventpoll_epi", "eventpoll_pwq", "ep_head", "lsm_file_cache", "lsm_inode_cache"}
KNOWN = ("MemFree", "Buffers", "Cached", "SwapCached", "AnonPages", "Slab", "KernelStack", "PageTables", "SecPageTables")
SMALL = 4       # bytes of a connection that get no line of their own


def slabs(text):
    """{slab: bytes of what is in use}, from /proc/slabinfo."""
    rows = (line.split() for line in text.splitlines() if " : " in line and not line.startswith("#"))
    return {r[0]: int(r[1]) * int(r[5]) * 4096 / int(r[4]) for r in rows}


def others(meminfo, zoneinfo):
    """Bytes that meminfo knows no user of; free pages of processors are free."""
    info = {line.split(":")[0]: int(line.split()[1]) for line in meminfo.splitlines()}
    kept = sum(int(line.split()[1]) for line in zoneinfo.splitlines() if line.split()[:1] == ["count:"])
    return 1024 * (info["MemTotal"] - sum(info.get(k, 0) for k in KNOWN)) - 4096 * kept


def look(vm):
    """What a guest's kernel uses, by slab."""
    vm.sh("echo 3 >/proc/sys/vm/drop_caches; cat /proc/sys/vm/stat_refresh")      # what processors have counted by themselves
    meminfo, zoneinfo, slabinfo = vm.sh("cat /proc/meminfo; echo ---; cat /proc/zoneinfo; echo ---; cat /proc/slabinfo").split("---\n")
    return {**slabs(slabinfo), "pages": others(meminfo, zoneinfo)}


def each(before, after, n):
    """Bytes for one of n connections more, by slab; what is hardly there is put together."""
    out = {}
    for name in after:
        more = (after[name] - before.get(name, 0)) / n
        name = name if abs(more) >= SMALL else "other slabs"
        out[name] = out.get(name, 0) + more
    return out


def measure(bed, options):
    lab = bed.lab
    few, many, repeats = (FEW // 2, MANY // 2, 1) if options.quick else (FEW, MANY, min(options.repeats, REPEATS))
    for vm in lab.guests:
        vm.sh("sysctl -qw net.core.somaxconn=4096")
    for point, how in (("connected", ""), ("accepted", "--accept")):
        for vm, args, shown in ((lab.node, offload.native_of_node(), (("native TCP", lab.node, None),)),
                                (lab.host, offload.memnet(), (("memnet, host", lab.host, AT_MOST), (NODE, lab.node, None)))):
            looks = [_run(vm, f"{args} {how}", few, many, [v for _, v, _ in shown]) for _ in range(repeats)]
            for i, (system, _, at_most) in enumerate(shown):
                yield from records(system, point, [run[i] for run in looks], at_most)


def _run(vm, args, few, many, places):
    """Of each place, what a connection takes there."""
    with Kept(vm, args) as kept:
        seen = []
        for n in few, many:
            kept.open(n)
            time.sleep(2)       # what waits for RCU
            seen.append([look(place) for place in places])
    return [each(before, after, many - few) for before, after in zip(*seen)]


def records(system, point, runs, at_most):
    """All of it, and, where there is a program, what is the socket's."""
    metrics = [("memory", runs, None)]
    if system != NODE:
        metrics.append(("without the file", [{k: v for k, v in r.items() if k not in FILE} for r in runs], at_most))
    for metric, parts, limit in metrics:
        sums = [sum(p.values()) for p in parts]
        yield of_runs(FIGURE.name, system, point, metric, "bytes", sums, at_most=limit, parts=middle(sums, parts))
