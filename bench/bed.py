# SPDX-License-Identifier: GPL-2.0
"""The bed of the measurements: the lab, with a processor in each guest that stands in for the adapter.

Each guest has two processors.  What is measured runs on APP.  ADAPTER stands in for an RDMA adapter:
soft-RoCE's work queue and the SAN's interrupts live there, and so do the rest of the system and the
test's own shell.  On the node, where native TCP is measured, the external interface interrupts APP;
it has checksum and segmentation offload.  The completion events of soft-RoCE wake APP (steer/).

What is charged to an operation is everything on APP, in user space and in the kernel, but

  - idling and spinning for a lock (IDLE, SPIN): they are no work;
  - timer ticks, at a price measured before;
  - what soft-RoCE itself does (SOFT), which is shown apart;

and what our own modules execute on ADAPTER, and ib_core's completion queues for them; soft-RoCE
looks up its GIDs in ib_core for every packet, which is its own affair.

An operation's cost is a slope: what 2 N operations cost more than N, by N; the median of several
repeats.
"""
import statistics
from pathlib import Path

from bench.counter.counts import Counts, Symbols
from selftests.cases import offload
from selftests.lab import kernels, modules
from selftests.lab.cache import TREE
from selftests.lab.lab import Lab

ADAPTER, APP = 0, 1
APPEND = f"isolcpus=domain,{APP} irqaffinity={ADAPTER} nowatchdog"

OURS = ("memnet", "memnet_core")
SOFT = ("rdma_rxe",)
IDLE = {"default_idle", "default_idle_call", "do_idle", "pv_native_safe_halt", "native_safe_halt", "cpuidle_idle_call",
        "cpu_idle_poll", "mwait_idle", "arch_cpu_idle"}
SPIN = {"native_queued_spin_lock_slowpath", "queued_read_lock_slowpath", "queued_write_lock_slowpath", "osq_lock",
        "mutex_spin_on_owner", "rwsem_spin_on_owner"}


def ours(module, function):
    """Whether it is charged on the adapter's processor, too."""
    return module in OURS or module == "ib_core" and "cq" in function


def mask(cpu):
    return f"{1 << cpu:x}"


class Cost:
    """What one operation costs: .charged, and where it went: .by[(module, function)], .user, .adapter; .soft is not charged."""

    def __init__(self, charged, user, by, adapter):
        self.charged, self.user, self.by, self.adapter = charged, user, by, adapter
        self.soft = sum(n for (module, _), n in by.items() if module in SOFT)

    def modules(self):
        out = {}
        for (module, _), n in self.by.items():
            out[module] = out.get(module, 0) + n
        return out


