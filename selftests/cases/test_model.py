# SPDX-License-Identifier: GPL-2.0
"""All socket calls at random, beside a model of TCP: mnmodel, first over native TCP, which proves the model, then over AF_MEMNET.

A difference prints the seed, the last calls of its socket, the answer and what was allowed; MEMNET_SEED repeats it.
"""
import os

from selftests.cases import offload


def setup(lab):
    # who closes first keeps the port for a minute, on the host natively and on the node
    for vm in lab.guests:
        vm.sh("sysctl -qw net.ipv4.tcp_max_tw_buckets=64 net.core.somaxconn=4096")
    offload.up(lab)


def seconds(lab):
    """All of it on the debug kernel, which looks at each call."""
    return 600 if offload.debug(lab) and not offload.quick() else 60


def mnmodel(lab, options, duration):
    """One run; the words of its last line."""
    seed = os.environ.get("MEMNET_SEED", "")
    out = lab.host.sh(f"{'MEMNET_SEED=' + seed if seed else ''} mnmodel {options} --seconds {duration}",
                      timeout=duration + offload.patience(lab, 180))
    last = offload.summary(out, "mnmodel")
    assert last["all"] == 1, out
    return last


def run(lab, v6):
    duration = seconds(lab)
    native = mnmodel(lab, offload.native(v6), duration // 4)
    with offload.Watch(lab) as w:
        last = mnmodel(lab, offload.memnet(v6), duration)
    w.proves(connects=last["connections"], accepts=last["accepted"])
    # a socket whose peer does not read is an orphan for 60 s on the host, then on the node
    offload.idle(lab, timeout=150)
    return f"native {native}; {last}; {w}"


def test_ipv4(lab):
    return run(lab, False)


def test_ipv6(lab):
    return run(lab, True)


for _test in (test_ipv4, test_ipv6):
    _test.timeout = 1200
