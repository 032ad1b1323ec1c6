# SPDX-License-Identifier: GPL-2.0
"""Command line; see the package."""
import sys

from selftests.lab.cache import LabError

from . import __doc__ as usage
from . import lint, page, runs, tree


def write():
    """The page, anew."""
    tree.PAGE.write_text(page.page(tree.rows(), {k: tree.kept(k) for k in tree.KERNELS}, tree.differences()))


def main(argv):
    tree.build()
    if argv == ["lint"]:
        wrong = lint.everything()
        print("".join(f"{w}\n" for w in wrong), end="")
        return 1 if wrong else 0
    if argv[:1] == ["take"] and argv[1:] and all(k in tree.KERNELS for k in argv[1:]):
        for kernel in argv[1:]:
            runs.take(kernel)
    elif argv != ["write"]:
        print(usage, file=sys.stderr)
        return 2
    write()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (tree.Wrong, LabError) as e:
        print(f"conformance: {e}", file=sys.stderr)
        sys.exit(1)
