# SPDX-License-Identifier: GPL-2.0
"""Instructions charged to the host's application processor for one call, or job, by size.

Between two operations the program counts for a while, so that what it has sent is on the wire before the next.  Without that an
emulated peer is too slow for either, and what is measured is how bytes are added to a queue that stands: native TCP then makes
one segment of many sends, or of few, as it comes.
"""
from bench import calls
from bench.calls import Call, K, Size
from bench.record import Figure

FIGURE = Figure("sending", 5, "Figure 5: cost of send", ("instructions", "share"))

SIZES = (Size(64, 300, 480000), Size(K, 300, 480000), Size(8 * K, 150, 800000), Size(64 * K, 60, 4800000))
CALLS = (
    Call("native send", "native", "send"),
    Call("native MSG_ZEROCOPY", "native", "zerocopy"),
    Call("native sendfile", "native", "sendfile"),
    Call("memnet send", "memnet", "send", at_most={K: 0.20, 8 * K: 0.22, 64 * K: 0.35}),
    Call("memnet sendfile", "memnet", "sendfile"),
    Call("memnet_send_direct", "memnet", "direct"),
    Call("memnet_async_send", "memnet", "async", at_most={K: 0.18, 64 * K: 0.14}),
    Call("the same, 16 a call", "memnet", "async", 16, at_most={K: 0.08}),
)


def measure(bed, options):
    return calls.measure(bed, options, FIGURE.name, "mnsend", CALLS, SIZES[1:] if options.quick else SIZES)
