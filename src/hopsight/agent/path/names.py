"""Names and AS numbers for the hops of paths: from caches, and looked up late, a few at a time."""

import asyncio
import contextlib
import ipaddress
from collections import deque
from typing import Final

from msgspec import Struct, structs

from hopsight.agent.network import Address, PathNetwork
from hopsight.agent.results import HopResult, PathResult
from hopsight.clock import Clock
from hopsight.maxmind.asn import AsnDatabase

_KEEP_S: Final = 6 * 3600.0
_KEEP_NONE_S: Final = 3600.0
_KEEP_FAILED_S: Final = 300.0
_TIMEOUT_S: Final = 5.0
_AT_A_TIME: Final = 2
_MAX_KNOWN: Final = 4096
_MAX_WAITING: Final = 512


class _Known(Struct, frozen=True, gc=False):
    """What the last look-up of an address said, and until when that holds."""

    name: str | None
    until_s: float


class PathNames:
    """Puts names and AS numbers to hops. Make one per process.

    Args:
        network: asked for names.
        clock: when what is known goes stale.
        asn: None: no AS numbers.
        resolve: False: no names are looked up.
    """

    def __init__(
        self, network: PathNetwork, clock: Clock, asn: AsnDatabase | None = None, *, resolve: bool = True
    ) -> None:
        self._network = network
        self._clock = clock
        self._asn = asn
        self._resolve = resolve
        self._known: dict[str, _Known] = {}
        self._waiting: deque[str] = deque()
        self._asked: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def annotate(self, path: PathResult) -> PathResult:
        """The path with what is known of its hops by now; what is not will be, for a later path.

        Cheap: no look-up is waited for. To be called on the event loop.
        """
        return structs.replace(path, hops=tuple(self._annotated(hop) for hop in path.hops))

    def name_of(self, address: str) -> str | None:
        """The name that is known by now; None: none, or none yet: it is being asked for."""
        if ipaddress.ip_address(address).is_loopback:
            # This machine: no name server is to be bothered with it.
            return None
        known = self._known.get(address)
        if known is None or known.until_s <= self._clock.monotonic():
            self._ask(address)
        # A name gone stale is better than none while a new one is asked for.
        return known.name if known is not None else None

    async def settle(self, timeout_s: float) -> None:
        """Wait until all look-ups under way are over, but no longer than this."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._tasks:
                    await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        """Give up the look-ups, and close the database."""
        self._waiting.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._asn is not None:
            self._asn.close()

    def _annotated(self, hop: HopResult) -> HopResult:
        if hop.address is None:
            return hop
        entry = self._asn.find(hop.address) if self._asn is not None else None
        return structs.replace(
            hop,
            name=self.name_of(hop.address),
            asn=entry.asn if entry is not None else None,
            prefix=entry.prefix if entry is not None else None,
        )

    def _ask(self, address: str) -> None:
        if not self._resolve or address in self._asked or len(self._waiting) >= _MAX_WAITING:
            return
        self._asked.add(address)
        self._waiting.append(address)
        if len(self._tasks) < _AT_A_TIME:
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        while self._waiting:
            address = self._waiting.popleft()
            try:
                await self._look_up(address)
            finally:
                self._asked.discard(address)

    async def _look_up(self, address: str) -> None:
        before = self._known.get(address)
        try:
            name = await self._network.reverse_name(Address(address), _TIMEOUT_S)
            keep_s = _KEEP_S if name is not None else _KEEP_NONE_S
        except OSError:
            name, keep_s = (before.name if before is not None else None), _KEEP_FAILED_S
        self._known.pop(address, None)
        while len(self._known) >= _MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[address] = _Known(name, self._clock.monotonic() + keep_s)
