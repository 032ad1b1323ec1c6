# SPDX-License-Identifier: GPL-2.0
"""The lab: a host guest and a node guest on a SAN, and a client behind the node.

    with Lab(kernel="6.12") as lab:
        lab.load_modules()
        lab.node.sh("ss -ti")
        job = lab.host.bg("memnet-run nginx"); lab.client.sh("curl ...")
        lab.host.kill(); lab.host.restart()

Leaving the with block powers everything off.  Consoles lie in .logdir; check_consoles() raises when
a guest's kernel reported a bug since it was last called.
"""
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from . import apt, console, image, kernels, network, userland
from .addresses import (CLIENT_EXT, CLIENT_EXT6, EXT_CIDR, HOST_SAN, HOST_SAN6, NODE_EXT, NODE_EXT6, NODE_SAN, NODE_SAN6,
                        SAN_CIDR)
from .cache import ROOT, TREE, LabError
from .network import MAC_EXT, MAC_SAN
from .vm import VM

CORE, HOST, NODE = "memnet_core", "memnet", "memnet_tcps"


class KernelReport(LabError):
    """A guest's kernel reported a bug."""


def _of(value, side):
    """An option is one value for both guests, or a dict host/node."""
    return value.get(side) if isinstance(value, dict) else value


def _sweep():
    """Remove the folders of labs whose process was killed; their guests and namespaces died with it."""
    for d in Path(tempfile.gettempdir()).glob("memnet-*-*-*"):
        m = re.fullmatch(r"memnet-(?:lab|client)-(\d+)-\w+", d.name)
        if m and not Path("/proc", m.group(1)).exists():
            shutil.rmtree(d, ignore_errors=True)


