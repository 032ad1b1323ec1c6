# SPDX-License-Identifier: GPL-2.0
"""Jobs on sockets that are not offloaded: refused, or done by copying for who agrees to that."""
import ctypes
import os
import selectors
import socket
import struct
import sys
import threading

import hand
from receive import *

MANY = 300000


def copying(fd, opcode, offset, len, result, flags=0):
    got = submit([op(fd, region, offset, len, result=result, opcode=opcode, flags=8 | flags)])
    return got if isinstance(got, int) else -got[1] if got[1] else got[0]


def echo(server):
    c = server.accept()[0]
    while data := c.recv(65536):
        c.sendall(data)
    c.close()


server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=echo, args=(server,), daemon=True).start()
looped = libc.socket(25, socket.SOCK_STREAM, 0)
if libc.connect(looped, addr4("127.0.0.1", server.getsockname()[1]), 16):
    raise OSError(ctypes.get_errno(), "connect")
native = connect("echo", NODE_SAN, socket.AF_INET)
much[:MANY] = os.urandom(MANY)
sent_only = register(much_at, 8192)
for name, fd in ("TCP", native), ("loopback", looped):
    says(name + ", direct, without", send(fd, region, 0, 1), "EOPNOTSUPP")
    says(name + ", without", submit([op(fd, region, 0, 1)]), "EOPNOTSUPP")
    says(name + ", receiving without", job(fd, 0, 1, 1), "EOPNOTSUPP")
    says(name + ", to be sent from", submit([op(fd, sent_only, 0, 1, opcode=2, flags=8)]), "EACCES")
    much[1 << 20:(1 << 20) + MANY] = bytes(MANY)
    reader = threading.Thread(target=lambda: is_now(name + ", received", copying(fd, 2, 1 << 20, MANY, 8, flags=4), [(0, 0xffffffff)]))
    reader.start()
    is_now(name + ", sent", copying(fd, 1, 0, MANY, 7), [(0, 0xffffffff)])
    is_now(name + ", what was sent", outcome(7), (OVER, MANY))
    reader.join()
    is_now(name + ", what was received", outcome(8), (OVER, MANY))
    is_now(name + ", the bytes", much[1 << 20:(1 << 20) + MANY] == much[:MANY], True)
    says(name + ", both are over", over(7, 8), 2)
    # told, and a part
    os.set_blocking(fd, False)
    says(name + ", nothing there", copying(fd, 2, 0, 10, 9), "EAGAIN")
    is_now(name + ", told", copying(fd, 1, 0, 5, 9, flags=2), [(0, 0xffffffff)])
    is_now(name + ", how many", os.read(hand.ctx, 8), struct.pack("=Q", 1))
    select = selectors.DefaultSelector()
    select.register(fd, selectors.EVENT_READ)
    is_now(name + ", comes", len(select.select(20)), 1)
    is_now(name + ", as many as there are", copying(fd, 2, 0, 10, 9), [(0, 0xffffffff)])
    is_now(name + ", those", outcome(9), (OVER, 5))
    libc.shutdown(fd, socket.SHUT_WR)
    says(name + ", shut", copying(fd, 1, 0, 1, 9), "EPIPE")
    is_now(name + ", the end comes", len(select.select(20)), 1)
    is_now(name + ", at the end", copying(fd, 2, 0, 10, 9), [(0, 0xffffffff)])
    is_now(name + ", nothing more", outcome(9), (OVER, 0))
# a socket that is offloaded copies nothing for it
fd = connect("echo")
much[:10] = b"by message"
is_now("offloaded, received", copying(fd, 2, 20, 10, 11, flags=4), [(0, 0xffffffff)])
got = copying(fd, 1, 0, 10, 10)
is_now("offloaded, sent", got[0][1] != 0xffffffff, True)
says("both are over", wait([(10, got[0][1], got[0][0]), (11, 0xffffffff, 0)], 20, flags=1), 2)
is_now("what came", much[20:30], b"by message")
print("ended", "\n".join(bad), flush=True)
sys.exit(bool(bad))
