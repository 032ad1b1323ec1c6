# SPDX-License-Identifier: GPL-2.0
"""Sending from registered memory: the bytes, that nobody copied them, and every end it can have."""
import json

from selftests.byhand.names import COPIED_IN, SENT
from selftests.cases import offload
from selftests.cases.registered import blocking, by_hand, clean, kill, link_dies, stream
from selftests.cases.test_failure import ADD, DELETE


def setup(lab):
    offload.up(lab)


def sends_only(lab, options, size):
    """Streams of so many bytes and of twice as many, sent as the options say. Copied is what the programs say to each other,
    which is the same in both: of the bytes that are sent it is none."""
    copied = []
    for n in (size, 2 * size):
        with offload.Watch(lab) as w:
            out = stream(lab, offload.memnet(), f"{options} --seed 4242 --send {n} --recv 0")
        w.proves(connects=1, accepts=1)
        assert w.host[SENT] == 2 * n, w.host[SENT]
        copied.append(w.host[COPIED_IN])
    assert copied[0] == copied[1] < 1000, copied
    clean(lab)
    return out.splitlines()[-1]


def test_direct_sends_only(lab):
    """Not a byte is copied on the host; on a native socket the same calls copy."""
    size = (1 if offload.small(lab) else 8) << 20
    stream(lab, offload.native(), f"--direct 4 --send {size} --recv 0")
    return sends_only(lab, "--direct 4", size)


def test_direct_among_ordinary_sends(lab):
    """16 sockets of 2 threads each, sending by random calls, direct ones among them: every byte in its place."""
    size = (1 if offload.small(lab) else 4) << 20
    options = f"--direct 2 --streams 16 --max 1M --each --send {size} --recv {size // 4}"
    with offload.Watch(lab) as w:
        out = stream(lab, offload.memnet(), options)
    w.proves(connects=16, accepts=16)
    assert w.host[SENT] > size, w.host[SENT]
    assert w.host[COPIED_IN] > size, "no ordinary send among them"
    clean(lab)
    return out.splitlines()[-1]


def test_jobs_only(lab):
    """Asynchronous jobs: nothing is copied, and what they end by is the counter the node writes."""
    return sends_only(lab, "--async 4", (1 if offload.small(lab) else 8) << 20)


def test_jobs_among_all_others(lab):
    """Ordinary, direct and asynchronous sends of random sizes, 16 sockets of 2 threads each."""
    size = (1 if offload.small(lab) else 4) << 20
    options = f"--direct 1 --async 2 --streams 16 --max 1M --each --send {size} --recv {size // 4}"
    with offload.Watch(lab) as w:
        out = stream(lab, offload.memnet(), options)
    w.proves(connects=16, accepts=16)
    assert w.host[COPIED_IN] > size, "no ordinary send among them"
    clean(lab)
    return out.splitlines()[-1]


def test_event_loop(lab):
    """Called back for each end by a loop that sleeps in epoll; bytes of an echo in order."""
    with offload.Watch(lab) as w:
        out = lab.host.sh(f"mnjobs {offload.memnet()} --loop --jobs 250 --size 1500", timeout=offload.patience(lab, 60))
    w.proves(connects=1)
    assert w.host[SENT] == 1500 * 250, w.host[SENT]
    clean(lab)
    return out.strip()


def test_uring(lab):
    """Jobs submitted by io_uring, which also waits where a socket is full, and tells of their ends."""
    rounds = 5 if offload.small(lab) else 50
    with offload.Watch(lab) as w:
        out = lab.host.sh(f"mnuring {offload.memnet()} --rounds {rounds}", timeout=offload.patience(lab, 60))
    w.proves(connects=4)
    assert w.host[SENT] >= 2 * rounds * 16 * 3000, w.host[SENT]
    lab.client.sh("kill $(pgrep -x mnpuppet); while pgrep -x mnpuppet; do sleep 0.1; done")
    offload.puppet(lab.client)      # that does not hold what it never read
    clean(lab)
    return out


def test_wait_for_several(lab):
    """Asleep until any of many jobs is over, again and again, and then until all are."""
    with offload.Watch(lab) as w:
        out = lab.host.sh(f"mnjobs {offload.memnet()} --wait --jobs 250 --size 4000", timeout=offload.patience(lab, 60))
    w.proves(connects=1)
    assert w.host[SENT] == 4000 * 250, w.host[SENT]
    clean(lab)
    return out.strip()


def test_wrong_use(lab):
    """Every argument out of its bounds is refused, with the right errno; nothing is left of it."""
    rc, out = by_hand(lab, "wrong_direct").wait(offload.patience(lab, 90))
    assert rc == 0, out
    clean(lab)


def test_ends_of_a_direct_send(lab):
    """A signal, a time, a reset, an interrupted neighbour; then the program is killed in its sleep."""
    job = blocking(lab, "ends_direct")
    before = offload.counters(lab.host)
    assert before["host.jobs"] == 1 and before["host.regions"] == 1, before
    kill(lab, job)
    clean(lab)


def test_link_dies_under_a_direct_send(lab):
    return link_dies(lab, blocking(lab, "ends_direct"), DELETE, ADD)


def test_jobs_by_hand(lab):
    """Every argument out of its bounds; counters; a full pipeline, which is shown; then the program is killed."""
    job = blocking(lab, "jobs", "stay")
    shown = sorted(s["jobs"] for s in json.loads(lab.host.sh("memnetctl -j socket show")))
    assert shown[-1] == 256 and not any(shown[:-1]), shown
    assert lab.host.sh("memnetctl socket show").split("\n")[0].split()[7] == "JOBS"
    kill(lab, job)
    assert not job.output().replace("blocked", "").strip(), job.output()
    clean(lab)


def test_link_dies_under_jobs(lab):
    """Each job is over, with what TCP took or an error."""
    link_dies(lab, blocking(lab, "jobs"), DELETE, ADD)


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 300
