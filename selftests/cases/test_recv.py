# SPDX-License-Identifier: GPL-2.0
"""Receiving into registered memory: the bytes, that they came without a copy, and every end it can have."""
from selftests.cases import offload, test_smp
from selftests.cases.registered import (COPIED, COPIED_IN, PLACED, READ, SENT, TAIL, Told, by_hand, clean, kill, link_dies, receives,
                                        stream)
from selftests.cases.test_direct import HAND, LIVES
from selftests.cases.test_failure import ADD, DELETE, RDMA_COMES, RDMA_GOES, deaths
from selftests.lab.lab import NODE_SAN

LAB = dict(mem={"host": 2048, "node": 1024}, smp=2)


def setup(lab):
    # While a queueing discipline takes another one's place the interface refuses packets, and Soft-RoCE breaks the queue pair
    # they are from: the one that can lose packets is there before any queue pair is.
    for vm in lab.guests:
        vm.sh("tc qdisc add dev san0 root netem")
    test_smp.setup(lab)


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
        for name in (PLACED, COPIED, READ, SENT, COPIED_IN):
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
        vm.sh("tc qdisc change dev san0 root netem loss 1%")
    try:
        out = stream(lab, offload.memnet(), f"--threads 4 --max 256K --direct 1 --recv-direct 1 --async 1 --recv-async 1 --streams 8 "
                     f"--each --send {size}K --recv {size}K", "block", bound=200)
        drops = [vm.sh("tc -s qdisc show dev san0 | grep -o 'dropped [0-9]*'").split()[1] for vm in lab.guests]
    finally:
        for vm in lab.guests:
            vm.sh("tc qdisc change dev san0 root netem loss 0%")
    assert offload.link(lab)["counters"]["reconnects"] == before
    assert all(int(n) for n in drops), drops
    clean(lab)
    return f"{' and '.join(drops)} packets were lost; " + out.splitlines()[-1]


def test_no_end_is_seen_before_the_bytes(lab):
    """Somebody looks at jobs all the time, on a processor of his own, and compares the bytes as soon as one is over."""
    jobs, bound = 2000 if offload.small(lab) else 20000, offload.patience(lab, 300)
    with offload.Watch(lab) as w:
        out = lab.host.sh(f"mnlooks {offload.memnet()} --jobs {jobs} --bound {bound}", timeout=bound + 10)
    row = offload.summary(out, "looks")
    # by a look that followed another one, which had not found it over
    assert row["jobs"] == jobs and row["seen"] >= jobs // 3, out
    # each job was there before its bytes were sent
    assert w.host[PLACED] == row["bytes"] and not w.host[COPIED] and not w.host[READ], (out, w.host[PLACED], w.host[COPIED])
    clean(lab)
    return out


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


