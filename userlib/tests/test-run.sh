# SPDX-License-Identifier: GPL-2.0
# memnet-run: settings, their order, and what it says when it cannot
. ./lib.sh

R=$OUT/memnet-run
unset MEMNET_OFF MEMNET_NATIVE_PORTS MEMNET_NATIVE_PROGRAMS MEMNET_FALLBACK LD_PRELOAD
export XDG_CONFIG_HOME="$tmp/config"
mkdir -p "$XDG_CONFIG_HOME/memnet"
conf=$XDG_CONFIG_HOME/memnet/run.conf

check "help" 0 '^usage: memnet-run' "$R" --help
check "version" 0 '^memnet-run [0-9]' "$R" --version
check "no program" 125 'no program is named' "$R"
check "an option there is not" 125 'unrecognized option' "$R" --bogus true
check "program not found" 127 'no such program in PATH' "$R" -f no-such-program
check "path not found" 127 '/no/such: No such file' "$R" -f /no/such
check "not executable" 126 'Permission denied' "$R" -f ./lib.sh
check "a folder" 126 '' sh -c "'$R' -f / 2>/dev/null"
check "bad ports" 125 '^memnet-run: --native-ports: "22,x": .*(at "x")' "$R" -p 22,x true
check "bad ports at the end" 125 '(at its end)' "$R" -p 22, true
check "bad programs" 125 'without folders' "$R" -x /bin/true true

if [ -e /sys/module/memnet ]; then
	skip "says that the module is missing" "it is loaded"
else
	check "says that the module is missing" 125 'memnet is not loaded' "$R" true
fi
ln -s "$OUT/libmemnet-preload.so" "$tmp/link.so"
check "a relative preload is the same everywhere" 0 "^$OUT/libmemnet-preload.so$" \
	sh -c "cd '$tmp' && MEMNET_PRELOAD=./link.so '$R' -f printenv LD_PRELOAD"
check "a preload there is not" 125 'MEMNET_PRELOAD: none.so: No such file' env MEMNET_PRELOAD=none.so "$R" -f true
printf 'echo "$0 $*"; exit 3\n' >"$tmp/plain"
chmod +x "$tmp/plain"
check "a script without an interpreter" 3 "^$tmp/plain a b$" env "$R" -f "$tmp/plain" a b
check "the program's code" 7 '' "$R" -f sh -c 'exit 7'
check "the program's options are its own" 0 '^-x$' "$R" -f echo -x
check "preload is set" 0 "^$OUT/libmemnet-preload.so$" "$R" -f printenv LD_PRELOAD
check "an old preload stays behind" 0 "^$OUT/libmemnet-preload.so:/lib/none.so$" \
	sh -c "LD_PRELOAD=/lib/none.so '$R' -f printenv LD_PRELOAD 2>/dev/null"
check "nested, it is there once" 0 "^$OUT/libmemnet-preload.so$" "$R" -f "$R" printenv LD_PRELOAD
check "options arrive" 0 '^22,80-90$' "$R" -f -p 22,80-90 printenv MEMNET_NATIVE_PORTS
check "fallback arrives" 0 '^native$' "$R" -f printenv MEMNET_FALLBACK
check "off: no preload" 1 '' env MEMNET_OFF=1 "$R" printenv LD_PRELOAD

printf '# comment\n\nnative-ports = 1, 2\nfallback=native\n' >"$conf"
check "a file" 0 '^1, 2$' "$R" printenv MEMNET_NATIVE_PORTS
check "the environment wins over a file" 0 '^3$' env MEMNET_NATIVE_PORTS=3 "$R" printenv MEMNET_NATIVE_PORTS
check "an option wins over both" 0 '^4$' env MEMNET_NATIVE_PORTS=3 "$R" -p 4 printenv MEMNET_NATIVE_PORTS
check "a bad environment" 125 '^memnet-run: MEMNET_NATIVE_PORTS: "x"' env MEMNET_NATIVE_PORTS=x "$R" true
printf 'fallback=native\nports = 1\n' >"$conf"
check "an unknown setting" 125 'run.conf:2: "ports" is none of' "$R" true
printf 'fallback\n' >"$conf"
check "a line that is none" 125 'run.conf:1: "fallback": expected' "$R" true
printf 'fallback = maybe\n' >"$conf"
check "a bad value" 125 'run.conf:1: "maybe": neither' "$R" true
rm "$conf"

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	nobody="setpriv --reuid 65534 --regid 65534 --clear-groups $tmp/public/memnet-run"
	mkdir -m 700 "$tmp/home"
	mkdir -p "$tmp/public" "$tmp/own/.config/memnet"
	cp "$R" "$OUT/libmemnet-preload.so" "$tmp/public"
	printf 'off = 1\n' >"$tmp/own/.config/memnet/run.conf"
	chmod 600 "$tmp/own/.config/memnet/run.conf"
	chmod 755 "$tmp"
	check "another's home" 0 '' env -u XDG_CONFIG_HOME HOME="$tmp/home" $nobody -f true
	check "settings that cannot be read" 125 'run.conf: Permission denied' \
		env -u XDG_CONFIG_HOME HOME="$tmp/own" $nobody -f true
else
	skip "another's home" "needs root and setpriv"
	skip "settings that cannot be read" "needs root and setpriv"
fi

check "warns of a static program" 0 'statically linked' "$R" -f "$R" --version
printf '#!%s --version\n' "$R" >"$tmp/script"
chmod +x "$tmp/script"
check "warns of a static interpreter" 0 'statically linked' "$R" -f "$tmp/script"
check "does not warn of a dynamic program" 0 '' "$R" -f true
if [ "$(id -u)" -eq 0 ] && cp /bin/true "$tmp/suid" && chown 1 "$tmp/suid" &&
   chmod 4755 "$tmp/suid"; then
	check "warns of a setuid program" 0 'gains privileges' "$R" -f "$tmp/suid"
else
	skip "warns of a setuid program" "needs root"
fi

finish
