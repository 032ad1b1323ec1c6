# SPDX-License-Identifier: GPL-2.0
"""One guest: its QEMU process, its agent on a virtio-serial port, its console.

Nothing here depends on the guest's network.  A thread reads what the agent sends and sorts it into
jobs, so any number of commands run side by side.  The console is a file that outlives restarts;
check_console() looks only at what came since it last looked.  QEMU dies with this process.
"""
import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from . import console
from .cache import LabError
from .job import Job, Place

BOOT_TIMEOUT = 240
CPU = "max,-erms,-fsrm,-cx16"   # erms: TCG counts each byte; cx16: QEMU 7.2 double-faults in the slab allocator
# tsc=reliable: on a busy machine the watchdog finds the emulated TSC late and gives it up, which makes every clock dearer
# from then on, and patches the scheduler's code while both CPUs run it: QEMU 7.2 may go on running the int3 put there.
CMDLINE = ("console=ttyS0 quiet loglevel=7 nokaslr mitigations=off panic=-1 oops=panic no_timer_check tsc=reliable"
           " rcupdate.rcu_cpu_stall_timeout=60")
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """preexec_fn: the child gets SIGKILL when the thread that started it ends."""
    _libc.prctl(1, signal.SIGKILL)


class GuestGone(LabError):
    """The guest died, was killed or was restarted while something was asked of it."""


class GuestJob(Job):
    """A command in a guest."""

    def __init__(self, vm, cmd, number):
        super().__init__(vm, cmd)
        self.number, self.rc, self._out, self.boot = number, None, bytearray(), vm.boots

    def wait(self, timeout=60):
        """(code, output) once it has ended."""
        vm, end = self.place, time.monotonic() + timeout
        with vm.cond:
            while self.rc is None:
                if vm.lost or vm.boots != self.boot:
                    raise GuestGone(f"{vm.name}: the guest went away during [{self.cmd[:500]}]\n{vm.evidence()}")
                left = end - time.monotonic()
                if left <= 0:
                    break
                vm.cond.wait(min(left, 1))
        if self.rc is None:
            self.timed_out(timeout)
        return self.rc, self.output()

    @property
    def done(self):
        return self.rc is not None

    def output(self):
        with self.place.cond:
            return bytes(self._out).decode(errors="replace")

    def kill(self, sig=signal.SIGKILL):
        self.place.send("K", self.number, str(int(sig)))