# every size near a border of pages, messages and keys, and the largest there is to be, at the ends of a page
BORDERS = RECV + """
KEY, TOP, WIPE = 2 << 20, 8 << 20, bytes([238])     # KEY: what one stands for, from the first page of a region on
PLACES = 0, 1, 4095
SMALL = 1, 4095, 4096, 4097, 16383, 16384, 16385
few = "few" in sys.argv
import random
much[:TOP + 8192] = random.Random(1).randbytes(TOP + 8192)
land, land_at = memory(TOP + 8192)
land[:] = WIPE * len(land)
fd = connect("echo")
libc.setsockopt(fd, socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", 60, 0), 16)
# a place is an offset in a region that begins with a page, or where another region begins
whence, here = register(much_at, TOP + 8192), register(land_at, TOP + 8192, flags=1)
begins = {place: (register(much_at + place, TOP), register(land_at + place, TOP, flags=1)) for place in PLACES}
calls = moved = 0

def end_if_bad():
    if bad:
        print("\\n".join(bad))
        sys.exit(1)

def direct_to_job(place, size):
    says("a job", job(fd, 0, size, 2, whole=True, where=begins[place][1]), 0)
    says("sent", send(fd, whence, place, size), size)
    says("its end", over(2, seconds=60), 1)
    is_now("its result", outcome(2), (OVER, size))

def job_to_direct(place, size):
    says("received", recv(fd, place, size, flags=8, where=here), size)

def some(n, pos):
    "What is not to be whole has something, and ends with the key."
    says("bytes", 0 < n <= KEY - pos % KEY or n, True)
    end_if_bad()
    return n

def job_to_some_by_direct(place, size):
    have = 0
    while have < size:
        have += some(recv(fd, place + have, size - have, where=here), place + have)

def job_to_some_by_jobs(place, size):
    have = 0
    while have < size:
        says("a job", job(fd, have, size - have, 2, where=begins[place][1]), 0)
        says("its end", over(2, seconds=60), 1)
        have += some(outcome(2)[1] if outcome(2)[0] == OVER else -errno.EIO, place + have)

def there_and_back(way, place, size):
    "And not a byte beside."
    global calls, moved
    got = None
    if way is not direct_to_job:
        got = submit([op(fd, begins[place][0], 0, size, result=1)])
        says("a job that sends", got if isinstance(got, int) else len(got[0]), 1)
        end_if_bad()
    way(place, size)
    if got:
        end, counter = got[0][0]
        says("what sent is over", wait([(1, counter, end)], 60), 1)
    is_now("the same bytes", land[place:place + size] == much[place:place + size], True)
    is_now("the bytes around", (land[place - 1] if place else 238, land[place + size]), (238, 238))
    bad[:] = [f"{way.__name__}, {size} bytes at {place}: {b}" for b in bad]
    end_if_bad()
    land[place:place + size] = WIPE * size
    calls, moved = calls + 1, moved + size

WHOLE, SOME = (direct_to_job, job_to_direct), (job_to_some_by_direct, job_to_some_by_jobs)
for place in PLACES:
    for size in SMALL:
        for way in WHOLE + SOME:
            there_and_back(way, place, size)
# from here on, if there are to be few, each size once for each kind
for place, size in zip(PLACES, (KEY - 1, KEY, KEY + 1)):
    for at in (place,) if few else PLACES:
        for way in WHOLE:
            there_and_back(way, at, size)
for size in (KEY + 1,) if few else (KEY - 1, KEY, KEY + 1):
    for way in SOME:
        there_and_back(way, 4095, size)
there_and_back(direct_to_job, 4095, TOP - 1)
there_and_back(job_to_direct, 1, TOP)
if not few:
    there_and_back(direct_to_job, 0, TOP)
    there_and_back(job_to_direct, 4095, TOP - 1)
print(f"borders calls={calls} bytes={moved}")
"""

