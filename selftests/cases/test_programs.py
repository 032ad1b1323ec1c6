# SPDX-License-Identifier: GPL-2.0
"""Unmodified programs under memnet-run: nginx, curl, python3, redis; and what is to stay native.

The programs run natively on the node first, against the same client: what fails there is not ours.
"""
import time

from selftests.cases import offload
from selftests.lab.lab import CLIENT_EXT, CLIENT_EXT6, NODE_EXT, NODE_EXT6

SIZES = {"1K": 1 << 10, "8K": 8 << 10, "1M": 1 << 20, "16M": 16 << 20}
RUN = "userland memnet-run"
NATIVE = "userland"

NGINX = """
user www-data;
worker_processes 4;
pid /tmp/nginx/pid;
error_log /tmp/nginx/error.log info;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 65;
    default_type application/octet-stream;
    client_body_temp_path /tmp/nginx/body;
    proxy_temp_path /tmp/nginx/proxy;
    fastcgi_temp_path /tmp/nginx/fastcgi;
    uwsgi_temp_path /tmp/nginx/uwsgi;
    scgi_temp_path /tmp/nginx/scgi;
    server {
        listen 80 backlog=511;
        listen [::]:80;
        listen 8081;
        root /tmp/www;
    }
}
"""

# four threads, a connection for each request; SIGTERM ends it in good order
FETCH = """
import http.client, signal, sys, threading
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
good, bad, stop = [], [], threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
def work():
    for i in range(count):
        if stop.is_set():
            break
        try:
            c = http.client.HTTPConnection(host, port, timeout=30)
            c.request("GET", "/8K")
            body = c.getresponse().read()
            c.close()
            (good if len(body) == 8192 else bad).append(len(body))
        except Exception as e:
            bad.append(repr(e))
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(f"fetched good={len(good)} bad={len(bad)}", *bad[:5])
sys.exit(bool(bad))
"""


def setup(lab):
    offload.up(lab)
    for place in (lab.host, lab.node, lab.client):
        place.sh("mkdir -p /tmp/www /tmp/nginx && cd /tmp/www && chmod 755 . /tmp/nginx")
        place.put("/tmp/nginx.conf", NGINX)
        place.put("/tmp/fetch.py", FETCH)
    for name, size in SIZES.items():        # the same bytes everywhere
        for place in (lab.host, lab.node, lab.client):
            place.sh(f"{'' if place is lab.client else NATIVE} openssl enc -aes-128-ctr -nosalt -pass pass:memnet -md sha256 "
                     f"-in /dev/zero 2>/dev/null | head -c {size} >/tmp/www/{name}", timeout=120)


def sums(place, folder="/tmp/www"):
    return place.sh(f"cd {folder} && sha256sum {' '.join(SIZES)}", timeout=120)


class Nginx:
    """nginx on a guest in a with block."""

    def __init__(self, vm, run, address=NODE_EXT):
        self.vm, self.run, self.address = vm, run, address

    def __enter__(self):
        self.vm.sh(f"{self.run} nginx -c /tmp/nginx.conf", timeout=90)
        self.vm.until("[ $(pgrep -c -f '[n]ginx: worker') = 4 ]", what="four workers")
        return self

    def reload(self):
        before = set(self.workers())
        self.vm.sh(f"{self.run} nginx -c /tmp/nginx.conf -s reload", timeout=60)
        self.vm.until(f"n=0; for p in $(pgrep -f '[n]ginx: worker process$'); do case ' {' '.join(before)} ' in *\" $p \"*) ;; "
                      "*) n=$((n + 1)) ;; esac; done; [ $n = 4 ]", timeout=60, what="new workers")

    def workers(self):
        return self.vm.sh("pgrep -f '[n]ginx: worker process$' || :").split()

    def __exit__(self, *_):
        self.vm.sh("kill $(cat /tmp/nginx/pid)", check=False)
        self.vm.until("! pgrep -f '[n]ginx: '", timeout=60, what="nginx to end")


def download(lab, address):
    """All files by curl on the client, one connection each; equal to what is served."""
    for name in SIZES:
        lab.client.sh(f"mkdir -p /tmp/got && curl -sSf -o /tmp/got/{name} http://{address}/{name}", timeout=120)
    assert sums(lab.client, "/tmp/got") == sums(lab.client)


