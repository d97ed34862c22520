"""What becomes of each packet: the emulator's mind, without a clock or a device."""

import random
import zlib
from typing import Final, NamedTuple

from tests.netlab import packets
from tests.netlab.packets import ACK, FIN, RST, SYN, Packet, Segment
from tests.netlab.world import Jitter, Link, Loss, Router, Site, World

_NS_PER_MS: Final = 1_000_000
PING_TTL: Final = 64
"""What the kernel gives a ping; any other is a trace's."""
_EXPIRED: Final = {4: 11, 6: 3}
_REFUSALS: Final = {
    "prohibited": {4: (3, 13), 6: (1, 1)},
    "unreachable": {4: (3, 1), 6: (1, 3)},
    "port unreachable": {4: (3, 3), 6: (1, 4)},
}


class Sending(NamedTuple):
    """One packet that is to leave.

    Args:
        delay_ns: after the arrival of what it answers.
        content: the packet.
        to_peer: to the real machines, not to the one that measures.
    """

    delay_ns: int
    content: bytes
    to_peer: bool = False


class Verdict(NamedTuple):
    """What is logged of a packet, and what leaves because of it; the first of those is the answer."""

    kind: str
    address: str
    key: int
    fate: str
    sendings: tuple[Sending, ...] = ()
    data: int = 0
    by: str = ""


class _Fates:
    """The draws for one kind of packet to one address."""

    def __init__(self, seed: str, loss: Loss, jitter: Jitter) -> None:
        self._losses = loss.draws(random.Random(f"{seed}:loss"))
        self._jitters = random.Random(f"{seed}:jitter")
        self._others = random.Random(f"{seed}:others")
        self._jitter = jitter

    def lost(self) -> bool:
        return next(self._losses)

    def jitter_ms(self) -> float:
        return self._jitter.draw(self._jitters)

    def happens(self, share: float) -> bool:
        return self._others.random() < share


class _Place:
    """A site or link, its way, and its draws."""

    def __init__(self, address: str, world: World) -> None:
        self.address = address
        self.packed = packets.packed(address)
        self.site: Site | None = world.sites.get(address)
        self.link: Link | None = world.links.get(address)
        here = self.site or self.link
        assert here is not None
        self.routers = world.routes[here.route] if here.route is not None else ()
        seed = f"{world.seed}:{address}"
        if self.site is not None:
            self.pings = _Fates(f"{seed}:ping", self.site.loss, self.site.jitter)
            self.traces = _Fates(f"{seed}:trace", Loss(share=self.site.loss.share), self.site.jitter)
            self.connections = _Fates(f"{seed}:tcp", self.site.loss, self.site.jitter)
        if self.link is not None:
            self.forth = _Fates(f"{seed}:forth", self.link.forth, self.link.jitter)
            self.back = _Fates(f"{seed}:back", self.link.back, self.link.jitter)


class Network:
    """Decides. Packets of one address must be shown in the order in which they arrive."""

    def __init__(self, world: World) -> None:
        addresses = [*world.sites, *world.links]
        self._places = {place.packed: place for place in (_Place(address, world) for address in addresses)}
        self._routers = {
            packets.packed(address): router
            for route in world.routes.values()
            for router in route
            for address in router.addresses
        }
        self._sequence = random.Random(f"{world.seed}:tcp sequence")

    def arrived(self, packet: Packet) -> Verdict | None:
        """A packet from the machine that measures; None: it is for nobody here."""
        place = self._places.get(packet.destination)
        if place is None:
            return self._to_router(packet)
        if packet.ttl <= len(place.routers):
            return _expired(packet, place, place.routers[packet.ttl - 1])
        if place.link is not None:
            return _forwarded(packet, place, place.link)
        assert place.site is not None
        if packet.is_echo_request:
            return _pinged(packet, place, place.site)
        segment = packets.segment_of(packet) if packet.protocol == packets.TCP else None
        return None if segment is None else self._connected(packet, segment, place, place.site)

    def came_back(self, packet: Packet) -> Verdict | None:
        """A packet from the real machines to the one that measures."""
        place = self._places.get(packet.source)
        if place is None or place.link is None:
            return None
        segment = packets.segment_of(packet) if packet.protocol == packets.TCP else None
        data = segment.payload if segment is not None else 0
        key = segment.destination_port if segment is not None else _sequence_of(packet)
        counted = not place.link.back.data_only or data > 0
        if counted and place.back.lost():
            return Verdict("back", place.address, key, "lost", data=data)
        sending = Sending(_ns(place.link.delay_ms + place.back.jitter_ms()), packet.raw)
        return Verdict("back", place.address, key, "forwarded", (sending,), data=data)

    def _to_router(self, packet: Packet) -> Verdict | None:
        router = self._routers.get(packet.destination)
        if router is None or not packet.is_echo_request:
            return None
        address, key = packets.written(packet.destination), _sequence_of(packet)
        if not router.pings or router.silent:
            return Verdict("router", address, key, "dropped")
        return Verdict("router", address, key, "answered", (_reply(packet, router.delay_ms),))

    def _connected(self, packet: Packet, segment: Segment, place: _Place, site: Site) -> Verdict | None:
        if not segment.flags & SYN:
            return _closing(packet, segment, place, site)
        key = segment.source_port
        if site.tcp == "dropped":
            return Verdict("syn", place.address, key, "dropped")
        if place.connections.lost():
            return Verdict("syn", place.address, key, "lost")
        if site.tcp in _REFUSALS:
            return _refused("syn", key, site.tcp, packet, place, site)
        delay_ms = site.delay_ms + place.connections.jitter_ms()
        flags = SYN | ACK if site.tcp == "open" else RST | ACK
        sequence = self._sequence.getrandbits(32) if site.tcp == "open" else 0
        answer = packets.tcp_answer(packet, segment, flags, sequence)
        return Verdict("syn", place.address, key, "answered", (Sending(_ns(delay_ms), answer),))