class Lab:
    """
    Two guests and a client.  smp, mem, append, qemu (more arguments) may be dicts {"host": ..., "node": ...}; root: which of
    userland's roots all three have; ext: options of the node's external interface.
    """

    def __init__(self, kernel="6.12", smp=1, mem=None, append="", qemu=(), roce="rxe", mtu=9000, kvm=False, logdir=None,
                 keep=False, root="", ext=network.KICKED):
        if os.getuid():
            raise LabError("the lab makes namespaces and a tap device: run it as root")
        apt.need("qemu-system-x86_64", "ip", "unshare", "nsenter")
        _sweep()
        self.kernel, self.keep, self.ext = kernels.get(kernel), keep, ext
        self.build = TREE / "build" / kernel
        self.build.mkdir(parents=True, exist_ok=True)
        self.rundir = Path(tempfile.mkdtemp(prefix=f"memnet-lab-{os.getpid()}-"))      # short: it holds Unix sockets
        self.logdir = Path(logdir) if logdir else self.rundir
        self.logdir.mkdir(parents=True, exist_ok=True)
        root, initrd = userland.root(root), image.get(self.kernel)
        shares = (("build", TREE / "build"), ("src", TREE), ("userland", root))
        self.client = network.Client(root)
        self._fds = []
        opts = f"mq=off,{network.KICKED},host_mtu={mtu}"
        common = dict(kernel=self.kernel, initrd=initrd, rundir=self.rundir, logdir=self.logdir, shares=shares, kvm=kvm)
        for side, number in (("host", 1), ("node", 0)):
            v4, v6 = (HOST_SAN, HOST_SAN6) if side == "host" else (NODE_SAN, NODE_SAN6)
            params = {"mtu": mtu, "roce": roce, "san": f"{v4}/24,{v6}/64"}
            nets = [("san", network.san_netdev(self.rundir, number), MAC_SAN % (2 - number), opts)]
            if side == "node":
                params["ext"] = f"{NODE_EXT}/24,{NODE_EXT6}/64"
            vm = VM(side, netdevs=nets, smp=_of(smp, side), mem=_of(mem, side), append=_of(append, side) or "",
                    extra=_of(qemu, side) or (), params=params, **common)
            setattr(self, side, vm)

    # --- life -----------------------------------------------------------------------------------

    def start(self):
        """Bring up the client's network and both guests."""
        t = time.monotonic()
        try:
            self.client.start()
            fd = self.client.tap()
            self._fds.append(fd)
            self.node.fds = (fd,)
            self.node.argv += ["-netdev", f"tap,id=ext,fd={fd},vhost=off", "-device",
                               f"virtio-net-pci,netdev=ext,mac={MAC_EXT % 1},romfile=,mq=off,{self.ext}".rstrip(",")]
            self.node.start()
            self.host.start()
            self.node.wait_ready()
            self.host.wait_ready()
        except BaseException:
            self.stop()
            raise
        self.boot_s = time.monotonic() - t
        return self

    def stop(self):
        """Power everything off and leave nothing behind but the logs."""
        for vm in (self.host, self.node):
            if vm.alive and not vm.lost:
                try:
                    vm.send("R", 0, "sync; poweroff -f")
                except LabError:
                    pass
        for vm in (self.host, self.node):
            vm.off(timeout=10)
        self.client.stop()
        for fd in self._fds:
            os.close(fd)
        self._fds = []
        if self.logdir != self.rundir or not self.keep:
            shutil.rmtree(self.rundir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    @property
    def guests(self):
        return (self.host, self.node)

    # --- our modules ----------------------------------------------------------------------------

    def insmod(self, vm, name, params=""):
        """Load one of our modules, after what it depends on."""
        ko = f"/mnt/build/{self.kernel.name}/{name}.ko"
        ours = f"{CORE}|{HOST}|{NODE}"
        return vm.sh(f"""
            test -e {ko} || {{ echo {ko} is not there: python3 -m selftests.lab build {self.kernel.name}; exit 1; }}
            for m in $(modinfo -F depends {ko} | tr , ' '); do
                case $m in {ours}) ;; *) modprobe $m || exit 1 ;; esac
            done
            insmod {ko} {params}""", timeout=120)

    def load_core(self, params=""):
        for vm in self.guests:
            self.insmod(vm, CORE, params)

    def load_tcps(self, params="", listen=NODE_SAN, allow=SAN_CIDR):
        """The node's module; listen=None and allow=None leave those parameters out."""
        given = " ".join(f"{k}={v}" for k, v in (("listen", listen), ("allow", allow)) if v)
        return self.insmod(self.node, NODE, f"{given} {params}")

    def load_host(self, params="", tcps=NODE_SAN):
        return self.insmod(self.host, HOST, (f"tcps={tcps} " if tcps else "") + params)

    def load_modules(self, core="", tcps="", host=""):
        """All three, with their link; each argument is that module's extra parameters."""
        self.load_core(core)
        self.load_tcps(tcps)
        self.load_host(host)

    def unload_modules(self):
        """Remove what is loaded of ours, users first."""
        for vm in self.guests:
            vm.sh(f"for m in {HOST} {NODE} {CORE}; do [ ! -e /sys/module/$m ] || rmmod $m || exit 1; done", timeout=120)

    # --- what the kernels say -------------------------------------------------------------------

    def check_consoles(self):
        """Raise KernelReport when a kernel reported a bug since the last check."""
        found = [(vm, r) for vm in self.guests for r in vm.check_console()]
        if found:
            head = "; ".join(f"{vm.name}: {console.headline(r).strip()}" for vm, r in found[:4])
            raise KernelReport(f"{len(found)} report(s) in the consoles: {head}\n"
                               + "\n".join(f"--- {vm.name}\n{r}" for vm, r in found[:4]))

    def kmemleak(self, vm=None, settle=6):
        """Scan for leaks; raise KernelReport with the list.  Needs Lab(kernel="debug", append="kmemleak=on")."""
        for v in (vm,) if vm else self.guests:
            rc, out = v.sh("test -w /sys/kernel/debug/kmemleak && echo scan >/sys/kernel/debug/kmemleak", timeout=120, check=False)
            if rc:
                raise LabError(f"{v.name}: no kmemleak here (kernel debug, append='kmemleak=on'): {out}")
        time.sleep(settle)
        leaks = []
        for v in (vm,) if vm else self.guests:
            out = v.sh("echo scan >/sys/kernel/debug/kmemleak; cat /sys/kernel/debug/kmemleak", timeout=180)
            if "unreferenced object" in out:
                leaks.append(f"--- {v.name}\n{out[:6000]}")
        if leaks:
            raise KernelReport("kmemleak: " + "\n".join(leaks))

    def kmemleak_clear(self, vm=None):
        """What is unreferenced now is not ours: forget it."""
        for v in (vm,) if vm else self.guests:
            v.sh("echo scan >/sys/kernel/debug/kmemleak; echo clear >/sys/kernel/debug/kmemleak", timeout=180)


__all__ = ["Lab", "LabError", "KernelReport", "ROOT", "CLIENT_EXT", "CLIENT_EXT6", "EXT_CIDR", "HOST_SAN", "HOST_SAN6",
           "NODE_EXT", "NODE_EXT6", "NODE_SAN", "NODE_SAN6", "SAN_CIDR"]
