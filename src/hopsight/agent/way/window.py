"""From what was measured to what the rules ask for (``verdict.window``)."""

from collections.abc import Callable

from hopsight.agent.results import CLOCK_STEPPED, USER_SPACE_TIME, ConnectResult, PathResult, PingResult
from hopsight.agent.verdict.window import Device, Series, Service, Stretch
from hopsight.agent.way.marks import is_public
from hopsight.agent.way.segments import NO_ICMP, Pinged, Survey
from hopsight.agent.way.way import Way
from hopsight.model.system import SystemMetrics

Unreliable = Callable[[str | None], bool]


def stretches_of(
    way: Way, survey: Survey, ping: PingResult | None, unreliable: Unreliable
) -> tuple[Stretch, ...]:
    """The chain of a way, from the gateway to its end."""
    found: list[Stretch] = []
    answers = _answers(way, survey.path, 1)
    if way.gateway is not None and way.ending != "lan":
        found.append(_lan(way, survey, answers, unreliable))
    if way.tunnelled:
        found += _vpn(way, survey, answers, unreliable)
    if way.ending == "destination" and _has_provider(way, survey):
        found.append(_provider(way, survey, unreliable))
    end = Stretch(
        name=way.ending,
        target=way.site.address.host,
        series=series_of(ping),
        link=way.link if way.ending == "lan" else None,
    )
    return (*found, end)


def series_of(ping: PingResult | None) -> Series | None:
    """A series as the rules see it; None: nothing was sent."""
    if ping is None or ping.pkts_sent == 0:
        return None
    return Series(
        sent=ping.pkts_sent,
        rtts_ms=ping.rtts_ms,
        kernel_times=not {USER_SPACE_TIME, CLOCK_STEPPED} & set(ping.flags),
        prohibited=ping.prohibited,
    )


def device_of(metrics: SystemMetrics | None) -> Device | None:
    """The machine as the rules see it."""
    if metrics is None:
        return None
    cpu, memory, total = (
        metrics.cpu_utilization,
        metrics.physical_memory_used_bytes,
        metrics.physical_memory_total_bytes,
    )
    return Device(
        cpu_utilization=cpu.median if cpu is not None else None,
        memory_used=memory.median / total if memory is not None and total else None,
        samples=min(one.count for one in (cpu, memory) if one is not None) if cpu or memory else 0,
    )


def service_of(connect: ConnectResult | None) -> Service | None:
    """The connection to a port that the target names; a guessed one proves nothing."""
    if connect is None or connect.port_guessed:
        return None
    return Service(refused=connect.reset, unanswered_syns=0 if connect.answered else 1 + connect.retransmits)


def _lan(way: Way, survey: Survey, answers: int, unreliable: Unreliable) -> Stretch:
    host = way.gateway.host if way.gateway is not None else None
    return Stretch(
        name="lan",
        target=host,
        series=series_of(survey.gateway),
        answers=answers,
        unreliable=unreliable(host),
        link=way.link,
        note=NO_ICMP if survey.gateway is None else None,
    )


def _vpn(way: Way, survey: Survey, answers: int, unreliable: Unreliable) -> list[Stretch]:
    """The way to the VPN's endpoint, and the tunnel: either may fail while the other works."""
    endpoint = way.endpoint.host if way.endpoint is not None else None
    outer = Stretch(
        name="vpn",
        target=endpoint,
        series=series_of(survey.endpoint),
        answers=answers,
        unreliable=unreliable(endpoint),
        note="its endpoint is not known",
    )
    tunnel = _router("vpn", survey.far_end, answers, unreliable)
    return [tunnel] if endpoint is None else [outer, tunnel]


def _has_provider(way: Way, survey: Survey) -> bool:
    return survey.provider.landmark is not None or (
        way.gateway is not None and is_public(way.site.address.host)
    )


def _provider(way: Way, survey: Survey, unreliable: Unreliable) -> Stretch:
    landmark = survey.provider.landmark
    answers = _answers(way, survey.path, landmark.hop) if landmark is not None else 0
    return _router("provider", survey.provider, answers, unreliable)


def _router(name: str, pinged: Pinged, answers: int, unreliable: Unreliable) -> Stretch:
    host = pinged.landmark.host if pinged.landmark is not None else None
    return Stretch(
        name="vpn" if name == "vpn" else "provider",
        target=host,
        series=series_of(pinged.ping),
        answers=answers,
        unreliable=unreliable(host),
        note=pinged.note,
    )


def _answers(way: Way, path: PathResult | None, first_hop: int) -> int:
    """Probes of the trace that hops from ``first_hop`` on answered; the end is judged by its own series."""
    if path is None:
        return 0
    end = way.site.address.host
    return sum(hop.pkts_received for hop in path.hops if hop.number >= first_hop and hop.address != end)
