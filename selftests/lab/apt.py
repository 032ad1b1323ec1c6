# SPDX-License-Identifier: GPL-2.0
"""Debian packages: unpacked into the cache from a private apt root, or installed when a tool is missing.

The private root has its own lists and archive and knows bookworm and its security suite only; the
mirror is read from this machine's apt configuration at run time and is written to no file that
lasts (the sources list is a memfd).  need() is the one place that installs packages on the machine.
"""
import os
import re
import shutil
import time
from pathlib import Path

from .cache import ROOT, LabError, lock, made, run, say

SUITES = ("bookworm", "bookworm-updates", "bookworm-security")
LISTS_AGE = 24 * 3600

# a tool the lab calls, and the package that has it
TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86", "gcc": "gcc", "make": "make", "flex": "flex",
    "bison": "bison", "bc": "bc", "kmod": "kmod", "cpio": "cpio", "rsync": "rsync", "xz": "xz-utils",
    "ip": "iproute2", "mmdebstrap": "mmdebstrap", "sparse": "sparse", "perl": "perl", "file": "file",
    "busybox": "busybox-static", "ccache": "ccache", "gzip": "gzip", "dash": "dash",
    "gnuplot": "gnuplot-nox",
}
LIBELF = "/usr/lib/x86_64-linux-gnu/libelf.so.1"       # of Debian's objtool, which is unpacked, not installed
# a header or library the lab's builds need, and its package
FILES = {"/usr/include/libelf.h": "libelf-dev", "/usr/include/openssl/opensslv.h": "libssl-dev",
         "/usr/include/x86_64-linux-gnu/sys/types.h": "libc6-dev", LIBELF: "libelf1"}


def _uris(folder):
    """What apt is told to fetch bookworm from, in its order; of a list of mirrors the first."""
    for f in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if f.suffix not in (".list", ".sources") or not f.is_file():
            continue
        text = f.read_text(errors="replace")
        if f.suffix == ".list":
            found = re.findall(r"^\s*deb\s+(?:\[[^]]*\]\s*)?(\S+)\s+bookworm", text, re.M)
        else:
            stanzas = [s for s in re.split(r"\n\s*\n", text) if re.search(r"^Suites:.*\bbookworm", s, re.M)]
            found = [u for s in stanzas for u in re.findall(r"^URIs:\s*(\S+)", s, re.M)]
        for uri in found:
            m = re.match(r"mirror\+file:(?://)?(/.*)", uri)
            if m:
                lines = Path(m.group(1)).read_text().split("\n") if Path(m.group(1)).is_file() else []
                uri = next((l.split()[0] for l in lines if l.strip() and not l.startswith("#")), "")
            yield uri.rstrip("/")


def _mirrors(folder=Path("/etc/apt")):
    """(archive URI, security URI) of this machine."""
    uris = list(_uris(folder))
    main = next((u for u in uris if u.endswith("/debian")), None)
    if not main:
        raise LabError("no mirror of Debian 12 in this machine's apt sources")
    return main, next((u for u in uris if u.endswith("-security")), main + "-security")


def _keyring():
    for p in ("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"):
        if os.path.exists(p):
            return p
    raise LabError("no debian-archive-keyring on this machine")


def source_lines():
    """The deb lines of the private root (for mmdebstrap, too)."""
    main, sec = _mirrors()
    return [f"deb [signed-by={_keyring()}] {sec if s.endswith('-security') else main} {s} main" for s in SUITES]


def _apt(tool, *args, timeout=900, cwd=None):
    root = ROOT / "apt"
    for d in ("etc/preferences.d", "etc/apt.conf.d", "state/lists/partial", "cache/archives/partial"):
        (root / d).mkdir(parents=True, exist_ok=True)
    (root / "status").touch()
    fd = os.memfd_create("sources", 0)
    os.write(fd, "".join(line + "\n" for line in source_lines()).encode())
    opts = {"Dir::Etc": root / "etc", "Dir::Etc::sourcelist": f"/proc/{os.getpid()}/fd/{fd}",
            "Dir::Etc::sourceparts": "-", "Dir::State": root / "state", "Dir::State::status": root / "status",
            "Dir::Cache": root / "cache", "APT::Install-Recommends": "0", "Acquire::Languages": "none",
            "APT::Sandbox::User": "root", "Acquire::Retries": "3"}
    argv = [tool] + [x for k, v in opts.items() for x in ("-o", f"{k}={v}")] + list(args)
    try:
        return run(argv, timeout=timeout, what=f"{tool} {' '.join(args)[:160]}", cwd=cwd)
    finally:
        os.close(fd)


