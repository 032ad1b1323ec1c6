# SPDX-License-Identifier: GPL-2.0
"""The limits of `tcps listen`: each is kept, who is beyond it hears why, and what is within goes on.  Those of a context of
/dev/memnet, reached; and what registered memory costs, by number.

A second listener has the limit of `tcps listen`; links to it serve a namespace of their own, beside the lab's link.
"""
import re
import time

from selftests.cases import offload
from selftests.cases.registered import by_hand, clean
from selftests.lab import tap
from selftests.lab.lab import CLIENT_EXT, HOST_SAN, NODE_EXT, NODE_SAN

PORT = 7475
LIMITS = "node at its limits"
INSIDE = "ip netns exec limited"

# Sockets of the family; what comes of each connect() is printed.
SOCKETS = f"""
import ctypes, errno, select, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def addr(host, port):
    return struct.pack("=HH4s8x", 2, socket.htons(port), socket.inet_aton(host))
def call(f, *a):
    return 0 if f(*a) >= 0 else ctypes.get_errno()
def connect():
    s = socket.socket(25, socket.SOCK_STREAM, 0)
    return s, call(libc.connect, s.fileno(), addr("{CLIENT_EXT}", 4242), 16)
def patiently(what, wanted):
    end = time.monotonic() + 20
    while (got := what()) != wanted:
        assert time.monotonic() < end, (got, wanted)
        time.sleep(0.1)
def within(n):
    made = [connect() for _ in range(n)]
    ok = all(not e for _, e in made)
    for s, _ in made:
        s.close()
    return ok
"""

BEYOND = SOCKETS + """
made = [connect() for _ in range(12)]
print(*(errno.errorcode.get(e, e) for _, e in made))
for s, _ in made:
    s.close()
patiently(lambda: within(8), True)
"""

CHILDREN = SOCKETS + """
listener = socket.socket(25, socket.SOCK_STREAM, 0)
assert not call(libc.bind, listener.fileno(), addr("0.0.0.0", 7001), 16)
assert not call(libc.listen, listener.fileno(), 20)
print("ready", flush=True)
def accept(seconds):
    children = []
    while select.select([listener], [], [], seconds)[0]:
        fd = libc.accept4(listener.fileno(), None, None, 0)
        assert fd >= 0
        children.append(socket.socket(fileno=fd))
    return children
first = accept(4)
print(len(first), flush=True)
for s in first:
    s.close()
print(len(accept(4)))
"""

LOAD = SOCKETS + """
import os
listener = socket.socket(25, socket.SOCK_STREAM, 0)
assert not call(libc.bind, listener.fileno(), addr("0.0.0.0", 7002), 16)
assert not call(libc.listen, listener.fileno(), 20)
flood = []
for _ in range(40):
    s, e = connect()
    assert not e, e
    flood.append(s)
for s in flood:
    s.sendall(b"never-read\\n")
    s.setblocking(False)
quiet = 0
while quiet < 10:
    sent = 0
    for s in flood:
        try:
            sent += s.send(bytes(100000))
        except BlockingIOError:
            pass
    quiet = 0 if sent else quiet + 1
    time.sleep(0.1)
print("full", flush=True)
while not os.path.exists("/tmp/called"):
    time.sleep(0.1)
late, e = connect()
print(errno.errorcode.get(e, e), len(select.select([listener], [], [], 2)[0]), flush=True)
while not os.path.exists("/tmp/ease"):
    time.sleep(0.1)
for s in flood:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
children = []
while len(children) < 10 and select.select([listener], [], [], 20)[0]:
    children.append(libc.accept4(listener.fileno(), None, None, 0))
print(len(children))
patiently(lambda: within(1), True)
"""

