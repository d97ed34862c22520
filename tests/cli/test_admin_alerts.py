"""``hopsight admin alert-rule``, ``incident`` and ``maintenance``: the shapes that scripts read."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.incidents import IncidentChange
from hopsight.cli.admin import app
from hopsight.model.alerts import AlertRule, Cause, ChatService, MaintenanceWindow, Webhook
from hopsight.testing import FakeClock

RULE = AlertRule(
    name="Slow",
    metric="latency",
    threshold=150,
    webhooks=(Webhook(url="https://chat.example.com/s3cr3t", secret="s3cr3ts3cr3t"),),
    emails=("jane@example.org",),
    services=(ChatService(label="Ops", url="slack://T00000000/B00000000/s3cr3ts3cr3ts3cr3ts3cr3t"),),
)


def test_what_there_is_is_listed(tmp_path: Path) -> None:
    """Rules, incidents (with --open those that go on) and windows of an account group."""
    accounts = Accounts.open(None, tmp_path, FakeClock())
    aid = accounts.create_account_group("Main", accounts.create_organization("One"))
    rules = accounts.alerts.rules
    rule_id = rules.add(aid, RULE)
    rules.add_window(aid, MaintenanceWindow(name="Night", start_s=0, end_s=60, weekly=True))
    change = IncidentChange(
        rule=rules.get(aid, rule_id), incident_id=None, cause=Cause(dimension="bssid", value="b1"),
        agents={"a": 1.0}, calm_rounds=0, resolved=True,
    )  # fmt: skip
    accounts.alerts.incidents.advance(aid, 60, 60, [change])
    accounts.close()

    def run(*words: str) -> Any:
        options = ["--account-group", str(aid), "--json", "--data", str(tmp_path)]
        result = CliRunner().invoke(app, [*words, *options])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    (rule,) = run("alert-rule", "list")["alertRules"]
    assert (rule["ruleId"], rule["rounds"]) == (rule_id, "3 of 5")
    assert rule["tells"] == "chat.example.com, j***@example.org, Ops (slack)"
    assert "s3cr3t" not in str(rule)
    (incident,) = run("incident", "list", "--open")["incidents"]
    assert (incident["cause"], incident["value"], incident["opened"]) == (
        "bssid",
        "b1",
        "1970-01-01 00:02:00",
    )
    (window,) = run("maintenance", "list")["maintenanceWindows"]
    assert (window["start"], window["weekly"]) == ("1970-01-01 00:00:00", True)
