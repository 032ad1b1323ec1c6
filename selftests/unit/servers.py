#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Unit tests of bench's figures about servers, as TAP: what httperf says, loads, passes over busy servers, and what is made of their costs."""
import contextlib
import math
import re
import sys
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.dont_write_bytecode = True

from bench import __main__ as bench, bed, serving, web      # noqa: E402
from bench.figures import cpu, http10, http11, model, nginx, offered   # noqa: E402
from bench.serving import Load, System                      # noqa: E402
from selftests.lab.cache import LabError                    # noqa: E402
from selftests.unit import tap                              # noqa: E402
from selftests.unit.measurements import Symbols, cost, counts, near, raises     # noqa: E402


SAID = """httperf --hog --timeout=10 --client=0/1 --server=192.168.77.1 --port=8090 --uri=/8K --http-version=1.0 --num-conns=200
Maximum connect burst length: 1

Total: connections 200 requests 200 replies {replies} test-duration 4.012 s

Connection rate: 49.9 conn/s (20.1 ms/conn, <=2 concurrent connections)
Reply size [B]: header 110.0 content 8192.0 footer 0.0 (total 8302.0)
Reply status: 1xx=0 2xx={good} 3xx=0 4xx={bad} 5xx=0

Errors: total {errors} client-timo {errors} socket-timo 0 connrefused 0 connreset 0
Errors: fd-unavail 0 addrunavail 0 ftab-full 0 other 0
"""


def said(replies=200, bad=0, errors=0):
    return SAID.format(replies=replies, good=replies - bad, bad=bad, errors=errors)


def test_what_httperf_says():
    """Good replies only."""
    assert web.parsed(said()) == {"replies": 200, "ms": 4012, "errors": 0}
    assert web.parsed(said() + said(150), 2) == {"replies": 350, "ms": 8024, "errors": 0}
    assert web.parsed(said(bad=3))["replies"] == 197 and web.parsed(said(190, errors=10))["errors"] == 10
    raises(LabError, web.parsed, "httperf: connection refused\n")
    raises(LabError, web.parsed, said(), 2)


class Asked:
    """A lab whose client is told what to say; sockets that close when they are looked at again."""

    def __init__(self, answer, sockets=(0,)):
        self.sockets, self.commands = list(sockets), []
        self.client = types.SimpleNamespace(sh=lambda command, timeout: self.commands.append(command) or answer)
        self.host = "host"

    def counters(self, vm):
        return {"host.endpoints": self.sockets.pop(0) if len(self.sockets) > 1 else self.sockets[0], "host.orphans": 0}


def asked(lab, *numbers, where="host"):
    server, slept = types.SimpleNamespace(port=8090, vm=where), [5, 25, 26]
    server.sleeps = lambda: slept.pop(0)
    old = serving.offload.counters, serving.SETTLE, serving.CLOSED
    serving.offload.counters, serving.SETTLE, serving.CLOSED = lab.counters, 0.001, 0.01
    try:
        asking = serving.Asking(lab, server, Load("all", "8K", lambda n: f"--num-conns {n}", 100))
        return [asking(n) for n in numbers or (200,)]
    finally:
        serving.offload.counters, serving.SETTLE, serving.CLOSED = old


def test_requests():
    """All answered, all closed; or it is no measurement."""
    lab = Asked(said(), sockets=[1, 30, 2, 1, 2, 1])
    got = asked(lab, 200, 200)
    assert [g["slept"] for g in got] == [20, 1] and got[0]["replies"] == 200 and len(lab.sockets) == 1, got
    assert "--port 8090 --uri /8K " in lab.commands[0] and "--num-conns 200 ||" in lab.commands[0], lab.commands
    raises(LabError, asked, Asked(said(199)))
    raises(LabError, asked, Asked(said(bad=1)))
    raises(LabError, asked, Asked(said(errors=1)))
    raises(LabError, asked, Asked(said(), sockets=[1, 3]))
    raises(LabError, asked, Asked(said(), sockets=[1, 1, 3]), 200, 200)
    assert asked(Asked(said(), sockets=[1, 3]), where="node")       # the host's sockets are others'


