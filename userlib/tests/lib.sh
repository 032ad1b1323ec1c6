# SPDX-License-Identifier: GPL-2.0
# For the test-*.sh: checks that print TAP. OUT and OBJ come from the Makefile.

count=0
failed=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# ok NAME: the result of the last command is the result of the check
result()
{
	rc=$1
	shift
	count=$((count + 1))
	if [ "$rc" -eq 0 ]; then
		echo "ok $count - $*"
	else
		echo "not ok $count - $*"
		failed=1
	fi
}

# check NAME CODE PATTERN COMMAND...: the command ends with CODE, and its output
# (both streams) has a line that matches PATTERN; "" matches an output of nothing
check()
{
	name=$1 code=$2 pattern=$3
	shift 3
	"$@" >"$tmp/out" 2>&1
	got=$?
	if [ "$got" -ne "$code" ]; then
		echo "# ended with $got, not $code: $*"
		sed 's/^/# /' "$tmp/out"
		result 1 "$name"
	elif [ -z "$pattern" ] && [ -s "$tmp/out" ]; then
		echo "# said something: $*"
		sed 's/^/# /' "$tmp/out"
		result 1 "$name"
	elif ! grep -q -e "$pattern" "$tmp/out" && [ -n "$pattern" ]; then
		echo "# has no \"$pattern\": $*"
		sed 's/^/# /' "$tmp/out"
		result 1 "$name"
	else
		result 0 "$name"
	fi
}

skip()
{
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

finish()
{
	echo "1..$count"
	exit $failed
}
