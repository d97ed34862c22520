"""The emulator's mind and its packets, without a link."""

import ipaddress
import itertools
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.netlab import packets
from tests.netlab.network import Network
from tests.netlab.world import Jitter, Link, Loss, Router, Site, World

SOURCE = {4: "10.0.0.2", 6: "fd00::2"}


def ping(address: str, sequence: int = 1, ttl: int = 64) -> packets.Packet:
    """An echo request as the kernel would send it."""
    return _sent(address, packets.ICMP, _echo(address, sequence), ttl)


def syn(address: str, port: int = 40_000, ttl: int = 64, flags: int = packets.SYN) -> packets.Packet:
    """The first segment of a connection."""
    header = struct.pack("!HHIIBBHHH", port, 443, 1_000, 0, 5 << 4, flags, 1_024, 0, 0)
    return _sent(address, packets.TCP, header, ttl)


def _echo(address: str, sequence: int) -> bytes:
    kind = packets.ECHO_REQUESTS[6 if ":" in address else 4]
    return struct.pack("!BBHHH", kind, 0, 0, 7, sequence) + b"payload."


def _sent(address: str, protocol: int, body: bytes, ttl: int) -> packets.Packet:
    version = 6 if ":" in address else 4
    raw = packets.ip_packet(version, protocol, packets.packed(SOURCE[version]), packets.packed(address), body)
    raw = raw[:8] + bytes([ttl]) + raw[9:] if version == 4 else raw[:7] + bytes([ttl]) + raw[8:]
    packet = packets.parse(raw)
    assert packet is not None
    return packet


def fates(world: World, address: str, number: int = 200) -> list[str]:
    """What becomes of the first pings to an address."""
    network = Network(world)
    seen = [network.arrived(ping(address, sequence)) for sequence in range(number)]
    return [
        verdict.fate + str(verdict.sendings and verdict.sendings[0].delay_ns) for verdict in seen if verdict
    ]


def test_the_same_seed_is_the_same_world() -> None:
    """Fates and delays repeat by seed, differ by seed, and do not depend on other traffic."""
    site = Site(loss=Loss(share=0.4), jitter=Jitter(kind="normal", scale_ms=3), duplicates=0.2)
    world = World(seed=1, sites={"10.1.0.1": site})
    crowded = World(seed=1, sites={"10.1.0.2": site, "10.1.0.1": site})
    assert fates(world, "10.1.0.1") == fates(crowded, "10.1.0.1")
    assert fates(crowded, "10.1.0.1") != fates(crowded, "10.1.0.2")
    assert fates(world, "10.1.0.1") != fates(World(seed=2, sites=world.sites), "10.1.0.1")


@pytest.mark.parametrize(
    ("loss", "low", "high"),
    [
        (Loss(), 0, 0),
        (Loss(share=1.0), 1_000, 1_000),
        (Loss(share=0.3), 250, 350),
        (Loss(exactly=(0, 3, 999)), 3, 3),
        (Loss(burst_enter=0.1, burst_leave=0.5), 100, 250),
    ],
)
def test_losses_are_as_ordered(loss: Loss, low: int, high: int) -> None:
    """At random about the share, exactly those named, and bursts longer than chance makes them."""
    lost = list(itertools.islice(loss.draws(random.Random(1)), 1_000))
    assert low <= sum(lost) <= high
    if loss.burst_enter:
        runs = [len(list(run)) for is_lost, run in itertools.groupby(lost) if is_lost]
        assert sum(runs) / len(runs) > 1.5


@given(kind=st.sampled_from(["none", "normal", "uniform", "exponential"]), scale_ms=st.floats(0.01, 100))
def test_jitter_only_adds(kind: str, scale_ms: float) -> None:
    """No packet comes before its delay is over."""
    jitter = Jitter(kind=kind, scale_ms=scale_ms)  # type: ignore[arg-type]
    rng = random.Random(1)
    assert all(jitter.draw(rng) >= 0 for _ in range(50))


@given(st.binary(max_size=120))
def test_no_bytes_stop_the_link(raw: bytes) -> None:
    """Whatever the kernel sends, it is read or passed over."""
    network = Network(World(sites={"10.1.0.1": Site()}, links={"10.2.0.1": Link()}))
    for start in (b"", b"\x45", b"\x60"):
        packet = packets.parse(start + raw)
        if packet is not None:
            network.arrived(packet)
            network.came_back(packet)


def sums_to_zero(raw: bytes) -> bool:
    """Whether the checksums of an answer are right, as a receiver checks them."""
    packet = packets.parse(raw)
    assert packet is not None
    if packet.version == 4 and packets.checksum(raw[:20]):
        return False
    covered = packet.body
    if packet.version == 6 or packet.protocol == packets.TCP:
        number = packets.ICMP6 if packet.protocol == packets.ICMP else packets.TCP
        rest = (
            struct.pack("!II", len(covered), number)
            if packet.version == 6
            else struct.pack("!BBH", 0, number, len(covered))
        )
        covered = packet.source + packet.destination + rest + covered
    return packets.checksum(covered) == 0


@pytest.mark.parametrize("address", ["10.1.0.1", "fd01::1"])
@pytest.mark.parametrize(
    "site", [Site(), Site(icmp="prohibited", tcp="reset"), Site(icmp="unreachable"), Site(duplicates=1.0)]
)
def test_checksums_are_right(address: str, site: Site) -> None:
    """Every answer is one that a kernel accepts."""
    mpls = Router(addresses=("10.9.0.1" if "." in address else "fd09::1",), mpls=((16, 1, 9), (17, 0, 1)))
    network = Network(World(sites={address: structs.replace(site, route="way")}, routes={"way": (mpls,)}))
    sent = [ping(address), syn(address), ping(address, ttl=1), syn(address, ttl=1)]
    sent.append(syn(address, flags=packets.FIN | packets.ACK))
    answers = [sending for one in sent if (seen := network.arrived(one)) for sending in seen.sendings]
    assert len(answers) >= 4
    assert all(sums_to_zero(answer.content) for answer in answers)


def test_equal_paths_are_chosen_by_flow() -> None:
    """One flow is one path; many flows are spread over all of them."""
    addresses = tuple(str(ipaddress.ip_address("10.9.0.1") + number) for number in range(4))
    world = World(sites={"10.1.0.1": Site(route="way")}, routes={"way": (Router(addresses=addresses),)})
    network = Network(world)

    def by(port: int) -> str:
        verdict = network.arrived(syn("10.1.0.1", port=port, ttl=1))
        assert verdict is not None
        return verdict.by

    assert {by(40_000) for _ in range(10)} == {by(40_000)}
    assert {by(port) for port in range(40_000, 40_100)} == set(addresses)


def test_links_lose_data_alone_when_asked() -> None:
    """Handshakes pass, and each lost segment of data is known."""
    world = World(links={"10.2.0.1": Link(forth=Loss(exactly=(0,), data_only=True))})
    network = Network(world)
    data = _sent("10.2.0.1", packets.TCP, syn("10.2.0.1", flags=packets.PSH).body + b"hello", 64)
    seen = [network.arrived(one) for one in (syn("10.2.0.1"), data, data)]
    assert [verdict.fate for verdict in seen if verdict] == ["forwarded", "lost", "forwarded"]
    assert [verdict.data for verdict in seen if verdict] == [0, 5, 5]
