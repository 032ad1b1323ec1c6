# SPDX-License-Identifier: GPL-2.0
"""Receiving into registered memory: the bytes, that they came without a copy, and every end it can have."""
from selftests.byhand.names import COPIED, COPIED_IN, PLACED, READ, SENT
from selftests.cases import offload
from selftests.cases.registered import by_hand, clean, kill, link_dies, receives, stream
from selftests.cases.test_failure import ADD, DELETE

LAB = dict(mem={"host": 2048, "node": 1024}, smp=2)


def setup(lab):
    offload.can_impair(lab)
    offload.up(lab)


def test_direct_receives_only(lab):
    """What comes while the call waits is written where it belongs; what came before is copied there, once."""
    size = (2 if offload.small(lab) else 16) << 20
    options = f"--recv-direct 4 --send 0 --recv {size}"
    stream(lab, offload.native(), options)
    with offload.Watch(lab) as w:
        out = stream(lab, offload.memnet(), options)
    w.proves(connects=1, accepts=1)
    assert w.host[PLACED] and w.host[PLACED] + w.host[COPIED] == 2 * size, (w.host[PLACED], w.host[COPIED])
    # what the programs say to each other is the rest
    assert w.host[READ] < 1000, w.host[READ]
    clean(lab)
    return f"{100 * w.host[PLACED] // (2 * size)} % not copied; " + out.splitlines()[-1]


def test_jobs_only(lab):
    """Up to eight jobs at a time, and now and then an ordinary call that gets what comes behind them."""
    size = (2 if offload.small(lab) else 16) << 20
    with offload.Watch(lab) as w:
        out = stream(lab, offload.memnet(), f"--recv-async 4 --send 0 --recv {size}")
    w.proves(connects=1, accepts=1)
    placed, copied, read = w.host[PLACED], w.host[COPIED], w.host[READ]
    # what the programs say to each other is read as well
    assert placed and 2 * size <= placed + copied + read < 2 * size + 1000 and read < size // 2, (placed, copied, read)
    clean(lab)
    return f"{100 * w.host[PLACED] // (2 * size)} % not copied; " + out.splitlines()[-1]


def largest(out):
    """The most bytes that one ordinary call, one direct and one job moved in a run: to send, to receive."""
    rows = [offload.words(line) for line in out.splitlines() if line.startswith("stream ")]
    return [[max(int(row[kind].split("/")[way]) for row in rows) for kind in ("ordinary", "direct", "job")]
            for way in (0, 1)]


def test_every_mix(lab):
    """16 sockets, both ways, by ordinary, direct and asynchronous calls: of 4 threads each, which block, up to 8 MiB a
    call; and all in one loop, which does not.

    Native TCP is first. It has the same calls, direct ones by copying; jobs it has none."""
    small = offload.quick()
    notes = []
    for io, size, options in (("block", 2 if small else 12, f"--threads 4 --max {1 if small else 8}M"),
                              ("epoll", 1 if small else 3, "--max 512K")):
        options += f" --direct 1 --recv-direct 1 --streams 16 --each --send {size}M --recv {size}M"
        notes += stream(lab, offload.native(), options, io, bound=200).splitlines()[1:]
        with offload.Watch(lab) as w:
            out = stream(lab, offload.memnet(), options + " --async 1 --recv-async 1", io, bound=250)
        w.proves(connects=16, accepts=16)
        for name in (PLACED, COPIED, READ, SENT, COPIED_IN):
            assert w.host[name] > 50000, (name, w.host[name])
        notes += out.splitlines()[1:]
        if io == "block":
            assert offload.summary(out, "stream")["handed"], out
            sent, received = largest(out)
            assert small or (max(sent) > 4 << 20 and min(sent) > 1 << 20 and max(received) > 2 << 20), out
    clean(lab)
    return "\n".join(notes)


def test_packets_of_the_san_are_lost(lab):
    """Soft-RoCE sends again what was lost, with memory being registered all the while; the link lives, nothing is lost."""
    size = 256 if offload.small(lab) else 1024
    before = offload.link(lab)["counters"]["reconnects"]
    for vm in lab.guests:
        offload.impair(vm, "loss 1%")
    try:
        out = stream(lab, offload.memnet(), f"--threads 4 --max 256K --direct 1 --recv-direct 1 --async 1 --recv-async 1 --streams 8 "
                     f"--each --send {size}K --recv {size}K", "block", bound=200)
        drops = [vm.sh("tc -s qdisc show dev san0 | grep -o 'dropped [0-9]*'").split()[1] for vm in lab.guests]
    finally:
        for vm in lab.guests:
            offload.impair(vm)
    assert offload.link(lab)["counters"]["reconnects"] == before
    assert all(int(n) for n in drops), drops
    clean(lab)
    return f"{' and '.join(drops)} packets were lost; " + out.splitlines()[-1]


