# SPDX-License-Identifier: GPL-2.0
"""Runs the functions test_* of a file, as TAP."""
import traceback


def main(name, found):
    """found: the file's globals(); the exit code."""
    tests = [(n, f) for n, f in found.items() if n.startswith("test_")]
    print(f"1..{len(tests)}")
    bad = 0
    for number, (test, f) in enumerate(tests, 1):
        try:
            f()
            print(f"ok {number} {name} {test.removeprefix('test_')}")
        except Exception:       # noqa: BLE001 - whatever it is, the test failed
            bad += 1
            print("".join(f"# {l}\n" for l in traceback.format_exc().splitlines()), end="")
            print(f"not ok {number} {name} {test.removeprefix('test_')}")
    return 1 if bad else 0