OPTIONS = SOCKETS + """
def buffers():
    "Those in use; shrinking a cache also takes what was freed out of KASAN's quarantine, where it would count."
    with open("/sys/kernel/slab/skbuff_head_cache/shrink", "w") as f:
        f.write("1")
    return int(next(l for l in open("/proc/slabinfo") if l.startswith("skbuff_head_cache")).split()[1])
s, e = connect()
assert not e, e
s.sendall(b"sink wait=1 tag=options\\n")
s.setblocking(False)
quiet = 0
while quiet < 10:
    try:
        s.send(bytes(100000))
        quiet = 0
    except BlockingIOError:
        quiet += 1
        time.sleep(0.1)
before = buffers()
for i in range(10000):
    for level, name, value in ((socket.IPPROTO_TCP, socket.TCP_NODELAY, i % 2), (socket.IPPROTO_TCP, socket.TCP_CORK, i % 2),
                               (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1000 + i), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, i % 2)):
        s.setsockopt(level, name, value)
print("buffers", buffers() - before, flush=True)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 4321)
g, e = connect()
assert not e, e
g.sendall(b"go options\\n")
print(g.recv(10).decode().strip(), flush=True)
time.sleep(60)
"""

# MSG_ZEROCOPY where there is memory for one to be told of, and for none: what each send() does, and what is told
OPTMEM = """
import errno, select, socket, struct, sys
SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000
s = socket.socket()
s.connect((sys.argv[1], 4242))
s.sendall(b"echo\\n")
try:
    s.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
except OSError as e:
    sys.exit(print(errno.errorcode[e.errno]))
said, sent = [], 0
def send(flags):
    global sent
    try:
        n = s.send(b"x" * 2000, flags)
        sent += n
        said.append(n)
    except OSError as e:
        said.append(errno.errorcode[e.errno])
def told():
    try:
        _, control, _, _ = s.recvmsg(1, 256, socket.MSG_ERRQUEUE)
        said.append("told of %d to %d" % struct.unpack_from("II", control[0][2], 8))
    except BlockingIOError:
        said.append("none")
def until_told():
    p = select.poll()
    p.register(s, 0)
    assert p.poll(20000) == [(s.fileno(), select.POLLERR)]
def allow(n):
    with open("/proc/sys/net/core/optmem_max", "w") as f:
        f.write(str(n))
with open("/proc/sys/net/core/optmem_max") as f:
    usual = f.read()
try:
    allow(1000)
    send(MSG_ZEROCOPY)
    until_told()
    send(MSG_ZEROCOPY)      # the one that was told of, and not read, has the memory
    send(0)
    told()
    told()
    send(MSG_ZEROCOPY)
    until_told()
    told()
    allow(100)
    send(MSG_ZEROCOPY)
    send(0)
    told()
finally:
    allow(usual)
send(MSG_ZEROCOPY)
until_told()
told()
while sent:
    sent -= len(s.recv(sent))
print(*said, sep=", ")
"""

CALLS = f"""
import socket, sys, time
calls = [socket.create_connection(("{NODE_EXT}", int(sys.argv[1]))) for _ in range(10)]
time.sleep(60)
"""


def setup(lab):
    offload.up(lab)
    lab.host.sh("mkdir -p /run/netns; ip netns list | grep -q limited || ip netns add limited; "
                "ip -n limited link set lo up; userland true")      # mounted here, seen in the namespace
    for name, text in (("beyond", BEYOND), ("children", CHILDREN), ("load", LOAD), ("options", OPTIONS)):
        lab.host.put(f"/tmp/{name}.py", text)
    lab.client.put("/tmp/calls.py", CALLS)


class Listener:
    """A listener with a limit, and the links to it; they are gone afterwards."""

    def __init__(self, lab, limits):
        self.lab, self.limits, self.links = lab, limits, []

    def __enter__(self):
        self.lab.node.sh(f"memnetctl tcps listen {NODE_SAN} port {PORT} allow {HOST_SAN}/32 {self.limits}")
        return self

    def __exit__(self, *_):
        for name in list(self.links):
            self.delete(name)
        self.lab.node.sh(f"memnetctl tcps unlisten {NODE_SAN} port {PORT}")

    def add(self, name, options="channels 1"):
        self.lab.host.sh(f"memnetctl link add {name} tcps {NODE_SAN} port {PORT} {options} && "
                         f"memnetctl link set {name} netns limited")
        self.links.append(name)

    def delete(self, name):
        self.links.remove(name)
        self.lab.host.sh(f"memnetctl link del {name}", timeout=offload.patience(self.lab, 30))

    def refused(self, name):
        """The link says why it is not up."""
        end = time.monotonic() + offload.patience(self.lab, 20)
        while (now := offload.link(self.lab, name))["last_reason"] != LIMITS:
            assert time.monotonic() < end and now["state"] != "up", now
            time.sleep(0.2)

    def serves(self, name):
        offload.wait_link(self.lab, name=name)
        self.lab.host.sh(f"{INSIDE} mnmany {offload.memnet()} --bytes 10000 --bound 50 idle 5", timeout=60)


