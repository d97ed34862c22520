"""``hopsight admin alert-rule``, ``incident`` and ``maintenance``: what there is."""

from typing import TYPE_CHECKING, Annotated

import typer

from hopsight.cli.admin_options import AccountsOption, GroupOption, JsonOption, group, open_accounts
from hopsight.cli.data_directory import DataOption
from hopsight.cli.output import print_listing

if TYPE_CHECKING:
    from hopsight.accounts.alert_listings import Incident, StoredRule, StoredWindow

alert_rules = group("Alert rules of an account group; the page /alerts and the API write them.")
incidents = group("What alert rules have found.")
maintenance = group("Times in which nobody is told; the page /alerts and the API plan them.")


@alert_rules.command("list")
def list_alert_rules(
    account_group: GroupOption,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Show alert rules."""
    with open_accounts(data, accounts_url) as accounts:
        rows = [_rule(each) for each in accounts.alerts.rules.listing(account_group)]
    print_listing("alertRules", rows, as_json=json)


@incidents.command("list")
def list_incidents(
    account_group: GroupOption,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that go on.")] = False,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Show incidents, the newest first, at most 1,000."""
    with open_accounts(data, accounts_url) as accounts:
        found = accounts.alerts.incidents.listing(account_group, is_open=True if only_open else None)
    print_listing("incidents", [_incident(each) for each in found], as_json=json)


@maintenance.command("list")
def list_maintenance(
    account_group: GroupOption,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Show maintenance windows."""
    with open_accounts(data, accounts_url) as accounts:
        rows = [_window(each) for each in accounts.alerts.rules.windows(account_group)]
    print_listing("maintenanceWindows", rows, as_json=json)


def _rule(stored: "StoredRule") -> dict[str, object]:
    from hopsight.accounts.alert_recipients import recipient_names

    rule = stored.rule
    return {
        "ruleId": stored.rule_id,
        "name": rule.name,
        "metric": rule.metric,
        "threshold": rule.threshold,
        "rounds": f"{rule.rounds} of {rule.of_rounds}",
        "minAgents": rule.min_agents,
        "enabled": rule.enabled,
        "tells": ", ".join(recipient_names(rule)) or "nobody",
    }


def _incident(incident: "Incident") -> dict[str, object]:
    from hopsight.model.times import format_utc

    resolved_s = incident.resolved_s
    return {
        "incidentId": incident.incident_id,
        "rule": incident.rule.name,
        "cause": incident.cause.dimension,
        "value": incident.cause.value,
        "agents": incident.agents,
        "opened": format_utc(incident.opened_s),
        "resolved": None if resolved_s is None else format_utc(resolved_s),
    }


def _window(stored: "StoredWindow") -> dict[str, object]:
    from hopsight.model.times import format_utc

    window = stored.window
    return {
        "windowId": stored.window_id,
        "name": window.name,
        "start": format_utc(window.start_s),
        "end": format_utc(window.end_s),
        "weekly": window.weekly,
    }
