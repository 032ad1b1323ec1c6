# SPDX-License-Identifier: GPL-2.0
"""Loading, unloading, and what is given to modules, tools and calls that cannot be meant."""
import time

from selftests.cases import offload
from selftests.lab.lab import CLIENT_EXT, NODE_EXT, NODE_SAN

OURS = "memnet memnet_tcps memnet_core"


def setup(lab):
    offload.up(lab)


def fails(vm, command, *texts, code=None, log=False):
    """A command fails and says why, where the person is (log: in the kernel's log); what it said."""
    mark = vm.sh("dmesg | wc -l").strip()
    rc, out = vm.sh(command, check=False, timeout=60)
    said = out + (vm.sh(f"dmesg | tail -n +{int(mark) + 1}") if log else "")
    assert rc != 0 and (code is None or rc == code), f"[{command}] ended with {rc}: {said}"
    low = said.lower()
    assert any(t.lower() in low for t in texts), f"[{command}] said none of {texts}: {said}"
    return said


def again(lab):
    """Everything loaded and in service, whatever was before."""
    offload.down(lab)
    offload.up(lab)


def holder(lab, what):
    """A program on the host that keeps a socket; it says "ready" when it has it."""
    lab.host.put("/tmp/hold.py", HOLD)
    job = lab.host.bg(f"userland python3 /tmp/hold.py {what}")
    end = time.monotonic() + offload.patience(lab, 60)
    while "ready" not in job.output():
        assert not job.done and time.monotonic() < end, f"{what}: {job.output()}"
        time.sleep(0.2)
    return job


HOLD = f"""
import ctypes, socket, struct, sys, time
what = sys.argv[1]
s = socket.socket(25, socket.SOCK_STREAM, 0)
# python knows no addresses of this family, the C library does not care
libc = ctypes.CDLL(None, use_errno=True)
def addr(host, port):
    return struct.pack("=HH4s8x", 2, socket.htons(port), socket.inet_aton(host))
def call(f, *a):
    if f(s.fileno(), *a) < 0:
        raise OSError(ctypes.get_errno(), f.__name__)
if what in ("listening", "bound"):
    call(libc.bind, addr("0.0.0.0", 7000), 16)
if what == "listening":
    call(libc.listen, 5)
if what == "connected":
    call(libc.connect, addr("{CLIENT_EXT}", 4242), 16)
print("ready", flush=True)
time.sleep(1000)
"""


# --- unloading --------------------------------------------------------------------------------------


def test_rmmod_refused_while_sockets_live(lab):
    notes = []
    for what in ("fresh", "bound", "listening", "connected"):
        job = holder(lab, what)
        notes.append(fails(lab.host, "rmmod memnet", "in use").strip())
        assert lab.host.sh("memnetctl -j stats"), what
        job.kill()
        job.wait(20)
    offload.idle(lab)
    lab.host.sh("rmmod memnet", timeout=60)
    assert lab.host.sh("lsmod | grep -c ^memnet", check=False)[1].strip() == "1"    # the core
    fails(lab.host, f"mnmany {offload.memnet()} idle 1", "EAFNOSUPPORT", "not supported")
    lab.node.until("memnetctl tcps show | grep -q 'no hosts'", timeout=20, what="the session to end")
    lab.host.sh("rmmod memnet_core")
    again(lab)
    return notes[0]


def test_rmmod_waits_for_orphans(lab):
    """A closed socket whose bytes the peer has not taken is a socket still, until its time is over."""
    lab.host.sh(f"mnmany {offload.memnet()} --bytes 8M flood 5", timeout=60)
    left = offload.counters(lab.host)["host.orphans"]
    fails(lab.host, "rmmod memnet", "in use")
    lab.client.sh("kill $(pgrep -x mnpuppet); while pgrep -x mnpuppet; do sleep 0.1; done")     # the orphans go with their peer
    again(lab)
    return f"{left} orphans kept it"


