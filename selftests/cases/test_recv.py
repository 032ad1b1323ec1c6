# SPDX-License-Identifier: GPL-2.0
"""Receiving into registered memory: the bytes, that they came without a copy, and every end it can have."""
from selftests.cases import offload
from selftests.cases.test_direct import HAND, blocking, by_hand, clean, link_dies, stream
from selftests.cases.test_failure import RDMA_COMES, RDMA_GOES
from selftests.cases.test_smp import setup      # as all with two processors
from selftests.lab.lab import NODE_SAN

PLACED = "host.direct_received_bytes"
COPIED = "host.copied_to_region_bytes"
READ = "host.copied_to_user_bytes"


LAB = dict(mem={"host": 2048, "node": 1024}, smp=2)


def test_direct_receives_only(lab):
    """What comes while the call waits is written where it belongs; what came before is copied there, once."""
    size = (2 if offload.small(lab) else 16) << 20
    options = f"--recv-direct 4 --send 0 --recv {size}"
    stream(lab, offload.native(), options)
    with offload.Watch(lab) as w:
        out = stream(lab, offload.memnet(), options)
    w.proves(connects=1, accepts=1)
    assert w.host[PLACED] and w.host[PLACED] + w.host[COPIED] == 2 * size, (w.host[PLACED], w.host[COPIED])
    # what the programs say to each other is the rest
    assert w.host[READ] < 1000, w.host[READ]
    clean(lab)
    return f"{100 * w.host[PLACED] // (2 * size)} % not copied; " + out.splitlines()[-1]


def test_jobs_only(lab):
    """Up to eight jobs at a time, and now and then an ordinary call that gets what comes behind them."""
    size = (2 if offload.small(lab) else 16) << 20
    with offload.Watch(lab) as w:
        out = stream(lab, offload.memnet(), f"--recv-async 4 --send 0 --recv {size}")
    w.proves(connects=1, accepts=1)
    placed, copied, read = w.host[PLACED], w.host[COPIED], w.host[READ]
    # what the programs say to each other is read as well
    assert placed and 2 * size <= placed + copied + read < 2 * size + 1000 and read < size // 2, (placed, copied, read)
    clean(lab)
    return f"{100 * w.host[PLACED] // (2 * size)} % not copied; " + out.splitlines()[-1]


def largest(out):
    """The most bytes that one ordinary call, one direct and one job moved in a run: to send, to receive."""
    rows = [offload.words(line) for line in out.splitlines() if line.startswith("stream ")]
    return [[max(int(row[kind].split("/")[way]) for row in rows) for kind in ("ordinary", "direct", "job")]
            for way in (0, 1)]


def test_every_mix(lab):
    """16 sockets, both ways, by ordinary, direct and asynchronous calls: of 4 threads each, which block, up to 8 MiB a
    call; and all in one loop, which does not.

    Native TCP is first. It has the same calls, direct ones by copying; jobs it has none."""
    small = offload.small(lab)
    notes = []
    for io, size, options in (("block", 2 if small else 12, f"--threads 4 --max {1 if small else 8}M"),
                              ("epoll", 1 if small else 3, "--max 512K")):
        options += f" --direct 1 --recv-direct 1 --streams 16 --each --send {size}M --recv {size}M"
        notes += stream(lab, offload.native(), options, io, bound=200).splitlines()[1:]
        with offload.Watch(lab) as w:
            out = stream(lab, offload.memnet(), options + " --async 1 --recv-async 1", io, bound=250)
        w.proves(connects=16, accepts=16)
        for name in (PLACED, COPIED, READ, "host.direct_bytes", "host.copied_from_user_bytes"):
            assert w.host[name] > 50000, (name, w.host[name])
        notes += out.splitlines()[1:]
        if io == "block":
            assert offload.summary(out, "stream")["handed"], out
            sent, received = largest(out)
            assert small or (max(sent) > 4 << 20 and min(sent) > 1 << 20 and max(received) > 2 << 20), out
    clean(lab)
    return "\n".join(notes)


def test_packets_of_the_san_are_lost(lab):
    """Soft-RoCE sends again what was lost, with memory being registered all the while; the link lives, nothing is lost."""
    size = 256 if offload.small(lab) else 1024
    before = offload.link(lab)["counters"]["reconnects"]
    for vm in lab.guests:
        vm.sh("tc qdisc add dev san0 root netem loss 1%")
    try:
        out = stream(lab, offload.memnet(), f"--threads 4 --max 256K --direct 1 --recv-direct 1 --async 1 --recv-async 1 --streams 8 "
                     f"--each --send {size}K --recv {size}K", "block", bound=200)
        drops = [vm.sh("tc -s qdisc show dev san0 | grep -o 'dropped [0-9]*'").split()[1] for vm in lab.guests]
    finally:
        for vm in lab.guests:
            vm.sh("tc qdisc del dev san0 root")
    assert offload.link(lab)["counters"]["reconnects"] == before
    assert all(int(n) for n in drops), drops
    clean(lab)
    return f"{' and '.join(drops)} packets were lost; " + out.splitlines()[-1]


