# SPDX-License-Identifier: GPL-2.0
"""What only a network with a delay shows: ends of a connection that pass each other on their way."""
from selftests.cases import offload
from selftests.lab import tap
from selftests.lab.lab import CLIENT_EXT

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


TWO = """
import os, socket, sys, time
family, nodelay = sys.argv[1], sys.argv[2] == "nodelay"
fd = socket.socket(25, socket.SOCK_STREAM, 0).detach() if family == "memnet" else None
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=fd)
s.connect((sys.argv[3], int(sys.argv[4])))
if nodelay:
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
open("/tmp/connected", "w").close()

def until(what, done):
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end, f"waited for {what}: {info(24)} in flight, {info(144)} not sent"
        time.sleep(0.01)

def info(offset):
    return int.from_bytes(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 148)[offset:offset + 4], sys.byteorder)

until("a network that loses everything", lambda: os.path.exists("/tmp/lossy"))
s.send(b"1")
until("the first segment", lambda: info(24) == 1)
s.send(b"2")
if nodelay:
    until("the second segment", lambda: info(24) == 2)
else:
    until("the second byte to wait for the first", lambda: info(24) == 1 and info(144) == 1)
"""


def test_nodelay_before_anything_is_sent(lab):
    """Of two bytes the second does not wait until the first has arrived, which it never does, if TCP_NODELAY was set."""
    lab.host.put("/tmp/two.py", TWO)
    lab.node.put("/tmp/two.py", TWO)
    sink = lab.client.bg(f"exec nc -l -k {CLIENT_EXT} 8012 >/dev/null")
    lab.client.until("ss -Hltn sport = :8012 | grep -q .", what="nc to listen")
    lab.node.sh("sysctl -qw net.ipv4.tcp_early_retrans=0")      # a probe for what is lost would take the second byte along
    for vm, family in ((lab.node, "native"), (lab.host, "memnet")):
        for how in ("nagle", "nodelay"):
            with offload.Watch(lab) as w:
                vm.sh("rm -f /tmp/connected /tmp/lossy")
                two = vm.bg(f"exec userland python3 /tmp/two.py {family} {how} {CLIENT_EXT} 8012")
                vm.until("[ -e /tmp/connected ]", what="a connection")
                lab.node.sh("tc qdisc change dev ext0 root netem loss 100%")
                vm.sh("touch /tmp/lossy")
                rc, out = two.wait(offload.patience(lab, 70))
                lab.node.sh("tc qdisc change dev ext0 root netem loss 0%")
                assert rc == 0, f"{family}, {how}:\n{two.output()}"
            if vm is lab.host:
                w.proves(connects=1)
    lab.node.sh("sysctl -qw net.ipv4.tcp_early_retrans=3")
    sink.kill()
    sink.wait(20)
    offload.idle(lab)
