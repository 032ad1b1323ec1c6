# SPDX-License-Identifier: GPL-2.0
"""The bed of the measurements: the lab, with a processor in each guest that stands in for the adapter.

Each guest has two processors.  What is measured runs on APP.  ADAPTER stands in for an RDMA adapter:
soft-RoCE's work queue and the SAN's interrupts live there, and so do the rest of the system and the
test's own shell.  On the node, where native TCP is measured, the external interface interrupts APP;
it has checksum and segmentation offload.  The completion events of soft-RoCE wake APP, and who spreads
his work over the processors is told that APP is the one (steer/).

What is charged to an operation is everything on APP, in user space and in the kernel, but

  - idling and spinning for a lock (IDLE, SPIN): they are no work;
  - timer ticks: their handler (TICK), which is counted apart, and the way there and back at a price measured before;

and what our own modules execute on ADAPTER, and ib_core's completion queues for them; soft-RoCE
looks up its GIDs in ib_core for every packet, which is its own affair.  What soft-RoCE (SOFT)
executes on APP, to post and to poll, is charged, as any adapter's driver would be, and is shown
apart as well.

Where load is to keep a processor busy, its turn on this machine comes last (last()): else it would be busy for a moment and
sleep until the emulated adapters, far slower than any device, have brought the next request.

An operation's cost is a slope: what 2 N operations cost more than N, by N; the median of several
repeats.  Beside it, by the same slope, stand what else happened meanwhile: messages, sleeps, interrupts.
"""
import os
from contextlib import contextmanager
from pathlib import Path

from bench.counter.counts import Counts, Symbols, put_aside
from bench.kinds import kind
from selftests.byhand.names import COPIED, COPIED_IN, READ, TAIL
from selftests.cases import offload
from selftests.lab import kernels, modules
from selftests.lab.cache import TREE
from selftests.lab.lab import Lab, LabError
from selftests.lab.vm import CPU

ADAPTER, APP = 0, 1
ON = f"--on {APP}"      # for the programs of bench/load
LAST = 10       # nice; with less it would be kept from letting go of a lock the adapter waits for
APPEND = f"irqaffinity={ADAPTER} nowatchdog slab_nomerge clearcpuid=cx16"
# HAProxy executes cmpxchg16b without asking; the kernel, for which QEMU does not do it well (lab/vm.py), is told not to
PROCESSOR = CPU.replace(",-cx16", "")

OURS = ("memnet", "memnet_core", "memnet_tcps", "smc", "ib_uverbs")      # the last two are what others are measured by
SOFT = ("rdma_rxe",)
IDLE = {"default_idle", "default_idle_call", "do_idle", "pv_native_safe_halt", "native_safe_halt", "cpuidle_idle_call",
        "cpu_idle_poll", "mwait_idle", "arch_cpu_idle"}
SPIN = {"native_queued_spin_lock_slowpath", "queued_read_lock_slowpath", "queued_write_lock_slowpath", "osq_lock",
        "mutex_spin_on_owner", "rwsem_spin_on_owner"}
ENTRY = "entry_SYSCALL_64"
TICK = "sysvec_apic_timer_interrupt", "irq_exit_rcu"    # from the first on until the second, which begins what softirqs there are


def ours(module, function):
    """Whether it is charged on the adapter's processor, too."""
    return module in OURS or module == "ib_core" and "cq" in function


def mask(cpu):
    return f"{1 << cpu:x}"


class Ran:
    """
    What happened while a command ran: .counts of instructions, .ticks of APP's timer, .beside = {what: number}; .after: what
    Bed.events() said when it was over.
    """

    def __init__(self, counts, ticks, beside, after=None):
        self.counts, self.ticks, self.beside, self.after = counts, ticks, beside, after

    def __sub__(self, other):
        return Ran(self.counts - other.counts, self.ticks - other.ticks,
                   {k: v - other.beside.get(k, 0) for k, v in self.beside.items()})


class Cost:
    """
    What one operation costs: .charged, the sum of its .parts; where it went, .by[(module, function)] on APP and .adapter,
    the same on ADAPTER.  .soft is what of it soft-RoCE is; .standin, of ADAPTER, is not charged.  .beside: what else happened;
    .entries: what APP executed where system calls enter the kernel.
    """

    def __init__(self, ran, n, symbols, tick, less):
        self.by = {k: v / n for k, v in symbols.functions(ran.counts, APP).items()}
        self.adapter = {k: v / n for k, v in symbols.functions(ran.counts, ADAPTER).items()}
        self.beside = {k: v / n for k, v in ran.beside.items()}
        self.parts = {"user space": ran.counts.user[APP] / n - less}
        self.entries = sum(v for (_, function), v in self.by.items() if function.startswith(ENTRY))
        self.soft = self.standin = 0
        for (module, function), v in self.by.items():
            if module in SOFT:
                self.soft += v
            if function not in IDLE and function not in SPIN:
                name = kind(module, function)
                self.parts[name] = self.parts.get(name, 0) + v
        for (module, function), v in self.adapter.items():
            if ours(module, function):
                name = f"{module}, on the adapter's processor"
                self.parts[name] = self.parts.get(name, 0) + v
            elif function not in IDLE and function not in SPIN:
                self.standin += v
        for name, price in tick.items():
            self.parts[name] = self.parts.get(name, 0) - ran.ticks * price / n
        self.charged = sum(self.parts.values())


