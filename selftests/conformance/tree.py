# SPDX-License-Identifier: GPL-2.0
"""What the tree says: the rows, who proves them, where AF_MEMNET is to differ, and the results that are kept."""
import ast
import re
from dataclasses import dataclass
from pathlib import Path

from selftests.lab import apt
from selftests.lab.cache import TREE, run

HERE = Path(__file__).resolve().parent
SOCKET = TREE / "selftests" / "socket"
CASES = TREE / "selftests" / "cases"
USER = TREE / "build" / "user"
PAGE = TREE / "Documentation" / "conformance.rst"
KERNELS = ("6.12", "6.1")       # the first is the one that the page is about, others where they differ
SECTIONS = ("Life", "Data", "Waiting", "Options", "Processes", "Seen by tools", "Unmodified programs")


class Wrong(Exception):
    """What a person has to put right; the text says what, and how."""


@dataclass(frozen=True)
class Row:
    """A line of selftests/socket/rows."""
    id: str
    section: str
    text: str
    kernels: tuple      # () is all

    def is_for(self, kernel):
        return not self.kernels or kernel in self.kernels


@dataclass(frozen=True)
class Test:
    """A test of mnsock's, or of a case ("case:test_x"), and what it proves."""
    name: str
    flags: frozenset    # of tap.h in small letters; a case's test: only "memnet", and "case"
    rows: tuple

    def runs(self, memnet, v6):
        return ("v6" if not v6 else "v4") not in self.flags and (memnet or "memnet" not in self.flags)


@dataclass(frozen=True)
class Difference:
    """An entry of differences.c."""
    key: str
    memnet: str
    reason: str
    kernels: tuple
    stands: str


def rows(text=None):
    """The rows in their order."""
    out = []
    for n, line in enumerate((SOCKET / "rows").read_text().splitlines() if text is None else text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        parts = [p.strip() for p in line.split("|")]
        if len(parts) != 4 or not all(parts[:3]):
            raise Wrong(f"rows:{n}: not id | section | what it says | kernels: {line}")
        out.append(Row(*parts[:3], tuple(parts[3].split())))
    return out


def build():
    """mnsock, where it is older than its sources.  Not while guests run it, which have it from the same folder."""
    apt.need("gcc", "make")
    run(["make", "-s", "-C", TREE / "selftests", f"OUT={USER}", USER / "mnsock"], what="building mnsock")


def mnsock(*options):
    """What mnsock of this tree prints."""
    return run([USER / "mnsock", *options], timeout=60)


def socket_tests(text=None):
    """mnsock's tests by name."""
    out = {}
    for line in (mnsock("--rows") if text is None else text).splitlines():
        name, flags, named = line.split("\t")
        out[name] = Test(name, frozenset(flags.split()), tuple(named.split()))
    return out


def case_tests(folder=CASES):
    """Tests of the case files that name rows, by "case:test_x"; the files are read, not run."""
    out = {}
    for path in sorted(folder.glob("test_*.py")):
        named, alone = {}, set()
        for node in ast.parse(path.read_text(), str(path)).body:
            if not isinstance(node, ast.Assign) or len(node.targets) != 1 or not isinstance(node.targets[0], ast.Attribute):
                continue
            target = node.targets[0]
            if target.attr == "rows":
                named[target.value.id] = tuple(ast.literal_eval(node.value))
            elif target.attr == "only_memnet" and ast.literal_eval(node.value):
                alone.add(target.value.id)
        for test, ids in named.items():
            name = f"{path.stem.removeprefix('test_')}:{test}"
            out[name] = Test(name, frozenset(["case"] + ["memnet"] * (test in alone)), ids)
    return out


def differences(text=None):
    """The table of differences, in its order, by key."""
    out, key, fields = {}, None, {}

    def end():
        if key:
            out[key] = Difference(key, fields["memnet"], fields["reason"], tuple(fields.get("kernels", "").split()),
                                  fields.get("stands", ""))
    for line in (mnsock("--differences") if text is None else text).splitlines():
        if not line.startswith("\t"):
            end()
            key, fields = line, {}
        else:
            name, value = line.strip().split(": ", 1)
            fields[name] = value
    end()
    return out


def keys_used():
    """The keys that tests, and what they are made of, ask differs() for: {key: files}."""
    out = {}
    for path in sorted(SOCKET.glob("*.c")):
        for key in re.findall(r'\bdiffers\("([^"]*)"\)', path.read_text()):
            out.setdefault(key, set()).add(path.name)
    return out


def kept(kernel):
    """{row: (result, detail)} of a kernel as it is kept; {} when none is."""
    path = HERE / f"{kernel}.tsv"
    if not path.exists():
        return {}
    lines = [l.split("\t") for l in path.read_text().splitlines() if l and not l.startswith("#")]
    return {row: (result, detail) for row, result, detail in lines}


def keep(kernel, results):
    """Write a kernel's results, in the order of the rows."""
    head = f"# What has come of each row on {kernel}: row, result, keys or reason. Made by make conformance TAKE={kernel}\n"
    body = "".join(f"{r.id}\t{results[r.id][0]}\t{results[r.id][1]}\n" for r in rows() if r.id in results)
    (HERE / f"{kernel}.tsv").write_text(head + body)
