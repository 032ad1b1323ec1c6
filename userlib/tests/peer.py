# SPDX-License-Identifier: GPL-2.0
"""peer.py FAKE MODE TEXT PROGRAM [ARGUMENT...]: the other end of a program that has its connections from FAKE, a preload.

Says what came over the connection, then what the program has said; ends as it ends. MODE:

    once    the connection is the program's standard input and output; the file TEXT is sent over it, and its end
    open    the same, sent before the program begins, and without the end
    listen  the program is given an address and a port, to connect to, and is sent TEXT
    call    the program is given a port, to listen on, and a file, TEXT; it is connected to three times, and killed
"""
import os
import socket
import subprocess
import sys
import threading
import time

fake, mode, name, *argv = sys.argv[1:]
env = dict(os.environ, LD_PRELOAD=fake)
text = open(name, "rb").read()
HOST = "127.0.0.1"


def received(connection):
    out = b""
    while data := connection.recv(65536):
        out += data
    return out


def call(port):
    for _ in range(500):
        try:
            return socket.create_connection((HOST, port), timeout=20)
        except ConnectionRefusedError:
            time.sleep(0.01)
    sys.exit("nobody listens")


with socket.create_server((HOST, 0)) as listener:
    port = listener.getsockname()[1]
    if mode == "call":
        listener.close()
        p = subprocess.Popen([*argv, str(port), name], env=env)
        for _ in range(3):
            with call(port) as c:
                sys.stdout.buffer.write(received(c))
        p.terminate()
        p.wait()
        sys.exit(0)
    if mode == "listen":
        p = subprocess.Popen([*argv, HOST, str(port)], env=env)
        listener.settimeout(20)
        here = listener.accept()[0]
    else:
        here = socket.create_connection((HOST, port))
        there = listener.accept()[0]
        if mode == "open":
            here.sendall(text)
        p = subprocess.Popen(argv, env=env, stdin=there, stdout=there)
        there.close()


def send():
    here.sendall(text)
    here.shutdown(socket.SHUT_WR)


here.settimeout(20)
if mode != "open":
    threading.Thread(target=send, daemon=True).start()
sys.stdout.buffer.write(received(here))
sys.exit(p.wait())
