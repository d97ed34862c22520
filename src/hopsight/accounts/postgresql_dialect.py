"""SQLAlchemy's PostgreSQL dialect over psycopg, with columns as wide and as ordered as SQLite's.

The tables are told once, in SQLite's words: an ``Integer`` there has 64 bits, and texts are compared by their
bytes and have whatever length the code lets them have. So they have here.
"""

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.dialects.postgresql import base
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg


class _Types(base.PGTypeCompiler):
    """``type_expression`` is there where a table is made; elsewhere a type is what a value is cast to."""

    def visit_INTEGER(self, type_: Any, **options: Any) -> str:  # noqa: ARG002, N802 - SQLAlchemy's signature
        return "BIGINT" if options.get("type_expression") is not None else "INTEGER"

    def visit_VARCHAR(self, type_: Any, **options: Any) -> str:  # noqa: N802 - likewise
        return self.visit_TEXT(type_, **options)

    def visit_TEXT(self, type_: Any, **options: Any) -> str:  # noqa: ARG002, N802 - likewise
        return 'TEXT COLLATE "C"' if options.get("type_expression") is not None else "TEXT"


class _Tables(base.PGDDLCompiler):
    def get_column_specification(self, column: Any, **options: Any) -> str:
        """A key that counts is as wide as other numbers."""
        told: str = super().get_column_specification(column, **options)  # type: ignore[no-untyped-call]
        name, _, rest = told.partition(" ")
        return f"{name} BIG{rest}" if rest.startswith("SERIAL") else told


class PostgresqlDialect(PGDialect_psycopg):
    """``postgresql+hopsight://USER:PASSWORD@HOST:PORT/DATABASE``."""

    supports_statement_cache = True
    type_compiler_cls = _Types
    # Numbers are sent as wide as they are, and not cast to 32 bits.
    colspecs = PGDialect_psycopg.colspecs | {Integer: Integer}
    ddl_compiler = _Tables

    def connect(self, *words: Any, **options: Any) -> Any:
        """A connection that does not wait for ever."""
        from hopsight.accounts.bounded_connection import BoundedConnection  # noqa: PLC0415 - an extra's

        return BoundedConnection.connect(*words, **options)
