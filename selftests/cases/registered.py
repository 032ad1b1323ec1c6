# SPDX-License-Identifier: GPL-2.0
"""What the cases about registered memory share: programs that use it, and that nothing of it is left.

    job = blocking(lab, "ends_direct")      a program of selftests/byhand, once it sleeps
    kill(lab, job)                          in its sleep
    clean(lab)
"""
import time

from selftests.byhand.names import COPIED, PLACED, READ, TAIL
from selftests.cases import offload

GAUGES = ("host.regions", "host.pinned_pages", "host.jobs")
BY_HAND = "/mnt/src/selftests/byhand"       # a guest has the tree there


# --- nothing is left --------------------------------------------------------------------------------


def clean(lab):
    """Nothing is left of any socket either."""
    offload.idle(lab)
    clean_host(lab)


def clean_host(lab):
    """No region, no pinned page, no job, and all the kernel pinned is unpinned."""
    lab.host.until("memnetctl -j stats | grep -q '\"regions\": *0,'", timeout=20, what="regions to go")
    now = offload.counters(lab.host)
    assert not any(now[n] for n in GAUGES), {n: now[n] for n in GAUGES}
    # the kernel adds up what its processors have counted every other second
    lab.host.until("[ $(grep nr_foll_pin /proc/vmstat | cut -d' ' -f2 | uniq | wc -l) = 1 ]", timeout=20,
                   what="all pinned pages to be unpinned")


# --- programs ---------------------------------------------------------------------------------------


def stream(lab, family, options, io="block", bound=100):
    bound = offload.patience(lab, bound)
    return lab.host.sh(f"mnstream {family} --io {io} --bound {bound} {options}", timeout=bound + 10)


class Told:
    """A program on the host that says when it is ready, and then answers each line that it is told with one of its own."""

    def __init__(self, lab, command):
        lab.host.sh("rm -f /tmp/lines && mkfifo /tmp/lines")
        self.lab, self.answers = lab, 0
        self.job = lab.host.bg(f"{command} <>/tmp/lines")
        self.begins = self.answer()

    def answer(self):
        end = time.monotonic() + offload.patience(self.lab, 150)
        while True:
            done, said = self.job.done, self.job.output().split("\n")
            if len(said) > self.answers + 1:
                break
            assert not done and time.monotonic() < end, said
            time.sleep(0.1)
        self.answers += 1
        return said[self.answers - 1]

    def tell(self, line=""):
        self.lab.host.sh(f"echo {line} >/tmp/lines")
        return self.answer()

    def end(self, line):
        """The last line, after which there is nothing to say."""
        self.lab.host.sh(f"echo {line} >/tmp/lines")
        rc, out = self.job.wait(offload.patience(self.lab, 60))
        assert rc == 0, out


def command(program, arguments=""):
    """For a program of selftests/byhand."""
    return f"userland python3 {BY_HAND}/{program}.py {arguments}"


def by_hand(lab, program, arguments=""):
    return lab.host.bg(command(program, arguments))


def come_to(lab, job, word):
    """A program that has come to where it says so."""
    end = time.monotonic() + offload.patience(lab, 60)
    while word not in job.output():
        assert not job.done and time.monotonic() < end, job.output()
        time.sleep(0.2)
    return job


def blocking(lab, program, arguments=""):
    """A program that sleeps by now, as it has said it would."""
    return come_to(lab, by_hand(lab, program, arguments), "blocked")


def kill(lab, job):
    """A program by hand, and all its processes, in their sleep."""
    lab.host.sh(f"kill -KILL $(pgrep -f '[p]ython3 {BY_HAND}/')")
    job.wait(20)


def receives(lab, arguments=""):
    """ends_receive, once it sleeps; it waits for us to look at the counters after its first megabyte."""
    lab.host.sh("rm -f /tmp/go")
    with offload.Watch(lab) as w:
        job = come_to(lab, by_hand(lab, "ends_receive", arguments), "placed")
    cost = [w.host[name] for name in (PLACED, COPIED, READ, TAIL)]
    assert cost == [1 << 20, 0, 0, 0], cost
    lab.host.sh("touch /tmp/go")
    return come_to(lab, job, "blocked")


def link_dies(lab, job, dies, again):
    """Under a program that sleeps: it ends in good order, and the host is clean before and after the link is back."""
    lab.host.sh(dies, timeout=offload.patience(lab, 30))
    rc, out = job.wait(offload.patience(lab, 30))
    assert rc == 0, out
    clean_host(lab)
    lab.host.sh(again)
    offload.wait_link(lab, timeout=offload.patience(lab, 60))
    clean(lab)
    return out.splitlines()[-1]
