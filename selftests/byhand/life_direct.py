# SPDX-License-Identifier: GPL-2.0
"""What becomes of a region that is sent from: fork(), munmap(), exec(), passed on, closed, and in a full pipeline."""
import ctypes
import mmap
import os
import resource
import signal
import socket
import struct
import sys
import threading
import time

import hand
from hand import *
from lives import *

LEN = 20000
signal.signal(signal.SIGALRM, lambda *_: None)


def child(run):
    """In a process of its own, which must succeed."""
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
    hand.ctx = os.open("/dev/memnet", os.O_RDWR)
    mine = register(private(parents[:LEN]), LEN)
    os.set_inheritable(hand.ctx, True)
    os.set_inheritable(fd, True)
    arg = struct.pack("=IIiIQQQ", 40, 1, fd, mine, 0, LEN, 0)
    os.execv(sys.executable, [sys.executable, "-c", SENDS, str(hand.ctx), arg.hex()])


child(execs_and_sends)
comes_back("sent after exec()", fd, parents[:LEN])

ready, go = os.pipe(), os.pipe()
os.set_inheritable(ready[1], True)
pid = os.fork()
if not pid:
    hand.ctx = os.open("/dev/memnet", os.O_RDWR | os.O_CLOEXEC)
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
    hand.ctx = fds[0]
    os._exit(send_all(int(message)))
mine, hand.ctx = hand.ctx, os.open("/dev/memnet", os.O_RDWR)
region = register(private(childs[:LEN]), LEN)
socket.send_fds(here, [str(region).encode()], [hand.ctx])
says("who got the context sends", os.waitpid(pid, 0)[1], 0)
comes_back("of memory it does not have", fd, childs[:LEN])

# a context closed with jobs under way
jobs, error = submit([op(fd, region, i, 500, result=i) for i in range(100)])
os.close(hand.ctx)
hand.ctx = mine
says("taken", len(jobs), 100)
comes_back("sent though nobody knows", fd, b"".join(childs[i:i + 500] for i in range(100)))

# what the kernel writes is not to be written by others
status = libc.mmap(None, 4096, 1, mmap.MAP_SHARED, hand.ctx, 0)
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
    """What libc's ioctl says, for Python repeats what a signal interrupts; how many were taken, and what the op behind them says."""
    arg = bytearray(struct.pack("=IIQII", 24, count, ctypes.addressof(ops), 0, 0))
    r = libc.ioctl(hand.ctx, ctypes.c_ulong(SUBMIT), (ctypes.c_char * 24).from_buffer(arg))
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
print("\n".join(bad))
sys.exit(bool(bad))
