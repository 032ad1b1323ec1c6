# SPDX-License-Identifier: GPL-2.0
"""What sending costs the host: make bench-send.

Instructions of one call or job by size, beside send() on native TCP with segmentation and checksum
offload, measured in the same run in a guest of the same kind.  bed.py says what is counted.

Between two operations the program counts for a while, so that what it has sent is on the wire before
the next.  Without that an emulated peer is too slow for either, and what is measured is how bytes are
added to a queue that stands: native TCP then makes one segment of many sends, or of few, as it comes.
"""
import argparse
import json
import sys
from pathlib import Path

from bench.bed import Bed, check, median, ours, spread
from selftests.cases import offload
from selftests.lab.cache import TREE, LabError

K = 1 << 10
SIZES = {K: (2000, 30000), 8 * K: (1000, 60000), 64 * K: (250, 2400000)}    # how many operations, and how far to count after each
# (name, where, call, batch, at most: share of native send() by size)
CALLS = (
    ("native send", "native", "send", 1, {}),
    ("native MSG_ZEROCOPY", "native", "zerocopy", 1, {}),
    ("memnet send", "memnet", "send", 1, {}),
    ("memnet_send_direct", "memnet", "direct", 1, {}),
    ("memnet_async_send", "memnet", "async", 1, {K: 0.20, 64 * K: 0.15}),
    ("the same, 16 a call", "memnet", "async", 16, {K: 0.10}),
)


def where_it_goes(costs, top):
    """The most expensive functions, on average of the repeats."""
    total = {}
    for cost in costs:
        for where, by in ("", cost.by), (", adapter", {k: n for k, n in cost.adapter.items() if ours(*k)}):
            for (module, function), n in by.items():
                key = f"{function} [{module}{where}]"
                total[key] = total.get(key, 0) + n / len(costs)
    return "\n".join(f"        {n:8.0f}  {what}" for what, n in sorted(total.items(), key=lambda x: -x[1])[:top])


def main():
    parser = argparse.ArgumentParser(prog="bench-send", description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", default="6.12")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--top", type=int, default=0, metavar="N", help="show the N most expensive functions of each")
    parser.add_argument("--size", type=int, action="append", choices=SIZES, help="only this size (again for more)")
    parser.add_argument("--rounds", type=int, metavar="N", help="count that far after each operation")
    parser.add_argument("--call", action="append", help="only calls with this in their name")
    parser.add_argument("--json", type=Path, help="write the figures there")
    opt = parser.parse_args()
    check(opt.kernel)
    logdir = TREE / "build" / "log" / "bench"
    logdir.mkdir(parents=True, exist_ok=True)
    figures, missed = [], []
    with Bed(opt.kernel, logdir=logdir) as bed:
        lab = bed.lab
        print(f"instructions of the host's application processor for one operation; {opt.repeats} repeats, kernel {opt.kernel}")
        print(f"{'':22s} {'bytes':>6s} {'charged':>8s} {'+-':>5s} {'user':>6s} {'of send()':>9s} {'at most':>7s} {'posting':>7s} {'adapter':>8s}")
        for size, (n, rounds) in SIZES.items():
            if opt.size and size not in opt.size:
                continue
            rounds = opt.rounds or rounds
            pause = bed.pause(rounds)
            native = None
            for name, family, call, batch, targets in CALLS:
                if opt.call and native and not any(c in name for c in opt.call):
                    continue
                vm, args = (lab.node, offload.native_of_node()) if family == "native" else (lab.host, offload.memnet())
                costs = bed.slope(vm, lambda k: f"mnsend {args} {call} {size} {k} {batch} {rounds}", n, opt.repeats, pause)
                charged = median(costs)
                native = native or charged
                ratio, target = charged / native, targets.get(size)
                soft = sum(c.soft for c in costs) / len(costs)
                adapter = sum(sum(c.adapter.values()) for c in costs) / len(costs)
                user = sum(c.user for c in costs) / len(costs)
                print(f"{name:22s} {size:6d} {charged:8.0f} {spread(costs):5.1%} {user:6.0f} {ratio:9.2f} "
                      f"{target or '':>7} {soft:7.0f} {adapter:8.0f}", flush=True)
                if opt.top:
                    print(where_it_goes(costs, opt.top), flush=True)
                figures.append({"call": name, "bytes": size, "charged": charged, "spread": spread(costs), "ratio": ratio,
                                "user": user, "posting": soft, "adapter": adapter, "target": target,
                                "modules": {k: sum(c.modules().get(k, 0) for c in costs) / len(costs)
                                            for c0 in costs for k in c0.modules()}})
                if target and ratio > target:
                    missed.append(f"{name} of {size} bytes: {ratio:.2f}, to be at most {target}")
        lab.check_consoles()
    if opt.json:
        opt.json.write_text(json.dumps(figures, indent=1) + "\n")
    for text in missed:
        print("missed:", text)
    return bool(missed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as e:
        sys.exit(f"bench-send: {e}")