def test_rmmod_tcps_under_load(lab):
    """The node's module ends its sessions: sockets fail, nothing hangs, the host comes back when it is loaded again."""
    jobs = [lab.host.bg(f"mnstream {offload.memnet()} --streams 4 --send 2G --recv 2G --side connect --bound 100"),
            lab.host.bg(f"mnmany {offload.memnet()} --hold 100 --bytes 64K noread 50"),
            lab.host.bg(f"while mnmany {offload.memnet()} --bound 30 short 100; do :; done"), holder(lab, "listening")]
    time.sleep(2)
    start = time.monotonic()
    lab.node.sh("rmmod memnet_tcps", timeout=offload.patience(lab, 30))
    took = time.monotonic() - start
    for job in (jobs[0], jobs[2]):
        job.wait(offload.patience(lab, 20))
    now = offload.link(lab)
    assert now["state"] == "connecting" and now["last_reason"], now
    lab.node.sh("rmmod memnet_core")
    assert not lab.node.sh("ss -Htln sport = :7000").strip()
    lab.insmod(lab.node, "memnet_core")
    lab.load_tcps()
    offload.wait_link(lab)
    # the listener has survived and listens again
    lab.client.until(f"nc -z -w 2 {NODE_EXT} 7000", timeout=20, what="the listener to be restored")
    for job in jobs:
        job.kill()
    for job in jobs:
        job.wait(20)
    offload.idle(lab)
    return f"rmmod took {took:.1f} s; {now['last_reason']}"


def test_50_cycles(lab):
    """Loaded and unloaded fifty times on each side, every fifth time with connections; nothing is left."""
    cycles = 50
    again(lab)
    offload.down(lab)
    before = None
    for vm in lab.guests:       # large, and 9p is slow
        vm.sh(f"mkdir -p /tmp/ko && cp /mnt/build/{lab.kernel.name}/memnet*.ko /tmp/ko", timeout=60)
    node = f"insmod /tmp/ko/memnet_core.ko && insmod /tmp/ko/memnet_tcps.ko listen={NODE_SAN} allow=10.9.0.0/24"
    host = f"insmod /tmp/ko/memnet_core.ko && insmod /tmp/ko/memnet.ko tcps={NODE_SAN}"
    for i in range(cycles):
        together(lab, host, node)
        if i % 5 == 0:
            offload.wait_link(lab)
            lab.host.sh(f"mnmany {offload.memnet()} short 5")
            offload.idle(lab)
        # else it is unloaded while it connects
        together(lab, "rmmod memnet memnet_core", "rmmod memnet_tcps memnet_core")
        if i == 2:
            before = {vm.name: offload.memory(vm) for vm in lab.guests}
    time.sleep(1)
    notes = []
    for vm in lab.guests:
        after = offload.memory(vm)
        slab, gone = after["slab"] - before[vm.name]["slab"], before[vm.name]["available"] - after["available"]
        notes.append(f"{vm.name}: slab {slab:+} KiB, available {-gone:+} KiB")
        assert slab < 1024 and gone < 8192, notes[-1]
        vm.sh("rm -r /tmp/ko")
    offload.up(lab)
    return f"{cycles} cycles; " + "; ".join(notes)


def together(lab, host, node):
    """A command on each side at the same time."""
    for job in (lab.host.bg(host), lab.node.bg(node)):
        rc, out = job.wait(offload.patience(lab, 30))
        assert rc == 0, f"[{job.cmd}] ended with {rc}: {out}"


test_50_cycles.timeout = 300


# --- loading on demand ------------------------------------------------------------------------------


def test_family_is_loaded_on_demand(lab):
    """The first AF_MEMNET socket, of whomever, loads the modules, with what modprobe.d says, as after an installation."""
    offload.down(lab)
    lab.insmod(lab.node, "memnet_core")
    lab.load_tcps()
    new = "userland setpriv --reuid 65534 --clear-groups python3 -c 'import socket; socket.socket(25, socket.SOCK_STREAM, 0)'"
    fails(lab.host, new, "not supported")
    lab.host.sh(f"d=/lib/modules/$(uname -r)/updates && mkdir -p $d /etc/modprobe.d && "
                f"cp /mnt/build/{lab.kernel.name}/memnet.ko /mnt/build/{lab.kernel.name}/memnet_core.ko $d && "
                f"echo options memnet tcps={NODE_SAN} >/etc/modprobe.d/memnet.conf && depmod -a", timeout=90)
    lab.host.sh(new, timeout=60)
    offload.wait_link(lab)
    with offload.Watch(lab) as w:
        lab.host.sh(f"mnmany {offload.memnet()} short 5")
    w.proves(connects=5)
    lab.host.sh("rm -r /lib/modules/$(uname -r)/updates /etc/modprobe.d/memnet.conf && depmod -a", timeout=60)
    again(lab)


# --- what is given to modules -----------------------------------------------------------------------


