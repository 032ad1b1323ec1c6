# SPDX-License-Identifier: GPL-2.0
"""/dev/memnet with arguments nobody means, from four threads that undo each other's work; and deaths in the middle of it."""
import os
import random
import time

from selftests.cases import offload
from selftests.cases.test_direct import clean
from selftests.cases.test_smp import setup      # as all with two processors

LAB = dict(mem=1024, smp=2)
CALLS = int(os.environ.get("MEMNET_ABUSE", "0"))


def test_a_great_many_calls(lab):
    """Each comes back; nothing is pinned or under way when they are over."""
    calls = CALLS or (10000 if offload.small(lab) else 100000)
    out = lab.host.sh(f"mnabuse {offload.memnet()} --calls {calls}", timeout=offload.patience(lab, 120) + calls // 200)
    words = offload.words(out.splitlines()[-1])
    assert words["good"] > calls // 20, out
    clean(lab)
    return out.splitlines()[-1]


def test_killed_at_any_moment(lab):
    """Twenty times; the link lives."""
    before = offload.link(lab)["counters"]["reconnects"]
    for _ in range(5 if offload.small(lab) else 20):
        job = lab.host.bg(f"exec mnabuse {offload.memnet()} --calls 0 --seed {random.randrange(1 << 30)}")
        time.sleep(random.uniform(0.5, 2.5))
        assert not job.done, job.output()
        lab.host.sh("pkill -KILL -x mnabuse")
        job.wait(offload.patience(lab, 30))
    clean(lab)
    assert offload.link(lab)["counters"]["reconnects"] == before


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 400 + CALLS // 200
