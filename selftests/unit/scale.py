#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Unit tests of bench's figures of many connections, memory, channels and peers, as TAP: made-up guests, and programs nobody starts."""
import contextlib
import subprocess
import sys
import tempfile
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.dont_write_bytecode = True

from bench import __main__ as bench, bed, kept as real_kept # noqa: E402
from bench.calls import Call                                # noqa: E402
from bench.figures import channels, connections, memory, peers, queuepairs  # noqa: E402
from selftests.unit import tap                              # noqa: E402
from selftests.unit.measurements import Bed, near           # noqa: E402


# --- memory, and many connections -------------------------------------------------------------------

SLABINFO = """slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata
MEMNET               {0}    200   1216    4    2 : tunables    0    0    0 : slabdata      1      1      0
filp                 {0}    200    256   16    1 : tunables    0    0    0 : slabdata     12     12      0
tiny                 {1}      9      8  512    1 : tunables    0    0    0 : slabdata      1      1      0
"""
MEMINFO = """MemTotal:         1000 kB
MemFree:           {0} kB
Cached:            100 kB
Slab:              200 kB
VmallocUsed:        77 kB
"""
ZONEINFO = """Node 0, zone      DMA
  pagesets
    cpu: 0
              count:    {0}
              high: 9
    cpu: 1
              count:    3
"""


