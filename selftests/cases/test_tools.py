# SPDX-License-Identifier: GPL-2.0
"""Sockets as tools see them: memnetctl (generic netlink), /proc/net/memnet and sock_diag; and their end by an administrator."""
import errno
import json
import re
import time

from selftests.cases import offload
from selftests.cases.registered import BY_HAND, Told, by_hand, command
from selftests.lab.lab import CLIENT_EXT, HOST_SAN, NODE_EXT, NODE_SAN

STATES = {"ESTAB": 1, "SYN-SENT": 2, "FIN-WAIT-1": 4, "UNCONN": 7, "CLOSE-WAIT": 8, "LISTEN": 10}
# of those networks, and nobody's
NOBODY, NOBODY_SAN = "192.168.77.99", "10.9.0.99"
NOT_ROOT = "setpriv --reuid 65534 --clear-groups --inh-caps=-all"
TALKER = f"{BY_HAND}/talker.py"


def setup(lab):
    offload.up(lab)
    lab.host.sh("userland true")    # not for the first time in a namespace
    lab.node.sh(f"ip neigh replace {NOBODY} lladdr 02:00:00:00:00:99 dev ext0 nud permanent")
    lab.host.sh(f"ip neigh replace {NOBODY_SAN} lladdr 02:00:00:00:00:99 dev san0 nud permanent")
    for place, run in ((lab.client, "python3"), (lab.node, "userland python3")):
        place.sh("rm -f /tmp/talk")
        place.talker = place.bg(f"{run} {TALKER}")
        until(lab, lambda: place.talker.output().count("listening") == 2, place.talker.output)


def until(lab, true, say, seconds=30):
    end = time.monotonic() + offload.patience(lab, seconds)
    while not true():
        assert time.monotonic() < end, say()
        time.sleep(0.2)


def show(lab, words="", where=""):
    rows = json.loads(lab.host.sh(f"{where} memnetctl -j socket show {words}"))
    return [r for r in rows if r["role"] == "host"]


def by_netlink(rows):
    """What all views have of each, sorted."""
    any_address = {4: "0.0.0.0", 6: "::"}
    return sorted((STATES[r["state"]], r["local_address"], r["local_port"],
                   r.get("remote_address", any_address[6 if ":" in r["local_address"] else 4]), r.get("remote_port", 0),
                   r["tx_queue"], r["rx_queue"], r["uid"], r.get("inode", 0), r["served"], r.get("link", "-")) for r in rows)


def by_diag(rows):
    return sorted((r["state"], r["local_address"], r["local_port"], r["remote_address"], r["remote_port"], r["tx_queue"],
                   r["rx_queue"], r["uid"], r["inode"], r["served"], r.get("link", "-")) for r in rows)


def by_proc(text):
    rows = []
    for number, line in enumerate(text.splitlines()[1:]):
        sl, local, remote, state, queues, uid, inode, served, link = line.split()
        assert int(sl) == number, line
        ends = []
        for end in (local, remote):
            address, _, port = end.rpartition(":")
            ends += [address.strip("[]"), int(port)]
        tx, rx = (int(q, 16) for q in queues.split(":"))
        rows.append((int(state, 16), *ends, tx, rx, int(uid), int(inode), served.replace("-", "undecided"), link))
    return sorted(rows)


def views(lab):
    """The rows of all three, which agree."""
    rows = show(lab)
    diag = json.loads(lab.host.sh(command("diag"), timeout=offload.patience(lab, 60)))
    proc = by_proc(lab.host.sh("cat /proc/net/memnet"))
    assert by_netlink(rows) == by_diag(diag) == proc, f"netlink {by_netlink(rows)}\ndiag {by_diag(diag)}\nproc {proc}"
    more = ("rx_bytes", "tx_bytes", "pages", "jobs", "channel", "id", "generation")
    twin = {r["cookie"]: r for r in diag if r["cookie"]}
    for r in rows:
        if "cookie" in r:
            other = twin.pop(r["cookie"])
            assert all(r.get(k) == other.get(k) for k in more) and r.get("error", 0) == other["error"], (r, other)
    assert not twin, twin
    return rows


