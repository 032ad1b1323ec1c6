# SPDX-License-Identifier: GPL-2.0
"""Our modules, built for a named kernel into build/<kernel>/, where the guests read them.

The sources are copied there with their times kept, so that only what changed is compiled again and
the three kernels never share object files.  The .ko files end up at the top of that folder, which
is where Lab.insmod() looks.
"""
import os
import re
import shutil

from . import apt, kernels
from .cache import HERE, TREE, lock, run

SOURCES = ("Kbuild", "Makefile", "kmod-core", "kmod-host", "kmod-tcps", "compat", "uapi", "include")


def build(name="6.12", extra=(), verbose=False):
    """Build the tree's modules for a kernel; the folder with the .ko files."""
    apt.need("gcc", "make", "rsync", apt.LIBELF)
    kernel = kernels.get(name)
    out = TREE / "build" / name
    out.mkdir(parents=True, exist_ok=True)
    if not (TREE / "Kbuild").exists():
        return out
    with lock(f"modules-{str(out).replace('/', '_')}"):
        work = out / "src"
        sync(work)
        text = make(kernel, work, *extra)
        kos = [p for p in work.rglob("*.ko")]
        for ko in kos:
            to = out / ko.name
            if not to.exists() or to.stat().st_mtime < ko.stat().st_mtime:
                tmp = to.with_suffix(".ko.new")
                shutil.copy2(ko, tmp)
                tmp.rename(to)      # a guest may have the old one open
        for old in out.glob("*.ko"):
            if old.name not in {k.name for k in kos} | {"bugmod.ko", "steer.ko"}:
                old.unlink()
        if verbose or "warning:" in text:
            print("\n".join(l for l in text.splitlines() if verbose or re.search("warning|error|note:|In file", l)))
    return out


def sync(work):
    """Copy the sources to work; what is gone from the tree goes there, too, what was built stays."""
    work.mkdir(exist_ok=True)
    have = [s for s in SOURCES if (TREE / s).exists()]
    keep = ["*.o", "*.ko", "*.cmd", "*.mod", "*.mod.c", "*.d", "Module.symvers", "modules.order", ".tmp_*", "*.a"]
    argv = ["rsync", "-a", "--delete", *(f"--exclude={k}" for k in keep), *(TREE / h for h in have), f"{work}/"]
    run(argv)
    for s in SOURCES:
        if s not in have and (work / s).exists():
            (shutil.rmtree if (work / s).is_dir() else os.unlink)(work / s)


def make(kernel, folder, *args, timeout=1800):
    """make -C kdir M=folder; what it said."""
    argv = ["make", "-C", kernel.kdir, f"M={folder}", "CONFIG_DEBUG_INFO_BTF_MODULES=", f"-j{os.cpu_count() or 1}", *args,
            "modules"]
    # not the options of a make that called us
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL")}
    return run(argv, timeout=timeout, what=f"building {folder} for {kernel.name}", env=env)


def build_module(source, name):
    """Build a folder with a test module of its own, beside ours, for a kernel; the .ko file."""
    apt.need("gcc", "make", "rsync", apt.LIBELF)
    kernel = kernels.get(name)
    out = TREE / "build" / name
    work = out / source.name
    work.mkdir(parents=True, exist_ok=True)
    with lock(f"{source.name}-{str(out).replace('/', '_')}"):
        for f in source.iterdir():
            to = work / f.name
            if not to.exists() or to.read_bytes() != f.read_bytes():
                shutil.copy(f, to)
        make(kernel, work)
        shutil.copy2(work / f"{source.name}.ko", out)
    return out / f"{source.name}.ko"


def build_bugmod(name):
    """Build the module of planted bugs (selftests/lab/bugmod) for a kernel."""
    return build_module(HERE / "bugmod", name)


def need_user():
    """Install what the user side is compiled with: the packages its folders name in packages.txt."""
    apt.need("gcc", "make", "/usr/include/x86_64-linux-gnu/sys/types.h")
    for f in TREE.glob("*/packages.txt"):
        apt.need_packages(l.split("#")[0].strip() for l in f.read_text().splitlines())


def build_user():
    """Build the user side and the test programs into build/user (make test-programs); the folder."""
    out = TREE / "build" / "user"
    out.mkdir(parents=True, exist_ok=True)
    need_user()
    with lock(f"user-{str(out).replace('/', '_')}"):
        text = run(["make", "-C", TREE, "-s", "-k", f"-j{os.cpu_count() or 1}", "test-programs"], timeout=900, what="make test-programs")
    if "warning:" in text:
        print(text)
    return out
