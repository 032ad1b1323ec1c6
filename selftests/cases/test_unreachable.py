# SPDX-License-Identifier: GPL-2.0
"""connect() to where there is no way: each errno of TCP's on the node, which has the routes, and the same over AF_MEMNET."""
from selftests.cases import offload
from selftests.cases.test_failure import LISTEN, UNLISTEN
from selftests.lab.lab import CLIENT_EXT, CLIENT_EXT6

SYNCNT = 7
NOBODY = 250        # of the external network: asked for, never answers
DEAF = 251          # has a hardware address, and nothing is there

# what the node's routes say of a destination: route's words, errno
ROUTES = {"unreachable": "EHOSTUNREACH", "prohibit": "EACCES", "blackhole": "EINVAL"}

# destination by what is tried: IPv4, IPv6
TO = {
    "unreachable": ("203.0.113.1", "2001:db8::1"),
    "prohibit": ("203.0.113.2", "2001:db8::2"),
    "blackhole": ("203.0.113.3", "2001:db8::3"),
    "no route": ("203.0.113.4", "2001:db8::4"),
    "unreachable, says a router": ("203.0.113.5", "2001:db8::5"),
    "prohibited, says a router": ("203.0.113.6", "2001:db8::6"),
    "nobody": (f"192.168.77.{NOBODY}", f"fd77::{NOBODY}"),
    "filtered": (f"192.168.77.{DEAF}", f"fd77::{DEAF}"),
}

EXPECTED = ROUTES | {"no route": "ENETUNREACH", "nobody": "EHOSTUNREACH", "filtered": "ETIMEDOUT"}

# prints for each destination what a blocking connect() says, then what SO_ERROR says of one that does not block
CONNECT = f"""
import errno, select, socket, sys, threading
memnet = sys.argv[1] == "memnet"
name = lambda n: errno.errorcode[n] if n else "OK"

def new(v6):
    family = socket.AF_INET6 if v6 else socket.AF_INET
    if memnet:
        s = socket.socket(family, socket.SOCK_STREAM, fileno=socket.socket(25, socket.SOCK_STREAM, int(v6)).detach())
    else:
        s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.IPPROTO_TCP, {SYNCNT}, 1)
    return s

def attempt(to):
    s = new(":" in to)
    said = name(s.connect_ex((to, 80)))
    again = name(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    s = new(":" in to)
    s.setblocking(False)
    later = name(s.connect_ex((to, 80)))
    if later == "EINPROGRESS":
        select.select([], [s], [], 30)
        later = name(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    print(to + " " + said + " " + again + " " + later + chr(10), end="")

threads = [threading.Thread(target=attempt, args=(to,)) for to in sys.argv[2:]]
for t in threads:
    t.start()
for t in threads:
    t.join()
"""


def setup(lab):
    offload.up(lab)
    for vm in lab.guests:
        vm.put("/tmp/connect.py", CONNECT)
        vm.sh("userland true")      # mounted for all, not by the first namespace that asks
    # who is asked for is given up before SYNs are
    lab.node.sh("for v in ipv4 ipv6; do echo 1 >/proc/sys/net/$v/neigh/ext0/mcast_solicit; done")
    # a router tells each time
    lab.client.sh("echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit")
    for v6, ip in ((0, "ip"), (1, "ip -6")):
        via = (CLIENT_EXT, CLIENT_EXT6)[v6]
        for word in ROUTES:
            lab.node.sh(f"{ip} route add {word} {TO[word][v6]}")
        for vm_word, what in (("unreachable", "unreachable, says a router"), ("prohibit", "prohibited, says a router")):
            lab.node.sh(f"{ip} route add {TO[what][v6]} via {via}")
            lab.client.sh(f"{ip} route add {vm_word} {TO[what][v6]}")
        lab.node.sh(f"{ip} neigh replace {TO['filtered'][v6]} lladdr 02:00:00:00:de:af dev ext0 nud permanent")
    lab.client.sh("echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")


def said(vm, family, v6, where=""):
    """What connect() says, by what is tried."""
    out = vm.sh(f"{where} userland python3 /tmp/connect.py {family} " + " ".join(to[v6] for to in TO.values()), timeout=200)
    lines = dict(line.split(" ", 1) for line in out.strip().splitlines())
    return {what: lines[to[v6]].split() for what, to in TO.items()}


def alike(lab, v6):
    native, ours = said(lab.node, "native", v6), said(lab.host, "memnet", v6)
    for errnos in (native, ours):
        for what in errnos:
            if "router" in what:    # who finds the socket in use when the word comes leaves it for later
                assert errnos[what][0] == errnos[what][2] and errnos[what][0] in ("EHOSTUNREACH", "ENETUNREACH", "EACCES"), errnos
                errnos[what][1] = "OK"
            if what == "nobody":        # learnt while a SYN is sent again it is what the last of them says, if anything
                assert set(errnos[what]) <= {"EHOSTUNREACH", "ETIMEDOUT", "OK"} and "OK" not in (errnos[what][0], errnos[what][2]), errnos
                errnos[what] = ["EHOSTUNREACH", "OK", "EHOSTUNREACH"]
    assert native == ours, f"native {native}\nmemnet {ours}"
    for what, wanted in EXPECTED.items():
        assert native[what] == [wanted, "OK", wanted], f"{what}: {native[what]}, not {wanted}"
    offload.idle(lab)
    return str({what: errnos[0] for what, errnos in native.items()})


def test_ipv4(lab):
    return alike(lab, 0)


def test_ipv6(lab):
    return alike(lab, 1)


def test_no_link(lab):
    """A namespace no link serves is one without a route; with a link that is down it is the network that is down."""
    lab.host.sh("mkdir -p /run/netns; ip netns add nowhere && ip -n nowhere link set lo up")
    for family in ("native", "memnet"):
        for v6 in (0, 1):
            ours = said(lab.host, family, v6, "ip netns exec nowhere")
            assert all(errnos == ["ENETUNREACH", "OK", "ENETUNREACH"] for errnos in ours.values()), f"{family}: {ours}"
    lab.host.sh("ip netns del nowhere")
    lab.node.sh(UNLISTEN, timeout=offload.patience(lab, 30))
    for v6 in (0, 1):
        ours = said(lab.host, "memnet", v6)
        assert all(errnos == ["ENETDOWN", "OK", "ENETDOWN"] for errnos in ours.values()), ours
    lab.node.sh(LISTEN)
    offload.wait_link(lab)


test_ipv4.rows = ["connect.unreachable.errno"]
test_ipv6.rows = ["connect.unreachable.errno"]
test_no_link.rows = ["connect.no-route"]
