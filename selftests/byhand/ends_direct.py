# SPDX-License-Identifier: GPL-2.0
"""A direct send that a signal, a time or a reset ends; then one that sleeps, for the test to end."""
import ctypes
import errno
import os
import signal
import socket
import struct
import sys
import threading
import time

import hand
from hand import *

region = register(much_at, MUCH)
signal.signal(signal.SIGALRM, lambda *_: None)
libc.syscall.restype = ctypes.c_long


def blocked(fd):
    """Direct sending of more than anybody takes; what libc's ioctl says, for Python repeats what a signal interrupts."""
    arg = bytearray(struct.pack("=IIiIQQQ", 40, 1, fd, region, 0, MUCH, 0))
    buf = (ctypes.c_char * 40).from_buffer(arg)
    r = libc.ioctl(hand.ctx, ctypes.c_ulong(DIRECT), buf)
    return -ctypes.get_errno() if r else struct.unpack_from("=Q", arg, 32)[0]


def some(what, result):
    says(what, 0 < result < MUCH, True)


def little(what, result, wanted):
    """TCP may still have taken a little more."""
    if not 0 < result < MUCH // 4:
        says(what, result, wanted)


# a signal
fd = connect("never-read")
signal.setitimer(signal.ITIMER_REAL, 1)
some("interrupted by a signal", blocked(fd))
signal.setitimer(signal.ITIMER_REAL, 0.5)
little("again, with hardly any room", blocked(fd), "EINTR")
os.close(fd)

# a time
fd = connect("never-read")
libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("=qq", 1, 0), 16)
some("SO_SNDTIMEO", blocked(fd))
little("SO_SNDTIMEO with hardly any room", blocked(fd), "EAGAIN")
os.close(fd)

# the peer resets
fd = connect("read=all after=100000 then=rst")
result = blocked(fd)
says("the peer resets", result == -errno.ECONNRESET or 0 < result < MUCH, True)
says("after the reset", send(fd, region, 0, 1), "EPIPE", "ECONNRESET")
os.close(fd)

# two wait for their turn on one socket, the first is interrupted: the second goes on in its place
fd = connect("never-read")
results = []
first = threading.Thread(target=lambda: results.append(blocked(fd)))
first.start()
time.sleep(0.5)
libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("=qq", 1, 0), 16)
says("waits behind another", blocked(fd), "EAGAIN")
libc.shutdown(fd, socket.SHUT_RDWR)

# the region is given back meanwhile
says("deregister in flight", deregister(region), 0)
print("blocked", flush=True)
first.join()
print("ended", results, "\n".join(bad), flush=True)
sys.exit(bool(bad))