def test_full_pipelines(lab):
    """More small jobs than a socket may have under way, if the node is not faster: a loop is told so and goes on when some
    are over; threads wait."""
    size = 512 if offload.small(lab) else 4096
    options = f"--async 4 --recv-async 4 --streams 2 --max 1K --buffers 1000 --each --send {size}K --recv {size}K"
    with offload.Watch(lab) as w:
        loop = stream(lab, offload.memnet(), options, "epoll")
        threads = stream(lab, offload.memnet(), options + " --threads 4")
    w.proves(connects=4, accepts=4)
    clean(lab)
    return "\n".join(loop.splitlines()[1:] + threads.splitlines()[1:])


RECV = HAND + f"""
RECV_DIRECT, CANCEL = 0x4de5, 0x4de6
EVER = 1 << 48
SHORT = 100000
OVER, CANCELED, RESET = 0x8000, 0x8000 | errno.ECANCELED, 0x8000 | errno.ECONNRESET
region = register(much_at, MUCH, flags=1)
map = results()

def recv(fd, offset, len, flags=0, where=None):
    r = ioctl(RECV_DIRECT, struct.pack("=IIiIQQQ", 40, flags, fd, where or region, offset, len, 99))
    return r if isinstance(r, int) else struct.unpack_from("=Q", r, 32)[0]

def cancel(fd, result, size=16, reserved=0):
    r = ioctl(CANCEL, struct.pack("=IiII", size, fd, result, reserved))
    return r if isinstance(r, int) else 0

def job(fd, offset, len, result, whole=False, where=None):
    got = submit([op(fd, where or region, offset, len, result=result, opcode=2, flags=4 if whole else 0)])
    return got if isinstance(got, int) else -got[1]

def over(*numbers, seconds=20):
    return wait([(n, 0xffffffff, 0) for n in numbers], seconds, flags=1)

def outcome(n):
    return result(map, n) >> 48, result(map, n) & (EVER - 1)

def is_now(what, got, wanted):
    if got != wanted:
        bad.append(f"{{what}}: {{got}}, expected {{wanted}}")

def plain(fd):
    return socket.socket(fileno=os.dup(fd))     # a timeout of Python's would make it non-blocking
"""

WRONG = RECV + f"""
fd = connect("echo")
s = plain(fd)
sent_only = register(much_at, 8192)
says("a region to be sent from", recv(fd, 0, 10, where=sent_only), "EACCES")
says("a job for it", job(fd, 0, 10, 1, where=sent_only), "EACCES")
says("flags", recv(fd, 0, 1, flags=1), "EINVAL")
says("flags of a job", submit([op(fd, region, 0, 1, opcode=2, flags=1)]), "EINVAL")
says("nothing", recv(fd, 0, 0), "EINVAL")
says("one too many", recv(fd, 1, MUCH), "EINVAL")
says("no region", recv(fd, 0, 1, where=999), "ENOENT")
says("no descriptor", recv(-1, 0, 1), "EBADF")
says("no socket", recv(ctx, 0, 1), "ENOTSOCK")
says("not connected", recv(libc.socket(25, socket.SOCK_STREAM, 0), 0, 1), "ENOTCONN")
says("a job, not connected", job(libc.socket(25, socket.SOCK_STREAM, 0), 0, 1, 1), "ENOTCONN")
native = connect("echo", "{NODE_SAN}", socket.AF_INET)
says("native", recv(native, 0, 1), "EOPNOTSUPP")
says("a job, native", job(native, 0, 1, 1), "EOPNOTSUPP")
os.write(native, b"by copy")
says("native, by copy", recv(native, 0, 7, flags=4 | 8), 7)
is_now("what came", much[:7], b"by copy")
says("nothing to cancel", cancel(fd, 5), "ENOENT")
says("a result beyond", cancel(fd, 65536), "EINVAL")
says("reserved", cancel(fd, 5, reserved=1), "EINVAL")
says("nothing there", recv(fd, 0, 10, flags=16), "EAGAIN")
os.set_blocking(fd, False)
says("nothing there, not blocking", recv(fd, 0, 10), "EAGAIN")
os.set_blocking(fd, True)
libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", 0, 300000), 16)
says("SO_RCVTIMEO", recv(fd, 0, 10), "EAGAIN")
libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", 0, 0), 16)
# what was there before, and a little of it
s.sendall(b"0123456789")
while len(s.recv(10, socket.MSG_PEEK)) < 10:
    pass
says("a part of what is there", recv(fd, 50, 4), 4)
says("the rest", recv(fd, 54, 1000), 6)
is_now("both", much[50:60], b"0123456789")
print("\\n".join(bad))
sys.exit(bool(bad))
"""

