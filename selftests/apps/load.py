# SPDX-License-Identifier: GPL-2.0
"""A client with a load, for the programs of make check-apps: all that it gets is compared with what it should be.

    load.py WHAT HOST PORT [--threads N] [--seconds S | --count N] [--latency N] ...

WHAT: http (--tls; files of WWW), memcached, redis, echo (echo.py), pipe (a command that gives back what it is given).
Ends with a line "load good=N bad=N", and some of what was bad; with --latency "load good=N bad=0 median=MICROSECONDS".
SIGTERM ends a load in good order.
"""
import argparse
import http.client
import random
import signal
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

WWW = Path("/mnt/build/apps/www")
NAMES = ["1K", "8K", "100K", "1K", "1M", "8K"]
TIMEOUT = 60


class Http:
    """Files over one connection that is kept, and each fourth request over one that is not."""

    def __init__(self, opt, number):
        self.opt, self.number = opt, number
        self.want = {n: (WWW / n).read_bytes() for n in set(NAMES)}
        self.kept = None

    def connect(self):
        if self.opt.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return http.client.HTTPSConnection(self.opt.host, self.opt.port, timeout=TIMEOUT, context=context)
        return http.client.HTTPConnection(self.opt.host, self.opt.port, timeout=TIMEOUT)

    def get(self, connection, name):
        connection.request("GET", f"/{name}")
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200 and body == self.want[name], (name, answer.status, len(body))

    def one(self):
        self.kept = self.kept or self.connect()
        self.get(self.kept, "1K")

    def work(self, i):
        name = NAMES[(i + self.number) % len(NAMES)]
        if i % 4 == 3:
            connection = self.connect()
            try:
                self.get(connection, name)
            finally:
                connection.close()
            return
        self.kept = self.kept or self.connect()
        self.get(self.kept, name)

    def failed(self):
        if self.kept:
            self.kept.close()
        self.kept = None


class Stream:
    """A protocol over one connection."""

    def __init__(self, opt, number):
        self.opt, self.number, self.rnd, self.s = opt, number, random.Random(number), None

    def up(self):
        if not self.s:
            self.s = socket.create_connection((self.opt.host, self.opt.port), timeout=TIMEOUT)
            self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.f = self.s.makefile("rb")

    def failed(self):
        if self.s:
            self.f.close()
            self.s.close()
        self.s = None

    def value(self, i, most):
        """What is stored under the number i: the same for whoever asks."""
        rnd = random.Random(f"{self.number} {i}")
        return rnd.randbytes(1 << 10 if most == 1 << 10 else rnd.randrange(1, most))

    def expect(self, line):
        got = self.f.readline()
        assert got == line, (got[:100], line[:100])