def test_hosts(lab):
    with Listener(lab, "max-hosts 1") as l:
        l.add("one")
        l.serves("one")
        l.add("two", "channels 1 host-id 77")
        l.refused("two")
        assert f"refused a connection of {HOST_SAN}" in lab.node.sh(f"dmesg | grep '{LIMITS}'")
        l.serves("one")
        l.delete("one")
        l.serves("two")


def test_links_of_one_host(lab):
    """One address has eight; another gets in when one of them is gone."""
    with Listener(lab, "") as l:
        for i in range(8):
            l.add(f"link{i}")
            offload.wait_link(lab, name=f"link{i}")
        l.add("ninth")
        l.refused("ninth")
        l.serves("link7")
        l.delete("link0")
        l.serves("ninth")


def test_channels(lab):
    with Listener(lab, "max-channels 1") as l:
        l.add("wide", "channels 2")
        l.refused("wide")
        l.delete("wide")
        l.add("narrow")
        l.serves("narrow")


def test_sockets(lab):
    """A socket beyond the limit gets ENFILE; closed ones make room."""
    with Listener(lab, "max-sockets 8") as l:
        l.add("few")
        l.serves("few")
        offload.idle(lab)
        out = lab.host.sh(f"{INSIDE} userland python3 /tmp/beyond.py", timeout=offload.patience(lab, 60))
        assert out.split() == ["0"] * 8 + ["ENFILE"] * 4, out


def says(lab, job, word):
    end = time.monotonic() + offload.patience(lab, 60)
    while word not in job.output():
        assert not job.done and time.monotonic() < end, job.output()
        time.sleep(0.2)


def test_children(lab):
    """Connections that nobody may have yet wait in the node's TCP, and come when there is room."""
    with Listener(lab, "max-sockets 8") as l:
        l.add("few")
        offload.wait_link(lab, name="few")
        offload.idle(lab)
        job = lab.host.bg(f"{INSIDE} userland python3 /tmp/children.py")
        says(lab, job, "ready")
        calls = lab.client.bg("exec python3 /tmp/calls.py 7001")
        code, out = job.wait(offload.patience(lab, 60))
        calls.kill()
        calls.wait(20)
        assert code == 0 and out.split() == ["ready", "7", "3"], out


def test_pages(lab):
    """Peers that do not read: what the node holds for a host with few pages is little."""
    sockets, held = 10, {}  # what they may hold, below, is less than the 200 pages at which the node admits no other
    lab.node.sh("cat /proc/sys/net/ipv4/tcp_wmem >/tmp/wmem; sysctl -qw net.ipv4.tcp_wmem='4096 16384 65536'")
    with Listener(lab, "max-pages 100") as l:
        l.add("few")
        offload.wait_link(lab, name="few")
        for where in ("", INSIDE):
            job = lab.host.bg(f"{where} mnmany {offload.memnet()} --bytes 2M --hold 2 --bound 100 flood {sockets}")
            held[where] = 0
            while not job.done:
                held[where] = max(held[where], offload.counters(lab.node)["core.pages_held"])
                time.sleep(0.3)
            code, out = job.wait(20)
            assert code == 0, out
            lab.client.sh("kill $(pgrep -x mnpuppet); while pgrep -x mnpuppet; do sleep 0.1; done")
            offload.puppet(lab.client)
            offload.idle(lab, timeout=90)
        l.serves("few")
    lab.node.sh("sysctl -qw net.ipv4.tcp_wmem=\"$(cat /tmp/wmem)\"")
    # the initial window of 16 KiB is granted to each; two pages that follow each other hold more than one
    assert held[INSIDE] <= 100 + sockets * 9, held
    assert held[""] > held[INSIDE], held
    return f"{held[INSIDE]} pages held, {held['']} where there may be more"


