# SPDX-License-Identifier: GPL-2.0
"""Programs that fetch: wget, git over plain HTTP, iperf3 in all its directions."""
import json
import time

from selftests.apps import app
from selftests.apps.app import CLIENT_EXT, NODE_EXT

LAB = app.LAB
FILES = "find . -type f | LC_ALL=C sort | xargs sha256sum"

# loose objects, packed ones, two branches and a tag; what "dumb" HTTP needs to know of them
REPOSITORY = f"""
set -e
rm -rf /tmp/git; mkdir -p /tmp/git/work; cd /tmp/git/work
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q -b main .
for i in 1 2 3 4 5 6; do
    mkdir -p d$i; for f in 1K 8K 100K; do {{ echo $i; cat {app.WWW}/$f; }} >d$i/$f; done
    git add .; git commit -q -m "change $i"
    [ $i != 3 ] || {{ git branch other; git gc -q; }}
done
git tag -a -m tag v1
git clone -q --bare . ../r.git
cd ../r.git; git update-server-info
"""


def setup(lab):
    app.setup(lab)


def test_wget(lab):
    """A tree by its links, and one file of 1 KiB again and again; connections are kept."""
    tree = lab.client.sh(f"cd {app.WWW}/tree && {FILES}")

    def test(side):
        side.tool("rm -rf /tmp/wget")
        side.sh(f"wget -q -r -np -nH -P /tmp/wget http://{CLIENT_EXT}:8000/tree/index.html")
        assert side.tool(f"sh -c 'cd /tmp/wget/tree && {FILES}'") == tree
        peer.gap()
        urls = "\n".join([f"http://{CLIENT_EXT}:8000/1K"] * app.REQUESTS)
        side.vm.put("/tmp/urls", urls + "\n")
        side.sh("wget -q -i /tmp/urls -O /tmp/got")
        side.tool(f"sh -c 'for i in $(seq {app.REQUESTS}); do cat {app.WWW}/1K; done | cmp - /tmp/got'")
        return peer.gap()["median"]
    with app.Served(lab, app.WWW) as peer:
        return app.each(lab, test, connects=2)


def test_git_clone(lab):
    """A repository by plain HTTP: each object a request, packs in one; fsck, and the tree of each branch."""
    lab.client.sh(REPOSITORY)
    refs = lab.client.sh("cd /tmp/git/r.git && git for-each-ref --format='%(objectname)' refs/heads refs/tags | sort")
    tree = lab.client.sh(f"cd /tmp/git/work && rm -rf .git && {FILES}")

    def test(side):
        side.tool("rm -rf /tmp/clone")
        peer.gap()
        side.sh(f"git clone -q http://{CLIENT_EXT}:8001/r.git /tmp/clone", timeout=180)
        gap = peer.gap()
        assert gap["count"] > 20, f"no loose objects were asked for: {gap}"
        side.tool("git -C /tmp/clone fsck --full --strict", timeout=120)
        got = side.tool("git -C /tmp/clone for-each-ref --format='%(objectname)' "
                        "refs/remotes/origin/main refs/remotes/origin/other refs/tags")
        assert sorted(got.split()) == refs.split(), (got, refs)
        assert side.tool(f"sh -c 'cd /tmp/clone && rm -rf .git && {FILES}'") == tree
        return None, f"{gap['count'] + 1} requests, {gap['median']} us between two"
    with app.Served(lab, "/tmp/git", port=8001) as peer:
        return app.each(lab, test, connects=1)


def test_iperf3_client(lab):
    def test(side):
        return None, "; ".join(iperf3(side, lambda words: side.sh(f"iperf3 -c {CLIENT_EXT} -p 5202 {words}")))
    with app.OnClient(lab, "iperf3 -s -p 5202", 5202):
        return app.each(lab, test, connects=2 * 4 + 6)


def test_iperf3_server(lab):
    def test(side):
        with app.Running(side, "iperf3 -s -p 5201 --forceflush", 5201, says="Server listening") as server:
            def run(words):
                # it listens anew for each, and says so
                run.times += 1
                end = time.monotonic() + side.patience(30)
                while server.job.output().count("Server listening") < run.times:
                    assert time.monotonic() < end, f"it does not listen again: {server.job.output()[-1000:]}"
                    time.sleep(0.1)
                return side.client.sh(f"iperf3 -c {NODE_EXT} -p 5201 {words}", timeout=90)
            run.times = 0
            return None, "; ".join(iperf3(side, run))
    return app.each(lab, test, accepts=2 * 4 + 6)


def iperf3(side, run):
    """To the server, from it, both with one stream and with four; at the end iperf3 leaves unread what is under way."""
    for words in ("", "-R", "-P 4", "-R -P 4"):
        out = run(f"-J -t 2 {words}")
        try:
            said = json.loads(out[out.index("{"):])
        except ValueError:
            raise AssertionError(f"iperf3 {words}: {out[-2000:]}") from None
        error = said.get("error", "")
        assert not error, (words, error)
        sent, received = said["end"]["sum_sent"], said["end"]["sum_received"]
        assert 1 << 20 <= received["bytes"] <= sent["bytes"], (words, sent, received)
        yield f"[{words}] {received['bits_per_second'] / 1e6:.0f} Mbit/s"


app.bounds(globals(), 300)
