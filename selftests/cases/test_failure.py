# SPDX-License-Identifier: GPL-2.0
"""Machines and devices that go away: every call tells, nothing hangs, nothing is left, all works again.

The heartbeat is 5 s, as by default.  A blocked call hears of a death within that time; two processors
that emulate three machines may add a second, and what else is waited for has twice the time.
"""
import time

from selftests.cases import offload
from selftests.cases.test_programs import NGINX
from selftests.lab import tap
from selftests.lab.lab import CLIENT_EXT, NODE_EXT, NODE_SAN

HEARTBEAT = 5

DELETE, ADD = f"memnetctl link del {offload.LINK}", f"memnetctl link add {offload.LINK} tcps {NODE_SAN}"
UNLISTEN, LISTEN = f"memnetctl tcps unlisten {NODE_SAN}", f"memnetctl tcps listen {NODE_SAN} allow 10.9.0.0/24 privileged-ports 80"
RDMA_GOES, RDMA_COMES = "rdma link del rxe0", "rdma link add rxe0 type rxe netdev san0"


def setup(lab):
    offload.up(lab)
    lab.host.sh("mkdir -p /tmp/www /tmp/nginx && chmod 755 /tmp/www /tmp/nginx && head -c 100000 /dev/urandom >/tmp/www/f")
    lab.host.put("/tmp/nginx.conf", NGINX)


def bound(lab):
    """Seconds for what follows a death."""
    return HEARTBEAT * (4 if offload.debug(lab) else 2)


def alive(lab, timeout=30):
    """New connections work, in both directions."""
    offload.wait_link(lab, timeout=timeout)
    for side in ("connect", "accept"):
        lab.host.sh(f"mnmany {offload.memnet()} --side {side} --bytes 10000 --bound 50 idle 5", timeout=60)


def blocked(lab):
    """mnblock on the host, once every one of its calls sleeps."""
    job = lab.host.bg(f"mnblock {offload.memnet()}")
    end = time.monotonic() + offload.patience(lab, 60)
    while "blocked " not in job.output():
        assert not job.done and time.monotonic() < end, f"not all calls block: {job.output()}"
        time.sleep(0.2)
    return job


def uptime(lab):
    """Of the host, in ms."""
    return int(float(lab.host.sh("cat /proc/uptime", timeout=60).split()[0]) * 1000)


def told(lab, job, cause):
    """All of mnblock's calls have returned, each in time after the cause (uptime) and with an error; what they said."""
    end = time.monotonic() + 2 * bound(lab)
    while not job.done and time.monotonic() < end:
        time.sleep(0.2)
    if not job.done:
        lab.host.sh("pkill -TERM -x mnblock", timeout=60, check=False)
    rc, out = job.wait(60)
    calls = [offload.words(l) for l in out.splitlines() if l.startswith("returned ")]
    back = [c for c in calls if c["state"] != "waiting"]
    limit = HEARTBEAT + (3 if offload.debug(lab) else 1)
    late = [c for c in back if not 0 <= c["at"] - cause <= limit * 1000]
    assert rc == 0 and back and not late, f"cause: {cause}, late: {late}\n{out}"
    return "; ".join(f"{c['call']} {c['errno']} {c['at'] - cause} ms" for c in back)


def says(lab, job, word):
    """Wait until a program has said a word."""
    end = time.monotonic() + offload.patience(lab, 60)
    while word not in job.output():
        assert not job.done and time.monotonic() < end, job.output()
        time.sleep(0.2)


class Nginx:
    """nginx under memnet-run on the host, during a with block."""

    def __init__(self, lab):
        self.lab = lab

    def __enter__(self):
        self.lab.host.sh("userland memnet-run nginx -c /tmp/nginx.conf", timeout=90)
        self.serves()
        return self

    def serves(self, timeout=30):
        self.lab.client.until(f"curl -sf --max-time 5 -o /tmp/f http://{NODE_EXT}/f", timeout=timeout, what="nginx to serve")
        assert self.lab.client.sh("sha256sum </tmp/f") == self.lab.host.sh("sha256sum </tmp/www/f")

    def __exit__(self, *_):
        if not self.lab.host.lost:
            self.lab.host.sh("kill $(cat /tmp/nginx/pid)", check=False)
            self.lab.host.until("! pgrep -f '[n]ginx: '", what="nginx to end")


