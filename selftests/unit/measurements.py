#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Unit tests of bench, as TAP: costs from made-up counts, records, reports of made-up results, figures of calls, and ones that fail."""
import contextlib
import io
import sys
import tempfile
import types
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.dont_write_bytecode = True

from bench import __main__ as bench, agree, bed, calls, kinds, left, report     # noqa: E402
from bench.calls import Call, K, Size                       # noqa: E402
from bench.counter.counts import Spent                       # noqa: E402
from bench.figures import san                               # noqa: E402
from bench.record import Figure, Results, middle, of_runs, share        # noqa: E402
from selftests.lab.cache import LabError                    # noqa: E402
from selftests.unit import tap                              # noqa: E402


def near(a, b):
    return abs(a - b) < 1e-9 * max(abs(a), abs(b), 1)


def raises(kind, f, *args):
    try:
        f(*args)
    except kind as e:
        return e
    raise AssertionError(f"no {kind.__name__}")


# --- costs ------------------------------------------------------------------------------------------

WHERE = {1: ("kernel", "tcp_sendmsg"), 2: ("memnet", "send_bytes"), 3: ("rdma_rxe", "rxe_post_send"), 4: ("kernel", "default_idle"),
         5: ("kernel", "native_queued_spin_lock_slowpath"), 6: ("ib_core", "ib_cq_poll_work"), 7: ("ib_core", "rdma_query_gid"),
         8: ("memnet_core", "rx_poll"), 9: ("memnet_tcps", "tcps_rx_pump")}


class Symbols:
    """Addresses are keys of WHERE."""

    @staticmethod
    def functions(counts, cpu):
        return {WHERE[a]: n for a, n in counts.kernel[cpu].items()}


def counts(app, adapter, user):
    assert (bed.ADAPTER, bed.APP) == (0, 1)
    return Spent([0, user], [adapter, app], [0, 0])


def cost(app, adapter, user=0, ticks=0, n=10, tick=100, less=0, beside=None):
    return bed.Cost(bed.Ran(counts(app, adapter, user), ticks, beside or {}), n, Symbols, {"TCP/IP": 0.7 * tick, "interrupts": 0.3 * tick}, less)


def test_what_is_charged():
    """Everything on APP but idling and spinning; on ADAPTER what is ours, and ib_core's completion queues."""
    c = cost({1: 1000, 2: 200, 3: 5000, 4: 7000, 5: 9000}, {1: 100000, 2: 30, 6: 40, 7: 70000, 8: 50, 3: 90000, 9: 60}, user=500)
    assert near(c.charged, (1000 + 200 + 5000 + 500 + 30 + 40 + 50 + 60) / 10), c.charged
    assert near(c.soft, 500) and near(c.standin, (100000 + 70000 + 90000) / 10), (c.soft, c.standin)
    assert c.parts["TCP/IP"] == 100 and c.parts["memnet"] == 20 and c.parts["user space"] == 50, c.parts
    assert c.parts["rdma_rxe"] == c.soft and not any("rxe" in p for p in c.parts if p != "rdma_rxe"), c.parts


def test_what_is_taken_off():
    """Counting between two operations, and timer ticks."""
    c = cost({1: 1000}, {}, user=500, ticks=2, less=30)
    assert near(c.charged, 100 + 20 - 20) and near(c.parts["TCP/IP"], 100 - 14) and near(c.parts["interrupts"], -6), c.parts
    assert c.parts["user space"] == 20, c.parts


def test_parts_add_up():
    c = cost({i: 7 ** i for i in WHERE}, {i: 5 ** i for i in WHERE}, user=12345, ticks=3, less=17)
    assert c.charged == sum(c.parts.values())


def test_system_calls():
    """By what is executed where they enter the kernel."""
    old = dict(WHERE)
    WHERE.update({20: ("kernel", "entry_SYSCALL_64"), 21: ("kernel", "entry_SYSCALL_64_after_hwframe"), 22: ("kernel", "entry_SYSRETQ")})
    try:
        c = cost({1: 5, 20: 300, 21: 100, 22: 70}, {20: 9000})
    finally:
        WHERE.clear()
        WHERE.update(old)
    assert near(c.entries, 40), c.entries
    b = types.SimpleNamespace(entry={"host": 20})
    assert near(bed.Bed.calls(b, types.SimpleNamespace(name="host"), c), 2)


