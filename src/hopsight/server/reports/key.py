"""The key that reports are signed with: one file, for its owner alone, made when it is first needed."""

import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hopsight.durable import sync_directory
from hopsight.errors import ConfigError, StoreUnavailableError

KEY_FILE: Final = "report-key.pem"
SETTING: Final = "--report-key"
_MAX_BYTES: Final = 64 << 10
_ACCEPTED: Final = "an Ed25519 private key in PEM, not encrypted (openssl genpkey -algorithm ed25519)"


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        ConfigError: it cannot be read, everybody may read it, or it is something else.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(SETTING, path, "a regular file")
        if os.name == "posix" and found.st_mode & stat.S_IRWXO:
            raise ConfigError(SETTING, path, f"a file that others may not read or write: chmod 600 '{path}'")
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES)
    except OSError as error:
        raise ConfigError(SETTING, path, f"a readable file ({error.strerror})") from None
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Not chained: what the library says may repeat some of it.
        raise ConfigError(SETTING, path, _ACCEPTED) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(SETTING, path, _ACCEPTED)
    return key


def own_key(data: Path) -> Ed25519PrivateKey:
    """The key that is kept in ``data``; made when there is none. Processes that start together get the same.

    Raises:
        ConfigError: what is kept there is no key.
        StoreUnavailableError: none can be made now.
    """
    path = data / KEY_FILE
    if not path.exists():
        try:
            _make(path)
        except OSError as error:
            raise StoreUnavailableError(f"No key for reports can be made: {error.strerror}") from None
    return read_key(path)


def _make(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # mkstemp makes the file with mode 0600.
    handle, beside = tempfile.mkstemp(prefix=f".{KEY_FILE}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            # Not a rename: that would replace the key of who was a moment quicker.
            os.link(beside, path)
        except FileExistsError:
            return
        sync_directory(path.parent)
    finally:
        Path(beside).unlink()