def test_one_of_each_kind(lab):
    """From before bind() to after close(), in all views alike, with what its program has done with it; and by memnetctl's words."""
    told = Told(lab, command("kinds", f"{NODE_EXT} {CLIENT_EXT} {NOBODY}"))
    kinds = json.loads(told.begins)
    waits = lab.client.bg(f"nc -d {NODE_EXT} 8301")
    until(lab, lambda: show(lab, "listening sport 8301")[0]["rx_queue"] == 1, lambda: show(lab))
    rows = views(lab)
    of = {name: next(r for r in rows if r.get("inode") == kind["inode"]) for name, kind in kinds.items() if "inode" in kind}
    assert all(of[name]["cookie"] == kinds[name]["cookie"] and of[name]["uid"] == 0 for name in of), (of, kinds)
    look = lambda name, *keys: tuple(of[name].get(k) for k in keys)     # noqa: E731
    for name, any_address in (("fresh", "0.0.0.0"), ("fresh v6", "::")):
        assert look(name, "state", "served", "link", "local_address", "local_port", "channel") == (
            "UNCONN", "undecided", None, any_address, 0, None), of[name]
    assert look("bound", "state", "served", "link", "local_address", "local_port") == (
        "UNCONN", "offloaded", offload.LINK, NODE_EXT, 8300), of["bound"]
    assert look("listening", "state", "served", "local_port", "rx_queue", "tx_queue") == ("LISTEN", "offloaded", 8301, 1, 7)
    assert look("connecting", "state", "served", "remote_address", "remote_port") == ("SYN-SENT", "offloaded", NOBODY, 1)
    assert look("connected", "state", "remote_port", "rx_queue", "rx_bytes", "tx_bytes") == ("ESTAB", 4301, 700, 300, 500)
    assert look("loopback listener", "state", "served", "link", "tx_queue") == ("LISTEN", "native", None, 3)
    assert look("native", "state", "served", "local_address", "rx_queue", "rx_bytes", "tx_bytes") == (
        "ESTAB", "native", "127.0.0.1", 100, 0, 50), of["native"]
    assert look("native child", "state", "served", "rx_queue", "rx_bytes", "tx_bytes") == ("ESTAB", "native", 30, 20, 100)
    orphan, = [r for r in rows if r["local_port"] == kinds["orphan"]["local"][1]]
    assert orphan["state"] == "FIN-WAIT-1" and orphan["tx_queue"] > 0 and not {"inode", "cookie"} & set(orphan), orphan
    child, = [r for r in rows if r["local_port"] == 8301 and r["state"] == "ESTAB"]
    assert child["remote_address"] == CLIENT_EXT and not {"inode", "cookie"} & set(child), child
    assert len(rows) == len(of) + 2, rows
    filters(lab, rows, of)
    processes(lab, kinds, of)
    kill(lab, of)
    lab.client.sh("touch /tmp/talk")
    told.end("")
    waits.wait(20)
    lab.client.sh("rm /tmp/talk")
    offload.idle(lab)
    assert not views(lab)


test_one_of_each_kind.timeout = 200


