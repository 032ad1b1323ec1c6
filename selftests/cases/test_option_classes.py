# SPDX-License-Identifier: GPL-2.0
"""Options that the node's administrator allows by class: what they do on the node, and to whom they open nothing."""
from selftests.cases import offload
from selftests.lab import tap
from selftests.lab.lab import CLIENT_EXT, HOST_SAN, NODE_EXT, NODE_EXT6, NODE_SAN

CLASSES = "prio,mark,route,device,freebind,transparent"

# Options as words; then what the socket does. It stays until it is killed.
SOCKET = """
import errno, socket, sys, time
options = {"mark": (socket.SOL_SOCKET, 36), "priority": (socket.SOL_SOCKET, 12), "dontroute": (socket.SOL_SOCKET, 5),
           "device": (socket.SOL_SOCKET, 25), "ifindex": (socket.SOL_SOCKET, 62),
           "freebind": (socket.SOL_IP, 15), "transparent": (socket.SOL_IP, 19)}
s = socket.socket(socket.AF_INET6 if "v6" in sys.argv else socket.AF_INET)
s.settimeout(20)
try:
    for word in sys.argv[1:]:
        what, _, value = word.partition("=")
        if what in options:
            s.setsockopt(*options[what], value.encode() + b"\\0" if what == "device" else int(value))
        elif what == "bind":
            s.bind((value.rsplit(":", 1)[0], int(value.rsplit(":", 1)[1])))
        elif what == "listen":
            s.listen(5)
        elif what == "connect":
            s.connect((value.rsplit(":", 1)[0], int(value.rsplit(":", 1)[1])))
        elif what == "stay":
            print("ready", flush=True)
            time.sleep(60)
            print("SO_ERROR", errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "OK"), flush=True)
    print("OK")
except OSError as e:
    print(errno.errorcode.get(e.errno, e))
"""
ECHO = f"{CLIENT_EXT}:4242"     # mnpuppet's port


def setup(lab):
    offload.up(lab, tcps=f"options={CLASSES}")
    lab.host.put("/tmp/optioned.py", SOCKET)


def seen(lab):
    """Does the host's kernel let us see options of SOL_SOCKET?"""
    return lab.kernel.name != "6.1"


def answers(lab, words, *wanted, run="memnet-run"):
    """What the last word comes to, one of these."""
    got = lab.host.sh(f"userland {run} python3 /tmp/optioned.py {words}", timeout=40).strip()
    assert got in wanted, f"{words}: {got}, not {wanted}"


class Staying:
    """A socket in the state that the words bring it to."""

    def __init__(self, lab, words, run="memnet-run"):
        self.lab, self.words, self.run = lab, words, run

    def __enter__(self):
        self.lab.host.sh("rm -f /tmp/staying")
        self.job = self.lab.host.bg(f"exec userland {self.run} python3 -u /tmp/optioned.py {self.words} stay >/tmp/staying")
        self.lab.host.until("grep -q ready /tmp/staying", what=f"{self.words} to be done")
        return self

    def __exit__(self, *_):
        self.job.kill()
        self.job.wait(20)


def test_tools(lab):
    """The administrator sees what is allowed."""
    assert CLASSES in lab.node.sh("memnetctl tcps show")
    lab.node.sh(f"memnetctl tcps listen {NODE_SAN} port 7474 allow {HOST_SAN}/32 options mark,device")
    shown = lab.node.sh("memnetctl -j tcps show")
    lab.node.sh(f"memnetctl tcps unlisten {NODE_SAN} port 7474")
    assert '"options": ["mark", "device"]' in " ".join(shown.split()).replace("[ ", "[").replace(" ]", "]"), shown


def test_as_tcp(lab):
    """Where all are allowed they are TCP's, by the table of all options and by what they do."""
    patterns = ("option_table*", "option_f*", "option_tr*") + (("option_[dmp]*", "option_bind*") if seen(lab) else ())
    counts = []
    for v6 in (False, True):
        for pattern in patterns:
            rc, out = lab.host.sh(f"mnsock {offload.memnet(v6)} --classes --bound 100 -t '{pattern}'", timeout=offload.patience(lab, 200), check=False)
            counts.append(tap.check(out, rc, least=1))
            assert "option-class" not in out, out
    return "; ".join(map(str, counts))


