#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Unit tests of selftests/conformance, as TAP: made-up runs of made-up tests, each with one thing wrong."""
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.dont_write_bytecode = True

from selftests.conformance import join, lint, page, runs, tree      # noqa: E402
from selftests.unit import tap      # noqa: E402

TESTS = tree.socket_tests("""bind_twice\t\tbind.twice bind.errors
recv_peek\t\tmsg.peek
recv_peek.accepted\taccepted\tmsg.peek
create_type\tlocal\tsocket.type
loopback_listen\tloopback\tloopback.listen
cgroup_bind\t\tcgroup.bind
option_refused\tmemnet\toption.others
version_only\tv6\tipv6.only
""")
NATIVE = """# native IPv4
TAP version 13
1..6
ok 1 bind_twice
ok 2 recv_peek
ok 3 recv_peek.accepted
ok 4 create_type
ok 5 loopback_listen
ok 6 cgroup_bind # SKIP no cgroup2
# 5 passed, 0 failed, 1 skipped
"""
MEMNET = """# memnet IPv4
TAP version 13
1..7
# offloaded 1
ok 1 bind_twice
# offloaded 3
ok 2 recv_peek
# offloaded 2
ok 3 recv_peek.accepted
ok 4 create_type
# offloaded 1
# delegated 2
ok 5 loopback_listen
ok 6 cgroup_bind # SKIP no cgroup2
# uses differs options
# offloaded 1
ok 7 option_refused
# 6 passed, 0 failed, 1 skipped
"""
GOOD = {"bind.twice": ("same", ""), "bind.errors": ("same", ""), "msg.peek": ("same", ""), "socket.type": ("same", ""),
        "loopback.listen": ("same", ""), "cgroup.bind": ("skip", "no cgroup2"), "option.others": ("differs", "options")}


def joined(native=NATIVE, memnet=MEMNET):
    verdicts = join.version(TESTS, native, memnet, v6=False)
    return join.results(verdicts), join.failures(verdicts)


def fails(row, text, native=NATIVE, memnet=MEMNET):
    """The row fails, for the reason that has this text, and no other row is touched."""
    assert native != NATIVE or memnet != MEMNET, "nothing was changed"
    found, bad = joined(native, memnet)
    assert found[row][0] == "FAIL" and text in found[row][1], found[row]
    assert len(bad) == 1 and text in bad[0], bad
    rest = {k: v for k, v in found.items() if v[0] != "FAIL"}
    assert all(GOOD[k] == v for k, v in rest.items()), rest
    assert join.compare(found, GOOD), "nobody would notice"


def test_all_is_well():
    found, bad = joined()
    assert found == GOOD and not bad, (found, bad)
    assert not join.compare(found, GOOD)


def test_missing_over_memnet():
    fails("msg.peek", "recv_peek.accepted: missing over AF_MEMNET", memnet=MEMNET.replace("# offloaded 2\nok 3 recv_peek.accepted\n", ""))


def test_missing_natively():
    fails("msg.peek", "recv_peek: missing over native TCP", native=NATIVE.replace("ok 2 recv_peek\n", ""))


def test_another_one_in_its_place():
    """The sums are the same."""
    found, bad = joined(memnet=MEMNET.replace("ok 2 recv_peek\n", "ok 2 recv_pook\n"))
    assert found["msg.peek"][0] == "FAIL" and any("recv_pook" in b for b in bad), bad


def test_twice():
    fails("socket.type", "twice", memnet=MEMNET.replace("ok 4 create_type\n", "ok 4 create_type\nok 4 create_type\n"))


def test_failed_over_memnet():
    fails("msg.peek", "recv_peek: failed over AF_MEMNET (killed", memnet=MEMNET.replace(
        "ok 2 recv_peek", "not ok 2 recv_peek # killed by SIGSEGV"))


def test_failed_natively():
    fails("socket.type", "create_type: failed over native TCP", native=NATIVE.replace("ok 4", "not ok 4"))


def test_skipped_over_memnet_alone():
    fails("socket.type", "skipped over AF_MEMNET alone (for fun)", memnet=MEMNET.replace(
        "ok 4 create_type", "ok 4 create_type # SKIP for fun"))


def test_skipped_natively_alone():
    fails("cgroup.bind", "skipped natively", memnet=MEMNET.replace(
        "ok 6 cgroup_bind # SKIP no cgroup2", "# offloaded 1\nok 6 cgroup_bind"))


def test_skipped_for_another_reason():
    fails("cgroup.bind", "over AF_MEMNET skip no root", memnet=MEMNET.replace("SKIP no cgroup2", "SKIP no root"))


def test_not_offloaded():
    fails("msg.peek", "recv_peek: no socket was offloaded", memnet=MEMNET.replace("# offloaded 3\n", ""))


def test_diverging_and_not_offloaded():
    fails("msg.peek", "recv_peek: no socket was offloaded", memnet=MEMNET.replace("# offloaded 3", "# uses differs oob"))


def test_flagged_local_but_offloaded():
    fails("socket.type", "flagged LOCAL", memnet=MEMNET.replace("ok 4", "# offloaded 1\nok 4"))


