# SPDX-License-Identifier: GPL-2.0
"""The kernels guests boot: Debian's 6.12 and 6.1, unpacked and never installed, and our debug kernel.

get(name) gives a Kernel: .vmlinuz, .modroot (the folder that has lib/modules/RELEASE), .release and
.kdir (for building external modules).  What "6.12" means is decided once, when the cache is filled,
and remembered as a link ROOT/kernel/6.12, so that a day with new packages rebuilds nothing by
itself; `python3 -m selftests.lab update` forgets the links.

The debug kernel is built from linux-source-6.12 with debug.config; its key is the source's version
and the fragment.  Kept are the image, the modules and the smallest tree external modules can be
built in (the choice of files is that of the kernel's scripts/package/install-extmod-build).
"""
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import apt
from .cache import HERE, ROOT, LabError, digest, lock, made, run, say

NAMES = ("6.12", "6.1", "debug")
META = {"6.12": ("linux-image-6.12-amd64", "linux-headers-6.12-amd64"),
        "6.1": ("linux-image-amd64", "linux-headers-amd64")}
FRAGMENT = HERE / "debug.config"


@dataclass(frozen=True)
class Kernel:
    name: str
    path: Path          # everything of it lies under here
    release: str        # uname -r
    vmlinuz: Path
    modroot: Path       # has lib/modules/<release>
    kdir: Path          # make -C kdir M=...

    @property
    def debug(self):
        return self.name == "debug"


def _link(name):
    return ROOT / "kernel" / (f"debug-{digest(FRAGMENT)}" if name == "debug" else name)


def have(name):
    """Is it in the cache already?"""
    return _link(name).exists()


def get(name):
    """The kernel of that name; downloads or builds what is missing."""
    if name not in NAMES:
        raise LabError(f"no kernel '{name}'; there are {', '.join(NAMES)}")
    link = _link(name)
    if not link.exists():
        with lock(f"kernel-{name}"):
            if not link.exists():
                path = _debug() if name == "debug" else _debian(name)
                link.parent.mkdir(parents=True, exist_ok=True)
                if link.is_symlink():
                    link.unlink()
                link.symlink_to(os.path.relpath(path, link.parent))
    path = link.resolve()
    release = (path / "release").read_text().strip()
    kdir = path / "kdir"
    return Kernel(name, path, release, path / "vmlinuz", path, kdir)


def source(series="6.12"):
    """The unpacked tree of Debian's linux-source-SERIES, at ROOT/src/linux-source-SERIES."""
    link = ROOT / "src" / f"linux-source-{series}"
    if link.exists():
        return link
    apt.need("xz")
    package = f"linux-source-{series}"
    version = apt.candidate(package)

    def build(tmp):
        deb, = apt.fetch([package])
        run(["dpkg-deb", "-x", deb, tmp / "deb"])
        run(["tar", "-C", tmp, "--strip-components=1", "--use-compress-program=xz -T0", "-xf",
             tmp / "deb" / "usr/src" / f"{package}.tar.xz"], timeout=1200)
        shutil.rmtree(tmp / "deb")
        (tmp / ".debian-version").write_text(version + "\n")
    path = made(f"src/{package}_{version}", build, f"{package} {version}")
    with lock("src"):
        if not link.exists():
            link.symlink_to(path.name)
    return link


def forget():
    """Decide anew, at the next get(), which versions the names mean."""
    for d in ("kernel", "src"):
        for p in (ROOT / d).glob("*") if (ROOT / d).exists() else ():
            if p.is_symlink():
                p.unlink()
    apt.update(force=True)


def _debian(name):
    """Unpack Debian's image, headers and kbuild packages; the folder."""
    apt.need("xz", "make", "gcc", "kmod")
    image, headers = META[name]
    real = lambda meta, pat: next((d for d in apt.depends(meta) if re.match(pat, d)), None)
    img = real(image, r"linux-image-\d")
    hdr = real(headers, r"linux-headers-\d")
    if not img or not hdr:
        raise LabError(f"{image} or {headers} names no package")
    parts = [d for d in apt.depends(hdr) if re.match(r"linux-(headers-.*-common|kbuild-)", d)]
    packages = [img, hdr, *parts]
    key = digest(*(f"{p}={apt.candidate(p)}" for p in packages))
    release = img.removeprefix("linux-image-").removesuffix("-unsigned")
    final = ROOT / f"kernel-{name}-{key}"

    def build(tmp):
        for deb in apt.fetch(packages):
            run(["dpkg-deb", "-x", deb, tmp])
        # the headers name their other half by an absolute path; the final place is known
        mk = tmp / "usr/src" / f"linux-headers-{release}" / "Makefile"
        text = mk.read_text()
        mk.write_text(text.replace("/usr/src/", f"{final}/usr/src/"))
        for old in ("lib/modules/%s/build", "lib/modules/%s/source"):
            p = tmp / (old % release)
            if p.is_symlink():
                p.unlink()
        (tmp / "vmlinuz").symlink_to(f"boot/vmlinuz-{release}")
        (tmp / "kdir").symlink_to(f"usr/src/linux-headers-{release}")
        if not (tmp / "lib/modules").exists():
            (tmp / "lib").mkdir(exist_ok=True)
            (tmp / "lib/modules").symlink_to("../usr/lib/modules")
        run(["depmod", "-b", tmp, release])
        (tmp / "release").write_text(release + "\n")
    return made(final.name, build, f"kernel {release}")