def test_effects(lab):
    """The node's kernel has them."""
    with Staying(lab, "freebind=1 bind=192.0.2.77:5581 listen"):
        assert "192.0.2.77:5581" in lab.node.sh("ss -Htln")
    with Staying(lab, "transparent=1 bind=192.0.2.78:5582 listen"):
        assert "192.0.2.78:5582" in lab.node.sh("ss -Htln")
    if not seen(lab):
        raise tap.Skip("the rest are the kernel's, of SOL_SOCKET")
    with Staying(lab, f"mark=77 priority=19 dontroute=1 connect={ECHO}"):
        shown = lab.node.sh("ss -Htne --tos dport = 4242")
        assert "fwmark:0x4d" in shown and "class_id:0x13" in shown, shown
    with Staying(lab, "device=ext0 bind=0.0.0.0:5583 listen"):
        assert "0.0.0.0%ext0:5583" in lab.node.sh("ss -Htln")
    index = lab.node.sh("cat /sys/class/net/ext0/ifindex").strip()
    with Staying(lab, f"ifindex={index} connect={ECHO}"):
        assert "%ext0" in lab.node.sh("ss -Htn dport = 4242")
    answers(lab, "device=mn-none", "ENODEV")
    answers(lab, f"ifindex={index} device=lo", "EPERM")
    # a mark chooses the way
    lab.node.sh("ip rule add fwmark 9 unreachable")
    try:
        answers(lab, f"mark=9 connect={ECHO}", "EHOSTUNREACH", "ENETUNREACH", "EACCES")
        answers(lab, f"mark=8 connect={ECHO}", "OK")
    finally:
        lab.node.sh("ip rule del fwmark 9 unreachable")


def test_tied_listener(lab):
    """One on the wildcard address that is tied to a device is not reached by loopback, as TCP's is not; that is when it is tied."""
    if not seen(lab):
        raise tap.Skip("options of SOL_SOCKET are the kernel's")
    index = lab.node.sh("cat /sys/class/net/ext0/ifindex").strip()
    for version, wild, lo, ext in (("", "0.0.0.0", "127.0.0.1", NODE_EXT), ("v6 ", "::", "::1", NODE_EXT6)):
        def tried(words, run, *wanted):
            with Staying(lab, f"{version}{words}", run):
                answers(lab, f"{version}connect={lo}:5590", *wanted, run="")
                if run:     # the client comes by that device
                    lab.client.sh(f"python3 -c 'import socket; socket.create_connection((\"{ext}\", 5590), 20)'")
        natively, over_memnet = ("", "device=san0"), ("memnet-run", "device=ext0")
        for run, device in (natively, over_memnet, ("memnet-run", f"ifindex={index}")):
            tried(f"bind={wild}:5590 listen", run, "OK")
            for words in (f"{device} bind={wild}:5590 listen", f"bind={wild}:5590 {device} listen"):
                tried(words, run, "ECONNREFUSED")
        # but it has the port
        for run, device in (natively, over_memnet):
            with Staying(lab, f"{version}{device} bind={wild}:5590 listen", run):
                answers(lab, f"{version}bind={lo}:5590 listen", "EADDRINUSE", run="")
    offload.idle(lab)


def test_nothing_else(lab):
    """No option opens what is closed: loopback, other hosts' and the node's own services."""
    with Staying(lab, f"bind={NODE_EXT}:5585 listen"):
        answers(lab, f"connect={NODE_EXT}:5585", "OK")
        answers(lab, f"freebind=1 connect={NODE_EXT}:5585", "ECONNREFUSED")
        if seen(lab):
            answers(lab, f"mark=1 connect={NODE_EXT}:5585", "ECONNREFUSED")
            answers(lab, f"mark=1 mark=0 connect={NODE_EXT}:5585", "OK")
            answers(lab, f"device=ext0 connect={NODE_EXT}:5585", "ECONNREFUSED")
    lab.node.sh(f"memnetctl tcps listen {NODE_SAN} port 7474 allow {HOST_SAN}/32 options {CLASSES}")
    rc, out = lab.host.sh(f"mnhostile --as-host {NODE_SAN}:7474 --target {ECHO} --only 'classes of options'", timeout=100, check=False)
    lab.node.sh(f"memnetctl tcps unlisten {NODE_SAN} port 7474")
    return tap.check(out, rc, least=1)


def test_another_node(lab):
    """A listener whose options the next session does not allow does not come back without them."""
    with Staying(lab, "freebind=1 bind=192.0.2.79:5586 listen"):
        lab.node.sh("rmmod memnet_tcps")
        lab.load_tcps()
        offload.wait_link(lab)
        lab.host.until("dmesg | grep -q 'cannot listen on port 5586 again: error -95'", what="the listener to be refused")
        assert "5586" not in lab.node.sh("ss -Htln")
    answers(lab, "freebind=1", "ENOPROTOOPT")
    if seen(lab):
        for words in ("mark=1", "device=ext0", "dontroute=1"):
            answers(lab, words, "ENOPROTOOPT")
        answers(lab, "priority=7", "EPERM")
        answers(lab, "priority=6", "OK")
    offload.idle(lab)


for _test in (test_as_tcp,):
    _test.timeout = 500
