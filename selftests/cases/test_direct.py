# SPDX-License-Identifier: GPL-2.0
"""Registered memory and direct transfers: the bytes, that nobody copied them, and every end they can have."""
import json
import re

from selftests.cases import offload
from selftests.cases.registered import COPIED, COPIED_IN, PLACED, SENT, Told, blocking, by_hand, clean, kill, link_dies, stream
from selftests.cases.test_failure import ADD, DELETE, RDMA_COMES, RDMA_GOES
from selftests.lab.lab import CLIENT_EXT, NODE_SAN


def setup(lab):
    offload.up(lab)


def sends_only(lab, options, size):
    """Streams of so many bytes and of twice as many, sent as the options say. Copied is what the programs say to each other,
    which is the same in both: of the bytes that are sent it is none."""
    copied = []
    for n in (size, 2 * size):
        with offload.Watch(lab) as w:
            out = stream(lab, offload.memnet(), f"{options} --seed 4242 --send {n} --recv 0")
        w.proves(connects=1, accepts=1)
        assert w.host[SENT] == 2 * n, w.host[SENT]
        copied.append(w.host[COPIED_IN])
    assert copied[0] == copied[1] < 1000, copied
    clean(lab)
    return out.splitlines()[-1]


def test_direct_sends_only(lab):
    """Not a byte is copied on the host; on a native socket the same calls copy."""
    size = (1 if offload.small(lab) else 8) << 20
    stream(lab, offload.native(), f"--direct 4 --send {size} --recv 0")
    return sends_only(lab, "--direct 4", size)


def test_direct_among_ordinary_sends(lab):
    """16 sockets of 2 threads each, sending by random calls, direct ones among them: every byte in its place."""
    size = (1 if offload.small(lab) else 4) << 20
    options = f"--direct 2 --streams 16 --max 1M --each --send {size} --recv {size // 4}"
    with offload.Watch(lab) as w:
        out = stream(lab, offload.memnet(), options)
    w.proves(connects=16, accepts=16)
    assert w.host[SENT] > size, w.host[SENT]
    assert w.host[COPIED_IN] > size, "no ordinary send among them"
    clean(lab)
    return out.splitlines()[-1]


def test_jobs_only(lab):
    """Asynchronous jobs: nothing is copied, and what they end by is the counter the node writes."""
    return sends_only(lab, "--async 4", (1 if offload.small(lab) else 8) << 20)


def test_jobs_among_all_others(lab):
    """Ordinary, direct and asynchronous sends of random sizes, 16 sockets of 2 threads each."""
    size = (1 if offload.small(lab) else 4) << 20
    options = f"--direct 1 --async 2 --streams 16 --max 1M --each --send {size} --recv {size // 4}"
    with offload.Watch(lab) as w:
        out = stream(lab, offload.memnet(), options)
    w.proves(connects=16, accepts=16)
    assert w.host[COPIED_IN] > size, "no ordinary send among them"
    clean(lab)
    return out.splitlines()[-1]


def test_the_end_of_a_job_is_seen_without_a_system_call(lab):
    """Which seccomp would punish, where there is any, and strace shows. Jobs submitted together share messages."""
    jobs = 200
    command = f"mnjobs {offload.memnet()} --jobs {jobs} --size 70"
    with offload.Watch(lab) as w:
        out = lab.host.sh(command, timeout=offload.patience(lab, 60))
    assert "no seccomp" not in out or offload.debug(lab), out      # the debug kernel has none
    w.proves(connects=1)
    assert w.host[SENT] == 70 * jobs, w.host[SENT]
    sent = w.host["core.messages_sent"]
    assert sent < jobs // 4, sent
    lab.host.sh(f"strace -f -o /tmp/calls {command}", timeout=offload.patience(lab, 60))
    calls = lab.host.sh("sed -n '/looking/,$p' /tmp/calls").splitlines()
    assert len(calls) > 1 and "write(1, \"looking" in calls[0] and "write(1, \"all over" in calls[1], calls
    clean(lab)
    return f"{jobs} jobs: {sent} messages, of all there were"


# entries of a send ring, a quarter of which one completion stands for, and receive requests, half of which are granted together
RING = 256


