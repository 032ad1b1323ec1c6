# SPDX-License-Identifier: GPL-2.0
"""Latency and bandwidth are those of perftest's ib_send_lat and ib_send_bw between the two guests, by their clocks: of an emulated
machine whose adapter is a program.  They say what the other figures were measured on, and nothing of an adapter.

The price of a post is counted: instructions of the device's driver on the application's processor for each message of a stream
of memnet_async_send() of 1 KiB, its completions, which are polled, included.  It is part of the other figures' costs.

The paper's SAN was a VIA network, Emulex cLAN, between machines of 300 MHz.
"""
from bench.bed import APP, ON, mask
from bench.calls import K, Size
from bench.record import Figure, Record, of_runs
from selftests.cases import offload
from selftests.lab.lab import NODE_SAN

FIGURE = Figure("san", 1, "Table 1: the SAN")

PAPER, OURS = "the paper's", "the lab's"
LATENCY, BANDWIDTH = ("4 B", "latency, one way", "µs"), ("16 KiB", "bandwidth", "MB/s")
SENT = Size(K, 2000, 30000)
PORT = 18515


def measure(bed, options):
    for where, value in ((LATENCY, 8.6), (BANDWIDTH, 96)):
        yield Record(FIGURE.name, PAPER, *where, value, 0.0)
    yield Record(FIGURE.name, PAPER, "a message", "post", "µs", 2.1, 0.0)
    # t_typical; and the average, which is in units of 2^20
    latency = [_perftest(bed, "ib_send_lat -s 4 -n 1000")[4] for _ in range(options.repeats)]
    yield of_runs(FIGURE.name, OURS, *LATENCY, latency)
    bandwidth = [_perftest(bed, "ib_send_bw -s 16384 -n 1000")[3] * 1.048576 for _ in range(options.repeats)]
    yield of_runs(FIGURE.name, OURS, *BANDWIDTH, bandwidth)
    command = f"mnsend {offload.memnet()} {ON} async {SENT.size} %d 1 {SENT.pause}"
    costs = bed.slope(bed.lab.host, lambda n: command % n, SENT.count, options.repeats)
    yield of_runs(FIGURE.name, OURS, "a message", "post", "instructions", [c.soft / c.beside["messages"] for c in costs])


def _perftest(bed, command):
    """The numbers of the last line of one of its programs, from the host to the node."""
    lab = bed.lab
    command = f"taskset {mask(APP)} {command} -d rxe0 -F -u 18 -p {PORT}"
    server = lab.node.bg(f"exec {command}")
    lab.node.until(f"ss -Hltn sport = :{PORT} | grep -q .", what="the other one to listen")
    said = lab.host.sh(f"{command} {NODE_SAN}", timeout=120)
    server.wait(60)
    rows = [line.split() for line in said.splitlines() if line.split()[:1] and line.split()[0].isdigit()]
    assert rows, said
    return [float(x) for x in rows[-1]]
