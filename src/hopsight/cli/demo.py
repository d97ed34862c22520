"""``hopsight demo``: a server with a simulated fleet, for a first look; every page of it says so."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hopsight.cli.data_directory import DataOption, data_directory
from hopsight.cli.serving import (
    LISTEN,
    SIMULATED_MARK,
    ListenOption,
    ReportKeyOption,
    require_server,
    run_as_server,
    server_config,
)

if TYPE_CHECKING:
    from hopsight.accounts.bootstrap_file import Bootstrap
    from hopsight.cli.demo_alerts import DemoAlerts
    from hopsight.clock import Clock
    from hopsight.config import ServerConfig
    from hopsight.server.run import Running
    from hopsight.simulation.run import Plan

FOLDER: Final = "hopsight-demo"
FOLLOW_HOURS: Final = 0.05
"""How far back each minute's records are made again: what is there already is stored once."""
FOLLOW_S: Final = 60.0
KEEP: Final = "90d"


def demo(
    agents: Annotated[int, typer.Option(min=1, max=1_000, help="Agents in the fleet.")] = 100,
    hours: Annotated[float, typer.Option(min=0.05, max=720, help="Length of its history.")] = 24.0,
    seed: Annotated[int, typer.Option(help="The same seed is the same fleet.")] = 1,
    data: DataOption = None,
    listen: ListenOption = LISTEN,
    report_key: ReportKeyOption = None,
) -> None:
    """A server with a simulated fleet and its history, for a first look; new rounds come every minute.

    Nothing is measured and nothing is probed. Its data has a directory of its own (hopsight-demo in the
    user's data directory). Ctrl-C ends it; the next start goes on where it stopped.
    """
    from hopsight.clock import SystemClock

    require_server()
    directory = data or data_directory(None).with_name(FOLDER)
    _mark(directory)
    config = server_config(directory, listen, None, KEEP, report_key=report_key)
    typer.echo(f"Starting a SIMULATED fleet of {agents} agents, data in {config.data} ...")
    run_as_server(_serve_simulated(config, SystemClock(), agents, hours, seed))
    typer.echo("Stopped. The next start goes on from here.")


def _mark(directory: Path) -> None:
    """Make the directory, or see that it is one of ours.

    Raises:
        ConfigError: it holds something else: simulated data must not get among what was measured.
    """
    from hopsight.errors import ConfigError

    mark = directory / SIMULATED_MARK
    if directory.exists() and any(directory.iterdir()) and not mark.exists():
        raise ConfigError("--data", directory, "an empty directory, or one that `hopsight demo` has made")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark.write_text("The data in this directory is simulated (hopsight demo).\n", encoding="utf-8")


async def _serve_simulated(
    config: "ServerConfig", clock: "Clock", agents: int, hours: float, seed: int
) -> None:
    import asyncio
    import random

    from hopsight.server.run import serve

    beside: list[asyncio.Task[None]] = []

    def on_ready(running: "Running") -> None:
        first = running.bootstrap
        if first is None:
            raise RuntimeError("asked for a first account, and got none")
        typer.echo(_welcome(running, first))
        beside.append(asyncio.ensure_future(_simulate(running, first, clock, agents, hours, seed)))

    try:
        await serve(config, clock, random.SystemRandom(), on_ready=on_ready, first_account=True)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _simulate(
    running: "Running", first: "Bootstrap", clock: "Clock", agents: int, hours: float, seed: int
) -> None:
    """The history first, with its progress; then each minute's records; alert rules look at all of them."""
    from hopsight.cli.demo_alerts import DemoAlerts
    from hopsight.errors import StoreUnavailableError, UploadError
    from hopsight.model.connection import ConnectionString
    from hopsight.simulation.run import Plan

    connection = ConnectionString(url=running.url, key=first.group_key or "")
    alerts = DemoAlerts(running.accounts, running.store, first.aid)
    while True:
        plan = Plan(connection=connection, agents=agents, hours=hours, seed=seed, end_s=int(clock.now()))
        try:
            await _send(plan, clock, is_history=hours > FOLLOW_HOURS)
            await _look(alerts, plan, is_history=hours > FOLLOW_HOURS)
        except (StoreUnavailableError, UploadError) as error:
            typer.echo(f"The simulation stands still: {error}", err=True)
        else:
            hours = FOLLOW_HOURS
        await clock.sleep(FOLLOW_S)


async def _send(plan: "Plan", clock: "Clock", *, is_history: bool) -> None:
    import random

    from hopsight.cli.simulate import report, shown
    from hopsight.simulation.run import simulate

    show, finish = shown(plan.agents) if is_history else (lambda _: None, lambda: None)
    try:
        progress = await simulate(plan, clock, random.SystemRandom(), show)
    finally:
        finish()
    if is_history:
        typer.echo(f"{report(progress)} From now on a round a minute. Ctrl-C ends it.")


async def _look(alerts: "DemoAlerts", plan: "Plan", *, is_history: bool) -> None:
    """Hold alert rules against the rounds that were sent."""
    from hopsight.simulation.sessions import rounds_until

    rounds = rounds_until(plan.end_s, plan.hours)
    if is_history:
        alerts.begin(plan.agents, plan.seed, rounds[0], rounds[-1])
    count = await alerts.look_at(rounds[0], rounds[-1])
    if is_history:
        rounds_said = f"{count} {'round' if count == 1 else 'rounds'}"
        typer.echo(f"Alert rules have looked at {rounds_said}: see {plan.connection.url}/alerts")


def _welcome(running: "Running", first: "Bootstrap") -> str:
    return "\n".join(
        [
            "",
            f"  URL     {running.url}",
            f"  e-mail  {first.email}",
            f"  token   {first.token or '(deleted; `hopsight admin token create` makes another)'}",
            "",
            "Open the URL in a browser and sign in with the token. All data is SIMULATED.",
        ]
    )
