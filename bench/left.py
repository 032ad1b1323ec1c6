# SPDX-License-Identifier: GPL-2.0
"""What is left of a target that is missed: its parts, beside the same parts of what it is compared with.

    head, rows = left(results, record)      # a table of texts, or None where nothing is known of its parts
    kinds.REASONS                           # why each part is there
"""
from bench.kinds import REASONS
from bench.record import Record

# The record whose parts a share is made of, by the share's metric.
MADE_OF = {"share": "instructions", "growth": "instructions", "node's kernel": "node"}
NOT_OF_IT = {"node's kernel": {"user space"}}
LEAST = 0.005       # of what it is compared with: what is less gets no line of its own


def _find(results, record, system, metric):
    return next((r for r in results.records
                 if (r.figure, r.system, r.point, r.metric) == (record.figure, system, record.point, metric) and r.parts), None)


def compared(results, record):
    """(the record with the parts, the one it is compared with or None)"""
    if record.parts:
        return record, None
    own = _find(results, record, record.system, MADE_OF.get(record.metric))
    base = _find(results, record, record.unit.removeprefix("of "), "instructions")
    return own, base


def _without(record: Record, names):
    return {k: v for k, v in record.parts.items() if k not in names}


def left(results, record, digits):
    """(head, rows), the largest first; the last row is the sum.  Shares are of all that the other one has."""
    own, base = compared(results, record)
    if own is None:
        return None
    names = NOT_OF_IT.get(record.metric, set())
    mine, other = _without(own, names), _without(base, names) if base else {}
    whole = sum((other or mine).values())
    head = ["", own.unit, f"of {base.system}" if base else "of all", *([base.system] if base else [])]
    rows, rest = [], [0.0, 0.0]
    for name in sorted(mine, key=lambda n: -mine[n]):
        if mine[name] < LEAST * whole:
            rest = [rest[0] + mine[name], rest[1] + other.get(name, 0)]
        else:
            rows.append((name, mine[name], other.get(name, 0)))
    known = {r[0] for r in rows}
    rest[1] += sum(v for k, v in other.items() if k not in known and k not in mine)
    rows += [("the rest", *rest), ("sum", sum(mine.values()), sum(other.values()))]
    return head, [[name, digits(a), f"{a / whole:.3f}", *([digits(b)] if base else [])] for name, a, b in rows]


def reasons(results, records):
    """[(part, why it is there)] for all parts that these have."""
    found = [own for own, _ in (compared(results, r) for r in records) if own]
    names = {k.split(",")[0] for own in found for k in own.parts}
    return [(name, text) for name, text in REASONS.items() if name in names]
