# SPDX-License-Identifier: GPL-2.0
#
#	make			the three modules for KDIR's kernel, and the user side (userlib) into build/user
#	make install		both, and the manual pages (DESTDIR=, PREFIX=/usr)
#	make test-programs	what the tests and bench run, into build/user; it wants more packages (selftests/packages.txt)
#	make demo		two virtual machines, an unmodified nginx and curl: what MemNet does
#	make check		the tests, in virtual machines: KERNEL=6.12|6.1|debug (several: 6.12,6.1), T=filter
#	make check-apps		unmodified programs, natively and over AF_MEMNET (KERNEL=, T=); downloads 150 MB more, once
#	make unit		the tests that need no virtual machine
#	make bench		what MemNet costs, beside native TCP: bench/results/report.html (QUICK=1: one repeat, fewer points and operations)
#	make bench-send		of that, what sending costs the host, printed only
#	make lab		a shell in both machines, modules loaded (KERNEL=)
#	make conformance	Documentation/conformance.rst anew; TAKE=6.12|6.1: with the results of the latest runs (several: 6.12,6.1)
#	make lint		checkpatch, sparse, W=1, kernel-doc, the netlink header against its specification,
#				Documentation/conformance.rst against what it is made from
#	make clean
#
# check, check-apps, demo, unit, bench, lab, conformance and lint get what they need by themselves (Debian 12: apt, as root) and keep what
# they download or build under MEMNET_CACHE, default ~/.cache/memnet.

KDIR ?= /lib/modules/$(shell uname -r)/build
KERNEL ?= 6.12
T ?=
QUICK ?=
V ?=
TAKE ?=
DESTDIR ?=
PREFIX ?= /usr

TOP := $(CURDIR)
OUT := $(TOP)/build/user
# type information for BPF in the modules wants pahole; without it they are built without
BTF := $(if $(shell command -v pahole),,CONFIG_DEBUG_INFO_BTF_MODULES=)
PYTHON ?= python3
# a machine that was never asked for a package has no lists to find one in
GET_PYTHON = apt-get install -y -q --no-install-recommends python3
LAB = cd $(TOP) && PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m selftests.lab
comma := ,
TEST_DIRS := $(patsubst %/Makefile,%,$(wildcard selftests/Makefile bench/*/Makefile))
UNIT_DIRS := $(patsubst %/Makefile,%,$(shell grep -ls '^check:' userlib/Makefile selftests/Makefile selftests/unit/Makefile))

all: modules user

modules:
	@test -e $(KDIR)/Makefile || { echo "No kernel build folder at $(KDIR)."; \
		echo "Install linux-headers-$$(uname -r), or name one: make KDIR=/path"; exit 1; } >&2
	$(MAKE) -C $(KDIR) M=$(TOP) $(BTF) modules

user:
	@mkdir -p $(OUT)
	$(MAKE) -C userlib OUT=$(OUT)

# what runs them builds them; nothing of it is installed
test-programs: user
	@set -e; for d in $(TEST_DIRS); do $(MAKE) -C $$d OUT=$(OUT); done

install: modules_install user_install

modules_install: modules
	$(MAKE) -C $(KDIR) M=$(TOP) $(if $(DESTDIR),INSTALL_MOD_PATH=$(abspath $(DESTDIR))) modules_install

user_install: user
	$(MAKE) -C userlib OUT=$(OUT) DESTDIR=$(if $(DESTDIR),$(abspath $(DESTDIR))) PREFIX=$(PREFIX) install

demo: prepare
	@cd $(TOP) && PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m selftests.demo

check: prepare
	@$(TOP)/selftests/run --kernel $(KERNEL) $(if $(V),-v) $(T)

check-apps: prepare
	@$(TOP)/selftests/run --kernel $(KERNEL) --cases $(TOP)/selftests/apps -v $(T)

unit: prepare-user
	@set -e; for d in $(UNIT_DIRS); do $(MAKE) --no-print-directory -C $$d OUT=$(OUT) check; done

bench: prepare
	@cd $(TOP) && PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m bench --kernel $(KERNEL) $(if $(QUICK),--quick)

bench-send: prepare
	@cd $(TOP) && PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m bench sending --kernel $(KERNEL) $(if $(QUICK),--quick)

lab: prepare
	@$(LAB) shell -k $(KERNEL)

conformance: prepare
	@cd $(TOP) && PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m selftests.conformance $(if $(TAKE),take $(subst $(comma), ,$(TAKE)),write)

lint: prepare
	@$(LAB) lint

# the lab is Python; a bare machine has apt
prepare:
	@command -v $(PYTHON) >/dev/null || { echo "# installing python3"; \
		{ $(GET_PYTHON) || { apt-get update -q && $(GET_PYTHON); }; } >/dev/null; }

prepare-user: prepare
	@$(LAB) need-user

clean:
	@set -e; for d in userlib $(TEST_DIRS); do $(MAKE) -C $$d OUT=$(OUT) clean; done
	if [ -e $(KDIR)/Makefile ]; then $(MAKE) -C $(KDIR) M=$(TOP) clean; fi
	rm -rf $(TOP)/build

.PHONY: all modules user test-programs install modules_install user_install demo check check-apps unit bench bench-send lab conformance lint prepare prepare-user clean
