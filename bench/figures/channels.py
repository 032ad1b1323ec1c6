# SPDX-License-Identifier: GPL-2.0
"""Instructions charged to the host's application processor for a request, by the number of the link's channels.

The client calls, and the node spreads its calls over the channels; a request is 200 bytes that are sent, waited for in an epoll and
received, and 16 are under way on as many of 64 connections.  All channels' events come to the one processor where the program
runs: what is seen is what more channels cost where they bring nothing.
"""
from bench import calls
from bench.calls import Call
from bench.kept import Kept
from bench.record import Figure, share
from selftests.cases import offload
from selftests.lab.lab import NODE_SAN

FIGURE = Figure("channels", 13, "Channels of a link", ("instructions", "share"))

NUMBERS = (1, 2, 4)
OPEN, AT_ONCE, REQUESTS = 64, 16, 3200
MEMNET = Call("memnet", "memnet", "")


def measure(bed, options):
    base = None
    for n in NUMBERS:
        link(bed.lab, f"channels {n}")
        try:
            vm, args = calls.place(bed, MEMNET)
            with Kept(vm, f"{args} --accept --at-once {AT_ONCE}") as kept:
                kept.open(OPEN)
                costs = bed.slope(vm, kept.asking, options.rounds or REQUESTS, options.repeats)
        finally:
            link(bed.lab)
        point = f"{n} channel{'s' if n > 1 else ''}"
        charged = calls.charged(FIGURE.name, MEMNET.name, point, costs)
        yield charged
        if base:
            yield share(charged, base)
        base = base or charged
        yield from calls.beside(FIGURE.name, MEMNET, point, costs)
        if options.top:
            print(calls.where_it_goes(costs, options.top), flush=True)


def link(lab, words=""):
    """The link made anew, with these properties."""
    offload.idle(lab, timeout=60)
    lab.host.sh(f"memnetctl link del {offload.LINK} && memnetctl link add {offload.LINK} tcps {NODE_SAN} {words}")
    offload.wait_link(lab)
