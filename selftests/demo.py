# SPDX-License-Identifier: GPL-2.0
"""What MemNet does, shown by itself: make demo.

Boots the lab.  An unmodified nginx on the host serves files to curl on the client, through the node;
then curl and python3 on the host fetch the same files from a server on the client.  Checksums are
compared and the counters of both kernels are read; the exit code is 0 only when all of it is as it
should be.
"""
import hashlib
import os
import random
import sys
import time

from selftests.cases import offload
from selftests.lab import modules
from selftests.lab.cache import TREE, LabError
from selftests.lab.lab import CLIENT_EXT, NODE_EXT, NODE_SAN, SAN_CIDR, Lab

KERNEL = os.environ.get("KERNEL", "6.12")
SITE = TREE / "build" / "demo" / "www"
FILES = {"1K": 1 << 10, "8K": 8 << 10, "1M": 1 << 20, "64M": 64 << 20}

NGINX = """
worker_processes 4;
pid /tmp/nginx.pid;
error_log /tmp/nginx-error.log;
events { worker_connections 256; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    default_type application/octet-stream;
    client_body_temp_path /tmp/nginx-body;
    proxy_temp_path /tmp/nginx-proxy;
    fastcgi_temp_path /tmp/nginx-fastcgi;
    uwsgi_temp_path /tmp/nginx-uwsgi;
    scgi_temp_path /tmp/nginx-scgi;
    server {
        listen 80;
        root /tmp/www;
    }
}
"""

PYTHON = """
import hashlib, sys, urllib.request
for name in sys.argv[2:]:
    sha = hashlib.sha256()
    with urllib.request.urlopen(f"http://{sys.argv[1]}:8080/{name}", timeout=60) as page:
        while piece := page.read(1 << 16):
            sha.update(piece)
    print(sha.hexdigest(), name)
"""

PICTURE = f"""
   host                              node                                 client
   nginx, curl, python3              Linux TCP/IP, unmodified             curl, a web server
   socket(AF_MEMNET)  ---- RDMA ---- memnet_tcps   ---- the network ----  knows nothing of it
   no interface out there            {NODE_EXT:16s}                     {CLIENT_EXT}
"""


class Mismatch(Exception):
    """Something is not as it should be; the text says what."""


def say(text=""):
    print(text, flush=True)


def step(text):
    say(f"\n== {text}")


def shown(place, command, text=None, **options):
    """Run a command and show it, as a person would have typed it."""
    say(f"   {place.name + '#':8s} {text or command}")
    return place.sh(command, **options)


def make_site():
    """The files of the site, the same ones every time; {name: sha256}."""
    SITE.mkdir(parents=True, exist_ok=True)
    sums, source = {}, random.Random(20)
    for name, size in FILES.items():
        data = source.randbytes(size)
        sums[name] = hashlib.sha256(data).hexdigest()
        path = SITE / name
        if not path.exists() or path.stat().st_size != size or hashlib.sha256(path.read_bytes()).hexdigest() != sums[name]:
            path.write_bytes(data)
    return sums


def check_sums(sums, text, who):
    """Judge lines of sha256 and name."""
    got = dict(reversed(line.split()[:2]) for line in text.splitlines() if len(line.split()) >= 2)
    wrong = [name for name in sums if got.get(name) != sums[name]]
    if wrong:
        raise Mismatch(f"{who}: wrong or missing: {', '.join(wrong)}\n{text}")


def load(lab):
    """Modules and link by module parameters alone."""
    step("Two modules on each machine, one parameter each way")
    lab.load_core()
    say(f"   node#    insmod memnet_tcps.ko listen={NODE_SAN} allow={SAN_CIDR}")
    lab.load_tcps()
    say(f"   host#    insmod memnet.ko tcps={NODE_SAN}")
    lab.load_host()
    offload.wait_link(lab)
    for line in shown(lab.host, "memnetctl link show").splitlines():
        say(f"            {line}")


def serve(lab, sums):
    """nginx on the host, curl on the client; rows of the table, and what ss said."""
    step("An unmodified nginx on the host, 4 workers, sendfile on; curl on the client")
    lab.host.sh("mkdir -p /tmp/www && cp /mnt/build/demo/www/* /tmp/www/", timeout=120)
    lab.host.put("/tmp/nginx.conf", NGINX)
    shown(lab.host, "userland memnet-run nginx -c /tmp/nginx.conf", "memnet-run nginx")
    workers = int(lab.host.until("n=$(pgrep -c -f '[n]ginx: worker'); echo $n; [ $n = 4 ]", what="four workers").split()[-1])
    rows, sockets = [], ""
    for name, size in FILES.items():
        start = time.monotonic()
        job = lab.client.bg(f"curl -sf -o /tmp/{name} http://{NODE_EXT}/{name} && cd /tmp && sha256sum {name}")
        while name == "64M" and not job.done and "cwnd:" not in sockets:
            sockets = lab.node.sh("ss -Htin state established sport = :80")
        rc, out = job.wait(180)
        took = time.monotonic() - start
        say(f"   client#  curl http://{NODE_EXT}/{name:4s} {size:>9,} bytes  {took:5.1f} s")
        if rc:
            raise Mismatch(f"curl of {name} ended with {rc}: {out}")
        check_sums({name: sums[name]}, out, "curl on the client")
        rows.append((name, size, took))
    if "cwnd:" not in sockets:
        raise Mismatch(f"ss -ti on the node showed no TCP connection during the transfer:\n{sockets}")
    say("\n   While that ran, the real TCP connection, on the node:")
    say("   node#    ss -ti sport = :80")
    for line in sockets.splitlines()[:2]:
        say(f"            {' '.join(line.split())[:150]}")
    own = lab.host.sh("ss -Htan state established | wc -l").strip()
    say(f"   host#    ss -ta: {own} connections in the host's own TCP")
    if own != "0":
        raise Mismatch("the host's own TCP has connections")
    shown(lab.host, "kill $(cat /tmp/nginx.pid)", "kill nginx")
    lab.host.until("! pgrep -f '[n]ginx: '", what="nginx to end")
    return workers, rows


