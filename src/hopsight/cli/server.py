"""``hopsight server``: the server alone."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hopsight.cli.data_directory import DataOption
from hopsight.cli.oidc_options import (
    OidcClientIdOption,
    OidcClientSecretOption,
    OidcIssuerOption,
    oidc_config,
)
from hopsight.cli.proxy_options import (
    DrainOption,
    ServerNameOption,
    TrustedProxiesOption,
    checked_server_name,
    trusted_networks,
)
from hopsight.cli.serving import (
    KEEP,
    LISTEN,
    AsnDbOption,
    CityDbOption,
    KeepOption,
    ListenOption,
    PublicUrlOption,
    ReportKeyOption,
    SelfSignedOption,
    describe,
    require_server,
    run_as_server,
    server_config,
)
from hopsight.cli.smtp_options import (
    MailFromOption,
    SmtpCaOption,
    SmtpHostOption,
    SmtpPasswordOption,
    SmtpPortOption,
    SmtpSecurityOption,
    SmtpUserOption,
    smtp_config,
)

CertificateOption = Annotated[
    Path | None, typer.Option(envvar="HOPSIGHT_TLS_CERT", help="Certificate chain, PEM.", show_default=False)
]
KeyOption = Annotated[
    Path | None, typer.Option(envvar="HOPSIGHT_TLS_KEY", help="Its private key, PEM.", show_default=False)
]
StoreOption = Annotated[
    str,
    typer.Option(
        envvar="HOPSIGHT_STORE",
        metavar="URL",
        help=(
            "Where records are: sqlite (in --data), sqlite:PATH, memory:, or for several servers "
            "clickhouse://USER:PASSWORD@HOST:PORT[,HOST:PORT...]/DATABASE[?cluster=NAME]."
        ),
    ),
]
AccountsOption = Annotated[
    str | None,
    typer.Option(
        envvar="HOPSIGHT_ACCOUNTS",
        metavar="URL",
        help=(
            "Accounts database: sqlite:///PATH, or postgresql://USER:PASSWORD@HOST/DATABASE for several "
            "servers. Default: accounts.db in --data."
        ),
        show_default=False,
    ),
]
SharedOption = Annotated[
    str | None,
    typer.Option(
        envvar="HOPSIGHT_SHARED",
        metavar="URL",
        help=(
            "Redis or Valkey through which several servers count requests and wrong passwords together: "
            "redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss:// with TLS. Default: each for itself."
        ),
        show_default=False,
    ),
]
RateLimitOption = Annotated[
    int,
    typer.Option(envvar="HOPSIGHT_RATE_LIMIT", min=1, help="Requests a minute for each organization."),
]
AgentPollOption = Annotated[
    int,
    typer.Option(
        envvar="HOPSIGHT_AGENT_POLL",
        min=1,
        max=3_600,
        help="Seconds after which agents ask again what to measure: how late a change reaches them.",
    ),
]
LocalWebhooksOption = Annotated[
    bool,
    typer.Option(
        "--local-webhooks",
        envvar="HOPSIGHT_LOCAL_WEBHOOKS",
        help="Let alert rules post to loopback and link-local addresses.",
    ),
]


def server(
    data: DataOption = None,
    listen: ListenOption = LISTEN,
    public_url: PublicUrlOption = None,
    trusted_proxies: TrustedProxiesOption = None,
    server_name: ServerNameOption = "hopsight",
    drain: DrainOption = 0.0,
    tls_cert: CertificateOption = None,
    tls_key: KeyOption = None,
    tls_self_signed: SelfSignedOption = False,
    store: StoreOption = "sqlite",
    accounts: AccountsOption = None,
    shared: SharedOption = None,
    rate_limit: RateLimitOption = 240,
    keep: KeepOption = KEEP,
    agent_poll: AgentPollOption = 10,
    asn_db: AsnDbOption = None,
    city_db: CityDbOption = None,
    oidc_issuer: OidcIssuerOption = None,
    oidc_client_id: OidcClientIdOption = None,
    oidc_client_secret_file: OidcClientSecretOption = None,
    local_webhooks: LocalWebhooksOption = False,
    report_key: ReportKeyOption = None,
    smtp_host: SmtpHostOption = None,
    smtp_port: SmtpPortOption = None,
    smtp_security: SmtpSecurityOption = "starttls",
    smtp_user: SmtpUserOption = None,
    smtp_password_file: SmtpPasswordOption = None,
    smtp_ca: SmtpCaOption = None,
    mail_from: MailFromOption = None,
) -> None:
    """Take records from agents, and answer questions about them, until interrupted.

    The first start makes an account with an admin: see `hopsight admin token show-bootstrap`.
    """
    require_server()
    smtp = smtp_config(smtp_host, smtp_port, smtp_security, smtp_user, smtp_password_file, smtp_ca, mail_from)
    _run(
        data,
        listen,
        public_url,
        keep,
        trusted_proxies=trusted_networks(trusted_proxies),
        server_name=checked_server_name(server_name),
        drain_s=drain,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_self_signed=tls_self_signed,
        store=store,
        accounts=accounts,
        shared=shared,
        rate_limit=rate_limit,
        agent_poll_s=agent_poll,
        asn_db=asn_db,
        city_db=city_db,
        oidc=oidc_config(oidc_issuer, oidc_client_id, oidc_client_secret_file),
        local_webhooks=local_webhooks,
        report_key=report_key,
        smtp=smtp,
    )


def _run(data: Path | None, listen: str, public_url: str | None, keep: str, **settings: Any) -> None:
    import random

    from hopsight.clock import SystemClock
    from hopsight.server.run import serve

    _check_tls(settings["tls_cert"], settings["tls_key"], self_signed=settings["tls_self_signed"])
    run_as_server(
        serve(
            server_config(data, listen, public_url, keep, **settings),
            SystemClock(),
            random.SystemRandom(),
            on_ready=lambda running: typer.echo(describe(running)),
        )
    )


def _check_tls(certificate: Path | None, key: Path | None, *, self_signed: bool) -> None:
    from hopsight.errors import ConfigError

    if (certificate is None) != (key is None):
        raise ConfigError("--tls-cert and --tls-key", certificate or key, "both of them, or neither")
    if self_signed and certificate is not None:
        raise ConfigError("--tls-self-signed", "with --tls-cert", "one of the two")