# bytes that come before somebody asks for them, afterwards, and as he does; what each costs
ASKED = RECV + LIVES + f"""
import random
NAMES = "{PLACED}", "{COPIED}", "{READ}", "{TAIL}"
fd = connect("echo")
s = plain(fd)

def cost(run, names=NAMES):
    before = counters()
    run()
    now = counters()
    return tuple(now[n] - before[n] for n in names)

def asks(how, size, then):
    "Asks for so many bytes, does the other thing when the host knows of that, and has them."
    if how == "a job":
        says(how, job(fd, 0, size, 1, whole=True), 0)
        then()
        says(how, over(1), 1)
        is_now(how, outcome(1), (OVER, size))
        return
    got = []
    asker = threading.Thread(target=lambda: got.append(recv(fd, 0, size, flags=8)))
    asker.start()
    # it is counted while the socket is locked: what is sent then goes behind it
    late = time.monotonic() + 20
    while not counters()["host.jobs"] and time.monotonic() < late:
        pass
    then()
    asker.join(30)
    is_now(how, got, [size])

for how in ("a call", "a job"):
    # asked for first: nothing is copied, of twice as many bytes either
    for size in (1 << 19, 1 << 20):
        data = os.urandom(size)
        got = cost(lambda: asks(how, size, lambda: s.sendall(data)))
        is_now(f"{{how}} for {{size}} bytes that come later", got, (size, 0, 0, 0))
        is_now(how + ": the bytes", much[:size] == data, True)
    # some were there: those are copied, once, and no others
    early, more = os.urandom(5000), os.urandom(100000)
    s.sendall(early)
    while len(s.recv(5000, socket.MSG_PEEK)) < 5000:
        pass
    got = cost(lambda: asks(how, 105000, lambda: s.sendall(more)))
    is_now(f"{{how}} where some have come", got, (100000, 5000, 0, 0))
    is_now(how + ": all the bytes", much[:105000] == early + more, True)

# they come as they are asked for: each is placed or copied, not both, and not read
placed = copied = 0
for i in range(int(sys.argv[1])):
    data = os.urandom(20000)
    def race():
        s.sendall(data)
        time.sleep(random.random() * 0.005)
        if i % 2:
            says("a call", recv(fd, 0, 20000, flags=8), 20000)
        else:
            says("a job", job(fd, 0, 20000, 1, whole=True), 0)
            says("its end", over(1), 1)
    got = cost(race)
    is_now(f"race {{i}}", (got[0] + got[1], got[2]), (20000, 0))
    is_now("its bytes", much[:20000] == data, True)
    placed, copied = placed + got[0], copied + got[1]

# sent: nothing is copied, of twice as many bytes either
def by_job(size):
    end, counter = submit([op(fd, region, 0, size, result=9)])[0][0]
    says("a job that sends", wait([(9, counter, end)], 20), 1)

fd = connect("sink")
for size in (1 << 19, 1 << 20):
    got = cost(lambda: says("sent", send(fd, region, 0, size), size), ("{SENT}", "{COPIED_IN}"))
    is_now(f"{{size}} bytes sent", got, (size, 0))
    got = cost(lambda: by_job(size), ("{SENT}", "{COPIED_IN}"))
    is_now(f"{{size}} bytes sent by a job", got, (size, 0))
print(f"of those asked for as they came {{placed}} were placed, {{copied}} copied", *bad, sep="\\n")
sys.exit(bool(bad))
"""

