# SPDX-License-Identifier: GPL-2.0
"""Instructions charged to the host's application processors for a request, by the number of the link's channels and of processors.

The client calls, and the node spreads its calls over the channels; a request is 200 bytes that are sent, waited for in an epoll and
received, and 16 are under way on as many of 64 connections.  On one processor all channels' events come to it: what is seen is
what more channels cost where they bring nothing.

On two processors, a third one is the adapter, and a program on each has half of the connections, which it makes itself: a
socket then takes the channel of its processor, whose events come there, if that has one.  What is spun for a lock is not charged.
"""
from contextlib import ExitStack

from bench import calls
from bench.bed import Bed
from bench.calls import Call
from bench.kept import Kept, asking
from bench.record import Figure, share
from selftests.cases import offload
from selftests.lab.lab import NODE_SAN

FIGURE = Figure("channels", 13, "Channels and processors", ("instructions", "share"))

NUMBERS, QUICK = (1, 2, 4), (1, 4)
OPEN, AT_ONCE, REQUESTS = 64, 16, 1200
MEMNET = Call("memnet", "memnet", "")
ONE, TWO = "one processor", "two processors"


def measure(bed, options):
    yield from _figures(options, bed, ONE, QUICK if options.quick else NUMBERS, "--accept")
    if not options.quick:
        with Bed(options.kernel, logdir=bed.lab.logdir / "two", apps=2) as two:
            yield from _figures(options, two, TWO, (1, 3), "")
            two.lab.check_consoles()


def _figures(options, bed, system, numbers, how):
    """By the number of channels; shares are of the first of them."""
    base = None
    for n in numbers:
        point, costs = f"{n} channel{'s' if n > 1 else ''}", _costs(bed, options, n, how)
        charged = calls.charged(FIGURE.name, system, point, costs)
        yield charged
        if base:
            yield share(charged, base)
        base = base or charged
        yield from calls.beside(FIGURE.name, Call(system, "memnet", ""), point, costs)
        if options.top:
            print(calls.where_it_goes(costs, options.top), flush=True)


def _costs(bed, options, channels, how):
    """Costs of a request on a link of so many channels."""
    link(bed.lab, f"channels {channels}")
    try:
        vm, args = calls.place(bed, MEMNET)
        with ExitStack() as stack:
            kept = [stack.enter_context(Kept(vm, f"{args} {how}", number=i)) for i in range(len(bed.apps))]
            for k in kept:
                k.open(OPEN // len(kept))
            return bed.slope(vm, lambda n: asking(kept, n, AT_ONCE), REQUESTS, options.repeats)
    finally:
        link(bed.lab)


def link(lab, words=""):
    """The link made anew, with these properties."""
    offload.idle(lab, timeout=60)
    lab.host.sh(f"memnetctl link del {offload.LINK} && memnetctl link add {offload.LINK} tcps {NODE_SAN} {words}")
    offload.wait_link(lab)
