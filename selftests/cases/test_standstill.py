# SPDX-License-Identifier: GPL-2.0
"""A node that stands still, not long enough to be missed: what needs no answer of it is done meanwhile, who waits for one can be killed."""
import time

from selftests.cases import offload
from selftests.cases.test_failure import says
from selftests.lab.lab import CLIENT_EXT, HOST_SAN, NODE_EXT, NODE_SAN

STANDS = 3      # seconds: five of six beats without a sign are its death, and the last may be a beat old


def setup(lab):
    offload.up(lab)


# what a program does by itself, with bytes and a connection that have come: who waits is the last it names
NO_NODE = """
import ctypes, errno, fcntl, mmap, select, socket, struct, sys, termios, threading, time
peer, here, tag = (sys.argv[1], 4242), sys.argv[2], f"alone{time.time_ns()}"
DATA = b"d" * 1000
TCP, IP, SOCKET = socket.IPPROTO_TCP, socket.IPPROTO_IP, socket.SOL_SOCKET
OPTIONS = [(SOCKET, socket.SO_REUSEADDR, 1), (SOCKET, socket.SO_REUSEPORT, 1), (SOCKET, socket.SO_KEEPALIVE, 1),
           (SOCKET, socket.SO_LINGER, bytes(8)), (SOCKET, socket.SO_SNDBUF, 100000), (SOCKET, socket.SO_RCVBUF, 100000),
           (SOCKET, socket.SO_RCVLOWAT, 1), (SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 60, 0)),
           (SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 60, 0)), (TCP, socket.TCP_NODELAY, 1), (TCP, socket.TCP_CORK, 1),
           (TCP, socket.TCP_CORK, 0), (TCP, socket.TCP_QUICKACK, 1), (TCP, socket.TCP_KEEPIDLE, 100), (TCP, socket.TCP_KEEPINTVL, 10),
           (TCP, socket.TCP_KEEPCNT, 5), (TCP, socket.TCP_USER_TIMEOUT, 60000), (TCP, socket.TCP_DEFER_ACCEPT, 5),
           (TCP, socket.TCP_SYNCNT, 5), (TCP, socket.TCP_LINGER2, 5), (IP, socket.IP_TOS, 16), (IP, socket.IP_TTL, 60)]

def call(words):
    s = socket.socket()
    s.connect(peer)
    s.sendall(words.encode() + b"\\n")
    return s

def unread(s):
    return struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, bytes(4)))[0]

def read(s, left):
    got = b""
    while len(got) < left and (more := s.recv(left - len(got))):
        got += more
    return got

class Ring:
    "io_uring with one entry: SOCKET_URING_OP_SIOCOUTQ."
    def __init__(self):
        self.syscall = ctypes.CDLL(None).syscall
        params = ctypes.create_string_buffer(120)
        self.fd = self.syscall(425, 1, params)
        at = struct.unpack_from("20I", params, 40)
        self.sq_tail, self.sq_array, self.cq_tail, self.cqes = at[1], at[6], at[11], at[15]
        self.rings = mmap.mmap(self.fd, 4096)
        self.sqes = mmap.mmap(self.fd, 4096, offset=0x10000000)
    def ask(self, s):
        self.sqes[:40] = struct.pack("BBHiIIQIIQ", 46, 0, 0, s.fileno(), 1, 0, 0, 0, 0, 0)
        struct.pack_into("I", self.rings, self.sq_array, 0)
        struct.pack_into("I", self.rings, self.sq_tail, 1)
        return self.syscall(426, self.fd, 1, 0, 0, None, 0)
    def answer(self):
        end = time.monotonic() + 60
        while not struct.unpack_from("I", self.rings, self.cq_tail)[0]:
            assert time.monotonic() < end, "no answer in the ring"
            time.sleep(0.01)
        return struct.unpack_from("i", self.rings, self.cqes + 8)[0]

ring = Ring()
talks, ends = call("echo"), call(f"sink reply=0 tag={tag}")
talks.sendall(DATA)
while unread(talks) < len(DATA):
    time.sleep(0.01)
listens, asks = socket.socket(), socket.socket()
listens.bind((here, 0))
listens.listen(5)
caller = call(f"call {here} {listens.getsockname()[1]} 1 -- echo")
select.select([listens], [], [])
print("ready", flush=True)
sys.stdin.readline()

slowest = (0, "")
def does(what, wanted, call, *args):
    global slowest
    print(what, flush=True)
    began = time.monotonic()
    got = call(*args)
    slowest = max(slowest, (time.monotonic() - began, what))
    assert wanted is ... or got == wanted, (what, got, wanted)
    return got

# one that cannot do without the node
bind = threading.Thread(target=asks.bind, args=((here, 0),), daemon=True)
bind.start()
new = does("socket", ..., socket.socket)
for s, which in (talks, "connected"), (new, "new"):
    does(f"setsockopt of the {which} one", [None] * len(OPTIONS), lambda: [s.setsockopt(*option) for option in OPTIONS])
    does(f"getsockopt of the {which} one", (1, 0), lambda: (s.getsockopt(TCP, socket.TCP_NODELAY), s.getsockopt(SOCKET, socket.SO_ERROR)))
p, e = select.poll(), select.epoll()
p.register(talks, select.POLLIN | select.POLLOUT)
e.register(talks, select.EPOLLIN | select.EPOLLOUT)
does("poll", [(talks.fileno(), select.POLLIN | select.POLLOUT)], p.poll, 0)
does("epoll", [(talks.fileno(), select.EPOLLIN | select.EPOLLOUT)], e.poll, 0)
does("select", ([talks, listens], [talks], []), select.select, [talks, listens], [talks], [], 0)
does("FIONREAD", len(DATA), unread, talks)
does("send", len(DATA), talks.send, DATA)
does("SIOCOUTQ by io_uring", 1, ring.ask, talks)
does("recv", DATA, talks.recv, len(DATA))
assert does("getsockname", ..., talks.getsockname)[0] == here
does("getpeername", peer, talks.getpeername)
new.setblocking(False)
does("connect", errno.EINPROGRESS, new.connect_ex, peer)
child, who = does("accept", ..., listens.accept)
does("getpeername of the child", who, child.getpeername)
does("send of the child", len(DATA), child.send, DATA)
does("shutdown", None, talks.shutdown, socket.SHUT_WR)
does("send before close", len(DATA), ends.send, DATA)
does("close", None, ends.close)
does("close of the listener", None, listens.close)
print("done, bind", "waits," if bind.is_alive() else "does not,", f"slowest {slowest[1]}: {1000 * slowest[0]:.1f} ms", flush=True)

bind.join(60)
assert asks.getsockname()[1], "not bound"
queued = ring.answer()
assert 0 <= queued <= len(DATA) or queued == -errno.EOPNOTSUPP, queued
select.select([], [new], [], 60)
assert new.getsockopt(SOCKET, socket.SO_ERROR) == 0 and new.getpeername() == peer
child.settimeout(60)
assert read(child, len(DATA)) == DATA and read(talks, len(DATA) + 1) == DATA
said = call(f"stat {tag} 10000").makefile().readline()
assert f"in={len(DATA)} " in said and "running" not in said, said
print("all arrived", flush=True)
"""


