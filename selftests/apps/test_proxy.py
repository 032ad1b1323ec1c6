# SPDX-License-Identifier: GPL-2.0
"""HAProxy between the client and the client: what it accepts and what it connects is offloaded, spliced from one to the
other, and its listening sockets pass from one process to the next. And more of nginx than make check has: a worker that
is killed, TLS by OpenSSL and by the kernel."""
import re
import time

from selftests.apps import app
from selftests.apps.app import CLIENT_EXT, NODE_EXT, Skip
from selftests.cases import offload
from selftests.lab.vm import CPU

# HAProxy executes cmpxchg16b without asking; the kernel, for which QEMU does not do it well (lab/vm.py), is told not to
LAB = dict(app.LAB, qemu=("-cpu", CPU.replace(",-cx16", "") + ",la57=off"), append="clearcpuid=cx16")

HAPROXY = f"""
global
    maxconn 200
    nbthread 2
    hard-stop-after 30s
    stats socket /tmp/haproxy.sock mode 600 level admin expose-fd listeners
defaults
    timeout connect 30s
    timeout client 60s
    timeout server 60s
    option splice-auto
    option splice-request
    option splice-response
frontend tcp
    mode tcp
    bind :8100
    default_backend tcp
backend tcp
    mode tcp
    server client {CLIENT_EXT}:8000
frontend http
    mode http
    bind :8101
    default_backend http
backend http
    mode http
    server client {CLIENT_EXT}:8000
"""

NGINX = f"""
user www-data;
worker_processes 3;
daemon off;
pid /tmp/nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    default_type application/octet-stream;
    client_body_temp_path /tmp/nginx-body;
    proxy_temp_path /tmp/nginx-proxy;
    fastcgi_temp_path /tmp/nginx-fastcgi;
    uwsgi_temp_path /tmp/nginx-uwsgi;
    scgi_temp_path /tmp/nginx-scgi;
    root {app.WWW};
    server {{ listen 8080; }}
    server {{
        listen 8443 ssl;
        ssl_certificate /tmp/tls.crt;
        ssl_certificate_key /tmp/tls.key;
        ssl_conf_command Options -KTLS;
    }}
    server {{
        listen 8444 ssl;
        ssl_certificate /tmp/tls.crt;
        ssl_certificate_key /tmp/tls.key;
        ssl_protocols TLSv1.2;
        ssl_ciphers ECDHE+AESGCM;
        ssl_conf_command Options KTLS;
    }}
    server {{
        listen 8445 ssl;
        ssl_certificate /tmp/tls.crt;
        ssl_certificate_key /tmp/tls.key;
        ssl_protocols TLSv1.3;
        ssl_conf_command Options KTLS;
    }}
}}
"""


def setup(lab):
    lab.node.sh("modprobe tls")
    app.setup(lab, tcps="options=tls")
    lab.client.sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=memnet -days 30 "
                  "-keyout /tmp/tls.key -out /tmp/tls.crt 2>/dev/null")
    for vm in lab.guests:
        vm.put("/tmp/haproxy.cfg", HAPROXY)
        vm.put("/tmp/nginx.conf", NGINX)
        for name in ("tls.key", "tls.crt"):
            vm.put(f"/tmp/{name}", lab.client.sh(f"cat /tmp/{name}"))


class Haproxy:
    """HAProxy as a daemon in a with block."""

    def __init__(self, side):
        self.side = side

    def start(self, more=""):
        self.side.sh(f"haproxy -D -f /tmp/haproxy.cfg -p /tmp/haproxy.pid {more}")

    def __enter__(self):
        self.start()
        return self

    def pid(self):
        return self.side.vm.sh("cat /tmp/haproxy.pid").strip()

    def sockets(self, pid):
        return set(re.findall(r"socket:\[\d+\]", self.side.vm.sh(f"ls -l /proc/{pid}/fd", check=False)[1]))

    def info(self):
        out = self.side.tool("sh -c 'echo show info | socat - /tmp/haproxy.sock'")
        return dict(l.split(": ", 1) for l in out.splitlines() if ": " in l)

    def reload(self):
        """A new process takes the listening sockets from the old one, which ends when its connections have."""
        old, before = self.pid(), self.sockets(self.pid())
        self.start(f"-x /tmp/haproxy.sock -sf {old}")
        new = self.pid()
        assert new != old
        passed = before & self.sockets(new)
        assert len(passed) >= 2, f"the listening sockets were not passed on: {before} {self.sockets(new)}"

    def __exit__(self, *_):
        self.side.vm.sh("kill $(pidof haproxy)", check=False)
        self.side.vm.until("! pidof haproxy", timeout=60, what="HAProxy to end")


