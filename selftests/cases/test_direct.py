# SPDX-License-Identifier: GPL-2.0
"""Registered memory and direct transfers: the bytes, that nobody copied them, and every end they can have."""
import json
import re

from selftests.byhand.names import COPIED, COPIED_IN, PLACED, SENT
from selftests.cases import offload
from selftests.cases.registered import Told, blocking, by_hand, clean, kill, link_dies, stream
from selftests.cases.test_failure import ADD, DELETE, RDMA_COMES, RDMA_GOES


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


def test_the_end_of_a_job_is_seen_without_a_system_call(lab):
    """Which seccomp would punish, where there is any, and strace shows. Jobs submitted together share messages."""
    jobs = 200
    command = f"mnjobs {offload.memnet()} --jobs {jobs} --size 70"
    with offload.Watch(lab) as w:
        out = lab.host.sh(command, timeout=offload.patience(lab, 60))
    assert "no seccomp" not in out or offload.debug(lab), out      # the debug kernel has none
    w.proves(connects=1)
    assert w.host[SENT] == 70 * jobs, w.host[SENT]
    sent = w.host["core.messages_sent"]
    assert sent < jobs // 4, sent
    lab.host.sh(f"strace -f -o /tmp/calls {command}", timeout=offload.patience(lab, 60))
    calls = lab.host.sh("sed -n '/looking/,$p' /tmp/calls").splitlines()
    assert len(calls) > 1 and "write(1, \"looking" in calls[0] and "write(1, \"all over" in calls[1], calls
    clean(lab)
    return f"{jobs} jobs: {sent} messages, of all there were"


# entries of a send ring, a quarter of which one completion stands for, and receive requests, half of which are granted together
RING = 256


class Rounds(Told):
    """mnrounds on the host, during a with block."""

    SIZE = 1024

    def __init__(self, lab, options=""):
        super().__init__(lab, f"exec mnrounds {offload.memnet()} --size {self.SIZE} {options}")
        assert self.begins == "ready" or self.begins.startswith("ready") and offload.debug(lab), self.begins
        self.of(RING // 2)      # what is made once, and an event that somebody asked for before

    def of(self, jobs):
        """So many jobs, one by one: what they cost the host. Messages that bring nothing but credits are bounded, and left out
        otherwise. All that writes to a window here are heartbeats; each asks for a completion and an event."""
        with offload.Watch(self.lab) as w:
            said = self.tell(jobs)
        did = re.fullmatch(rf"did {jobs} jobs and slept (\d+) times", said)
        assert did, said
        h = w.host
        cost = {"slept": int(did[1]), "woken": h["host.job_wakeups"], "posted": h["core.messages_sent"],
                "beats": h["core.window_writes"], "signalled": h["core.send_signalled"], "events": h["core.send_events"],
                "sent": h["core.messages_sent"] - h["core.credit_messages"],
                "told": h["core.messages_received"] - w.node["core.credit_messages"], "bytes": h[SENT],
                "placed": h[PLACED], "copied": h[COPIED_IN] + h[COPIED]}
        assert w.node["core.credit_messages"] <= cost["posted"] // (RING // 2) + 1, (cost, w.node["core.credit_messages"])
        return cost

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.end("0")
            clean(self.lab)


def looked_at(cost, jobs):
    """Nobody was woken, nobody slept, nothing was copied; a completion was asked for by a quarter of the ring, and by heartbeats;
    events were theirs alone, which may find another completion first and have one more."""
    assert not cost["slept"] and not cost["woken"] and not cost["copied"], cost
    assert cost["bytes"] == jobs * Rounds.SIZE, cost
    assert cost["signalled"] <= cost["beats"] + cost["posted"] // (RING // 4) + 1, cost
    assert cost["events"] <= cost["beats"] + 3, cost


def test_what_a_job_that_sends_costs(lab):
    """Its message, and for N jobs as for 2N: none from the node, no wake-up, no sleep, no event, a completion for 64 of them;
    seccomp allows no system call but to submit. Where the program sleeps for each job it shows that all of this is counted."""
    n = 512 if offload.small(lab) else 1024
    notes = []
    with Rounds(lab) as rounds:
        for jobs in (n, 2 * n):
            cost = rounds.of(jobs)
            notes.append(f"{jobs} jobs: {cost}")
            assert cost["sent"] == jobs and not cost["told"], cost
            looked_at(cost, jobs)
    with Rounds(lab, "--sleep") as rounds:
        cost = rounds.of(n)
    notes.append(f"{n} jobs, asleep: {cost}")
    # some may be over before it is asleep
    assert min(cost["slept"], cost["woken"], cost["told"], cost["sent"] - n) > n // 10, cost
    return "\n".join(notes)


def test_what_a_job_that_receives_costs(lab):
    """Two messages, one each way, and nothing else: as above, and not a byte is copied. Each receives what another one sends."""
    n = 512 if offload.small(lab) else 1024
    notes = []
    with Rounds(lab, "--landing") as rounds:
        for jobs in (n, 2 * n):
            cost = rounds.of(jobs)
            notes.append(f"{jobs} jobs: {cost}")
            assert cost["sent"] == 2 * jobs and cost["told"] == jobs, cost
            assert cost["placed"] == jobs * Rounds.SIZE, cost
            looked_at(cost, jobs)
    return "\n".join(notes)


def test_a_deregistration_asks_about_its_own_jobs(lab):
    """Of a region with jobs under way it costs a question and an answer for each; of another one jobs cost what they always do."""
    n = 256 if offload.small(lab) else 512
    with Rounds(lab, "--other") as rounds:
        other = rounds.of(n)
    assert other["sent"] == n and not other["told"], other
    with Rounds(lab, "--own") as rounds:
        own = rounds.of(n)
    # some may be over before; so many are not, with the other region either
    assert own["sent"] > n + n // 10 and own["told"] > n // 10, own
    return f"{n} jobs: {own['told']} answers"


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


def test_life_of_a_region(lab):
    """fork(), munmap(), exec(), passed on, closed, full pipelines, signals, and RLIMIT_MEMLOCK: what becomes of it."""
    rc, out = by_hand(lab, "life_direct").wait(offload.patience(lab, 120))
    assert rc == 0, out
    clean(lab)


def test_who_is_charged(lab):
    """The process that registers, by its own limit, whoever made the context, deregisters, or lives longer; what it has
    deregistered does not count for long, through whichever context it comes again."""
    rc, out = by_hand(lab, "who_is_charged").wait(offload.patience(lab, 120))
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


def test_rdma_device_goes_under_a_direct_send(lab):
    """With the region mapped for it."""
    return link_dies(lab, blocking(lab, "ends_direct"), RDMA_GOES, RDMA_COMES)


def test_rdma_device_goes_under_jobs(lab):
    link_dies(lab, blocking(lab, "jobs"), RDMA_GOES, RDMA_COMES)


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 300
