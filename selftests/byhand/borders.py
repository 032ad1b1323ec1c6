# SPDX-License-Identifier: GPL-2.0
"""Every size near a border of pages, messages and keys, and the largest there is to be, at the ends of a page."""
import errno
import random
import socket
import struct
import sys

from receive import *

KEY, TOP, WIPE = 2 << 20, 8 << 20, bytes([238])     # KEY: what one stands for, from the first page of a region on
PLACES = 0, 1, 4095
SMALL = 1, 4095, 4096, 4097, 16383, 16384, 16385
few = "few" in sys.argv
much[:TOP + 8192] = random.Random(1).randbytes(TOP + 8192)
land, land_at = memory(TOP + 8192)
land[:] = WIPE * len(land)
fd = connect("echo")
libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", 60, 0), 16)
# a place is an offset in a region that begins with a page, or where another region begins
whence, here = register(much_at, TOP + 8192), register(land_at, TOP + 8192, flags=1)
begins = {place: (register(much_at + place, TOP), register(land_at + place, TOP, flags=1)) for place in PLACES}
calls = moved = 0


def end_if_bad():
    if bad:
        print("\n".join(bad))
        sys.exit(1)


def direct_to_job(place, size):
    says("a job", job(fd, 0, size, 2, whole=True, where=begins[place][1]), 0)
    says("sent", send(fd, whence, place, size), size)
    says("its end", over(2, seconds=60), 1)
    is_now("its result", outcome(2), (OVER, size))


def job_to_direct(place, size):
    says("received", recv(fd, place, size, flags=8, where=here), size)


def some(n, pos):
    """What is not to be whole has something, and ends with the key."""
    says("bytes", 0 < n <= KEY - pos % KEY or n, True)
    end_if_bad()
    return n


def job_to_some_by_direct(place, size):
    have = 0
    while have < size:
        have += some(recv(fd, place + have, size - have, where=here), place + have)


def job_to_some_by_jobs(place, size):
    have = 0
    while have < size:
        says("a job", job(fd, have, size - have, 2, where=begins[place][1]), 0)
        says("its end", over(2, seconds=60), 1)
        have += some(outcome(2)[1] if outcome(2)[0] == OVER else -errno.EIO, place + have)


def there_and_back(way, place, size):
    """And not a byte beside."""
    global calls, moved
    got = None
    if way is not direct_to_job:
        got = submit([op(fd, begins[place][0], 0, size, result=1)])
        says("a job that sends", got if isinstance(got, int) else len(got[0]), 1)
        end_if_bad()
    way(place, size)
    if got:
        end, counter = got[0][0]
        says("what sent is over", wait([(1, counter, end)], 60), 1)
    is_now("the same bytes", land[place:place + size] == much[place:place + size], True)
    is_now("the bytes around", (land[place - 1] if place else 238, land[place + size]), (238, 238))
    bad[:] = [f"{way.__name__}, {size} bytes at {place}: {b}" for b in bad]
    end_if_bad()
    land[place:place + size] = WIPE * size
    calls, moved = calls + 1, moved + size


WHOLE, SOME = (direct_to_job, job_to_direct), (job_to_some_by_direct, job_to_some_by_jobs)
for place in PLACES:
    for size in SMALL:
        for way in WHOLE + SOME:
            there_and_back(way, place, size)
# from here on, if there are to be few, each size once for each kind
for place, size in zip(PLACES, (KEY - 1, KEY, KEY + 1)):
    for at in (place,) if few else PLACES:
        for way in WHOLE:
            there_and_back(way, at, size)
for size in (KEY + 1,) if few else (KEY - 1, KEY, KEY + 1):
    for way in SOME:
        there_and_back(way, 4095, size)
there_and_back(direct_to_job, 4095, TOP - 1)
there_and_back(job_to_direct, 1, TOP)
if not few:
    there_and_back(direct_to_job, 0, TOP)
    there_and_back(job_to_direct, 4095, TOP - 1)
print(f"borders calls={calls} bytes={moved}")
