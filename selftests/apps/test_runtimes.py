# SPDX-License-Identifier: GPL-2.0
"""Web servers in the runtimes of Node.js (libuv: epoll) and Java (channels and selectors of java.nio)."""
from selftests.apps import app

LAB = dict(app.LAB, mem={"host": 1536, "node": 1536})


def setup(lab):
    app.setup(lab)


def served(side, command, port):
    with app.Running(side, command, port):
        got = app.load(side.client, "http", port, threads=8, count=8)
        return app.latency(side.client, "http", port), f"{got['good']} requests"


def test_node(lab):
    app.needs(lab, "Node.js", 400)

    def test(side):
        return served(side, f"node --max-old-space-size=64 {app.HERE}/server.js 8004 {app.WWW}", 8004)
    return app.each(lab, test, accepts=8 * 2)


def test_java(lab):
    """Compiled on the client, where that takes a second."""
    app.needs(lab, "Java", 500)
    lab.client.sh(f"rm -rf /tmp/java; ecj -17 -proc:none -d /tmp/java {app.HERE}/Server.java", timeout=120)
    classes = lab.client.sh("cd /tmp/java; ls").split()
    for vm in lab.guests:
        vm.sh("mkdir -p /tmp/java")
        for name in classes:
            app.copy(lab.client, vm, f"/tmp/java/{name}")

    def test(side):
        return served(side, "java -Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dsun.net.httpserver.nodelay=true -cp /tmp/java "
                            f"Server 8005 {app.WWW}", 8005)
    return app.each(lab, test, accepts=8 * 2)


app.bounds(globals(), 400)
