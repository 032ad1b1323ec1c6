# SPDX-License-Identifier: GPL-2.0
"""Instructions charged to the host's application processor for a request on one of so many open connections, which chance chooses,
and for a connection that is made and closed.

A request is 200 bytes that are sent to an echo of the client's, waited for in an epoll that holds all of the connections, and
received; the next one follows when it is over, or 16 are under way, which is as it is under load.  The echo answers a ms after it
got the request, so that everyone sleeps for the answer, however fast the network is.  Instructions do not tell what
caches forget between two requests on the same connection.

Connections come and go one at a time, and nothing is sent on them: the program connects and closes, or it accepts and closes.
"""
from dataclasses import replace

from bench import calls
from bench.bed import ON
from bench.calls import Call
from bench.kept import Kept
from bench.record import Figure, share
from selftests.cases import offload

FIGURE = Figure("connections", 11, "Many connections", ("instructions", "growth", "share"))

NUMBERS, QUICK = (1, 100, 1000, 10000), (1, 1000)
LOADED, AT_ONCE = 1000, 16
REQUESTS, MADE, LATE = 400, 250, 1
GROWTH = 1.10
PORTS = 4000    # in TIME_WAIT before connections are made, which are about as many; among many more connect() would look long for a free one
SYSTEMS = (Call("native TCP", "native", ""), Call("memnet", "memnet", ""))


def measure(bed, options):
    for vm in bed.lab.guests:
        vm.sh("sysctl -qw net.core.somaxconn=4096")
    yield from _requests(bed, options)
    yield from _made(bed, options)


def _requests(bed, options):
    """A system after the other, each with more and more connections."""
    first = {}
    for call in SYSTEMS:
        vm, args = calls.place(bed, call)
        with Kept(vm, f"{args} --late {LATE}") as kept:
            for n in QUICK if options.quick else NUMBERS:
                kept.open(n)
                for at_once in (1, AT_ONCE) if n == LOADED else (1,):
                    count = options.rounds or REQUESTS * (1 if at_once == 1 else 4)
                    costs = bed.slope(vm, lambda k: kept.asking(k, at_once), count, options.repeats)
                    point = f"a request, {n:,} open" + (f", {at_once} at once" if at_once > 1 else "")
                    charged = calls.charged(FIGURE.name, call.name, point, costs)
                    yield charged
                    if call is SYSTEMS[0]:
                        first[point] = charged
                    else:
                        yield share(charged, first[point])
                    if n == NUMBERS[0]:
                        alone = charged
                    elif at_once == 1:
                        yield growth(charged, alone)
                    yield from calls.beside(FIGURE.name, call, point, costs)
                    if options.top:
                        print(calls.where_it_goes(costs, options.top), flush=True)
        offload.idle(bed.lab, timeout=120)


def growth(charged, alone):
    """What many of them make of the cost that a request has on the only one."""
    return replace(share(charged, alone, "growth", GROWTH if charged.system == "memnet" else None), unit="of that on a single one")


def _made(bed, options):
    bed.lab.node.until(f"[ $(ss -Htan state time-wait | wc -l) -lt {PORTS} ]", timeout=120, what="connections to leave TIME_WAIT")
    for point, what in (("connect and close", "connect"), ("accept and close", "accept")):
        base = None
        for call in SYSTEMS:
            vm, args = calls.place(bed, call)
            costs = bed.slope(vm, lambda n: f"mnrequests {args} {ON} {what} {n}", MADE, options.repeats)
            charged = calls.charged(FIGURE.name, call.name, point, costs)
            yield charged
            if base:
                yield share(charged, base)
            base = base or charged
            yield from calls.beside(FIGURE.name, call, point, costs)
            if options.top:
                print(calls.where_it_goes(costs, options.top), flush=True)