class VM(Place):
    """A guest.  netdevs: (id, -netdev text, mac, device options); fds: passed to QEMU."""

    def __init__(self, name, kernel, initrd, rundir, logdir, smp=1, mem=None, append="", netdevs=(), shares=(), fds=(),
                 kvm=False, extra=(), params=None):
        self.name, self.kernel, self.run, self.fds = name, kernel, Path(rundir), tuple(fds)
        self.console_path = Path(logdir) / f"{name}.console"
        self.mem, self.smp = mem or (1024 if kernel.debug else 512), smp
        cpu = "host" if kvm else CPU + (",la57=off" if kernel.debug else "")
        self.params = {"name": name, **(params or {})}
        self.argv = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-name", f"memnet-{name}",
            "-M", "q35,usb=off,vmport=off", "-cpu", cpu, "-smp", str(smp), "-m", str(self.mem),
            "-accel", "kvm" if kvm else "tcg,thread=multi,tb-size=256",
            "-kernel", str(kernel.vmlinuz), "-initrd", str(initrd), "-append", self._cmdline(append),
            "-chardev", f"file,id=con,path={self.console_path},append=on", "-serial", "chardev:con",
            "-chardev", f"socket,id=tty,path={self.run}/{name}.tty,server=on,wait=off", "-serial", "chardev:tty",
            "-chardev", f"socket,id=ctl,path={self.run}/{name}.ctl", "-device", "virtio-serial-pci",
            "-device", "virtserialport,chardev=ctl,name=ctl", "-qmp", f"unix:{self.run}/{name}.qmp,server=on,wait=off",
            "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
        ]
        for ident, text, mac, opts in netdevs:
            self.argv += ["-netdev", text, "-device", f"virtio-net-pci,netdev={ident},mac={mac},romfile=,{opts}".rstrip(",")]
        for tag, path in shares:
            self.argv += ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap,readonly=on",
                          "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        self.argv += list(extra)
        self.proc = self.ctl = None
        self.cond, self.wlock = threading.Condition(), threading.Lock()
        self.jobs, self.next_job, self.boots, self.lost = {}, 1, 0, True
        self.ready, self.boot_s = False, None
        # what an earlier lab left in the file is not ours
        self.seen = self.begin = self.marked = len(self._console_file())

    def _cmdline(self, append):
        text = " ".join([CMDLINE, *(f"lab.{k}={v}" for k, v in self.params.items())])
        if self.smp > 1:        # init starts the others, and says why
            text += " maxcpus=1"
        if self.kernel.debug:   # kmemleak costs most of all checkers: only who asks for it has it
            text += " kasan_multi_shot no_hash_pointers" + ("" if "kmemleak=" in append else " kmemleak=off")
        return f"{text} {append}".rstrip()

    # --- life -----------------------------------------------------------------------------------

    def start(self):
        """Start QEMU; wait_ready() waits for the guest."""
        for s in ("ctl", "qmp", "tty"):
            (self.run / f"{self.name}.{s}").unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as srv:
            srv.bind(str(self.run / f"{self.name}.ctl"))
            srv.listen(1)
            srv.settimeout(30)
            self.t0 = time.monotonic()
            log = self.run / f"{self.name}.qemu"
            with open(log, "wb") as f:
                self.proc = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT,
                                             pass_fds=self.fds, preexec_fn=die_with_parent)
            end = time.monotonic() + 30
            srv.settimeout(0.2)
            while True:
                try:
                    self.ctl, _ = srv.accept()
                    break
                except TimeoutError:
                    if self.proc.poll() is not None or time.monotonic() > end:
                        self.kill()
                        raise LabError(f"{self.name}: QEMU did not start: {log.read_text(errors='replace')[-2000:]}") from None
        self.ctl.setblocking(True)
        with self.cond:
            self.boots += 1
            self.jobs, self.ready, self.lost = {}, False, False
        threading.Thread(target=self._read, args=(self.ctl, self.boots), daemon=True, name=f"{self.name}-reader").start()
        return self

    def wait_ready(self, timeout=BOOT_TIMEOUT):
        """Wait until the guest's agent says hello."""
        end = time.monotonic() + timeout
        with self.cond:
            while not self.ready:
                left = end - time.monotonic()
                if self.lost or left <= 0:
                    raise LabError(f"{self.name}: " + ("the guest died while booting" if self.lost else f"not up after {timeout} s")
                                   + "\n" + self.evidence())
                self.cond.wait(min(left, 1))
        self.boot_s = time.monotonic() - self.t0
        return self

    @property
    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def kill(self):
        """Power cut."""
        if self.proc:
            self.proc.kill()
            self.proc.wait()
        self._hang_up()

    def off(self, timeout=20):
        """Power off in an orderly way, by force when that takes too long."""
        if self.alive and not self.lost:
            try:
                self.send("R", 0, "sync; poweroff -f")
                self.proc.wait(timeout)
            except (subprocess.TimeoutExpired, OSError, LabError):
                pass
        self.kill()

    def restart(self, timeout=BOOT_TIMEOUT, append=None):
        """Boot again, after a power cut when it still runs; append: other additions to the kernel's command line."""
        self.kill()
        if append is not None:
            self.argv[self.argv.index("-append") + 1] = self._cmdline(append)
        return self.start().wait_ready(timeout)

    def pause(self):
        """Stop the guest's processors; resume() lets them run again."""
        self.qmp("stop")

    def resume(self):
        self.qmp("cont")

    def set_link(self, netdev, up):
        """Pull or plug a cable: netdev is "san" or "ext"."""
        self.qmp("set_link", name=netdev, up=up)

    # --- commands -------------------------------------------------------------------------------

    def bg(self, cmd):
        """Start a command; a job with wait(), kill(), output()."""
        with self.cond:
            number, self.next_job = self.next_job, self.next_job + 1
            job = self.jobs[number] = GuestJob(self, cmd, number)
        self.send("R", number, cmd)
        return job

    def send(self, kind, number, text):
        data = text.encode()
        if self.lost:
            raise GuestGone(f"{self.name}: the guest is not running; asked for [{text[:200]}]\n{self.evidence()}")
        try:
            with self.wlock:
                self.ctl.sendall(struct.pack("<III", ord(kind), number, len(data)) + data)
        except OSError as e:
            raise GuestGone(f"{self.name}: control port: {e}; asked for [{text[:200]}]\n{self.evidence()}") from e

    def _read(self, sock, boot):
        """The reader thread of one boot."""
        buf = b""
        try:
            while True:
                data = sock.recv(1 << 16)
                if not data:
                    break
                buf += data
                while len(buf) >= 12:
                    kind, number, n = struct.unpack_from("<III", buf)
                    if len(buf) < 12 + n:
                        break
                    self._frame(boot, chr(kind), number, buf[12:12 + n])
                    buf = buf[12 + n:]
        except OSError:
            pass
        with self.cond:
            if self.boots == boot:
                self.lost = True
            self.cond.notify_all()

    def _frame(self, boot, kind, number, payload):
        with self.cond:
            if boot != self.boots:
                return
            job = self.jobs.get(number)
            if kind == "H":
                self.ready = True
            elif job and kind == "O":
                job._out += payload
            elif job and kind == "X":
                job.rc = struct.unpack("<i", payload)[0]
            self.cond.notify_all()

    def _hang_up(self):
        if self.ctl:
            try:
                self.ctl.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.ctl.close()
            self.ctl = None
        with self.cond:
            self.lost = True
            self.cond.notify_all()

    def qmp(self, command, **arguments):
        """One QMP command; its return value."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(str(self.run / f"{self.name}.qmp"))
            f = s.makefile("rw")
            f.readline()
            for msg in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                f.write(json.dumps(msg) + "\n")
                f.flush()
                while True:
                    r = json.loads(f.readline() or '{"error": "closed"}')
                    if "return" in r or "error" in r:
                        break
        if "error" in r:
            raise LabError(f"{self.name}: qmp {command}: {r['error']}")
        return r["return"]

    # --- evidence -------------------------------------------------------------------------------

    def _console_file(self):
        try:
            return self.console_path.read_bytes()
        except OSError:
            return b""

    def console(self):
        """All the console said since the lab began."""
        return self._console_file()[self.begin:].decode(errors="replace")

    def check_console(self):
        """Excerpts of bug reports that came since the last check."""
        over = not self.alive       # then the line it was writing gets no longer
        raw = self._console_file()
        end = max(self.seen, len(raw) if over else raw.rfind(b"\n") + 1)
        new, self.seen = raw[self.seen:end], end
        return console.reports(new.decode(errors="replace"))

    def mark(self):
        """What the console said so far is not evidence for what comes."""
        self.marked = len(self._console_file())

    def evidence(self, lines=50):
        """The console's last lines since mark(); of the boot only when it did not succeed."""
        text = self._console_file()[self.marked:].decode(errors="replace").splitlines()
        up = max((i for i, l in enumerate(text) if "init: ready at" in l), default=-1)
        tail = "\n".join(text[max(up, len(text) - lines, 0):])
        return f"--- console of {self.name}, last lines\n{tail}\n---"

    def freeze(self):
        """Stop the guest as a machine that stands still would: its clock goes on; resume by thaw()."""
        os.kill(self.proc.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.proc.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)       # all of its threads

    def thaw(self):
        os.kill(self.proc.pid, signal.SIGCONT)

    def cpu_seconds(self):
        """CPU time this guest's QEMU has used."""
        f = Path(f"/proc/{self.proc.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")
