# SPDX-License-Identifier: GPL-2.0
"""A peer: who connects to port 4301 is sent 1000 bytes and read; who connects to 4302 is not read until /tmp/talk is there.

It says of each connection how it ended: "fin", or the errno's name.
"""
import errno
import os
import socket
import threading
import time


def serve(s, port):
    if port == 4302:
        while not os.path.exists("/tmp/talk"):
            time.sleep(0.1)
    else:
        s.sendall(b"x" * 1000)
    try:
        while s.recv(65536):
            pass
        how = "fin"
    except OSError as e:
        how = errno.errorcode[e.errno]
    print(port, how, flush=True)


def listen(port):
    listener = socket.create_server(("", port), backlog=100)
    print("listening", flush=True)
    while True:
        s, _ = listener.accept()
        threading.Thread(target=serve, args=(s, port), daemon=True).start()


threading.Thread(target=listen, args=(4302,), daemon=True).start()
listen(4301)
