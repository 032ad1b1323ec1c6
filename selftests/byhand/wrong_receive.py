# SPDX-License-Identifier: GPL-2.0
"""Receiving with arguments that cannot be meant."""
import os
import socket
import struct
import sys

import hand
from receive import *

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
says("no socket", recv(hand.ctx, 0, 1), "ENOTSOCK")
says("not connected", recv(libc.socket(25, socket.SOCK_STREAM, 0), 0, 1), "ENOTCONN")
says("a job, not connected", job(libc.socket(25, socket.SOCK_STREAM, 0), 0, 1, 1), "ENOTCONN")
native = connect("echo", NODE_SAN, socket.AF_INET)
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
print("\n".join(bad))
sys.exit(bool(bad))
