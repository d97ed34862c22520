"""Where the records of a batch were made: worked out once for each of its contexts."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct, structs

from hopsight.accounts.listings import NetworkName
from hopsight.maxmind.asn import AsnEntry
from hopsight.model.network_documents import NetworkProfileDocument
from hopsight.model.topology import NETWORK_ID_PATTERN
from hopsight.model.upload import MeasurementContext, NetworkProbeRecord, UserSessionRecord
from hopsight.model.user_sessions import Coordinates
from hopsight.server.addresses import canonical_address
from hopsight.server.checks import AHEAD_S, Sender
from hopsight.server.places.atlas import Atlas

FRESH_S: Final = 900
"""Records of older rounds have waited on the endpoint: it may have been elsewhere when it measured."""
_CACHED: Final = 16_384
_network_id: Final = re.compile(NETWORK_ID_PATTERN, re.ASCII)


class Origin(Struct, frozen=True, kw_only=True, gc=False):
    """Where the records of a context were made; None: not known.

    Args:
        public_address: by which its network met the Internet.
        network: who announces that.
        coordinates: its place, by whoever knows it best.
        org_name: who the network belongs to, by an administrator.
    """

    public_address: str | None = None
    network: AsnEntry | None = None
    coordinates: Coordinates | None = None
    org_name: str | None = None

    @property
    def location(self) -> str | None:
        """What the place is called."""
        return None if self.coordinates is None else self.coordinates.location

    def organization(self, source: str | None, atlas: Atlas) -> str | None:
        """Who the network belongs to, or the address ``source`` that the records came from."""
        if self.org_name is not None:
            return self.org_name
        network = atlas.network_of(source) or self.network
        return None if network is None else network.organization


NOWHERE: Final = Origin()
_UNKNOWN: Final = Coordinates()


class Seen(Struct, frozen=True):
    """What a batch's records tell of its contexts.

    Args:
        addresses: public addresses by context, as the agent said.
        stale: contexts with records that waited.
        newest: the context of the newest record, if that did not wait.
    """

    addresses: Mapping[int, str]
    stale: frozenset[int]
    newest: int | None


def look_through(lists: Iterable[Sequence[Any]], sender: Sender) -> Seen:
    """See what the records of a batch tell; texts among them stand for what could not be read."""
    addresses: dict[int, str] = {}
    stale: set[int] = set()
    newest: int | None = None
    fresh_round = newest_round = sender.newest_round - AHEAD_S - FRESH_S
    for records in lists:
        for record in records:
            if isinstance(record, str):
                continue
            round_id = record.document.round_id
            if round_id < fresh_round:
                stale.add(record.context)
            elif newest_round <= round_id <= sender.newest_round:
                newest_round, newest = round_id, record.context
            profile = _profile_of(record)
            if profile is not None and profile.public_ip_address is not None:
                addresses.setdefault(record.context, profile.public_ip_address)
    return Seen(addresses, frozenset(stale), newest)


def origins_of(
    contexts: Sequence[MeasurementContext | str], seen: Seen, sender: Sender, aid: int, atlas: Atlas
) -> list[Origin]:
    """Where the records of each context were made, for those that are kept in account group ``aid``."""
    names = atlas.names_of(aid)
    return [
        NOWHERE if isinstance(context, str) else _origin(context, _address(index, seen, sender), names, atlas)
        for index, context in enumerate(contexts)
    ]


def network_of(contexts: Sequence[MeasurementContext | str], seen: Seen) -> str | None:
    """The ID of the network that the agent is on now; None: it does not say."""
    context = contexts[seen.newest] if seen.newest is not None and seen.newest < len(contexts) else ""
    given = "" if isinstance(context, str) else context.network_id or ""
    return given if _network_id.fullmatch(given) else None


def _origin(
    context: MeasurementContext, address: str | None, names: Mapping[str, NetworkName], atlas: Atlas
) -> Origin:
    name = names.get(context.network_id or "")
    own = Coordinates(location=context.location or None)
    return Origin(
        public_address=address,
        network=atlas.network_of(address),
        coordinates=merged(own, place_named(name), atlas.place_of(address)),
        org_name=None if name is None else name.org_name,
    )


def merged(*places: Coordinates | None) -> Coordinates | None:
    """One place from several accounts of it, the best first; None: nobody knows anything.

    Name and coordinates each are from the best that has them.
    """
    made = Coordinates()
    for place in places:
        if place is None:
            continue
        if made.location is None and place.location is not None:
            made = structs.replace(made, location=place.location)
        if made.latitude is None and place.latitude is not None and place.longitude is not None:
            made = structs.replace(made, latitude=place.latitude, longitude=place.longitude)
    return None if made == _UNKNOWN else made


def place_named(name: NetworkName | None) -> Coordinates | None:
    """The place of a network, by an administrator."""
    if name is None:
        return None
    return Coordinates(latitude=name.latitude, longitude=name.longitude, location=name.location)


def _address(context: int, seen: Seen, sender: Sender) -> str | None:
    """The public address of a context: what the agent said then, else where it comes from right now."""
    said = seen.addresses.get(context)
    if said is not None:
        return public(said)
    return None if context in seen.stale or sender.address is None else public(sender.address)


@lru_cache(maxsize=_CACHED)
def public(address: str) -> str | None:
    """An address in its one spelling, if it is one on the Internet."""
    canonical = canonical_address(address)
    return canonical if canonical is not None and ipaddress.ip_address(canonical).is_global else None


def _profile_of(record: Any) -> NetworkProfileDocument | None:
    if isinstance(record, UserSessionRecord):
        return record.detail.network.network_profile
    if isinstance(record, NetworkProbeRecord):
        return record.detail.network_profile
    return None
