"""``hopsight measure``: measure now, and print."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hopsight.cli.measure_options import ASN_DATABASE, FETCH, IPV4, IPV6, PATH

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from hopsight.agent.measurement import Measurement, Measurer
    from hopsight.agent.network import Family
    from hopsight.agent.pages.fetch import PageFetcher
    from hopsight.agent.path.names import PathNames
    from hopsight.agent.results import ProbeOptions
    from hopsight.clock import Clock
    from hopsight.maxmind.asn import AsnDatabase
    from hopsight.model.agents import Target

_MAX_TARGETS: Final = 1_000
_PROGRESS_S: Final = 0.5
_NAMES_S: Final = 2.0
"""How long the names of hops may keep a person waiting."""


class Protocol(StrEnum):
    """What to measure by."""

    AUTO = "auto"
    ICMP = "icmp"
    TCP = "tcp"


def measure(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="TARGET...", help="HOST, HOST:PORT, [IPV6]:PORT or an IPv6 address."),
    ],
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object per line, in the order finished.")
    ] = False,
    count: Annotated[
        int, typer.Option(min=1, max=1_000, envvar="HOPSIGHT_COUNT", help="Probes to each target.")
    ] = 10,
    interval: Annotated[
        float,
        typer.Option(min=0.01, max=60, envvar="HOPSIGHT_INTERVAL", help="Seconds from probe to probe."),
    ] = 1.0,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.01, max=60, envvar="HOPSIGHT_TIMEOUT", help="Seconds after which a reply is late."
        ),
    ] = 1.0,
    protocol: Annotated[
        Protocol,
        typer.Option(envvar="HOPSIGHT_PROTOCOL", help="auto: ICMP, and TCP where ICMP stays silent."),
    ] = Protocol.AUTO,
    ipv4: IPV4 = False,
    ipv6: IPV6 = False,
    path: PATH = None,
    fetch: FETCH = False,
    asn_database: ASN_DATABASE = None,
) -> None:
    """Measure loss, latency and jitter to targets, all at the same time.

    Exit status 0 when measured, whatever the result. Times are in milliseconds.
    """
    import asyncio

    from hopsight.agent.results import ProbeOptions
    from hopsight.agent.targets import parse_target
    from hopsight.errors import InvalidValueError

    if len(targets) > _MAX_TARGETS:
        raise InvalidValueError("number of targets", len(targets), f"at most {_MAX_TARGETS}")
    named = [(text, parse_target(text, protocol.value)) for text in targets]
    options = ProbeOptions(
        count=count,
        interval_s=interval,
        timeout_s=timeout,
        family=_family(ipv4=ipv4, ipv6=ipv6),
        path=path is not False,
    )
    asn = _opened(asn_database) if path else None
    measured = asyncio.run(_measure_all(named, options, asn, names=bool(path), fetch=fetch, as_json=json))
    if not json:
        _print(measured, path=bool(path))


def _print(measured: "list[tuple[str, Measurement]]", *, path: bool) -> None:
    from hopsight.cli.measure_output import table, verdict_lines, way_text
    from hopsight.cli.page_output import page_text

    typer.echo(table(measured))
    if path or len(measured) == 1:
        for text, measurement in measured:
            typer.echo("\n" + way_text(text, measurement, path=path))
    else:
        for number, line in enumerate(verdict_lines(measured)):
            typer.echo(line if number else f"\n{line}")
    for text, measurement in measured:
        if measurement.page is not None:
            typer.echo("\n" + page_text(text, measurement.page))


def _opened(asn_database: Path | None) -> "AsnDatabase | None":
    if asn_database is None:
        return None
    from hopsight.maxmind.asn import AsnDatabase

    return AsnDatabase(asn_database)


def _family(*, ipv4: bool, ipv6: bool) -> "Family | None":
    if ipv4 == ipv6:
        return None
    return 4 if ipv4 else 6


async def _measure_all(
    named: "list[tuple[str, Target]]",
    options: "ProbeOptions",
    asn: "AsnDatabase | None",
    *,
    names: bool,
    fetch: bool,
    as_json: bool,
) -> "list[tuple[str, Measurement]]":
    """Measure all at once; print JSON lines as they come.

    Returns:
        In the order asked for.
    """
    import asyncio
    import os
    import random

    from hopsight.agent.measurement import Measurer
    from hopsight.agent.pages.fetch import PageFetcher
    from hopsight.agent.path.names import PathNames
    from hopsight.agent.profile.here import read_profile
    from hopsight.agent.profile.proxies import proxy_variables
    from hopsight.agent.system_network import SystemNetwork
    from hopsight.clock import SystemClock

    clock = SystemClock()
    network = SystemNetwork(clock)
    profile = await asyncio.to_thread(read_profile, network, proxy_variables(os.environ), {})
    notes = PathNames(network, clock, asn, resolve=names)
    rng = random.Random()  # noqa: S311 - tokens against mistakes, not foes
    measurer = Measurer(network, clock, rng, surroundings=lambda: profile, path_notes=notes.annotate)
    pages = PageFetcher(network, clock, proxies=lambda: profile.proxies) if fetch else None
    output = _Output(len(named), clock, as_json=as_json)
    async with asyncio.TaskGroup() as tasks:
        showing = tasks.create_task(output.show_progress())
        measuring = [
            tasks.create_task(output.show(text, _measured(target, options, measurer, pages)))
            for text, target in named
        ]
        await asyncio.wait(measuring)
        showing.cancel()
    await measurer.aclose()
    await notes.settle(_NAMES_S)
    found = [(text, one) for task in measuring for text, several in [task.result()] for one in several]
    named_late = [(text, _annotated(one, notes)) for text, one in found]
    await notes.aclose()
    return named_late


async def _measured(
    target: "Target", options: "ProbeOptions", measurer: "Measurer", pages: "PageFetcher | None"
) -> "tuple[Measurement, ...]":
    """Measure, then fetch; the page belongs to the first family, and is kept even when nobody answered."""
    from msgspec import structs

    from hopsight.agent.pages.choice import page_url

    found = await measurer.measure(target, options)
    url = page_url(target)
    if pages is None or url is None or found[0].address is None or found[0].asleep:
        return found
    page = await pages.fetch(url, options.family)
    return (structs.replace(found[0], page=page), *found[1:])


def _annotated(measurement: "Measurement", notes: "PathNames") -> "Measurement":
    from msgspec import structs

    if measurement.path is None:
        return measurement
    return structs.replace(measurement, path=notes.annotate(measurement.path))


class _Output:
    """What the person sees while it goes on."""

    def __init__(self, total: int, clock: "Clock", *, as_json: bool) -> None:
        self._total = total
        self._clock = clock
        self._as_json = as_json
        self._done = 0
        self._told = False
        self._line_chars = 0

    async def show(
        self, text: str, measuring: "Coroutine[Any, Any, tuple[Measurement, ...]]"
    ) -> "tuple[str, tuple[Measurement, ...]]":
        """Wait for one target, and print what is to be a line."""
        from hopsight.cli.measure_output import json_line

        found = await measuring
        self._done += 1
        self._clear()
        for measurement in found:
            self._tell_how_to_get_icmp(measurement)
            if self._as_json:
                typer.echo(json_line(text, measurement))
        return text, found

    async def show_progress(self) -> None:
        """Keep a line on the terminal up to date, if there is one."""
        import sys

        if not sys.stderr.isatty():
            return
        started_s = self._clock.monotonic()
        try:
            while True:
                passed_s = self._clock.monotonic() - started_s
                line = f"measuring: {self._done} of {self._total} done, {passed_s:.0f} s"
                typer.echo(f"\r{line}", err=True, nl=False)
                self._line_chars = len(line)
                await self._clock.sleep(_PROGRESS_S)
        finally:
            self._clear()

    def _clear(self) -> None:
        if self._line_chars:
            typer.echo("\r" + " " * self._line_chars + "\r", err=True, nl=False)
            self._line_chars = 0

    def _tell_how_to_get_icmp(self, measurement: "Measurement") -> None:
        if measurement.icmp_unavailable is not None and not self._told:
            self._told = True
            typer.echo(f"hopsight: {measurement.icmp_unavailable}.", err=True)
