# SPDX-License-Identifier: GPL-2.0
"""Figures about calls: what one call, or job, of some size costs, beside the same on native TCP in the same run.

The native ones run on the node, over its external interface, which has checksum and segmentation offload, in a guest of the
same kind as the host.  bed.py says what is counted.
"""
from dataclasses import dataclass, field

from bench.bed import ON, ours
from bench.record import middle, of_runs, share
from selftests.cases import offload

K = 1 << 10


@dataclass(frozen=True)
class Call:
    """A system of a figure; at_most: by size, what share of the first system's cost it may have where no piece is waited for."""
    name: str
    where: str
    words: str
    batch: int = 1
    at_most: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Size:
    """
    How many operations of that many bytes; how far the program counts for each, so that what was sent has left, or has
    come, meanwhile; or how many ms lie between two of the peer's.
    """
    size: int
    count: int
    pause: int = 0
    ms: int = 0

    def __str__(self):
        text = f"{self.size // K} KiB" if self.size >= K else f"{self.size} B"
        return f"{text}, every {self.ms} ms" if self.ms else text


def measure(bed, options, figure, program, calls, sizes):
    """The records of a figure; its first call is the one that the others are compared with. A quick run has what there are targets for."""
    for size in sizes:
        if options.size and size.size not in options.size:
            continue
        pause = options.rounds or size.pause
        less = bed.pause(pause) if pause and not size.ms else 0
        base = None
        for call in calls:
            if options.call and base and not any(c in call.name for c in options.call):
                continue
            if options.quick and base and not options.call and size.size not in call.at_most:
                continue
            costs = _costs(bed, options, program, call, size, pause, less)
            now = charged(figure, call.name, str(size), costs)
            yield now
            base = base or now
            if now is not base:
                yield share(now, base, at_most=None if size.ms else call.at_most.get(size.size))
            yield from beside(figure, call, str(size), costs)
            if options.top:
                print(where_it_goes(costs, options.top), flush=True)


def place(bed, call):
    """The guest where a call is made, and what the programs are told of it."""
    return (bed.lab.node, offload.native_of_node()) if call.where == "native" else (bed.lab.host, offload.memnet())


def _costs(bed, options, program, call, size, pause, less):
    vm, args = place(bed, call)
    command = f"{program} {args} {ON} {call.words} {size.size} %d {call.batch} {0 if size.ms else pause} {size.ms}"
    return bed.slope(vm, lambda n: command % n, size.count, options.repeats, less)


def charged(figure, system, point, costs):
    """The record of what is charged."""
    runs = [c.charged for c in costs]
    return of_runs(figure, system, point, "instructions", "instructions", runs, parts=middle(runs, [c.parts for c in costs]))


def beside(figure, call, point, costs):
    """What is not charged, and what else happened."""
    def record(metric, unit, value):
        return of_runs(figure, call.name, point, metric, unit, [value(c) for c in costs])
    yield record("interrupts", "interrupts", lambda c: c.beside["interrupts"])
    yield record("sleeps", "sleeps", lambda c: c.beside["slept"])
    if call.where == "memnet":
        yield record("messages", "messages", lambda c: c.beside["messages"])
        yield record("copied", "bytes", lambda c: c.beside["copied"])
        yield record("posting", "instructions", lambda c: c.soft)
        yield record("adapter", "instructions", lambda c: c.standin)


def where_it_goes(costs, top):
    """The most expensive functions, on average of the repeats."""
    total = {}
    for cost in costs:
        for where, by in ("", cost.by), (", adapter", {k: n for k, n in cost.adapter.items() if ours(*k)}):
            for (module, function), n in by.items():
                key = f"{function} [{module}{where}]"
                total[key] = total.get(key, 0) + n / len(costs)
    return "\n".join(f"        {n:8.0f}  {what}" for what, n in sorted(total.items(), key=lambda x: -x[1])[:top])
