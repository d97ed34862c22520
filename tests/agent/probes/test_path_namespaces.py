"""Paths through a chain of network namespaces: every one a real router, the last one the destination."""

import ipaddress
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytestmark = pytest.mark.netns

UNPRIVILEGED = (
    *("setpriv", "--reuid", "65534", "--clear-groups"),
    *("--bounding-set", "-all", "--inh-caps", "-all"),
)
PROGRAM = """
import asyncio, json, random, sys
import msgspec
from hopsight.agent.network import Address
from hopsight.agent.probes.path import PathTracer
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock

async def main():
    clock = SystemClock()
    tracer = PathTracer(SystemNetwork(clock), clock, random.Random(int(sys.argv[2])))
    for options in json.loads(sys.argv[1]):
        host = Address(options.pop("host"))
        times = options.pop("times", 1)
        paths = await asyncio.gather(*(tracer.trace(host, **options) for _ in range(times)))
        print(msgspec.json.encode(paths).decode())
    tracer.close()

asyncio.run(main())
"""


def ip(*arguments: str) -> None:
    """Run the program that sets up links, addresses and routes."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def batch(namespace: str, *lines: str) -> None:
    """Run many of its commands in one process."""
    command = ["ip", "-n", namespace, "-batch", "-"]
    done = subprocess.run(command, input="\n".join(lines), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def sysctl(namespace: str, *settings: str) -> None:
    """Set what a namespace does."""
    ip("netns", "exec", namespace, "sysctl", "-q", "-w", *settings)


class Chain:
    """Nodes 0..``hops``: 0 is where traces start, ``hops`` is the destination.

    Link ``i`` joins nodes ``i`` and ``i + 1``: 10.77.i.1 and .2, fd77:i::1 and ::2.
    """

    def __init__(self, prefix: str, hops: int) -> None:
        self.hops = hops
        self._prefix = prefix

    def node(self, number: int) -> str:
        """Name of a namespace."""
        return f"{self._prefix}n{number}"

    def hop_addresses(self, family: int = 4) -> list[str]:
        """Addresses in the order in which a trace sees them."""
        texts = (f"10.77.{at}.2" if family == 4 else f"fd77:{at:x}::2" for at in range(self.hops))
        return [str(ipaddress.ip_address(text)) for text in texts]

    def build(self) -> None:
        """Make them."""
        for number in range(self.hops + 1):
            ip("netns", "add", self.node(number))
            # Routers ration their errors: one a second after the first six.
            limits = ("net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
            forward = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
            # Who first looks for his own address elsewhere would be late to answer.
            at_once = ("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
            sysctl(self.node(number), *limits, *at_once, *(forward if 0 < number < self.hops else ()))
            batch(self.node(number), "link set lo up")
        for number in range(self.hops):
            self._join(number)
        for number in range(self.hops + 1):
            self._route(number)

    def destroy(self) -> None:
        """Delete them."""
        for number in range(self.hops + 1):
            subprocess.run(["ip", "netns", "delete", self.node(number)], check=False, capture_output=True)

    def trace(self, *options: dict[str, Any], prefix: tuple[str, ...] = (), seed: int = 1) -> list[Any]:
        """Trace from node 0: for each of the options a list of paths."""
        command = ["ip", "netns", "exec", self.node(0), *prefix, sys.executable, "-c", PROGRAM]
        done = subprocess.run(
            [*command, json.dumps(options), str(seed)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def _join(self, left: int) -> None:
        near, far = self.node(left), self.node(left + 1)
        ip("link", "add", "right", "netns", near, "type", "veth", "peer", "name", "left", "netns", far)
        for name, link, last in ((near, "right", 1), (far, "left", 2)):
            batch(
                name,
                f"address add 10.77.{left}.{last}/24 dev {link}",
                f"address add fd77:{left:x}::{last}/64 dev {link} nodad",
                f"link set {link} up",
            )

    def _route(self, number: int) -> None:
        lines: list[str] = []
        if number < self.hops:
            lines += [f"route add default via 10.77.{number}.2", f"route add default via fd77:{number:x}::2"]
        if number > 1:
            back = number - 1
            lines += [
                f"route add 10.77.0.0/24 via 10.77.{back}.1",
                f"route add fd77:0::/64 via fd77:{back:x}::1",
            ]
        batch(self.node(number), *lines)


# Prints what identifies a flow, for each packet that comes in on the link: all that a router can hash over.
CAPTURE = """
import json, socket, struct, sys
opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
opened.bind(("left", 3))
print("ready", flush=True)
while True:
    data, (_, number, kind, *_) = opened.recvfrom(2048)
    if kind == 4:
        continue
    if number == 0x0800:
        start, protocol, label = (data[0] & 15) * 4, data[9], 0
        ends = data[12:20].hex()
    elif number == 0x86dd:
        start, protocol, label = 40, data[6], int.from_bytes(data[1:4], "big") & 0xfffff
        ends = data[8:40].hex()
    else:
        continue
    body = data[start:]
    if protocol == 17:
        break
    if (protocol, body[0]) in {(1, 8), (58, 128)}:
        print(json.dumps(["icmp", ends, label, body[:6].hex(), int.from_bytes(body[6:8], "big")]))
    elif protocol == 6 and body[13] == 2:
        print(json.dumps(["tcp", ends, label, body[:4].hex(), int.from_bytes(body[4:8], "big")]))
