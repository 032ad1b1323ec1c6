# SPDX-License-Identifier: GPL-2.0
"""Every socket call with its errors: mnsock's expectations, first of native TCP, then of AF_MEMNET."""
from selftests.cases import offload
from selftests.lab import tap

LAST = {}       # (family, version): what passed, for the comparison


def setup(lab):
    offload.up(lab)


def mnsock(lab, family, v6):
    """Run mnsock; its failing tests fail ours."""
    options = offload.memnet(v6) if family == "memnet" else offload.native(v6)
    bound = 120 if offload.debug(lab) else 60
    rc, out = lab.host.sh(f"mnsock {options} --bound {bound}", timeout=offload.patience(lab, 280), check=False)
    (lab.logdir / f"mnsock-{family}-ipv{6 if v6 else 4}.tap").write_text(out)
    counts = tap.check(out, rc, least=100)
    LAST[family, v6] = counts
    return counts


def memnet(lab, v6):
    with offload.Watch(lab) as w:
        counts = mnsock(lab, "memnet", v6)
    # the tests about loopback delegate; nearly all others meet a peer through the node
    moved = w.host["host.connects"] + w.host["host.accepts"]
    assert moved > counts.passed, f"{counts}, but only {w}"
    assert w.host["host.native_delegations"] < moved / 10, str(w)
    w.proves(connects=50, accepts=50, native=w.host["host.native_delegations"])
    native = LAST.get(("native", v6))
    assert not native or native.passed + native.skipped == counts.passed + counts.skipped, f"native {native}, memnet {counts}"
    offload.idle(lab)
    return f"{counts}; {w}"


def test_native_ipv4(lab):
    return mnsock(lab, "native", False)


def test_memnet_ipv4(lab):
    return memnet(lab, False)


def test_native_ipv6(lab):
    return mnsock(lab, "native", True)


def test_memnet_ipv6(lab):
    return memnet(lab, True)
