# SPDX-License-Identifier: GPL-2.0
# The preload: what it passes on untouched and what it translates
. ./lib.sh

S=$OBJ/tests/sockets
P=$OUT/libmemnet-preload.so
F=$OBJ/tests/fakekernel.so
unset MEMNET_OFF MEMNET_NATIVE_PORTS MEMNET_NATIVE_PROGRAMS MEMNET_FALLBACK

# with [VARIABLE=VALUE...] ARGUMENTS of sockets: on a kernel that has MemNet
with()
{
	env LD_PRELOAD="$P:$F" "$@"
}

EAFNOSUPPORT=97
EPROTONOSUPPORT=93
EMFILE=24
EACCES=13

check "IPv4" 0 '^fake: socket protocol 0' with "$S" 2 1 0
check "says it is TCP" 0 '^protocol 6 of 2, flags , errno kept' with "$S" 2 1 0
check "says it in one byte, too" 0 '^narrow 6' with "$S" 2 1 0
check "does not hide errors" 0 '^a bad descriptor is EBADF' with "$S" 2 1 0
check "IPv6" 0 '^fake: socket protocol 1' with "$S" 10 1 0
check "IPv6 says it is TCP" 0 '^protocol 6 of 10' with "$S" 10 1 0
check "TCP by number" 0 '^fake: socket' with "$S" 2 1 6
check "flags" 0 '^protocol 6 of 2, flags cn, errno kept' with "$S" 2 $((1 | 02000000 | 04000)) 0
check "UDP is left alone" 0 '^protocol 17 of 2' with "$S" 2 2 0
check "Unix sockets are left alone" 0 '^protocol 0 of 1' with "$S" 1 1 0
check "MPTCP is left alone" 0 '' sh -c "env LD_PRELOAD='$P:$F' '$S' 2 1 262 2>&1 | grep fake; true"
check "a strange type is the kernel's business" 1 'error' with "$S" 2 9 0
check "off" 0 '' sh -c "env MEMNET_OFF=1 LD_PRELOAD='$P:$F' '$S' 2 1 0 2>&1 | grep fake; true"
check "off for a library's constructor, too" 0 '' sh -c \
	"env MEMNET_OFF=1 LD_PRELOAD='$P:$F:$OBJ/tests/early.so' '$S' 2 1 0 2>&1 | grep fake; true"
check "not off" 0 '^fake: socket' with MEMNET_OFF=0 "$S" 2 1 0
check "a program of that name" 0 '' sh -c \
	"env MEMNET_NATIVE_PROGRAMS='ssh, sockets' LD_PRELOAD='$P:$F' '$S' 2 1 0 2>&1 | grep fake; true"
check "a program of a longer name" 0 '^fake: socket' with MEMNET_NATIVE_PROGRAMS=socket "$S" 2 1 0
check "native ports" 0 '^fake: option 1 22-22 80-90' with MEMNET_NATIVE_PORTS=22,80-90 "$S" 2 1 0
check "native ports keep errno" 0 'errno kept' with MEMNET_NATIVE_PORTS=22 "$S" 2 1 0
check "native ports refused" 1 '^error ENOPROTOOPT' with FAKE_OPTION=1 MEMNET_NATIVE_PORTS=22 "$S" 2 1 0
check "native ports wrong: said" 1 '^libmemnet-preload: MEMNET_NATIVE_PORTS=x: ' with MEMNET_NATIVE_PORTS=x "$S" 2 1 0
check "native ports wrong: refused" 1 '^error EINVAL' with MEMNET_NATIVE_PORTS=x "$S" 2 1 0
check "native ports wrong: UDP works" 0 '^protocol 17' with MEMNET_NATIVE_PORTS=x "$S" 2 2 0
check "fallback wrong" 1 'neither native nor none' with MEMNET_FALLBACK=yes "$S" 2 1 0
check "off wrong" 1 'neither 0 nor 1' with MEMNET_OFF=yes "$S" 2 1 0
check "no MemNet, no socket" 1 '^error EAFNOSUPPORT' with FAKE_ERRNO=$EAFNOSUPPORT "$S" 2 1 0
check "no MemNet, fallback" 0 '^protocol 6 of 2, flags , errno kept' \
	with FAKE_ERRNO=$EAFNOSUPPORT MEMNET_FALLBACK=native "$S" 2 1 0
check "no IPv6, fallback" 0 '^protocol 6 of 10' \
	with FAKE_ERRNO=$EPROTONOSUPPORT MEMNET_FALLBACK=native "$S" 10 1 0
check "not allowed, fallback" 0 '^protocol 6' with FAKE_ERRNO=$EACCES MEMNET_FALLBACK=native "$S" 2 1 0
check "no descriptors is no reason to fall back" 1 '^error EMFILE' \
	with FAKE_ERRNO=$EMFILE MEMNET_FALLBACK=native "$S" 2 1 0
check "a kernel without MemNet" 1 '^error EAFNOSUPPORT' env LD_PRELOAD="$P" "$S" 2 1 0

# programs at work: native ones, so only that nothing breaks
if command -v python3 >/dev/null; then
	check "python3 serves itself" 0 '^done' env LD_PRELOAD="$P" MEMNET_FALLBACK=native \
		python3 -c "
import socket, threading
s = socket.create_server(('127.0.0.1', 0))
def serve():
    c, _ = s.accept(); c.sendall(c.recv(100)); c.close()
t = threading.Thread(target=serve); t.start()
c = socket.create_connection(s.getsockname()); c.sendall(b'x')
assert c.recv(10) == b'x'
assert socket.socket(fileno=c.detach()).proto == socket.IPPROTO_TCP
t.join(); print('done')"
else
	skip "python3 serves itself" "no python3"
fi

finish
