"""Alert rules, incidents, and maintenance windows."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "alert_rules",
        sa.Column("rule_id", sa.Integer, primary_key=True),
        sa.Column("aid", sa.Integer, sa.ForeignKey("account_groups.aid", ondelete="CASCADE"), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("secrets", sa.Text, nullable=False),
        sa.Index("alert_rules_by_aid", "aid"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "alert_progress",
        sa.Column(
            "aid", sa.Integer, sa.ForeignKey("account_groups.aid", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("round_id", sa.Integer, nullable=False),
    )
    _incidents()
    _windows()


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("incident_id", sa.Integer, primary_key=True),
        sa.Column("aid", sa.Integer, sa.ForeignKey("account_groups.aid", ondelete="CASCADE"), nullable=False),
        sa.Column("rule_id", sa.Integer, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("cause_dimension", sa.String(32)),
        sa.Column("cause_value", sa.String(255)),
        sa.Column("failing", sa.Integer, nullable=False),
        sa.Column("others", sa.Integer, nullable=False),
        sa.Column("opened_s", sa.Integer, nullable=False),
        sa.Column("resolved_s", sa.Integer),
        sa.Column("calm_rounds", sa.Integer, nullable=False),
        sa.Index("incidents_by_aid", "aid", "incident_id"),
        sqlite_autoincrement=True,
    )
    incident = "incidents.incident_id"
    op.create_table(
        "incident_agents",
        sa.Column("incident_id", sa.Integer, sa.ForeignKey(incident, ondelete="CASCADE"), primary_key=True),
        sa.Column("agent_id", sa.String(36), primary_key=True),
        sa.Column("first_s", sa.Integer, nullable=False),
        sa.Column("last_s", sa.Integer, nullable=False),
        sa.Column("worst", sa.Float, nullable=False),
    )
    op.create_table(
        "incident_events",
        sa.Column("event_id", sa.Integer, primary_key=True),
        sa.Column("incident_id", sa.Integer, sa.ForeignKey(incident, ondelete="CASCADE"), nullable=False),
        sa.Column("time_s", sa.Integer, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Index("incident_events_by_incident", "incident_id"),
        sqlite_autoincrement=True,
    )


def _windows() -> None:
    op.create_table(
        "maintenance_windows",
        sa.Column("window_id", sa.Integer, primary_key=True),
        sa.Column("aid", sa.Integer, sa.ForeignKey("account_groups.aid", ondelete="CASCADE"), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Index("maintenance_windows_by_aid", "aid"),
        sqlite_autoincrement=True,
    )
    window = "maintenance_windows.window_id"
    op.create_table(
        "maintenance_suppressed",
        sa.Column("window_id", sa.Integer, sa.ForeignKey(window, ondelete="CASCADE"), primary_key=True),
        sa.Column("rule_id", sa.Integer, primary_key=True),
        sa.Column("agent_id", sa.String(36), primary_key=True),
        sa.Column("rule_name", sa.String(255), nullable=False),
        sa.Column("first_s", sa.Integer, nullable=False),
        sa.Column("last_s", sa.Integer, nullable=False),
    )
