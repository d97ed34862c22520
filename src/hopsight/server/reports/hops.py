"""The routers on the ways of many sessions: who goes through them, what is lost, what they add. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean, median
from typing import Final

from msgspec import Struct, field

from hopsight.model.network_documents import PathHop
from hopsight.server.reports.document import ReportHop
from hopsight.server.reports.masking import LOCAL, is_local
from hopsight.server.web.path_drawing import rtt_of
from hopsight.server.web.path_graph import Trace

MAX_ROUTERS: Final = 100

ProviderOf = Callable[[str], str | None]
"""Who announces an address, in words; None: not known."""
_Key = tuple[str, int]


class _Found(Struct):
    """What is gathered of a router."""

    places: Counter[int] = field(default_factory=Counter)
    traces: set[int] = field(default_factory=set)
    rtts_ms: list[float] = field(default_factory=list)
    added_ms: list[float] = field(default_factory=list)
    last_of_lossy: int = 0
    hop: PathHop | None = None


def report_hops(
    traces: Sequence[Trace], provider_of: ProviderOf, *, names: bool
) -> tuple[list[ReportHop], int]:
    """Routers by place, and how many with fewer sessions are left out.

    Args:
        traces: of sessions.
        provider_of: asked for addresses whose trace names no AS.
        names: False: local addresses, and the first hop of each way, are one router for each hop number.
    """
    found = _gather(traces, names=names)
    kept = sorted(found.items(), key=lambda each: (-len(each[1].traces), each[0]))[:MAX_ROUTERS]
    routers = [_router(key, each, traces, provider_of) for key, each in kept]
    routers.sort(key=lambda each: (each.hop, -each.sessions, each.address))
    return routers, len(found) - len(kept)


def _gather(traces: Sequence[Trace], *, names: bool) -> dict[_Key, _Found]:
    found: dict[_Key, _Found] = {}
    for number, trace in enumerate(traces):
        last: _Found | None = None
        last_ms = 0.0
        for hop in trace.hops:
            if hop.ip_address is None:
                continue
            last = found.setdefault(_key(hop, hop.ip_address, names=names), _Found())
            last.places[hop.hop] += 1
            last.traces.add(number)
            last.hop = hop
            if (rtt_ms := rtt_of(hop)) is not None:
                last.rtts_ms.append(rtt_ms)
                # A router that is slow to answer for itself would make the next one take negative time.
                last.added_ms.append(max(0.0, rtt_ms - last_ms))
                last_ms = rtt_ms
        if last is not None and trace.loss_percent:
            last.last_of_lossy += 1
    return found


def _key(hop: PathHop, address: str, *, names: bool) -> _Key:
    if not names and (hop.hop == 1 or is_local(address)):
        return (LOCAL, hop.hop)
    return (address, 0)


def _router(key: _Key, found: _Found, traces: Sequence[Trace], provider_of: ProviderOf) -> ReportHop:
    is_masked = key[0] == LOCAL
    name = None if is_masked or found.hop is None else found.hop.name
    through = [traces[number] for number in found.traces]
    others = [trace for number, trace in enumerate(traces) if number not in found.traces]
    return ReportHop(
        hop=min(found.places, key=lambda place: (-found.places[place], place)),
        address=key[0],
        name=None if name == key[0] else name,
        provider=None if is_masked else _provider(key[0], found.hop, provider_of),
        sessions=len(through),
        agents=len({trace.agent_id for trace in through}),
        loss_percent=_mean_loss(through),
        other_loss_percent=_mean_loss(others),
        rtt_p50_ms=median(found.rtts_ms) if found.rtts_ms else None,
        added_p50_ms=median(found.added_ms) if found.added_ms else None,
        last_of_lossy=found.last_of_lossy,
    )


def _provider(address: str, hop: PathHop | None, provider_of: ProviderOf) -> str | None:
    known = provider_of(address)
    if known is None and hop is not None and hop.asn is not None:
        return f"AS{hop.asn}"
    return known


def _mean_loss(traces: Sequence[Trace]) -> float | None:
    losses = [trace.loss_percent for trace in traces if trace.loss_percent is not None]
    return fmean(losses) if losses else None