"""
LAST_PACKET = """
import socket, sys
host = sys.argv[1]
socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", (host, 9))
"""

SERVER = """
import socket
opened = socket.create_server(("::", 443), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    opened.accept()[0].close()
"""

# A router that answers by hand: time exceeded, with MPLS labels, padded to 128 bytes as RFC 4884 has it.
LABELLING_ROUTER = """
import socket, struct, sys
told = sys.argv[1] == "told"
opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
opened.bind(("left", 0x0800))
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff
stack = (301472 << 12 | 1).to_bytes(4, "big") + (16 << 12 | 5 << 9 | 1 << 8 | 254).to_bytes(4, "big")
extension = struct.pack("!BBHHBB", 0x20, 0, 0, 4 + len(stack), 1, 1) + stack
extension = extension[:2] + checksum(extension).to_bytes(2, "big") + extension[4:]
print("ready", flush=True)
while True:
    data, address = opened.recvfrom(2048)
    if address[2] == 4 or data[9] not in (1, 6) or data[8] > 3:
        continue
    quoted = data[:128].ljust(128, b"\\0")
    head = struct.pack("!BBHBBH", 11, 0, 0, 0, 32 if told else 0, 0)
    packet = head + quoted + extension
    packet = packet[:2] + checksum(packet).to_bytes(2, "big") + packet[4:]
    out.sendto(packet, (socket.inet_ntoa(data[12:16]), 0))
"""


def possible() -> bool:
    return os.geteuid() == 0 and shutil.which("ip") is not None and shutil.which("setpriv") is not None


@contextmanager
def running(chain: Chain, node: int, program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A program in a node, from the moment at which it is ready."""
    command = ["ip", "netns", "exec", chain.node(node), sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def _chain() -> Iterator[Chain | None]:
    if not possible():
        yield None
        return
    chain = Chain(f"h2p{os.getpid()}", 12)
    try:
        chain.build()
        yield chain
    finally:
        chain.destroy()


@pytest.fixture
def chain(_chain: Chain | None, require: Callable[[bool, str], None]) -> Chain:
    """Twelve hops that all answer; unprivileged ICMP is allowed."""
    require(_chain is not None, "needs root, ip and setpriv")
    assert _chain is not None
    sysctl(_chain.node(0), "net.ipv4.ping_group_range=0 2147483647")
    sysctl(_chain.node(12), "net.ipv4.icmp_echo_ignore_all=0")
    for number in range(1, 12):
        set_silent(_chain, number, silent=False)
    return _chain


def set_silent(chain: Chain, number: int, *, silent: bool) -> None:
    """Have a router say nothing: one error in 23 days is as many as it may send."""
    wait_ms = 2_000_000_000 if silent else 0
    sysctl(chain.node(number), f"net.ipv4.icmp_ratelimit={wait_ms}", f"net.ipv6.icmp.ratelimit={wait_ms}")


def addresses(path: dict[str, Any]) -> list[str | None]:
    return [hop["address"] for hop in path["hops"]]


DESTINATIONS = {4: "10.77.11.2", 6: "fd77:b::2"}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("prefix", [UNPRIVILEGED, ()], ids=["unprivileged", "root"])
def test_twelve_hops_with_two_silent_are_found_exactly(
    chain: Chain, family: int, prefix: tuple[str, ...]
) -> None:
    """By an unprivileged and by a raw socket, over both families: every router in its place, silence too."""
    if not prefix:
        sysctl(chain.node(0), "net.ipv4.ping_group_range=1 0")
    truth: list[str | None] = [*chain.hop_addresses(family)]
    for number in (4, 9):
        set_silent(chain, number, silent=True)
        truth[number - 1] = None
    (((path),),) = chain.trace({"host": DESTINATIONS[family], "port": None}, prefix=prefix)
    assert addresses(path) == truth
    assert (path["reached"], path["protocol"], path["error"]) == (True, "icmp", None)
    assert all(hop["pkts_sent"] == 3 for hop in path["hops"])
    assert all(0 < hop["rtt_ms"] < 1_000 for hop in path["hops"] if hop["address"])


@pytest.mark.parametrize("family", [4, 6])
def test_syns_find_the_same_path_without_privilege(chain: Chain, family: int) -> None:
    """Where no ICMP socket is to be had at all the path is traced by SYN, silent hop and all."""
    sysctl(chain.node(0), "net.ipv4.ping_group_range=1 0")
    set_silent(chain, 4, silent=True)
    truth: list[str | None] = [*chain.hop_addresses(family)]
    truth[3] = None
    options = {"host": DESTINATIONS[family], "port": 443}
    (((path),),) = chain.trace(options, prefix=UNPRIVILEGED)
    assert (addresses(path), path["reached"], path["protocol"]) == (truth, True, "tcp")


def test_a_destination_that_ignores_pings_is_traced_by_syn(chain: Chain) -> None:
    """The path is whole, and its last hop is the destination."""
    sysctl(chain.node(12), "net.ipv4.icmp_echo_ignore_all=1")
    (((path),),) = chain.trace({"host": DESTINATIONS[4], "port": 443}, prefix=UNPRIVILEGED)
    assert (addresses(path), path["reached"]) == (chain.hop_addresses(), True)
    assert path["protocol"] == "tcp"


def test_this_machine_is_no_hop(chain: Chain) -> None:
    """A neighbour that is not there is told by this machine itself, which is no router on the way."""
    neighbours = "net.ipv4.neigh.right"
    sysctl(chain.node(0), f"{neighbours}.mcast_solicit=1", f"{neighbours}.retrans_time_ms=100")
    for options in ({"port": None}, {"port": 443, "protocol": "tcp"}):
        (((path),),) = chain.trace({"host": "10.77.0.77", **options}, prefix=UNPRIVILEGED)
        assert (path["hops"], path["reached"]) == ([], False)
        assert "unreachable" in path["error"] or "no route" in path["error"]


@pytest.mark.parametrize("family", [4, 6])
def test_a_port_that_is_open_can_be_asked_again_at_once(chain: Chain, family: int) -> None:
    """A connection that came about leaves nothing behind that the next SYN of the flow would meet."""
    options = {"host": DESTINATIONS[family], "port": 443, "protocol": "tcp", "times": 5}
    with running(chain, 12, SERVER):
        (paths,) = chain.trace(options, prefix=UNPRIVILEGED)
    for path in paths:
        assert (addresses(path), path["reached"]) == (chain.hop_addresses(family), True)
        assert path["hops"][-1]["pkts_sent"] == 3
        assert path["hops"][-1]["pkts_received"] >= 2


@pytest.mark.parametrize("protocol", ["icmp", "tcp"])
@pytest.mark.parametrize("family", [4, 6])
def test_a_trace_is_one_flow_on_the_wire(chain: Chain, family: int, protocol: str) -> None:
    """All that a router may hash over is the same for the probes of a trace, and differs between traces."""
    host = DESTINATIONS[family]
    with running(chain, 1, CAPTURE) as capture:
        for seed in (1, 2):
            options = {"host": host, "port": 443, "protocol": protocol}
            (((path),),) = chain.trace(options, prefix=UNPRIVILEGED, seed=seed)
            assert path["reached"]
        ip("netns", "exec", chain.node(0), sys.executable, "-c", LAST_PACKET, host)
        assert capture.stdout is not None
        seen = [json.loads(line) for line in capture.stdout]
    probes = [packet for packet in seen if packet[0] == protocol]
    assert len({packet[4] for packet in probes}) == len(probes) >= 2 * 36
    assert {packet[2] for packet in probes} == {0}
    assert len({(packet[1], packet[3]) for packet in probes}) == 2


def test_many_traces_at_once_find_the_path_each(chain: Chain) -> None:
    """Fifty traces over one socket, of two destinations, all come to the same hops."""
    found = chain.trace(
        {"host": DESTINATIONS[4], "port": None, "times": 50},
        {"host": "10.77.7.2", "port": None, "times": 5},
        prefix=UNPRIVILEGED,
    )
    assert {tuple(addresses(path)) for path in found[0]} == {tuple(chain.hop_addresses())}
    assert {tuple(addresses(path)) for path in found[1]} == {tuple(chain.hop_addresses()[:8])}


@pytest.mark.parametrize("told", ["told", "old place"])
@pytest.mark.parametrize("protocol", ["icmp", "tcp"])
def test_labels_that_a_router_quotes_are_kept(
    require: Callable[[bool, str], None], protocol: str, told: str
) -> None:
    """MPLS labels come through the kernel's error queue, with the length of RFC 4884 and without."""
    require(possible(), "needs root, ip and setpriv")
    chain = Chain(f"h2m{os.getpid()}", 1)
    try:
        chain.build()
        sysctl(chain.node(0), "net.ipv4.ping_group_range=0 2147483647")
        with running(chain, 1, LABELLING_ROUTER, told):
            options = {"host": "10.99.0.9", "port": 443, "protocol": protocol}
            (((path),),) = chain.trace(options, prefix=UNPRIVILEGED)
    finally:
        chain.destroy()
    assert addresses(path) == ["10.77.0.2"] * 3
    assert path["hops"][0]["mpls"] == ["L=301472,E=0,S=0,T=1", "L=16,E=5,S=1,T=254"]
    assert path["reached"] is False
