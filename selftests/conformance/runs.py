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


def of_socket(folder, kernel):
    """{row: (result, detail)} of the rows that mnsock's tests alone prove."""
    tests = tree.socket_tests()
    mine = {r.id for r in tree.rows() if r.is_for(kernel)} - {i for t in tree.case_tests().values() for i in t.rows}
    found = join.results([v for v6 in (False, True) for v in verdicts(folder, tests, v6)], tree.differences())
    return {row: result for row, result in found.items() if row in mine}


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
    now = of_socket(folder, like)
    own = {i for t in tree.socket_tests().values() for i in t.rows} - {i for t in tree.case_tests().values() for i in t.rows}
    kept = {row: result for row, result in tree.kept(like).items() if row in own}
    return join.compare(now, kept, DEBUG_SKIPS if kernel == "debug" else ())


def take(kernel):
    """Keep what the latest runs on a kernel say.  What no run of a case says anything of stays as it was."""
    log = TREE / "build" / "log" / kernel
    if not whole(log / "socket"):
        raise tree.Wrong(f"no whole run of case socket in {log}: selftests/run --kernel {kernel} socket:")
    tests, ran, before = tree.case_tests(), of_cases(log), tree.kept(kernel)
    found, bad = of_socket(log / "socket", kernel), []
    for row in (r for r in tree.rows() if r.is_for(kernel)):
        mine = [t for t in tests.values() if row.id in t.rows]
        if not mine:
            continue
        if any(t.name not in ran for t in mine):
            if row.id in before:
                found[row.id] = before[row.id]
            else:
                bad.append(f"{row.id}: not run: selftests/run --kernel {kernel} "
                           + " ".join(t.name for t in mine if t.name not in ran))
            continue
        worst = [("FAIL", f"{t.name} failed") if ran[t.name][0] == "fail" else ("skip", ran[t.name][1])
                 if ran[t.name][0] == "skip" else ("memnet" if "memnet" in t.flags else "same", "") for t in mine]
        found[row.id] = max(worst, key=lambda w: join.ORDER.index(w[0]))
    bad += [f"{row}: {detail}" for row, (what, detail) in found.items() if what == "FAIL"]
    if bad:
        raise tree.Wrong(f"{kernel}: nothing is kept of a run that failed:\n  " + "\n  ".join(bad))
    tree.keep(kernel, found)
