# SPDX-License-Identifier: GPL-2.0
"""Instructions charged to the host's application processor for one call, or job, that receives all of its bytes, by size.

The peer, a program of the client's, sends a stream as fast as it is taken, and the receiver is the slower one: before each
operation it counts for a while, so that the bytes lie there when it asks for them.  What their coming costs its processor
meanwhile - interrupts, TCP, completions - is charged like the rest.  Jobs are submitted ahead of their bytes.  Beneath it the other
case, where each piece is waited for: the peer sends one every few milliseconds, and to be put to sleep and woken is part of
what is measured.
"""
from bench import calls
from bench.calls import Call, K, Size
from bench.record import Figure

FIGURE = Figure("receiving", 5.1, "Figure 5, its twin: cost of recv", ("instructions", "share"))

STREAM = (Size(K, 16000, 30000), Size(8 * K, 400, 400000), Size(64 * K, 80, 4800000))
WAITED = (Size(K, 200, ms=2), Size(8 * K, 120, ms=4), Size(64 * K, 40, ms=20))
CALLS = (
    Call("native recv", "native", "recv"),
    Call("memnet recv", "memnet", "recv", at_most={K: 0.95, 8 * K: 0.60, 64 * K: 0.50}),
    Call("memnet_recv_direct", "memnet", "direct"),
    Call("memnet_async_recv", "memnet", "async"),
    Call("the same, 16 a call", "memnet", "async", 16),
)


def measure(bed, options):
    return calls.measure(bed, options, FIGURE.name, "mnrecv", CALLS, STREAM if options.quick else STREAM + WAITED)