def test_kinds():
    """The first that fits, underscores apart; modules by themselves."""
    for function, what in (("rep_movs_alternative", "copies"), ("skb_copy_datagram_iter", "copies"), ("__skb_try_recv_datagram", "TCP/IP"),
                           ("asm_common_interrupt", "interrupts"), ("__schedule", "sleeping, waking, time"), ("clear_page_rep", "memory"),
                           ("sock_def_readable", "sleeping, waking, time"),
                           ("__tcp_transmit_skb", "TCP/IP"), ("queue_work_on", "work queues"),
                           ("__sys_recvfrom", "system call and socket"), ("_raw_spin_lock", "locks, RCU, lists"), ("?", "other")):
        assert kinds.kind("kernel", function) == what, (function, kinds.kind("kernel", function))
    assert kinds.kind("memnet", "tcp_sendmsg") == "memnet"


def test_the_price_of_a_tick():
    """One that cannot be is no price: costs would be anything."""
    ran = lambda kernel, ticks: bed.Ran(counts({1: kernel - 7, 3: 7}, {1: 1000000}, 10 ** 9), ticks, {})
    price = bed.tick_price(ran(28500, 100), Symbols)
    assert near(price["TCP/IP"], 284.93) and near(price["rdma_rxe"], 0.07) and len(price) == 2, price
    for kernel, ticks in ((-90000, 100), (3000, 100), (400000, 100), (400000, 0)):
        raises(LabError, bed.tick_price, ran(kernel, ticks), Symbols)


def test_a_difference():
    one = bed.Ran(counts({1: 10, 2: 5, 4: 8}, {8: 1}, 100), 3, {"slept": 1, "messages": 10})
    two = bed.Ran(counts({1: 30, 2: 5, 3: 1}, {8: 4}, 350), 5, {"slept": 1, "messages": 25})
    more = two - one
    assert (more.counts.user[1], more.counts.kernel[1], more.ticks, more.beside) == (250, {1: 20, 3: 1, 4: -8}, 2, {"slept": 0, "messages": 15})


# --- records ----------------------------------------------------------------------------------------


def record(runs=(90.0, 100.0, 130.0), system="ours", point="1 KiB", metric="instructions", **more):
    return of_runs("made", system, point, metric, "instructions", runs, **more)


def test_median_and_spread():
    r = record()
    assert (r.median, r.spread, r.runs) == (100, 20, (90, 100, 130)) and near(r.wobble, 0.2)
    assert record((100.0, 200.0)).median == 150
    assert record((0.0, 0.0)).wobble is None


def test_share():
    """Its spread is that of both."""
    ours, base = record((40.0, 50.0, 60.0)), record((90.0, 100.0, 110.0), system="theirs")
    s = share(ours, base, at_most=0.4)
    assert s.metric == "share" and near(s.median, 0.5) and near(s.spread, 0.5 * (0.2 + 0.1)) and s.missed, s
    assert not share(ours, base, at_most=0.5).missed and not share(ours, base).missed
    assert share(record((0.0,)), base).spread == 0


def test_parts_of_the_median():
    """Of the run in the middle, or of two: they add up to it."""
    runs = [130.0, 90.0, 100.0]
    parts = [{"a": 100, "b": 30}, {"a": 90}, {"a": 60, "c": 40}]
    assert middle(runs, parts) == {"a": 60, "c": 40}
    two = middle(runs[:2], parts[:2])
    assert near(sum(two.values()), record(runs[:2]).median), two


def results(*records, **more):
    figure = Figure("made", 1, "Figure 1: made up", ("instructions",), "How it was\nmeasured.\n\nAnd why.", **more)
    return Results("6.12", "abc", "today", 3, [figure], list(records))


def test_written_and_read():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new" / "latest.json"
        before = results(record(parts={"user space": 100.0}), share(record(), record(system="theirs"), at_most=0.5), failed="it broke")
        before.write(path)
        assert Results.read(path) == before
        assert [p.name for p in path.parent.iterdir()] == ["latest.json"]
        path.write_text(path.read_text().replace('"format": 1', '"format": 0'))
        raises(ValueError, Results.read, path)


# --- reports ----------------------------------------------------------------------------------------


