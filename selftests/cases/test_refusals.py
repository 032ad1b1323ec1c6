# SPDX-License-Identifier: GPL-2.0
"""Hosts that a node refuses: a clear reason, no session; and the right one works."""
import time

from selftests.cases import offload
from selftests.cases.test_failure import alive
from selftests.lab.lab import HOST_SAN

SECRET, WRONG = "a-secret-of-the-lab", "another-secret-of-it"


def setup(lab):
    offload.up(lab)


def reload(lab, tcps="", host="", **node):
    """Both modules anew with other parameters."""
    offload.down(lab)
    lab.load_core()
    lab.load_tcps(tcps, **node)
    lab.load_host(host)


def refused(lab, *texts):
    """The link is not up, and its reason has one of the texts; what it says."""
    end = time.monotonic() + 20
    while True:
        now = offload.link(lab)
        reason = now.get("last_reason", "").lower()
        if any(t in reason for t in texts):
            break
        assert now["state"] != "up" and time.monotonic() < end, now
        time.sleep(0.2)
    assert now["state"] in ("failed", "connecting"), now
    rc, out = lab.host.sh(f"mnmany {offload.memnet()} --bound 10 idle 1", timeout=20, check=False)
    assert rc, f"a socket was served: {out}"
    return f"{now['state']}: {now['last_reason']}"


def test_wrong_secret(lab):
    """A secret missing on one side or different: a clear reason, no session; the right one works."""
    notes = []
    for node, host in ((SECRET, WRONG), (SECRET, None), (None, SECRET)):
        reload(lab, f"secret={node}" if node else "", f"secret={host}" if host else "")
        notes.append(refused(lab, "secret"))
        assert not offload.counters(lab.node)["tcps.endpoints"]
    reload(lab, f"secret={SECRET}", f"secret={SECRET}")
    alive(lab)
    shown = offload.link(lab)
    assert shown["secret"] is True and SECRET not in str(shown), shown
    sessions = lab.node.sh("memnetctl -j tcps show")
    assert '"authenticated": true' in sessions and SECRET not in sessions, sessions
    assert SECRET not in lab.node.sh("cat /sys/module/memnet_tcps/parameters/* 2>/dev/null; dmesg")
    return "; ".join(notes)


def test_host_not_allowed(lab):
    reload(lab, allow="10.9.0.128/25")
    note = refused(lab, "allow", "denied", "not admitted", "list")
    assert HOST_SAN in lab.node.sh("dmesg | tail -n 50"), "the node's log does not name the host"
    assert offload.counters(lab.node)["tcps.hosts_refused"]
    reload(lab)
    alive(lab)
    return note


for _test in (test_wrong_secret, test_host_not_allowed):
    _test.timeout = 250
