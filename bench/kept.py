# SPDX-License-Identifier: GPL-2.0
"""Connections that are kept open while something is measured: mnrequests in a guest, on APP.

    with Kept(vm, offload.memnet()) as kept:
        kept.open(1000)                             # until there are so many
        bed.slope(vm, kept.asking, 500)             # requests on them
"""
import time

from bench.bed import APP, mask
from selftests.lab.cache import LabError

WITHIN = 240        # seconds, for anything that is asked for


def asking(kept, n, at_once=1):
    """The command that has n requests made by all of these together, each with so many under way; it says how often they slept."""
    each, more = divmod(n, len(kept))
    tell = "; ".join(f"echo ask {each + (i < more)} {at_once} >{k.path}.in" for i, k in enumerate(kept))
    hear = "; ".join(f"read a <{k.path}.out; n=$((n + ${{a#slept=}}))" for k in kept)
    return f"dash -c 'n=0; {tell}; {hear}; echo slept=$n'"


class Kept:
    """
    The program, in a with block; options are those of the socket programs, and mnrequests' own; env: what it is started with;
    number: which of several it is, each on a processor of its own.
    """

    def __init__(self, vm, options, env="", number=0, bound=1200):
        self.vm, self.job, self.path = vm, None, f"/run/mnrequests-{number}"
        self.command = f"taskset {mask(APP + number)} {env}mnrequests {options} --bound {bound} keep {self.path}"

    def __enter__(self):
        self.vm.sh(f"rm -f {self.path}.in {self.path}.out; mkfifo {self.path}.in {self.path}.out")
        self.job = self.vm.bg(f"exec {self.command}")
        return self

    def __exit__(self, kind, *_):
        if kind is None and not self.job.done:
            self.vm.sh(f"echo end >{self.path}.in; cat {self.path}.out", timeout=WITHIN)
        self.job.kill()
        self.job.wait(WITHIN)

    def asking(self, n, at_once=1):
        return asking([self], n, at_once)

    def tell(self, line):
        job = self.vm.bg(f"echo {line} >{self.path}.in; read a <{self.path}.out; echo $a; test \"$a\" != \"${{a#slept=}}\"")
        end = time.monotonic() + WITHIN
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
