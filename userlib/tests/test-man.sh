# SPDX-License-Identifier: GPL-2.0
# The manual: every function of the headers has a page, which declares it as they do, and whose examples are programs: they are
# compiled as C and as C++, and do what is said of them, with a device that is none (fakedevice.c).
. ./lib.sh

unset MAKEFLAGS MFLAGS MAKEOVERRIDES	# of the make that runs this
check "install" 0 . make -C .. OUT="$OUT" DESTDIR="$tmp/root" PREFIX=/usr LIBDIR=/usr/lib install
man=$tmp/root/usr/share/man
flags="-I$tmp/root/usr/include -L$tmp/root/usr/lib"
F=$OBJ/tests/fakedevice.so

# Pages are told of as they lie there, so that those they refer to are beside them.
lint()
{
	if command -v mandoc >/dev/null; then
		# of others' pages, which need not be here, it says that they are not; Os is meant, and lines may be long
		(cd "$(dirname "$1")" && mandoc -Tlint -Wall "$(basename "$1")" 2>/dev/null) |
			grep -v -e 'referenced manual not found' -e 'operating system explicitly specified' -e 'longer than 80 bytes'
	else
		man --warnings -l -E UTF-8 -Tutf8 -Z "$1" 2>&1 >/dev/null
	fi
	return 0
}

# names PAGE: what is at its head
names()
{
	sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([a-z_]*\).*/\1/p' "$1"
}