def test_flagged_loopback_but_not_delegated():
    fails("loopback.listen", "flagged LOOPBACK", memnet=MEMNET.replace("# delegated 2\n", ""))


def test_diverging():
    """Both pass, but it is not the same: not a row that says so may be kept as it was."""
    found, bad = joined(memnet=MEMNET.replace("# offloaded 3", "# uses differs oob\n# uses differs bytes\n# offloaded 3"))
    assert found["msg.peek"] == ("differs", "bytes oob") and not bad, (found, bad)
    assert join.compare(found, GOOD) == ["msg.peek: same is kept, this run says: differs bytes oob"], join.compare(found, GOOD)
    assert not [r for r in found if r != "msg.peek" and found[r] != GOOD[r]], found


def test_diverging_no_more():
    found, _ = joined(memnet=MEMNET.replace("# uses differs options\n", ""))
    assert found["option.others"] == ("memnet", "") and len(join.compare(found, GOOD)) == 1, found


def test_skipped_by_difference():
    """What differs() allows, in the order of the table."""
    memnet = MEMNET.replace("ok 4 create_type", "# uses differs two\n# uses differs one\nok 4 create_type # SKIP cannot")
    verdicts = join.version(TESTS, NATIVE, memnet, v6=False)
    assert join.results(verdicts, ["two", "one"])["socket.type"] == ("differs", "two one")
    assert not join.failures(verdicts)


def test_notes_are_of_the_next_result():
    out = join.outcomes(MEMNET)
    assert out["recv_peek.accepted"].offloaded == 2 and out["create_type"].offloaded == 0, out
    assert out["option_refused"].differs == ("options",) and out["cgroup_bind"].reason == "no cgroup2", out


def test_version_of_the_other_one():
    assert "version_only" not in [t.name for t, _, _ in join.version(TESTS, NATIVE, MEMNET, v6=False)]
    bad = join.failures(join.version(TESTS, NATIVE, MEMNET, v6=True))
    assert bad == ["version_only: missing over native TCP"], bad


def test_worst_of_both_versions():
    good = join.version(TESTS, NATIVE, MEMNET, v6=False)
    worse = join.version(TESTS, NATIVE, MEMNET.replace("# offloaded 3", "# uses differs oob\n# offloaded 3"), v6=False)
    assert join.results(good + worse)["msg.peek"] == join.results(worse + good)["msg.peek"] == ("differs", "oob")


def test_allowed_skips():
    now = dict(GOOD, **{"msg.peek": ("skip", "no memory")})
    assert join.compare(now, GOOD) and not join.compare(now, GOOD, allowed=("msg.peek",))
    now["msg.peek"] = ("differs", "oob")
    assert join.compare(now, GOOD, allowed=("msg.peek",)), "only a skip is allowed"
    del now["msg.peek"]
    assert join.compare(now, GOOD, allowed=("msg.peek",)), "it must be there"


ROWS = tree.rows("""# comment

bind.twice | Life | bind() twice: EINVAL |
bind.errors | Life | bind(): its errors |
msg.peek | Data | MSG_PEEK | 6.12
""")
TABLE = tree.differences("""oob
\tmemnet: MSG_OOB is refused
\treason: it is not carried
zerocopy
\tmemnet: SO_ZEROCOPY is refused
\treason: core: it is in the way
\tstands: net/core/sock.c: case SO_ZEROCOPY:
""")


def wrong(found, *texts):
    assert len(found) == len(texts) and all(t in f for t, f in zip(texts, found)), found


def test_lint_of_rows():
    tests = [t for t in TESTS.values() if t.name in ("bind_twice", "recv_peek")]
    wrong(lint.rows(ROWS, tests))
    wrong(lint.rows(ROWS, tests[:1]), "msg.peek has no test")
    wrong(lint.rows(ROWS, [*tests, tree.Test("a", frozenset(), ())]), "a names no row")
    wrong(lint.rows(ROWS, [*tests, tree.Test("a", frozenset(), ("b",))]), "a names b, which is no row")
    wrong(lint.rows(ROWS[:2], tests), "names msg.peek, which is no row")
    alone = [tests[0], tree.Test("a", frozenset(["memnet"]), ("msg.peek",))]
    wrong(lint.rows(ROWS, alone), "msg.peek has no test that runs natively")
    wrong(lint.rows([*ROWS, tree.Row("bind.twice", "Life", "bind() thrice: EINVAL", ())], tests), "bind.twice is there twice")
    wrong(lint.rows([ROWS[0], tree.Row("bind.errors", "Live", "bind(): not yet", ("5.4",)), ROWS[2]], tests),
          "no section", "unknown kernel", "not done")


