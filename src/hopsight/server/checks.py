"""What an uploaded record must be beyond its types, and what it is filtered by.

Each check answers once for each distinct value: a fleet sends the same few sites, addresses and seconds.
"""

import re
from functools import lru_cache
from typing import Final, Protocol

from msgspec import Struct, structs
from publicsuffixlist import PublicSuffixList

from hopsight.model.agents import PRINTABLE, Name
from hopsight.model.dimensions import FILTERS, Dimensions
from hopsight.model.ids import SESSION_ROUND_S, round_of
from hopsight.model.times import format_utc, parse_utc
from hopsight.model.upload import MeasurementContext
from hopsight.server.addresses import canonical_address

AHEAD_S: Final = 600
"""How far a round may lie in the future: an agent's clock is not exactly ours."""

_SUFFIX_CHARS: Final = 8
_CACHED: Final = 16_384
_PRINTABLE: Final = re.compile(PRINTABLE)


class Sender(Struct, frozen=True, kw_only=True):
    """Whose records these are, and when they may be from.

    Args:
        agent_id: the agent that has shown its secret.
        aid: its account group.
        former_aids: where it was before: what it measured there is kept there.
        oldest_round: older records would be deleted at once.
        newest_round: newer ones would pass for the last round until time has caught up.
        committed: now, as documents write it.
        address: where the upload came from; None: not known.
    """

    agent_id: str
    aid: int
    oldest_round: int
    newest_round: int
    committed: str
    address: str | None = None
    former_aids: tuple[int, ...] = ()


def sender_of(
    agent_id: str,
    aid: int,
    now_s: float,
    keep_s: int,
    address: str | None = None,
    former_aids: tuple[int, ...] = (),
) -> Sender:
    """What the records of an agent may be, now."""
    return Sender(
        committed=format_utc(now_s),
        address=address and canonical_address(address),
        agent_id=agent_id,
        aid=aid,
        former_aids=former_aids,
        oldest_round=round_of(now_s - keep_s, SESSION_ROUND_S),
        newest_round=round_of(now_s + AHEAD_S, SESSION_ROUND_S),
    )


class Document(Protocol):
    """What every document says of itself."""

    @property
    def agent_id(self) -> str: ...  # noqa: D102 - the names say it

    @property
    def round_id(self) -> int: ...  # noqa: D102

    @property
    def date(self) -> str: ...  # noqa: D102


def fault_of(id_name: str, record_id: str, document: Document, sender: Sender) -> str | None:
    """Why a document with the ID of a session (in the field ``id_name``) cannot be taken; None: it can."""
    fault = fault_of_origin(document, sender, sender.oldest_round)
    if fault is not None:
        return fault
    prefix = id_prefix(sender.aid, document.round_id)
    suffix = record_id[len(prefix) :]
    if (
        record_id.startswith(prefix)
        and len(suffix) == _SUFFIX_CHARS
        and suffix.isascii()
        and suffix.isalnum()
    ):
        return None
    return f"{id_name}: not {prefix} (account group and roundId) and {_SUFFIX_CHARS} base-62 characters"


def fault_of_origin(document: Document, sender: Sender, oldest_round: int) -> str | None:
    """Why a document cannot be from this agent, or from that time; None: it can."""
    if document.agent_id != sender.agent_id:
        return "agentId: not the agent that sent it"
    if not oldest_round <= document.round_id <= sender.newest_round:
        return f"roundId: over {AHEAD_S} s in the future, or older than records are kept here"
    if not is_date(document.date):
        return "date: not a date that exists, as YYYY-mm-dd HH:MM:SS"
    return None


@lru_cache(maxsize=_CACHED)
def id_prefix(aid: int, round_id: int) -> str:
    """What the IDs of an account group's sessions in one round begin with."""
    return f"{aid:05d}:{round_id}:"


@lru_cache(maxsize=_CACHED)
def is_date(text: str) -> bool:
    """Whether a text is ``YYYY-mm-dd HH:MM:SS``, exactly, and a date that exists."""
    time_s = parse_utc(text)
    return time_s is not None and format_utc(time_s) == text


@lru_cache(maxsize=_CACHED)
def canonical_site(site: str) -> str | None:
    """A host name or address in its one spelling; None: there are characters in it that no name has."""
    if not _PRINTABLE.match(site):
        return None
    return canonical_address(site) or site.rstrip(".").lower()


@lru_cache(maxsize=_CACHED)
def domain_of(site: Name) -> str | None:
    """The registrable domain of a site by public-suffix rules; None: an address, or no public name."""
    if canonical_address(site) is not None:
        return None
    domain: str | None = _public_suffixes().privatesuffix(site)
    return domain


@lru_cache(maxsize=1)
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def shared_dimensions(
    context: MeasurementContext, agent_id: str, location: str | None = None
) -> Dimensions | str:
    """What the records of one context have in common; a text: why none of them can be taken.

    ``location``: what the place is called by those who know it, where the agent does not say.
    """
    addresses = {}
    for name in ("gateway", "proxy_target", "vpn_target"):
        given = getattr(context, name)
        addresses[name] = None if given is None else canonical_address(given)
        if given is not None and addresses[name] is None:
            return f"context.{name}: not an IP address"
    return Dimensions(
        agent_id=agent_id,
        platform=_stored("platform", context.platform),
        connection=_stored("connection", context.connection),
        location=context.location or location,
        network_id=context.network_id or None,
        ssid=context.ssid or None,
        bssid=context.bssid or None,
        **addresses,
    )


def _stored(key: str, value: str | None) -> str | None:
    return FILTERS[key].normalize(value) if value else None


def full_dimensions(
    shared: Dimensions, site: str | None, address: str | None, trigger: str, verdict: str | None
) -> Dimensions | str:
    """The dimensions of one record; a text: why it cannot be taken."""
    visited = canonical_site(site) if site else None
    if site and visited is None:
        return "visitedSite: control characters"
    return structs.replace(
        shared,
        destination_ip=address,
        visited_site=visited or None,
        domain=domain_of(visited) if visited else None,
        trigger=trigger,
        verdict=verdict,
    )
