"""Targets have an interval, and may name their agents."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Targets of before are measured every minute, by all."""
    op.add_column("targets", sa.Column("interval_s", sa.Integer, nullable=False, server_default="60"))
    op.create_table(
        "target_agents",
        sa.Column(
            "target_id", sa.Integer, sa.ForeignKey("targets.target_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column(
            "agent_id", sa.String(36), sa.ForeignKey("agents.agent_id", ondelete="CASCADE"), primary_key=True
        ),
    )
