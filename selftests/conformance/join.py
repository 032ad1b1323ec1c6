# SPDX-License-Identifier: GPL-2.0
"""Joins what mnsock printed over native TCP with what it printed over AF_MEMNET, test by test, by name.

A test's verdict, of one IP version:
    same        it passed on both, and AF_MEMNET's sockets were seen where its flags say they are
    differs     it passed on both, and over AF_MEMNET it made use of differs(): the detail has the keys.
                Or it was skipped over AF_MEMNET alone, which is allowed to a test that did
    skip        it was skipped on both for the same reason: the detail has it
    memnet      it says nothing about TCP, and passed
    FAIL        all else, also a test that is missing
A row has the worst verdict of its tests, of both IP versions.
"""
import re
from dataclasses import dataclass

ORDER = ("memnet", "same", "skip", "differs", "FAIL")       # what is worst comes last

_LINE = re.compile(r"^(not )?ok \d+ (\S+)(?: # (.*))?$")
_NOTE = re.compile(r"^# (uses differs|offloaded|delegated) (\S+)$")


@dataclass
class Outcome:
    """What a test's run left: "pass", "fail" or "skip", and the notes in front of it."""
    what: str
    reason: str
    differs: tuple
    offloaded: int
    delegated: int


def outcomes(text):
    """{test: Outcome} of a program's output."""
    out, keys, seen = {}, [], {}
    for line in text.splitlines():
        m = _NOTE.match(line)
        if m:
            if m.group(1) == "uses differs":
                keys.append(m.group(2))
            else:
                seen[m.group(1)] = int(m.group(2))
            continue
        m = _LINE.match(line)
        if not m:
            continue
        note = m.group(3) or ""
        what = "fail" if m.group(1) else "skip" if note.startswith("SKIP") else "pass"
        twice = m.group(2) in out
        out[m.group(2)] = Outcome("fail" if twice else what, "twice" if twice else note.removeprefix("SKIP").strip(),
                                  tuple(keys), seen.get("offloaded", 0), seen.get("delegated", 0))
        keys, seen = [], {}
    return out


def place(test, memnet):
    """What is wrong with where AF_MEMNET's sockets were; "" when nothing is."""
    if "local" in test.flags:
        return f"is flagged LOCAL, but {memnet.offloaded + memnet.delegated} sockets were served" \
            if memnet.offloaded or memnet.delegated else ""
    if "loopback" in test.flags:
        return "" if memnet.delegated else "is flagged LOOPBACK, but no socket was delegated"
    return "" if memnet.offloaded else "no socket was offloaded"


def verdict(test, native, memnet):
    """(verdict, detail) of a test; an Outcome is None when there is none."""
    alone = "memnet" in test.flags
    for side, outcome in (("native TCP", native), ("AF_MEMNET", memnet)):
        if side == "native TCP" and alone:
            continue
        if not outcome:
            return "FAIL", f"{test.name}: missing over {side}"
        if outcome.what == "fail":
            return "FAIL", f"{test.name}: failed over {side}{' (' + outcome.reason + ')' if outcome.reason else ''}"
    if not alone and native.what == "skip":
        if memnet.what == "skip" and memnet.reason == native.reason:
            return "skip", native.reason
        return "FAIL", f"{test.name}: skipped natively ({native.reason}), over AF_MEMNET {memnet.what} {memnet.reason}".rstrip()
    if memnet.what == "skip":
        if memnet.differs:
            return "differs", " ".join(memnet.differs)
        return "FAIL", f"{test.name}: skipped over AF_MEMNET alone ({memnet.reason})"
    wrong = place(test, memnet)
    if wrong:
        return "FAIL", f"{test.name}: {wrong}"
    if memnet.differs:
        return "differs", " ".join(memnet.differs)
    return ("memnet" if alone else "same"), ""


def version(tests, native, memnet, v6):
    """[(test, verdict, detail)] of one IP version, from what both runs printed."""
    native, memnet = outcomes(native), outcomes(memnet)
    out = [(t, *verdict(t, native.get(t.name), memnet.get(t.name))) for t in tests.values() if t.runs(True, v6)]
    for name in sorted((set(native) | set(memnet)) - {t.name for t in tests.values()}):
        out.append((None, "FAIL", f"{name}: mnsock --rows does not know it"))
    return out


def failures(verdicts):
    return [detail for _, what, detail in verdicts if what == "FAIL"]


def results(verdicts, known=None):
    """{row: (result, detail)}: the worst of each row's tests; known: the order of the differences' keys."""
    by_row = {}
    for test, what, detail in verdicts:
        for row in test.rows if test else ():
            by_row.setdefault(row, []).append((what, detail))
    out = {}
    for row, found in by_row.items():
        worst = max((what for what, _ in found), key=ORDER.index)
        details = [detail for what, detail in found if what == worst]
        if worst == "differs":
            keys = {k for detail in details for k in detail.split()}
            order = list(known or sorted(keys))
            details = sorted(keys, key=lambda k: (order.index(k) if k in order else len(order), k))
            out[row] = worst, " ".join(details)
        else:
            out[row] = worst, "; ".join(dict.fromkeys(details))
    return out


def compare(now, kept, allowed=()):
    """Where a run's rows are not what is kept; rows that may be skipped are allowed to be."""
    out = []
    for row in sorted(set(now) | set(kept)):
        if now.get(row) != kept.get(row) and not (row in allowed and now.get(row, ("",))[0] == "skip"):
            show = [" ".join(r).strip() if r else "not there" for r in (kept.get(row), now.get(row))]
            out.append(f"{row}: {show[0]} is kept, this run says: {show[1]}")
    return out
