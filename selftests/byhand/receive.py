# SPDX-License-Identifier: GPL-2.0
"""Receiving by hand: into a region that whoever imports this has."""
import errno
import os
import socket
import struct

from hand import *

RECV_DIRECT, CANCEL = 0x4de5, 0x4de6
EVER = 1 << 48
SHORT = 100000
OVER, CANCELED, RESET = 0x8000, 0x8000 | errno.ECANCELED, 0x8000 | errno.ECONNRESET
region = register(much_at, MUCH, flags=1)
map = results()


def recv(fd, offset, len, flags=0, where=None):
    r = ioctl(RECV_DIRECT, struct.pack("=IIiIQQQ", 40, flags, fd, where or region, offset, len, 99))
    return r if isinstance(r, int) else struct.unpack_from("=Q", r, 32)[0]


def cancel(fd, result, size=16, reserved=0):
    r = ioctl(CANCEL, struct.pack("=IiII", size, fd, result, reserved))
    return r if isinstance(r, int) else 0


def job(fd, offset, len, result, whole=False, where=None):
    got = submit([op(fd, where or region, offset, len, result=result, opcode=2, flags=4 if whole else 0)])
    return got if isinstance(got, int) else -got[1]


def over(*numbers, seconds=20):
    return wait([(n, 0xffffffff, 0) for n in numbers], seconds, flags=1)


def outcome(n):
    return result(map, n) >> 48, result(map, n) & (EVER - 1)


def is_now(what, got, wanted):
    if got != wanted:
        bad.append(f"{what}: {got}, expected {wanted}")


def plain(fd):
    return socket.socket(fileno=os.dup(fd))     # a timeout of Python's would make it non-blocking
