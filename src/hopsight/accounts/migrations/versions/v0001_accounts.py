"""Organizations, account groups, users and their tokens; agents, their keys, and targets."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table("schema_version", sa.Column("version", sa.Integer, nullable=False))
    op.create_table("revision", sa.Column("number", sa.Integer, nullable=False))
    _people()
    _agents()


def _people() -> None:
    op.create_table(
        "organizations",
        sa.Column("org_id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "account_groups",
        sa.Column("aid", sa.Integer, primary_key=True),
        sa.Column("org_id", sa.Integer, sa.ForeignKey("organizations.org_id"), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.UniqueConstraint("org_id", "name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "users",
        sa.Column("uid", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        sa.Column("name", sa.String(255), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "memberships",
        sa.Column("uid", sa.Integer, sa.ForeignKey("users.uid", ondelete="CASCADE"), primary_key=True),
        sa.Column("aid", sa.Integer, sa.ForeignKey("account_groups.aid"), primary_key=True),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("login", sa.Boolean, nullable=False),
        sa.Index("memberships_by_aid", "aid"),
    )
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("uid", sa.Integer, sa.ForeignKey("users.uid", ondelete="CASCADE"), nullable=False),
        sa.Column("created_s", sa.Integer, nullable=False),
        sa.Index("tokens_by_uid", "uid"),
        sqlite_autoincrement=True,
    )


def _agents() -> None:
    op.create_table(
        "account_group_keys",
        sa.Column("key_id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("aid", sa.Integer, sa.ForeignKey("account_groups.aid"), nullable=False),
        sa.Column("created_s", sa.Integer, nullable=False),
        sa.Index("account_group_keys_by_aid", "aid"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "agents",
        sa.Column("agent_id", sa.String(36), primary_key=True),
        sa.Column("aid", sa.Integer, sa.ForeignKey("account_groups.aid"), nullable=False),
        sa.Column("enrolment_id", sa.String(36), nullable=False, unique=True),
        sa.Column("secret_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("info", sa.Text, nullable=False),
        sa.Column("agent_name", sa.String(255), nullable=False),
        sa.Column("computer_name", sa.String(255), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("created_s", sa.Integer, nullable=False),
        sa.Column("last_seen_s", sa.Integer, nullable=False),
        sa.Column("public_ip", sa.String(45)),
        sa.Index("agents_by_aid", "aid", "deleted", "agent_id"),
    )
    op.create_table(
        "targets",
        sa.Column("target_id", sa.Integer, primary_key=True),
        sa.Column("aid", sa.Integer, sa.ForeignKey("account_groups.aid"), nullable=False),
        sa.Column("host", sa.String(253), nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("protocol", sa.String(8), nullable=False),
        sa.UniqueConstraint("aid", "host", "port", "protocol"),
        sqlite_autoincrement=True,
    )
