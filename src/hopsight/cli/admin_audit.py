"""``hopsight admin audit``."""

from typing import Annotated

import typer

from hopsight.cli.admin_options import AccountsOption, JsonOption, group, open_accounts
from hopsight.cli.data_directory import DataOption
from hopsight.cli.output import print_listing

MAX_EVENTS = 1_000

audit = group("The log of changes: who, when, from where, what.")


@audit.command("list")
def list_events(
    days: Annotated[int, typer.Option(help="So far back.", min=1, max=3_650)] = 7,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Show all changes, also those of organizations and of what is deleted by now, oldest first."""
    from hopsight.clock import SystemClock
    from hopsight.model.times import format_utc

    now_s = int(SystemClock().now())
    with open_accounts(data, accounts_url) as accounts:
        events = accounts.audit_events(
            None, first_s=now_s - days * 86_400, last_s=now_s, limit=MAX_EVENTS + 1
        )
    if len(events) > MAX_EVENTS:
        typer.echo(f"hopsight: only the first {MAX_EVENTS} are shown; ask for fewer --days", err=True)
    rows = [
        {
            "date": format_utc(event.time_s),
            "aid": event.aid,
            "user": event.who,
            "ipAddress": event.ip_address,
            "event": event.event,
            "resources": ", ".join(f"{each.type} {each.name}" for each in event.resources),
        }
        for event in events[:MAX_EVENTS]
    ]
    print_listing("auditEvents", rows, as_json=json)
