# SPDX-License-Identifier: GPL-2.0
# memnetctl: its grammar. A command that is right gets as far as the kernel, and
# ends with 1 where MemNet is not loaded; one that is wrong ends with 2 before.
. ./lib.sh

C=$OUT/memnetctl

if [ -e /sys/module/memnet_core ]; then
	skip "grammar" "MemNet is loaded, the commands would act"
	finish
fi

right()
{
	name=$1
	shift
	check "$name" 1 'MemNet is not loaded' "$C" "$@"
}

wrong()
{
	name=$1 pattern=$2
	shift 2
	check "$name" 2 "$pattern" "$C" "$@"
}

printf '0123456789abcdef\n' >"$tmp/secret"
printf 'short\n' >"$tmp/short"
seq 100 >"$tmp/long"
chmod 600 "$tmp"/*

check "help" 0 '^usage: memnetctl' "$C" --help
check "version" 0 '^memnetctl [0-9]' "$C" -V
check "nothing" 2 'no command is given' "$C"
wrong "an option there is not" 'invalid option' -q
wrong "an object there is not" 'no such object; there are link, tcps, socket, stats' lnk
wrong "no command" 'a command is missing' link
wrong "a command there is not" 'no such command; there are add, del, set, show' link shwo
wrong "too many words" 'one word too many' stats all

right "link show" link show
right "link show, one" link show l0
right "link show as JSON" -j link show
right "link add" link add l0 tcps 10.0.0.1
right "link add, everything" link add l0 tcps fd00::1 port 1 channels 8 \
	secret-file "$tmp/secret" host-id 0xffffffffffffffff
right "link add, link-local" link add l0 tcps fe80::1%lo
wrong "the word is marked" '^memnetctl:             ^^$' link add l0 xx
wrong "link add, no name" 'the name of a link is missing' link add
wrong "link add, long name" '1 to 31 characters' link add "$(printf %032d 0)" tcps 10.0.0.1
wrong "link add, bad name" 'no link.s name has' link add a/b tcps 10.0.0.1
wrong "link add, no tcps" 'here belongs the word "tcps"' link add l0 10.0.0.1
wrong "link add, a host's name" 'in numbers' link add l0 tcps node.example
wrong "link add, no interface" 'needs an interface' link add l0 tcps fe80::1
wrong "link add, no such interface" 'no such interface' link add l0 tcps fe80::1%nix
wrong "link add, an interface too many" 'only a link-local' link add l0 tcps fd00::1%lo
wrong "link add, port 0" '1 to 65535' link add l0 tcps 10.0.0.1 port 0
wrong "link add, port 65536" '1 to 65535' link add l0 tcps 10.0.0.1 port 65536
wrong "link add, port x" '1 to 65535' link add l0 tcps 10.0.0.1 port 1x
wrong "link add, port -1" '1 to 65535' link add l0 tcps 10.0.0.1 port -1
wrong "link add, no port" 'a port is missing' link add l0 tcps 10.0.0.1 port
wrong "link add, port twice" 'said before' link add l0 tcps 10.0.0.1 port 1 port 2
wrong "link add, 9 channels" '1 to 8' link add l0 tcps 10.0.0.1 channels 9
wrong "link add, the heartbeat is the node's" 'no such option' link add l0 tcps 10.0.0.1 heartbeat 5000
wrong "link add, host id 0" 'a host id is' link add l0 tcps 10.0.0.1 host-id 0
wrong "link add, an option there is not" 'there are port, channels' link add l0 tcps 10.0.0.1 prot 5
check "link add, no secret" 1 'No such file' "$C" link add l0 tcps 10.0.0.1 secret-file "$tmp/none"
check "link add, short secret" 1 '16 to 64 bytes' "$C" link add l0 tcps 10.0.0.1 secret-file "$tmp/short"
check "link add, long secret" 1 '16 to 64 bytes' "$C" link add l0 tcps 10.0.0.1 secret-file "$tmp/long"
chmod 644 "$tmp/secret"
check "link add, open secret" 1 'can be read by others' "$C" link add l0 tcps 10.0.0.1 secret-file "$tmp/secret"
right "link del" link del l0
wrong "link del, too much" 'one word too many' link del l0 l1
right "link set" link set l0 netns 1
wrong "link set, no netns" 'here belongs the word "netns"' link set l0 ns 1
wrong "link set, no namespace" 'namespace is missing' link set l0 netns
wrong "link set, too much" 'one word too many' link set l0 netns 1 2

right "tcps listen" tcps listen 10.0.0.1 allow 10.0.0.0/24
right "tcps listen, everything" tcps listen :: port 7471 allow 10.0.0.0/8,fd00::/64,10.1.1.1 \
	secret-file "$tmp/secret" privileged-ports 80,443 max-hosts 1 max-channels 2 \
	max-sockets 3 max-pages 4 options prio,mark,route,device,freebind,transparent,tls allow ::/0
wrong "tcps listen, nobody allowed" '"allow".*is missing' tcps listen 10.0.0.1
wrong "tcps listen, long prefix" 'the length is 0 to 32' tcps listen 10.0.0.1 allow 10.0.0.0/33
wrong "tcps listen, long IPv6 prefix" 'the length is 0 to 128' tcps listen 10.0.0.1 allow fd00::/129
wrong "tcps listen, empty length" 'the length is' tcps listen 10.0.0.1 allow 10.0.0.0/
wrong "tcps listen, a name" 'in numbers' tcps listen 10.0.0.1 allow all
wrong "tcps listen, comma at the end" 'a prefix is missing' tcps listen 10.0.0.1 allow 10.0.0.1,
wrong "tcps listen, 33 prefixes" 'too many' tcps listen 10.0.0.1 allow \
	"$(seq -s, -f '10.0.0.%g' 1 33)"
wrong "tcps listen, bad ports" 'a port is' tcps listen 10.0.0.1 allow ::/0 privileged-ports 0
wrong "tcps listen, a class there is not" 'no such class of options; there are prio, mark' \
	tcps listen 10.0.0.1 allow ::/0 options mark,marks
wrong "tcps listen, half a class" 'no such class' tcps listen 10.0.0.1 allow ::/0 options pri
wrong "tcps listen, comma behind a class" 'no such class' tcps listen 10.0.0.1 allow ::/0 options prio,
wrong "tcps listen, classes twice" 'said before' tcps listen 10.0.0.1 allow ::/0 options prio options mark
right "tcps unlisten" tcps unlisten 10.0.0.1
right "tcps unlisten, port" tcps unlisten 10.0.0.1 port 1
wrong "tcps unlisten, too much" 'here belongs' tcps unlisten 10.0.0.1 allow
right "tcps show" tcps show
right "socket show" socket show
right "socket show, all options" socket show -e -p
right "socket show, options together" -j socket show -pe --extended --processes
right "socket show, all filters" socket show state ESTAB state syn-sent listening src 10.0.0.1:80 \
	dst fd00::/64 sport 80 dport 0 link l0 uid 0 inode 1
right "socket show, IPv6 with a port" socket show src [fd00::1]:80 dst fd00::1
right "socket show, a prefix of nothing" socket show src 0.0.0.0/0 dst ::/0
wrong "socket show, an option there is not" 'no such option; there are -e, -p' socket show -x
wrong "socket show, an option behind filters" 'no such filter' socket show listening -p
wrong "socket show, a filter there is not" 'no such filter; there are state, listening' socket show port 80
wrong "socket show, a state there is not" 'a state is established' socket show state open
wrong "socket show, no state" 'a state is missing' socket show state
wrong "socket show, 17 states" 'too many states' socket show $(for i in $(seq 17); do echo state listen; done)
wrong "socket show, a host's name" 'in numbers' socket show src node.example
wrong "socket show, port 65536" 'a port is 0 to 65535' socket show src 10.0.0.1:65536
wrong "socket show, no port" 'a port is 0 to 65535' socket show src 10.0.0.1:
wrong "socket show, open brackets" 'in numbers' socket show src [fd00::1
wrong "socket show, behind brackets" 'in numbers' socket show src [fd00::1]80
wrong "socket show, long prefix" 'the length is 0 to 32' socket show dst 10.0.0.0/33
wrong "socket show, long IPv6 prefix" 'the length is 0 to 128' socket show dst fd00::/129
wrong "socket show, src twice" 'said before' socket show src 10.0.0.1 src 10.0.0.2
wrong "socket show, sport twice" 'said before' socket show sport 1 sport 2
wrong "socket show, sport -1" '0 to 65535' socket show sport -1
wrong "socket show, inode 0" 'an inode is' socket show inode 0
right "socket kill" socket kill src 10.0.0.1
wrong "socket kill, all" 'a filter is missing' socket kill
wrong "socket kill, an option" 'no such filter' socket kill -p
right "stats" stats

finish
