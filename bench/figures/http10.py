# SPDX-License-Identifier: GPL-2.0
"""Instructions charged to the host's application processor for one HTTP/1.0 request, a connection each, of a file of 8 KiB.

A web server of ours in four builds, as the paper's: over the host's own TCP, over the same calls of MemNet, with direct sends, and with
asynchronous ones; and nginx as Debian has it, natively and over AF_MEMNET.

64 clients of httperf ask, each again when it is answered, and the processor that is measured runs when all others have done what they
can: so it is busy, as at the load it can just bear, and so are the node's in runs of their own.  Beneath it requests at a rate that leaves all
of them time, where each is handled by itself, and sleeping and being woken for it is part of its cost.

The paper's shares are what its hosts had to do at the load that kept Reg TCP's busy (its figure 7: 29 %, 40 % and 40 % were idle).
"""
from bench import serving
from bench.record import Figure
from bench.serving import EXAMPLES, NGINX, SHARED, Load

FIGURE = Figure("http10", 6, "Figure 6: web server, HTTP/1.0", ("instructions", "share"))

FULL = Load("64 clients", "8K", lambda n: f"--http-version 1.0 --wsess 64,{n // 64},0 --rate 1000", 256, busy=True,
            at_most={"MemNet": 0.36, "MemNet_Direct": 0.35, "MemNet_Async": 0.30, "nginx over AF_MEMNET": 0.45},
            interrupts=dict.fromkeys(SHARED, 1.0), node=dict.fromkeys(SHARED, 1.30))
ALONE = Load("50 a second", "8K", lambda n: f"--http-version 1.0 --num-conns {n} --rate 50", 50)


def measure(bed, options):
    yield from serving.measure(bed, options, FIGURE.name, EXAMPLES if options.quick else EXAMPLES + NGINX, (FULL,))
    yield from serving.published(FIGURE.name, FULL, (0.71, 0.60, 0.60))
    if not options.quick:
        yield from serving.measure(bed, options, FIGURE.name, EXAMPLES, (ALONE,))