ENDS = RECV + """
signal.signal(signal.SIGALRM, lambda *_: None)
libc.syscall.restype = ctypes.c_long

def blocked(fd, flags=0):
    "Direct receiving; what libc's ioctl says, for Python repeats what a signal interrupts."
    arg = bytearray(struct.pack("=IIiIQQQ", 40, flags, fd, region, 0, SHORT, 0))
    buf = (ctypes.c_char * 40).from_buffer(arg)
    r = libc.ioctl(ctx, ctypes.c_ulong(RECV_DIRECT), buf)
    return -ctypes.get_errno() if r else struct.unpack_from("=Q", arg, 32)[0]

# in place, posted before anything was sent
fd = connect("echo")
s = plain(fd)
data = os.urandom(1 << 20)
says("a job", job(fd, 100, len(data), 1, whole=True), 0)
writer = threading.Thread(target=s.sendall, args=(data,))
writer.start()
says("a megabyte in place", over(1), 1)
writer.join()
is_now("its result", outcome(1), (OVER, len(data)))
is_now("a megabyte as it was sent", much[100:100 + len(data)] == data, True)
print("placed", flush=True)
while not os.path.exists("/tmp/go"):
    time.sleep(0.1)

# more jobs than the node is told of, over the ends of chunks, and the rest by other calls
sizes = [1, 4095, 4096, 4097, 70000, 3 << 20] + [1000 + 77 * i for i in range(40)]
data = os.urandom(sum(sizes) + SHORT + 5000)
starts = [sum(sizes[:i]) + 3 * i for i in range(len(sizes))]
for i, (at, size) in enumerate(zip(starts, sizes)):
    says(f"job {i}", job(fd, at, size, 10 + i, whole=True), 0)
rest, after = [], threading.Thread(target=lambda: rest.append(s.recv(5000, socket.MSG_WAITALL)))
writer = threading.Thread(target=s.sendall, args=(data,))
writer.start()
says("all the jobs", over(*range(10, 10 + len(sizes))), len(sizes))
says("directly behind them", blocked(fd, flags=8), SHORT)
after.start()
after.join(20)
writer.join(20)
at = 0
for i, (start, size) in enumerate(zip(starts, sizes)):
    is_now(f"result {i}", outcome(10 + i), (OVER, size))
    if i > 0:   # the last call has been put over the first job's
        is_now(f"bytes of job {i}", much[start:start + size] == data[at:at + size] or start < SHORT, True)
    at += size
is_now("what the direct call got", much[:SHORT] == data[at:at + SHORT], True)
is_now("what the ordinary call got", rest and rest[0] == data[at + SHORT:], True)

# an interrupted call takes nothing from who reads next
signal.setitimer(signal.ITIMER_REAL, 0.5)
says("interrupted", blocked(fd), "EINTR")
s.sendall(b"after it")
is_now("not lost", s.recv(100), b"after it")
signal.setitimer(signal.ITIMER_REAL, 0.7)
threading.Timer(0.2, s.sendall, args=(b"some",)).start()
says("interrupted, but has some", blocked(fd, flags=8), 4)

# cancelled: the second of three, then the first
for i in (1, 2, 3):
    says("a job", job(fd, 100 * i, 100, i), 0)
says("none is over", over(1, seconds=0.3), "ETIME")
says("cancel", cancel(fd, 2), 0)
says("it is over", over(2), 1)
is_now("cancelled", outcome(2), (CANCELED, 0))
says("cancel twice", cancel(fd, 2), "ENOENT")
s.sendall(b"a" * 100)
says("the first is over", over(1), 1)
says("cancel the third", cancel(fd, 3), 0)
says("it is over", over(3), 1)
got = outcome(1)[1] + outcome(3)[1]
if got < 100:
    got += len(s.recv(200))
is_now("nothing is lost", got, 100)

# the stream ends
for what, command, more, wanted in (("FIN at once", "fin-first", [], (OVER, 0)),
                                    ("FIN after some", "source 5000 7", [5000], (OVER, 0)),
                                    ("a reset after some", "data-rst 5000 7", [5000], (RESET, 0))):
    other = connect(command)
    for i in (20, 21, 22):
        says(what, job(other, 10000 * i, 10000, i, whole=True), 0)
    says(what, over(20, 21, 22), 3)
    is_now(what, [outcome(i) for i in (20, 21, 22)], [(OVER, n) for n in more] + [wanted] * (3 - len(more)))
    if "FIN" in what:
        says(what + ": again", recv(other, 0, 10), 0)
        says(what + ": a job", job(other, 0, 10, 23), 0)
        is_now(what + ": its result", outcome(23), (OVER, 0))
    os.close(other)

# closed, shut
other = connect("idle")
says("a job", job(other, 0, 10, 30), 0)
libc.shutdown(other, socket.SHUT_RD)
says("shut: over", over(30), 1)
is_now("shut", outcome(30), (OVER, 0))
os.close(other)
other = connect("idle")
says("a job", job(other, 0, 10, 31), 0)
says("another", job(other, 0, 10, 32), 0)
os.close(other)
says("closed: over", over(31, 32), 2)
is_now("closed", [outcome(31), outcome(32)], [(CANCELED, 0)] * 2)

other = connect("echo")
o = plain(other)
o.sendall(b"0123456789")
while len(o.recv(10, socket.MSG_PEEK)) < 10:
    pass
libc.shutdown(other, socket.SHUT_RD)
says("shut, but some had come", recv(other, 33, 4), 4)
says("the rest of it, and no more", recv(other, 37, 1000, flags=8), 6)
is_now("what had come", much[33:43], b"0123456789")
says("shut", recv(other, 0, 10), 0)
o.close()
os.close(other)

# deregistered with jobs under way
mine = register(much_at + SHORT, SHORT, flags=1)
says("a job", job(fd, 0, SHORT, 40, whole=True, where=mine), 0)
says("deregister", deregister(mine), 0)
s.sendall(b"x" * SHORT)
says("it goes on", over(40), 1)
is_now("and has all", outcome(40), (OVER, SHORT))

# as many as there can be, and a call that waits
os.set_blocking(fd, False)
n = 0
while True:
    r = job(fd, n, 1, 1000 + n)
    if r:
        break
    n += 1
says("as many as may be", r, "EAGAIN")
says("that is", n, 256)
os.set_blocking(fd, True)
libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", 0, 300000), 16)
says("one more, and SO_RCVTIMEO", job(fd, n, 1, 1000 + n), "EAGAIN")
libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", 0, 0), 16)
waits = threading.Thread(target=blocked, args=(fd,))
waits.start()
time.sleep(0.3)
print("blocked", *bad, sep="\\n", flush=True)
if "stay" in sys.argv:
    time.sleep(1000)
says("all over when the link is dead", over(*range(1000, 1000 + n)), n)
is_now("by it", outcome(1000), (RESET, 0))
is_now("the last, too", outcome(1000 + n - 1), (RESET, 0))
waits.join(20)
print("ended", *bad, sep="\\n", flush=True)
sys.exit(bool(bad))
"""


