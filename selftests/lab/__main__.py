# SPDX-License-Identifier: GPL-2.0
"""Command line of the lab.

    python3 -m selftests.lab kdir [KERNEL]         print a folder to build modules against
    python3 -m selftests.lab kernel [KERNEL]       fetch or build a kernel, print what it is
    python3 -m selftests.lab have [KERNEL]         succeed when the cache has the kernel
    python3 -m selftests.lab source [6.12|6.1]     print the folder of Debian's kernel source
    python3 -m selftests.lab image [KERNEL]        make the guest image, print it
    python3 -m selftests.lab userland              make the userland root, print it
    python3 -m selftests.lab build [KERNEL]        build our modules and the user side
    python3 -m selftests.lab run [-k KERNEL] [-n] host|node|client CMD [...]   boot, run, power off
    python3 -m selftests.lab shell [-k KERNEL]     boot, and give a person shells (make lab)
    python3 -m selftests.lab lint                  static checks (make lint)
    python3 -m selftests.lab need-user             install what the user side is compiled with
    python3 -m selftests.lab update                take Debian's newest packages from now on

KERNEL is 6.12 (default), 6.1 or debug.
"""
import argparse
import sys

from . import image, kernels, lint, modules, shell, userland
from .cache import LabError
from .lab import Lab


def main(argv):
    p = argparse.ArgumentParser(prog="python3 -m selftests.lab", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(dest="what", required=True, metavar="COMMAND")
    for name in ("kdir", "kernel", "have", "image", "build"):
        sub.add_parser(name).add_argument("kernel", nargs="?", default="6.12", choices=kernels.NAMES)
    sub.add_parser("source").add_argument("series", nargs="?", default="6.12", choices=("6.12", "6.1"))
    sub.add_parser("userland")
    sub.add_parser("update")
    sub.add_parser("lint")
    sub.add_parser("need-user")
    for name in ("run", "shell"):
        s = sub.add_parser(name)
        s.add_argument("-k", "--kernel", default="6.12", choices=kernels.NAMES)
        s.add_argument("-n", "--no-modules", action="store_true", help="do not load our modules")
        s.add_argument("--smp", type=int, default=1)
        s.add_argument("--mem", type=int)
        s.add_argument("--kvm", action="store_true")
        s.add_argument("--append", default="", help="more kernel command line")
        if name == "run":
            s.add_argument("-t", "--timeout", type=float, default=120)
            s.add_argument("command", nargs="+", metavar="host|node|client CMD", help="in this order, one after another")
    a = p.parse_args(argv)
    if a.what == "kdir":
        print(kernels.get(a.kernel).kdir)
    elif a.what == "kernel":
        k = kernels.get(a.kernel)
        print(f"{k.release}\nvmlinuz {k.vmlinuz}\nmodules {k.modroot}/lib/modules/{k.release}\nkdir    {k.kdir}")
    elif a.what == "have":
        return 0 if kernels.have(a.kernel) else 1
    elif a.what == "source":
        print(kernels.source(a.series))
    elif a.what == "image":
        print(image.get(kernels.get(a.kernel)))
    elif a.what == "userland":
        print(userland.root())
    elif a.what == "build":
        print(modules.build(a.kernel, verbose=True))
        print(modules.build_user())
    elif a.what == "update":
        kernels.forget()
    elif a.what == "need-user":
        modules.need_user()
    elif a.what == "lint":
        return lint.main()
    elif a.what == "run":
        return run(a)
    elif a.what == "shell":
        return shell.main(a)
    return 0


def run(a):
    """Boot, run commands, power off; the first code that is not zero."""
    places = ("host", "node", "client")
    if len(a.command) % 2 or any(c not in places for c in a.command[::2]):
        raise LabError("say where and what in pairs: host 'CMD' node 'CMD' ...")
    with Lab(kernel=a.kernel, smp=a.smp, mem=a.mem, kvm=a.kvm, append=a.append) as lab:
        if not a.no_modules and (lab.build / "memnet.ko").exists():
            lab.load_modules()
        code = 0
        for where, cmd in zip(a.command[::2], a.command[1::2]):
            rc, out = getattr(lab, where).sh(cmd, timeout=a.timeout, check=False)
            print(out, end="" if out.endswith("\n") else "\n", flush=True)
            code = code or rc
        lab.check_consoles()
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as e:
        print(f"lab: {e}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
