"""The door to alerts in the accounts database, and what erasing does to them."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import structs
from sqlalchemy import Connection, Row, Table, and_, delete, func, select, update

from hopsight.accounts.alert_rules import AlertRules
from hopsight.accounts.alert_tables import alert_rules, incidents, maintenance_windows, outbox, suppressed
from hopsight.accounts.database import Database
from hopsight.accounts.incidents import Incidents
from hopsight.accounts.outbox import Outbox
from hopsight.clock import Clock
from hopsight.model.alerts import AlertRule

NOBODY: Final = "erased"

_rules: Final = msgspec.json.Decoder(AlertRule)


class Alerts:
    """Alerts of all account groups.

    Args:
        database: where they are.
        clock: the time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self.rules = AlertRules(database, clock)
        self.incidents = Incidents(database)
        self.outbox = Outbox(database)


def forget_in_filters(connection: Connection, agent_id: str) -> None:
    """Take an agent out of what rules and windows say; a filter for nobody admits no more than before."""
    for column in (
        alert_rules.c.document,
        alert_rules.c.secrets,
        maintenance_windows.c.document,
        suppressed.c.rule_name,
        incidents.c.rule,
    ):
        connection.execute(
            update(column.table)
            .where(column.icontains(agent_id, autoescape=True))
            .values({column.name: func.replace(column, agent_id, NOBODY)})
        )


def rows_with_address(connection: Connection, email: str) -> Iterator[tuple[Table, Row[Any]]]:
    """The rules that tell an address (lower case), and the messages that wait for it, with their tables."""
    document = alert_rules.c.document
    for row in connection.execute(
        select(alert_rules).where(func.lower(document).contains(f'"{email}"', autoescape=True))
    ):
        if any(each.lower() == email for each in _rules.decode(row.document).emails):
            yield alert_rules, row
    for row in connection.execute(select(outbox).where(_waits_for(email))):
        yield outbox, row


def forget_address(connection: Connection, email: str) -> None:
    """Tell an address (lower case) no more."""
    connection.execute(delete(outbox).where(_waits_for(email)))
    for _, row in list(rows_with_address(connection, email)):
        rule = _rules.decode(row.document)
        kept = structs.replace(rule, emails=tuple(each for each in rule.emails if each.lower() != email))
        changed = update(alert_rules).where(alert_rules.c.rule_id == row.rule_id)
        connection.execute(changed.values(document=msgspec.json.encode(kept).decode()))


def _waits_for(email: str) -> Any:
    return and_(outbox.c.channel == "email", func.lower(outbox.c.recipient) == email)