def test_wrong_use(lab):
    rc, out = by_hand(lab, WRONG).wait(offload.patience(lab, 90))
    assert rc == 0, out
    clean(lab)


def through(lab, arguments=""):
    """The program, once it sleeps; it waits for us to look at the counters after its first megabyte."""
    lab.host.sh("rm -f /tmp/go")
    with offload.Watch(lab) as w:
        job = blocking(lab, ENDS, arguments, until="placed")
    assert w.host[PLACED] == 1 << 20 and not w.host[COPIED], (w.host[PLACED], w.host[COPIED])
    lab.host.sh("touch /tmp/go")
    return blocking(lab, until="blocked", job=job)


def test_ends(lab):
    """In place without a copy; pipelines, signals, cancelling, ends of the stream; then the program is killed."""
    job = through(lab, "stay")
    lab.host.sh("kill -KILL $(pgrep -f '[p]ython3 /tmp/hand.py')")
    job.wait(20)
    left = job.output().replace("placed", "").replace("blocked", "").strip()
    assert not left, left
    clean(lab)


def test_link_dies_under_jobs(lab):
    link_dies(lab, through(lab))


def test_rdma_device_goes_under_jobs(lab):
    """With keys of the region in the node's hands."""
    link_dies(lab, through(lab), RDMA_GOES, RDMA_COMES)


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 300
test_every_mix.timeout = 600
test_packets_of_the_san_are_lost.timeout = 600
