# SPDX-License-Identifier: GPL-2.0
"""Every end that receiving can have; then as many jobs as there can be and a call that sleeps, for the test to end."""
import ctypes
import os
import signal
import socket
import struct
import sys
import threading
import time

import hand
from receive import *

signal.signal(signal.SIGALRM, lambda *_: None)
libc.syscall.restype = ctypes.c_long


def blocked(fd, flags=0):
    """Direct receiving; what libc's ioctl says, for Python repeats what a signal interrupts."""
    arg = bytearray(struct.pack("=IIiIQQQ", 40, flags, fd, region, 0, SHORT, 0))
    buf = (ctypes.c_char * 40).from_buffer(arg)
    r = libc.ioctl(hand.ctx, ctypes.c_ulong(RECV_DIRECT), buf)
    return -ctypes.get_errno() if r else struct.unpack_from("=Q", arg, 32)[0]


# in place, posted before anything was sent
fd = connect("echo")
s = plain(fd)
data = os.urandom(1 << 20)
says("a job", job(fd, 100, len(data), 1, whole=True), 0)
writer = threading.Thread(target=s.sendall, args=(data,))
writer.start()
says("a megabyte in place", over(1), 1)
writer.join()
is_now("its result", outcome(1), (OVER, len(data)))
is_now("a megabyte as it was sent", much[100:100 + len(data)] == data, True)
print("placed", flush=True)
while not os.path.exists("/tmp/go"):
    time.sleep(0.1)

# more jobs than the node is told of, over the ends of chunks, and the rest by other calls
sizes = [1, 4095, 4096, 4097, 70000, 3 << 20] + [1000 + 77 * i for i in range(40)]
data = os.urandom(sum(sizes) + SHORT + 5000)
starts = [sum(sizes[:i]) + 3 * i for i in range(len(sizes))]
for i, (at, size) in enumerate(zip(starts, sizes)):
    says(f"job {i}", job(fd, at, size, 10 + i, whole=True), 0)
rest, after = [], threading.Thread(target=lambda: rest.append(s.recv(5000, socket.MSG_WAITALL)))
writer = threading.Thread(target=s.sendall, args=(data,))
writer.start()
says("all the jobs", over(*range(10, 10 + len(sizes))), len(sizes))
says("directly behind them", blocked(fd, flags=8), SHORT)
after.start()
after.join(20)
writer.join(20)
at = 0
for i, (start, size) in enumerate(zip(starts, sizes)):
    is_now(f"result {i}", outcome(10 + i), (OVER, size))
    if i > 0:   # the last call has been put over the first job's
        is_now(f"bytes of job {i}", much[start:start + size] == data[at:at + size] or start < SHORT, True)
    at += size
is_now("what the direct call got", much[:SHORT] == data[at:at + SHORT], True)
is_now("what the ordinary call got", rest and rest[0] == data[at + SHORT:], True)

# an interrupted call takes nothing from who reads next
signal.setitimer(signal.ITIMER_REAL, 0.5)
says("interrupted", blocked(fd), "EINTR")
s.sendall(b"after it")
is_now("not lost", s.recv(100), b"after it")
signal.setitimer(signal.ITIMER_REAL, 0.7)
threading.Timer(0.2, s.sendall, args=(b"some",)).start()
says("interrupted, but has some", blocked(fd, flags=8), 4)

# cancelled: the second of three, then the first
for i in (1, 2, 3):
    says("a job", job(fd, 100 * i, 100, i), 0)
says("none is over", over(1, seconds=0.3), "ETIME")
says("cancel", cancel(fd, 2), 0)
says("it is over", over(2), 1)
is_now("cancelled", outcome(2), (CANCELED, 0))
says("cancel twice", cancel(fd, 2), "ENOENT")
s.sendall(b"a" * 100)
says("the first is over", over(1), 1)
says("cancel the third", cancel(fd, 3), 0)
says("it is over", over(3), 1)
got = outcome(1)[1] + outcome(3)[1]
if got < 100:
    got += len(s.recv(200))
is_now("nothing is lost", got, 100)

# the stream ends
for what, command, more, wanted in (("FIN at once", "fin-first", [], (OVER, 0)),
                                    ("FIN after some", "source 5000 7", [5000], (OVER, 0)),
                                    ("a reset after some", "data-rst 5000 7", [5000], (RESET, 0))):
    other = connect(command)
    for i in (20, 21, 22):
        says(what, job(other, 10000 * i, 10000, i, whole=True), 0)
    says(what, over(20, 21, 22), 3)
    is_now(what, [outcome(i) for i in (20, 21, 22)], [(OVER, n) for n in more] + [wanted] * (3 - len(more)))
    if "FIN" in what:
        says(what + ": again", recv(other, 0, 10), 0)
        says(what + ": a job", job(other, 0, 10, 23), 0)
        is_now(what + ": its result", outcome(23), (OVER, 0))
    os.close(other)

# closed, shut
other = connect("idle")
says("a job", job(other, 0, 10, 30), 0)
libc.shutdown(other, socket.SHUT_RD)
says("shut: over", over(30), 1)
is_now("shut", outcome(30), (OVER, 0))
os.close(other)
other = connect("idle")
says("a job", job(other, 0, 10, 31), 0)
says("another", job(other, 0, 10, 32), 0)
os.close(other)
says("closed: over", over(31, 32), 2)
is_now("closed", [outcome(31), outcome(32)], [(CANCELED, 0)] * 2)

other = connect("echo")
o = plain(other)
o.sendall(b"0123456789")
while len(o.recv(10, socket.MSG_PEEK)) < 10:
    pass
libc.shutdown(other, socket.SHUT_RD)
says("shut, but some had come", recv(other, 33, 4), 4)
says("the rest of it, and no more", recv(other, 37, 1000, flags=8), 6)
is_now("what had come", much[33:43], b"0123456789")
says("shut", recv(other, 0, 10), 0)
o.close()
os.close(other)

# deregistered with jobs under way
mine = register(much_at + SHORT, SHORT, flags=1)
says("a job", job(fd, 0, SHORT, 40, whole=True, where=mine), 0)
says("deregister", deregister(mine), 0)
s.sendall(b"x" * SHORT)
says("it goes on", over(40), 1)
is_now("and has all", outcome(40), (OVER, SHORT))

# as many as there can be, and a call that waits
os.set_blocking(fd, False)
n = 0
while True:
    r = job(fd, n, 1, 1000 + n)
    if r:
        break
    n += 1
says("as many as may be", r, "EAGAIN")
says("that is", n, 256)
os.set_blocking(fd, True)
libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", 0, 300000), 16)
says("one more, and SO_RCVTIMEO", job(fd, n, 1, 1000 + n), "EAGAIN")
libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", 0, 0), 16)
waits = threading.Thread(target=blocked, args=(fd,))
waits.start()
time.sleep(0.3)
print("blocked", *bad, sep="\n", flush=True)
if "stay" in sys.argv:
    time.sleep(1000)
says("all over when the link is dead", over(*range(1000, 1000 + n)), n)
is_now("by it", outcome(1000), (RESET, 0))
is_now("the last, too", outcome(1000 + n - 1), (RESET, 0))
waits.join(20)
print("ended", *bad, sep="\n", flush=True)
sys.exit(bool(bad))