def alone(lab, command, stands=False):
    """A program as NO_NODE, while the node stands still where it is to do without; its line on it."""
    limit = STANDS if stands else offload.patience(lab, 30)
    lab.host.sh("rm -f /tmp/go && mkfifo /tmp/go")
    job = lab.host.bg(f"exec userland {command} <>/tmp/go")
    says(lab, job, "ready")
    try:
        if stands:
            lab.node.freeze()
        end = time.monotonic() + limit
        lab.host.sh("echo >/tmp/go", timeout=limit)
        while "\ndone" not in job.output() and not job.done and time.monotonic() < end:
            time.sleep(0.02)
        said = job.output()
    finally:
        lab.node.thaw()
    assert "\ndone" in said, f"[{command}] waits: {said}"
    rc, out = job.wait(offload.patience(lab, 90))
    assert rc == 0 and "all arrived" in out, out
    return next(line for line in out.splitlines() if line.startswith("done"))


def test_what_needs_no_node(lab):
    """What can be done without the node's answer is done while the node stands still, and reaches it later."""
    lab.host.put("/tmp/alone.py", NO_NODE)
    native = alone(lab, f"python3 /tmp/alone.py {NODE_SAN} {HOST_SAN}")
    before = offload.counters(lab.host)["host.link_deaths"]
    with offload.Watch(lab) as w:
        memnet = alone(lab, f"memnet-run python3 /tmp/alone.py {CLIENT_EXT} {NODE_EXT}", stands=True)
    w.proves(connects=5, accepts=1)
    assert "bind waits" in memnet, f"the node did not stand still: {memnet}"
    assert offload.counters(lab.host)["host.link_deaths"] == before, "the link died"
    offload.idle(lab)
    return f"native: {native}; {memnet}"