def _debug():
    """Build the debug kernel (about 1,300 CPU-seconds, 60 with a warm ccache); the folder."""
    apt.need("gcc", "make", "flex", "bison", "bc", "xz", "rsync", "kmod", "cpio", "ccache", "file",
             "/usr/include/libelf.h", "/usr/include/openssl/opensslv.h")
    src = source("6.12").resolve()
    version = (src / ".debian-version").read_text().strip()
    key = digest(version, FRAGMENT)

    def build(tmp):
        obj = tmp / "obj"
        obj.mkdir()
        env = dict(os.environ, KBUILD_BUILD_TIMESTAMP="Thu Jan  1 00:00:00 UTC 1970", KBUILD_BUILD_USER="memnet",
                   KBUILD_BUILD_HOST="lab", KBUILD_BUILD_VERSION="1", CCACHE_DIR=str(ROOT / "ccache"),
                   CCACHE_BASEDIR=str(ROOT), CCACHE_NOHASHDIR="1")
        run([src / "scripts/kconfig/merge_config.sh", "-n", "-O", obj, src / "kernel/configs/kvm_guest.config",
             FRAGMENT], cwd=src, env=env, log=tmp / "config.log")
        _check_config(obj / ".config", tmp / "missing")
        jobs = os.cpu_count() or 1
        say(f"building the debug kernel with {jobs} jobs; log in {tmp}/build.log")
        with open(tmp / "build.log", "w") as log:
            argv = ["nice", "-n", "5", "make", "-C", src, f"O={obj}", f"-j{jobs}", "CC=ccache gcc", "bzImage", "modules"]
            rc = subprocess.call([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=subprocess.STDOUT, env=env, timeout=3 * 3600)
        if rc:
            raise LabError("debug kernel: make failed\n" + (tmp / "build.log").read_text()[-3000:])
        run(["make", "-C", src, f"O={obj}", f"INSTALL_MOD_PATH={tmp}", "INSTALL_MOD_STRIP=1", "modules_install"],
            env=env)
        release = (obj / "include/config/kernel.release").read_text().strip()
        for l in ("build", "source"):
            (tmp / "lib/modules" / release / l).unlink(missing_ok=True)
        shutil.copy(obj / "arch/x86/boot/bzImage", tmp / "vmlinuz")
        shutil.copy(obj / "System.map", tmp / "System.map")
        _pack(src, obj, tmp / "kdir")
        shutil.rmtree(obj)
        (tmp / "release").write_text(release + "\n")
    return made(f"kernel-debug-{key}", build, "the debug kernel (about 12 minutes on two idle cores)")


def _check_config(config, log):
    """Every option of the fragment must have survived; a silently dropped checker is no checker."""
    have = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", config.read_text(), re.M))
    lost = []
    for line in FRAGMENT.read_text().splitlines():
        m = re.match(r"(CONFIG_\w+)=(.*)", line)
        if m and have.get(m.group(1)) != m.group(2):
            lost.append(f"{line} (is {have.get(m.group(1))})")
        m = re.match(r"# (CONFIG_\w+) is not set", line)
        if m and m.group(1) in have:
            lost.append(f"{line} (is {have[m.group(1)]})")
    log.write_text("\n".join(lost))
    if lost:
        raise LabError("debug.config: options not taken:\n  " + "\n  ".join(lost))


def _pack(src, obj, out):
    """Copy to out what building an external module against this kernel takes."""
    out.mkdir()
    script = r"""
set -e
cd "$1"
{ find . arch/x86 -maxdepth 1 -name 'Makefile*'; find include scripts -type f -o -type l
  find $(find arch/x86 -name include -o -name scripts -type d) -type f -o -type l; } |
  grep -vE '^(include/dt-bindings|scripts/(dtc|coccinelle|gdb|package|kconfig/tests)|include/uapi/(drm|sound)|include/sound)/' |
  tar cf - -T - | tar xf - -C "$3"
cd "$2"
{ [ -e tools/objtool/objtool ] && echo tools/objtool/objtool
  find arch/x86/include Module.symvers include scripts -type f; echo .config; } |
  grep -vE '\.(o|cmd|d)$|^scripts/(dtc|kconfig)/' | tar cf - -T - | tar xf - -C "$3"
find "$3/scripts" "$3/tools" -type f -perm -100 -exec sh -c 'file -b "$1" | grep -q ELF && strip "$1" || :' _ {} \;
"""
    run(["bash", "-o", "pipefail", "-c", script, "pack", src, obj, out])
