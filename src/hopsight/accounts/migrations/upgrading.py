"""Alembic, told where our versions are, on a connection of ours: no file of settings, no other engine."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from hopsight.errors import ConfigError


def configuration(connection: Connection) -> Config:
    """Alembic's settings."""
    config = Config()
    # A "%" means something to it.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, version: str) -> None:
    """Bring a database of this version up to date, in the transaction that is open.

    Raises:
        ConfigError: a newer Hopsight has written this database.
    """
    config = configuration(connection)
    try:
        ScriptDirectory.from_config(config).get_revision(version)
    except CommandError:
        accepted = "an older version; update Hopsight"
        raise ConfigError("accounts database", f"version {version}", accepted) from None
    command.upgrade(config, "head")
