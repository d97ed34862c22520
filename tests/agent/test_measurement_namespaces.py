"""Measuring across a veth pair: privileges, silence, prohibitions, and the gateway on the way."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hopsight.agent.results import CLOCK_STEPPED, USER_SPACE_TIME

pytestmark = pytest.mark.netns

NEAR, FAR = f"hs{os.getpid()}near", f"hs{os.getpid()}far"
PROGRAM = "import typer; from hopsight.cli.measure import measure; typer.run(measure)"
TRIES = 3
"""The clock of a virtual machine may step in the middle of a measurement. That is flagged, as it should, and
measured again: a fault of ours would be there each time."""
UNPRIVILEGED = [
    "setpriv",
    "--reuid",
    "65534",
    "--clear-groups",
    "--bounding-set",
    "-all",
    "--inh-caps",
    "-all",
]


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def sysctl(namespace: str, setting: str) -> None:
    ip("netns", "exec", namespace, "sysctl", "-q", "-w", setting)


@pytest.fixture(scope="module")
def _namespaces() -> Iterator[bool]:
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("setpriv") is None:
        yield False
        return
    ip("netns", "add", NEAR)
    ip("netns", "add", FAR)
    try:
        _join()
        yield True
    finally:
        ip("netns", "delete", NEAR)
        ip("netns", "delete", FAR)


def _join() -> None:
    ip("-n", NEAR, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", FAR)
    ip("-n", NEAR, "address", "add", "10.99.0.2/24", "dev", "veth0")
    ip("-n", FAR, "address", "add", "10.99.0.1/24", "dev", "veth0")
    for namespace in (NEAR, FAR):
        ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", namespace, "link", "set", "veth0", "up")
    ip("-n", NEAR, "route", "add", "default", "via", "10.99.0.1")
    sysctl(FAR, "net.ipv4.ip_forward=1")
    for kind, third in (("prohibit", 1), ("unreachable", 2), ("blackhole", 3)):
        ip("-n", FAR, "route", "add", kind, f"10.99.{third}.0/24")
        # A router rations its refusals by whom they go to: each kind gets a sender of its own.
        ip("-n", NEAR, "address", "add", f"10.99.0.{third + 10}/24", "dev", "veth0")
        via = ("via", "10.99.0.1", "src", f"10.99.0.{third + 10}")
        ip("-n", NEAR, "route", "add", f"10.99.{third}.0/24", *via)
    ip("-n", FAR, "address", "add", "10.99.4.1/32", "dev", "lo")


@pytest.fixture
def measured(_namespaces: bool, require: Callable[[bool, str], None]) -> Callable[..., dict[str, Any]]:
    """Measures a target from the near namespace, by the command."""
    require(_namespaces, "needs root, ip and setpriv")
    sysctl(NEAR, "net.ipv4.ping_group_range=1 0")
    sysctl(FAR, "net.ipv4.icmp_echo_ignore_all=0")

    def measure(target: str, *options: str, prefix: tuple[str, ...] = (), stderr: str = "") -> dict[str, Any]:
        command = ["ip", "netns", "exec", NEAR, *prefix, sys.executable, "-c", PROGRAM, target, "--json"]
        command += ["--count", "3", "--interval", "0.1", "--timeout", "0.3", *options]
        for _ in range(TRIES):
            done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
            assert stderr in done.stderr
            found: dict[str, Any] = json.loads(done.stdout)
            if not {USER_SPACE_TIME, CLOCK_STEPPED} & set(found["flags"]):
                break
        return found

    return measure


def test_a_raw_socket_measures_and_pings_the_gateway(measured: Callable[..., dict[str, Any]]) -> None:
    """Beyond the gateway, the gateway is measured in the same window."""
    found = measured("10.99.4.1")
    assert (found["pktsReceived"], found["protocol"], found["icmpBlocked"]) == (3, "icmp", False)
    assert (found["gateway"], found["gatewayPing"]["pktsReceived"]) == ("10.99.0.1", 3)
    assert (found["flags"], found["errors"]) == ([], [])


def test_an_unprivileged_socket_measures_where_it_is_allowed(
    measured: Callable[..., dict[str, Any]],
) -> None:
    """With the group range open no privilege is needed, and times are the kernel's."""
    sysctl(NEAR, "net.ipv4.ping_group_range=0 2147483647")
    found = measured("10.99.0.1", prefix=tuple(UNPRIVILEGED))
    assert (found["pktsReceived"], found["protocol"], found["flags"]) == (3, "icmp", [])
    assert found["gatewayPing"] is None


def test_without_privilege_tcp_takes_over_and_says_how_to_get_icmp(
    measured: Callable[..., dict[str, Any]],
) -> None:
    """Neither kind of socket allowed: TCP, and a line that names the setting and the capability."""
    found = measured("10.99.0.1", prefix=tuple(UNPRIVILEGED), stderr="ping_group_range")
    assert (found["protocol"], found["pktsReceived"], found["icmpBlocked"]) == ("tcp", 3, False)
    assert "CAP_NET_RAW" in found["errors"][-1]


def test_a_host_that_ignores_pings_is_blocked_and_not_lost(measured: Callable[..., dict[str, Any]]) -> None:
    """ICMP silence with TCP answered is never 100 % loss."""
    sysctl(FAR, "net.ipv4.icmp_echo_ignore_all=1")
    found = measured("10.99.0.1")
    assert (found["icmpBlocked"], found["protocol"], found["destination"]["loss"]) == (True, "tcp", 0)


@pytest.mark.parametrize(
    ("target", "error"),
    [("10.99.1.1", "administratively prohibited"), ("10.99.2.1", "host unreachable"), ("10.99.3.1", None)],
)
def test_refused_and_silent_targets_are_lost_with_the_reason(
    measured: Callable[..., dict[str, Any]], target: str, error: str | None
) -> None:
    """A router's refusal is named; silence on both protocols is 100 % of ICMP."""
    found = measured(target)
    assert (found["destination"], found["pktsSent"]) == ({"target": target, "loss": 100.0}, 3)
    assert (found["protocol"], found["icmpBlocked"]) == ("icmp", False)
    if error is not None:
        assert error in found["errors"]
