# SPDX-License-Identifier: GPL-2.0
"""Many sockets, and peers that do not read, in guests of 512 MB: no growth, no end of memory, nobody stalled.

On the debug kernel guests have 1 GiB, and the counts of idle, short and unread connections are a tenth.
"""
import time

from selftests.cases import offload

LAB = {}


def setup(lab):
    # connections the node closed first would fill its slab for a minute, natively as well
    for vm in lab.guests:
        vm.sh("sysctl -qw net.ipv4.tcp_max_tw_buckets=64 net.core.somaxconn=4096")
    offload.up(lab)


def count(lab, n):
    return n // 10 if offload.small(lab) else n


def mnmany(lab, options, arguments, timeout=250):
    """One mnmany; the words of its last line."""
    out = lab.host.sh(f"mnmany {options} --bound {timeout - 10} {arguments}", timeout=offload.patience(lab, timeout))
    return offload.words(out.splitlines()[-1])


class Lowest:
    """Watches memory while a command runs: the least available and the most pages held, on both sides."""

    def __init__(self, lab):
        self.lab = lab
        self.available = {vm.name: 1 << 40 for vm in lab.guests}
        self.pages = {vm.name: 0 for vm in lab.guests}

    def look(self):
        for vm in self.lab.guests:
            free = int(vm.sh("sed -n 's/MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"))
            self.available[vm.name] = min(self.available[vm.name], free)
            self.pages[vm.name] = max(self.pages[vm.name], offload.counters(vm)["core.pages_held"])

    def during(self, job, timeout):
        """Look until the job ends; its output."""
        end = time.monotonic() + timeout
        while not job.done and time.monotonic() < end:
            self.look()
            time.sleep(0.5)
        rc, out = job.wait(max(end - time.monotonic(), 1))
        assert rc == 0, f"[{job.cmd}] ended with {rc}:\n{out[-3000:]}"
        return out

    def judge(self, least_mib=32):
        for name, free in self.available.items():
            assert free >= least_mib << 10, f"{name}: only {free} KiB were available"
        return f"least available KiB {self.available}, most pages held {self.pages}"


def watched(lab, arguments, connects, accepts=0, timeout=250):
    """mnmany over AF_MEMNET under the eyes of Lowest; (words of its last line, a note)."""
    lowest, bound = Lowest(lab), offload.patience(lab, timeout)
    with offload.Watch(lab) as w:
        job = lab.host.bg(f"mnmany {offload.memnet()} --bound {bound - 10} {arguments}")
        out = lowest.during(job, bound)
    w.proves(connects=connects, accepts=accepts)
    offload.idle(lab, timeout=90)
    return offload.words(out.splitlines()[-1]), f"{out.splitlines()[-1]}; {lowest.judge()}"


def test_1000_connections_at_once(lab):
    notes = []
    for side in ("connect", "accept"):
        arguments = f"--side {side} --bytes 1000 idle 1000"
        mnmany(lab, offload.native(), arguments)
        notes.append(watched(lab, arguments, connects=1000 * (side == "connect"), accepts=1000 * (side == "accept"))[1])
    return "\n".join(notes)


