# SPDX-License-Identifier: GPL-2.0
# What `make install` leaves for who builds against libmemnet
. ./lib.sh

unset MAKEFLAGS MFLAGS MAKEOVERRIDES	# of the make that runs this
check "install" 0 . make -C .. OUT="$OUT" DESTDIR="$tmp/root" PREFIX=/opt/memnet LIBDIR=/opt/memnet/lib install
lib=$tmp/root/opt/memnet/lib
cat >"$tmp/program.c" <<'EOF'
#include <memnet.h>
#include <memnet_loop.h>

int main(void)
{
	struct memnet_context *ctx = memnet_context_open();

	memnet_context_close(ctx);
	return !ctx;
}
EOF
flags=$(sed -n 's/^Libs: //p; s/^Cflags: //p' "$lib/pkgconfig/libmemnet.pc" | tr '\n' ' ')
# shellcheck disable=SC2016
flags=$(echo "$flags" | sed "s|\${libdir}|$lib|; s|\${includedir}|$tmp/root/opt/memnet/include|")
# shellcheck disable=SC2086
check "a program is built with what libmemnet.pc says" 0 "" gcc -Wall -Werror -o "$tmp/program" "$tmp/program.c" $flags
check "it asks for the library by its SONAME" 0 'NEEDED.*libmemnet\.so\.0' objdump -p "$tmp/program"
check "its symbols have a version" 0 'memnet_context_open.*MEMNET_0' sh -c "objdump -T '$tmp/program' | sed 's/\(.*MEMNET_0.* \)\(.*\)/\2 \1/'"
check "where no module is it says so" 1 "" env LD_LIBRARY_PATH="$lib" "$tmp/program"
# every function of the header is there, and nothing else
sed -n '/^static/d; s/^[a-z].*\(memnet_[a-z_]*\)(.*/\1/p' ../memnet.h | sort >"$tmp/declared"
nm -D --defined-only "$lib/libmemnet.so.0" | sed -n 's/.* T \(memnet_[a-z_]*\).*/\1/p' | sort >"$tmp/defined"
check "the header declares what the library has" 0 "" diff "$tmp/declared" "$tmp/defined"
if command -v g++ >/dev/null; then
	# shellcheck disable=SC2086
	check "the header is C++, too" 0 "" g++ -Wall -Wextra -Werror -x c++ -c -o "$tmp/program.o" "$tmp/program.c" $flags
else
	skip "the header is C++, too" "no g++"
fi

# The top Makefile's install, from nothing, as on a node that has what the README says: the kernel's
# build folder is one that only tells what it is asked for.
mkdir "$tmp/kdir"
printf 'modules modules_install:\n\t@echo asked for $@ to [$(INSTALL_MOD_PATH)] of $(M)\n' >"$tmp/kdir/Makefile"
check "make install at the top" 0 "^asked for modules_install to \[$tmp/node\] of " make -C ../.. -j2 \
	KDIR="$tmp/kdir" OUT="$tmp/user" DESTDIR="$tmp/node" PREFIX=/usr install
check "it has all there is" 0 '^7$' sh -c "cd '$tmp/node/usr' && ls bin/memnet-run sbin/memnetctl include/memnet.h \
	include/linux/memnet_netlink.h share/man/man1/memnet-run.1 share/man/man3/libmemnet.3 share/man/man8/memnetctl.8 | wc -l"
# the tests want packages of their own
check "it built nothing of the tests" 0 '' sh -c "ls '$tmp/user' | grep -v -e '^libmemnet' -e '^memnet' -e '^obj-userlib$'; true"
while read -r package for; do
	[ -n "$for" ] || check "the README names $package" 0 . grep -e "$package" ../../README.md
done <../packages.txt

finish