def test_slopes_of_a_server():
    """For each guest its own, of N more; with as many as there will be first.  Runs follow each other."""
    asked_for, before = [], []

    def spent(vms, work, since):
        n = work()["replies"]
        before.append([ran.after for ran in since])
        return [bed.Ran(counts({1: 500 + n * k}, {}, 7), 0, {"replies": n}, (len(before), k)) for k in (10, 30)]
    b = types.SimpleNamespace(spent=spent, symbols={"host": Symbols, "node": Symbols}, tick={"host": {}, "node": {}}, fewer=1)
    b._slopes = lambda *args: bed.Bed._slopes(b, *args)
    vms = [types.SimpleNamespace(name=n) for n in ("host", "node")]
    host, node = bed.Bed.serving(b, vms, lambda n: asked_for.append(n) or {"replies": n}, 100, 2)
    assert asked_for == [200, 100, 200, 100, 200] and len(host) == len(node) == 2
    assert near(host[0].charged, 10) and near(node[1].charged, 30) and host[0].beside == {"replies": 1}
    assert before == [[]] + [[(i, 10), (i, 30)] for i in (1, 2, 3)], before
    b.fewer, b.run = 2, lambda vm, command, since=(): spent(vms, lambda: asked_for.append(command) or {"replies": command}, since)[0]
    (fewer,), _ = bed.Bed.serving(b, vms, lambda n: asked_for.append(n) or {"replies": n}, 100, 1)
    bed.Bed.serving(b, vms, lambda n: asked_for.append(n) or {"replies": n}, 100, 1, warm=True)
    assert asked_for[8:] == [50, 100], asked_for
    del asked_for[8:]
    fewer_calls, = bed.Bed.slope(b, vms[0], lambda n: n, 100, 1)
    assert asked_for[5:] == [100, 50, 100, 25, 50, 100] and near(fewer.charged, 10) and near(fewer_calls.charged, 10), asked_for


def test_what_is_spent_since():
    """What is told of a guest afterwards is what the next run begins with, if nothing has happened since."""
    told = iter([(100, {"interrupts": 1}), (107, {"interrupts": 21}), (110, {"interrupts": 51})])
    zero = types.SimpleNamespace(joined=lambda apps: "counts")
    number = type("", (), {"__sub__": lambda self, other: zero})()
    b = types.SimpleNamespace(events=lambda vm: next(told), counts=lambda vm: number, apps=(1,))
    first = bed.Bed.spent(b, ["host"], lambda: {"slept": 3, "word": "x"})
    then = bed.Bed.spent(b, ["host"], lambda: {"slept": 4}, first)
    assert (first[0].ticks, first[0].beside, first[0].counts) == (7, {"interrupts": 20, "slept": 3}, "counts"), vars(first[0])
    assert (then[0].ticks, then[0].beside) == (3, {"interrupts": 30, "slept": 4}), vars(then[0])


class Served:
    """A bed where servers cost what they are said to."""

    def __init__(self):
        self.kept, self.served, self.lasts, self.warm, self.lab = {}, [], [], [], types.SimpleNamespace(node="node", host="host")
        self.entry = {"node": 20, "host": 10}
        self.calls = lambda vm, c: c.charged / self.entry[vm]

    def serving(self, vms, load, n, repeats, warm=False):
        self.served.append((list(vms), n))
        self.warm.append(warm)
        self.lasts.append(self.is_last)
        beside = {"interrupts": 12, "slept": 10, "messages": 70, "copied": 40, "replies": 10}
        of = lambda user, app, adapter: [cost({1: app, 3: 20, 6: 10}, {8: adapter, 3: 900}, user=user + i, beside=beside) for i in range(repeats)]
        node = of(200, 770, 0) if Serves.on == "node" else of(0, 1070, 0)
        return [node if vm == "node" else of(200, 170, 100) for vm in vms]

    is_last = None

    @contextlib.contextmanager
    def last(self, vm):
        self.is_last = vm
        yield
        self.is_last = None


