# SPDX-License-Identifier: GPL-2.0
"""Planted bugs are seen: the proof that a quiet console means something.

What leaves the checkers working shares a boot of the host guest; after a report that turns lockdep
off, or breaks the guest, the host boots anew.  On Debian's kernels only what they can report is tried.
"""
import shutil
import subprocess
import sys

from selftests.lab.cache import TREE
from selftests.lab.lab import KernelReport
from selftests.lab.modules import build_bugmod
from selftests.lab.vm import GuestGone

MODULES = False


def setup(lab):
    build_bugmod(lab.kernel.name)


def insmod(lab, bug):
    lab.host.sh(f"[ ! -e /sys/module/bugmod ] || rmmod bugmod; insmod /mnt/build/{lab.kernel.name}/bugmod.ko bug={bug}; sleep 1",
                timeout=90, check=False)


def plant(lab, bug, *texts, anew=False):
    """Plant a bug on the host, demand a report with one of the texts; anew: boot the host afterwards."""
    try:
        insmod(lab, bug)
    except GuestGone:
        pass        # oops=panic
    try:
        lab.check_consoles()
    except KernelReport as e:
        said = str(e)
    else:
        raise AssertionError(f"{bug}: nobody noticed")
    if anew or lab.host.lost:
        lab.host.restart()
    assert any(t in said for t in texts), f"{bug}: none of {texts} in:\n{said}"
    return said.splitlines()[0][:200]


def test_a_quiet_module_is_no_report(lab):
    insmod(lab, "none")
    lab.check_consoles()


def test_warning(lab):
    return plant(lab, "warn", "WARNING: CPU")


def test_refcount(lab):
    return plant(lab, "refcount", "refcount_t:")


def test_array_index(lab):
    return plant(lab, "array-index", "UBSAN: array-index-out-of-bounds")


def test_sleep_in_atomic(lab):
    return plant(lab, "sleep-in-atomic", "sleeping function called")


def test_rcu(lab):
    return plant(lab, "rcu", "suspicious RCU")


def test_hung_task(lab):
    lab.host.sh("echo 5 >/proc/sys/kernel/hung_task_timeout_secs")
    return plant(lab, "hung-task", "blocked for more than")


def test_lock_inversion(lab):
    return plant(lab, "lock-inversion", "possible circular locking")


def test_use_after_free(lab):
    return plant(lab, "use-after-free", "KASAN: slab-use-after-free")


def test_out_of_bounds(lab):
    return plant(lab, "out-of-bounds", "KASAN: slab-out-of-bounds")


def test_freed_work(lab):
    return plant(lab, "freed-work", "ODEBUG", anew=True)


def test_list_corruption(lab):
    return plant(lab, "list-corruption", "list_del corruption", anew=True)


def test_oops(lab):
    return plant(lab, "oops", "NULL pointer dereference", "null-ptr-deref", anew=True)


def test_leak(lab):
    lab.host.restart(append="kmemleak=on")
    lab.kmemleak_clear(lab.host)
    insmod(lab, "leak")
    lab.host.sh("rmmod bugmod; sleep 6")
    try:
        lab.kmemleak(lab.host)
    except KernelReport as e:
        assert "unreferenced object" in str(e) and "insmod" in str(e), e
    else:
        raise AssertionError("nobody noticed the leak")
    try:
        lab.check_consoles()
    except KernelReport as e:
        assert "suspected memory leaks" in str(e), e


_WITHOUT_A_LAB = '''
import subprocess, time
from selftests.lab.tap import Skip
MODULES, LAB = False, None
def test_good(lab):
    assert lab is None
def test_fails(lab):
    assert False, "this is said"
def test_hangs(lab):
    time.sleep(1000)
test_hangs.timeout = 2
def test_skipped(lab):
    raise Skip("for a reason")
def test_skipped_silently(lab):
    raise Skip("")
'''
_WITH_A_LAB = '''
MODULES = False
def test_good(lab):
    lab.host.sh("sleep 1000 >/dev/null 2>&1 &")
def test_kernel_warns(lab):
    lab.host.sh("echo '<4>WARNING: planted' >/dev/kmsg; sleep 1")
def test_the_lab_is_new(lab):
    assert lab.host.sh("pgrep -c sleep || :").strip() in ("0", "")
def test_the_kernel_warns_later(lab):
    stop = lab.stop
    def warned():
        lab.host.sh("echo '<4>WARNING: too late for a test' >/dev/kmsg")
        stop()
    lab.stop = warned
'''


def test_the_runner_counts_right(lab):
    cases = lab.logdir / "cases"
    shutil.rmtree(cases, ignore_errors=True)
    cases.mkdir()
    (cases / "test_planted_without.py").write_text(_WITHOUT_A_LAB)
    (cases / "test_planted_with.py").write_text(_WITH_A_LAB)
    argv = [sys.executable, TREE / "selftests/run", "--cases", cases, "--kernel", lab.kernel.name]
    p = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=280)
    lines = p.stdout.splitlines()
    # a report fails the test it comes after, once, or else its case when the guests are off
    assert lines[-1] == "4 passed, 5 failed, 1 skipped", p.stdout[-4000:] + p.stderr[-1000:]
    assert p.returncode == 1
    for text in ("WARNING: planted", "WARNING: too late", "this is said", "# SKIP for a reason", "skipped without a reason", "no end of"):
        assert text in p.stdout, text
    assert f"# failed: {lab.kernel.name} planted_with:consoles" in lines, p.stdout[-4000:]


test_the_runner_counts_right.kernels = ["6.12"]     # the runner is the same on every kernel
for _test in (test_array_index, test_sleep_in_atomic, test_rcu, test_lock_inversion, test_use_after_free,
              test_out_of_bounds, test_freed_work, test_leak):
    _test.kernels = ["debug"]       # Debian's kernels are built without these checkers
