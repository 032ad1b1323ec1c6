# SPDX-License-Identifier: GPL-2.0
"""The life of registered memory: what its process does with it, who is charged for it, and the links and devices it outlives."""
import time

from selftests.cases import offload
from selftests.cases.registered import Told, blocking, by_hand, clean, command, link_dies, receives
from selftests.cases.test_failure import ADD, DELETE, RDMA_COMES, RDMA_GOES, deaths
from selftests.lab.lab import CLIENT_EXT, NODE_SAN

LAB = dict(mem={"host": 2048, "node": 1024}, smp=2)


# on the client: reads what comes over 64 connections, to their ends, and counts what had been wiped
READER = """\
import socket, threading
total = [0, 0]
def read(c):
    try:
        while data := c.recv(1 << 16):
            total[0] += len(data)
            total[1] += data.count(b"\\xee")
    except OSError:
        pass
s = socket.create_server(("%s", 4300), backlog=64)
threads = [threading.Thread(target=read, args=(s.accept()[0],)) for _ in range(64)]
[t.start() for t in threads]
[t.join() for t in threads]
print(*total, flush=True)
"""


def setup(lab):
    offload.can_impair(lab)
    offload.up(lab)


def test_life_of_a_region_that_is_sent_from(lab):
    """fork(), munmap(), exec(), passed on, closed, full pipelines, signals, and RLIMIT_MEMLOCK: what becomes of it."""
    rc, out = by_hand(lab, "life_direct").wait(offload.patience(lab, 120))
    assert rc == 0, out
    clean(lab)


def test_life_of_a_region_that_is_received_to(lab):
    """While a job receives to it: fork(), munmap(), mremap(), exec(), passed on, closed, deregistered."""
    rc, out = by_hand(lab, "life_receive").wait(offload.patience(lab, 150))
    assert rc == 0, out
    clean(lab)


def test_who_is_charged(lab):
    """The process that registers, by its own limit, whoever made the context, deregisters, or lives longer; what it has
    deregistered does not count for long, through whichever context it comes again."""
    rc, out = by_hand(lab, "who_is_charged").wait(offload.patience(lab, 120))
    assert rc == 0, out
    clean(lab)


def test_rdma_device_goes_under_a_direct_send(lab):
    """With the region mapped for it."""
    return link_dies(lab, blocking(lab, "ends_direct"), RDMA_GOES, RDMA_COMES)


def test_rdma_device_goes_under_jobs_that_send(lab):
    link_dies(lab, blocking(lab, "jobs"), RDMA_GOES, RDMA_COMES)


def test_rdma_device_goes_under_jobs_that_receive(lab):
    """With keys of the region in the node's hands."""
    link_dies(lab, receives(lab), RDMA_GOES, RDMA_COMES)


def test_memory_is_not_read_when_its_job_is_over(lab):
    """The link goes while much waits in its queue pairs: a job is not over before the device has let go of its memory. Where it
    is, that is seen in every other run: most of what is posted has been read by then."""
    lab.client.put("/tmp/reader.py", READER % CLIENT_EXT)
    reader = lab.client.bg("exec python3 /tmp/reader.py")
    lab.client.until("ss -ltn | grep -q :4300", what="the reader to listen")
    job = blocking(lab, "wiped")
    offload.impair(lab.host, "rate 100mbit")
    time.sleep(offload.patience(lab, 2))
    out = link_dies(lab, job, DELETE, ADD)
    offload.impair(lab.host)
    rc, got = reader.wait(offload.patience(lab, 30))
    total, wiped = (int(n) for n in got.split())
    assert rc == 0 and total > 16 << 16 and not wiped, f"{total} bytes came, {wiped} of them after their job was over; {out}"
    return f"{out}; {total} bytes came"


def goes_well(program):
    said = program.tell()
    assert said == "well", said


def test_region_is_used_again_over_the_next_link(lab):
    """After each end that a link can have: the region stays, pinned once, and is sent from and received to as before."""
    program = Told(lab, f"exec {command('next_link')}")
    for vm, dies, again in deaths(lab):
        goes_well(program)
        vm.sh(dies, timeout=120)
        # the node's device goes without a word
        lab.host.until("! memnetctl socket show | grep -q ESTAB", timeout=offload.patience(lab, 30), what="the link to die")
        now = offload.counters(lab.host)
        assert now["host.regions"] == 1 and now["host.pinned_pages"] == 4096, now
        vm.sh(again)
        offload.wait_link(lab, timeout=offload.patience(lab, 60))
    goes_well(program)
    program.end("end")
    clean(lab)


def test_region_is_used_over_two_links(lab):
    """In turn and at once; one of them dies, another takes its place, and the region is deregistered with jobs on both."""
    def link(name):
        lab.host.sh(f"memnetctl link add {name} tcps {NODE_SAN} channels 1")
        offload.wait_link(lab, name=name)
        lab.host.sh(f"memnetctl link set {name} netns apart")

    lab.host.sh("mkdir -p /run/netns; ip netns add apart && ip -n apart link set lo up")
    link("second")
    program = Told(lab, f"exec 4</run/netns/apart; exec {command('two_links')}")
    goes_well(program)
    lab.host.sh("memnetctl link del second", timeout=offload.patience(lab, 30))
    goes_well(program)
    link("third")
    goes_well(program)
    goes_well(program)
    rc, out = program.job.wait(offload.patience(lab, 30))
    assert rc == 0, out
    lab.host.sh("memnetctl link del third", timeout=offload.patience(lab, 30))
    lab.host.sh("ip netns del apart")
    clean(lab)


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 300
