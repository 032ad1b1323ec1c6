# SPDX-License-Identifier: GPL-2.0
"""Hostile peers: mnhostile as another host attacks the node, as another node attacks the host.

While it does, the host's own link stays up and its connections go on; afterwards nothing of the
attacker is left.  MEMNET_HOSTILE=N sends N random messages to either side instead of 100,000 (on
the debug kernel 20,000); MEMNET_SEED repeats a run, whose seed is in its output.
"""
import os
import random
import re
import time

from selftests.cases import offload
from selftests.cases.registered import clean_host
from selftests.cases.test_failure import HEARTBEAT, says
from selftests.lab import tap
from selftests.lab.lab import CLIENT_EXT, HOST_SAN, NODE_EXT, NODE_SAN

MESSAGES = int(os.environ.get("MEMNET_HOSTILE", "0"))
SEED = int(os.environ.get("MEMNET_SEED", random.randrange(1 << 30)))
WILD = 30       # of 1000 random messages break a rule: half of these end a session, and a new one takes its time
EVIL = "0000000000000bad"       # mnhostile's host id
EVIL_PORT = 7999                # where it plays the node
GAUGES = ("core.channels", "core.pages_held", "host.endpoints", "host.orphans", "host.regions", "host.pinned_pages",
          "host.jobs", "tcps.sessions", "tcps.endpoints", "tcps.orphans")

ECHO = """
import asyncio
async def echo(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()
async def main():
    server = await asyncio.start_server(echo, '0.0.0.0', 7)
    await server.serve_forever()
asyncio.run(main())
"""


CALLERS = f"""
import socket, time
calls = []
while len(calls) < 80:
    call = socket.socket()
    call.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    call.settimeout(60)
    try:
        call.connect(("{NODE_EXT}", 7002))
        calls.append(call)
    except OSError:
        time.sleep(0.1)
time.sleep(60)
"""


def setup(lab):
    offload.up(lab)
    lab.client.put("/tmp/echo.py", ECHO)
    lab.client.bg("exec python3 /tmp/echo.py")


# --- those who must not notice ---


def gauges(vm):
    now = offload.counters(vm)
    return {name: now[name] for name in GAUGES if name in now}


class Bystander:
    """The host's own link and its traffic: before, during and after an attack."""

    def __init__(self, lab):
        self.lab, self.job = lab, None

    def checks(self):
        """A few calls, whose tests pass whether anybody attacks or not."""
        bound = offload.patience(self.lab, 60)
        rc, out = self.lab.host.sh(f"mnsock {offload.memnet()} -t 'io_*' --bound {bound}",
                                   timeout=4 * bound, check=False)
        tap.check(out, rc, least=10)

    def __enter__(self):
        lab = self.lab
        self.checks()
        offload.idle(lab)
        self.link, self.before = offload.link(lab), (gauges(lab.host), gauges(lab.node))
        lab.host.sh("rm -f /tmp/stop /tmp/rounds")
        stream = (f"mnstream {offload.memnet()} -n 2 --send 256K --recv 256K --side both "
                  f"--bound {offload.patience(lab, 60)}")
        self.job = lab.host.bg(f"""
            while [ ! -e /tmp/stop ]; do
                {stream} >/tmp/stream || {{ cat /tmp/stream; exit 1; }}
                echo >>/tmp/rounds
                sleep 0.5
            done""")
        return self

    def __exit__(self, kind, *_):
        lab = self.lab
        lab.host.sh("touch /tmp/stop")
        if kind:
            return
        rc, out = self.job.wait(offload.patience(lab, 90))
        assert rc == 0, f"the bystander's streams failed:\n{out}"
        self.rounds = int(lab.host.sh("cat /tmp/rounds | wc -l"))
        assert self.rounds > 0
        now = offload.link(lab)
        assert now["state"] == "up", now
        assert now["counters"]["reconnects"] == self.link["counters"]["reconnects"], now
        self.checks()
        self.gone()

    def gone(self):
        """Nothing of the attack is left."""
        end = time.monotonic() + offload.patience(self.lab, 60)
        while (now := (gauges(self.lab.host), gauges(self.lab.node))) != self.before:
            assert time.monotonic() < end, f"before {self.before}, now {now}"
            time.sleep(0.5)
        clean_host(self.lab)


def hostile(lab, vm, arguments, timeout):
    """Run mnhostile; its output goes to the log folder as well."""
    rc, out = vm.sh(f"mnhostile {arguments}", timeout=offload.patience(lab, timeout), check=False)
    with open(lab.logdir / "mnhostile.txt", "a") as log:
        log.write(f"--- mnhostile {arguments}: {rc}\n{out}\n")
    return rc, out


