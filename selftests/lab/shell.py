# SPDX-License-Identifier: GPL-2.0
"""make lab: a lab for a person, with a shell in every part of it.

Each guest has a second serial port with a login shell; this program joins the terminal to one of
them.  Ctrl-] leads back to the menu.
"""
import os
import select
import signal
import socket
import subprocess
import sys
import termios
import time
import tty

from . import modules
from .cache import LabError
from .lab import Lab

_LEAVE = b"\x1d"


def main(a):
    """Boot, load our modules when they are built, offer the menu until the person leaves."""
    if not sys.stdin.isatty():
        raise LabError("shell wants a terminal; for scripts there is: python3 -m selftests.lab run")
    modules.build(a.kernel)
    modules.build_user()
    with Lab(kernel=a.kernel, smp=a.smp, mem=a.mem, kvm=a.kvm, append=f"{a.append} lab.tty=1") as lab:
        if a.no_modules or not (lab.build / "memnet.ko").exists():
            print("modules are not loaded")
        else:
            lab.load_modules()
        print(f"host {lab.host.boot_s:.0f} s, node {lab.node.boot_s:.0f} s. Consoles: {lab.logdir}/*.console\n"
              "Inside: `userland CMD` runs a program of the Debian root (nginx, curl, python3); /mnt/build and /mnt/src are this tree.")
        menu(lab)
    return 0


def menu(lab):
    """Offer the parts of a running lab until the person leaves."""
    while True:
        try:
            what = input("\nlab> [h]ost [n]ode [c]lient, [q]uit; ctrl-] comes back: ").strip()[:1]
        except EOFError:
            what = "q"
        if what == "q":
            break
        if what == "c":
            subprocess.call(["nsenter", "-t", str(lab.client.pid), "-m", "-u", "-n", "-p", "chroot", lab.client.root,
                             "/bin/bash", "-i"])
            # that shell made itself the terminal's foreground group, seen from another pid namespace
            old = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            os.tcsetpgrp(0, os.getpgrp())
            signal.signal(signal.SIGTTOU, old)
        elif what in "hn" and what:
            _join(lab.host if what == "h" else lab.node)
        try:
            lab.check_consoles()
        except LabError as e:
            print(e)


def _join(vm):
    """Join the terminal to the guest's second serial port until ctrl-]."""
    if not vm.alive:
        vm.restart()
    try:
        size = os.get_terminal_size()
    except OSError:
        size = os.terminal_size((0, 0))
    size = size if size.lines else os.terminal_size((80, 24))
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(vm.run / f"{vm.name}.tty"))
        s.sendall(b"\n")      # the first bytes after a connect may be lost
        time.sleep(0.5)
        s.sendall(b"stty rows %d cols %d; clear\n" % (size.lines, size.columns))
        old = termios.tcgetattr(0)
        tty.setraw(0)
        try:
            while True:
                ready, _, _ = select.select([0, s], [], [])
                if s in ready:
                    data = s.recv(65536)
                    if not data:
                        break
                    os.write(1, data)
                if 0 in ready:
                    data = os.read(0, 4096)
                    if not data or _LEAVE in data:
                        break
                    s.sendall(data)
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, old)