def _closing(packet: Packet, segment: Segment, place: _Place, site: Site) -> Verdict | None:
    """The end of a connection: all that an open port has to say after the handshake."""
    if segment.flags & RST or not segment.flags & FIN:
        return None
    answer = packets.tcp_answer(packet, segment, FIN | ACK, segment.acknowledgement)
    sending = Sending(_ns(site.delay_ms), answer)
    return Verdict("fin", place.address, segment.source_port, "answered", (sending,))


def _pinged(packet: Packet, place: _Place, site: Site) -> Verdict:
    key, address = _sequence_of(packet), place.address
    # A trace's probes must not use up what a test has in store for the pings.
    fates = place.pings if packet.ttl == PING_TTL else place.traces
    if fates.lost():
        return Verdict("echo", address, key, "lost")
    if site.icmp in _REFUSALS:
        return _refused("echo", key, site.icmp, packet, place, site)
    if site.icmp == "dropped":
        return Verdict("echo", address, key, "dropped")
    delay_ms = site.delay_ms + fates.jitter_ms()
    if site.reordered and fates.happens(site.reordered):
        delay_ms += site.reordered_by_ms
    reply = _reply(packet, delay_ms)
    if site.duplicates and fates.happens(site.duplicates):
        again = Sending(reply.delay_ns + _NS_PER_MS, reply.content)
        return Verdict("echo", address, key, "duplicated", (reply, again))
    return Verdict("echo", address, key, "answered", (reply,))


def _refused(kind: str, key: int, fate: str, packet: Packet, place: _Place, site: Site) -> Verdict:
    """An ICMP error instead of an answer."""
    refuser = site.refuser or (place.routers[-1].addresses[0] if place.routers else place.address)
    error = packets.icmp_error(packet, packets.packed(refuser), *_REFUSALS[fate][packet.version])
    return Verdict(kind, place.address, key, fate, (Sending(_ns(site.delay_ms), error),), by=refuser)


def _forwarded(packet: Packet, place: _Place, link: Link) -> Verdict:
    segment = packets.segment_of(packet) if packet.protocol == packets.TCP else None
    data = segment.payload if segment is not None else 0
    key = segment.source_port if segment is not None else _sequence_of(packet)
    counted = not link.forth.data_only or data > 0
    if counted and place.forth.lost():
        return Verdict("segment", place.address, key, "lost", data=data)
    sending = Sending(_ns(link.delay_ms + place.forth.jitter_ms()), packet.raw, to_peer=True)
    return Verdict("segment", place.address, key, "forwarded", (sending,), data=data)


def _expired(packet: Packet, place: _Place, router: Router) -> Verdict:
    key = _sequence_of(packet)
    if packet.protocol == packets.TCP:
        key = int.from_bytes(packet.body[:2], "big")
    if router.silent:
        return Verdict("expired", place.address, key, "dropped")
    answering = router.addresses[zlib.crc32(packet.flow) % len(router.addresses)]
    error = packets.icmp_error(packet, packets.packed(answering), _EXPIRED[packet.version], 0, router.mpls)
    sending = Sending(_ns(router.delay_ms), error)
    return Verdict("expired", place.address, key, "answered", (sending,), by=answering)


def _reply(packet: Packet, delay_ms: float) -> Sending:
    return Sending(_ns(delay_ms), packets.echo_reply(packet))


def _sequence_of(packet: Packet) -> int:
    return int.from_bytes(packet.body[6:8], "big")


def _ns(milliseconds: float) -> int:
    return round(milliseconds * _NS_PER_MS)