def messages(lab):
    return MESSAGES or (20000 if offload.small(lab) else 100000)


def randomly(lab):
    """What mnhostile is told; the seed is told to who watches, whatever becomes of the run."""
    print(f"# random messages of seed {SEED}", flush=True)
    return f"--random {messages(lab)} --seed {SEED} --wild {WILD}"


def all_sent(lab, rc, out):
    """Every message was sent, and about as many as were asked for broke a rule; what mnhostile says of it."""
    assert rc == 0, out
    last = out.splitlines()[-1]
    sent, wild = map(int, re.search(r": (\d+) messages .* (\d+) wildly", last).groups())
    mean = messages(lab) * WILD / 1000
    assert sent >= messages(lab) and wild > max(0, mean - 6 * mean ** 0.5), last
    return last


def attacks(lab, vm, arguments, timeout=270, least=20):
    rc, out = hostile(lab, vm, arguments, timeout)
    return tap.check(out, rc, least)


# --- attacks on the node ---

AS_HOST = f"--as-host {NODE_SAN} --target {CLIENT_EXT}:7"


def test_attacks_on_the_node(lab):
    with Bystander(lab) as b:
        counts = attacks(lab, lab.host, AS_HOST, least=80)
    log = lab.node.sh("dmesg")
    assert f"of host {EVIL} ends: protocol error" in log, log[-3000:]
    return f"{counts}; {b.rounds} rounds of streams beside"


def test_connection_requests(lab):
    with Bystander(lab):
        counts = attacks(lab, lab.host, f"--requests {NODE_SAN}", least=30)
    log = lab.node.sh("dmesg")
    assert "refused a connection" in log and "malformed connection data" in log, log[-3000:]
    return counts


def test_address_not_allowed(lab):
    lab.node.sh(f"memnetctl tcps listen {NODE_SAN} port 7472 allow {HOST_SAN}/32")
    lab.host.sh("ip address add 10.9.0.77/24 dev san0; sleep 1")
    one = f"--requests {NODE_SAN}:7472 --only 'sessions begun and left'"
    assert "30 of 30" in hostile(lab, lab.host, one, 60)[1]
    assert "# 0 of 30" in hostile(lab, lab.host, f"{one} --from 10.9.0.77", 60)[1]
    assert "host not allowed" in lab.node.sh("dmesg")
    lab.host.sh("ip address del 10.9.0.77/24 dev san0")
    lab.node.sh(f"memnetctl tcps unlisten {NODE_SAN} port 7472")


def test_secret_of_the_node(lab):
    lab.node.sh("echo -n correct-horse-battery >/tmp/secret")
    lab.node.sh(f"memnetctl tcps listen {NODE_SAN} port 7473 allow {HOST_SAN}/32 "
                "secret-file /tmp/secret")
    to = f"--requests {NODE_SAN}:7473"
    for only, least in (("HELLO", 16), ("table", 7), ("secret", 1)):
        attacks(lab, lab.host, f"{to} --secret correct-horse-battery --only {only}", least=least)
    assert f"of host {EVIL} ends: shared secret missing or wrong" in lab.node.sh("dmesg")
    for secret in ("--secret correct-horse-batterY", "--secret x"):
        rc, out = hostile(lab, lab.host, f"{to} {secret} --only smallest", 60)
        assert rc == 1 and "not ok" in out, out
    assert "shared secret missing or wrong" in lab.node.sh("dmesg")
    lab.node.sh(f"memnetctl tcps unlisten {NODE_SAN} port 7473")


class Available:
    """Watches the memory of a guest: the most that has gone, in MiB."""

    def __init__(self, vm):
        self.vm = vm

    def __enter__(self):
        self.vm.sh("rm -f /tmp/seen /tmp/available")
        self.job = self.vm.bg("""
            while [ ! -e /tmp/seen ]; do
                sed -n 's/MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo >>/tmp/available
                sleep 0.2
            done""")
        self.vm.until("[ -s /tmp/available ]", timeout=20, what="a first look at memory")
        return self

    def __exit__(self, kind, *_):
        self.vm.sh("touch /tmp/seen")
        self.job.wait(20)
        seen = [int(line) for line in self.vm.sh("cat /tmp/available").split()]
        self.gone = (seen[0] - min(seen)) >> 10