def each(lab, test, **counts):
    """A test with (guest, runner): natively on the node, then over AF_MEMNET on the host."""
    test(lab.node, NATIVE)
    with offload.Watch(lab) as w:
        note = test(lab.host, RUN)
    w.proves(**counts)
    offload.idle(lab)
    return f"{note or ''} {w}".strip()


def test_the_files_are_the_same_everywhere(lab):
    assert sums(lab.host) == sums(lab.node) == sums(lab.client)


def test_nginx_serves_curl(lab):
    def test(vm, run):
        with Nginx(vm, run):
            download(lab, NODE_EXT)
            download(lab, f"[{NODE_EXT6}]")
    return each(lab, test, accepts=2 * len(SIZES))


def test_nginx_keeps_connections_open(lab):
    """wrk: 16 connections, as many requests as there is time for."""
    def test(vm, run):
        with Nginx(vm, run):
            out = lab.client.sh(f"wrk -t 2 -c 16 -d 4s http://{NODE_EXT}:80/8K", timeout=60)
        assert "Socket errors" not in out and "Non-2xx" not in out, out
        return next(l for l in out.splitlines() if "Requests/sec" in l).strip()
    return each(lab, test, accepts=16)


def test_nginx_reloads_under_load(lab):
    """New workers take over the listening sockets, the old ones end: not a request fails."""
    def test(vm, run):
        with Nginx(vm, run) as nginx:
            load = lab.client.bg(f"echo $$ >/tmp/fetch.pid; exec python3 /tmp/fetch.py {NODE_EXT} 80 100000")
            time.sleep(1)
            for _ in range(2):
                nginx.reload()
                time.sleep(1)
            lab.client.sh("kill $(cat /tmp/fetch.pid)")
            rc, out = load.wait(60)
            assert rc == 0 and offload.summary(out, "fetched")["good"] > 20, out
        return f"2 reloads, {out.strip()}"
    return each(lab, test, accepts=20)


def test_curl_and_python_on_the_host(lab):
    server = lab.client.bg("cd /tmp/www && exec python3 -m http.server --bind :: 8000")
    lab.client.until("curl -sfo /dev/null http://localhost:8000/1K", what="the server on the client")

    def test(vm, run):
        for url in (f"http://{CLIENT_EXT}:8000", f"http://[{CLIENT_EXT6}]:8000"):
            vm.sh(f"{run} curl -sSf --create-dirs --remote-name-all --output-dir /tmp/got '{url}/{{{','.join(SIZES)}}}'", timeout=120)
            assert sums(vm, "/tmp/got") == sums(lab.client)
            vm.sh("rm -rf /tmp/got")
        out = vm.sh(f"{run} python3 /tmp/fetch.py {CLIENT_EXT} 8000 5", timeout=120)
        assert offload.summary(out, "fetched")["good"] == 20, out
    try:
        return each(lab, test, connects=2 + 20)
    finally:
        server.kill()


def test_redis(lab):
    """A server on the guest, redis-cli and redis-benchmark on the client; then the other way round."""
    def test(vm, run):
        vm.sh(f"{run} redis-server --bind 0.0.0.0 --port 6379 --save '' --protected-mode no --daemonize yes", timeout=60)
        lab.client.until(f"redis-cli -h {NODE_EXT} ping | grep -q PONG", what="redis")
        out = lab.client.sh(f"redis-benchmark -h {NODE_EXT} -q -n 1000 -c 20 -P 4 -t set,get,lpush,lrange_100", timeout=120)
        assert "SET:" in out and "rror" not in out, out
        lab.client.sh(f"redis-cli -h {NODE_EXT} shutdown nosave", check=False)
        vm.until("! pgrep -x redis-server", what="redis to end")
        lab.client.sh("redis-server --bind 0.0.0.0 --port 6380 --save '' --protected-mode no --daemonize yes")
        try:
            cli = f"{run} redis-cli -h {CLIENT_EXT} -p 6380"
            vm.until(f"{cli} ping | grep -q PONG", what="redis on the client")
            vm.sh(f"{run} redis-benchmark -h {CLIENT_EXT} -p 6380 -q -n 1000 -c 20 -t set,get", timeout=120)
            assert vm.sh(f"{cli} set a b && {cli} get a").split() == ["OK", "b"]
        finally:
            lab.client.sh("redis-cli -p 6380 shutdown nosave", check=False)
    return each(lab, test, connects=20, accepts=20)


