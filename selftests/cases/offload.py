# SPDX-License-Identifier: GPL-2.0
"""What the cases share: the modules with their link up, the counters of both sides, and the proof by
these counters that sockets really were served by the node.

    offload.up(lab)
    with offload.Watch(lab) as w:
        lab.host.sh("mnmany --family memnet ... idle 100")
    w.proves(connects=100)

A run on native TCP goes from the host to the node over the SAN, a run on AF_MEMNET from the host
through the node to the client; what the programs are told is native() and memnet().
"""
import os
import json
import time

from selftests.lab.lab import (CLIENT_EXT, CLIENT_EXT6, HOST_SAN, HOST_SAN6, NODE_EXT, NODE_EXT6, NODE_SAN, NODE_SAN6)

LINK = "tcps0"      # what the module calls the link of its parameters


def quick():
    """Counts are a fraction of what is promised: with selftests/run --quick."""
    return bool(os.environ.get("MEMNET_QUICK"))


def small(lab):
    """The same, and on the debug kernel, where most tests take too long otherwise."""
    return debug(lab) or quick()


def debug(lab):
    """On the debug kernel everything takes several times as long."""
    return lab.kernel.name == "debug"


def patience(lab, seconds):
    """A bound for this kernel."""
    return seconds * (2 if debug(lab) else 1)


# --- set-up -----------------------------------------------------------------------------------------


def up(lab, core="", tcps="", host=""):
    """All modules loaded, their link up, a peer on the node (native runs) and on the client."""
    lab.load_modules(core=core, tcps=tcps, host=host)
    wait_link(lab)
    for place in (lab.node, lab.client):
        puppet(place)


def can_impair(lab):
    """
    The SAN can be impaired later, by impair().  While a queueing discipline takes another one's place the interface refuses
    packets, and Soft-RoCE breaks the queue pair they are from: the one that will do it is there before any queue pair is.
    """
    for vm in lab.guests:
        vm.sh("tc qdisc add dev san0 root netem")


def impair(vm, how="loss 0%"):
    """What the guest sends to the SAN; nothing happens to it by default."""
    vm.sh(f"tc qdisc change dev san0 root netem {how}")


def down(lab):
    """Our modules removed; what was closed a moment ago is waited for."""
    if lab.host.sh("test -e /sys/module/memnet", check=False)[0] == 0:
        idle(lab, timeout=90, node=False)
    lab.unload_modules()


def puppet(place):
    """mnpuppet, the remote peer of the socket programs, in the background."""
    place.sh("pgrep -x mnpuppet >/dev/null || mnpuppet -d")


def link(lab, name=LINK):
    """What `link show NAME` says."""
    out = json.loads(lab.host.sh(f"memnetctl -j link show {name}"))
    return out[0] if isinstance(out, list) else out


def wait_link(lab, state="up", name=LINK, timeout=60):
    """Wait until the link is in a state; what is known of it then."""
    end = time.monotonic() + timeout
    while True:
        now = link(lab, name)
        if now["state"] == state:
            return now
        if time.monotonic() > end:
            raise AssertionError(f"link {name} is not {state} after {timeout} s: {now}\n"
                                 + lab.host.evidence() + lab.node.evidence())
        time.sleep(0.2)


def native(v6=False):
    """Options of the socket programs for a native run on the host."""
    return (f"--family native --peer {NODE_SAN} --peer {NODE_SAN6} --local {HOST_SAN} --local {HOST_SAN6}"
            + (" --v6" if v6 else ""))


def native_of_node():
    """Options of the socket programs for a native run on the node, over the external network."""
    return f"--family native --peer {CLIENT_EXT} --local {NODE_EXT}"


def memnet(v6=False):
    """Options of the socket programs for an AF_MEMNET run on the host."""
    return (f"--family memnet --peer {CLIENT_EXT} --peer {CLIENT_EXT6} --local {NODE_EXT} --local {NODE_EXT6}"
            + (" --v6" if v6 else ""))


# --- counters ---------------------------------------------------------------------------------------