def refused(lab, vm, module, table):
    """Each load fails, and the kernel's log says why, in these words."""
    for parameters, text in table:
        said = fails(vm, f"insmod /mnt/build/{lab.kernel.name}/{module}.ko {parameters}", text, log=True)
        assert "memnet" in said.lower(), said
        vm.sh(f"! grep -q '^{module} ' /proc/modules")


def test_bad_parameters_of_the_core(lab):
    offload.down(lab)
    refused(lab, lab.host, "memnet_core", (
        ("rx_depth=7", "rx_depth=7 is not 8 to 8192"), ("rx_depth=8193", "rx_depth=8193 is not 8 to 8192"),
        ("tx_depth=31", "tx_depth=31 is not 32 to 8192"), ("tx_depth=10000", "tx_depth=10000 is not 32 to 8192"),
        ("rnr_retry=8", "rnr_retry=8 is not 0 to 7"), ("rx_depth=many", "invalid for parameter"),
        ("rx_depth=-1", "invalid for parameter")))
    # the bounds themselves do: a load that works, with the smallest rings there are
    lab.load_modules(core="rx_depth=8 tx_depth=32 rnr_retry=7")
    offload.wait_link(lab)
    for place in (lab.node, lab.client):
        offload.puppet(place)
    lab.host.sh(f"mnmany {offload.memnet()} short 5")
    again(lab)


def test_bad_parameters_of_the_host(lab):
    offload.down(lab)
    lab.load_core()
    text, host, secret = "not an address with an optional port", "the address is not a host's", "a secret has 16 to 64 characters"
    refused(lab, lab.host, "memnet", (
        ("tcps=here", f"tcps=here: {text}"), ("tcps=10.9.0.2:0", "tcps=10.9.0.2:0: no port is 0"),
        ("tcps=10.9.0.2:99999", f"tcps=10.9.0.2:99999: {text}"), ("tcps=300.1.1.1", f"tcps=300.1.1.1: {text}"),
        ("tcps=[fd09::2", f"tcps=[fd09::2: {text}"), ("tcps=[fd09::2]7471", f"tcps=[fd09::2]7471: {text}"),
        ("tcps=", f"tcps=: {text}"), ("tcps=10.9.0.2:", f"tcps=10.9.0.2:: {text}"),
        ("tcps=0.0.0.0", f"tcps=0.0.0.0: {host}"), ("tcps=::", f"tcps=::: {host}"), ("tcps=224.0.0.1", f"tcps=224.0.0.1: {host}"),
        ("tcps=255.255.255.255", f"tcps=255.255.255.255: {host}"), ("tcps=ff02::1", f"tcps=ff02::1: {host}"),
        ("tcps=::ffff:10.9.0.2", "give the IPv4 address"), ("tcps=fe80::1", "a link-local address needs an interface"),
        ("tcps=fd09::2%san0", "only a link-local address has an interface"),
        ("tcps=10.9.0.2 channels=9", "channels=9 is more than 8"), ("channels=2", "channels= is of the link that tcps= makes"),
        ("tcps=10.9.0.2 secret=short", secret), ("tcps=10.9.0.2 secret=" + "x" * 65, secret),
        ("secret=" + "x" * 16, "secret= is of the link that tcps= makes"),
        ("family=0", "family=0 is no address family's number"), ("family=2", "address family 2 is not to be had"),
        ("family=1000", "address family 1000 is not to be had"), ("channels=many", "invalid for parameter")))
    fails(lab.host, "memnetctl link show", "memnet.ko is not loaded", code=1)
    lab.insmod(lab.host, "memnet", "family=27 tcps=10.9.0.2")
    assert lab.host.sh("cat /sys/module/memnet/parameters/family").strip() == "27"
    lab.load_tcps()
    offload.wait_link(lab)
    lab.host.sh(f"mnmany {offload.memnet()} short 5")
    again(lab)


