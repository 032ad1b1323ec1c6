# SPDX-License-Identifier: GPL-2.0
"""make lint: the kernel's own static checks over our kernel code, every warning an error.

checkpatch --strict and kernel-doc come from Debian's linux-source-6.12, and so does the generator that
says whether the netlink header is the specification's; sparse and W=1 run while the modules are built
once more, in a folder of their own, for 6.12 and 6.1.  Documentation/conformance.rst has to be what it would
be made from (selftests/conformance).  Reported as TAP, one line a file or build.
"""
import re
import shutil
import subprocess
import sys

from . import apt, kernels, modules
from .cache import TREE, LabError
from .tap import Counts

FOLDERS = ("kmod-core", "kmod-host", "kmod-tcps", "compat", "uapi", "selftests/lab/bugmod", "bench/steer")
# what checkpatch says that does not hold here, and why
IGNORE = {
    "FILE_PATH_CHANGES": "there is no MAINTAINERS file",
}
KERNELS = ("6.12", "6.1")


def main():
    """Run everything; the exit code."""
    apt.need("perl", "sparse", "gcc", "make", "rsync", apt.LIBELF)
    apt.need_packages(["python3-yaml", "python3-jsonschema"])     # of the generator, which Debian's python3 runs
    source = kernels.source("6.12")
    scripts = source / "scripts"
    counts = Counts()
    files = sorted(f for d in FOLDERS for f in (TREE / d).rglob("*.[ch]") if ".mod.c" not in f.name)
    for f in files:
        argv = ["perl", scripts / "checkpatch.pl", "--no-tree", "--strict", "--terse", "--no-summary", "--show-types",
                f"--ignore={','.join(IGNORE)}", "-f", f.relative_to(TREE)]
        _judge(counts, f"checkpatch {f.relative_to(TREE)}", argv)
        _judge(counts, f"kernel-doc {f.relative_to(TREE)}",
               ["perl", scripts / "kernel-doc", "-none", "-Werror", f.relative_to(TREE)], quiet=True)
    _judge(counts, "the netlink header is its specification's", ["sh", "Documentation/netlink/regen.sh", "-c", source])
    _judge(counts, "Documentation/conformance.rst says what the tests have shown",
           [sys.executable, "-m", "selftests.conformance", "lint"])
    for name in KERNELS if (TREE / "Kbuild").exists() else ():
        _build(counts, name)
    for f in sorted([*TREE.glob("selftests/**/*.py"), *TREE.glob("bench/**/*.py"), TREE / "selftests/run"]):
        _judge(counts, f"python {f.relative_to(TREE)}", [sys.executable, "-c",
               "import ast,sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])", f])
    print(counts)
    return 1 if counts.failed else 0


def _line(counts, ok, name, detail=""):
    counts.passed += ok
    counts.failed += not ok
    print(f"{'ok' if ok else 'not ok'} - {name}")
    if not ok:
        print("".join(f"#   {l}\n" for l in detail.splitlines()[:60]), end="", flush=True)


def _judge(counts, name, argv, quiet=False):
    """A check is good when it ends with 0 and, unless quiet, says nothing."""
    p = subprocess.run([str(a) for a in argv], cwd=TREE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, errors="replace", timeout=120)
    _line(counts, p.returncode == 0 and (quiet or not p.stdout.strip()), name, p.stdout)


def _build(counts, name):
    """Compile for a kernel with sparse and W=1."""
    out = TREE / "build" / "lint" / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    modules.sync(out)
    what = f"sparse and W=1 on {name}"
    try:
        text = modules.make(kernels.get(name), out, "C=1", "CF=-Wsparse-error", "W=1", "KCFLAGS=-Werror", "-k")
    except LabError as e:
        text = e.output or str(e)
        lines = [l for l in text.splitlines() if re.search(r"error|warning|note:", l)]
        _line(counts, False, what, "\n".join(lines) or text)
        return
    lines = [l for l in text.splitlines() if re.search(r"(?i)\bwarning:|\berror:", l)]
    _line(counts, not lines, what, "\n".join(lines))