# what is zero on each side when no socket lives
HOST_GAUGES = ("host.sockets", "host.endpoints", "host.orphans", "host.regions", "host.pinned_pages", "host.jobs", "core.pages_held")
NODE_GAUGES = ("tcps.endpoints", "tcps.orphans", "core.pages_held")


STATS = "memnetctl -j stats"


def counters(vm):
    """{"module.counter": value} of a guest."""
    return counted(vm.sh(STATS))


def counted(said):
    """The same, of what the command has said."""
    return {f"{module}.{name}": value for module, values in json.loads(said).items() for name, value in values.items()}


def idle(lab, timeout=30, host=True, node=True):
    """Wait until nothing of any socket is left on either side."""
    end = time.monotonic() + timeout
    while True:
        busy = {}
        for vm, names, wanted in ((lab.host, HOST_GAUGES, host), (lab.node, NODE_GAUGES, node)):
            if wanted:
                now = counters(vm)
                busy.update({f"{vm.name} {n}": now[n] for n in names if now[n]})
        if not busy:
            return
        if time.monotonic() > end:
            raise AssertionError(f"still there {timeout} s later: {busy}\n"
                                 + lab.host.sh("memnetctl socket show | head -n 20", check=False)[1]
                                 + lab.node.sh("memnetctl socket show | head -n 20", check=False)[1])
        time.sleep(0.3)


class Watch:
    """The growth of all counters during a with block, in .host and .node."""

    def __init__(self, lab):
        self.lab, self.host, self.node = lab, {}, {}

    def __enter__(self):
        self.before = counters(self.lab.host), counters(self.lab.node)
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            for grown, before, vm in ((self.host, self.before[0], self.lab.host), (self.node, self.before[1], self.lab.node)):
                now = counters(vm)
                grown.update({k: now[k] - before.get(k, 0) for k in now})

    def proves(self, connects=0, accepts=0, native=0):
        """So many connections went through the node, and so many sockets stayed native."""
        for what, count in (("connects", connects), ("accepts", accepts)):
            host, node = self.host[f"host.{what}"], self.node[f"tcps.{what}"]
            assert host >= count and node >= count, f"{count} {what} to be offloaded; host counted {host}, node {node}"
        got = self.host["host.native_delegations"]
        assert got == native, f"{got} sockets were delegated to the host's own TCP, {native} expected"

    def __str__(self):
        h, n = self.host, self.node
        return (f"host: {h['host.connects']} connects, {h['host.accepts']} accepts, {h['host.native_delegations']} native; "
                f"node: {n['tcps.connects']} connects, {n['tcps.accepts']} accepts")


# --- memory -----------------------------------------------------------------------------------------


def memory(vm):
    """KiB of a guest's memory that matter, after caches were dropped: available, slab, and our pages."""
    vm.sh("sync; echo 3 >/proc/sys/vm/drop_caches; echo 1 >/proc/sys/vm/compact_memory 2>/dev/null; :")
    info = {}
    for line in vm.sh("cat /proc/meminfo").splitlines():
        key, value = line.split(":")
        info[key] = int(value.split()[0])
    return {"available": info["MemAvailable"], "slab": info["Slab"], "unreclaimable": info["SUnreclaim"]}


def tcp_drops(vm):
    """Segments that a guest's TCP has dropped for lack of memory."""
    names, values = vm.sh("grep ^TcpExt: /proc/net/netstat").splitlines()
    ext = dict(zip(names.split()[1:], map(int, values.split()[1:])))
    return ext["TCPRcvQDrop"] + ext["TCPOFODrop"]


def words(line):
    """The key=value words of a program's summary line, numbers as numbers."""
    out = {}
    for word in line.split():
        key, eq, value = word.partition("=")
        if eq:
            out[key] = int(value) if value.lstrip("-").isdigit() else value
    return out


def summary(output, name):
    """The words of the line that begins with a name; the output when there is none."""
    for line in output.splitlines():
        if line.startswith(name + " "):
            return words(line)
    raise AssertionError(f"no line {name} in:\n{output[-3000:]}")