def test_numbers():
    for value, text in ((12345.6, "12,346"), (12.34, "12.3"), (1.234, "1.23"), (0, "0.00"), (-250.2, "-250")):
        assert report.digits(value) == text, (value, report.digits(value))
    assert report.number(record()) == "100 ±20.0%", report.number(record())
    assert report.number(record((0.0, 1.0))) == "0.50 ±0.50" and report.number(record((5.0,))) == "5.00"
    assert report.verdict(record()) == "" and report.verdict(record(at_most=100)) == " (≤ 100)"
    assert report.verdict(record(at_most=99)) == " > 99.0 MISSED"


def test_a_table():
    head, rows = report.table([record(system="a", point="1"), record(system="b", point="2", at_most=1)])
    assert head == ["", "1", "2"] and rows == [["a", "100 ±20.0%", "–"], ["b", "–", "100 ±20.0% > 1.00 MISSED"]], rows


def test_a_table_of_parts():
    head, rows = report.parts_table([record(system="a", parts={"x": 10.0, "y": 90.0}), record(system="b", parts={"y": 100.2, "z": -0.2})])
    assert head == ["", "y", "x", "sum"] and rows[0] == ["a, 1 KiB", "90.0", "10.0", "100"] and rows[1][2] == "–", (head, rows)


def written(found):
    drawn = []

    def draw(title, unit, records, systems):
        drawn.append((title, unit, len(records), systems))
        return f"<svg>{len(drawn)}</svg>"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        report.write(found, folder, draw)
        files = {p.name: p.read_text() for p in folder.iterdir()}
    return files, drawn


def test_the_report():
    good = results(record(system="a|b", parts={"x": 100.0}), record(system="<c>"), record(system="a|b", metric="sleeps"))
    files, drawn = written(good)
    assert sorted(files) == ["made-instructions.svg", "report.html", "report.md"], sorted(files)
    assert drawn == [("Figure 1: made up: instructions", "instructions", 2, ["a|b", "<c>"])], drawn
    md, page = files["report.md"], files["report.html"]
    for part in ("## Figure 1: made up\n", "How it was measured.\n\nAnd why.\n",
                 "![Figure 1: made up: instructions](made-instructions.svg)",
                 "|  | 1 KiB |\n| --- | ---: |\n| a\\|b | 100 ±20.0% |\n| <c> | 100 ±20.0% |\n", "### sleeps: instructions",
                 "0 targets hold, 0 are missed, 0 figures failed.", "revision abc"):
        assert part in md, (part, md)
    for part in ("<td>&lt;c&gt;</td>", "data:image/svg+xml;base64,PHN2Zz4xPC9zdmc+"):
        assert part in page, (part, page)
    assert "<c>" not in page and "src=\"made" not in page and "MISSED" not in page


def test_stacks():
    """Of a metric's parts, those that matter; records without parts are in no stack."""
    made, stacks = results(record(parts={"x": 99.8, "y": 0.2}), record(system="b", metric="other", parts={"x": 100.0}),
                           record(system="c"), stacks=("instructions",)), []

    def heap(title, unit, records, parts):
        stacks.append((title, [r.system for r in records], parts))
        return "<svg>parts</svg>"
    with tempfile.TemporaryDirectory() as folder:
        report.write(made, Path(folder), lambda *_: "<svg></svg>", heap)
        assert Path(folder, "made-instructions-parts.svg").read_text() == "<svg>parts</svg>"
        assert "(made-instructions-parts.svg)" in Path(folder, "report.md").read_text()
    assert stacks == [("Figure 1: made up: instructions, where they go", ["ours"], ["x"])], stacks


def test_what_is_wrong_is_shown_first():
    files, _ = written(results(record(at_most=50), record(system="b", at_most=500), failed="Traceback\n<it> broke"))
    for text in (files["report.md"], files["report.html"]):
        assert "1 targets hold, 1 are missed, 1 figures failed." in text, text
        first = text[:text.index("is incomplete")]
        assert "Figure 1: made up: failed" in first and "ours, 1 KiB: instructions 100 ±20.0% " in first and "MISSED" in first, text
    assert "<it> broke" in files["report.md"] and "&lt;it&gt; broke" in files["report.html"]


def compared(metric="share", made_of="instructions"):
    """A missed target, what it is made of, and what it is compared with."""
    base = record((1000.0,), system="b", parts={"TCP/IP": 700.0, "copies": 200.0, "user space": 96.0, "driver": 4.0})
    own = record((500.0,), metric=made_of, parts={"memnet": 300.0, "copies": 197.0, "user space": 3.0, "ib_core": 0.4, "interrupts": -0.4})
    return [base, own, replace(share(own, base), metric=metric, at_most=0.1)]


