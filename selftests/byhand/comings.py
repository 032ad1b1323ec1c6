# SPDX-License-Identifier: GPL-2.0
"""1000 sockets that stay while others come and go, looked at all the time by netlink, /proc and sock_diag.

Every look has each of those that stay once, and nothing twice. It says "ready" when the first look is over, and at the end how many
there were. Arguments: a peer's address (talker.py), which threads connect to, and for how many seconds at least.
"""
import collections
import json
import subprocess
import sys
import threading
import time

import diag

PEER, SECONDS = sys.argv[1], float(sys.argv[2])
stay = {diag.inode(s): s for s in [diag.memnet(i % 2) for i in range(1000)]}
over = threading.Event()
made = collections.Counter()


def come_and_go(connect):
    while not over.is_set():
        some = [diag.memnet() for _ in range(1 if connect else 20)]
        if connect:
            some[0].connect((PEER, 4301))
        for s in some:
            s.close()
        made[connect] += len(some)


def by_netlink():
    rows = json.loads(subprocess.check_output(["memnetctl", "-j", "socket", "show"]))
    return [r for r in rows if r["role"] == "host"]


def by_proc():
    with open("/proc/net/memnet") as f:
        return [{"inode": int(line.split()[6])} for line in f.readlines()[1:]]


def once(what, things):
    twice = [t for t, n in collections.Counter(things).items() if n > 1]
    assert not twice, f"{what}: twice {twice[:5]}"


def judge(name, rows):
    inodes = [r["inode"] for r in rows if r.get("inode")]
    once(f"{name} inode", inodes)
    once(f"{name} endpoint", [(r["link"], r["channel"], r["id"], r["generation"]) for r in rows if "channel" in r])
    once(f"{name} cookie", [r["cookie"] for r in rows if r.get("cookie")])
    missed = set(stay) - set(inodes)
    assert not missed, f"{name}: {len(missed)} of 1000 were not seen"
    return len(rows) - len(stay)


begun = time.monotonic()
threads = [threading.Thread(target=come_and_go, args=(c,), daemon=True) for c in (False, True, True)]
for t in threads:
    t.start()
looks, others = collections.Counter(), collections.Counter()
end = time.monotonic() + SECONDS
# looked at three times, while at least so many came and went
while time.monotonic() < end or looks["diag"] < 3 or made[False] <= 1000 or made[True] <= 10:
    for name, look in ("netlink", by_netlink), ("proc", by_proc), ("diag", diag.sockets):
        others[name] += judge(name, look())
        looks[name] += 1
    if looks["diag"] == 1:
        print("ready", flush=True)
over.set()
for t in threads:
    t.join()
print(json.dumps({"looks": looks, "others": others, "made": made[False], "connected": made[True], "took": round(time.monotonic() - begun)}), flush=True)
