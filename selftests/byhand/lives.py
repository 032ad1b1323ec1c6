# SPDX-License-Identifier: GPL-2.0
"""Memory and processes whose life a program is about, and what the host counts."""
import ctypes
import json
import mmap
import os
import subprocess
import time

from hand import *

libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


def private(data, at=None):
    """Private memory with these bytes, at an address if there is one."""
    at = libc.mmap(at, len(data), 3, PRIVATE | (0x10 if at else 0), -1, 0)
    ctypes.memmove(at, data, len(data))
    return at


def counters():
    rows = json.loads(subprocess.run(["memnetctl", "-j", "stats"], capture_output=True).stdout)
    return {f"{group}.{name}": n for group, values in rows.items() for name, n in values.items()}


def regions():
    return counters()["host.regions"]


def until_regions(n):
    """So many, soon: the device may still have to let go of one."""
    late = time.monotonic() + 20
    while regions() != n and time.monotonic() < late:
        time.sleep(0.1)
    says("regions", regions(), n)


def comes_back(what, fd, wanted):
    """What an echo sends, whoever it was that sent it there."""
    got = b""
    while len(got) < len(wanted):
        more = os.read(fd, len(wanted) - len(got))
        if not more:
            break
        got += more
    says(what, got == wanted, True)
