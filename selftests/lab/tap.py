# SPDX-License-Identifier: GPL-2.0
"""TAP, read and written: the test runner's lines, and those of test programs in a guest."""
import re

_LINE = re.compile(r"^(?P<pad>\s*)(?P<not>not )?ok\b\s*(?P<num>\d+)?\s*(?:- )?(?P<name>[^#]*)(?:#\s*(?P<note>.*))?$")
_PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*SKIP\s*(.*))?", re.I)


class Skip(Exception):
    """Raised by a test that cannot run here; the text says why."""


class Counts:
    """How many passed, failed, were skipped."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def check(output, rc=0, least=1):
    """Judge the TAP of a program: raises with its failing lines; the Counts when all is well.

    A program that printed fewer tests than its plan or than `least`, or ended with a code, failed.
    """
    counts, bad, plan = Counts(), [], None
    for line in output.splitlines():
        m = _PLAN.match(line)
        if m:
            plan = int(m.group(1))
            if plan == 0 and m.group(2):
                raise Skip(m.group(2))
            continue
        m = _LINE.match(line)
        if not m or m.group("pad"):
            continue
        note = (m.group("note") or "").strip()
        if note.upper().startswith("SKIP"):
            counts.skipped += 1
        elif m.group("not"):
            counts.failed += 1
            bad.append(line)
        else:
            counts.passed += 1
    total = counts.passed + counts.failed + counts.skipped
    if plan is not None and total != plan:
        bad.append(f"planned {plan} tests, saw {total}")
    if total < least:
        bad.append(f"only {total} tests")
    if rc and not bad:
        bad.append(f"exit code {rc}")
    assert not bad, "\n".join(bad[:30]) + f"\n--- whole output ({counts})\n{output[-6000:]}"
    return counts
