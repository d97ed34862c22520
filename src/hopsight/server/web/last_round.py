"""The last round as a person reads it: rows of numbers as text, and what they come to."""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Final, get_args

import msgspec
from msgspec import Struct, structs

from hopsight.model.dimensions import NETWORK_SESSIONS, USER_SESSIONS
from hopsight.model.network_documents import VerdictResult
from hopsight.model.query import Query
from hopsight.model.sessions import NetworkSession
from hopsight.model.system import SystemMetrics
from hopsight.server.services import Services

STALE_AFTER_S: Final = 600
"""A last round older than this means that agents are silent."""

_GIB: Final = 1 << 30
_AGES: Final = ((86_400, "day", "days"), (3_600, "hour", "hours"), (60, "minute", "minutes"))
_ALL_LOST: Final = 100.0
_VERDICTS: Final[tuple[str, ...]] = get_args(VerdictResult)

_decoder: Final = msgspec.json.Decoder(NetworkSession)


class Row(Struct, frozen=True, kw_only=True):
    """One session. Numbers are texts, in the unit of their column's heading; None: not measured.

    Args:
        agent_name: its name, or its ID when that is not known.
        loss: percent; ``loss_mark`` says in a word what is wrong with it, empty when nothing is.
        memory: of its total, percent; ``memory_gib`` is used and total in GiB.
    """

    agent_name: str
    agent_id: str
    target: str
    date: str
    loss: str | None
    loss_mark: str
    latency: str | None
    jitter: str | None
    avg_rtt: str | None
    max_rtt: str | None
    cpu: str | None
    memory: str | None
    memory_gib: str | None


class LastRound(Struct, frozen=True, kw_only=True):
    """The newest round of an account group.

    Args:
        started: in words, UTC; ``started_iso`` for machines.
        age: how long ago that was, in words.
        is_stale: whether newer rounds should be there.
        rows: sessions, those with loss first, then by agent and target.
        is_cut: whether there are more than ``rows``.
        agents: how many agents the rows are of.
        lossy: how many rows have loss.
        median_rtt: of the rows' average RTTs, ms; None: nothing answered.
        verdicts: how many sessions of the whole round have which, in words; empty: none has any.
    """

    started: str
    started_iso: str
    age: str
    is_stale: bool
    rows: list[Row]
    is_cut: bool
    agents: int
    lossy: int
    median_rtt: str | None
    verdicts: str = ""


class RoundSessions(Struct, frozen=True, kw_only=True):
    """The sessions of a round: those with loss first, then by agent; names of agents by ID."""

    round_id: int
    sessions: list[NetworkSession]
    names: dict[str, str]
    is_cut: bool


async def read_last_round(services: Services, aid: int) -> LastRound | None:
    """Ask for it; at most a page of sessions. None: there is no session yet."""
    found = await read_sessions(services, aid)
    if found is None:
        return None
    described = describe_round(
        found.round_id, found.sessions, found.names, services.clock.now(), is_cut=found.is_cut
    )
    query = Query(kind=NETWORK_SESSIONS, aid=aid, first_round=found.round_id, last_round=found.round_id)
    counts = await services.store.count_by(structs.replace(query, kind=USER_SESSIONS), "verdict")
    return structs.replace(described, verdicts=describe_verdicts(counts))


async def read_sessions(services: Services, aid: int) -> RoundSessions | None:
    """The sessions of the newest round; None: there is none yet."""
    round_id = await services.store.last_round(NETWORK_SESSIONS, aid)
    if round_id is None:
        return None
    query = Query(kind=NETWORK_SESSIONS, aid=aid, first_round=round_id, last_round=round_id)
    page = await services.store.page(query)
    sessions = [_decoder.decode(body) for body in page.bodies]
    names = services.accounts.agent_names(aid, {session.agent_id for session in sessions})
    return RoundSessions(
        round_id=round_id, sessions=in_order(sessions, names), names=names, is_cut=page.next is not None
    )


def in_order(sessions: Sequence[NetworkSession], names: dict[str, str]) -> list[NetworkSession]:
    """Those with loss first, then by name of the agent."""
    return sorted(
        sessions, key=lambda session: _order(session, names.get(session.agent_id, session.agent_id))
    )


