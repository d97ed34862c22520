"""What a laboratory's network is like: values that a test writes down, and that say what is true.

Every draw comes from a generator of its own, seeded by the laboratory's seed, the address and the kind of
packet: the n-th ping to an address meets the same fate whatever else is going on.
"""

import random
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

IcmpFate = Literal["answered", "dropped", "prohibited", "unreachable"]
TcpFate = Literal["open", "reset", "dropped", "prohibited", "unreachable", "port unreachable"]


class Jitter(Struct, frozen=True, kw_only=True):
    """What is added to a delay: never less than nothing.

    Args:
        kind: of the distribution.
        scale_ms: standard deviation (normal, cut off at 0), width (uniform) or mean (exponential).
    """

    kind: Literal["none", "normal", "uniform", "exponential"] = "none"
    scale_ms: float = 0.0

    def draw(self, rng: random.Random) -> float:
        """Milliseconds."""
        if self.kind == "normal":
            return abs(rng.gauss(0, self.scale_ms))
        if self.kind == "uniform":
            return rng.uniform(0, self.scale_ms)
        if self.kind == "exponential":
            return rng.expovariate(1 / self.scale_ms)
        return 0.0


class Loss(Struct, frozen=True, kw_only=True):
    """Which packets are lost.

    Args:
        share: at random, 0..1.
        exactly: these, counted from 0.
        burst_enter: from each packet on, the chance that a burst begins; it loses all until it ends.
        burst_leave: the chance that it ends with a packet.
        data_only: only segments that carry data count and are lost (for links to real servers).
    """

    share: float = 0.0
    exactly: tuple[int, ...] = ()
    burst_enter: float = 0.0
    burst_leave: float = 0.5
    data_only: bool = False

    def draws(self, rng: random.Random) -> Iterator[bool]:
        """For one packet after the other, whether it is lost."""
        exactly, bursting, number = frozenset(self.exactly), False, 0
        while True:
            bursting = rng.random() >= self.burst_leave if bursting else rng.random() < self.burst_enter
            yield number in exactly or bursting or rng.random() < self.share
            number += 1


class Router(Struct, frozen=True, kw_only=True):
    """One hop on the way.

    Args:
        addresses: one, or those of equal paths: which one answers is decided by the flow.
        delay_ms: until its answer is back.
        silent: it forwards, and says nothing.
        pings: it answers pings to itself.
        mpls: label, experimental bits and TTL of each label on the packet.
    """

    addresses: tuple[str, ...]
    delay_ms: float = 1.0
    silent: bool = False
    pings: bool = True
    mpls: tuple[tuple[int, int, int], ...] = ()


class Site(Struct, frozen=True, kw_only=True):
    """One address that is answered for.

    Args:
        delay_ms: from a packet's arrival to its answer's departure.
        jitter: on top.
        loss: of pings, and of SYNs.
        duplicates: share of answers that come twice.
        reordered: share of answers that are held back by ``reordered_by_ms``.
        icmp: what becomes of pings.
        tcp: what becomes of connections.
        route: name of the routers before it.
        refuser: who sends ICMP errors instead of an answer; None: the last router, else itself.
    """

    delay_ms: float = 10.0
    jitter: Jitter = Jitter()
    loss: Loss = Loss()
    duplicates: float = 0.0
    reordered: float = 0.0
    reordered_by_ms: float = 0.0
    icmp: IcmpFate = "answered"
    tcp: TcpFate = "open"
    route: str | None = None
    refuser: str | None = None


class Link(Struct, frozen=True, kw_only=True):
    """The way to a real machine: an address of the peer namespace.

    Args:
        delay_ms: in each direction.
        forth: loss towards the machine.
        back: loss on the way back.
        route: name of the routers before it.
    """

    delay_ms: float = 5.0
    jitter: Jitter = Jitter()
    forth: Loss = Loss()
    back: Loss = Loss()
    route: str | None = None


class World(Struct, frozen=True, kw_only=True):
    """All of a laboratory.

    Args:
        seed: decides every draw.
        sites: by address.
        links: by address.
        routes: routers by name, the nearest first.
    """

    seed: int = 0
    sites: dict[str, Site] = {}
    links: dict[str, Link] = {}
    routes: dict[str, tuple[Router, ...]] = {}


class Event(Struct, frozen=True, array_like=True):
    """One packet's realised truth; times in ns: the emulator's monotonic, the kernel's since the epoch.

    Args:
        kind: ``echo``, ``syn``, ``segment`` (to a link), ``back`` (from a link), ``expired`` or ``router``.
        address: the site, link or router that it was for.
        key: ICMP sequence; of TCP the client's port.
        ttl: as it arrived.
        fate: ``answered``, ``lost``, ``duplicated``, ``forwarded``, ``dropped``, ``prohibited``, ...
        arrived_ns: read from the link.
        due_ns: when its answer was to leave; 0: none was.
        left_ns: when it did; 0: none did.
        data: payload bytes of a segment.
        by: who answered an expired one.
        sent_ns: when the kernel of the machine that measures sent it (0: not known).
        received_ns: when it received the answer (0: there was none, or not known).
    """

    kind: str
    address: str
    key: int
    ttl: int
    fate: str
    arrived_ns: int
    due_ns: int = 0
    left_ns: int = 0
    data: int = 0
    by: str = ""
    sent_ns: int = 0
    received_ns: int = 0