def test_haproxy(lab):
    def test(side):
        with Haproxy(side) as haproxy:
            good = sum(app.load(lab.client, "http", port, threads=4, count=12)["good"] for port in (8100, 8101))
            info = haproxy.info()
            pipes = int(info["PipesUsed"]) + int(info["PipesFree"])
            assert pipes, f"nothing was spliced: {info}"
            took = [app.latency(lab.client, "http", port) for port in (8101, 8100)]
            return took[0], f"{good} requests, {pipes} pipes; by TCP alone {took[1]} us"
    with app.Served(lab, app.WWW):
        return app.each(lab, test, accepts=2 * (4 + 12) + 2, connects=2 * (4 + 12) + 2)


def test_haproxy_reloads_under_load(lab):
    """Not a request fails while one process takes over from the other, twice."""
    def test(side):
        with Haproxy(side) as haproxy:
            # connections that are not kept: a reload ends those that idle
            busy = lab.client.bg(f"exec {app.LOAD} http {NODE_EXT} 8100 --threads 3 --pid /tmp/load.pid")
            time.sleep(1)
            for _ in range(2):
                haproxy.reload()
                time.sleep(1)
            lab.client.sh("kill $(cat /tmp/load.pid)")
            rc, out = busy.wait(90)
            got = offload.summary(out, "load")
            assert rc == 0 and got["good"] > 10, out
            app.load(lab.client, "http", 8101, threads=2, count=4)
            return None, f"{got['good']} requests, 2 reloads"
    with app.Served(lab, app.WWW):
        return app.each(lab, test, accepts=3, connects=3)


def test_nginx_loses_a_worker(lab):
    """kill -9 under load: only what that worker had under way is lost, and the next one serves."""
    threads = 4

    def test(side):
        with app.Running(side, "nginx -c /tmp/nginx.conf", 8080):
            side.vm.until("[ $(pgrep -c -f '[n]ginx: worker process$') = 3 ]", what="three workers")
            busy = lab.client.bg(f"exec {app.LOAD} http {NODE_EXT} 8080 --threads {threads} --pid /tmp/load.pid")
            kills = 3
            for _ in range(kills):
                time.sleep(1)
                side.vm.sh("kill -9 $(pgrep -o -f '[n]ginx: worker process$')")
                side.vm.until("[ $(pgrep -c -f '[n]ginx: worker process$') = 3 ]", what="a new worker")
            time.sleep(1)
            lab.client.sh("kill $(cat /tmp/load.pid)")
            _, out = busy.wait(90)
            got = offload.summary(out, "load")
            # a kept connection, and one under way besides
            assert got["good"] > 10 and got["bad"] <= 2 * threads * kills, out
            app.load(lab.client, "http", 8080, threads=4, count=8)
            return app.latency(lab.client, "http", 8080), f"{got['good']} requests, {got['bad']} of them lost with {kills} workers"
    return app.each(lab, test, accepts=8)


def test_nginx_tls(lab):
    """TLS by OpenSSL in the worker, not by the kernel."""
    def test(side):
        with app.Running(side, "nginx -c /tmp/nginx.conf", 8443):
            got = app.load(lab.client, "http", 8443, threads=4, count=10, tls=True)
            return app.latency(lab.client, "http", 8443, tls=True), f"{got['good']} requests"
    return app.each(lab, test, accepts=4 + 8)


def test_nginx_ktls(lab):
    """TLS by the kernel, which is the node's both times: nginx hands it the keys, and sends files by sendfile()."""
    if lab.kernel.name == "6.1":
        raise Skip("not on this kernel")

    def count(name):
        return int(dict(l.split() for l in lab.node.sh("cat /proc/net/tls_stat").splitlines())[name])

    def test(side):
        before = {n: count(n) for n in ("TlsTxSw", "TlsRxSw")}
        with app.Running(side, "nginx -c /tmp/nginx.conf", 8443):
            good = sum(app.load(lab.client, "http", port, threads=4, count=10, tls=True)["good"] for port in (8444, 8445))
            took = app.latency(lab.client, "http", 8444, tls=True)
        grown = {n: count(n) - was for n, was in before.items()}
        # with TLS 1.3 OpenSSL 3.0 leaves what comes to itself
        assert grown["TlsTxSw"] >= 8 + 1 and grown["TlsRxSw"] >= 4 + 1, f"not the kernel's: {grown}"
        return took, f"{good} requests, {grown['TlsTxSw']} connections encrypted by the node's kernel"
    return app.each(lab, test, accepts=8 + 1)


app.bounds(globals(), 300)
