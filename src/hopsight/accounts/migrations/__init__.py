"""From whatever version a database has to ours, in one transaction.

A new database starts from ``schema.py`` as it is. Older ones go through the files in ``versions``, in order;
Alembic runs them. To change a table: change it in ``schema.py``, add the next file to ``versions``, which
names no table of ``schema.py`` (they go on changing; what a file does must not), and raise ``NEWEST``.
"""

from typing import Final

from sqlalchemy import Column, Connection, MetaData, String, Table, delete, insert, inspect, select, update

from hopsight.accounts.schema import metadata, revision, schema_version
from hopsight.errors import ConfigError

NEWEST: Final = "0011"
"""The last file in ``versions``. Told here so that opening a database of today need not read them."""
LAST_NUMBERED: Final = 11
"""Up to this one, versions were numbers in the table ``schema_version``; each is a file in ``versions``."""
BY_ALEMBIC: Final = 1_000
"""What stands there now: programs that know only numbers see that the database is too new for them."""

# Alembic's own table, as it makes it; apart from ours, for it says nothing of accounts.
alembic_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def migrate(connection: Connection) -> None:
    """Create the tables, or bring them up to date. Nobody else may be doing so at the same time.

    Raises:
        ConfigError: a newer Hopsight has written this database, or another program.
    """
    if not inspect(connection).has_table(schema_version.name):
        _create(connection)
        return
    found = connection.execute(select(schema_version.c.version)).scalar_one()
    if found != BY_ALEMBIC:
        _adopt(connection, found)
    version = connection.execute(select(alembic_version.c.version_num)).scalar_one()
    if version != NEWEST:
        _upgrade(connection, version)


def _upgrade(connection: Connection, version: str) -> None:
    # Late: Alembic takes longer to import than all that is done in a database of today.
    try:
        from hopsight.accounts.migrations import upgrading  # noqa: PLC0415
    except ModuleNotFoundError as error:
        accepted = "an installation that brings databases up to date: pip install 'hopsight[server]'"
        raise ConfigError("installation", f"no {error.name}", accepted) from None
    upgrading.upgrade(connection, version)


def _create(connection: Connection) -> None:
    strangers = set(inspect(connection).get_table_names()) & set(metadata.tables)
    if strangers:
        found = f"tables of another program ({min(strangers)})"
        raise ConfigError("accounts database", found, "a database of its own")
    metadata.create_all(connection)
    connection.execute(insert(schema_version).values(version=BY_ALEMBIC))
    connection.execute(insert(revision).values(number=1))
    _stamp(connection, NEWEST)


def _adopt(connection: Connection, number: int) -> None:
    """Have Alembic go on where the numbers ended."""
    if number > LAST_NUMBERED:
        raise ConfigError("accounts database", f"version {number}", "an older version; update Hopsight")
    _stamp(connection, f"{number:04}")
    connection.execute(update(schema_version).values(version=BY_ALEMBIC))


def _stamp(connection: Connection, version: str) -> None:
    alembic_version.create(connection, checkfirst=True)
    connection.execute(delete(alembic_version))
    connection.execute(insert(alembic_version).values(version_num=version))
