"""``hopsight simulate``: a made-up fleet's history, sent by the way that real agents go."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from hopsight.simulation.run import Progress

PLAIN_EVERY_S = 5.0


def simulate(
    connection_string: Annotated[
        str,
        typer.Option(
            envvar="HOPSIGHT_CONNECTION_STRING",
            help="Of the account group that is to hold the simulated data.",
        ),
    ],
    url: Annotated[
        str | None,
        typer.Option(envvar="HOPSIGHT_URL", help="Server, in place of the one in the connection string."),
    ] = None,
    agents: Annotated[int, typer.Option(min=1, max=100_000, help="Agents in the fleet.")] = 50,
    hours: Annotated[float, typer.Option(min=0.02, max=24 * 400, help="Length of the history.")] = 24,
    seed: Annotated[int, typer.Option(help="The same seed is the same fleet, and the same history.")] = 1,
    end: Annotated[
        str | None,
        typer.Option(
            help="When the history ends, UTC, YYYY-mm-ddTHH:MM:SS. Default: now.", show_default=False
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON at the end.")] = False,
) -> None:
    """Upload a made-up fleet's history, ending now, through the real enrolment and ingest.

    The data is simulated, and says so: every agent, computer and place is named SIMULATED. Give it an account
    group of its own. Run again with the same seed, it goes on with the same agents, and stores nothing twice.
    """
    import asyncio
    import random

    import msgspec

    from hopsight.clock import SystemClock
    from hopsight.errors import UploadError
    from hopsight.model.connection import ConnectionString, parse_connection_string
    from hopsight.simulation.run import Plan
    from hopsight.simulation.run import simulate as run

    clock = SystemClock()
    connection = parse_connection_string(connection_string)
    if url is not None:
        connection = msgspec.structs.replace(connection, url=_checked(url, ConnectionString, connection))
    end_s = int(clock.now()) if end is None else _end_s(end)
    plan = Plan(connection=connection, agents=agents, hours=hours, seed=seed, end_s=end_s)
    typer.echo(f"Simulating {agents} agents over {hours:g} h. This data is SIMULATED.", err=True)
    show, finish = shown(agents)
    try:
        progress = asyncio.run(run(plan, clock, random.Random(), show))  # noqa: S311 - scatters retries
    finally:
        finish()
    typer.echo(report(progress), err=True)
    if json:
        typer.echo(_summary(progress))
    if progress.refused:
        raise UploadError(f"the server refused records: {progress.reason}", permanent=True)


def report(progress: "Progress") -> str:
    """What was made, and what became of it."""
    return (
        f"{progress.network_sessions} network sessions, {progress.user_sessions} user sessions, "
        f"{progress.web_sessions} web sessions, "
        f"{progress.network_probes} network probes and {progress.agent_states} states of agents in "
        f"{progress.elapsed_s:.1f} s ({progress.rate_per_s:.0f} records a second): "
        f"{progress.stored} stored, {progress.duplicates} known before, {progress.refused} refused."
    )


def _checked(url: str, connection_type: type, connection: object) -> str:
    import msgspec

    from hopsight.errors import InvalidValueError

    try:
        msgspec.convert(msgspec.to_builtins(connection) | {"url": url}, connection_type)
    except msgspec.ValidationError:
        raise InvalidValueError("url", url, "http://HOST[:PORT] or https://HOST[:PORT]") from None
    return url


def _end_s(text: str) -> int:
    from hopsight.errors import InvalidValueError
    from hopsight.model.times import parse_utc

    end_s = parse_utc(text)
    if end_s is None:
        raise InvalidValueError("end", text, "UTC, YYYY-mm-ddTHH:MM:SS")
    return end_s


def _summary(progress: "Progress") -> str:
    import msgspec

    known = msgspec.to_builtins(progress) | {
        "ratePerSecond": round(progress.rate_per_s, 1),
        "simulated": True,
    }
    names = {
        "agents_total": "agents",
        "elapsed_s": "elapsedSeconds",
        "agents_done": "agentsDone",
        "network_sessions": "networkSessions",
        "user_sessions": "userSessions",
        "web_sessions": "webSessions",
        "network_probes": "networkProbes",
        "agent_states": "agentStates",
    }
    return msgspec.json.encode({names.get(key, key): value for key, value in known.items()}).decode()


def shown(agents: int) -> "tuple[Callable[[Progress], None], Callable[[], None]]":
    """How progress is shown: a bar for a person, a line now and then for a log."""
    from rich.console import Console

    console = Console(stderr=True)
    return _bar(console, agents) if console.is_terminal else (_lines(), lambda: None)


def _bar(console: "Console", agents: int) -> "tuple[Callable[[Progress], None], Callable[[], None]]":
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("agents, {task.fields[rate]:.0f} records a second"),
        TimeRemainingColumn(),
        console=console,
    )
    task = bar.add_task("SIMULATED", total=agents, rate=0.0)
    bar.start()
    return (
        lambda progress: bar.update(task, completed=progress.agents_done, rate=progress.rate_per_s),
        bar.stop,
    )


def _lines() -> "Callable[[Progress], None]":
    last_s = 0.0

    def show(progress: "Progress") -> None:
        nonlocal last_s
        if progress.elapsed_s - last_s >= PLAIN_EVERY_S:
            last_s = progress.elapsed_s
            typer.echo(
                f"{progress.agents_done} of {progress.agents_total} agents, {progress.sent} records "
                f"({progress.rate_per_s:.0f} a second)",
                err=True,
            )

    return show