def describe_round(
    round_id: int, sessions: Sequence[NetworkSession], names: dict[str, str], now_s: float, *, is_cut: bool
) -> LastRound:
    """Put sessions of a round into words and texts."""
    ordered = in_order(sessions, names)
    rtts_ms = [rtt for session in sessions if (rtt := session.destination.avg_rtt_ms) is not None]
    started = datetime.fromtimestamp(round_id, UTC)
    age_s = now_s - round_id
    return LastRound(
        started=f"{started:%A} {started.day} {started:%B %Y, %H:%M} UTC",
        started_iso=f"{started:%Y-%m-%dT%H:%M:%SZ}",
        age=describe_age(age_s),
        is_stale=age_s > STALE_AFTER_S,
        rows=[_row(session, names.get(session.agent_id, session.agent_id)) for session in ordered],
        is_cut=is_cut,
        agents=len({session.agent_id for session in sessions}),
        lossy=sum(bool(session.destination.loss_percent) for session in sessions),
        median_rtt=_fixed(median(rtts_ms), 1) if rtts_ms else None,
    )


def describe_verdicts(counts: dict[str | None, int]) -> str:
    """``12 healthy, 2 lan, 1 no verdict``: as ordered on the way out; what has no verdict is left out."""
    known = ((counts.get(name, 0), name.replace("-", " ")) for name in _VERDICTS)
    return ", ".join(f"{count:,} {name}" for count, name in known if count)


def describe_age(age_s: float) -> str:
    """A duration until now, in words, in its largest unit."""
    for unit_s, one, many in _AGES:
        count = int(age_s // unit_s)
        if count >= 1:
            return f"{count} {one if count == 1 else many} ago"
    return "less than a minute ago"


def _order(session: NetworkSession, agent_name: str) -> tuple[float, str, str, str]:
    loss_percent = session.destination.loss_percent or 0.0
    return -loss_percent, agent_name, session.destination.target, session.user_session_id


def _row(session: NetworkSession, agent_name: str) -> Row:
    found, system = session.destination, session.system_metrics or _NOT_MEASURED
    cpu = system.cpu_utilization
    return Row(
        agent_name=agent_name,
        agent_id=session.agent_id,
        target=found.target,
        date=session.date,
        loss=_loss(found.loss_percent),
        loss_mark=_loss_mark(found.loss_percent),
        latency=_fixed(found.latency_ms, 0),
        jitter=_fixed(found.jitter_ms, 0),
        avg_rtt=_fixed(found.avg_rtt_ms, 2),
        max_rtt=_fixed(found.max_rtt_ms, 2),
        cpu=None if cpu is None else _fixed(100 * cpu.mean, 0),
        memory=_memory(system),
        memory_gib=_memory_gib(system),
    )


_NOT_MEASURED: Final = SystemMetrics(start_time_ms=0, end_time_ms=0)


def _fixed(value: float | None, decimals: int) -> str | None:
    return None if value is None else f"{value:.{decimals}f}"


def _loss(percent: float | None) -> str | None:
    if percent is None:
        return None
    # A little loss must not read as none, nor nearly all as all.
    if 0 < percent < 0.1:  # noqa: PLR2004 - the last digit shown
        return "< 0.1"
    return f"{min(percent, 99.9) if percent < _ALL_LOST else percent:.1f}".removesuffix(".0")


def _loss_mark(percent: float | None) -> str:
    if not percent:
        return ""
    return "all lost" if percent >= _ALL_LOST else "loss"


def _memory(system: SystemMetrics) -> str | None:
    used, total = system.physical_memory_used_bytes, system.physical_memory_total_bytes
    return None if used is None or not total else _fixed(100 * used.mean / total, 0)


def _memory_gib(system: SystemMetrics) -> str | None:
    used, total = system.physical_memory_used_bytes, system.physical_memory_total_bytes
    return None if used is None or not total else f"{used.mean / _GIB:.1f} / {total / _GIB:.1f}"
