# SPDX-License-Identifier: GPL-2.0
"""So many regions that the RDMA device knows, given back one by one and with their context."""
import os
import sys

import hand
from stages import *

N = int(sys.argv[1])
m, at = memory(4096 * N)
fd = connect("echo")
regions = [register(at + 4096 * i, 4096, flags=1) for i in range(N)]
says("regions", min(regions) > 0 and len(set(regions)), N)
for first in range(0, N, 200):
    some = range(first, min(first + 200, N))
    for i in some:
        m[4096 * i + 1] = i * 7 % 251
    taken("receive jobs", [op(fd, regions[i], 0, 1, result=i - first, opcode=2, flags=4) for i in some])
    taken("send jobs", [op(fd, regions[i], 1, 1, result=1000 + i - first) for i in some])
    all_over("a byte to each", [(i - first, NONE, 0) for i in some])
    says("its own", all(m[4096 * i] == i * 7 % 251 for i in some), True)
stop("all")
says("given back one by one", sum(deregister(r) for r in regions[:N // 2]), 0)
stop("half")
os.close(hand.ctx)
map.close()
stop("none")
end()