def test_10000_short_connections_leave_nothing(lab):
    # the debug kernel's own bookkeeping comes and goes by 2 MB, a leak must stand out from it; small ones
    # are for kmemleak there (leaks:)
    n = count(lab, 10000) * (4 if offload.debug(lab) else 1)
    noise = 2048 if offload.debug(lab) else 256
    notes = []
    mnmany(lab, offload.native(), f"short {n // 20}")
    for side in ("connect", "accept"):
        options = f"{offload.memnet()} --side {side}"
        mnmany(lab, options, "short 200")       # what is allocated once, is allocated now
        offload.idle(lab)
        before = {vm.name: offload.memory(vm) for vm in lab.guests}
        with offload.Watch(lab) as w:
            for _ in range(4):
                mnmany(lab, options, f"short {n // 8}")
        w.proves(connects=n // 2 * (side == "connect"), accepts=n // 2 * (side == "accept"))
        offload.idle(lab)
        time.sleep(2)       # what waits for RCU
        after = {vm.name: offload.memory(vm) for vm in lab.guests}
        for vm in lab.guests:
            slab = after[vm.name]["slab"] - before[vm.name]["slab"]
            gone = before[vm.name]["available"] - after[vm.name]["available"]
            notes.append(f"{vm.name}, {n // 2} by {side}: slab {slab:+} KiB, available {-gone:+} KiB")
            # a leak of 256 bytes, or of a page, for each connection would be seen
            assert slab < n // 2 * 256 // 1024 + noise, notes[-1]
            assert gone < n // 2 * 4096 // 1024 // 2, notes[-1]
    return "\n".join(notes)


def test_10000_idle_connections(lab):
    n = count(lab, 10000)
    return watched(lab, f"--hold 2 --bytes 10 idle {n}", connects=n)[1]


def test_2000_receivers_that_never_read(lab):
    """More is sent to each than its window of 16 KiB: the rest waits in the node's TCP.

    Not much more, because the TCP of a machine with 512 MB drops what comes beyond 40 MB for all
    sockets together, also natively, and the peers' retransmissions then take minutes.
    """
    n = count(lab, 2000)
    last, note = watched(lab, f"--hold 3 --bytes 24K noread {n}", connects=n)
    assert last["complete"] == n and last["alive"] == 1, note
    return note


def test_senders_wait_for_receivers_that_do_not_read(lab):
    """Far more is sent than the windows and buffers of host and node take: the rest waits at the peers."""
    n = count(lab, 100)
    mnmany(lab, offload.native(), f"--bytes 512K noread {n}")
    dropped = offload.tcp_drops(lab.node)
    last, note = watched(lab, f"--hold 3 --bytes 512K noread {n}", connects=n)
    assert last["complete"] == n and last["alive"] == 1, note
    assert last["queued"] <= n * (256 << 10), note
    dropped = offload.tcp_drops(lab.node) - dropped
    assert not dropped, f"the node's TCP was short of memory and dropped {dropped} segments; {note}"
    return note


def test_2000_peers_that_never_read(lab):
    """We send to peers that do not read until nothing more is taken, long before 2 MiB each."""
    n = count(lab, 2000)
    native = mnmany(lab, offload.native(), f"--bytes 2M flood {n}")
    last, note = watched(lab, f"--hold 3 --bytes 2M flood {n}", connects=n)
    assert last["full"] == n and last["alive"] == 1, note
    return f"native took {native['accepted']}; {note}"


def test_10_megabytes_in_small_pieces(lab):
    native = mnmany(lab, offload.native(), "unread-peer 10M 300")
    last, note = watched(lab, "--hold 2 unread-peer 10M 300", connects=1)
    assert last["full"] == 1 and last["arrived"] == last["accepted"] and last["bad"] == -1, note
    return f"native took {native['accepted']}; {note}"


def test_an_urgent_byte_stalls_nobody(lab):
    n = 20
    mnmany(lab, offload.native(), f"--bytes 100K urgent {n}")
    last, note = watched(lab, f"--bytes 100K urgent {n}", connects=n)
    assert last["complete"] == n and last["alive"] == 1, note
    return note


def beside_unread(lab, options, n, size):
    """Streams beside n connections nobody reads: (pages held meanwhile, the streams' last line)."""
    job = lab.host.bg(f"mnmany {options} --hold 600 --bytes 256K noread {n}")
    end = time.monotonic() + offload.patience(lab, 120)
    while "holding" not in job.output():
        assert not job.done and time.monotonic() < end, job.output()
        time.sleep(0.5)
    out = lab.host.sh(f"mnstream {options} --streams 4 --send {size}M --recv {size}M --bound 100",
                      timeout=offload.patience(lab, 110))
    held = offload.counters(lab.host)["core.pages_held"]
    job.kill()
    job.wait(30)
    return held, out.splitlines()[-1]


def test_others_go_on_beside_those_who_never_read(lab):
    """As many unread connections as the TCP of such a machine has memory for without dropping what others send."""
    n, size = count(lab, 100), 1 if offload.small(lab) else 16
    native = beside_unread(lab, offload.native(), n, size)[1]
    with offload.Watch(lab) as w:
        held, memnet = beside_unread(lab, offload.memnet(), n, size)
    w.proves(connects=n + 4, accepts=4)
    assert held >= 4 * n, f"{held} unread pages are held for {n} connections"
    offload.idle(lab, timeout=90)
    return f"{held} pages unread; native {native}; {memnet}"


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 400
