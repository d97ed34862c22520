"""When users were made."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Of users of before it is not known."""
    op.add_column("users", sa.Column("created_s", sa.Integer))