def filters(lab, rows, of):
    """Each keeps those it names, and two keep what both do."""
    port = of["connected"]["local_port"]
    local = [r for r in rows if r["local_address"] == NODE_EXT]
    for words, wanted in (("", rows), ("state UNCONN", [r for r in rows if r["state"] == "UNCONN"]),
                          ("state listening state SYN-SENT", [r for r in rows if r["state"] in ("LISTEN", "SYN-SENT")]),
                          ("listening", [of["listening"], of["loopback listener"]]), (f"src {NODE_EXT}", local),
                          (f"src {NODE_EXT}:{port}", [of["connected"]]), ("src 192.168.77.0/25", local),
                          ("src 192.168.78.0/24", []), ("src ::/0", [of["fresh v6"]]), (f"dst {NOBODY}", [of["connecting"]]),
                          (f"dst {NOBODY}:2", []), (f"sport {port}", [of["connected"]]), ("dport 1", [of["connecting"]]),
                          (f"link {offload.LINK}", [r for r in rows if "link" in r]), ("link nix", []), ("uid 0", rows),
                          ("uid 1", []), (f"inode {of['fresh']['inode']}", [of["fresh"]]),
                          (f"listening src {NODE_EXT}", [of["listening"]])):
        assert by_netlink(show(lab, words)) == by_netlink(wanted), words
    assert lab.host.sh("memnetctl socket show uid 1").strip() == "no sockets"
    head, line = lab.host.sh(f"memnetctl socket show -e sport {port}").splitlines()
    values = dict(zip(re.split(r"\s{2,}", head.strip()), line.split()))
    assert (values["RECEIVED"], values["SENT"], values["RECV-Q"], values["SERVED"]) == ("300", "500", "700", "offloaded"), values


def processes(lab, kinds, of):
    """Who has it, and nobody for who may not look, and for what has no socket."""
    pid = kinds["program"]["pid"]
    for r in show(lab, "-p"):
        name = next((n for n in of if of[n].get("inode") == r.get("inode")), None)
        assert r["processes"] == ([{"name": "python3", "pid": pid, "fd": kinds[name]["fd"]}] if name else []), r
    for who, shown in (("", f"python3({pid},{kinds['bound']['fd']})"),
                       (NOT_ROOT, "-")):
        line = lab.host.sh(f"{who} memnetctl socket show -p sport 8300").splitlines()[1]
        assert line.split()[-1] == shown, line


def kill(lab, of):
    """memnetctl ends those its words name, shows them, and leaves the others; it takes privilege."""
    killed = json.loads(lab.host.sh("memnetctl -j socket kill dport 4301"))
    assert [r["inode"] for r in killed] == [of["connected"]["inode"]], killed
    rows = show(lab)
    gone, = [r for r in rows if r.get("inode") == killed[0]["inode"]]
    assert (gone["state"], gone["error"]) == ("UNCONN", errno.ECONNABORTED), gone
    assert {r["state"] for r in rows} >= {"LISTEN", "SYN-SENT", "ESTAB"}, rows
    assert lab.host.sh("memnetctl socket kill dport 4301").strip() == "no sockets"
    rc, out = lab.host.sh(f"{NOT_ROOT} memnetctl socket kill listening", check=False)
    assert rc == 1 and "this needs CAP_NET_ADMIN" in out, out
    assert len(json.loads(lab.host.sh("memnetctl -j socket kill listening"))) == 2
    assert not show(lab, "listening")


def test_many_come_and_go(lab):
    """Who stays is seen in every look, once, whatever comes and goes meanwhile."""
    seconds = 3 if offload.small(lab) else 5
    rc, out = by_hand(lab, "comings", f"{CLIENT_EXT} {seconds}").wait(offload.patience(lab, 100))
    assert rc == 0, out[-3000:]
    said = json.loads(out.splitlines()[-1])
    offload.idle(lab, timeout=60)
    return str(said)


READER = """
import json, os, sys
sys.path.append(sys.argv[1])
import diag
held = [diag.memnet() for _ in range(300)]
proc = open("/proc/net/memnet", "rb", 0)
proc.read(100)
s = diag.netlink()
diag.request(s, diag.BY_FAMILY, diag.DUMP, diag.of_memnet())
for one in held:
    one.close()
print("ready", flush=True)
sys.stdin.readline()
s.close()
print("closed", flush=True)
sys.stdin.readline()
try:
    proc.read()
    print("still there", flush=True)
except OSError:
    pass
"""


