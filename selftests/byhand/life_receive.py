# SPDX-License-Identifier: GPL-2.0
"""What becomes of a region while a job receives to it; another one is the program's, all the time."""
import ctypes
import os
import socket
import sys

import hand
from receive import *
from lives import *

LEN = 20000
libc.mremap.restype = ctypes.c_void_p
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
old, data = b"o" * LEN, os.urandom(LEN)
fd = connect("echo")
s = plain(fd)


def holds(what, at, wanted):
    is_now(what, ctypes.string_at(at, len(wanted)) == wanted, True)


def waits(number):
    """A job that is to have all of a region of its own: where that is, and which it is."""
    at = private(old)
    mine = register(at, LEN, flags=1)
    says("a job", job(fd, 0, LEN, number, whole=True, where=mine), 0)
    return at, mine


def ends(what, number):
    """Its bytes come, and others behind it that somebody else has."""
    s.sendall(data + b"behind it")
    says(what, over(number), 1)
    is_now(what + ": its result", outcome(number), (OVER, LEN))
    is_now(what + ": what comes behind it", s.recv(9, socket.MSG_WAITALL), b"behind it")


# fork(): it stays the parent's memory, whoever writes to it meanwhile, and also if it was deregistered before
for deregistered in (False, True):
    for who in ("nobody", "the parent", "the child"):
        what = f"fork(), and {who} writes" + (" to what was deregistered" if deregistered else "")
        at, mine = waits(1)
        if deregistered:
            says(what, deregister(mine), 0)
        go, wrote = os.pipe(), os.pipe()
        pid = os.fork()
        if not pid:
            sees = old
            if who == "the child":
                sees = b"c" * LEN
                ctypes.memmove(at, sees, LEN)
            os.write(wrote[1], b"x")
            os.read(go[0], 1)
            os._exit(ctypes.string_at(at, LEN) != sees)
        os.read(wrote[0], 1)
        if who == "the parent":
            ctypes.memmove(at + 5000, b"p" * 10000, 10000)
        ends(what, 1)
        holds(what + ": the parent has the bytes", at, data)
        os.write(go[1], b"x")
        says(what + ": the child does not see them", os.waitpid(pid, 0)[1], 0)
        for end in go + wrote:
            os.close(end)
        if not deregistered:
            says(what, deregister(mine), 0)

# munmap(), and other memory in its place
at, mine = waits(2)
says("munmap()", libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(LEN)), 0)
says("mapped anew", private(old, at), at)
ends("what is unmapped", 2)
holds("what was mapped there anew", at, old)
says("deregister", deregister(mine), 0)

# mremap(): the bytes come to where the memory is now
at, mine = waits(3)
to = private(bytes(LEN))
says("mremap()", libc.mremap(at, LEN, LEN, 3, to), to)
ends("what is moved", 3)
holds("where it is now", to, data)
says("deregister", deregister(mine), 0)

# exec(), with a context that is kept: the memory is nobody's, but the job has its bytes, and its result can be seen
TAKES = '''
import mmap, os, struct, sys, time
map = mmap.mmap(int(sys.argv[1]), 4096, mmap.MAP_SHARED, mmap.PROT_READ)
word = lambda: struct.unpack_from("=Q", map, 8 * 4)[0]
under_way = not word() >> 63
os.write(int(sys.argv[2]), b"x")
late = time.monotonic() + 30
while not word() >> 63 and time.monotonic() < late:
    time.sleep(0.01)
sys.exit(not under_way or word() != 1 << 63 | int(sys.argv[3]))
'''
ready = os.pipe()
pid = os.fork()
if not pid:
    hand.ctx = os.open("/dev/memnet", os.O_RDWR)
    waits(4)
    os.set_inheritable(hand.ctx, True)
    os.set_inheritable(ready[1], True)
    os.execv(sys.executable, [sys.executable, "-c", TAKES, str(hand.ctx), str(ready[1]), str(LEN)])
os.close(ready[1])
says("exec()", os.read(ready[0], 1) == b"x", True)
s.sendall(data + b"behind it")
says("who was executed sees the end", os.waitpid(pid, 0)[1], 0)
is_now("exec(): what comes behind it", s.recv(9, socket.MSG_WAITALL), b"behind it")
until_regions(1)

# a context that is passed to a process that was there before: what that receives is here
here, there = socket.socketpair()
pid = os.fork()
if not pid:
    message, fds, _, _ = socket.recv_fds(there, 100, 1)
    hand.ctx = fds[0]
    os._exit(recv(fd, 0, LEN, flags=8, where=int(message)) != LEN)
kept, hand.ctx = hand.ctx, os.open("/dev/memnet", os.O_RDWR)
at = private(old)
socket.send_fds(here, [str(register(at, LEN, flags=1)).encode()], [hand.ctx])
s.sendall(data)
says("who got the context receives", os.waitpid(pid, 0)[1], 0)
holds("in memory it does not have", at, data)
os.close(hand.ctx)
hand.ctx = kept
until_regions(1)

# a context that is closed with jobs under way: they have their bytes, though nobody hears of it
hand.ctx = os.open("/dev/memnet", os.O_RDWR)
at = private(old)
mine = register(at, LEN, flags=1)
for i in range(4):
    says("a job", job(fd, LEN // 4 * i, LEN // 4, i, whole=True, where=mine), 0)
os.close(hand.ctx)
hand.ctx = kept
s.sendall(data + b"behind it")
is_now("closed: what comes behind them", s.recv(9, socket.MSG_WAITALL), b"behind it")
holds("closed: the bytes", at, data)
until_regions(1)

says("deregister", deregister(region), 0)
until_regions(0)
print("\n".join(bad))
sys.exit(bool(bad))
