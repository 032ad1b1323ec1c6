# SPDX-License-Identifier: GPL-2.0
"""Programs that stop at words for the test to look at, and what most of them do with jobs."""
import errno
import os
import struct
import sys
import time

from hand import *

CANCEL, NONE, EVER = 0x4de6, 0xffffffff, 1 << 48
OVER, CANCELED = 0x8000, 0x8000 | errno.ECANCELED
map = results()


def cancel(fd, result):
    r = ioctl(CANCEL, struct.pack("=IiII", 16, fd, result, 0))
    return r if isinstance(r, int) else 0


def outcome(n):
    return result(map, n) >> 48, result(map, n) & (EVER - 1)


def taken(what, ops):
    """All of them are, or it is wrong; what the kernel says of each."""
    got = submit(ops)
    says(what, got if isinstance(got, int) else len(got[0]), len(ops))
    return [] if isinstance(got, int) else got[0]


def receive(what, fd, region, offset, len, results):
    """Jobs that follow each other in the region."""
    taken(what, [op(fd, region, offset + len * i, len, result=r, opcode=2, flags=4) for i, r in enumerate(results)])


def all_over(what, jobs, seconds=240):
    for i in range(0, len(jobs), 1024):
        says(what, wait(jobs[i:i + 1024], seconds, flags=1), len(jobs[i:i + 1024]))


def stop(word):
    """Says how far it is, and waits for the test to look."""
    print(*bad[:20], word, sep="\n", flush=True)
    while not os.path.exists("/tmp/go-" + word):
        time.sleep(0.1)


def end():
    print(*bad[:20], "done", sep="\n")
    sys.exit(bool(bad))
