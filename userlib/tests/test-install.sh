# SPDX-License-Identifier: GPL-2.0
# What `make install` leaves for who builds against libmemnet
. ./lib.sh

unset MAKEFLAGS MFLAGS MAKEOVERRIDES	# of the make that runs this
check "install" 0 . make -C .. OUT="$OUT" DESTDIR="$tmp/root" PREFIX=/opt/memnet LIBDIR=/opt/memnet/lib install
lib=$tmp/root/opt/memnet/lib

# pkg FOLDER...: pkg-config where the library is installed, and nowhere else
pkg()
{
	folder=$1
	shift
	env PKG_CONFIG_LIBDIR="$folder/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$root" pkg-config "$@" libmemnet
}

# every function of the header is there, and nothing else
sed -n '/^static/d; s/^[a-z].*\(memnet_[a-z_]*\)(.*/\1/p' ../memnet.h | sort >"$tmp/declared"
nm -D --defined-only "$lib/libmemnet.so.0" | sed -n 's/.* T \(memnet_[a-z_]*\).*/\1/p' | sort >"$tmp/defined"
check "the header declares what the library has" 0 "" diff "$tmp/declared" "$tmp/defined"

# A program that has all of it, and calls what needs no device: C and C++, with the names of C.
{
	cat <<'EOF'
#include <memnet.h>
#include <memnet_loop.h>
#include <errno.h>
#include <stdio.h>

static void over(void *argument, ssize_t result)
{
	*(ssize_t *)argument = result;
}

int main(void)
{
	static const struct {
		const char *name;
		void (*function)(void);
	} all[] = {
EOF
	sed 's/.*/\t\t{ "&", (void (*)(void))& },/' "$tmp/declared"
	cat <<'EOF'
	};
	struct memnet_context *ctx = memnet_context_open();
	struct memnet_batch batch;
	struct memnet_loop loop;
	ssize_t result = 0;
	unsigned int i;
	int family;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!all[i].function)
			printf("no %s\n", all[i].name);
	printf("%u functions\n", i);
	memnet_pool_destroy(NULL);
	for (batch.n = 0; !memnet_batch_send(&batch, 1, 1, 0, 1, 0);)
		;
	printf("a batch of %u\n", batch.n);
	if (!ctx) {
		printf("no context: %s\n", memnet_strerror(errno));
		family = memnet_family();
		printf("family %d: %s\n", family, strerror(errno));
		memnet_context_close(ctx);
		return 1;
	}
	if (memnet_loop_init(&loop, ctx) || !memnet_loop_send(&loop, -1, 0, 0, 1, over, &result))
		puts("a loop that sends nowhere");
	memnet_loop_dispatch(&loop);
	memnet_context_close(ctx);
	return 0;
}
EOF
} >"$tmp/program.c"

# consumer LANGUAGE COMPILER...: as a program is built by what pkg-config says, for the library in $lib
consumer()
{
	language=$1
	shift
	rm -f "$tmp/program"
	check "a program in $language is built with what pkg-config says" 0 "" sh -c '"$@" $flags' - \
		"$@" -Wall -Wextra -Werror -o "$tmp/program" "$tmp/program.c"
	check "it asks for the library by its SONAME" 0 'NEEDED.*libmemnet\.so\.0' objdump -p "$tmp/program"
	check "its symbols have a version" 0 'memnet_context_open.*MEMNET_0' sh -c "objdump -T '$tmp/program' | sed 's/\(.*MEMNET_0.* \)\(.*\)/\2 \1/'"
	check "it has all functions" 0 "^$(wc -l <"$tmp/declared") functions$" sh -c "LD_LIBRARY_PATH='$lib' '$tmp/program'; true"
	check "and those of the headers" 0 '^a batch of 64$' sh -c "LD_LIBRARY_PATH='$lib' '$tmp/program'; true"
	if [ -e /dev/memnet ]; then
		skip "where no module is it says so" "it is loaded"
	else
		check "where no module is it says so" 1 '^no context: .*memnet.ko is not loaded' env LD_LIBRARY_PATH="$lib" "$tmp/program"
		check "and of the family" 1 '^family -1: Address family not supported' env LD_LIBRARY_PATH="$lib" "$tmp/program"
	fi
}

if command -v pkg-config >/dev/null; then
	root=$tmp/root
	version=$("$OUT/memnet-run" --version | sed 's/.* //')
	check "pkg-config finds it" 0 "" pkg "$lib" --exists --print-errors
	check "its version is the tools'" 0 "^$version$" pkg "$lib" --modversion
	check "an older one does" 0 "" pkg "$lib" --atleast-version=0.1
	check "a newer one does not" 1 "" pkg "$lib" --atleast-version=999
	check "what the header needs" 0 "^-I$root/opt/memnet/include *$" pkg "$lib" --cflags
	check "what a program is linked with" 0 "^-L$lib -lmemnet *$" pkg "$lib" --libs
	check "and a static one" 0 '^-L.* -lmemnet -pthread *$' pkg "$lib" --libs --static
	export flags
	flags=$(pkg "$lib" --cflags --libs)
	consumer C gcc
	if command -v g++ >/dev/null; then
		consumer C++ g++ -x c++
	else
		skip "a program in C++" "no g++"
	fi
	# where it is used in the place that it was made for
	root=
	prefix=$tmp/prefix
	check "install without DESTDIR" 0 . make -C .. OUT="$OUT" PREFIX="$prefix" DESTDIR= install
	lib=$(dirname "$(find "$prefix" -name libmemnet.so.0)")
	check "pkg-config knows where the library is" 0 "^$lib$" pkg "$lib" --variable=libdir
	flags=$(pkg "$lib" --cflags --libs)
	consumer "C, there," gcc
	check "uninstall" 0 . make -C .. PREFIX="$prefix" uninstall
	check "nothing of it is left" 0 "" find "$prefix" ! -type d
else
	skip "libmemnet.pc" "no pkg-config"
fi
check "uninstall with DESTDIR" 0 . make -C .. DESTDIR="$tmp/root" PREFIX=/opt/memnet LIBDIR=/opt/memnet/lib uninstall
check "nothing is left" 0 "" find "$tmp/root" ! -type d

# The top Makefile's install, from nothing, as on a node that has what the README says: the kernel's
# build folder is one that only tells what it is asked for.
mkdir "$tmp/kdir"
printf 'modules modules_install:\n\t@echo asked for $@ to [$(INSTALL_MOD_PATH)] of $(M)\n' >"$tmp/kdir/Makefile"
check "make install at the top" 0 "^asked for modules_install to \[$tmp/node\] of " make -C ../.. -j2 \
	KDIR="$tmp/kdir" OUT="$tmp/user" DESTDIR="$tmp/node" PREFIX=/usr install
check "it has all there is" 0 '^8$' sh -c "cd '$tmp/node/usr' && ls bin/memnet-run sbin/memnetctl include/memnet.h \
	include/linux/memnet_netlink.h share/man/man1/memnet-run.1 share/man/man3/libmemnet.3 \
	share/man/man3/memnet_submit.3 share/man/man8/memnetctl.8 | wc -l"
# the tests want packages of their own
check "it built nothing of the tests" 0 '' sh -c "ls '$tmp/user' | grep -v -e '^libmemnet' -e '^memnet' -e '^obj-userlib$'; true"
while read -r package for; do
	[ -n "$for" ] || check "the README names $package" 0 . grep -e "$package" ../../README.md
done <../packages.txt

finish
