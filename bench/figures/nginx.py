# SPDX-License-Identifier: GPL-2.0
"""Instructions charged to the host's application processor for one request to Debian's nginx, unmodified, natively and over AF_MEMNET.

A connection for each request; or requests one after another on connections that stay open, each when the one before is answered.
nginx has one worker, and sends files by sendfile().
"""
from dataclasses import replace

from bench import serving
from bench.figures import http10
from bench.record import Figure
from bench.serving import NGINX, Load

FIGURE = Figure("nginx", 8.1, "nginx, unmodified", ("instructions", "share"))


def kept(connections):
    return lambda n: f"--num-conns {connections} --num-calls {n // connections} --rate 1000"


OURS = NGINX[1].name
LOADS = (
    replace(http10.FULL, name="new connection, 8 KiB", at_most={OURS: 0.45}, interrupts={}, node={}),
    Load("kept open, 1 KiB", "1K", kept(1), 400, at_most={OURS: 0.55}),
    Load("16 kept open, 1 KiB", "1K", kept(16), 800, at_most={OURS: 0.40}),
    Load("kept open, 64 KiB", "64K", kept(1), 100, at_most={OURS: 0.50}),
)


def measure(bed, options):
    return serving.measure(bed, options, FIGURE.name, NGINX, LOADS)
