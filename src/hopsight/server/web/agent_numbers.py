"""What an agent's page shows, out of what a store says. Pure."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from hopsight.model.aggregates import Group, Summary
from hopsight.model.sessions import Destination, NetworkSession
from hopsight.model.states import AgentState
from hopsight.model.system import SystemMetrics
from hopsight.model.times import TimeRange, format_utc
from hopsight.model.user_sessions import UserSession
from hopsight.server.web.charts import Chart, Series, draw_chart, place_of
from hopsight.server.web.overview_numbers import bucket_starts
from hopsight.server.web.whereabouts import is_measured

_sessions: Final = msgspec.json.Decoder(NetworkSession).decode
_tests: Final = msgspec.json.Decoder(UserSession).decode
_states: Final = msgspec.json.Decoder(AgentState).decode


class Band(Struct, frozen=True, kw_only=True):
    """A state on the time axis: where it lies in the drawing, and in words."""

    state: str
    x: float
    width: float
    start: str
    end: str
    reason: str


class Stay(Struct, frozen=True, kw_only=True):
    """Where an agent was: what it was attached to, from when to when, and how it did there."""

    kind: str
    value: str
    first: str
    last: str
    group: Group


class MachineSeries(Struct, frozen=True, kw_only=True):
    """What a part of the machine did: percent, a value for each bucket; ``samples``: sessions behind it."""

    label: str
    percents: list[float | None]
    samples: int


class SessionRow(Struct, frozen=True, kw_only=True):
    """One session of the list.

    Args:
        measured: what its probes found; None: there is no network session of it.
        verdict: the segment at fault, empty when there is none or it is not known.
    """

    session_id: str
    date: str
    site: str
    score: float | None
    measured: Destination | None = None
    verdict: str = ""


def newest_start(summary: Summary, most: int) -> tuple[int | None, bool]:
    """From which bucket on there are at most ``most`` records, from the end; and whether that cuts."""
    start_s, count = None, 0
    for bucket in reversed(summary.buckets):
        count += bucket.measures.records
        if count > most and start_s is not None:
            return start_s, True
        start_s = bucket.start_s
    return start_s, False


def machine_charts(bodies: Sequence[bytes], time_range: TimeRange, bucket_s: int) -> list[Chart]:
    """CPU and memory in the sessions' own ten seconds, drawn."""
    starts = bucket_starts(time_range, bucket_s)
    return [
        draw_chart(
            each.label,
            "%",
            [Series(label="mean", style="line-a", values=each.percents)],
            starts,
            time_range,
            each.samples,
        )
        for each in machine_series(bodies, time_range, bucket_s)
    ]


def machine_series(bodies: Sequence[bytes], time_range: TimeRange, bucket_s: int) -> list[MachineSeries]:
    """CPU and memory in the sessions' own ten seconds: the mean of each bucket of the range."""
    starts = bucket_starts(time_range, bucket_s)
    known = [(session.round_id, session.system_metrics) for session in map(_sessions, bodies)]
    found = [(round_id, metrics) for round_id, metrics in known if metrics is not None]

    def line(label: str, of: Callable[[SystemMetrics], float | None]) -> MachineSeries:
        buckets: defaultdict[int, list[float]] = defaultdict(list)
        for round_id, metrics in found:
            value = of(metrics)
            if value is not None:
                buckets[round_id // bucket_s * bucket_s].append(value)
        values = [statistics.fmean(buckets[start_s]) if start_s in buckets else None for start_s in starts]
        return MachineSeries(label=label, percents=values, samples=sum(map(len, buckets.values())))

    return [line("CPU", cpu_percent), line("Memory", memory_percent)]


def state_bands(bodies: Sequence[bytes], time_range: TimeRange) -> list[Band]:
    """States as what they are: spans of time, not values."""
    bands = []
    for state in map(_states, bodies):
        start_s = max(state.start_ms / 1000, time_range.start_s)
        end_s = min(state.end_ms / 1000, time_range.end_s)
        if end_s < start_s:
            continue
        left, right = place_of(start_s, time_range), place_of(end_s, time_range)
        bands.append(
            Band(
                state=state.state,
                x=left,
                width=max(1.0, right - left),
                start=format_utc(state.start_ms / 1000),
                end=format_utc(state.end_ms / 1000),
                reason=state.reason or "",
            )
        )
    return bands


def stays(kind: str, groups: Sequence[Group], time_range: TimeRange, bucket_s: int) -> list[Stay]:
    """What an agent was attached to: since when, until when."""
    first = time_range.start_s // bucket_s * bucket_s
    found = []
    for group in groups:
        seen = [index for index in range(len(group.trend)) if is_measured(group, index)]
        if group.value is not None and seen:
            start_s, end_s = first + seen[0] * bucket_s, first + (seen[-1] + 1) * bucket_s
            found.append(
                Stay(
                    kind=kind,
                    value=group.value,
                    first=format_utc(max(start_s, time_range.start_s)),
                    last=format_utc(min(end_s, time_range.end_s)),
                    group=group,
                )
            )
    return sorted(found, key=lambda stay: (stay.first, stay.value))


def session_rows(
    bodies: Sequence[bytes],
    most: int,
    machine: Sequence[bytes] = (),
    verdicts: Mapping[str, str] = MappingProxyType({}),
) -> list[SessionRow]:
    """The newest sessions, newest first; ``machine``: their network sessions; ``verdicts`` by session ID."""
    newest = list(map(_tests, bodies))[-most:]
    shown = {session.user_session_id for session in newest}
    found = {each.user_session_id: each.destination for each in map(_sessions, machine)}
    measured = {session_id: found[session_id] for session_id in shown & found.keys()}
    return [
        SessionRow(
            session_id=session.user_session_id,
            date=session.date,
            site=session.visited_site,
            score=session.experience_score,
            measured=measured.get(session.user_session_id),
            verdict=verdicts.get(session.user_session_id, ""),
        )
        for session in reversed(newest)
    ]


def cpu_percent(metrics: SystemMetrics) -> float | None:
    """Mean CPU utilization, percent; None: not measured."""
    return None if metrics.cpu_utilization is None else 100 * metrics.cpu_utilization.mean


def memory_percent(metrics: SystemMetrics) -> float | None:
    """Mean memory in use, percent of the total; None: not measured."""
    used, total = metrics.physical_memory_used_bytes, metrics.physical_memory_total_bytes
    return None if used is None or not total else 100 * used.mean / total
