# SPDX-License-Identifier: GPL-2.0
"""Whether two runs agree: python3 -m bench.agree ONE.json OTHER.json

Two medians agree if they lie no farther apart than their spreads together, or than a hundredth of the larger.  Those that do not are
printed, and targets that one run holds and the other misses.  The exit code tells whether at least nine medians of ten agree, and
all of those of such targets: they lie on the limit then, and neither run says otherwise.
"""
import sys
from pathlib import Path

from bench.record import Results
from bench.report import digits, number

NEAR = 0.01
MOST = 0.1      # may disagree


def key(record):
    return record.figure, record.system, record.point, record.metric


def agree(a, b):
    return abs(a.median - b.median) <= max(a.spread + b.spread, NEAR * max(abs(a.median), abs(b.median)))


def compare(one, other):
    """(pairs of records that were measured, those of them that disagree, keys of one only, pairs whose verdicts differ)"""
    found = {key(r): r for r in other.records}
    pairs = [(r, found[key(r)]) for r in one.records if r.runs and key(r) in found]
    alone = {key(r) for r in one.records} ^ set(found)
    return pairs, [p for p in pairs if not agree(*p)], alone, [p for p in pairs if p[0].missed != p[1].missed]


def main(argv):
    one, other = (Results.read(Path(a)) for a in argv)
    pairs, apart, alone, verdicts = compare(one, other)
    for a, b in apart:
        print(f"{', '.join(key(a))}: {number(a)} and {number(b)}")
    for a, b in verdicts:
        print(f"{', '.join(key(a))}: at most {digits(a.at_most)}, and {number(a)} and {number(b)}")
    for k in sorted(alone):
        print(f"{', '.join(k)}: in one of them only")
    print(f"{len(pairs) - len(apart)} of {len(pairs)} medians agree")
    return 1 if not pairs or alone or any(p in apart for p in verdicts) or len(apart) > MOST * len(pairs) else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
