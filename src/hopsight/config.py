"""Typed settings of the two programs, and the file they may come from.

Flags win over ``HOPSIGHT_...`` variables, which win over ``hopsight.toml``, which wins over defaults; the
command line library does the merging (``cli`` hands it what ``read_settings_file`` returns).
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from hopsight.errors import ConfigError

DAY_S = 86_400


class OidcConfig(Struct, frozen=True, kw_only=True):
    """An identity provider that says who somebody is.

    Args:
        issuer: URL, as the provider calls itself.
        client_id: what it calls this server.
        client_secret_file: what this server shows it.
    """

    issuer: str
    client_id: str
    client_secret_file: Path


class SmtpConfig(Struct, frozen=True, kw_only=True):
    """A mail server that takes our e-mails.

    Args:
        host: its name.
        port: 587 for ``starttls``, 465 for ``tls`` and 25 for ``none`` as a rule.
        security: ``starttls`` (asked for after connecting, and insisted on), ``tls`` (from the start) or
            ``none``.
        mail_from: the address that e-mails come from.
        user: who we are; None: it does not ask. Not with ``none``.
        password_file: what we show it.
        ca_file: PEM of the authorities that its certificate may come from; None: the system's.
    """

    host: str
    port: int
    mail_from: str
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None


class ServerConfig(Struct, frozen=True, kw_only=True):
    """Settings of the server.

    Args:
        data: directory of everything that it keeps.
        host: address to listen on.
        port: 0 asks the system for a free one.
        store: ``sqlite`` (in ``data``), ``sqlite:PATH``, ``clickhouse://...`` or ``memory:``.
        accounts: URL of their database, SQLite or PostgreSQL, may hold a password; None: SQLite in ``data``.
        shared: URL of a Redis through which servers count together, may hold a password; None: none.
        public_url: what clients call us, for links in answers; None: what each request says.
        tls_cert: PEM file; with ``tls_key``.
        tls_key: PEM file.
        tls_self_signed: make and keep a certificate of our own.
        rate_limit: requests a minute for each organization.
        server_name: what ``X-Server-Name`` says in every answer: which of several servers it was.
        drain_s: seconds that the server goes on answering after SIGTERM, while it says that it is not ready.
        trusted_proxies: networks of proxies that are believed what they say of who asks.
        keep_s: seconds that records are kept.
        simulated: nothing here was measured: pages say so.
        agent_poll_s: seconds after which agents ask again what to measure: how old their targets can be.
        asn_db: MaxMind-format file with AS numbers: who has which address.
        city_db: the same with cities or countries: where it is.
        oidc: identity provider for the pages; None: none.
        local_webhooks: whether webhooks of alert rules may be of this machine or link.
        report_key: PEM file that reports are signed with; None: one of our own in ``data``.
        smtp: mail server for the e-mails of alert rules; None: none.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 8480
    store: str = "sqlite"
    accounts: str | None = None
    shared: str | None = None
    public_url: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_self_signed: bool = False
    rate_limit: int = 240
    server_name: str = "hopsight"
    drain_s: float = 0.0
    trusted_proxies: tuple[str, ...] = ()
    keep_s: int = 90 * DAY_S
    simulated: bool = False
    agent_poll_s: int = 10
    asn_db: Path | None = None
    city_db: Path | None = None
    oidc: OidcConfig | None = None
    local_webhooks: bool = False
    report_key: Path | None = None
    smtp: SmtpConfig | None = None

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.tls_self_signed or self.tls_cert is not None


class AgentConfig(Struct, frozen=True, kw_only=True):
    """Settings of the agent.

    Args:
        data: identity and spool are in ``agent`` below it.
        connection_string: where to report, and the key to be let in; needed for the first start only.
        targets: ``HOST[:PORT]``, measured besides what the server asks for.
        location: name of the place where this machine is.
        agent_name: what the API calls this agent; None: the computer's name.
        spool_bytes: most that waiting records may take on disk; the oldest are dropped (and counted).
        spool_age_s: oldest that a waiting record may be.
        topology: probe gateway, proxy and VPN every 300 s.
        fetch: fetch ``/`` of targets with port 80, 443 or none, after each window.
        passive: watch the machine's own TCP connections as they close, too.
        passive_include: only these sites or networks (``*.example.com``, ``192.0.2.0/24``); none: all.
        passive_exclude: never these; wins over include.
        asn_database: MaxMind-format file with AS numbers, for the hops of paths.
        redact: what never leaves the machine (``agent/privacy/`` knows the names).
        proxy: ``http://[USER:PASSWORD@]HOST:PORT`` for uploads; None: what the environment says.
        proxy_variables: of the environment, what says which proxies this machine's programs use.
        ca_file: PEM of the authorities that the server's certificate may come from; None: the system's.
        client_certificate: PEM that the agent shows to the server; with ``client_key``.
        client_key: PEM.
    """

    data: Path
    connection_string: str | None = None
    targets: tuple[str, ...] = ()
    location: str | None = None
    agent_name: str | None = None
    spool_bytes: int = 256 << 20
    spool_age_s: int = 30 * DAY_S
    topology: bool = True
    fetch: bool = False
    passive: bool = False
    passive_include: tuple[str, ...] = ()
    passive_exclude: tuple[str, ...] = ()
    asn_database: Path | None = None
    redact: tuple[str, ...] = ()
    proxy: str | None = None
    proxy_variables: Mapping[str, str] = {}
    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None


def read_settings_file(path: Path) -> dict[str, Any]:
    """Read ``hopsight.toml``: top-level keys hold for every command, a table for the command of its name.

    Raises:
        ConfigError: the file is not TOML, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"settings file {path}", str(error), "TOML") from None
    except OSError as error:
        raise ConfigError("settings file", path, f"a readable file ({error.strerror})") from None
