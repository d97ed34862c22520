"""Tokens and keys: made here, shown once, kept as SHA-256. Long and random: they need no slow hash."""

import hashlib
import secrets
from typing import Final

_BYTES: Final = 32


def new_secret() -> str:
    """43 URL-safe characters of 256 random bits."""
    return secrets.token_urlsafe(_BYTES)


def digest_of(secret: str) -> bytes:
    """What is stored and looked up in the secret's place."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