def test_what_is_left():
    """The largest first, shares of all of the other's; what is small is together, with what only the other one has."""
    found = results(*compared())
    head, rows = left.left(found, found.missed()[0], report.digits)
    assert head == ["", "instructions", "of b", "b"], head
    assert rows == [["memnet", "300", "0.300", "0.00"], ["copies", "197", "0.197", "200"], ["the rest", "3.00", "0.003", "800"],
                    ["sum", "500", "0.500", "1,000"]], rows
    assert [name for name, _ in left.reasons(found, found.missed())] == ["user space", "copies", "interrupts", "memnet", "ib_core"]
    md = written(found)[0]["report.md"]
    assert "### Figure 1: made up: ours, 1 KiB: share 0.50, not 0.10\n" in md and "| memnet | 300 | 0.300 | 0.00 |" in md, md
    assert "What is left" not in written(results(record()))[0]["report.md"]


def test_what_is_left_of_the_nodes_kernel():
    found = results(*compared("node's kernel", "node"))
    head, rows = left.left(found, found.missed()[0], report.digits)
    assert "user space" not in [r[0] for r in rows] and rows[-1][1:] == ["497", f"{497 / 904:.3f}", "904"], rows


def test_what_is_left_of_others():
    """Without anything to compare it with, or without parts."""
    own = record((10.0,), metric="memory", at_most=5, parts={"filp": 10.0})
    found = results(own, record((10.0,), metric="interrupts", at_most=5))
    assert left.left(found, found.missed()[0], report.digits) == (["", "instructions", "of all"], [["filp", "10.0", "1.000"], ["the rest", "0.00", "0.000"],
                                                                                                ["sum", "10.0", "1.000"]])
    assert left.left(found, found.missed()[1], report.digits) is None
    assert "Its parts are not known." in written(found)[0]["report.md"]


def test_every_kind_has_a_reason():
    assert {name for name, _ in kinds.KINDS} | {"other"} | {m for m in bed.OURS if m.startswith("memnet")} <= set(kinds.REASONS)


def test_two_runs():
    """They agree within their spreads; a target that one holds and the other misses is told, and what only one has."""
    one = results(record((90.0, 100.0, 110.0)), record((10.0,), point="2", at_most=10), record((1.0,), point="3"))
    other = results(record((103.0, 113.0, 121.0)), record((10.05,), point="2", at_most=10), record((2.0,), point="3"), record(point="4"))
    pairs, apart, alone, verdicts = agree.compare(one, other)
    assert len(pairs) == 3 and [a.point for a, _ in apart] == ["3"] and [k[2] for k in alone] == ["4"], (apart, alone)
    assert [a.point for a, _ in verdicts] == ["2"], verdicts
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as out:
        paths = [Path(folder, name) for name in ("one.json", "other.json")]
        for found, path in zip((one, other), paths):
            found.write(path)
        assert agree.main(paths) == 1 and agree.main([paths[0], paths[0]]) == 0
        # on the limit, and far beyond it
        for median, code in ((10.05, 0), (11.0, 1)):
            few = [record((float(i),), point=f"{i}") for i in range(20)]
            for path, last in zip(paths, (10.0, median)):
                results(*few, record((last,), point="the limit", at_most=10)).write(path)
            assert agree.main(paths) == code, median
    assert "made, ours, 3, instructions: 1.00 and 2.00\n" in out.getvalue() and "3 of 3 medians agree" in out.getvalue(), out.getvalue()


def test_a_figure_without_records():
    files, drawn = written(results(failed="no lab"))
    assert not drawn and "no lab" in files["report.md"]


# --- runs -------------------------------------------------------------------------------------------


class Beds:
    """Beds without a lab, and what became of them."""

    def __init__(self):
        self.log = []

    @contextlib.contextmanager
    def one(self):
        number = sum(x == "made" for x in self.log)
        self.log.append("made")
        yield types.SimpleNamespace(number=number, lab=types.SimpleNamespace(check_consoles=lambda: self.log.append("checked")))
        self.log.append("gone")


def made(name, order, measure):
    return Figure(name, order, f"Figure {name}"), types.SimpleNamespace(measure=measure)


