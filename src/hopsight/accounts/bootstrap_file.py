"""``bootstrap.json``: what a newcomer needs at first, beside the data. Imports nothing of the server."""

import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from hopsight.durable import sync_directory
from hopsight.errors import ConfigError

FILE_NAME: Final = "bootstrap.json"


class Bootstrap(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """The first account.

    Args:
        url: where the server says it is reached.
        email: the first user, an organization admin.
        aid: the first account group.
        token: the user's token; None: it was deleted since.
        group_key: lets agents into ``aid``; None: it was deleted since.
    """

    url: str
    email: str
    aid: int
    token: str | None = None
    group_key: str | None = None


def read_bootstrap(data: Path) -> Bootstrap | None:
    """What the file in ``data`` says; None: there is none.

    Raises:
        ConfigError: it cannot be read, or is not what we wrote.
    """
    path = data / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Bootstrap)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError("bootstrap file", path, f"a readable file ({error.strerror})") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ConfigError("bootstrap file", path, "the file as the server wrote it") from None


def write_bootstrap(data: Path, bootstrap: Bootstrap) -> None:
    """Write the file: whole or not at all, for its owner alone."""
    path = data / FILE_NAME
    beside = data / f"{FILE_NAME}.new"
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(bootstrap), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_directory(data)
