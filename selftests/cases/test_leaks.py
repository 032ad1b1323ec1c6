# SPDX-License-Identifier: GPL-2.0
"""Memory that nobody refers to any more, as kmemleak sees it, after traffic, deaths and refusals.

What lies in a slab cache of ours, pages and sockets that are left behind show elsewhere (scale:,
module:, failure:): this is for everything allocated one by one.  What is pinned shows in counters, of ours
and of the kernel's own, which are looked at before the modules go.
"""
from selftests.cases import offload
from selftests.cases.registered import by_hand, clean, clean_host
from selftests.cases.test_abuse import SEED
from selftests.cases.test_failure import deaths, die_under_load, ended, under_way
from selftests.cases.test_module import CALLS
from selftests.lab.lab import HOST_SAN

KERNELS = ["debug"]
LAB = dict(append="kmemleak=on", mem=1024)


def setup(lab):
    """One whole life before what counts: what other modules keep for good is there then."""
    offload.up(lab)
    lab.host.sh(f"mnmany {offload.memnet()} short 5", timeout=60)
    offload.down(lab)


def leaks(lab):
    """Unload, and ask both guests."""
    offload.down(lab)
    lab.kmemleak()


def test_traffic(lab):
    lab.kmemleak_clear()
    offload.up(lab)
    for side in ("connect", "accept"):
        lab.host.sh(f"mnmany {offload.memnet()} --side {side} --bound 100 short 50", timeout=200)
        lab.host.sh(f"mnmany {offload.memnet(v6=True)} --side {side} --bound 100 --bytes 10000 idle 5", timeout=200)
    lab.host.sh(f"mnstream {offload.memnet()} --streams 4 --send 256K --recv 256K --side both --bound 200", timeout=400)
    lab.host.put("/tmp/calls.py", CALLS)
    lab.host.sh("userland python3 /tmp/calls.py", timeout=200)
    leaks(lab)


def test_deaths(lab):
    """Links deleted and ended under load, a device gone on either side."""
    lab.kmemleak_clear()
    offload.up(lab)
    for death in deaths(lab):
        die_under_load(lab, *death)
    leaks(lab)


MIXED = "--direct 1 --async 1 --recv-direct 1 --recv-async 1"


def mixed(lab, io, size, more=""):
    """A command for streams of all kinds of calls, by blocking threads or in one loop."""
    return f"mnstream {offload.memnet()} --io {io} --streams 4 --max 256K {MIXED} --send {size} --recv {size} {more}"


def test_traffic_of_registered_memory(lab):
    """Direct calls, jobs each way, regions that the device knows, and what nobody means; all of it given back or left to the end
    of its process."""
    lab.kmemleak_clear()
    offload.up(lab)
    for io in ("block", "epoll"):
        lab.host.sh(mixed(lab, io, "1M", "--side both --bound 200"), timeout=400)
    lab.host.sh("touch /tmp/go-all /tmp/go-half /tmp/go-none")
    rc, out = by_hand(lab, "known_to_the_device", "400").wait(400)
    assert rc == 0, out
    print(f"# 5000 calls of seed {SEED}", flush=True)
    lab.host.sh(f"mnabuse {offload.memnet()} --calls 5000 --seed {SEED}", timeout=400)
    clean(lab)
    leaks(lab)


def test_deaths_under_jobs(lab):
    """The same, with direct calls and jobs under way in both directions: nothing of them stays pinned, or allocated, when their
    programs have ended."""
    lab.kmemleak_clear()
    offload.up(lab)
    for vm, command, again in deaths(lab):
        jobs = [lab.host.bg(mixed(lab, io, "2G", "--side connect --bound 120")) for io in ("block", "epoll")]
        under_way(lab, jobs)
        lab.host.until("memnetctl -j stats | grep -q '\"jobs\": *[1-9]'", what="jobs to be under way")
        vm.sh(command, timeout=120)
        ended(lab, jobs)
        clean_host(lab)
        vm.sh(again)
        offload.wait_link(lab)
    clean(lab)
    leaks(lab)


def test_refusals(lab):
    """A host with the wrong secret, and one that is not allowed."""
    lab.kmemleak_clear()
    for tcps in (dict(params="secret=of-the-node-alone"), dict(allow="10.9.0.200/32")):
        lab.load_core()
        lab.load_tcps(**tcps)
        lab.load_host()
        lab.host.until(f"memnetctl -j link show {offload.LINK} | grep -qE '\"last_reason\": *\"[^\"]'", timeout=60, what=f"{HOST_SAN} to be refused")
        offload.down(lab)
    leaks(lab)


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 600
