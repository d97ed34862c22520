"""Networks that agents were on: known from the probes that they made there (API.md section 3.6).

A network's ID stands for one pair of local prefix and public range: what was once read of it stays true and
is kept; a network that is new to this process costs two questions to the store.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from hopsight.model.dimensions import NETWORK_PROBES
from hopsight.model.query import Filter, Query
from hopsight.model.topology import NetworkProbe, NetworkProbeDetail
from hopsight.storage.store import Store

LOOKED_BACK_S: Final = 30 * 86_400
"""How far before the newest round networks are looked for: one that nobody was on since is left out."""
MAX_KNOWN: Final = 20_000

_probes: Final = msgspec.json.Decoder(NetworkProbe)
_details: Final = msgspec.json.Decoder(NetworkProbeDetail)


class Network(Struct, frozen=True, kw_only=True):
    """A network: addresses inside, and the public range outside; None: not known."""

    network_id: str
    local_prefix: str | None
    public_ip_range: str | None

    @property
    def name(self) -> str:
        """``10.5.51.0 (in 178.216.56.0/21)``; without what is not known."""
        local = self.local_prefix or self.network_id
        outside = None if self.public_ip_range is None else cidr_of(self.public_ip_range)
        return local if outside is None else f"{local} (in {outside})"


class Networks:
    """Finds the networks of account groups."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[tuple[int, str], Network] = OrderedDict()

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
        return [await self._described(aid, network_id) for network_id in network_ids]

    async def _described(self, aid: int, network_id: str) -> Network:
        known = self._known.get((aid, network_id))
        if known is None:
            known = await self._read(aid, network_id)
            if known.local_prefix is None:
                return known
            self._known[aid, network_id] = known
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return known

    async def _read(self, aid: int, network_id: str) -> Network:
        newest = await self._store.last_round(NETWORK_PROBES, aid) or 0
        query = Query(
            kind=NETWORK_PROBES,
            aid=aid,
            first_round=max(0, newest - LOOKED_BACK_S),
            last_round=newest,
            filters=(Filter("network_id", (network_id,)),),
            limit=1,
        )
        page = await self._store.page(query)
        if not page.bodies:
            return Network(network_id=network_id, local_prefix=None, public_ip_range=None)
        probe = _probes.decode(page.bodies[0])
        record = await self._store.get(NETWORK_PROBES, aid, probe.round_id, probe.network_probe_id)
        detail = _details.decode(record.detail) if record is not None and record.detail else None
        profile = detail.network_profile if detail is not None else None
        if profile is None:
            return Network(network_id=network_id, local_prefix=None, public_ip_range=None)
        outside = profile.public_ip_range or (
            f"{profile.public_ip_address}-{profile.public_ip_address}" if profile.public_ip_address else None
        )
        return Network(network_id=network_id, local_prefix=profile.local_prefix, public_ip_range=outside)


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