def load(lab, seconds=120):
    """Streams and connections that keep both sides busy."""
    return [lab.host.bg(f"mnstream {offload.memnet()} --streams 4 --send 2G --recv 2G --side connect --bound {seconds}"),
            lab.host.bg(f"while mnmany {offload.memnet()} --bound {offload.patience(lab, 60)} short 100; do :; done")]


def under_way(lab, jobs):
    """The load runs."""
    with offload.Watch(lab) as w:
        time.sleep(2)
    assert w.host["core.bytes_sent"] > 100000 and not any(j.done for j in jobs), f"{w}; {[j.output() for j in jobs]}"


def ended(lab, jobs):
    """The load has failed, and did not hang."""
    for j in jobs:
        j.wait(2 * bound(lab))


def deaths(lab):
    """The ways in which a link ends while both machines live: where, by which command, and what brings it back."""
    return (lab.host, DELETE, ADD), (lab.node, UNLISTEN, LISTEN), (lab.host, RDMA_GOES, RDMA_COMES), (lab.node, RDMA_GOES, RDMA_COMES)


def die_under_load(lab, vm, command, again):
    """One of these, with everything busy; the link is up again afterwards."""
    jobs = load(lab)
    under_way(lab, jobs)
    vm.sh(command, timeout=120)
    ended(lab, jobs)
    vm.sh(again)
    offload.wait_link(lab)


def node_back(lab):
    """The node boots again with the service and its peer."""
    lab.node.restart()
    lab.insmod(lab.node, "memnet_core")
    lab.load_tcps()
    offload.puppet(lab.node)


def test_node_dies(lab):
    """Every blocked call returns; then, without a restart, new connections work and nginx serves again."""
    with Nginx(lab) as nginx:
        job = blocked(lab)
        cause = uptime(lab)
        lab.node.kill()
        note = told(lab, job, cause)
        # while it is gone: sockets can be had, connecting fails in time
        rc, out = lab.host.sh(f"mnmany {offload.memnet()} --bound 20 idle 1", timeout=30, check=False)
        assert rc, out
        assert offload.link(lab)["last_reason"], "no reason is told"
        node_back(lab)
        alive(lab)
        nginx.serves()
    offload.idle(lab)
    return note


# MSG_ZEROCOPY until no more is taken; then all calls that were not told of yet are, and never that something was copied
ZEROCOPY = f"""
import select, socket, struct, sys, time
s = socket.socket()
s.connect(("{CLIENT_EXT}", 4242))
s.sendall(b"never-read\\n")
s.setsockopt(socket.SOL_SOCKET, 60, 1)
# more than the node's window
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
s.setblocking(False)
data, calls, told, quiet = bytes(50000), 0, 0, 0
def collect():
    global told
    while True:
        try:
            _, aux, _, _ = s.recvmsg(1, 100, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            return
        error, origin, _, code, _, first, last = struct.unpack("=IBBBBII", aux[0][2][:16])
        assert (error, origin, code, first) == (0, 5, 0, told), (error, origin, code, first, told)
        told = last + 1
while quiet < 5:
    try:
        s.send(data, 0x4000000)
        calls, quiet = calls + 1, 0
    except BlockingIOError:
        quiet += 1
        time.sleep(0.1)
collect()
assert told < calls, (told, calls)
print("waiting", calls - told, "of", calls, flush=True)
poll, end = select.poll(), time.monotonic() + 100
poll.register(s, 0)
while told < calls and time.monotonic() < end:
    poll.poll(1000)
    collect()
print("told", told, "of", calls)
sys.exit(told != calls)
"""


def test_zerocopy_is_told_of(lab):
    """Memory that a connection was to send is free when its link has died."""
    if lab.kernel.name == "6.1":
        raise tap.Skip("this kernel refuses SO_ZEROCOPY")
    notes = []
    lab.host.put("/tmp/zerocopy.py", ZEROCOPY)
    for vm, command, again in deaths(lab)[:2]:
        job = lab.host.bg("userland memnet-run python3 /tmp/zerocopy.py")
        says(lab, job, "waiting")
        vm.sh(command, timeout=120)
        rc, out = job.wait(2 * bound(lab))
        assert not rc, out
        notes.append(out.strip().replace("\n", ", "))
        vm.sh(again)
        offload.wait_link(lab)
    offload.idle(lab)
    return "; ".join(notes)