def test_load(lab):
    """A node that holds twice what it may admits no socket, no connection and no host, until it holds less."""
    limit = "/sys/module/memnet_tcps/parameters/max_pages"
    usual = lab.node.sh(f"cat {limit}").strip()
    lab.host.sh("rm -f /tmp/called /tmp/ease")
    with Listener(lab, "max-pages 16") as l:
        l.add("few")
        offload.wait_link(lab, name="few")
        offload.idle(lab)
        job = lab.host.bg(f"{INSIDE} userland python3 /tmp/load.py")
        says(lab, job, "full")
        calls = lab.client.bg("exec python3 /tmp/calls.py 7002")
        time.sleep(1)
        lab.host.sh("touch /tmp/called")
        says(lab, job, "ENOBUFS 0")
        lab.node.sh(f"echo 4 >{limit}")
        l.add("two", "channels 1 host-id 77")
        l.refused("two")
        lab.node.sh(f"echo {usual} >{limit}")
        lab.host.sh("touch /tmp/ease")
        code, out = job.wait(offload.patience(lab, 60))
        calls.kill()
        calls.wait(20)
        assert code == 0 and out.split() == ["full", "ENOBUFS", "0", "10"], out
        l.serves("two")


def test_options_behind_a_full_window(lab):
    """Set again and again while the peer does not read they take no memory; the last values are the node's."""
    job = lab.host.bg("userland python3 /tmp/options.py")
    says(lab, job, "ok")
    grown = int(job.output().split()[1])
    assert grown < 2000, f"40000 options took {grown} buffers"
    lab.node.until(f"ss -tno dst {CLIENT_EXT}:4242 | grep -E 'keepalive,7[12]min'", timeout=offload.patience(lab, 30),
                   what="SO_KEEPALIVE and TCP_KEEPIDLE to be the node's")
    job.kill()
    job.wait(10)
    offload.idle(lab)
    return f"40000 options took {grown} buffers"


def test_memory_for_what_is_told(lab):
    """net.core.optmem_max bounds what MSG_ZEROCOPY has to tell, as natively: ENOBUFS, and nothing is sent."""
    lab.host.put("/tmp/optmem.py", OPTMEM)
    native = lab.host.sh(f"userland python3 /tmp/optmem.py {NODE_SAN}", timeout=60).strip()
    memnet = lab.host.sh(f"userland memnet-run python3 /tmp/optmem.py {CLIENT_EXT}", timeout=60).strip()
    offload.idle(lab)
    assert native.count("ENOBUFS") == 2, native
    if memnet == "EOPNOTSUPP":
        raise tap.Skip("this kernel refuses SO_ZEROCOPY to all but TCP's own")
    assert memnet == native, f"native: {native}\nmemnet: {memnet}"
    return memnet


# --- a context of /dev/memnet ---


class ByHand:
    """A program that stops at words, to be looked at there."""

    def __init__(self, lab, program, arguments=""):
        self.lab = lab
        lab.host.sh("rm -f /tmp/go-*")
        self.job = by_hand(lab, program, arguments)

    def at(self, word, seconds=250):
        end = time.monotonic() + offload.patience(self.lab, seconds)
        while word not in self.job.output().split():
            assert not self.job.done and time.monotonic() < end, self.job.output()
            time.sleep(0.3)
        return offload.counters(self.lab.host)

    def go(self, word):
        self.lab.host.sh(f"touch /tmp/go-{word}")

    def end(self, seconds=250):
        rc, out = self.job.wait(offload.patience(self.lab, seconds))
        assert rc == 0, out


def test_regions_of_a_context(lab):
    """65,536 and no more; a number is another's as soon as it is given back. 256 GiB are what a region may have."""
    program = ByHand(lab, "regions_of_a_context")
    now = program.at("full")
    assert now["host.regions"] == now["host.pinned_pages"] == 65536, now
    program.go("full")
    program.end()
    clean(lab)


