# SPDX-License-Identifier: GPL-2.0
"""Jobs that send: arguments that cannot be meant, counters, eventfds, and a full pipeline that sleeps, for the test to end."""
import errno
import mmap
import os
import socket
import struct
import sys
import time

import hand
from hand import *

region = register(much_at, MUCH)
map = results()
EVER = 1 << 48
fd = connect("sink")

# what cannot be meant
says("no jobs", submit([]), "EINVAL")
says("reserved", submit([op(fd, region, 0, 1)], reserved=1), "EINVAL")
says("too short", submit([op(fd, region, 0, 1)], size=16), "EINVAL")
says("no memory", submit([op(fd, region, 0, 1)], at=4096), "EFAULT")
says("no operation", submit([op(fd, region, 0, 1, opcode=0)]), "EINVAL")
says("another operation", submit([op(fd, region, 0, 1, opcode=9)]), "EINVAL")
says("flags", submit([op(fd, region, 0, 1, flags=0x80)]), "EINVAL")
says("no result word", submit([op(fd, region, 0, 1, result=65536)]), "EINVAL")
says("no region", submit([op(fd, 99, 0, 1)]), "ENOENT")
says("no bytes", submit([op(fd, region, 0, 0)]), "EINVAL")
says("beyond the region", submit([op(fd, region, MUCH, 1)]), "EINVAL")
says("no descriptor", submit([op(-1, region, 0, 1)]), "EBADF")
says("no socket", submit([op(hand.ctx, region, 0, 1)]), "ENOTSOCK")
native = connect("sink", NODE_SAN, socket.AF_INET)
says("native", submit([op(native, region, 0, 1)]), "EOPNOTSUPP")
says("not connected", submit([op(libc.socket(25, socket.SOCK_STREAM, 0), region, 0, 1)]), "EPIPE")
try:
    mmap.mmap(hand.ctx, 4096)
    bad.append("results can be written")
except OSError as e:
    says("writing results", -e.errno, "EPERM")

# one after another, and a bad one behind good ones
jobs, error = submit([op(fd, region, i, 100, result=i) for i in range(20)] + [op(fd, region, 0, 0)])
says("20 taken", len(jobs), 20)
says("the 21st", -error, "EINVAL")
refs = [(i, counter, end) for i, (end, counter) in enumerate(jobs)]
says("all of them", wait(refs, 20, flags=1), 20)
says("their ends", all(b - a == 100 for (a, _), (b, _) in zip(jobs, jobs[1:])), True)
says("one counter", len(set(counter for _, counter in jobs)), 1)
says("wait for none", wait([], 1), "EINVAL")
says("wait for too many", wait(refs, 1, count=1025), "EINVAL")
says("wait with flags", wait(refs, 1, flags=4), "EINVAL")
says("a job that never was", wait([(77, refs[0][1], refs[-1][2] + 1)], 0.3), "ETIME")
says("one of nobody", wait([(77, 4095, 1)], 0), "ETIME")
says("a result beyond", wait([(1 << 31, 1 << 31, 1)], 0), "ETIME")

# many connections, each with its counter; the words of closed ones are used again
for _ in range(3):
    fds = [connect("sink") for _ in range(20)]
    got = [submit([op(f, region, 0, 5000, result=100 + i)])[0][0] for i, f in enumerate(fds)]
    says("20 counters", len(set(counter for _, counter in got)), 20)
    says("20 sockets' jobs", wait([(100 + i, c, e) for i, (e, c) in enumerate(got)], 20, flags=1), 20)
    for f in fds:
        os.close(f)

# a word is another job's as soon as the counter of its job has passed, before the kernel knows
first, second = connect("sink"), connect("never-read")
end, counter = submit([op(first, region, 0, 1000, result=7)])[0][0]
passed = lambda: (struct.unpack_from("=Q", map, 8 * (65536 + counter))[0] - end) % EVER < EVER // 2
late = time.monotonic() + 20
while not passed() and time.monotonic() < late:
    time.sleep(0.01)