def test_hoards_on_the_node(lab):
    """What a host can have the node hold is bounded, also where it grants no credits."""
    lab.node.sh(f"memnetctl tcps listen {NODE_SAN} port 7474 allow {HOST_SAN}/32 max-sockets 16 max-pages 1024")
    with Bystander(lab) as b, Available(lab.node) as memory:
        for hoard in ("requests", "lives", "options"):
            attacks(lab, lab.host, f"--as-host {NODE_SAN}:7474 --target {CLIENT_EXT}:7 --only 'hoard of {hoard}'", least=1)
            lab.node.until(f"! memnetctl tcps show | grep -q {EVIL}", timeout=offload.patience(lab, 100), what="its session to end")
    assert memory.gone < (192 if offload.debug(lab) else 64), f"{memory.gone} MiB were gone"
    assert f"of host {EVIL} ends: node at its limits" in lab.node.sh("dmesg")
    lab.node.sh(f"memnetctl tcps unlisten {NODE_SAN} port 7474")
    return f"{memory.gone} MiB; {b.rounds} rounds of streams beside"


def test_places_for_children(lab):
    """With few of them: where they are when one channel is full, and that none is lost."""
    lab.client.put("/tmp/callers.py", CALLERS)
    for only in ("children of one peer", "child in the place of an orphan"):
        calls = lab.client.bg("exec python3 /tmp/callers.py")
        attacks(lab, lab.host, f"--as-host {NODE_SAN} --slots 64 --only '{only}'", least=1)
        calls.kill()
        calls.wait(20)


def test_id_of_another_host(lab):
    """A host's id is no secret: who claims it from another address does not get its session."""
    host_id = offload.link(lab)["host_id"]
    lab.host.sh("ip address add 10.9.0.77/24 dev san0; sleep 1")
    to = f"--requests {NODE_SAN} --from 10.9.0.77"
    with Bystander(lab) as b:
        attacks(lab, lab.host, f"{to} --host-id {host_id} --only 'id of another host'", least=1)
        attacks(lab, lab.host, f"{to} --only 'id at two addresses'", least=2)
    lab.host.sh("ip address del 10.9.0.77/24 dev san0")
    assert "host id in use at another address" in lab.node.sh("dmesg")
    return f"{b.rounds} rounds of streams beside"


def test_half_open_requests_of_one_host(lab):
    """Who begins sessions and never goes on takes no room from hosts at other addresses."""
    lab.host.sh("ip address add 10.9.0.77/24 dev san0; sleep 1")
    with Bystander(lab) as b:
        attacks(lab, lab.host, f"--requests {NODE_SAN} --from 10.9.0.77 --only half-open", least=2)
    lab.host.sh("ip address del 10.9.0.77/24 dev san0")
    return f"{b.rounds} rounds of streams beside"


def test_random_messages_to_the_node(lab):
    with Bystander(lab) as b:
        last = all_sent(lab, *hostile(lab, lab.host, f"{AS_HOST} {randomly(lab)}", 800))
    return f"{last}; {b.rounds} rounds of streams beside"


# --- attacks on the host ---


def evil_link(lab):
    """A second link, to mnhostile on the node guest, for the sockets of a namespace of its own."""
    lab.host.sh("mkdir -p /run/netns; ip netns list | grep -q victim || ip netns add victim; "
                "ip -n victim link set lo up", check=False)
    lab.host.sh(f"memnetctl link add evil tcps {NODE_SAN} port {EVIL_PORT} channels 1 && "
                "memnetctl link set evil netns victim")


def attack_host(lab, arguments, timeout):
    """The evil node with victims on the host: (its code, its output, the victims' last words)."""
    evil_link(lab)
    seconds = offload.patience(lab, timeout)
    # The victims end by themselves; they are told to when the attack is over.
    victims = lab.host.bg(f"ip netns exec victim mnhostile --victim {seconds} --until /tmp/enough")
    lab.host.sh("rm -f /tmp/enough")
    try:
        rc, out = hostile(lab, lab.node, arguments, timeout)
        last = offload.link(lab, "evil")
    finally:
        lab.host.sh("touch /tmp/enough")
        code, words = victims.wait(offload.patience(lab, 60))
        lab.host.sh("memnetctl link del evil", timeout=offload.patience(lab, 30))
    assert code == 0, words
    assert last["last_reason"], last
    return rc, out, f"{words.strip()}; last reason: {last['last_reason']}"


