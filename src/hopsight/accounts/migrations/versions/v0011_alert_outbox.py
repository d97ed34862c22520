"""Messages about incidents wait in an outbox until they are told."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the table."""
    rule, incident = "alert_rules.rule_id", "incidents.incident_id"
    op.create_table(
        "alert_outbox",
        sa.Column("outbox_id", sa.Integer, primary_key=True),
        sa.Column("delivery_id", sa.String(36), nullable=False, unique=True),
        sa.Column("aid", sa.Integer, sa.ForeignKey("account_groups.aid", ondelete="CASCADE"), nullable=False),
        sa.Column("rule_id", sa.Integer, sa.ForeignKey(rule, ondelete="CASCADE"), nullable=False),
        sa.Column("incident_id", sa.Integer, sa.ForeignKey(incident, ondelete="CASCADE"), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due_s", sa.Integer, nullable=False),
        sa.Column("claimed_until_s", sa.Integer, nullable=False),
        sa.Index("alert_outbox_by_aid", "aid"),
        sa.Index("alert_outbox_by_rule", "rule_id"),
        sa.Index("alert_outbox_by_incident", "incident_id"),
        sqlite_autoincrement=True,
    )