def fetch(lab, sums):
    """A server on the client; curl and python3 on the host."""
    step("The other way round: curl and python3 on the host, a web server on the client")
    lab.client.bg(f"cd /mnt/build/demo/www && exec python3 -m http.server --bind {CLIENT_EXT} 8080")
    lab.client.until(f"curl -sfo /dev/null http://{CLIENT_EXT}:8080/1K", what="the server on the client")
    names = " ".join(FILES)
    start = time.monotonic()
    out = shown(lab.host, f"cd /tmp && rm -rf got && mkdir got && userland memnet-run curl -sf --remote-name-all --output-dir /tmp/got "
                f"http://{CLIENT_EXT}:8080/{{{','.join(FILES)}}} && cd got && sha256sum {names} && rm -rf /tmp/got",
                f"memnet-run curl http://{CLIENT_EXT}:8080/{{{','.join(FILES)}}}", timeout=240)
    check_sums(sums, out, "curl on the host")
    say(f"            checksums equal, {time.monotonic() - start:.1f} s with them")
    lab.host.put("/tmp/fetch.py", PYTHON)
    start = time.monotonic()
    out = shown(lab.host, f"userland memnet-run python3 /tmp/fetch.py {CLIENT_EXT} {names}",
                "memnet-run python3 fetch.py     (urllib)", timeout=240)
    check_sums(sums, out, "python3 on the host")
    say(f"            checksums equal, {time.monotonic() - start:.1f} s with them")


def judge(watch):
    """The counters of both sides tell the same story."""
    h, n = watch.host, watch.node
    # nginx: a connection for each file; curl and python3 fetch all files, python3 on a connection each
    watch.proves(connects=1 + len(FILES), accepts=len(FILES))
    for what in ("connects", "accepts"):
        if h[f"host.{what}"] != n[f"tcps.{what}"]:
            raise Mismatch(f"{what}: the host counted {h[f'host.{what}']}, the node {n[f'tcps.{what}']}")
    for name in ("core.protocol_errors", "host.link_deaths"):
        if h[name] or n[name]:
            raise Mismatch(f"{name} grew: host {h[name]}, node {n[name]}")


def summary(lab, workers, rows, watch, took):
    h, n = watch.host, watch.node
    total = sum(FILES.values())
    mib = 1 << 20
    say("\n" + "=" * 88)
    say(PICTURE.strip("\n"))
    say(f"""
   nginx ({workers} workers, sendfile) -> curl    {len(rows)} files, {total / mib:.0f} MiB, checksums equal
   web server -> curl                     {len(rows)} files, {total / mib:.0f} MiB, checksums equal
   web server -> python3                  {len(rows)} files, {total / mib:.0f} MiB, checksums equal

   the counters                           host's kernel    node's kernel
   connections accepted for nginx         {h['host.accepts']:13,}    {n['tcps.accepts']:13,}
   connections opened for curl, python3   {h['host.connects']:13,}    {n['tcps.connects']:13,}
   sockets left to the host's own TCP     {h['host.native_delegations']:13,}
   bytes sent by nginx, no copy           {h['host.spliced_bytes']:13,}    {n['tcps.tx_spliced_bytes']:13,}
   bytes sent by copy                     {h['host.copied_from_user_bytes']:13,}    {n['tcps.tx_copied_bytes']:13,}
   bytes received, copied on the host     {h['host.copied_to_user_bytes']:13,}
   bytes passed on from TCP's buffers                      {n['tcps.rx_fragment_bytes']:13,}

   All is well: {h['host.accepts'] + h['host.connects']} connections offloaded. {took:.0f} s on Linux {lab.kernel.release},
   two virtual machines without hardware acceleration: speed is not what is shown here.""")
    say("=" * 88)


def run():
    start = time.monotonic()
    say(f"MemNet: the sockets of one machine served by the TCP of another.\n{PICTURE}")
    step(f"Building for Linux {KERNEL} (the first time, everything needed is fetched: some minutes)")
    modules.build(KERNEL)
    modules.build_user()
    sums = make_site()
    step("Booting two virtual machines and a client")
    with Lab(kernel=KERNEL) as lab:
        say(f"   host up after {lab.host.boot_s:.0f} s, node after {lab.node.boot_s:.0f} s")
        load(lab)
        with offload.Watch(lab) as watch:
            workers, rows = serve(lab, sums)
            fetch(lab, sums)
        offload.idle(lab)
        judge(watch)
        lab.unload_modules()
        lab.check_consoles()
        summary(lab, workers, rows, watch, time.monotonic() - start)


def main():
    try:
        run()
    except (Mismatch, LabError, AssertionError) as e:
        say(f"\nThe demo failed: {e}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
