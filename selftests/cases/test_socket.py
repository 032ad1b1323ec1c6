# SPDX-License-Identifier: GPL-2.0
"""Every socket call with its errors: mnsock's expectations, first of native TCP, then of AF_MEMNET.

Much of mnsock is waiting, so IPv4 and IPv6 of a family run side by side; each has a test of its own.  What passes natively has to
pass over AF_MEMNET, test by test; what has come of each row of Documentation/conformance.rst is compared with what it says.
"""
from selftests.cases import offload
from selftests.conformance import join, runs, tree
from selftests.lab import tap

RUNS = {}       # family: (lab, watch, {IPv6?: job}), of the latest lab
SECONDS = 280   # both versions of a family
DEBUG_SECONDS = 1500    # each of 1600 tests may take one


def setup(lab):
    # what the node's administrator lets hosts have; no host makes the node load a module
    lab.node.sh("modprobe tls")
    offload.up(lab, tcps="options=tls")


def start(lab, family):
    """mnsock for both versions, once in each lab."""
    run = RUNS.get(family)
    if not run or run[0] is not lab:
        options = offload.memnet if family == "memnet" else offload.native
        bound = 120 if offload.debug(lab) else 60
        watch = offload.Watch(lab).__enter__()
        jobs = {v6: lab.host.bg(f"mnsock {options(v6)} --bound {bound}") for v6 in (False, True)}
        run = RUNS[family] = lab, watch, jobs
    return run


def mnsock(lab, family, v6):
    """Its failing tests fail ours."""
    _, watch, jobs = start(lab, family)
    outputs = {v: job.wait(DEBUG_SECONDS if offload.debug(lab) else SECONDS) for v, job in jobs.items()}
    rc, out = outputs[v6]
    runs.tap(lab.logdir, family, v6).write_text(out)
    return tap.check(out, rc, least=400), watch


def memnet(lab, v6):
    counts, watch = mnsock(lab, "memnet", v6)
    if runs.tap(lab.logdir, "native", v6).exists():
        bad = join.failures(runs.verdicts(lab.logdir, tree.socket_tests(), v6))
        assert not bad, "\n".join(bad)
    if not watch.host:
        watch.__exit__(None)
    # the tests about loopback delegate; nearly all others meet a peer through the node
    delegated = watch.host["host.native_delegations"]
    watch.proves(connects=400, accepts=400, native=delegated)
    assert delegated < 150, str(watch)
    # closed sockets whose peers do not read are orphans for 60 s on the host, then on the node
    offload.idle(lab, timeout=150)
    return f"{counts}; both versions: {watch}"


def test_native_ipv4(lab):
    return mnsock(lab, "native", False)[0]


def test_native_ipv6(lab):
    return mnsock(lab, "native", True)[0]


def test_memnet_ipv4(lab):
    return memnet(lab, False)


def test_memnet_ipv6(lab):
    return memnet(lab, True)


def test_table(lab):
    """Documentation/conformance.rst says what this run has shown."""
    if not runs.whole(lab.logdir):
        raise tap.Skip("not all was run that the table is made from")
    wrong = runs.differing(lab.logdir, lab.kernel.name)
    keep = "debug is to be like 6.12" if offload.debug(lab) else f"if that is right: make conformance TAKE={lab.kernel.name}"
    assert not wrong, "\n".join(wrong) + f"\n{keep}"


for _test in (test_native_ipv4, test_native_ipv6, test_memnet_ipv4, test_memnet_ipv6):
    _test.timeout = 2 * DEBUG_SECONDS
