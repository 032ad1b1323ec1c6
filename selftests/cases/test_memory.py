# SPDX-License-Identifier: GPL-2.0
"""Allocations that fail: what is established loses nothing, what is refused says so, and nothing is left.

The kernel fails a share of those made below a module (fault-injection.rst: failslab, fail_page_alloc, by stack trace), but
for the buffer of a FIN: TCP does not send one that it has no memory for, then or later, whoever ends the stream
(tcp_send_fin() of net/ipv4/tcp_output.c).
"""
import time

from selftests.cases import offload
from selftests.cases.test_failure import ADD, DELETE, alive
from selftests.lab.job import CommandError

KERNELS = ["debug"]

FAULTS = "/sys/kernel/debug"


def setup(lab):
    offload.up(lab)


class Faults:
    """From begin() to the end of a with block a share, in percent, of a module's allocations fails; .count is how many did."""

    MOST = 1000000

    def __init__(self, vm, module, share):
        self.vm, self.module, self.share = vm, module, share

    def write(self, **values):
        self.vm.sh("\n".join(f"echo {value} >{FAULTS}/{kind}/{name.replace('_', '-')}" for name, value in values.items()
                             for kind in ("failslab", "fail_page_alloc")))

    def begin(self):
        self.write(probability=self.share)

    def __enter__(self):
        size, start = self.vm.sh(f"grep '^{self.module} ' /proc/modules | awk '{{print $2, $6}}'").split()
        fin, behind = self.vm.sh("grep -m1 -A1 ' tcp_send_fin$' /proc/kallsyms | cut -d' ' -f1").split()
        assert int(start, 16) and 0 < int(behind, 16) - int(fin, 16) < 4096, (start, fin, behind)
        self.write(probability=0, interval=1, times=self.MOST, space=0, verbose=0, stacktrace_depth=32, ignore_gfp_wait="N",
                   require_start=start, require_end=hex(int(start, 16) + int(size)), reject_start="0x" + fin, reject_end="0x" + behind)
        self.vm.sh(f"echo 0 >{FAULTS}/fail_page_alloc/min-order")
        return self

    def __exit__(self, *_):
        self.write(probability=0)
        left = self.vm.sh(f"cat {FAULTS}/failslab/times {FAULTS}/fail_page_alloc/times").split()
        self.count = sum(self.MOST - int(n) for n in left)


def test_streams_lose_nothing(lab):
    """The node forwards and both sides receive as before, only slower: nobody hears of it."""
    notes = []
    for vm, module in ((lab.node, "memnet_tcps"), (lab.node, "memnet_core"), (lab.host, "memnet_core")):
        with Faults(vm, module, 10) as f:
            sent = offload.counters(lab.host)["core.bytes_sent"]
            job = lab.host.bg(f"mnstream {offload.memnet()} --streams 4 --send 16M --recv 16M --side connect --bound 250")
            end = time.monotonic() + offload.patience(lab, 60)
            while offload.counters(lab.host)["core.bytes_sent"] < sent + 200000:
                assert time.monotonic() < end and not job.done, job.output()
            f.begin()
            rc, out = job.wait(offload.patience(lab, 260))
        assert rc == 0, out
        assert f.count, f"nothing failed below {module} of the {vm.name}"
        offload.idle(lab)
        notes.append(f"{vm.name} {module}: {f.count} failed")
    return "; ".join(notes)


test_streams_lose_nothing.timeout = 900


def test_anything_may_be_refused(lab):
    """Sockets and links are made and ended all the while: some fail, the rest works, and afterwards everything."""
    notes = []
    for vm, module in ((lab.host, "memnet"), (lab.host, "memnet_core"), (lab.node, "memnet_tcps"), (lab.node, "memnet_core")):
        with Faults(vm, module, 4) as f:
            f.begin()
            end = time.monotonic() + 20
            while time.monotonic() < end:
                for what in ("--side connect short 5", "--side accept short 5"):
                    lab.host.sh(f"mnmany {offload.memnet()} --bytes 10000 --bound 20 {what}", timeout=90, check=False)
                lab.host.sh(f"mnstream {offload.memnet()} --streams 2 --send 200K --recv 200K --async 2 --recv-async 2 --bound 20",
                            timeout=90, check=False)
                lab.host.sh(f"for i in $(seq 50); do {DELETE}; {ADD} && break; sleep 0.1; done", timeout=90, check=False)
                try:
                    offload.wait_link(lab, timeout=10)
                except (AssertionError, CommandError):
                    pass            # it goes on trying; who asks for it may be refused, too
        assert f.count, f"nothing failed below {module} of the {vm.name}"
        alive(lab, timeout=60)
        offload.idle(lab, timeout=150)
        notes.append(f"{vm.name} {module}: {f.count} failed")
    return "; ".join(notes)


test_anything_may_be_refused.timeout = 900