# who asks the node by setsockopt() is killed, and others ask after him
ASKERS = """
import errno, os, signal, socket, sys, time
peer, here = (sys.argv[1], 4242), sys.argv[2]
OPTION = socket.IPPROTO_TCP, socket.TCP_CONGESTION

def call(s=None):
    s = s or socket.socket()
    s.connect(peer)
    s.sendall(b"echo\\n")
    return s

def talks(s):
    s.sendall(b"word")
    assert s.recv(4, socket.MSG_WAITALL) == b"word"

def asker(s, name, start):
    "A process, since setsockopt() keeps Python's lock; it exits with the errno when there was a word to start."
    pid = os.fork()
    if not pid:
        for other in {connected, ends, bound, new, never} - {s}:
            other.close()
        os.read(start[0], 1)
        try:
            s.setsockopt(*OPTION, name)
        except OSError as e:
            os._exit(e.errno)
        os._exit(0)
    return pid

def states(pids):
    "D: in a call that only SIGKILL ends."
    return [open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] for pid in pids]

def all_wait(pids):
    for _ in range(2):
        while (now := states(pids)) != ["D"] * len(pids):
            print(*now, flush=True)
            time.sleep(0.02)
        time.sleep(0.02)

connected, ends, bound, new, never = call(), call(), socket.socket(), socket.socket(), socket.socket()
bound.bind((here, 0))
first, second = os.pipe(), os.pipe()
killed = [asker(s, b"reno", first) for s in (connected, ends, bound, new, never)]
after = [asker(s, b"nobody's", second) for s in (connected, bound)]
print("ready", flush=True)
sys.stdin.readline()

os.write(first[1], b"reno!")
all_wait(killed)
print("all ask", flush=True)
began = time.monotonic()
for pid in killed:
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
slowest = time.monotonic() - began
ends.close()
never.close()
os.write(second[1], b"no")
all_wait(after)
print(f"done, killed within {1000 * slowest:.0f} ms, two others wait", flush=True)

# their own answers, not those of who was killed; what he said the node has done
for pid in after:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == errno.ENOENT
for s in connected, bound:
    assert s.getsockopt(*OPTION, 16).rstrip(b"\\0") == b"reno"
new.setsockopt(*OPTION, b"reno")
for s in connected, call(bound), call(new):
    talks(s)
print("all arrived", flush=True)
"""


def test_asker_killed(lab):
    """Who waits for the node's answer to setsockopt() can be killed; the socket goes on or goes, and the answer is nobody's."""
    lab.host.put("/tmp/askers.py", ASKERS)
    before = offload.counters(lab.host)["host.link_deaths"]
    note = alone(lab, f"memnet-run python3 /tmp/askers.py {CLIENT_EXT} {NODE_EXT}", stands=True)
    assert offload.counters(lab.host)["host.link_deaths"] == before, "the link died"
    offload.idle(lab)
    return note
