# SPDX-License-Identifier: GPL-2.0
"""What a job costs the host: its messages, wake-ups, completions and copies, and no system call to see its end.

On one processor, as a lab has when nothing is said: with two there are two channels, whose heartbeats count as well.
"""
import re

from selftests.byhand.names import COPIED, COPIED_IN, PLACED, SENT
from selftests.cases import offload
from selftests.cases.registered import Told, clean
from selftests.lab.lab import CLIENT_EXT, NODE_EXT


def setup(lab):
    offload.up(lab)


def test_the_end_of_a_job_is_seen_without_a_system_call(lab):
    """Which seccomp would punish, and strace shows. Jobs submitted together share messages."""
    jobs = 200
    command = f"mnjobs {offload.memnet()} --jobs {jobs} --size 70"
    with offload.Watch(lab) as w:
        out = lab.host.sh(command, timeout=offload.patience(lab, 60))
    assert "no seccomp" not in out, out
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
        assert self.begins == "ready", self.begins
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


RESPONSES = """
import os, socket, sys
how, rounds = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=socket.socket(25, socket.SOCK_STREAM, 0).detach())
s.connect((sys.argv[3], int(sys.argv[4])))
file = os.open("/tmp/file", os.O_RDONLY)
for _ in range(rounds):
    if how == "cork":
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    s.send(b"h" * 200, 0 if how == "each" else socket.MSG_MORE if how == "more" else 0)
    os.sendfile(s.fileno(), file, 0, 1000)
    if how == "cork":
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    assert s.recv(1200, socket.MSG_WAITALL) == b"h" * 200 + b"f" * 1000
"""
ECHO = """
import socket, sys
l = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    c, _ = l.accept()
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := c.recv(1200, socket.MSG_WAITALL):
        c.send(data)
"""


def test_what_is_said_to_belong_together_is_one_message(lab):
    """A header and a file, of which TCP_CORK or MSG_MORE says that one follows the other: a message; without, two."""
    rounds = 200
    lab.client.put("/tmp/echo.py", ECHO)
    echo = lab.client.bg(f"echo $$ >/tmp/echo.pid; exec python3 /tmp/echo.py {CLIENT_EXT} 8009")
    lab.client.until("ss -Hltn sport = :8009 | grep -q .", what="the echo to listen")
    lab.host.put("/tmp/responses.py", RESPONSES)
    lab.host.put("/tmp/file", "f" * 1000)
    sent = {}
    for how in ("cork", "more", "each"):
        with offload.Watch(lab) as w:
            lab.host.sh(f"userland python3 /tmp/responses.py {how} {rounds} {CLIENT_EXT} 8009", timeout=offload.patience(lab, 60))
        w.proves(connects=1)
        assert w.host["core.bytes_sent"] == 1200 * rounds, w.host["core.bytes_sent"]
        sent[how] = w.host["core.messages_sent"]
    lab.client.sh("kill $(cat /tmp/echo.pid)")
    echo.wait(20)
    clean(lab)
    # ticks come between the two, on a slow machine often
    assert sent["each"] >= 2 * rounds > max(sent["cork"], sent["more"]) + rounds // 10, sent
    return f"{rounds} responses: {sent}"


ANSWERS = """
import socket, sys
option, n = {"nodelay": socket.TCP_NODELAY, "cork": socket.TCP_CORK}.get(sys.argv[1]), int(sys.argv[2])
l = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=socket.socket(25, socket.SOCK_STREAM, 0).detach())
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind((sys.argv[3], int(sys.argv[4])))
l.listen(64)
for _ in range(n):
    c, _ = l.accept()
    if option:
        c.setsockopt(socket.IPPROTO_TCP, option, 1)
    assert c.recv(100) == b"q" * 100
    c.send(b"a" * 100)
    c.close()
"""
ASKS = """
import socket, sys
for _ in range(int(sys.argv[1])):
    c = socket.create_connection((sys.argv[2], int(sys.argv[3])))
    c.send(b"q" * 100)
    assert c.recv(200, socket.MSG_WAITALL) == b"a" * 100
    c.close()
"""


def test_options_that_need_no_message(lab):
    """
    A server that sets TCP_NODELAY on what it accepts, as most do, sends no message for it: it goes with the first payload. Nor
    does one that corks what it sends before it closes: the end of the stream pushes that anyway.
    """
    n, sent = 200, {}
    lab.host.put("/tmp/answers.py", ANSWERS)
    lab.client.put("/tmp/asks.py", ASKS)
    for how in ("plain", "nodelay", "cork"):
        with offload.Watch(lab) as w:
            server = lab.host.bg(f"exec userland python3 /tmp/answers.py {how} {n} {NODE_EXT} 8011")
            lab.node.until("ss -Hltn sport = :8011 | grep -q .", what="the server to listen")
            lab.client.sh(f"python3 /tmp/asks.py {n} {NODE_EXT} 8011", timeout=offload.patience(lab, 60))
            assert server.wait(offload.patience(lab, 20))[0] == 0, server.output()
            clean(lab)
        w.proves(accepts=n)
        sent[how] = w.host["core.messages_sent"]
    # DATA and CLOSE, and now and then ACCEPTED and credits
    assert 2 * n <= min(sent.values()) and max(sent["nodelay"], sent["cork"]) < sent["plain"] + n // 2, sent
    return f"{n} connections: {sent}"


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 300
