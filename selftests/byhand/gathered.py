# SPDX-License-Identifier: GPL-2.0
"""8 MiB sent of huge pages, or of small ones that lie scattered in memory."""
import ctypes
import mmap
import os
import random
import sys
import threading

from stages import *

SIZE, PAGE = 8 << 20, 4096
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
huge = sys.argv[1] == "huge"
at = libc.mmap(None, SIZE, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | (0x40000 if huge else 0), -1, 0)
says("memory", at != ctypes.c_void_p(-1).value, True)
if not huge:
    says("small pages", libc.madvise(at, SIZE, 15), 0)
pages = list(range(SIZE // PAGE))
random.Random(1).shuffle(pages)     # those that follow each other in memory do not lie behind each other
contents = {i: bytes([i % 251, i // 251]) * (PAGE // 2) for i in pages}
for i in pages:
    ctypes.memmove(at + PAGE * i, contents[i], PAGE)
region = register(at, SIZE)
fd = connect("echo")
sender = threading.Thread(target=lambda: says("all of it", send(fd, region, 0, SIZE), SIZE))
sender.start()
got = bytearray()
while len(got) < SIZE and (more := os.read(fd, SIZE)):
    got += more
sender.join()
says("came back", bytes(got) == b"".join(contents[i] for i in sorted(pages)), True)
end()
