# SPDX-License-Identifier: GPL-2.0
"""memcached and redis: values of all sizes by several clients, each compared; redis forks and comes back meanwhile."""
from selftests.apps import app
from selftests.apps.app import NODE_EXT

LAB = app.LAB


def setup(lab):
    app.setup(lab)


def test_memcached(lab):
    def test(side):
        with app.Running(side, "memcached -u root -U 0 -m 64 -c 100 -t 2 -p 11211", 11211):
            got = app.load(lab.client, "memcached", 11211, threads=6, count=40)
            return app.latency(lab.client, "memcached", 11211), f"{got['good']} rounds"
    return app.each(lab, test, accepts=6 + 1)


def test_redis_saves_under_load(lab):
    """BGSAVE forks while clients write; a second redis starts from what it has written."""
    def test(side):
        side.vm.sh("rm -rf /tmp/redis; mkdir /tmp/redis")
        command = "redis-server --bind 0.0.0.0 --port 6379 --save '' --protected-mode no --dir /tmp/redis --maxmemory 256mb"
        with app.Running(side, command, 6379):
            first = app.load(lab.client, "redis", 6379, threads=4, count=10)
            busy = lab.client.bg(f"redis-benchmark -h {NODE_EXT} -q -n 100000000 -c 10 -P 16 -r 1000 -t set,get")
            try:
                for _ in range(2):
                    side.client.sh(f"redis-cli -h {NODE_EXT} bgsave")
                    app.load(lab.client, "redis", 6379, threads=4, count=10)
                    side.client.until(f"redis-cli -h {NODE_EXT} info persistence | tr -d '\\r' | grep -x rdb_bgsave_in_progress:0",
                                      timeout=side.patience(60), what="the end of BGSAVE")
                    state = side.client.sh(f"redis-cli -h {NODE_EXT} info persistence | tr -d '\\r'")
                    assert "rdb_last_bgsave_status:ok" in state, state
                assert not busy.done, busy.output()[-1000:]
            finally:
                busy.kill()
                busy.wait(20)
            median = app.latency(lab.client, "redis", 6379)
        # killed by SIGTERM it saved nothing more: there is no save point
        with app.Running(side, command, 6379):
            again = app.load(lab.client, "redis", 6379, threads=4, count=10, read=True)
        assert again == first, (again, first)
        return median, f"{first['good']} rounds, 2 dumps under load"
    return app.each(lab, test, accepts=4 * 4 + 10)


app.bounds(globals(), 300)
