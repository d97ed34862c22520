"""Real connections between namespaces, and what the kernel says of them to a program without privileges."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.netns

NEAR, FAR = f"h4{os.getpid()}near", f"h4{os.getpid()}far"
TRAFFIC = str(Path(__file__).with_name("traffic.py"))
UNPRIVILEGED = (
    "setpriv",
    "--reuid",
    "65534",
    "--clear-groups",
    "--bounding-set",
    "-all",
    "--inh-caps",
    "-all",
)
FAR4, FAR6, PORT, CLOSED_PORT = "10.98.0.1", "fd98::1", 8_000, 9


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def _namespaces() -> Iterator[bool]:
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("setpriv") is None:
        yield False
        return
    ip("netns", "add", NEAR)
    ip("netns", "add", FAR)
    server: subprocess.Popen[str] | None = None
    try:
        _join()
        command = ["ip", "netns", "exec", FAR, sys.executable, TRAFFIC, "serve"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield True
    finally:
        if server is not None:
            server.kill()
            server.communicate()
        ip("netns", "delete", NEAR)
        ip("netns", "delete", FAR)


def _join() -> None:
    ip("-n", NEAR, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", FAR)
    for namespace, last in ((NEAR, 2), (FAR, 1)):
        ip("-n", namespace, "address", "add", f"10.98.0.{last}/24", "dev", "veth0")
        ip("-n", namespace, "address", "add", f"fd98::{last}/64", "dev", "veth0", "nodad")
        ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", namespace, "link", "set", "veth0", "up")


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(_namespaces: bool, require: Callable[[bool, str], None]) -> Run:
    """Runs one scenario in the near namespace, without privileges unless told otherwise."""
    require(_namespaces, "needs root, ip and setpriv")

    def scenario(*arguments: str, prefix: tuple[str, ...] = UNPRIVILEGED) -> dict[str, Any]:
        command = ["ip", "netns", "exec", NEAR, *prefix, sys.executable, TRAFFIC, *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return scenario


def traffic(found: dict[str, Any]) -> dict[tuple[str, int | None], dict[str, Any]]:
    """The passive values by site and port."""
    return {
        (record["document"]["visitedSite"], record["document"].get("port")): record["detail"]["passive"]
        for record in found["records"]
    }


def test_connections_of_this_machine_are_sessions_without_a_probe_or_a_privilege(run: Run) -> None:
    """IPv4, IPv6 and IPv4 in an IPv6 socket: each counted, with its bytes to the byte and a kernel RTT."""
    found = run("clients")
    assert found["started"]
    seen = traffic(found)
    assert set(seen) == {(FAR4, PORT), (FAR6, PORT)}
    ipv4 = seen[FAR4, PORT]
    assert (ipv4["connections"], ipv4["failed"], ipv4["bytesSent"], ipv4["retransmits"]) == (4, 0, 5_150, 0)
    # The other end's FIN may be there before the connection ends, and counts as a byte received.
    assert 5_150 <= ipv4["bytesReceived"] <= 5_154
    assert 0 < ipv4["minRtt"] < 50
    assert (seen[FAR6, PORT]["connections"], seen[FAR6, PORT]["bytesSent"]) == (1, 300)


def test_failed_handshakes_are_told_from_connections(run: Run) -> None:
    """Refused ones have failed, with their port where the program left it; an aborted one has not failed."""
    seen = traffic(run("failures"))
    assert set(seen) == {(FAR4, CLOSED_PORT), (FAR4, None)}
    refused = seen[FAR4, CLOSED_PORT]
    assert (refused["connections"], refused["failed"], refused["segmentsSent"]) == (1, 1, 1)
    assert "minRtt" not in refused
    without_port = seen[FAR4, None]
    assert (without_port["connections"], without_port["failed"]) == (2, 1)
    assert "retransmits" not in without_port
    assert without_port["minRtt"] > 0


def test_the_agents_own_probes_traces_uploads_and_pages_are_no_traffic(run: Run) -> None:
    """Of all that closed, only the connection that was not the agent's is counted."""
    seen = traffic(run("own"))
    assert list(seen) == [(FAR4, PORT)]
    assert (seen[FAR4, PORT]["connections"], seen[FAR4, PORT]["bytesSent"]) == (1, 10)


def test_what_stays_on_this_machine_is_no_traffic(run: Run) -> None:
    """Loopback of both families, and the machine's own address."""
    assert run("local")["records"] == []


def test_connections_from_outside_are_not_counted(run: Run) -> None:
    """Not even when their listener came and went between two looks: the one that asked for them alone is."""
    seen = traffic(run("listener"))
    assert {place: values["connections"] for place, values in seen.items()} == {(FAR4, 8_001): 1}


def test_sites_have_the_names_that_the_name_server_gave(run: Run) -> None:
    """With CAP_NET_RAW answers are seen over IPv4 and IPv6: the name asked for, not its alias."""
    seen = traffic(run("named", prefix=()))
    assert {(name, values["nameFrom"]) for (name, _), values in seen.items()} == {
        ("shop.example", "dns"),
        ("blog.example", "dns"),
    }


def test_without_the_capability_addresses_stand_in_and_the_log_says_why(run: Run) -> None:
    """Watching goes on; one line names CAP_NET_RAW."""
    found = run("named")
    assert {(name, values["nameFrom"]) for (name, _), values in traffic(found).items()} == {(FAR4, "address")}
    (line,) = found["logs"]
    assert "CAP_NET_RAW" in line["names"]


def test_an_overrun_is_counted_exactly_and_survived(run: Run) -> None:
    """What the kernel had no room for is lost and counted; what comes later is heard again."""
    found = run("overrun", "100")
    assert found["lost"] > 0
    assert found["heard"] + found["lost"] == 100
    assert found["after"] == 1
