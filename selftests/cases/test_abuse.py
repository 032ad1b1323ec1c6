# SPDX-License-Identifier: GPL-2.0
"""/dev/memnet with arguments nobody means, from four threads that undo each other's work; and deaths in the middle of it.
Also what two processors make of calls of one direction that do not wait for each other.

MEMNET_ABUSE=N makes N calls instead of 100,000 (on the debug kernel 1,000,000); MEMNET_SEED repeats a run, whose seed is in
its output before it starts.
"""
import os
import random
import time

from selftests.cases import offload
from selftests.cases.registered import clean
from selftests.cases.test_smp import setup      # as all with two processors

LAB = dict(mem=1024, smp=2)
CALLS = int(os.environ.get("MEMNET_ABUSE", "0"))
SEED = int(os.environ.get("MEMNET_SEED", random.randrange(1 << 30)))
MOST = 1000000


def calls(lab):
    if CALLS:
        return CALLS
    if offload.quick():
        return 10000
    return MOST if offload.debug(lab) else 100000


def test_a_great_many_calls(lab):
    """Each comes back, io_uring's, too; nothing is pinned or under way when they are over."""
    n = calls(lab)
    # told to who watches, whatever becomes of the run
    print(f"# {n} calls of seed {SEED}", flush=True)
    out = lab.host.sh(f"mnabuse {offload.memnet()} --calls {n} --seed {SEED}", timeout=offload.patience(lab, 120 + n // 200))
    words = offload.words(out.splitlines()[-1])
    assert words["calls"] > n // 2 and words["good"] > n // 20 and words["rings"] > n // 2000, out
    clean(lab)
    return out.splitlines()[-1]


def test_killed_at_any_moment(lab):
    """Twenty times; the link lives."""
    before = offload.link(lab)["counters"]["reconnects"]
    chance = random.Random(SEED)
    for _ in range(5 if offload.small(lab) else 20):
        seed, after = chance.randrange(1 << 30), chance.uniform(0.5, 2.5)
        print(f"# calls of seed {seed}, killed after {after:.2f} s", flush=True)
        job = lab.host.bg(f"exec mnabuse {offload.memnet()} --calls 0 --seed {seed}")
        time.sleep(after)
        assert not job.done, job.output()
        lab.host.sh("pkill -KILL -x mnabuse")
        job.wait(offload.patience(lab, 30))
    clean(lab)
    assert offload.link(lab)["counters"]["reconnects"] == before


def test_threads_of_one_direction(lab):
    """Eight threads to a socket, half of them each way, none of which waits for another: every record comes whole and once, and
    those of a sender in the order in which it sent them, for sizes around a page and of a message; and many calls were under
    way at the same time, or it shows nothing."""
    notes = []
    for size, count in ((100, 400), (4095, 200), (4097, 200), (16384, 100)):
        sent = 4 * size * (count // 4 if offload.small(lab) else count)
        bound = offload.patience(lab, 100)
        with offload.Watch(lab) as w:
            out = lab.host.sh(f"mnstream {offload.memnet()} --records --io block --threads 8 --streams 4 --each --size {size} "
                              f"--send {sent} --direct 2 --async 2 --recv-direct 2 --recv-async 2 --bound {bound}", timeout=bound + 10)
        w.proves(connects=4)
        row = offload.summary(out, "stream")
        assert row["sent"] == row["received"] == 4 * sent and w.host["host.direct_bytes"] == 4 * sent, out
        overlaps = [int(n) for n in row["overlaps"].split("/")]
        assert all(n > row["writes"] // 10 for n in overlaps), out
        notes.append(f"{size} bytes: {row['writes']} records, {row['overlaps']} began during another")
    clean(lab)
    return "; ".join(notes)


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 400
test_a_great_many_calls.timeout = 400 + (CALLS or MOST) // 200
test_threads_of_one_direction.timeout = 600