def test_no_end_is_seen_before_the_bytes(lab):
    """Somebody looks at jobs all the time, on a processor of his own, and compares the bytes as soon as one is over."""
    jobs, bound = 2000 if offload.small(lab) else 20000, offload.patience(lab, 300)
    with offload.Watch(lab) as w:
        out = lab.host.sh(f"mnlooks {offload.memnet()} --jobs {jobs} --bound {bound}", timeout=bound + 10)
    row = offload.summary(out, "looks")
    # by a look that followed another one, which had not found it over
    assert row["jobs"] == jobs and row["seen"] >= jobs // 3, out
    # each job was there before its bytes were sent
    assert w.host[PLACED] == row["bytes"] and not w.host[COPIED] and not w.host[READ], (out, w.host[PLACED], w.host[COPIED])
    clean(lab)
    return out


def test_full_pipelines(lab):
    """More small jobs than a socket may have under way, if the node is not faster: a loop is told so and goes on when some
    are over; threads wait."""
    size = 512 if offload.small(lab) else 4096
    options = f"--async 4 --recv-async 4 --streams 2 --max 1K --buffers 1000 --each --send {size}K --recv {size}K"
    with offload.Watch(lab) as w:
        loop = stream(lab, offload.memnet(), options, "epoll")
        threads = stream(lab, offload.memnet(), options + " --threads 4")
    w.proves(connects=4, accepts=4)
    clean(lab)
    return "\n".join(loop.splitlines()[1:] + threads.splitlines()[1:])


def test_jobs_by_copy(lab):
    """Jobs on sockets that are not offloaded: refused, or done by copying where the program agreed to that."""
    with offload.Watch(lab) as w:
        rc, out = by_hand(lab, "by_copy").wait(offload.patience(lab, 60))
    assert rc == 0, out
    w.proves(connects=1, native=1)
    assert w.host[COPIED] == 0, str(w)
    clean(lab)


def test_wrong_use(lab):
    rc, out = by_hand(lab, "wrong_receive").wait(offload.patience(lab, 90))
    assert rc == 0, out
    clean(lab)


def test_ends(lab):
    """In place without a copy; pipelines, signals, cancelling, ends of the stream; then the program is killed."""
    job = receives(lab, "stay")
    kill(lab, job)
    left = job.output().replace("placed", "").replace("blocked", "").strip()
    assert not left, left
    clean(lab)


def test_link_dies_under_jobs(lab):
    link_dies(lab, receives(lab), DELETE, ADD)


def test_borders(lab):
    """Direct calls and jobs, each way, of sizes around pages, messages and keys, and of 8 MiB, at the ends of a page: the bytes,
    and none beside them. What is sent is not copied, what comes is placed or copied to its region once."""
    with offload.Watch(lab) as w:
        rc, out = by_hand(lab, "borders", "few" if offload.small(lab) else "").wait(offload.patience(lab, 250))
    assert rc == 0, out
    moved = offload.summary(out, "borders")["bytes"]
    assert w.host[SENT] == moved and w.host[PLACED] + w.host[COPIED] == moved, (out, w.host[SENT], w.host[PLACED], w.host[COPIED])
    assert not w.host[READ] and w.host[COPIED_IN] == len("echo\n"), (w.host[READ], w.host[COPIED_IN])
    clean(lab)
    return f"{100 * w.host[PLACED] // moved} % not copied; {out.strip()}"


def test_what_is_copied(lab):
    """Exactly: nothing of what comes after it was asked for, nor of what is sent, of twice as many bytes either; what had come
    before is, once; and in a race each byte is either placed or copied."""
    rc, out = by_hand(lab, "asked", "10" if offload.small(lab) else "40").wait(offload.patience(lab, 150))
    assert rc == 0, out
    clean(lab)
    return out.strip()


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 300
test_every_mix.timeout = 600
test_packets_of_the_san_are_lost.timeout = 600
test_borders.timeout = 400
test_no_end_is_seen_before_the_bytes.timeout = 400
test_every_mix.timeout = 600
