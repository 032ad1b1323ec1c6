# SPDX-License-Identifier: GPL-2.0
"""Registering and sending with arguments that cannot be meant, and with some that hardly can."""
import ctypes
import mmap
import os
import resource
import socket
import struct
import sys

import hand
from hand import *

m, at = memory(65536)
says("nothing", register(at, 0), "EINVAL")
says("more than there can be", register(at, (1 << 40) + 1), "EINVAL")
says("round the end", register((1 << 64) - 4096, 8192), "EINVAL")
says("the kernel's memory", register(0xffffffff81000000, 4096), "EFAULT")
says("no memory", register(0, 4096), "EFAULT")
says("half of it is none", register(at, 1 << 36), "EFAULT", "ENOMEM")
says("flags", register(at, 4096, flags=2), "EINVAL")
says("reserved", register(at, 4096, reserved=1), "EINVAL")
says("too short", register(at, 4096, size=24), "EINVAL")
says("as large as can be", register(at, 4096, size=0xffffffff), "E2BIG")
locked = lambda: [l for l in open("/proc/self/status") if l.startswith("VmLck")]
before = locked()
constant, constant_at = memory(4096)
constant[:32] = struct.pack("=IIQQII", 32, 0, at, 4096, 0, 0)
libc.mprotect(ctypes.c_void_p(constant_at), 4096, 1)
says("no place for the result", libc.ioctl(hand.ctx, REGISTER, ctypes.c_void_p(constant_at)) and -ctypes.get_errno(), "EFAULT")
says("nothing of it is left", locked() == before, True)
says("only read, to be received to", register(constant_at, 4096, flags=1), "EFAULT")
only_read = register(constant_at, 4096)
old = tuple(int(n) for n in os.uname().release.split(".")[:2]) < (6, 2)
if old:
    says("a shared mapping that is only read", only_read, "EFAULT", "EOPNOTSUPP")
file = os.memfd_create("file")
os.write(file, b"f" * 8192)
file_map = mmap.mmap(file, 8192)
file_at = ctypes.addressof(ctypes.c_char.from_buffer(file_map))
of_file = register(file_at, 8192, flags=1)
os.ftruncate(file, 0)
says("no such call", ioctl(0x4def, bytes(64)), "ENOTTY")
r = register(at + 100, 5000)
longer = ioctl(REGISTER, struct.pack("=IIQQII8x", 40, 0, at, 4096, 0, 0))
says("longer, but zero", 0 if isinstance(longer, bytearray) else longer, 0)
says("longer, and not zero", ioctl(REGISTER, struct.pack("=IIQQIIQ", 40, 0, at, 4096, 0, 0, 1)), "E2BIG")

fd = connect("sink")
says("all of it", send(fd, r, 0, 5000), 5000)
says("one byte", send(fd, r, 4999, 1), 1)
says("memory that is only read", old or send(fd, only_read, 0, 4096), old or 4096)
says("a file that was cut off", send(fd, of_file, 0, 8192), 8192)
says("nothing", send(fd, r, 0, 0), "EINVAL")
says("one too many", send(fd, r, 0, 5001), "EINVAL")
says("behind the end", send(fd, r, 5000, 1), "EINVAL")
says("far behind", send(fd, r, (1 << 64) - 1, 2), "EINVAL")
says("far too many", send(fd, r, 1, (1 << 64) - 1), "EINVAL")
says("no region", send(fd, 0, 0, 1), "ENOENT")
says("another's region", send(fd, 77777, 0, 1), "ENOENT")
says("flags", send(fd, r, 0, 1, flags=0x100), "EINVAL")
says("no descriptor", send(-1, r, 0, 1), "EBADF")
says("no socket", send(hand.ctx, r, 0, 1), "ENOTSOCK")
unconnected = libc.socket(25, socket.SOCK_STREAM, 0)
says("not connected", send(unconnected, r, 0, 1), "EPIPE")
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
says("UDP", send(udp.fileno(), r, 0, 1, flags=5), "EOPNOTSUPP")
native = connect("sink", NODE_SAN, socket.AF_INET)
says("native", send(native, r, 0, 1), "EOPNOTSUPP")
says("native, by copy", send(native, r, 0, 5000, flags=5), 5000)
libc.shutdown(fd, socket.SHUT_WR)
says("after shutdown", send(fd, r, 0, 1), "EPIPE")
says("deregister", deregister(r), 0)
says("deregister twice", deregister(r), "ENOENT")
says("the read-only one", 0 if old else deregister(only_read), 0)
says("the file's", deregister(of_file), 0)
says("a region that was", send(fd, r, 0, 1), "ENOENT")

regions = [register(at + i % 60000, 1 + i % 5000) for i in range(10000)]
says("10000 regions", min(regions) > 0 and len(set(regions)), 10000)
says("all given back", sum(deregister(r) for r in regions[:9000]), 0)
# the others go with the context
os.setgroups([])
os.setresuid(65534, 65534, 65534)
resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 20, 1 << 20))
says("beyond RLIMIT_MEMLOCK", register(much_at, MUCH), "ENOMEM")
print("\n".join(bad))
sys.exit(bool(bad))
