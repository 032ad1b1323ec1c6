# SPDX-License-Identifier: GPL-2.0
"""As many sockets with counters as a context may have, and one more."""
import errno
import os
import resource
import time

from stages import *

MOST = 4096
resource.setrlimit(resource.RLIMIT_NOFILE, (MOST + 100, MOST + 100))
fds = [connect("sink") for _ in range(MOST + 2)]
m, at = memory(4096)
region = register(at, 4096)
jobs = []
for i, fd in enumerate(fds[:MOST]):
    jobs += [(i, counter, end) for end, counter in taken(f"the job of socket {i}", [op(fd, region, 0, 1, result=i)])]
says("each has a counter", sorted(counter for _, counter, _ in jobs) == list(range(MOST)), True)
all_over("each is over", jobs)
late, later = fds[MOST:]
says("one more", submit([op(late, region, 0, 1, result=MOST)]), "ENOSPC")
says("a direct call needs none", send(late, region, 0, 1), 1)
stop("full")
for fd, i in ((late, 1500), (later, 3)):
    says("there is none", submit([op(fd, region, 0, 1, result=MOST)]), "ENOSPC")
    os.close(fds[i])
    patience = time.monotonic() + 30
    while (got := submit([op(fd, region, 0, 1, result=MOST)])) == -errno.ENOSPC and time.monotonic() < patience:
        time.sleep(0.1)
    says("there is one again", got if isinstance(got, int) else len(got[0]), 1)
    if not isinstance(got, int):
        says("that of the closed socket", got[0][0][1], jobs[i][1])
        all_over("it serves another", [(MOST, got[0][0][1], got[0][0][0])])
end()
