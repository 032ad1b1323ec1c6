# SPDX-License-Identifier: GPL-2.0
"""Links as an administrator may have them: several to one node, for several namespaces, of many channels."""
import json
import time

from selftests.cases import offload
from selftests.cases.test_failure import ADD, DELETE, LISTEN, UNLISTEN, alive, under_way
from selftests.lab.lab import HOST_SAN6, NODE_EXT, NODE_SAN, NODE_SAN6


def setup(lab):
    offload.up(lab)


def shown(lab, where=""):
    """Who sees which sockets: local ports by link."""
    rows = json.loads(lab.host.sh(f"{where} memnetctl -j socket show"))
    links = {r.get("link") for r in rows}       # None: a listener that waits for one
    return {link: sorted({r["local_port"] for r in rows if r.get("link") == link}) for link in links}


HOLD = f"""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=socket.socket(25, socket.SOCK_STREAM, 0).detach())
s.bind(("{NODE_EXT}", int(sys.argv[1])))
s.listen(5)
print("listening", flush=True)
sys.stdin.read()
"""


def listener(lab, port, where=""):
    """A socket that listens on a port, in a namespace."""
    lab.host.put("/tmp/hold.py", HOLD)
    job = lab.host.bg(f"sleep 1000 | {where} userland python3 /tmp/hold.py {port}")
    end = time.monotonic() + offload.patience(lab, 30)
    while "listening" not in job.output():
        assert not job.done and time.monotonic() < end, job.output()
        time.sleep(0.2)
    return job


def open_port(lab, port):
    lab.client.until(f"nc -z -w 2 {NODE_EXT} {port}", timeout=offload.patience(lab, 30), what=f"port {port} to be open")


def test_two_links_to_one_node(lab):
    """Neither ends the other; each serves its namespace, whose sockets it alone sees, and listeners change over."""
    inside = "ip netns exec apart"
    lab.host.sh("mkdir -p /run/netns; ip netns add apart && ip -n apart link set lo up")
    lab.host.sh(f"memnetctl link add second tcps {NODE_SAN} channels 1")
    offload.wait_link(lab, name="second")
    offload.wait_link(lab)
    before = [offload.link(lab, name)["counters"]["reconnects"] for name in (offload.LINK, "second")]
    lab.host.sh("memnetctl link set second netns apart")
    jobs = [listener(lab, 8101), listener(lab, 8102, inside)]
    lab.host.sh(f"{inside} mnmany {offload.memnet()} --bytes 10000 --bound 50 idle 5", timeout=offload.patience(lab, 60))
    lab.host.sh(f"mnmany {offload.memnet()} --bytes 10000 --bound 50 idle 5", timeout=offload.patience(lab, 60))
    assert len(json.loads(lab.node.sh("memnetctl -j tcps show"))["sessions"]) == 2
    assert 8101 in shown(lab)[offload.LINK] and "second" not in shown(lab), shown(lab)
    assert shown(lab, inside) == {"second": [8102]}, shown(lab, inside)
    # their own sockets alone, and a link that goes on to another namespace leaves its listeners behind
    after = [offload.link(lab, name)["counters"]["reconnects"] for name in (offload.LINK, "second")]
    assert before == after, (before, after)
    end = time.monotonic() + offload.patience(lab, 30)
    while offload.link(lab, "second")["sockets"] > 1:       # mnmany's are being closed yet, those of both links
        assert time.monotonic() < end, offload.link(lab, "second")
        time.sleep(0.2)
    lab.host.sh("memnetctl link del second", timeout=offload.patience(lab, 30))
    lab.client.until(f"! nc -z -w 2 {NODE_EXT} 8102", timeout=30, what="the port to be closed")
    assert "removed by the administrator" in lab.node.sh("dmesg | grep 'memnet_tcps: session' | tail -n 1")
    open_port(lab, 8101)
    lab.host.sh(f"memnetctl link add third tcps {NODE_SAN} channels 1 && memnetctl link set third netns apart")
    offload.wait_link(lab, name="third")
    for port in (8101, 8102):
        open_port(lab, port)
    assert shown(lab, inside) == {"third": [8102]}, shown(lab, inside)
    # a link that serves another namespace now leaves them when it is set up again; the next one takes them in
    lab.host.sh("memnetctl link set third netns 1")
    lab.node.sh(f"{UNLISTEN} && {LISTEN}", timeout=offload.patience(lab, 30))
    lab.client.until(f"! nc -z -w 2 {NODE_EXT} 8102", timeout=30, what="the port to be closed")
    open_port(lab, 8101)
    offload.wait_link(lab, name="third")
    assert shown(lab, inside) == {None: [8102]}, shown(lab, inside)
    lab.host.sh(f"memnetctl link add fourth tcps {NODE_SAN} channels 1 && memnetctl link set fourth netns apart")
    offload.wait_link(lab, name="fourth")
    for port in (8101, 8102):
        open_port(lab, port)
    assert shown(lab, inside) == {"fourth": [8102]}, shown(lab, inside)
    lab.host.sh("memnetctl link del fourth", timeout=offload.patience(lab, 30))
    for job in jobs:
        job.kill()
        job.wait(10)
    lab.host.sh("pkill -f '[h]old.py'; ip netns del apart", check=False)
    lab.host.sh("memnetctl link del third", timeout=offload.patience(lab, 30))
    offload.idle(lab)


