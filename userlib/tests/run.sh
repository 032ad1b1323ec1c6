#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run all tests of the user side that need no kernel module, as one TAP stream
# with a subtest for each file. Called by `make check` with OUT and OBJ set.

cd "$(dirname "$0")" || exit 1
echo "TAP version 13"
n=0
failed=0
for t in test-*.sh; do
	n=$((n + 1))
	if sh "$t" >"$OBJ/tap" 2>&1; then
		verdict="ok"
	else
		verdict="not ok"
		failed=1
	fi
	sed 's/^/    /' "$OBJ/tap"
	echo "$verdict $n - userlib/$t"
done
echo "1..$n"
exit $failed
