"""Labels of agents."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "agent_labels",
        sa.Column(
            "agent_id", sa.String(36), sa.ForeignKey("agents.agent_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("label", sa.String(255), primary_key=True),
    )
