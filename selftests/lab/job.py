# SPDX-License-Identifier: GPL-2.0
"""Running shell commands somewhere: what the guests and the client have in common.

A place (a VM, the client) starts a Job by bg(); sh() is bg() and wait().  Every wait has a bound;
what runs longer is killed and named in the error, with the end of its output and the place's own
evidence (a guest: its console).
"""
from .cache import LabError


class CommandError(LabError):
    """A command ended with a code that was not expected; .rc and .output have it."""

    def __init__(self, place, cmd, rc, output):
        super().__init__(f"{place}: [{cmd[:500]}] ended with {rc}:\n{output[-4000:]}")
        self.rc, self.output = rc, output


class CommandTimeout(LabError):
    """A command did not end in time."""


class Place:
    """Something with a name that runs commands.  A subclass gives bg() and evidence()."""

    name = "?"

    def bg(self, cmd):
        raise NotImplementedError

    def evidence(self):
        """What to show of this place when something hangs."""
        return ""

    def sh(self, cmd, timeout=60, check=True):
        """Run a shell command.  Its output (stdout and stderr); with check=False (code, output)."""
        rc, out = self.bg(cmd).wait(timeout)
        if not check:
            return rc, out
        if rc:
            raise CommandError(self.name, cmd, rc, out)
        return out

    def until(self, cmd, timeout=30, every=0.2, what=None):
        """Repeat a command until it succeeds; its output."""
        import time
        end = time.monotonic() + timeout
        while True:
            rc, out = self.sh(cmd, timeout=max(5, timeout), check=False)
            if rc == 0:
                return out
            if time.monotonic() > end:
                raise CommandTimeout(f"{self.name}: waited {timeout} s for {what or cmd}; last: {rc}: {out[-1000:]}\n"
                                     + self.evidence())
            time.sleep(every)

    def put(self, path, data):
        """Write a small file there."""
        import base64
        raw = data.encode() if isinstance(data, str) else data
        self.sh(f"base64 -d >{path} <<'END'\n{base64.encodebytes(raw).decode()}END")


class Job:
    """A command that runs.  A subclass gives poll(), kill() and output()."""

    def __init__(self, place, cmd):
        self.place, self.cmd = place, cmd

    def timed_out(self, timeout):
        """Kill the job and raise."""
        tail = self.output()[-2000:]
        try:
            self.kill()
        except (OSError, LabError):
            pass
        raise CommandTimeout(f"{self.place.name}: [{self.cmd[:500]}] did not end within {timeout} s; it was killed.\n"
                             f"--- its output so far\n{tail}\n{self.place.evidence()}")
