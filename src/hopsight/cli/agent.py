"""``hopsight agent``: the agent alone."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from hopsight.cli.data_directory import DataOption, data_directory
from hopsight.config import DAY_S, AgentConfig

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from hopsight.agent.main import Agent

SPOOL_BYTES: Final = 256 << 20
SPOOL_DAYS: Final = 30
_INTERRUPTED: Final = 130
_STDIN: Final = 0


ConnectionStringOption = Annotated[
    str | None,
    typer.Option(
        envvar="HOPSIGHT_CONNECTION_STRING",
        help="Server and account group to report to, as `hopsight admin connection-string create` prints "
        "it. Needed for the first start only; another one later enrols this machine anew.",
        show_default=False,
    ),
]
TargetOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar="HOPSIGHT_TARGET",
        metavar="HOST[:PORT]",
        help="Measure this besides what the server asks for; repeatable. When nobody names a target: the "
        "default gateway, the DNS servers and the Hopsight server.",
        show_default=False,
    ),
]
OnceOption = Annotated[
    bool, typer.Option("--once", help="One round, upload, exit; status 1 when it was not delivered.")
]
LocationOption = Annotated[
    str | None,
    typer.Option(envvar="HOPSIGHT_LOCATION", help="Name of the place of this machine.", show_default=False),
]
NameOption = Annotated[
    str | None,
    typer.Option(
        envvar="HOPSIGHT_NAME",
        help="What the API calls this agent. Default: the computer's name.",
        show_default=False,
    ),
]
SpoolBytesOption = Annotated[
    int,
    typer.Option(envvar="HOPSIGHT_SPOOL_BYTES", min=2 << 20, help="Most that waiting records take on disk."),
]
SpoolDaysOption = Annotated[
    int,
    typer.Option(envvar="HOPSIGHT_SPOOL_DAYS", min=1, max=3_650, help="Days that records wait at most."),
]
StopWithStdinOption = Annotated[bool, typer.Option("--stop-with-stdin", hidden=True)]


def agent(
    connection_string: ConnectionStringOption = None,
    data: DataOption = None,
    target: TargetOption = None,
    once: OnceOption = False,
    location: LocationOption = None,
    name: NameOption = None,
    spool_bytes: SpoolBytesOption = SPOOL_BYTES,
    spool_days: SpoolDaysOption = SPOOL_DAYS,
    stop_with_stdin: StopWithStdinOption = False,
) -> None:
    """Measure this machine's network once a minute, and report it to the server.

    Records wait on disk until the server has them: it may be away for days. Ctrl-C and SIGTERM end the agent
    cleanly; the next start goes on where it stopped.
    """
    import asyncio

    from hopsight.logs import write_logs

    config = AgentConfig(
        data=data_directory(data),
        connection_string=connection_string or None,
        targets=tuple(target or ()),
        location=location or None,
        agent_name=name or None,
        spool_bytes=spool_bytes,
        spool_age_s=spool_days * DAY_S,
    )
    write_logs()
    status = asyncio.run(_run(config, once=once, stop_with_stdin=stop_with_stdin))
    if status:
        raise typer.Exit(status)


async def _run(config: AgentConfig, *, once: bool, stop_with_stdin: bool) -> int:
    """Run until done or told to stop.

    Returns:
        Exit status.
    """
    import asyncio
    import random

    from hopsight.agent.main import create_agent
    from hopsight.agent.system_network import SystemNetwork
    from hopsight.clock import SystemClock

    clock = SystemClock()
    # The system's generator: two agents cloned from one disk image must not draw the same IDs.
    running = create_agent(config, SystemNetwork(clock), clock, random.SystemRandom())
    interrupted = _stop_on_signals(asyncio.get_running_loop(), running)
    if stop_with_stdin:
        _stop_with_stdin(asyncio.get_running_loop(), running.stop)
    delivered = True
    if once:
        delivered = await running.run_once()
    else:
        await running.run()
    if interrupted:
        return _INTERRUPTED
    return 0 if delivered else 1


def _stop_on_signals(loop: "asyncio.AbstractEventLoop", running: "Agent") -> list[bool]:
    """Stop on Ctrl-C and SIGTERM; the list is not empty after the former."""
    import signal
    import sys

    interrupted: list[bool] = []

    def interrupt() -> None:
        interrupted.append(True)
        running.stop()

    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGTERM, running.stop)
        loop.add_signal_handler(signal.SIGINT, interrupt)
    return interrupted


def _stop_with_stdin(loop: "asyncio.AbstractEventLoop", stop: "Callable[[], None]") -> None:
    """Stop when whoever started us is gone, and with it the other end of our standard input."""
    import os
    import threading

    def wait() -> None:
        while os.read(_STDIN, 4_096):
            pass
        loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, daemon=True, name="stdin").start()
