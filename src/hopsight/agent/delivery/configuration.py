"""What the server wants of this agent: asked for regularly, and kept for a start without the server."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from hopsight.agent.delivery.backoff import Backoff
from hopsight.agent.delivery.client import CREDENTIALS, Credentials, ServerClient
from hopsight.agent.delivery.identity import write_private
from hopsight.clock import Clock
from hopsight.errors import HopsightError, UploadError
from hopsight.model.upload import AgentConfiguration

FILE_NAME: Final = "configuration.json"
AWAY_S: Final = 60.0
"""Longest wait while the server does not answer: when it is back, so are its wishes within a minute."""
_EARLIER: Final = 0.1
"""Share of the interval by which a question may come early: scattered, and never older than asked for."""

_log = structlog.get_logger()


class _Kept(Struct, frozen=True, kw_only=True):
    configuration: AgentConfiguration = AgentConfiguration()
    etag: str | None = None
    agent_id: str = ""


class Configuration:
    """The newest configuration that is known: the server's, or what it was when last asked."""

    def __init__(self, directory: Path, client: ServerClient, credentials: Credentials) -> None:
        self._path = directory / FILE_NAME
        self._client = client
        self._credentials = credentials
        self._kept = self._read()

    @property
    def current(self) -> AgentConfiguration:
        """What holds now."""
        return self._kept.configuration

    async def refresh(self) -> None:
        """Ask the server once.

        Raises:
            UploadError: it did not answer.
        """
        answer = await self._client.configuration(self._credentials, self._kept.etag)
        if answer is None:
            return
        before = self.current
        self._kept = _Kept(
            configuration=answer.configuration, etag=answer.etag, agent_id=self._credentials.agent_id
        )
        if before != self.current:
            now = self.current
            _log.info("configuration", enabled=now.enabled, targets=len(now.targets))
        try:
            await asyncio.to_thread(write_private, self._path, msgspec.json.encode(self._kept))
        except HopsightError as error:
            _log.warning("configuration cannot be kept for the next start", reason=str(error))

    async def run(
        self, clock: Clock, rng: random.Random, heard: Callable[[UploadError | None], None] = lambda _: None
    ) -> None:
        """Ask as often as the server says, each agent at its own moments; more rarely while it is away.

        Args:
            clock: waited on.
            rng: scatters the moments.
            heard: is told of every answer, and of every failure to get one.
        """
        poll_s = self.current.poll_s
        backoff = Backoff(rng, first_s=poll_s, longest_s=max(AWAY_S, poll_s))
        wait_s = poll_s * rng.uniform(_EARLIER, 1)
        while True:
            await clock.sleep(wait_s)
            try:
                await self.refresh()
            except UploadError as error:
                heard(error)
                wait_s = backoff.after(error, credentials=error.status in CREDENTIALS)
                if backoff.failures == 1:
                    # Once and not with every try: a server may be away for days.
                    _log.info("no configuration now; what was said last holds", reason=str(error))
            else:
                heard(None)
                backoff.reset()
                wait_s = self.current.poll_s * rng.uniform(1 - _EARLIER, 1)

    def _read(self) -> _Kept:
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return _Kept()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.warning("kept configuration cannot be read", reason=str(error))
            return _Kept()
        return kept if kept.agent_id == self._credentials.agent_id else _Kept()