# what becomes of a region while a job receives to it; another one is the script's, all the time
LIFE = RECV + LIVES + """
LEN = 20000
libc.mremap.restype = ctypes.c_void_p
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
old, data = b"o" * LEN, os.urandom(LEN)
fd = connect("echo")
s = plain(fd)

def holds(what, at, wanted):
    is_now(what, ctypes.string_at(at, len(wanted)) == wanted, True)

def waits(number):
    "A job that is to have all of a region of its own: where that is, and which it is."
    at = private(old)
    mine = register(at, LEN, flags=1)
    says("a job", job(fd, 0, LEN, number, whole=True, where=mine), 0)
    return at, mine

def ends(what, number):
    "Its bytes come, and others behind it that somebody else has."
    s.sendall(data + b"behind it")
    says(what, over(number), 1)
    is_now(what + ": its result", outcome(number), (OVER, LEN))
    is_now(what + ": what comes behind it", s.recv(9, socket.MSG_WAITALL), b"behind it")

# fork(): it stays the parent's memory, whoever writes to it meanwhile, and also if it was deregistered before
for deregistered in (False, True):
    for who in ("nobody", "the parent", "the child"):
        what = f"fork(), and {who} writes" + (" to what was deregistered" if deregistered else "")
        at, mine = waits(1)
        if deregistered:
            says(what, deregister(mine), 0)
        go, wrote = os.pipe(), os.pipe()
        pid = os.fork()
        if not pid:
            sees = old
            if who == "the child":
                sees = b"c" * LEN
                ctypes.memmove(at, sees, LEN)
            os.write(wrote[1], b"x")
            os.read(go[0], 1)
            os._exit(ctypes.string_at(at, LEN) != sees)
        os.read(wrote[0], 1)
        if who == "the parent":
            ctypes.memmove(at + 5000, b"p" * 10000, 10000)
        ends(what, 1)
        holds(what + ": the parent has the bytes", at, data)
        os.write(go[1], b"x")
        says(what + ": the child does not see them", os.waitpid(pid, 0)[1], 0)
        for end in go + wrote:
            os.close(end)
        if not deregistered:
            says(what, deregister(mine), 0)

# munmap(), and other memory in its place
at, mine = waits(2)
says("munmap()", libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(LEN)), 0)
says("mapped anew", private(old, at), at)
ends("what is unmapped", 2)
holds("what was mapped there anew", at, old)
says("deregister", deregister(mine), 0)

# mremap(): the bytes come to where the memory is now
at, mine = waits(3)
to = private(bytes(LEN))
says("mremap()", libc.mremap(at, LEN, LEN, 3, to), to)
ends("what is moved", 3)
holds("where it is now", to, data)
says("deregister", deregister(mine), 0)

# exec(), with a context that is kept: the memory is nobody's, but the job has its bytes, and its result can be seen
TAKES = '''
import mmap, os, struct, sys, time
map = mmap.mmap(int(sys.argv[1]), 4096, mmap.MAP_SHARED, mmap.PROT_READ)
word = lambda: struct.unpack_from("=Q", map, 8 * 4)[0]
under_way = not word() >> 63
os.write(int(sys.argv[2]), b"x")
late = time.monotonic() + 30
while not word() >> 63 and time.monotonic() < late:
    time.sleep(0.01)
sys.exit(not under_way or word() != 1 << 63 | int(sys.argv[3]))
'''
ready = os.pipe()
pid = os.fork()
if not pid:
    ctx = os.open("/dev/memnet", os.O_RDWR)
    waits(4)
    os.set_inheritable(ctx, True)
    os.set_inheritable(ready[1], True)
    os.execv(sys.executable, [sys.executable, "-c", TAKES, str(ctx), str(ready[1]), str(LEN)])
os.close(ready[1])
says("exec()", os.read(ready[0], 1) == b"x", True)
s.sendall(data + b"behind it")
says("who was executed sees the end", os.waitpid(pid, 0)[1], 0)
is_now("exec(): what comes behind it", s.recv(9, socket.MSG_WAITALL), b"behind it")
until_regions(1)

# a context that is passed to a process that was there before: what that receives is here
here, there = socket.socketpair()
pid = os.fork()
if not pid:
    message, fds, _, _ = socket.recv_fds(there, 100, 1)
    ctx = fds[0]
    os._exit(recv(fd, 0, LEN, flags=8, where=int(message)) != LEN)
kept, ctx = ctx, os.open("/dev/memnet", os.O_RDWR)
at = private(old)
socket.send_fds(here, [str(register(at, LEN, flags=1)).encode()], [ctx])
s.sendall(data)
says("who got the context receives", os.waitpid(pid, 0)[1], 0)
holds("in memory it does not have", at, data)
os.close(ctx)
ctx = kept
until_regions(1)

# a context that is closed with jobs under way: they have their bytes, though nobody hears of it
ctx = os.open("/dev/memnet", os.O_RDWR)
at = private(old)
mine = register(at, LEN, flags=1)
for i in range(4):
    says("a job", job(fd, LEN // 4 * i, LEN // 4, i, whole=True, where=mine), 0)
os.close(ctx)
ctx = kept
s.sendall(data + b"behind it")
is_now("closed: what comes behind them", s.recv(9, socket.MSG_WAITALL), b"behind it")
holds("closed: the bytes", at, data)
until_regions(1)

says("deregister", deregister(region), 0)
until_regions(0)
print("\\n".join(bad))
sys.exit(bool(bad))
"""

# each way by a call and by a job, all of one region, and over the border of a key
BOTH_WAYS = RECV + LIVES + """
LEN = 100000
LANDS = (2 << 20) - 1000

def both_ways(fd):
    data = os.urandom(LEN)
    much[:LEN] = data
    much[LANDS:LANDS + LEN] = bytes(LEN)
    says("a job", job(fd, LANDS, LEN, 1, whole=True), 0)
    says("sent", send(fd, region, 0, LEN), LEN)
    says("what receives is over", over(1), 1)
    is_now("its bytes", much[LANDS:LANDS + LEN] == data, True)
    much[LANDS:LANDS + LEN] = bytes(LEN)
    end, counter = submit([op(fd, region, 0, LEN, result=2)])[0][0]
    says("received", recv(fd, LANDS, LEN, flags=8), LEN)
    says("what sends is over", wait([(2, counter, end)], 20), 1)
    is_now("received bytes", much[LANDS:LANDS + LEN] == data, True)

def report():
    now = counters()
    is_now("regions and their pages", (now["host.regions"], now["host.pinned_pages"]), (1, MUCH // 4096))
    print("; ".join(bad) or "well", flush=True)
"""

