"""Which network an agent measured on last."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Agents of before are on none until they tell."""
    op.add_column("agents", sa.Column("network_id", sa.String(12)))
