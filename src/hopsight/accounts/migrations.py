"""From whatever version a database has to ours, in one transaction, in order."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, insert, inspect, select, text, update

from hopsight.accounts.alert_tables import ALERT_TABLES, outbox
from hopsight.accounts.schema import (
    agent_labels,
    audit_events,
    browser_sessions,
    erased_enrolments,
    former_groups,
    metadata,
    network_names,
    passwords,
    revision,
    schema_version,
    target_agents,
)
from hopsight.errors import ConfigError

Migration = Callable[[Connection], None]


def _targets_have_intervals_and_agents(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE targets ADD COLUMN interval_s INTEGER NOT NULL DEFAULT 60"))
    target_agents.create(connection)


def _agents_are_renamed_and_restored(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE agents ADD COLUMN given_name VARCHAR(255)"))
    connection.execute(text("ALTER TABLE agents ADD COLUMN deleted_s INTEGER"))
    network_names.create(connection)
    audit_events.create(connection)


def _transfers_are_remembered(connection: Connection) -> None:
    former_groups.create(connection)


def _erasures_are_remembered(connection: Connection) -> None:
    erased_enrolments.create(connection)


def _agents_are_on_networks(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE agents ADD COLUMN network_id VARCHAR(12)"))


def _users_have_dates(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE users ADD COLUMN created_s INTEGER"))


def _agents_have_labels(connection: Connection) -> None:
    agent_labels.create(connection)


def _people_sign_in(connection: Connection) -> None:
    passwords.create(connection)
    browser_sessions.create(connection)


def _alerts_are_kept(connection: Connection) -> None:
    for table in ALERT_TABLES:
        table.create(connection)


def _messages_wait_in_an_outbox(connection: Connection) -> None:
    outbox.create(connection)


# The one at index 0 leads from version 1 to 2. Append only: `schema.py` is where a new database starts.
MIGRATIONS: Final[tuple[Migration, ...]] = (
    _targets_have_intervals_and_agents,
    _agents_are_renamed_and_restored,
    _transfers_are_remembered,
    _erasures_are_remembered,
    _agents_are_on_networks,
    _users_have_dates,
    _agents_have_labels,
    _people_sign_in,
    _alerts_are_kept,
    _messages_wait_in_an_outbox,
)


def migrate(connection: Connection, steps: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Create the tables, or bring them up to date.

    Raises:
        ConfigError: a newer Hopsight has written this database.
    """
    newest = len(steps) + 1
    if not inspect(connection).has_table(schema_version.name):
        metadata.create_all(connection)
        connection.execute(insert(schema_version).values(version=newest))
        connection.execute(insert(revision).values(number=1))
        return
    found = connection.execute(select(schema_version.c.version)).scalar_one()
    if found > newest:
        raise ConfigError("accounts database", f"version {found}", f"{newest} or older; update Hopsight")
    if found < newest:
        for step in steps[found - 1 :]:
            step(connection)
        connection.execute(update(schema_version).values(version=newest))
