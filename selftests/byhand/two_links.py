# SPDX-License-Identifier: GPL-2.0
"""One region over two links, a stage for each line that is read; descriptor 4 is a network namespace with a link of its own."""
import os
import sys

from both_ways import *

home = os.open("/proc/self/ns/net", os.O_RDONLY)


def apart():
    """A connection over the other link."""
    says("setns()", libc.setns(4, 0x40000000), 0)
    fd = connect("echo")
    says("setns()", libc.setns(home, 0x40000000), 0)
    return fd


def at_once(fds):
    """Jobs each way, under way together."""
    parts = [os.urandom(LEN) for _ in fds]
    sends = []
    for i, (fd, data) in enumerate(zip(fds, parts)):
        much[i * LEN:i * LEN + LEN] = data
        says("a job", job(fd, LANDS + i * LEN, LEN, 10 + i, whole=True), 0)
    for i, fd in enumerate(fds):
        end, counter = submit([op(fd, region, i * LEN, LEN, result=20 + i)])[0][0]
        sends.append((20 + i, counter, end))
    says("all that receive", over(*range(10, 10 + len(fds))), len(fds))
    says("all that send", wait(sends, 20, flags=1), len(fds))
    for i, data in enumerate(parts):
        is_now(f"bytes of {i}", much[LANDS + i * LEN:LANDS + i * LEN + LEN] == data, True)


print("ready", flush=True)
sys.stdin.readline()
here, there = connect("echo"), apart()
for fd in (here, there, here, there):
    both_ways(fd)
at_once([here, there, here])
says("a job", job(there, 0, LEN, 5, whole=True), 0)
says("is under way", over(5, seconds=0.3), "ETIME")
report()

sys.stdin.readline()
says("it ends with its link", over(5), 1)
is_now("by that", outcome(5), (RESET, 0))
both_ways(here)
os.close(there)
report()

sys.stdin.readline()
there = apart()
for fd in (there, here):
    both_ways(fd)
at_once([here, there])
report()

sys.stdin.readline()
says("a job", job(here, 0, LEN, 6, whole=True), 0)
says("another", job(there, LEN, LEN, 7, whole=True), 0)
says("deregister", deregister(region), 0)
for i, fd in enumerate((here, there)):
    plain(fd).sendall(bytes([i + 1]) * LEN)
says("they go on", over(6, 7), 2)
is_now("to their ends", [outcome(6), outcome(7)], [(OVER, LEN)] * 2)
is_now("with their bytes", much[:2 * LEN] == bytes([1]) * LEN + bytes([2]) * LEN, True)
until_regions(0)
is_now("its pages", counters()["host.pinned_pages"], 0)
print("; ".join(bad) or "well", flush=True)
