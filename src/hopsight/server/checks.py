"""What an uploaded record must be beyond its types, and what it is filtered by.

Each check answers once for each distinct value: a fleet sends the same few sites, addresses and seconds.
"""

import ipaddress
from functools import lru_cache
from typing import Final

from msgspec import Struct, structs
from publicsuffixlist import PublicSuffixList

from hopsight.model.agents import Name
from hopsight.model.dimensions import FILTERS, Dimensions
from hopsight.model.ids import SESSION_ROUND_S, round_of
from hopsight.model.sessions import NetworkSession
from hopsight.model.times import parse_utc
from hopsight.model.upload import MeasurementContext

AHEAD_S: Final = 600
"""How far a round may lie in the future: an agent's clock is not exactly ours."""

_SUFFIX_CHARS: Final = 8
_CACHED: Final = 16_384


class Sender(Struct, frozen=True, kw_only=True):
    """Whose records these are, and when they may be from.

    Args:
        agent_id: the agent that has shown its secret.
        aid: its account group.
        oldest_round: older records would be deleted at once.
        newest_round: newer ones would pass for the last round until time has caught up.
    """

    agent_id: str
    aid: int
    oldest_round: int
    newest_round: int


def sender_of(agent_id: str, aid: int, now_s: float, keep_s: int) -> Sender:
    """What the records of an agent may be, now."""
    return Sender(
        agent_id=agent_id,
        aid=aid,
        oldest_round=round_of(now_s - keep_s, SESSION_ROUND_S),
        newest_round=round_of(now_s + AHEAD_S, SESSION_ROUND_S),
    )


def fault_of(session: NetworkSession, sender: Sender) -> str | None:
    """Why a network session cannot be taken; None: it can."""
    if session.agent_id != sender.agent_id:
        return "agentId: not the agent that sent it"
    prefix = f"{sender.aid:05d}:{session.round_id}:"
    record_id = session.user_session_id
    if len(record_id) != len(prefix) + _SUFFIX_CHARS or not record_id.startswith(prefix):
        return f"userSessionId: does not begin with {prefix} (account group and roundId)"
    if not sender.oldest_round <= session.round_id <= sender.newest_round:
        return f"roundId: over {AHEAD_S} s in the future, or older than records are kept here"
    if not is_date(session.date):
        return "date: no such date"
    if canonical_address(session.destination.target) is None:
        return "destination.target: not an IP address"
    return None


@lru_cache(maxsize=_CACHED)
def is_date(text: str) -> bool:
    """Whether ``YYYY-mm-dd HH:MM:SS`` is a date that exists."""
    return parse_utc(text) is not None


@lru_cache(maxsize=_CACHED)
def canonical_address(text: str) -> str | None:
    """An IP address in its one spelling; None: it is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


@lru_cache(maxsize=_CACHED)
def canonical_site(site: str) -> str:
    """A host name in its one spelling."""
    return site.rstrip(".").lower()


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


def shared_dimensions(context: MeasurementContext, agent_id: str) -> Dimensions | str:
    """What the records of one context have in common; a text: why none of them can be taken."""
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
        location=context.location or None,
        network_id=context.network_id or None,
        ssid=context.ssid or None,
        bssid=context.bssid or None,
        **addresses,
    )


def _stored(key: str, value: str | None) -> str | None:
    return FILTERS[key].normalize(value) if value else None


def full_dimensions(shared: Dimensions, site: str | None, address: str, trigger: str) -> Dimensions:
    """The dimensions of one record."""
    visited = canonical_site(site) if site else None
    return structs.replace(
        shared,
        destination_ip=address,
        visited_site=visited,
        domain=domain_of(visited) if visited else None,
        trigger=trigger,
    )
