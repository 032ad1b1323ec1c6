# SPDX-License-Identifier: GPL-2.0
"""Reads what the plug-in counts (count.c), and says which function it was.

    put_aside(path, from, to)       # what is executed from this address on, of a function, until that one
    before = Counts(path); ...; spent = Counts(path) - before
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
    """Instructions by CPU: .user[cpu], .kernel[cpu] = {address: count}, .aside[cpu]."""

    def __init__(self, path=None):
        self.user, self.kernel, self.aside = [], [], []
        if path is None:
            return
        with open(path, "rb") as f:
            fd = f.fileno()
            cpus, head, text, shift, buckets = _head(fd, path)
            for cpu in range(cpus):
                start = head + cpu * 8 * (FIRST + buckets)
                user, other, aside, _ = struct.unpack(f"{FIRST}Q", os.pread(fd, 8 * FIRST, start))
                found = {0: other} if other else {}
                start += 8 * FIRST
                for first, words in self._filled(fd, start, start + 8 * buckets):
                    number = (first - start) // 8
                    for i, count in enumerate(words, number):
                        if count:
                            found[text + (i << shift)] = count
                self.user.append(user)
                self.aside.append(aside)
                self.kernel.append(found)

    @staticmethod
    def _filled(fd, begin, end):
        """The parts of a sparse file that hold something: (position, words)."""
        while begin < end:
            try:
                data = max(os.lseek(fd, begin, os.SEEK_DATA), begin)
            except OSError:     # ENXIO: only a hole is left
                return
            if data >= end:
                return
            begin = min(os.lseek(fd, data, os.SEEK_HOLE), end)
            yield data, array.array("Q", os.pread(fd, begin - data, data))

    def __sub__(self, other):
        out = Counts()
        out.user = [a - b for a, b in zip(self.user, other.user)]
        out.aside = [a - b for a, b in zip(self.aside, other.aside)]
        for mine, theirs in zip(self.kernel, other.kernel):
            out.kernel.append({k: v - theirs.get(k, 0) for k, v in mine.items() if v != theirs.get(k, 0)})
        return out

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
