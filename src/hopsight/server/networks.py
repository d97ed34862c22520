"""Networks that agents were on: known from the probes that they made there (API.md section 3.6).

A network's ID stands for one pair of local prefix and public range: what was once read of both stays true and
is kept. Of a network of which something is missing, more may be known in a while: it is read again then.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from hopsight.clock import Clock
from hopsight.model.dimensions import NETWORK_PROBES
from hopsight.model.network_documents import NetworkProfileDocument
from hopsight.model.query import Filter, Query
from hopsight.model.topology import NetworkProbe, NetworkProbeDetail
from hopsight.storage.store import Store

LOOKED_BACK_S: Final = 30 * 86_400
"""How far before the newest round networks are looked for: one that nobody was on since is left out."""
REVISIT_S: Final = 300.0
"""How soon a network of which something is missing is read again: agents tell of theirs that often."""
MAX_KNOWN: Final = 20_000
# Stores answer the oldest first: what was learnt of a network only lately is in its last rounds.
_LOOKS_BACK_S: Final = (600, 86_400, LOOKED_BACK_S)

_probes: Final = msgspec.json.Decoder(NetworkProbe)
_details: Final = msgspec.json.Decoder(NetworkProbeDetail)


class Network(Struct, frozen=True, kw_only=True):
    """A network: addresses inside, and the public range outside; None: not known.

    A public address alone is not told: it is no range.
    """

    network_id: str
    local_prefix: str | None
    public_ip_range: str | None

    @property
    def name(self) -> str:
        """``10.5.51.0 (in 178.216.56.0/21)``; without what is not known."""
        local = self.local_prefix or self.network_id
        outside = None if self.public_ip_range is None else cidr_of(self.public_ip_range)
        return local if outside is None else f"{local} (in {outside})"


class _Known(Struct, frozen=True):
    """What was read of a network, and when to read it again (monotonic s)."""

    network: Network
    until_s: float


class Networks:
    """Finds the networks of account groups."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: OrderedDict[tuple[int, str], _Known] = OrderedDict()

    async def ids(self, aid: int) -> list[str]:
        """The IDs of an account group's networks, in order."""
        newest = await self._store.last_round(NETWORK_PROBES, aid)
        if newest is None:
            return []
        query = Query(
            kind=NETWORK_PROBES, aid=aid, first_round=max(0, newest - LOOKED_BACK_S), last_round=newest
        )
        counted = await self._store.count_by(query, "network_id")
        return sorted(network_id for network_id in counted if network_id is not None)

    async def described(self, aid: int, network_ids: Sequence[str]) -> list[Network]:
        """What is known of these networks, in their order."""
        now_s = self._clock.monotonic()
        kept = {network_id: self._known.get((aid, network_id)) for network_id in network_ids}
        found = {
            network_id: known.network
            for network_id, known in kept.items()
            if known is not None and now_s < known.until_s
        }
        missing = [network_id for network_id in kept if network_id not in found]
        if missing:
            newest = await self._store.last_round(NETWORK_PROBES, aid) or 0
            for network_id in missing:
                found[network_id] = await self._read(aid, network_id, newest)
                self._keep(aid, found[network_id], now_s)
        return [found[network_id] for network_id in network_ids]

    def _keep(self, aid: int, network: Network, now_s: float) -> None:
        complete = network.local_prefix is not None and network.public_ip_range is not None
        until_s = float("inf") if complete else now_s + REVISIT_S
        self._known[aid, network.network_id] = _Known(network, until_s)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    async def _read(self, aid: int, network_id: str, newest: int) -> Network:
        profile = await self._profile(aid, network_id, newest)
        return Network(
            network_id=network_id,
            local_prefix=None if profile is None else profile.local_prefix,
            public_ip_range=None if profile is None else profile.public_ip_range,
        )

    async def _profile(self, aid: int, network_id: str, newest: int) -> NetworkProfileDocument | None:
        """What a probe says of its network: a recent one, if there are any."""
        for back_s in _LOOKS_BACK_S:
            page = await self._store.page(
                Query(
                    kind=NETWORK_PROBES,
                    aid=aid,
                    first_round=max(0, newest - back_s),
                    last_round=newest,
                    filters=(Filter("network_id", (network_id,)),),
                    limit=1,
                )
            )
            if page.bodies:
                probe = _probes.decode(page.bodies[0])
                record = await self._store.get(NETWORK_PROBES, aid, probe.round_id, probe.network_probe_id)
                found = _details.decode(record.detail) if record is not None and record.detail else None
                return None if found is None else found.network_profile
        return None


def cidr_of(range_: str) -> str | None:
    """A range of addresses (``first-last``) as a prefix; None: it is none, or not one prefix."""
    first, _, last = range_.partition("-")
    try:
        start, end = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
        if isinstance(start, ipaddress.IPv4Address) and isinstance(end, ipaddress.IPv4Address):
            prefixes: list[object] = list(ipaddress.summarize_address_range(start, end))
        elif isinstance(start, ipaddress.IPv6Address) and isinstance(end, ipaddress.IPv6Address):
            prefixes = list(ipaddress.summarize_address_range(start, end))
        else:
            return None
    except ValueError:
        return None
    return str(prefixes[0]) if len(prefixes) == 1 else None