AGAIN = BOTH_WAYS + """
print("ready", flush=True)
before = None
for line in sys.stdin:
    if line == "end\\n":
        break
    if before is not None:
        says("the socket of the link that died", send(before, region, 0, 1), "EPIPE", "ECONNRESET")
        os.close(before)
    before = connect("echo")
    both_ways(before)
    report()
"""

# descriptor 4 is a network namespace with a link of its own
TWO = BOTH_WAYS + """
home = os.open("/proc/self/ns/net", os.O_RDONLY)

def apart():
    "A connection over the other link."
    says("setns()", libc.setns(4, 0x40000000), 0)
    fd = connect("echo")
    says("setns()", libc.setns(home, 0x40000000), 0)
    return fd

def at_once(fds):
    "Jobs each way, under way together."
    parts = [os.urandom(LEN) for _ in fds]
    sends = []
    for i, (fd, data) in enumerate(zip(fds, parts)):
        much[i * LEN:i * LEN + LEN] = data
        says("a job", job(fd, LANDS + i * LEN, LEN, 10 + i, whole=True), 0)
    for i, fd in enumerate(fds):
        end, counter = submit([op(fd, region, i * LEN, LEN, result=20 + i)])[0][0]
        sends.append((20 + i, counter, end))
    says("all that receive", over(*range(10, 10 + len(fds))), len(fds))
    says("all that send", wait(sends, 20, flags=1), len(fds))
    for i, data in enumerate(parts):
        is_now(f"bytes of {i}", much[LANDS + i * LEN:LANDS + i * LEN + LEN] == data, True)

print("ready", flush=True)
sys.stdin.readline()
here, there = connect("echo"), apart()
for fd in (here, there, here, there):
    both_ways(fd)
at_once([here, there, here])
says("a job", job(there, 0, LEN, 5, whole=True), 0)
says("is under way", over(5, seconds=0.3), "ETIME")
report()

sys.stdin.readline()
says("it ends with its link", over(5), 1)
is_now("by that", outcome(5), (RESET, 0))
both_ways(here)
os.close(there)
report()

sys.stdin.readline()
there = apart()
for fd in (there, here):
    both_ways(fd)
at_once([here, there])
report()

sys.stdin.readline()
says("a job", job(here, 0, LEN, 6, whole=True), 0)
says("another", job(there, LEN, LEN, 7, whole=True), 0)
says("deregister", deregister(region), 0)
for i, fd in enumerate((here, there)):
    plain(fd).sendall(bytes([i + 1]) * LEN)
says("they go on", over(6, 7), 2)
is_now("to their ends", [outcome(6), outcome(7)], [(OVER, LEN)] * 2)
is_now("with their bytes", much[:2 * LEN] == bytes([1]) * LEN + bytes([2]) * LEN, True)
until_regions(0)
is_now("its pages", counters()["host.pinned_pages"], 0)
print("; ".join(bad) or "well", flush=True)
"""


