# SPDX-License-Identifier: GPL-2.0
"""The same with HTTP/1.1: each connection asks for the file of 8 KiB six times, three requests at once and then the other three.

16 connections are open at the same time, and the next 16 begin when all of them have ended.  Processors are kept busy, as in figure 6.

The paper's shares are of throughput: Reg TCP's by that of the system.
"""
from bench import serving
from bench.record import Figure
from bench.serving import EXAMPLES, NGINX, Load

FIGURE = Figure("http11", 8, "Figure 8: web server, HTTP/1.1", ("instructions", "share"))

FULL = Load("16 clients", "8K", lambda n: f"--wsess {n // 6},6,0 --burst-length 3 --rate 1000", 192, busy=True,
            at_most={"MemNet": 0.45, "MemNet_Direct": 0.43, "MemNet_Async": 0.36}, each=96)


def measure(bed, options):
    yield from serving.measure(bed, options, FIGURE.name, EXAMPLES if options.quick else EXAMPLES + NGINX, (FULL,))
    yield from serving.published(FIGURE.name, FULL, (0.88, 0.85, 0.79))
