# SPDX-License-Identifier: GPL-2.0
"""64 MiB each way with checksums, over 1, 8 and 64 streams, by connect() and by accept(); native TCP first.

On the debug kernel it is 8 MiB each way.
"""
import time

from selftests.cases import offload
from selftests.lab import tap

MIB = 1 << 20


def setup(lab):
    offload.up(lab)


def mnstream(lab, options, more):
    """One mnstream; its summary lines as words."""
    out = lab.host.sh(f"mnstream {options} {more} --bound 240", timeout=offload.patience(lab, 250))
    lines = [offload.words(l) for l in out.splitlines() if l.startswith("stream ")]
    assert lines and all(l["bad"] == 0 for l in lines), out
    return lines


def both(lab, streams, more, v6=False, share=1):
    """The same natively and over AF_MEMNET; what happened, in words."""
    size = (8 if offload.small(lab) else 64) * MIB // share
    amount = f"--streams {streams} --send {size} --recv {size} {more}"
    native = mnstream(lab, offload.native(v6), amount)
    drops = offload.tcp_drops(lab.node)
    with offload.Watch(lab) as w:
        memnet = mnstream(lab, offload.memnet(v6), amount)
    # besides the streams there are connections by which the peer is told to call
    by = [l["side"] for l in memnet]
    w.proves(connects=streams * by.count("connect"), accepts=streams * by.count("accept"))
    drops = offload.tcp_drops(lab.node) - drops
    assert not drops, f"the node's TCP was short of memory and dropped {drops} segments"
    sent, received = (sum(l[k] for l in memnet) for k in ("sent", "received"))
    assert sent == received == size // streams * streams, memnet
    for name, vm, least in (("host.copied_to_user_bytes", w.host, received), ("core.bytes_sent", w.host, sent),
                            ("core.bytes_received", w.node, sent), ("core.bytes_sent", w.node, received)):
        assert vm[name] >= least, f"{name} grew by {vm[name]}, {least} bytes were moved"
    for vm in (w.host, w.node):
        assert vm["core.protocol_errors"] == 0
    offload.idle(lab)
    speed = ["/".join(f"{(l['sent'] + l['received']) / 1048.576 / max(l['ms'], 1):.0f}" for l in ls) for ls in (native, memnet)]
    return f"MiB/s by {'/'.join(by)}: native {speed[0]}, memnet {speed[1]}; {w}"


def test_1_stream(lab):
    return both(lab, 1, "--side connect")


def test_8_streams_of_blocking_threads(lab):
    return both(lab, 8, "--side accept --io block")


def test_64_streams(lab):
    return both(lab, 64, "--side connect")


def test_both_ways_to_connect(lab):
    """The sides that were not tried with so many streams above, and IPv6; a quarter of the bytes."""
    return "\n".join((both(lab, 1, "--side accept --io block", share=4), both(lab, 64, "--side accept", v6=True, share=4)))


def test_sendfile(lab):
    return both(lab, 8, "--side connect --sendfile", v6=True, share=4)


def test_windows_shrink(lab):
    """The node runs out of pages while streams have large windows: they go on, with small ones."""
    limit = "/sys/module/memnet_tcps/parameters/max_pages"
    before = lab.node.sh(f"cat {limit}").strip()
    size = (8 if offload.small(lab) else 64) * MIB
    job = lab.host.bg(f"mnstream {offload.memnet()} --streams 4 --send {size} --recv 0 --side connect --bound 200")
    sent = offload.counters(lab.host)["core.bytes_sent"]
    end = time.monotonic() + offload.patience(lab, 60)
    while offload.counters(lab.host)["core.bytes_sent"] < sent + size // 8:
        assert time.monotonic() < end and not job.done, job.output()
    lab.node.sh(f"echo 0 >{limit}")
    rc, out = job.wait(offload.patience(lab, 210))
    lab.node.sh(f"echo {before} >{limit}")
    assert rc == 0, out
    return out.splitlines()[-1]


def test_edges(lab):
    """
    No wake-up is lost: a million edge-triggered events of 128 sockets, of which each byte that comes back needs one; a tenth of
    that natively before, since that one proves the test only. Four minutes where nothing else is done on two processors.
    """
    events = 20_000 if offload.quick() else 100_000 if offload.debug(lab) else 1_000_000
    notes = []
    for name, options, count in (("native", offload.native(), events // 10), ("memnet", offload.memnet(), events)):
        with offload.Watch(lab) as w:
            out = lab.host.sh(f"mnedges {options} --events {count}", timeout=3000)
        line = offload.summary(out, "edges")
        assert line["events"] >= count, out
        notes.append(f"{name}: {line['bursts']} bursts, {line['full']} times full, {line['ms'] // 1000} s")
    assert line["full"], "no send buffer was ever full"
    w.proves(connects=128)
    offload.idle(lab)
    return "; ".join(notes)


test_edges.timeout = 3600


def test_closed_then_reset(lab):
    """A socket closed with more queued than the node's window takes is gone with the peer's reset, not a minute later."""
    limit = "/sys/module/memnet_tcps/parameters/max_window"
    before = lab.node.sh(f"cat {limit}").strip()
    lab.node.sh(f"echo 65536 >{limit}")         # less than a send buffer: the host keeps the rest
    for family in (offload.native(), offload.memnet()):
        rc, out = lab.host.sh(f"mnsock {family} -t 'reset_closed*' --bound 60", timeout=offload.patience(lab, 70), check=False)
        tap.check(out, rc, least=2)
    offload.idle(lab)
    lab.node.sh(f"echo {before} >{limit}")


def test_one_way_without_heartbeats(lab):
    """Nothing but its own completions and windows wakes a stream: the next heartbeat is twelve seconds away."""
    offload.down(lab)
    offload.up(lab, tcps="heartbeat_ms=60000")
    notes = []
    for amount in ("--send 16M --recv 0", "--send 0 --recv 16M"):
        line = mnstream(lab, offload.memnet(), f"--streams 1 --side connect --io block {amount}")[0]
        notes.append(f"{amount}: {line['ms']} ms")
    offload.down(lab)
    offload.up(lab)
    return "; ".join(notes)