class Bed:
    """A lab prepared for measuring, in a with block."""

    def __init__(self, kernel="6.12", logdir=None):
        user = modules.build_user()
        modules.build(kernel)
        modules.build_module(TREE / "bench" / "steer", kernel)
        self.files = {}
        qemu = {}
        self.lab = Lab(kernel=kernel, smp=2, mem=768, append=APPEND, logdir=logdir, qemu=qemu)
        for vm in self.lab.guests:
            self.files[vm.name] = self.lab.rundir / f"{vm.name}.counts"
            vm.argv += ["-plugin", f"file={user}/libcount.so,out={self.files[vm.name]}"]

    def __enter__(self):
        self.lab.start()
        try:
            self._prepare()
        except BaseException:
            self.lab.stop()
            raise
        return self

    def __exit__(self, *exc):
        self.lab.stop()

    def _prepare(self):
        lab = self.lab
        for vm in lab.guests:
            vm.sh(f"for p in /proc/[0-9]*; do taskset -p {mask(ADAPTER)} ${{p#/proc/}}; done >/dev/null 2>&1; "
                  f"echo {mask(ADAPTER)} >/sys/devices/virtual/workqueue/cpumask; "
                  "for q in /sys/class/net/*/queues/rx-*/rps_cpus; do echo 0 >$q; done")
            self._interrupts(vm, "san0", ADAPTER)
        self._interrupts(lab.node, "ext0", APP)
        for vm in lab.guests:
            lab.insmod(vm, "steer", f"cpu={APP}")
        offload.up(lab)
        self.symbols = {vm.name: Symbols(vm) for vm in lab.guests}
        self.tick = {vm.name: self._tick_price(vm) for vm in lab.guests}

    @staticmethod
    def _interrupts(vm, interface, cpu):
        vm.sh(f"""
            d=$(basename $(readlink -f /sys/class/net/{interface}/device))
            irqs=$(grep -E "$d-(input|output|config)" /proc/interrupts | cut -d: -f1)
            [ -n "$irqs" ] || exit 1
            for i in $irqs; do echo {mask(cpu)} >/proc/irq/$i/smp_affinity; done
            for q in /sys/class/net/{interface}/queues/tx-*/xps_cpus; do echo {mask(cpu)} >$q 2>/dev/null; done; :""")

    # --- counting -------------------------------------------------------------------------------

    def counts(self, vm):
        return Counts(Path(self.files[vm.name]))

    @staticmethod
    def ticks(vm):
        """Timer interrupts of APP so far."""
        return int(vm.sh("grep LOC: /proc/interrupts").split()[1 + APP])

    def run(self, vm, command, timeout=120):
        """A command on APP: (counts, ticks)."""
        t, before = self.ticks(vm), self.counts(vm)
        vm.sh(f"exec taskset {mask(APP)} {command}", timeout=timeout)
        return self.counts(vm) - before, self.ticks(vm) - t

    def _tick_price(self, vm):
        """
        Kernel instructions of a timer tick, from a program that does nothing else: so many ticks that it does not matter
        what starting the program costs, which differs by more than some dozens of them.
        """
        kernel = ticks = 0
        for _ in range(2):
            for sign, rounds in ((-1, 20000000), (1, 800000000)):
                spent, t = self.run(vm, f"mnsend busy {rounds} 1")
                kernel += sign * sum(spent.kernel[APP].values())
                ticks += sign * t
        return kernel / max(ticks, 1)

    def pause(self, rounds):
        """Instructions of user space that counting so far takes."""
        (one, _), (two, _) = (self.run(self.lab.host, f"mnsend busy {rounds} {n}") for n in (200, 400))
        return (two - one).user[APP] / 200

    def slope(self, vm, command, n, repeats=5, less=0):
        """Costs of an operation, one for each repeat; command(n) executes n, and `less` a piece of what is no operation."""
        symbols, out = self.symbols[vm.name], []
        self.run(vm, command(max(n // 2, 1)))       # warm
        for _ in range(repeats):
            (one, t1), (two, t2) = self.run(vm, command(n)), self.run(vm, command(2 * n))
            more = two - one
            by = {k: v / n for k, v in symbols.functions(more, APP).items()}
            adapter = {k: v / n for k, v in symbols.functions(more, ADAPTER).items()}
            work = sum(v for (m, f), v in by.items() if f not in IDLE and f not in SPIN and m not in SOFT)
            apart = sum(v for (m, f), v in adapter.items() if ours(m, f))
            user = more.user[APP] / n - less
            out.append(Cost(user + work + apart - (t2 - t1) * self.tick[vm.name] / n, user, by, adapter))
        return out


def median(costs):
    return statistics.median(c.charged for c in costs)


def spread(costs):
    """Half the distance between the largest and the smallest, as a share of the median."""
    values = [c.charged for c in costs]
    return (max(values) - min(values)) / 2 / median(costs)


def check(kernel):
    """Only kernels whose soft-RoCE works in an unbound work queue can have a stand-in."""
    if kernels.get(kernel).name != "6.12":
        raise SystemExit("bench: 6.12 only: older soft-RoCE works where it is called")
