"""``hopsight up``: server and an agent for this machine, in one process group."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from hopsight.cli.agent_options import FetchOption
from hopsight.cli.data_directory import DataOption
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
    refuse_simulated,
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

if TYPE_CHECKING:
    from hopsight.accounts.bootstrap_file import Bootstrap
    from hopsight.cli.up_agent import LocalAgent
    from hopsight.clock import Clock
    from hopsight.config import ServerConfig
    from hopsight.server.run import Running

POLL_S: Final = 0.25
PATIENCE_S: Final = 60.0
"""After this long without a session, say where to look."""


def up(
    context: typer.Context,
    data: DataOption = None,
    listen: ListenOption = LISTEN,
    target: Annotated[
        list[str] | None,
        typer.Option(
            envvar="HOPSIGHT_TARGET",
            metavar="HOST[:PORT]",
            help="Measure this; repeatable. Default: gateway, DNS servers and this server.",
            show_default=False,
        ),
    ] = None,
    fetch: FetchOption = False,
    public_url: PublicUrlOption = None,
    tls_self_signed: SelfSignedOption = False,
    keep: KeepOption = KEEP,
    asn_db: AsnDbOption = None,
    city_db: CityDbOption = None,
    report_key: ReportKeyOption = None,
    smtp_host: SmtpHostOption = None,
    smtp_port: SmtpPortOption = None,
    smtp_security: SmtpSecurityOption = "starttls",
    smtp_user: SmtpUserOption = None,
    smtp_password_file: SmtpPasswordOption = None,
    smtp_ca: SmtpCaOption = None,
    mail_from: MailFromOption = None,
) -> None:
    """Server, embedded store and an agent for this machine: real sessions within 20 seconds.

    Ctrl-C ends it; the next start goes on where it stopped.
    """
    from hopsight.agent.targets import parse_target
    from hopsight.clock import SystemClock

    require_server()
    from hopsight.cli.up_agent import LocalAgent

    for text in target or ():
        parse_target(text)
    smtp = smtp_config(smtp_host, smtp_port, smtp_security, smtp_user, smtp_password_file, smtp_ca, mail_from)
    config = server_config(
        data,
        listen,
        public_url,
        keep,
        tls_self_signed=tls_self_signed,
        asn_db=asn_db,
        city_db=city_db,
        report_key=report_key,
        smtp=smtp,
    )
    refuse_simulated(config)
    typer.echo(f"Starting Hopsight, data in {config.data} ...")
    # The agent has settings of its own in the file that this command was given.
    settings_file = context.find_root().params.get("config")
    clock = SystemClock()
    agent = LocalAgent(config.data, tuple(target or ()), settings_file, clock, fetch=fetch)
    run_as_server(_serve_with_agent(config, agent, clock))
    typer.echo("Stopped. Everything acknowledged is on disk.")


async def _serve_with_agent(config: "ServerConfig", agent: "LocalAgent", clock: "Clock") -> None:
    import asyncio
    import random

    from hopsight.server.run import serve

    started_s = clock.monotonic()
    beside: list[asyncio.Task[None]] = []

    def on_ready(running: "Running") -> None:
        first = running.bootstrap
        if first is None:
            raise RuntimeError("asked for a first account, and got none")
        typer.echo(_welcome(config, running, first, clock.monotonic() - started_s))
        beside.append(asyncio.ensure_future(agent.run(running, first)))
        beside.append(asyncio.ensure_future(_announce_first_session(running, first, agent, clock, started_s)))

    try:
        await serve(config, clock, random.SystemRandom(), on_ready=on_ready, first_account=True)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _announce_first_session(
    running: "Running", first: "Bootstrap", agent: "LocalAgent", clock: "Clock", started_s: float
) -> None:
    """Say when there is something to see; a round that was there before does not count."""
    from hopsight.errors import StoreUnavailableError
    from hopsight.model.dimensions import NETWORK_SESSIONS

    first_round = int(clock.now()) // 60 * 60
    told = False
    while True:
        await clock.sleep(POLL_S)
        waited_s = clock.monotonic() - started_s
        try:
            newest = await running.store.last_round(NETWORK_SESSIONS, first.aid)
        except StoreUnavailableError:
            return
        if newest is not None and newest >= first_round:
            typer.echo(f"First session stored after {waited_s:.0f} s. Ctrl-C ends it.")
            return
        if waited_s > PATIENCE_S and not told:
            told = True
            typer.echo(f"No session after {waited_s:.0f} s; {agent.state}.", err=True)


def _welcome(config: "ServerConfig", running: "Running", first: "Bootstrap", took_s: float) -> str:
    lines = [
        f"Serving after {took_s:.1f} s. Measuring this machine: the first round takes about 12 s.",
        "",
        f"  URL     {running.url}",
        f"  e-mail  {first.email}",
        f"  token   {first.token or '(deleted; `hopsight admin token create` makes another)'}",
        "",
    ]
    if first.token:
        trust = f"--cacert '{config.data}/tls-cert.pem' " if running.fingerprint else ""
        path = "/v6/endpoint-data/user-sessions/network.json"
        lines += [f"  curl {trust}-u '{first.email}:{first.token}' {running.url}{path}", ""]
    return "\n".join(lines)