def test_attacks_on_the_host(lab):
    """Messages, and RDMA to what the host lets it write to: regions to their first and last byte, while they are registered
    and no longer, also where they were sent from; counters, to the ends of their page. Nothing of it can be read.

    What a device refuses counts only where it said so; the victims look at their memory as well."""
    with Bystander(lab) as b:
        rc, out, words = attack_host(lab, f"--as-node {NODE_SAN}:{EVIL_PORT}", 500)
        counts = tap.check(out, rc, least=125)
    assert "link evil is down: protocol error" in lab.host.sh("dmesg")
    return f"{counts}; {words}; {b.rounds} rounds of streams beside"


def test_node_that_posts_no_receives(lab):
    """Who has memory registered waits behind messages that such a node never takes: its link ends within the heartbeat, which
    goes on, and no call of anybody takes much longer."""
    mark = int(lab.host.sh("dmesg | wc -l"))
    with Bystander(lab):
        rc, out, words = attack_host(lab, f"--as-node {NODE_SAN}:{EVIL_PORT} --only 'no receives'", 120)
        tap.check(out, rc, least=2)
    said = lab.host.sh(f"dmesg | tail -n +{mark + 1}")
    assert said.count("link evil is down: heartbeat lost") >= 2, said[-3000:]
    longest = int(re.search(r"the longest call was \S+ of (\d+) ms", words).group(1))
    # shorter, and nobody waited for the node
    assert HEARTBEAT - 1 < longest / 1000 < offload.patience(lab, 2 * HEARTBEAT), words
    return words


def test_victims_are_killed(lab):
    """While a node keeps their jobs and answers nothing: the processes are gone at once, what the node may still write to stays
    pinned, and nothing is left of it when the link is deleted."""
    only = "a job that is kept"
    with Bystander(lab):
        evil = lab.node.bg(f"exec mnhostile --as-node {NODE_SAN}:{EVIL_PORT} --only '{only}'")
        evil_link(lab)
        victims = lab.host.bg("exec ip netns exec victim mnhostile --victim 600")
        try:
            says(lab, evil, "# the job is kept")
            lab.host.sh("pkill -KILL -x mnhostile")
            victims.wait(offload.patience(lab, 10))
            left = gauges(lab.host)
            assert left["host.jobs"] and left["host.regions"] and left["host.pinned_pages"], left
        finally:
            lab.host.sh("pkill -KILL -x mnhostile", check=False)
            lab.host.sh("memnetctl link del evil", timeout=offload.patience(lab, 30))
            rc, out = evil.wait(offload.patience(lab, 60))
        tap.check(out, rc, least=1)
    return f"{left['host.jobs']} jobs of the dead on {left['host.pinned_pages']} pages"


def test_answers_to_the_host(lab):
    with Bystander(lab):
        rc, out, words = attack_host(lab, f"--answers {NODE_SAN}:{EVIL_PORT}", 200)
        counts = tap.check(out, rc, least=15)
    return f"{counts}; {words}"


def test_node_of_another_version(lab):
    """The host says so, where the person is: in the log, and in `link show` until it has tried again."""
    mark = int(lab.host.sh("dmesg | wc -l"))
    evil = lab.node.bg(f"mnhostile --answers {NODE_SAN}:{EVIL_PORT} --only 'another version'")
    shows = lab.host.bg("""
        for i in $(seq 400); do
            memnetctl link show evil 2>/dev/null >/tmp/show && cat /tmp/show && grep -q 'other protocol' /tmp/show && break
            sleep 0.02
        done""")
    evil_link(lab)
    try:
        code, shown = shows.wait(offload.patience(lab, 60))
        said = lab.host.sh(f"dmesg | tail -n +{mark + 1}")
    finally:
        evil.kill()
        evil.wait(20)
        lab.host.sh("memnetctl link del evil", timeout=offload.patience(lab, 30))
    assert code == 0 and "other protocol version" in shown, f"{shown}\n{said}"
    assert "link evil: cannot connect: other protocol version" in said, said
    return shown.splitlines()[-1]


def test_random_messages_to_the_host(lab):
    with Bystander(lab) as b:
        rc, out, words = attack_host(lab, f"--as-node {NODE_SAN}:{EVIL_PORT} {randomly(lab)}", 800)
        last = all_sent(lab, rc, out)
    return f"{last}; {words}; {b.rounds} rounds of streams beside"


for _test in (test_attacks_on_the_node, test_connection_requests, test_hoards_on_the_node, test_answers_to_the_host):
    _test.timeout = 500
test_attacks_on_the_host.timeout = 800
for _test in (test_random_messages_to_the_node, test_random_messages_to_the_host):
    _test.timeout = 1200
