#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Regenerate uapi/linux/memnet_netlink.h from specs/memnet.yaml, with the
# generator and the schema of a kernel source tree (6.12 or newer):
#
#	Documentation/netlink/regen.sh KSRC		write the header
#	Documentation/netlink/regen.sh -c KSRC		only compare; 1 if stale
#
# The generator looks for its schema beside the specification and for the root
# of a kernel around it, so it is given a scratch tree that has both. It needs
# Debian's python3-yaml and python3-jsonschema; PYTHON names the interpreter.

set -eu

usage()
{
	echo "usage: $0 [-c] KSRC" >&2
	exit 2
}

check=
if [ "${1-}" = -c ]; then
	check=1
	shift
fi
[ $# -eq 1 ] || usage

ksrc=$1
python=${PYTHON:-/usr/bin/python3}
here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../uapi/linux/memnet_netlink.h

# Called ynl-gen-c.py up to 6.14, pyynl/ynl_gen_c.py since.
for gen in "$ksrc/tools/net/ynl/ynl-gen-c.py" \
	   "$ksrc/tools/net/ynl/pyynl/ynl_gen_c.py" ''; do
	[ -f "$gen" ] && break
done
if [ -z "$gen" ]; then
	echo "$0: no tools/net/ynl in $ksrc" >&2
	exit 1
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/Documentation/netlink/specs"
: > "$tmp/MAINTAINERS"
cp "$ksrc"/Documentation/netlink/*.yaml "$tmp/Documentation/netlink/"
cp "$here/specs/memnet.yaml" "$tmp/Documentation/netlink/specs/"

"$python" "$gen" --mode uapi --header \
	--spec "$tmp/Documentation/netlink/specs/memnet.yaml" -o "$tmp/out.h"

if [ -n "$check" ]; then
	diff -u "$out" "$tmp/out.h"
else
	cmp -s "$tmp/out.h" "$out" || cp "$tmp/out.h" "$out"
	chmod 644 "$out"
fi
