"""From whatever version a database has to ours, in one transaction, in order."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, insert, inspect, select, update

from hopsight.accounts.schema import metadata, revision, schema_version
from hopsight.errors import ConfigError

Migration = Callable[[Connection], None]

# The one at index 0 leads from version 1 to 2. Append only: `schema.py` is where a new database starts.
MIGRATIONS: Final[tuple[Migration, ...]] = ()


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
