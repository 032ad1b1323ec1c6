# SPDX-License-Identifier: GPL-2.0
"""Reads what the plug-in counts (count.c), and says which function it was.

    before = Counts(path); ...; spent = Counts(path) - before
    symbols = Symbols(vm)
    symbols.functions(spent, cpu)   -> {(module, function): instructions}
"""
import array
import bisect
import os
import struct

HEAD = struct.Struct("8s5Q")


class Counts:
    """Instructions by CPU: .user[cpu], .kernel[cpu] = {address: count}."""

    def __init__(self, path=None):
        self.user, self.kernel = [], []
        if path is None:
            return
        with open(path, "rb") as f:
            fd = f.fileno()
            magic, cpus, head, text, shift, buckets = HEAD.unpack(os.pread(fd, HEAD.size, 0))
            if magic.rstrip(b"\0") != b"mncount":
                raise ValueError(f"{path}: not written by the plug-in")
            for cpu in range(cpus):
                begin = head + cpu * 8 * (2 + buckets)
                user, other = struct.unpack("2Q", os.pread(fd, 16, begin))
                found = {0: other} if other else {}
                for first, words in self._filled(fd, begin + 16, begin + 8 * (2 + buckets)):
                    number = (first - begin - 16) // 8
                    for i, count in enumerate(words, number):
                        if count:
                            found[text + (i << shift)] = count
                self.user.append(user)
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
        for mine, theirs in zip(self.kernel, other.kernel):
            out.kernel.append({k: v - theirs.get(k, 0) for k, v in mine.items() if v != theirs.get(k, 0)})
        return out

    def joined(self, cpus):
        """The same, with what these have executed as the first one's."""
        first = cpus[0]
        for cpu in cpus[1:]:
            self.user[first] += self.user[cpu]
            self.user[cpu] = 0
            for k, v in self.kernel[cpu].items():
                self.kernel[first][k] = self.kernel[first].get(k, 0) + v
            self.kernel[cpu] = {}
        return self

    def total(self, cpu):
        return self.user[cpu] + sum(self.kernel[cpu].values())


class Symbols:
    """The functions of a guest's kernel and of the modules that are loaded now."""

    def __init__(self, vm):
        rows = []
        for line in vm.sh("grep -i ' t ' /proc/kallsyms", timeout=240).splitlines():
            address, _, name, *module = line.split()
            rows.append((int(address, 16), module[0].strip("[]") if module else "kernel", name))
        rows.sort()
        self.rows, self.addresses = rows, [r[0] for r in rows]

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
