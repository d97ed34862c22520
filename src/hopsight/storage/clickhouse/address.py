"""Where ClickHouse is, out of the URL that an operator writes. No message repeats it: it has a password."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from hopsight.errors import ConfigError

ACCEPTED: Final = (
    "clickhouse://USER:PASSWORD@HOST:PORT[,HOST:PORT...]/DATABASE"
    "[?cluster=NAME&quorum=N&tls=true&ca_file=PATH&merge_ms=N]"
)
HTTP_PORT: Final = 8123
HTTPS_PORT: Final = 8443
MAX_MERGE_MS: Final = 10_000

_PARTS: Final = re.compile(r"//(?P<netloc>[^/?#]*)(?:/(?P<path>[^?#]*))?(?:\?(?P<query>[^#]*))?")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_CLUSTER: Final = re.compile(r"[A-Za-z0-9_.-]{1,63}", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_OPTIONS: Final = frozenset({"cluster", "quorum", "tls", "ca_file", "merge_ms"})


class Address(Struct, frozen=True, kw_only=True):
    """A ClickHouse server, or several of one cluster.

    Args:
        hosts: ``host:port`` of their HTTP interfaces; any of them is asked.
        tls: speak HTTPS.
        ca_file: PEM of the authorities that certificates may come from; None: the system's.
        user: ClickHouse's.
        password: theirs.
        database: in which our tables are.
        cluster: a name out of ``system.clusters``; None: one server without copies.
        quorum: on how many replicas a record is before it is acknowledged; None: on most of them.
        merge_ms: inserts into a table begin no closer together; what comes meanwhile goes into one.
    """

    hosts: tuple[str, ...]
    tls: bool
    user: str
    password: str
    database: str
    cluster: str | None
    quorum: int | None
    merge_ms: int
    ca_file: Path | None = None

    @property
    def scheme(self) -> str:
        """Of the HTTP interfaces."""
        return "https" if self.tls else "http"


def parse(rest: str) -> Address:
    """Read what stands behind ``clickhouse:`` in the setting.

    Raises:
        ConfigError: it is no such address; says which part.
    """
    # Not `urlsplit`: some versions of it refuse brackets behind a comma.
    split = _PARTS.fullmatch(rest)
    if split is None:
        raise _wrong("(not shown)")
    options = dict(parse_qsl(split["query"] or "", keep_blank_values=True))
    if unknown := sorted(options.keys() - _OPTIONS):
        raise ConfigError("store", f"?{unknown[0]}", f"options {', '.join(sorted(_OPTIONS))}")
    database = split["path"] or ""
    if not _NAME.fullmatch(database):
        raise _wrong(f"database {database!r}")
    cluster = options.get("cluster")
    if cluster is not None and not _CLUSTER.fullmatch(cluster):
        raise _wrong(f"cluster {cluster!r}")
    tls = _flag(options.get("tls", "false"))
    credentials, _, hosts = split["netloc"].rpartition("@")
    user, _, password = credentials.partition(":")
    return Address(
        hosts=_hosts(hosts, tls=tls),
        tls=tls,
        ca_file=_ca_file(options.get("ca_file"), tls=tls),
        user=unquote(user) or "default",
        password=unquote(password),
        database=database,
        cluster=cluster,
        quorum=_number("quorum", options["quorum"], 1, 1_000) if "quorum" in options else None,
        merge_ms=_number("merge_ms", options.get("merge_ms", "1000"), 0, MAX_MERGE_MS),
    )


def _hosts(hosts: str, *, tls: bool) -> tuple[str, ...]:
    found = []
    for each in hosts.split(","):
        host, port = (each, "") if each.endswith("]") or ":" not in each else each.rsplit(":", 1)
        if not _HOST.fullmatch(host):
            raise _wrong(f"host {host!r}")
        default = HTTPS_PORT if tls else HTTP_PORT
        found.append(f"{host}:{_number('port', port, 1, 65_535) if port else default}")
    return tuple(found)


def _flag(value: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if value.lower() not in known:
        raise ConfigError("store", f"?tls={value}", "true or false")
    return known[value.lower()]


def _ca_file(value: str | None, *, tls: bool) -> Path | None:
    if value is None:
        return None
    if not (value and tls):
        raise ConfigError("store", f"?ca_file={value}", "a file, together with tls=true")
    return Path(value)


def _number(name: str, value: str, least: int, most: int) -> int:
    if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
        raise ConfigError("store", f"{name} {value!r}", f"a whole number from {least} to {most}")
    return int(value)


def _wrong(what: str) -> ConfigError:
    return ConfigError("store", what, ACCEPTED)
