# SPDX-License-Identifier: GPL-2.0
"""sock_diag by hand: the sockets of the family as netlink has them, and the end of one. As a program: all of them, in JSON."""
import errno
import json
import os
import socket
import struct

DUMP, ACK, REQUEST = 0x300, 4, 1
BY_FAMILY, DESTROY = 20, 21
ERROR, DONE = 2, 3
ALL = 0xffffffff
SERVED = "undecided", "offloaded", "native"
NUMBERS = {4: "rx_bytes", 5: "tx_bytes", 6: "pages", 7: "jobs", 8: "error"}


def netlink():
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)
    s.bind((0, 0))
    return s


def request(s, kind, flags, body):
    s.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | flags, 7, 0) + body)


def messages(s):
    """(type, body) of one datagram."""
    data = s.recv(1 << 16)
    while len(data) >= 16:
        size, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:size]
        data = data[(size + 3) & ~3:]


def of_memnet(states=ALL, cookie=0, family=25):
    return struct.pack("=BBHIQ", family, 0, 0, states, cookie)


def row(body):
    family, state, served, _ = struct.unpack_from("=BBBB", body)
    sport, dport = struct.unpack_from("!HH", body, 4)
    size = 16 if family == socket.AF_INET6 else 4
    text = [socket.inet_ntop(family, body[at:at + size]) for at in (8, 24)]
    cookie, = struct.unpack_from("=Q", body, 44)
    rqueue, wqueue, uid = struct.unpack_from("=III", body, 52)
    inode, = struct.unpack_from("=Q", body, 64)
    out = {"family": family, "state": state, "served": SERVED[served], "local_address": text[0], "local_port": sport,
           "remote_address": text[1], "remote_port": dport, "rx_queue": rqueue, "tx_queue": wqueue, "uid": uid, "inode": inode,
           "cookie": cookie, "error": 0}
    at = 72
    while at + 4 <= len(body):
        size, kind = struct.unpack_from("=HH", body, at)
        value = body[at + 4:at + size]
        if kind == 2:
            out["link"] = value.rstrip(b"\0").decode()
        elif kind == 3:
            out["channel"], out["id"], out["generation"] = struct.unpack("=III", value)
        elif kind in NUMBERS:
            out[NUMBERS[kind]] = int.from_bytes(value, "little")
        at += (size + 3) & ~3
    return out


def sockets(states=ALL):
    """All of them."""
    rows, s = [], netlink()
    request(s, BY_FAMILY, DUMP, of_memnet(states))
    while True:
        for kind, body in messages(s):
            if kind == DONE:
                s.close()
                return rows
            if kind == ERROR:
                raise OSError(-struct.unpack_from("=i", body)[0], "sock_diag")
            rows.append(row(body))


def answer(kind, body, flags=0):
    """The name of the errno, "0", or a row."""
    with netlink() as s:
        request(s, kind, flags, body)
        what, body = next(messages(s))
    if what != ERROR:
        return row(body)
    error = -struct.unpack_from("=i", body)[0]
    return errno.errorcode[error] if error else "0"


def one(cookie):
    return answer(BY_FAMILY, of_memnet(cookie=cookie))


def destroy(cookie):
    return answer(DESTROY, of_memnet(cookie=cookie), ACK)


def destroy_native(s, remote=None):
    """A socket of the host's own TCP, as ss -K does it; remote: of one that is being connected."""
    local = s.getsockname()
    try:
        remote = remote or s.getpeername()
    except OSError:
        remote = ("0.0.0.0", 0)
    ids = struct.pack("!HH", local[1], remote[1])
    ids += socket.inet_aton(local[0]).ljust(16, b"\0") + socket.inet_aton(remote[0]).ljust(16, b"\0")
    return answer(DESTROY, struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, ALL) + ids
                  + struct.pack("=IQ", 0, 2 ** 64 - 1), ACK)


def cookie(s):
    return struct.unpack("=Q", s.getsockopt(socket.SOL_SOCKET, 57, 8))[0]


def inode(s):
    return os.fstat(s.fileno()).st_ino


def memnet(v6=False):
    family = socket.AF_INET6 if v6 else socket.AF_INET
    return socket.socket(family, socket.SOCK_STREAM, fileno=socket.socket(25, socket.SOCK_STREAM, int(v6)).detach())


if __name__ == "__main__":
    print(json.dumps(sockets()))