def test_lint_of_differences():
    used = {"oob": {"test_urgent.c"}, "zerocopy": {"test_option.c"}}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "net/core/sock.c"
        source.parent.mkdir(parents=True)
        source.write_text("\tcase SO_ZEROCOPY:\n")
        wrong(lint.differences(TABLE, used, {"6.12": Path(folder)}))
        source.write_text("\tcase SO_TXTIME:\n")
        wrong(lint.differences(TABLE, used, {"6.12": Path(folder)}), "has no: case SO_ZEROCOPY:")
        source.unlink()
        wrong(lint.differences(TABLE, used, {"6.12": Path(folder)}), "has no: case SO_ZEROCOPY:")
    wrong(lint.differences(TABLE, used, {}))
    wrong(lint.differences(TABLE, {"oob": {"a"}}, {}), "no test asks for zerocopy")
    wrong(lint.differences(TABLE, {**used, "bytes": {"test_io.c"}}, {}), "bytes is not in differences.c")


def test_lint_of_results():
    kept = {"bind.twice": ("same", ""), "bind.errors": ("differs", "oob")}
    wrong(lint.results(ROWS, {"6.1": kept}, TABLE))
    wrong(lint.results(ROWS, {"6.12": kept}, TABLE), "nothing of msg.peek")
    wrong(lint.results(ROWS[1:], {"6.1": kept}, TABLE), "bind.twice is no row")
    wrong(lint.results(ROWS, {"6.1": {**kept, "bind.twice": ("FAIL", "x")}}, TABLE), "FAIL is no result")
    wrong(lint.results(ROWS, {"6.1": {**kept, "bind.twice": ("differs", "x")}}, TABLE), "x is not in differences.c")


def test_rows_of_cases():
    rows = tree.rows("""program.nginx | Life | nginx |
tool.show | Life | show |
msg.peek | Life | MSG_PEEK |
""")
    tests = {t.name: t for t in (tree.Test("programs:test_nginx", frozenset(["case"]), ("program.nginx", "msg.peek")),
                                 tree.Test("links:test_two", frozenset(["case", "memnet"]), ("tool.show",)))}
    ran = {"programs:test_nginx": ("pass", ""), "links:test_two": ("pass", "")}
    found = {"msg.peek": ("differs", "oob")}
    good = {"program.nginx": ("same", ""), "tool.show": ("memnet", ""), "msg.peek": ("differs", "oob")}

    def cases(ran, before):
        return runs.with_cases(found, rows, tests, ran, before)
    assert cases(ran, {}) == (good, []), cases(ran, {})
    bad = cases({**ran, "programs:test_nginx": ("fail", "")}, good)[1]
    assert len(bad) == 2 and all("programs:test_nginx: failed" in b for b in bad), bad
    assert cases({**ran, "links:test_two": ("skip", "no room")}, good)[0]["tool.show"] == ("skip", "no room")
    del ran["links:test_two"]
    assert cases(ran, {})[1] == ["tool.show: not run: links:test_two"], cases(ran, {})
    assert cases(ran, good) == (good, []), cases(ran, good)


def test_the_files_of_a_run():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for v6 in (False, True):
            assert not runs.whole(folder), "half a run is taken for one"
            runs.tap(folder, "native", v6).write_text(NATIVE)
            assert not runs.whole(folder), "half a run is taken for one"
            runs.tap(folder, "memnet", v6).write_text(MEMNET)
        assert runs.whole(folder)
        assert not join.failures(runs.verdicts(folder, TESTS, False))
        (folder / "links").mkdir()
        (folder / "links" / runs.CASE_RESULTS).write_text("links:test_a\tpass\t\nlinks:test_b\tskip\tno room\n")
        assert runs.of_cases(folder) == {"links:test_a": ("pass", ""), "links:test_b": ("skip", "no room")}


def test_the_page():
    kept = {"6.12": {"bind.twice": ("same", ""), "bind.errors": ("differs", "oob"), "msg.peek": ("skip", "no such_ thing")},
            "6.1": {"bind.twice": ("skip", "too old"), "bind.errors": ("differs", "oob")}}
    text = page.page(ROWS, kept, TABLE)
    assert text == page.page(ROWS, kept, TABLE)
    for part in ("   * - bind() twice: EINVAL\n     - yes\n     - yes\n     - On 6.1: –, –: too old\n",
                 "   * - bind(): its errors\n     - yes\n     - differs\n     - MSG_OOB is refused (oob)\n",
                 "   * - MSG_PEEK\n     - –\n     - –\n     - no such\\_ thing\n",
                 "``net/core/sock.c`` has ``case SO_ZEROCOPY:``"):
        assert part in text, (part, text)
    assert text.index("does not allow") < text.index("SO_ZEROCOPY is") < text.index("our choice") < text.index("MSG_OOB is refused."), text
    wrong(lint.written(text, text))
    wrong(lint.written(text, text.replace("MSG_OOB is refused (oob)", "MSG_OOB is taken (oob)")), "conformance.rst:")
    wrong(lint.written(text, text + "\nMore.\n"), "conformance.rst:")
    wrong(lint.written(text, ""), "conformance.rst:1:")
    changed = dict(kept, **{"6.12": {**kept["6.12"], "bind.twice": ("differs", "oob")}})
    assert page.page(ROWS, changed, TABLE) != text


if __name__ == "__main__":
    sys.exit(tap.main("conformance", globals()))
