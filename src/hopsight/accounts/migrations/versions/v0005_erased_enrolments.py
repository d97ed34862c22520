"""Digests of the enrolments of agents whose data was erased."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    op.create_table("erased_enrolments", sa.Column("digest", sa.LargeBinary(32), primary_key=True))
