"""Measure as the agent does, while somebody sets the wall clock in the middle of it.

``python -m tests.netlab.stepped_clock STEP_S COUNT INTERVAL_S TARGET...`` prints JSON as that command does.
The machine keeps its clock: what is moved is what the agent is told, its readings and the kernel stamps.
"""

import asyncio
import random
import sys
from collections.abc import Callable
from typing import Any, Literal

from hopsight.agent.measurement import Measurer
from hopsight.agent.network import Address, EchoReply, Family, IcmpEvent, IcmpSocket, SendStamp
from hopsight.agent.results import ProbeOptions
from hopsight.agent.system_network import SystemNetwork
from hopsight.agent.targets import parse_target
from hopsight.cli.measure_output import json_line
from hopsight.clock import SystemClock


class SteppedClock(SystemClock):
    """A wall clock that is set by ``step_s`` at ``at_s`` of monotonic time."""

    def __init__(self, step_s: float, at_s: float) -> None:
        self._step_s, self._at_s = step_s, at_s

    def now(self) -> float:
        """Wall-clock time as it is set."""
        return super().now() + self.shift_s()

    def shift_s(self) -> float:
        """What it is off by now."""
        return self._step_s if self.monotonic() >= self._at_s else 0.0


class SteppedSocket:
    """Stamps as a kernel with that clock gives them."""

    def __init__(self, inner: IcmpSocket, clock: SteppedClock) -> None:
        self._inner, self._clock = inner, clock
        self.kind: Literal["datagram", "raw"] = inner.kind

    def listen(self, on_ready: Callable[[], None]) -> None:
        """As the socket's."""
        self._inner.listen(on_ready)

    def send(self, address: Address, sequence: int, payload: bytes) -> int:
        """As the socket's."""
        return self._inner.send(address, sequence, payload)

    def receive(self) -> list[IcmpEvent]:
        """What the socket has, with stamps moved."""
        return [self._moved(event) for event in self._inner.receive()]

    def close(self) -> None:
        """As the socket's."""
        self._inner.close()

    def _moved(self, event: IcmpEvent) -> IcmpEvent:
        if isinstance(event, EchoReply | SendStamp) and event.kernel_ns is not None:
            return event._replace(kernel_ns=event.kernel_ns + round(self._clock.shift_s() * 1e9))
        return event


class SteppedNetwork(SystemNetwork):
    """The machine's network, seen with that clock."""

    def __init__(self, clock: SteppedClock) -> None:
        super().__init__(clock)
        self._stepped = clock

    def open_icmp(self, family: Family, identifier: int) -> Any:
        """A socket of the machine, behind the clock."""
        return SteppedSocket(super().open_icmp(family, identifier), self._stepped)


async def main() -> None:
    """Measure all targets once; the clock is set in the middle."""
    step_s, count, interval_s, *targets = sys.argv[1:]
    options = ProbeOptions(count=int(count), interval_s=float(interval_s), gateway=False, protocol="icmp")
    clock = SteppedClock(float(step_s), SystemClock().monotonic() + options.window_s / 2)
    measurer = Measurer(SteppedNetwork(clock), clock, random.Random(1))
    found = await asyncio.gather(*(measurer.measure(parse_target(target), options) for target in targets))
    for target, measurements in zip(targets, found, strict=True):
        for measurement in measurements:
            print(json_line(target, measurement))  # noqa: T201
    await measurer.aclose()


if __name__ == "__main__":
    asyncio.run(main())
