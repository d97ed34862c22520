"""Agents are renamed and restored, networks have names, and changes are in a log."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Agents that were deleted before have no time of it: too long ago to restore."""
    op.add_column("agents", sa.Column("given_name", sa.String(255)))
    op.add_column("agents", sa.Column("deleted_s", sa.Integer))
    op.create_table(
        "network_names",
        sa.Column(
            "aid", sa.Integer, sa.ForeignKey("account_groups.aid", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("network_id", sa.String(12), primary_key=True),
        sa.Column("location", sa.String(255)),
        sa.Column("latitude", sa.Float),
        sa.Column("longitude", sa.Float),
        sa.Column("org_name", sa.String(255)),
    )
    op.create_table(
        "audit_events",
        sa.Column("event_id", sa.Integer, primary_key=True),
        sa.Column("time_s", sa.Integer, nullable=False),
        sa.Column("org_id", sa.Integer),
        sa.Column("aid", sa.Integer),
        sa.Column("uid", sa.Integer),
        sa.Column("who", sa.String(254), nullable=False),
        sa.Column("ip_address", sa.String(45)),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("resources", sa.Text, nullable=False),
        sa.Index("audit_events_by_org", "org_id", "time_s", "event_id"),
        sqlite_autoincrement=True,
    )
