# SPDX-License-Identifier: GPL-2.0
"""As many jobs under way as a context may have, and what becomes of each."""
import os

from stages import *

SOCKETS, EACH, SIZE = 256, 256, 8
ALL = range(SOCKETS * EACH)
region = register(much_at, MUCH, flags=1)
fds = [connect("idle") for _ in range(SOCKETS)]
for i, fd in enumerate(fds):
    receive(f"jobs of socket {i}", fd, region, i * EACH * SIZE, SIZE, range(i * EACH, (i + 1) * EACH))
for n in ALL[::1024]:
    says("none is over", wait([(i, NONE, 0) for i in range(n, n + 1024)], 0), "ETIME")
says("a result beyond", submit([op(fds[0], region, 0, 1, result=len(ALL), opcode=2)]), "EINVAL")
stop("full")
# half of them get their bytes back from an echo, the others' sockets are closed
half = SOCKETS // 2
for i, fd in enumerate(fds):
    if i < half:
        os.write(fd, bytes((i + j) % 251 for j in range(EACH * SIZE)))
    else:
        os.close(fd)
all_over("all are over", [(n, NONE, 0) for n in ALL])
says("some got bytes", all(outcome(n) == (OVER, SIZE) for n in ALL[:half * EACH]), True)
says("the others none", all(outcome(n) == (CANCELED, 0) for n in ALL[half * EACH:]), True)
for i in range(half):
    at = i * EACH * SIZE
    says(f"bytes of socket {i}", much[at:at + EACH * SIZE] == bytes((i + j) % 251 for j in range(EACH * SIZE)), True)

# of those that the node does not know of the end is known at once, and it is their turn no more
fd, cancelled = fds[0], (17, 30, 39, 3)
receive("more than the node knows of", fd, region, 0, 10, range(40))
for n in cancelled[:3]:
    says(f"cancel {n}", cancel(fd, n), 0)
    says("it is over already", wait([(n, NONE, 0)], 0), 1)
says("cancel one that it knows", cancel(fd, cancelled[3]), 0)
all_over("that is over soon", [(cancelled[3], NONE, 0)])
others = [n for n in range(40) if n not in cancelled]
data = bytes((7 * j) % 253 for j in range(10 * len(others)))
os.write(fd, data)
all_over("the others", [(n, NONE, 0) for n in others])
says("each is what it should be", all(outcome(n) == ((CANCELED, 0) if n in cancelled else (OVER, 10)) for n in range(40)), True)
says("in their order", b"".join(much[10 * n:10 * n + 10] for n in others) == data, True)
end()