def test_bad_parameters_of_the_node(lab):
    offload.down(lab)
    lab.load_core()
    allow = "allow=10.9.0.0/24"
    none = "is of the address that listen= serves on"
    refused(lab, lab.node, "memnet_tcps", (
        (f"listen=there {allow}", "listen=there: not an address with an optional port"),
        ("listen=10.9.0.2", "listen= needs allow="), (f"listen=10.9.0.2:0 {allow}", "listen=10.9.0.2:0: no port is 0"),
        (f"listen=224.0.0.1 {allow}", "listen=224.0.0.1: the address is not a host's"),
        (f"listen=fe80::1 {allow}", "a link-local address needs an interface"),
        ("listen=10.9.0.2 allow=10.9.0.0/33", "allow=10.9.0.0/33: the prefix is longer"),
        ("listen=10.9.0.2 allow=fd09::/129", "allow=fd09::/129: the prefix is longer"),
        ("listen=10.9.0.2 allow=10.9.0.5/24", "allow=10.9.0.5/24: an allowed prefix has bits set past its length"),
        ("listen=10.9.0.2 allow=10.9.0.0/24,fd09::2/64", "allow=fd09::2/64: an allowed prefix has bits set past its length"),
        ("listen=10.9.0.2 allow=all", "allow=all is not an address"), ("listen=10.9.0.2 allow=10.9.0.0/", "allow=10.9.0.0/ is not an"),
        (allow, f"allow= {none}"), ("secret=" + "x" * 16, f"secret= {none}"), ("privileged=80", f"privileged= {none}"),
        ("options=mark", f"options= {none}"), (f"listen=10.9.0.2 {allow} options=prio,marks", "options=marks is not a class of options"),
        (f"listen=10.9.0.2 {allow} secret=short", "a secret has 16 to 64 characters"),
        (f"listen=10.9.0.2 {allow} privileged=90-80", "privileged=90-80 is not a port or a range"),
        (f"listen=10.9.0.2 {allow} privileged=0", "privileged=0 is not a port or a range"),
        ("max_sessions=0", "parameter"), ("max_window=4294967295", "parameter"), ("orphan_s=86401", "parameter"),
        ("heartbeat_ms=99", "heartbeat_ms=99 is not 100 to 600000"),
        (f"listen=10.9.0.2 {allow} heartbeat_ms=600001", "heartbeat_ms=600001 is not 100 to 600000")))
    # what the node says of the heartbeat is what the host's link has
    lab.load_tcps("heartbeat_ms=7000")
    lab.load_host()
    now = offload.wait_link(lab)
    assert now["heartbeat_ms"] == 7000, now
    again(lab)


def test_wrong_use_of_memnetctl(lab):
    for vm, command, code, text in (
            (lab.host, "frobnicate", 2, "frobnicate"), (lab.host, "link", 2, "command"), (lab.host, "link frob", 2, "frob"),
            (lab.host, "link add", 2, "name"), (lab.host, "link add x tcps nowhere", 2, "nowhere"),
            (lab.host, "link add x tcps 10.9.0.2 channels 0", 2, "0"), (lab.host, "link add x tcps 10.9.0.2 channels 99", 2, "99"),
            (lab.host, "link add x tcps 10.9.0.2 heartbeat 5000", 2, "no such option"), (lab.host, "link add x tcps 10.9.0.2 port 70000", 2, "70000"),
            (lab.host, "link add x tcps 10.9.0.2 secret-file /no/such", 1, "/no/such"),
            (lab.host, "link add tcps0 tcps 10.9.0.2", 1, "a link of that name exists"), (lab.host, "link del nobody", 1, "no link of that name"),
            (lab.host, "link show nobody", 1, "no link of that name"), (lab.host, "link set tcps0 netns /no/such", 1, "/no/such"),
            (lab.host, "tcps show", 1, "memnet_tcps.ko is not loaded"),
            (lab.host, "tcps listen 10.9.0.1 allow 10.9.0.0/24", 1, "memnet_tcps.ko is not loaded"),
            (lab.node, "link show", 1, "memnet.ko is not loaded"), (lab.node, "tcps listen 10.9.0.2", 2, "allow"),
            (lab.node, "tcps listen 10.9.0.2 allow 10.9.0.0/24", 1, "being served"),
            (lab.node, "tcps unlisten 10.9.0.77", 1, "not being served"),
            (lab.node, "tcps listen 10.9.0.77 allow 10.9.0.0/24", 1, "no RDMA device at this address")):
        rc, out = vm.sh(f"memnetctl {command}", check=False)
        assert rc == code, f"[{command}] ended with {rc}, not {code}: {out}"
        assert text.lower() in out.lower(), f"[{command}] does not say {text}: {out}"
    assert offload.link(lab)["state"] == "up"


