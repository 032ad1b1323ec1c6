# SPDX-License-Identifier: GPL-2.0
"""What a memory cgroup is charged for sockets comes back when connections end otherwise than by close(); the rest is of case socket."""
import time

from selftests.cases import offload
from selftests.lab.lab import CLIENT_EXT, NODE_SAN

GROUP = "/sys/fs/cgroup/charged"
DELETE, ADD = f"memnetctl link del {offload.LINK}", f"memnetctl link add {offload.LINK} tcps {NODE_SAN}"

# connections to peers that send and do not read, filled; ends when told to, without a word to the sockets
PROGRAM = f"""
import socket, sys
conns = [socket.create_connection(("{CLIENT_EXT}", 4242)) for _ in range(4)]
for s in conns:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    s.sendall(b"flood 16000 1\\n")
for s in conns:
    s.recv(16000, socket.MSG_WAITALL | socket.MSG_PEEK)
    s.settimeout(0.3)
    try:
        while True:
            s.send(bytes(65536))
    except TimeoutError:
        pass
print("filled", flush=True)
sys.stdin.readline()
"""


def setup(lab):
    offload.up(lab)
    lab.host.put("/tmp/filled.py", PROGRAM)
    lab.host.sh("echo +memory >/sys/fs/cgroup/cgroup.subtree_control")


def charged(lab):
    return int(dict(l.split() for l in lab.host.sh(f"cat {GROUP}/memory.stat").splitlines())["sock"])


def await_charge(lab, least, most, what):
    """Counters are summed up now and then."""
    lab.host.until(f"n=$(awk '/^sock /{{print $2}}' {GROUP}/memory.stat); echo $n; [ $n -ge {least} ] && [ $n -le {most} ]",
                   timeout=offload.patience(lab, 30), what=what)


class Filled:
    """The program in a group of its own, during a with block."""

    def __init__(self, lab):
        self.lab = lab

    def __enter__(self):
        lab = self.lab
        lab.host.sh(f"mkdir {GROUP}; rm -f /tmp/filled.in; mkfifo /tmp/filled.in")
        self.job = lab.host.bg(f"echo $$ >{GROUP}/cgroup.procs; exec userland memnet-run python3 /tmp/filled.py <>/tmp/filled.in")
        end = time.monotonic() + offload.patience(lab, 60)
        while "filled" not in self.job.output():
            assert time.monotonic() < end and not self.job.done, self.job.output()
            time.sleep(0.2)
        await_charge(lab, 4 * (16000 + 65536), 1 << 30, what="what is not read and not sent to be charged")
        return self

    def end(self):
        if not self.job.done:
            self.job.kill(9)
            self.job.wait(offload.patience(self.lab, 30))

    def __exit__(self, *_):
        self.end()
        self.lab.host.until(f"rmdir {GROUP}", timeout=offload.patience(self.lab, 30), what="the group to be empty")


def test_link_dies(lab):
    """What was to be sent is given back at once, what can be read when nobody can read it."""
    with Filled(lab) as filled:
        before = charged(lab)
        lab.host.sh(DELETE)
        await_charge(lab, 4 * 16000, 4 * 40000, what="only what is unread to be charged")
        after = charged(lab)
        filled.end()
        await_charge(lab, 0, 0, what="nothing to be charged")
        lab.host.sh(ADD)
    offload.wait_link(lab)
    offload.idle(lab)
    return f"{before} bytes, then {after}"


def test_killed(lab):
    """The bytes of a process that is killed stay charged until they are dropped: the peer reads nothing, and unread bytes mean a reset."""
    with Filled(lab) as filled:
        filled.end()
        await_charge(lab, 0, 0, what="nothing to be charged")
    offload.idle(lab)