COPYING = RECV + f"""
import selectors
MANY = 300000

def copying(fd, opcode, offset, len, result, flags=0):
    got = submit([op(fd, region, offset, len, result=result, opcode=opcode, flags=8 | flags)])
    return got if isinstance(got, int) else -got[1] if got[1] else got[0]

def echo(server):
    c = server.accept()[0]
    while data := c.recv(65536):
        c.sendall(data)
    c.close()

server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=echo, args=(server,), daemon=True).start()
looped = libc.socket(25, socket.SOCK_STREAM, 0)
if libc.connect(looped, addr4("127.0.0.1", server.getsockname()[1]), 16):
    raise OSError(ctypes.get_errno(), "connect")
native = connect("echo", "{NODE_SAN}", socket.AF_INET)
much[:MANY] = os.urandom(MANY)
sent_only = register(much_at, 8192)
for name, fd in ("TCP", native), ("loopback", looped):
    says(name + ", direct, without", send(fd, region, 0, 1), "EOPNOTSUPP")
    says(name + ", without", submit([op(fd, region, 0, 1)]), "EOPNOTSUPP")
    says(name + ", receiving without", job(fd, 0, 1, 1), "EOPNOTSUPP")
    says(name + ", to be sent from", submit([op(fd, sent_only, 0, 1, opcode=2, flags=8)]), "EACCES")
    much[1 << 20:(1 << 20) + MANY] = bytes(MANY)
    reader = threading.Thread(target=lambda: is_now(name + ", received", copying(fd, 2, 1 << 20, MANY, 8, flags=4), [(0, 0xffffffff)]))
    reader.start()
    is_now(name + ", sent", copying(fd, 1, 0, MANY, 7), [(0, 0xffffffff)])
    is_now(name + ", what was sent", outcome(7), (OVER, MANY))
    reader.join()
    is_now(name + ", what was received", outcome(8), (OVER, MANY))
    is_now(name + ", the bytes", much[1 << 20:(1 << 20) + MANY] == much[:MANY], True)
    says(name + ", both are over", over(7, 8), 2)
    # told, and a part
    os.set_blocking(fd, False)
    says(name + ", nothing there", copying(fd, 2, 0, 10, 9), "EAGAIN")
    is_now(name + ", told", copying(fd, 1, 0, 5, 9, flags=2), [(0, 0xffffffff)])
    is_now(name + ", how many", os.read(ctx, 8), struct.pack("=Q", 1))
    select = selectors.DefaultSelector()
    select.register(fd, selectors.EVENT_READ)
    is_now(name + ", comes", len(select.select(20)), 1)
    is_now(name + ", as many as there are", copying(fd, 2, 0, 10, 9), [(0, 0xffffffff)])
    is_now(name + ", those", outcome(9), (OVER, 5))
    libc.shutdown(fd, socket.SHUT_WR)
    says(name + ", shut", copying(fd, 1, 0, 1, 9), "EPIPE")
    is_now(name + ", the end comes", len(select.select(20)), 1)
    is_now(name + ", at the end", copying(fd, 2, 0, 10, 9), [(0, 0xffffffff)])
    is_now(name + ", nothing more", outcome(9), (OVER, 0))
# a socket that is offloaded copies nothing for it
fd = connect("echo")
much[:10] = b"by message"
is_now("offloaded, received", copying(fd, 2, 20, 10, 11, flags=4), [(0, 0xffffffff)])
got = copying(fd, 1, 0, 10, 10)
is_now("offloaded, sent", got[0][1] != 0xffffffff, True)
says("both are over", wait([(10, got[0][1], got[0][0]), (11, 0xffffffff, 0)], 20, flags=1), 2)
is_now("what came", much[20:30], b"by message")
print("ended", "\\n".join(bad), flush=True)
sys.exit(bool(bad))
"""


def test_jobs_by_copy(lab):
    """Jobs on sockets that are not offloaded: refused, or done by copying where the program agreed to that."""
    with offload.Watch(lab) as w:
        rc, out = by_hand(lab, COPYING).wait(offload.patience(lab, 60))
    assert rc == 0, out
    w.proves(connects=1, native=1)
    assert w.host[COPIED] == 0, str(w)
    clean(lab)


def test_wrong_use(lab):
    rc, out = by_hand(lab, WRONG).wait(offload.patience(lab, 90))
    assert rc == 0, out
    clean(lab)


def test_ends(lab):
    """In place without a copy; pipelines, signals, cancelling, ends of the stream; then the program is killed."""
    job = receives(lab, ENDS, "stay")
    kill(lab, job)
    left = job.output().replace("placed", "").replace("blocked", "").strip()
    assert not left, left
    clean(lab)


