#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Unit tests of what reads the plug-in's counts, as TAP: from a file as the plug-in writes it."""
import os
import struct
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.dont_write_bytecode = True

from bench.counter.counts import Counts, Spent, put_aside   # noqa: E402
from selftests.unit import tap                              # noqa: E402
from selftests.unit.measurements import raises              # noqa: E402


def test_processors_of_one():
    """What several execute is the first one's; the adapter's stays its own."""
    c = Spent([1, 10, 100], [{1: 1}, {1: 10, 2: 20}, {1: 100, 3: 300}], [2, 3, 4])
    c.joined(range(1, 3))
    assert c.user == [1, 110, 0] and c.kernel == [{1: 1}, {1: 110, 2: 20, 3: 300}, {}] and c.aside == [2, 7, 0], (c.user, c.kernel)
    assert c.total(1) == 110 + 7 + 110 + 20 + 300
    assert c.joined(range(1, 2)) is c and c.user == [1, 110, 0]


def test_what_the_plug_in_writes():
    """A sparse file, which says what is to be put aside, and how much was."""
    text, buckets, words = 0xffffffff80000000, 1 << 12, 4 + (1 << 12)
    with tempfile.NamedTemporaryFile() as f:
        f.truncate(4096 + 2 * 8 * words)
        os.pwrite(f.fileno(), struct.pack("8s7Q", b"mncount", 2, 4096, text, 4, buckets, ~0 % 2**64, ~0 % 2**64), 0)
        was = {(0, 0): 100, (1, 0): 200, (1, 1): 300, (1, 2): 400, (1, 4): 500, (1, 4 + 0x40): 600}
        for (cpu, word), n in was.items():
            os.pwrite(f.fileno(), struct.pack("Q", n), 4096 + 8 * (cpu * words + word))
        first = Counts(f.name)
        put_aside(f.name, text + 0x110, text + 0x200)
        assert struct.unpack("8s7Q", os.pread(f.fileno(), 64, 0))[6:] == (4 + 0x11, 4 + 0x20)
        for cpu, values in ((0, {0: 7}), (1, {0: 5, 1: 6, 2: 70, 3: 1, 4: 8, 4 + 0x30: 9, 4 + 0x31: 1000, words - 1: 3})):
            for word, n in values.items():
                os.pwrite(f.fileno(), struct.pack("Q", n + was.get((cpu, word), 0)), 4096 + 8 * (cpu * words + word))
        c = Counts(f.name) - first
        assert (Counts(f.name) - Counts(f.name)).kernel == [{}, {}]
    assert c.user == [7, 5] and c.aside == [0, 70], (c.user, c.aside)
    assert c.kernel == [{}, {0: 6, text: 8, text + 0x300: 9, text + 0x310: 1000, text + 16 * (buckets - 1): 3}], c.kernel
    assert c.total(1) == 5 + 6 + 70 + 8 + 9 + 1000 + 3
    assert (c - c).aside == [0, 0] and (c - c).kernel == [{}, {}]
    with tempfile.NamedTemporaryFile() as f:
        f.write(bytes(4096))
        f.flush()
        raises(ValueError, Counts, f.name)
        raises(ValueError, put_aside, f.name, text, text)


if __name__ == "__main__":
    sys.exit(tap.main("counting", globals()))