# declared PAGE: its SYNOPSIS as C
declared()
{
	echo '#include <memnet_loop.h>'
	sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/{
		/^\.Ft/{ s/^\.Ft //; s/"//g; p; }
		/^\.Fn/{ s/^\.Fn \([a-z_]*\) \(.*\)/\1(\2);/; s/" "/, /g; s/"//g; p; }
	}' "$1"
}

# referred PAGE: to which pages of ours
referred()
{
	sed -n 's/^\.\(Xr\|It Xr\) \(memnet[^ ]*\|libmemnet\) \([0-9]\).*/man\3\/\2.\3/p' "$1"
}

if command -v mandoc >/dev/null || command -v man >/dev/null; then
	printf '.Dd November 27, 2026\n.Dt X 3\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Bogus\n.Sh DESCRIPTION\n.Em x\n' >"$tmp/wrong.3"
	check "a page that is wrong is told of" 0 . lint "$tmp/wrong.3"
	for page in "$man"/man*/*; do
		[ -h "$page" ] || check "$(basename "$page") is mdoc" 0 "" lint "$page"
	done
else
	skip "pages are mdoc" "neither mandoc nor man"
fi
for page in "$man"/man*/*; do
	[ -h "$page" ] && continue
	check "$(basename "$page") refers to pages there are" 0 "" sh -c 'cd "$1" && shift && [ $# -eq 0 ] || ls "$@" >/dev/null' \
		- "$man" $(referred "$page")
done

sed -n 's/^[a-z].*\(memnet_[a-z_]*\)(.*/\1/p' ../memnet.h ../memnet_loop.h | sort >"$tmp/functions"
for page in "$man"/man3/memnet_*.3; do
	names "$page"
done | sort -u >"$tmp/names"
check "all functions have a page, and pages no others" 0 "" diff "$tmp/functions" "$tmp/names"
check "by their names" 0 "" sh -c "cd '$man/man3' && sed 's/$/.3/' '$tmp/functions' | xargs cat >/dev/null"
if command -v man >/dev/null; then
	check "by man, too" 0 '^MEMNET_ASYNC_SEND' sh -c "MANPATH='$man' man -P cat memnet_submit"
else
	skip "by man, too" "no man"
fi
for page in "$man"/man3/memnet_*.3; do
	[ -h "$page" ] && continue
	base=$(basename "$page" .3)
	declared "$page" >"$tmp/declared.c"
	sed -n 's/.*\(memnet_[a-z_]*\)(.*);$/\1/p' "$tmp/declared.c" | sort >"$tmp/declared"
	names "$page" | sort >"$tmp/names"
	check "$base(3) declares what it names" 0 "" diff "$tmp/names" "$tmp/declared"
	check "$base(3) declares it as the headers do" 0 "" gcc $flags -Wall -Wextra -Werror -fsyntax-only "$tmp/declared.c"
done

mkdir "$tmp/examples"
for page in "$man"/man3/*; do
	[ -h "$page" ] && continue
	base=$(basename "$page" .3)
	awk -v to="$tmp/examples/$base" '
		/^\.Sh/ { here = /EXAMPLES/ }
		/^\.Ed/ { text = 0 }
		text { gsub(/\\e/, "\\"); print >file }
		here && /^\.Bd -literal/ { file = to "-" ++n ".c"; text = 1 }
	' "$page"
	check "$base(3) has an example" 0 . ls "$tmp/examples/$base-1.c"
done
for source in "$tmp"/examples/*.c; do
	base=$(basename "$source" .c)
	libs=-lmemnet
	if grep -q liburing "$source"; then
		libs="$libs -luring"
		[ -e /usr/include/liburing.h ] || { skip "$base is C" "no liburing"; continue; }
	fi
	check "$base is C" 0 "" gcc -O2 -Wall -Wextra -Werror -o "${source%.c}" "$source" $flags $libs
	if command -v g++ >/dev/null; then
		check "$base is C++" 0 "" g++ -O2 -Wall -Wextra -Werror -x c++ -o "${source%.c}++" "$source" $flags $libs
	else
		skip "$base is C++" "no g++"
	fi
done

# does MODE TEXT EXAMPLE PATTERN WHAT: what it says there
does()
{
	check "$3: $5" 0 "$4" env LD_LIBRARY_PATH="$tmp/root/usr/lib" timeout 60 python3 peer.py "$F" "$1" "$2" "$tmp/examples/$3"
}

echo hello >"$tmp/hello"
: >"$tmp/nothing"
head -c 300000 /dev/zero | tr '\0' '\1' >"$tmp/many"
for example in "$tmp"/examples/*[0-9]; do
	base=$(basename "$example")
	case $base in
	libmemnet-1)		does call "$tmp/hello" "$base" '^hello$' "sends a file" ;;
	memnet_family-1)	does listen "$tmp/hello" "$base" '^hello$' "connects" ;;
	memnet_strerror-1)	does once "$tmp/nothing" "$base" 'region 12345: No such region' "says what is wrong" ;;
	memnet_register_mem-1)	does once "$tmp/nothing" "$base" 'region 1 has 16777216 bytes' "registers" ;;
	memnet_context_open-1)	does once "$tmp/nothing" "$base" '1 has ended: 28 bytes' "is told of the end" ;;
	memnet_send_direct-1)	does once "$tmp/hello" "$base" '^hello$' "sends back" ;;
	memnet_async_send-1)	does once "$tmp/many" "$base" 'the sum is 300000$' "adds up" ;;
	memnet_async_send-2)	does once "$tmp/nothing" "$base" '^hello$' "sends head and body" ;;
	memnet_job_done-1)	does open "$tmp/hello" "$base" ' 6 bytes within a second' "takes what came" ;;
	memnet_job_done-2)	does once "$tmp/nothing" "$base" '32768 bytes were sent' "takes jobs as they end" ;;
	memnet_batch_send-1)	does once "$tmp/nothing" "$base" '^one$' "sends all" ;;
	memnet_pool_create-1)	does once "$tmp/nothing" "$base" '^line 99$' "sends all lines" ;;
	memnet_loop_init-1)	does once "$tmp/hello" "$base" '^hello$' "sends back" ;;
	memnet_uring_prepare-1)	does once "$tmp/nothing" "$base" '2 of 2 jobs were taken, and have ended' "tells of the ends" ;;
	*)			check "$base: is tried" 1 "" true ;;
	esac
done

finish
