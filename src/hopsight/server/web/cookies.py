"""The cookies of the pages: who is signed in, and (while somebody signs in) whose form it is."""

import re
from typing import Final

from litestar.types import Scope

from hopsight.config import ServerConfig

SESSION: Final = "hopsight_session"
SIGN_IN: Final = "hopsight_sign_in"
"""Its value is random and means nothing: the form of the sign-in page is bound to it."""
PROVIDER: Final = "hopsight_provider"
"""A random secret, while somebody signs in at an identity provider."""

# As we make them. What other programs on this host have left is not read: it may be anything.
_VALUE: Final = re.compile(rb"[0-9A-Za-z_-]{1,128}")


def read_cookie(scope: Scope, name: str) -> str:
    """The value of a cookie; empty when the browser sent none (or one that is not ours)."""
    for key, sent in scope["headers"]:
        if key != b"cookie":
            continue
        for pair in sent.split(b";"):
            found, _, value = pair.strip().partition(b"=")
            if found == name.encode() and _VALUE.fullmatch(value):
                return str(value.decode())
    return ""


def write_cookie(scope: Scope, config: ServerConfig, name: str, value: str, path: str = "/") -> bytes:
    """A ``Set-Cookie`` that lasts as long as the browser runs; no script sees it, no other site's form."""
    is_secure = scope["scheme"] == "https" or config.tls or (config.public_url or "").startswith("https:")
    secure = "; Secure" if is_secure else ""
    return f"{name}={value}; Path={path}; HttpOnly; SameSite=Lax{secure}".encode()


def forget_cookie(scope: Scope, config: ServerConfig, name: str, path: str = "/") -> bytes:
    """A ``Set-Cookie`` that takes it back."""
    return write_cookie(scope, config, name, "", path) + b"; Max-Age=0"