# calls that wait for the node, a thread for each; SIOCOUTQ says a number of a connection that died, as TCP's does
LATE = f"""
import errno, fcntl, os, select, socket, sys, termios, threading, time
peer, here = ("{CLIENT_EXT}", 4242), ("{NODE_EXT}", 0)
def talk():
    s = socket.socket()
    s.connect(peer)
    s.sendall(b"echo\\n")
    return s
bound, asked, sent, idle = socket.socket(), talk(), talk(), talk()
bound.bind(here)
new = [socket.socket(), socket.socket()]
def bind():
    new[0].bind(here)
    new[0].listen(5)
def listen():
    bound.listen(5)
def connect():
    new[1].connect(peer)
def outq():
    fcntl.ioctl(asked, termios.TIOCOUTQ, bytes(4))
def send_and_recv():
    sent.send(b"x")
    sent.recv(1)
calls, bad, begun = [bind, listen, connect, outq, send_and_recv], [], threading.Semaphore(0)
def tell(call, ret, error, at, state):
    bad.extend([call] * (state != "ok"))
    os.write(1, f"returned call={{call.__name__}} ret={{ret}} errno={{error}} at={{at}} state={{state}}\\n".encode())
def run(call):
    ret, error = 0, "0"
    begun.release()
    try:
        call()
    except OSError as e:
        ret, error = -1, errno.errorcode[e.errno]
    tell(call, ret, error, int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000), "ok" if ret or call is outq else "no-error")
print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=run, args=(call,), daemon=True) for call in calls]
for t in threads:
    t.start()
for t in threads:
    begun.acquire()
ends = select.poll()
ends.register(idle, 0)
print("begun too late" if ends.poll(0) else "begun in time", flush=True)
end = time.monotonic() + {4 * HEARTBEAT}
for t, call in zip(threads, calls):
    t.join(max(0, end - time.monotonic()))
    if t.is_alive():
        tell(call, -2, "0", -1, "hung")
os._exit(bool(bad))
"""


def test_calls_begun_after_the_node_died(lab):
    """And before anybody has noticed: they return when those do that were under way by then, and with an error."""
    lab.host.put("/tmp/late.py", LATE)
    lab.host.sh("rm -f /tmp/go && mkfifo /tmp/go")
    job = lab.host.bg("exec userland memnet-run python3 /tmp/late.py <>/tmp/go")
    says(lab, job, "ready")
    cause = uptime(lab)
    lab.node.kill()
    lab.host.sh("echo >/tmp/go")
    note = told(lab, job, cause)
    assert "begun in time" in job.output(), job.output()
    node_back(lab)
    alive(lab)
    offload.idle(lab)
    return note


def test_host_dies(lab):
    """The node frees every endpoint, page and port, also of connections whose peers stay."""
    with offload.Watch(lab):
        with_nginx = Nginx(lab)
        with_nginx.__enter__()
        lab.host.bg(f"mnmany {offload.memnet()} --hold 600 --bytes 64K noread 50")
        lab.host.bg(f"mnmany {offload.memnet()} --hold 600 --bytes 256K flood 50")
        lab.node.until("[ $(ss -Htan | grep -vc LISTEN) -ge 100 ]", timeout=60, what="connections")
        jobs = load(lab)
        under_way(lab, jobs)
    resets = lab.client.bg("exec tcpdump -l -n -i ext0 'src port 4242 or dst port 4242 and tcp[tcpflags] & tcp-rst != 0' 2>&1"
                           " | grep --line-buffered 'listening on\\|Flags \\[R'")
    lab.client.until("pgrep -x tcpdump", what="tcpdump to listen")
    mine = {r.split()[2].rsplit(":", 1)[1] for r in lab.node.sh("ss -Htn state established dport = :4242").splitlines()}
    assert len(mine) >= 50, mine      # the others have been sent everything and closed by their peers
    lab.host.kill()
    end = time.monotonic() + bound(lab) + 10
    while True:
        now = offload.counters(lab.node)
        left = {n: now[n] for n in offload.NODE_GAUGES + ("tcps.sessions", "core.channels") if now[n]}
        if not left:
            break
        assert time.monotonic() < end, f"still on the node: {left}"
        time.sleep(0.5)
    # the port is free, and nobody is connected any more
    lab.node.until("! ss -Htan | grep -v 4242 | grep -q 'LISTEN\\|ESTAB'", timeout=20, what="sockets of the host to go")
    lab.node.sh("timeout 1 nc -l -p 80; rc=$?; [ $rc = 143 ] || [ $rc = 124 ]")
    told_by_reset(lab, mine, resets)
    lab.host.restart()
    setup_host(lab)
    alive(lab)
    with Nginx(lab):
        pass
    offload.idle(lab)