def update(force=False):
    """Fetch the package lists when they are missing or a day old; old lists do when there is no network."""
    stamp = ROOT / "apt" / "updated"
    with lock("apt-lists"):
        if not force and stamp.exists() and time.time() - stamp.stat().st_mtime < LISTS_AGE:
            return
        try:
            _apt("apt-get", "update", "-q")
        except LabError as e:
            if not stamp.exists():
                raise
            say(f"package lists not refreshed, using the old ones: {str(e).splitlines()[-1]}")
            return
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()


def candidate(package):
    """The version apt would take."""
    update()
    m = re.search(r"Candidate: (\S+)", _apt("apt-cache", "policy", package))
    if not m or m.group(1) == "(none)":
        raise LabError(f"no package {package} in {', '.join(SUITES)}")
    return m.group(1)


def depends(package):
    """The direct dependencies (first alternative) of a package."""
    update()
    out = _apt("apt-cache", "depends", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
               "--no-replaces", "--no-enhances", package)
    return re.findall(r"^\s*\|?Depends: ([^<\s]+)", out, re.M)


def fetch(packages):
    """Download packages (exact names, no dependencies) to the cache; their .deb paths."""
    update()
    store = ROOT / "debs"
    store.mkdir(parents=True, exist_ok=True)
    want = {}
    for p in packages:
        v = candidate(p)
        want[p] = (v, f"{p}_{v.replace(':', '%3a')}_")
    found = lambda pre: next((f for f in store.iterdir() if f.name.startswith(pre) and f.suffix == ".deb"), None)
    with lock("debs"):
        missing = [f"{p}={v}" for p, (v, pre) in want.items() if not found(pre)]
        if missing:
            # apt downloads under the final name: what an interrupted one has left is not to be believed
            tmp = store / "partial"
            shutil.rmtree(tmp, ignore_errors=True)
            tmp.mkdir()
            try:
                _apt("apt-get", "download", "-q", *missing, cwd=tmp, timeout=1800)
            except LabError:
                update(force=True)      # superseded since the lists were fetched?
                raise
            for f in tmp.iterdir():
                f.rename(store / f.name)
    paths = [found(pre) for _, pre in want.values()]
    if None in paths:
        raise LabError(f"downloaded, but not there: {[p for p, x in zip(want, paths) if not x]}")
    return paths


def unpacked(name, packages):
    """A folder ROOT/name-<key> with the files of these packages, unpacked and never installed."""
    versions = [f"{p}={candidate(p)}" for p in packages]
    from .cache import digest
    key = digest(*versions)

    def build(tmp):
        for deb in fetch(packages):
            run(["dpkg-deb", "-x", deb, tmp])
    return made(f"{name}-{key}", build, f"{name} ({', '.join(versions)[:120]})")


def need(*tools):
    """Make sure these programs or FILES exist on the machine; installs packages only for missing ones."""
    path = os.environ["PATH"]
    os.environ["PATH"] = path + "".join(f":{d}" for d in ("/usr/sbin", "/sbin") if d not in path.split(":"))
    missing = []
    for t in tools:
        there = os.path.exists(t) if t in FILES else shutil.which(t)
        if not there:
            missing.append(FILES.get(t) or TOOLS.get(t, t))
    _install(missing)


def need_packages(names):
    """Make sure these packages are installed on the machine."""
    names = [n for n in names if n]
    status = run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", "dpkg", *names], check=False) if names else ""
    have = {l.split()[0] for l in status.splitlines() if l.endswith(" installed")}
    _install(n for n in names if n not in have)


def _install(packages):
    packages = sorted(set(packages))
    if not packages:
        return
    if os.getuid():
        raise LabError(f"please install: {' '.join(packages)}")
    say(f"installing {' '.join(packages)}")
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    argv = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=600", *packages]
    try:
        run(argv, timeout=1800, env=env)
    except LabError:
        run(["apt-get", "update", "-q"], timeout=600, env=env)
        run(argv, timeout=1800, env=env)
