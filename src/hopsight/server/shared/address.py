"""Where Redis is, out of the URL that an operator writes. No message repeats it: it has a password."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from hopsight.errors import ConfigError

SETTING: Final = "--shared"
ACCEPTED: Final = "redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER], or rediss:// with TLS and [?ca_file=PATH]"
PORT: Final = 6379
MAX_PORT: Final = 65_535
MAX_DATABASE: Final = 9_999

_HOST: Final = re.compile(r"[A-Za-z0-9_.-]{1,253}|[0-9A-Fa-f:.]{2,45}", re.ASCII)


class Address(Struct, frozen=True, kw_only=True):
    """One Redis.

    Args:
        host: its name or address.
        port: TCP.
        database: its number there.
        user: of its access list; None: the default user.
        password: None: it wants none.
        tls: encrypt.
        ca_file: PEM of the authorities that its certificate may come from; None: the system's.
    """

    host: str
    port: int = PORT
    database: int = 0
    user: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: Path | None = None


def parse(url: str) -> Address:
    """Read the setting.

    Raises:
        ConfigError: it is no such URL; says which part, if that can be shown.
    """
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        raise wrong("(not shown)") from None
    if split.scheme not in {"redis", "rediss"}:
        raise wrong("a URL that begins otherwise")
    if not _HOST.fullmatch(split.hostname or ""):
        raise wrong("a URL without a host, or with a / or @ that is not escaped")
    if port == 0:
        raise wrong("port 0")
    if split.fragment:
        raise wrong("a URL with a # that is not escaped")
    tls = split.scheme == "rediss"
    return Address(
        host=split.hostname or "",
        port=port or PORT,
        database=_database(split.path),
        user=unquote(split.username) or None if split.username else None,
        password=unquote(split.password) or None if split.password else None,
        tls=tls,
        ca_file=_ca_file(split.query, tls=tls),
    )


def _database(path: str) -> int:
    text = path.removeprefix("/")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= MAX_DATABASE):
        raise wrong("a database that is no number")
    return int(text)


def _ca_file(query: str, *, tls: bool) -> Path | None:
    options = dict(parse_qsl(query, keep_blank_values=True))
    if options.keys() - {"ca_file"} or (options and not tls):
        raise wrong("an option that is not known here")
    return Path(options["ca_file"]) if options.get("ca_file") else None


def wrong(what: str) -> ConfigError:
    """The error about the setting; ``what`` is shown, so nothing secret may be in it."""
    return ConfigError(SETTING, what, ACCEPTED)