def test_configuration_needs_privilege(lab):
    for vm, command in ((lab.host, "link add x tcps 10.9.0.2"), (lab.host, "link del tcps0"),
                        (lab.node, "tcps unlisten 10.9.0.2"), (lab.node, "tcps listen 10.9.0.2 port 7000 allow 10.9.0.0/24")):
        fails(vm, f"setpriv --reuid 65534 --clear-groups --inh-caps=-all memnetctl {command}", "CAP_NET_ADMIN", code=1)
    # looking is for everybody
    lab.host.sh("setpriv --reuid 65534 --clear-groups memnetctl link show | grep -q tcps0")
    assert offload.link(lab)["state"] == "up"


GROUPS = """
import os, socket, sys
knob = f"/proc/sys/net/{sys.argv[1]}"
kind = (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) if "ping" in knob else (25, socket.SOCK_STREAM, 0)
def attempt(call):
    try:
        call()
        return "may"
    except OSError as e:
        return os.strerror(e.errno)
def write(text):
    with open(knob, "w") as f:
        f.write(text)
def member(gid, *groups):
    # what a member of these groups may
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os._exit(attempt(lambda: socket.socket(*kind).close()) == "may")
for text in ("100 200", "0 0", "200 100", "7", "x y", "-1 5", "", "1 0", "1 4294967295", "0 4294967294"):
    print(text, attempt(lambda: write(text)), open(knob).read().split(), member(0), member(99), member(100), member(200), member(201),
          member(5, 3, 150), member(5, 3, 201), attempt(lambda: socket.socket(*kind).close()))
"""


def test_group_range(lab):
    """Who may make sockets, as ping_group_range says who may ping; each network namespace has a range of its own."""
    lab.host.put("/tmp/groups.py", GROUPS)
    first = lab.host.sh("cat /proc/sys/net/memnet/group_range").split()
    assert first == ["0", "4294967294"], first
    run = "userland unshare -n python3 /tmp/groups.py"
    native, memnet = (lab.host.sh(f"{run} {knob}") for knob in ("ipv4/ping_group_range", "memnet/group_range"))
    # it does not take a number beyond 2^31, and begins with nobody
    both = [[l for l in text.splitlines() if "42949672" not in l] for text in (native, memnet)]
    assert both[0] == both[1] and len(both[0]) == 8, f"ping_group_range:\n{native}\ngroup_range:\n{memnet}"
    everybody = next(l for l in memnet.splitlines() if l.startswith("0 4294967294"))
    assert everybody == "0 4294967294 may ['0', '4294967294'] 1 1 1 1 1 1 1 may", everybody
    assert "100 200 may ['100', '200'] 0 0 1 1 0 1 0 Permission denied" in memnet.splitlines(), memnet
    assert lab.host.sh("cat /proc/sys/net/memnet/group_range").split() == first
    fails(lab.host, "setpriv --reuid 65534 --clear-groups sh -c 'echo 0 1 >/proc/sys/net/memnet/group_range'", "permission denied", "can't create")
    offload.idle(lab)
    return memnet


def test_tracepoints(lab):
    """A short connection in the trace of either side: its messages and its states."""
    tracing = "/sys/kernel/tracing"
    for vm in lab.guests:
        vm.sh(f"mountpoint -q {tracing} || mount -t tracefs tracefs {tracing}; echo >{tracing}/trace; echo 1 >{tracing}/events/memnet/enable")
    lab.host.sh(f"mnmany {offload.memnet()} --bytes 1000 idle 1")
    offload.idle(lab)
    seen = {}
    for vm in lab.guests:
        vm.sh(f"echo 0 >{tracing}/events/memnet/enable")
        seen[vm.name] = vm.sh(f"grep -o 'memnet_[a-z_]*: .*' {tracing}/trace")
    host, node = seen["host"], seen["node"]
    for there, back in ((host, node), (node, host)):
        sent = [l.split(": ", 1)[1] for l in there.splitlines() if l.startswith("memnet_message_sent") and " id=0 " not in l]
        came = [l.split(": ", 1)[1] for l in back.splitlines() if l.startswith("memnet_message_received")]
        # each side numbers its channels by itself
        lines = [[l.split(" ", 1)[1] for l in part] for part in (sent, came)]
        assert len(sent) >= 3 and set(lines[0]) <= set(lines[1]), f"{lines[0]}\n{lines[1]}"
    assert any(" len=1000" in l for l in host.splitlines()), host
    states = [l.rsplit("state=", 1)[1] for l in host.splitlines() if l.startswith("memnet_endpoint_state")]
    assert states[:2] == ["7->2", "2->1"] and states[-1].endswith("->7"), host
    return f"{len(host.splitlines())} events on the host, {len(node.splitlines())} on the node"


