# SPDX-License-Identifier: GPL-2.0
"""Reads what the plug-in counts (count.c), and says which function it was.

    put_aside(path, from, to)       # what is executed from this address on, of a function, until that one
    before = Counts(path); ...; spent = Counts(path) - before       # of class Spent
    symbols = Symbols(vm)
    symbols.address(function)       -> address, of the kernel's own
    symbols.functions(spent, cpu)   -> {(module, function): instructions}
"""
import array
import bisect
import os
import struct

HEAD = struct.Struct("8s5Q")
BLOCKS = struct.Struct("2Q")    # behind it
PAGE = 4096
FIRST = 4       # words of a CPU before its buckets: user space, other, aside, and whether it is aside now


def _head(fd, path):
    """(cpus, bytes before the first one's words, address of bucket 0, shift, buckets)"""
    magic, *rest = HEAD.unpack(os.pread(fd, HEAD.size, 0))
    if magic.rstrip(b"\0") != b"mncount":
        raise ValueError(f"{path}: not written by the plug-in")
    return rest


def put_aside(path, begin, end):
    """Count apart what is executed from the block at this address on, until the one at that."""
    with open(path, "r+b") as f:
        _, _, text, shift, _ = _head(f.fileno(), path)
        os.pwrite(f.fileno(), BLOCKS.pack(*(FIRST + ((a - text) >> shift) for a in (begin, end))), HEAD.size)


class Counts:
    """
    What the plug-in had counted when the file was read.  The difference of two is what was Spent; most pages of buckets are the
    same in both, and are not looked into.
    """

    def __init__(self, path):
        self.fixed, self.pages = [], []     # by CPU: the first words; {position: words}
        with open(path, "rb") as f:
            fd = f.fileno()
            cpus, head, self.text, self.shift, buckets = _head(fd, path)
            for cpu in range(cpus):
                start = head + cpu * 8 * (FIRST + buckets)
                self.fixed.append(struct.unpack(f"{FIRST}Q", os.pread(fd, 8 * FIRST, start)))
                start += 8 * FIRST
                self.pages.append({at - start: words for at, words in self._filled(fd, start, start + 8 * buckets)})

    @staticmethod
    def _filled(fd, begin, end):
        """The parts of a sparse file that hold something, page by page: (position, words)."""
        while begin < end:
            try:
                data = max(os.lseek(fd, begin, os.SEEK_DATA), begin)
            except OSError:     # ENXIO: only a hole is left
                return
            if data >= end:
                return
            begin = min(os.lseek(fd, data, os.SEEK_HOLE), end)
            while data < begin:
                n = min(PAGE - data % PAGE, begin - data)
                yield data, os.pread(fd, n, data)
                data += n

    def __sub__(self, before):
        user, kernel, aside = [], [], []
        for mine, theirs, pages, old in zip(self.fixed, before.fixed, self.pages, before.pages):
            user.append(mine[0] - theirs[0])
            aside.append(mine[2] - theirs[2])
            kernel.append(self._executed(pages, old))
            if mine[1] != theirs[1]:
                kernel[-1][0] = mine[1] - theirs[1]
        return Spent(user, kernel, aside)

    def _executed(self, pages, old):
        """{address: instructions}; 0 is for what has no bucket."""
        found = {}
        for at, words in pages.items():
            if words != old.get(at):
                then = array.array("Q", old.get(at, bytes(len(words))))
                for i, (a, b) in enumerate(zip(array.array("Q", words), then), at // 8):
                    if a != b:
                        found[self.text + (i << self.shift)] = a - b
        return found


class Spent:
    """Instructions by CPU: .user[cpu], .kernel[cpu] = {address: count}, .aside[cpu]."""

    def __init__(self, user, kernel, aside):
        self.user, self.kernel, self.aside = user, kernel, aside

    def __sub__(self, other):
        kernel = [{k: mine.get(k, 0) - theirs.get(k, 0) for k in mine.keys() | theirs.keys() if mine.get(k, 0) != theirs.get(k, 0)}
                  for mine, theirs in zip(self.kernel, other.kernel)]
        return Spent([a - b for a, b in zip(self.user, other.user)], kernel, [a - b for a, b in zip(self.aside, other.aside)])

    def joined(self, cpus):
        """The same, with what these have executed as the first one's."""
        first = cpus[0]
        for cpu in cpus[1:]:
            for of in self.user, self.aside:
                of[first] += of[cpu]
                of[cpu] = 0
            for k, v in self.kernel[cpu].items():
                self.kernel[first][k] = self.kernel[first].get(k, 0) + v
            self.kernel[cpu] = {}
        return self

    def total(self, cpu):
        return self.user[cpu] + self.aside[cpu] + sum(self.kernel[cpu].values())


class Symbols:
    """The functions of a guest's kernel and of the modules that are loaded now."""

    def __init__(self, vm):
        rows = []
        for line in vm.sh("grep -i ' t ' /proc/kallsyms", timeout=240).splitlines():
            address, _, name, *module = line.split()
            rows.append((int(address, 16), module[0].strip("[]") if module else "kernel", name))
        rows.sort()
        self.rows, self.addresses = rows, [r[0] for r in rows]

    def address(self, function):
        """Of one of the kernel's own."""
        found = {address for address, module, name in self.rows if module == "kernel" and name == function}
        if len(found) != 1:
            raise ValueError(f"the kernel has {len(found)} functions {function}()")
        return found.pop()

    def at(self, address):
        """(module, function) of a bucket."""
        i = bisect.bisect_right(self.addresses, address + 15) - 1
        return self.rows[i][1:] if i >= 0 else ("kernel", "?")

    def functions(self, counts, cpu):
        out = {}
        for address, count in counts.kernel[cpu].items():
            key = self.at(address)
            out[key] = out.get(key, 0) + count
        return out
