# SPDX-License-Identifier: GPL-2.0
"""Bytes that come before somebody asks for them, afterwards, and as he does; what each costs."""
import os
import random
import socket
import sys
import threading
import time

from receive import *
from lives import *
from names import COPIED, COPIED_IN, PLACED, READ, SENT, TAIL

NAMES = PLACED, COPIED, READ, TAIL
fd = connect("echo")
s = plain(fd)


def cost(run, names=NAMES):
    before = counters()
    run()
    now = counters()
    return tuple(now[n] - before[n] for n in names)


def asks(how, size, then):
    """Asks for so many bytes, does the other thing when the host knows of that, and has them."""
    if how == "a job":
        says(how, job(fd, 0, size, 1, whole=True), 0)
        then()
        says(how, over(1), 1)
        is_now(how, outcome(1), (OVER, size))
        return
    got = []
    asker = threading.Thread(target=lambda: got.append(recv(fd, 0, size, flags=8)))
    asker.start()
    # it is counted while the socket is locked: what is sent then goes behind it
    late = time.monotonic() + 20
    while not counters()["host.jobs"] and time.monotonic() < late:
        pass
    then()
    asker.join(30)
    is_now(how, got, [size])


for how in ("a call", "a job"):
    # asked for first: nothing is copied, of twice as many bytes either
    for size in (1 << 19, 1 << 20):
        data = os.urandom(size)
        got = cost(lambda: asks(how, size, lambda: s.sendall(data)))
        is_now(f"{how} for {size} bytes that come later", got, (size, 0, 0, 0))
        is_now(how + ": the bytes", much[:size] == data, True)
    # some were there: those are copied, once, and no others
    early, more = os.urandom(5000), os.urandom(100000)
    s.sendall(early)
    while len(s.recv(5000, socket.MSG_PEEK)) < 5000:
        pass
    got = cost(lambda: asks(how, 105000, lambda: s.sendall(more)))
    is_now(f"{how} where some have come", got, (100000, 5000, 0, 0))
    is_now(how + ": all the bytes", much[:105000] == early + more, True)

# they come as they are asked for: each is placed or copied, not both, and not read
placed = copied = 0
for i in range(int(sys.argv[1])):
    data = os.urandom(20000)
    def race():
        s.sendall(data)
        time.sleep(random.random() * 0.005)
        if i % 2:
            says("a call", recv(fd, 0, 20000, flags=8), 20000)
        else:
            says("a job", job(fd, 0, 20000, 1, whole=True), 0)
            says("its end", over(1), 1)
    got = cost(race)
    is_now(f"race {i}", (got[0] + got[1], got[2]), (20000, 0))
    is_now("its bytes", much[:20000] == data, True)
    placed, copied = placed + got[0], copied + got[1]


# sent: nothing is copied, of twice as many bytes either
def by_job(size):
    end, counter = submit([op(fd, region, 0, size, result=9)])[0][0]
    says("a job that sends", wait([(9, counter, end)], 20), 1)


fd = connect("sink")
for size in (1 << 19, 1 << 20):
    got = cost(lambda: says("sent", send(fd, region, 0, size), size), (SENT, COPIED_IN))
    is_now(f"{size} bytes sent", got, (size, 0))
    got = cost(lambda: by_job(size), (SENT, COPIED_IN))
    is_now(f"{size} bytes sent by a job", got, (size, 0))
print(f"of those asked for as they came {placed} were placed, {copied} copied", *bad, sep="\n")
sys.exit(bool(bad))
