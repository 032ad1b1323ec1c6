# SPDX-License-Identifier: GPL-2.0
"""What only a network with a delay shows: ends of a connection that pass each other on their way."""
from selftests.cases import offload
from selftests.lab import tap

TRACE = "/sys/kernel/tracing"
STATES = f"{TRACE}/events/sock/inet_sock_set_state"


def setup(lab):
    offload.can_impair(lab)
    offload.up(lab)
    lab.node.sh("tc qdisc add dev ext0 root netem")


def states(lab, family, pattern):
    """mnsock whose peer hears of everything 100 ms later: the states of TCP that sockets on this side have been in."""
    vm, dev = (lab.node, "ext0") if family is offload.memnet else (lab.host, "san0")
    vm.sh(f"tc qdisc change dev {dev} root netem delay 100ms; echo >{TRACE}/trace; echo 1 >{STATES}/enable")
    for v6 in (False, True):
        rc, out = lab.host.sh(f"mnsock {family(v6)} -t '{pattern}' --bound 60", timeout=offload.patience(lab, 70), check=False)
        tap.check(out, rc, least=1)
    vm.sh(f"echo 0 >{STATES}/enable; tc qdisc change dev {dev} root netem")
    return vm.sh(f"grep -o 'newstate=TCP_[A-Z_0-9]*' {TRACE}/trace | sort -u").split()


def test_simultaneous_close(lab):
    """Both have sent FIN before either has the other's."""
    for family in (offload.native, offload.memnet):
        seen = states(lab, family, "shutdown_at_the_same_time")
        assert "newstate=TCP_CLOSING" in seen, f"no socket was in CLOSING, but in {seen}"
    offload.idle(lab)