class Serves:
    on = None

    def __init__(self, vm):
        self.vm = vm

    def __enter__(self):
        Serves.on = self.vm
        return self

    def __exit__(self, *_):
        pass

    def sleeps(self):
        return 0


SYSTEMS = (System("theirs", serving.NATIVE, Serves), System("ours", serving.MEMNET, Serves, "theirs"),
           System("other", serving.MEMNET, Serves, "theirs"))


def served(*argv, systems=SYSTEMS, f=None, busy=False, node=1.5):
    b, old = Served(), (web.files, web.Example, serving.offload.counters)
    web.files, web.Example, serving.offload.counters = lambda lab: None, lambda vm, build: Serves(vm), Asked("").counters
    loads = (Load("all", "8K", str, 100, {"ours": 0.4}, {"ours": 1.0}, {"ours": node} if node else {}, busy=busy),)
    try:
        found = list((f or (lambda b, o: serving.measure(b, o, "made", systems, loads)))(b, bench.parse(list(argv))))
    finally:
        web.files, web.Example, serving.offload.counters = old
    return b, {(r.system, r.metric): r for r in found}


def test_servers():
    b, by = served("--repeats", "1")
    assert b.served == [(["node"], 100), (["host", "node"], 100), (["host", "node"], 100)], b.served
    ours, theirs = by["ours", "instructions"], by["theirs", "instructions"]
    assert near(theirs.median, 100) and near(ours.median, 50) and near(by["ours", "node"].median, 110), (theirs, ours)
    for r in by.values():
        assert not r.parts or near(sum(r.parts.values()), r.median), r
    assert near(by["ours", "share"].median, 0.5) and by["ours", "share"].missed and by["other", "share"].at_most is None
    # of 110 of the node's kernel, 80 of native TCP's
    assert near(by["ours", "node's kernel"].median, 110 / 80) and by["ours", "node's kernel"].at_most == 1.5
    assert near(by["ours", "interrupts"].median, 1.2) and by["ours", "interrupts"].missed
    assert not any(by[s, m].at_most for s in ("theirs", "other") for m in ("interrupts", "instructions"))
    assert near(by["ours", "host-limited"].median, serving.SPEED / 50) and near(by["ours", "node-limited"].median, serving.SPEED / 110)
    assert near(by["theirs", "system calls"].median, 5) and near(by["ours", "system calls"].median, 5)
    assert near(by["ours", "adapter"].median, 90) and near(by["ours", "posting"].median, 2) and near(by["ours", "messages"].median, 7)
    assert not {m for s, m in by if s == "theirs"} & {"share", "node", "node-limited", "messages"}, by.keys()


def test_servers_kept_busy():
    """Each processor is the last when it is measured, the native server's as well; what is found is the same."""
    b, by = served("--repeats", "1", busy=True)
    assert b.served == [([vm], 100) for vm in ("node", "host", "node", "host", "node")], b.served
    assert b.lasts == [vm for (vm,), _ in b.served], b.lasts
    assert b.warm == [False, False, True, False, True], b.warm
    assert set(served("--repeats", "1")[0].lasts) == {None}
    assert near(by["ours", "node"].median, 110) and near(by["ours", "instructions"].median, 50), by


def test_quick_servers():
    """The node's processor is measured by itself where there is a target for it."""
    b, by = served("--quick", busy=True)
    assert len(b.served) == 5 and ("ours", "node") in by, b.served
    b, by = served("--quick", busy=True, node=None)
    assert b.served == [(["node"], 100), (["host"], 100), (["host"], 100)] and ("ours", "node") not in by, b.served
    assert near(by["ours", "messages"].median, 7) and ("theirs", "messages") not in by, by.keys()


def test_chosen_servers():
    """What they are compared with is measured all the same, and once."""
    b, by = served("--call", "oth")
    assert {s for s, _ in by} == {"theirs", "other"} and len(b.served) == 2, by.keys()


def test_loads_of_one_name():
    """Are measured each; the same load of another figure is not measured again."""
    def both(b, options):
        for words in (str, lambda n: f"{n} others", str):
            yield from serving.measure(b, options, "made", SYSTEMS[:1], (Load("all", "8K", words, 100),))
    assert len(served(f=both)[0].served) == 2


