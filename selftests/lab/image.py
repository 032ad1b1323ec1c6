# SPDX-License-Identifier: GPL-2.0
"""The guest's initramfs, one per kernel: init, the agent, a few tools, and the modules they load.

Tools and their libraries come out of the userland root, modules out of the kernel's, with their
dependencies, decompressed (cheaper under TCG).  Nothing of MemNet is in it: our modules, programs
and tests are read over 9p, so that a change of them makes no new image.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

from . import apt, userland
from .cache import HERE, LabError, digest, made, run

MODULES = """
 virtio_pci virtio_net virtio_console virtio_rng 9p 9pnet_virtio overlay
 ib_core rdma_rxe siw rdma_cm rdma_ucm ib_uverbs ib_umad iw_cm
 veth dummy bridge macvlan vrf tun ifb tls inet_diag tcp_diag udp_diag raw_diag af_packet_diag unix_diag
 sch_netem sch_fq sch_tbf sch_ingress sch_prio cls_u32 cls_matchall act_mirred act_gact tcp_bbr
 smc smc_diag
 crc32_generic crc32_pclmul crc32c_generic crc32c_intel libcrc32c
 hmac sha256_generic sha256_ssse3 gcm aesni_intel aes_generic ccm
""".split()

PROGRAMS = """bash ip ss tc bridge rdma ethtool kmod rping ucmatose udaddy mckey rstream riostream ibv_devinfo ibv_devices
 ibv_rc_pingpong ib_send_lat ib_write_lat ib_write_bw ib_send_bw ib_read_bw strace tcpdump timeout env nice stdbuf
 flock taskset prlimit unshare nsenter setpriv chrt sysctl pidof pgrep pkill ps top lsof sort""".split()

_DIRS = """bin sbin usr/bin usr/sbin usr/lib/x86_64-linux-gnu usr/lib/coreutils usr/libexec/coreutils etc proc sys dev tmp run
 root mnt/build mnt/src mnt/userland var/run var/tmp""".split()


def get(kernel):
    """The initramfs for this kernel; built when missing (about 10 s)."""
    root = userland.root()
    parts = [HERE / f for f in ("init", "userland.sh", "agent.c", "image.py")]
    key = digest(kernel.path.name, root.parent.name, *parts)

    def build(tmp):
        apt.need("gcc", "cpio", "kmod", "xz", "gzip")
        tree = tmp / "tree"
        for d in _DIRS:
            (tree / d).mkdir(parents=True, exist_ok=True)
        _base(tree, root)
        _programs(tree, root)
        _modules(tree, kernel)
        run(["bash", "-o", "pipefail", "-c", "cd $0 && find . -print0 | cpio --null -o -H newc -R 0:0 --quiet | gzip -1 >$1",
             tree, tmp / "initrd"])
        shutil.rmtree(tree)
    return made(f"image-{kernel.name}-{key}", build, f"guest image for {kernel.release}") / "initrd"


def _base(tree, root):
    """Busybox's applets, dash as sh, our init and agent, the files programs look for."""
    usrlib = tree / "usr/lib/x86_64-linux-gnu"
    (tree / "lib64").symlink_to("usr/lib/x86_64-linux-gnu")
    (tree / "lib").mkdir()
    (tree / "lib/x86_64-linux-gnu").symlink_to("../usr/lib/x86_64-linux-gnu")
    shutil.copy(root / "bin/busybox", tree / "bin/busybox")
    for applet in run([tree / "bin/busybox", "--list"]).split():
        if applet != "busybox":
            (tree / "bin" / applet).symlink_to("busybox")
    # busybox's own shell would prefer its own applets (ip, timeout) to the programs
    _install(root, "bin/dash", tree / "bin/dash")
    (tree / "bin/sh").unlink()
    (tree / "bin/sh").symlink_to("dash")
    (tree / "usr/bin/env").symlink_to("../../bin/env")
    shutil.copy(HERE / "init", tree / "init")
    shutil.copy(HERE / "userland.sh", tree / "bin/userland")
    run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", HERE / "agent.c", "-o", tree / "bin/agent"])
    for p in ("init", "bin/userland"):
        (tree / p).chmod(0o755)
    files = {"passwd": "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
                       "alice:x:1001:1001::/:/bin/sh\nbob:x:1002:1002::/:/bin/sh\n",
             "group": "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\nalice:x:1001:\nbob:x:1002:\n", "fstab": "",
             "hosts": "127.0.0.1 localhost\n::1 localhost\n", "nsswitch.conf": "hosts: files\n",
             "profile": "export PATH=/bin:/sbin:/usr/bin:/usr/sbin:/mnt/build/user\nPS1='\\h:\\w# '\n"}
    for name, text in files.items():
        (tree / "etc" / name).write_text(text)
    usrlib.mkdir(parents=True, exist_ok=True)