# --- what is given to calls -------------------------------------------------------------------------


CALLS = f"""
import ctypes, errno, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
bad = []

def new(protocol=0, kind=socket.SOCK_STREAM, family=25):
    fd = libc.socket(family, kind, protocol)
    return fd if fd >= 0 else -ctypes.get_errno()

def addr4(host, port, family=2):
    return struct.pack("=HH4s8x", family, socket.htons(port), socket.inet_aton(host))

def addr6(host, port, scope=0):
    return struct.pack("=HHI16sI", 10, socket.htons(port), 0, socket.inet_pton(socket.AF_INET6, host), scope)

def does(what, result, *wanted):
    got = errno.errorcode[-result].replace("ENOTSUP", "EOPNOTSUPP") if result < 0 else "OK"
    if got not in wanted:
        bad.append(what + ": " + got + ", expected " + " or ".join(wanted))

def on(fd, call, *args):
    r = getattr(libc, call)(fd, *args)
    return -ctypes.get_errno() if r < 0 else r

def setopt(fd, level, name, value):
    return on(fd, "setsockopt", level, name, value, len(value))

# sockets
does("datagram", new(kind=socket.SOCK_DGRAM), "ESOCKTNOSUPPORT")
does("raw", new(kind=socket.SOCK_RAW), "ESOCKTNOSUPPORT")
does("protocol 2", new(2), "EPROTONOSUPPORT")
does("protocol 6", new(6), "EPROTONOSUPPORT")
does("protocol -1", new(-1), "EPROTONOSUPPORT", "EINVAL")

# addresses
does("bind to a foreign family", on(new(), "bind", addr4("0.0.0.0", 7001, 1), 16), "EAFNOSUPPORT")
does("bind IPv6 on IPv4", on(new(), "bind", addr6("::", 7001), 28), "EAFNOSUPPORT", "EINVAL")
does("bind IPv4 on IPv6", on(new(1), "bind", addr4("0.0.0.0", 7001), 16), "EAFNOSUPPORT", "EINVAL")
does("bind too short", on(new(), "bind", addr4("0.0.0.0", 7001), 8), "EINVAL")
does("bind IPv6 too short", on(new(1), "bind", addr6("::", 7001), 20), "EINVAL")
does("bind to nobody's address", on(new(), "bind", addr4("203.0.113.1", 7001), 16), "EADDRNOTAVAIL")
does("bind to the client's address", on(new(), "bind", addr4("{CLIENT_EXT}", 7001), 16), "EADDRNOTAVAIL")
does("bind IPv6 to nobody's address", on(new(1), "bind", addr6("2001:db8::1", 7001), 28), "EADDRNOTAVAIL")
does("bind twice", (lambda fd: (on(fd, "bind", addr4("0.0.0.0", 7002), 16), on(fd, "bind", addr4("0.0.0.0", 7003), 16))[1])(new()), "EINVAL")
does("connect to a foreign family", on(new(), "connect", addr4("{CLIENT_EXT}", 4242, 1), 16), "EAFNOSUPPORT")
does("connect too short", on(new(), "connect", addr4("{CLIENT_EXT}", 4242), 3), "EINVAL")
does("connect to nobody", on(new(), "connect", addr4("{CLIENT_EXT}", 9), 16), "ECONNREFUSED")
does("connect to no network", on(new(), "connect", addr4("203.0.113.1", 80), 16), "ENETUNREACH", "EHOSTUNREACH")
does("connect to the node itself", on(new(), "connect", addr4("{NODE_EXT}", 4242), 16), "ECONNREFUSED", "EACCES")
does("connect to the SAN side of the node", on(new(), "connect", addr4("{NODE_SAN}", 4242), 16), "ECONNREFUSED", "EACCES")
does("connect to broadcast", on(new(), "connect", addr4("255.255.255.255", 80), 16), "ENETUNREACH", "EACCES", "EHOSTUNREACH")
does("link-local without scope", on(new(1), "connect", addr6("fe80::1", 80), 28), "EINVAL")
does("listen unbound", on(new(), "listen", 5), "OK")

# options
for name in ("SO_SNDBUF", "SO_RCVBUF", "SO_REUSEADDR", "SO_REUSEPORT", "SO_KEEPALIVE"):
    does(name + " too short", setopt(new(), socket.SOL_SOCKET, getattr(socket, name), b"\\1"), "EINVAL")
does("SO_LINGER too short", setopt(new(), socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0"), "EINVAL")
does("TCP_NODELAY too short", setopt(new(), 6, 1, b"\\1"), "EINVAL")
does("TCP_NODELAY of nothing", setopt(new(), 6, 1, b""), "EINVAL")
does("TCP_ULP", setopt(new(), 6, 31, b"tls"), "ENOTCONN")
does("an option nobody knows", setopt(new(), 6, 9999, b"\\1\\0\\0\\0"), "ENOPROTOOPT")
does("a level nobody knows", setopt(new(), 9999, 1, b"\\1\\0\\0\\0"), "ENOPROTOOPT")
fd = new()
bound = setopt(fd, socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\\0")
if bound:
    does("SO_BINDTODEVICE", bound, "ENOPROTOOPT")
else:   # before Linux 6.7 the family is not asked
    does("connect from a device of the host", on(fd, "connect", addr4("{CLIENT_EXT}", 4242), 16), "EOPNOTSUPP")
    does("bind on a device of the host", on(fd, "bind", addr4("0.0.0.0", 7009), 16), "EOPNOTSUPP")
does("SO_ZEROCOPY", setopt(new(), socket.SOL_SOCKET, 60, b"\\1\\0\\0\\0"), "OK", "EOPNOTSUPP")   # before Linux 6.7 the family is not asked
does("native ports of half a range", setopt(new(), 325, 1, b"\\1\\0"), "EINVAL")
does("native ports upside down", setopt(new(), 325, 1, struct.pack("=HH", 9, 8)), "EINVAL")
does("33 native ports", setopt(new(), 325, 1, struct.pack("=HH", 1, 1) * 33), "EINVAL")

# without privilege
if len(sys.argv) > 1:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    does("a privileged port, unprivileged", on(new(), "bind", addr4("0.0.0.0", 80), 16), "EACCES")
    does("another port, unprivileged", on(new(), "bind", addr4("0.0.0.0", 7080), 16), "OK")
else:
    does("a privileged port", on(new(), "bind", addr4("0.0.0.0", 80), 16), "OK")
print("\\n".join(bad))
sys.exit(bool(bad))
"""