def tick_price(ran, symbols):
    """{part: instructions of the kernel for each tick, besides its handler}, of a program that does nothing there."""
    price = {}
    for (module, function), v in symbols.functions(ran.counts, APP).items():
        name = kind(module, function)
        price[name] = price.get(name, 0) + v / max(ran.ticks, 1)
    whole = sum(price.values())
    if not 50 < whole < 2000:
        raise LabError(f"{ran.ticks} timer ticks seem to cost {whole:.0f} instructions each: something else went on")
    return price


class Bed:
    """
    A lab prepared for measuring, in a with block.  With more than one processor for what is measured, APP is the first of them,
    events of a channel come to its own, and what all of them execute is counted as APP's.  fewer: a figure's numbers of
    operations are divided by that, and with more than 1 a timer tick's price is measured once.
    """

    def __init__(self, kernel="6.12", logdir=None, apps=1, fewer=1):
        self.apps, self.fewer = range(APP, APP + apps), fewer
        user = modules.build_user()
        modules.build(kernel)
        modules.build_module(TREE / "bench" / "steer", kernel)
        self.files = {}
        self.lab = Lab(kernel=kernel, smp=1 + apps, mem=768, append=f"isolcpus=domain,{APP}-{self.apps[-1]} {APPEND}",
                       logdir=logdir, qemu=("-cpu", PROCESSOR), root="apps", ext="")
        for vm in self.lab.guests:
            self.files[vm.name] = self.lab.rundir / f"{vm.name}.counts"
            vm.argv += ["-name", "debug-threads=on", "-plugin", f"file={user}/libcount.so,out={self.files[vm.name]}"]

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
            self.interrupts_at(vm, "san0", ADAPTER)
        self.interrupts_at(lab.node, "ext0", APP)
        for vm in lab.guests:
            lab.insmod(vm, "steer", f"cpu={APP} last={self.apps[-1]}")
        offload.up(lab)
        self.kept = {}      # what figures share
        self.symbols = {}
        for vm in lab.guests:
            self.learn(vm)
            put_aside(self.files[vm.name], *(self.symbols[vm.name].address(f) for f in TICK))
        self.tick = {vm.name: self._tick_price(vm) for vm in lab.guests}
        self.entry = {vm.name: self._entry_price(vm) for vm in lab.guests}

    @staticmethod
    def interrupts_at(vm, interface, cpu):
        """Where an interface interrupts."""
        vm.sh(f"""
            d=$(basename $(readlink -f /sys/class/net/{interface}/device))
            irqs=$(grep -E "$d-(input|output|config)" /proc/interrupts | cut -d: -f1)
            [ -n "$irqs" ] || exit 1
            for i in $irqs; do echo {mask(cpu)} >/proc/irq/$i/smp_affinity; done
            for q in /sys/class/net/{interface}/queues/tx-*/xps_cpus; do echo {mask(cpu)} >$q 2>/dev/null; done; :""")

    def learn(self, vm):
        """Which functions there are, when a module has been loaded."""
        self.symbols[vm.name] = Symbols(vm)

    @contextmanager
    def last(self, vm):
        """What is measured in a guest runs when all the rest has nothing to do: what comes meanwhile waits for it."""
        threads = [int(task.name) for task in Path(f"/proc/{vm.proc.pid}/task").iterdir()
                   if (task / "comm").read_text().startswith(tuple(f"CPU {a}/" for a in self.apps))]
        if len(threads) != len(self.apps):
            raise LabError(f"{len(threads)} threads are the {len(self.apps)} processors of the {vm.name}")
        try:
            for thread in threads:
                os.setpriority(os.PRIO_PROCESS, thread, LAST)
            yield
        finally:
            for thread in threads:
                os.setpriority(os.PRIO_PROCESS, thread, 0)

    # --- counting -------------------------------------------------------------------------------

    def counts(self, vm):
        return Counts(Path(self.files[vm.name]))

    def events(self, vm):
        """(timer interrupts, {what: number}) of APP so far: other interrupts, messages, and bytes copied; one command tells them all."""
        interrupts, _, stats = vm.sh(f"cat /proc/interrupts; echo ---; exec {offload.STATS}").partition("---\n")
        rows = [line.split() for line in interrupts.splitlines()[1:]]
        counts = {r[0]: sum(int(r[1 + a]) for a in self.apps)
                  for r in rows if len(r) > 1 + self.apps[-1] and r[1 + self.apps[-1]].isdigit()}
        timer, now = counts.pop("LOC:"), offload.counted(stats)
        return timer, {"interrupts": sum(counts.values()), "messages": now["core.messages_sent"] + now["core.messages_received"],
                       "copied": sum(now.get(n, 0) for n in (COPIED_IN, COPIED, READ, TAIL))}

    def spent(self, vms, work, since=()):
        """
        What happens in these guests while work() runs, a Ran for each; numbers that it returns, by name, are told, too.  since: those
        that have just been over, nothing having happened since: to ask a guest takes longer than many a work.
        """
        before = [ran.after for ran in since] or [self.events(vm) for vm in vms]
        counted = [self.counts(vm) for vm in vms]
        said = {k: v for k, v in work().items() if isinstance(v, int)}
        counted = [(self.counts(vm) - c).joined(self.apps) for vm, c in zip(vms, counted)]
        after = [self.events(vm) for vm in vms]
        return [Ran(counts, ticks2 - ticks, {**{k: now[k] - then[k] for k in then}, **said}, (ticks2, now))
                for counts, (ticks, then), (ticks2, now) in zip(counted, before, after)]

    def run(self, vm, command, since=()):
        """A command that has something executed on APP, by ON or by who is there; what it says is key=value."""
        return self.spent([vm], lambda: offload.words(vm.sh(f"exec {command}", timeout=120)), since)[0]

    def _tick_price(self, vm):
        """
        Kernel instructions of a timer tick besides its handler, by part, from a program that does nothing else: so many ticks that
        it does not matter what starting the program costs, which differs by more than hundreds of them.
        """
        self.run(vm, f"mnsend {ON} busy 20000000 1")     # brings the program in, and lets what has just been set up come to an end
        prices = []
        for _ in range(3 if self.fewer == 1 else 1):
            few, many = (self.run(vm, f"mnsend {ON} busy {rounds} 1") for rounds in (20000000, 800000000))
            prices.append(tick_price(many - few, self.symbols[vm.name]))
        return sorted(prices, key=lambda price: sum(price.values()))[len(prices) // 2]

    def _entry_price(self, vm):
        """Instructions with which a system call enters the kernel and leaves it: from a program that reads and writes."""
        cost, = self.slope(vm, lambda n: f"taskset {mask(APP)} dd if=/dev/zero of=/dev/null bs=1 count={n} 2>/dev/null", 20000, 1)
        return cost.entries / 2

    def calls(self, vm, cost):
        """How many system calls an operation made there."""
        return cost.entries / self.entry[vm.name]

    def pause(self, rounds):
        """Instructions of user space that counting so far takes."""
        one, two = (self.run(self.lab.host, f"mnsend {ON} busy {rounds} {n}") for n in (20, 40))
        return (two - one).counts.user[APP] / 20

    def slope(self, vm, command, n, repeats=5, less=0):
        """Costs of an operation, one for each repeat; command(n) executes n, and `less` a piece of what is no operation."""
        n = max(n // self.fewer, 1)
        self.run(vm, command(max(n // 2, 1)))       # warm
        return self._slopes([vm], lambda k, since: [self.run(vm, command(k), since)], n, repeats, less)[0]

    def serving(self, vms, load, n, repeats=5, warm=False):
        """
        Costs, in each of these guests, of an operation that servers do for clients; load(n) makes them ask for n, and ends with them.
        There may be as many under way as there are, so what is allocated for that many is allocated before, but for servers that
        are warm.
        """
        n //= self.fewer
        if not warm:
            load(2 * n)
        return self._slopes(vms, lambda k, since: self.spent(vms, lambda: load(k), since), n, repeats)

    def _slopes(self, vms, ran, n, repeats, less=0):
        out, many = [[] for _ in vms], ()
        for _ in range(repeats):
            few = ran(n, many)
            many = ran(2 * n, few)
            for costs, vm, one, two in zip(out, vms, few, many):
                costs.append(Cost(two - one, n, self.symbols[vm.name], self.tick[vm.name], less))
        return out


def check(kernel):
    """Only kernels whose soft-RoCE works in an unbound work queue can have a stand-in."""
    if kernels.get(kernel).name != "6.12":
        raise SystemExit("bench: 6.12 only: older soft-RoCE works where it is called")
