# SPDX-License-Identifier: GPL-2.0
"""Instructions charged to a host's application processor by others who take TCP/IP off it, or a part of it, in the same guests.

The program is the same for all of them, and has one connection to an echo of the client's: a request is so many bytes that are
sent, waited for by poll() and received.  The echo answers two ms after it got the first byte, so that everyone sleeps for the
answer, and most of it comes at once, however fast the network is.  Or the program connects and closes.

"native TCP" is the node's, over its external interface, with the offloads that has, and without.  With HAProxy on the node, a proxy
of layer 4, the host speaks plain TCP over the SAN, which has no offload but packets of 9,000 bytes; the interface's interrupts
then are the application processor's.  AF_SMC and rsockets end in a relay on the node, a program that carries bytes both ways and
knows nothing else: with librspreload on the host it is what the paper's prototype was.  Neither spins while it waits.

What soft-RoCE does on the adapter's processor is charged to nobody; but a program that posts for itself, as rsockets do, makes a system call
for what it would write to a page of an adapter's, and its completions do not interrupt its processor, which an adapter's would.
"""
from contextlib import contextmanager

from bench import calls
from bench.bed import ADAPTER, APP, ON
from bench.calls import Call, K
from bench.kept import Kept
from bench.record import Figure, share
from selftests.cases import offload
from selftests.lab.lab import CLIENT_EXT, HOST_SAN, NODE_SAN

FIGURE = Figure("peers", 12, "Today's peers", ("instructions", "share"))

SIZES = ((200, 150), (8 * K, 100), (64 * K, 45))
QUICK = SIZES[1:2]
MADE, LATE = 80, 2
PORT, ECHO = 4300, 4242
OFFLOADS = "tx sg tso gso gro rx-gro-hw"
HAPROXY = f"""
global
    nbthread 1
defaults
    mode tcp
    timeout connect 30s
    timeout client 120s
    timeout server 120s
listen client
    bind {NODE_SAN}:{PORT}
    server client {CLIENT_EXT}:{ECHO}
"""
OVER_THE_SAN = f"--family native --peer {NODE_SAN} --peer-port {PORT} --local {HOST_SAN}"
RSPRELOAD = "LD_PRELOAD=/mnt/userland/usr/lib/x86_64-linux-gnu/rsocket/librspreload.so.1 "


@contextmanager
def native(bed):
    yield bed.lab.node, "", offload.native_of_node()


@contextmanager
def without_offload(bed):
    """What the client sends has no checksum of its own, and is longer than a packet, unless it does without, too."""
    def switch(how):
        for place, names in ((bed.lab.node, OFFLOADS), (bed.lab.client, OFFLOADS.replace(" rx-gro-hw", ""))):
            place.sh("ethtool -K ext0 " + " ".join(f"{name} {how}" for name in names.split()))
    switch("off")
    try:
        yield bed.lab.node, "", offload.native_of_node()
    finally:
        switch("on")


@contextmanager
def memnet(bed):
    yield bed.lab.host, "", offload.memnet()


@contextmanager
def running(node, command):
    """A program of the node's that listens."""
    job = node.bg(f"exec {command}")
    try:
        node.until(f"ss -Hltn sport = :{PORT} | grep -q . || rdma res show cm_id | grep -q :{PORT}", what=f"{command} to listen")
        yield
    finally:
        job.kill()
        job.wait(30)


@contextmanager
def haproxy(bed):
    node, host = bed.lab.node, bed.lab.host
    node.put("/tmp/haproxy.cfg", HAPROXY)
    bed.interrupts_at(host, "san0", APP)
    try:
        with running(node, "userland haproxy -db -f /tmp/haproxy.cfg"):
            yield host, "", OVER_THE_SAN
    finally:
        bed.interrupts_at(host, "san0", ADAPTER)


@contextmanager
def smc(bed):
    """Only its version 2 has what soft-RoCE can do, and speaks with who is in the same group of machines."""
    for vm in bed.lab.guests:
        vm.sh("modprobe smc && userland python3 /mnt/src/bench/load/ueid.py MEMNET-LAB")
    bed.learn(bed.lab.host)
    with running(bed.lab.node, f"mnrelay smc {NODE_SAN} {PORT} {CLIENT_EXT} {ECHO}"):
        yield bed.lab.host, "", OVER_THE_SAN + " --domain 43"
        # it falls back to TCP without a word
        bed.lab.host.sh("rdma res show qp | grep -F '[smc]'")


@contextmanager
def rsockets(bed):
    for vm in bed.lab.guests:
        vm.sh("modprobe rdma_ucm; mkdir -p /etc/rdma/rsocket && echo 0 >/etc/rdma/rsocket/polling_time")
    bed.learn(bed.lab.host)
    with running(bed.lab.node, f"mnrelay rsocket {NODE_SAN} {PORT} {CLIENT_EXT} {ECHO}"):
        yield bed.lab.host, f"env {RSPRELOAD}", OVER_THE_SAN


SYSTEMS = ((Call("native TCP", "native", ""), native), (Call("native TCP, no offload", "native", ""), without_offload),
           (Call("memnet", "memnet", ""), memnet), (Call("HAProxy", "native", ""), haproxy), (Call("AF_SMC", "memnet", ""), smc),
           (Call("rsockets", "memnet", ""), rsockets))


def measure(bed, options):
    base = {}
    for call, ready in SYSTEMS:
        if options.call and not any(c in call.name for c in (*options.call, "native TCP")):
            continue
        with ready(bed) as (vm, env, args):
            for point, costs in _costs(bed, options, vm, env, f"{args} --plain"):
                charged = calls.charged(FIGURE.name, call.name, point, costs)
                yield charged
                if point in base:
                    yield share(charged, base[point])
                base.setdefault(point, charged)
                yield from calls.beside(FIGURE.name, call, point, costs)
                if options.top:
                    print(calls.where_it_goes(costs, options.top), flush=True)


def _costs(bed, options, vm, env, args):
    """(point, costs) of a system that is ready."""
    for size, count in QUICK if options.quick else SIZES:
        if options.size and size not in options.size:
            continue
        with Kept(vm, f"{args} --late {LATE} --size {size}", env) as kept:
            kept.open(1)
            yield f"a request, {size // K} KiB" if size >= K else f"a request, {size} B", \
                bed.slope(vm, kept.asking, count, options.repeats)
    if not options.quick:
        yield "connect and close", bed.slope(vm, lambda n: f"{env}mnrequests {args} {ON} connect {n}", MADE, options.repeats)
