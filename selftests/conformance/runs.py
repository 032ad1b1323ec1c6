# SPDX-License-Identifier: GPL-2.0
"""The files a run leaves in build/log/<kernel>: the four of case socket, and what has come of cases' tests that name rows."""
from selftests.lab.cache import TREE

from . import join, tree

CASE_RESULTS = "rows.tsv"       # in a case's folder of logs; selftests/run writes it
# rows that the debug kernel skips, which else has to say what 6.12 says: {row: reason}
DEBUG_SKIPS = {}


def tap(folder, family, v6):
    return folder / f"mnsock-{family}-ipv{6 if v6 else 4}.tap"


def whole(folder):
    """Has the case run all that is joined?"""
    return all(tap(folder, family, v6).exists() for family in ("native", "memnet") for v6 in (False, True))


def verdicts(folder, tests, v6):
    """join.version() of a folder with one IP version's two files."""
    return join.version(tests, tap(folder, "native", v6).read_text(), tap(folder, "memnet", v6).read_text(), v6)


def of_socket(folder, rows):
    """{row: (result, detail)} of these rows, as far as mnsock's tests prove them."""
    tests, ids = tree.socket_tests(), {r.id for r in rows}
    found = join.results([v for v6 in (False, True) for v in verdicts(folder, tests, v6)], tree.differences())
    return {row: result for row, result in found.items() if row in ids}


def of_cases(log):
    """{test: (what, reason)} of the cases' tests with rows, as each case was run last."""
    out = {}
    for path in sorted(log.glob(f"*/{CASE_RESULTS}")):
        for line in path.read_text().splitlines():
            test, what, reason = line.split("\t")
            out[test] = what, reason
    return out


def differing(folder, kernel):
    """Where a run of case socket is not what is kept of its kernel (debug: of 6.12), in lines for a person."""
    like = tree.KERNELS[0] if kernel == "debug" else kernel
    # other cases' tests are run at other times
    others = {i for t in tree.case_tests().values() for i in t.rows}
    rows = [r for r in tree.rows() if r.is_for(like) and r.id not in others]
    kept = {r.id: tree.kept(like)[r.id] for r in rows if r.id in tree.kept(like)}
    return join.compare(of_socket(folder, rows), kept, DEBUG_SKIPS if kernel == "debug" else ())


def with_cases(found, rows, tests, ran, before):
    """
    The rows that mnsock has found, and those that cases' tests prove, as they ran last: ({row: (result, detail)}, what is
    wrong).  A row of a test that was not run stays as it was before.
    """
    out, bad = dict(found), []
    for row in rows:
        mine = [t for t in tests.values() if row.id in t.rows]
        missing = [t.name for t in mine if t.name not in ran]
        if missing and row.id in before:
            out[row.id] = before[row.id]
        elif missing:
            bad.append(f"{row.id}: not run: {' '.join(missing)}")
        elif mine:
            results = {"fail": lambda t: ("FAIL", f"{t.name}: failed"), "skip": lambda t: ("skip", ran[t.name][1]),
                       "pass": lambda t: ("memnet" if "memnet" in t.flags else "same", "")}
            worst = [results[ran[t.name][0]](t) for t in mine] + ([found[row.id]] if row.id in found else [])
            out[row.id] = max(worst, key=lambda w: join.ORDER.index(w[0]))
    bad += [f"{row}: {detail}" for row, (what, detail) in out.items() if what == "FAIL"]
    return out, bad


def take(kernel):
    """Keep what the latest runs on a kernel say."""
    log = TREE / "build" / "log" / kernel
    if not whole(log / "socket"):
        raise tree.Wrong(f"no whole run of case socket in {log}: selftests/run --kernel {kernel} socket:")
    rows = [r for r in tree.rows() if r.is_for(kernel)]
    found, bad = with_cases(of_socket(log / "socket", rows), rows, tree.case_tests(), of_cases(log), tree.kept(kernel))
    if bad:
        raise tree.Wrong(f"nothing is kept of runs on {kernel} that failed, or are not whole:\n  " + "\n  ".join(bad))
    tree.keep(kernel, found)
