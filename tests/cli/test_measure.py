"""``hopsight measure``, run as a program against loopback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.agent.targets import parse_target
from hopsight.errors import InvalidValueError

QUICK = ["--count", "3", "--interval", "0.05", "--timeout", "0.3"]
COMMAND = [sys.executable, "-m", "hopsight", "measure"]
KEYS = {
    "target", "destination", "minRtt", "pktsSent", "pktsReceived", "duplicates", "late", "protocol",
    "icmpBlocked", "systemMetrics", "errors", "family", "path", "segments", "verdict",
}  # fmt: skip


def measure(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_json_is_one_object_a_line_with_every_key() -> None:
    """Each target gives one line with all keys, those that failed too, and the status is 0."""
    done = measure("127.0.0.1", "[::1]:9", "a" * 64, "--json", *QUICK)
    assert done.returncode == 0, done.stderr
    found = {line["target"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert set(found) == {"127.0.0.1", "[::1]:9", "a" * 64}
    assert all(set(line) >= KEYS for line in found.values())
    assert found["127.0.0.1"]["destination"]["target"] == "127.0.0.1"
    assert (found["127.0.0.1"]["pktsSent"], found["127.0.0.1"]["pktsReceived"]) == (3, 3)
    failed = found["a" * 64]
    assert (failed["destination"], failed["pktsSent"], failed["systemMetrics"]) == (None, None, None)
    assert failed["errors"]
    assert (failed["family"], failed["verdict"]["result"]) == (None, "destination")
    assert [found[target]["family"] for target in ("127.0.0.1", "[::1]:9")] == [4, 6]
    assert found["127.0.0.1"]["path"]["hops"][0]["ipAddress"] == "127.0.0.1"
    assert {segment["name"] for segment in found["127.0.0.1"]["segments"]} == {"device", "destination"}


def test_a_table_by_default() -> None:
    """People get one row a target."""
    done = measure("127.0.0.1", "127.0.0.2", *QUICK)
    rows = done.stdout.splitlines()
    assert done.returncode == 0
    assert rows[0].split()[:4] == ["TARGET", "ADDRESS", "BY", "LOSS"]
    assert [row.split()[0] for row in rows[1:3]] == ["127.0.0.1", "127.0.0.2"]


def test_the_way_is_shown_where_it_is_asked_for() -> None:
    """``--path`` prints segments and hops below the table, ``--no-path`` does not even trace."""
    shown = measure("127.0.0.1", "127.0.0.2", "--path", *QUICK).stdout
    assert shown.count("SEGMENT") == 2
    assert "path to 127.0.0.2 by ICMP" in shown
    single = measure("127.0.0.1", *QUICK).stdout
    assert "SEGMENT" in single
    assert "path to" not in single
    assert "no verdict: only 3 probes" in single
    (untraced,) = measure("127.0.0.1", "--no-path", "--json", *QUICK).stdout.splitlines()
    assert json.loads(untraced)["path"] is None


def test_one_family_may_be_asked_for() -> None:
    """An address of the other family is an error that names it; of this one, it is measured."""
    done = measure("127.0.0.1", "::1", "--ipv6", "--json", *QUICK)
    found = {line["target"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert found["127.0.0.1"]["errors"] == ["cannot resolve 127.0.0.1: it has no IPv6 address"]
    assert (found["::1"]["errors"], found["::1"]["pktsReceived"]) == ([], 3)


@pytest.mark.parametrize("wrong", ["http://x", "host:0", "host:65536", "[::1", "[name]:80", "", "a b"])
def test_a_wrong_target_is_named(wrong: str) -> None:
    """A target that is none ends the command with status 2 and a line that shows it."""
    with pytest.raises(InvalidValueError, match="target"):
        parse_target(wrong)


def test_wrong_usage_ends_with_two() -> None:
    """The line on stderr repeats the wrong target."""
    done = measure("127.0.0.1", "bad target", *QUICK)
    assert done.returncode == 2
    assert "bad target" in done.stderr
    assert done.stdout == ""


@given(st.from_regex(r"[a-z][a-z0-9-]{0,30}(\.[a-z]{2,5})?", fullmatch=True), st.integers(1, 65_535))
def test_hosts_and_ports_come_apart_as_written(host: str, port: int) -> None:
    """HOST and HOST:PORT are read back as they were put together."""
    assert (parse_target(host).host, parse_target(host).port) == (host, None)
    assert (parse_target(f"{host}:{port}").host, parse_target(f"{host}:{port}").port) == (host, port)


def test_ipv6_is_read_bare_and_in_brackets() -> None:
    """A bare IPv6 address has no port; in brackets it may have one."""
    assert (parse_target("2001:db8::1").host, parse_target("2001:db8::1").port) == ("2001:db8::1", None)
    assert (parse_target("[2001:db8::1]:80").host, parse_target("[2001:db8::1]:80").port) == (
        "2001:db8::1",
        80,
    )


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What is started now can be interrupted, also where the tests were started in a shell's background.

    Such a shell has its children ignore interrupts, and they theirs.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_with_130() -> None:
    """Ctrl-C ends a long measurement at once."""
    with subprocess.Popen(
        [*COMMAND, "127.0.0.1", "--json", "--interval", "30"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        # Again and again: on a busy machine the first one may come while the program is still being loaded.
        for _ in range(10):
            try:
                run.wait(2)
            except subprocess.TimeoutExpired:
                os.kill(run.pid, signal.SIGINT)
            else:
                break
        assert run.wait(10) == 130