def told_by_reset(lab, ports, resets):
    """Each of these connections of the client got a reset.

    TCP ignores one beyond its window, so a peer that has not read what came may not believe it: for
    those it is enough to see it on the wire.
    """
    end = time.monotonic() + 30
    while True:
        rows = [r.split() for r in lab.client.sh("ss -Htn state established sport = :4242").splitlines()]
        left = {r[3].rsplit(":", 1)[1] for r in rows if r[0] == "0"} & ports
        full = {r[3].rsplit(":", 1)[1] for r in rows if r[0] != "0"} & ports
        seen = resets.output()
        unseen = {port for port in full if f"{NODE_EXT}.{port} >" not in seen}
        if not left and not unseen:
            break
        assert time.monotonic() < end, (f"established still: {sorted(left)}, not reset: {sorted(unseen)}\n{seen[-3000:]}\n"
                                        + lab.client.evidence())
        time.sleep(0.5)
    resets.kill()
    resets.wait(10)


def setup_host(lab):
    lab.insmod(lab.host, "memnet_core")
    lab.load_host()
    lab.host.sh("mkdir -p /tmp/www /tmp/nginx && chmod 755 /tmp/www /tmp/nginx && head -c 100000 /dev/urandom >/tmp/www/f")
    lab.host.put("/tmp/nginx.conf", NGINX)


def test_host_returns_before_it_was_missed(lab):
    """A host that boots anew within the heartbeat gets its ports: the node ends the old session first."""
    with Nginx(lab):
        lab.host.kill()
    lab.host.restart()
    setup_host(lab)
    with Nginx(lab):
        pass
    alive(lab)
    offload.idle(lab)


def rdma_link_goes(lab, vm):
    """The RDMA device under load: deleted, everything ends; added again, everything works."""
    with Nginx(lab) as nginx:
        job = blocked(lab)
        jobs = load(lab)
        under_way(lab, jobs)
        cause = uptime(lab)
        vm.sh(RDMA_GOES, timeout=bound(lab) + 20)
        ended(lab, jobs)
        note = told(lab, job, cause)
        time.sleep(2)
        vm.sh(RDMA_COMES)
        alive(lab, timeout=60)
        nginx.serves()
    offload.idle(lab, timeout=60)
    return note


def test_rdma_device_of_the_host_goes(lab):
    return rdma_link_goes(lab, lab.host)


def test_rdma_device_of_the_node_goes(lab):
    return rdma_link_goes(lab, lab.node)


def test_cable_pulled_and_plugged(lab):
    """Silence for longer than the heartbeat: both sides notice by themselves."""
    job = blocked(lab)
    cause = uptime(lab)
    lab.host.set_link("san", False)
    note = told(lab, job, cause)
    end = time.monotonic() + bound(lab)
    while offload.counters(lab.node)["tcps.sessions"]:
        assert time.monotonic() < end, "the node still has a session"
        time.sleep(0.5)
    lab.host.set_link("san", True)
    alive(lab, timeout=60)
    offload.idle(lab)
    return note


def interface_goes(lab, vm):
    """The network interface under soft-RoCE is set down and up under load: a refused packet must not spoil the device."""
    job = blocked(lab)
    jobs = load(lab)
    under_way(lab, jobs)
    cause = uptime(lab)
    vm.sh("ip link set san0 down", timeout=60)
    if vm is lab.node:
        cause = uptime(lab)     # only the silence tells, and a busy node takes its time for the command
    ended(lab, jobs)
    note = told(lab, job, cause)
    vm.sh("ip link set san0 up", timeout=60)
    alive(lab, timeout=60)
    offload.idle(lab, timeout=60)
    return note


def test_interface_of_the_host_set_down_and_up(lab):
    return interface_goes(lab, lab.host)


def test_interface_of_the_node_set_down_and_up(lab):
    return interface_goes(lab, lab.node)


def while_down(lab, command):
    """One of these while the host's interface is down.  Idle: what virtio_net has not sent by then, it and rxe keep."""
    job = blocked(lab)
    cause = uptime(lab)
    lab.host.sh("ip link set san0 down", timeout=60)
    told(lab, job, cause)
    lab.host.sh(command, timeout=bound(lab) + 20)
    lab.host.sh("ip link set san0 up", timeout=60)


def test_link_deleted_while_the_interface_is_down(lab):
    while_down(lab, DELETE)
    lab.host.sh(ADD)
    alive(lab, timeout=60)
    offload.idle(lab, timeout=60)


