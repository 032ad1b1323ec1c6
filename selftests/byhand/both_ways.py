# SPDX-License-Identifier: GPL-2.0
"""Each way by a call and by a job, all of one region, and over the border of a key."""
import os

from receive import *
from lives import *

LEN = 100000
LANDS = (2 << 20) - 1000


def both_ways(fd):
    data = os.urandom(LEN)
    much[:LEN] = data
    much[LANDS:LANDS + LEN] = bytes(LEN)
    says("a job", job(fd, LANDS, LEN, 1, whole=True), 0)
    says("sent", send(fd, region, 0, LEN), LEN)
    says("what receives is over", over(1), 1)
    is_now("its bytes", much[LANDS:LANDS + LEN] == data, True)
    much[LANDS:LANDS + LEN] = bytes(LEN)
    end, counter = submit([op(fd, region, 0, LEN, result=2)])[0][0]
    says("received", recv(fd, LANDS, LEN, flags=8), LEN)
    says("what sends is over", wait([(2, counter, end)], 20), 1)
    is_now("received bytes", much[LANDS:LANDS + LEN] == data, True)


def report():
    now = counters()
    is_now("regions and their pages", (now["host.regions"], now["host.pinned_pages"]), (1, MUCH // 4096))
    print("; ".join(bad) or "well", flush=True)
