"""The laboratory's link as a process: two TUN devices, a heap of departures, and a log of what really was.

Started by ``lab.py`` inside the namespace that measures::

    python -m tests.netlab.emulator WORLD.json LOG.json

It says ``ready`` when its devices are up, and writes the log when its standard input ends. It runs before all
else on the machine, and waits awake for what is due soon: that keeps its own error to microseconds. It stays
awake for no longer, because Linux takes 50 ms of every second from those who do.
"""

import fcntl
import gc
import heapq
import os
import select
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from tests.netlab.network import Network, Verdict
from tests.netlab.packets import Packet, parse
from tests.netlab.tap import IDENTITY, Tap
from tests.netlab.world import Event, World

NEAR_DEVICE, PEER_DEVICE = "lab0", "lab1"
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_SPIN_NS: Final = 150_000
"""Departures that are nearer than this are waited for awake."""
_PRIORITY: Final = 50
_BATCH: Final = 16
"""Packets read before departures are looked at again."""
_QUIET_S: Final = 0.002
"""With so much time to spare the capture is read."""


class Emulator:
    """Reads, decides, waits, writes, and remembers."""

    def __init__(self, world: World) -> None:
        self._network = Network(world)
        self._near = _open_tun(NEAR_DEVICE)
        self._peer = _open_tun(PEER_DEVICE)
        self._heap: list[tuple[int, int, int, bytes, int]] = []
        self._count = 0
        self._tap = Tap(NEAR_DEVICE)
        self._log: list[tuple[Verdict, int, int, bytes]] = []
        self._due: dict[int, int] = {}
        self._left: dict[int, int] = {}
        self._answers: dict[int, bytes] = {}

    def run(self) -> None:
        """Until standard input ends."""
        sources = (self._near, self._peer, sys.stdin.fileno())
        while True:
            self._depart()
            if self._patience_s() > _QUIET_S:
                self._tap.read(_BATCH)
            # Not poll: its patience is in whole milliseconds.
            ready, _, _ = select.select(sources, (), (), self._patience_s())
            if sys.stdin.fileno() in ready:
                return
            if self._near in ready:
                self._read(self._near)
            if self._peer in ready:
                self._read(self._peer)

    def events(self) -> list[Event]:
        """What was, in the order of arrival."""
        stamps = self._tap.stamps()
        return [
            Event(
                verdict.kind,
                verdict.address,
                verdict.key,
                ttl,
                verdict.fate,
                arrived_ns,
                self._due.get(place, 0),
                self._left.get(place, 0),
                verdict.data,
                verdict.by,
                stamps.take(identity, sent=True) if verdict.kind != "back" else 0,
                stamps.take(self._answers[place], sent=False) if place in self._answers else 0,
            )
            for place, (verdict, ttl, arrived_ns, identity) in enumerate(self._log)
        ]

    def _patience_s(self) -> float:
        if not self._heap:
            return 1.0
        left_ns = self._heap[0][0] - time.monotonic_ns()
        return max(0, left_ns - _SPIN_NS) / 1e9

    def _read(self, descriptor: int) -> None:
        for _ in range(_BATCH):
            try:
                raw = os.read(descriptor, 65_536)
            except BlockingIOError:
                return
            arrived_ns = time.monotonic_ns()
            packet = parse(raw)
            if packet is not None:
                self._take(packet, descriptor, arrived_ns)
            self._depart()

    def _take(self, packet: Packet, descriptor: int, arrived_ns: int) -> None:
        network = self._network
        verdict = network.arrived(packet) if descriptor == self._near else network.came_back(packet)
        if verdict is None:
            return
        place = len(self._log)
        self._log.append((verdict, packet.ttl, arrived_ns, packet.raw[:IDENTITY]))
        for number, sending in enumerate(verdict.sendings):
            due_ns = arrived_ns + sending.delay_ns
            to = self._peer if sending.to_peer else self._near
            if number == 0:
                self._due[place] = due_ns
            self._count += 1
            # Of several answers the first one is the truth; the others are logged by the word "duplicated".
            heapq.heappush(self._heap, (due_ns, self._count, to, sending.content, -1 if number else place))

    def _depart(self) -> None:
        heap = self._heap
        while heap and heap[0][0] <= time.monotonic_ns():
            _, _, to, content, place = heapq.heappop(heap)
            left_ns = time.monotonic_ns()
            try:
                os.write(to, content)
            except OSError:
                continue
            if place >= 0:
                self._left[place] = left_ns
                if to == self._near:
                    self._answers[place] = content[:IDENTITY]


def _open_tun(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return descriptor


def _go_first() -> None:
    """Before everything else on this machine: the link is to be on time however busy that is."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))


def main() -> None:
    """Run one laboratory's link."""
    world = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=World)
    emulator = Emulator(world)
    # A collection in the middle of a measurement would be a delay that nobody ordered.
    gc.disable()
    _go_first()
    print("ready", flush=True)  # noqa: T201
    emulator.run()
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(emulator.events()))


if __name__ == "__main__":
    main()
