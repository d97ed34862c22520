"""A door whose other side the test holds."""

import random
from collections.abc import Callable
from typing import Literal

import pytest

from hopsight.agent.network import Address, IcmpEvent
from hopsight.agent.probes.icmp import IcmpEngine
from hopsight.testing import FakeClock


class ScriptedIcmp:
    """An ICMP socket that answers what ``answer`` says to each probe (``IcmpSocket``)."""

    kind: Literal["datagram", "raw"] = "datagram"

    def __init__(self) -> None:
        self.sent: list[tuple[Address, int, bytes]] = []
        self.waiting: list[IcmpEvent] = []
        self.answer: Callable[[int, Address, int, bytes], list[IcmpEvent]] = lambda *_: []
        self.failures: list[OSError] = []
        self.closed = False

    def listen(self, on_ready: Callable[[], None]) -> None:
        """The engine takes in what there is whenever it sends."""

    def send(self, address: Address, sequence: int, payload: bytes) -> int:
        """Keep the probe, and queue its answers."""
        if self.failures:
            raise self.failures.pop(0)
        key = len(self.sent)
        self.sent.append((address, sequence, payload))
        self.waiting += self.answer(key, address, sequence, payload)
        return key

    def receive(self) -> list[IcmpEvent]:
        """Hand over the queue."""
        events, self.waiting = self.waiting, []
        return events

    def close(self) -> None:
        """Be closed."""
        self.closed = True


@pytest.fixture
def icmp() -> ScriptedIcmp:
    return ScriptedIcmp()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def engine(icmp: ScriptedIcmp, clock: FakeClock) -> IcmpEngine:
    return IcmpEngine(icmp, clock, random.Random(1))