def test_offered():
    """Rates one after another, and all of them again; a quick run once."""
    for argv, rates, runs in ((["--repeats", "5"], offered.RATES, 3), (["--quick"], offered.QUICK_RATES, 1)):
        asked_for, old = [], web.httperf
        web.httperf = lambda lab, server, file, words: asked_for.append(words) or {"replies": 100, "ms": 500 * len(asked_for)}
        try:
            found = served(*argv, f=offered.measure)[1]
        finally:
            web.httperf = old
        words = [offered.words(rate, min(rate, offered.MOST)) for rate in rates]
        assert asked_for == ([offered.words(50, 25)] + words * runs) * len(serving.EXAMPLES), asked_for
        assert {(s, m) for s, m in found} == {(s.name, "replies") for s in serving.EXAMPLES} and all(len(r.runs) == runs for r in found.values())


def test_processors():
    """The parts of figure 7 add up, too; what costs are of another figure are not measured again."""
    b, by = served(f=cpu.measure)
    assert len(b.served) == 1 + 2 * (len(serving.EXAMPLES) - 1)
    reg, host, node = (by[s, "processor"] for s in ("Reg TCP, host", "MemNet, host", "MemNet, node"))
    assert 99 < reg.median < 101 and 49 < host.median < 51 and 109 < node.median < 111, (reg, host, node)
    for r in (reg, host, node):
        assert near(sum(r.parts.values()), r.median), r
    assert near(host.parts["memnet"], 100 * 10 / serving.median(next(iter(b.kept.values())).host)), host.parts
    assert near(host.parts["posting and completion"], 100 * (2 + 1) / 100.2) and ("Reg TCP, node", "processor") not in by
    assert cpu.part("memnet_core, on the adapter's processor") == "memnet" and cpu.part("nf_tables") == cpu.OTHER


def test_the_model():
    of = {ratio: {m: v for m, (_, v) in model.gains(*ratio, 40.0, 120.0, 100.0).items()} for ratio in ((1, 1), (1, 4), (4, 1))}
    # the node is the limit: 100 / 120; with 120 of host's work for a request both are busy
    assert near(of[1, 1]["throughput"], 100 / 120) and near(of[1, 1]["most"], 180 / 120), of
    assert near(of[1, 1]["pays from"], 20) and near(of[1, 1]["of all"], 50 / 120), of
    assert near(model.throughput(1, 1, 40, 120, 80) * (100 + 80), of[1, 1]["most"])
    assert near(model.throughput(1, 1, 40, 120, 20) * (100 + 20), 1)
    # the host is
    assert near(of[1, 4]["throughput"], 2.5) and near(of[1, 4]["most"], 2.5) and of[1, 4]["pays from"] == 0, of
    assert near(of[4, 1]["throughput"], 100 / 480) and near(of[4, 1]["pays from"], 380), of
    assert all(of[ratio]["of all"] < 1 for ratio in of), of
    # an offload that costs the host more than what it takes from it
    assert "pays from" not in model.gains(1, 1, 110.0, 10.0, 100.0)


def test_loads():
    """Whole requests on whole connections, for N and 2 N; systems that have targets exist."""
    for figure, loads, systems in ((http10, (http10.FULL, http10.ALONE), serving.EXAMPLES + serving.NGINX),
                                   (http11, (http11.FULL,), serving.EXAMPLES), (nginx, nginx.LOADS, serving.NGINX)):
        for load in loads:
            assert set(load.at_most) | set(load.interrupts) | set(load.node) <= {s.name for s in systems}, load
            assert load.file in web.SIZES
            for n in (load.count // bench.QUICK_FEWER, load.count, 2 * load.count):
                each = load.each or n
                given = re.search(r"--wsess (\d+),(\d+),0(?:\.\d+)?\b|--num-conns (\d+)(?: --num-calls (\d+))?", load.words(each)).groups("")
                assert math.prod(int(x) for x in given if x) == each and n % each == 0, (load, n)


if __name__ == "__main__":
    sys.exit(tap.main("servers", globals()))