def ran(found, argv=()):
    """Results of a run of these figures, what it printed, and its beds."""
    beds, out = Beds(), io.StringIO()
    old = bench.find, bench.RESULTS
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(out):
        bench.RESULTS = Path(folder)
        bench.find = lambda _: found
        try:
            got = bench.run(bench.parse(list(argv)), beds.one)
            kept = Results.read(Path(folder) / "latest.json") if list(Path(folder).iterdir()) else None
        finally:
            bench.find, bench.RESULTS = old
    return got, out.getvalue(), beds.log, kept


def fine(bed_, options):
    yield of_runs("a", "ours", f"bed {bed_.number}", "instructions", "instructions", [1.0] * options.repeats)


def breaks(bed_, options):
    yield of_runs("b", "ours", "first", "instructions", "instructions", [1.0])
    raise LabError("the guest is gone")


def test_a_run():
    got, text, log, kept = ran([made("a", 1, fine), made("b", 2, fine)])
    assert log == ["made", "checked", "checked", "gone"], log
    assert kept == got and [len(r.runs) for r in got.records] == [5, 5] and not got.failed()
    assert all(r.kernel == "6.12" and r.revision == got.revision for r in got.records)
    assert "== Figure a" in text and "FAILED" not in text


def test_a_figure_that_fails():
    """It says so, keeps what it had, and leaves the next one another bed."""
    got, text, log, kept = ran([made("b", 1, breaks), made("a", 2, fine)], ["--repeats", "2"])
    assert [f.name for f in got.failed()] == ["b"] and got.failed()[0].failed == "the guest is gone"
    assert "FAILED: Figure b: the guest is gone" in text and kept == got
    assert [r.point for r in got.records] == ["first", "bed 1"] and len(got.records[1].runs) == 2, got.records
    assert log == ["made", "gone", "made", "checked", "gone"], log


def test_a_kernel_that_complains():
    def complains(bed_, options):
        yield from fine(bed_, options)
        bed_.lab.check_consoles = lambda: raises_it()

    def raises_it():
        raise LabError("1 report(s) in the consoles")
    got, _, _, _ = ran([made("a", 1, complains)])
    assert got.failed() and len(got.records) == 1


def test_no_bed():
    """As when the modules do not compile: every figure says so."""
    def none(bed_, options):
        raise AssertionError("never asked")
    beds = bench.Beds(lambda: raises_here())

    def raises_here():
        raise LabError("does not compile")
    got = results()
    got.figures.clear()
    with contextlib.redirect_stdout(io.StringIO()):
        for name in "ab":
            bench.measure(*made(name, 1, none), beds, None, got)
    assert [f.failed for f in got.figures] == ["does not compile"] * 2


def test_a_module_that_does_not_load():
    old = bench.importlib.import_module
    bench.importlib.import_module = lambda name: raises_on(name) if name.endswith("sending") else old(name)

    def raises_on(name):
        raise SyntaxError("oops")
    try:
        found = bench.find(["sending", "receiving"])
    finally:
        bench.importlib.import_module = old
    assert [f.name for f, _ in found] == ["receiving", "sending"] and "oops" in found[1][0].failed and not found[0][0].failed


def test_only_a_whole_run_is_kept():
    assert ran([made("a", 1, fine)], ["--size", "64"])[3] is None and ran([made("a", 1, fine)], ["sending"])[3] is None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        got, _, _, kept = ran([made("a", 1, fine)], ["--call", "x", "--json", str(path)])
        assert Results.read(path) == got and kept is None


def test_the_exit_code():
    good = record()
    for found, code in ((results(good), 0), (results(), 1), (results(good, failed="broke\nthere"), 1), (results(record(at_most=1)), 1)):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            assert bench.conclude(found) == code, found
        assert bool(out.getvalue()) == bool(code), out.getvalue()


def test_the_figures_there_are():
    """They load, and have what a report wants."""
    found = bench.find(bench.names())
    assert {"san", "sending", "receiving", "http10", "cpu", "http11", "nginx", "memory", "connections", "peers", "channels"} <= {f.name for f, _ in found}
    for figure, module in found:
        assert not figure.failed and figure.title and figure.text.strip() and callable(module.measure), figure


# --- calls ------------------------------------------------------------------------------------------


