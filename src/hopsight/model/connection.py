"""Connection strings: all that an agent needs to find its server and be let in."""

import base64
import binascii
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from hopsight.errors import InvalidValueError


class ConnectionString(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Server URL, account group key, and (for self-signed servers) the certificate's SHA-256 in hex.

    Written as the URL-safe base64 of JSON.
    """

    url: Annotated[str, Meta(pattern=r"^https?://[^\s/?#]+[^\s?#]*$(?!\n)", max_length=2048)]
    key: Annotated[str, Meta(min_length=16, max_length=128)]
    fingerprint: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")] | None = None


def format_connection_string(connection: ConnectionString) -> str:
    """Write a connection string; it holds a secret, so keep it out of logs."""
    return base64.urlsafe_b64encode(msgspec.json.encode(connection)).decode().rstrip("=")


def parse_connection_string(text: str) -> ConnectionString:
    """Read a connection string, with or without padding.

    Raises:
        InvalidValueError: it is not one. The text itself is not repeated: it may hold a real key.
    """
    stripped = text.strip().rstrip("=")
    try:
        decoded = base64.b64decode(stripped + "=" * (-len(stripped) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(decoded, type=ConnectionString)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        accepted = "the text that `hopsight admin connection-string create` printed"
        raise InvalidValueError("connection string", "(not shown)", accepted) from None
