"""``hopsight admin export|erase``: what a person may ask of whoever runs the server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopsight.cli.admin_options import AccountsOption, JsonOption
from hopsight.cli.data_directory import DataOption, data_directory
from hopsight.cli.output import print_listing, print_result

if TYPE_CHECKING:
    from hopsight.cli.personal_data import Outcome, Person

AgentOption = Annotated[
    str | None, typer.Option("--agent", metavar="AGENTID", help="All of this agent.", show_default=False)
]
UserOption = Annotated[
    str | None,
    typer.Option(
        "--user",
        metavar="NAME",
        help="All of the agents that report NAME, exactly so, among the users of their machine (userName in"
        " `clients`), and the user of this server whose e-mail address is NAME: tokens, roles, log. Both if"
        " both are there.",
        show_default=False,
    ),
]
SharedOption = Annotated[
    bool,
    typer.Option(
        "--include-shared",
        help="Also agents that report other users besides NAME: records do not tell whose they are.",
    ),
]
StoreOption = Annotated[
    str,
    typer.Option(
        "--store", envvar="HOPSIGHT_STORE", metavar="URL", help="Where records are, as for the server."
    ),
]


def export_person(
    agent: AgentOption = None,
    user: UserOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="A file to make, for its owner alone. Default: standard output.", show_default=False
        ),
    ] = None,
    include_shared: SharedOption = False,
    store: StoreOption = "sqlite",
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Write all that there is of a person or machine as JSON lines: whole records, and what names them."""
    from hopsight.cli.serving import require_server

    require_server()
    from hopsight.cli.personal_data import export, opened, person

    with opened(data_directory(data), store, accounts_url) as at:
        found = person(at, agent, user, include_shared=include_shared)
        written = export(at, found, output)
    typer.echo(f"hopsight: {written} row(s) written; look through them before you hand them on", err=True)


def erase_person(
    agent: AgentOption = None,
    user: UserOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what there is.")] = False,
    include_shared: SharedOption = False,
    json: JsonOption = False,
    store: StoreOption = "sqlite",
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Erase all that there is of a person or machine, count again, and end with status 1 if anything is left.

    Works beside a running server. Agents are refused from then on, and cannot enrol again by themselves.
    Backups are yours to look after.
    """
    from hopsight.cli.serving import require_server

    require_server()
    from hopsight.cli.personal_data import count, erase, opened, person

    with opened(data_directory(data), store, accounts_url) as at:
        found = person(at, agent, user, include_shared=include_shared)
        if dry_run:
            outcome = count(at, found)
        else:
            if not yes:
                _confirm(found, as_json=json)
            outcome = erase(at, found)
    _print(found, outcome, as_json=json)
    if not dry_run and outcome.left:
        typer.echo(
            f"hopsight: {outcome.left} row(s) are left; run it again, and report it if they stay", err=True
        )
        raise typer.Exit(1)


def _confirm(found: "Person", *, as_json: bool) -> None:
    from hopsight.errors import InvalidValueError

    if as_json:
        raise InvalidValueError("--json", "without --yes", "--json --yes, or --json --dry-run")
    for line in found.described:
        typer.echo(line, err=True)
    typer.confirm("Erase all of it? It cannot be undone", abort=True, err=True)


def _print(found: "Person", outcome: "Outcome", *, as_json: bool) -> None:
    rows = [
        {"table": each.table, "foundBefore": each.found, "foundAfter": each.left} for each in outcome.tables
    ]
    if not as_json:
        print_listing("tables", rows, as_json=False)
    document = {
        "agentIds": found.subject.agent_ids,
        "user": found.subject.email,
        "tables": rows,
        "left": outcome.left,
        "filesSwept": outcome.swept,
        "digests": outcome.digests,
        "salt": outcome.salt,
    }
    print_result(document, outcome.sentence, as_json=as_json)
