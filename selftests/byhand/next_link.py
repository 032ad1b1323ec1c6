# SPDX-License-Identifier: GPL-2.0
"""One region, used again for each line that is read, by a connection over the link of that time."""
import os
import sys

from both_ways import *

print("ready", flush=True)
before = None
for line in sys.stdin:
    if line == "end\n":
        break
    if before is not None:
        says("the socket of the link that died", send(before, region, 0, 1), "EPIPE", "ECONNRESET")
        os.close(before)
    before = connect("echo")
    both_ways(before)
    report()