class Bed:
    """Costs by what is called, and which commands were asked for."""

    def __init__(self):
        self.lab, self.asked = types.SimpleNamespace(node="node", host="host"), []

    def pause(self, rounds):
        return rounds * 2

    def slope(self, vm, command, n, repeats, less=0):
        self.asked.append((vm, command(n), less))
        user = 1000 if vm == "node" else 400
        return [cost({3: 70}, {8: 50}, user=user + i, n=10, beside={"interrupts": 1, "slept": 2, "messages": 30, "copied": 4})
                for i in range(repeats)]


CALLS = (Call("theirs", "native", "send"), Call("ours", "memnet", "send", 16, {K: 0.5}), Call("other", "memnet", "direct"))


def measured(*argv, sizes=(Size(K, 100, 30),)):
    b = Bed()
    return b, list(calls.measure(b, bench.parse(list(argv)), "made", "mnsend", CALLS, sizes))


def test_calls():
    b, found = measured()
    assert [vm for vm, _, _ in b.asked] == ["node", "host", "host"] and all(less == 60 for _, _, less in b.asked), b.asked
    assert b.asked[1][1].endswith("send 1024 100 16 30 0") and b.asked[1][1].startswith("mnsend --family memnet"), b.asked
    by = {(r.system, r.metric): r for r in found}
    assert near(by["theirs", "instructions"].median, (1000 + 70 + 2 + 50) / 10), by["theirs", "instructions"]
    for r in found:
        assert not r.parts or near(sum(r.parts.values()), r.median), r
    s = by["ours", "share"]
    assert s.at_most == 0.5 and near(s.median, by["ours", "instructions"].median / by["theirs", "instructions"].median)
    assert by["other", "share"].at_most is None and ("theirs", "share") not in by and ("theirs", "messages") not in by
    assert near(by["ours", "messages"].median, 3) and near(by["ours", "posting"].median, 7) and near(by["ours", "sleeps"].median, 0.2)


def test_chosen_calls():
    """What they are compared with is measured all the same."""
    b, found = measured("--call", "oth", "--rounds", "5")
    assert [r.system for r in found if r.metric == "instructions"] == ["theirs", "other"] and b.asked[0][2] == 10
    assert not measured("--size", "64")[1]


def test_waited_for():
    """Nothing is counted to, nothing taken off, and no target is meant."""
    for argv in ((), ("--rounds", "5")):
        b, found = measured(*argv, sizes=(Size(K, 100, ms=2),))
        assert all(less == 0 and command.endswith(" 0 2") for _, command, less in b.asked), b.asked
    assert {r.point for r in found} == {"1 KiB, every 2 ms"} and not any(r.at_most for r in found)


# --- the SAN ----------------------------------------------------------------------------------------

PERFTEST = {"ib_send_lat": """                    Send Latency Test
 Number of qps   : 1		Transport type : IB
---------------------------------------------------------------------------------------
 #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]
 4       1000          310.10         900.25       410.50     	       430.75       	12.10		600.00
---------------------------------------------------------------------------------------
""", "ib_send_bw": """ #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]
 16384      1000             40.00              30.00		   0.001920
"""}


class Guest:
    """A place where perftest seems to run."""

    def __init__(self):
        self.jobs = []

    def bg(self, command):
        self.jobs.append(command)
        return types.SimpleNamespace(wait=lambda timeout: self.jobs.remove(command))

    def until(self, command, **_):
        assert self.jobs and f":{san.PORT} " in command

    def sh(self, command, **_):
        return next(text for name, text in PERFTEST.items() if f" {name} " in command)


def test_the_san():
    """The paper's numbers beside ours, in its units; nothing is left running."""
    b = Bed()
    b.lab.node, b.lab.host = Guest(), Guest()
    found = {(r.system, r.metric): r for r in san.measure(b, bench.parse(["--repeats", "2"]))}
    assert found[san.OURS, "latency, one way"].runs == (410.5, 410.5) and found[san.PAPER, "latency, one way"].median == 8.6, found
    assert near(found[san.OURS, "bandwidth"].median, 30 * 1.048576) and found[san.PAPER, "bandwidth"].median == 96
    assert near(found[san.OURS, "post"].median, 7 / 3) and not found[san.PAPER, "post"].runs and not b.lab.node.jobs
    refused = PERFTEST | {"ib_send_lat": "Couldn't connect\n"}
    b.lab.host.sh = lambda command, **_: refused["ib_send_lat"]
    raises(AssertionError, list, san.measure(b, bench.parse([])))


if __name__ == "__main__":
    sys.exit(tap.main("bench", globals()))
