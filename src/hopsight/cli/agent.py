"""``hopsight agent``: the agent alone, and what there is to do about it."""

from typing import TYPE_CHECKING, Final

import typer

from hopsight.cli import agent_install, agent_sent, agent_status
from hopsight.cli.agent_options import (
    SPOOL_BYTES,
    SPOOL_DAYS,
    AsnDatabaseOption,
    CaFileOption,
    ClientCertificateOption,
    ClientKeyOption,
    ConnectionStringOption,
    LocationOption,
    NameOption,
    OnceOption,
    PassiveExcludeOption,
    PassiveIncludeOption,
    PassiveOption,
    ProxyOption,
    RedactOption,
    SpoolBytesOption,
    SpoolDaysOption,
    StopWithStdinOption,
    TargetOption,
    agent_config,
)
from hopsight.cli.data_directory import DataOption, data_directory
from hopsight.config import AgentConfig

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from hopsight.agent.main import Agent

_INTERRUPTED: Final = 130
_STDIN: Final = 0

app = typer.Typer(rich_markup_mode=None)
app.command("install")(agent_install.install)
app.command("uninstall")(agent_install.uninstall)
app.command("status")(agent_status.status)
app.command("sent")(agent_sent.sent)


@app.callback(invoke_without_command=True)
def agent(
    context: typer.Context,
    connection_string: ConnectionStringOption = None,  # noqa: ARG001 - all are read from the context
    data: DataOption = None,
    target: TargetOption = None,  # noqa: ARG001
    once: OnceOption = False,
    location: LocationOption = None,  # noqa: ARG001
    name: NameOption = None,  # noqa: ARG001
    passive: PassiveOption = False,  # noqa: ARG001
    passive_include: PassiveIncludeOption = None,  # noqa: ARG001
    passive_exclude: PassiveExcludeOption = None,  # noqa: ARG001
    redact: RedactOption = None,  # noqa: ARG001
    asn_database: AsnDatabaseOption = None,  # noqa: ARG001
    proxy: ProxyOption = None,  # noqa: ARG001
    ca_file: CaFileOption = None,  # noqa: ARG001
    client_certificate: ClientCertificateOption = None,  # noqa: ARG001
    client_key: ClientKeyOption = None,  # noqa: ARG001
    spool_bytes: SpoolBytesOption = SPOOL_BYTES,  # noqa: ARG001
    spool_days: SpoolDaysOption = SPOOL_DAYS,  # noqa: ARG001
    stop_with_stdin: StopWithStdinOption = False,
) -> None:
    """Measure this machine's network once a minute, and report it to the server.

    Records wait on disk until the server has them: it may be away for days. Ctrl-C and SIGTERM end the agent
    cleanly; the next start goes on where it stopped.
    """
    if context.invoked_subcommand is not None:
        return
    import asyncio

    from hopsight.logs import write_logs

    config = agent_config(data_directory(data), context.params)
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
