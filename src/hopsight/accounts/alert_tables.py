"""The tables of alerts. A column ``agent_id`` is where agents are named: erasing finds them by it."""

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String, Table, Text

from hopsight.accounts.schema import metadata

# ``document``: an ``AlertRule`` without its secrets, which are beside it by URL.
alert_rules = Table(
    "alert_rules",
    metadata,
    Column("rule_id", Integer, primary_key=True),
    Column("aid", ForeignKey("account_groups.aid", ondelete="CASCADE"), nullable=False),
    Column("document", Text, nullable=False),
    Column("secrets", Text, nullable=False),
    Index("alert_rules_by_aid", "aid"),
    sqlite_autoincrement=True,
)

# Up to which round an account group's rules were held against the data.
alert_progress = Table(
    "alert_progress",
    metadata,
    Column("aid", ForeignKey("account_groups.aid", ondelete="CASCADE"), primary_key=True),
    Column("round_id", Integer, nullable=False),
)

# What a rule found. They outlive their rule, and so keep it as it was when they were opened.
incidents = Table(
    "incidents",
    metadata,
    Column("incident_id", Integer, primary_key=True),
    Column("aid", ForeignKey("account_groups.aid", ondelete="CASCADE"), nullable=False),
    Column("rule_id", Integer, nullable=False),
    Column("rule", Text, nullable=False),
    Column("cause_dimension", String(32)),
    Column("cause_value", String(255)),
    Column("failing", Integer, nullable=False),
    Column("others", Integer, nullable=False),
    Column("opened_s", Integer, nullable=False),
    Column("resolved_s", Integer),
    Column("calm_rounds", Integer, nullable=False),
    Index("incidents_by_aid", "aid", "incident_id"),
    sqlite_autoincrement=True,
)

incident_agents = Table(
    "incident_agents",
    metadata,
    Column("incident_id", ForeignKey("incidents.incident_id", ondelete="CASCADE"), primary_key=True),
    Column("agent_id", String(36), primary_key=True),
    Column("first_s", Integer, nullable=False),
    Column("last_s", Integer, nullable=False),
    Column("worst", Float, nullable=False),
)

incident_events = Table(
    "incident_events",
    metadata,
    Column("event_id", Integer, primary_key=True),
    Column("incident_id", ForeignKey("incidents.incident_id", ondelete="CASCADE"), nullable=False),
    Column("time_s", Integer, nullable=False),
    Column("event", String(32), nullable=False),
    Column("text", Text, nullable=False),
    Index("incident_events_by_incident", "incident_id"),
    sqlite_autoincrement=True,
)

maintenance_windows = Table(
    "maintenance_windows",
    metadata,
    Column("window_id", Integer, primary_key=True),
    Column("aid", ForeignKey("account_groups.aid", ondelete="CASCADE"), nullable=False),
    Column("document", Text, nullable=False),
    Index("maintenance_windows_by_aid", "aid"),
    sqlite_autoincrement=True,
)

# What would have failed a rule, but for the window.
suppressed = Table(
    "maintenance_suppressed",
    metadata,
    Column("window_id", ForeignKey("maintenance_windows.window_id", ondelete="CASCADE"), primary_key=True),
    Column("rule_id", Integer, primary_key=True),
    Column("agent_id", String(36), primary_key=True),
    Column("rule_name", String(255), nullable=False),
    Column("first_s", Integer, nullable=False),
    Column("last_s", Integer, nullable=False),
)

# What somebody is to be told, until they were or it was given up. ``recipient`` names one of the rule's: a
# webhook's URL, an address, or a service's label, so no secret is copied. ``document``: an ``OutboxMessage``.
outbox = Table(
    "alert_outbox",
    metadata,
    Column("outbox_id", Integer, primary_key=True),
    Column("delivery_id", String(36), nullable=False, unique=True),
    Column("aid", ForeignKey("account_groups.aid", ondelete="CASCADE"), nullable=False),
    Column("rule_id", ForeignKey("alert_rules.rule_id", ondelete="CASCADE"), nullable=False),
    Column("incident_id", ForeignKey("incidents.incident_id", ondelete="CASCADE"), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("recipient", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_s", Integer, nullable=False),
    Column("claimed_until_s", Integer, nullable=False),
    Index("alert_outbox_by_aid", "aid"),
    Index("alert_outbox_by_rule", "rule_id"),
    Index("alert_outbox_by_incident", "incident_id"),
    sqlite_autoincrement=True,
)

# As they were first; what came later has migrations of its own.
ALERT_TABLES = (
    alert_rules,
    alert_progress,
    incidents,
    incident_agents,
    incident_events,
    maintenance_windows,
    suppressed,
)
