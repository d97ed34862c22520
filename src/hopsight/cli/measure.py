"""``hopsight measure``: measure now, and print."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from hopsight.agent.measurement import Measurement
    from hopsight.agent.network import Family
    from hopsight.agent.results import ProbeOptions
    from hopsight.clock import Clock
    from hopsight.model.agents import Target

_MAX_TARGETS: Final = 1_000
_PROGRESS_S: Final = 0.5


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
    ipv4: Annotated[bool, typer.Option("--ipv4", help="Only IPv4; default: each that a name has.")] = False,
    ipv6: Annotated[bool, typer.Option("--ipv6", help="Only IPv6.")] = False,
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
        count=count, interval_s=interval, timeout_s=timeout, family=_family(ipv4=ipv4, ipv6=ipv6)
    )
    measured = asyncio.run(_measure_all(named, options, as_json=json))
    if not json:
        from hopsight.cli.measure_output import table

        typer.echo(table(measured))


def _family(*, ipv4: bool, ipv6: bool) -> "Family | None":
    if ipv4 == ipv6:
        return None
    return 4 if ipv4 else 6


async def _measure_all(
    named: "list[tuple[str, Target]]", options: "ProbeOptions", *, as_json: bool
) -> "list[tuple[str, Measurement]]":
    """Measure all at once; print JSON lines as they come.

    Returns:
        In the order asked for.
    """
    import asyncio
    import random

    from hopsight.agent.measurement import Measurer
    from hopsight.agent.system_network import SystemNetwork
    from hopsight.clock import SystemClock

    clock = SystemClock()
    measurer = Measurer(SystemNetwork(clock), clock, random.Random())  # noqa: S311 - tokens against mistakes, not foes
    output = _Output(len(named), clock, as_json=as_json)
    async with asyncio.TaskGroup() as tasks:
        showing = tasks.create_task(output.show_progress())
        measuring = [
            tasks.create_task(output.show(text, measurer.measure(target, options))) for text, target in named
        ]
        await asyncio.wait(measuring)
        showing.cancel()
    await measurer.aclose()
    return [(text, one) for task in measuring for text, found in [task.result()] for one in found]


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