def test_jobs_of_a_context(lab):
    """65,536 under way at the same time, of which the node knows 16 of each socket; each ends as it should. Those the node
    does not know of can be cancelled at once."""
    program = ByHand(lab, "jobs_of_a_context")
    now = program.at("full")
    assert now["host.jobs"] == 65536, now
    program.go("full")
    program.end()
    offload.idle(lab, timeout=90)
    clean(lab)


def test_counters_of_a_context(lab):
    """4,096 sockets have one, on eight pages; the next has none, until one is closed."""
    if offload.quick():
        raise tap.Skip("4098 connections take a minute or two")
    program = ByHand(lab, "counters_of_a_context")
    program.at("full", 400)
    program.go("full")
    program.end()
    offload.idle(lab, timeout=90)
    clean(lab)


def registrations(lab):
    """How many the RDMA device of the host has."""
    return sum(int(n) for n in re.findall(r"\bmr (\d+)", lab.host.sh("rdma resource show")))


def test_regions_that_the_device_knows(lab):
    """10,000, each received to and sent from: one registration each, of its own size, dead as soon as it is given back, alone or
    with its context; and no memory is gone afterwards."""
    n = 1000 if offload.quick() else 10000
    program = ByHand(lab, "known_to_the_device", "200")        # what is allocated once, is allocated now
    for word in ("all", "half", "none"):
        program.at(word)
        program.go(word)
    program.end()
    clean(lab)
    before, memory = registrations(lab), offload.memory(lab.host)
    program = ByHand(lab, "known_to_the_device", str(n))
    now = program.at("all", 400)
    # and the page of the socket's counter
    assert now["host.regions"] == now["host.pinned_pages"] == n and registrations(lab) == before + 1 + n, (now, registrations(lab))
    for word, left in (("all", n - n // 2), ("half", 0)):
        program.go(word)
        program.at("half" if word == "all" else "none")
        assert registrations(lab) == before + 1 + left, (word, before, registrations(lab))
    program.go("none")
    program.end()
    clean(lab)
    assert registrations(lab) == before, (before, registrations(lab))
    time.sleep(2)       # what waits for RCU
    slab = offload.memory(lab.host)["slab"] - memory["slab"]
    # half of what the smallest part of a region takes; the debug kernel keeps what was freed for a while
    assert offload.debug(lab) or slab < n * 128 // 1024 + 512, f"slab grew by {slab} KiB"
    return f"{n} regions; slab {slab:+} KiB"


def gathered(lab, kind):
    """Pieces that 8 MiB of such memory were gathered from, and messages that there were."""
    with offload.Watch(lab) as w:
        ByHand(lab, "gathered", kind).end(120)
    assert w.host["host.direct_bytes"] == 8 << 20, w.host["host.direct_bytes"]
    return w.host["core.segments_sent"], w.host["core.messages_sent"]


def test_huge_pages_are_gathered_whole(lab):
    """A message of memory that is in one piece is one piece for the device; of scattered pages it is one for each page."""
    pages = "/proc/sys/vm/nr_hugepages"
    if lab.host.sh(f"test -e {pages}", check=False)[0]:
        raise tap.Skip("this kernel has no huge pages")
    lab.host.sh(f"sync; echo 3 >/proc/sys/vm/drop_caches; echo 1 >/proc/sys/vm/compact_memory; echo 8 >{pages}; [ $(cat {pages}) -ge 4 ]")
    try:
        scattered, _ = gathered(lab, "small")
        whole, messages = gathered(lab, "huge")
    finally:
        lab.host.sh(f"echo 0 >{pages}")
    # a message may reach over the end of one of the four huge pages; a few of the others may be neighbours by chance
    assert whole <= messages + 4, (whole, messages)
    assert scattered > 1900 and scattered > 2 * whole, (scattered, whole)
    clean(lab)
    return f"8 MiB in {messages} messages of {whole} pieces; {scattered} of scattered pages"


for _test in (test_regions_of_a_context, test_jobs_of_a_context, test_counters_of_a_context, test_regions_that_the_device_knows):
    _test.timeout = 900
