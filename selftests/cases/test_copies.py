# SPDX-License-Identifier: GPL-2.0
"""How often a byte is copied, proved by counters: once on the host for send and recv, not at all for
sendfile, not at all on the node; what small messages and tails of pages cost is counted apart.

    copied_from_user_bytes, copied_to_user_bytes, spliced_bytes      host: send, recv, sendfile
    tx_spliced_bytes, tx_copied_bytes                                node: host's bytes to TCP
    rx_fragment_bytes, rx_copied_bytes                               node: TCP's bytes to the host
    tail_copied_bytes                                                both: on arrival
"""
from selftests.cases import offload
from selftests.lab.lab import CLIENT_EXT, NODE_EXT

SIZE = 16 << 20
# commands for the peer, its answers, an HTTP head: what travels besides the payload, in bytes
ASIDE = 8192
# What goes to TCP is cut where the window ends, and that is anywhere after TCP has taken a part of a message.  Of the
# 16 KiB that a window opens by, one end in eight or so is no larger than the copybreak, and half of that on average.
ENDS = SIZE // 256
# The node's pump takes 64 KiB in a turn, which ends anywhere as well: half a page of it is copied behind what came before.
TAILS = SIZE // 32


def setup(lab):
    offload.up(lab)
    lab.host.sh(f"head -c {SIZE} /dev/urandom >/tmp/file")


def stream(lab, arguments):
    """mnstream over AF_MEMNET; the growth of the counters."""
    with offload.Watch(lab) as w:
        out = lab.host.sh(f"mnstream {offload.memnet()} --side connect --bound 200 {arguments}", timeout=offload.patience(lab, 210))
    assert "bad=0" in out, out
    w.proves(connects=1)
    return w


def near(what, got, want, aside=ASIDE):
    """Equal, but for what travels besides the payload."""
    assert want <= got <= want + aside, f"{what}: {got}, expected {want} and at most {aside} more"


def test_send_copies_once(lab):
    w = stream(lab, f"--send {SIZE} --recv 0 --size 64K")
    near("copied by send", w.host["host.copied_from_user_bytes"], SIZE)
    near("spliced", w.host["host.spliced_bytes"], 0, 0)
    spliced(w)
    return figures(w)


def spliced(w):
    """The node has given TCP the pages in which SIZE bytes came, and copied none that were not an end."""
    node = w.node
    near("given to TCP as pages or copied", node["tcps.tx_spliced_bytes"] + node["tcps.tx_copied_bytes"], SIZE)
    assert node["tcps.tx_copied_bytes"] <= ASIDE + ENDS, figures(w)
    assert node["core.tail_copied_bytes"] <= ASIDE + ENDS, figures(w)


def passed_on(w):
    """SIZE bytes went to the host where TCP had them: segments of a stream are no small pieces behind each other."""
    node = w.node
    near("passed on", node["tcps.rx_fragment_bytes"] + node["tcps.rx_copied_bytes"], SIZE)
    assert node["tcps.rx_copied_bytes"] <= ASIDE, figures(w)
    # a second copy, of little, and counted
    assert w.host["core.tail_copied_bytes"] <= ASIDE + TAILS, figures(w)


def test_recv_copies_once(lab):
    w = stream(lab, f"--send 0 --recv {SIZE} --size 64K")
    near("copied by recv", w.host["host.copied_to_user_bytes"], SIZE)
    passed_on(w)
    return figures(w)


def test_sendfile_copies_nothing(lab):
    w = stream(lab, f"--send {SIZE} --recv 0 --size 64K --sendfile")
    near("copied by send", w.host["host.copied_from_user_bytes"], 0)
    near("spliced", w.host["host.spliced_bytes"], SIZE, 0)
    spliced(w)
    return figures(w)


def test_zerocopy_copies_nothing(lab):
    """What io_uring sends so, on a connection of either kind."""
    with offload.Watch(lab) as w:
        out = lab.host.sh(f"mnsock {offload.memnet()} -t uring_zerocopy_message", timeout=offload.patience(lab, 60))
    assert "2 passed, 0 failed" in out, out
    near("copied by send", w.host["host.copied_from_user_bytes"], 0)
    near("spliced", w.host["host.spliced_bytes"], 2 * 120000, 0)
    return figures(w)


