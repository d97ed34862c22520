"""``hopsight agent``: the agent alone, and what there is to do about it."""

import typer

from hopsight.cli import agent_install, agent_sent, agent_status
from hopsight.cli.agent_options import (
    SPOOL_BYTES,
    SPOOL_DAYS,
    AsnDatabaseOption,
    CaFileOption,
    ClientCertificateOption,
    ClientKeyOption,
    ConnectionStringOption,
    FetchOption,
    LocationOption,
    NameOption,
    OnceOption,
    PassiveExcludeOption,
    PassiveIncludeOption,
    PassiveOption,
    ProxyOption,
    RedactOption,
    SpoolBytesOption,
    SpoolDaysOption,
    StopWithStdinOption,
    TargetOption,
    TopologyOption,
    agent_config,
)
from hopsight.cli.agent_process import AgentRun, run_in_small
from hopsight.cli.data_directory import DataOption, data_directory

app = typer.Typer(rich_markup_mode=None)
app.command("install")(agent_install.install)
app.command("uninstall")(agent_install.uninstall)
app.command("status")(agent_status.status)
app.command("sent")(agent_sent.sent)


@app.callback(invoke_without_command=True)
def agent(
    context: typer.Context,
    connection_string: ConnectionStringOption = None,  # noqa: ARG001 - all are read from the context
    data: DataOption = None,
    target: TargetOption = None,  # noqa: ARG001
    once: OnceOption = False,
    location: LocationOption = None,  # noqa: ARG001
    name: NameOption = None,  # noqa: ARG001
    topology: TopologyOption = True,  # noqa: ARG001
    fetch: FetchOption = False,  # noqa: ARG001
    passive: PassiveOption = False,  # noqa: ARG001
    passive_include: PassiveIncludeOption = None,  # noqa: ARG001
    passive_exclude: PassiveExcludeOption = None,  # noqa: ARG001
    redact: RedactOption = None,  # noqa: ARG001
    asn_database: AsnDatabaseOption = None,  # noqa: ARG001
    proxy: ProxyOption = None,  # noqa: ARG001
    ca_file: CaFileOption = None,  # noqa: ARG001
    client_certificate: ClientCertificateOption = None,  # noqa: ARG001
    client_key: ClientKeyOption = None,  # noqa: ARG001
    spool_bytes: SpoolBytesOption = SPOOL_BYTES,  # noqa: ARG001
    spool_days: SpoolDaysOption = SPOOL_DAYS,  # noqa: ARG001
    stop_with_stdin: StopWithStdinOption = False,
) -> None:
    """Measure this machine's network once a minute, and report it to the server.

    Records wait on disk until the server has them: it may be away for days. Ctrl-C and SIGTERM end the agent
    cleanly; the next start goes on where it stopped.
    """
    if context.invoked_subcommand is not None:
        return
    config = agent_config(data_directory(data), context.params)
    run_in_small(AgentRun(config=config, once=once, stop_with_stdin=stop_with_stdin))