class Memcached(Stream):
    """set, get, several at once, delete; values up to 60 KB."""

    def one(self):
        self.up()
        if not hasattr(self, "first"):
            self.first = self.value(0, 1 << 10)
            self.set(b"first", self.first)
        self.get({b"first": self.first})

    def set(self, key, value):
        self.s.sendall(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
        self.expect(b"STORED\r\n")

    def get(self, want):
        self.s.sendall(b"get %s\r\n" % b" ".join(want))
        got = {}
        while (line := self.f.readline()) != b"END\r\n":
            _, key, _, length = line.split()
            got[key] = self.f.read(int(length))
            assert self.f.read(2) == b"\r\n"
        assert got == want, {k: len(v) for k, v in got.items()}

    def work(self, i):
        self.up()
        want = {b"k%d.%d.%d" % (self.number, i, j): self.value(i * 8 + j, 60000 if i % 8 == 0 else 4000) for j in range(3)}
        for key, value in want.items():
            self.set(key, value)
        self.get(want)
        for key in want:
            self.s.sendall(b"delete %s\r\n" % key)
            self.expect(b"DELETED\r\n")
        self.s.sendall(b"get %s\r\n" % b" ".join(want))
        self.expect(b"END\r\n")


class Redis(Stream):
    """SET and GET, in pipelines; with --read what an earlier run has set is read again."""

    def call(self, *words):
        self.s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def answer(self):
        line = self.f.readline()
        if line[:1] != b"$" or line == b"$-1\r\n":     # not a value, or none
            return line.strip()
        value = self.f.read(int(line[1:]))
        assert self.f.read(2) == b"\r\n"
        return value

    def one(self):
        self.up()
        if not hasattr(self, "first"):
            self.first = self.value(0, 1 << 10)
            self.call(b"SET", b"first", self.first)
            assert self.answer() == b"+OK"
        self.call(b"GET", b"first")
        assert self.answer() == self.first

    def work(self, i):
        self.up()
        pairs = [(b"k%d.%d.%d" % (self.number, i, j), self.value(i * 16 + j, 200000 if i % 8 == j == 0 else 2000))
                 for j in range(16)]
        if not self.opt.read:
            for key, value in pairs:
                self.call(b"SET", key, value)
            for key, _ in pairs:
                got = self.answer()
                assert got == b"+OK", (key, got[:100])
        for key, _ in pairs:
            self.call(b"GET", key)
        for key, value in pairs:
            got = self.answer()
            assert got == value, (key, len(got), len(value))


class Echo(Stream):
    """Frames: echo.py gives each back, in the other direction."""

    def one(self):
        self.frame(self.value(0, 1 << 10))

    def frame(self, data):
        self.up()
        self.s.sendall(struct.pack(">I", len(data)) + data)
        got = self.f.read(len(data))
        assert got == data[::-1], (len(got), len(data))

    def work(self, i):
        if i % 16 == 15:        # a new connection now and then
            self.failed()
        self.frame(self.value(i, 300000 if i % 8 == 0 else 5000))


class Pipe:
    """A command's standard input and output."""

    def __init__(self, opt, number):
        self.p = subprocess.Popen(opt.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.data = random.Random(number).randbytes(1 << 10)

    def one(self):
        self.p.stdin.write(self.data)
        got = b""
        while len(got) < len(self.data):
            more = self.p.stdout.read(len(self.data) - len(got))
            assert more, "the command has ended"
            got += more
        assert got == self.data

    def work(self, _):
        self.one()

    def failed(self):
        self.p.kill()


def latency(client, count):
    """One request after the other; the first ones are not counted."""
    took = []
    for i in range(count + 5):
        t = time.monotonic()
        client.one()
        if i >= 5:
            took.append(time.monotonic() - t)
    print(f"load good={count} bad=0 median={statistics.median(took) * 1e6:.0f}")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=("http", "memcached", "redis", "echo", "pipe"))
    p.add_argument("host")
    p.add_argument("port", type=int)
    p.add_argument("--threads", type=int, default=4)
    p.add_argument("--seconds", type=float, default=1e9)
    p.add_argument("--count", type=int, default=1 << 40)
    p.add_argument("--latency", type=int)
    p.add_argument("--tls", action="store_true")
    p.add_argument("--read", action="store_true")
    p.add_argument("--pid", help="a file for the number of this process")
    p.add_argument("--command", nargs=argparse.REMAINDER)
    opt = p.parse_args()
    kind = globals()[opt.what.capitalize()]
    if opt.pid:
        Path(opt.pid).write_text(f"{threading.get_native_id()}\n")
    if opt.latency:
        return latency(kind(opt, 0), opt.latency)
    stop, good, bad, end = threading.Event(), [], [], time.monotonic() + opt.seconds
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def work(number):
        client = kind(opt, number)
        for i in range(opt.count):
            if stop.is_set() or time.monotonic() > end:
                break
            try:
                client.work(i)
                good.append(i)
            except Exception as e:      # noqa: BLE001 - whatever it is, it is bad
                bad.append(f"{time.monotonic():.1f} thread {number} request {i}: {e!r}"[:300])
                client.failed()
                time.sleep(0.05)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(opt.threads)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(*bad[:10], sep="\n")
    print(f"load good={len(good)} bad={len(bad)}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
