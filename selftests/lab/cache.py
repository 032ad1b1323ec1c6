# SPDX-License-Identifier: GPL-2.0
"""Where downloaded and built things lie, and how they get there without ever being half there.

Everything is under one folder, $MEMNET_CACHE (default ~/.cache/memnet).  A result is built in a
temporary folder beside its final place and renamed when it is complete, under a lock, so that an
interrupted build is started again and two labs that start together build a thing once.
"""
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(os.environ.get("MEMNET_CACHE") or Path.home() / ".cache" / "memnet").expanduser().absolute()
os.environ["MEMNET_CACHE"] = str(ROOT)      # the same for children that work in another folder
TREE = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent


class LabError(Exception):
    """The lab could not do what was asked; the text says what and shows the evidence.  output: all a failed program said."""

    def __init__(self, text, output=""):
        super().__init__(text)
        self.output = output


def say(text):
    """A line of progress, for the person who waits."""
    print(f"# lab: {text}", file=sys.stderr, flush=True)


def run(argv, timeout=600, what=None, log=None, check=True, **kw):
    """Run a program of this machine; its output comes back, a failure raises with the tail of it."""
    what = what or " ".join(str(a) for a in argv)[:200]
    try:
        p = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout, **kw)
    except subprocess.TimeoutExpired as e:
        raise LabError(f"{what}: no end after {timeout} s") from e
    if log:
        Path(log).write_text(p.stdout)
    if check and p.returncode:
        raise LabError(f"{what}: exit code {p.returncode}\n{p.stdout[-3000:]}", p.stdout)
    return p.stdout


@contextlib.contextmanager
def lock(name, timeout=7200):
    """Exclusive use of one name in the cache, across processes."""
    path = ROOT / "lock" / name.replace("/", "_")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as f:
        end, told = time.monotonic() + timeout, False
        while True:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > end:
                    raise LabError(f"waited {timeout} s for {path}") from None
                if not told:
                    say(f"waiting for another build of {name}")
                    told = True
                time.sleep(0.3)
        yield


def made(name, build, what):
    """The folder ROOT/name; when missing, build(tmp) fills a temporary folder that becomes it."""
    final = ROOT / name
    if final.exists():
        return final
    with lock(name):
        if final.exists():
            return final
        final.parent.mkdir(parents=True, exist_ok=True)
        tmp = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
        tmp.chmod(0o755)
        say(f"making {what}")
        t = time.monotonic()
        try:
            build(tmp)
            tmp.rename(final)
        finally:
            if tmp.exists():
                shutil.rmtree(tmp, ignore_errors=True)
        say(f"made {what} in {time.monotonic() - t:.0f} s")
    return final


def digest(*things):
    """A short key for a configuration: texts, and files by their content."""
    h = hashlib.sha256()
    for t in things:
        h.update(t.read_bytes() if isinstance(t, Path) else str(t).encode())
        h.update(b"\0")
    return h.hexdigest()[:12]