def test_looking_holds_up_no_rmmod(lab):
    """A file half read does not; a dump half read refuses it, as of every family, and has no hold once its reader is gone."""
    lab.host.put("/tmp/reader.py", READER)
    told = Told(lab, f"userland python3 /tmp/reader.py {BY_HAND}")
    assert told.begins == "ready", told.begins
    offload.idle(lab)
    rc, out = lab.host.sh("rmmod memnet", check=False)
    assert rc and "in use" in out, out
    assert told.tell() == "closed"
    begun = time.monotonic()
    lab.host.sh("rmmod memnet", timeout=30)
    took = time.monotonic() - begun
    assert took < offload.patience(lab, 10), took
    told.end("")
    assert "still there" not in told.job.output()
    assert lab.host.sh("test -e /proc/net/memnet", check=False)[0]
    lab.load_host()
    offload.wait_link(lab)


def test_a_namespace_sees_its_own(lab):
    """Neither shows the other's, nor finds it by its cookie."""
    inside = "ip netns exec apart"
    lab.host.sh("mkdir -p /run/netns; ip netns add apart && ip -n apart link set lo up")
    lab.host.put("/tmp/fresh.py", f"import sys; sys.path.append('{BY_HAND}')\nimport diag\ns = diag.memnet()\n"
                                  "print(diag.cookie(s), flush=True)\nsys.stdin.readline()\n")
    told = Told(lab, f"{inside} userland python3 /tmp/fresh.py")
    mine = f"""python3 -c "import sys; sys.path.append('{BY_HAND}'); import diag
print(diag.one({told.begins}), diag.destroy({told.begins}), len(diag.sockets()))" """
    assert not show(lab) and lab.host.sh("wc -l </proc/net/memnet").strip() == "1"
    row, = show(lab, where=inside)
    assert str(row["cookie"]) == told.begins and row["state"] == "UNCONN", row
    assert lab.host.sh(f"{inside} cat /proc/net/memnet").splitlines()[1].split()[6] == str(row["inode"])
    assert lab.host.sh(f"userland {mine}").strip() == "ENOENT ENOENT 0"
    there = lab.host.sh(f"{inside} userland {mine}").strip()
    assert there.endswith("ENOENT 1") and f"'inode': {row['inode']}" in there, there     # it is not connected
    told.end("")
    lab.host.sh("ip netns del apart")
    offload.idle(lab)


def ended(place, before):
    """How connections have ended since, sorted."""
    return sorted(place.talker.output()[before:].split("\n")[:-1])


def test_destroyed(lab):
    """The program and its peer see what those of a socket of TCP see that ss -K has destroyed."""
    seen = {}
    for family, place, peer, local, nobody in (("native", lab.node, NODE_SAN, HOST_SAN, NOBODY_SAN),
                                               ("memnet", lab.client, CLIENT_EXT, NODE_EXT, NOBODY)):
        before = len(place.talker.output())
        rc, out = by_hand(lab, "destroyed", f"{family} {peer} {local} {nobody}").wait(offload.patience(lab, 100))
        assert rc == 0, out
        place.sh("touch /tmp/talk")     # not before: who sends would not have to wait, and may even come to an end
        until(lab, lambda: len(ended(place, before)) == 4, lambda: ended(place, before))
        place.sh("rm /tmp/talk")
        seen[family] = out.splitlines(), ended(place, before)
    native, memnet = seen["native"], seen["memnet"]
    assert native == memnet, "\n".join(f"{a:50} {b}" for a, b in zip(native[0] + native[1], memnet[0] + memnet[1]) if a != b)
    assert "unread: recv again ECONNABORTED" in native[0] and "asleep: recv ECONNABORTED" in native[0], native
    assert "unprivileged EPERM" in native[0] and native[1].count("4301 ECONNRESET") == 2, native
    offload.idle(lab)

