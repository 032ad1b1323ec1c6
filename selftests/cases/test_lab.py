# SPDX-License-Identifier: GPL-2.0
"""The lab itself: commands, links, networks, power cuts."""
import subprocess
import sys
import time

from selftests.lab.cache import TREE
from selftests.lab.job import CommandError, CommandTimeout
from selftests.lab.lab import CLIENT_EXT, CLIENT_EXT6, HOST_SAN, NODE_EXT, NODE_EXT6, NODE_SAN, NODE_SAN6

MODULES = False


def test_commands_run_side_by_side(lab):
    jobs = [(p, i, p.bg(f"sleep 1; echo {i}; exit {i}")) for p in (lab.host, lab.node, lab.client) for i in range(8)]
    for place, i, job in jobs:
        rc, out = job.wait(30)
        assert (rc, out) == (i, f"{i}\n"), (place.name, i, rc, out)


def test_a_failing_command_raises_with_its_output(lab):
    for place in (lab.host, lab.node, lab.client):
        try:
            place.sh("echo before; exit 7")
        except CommandError as e:
            assert e.rc == 7 and "before" in str(e)
        else:
            raise AssertionError(f"{place.name}: exit 7 was not noticed")
        assert place.sh("false", check=False)[0] == 1


def test_a_hung_command_is_named_and_killed(lab):
    for place in (lab.host, lab.client):
        try:
            place.sh("echo begun; sleep 1000", timeout=2)
        except CommandTimeout as e:
            assert "sleep 1000" in str(e) and "begun" in str(e)
        else:
            raise AssertionError("no timeout")
        assert place.sh("echo alive", timeout=20) == "alive\n"
        place.until("! pgrep -f 'sleep 100[0]'", timeout=10)


def test_a_filter_that_names_nothing_is_an_error(lab):
    """Beside one that names something, too: a test that was renamed would be missed by nobody."""
    def names(kernel, *filters):
        return subprocess.run([sys.executable, TREE / "selftests/run", "--list", "--kernel", kernel, *filters], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    good = names("6.12", "lab:", "socket:")
    assert good.returncode == 0 and "lab:test_" in good.stdout and "socket:test_" in good.stdout, good
    for kernel, filters in (("6.12", ("lab:", "lab:test_renamed")), ("6.12", ("nosuch:",)), ("6.12", ("lab:", "lab_selfcheck:test_rcu"))):
        bad = names(kernel, *filters)
        assert bad.returncode == 2 and filters[-1] in bad.stderr and not bad.stdout, bad
    assert names("debug", "lab_selfcheck:test_rcu").returncode == 0


def test_large_output_is_whole(lab):
    for place in (lab.host, lab.client):
        out = place.sh("seq 1 100000")
        assert out == "".join(f"{i}\n" for i in range(1, 100001))


def test_the_host_has_no_leg_outside(lab):
    assert "ext0" not in lab.host.sh("ip -br link")
    for address in (CLIENT_EXT, NODE_EXT):
        assert lab.host.sh(f"ping -c 1 -W 1 {address}", check=False)[0] != 0


def test_ping_everywhere(lab):
    lab.host.sh(f"ping -c 2 -W 5 {NODE_SAN} && ping -c 2 -W 5 {NODE_SAN6}")
    lab.node.sh(f"ping -c 2 -W 5 {CLIENT_EXT} && ping -c 2 -W 5 {CLIENT_EXT6}")


def rping(lab):
    for address in (NODE_SAN, NODE_SAN6):
        # rping gives the neighbour two seconds, which after a reboot may not be enough
        lab.host.until(f"ping -c 1 -W 1 {address}", timeout=20, what=f"{address} to be reached")
        server = lab.node.bg(f"rping -s -a {address} -C 20")
        lab.node.until("rdma res show cm_id | grep -q LISTEN", what="rping to listen")
        out = lab.host.sh(f"rping -c -a {address} -C 20 -v", timeout=60)
        assert out.count("ping data") == 20, out
        assert server.wait(30)[0] == 0, server.output()


def test_rping_over_soft_roce(lab):
    rping(lab)


def test_jumbo_frames_on_the_san(lab):
    assert "mtu 9000" in lab.host.sh("ip link show san0")
    lab.host.sh(f"busybox ping -c 2 -s 8900 {NODE_SAN}")


def test_programs_of_the_userland(lab):
    sums = {}
    lab.node.sh("mkdir -p /tmp/www; head -c 5000000 /dev/urandom >/tmp/www/f")
    for place, address, url in ((lab.node, NODE_EXT6, f"[{NODE_EXT6}]"), (lab.node, NODE_EXT, NODE_EXT)):
        job = place.bg(f"cd /tmp/www && exec userland python3 -m http.server --bind {address} 8000")
        lab.client.until(f"curl -sfo /tmp/f http://{url}:8000/f", timeout=60)
        sums[address] = lab.client.sh("md5sum </tmp/f")
        job.kill()
    want = lab.node.sh("md5sum </tmp/www/f")
    assert set(sums.values()) == {want}, (want, sums)
    for program in ("nginx -v", "redis-server --version", "curl --version", "wrk -v | grep wrk", "ibv_devinfo"):
        lab.host.sh(f"userland sh -c '{program}'")


def test_a_cable_can_be_pulled(lab):
    lab.host.set_link("san", False)
    assert lab.host.sh(f"ping -c 1 -W 1 {NODE_SAN}", check=False)[0] != 0
    lab.host.set_link("san", True)
    lab.host.until(f"ping -c 1 -W 1 {NODE_SAN}", timeout=20)


def test_a_guest_can_be_paused(lab):
    before = float(lab.host.sh("cut -d' ' -f1 /proc/uptime"))
    lab.host.pause()
    job = lab.host.bg("cut -d' ' -f1 /proc/uptime")
    time.sleep(3)
    assert not job.done
    lab.host.resume()
    assert float(job.wait(20)[1]) < before + 60


def test_power_cut_and_restart(lab):
    hung = lab.host.bg("sleep 1000")
    lab.host.kill()
    try:
        hung.wait(10)
    except Exception as e:
        assert "went away" in str(e), e
    else:
        raise AssertionError("the job outlived its guest")
    lab.host.restart()
    lab.node.until(f"ping -c 1 -W 1 {HOST_SAN}", timeout=20)
    rping(lab)
    lab.node.kill()
    lab.node.restart()
    rping(lab)
    lab.client.until(f"curl -s --max-time 2 http://{NODE_EXT}:9/; [ $? = 7 ]", timeout=20, what="the node to refuse a connection")


def test_nothing_is_left_on_this_machine(lab):
    with open("/proc/net/dev") as f:
        names = f.read()
    assert "ext0" not in names and "san" not in names, names
