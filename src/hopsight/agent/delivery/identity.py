"""Who this agent is: one file, readable by its owner alone, written before anything depends on it."""

import hashlib
import os
import random
import secrets
import tempfile
import uuid
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from hopsight.durable import sync_directory
from hopsight.errors import HopsightError
from hopsight.model.connection import ConnectionString
from hopsight.model.ids import UUID_PATTERN
from hopsight.model.sessions import AgentId
from hopsight.model.upload import EnrolmentAnswer, Secret

FILE_NAME: Final = "identity.json"
_SECRET_BYTES: Final = 32


class Identity(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """What an agent must not forget.

    Args:
        url: the server.
        fingerprint: SHA-256 of its certificate in hex, when that is what vouches for it.
        key_sha256: which account group key this identity was made for, without telling the key.
        enrolment_id: names this agent until the server has given it an ID.
        secret: proves that it is this agent; made here, never shown.
        key: the account group key, kept only until the server has answered.
        agent_id: given by the server; None: not enrolled yet.
        aid: account group, likewise.
    """

    url: str
    key_sha256: str
    enrolment_id: Annotated[str, Meta(pattern=UUID_PATTERN)]
    secret: Secret
    fingerprint: str | None = None
    key: str | None = None
    agent_id: AgentId | None = None
    aid: int | None = None


def new_identity(connection: ConnectionString, rng: random.Random) -> Identity:
    """Make an identity that has not enrolled yet."""
    return Identity(
        url=connection.url,
        fingerprint=connection.fingerprint,
        key_sha256=_digest(connection.key),
        key=connection.key,
        enrolment_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        secret=secrets.token_urlsafe(_SECRET_BYTES),
    )


def is_for(identity: Identity, connection: ConnectionString) -> bool:
    """Whether the identity was made with the account group key of this connection string."""
    return identity.key_sha256 == _digest(connection.key)


def moved_to(identity: Identity, connection: ConnectionString) -> Identity:
    """The same agent, its server found at another address."""
    return msgspec.structs.replace(identity, url=connection.url, fingerprint=connection.fingerprint)


def enrolled(identity: Identity, answer: EnrolmentAnswer) -> Identity:
    """The identity after the server's answer; the account group key is no longer needed."""
    return msgspec.structs.replace(identity, agent_id=answer.agent_id, aid=answer.aid, key=None)


def load_identity(directory: Path) -> Identity | None:
    """Read the identity that ``directory`` keeps.

    Raises:
        HopsightError: the file is there but is no identity: made anew, this machine would be another agent.
    """
    path = directory / FILE_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HopsightError(f"Cannot read the agent's identity {path}: {error.strerror}") from None
    try:
        return msgspec.json.decode(content, type=Identity)
    except msgspec.DecodeError as error:
        raise HopsightError(
            f"The agent's identity {path} is damaged ({error}). Restore it from a backup; "
            "or delete it and give --connection-string, and this machine enrols as a new agent"
        ) from None


def save_identity(directory: Path, identity: Identity) -> None:
    """Put the identity on disk, whole or not at all, for the owner's eyes only.

    Raises:
        HopsightError: it cannot be written.
    """
    write_private(directory / FILE_NAME, msgspec.json.format(msgspec.json.encode(identity)))


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step, mode 0600, on disk on return.

    Raises:
        HopsightError: it cannot be written.
    """
    try:
        # mkstemp makes the file with mode 0600.
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise HopsightError(f"Cannot write {path}: {error.strerror}") from None


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