says("its counter passes", passed(), True)
end, other = submit([op(second, region, 0, MUCH, result=7)])[0][0]
after, counter = submit([op(first, region, 0, 1000, result=8)])[0][0]
says("the next of the first socket", wait([(8, counter, after)], 20), 1)
says("the word's new job is under way", result(map, 7) >> 63, 0)
says("so it is in the kernel", wait([(7, other, end)], 0), "ETIME")
os.close(second)
says("it ends with its connection", wait([(7, other, end)], 20), 1)
says("by an error or with fewer", result(map, 7) & (EVER - 1) < MUCH, True)


# an eventfd is told of those that ask for it, one after another, until it is replaced
def eventfd(fd, size=8):
    r = ioctl(0x4de7, struct.pack("=Ii", size, fd))
    return r if isinstance(r, int) else 0


def told_of(fd, n):
    """So many, soon: a counter may pass before the kernel has noticed."""
    late = time.monotonic() + 10
    while n > 0 and time.monotonic() < late:
        try:
            n -= os.eventfd_read(fd)
        except BlockingIOError:
            time.sleep(0.01)
    return n


first, second = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)
says("no eventfd", eventfd(fd), "EINVAL")
says("no descriptor", eventfd(12345), "EBADF")
says("a strange descriptor", eventfd(-2), "EINVAL")
says("an eventfd", eventfd(first), 0)
ends = submit([op(fd, region, 0, 10, result=900 + i, flags=2 * (i % 2)) for i in range(6)])[0]
says("six jobs", wait([(900 + i, c, e) for i, (e, c) in enumerate(ends)], 20, flags=1), 6)
says("three told of", told_of(first, 3), 0)
says("another", eventfd(second), 0)
ends = submit([op(fd, region, 0, 10, result=900, flags=2)])[0]
says("a job", wait([(900, ends[0][1], ends[0][0])], 20), 1)
says("the other was told", told_of(second, 1), 0)
says("none any more", eventfd(-1), 0)
ends = submit([op(fd, region, 0, 10, result=900, flags=2)])[0]
says("a job", wait([(900, ends[0][1], ends[0][0])], 20), 1)
for f in (first, second):
    try:
        bad.append(f"an eventfd says {os.eventfd_read(f)}")
    except BlockingIOError:
        os.close(f)
told = 5

# a peer that does not read: 256 jobs, no more
slow = connect("never-read")
os.set_blocking(slow, False)
taken = []
while True:
    got = submit([op(slow, region, 0, 1 << 20, result=1000 + len(taken), flags=2)])
    if isinstance(got, int):
        break
    taken += got[0]
says("pipeline is full", got, "EAGAIN")
says("jobs under way", len(taken) >= 256, True)
refs = [(1000 + i, counter, end) for i, (end, counter) in enumerate(taken)]
says("the last of them", wait(refs[-1:], 0.5), "ETIME")
says("any of them", wait(refs[-10:], 0), "ETIME")
other = os.open("/dev/memnet", os.O_RDWR)
mine, hand.ctx = hand.ctx, other
r = register(much_at, 4096)
says("another context", submit([op(slow, r, 0, 1)]), "EBUSY")
os.close(other)
hand.ctx = mine
says("deregister with jobs under way", deregister(region), 0)
print("\n".join(bad + ["blocked"]), flush=True)
if "stay" in sys.argv:
    time.sleep(1000)
over = wait(refs, 60, flags=1)
says("all over when the link is dead", over, len(refs))
says("the last failed", result(map, refs[-1][0]) >> 48, 0x8000 | errno.ECONNRESET, 0x8000 | errno.EPIPE)
os.set_blocking(hand.ctx, False)
says("notified", struct.unpack("=Q", os.read(hand.ctx, 8))[0], len(refs) + told)
print("ended", "\n".join(bad), flush=True)
sys.exit(bool(bad))