def test_rdma_device_goes_while_the_interface_is_down(lab):
    """What waits for the interface does not keep the device."""
    while_down(lab, RDMA_GOES)
    lab.host.sh(RDMA_COMES)
    alive(lab, timeout=60)
    offload.idle(lab, timeout=60)


def test_modules_go_while_the_interface_is_down(lab):
    """Nor the modules."""
    while_down(lab, "rmmod memnet memnet_core")
    lab.host.sh(f"{RDMA_GOES} && {RDMA_COMES}")
    setup_host(lab)
    alive(lab, timeout=60)
    offload.idle(lab, timeout=60)


def test_everything_stands_still(lab):
    """The machine under both guests stops for longer than the heartbeat: neither side takes the other for dead."""
    job = blocked(lab)
    before = offload.counters(lab.host)["host.link_deaths"]
    for vm in lab.guests:
        vm.freeze()
    time.sleep(2 * HEARTBEAT)
    for vm in lab.guests:
        vm.thaw()
    time.sleep(2 * HEARTBEAT)
    assert offload.counters(lab.host)["host.link_deaths"] == before and not job.done, job.output()
    job.kill()
    job.wait(20)
    lab.client.sh("pkill -x mnpuppet")      # it does not read what they sent
    offload.puppet(lab.client)
    alive(lab)
    offload.idle(lab)


def test_link_deleted_under_load(lab):
    """`memnetctl link del` resets its connections; a link added again serves new ones and those who listened."""
    with Nginx(lab) as nginx:
        job = blocked(lab)
        jobs = load(lab)
        under_way(lab, jobs)
        cause = uptime(lab)
        lab.host.sh(DELETE, timeout=bound(lab) + 10)
        ended(lab, jobs)
        note = told(lab, job, cause)
        lab.host.sh(ADD.replace(offload.LINK, "another"))
        offload.wait_link(lab, name="another")
        nginx.serves()
        lab.host.sh(DELETE.replace(offload.LINK, "another") + " && " + ADD)
        alive(lab)
        nginx.serves()
    offload.idle(lab)
    return note


LISTENER = f"""
import os, socket, sys
s = socket.socket(fileno=socket.socket(25, socket.SOCK_STREAM, 0).detach())
l = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=s.detach())
l.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
l.bind(("{NODE_EXT}", 8088))
l.listen(10)
print("listening", flush=True)
sys.stdin.readline()
l.settimeout(60)
while True:
    child = l.accept()[0]
    print("said", child.recv(10), child.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16), flush=True)
"""


def test_children_nobody_accepted(lab):
    """Connections still queued when the service ends are gone with it; the listener is set up again, once, and with its options."""
    lab.host.put("/tmp/listener.py", LISTENER)
    lab.host.sh("rm -f /tmp/go && mkfifo /tmp/go")
    job = lab.host.bg("exec userland python3 /tmp/listener.py <>/tmp/go")
    lab.node.until("ss -Hltn | grep -q :8088", timeout=60, what="the listener")
    for _ in range(3):
        lab.client.bg(f"nc {NODE_EXT} 8088 </dev/zero >/dev/null")
    lab.host.until("memnetctl -j stats | grep -q '\"endpoints\": *4'", timeout=30, what="its children")
    before = offload.counters(lab.host)["host.link_deaths"]
    lab.node.sh(UNLISTEN, timeout=bound(lab) + 10)
    lab.node.sh(LISTEN)
    offload.wait_link(lab)
    lab.node.until("ss -Hltn | grep -q :8088", timeout=60, what="the listener to be back")
    lab.client.bg(f"echo again | nc -N {NODE_EXT} 8088")
    lab.host.sh("echo >/tmp/go")
    end = time.monotonic() + 60
    while "said" not in job.output():
        assert not job.done and time.monotonic() < end, job.output()
        time.sleep(0.2)
    assert "said b'again" in job.output() and "b'reno" in job.output(), job.output()
    job.kill()
    job.wait(20)
    assert offload.counters(lab.host)["host.link_deaths"] == before + 1, "the new session died, too"
    alive(lab)
    offload.idle(lab)


def test_service_ended_under_load(lab):
    job = blocked(lab)
    jobs = load(lab)
    under_way(lab, jobs)
    cause = uptime(lab)
    lab.node.sh(UNLISTEN, timeout=bound(lab) + 10)
    ended(lab, jobs)
    note = told(lab, job, cause)
    assert offload.link(lab)["state"] != "up"
    lab.node.sh(LISTEN)
    alive(lab)
    offload.idle(lab)
    return note


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 250
