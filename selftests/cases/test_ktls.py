# SPDX-License-Identifier: GPL-2.0
"""
TCP_ULP "tls" where the node's administrator has not allowed it, or has not loaded the module; what becomes of keys.  What it does
is of case socket.
"""
import re
import time

from selftests.cases import offload
from selftests.lab import tap
from selftests.lab.lab import NODE_EXT

# both ends of a connection are the host's
PAIR = f"""
import socket
def new():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=socket.socket(25, socket.SOCK_STREAM, 0).detach())
at = new()
at.bind(("{NODE_EXT}", 8090))
at.listen(1)
s = new()
s.connect(("{NODE_EXT}", 8090))
end = at.accept()[0]
"""

# prints what TCP_ULP says
PROGRAM = PAIR + """
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


# --- keys -------------------------------------------------------------------------------------------

KEY = bytes(i * 37 % 256 ^ 0xA5 for i in range(16))
MASK = 0x5A     # the program has the key nowhere but where setsockopt() reads it

KEYS_PROGRAM = PAIR + f"""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
masked = {bytes(b ^ MASK for b in KEY)!r}
info = (ctypes.c_ubyte * 40)()
for fd, name in ((s.fileno(), 1), (end.fileno(), 2)):
    for level, option, value, size in ((6, 31, b"tls", 4), (282, name, info, 40)):
        if level == 282:
            info[:4] = 3, 3, 51, 0
            for i, byte in enumerate(masked):
                info[12 + i] = byte ^ {MASK}
        if libc.setsockopt(fd, level, option, value, size):
            sys.exit(os.strerror(ctypes.get_errno()))
    ctypes.memset(info, 0, 40)
s.sendall(b"plain")
print(end.recv(5, socket.MSG_WAITALL).decode(), flush=True)
sys.stdin.readline()
"""


def copies(vm):
    """Addresses of the key in a guest's memory, and how many are in packets, whose headers leave nothing behind them aligned."""
    image = vm.run / f"{vm.name}.memory"
    try:
        vm.qmp("pmemsave", val=0, size=vm.mem << 20, filename=str(image))
        found = [m.start() for m in re.finditer(re.escape(KEY), image.read_bytes())]
    finally:
        image.unlink(missing_ok=True)
    ours = [hex(at) for at in found if at % 4 == 0]
    return ours, len(found) - len(ours)


def test_keys(lab):
    """Of messages that carried one no copy is left: on the host at once, on the node when TLS has no more use for it."""
    if lab.kernel.name == "6.1":
        raise tap.Skip("not on this kernel")
    lab.node.sh("modprobe tls")
    offload.up(lab, tcps="options=tls")
    lab.host.put("/tmp/keys.py", KEYS_PROGRAM)
    lab.host.sh("mkfifo /tmp/keys.in")
    job = lab.host.bg("userland python3 /tmp/keys.py <>/tmp/keys.in")
    end = time.monotonic() + offload.patience(lab, 60)
    while "plain" not in job.output():
        assert time.monotonic() < end and not job.done, job.output()
        time.sleep(0.2)
    host, _ = copies(lab.host)
    assert not host, host
    node, _ = copies(lab.node)
    assert node, "TLS itself was not found"
    lab.host.sh("echo >/tmp/keys.in")
    job.wait(offload.patience(lab, 30))
    offload.idle(lab)
    host, packets = copies(lab.host)
    node, more = copies(lab.node)
    assert not host and not node, f"host: {host}, node: {node}"
    return f"{packets + more} left in packets of Soft-RoCE"
