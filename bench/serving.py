# SPDX-License-Identifier: GPL-2.0
"""Figures about servers: what a request costs host and node, beside the same on native TCP in the same run.

The native servers run on the node, over its external interface, as the native calls do (calls.py); the client's httperf
asks both.  bed.py says what is counted; a request's cost is that of N more of them, by N, its part of the connection included.
"""
import statistics
import time
from dataclasses import dataclass, field

from bench import web
from bench.calls import where_it_goes
from bench.record import Record, middle, of_runs, share
from selftests.cases import offload
from selftests.lab.cache import LabError

NATIVE, MEMNET = "native", "memnet"


@dataclass(frozen=True)
class System:
    """A system of a figure; server(vm) makes it, base is the name of that which it is compared with."""
    name: str
    where: str
    server: object
    base: str = ""


@dataclass(frozen=True)
class Load:
    """
    What httperf asks for: a file, and its own words for n requests; each: how many a run of it has, if not all.  busy: more than
    the server has done, so that its processor never sleeps; the node's is measured once more, when it is its turn to be last, by a
    quick run only if it has a target.  By system, what a request may have: at_most, a share of the base's cost; interrupts; node,
    a share of the base's kernel part on the node.
    """
    name: str
    file: str
    words: object
    count: int
    at_most: dict = field(default_factory=dict)
    interrupts: dict = field(default_factory=dict)
    node: dict = field(default_factory=dict)
    each: int = 0
    busy: bool = False

    def asked(self, lab, server, n):
        """What httperf says of n requests."""
        each = self.each or n
        if n % each:
            raise ValueError(f"{n} requests, {each} at a time")
        return web.httperf(lab, server, self.file, self.words(each), n // each)


EXAMPLES = (
    System("Reg TCP", NATIVE, lambda vm: web.Example(vm, "tcp")),
    System("MemNet", MEMNET, lambda vm: web.Example(vm, "memnet"), "Reg TCP"),
    System("MemNet_Direct", MEMNET, lambda vm: web.Example(vm, "direct"), "Reg TCP"),
    System("MemNet_Async", MEMNET, lambda vm: web.Example(vm, "async"), "Reg TCP"),
)
NGINX = (
    System("nginx", NATIVE, lambda vm: web.Nginx(vm, False)),
    System("nginx over AF_MEMNET", MEMNET, lambda vm: web.Nginx(vm, True), "nginx"),
)
# the three that are ours
SHARED = [s.name for s in EXAMPLES[1:]]
# what a processor is taken to execute each second where a cost is told as requests each second
SPEED = 3e9
# seconds in which what is on its way comes to an end, and in which connections are closed at the latest
SETTLE, CLOSED = 0.3, 20


class Costs:
    """What a load costs a system, by repeats: .host, where the server runs, and .node, None where it runs there itself."""

    def __init__(self, host, node=None):
        self.host, self.node = host, node


def measure(bed, options, figure, systems, loads):
    """The records of a figure."""
    bases = {s.base for s in systems}
    for load in loads:
        for system in systems:
            if options.call and system.name not in bases and not any(c in system.name for c in options.call):
                continue
            found = costs(bed, options, system, load)
            base = next((s for s in systems if s.name == system.base), None)
            yield from records(figure, system, load, found, base and (base, costs(bed, options, base, load)))
            vm = bed.lab.node if system.where == NATIVE else bed.lab.host
            yield of_runs(figure, system.name, load.name, "system calls", "system calls", [bed.calls(vm, c) for c in found.host])
            if options.top:
                print(f"\n{where_it_goes(found.host, options.top)}", flush=True)
                if found.node:
                    print(f"    node\n{where_it_goes(found.node, options.top)}", flush=True)


def published(figure, load, shares):
    """The paper's bars beside ours: what each system's host had to do, of what Reg TCP's had."""
    for name, value in zip(SHARED, shares):
        yield Record(figure, f"{name}, the paper's", load.name, "share", f"of {EXAMPLES[0].name}", value, 0.0)


def records(figure, system, load, found, base):
    """All records of a system under a load; base: (system, costs), or None."""
    def record(metric, unit, value, of=found.host, **more):
        return of_runs(figure, system.name, load.name, metric, unit, [value(c) for c in of], **more)

    def compared(record_, with_, **more):
        return share(record_, of_runs(figure, base[0].name, load.name, "", "", with_), **more)
    charged = record("instructions", "instructions", lambda c: c.charged, parts=middle([c.charged for c in found.host],
                                                                                     [c.parts for c in found.host]))
    yield charged
    if base:
        yield compared(charged, [c.charged for c in base[1].host], at_most=load.at_most.get(system.name))
    if found.node:
        node = record("node", "instructions", lambda c: c.charged, found.node, parts=middle([c.charged for c in found.node],
                                                                                            [c.parts for c in found.node]))
        yield node
        if base:
            yield compared(record("", "", kernel, found.node), [kernel(c) for c in base[1].host], metric="node's kernel",
                           at_most=load.node.get(system.name))
    yield record("host-limited", "requests/s", lambda c: SPEED / c.charged)
    if found.node:
        yield record("node-limited", "requests/s", lambda c: SPEED / c.charged, found.node)
    yield record("interrupts", "interrupts", lambda c: c.beside["interrupts"],
                 at_most=load.interrupts.get(system.name))
    yield record("sleeps", "sleeps", lambda c: c.beside["slept"])
    if system.where == MEMNET:
        yield record("messages", "messages", lambda c: c.beside["messages"])
        yield record("copied", "bytes", lambda c: c.beside["copied"])
        yield record("posting", "instructions", lambda c: c.soft)
        yield record("adapter", "instructions", lambda c: c.standin)


def median(costs):
    return statistics.median(c.charged for c in costs)


def kernel(cost):
    """Of a cost, what the kernel has."""
    return cost.charged - cost.parts["user space"]


def costs(bed, options, system, load):
    """Costs of a request; measured once for all figures of a run."""
    key = system.name, load.file, load.words(load.count)
    if key not in bed.kept:
        bed.kept[key] = _costs(bed, options, system, load)
    return bed.kept[key]


def _costs(bed, options, system, load):
    lab = bed.lab
    vms = [lab.node] if system.where == NATIVE else [lab.host, lab.node]
    web.files(lab)
    with system.server(vms[0]) as server:
        ask = Asking(lab, server, load)
        if not load.busy:
            return Costs(*bed.serving(vms, ask, load.count, options.repeats))
        found = []
        for vm in vms[:1] if options.quick and not load.node else vms:
            with bed.last(vm):
                found += bed.serving([vm], ask, load.count, options.repeats, warm=bool(found))
        return Costs(*found)


class Asking:
    """
    The client's loads of a server, one after another; called with n it has that many requests made, all of them answered and their
    connections closed, and returns what httperf says, and how often the server slept.
    """

    def __init__(self, lab, server, load):
        self.lab, self.server, self.load = lab, server, load
        self.slept, self.open = server.sleeps(), self._open()

    def __call__(self, n):
        said = self.load.asked(self.lab, self.server, n)
        if said["errors"] or said["replies"] != n:
            raise LabError(f"{n} requests, and httperf says {said}")
        end = time.monotonic() + CLOSED
        time.sleep(SETTLE)
        while self._open() > self.open:
            if time.monotonic() > end:
                raise LabError(f"connections are not closed {CLOSED} s later: {self._open()}, {self.open} before")
            time.sleep(SETTLE)
        before, self.slept = self.slept, self.server.sleeps()
        return {**said, "slept": self.slept - before}

    def _open(self):
        """Sockets of ours that there still are, those of closed connections that are not over included; a native server has none."""
        if self.server.vm is not self.lab.host:
            return 0
        now = offload.counters(self.lab.host)
        return now["host.endpoints"] + now["host.orphans"]
