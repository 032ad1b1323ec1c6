# SPDX-License-Identifier: GPL-2.0
"""A is a process with a context and a region there; this one, B, has been given the context and is as free as anybody."""
import os
import resource
import signal
import socket
import struct
import sys

import hand
from hand import *
from lives import *

PAGE = 4096
os.setgroups([])
os.setresuid(65534, 65534, 65534)


def limit(pages):
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (pages * PAGE, 1 << 20))


def locked(pid):
    """Pages charged to a process."""
    line = next(l for l in open(f"/proc/{pid}/status") if l.startswith("VmLck:"))
    return int(line.split()[1]) * 1024 // PAGE


def pages(n):
    """A region of so many, or the negative errno."""
    return register(private(bytes(n * PAGE)), n * PAGE)


here, there = socket.socketpair()
DEREGISTER_IT, PAGES = 0, 1
A = os.fork()
if not A:
    here.close()
    hand.ctx = os.open("/dev/memnet", os.O_RDWR)
    limit(16)
    mine = register(private(b"A" * (4 * PAGE)), 4 * PAGE)
    socket.send_fds(there, [struct.pack("=i", mine)], [hand.ctx])
    while True:
        message = there.recv(8)
        if len(message) < 8:
            os._exit(1)
        what, n = struct.unpack("=ii", message)
        there.send(struct.pack("=i", deregister(n) if what == DEREGISTER_IT else pages(n)))
there.close()
message, fds, _, _ = socket.recv_fds(here, 4, 1)
own, hand.ctx, of_a = hand.ctx, fds[0], struct.unpack("=i", message)[0]
os.set_inheritable(hand.ctx, False)
B = os.getpid()


def a_says(what, n):
    here.send(struct.pack("=ii", what, n))
    return struct.unpack("=i", here.recv(4))[0]


def charged(what, a, b):
    now = locked(A), locked(B)
    if now != (a, b):
        bad.append(f"{what}: {now} pages are charged to A and B, expected {(a, b)}")


says("A's region", min(of_a, 1), 1)
charged("A has registered", 4, 0)

# who registers is charged, whosever the context is, and it is he who gets it back, whoever deregisters
limit(64)
region = pages(5)
says("B registers", min(region, 1), 1)
charged("B has registered", 4, 5)
says("A deregisters B's", a_says(DEREGISTER_IT, region), 0)
charged("A has deregistered B's", 4, 0)
region = a_says(PAGES, 12)
says("A registers", min(region, 1), 1)
charged("A has registered more", 16, 0)

# his limit counts, not the other's
says("more than A may", a_says(PAGES, 1), "ENOMEM")
more = pages(32)
says("B may have it", min(more, 1), 1)
charged("both", 16, 32)
says("B deregisters A's", deregister(region), 0)
charged("B has deregistered A's", 4, 32)
limit(16)
says("more than B may", pages(1), "ENOMEM")
region = a_says(PAGES, 1)
says("A may have it", min(region, 1), 1)
says("B deregisters both", deregister(region) or deregister(more), 0)
charged("none of them", 4, 0)
says("one too many", pages(17), "ENOMEM")

# what B has deregistered does not count when it registers again, through whichever context
contexts = [(own, connect("sink")), (hand.ctx, connect("sink"))]
passed = hand.ctx
buffer = private(b"B" * (16 * PAGE))
for i in range(20):
    hand.ctx, fd = contexts[i % 2]
    region = register(buffer, 16 * PAGE)
    says(f"register {i}", min(region, 1), 1)
    says("all of it", send(fd, region, 0, 60000), 60000)
    end, counter = submit([op(fd, region, 0, 5000, result=500)])[0][0]
    says("a job", wait([(500, counter, end)], 20), 1)
    says("more than may be", pages(1), "ENOMEM")
    says("deregister", deregister(region), 0)
hand.ctx = passed
until_regions(1)
charged("all that is left is A's", 4, 0)

# A is no more; its region is, as long as somebody has the context, and then it is not either
os.kill(A, signal.SIGKILL)
os.waitpid(A, 0)
fd = connect("echo")
says("A's region, sent by B", send(fd, of_a, 0, 4 * PAGE), 4 * PAGE)
comes_back("what A had written", fd, b"A" * (4 * PAGE))
now = counters()
says("a region", now["host.regions"], 1)
says("its pages", now["host.pinned_pages"], 4)
os.close(hand.ctx)
until_regions(0)
says("no pages", counters()["host.pinned_pages"], 0)
print("\n".join(bad))
sys.exit(bool(bad))
