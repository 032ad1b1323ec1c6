# SPDX-License-Identifier: GPL-2.0
"""Connections that are kept open while something is measured: mnrequests in a guest, on APP.

    with Kept(vm, offload.memnet()) as kept:
        kept.open(1000)                             # until there are so many
        bed.slope(vm, kept.asking, 500)             # requests on them
"""
import time

from bench.bed import APP, mask
from selftests.lab.cache import LabError

PATH = "/run/mnrequests"
WITHIN = 240        # seconds, for anything that is asked for


class Kept:
    """The program, in a with block; options are those of the socket programs, and mnrequests' own; env: what it is started with."""

    def __init__(self, vm, options, env="", bound=1200):
        self.vm, self.job = vm, None
        self.command = f"taskset {mask(APP)} {env}mnrequests {options} --bound {bound} keep {PATH}"

    def __enter__(self):
        self.vm.sh(f"rm -f {PATH}.in {PATH}.out; mkfifo {PATH}.in {PATH}.out")
        self.job = self.vm.bg(f"exec {self.command}")
        return self

    def __exit__(self, kind, *_):
        if kind is None and not self.job.done:
            self.vm.sh(f"echo end >{PATH}.in; cat {PATH}.out", timeout=WITHIN)
        self.job.kill()
        self.job.wait(WITHIN)

    @staticmethod
    def telling(line):
        """The command that tells it to do something, and ends when that is done, with its answer."""
        return f"dash -c 'echo {line} >{PATH}.in; read a <{PATH}.out; echo $a; test \"$a\" != \"${{a#slept=}}\"'"

    def asking(self, n):
        return self.telling(f"ask {n}")

    def tell(self, line):
        job, end = self.vm.bg("exec " + self.telling(line)), time.monotonic() + WITHIN
        while not job.done and time.monotonic() < end:
            if self.job.done:       # nobody will answer
                job.kill()
                break
            time.sleep(0.1)
        rc, out = job.wait(10)
        if rc:
            raise LabError(f"{self.vm.name}: mnrequests: [{line}]: {out}{self.job.output()}")

    def open(self, n):
        self.tell(f"open {n}")
