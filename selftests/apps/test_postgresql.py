# SPDX-License-Identifier: GPL-2.0
"""PostgreSQL: a process for each connection; pgbench, COPY both ways, and a request to cancel, by a connection of its own."""
import hashlib
import statistics
import time

from selftests.apps import app
from selftests.apps.app import NODE_EXT

LAB = app.LAB
BIN = "/usr/lib/postgresql/15/bin"
PORT = 5432
PSQL = f"psql -X -q -v ON_ERROR_STOP=1 -h {NODE_EXT} -p {PORT} -U postgres postgres"
ROWS = 150000

CONFIG = f"""
data_directory = '/tmp/pg/data'
hba_file = '/tmp/pg/hba'
ident_file = '/tmp/pg/ident'
listen_addresses = '*'
port = {PORT}
unix_socket_directories = '/tmp/pg'
ssl = off
fsync = off
jit = off
shared_buffers = 16MB
max_connections = 20
autovacuum = off
"""


def setup(lab):
    app.setup(lab)
    for vm in lab.guests:
        # what Debian has made in the root is as good as a new one, for which initdb takes a minute here
        vm.sh("mkdir -p /tmp/pg; echo 'host all all all trust' >/tmp/pg/hba; touch /tmp/pg/ident")
        vm.sh("userland cp -a /var/lib/postgresql/15/main /tmp/pg/data", timeout=120)
        vm.put("/tmp/pg/config", CONFIG)
        vm.sh("userland chown -R postgres:postgres /tmp/pg")


class Postgres(app.Running):
    """The server as its own user; SIGINT: an orderly end that waits for nobody."""

    def __init__(self, side):
        as_user = "setpriv --reuid=postgres --regid=postgres --clear-groups"
        super().__init__(side, f"{BIN}/postgres -c config_file=/tmp/pg/config", PORT, sig=app.signal.SIGINT,
                         run=side.run.replace("userland", f"userland {as_user}", 1))

    def __enter__(self):
        super().__enter__()
        self.side.client.until(f"{PSQL} -c 'select 1'", timeout=self.side.patience(60), what="PostgreSQL")
        return self

    def sql(self, text, **more):
        return self.side.client.sh(f"{PSQL} -A -t -c \"{text}\"", timeout=self.side.patience(120), **more).strip()


def test_pgbench(lab):
    app.needs(lab, "PostgreSQL", 300)

    def test(side):
        with Postgres(side) as pg:
            bench = f"{BIN}/pgbench -h {NODE_EXT} -p {PORT} -U postgres"
            side.client.sh(f"{bench} -i -s 1 -q postgres", timeout=side.patience(180))
            out = side.client.sh(f"{bench} -n -c 4 -j 2 -T 10 postgres", timeout=side.patience(120))
            assert "failed transactions: 0 (" in out, out
            done = int(next(l for l in out.splitlines() if "transactions actually processed" in l).split()[-1])
            sums = [pg.sql(q) for q in ("select sum(abalance) from pgbench_accounts", "select sum(tbalance) from pgbench_tellers",
                                        "select sum(bbalance) from pgbench_branches", "select sum(delta) from pgbench_history")]
            assert len(set(sums)) == 1 and int(pg.sql("select count(*) from pgbench_history")) == done > 0, (sums, out)
            side.client.put("/tmp/one.sql", "\\timing on\n" + "select repeat('x', 1024);\n" * app.REQUESTS)
            out = side.client.sh(f"{PSQL} -A -t -f /tmp/one.sql", timeout=side.patience(60))
            times = [float(l.split()[1]) for l in out.splitlines() if l.startswith("Time:")]
            assert len(times) == app.REQUESTS
            return round(statistics.median(times) * 1000), f"{done} transactions by 4 clients in 10 s"
    return app.each(lab, test, accepts=2 + 4 + 5 + 1)


def test_copy_and_cancel(lab):
    app.needs(lab, "PostgreSQL", 300)
    rows = "".join(f"{i}\t{hashlib.md5(str(i).encode()).hexdigest() * 2}\n" for i in range(ROWS))
    lab.client.sh(f"python3 -c 'import hashlib\nfor i in range({ROWS}): "
                  "print(i, hashlib.md5(str(i).encode()).hexdigest() * 2, sep=\"\\t\")' >/tmp/rows")
    assert lab.client.sh("sha256sum </tmp/rows").split()[0] == hashlib.sha256(rows.encode()).hexdigest()

    def test(side):
        with Postgres(side) as pg:
            pg.sql("drop table if exists r; create unlogged table r (i int, t text)")
            side.client.sh(f"{PSQL} -c 'copy r from stdin' </tmp/rows", timeout=side.patience(180))
            side.client.sh(f"{PSQL} -c 'copy r to stdout' >/tmp/rows.got", timeout=side.patience(180))
            side.client.sh("cmp /tmp/rows /tmp/rows.got")
            waiting = side.client.bg(f"exec {PSQL} -c 'select pg_sleep(600)'")
            side.client.until(f"{PSQL} -A -t -c \"select count(*) from pg_stat_activity where query = 'select pg_sleep(600)' "
                              "and wait_event = 'PgSleep'\" | grep -qx 1", what="the one that sleeps")
            t = time.monotonic()
            side.client.sh("pkill -INT -x psql")
            rc, out = waiting.wait(side.patience(30))
            assert rc and "canceling statement due to user request" in out, (rc, out)
            return None, f"{len(rows)} bytes in and out; a query cancelled in {time.monotonic() - t:.2f} s"
    return app.each(lab, test, accepts=4 + 2)


app.bounds(globals(), 400)
