# SPDX-License-Identifier: GPL-2.0
"""OpenSSH, both ends of it: sshd (privilege separation and its sandbox), commands, and 10 MB by scp each way."""
from selftests.apps import app
from selftests.apps.app import CLIENT_EXT, NODE_EXT

LAB = app.LAB
PORT = 2222
OPTIONS = ("-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes "
           "-o ConnectTimeout=60 -i /tmp/ssh/user")
SSH, SCP = f"ssh {OPTIONS} -p {PORT}", f"scp -q {OPTIONS} -P {PORT}"
SSHD = f"/usr/sbin/sshd -D -e -f /tmp/ssh/config -p {PORT}"

CONFIG = """
HostKey /tmp/ssh/host
AuthorizedKeysFile /tmp/ssh/user.pub
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
PidFile none
UsePAM no
Subsystem sftp internal-sftp
"""


def setup(lab):
    app.setup(lab)
    lab.client.sh("rm -rf /tmp/ssh; mkdir -m 700 /tmp/ssh; cd /tmp/ssh; "
                  "for k in host user; do ssh-keygen -q -t ed25519 -N '' -f $k || exit 1; done")
    for place in (lab.client, *lab.guests):
        if place is not lab.client:
            place.sh("mkdir -p -m 700 /tmp/ssh")
            for name in ("host", "user", "user.pub"):
                app.copy(lab.client, place, f"/tmp/ssh/{name}")
        place.sh(f"cd {app.WWW} && cat 4M 4M 1M 1M >/tmp/ssh/10M")
        place.put("/tmp/ssh/config", CONFIG)
        place.sh("chmod 600 /tmp/ssh/host /tmp/ssh/user; mkdir -p /run/sshd")


def copies(run, place, address, peer):
    """10 MB there and back by scp that runs at a place, to a peer; both compared with the original."""
    for p in (place, peer):
        p.sh("rm -f /tmp/ssh/there /tmp/ssh/back")
    run(f"{SCP} /tmp/ssh/10M root@{address}:/tmp/ssh/there")
    peer.sh("cmp /tmp/ssh/there /tmp/ssh/10M")
    run(f"{SCP} root@{address}:/tmp/ssh/there /tmp/ssh/back")
    place.sh("cmp /tmp/ssh/back /tmp/ssh/10M")


def test_sshd(lab):
    def test(side):
        def run(cmd):
            return side.client.sh(cmd, timeout=side.patience(180))
        with app.Running(side, SSHD, PORT):
            assert run(f"{SSH} root@{NODE_EXT} 'echo $((6 * 7)); exit 0'").split() == ["42"]
            assert side.client.sh(f"{SSH} root@{NODE_EXT} 'exit 5'", timeout=side.patience(120), check=False)[0] == 5
            copies(run, side.client, NODE_EXT, side.vm)
            return app.load(side.client, "pipe", PORT, latency=app.REQUESTS, command=f"{SSH} root@{NODE_EXT} cat")["median"]
    return app.each(lab, test, accepts=5)


def test_ssh(lab):
    def test(side):
        def run(cmd):
            return side.sh(cmd, timeout=180)
        assert run(f"{SSH} root@{CLIENT_EXT} 'echo $((6 * 7)); exit 0'").split() == ["42"]
        copies(run, side.vm, CLIENT_EXT, side.client)
        return app.load(side.vm, "pipe", PORT, run="userland", latency=app.REQUESTS, timeout=side.patience(180),
                        command=f"{side.run.removeprefix('userland').strip()} {SSH} root@{CLIENT_EXT} cat")["median"]
    with app.OnClient(lab, SSHD, PORT):
        return app.each(lab, test, connects=4)


app.bounds(globals(), 400)
