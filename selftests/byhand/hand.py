# SPDX-License-Identifier: GPL-2.0
"""/dev/memnet by hand, so that what the library would not say can be said too.

The programs beside this file run on the host, each started by a test (selftests/cases/registered.py).  Importing this opens
a context: every call goes through hand.ctx, and who takes another one sets it by that name.  A program notes what is wrong in
bad, goes on, and fails in the end.
"""
import ctypes
import errno
import fcntl
import mmap
import os
import socket
import struct
import sys
import time

# where the lab has its addresses
sys.path.append(os.path.dirname(__file__) + "/../..")
from selftests.lab.addresses import CLIENT_EXT, NODE_SAN      # noqa: E402, F401 - the programs as well

libc = ctypes.CDLL(None, use_errno=True)
ctx = os.open("/dev/memnet", os.O_RDWR)
REGISTER, DEREGISTER, DIRECT, SUBMIT, WAIT = range(0x4de0, 0x4de5)
bad = []


def addr4(host, port):
    return struct.pack("=HH4s8x", 2, socket.htons(port), socket.inet_aton(host))


def connect(command, host=CLIENT_EXT, family=25):
    fd = libc.socket(family, socket.SOCK_STREAM, 0)
    if libc.connect(fd, addr4(host, 4242), 16):
        raise OSError(ctypes.get_errno(), "connect")
    # closed in its sleep a connection to a peer that never reads would stay for a minute
    libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0), 8)
    os.write(fd, command.encode() + b"\n")
    return fd


def ioctl(number, data):
    """The structure as it is afterwards, or the negative errno."""
    data = bytearray(data)
    try:
        fcntl.ioctl(ctx, number, data)
    except OSError as e:
        return -e.errno
    return data


def register(addr, len, size=32, flags=0, reserved=0):
    r = ioctl(REGISTER, struct.pack("=IIQQII", size, flags, addr, len, 0, reserved))
    return r if isinstance(r, int) else struct.unpack_from("=I", r, 24)[0]


def deregister(region, size=8):
    r = ioctl(DEREGISTER, struct.pack("=II", size, region))
    return r if isinstance(r, int) else 0


def send(fd, region, offset, len, flags=1, size=40):
    r = ioctl(DIRECT, struct.pack("=IIiIQQQ", size, flags, fd, region, offset, len, 99))
    return r if isinstance(r, int) else struct.unpack_from("=Q", r, 32)[0]


def op(fd, region, offset, len, result=0, opcode=1, flags=0):
    return struct.pack("=HHiIIQQQII", opcode, flags, fd, region, result, offset, len, 0, 0, 99)


def submit(ops, count=None, size=24, at=None, reserved=0):
    """A list of (end, counter) of those taken and the errno of the first refused, or the negative errno."""
    n = len(ops) if count is None else count
    buf = ctypes.create_string_buffer(b"".join(ops), 48 * max(len(ops), 1))
    r = ioctl(SUBMIT, struct.pack("=IIQII", size, n, ctypes.addressof(buf) if at is None else at, 0, reserved))
    if isinstance(r, int):
        return r
    done = struct.unpack_from("=I", r, 16)[0]
    rows = [struct.unpack_from("=QII", buf.raw, 48 * i + 32) for i in range(len(ops))]
    return [(end, counter) for end, counter, error in rows[:done]], rows[done][2] if done < len(ops) else 0


def wait(jobs, timeout, flags=0, size=32, count=None):
    """How many are over, or the negative errno; jobs are (result, counter, end), timeout is in seconds, None for ever."""
    buf = ctypes.create_string_buffer(b"".join(struct.pack("=IIQ", *j) for j in jobs), 16 * len(jobs) + 16)
    end = -1 if timeout is None else time.clock_gettime_ns(time.CLOCK_MONOTONIC) + int(timeout * 1e9) if timeout else 0
    r = ioctl(WAIT, struct.pack("=IIQIIq", size, flags, ctypes.addressof(buf), len(jobs) if count is None else count, 0, end))
    return r if isinstance(r, int) else struct.unpack_from("=I", r, 20)[0]


def results():
    return mmap.mmap(ctx, 65536 * 8 + 4096 * 8, mmap.MAP_SHARED, mmap.PROT_READ)


def result(map, i):
    return struct.unpack_from("=Q", map, 8 * i)[0]


def memory(len):
    """Memory that nobody else has, and its address."""
    m = mmap.mmap(-1, len)
    return m, ctypes.addressof(ctypes.c_char.from_buffer(m))


def says(what, result, *wanted):
    got = errno.errorcode[-result].replace("ENOTSUP", "EOPNOTSUPP") if result < 0 else result
    if got not in wanted:
        bad.append(f"{what}: {got}, expected {wanted}")


MUCH = 16 << 20
much, much_at = memory(MUCH)
