# SPDX-License-Identifier: GPL-2.0
"""Documentation/conformance.rst: a row for each call, flag, option and event, made from what the tests have shown.

    python3 -m selftests.conformance write              the page, anew                          (make conformance)
    python3 -m selftests.conformance take KERNEL ...    the results of the latest runs, and it  (make conformance TAKE=KERNEL)
    python3 -m selftests.conformance lint               is all of it true? without a guest      (make lint)

selftests/socket/rows says what rows there are, tests say which they prove (`mnsock --rows`; test_x.rows of a case), and
selftests/socket/differences.c where AF_MEMNET is meant to differ.  A run of the case socket leaves four files of TAP, of
native TCP and of AF_MEMNET, IPv4 and IPv6, which join.py joins by the tests' names; what has come of each row is kept in
<kernel>.tsv here.  The case's last test compares its run with that, `make lint` the page with all of these.
"""
