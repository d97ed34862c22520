"""The agent that ``hopsight up`` keeps running beside its server.

A process of its own, so that measuring and serving do not disturb each other. It ends when its standard input
closes: however this process ends, even by ``kill -9``, the agent does not outlive it.
"""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import typer

from hopsight.accounts.bootstrap_file import Bootstrap
from hopsight.clock import Clock
from hopsight.model.connection import ConnectionString, format_connection_string
from hopsight.server.run import Running

GRACE_S: Final = 2.0
RESTART_S: Final = 5.0


class LocalAgent:
    """An agent for this machine, started again when it ends before it should."""

    def __init__(
        self,
        data: Path,
        targets: tuple[str, ...],
        settings_file: Path | None,
        clock: Clock,
        *,
        fetch: bool = False,
    ) -> None:
        self._data = data
        self._targets = targets
        self._settings_file = settings_file
        self._clock = clock
        self._fetch = fetch
        self.state = "the agent has not started"

    async def run(self, running: Running, first: Bootstrap) -> None:
        """Keep an agent running until cancelled."""
        while True:
            process = await asyncio.create_subprocess_exec(
                *self._command(), stdin=asyncio.subprocess.PIPE, env=_environment(running, first)
            )
            self.state = "the agent is running"
            try:
                status = await process.wait()
            except asyncio.CancelledError:
                await _end(process)
                raise
            self.state = f"the agent ended with status {status}"
            typer.echo(f"{self.state}; starting it again in {RESTART_S:.0f} s", err=True)
            await self._clock.sleep(RESTART_S)

    def _command(self) -> list[str]:
        words = [sys.executable, "-m", "hopsight"]
        if self._settings_file is not None:
            words += ["--config", str(self._settings_file)]
        # The server is beside it: a proxy that is configured for another is not for this one.
        words += ["agent", "--data", str(self._data), "--stop-with-stdin", "--proxy", ""]
        for target in self._targets:
            words += ["--target", target]
        return [*words, "--fetch"] if self._fetch else words


def _environment(running: Running, first: Bootstrap) -> dict[str, str]:
    # By environment and not as an argument: everybody may read a process's arguments.
    environment = {name: value for name, value in os.environ.items() if name != "HOPSIGHT_TARGET"}
    if first.group_key:
        connection = ConnectionString(url=running.url, key=first.group_key, fingerprint=running.fingerprint)
        environment["HOPSIGHT_CONNECTION_STRING"] = format_connection_string(connection)
    return environment


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(GRACE_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
