# SPDX-License-Identifier: GPL-2.0
"""The lab's two networks, and the client.

The SAN joins host and node by datagram Unix sockets (no loss under load, MTU 9000).  The external
network is a tap device that is made *inside* the client's network namespace and whose descriptor
QEMU gets: so nothing of a lab is ever visible in this machine's own network, parallel labs cannot
meet, and everything is gone when the process that holds the namespaces dies.

The client is a set of namespaces (mount, net, pid) held by one process, with the userland root as
its root and /mnt/build and /mnt/src inside it.
"""
import ctypes
import fcntl
import os
import signal
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from .addresses import CLIENT_EXT, CLIENT_EXT6
from .cache import TREE, LabError
from .job import Job, Place
from .vm import die_with_parent

# QEMU before 9.1 may wait for ever for the guest to say that it has added buffers for what comes: where some had been added
# while it made sure that there were none, but too few for the packet, the guest has passed the index which it was to tell of
# (virtio_net_has_buffers() in hw/net/virtio-net.c). Without the index the guest tells whenever it adds some.
KICKED = "event_idx=off"
MAC_SAN, MAC_EXT = "52:54:00:00:53:%02x", "52:54:00:00:45:%02x"

_TUNSETIFF, _IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x400454ca, 0x0002, 0x1000, 0x4000
_CLONE_NEWNET = 0x40000000

# runs as the holder: builds the client's root, then waits to be killed with its namespaces
_HOLDER = r"""
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 client "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
R=$1/root
mkdir -p $R/proc $R/sys $R/dev $R/tmp $R/run $R/mnt/build $R/mnt/src
mount -t proc proc $R/proc
mount -t sysfs sys $R/sys 2>/dev/null || mount --rbind /sys $R/sys
mount --rbind /dev $R/dev
mount -t tmpfs tmp $R/tmp
mount -t tmpfs run $R/run
mount --bind "$3/build" $R/mnt/build
mount --bind "$3" $R/mnt/src
mount -o remount,bind,ro $R/mnt/src 2>/dev/null || :
hostname client 2>/dev/null || :
ip link set lo up
echo ready
exec <&-
while :; do sleep 3600 & wait; done
"""


class ClientJob(Job):
    """A command of the client: a process of this machine inside the client's namespaces."""

    def __init__(self, client, cmd):
        super().__init__(client, cmd)
        self._file = tempfile.TemporaryFile()
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/mnt/build/user", "HOME": "/root",
               "LANG": "C.UTF-8"}
        argv = ["nsenter", "-t", str(client.pid), "-m", "-u", "-n", "-p", "chroot", client.root, "/bin/sh", "-c", cmd]
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self._file, stderr=subprocess.STDOUT, env=env,
                                     start_new_session=True)

    def wait(self, timeout=60):
        """(code, output) once it has ended."""
        try:
            rc = self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            self.timed_out(timeout)
        return rc, self.output()

    @property
    def done(self):
        return self.proc.poll() is not None

    def output(self):
        n = os.fstat(self._file.fileno()).st_size
        return os.pread(self._file.fileno(), n, 0).decode(errors="replace")

    def kill(self, sig=signal.SIGKILL):
        if self.proc.poll() is None:
            os.killpg(self.proc.pid, sig)


class Client(Place):
    """The machine behind the node's external interface."""

    name = "client"

    def __init__(self, userland_root):
        self.userland, self.holder, self.pid, self.dir = userland_root, None, None, None

    def start(self):
        self.dir = tempfile.mkdtemp(prefix=f"memnet-client-{os.getpid()}-")
        (TREE / "build").mkdir(exist_ok=True)
        argv = ["unshare", "-m", "-u", "-n", "-p", "-f", "--kill-child", "sh", "-c", _HOLDER, "holder", self.dir,
                str(self.userland), str(TREE)]
        self.holder = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       text=True, preexec_fn=die_with_parent, start_new_session=True)
        first = self.holder.stdout.readline()
        if first.strip() != "ready":
            raise LabError(f"client: cannot make its namespaces: {first}{self.holder.stdout.read()}")
        kids = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()
        self.pid, self.root = int(kids[0]), f"{self.dir}/root"
        return self

    def tap(self, name="ext0"):
        """Make a tap device in the client's network; the descriptor QEMU gets."""
        got = []

        def work():     # setns moves one thread only
            try:
                ns = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
                if ctypes.CDLL(None, use_errno=True).setns(ns, _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
                os.close(ns)
                fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
                fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR))
                got.append(fd)
            except OSError as e:
                got.append(e)
        t = threading.Thread(target=work)
        t.start()
        t.join(30)
        if not got or isinstance(got[0], OSError):
            raise LabError(f"client: cannot make a tap device: {got[:1]}")
        os.set_inheritable(got[0], True)
        self.sh(f"ip addr add {CLIENT_EXT}/24 dev {name}; ip addr add {CLIENT_EXT6}/64 dev {name} nodad;"
                f" ip link set {name} up")
        return got[0]

    def bg(self, cmd):
        """Start a command; a job with wait(), kill(), output()."""
        if not self.holder or self.holder.poll() is not None:
            raise LabError(f"client: not running; asked for [{cmd[:200]}]")
        return ClientJob(self, cmd)

    def evidence(self):
        rc, out = self.sh("ps axo pid,stat,args | tail -n 20; ss -tan | head -n 20", timeout=10, check=False)
        return f"--- client\n{out}\n---"

    def stop(self):
        """End every process of the client; its interfaces go with it."""
        if self.holder:
            try:
                os.kill(self.pid or self.holder.pid, signal.SIGKILL)
            except OSError:
                pass
            self.holder.kill()
            self.holder.wait(20)
            self.holder.stdout.close()
            self.holder = None
        if self.dir:
            for _ in range(20):
                try:
                    os.rmdir(self.dir)
                    break
                except OSError:
                    time.sleep(0.1)
            self.dir = None


def san_netdev(rundir, side):
    """The -netdev text of one end (0: node, 1: host) of the SAN."""
    return (f"dgram,id=san,local.type=unix,local.path={rundir}/san.{side},"
            f"remote.type=unix,remote.path={rundir}/san.{1 - side}")
