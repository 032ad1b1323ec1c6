# SPDX-License-Identifier: GPL-2.0
"""What the cases of make check-apps share.

A test is a function of a Side: where the program that is tested runs, natively on the node or under memnet-run on the
host. Its peer is the client both times, by the same addresses, so that what fails natively is not ours. each() calls it
for both, proves by counters that the second time sockets were offloaded, and says what one request took on each.

Files that programs serve are below WWW, the same on all three machines: build/apps/www of this tree. So are the
programs of ours that run there, by python3 of the root: load.py (clients that verify what they get), serve.py, echo.py.
"""
import random
import shutil
import signal
import time

from selftests.cases import offload
from selftests.lab.cache import TREE, LabError
from selftests.lab.lab import CLIENT_EXT, NODE_EXT
from selftests.lab.tap import Skip

HERE = "/mnt/src/selftests/apps"
WWW = "/mnt/build/apps/www"
LOAD = f"python3 {HERE}/load.py"
SIZES = {"1K": 1 << 10, "8K": 8 << 10, "100K": 100000, "1M": 1 << 20, "4M": 4 << 20}
LAB = dict(root="apps", mem={"host": 1024, "node": 1024})
REQUESTS = 100


class Side:
    """Where the program runs: on the node natively, or on the host under memnet-run."""

    def __init__(self, lab, vm, run):
        self.lab, self.vm, self.run, self.client = lab, vm, run, lab.client
        self.offloaded = vm is lab.host

    def sh(self, cmd, timeout=120, before="", **more):
        """The program under test, to its end; before: what stands in front of it (cd, setpriv)."""
        return self.vm.sh(f"{before} {self.run} {cmd}", timeout=self.patience(timeout), **more)

    def tool(self, cmd, timeout=60, **more):
        """A program of the root that is not tested."""
        return self.vm.sh(f"userland {cmd}", timeout=self.patience(timeout), **more)

    def patience(self, seconds):
        return offload.patience(self.lab, seconds)


class Running:
    """
    A program that stays in the foreground, during a with block; ready when the client can connect to its port, or, for one
    that a connection without a word disturbs, when it has said something.
    """

    def __init__(self, side, cmd, port, sig=signal.SIGTERM, run=None, says=None):
        self.side, self.port, self.sig, self.says = side, port, sig, says
        self.cmd = f"exec {run or side.run} {cmd}"

    def __enter__(self):
        self.job = self.side.vm.bg(self.cmd)
        end = time.monotonic() + self.side.patience(90)
        while not self.ready():
            assert not self.job.done, f"[{self.cmd}] ended with {self.job.wait(5)[0]}:\n{self.job.output()[-3000:]}"
            assert time.monotonic() < end, f"nobody listens on {self.port}:\n{self.job.output()[-3000:]}"
            time.sleep(0.2)
        return self

    def ready(self):
        if self.says:
            return self.says in self.job.output()
        return not self.side.client.sh(f"nc -z -w 3 {NODE_EXT} {self.port}", check=False)[0]

    def __exit__(self, kind, *_):
        if kind:
            print("".join(f"# {l}\n" for l in [f"[{self.cmd}] said:", *self.job.output()[-3000:].splitlines()]), end="")
        self.job.kill(self.sig)
        try:
            self.job.wait(self.side.patience(30))
        except LabError:
            if not kind:
                raise


class OnClient:
    """A peer on the client during a with block, up when it listens."""

    def __init__(self, lab, cmd, port):
        self.lab, self.cmd, self.port = lab, cmd, port

    def __enter__(self):
        self.job = self.lab.client.bg(f"exec {self.cmd}")
        self.lab.client.until(f"ss -Htln sport = :{self.port} | grep -q .", what=self.cmd)
        return self

    def __exit__(self, *_):
        self.job.kill()
        self.job.wait(20)


