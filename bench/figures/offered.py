# SPDX-License-Identifier: GPL-2.0
"""Replies each second against the requests each second that httperf offers, by the clock: HTTP/1.0, 8 KiB, a connection each.

A check that the servers do what they are asked for, and no more than that.  What saturates is the emulated machine: over MemNet, the
processors that stand in for the adapters, which an adapter is much faster than.  The throughput that costs allow is with figures 6 and 8.
"""
from bench import web
from bench.figures import http10
from bench.record import Figure, of_runs
from bench.serving import EXAMPLES, NATIVE

FIGURE = Figure("offered", 6.1, "Figure 6, as the lab's clock has it", ("replies",))

RATES, QUICK_RATES = (50, 100, 200, 400, 800, 1600), (50, 400)
SECONDS, MOST = 1, 150      # of load; or so many connections
REPEATS = 3     # at most


def measure(bed, options):
    lab = bed.lab
    web.files(lab)
    for system in EXAMPLES:
        with system.server(lab.node if system.where == NATIVE else lab.host) as server:
            web.httperf(lab, server, http10.FULL.file, words(50, 25))       # warm
            rates = QUICK_RATES if options.quick else RATES
            said = [[_replies(lab, server, rate) for rate in rates] for _ in range(min(options.repeats, REPEATS))]
            for rate, runs in zip(rates, zip(*said)):
                yield of_runs(FIGURE.name, system.name, f"{rate}/s", "replies", "replies/s", runs)


def _replies(lab, server, rate):
    """How many there are each second."""
    said = web.httperf(lab, server, http10.FULL.file, words(rate, min(SECONDS * rate, MOST)))
    return 1000 * said["replies"] / said["ms"]


def words(rate, n):
    return f"--http-version 1.0 --num-conns {n} --rate {rate}"