def _install(root, rel, to):
    src = Path(os.path.realpath(root / rel)) if not os.path.islink(root / rel) else _within(root, rel)
    if os.path.lexists(to):
        to.unlink()
    shutil.copy(src, to)
    to.chmod(0o755)


def _within(root, rel):
    """Follow links as if root were /."""
    p = root / rel
    for _ in range(20):
        if not os.path.islink(p):
            return p
        t = os.readlink(p)
        p = root / t.lstrip("/") if t.startswith("/") else Path(os.path.normpath(p.parent / t))
    raise LabError(f"links without end at {rel}")


def _programs(tree, root):
    """Programs of the userland root, with the closure of their libraries and the verbs providers."""
    rel = {}
    for name in PROGRAMS:
        for d in ("bin", "sbin", "usr/bin", "usr/sbin"):
            if os.path.lexists(root / d / name) and not str(_within(root, f"{d}/{name}")).endswith("busybox"):
                rel[name] = f"{d}/{name}"
                break
    missing = {"ip", "ss", "tc", "rdma", "kmod", "rping", "timeout"} - rel.keys()
    if missing:
        raise LabError(f"the userland root lacks {missing}")
    for name, r in rel.items():
        _install(root, r, tree / "bin" / name)
    plugins = sorted(root.glob("usr/lib/x86_64-linux-gnu/libibverbs/lib*-rdmav*.so"))
    (tree / "usr/lib/x86_64-linux-gnu/libibverbs").mkdir()
    (tree / "etc/libibverbs.d").mkdir()
    for kind in ("rxe", "siw"):
        shutil.copy(root / f"etc/libibverbs.d/{kind}.driver", tree / "etc/libibverbs.d")
        for p in plugins:
            if f"lib{kind}-" in p.name:
                shutil.copy(p, tree / "usr/lib/x86_64-linux-gnu/libibverbs")
    names = ["/" + r for r in rel.values()] + ["/bin/dash"] + [f"/{p.relative_to(root)}" for p in plugins if re.search("lib(rxe|siw)-", p.name)]
    out = run(["chroot", root, "sh", "-c", 'for f in "$@"; do ldd "$f" || :; done', "ldd", *names])
    libs = set(re.findall(r"(/\S+\.so\S*) \(0x", out))
    # what our programs and a thread's pthread_cancel load by themselves
    for name in ("libgcc_s.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libm.so.6", "libresolv.so.2", "libnss_files.so.2"):
        libs.add(f"/lib/x86_64-linux-gnu/{name}")
    for lib in sorted(libs):
        src = _within(root, lib.lstrip("/"))
        to = tree / "usr/lib/x86_64-linux-gnu" / os.path.basename(lib)
        if src.exists() and not to.exists():
            shutil.copy(src, to)
    # the kernel's own request_module() calls /sbin/modprobe
    (tree / "sbin/modprobe").symlink_to("../bin/kmod")
    for a in ("modprobe", "insmod", "rmmod", "lsmod", "depmod", "modinfo"):
        (tree / "bin" / a).unlink(missing_ok=True)
        (tree / "bin" / a).symlink_to("kmod")


def _modules(tree, kernel):
    """The modules of MODULES that this kernel has, with what they depend on."""
    base = kernel.modroot / "lib/modules" / kernel.release
    to = tree / "lib/modules" / kernel.release
    to.mkdir(parents=True)
    for f in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        if (base / f).exists():
            shutil.copy(base / f, to / f)
    found = set()
    for m in MODULES:
        argv = ["bash", "-c", "modprobe -d $0 -S $1 -D --ignore-install $2 || :", kernel.modroot, kernel.release, m]
        for line in run(argv).splitlines():
            if line.startswith("insmod "):
                found.add(Path(line.split()[1]))
    if not any(f.name.startswith("rdma_rxe.ko") for f in found):
        raise LabError(f"{kernel.release} has no rdma_rxe")
    for f in sorted(found):
        rel = Path(*f.parts[f.parts.index(kernel.release) + 1:])
        out = to / str(rel).removesuffix(".xz").removesuffix(".zst")
        out.parent.mkdir(parents=True, exist_ok=True)
        if f.suffix == ".xz":
            with open(out, "wb") as w:
                subprocess.run(["xz", "-dc", f], stdout=w, check=True, timeout=60)
        else:
            shutil.copy(f, out)
    run(["depmod", "-b", tree, kernel.release])
