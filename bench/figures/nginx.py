# SPDX-License-Identifier: GPL-2.0
"""Instructions charged to the host's application processor for one request to Debian's nginx, unmodified, natively and over AF_MEMNET.

A connection for each request, from 64 clients; or requests on connections that stay open, on 16 each when the one before is answered:
its processor is kept busy, as in figure 6.
On one connection the client waits for a moment between an answer and the next request: it is so much faster than an emulated server that
the next request would be there before the server has gone to sleep.  nginx has one worker, and sends files by sendfile().
"""
from dataclasses import replace

from bench import serving
from bench.figures import http10
from bench.record import Figure
from bench.serving import NGINX, Load

FIGURE = Figure("nginx", 8.1, "nginx, unmodified", ("instructions", "share"))


def alone(n):
    return f"--wsess 1,{n},0.003"


def kept(n):
    return f"--num-conns 16 --num-calls {n // 16} --rate 1000"


OURS = NGINX[1].name
LOADS = (
    replace(http10.FULL, name="new connection, 8 KiB", at_most={OURS: 0.45}, interrupts={}, node={}),
    Load("16 kept open, 1 KiB", "1K", kept, 320, at_most={OURS: 0.40}, busy=True),
    Load("kept open, 1 KiB", "1K", alone, 120, at_most={OURS: 0.55}),
    Load("kept open, 64 KiB", "64K", alone, 60, at_most={OURS: 0.50}),
)


def measure(bed, options):
    return serving.measure(bed, options, FIGURE.name, NGINX, LOADS[:2] if options.quick else LOADS)
