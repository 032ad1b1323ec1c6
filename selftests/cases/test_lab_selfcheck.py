# SPDX-License-Identifier: GPL-2.0
"""Planted bugs are seen: the proof that a quiet console means something.

One bug per boot of the host guest: after the first report lockdep is off.  On Debian's kernels only
what they can report is tried.
"""
import os
import subprocess
import sys
import textwrap

from selftests.lab.cache import TREE
from selftests.lab.lab import KernelReport
from selftests.lab.vm import GuestGone
from selftests.lab.modules import build_bugmod
from selftests.lab.tap import Skip

MODULES = False
LAB = {"append": {"host": "kmemleak=on"}}


def setup(lab):
    build_bugmod(lab.kernel.name)


def plant(lab, bug, *texts, before="", after="true"):
    """Plant a bug on the host, demand a report with one of the texts, boot the host anew."""
    lab.host.sh(before or "true")
    try:
        try:
            lab.host.sh(f"insmod /mnt/build/{lab.kernel.name}/bugmod.ko bug={bug}; sleep 1; {after}", timeout=90, check=False)
        except GuestGone:
            pass        # oops=panic
        if bug == "leak":
            lab.kmemleak(lab.host)
        lab.check_consoles()
    except KernelReport as e:
        said = str(e)
        assert any(t in said for t in texts), f"{bug}: none of {texts} in:\n{said}"
    else:
        raise AssertionError(f"{bug}: nobody noticed")
    finally:
        lab.host.restart()
    lab.check_consoles()
    return said.splitlines()[0][:200]


def debug_only(lab):
    if not lab.kernel.debug:
        raise Skip("Debian's kernels are built without this checker")


def test_a_quiet_module_is_no_report(lab):
    lab.host.sh(f"insmod /mnt/build/{lab.kernel.name}/bugmod.ko && rmmod bugmod")
    lab.check_consoles()


def test_warning(lab):
    return plant(lab, "warn", "WARNING: CPU")


def test_oops(lab):
    return plant(lab, "oops", "NULL pointer dereference", "unable to handle", "null-ptr-deref", "general protection")


def test_list_corruption(lab):
    return plant(lab, "list-corruption", "list_del corruption")


def test_refcount(lab):
    return plant(lab, "refcount", "refcount_t:")


def test_hung_task(lab):
    return plant(lab, "hung-task", "blocked for more than", before="echo 5 >/proc/sys/kernel/hung_task_timeout_secs")


def test_use_after_free(lab):
    debug_only(lab)
    return plant(lab, "use-after-free", "KASAN: slab-use-after-free")


def test_out_of_bounds(lab):
    debug_only(lab)
    return plant(lab, "out-of-bounds", "KASAN: slab-out-of-bounds")


def test_array_index(lab):
    debug_only(lab)
    return plant(lab, "array-index", "UBSAN: array-index-out-of-bounds")


def test_sleep_in_atomic(lab):
    debug_only(lab)
    return plant(lab, "sleep-in-atomic", "sleeping function called")


def test_lock_inversion(lab):
    debug_only(lab)
    return plant(lab, "lock-inversion", "possible circular locking")


def test_freed_work(lab):
    debug_only(lab)
    return plant(lab, "freed-work", "ODEBUG")


def test_rcu(lab):
    debug_only(lab)
    return plant(lab, "rcu", "suspicious RCU")


def test_leak(lab):
    debug_only(lab)
    lab.kmemleak_clear(lab.host)
    return plant(lab, "leak", "unreferenced object", after="rmmod bugmod; sleep 6")


_CASES = '''
from selftests.lab.tap import Skip
MODULES = False
def test_1_good(lab):
    lab.host.sh("true")
def test_2_program_fails(lab):
    lab.host.sh("echo this is said; exit 3")
def test_3_kernel_warns(lab):
    lab.host.sh("echo '<4>WARNING: planted' >/dev/kmsg; sleep 1")
def test_4_hangs(lab):
    lab.host.bg("sleep 1000").wait(1000)
test_4_hangs.timeout = 5
def test_5_skipped(lab):
    raise Skip("for a reason")
def test_6_skipped_silently(lab):
    raise Skip("")
def test_7_good_again(lab):
    assert lab.host.sh("pgrep -c sleep || :").strip() in ("0", "")
'''


def test_the_runner_counts_right(lab):
    cases = lab.logdir / "cases"
    cases.mkdir(exist_ok=True)
    (cases / "test_planted.py").write_text(textwrap.dedent(_CASES))
    argv = [sys.executable, TREE / "selftests/run", "--cases", cases, "--kernel", lab.kernel.name]
    p = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=280, env=dict(os.environ))
    lines = p.stdout.splitlines()
    assert lines[-1] == "2 passed, 4 failed, 1 skipped", p.stdout[-4000:] + p.stderr[-1000:]
    assert p.returncode == 1
    assert "WARNING: planted" in p.stdout and "this is said" in p.stdout and "# SKIP for a reason" in p.stdout


test_the_runner_counts_right.timeout = 300
