"""What earlier windows taught about the ways: the provider's first router, and who answers pings badly."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeVar

from msgspec import Struct

from hopsight.agent.results import HopResult, PathResult
from hopsight.agent.way.way import Way

_MAX_REMEMBERED: Final = 4096
_Value = TypeVar("_Value")


class Landmark(Struct, frozen=True):
    """A router on the way.

    Args:
        host: its address.
        hop: its number on the path.
    """

    host: str
    hop: int


class Landmarks(Struct, frozen=True, kw_only=True):
    """What to ping on a way.

    Args:
        far_end: of the tunnel, if the way goes through one.
        provider: the first public hop.
    """

    far_end: Landmark | None = None
    provider: Landmark | None = None


class Waymarks:
    """Remembers landmarks by way, and routers whose silences mean nothing. Bounded; kept in memory alone."""

    def __init__(self) -> None:
        self._landmarks: dict[str, Landmarks] = {}
        self._unreliable: dict[str, None] = {}

    def landmarks(self, way: Way) -> Landmarks:
        """Those of this way's last trace; of a way never traced, those of the last that began alike."""
        known = self._landmarks.get(_key(way)) or self._landmarks.get(way.first_leg)
        return known or Landmarks()

    def learn(self, way: Way, path: PathResult) -> Landmarks:
        """Take in a trace, and say what is known now: a router that was silent this time stays known."""
        found, before = landmarks_of(way, path), self.landmarks(way)
        merged = Landmarks(
            far_end=found.far_end or before.far_end, provider=found.provider or before.provider
        )
        _remember(self._landmarks, _key(way), merged)
        _remember(self._landmarks, way.first_leg, merged)
        return merged

    def note(self, host: str, *, unreliable: bool) -> None:
        """Note how a router answered, judged by what lies behind it."""
        if unreliable:
            _remember(self._unreliable, host, None)
        else:
            self._unreliable.pop(host, None)

    def is_unreliable(self, host: str | None) -> bool:
        """Whether its silences mean nothing."""
        return host in self._unreliable


def landmarks_of(way: Way, path: PathResult) -> Landmarks:
    """The landmarks that a path shows."""
    hops = [hop for hop in path.hops if hop.address is not None and hop.address != way.site.address.host]
    public = [hop for hop in hops if hop.address is not None and is_public(hop.address)][:1]
    first = [hop for hop in hops if hop.number == 1] if way.tunnelled else []
    return Landmarks(far_end=_landmark(first), provider=_landmark(public))


@lru_cache(maxsize=_MAX_REMEMBERED)
def is_public(host: str) -> bool:
    """Whether an address belongs to the public Internet, and so to a provider or somebody behind one."""
    return ipaddress.ip_address(host).is_global


def _landmark(hops: Sequence[HopResult]) -> Landmark | None:
    return Landmark(hops[0].address, hops[0].number) if hops and hops[0].address is not None else None


def _key(way: Way) -> str:
    return f"{way.first_leg}/{way.site.address.host}"


def _remember(memory: dict[str, _Value], key: str, value: _Value) -> None:
    memory.pop(key, None)
    if len(memory) >= _MAX_REMEMBERED:
        del memory[next(iter(memory))]
    memory[key] = value