class Machine:
    """A guest with so many sockets; each takes a page that nothing has a name for, and leaves one free on a processor."""

    def __init__(self, sockets):
        self.sockets = sockets

    def sh(self, command, **_):
        if "drop_caches" in command:
            return ""
        assert command == "cat /proc/meminfo; echo ---; cat /proc/zoneinfo; echo ---; cat /proc/slabinfo", command
        return "---\n".join((MEMINFO.format(600 - 8 * self.sockets), ZONEINFO.format(self.sockets), SLABINFO.format(self.sockets, self.sockets // 10)))


def test_memory_of_a_socket():
    """Its share of a slab's pages, and the pages of no slab; its file is told apart."""
    parts = memory.each(memory.look(Machine(10)), memory.look(Machine(50)), 40)
    assert parts == {"MEMNET": 2048, "filp": 256, "other slabs": 0.8, "pages": 4096}, parts
    found = {r.metric: r for r in memory.records("ours", "connected", [parts, {**parts, "MEMNET": 2050}], 6000)}
    assert near(found["memory"].median, 2048 + 256 + 0.8 + 4096 + 1) and found["memory"].at_most is None
    own = found["without the file"]
    assert near(own.median, 2048 + 0.8 + 4096 + 1) and own.missed and "filp" not in own.parts
    assert all(near(sum(r.parts.values()), r.median) for r in found.values())
    assert [r.metric for r in memory.records(memory.NODE, "connected", [parts], None)] == ["memory"]


def test_memory_of_a_queue_pair():
    """From each number to the next."""
    old, asked = queuepairs._look, []

    def look(_, n):
        asked.append(n)
        return memory.look(Machine(n))
    queuepairs._look = look
    try:
        found = list(queuepairs.measure(types.SimpleNamespace(lab=None), types.SimpleNamespace(quick=False, repeats=2)))
    finally:
        queuepairs._look = old
    assert asked == [1, 100, 1000] * 2, asked
    assert [r.point for r in found] == ["from 1 to 100", "from 100 to 1,000"], found
    for r in found:
        assert len(r.runs) == 2 and abs(r.median - 6400) < 2, r


class Kept:
    """Connections that nobody makes."""

    log = []

    def __init__(self, vm, options, env="", number=0):
        self.log.append((vm, options, env))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.log.append("ended")

    def open(self, n):
        self.log.append(n)

    @staticmethod
    def asking(n, at_once=1):
        return f"ask {n} {at_once}"


@contextlib.contextmanager
def kept(module):
    """A figure's module without real connections; what was asked for."""
    old, Kept.log = (module.Kept, module.offload.idle), []
    module.Kept, module.offload.idle = Kept, lambda *_, **__: None
    try:
        yield Kept.log
    finally:
        module.Kept, module.offload.idle = old


def test_asking():
    """All are told before any is waited for, and the sleeps of all are told; the program's own complaint ends it."""
    with tempfile.TemporaryDirectory() as folder:
        made = [types.SimpleNamespace(path=f"{folder}/{i}") for i in range(3)]
        run = lambda command: subprocess.run(["sh", "-c", command.replace("dash", "sh", 1)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                             text=True)
        for k, answer in zip(made, ("slept=5", "slept=70", "slept=600")):
            Path(f"{k.path}.out").write_text(answer + "\n")
        command = real_kept.asking(made, 11, 16)
        said, told = run(command).stdout, [Path(f"{k.path}.in").read_text() for k in made]
        assert said == "slept=675\n" and told == ["ask 4 16\n", "ask 4 16\n", "ask 3 16\n"], (said, told)
        assert command.index("2.in") < command.index("0.out"), command
        Path(f"{made[1].path}.out").write_text("mnrequests failed\n")
        assert run(command).returncode


class Node(str):
    """The name of a guest that can be asked to wait for something."""

    def __new__(cls, waited):
        node = super().__new__(cls, "node")
        node.until = lambda command, timeout, what: waited.append(what)
        return node


def bed_with_guests():
    b = Bed()
    b.lab.guests, b.waited = (), []
    b.lab.node = Node(b.waited)
    return b


def test_many_connections():
    """More and more of them on one system after the other; what is to hold is how much ours grows."""
    for argv, numbers in (([], [1, 100, 1000, 10000]), (["--quick"], [1, 1000])):
        b = bed_with_guests()
        with kept(connections) as log:
            found = list(connections.measure(b, bench.parse(argv)))
        assert [x for x in log if isinstance(x, int)] == 2 * numbers and log.count("ended") == 2, log
        growth = [r for r in found if r.metric == "growth"]
        assert len(growth) == 2 * len(numbers) - 2 and all(near(r.median, 1) for r in growth)
        assert {(r.system, r.at_most) for r in growth} == {("native TCP", None), ("memnet", 1.10)}
        shares = [r for r in found if r.metric == "share"]
        assert len(shares) == len(numbers) + 1 + 2 and all(r.system == "memnet" and r.median < 0.5 for r in shares), shares
        assert [c.split()[-2] for _, c, _ in b.asked if c.startswith("mnrequests")] == ["connect"] * 2 + ["accept"] * 2, b.asked
        assert b.waited == ["connections to leave TIME_WAIT"], b.waited


def test_channels():
    """The link is made anew for each number, and as it was in the end; the other bed has a program on each processor."""
    b, links = bed_with_guests(), []
    b.apps, b.lab.logdir = range(1, 2), Path("/nowhere")
    two = bed_with_guests()
    two.apps, two.lab.check_consoles = range(1, 3), lambda: links.append("checked")

    @contextlib.contextmanager
    def second(kernel, logdir, apps):
        assert apps == 2 and logdir == Path("/nowhere/two")
        yield two
    old = channels.link, channels.Bed, channels.asking
    channels.link, channels.Bed = lambda lab, words="": links.append(words), second
    channels.asking = lambda k, n, at_once: f"{len(k)} ask {n} {at_once}"
    try:
        with kept(channels) as log:
            found = list(channels.measure(b, bench.parse([])))
    finally:
        channels.link, channels.Bed, channels.asking = old
    assert links == [x for n in (1, 2, 4, 1, 3) for x in (f"channels {n}", "")] + ["checked"], links
    assert [x for x in log if isinstance(x, int)] == [64] * 3 + [32] * 4 and log.count("ended") == 7, log
    assert [c for _, c, _ in b.asked] == [f"1 ask {channels.REQUESTS} 16"] * 3 and [c for _, c, _ in two.asked] == [f"2 ask {channels.REQUESTS} 16"] * 2
    assert [(r.system, r.point) for r in found if r.metric == "share"] == [
        ("one processor", "2 channels"), ("one processor", "4 channels"), ("two processors", "3 channels")]


def test_peers():
    """Each is made ready and put away, measured by the same program, and compared with native TCP; a quick run makes requests only."""
    log = []

    @contextlib.contextmanager
    def ready(bed_):
        log.append("ready")
        yield "host", "env X=1 ", "--peer there"
        log.append("away")
    old, peers.SYSTEMS = peers.SYSTEMS, ((Call("native TCP", "native", ""), ready), (Call("one", "native", ""), ready),
                                         (Call("other", "memnet", ""), ready))
    b, quick = bed_with_guests(), bed_with_guests()
    try:
        with kept(peers) as asked:
            found = list(peers.measure(b, bench.parse(["--call", "other"])))
        with kept(peers):
            points = {r.point for r in peers.measure(quick, bench.parse(["--call", "other", "--quick"]))}
    finally:
        peers.SYSTEMS = old
    assert log == ["ready", "away"] * 4, log
    wanted = {("host", f"--peer there --plain --late 2 --size {size}", "env X=1 ") for size, _ in peers.SIZES}
    assert {x for x in asked if isinstance(x, tuple)} == wanted, asked
    assert [r.system for r in found if r.metric == "share"] == ["other"] * (len(peers.SIZES) + 1)
    assert points == {"a request, 8 KiB"}, points
    assert b.asked[len(peers.SIZES)][1] == f"env X=1 mnrequests --peer there --plain --on {bed.APP} connect {peers.MADE}", b.asked


if __name__ == "__main__":
    sys.exit(tap.main("scale", globals()))