test_two_links_to_one_node.rows = ["process.netns"]
test_two_links_to_one_node.only_memnet = True


def test_namespace_ends_under_load(lab):
    """With its last process, whose streams are busy: the link serves its transport namespace again, in the same session."""
    inside = "ip netns exec passing"
    lab.host.sh("mkdir -p /run/netns; ip netns add passing && ip -n passing link set lo up && "
                f"memnetctl link set {offload.LINK} netns passing")
    before = offload.link(lab)
    assert before["served_netns"] != before["transport_netns"], before
    rc, out = lab.host.sh(f"mnmany {offload.memnet()} --bound 20 idle 1", timeout=offload.patience(lab, 30), check=False)
    assert rc, f"two namespaces are served: {out}"
    job = lab.host.bg(f"exec {inside} mnstream {offload.memnet()} --streams 4 --send 2G --recv 2G --side connect --bound 200")
    under_way(lab, [job])
    lab.host.sh("ip netns del passing")
    under_way(lab, [job])
    assert offload.link(lab)["served_netns"] == before["served_netns"], "it ended with its name"
    job.kill()
    job.wait(20)
    end = time.monotonic() + offload.patience(lab, 30)
    while (now := offload.link(lab))["served_netns"] != now["transport_netns"]:
        assert time.monotonic() < end, now
        time.sleep(0.2)
    offload.idle(lab, timeout=60)
    alive(lab)
    now = offload.link(lab)
    assert now["counters"]["reconnects"] == before["counters"]["reconnects"], (before, now)
    offload.idle(lab)


def test_handing_a_link_on_needs_privilege_over_both_namespaces(lab):
    """Root of another user namespace has it over his own network namespace, and so over a link there, but over no other."""
    def served(where="", name=offload.LINK):
        now = json.loads(lab.host.sh(f"{where} memnetctl -j link show {name}"))
        now = now[0] if isinstance(now, list) else now
        return now["served_netns"], now["transport_netns"]

    def refused(who, name, to, why):
        rc, out = lab.host.sh(f"{who} memnetctl link set {name} netns {to}", check=False)
        assert rc == 1 and why in out, f"[{who} link set {name} netns {to}] ended with {rc}: {out}"

    box = lab.host.bg("exec unshare -U -r -n sh -c 'echo $$; exec sleep 1000'")
    end = time.monotonic() + offload.patience(lab, 30)
    while "\n" not in box.output():
        assert not box.done and time.monotonic() < end, box.output()
        time.sleep(0.2)
    pid = box.output().strip()
    there, root = f"nsenter -t {pid} -n", f"nsenter -t {pid} -U"
    # it has no way to the node, and needs none
    lab.host.sh(f"{there} memnetctl link add boxed tcps {NODE_SAN}")
    before = served(), served(there, "boxed")
    assert before[0][0] == before[0][1] and before[1][0] == before[1][1] != before[0][0], before
    refused("setpriv --reuid 65534 --clear-groups --inh-caps=-all", offload.LINK, pid, "CAP_NET_ADMIN")
    refused(root, offload.LINK, pid, "CAP_NET_ADMIN")
    refused(f"{root} -n", "boxed", 1, "no CAP_NET_ADMIN over the namespace to be served")
    assert (served(), served(there, "boxed")) == before and offload.link(lab)["state"] == "up"
    # nothing else was in his way
    lab.host.sh(f"{root} -n memnetctl link set boxed netns {pid}")
    lab.host.sh(f"{there} memnetctl link del boxed", timeout=offload.patience(lab, 30))
    box.kill()
    box.wait(10)
    alive(lab)
    offload.idle(lab)


TAKEN = f"""
import errno, socket, sys
def memnet():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=socket.socket(25, socket.SOCK_STREAM, 0).detach())
def attempt(call, *args):
    try:
        call(*args)
        return "0"
    except OSError as e:
        return errno.errorcode[e.errno]
bound, listening = memnet(), memnet()
bound.bind(("{NODE_EXT}", 8201))
listening.bind(("{NODE_EXT}", 8202))
listening.listen(5)
print("ready", flush=True)
for line in sys.stdin:
    print(attempt(bound.listen, 5), attempt(listening.listen, 5), bound.getsockname()[1], listening.getsockname()[1], flush=True)
"""

