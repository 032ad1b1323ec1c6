# SPDX-License-Identifier: GPL-2.0
"""The Debian root in the cache that guests and the client take their programs from.

A bookworm root, made by mmdebstrap, keyed by its list of packages.  Guests mount it read-only over
9p (the guest's `userland` script puts a tmpfs over it and enters it); the client enters it in its
namespaces; the guest image takes its tools and their libraries out of it.  So this machine itself
needs no nginx and no curl, and every side runs the same versions on every machine.

There are two: what the image and make check want, and "apps", which has the programs of make check-apps
besides, three times the size; a lab names the one that it wants.
"""
import shutil

from . import apt
from .cache import ROOT, digest, made, run

# for the guest image: what init and the tests call everywhere
TOOLS = ["busybox-static", "dash", "kmod", "iproute2", "ethtool", "strace", "tcpdump", "ibverbs-utils",
         "ibverbs-providers", "rdmacm-utils", "perftest", "coreutils", "procps", "util-linux"]
# unmodified programs that the tests run as servers and clients
PROGRAMS = ["nginx-light", "curl", "python3", "redis-server", "redis-tools", "wrk", "httperf", "iperf3", "netcat-openbsd",
            "socat", "openssl", "ca-certificates"]
# those of make check-apps
APPS = ["wget", "git", "memcached", "haproxy", "openssh-server", "openssh-client", "postgresql-15", "nodejs",
        "openjdk-17-jre-headless", "ecj"]

_KEEP_OUT = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*",
             "/usr/share/gdb/*"]


def root(name=""):
    """The folder of an unpacked, configured root: the small one, or the one called "apps"."""
    packages = TOOLS + PROGRAMS + {"": [], "apps": APPS}[name]
    key = digest(*packages, *_KEEP_OUT, "2")

    def build(tmp):
        apt.need("mmdebstrap")
        tree = tmp / "root"
        argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--architectures=amd64",
                "--aptopt=APT::Install-Recommends \"0\"", "--aptopt=Acquire::Languages \"none\"",
                f"--include={','.join(packages)}", *(f"--dpkgopt=path-exclude={p}" for p in _KEEP_OUT),
                # update-alternatives links to manual pages, there or not
                "--essential-hook=mkdir -p \"$1/usr/share/man/man1\" \"$1/usr/share/man/man7\"",
                "", str(tree), *apt.source_lines()]
        run(argv, timeout=2400, what="mmdebstrap")
        # no mirror address stays behind, nothing of apt is needed in a guest; keys are made by who wants them
        for p in ("etc/apt", "var/lib/apt", "var/cache/apt", "var/cache/debconf"):
            shutil.rmtree(tree / p, ignore_errors=True)
        for p in ("mnt/build", "mnt/src", "mnt/userland"):
            (tree / p).mkdir(parents=True, exist_ok=True)
        # services are started by the tests, by hand
        for p in (*(tree / "etc/nginx/sites-enabled").glob("*"), *(tree / "etc/ssh").glob("ssh_host_*")):
            p.unlink()
        (tree / "etc/hostname").write_text("memnet\n")
        (tree / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        (tree / "etc/resolv.conf").write_text("")
    return made(f"userland-{name}{'-' if name else ''}{key}", build, f"the userland root {name}".rstrip()) / "root"
