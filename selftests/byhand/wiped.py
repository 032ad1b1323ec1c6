# SPDX-License-Identifier: GPL-2.0
"""128 jobs that send are under way; the memory of one that is over is wiped, filled and sent again, while the test ends the link."""
import ctypes
import socket
import struct
import sys
import time

from hand import *

SIZE, SOCKETS, EACH = 65536, 64, 2
FULL, WIPED = b"\x11" * SIZE, b"\xee" * SIZE
region = register(much_at, MUCH)
map = results()
fds = []
for i in range(SOCKETS):
    fds.append(libc.socket(25, socket.SOCK_STREAM, 0))
    if libc.connect(fds[i], addr4(CLIENT_EXT, 4300), 16):
        raise OSError(ctypes.get_errno(), "connect")
under_way = {}


def put(n):
    much[n * SIZE:(n + 1) * SIZE] = FULL
    got = submit([op(fds[n // EACH], region, n * SIZE, SIZE, result=n)])
    if isinstance(got, int):
        much[n * SIZE:(n + 1) * SIZE] = WIPED
        return
    under_way[n] = got[0][0]


def is_over(n):
    """By its socket's counter, which says the position the node has taken, or by its result."""
    end, counter = under_way[n]
    word, = struct.unpack_from("<Q", map, 8 * (65536 + counter))
    return word >> 48 == end >> 48 and (word - end) % (1 << 48) < 1 << 47 or result(map, n) >> 63


for n in range(SOCKETS * EACH):
    put(n)
print("blocked", flush=True)
patience = time.monotonic() + 60
turns = 0
while under_way and time.monotonic() < patience:
    for n in [n for n in under_way if is_over(n)]:
        del under_way[n]
        much[n * SIZE:(n + 1) * SIZE] = WIPED
        put(n)
        turns += 1
time.sleep(2)       # what lies with the device yet is read
print(f"{turns} jobs were over and sent again, {len(under_way)} never", flush=True)
sys.exit(bool(under_way))