TAKER = f"""
import socket, time
taken = [socket.create_server(("{NODE_EXT}", port)) for port in (8201, 8202)]
print("taken", flush=True)
time.sleep(1000)
"""


def says(lab, job, wanted):
    end = time.monotonic() + offload.patience(lab, 30)
    while job.output().split("\n")[:-1] != wanted:
        assert not job.done and time.monotonic() < end, (job.output(), wanted)
        time.sleep(0.2)


def test_port_taken_while_the_link_was_down(lab):
    """The socket hears of it, at each call, until it can have its port back; never has it another. A listener comes back."""
    lab.host.put("/tmp/taken.py", TAKEN)
    lab.node.put("/tmp/taker.py", TAKER)
    lab.host.sh("rm -f /tmp/lines; mkfifo /tmp/lines")
    job = lab.host.bg("userland true; exec 3<>/tmp/lines; userland python3 /tmp/taken.py <&3")
    says(lab, job, ["ready"])
    lab.node.sh(UNLISTEN, timeout=offload.patience(lab, 30))
    taker = lab.node.bg("exec userland python3 /tmp/taker.py")
    says(lab, taker, ["taken"])
    lab.node.sh(LISTEN)
    offload.wait_link(lab)
    refused = "EADDRINUSE EADDRINUSE 8201 8202"
    for said in (["ready", refused], ["ready", refused, refused]):
        lab.host.sh("echo >/tmp/lines")
        says(lab, job, said)
    lab.node.sh("pkill -f '[t]aker.py'")
    taker.wait(20)
    open_port(lab, 8202)
    lab.host.sh("echo >/tmp/lines")
    says(lab, job, ["ready", refused, refused, "0 0 8201 8202"])
    for port in (8201, 8202):
        open_port(lab, port)
    lab.host.sh("pkill -f '[t]aken.py'")
    job.wait(20)
    offload.idle(lab)


MANY = f"""
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (6000, 6000))
held = []
for _ in range(4500):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=socket.socket(25, socket.SOCK_STREAM, 0).detach())
    s.bind(("{NODE_EXT}", 0))
    held.append(s)
print("bound", len({{s.getsockname()[1] for s in held}}), flush=True)
input()
"""


def test_more_sockets_than_a_channel_has(lab):
    """One processor fills its channel, and goes on with another."""
    lab.host.sh(DELETE, timeout=offload.patience(lab, 30))
    lab.host.sh(f"{ADD} channels 8")
    assert offload.wait_link(lab)["channels_up"] == 8
    lab.host.put("/tmp/many.py", MANY)
    job = lab.host.bg("sleep 1000 | taskset -c 0 userland python3 /tmp/many.py")
    end = time.monotonic() + offload.patience(lab, 200)
    while "bound" not in job.output():
        assert not job.done and time.monotonic() < end, job.output()
        time.sleep(0.5)
    assert "bound 4500" in job.output(), job.output()
    rows = json.loads(lab.host.sh("memnetctl -j socket show", timeout=offload.patience(lab, 60)))
    used = {c: sum(r["channel"] == c for r in rows) for c in range(8)}
    job.kill()
    job.wait(10)
    lab.host.sh("pkill -f '[m]any.py'", check=False)
    assert used[0] == 4095 and sum(used.values()) == 4500, used
    offload.idle(lab, timeout=90)
    lab.host.sh(DELETE, timeout=offload.patience(lab, 30))
    lab.host.sh(ADD)
    alive(lab)
    offload.idle(lab)


test_more_sockets_than_a_channel_has.timeout = 400


def test_ipv6_fabric(lab):
    """A link whose transport is IPv6 serves sockets of both versions; the allow-list holds for it."""
    serve = f"memnetctl tcps listen {NODE_SAN6} allow"
    lab.host.sh(DELETE, timeout=offload.patience(lab, 30))
    lab.node.sh(f"{serve} 2001:db8::/32")
    lab.host.sh(f"memnetctl link add six tcps {NODE_SAN6}")
    offload.wait_link(lab, "failed", name="six")
    lab.node.sh(f"memnetctl tcps unlisten {NODE_SAN6} && {serve} {HOST_SAN6}/128", timeout=offload.patience(lab, 30))
    offload.wait_link(lab, name="six")
    assert HOST_SAN6 in lab.node.sh("memnetctl tcps show")
    with offload.Watch(lab) as w:
        for v6 in (False, True):
            for side in ("connect", "accept"):
                lab.host.sh(f"mnmany {offload.memnet(v6)} --side {side} --bytes 10000 --bound 50 idle 5", timeout=60)
    w.proves(connects=10, accepts=10)
    offload.idle(lab)
    lab.host.sh("memnetctl link del six", timeout=offload.patience(lab, 30))
    lab.node.sh(f"memnetctl tcps unlisten {NODE_SAN6}", timeout=offload.patience(lab, 30))
    lab.host.sh(ADD)
    alive(lab)
    offload.idle(lab)
