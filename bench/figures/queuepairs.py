# SPDX-License-Identifier: GPL-2.0
"""Bytes of kernel memory for each queue pair, on the side that receives: what so many more of them take.  The paper gave each socket
one; MemNet's sockets share those of a few channels, and a connection takes what figure 10 says.

The queue pairs are perftest's, reliable and connected, each with shallow queues of its own for 16 messages in both directions; all of a
side share a completion queue.  Each carries a few messages, and then waits.  The other side is not looked at: what it had on its way
is memory as well.  A queue holds its requests in
any driver, and the rest is soft-RoCE's; buffers to receive into, which each queue pair needs as well, are the program's and are not in
it.  What it costs to have one made for a connection is with today's peers: rsockets do that.

What more queue pairs do to the cost of a message cannot be seen here: an adapter has their state in a cache, and is slower
when that is too small, and soft-RoCE has it in memory.
"""
from contextlib import contextmanager

from bench.figures.memory import each, look
from bench.record import Figure, middle, of_runs
from selftests.lab.addresses import NODE_SAN
from selftests.lab.cache import LabError

FIGURE = Figure("queuepairs", 10.1, "Memory of a queue pair", ("memory",))

NUMBERS, QUICK = (1, 100, 1000), (1, 100)
REPEATS = 3     # a run hardly differs from another one
DEPTH, EACH, PORT = 16, 5, 18515
PATIENCE = 600  # seconds that perftest keeps them when it is through
SYSTEM = f"a queue pair, {DEPTH} messages deep"


def measure(bed, options):
    lab = bed.lab
    numbers, repeats = (QUICK, 1) if options.quick else (NUMBERS, min(options.repeats, REPEATS))
    rounds = [[_look(lab, n) for n in numbers] for _ in range(repeats)]
    for i, (few, many) in enumerate(zip(numbers, numbers[1:])):
        parts = [each(looks[i], looks[i + 1], many - few) for looks in rounds]
        sums = [sum(p.values()) for p in parts]
        yield of_runs(FIGURE.name, SYSTEM, f"from {few:,} to {many:,}", "memory", "bytes", sums, parts=middle(sums, parts))


def _look(lab, n):
    """What the node's kernel uses while there are n of them."""
    with _held(lab, n):
        return look(lab.node)


@contextmanager
def _held(lab, n):
    command = f"exec ib_send_bw -d rxe0 -F -q {n} -s 64 -t {DEPTH} -r {DEPTH} -u 18 -n {EACH} -N --wait_destroy={PATIENCE} -p {PORT}"
    jobs = [lab.node.bg(command)]
    try:
        lab.node.until(f"ss -Hltn sport = :{PORT} | grep -q .", what="perftest to listen")
        jobs.append(lab.host.bg(f"{command} {NODE_SAN}"))
        for vm in lab.guests:
            vm.until("grep -q nanosleep /proc/$(pgrep ib_send_bw)/wchan", timeout=120, what="perftest to be through")
            up = vm.sh("rdma res show qp | grep -c 'type RC state RT[RS] .*ib_send_bw'; :").strip()     # who only receives is never ready to send
            if up != str(n):
                raise LabError(f"{up} of {n} queue pairs are connected on the {vm.name}")
        yield
    finally:
        for job in reversed(jobs):
            job.kill()
            job.wait(60)
