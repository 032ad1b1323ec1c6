# SPDX-License-Identifier: GPL-2.0
"""As many regions as a context may have, and one more."""
import os
import resource

from stages import *

MOST = 65536
m, at = memory(4096)
m[:] = bytes(range(256)) * 16
locked = lambda: [l for l in open("/proc/self/status") if l.startswith("VmLck")]
regions = [register(at + i % 4096, 1) for i in range(MOST)]
says("as many as there may be", min(regions) > 0 and len(set(regions)), MOST)
before = locked()
says("one more", register(at, 1), "ENOSPC")
says("nothing of it is pinned", locked() == before, True)
for i in (777, 0, MOST - 1):
    says("one less", deregister(regions[i]), 0)
    says("its number is the next", register(at, 1), regions[i])
    says("again one more", register(at, 1), "ENOSPC")
fd = connect("sink")
for i in (0, 777, MOST // 2, MOST - 1):
    says("each is there", send(fd, regions[i], 0, 1), 1)
stop("full")
# nothing of so much memory is there, nor made: what may be is judged before
os.setgroups([])
os.setresuid(65534, 65534, 65534)
resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 20, 1 << 20))
says("256 GiB and a byte", register(at, (1 << 38) + 1), "EINVAL")
says("256 GiB, but not for who may have 1 MiB", register(at, 1 << 38), "ENOMEM")
end()
