# SPDX-License-Identifier: GPL-2.0
"""What programs see whose sockets are destroyed: `native` by TCP's sock_diag, `memnet` by the family's. One line for each look.

Arguments: the family, the peer's address, where talker.py is, an address of this side, and one where nobody is.
"""
import errno
import os
import select
import socket
import sys
import threading
import time

import diag

FAMILY, PEER, LOCAL, NOBODY = sys.argv[1:5]
NATIVE = FAMILY == "native"


def new():
    return socket.socket() if NATIVE else diag.memnet()


def destroy(s, remote=None):
    return diag.destroy_native(s, remote) if NATIVE else diag.destroy(diag.cookie(s))


def says(call, *args):
    """What a call says: its errno, or its answer."""
    try:
        said = call(*args)
        return len(said) if isinstance(said, bytes) else said
    except OSError as e:
        return errno.errorcode[e.errno]


def look(name, call, *args):
    print(name, says(call, *args), flush=True)


def events(s):
    p = select.poll()
    p.register(s, select.POLLIN | select.POLLOUT | select.POLLRDHUP)
    return [e for _, e in p.poll(0)]


class Asleep:
    """A call that sleeps in another thread by now; woken() says what it said."""

    def __init__(self, call, *args):
        self.thread = threading.Thread(target=self.run, args=(call, *args))
        self.thread.start()
        time.sleep(0.3)

    def run(self, call, *args):
        self.said = says(call, *args)

    def woken(self):
        self.thread.join()
        return self.said


def connected(port=4301):
    s = new()
    s.connect((PEER, port))
    return s


def everything(name, s):
    """The calls of a program that goes on."""
    look(f"{name}: poll", events, s)
    look(f"{name}: recv", s.recv, 600)
    look(f"{name}: recv again", s.recv, 600)
    look(f"{name}: recv again", s.recv, 600)
    look(f"{name}: send", s.send, b"x")
    look(f"{name}: peer", s.getpeername)
    look(f"{name}: error", s.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    look(f"{name}: poll", events, s)
    look(f"{name}: shutdown", s.shutdown, socket.SHUT_RDWR)
    look(f"{name}: destroyed again", destroy, s)
    s.close()


def unread(s, n):
    while len(s.recv(2000, socket.MSG_PEEK)) < n:
        time.sleep(0.05)


def main():
    s = connected()
    unread(s, 1000)
    look("unread", destroy, s)
    everything("unread", s)

    s = connected()
    unread(s, 1000)
    s.recv(1000)
    t = Asleep(s.recv, 100)
    look("asleep", destroy, s)
    look("asleep: recv", t.woken)
    everything("asleep", s)

    s = connected(4302)
    t = Asleep(s.sendall, b"x" * (64 << 20))
    look("full", destroy, s)
    look("full: send", t.woken)
    look("full: error", s.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    s.close()

    s = new()
    s.bind((LOCAL, 8310))
    s.listen(5)
    t = Asleep(s.accept)
    look("listening", destroy, s)
    look("listening: accept", t.woken)
    look("listening: poll", events, s)
    look("listening: accept again", s.accept)
    look("listening: error", s.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    look("listening: destroyed again", destroy, s)
    s.close()
    with new() as s:
        look("listening: the port", s.bind, (LOCAL, 8310))

    s = new()
    t = Asleep(s.connect, (NOBODY, 9))
    look("connecting", destroy, s, (NOBODY, 9))
    look("connecting: connect", t.woken)
    look("connecting: error", s.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    look("connecting: recv", s.recv, 1)
    s.close()

    with new() as s:
        look("fresh", destroy, s)

    s = new()
    s.bind(("127.0.0.1", 0))
    s.listen(1)
    c = new()
    c.connect(s.getsockname())
    child, _ = s.accept()
    child.sendall(b"x" * 300)
    look("loopback", destroy, c)
    everything("loopback", c)
    look("loopback: its peer", child.recv, 1)
    look("loopback listener", destroy, s)
    look("loopback listener: accept", s.accept)
    look("loopback listener: error", s.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    child.close()
    s.close()

    s = connected()
    unread(s, 1000)
    if os.fork() == 0:
        os.setuid(65534)
        look("unprivileged", destroy, s)
        os._exit(0)
    os.wait()
    look("unprivileged: recv", s.recv, 2000)
    s.close()


main()
