"""SQLAlchemy's SQLite dialect over our apsw driver."""

from typing import Any

from sqlalchemy import pool
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import URL

from hopsight.accounts import apsw_driver


class ApswDialect(SQLiteDialect):
    """``sqlite+apsw:///PATH``."""

    driver = "apsw"
    default_paramstyle = "qmark"
    supports_statement_cache = True
    returns_native_bytes = True

    @classmethod
    def import_dbapi(cls) -> Any:
        """The driver."""
        return apsw_driver

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:  # noqa: ARG003 - the signature is SQLAlchemy's
        """Connections are kept and lent to one user at a time."""
        return pool.QueuePool

    def create_connect_args(self, url: URL) -> Any:
        """Arguments of ``apsw_driver.connect``."""
        return [url.database], {}

    def _get_server_version_info(self, connection: Any) -> Any:  # noqa: ARG002 - likewise
        return apsw_driver.sqlite_version_info