def test_bad_calls(lab):
    lab.host.put("/tmp/calls.py", CALLS)
    for who in ("", "nobody"):
        rc, out = lab.host.sh(f"userland python3 /tmp/calls.py {who}", check=False, timeout=90)
        assert rc == 0, out
    offload.idle(lab)


def test_privileged_ports_of_the_policy(lab):
    """Root on the host gets the ports the node's administrator lists, no others."""
    offload.down(lab)
    lab.load_core()
    lab.load_tcps("privileged=443,500-600")
    lab.load_host()
    offload.wait_link(lab)
    lab.host.put("/tmp/bind.py", "import ctypes, os, socket, struct, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n"
                 "os.setuid(int(sys.argv[2]))\nfd = libc.socket(25, 1, 0)\n"
                 "r = libc.bind(fd, struct.pack('=HH4s8x', 2, socket.htons(int(sys.argv[1])), bytes(4)), 16)\n"
                 "print(ctypes.get_errno() if r else 0)\n")
    start = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

    def errno(port, uid=0):
        return lab.host.sh(f"userland python3 /tmp/bind.py {port} {uid}").strip()

    want = {80: "13", 443: "0", 499: "13", 500: "0", 600: "0", 601: "13", 1024: "0"}
    got = {port: errno(port) for port in want}
    assert got == want, f"errno by port: {got}"
    assert offload.counters(lab.node)["tcps.policy_denials"] >= 3
    # what the node lets its own users have is not for hosts; what the host lets its own have is vouched for
    lab.node.sh(f"echo 0 >{start}")
    got = [errno(80), errno(443), errno(443, 1000)]
    lab.host.sh(f"echo 0 >{start}")
    got += [errno(80, 1000), errno(443, 1000)]
    assert got == ["13", "0", "13", "13", "0"], got
    for guest in (lab.node, lab.host):
        guest.sh(f"echo 1024 >{start}")
    again(lab)