def test_link_dies_under_jobs(lab):
    link_dies(lab, receives(lab, ENDS), DELETE, ADD)


def test_rdma_device_goes_under_jobs(lab):
    """With keys of the region in the node's hands."""
    link_dies(lab, receives(lab, ENDS), RDMA_GOES, RDMA_COMES)


def test_borders(lab):
    """Direct calls and jobs, each way, of sizes around pages, messages and keys, and of 8 MiB, at the ends of a page: the bytes,
    and none beside them. What is sent is not copied, what comes is placed or copied to its region once."""
    with offload.Watch(lab) as w:
        rc, out = by_hand(lab, BORDERS, "few" if offload.small(lab) else "").wait(offload.patience(lab, 250))
    assert rc == 0, out
    moved = offload.summary(out, "borders")["bytes"]
    assert w.host[SENT] == moved and w.host[PLACED] + w.host[COPIED] == moved, (out, w.host[SENT], w.host[PLACED], w.host[COPIED])
    assert not w.host[READ] and w.host[COPIED_IN] == len("echo\n"), (w.host[READ], w.host[COPIED_IN])
    clean(lab)
    return f"{100 * w.host[PLACED] // moved} % not copied; {out.strip()}"


def test_what_is_copied(lab):
    """Exactly: nothing of what comes after it was asked for, nor of what is sent, of twice as many bytes either; what had come
    before is, once; and in a race each byte is either placed or copied."""
    rc, out = by_hand(lab, ASKED, "10" if offload.small(lab) else "40").wait(offload.patience(lab, 150))
    assert rc == 0, out
    clean(lab)
    return out.strip()


def test_life_of_a_region(lab):
    """While a job receives to it: fork(), munmap(), mremap(), exec(), passed on, closed, deregistered."""
    rc, out = by_hand(lab, LIFE).wait(offload.patience(lab, 150))
    assert rc == 0, out
    clean(lab)


def goes_well(program):
    said = program.tell()
    assert said == "well", said


def test_region_is_used_again_over_the_next_link(lab):
    """After each end that a link can have: the region stays, pinned once, and is sent from and received to as before."""
    lab.host.put("/tmp/hand.py", AGAIN)
    program = Told(lab, "exec userland python3 /tmp/hand.py")
    for vm, dies, again in deaths(lab):
        goes_well(program)
        vm.sh(dies, timeout=120)
        # the node's device goes without a word
        lab.host.until("! memnetctl socket show | grep -q ESTAB", timeout=offload.patience(lab, 30), what="the link to die")
        now = offload.counters(lab.host)
        assert now["host.regions"] == 1 and now["host.pinned_pages"] == 4096, now
        vm.sh(again)
        offload.wait_link(lab, timeout=offload.patience(lab, 60))
    goes_well(program)
    program.end("end")
    clean(lab)


def test_region_is_used_over_two_links(lab):
    """In turn and at once; one of them dies, another takes its place, and the region is deregistered with jobs on both."""
    def link(name):
        lab.host.sh(f"memnetctl link add {name} tcps {NODE_SAN} channels 1")
        offload.wait_link(lab, name=name)
        lab.host.sh(f"memnetctl link set {name} netns apart")

    lab.host.sh("mkdir -p /run/netns; ip netns add apart && ip -n apart link set lo up")
    link("second")
    lab.host.put("/tmp/hand.py", TWO)
    program = Told(lab, "exec 4</run/netns/apart; exec userland python3 /tmp/hand.py")
    goes_well(program)
    lab.host.sh("memnetctl link del second", timeout=offload.patience(lab, 30))
    goes_well(program)
    link("third")
    goes_well(program)
    goes_well(program)
    rc, out = program.job.wait(offload.patience(lab, 30))
    assert rc == 0, out
    lab.host.sh("memnetctl link del third", timeout=offload.patience(lab, 30))
    lab.host.sh("ip netns del apart")
    clean(lab)


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 300
test_every_mix.timeout = 600
test_packets_of_the_san_are_lost.timeout = 600
test_borders.timeout = 400
test_no_end_is_seen_before_the_bytes.timeout = 400
