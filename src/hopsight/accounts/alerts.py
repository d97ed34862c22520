"""The door to alerts in the accounts database, and what erasing does to them."""

from typing import Final

from sqlalchemy import Connection, func, update

from hopsight.accounts.alert_rules import AlertRules
from hopsight.accounts.alert_tables import alert_rules, incidents, maintenance_windows, suppressed
from hopsight.accounts.database import Database
from hopsight.accounts.incidents import Incidents
from hopsight.accounts.outbox import Outbox
from hopsight.clock import Clock

NOBODY: Final = "erased"


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
            .where(column.contains(agent_id, autoescape=True))
            .values({column.name: func.replace(column, agent_id, NOBODY)})
        )