# --- what stays native ------------------------------------------------------------------------------


def test_loopback_stays_on_the_host(lab):
    """The host's own programs reach its nginx by 127.0.0.1 and ::1, offloaded or not."""
    with Nginx(lab.host, RUN), offload.Watch(lab) as w:
        for run in (NATIVE, RUN):
            for address in ("127.0.0.1", "[::1]"):
                lab.host.sh(f"{run} curl -sSf -o /tmp/got http://{address}/1M && cmp /tmp/got /tmp/www/1M", timeout=60)
    # two curls delegated, and four connections that nginx accepted on its native listeners
    w.proves(native=2 + 4)
    assert not w.host["host.connects"] and not w.host["host.accepts"] and not w.node["tcps.connects"], str(w)
    return str(w)


def test_excluded_ports_stay_native(lab):
    """nginx offloads port 80 and keeps 8081, by option, environment and file."""
    with Nginx(lab.host, f"{RUN} -p 8080-8090"):
        lab.client.sh(f"curl -sSfo /dev/null http://{NODE_EXT}/1K")
        assert lab.client.sh(f"curl -s --max-time 10 http://{NODE_EXT}:8081/1K", check=False)[0] == 7, "8081 was offloaded"
        listening = lab.host.sh("ss -Htln sport = :8081")
        assert "8081" in listening, "nobody listens natively on 8081"
        lab.host.sh(f"{NATIVE} curl -sSfo /dev/null http://127.0.0.1:8081/1K")
    for how in (f"MEMNET_NATIVE_PORTS=8000 {RUN}",
                "mkdir -p /tmp/conf/memnet && echo 'native-ports = 7999-8001' >/tmp/conf/memnet/run.conf && "
                f"XDG_CONFIG_HOME=/tmp/conf {RUN}"):
        with offload.Watch(lab) as w:
            rc, out = lab.host.sh(f"{how} curl -sS --max-time 10 http://{CLIENT_EXT}:8000/", check=False)
        # the host has no route to the client: natively there is no way
        assert rc and w.host["host.connects"] == 0 and w.host["host.native_delegations"] == 1, (rc, out, str(w))


def test_excluded_programs_stay_native(lab):
    with offload.Watch(lab) as w:
        for how in (f"{RUN} -x curl sh -c 'curl", f"MEMNET_NATIVE_PROGRAMS=wget,curl {RUN} sh -c 'curl",
                    f"MEMNET_OFF=1 {RUN} sh -c 'curl"):
            rc, out = lab.host.sh(f"{how} -sS --max-time 5 http://{CLIENT_EXT}:4242/'", check=False)
            assert rc, out
    assert w.host["host.connects"] == 0 and w.host["host.native_delegations"] == 0, str(w)
    with offload.Watch(lab) as w:
        lab.host.sh(f"echo 'source 10 1' | {RUN} -x curl sh -c 'nc -w 5 {CLIENT_EXT} 4242 >/dev/null'")
    w.proves(connects=1)


def test_memnet_run_says_what_is_wrong(lab):
    for command, code, text in (("memnet-run", 125, "no program"), ("memnet-run -p 80- true", 125, "80-"),
                                ("memnet-run /no/such", 127, "/no/such"), ("memnet-run -p 0 true", 125, "0"),
                                ("memnet-run /etc/passwd", 126, "/etc/passwd")):
        rc, out = lab.host.sh(f"userland {command}", check=False)
        assert rc == code and text in out, f"[{command}] {rc}: {out}"


test_nginx_serves_curl.rows = ["program.nginx"]
test_nginx_keeps_connections_open.rows = ["program.nginx.keepalive"]
test_nginx_reloads_under_load.rows = ["program.nginx.reload"]
test_curl_and_python_on_the_host.rows = ["program.curl", "program.python"]
test_redis.rows = ["program.redis"]
