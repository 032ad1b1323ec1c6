# SPDX-License-Identifier: GPL-2.0
"""One socket of each kind; what they are, in JSON; a line ends it. Arguments: the node, the client, and an address of nobody.

Its peer (talker.py) listens at two ports: who connects to the first is sent 1000 bytes, who connects to the second is not read.
"""
import errno
import json
import os
import socket
import sys
import time

from diag import cookie, inode, memnet

NODE, CLIENT, NOBODY = sys.argv[1:4]
TALKS, SILENT, PORT = 4301, 4302, 8300
held = {name: memnet() for name in ("fresh", "bound", "listening", "connecting", "connected", "loopback listener", "closed")}
held["fresh v6"] = memnet(True)
held["bound"].bind((NODE, PORT))
held["listening"].bind((NODE, PORT + 1))
held["listening"].listen(7)
held["connecting"].setblocking(False)
assert held["connecting"].connect_ex((NOBODY, 1)) == errno.EINPROGRESS
s = held["connected"]
s.connect((CLIENT, TALKS))
s.sendall(b"t" * 500)
got = 0
while got < 300:
    got += len(s.recv(300 - got))
s = held["loopback listener"]
s.bind(("127.0.0.1", 0))
s.listen(3)
held["native"] = memnet()
held["native"].connect(s.getsockname())
child, _ = s.accept()
child.sendall(b"n" * 100)
held["native"].sendall(b"n" * 50)
assert len(child.recv(20)) == 20
held["native child"] = child
# what it has sent and its peer has not taken outlives it
s = held.pop("closed")
s.setblocking(False)
s.connect_ex((CLIENT, SILENT))
last = time.monotonic()
while time.monotonic() < last + 0.5:
    try:
        s.send(b"o" * 65536)
        last = time.monotonic()
    except OSError:     # connecting, or full
        time.sleep(0.02)
orphan = s.getsockname()
s.close()
print(json.dumps({name: {"cookie": cookie(s), "inode": inode(s), "fd": s.fileno()} for name, s in held.items()}
                 | {"orphan": {"local": orphan}, "program": {"pid": os.getpid()}}), flush=True)
sys.stdin.readline()
