"""People sign in to the pages: passwords, and the sessions of their browsers."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "user_passwords",
        sa.Column("uid", sa.Integer, sa.ForeignKey("users.uid", ondelete="CASCADE"), primary_key=True),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("changed_s", sa.Integer, nullable=False),
    )
    op.create_table(
        "browser_sessions",
        sa.Column("session_id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("uid", sa.Integer, sa.ForeignKey("users.uid", ondelete="CASCADE"), nullable=False),
        sa.Column("token_id", sa.Integer, sa.ForeignKey("tokens.token_id", ondelete="CASCADE")),
        sa.Column("created_s", sa.Integer, nullable=False),
        sa.Column("last_seen_s", sa.Integer, nullable=False),
        sa.Column("expires_s", sa.Integer, nullable=False),
        sa.Column("ip_address", sa.String(45)),
        sa.Column("browser", sa.String(255)),
        sa.Index("browser_sessions_by_uid", "uid"),
        sa.Index("browser_sessions_by_token", "token_id"),
        sqlite_autoincrement=True,
    )
