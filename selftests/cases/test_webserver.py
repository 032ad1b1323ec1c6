# SPDX-License-Identifier: GPL-2.0
"""The example web server: one source, four builds. The native one runs on the node, against the same client."""
import time

from selftests.cases import offload
from selftests.lab.lab import NODE_EXT

PORT = 8090
SIZES = {"1K": 1 << 10, "8K": 8 << 10, "100K": 100000, "4M": 4 << 20}

# bursts of pipelined requests on connections of their own, and, if asked for, a client that never reads beside them
BURSTS = f"""
import hashlib, socket, sys, threading
sums = dict(zip({list(SIZES)}, sys.argv[2:]))
bad, sizes = [], {SIZES}

def connection():
    s = socket.create_connection(("{NODE_EXT}", {PORT}), timeout=60)
    return s, s.makefile("rb")

def answer(f, name):
    status, length = f.readline(), None
    while (line := f.readline().strip()):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    body = f.read(length)
    if b" 200 " not in status or length != sizes[name] or hashlib.sha256(body).hexdigest() != sums[name]:
        bad.append((name, status, length, len(body)))

def burst(names):
    try:
        burst_of(names)
    except Exception as e:
        bad.append((len(names), repr(e)))

def burst_of(names):
    s, f = connection()
    for _ in range(2):
        s.sendall(b"".join(b"GET /%s HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" % n.encode() for n in names))
        for n in names:
            answer(f, n)
    s.sendall(b"GET /1K HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n")
    answer(f, "1K")
    if f.read():
        bad.append("not closed")

def hasty():
    "Asks for more than may be under way, and is gone as the responses end."
    try:
        for i in range(20):
            s, f = connection()
            s.sendall(b"GET /1K HTTP/1.1\\r\\n\\r\\n" * (32 + i % 3))
            s.shutdown(socket.SHUT_WR)
            if i % 2:
                f.read()
            s.close()
    except ConnectionError:
        pass
    except Exception as e:
        bad.append(("hasty", repr(e)))

if sys.argv[1] == "deaf":
    deaf, _ = connection()
    deaf.sendall(b"GET /4M HTTP/1.1\\r\\n\\r\\n" * 4)
lists = [["1K"] * 3, ["8K"] * 6, ["1K"] * 100, ["100K", "1K", "8K"] * 5, ["4M", "1K"], ["8K"] * 33]
threads = [threading.Thread(target=burst, args=(l,)) for l in lists] + [threading.Thread(target=hasty) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print("bursts", sum(len(l) for l in lists) * 2 + len(lists), *bad[:5])
sys.exit(bool(bad))
"""


def setup(lab):
    offload.up(lab)
    for place in (lab.host, lab.node, lab.client):
        place.sh("mkdir -p /tmp/web")
        for name, size in SIZES.items():        # the same bytes everywhere
            place.sh(f"{'' if place is lab.client else 'userland '}openssl enc -aes-128-ctr -nosalt -pass pass:memnet -md sha256 "
                     f"-in /dev/zero 2>/dev/null | head -c {size} >/tmp/web/{name}", timeout=120)
    lab.client.put("/tmp/bursts.py", BURSTS)


class Server:
    """A build of the server on a guest in a with block."""

    def __init__(self, vm, build):
        self.vm, self.build = vm, build

    def __enter__(self):
        self.job = self.vm.bg(f"exec webserver-{self.build} -p {PORT} -t 4 /tmp/web")
        end = time.monotonic() + 30
        while "serving" not in self.job.output():
            assert not self.job.done and time.monotonic() < end, self.job.output()
            time.sleep(0.1)

    def __exit__(self, *_):
        self.job.kill()
        self.job.wait(20)


def fetch(lab, deaf):
    """Everything in every way, beside a client that never reads or not; how many bytes of responses that was at least."""
    client = lab.client
    url = f"http://{NODE_EXT}:{PORT}"
    for name in SIZES:
        for more in ("", "--http1.0"):
            client.sh(f"curl -sf --max-time 60 {more} {url}/{name} | cmp - /tmp/web/{name}", timeout=90)
    together = " ".join(f"{url}/{name}" for name in SIZES)
    client.sh(f"[ \"$(curl -sf --max-time 60 {together} | sha256sum)\" = \"$(cd /tmp/web; cat {' '.join(SIZES)} | sha256sum)\" ]", timeout=90)
    assert client.sh(f"curl -s -o /dev/null -w %{{http_code}} --max-time 20 {url}/nothing").strip() == "404"
    assert "400" in client.sh(f"printf 'GARBAGE\\r\\n\\r\\n' | timeout 20 nc {NODE_EXT} {PORT} | head -n 1")
    sums = client.sh(f"cd /tmp/web; sha256sum {' '.join(SIZES)} | cut -d' ' -f1 | tr '\\n' ' '")
    rc, out = client.sh(f"python3 /tmp/bursts.py {deaf} {sums}", timeout=offload.patience(lab, 120), check=False)
    assert rc == 0, out
    return 3 * sum(SIZES.values())


def served(lab, build, deaf="deaf"):
    """Natively, then by one of the others: the same, offloaded; what was copied."""
    with Server(lab.node, "tcp"):
        fetch(lab, deaf)
    with offload.Watch(lab) as w:
        with Server(lab.host, build):
            least = fetch(lab, deaf)
    w.proves(accepts=15)
    offload.idle(lab, timeout=90)
    return w.host["host.direct_bytes"], w.host["host.copied_from_user_bytes"], least


def test_memnet(lab):
    direct, copied, least = served(lab, "memnet")
    assert copied >= least and not direct, (direct, copied)


def test_direct(lab):
    """A worker that sends waits for its client; so there is none here that never reads."""
    direct, copied, least = served(lab, "direct", deaf="none")
    assert direct >= least and not copied, (direct, copied)


def test_async(lab):
    direct, copied, least = served(lab, "async")
    assert direct >= least and not copied, (direct, copied)


def test_a_job_needs_no_message_more(lab):
    """Than send(): the first of a connection, as all are here, tells the node where its counter is, and of TCP_NODELAY, by its bytes."""
    n, sent = 200, {}
    with Server(lab.node, "tcp"):
        ask(lab, n)
    for build in ("memnet", "async"):
        with offload.Watch(lab) as w:
            with Server(lab.host, build):
                ask(lab, n)
            offload.idle(lab, timeout=90)
        w.proves(accepts=n)
        sent[build] = w.host["core.messages_sent"]
    # DATA and CLOSE, and now and then credits
    assert 2 * n <= sent["memnet"] and sent["async"] < sent["memnet"] + n // 2, sent
    return f"{n} responses: {sent}"


def ask(lab, n):
    """So many times for a file, a connection each."""
    lab.client.sh(f"for i in $(seq {n}); do curl -sf --http1.0 --max-time 60 http://{NODE_EXT}:{PORT}/1K | cmp - /tmp/web/1K || exit 1; done",
                  timeout=offload.patience(lab, 120))


for _name, _test in list(globals().items()):
    if _name.startswith("test_"):
        _test.timeout = 300
