# SPDX-License-Identifier: GPL-2.0
"""The web servers that are measured, and httperf, the client's program that asks them.

    web.files(lab)
    with web.Example(vm, "memnet") as server:
        web.httperf(lab, server, "/8K", "--num-conns 100 --rate 200")
"""
import re
import time

from bench.bed import APP, mask
from selftests.lab.cache import LabError
from selftests.lab.lab import NODE_EXT

K = 1 << 10
FOLDER = "/tmp/bench"
SIZES = {"1K": K, "8K": 8 * K, "64K": 64 * K}

NGINX = f"""
user root;
worker_processes 1;
pid {FOLDER}/nginx.pid;
error_log {FOLDER}/nginx.error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 65;
    keepalive_requests 1000000;
    default_type application/octet-stream;
    client_body_temp_path {FOLDER}/body;
    proxy_temp_path {FOLDER}/proxy;
    fastcgi_temp_path {FOLDER}/fastcgi;
    uwsgi_temp_path {FOLDER}/uwsgi;
    scgi_temp_path {FOLDER}/scgi;
    server {{
        listen 8091 backlog=1024;
        root {FOLDER}/files;
    }}
}}
"""


def files(lab):
    """What is served, of these sizes, in both guests."""
    for vm in lab.guests:
        vm.sh(f"mkdir -p {FOLDER}/files")
        vm.put(f"{FOLDER}/nginx.conf", NGINX)
        for name, size in SIZES.items():
            vm.sh(f"head -c {size} /dev/urandom >{FOLDER}/files/{name}")


class Server:
    """A server on APP of a guest, in a with block; pids are those of its processes."""

    port, pids = None, ()

    def __init__(self, vm):
        self.vm = vm

    def sleeps(self):
        """How often its threads have been put to sleep so far."""
        status = " ".join(f"/proc/{pid}/task/*/status" for pid in self.pids)
        rows = self.vm.sh(f"grep -h ^voluntary_ctxt_switches: {status}").splitlines()
        return sum(int(row.split()[1]) for row in rows)


class Example(Server):
    """A build of ours (bench/webserver)."""

    port = 8090

    def __init__(self, vm, build):
        super().__init__(vm)
        self.command = f"webserver-{build}"

    def __enter__(self):
        self.job = self.vm.bg(f"exec taskset {mask(APP)} {self.command} -p {self.port} {FOLDER}/files")
        end = time.monotonic() + 30
        while "serving" not in self.job.output():
            if self.job.done or time.monotonic() > end:
                raise LabError(f"{self.command} does not serve: {self.job.output()}")
            time.sleep(0.1)
        self.pids = self.vm.sh(f"pgrep -x {self.command[:15]}").split()
        return self

    def __exit__(self, *_):
        self.job.kill()
        self.job.wait(20)


class Nginx(Server):
    """Debian's nginx, one worker, as it is or by memnet-run."""

    port = 8091

    def __init__(self, vm, offloaded):
        super().__init__(vm)
        self.run = "userland memnet-run" if offloaded else "userland"

    def __enter__(self):
        self.vm.sh(f"exec taskset {mask(APP)} {self.run} nginx -c {FOLDER}/nginx.conf", timeout=90)
        self.pids = self.vm.until("pgrep -f '[n]ginx: worker'", what="its worker").split()
        return self

    def __exit__(self, *_):
        self.vm.sh(f"kill $(cat {FOLDER}/nginx.pid)", check=False)
        self.vm.until("! pgrep -f '[n]ginx: '", timeout=60, what="nginx to end")


def httperf(lab, server, uri, words, times=1, timeout=120):
    """
    What httperf says of a load, of all of so many one after another: replies, good ones only; how long it took, in ms; errors.
    Words are its own.
    """
    command = f"httperf --hog --server {NODE_EXT} --port {server.port} --uri /{uri} --timeout 10 {words}"
    return parsed(lab.client.sh(f"i=0; while [ $i -lt {times} ]; do {command} || exit; i=$((i + 1)); done", timeout=timeout), times)


SAYS = {"replies": r"^Reply status: .*\b2xx=(\d+)", "seconds": r"^Total: .* test-duration ([\d.]+) s", "errors": r"^Errors: total (\d+)"}


def parsed(said, times=1):
    found = {what: re.findall(pattern, said, re.M) for what, pattern in SAYS.items()}
    if any(len(numbers) != times for numbers in found.values()):
        raise LabError(f"httperf says\n{said[-2000:]}")
    return {"replies": sum(map(int, found["replies"])), "errors": sum(map(int, found["errors"])),
            "ms": round(1000 * sum(map(float, found["seconds"])))}
