# SPDX-License-Identifier: GPL-2.0
"""Two processors in each guest, and so two channels to a link: what one processor cannot show.

A listener's children arrive on both channels, sockets of both share a link's death, and the two
halves of everything run at the same time.
"""
import json
import time

from selftests.cases import offload
from selftests.cases.test_failure import alive, blocked, deaths, die_under_load, told, uptime
from selftests.lab import tap

LAB = dict(smp=2)


def setup(lab):
    offload.up(lab)


def test_each_processor_has_its_channel(lab):
    """A socket takes the channel of the processor that connects it; a listener on one has children on any."""
    assert offload.link(lab)["channels_up"] == 2, offload.link(lab)
    jobs = [lab.host.bg(f"exec taskset -c {cpu} mnmany {offload.memnet()} --hold 60 idle 20") for cpu in (0, 1)]
    end = time.monotonic() + offload.patience(lab, 30)
    while not all("holding" in job.output() for job in jobs):
        assert time.monotonic() < end, [job.output() for job in jobs]
        time.sleep(0.2)
    rows = json.loads(lab.host.sh("memnetctl -j socket show"))
    channels = [row["channel"] for row in rows if row["state"] == "ESTAB"]
    for job in jobs:
        job.kill()
        job.wait(10)
    offload.idle(lab)
    assert channels.count(0) == channels.count(1) == 20, channels


def test_streams_on_two_channels(lab):
    size = 1 if offload.small(lab) else 8
    options = f"{offload.memnet()} --streams 16 --send {size}M --recv {size}M --bound 100"
    before = offload.link(lab)["counters"]
    with offload.Watch(lab) as w:
        out = lab.host.sh(f"mnstream {options} --side both", timeout=offload.patience(lab, 110))
    w.proves(connects=16, accepts=16)
    moved = {key: value - before[key] for key, value in offload.link(lab)["counters"].items()}
    assert all(2 * size << 20 <= moved[way] < 2.1 * size * 2**20 for way in ("tx_bytes", "rx_bytes")), moved
    offload.idle(lab)
    return out.splitlines()[-1]


def test_connections_on_two_channels(lab):
    n = 50 if offload.small(lab) else 500
    for side in ("connect", "accept"):
        with offload.Watch(lab) as w:
            jobs = [lab.host.bg(f"mnmany {offload.memnet()} --side {side} --bound 100 short {n}") for _ in range(4)]
            for job in jobs:
                rc, out = job.wait(offload.patience(lab, 110))
                assert rc == 0, out
        w.proves(**{side + "s": 4 * n})
    offload.idle(lab)


def test_threads_on_one_socket(lab):
    """Truly at the same time: mnsock's tests of threads, first of native TCP."""
    for options in (offload.native(), offload.memnet(), offload.memnet(v6=True)):
        rc, out = lab.host.sh(f"mnsock {options} --bound {offload.patience(lab, 60)} --test thread_", check=False,
                              timeout=offload.patience(lab, 120))
        tap.check(out, rc, least=10)
        rc, out = lab.host.sh(f"mnsock {options} --test bind_port_again", check=False, timeout=offload.patience(lab, 90))
        tap.check(out, rc, least=2)
    offload.idle(lab, timeout=90)


def test_every_call_hears_of_a_death(lab):
    """Each that sleeps, a lingering close among them, whatever the other processor does meanwhile."""
    for vm, command, again in deaths(lab):
        for _ in range(1 if offload.small(lab) else 3):
            job = blocked(lab)
            cause = uptime(lab)
            vm.sh(command, timeout=60)
            note = told(lab, job, cause)
            vm.sh(again)
            offload.wait_link(lab)
    alive(lab)
    offload.idle(lab)
    return note


def test_link_dies_under_load(lab):
    """Each of them several times."""
    for death in deaths(lab):
        for _ in range(2 if offload.small(lab) else 5):
            die_under_load(lab, *death)
        alive(lab)
    offload.idle(lab, timeout=90)


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 300
