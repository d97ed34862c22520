"""The cookies of the pages: who is signed in, and (while somebody signs in) whose form it is."""

from http.cookies import CookieError, SimpleCookie
from typing import Final

from litestar.types import Scope

from hopsight.config import ServerConfig
from hopsight.server.api.visits import header

SESSION: Final = "hopsight_session"
SIGN_IN: Final = "hopsight_sign_in"
"""Its value is random and means nothing: the form of the sign-in page is bound to it."""

_MAX_CHARS: Final = 256


def read_cookie(scope: Scope, name: str) -> str:
    """The value of a cookie; empty when the browser sent none (or one that is not ours)."""
    try:
        # Joined as HTTP/2 may have split them.
        found = SimpleCookie(header(scope, b"cookie").replace(",", ";")).get(name)
    except CookieError:
        return ""
    value = found.value if found is not None else ""
    return value if len(value) <= _MAX_CHARS and value.isascii() else ""


def write_cookie(scope: Scope, config: ServerConfig, name: str, value: str, path: str = "/") -> bytes:
    """A ``Set-Cookie`` that lasts as long as the browser runs; no script sees it, no other site's form."""
    is_secure = scope["scheme"] == "https" or config.tls or (config.public_url or "").startswith("https:")
    secure = "; Secure" if is_secure else ""
    return f"{name}={value}; Path={path}; HttpOnly; SameSite=Lax{secure}".encode()


def forget_cookie(scope: Scope, config: ServerConfig, name: str, path: str = "/") -> bytes:
    """A ``Set-Cookie`` that takes it back."""
    return write_cookie(scope, config, name, "", path) + b"; Max-Age=0"