def test_port_of_the_node_is_taken_on_loopback(lab):
    """The node chooses a port that a native program of the host has on loopback: both go on."""
    node_range = lab.node.sh("cat /proc/sys/net/ipv4/ip_local_port_range")
    lab.node.sh("echo 40000 40039 >/proc/sys/net/ipv4/ip_local_port_range")
    lab.host.put("/tmp/ports.py", "import socket, time\nkeep = [socket.create_server(('127.0.0.1', 40000 + i)) for i in range(40)]\n"
                 "print('ready', flush=True)\ntime.sleep(1000)\n")
    job = lab.host.bg("userland python3 /tmp/ports.py")
    end = time.monotonic() + offload.patience(lab, 60)
    while "ready" not in job.output():
        assert not job.done and time.monotonic() < end, job.output()
        time.sleep(0.2)
    with offload.Watch(lab) as w:
        lab.host.sh(f"mnmany {offload.memnet()} --side accept short 3")
    w.proves(accepts=3)
    assert "taken on loopback" in lab.host.sh("dmesg"), "the log does not say so"
    job.kill()
    job.wait(20)
    lab.node.sh(f"echo {node_range.strip()} >/proc/sys/net/ipv4/ip_local_port_range")
    offload.idle(lab)


BOTH_HAVE_IT = """\
import socket
held = [socket.socket() for _ in range(20)]
for i, s in enumerate(held):
    s.bind(("127.0.0.1", 40001 + 20 * i))      # TCP chooses odd ones for bind()
listeners = []
for family, anywhere in [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")] * 30:
    s = socket.socket(family)
    if len(listeners) % 4 < 2:      # listen() finds a port, too
        s.bind((anywhere, 0))
    s.listen()
    listeners.append(s)
    for version in {family, socket.AF_INET}:
        c = socket.socket(version)
        c.connect(("127.0.0.1" if version == socket.AF_INET else "::1", s.getsockname()[1]))
        s.accept()[0].send(b"here")
        assert c.recv(4) == b"here"
        c.close()
s = socket.socket()
try:
    s.bind(("0.0.0.0", 40001))
    print("bound")
except OSError as e:
    print(e.errno)
s = socket.socket()
s.bind(("0.0.0.0", 39999))
try:
    socket.socket().bind(("127.0.0.1", 39999))
    print("bound")
except OSError as e:
    print(e.errno)
s.close()
socket.socket().bind(("127.0.0.1", 39999))
"""


def test_ports_are_of_node_and_loopback(lab):
    """Where the node has the choice it takes a port that loopback has, too; a port bound is had there before listen()."""
    node_range = lab.node.sh("cat /proc/sys/net/ipv4/ip_local_port_range")
    lab.node.sh("echo 40000 40399 >/proc/sys/net/ipv4/ip_local_port_range")
    lab.host.put("/tmp/both.py", BOTH_HAVE_IT)
    with offload.Watch(lab) as w:
        out = lab.host.sh("userland memnet-run python3 /tmp/both.py", timeout=offload.patience(lab, 60))
    lab.node.sh(f"echo {node_range.strip()} >/proc/sys/net/ipv4/ip_local_port_range")
    assert out.split() == ["98", "98"], out
    assert w.host["host.listens"] == 60, str(w)
    offload.idle(lab)


def test_node_not_there(lab):
    """No service, or no machine: sockets can be had, connecting says so at once, the link tells why."""
    offload.down(lab)
    lab.load_core()
    notes = []
    for address, reason in ((NODE_SAN, "nobody serves"), ("10.9.0.99", "reach"), ("203.0.113.1", "reach")):     # no route
        lab.load_host(tcps=address)
        end = time.monotonic() + offload.patience(lab, 15)
        now = offload.link(lab)
        while not now.get("last_reason") and time.monotonic() < end:    # an attempt takes three seconds
            time.sleep(0.5)
            now = offload.link(lab)
        assert now["state"] == "connecting" and reason in now.get("last_reason", ""), now
        start = time.monotonic()
        fails(lab.host, f"userland memnet-run curl -sS --max-time 20 http://{CLIENT_EXT}:4242/", "unreach", "network", "connect")
        assert time.monotonic() - start < offload.patience(lab, 10)
        notes.append(f"{address}: {now['last_reason']}")
        lab.host.sh("rmmod memnet", timeout=offload.patience(lab, 20))
    # it comes while the host waits
    lab.load_host()
    time.sleep(1)
    lab.load_tcps()
    offload.wait_link(lab, timeout=30)
    lab.host.sh(f"mnmany {offload.memnet()} short 5")
    return "; ".join(notes)
