# SPDX-License-Identifier: GPL-2.0
"""Bytes that come with a SYN: a listener on the host that takes them (TCP_FASTOPEN), from a client whose kernel sends them.

The node's TCP hands out such a connection before the handshake is over.
"""
from selftests.cases import offload
from selftests.lab.lab import NODE_EXT

LISTENER = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=socket.socket(25, socket.SOCK_STREAM, 0).detach())
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
s.setsockopt(socket.IPPROTO_TCP, 34, 1)     # TCP_FASTOPEN_NO_COOKIE
s.bind(("{NODE_EXT}", 8089))
s.listen(10)
s.settimeout(60)
while True:
    child = s.accept()[0]
    child.settimeout(60)
    data = child.recv(1000)
    while len(data) < 10:
        data += child.recv(1000)
    child.sendall(data + b" and back")
    assert child.recv(10) == b"", "no end"
    child.close()
"""

# prints whether the SYN's bytes were acknowledged with it (TCPI_OPT_SYN_DATA), and what came back
CLIENT = f"""
import socket
for i in range(20):
    s = socket.socket()
    s.settimeout(60)
    s.sendto(b"in the SYN", 0x20000000, ("{NODE_EXT}", 8089))
    got = b""
    while len(got) < 19:
        got += s.recv(1000)
    taken = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5] & 0x20
    s.shutdown(socket.SHUT_WR)
    assert s.recv(10) == b"", "more"
    print("early" if taken else "late", got.decode(), flush=True)
"""


def setup(lab):
    offload.up(lab)


def test_bytes_in_the_syn(lab):
    lab.host.put("/tmp/listener.py", LISTENER)
    lab.client.put("/tmp/client.py", CLIENT)
    old = {vm: vm.sh("sysctl -n net.ipv4.tcp_fastopen").strip() for vm in (lab.node, lab.client)}
    job = lab.host.bg("exec userland python3 /tmp/listener.py")
    try:
        lab.node.sh("sysctl -qw net.ipv4.tcp_fastopen=3")
        lab.client.sh("sysctl -qw net.ipv4.tcp_fastopen=5")     # sends without a cookie, too
        lab.node.until("ss -Hltn | grep -q :8089", timeout=60, what="the listener")
        out = lab.client.sh("python3 /tmp/client.py", timeout=offload.patience(lab, 60)).splitlines()
    finally:
        for vm, value in old.items():
            vm.sh(f"sysctl -qw net.ipv4.tcp_fastopen={value}")
        job.kill()
        job.wait(20)
    assert out == ["early in the SYN and back"] * 20, out
    offload.idle(lab)
