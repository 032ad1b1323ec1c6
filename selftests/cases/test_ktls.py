# SPDX-License-Identifier: GPL-2.0
"""TCP_ULP "tls" where the node's administrator has not allowed it, or has not loaded the module; what it does is of case socket."""
from selftests.cases import offload
from selftests.lab import tap
from selftests.lab.lab import NODE_EXT

# both ends of a connection are the host's; prints what TCP_ULP says
PROGRAM = f"""
import socket
def new():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=socket.socket(25, socket.SOCK_STREAM, 0).detach())
at = new()
at.bind(("{NODE_EXT}", 8090))
at.listen(1)
s = new()
s.connect(("{NODE_EXT}", 8090))
end = at.accept()[0]
try:
    s.setsockopt(socket.IPPROTO_TCP, 31, b"tls")
    print("set")
except OSError as e:
    print(e.errno)
s.sendall(b"plain")
print(end.recv(5, socket.MSG_WAITALL).decode())
"""


def answer(lab, options):
    offload.up(lab, tcps=options)
    lab.host.put("/tmp/ulp.py", PROGRAM)
    try:
        return lab.host.sh("userland python3 /tmp/ulp.py", timeout=offload.patience(lab, 60)).split()
    finally:
        offload.down(lab)


def test_not_allowed(lab):
    lab.node.sh("modprobe tls")
    got = answer(lab, "options=prio")
    assert got == ["2", "plain"], got


def test_not_loaded(lab):
    """No host makes the node load it."""
    lab.node.sh("[ ! -e /sys/module/tls ] || rmmod tls")
    got = answer(lab, "options=tls")
    assert got == ["2", "plain"], got
    lab.node.sh("[ ! -e /sys/module/tls ]")


def test_allowed(lab):
    if lab.kernel.name == "6.1":
        raise tap.Skip("not on this kernel")
    lab.node.sh("modprobe tls")
    got = answer(lab, "options=tls")
    assert got == ["set", "plain"], got
