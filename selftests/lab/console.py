# SPDX-License-Identifier: GPL-2.0
"""What in a guest's console means that the kernel found a bug.

panic_on_warn misses lockdep, sleep-in-atomic and RCU reports, so the text is searched.  HARMLESS
lines come from QEMU's timing, from soft-RoCE and from loading modules out of the tree.
"""
import re

REPORTS = re.compile("|".join((
    r"\bWARNING:", r"\bBUG:", r"\bBUG at\b", r"\bKASAN\b", r"\bUBSAN\b", r"\bODEBUG\b", r"DMA-API:.*(?:error|leak|not|with)",
    r"possible circular locking", r"possible recursive locking", r"possible irq lock inversion",
    r"inconsistent lock state", r"HARDIRQ-safe|SOFTIRQ-safe", r"suspicious RCU", r"bad unlock balance", r"held lock freed",
    r"lock held when returning", r"possible deadlock", r"unreferenced object", r"new suspected memory leaks",
    r"blocked for more than", r"hung task", r"list_(?:add|del) corruption", r"refcount_t:", r"rcu.*\bstall", r"self-detected stall",
    r"soft lockup", r"\bOops\b", r"general protection", r"sleeping function called", r"scheduling while atomic",
    r"double fault", r"unable to handle", r"Kernel panic", r"Bad page (?:state|map)", r"page dumped because",
    r"Object .*corrupt|Redzone|Poison overwritten", r"Out of memory", r"invoked oom-killer", r"page allocation failure",
    r"unregister_netdevice: waiting", r"ref_tracker", r"Attempt to release alive inet socket", r"workqueue lockup", r"Workqueue:.*hogged",
    r"stack guard page", r"kernel stack overflow", r"Objects remaining in", r"nobody cared",
)))
HARMLESS = re.compile("|".join((
    r"siw: got TERMINATE", r"speed is unknown, defaulting", r"iwpm_register_pid: Unable to send",
    r"loading out-of-tree module taints kernel", r"module verification failed", r"Unable to calibrate", r"APIC calibration",
    r"hrtimer: interrupt took", r"^\S*\s*\[[^]]*\]\s*(?:kasan|kmemleak|KASAN): .*(?:initialized|Initialized|disabled)",
    r"KernelAddressSanitizer initialized", r"Spectre V2 : WARNING: Unprivileged eBPF", r"rcu: .*(?:stall.timeout|Hierarchical|RCU restrict)",
    r"page dumped because: kasan", r"Command line:", r"Kernel command line", r"Unknown kernel command line", r"^\S*\s*memnet-test:", r"hogged CPU for >",
)))
_BEFORE, _AFTER = 3, 45


def reports(text):
    """The excerpts of text in which the kernel reports a bug; empty when there is none."""
    lines = text.splitlines()
    hits = [i for i, l in enumerate(lines) if REPORTS.search(l) and not HARMLESS.search(l)]
    out, upto = [], -1
    for i in hits:
        if i < upto:
            continue
        upto = min(len(lines), i + _AFTER)
        boot = next((j for j in range(i + 1, upto) if "] Linux version " in lines[j]), upto)
        upto = min(upto, boot)
        out.append("\n".join(lines[max(0, i - _BEFORE):upto]))
    return out


def headline(excerpt):
    """The line of an excerpt that says what is wrong."""
    return next((l for l in excerpt.splitlines() if REPORTS.search(l) and not HARMLESS.search(l)), "")