class Rounds(Told):
    """mnrounds on the host, during a with block."""

    SIZE = 1024

    def __init__(self, lab, options=""):
        super().__init__(lab, f"exec mnrounds {offload.memnet()} --size {self.SIZE} {options}")
        assert self.begins == "ready" or self.begins.startswith("ready") and offload.debug(lab), self.begins
        self.of(RING // 2)      # what is made once, and an event that somebody asked for before

    def of(self, jobs):
        """So many jobs, one by one: what they cost the host. Messages that bring nothing but credits are bounded, and left out
        otherwise. All that writes to a window here are heartbeats; each asks for a completion and an event."""
        with offload.Watch(self.lab) as w:
            said = self.tell(jobs)
        did = re.fullmatch(rf"did {jobs} jobs and slept (\d+) times", said)
        assert did, said
        h = w.host
        cost = {"slept": int(did[1]), "woken": h["host.job_wakeups"], "posted": h["core.messages_sent"],
                "beats": h["core.window_writes"], "signalled": h["core.send_signalled"], "events": h["core.send_events"],
                "sent": h["core.messages_sent"] - h["core.credit_messages"],
                "told": h["core.messages_received"] - w.node["core.credit_messages"], "bytes": h[SENT],
                "placed": h[PLACED], "copied": h[COPIED_IN] + h[COPIED]}
        assert w.node["core.credit_messages"] <= cost["posted"] // (RING // 2) + 1, (cost, w.node["core.credit_messages"])
        return cost

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.end("0")
            clean(self.lab)


def looked_at(cost, jobs):
    """Nobody was woken, nobody slept, nothing was copied; a completion was asked for by a quarter of the ring, and by heartbeats;
    events were theirs alone, which may find another completion first and have one more."""
    assert not cost["slept"] and not cost["woken"] and not cost["copied"], cost
    assert cost["bytes"] == jobs * Rounds.SIZE, cost
    assert cost["signalled"] <= cost["beats"] + cost["posted"] // (RING // 4) + 1, cost
    assert cost["events"] <= cost["beats"] + 3, cost


def test_what_a_job_that_sends_costs(lab):
    """Its message, and for N jobs as for 2N: none from the node, no wake-up, no sleep, no event, a completion for 64 of them;
    seccomp allows no system call but to submit. Where the program sleeps for each job it shows that all of this is counted."""
    n = 512 if offload.small(lab) else 1024
    notes = []
    with Rounds(lab) as rounds:
        for jobs in (n, 2 * n):
            cost = rounds.of(jobs)
            notes.append(f"{jobs} jobs: {cost}")
            assert cost["sent"] == jobs and not cost["told"], cost
            looked_at(cost, jobs)
    with Rounds(lab, "--sleep") as rounds:
        cost = rounds.of(n)
    notes.append(f"{n} jobs, asleep: {cost}")
    # some may be over before it is asleep
    assert min(cost["slept"], cost["woken"], cost["told"], cost["sent"] - n) > n // 10, cost
    return "\n".join(notes)


def test_what_a_job_that_receives_costs(lab):
    """Two messages, one each way, and nothing else: as above, and not a byte is copied. Each receives what another one sends."""
    n = 512 if offload.small(lab) else 1024
    notes = []
    with Rounds(lab, "--landing") as rounds:
        for jobs in (n, 2 * n):
            cost = rounds.of(jobs)
            notes.append(f"{jobs} jobs: {cost}")
            assert cost["sent"] == 2 * jobs and cost["told"] == jobs, cost
            assert cost["placed"] == jobs * Rounds.SIZE, cost
            looked_at(cost, jobs)
    return "\n".join(notes)


def test_a_deregistration_asks_about_its_own_jobs(lab):
    """Of a region with jobs under way it costs a question and an answer for each; of another one jobs cost what they always do."""
    n = 256 if offload.small(lab) else 512
    with Rounds(lab, "--other") as rounds:
        other = rounds.of(n)
    assert other["sent"] == n and not other["told"], other
    with Rounds(lab, "--own") as rounds:
        own = rounds.of(n)
    # some may be over before; so many are not, with the other region either
    assert own["sent"] > n + n // 10 and own["told"] > n // 10, own
    return f"{n} jobs: {own['told']} answers"


def test_event_loop(lab):
    """Called back for each end by a loop that sleeps in epoll; bytes of an echo in order."""
    with offload.Watch(lab) as w:
        out = lab.host.sh(f"mnjobs {offload.memnet()} --loop --jobs 250 --size 1500", timeout=offload.patience(lab, 60))
    w.proves(connects=1)
    assert w.host[SENT] == 1500 * 250, w.host[SENT]
    clean(lab)
    return out.strip()


def test_uring(lab):
    """Jobs submitted by io_uring, which also waits where a socket is full, and tells of their ends."""
    rounds = 5 if offload.small(lab) else 50
    with offload.Watch(lab) as w:
        out = lab.host.sh(f"mnuring {offload.memnet()} --rounds {rounds}", timeout=offload.patience(lab, 60))
    w.proves(connects=4)
    assert w.host[SENT] >= 2 * rounds * 16 * 3000, w.host[SENT]
    lab.client.sh("kill $(pgrep -x mnpuppet); while pgrep -x mnpuppet; do sleep 0.1; done")
    offload.puppet(lab.client)      # that does not hold what it never read
    clean(lab)
    return out


def test_wait_for_several(lab):
    """Asleep until any of many jobs is over, again and again, and then until all are."""
    with offload.Watch(lab) as w:
        out = lab.host.sh(f"mnjobs {offload.memnet()} --wait --jobs 250 --size 4000", timeout=offload.patience(lab, 60))
    w.proves(connects=1)
    assert w.host[SENT] == 4000 * 250, w.host[SENT]
    clean(lab)
    return out.strip()


# /dev/memnet by hand, so that what the library would not say can be said too
HAND = f"""
import ctypes, errno, fcntl, mmap, os, resource, signal, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
ctx = os.open("/dev/memnet", os.O_RDWR)
REGISTER, DEREGISTER, DIRECT, SUBMIT, WAIT = range(0x4de0, 0x4de5)
bad = []

def addr4(host, port):
    return struct.pack("=HH4s8x", 2, socket.htons(port), socket.inet_aton(host))

def connect(command, host="{CLIENT_EXT}", family=25):
    fd = libc.socket(family, socket.SOCK_STREAM, 0)
    if libc.connect(fd, addr4(host, 4242), 16):
        raise OSError(ctypes.get_errno(), "connect")
    # closed in its sleep a connection to a peer that never reads would stay for a minute
    libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0), 8)
    os.write(fd, command.encode() + b"\\n")
    return fd

def ioctl(number, data):
    "The structure as it is afterwards, or the negative errno."
    data = bytearray(data)
    try:
        fcntl.ioctl(ctx, number, data)
    except OSError as e:
        return -e.errno
    return data

def register(addr, len, size=32, flags=0, reserved=0):
    r = ioctl(REGISTER, struct.pack("=IIQQII", size, flags, addr, len, 0, reserved))
    return r if isinstance(r, int) else struct.unpack_from("=I", r, 24)[0]

def deregister(region, size=8):
    r = ioctl(DEREGISTER, struct.pack("=II", size, region))
    return r if isinstance(r, int) else 0

def send(fd, region, offset, len, flags=1, size=40):
    r = ioctl(DIRECT, struct.pack("=IIiIQQQ", size, flags, fd, region, offset, len, 99))
    return r if isinstance(r, int) else struct.unpack_from("=Q", r, 32)[0]

def op(fd, region, offset, len, result=0, opcode=1, flags=0):
    return struct.pack("=HHiIIQQQII", opcode, flags, fd, region, result, offset, len, 0, 0, 99)

def submit(ops, count=None, size=24, at=None, reserved=0):
    "A list of (end, counter) of those taken and the errno of the first refused, or the negative errno."
    n = len(ops) if count is None else count
    buf = ctypes.create_string_buffer(b"".join(ops), 48 * max(len(ops), 1))
    r = ioctl(SUBMIT, struct.pack("=IIQII", size, n, ctypes.addressof(buf) if at is None else at, 0, reserved))
    if isinstance(r, int):
        return r
    done = struct.unpack_from("=I", r, 16)[0]
    rows = [struct.unpack_from("=QII", buf.raw, 48 * i + 32) for i in range(len(ops))]
    return [(end, counter) for end, counter, error in rows[:done]], rows[done][2] if done < len(ops) else 0

def wait(jobs, timeout, flags=0, size=32, count=None):
    "How many are over, or the negative errno; jobs are (result, counter, end), timeout is in seconds, None for ever."
    buf = ctypes.create_string_buffer(b"".join(struct.pack("=IIQ", *j) for j in jobs), 16 * len(jobs) + 16)
    end = -1 if timeout is None else time.clock_gettime_ns(time.CLOCK_MONOTONIC) + int(timeout * 1e9) if timeout else 0
    r = ioctl(WAIT, struct.pack("=IIQIIq", size, flags, ctypes.addressof(buf), len(jobs) if count is None else count, 0, end))
    return r if isinstance(r, int) else struct.unpack_from("=I", r, 20)[0]

def results():
    return mmap.mmap(ctx, 65536 * 8 + 4096 * 8, mmap.MAP_SHARED, mmap.PROT_READ)

def result(map, i):
    return struct.unpack_from("=Q", map, 8 * i)[0]

def memory(len):
    "Memory that nobody else has, and its address."
    m = mmap.mmap(-1, len)
    return m, ctypes.addressof(ctypes.c_char.from_buffer(m))

def says(what, result, *wanted):
    got = errno.errorcode[-result].replace("ENOTSUP", "EOPNOTSUPP") if result < 0 else result
    if got not in wanted:
        bad.append(f"{{what}}: {{got}}, expected {{wanted}}")

MUCH = 16 << 20
much, much_at = memory(MUCH)
"""

WRONG = HAND + f"""
m, at = memory(65536)
says("nothing", register(at, 0), "EINVAL")
says("more than there can be", register(at, (1 << 40) + 1), "EINVAL")
says("round the end", register((1 << 64) - 4096, 8192), "EINVAL")
says("the kernel's memory", register(0xffffffff81000000, 4096), "EFAULT")
says("no memory", register(0, 4096), "EFAULT")
says("half of it is none", register(at, 1 << 36), "EFAULT", "ENOMEM")
says("flags", register(at, 4096, flags=2), "EINVAL")
says("reserved", register(at, 4096, reserved=1), "EINVAL")
says("too short", register(at, 4096, size=24), "EINVAL")
says("as large as can be", register(at, 4096, size=0xffffffff), "E2BIG")
locked = lambda: [l for l in open("/proc/self/status") if l.startswith("VmLck")]
before = locked()
constant, constant_at = memory(4096)
constant[:32] = struct.pack("=IIQQII", 32, 0, at, 4096, 0, 0)
libc.mprotect(ctypes.c_void_p(constant_at), 4096, 1)
says("no place for the result", libc.ioctl(ctx, REGISTER, ctypes.c_void_p(constant_at)) and -ctypes.get_errno(), "EFAULT")
says("nothing of it is left", locked() == before, True)
says("only read, to be received to", register(constant_at, 4096, flags=1), "EFAULT")
only_read = register(constant_at, 4096)
old = tuple(int(n) for n in os.uname().release.split(".")[:2]) < (6, 2)
if old:
    says("a shared mapping that is only read", only_read, "EFAULT", "EOPNOTSUPP")
file = os.memfd_create("file")
os.write(file, b"f" * 8192)
file_map = mmap.mmap(file, 8192)
file_at = ctypes.addressof(ctypes.c_char.from_buffer(file_map))
of_file = register(file_at, 8192, flags=1)
os.ftruncate(file, 0)
says("no such call", ioctl(0x4def, bytes(64)), "ENOTTY")
r = register(at + 100, 5000)
longer = ioctl(REGISTER, struct.pack("=IIQQII8x", 40, 0, at, 4096, 0, 0))
says("longer, but zero", 0 if isinstance(longer, bytearray) else longer, 0)
says("longer, and not zero", ioctl(REGISTER, struct.pack("=IIQQIIQ", 40, 0, at, 4096, 0, 0, 1)), "E2BIG")

fd = connect("sink")
says("all of it", send(fd, r, 0, 5000), 5000)
says("one byte", send(fd, r, 4999, 1), 1)
says("memory that is only read", old or send(fd, only_read, 0, 4096), old or 4096)
says("a file that was cut off", send(fd, of_file, 0, 8192), 8192)
says("nothing", send(fd, r, 0, 0), "EINVAL")
says("one too many", send(fd, r, 0, 5001), "EINVAL")
says("behind the end", send(fd, r, 5000, 1), "EINVAL")
says("far behind", send(fd, r, (1 << 64) - 1, 2), "EINVAL")
says("far too many", send(fd, r, 1, (1 << 64) - 1), "EINVAL")
says("no region", send(fd, 0, 0, 1), "ENOENT")
says("another's region", send(fd, 77777, 0, 1), "ENOENT")
says("flags", send(fd, r, 0, 1, flags=0x100), "EINVAL")
says("no descriptor", send(-1, r, 0, 1), "EBADF")
says("no socket", send(ctx, r, 0, 1), "ENOTSOCK")
unconnected = libc.socket(25, socket.SOCK_STREAM, 0)
says("not connected", send(unconnected, r, 0, 1), "EPIPE")
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
says("UDP", send(udp.fileno(), r, 0, 1, flags=5), "EOPNOTSUPP")
native = connect("sink", "{NODE_SAN}", socket.AF_INET)
says("native", send(native, r, 0, 1), "EOPNOTSUPP")
says("native, by copy", send(native, r, 0, 5000, flags=5), 5000)
libc.shutdown(fd, socket.SHUT_WR)
says("after shutdown", send(fd, r, 0, 1), "EPIPE")
says("deregister", deregister(r), 0)
says("deregister twice", deregister(r), "ENOENT")
says("the read-only one", 0 if old else deregister(only_read), 0)
says("the file's", deregister(of_file), 0)
says("a region that was", send(fd, r, 0, 1), "ENOENT")

regions = [register(at + i % 60000, 1 + i % 5000) for i in range(10000)]
says("10000 regions", min(regions) > 0 and len(set(regions)), 10000)
says("all given back", sum(deregister(r) for r in regions[:9000]), 0)
# the others go with the context
os.setgroups([])
os.setresuid(65534, 65534, 65534)
resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 20, 1 << 20))
says("beyond RLIMIT_MEMLOCK", register(much_at, MUCH), "ENOMEM")
print("\\n".join(bad))
sys.exit(bool(bad))
"""

ENDS = HAND + """
region = register(much_at, MUCH)
signal.signal(signal.SIGALRM, lambda *_: None)
libc.syscall.restype = ctypes.c_long

def blocked(fd):
    "Direct sending of more than anybody takes; what libc's ioctl says, for Python repeats what a signal interrupts."
    arg = bytearray(struct.pack("=IIiIQQQ", 40, 1, fd, region, 0, MUCH, 0))
    buf = (ctypes.c_char * 40).from_buffer(arg)
    r = libc.ioctl(ctx, ctypes.c_ulong(DIRECT), buf)
    return -ctypes.get_errno() if r else struct.unpack_from("=Q", arg, 32)[0]

def some(what, result):
    says(what, 0 < result < MUCH, True)

def little(what, result, wanted):
    "TCP may still have taken a little more."
    if not 0 < result < MUCH // 4:
        says(what, result, wanted)

# a signal
fd = connect("never-read")
signal.setitimer(signal.ITIMER_REAL, 1)
some("interrupted by a signal", blocked(fd))
signal.setitimer(signal.ITIMER_REAL, 0.5)
little("again, with hardly any room", blocked(fd), "EINTR")
os.close(fd)

# a time
fd = connect("never-read")
libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("=qq", 1, 0), 16)
some("SO_SNDTIMEO", blocked(fd))
little("SO_SNDTIMEO with hardly any room", blocked(fd), "EAGAIN")
os.close(fd)

# the peer resets
fd = connect("read=all after=100000 then=rst")
result = blocked(fd)
says("the peer resets", result == -errno.ECONNRESET or 0 < result < MUCH, True)
says("after the reset", send(fd, region, 0, 1), "EPIPE", "ECONNRESET")
os.close(fd)

# two wait for their turn on one socket, the first is interrupted: the second goes on in its place
fd = connect("never-read")
results = []
first = threading.Thread(target=lambda: results.append(blocked(fd)))
first.start()
time.sleep(0.5)
libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("=qq", 1, 0), 16)
says("waits behind another", blocked(fd), "EAGAIN")
libc.shutdown(fd, socket.SHUT_RDWR)

# the region is given back meanwhile
says("deregister in flight", deregister(region), 0)
print("blocked", flush=True)
first.join()
print("ended", results, "\\n".join(bad), flush=True)
sys.exit(bool(bad))
"""


JOBS = HAND + f"""
region = register(much_at, MUCH)
map = results()
EVER = 1 << 48
fd = connect("sink")

# what cannot be meant
says("no jobs", submit([]), "EINVAL")
says("reserved", submit([op(fd, region, 0, 1)], reserved=1), "EINVAL")
says("too short", submit([op(fd, region, 0, 1)], size=16), "EINVAL")
says("no memory", submit([op(fd, region, 0, 1)], at=4096), "EFAULT")
says("no operation", submit([op(fd, region, 0, 1, opcode=0)]), "EINVAL")
says("another operation", submit([op(fd, region, 0, 1, opcode=9)]), "EINVAL")
says("flags", submit([op(fd, region, 0, 1, flags=0x80)]), "EINVAL")
says("no result word", submit([op(fd, region, 0, 1, result=65536)]), "EINVAL")
says("no region", submit([op(fd, 99, 0, 1)]), "ENOENT")
says("no bytes", submit([op(fd, region, 0, 0)]), "EINVAL")
says("beyond the region", submit([op(fd, region, MUCH, 1)]), "EINVAL")
says("no descriptor", submit([op(-1, region, 0, 1)]), "EBADF")
says("no socket", submit([op(ctx, region, 0, 1)]), "ENOTSOCK")
native = connect("sink", "{NODE_SAN}", socket.AF_INET)
says("native", submit([op(native, region, 0, 1)]), "EOPNOTSUPP")
says("not connected", submit([op(libc.socket(25, socket.SOCK_STREAM, 0), region, 0, 1)]), "EPIPE")
try:
    mmap.mmap(ctx, 4096)
    bad.append("results can be written")
except OSError as e:
    says("writing results", -e.errno, "EPERM")

# one after another, and a bad one behind good ones
jobs, error = submit([op(fd, region, i, 100, result=i) for i in range(20)] + [op(fd, region, 0, 0)])
says("20 taken", len(jobs), 20)
says("the 21st", -error, "EINVAL")
refs = [(i, counter, end) for i, (end, counter) in enumerate(jobs)]
says("all of them", wait(refs, 20, flags=1), 20)
says("their ends", all(b - a == 100 for (a, _), (b, _) in zip(jobs, jobs[1:])), True)
says("one counter", len(set(counter for _, counter in jobs)), 1)
says("wait for none", wait([], 1), "EINVAL")
says("wait for too many", wait(refs, 1, count=1025), "EINVAL")
says("wait with flags", wait(refs, 1, flags=4), "EINVAL")
says("a job that never was", wait([(77, refs[0][1], refs[-1][2] + 1)], 0.3), "ETIME")
says("one of nobody", wait([(77, 4095, 1)], 0), "ETIME")
says("a result beyond", wait([(1 << 31, 1 << 31, 1)], 0), "ETIME")

# many connections, each with its counter; the words of closed ones are used again
for _ in range(3):
    fds = [connect("sink") for _ in range(20)]
    got = [submit([op(f, region, 0, 5000, result=100 + i)])[0][0] for i, f in enumerate(fds)]
    says("20 counters", len(set(counter for _, counter in got)), 20)
    says("20 sockets' jobs", wait([(100 + i, c, e) for i, (e, c) in enumerate(got)], 20, flags=1), 20)
    for f in fds:
        os.close(f)

# a word is another job's as soon as the counter of its job has passed, before the kernel knows
first, second = connect("sink"), connect("never-read")
end, counter = submit([op(first, region, 0, 1000, result=7)])[0][0]
passed = lambda: (struct.unpack_from("=Q", map, 8 * (65536 + counter))[0] - end) % EVER < EVER // 2
late = time.monotonic() + 20
while not passed() and time.monotonic() < late:
    time.sleep(0.01)
says("its counter passes", passed(), True)
end, other = submit([op(second, region, 0, MUCH, result=7)])[0][0]
after, counter = submit([op(first, region, 0, 1000, result=8)])[0][0]
says("the next of the first socket", wait([(8, counter, after)], 20), 1)
says("the word's new job is under way", result(map, 7) >> 63, 0)
says("so it is in the kernel", wait([(7, other, end)], 0), "ETIME")
os.close(second)
says("it ends with its connection", wait([(7, other, end)], 20), 1)
says("by an error or with fewer", result(map, 7) & (EVER - 1) < MUCH, True)

# an eventfd is told of those that ask for it, one after another, until it is replaced
def eventfd(fd, size=8):
    r = ioctl(0x4de7, struct.pack("=Ii", size, fd))
    return r if isinstance(r, int) else 0

def told_of(fd, n):
    "So many, soon: a counter may pass before the kernel has noticed."
    late = time.monotonic() + 10
    while n > 0 and time.monotonic() < late:
        try:
            n -= os.eventfd_read(fd)
        except BlockingIOError:
            time.sleep(0.01)
    return n

first, second = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)
says("no eventfd", eventfd(fd), "EINVAL")
says("no descriptor", eventfd(12345), "EBADF")
says("a strange descriptor", eventfd(-2), "EINVAL")
says("an eventfd", eventfd(first), 0)
ends = submit([op(fd, region, 0, 10, result=900 + i, flags=2 * (i % 2)) for i in range(6)])[0]
says("six jobs", wait([(900 + i, c, e) for i, (e, c) in enumerate(ends)], 20, flags=1), 6)
says("three told of", told_of(first, 3), 0)
says("another", eventfd(second), 0)
ends = submit([op(fd, region, 0, 10, result=900, flags=2)])[0]
says("a job", wait([(900, ends[0][1], ends[0][0])], 20), 1)
says("the other was told", told_of(second, 1), 0)
says("none any more", eventfd(-1), 0)
ends = submit([op(fd, region, 0, 10, result=900, flags=2)])[0]
says("a job", wait([(900, ends[0][1], ends[0][0])], 20), 1)
for f in (first, second):
    try:
        bad.append(f"an eventfd says {{os.eventfd_read(f)}}")
    except BlockingIOError:
        os.close(f)
told = 5

# a peer that does not read: 256 jobs, no more
slow = connect("never-read")
os.set_blocking(slow, False)
taken = []
while True:
    got = submit([op(slow, region, 0, 1 << 20, result=1000 + len(taken), flags=2)])
    if isinstance(got, int):
        break
    taken += got[0]
says("pipeline is full", got, "EAGAIN")
says("jobs under way", len(taken) >= 256, True)
refs = [(1000 + i, counter, end) for i, (end, counter) in enumerate(taken)]
says("the last of them", wait(refs[-1:], 0.5), "ETIME")
says("any of them", wait(refs[-10:], 0), "ETIME")
other = os.open("/dev/memnet", os.O_RDWR)
mine, ctx = ctx, other
r = register(much_at, 4096)
says("another context", submit([op(slow, r, 0, 1)]), "EBUSY")
os.close(other)
ctx = mine
says("deregister with jobs under way", deregister(region), 0)
print("\\n".join(bad + ["blocked"]), flush=True)
if "stay" in sys.argv:
    time.sleep(1000)
over = wait(refs, 60, flags=1)
says("all over when the link is dead", over, len(refs))
says("the last failed", result(map, refs[-1][0]) >> 48, 0x8000 | errno.ECONNRESET, 0x8000 | errno.EPIPE)
os.set_blocking(ctx, False)
says("notified", struct.unpack("=Q", os.read(ctx, 8))[0], len(refs) + told)
print("ended", "\\n".join(bad), flush=True)
sys.exit(bool(bad))
"""


# memory and processes whose life a script is about, and what the host counts
LIVES = """
import json, subprocess
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS

def private(data, at=None):
    "Private memory with these bytes, at an address if there is one."
    at = libc.mmap(at, len(data), 3, PRIVATE | (0x10 if at else 0), -1, 0)
    ctypes.memmove(at, data, len(data))
    return at

def counters():
    rows = json.loads(subprocess.run(["memnetctl", "-j", "stats"], capture_output=True).stdout)
    return {f"{group}.{name}": n for group, values in rows.items() for name, n in values.items()}

def regions():
    return counters()["host.regions"]

def until_regions(n):
    "So many, soon: the device may still have to let go of one."
    late = time.monotonic() + 20
    while regions() != n and time.monotonic() < late:
        time.sleep(0.1)
    says("regions", regions(), n)

def comes_back(what, fd, wanted):
    "What an echo sends, whoever it was that sent it there."
    got = b""
    while len(got) < len(wanted):
        more = os.read(fd, len(wanted) - len(got))
        if not more:
            break
        got += more
    says(what, got == wanted, True)

"""

LIFE = HAND + LIVES + """
LEN = 20000
signal.signal(signal.SIGALRM, lambda *_: None)

def child(run):
    "In a process of its own, which must succeed."
    pid = os.fork()
    if not pid:
        status = 99
        try:
            status = run() or 0
        finally:
            os._exit(status)
    says(f"child {run.__name__}", os.waitpid(pid, 0)[1], 0)

def send_all(where):
    return send(fd, where, 0, LEN) != LEN

fd = connect("echo")

# fork(): who writes gets memory of his own, and the region stays the parent's
parents, childs = b"parent's " * LEN, b"child's " * LEN
at = private(parents[:LEN])
region = register(at, LEN)
def writes_and_sends():
    ctypes.memmove(at, childs, LEN)
    return send_all(region)
child(writes_and_sends)
comes_back("the child's send is of the parent's memory", fd, parents[:LEN])
ctypes.memmove(at, childs, LEN)
says("the parent sends", send(fd, region, 0, LEN), LEN)
comes_back("what the parent has written", fd, childs[:LEN])

# munmap(), and other memory in its place
says("munmap", libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(LEN)), 0)
says("what is unmapped", send(fd, region, 0, LEN), LEN)
comes_back("unmapped", fd, childs[:LEN])
says("mapped anew", private(parents[:LEN], at), at)
says("what was there before", send(fd, region, 0, LEN), LEN)
comes_back("what was there before", fd, childs[:LEN])
says("deregister", deregister(region), 0)

# exec(): with a context that is kept, the memory of who registered it can still be sent; else nothing is left
SENDS = "import fcntl, sys; fcntl.ioctl(int(sys.argv[1]), 0x4de2, bytes.fromhex(sys.argv[2]))"
def execs_and_sends():
    global ctx
    ctx = os.open("/dev/memnet", os.O_RDWR)
    mine = register(private(parents[:LEN]), LEN)
    os.set_inheritable(ctx, True)
    os.set_inheritable(fd, True)
    arg = struct.pack("=IIiIQQQ", 40, 1, fd, mine, 0, LEN, 0)
    os.execv(sys.executable, [sys.executable, "-c", SENDS, str(ctx), arg.hex()])
child(execs_and_sends)
comes_back("sent after exec()", fd, parents[:LEN])

ready, go = os.pipe(), os.pipe()
os.set_inheritable(ready[1], True)
pid = os.fork()
if not pid:
    ctx = os.open("/dev/memnet", os.O_RDWR | os.O_CLOEXEC)
    mine = register(private(parents[:LEN]), LEN)
    os.write(ready[1], b"x" if mine > 0 else b"-")
    os.read(go[0], 1)
    os.execv(sys.executable, [sys.executable, "-c", f"import os, time; os.write({ready[1]}, b'e'); time.sleep(1000)"])
says("another region", os.read(ready[0], 1) == b"x", True)
until_regions(1)
os.write(go[1], b"x")
says("exec()", os.read(ready[0], 1) == b"e", True)
until_regions(0)
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)

# a context that is passed to a process that was there before
here, there = socket.socketpair()
pid = os.fork()
if not pid:
    message, fds, _, _ = socket.recv_fds(there, 100, 1)
    ctx = fds[0]
    os._exit(send_all(int(message)))
mine, ctx = ctx, os.open("/dev/memnet", os.O_RDWR)
region = register(private(childs[:LEN]), LEN)
socket.send_fds(here, [str(region).encode()], [ctx])
says("who got the context sends", os.waitpid(pid, 0)[1], 0)
comes_back("of memory it does not have", fd, childs[:LEN])

# a context closed with jobs under way
jobs, error = submit([op(fd, region, i, 500, result=i) for i in range(100)])
os.close(ctx)
ctx = mine
says("taken", len(jobs), 100)
comes_back("sent though nobody knows", fd, b"".join(childs[i:i + 500] for i in range(100)))

# what the kernel writes is not to be written by others
status = libc.mmap(None, 4096, 1, mmap.MAP_SHARED, ctx, 0)
says("a page of results", status != ctypes.c_void_p(-1).value, True)
says("to be written", libc.mprotect(ctypes.c_void_p(status), 4096, 3) and -ctypes.get_errno(), "EACCES")

# asleep until any is over, and until there is a turn
def cancel(fd, result):
    r = ioctl(0x4de6, struct.pack("=IiII", 16, fd, result, 0))
    return r if isinstance(r, int) else 0

def timeout(fd, microseconds):
    libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("=qq", 0, microseconds), 16)

region = register(much_at, MUCH)
slow = connect("never-read")
jobs, _ = submit([op(slow, region, 0, 1 << 20, result=i) for i in range(256)])
says("a full pipeline", len(jobs), 256)
refs = [(i, counter, end) for i, (end, counter) in enumerate(jobs)]
says("none of the last is over", wait(refs[-50:], 0.2), "ETIME")
got = []
waits = threading.Thread(target=lambda: got.append(wait(refs[-50:], 60)))
waits.start()
time.sleep(0.3)
says("asleep", got == [], True)
says("cancel one", cancel(slow, 230), 0)
waits.join(30)
says("so one is over", got == [1], True)
says("a job in its place", len(submit([op(slow, region, 0, 1, result=300)])[0]), 1)
timeout(slow, 300000)
says("SO_SNDTIMEO", submit([op(slow, region, 0, 1, result=301)]), "EAGAIN")
timeout(slow, 0)
got = []
waits = threading.Thread(target=lambda: got.append(submit([op(slow, region, 0, 1, result=301)])))
waits.start()
time.sleep(0.3)
says("waits for its turn", got == [], True)
says("cancel another", cancel(slow, 231), 0)
waits.join(30)
says("has it", len(got) and len(got[0][0]), 1)

def submit_once(ops, count):
    "What libc's ioctl says, for Python repeats what a signal interrupts; how many were taken, and what the op behind them says."
    arg = bytearray(struct.pack("=IIQII", 24, count, ctypes.addressof(ops), 0, 0))
    r = libc.ioctl(ctx, ctypes.c_ulong(SUBMIT), (ctypes.c_char * 24).from_buffer(arg))
    done = struct.unpack_from("=I", arg, 16)[0]
    return -ctypes.get_errno() if r else 0, done, struct.unpack_from("=I", ops, 48 * done + 44)[0] if done < count else None

signal.setitimer(signal.ITIMER_REAL, 0.5)
ret, done, error = submit_once(ctypes.create_string_buffer(op(slow, region, 0, 1, result=302), 48), 1)
says("interrupted", ret, "EINTR")
says("and its op", -error, "EINTR")
os.close(slow)
COUNT = 300000
many = ctypes.create_string_buffer(op(connect("sink"), region, 0, 1, result=400) * COUNT, 48 * COUNT)
signal.setitimer(signal.ITIMER_REAL, 0.3)
ret, done, error = submit_once(many, COUNT)
says("many jobs", ret, 0)
says("interrupted soon", 0 < done < COUNT, True)
says("the one behind them", -(error or 0), "EINTR")
says("deregister", deregister(region), 0)
until_regions(0)

# what is not in use any more does not count, however soon the next is registered
os.setgroups([])
os.setresuid(65534, 65534, 65534)
resource.setrlimit(resource.RLIMIT_MEMLOCK, (MUCH // 4, MUCH // 4))
fd = connect("sink")
for i in range(30):
    region = register(much_at, MUCH // 4)
    says(f"register {i}", min(region, 1), 1)
    says("all of it", send(fd, region, 0, 60000), 60000)
    if i % 2:
        end, counter = submit([op(fd, region, 0, 5000, result=500)])[0][0]
        says("a job", wait([(500, counter, end)], 20), 1)
    says("more than may be", register(much_at, 4096), "ENOMEM")
    says("deregister", deregister(region), 0)
print("\\n".join(bad))
sys.exit(bool(bad))
"""


# A is a process with a context and a region there; this one, B, has been given the context and is as free as anybody
MEMLOCK = HAND + LIVES + """
PAGE = 4096
os.setgroups([])
os.setresuid(65534, 65534, 65534)

def limit(pages):
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (pages * PAGE, 1 << 20))

def locked(pid):
    "Pages charged to a process."
    line = next(l for l in open(f"/proc/{pid}/status") if l.startswith("VmLck:"))
    return int(line.split()[1]) * 1024 // PAGE

def pages(n):
    "A region of so many, or the negative errno."
    return register(private(bytes(n * PAGE)), n * PAGE)

here, there = socket.socketpair()
DEREGISTER_IT, PAGES = 0, 1
A = os.fork()
if not A:
    here.close()
    ctx = os.open("/dev/memnet", os.O_RDWR)
    limit(16)
    mine = register(private(b"A" * (4 * PAGE)), 4 * PAGE)
    socket.send_fds(there, [struct.pack("=i", mine)], [ctx])
    while True:
        message = there.recv(8)
        if len(message) < 8:
            os._exit(1)
        what, n = struct.unpack("=ii", message)
        there.send(struct.pack("=i", deregister(n) if what == DEREGISTER_IT else pages(n)))
there.close()
message, fds, _, _ = socket.recv_fds(here, 4, 1)
own, ctx, of_a = ctx, fds[0], struct.unpack("=i", message)[0]
os.set_inheritable(ctx, False)
B = os.getpid()

def a_says(what, n):
    here.send(struct.pack("=ii", what, n))
    return struct.unpack("=i", here.recv(4))[0]

def charged(what, a, b):
    now = locked(A), locked(B)
    if now != (a, b):
        bad.append(f"{what}: {now} pages are charged to A and B, expected {(a, b)}")

says("A's region", min(of_a, 1), 1)
charged("A has registered", 4, 0)

# who registers is charged, whosever the context is, and it is he who gets it back, whoever deregisters
limit(64)
region = pages(5)
says("B registers", min(region, 1), 1)
charged("B has registered", 4, 5)
says("A deregisters B's", a_says(DEREGISTER_IT, region), 0)
charged("A has deregistered B's", 4, 0)
region = a_says(PAGES, 12)
says("A registers", min(region, 1), 1)
charged("A has registered more", 16, 0)

# his limit counts, not the other's
says("more than A may", a_says(PAGES, 1), "ENOMEM")
more = pages(32)
says("B may have it", min(more, 1), 1)
charged("both", 16, 32)
says("B deregisters A's", deregister(region), 0)
charged("B has deregistered A's", 4, 32)
limit(16)
says("more than B may", pages(1), "ENOMEM")
region = a_says(PAGES, 1)
says("A may have it", min(region, 1), 1)
says("B deregisters both", deregister(region) or deregister(more), 0)
charged("none of them", 4, 0)
says("one too many", pages(17), "ENOMEM")

# what B has deregistered does not count when it registers again, through whichever context
contexts = [(own, connect("sink")), (ctx, connect("sink"))]
passed = ctx
buffer = private(b"B" * (16 * PAGE))
for i in range(20):
    ctx, fd = contexts[i % 2]
    region = register(buffer, 16 * PAGE)
    says(f"register {i}", min(region, 1), 1)
    says("all of it", send(fd, region, 0, 60000), 60000)
    end, counter = submit([op(fd, region, 0, 5000, result=500)])[0][0]
    says("a job", wait([(500, counter, end)], 20), 1)
    says("more than may be", pages(1), "ENOMEM")
    says("deregister", deregister(region), 0)
ctx = passed
until_regions(1)
charged("all that is left is A's", 4, 0)

# A is no more; its region is, as long as somebody has the context, and then it is not either
os.kill(A, signal.SIGKILL)
os.waitpid(A, 0)
fd = connect("echo")
says("A's region, sent by B", send(fd, of_a, 0, 4 * PAGE), 4 * PAGE)
comes_back("what A had written", fd, b"A" * (4 * PAGE))
now = counters()
says("a region", now["host.regions"], 1)
says("its pages", now["host.pinned_pages"], 4)
os.close(ctx)
until_regions(0)
says("no pages", counters()["host.pinned_pages"], 0)
print("\\n".join(bad))
sys.exit(bool(bad))
"""


def test_wrong_use(lab):
    """Every argument out of its bounds is refused, with the right errno; nothing is left of it."""
    rc, out = by_hand(lab, WRONG).wait(offload.patience(lab, 90))
    assert rc == 0, out
    clean(lab)


def test_life_of_a_region(lab):
    """fork(), munmap(), exec(), passed on, closed, full pipelines, signals, and RLIMIT_MEMLOCK: what becomes of it."""
    rc, out = by_hand(lab, LIFE).wait(offload.patience(lab, 120))
    assert rc == 0, out
    clean(lab)


def test_who_is_charged(lab):
    """The process that registers, by its own limit, whoever made the context, deregisters, or lives longer; what it has
    deregistered does not count for long, through whichever context it comes again."""
    rc, out = by_hand(lab, MEMLOCK).wait(offload.patience(lab, 120))
    assert rc == 0, out
    clean(lab)


def test_ends_of_a_direct_send(lab):
    """A signal, a time, a reset, an interrupted neighbour; then the program is killed in its sleep."""
    job = blocking(lab, ENDS)
    before = offload.counters(lab.host)
    assert before["host.jobs"] == 1 and before["host.regions"] == 1, before
    kill(lab, job)
    clean(lab)


def test_link_dies_under_a_direct_send(lab):
    return link_dies(lab, blocking(lab, ENDS), DELETE, ADD)


def test_jobs_by_hand(lab):
    """Every argument out of its bounds; counters; a full pipeline, which is shown; then the program is killed."""
    job = blocking(lab, JOBS, "stay")
    shown = sorted(s["jobs"] for s in json.loads(lab.host.sh("memnetctl -j socket show")))
    assert shown[-1] == 256 and not any(shown[:-1]), shown
    assert lab.host.sh("memnetctl socket show").split("\n")[0].split()[7] == "JOBS"
    kill(lab, job)
    assert not job.output().replace("blocked", "").strip(), job.output()
    clean(lab)


def test_link_dies_under_jobs(lab):
    """Each job is over, with what TCP took or an error."""
    link_dies(lab, blocking(lab, JOBS), DELETE, ADD)


def test_rdma_device_goes_under_a_direct_send(lab):
    """With the region mapped for it."""
    return link_dies(lab, blocking(lab, ENDS), RDMA_GOES, RDMA_COMES)


def test_rdma_device_goes_under_jobs(lab):
    link_dies(lab, blocking(lab, JOBS), RDMA_GOES, RDMA_COMES)


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 300