class Served(OnClient):
    """serve.py on the client: a folder over HTTP; it knows when requests came."""

    def __init__(self, lab, folder, port=8000):
        super().__init__(lab, f"python3 {HERE}/serve.py {port} {folder}", port)

    def gap(self):
        """Microseconds between two requests, the median since it was last asked, and of how many."""
        return offload.summary(self.lab.client.sh(f"curl -sSf http://localhost:{self.port}/median-gap"), "gap")


def copy(one, other, path):
    """A small file from one machine to another, under the same name."""
    text = one.sh(f"base64 -w 0 {path}")
    other.sh(f"base64 -d >{path} <<'END'\n{text}\nEND")


def setup(lab, **more):
    """The setup of a case: the link, and the files."""
    files()
    offload.up(lab, **more)


def files():
    """The files to be served; the same in each run."""
    www = TREE / "build" / "apps" / "www"
    if (www / "complete").exists():
        return
    shutil.rmtree(www, ignore_errors=True)
    www.mkdir(parents=True)
    rnd = random.Random(25)
    for name, size in SIZES.items():
        (www / name).write_bytes(rnd.randbytes(size))
    # a tree for those who follow links: three folders, each with a page
    pages = []
    for folder in ("a", "a/b", "c"):
        (www / "tree" / folder).mkdir(parents=True)
        names = [f"f{i}" for i in range(8)]
        for name in names:
            (www / "tree" / folder / name).write_bytes(rnd.randbytes(rnd.randrange(200000)))
        (www / "tree" / folder / "index.html").write_text("".join(f'<a href="{n}">{n}</a>\n' for n in names))
        pages.append(f'<a href="{folder}/index.html">{folder}</a>\n')
    (www / "tree" / "index.html").write_text("".join(pages))
    (www / "complete").touch()


def needs(lab, program, mib):
    """Skip what a guest has not the memory for."""
    for vm in lab.guests:
        free = offload.memory(vm)["available"] >> 10
        if free < mib:
            raise Skip(f"{program} wants {mib} MiB of memory, and the {vm.name} has {free} left")


def load(place, what, port, address=None, run="", timeout=180, **options):
    """Run load.py somewhere; the words of its line. What it got wrong fails the test, unless bad= says how much may be."""
    allowed = options.pop("bad", 0)
    words = " ".join(f"--{k.replace('_', '-')}{'' if v is True else f' {v}'}" for k, v in options.items())
    rc, out = place.sh(f"{run} {LOAD} {what} {address or NODE_EXT} {port} {words}", timeout=timeout, check=False)
    got = offload.summary(out, "load") if "load " in out else {}
    assert got.get("good") and got["bad"] <= allowed and rc in (0, 1), f"{what} on port {port}: {rc}\n{out[-3000:]}"
    return got


def latency(place, what, port, **options):
    """Microseconds that one request of 1 KiB takes, the median of REQUESTS, one after the other."""
    return load(place, what, port, latency=REQUESTS, **options)["median"]


def each(lab, test, connects=0, accepts=0, native=0):
    """
    A test natively, then over AF_MEMNET; it returns the microseconds of one request (or None), or these and a note. native:
    how many sockets may and must stay the host's own.
    """
    told = []
    for vm, run in ((lab.node, "userland"), (lab.host, "userland memnet-run")):
        side = Side(lab, vm, run)
        if side.offloaded:
            with offload.Watch(lab) as w:
                told.append(test(side))
            w.proves(connects=connects, accepts=accepts, native=native)
            offload.idle(lab, timeout=side.patience(60))
        else:
            told.append(test(side))
    pairs = [t if isinstance(t, tuple) else (t, "") for t in told]
    lines = [f"{name}: {note}" for name, (_, note) in zip(("native", "memnet"), pairs) if note]
    if pairs[0][0] is not None:
        lines.append(f"one request of 1 KiB, median: native {pairs[0][0]} us, memnet {pairs[1][0]} us")
    return "\n".join([*lines, str(w)])


def bounds(names, seconds):
    """The same bound for all tests of a case: bounds(globals(), 300)."""
    for name, test in list(names.items()):
        if name.startswith("test_"):
            test.timeout = seconds


__all__ = ["CLIENT_EXT", "NODE_EXT", "Skip"]
