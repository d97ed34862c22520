"""From connection string to an agent that the server knows."""

import random
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct

from hopsight.agent.delivery.backoff import Backoff
from hopsight.agent.delivery.client import CREDENTIALS, Credentials, ServerClient
from hopsight.agent.delivery.identity import (
    Identity,
    enrolled,
    is_for,
    load_identity,
    moved_to,
    new_identity,
    save_identity,
)
from hopsight.clock import Clock
from hopsight.errors import ConfigError, UploadError
from hopsight.model.agents import AgentInfo
from hopsight.model.connection import parse_connection_string
from hopsight.model.upload import Enrolment

HOW_TO_CONNECT: Final = (
    "a connection string, for the first start: ask your administrator, or run on the server "
    "`hopsight admin connection-string create --account-group AID --url URL`, "
    "then give it as --connection-string or HOPSIGHT_CONNECTION_STRING"
)

_log = structlog.get_logger()


class Known(Struct, frozen=True):
    """Who this agent is now, and whether it was somebody else before (whose records are void)."""

    identity: Identity
    replaced: bool


def resolve_identity(directory: Path, connection_string: str | None, rng: random.Random) -> Known:
    """The identity to run with; a new one is on disk before it is ever used.

    Raises:
        ConfigError: this agent never enrolled and has no connection string.
        InvalidValueError: the connection string is none.
        HopsightError: the identity file is damaged, or cannot be written.
    """
    identity = load_identity(directory)
    connection = None if connection_string is None else parse_connection_string(connection_string)
    if connection is None:
        if identity is None:
            raise ConfigError("connection string", "(none)", HOW_TO_CONNECT)
        return Known(identity, replaced=False)
    if identity is None or not is_for(identity, connection):
        fresh = new_identity(connection, rng)
        save_identity(directory, fresh)
        return Known(fresh, replaced=identity is not None)
    moved = moved_to(identity, connection)
    if moved != identity:
        _log.info("the server has moved", url=moved.url)
        save_identity(directory, moved)
    return Known(moved, replaced=False)


async def enrol_once(directory: Path, identity: Identity, client: ServerClient, info: AgentInfo) -> Identity:
    """Enrol unless this identity is enrolled; the answer is on disk on return.

    Raises:
        UploadError: the server did not take it.
    """
    if identity.key is None or identity.aid is not None:
        return identity
    enrolment = Enrolment(enrolment_id=identity.enrolment_id, secret=identity.secret, agent=info)
    known = enrolled(identity, await client.enrol(identity.key, enrolment))
    save_identity(directory, known)
    _log.info("enrolled", agent_id=known.agent_id, aid=known.aid, server=known.url)
    return known


async def enrol_until_known(
    directory: Path,
    identity: Identity,
    client: ServerClient,
    info: AgentInfo,
    clock: Clock,
    rng: random.Random,
) -> Identity:
    """Enrol, and try again for as long as it takes."""
    backoff = Backoff(rng)
    while True:
        try:
            return await enrol_once(directory, identity, client, info)
        except UploadError as error:
            refused = error.permanent or error.status in CREDENTIALS
            wait_s = backoff.after(error, credentials=refused)
            told = "the server refuses to enrol this agent" if refused else "cannot enrol yet"
            tell = _log.error if refused else _log.warning
            tell(told, reason=str(error), retry_in_s=round(wait_s))
            await clock.sleep(wait_s)


def credentials_of(identity: Identity) -> Credentials:
    """Agent ID and secret of an enrolled agent."""
    if identity.agent_id is None:
        raise ConfigError("identity", "not enrolled", "an enrolled agent")
    return Credentials(identity.agent_id, identity.secret)