def test_nothing_is_copied_on_the_node(lab):
    """Not a byte of calls of all sizes, where no message counts as a small one."""
    copybreak = "/sys/module/memnet_tcps/parameters/copybreak"
    usual = lab.node.sh(f"cat {copybreak}").strip()
    lab.node.sh(f"echo 0 >{copybreak}")
    w = stream(lab, f"--send {SIZE} --recv {SIZE}")
    lab.node.sh(f"echo {usual} >{copybreak}")
    node = w.node
    near("given to TCP as pages", node["tcps.tx_spliced_bytes"], SIZE)
    near("passed on where TCP had them", node["tcps.rx_fragment_bytes"], SIZE)
    assert node["tcps.tx_copied_bytes"] == node["tcps.rx_copied_bytes"] == 0, figures(w)
    return figures(w)


def test_small_messages_are_counted_apart(lab):
    """Up to the copybreak the node copies what the host sends; a small piece from TCP goes in place."""
    n, size = 200, 100
    with offload.Watch(lab) as w:
        lab.host.sh(f"mnmany {offload.memnet()} --bytes {size} --bound 100 idle {n}", timeout=offload.patience(lab, 110))
    node = w.node
    near("copied to TCP", node["tcps.tx_copied_bytes"], n * size)
    near("passed on", node["tcps.rx_fragment_bytes"] + node["tcps.rx_copied_bytes"], n * size, 2 * ASIDE)
    return figures(w)


def test_nginx_with_sendfile_copies_heads_only(lab):
    from selftests.cases.test_programs import NGINX
    lab.host.sh("mkdir -p /tmp/www /tmp/nginx && chmod 755 /tmp/www /tmp/nginx && cp /tmp/file /tmp/www/file")
    lab.host.put("/tmp/nginx.conf", NGINX)
    lab.host.sh("userland memnet-run nginx -c /tmp/nginx.conf", timeout=60)
    lab.client.until(f"curl -sfo /dev/null -r 0-1 http://{NODE_EXT}/file", what="nginx")
    with offload.Watch(lab) as w:
        lab.client.sh(f"curl -sSfo /tmp/got http://{NODE_EXT}/file", timeout=offload.patience(lab, 100))
    assert lab.client.sh("sha256sum </tmp/got") == lab.host.sh("sha256sum </tmp/file")
    lab.host.sh("kill $(cat /tmp/nginx/pid)")
    w.proves(accepts=1)
    near("copied by send", w.host["host.copied_from_user_bytes"], 0, 2000)
    near("spliced", w.host["host.spliced_bytes"], SIZE, 0)
    spliced(w)
    return figures(w)


def test_curl_receives_with_one_copy(lab):
    server = lab.client.bg(f"cd /tmp && head -c {SIZE} /dev/zero >zeros && exec python3 -m http.server --bind {CLIENT_EXT} 8000")
    lab.client.until(f"curl -sfo /dev/null http://{CLIENT_EXT}:8000/zeros", what="the server")
    with offload.Watch(lab) as w:
        lab.host.sh(f"userland memnet-run curl -sSfo /dev/null http://{CLIENT_EXT}:8000/zeros", timeout=offload.patience(lab, 100))
    server.kill()
    w.proves(connects=1)
    near("copied by recv", w.host["host.copied_to_user_bytes"], SIZE)
    passed_on(w)
    return figures(w)


def figures(w):
    """What was counted, in a line."""
    host = ("host.copied_from_user_bytes", "host.copied_to_user_bytes", "host.spliced_bytes", "core.tail_copied_bytes")
    node = ("tcps.tx_spliced_bytes", "tcps.tx_copied_bytes", "tcps.rx_fragment_bytes", "tcps.rx_copied_bytes", "core.tail_copied_bytes")
    return "; ".join(f"{side}: " + ", ".join(f"{n.split('.')[1]} {grown[n]}" for n in names)
                     for side, grown, names in (("host", w.host, host), ("node", w.node, node)))
