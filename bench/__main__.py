# SPDX-License-Identifier: GPL-2.0
"""The measurements: make bench, or python3 -m bench [FIGURE...].

A run of everything writes bench/results: latest.json, and report.md and report.html made from it.  One of chosen figures, calls
or sizes prints what it finds and writes only what --json asks for; python3 -m bench.report makes a report of that.
"""
import argparse
import importlib
import pkgutil
import subprocess
import sys
import time
import traceback
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from bench import figures, report
from bench.record import Figure, Results
from selftests.lab.cache import TREE, LabError

RESULTS = TREE / "bench" / "results"
REPEATS, QUICK_REPEATS, QUICK_FEWER = 5, 1, 2


def names():
    return sorted(m.name for m in pkgutil.iter_modules(figures.__path__))


def revision():
    """Of the tree that is measured; -dirty with changes that are in no commit."""
    argv = ["git", "-C", str(TREE), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60)
    except FileNotFoundError:
        return "unknown"
    return p.stdout.strip() or "unknown"


class Beds:
    """The bed that all figures share; who failed in it leaves the next one a new one."""

    def __init__(self, make):
        self.make, self.stack, self.bed = make, ExitStack(), None

    def get(self):
        if self.bed is None:
            self.bed = self.stack.enter_context(self.make())
        return self.bed

    def drop(self):
        self.bed = None
        self.stack.close()


def find(chosen):
    """(figure, module) of each that was chosen, or of all, in their order; a module that cannot be loaded is a failed figure."""
    found = []
    for name in chosen:
        try:
            module = importlib.import_module(f"bench.figures.{name}")
            found.append((replace(module.FIGURE, text=module.__doc__ or ""), module))
        except Exception:       # noqa: BLE001 - the others are measured all the same
            found.append((Figure(name, 99, name, failed=traceback.format_exc()), None))
    return sorted(found, key=lambda f: f[0].order)


def measure(figure, module, beds, options, results):
    """All records of a figure, printed as they come; whatever goes wrong is told by the figure."""
    begin = time.monotonic()
    results.figures.append(figure)
    print(f"== {figure.title}", flush=True)
    try:
        if module:
            bed = beds.get()
            # what has no runs was not measured here
            new = (replace(r, kernel=results.kernel, revision=results.revision) if r.runs else r
                   for r in module.measure(bed, options))
            for (system, point), group in groupby(new, lambda r: (r.system, r.point)):
                print(f"{system:24s} {point:18s}", end="", flush=True)
                for r in group:
                    results.records.append(r)
                    print(f" {r.metric} {report.number(r)}{report.verdict(r)};", end="", flush=True)
                print(flush=True)
            bed.lab.check_consoles()
    except Exception as e:      # noqa: BLE001
        figure.failed = str(e) if isinstance(e, LabError) else traceback.format_exc()
    if figure.failed:
        print(f"\nFAILED: {figure.title}: {figure.failed}", flush=True)
        try:
            beds.drop()
        except Exception:       # noqa: BLE001 - of a lab that is given up
            traceback.print_exc()
    figure.seconds = time.monotonic() - begin


def parse(argv):
    p = argparse.ArgumentParser(prog="python3 -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("figures", nargs="*", metavar="FIGURE", help=f"only these of: {', '.join(names())}")
    p.add_argument("--kernel", default="6.12")
    p.add_argument("--quick", action="store_true", help=f"repeats: {QUICK_REPEATS}, not {REPEATS}, and fewer points and operations")
    p.add_argument("--repeats", type=int)
    p.add_argument("--top", type=int, default=0, metavar="N", help="show the N most expensive functions of each")
    p.add_argument("--size", type=int, action="append", help="only this size (again for more)")
    p.add_argument("--rounds", type=int, metavar="N", help="count that far for each operation")
    p.add_argument("--call", action="append", help="only calls with this in their name, and what they are compared with")
    p.add_argument("--json", type=Path, help="write the results there, too")
    opt = p.parse_args(argv)
    unknown = set(opt.figures) - set(names())
    if unknown:
        p.error(f"no such figure: {', '.join(sorted(unknown))}")
    opt.repeats = opt.repeats or (QUICK_REPEATS if opt.quick else REPEATS)
    opt.whole = not (opt.figures or opt.size or opt.rounds or opt.call)
    opt.figures = opt.figures or names()
    return opt


def run(opt, make_bed):
    """Everything that was asked for; the results, written where they are to be."""
    results = Results(opt.kernel, revision(), time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), opt.repeats)
    beds = Beds(make_bed)
    try:
        for figure, module in find(opt.figures):
            measure(figure, module, beds, opt, results)
        if opt.json:
            results.write(opt.json)
        if opt.whole:
            results.write(RESULTS / "latest.json")
            report.write(results, RESULTS)
    finally:
        beds.drop()
    return results


def conclude(results):
    """Say what is not as it should be; the exit code."""
    for r in results.missed():
        print(f"missed: {r.system}, {r.point}: {r.metric} {report.number(r)}{report.verdict(r)}")
    for f in results.failed():
        print(f"FAILED: {f.title}: {f.failed.strip().splitlines()[-1]}")
    if not results.records:
        print("nothing was measured")
    return 1 if results.missed() or results.failed() or not results.records else 0


def main(argv=None):
    opt = parse(argv)
    from bench.bed import Bed, check
    check(opt.kernel)
    logdir = TREE / "build" / "log" / "bench"
    logdir.mkdir(parents=True, exist_ok=True)
    print(f"kernel {opt.kernel}; the median of {opt.repeats} repeats")
    return conclude(run(opt, lambda: Bed(opt.kernel, logdir=logdir)))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as e:
        sys.exit(f"bench: {e}")
