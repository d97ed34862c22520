"""Where an agent was before it was transferred."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "agent_former_groups",
        sa.Column(
            "agent_id", sa.String(36), sa.ForeignKey("agents.agent_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column(
            "aid", sa.Integer, sa.ForeignKey("account_groups.aid", ondelete="CASCADE"), primary_key=True
        ),
    )
