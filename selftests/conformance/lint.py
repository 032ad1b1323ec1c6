# SPDX-License-Identifier: GPL-2.0
"""What can be said of the page without a guest: everything named is there, nothing is there for nothing, all is up to date."""
import itertools
import re

from selftests.lab import cache

from . import page, tree

UNDONE = re.compile(r"(?i)not yet|todo|tbd|fixme")
# a test is not to ask for the family but by differs(); these need the numbers that socket() is called with, or say nothing of it
MEMNET = {"test_create.c"}


def rows(rows, tests):
    """Rows without a test, tests without a row, names of nothing."""
    ids = [r.id for r in rows]
    out = [f"rows: {i} is there twice" for i in sorted({i for i in ids if ids.count(i) > 1})]
    texts = [(r.section, r.text) for r in rows]
    out += [f"rows: {r.id} says what another one says" for r in rows if texts.count((r.section, r.text)) > 1]
    out += [f"rows: {r.id} is in no section there is: {r.section}" for r in rows if r.section not in tree.SECTIONS]
    out += [f"rows: {r.id} is of an unknown kernel: {k}" for r in rows for k in r.kernels if k not in tree.KERNELS]
    out += [f"rows: {r.id} says that it is not done" for r in rows if UNDONE.search(r.text)]
    proved = {i for t in tests for i in t.rows if "memnet" not in t.flags or "case" in t.flags}
    out += [f"rows: {i} has no test" + (" that runs natively" if any(i in t.rows for t in tests) else "")
            for i in ids if i not in proved]
    out += [f"{t.name} names no row" for t in tests if not t.rows]
    out += [f"{t.name} names {i}, which is no row" for t in tests for i in t.rows if i not in ids]
    return out


def differences(table, used, sources):
    """Keys nobody asks for, keys of nothing, texts that do not stand where they are said to; sources: {series: folder}."""
    out = [f"differences.c: no test asks for {k}" for k in table if k not in used]
    out += [f"{', '.join(sorted(files))}: {k} is not in differences.c" for k, files in used.items() if k not in table]
    for d in table.values():
        out += [f"differences.c: {d.key} is of an unknown kernel: {k}" for k in d.kernels if k not in tree.KERNELS]
        if not d.stands:
            continue
        series = d.kernels[0] if len(d.kernels) == 1 else tree.KERNELS[0]
        file, _, text = d.stands.partition(": ")
        folder = sources.get(series)
        if not text:
            out.append(f"differences.c: {d.key}: stands is not \"file: text\": {d.stands}")
        elif folder and (not (folder / file).is_file() or text not in (folder / file).read_text(errors="replace")):
            out.append(f"differences.c: {d.key}: {file} of linux-source-{series} has no: {text}")
    return out


def results(rows, kept, table):
    """Rows without a result, results without a row, and what must not have been kept."""
    out = []
    for kernel, results in kept.items():
        ids = {r.id for r in rows if r.is_for(kernel)}
        todo = f"run case socket on it, then make conformance TAKE={kernel}"
        out += [f"{kernel}.tsv: nothing of {i}: {todo}" for i in sorted(ids - set(results))]
        out += [f"{kernel}.tsv: {i} is no row of this kernel: {todo}" for i in sorted(set(results) - ids)]
        for i, (what, detail) in results.items():
            if what not in page.CELLS:
                out.append(f"{kernel}.tsv: {i}: {what} is no result")
            elif what == "differs":
                out += [f"{kernel}.tsv: {i}: {k} is not in differences.c" for k in detail.split() if k not in table]
                out += [f"{kernel}.tsv: {i}: {k} is not for this kernel" for k in detail.split()
                        if k in table and table[k].kernels and kernel not in table[k].kernels]
    return out


def families():
    """Tests that ask which family they test, past the table."""
    return [f"{p.name}: asks for tested.memnet: that is differs()'s" for p in sorted(tree.SOCKET.glob("test_*.c"))
            if p.name not in MEMNET and "tested.memnet" in p.read_text()]


def sources():
    """The kernel sources that are there; none is fetched for this."""
    found = {s: cache.ROOT / "src" / f"linux-source-{s}" for s in tree.KERNELS}
    return {s: p for s, p in found.items() if p.exists()}


def written(text, have):
    """Is the page what it would be made from?"""
    if text == have:
        return []
    pairs = enumerate(itertools.zip_longest(text.splitlines(), have.splitlines()), 1)
    line = next((n for n, (wanted, got) in pairs if wanted != got), 1)
    return [f"{tree.PAGE.relative_to(tree.TREE)}:{line}: is not what make conformance writes"]


def everything():
    """All that is wrong."""
    all_rows, table, kept = tree.rows(), tree.differences(), {k: tree.kept(k) for k in tree.KERNELS}
    tests = [*tree.socket_tests().values(), *tree.case_tests().values()]
    have = tree.PAGE.read_text() if tree.PAGE.exists() else ""
    return [*rows(all_rows, tests), *differences(table, tree.keys_used(), sources()),
            *results(all_rows, kept, table), *families(), *written(page.page(all_rows, kept, table), have)]
